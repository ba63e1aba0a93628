"""Rows to cores, and their answers together again.

Who decides a row, `engine.cores` says; this is the same, compiled.
"""

import numpy as np

from secgroup.engine.kernels import kernel
from secgroup.engine.layout import (
    FIRST_FRAGMENT,
    HAS_QUOTE,
    I4,
    I8,
    MALFORMED,
    U1,
    DecisionColumns,
    Packets,
)


@kernel
def core_of(packets: Packets, i: int, cores: int) -> int:
    """Return whose a packet is: by its addresses, whichever of them is the source."""
    low = packets.source_lo[i] + packets.destination_lo[i]
    high = packets.source_hi[i] + packets.destination_hi[i]
    mixed = (low + high * np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xD6E8FEB86659FD93)
    return np.int64((mixed >> np.uint64(32)) * np.uint64(cores) >> np.uint64(32))


@kernel
def share(packets: Packets, quotes: Packets, now_ms: int, whose: U1, mine: I4, times_ms: I8) -> int:
    """Say which core decides each row, and at what time; return the time after the last one.

    Parameters
    ----------
    now_ms : int
        The clock; it shows the largest time so far.
    whose : uint8, shape (n,)
        Written: the core.
    mine : int32, shape (cores, n)
        Written: the interface, -1 for the rows of other cores.
    times_ms : int64, shape (n,)
        Written: the clock at each row.

    """
    cores = mine.shape[0]
    for i in range(packets.time_ms.shape[0]):
        shape = np.int64(packets.shape[i])
        # An error that is the first of several fragments is no error about a flow.
        if shape & (HAS_QUOTE | FIRST_FRAGMENT | MALFORMED) == HAS_QUOTE:
            core = core_of(quotes, np.int64(packets.quote[i]), cores)
        else:
            core = core_of(packets, i, cores)
        interface = packets.interface[i]
        if interface >= 0:
            now_ms = max(now_ms, np.int64(packets.time_ms[i]))
        times_ms[i] = now_ms
        whose[i] = core
        for each in range(cores):
            mine[each, i] = interface if each == core else -1
    return now_ms


@kernel
def join(
    whose: U1,
    core: int,
    cores: int,
    firsts: int,
    part: DecisionColumns,
    out: DecisionColumns,
    begin: int,
    end: int,
) -> None:
    """Copy the answers of one core's rows.

    Parameters
    ----------
    firsts : int
        How many first fragments of earlier batches stand before this core's.
    part, out : DecisionColumns
        They may be the same. Entries are numbered so that the rest by `cores` is the core.

    """
    for i in range(begin, end):
        if whose[i] != core:
            continue
        out.accepted[i] = part.accepted[i]
        out.reason[i] = part.reason[i]
        out.address_class[i] = part.address_class[i]
        out.port_class[i] = part.port_class[i]
        out.acl_rule_number[i] = part.acl_rule_number[i]
        entry = np.int64(part.entry[i])
        out.entry[i] = entry * cores + core if entry >= 0 else entry
        out.state_before[i] = part.state_before[i]
        out.state_after[i] = part.state_after[i]
        out.logged[i] = part.logged[i]
        first = np.int64(part.first[i])
        out.first[i] = first - firsts if first < -1 else first
