"""What a packet does to the flow that it belongs to. Read first: `conntrack/flow.py`."""

import numpy as np

from secgroup.conntrack.state import State
from secgroup.engine.kernels import inlined
from secgroup.engine.kernels.screen import chosen
from secgroup.engine.layout import (
    HAS_ICMP,
    HAS_TCP,
    I8,
    LOW_HALF,
    NEXT_ORIGINAL_KNOWN,
    STATES,
    U1,
    Packets,
)
from secgroup.engine.machine import (
    EVENTS,
    ICMP_EVENT,
    OTHER_EVENT,
    STRAY_EVENT,
    UDP_EVENT,
)

_SYN_SENT = int(State.SYN_SENT)
_UDP = 17
_FIN = 1
_SYN = 2
_RST = 4
_ACK = 16


@inlined
def is_bare_syn(shape: int, flags: int) -> bool:
    """Tell a SYN without ACK, FIN and RST, the only segment that opens a connection."""
    return (flags & (_FIN | _SYN | _RST | _ACK) == _SYN) & (shape & HAS_TCP != 0)


@inlined
def is_reset(shape: int, flags: int) -> bool:
    """Tell a TCP segment with RST."""
    return (flags & _RST != 0) & (shape & HAS_TCP != 0)


@inlined
def sequence_end(packets: Packets, i: int) -> int:
    """Return the sequence number after a segment; SYN and FIN count one each."""
    row = np.uintp(i)
    flags = np.int64(packets.tcp_flags[row])
    length = np.int64(packets.payload[row]) + (flags >> 1 & 1) + (flags & 1)
    return (np.int64(packets.sequence[row]) + length) & LOW_HALF


@inlined
def event_of(events: U1, shape: int, protocol: int, flags: int) -> int:
    """Return the event that a packet is to its flow's machine; a RST counts as exact."""
    other = chosen(shape & HAS_ICMP != 0, ICMP_EVENT, OTHER_EVENT)
    other = chosen(protocol == _UDP, UDP_EVENT, other)
    return chosen(shape & HAS_TCP != 0, np.int64(events[np.uintp(flags)]), other)


@inlined
def opening_state(events: U1, transitions: U1, shape: int, protocol: int, flags: int) -> int:
    """Return the state of the entry that a packet would make; 0 when it can make none.

    Preconditions: ICMP is a query.
    """
    event = event_of(events, shape, protocol, flags)
    if is_reset(shape, flags):
        event = STRAY_EVENT
    return np.int64(transitions[event * STATES])


@inlined
def state_after(transitions: U1, side: int, event: int, state: int) -> int:
    """Return the state after an event of `side`; 0 when it ends the flow."""
    return np.int64(transitions[np.uintp((side * EVENTS + event) * STATES + state)])


@inlined
def reset_is_exact(
    positions: int, known: int, state: int, side: int, flags: int, sequence: int, acknowledged: int
) -> bool:
    """Tell whether a RST stands exactly where its side of the connection does.

    Parameters
    ----------
    positions, known
        Of the record: the word of both sides' highest sequence ends, and its flags.

    """
    if state == _SYN_SENT and side == 1:
        is_known = flags & _ACK != 0 and known & NEXT_ORIGINAL_KNOWN != 0
        return is_known and acknowledged == positions & LOW_HALF
    is_known = known & (NEXT_ORIGINAL_KNOWN << side) != 0
    return is_known and sequence == positions >> (32 * side) & LOW_HALF


@inlined
def moves(
    handshake: U1, shape: int, flags: int, known: int, state: int, side: int, ahead: int
) -> bool:
    """Tell whether a packet moves the highest sequence end of its side: a segment without RST.

    Parameters
    ----------
    ahead
        How far its own end is ahead, modulo 2**32.

    """
    begins = (flags & _SYN != 0) & (handshake[np.uintp(state)] != 0)
    unknown = known & (NEXT_ORIGINAL_KNOWN << side) == 0
    further = unknown | begins | ((ahead > 0) & (ahead < 0x80000000))
    return further & (shape & HAS_TCP != 0) & (flags & _RST == 0)


@inlined
def moved(positions: int, side: int, ahead: int) -> int:
    """Return the word of both sides' highest sequence ends after one moved so far."""
    at = 32 * side
    end = (positions >> at) + ahead & LOW_HALF
    return positions & (LOW_HALF << (32 - at)) | end << at


@inlined
def idle_timeout(timeouts_ms: I8, timeouts: int, state: int) -> int:
    """Return how long a flow may be idle, in milliseconds, by its set of timeouts and state."""
    return np.int64(timeouts_ms[np.uintp(timeouts * STATES + state)])
