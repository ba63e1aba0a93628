"""Steps 10 to 12, as far as rules have a say: they are asked before any flow is looked at.

What they say does not depend on what is remembered, so that the loop which does needs no tables.
Read first: `reference/decide.py`, whose steps these are, and `rows.Rows.answers`.
"""

import numpy as np

from secgroup.decision import Reason
from secgroup.engine.kernels import inlined, kernel
from secgroup.engine.kernels.classify import (
    address_class,
    any_rule,
    is_open,
    is_open_class,
    port_class,
    tracked_weight,
    tracked_weight_of_class,
)
from secgroup.engine.kernels.examine import last_word, value_of
from secgroup.engine.kernels.screen import chosen
from secgroup.engine.kernels.step import is_bare_syn, opening_state
from secgroup.engine.layout import (
    FIRST_FRAGMENT,
    HAS_ICMP,
    HAS_PORTS,
    I8,
    LATER_FRAGMENT,
    U1,
    DecisionColumns,
    Packets,
)
from secgroup.engine.machine import Machine
from secgroup.engine.rows import (
    ABOUT_HAS_KEY,
    ANSWER_STATE,
    ANSWER_TIMEOUTS,
    ANSWER_WEIGHT,
    IS_ABOUT,
    LOOSE_TCP,
    NO_KEY,
    PASSES_WITH_ENTRY,
    PASSES_WITHOUT,
    RELATED_ICMP,
    STRICT_TCP,
    Rows,
)
from secgroup.engine.tables import Tables

_NO_MATCHING_RULE = int(Reason.NO_MATCHING_RULE)
_UNTRACKED = int(Reason.UNTRACKED)
_MIDSTREAM = int(Reason.MIDSTREAM)
_NEW = int(Reason.NEW)
_INVALID = int(Reason.INVALID)
_TCP = 6


@inlined
def is_untracked(
    tables: Tables,
    kinds: U1,
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
        return kinds[256 * (family == 6) + packets.icmp_type[i]] & 1 != 0
    if shape & HAS_PORTS == 0 or weight > 0:
        return False
    if opened:
        return True
    if protocol == _TCP and is_bare_syn(shape, np.int64(packets.tcp_flags[i])):
        return False
    return is_open(tables, table, 1 - direction, family, protocol, np.int64(packets.source_port[i]))


@inlined
def is_about(machine: Machine, packets: Packets, quotes: Packets, i: int) -> bool:
    """Tell whether an ICMP message is an error about the packet that it quotes."""
    q = np.int64(packets.quote[i])
    if q < 0 or packets.shape[i] & HAS_ICMP == 0:
        return False
    six = 256 * (packets.family[i] == 6)
    if machine.icmp_errors[six + packets.icmp_type[i]] == 0:
        return False
    if packets.shape[i] & FIRST_FRAGMENT != 0 or quotes.family[q] != packets.family[i]:
        return False
    if quotes.shape[q] & HAS_ICMP != 0 and machine.icmp_errors[six + quotes.icmp_type[q]] != 0:
        return False
    return (
        packets.destination_lo[i] == quotes.source_lo[q]
        and packets.destination_hi[i] == quotes.source_hi[q]
    )


@inlined
def is_path_mtu(packets: Packets, i: int) -> bool:
    """Tell the errors whose delivery AWS documents."""
    kind = np.int64(packets.icmp_type[i])
    if packets.family[i] == 6:
        return kind == 2
    return kind == 3 and packets.icmp_code[i] == 4


@inlined
def quoted_is_untracked(
    tables: Tables, machine: Machine, quotes: Packets, q: int, way: int, table: int, weight: int
) -> bool:
    """Tell whether the rules admit a quoted packet as one of an untracked flow."""
    if quotes.shape[q] & LATER_FRAGMENT != 0:
        return False
    family, protocol = np.int64(quotes.family[q]), np.int64(quotes.protocol[q])
    value = np.int64(value_of(quotes, q))
    hi = quotes.destination_hi[q] if way == 1 else quotes.source_hi[q]
    lo = quotes.destination_lo[q] if way == 1 else quotes.source_lo[q]
    addresses = np.int64(address_class(tables, table, way, family, hi, lo))
    ports = np.int64(port_class(tables, table, way, family, protocol, value))
    if not any_rule(tables, table, way, family, addresses, ports):
        return False
    opened = quotes.shape[q] & HAS_PORTS != 0 and is_open_class(
        tables, table, way, family, protocol, ports
    )
    return is_untracked(tables, machine.icmp_kinds, quotes, q, way, table, weight, opened)


@inlined
def ask_about(
    tables: Tables,
    machine: Machine,
    packets: Packets,
    quotes: Packets,
    settings: I8,
    i: int,
    at: int,
    rows: Rows,
) -> int:
    """Name the flow that an ICMP error is about, and say when the error passes; bits of answers.

    Preconditions: `is_about`.
    """
    q = np.int64(packets.quote[i])
    facts = tables.interfaces[np.uintp(packets.interface[i])]
    table, way = np.int64(facts.table), 1 - np.int64(packets.direction[i])
    egress = way == 1
    from_lo, from_hi = quotes.source_lo[q], quotes.source_hi[q]
    to_lo, to_hi = quotes.destination_lo[q], quotes.destination_hi[q]
    rows.quoted[4 * at] = chosen(egress, from_lo, to_lo)
    rows.quoted[4 * at + 1] = chosen(egress, from_hi, to_hi)
    rows.quoted[4 * at + 2] = chosen(egress, to_lo, from_lo)
    rows.quoted[4 * at + 3] = chosen(egress, to_hi, from_hi)
    word = np.int64(last_word(machine.icmp_kinds, quotes, q, way, np.int64(facts.owner)))
    rows.last_words[at] = np.uint64(word)
    family = np.int64(packets.family[i])
    peer_hi, peer_lo = rows.quoted[4 * at + 3], rows.quoted[4 * at + 2]
    weight = np.int64(tracked_weight(tables, table, family, peer_hi, peer_lo))
    told = settings[RELATED_ICMP] != 0 or is_path_mtu(packets, i)
    answer = np.int64(IS_ABOUT)
    if word != NO_KEY:
        answer |= ABOUT_HAS_KEY
    if told and (settings[RELATED_ICMP] != 0 or weight != 0):
        answer |= PASSES_WITH_ENTRY
    if told and quoted_is_untracked(tables, machine, quotes, q, way, table, weight):
        answer |= PASSES_WITHOUT
    return answer


@inlined
def ask_one(
    tables: Tables,
    machine: Machine,
    packets: Packets,
    settings: I8,
    i: int,
    has_key: bool,
    out: DecisionColumns,
) -> int:
    """Take steps 11 and 12 but for the allowance.

    Returns
    -------
    int
        The reason; for NEW with the state of the entry, its weight and its set of timeouts.

    """
    row = np.uintp(i)
    direction = np.int64(packets.direction[row])
    family, protocol = np.int64(packets.family[row]), np.int64(packets.protocol[row])
    shape, flags = np.int64(packets.shape[row]), np.int64(packets.tcp_flags[row])
    # 11
    facts = tables.interfaces[np.uintp(packets.interface[row])]
    table = np.int64(facts.table)
    egress = direction == 1
    peer_lo = chosen(egress, packets.destination_lo[row], packets.source_lo[row])
    peer_hi = chosen(egress, packets.destination_hi[row], packets.source_hi[row])
    addresses = np.int64(address_class(tables, table, direction, family, peer_hi, peer_lo))
    value = np.int64(value_of(packets, i))
    ports = np.int64(port_class(tables, table, direction, family, protocol, value))
    out.address_class[row] = addresses
    out.port_class[row] = ports
    if not any_rule(tables, table, direction, family, addresses, ports):
        return _NO_MATCHING_RULE
    # 12a
    weight = np.int64(tracked_weight_of_class(tables, table, direction, family, addresses))
    opened = shape & HAS_PORTS != 0 and is_open_class(
        tables, table, direction, family, protocol, ports
    )
    if not has_key or is_untracked(
        tables, machine.icmp_kinds, packets, i, direction, table, weight, opened
    ):
        return _UNTRACKED
    # 12b
    state = np.int64(opening_state(machine.events, machine.transitions, shape, protocol, flags))
    if protocol == _TCP and not is_bare_syn(shape, flags):
        if settings[STRICT_TCP] != 0:
            return _INVALID
        if settings[LOOSE_TCP] == 0 or state == 0:
            return _MIDSTREAM
    # 12d, if 12c lets it
    made = state << ANSWER_STATE | max(1, weight) << ANSWER_WEIGHT
    return _NEW | made | np.int64(facts.timeouts) << ANSWER_TIMEOUTS


@kernel
def ask(
    tables: Tables,
    machine: Machine,
    packets: Packets,
    quotes: Packets,
    settings: I8,
    start: int,
    count: int,
    rows: Rows,
    out: DecisionColumns,
) -> None:
    """Ask the rules about listed rows of the chunk that begins at row `start`."""
    for number in range(count):
        at = np.int64(rows.listed[number])
        i = start + at
        tag = np.int64(rows.tags[at])
        answer = ask_one(tables, machine, packets, settings, i, tag != NO_KEY, out)
        if tag == NO_KEY and is_about(machine, packets, quotes, i):
            answer |= ask_about(tables, machine, packets, quotes, settings, i, at, rows)
        rows.answers[at] = answer
