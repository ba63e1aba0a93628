"""pcapng: sections, interfaces, packet blocks with options.

Owns the format, both ways. Blocks that hold no packet are stepped over.
Read first: draft-ietf-opsawg-pcapng.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct, pack
from typing import BinaryIO, Final, NoReturn

from secgroup.errors import CaptureError, InputError
from secgroup.net.direction import Direction
from secgroup.net.record import (
    NANOSECONDS,
    CaptureInterface,
    Record,
    check_captured,
)
from secgroup.net.stream import ByteStream

SECTION_HEADER: Final = 0x0A0D0D0A
INTERFACE_DESCRIPTION: Final = 1
OBSOLETE_PACKET: Final = 2
SIMPLE_PACKET: Final = 3
ENHANCED_PACKET: Final = 6

_BYTE_ORDER_MAGIC: Final = 0x1A2B3C4D
_ORDERS: Final = {
    _BYTE_ORDER_MAGIC.to_bytes(4, "big"): ">",
    _BYTE_ORDER_MAGIC.to_bytes(4, "little"): "<",
}
_SECTION_SIZE: Final = 28
MAX_BLOCK: Final = 64 * 1024 * 1024

#: What 64 bits with a sign can hold.
MAX_TIME_NS: Final = 2**63 - 1

_COMMENT: Final = 1
PACKET_FLAGS: Final = 2
_INTERFACE_NAME: Final = 2
_TIME_RESOLUTION: Final = 9
_TIME_OFFSET: Final = 14
_MAX_OPTION: Final = 0xFFFF

#: The two lowest bits of a packet's flags.
_DIRECTIONS: Final = {1: Direction.INGRESS, 2: Direction.EGRESS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """How an interface's time stamps count: `units` a second, from `offset_s` on."""

    units: int = 1_000_000
    offset_s: int = 0

    def time_ns(self, stamp: int) -> int:
        """Return nanoseconds since 1970, rounded down."""
        return self.offset_s * NANOSECONDS + stamp * NANOSECONDS // self.units


class Section:
    """The part of a file that has one byte order and one list of interfaces."""

    def __init__(self, order: str) -> None:
        self.order = order
        self.interfaces: list[tuple[CaptureInterface, Clock]] = []
        self.block_header = Struct(order + "II")
        self.length = Struct(order + "I")
        self.version = Struct(order + "H")
        self.time_offset = Struct(order + "q")
        self.option = Struct(order + "HH")
        self.interface_description = Struct(order + "HxxI")
        self.enhanced = Struct(order + "IIIII")
        self.obsolete = Struct(order + "HxxIIII")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """A block's type, its bytes between the two lengths, and where it begins in the file."""

    type: int
    body: bytes
    offset: int


class PcapngReader:
    """Reads block after block; remembers the section and the time of the last packet.

    Between two blocks the stream may be moved to a later one, when whoever does so has read
    the packets in between and sets `time_ns` to the time of the last one.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.section = Section("<")
        self._interfaces = 0
        self.time_ns = 0

    def blocks(self) -> Iterator[CaptureInterface | Record | None]:
        """Yield what each block holds, None for one that is stepped over.

        Raises
        ------
        CaptureError, InputError
            As `read_pcapng`.

        """
        while (block := self._next_block()) is not None:
            if block.type == ENHANCED_PACKET:
                yield self._enhanced(block)
            elif block.type == INTERFACE_DESCRIPTION:
                yield self._interface(block)
            elif block.type == SIMPLE_PACKET:
                yield self._simple(block)
            elif block.type == OBSOLETE_PACKET:
                yield self._obsolete(block)
            else:
                yield None

    def _damaged(self, problem: str, offset: int) -> NoReturn:
        raise CaptureError(problem, source=self._stream.source, offset=offset)

    def _cut(self, offset: int) -> NoReturn:
        self._damaged(self._stream.damage or "a pcapng block is cut", offset)

    def _next_block(self) -> _Block | None:
        """Return the next block, with an empty body where its type is none that is read."""
        offset = self._stream.offset
        start = self._stream.peek(12)
        if not start:
            self._stream.check_end()
            return None
        if len(start) < 12:
            self._cut(offset)
        if start.startswith(SECTION_HEADER.to_bytes(4)):
            self._begin_section(start[8:], offset)
        block_type, length = self.section.block_header.unpack_from(start)
        if length < 12 or length % 4 or length > MAX_BLOCK:
            self._damaged(f"a pcapng block that claims {length} bytes", offset)
        if block_type == SECTION_HEADER and length < _SECTION_SIZE:
            self._damaged(f"a pcapng section header of {length} bytes", offset)
        self._stream.take(8)
        body = b""
        if block_type in (
            SECTION_HEADER,
            INTERFACE_DESCRIPTION,
            OBSOLETE_PACKET,
            SIMPLE_PACKET,
            ENHANCED_PACKET,
        ):
            body = self._stream.take(length - 12)
            present = len(body)
        else:
            present = self._stream.skip(length - 12)
        trailer = self._stream.take(4) if present == length - 12 else b""
        if len(trailer) < 4:
            self._cut(offset)
        if self.section.length.unpack(trailer)[0] != length:
            self._damaged("the two lengths of a pcapng block differ", offset)
        if block_type == SECTION_HEADER:
            self._check_version(body, offset)
        return _Block(type=block_type, body=body, offset=offset)

    def _begin_section(self, magic: bytes, offset: int) -> None:
        order = _ORDERS.get(magic)
        if order is None:
            self._damaged(f"a pcapng byte-order magic of {magic.hex()}", offset)
        self.section = Section(order)

    def _check_version(self, body: bytes, offset: int) -> None:
        (major,) = self.section.version.unpack_from(body, 4)
        if major == 1:
            return
        if offset == 0:
            raise InputError(f"pcapng version {major} (expected 1)", source=self._stream.source)
        self._damaged(f"a section of pcapng version {major} (expected 1)", offset)

    def _options(self, block: _Block, at: int) -> Iterator[tuple[int, bytes]]:
        """Yield the code and the value of each option from `at` on."""
        body = block.body
        while at < len(body):
            if len(body) < at + 4:
                self._damaged("a pcapng option is cut", block.offset)
            code, length = self.section.option.unpack_from(body, at)
            if code == 0:
                return
            at += 4
            if len(body) < at + length:
                self._damaged(f"a pcapng option of {length} bytes overruns its block", block.offset)
            yield code, body[at : at + length]
            at += (length + 3) & ~3

    def _interface(self, block: _Block) -> CaptureInterface:
        if len(block.body) < 8:
            self._damaged("a pcapng interface description is cut", block.offset)
        link_type, snap_length = self.section.interface_description.unpack_from(block.body)
        name, units, offset_s = None, 1_000_000, 0
        for code, value in self._options(block, 8):
            if code == _INTERFACE_NAME:
                name = value.rstrip(b"\0").decode("utf-8", "replace")
            elif code == _TIME_RESOLUTION and len(value) == 1:
                exponent = value[0] & 0x7F
                units = 2**exponent if value[0] & 0x80 else 10**exponent
            elif code == _TIME_OFFSET and len(value) == 8:
                (offset_s,) = self.section.time_offset.unpack(value)
        interface = CaptureInterface(
            index=self._interfaces, link_type=link_type, snap_length=snap_length, name=name
        )
        self._interfaces += 1
        self.section.interfaces.append((interface, Clock(units=units, offset_s=offset_s)))
        return interface

    def _interface_of(self, number: int, offset: int) -> tuple[CaptureInterface, Clock]:
        if number >= len(self.section.interfaces):
            self._damaged(f"a packet of interface {number}, which is not described", offset)
        return self.section.interfaces[number]

    def _enhanced(self, block: _Block) -> Record:
        if len(block.body) < 20:
            self._damaged("a pcapng packet block is cut", block.offset)
        number, high, low, captured, original = self.section.enhanced.unpack_from(block.body)
        return self._packet(block, number, high << 32 | low, captured, original)

    def _obsolete(self, block: _Block) -> Record:
        if len(block.body) < 20:
            self._damaged("a pcapng packet block is cut", block.offset)
        number, high, low, captured, original = self.section.obsolete.unpack_from(block.body)
        return self._packet(block, number, high << 32 | low, captured, original)

    def _packet(
        self, block: _Block, number: int, stamp: int, captured: int, original: int
    ) -> Record:
        interface, clock = self._interface_of(number, block.offset)
        check_captured(captured, self._stream, offset=block.offset)
        if len(block.body) < 20 + captured:
            self._damaged(f"a frame of {captured} bytes overruns its block", block.offset)
        direction = None
        comments: list[str] = []
        after = 20 + (captured + 3 & ~3)
        if after < len(block.body):
            for code, value in self._options(block, after):
                if code == PACKET_FLAGS and len(value) == 4:
                    direction = _DIRECTIONS.get(self.section.length.unpack(value)[0] & 3)
                elif code == _COMMENT:
                    comments.append(value.decode("utf-8", "replace"))
        time_ns = clock.time_ns(stamp)
        if not 0 <= time_ns <= MAX_TIME_NS:
            self._damaged("a time stamp outside of the years 1970 to 2262", block.offset)
        self.time_ns = time_ns
        return Record(
            interface=interface,
            time_ns=time_ns,
            original_length=original,
            captured=block.body[20 : 20 + captured],
            direction=direction,
            comments=tuple(comments),
        )

    def _simple(self, block: _Block) -> Record:
        """Read a block that has no time; it takes that of the packet before it."""
        if len(block.body) < 4:
            self._damaged("a pcapng packet block is cut", block.offset)
        interface, _ = self._interface_of(0, block.offset)
        (original,) = self.section.length.unpack_from(block.body)
        captured = original
        if interface.snap_length > 0:
            captured = min(original, interface.snap_length)
        check_captured(captured, self._stream, offset=block.offset)
        if len(block.body) < 4 + captured:
            self._damaged(f"a frame of {captured} bytes overruns its block", block.offset)
        return Record(
            interface=interface,
            time_ns=self.time_ns,
            original_length=original,
            captured=block.body[4 : 4 + captured],
        )


def read_pcapng(stream: ByteStream) -> Iterator[CaptureInterface | Record]:
    """Read a capture that begins with a section header: interfaces and frames in file order.

    Interfaces are numbered through all sections. A frame in a simple packet block has no time
    of its own and takes that of the frame before it.

    Raises
    ------
    CaptureError
        The file is cut or damaged; everything before that has been yielded.
    InputError
        A version of the format that is not 1.

    """
    return (item for item in PcapngReader(stream).blocks() if item is not None)


class PcapngWriter:
    """Writes one little-endian section with time stamps in nanoseconds.

    Parameters
    ----------
    stream : BinaryIO
        Written, never closed.

    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._block(SECTION_HEADER, pack("<IHHq", _BYTE_ORDER_MAGIC, 1, 0, -1))

    def write_interface(self, interface: CaptureInterface) -> None:
        """Describe an interface; they are written in the order of their indexes."""
        options = []
        if interface.name is not None:
            options.append((_INTERFACE_NAME, interface.name.encode()))
        options.append((_TIME_RESOLUTION, b"\x09"))
        body = pack("<HHI", interface.link_type, 0, interface.snap_length)
        self._block(INTERFACE_DESCRIPTION, body + _emit_options(options))

    def write_record(self, record: Record) -> None:
        """Write a frame with its comments and direction."""
        options = [(_COMMENT, comment.encode()) for comment in record.comments]
        if record.direction is not None:
            options.append((PACKET_FLAGS, pack("<I", 2 if record.direction else 1)))
        body = pack(
            "<IIIII",
            record.interface.index,
            record.time_ns >> 32,
            record.time_ns & 0xFFFF_FFFF,
            len(record.captured),
            record.original_length,
        )
        body += record.captured + bytes(-len(record.captured) % 4)
        self._block(ENHANCED_PACKET, body + _emit_options(options))

    def _block(self, block_type: int, body: bytes) -> None:
        length = len(body) + 12
        self._stream.write(pack("<II", block_type, length) + body + pack("<I", length))


def _emit_options(options: list[tuple[int, bytes]]) -> bytes:
    if not options:
        return b""
    emitted: list[bytes] = []
    for code, value in options:
        # A value that is too long is cut, and never within a character.
        kept = value
        if len(value) > _MAX_OPTION:
            kept = value[:_MAX_OPTION].decode("utf-8", "ignore").encode()
        emitted.append(pack("<HH", code, len(kept)) + kept + bytes(-len(kept) % 4))
    return b"".join((*emitted, bytes(4)))
