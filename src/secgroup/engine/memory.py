"""Arrays whose first element begins a cache line, so that a record of 64 bytes is one line.

NumPy's own begin 16 bytes behind one when they are large: every record then lies on two. It asks
for huge pages from 4 MiB on; tables that are read at random want them before that.
"""

import math
import mmap
from contextlib import suppress
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

LINE: Final = 64
#: Bytes of a huge page, and from which size on an array is laid into them.
_HUGE: Final = 1 << 21
_LARGE: Final = 1 << 20


def zeros(shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array of zeros, in C order, that begins a cache line."""
    kind = np.dtype(dtype)
    count = shape if isinstance(shape, int) else math.prod(shape)
    size = count * kind.itemsize
    if size < _LARGE:
        octets, line = np.zeros(size + LINE, dtype=np.uint8), LINE
    else:
        octets, line = np.frombuffer(_pages(size + _HUGE), dtype=np.uint8), _HUGE
    begin = -octets.ctypes.data % line
    return octets[begin : begin + size].view(kind).reshape(shape)


def _pages(size: int) -> mmap.mmap:
    """Return memory from the system, in huge pages where it grants them."""
    pages = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):
            pages.madvise(mmap.MADV_HUGEPAGE)
    return pages


def with_room(array: NDArray[Any], more: int) -> NDArray[Any]:
    """Return an array with `more` rows of zeros behind those of another."""
    grown = zeros((array.shape[0] + more, *array.shape[1:]), array.dtype)
    grown[: array.shape[0]] = array
    return grown


def rows_more(used: int) -> int:
    """Return by how many rows a table that is full grows.

    What is copied to grow, and the pages that are touched for it, count most where growing is
    frequent: up to a million rows a table quadruples, and what it does not use yet is no memory.
    """
    if used < 1 << 18:
        return 3 * used
    return used if used < 1 << 22 else used // 4
