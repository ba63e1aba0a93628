"""Arrays whose first element begins a cache line, so that a record of 64 bytes is one line.

NumPy's own begin 16 bytes behind one when they are large: every record then lies on two.
"""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

LINE: Final = 64


def zeros(shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array of zeros, in C order, that begins a cache line."""
    kind = np.dtype(dtype)
    count = shape if isinstance(shape, int) else math.prod(shape)
    size = count * kind.itemsize
    octets = np.zeros(size + LINE, dtype=np.uint8)
    begin = -octets.ctypes.data % LINE
    return octets[begin : begin + size].view(kind).reshape(shape)


def with_room(array: NDArray[Any], more: int) -> NDArray[Any]:
    """Return an array with `more` rows of zeros behind those of another."""
    grown = zeros((array.shape[0] + more, *array.shape[1:]), array.dtype)
    grown[: array.shape[0]] = array
    return grown
