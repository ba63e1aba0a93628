"""What a packet does to the flow that it belongs to. Read first: `conntrack/flow.py`."""

import numpy as np

from secgroup.conntrack.state import State
from secgroup.engine.kernels import inlined, kernel
from secgroup.engine.kernels.screen import chosen
from secgroup.engine.layout import (
    FIRST_FRAGMENT,
    HAS_ICMP,
    HAS_TCP,
    I8,
    LOW_HALF,
    NEXT_ORIGINAL_KNOWN,
    STATES,
    U1,
    U4,
)
from secgroup.engine.machine import EVENTS, OF_ICMP, OF_OTHER, OF_UDP, STRAY_EVENT
from secgroup.engine.rows import (
    ACT_BARE_SYN,
    ACT_EGRESS,
    ACT_EVENT,
    ACT_MOVES,
    ACT_SYN,
    ACT_UNUSUAL,
)

_SYN_SENT = int(State.SYN_SENT)
_UDP = 17
_TCP_BIT = 4
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
def event_at(shape: int, protocol: int, flags: int) -> int:
    """Return the place in `Machine.events` of what a packet is to its flow's machine."""
    other = chosen(shape & HAS_ICMP != 0, OF_ICMP, OF_OTHER)
    other = chosen(protocol == _UDP, OF_UDP, other)
    return chosen(shape & HAS_TCP != 0, flags, other)


@inlined
def act_of(
    shape: int, protocol: int, flags: int, direction: int, sequence: int, payload: int
) -> int:
    """Return what a packet would do to its flow, by the bits of `Rows.acts`."""
    end = (sequence + payload + (flags >> 1 & 1) + (flags & 1)) & LOW_HALF
    is_segment, resets = shape >> _TCP_BIT & 1, flags >> 2 & 1
    opens = is_segment & (flags & (_FIN | _SYN | _RST | _ACK) == _SYN)
    unusual = (is_segment & resets) | (shape & FIRST_FRAGMENT != 0)
    act = end | event_at(shape, protocol, flags) << ACT_EVENT | direction << ACT_EGRESS
    act |= (is_segment & (resets ^ 1)) << ACT_MOVES | (flags >> 1 & 1) << ACT_SYN
    return act | opens << ACT_BARE_SYN | unusual << ACT_UNUSUAL


@inlined
def opening_state(events: U1, transitions: U1, shape: int, protocol: int, flags: int) -> int:
    """Return the state of the entry that a packet would make; 0 when it can make none.

    Preconditions: ICMP is a query.
    """
    event = np.int64(events[event_at(shape, protocol, flags)])
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
def moves(handshake: U1, act: int, known: int, state: int, side: int, ahead: int) -> bool:
    """Tell whether a packet moves the highest sequence end of its side: a segment without RST.

    Parameters
    ----------
    ahead
        How far its own end is ahead, modulo 2**32.

    """
    begins = (act >> ACT_SYN & 1 != 0) & (handshake[np.uintp(state)] != 0)
    unknown = known & (NEXT_ORIGINAL_KNOWN << side) == 0
    further = unknown | begins | ((ahead > 0) & (ahead < 0x80000000))
    return further & (act >> ACT_MOVES & 1 != 0)


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


@kernel
def tell_acts(
    direction: U1,
    shape: U1,
    protocol: U1,
    tcp_flags: U1,
    sequence: U4,
    payload: U4,
    start: int,
    stop: int,
    acts: I8,
) -> None:
    """Write `act_of` each packet: of columns, so that LLVM makes vectors of it."""
    for place in range(stop - start):
        i = np.uintp(start + place)
        acts[np.uintp(place)] = act_of(
            np.int64(shape[i]),
            np.int64(protocol[i]),
            np.int64(tcp_flags[i]),
            np.int64(direction[i]),
            np.int64(sequence[i]),
            np.int64(payload[i]),
        )
