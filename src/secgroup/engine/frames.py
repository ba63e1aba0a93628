"""Layouts of a capture in columns: what is known of each frame beside its packet.

Owns names, dtypes and numbers. `layout` owns the packets; `net.capture` says what they mean.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from secgroup.engine.layout import I4, I8, U1, U4, U8

#: `Frames.carries`.
CARRIES_IP: Final = 0
CARRIES_OTHER: Final = 1
CUT: Final = 2  # within its headers, so that nobody can tell

#: In `Frames.direction`, and in a column of MAC addresses.
NO_DIRECTION: Final = 255
NO_MAC: Final = 0xFFFF_FFFF_FFFF_FFFF

#: How the frames of a link type are read.
UNREADABLE: Final = 0
ETHERNET: Final = 1
COOKED: Final = 2
COOKED_2: Final = 3
RAW: Final = 4
LOOPBACK: Final = 5
LINKS: Final = {
    0: LOOPBACK,
    1: ETHERNET,
    12: RAW,
    14: RAW,
    101: RAW,
    108: LOOPBACK,
    113: COOKED,
    228: RAW,
    229: RAW,
    276: COOKED_2,
}

#: Places of a walk's cursor: the next byte; why it stopped there; how many bytes it wants from
#: there on; the time of the last packet, in nanoseconds.
CURSOR_AT: Final = 0
CURSOR_CAUSE: Final = 1
CURSOR_NEED: Final = 2
CURSOR_TIME: Final = 3
CURSOR_SIZE: Final = 4

#: Causes: there is no row left; more bytes are needed; what stands here is for the plain reader.
FULL: Final = 0
NEED_MORE: Final = 1
LOOK: Final = 2

#: How a time stamp becomes nanoseconds.
BY_LOOKING: Final = 0  # left to the plain reader
BY_PRODUCT: Final = 1  # times `factor`
BY_DIVISION: Final = 2  # by `factor`
BY_SHIFT: Final = 3  # in units of 2**-factor seconds, factor below 32
BY_LONG_SHIFT: Final = 4  # the same, from 32 on


class Frames(NamedTuple):
    """The frames of a capture as columns, one element a frame.

    Attributes
    ----------
    number : int64
        From 1, as Wireshark counts.
    time_ns : int64
        Nanoseconds since 1970-01-01 UTC.
    capture_interface : int32
        Row of `Batch.interfaces`.
    interface : int64
        What `Frame.interface` is: the same, and in Linux cooked version 2 the interface index
        on the host.
    offset : int64
        Of the first captured byte, in the file after decompression; -1 where a rare block had to
        be read one by one.
    captured, original_length : uint32
        Bytes that were kept, and that there were.
    header_length, ip_captured : uint32
        Bytes before the IP header, and from it on to the end of what was captured.
    direction : uint8
        `Direction` as the capturing interface saw it; NO_DIRECTION.
    carries : uint8
        CARRIES_IP, CARRIES_OTHER or CUT; only the first has a packet.
    vni : int32
        The VXLAN network that the frame was taken out of; -1 is none.
    source_mac, destination_mac : uint64
        The 48 bits as a number; NO_MAC.
    digest_hi, digest_lo : uint64
        Of the packet without what a hop changes: equal in its copies. Empty unless asked for.

    """

    number: I8
    time_ns: I8
    capture_interface: I4
    interface: I8
    offset: I8
    captured: U4
    original_length: U4
    header_length: U4
    ip_captured: U4
    direction: U1
    carries: U1
    vni: I4
    source_mac: U8
    destination_mac: U8
    digest_hi: U8
    digest_lo: U8


FRAME: Final[dict[str, Any]] = {
    "number": np.int64,
    "time_ns": np.int64,
    "capture_interface": np.int32,
    "interface": np.int64,
    "offset": np.int64,
    "captured": np.uint32,
    "original_length": np.uint32,
    "header_length": np.uint32,
    "ip_captured": np.uint32,
    "direction": np.uint8,
    "carries": np.uint8,
    "vni": np.int32,
    "source_mac": np.uint64,
    "destination_mac": np.uint64,
    "digest_hi": np.uint64,
    "digest_lo": np.uint64,
}
#: The columns of it that are empty unless asked for.
DIGESTS: Final = ("digest_hi", "digest_lo")


class Clocks(NamedTuple):
    """The interfaces of a pcapng section, one element each: what its packet blocks need.

    Attributes
    ----------
    way : uint8
        BY_LOOKING to BY_LONG_SHIFT; also for a link type that is not read.
    factor, limit, offset_ns : int64
        What the way counts with; the largest stamp it takes; nanoseconds that are added.
    snap_length : int64
        0 where there is no limit.

    """

    way: U1
    factor: I8
    limit: I8
    offset_ns: I8
    snap_length: I8


class Spans(NamedTuple):
    """Where the packets of some rows lie, as indices of the bytes that a kernel is given.

    Attributes
    ----------
    begin, end : int64
        Of the IP header, -1 where there is none, and of what was captured.
    whole : int64
        Bytes there were from the IP header on.
    transport, transport_end : int64
        Of what IP carries; padding of the link is behind it.

    """

    begin: I8
    end: I8
    whole: I8
    transport: I8
    transport_end: I8
