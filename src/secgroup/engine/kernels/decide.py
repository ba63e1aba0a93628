"""Steps 6 and 9 to 13: what flows and fragments remember, and rules, one packet after the other.

Read first: `reference/decide.py`, whose steps these are, and `conntrack/flow.py`.
"""

import numpy as np

from secgroup.conntrack.state import State
from secgroup.decision import Reason
from secgroup.engine.kernels import kernel, prefetch
from secgroup.engine.kernels.classify import (
    address_class,
    any_rule,
    is_open,
    is_open_class,
    port_class,
    tracked_weight,
    tracked_weight_of_class,
)
from secgroup.engine.kernels.fragment import is_full, recall, remember
from secgroup.engine.kernels.screen import chosen, last_word, value_of
from secgroup.engine.kernels.track import (
    advance,
    appoint,
    claim,
    find,
    has_room,
    hash_of,
    home_of,
    idle_of,
    insert,
    remove,
    timeout_of,
    unlink,
    weight_of,
)
from secgroup.engine.layout import (
    ADMISSIONS,
    BATCH,
    BITS,
    DECIDED,
    FIRST_FRAGMENT,
    FRONTIER,
    HAS_ICMP,
    HAS_PORTS,
    HAS_TCP,
    I8,
    LATER,
    LATER_FRAGMENT,
    LOOSE_TCP,
    LOW_HALF,
    MALFORMED,
    NEXT_ORIGINAL_KNOWN,
    NO_KEY,
    NOW_MS,
    NOWHERE,
    OPENED_EGRESS,
    RELATED_ICMP,
    STATES,
    STRICT_TCP,
    U1,
    WEIGHT_TWO,
    DecisionColumns,
    Firsts,
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
from secgroup.engine.placing import AT_NONE, ROWS_FOLLOW
from secgroup.engine.tables import Tables

_MALFORMED = int(Reason.MALFORMED)
_NETWORK_ACL = int(Reason.NETWORK_ACL)
_ESTABLISHED = int(Reason.ESTABLISHED)
_RELATED = int(Reason.RELATED)
_NO_MATCHING_RULE = int(Reason.NO_MATCHING_RULE)
_UNTRACKED = int(Reason.UNTRACKED)
_MIDSTREAM = int(Reason.MIDSTREAM)
_ALLOWANCE_EXCEEDED = int(Reason.ALLOWANCE_EXCEEDED)
_NEW = int(Reason.NEW)
_INVALID = int(Reason.INVALID)
_TIME_WAIT = int(State.TIME_WAIT)
_SYN_SENT = int(State.SYN_SENT)
_TCP = 6
_UDP = 17
_FIN = 1
_SYN = 2
_RST = 4
_ACK = 16
#: How many packets ahead a slot of the index, and then a record, is asked for.
_FAR = 16
_NEAR = 8


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


@kernel
def finish(
    out: DecisionColumns,
    i: int,
    accepted: int,
    reason: int,
    before: int,
    after: int,
    direction: int,
    acl: int,
) -> bool:
    """Take step 13 and write the answer; True when the packet is finally accepted."""
    passes = accepted != 0 and acl >= 0
    out.accepted[i] = 1 if passes else 0
    out.reason[i] = _NETWORK_ACL if accepted != 0 and not passes else reason
    out.state_before[i] = before
    out.state_after[i] = after if passes else before
    out.acl_rule_number[i] = abs(acl) if acl != 0 and (accepted != 0 or direction == 0) else -1
    out.logged[i] = 1
    return passes


@kernel
def is_untracked(
    tables: Tables,
    machine: Machine,
    packets: Packets,
    i: int,
    direction: int,
    table: int,
    weight: int,
    opened: bool,
) -> bool:
    """Tell whether a packet that the rules admit is of an untracked flow.

    Parameters
    ----------
    weight : int
        What AWS always tracks its peer by.
    opened : bool
        Its destination port is open to everyone, there and back.

    """
    shape = np.int64(packets.shape[i])
    family = np.int64(packets.family[i])
    protocol = np.int64(packets.protocol[i])
    if shape & HAS_ICMP:
        # A query's kind is even; what is neither query nor answer is odd too.
        return machine.icmp_kinds[256 * (family == 6) + packets.icmp_type[i]] & 1 != 0
    if shape & HAS_PORTS == 0 or weight > 0:
        return False
    if opened:
        return True
    if protocol == _TCP and is_bare_syn(packets, i):
        return False
    return is_open(tables, table, 1 - direction, family, protocol, np.int64(packets.source_port[i]))


@kernel
def flow_of(
    flows: Flows, machine: Machine, packets: Packets, i: int, direction: int, owner: int
) -> int:
    """Return the number of the living record that a packet belongs to; 0 is none."""
    word = last_word(machine.icmp_kinds, packets, i, direction, owner)
    if word == NO_KEY:
        return 0
    egress = direction == 1
    inside_lo = packets.source_lo[i] if egress else packets.destination_lo[i]
    inside_hi = packets.source_hi[i] if egress else packets.destination_hi[i]
    outside_lo = packets.destination_lo[i] if egress else packets.source_lo[i]
    outside_hi = packets.destination_hi[i] if egress else packets.source_hi[i]
    last = np.uint64(word)
    tag = hash_of(flows.secret, inside_lo, inside_hi, outside_lo, outside_hi, last)
    home = home_of(flows.control[BITS], flows.control[FRONTIER], tag)
    entry = find(
        flows.index, flows.words, home, tag, inside_lo, inside_hi, outside_lo, outside_hi, last
    )
    now_ms = np.int64(flows.control[NOW_MS])
    if entry != 0 and idle_of(flows, entry, now_ms) >= timeout_of(flows, entry):
        return 0
    return entry


@kernel
def related(
    tables: Tables,
    machine: Machine,
    flows: Flows,
    packets: Packets,
    quotes: Packets,
    settings: I8,
    i: int,
) -> int:
    """Tell whether an ICMP error is about a flow that passes here.

    Returns
    -------
    int
        The flow's state; 0 when the flow is untracked; -1 when there is no such flow.

    """
    q = np.int64(packets.quote[i])
    family = np.int64(packets.family[i])
    if q < 0 or packets.shape[i] & FIRST_FRAGMENT != 0 or quotes.family[q] != family:
        return -1
    six = 256 * (family == 6)
    if quotes.shape[q] & HAS_ICMP != 0 and machine.icmp_errors[six + quotes.icmp_type[q]] != 0:
        return -1
    if (
        packets.destination_lo[i] != quotes.source_lo[q]
        or packets.destination_hi[i] != quotes.source_hi[q]
    ):
        return -1
    interface = np.int64(packets.interface[i])
    facts = tables.interfaces[interface]
    table, owner = np.int64(facts.table), np.int64(facts.owner)
    way = 1 - np.int64(packets.direction[i])
    peer_lo = quotes.destination_lo[q] if way == 1 else quotes.source_lo[q]
    peer_hi = quotes.destination_hi[q] if way == 1 else quotes.source_hi[q]
    entry = flow_of(flows, machine, quotes, q, way, owner)
    weight = np.int64(tracked_weight(tables, table, family, peer_hi, peer_lo))
    if entry == 0:
        if quotes.shape[q] & LATER_FRAGMENT != 0:
            return -1
        protocol, value = np.int64(quotes.protocol[q]), value_of(quotes, q)
        if not any_rule(
            tables,
            table,
            way,
            family,
            address_class(tables, table, way, family, peer_hi, peer_lo),
            port_class(tables, table, way, family, protocol, value),
        ):
            return -1
        opened = quotes.shape[q] & HAS_PORTS != 0 and is_open(
            tables, table, way, family, protocol, value
        )
        if not is_untracked(tables, machine, quotes, q, way, table, weight, opened):
            return -1
    if settings[RELATED_ICMP] == 0:
        kind = np.int64(packets.icmp_type[i])
        if kind != 2 if family == 6 else (kind != 3 or packets.icmp_code[i] != 4):
            return -1
        if entry != 0 and weight == 0:
            return -1
    return np.int64(flows.octets[(entry << 6) + 62]) if entry != 0 else 0


@kernel
def make(
    tables: Tables,
    flows: Flows,
    packets: Packets,
    i: int,
    entry: int,
    tag: int,
    last: int,
    state: int,
    weight: int,
) -> int:
    """Make the entry of an admitted packet, in the place of `entry` if that is not 0.

    Returns
    -------
    int
        Its number; 0 when the index has no room behind the home of its hash.

    """
    now_ms = np.int64(flows.control[NOW_MS])
    facts = tables.interfaces[np.int64(packets.interface[i])]
    owner = np.int64(facts.owner)
    egress = packets.direction[i] == 1
    if entry != 0:
        unlink(flows.links, flows.wheel, entry)
        flows.weight[owner] -= weight_of(flows.octets, entry)
    else:
        entry = claim(flows.links, flows.control)
        home = home_of(flows.control[BITS], flows.control[FRONTIER], tag)
        if not insert(flows.index, home, tag, entry):
            return 0
        at = entry << 3
        from_lo, from_hi = packets.source_lo[i], packets.source_hi[i]
        to_lo, to_hi = packets.destination_lo[i], packets.destination_hi[i]
        flows.words[at] = chosen(egress, from_lo, to_lo)
        flows.words[at + 1] = chosen(egress, from_hi, to_hi)
        flows.words[at + 2] = chosen(egress, to_lo, from_lo)
        flows.words[at + 3] = chosen(egress, to_hi, from_hi)
        flows.words[at + 4] = np.uint64(last)
    halves, octets = entry << 4, entry << 6
    flags = (OPENED_EGRESS if egress else 0) | (WEIGHT_TWO if weight == 2 else 0)
    flows.halves[halves + 12] = 0
    flows.halves[halves + 13] = 0
    if packets.protocol[i] == _TCP:
        flows.halves[halves + 12] = sequence_end(packets, i)
        flags |= NEXT_ORIGINAL_KNOWN
    elif packets.shape[i] & HAS_ICMP != 0:
        flows.halves[halves + 12] = packets.icmp_code[i]
    flows.halves[halves + 10] = now_ms & LOW_HALF
    flows.halves[halves + 11] = now_ms // 1000 & LOW_HALF
    flows.shorts[(entry << 5) + 30] = facts.timeouts
    flows.octets[octets + 62] = state
    flows.octets[octets + 63] = flags
    flows.weight[owner] += weight
    appoint(flows.links, flows.wheel, entry, now_ms, now_ms + timeout_of(flows, entry))
    return entry


@kernel
def admit(
    tables: Tables,
    machine: Machine,
    flows: Flows,
    packets: Packets,
    settings: I8,
    i: int,
    tag: int,
    entry: int,
    out: DecisionColumns,
) -> int:
    """Take steps 11 and 12: rules, and whether the packet makes an entry.

    Returns
    -------
    int
        The reason; for NEW with the state of the entry and its weight, each in a byte above.

    """
    direction = np.int64(packets.direction[i])
    family, protocol = np.int64(packets.family[i]), np.int64(packets.protocol[i])
    # 11
    facts = tables.interfaces[np.int64(packets.interface[i])]
    table, owner = np.int64(facts.table), np.int64(facts.owner)
    from_lo, from_hi = packets.source_lo[i], packets.source_hi[i]
    to_lo, to_hi = packets.destination_lo[i], packets.destination_hi[i]
    peer_lo, peer_hi = (
        chosen(direction == 1, to_lo, from_lo),
        chosen(direction == 1, to_hi, from_hi),
    )
    addresses = np.int64(address_class(tables, table, direction, family, peer_hi, peer_lo))
    value = np.int64(value_of(packets, i))
    ports = np.int64(port_class(tables, table, direction, family, protocol, value))
    out.address_class[i] = addresses
    out.port_class[i] = ports
    if not any_rule(tables, table, direction, family, addresses, ports):
        return _NO_MATCHING_RULE
    # 12a
    weight = np.int64(tracked_weight_of_class(tables, table, direction, family, addresses))
    opened = packets.shape[i] & HAS_PORTS != 0 and is_open_class(
        tables, table, direction, family, protocol, ports
    )
    if tag == NO_KEY or is_untracked(tables, machine, packets, i, direction, table, weight, opened):
        return _UNTRACKED
    # 12b
    state = opening_state(machine, packets, i)
    if protocol == _TCP and not is_bare_syn(packets, i):
        if settings[STRICT_TCP] != 0:
            return _INVALID
        if settings[LOOSE_TCP] == 0 or state == 0:
            return _MIDSTREAM
    # 12c
    weight = max(1, weight)
    taken = np.int64(flows.weight[owner])
    if entry != 0:
        taken -= weight_of(flows.octets, entry)
    allowance = np.int64(flows.allowance[owner])
    if 0 <= allowance < taken + weight:
        return _ALLOWANCE_EXCEEDED
    # 12d
    return _NEW | state << 8 | weight << 16


@kernel
def judge(
    tables: Tables,
    machine: Machine,
    flows: Flows,
    packets: Packets,
    quotes: Packets,
    settings: I8,
    i: int,
    tag: int,
    last: int,
    entry: int,
    before: int,
    out: DecisionColumns,
) -> int:
    """Take steps 10 to 13 for a packet that no living entry accepts.

    Parameters
    ----------
    entry, before : int
        An entry of its key that has expired or is finished, and its state if it is alive; 0.

    Returns
    -------
    int
        0; 1 when the table has no room for the entry, and nothing is done; 2 when the index has
        none.

    """
    direction, acl = np.int64(packets.direction[i]), np.int64(out.acl_rule_number[i])
    out.entry[i] = -1
    after = before
    about = -1
    # 10
    if packets.shape[i] & HAS_ICMP != 0:
        kind = np.int64(packets.icmp_type[i])
        if machine.icmp_errors[256 * (packets.family[i] == 6) + kind] != 0:
            about = related(tables, machine, flows, packets, quotes, settings, i)
    if about >= 0:
        answer = _RELATED
        before = about
        after = about
    else:
        answer = admit(tables, machine, flows, packets, settings, i, tag, entry, out)
    reason = answer & 0xFF
    if reason == _NEW:
        after = answer >> 8 & 0xFF
        if acl >= 0 and entry == 0 and not has_room(flows.control):
            return 1
    refused = reason in (_NO_MATCHING_RULE, _INVALID, _ALLOWANCE_EXCEEDED)
    accepted = np.int64(0 if refused else 1)
    if finish(out, i, accepted, reason, before, after, direction, acl) and reason == _NEW:
        made = make(tables, flows, packets, i, entry, tag, last, after, answer >> 16)
        if made == 0:
            return 2
        flows.halves[(made << 4) + 14] = settings[ADMISSIONS] + np.int64(packets.interface[i])
        out.entry[i] = made
    return 0


@kernel
def ask_for(flows: Flows, tags: I8, at: int) -> None:
    """Ask for the slots where the search for a packet's key begins."""
    tag = np.int64(tags[at])
    if tag >= 0:
        prefetch(flows.index, home_of(flows.control[BITS], flows.control[FRONTIER], tag))


@kernel
def likely_entry(flows: Flows, tags: I8, at: int) -> int:
    """Return the first record whose hash is that of a packet's key, and ask for it; 0 is none."""
    tag = np.int64(tags[at])
    if tag < 0:
        return 0
    place = home_of(flows.control[BITS], flows.control[FRONTIER], tag)
    while True:
        slot = np.int64(flows.index[place])
        if slot == 0:
            return 0
        if (slot >> 32) & LOW_HALF == tag:
            entry = slot & LOW_HALF
            prefetch(flows.words, entry << 3)
            return entry
        place += 1


@kernel
def look_up(flows: Flows, packets: Packets, i: int, tag: int, last: int, likely: int) -> int:
    """Return the record of a packet's key, dead or alive; 0 is none.

    `likely` is one that may be it.
    """
    egress = packets.direction[i] == 1
    from_lo, from_hi = packets.source_lo[i], packets.source_hi[i]
    to_lo, to_hi = packets.destination_lo[i], packets.destination_hi[i]
    inside_lo, inside_hi = chosen(egress, from_lo, to_lo), chosen(egress, from_hi, to_hi)
    outside_lo, outside_hi = chosen(egress, to_lo, from_lo), chosen(egress, to_hi, from_hi)
    word = np.uint64(last)
    at = likely << 3
    words = flows.words
    if (
        likely != 0
        and words[at] == inside_lo
        and words[at + 1] == inside_hi
        and words[at + 2] == outside_lo
        and words[at + 3] == outside_hi
        and words[at + 4] == word
        and flows.octets[(likely << 6) + 62] != 0
    ):
        return likely
    home = home_of(flows.control[BITS], flows.control[FRONTIER], tag)
    return find(flows.index, words, home, tag, inside_lo, inside_hi, outside_lo, outside_hi, word)


@kernel
def pass_groups(
    tables: Tables,
    machine: Machine,
    flows: Flows,
    packets: Packets,
    quotes: Packets,
    settings: I8,
    i: int,
    tag: int,
    last: int,
    out: DecisionColumns,
) -> int:
    """Take steps 9 to 13; the result is that of `judge`."""
    entry = 0
    before = 0
    if tag >= 0:
        entry = look_up(flows, packets, i, tag, last, np.int64(out.entry[i]))
    if entry != 0:
        now_ms = np.int64(flows.control[NOW_MS])
        state = np.int64(flows.octets[(entry << 6) + 62])
        if idle_of(flows, entry, now_ms) < timeout_of(flows, entry):
            before = state
            if state != _TIME_WAIT or not is_bare_syn(packets, i):
                direction = np.int64(packets.direction[i])
                opener = np.int64(flows.octets[(entry << 6) + 63]) & OPENED_EGRESS
                side = direction ^ opener
                after = next_state(flows, machine, entry, state, side, packets, i)
                acl = np.int64(out.acl_rule_number[i])
                out.entry[i] = -1
                accepted, reason = np.int64(1), np.int64(_ESTABLISHED)
                if finish(out, i, accepted, reason, state, after, direction, acl):
                    out.entry[i] = entry
                    step(flows, machine, entry, state, after, side, packets, i, now_ms)
                return 0
    return judge(
        tables,
        machine,
        flows,
        packets,
        quotes,
        settings,
        i,
        tag,
        last,
        entry,
        before,
        out,
    )


@kernel
def leave_undecided(out: DecisionColumns, i: int) -> None:
    """Take back what `screen` and the search for a flow have written."""
    out.accepted[i] = 0
    out.reason[i] = 0
    out.acl_rule_number[i] = -1
    out.entry[i] = -1
    out.logged[i] = 0


@kernel
def decide(
    tables: Tables,
    machine: Machine,
    flows: Flows,
    firsts: Firsts,
    packets: Packets,
    quotes: Packets,
    settings: I8,
    start: int,
    stop: int,
    out: DecisionColumns,
    tags: I8,
    last_words: I8,
    base: int,
    marks: U1,
) -> int:
    """Decide the rows from `start` on, in order, after `screen` and `name`.

    Parameters
    ----------
    marks : uint8
        Of each row, or none: ROWS_FOLLOW for one that is decided only if the row before it was
        accepted, AT_NONE for a malformed packet that is rejected at no interface.
    base : int
        The row that element 0 of `tags` and `last_words` is about.

    Returns
    -------
    int
        The row to go on with when there is room: `stop`, unless the table or the ring of first
        fragments is full. -1 when the index has no room, which no universal hash lets happen.

    """
    control = flows.control
    marked = marks.shape[0] > 0
    for i in range(start, min(stop, start + _FAR)):
        ask_for(flows, tags, i - base)
    for i in range(start, min(stop, start + _NEAR)):
        if tags[i - base] > DECIDED:
            out.entry[i] = likely_entry(flows, tags, i - base)
    for i in range(start, stop):
        if i + _FAR < stop:
            ask_for(flows, tags, i + _FAR - base)
        if i + _NEAR < stop and tags[i + _NEAR - base] > DECIDED:
            out.entry[i + _NEAR] = likely_entry(flows, tags, i + _NEAR - base)
        tag = np.int64(tags[i - base])
        if tag == NOWHERE:
            if marked and marks[i] == AT_NONE:
                out.reason[i] = _MALFORMED
            continue
        if marked and marks[i] == ROWS_FOLLOW and out.accepted[i - 1] == 0:
            leave_undecided(out, i)
            continue
        if packets.time_ms[i] != control[NOW_MS]:
            advance(flows, np.int64(packets.time_ms[i]))
        shape = np.int64(packets.shape[i])
        remembered = shape & (FIRST_FRAGMENT | MALFORMED) == FIRST_FRAGMENT
        if remembered and is_full(firsts):
            return i
        if tag == LATER:
            recall(
                firsts, flows.secret, packets, i, out, settings[BATCH], np.int64(control[NOW_MS])
            )
        elif tag != DECIDED:
            last = np.int64(last_words[i - base])
            full = pass_groups(tables, machine, flows, packets, quotes, settings, i, tag, last, out)
            if full == 1:
                return i
            if full == 2:
                return -1
        if remembered:
            remember(
                firsts, flows.secret, packets, i, out, settings[BATCH], np.int64(control[NOW_MS])
            )
    return stop
