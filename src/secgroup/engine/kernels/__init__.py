"""`kernel`: how every kernel is compiled. The modules beside it hold kernels and nothing else."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

_F = TypeVar("_F", bound=Callable[..., Any])


def kernel(function: _F) -> _F:
    """Compile `function`; the one place where Numba's options are chosen.

    Without Numba's run-time (`_nrt`) arrays are not reference counted: kernels only borrow
    theirs, and counting each array of a `Tables` costs hundreds of nanoseconds a packet. It also
    makes the compiler refuse any allocation in a kernel.
    """
    return cast("_F", numba.njit(nogil=True, error_model="numpy", _nrt=False)(function))
