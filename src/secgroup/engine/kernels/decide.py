"""Steps 6 and 9 to 13: what flows and fragments remember, one packet after the other.

`decide` is the loop. In it stands what nearly every packet does: it belongs to a flow that lives,
and moves it. `settle` does everything else. What rules say has been asked before (`rules`).
Read first: `reference/decide.py`, whose steps these are, and `conntrack/flow.py`.
"""

import numpy as np

from secgroup.conntrack.state import State
from secgroup.decision import Reason
from secgroup.engine.kernels import inlined, kernel, prefetch
from secgroup.engine.kernels.fragment import is_full, recall, remember
from secgroup.engine.kernels.screen import chosen
from secgroup.engine.kernels.step import (
    idle_timeout,
    is_bare_syn,
    is_reset,
    moved,
    moves,
    reset_is_exact,
    state_after,
)
from secgroup.engine.kernels.track import (
    appoint,
    claim,
    find,
    flags_in,
    has_room,
    hash_of,
    home_of,
    idle_of,
    insert,
    is_named,
    memory_of,
    reap,
    remove,
    state_in,
    timeout_in,
    unlink,
    weight_in,
)
from secgroup.engine.layout import (
    BITS,
    FIRST_FRAGMENT,
    FLAGS_BIT,
    FRONTIER,
    HAS_ICMP,
    I4,
    I8,
    LOW_HALF,
    MALFORMED,
    MEMORY,
    NEXT_ORIGINAL_KNOWN,
    NOW_MS,
    OPENED_EGRESS,
    OWNER,
    POSITIONS,
    STATE_BIT,
    STEPPED_BACK,
    TIMEOUTS_BIT,
    TIMES,
    U1,
    WEIGHT_TWO,
    DecisionColumns,
    Firsts,
    Flows,
    Packets,
)
from secgroup.engine.machine import STRAY_EVENT, Machine
from secgroup.engine.placing import AT_NONE, ROWS_FOLLOW
from secgroup.engine.rows import (
    ABOUT_HAS_KEY,
    ACT_BARE_SYN,
    ACT_EGRESS,
    ACT_EVENT,
    ACT_UNUSUAL,
    ADMISSIONS,
    ANSWER_STATE,
    ANSWER_TIMEOUTS,
    ANSWER_WEIGHT,
    BATCH,
    DECIDED,
    FAR,
    FULL,
    IS_ABOUT,
    LATER,
    NO_KEY,
    NO_SLOT,
    NOWHERE,
    PASSES_WITH_ENTRY,
    PASSES_WITHOUT,
    SEEN,
    TO_ASK,
    WHY,
    Rows,
)

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


@kernel
def seek(
    index: I8,
    control: I8,
    mine: I4,
    length: int,
    chunk: int,
    tags: I8,
    entries: I8,
    answers: I8,
    listed: I8,
    seen: I8,
) -> int:
    """Find the records of the keys of a chunk, as the index has them before its first packet.

    Parameters
    ----------
    mine : int32, shape (CHUNK + FAR,)
        Which rows of the chunk are meant, in their order: the first `length` of these.

    Returns
    -------
    int
        How many rows are listed for `ask`: those that have no record, but for those whose key an
        earlier one of the chunk has, which probably makes the record.

    """
    bits, frontier = np.int64(control[BITS]), np.int64(control[FRONTIER])
    count = np.int64(0)
    for number in range(min(length, FAR)):
        at = np.uintp(mine[np.uintp(number)])
        prefetch(index, home_of(bits, frontier, max(0, np.int64(tags[at]))))
    for number in range(length):
        at = np.uintp(mine[np.uintp(number)])
        ahead = max(0, np.int64(tags[np.uintp(mine[np.uintp(number + FAR)])]))
        prefetch(index, home_of(bits, frontier, ahead))
        tag = np.int64(tags[at])
        home = home_of(bits, frontier, max(0, tag))
        one = np.int64(index[np.uintp(home)])
        two = np.int64(index[np.uintp(home + 1)])
        slot = chosen(one >> 32 & LOW_HALF == tag, one, two)
        # Most often it is one of these two. An empty one is not asked for, which would be a guess:
        # what stands behind is another record, and is found to be that later.
        if slot >> 32 & LOW_HALF != tag:
            home += 2
            slot = np.int64(index[np.uintp(home)])
            while slot != 0 and slot >> 32 & LOW_HALF != tag:
                home += 1
                slot = np.int64(index[np.uintp(home)])
        entry = chosen(slot >> 32 & LOW_HALF == tag, slot & LOW_HALF, 0)
        entries[at] = entry
        answers[at] = 0
        if (entry == 0) & (tag >= NO_KEY):
            when = np.uintp(tag & (SEEN - 1))
            mark = chunk << 32 | (tag & LOW_HALF)
            listed[np.uintp(count)] = at
            count += (tag == NO_KEY) | (seen[when] != mark)
            seen[when] = mark
    return count


@inlined
def finish(
    out: DecisionColumns, i: int, accepted: int, reason: int, before: int, after: int, egress: bool
) -> bool:
    """Take step 13 and write the answer; True when the packet is finally accepted."""
    acl = np.int64(out.acl_rule_number[i])
    passes = accepted != 0 and acl >= -1
    out.accepted[i] = 1 if passes else 0
    out.reason[i] = _NETWORK_ACL if accepted != 0 and not passes else reason
    out.state_before[i] = before
    out.state_after[i] = after if passes else before
    if acl < -1:
        acl = -1 - acl
    out.acl_rule_number[i] = acl if accepted != 0 or not egress else -1
    return passes


@inlined
def make(
    flows: Flows,
    packets: Packets,
    i: int,
    entry: int,
    tag: int,
    last: int,
    answer: int,
    act: int,
    admission: int,
    now_ms: int,
) -> int:
    """Make the entry of an admitted packet, in the place of `entry` if that is not 0.

    Returns
    -------
    int
        Its number; 0 when the index has no room behind the home of its hash.

    """
    words = flows.words
    owner = np.int64(last >> np.uint64(32)) & OWNER
    egress = packets.direction[i] == 1
    if entry != 0:
        unlink(flows.links, flows.wheel, entry)
        flows.weight[owner] -= weight_in(memory_of(words, entry))
    else:
        entry = claim(flows.links, flows.control)
        home = home_of(np.int64(flows.control[BITS]), np.int64(flows.control[FRONTIER]), tag)
        if not insert(flows.index, home, tag, entry):
            return 0
        at = np.uintp(entry << 3)
        from_lo, from_hi = packets.source_lo[i], packets.source_hi[i]
        to_lo, to_hi = packets.destination_lo[i], packets.destination_hi[i]
        words[at] = from_lo if egress else to_lo
        words[at + np.uintp(1)] = from_hi if egress else to_hi
        words[at + np.uintp(2)] = to_lo if egress else from_lo
        words[at + np.uintp(3)] = to_hi if egress else from_hi
        words[at + np.uintp(4)] = last
    at = np.uintp(entry << 3)
    weight = answer >> ANSWER_WEIGHT & 3
    flags = (OPENED_EGRESS if egress else 0) | (WEIGHT_TWO if weight == 2 else 0)
    positions = np.int64(0)
    if packets.protocol[i] == _TCP:
        positions = act & LOW_HALF
        flags |= NEXT_ORIGINAL_KNOWN
    elif packets.shape[i] & HAS_ICMP != 0:
        positions = np.int64(packets.icmp_code[i])
    memory = (answer >> ANSWER_STATE & 0xFF) << STATE_BIT | flags << FLAGS_BIT
    memory |= (answer >> ANSWER_TIMEOUTS & 0xFFFF) << TIMEOUTS_BIT | admission
    words[at + np.uintp(TIMES)] = now_ms & LOW_HALF | (now_ms // 1000 & LOW_HALF) << 32
    words[at + np.uintp(POSITIONS)] = positions
    words[at + np.uintp(MEMORY)] = memory
    flows.weight[owner] += weight
    expires_ms = now_ms + timeout_in(flows.timeouts_ms, memory)
    appoint(flows.links, flows.wheel, entry, now_ms, expires_ms)
    return entry


@inlined
def flow_about(flows: Flows, rows: Rows, at: int, now_ms: int) -> int:
    """Return the living record that an ICMP error is about; 0 is none."""
    quoted, last, four = rows.quoted, rows.last_words[at], 4 * at
    w0, w1, w2, w3 = quoted[four], quoted[four + 1], quoted[four + 2], quoted[four + 3]
    tag = hash_of(flows.secret, w0, w1, w2, w3, last)
    home = home_of(np.int64(flows.control[BITS]), np.int64(flows.control[FRONTIER]), tag)
    entry = np.int64(find(flows.index, flows.words, home, tag, w0, w1, w2, w3, last))
    if entry == 0:
        return 0
    memory = memory_of(flows.words, entry)
    alive = idle_of(flows.words, entry, now_ms) < timeout_in(flows.timeouts_ms, memory)
    return entry if alive else 0


@inlined
def judge(
    flows: Flows,
    packets: Packets,
    rows: Rows,
    out: DecisionColumns,
    settings: I8,
    i: int,
    at: int,
    entry: int,
    before: int,
    now_ms: int,
) -> int:
    """Take steps 10 to 13 for a packet that no living entry accepts.

    `entry` and `before` are an entry of its key that has expired or is finished, and its state
    if it is alive, or 0. The result is 0, or why nothing is done.
    """
    answer = np.int64(rows.answers[at])
    if answer == 0:
        return TO_ASK
    egress = packets.direction[i] == 1
    out.entry[i] = -1
    # 10
    if answer & IS_ABOUT != 0:
        about = flow_about(flows, rows, at, now_ms) if answer & ABOUT_HAS_KEY != 0 else 0
        if answer & chosen_pass(about) != 0:
            state = state_in(memory_of(flows.words, about))
            leave_classes(out, i)
            finish(out, i, 1, _RELATED, state, state, egress)
            return 0
    reason, after = answer & 0xFF, before
    tag, last = np.int64(rows.tags[at]), rows.last_words[at]
    if reason == _NEW:
        # 12c
        owner = np.int64(last >> np.uint64(32)) & OWNER
        taken = np.int64(flows.weight[owner]) + (answer >> ANSWER_WEIGHT & 3)
        if entry != 0:
            taken -= weight_in(memory_of(flows.words, entry))
        if 0 <= flows.allowance[owner] < taken:
            reason = _ALLOWANCE_EXCEEDED
        else:
            after = answer >> ANSWER_STATE & 0xFF
            if out.acl_rule_number[i] >= -1 and entry == 0 and not has_room(flows.control):
                return FULL
    refused = reason in (_NO_MATCHING_RULE, _INVALID, _ALLOWANCE_EXCEEDED)
    accepted = 0 if refused else 1
    if finish(out, i, accepted, reason, before, after, egress) and reason == _NEW:
        admission = np.int64(settings[ADMISSIONS]) + np.int64(packets.interface[i])
        act = np.int64(rows.acts[at])
        made = make(flows, packets, i, entry, tag, last, answer, act, admission, now_ms)
        if made == 0:
            return NO_SLOT
        out.entry[i] = made
    return 0


@inlined
def chosen_pass(about: int) -> int:
    """Return the bit which says that an error passes that is about this record; 0 is none."""
    return PASSES_WITH_ENTRY if about != 0 else PASSES_WITHOUT


@inlined
def leave_classes(out: DecisionColumns, i: int) -> None:
    """Take back what `ask` has written: no rule had a say."""
    out.address_class[i] = -1
    out.port_class[i] = -1


@inlined
def look_up(flows: Flows, packets: Packets, rows: Rows, i: int, at: int) -> int:
    """Return the record of a packet's key, dead or alive; 0 is none."""
    egress = packets.direction[i] == 1
    from_lo, from_hi = packets.source_lo[i], packets.source_hi[i]
    to_lo, to_hi = packets.destination_lo[i], packets.destination_hi[i]
    w0, w1 = from_lo if egress else to_lo, from_hi if egress else to_hi
    w2, w3 = to_lo if egress else from_lo, to_hi if egress else from_hi
    last, likely, tag = rows.last_words[at], np.int64(rows.entries[at]), np.int64(rows.tags[at])
    if (
        likely != 0
        and is_named(flows.words, likely, w0, w1, w2, w3, last)
        and state_in(memory_of(flows.words, likely)) != 0
    ):
        return likely
    home = home_of(np.int64(flows.control[BITS]), np.int64(flows.control[FRONTIER]), tag)
    return find(flows.index, flows.words, home, tag, w0, w1, w2, w3, last)


@inlined
def follow(
    flows: Flows,
    machine: Machine,
    packets: Packets,
    out: DecisionColumns,
    i: int,
    act: int,
    entry: int,
    now_ms: int,
) -> None:
    """Take steps 9 and 13 for a packet of an entry that lives."""
    words = flows.words
    line = np.uintp(entry << 3)
    memory = memory_of(words, entry)
    state, known = state_in(memory), flags_in(memory)
    direction = act >> ACT_EGRESS & 1
    side = direction ^ (known & OPENED_EGRESS)
    shape, flags = np.int64(packets.shape[i]), np.int64(packets.tcp_flags[i])
    positions = np.int64(words[line + np.uintp(POSITIONS)])
    event = np.int64(machine.events[act >> ACT_EVENT & 0x1FF])
    if is_reset(shape, flags) and not reset_is_exact(
        positions,
        known,
        state,
        side,
        flags,
        np.int64(packets.sequence[i]),
        np.int64(packets.acknowledgement[i]),
    ):
        event = np.int64(STRAY_EVENT)
    after = state_after(machine.transitions, side, event, state)
    out.entry[i] = -1
    if not finish(out, i, 1, _ESTABLISHED, state, after, direction == 1):
        return
    out.entry[i] = entry
    if after == 0:
        remove(flows, entry)
        return
    ahead = (act - (positions >> (32 * side))) & LOW_HALF
    if moves(machine.handshake, act, known, state, side, ahead):
        words[line + np.uintp(POSITIONS)] = moved(positions, side, ahead)
        memory |= (NEXT_ORIGINAL_KNOWN << side) << FLAGS_BIT
    renew(flows, entry, memory, state, after, now_ms)


@inlined
def renew(flows: Flows, entry: int, memory: int, state: int, after: int, now_ms: int) -> None:
    """Note that a record was used now, and its new state; look at it earlier if it may be."""
    words, line = flows.words, np.uintp(entry << 3)
    created = words[line + np.uintp(TIMES)] >> np.uint64(32)
    words[line + np.uintp(TIMES)] = created << np.uint64(32) | np.uint64(now_ms & LOW_HALF)
    words[line + np.uintp(MEMORY)] = memory ^ (state ^ after) << STATE_BIT
    if after != state:
        timeouts = memory >> TIMEOUTS_BIT & 0xFFFF
        after_ms = idle_timeout(flows.timeouts_ms, timeouts, after)
        if after_ms < idle_timeout(flows.timeouts_ms, timeouts, state):
            unlink(flows.links, flows.wheel, entry)
            appoint(flows.links, flows.wheel, entry, now_ms, now_ms + after_ms)


@inlined
def settle(
    flows: Flows,
    firsts: Firsts,
    machine: Machine,
    packets: Packets,
    rows: Rows,
    out: DecisionColumns,
    settings: I8,
    i: int,
    at: int,
    now_ms: int,
) -> int:
    """Decide a packet that is not as `expect` expects; the result is that of `judge`."""
    tag, shape = np.int64(rows.tags[at]), np.int64(packets.shape[i])
    remembered = shape & (FIRST_FRAGMENT | MALFORMED) == FIRST_FRAGMENT
    if remembered and is_full(firsts):
        return FULL
    if tag <= DECIDED:
        out.entry[i] = -1
        out.state_before[i] = 0
        out.state_after[i] = 0
    if tag == LATER:
        recall(firsts, flows.secret, packets, i, out, settings[BATCH], now_ms)
    elif tag != DECIDED:
        entry = np.int64(look_up(flows, packets, rows, i, at)) if tag >= 0 else 0
        before, is_theirs = 0, False
        if entry != 0:
            memory = memory_of(flows.words, entry)
            if idle_of(flows.words, entry, now_ms) < timeout_in(flows.timeouts_ms, memory):
                before = state_in(memory)
                flags = np.int64(packets.tcp_flags[i])
                is_theirs = before != _TIME_WAIT or not is_bare_syn(shape, flags)
        if is_theirs:
            leave_classes(out, i)
            follow(flows, machine, packets, out, i, np.int64(rows.acts[at]), entry, now_ms)
        else:
            why = judge(flows, packets, rows, out, settings, i, at, entry, before, now_ms)
            if why != 0:
                return why
    if remembered:
        remember(firsts, flows.secret, packets, i, out, settings[BATCH], now_ms)
    return 0


@inlined
def leave_undecided(out: DecisionColumns, i: int, reason: int) -> None:
    """Take back what has been written of a packet that is decided at no interface."""
    out.accepted[i] = 0
    out.reason[i] = reason
    leave_classes(out, i)
    out.acl_rule_number[i] = -1
    out.entry[i] = -1
    out.state_before[i] = 0
    out.state_after[i] = 0
    out.logged[i] = 0


@kernel
def decide(
    flows: Flows,
    firsts: Firsts,
    machine: Machine,
    packets: Packets,
    rows: Rows,
    mine: I4,
    out: DecisionColumns,
    settings: I8,
    marks: U1,
    begin: int,
    start: int,
    stop: int,
) -> int:
    """Decide rows of a chunk, in order, after all other stages.

    Parameters
    ----------
    mine : int32, shape (CHUNK + FAR,)
        Which rows of the chunk: those from place `start` to before `stop`.
    marks : uint8
        Of each row, or none: ROWS_FOLLOW for one that is decided only if the row before it was
        accepted, AT_NONE for a malformed packet that is rejected at no interface.
    begin : int
        The first row of the chunk.

    Returns
    -------
    int
        The place to go on with: `stop`, or one where `settings[WHY]` says why it stopped there.

    """
    index, words, timeouts_ms = flows.index, flows.words, flows.timeouts_ms
    control = flows.control
    bits, frontier = np.int64(control[BITS]), np.int64(control[FRONTIER])
    marked = marks.shape[0] > 0
    now_ms, back = np.int64(control[NOW_MS]), np.int64(0)
    boundary_ms = (now_ms // 1000 + 1) * 1000
    reached = stop
    for number in range(start, stop):
        at, far = np.uintp(mine[np.uintp(number)]), np.uintp(mine[np.uintp(number + FAR)])
        row = begin + np.int64(at)
        i = np.uintp(row)
        ahead = np.int64(rows.entries[far])
        prefetch(words, ahead << 3)
        if ahead == 0:
            prefetch(index, home_of(bits, frontier, max(0, np.int64(rows.tags[far]))))
        tag = np.int64(rows.tags[at])
        if tag == NOWHERE:
            leave_undecided(out, row, _MALFORMED if marked and marks[i] == AT_NONE else 0)
            continue
        if marked and marks[i] == ROWS_FOLLOW and out.accepted[row - 1] == 0:
            leave_undecided(out, row, 0)
            continue
        time_ms = np.int64(packets.time_ms[i])
        if time_ms >= boundary_ms:
            reap(flows, now_ms, time_ms)
            boundary_ms = (time_ms // 1000 + 1) * 1000
        late = np.int64(time_ms < now_ms)
        back += late
        now_ms = max(now_ms, time_ms)
        # 9, as nearly always
        entry, act = np.int64(rows.entries[at]), np.int64(rows.acts[at])
        line = np.uintp(entry << 3)
        egress = act >> ACT_EGRESS & 1
        swap = np.uint64(0 - egress)
        differ_lo = (packets.source_lo[i] ^ packets.destination_lo[i]) & swap
        differ_hi = (packets.source_hi[i] ^ packets.destination_hi[i]) & swap
        other = words[line] ^ packets.destination_lo[i] ^ differ_lo
        other |= words[line + np.uintp(1)] ^ packets.destination_hi[i] ^ differ_hi
        other |= words[line + np.uintp(2)] ^ packets.source_lo[i] ^ differ_lo
        other |= words[line + np.uintp(3)] ^ packets.source_hi[i] ^ differ_hi
        other |= words[line + np.uintp(4)] ^ rows.last_words[at]
        times = np.int64(words[line + np.uintp(TIMES)])
        positions = np.int64(words[line + np.uintp(POSITIONS)])
        memory = np.int64(words[line + np.uintp(MEMORY)])
        state, known = state_in(memory), flags_in(memory)
        side = egress ^ (known & OPENED_EGRESS)
        event = np.int64(machine.events[np.uintp(act >> ACT_EVENT & 0x1FF)])
        after = state_after(machine.transitions, side, event, state)
        usual = (other == 0) & ((now_ms - times) & LOW_HALF < timeout_in(timeouts_ms, memory))
        usual &= (tag >= 0) & (out.acl_rule_number[i] >= -1) & (rows.answers[at] == 0)
        usual &= (act >> ACT_UNUSUAL == 0) & (after != 0)
        usual &= (state != _TIME_WAIT) | (act >> ACT_BARE_SYN & 1 == 0)
        if not usual:
            why = settle(
                flows, firsts, machine, packets, rows, out, settings, row, row - begin, now_ms
            )
            if why != 0:
                settings[WHY] = why
                back -= late
                reached = number
                break
            continue
        ahead = (act - (positions >> (32 * side))) & LOW_HALF
        out.entry[i] = entry
        out.state_before[i] = state
        out.state_after[i] = after
        # Written in any case: whether a packet is ahead is nobody's guess.
        further = moves(machine.handshake, act, known, state, side, ahead)
        positions = moved(positions, side, chosen(further, ahead, 0))
        words[line + np.uintp(POSITIONS)] = positions
        memory |= chosen(further, NEXT_ORIGINAL_KNOWN << side, 0) << FLAGS_BIT
        words[line + np.uintp(MEMORY)] = memory
        words[line + np.uintp(TIMES)] = times & ~LOW_HALF | now_ms & LOW_HALF
        if after != state:
            renew(flows, entry, memory, state, after, now_ms)
    control[NOW_MS] = now_ms
    control[STEPPED_BACK] += back
    return reached
