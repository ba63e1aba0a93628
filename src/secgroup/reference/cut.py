"""Cutting a question into boxes, by what stands on its packets' way.

Owns which rules, ACL entries and routes can tell two packets of a question apart. Decides
nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from secgroup.model.external import External
from secgroup.net.address import Address
from secgroup.net.direction import Direction
from secgroup.net.ports import PortRange, Traffic
from secgroup.net.protocol import ICMP_QUERIES, TCP, UDP, icmp_of
from secgroup.policy.routes import destinations
from secgroup.reference.box import Box
from secgroup.reference.endpoint import End, OutsideEnd, representative
from secgroup.reference.journey import NAT_PORTS
from secgroup.reference.partition import Span, classes, span_of, traffic_span
from secgroup.reference.ways import Ways


@dataclass(frozen=True, slots=True, kw_only=True)
class OnWay:
    """The interfaces that a question's packets pass, and the addresses that stand in them."""

    interface_ids: frozenset[str] = frozenset()
    addresses: frozenset[Address] = frozenset()

    def __or__(self, other: "OnWay") -> "OnWay":
        """Return both together."""
        return OnWay(
            interface_ids=self.interface_ids | other.interface_ids,
            addresses=self.addresses | other.addresses,
        )


def cut(
    ways: Ways, pair: tuple[End, End], service: Traffic, clients: PortRange, on_way: OnWay
) -> Iterator[Box]:
    """Cut the question by the rules, entries and routes of the interfaces on the way."""
    family = _family(pair)
    outside = next((end for end in pair if isinstance(end, OutsideEnd)), None)
    has_nat = any(each in ways.nat_of for each in on_way.interface_ids)
    for protocol in _protocols(service, family):
        domain = _domain(service, protocol, family)
        ports = protocol in (TCP, UDP)
        client_span = [(clients.first, clients.last)] if ports else []
        addresses: tuple[tuple[Span, ...], ...] = ((),)
        if outside is not None:
            peers = _peers(ways, on_way, protocol, [*domain, *client_span], family)
            addresses = classes(outside.spans, peers)
        for some in addresses:
            # What is not for these addresses does not cut their ports.
            sets = _sets(protocol, family, _traffics(ways, on_way, _present(on_way, outside, some)))
            sets += _exempt(ways, on_way, protocol, outside)
            for points, client, nat in product(
                classes(domain, sets),
                classes(client_span, sets) if ports else ((),),
                classes([NAT_PORTS], sets) if ports and has_nat else ((),),
            ):
                yield Box(
                    addresses=some, protocol=protocol, points=points, clients=client, nats=nat
                )


def _present(
    on_way: OnWay, outside: OutsideEnd | None, some: tuple[Span, ...]
) -> frozenset[Address]:
    """Return the addresses that stand in the packets, of those outside one of `some`."""
    if outside is None:
        return on_way.addresses
    inside = {
        each
        for each in on_way.addresses
        if each.version != outside.family
        or not any(first <= int(each) <= last for first, last in outside.spans)
    }
    return frozenset({*inside, representative(some, outside.family)})


def _family(pair: tuple[End, End]) -> int:
    return next(end.family if isinstance(end, OutsideEnd) else end.address.version for end in pair)


def _protocols(service: Traffic, family: int) -> tuple[int, ...]:
    """Return the protocols of a service; -1 stands for those without ports and types."""
    if service.protocol is None:
        return (TCP, UDP, icmp_of(family), -1)
    if service.protocol in (TCP, UDP, icmp_of(family)):
        return (service.protocol,)
    return (-1,)


def _domain(service: Traffic, protocol: int, family: int) -> list[Span]:
    """Return what of a protocol the service covers."""
    if protocol != -1:
        span = traffic_span(service, protocol)
        assert span is not None
        return [span]
    if service.protocol is not None:
        return [(service.protocol, service.protocol)]
    known = {TCP, UDP, icmp_of(family)}
    return [(number, number) for number in range(256) if number not in known]


def _sets(protocol: int, family: int, traffics: Iterable[Traffic]) -> list[list[Span]]:
    """Return what cuts the points of a protocol: rules and entries, and what is a query."""
    if protocol == -1:
        named = {each.protocol for each in traffics if each.protocol is not None}
        return [[(number, number)] for number in sorted(named)]
    cuts = {span for each in traffics if (span := traffic_span(each, protocol)) is not None}
    sets = [[span] for span in sorted(cuts)]
    if protocol not in (TCP, UDP):
        queries = [kind for version, kind in ICMP_QUERIES if version == family]
        sets += [[(kind * 256, kind * 256 + 255)] for kind in queries]
    return sets


def _exempt(
    ways: Ways, on_way: OnWay, protocol: int, outside: OutsideEnd | None
) -> list[list[Span]]:
    """Return the ports of AWS's own services at the other end, which nothing filters."""
    if outside is None or not outside.is_single:
        return []
    return [
        [(service.port, service.port)]
        for interface_id in sorted(on_way.interface_ids)
        for service in ways.at(interface_id).services
        if protocol in service.protocols and outside.representative in service.addresses
    ]


def _traffics(ways: Ways, on_way: OnWay, addresses: frozenset[Address]) -> Iterator[Traffic]:
    """Yield what the rules and entries on the way are for.

    `addresses` are all that stand in the packets: what has none of them for its peer never
    matches.
    """
    for interface_id in sorted(on_way.interface_ids):
        policy = ways.at(interface_id)
        for direction in Direction:
            for permission in policy.permissions[direction]:
                if any(map(permission.has_peer, addresses)):
                    yield permission.traffic
            for entry in policy.acl_entries[direction]:
                block = entry.cidr
                if isinstance(block, External) or any(
                    each in block for each in addresses if each.version == block.version
                ):
                    yield entry.traffic


def _peers(
    ways: Ways, on_way: OnWay, protocol: int, spans: Sequence[Span], family: int
) -> Iterator[list[Span]]:
    """Yield the sets of addresses that rules, entries and routes tell apart."""

    def is_relevant(traffic: Traffic) -> bool:
        if protocol == -1:
            return traffic.protocol is None or any(
                first <= traffic.protocol <= last for first, last in spans
            )
        span = traffic_span(traffic, protocol)
        return span is not None and any(
            first <= span[1] and span[0] <= last for first, last in spans
        )

    for interface_id in sorted(on_way.interface_ids):
        policy = ways.at(interface_id)
        for direction in Direction:
            for permission in policy.permissions[direction]:
                if is_relevant(permission.traffic):
                    yield [span_of(each) for each in permission.prefixes if each.version == family]
            for entry in policy.acl_entries[direction]:
                if is_relevant(entry.traffic) and not isinstance(entry.cidr, External):
                    yield [span_of(entry.cidr)] if entry.cidr.version == family else []
        tables = [ways.network.route_table_of(policy.subnet.subnet_id)]
        tables += [each for each in ways.network.route_tables.values() if each.gateway_ids]
        for table in tables:
            for route in () if table is None else table.routes:
                blocks = destinations(ways.network, route)
                yield [span_of(each) for each in blocks if each.version == family]
