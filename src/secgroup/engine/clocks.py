"""How the interfaces of a pcapng section count time, as columns that a walk takes."""

import numpy as np

from secgroup.engine.frames import (
    BY_DIVISION,
    BY_LONG_SHIFT,
    BY_LOOKING,
    BY_PRODUCT,
    BY_SHIFT,
    LINKS,
    Clocks,
)
from secgroup.net.pcapng import MAX_TIME_NS, Clock
from secgroup.net.record import NANOSECONDS, CaptureInterface


def clocks_of(interfaces: list[tuple[CaptureInterface, Clock]]) -> Clocks:
    """Return the clocks of a section's interfaces; odd ones are left to the plain reader."""
    columns = Clocks(
        way=np.zeros(len(interfaces), dtype=np.uint8),
        factor=np.zeros(len(interfaces), dtype=np.int64),
        limit=np.zeros(len(interfaces), dtype=np.int64),
        offset_ns=np.zeros(len(interfaces), dtype=np.int64),
        snap_length=np.zeros(len(interfaces), dtype=np.int64),
    )
    for at, (interface, clock) in enumerate(interfaces):
        columns.snap_length[at] = interface.snap_length
        if interface.link_type not in LINKS or abs(clock.offset_s) > MAX_TIME_NS // NANOSECONDS:
            continue
        way, factor, limit = _clock(clock.units)
        columns.way[at], columns.factor[at], columns.limit[at] = way, factor, limit
        columns.offset_ns[at] = clock.offset_s * NANOSECONDS
    return columns


def _clock(units: int) -> tuple[int, int, int]:
    """Return way, factor and limit of a clock that counts so many units a second."""
    exponent = units.bit_length() - 1
    if NANOSECONDS % units == 0:
        factor = NANOSECONDS // units
        return BY_PRODUCT, factor, MAX_TIME_NS // factor
    if units % NANOSECONDS == 0 and units // NANOSECONDS <= MAX_TIME_NS:
        return BY_DIVISION, units // NANOSECONDS, MAX_TIME_NS
    if units != 1 << exponent:
        return BY_LOOKING, 0, 0
    if exponent < 32:
        limit = (MAX_TIME_NS // NANOSECONDS - 1) << exponent
        return BY_SHIFT, exponent, min(limit, MAX_TIME_NS)
    # A shift beyond the width of a word would be undefined; the result is 0 all the same.
    return BY_LONG_SHIFT, min(exponent, 32 + 63), MAX_TIME_NS
