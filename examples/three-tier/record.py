#!/usr/bin/env python3
"""Record `traffic.pcapng.gz`: real programs that talk over the network of `network.yaml`.

Every host is a network namespace with the addresses of the template; a namespace `vpc` routes
between the subnets as the VPC does, translates at the internet gateway, and sends what the web
servers say to the internet through a NAT gateway. Nothing filters: the capture holds what was
sent, and deciding it is the replay's work.

Everything lives in namespaces of its own (network, mounts, processes) that the kernel takes
away with the script, however it ends. Needs root on Linux, and: iproute2, nftables, dumpcap
and reordercap (wireshark-common), curl, ping, dig (bind9-dnsutils), nmap, OpenSSH and PostgreSQL.

    sudo examples/three-tier/record.py
"""

import argparse
import fcntl
import gzip
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = Path("/run/work")  # on a mount of our own, see `enter_own_namespaces`
SNAP_LENGTH = 128
IDLE_S = 66  # longer than the TcpEstablishedTimeout of the database's interface
#: What the narrowest link on the way to the internet carries, so that large packets meet it.
NARROW_MTU = 1400

OFFICE = "198.51.100.5"
VISITOR, VISITOR_6 = "198.51.100.77", "2001:db8:ffff::77"
SCANNER, SCANNER_6 = "198.51.100.99", "2001:db8:ffff::99"
BLOCKED = "192.0.2.66"
NAMES = "198.51.100.53"
MIRROR, MIRROR_6 = "198.51.100.80", "2001:db8:ffff::80"
RESOLVER = "10.20.0.2"
#: Thirty ports that scanners try first.
SCANNED = (
    "21-23,25,53,80,81,110,111,135,139,143,443,445,587,993,995,1433,1521,2049,2375,3306,3389,"
    "5432,5900,6379,8080,8443,9200,27017"
)


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


# ------------------------------------------------------------------- running programs


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


def start(namespace: str, command: str | Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a command in a network namespace; it ends at the latest when this script does."""
    words = command.split() if isinstance(command, str) else list(command)
    log = (WORK / f"{namespace}-{Path(words[0]).name}.log").open("ab")
    return subprocess.Popen(
        ["ip", "netns", "exec", namespace, *words],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )


def finish(program: subprocess.Popen[bytes]) -> None:
    """Wait for a program that ends by itself, and insist that it went well."""
    if program.wait(timeout=120) != 0:
        logs = "".join(path.read_text(errors="replace") for path in sorted(WORK.glob("*.log")))
        sys.exit(f"{program.args}: exit {program.returncode}\n{logs}")


def ip(command: str) -> None:
    """Run one `ip` command."""
    subprocess.run(["ip", *command.split()], check=True)


# ------------------------------------------------------------------------ the network


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


# ----------------------------------------------------------------------- the programs


def start_servers() -> None:
    """Start everything that listens, and wait until it does."""
    site = WORK / "site"
    site.mkdir()
    (site / "index.html").write_text(
        "<h1>The shop</h1>\n" + "<p>A thing, and its price.</p>\n" * 100
    )
    programs = [sys.executable, str(HERE / "programs.py")]
    for web in (WEB_1, WEB_2):
        serve = [sys.executable, "-m", "http.server", "8080", "--bind", "::", "--directory"]
        start(web.name, [*serve, str(site)])
    start(LB.name, [*programs, "balancer", WEB_1.address, WEB_2.address])
    start("internet", [*programs, "mirror"])
    start("internet", [*programs, "names", NAMES, MIRROR])
    start("vpc", [*programs, "names", RESOLVER, DB.address])
    _start_ssh()
    _start_database()
    for namespace, port in (
        (LB.name, 80),
        (WEB_1.name, 8080),
        (WEB_2.name, 8080),
        ("internet", 80),
        (LB.name, 22),
        (BASTION.name, 22),
        (WEB_1.name, 22),
        (DB.name, 5432),
    ):
        _wait_for_listener(namespace, port)


def _wait_for_listener(namespace: str, port: int) -> None:
    command = f"ip netns exec {namespace} ss -Hltn sport = {port}".split()
    until = time.monotonic() + 20
    while not subprocess.run(command, check=True, capture_output=True).stdout:
        if time.monotonic() > until:
            sys.exit(f"{namespace}: nothing listens on port {port}")
        time.sleep(0.1)


def _start_ssh() -> None:
    for key in ("host_key", "user_key"):
        run("vpc", ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(WORK / key)])
    Path("/run/sshd").mkdir(exist_ok=True)
    (WORK / "sshd_config").write_text(
        f"HostKey {WORK}/host_key\nAuthorizedKeysFile {WORK}/user_key.pub\n"
        "StrictModes no\nUsePAM no\nUseDNS no\nPidFile none\nPermitRootLogin prohibit-password\n"
    )
    (WORK / "ssh_config").write_text(
        f"Host *\n  User root\n  IdentityFile {WORK}/user_key\n  StrictHostKeyChecking no\n"
        "  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n  ConnectTimeout 10\n"
        f"Host bastion\n  HostName {BASTION.public_address}\n  BindAddress {OFFICE}\n"
        f"Host inner-*\n  ProxyJump bastion\n"
        f"Host inner-web-1\n  HostName {WEB_1.address}\n"
        f"Host inner-lb\n  HostName {LB.address}\n"
    )
    for host in (BASTION, WEB_1, LB):
        start(host.name, f"/usr/sbin/sshd -D -e -f {WORK}/sshd_config")


def _start_database() -> None:
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    cluster = WORK / "postgresql"
    cluster.mkdir()
    shutil.chown(cluster, "postgres", "postgres")
    postgres = ["runuser", "-u", "postgres", "--"]
    initdb = [str(programs / "initdb"), "-D", str(cluster), "-A", "trust", "--no-sync"]
    run(DB.name, [*postgres, *initdb], cwd="/")
    with (cluster / "pg_hba.conf").open("a") as hba:
        hba.write("host all all 10.20.0.0/16 trust\nhost all all 2001:db8:20::/56 trust\n")
    options = {"listen_addresses": "*", "unix_socket_directories": str(cluster), "fsync": "off"}
    settings = [f"--{name}={value}" for name, value in options.items()]
    start(DB.name, [*postgres, str(programs / "postgres"), "-D", str(cluster), *settings])
    _wait_for_listener(DB.name, 5432)
    create = "create table orders as select n, md5(n::text) as item from generate_series(1, 40) n"
    run(DB.name, [*postgres, "psql", "-q", "-h", str(cluster), "-c", create], cwd="/")


# ------------------------------------------------------------------ the conversations


def start_long_conversations() -> list[subprocess.Popen[bytes]]:
    """Start what lasts longer than a connection table remembers."""
    (WORK / "pool.sql").write_text(
        f"select count(*) from orders;\n\\! sleep {IDLE_S}\nselect * from orders limit 5;\n"
    )
    psql = ["psql", "-q", "-f", str(WORK / "pool.sql")]
    database = "user=postgres sslmode=disable host="
    # Names of servers far away take their time: the answer comes when UDP is forgotten.
    slow = f"dig +noedns +tries=1 +timeout=60 @{NAMES} slow.example.com"
    return [
        start(WEB_1.name, [*psql, database + DB.address]),
        start(WEB_2.name, [*psql, f"{database}{DB.address_6} keepalives_idle=20"]),
        start(WEB_1.name, slow),
    ]


def visit() -> None:
    """Customers, on IPv4 and IPv6, and one who is blocked; pings, whole and in fragments."""
    shop = f"http://{LB.public_address}/"
    for _ in range(4):
        run("internet", f"curl -sS --fail --interface {VISITOR} -o /dev/null {shop}")
    for _ in range(2):
        run(
            "internet",
            f"curl -sS --fail --interface {VISITOR_6} -o /dev/null http://[{LB.address_6}]/",
        )
    run("internet", f"curl -sS --fail --interface {BLOCKED} -o /dev/null {shop}")
    for size in (56, 4000):
        run("internet", f"ping -c 2 -i 0.3 -s {size} -I {VISITOR} {LB.public_address}")
        run("internet", f"ping -c 3 -i 0.3 -s {size} -I {VISITOR_6} {LB.address_6}")
    # Nothing listens on 443 yet: the host itself refuses.
    refused = f"curl -sS --interface {VISITOR} https://{LB.public_address}/"
    run("internet", refused, check=False)


def serve() -> None:
    """The web servers: the database, names, and a mirror on the internet."""
    database = "user=postgres sslmode=disable host="
    query = ["-c", "select * from orders where n < 20"]
    run(WEB_1.name, ["psql", "-q", database + DB.address, *query])
    run(WEB_2.name, ["psql", "-q", database + DB.address_6, *query])
    for web in (WEB_1, WEB_2):
        run(web.name, f"dig +noedns @{RESOLVER} db.shop.internal")
        run(web.name, f"dig +noedns @{NAMES} mirror.example.com")
    # Nobody answers names there: an ICMP error about a flow.
    run(WEB_1.name, f"dig +noedns +tries=1 +timeout=2 @{MIRROR} example.com", check=False)
    (WORK / "report").write_bytes(b"report " * 900)
    for host, mirror in ((WEB_1, MIRROR), (WEB_2, f"[{MIRROR_6}]")):
        run(host.name, f"curl -sS --fail -o /dev/null http://{mirror}/package")
        # Uploads meet the narrow link: "fragmentation needed" and "packet too big".
        run(host.name, f"curl -sS --fail -T {WORK}/report http://{mirror}/report")


def operate() -> None:
    """Operators: in through the bastion, and what they may not do from there."""
    for host in ("bastion", "inner-web-1", "inner-lb"):
        run("internet", f"ssh -F {WORK}/ssh_config {host} uptime")
    backup = "copy orders to stdout"
    run(
        BASTION.name,
        ["psql", "-q", f"user=postgres sslmode=disable host={DB.address}", "-c", backup],
    )


def intrude() -> None:
    """A stranger's scans, and a web server that somebody has taken over."""
    scan = "nmap -n -Pn --max-retries 0 --host-timeout 20s"
    run("internet", f"{scan} -sS -p {SCANNED} -S {SCANNER} -e eth0 {BASTION.public_address}")
    run("internet", f"{scan} -6 -sS -p 22,5432 -S {SCANNER_6} -e eth0 {DB.address_6}")
    run(WEB_1.name, f"ssh -F {WORK}/ssh_config {BASTION.address} uptime")
    run(WEB_1.name, f"ping -c 2 -i 0.3 -s 4000 {DB.address}")


def record(capture: Path) -> None:
    """Capture at every host's interface while the conversations run."""
    build_vpc()
    build_internet()
    translate()
    start_servers()
    # A session that is older than the capture.
    old = start("internet", f"ssh -F {WORK}/ssh_config bastion uptime; sleep 8; uptime")
    time.sleep(2)
    unsorted = WORK / "unsorted.pcapng"
    interfaces = [word for host in HOSTS for word in ("-i", host.name)]
    dumpcap = start(
        "vpc", ["dumpcap", "-q", "-s", str(SNAP_LENGTH), "-w", str(unsorted), *interfaces]
    )
    until = time.monotonic() + 20
    while not unsorted.exists() or unsorted.stat().st_size == 0:
        if time.monotonic() > until or dumpcap.poll() is not None:
            sys.exit("dumpcap does not capture:\n" + (WORK / "vpc-dumpcap.log").read_text())
        time.sleep(0.1)
    time.sleep(1)
    long = [*start_long_conversations(), old]
    for conversation in (visit, serve, operate, intrude):
        print(f"  {conversation.__doc__}", file=sys.stderr)
        conversation()
        time.sleep(1)
    print(f"  Waiting for those that idle {IDLE_S} seconds.", file=sys.stderr)
    for program in long:
        finish(program)
    time.sleep(2)
    dumpcap.terminate()
    finish(dumpcap)
    # dumpcap writes what it reads from each interface in turn, not by time.
    run("vpc", ["reordercap", str(unsorted), str(capture)])


def without_machine(capture: bytes) -> bytes:
    """Leave out of a pcapng file what it says of the machine that wrote it.

    Its processor and operating system are options of the section header and interface
    description blocks: draft-ietf-opsawg-pcapng, sections 4.1 and 4.2.
    """
    section_header, interface_description = 0x0A0D0D0A, 1
    left_out = {section_header: (24, {2, 3}), interface_description: (16, {12, 15})}
    blocks = bytearray()
    start = 0
    while start < len(capture):
        kind, length = struct.unpack_from("=II", capture, start)
        block = capture[start : start + length]
        if kind in left_out:
            at, unwanted = left_out[kind]
            kept = bytearray(block[8:at])
            while at < length - 4:
                option, size = struct.unpack_from("=HH", block, at)
                size = 4 + (size + 3) // 4 * 4
                if option not in unwanted:
                    kept += block[at : at + size]
                at += size
            total = struct.pack("=I", len(kept) + 12)
            block = struct.pack("=I", kind) + total + kept + total
        blocks += block
        start += length
    return bytes(blocks)


# ---------------------------------------------------------------------------- the way in


def enter_own_namespaces() -> None:
    """Start again where network, mounts and processes are ours alone, and end with us."""
    own = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.execvp(own[0], [*own, sys.executable, __file__, *sys.argv[1:], "--inside"])


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("output", nargs="?", type=Path, default=HERE / "traffic.pcapng.gz")
    arguments.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if os.geteuid() != 0:
        sys.exit("record.py needs root, to make network namespaces")
    if not given.inside:
        enter_own_namespaces()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    for folder in (WORK, Path("/run/netns")):
        folder.mkdir()
    capture = WORK / "traffic.pcapng"
    record(capture)
    beside = given.output.with_name(given.output.name + ".part")
    beside.write_bytes(gzip.compress(without_machine(capture.read_bytes()), mtime=0))
    beside.replace(given.output)
    print(f"{given.output}: {given.output.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
