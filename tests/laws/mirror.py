"""The same network and packets in the other family: every IPv4 thing becomes an IPv6 one."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from secgroup.model.network import Network
from secgroup.net.address import Address, Prefix
from secgroup.net.packet import Icmp, Packet
from secgroup.net.ports import Traffic
from secgroup.net.protocol import ICMP, ICMPV6
from tests.support.traces import Arrival

BASE = int(IPv6Address("2001:db8:6464::"))
#: ICMP (type, code) that mean the same in both families; None is every code.
TYPES = {(8, None): (128, None), (0, None): (129, None), (3, 4): (2, 0), (3, None): (1, None)}
TYPES |= {(11, None): (3, None), (12, None): (4, None)}
SWAPPED = {ICMP: ICMPV6, ICMPV6: ICMP}


def address(of: Address) -> Address:
    assert isinstance(of, IPv4Address)
    return IPv6Address(BASE + int(of))


def prefix(of: Prefix) -> Prefix:
    if of.prefixlen == 0:
        return IPv6Network("::/0")
    return IPv6Network((BASE + int(of.network_address), 96 + of.prefixlen))


def _icmp(kind: int, code: int | None) -> tuple[int, int | None] | None:
    if (kind, code) in TYPES:
        return TYPES[kind, code]
    found = TYPES.get((kind, None))
    return None if found is None else (found[0], code)


def traffic(of: Traffic) -> Traffic:
    if of.protocol not in SWAPPED:
        return of
    if of.icmp_type is None or of.protocol == ICMPV6:  # a type means nothing across families
        return Traffic(protocol=SWAPPED[of.protocol])
    found = _icmp(of.icmp_type, of.icmp_code)
    assert found is not None
    return Traffic(protocol=ICMPV6, icmp_type=found[0], icmp_code=found[1])


def only_ipv4(network: Network) -> Network:
    """Leave out all that is IPv6."""

    def keep(peer: object) -> bool:
        return not isinstance(peer, IPv6Network)

    return replace(
        network,
        groups={
            name: replace(each, rules=tuple(rule for rule in each.rules if keep(rule.peer)))
            for name, each in network.groups.items()
        },
        acls={
            name: replace(each, entries=tuple(entry for entry in each.entries if keep(entry.cidr)))
            for name, each in network.acls.items()
        },
        prefix_lists={
            name: replace(
                each,
                entries=None if each.entries is None else tuple(filter(keep, each.entries)),
            )
            for name, each in network.prefix_lists.items()
        },
        route_tables={
            name: replace(
                each, routes=tuple(route for route in each.routes if keep(route.destination))
            )
            for name, each in network.route_tables.items()
        },
        interfaces={
            name: replace(each, ipv6=(), prefixes=tuple(filter(keep, each.prefixes)))
            for name, each in network.interfaces.items()
        },
        subnets={name: replace(each, ipv6_blocks=()) for name, each in network.subnets.items()},
        vpcs={name: replace(each, ipv6_blocks=()) for name, each in network.vpcs.items()},
    )


def mirrored(network: Network) -> Network:
    """Make an IPv6 network of an IPv4 one."""

    def peer(of: object) -> object:
        return prefix(of) if isinstance(of, IPv4Network) else of

    return replace(
        network,
        groups={
            name: replace(
                each,
                rules=tuple(
                    replace(rule, peer=peer(rule.peer), traffic=traffic(rule.traffic))
                    for rule in each.rules
                ),
            )
            for name, each in network.groups.items()
        },
        acls={
            name: replace(
                each,
                entries=tuple(
                    replace(entry, cidr=peer(entry.cidr), traffic=traffic(entry.traffic))
                    for entry in each.entries
                ),
            )
            for name, each in network.acls.items()
        },
        prefix_lists={
            name: replace(
                each, entries=None if each.entries is None else tuple(map(prefix, each.entries))
            )
            for name, each in network.prefix_lists.items()
        },
        route_tables={
            name: replace(
                each,
                routes=tuple(
                    replace(route, destination=peer(route.destination)) for route in each.routes
                ),
            )
            for name, each in network.route_tables.items()
        },
        interfaces={
            name: replace(
                each,
                ipv4=(),
                ipv6=tuple(address(private.address) for private in each.ipv4),
                prefixes=tuple(map(prefix, each.prefixes)),
            )
            for name, each in network.interfaces.items()
        },
        subnets={
            name: replace(each, ipv4_block=None, ipv6_blocks=(prefix(each.ipv4_block),))
            for name, each in network.subnets.items()
        },
        vpcs={
            name: replace(each, ipv4_blocks=(), ipv6_blocks=tuple(map(prefix, each.ipv4_blocks)))
            for name, each in network.vpcs.items()
        },
    )


def packet(of: Packet) -> Packet | None:
    """The same packet in IPv6; None for what only one family has."""
    icmp = None
    if of.icmp is not None:
        found = _icmp(of.icmp.type, of.icmp.code)
        quote = None if of.icmp.quote is None else packet(of.icmp.quote)
        if found is None or (of.icmp.quote is not None and quote is None):
            return None
        icmp = replace(of.icmp, type=found[0], code=found[1] or 0, quote=quote)
        assert isinstance(icmp, Icmp)
    fragment = of.fragment
    protocol = SWAPPED.get(of.protocol, of.protocol)
    if fragment is not None:
        fragment = replace(fragment, protocol=protocol)
    return replace(
        of,
        source=address(of.source),
        destination=address(of.destination),
        protocol=protocol,
        icmp=icmp,
        fragment=fragment,
    )


def is_common(event: Arrival) -> bool:
    """Tell whether a packet of a trace is IPv4 and has a counterpart.

    What only IPv4 has: broadcast, and DNS at the VPC's base + 2.
    """
    of = event.packet
    if not isinstance(of, Packet) or of.family != 4 or packet(of) is None:
        return False
    for each in (of.source, of.destination):
        value = int(each)
        if each.is_multicast or each.is_link_local or value & 0xFF in (0, 2, 255):
            return False
    return True
