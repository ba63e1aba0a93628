"""The memory of first fragments: their answers for kernels, and the packets themselves.

Owns the arrays of `layout.Firsts`, and copies of the packets, which explain the later ones.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from secgroup.engine.kernels.fragment import forget, rechain
from secgroup.engine.layout import U8, Firsts, Packets, empty_packets
from secgroup.errors import InputError

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

    def _places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return rows & (len(self.firsts.chain) - 1)

    def _rows(self) -> NDArray[np.int64]:
        return np.arange(self.firsts.ends[0], self.firsts.ends[1])

    def forget(self, now_ms: int) -> None:
        """Give up what is too old. Only between batches: decisions refer to what is kept."""
        if len(self):
            forget(self.firsts, now_ms)

    def batches(self) -> Iterable[int]:
        """Return the numbers of the batches whose answers are remembered."""
        return [int(each) for each in np.unique(self.firsts.batch[self._places(self._rows())])]

    def make_room(self) -> None:
        """Make room for at least one more."""
        if len(self) < len(self.firsts.chain):
            return
        rows = self._rows()
        old, packets, places = self.firsts, self._packets, self._places(rows)
        self.firsts = _empty(2 * len(old.chain))
        self._packets = empty_packets(2 * len(old.chain))
        new = self._places(rows)
        self.firsts.names.reshape(-1, 6)[new] = old.names.reshape(-1, 6)[places]
        for title in Firsts._fields:
            if title not in ("heads", "chain", "names", "ends"):
                getattr(self.firsts, title)[new] = getattr(old, title)[places]
        for title, before in packets._asdict().items():
            getattr(self._packets, title)[new] = before[places]
        self.firsts.ends[:] = old.ends
        rechain(self.firsts, self._secret)

    def keep_packets(self, packets: Packets, batch: int) -> None:
        """Copy the first fragments of a batch that has been decided."""
        rows = np.arange(max(self._kept_to, int(self.firsts.ends[0])), self.firsts.ends[1])
        self._kept_to = int(self.firsts.ends[1])
        places = self._places(rows)
        assert (self.firsts.batch[places] == batch).all()
        of = self.firsts.row[places]
        for title, given in packets._asdict().items():
            getattr(self._packets, title)[places] = given[of]

    def take(self, rows: NDArray[np.int64]) -> tuple[Packets, list[int]]:
        """Return copies of packets, without quotes, and the batches they came in, by their rows."""
        places = self._places(rows)
        packets = Packets._make(column[places] for column in self._packets)
        packets.quote.fill(-1)
        return packets, self.firsts.batch[places].tolist()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything that is remembered, for a snapshot."""
        answers = {f"first {title}": array for title, array in self.firsts._asdict().items()}
        packets = {f"packet {title}": array for title, array in self._packets._asdict().items()}
        return answers | packets

    def put_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Remember what a snapshot says.

        Raises
        ------
        InputError
            Arrays are missing.

        """
        try:
            self.firsts = Firsts(*(arrays[f"first {title}"] for title in Firsts._fields))
            self._packets = Packets(*(arrays[f"packet {title}"] for title in Packets._fields))
        except KeyError as error:
            raise InputError(f"the snapshot lacks {error}") from None
        self.firsts.heads[:] = 0
        self._kept_to = int(self.firsts.ends[1])
        rechain(self.firsts, self._secret)


def _empty(rows: int) -> Firsts:
    return Firsts(
        heads=np.zeros(2 * rows, dtype=np.int64),
        chain=np.zeros(rows, dtype=np.int64),
        names=np.zeros(6 * rows, dtype=np.uint64),
        time_ms=np.zeros(rows, dtype=np.int64),
        batch=np.zeros(rows, dtype=np.int64),
        row=np.zeros(rows, dtype=np.int64),
        accepted=np.zeros(rows, dtype=np.uint8),
        reason=np.zeros(rows, dtype=np.uint8),
        address_class=np.zeros(rows, dtype=np.int32),
        port_class=np.zeros(rows, dtype=np.int32),
        acl_rule_number=np.zeros(rows, dtype=np.int32),
        state=np.zeros(rows, dtype=np.uint8),
        logged=np.zeros(rows, dtype=np.uint8),
        ends=np.zeros(2, dtype=np.int64),
    )
