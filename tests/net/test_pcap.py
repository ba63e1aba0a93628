import io
from collections.abc import Iterator
from struct import pack

import pytest
from scapy.utils import RawPcapReader

from secgroup.errors import CaptureError, InputError
from secgroup.net.pcap import MAGICS, read_pcap, write_pcap
from secgroup.net.record import MAX_CAPTURED, CaptureInterface, Record
from secgroup.net.stream import ByteStream


def file_header(order: str, magic: int, *, snap: int = 65_535, network: int = 1) -> bytes:
    return pack(order + "IHHIIII", magic, 2, 4, 0, 0, snap, network)


def frame(order: str, seconds: int, fraction: int, data: bytes, original: int) -> bytes:
    return pack(order + "IIII", seconds, fraction, len(data), original) + data


def records(data: bytes) -> Iterator[CaptureInterface | Record]:
    return read_pcap(ByteStream(io.BytesIO(data), "x.pcap"))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit_ns"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_both_byte_orders_and_both_units(order: str, magic: int, unit_ns: int) -> None:
    data = file_header(order, magic, snap=96) + frame(order, 1_700_000_000, 123_456, b"abc", 1500)
    assert data[:4] in MAGICS
    interface = CaptureInterface(index=0, link_type=1, snap_length=96)
    assert list(records(data)) == [
        interface,
        Record(
            interface=interface,
            time_ns=1_700_000_000 * 10**9 + 123_456 * unit_ns,
            original_length=1500,
            captured=b"abc",
        ),
    ]


def test_golden_bytes() -> None:
    data = bytes.fromhex(
        "d4c3b2a1 0200 0400 00000000 00000000 ffff0000 65000000"
        "00f15365 40e20100 02000000 3c000000 4500"
    )
    interface, record = records(data)
    assert interface == CaptureInterface(index=0, link_type=101, snap_length=65_535)
    assert isinstance(record, Record)
    assert record.time_ns == 0x6553F100 * 10**9 + 123_456_000
    assert (record.original_length, record.captured) == (60, b"\x45\x00")


def test_length_of_the_frame_check_sequence_is_masked() -> None:
    (interface,) = records(file_header("<", 0xA1B2C3D4, network=0x4400_0001))
    assert isinstance(interface, CaptureInterface)
    assert interface.link_type == 1


def test_other_versions_are_refused() -> None:
    data = pack("<IHHIIII", 0xA1B2C3D4, 3, 0, 0, 0, 65_535, 1)
    with pytest.raises(InputError, match=r"x\.pcap: pcap version 3\.0 \(expected 2\)"):
        list(records(data))


HEADER = file_header("<", 0xA1B2C3D4)
TWO = HEADER + frame("<", 1, 0, b"abcd", 4) + frame("<", 2, 0, b"efgh", 4)


@pytest.mark.parametrize("size", range(4, len(TWO)))
def test_everything_before_a_cut_is_read_and_its_offset_named(size: int) -> None:
    got: list[CaptureInterface | Record] = []
    whole = (size - 24) // 20
    if size in (24, 44):
        assert len(list(records(TWO[:size]))) == 1 + whole
        return
    with pytest.raises(CaptureError) as caught:
        got.extend(records(TWO[:size]))
    assert caught.value.offset == (0 if size < 24 else 24 + 20 * whole)
    assert len(got) == (0 if size < 24 else 1 + whole)


def test_a_frame_longer_than_any_is_damage() -> None:
    fits = HEADER + frame("<", 1, 0, bytes(MAX_CAPTURED), MAX_CAPTURED)
    assert len(list(records(fits))) == 2
    claims = HEADER + pack("<IIII", 1, 0, MAX_CAPTURED + 1, 60) + bytes(MAX_CAPTURED + 1)
    with pytest.raises(CaptureError, match="byte 24: a frame of 262145 bytes"):
        list(records(claims))


def test_what_is_written_is_what_scapy_reads() -> None:
    stream = io.BytesIO()
    frames = [(1_700_000_000_123_456_789, bytes(60)), (1_700_000_001_000_000_001, bytes(2000))]
    write_pcap(stream, iter(frames), link_type=1, snap_length=96)
    stream.seek(0)
    with RawPcapReader(stream) as reader:
        assert (reader.nano, reader.linktype, reader.snaplen) == (True, 1, 96)
        read = [(meta.sec * 10**9 + meta.usec, meta.wirelen, data) for data, meta in reader]
    assert read == [(time_ns, len(data), data[:96]) for time_ns, data in frames]


def test_what_is_written_is_read_back() -> None:
    stream = io.BytesIO()
    write_pcap(stream, [(0, b""), (2**32 * 10**9 - 1, b"ab")], link_type=113)
    interface, *read = records(stream.getvalue())
    assert isinstance(interface, CaptureInterface)
    assert interface.link_type == 113
    assert [(r.time_ns, r.captured) for r in read if isinstance(r, Record)] == [
        (0, b""),
        (2**32 * 10**9 - 1, b"ab"),
    ]


@pytest.mark.parametrize("time_ns", [-1, 2**32 * 10**9])
def test_a_time_that_does_not_fit_is_refused(time_ns: int) -> None:
    with pytest.raises(InputError, match="no time that a pcap file can hold"):
        write_pcap(io.BytesIO(), [(time_ns, b"")], link_type=1)
