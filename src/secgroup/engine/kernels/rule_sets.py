"""The number of the list of rules that each decision's pair of classes stands for."""

import numpy as np

from secgroup.engine.kernels import kernel
from secgroup.engine.layout import I4, I8, DecisionColumns, Packets


@kernel
def number_pairs(
    pairs: I4,
    tables: I4,
    packets: Packets,
    decisions: DecisionColumns,
    out: I4,
    unknown: I8,
    begin: int,
    end: int,
) -> int:
    """Write the number of each decision's list, 0 where no rule was asked.

    Parameters
    ----------
    pairs : int32, shape (a power of two, 4)
        Hash of what is known: table << 2 | direction << 1 | is IPv6, address class, port class,
        number + 1 (0: nothing here).
    tables : int32
        The rule table of each interface.
    unknown : int64, shape (5,)
        Where it stops: table, direction, family and classes that are not known.

    Returns
    -------
    int
        The first row that is not numbered, or `end`.

    """
    mask = pairs.shape[0] - 1
    last_name, last_address, last_port, last = -1, -1, -1, 0
    for row in range(begin, end):
        place = np.int64(packets.interface[row])
        port_class = np.int64(decisions.port_class[row])
        if place < 0 or decisions.reason[row] == 0 or port_class < 0:
            out[row] = 0
            continue
        address_class = np.int64(decisions.address_class[row])
        table = np.int64(tables[place])
        direction = np.int64(packets.direction[row])
        family = np.int64(packets.family[row])
        name = table << 2 | direction << 1 | np.int64(family == 6)
        if name == last_name and address_class == last_address and port_class == last_port:
            out[row] = last
            continue
        slot = (name * 0x9E3779B1 + address_class * 0x85EBCA77 + port_class * 0xC2B2AE3D) >> 7
        slot &= mask
        while pairs[slot, 3] != 0 and not (
            pairs[slot, 0] == name
            and pairs[slot, 1] == address_class
            and pairs[slot, 2] == port_class
        ):
            slot = (slot + 1) & mask
        if pairs[slot, 3] == 0:
            unknown[0] = table
            unknown[1] = direction
            unknown[2] = family
            unknown[3] = address_class
            unknown[4] = port_class
            return row
        last_name, last_address, last_port = name, address_class, port_class
        last = np.int64(pairs[slot, 3]) - 1
        out[row] = last
    return end
