import gzip
import io
import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from struct import pack

import pytest

from secgroup.errors import CaptureError, InputError
from secgroup.net.capture import Frame, annotate, read, read_capture
from secgroup.net.direction import Direction
from secgroup.net.packet import Malformed, Packet
from secgroup.net.pcap import write_pcap
from tests.support.headers import cooked2, ethernet, ipv4, ipv6, mirrored, tcp, udp
from tests.support.pcapng import BIG, LITTLE

ARP = ethernet(bytes(28), ether_type=0x0806)
SYN = ethernet(ipv4(6, tcp()))
QUERY = ethernet(ipv6(17, udp()), ether_type=0x86DD)


def pcap(*frames: bytes, link_type: int = 1, snap_length: int = 262_144) -> bytes:
    """Write frames a second and a nanosecond apart."""
    stream = io.BytesIO()
    timed = ((1_700_000_000_000_000_000 + n * 1_000_000_001, f) for n, f in enumerate(frames))
    write_pcap(stream, timed, link_type=link_type, snap_length=snap_length)
    return stream.getvalue()


def frames_of(data: bytes) -> list[Frame]:
    return list(read(io.BytesIO(data), source="x.pcap"))


def test_every_record_counts_and_ip_is_parsed() -> None:
    arp, syn, query = frames_of(pcap(ARP, SYN, QUERY))
    assert [arp.number, syn.number, query.number] == [1, 2, 3]
    assert arp.datagram is None
    assert (arp.link.ether_type, arp.captured) == (0x0806, ARP)
    assert isinstance(syn.datagram, Packet)
    assert isinstance(query.datagram, Packet)
    assert (syn.datagram.destination_port, query.datagram.destination_port) == (443, 53)
    assert syn.time_ns == 1_700_000_001_000_000_001
    assert (syn.interface, syn.interface_name, syn.direction) == (0, None, None)


def test_snap_length_that_cuts_payload_keeps_the_packet_and_headers_make_it_malformed() -> None:
    frame = ethernet(ipv4(6, tcp(payload=bytes(1000))))
    (cut,) = frames_of(pcap(frame, snap_length=54))
    assert (cut.original_length, len(cut.captured)) == (1054, 54)
    assert isinstance(cut.datagram, Packet)
    assert cut.datagram.tcp is not None
    assert cut.datagram.tcp.payload == 1000
    (headless,) = frames_of(pcap(frame, snap_length=53))
    assert isinstance(headless.datagram, Malformed)
    assert headless.datagram.length == 1040


def test_a_frame_cut_within_its_link_header_is_no_datagram() -> None:
    (frame,) = frames_of(pcap(SYN, snap_length=13))
    assert frame.datagram is None
    assert frame.link.problem == "Ethernet header cut after 13 bytes"


def test_length_zero_is_the_frames_less_its_link_header() -> None:
    offloaded = ethernet(ipv4(6, tcp(payload=bytes(5000)), total=0))
    (frame,) = frames_of(pcap(offloaded, snap_length=96))
    assert frame.datagram is not None
    assert frame.datagram.length == 5040


def test_cooked_2_names_interface_and_direction() -> None:
    (frame,) = frames_of(pcap(cooked2(4, ipv4(6, tcp()), interface=7), link_type=276))
    assert (frame.interface, frame.direction) == (7, Direction.EGRESS)


def test_flags_of_the_file_go_before_the_cooked_packet_type() -> None:
    frame = cooked2(4, ipv4(6, tcp()))
    data = (
        LITTLE.section()
        + LITTLE.interface((2, b"any"), link_type=276)
        + LITTLE.enhanced(1, frame, (2, pack("<I", 1)))
        + LITTLE.enhanced(1, frame)
    )
    first, second = frames_of(data)
    assert (first.direction, second.direction) == (Direction.INGRESS, Direction.EGRESS)
    assert (first.interface, first.interface_name) == (3, "any")


@pytest.mark.parametrize("form", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_file_and_a_stream_are_read_alike(tmp_path: Path, form: Callable[[bytes], bytes]) -> None:
    data = form(LITTLE.section() + LITTLE.interface() + LITTLE.enhanced(1, SYN))
    path = tmp_path / "capture"
    path.write_bytes(data)
    wanted = frames_of(data)
    assert len(wanted) == 1
    assert list(read_capture(path)) == wanted
    assert list(read_capture(str(path))) == wanted
    stream = io.BytesIO(data)
    assert list(read_capture(stream)) == wanted
    assert not stream.closed


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty (expected a pcap or pcapng capture, plain or gzip)"),
        (gzip.compress(b"", mtime=0), "is empty (expected"),
        (b'{"Vpcs": []}', "is no capture: it begins with b'{\"Vp' (expected a pcap"),
        (b"\n", "is no capture: it begins with b'\\n' (expected"),
        (gzip.compress(b"Resources:", mtime=0), "is no capture: it begins with b'Reso'"),
        (bytes.fromhex("a1b2cd34") + bytes(20), "in the 'modified' format is not read"),
        (bytes.fromhex("34cdb2a1") + bytes(20), "in the 'modified' format is not read"),
        (pcap(b"", link_type=127), "link type 127 is not read (expected Ethernet"),
        (LITTLE.section() + LITTLE.interface(link_type=189) + LITTLE.enhanced(1, b""), "type 189"),
    ],
)
def test_what_is_no_capture_is_refused_in_one_line(
    tmp_path: Path, data: bytes, message: str
) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        list(read_capture(path))
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, CaptureError)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(InputError, match=f"cannot be opened: {reason}"):
            list(read_capture(path))
    with pytest.raises(InputError, match="cannot be opened: embedded null byte"):
        list(read_capture("\0"))


def test_errors_name_the_source_that_was_given(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(b"")
    with path.open("rb") as stream, pytest.raises(InputError, match=rf"^{path}: is empty"):
        list(read_capture(stream))
    for capture in (path, io.BytesIO()):
        with pytest.raises(InputError, match=r"^standard input: is empty"):
            list(read_capture(capture, source="standard input"))
    with pytest.raises(InputError, match=r"^capture: is empty"):
        list(read_capture(io.BytesIO()))


def test_gzip_that_breaks_before_its_first_byte_is_damage() -> None:
    with pytest.raises(CaptureError, match="byte 0: the gzip stream is cut"):
        frames_of(gzip.compress(pcap(SYN))[:10])
    with pytest.raises(CaptureError, match="byte 0: the gzip stream is corrupt"):
        frames_of(b"\x1f\x8b" + bytes(100))


@pytest.mark.parametrize("form", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_frames_before_the_damage_are_read_and_its_offset_named(
    form: Callable[[bytes], bytes],
) -> None:
    whole = pcap(*[SYN] * 1000)
    got: list[Frame] = []
    with pytest.raises(CaptureError) as caught:
        got.extend(read(io.BytesIO(form(whole[:-1])), source="x.pcap"))
    assert len(got) == 999
    assert caught.value.offset == len(whole) - 16 - len(SYN)


def test_a_cut_gzip_stream_gives_what_could_be_unpacked() -> None:
    whole = pcap(*(ethernet(ipv4(6, tcp(payload=bytes((n % 256,))))) for n in range(1000)))
    packed = gzip.compress(whole)
    got: list[Frame] = []
    with pytest.raises(CaptureError, match="the gzip stream is cut") as caught:
        got.extend(read(io.BytesIO(packed[: len(packed) // 2]), source="x.pcap"))
    assert 0 < len(got) < 1000
    assert caught.value.offset == 24 + len(got) * (16 + len(SYN) + 1)


def test_a_capture_that_ends_after_its_header_has_no_frames() -> None:
    assert frames_of(pcap()) == []
    assert frames_of(BIG.section()) == []


def test_memory_does_not_grow_with_the_capture() -> None:
    data = io.BytesIO(pcap(*[ethernet(ipv4(17, udp(bytes(1400))))] * 20_000))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_capture(data)) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_mirrored_frames_are_decapsulated_and_others_stay() -> None:
    outer = ethernet(mirrored(QUERY))
    data = pcap(outer, SYN, ARP)
    inner, syn, arp = read_capture(io.BytesIO(data), decapsulate=True)
    assert isinstance(inner.datagram, Packet)
    assert (inner.datagram.family, inner.datagram.destination_port) == (6, 53)
    assert (inner.link.vni, inner.captured, inner.number) == (0x123456, outer, 1)
    assert isinstance(syn.datagram, Packet)
    assert syn.datagram.destination_port == 443
    assert arp.datagram is None
    plain = next(read_capture(io.BytesIO(data)))
    assert isinstance(plain.datagram, Packet)
    assert plain.datagram.destination_port == 4789


# --- annotate, and Wireshark as another reader


def annotated(data: bytes, comments: dict[int, str]) -> bytes:
    stream = io.BytesIO()
    annotate(io.BytesIO(data), stream, comments.get)
    return stream.getvalue()


SEVERAL = (
    BIG.section()
    + BIG.interface((2, b"eth0"), (9, b"\x09"), snap=96)
    + BIG.interface((2, b"tun0"), (9, b"\x8a"), link_type=101)
    + BIG.enhanced(1_700_000_000_123_456_789, SYN, (2, pack(">I", 2)), (1, b"kept"))
    + BIG.enhanced(1_700_000_001 * 1024 + 512, ipv4(17, udp()), interface=1)
    + LITTLE.section()
    + LITTLE.interface((14, pack("<q", 1_700_000_000)), link_type=0)
    + LITTLE.enhanced(2_000_001, b"\x02\0\0\0" + ipv4(17, udp()))
    + LITTLE.obsolete(3_000_000, b"\x02\0\0\0" + ipv4(17, udp()))
)


def test_annotating_changes_nothing_but_comments() -> None:
    for data in (SEVERAL, pcap(ARP, SYN, QUERY)):
        assert frames_of(annotated(data, {1: "x"})) == frames_of(data)


def test_everything_before_the_damage_is_annotated() -> None:
    stream = io.BytesIO()
    with pytest.raises(CaptureError):
        annotate(io.BytesIO(pcap(SYN, SYN)[:-1]), stream, {1: "x"}.get)
    assert len(frames_of(stream.getvalue())) == 1


def tshark(path: Path, *fields: str) -> list[list[str]]:
    wanted = [word for field in fields for word in ("-e", field)]
    run = subprocess.run(
        ["tshark", "-n", "-r", str(path), "-T", "fields", *wanted],
        check=True,
        capture_output=True,
        text=True,
    )
    return [line.split("\t") for line in run.stdout.splitlines()]


@pytest.mark.needs("tshark")
def test_wireshark_shows_the_comments(tmp_path: Path) -> None:
    path = tmp_path / "annotated.pcapng"
    path.write_bytes(annotated(pcap(ARP, SYN, QUERY), {2: "REJECT NO_MATCHING_RULE, ü", 3: "b"}))
    assert tshark(path, "frame.number", "frame.comment") == [
        ["1", ""],
        ["2", "REJECT NO_MATCHING_RULE, ü"],
        ["3", "b"],
    ]
    path.write_bytes(annotated(SEVERAL, {1: "added"}))
    assert tshark(path, "frame.interface_name", "frame.comment")[0] == ["eth0", "kept,added"]


@pytest.mark.needs("tshark")
@pytest.mark.parametrize(
    "data",
    [
        pcap(ARP, SYN, QUERY),
        pcap(SYN, SYN, snap_length=60),
        gzip.compress(pcap(SYN), mtime=0),
        SEVERAL,
        annotated(SEVERAL, {}),
        annotated(pcap(cooked2(4, ipv4(6, tcp())), link_type=276), {}),
    ],
    ids=["pcap", "snapped", "gzip", "pcapng", "annotated pcapng", "annotated pcap"],
)
def test_wireshark_counts_and_times_frames_alike(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "capture"
    path.write_bytes(data)
    read_by_us = [
        [
            str(frame.number),
            f"{frame.time_ns // 10**9}.{frame.time_ns % 10**9:09}",
            str(frame.original_length),
            str(len(frame.captured)),
        ]
        for frame in read_capture(path)
    ]
    assert read_by_us == tshark(
        path, "frame.number", "frame.time_epoch", "frame.len", "frame.cap_len"
    )
