"""Rows to cores, and their answers together again.

Who decides a row, `engine.cores` says; this is the same, compiled. Rows are copied to where they
are decided: to step over another core's costs more, because nothing foretells whose one is.
"""

import numpy as np

from secgroup.engine.kernels import inlined, kernel
from secgroup.engine.kernels.place import copy_row
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


@inlined
def core_of(packets: Packets, i: int, cores: int) -> int:
    """Return whose a packet is: by its addresses, whichever of them is the source."""
    low = packets.source_lo[i] + packets.destination_lo[i]
    high = packets.source_hi[i] + packets.destination_hi[i]
    mixed = (low + high * np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xD6E8FEB86659FD93)
    return np.int64((mixed >> np.uint64(32)) * np.uint64(cores) >> np.uint64(32))


@kernel
def share(
    packets: Packets, quotes: Packets, now_ms: int, rows: I4, counts: I8, times_ms: I8
) -> int:
    """Say which core decides each row, and at what time; return the time after the last one.

    Parameters
    ----------
    now_ms : int
        The clock; it shows the largest time so far.
    rows : int32, shape (cores, n)
        Written: the rows of each core, in their order.
    counts : int64, shape (cores,)
        Written: how many those are.
    times_ms : int64, shape (n,)
        Written: the clock at each row.

    """
    cores = rows.shape[0]
    for core in range(cores):
        counts[core] = 0
    for i in range(packets.time_ms.shape[0]):
        shape = np.int64(packets.shape[i])
        # An error that is the first of several fragments is no error about a flow.
        if shape & (HAS_QUOTE | FIRST_FRAGMENT | MALFORMED) == HAS_QUOTE:
            core = core_of(quotes, np.int64(packets.quote[i]), cores)
        else:
            core = core_of(packets, i, cores)
        if packets.interface[i] >= 0:
            now_ms = max(now_ms, np.int64(packets.time_ms[i]))
        times_ms[i] = now_ms
        rows[core, counts[core]] = i
        counts[core] += 1
    return now_ms


@kernel
def gather(
    packets: Packets, marks: U1, times_ms: I8, rows: I4, part: Packets, part_marks: U1
) -> None:
    """Copy one core's rows.

    Parameters
    ----------
    marks : uint8, shape (n,) or (0,)
    rows : int32
        Of this core, all of them.
    part, part_marks
        Written from row 0 on; `part_marks` only if there are marks.

    """
    marked = marks.shape[0] > 0
    for k in range(rows.shape[0]):
        i = np.int64(rows[k])
        copy_row(packets, i, part, k)
        part.time_ms[k] = times_ms[i]
        part.interface[k] = packets.interface[i]
        part.direction[k] = packets.direction[i]
        if marked:
            part_marks[k] = marks[i]


@kernel
def scatter(
    part: DecisionColumns,
    rows: I4,
    core: int,
    cores: int,
    firsts: int,
    begin: int,
    end: int,
    out: DecisionColumns,
) -> None:
    """Copy one core's answers to where their rows are.

    Parameters
    ----------
    rows : int32
        Of this core; those from `begin` to before `end` are copied.
    firsts : int
        How many first fragments of earlier batches stand before this core's.
    out : DecisionColumns
        Entries are numbered so that the rest by `cores` is the core.

    """
    for k in range(begin, end):
        i = np.int64(rows[k])
        out.accepted[i] = part.accepted[k]
        out.reason[i] = part.reason[k]
        out.address_class[i] = part.address_class[k]
        out.port_class[i] = part.port_class[k]
        out.acl_rule_number[i] = part.acl_rule_number[k]
        entry = np.int64(part.entry[k])
        out.entry[i] = entry * cores + core if entry >= 0 else entry
        out.state_before[i] = part.state_before[k]
        out.state_after[i] = part.state_after[k]
        out.logged[i] = part.logged[k]
        first = np.int64(part.first[k])
        if first >= 0:
            first = np.int64(rows[first])
        elif first < -1:
            first -= firsts
        out.first[i] = first
