"""Classic pcap: one interface, one link type, micro- or nanoseconds.

Owns the format, both ways. Read first: draft-ietf-opsawg-pcap.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from struct import Struct
from typing import BinaryIO, Final

from secgroup.errors import CaptureError, InputError
from secgroup.net.record import (
    MAX_CAPTURED,
    NANOSECONDS,
    CaptureInterface,
    Record,
    check_captured,
)
from secgroup.net.stream import ByteStream

_NANOSECOND_MAGIC: Final = 0xA1B23C4D

#: First four bytes of a file -> (byte order of the file, nanoseconds in a fraction's unit).
MAGICS: Final = {
    bytes.fromhex("a1b2c3d4"): (">", 1000),
    bytes.fromhex("d4c3b2a1"): ("<", 1000),
    bytes.fromhex("a1b23c4d"): (">", 1),
    bytes.fromhex("4d3cb2a1"): ("<", 1),
}
#: A variant of old Linux distributions, with another record header.
MODIFIED_MAGICS: Final = frozenset({bytes.fromhex("a1b2cd34"), bytes.fromhex("34cdb2a1")})

_FILE_HEADER_SIZE: Final = 24
_RECORD_HEADER_SIZE: Final = 16
_MAJOR_VERSION: Final = 2
#: The upper bits of the field tell the length of a frame check sequence.
_LINK_TYPE_MASK: Final = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class PcapHeader:
    """What the header of a file says: its interface, byte order and unit of fractions."""

    interface: CaptureInterface
    order: str
    unit_ns: int


def read_pcap(stream: ByteStream) -> Iterator[CaptureInterface | Record]:
    """Read a capture that begins with one of MAGICS: its interface, then its frames.

    Raises
    ------
    CaptureError
        The file is cut or damaged; everything before that has been yielded.
    InputError
        A version of the format that is not 2.

    """
    header = read_pcap_header(stream)
    yield header.interface
    yield from read_pcap_frames(stream, header)


def read_pcap_header(stream: ByteStream) -> PcapHeader:
    """Read the header of a file that begins with one of MAGICS.

    Raises
    ------
    CaptureError
        The header is cut.
    InputError
        A version of the format that is not 2.

    """
    header = stream.take(_FILE_HEADER_SIZE)
    if len(header) < _FILE_HEADER_SIZE:
        raise CaptureError("the pcap file header is cut", source=stream.source, offset=0)
    order, unit_ns = MAGICS[header[:4]]
    major, minor, snap_length, network = Struct(order + "4xHH8xII").unpack(header)
    if major != _MAJOR_VERSION:
        raise InputError(
            f"pcap version {major}.{minor} (expected {_MAJOR_VERSION})", source=stream.source
        )
    interface = CaptureInterface(
        index=0, link_type=network & _LINK_TYPE_MASK, snap_length=snap_length
    )
    return PcapHeader(interface=interface, order=order, unit_ns=unit_ns)


def read_pcap_frames(stream: ByteStream, header: PcapHeader) -> Iterator[Record]:
    """Read frames from where `stream` stands, at a record.

    Raises
    ------
    CaptureError
        The file is cut or damaged; everything before that has been yielded.

    """
    record_header = Struct(header.order + "IIII")
    while True:
        offset = stream.offset
        fixed = stream.take(_RECORD_HEADER_SIZE)
        if not fixed:
            stream.check_end()
            return
        if len(fixed) < _RECORD_HEADER_SIZE:
            raise CaptureError(
                stream.damage or "a record header is cut", source=stream.source, offset=offset
            )
        seconds, fraction, captured, original = record_header.unpack(fixed)
        check_captured(captured, stream, offset=offset)
        frame = stream.take(captured)
        if len(frame) < captured:
            raise CaptureError(
                stream.damage or f"a frame of {captured} bytes is cut after {len(frame)}",
                source=stream.source,
                offset=offset,
            )
        yield Record(
            interface=header.interface,
            time_ns=seconds * NANOSECONDS + fraction * header.unit_ns,
            original_length=original,
            captured=frame,
        )


def write_pcap(
    stream: BinaryIO,
    frames: Iterable[tuple[int, bytes]],
    *,
    link_type: int,
    snap_length: int = MAX_CAPTURED,
) -> None:
    """Write (time in nanoseconds, frame) as a nanosecond pcap, cutting frames at `snap_length`.

    Raises
    ------
    InputError
        A time before 1970 or after 2106: the format cannot hold it.

    """
    stream.write(Struct("<IHHIIII").pack(_NANOSECOND_MAGIC, 2, 4, 0, 0, snap_length, link_type))
    record_header = Struct("<IIII")
    for time_ns, frame in frames:
        seconds, fraction = divmod(time_ns, NANOSECONDS)
        if not 0 <= seconds <= 0xFFFFFFFF:
            raise InputError(f"{time_ns} ns is no time that a pcap file can hold")
        kept = frame[:snap_length]
        stream.write(record_header.pack(seconds, fraction, len(kept), len(frame)) + kept)
