"""The memory of first fragments: their answers for kernels, and the packets themselves.

Owns the arrays of `layout.Firsts`, and copies of the packets, which explain the later ones.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from secgroup.engine.kernels.fragment import forget, rechain
from secgroup.engine.layout import (
    FIRST_BATCH,
    FIRST_ROW,
    FIRST_WORDS,
    I8,
    U8,
    Firsts,
    Packets,
    empty_packets,
)

_FIRST_ROWS = 1 << 10


class FirstStore:
    """A ring of first fragments and their answers.

    Attributes
    ----------
    firsts : Firsts
        For kernels. Another tuple after `make_room`.

    """

    def __init__(self, secret: U8) -> None:
        self._secret = secret
        self.firsts = _empty(_FIRST_ROWS)
        self._packets = empty_packets(_FIRST_ROWS)
        self._kept_to = 0

    def __len__(self) -> int:
        """Count what is remembered."""
        return int(self.firsts.ends[1] - self.firsts.ends[0])

    @property
    def _size(self) -> int:
        return len(self.firsts.rows) // FIRST_WORDS

    def _places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return rows & (self._size - 1)

    def _words(self, firsts: Firsts) -> I8:
        """Return what is remembered, a line for each place. A view."""
        return firsts.rows.reshape(-1, FIRST_WORDS)

    def _rows(self) -> NDArray[np.int64]:
        return np.arange(self.firsts.ends[0], self.firsts.ends[1])

    def forget(self, now_ms: int) -> None:
        """Give up what is too old. Only between batches: decisions refer to what is kept."""
        if len(self):
            forget(self.firsts, now_ms)

    def decided_in(self) -> list[int]:
        """Return the number of the batch of everything that is remembered, the oldest first."""
        places = self._places(self._rows())
        found: list[int] = self._words(self.firsts)[places, FIRST_BATCH].tolist()
        return found

    def batches(self) -> Iterable[int]:
        """Return the numbers of the batches whose answers are remembered."""
        places = self._places(self._rows())
        return [int(each) for each in np.unique(self._words(self.firsts)[places, FIRST_BATCH])]

    def make_room(self) -> None:
        """Make room for at least one more."""
        if len(self) + 1 < self._size:
            return
        rows = self._rows()
        old, packets, places = self.firsts, self._packets, self._places(rows)
        size = 2 * self._size
        self.firsts = _empty(size)
        self._packets = empty_packets(size)
        new = self._places(rows)
        self._words(self.firsts)[new] = self._words(old)[places]
        for title, before in packets._asdict().items():
            getattr(self._packets, title)[new] = before[places]
        self.firsts.ends[:] = old.ends
        rechain(self.firsts, self._secret)

    def keep_packets(self, packets: Packets, batch: int) -> None:
        """Copy the first fragments of a batch that has been decided."""
        rows = np.arange(max(self._kept_to, int(self.firsts.ends[0])), self.firsts.ends[1])
        self._kept_to = int(self.firsts.ends[1])
        places = self._places(rows)
        words = self._words(self.firsts)[places]
        assert (words[:, FIRST_BATCH] == batch).all()
        of = words[:, FIRST_ROW]
        for title, given in packets._asdict().items():
            getattr(self._packets, title)[places] = given[of]

    def take(self, rows: NDArray[np.int64]) -> tuple[Packets, list[int]]:
        """Return copies of packets, without quotes, and the batches they came in, by their rows."""
        places = self._places(rows)
        packets = Packets._make(column[places] for column in self._packets)
        packets.quote.fill(-1)
        return packets, self._words(self.firsts)[places, FIRST_BATCH].tolist()

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return everything that is remembered, for a snapshot: copies, the oldest row first."""
        places = self._places(self._rows())
        packets = self._packets._asdict()
        return {"words": self._words(self.firsts)[places].reshape(-1)} | {
            title: column[places] for title, column in packets.items()
        }

    def enter(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Remember what `columns` returned. Preconditions: nothing is remembered yet."""
        count = len(columns["words"]) // FIRST_WORDS
        rows = _FIRST_ROWS
        while rows <= count + 1:
            rows *= 2
        self.firsts, self._packets = _empty(rows), empty_packets(rows)
        self.firsts.rows[: len(columns["words"])] = columns["words"]
        for title, column in self._packets._asdict().items():
            column[:count] = columns[title]
        self.firsts.ends[1] = self._kept_to = count
        rechain(self.firsts, self._secret)


def _empty(rows: int) -> Firsts:
    return Firsts(
        heads=np.zeros(2 * rows, dtype=np.int64),
        rows=np.zeros(FIRST_WORDS * rows, dtype=np.int64),
        ends=np.zeros(2, dtype=np.int64),
    )
