"""Rows to cores, and what they say together again.

Who decides a row, `engine.cores` says; this is the same, compiled.
"""

import numpy as np

from secgroup.engine.kernels import inlined, kernel
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
    packets: Packets,
    quotes: Packets,
    now_ms: int,
    start: int,
    stop: int,
    mine: I4,
    counts: I8,
    whose: U1,
    times_ms: I8,
) -> int:
    """Say of the rows of a chunk which core decides each, and when; return the last time.

    Parameters
    ----------
    now_ms : int
        The clock, which shows the largest time so far: at the beginning of the batch.
    mine : int32, shape (cores, CHUNK + FAR)
        Written: the rows of each core, counted from the first one of the chunk, in their order.
    counts : int64, shape (cores,)
        Written: how many those are.
    whose, times_ms : uint8 and int64, of the batch
        Written: the core of each row, and the largest time of the chunk so far.

    """
    cores = mine.shape[0]
    for core in range(cores):
        counts[core] = 0
    for row in range(start, stop):
        i = np.uintp(row)
        shape = np.int64(packets.shape[i])
        # An error that is the first of several fragments is no error about a flow.
        if shape & (HAS_QUOTE | FIRST_FRAGMENT | MALFORMED) == HAS_QUOTE:
            core = core_of(quotes, np.uintp(packets.quote[i]), cores)
        else:
            core = core_of(packets, i, cores)
        if packets.interface[i] >= 0:
            now_ms = max(now_ms, np.int64(packets.time_ms[i]))
        times_ms[i] = now_ms
        whose[i] = core
        place = np.uintp(core)
        count = np.uintp(counts[place])
        mine[place, count] = row - start
        counts[place] = count + np.uintp(1)
    return now_ms


@kernel
def join(
    packets: Packets,
    times_ms: I8,
    now_ms: int,
    whose: U1,
    cores: int,
    entry: I8,
    before: U1,
    after: U1,
    start: int,
    stop: int,
    out: DecisionColumns,
) -> int:
    """Write what each core keeps to itself while it decides; count the packets that came late.

    Parameters
    ----------
    now_ms : int
        The clock at row `start`.
    entry, before, after : shape (cores * n,)
        Of each core, `entry`, `state_before` and `state_after` of its rows.
    out : DecisionColumns
        Entries are numbered so that the rest by `cores` is the core.

    """
    count = whose.shape[0]
    late = np.int64(0)
    for row in range(start, stop):
        i = np.uintp(row)
        core = np.int64(whose[i])
        at = np.uintp(core * count + row)
        number = np.int64(entry[at])
        out.entry[i] = number * cores + core if number >= 0 else number
        out.state_before[i] = before[at]
        out.state_after[i] = after[at]
        is_late = packets.time_ms[i] < max(now_ms, np.int64(times_ms[i]))
        late += is_late & (packets.interface[i] >= 0) & (out.reason[i] != 0)
    return late
