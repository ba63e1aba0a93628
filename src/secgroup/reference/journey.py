"""What can be said of a conversation on its way: who talks, each step, and the answer.

Values only; `path` makes them.
"""

from dataclasses import dataclass, replace
from enum import Enum, unique
from typing import Final, TypeAlias

from secgroup.decision import Decision
from secgroup.model.interface import NetworkInterface
from secgroup.model.route import Route
from secgroup.net.address import Address
from secgroup.net.direction import Direction
from secgroup.net.packet import Icmp, Packet, Tcp
from secgroup.net.protocol import ICMP, ICMP_QUERIES, ICMPV6, TCP, UDP, TcpFlag

#: The source ports that a NAT gateway gives (VPC User Guide, NAT gateway basics).
NAT_PORTS: Final = (1024, 65535)


@unique
class Answer(Enum):
    """What may be said: UNKNOWN where the model ends, which is never a yes."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@unique
class Leg(Enum):
    """Which packet of a conversation."""

    THERE = "there"
    BACK = "back"
    AGAIN = "there again"


@unique
class Outside(Enum):
    """Where packets leave the interfaces of the network, and come back from."""

    INTERNET = "the internet"
    EGRESS_ONLY = "the internet, through an egress-only gateway"
    ENDPOINT = "a service behind a gateway endpoint"
    SERVICE = "a service of the VPC's own"


Place: TypeAlias = NetworkInterface | Outside


@dataclass(frozen=True, slots=True, kw_only=True)
class AtInterface:
    """A packet that an interface decided.

    Parameters
    ----------
    other_id : str or None
        The interface at the other end of the hop; None is a gateway.
    references_hold : bool
        The peer is the other end of the hop itself, so that rules which refer to its group
        can match; behind a middlebox or a translation they never do.

    """

    leg: Leg
    interface_id: str
    direction: Direction
    packet: Packet
    decision: Decision
    other_id: str | None
    references_hold: bool

    @property
    def answer(self) -> Answer:
        """YES when the packet was accepted."""
        return Answer.YES if self.decision.accepted else Answer.NO


@dataclass(frozen=True, slots=True, kw_only=True)
class OnTheWay:
    """What a route or a gateway does with a packet.

    Parameters
    ----------
    place : str
        The id of the route table, gateway, ... that answers.
    code : str or None
        For a refusal: EC2's explanation code.
    text : str
        What happens, for people.
    route : Route or None
        The route that was taken; None where there is none.
    subnet_id : str or None
        Whose route table was asked.

    """

    leg: Leg = Leg.THERE
    place: str
    packet: Packet
    answer: Answer
    text: str
    code: str | None = None
    route: Route | None = None
    subnet_id: str | None = None


Step: TypeAlias = AtInterface | OnTheWay


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Who says what to whom, with one number for each thing that could vary.

    Parameters
    ----------
    source : NetworkInterface or Outside
        Who sends the first packet; Outside.INTERNET, or an interface.
    point : int
        TCP and UDP: the destination port. ICMP: 256 x type + code. Else 0.
    client_port : int
        TCP and UDP: the source port; ICMP: the identifier.
    nat_port : int
        The source port that a NAT gateway gives.
    destination_id : str or None
        The interface that is meant by the destination address; None outside of the network.

    """

    source: Place
    source_address: Address
    destination_address: Address
    protocol: int
    point: int
    client_port: int
    nat_port: int = NAT_PORTS[0]
    destination_id: str | None = None

    @property
    def opener(self) -> Packet:
        """The first packet."""
        family = self.source_address.version
        packet = Packet(
            source=self.source_address,
            destination=self.destination_address,
            protocol=self.protocol,
            length=60,
        )
        if self.protocol in (TCP, UDP):
            packet = replace(packet, source_port=self.client_port, destination_port=self.point)
        if self.protocol == TCP:
            return replace(packet, tcp=segment(TcpFlag.SYN, 1, 0))
        if (self.protocol, family) in ((ICMP, 4), (ICMPV6, 6)):
            kind, code = divmod(self.point, 256)
            is_query = (family, kind) in ICMP_QUERIES
            return replace(
                packet,
                icmp=Icmp(type=kind, code=code, identifier=self.client_port if is_query else None),
            )
        return packet


def segment(flags: TcpFlag, sequence: int, acknowledgement: int) -> Tcp:
    """Return a TCP header without payload."""
    return Tcp(flags=flags, sequence=sequence, acknowledgement=acknowledgement, payload=0)


def answer_to(packet: Packet) -> Packet | None:
    """Return what the receiver of an opener sends back; None when nothing is to be answered."""
    answer = replace(
        packet,
        source=packet.destination,
        destination=packet.source,
        source_port=packet.destination_port,
        destination_port=packet.source_port,
    )
    if packet.tcp is not None:
        return replace(answer, tcp=segment(TcpFlag.SYN | TcpFlag.ACK, 100, 2))
    if packet.icmp is not None:
        kind = ICMP_QUERIES.get((packet.family, packet.icmp.type))
        return None if kind is None else replace(answer, icmp=replace(packet.icmp, type=kind))
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """All that happened to the packets of a conversation, in order."""

    conversation: Conversation
    steps: tuple[Step, ...]

    @property
    def answer(self) -> Answer:
        """NO when something refuses; else UNKNOWN when the model ended; else YES."""
        answers = {step.answer for step in self.steps}
        if Answer.NO in answers:
            return Answer.NO
        return Answer.UNKNOWN if Answer.UNKNOWN in answers else Answer.YES

    @property
    def refusals(self) -> tuple[Step, ...]:
        """The steps that refuse."""
        return tuple(step for step in self.steps if step.answer is Answer.NO)
