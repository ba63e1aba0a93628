"""The plain reader is the judge: every field of every frame, and every error, must be its own."""

import gzip
import io
import random
import threading
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secgroup.engine import capture
from secgroup.engine.batch import Sighting, batch_of
from secgroup.engine.capture import Batch, read_batches
from secgroup.engine.frames import (
    CARRIES_IP,
    CARRIES_OTHER,
    CUT,
    LINKS,
    NO_DIRECTION,
    NO_MAC,
    Frames,
)
from secgroup.engine.kernels import digest, internet, link, transport, walk
from secgroup.engine.layout import (
    FIRST_FRAGMENT,
    HAS_ICMP,
    HAS_PORTS,
    HAS_QUOTE,
    HAS_TCP,
    KNOWN_DESTINATION,
    KNOWN_PROTOCOL,
    KNOWN_SOURCE,
    LATER_FRAGMENT,
    MALFORMED,
    PACKET,
    Packets,
)
from secgroup.errors import CaptureError, InputError
from secgroup.net.address import Address
from secgroup.net.capture import Frame, read_capture
from secgroup.net.direction import Direction
from secgroup.net.link import LINK_TYPES
from secgroup.net.packet import Datagram, Malformed, Packet
from secgroup.net.record import MAX_CAPTURED
from secgroup.replay.copies import Copies, _fingerprint
from tests.net.test_link import FRAMES, NOT_IP
from tests.net.test_pcapng import DAMAGES
from tests.support.headers import (
    cooked,
    cooked2,
    ethernet,
    extension,
    icmp,
    ipv4,
    ipv6,
    ipv6_fragment,
    mirrored,
    tcp,
    udp,
)
from tests.support.naive import naive_level, naive_siphash
from tests.support.pcapng import BIG, LITTLE, Writing

EXAMPLE = Path(__file__).parent.parent.parent / "examples/three-tier/traffic.pcapng.gz"
KEY = np.array([0x0706050403020100, 0x0F0E0D0C0B0A0908], dtype=np.uint64)


# --- what the columns must say, from what the plain reader says


def halves(address: Address | None) -> tuple[int, int]:
    if address is None:
        return 0, 0
    number = int(address) | (0xFFFF << 32 if address.version == 4 else 0)
    return number >> 64, number & 0xFFFF_FFFF_FFFF_FFFF


def columns_of(packet: Datagram | None, time_ns: int) -> dict[str, Any]:
    wanted = dict.fromkeys(PACKET, 0) | {"interface": -1, "quote": None}
    wanted["time_ms"] = time_ns // 1_000_000
    if packet is None:
        return wanted
    wanted["length"] = packet.length
    wanted["protocol"] = packet.protocol or 0
    wanted["family"] = 0 if packet.source is None else packet.source.version
    wanted["source_hi"], wanted["source_lo"] = halves(packet.source)
    wanted["destination_hi"], wanted["destination_lo"] = halves(packet.destination)
    if isinstance(packet, Malformed):
        wanted["shape"] = (
            MALFORMED
            | (packet.source is not None) * KNOWN_SOURCE
            | (packet.destination is not None) * KNOWN_DESTINATION
            | (packet.protocol is not None) * KNOWN_PROTOCOL
        )
        return wanted
    return wanted | columns_of_whole(packet, time_ns)


def columns_of_whole(packet: Packet, time_ns: int) -> dict[str, Any]:
    wanted: dict[str, Any] = {"hop_limit": packet.hop_limit}
    shape = 0
    if packet.source_port is not None:
        shape |= HAS_PORTS
        wanted["source_port"], wanted["destination_port"] = (
            packet.source_port,
            packet.destination_port,
        )
    if packet.tcp is not None:
        shape |= HAS_TCP
        wanted["tcp_flags"] = int(packet.tcp.flags)
        for name in ("sequence", "acknowledgement", "payload"):
            wanted[name] = getattr(packet.tcp, name)
    if packet.icmp is not None:
        shape |= HAS_ICMP
        wanted["icmp_type"], wanted["icmp_code"] = packet.icmp.type, packet.icmp.code
        wanted["identifier"] = packet.icmp.identifier or 0
        if packet.icmp.quote is not None:
            shape |= HAS_QUOTE
            wanted["quote"] = columns_of(packet.icmp.quote, time_ns)
    if packet.fragment is not None:
        shape |= LATER_FRAGMENT if packet.fragment.offset > 0 else FIRST_FRAGMENT
        wanted["fragment_id"] = packet.fragment.identification
        wanted["fragment_protocol"] = packet.fragment.protocol
    return wanted | {"shape": shape}


def mac(octets: bytes | None) -> int:
    return NO_MAC if octets is None else int.from_bytes(octets)


def row_of(frame: Frame) -> dict[str, Any]:
    """Write a frame of the plain reader as a row of columns."""
    found = frame.link
    carries = CARRIES_IP if found.ip is not None else CARRIES_OTHER
    wanted = columns_of(frame.datagram, frame.time_ns) | {
        "number": frame.number,
        "time_ns": frame.time_ns,
        "frame_interface": frame.interface,
        "name": frame.interface_name,
        "captured": len(frame.captured),
        "original_length": frame.original_length,
        "header_length": found.header_length,
        "frame_direction": NO_DIRECTION if frame.direction is None else int(frame.direction),
        "carries": CUT if found.problem is not None else carries,
        "vni": -1 if found.vni is None else found.vni,
        "source_mac": mac(found.source_mac),
        "destination_mac": mac(found.destination_mac),
    }
    if found.ip is not None:
        wanted["ip_captured"] = len(found.ip)
    return wanted


def as_rows(columns: Packets | Frames) -> list[dict[str, Any]]:
    filled = {name: each.tolist() for name, each in columns._asdict().items() if each.size > 0}
    return [dict(zip(filled, row, strict=True)) for row in zip(*filled.values(), strict=True)]


def rows_of(batch: Batch) -> Iterator[dict[str, Any]]:
    """Write a batch as the same rows."""
    quotes = as_rows(batch.quotes)
    for packet, frame in zip(as_rows(batch.packets), as_rows(batch.frames), strict=True):
        at = packet["quote"]
        packet["quote"] = None if at < 0 else quotes[at] | {"quote": None}
        frame["frame_interface"] = frame.pop("interface")
        frame["frame_direction"] = frame.pop("direction")
        frame["name"] = batch.interfaces[frame.pop("capture_interface")].name
        if frame["carries"] != CARRIES_IP:
            del frame["ip_captured"]
        del frame["offset"]
        yield packet | frame


Ending = tuple[type[Exception], str, int | None] | None


def until_it_ends(things: Iterable[Any]) -> tuple[list[Any], Ending]:
    got = []
    try:
        for each in things:
            got.append(each)
    except InputError as problem:
        offset = problem.offset if isinstance(problem, CaptureError) else None
        return got, (type(problem), str(problem), offset)
    return got, None


class Pipe(io.RawIOBase):
    """Cannot seek, and hands over `size` bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size = io.BytesIO(data), size

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        return self._data.read(self._size)


def agree(data: bytes, *, decapsulate: bool = False, size: int = 1000, piece: int = 0) -> int:
    """Read `data` both ways and compare; return how many frames there were."""
    plain, wanted_end = until_it_ends(
        read_capture(io.BytesIO(data), decapsulate=decapsulate, source="x")
    )
    stream: Any = Pipe(data, piece) if piece > 0 else io.BytesIO(data)
    batches, end = until_it_ends(
        read_batches(stream, decapsulate=decapsulate, source="x", size=size)
    )
    got = [row for batch in batches for row in rows_of(batch)]
    for each, frame in zip(got, plain, strict=False):
        assert each == row_of(frame), frame
    assert len(got) == len(plain)
    assert end == wanted_end
    assert all(0 < len(batch.frames.number) <= size for batch in batches)
    return len(got)


def pcap(
    frames: Iterable[tuple[bytes, int]], link_type: int = 1, order: str = "<", unit: int = 1
) -> bytes:
    """Write frames with their original lengths."""
    magic = 0xA1B23C4D if unit == 1 else 0xA1B2C3D4
    head = pack(order + "IHHIIII", magic, 2, 4, 0, 0, 65_535, link_type)
    return head + b"".join(
        pack(order + "IIII", 1_700_000_000 + at, 999_999, len(frame), original) + frame
        for at, (frame, original) in enumerate(frames)
    )


# --- packets with every accident

ECHO, UNREACHABLE = icmp(8), icmp(3, 1, body=ipv4(17, udp(bytes(9))))
PACKETS4 = [
    ipv4(6, tcp(payload=bytes(10))),
    ipv4(6, tcp(words=8, options=bytes(12)), header=bytes(8)),
    ipv4(6, tcp(words=4)),
    ipv4(6, tcp(words=15)),
    ipv4(6, tcp(), total=0),
    ipv4(6, tcp(), total=30),
    ipv4(6, tcp(), total=3),
    ipv4(6, tcp(), words=4),
    ipv4(6, tcp(), words=15),
    ipv4(6, tcp(), version=5),
    ipv4(6, tcp(), fragment=0x2000),
    ipv4(6, tcp(), fragment=0x4000),
    ipv4(6, tcp(), fragment=1),
    ipv4(6, tcp(), fragment=2),
    ipv4(6, tcp(), fragment=3),
    ipv4(6, tcp()[:8], fragment=0x2000),
    ipv4(17, udp(bytes(20)), fragment=0x2001),
    ipv4(17, udp(bytes(20))) + bytes(6),
    ipv4(17, udp(), total=25),
    ipv4(1, ECHO),
    ipv4(1, icmp(0)),
    ipv4(1, icmp(13)),
    ipv4(1, icmp(5, body=ipv4(6, tcp()))),
    ipv4(1, UNREACHABLE),
    ipv4(1, UNREACHABLE, fragment=0x2000),
    ipv4(1, UNREACHABLE, fragment=0x0010),
    ipv4(1, icmp(11, body=ipv4(6, tcp(words=3)))),
    ipv4(1, icmp(11, body=ipv4(6, tcp(words=9), total=400))),
    ipv4(1, icmp(4, body=ipv4(6, tcp(), total=0))),
    ipv4(1, icmp(12, body=ipv4(1, ECHO))),
    ipv4(1, icmp(3, body=ipv4(1, UNREACHABLE))),
    ipv4(1, icmp(3, body=ipv4(58, icmp(128)))),
    ipv4(1, icmp(3, body=ipv4(50, bytes(8)))),
    ipv4(1, icmp(3, body=ipv4(17, udp(), fragment=4))),
    ipv4(1, icmp(3, body=ipv4(17, udp(), fragment=0x2000))),
    ipv4(1, icmp(3, body=ipv6(17, udp()))),
    ipv4(1, icmp(3, body=ipv4(17, udp(), words=2))),
    ipv4(58, icmp(128)),
    ipv4(47, bytes(12)),
    mirrored(ethernet(ipv4(6, tcp()), tags=(0x8100,))),
    mirrored(ethernet(ipv4(1, UNREACHABLE))) + bytes(7),
    mirrored(ethernet(bytes(28), ether_type=0x0806)),
    mirrored(ethernet(ipv4(6, tcp())), flags=0),
    mirrored(ethernet(ipv4(6, tcp())), port=4790),
    mirrored(ethernet(mirrored(ethernet(ipv4(6, tcp()))))),
]
CHAIN = extension(43) + extension(60, 16) + extension(135) + ipv6_fragment(6)
PACKETS6 = [
    ipv6(6, tcp(payload=bytes(10))),
    ipv6(17, udp(), payload_length=0),
    ipv6(17, udp(bytes(9)), payload_length=7),
    ipv6(58, icmp(128)),
    ipv6(58, icmp(129)),
    ipv6(58, icmp(135, body=bytes(16))),
    ipv6(1, icmp(8)),
    ipv6(58, icmp(1, body=ipv6(17, udp()))),
    ipv6(58, icmp(2, body=ipv6(0, extension(6) + tcp()))),
    ipv6(58, icmp(3, body=ipv6(58, icmp(128)))),
    ipv6(58, icmp(4, body=ipv6(58, icmp(1)))),
    ipv6(58, icmp(1, body=ipv4(17, udp()))),
    ipv6(58, icmp(1, body=ipv6(44, ipv6_fragment(17, more=True) + udp()))),
    ipv6(58, icmp(1, body=ipv6(44, ipv6_fragment(17, offset=8) + udp()))),
    ipv6(0, CHAIN + tcp()),
    ipv6(0, extension(0) * 8 + tcp()),
    ipv6(0, extension(0) * 7 + extension(6) + tcp()),
    ipv6(0, extension(0) * 8 + extension(6) + tcp()),
    ipv6(44, ipv6_fragment(17) + udp()),
    ipv6(44, ipv6_fragment(17, more=True) + udp()),
    ipv6(44, ipv6_fragment(60, more=True) + extension(17) + udp()),
    ipv6(44, ipv6_fragment(60, offset=16) + udp()),
    ipv6(44, ipv6_fragment(44, more=True) + ipv6_fragment(6, ident=3) + tcp()),
    ipv6(44, ipv6_fragment(44, more=True) + ipv6_fragment(6, ident=3, offset=8) + tcp()),
    ipv6(44, b"\x11\x05" + ipv6_fragment(17)[2:] + udp()),
    ipv6(59, b""),
    ipv6(51, bytes(24)),
    ipv6(17, udp(b"\x08\0\0\0\0\0\1\0" + ethernet(ipv4(6, tcp())), destination=4789)),
]
PACKETS = PACKETS4 + PACKETS6


def links_of(packet: bytes) -> Iterator[tuple[int, bytes]]:
    """Put a packet on every link that carries its family."""
    ether_type = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    yield 1, ethernet(packet, ether_type=ether_type)
    yield 1, ethernet(packet, ether_type=ether_type, tags=(0x88A8, 0x8100)) + bytes(5)
    yield 276, cooked2(4, packet, ether_type=ether_type, interface=0xFFFFFFFF)
    yield 101, packet
    yield 0, (b"\x1e\0\0\0" if ether_type == 0x86DD else b"\0\0\0\x02") + packet


def test_every_link_type_has_its_kernel() -> None:
    assert LINKS.keys() == LINK_TYPES.keys()


@pytest.mark.parametrize("decapsulate", [False, True])
@pytest.mark.parametrize("link_type", sorted(LINK_TYPES))
def test_every_packet_of_every_link_cut_at_every_byte(link_type: int, decapsulate: bool) -> None:
    whole = [row[2] for row in FRAMES if row[1] == link_type]
    whole += [row[2] for row in NOT_IP if row[1] == link_type]
    whole += [
        frame for packet in PACKETS for other, frame in links_of(packet) if other == link_type
    ]
    if link_type in (113, 276):
        write = cooked if link_type == 113 else cooked2
        whole += [write(packet_type, PACKETS4[0]) for packet_type in range(7)]
    whole += [bytes(60), b"\xff" * 60]
    frames = [(frame[:size], len(frame)) for frame in whole for size in range(len(frame) + 1)]
    assert agree(pcap(frames, link_type), decapsulate=decapsulate, size=700) == len(frames)


def test_columns_are_those_that_the_values_fill() -> None:
    frames = [
        (packet[:size], len(packet)) for packet in PACKETS for size in (0, 11, 17, 30, 45, 61, 999)
    ]
    data = pcap(frames, 101)
    (batch,) = read_batches(io.BytesIO(data))
    plain = list(read_capture(io.BytesIO(data)))
    sightings = [
        Sighting(frame.datagram, -1, Direction.INGRESS, frame.time_ns // 1_000_000)
        for frame in plain
        if frame.datagram is not None
    ]
    filled = batch_of(sightings)
    assert len(filled) == len(frames)
    for name in set(PACKET) - {"quote"}:
        wanted, got = getattr(filled.packets, name), getattr(batch.packets, name)
        assert got.dtype == wanted.dtype
        assert np.array_equal(got, wanted), name
    quoting = np.flatnonzero(filled.packets.quote >= 0)
    assert np.array_equal(quoting, np.flatnonzero(batch.packets.quote >= 0))
    for name in set(PACKET) - {"quote", "time_ms"}:
        wanted = getattr(filled.quotes, name)[filled.packets.quote[quoting]]
        assert np.array_equal(getattr(batch.quotes, name)[batch.packets.quote[quoting]], wanted)


def test_original_length_may_be_anything() -> None:
    frames = [
        (ethernet(ipv4(6, tcp(), total=total)), original)
        for total in (0, 40, 44)
        for original in (0, 13, 54, 60, 0xFFFFFFFF)
    ]
    agree(pcap(frames))
    agree(pcap(((mirrored(frame), original) for frame, original in frames), 101), decapsulate=True)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("unit", [1, 1000])
def test_pcap_of_both_orders_and_units(order: str, unit: int) -> None:
    frames = [(ethernet(packet), 70_000) for packet in PACKETS4]
    data = pcap(frames, order=order, unit=unit)
    for size in (1, 2, 7, len(frames), 1000):
        assert agree(data, size=size) == len(frames)


# --- pcapng


def everything(write: Writing) -> bytes:
    """Write a section with every kind of block."""
    frame = ethernet(ipv4(6, tcp()))
    return b"".join(
        (
            write.section(),
            write.block(0x0000000A, b"secrets"),
            write.interface((2, b"eth0\0"), (9, b"\x09")),
            write.interface((9, b"\x06"), (14, pack(write.order + "q", -5)), link_type=101),
            write.enhanced(1_700_000_000_000_000_001, frame),
            write.enhanced(1_700_000_000_000_000, ipv4(17, udp()), interface=1),
            write.simple(len(frame), frame),
            write.block(5, bytes(40)),
            write.interface((2, b"any"), link_type=276, snap=30),
            write.enhanced(6, cooked2(4, ipv6(17, udp())), (1, b"a"), interface=2),
            write.enhanced(7, cooked2(4, b"", ether_type=6), (2, pack(write.order + "I", 1))),
            write.enhanced(7, frame, (2, pack(write.order + "I", 2)), (2, bytes(4))),
            write.obsolete(8, frame, (2, pack(write.order + "I", 2))),
            write.enhanced(9, b"", (2, pack(write.order + "I", 2)), (2, b"\1\0"), (2, bytes(8))),
            write.simple(0, b""),
        )
    )


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_sections_of_both_orders_one_behind_the_other(size: int) -> None:
    data = everything(LITTLE) + everything(BIG) + everything(LITTLE)
    assert agree(data, size=size) == 3 * 9
    simple = LITTLE.section() + LITTLE.interface(snap=20) + LITTLE.simple(54, bytes(20))
    assert agree(data + simple + data, size=size) == 6 * 9 + 1


RESOLUTIONS = [*range(40), 127, *range(128, 200), 255]
STAMPS = [0, 1, 999, 2**31, 2**32 - 1, 2**32, 0x123456789ABCDEF, 2**53, 2**63 - 1, 2**63, 2**64 - 1]
STAMPS += [(2**63 - 1) // 1000 + 1, (2**63 - 1) // 10**9 + 1, ((2**63 - 1) // 10**9 << 10) + 1023]


@pytest.mark.parametrize("offset_s", [0, 1, -1, 1_700_000_000, 2**33, 2**34, -(2**34), 2**62])
def test_every_resolution_of_every_stamp(offset_s: int) -> None:
    for resolution in RESOLUTIONS:
        options = (9, bytes((resolution,))), (14, pack("<q", offset_s))
        for stamp in STAMPS:
            agree(
                LITTLE.section()
                + LITTLE.interface(*options, (2, b"odd"))
                + LITTLE.interface((2, b"even"))
                + LITTLE.enhanced(5, b"", interface=1)
                + LITTLE.enhanced(stamp, ethernet(ipv4(1, UNREACHABLE)))
                + LITTLE.simple(20, bytes(20))
                + LITTLE.enhanced(6, b"", interface=1)
            )


@pytest.mark.parametrize("extra", [0, 1])
def test_a_frame_longer_than_any_is_damage(extra: int) -> None:
    frame = bytes(MAX_CAPTURED + extra)
    count = 3 if extra == 0 else 1
    assert agree(pcap([(b"a", 1), (frame, 9), (b"b", 1)])) == count
    written = LITTLE.enhanced(1, b"a") + LITTLE.enhanced(2, frame) + LITTLE.enhanced(3, b"b")
    assert agree(LITTLE.section() + LITTLE.interface() + written) == count


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_has_the_words_of_the_plain_reader(damage: bytes) -> None:
    assert agree(everything(LITTLE) + damage + everything(LITTLE)) == 9


def test_every_cut_of_a_file() -> None:
    for data in (everything(LITTLE), everything(BIG), pcap([(b"ab", 9), (b"", 0), (b"abc", 3)])):
        for size in range(len(data)):
            agree(data[:size])
            agree(data[:size], piece=7)


def test_a_link_type_that_is_not_read_ends_at_its_first_frame() -> None:
    agree(pcap([], 127))
    agree(pcap([(b"", 0)], 127))
    agree(pcap([(b"abc", 3)], 127)[:-1])
    odd = LITTLE.interface(link_type=189)
    good = LITTLE.section() + LITTLE.interface() + LITTLE.enhanced(1, b"abc")
    assert agree(good + odd + LITTLE.enhanced(2, b"ab")) == 2
    assert agree(good + odd + LITTLE.enhanced(2, b"ab", interface=1)) == 1
    assert agree(LITTLE.section() + odd + LITTLE.simple(0, b"")) == 0


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"{}", b"Resources:", bytes.fromhex("a1b2cd34") + bytes(20), b"\x1f\x8b", b"\x1f"],
)
def test_what_is_no_capture_is_refused_alike(data: bytes) -> None:
    agree(data)
    agree(gzip.compress(data))


def test_files_that_cannot_be_opened_are_refused_alike(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", "\0"):
        assert until_it_ends(read_batches(path)) == until_it_ends(read_capture(path))


# --- gzip, pipes, windows


def test_the_example_is_read_alike() -> None:
    packed = EXAMPLE.read_bytes()
    count = agree(packed)
    assert count > 1000
    assert agree(gzip.decompress(packed), piece=1013) == count
    assert sum(len(batch.frames.number) for batch in read_batches(EXAMPLE)) == count


def test_damaged_gzip_is_read_to_the_damage() -> None:
    packed = EXAMPLE.read_bytes()
    for size in (3, 400, 9_000, len(packed) - 9, len(packed) - 1):
        agree(packed[:size])
        agree(packed[:size], piece=4_000)
    for at in (200, 20_000, len(packed) - 6):
        agree(packed[:at] + bytes((packed[at] ^ 0x55,)) + packed[at + 1 :])
    agree(packed + b"rubbish")
    agree(packed + packed)


def test_a_pipe_is_read_as_it_comes() -> None:
    data = everything(BIG)
    for piece in (1, 13, 28, 1000):
        assert agree(data, piece=piece) == 9
    frames = [(bytes(20), 20)] * 3
    batches = read_batches(Pipe(pcap(frames), 24 + 36 + 10))  # type: ignore[arg-type]
    assert [len(batch.frames.number) for batch in batches] == [1, 2]


@pytest.mark.parametrize("window", [1, 100, 5_000])
def test_any_window_will_do(monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    monkeypatch.setattr(capture, "_WINDOW", window)
    rng = random.Random(5)
    frames = [(ethernet(rng.choice(PACKETS4)), 2000) for _ in range(300)]
    frames[100] = (bytes(262_144), 262_144)
    assert agree(pcap(frames)) == 300
    assert agree(everything(LITTLE) + LITTLE.block(5, bytes(3_000_000)) + everything(BIG)) == 18


def test_a_failing_disk_is_damage() -> None:
    class Failing(io.BytesIO):
        def read1(self, size: int | None = -1) -> bytes:
            if self.tell() > 0:
                raise OSError(5, "Input/output error")
            return super().read1(70)

    data = pcap([(bytes(20), 20)] * 3)
    plain, wanted = until_it_ends(read_capture(Failing(data), source="x"))
    batches, end = until_it_ends(read_batches(Failing(data), source="x"))
    assert (len(plain), wanted) == (len(batches[0].frames.number), end)


def test_a_batch_that_somebody_has_is_left_alone_and_its_memory_is_used_again() -> None:
    data = pcap([(ethernet(ipv4(17, udp(source=port))), 60) for port in range(1000)])
    kept, blocks = [], set()
    for number, batch in enumerate(read_batches(io.BytesIO(data), size=10)):
        blocks.add(batch.packets.time_ms.ctypes.data)
        if number % 25 == 0:
            kept.append(batch.packets.source_port[3:5])
    assert [each.tolist() for each in kept] == [[at + 3, at + 4] for at in range(0, 1000, 250)]
    assert len(blocks) <= 3 + len(kept)


def test_a_long_stream_takes_bounded_memory() -> None:
    class Endless(io.RawIOBase):
        """A capture of some frames, over and over."""

        def __init__(self, head: bytes, body: bytes, times: int) -> None:
            self._pieces = chain((head,), repeat(body, times))

        def seekable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            return next(self._pieces, b"")

    body = pcap([(bytes(60_000), 60_000)])[24:]
    tracemalloc.start()
    try:
        stream: Any = Endless(pcap([]), body, 3000)
        count = sum(len(batch.frames.number) for batch in read_batches(stream, size=1000))
        assert count == 3000
        assert tracemalloc.get_traced_memory()[1] < 12_000_000
    finally:
        tracemalloc.stop()


def test_the_thread_beside_ends_when_nobody_reads_on(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(pcap([(bytes(1000), 1000)] * 5000), 1))
    before = threading.active_count()
    batches = read_batches(path, size=10)
    next(batches)
    assert threading.active_count() == before + 1
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


# --- chance


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(LINK_TYPES)),
    st.lists(
        st.tuples(
            st.sampled_from(PACKETS),
            st.integers(0, 4),
            st.lists(st.tuples(st.integers(0, 119), st.integers(0, 255)), max_size=4),
            st.integers(0, 200),
        ),
        max_size=30,
    ),
    st.booleans(),
)
def test_changed_bytes_of_any_packet(link_type: int, chosen: list[Any], inner: bool) -> None:
    frames = []
    for packet, at, changes, size in chosen:
        frame = bytearray(list(links_of(packet))[at][1])
        for place, value in changes:
            if place < len(frame):
                frame[place] = value
        frames.append((bytes(frame[:size]), len(frame)))
    agree(pcap(frames, link_type), decapsulate=inner)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["little", "big", "both", "pcap"]),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=3),
    st.integers(1, 9),
)
def test_changed_bytes_of_any_file(which: str, changes: list[tuple[int, int]], size: int) -> None:
    files = {
        "little": everything(LITTLE),
        "big": everything(BIG),
        "both": everything(LITTLE) + everything(BIG),
        "pcap": pcap([(ethernet(packet), 100) for packet in PACKETS4[:9]]),
    }
    data = bytearray(files[which])
    for place, value in changes:
        data[place % len(data)] = value
    agree(bytes(data), size=size)


# --- digests


#: The first vectors of the reference implementation: the message is 0, 1, 2 … in order.
VECTORS = ["a3817f04ba25a8e66df67214c7550293", "da87c1d86b99af44347659119b22fc45"]


def test_siphash_has_the_vectors_of_its_authors() -> None:
    key = bytes(range(16))
    for size, vector in enumerate(VECTORS):
        assert naive_siphash(bytes(range(size)), key).hex() == vector
    for size in range(40):
        octets = np.arange(size, dtype=np.uint8)
        hi, lo = digest.siphash(octets, 0, size, KEY)
        got = int(hi).to_bytes(8, "little") + int(lo).to_bytes(8, "little")
        assert got == naive_siphash(bytes(range(size)), key)


def test_digests_are_equal_where_the_packets_that_copies_compares_are() -> None:
    frames = []
    for packet in PACKETS:
        changed = [packet, packet + bytes(3), packet[:60]]
        for place in (0, 4, 6, 7, 8, 9, 10, 11, 24, 26, 36, 37, 46, 56, 57):
            if place < len(packet):
                each = bytearray(packet)
                each[place] ^= 0x10
                changed.append(bytes(each))
        frames += [(frame, len(frame)) for frame in changed]
    data = pcap(frames, 101)
    plain = list(read_capture(io.BytesIO(data), decapsulate=True))
    (batch,) = read_batches(io.BytesIO(data), decapsulate=True, key=KEY, size=10_000)
    prints: dict[bytes, tuple[int, int]] = {}
    got = zip(batch.frames.digest_hi.tolist(), batch.frames.digest_lo.tolist(), strict=True)
    for frame, pair in zip(plain, got, strict=True):
        if frame.datagram is None or frame.link.ip is None:
            assert pair == (0, 0)
            continue
        assert prints.setdefault(_fingerprint(frame.link.ip, frame.datagram), pair) == pair
        levelled = naive_level(frame.link.ip, frame.datagram)
        assert b"".join(half.to_bytes(8, "little") for half in pair) == naive_siphash(
            levelled, KEY.tobytes()
        )
    assert len(prints) > 2 * len(PACKETS)
    assert len(set(prints.values())) == len(prints)


def test_a_capture_of_one_place_has_no_copies_to_look_for() -> None:
    data = pcap([(packet, len(packet)) for packet in PACKETS], 101)
    (batch,) = read_batches(io.BytesIO(data), key=KEY, size=10_000)
    assert len(batch.frames.digest_hi) == len(batch.frames.digest_lo) == 0


def test_another_key_gives_other_digests_and_none_gives_none() -> None:
    (first,) = read_batches(EXAMPLE, key=KEY)
    (second,) = read_batches(EXAMPLE, key=KEY + np.uint64(1))
    ip = first.frames.carries == CARRIES_IP
    assert not np.any(first.frames.digest_hi[ip] == second.frames.digest_hi[ip])
    (none,) = read_batches(EXAMPLE)
    assert len(none.frames.digest_hi) == 0


def test_copies_of_the_example_are_those_of_the_plain_reader() -> None:
    copies = Copies()
    wanted = sum(copies.is_copy(frame) for frame in read_capture(EXAMPLE))
    (batch,) = read_batches(EXAMPLE, key=KEY)
    seen: dict[tuple[int, int], tuple[int, int]] = {}
    count = 0
    frames = batch.frames
    for row in np.flatnonzero(frames.carries == CARRIES_IP):
        pair = int(frames.digest_hi[row]), int(frames.digest_lo[row])
        interface, time_ns = int(frames.interface[row]), int(frames.time_ns[row])
        before = seen.get(pair)
        if before and before[0] != interface and abs(time_ns - before[1]) <= 1_000_000_000:
            count += 1
        else:
            seen[pair] = interface, time_ns
    assert count == wanted > 0


def test_each_kernel_was_compiled_once() -> None:
    for kernel in (
        walk.walk_pcap,
        walk.walk_pcapng,
        link.link,
        link.decapsulate,
        internet.internet,
        transport.transport,
        transport.quote,
        digest.digest,
    ):
        assert len(getattr(kernel, "signatures", [()])) <= 1, kernel
