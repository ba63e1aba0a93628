"""The connections of a capture: which packets are of one, and what became of it.

Owns identity and outcome. A capture is an open loop: packets that a refusal would have prevented
are in it all the same, so what counts is the connection, and packets after its refusal are
counted apart. Which packets are of one connection never depends on a decision, so that two
networks are compared connection by connection.
"""

from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, unique
from typing import Final

from secgroup.conntrack.state import State
from secgroup.decision import Decision, Reason
from secgroup.model.interface import NetworkInterface
from secgroup.net.address import Address
from secgroup.net.direction import Direction
from secgroup.net.packet import Datagram, Packet, Tcp
from secgroup.net.protocol import ICMP_ANSWERS, TcpFlag
from secgroup.policy.policy import InterfacePolicy

#: As plain numbers: an IntFlag costs a microsecond an operation.
_FIN: Final = int(TcpFlag.FIN)
_RST: Final = int(TcpFlag.RST)

#: Bytes of an IPv4 and an IPv6 packet that is a SYN without options.
_SYN_LENGTH: Final = {4: 40, 6: 60}

#: Reasons that say the rules let the packet pass, and which.
_BY_RULES: Final = frozenset({Reason.NEW, Reason.UNTRACKED, Reason.MIDSTREAM})


@unique
class Outcome(Enum):
    """What became of a connection."""

    ALLOWED = "allowed"  # every packet was accepted, but for those after its end
    REFUSED = "refused"  # its opener was rejected
    CUT = "cut"  # accepted, and rejected later
    OPEN_BEFORE = "open_before"  # open before the capture, and nothing else happened to it


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One packet decided at one interface.

    Parameters
    ----------
    frame : int
        Its number in the capture, from 1, as Wireshark counts.
    time_ns : int
        Nanoseconds since 1970-01-01 UTC, as the capture says.
    interface : NetworkInterface or None
        None, with `direction` and `policy`, for a malformed packet that names no address.
    connection : int or None
        Its number in this run, from 1; None for a malformed packet.
    policy : InterfacePolicy or None
        What decided.

    """

    frame: int
    time_ns: int
    packet: Datagram
    interface: NetworkInterface | None
    direction: Direction | None
    decision: Decision
    connection: int | None = None
    policy: InterfacePolicy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """Whether a connection that was open before the capture has been given its entries.

    Parameters
    ----------
    opener : Packet
        The SYN that could have opened it, in the orientation that was chosen.
    refusal : Placed or None
        Where and why that SYN would have been rejected; None when it has been adopted.
    rule_ids : tuple of (interface id, rule ids)
        What would have admitted it.

    """

    opener: Packet
    refusal: Placed | None = None
    rule_ids: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def adopted(self) -> bool:
        """Its entries are there."""
        return self.refusal is None


@dataclass(slots=True, kw_only=True)
class Leg:
    """A connection at one interface: what let it pass, and when last.

    Parameters
    ----------
    opened : tuple of str
        The rules that admitted the opener of its entry.
    judged : list of tuple of str
        By Direction: the rules that last let a packet without an entry pass.
    counted : tuple of tuple of str
        The sets of rules that the connection has been counted for.

    """

    interface: NetworkInterface
    direction: Direction
    opened: tuple[str, ...] = ()
    judged: list[tuple[str, ...]] = field(default_factory=lambda: [(), ()])
    counted: tuple[tuple[str, ...], ...] = ()
    reason: Reason | None = None
    passed_ms: int = 0
    packets: int = 0

    @property
    def carried_by(self) -> tuple[str, ...]:
        """The rules that let packets without an entry pass, in either direction."""
        return tuple(dict.fromkeys((*self.judged[0], *self.judged[1])))

    @property
    def rule_ids(self) -> tuple[str, ...]:
        """Every rule that let a packet pass here."""
        return tuple(dict.fromkeys((*self.opened, *self.carried_by)))

    def credited(self, decision: Decision) -> tuple[str, ...]:
        """Return the rules to which an accepted packet is owed."""
        if decision.reason is Reason.ESTABLISHED:
            return self.opened
        return decision.rule_ids if decision.reason in _BY_RULES else ()

    def direction_of(self, packet: Packet) -> Direction:
        """Tell which way `packet` passes this interface."""
        leaves = self.interface.has_address(packet.source)
        arrives = self.interface.has_address(packet.destination)
        if leaves == arrives:
            return self.direction
        return Direction.EGRESS if leaves else Direction.INGRESS


@dataclass(slots=True, kw_only=True)
class Connection:
    """A connection of the capture, growing packet by packet.

    Parameters
    ----------
    number : int
        From 1, in the order of first packets.
    first : Packet
        Its first decided packet.
    was_open : bool
        TCP whose first packet is no bare SYN: it was open before the capture.
    refusal : Placed or None
        The packet that was rejected: the first one, or the first after accepted ones.
    accepted : int
        Packets accepted before any refusal.
    is_opener_refused : bool
        Of several captured interfaces one that comes first on the way accepted what opened it;
        the one that `refusal` names has never let a packet of it pass, and nothing was answered.
    late : int
        Packets rejected after the connection had come to its own end.
    after, after_accepted : int
        Packets after the refusal, and how many of them were accepted.

    """

    number: int
    first: Packet
    first_frame: int
    first_ns: int
    last_ns: int
    was_open: bool = False
    adoption: Adoption | None = None
    refusal: Placed | None = None
    accepted: int = 0
    is_answered: bool = False
    is_opener_refused: bool = False
    octets: int = 0
    late: int = 0
    after: int = 0
    after_accepted: int = 0
    legs: dict[str, Leg] = field(default_factory=dict)
    has_ending: bool = False
    is_over: bool = False
    _fins: set[Address] = field(default_factory=set)

    @property
    def outcome(self) -> Outcome:
        """What became of it."""
        if self.refusal is not None and self.accepted > 0 and not self.is_opener_refused:
            return Outcome.CUT
        if self.was_open:
            return Outcome.OPEN_BEFORE
        return Outcome.ALLOWED if self.refusal is None else Outcome.REFUSED

    @property
    def opener(self) -> Packet:
        """The packet that opened it, or the SYN that most likely did: from client to server."""
        if self.adoption is not None:
            return self.adoption.opener
        return likely_openers(self.first)[0] if self.was_open else self.first

    @property
    def packets(self) -> int:
        """All its decided packets."""
        return self.accepted + self.late + self.after + (0 if self.refusal is None else 1)

    def is_followed_by(self, packet: Packet) -> bool:
        """Tell whether `packet`, between the same ports, opens another connection.

        A bare SYN does, of the same client with another sequence number, or of the other side
        when this connection has begun to end (otherwise that is a simultaneous open).
        """
        if packet.tcp is None or not packet.tcp.is_bare_syn:
            return False
        if self.was_open or self.first.tcp is None:
            return True
        if packet.source == self.first.source and packet.source_port == self.first.source_port:
            return packet.tcp.sequence != self.first.tcp.sequence
        return self.has_ending

    def see(self, placed: Sequence[Placed], now_ms: int) -> None:
        """Take note of the decisions about one packet of this connection."""
        last = placed[-1]
        self.last_ns = max(self.last_ns, last.time_ns)
        for each in placed:
            if each.decision.accepted and each.interface is not None:
                self._pass(each, now_ms)
        accepted = last.decision.accepted
        if self.refusal is not None:
            self.after += 1
            self.after_accepted += accepted
        elif accepted:
            self.accepted += 1
            self.is_answered = self.is_answered or not self._is_sent_as_first(last.packet)
        elif self.accepted > 0 and self.is_over:
            self.late += 1
        else:
            self.refusal = last
            self.is_opener_refused = (
                last.interface is not None
                and last.interface.interface_id not in self.legs
                and not self.is_answered
                and self._is_sent_as_first(last.packet)
            )
        self.octets += last.packet.length
        if isinstance(last.packet, Packet) and last.packet.tcp is not None:
            self._watch_end(last.packet, placed, accepted=accepted)

    def _is_sent_as_first(self, packet: Datagram) -> bool:
        """Tell whether a packet goes the way of the first one; a later fragment has no ports."""
        return packet.source == self.first.source

    def _pass(self, placed: Placed, now_ms: int) -> None:
        interface, direction, decision = placed.interface, placed.direction, placed.decision
        if interface is None or direction is None:
            return
        leg = self.legs.get(interface.interface_id)
        if leg is None:
            leg = self.legs[interface.interface_id] = Leg(interface=interface, direction=direction)
            if self.adoption is not None:
                leg.opened = dict(self.adoption.rule_ids).get(interface.interface_id, ())
        if decision.reason is Reason.NEW:
            leg.opened = decision.rule_ids
        elif decision.reason in _BY_RULES:
            leg.judged[direction] = decision.rule_ids
        leg.reason, leg.passed_ms = decision.reason, now_ms
        leg.packets += 1

    def _watch_end(self, packet: Packet, placed: Sequence[Placed], *, accepted: bool) -> None:
        flags = 0 if packet.tcp is None else int(packet.tcp.flags)
        if flags & (_FIN | _RST):
            self.has_ending = True
        if not accepted:
            return
        tracked = [each.decision for each in placed if each.decision.state_before is not None]
        if tracked:
            self.is_over = any(each.state_after in (None, State.TIME_WAIT) for each in tracked)
        else:
            if flags & _FIN:
                self._fins.add(packet.source)
            self.is_over = self.is_over or bool(flags & _RST) or len(self._fins) == 2


class Connections:
    """Finds the connection of a packet, and numbers new ones in the order of first packets."""

    def __init__(self) -> None:
        self._latest: dict[Hashable, Connection] = {}
        self._all: list[Connection] = []

    def __len__(self) -> int:
        """Count them."""
        return len(self._all)

    def __iter__(self) -> Iterator[Connection]:
        """Go through them by number."""
        return iter(self._all)

    def numbered(self, number: int) -> Connection:
        """Return the connection with this number."""
        return self._all[number - 1]

    def with_outcome(self, outcome: Outcome) -> Iterator[Connection]:
        """Go through those with an outcome, by number."""
        return (each for each in self._all if each.outcome is outcome)

    def count(self, outcome: Outcome) -> int:
        """Count those with an outcome."""
        return sum(1 for _ in self.with_outcome(outcome))

    def open_before(self) -> Iterator[Connection]:
        """Go through those that were open before the capture, by number."""
        return (each for each in self._all if each.was_open)

    def passing(self, reasons: Collection[Reason], since_ms: int) -> Iterator[Connection]:
        """Go through those that passed some interface for one of these reasons since."""
        return (
            each
            for each in self._all
            if any(
                leg.reason in reasons and leg.passed_ms >= since_ms for leg in each.legs.values()
            )
        )

    def after_close(self) -> int:
        """Count the packets that were rejected after the end of their connection."""
        return sum(each.late for each in self._all)

    def of(self, packet: Packet, *, frame: int, time_ns: int, scope: str | None) -> Connection:
        """Return the connection of `packet`, a new one if it opens one or is the first."""
        key = identity_of(packet, scope)
        found = self._latest.get(key)
        if found is None or found.is_followed_by(packet):
            found = self._latest[key] = Connection(
                number=len(self._all) + 1,
                first=packet,
                first_frame=frame,
                first_ns=time_ns,
                last_ns=time_ns,
                was_open=packet.tcp is not None and not packet.tcp.is_bare_syn,
            )
            self._all.append(found)
        return found


def likely_openers(segment: Packet) -> tuple[Packet, ...]:
    """Return the SYNs that could have opened the connection of a TCP segment, the likelier first.

    The sender of a SYN-ACK is the server; otherwise the side with the lower port is.
    """
    tcp, ports = segment.tcp, (segment.source_port, segment.destination_port)
    if tcp is None or ports[0] is None or ports[1] is None:
        return (segment,)
    syn = Tcp(flags=TcpFlag.SYN, sequence=0, acknowledgement=0, payload=0)
    forth = replace(segment, tcp=syn, length=_SYN_LENGTH[segment.family], fragment=None)
    back = replace(
        forth,
        source=segment.destination,
        destination=segment.source,
        source_port=ports[1],
        destination_port=ports[0],
    )
    if tcp.flags & (TcpFlag.SYN | TcpFlag.ACK) == TcpFlag.SYN | TcpFlag.ACK:
        return (back,)
    return (back, forth) if ports[0] < ports[1] else (forth, back)


def identity_of(packet: Packet, scope: str | None = None) -> Hashable:
    """Return what all packets of a connection share, in both directions.

    An ICMP answer is of its query's connection; other ICMP messages are by their type.
    """
    source: tuple[int, int | None] = (int(packet.source), packet.source_port)
    destination: tuple[int, int | None] = (int(packet.destination), packet.destination_port)
    kind: tuple[int, ...] = ()
    if packet.icmp is not None:
        family, icmp = packet.family, packet.icmp
        if packet.is_answer:
            source, destination = destination, source
            kind = (ICMP_ANSWERS[family, icmp.type], icmp.identifier or 0)
        elif packet.is_query:
            kind = (icmp.type, icmp.identifier or 0)
        else:
            kind = (icmp.type, icmp.code)
    elif (destination[0], destination[1] or 0) < (source[0], source[1] or 0):
        source, destination = destination, source
    return (scope, packet.family, packet.protocol, source, destination, kind)
