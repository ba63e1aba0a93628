"""What a capture file holds, whatever its format: interfaces and the frames recorded on them.

Owns the values that `pcap` and `pcapng` read and write; knows no link type and no IP.
"""

from dataclasses import dataclass
from typing import Final

from secgroup.errors import CaptureError
from secgroup.net.direction import Direction
from secgroup.net.stream import ByteStream

NANOSECONDS: Final = 1_000_000_000

#: More bytes of one frame than this are no frame but damage (libpcap's MAXIMUM_SNAPLEN).
MAX_CAPTURED: Final = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureInterface:
    """One interface that a capture recorded; `index` counts all of a file's, from 0.

    `snap_length` is the most bytes kept of a frame, 0 where there was no limit.
    """

    index: int
    link_type: int
    snap_length: int
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One frame as it stands in the file.

    Parameters
    ----------
    time_ns : int
        Nanoseconds since 1970-01-01 UTC.
    original_length : int
        Bytes that the frame had.
    captured : bytes
        As many of them as were kept.
    direction : Direction or None
        As the capturing interface saw it, where the file says so.

    """

    interface: CaptureInterface
    time_ns: int
    original_length: int
    captured: bytes
    direction: Direction | None = None
    comments: tuple[str, ...] = ()


def check_captured(captured: int, stream: ByteStream, *, offset: int) -> None:
    """Refuse a frame longer than any.

    Raises
    ------
    CaptureError
        The header claims more than MAX_CAPTURED bytes; nothing of that size is allocated.

    """
    if captured > MAX_CAPTURED:
        raise CaptureError(
            f"a frame of {captured} bytes (expected at most {MAX_CAPTURED})",
            source=stream.source,
            offset=offset,
        )
