"""The next hop of a packet: what a route and its target, or a gateway, do with it.

Owns which gateway lets what through and how it translates; remembers nothing. Read first: VPC
User Guide, route tables, internet gateways, NAT gateways, gateway endpoints; VPC Peering Guide.
The refusals have the names of Reachability Analyzer's explanation codes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Final

from secgroup.model.group import PrefixListReference
from secgroup.model.interface import NetworkInterface
from secgroup.model.route import Route, RouteTable, TargetKind
from secgroup.net.address import Address, Prefix
from secgroup.net.packet import Packet
from secgroup.net.protocol import TCP
from secgroup.reference.endpoint import is_public, primary_of
from secgroup.reference.journey import Answer, OnTheWay, Outside
from secgroup.reference.ways import Ways

RFC1918: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
RFC6598: Final = IPv4Network("100.64.0.0/10")
#: NAT64: a NAT gateway takes these to IPv4 (RFC 6052), which is not modelled.
NAT64: Final = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """Where a packet goes next: to an interface, out of the network, or nowhere."""

    packet: Packet
    steps: tuple[OnTheWay, ...] = ()
    interface: NetworkInterface | None = None
    outside: Outside | None = None


class Hops:
    """The next hops through one network.

    Parameters
    ----------
    ways : Ways
        The network's.

    """

    def __init__(self, ways: Ways) -> None:
        self.ways = ways
        self.network = ways.network

    # --------------------------------------------------------------------- routes

    def next(self, packet: Packet, at: NetworkInterface) -> Hop:
        """Return where a packet goes that `at` sends."""
        subnet = self.network.subnets[at.subnet_id]
        policy = self.ways.policy.at(at.interface_id)
        port = packet.destination_port
        if packet.destination in policy.routers or policy.service_of(
            packet.destination, packet.protocol, port
        ):
            return Hop(packet=packet, outside=Outside.SERVICE)
        if packet.destination in subnet:
            # Inside a subnet no route is asked (VPC User Guide, route tables).
            return self.deliver(packet, at.vpc_id, at.subnet_id, ())
        table = self.network.route_table_of(at.subnet_id)
        return self._by_route(packet, at, table, at.subnet_id)

    def _by_route(
        self,
        packet: Packet,
        at: NetworkInterface,
        table: RouteTable | None,
        subnet_id: str | None,
    ) -> Hop:
        """Ask a route table, and do what the target of the route does."""
        route = self.ways.route(table, at.vpc_id, packet.destination)
        if route is None and table is None:
            text = f"the route table of {at.subnet_id} is not in the files"
            return self._end(packet, at.subnet_id, text)
        place = at.vpc_id if table is None else table.route_table_id
        unread = None if table is None else self._unread_list(table)
        if route is None and unread is not None:
            text = f"whether {unread}, not in the files, has {packet.destination} is not known"
            return self._end(packet, place, text)
        if route is None:
            text = f"has no route for {packet.destination}"
            return self._stop(packet, place, "NO_ROUTE_TO_DESTINATION", text, subnet_id)
        line = f"{route.destination} leads to {route.target}"
        if route.is_blackhole:
            text = f"{line}, which is gone (blackhole)"
            return self._stop(packet, place, "BAD_STATE_ROUTE", text, subnet_id, route)
        step = OnTheWay(
            place=place,
            packet=packet,
            answer=Answer.YES,
            text=line,
            route=route,
            subnet_id=subnet_id,
        )
        hop = _TARGETS[route.target.kind](self, packet, at, route)
        return replace(hop, steps=(step, *hop.steps))

    def _unread_list(self, table: RouteTable) -> str | None:
        """Return a prefix list that a route is for, and whose entries are not in the files."""
        for route in table.routes:
            if isinstance(route.destination, PrefixListReference):
                found = self.network.prefix_lists.get(route.destination.prefix_list_id)
                if found is None or found.entries is None:
                    return route.destination.prefix_list_id
        return None

    def deliver(self, packet: Packet, vpc_id: str, place: str, steps: tuple[OnTheWay, ...]) -> Hop:
        """Hand a packet to whoever in the VPC has its destination; `place` says if nobody does."""
        holder = self.ways.holder(packet.destination, vpc_id)
        if holder is None:
            text = f"nobody in {vpc_id} has {packet.destination}"
            hop = self._stop(packet, place, "NO_POSSIBLE_DESTINATION", text)
            return replace(hop, steps=(*steps, *hop.steps))
        return Hop(packet=packet, interface=holder, steps=steps)

    def _local(self, packet: Packet, at: NetworkInterface, route: Route) -> Hop:  # noqa: ARG002
        return self.deliver(packet, at.vpc_id, at.vpc_id, ())

    def _interface(self, packet: Packet, at: NetworkInterface, route: Route) -> Hop:
        target = self.network.interfaces.get(route.target.target_id)
        return self._forward(packet, at, route, target)

    def _instance(self, packet: Packet, at: NetworkInterface, route: Route) -> Hop:
        target = primary_of(self.network, route.target.target_id)
        return self._forward(packet, at, route, target)

    def _forward(
        self, packet: Packet, at: NetworkInterface, route: Route, to: NetworkInterface | None
    ) -> Hop:
        if to is None or to.vpc_id not in (at.vpc_id,):
            return self._unknown(packet, route)
        if to.interface_id == at.interface_id:
            text = f"{to.interface_id} would send it to itself"
            return self._stop(packet, to.interface_id, "NO_PATH", text)
        return Hop(packet=packet, interface=to)

    def _nat(self, packet: Packet, at: NetworkInterface, route: Route) -> Hop:
        gateway = self.network.nat_gateways.get(route.target.target_id)
        if gateway is None or packet.destination in NAT64:
            return self._unknown(packet, route)
        place = gateway.gateway_id
        if not gateway.is_available:
            return self._stop(packet, place, "BAD_STATE", "the NAT gateway is not available")
        if packet.family == 6:
            return self._stop(packet, place, "CANNOT_ROUTE", "it translates IPv4 only")
        found = [
            self.network.interfaces[each]
            for each in gateway.interface_ids
            if each in self.network.interfaces
        ]
        return self._forward(packet, at, route, found[0] if found else None)

    def _endpoint(self, packet: Packet, at: NetworkInterface, route: Route) -> Hop:
        endpoint = self.network.endpoints.get(route.target.target_id)
        if endpoint is None:
            return self._unknown(packet, route)
        place = endpoint.endpoint_id
        if not endpoint.is_available:
            return self._stop(packet, place, "BAD_STATE", "the endpoint is not available")
        if packet.source not in self.network.vpcs[at.vpc_id]:
            text = f"takes packets from inside {at.vpc_id} only, not from {packet.source}"
            code = "VPCE_GATEWAY_EGRESS_SOURCE_ADDRESS_RESTRICTION"
            return self._stop(packet, place, code, text)
        is_echo = packet.icmp_type in (8, 128)
        if packet.protocol != TCP and not is_echo:
            text = "a gateway endpoint takes TCP and ICMP echo only"
            return self._stop(packet, place, "VPCE_GATEWAY_PROTOCOL_RESTRICTION", text)
        return Hop(packet=packet, outside=Outside.ENDPOINT)

    def _peering(self, packet: Packet, at: NetworkInterface, route: Route) -> Hop:
        peering = self.network.peerings.get(route.target.target_id)
        other = None if peering is None else peering.other_side(at.vpc_id)
        if peering is None or other is None:
            return self._unknown(packet, route)
        place = peering.peering_id
        if not peering.is_active:
            return self._stop(packet, place, "BAD_STATE", "the peering connection is not active")
        vpc = self.network.vpcs.get(other.vpc_id)
        own: tuple[Prefix, ...] = () if vpc is None else (*vpc.ipv4_blocks, *vpc.ipv6_blocks)
        blocks = own or other.blocks
        if blocks and not any(packet.destination in block for block in blocks):
            text = f"{packet.destination} is not in {other.vpc_id} at its other end"
            return self._stop(packet, place, "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR", text)
        if packet.source not in self.network.vpcs[at.vpc_id]:
            text = f"takes packets from inside {at.vpc_id} only, not from {packet.source}"
            return self._stop(packet, place, "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR", text)
        if vpc is None:
            text = f"{other.vpc_id}, at the other end of {place}, is not in the files"
            return self._end(packet, place, text)
        return self.deliver(packet, other.vpc_id, place, ())

    def _other(self, packet: Packet, at: NetworkInterface, route: Route) -> Hop:  # noqa: ARG002
        return self._unknown(packet, route)

    def _unknown(self, packet: Packet, route: Route) -> Hop:
        target = route.target.target_id
        return self._end(packet, target, f"what lies beyond {target} is not known")

    # ------------------------------------------------------------------- gateways

    def _internet_gateway(self, packet: Packet, at: NetworkInterface, route: Route) -> Hop:
        """Leave through an internet gateway; the hairpin enters again at once.

        Source: VPC User Guide, internet gateways (one-to-one translation, IPv4 only).
        """
        gateway = self.network.internet_gateways.get(route.target.target_id)
        if gateway is None:
            return self._unknown(packet, route)
        place = gateway.gateway_id
        if gateway.vpc_id != at.vpc_id:
            text = f"the internet gateway is not attached to {at.vpc_id}"
            return self._stop(packet, place, "BAD_STATE_ATTACHMENT", text)
        if not is_public(packet.destination):
            return self._stop(
                packet,
                place,
                _private_code(packet.destination),
                f"{packet.destination} is no address of the internet",
            )
        if isinstance(packet.source, IPv4Address):
            public = self._public_of(packet.source, at.vpc_id)
            if public is None:
                if not at.has_address(packet.source):
                    text = f"whether {at.interface_id} translates {packet.source} is not known"
                    return self._end(packet, at.interface_id, text)
                text = f"{packet.source} has no public address"
                return self._stop(packet, place, "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS", text)
            text = f"translates {packet.source} to {public}"
            step = note(place, packet, Answer.YES, text)
            packet = replace(packet, source=public)
        else:
            step = note(place, packet, Answer.YES, "lets it out")
        if self._is_of_network(packet.destination):
            hop = self.inbound(packet)
            return replace(hop, steps=(step, *hop.steps))
        return Hop(packet=packet, outside=Outside.INTERNET, steps=(step,))

    def _public_of(self, address: IPv4Address, vpc_id: str) -> IPv4Address | None:
        holder = self.ways.holder(address, vpc_id)
        if holder is None:
            return None
        return next((each.public for each in holder.ipv4 if each.address == address), None)

    def _is_of_network(self, address: Address) -> bool:
        if isinstance(address, IPv4Address):
            return address in self.ways.public
        return any(address in vpc for vpc in self.network.vpcs.values())

    def _egress_only(self, packet: Packet, at: NetworkInterface, route: Route) -> Hop:
        gateway = self.network.egress_only_gateways.get(route.target.target_id)
        if gateway is None:
            return self._unknown(packet, route)
        place = gateway.gateway_id
        if gateway.vpc_id != at.vpc_id:
            text = f"the egress-only internet gateway is not attached to {at.vpc_id}"
            return self._stop(packet, place, "BAD_STATE_ATTACHMENT", text)
        if packet.family == 4:
            return self._stop(packet, place, "CANNOT_ROUTE", "it is for IPv6 only")
        if not is_public(packet.destination):
            text = f"{packet.destination} is no address of the internet"
            return self._stop(packet, place, "CANNOT_ROUTE", text)
        step = note(place, packet, Answer.YES, "lets it out, and answers to it in")
        if self._is_of_network(packet.destination):
            hop = self.inbound(packet)
            return replace(hop, steps=(step, *hop.steps))
        return Hop(packet=packet, outside=Outside.EGRESS_ONLY, steps=(step,))

    def inbound(self, packet: Packet) -> Hop:
        """Enter from the internet: through the gateway of the VPC that has the destination."""
        found = self._behind(packet.destination)
        if found is None:
            text = f"{packet.destination} is the public address of nothing in the network"
            code = "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS"
            return self._stop(packet, Outside.INTERNET.value, code, text)
        holder, private = found
        gateway = self.ways.internet_gateway_of.get(holder.vpc_id)
        if gateway is None:
            text = f"no internet gateway is attached to {holder.vpc_id}"
            return self._stop(packet, holder.vpc_id, "NO_PATH", text)
        place = gateway.gateway_id
        way_back = self.ways.route(
            self.network.route_table_of(holder.subnet_id), holder.vpc_id, packet.source
        )
        if way_back is not None and way_back.target.kind is TargetKind.EGRESS_ONLY_GATEWAY:
            text = f"{way_back.target} lets in only answers to what went out through it"
            return self._stop(packet, way_back.target.target_id, "CANNOT_ROUTE", text)
        if private == packet.destination:
            step = note(place, packet, Answer.YES, "lets it in")
        else:
            text = f"translates {packet.destination} to {private}"
            step = note(place, packet, Answer.YES, text)
        packet = replace(packet, destination=private)
        edge = next(
            (each for each in self.network.route_tables.values() if place in each.gateway_ids),
            None,
        )
        if edge is None:
            return Hop(packet=packet, interface=holder, steps=(step,))
        # The gateway's own route table may lead to an appliance first (ingress routing).
        hop = self._by_route(packet, holder, edge, None)
        return replace(hop, steps=(step, *hop.steps))

    def _behind(self, address: Address) -> tuple[NetworkInterface, Address] | None:
        if isinstance(address, IPv4Address):
            return self.ways.public.get(address)
        holders = self.network.interfaces_with(address)
        return (holders[0], address) if holders else None

    # ------------------------------------------------------------------- refusals

    def _stop(
        self,
        packet: Packet,
        place: str,
        code: str,
        text: str,
        subnet_id: str | None = None,
        route: Route | None = None,
    ) -> Hop:
        step = note(place, packet, Answer.NO, text, code)
        return Hop(packet=packet, steps=(replace(step, subnet_id=subnet_id, route=route),))

    def _end(self, packet: Packet, place: str, text: str) -> Hop:
        """Leave the model: nothing more can be said."""
        step = note(place, packet, Answer.UNKNOWN, text, "UNKNOWN_RESOURCE")
        return Hop(packet=packet, steps=(step,))


_TARGETS: Final[dict[TargetKind, Callable[[Hops, Packet, NetworkInterface, Route], Hop]]] = {
    TargetKind.LOCAL: Hops._local,
    TargetKind.INTERNET_GATEWAY: Hops._internet_gateway,
    TargetKind.EGRESS_ONLY_GATEWAY: Hops._egress_only,
    TargetKind.NAT_GATEWAY: Hops._nat,
    TargetKind.PEERING: Hops._peering,
    TargetKind.INTERFACE: Hops._interface,
    TargetKind.INSTANCE: Hops._instance,
    TargetKind.GATEWAY_ENDPOINT: Hops._endpoint,
    TargetKind.OTHER: Hops._other,
}


def note(
    place: str, packet: Packet, answer: Answer, text: str, code: str | None = None
) -> OnTheWay:
    """Return the step of something on the way, without a route."""
    return OnTheWay(place=place, packet=packet, answer=answer, text=text, code=code)


def _private_code(address: Address) -> str:
    if isinstance(address, IPv4Address):
        if any(address in block for block in RFC1918):
            return "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS"
        if address in RFC6598:
            return "IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS"
    return "CANNOT_ROUTE"
