"""One tracked flow: its key, what is remembered of it, and the one step that changes that.

A step is a pure function of the flow, the packet and the time. No rules here.
"""

from dataclasses import dataclass, replace

from secgroup.conntrack import icmp, other, tcp, udp
from secgroup.conntrack.grid import Side
from secgroup.conntrack.state import State
from secgroup.conntrack.timeout import Timeouts
from secgroup.net.address import Address
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet, Tcp
from secgroup.net.protocol import ICMP_ANSWERS, TCP, UDP, TcpFlag


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What tells one ICMP flow from another besides addresses and identifier."""

    type: int
    opener: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowKey:
    """What names a flow: the owner's side is *inside*, the peer's *outside*.

    Both directions of a flow make the same key. ICMP has its identifier in both ports; protocols
    without ports have 0.
    """

    owner: str
    protocol: int
    inside: Address
    inside_port: int
    outside: Address
    outside_port: int
    query: Query | None = None


def inside_of(packet: Packet, direction: Direction) -> Address:
    """Return the address on the interface's side: the source on egress."""
    return packet.source if direction is Direction.EGRESS else packet.destination


def outside_of(packet: Packet, direction: Direction) -> Address:
    """Return the peer's address: the destination on egress."""
    return packet.destination if direction is Direction.EGRESS else packet.source


def key_of(packet: Packet, direction: Direction, owner: str) -> FlowKey | None:
    """Return the key that `packet` belongs to; None for what is never tracked.

    Never tracked are ICMP messages that neither ask nor answer, and later fragments.
    """
    if packet.is_later_fragment:
        return None
    query = None
    source_port, destination_port = packet.source_port or 0, packet.destination_port or 0
    if packet.icmp is not None:
        if packet.icmp.identifier is None or not (packet.is_query or packet.is_answer):
            return None
        asked = ICMP_ANSWERS.get((packet.family, packet.icmp.type), packet.icmp.type)
        query = Query(type=asked, opener=direction if packet.is_query else direction.opposite)
        source_port = destination_port = packet.icmp.identifier
    outward = direction is Direction.EGRESS
    return FlowKey(
        owner=owner,
        protocol=packet.protocol,
        inside=inside_of(packet, direction),
        inside_port=source_port if outward else destination_port,
        outside=outside_of(packet, direction),
        outside_port=destination_port if outward else source_port,
        query=query,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What is remembered of a tracked flow.

    Parameters
    ----------
    opener : Direction
        Of the packet that made the entry.
    created_ms, last_ms : int
        When the entry was made, and when a packet through it was last finally accepted.
    next : pair of int or None
        TCP: the highest sequence end accepted of each side, by Side; None before its first.
    timeouts : Timeouts
        Of the interface that made the entry.
    interface_id : str
        That interface.
    rule_ids : tuple of str
        The rules that admitted the opener.
    weight : int
        How many entries of the owner's allowance it takes.

    """

    key: FlowKey
    opener: Direction
    state: State
    created_ms: int
    last_ms: int
    timeouts: Timeouts
    interface_id: str
    next: tuple[int | None, int | None] = (None, None)
    rule_ids: tuple[str, ...] = ()
    weight: int = 1

    @property
    def expires_ms(self) -> int:
        """The first millisecond at which the flow is no longer alive, if it stays idle."""
        return self.last_ms + self.timeouts.of_ms(self.state)

    def side_of(self, direction: Direction) -> Side:
        """Tell whose packet one in `direction` is."""
        return Side.ORIGINAL if direction is self.opener else Side.REPLY


def is_ahead(sequence: int, of: int) -> bool:
    """Tell whether a sequence number is after another one, modulo 2**32 (RFC 1982)."""
    return 0 < (sequence - of) & 0xFFFFFFFF < 0x80000000


def reset_is_exact(flow: Flow, side: Side, segment: Tcp) -> bool:
    """Tell whether a RST stands exactly where its side of the connection does.

    In SYN_SENT the other side has no sequence numbers yet: it proves that it saw the SYN by
    acknowledging it (RFC 9293 section 3.10.7.3).
    """
    if flow.state is State.SYN_SENT and side is Side.REPLY:
        return bool(segment.flags & TcpFlag.ACK) and (
            segment.acknowledgement == flow.next[Side.ORIGINAL]
        )
    return segment.sequence == flow.next[side]


def _advance(flow: Flow, side: Side, segment: Tcp) -> tuple[int | None, int | None]:
    """Return `next` after a segment that is not a RST."""
    known, end = flow.next[side], segment.sequence_end
    begins = bool(segment.flags & TcpFlag.SYN) and flow.state in tcp.HANDSHAKE
    if known is not None and not begins and not is_ahead(end, known):
        return flow.next
    return (end, flow.next[Side.REPLY]) if side is Side.ORIGINAL else (flow.next[0], end)


def opening_state(packet: Packet) -> State | None:
    """Return the state of the entry that `packet` would make; None when it can make none."""
    if packet.tcp is not None:
        event = tcp.event_of(packet.tcp, at_next=False)
        return tcp.TRANSITIONS[Side.ORIGINAL, event, None]
    if packet.protocol == UDP:
        return udp.TRANSITIONS[Side.ORIGINAL, udp.Event.DATAGRAM, None]
    if packet.icmp is not None:
        if not packet.is_query:
            return None
        return icmp.TRANSITIONS[Side.ORIGINAL, icmp.Event.MESSAGE, None]
    return other.TRANSITIONS[Side.ORIGINAL, other.Event.PACKET, None]


def next_state(flow: Flow, side: Side, packet: Packet) -> State | None:
    """Return the state after `packet` of `side`; None when it ends the flow."""
    if packet.tcp is not None:
        exact = reset_is_exact(flow, side, packet.tcp)
        return tcp.TRANSITIONS[side, tcp.event_of(packet.tcp, at_next=exact), flow.state]
    if packet.protocol == UDP:
        return udp.TRANSITIONS[side, udp.Event.DATAGRAM, flow.state]
    if packet.icmp is not None:
        return icmp.TRANSITIONS[side, icmp.Event.MESSAGE, flow.state]
    return other.TRANSITIONS[side, other.Event.PACKET, flow.state]


def step(flow: Flow, packet: Packet, direction: Direction, now_ms: int) -> Flow | None:
    """Return the flow after an accepted packet through it; None when the packet ended it."""
    side = flow.side_of(direction)
    state = next_state(flow, side, packet)
    if state is None:
        return None
    positions = flow.next
    if packet.tcp is not None and not packet.tcp.flags & TcpFlag.RST:
        positions = _advance(flow, side, packet.tcp)
    return replace(flow, state=state, last_ms=now_ms, next=positions)


def first_positions(packet: Packet) -> tuple[int | None, int | None]:
    """Return `next` of the entry that `packet` makes."""
    if packet.protocol == TCP and packet.tcp is not None:
        return (packet.tcp.sequence_end, None)
    return (None, None)
