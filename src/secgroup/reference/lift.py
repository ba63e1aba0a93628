"""Which change lifts which refusal, as small as it can be.

Owns the choice of the one change. What a change is says `change`; whether changes suffice is not
said here: `explain` decides again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from secgroup.decision import Reason
from secgroup.model.defaults import IMPLICIT_DENY_IPV4
from secgroup.model.group import GroupReference, Peer, PrefixListReference, SecurityGroupRule
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.model.network_acl import NetworkAclEntry
from secgroup.model.route import Route, RouteTable, Target, TargetKind
from secgroup.net.address import Address, Prefix, everything
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet
from secgroup.net.ports import PortRange, Traffic
from secgroup.net.protocol import TCP, UDP
from secgroup.policy.routes import destinations
from secgroup.reference.box import Box
from secgroup.reference.change import (
    AddAclEntry,
    AddRoute,
    AddRule,
    AssociateAddress,
    Change,
    SwitchCheckOff,
)
from secgroup.reference.endpoint import Endpoint, OutsideEnd, is_public
from secgroup.reference.journey import NAT_PORTS, AtInterface, Leg, OnTheWay, Step
from secgroup.reference.partition import Span, block_of_spans, merged, span_of, without
from secgroup.reference.ways import Ways

#: A new last entry of an ACL stands this far behind the one before it, as people number them.
ENTRY_DISTANCE: Final = 10
_MISSING_WAY: Final = ("NO_ROUTE_TO_DESTINATION", "BAD_STATE_ROUTE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a change must let through: the refused part of a question.

    Parameters
    ----------
    boxes : tuple of Box
        The parts that meet the same refusal.

    """

    source: Endpoint
    destination: Endpoint
    service: Traffic
    client_ports: PortRange
    boxes: tuple[Box, ...]

    def traffic_of(self, ways: Ways, leg: Leg, packet: Packet) -> Traffic:
        """Return the refused traffic that goes the way of `packet`: a service, or its answers.

        A change covers the refused part where one rule can say it, else the whole service.
        """
        protocols = {box.protocol for box in self.boxes}
        if len(protocols) > 1:
            return self.service
        if packet.icmp is not None and leg is Leg.BACK:
            kind = None if self.service.icmp_type is None else packet.icmp.type
            return Traffic(protocol=packet.protocol, icmp_type=kind)
        if leg is not Leg.BACK or packet.destination_port is None:
            spans = merged(span for box in self.boxes for span in box.points)
            return _narrowed(self.service, protocols.pop(), spans)
        to_nat = any(
            each.interface_id in ways.nat_of
            for each in ways.network.interfaces_with(packet.destination)
        )
        every = NAT_PORTS if to_nat else (self.client_ports.first, self.client_ports.last)
        spans = merged(span for box in self.boxes for span in (box.nats if to_nat else box.clients))
        first, last = spans[0] if len(spans) == 1 else every
        return Traffic(protocol=packet.protocol, ports=PortRange(first=first, last=last))

    def block_of(self, address: Address) -> Prefix:
        """Return the block that a change must name for a peer: one address, or what is refused.

        Of the internet that is the refused part where it is one block, else all of it.
        """
        block = block_of_spans(self.spans_with(address), address.version)
        return everything(address.version) if block is None else block

    def spans_with(self, address: Address) -> tuple[Span, ...]:
        """Return the refused addresses that `address` stands for, itself alone or outside."""
        for end in (*self.source.ends, *self.destination.ends):
            if not isinstance(end, OutsideEnd) or end.family != address.version:
                continue
            if any(first <= int(address) <= last for first, last in end.spans):
                return merged(span for box in self.boxes for span in box.addresses)
        return ((int(address), int(address)),)


def _narrowed(service: Traffic, protocol: int, spans: tuple[Span, ...]) -> Traffic:
    """Return the part `spans` of a service where one Traffic can say it, else all of it."""
    span = spans[0] if len(spans) == 1 else None
    if protocol == -1:
        return Traffic(protocol=span[0]) if span and span[0] == span[1] else service
    if protocol in (TCP, UDP):
        first, last = span or (0, 65535)
        if span is None and service.ports is not None:
            return service
        return Traffic(protocol=protocol, ports=PortRange(first=first, last=last))
    (kind, code), (last_kind, last_code) = (divmod(each, 256) for each in span or (0, 65535))
    if kind != last_kind:
        return service if service.protocol is not None else Traffic(protocol=protocol)
    if code == last_code:
        return Traffic(protocol=protocol, icmp_type=kind, icmp_code=code)
    if (code, last_code) == (0, 255):
        return Traffic(protocol=protocol, icmp_type=kind)
    return service if service.protocol is not None else Traffic(protocol=protocol)


def lift(ways: Ways, wanted: Wanted, step: Step) -> Change | None:
    """Return the smallest change that lifts the refusal of `step`; None when we know none."""
    if isinstance(step, OnTheWay):
        return _associate(ways, step) or _add_route(ways, wanted, step)
    if step.decision.reason is Reason.NETWORK_ACL:
        return _add_entry(ways, wanted, step)
    if step.decision.reason is Reason.NO_MATCHING_RULE:
        return _add_rule(ways, wanted, step)
    if step.decision.reason is Reason.SOURCE_DEST_CHECK:
        return SwitchCheckOff(interface_id=step.interface_id)
    return None


def _peer(step: AtInterface) -> Address:
    packet = step.packet
    return packet.source if step.direction is Direction.INGRESS else packet.destination


def _add_rule(ways: Ways, wanted: Wanted, step: AtInterface) -> Change | None:
    network = ways.network
    interface = network.interfaces[step.interface_id]
    own = [each for each in interface.group_ids if each in network.groups]
    if not own:
        return None
    asked = [each for each in own if each in _asked_groups(wanted)]
    # The rule that is seen by the fewest interfaces changes the least.
    group_id = (asked or sorted(own, key=lambda each: len(network.members.get(each, ()))))[0]
    way = str(step.direction)
    rule = SecurityGroupRule(
        rule_id=f"{group_id}/{way}/new-{len(network.groups[group_id].rules)}",
        group_id=group_id,
        is_egress=step.direction is Direction.EGRESS,
        traffic=wanted.traffic_of(ways, step.leg, step.packet),
        peer=_peer_of_rule(ways, wanted, step),
    )
    return AddRule(rule=rule)


def _asked_groups(wanted: Wanted) -> tuple[str, ...]:
    ends = (wanted.source, wanted.destination)
    return tuple(each.group_id for each in ends if each.group_id is not None)


def _peer_of_rule(ways: Ways, wanted: Wanted, step: AtInterface) -> Peer:
    """Return the peer's own group where a reference to it matches, else its block."""
    peer = _peer(step)
    if step.references_hold and step.other_id is not None:
        other = ways.network.interfaces[step.other_id]
        if other.vpc_id in ways.at(step.interface_id).peer_vpc_ids:
            group_id = _group_of(ways.network, wanted, other)
            if group_id is not None:
                return GroupReference(group_id=group_id)
    reference, _ = _listed(ways, wanted, step)
    return wanted.block_of(peer) if reference is None else reference


def _listed(
    ways: Ways, wanted: Wanted, step: AtInterface
) -> tuple[PrefixListReference | None, Prefix | None]:
    """Return the prefix list of a gateway endpoint that is refused, and its block if it is one.

    The addresses of the service change, its list does not (VPC User Guide, gateway endpoints).
    """
    network, peer = ways.network, _peer(step)
    interface = network.interfaces[step.interface_id]
    table = network.route_table_of(interface.subnet_id)
    route = None if step.other_id else ways.route(table, interface.vpc_id, peer)
    if route is None or route.target.kind is not TargetKind.GATEWAY_ENDPOINT:
        return None, None
    blocks = tuple(destinations(network, route))
    spans = wanted.spans_with(peer)
    if not isinstance(route.destination, PrefixListReference) or without(
        spans, map(span_of, blocks)
    ):
        return None, None
    around = (each for each in blocks if not without(spans, [span_of(each)]))
    return route.destination, max(around, key=lambda each: each.prefixlen, default=None)


def _group_of(network: Network, wanted: Wanted, interface: NetworkInterface) -> str | None:
    own = [each for each in interface.group_ids if each in network.groups]
    asked = [each for each in own if each in _asked_groups(wanted)]
    return next(iter((*asked, *own)), None)


def _add_entry(ways: Ways, wanted: Wanted, step: AtInterface) -> Change | None:
    acl_id, denying = step.decision.network_acl_id, step.decision.acl_rule_number
    if acl_id is None or denying is None:
        return None
    is_egress = step.direction is Direction.EGRESS
    numbers = {
        each.rule_number
        for each in ways.network.acls[acl_id].entries
        if each.is_egress == is_egress
    }
    number = _free_number(numbers, denying)
    if number is None:
        return None
    _, block = _listed(ways, wanted, step)
    entry = NetworkAclEntry(
        rule_number=number,
        is_egress=is_egress,
        is_allow=True,
        traffic=wanted.traffic_of(ways, step.leg, step.packet),
        cidr=wanted.block_of(_peer(step)) if block is None else block,
    )
    return AddAclEntry(network_acl_id=acl_id, entry=entry)


def _free_number(numbers: set[int], denying: int) -> int | None:
    """Return a free number before the denying one: behind the last, or the nearest."""
    if denying >= IMPLICIT_DENY_IPV4:
        last = max(numbers, default=100 - ENTRY_DISTANCE) + ENTRY_DISTANCE
        if last < IMPLICIT_DENY_IPV4:
            return last
        denying = IMPLICIT_DENY_IPV4
    return next((each for each in range(denying - 1, 0, -1) if each not in numbers), None)


def _associate(ways: Ways, step: OnTheWay) -> Change | None:
    """Return a public address for who has none and needs one at an internet gateway."""
    address = {
        "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS": step.packet.source,
        "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS": step.packet.destination,
    }.get(step.code or "")
    if not isinstance(address, IPv4Address):
        return None
    holders = [
        each
        for each in ways.network.interfaces_with(address)
        if each.interface_id not in ways.nat_of and address in each.addresses
    ]
    if len(holders) != 1:
        return None
    return AssociateAddress(interface_id=holders[0].interface_id, address=address)


def _add_route(ways: Ways, wanted: Wanted, step: OnTheWay) -> Change | None:
    table = ways.network.route_tables.get(step.place)
    if table is None or step.code not in _MISSING_WAY or step.subnet_id is None:
        return None
    packet = step.packet
    target = _suitable(ways, table, packet, step.leg)
    if target is None:
        return None
    route = Route(destination=wanted.block_of(packet.destination), target=target)
    return AddRoute(route_table_id=table.route_table_id, route=route)


def _suitable(ways: Ways, table: RouteTable, packet: Packet, leg: Leg) -> Target | None:
    """Return a gateway of the table's VPC that takes `packet` nearer."""
    network, vpc_id = ways.network, table.vpc_id
    for peering in network.peerings.values():
        other = peering.other_side(vpc_id)
        vpc = None if other is None else network.vpcs.get(other.vpc_id)
        if peering.is_active and vpc is not None and packet.destination in vpc:
            return Target(kind=TargetKind.PEERING, target_id=peering.peering_id)
    if not is_public(packet.destination):
        return None
    internet = ways.internet_gateway_of.get(vpc_id)
    if packet.family == 6 and leg is not Leg.BACK:
        egress_only = _attached(network.egress_only_gateways, vpc_id)
        if egress_only is not None:
            return Target(kind=TargetKind.EGRESS_ONLY_GATEWAY, target_id=egress_only)
    if internet is not None and (packet.family == 6 or _has_public(ways, packet.source, vpc_id)):
        return Target(kind=TargetKind.INTERNET_GATEWAY, target_id=internet.gateway_id)
    if packet.family == 4 and leg is not Leg.BACK:
        for gateway in network.nat_gateways.values():
            usable = gateway.vpc_id == vpc_id and gateway.is_available and gateway.is_public
            # A NAT gateway that this table leads on would get back what it sends.
            if usable and network.route_table_of(gateway.subnet_id) != table:
                return Target(kind=TargetKind.NAT_GATEWAY, target_id=gateway.gateway_id)
    return None


def _attached(gateways: Mapping[str, object], vpc_id: str) -> str | None:
    return next(
        (key for key, each in gateways.items() if getattr(each, "vpc_id", None) == vpc_id), None
    )


def _has_public(ways: Ways, address: Address, vpc_id: str) -> bool:
    holder = ways.holder(address, vpc_id)
    return holder is not None and any(
        each.address == address and each.public is not None for each in holder.ipv4
    )
