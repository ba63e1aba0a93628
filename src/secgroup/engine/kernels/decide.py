"""Steps 6 and 9 to 13: what flows and fragments remember, and rules, one packet after the other.

Read first: `reference/decide.py`, whose steps these are, and `conntrack/flow.py`.
"""

import numpy as np

from secgroup.conntrack.state import State
from secgroup.decision import Reason
from secgroup.engine.kernels import kernel, prefetch
from secgroup.engine.kernels.fragment import is_full, recall, remember
from secgroup.engine.kernels.rules import admit, related
from secgroup.engine.kernels.screen import chosen
from secgroup.engine.kernels.step import is_bare_syn, next_state, sequence_end, step
from secgroup.engine.kernels.track import (
    advance,
    appoint,
    claim,
    find,
    has_room,
    home_of,
    idle_of,
    insert,
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
    I8,
    LATER,
    LOW_HALF,
    MALFORMED,
    NEXT_ORIGINAL_KNOWN,
    NOW_MS,
    NOWHERE,
    OPENED_EGRESS,
    U1,
    WEIGHT_TWO,
    DecisionColumns,
    Firsts,
    Flows,
    Packets,
)
from secgroup.engine.machine import (
    Machine,
)
from secgroup.engine.placing import AT_NONE, ROWS_FOLLOW
from secgroup.engine.tables import Tables

_MALFORMED = int(Reason.MALFORMED)
_NETWORK_ACL = int(Reason.NETWORK_ACL)
_ESTABLISHED = int(Reason.ESTABLISHED)
_RELATED = int(Reason.RELATED)
_NO_MATCHING_RULE = int(Reason.NO_MATCHING_RULE)
_ALLOWANCE_EXCEEDED = int(Reason.ALLOWANCE_EXCEEDED)
_NEW = int(Reason.NEW)
_INVALID = int(Reason.INVALID)
_TIME_WAIT = int(State.TIME_WAIT)
_TCP = 6
#: How many packets ahead a slot of the index, and then a record, is asked for.
_FAR = 16
_NEAR = 8


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
