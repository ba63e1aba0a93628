"""The network of `network.yaml` as network namespaces: hosts, addresses, routes, translation.

It knows no program that runs on the hosts and no capture; `record.py` has those. Every host is a
namespace of its own; the namespace `vpc` routes between the subnets as the VPC does; behind it
are `isp` and `internet`.
"""

import fcntl
import socket
import struct
import subprocess
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

#: What the narrowest link on the way to the internet carries, so that large packets meet it.
NARROW_MTU = 1400

OFFICE = "198.51.100.5"
VISITOR, VISITOR_6 = "198.51.100.77", "2001:db8:ffff::77"
SCANNER, SCANNER_6 = "198.51.100.99", "2001:db8:ffff::99"
BLOCKED = "192.0.2.66"
NAMES = "198.51.100.53"
MIRROR, MIRROR_6 = "198.51.100.80", "2001:db8:ffff::80"
RESOLVER = "10.20.0.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host of the template: a network namespace behind the VPC's interface of the same name."""

    name: str
    subnet: str
    address: str
    address_6: str
    public_address: str | None = None


#: Name of the subnet -> the VPC router's addresses in it.
SUBNETS = {
    "public": ("10.20.0.1/24", "2001:db8:20::1/64"),
    "web-a": ("10.20.10.1/24", "2001:db8:20:10::1/64"),
    "web-b": ("10.20.11.1/24", "2001:db8:20:11::1/64"),
    "database": ("10.20.20.1/24", "2001:db8:20:20::1/64"),
}
LB = Host(
    name="lb",
    subnet="public",
    address="10.20.0.10",
    address_6="2001:db8:20::10",
    public_address="203.0.113.10",
)
NAT = Host(
    name="nat",
    subnet="public",
    address="10.20.0.20",
    address_6="2001:db8:20::20",
    public_address="203.0.113.20",
)
BASTION = Host(
    name="bastion",
    subnet="public",
    address="10.20.0.30",
    address_6="2001:db8:20::30",
    public_address="203.0.113.30",
)
WEB_1 = Host(name="web-1", subnet="web-a", address="10.20.10.11", address_6="2001:db8:20:10::11")
WEB_2 = Host(name="web-2", subnet="web-b", address="10.20.11.12", address_6="2001:db8:20:11::12")
DB = Host(name="db", subnet="database", address="10.20.20.5", address_6="2001:db8:20:20::5")
HOSTS = (LB, NAT, BASTION, WEB_1, WEB_2, DB)


def run(
    namespace: str, command: str | Sequence[str], *, check: bool = True, **options: object
) -> None:
    """Run a command in a network namespace to its end; a string is split at spaces."""
    words = command.split() if isinstance(command, str) else list(command)
    done = subprocess.run(
        ["ip", "netns", "exec", namespace, *words],
        check=False,
        stdin=subprocess.DEVNULL if "input" not in options else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        **options,
    )
    if check and done.returncode != 0:
        sys.exit(f"{namespace}: {' '.join(words)}: exit {done.returncode}\n{done.stdout}")


def ip(command: str) -> None:
    """Run one `ip` command."""
    subprocess.run(["ip", *command.split()], check=True)


def link(end: tuple[str, str], other: tuple[str, str]) -> None:
    """Connect two namespaces by a pair of interfaces, each (namespace, interface name)."""
    ip("link add end0 type veth peer name end1")
    for device, (namespace, name) in (("end0", end), ("end1", other)):
        _compute_checksums(device)
        ip(f"link set {device} netns {namespace} name {name}")
        ip(f"-n {namespace} link set {name} up")


def _compute_checksums(device: str) -> None:
    """Turn transmit offload off, so that packets look as they would on a wire.

    With it, a capture shows segments larger than the MTU and checksums that nobody has filled
    in. This is `ethtool --offload DEVICE tx off`: struct ethtool_value through SIOCETHTOOL.
    """
    siocethtool, ethtool_stxcsum = 0x8946, 0x17
    value = array("I", [ethtool_stxcsum, 0])
    with socket.socket() as any_socket:
        request = struct.pack("16sP16x", device.encode(), value.buffer_info()[0])
        fcntl.ioctl(any_socket, siocethtool, request)


def set_kernel(namespace: str, **settings: int) -> None:
    """Set kernel parameters of the network; two underscores in a name stand for a dot."""
    names = [f"net.{name.replace('__', '.')}={value}" for name, value in settings.items()]
    run(namespace, ["sysctl", "-qw", *names])


def build_vpc() -> None:
    """Make the subnets as bridges, and every host behind a port of its own name."""
    ip("netns add vpc")
    set_kernel(
        "vpc",
        ipv4__ip_forward=1,
        ipv4__conf__all__send_redirects=0,
        ipv4__conf__default__send_redirects=0,
        ipv6__conf__all__forwarding=1,
    )
    for subnet, (address, address_6) in SUBNETS.items():
        ip(f"-n vpc link add {subnet} type bridge mcast_snooping 0")
        ip(f"-n vpc link set {subnet} up")
        ip(f"-n vpc address add {address} dev {subnet}")
        ip(f"-n vpc address add {address_6} dev {subnet} nodad")
    ip(f"-n vpc address add {RESOLVER}/24 dev public")
    for host in HOSTS:
        ip(f"netns add {host.name}")
        link((host.name, "eth0"), ("vpc", host.name))
        set_kernel("vpc", **{f"ipv6__conf__{host.name}__disable_ipv6": 1})
        ip(f"-n vpc link set {host.name} master {host.subnet}")
        router, router_6 = SUBNETS[host.subnet]
        set_kernel(host.name, ipv6__conf__eth0__accept_ra=0)
        ip(f"-n {host.name} link set lo up")
        ip(f"-n {host.name} address add {host.address}/24 dev eth0")
        ip(f"-n {host.name} address add {host.address_6}/64 dev eth0 nodad")
        ip(f"-n {host.name} route add default via {router.split('/')[0]}")
        ip(f"-n {host.name} route add default via {router_6.split('/')[0]}")


def build_internet() -> None:
    """Make the internet: one namespace with many addresses, behind a narrow link."""
    for name in ("isp", "internet"):
        ip(f"netns add {name}")
        ip(f"-n {name} link set lo up")
    link(("vpc", "igw"), ("isp", "vpc"))
    link(("isp", "internet"), ("internet", "eth0"))
    set_kernel("isp", ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)
    for namespace, device, address in (
        ("vpc", "igw", "203.0.113.253/30"),
        ("vpc", "igw", "2001:db8:fffe::2/64"),
        ("isp", "vpc", "203.0.113.254/30"),
        ("isp", "vpc", "2001:db8:fffe::1/64"),
        ("isp", "internet", "198.51.100.1/24"),
        ("isp", "internet", "2001:db8:ffff::1/64"),
        *(("internet", "eth0", f"{a}/24") for a in (VISITOR, OFFICE, SCANNER, NAMES, MIRROR)),
        ("internet", "eth0", f"{BLOCKED}/32"),
        *(("internet", "eth0", f"{a}/64") for a in (VISITOR_6, SCANNER_6, MIRROR_6)),
    ):
        ip(f"-n {namespace} address add {address} dev {device}{' nodad' * (':' in address)}")
    ip("-n vpc route add default via 203.0.113.254")
    ip("-n vpc route add default via 2001:db8:fffe::1")
    ip("-n isp route add 203.0.113.0/27 via 203.0.113.253")
    ip("-n isp route add 2001:db8:20::/56 via 2001:db8:fffe::2")
    ip(f"-n isp route add {BLOCKED}/32 dev internet")
    narrow = f"dev internet proto kernel mtu lock {NARROW_MTU}"
    ip(f"-n isp route change 198.51.100.0/24 {narrow} scope link src 198.51.100.1")
    ip(f"-n isp -6 route replace 2001:db8:ffff::/64 {narrow} metric 256")
    ip("-n internet route add default via 198.51.100.1")
    ip("-n internet route add default via 2001:db8:ffff::1")


def translate() -> None:
    """Give the internet gateway and the NAT gateway their work."""
    public = [(host.address, host.public_address) for host in HOSTS if host.public_address]
    into = ", ".join(f"{outside} : {inside}" for inside, outside in public)
    out = ", ".join(f"{inside} : {outside}" for inside, outside in public)
    rules = f"""
        table ip igw {{
            chain in {{ type nat hook prerouting priority dstnat;
                iifname "igw" dnat to ip daddr map {{ {into} }};
            }}
            chain out {{ type nat hook postrouting priority srcnat;
                oifname "igw" snat to ip saddr map {{ {out} }};
            }}
        }}"""
    run("vpc", "nft -f -", input=rules)
    rules = f"""
        table ip nat {{
            chain out {{ type nat hook postrouting priority srcnat;
                ip saddr 10.20.0.0/16 ip saddr != {NAT.address} masquerade;
            }}
        }}"""
    run("nat", "nft -f -", input=rules)
    set_kernel(
        "nat",
        ipv4__ip_forward=1,
        ipv4__conf__all__send_redirects=0,
        ipv4__conf__eth0__send_redirects=0,
    )
    # A NAT gateway forgets after 350 seconds, Linux after 30.
    for namespace in ("vpc", "nat"):
        set_kernel(namespace, netfilter__nf_conntrack_udp_timeout=350)
    # The route table of the web subnets: inside as everyone, else to the NAT gateway.
    ip("-n vpc rule add from 10.20.10.0/23 to 10.20.0.0/16 priority 100 lookup main")
    ip("-n vpc rule add from 10.20.10.0/23 priority 101 lookup 10")
    ip(f"-n vpc route add default via {NAT.address} table 10")
