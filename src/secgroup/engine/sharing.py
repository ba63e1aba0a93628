"""What several cores tell each other of the rows of a batch that they decide together.

Owns the memory for it. Who does what with it is `engine.cores`'s.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from secgroup.engine.layout import U1, DecisionColumns, Packets
from secgroup.engine.memory import zeros
from secgroup.engine.rows import CHUNK, FAR, Rows, empty_rows


class Room:
    """Memory for what the cores tell each other of the rows of a batch.

    Attributes
    ----------
    whose, times_ms : uint8 and int64, shape (n,)
        The core of each row, and the largest time so far of its chunk.
    entry, before, after : shape (cores * n,)
        Of each core, what it says of its rows: two cores that write to the same cache lines at the
        same time would wait for each other at every one of them.

    """

    def __init__(self, cores: int, count: int) -> None:
        self.count = count
        self.whose = np.zeros(count, dtype=np.uint8)
        self.times_ms = np.zeros(count, dtype=np.int64)
        self.entry = np.zeros(cores * count, dtype=np.int64)
        self.before = np.zeros(cores * count, dtype=np.uint8)
        self.after = np.zeros(cores * count, dtype=np.uint8)


class Chunk:
    """What is said of a chunk that one core looks over, and each decides its rows of.

    Attributes
    ----------
    rows : tuple of Rows
        For each core, the chunk's with columns of its own for what it writes.
    mine, counts
        As `kernels.cores.share` writes them.
    begin_ms, end_ms : int
        The clock before and after it.

    """

    def __init__(self, own: Sequence[Rows]) -> None:
        cores = len(own)
        self.looked = empty_rows()
        self.rows = tuple(
            self.looked._replace(
                entries=each.entries,
                answers=each.answers,
                quoted=each.quoted,
                listed=each.listed,
                seen=each.seen,
            )
            for each in own
        )
        self.mine = zeros((cores, CHUNK + FAR), np.int32)
        self.counts = zeros(cores, np.int64)
        self.begin_ms = self.end_ms = 0


class Task(NamedTuple):
    """A batch that is being decided.

    Attributes
    ----------
    packets, timed
        The columns as given, and at the times at which they are judged.
    outs : list of DecisionColumns
        `out` for each core, with columns of its own for what it says of every row.
    now_ms : int
        The clock before.

    """

    packets: Packets
    quotes: Packets
    marks: U1
    timed: Packets
    out: DecisionColumns
    outs: list[DecisionColumns]
    now_ms: int
