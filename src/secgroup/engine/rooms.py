"""Memory for the columns of a capture's batches, used again when nobody has them any more."""

from sys import getrefcount
from typing import Any, TypeVar, cast

import numpy as np

from secgroup.engine.frames import DIGESTS, FRAME, Frames
from secgroup.engine.layout import PACKET, Packets

_Columns = TypeVar("_Columns", Frames, Packets)


class Room:
    """Columns for a batch, all in one block of memory.

    Fresh memory costs more than what is written to it. A block that nobody refers to any more
    is filled again, and the number of references to it tells.
    """

    def __init__(self, count: int, *, with_digests: bool) -> None:
        counts = {("frames", name): count for name in FRAME}
        counts |= {("packets", name): count for name in PACKET}
        if not with_digests:
            counts |= {("frames", name): 0 for name in DIGESTS}
        dtypes = {"frames": FRAME, "packets": PACKET}
        sizes = {
            key: count * np.dtype(dtypes[key[0]][key[1]]).itemsize for key, count in counts.items()
        }
        self._block = np.empty(sum(size + 63 & -64 for size in sizes.values()), dtype=np.uint8)
        columns: dict[str, dict[str, Any]] = {"frames": {}, "packets": {}}
        at = 0
        for (table, name), size in sizes.items():
            columns[table][name] = self._block[at : at + size].view(dtypes[table][name])
            at += size + 63 & -64
        self.frames = Frames(**columns["frames"])
        self.packets = Packets(**columns["packets"])
        self._references = getrefcount(self._block)

    @property
    def is_free(self) -> bool:
        """Nobody but this has any of the columns, or a part of one."""
        return getrefcount(self._block) == self._references


def packets_room(count: int) -> Packets:
    """Return memory for `count` packets; what is in it is not said."""
    return Packets(**{name: np.empty(count, dtype=dtype) for name, dtype in PACKET.items()})


def first_rows(columns: _Columns, count: int) -> _Columns:
    """Return the first `count` rows."""
    columns_of: Any = type(columns)
    return cast("_Columns", columns_of(*(column[:count] for column in columns)))
