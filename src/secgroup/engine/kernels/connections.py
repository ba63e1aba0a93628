"""Packets to connections.

Which packets are of one connection, `replay.connections` says; this is the same, compiled. Read
first: `observed`.
"""

import numpy as np

from secgroup.engine.columns import I4, I8, U1, U8
from secgroup.engine.kernels import inlined, kernel, prefetch
from secgroup.engine.kernels.aggregate import hash_of_six
from secgroup.engine.layout import (
    FIRST_FRAGMENT,
    HAS_ICMP,
    HAS_PORTS,
    HAS_TCP,
    LATER_FRAGMENT,
    MALFORMED,
    NOT_TRACKED,
    DecisionColumns,
    Packets,
)
from secgroup.engine.observed import (
    A_HI,
    A_LO,
    ADOPTED,
    B_HI,
    B_LO,
    CONNECTION_WORDS,
    CONNECTIONS,
    DONE,
    FIRST_FRAME,
    FIRST_FROM_B,
    FIRST_ID,
    FIRST_IS_TCP,
    FIRST_MS,
    FIRST_NAME,
    FIRST_NS,
    FIRST_WHAT,
    FIRST_WORDS,
    FIRSTS,
    HAS_ENDING,
    ICMP_BIT,
    IPV6_BIT,
    LAST_NS,
    LEGS,
    MARKS,
    NAME_WORDS,
    NO_ROOM,
    NO_ROOM_FOR_FIRSTS,
    NUMBERED_MS,
    PORTS,
    PORTS_BIT,
    REFUSAL,
    SCOPE,
    STOP,
    TAG,
    TO_ADOPT,
    WAS_OPEN,
    Observed,
)

#: How long a first fragment is remembered.
LIFETIME_MS = 30_000

#: Rows that are named together, and how far ahead a connection's slot is asked for; the
#: connection itself is at half of the way.
BLOCK = 256
AHEAD = 24


@kernel
def is_below(a_hi: int, a_lo: int, a_port: int, b_hi: int, b_lo: int, b_port: int) -> bool:
    """Tell whether one end comes before the other: without a branch, which would be a guess."""
    below = (a_lo < b_lo) | ((a_lo == b_lo) & (a_port < b_port))
    return (a_hi < b_hi) | ((a_hi == b_hi) & below)


@kernel
def kind_of(icmp_kinds: U1, is_ipv6: int, icmp_type: int, code: int, identifier: int) -> int:
    """Return what of an ICMP message names its connection, and in bit 32 that it is an answer.

    A query and its answer have the type of the query and the identifier, others type and code.
    """
    kind = np.int64(icmp_kinds[is_ipv6, icmp_type])
    if kind == NOT_TRACKED:
        return icmp_type << 16 | code
    if kind & 1 == 0:
        return icmp_type << 16 | identifier
    # The type of the query that this answers.
    for query in range(256):
        if np.int64(icmp_kinds[is_ipv6, query]) == kind - 1:
            return query << 16 | identifier | 1 << 32
    return 0


@inlined
def place_of_first(
    firsts: I8, secret: U8, w0: int, w1: int, w2: int, w3: int, w4: int, w5: int
) -> int:
    """Return the place where a first fragment is remembered, or would be."""
    mask = firsts.shape[0] - 1
    tag = hash_of_six(
        secret,
        np.uint64(w0),
        np.uint64(w1),
        np.uint64(w2),
        np.uint64(w3),
        np.uint64(w4),
        np.uint64(w5),
    )
    place = tag & mask
    while firsts[place, FIRST_ID] != 0:
        if (
            firsts[place, 0] == w0
            and firsts[place, 1] == w1
            and firsts[place, 2] == w2
            and firsts[place, 3] == w3
            and firsts[place, FIRST_NAME] == w4
            and firsts[place, FIRST_ID] == w5
        ):
            return place
        place = (place + 1) & mask
    return place


@kernel
def keep_firsts(observed: Observed, old: I8) -> None:
    """Put the first fragments that are not too old into a table that is empty."""
    state, firsts, secret = observed.state, observed.firsts, observed.secret
    now_ms = np.int64(state[NUMBERED_MS])
    count = 0
    for i in range(old.shape[0]):
        if old[i, FIRST_ID] == 0 or now_ms - old[i, FIRST_MS] >= LIFETIME_MS:
            continue
        place = place_of_first(
            firsts,
            secret,
            old[i, 0],
            old[i, 1],
            old[i, 2],
            old[i, 3],
            old[i, FIRST_NAME],
            old[i, FIRST_ID],
        )
        for word in range(FIRST_WORDS):
            firsts[place, word] = old[i, word]
        count += 1
    state[FIRSTS] = count


@inlined
def tag_of(secret: U8, w0: int, w1: int, w2: int, w3: int, ports: int, scope: int) -> int:
    """Return the hash of a connection's name."""
    return hash_of_six(
        secret,
        np.uint64(w0),
        np.uint64(w1),
        np.uint64(w2),
        np.uint64(w3),
        np.uint64(ports),
        np.uint64(scope),
    )


@inlined
def place_of(
    slots: U8, records: I8, tag: int, w0: int, w1: int, w2: int, w3: int, ports: int, scope: int
) -> int:
    """Return the place of the latest connection of a name, or the empty one for it."""
    mask = slots.shape[0] - 1
    place = tag & mask
    while True:
        slot = np.uint64(slots[np.uintp(place)])
        if slot == 0:
            return place
        if np.int64(slot >> np.uint64(32)) == tag:
            number = np.int64(slot & np.uint64(0xFFFFFFFF))
            at = np.uintp((number - 1) * CONNECTION_WORDS)
            # Without a branch for each word.
            other = (records[at + np.uintp(PORTS)] ^ ports) | (
                records[at + np.uintp(SCOPE)] ^ scope
            )
            other |= (records[at + np.uintp(A_LO)] ^ w1) | (records[at + np.uintp(B_LO)] ^ w3)
            other |= (records[at + np.uintp(A_HI)] ^ w0) | (records[at + np.uintp(B_HI)] ^ w2)
            if other == 0:
                return place
        place = (place + 1) & mask


@inlined
def tag_in(records: I8, secret: U8, number: int) -> int:
    """Return the hash of the name of the connection in a place of `records`."""
    at = np.uintp(number * CONNECTION_WORDS)
    return tag_of(
        secret,
        records[at + np.uintp(A_HI)],
        records[at + np.uintp(A_LO)],
        records[at + np.uintp(B_HI)],
        records[at + np.uintp(B_LO)],
        records[at + np.uintp(PORTS)],
        records[at + np.uintp(SCOPE)],
    )


@kernel
def reindex(observed: Observed) -> None:
    """Put the latest connection of every name into an index that is empty."""
    slots, records, secret = observed.slots, observed.records, observed.secret
    mask = slots.shape[0] - 1
    count = np.int64(observed.state[CONNECTIONS])
    for number in range(count):
        # To hash a name twice costs less than to wait for its slot.
        prefetch(slots, tag_in(records, secret, min(number + AHEAD, count - 1)) & mask)
        at = np.uintp(number * CONNECTION_WORDS)
        tag = tag_in(records, secret, number)
        place = place_of(
            slots,
            records,
            tag,
            records[at + np.uintp(A_HI)],
            records[at + np.uintp(A_LO)],
            records[at + np.uintp(B_HI)],
            records[at + np.uintp(B_LO)],
            records[at + np.uintp(PORTS)],
            records[at + np.uintp(SCOPE)],
        )
        slots[np.uintp(place)] = np.uint64(tag << 32 | number + 1)


@inlined
def is_followed(marks: int, new_marks: int) -> bool:
    """Tell whether a packet opens another connection between the same ports.

    A bare SYN does, of the same client with another sequence number, or of the other side when
    the connection has begun to end.
    """
    if new_marks & FIRST_IS_TCP == 0 or new_marks >> 8 & 0x17 != 0x02:
        return False
    if marks & WAS_OPEN != 0 or marks & FIRST_IS_TCP == 0:
        return True
    if marks & FIRST_FROM_B == new_marks & FIRST_FROM_B:
        return marks >> 32 & 0xFFFFFFFF != new_marks >> 32 & 0xFFFFFFFF
    return marks & HAS_ENDING != 0


@inlined
def write_name(
    secret: U8,
    names: I8,
    at: int,
    source_hi: int,
    source_lo: int,
    destination_hi: int,
    destination_lo: int,
    ports: int,
    kind: int,
    marks: int,
    scope: int,
) -> None:
    """Write what names a packet's connection, with its ends in order.

    Parameters
    ----------
    ports : int
        PORTS as its source sees them.
    kind : int
        As `kind_of` returns it; 0 without ICMP.

    """
    is_icmp = ports >> ICMP_BIT & 1
    is_below_first = is_below(
        np.uint64(destination_hi),
        np.uint64(destination_lo),
        ports >> 16 & 0xFFFF,
        np.uint64(source_hi),
        np.uint64(source_lo),
        ports & 0xFFFF,
    )
    swapped = is_icmp & kind >> 32 | ~is_icmp & np.int64(is_below_first)
    # Half of the packets go either way: nobody foretells which.
    swap = -swapped
    differ_hi, differ_lo = (source_hi ^ destination_hi) & swap, (source_lo ^ destination_lo) & swap
    w0, w1 = source_hi ^ differ_hi, source_lo ^ differ_lo
    w2, w3 = destination_hi ^ differ_hi, destination_lo ^ differ_lo
    differ = (ports ^ ports >> 16) & 0xFFFF & swap
    ports ^= differ << 16 | differ
    marks |= FIRST_FROM_B & swap
    scope = (scope + 1) << 32 | kind & 0xFFFFFFFF
    names[at, A_HI] = w0
    names[at, A_LO] = w1
    names[at, B_HI] = w2
    names[at, B_LO] = w3
    names[at, PORTS] = ports
    names[at, SCOPE] = scope
    names[at, MARKS] = marks
    names[at, TAG] = tag_of(secret, w0, w1, w2, w3, ports, scope)


@inlined
def name_block(
    secret: U8,
    packets: Packets,
    scopes: I4,
    icmp_kinds: U1,
    names: I8,
    begin: int,
    end: int,
) -> None:
    """Write what names the connections of a block of rows.

    Of a later fragment it is what its own bytes say.
    """
    for number in range(begin, end):
        row = np.uintp(number)
        shape = np.int64(packets.shape[row])
        is_ipv6 = np.int64(packets.family[row] == 6)
        ports = np.int64(packets.protocol[row]) << 32 | is_ipv6 << IPV6_BIT
        kind = np.int64(0)
        marks = np.int64(0)
        if shape & HAS_PORTS != 0:
            ports |= np.int64(packets.source_port[row])
            ports |= np.int64(packets.destination_port[row]) << 16
            ports |= np.int64(1) << PORTS_BIT
        if shape & HAS_TCP != 0:
            marks |= FIRST_IS_TCP | np.int64(packets.tcp_flags[row]) << 8
            marks |= np.int64(packets.sequence[row]) << 32
        if shape & HAS_ICMP != 0:
            icmp_type = np.int64(packets.icmp_type[row])
            code = np.int64(packets.icmp_code[row])
            identifier = np.int64(packets.identifier[row])
            ports |= np.int64(1) << ICMP_BIT
            kind = kind_of(icmp_kinds, is_ipv6, icmp_type, code, identifier)
            marks |= icmp_type << 16 | code << 24
        write_name(
            secret,
            names,
            np.uintp(number - begin),
            np.int64(packets.source_hi[row]),
            np.int64(packets.source_lo[row]),
            np.int64(packets.destination_hi[row]),
            np.int64(packets.destination_lo[row]),
            ports,
            kind,
            marks,
            np.int64(scopes[row]),
        )


@kernel
def number_connections(
    observed: Observed,
    packets: Packets,
    decisions: DecisionColumns,
    frames: I8,
    times_ns: I8,
    scopes: I4,
    interfaces: I4,
    icmp_kinds: U1,
    names: I8,
    out: I8,
    stops_to_adopt: bool,
    begin: int,
    end: int,
) -> int:
    """Find the connection of each frame, or begin one, by number in the order of first packets.

    Of `decisions` only `reason` (0: no decision) and, of later fragments, `first` are read.

    Parameters
    ----------
    frames, times_ns : int64, shape (n,)
        The rows of one frame, egress before ingress, have one number and stand together.
    scopes : int32, shape (n,)
        Keeps equal addresses of two networks apart; -1 is none.
    interfaces : int32
        Row of the packets' interfaces -> number that lasts.
    icmp_kinds : uint8, shape (2, 256)
        `layout.ICMP_KINDS`.
    names : int64, shape (BLOCK, NAME_WORDS)
        Room.
    out : int64, shape (n,)
        Written; 0 for what is of no connection.
    stops_to_adopt : bool
        Stop behind a frame that begins a connection that was open before.

    Returns
    -------
    int
        The first row that is not numbered, or `end`; `observed.state[STOP]` says why.

    """
    state, slots, records = observed.state, observed.slots, observed.records
    births, firsts, secret = observed.births, observed.firsts, observed.secret
    capacity = births.shape[0]
    mask = slots.shape[0] - 1
    state[STOP] = DONE
    row = begin
    block = begin
    named = begin
    scout = begin
    while row < end:
        if row >= named:
            block = row
            named = min(end, row + BLOCK)
            name_block(secret, packets, scopes, icmp_kinds, names, block, named)
            scout = block
        while scout < min(named + AHEAD // 2, row + AHEAD):
            if scout < named:
                prefetch(slots, names[np.uintp(scout - block), TAG] & mask)
            near = scout - AHEAD // 2
            if near >= block:
                tag = np.int64(names[np.uintp(near - block), TAG])
                slot = slots[np.uintp(tag & mask)] & np.uint64(0xFFFFFFFF)
                if slot != 0:
                    prefetch(records, (np.int64(slot) - 1) * CONNECTION_WORDS)
            scout += 1
        behind = row + 1
        while behind < end and frames[np.uintp(behind)] == frames[np.uintp(row)]:
            behind += 1
        last = np.uintp(behind - 1)
        at = np.uintp(row - block)
        shape = np.int64(packets.shape[last])
        state[NUMBERED_MS] = max(state[NUMBERED_MS], packets.time_ms[np.uintp(row)])
        if decisions.reason[last] == 0 or shape & MALFORMED != 0:
            for each in range(row, behind):
                out[np.uintp(each)] = 0
            row = behind
            continue
        if shape & (FIRST_FRAGMENT | LATER_FRAGMENT) != 0:
            if shape & FIRST_FRAGMENT != 0 and (
                (state[FIRSTS] + behind - row) * 2 > firsts.shape[0]
            ):
                state[STOP] = NO_ROOM_FOR_FIRSTS
                return row
            source_hi = np.int64(packets.source_hi[last])
            source_lo = np.int64(packets.source_lo[last])
            destination_hi = np.int64(packets.destination_hi[last])
            destination_lo = np.int64(packets.destination_lo[last])
            identification = np.int64(packets.fragment_id[last]) | np.int64(1) << 32
            for each in range(row, behind):
                if shape & LATER_FRAGMENT != 0 and (
                    each < behind - 1 or decisions.first[each] == -1
                ):
                    continue
                name = (
                    np.int64(interfaces[packets.interface[each]])
                    | np.int64(packets.direction[each]) << 32
                    | np.int64(packets.family[each] == 6) << 33
                    | np.int64(packets.fragment_protocol[each]) << 40
                )
                place = place_of_first(
                    firsts,
                    secret,
                    source_hi,
                    source_lo,
                    destination_hi,
                    destination_lo,
                    name,
                    identification,
                )
                is_known = firsts[place, FIRST_ID] != 0
                if shape & LATER_FRAGMENT != 0:
                    if is_known:
                        # A later one is named as its first, between the same ends.
                        for word in range(NAME_WORDS):
                            names[at, word] = firsts[place, FIRST_WHAT + word]
                        kind = names[at, SCOPE] & 0xFFFFFFFF
                        names[at, SCOPE] = (np.int64(scopes[row]) + 1) << 32 | kind
                        names[at, TAG] = tag_of(
                            secret,
                            names[at, A_HI],
                            names[at, A_LO],
                            names[at, B_HI],
                            names[at, B_LO],
                            names[at, PORTS],
                            names[at, SCOPE],
                        )
                    continue
                if not is_known:
                    state[FIRSTS] += 1
                    firsts[place, 0] = source_hi
                    firsts[place, 1] = source_lo
                    firsts[place, 2] = destination_hi
                    firsts[place, 3] = destination_lo
                    firsts[place, FIRST_NAME] = name
                    firsts[place, FIRST_ID] = identification
                firsts[place, FIRST_MS] = state[NUMBERED_MS]
                for word in range(NAME_WORDS):
                    firsts[place, FIRST_WHAT + word] = names[at, word]
        w0, w1 = names[at, A_HI], names[at, A_LO]
        w2, w3 = names[at, B_HI], names[at, B_LO]
        ports, scope = names[at, PORTS], names[at, SCOPE]
        marks, tag = np.int64(names[at, MARKS]), np.int64(names[at, TAG])
        place = place_of(slots, records, tag, w0, w1, w2, w3, ports, scope)
        number = np.int64(slots[np.uintp(place)] & np.uint64(0xFFFFFFFF))
        is_new = number == 0
        if not is_new:
            known = np.int64(records[np.uintp((number - 1) * CONNECTION_WORDS + MARKS)])
            is_new = is_followed(known, marks)
        if is_new:
            number = np.int64(state[CONNECTIONS]) + 1
            if number > capacity or 2 * number > slots.shape[0]:
                state[STOP] = NO_ROOM
                return row
            state[CONNECTIONS] = number
            slots[place] = np.uint64(tag << 32 | number)
            if marks & FIRST_IS_TCP != 0 and marks >> 8 & 0x17 != 0x02:
                marks |= WAS_OPEN
            born = (number - 1) * CONNECTION_WORDS
            records[born + A_HI] = w0
            records[born + A_LO] = w1
            records[born + B_HI] = w2
            records[born + B_LO] = w3
            records[born + PORTS] = ports
            records[born + SCOPE] = scope
            records[born + MARKS] = marks
            records[born + LEGS] = -1
            records[born + LAST_NS] = times_ns[row]
            records[born + REFUSAL] = -1
            records[born + ADOPTED] = -1
            births[number - 1, FIRST_NS] = times_ns[row]
            births[number - 1, FIRST_FRAME] = frames[row]
        if shape & HAS_TCP != 0 and packets.tcp_flags[last] & 0x05 != 0:
            records[np.uintp((number - 1) * CONNECTION_WORDS + MARKS)] |= HAS_ENDING
        for each in range(row, behind):
            out[np.uintp(each)] = number
        row = behind
        if stops_to_adopt and is_new and marks & WAS_OPEN != 0 and shape & LATER_FRAGMENT == 0:
            state[STOP] = TO_ADOPT
            return row
    return end
