"""What a packet does to the flow that it belongs to. Read first: `conntrack/flow.py`."""

import numpy as np

from secgroup.conntrack.state import State
from secgroup.engine.kernels import kernel
from secgroup.engine.kernels.screen import chosen
from secgroup.engine.kernels.track import (
    appoint,
    remove,
    timeout_of,
    unlink,
)
from secgroup.engine.layout import (
    HAS_ICMP,
    HAS_TCP,
    LOW_HALF,
    NEXT_ORIGINAL_KNOWN,
    STATES,
    Flows,
    Packets,
)
from secgroup.engine.machine import (
    EVENTS,
    ICMP_EVENT,
    OTHER_EVENT,
    STRAY_EVENT,
    UDP_EVENT,
    Machine,
)

_SYN_SENT = int(State.SYN_SENT)
_UDP = 17
_FIN = 1
_SYN = 2
_RST = 4
_ACK = 16


@kernel
def is_bare_syn(packets: Packets, i: int) -> bool:
    """Tell a SYN without ACK, FIN and RST, the only segment that opens a connection."""
    opening = np.int64(packets.tcp_flags[i]) & (_FIN | _SYN | _RST | _ACK) == _SYN
    return opening and packets.shape[i] & HAS_TCP != 0


@kernel
def sequence_end(packets: Packets, i: int) -> int:
    """Return the sequence number after a segment; SYN and FIN count one each."""
    flags = np.int64(packets.tcp_flags[i])
    length = np.int64(packets.payload[i]) + (flags >> 1 & 1) + (flags & 1)
    return (np.int64(packets.sequence[i]) + length) & LOW_HALF


@kernel
def event_of(machine: Machine, packets: Packets, i: int) -> int:
    """Return the event that a packet is to its flow's machine; a RST counts as exact."""
    shape = np.int64(packets.shape[i])
    of_segment = np.int64(machine.events[packets.tcp_flags[i]])
    other = chosen(shape & HAS_ICMP != 0, ICMP_EVENT, OTHER_EVENT)
    other = chosen(packets.protocol[i] == _UDP, UDP_EVENT, other)
    return chosen(shape & HAS_TCP != 0, of_segment, other)


@kernel
def opening_state(machine: Machine, packets: Packets, i: int) -> int:
    """Return the state of the entry that a packet would make; 0 when it can make none.

    Preconditions: ICMP is a query.
    """
    event = event_of(machine, packets, i)
    if packets.shape[i] & HAS_TCP != 0 and packets.tcp_flags[i] & _RST != 0:
        event = STRAY_EVENT
    return np.int64(machine.transitions[event * STATES])


@kernel
def reset_is_exact(
    flows: Flows, entry: int, state: int, side: int, packets: Packets, i: int
) -> bool:
    """Tell whether a RST stands exactly where its side of the connection does."""
    known = np.int64(flows.octets[(entry << 6) + 63])
    if state == _SYN_SENT and side == 1:
        return (
            packets.tcp_flags[i] & _ACK != 0
            and known & NEXT_ORIGINAL_KNOWN != 0
            and packets.acknowledgement[i] == flows.halves[(entry << 4) + 12]
        )
    return (
        known & (NEXT_ORIGINAL_KNOWN << side) != 0
        and packets.sequence[i] == flows.halves[(entry << 4) + 12 + side]
    )


@kernel
def next_state(
    flows: Flows, machine: Machine, entry: int, state: int, side: int, packets: Packets, i: int
) -> int:
    """Return the state after a packet of `side`; 0 when it ends the flow."""
    event = event_of(machine, packets, i)
    is_reset = packets.shape[i] & HAS_TCP != 0 and packets.tcp_flags[i] & _RST != 0
    if is_reset and not reset_is_exact(flows, entry, state, side, packets, i):
        event = STRAY_EVENT
    return np.int64(machine.transitions[(side * EVENTS + event) * STATES + state])


@kernel
def move_next(
    flows: Flows, machine: Machine, entry: int, state: int, side: int, packets: Packets, i: int
) -> None:
    """Note the highest sequence end of a side, if the packet is a segment and no RST."""
    flags = np.int64(packets.tcp_flags[i])
    known = np.int64(flows.octets[(entry << 6) + 63])
    bit = NEXT_ORIGINAL_KNOWN << side
    at = (entry << 4) + 12 + side
    end, highest = sequence_end(packets, i), np.int64(flows.halves[at])
    ahead = (end - highest) & LOW_HALF
    begins = (flags & _SYN != 0) & (machine.handshake[state] != 0)
    moves = (known & bit == 0) | begins | ((ahead > 0) & (ahead < 0x80000000))
    moves &= (packets.shape[i] & HAS_TCP != 0) & (flags & _RST == 0)
    flows.halves[at] = chosen(moves, end, highest)
    flows.octets[(entry << 6) + 63] = chosen(moves, known | bit, known)


@kernel
def step(
    flows: Flows,
    machine: Machine,
    entry: int,
    state: int,
    after: int,
    side: int,
    packets: Packets,
    i: int,
    now_ms: int,
) -> None:
    """Move a flow by a packet that is finally accepted."""
    if after == 0:
        remove(flows, entry)
        return
    move_next(flows, machine, entry, state, side, packets, i)
    flows.halves[(entry << 4) + 10] = now_ms & LOW_HALF
    if after != state:
        before_ms = timeout_of(flows, entry)
        flows.octets[(entry << 6) + 62] = after
        after_ms = timeout_of(flows, entry)
        if after_ms < before_ms:
            unlink(flows.links, flows.wheel, entry)
            appoint(flows.links, flows.wheel, entry, now_ms, now_ms + after_ms)
