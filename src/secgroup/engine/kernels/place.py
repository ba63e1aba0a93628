"""Frames to the rows of decisions: names as numbers, copies, the clock, and rows themselves.

What a name stands for, `replay.who` says; what a copy is, `replay.copies`; what the clock is,
`replay.firewall`. This is the same, compiled.
"""

import numpy as np

from secgroup.engine.columns import I4, I8, U1, U8
from secgroup.engine.frames import CARRIES_IP
from secgroup.engine.kernels import inlined, kernel
from secgroup.engine.kernels.aggregate import hash_of_six
from secgroup.engine.kernels.screen import chosen
from secgroup.engine.layout import KNOWN_DESTINATION, KNOWN_SOURCE, MALFORMED, Packets
from secgroup.engine.placing import (
    AT_NONE,
    BACK_NS,
    BACK_ROW,
    BY_INTERFACES,
    COPIES_FREE,
    COPIES_LATEST_NS,
    COPIES_LENGTH,
    COPIES_NEWEST,
    COPIES_OLDEST,
    COPY,
    FORWARD_NS,
    FORWARD_ROW,
    HELD_BY_NONE,
    NOW_NS,
    REMEMBERED,
    ROWS_FOLLOW,
    STARTED,
    STEP_BACK_NS,
    STEP_FORWARD_NS,
    STEPPED_BACK,
    TO_BE_ASKED,
    WINDOW_NS,
    Seen,
)


@kernel
def number_names(
    slots: I4,
    names: U8,
    secret: U8,
    w0: U8,
    w1: U8,
    w2: U8,
    w3: U8,
    w4: U8,
    carries: U1,
    out: I4,
    begin: int,
    end: int,
) -> int:
    """Give each frame's name, five words, its number.

    Parameters
    ----------
    slots : int32, shape (a power of two,)
        0, or the number of a name plus one.
    names : uint64, shape (names, 5)
    carries : uint8, shape (n,)
        Only frames with CARRIES_IP have a name; `out` of others is left.
    out : int32, shape (n,)
        Frames with COPY in it are left too.

    Returns
    -------
    int
        The first row whose name is not known, or `end`.

    """
    mask = slots.shape[0] - 1
    for row in range(begin, end):
        if carries[row] != CARRIES_IP or out[row] == COPY:
            continue
        place = (
            hash_of_six(secret, w0[row], w1[row], w2[row], w3[row], w4[row], np.uint64(0)) & mask
        )
        found = -1
        while slots[place] != 0:
            number = np.int64(slots[place]) - 1
            if (
                names[number, 3] == w3[row]
                and names[number, 1] == w1[row]
                and names[number, 4] == w4[row]
                and names[number, 0] == w0[row]
                and names[number, 2] == w2[row]
            ):
                found = number
                break
            place = (place + 1) & mask
        if found < 0:
            return row
        out[row] = found
    return end


@inlined
def holder_of(slots: I4, names: U8, secret: U8, holders: I4, hi: int, lo: int, family: int) -> int:
    """Return the row of the interface that has an address; HELD_BY_NONE, or TO_BE_ASKED."""
    mask = slots.shape[0] - 1
    zero = np.uint64(0)
    word = np.uint64(family)
    place = hash_of_six(secret, hi, lo, word, zero, zero, zero) & mask
    while True:
        # Whether an end is an interface's changes with the direction: nobody foretells it.
        slot = np.int64(slots[np.uintp(place)])
        number = np.uintp(max(slot - 1, 0))
        other = (names[number, 0] ^ hi) | (names[number, 1] ^ lo) | (names[number, 2] ^ word)
        is_it = (slot != 0) & (other == 0)
        if is_it | (slot == 0):
            return chosen(is_it, np.int64(holders[number]), HELD_BY_NONE)
        place = (place + 1) & mask


@kernel
def shorten(
    slots: I4,
    names: U8,
    secret: U8,
    holders: I4,
    packets: Packets,
    carries: U1,
    w0: U8,
    w1: U8,
    w2: U8,
    w3: U8,
    w4: U8,
) -> None:
    """Give frames between known interfaces, or of one of them, a name of these interfaces.

    Parameters
    ----------
    slots, names, holders
        The addresses of interfaces (high half, low half, family), and whose they are.
    w0, w1, w2, w3, w4
        Written: the words of each frame's name.

    """
    for row in range(carries.shape[0]):
        if carries[row] != CARRIES_IP:
            continue
        shape, family = np.int64(packets.shape[row]), np.int64(packets.family[row])
        source_hi, source_lo = packets.source_hi[row], packets.source_lo[row]
        destination_hi, destination_lo = packets.destination_hi[row], packets.destination_lo[row]
        if shape & MALFORMED == 0:
            sender = holder_of(slots, names, secret, holders, source_hi, source_lo, family)
            receiver = holder_of(
                slots, names, secret, holders, destination_hi, destination_lo, family
            )
            if min(sender, receiver) > TO_BE_ASKED and max(sender, receiver) >= 0:
                w0[row], w1[row] = np.uint64(sender + 1), np.uint64(receiver + 1)
                w2[row], w3[row], w4[row] = np.uint64(0), np.uint64(0), np.uint64(BY_INTERFACES)
                continue
        w0[row], w1[row], w2[row], w3[row] = source_hi, source_lo, destination_hi, destination_lo
        known = shape if shape & MALFORMED != 0 else KNOWN_SOURCE | KNOWN_DESTINATION
        w4[row] = np.uint64((known & (KNOWN_SOURCE | KNOWN_DESTINATION)) << 8 | family)


@kernel
def index_names(slots: I4, names: U8, secret: U8, begin: int, end: int) -> None:
    """Put names into the index. Preconditions: there is room, and they are not in it."""
    mask = slots.shape[0] - 1
    for number in range(begin, end):
        place = (
            hash_of_six(
                secret,
                names[number, 0],
                names[number, 1],
                names[number, 2],
                names[number, 3],
                names[number, 4],
                np.uint64(0),
            )
            & mask
        )
        while slots[place] != 0:
            place = (place + 1) & mask
        slots[place] = number + 1


@inlined
def take_out(seen: Seen, at: int) -> None:
    """Take an element out of the order in which packets were seen."""
    state, before, behind = seen.state, seen.before, seen.behind
    if before[at] < 0:
        state[COPIES_OLDEST] = behind[at]
    else:
        behind[before[at]] = behind[at]
    if behind[at] < 0:
        state[COPIES_NEWEST] = before[at]
    else:
        before[behind[at]] = before[at]


@inlined
def put_last(seen: Seen, at: int) -> None:
    """Make an element the newest one."""
    state, before, behind = seen.state, seen.before, seen.behind
    newest = np.int64(state[COPIES_NEWEST])
    before[at], behind[at] = newest, -1
    if newest < 0:
        state[COPIES_OLDEST] = at
    else:
        behind[newest] = at
    state[COPIES_NEWEST] = at


@inlined
def forget_oldest(seen: Seen) -> None:
    """Forget the packet that was seen first."""
    state, heads, chain = seen.state, seen.heads, seen.chain
    at = np.int64(state[COPIES_OLDEST])
    take_out(seen, at)
    bucket = np.int64(seen.lo[at] & np.uint64(heads.shape[0] - 1))
    if heads[bucket] == at + 1:
        heads[bucket] = chain[at]
    else:
        link = np.int64(heads[bucket]) - 1
        while chain[link] != at + 1:
            link = np.int64(chain[link]) - 1
        chain[link] = chain[at]
    chain[at] = state[COPIES_FREE]
    state[COPIES_FREE] = at + 1
    state[COPIES_LENGTH] -= 1


@kernel
def find_copies(
    seen: Seen,
    carries: U1,
    times_ns: I8,
    wheres: I8,
    digest_hi: U8,
    digest_lo: U8,
    out: I4,
    begin: int,
    end: int,
) -> None:
    """Write COPY into `out` for each frame that is a copy, and remember the others."""
    state, heads, chain = seen.state, seen.heads, seen.chain
    mask = np.uint64(heads.shape[0] - 1)
    for row in range(begin, end):
        if carries[row] != CARRIES_IP:
            continue
        time_ns = np.int64(times_ns[row])
        state[COPIES_LATEST_NS] = max(np.int64(state[COPIES_LATEST_NS]), time_ns)
        latest_ns = np.int64(state[COPIES_LATEST_NS])
        while state[COPIES_LENGTH] > 0:
            oldest = np.int64(state[COPIES_OLDEST])
            if latest_ns - seen.times_ns[oldest] <= WINDOW_NS and state[COPIES_LENGTH] < REMEMBERED:
                break
            forget_oldest(seen)
        bucket = np.int64(digest_lo[row] & mask)
        at = np.int64(heads[bucket]) - 1
        while at >= 0 and (seen.lo[at] != digest_lo[row] or seen.hi[at] != digest_hi[row]):
            at = np.int64(chain[at]) - 1
        if at >= 0:
            if seen.wheres[at] != wheres[row] and abs(time_ns - seen.times_ns[at]) <= WINDOW_NS:
                out[row] = COPY
                continue
            take_out(seen, at)
        else:
            at = np.int64(state[COPIES_FREE]) - 1
            state[COPIES_FREE] = chain[at]
            seen.hi[at], seen.lo[at] = digest_hi[row], digest_lo[row]
            chain[at] = heads[bucket]
            heads[bucket] = at + 1
            state[COPIES_LENGTH] += 1
        seen.wheres[at], seen.times_ns[at] = wheres[row], time_ns
        put_last(seen, at)


@kernel
def run_clock(clock: I8, times_ns: I8, out_ms: I8, begin: int, end: int) -> None:
    """Write the milliseconds that the clock shows at each frame: of the largest time so far.

    Parameters
    ----------
    clock : int64, shape (CLOCK_SIZE,)
        Rows of the first steps back and forward are written, if there are any.

    """
    for row in range(begin, end):
        time_ns = np.int64(times_ns[row])
        if clock[STARTED] == 0:
            clock[STARTED] = 1
            clock[NOW_NS] = time_ns
        step_ns = time_ns - np.int64(clock[NOW_NS])
        if step_ns > 0:
            if step_ns > STEP_FORWARD_NS and clock[FORWARD_ROW] < 0:
                clock[FORWARD_ROW], clock[FORWARD_NS] = row, step_ns
            clock[NOW_NS] = time_ns
        elif step_ns < 0:
            if step_ns < -STEP_BACK_NS and clock[BACK_ROW] < 0:
                clock[BACK_ROW], clock[BACK_NS] = row, step_ns
            if time_ns // 1_000_000 < clock[NOW_NS] // 1_000_000:
                clock[STEPPED_BACK] += 1
        out_ms[row] = clock[NOW_NS] // 1_000_000


@kernel
def count_rows(numbers: I4, senders: I4, receivers: I4, begin: int, end: int) -> int:
    """Return how many rows the frames have: two where both ends are known, else one."""
    count = end - begin
    for row in range(begin, end):
        number = np.int64(numbers[row])
        if number >= 0 and senders[number] >= 0 and receivers[number] >= 0:
            count += 1
    return count


@kernel
def bind(
    numbers: I4,
    senders: I4,
    receivers: I4,
    scopes: I4,
    causes: I4,
    shapes: U1,
    interfaces: I4,
    directions: U1,
    out_scopes: I4,
    follows: U1,
    begin: int,
    end: int,
) -> None:
    """Say where each frame is decided, when none is decided twice."""
    for each in range(begin, end):
        row = np.uintp(each)
        number = np.int64(numbers[row])
        follows[row] = 0
        interfaces[row] = -1
        directions[row] = 0
        out_scopes[row] = -1
        if number < 0:
            continue
        out_scopes[row] = scopes[number]
        if senders[number] >= 0:
            interfaces[row], directions[row] = senders[number], 1
        elif receivers[number] >= 0:
            interfaces[row] = receivers[number]
        elif causes[number] < 0 and shapes[row] & MALFORMED != 0:
            follows[row] = AT_NONE


@inlined
def copy_row(packets: Packets, row: int, out: Packets, at: int) -> None:
    """Copy all columns but time, interface and direction."""
    out.family[at] = packets.family[row]
    out.protocol[at] = packets.protocol[row]
    out.hop_limit[at] = packets.hop_limit[row]
    out.tcp_flags[at] = packets.tcp_flags[row]
    out.shape[at] = packets.shape[row]
    out.source_hi[at] = packets.source_hi[row]
    out.source_lo[at] = packets.source_lo[row]
    out.destination_hi[at] = packets.destination_hi[row]
    out.destination_lo[at] = packets.destination_lo[row]
    out.source_port[at] = packets.source_port[row]
    out.destination_port[at] = packets.destination_port[row]
    out.icmp_type[at] = packets.icmp_type[row]
    out.icmp_code[at] = packets.icmp_code[row]
    out.identifier[at] = packets.identifier[row]
    out.sequence[at] = packets.sequence[row]
    out.acknowledgement[at] = packets.acknowledgement[row]
    out.payload[at] = packets.payload[row]
    out.length[at] = packets.length[row]
    out.fragment_id[at] = packets.fragment_id[row]
    out.fragment_protocol[at] = packets.fragment_protocol[row]
    out.quote[at] = packets.quote[row]


@kernel
def expand(
    packets: Packets,
    frame_numbers: I8,
    frame_times_ns: I8,
    frame_times_ms: I8,
    numbers: I4,
    senders: I4,
    receivers: I4,
    scopes: I4,
    causes: I4,
    begin: int,
    end: int,
    out: Packets,
    out_frames: I8,
    out_times_ns: I8,
    out_scopes: I4,
    follows: U1,
) -> None:
    """Write a row for each decision that may be made: egress, then ingress."""
    at = 0
    for row in range(begin, end):
        number = np.int64(numbers[row])
        sender, receiver, scope, mark = -1, -1, -1, 0
        if number >= 0:
            sender, receiver = np.int64(senders[number]), np.int64(receivers[number])
            scope = np.int64(scopes[number])
            if sender < 0 and receiver < 0 and causes[number] < 0:
                mark = AT_NONE if packets.shape[row] & MALFORMED != 0 else 0
        for direction in range(1, -1, -1):
            interface = sender if direction == 1 else receiver
            if interface < 0 and (direction == 1 or sender >= 0):
                continue
            copy_row(packets, row, out, at)
            out.time_ms[at] = frame_times_ms[row]
            out.interface[at] = interface
            out.direction[at] = direction if interface >= 0 else 0
            out_frames[at] = frame_numbers[row]
            out_times_ns[at] = frame_times_ns[row]
            out_scopes[at] = scope
            follows[at] = ROWS_FOLLOW if direction == 0 and sender >= 0 else mark
            at += 1
