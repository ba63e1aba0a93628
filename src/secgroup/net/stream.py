"""Bytes read forward from a file that may be gzip, with the place that has been reached.

Owns buffering, decompression and the offset of what was read; knows nothing of captures.
Memory is bounded: two chunks, and what the caller takes at once.
"""

import zlib
from collections.abc import Callable, Generator, Iterator
from io import BufferedIOBase
from typing import BinaryIO, Final

from secgroup.errors import CaptureError

_CHUNK: Final = 65_536
_GZIP: Final = b"\x1f\x8b"
#: zlib's largest window, in a gzip wrapper.
_GZIP_WINDOW: Final = 31


class ByteStream:
    """A binary stream read forward only; gzip is recognised by its first two bytes.

    `offset` is the number of bytes taken, after decompression. Damage to the file itself shows
    only when everything before it has been taken.

    Parameters
    ----------
    stream : BinaryIO
        Read, never closed.
    source : str
        What errors call it.
    beside : callable, optional
        What hands on the chunks of a gzip stream, so that they can be made elsewhere.

    """

    def __init__(
        self,
        stream: BinaryIO,
        source: str,
        *,
        beside: Callable[[Iterator[bytes]], Iterator[bytes]] = iter,
    ) -> None:
        self.source = source
        self.offset = 0
        self._beside = beside
        self._plain: BufferedIOBase | None = None
        self._buffer = b""
        self._position = 0
        self._damage: str | None = None
        self._chunks = self._read(stream)

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes, fewer only where the stream ends."""
        end = self._position + count
        if end > len(self._buffer):
            self._fill(count)
            end = count
        taken = self._buffer[self._position : end]
        self._position += len(taken)
        self.offset += len(taken)
        return taken

    def peek(self, count: int) -> bytes:
        """Return what `take` would, and leave it."""
        if self._position + count > len(self._buffer):
            self._fill(count)
        return self._buffer[self._position : self._position + count]

    def take_into(self, room: memoryview) -> int:
        """Fill `room` with what is there, else with what comes next; return how many bytes.

        0 where the stream ends. A plain file is read into `room` and nowhere else.
        """
        if self._position == len(self._buffer) and self._plain is not None:
            try:
                count = self._plain.readinto1(room)
            except OSError as problem:
                self._damage = _unreadable(problem)
                return 0
            self.offset += count
            return count
        if self._position == len(self._buffer):
            self._buffer, self._position = next(self._chunks, b""), 0
        taken = self.take(min(len(room), len(self._buffer) - self._position))
        room[: len(taken)] = taken
        return len(taken)

    def put_back(self, taken: bytes) -> None:
        """Take back the last bytes that were taken: the next to be taken are these."""
        self._buffer, self._position = taken + self._buffer[self._position :], 0
        self.offset -= len(taken)

    def close(self) -> None:
        """Read no further; the stream beneath stays open."""
        self._chunks.close()

    def skip(self, count: int) -> int:
        """Take `count` bytes without keeping them; return how many there were."""
        left = count
        while left > 0:
            taken = len(self.take(min(left, _CHUNK)))
            if taken == 0:
                break
            left -= taken
        return count - left

    @property
    def damage(self) -> str | None:
        """What is wrong where the stream ended, None when that was its end."""
        return self._damage

    def check_end(self) -> None:
        """Tell an end from damage, when `take` returned nothing.

        Raises
        ------
        CaptureError
            The stream ended because it is damaged.

        """
        if self._damage is not None:
            raise CaptureError(self._damage, source=self.source, offset=self.offset)

    def _fill(self, count: int) -> None:
        parts = [self._buffer[self._position :]]
        present = len(parts[0])
        while present < count:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            parts.append(chunk)
            present += len(chunk)
        self._buffer = b"".join(parts)
        self._position = 0

    def _read(self, stream: BinaryIO) -> Generator[bytes, None, None]:
        chunks = self._chunks_of(stream)
        first = b""
        for chunk in chunks:
            first += chunk
            if len(first) >= len(_GZIP):
                break
        if first.startswith(_GZIP):
            yield from self._beside(self._decompress(first, chunks))
        elif first:
            if isinstance(stream, BufferedIOBase):
                self._plain = stream
            yield first
            yield from chunks

    def _chunks_of(self, stream: BinaryIO) -> Iterator[bytes]:
        # A pipe hands over what it has, so that a live capture is decided as it comes.
        read = getattr(stream, "read1", stream.read)
        while True:
            try:
                chunk = read(_CHUNK)
            except OSError as problem:
                self._damage = _unreadable(problem)
                return
            if not chunk:
                return
            yield chunk

    def _decompress(self, first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Decompress one gzip member after the other, a chunk at a time."""
        compressed = first
        while compressed:
            member = zlib.decompressobj(wbits=_GZIP_WINDOW)
            while not member.eof:
                if not compressed:
                    compressed = next(chunks, b"")
                if not compressed:
                    yield member.flush()
                    self._damage = self._damage or "the gzip stream is cut"
                    return
                before = member.copy()
                try:
                    plain = member.decompress(compressed, _CHUNK)
                except zlib.error:
                    yield from _decompress_by_bytes(before, compressed)
                    self._damage = "the gzip stream is corrupt"
                    return
                compressed = member.unconsumed_tail
                yield plain
            # Zeros may pad a member.
            compressed = member.unused_data.lstrip(b"\0")
            while not compressed and (chunk := next(chunks, None)) is not None:
                compressed = chunk.lstrip(b"\0")


def _unreadable(problem: OSError) -> str:
    return f"cannot be read further: {problem.strerror or problem}"


def _decompress_by_bytes(member: "zlib._Decompress", compressed: bytes) -> Iterator[bytes]:
    """Yield what comes before the first byte that makes no sense: a call that fails loses it."""
    for byte in compressed:
        rest = bytes((byte,))
        while rest:
            try:
                yield member.decompress(rest, _CHUNK)
            except zlib.error:
                return
            rest = member.unconsumed_tail
