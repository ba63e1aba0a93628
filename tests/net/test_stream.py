import gzip
import io
import tracemalloc
import zlib

import pytest

from secgroup.errors import CaptureError
from secgroup.net.stream import ByteStream

PLAIN = bytes(range(256)) * 1000


class Dripping(io.RawIOBase):
    """A pipe that hands over one byte at a time."""

    def __init__(self, data: bytes) -> None:
        self._bytes = iter(data)

    def read(self, size: int = -1) -> bytes:
        return bytes(byte for _, byte in zip(range(1), self._bytes, strict=False))


class Failing(io.BytesIO):
    """A disk that fails after its first read."""

    def read1(self, size: int | None = -1) -> bytes:
        if self.tell() > 0:
            raise OSError(5, "Input/output error")
        return super().read1(size)


def everything(stream: ByteStream) -> bytes:
    parts = []
    while part := stream.take(1000):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("data", [PLAIN, gzip.compress(PLAIN, mtime=0), b"", b"\x1f", b"\x00"])
def test_take_returns_every_byte_once(data: bytes) -> None:
    expected = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
    stream = ByteStream(io.BytesIO(data), "x")
    assert everything(stream) == expected
    assert stream.offset == len(expected)
    stream.check_end()


def test_gzip_is_recognised_through_a_pipe_of_single_bytes() -> None:
    stream = ByteStream(Dripping(gzip.compress(b"abc" * 9)), "x")  # type: ignore[arg-type]
    assert stream.take(100) == b"abc" * 9


def test_peek_leaves_what_it_saw() -> None:
    stream = ByteStream(io.BytesIO(b"abcdef"), "x")
    assert (stream.peek(3), stream.offset) == (b"abc", 0)
    assert (stream.take(2), stream.peek(9), stream.take(9)) == (b"ab", b"cdef", b"cdef")


def test_skip_counts_what_was_there() -> None:
    stream = ByteStream(io.BytesIO(PLAIN), "x")
    assert stream.skip(200_000) == 200_000
    assert stream.skip(200_000) == len(PLAIN) - 200_000
    assert stream.offset == len(PLAIN)


def test_gzip_members_follow_one_another_and_zeros_pad_them() -> None:
    data = gzip.compress(b"one") + gzip.compress(b"") + gzip.compress(b"two") + bytes(70_000)
    stream = ByteStream(io.BytesIO(data), "x")
    assert everything(stream) == b"onetwo"
    stream.check_end()


def damaged_end(data: bytes) -> tuple[bytes, CaptureError]:
    stream = ByteStream(io.BytesIO(data), "x")
    taken = everything(stream)
    with pytest.raises(CaptureError) as caught:
        stream.check_end()
    assert caught.value.offset == len(taken)
    return taken, caught.value


@pytest.mark.parametrize("size", [3, 11, 400, -9, -8, -1])
def test_cut_gzip_gives_all_that_zlib_can_read_and_then_damage(size: int) -> None:
    data = gzip.compress(PLAIN)[:size]
    taken, problem = damaged_end(data)
    assert "cut" in problem.problem
    oracle = zlib.decompressobj(wbits=31)
    assert taken == oracle.decompress(data)


def test_corrupt_gzip_gives_all_before_the_damage() -> None:
    packer = zlib.compressobj(wbits=31)
    first = packer.compress(PLAIN[:1000]) + packer.flush(zlib.Z_FULL_FLUSH)
    # A block of the type that does not exist.
    taken, problem = damaged_end(first + b"\x07" + bytes(90_000))
    assert "corrupt" in problem.problem
    assert taken == PLAIN[:1000]


def test_wrong_checksum_is_damage_after_everything() -> None:
    data = bytearray(gzip.compress(PLAIN))
    data[-8] ^= 1
    taken, problem = damaged_end(bytes(data))
    assert taken == PLAIN
    assert "corrupt" in problem.problem


def test_rubbish_after_a_member_is_damage() -> None:
    taken, _ = damaged_end(gzip.compress(b"one") + b"rubbish")
    assert taken == b"one"


def test_a_failing_disk_is_damage() -> None:
    stream = ByteStream(Failing(bytes(100_000)), "x")
    assert len(everything(stream)) == 65_536
    with pytest.raises(CaptureError, match="byte 65536: cannot be read further: Input/output"):
        stream.check_end()


def test_a_bomb_is_unpacked_a_chunk_at_a_time() -> None:
    bomb = gzip.compress(bytes(100_000_000), compresslevel=9)
    tracemalloc.start()
    try:
        stream = ByteStream(io.BytesIO(bomb), "x")
        assert stream.skip(100_000_000) == 100_000_000
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
