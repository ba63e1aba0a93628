"""Decided packets to the records of a flow log: counting, remembering fragments, handing out.

What is one record and what a window is, `flowlog.aggregate` says; this is the same, compiled.
Read first: `live`.
"""

import numpy as np

from secgroup.engine.kernels import inlined, kernel, prefetch
from secgroup.engine.layout import (
    FIRST_FRAGMENT,
    HAS_PORTS,
    HAS_TCP,
    KNOWN_DESTINATION,
    KNOWN_PROTOCOL,
    KNOWN_SOURCE,
    LATER_FRAGMENT,
    MALFORMED,
    DecisionColumns,
    Packets,
)
from secgroup.engine.live import (
    ACCEPTED_BIT,
    CLOCK_MS,
    DONE,
    EGRESS_BIT,
    FIRST_MS,
    FLAGS_SHIFT,
    FRAGMENT_ID,
    FRAGMENT_MS,
    FRAGMENT_NAME,
    FRAGMENT_TRAITS,
    FRAGMENT_WORDS,
    FRAGMENTS,
    FREE_RECORD,
    FREE_RULE,
    HASH,
    HEAD,
    I4,
    I8,
    IPV6_BIT,
    IS_OPEN,
    LAST,
    NEXT,
    NEXT_END_MS,
    NO_HASH,
    NO_ROOM,
    NO_ROOM_FOR_FRAGMENTS,
    NO_ROOM_FOR_RULES,
    OCTETS,
    PACKETS,
    PLACE,
    PORTS_BIT,
    REASON_SHIFT,
    RECORDS,
    RECORDS_USED,
    RULES_HEAD,
    RULES_USED,
    START_MS,
    STOP,
    TRAITS,
    TUPLE_BITS,
    U8,
    WINDOW_ENDS,
    WINDOW_MISSING,
    Finished,
    Live,
)

#: How long a first fragment is remembered.
LIFETIME_MS = 30_000

#: Rows that are named together, and how far ahead a record's slot is asked for; the record
#: itself is at half of the way.
BLOCK = 256
SCOUT = 24

#: Records whose cache lines are asked for ahead when a window is handed out, and when all are
#: indexed, which touches less of each.
AHEAD = 8
FAR = 32


@kernel
def hash_of_six(secret: U8, w0: int, w1: int, w2: int, w3: int, w4: int, w5: int) -> int:
    """Return 32 bits of a universal hash of six words.

    NH, sums of products of 32-bit halves to which secret ones are added (Black et al., UMAC,
    1999), then a mix by secret odd numbers.
    """
    low = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    total = ((w0 + secret[0]) & low) * (((w0 >> half) + secret[1]) & low)
    total += ((w1 + secret[2]) & low) * (((w1 >> half) + secret[3]) & low)
    total += ((w2 + secret[4]) & low) * (((w2 >> half) + secret[5]) & low)
    total += ((w3 + secret[6]) & low) * (((w3 >> half) + secret[7]) & low)
    total += ((w4 + secret[8]) & low) * (((w4 >> half) + secret[9]) & low)
    total += ((w5 + secret[10]) & low) * (((w5 >> half) + secret[11]) & low)
    total = (total ^ (total >> half)) * secret[12]
    total = (total ^ (total >> np.uint64(29))) * secret[13]
    return np.int64(total >> half)


@inlined
def tuple_of(shape: int, protocol: int, source_port: int, destination_port: int) -> int:
    """Return ports and protocol of a packet, as the low bits of TRAITS and PORTS_BIT.

    The ports of TCP and UDP are unknown in a later fragment, those of other protocols are 0.
    """
    has_ports = shape & (MALFORMED | HAS_PORTS) == HAS_PORTS
    has_none = (protocol != 6) & (protocol != 17)
    ports = (source_port | destination_port << 16) & -np.int64(has_ports)
    return ports | protocol << 32 | np.int64(has_ports | has_none) << PORTS_BIT


@inlined
def fragment_place(
    fragments: U8, secret: U8, w0: int, w1: int, w2: int, w3: int, w4: int, w5: int
) -> int:
    """Return the place where a fragment's first one is remembered, or would be."""
    mask = fragments.shape[0] - 1
    place = hash_of_six(secret, w0, w1, w2, w3, w4, w5) & mask
    while fragments[place, FRAGMENT_ID] != 0:
        if (
            fragments[place, 0] == w0
            and fragments[place, 1] == w1
            and fragments[place, 2] == w2
            and fragments[place, 3] == w3
            and fragments[place, FRAGMENT_NAME] == w4
            and fragments[place, FRAGMENT_ID] == w5
        ):
            return place
        place = (place + 1) & mask
    return place


@inlined
def of_fragment(
    state: I8,
    fragments: U8,
    secret: U8,
    w0: int,
    w1: int,
    w2: int,
    w3: int,
    w4: int,
    w5: int,
    is_first: bool,
    found: int,
) -> int:
    """Return ports and protocol of a fragment: a later one has those of its first.

    Parameters
    ----------
    w0, w1, w2, w3, w4, w5 : uint64
        What names the fragments of one packet, as in `live`.
    found : int
        Its own. They are remembered of a first one.

    Returns
    -------
    int
        -1 when there is no room to remember.

    """
    if is_first and (state[FRAGMENTS] + 1) * 2 > fragments.shape[0]:
        return -1
    place = fragment_place(fragments, secret, w0, w1, w2, w3, w4, w5)
    now_ms = np.int64(state[CLOCK_MS])
    is_known = fragments[place, FRAGMENT_ID] != 0
    if not is_first:
        if is_known and now_ms - np.int64(fragments[place, FRAGMENT_MS]) < LIFETIME_MS:
            return np.int64(fragments[place, FRAGMENT_TRAITS])
        return found
    if not is_known:
        state[FRAGMENTS] += 1
        fragments[place, 0] = w0
        fragments[place, 1] = w1
        fragments[place, 2] = w2
        fragments[place, 3] = w3
        fragments[place, FRAGMENT_NAME] = w4
        fragments[place, FRAGMENT_ID] = w5
    fragments[place, FRAGMENT_MS] = np.uint64(now_ms)
    fragments[place, FRAGMENT_TRAITS] = np.uint64(found)
    return found


@kernel
def keep_fragments(live: Live, old: U8) -> None:
    """Put the remembered fragments that are not too old into a table that is empty."""
    fragments, now_ms = live.fragments, np.int64(live.state[CLOCK_MS])
    mask = fragments.shape[0] - 1
    count = 0
    for i in range(old.shape[0]):
        if old[i, FRAGMENT_ID] == 0 or now_ms - np.int64(old[i, FRAGMENT_MS]) >= LIFETIME_MS:
            continue
        tag = hash_of_six(
            live.secret,
            old[i, 0],
            old[i, 1],
            old[i, 2],
            old[i, 3],
            old[i, FRAGMENT_NAME],
            old[i, FRAGMENT_ID],
        )
        place = tag & mask
        while fragments[place, FRAGMENT_ID] != 0:
            place = (place + 1) & mask
        for word in range(FRAGMENT_WORDS):
            fragments[place, word] = old[i, word]
        count += 1
    live.state[FRAGMENTS] = count


@kernel
def reindex(live: Live) -> None:
    """Put every record of the open windows into an index that is empty.

    In the order of their numbers, which is that of memory; the windows' would be chance.
    """
    index, rests = live.slots, live.rests
    mask = index.shape[0] - 1
    used = int(np.int64(live.state[RECORDS_USED]))
    for number in range(used):
        ahead = np.int64(rests[min(number + FAR, used - 1), HASH])
        prefetch(index, ahead & mask)
        word = np.int64(rests[np.uintp(number), HASH])
        if word == NO_HASH:
            continue
        tag = word & 0xFFFFFFFF
        place = tag & mask
        while index[np.uintp(place)] != 0:
            place = (place + 1) & mask
        index[np.uintp(place)] = np.uint64(tag << 32 | number + 1)


@inlined
def count_rules(state: I8, rules: I4, rests: I8, number: int, rule_set: int) -> bool:
    """Note a rule set in a record unless it has it; False when there is no room."""
    last = -1
    node = np.int64(rests[number, RULES_HEAD])
    while node >= 0:
        if rules[node, 0] == rule_set:
            return True
        last = node
        node = np.int64(rules[node, 1])
    node = np.int64(state[FREE_RULE])
    if node >= 0:
        state[FREE_RULE] = rules[node, 1]
    elif state[RULES_USED] < rules.shape[0]:
        node = np.int64(state[RULES_USED])
        state[RULES_USED] = node + 1
    else:
        return False
    rules[node, 0] = rule_set
    rules[node, 1] = -1
    if last < 0:
        rests[number, RULES_HEAD] = node
    else:
        rules[last, 1] = node
    return True


@inlined
def place_of_record(
    index: U8,
    records: U8,
    tag: int,
    w0: int,
    w1: int,
    w2: int,
    w3: int,
    name: int,
    interface: int,
) -> int:
    """Return the place in the index of a record, or the empty one where it would be."""
    mask = index.shape[0] - 1
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    key_bits = np.uint64((1 << FLAGS_SHIFT) - 1)
    place = tag & mask
    while True:
        slot = np.uint64(index[np.uintp(place)])
        if slot == 0:
            return place
        if np.int64(slot >> half) == tag:
            at = np.uintp((np.int64(slot & low) - 1) << 3)
            # Without a branch for each word.
            other = (records[at] ^ w0) | (records[at + np.uintp(1)] ^ w1)
            other |= (records[at + np.uintp(2)] ^ w2) | (records[at + np.uintp(3)] ^ w3)
            other |= records[at + np.uintp(TRAITS)] & key_bits ^ name
            other |= records[at + np.uintp(PLACE)] & low ^ np.uint64(interface)
            if other == 0:
                return place
        place = (place + 1) & mask


@inlined
def new_record(state: I8, rests: I8, windows: I8, interface: int, tag: int, reason: int) -> int:
    """Return the number of a record at the end of the interface's window; -1: no room."""
    number = np.int64(state[FREE_RECORD])
    if number >= 0:
        state[FREE_RECORD] = rests[number, NEXT]
    elif state[RECORDS_USED] < rests.shape[0]:
        number = np.int64(state[RECORDS_USED])
        state[RECORDS_USED] = number + 1
    else:
        return -1
    state[RECORDS] += 1
    rests[number, FIRST_MS] = state[CLOCK_MS]
    rests[number, NEXT] = -1
    rests[number, RULES_HEAD] = -1
    rests[number, HASH] = tag | reason << 32
    if windows[interface, HEAD] < 0:
        windows[interface, HEAD] = number
    else:
        rests[windows[interface, LAST], NEXT] = number
    windows[interface, LAST] = number
    return number


@inlined
def name_rows(
    packets: Packets,
    decisions: DecisionColumns,
    interfaces: I4,
    secret: U8,
    by_reason: bool,
    tags: I8,
    names: I8,
    begin: int,
    end: int,
) -> None:
    """Write the keys of rows and their hashes, from place 0 on: by columns, without a branch."""
    reasons_shift = np.int64(REASON_SHIFT)
    kept = np.int64(0xFF) if by_reason else np.int64(0)
    for place in range(end - begin):
        at, row = np.uintp(place), np.uintp(begin + place)
        name = tuple_of(
            np.int64(packets.shape[row]),
            np.int64(packets.protocol[row]),
            np.int64(packets.source_port[row]),
            np.int64(packets.destination_port[row]),
        )
        name |= np.int64(packets.direction[row]) << EGRESS_BIT
        name |= np.int64(decisions.accepted[row]) << ACCEPTED_BIT
        name |= np.int64(packets.family[row] == 6) << IPV6_BIT
        name |= (np.int64(decisions.reason[row]) & kept) << reasons_shift
        names[at] = name
        # A row at no interface is not counted.
        tags[at] = np.int64(interfaces[np.uintp(max(np.int64(packets.interface[row]), 0))])
    for place in range(end - begin):
        at, row = np.uintp(place), np.uintp(begin + place)
        tags[at] = hash_of_six(
            secret,
            packets.source_hi[row],
            packets.source_lo[row],
            packets.destination_hi[row],
            packets.destination_lo[row],
            np.uint64(names[at]),
            np.uint64(tags[at]),
        )


@kernel
def accumulate(
    live: Live,
    packets: Packets,
    decisions: DecisionColumns,
    interfaces: I4,
    rule_sets: I4,
    by_reason: bool,
    with_rules: bool,
    tags: I8,
    names: I8,
    begin: int,
    end: int,
) -> int:
    """Count decided packets into the records of the open windows.

    A row of reason 0 is no decision: it only moves the clock, as do those that are not logged.

    Parameters
    ----------
    interfaces : int32
        Row of the packets' interfaces -> row of `live.windows`.
    rule_sets : int32, shape (n,)
        What rules matched; 0 is none. Not read unless `with_rules`.
    tags, names : int64, shape (BLOCK,)
        Room.
    begin, end : int
        The rows.

    Returns
    -------
    int
        The first row that is not counted, or `end`; `live.state[STOP]` says why. The same row
        may then be given again, when the cause is gone.

    """
    state, index, records, rests = live.state, live.slots, live.records, live.rests
    windows, secret, fragments, rules = live.windows, live.secret, live.fragments, live.rules
    kept_flags = live.tcp_flags
    source_hi, source_lo = packets.source_hi, packets.source_lo
    destination_hi, destination_lo = packets.destination_hi, packets.destination_lo
    shapes, times, places = packets.shape, packets.time_ms, packets.interface
    now_ms, next_end_ms = np.int64(state[CLOCK_MS]), np.int64(state[NEXT_END_MS])
    reasons, logged = decisions.reason, decisions.logged
    mask = index.shape[0] - 1
    low = np.uint64(0xFFFFFFFF)
    known = KNOWN_SOURCE | KNOWN_DESTINATION | KNOWN_PROTOCOL
    state[STOP] = DONE
    block = begin
    while block < end:
        behind = min(end, block + BLOCK)
        name_rows(packets, decisions, interfaces, secret, by_reason, tags, names, block, behind)
        scout = block
        for number in range(block, behind):
            row, at = np.uintp(number), np.uintp(number - block)
            while scout < min(behind + SCOUT // 2, number + SCOUT):
                if scout < behind:
                    prefetch(index, tags[np.uintp(scout - block)] & mask)
                if scout >= block + SCOUT // 2:
                    tag = np.int64(tags[np.uintp(scout - SCOUT // 2 - block)])
                    slot = np.int64(index[np.uintp(tag & mask)] & low)
                    if slot > 0:
                        prefetch(records, (slot - 1) << 3)
                scout += 1
            time_ms = np.int64(times[row])
            if time_ms > now_ms:
                if time_ms >= next_end_ms:
                    state[STOP] = WINDOW_ENDS
                    return number
                now_ms = time_ms
                state[CLOCK_MS] = now_ms
            place = np.int64(places[row])
            if place < 0 or reasons[row] == 0 or logged[row] == 0:
                continue
            shape = np.int64(shapes[row])
            if shape & MALFORMED != 0 and shape & known != known:
                continue
            interface = np.int64(interfaces[np.uintp(place)])
            window = np.uintp(interface)
            if windows[window, IS_OPEN] == 0:
                state[STOP] = WINDOW_MISSING
                return number
            w0, w1 = source_hi[row], source_lo[row]
            w2, w3 = destination_hi[row], destination_lo[row]
            name, tag = np.int64(names[at]), np.int64(tags[at])
            if shape & MALFORMED == 0 and shape & (FIRST_FRAGMENT | LATER_FRAGMENT) != 0:
                traits = of_fragment(
                    state,
                    fragments,
                    secret,
                    w0,
                    w1,
                    w2,
                    w3,
                    np.uint64(
                        interface
                        | np.int64(packets.direction[row]) << 32
                        | np.int64(packets.family[row] == 6) << 33
                        | np.int64(packets.fragment_protocol[row]) << 40
                    ),
                    np.uint64(np.int64(packets.fragment_id[row]) | np.int64(1) << 32),
                    shape & FIRST_FRAGMENT != 0,
                    name & TUPLE_BITS,
                )
                if traits < 0:
                    state[STOP] = NO_ROOM_FOR_FRAGMENTS
                    return number
                if traits != name & TUPLE_BITS:
                    name = name & ~TUPLE_BITS | traits
                    tag = hash_of_six(secret, w0, w1, w2, w3, np.uint64(name), np.uint64(interface))
            place = place_of_record(index, records, tag, w0, w1, w2, w3, np.uint64(name), interface)
            found = np.int64(index[np.uintp(place)] & low) - 1
            if found < 0:
                if 2 * (state[RECORDS] + 1) < index.shape[0]:
                    reason = np.int64(reasons[row])
                    found = new_record(state, rests, windows, interface, tag, reason)
                if found < 0:
                    state[STOP] = NO_ROOM
                    return number
                index[np.uintp(place)] = np.uint64(tag << 32 | found + 1)
                line = np.uintp(found << 3)
                records[line] = w0
                records[line + np.uintp(1)] = w1
                records[line + np.uintp(2)] = w2
                records[line + np.uintp(3)] = w3
                records[line + np.uintp(TRAITS)] = np.uint64(name)
                records[line + np.uintp(PACKETS)] = np.uint64(0)
                records[line + np.uintp(OCTETS)] = np.uint64(0)
            line = np.uintp(found << 3)
            last_ms = now_ms - np.int64(windows[window, START_MS])
            records[line + np.uintp(PLACE)] = np.uint64(interface | last_ms << 32)
            if with_rules and rule_sets[row] > 0:
                rule_set = np.int64(rule_sets[row])
                if not count_rules(state, rules, rests, found, rule_set):
                    # The record stays, empty, and the row comes again.
                    state[STOP] = NO_ROOM_FOR_RULES
                    return number
            if shape & (MALFORMED | HAS_TCP) == HAS_TCP:
                flags = np.uint64(kept_flags[np.uintp(packets.tcp_flags[row])])
                records[line + np.uintp(TRAITS)] |= flags << np.uint64(FLAGS_SHIFT)
            records[line + np.uintp(PACKETS)] += np.uint64(1)
            records[line + np.uintp(OCTETS)] += np.uint64(packets.length[row])
        block = behind
    return end


@inlined
def forget(index: U8, number: int, tag: int) -> None:
    """Take a record out of the index, and close the gap that it leaves."""
    mask = index.shape[0] - 1
    wanted = np.uint64(tag << 32 | number + 1)
    gap = tag & mask
    while index[gap] != wanted:
        gap = (gap + 1) & mask
    place = (gap + 1) & mask
    while index[place] != 0:
        home = np.int64(index[place] >> np.uint64(32)) & mask
        if (place - home) & mask >= (place - gap) & mask:
            index[gap] = index[place]
            gap = place
        place = (place + 1) & mask
    index[gap] = np.uint64(0)


@kernel
def hand_out(live: Live, interface: int, window: int, out: Finished, at: int) -> int:
    """Move records of an interface's window to `out`, in their order, while there is room.

    Parameters
    ----------
    window : int
        What `out.window` says of them.
    at : int
        The row of `out` to begin with.

    Returns
    -------
    int
        The row behind the last one; the window has records left when `windows[interface, HEAD]`
        is not -1.

    """
    state, records, rests, rules = live.state, live.records, live.rests, live.rules
    windows = live.windows
    start_ms = np.int64(windows[interface, START_MS])
    filled = np.int64(out.rules_end[at - 1]) if at > 0 else np.int64(0)
    number = np.int64(windows[interface, HEAD])
    mask = live.slots.shape[0] - 1
    scout = number
    for _ in range(AHEAD):
        if scout >= 0:
            scout = np.int64(rests[scout, NEXT])
    while number >= 0 and at < out.window.shape[0]:
        if scout >= 0:
            prefetch(live.slots, np.int64(rests[scout, HASH]) & 0xFFFFFFFF & mask)
            prefetch(records, scout << 3)
            scout = np.int64(rests[scout, NEXT])
        node = np.int64(rests[number, RULES_HEAD])
        count = 0
        while node >= 0:
            count += 1
            node = np.int64(rules[node, 1])
        if filled + count > out.rules.shape[0] and at > 0:
            break
        node = np.int64(rests[number, RULES_HEAD])
        while node >= 0:
            out.rules[filled] = rules[node, 0]
            filled += 1
            behind = np.int64(rules[node, 1])
            rules[node, 1] = state[FREE_RULE]
            state[FREE_RULE] = node
            node = behind
        place = number << 3
        out.window[at] = window
        out.source_hi[at] = records[place]
        out.source_lo[at] = records[place + 1]
        out.destination_hi[at] = records[place + 2]
        out.destination_lo[at] = records[place + 3]
        out.traits[at] = records[place + 4]
        out.packets[at] = np.int64(records[place + 6])
        out.octets[at] = np.int64(records[place + 7])
        out.first_ms[at] = rests[number, FIRST_MS]
        out.last_ms[at] = start_ms + np.int64(records[place + 5] >> np.uint64(32))
        out.reason[at] = rests[number, HASH] >> 32
        out.rules_end[at] = filled
        tag = np.int64(rests[number, HASH]) & 0xFFFFFFFF
        forget(live.slots, number, tag)
        behind = np.int64(rests[number, NEXT])
        rests[number, HASH] = NO_HASH
        rests[number, NEXT] = state[FREE_RECORD]
        state[FREE_RECORD] = number
        state[RECORDS] -= 1
        number = behind
        at += 1
    windows[interface, HEAD] = number
    return at
