"""Where the frames of a capture lie: records of pcap and blocks of pcapng, one row for each.

A walk stops at whatever it does not read itself, and the plain readers in `secgroup.net`, which
are the definition, take over there: no error is made here.
"""

import numpy as np

from secgroup.engine.frames import (
    BY_DIVISION,
    BY_LOOKING,
    BY_PRODUCT,
    BY_SHIFT,
    CURSOR_AT,
    CURSOR_CAUSE,
    CURSOR_NEED,
    CURSOR_TIME,
    FULL,
    LOOK,
    NEED_MORE,
    NO_DIRECTION,
    Clocks,
    Frames,
)
from secgroup.engine.kernels import inlined, kernel
from secgroup.engine.layout import I8, U1
from secgroup.net.pcapng import (
    ENHANCED_PACKET,
    INTERFACE_DESCRIPTION,
    MAX_BLOCK,
    MAX_TIME_NS,
    OBSOLETE_PACKET,
    PACKET_FLAGS,
    SECTION_HEADER,
    SIMPLE_PACKET,
)
from secgroup.net.record import MAX_CAPTURED, NANOSECONDS


@inlined
def _u16(octets: U1, at: int, big: int) -> int:
    place = np.uint64(at)
    first, second = int(np.int64(octets[place])), int(np.int64(octets[place + np.uint64(1)]))
    return first << 8 | second if big else second << 8 | first


@inlined
def _u32(octets: U1, at: int, big: int) -> int:
    first, second = _u16(octets, at, big), _u16(octets, at + 2, big)
    return first << 16 | second if big else second << 16 | first


@kernel
def walk_pcap(
    octets: U1, end: int, base: int, big: int, unit_ns: int, frames: Frames, first: int, cursor: I8
) -> int:
    """Write a row for each whole record; return the number of the row after the last.

    Parameters
    ----------
    octets : uint8
        The bytes up to `end`, the first of which is byte `base` of the file.
    big : int
        1 where the file is in network byte order.
    unit_ns : int
        Nanoseconds in the unit of a fraction of a second.
    frames : Frames
        Written from row `first` on: time, interface, offset, lengths, direction.
    cursor : int64, shape (4,)
        Read and written, as `frames` says.

    """
    at, row, last = cursor[CURSOR_AT], first, frames.offset.shape[0]
    cause, need = FULL, 0
    while row < last:
        if end - at < 16:
            cause, need = NEED_MORE, 16
            break
        captured = _u32(octets, at + 8, big)
        if captured > MAX_CAPTURED:
            cause = LOOK
            break
        if end - at < 16 + captured:
            cause, need = NEED_MORE, 16 + captured
            break
        frames.time_ns[row] = (
            _u32(octets, at, big) * NANOSECONDS + _u32(octets, at + 4, big) * unit_ns
        )
        frames.capture_interface[row] = 0
        frames.offset[row] = base + at + 16
        frames.captured[row] = captured
        frames.original_length[row] = _u32(octets, at + 12, big)
        frames.direction[row] = NO_DIRECTION
        row += 1
        at += 16 + captured
    cursor[CURSOR_AT], cursor[CURSOR_CAUSE], cursor[CURSOR_NEED] = at, cause, need
    return row


@inlined
def _time_ns(clocks: Clocks, number: int, high: int, low: int) -> int:
    """Return the time of a stamp, -1 where it is for the plain reader to say."""
    way, factor, limit = clocks.way[number], clocks.factor[number], clocks.limit[number]
    offset_ns = clocks.offset_ns[number]
    if high >> 31:
        return -1
    stamp = high << 32 | low
    if stamp > limit:
        return -1
    if way == BY_PRODUCT:
        time_ns = stamp * factor
    elif way == BY_DIVISION:
        time_ns = stamp // factor
    elif way == BY_SHIFT:
        whole = stamp >> factor
        time_ns = whole * NANOSECONDS + ((stamp - (whole << factor)) * NANOSECONDS >> factor)
    else:
        time_ns = high * NANOSECONDS + (low * NANOSECONDS >> 32) >> factor - 32
    if offset_ns > 0 and time_ns > MAX_TIME_NS - offset_ns:
        return -1
    return max(int(time_ns + offset_ns), -1)


@inlined
def _direction(octets: U1, at: int, stop: int, big: int) -> int:
    """Return what the options of a packet say, -1 where they are damaged."""
    direction = NO_DIRECTION
    while at < stop:
        if stop - at < 4:
            return -1
        code, size = _u16(octets, at, big), _u16(octets, at + 2, big)
        if code == 0:
            break
        at += 4
        if stop - at < size:
            return -1
        if code == PACKET_FLAGS and size == 4:
            bits = _u32(octets, at, big) & 3
            direction = bits - 1 if bits in (1, 2) else NO_DIRECTION
        at += size + 3 & -4
    return direction


@inlined
def _fixed(
    octets: U1, kind: int, body: int, size: int, big: int
) -> tuple[int, int, int, int, int, int]:
    """Read the fixed part of a packet block of `size` bytes.

    Returns its size, the interface (-1: it is cut), stamp (high and low), captured and original
    length; of a simple packet only the size and the original length.
    """
    if kind == SIMPLE_PACKET:
        if size < 4:
            return 4, -1, 0, 0, 0, 0
        original = _u32(octets, body, big)
        return 4, 0, 0, 0, original, original
    if size < 20:
        return 20, -1, 0, 0, 0, 0
    number = _u32(octets, body, big) if kind == ENHANCED_PACKET else _u16(octets, body, big)
    high, low = _u32(octets, body + 4, big), _u32(octets, body + 8, big)
    return 20, number, high, low, _u32(octets, body + 12, big), _u32(octets, body + 16, big)


@inlined
def _block(octets: U1, at: int, end: int, big: int) -> tuple[int, int, int, int]:
    """Look at a block: why it is not read here (FULL: it is), bytes wanted, type, length."""
    if end - at < 12:
        return NEED_MORE, 12, 0, 0
    kind, length = _u32(octets, at, big), _u32(octets, at + 4, big)
    if kind in (SECTION_HEADER, INTERFACE_DESCRIPTION):
        return LOOK, 0, kind, length
    if length < 12 or length & 3 or length > MAX_BLOCK:
        return LOOK, 0, kind, length
    if end - at < length:
        return NEED_MORE, length, kind, length
    cause = FULL if _u32(octets, at + length - 4, big) == length else LOOK
    return cause, 0, kind, length


@kernel
def walk_pcapng(
    octets: U1,
    end: int,
    base: int,
    big: int,
    clocks: Clocks,
    interface: int,
    frames: Frames,
    first: int,
    cursor: I8,
) -> int:
    """Write a row for each packet of a section; return the number of the row after the last.

    Parameters
    ----------
    clocks : Clocks
        The interfaces of the section; `interface` is the row of the first one in the file's.
    others
        As those of `walk_pcap`.

    """
    at, row, last, count = cursor[CURSOR_AT], first, frames.offset.shape[0], clocks.way.shape[0]
    cause, need = FULL, 0
    while row < last:
        cause, need, kind, length = _block(octets, at, end, big)
        if cause != FULL:
            break
        if kind in (ENHANCED_PACKET, SIMPLE_PACKET, OBSOLETE_PACKET):
            size, number, high, low, captured, original = _fixed(
                octets, kind, at + 8, length - 12, big
            )
            cause, begin, behind = LOOK, at + 8 + size, at + length - 4
            if not 0 <= number < count or clocks.way[number] == BY_LOOKING:
                break
            time_ns, direction = cursor[CURSOR_TIME], NO_DIRECTION
            if kind == SIMPLE_PACKET:
                if 0 < clocks.snap_length[number] < captured:
                    captured = clocks.snap_length[number]
            else:
                time_ns = _time_ns(clocks, number, high, low)
            if captured > MAX_CAPTURED or captured > behind - begin or time_ns < 0:
                break
            if kind != SIMPLE_PACKET:
                direction = _direction(octets, begin + (captured + 3 & -4), behind, big)
                if direction < 0:
                    break
            frames.time_ns[row] = cursor[CURSOR_TIME] = time_ns
            frames.capture_interface[row] = interface + number
            frames.offset[row] = base + begin
            frames.captured[row] = captured
            frames.original_length[row] = original
            frames.direction[row] = direction
            row += 1
        at += length
        cause = FULL
    cursor[CURSOR_AT], cursor[CURSOR_CAUSE], cursor[CURSOR_NEED] = at, cause, need
    return row
