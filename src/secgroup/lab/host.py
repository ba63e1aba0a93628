"""The namespaces of instances, and of NAT gateways: addresses, the way to the router, resolvers.

Owns what an operating system on EC2 would configure. Knows no groups.
"""

import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

from secgroup.lab.names import device_of, host_namespace, router_namespace
from secgroup.lab.topology import (
    MAIN_TABLE,
    DeviceAddress,
    KernelRoute,
    Namespace,
    Place,
    RoutingRule,
    Standing,
)
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.model.service_addresses import ROUTER_LINK_LOCAL
from secgroup.model.vpc import Vpc
from secgroup.net.address import everything
from secgroup.reference.endpoint import label_of

#: Tables of single devices, for instances that have several.
_FIRST_TABLE: Final = 1000
_RULES: Final = 1000
_METRIC: Final = 100

#: Addresses are told, not found out: no router advertisement, no detection of duplicates.
SETTINGS: Final = {
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv6/conf/default/accept_ra": "0",
    "ipv6/conf/default/accept_dad": "0",
}
#: What forwards sends no redirects, and is not silent about a path's MTU.
FORWARDING: Final = {
    "ipv4/ip_forward": "1",
    "ipv6/conf/all/forwarding": "1",
    "ipv4/conf/all/send_redirects": "0",
    "ipv4/conf/default/send_redirects": "0",
    "ipv4/icmp_ratelimit": "0",
    "ipv6/icmp/ratelimit": "0",
}
#: Idle time of translations (VPC User Guide, NAT gateway basics: 350 seconds).
_NAT: Final = {
    "netfilter/nf_conntrack_tcp_timeout_established": "350",
    "netfilter/nf_conntrack_tcp_be_liberal": "1",
}
NAT_TYPES: Final = frozenset({"natGateway", "nat_gateway"})
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def mac_of(interface: NetworkInterface) -> bytes:
    """Return the interface's MAC, else one of its own, locally administered."""
    if interface.mac is not None:
        return interface.mac
    return derived_mac(interface.interface_id)


def derived_mac(text: str) -> bytes:
    """Return a locally administered MAC that only depends on `text`."""
    return b"\x02" + sha256(text.encode()).digest()[:5]


def devices_of(interfaces: Sequence[NetworkInterface]) -> dict[str, int]:
    """Return the number of each interface's device (eth0, ...) in the namespace they share."""
    ordered = sorted(
        interfaces,
        key=lambda each: (each.device_index is None, each.device_index or 0, each.interface_id),
    )
    numbers: dict[str, int] = {}
    for each in ordered:
        taken = set(numbers.values())
        wanted = each.device_index
        free = next(number for number in range(len(ordered) + 1) if number not in taken)
        numbers[each.interface_id] = free if wanted is None or wanted in taken else wanted
    return numbers


def host(network: Network, lab: str, interfaces: Sequence[NetworkInterface]) -> Namespace:
    """Return the namespace of the interfaces of one owner."""
    numbers = devices_of(interfaces)
    is_nat = interfaces[0].interface_type in NAT_TYPES
    forwards = is_nat or not all(each.source_dest_check for each in interfaces)
    settings = {**SETTINGS, **(FORWARDING if forwards else {}), **(_NAT if is_nat else {})}
    routes: list[KernelRoute] = []
    rules: list[RoutingRule] = []
    for each in interfaces:
        number = numbers[each.interface_id]
        routes.extend(_routes(network, each, number, MAIN_TABLE))
        if len(interfaces) > 1:
            # An answer leaves where it was asked for, whatever the device of the default route.
            routes.extend(_routes(network, each, number, _FIRST_TABLE + number))
            rules.extend(_rules(each, _FIRST_TABLE + number))
    return Namespace(
        name=host_namespace(lab, interfaces[0].owner),
        settings=settings,
        addresses=tuple(
            address for each in interfaces for address in _addresses(network, each, numbers)
        ),
        routes=tuple(routes),
        rules=tuple(rules),
        translation=_nat(interfaces[0]) if is_nat else None,
    )


def _addresses(
    network: Network, interface: NetworkInterface, numbers: dict[str, int]
) -> Iterable[DeviceAddress]:
    device = f"eth{numbers[interface.interface_id]}"
    block = network.subnets[interface.subnet_id].ipv4_block
    for private in interface.ipv4:
        length = 32 if block is None else block.prefixlen
        yield DeviceAddress(device=device, address=private.address, prefix_length=length)
    for address in interface.ipv6:
        yield DeviceAddress(device=device, address=address, prefix_length=128)


def _routes(
    network: Network, interface: NetworkInterface, number: int, table: int
) -> Iterable[KernelRoute]:
    device = f"eth{number}"
    block = network.subnets[interface.subnet_id].ipv4_block
    if interface.ipv4 and block is not None:
        source = interface.ipv4[0].address
        yield KernelRoute(
            table=table, destination=block, device=device, source=source, metric=_METRIC + number
        )
        yield KernelRoute(
            table=table,
            destination=everything(4),
            device=device,
            via=block.network_address + 1,
            source=source,
            metric=_METRIC + number,
        )
    if interface.ipv6:
        yield KernelRoute(
            table=table,
            destination=everything(6),
            device=device,
            via=ROUTER_LINK_LOCAL,
            source=interface.ipv6[0],
            metric=_METRIC + number,
        )


def _rules(interface: NetworkInterface, table: int) -> Iterable[RoutingRule]:
    for address in interface.addresses:
        source = type(everything(address.version))(f"{address}/{address.max_prefixlen}")
        yield RoutingRule(family=address.version, priority=_RULES, table=table, source=source)


def _nat(interface: NetworkInterface) -> str:
    """Return the ruleset of a NAT gateway: outwards as its own address, inwards only answers.

    Source: VPC User Guide, NAT gateway basics (TCP, UDP and ICMP; ports 1024-65535).
    """
    if not interface.ipv4:
        return ""
    own = interface.ipv4[0].address
    return f"""
        chain outward {{
            type nat hook postrouting priority srcnat
            meta l4proto {{ tcp, udp }} snat ip to {own}:1024-65535
            meta l4proto icmp snat ip to {own}
        }}
        chain through {{
            type filter hook forward priority filter; policy drop
            ct state established,related accept
            meta nfproto ipv4 meta l4proto {{ tcp, udp }} accept
            icmp type echo-request accept
        }}
        chain inward {{
            type filter hook input priority filter; policy drop
            ct state related accept
        }}
    """


# ------------------------------------------------------------------------- names and files


def place_of(network: Network, lab: str, interfaces: Sequence[NetworkInterface]) -> Place:
    """Return how a person finds the namespace of the interfaces of one owner."""
    names = dict.fromkeys(
        name
        for each in interfaces
        for name in (*_owner_names(network, each), *each.names, each.interface_id)
    )
    numbers = devices_of(interfaces)
    return Place(
        namespace=host_namespace(lab, interfaces[0].owner),
        names=tuple(names),
        vpc_id=interfaces[0].vpc_id,
        interfaces=tuple(
            Standing(
                interface_id=each.interface_id,
                label=label_of(network, each),
                interface_type=each.interface_type,
                vpc_id=each.vpc_id,
                subnet_id=each.subnet_id,
                router=router_namespace(lab, each.vpc_id),
                router_device=device_of(each.interface_id),
                device=f"eth{numbers[each.interface_id]}",
                mac=mac_of(each).hex(":"),
                addresses=tuple(map(str, each.addresses)),
                public=tuple(str(private.public) for private in each.ipv4 if private.public),
                group_ids=each.group_ids,
            )
            for each in interfaces
        ),
    )


def _owner_names(network: Network, interface: NetworkInterface) -> tuple[str, ...]:
    """Return what the instance or the NAT gateway of an interface is called, names before ids."""
    found = tuple(
        name
        for gateway in network.nat_gateways.values()
        if interface.interface_id in gateway.interface_ids
        for name in (*gateway.names, gateway.gateway_id)
    )
    if interface.instance_id is None:
        return found
    instance = network.instances.get(interface.instance_id)
    return (*found, *(() if instance is None else instance.names), interface.instance_id)


def files_of(places: Sequence[Place], vpc: Vpc) -> dict[str, str]:
    """Return what stands for the files of /etc in the namespaces of a VPC."""
    own = [place for place in places if place.vpc_id == vpc.vpc_id and place.interfaces]
    lines = (
        (address, place) for place in own for each in place.interfaces for address in each.addresses
    )
    resolver = ""
    if vpc.enable_dns_support and vpc.ipv4_blocks:
        # Nothing answers there: who asks all the same shall not wait for long.
        server = vpc.ipv4_blocks[0].network_address + 2
        resolver = f"nameserver {server}\noptions timeout:1 attempts:1\n"
    return {"hosts": _hosts(lines, own), "resolv.conf": resolver}


def files_of_internet(places: Sequence[Place]) -> dict[str, str]:
    """Return those of the internet: names stand for public addresses."""
    lines = (
        (address, place) for place in places for each in place.interfaces for address in each.public
    )
    return {"hosts": _hosts(lines, places), "resolv.conf": ""}


def _hosts(lines: Iterable[tuple[str, Place]], places: Sequence[Place]) -> str:
    """Write /etc/hosts, with names that are one place's alone."""
    count: dict[str, int] = {}
    for place in places:
        for name in place.names:
            count[name] = count.get(name, 0) + 1
    text = ["127.0.0.1 localhost", "::1 localhost"]
    for address, place in lines:
        names = [name for name in place.names if count[name] == 1 and _HOST_NAME.fullmatch(name)]
        if names:
            text.append(" ".join([address, *names]))
    return "\n".join(text) + "\n"
