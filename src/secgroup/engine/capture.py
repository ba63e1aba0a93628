"""Captures in columns: what `net.capture` reads frame by frame, a batch at a time.

Owns the bytes that are read and not yet used, and the columns that are being filled. Kernels
find and read the frames; where they stop, at a section, an interface, an odd clock, damage or
the end, the plain reader reads on, so that each error is its own.
"""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import numpy as np

from secgroup.engine.clocks import clocks_of
from secgroup.engine.frames import (
    COOKED_2,
    CURSOR_AT,
    CURSOR_CAUSE,
    CURSOR_NEED,
    CURSOR_SIZE,
    CURSOR_TIME,
    FULL,
    LINKS,
    LOOK,
    NEED_MORE,
    NO_DIRECTION,
    UNREADABLE,
    Frames,
    Spans,
)
from secgroup.engine.kernels.digest import digest
from secgroup.engine.kernels.internet import internet
from secgroup.engine.kernels.link import decapsulate, link
from secgroup.engine.kernels.transport import quote, transport
from secgroup.engine.kernels.walk import walk_pcap, walk_pcapng
from secgroup.engine.layout import ICMP_ERROR_TYPES, ICMP_KINDS, PACKET, U1, U8, Packets
from secgroup.engine.rooms import Room, first_rows, packets_room
from secgroup.errors import InputError
from secgroup.net.capture import is_pcapng, open_capture
from secgroup.net.link import link_parser
from secgroup.net.pcap import read_pcap_frames, read_pcap_header
from secgroup.net.pcapng import PcapngReader
from secgroup.net.record import CaptureInterface, Record
from secgroup.net.stream import ByteStream

#: Frames in a batch.
BATCH: Final = 65_536

#: Bytes that are read before kernels look at them: as many as a core's own cache holds.
_WINDOW: Final = 1 << 20
#: Chunks that a thread makes at once.
_CHUNKS: Final = 16
#: Batches that are remembered: one is read, one waits, one is decided, one is written.
_ROOMS: Final = 4


class Batch(NamedTuple):
    """Frames that follow one another in a capture.

    Attributes
    ----------
    frames : Frames
        A row for each.
    packets : Packets
        The packets in the same rows, at no interface; only those of frames that carry IP count.
    quotes : Packets
        What ICMP errors among them quote; `packets.quote` is a row of these.
    interfaces : tuple of CaptureInterface
        All that the file has described so far, by `frames.capture_interface`.

    """

    frames: Frames
    packets: Packets
    quotes: Packets
    interfaces: tuple[CaptureInterface, ...]


def read_batches(
    path: str | Path | BinaryIO,
    *,
    decapsulate: bool = False,
    source: str | None = None,
    size: int = BATCH,
    key: U8 | None = None,
) -> Generator[Batch, None, None]:
    """Read a capture into columns: pcap or pcapng, plain or gzip.

    Parameters
    ----------
    path, decapsulate, source
        As those of `net.capture.read_capture`.
    size : int
        Frames in a batch; a stream that cannot seek hands over fewer, as they come.
    key : uint64, shape (2,), optional
        Fill the digests of `Frames` with this key, which should be chance; where all frames of
        a file were captured in one place, they stay empty.

    Raises
    ------
    InputError
        The file cannot be opened, is empty or no capture, or has a link type that is not read.
    CaptureError
        The capture is cut or damaged; everything before that has been yielded.

    """
    if isinstance(path, str | Path):
        source = str(path) if source is None else source
        with open_capture(path) as stream:
            yield from read_batches(
                stream, decapsulate=decapsulate, source=source, size=size, key=key
            )
        return
    source = str(getattr(path, "name", "capture")) if source is None else source
    is_live = not path.seekable()
    options = _Options(is_live=is_live, decapsulate=decapsulate, size=size, key=key)
    with closing(ByteStream(path, source, beside=iter if is_live else _beside)) as octets:
        reader = _Pcapng if is_pcapng(octets) else _Pcap
        yield from reader(octets, options).batches()


def _beside(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the same, made in a thread that is a few ahead."""
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(_some, chunks)
        while some := ahead.result():
            ahead = pool.submit(_some, chunks)
            yield from some


def _some(chunks: Iterator[bytes]) -> list[bytes]:
    return list(islice(chunks, _CHUNKS))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """What `read_batches` was asked for; `is_live`: what has come is handed over at once."""

    is_live: bool
    decapsulate: bool
    size: int
    key: U8 | None


class _Reader:
    """Fills columns from a stream; subclasses know the two formats."""

    def __init__(self, stream: ByteStream, options: _Options) -> None:
        self._stream = stream
        self._options = options
        self._number = 1
        self._interfaces: list[CaptureInterface] = []
        self._links = np.empty(0, dtype=np.uint8)
        # Bytes that have been read; from the cursor to `_end` they are not used yet, and the
        # first one is byte `_base` of the file.
        self._octets: U1 = np.empty(_WINDOW, dtype=np.uint8)
        self._end = 0
        self._base = stream.offset
        self._cursor = np.zeros(CURSOR_SIZE, dtype=np.int64)
        self._spans, self._quote_spans = (
            Spans(*(np.empty(options.size, dtype=np.int64) for _ in Spans._fields))
            for _ in range(2)
        )
        self._quoting = np.empty(options.size, dtype=np.int64)
        self._rooms: list[Room] = []
        self._begin_batch()

    def _walk(self) -> int:
        """Find frames, and return the row after the last one."""
        raise NotImplementedError

    def _look(self) -> CaptureInterface | Record | None:
        """Read on plainly.

        Raises
        ------
        StopIteration
            There is nothing more.

        """
        raise NotImplementedError

    def batches(self) -> Iterator[Batch]:
        """Yield batch after batch.

        Raises
        ------
        InputError, CaptureError
            As `read_batches`.

        """
        while True:
            row = self._walk()
            if row > self._row:
                self._read(self._octets, self._base, row)
            cause = self._cursor[CURSOR_CAUSE]
            if cause == FULL or (self._options.is_live and self._row > 0):
                yield self._end_batch()
                self._begin_batch()
            if cause == NEED_MORE and not self._fill(int(self._cursor[CURSOR_NEED])):
                cause = LOOK
            if cause == LOOK:
                try:
                    goes_on = self._read_plainly()
                except InputError:
                    if self._row > 0:
                        yield self._end_batch()
                    raise
                if not goes_on:
                    break
        if self._row > 0:
            yield self._end_batch()

    def _begin_batch(self) -> None:
        """Go on to fill a room that is free; the last ones are remembered."""
        room = next((each for each in self._rooms if each.is_free), None)
        if room is None:
            room = Room(self._options.size, with_digests=self._options.key is not None)
            self._rooms = [*self._rooms[1 - _ROOMS :], room]
        self._frames, self._packets = room.frames, room.packets
        self._quotes = packets_room(0)
        self._row = self._quoted = 0

    def _end_batch(self) -> Batch:
        count = self._row
        self._frames.number[:count] = np.arange(self._number, self._number + count)
        self._number += count
        return Batch(
            frames=first_rows(self._frames, count),
            packets=first_rows(self._packets, count),
            quotes=first_rows(self._quotes, self._quoted),
            interfaces=tuple(self._interfaces),
        )

    def _read(self, octets: U1, base: int, last: int) -> None:
        """Read the frames in the rows up to `last`."""
        first, self._row = self._row, last
        frames, packets, spans = self._frames, self._packets, self._spans
        packets.time_ms[first:last] = frames.time_ns[first:last] // 1_000_000
        link(octets, base, first, last, self._links, frames, spans)
        internet(octets, first, last, spans, packets)
        if self._options.decapsulate and decapsulate(
            octets, base, first, last, frames, packets, spans
        ):
            internet(octets, first, last, spans, packets)
        count = transport(
            octets,
            first,
            last,
            ICMP_KINDS,
            ICMP_ERROR_TYPES,
            spans,
            packets,
            self._quote_spans,
            self._quoting,
        )
        if count > 0:
            self._read_quotes(octets, count)
        if self._options.key is not None:
            digest(octets, base, first, last, self._options.key, frames, packets)

    def _read_quotes(self, octets: U1, count: int) -> None:
        """Read as many quotes as `transport` found."""
        first, last = self._quoted, self._quoted + count
        if last > len(self._quotes.shape):
            room = packets_room(2 * last)
            for name in PACKET:
                getattr(room, name)[:first] = getattr(self._quotes, name)[:first]
            self._quotes = room
        internet(octets, first, last, self._quote_spans, self._quotes)
        quote(
            octets,
            first,
            last,
            ICMP_KINDS,
            self._quote_spans,
            self._quoting,
            self._packets,
            self._quotes,
        )
        self._quoted = last

    def _fill(self, needed: int) -> bool:
        """Have at least `needed` bytes that are not used; tell whether there are."""
        at = int(self._cursor[CURSOR_AT])
        rest = self._end - at
        self._octets[:rest] = self._octets[at : self._end].copy()
        self._base += at
        self._end, self._cursor[CURSOR_AT] = rest, 0
        wanted = needed if self._options.is_live else max(needed, _WINDOW)
        while self._end < wanted:
            if self._end == len(self._octets):
                self._octets = np.concatenate((self._octets, np.empty_like(self._octets)))
            count = self._stream.take_into(self._octets.data[self._end :])
            if count == 0:
                break
            self._end += count
        return self._end >= needed

    def _read_plainly(self) -> bool:
        """Let the plain reader read what stands at the cursor; tell whether there was more."""
        self._stream.put_back(self._octets[self._cursor[CURSOR_AT] : self._end].tobytes())
        item: CaptureInterface | Record | None
        try:
            while isinstance(item := self._look(), CaptureInterface):
                self._describe(item)
        except StopIteration:
            return False
        finally:
            self._base, self._end, self._cursor[CURSOR_AT] = self._stream.offset, 0, 0
        if item is not None:
            self._add(item)
        return True

    def _describe(self, interface: CaptureInterface) -> None:
        self._interfaces.append(interface)
        link = LINKS.get(interface.link_type, UNREADABLE)
        self._links = np.append(self._links, np.uint8(link))

    def _add(self, record: Record) -> None:
        """Fill a row with a frame that was read plainly."""
        link_parser(record.interface.link_type, source=self._stream.source)
        frames, row = self._frames, self._row
        frames.time_ns[row] = record.time_ns
        frames.capture_interface[row] = record.interface.index
        frames.offset[row] = 0
        frames.captured[row] = len(record.captured)
        frames.original_length[row] = record.original_length
        frames.direction[row] = NO_DIRECTION if record.direction is None else record.direction
        self._read(np.frombuffer(record.captured, dtype=np.uint8).copy(), 0, row + 1)
        frames.offset[row] = -1


class _Pcap(_Reader):
    """Reads pcap."""

    def __init__(self, stream: ByteStream, options: _Options) -> None:
        self._header = read_pcap_header(stream)
        link_type = self._header.interface.link_type
        if not options.decapsulate and LINKS.get(link_type) != COOKED_2:
            # Everything was captured in one place, and nothing is a copy.
            options = replace(options, key=None)
        super().__init__(stream, options)
        self._describe(self._header.interface)
        self._plain = read_pcap_frames(stream, self._header)

    def _walk(self) -> int:
        if self._links[0] == UNREADABLE:
            self._cursor[CURSOR_CAUSE] = LOOK
            return self._row
        big, unit_ns = int(self._header.order == ">"), self._header.unit_ns
        return walk_pcap(
            self._octets, self._end, self._base, big, unit_ns, self._frames, self._row, self._cursor
        )

    def _look(self) -> CaptureInterface | Record | None:
        return next(self._plain)


class _Pcapng(_Reader):
    """Reads pcapng."""

    def __init__(self, stream: ByteStream, options: _Options) -> None:
        super().__init__(stream, options)
        self._plain = PcapngReader(stream)
        self._blocks = self._plain.blocks()
        # Of the interfaces that this section has described so far.
        self._section = self._plain.section
        self._clocks = clocks_of([])

    def _walk(self) -> int:
        described = self._plain.section.interfaces
        if self._section is not self._plain.section or len(described) != len(self._clocks.way):
            self._section = self._plain.section
            self._clocks = clocks_of(described)
        return walk_pcapng(
            self._octets,
            self._end,
            self._base,
            int(self._section.order == ">"),
            self._clocks,
            len(self._interfaces) - len(described),
            self._frames,
            self._row,
            self._cursor,
        )

    def _look(self) -> CaptureInterface | Record | None:
        self._plain.time_ns = int(self._cursor[CURSOR_TIME])
        item = next(self._blocks)
        self._cursor[CURSOR_TIME] = self._plain.time_ns
        return item
