"""The way of a conversation through a network: there, and the answer back again.

Owns in which order the interfaces on the way decide a packet, and what NAT gateways remember.
Where a packet goes next is `hop`'s, what one interface decides is `decide`'s; nothing of either is
repeated here.
"""

from dataclasses import dataclass, replace
from typing import Final

from secgroup.model.interface import NetworkInterface
from secgroup.model.route import NatGateway
from secgroup.net.address import Address
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet
from secgroup.net.protocol import TCP, UDP, TcpFlag, protocol_name
from secgroup.reference.decide import decide
from secgroup.reference.endpoint import is_public
from secgroup.reference.hop import Hop, Hops, note
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
        self._hops = Hops(ways)
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
        hop = self._hops.next(packet, at)
        if not self._passes(packet, at, Direction.EGRESS, hop.interface):
            return None
        return self._take(hop, previous=at)

    def _take(self, hop: Hop, *, previous: NetworkInterface | None) -> _Arrival | None:
        self.steps.extend(replace(step, leg=self._leg) for step in hop.steps)
        if hop.interface is not None:
            return self._receive(hop.packet, hop.interface, previous)
        if hop.outside is not None:
            return _Arrival(packet=hop.packet, place=hop.outside)
        beyond = self._beyond(hop)
        return None if beyond is None else self._receive(hop.packet, beyond, previous)

    def _beyond(self, hop: Hop) -> NetworkInterface | None:
        """Return the interface that is meant, when no way leads there and we shall go on."""
        if not self.go_on or any(step.answer is Answer.UNKNOWN for step in hop.steps):
            return None
        meant = self._meant()
        return None if meant is None or not meant.has_address(hop.packet.destination) else meant

    def _meant(self) -> NetworkInterface | None:
        """Return the interface that the packet is for; None outside of the network."""
        if self._leg is Leg.BACK:
            source = self.conversation.source
            return source if isinstance(source, NetworkInterface) else None
        meant_id = self.conversation.destination_id
        return None if meant_id is None else self.network.interfaces[meant_id]

    def _receive(
        self, packet: Packet, at: NetworkInterface, previous: NetworkInterface | None
    ) -> _Arrival | None:
        gateway = self.ways.nat_of.get(at.interface_id)
        meant = self._meant()
        arrives = gateway is None and at.has_address(packet.destination)
        if arrives and meant is not None and meant.interface_id != at.interface_id:
            # VPCs may have the same blocks: somebody else has the address where the routes lead.
            text = f"{packet.destination} is {at.interface_id} here, not {meant.interface_id}"
            self._refuse(at.vpc_id, packet, "NO_PATH", text)
            return None
        if not self._passes(packet, at, Direction.INGRESS, previous):
            return None
        if gateway is not None:
            translated = self._translate(packet, at, gateway)
            return None if translated is None else self._emit(translated, at)
        if arrives:
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

    def _enter(self, packet: Packet, place: Outside) -> Hop:
        """Let a packet in from where it stands outside of every interface."""
        if place is Outside.INTERNET:
            if is_public(packet.source):
                return self._hops.inbound(packet)
            return self._from_elsewhere(packet)
        # What left the network this way comes back to whoever has the address.
        vpc_id = next(
            self.network.interfaces[step.interface_id].vpc_id
            for step in reversed(self.steps)
            if isinstance(step, AtInterface)
        )
        step = note(place.value, packet, Answer.YES, "answers")
        return self._hops.deliver(packet, vpc_id, vpc_id, (step,))

    def _from_elsewhere(self, packet: Packet) -> Hop:
        """Let in what comes from a private address that is nowhere in the network.

        How it gets in is not known; that it must pass the receiver is.
        """
        text = f"nothing says where packets of {packet.source} enter the network"
        step = note(str(packet.source), packet, Answer.UNKNOWN, text, "UNKNOWN_RESOURCE")
        meant = self._meant()
        if meant is None or not meant.has_address(packet.destination):
            return Hop(packet=packet, steps=(step,))
        return Hop(packet=packet, steps=(step,), interface=meant)

    # ---------------------------------------------------------------------- notes

    def _note(self, place: str, packet: Packet, answer: Answer, text: str) -> None:
        self._append(note(place, packet, answer, text))

    def _refuse(self, place: str, packet: Packet, code: str, text: str) -> None:
        self._append(note(place, packet, Answer.NO, text, code))

    def _append(self, step: OnTheWay) -> None:
        self.steps.append(replace(step, leg=self._leg))
