"""The clock of the kernel's programs: milliseconds since the machine started."""

import time
from typing import Final

_MILLISECOND_NS: Final = 1_000_000


def kernel_ms() -> int:
    """Return the time by that clock."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // _MILLISECOND_NS


def utc_ms() -> int:
    """Return what makes a time of that clock UTC, since 1970."""
    return time.time_ns() // _MILLISECOND_NS - kernel_ms()
