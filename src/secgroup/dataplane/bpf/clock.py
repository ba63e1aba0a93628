"""The clock of the kernel's programs: milliseconds since the machine started.

Programs take it from the count of ticks, which costs them no call; what they need for that is
found out here, before they are loaded.
"""

import time
from collections.abc import Mapping
from typing import Final

import numpy as np

from secgroup.dataplane.bpf import libbpf

_MILLISECOND_NS: Final = 1_000_000
#: The clock that moves with every tick (linux/time.h); its resolution is a tick.
_MONOTONIC_COARSE: Final = 6
#: Ticks are counted from five minutes before the count has 33 bits (linux/jiffies.h).
_STARTED_AGO_MS: Final = 300_000
#: Functions of linux/bpf.h.
_JIFFIES64, _KTIME_GET_COARSE_NS = 118, 160


def kernel_ms() -> int:
    """Return the time by that clock."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // _MILLISECOND_NS


def utc_ms() -> int:
    """Return what makes a time of that clock UTC, since 1970."""
    return time.time_ns() // _MILLISECOND_NS - kernel_ms()


def tick_constants() -> Mapping[str, int]:
    """Return what programs are given so that ticks tell them the time; nothing where they cannot.

    Raises
    ------
    DataPlaneError
        The kernel lets no program run.

    """
    tick_ms, rest = divmod(round(time.clock_getres(_MONOTONIC_COARSE) * 1e9), _MILLISECOND_NS)
    if tick_ms == 0 or rest != 0:
        return {}
    start_ms = (1 << 32) * tick_ms - _STARTED_AGO_MS
    with libbpf.load_program("sg_ticks", _ahead(tick_ms, start_ms)) as program:
        run = libbpf.TestRun(program.fileno())
        # A tick between the two looks makes one answer too large.
        ahead_ms = min(run.run(bytes(14)) for _ in range(3))
    return {"tick_ms": tick_ms, "ticks_ahead_ms": start_ms + ahead_ms}


def _ahead(tick_ms: int, start_ms: int) -> libbpf.Rows:
    """Return a program that says what the count of ticks, in ms from its start, is ahead.

    ::

        r6 = ktime_get_coarse_ns() / 1000000
        r0 = jiffies64() * tick_ms - start_ms - r6
    """
    call, exit_ = 0x85, 0x95
    return np.array(
        [
            (call, 0x00, 0, _KTIME_GET_COARSE_NS),
            (0xBF, 0x06, 0, 0),  # r6 = r0
            (0x37, 0x06, 0, _MILLISECOND_NS),  # r6 /= 1000000
            (call, 0x00, 0, _JIFFIES64),
            (0x27, 0x00, 0, tick_ms),  # r0 *= tick_ms
            (0x18, 0x01, 0, np.int32(np.uint32(start_ms & 0xFFFFFFFF))),  # r1 = start_ms
            (0x00, 0x00, 0, start_ms >> 32),
            (0x1F, 0x10, 0, 0),  # r0 -= r1
            (0x1F, 0x60, 0, 0),  # r0 -= r6
            (exit_, 0x00, 0, 0),
        ],
        dtype=libbpf.INSTRUCTION,
    )
