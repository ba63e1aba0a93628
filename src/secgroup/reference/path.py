"""The way of a conversation through a network: there, and the answer back again.

Owns what a route, a gateway and a translation do with a packet, and in which order the
interfaces on the way decide it. What one interface decides is `decide`; nothing of that is
repeated here.

Read first: VPC User Guide, route tables, internet gateways, NAT gateways, gateway endpoints;
VPC Peering Guide; Reachability Analyzer Guide, explanation codes, whose names the refusals have.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Final

from secgroup.model.interface import NetworkInterface
from secgroup.model.route import NatGateway, Route, RouteTable, TargetKind
from secgroup.net.address import Address, Prefix
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet
from secgroup.net.protocol import TCP, UDP, TcpFlag, protocol_name
from secgroup.reference.decide import decide
from secgroup.reference.endpoint import is_public, primary_of
from secgroup.reference.journey import (
    Answer,
    AtInterface,
    Conversation,
    Journey,
    Leg,
    OnTheWay,
    Outside,
    Place,
    Step,
    answer_to,
    segment,
)
from secgroup.reference.memory import Memory
from secgroup.reference.ways import Ways

RFC1918: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
RFC6598: Final = IPv4Network("100.64.0.0/10")
#: NAT64: a NAT gateway takes these to IPv4 (RFC 6052), which is not modelled.
NAT64: Final = IPv6Network("64:ff9b::/96")
#: Interfaces that a packet may pass before it is called lost.
MOST_INTERFACES: Final = 32
#: Interface types that hand a packet to something that is not modelled.
OPAQUE_TYPES: Final = frozenset(
    {"transit_gateway", "gateway_load_balancer", "gateway_load_balancer_endpoint"}
)


def converse(
    ways: Ways, conversation: Conversation, *, go_on: bool = False, explore: bool = False
) -> Journey:
    """Send the packets of a conversation, with a fresh memory, until one is refused.

    Parameters
    ----------
    go_on : bool
        Where a way is missing and the destination is an interface of the network, note the
        refusal and go on there, to find what else would refuse.
    explore : bool
        Go on after what an interface refuses, to find the interfaces on the way.

    """
    walk = _Walk(ways, conversation, go_on=go_on, explore=explore)
    walk.run()
    return Journey(conversation=conversation, steps=tuple(walk.steps))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hop:
    """Where a packet goes next: to an interface, out of the network, or nowhere."""

    packet: Packet
    steps: tuple[OnTheWay, ...] = ()
    interface: NetworkInterface | None = None
    outside: Outside | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival:
    """A packet where it was to go."""

    packet: Packet
    place: Place


class _Walk:
    """One conversation on its way; `steps` grows."""

    def __init__(
        self, ways: Ways, conversation: Conversation, *, go_on: bool, explore: bool
    ) -> None:
        self.ways = ways
        self.network = ways.network
        self.conversation = conversation
        self.go_on = go_on
        self.explore = explore
        self.steps: list[Step] = []
        self._leg = Leg.THERE
        self._memory = Memory()
        self._time_ms = 0
        self._passed = 0
        # (NAT interface, peer, protocol, peer's port, port given) -> the packet before it.
        self._translations: dict[tuple[str, Address, int, int | None, int | None], Packet] = {}

    # -------------------------------------------------------------- the conversation

    def run(self) -> None:
        """Send the opener, the answer, and for TCP what completes the handshake."""
        opener = self.conversation.opener
        arrival = self._send(Leg.THERE, opener, self.conversation.source)
        answer = None if arrival is None else answer_to(arrival.packet)
        if arrival is None or answer is None:
            return
        back = self._send(Leg.BACK, answer, arrival.place)
        if back is None or not self._is_expected(back, opener):
            return
        if opener.protocol == TCP:
            acknowledgement = replace(opener, tcp=segment(TcpFlag.ACK, 2, 101))
            self._send(Leg.AGAIN, acknowledgement, self.conversation.source)

    def _send(self, leg: Leg, packet: Packet, place: Place) -> _Arrival | None:
        self._leg = leg
        self._passed = 0
        if isinstance(place, NetworkInterface):
            return self._emit(packet, place)
        hop = self._enter(packet, place)
        return self._take(hop, previous=None)

    def _is_expected(self, back: _Arrival, opener: Packet) -> bool:
        """Tell whether an answer comes from where the opener went, or note that it does not."""
        expected = (opener.destination, opener.destination_port)
        if (back.packet.source, back.packet.source_port) == expected:
            return True
        text = f"the answer comes from {back.packet.source}, not from {opener.destination}"
        self._refuse("answer", back.packet, "NGW_SOURCE_ADDRESS_REASSIGN", text)
        return False

    # --------------------------------------------------------------- at an interface

    def _emit(self, packet: Packet, at: NetworkInterface) -> _Arrival | None:
        """Let `at` send `packet`; its route says who stands at the other end of the hop."""
        self._passed += 1
        if self._passed > MOST_INTERFACES:
            self._refuse(at.interface_id, packet, "NO_PATH", "the routes lead in a circle")
            return None
        hop = self._next(packet, at)
        if not self._passes(packet, at, Direction.EGRESS, hop.interface):
            return None
        return self._take(hop, previous=at)

    def _take(self, hop: _Hop, *, previous: NetworkInterface | None) -> _Arrival | None:
        self.steps.extend(hop.steps)
        if hop.interface is not None:
            return self._receive(hop.packet, hop.interface, previous)
        if hop.outside is not None:
            return _Arrival(packet=hop.packet, place=hop.outside)
        beyond = self._beyond(hop)
        return None if beyond is None else self._receive(hop.packet, beyond, None)

    def _beyond(self, hop: _Hop) -> NetworkInterface | None:
        """Return the interface that is meant, when no way leads there and we shall go on."""
        if not self.go_on or any(step.answer is Answer.UNKNOWN for step in hop.steps):
            return None
        meant = self.conversation.source
        if self._leg is not Leg.BACK:
            meant_id = self.conversation.destination_id
            meant = Outside.INTERNET if meant_id is None else self.network.interfaces[meant_id]
        if isinstance(meant, Outside) or not meant.has_address(hop.packet.destination):
            return None
        return meant

    def _receive(
        self, packet: Packet, at: NetworkInterface, previous: NetworkInterface | None
    ) -> _Arrival | None:
        if not self._passes(packet, at, Direction.INGRESS, previous):
            return None
        gateway = self.ways.nat_of.get(at.interface_id)
        if gateway is not None:
            translated = self._translate(packet, at, gateway)
            return None if translated is None else self._emit(translated, at)
        if at.has_address(packet.destination):
            return _Arrival(packet=packet, place=at)
        if at.interface_type in OPAQUE_TYPES:
            text = f"what a {at.interface_type} does with packets is not modelled"
            self._note(at.interface_id, packet, Answer.UNKNOWN, text)
            return None
        return self._emit(packet, at)

    def _passes(
        self,
        packet: Packet,
        at: NetworkInterface,
        direction: Direction,
        other: NetworkInterface | None,
    ) -> bool:
        peer = packet.source if direction is Direction.INGRESS else packet.destination
        references_hold = other is not None and other.has_address(peer)
        self._time_ms += 1
        decision = decide(
            self.ways.at(at.interface_id, references_hold=references_hold),
            self._memory,
            packet,
            direction,
            self._time_ms,
            same_subnet=other is not None and other.subnet_id == at.subnet_id,
            switches=self.ways.switches,
        )
        self.steps.append(
            AtInterface(
                leg=self._leg,
                interface_id=at.interface_id,
                direction=direction,
                packet=packet,
                decision=decision,
                other_id=None if other is None else other.interface_id,
                references_hold=references_hold,
            )
        )
        return decision.accepted or self.explore

    # -------------------------------------------------------------- NAT gateways

    def _translate(
        self, packet: Packet, at: NetworkInterface, gateway: NatGateway
    ) -> Packet | None:
        """Return the packet as the gateway sends it on: outwards as its own, inwards as it was.

        Source: VPC User Guide, NAT gateway basics (protocols, ports, no connections from
        outside).
        """
        place = gateway.gateway_id
        own = at.ipv4[0].address if at.ipv4 else None
        key = (
            at.interface_id,
            packet.source,
            packet.protocol,
            packet.source_port,
            packet.destination_port,
        )
        if packet.destination == own and key in self._translations:
            inner = self._translations[key]
            text = f"{own} was {inner.source}: the answer goes there"
            self._note(place, packet, Answer.YES, text)
            return replace(packet, destination=inner.source, destination_port=inner.source_port)
        if own is None or at.has_address(packet.destination):
            text = "takes in only answers to what it translated"
            self._refuse(place, packet, "NGW_REQUIRES_SOURCE_IN_VPC", text)
            return None
        if not (packet.protocol in (TCP, UDP) or packet.is_query or packet.is_answer):
            text = f"does not translate {protocol_name(packet.protocol)} of this kind"
            self._refuse(place, packet, "PROTOCOL_RESTRICTION", text)
            return None
        is_late = packet.tcp is not None and not packet.is_opener and self._leg is Leg.BACK
        if is_late or packet.is_answer:
            text = "has translated no connection that this could be the answer of"
            self._refuse(place, packet, "NGW_SOURCE_ADDRESS_REASSIGN", text)
            return None
        port = None if packet.source_port is None else self.conversation.nat_port
        translated = replace(packet, source=own, source_port=port)
        outer = (
            at.interface_id,
            packet.destination,
            packet.protocol,
            packet.destination_port,
            port,
        )
        self._translations[outer] = packet
        self._note(place, packet, Answer.YES, f"sends it on from {own}, from a port of its own")
        return translated

    # --------------------------------------------------------------------- routes

    def _next(self, packet: Packet, at: NetworkInterface) -> _Hop:
        """Return where a packet goes that `at` sends."""
        subnet = self.network.subnets[at.subnet_id]
        policy = self.ways.policy.at(at.interface_id)
        port = packet.destination_port
        if packet.destination in policy.routers or policy.service_of(
            packet.destination, packet.protocol, port
        ):
            return _Hop(packet=packet, outside=Outside.SERVICE)
        if packet.destination in subnet:
            # Inside a subnet no route is asked (VPC User Guide, route tables).
            return self._deliver(packet, at.vpc_id, at.subnet_id, ())
        table = self.network.route_table_of(at.subnet_id)
        return self._by_route(packet, at, table, at.subnet_id)

    def _by_route(
        self,
        packet: Packet,
        at: NetworkInterface,
        table: RouteTable | None,
        subnet_id: str | None,
    ) -> _Hop:
        """Ask a route table, and do what the target of the route does."""
        route = self.ways.route(table, at.vpc_id, packet.destination)
        if route is None and table is None:
            text = f"the route table of {at.subnet_id} is not in the files"
            return self._end(packet, at.subnet_id, text)
        place = at.vpc_id if table is None else table.route_table_id
        if route is None:
            text = f"has no route for {packet.destination}"
            return self._stop(packet, place, "NO_ROUTE_TO_DESTINATION", text, subnet_id)
        line = f"{route.destination} leads to {route.target}"
        if route.is_blackhole:
            text = f"{line}, which is gone (blackhole)"
            return self._stop(packet, place, "BAD_STATE_ROUTE", text, subnet_id, route)
        step = OnTheWay(
            leg=self._leg,
            place=place,
            packet=packet,
            answer=Answer.YES,
            text=line,
            route=route,
            subnet_id=subnet_id,
        )
        hop = _TARGETS[route.target.kind](self, packet, at, route)
        return replace(hop, steps=(step, *hop.steps))

    def _deliver(
        self, packet: Packet, vpc_id: str, place: str, steps: tuple[OnTheWay, ...]
    ) -> _Hop:
        holder = self.ways.holder(packet.destination, vpc_id)
        if holder is None:
            text = f"nobody in {vpc_id} has {packet.destination}"
            hop = self._stop(packet, place, "NO_POSSIBLE_DESTINATION", text)
            return replace(hop, steps=(*steps, *hop.steps))
        return _Hop(packet=packet, interface=holder, steps=steps)

    def _local(self, packet: Packet, at: NetworkInterface, route: Route) -> _Hop:  # noqa: ARG002
        return self._deliver(packet, at.vpc_id, at.vpc_id, ())

    def _interface(self, packet: Packet, at: NetworkInterface, route: Route) -> _Hop:
        target = self.network.interfaces.get(route.target.target_id)
        return self._forward(packet, at, route, target)

    def _instance(self, packet: Packet, at: NetworkInterface, route: Route) -> _Hop:
        target = primary_of(self.network, route.target.target_id)
        return self._forward(packet, at, route, target)

    def _forward(
        self, packet: Packet, at: NetworkInterface, route: Route, to: NetworkInterface | None
    ) -> _Hop:
        if to is None or to.vpc_id not in (at.vpc_id,):
            return self._unknown(packet, route)
        if to.interface_id == at.interface_id:
            text = f"{to.interface_id} would send it to itself"
            return self._stop(packet, to.interface_id, "NO_PATH", text)
        return _Hop(packet=packet, interface=to)

    def _nat(self, packet: Packet, at: NetworkInterface, route: Route) -> _Hop:
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

    def _endpoint(self, packet: Packet, at: NetworkInterface, route: Route) -> _Hop:
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
        return _Hop(packet=packet, outside=Outside.ENDPOINT)

    def _peering(self, packet: Packet, at: NetworkInterface, route: Route) -> _Hop:
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
        return self._deliver(packet, other.vpc_id, place, ())

    def _other(self, packet: Packet, at: NetworkInterface, route: Route) -> _Hop:  # noqa: ARG002
        return self._unknown(packet, route)

    def _unknown(self, packet: Packet, route: Route) -> _Hop:
        target = route.target.target_id
        return self._end(packet, target, f"what lies beyond {target} is not known")

    # ------------------------------------------------------------------- gateways

    def _internet_gateway(self, packet: Packet, at: NetworkInterface, route: Route) -> _Hop:
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
            step = self._step(place, packet, Answer.YES, text)
            packet = replace(packet, source=public)
        else:
            step = self._step(place, packet, Answer.YES, "lets it out")
        if self._is_of_network(packet.destination):
            hop = self._inbound(packet)
            return replace(hop, steps=(step, *hop.steps))
        return _Hop(packet=packet, outside=Outside.INTERNET, steps=(step,))

    def _public_of(self, address: IPv4Address, vpc_id: str) -> IPv4Address | None:
        holder = self.ways.holder(address, vpc_id)
        if holder is None:
            return None
        return next((each.public for each in holder.ipv4 if each.address == address), None)

    def _is_of_network(self, address: Address) -> bool:
        if isinstance(address, IPv4Address):
            return address in self.ways.public
        return any(address in vpc for vpc in self.network.vpcs.values())

    def _egress_only(self, packet: Packet, at: NetworkInterface, route: Route) -> _Hop:
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
        step = self._step(place, packet, Answer.YES, "lets it out, and answers to it in")
        if self._is_of_network(packet.destination):
            hop = self._inbound(packet)
            return replace(hop, steps=(step, *hop.steps))
        return _Hop(packet=packet, outside=Outside.EGRESS_ONLY, steps=(step,))

    def _enter(self, packet: Packet, place: Outside) -> _Hop:
        """Let a packet in from where it stands outside of every interface."""
        if place is Outside.INTERNET:
            return self._inbound(packet)
        # What left the network this way comes back to whoever has the address.
        vpc_id = next(
            self.network.interfaces[step.interface_id].vpc_id
            for step in reversed(self.steps)
            if isinstance(step, AtInterface)
        )
        step = self._step(place.value, packet, Answer.YES, "answers")
        return self._deliver(packet, vpc_id, vpc_id, (step,))

    def _inbound(self, packet: Packet) -> _Hop:
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
            step = self._step(place, packet, Answer.YES, "lets it in")
        else:
            text = f"translates {packet.destination} to {private}"
            step = self._step(place, packet, Answer.YES, text)
        packet = replace(packet, destination=private)
        edge = next(
            (each for each in self.network.route_tables.values() if place in each.gateway_ids),
            None,
        )
        if edge is None:
            return _Hop(packet=packet, interface=holder, steps=(step,))
        # The gateway's own route table may lead to an appliance first (ingress routing).
        hop = self._by_route(packet, holder, edge, None)
        return replace(hop, steps=(step, *hop.steps))

    def _behind(self, address: Address) -> tuple[NetworkInterface, Address] | None:
        if isinstance(address, IPv4Address):
            return self.ways.public.get(address)
        holders = self.network.interfaces_with(address)
        return (holders[0], address) if holders else None

    # ---------------------------------------------------------------------- notes

    def _step(
        self,
        place: str,
        packet: Packet,
        answer: Answer,
        text: str,
        code: str | None = None,
    ) -> OnTheWay:
        return OnTheWay(
            leg=self._leg, place=place, packet=packet, answer=answer, text=text, code=code
        )

    def _note(self, place: str, packet: Packet, answer: Answer, text: str) -> None:
        self.steps.append(self._step(place, packet, answer, text))

    def _refuse(self, place: str, packet: Packet, code: str, text: str) -> None:
        self.steps.append(self._step(place, packet, Answer.NO, text, code))

    def _stop(
        self,
        packet: Packet,
        place: str,
        code: str,
        text: str,
        subnet_id: str | None = None,
        route: Route | None = None,
    ) -> _Hop:
        step = self._step(place, packet, Answer.NO, text, code)
        return _Hop(packet=packet, steps=(replace(step, subnet_id=subnet_id, route=route),))

    def _end(self, packet: Packet, place: str, text: str) -> _Hop:
        """Leave the model: nothing more can be said."""
        step = self._step(place, packet, Answer.UNKNOWN, text, "UNKNOWN_RESOURCE")
        return _Hop(packet=packet, steps=(step,))


_TARGETS: Final[dict[TargetKind, Callable[[_Walk, Packet, NetworkInterface, Route], _Hop]]] = {
    TargetKind.LOCAL: _Walk._local,
    TargetKind.INTERNET_GATEWAY: _Walk._internet_gateway,
    TargetKind.EGRESS_ONLY_GATEWAY: _Walk._egress_only,
    TargetKind.NAT_GATEWAY: _Walk._nat,
    TargetKind.PEERING: _Walk._peering,
    TargetKind.INTERFACE: _Walk._interface,
    TargetKind.INSTANCE: _Walk._instance,
    TargetKind.GATEWAY_ENDPOINT: _Walk._endpoint,
    TargetKind.OTHER: _Walk._other,
}


def _private_code(address: Address) -> str:
    if isinstance(address, IPv4Address):
        if any(address in block for block in RFC1918):
            return "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS"
        if address in RFC6598:
            return "IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS"
    return "CANNOT_ROUTE"
