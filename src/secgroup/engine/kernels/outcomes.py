"""What became of connections: outcomes, what let them pass, and what is counted besides.

What a decision does to a connection, `replay.connections` and `replay.summary` say; this is the
same, compiled. Read first: `observed`.
"""

import numpy as np

from secgroup.engine.columns import I4, I8
from secgroup.engine.kernels import inlined, kernel, prefetch
from secgroup.engine.layout import (
    HAS_ICMP,
    HAS_PORTS,
    HAS_TCP,
    DecisionColumns,
    Packets,
)
from secgroup.engine.observed import (
    A_HI,
    A_LO,
    ACCEPTED,
    ADOPTED,
    AFTER,
    AFTER_ACCEPTED,
    ANSWERED,
    B_HI,
    B_LO,
    CLOCK_MS,
    CONNECTION_WORDS,
    COUNT_CONNECTIONS,
    COUNT_OCTETS,
    COUNT_PACKETS,
    CREDITS_USED,
    DONE,
    ENTRIES,
    FIN_OF_A,
    FIN_OF_B,
    FIRST_FROM_B,
    IS_OVER,
    LAST_NS,
    LATE,
    LEG_CREDITS,
    LEG_JUDGED,
    LEG_NEXT,
    LEG_OPENED,
    LEG_PACKETS,
    LEG_PASSED_MS,
    LEG_PLACE,
    LEG_WORDS,
    LEGS,
    LEGS_USED,
    MARKS,
    NO_ROOM_FOR_CREDITS,
    NO_ROOM_FOR_ENTRIES,
    NO_ROOM_FOR_LEGS,
    NO_ROOM_FOR_REFUSALS,
    OCTETS,
    OPENER_REFUSED,
    PORTS,
    REFUSAL,
    REFUSALS,
    REFUSED_ACL,
    REFUSED_ACL_RULE,
    REFUSED_AFTER,
    REFUSED_BEFORE,
    REFUSED_DIRECTION,
    REFUSED_FRAME,
    REFUSED_INTERFACE,
    REFUSED_NS,
    REFUSED_PACKET,
    REFUSED_POLICY,
    REFUSED_REASON,
    REFUSED_RULES,
    STOP,
    Counted,
    Observed,
)

#: How many rows ahead the lines of connections are asked for.
AHEAD = 8

#: The state after which a TCP connection is over.
TIME_WAIT = 7

#: Reasons; those of BY_RULES say that the rules let the packet pass, and which.
ESTABLISHED = 8
UNTRACKED = 11
MIDSTREAM = 12
NEW = 14
BY_RULES = 1 << UNTRACKED | 1 << MIDSTREAM | 1 << NEW


@inlined
def pass_leg(
    observed: Observed,
    at: int,
    interface: int,
    direction: int,
    reason: int,
    rule_set: int,
) -> None:
    """Note that a packet of a connection has passed an interface.

    Preconditions: there is room for a leg.
    """
    state, records, legs = observed.state, observed.records, observed.legs
    low = np.int64(0xFFFFFFFF)
    leg = np.int64(records[at + LEGS])
    tail = np.int64(-1)
    while leg >= 0 and legs[leg + LEG_PLACE] & low != interface:
        tail = leg
        leg = np.int64(legs[leg + LEG_NEXT])
    if leg < 0:
        leg = np.int64(state[LEGS_USED]) * LEG_WORDS
        state[LEGS_USED] += 1
        legs[leg + LEG_PLACE] = interface | direction << 32
        legs[leg + LEG_OPENED] = 0
        legs[leg + LEG_JUDGED] = 0
        legs[leg + LEG_JUDGED + 1] = 0
        legs[leg + LEG_PACKETS] = 0
        legs[leg + LEG_CREDITS] = 0
        legs[leg + LEG_NEXT] = -1
        if tail < 0:
            records[at + LEGS] = leg
        else:
            legs[tail + LEG_NEXT] = leg
        adopted = np.int64(records[at + ADOPTED])
        while adopted >= 0 and legs[adopted + LEG_PLACE] & low != interface:
            adopted = np.int64(legs[adopted + LEG_NEXT])
        if adopted >= 0:
            legs[leg + LEG_OPENED] = legs[adopted + LEG_OPENED]
    if reason == NEW:
        legs[leg + LEG_OPENED] = rule_set
    elif BY_RULES >> reason & 1 != 0:
        legs[leg + LEG_JUDGED + direction] = rule_set
    legs[leg + LEG_PLACE] = legs[leg + LEG_PLACE] & 0x1FFFFFFFF | reason << 40
    legs[leg + LEG_PASSED_MS] = state[CLOCK_MS]
    legs[leg + LEG_PACKETS] += 1


@inlined
def count_entry(state: I8, entries: I8, name: int) -> None:
    """Count a packet for an entry of a network ACL. Preconditions: there is room."""
    mask = entries.shape[0] - 1
    place = (name * 0x9E3779B1 >> 15) & mask
    while entries[place, 0] != 0 and entries[place, 0] != name + 1:
        place = (place + 1) & mask
    if entries[place, 0] == 0:
        entries[place, 0] = name + 1
        state[ENTRIES] += 1
    entries[place, 1] += 1


@inlined
def tally(
    observed: Observed,
    counted: Counted,
    at: int,
    interface: int,
    direction: int,
    accepted: int,
    length: int,
    reason: int,
    rule_set: int,
) -> None:
    """Count a decision for its interface, and an accepted one for the rules it is owed to.

    Preconditions: there is room for a credit.
    """
    records, legs, kept = observed.records, observed.legs, observed.credits
    counts, rules = counted.interfaces, counted.rules
    which = 2 * direction + accepted
    counts[interface, COUNT_PACKETS + which] += 1
    counts[interface, COUNT_OCTETS + which] += length
    if at < 0 or accepted == 0:
        return
    leg = np.int64(records[at + LEGS])
    while leg >= 0 and legs[leg + LEG_PLACE] & 0xFFFFFFFF != interface:
        leg = np.int64(legs[leg + LEG_NEXT])
    if leg < 0:
        return
    if legs[leg + LEG_PACKETS] == 1:
        counts[interface, COUNT_CONNECTIONS] += 1
    owed = np.int64(0)
    if reason == ESTABLISHED:
        owed = np.int64(legs[leg + LEG_OPENED])
    elif BY_RULES >> reason & 1 != 0:
        owed = rule_set
    if owed <= 0:
        return
    rules[owed, 0] += 1
    word = np.int64(legs[leg + LEG_CREDITS])
    if word >> 32 == owed:
        return
    head = (word & 0xFFFFFFFF) - 1
    credit = head
    while credit >= 0 and kept[credit, 0] != owed:
        credit = np.int64(kept[credit, 1])
    if credit < 0:
        credit = np.int64(observed.state[CREDITS_USED])
        observed.state[CREDITS_USED] = credit + 1
        kept[credit, 0] = owed
        kept[credit, 1] = head
        head = credit
        rules[owed, 1] += 1
    legs[leg + LEG_CREDITS] = owed << 32 | head + 1


@kernel
def see(
    observed: Observed,
    counted: Counted,
    packets: Packets,
    decisions: DecisionColumns,
    frames: I8,
    times_ns: I8,
    connections: I8,
    rule_sets: I4,
    interfaces: I4,
    acls: I4,
    policy: int,
    begin: int,
    end: int,
) -> int:
    """Take note of what was decided about each frame.

    Parameters
    ----------
    connections : int64, shape (n,)
        As `number_connections` wrote them.
    rule_sets : int32, shape (n,)
    interfaces, acls : int32
        Row of the packets' interfaces -> number that lasts, and number of the network ACL.
    policy : int
        Which policy decided; stays with refusals.

    Returns
    -------
    int
        The first row that is not taken note of, or `end`; `observed.state[STOP]` says why.

    """
    state, records = observed.state, observed.records
    refusals, reasons = observed.refusals, counted.reasons
    state[STOP] = DONE
    row = begin
    while row < end:
        # Far ahead the connection's lines, less far the line of its first leg.
        if row + 2 * AHEAD < end and connections[row + 2 * AHEAD] > 0:
            ahead = (np.int64(connections[row + 2 * AHEAD]) - 1) * CONNECTION_WORDS
            prefetch(records, ahead)
            prefetch(records, ahead + LAST_NS)
        if row + AHEAD < end and connections[row + AHEAD] > 0:
            ahead = (np.int64(connections[row + AHEAD]) - 1) * CONNECTION_WORDS
            if records[ahead + LEGS] >= 0:
                prefetch(observed.legs, records[ahead + LEGS])
        behind = row + 1
        while behind < end and frames[behind] == frames[row]:
            behind += 1
        if packets.time_ms[row] > state[CLOCK_MS]:
            state[CLOCK_MS] = packets.time_ms[row]
        if decisions.reason[row] == 0:
            row = behind
            continue
        if (state[LEGS_USED] + behind - row) * LEG_WORDS > observed.legs.shape[0]:
            state[STOP] = NO_ROOM_FOR_LEGS
            return row
        if state[CREDITS_USED] + behind - row > observed.credits.shape[0]:
            state[STOP] = NO_ROOM_FOR_CREDITS
            return row
        if state[REFUSALS] == refusals.shape[0]:
            state[STOP] = NO_ROOM_FOR_REFUSALS
            return row
        if (state[ENTRIES] + behind - row) * 2 > counted.entries.shape[0]:
            state[STOP] = NO_ROOM_FOR_ENTRIES
            return row
        last = behind - 1
        at = (np.int64(connections[row]) - 1) * CONNECTION_WORDS
        if at >= 0:
            records[at + LAST_NS] = max(records[at + LAST_NS], times_ns[last])
            is_tracked = False
            ends = False
            for each in range(row, behind):
                place = np.int64(packets.interface[each])
                if decisions.accepted[each] != 0 and place >= 0:
                    pass_leg(
                        observed,
                        at,
                        np.int64(interfaces[place]),
                        np.int64(packets.direction[each]),
                        np.int64(decisions.reason[each]),
                        np.int64(rule_sets[each]),
                    )
                if decisions.state_before[each] != 0:
                    is_tracked = True
                    after = np.int64(decisions.state_after[each])
                    ends = ends or after in (0, TIME_WAIT)
            accepted = np.int64(decisions.accepted[last])
            marks = np.int64(records[at + MARKS])
            shape = np.int64(packets.shape[last])
            # Without a branch: half of the packets go either way.
            from_b = packets.source_hi[last] == np.uint64(records[at + B_HI])
            from_b &= packets.source_lo[last] == np.uint64(records[at + B_LO])
            is_same = records[at + A_HI] == records[at + B_HI]
            is_same &= records[at + A_LO] == records[at + B_LO]
            if records[at + REFUSAL] >= 0:
                records[at + AFTER] += 1
                records[at + AFTER_ACCEPTED] += accepted
            elif accepted != 0:
                records[at + ACCEPTED] += 1
                is_answer = (not is_same) & (from_b != (marks & FIRST_FROM_B != 0))
                marks |= ANSWERED & -np.int64(is_answer)
                records[at + MARKS] = marks
            elif records[at + ACCEPTED] > 0 and marks & IS_OVER != 0:
                records[at + LATE] += 1
            else:
                refusal = np.int64(state[REFUSALS])
                state[REFUSALS] = refusal + 1
                records[at + REFUSAL] = refusal
                packet = np.int64(shape & HAS_PORTS != 0) << 1
                packet |= np.int64(shape & HAS_ICMP != 0) << 2
                packet |= np.int64(packets.icmp_type[last]) << 8
                packet |= np.int64(packets.icmp_code[last]) << 16
                is_as_first = is_same or from_b == (marks & FIRST_FROM_B != 0)
                if is_as_first and marks & ANSWERED == 0:
                    place = np.int64(interfaces[packets.interface[last]])
                    leg = np.int64(records[at + LEGS])
                    while leg >= 0 and observed.legs[leg + LEG_PLACE] & 0xFFFFFFFF != place:
                        leg = np.int64(observed.legs[leg + LEG_NEXT])
                    packet |= OPENER_REFUSED if leg < 0 else 0
                if is_same and shape & HAS_PORTS != 0:
                    # Both ends have one address: the ports tell them apart.
                    port = np.int64(packets.source_port[last])
                    packet |= np.int64(port != records[at + PORTS] & 0xFFFF)
                else:
                    packet |= np.int64(from_b and not is_same)
                refusals[refusal, REFUSED_FRAME] = frames[last]
                refusals[refusal, REFUSED_NS] = times_ns[last]
                refusals[refusal, REFUSED_INTERFACE] = interfaces[packets.interface[last]]
                refusals[refusal, REFUSED_DIRECTION] = packets.direction[last]
                refusals[refusal, REFUSED_REASON] = decisions.reason[last]
                refusals[refusal, REFUSED_RULES] = rule_sets[last]
                refusals[refusal, REFUSED_ACL_RULE] = decisions.acl_rule_number[last]
                refusals[refusal, REFUSED_BEFORE] = decisions.state_before[last]
                refusals[refusal, REFUSED_AFTER] = decisions.state_after[last]
                refusals[refusal, REFUSED_PACKET] = packet
                refusals[refusal, REFUSED_POLICY] = policy
                refusals[refusal, REFUSED_ACL] = acls[packets.interface[last]]
            records[at + OCTETS] += np.int64(packets.length[last])
            if shape & HAS_TCP != 0 and accepted != 0:
                flags = np.int64(packets.tcp_flags[last])
                if is_tracked:
                    marks = marks & ~IS_OVER | (IS_OVER if ends else 0)
                else:
                    if flags & 0x01 != 0:
                        marks |= FIN_OF_B if from_b and not is_same else FIN_OF_A
                    both = FIN_OF_A | FIN_OF_B
                    if flags & 0x04 != 0 or marks & both == both:
                        marks |= IS_OVER
                records[at + MARKS] = marks
        for each in range(row, behind):
            accepted = np.int64(decisions.accepted[each])
            reasons[accepted, decisions.reason[each]] += 1
            place = np.int64(packets.interface[each])
            if place < 0:
                continue
            direction = np.int64(packets.direction[each])
            rule_number = np.int64(decisions.acl_rule_number[each])
            if rule_number >= 0:
                name = (np.int64(acls[place]) << 1 | direction) << 17 | rule_number
                count_entry(state, counted.entries, name)
            tally(
                observed,
                counted,
                at,
                np.int64(interfaces[place]),
                direction,
                accepted,
                np.int64(packets.length[each]),
                np.int64(decisions.reason[each]),
                np.int64(rule_sets[each]),
            )
        row = behind
    return end
