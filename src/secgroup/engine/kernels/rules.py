"""Steps 10 to 12: what the rules, and flows that errors are about, say of a packet.

Read first: `reference/decide.py`, whose steps these are.
"""

import numpy as np

from secgroup.decision import Reason
from secgroup.engine.kernels import kernel
from secgroup.engine.kernels.classify import (
    address_class,
    any_rule,
    is_open,
    is_open_class,
    port_class,
    tracked_weight,
    tracked_weight_of_class,
)
from secgroup.engine.kernels.screen import chosen, last_word, value_of
from secgroup.engine.kernels.step import is_bare_syn, opening_state
from secgroup.engine.kernels.track import (
    find,
    hash_of,
    home_of,
    idle_of,
    timeout_of,
    weight_of,
)
from secgroup.engine.layout import (
    BITS,
    FIRST_FRAGMENT,
    FRONTIER,
    HAS_ICMP,
    HAS_PORTS,
    I8,
    LATER_FRAGMENT,
    LOOSE_TCP,
    NO_KEY,
    NOW_MS,
    RELATED_ICMP,
    STRICT_TCP,
    DecisionColumns,
    Flows,
    Packets,
)
from secgroup.engine.machine import (
    Machine,
)
from secgroup.engine.tables import Tables

_NO_MATCHING_RULE = int(Reason.NO_MATCHING_RULE)
_UNTRACKED = int(Reason.UNTRACKED)
_MIDSTREAM = int(Reason.MIDSTREAM)
_ALLOWANCE_EXCEEDED = int(Reason.ALLOWANCE_EXCEEDED)
_NEW = int(Reason.NEW)
_INVALID = int(Reason.INVALID)
_TCP = 6


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
