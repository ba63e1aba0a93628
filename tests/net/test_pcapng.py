import io
from collections.abc import Iterator
from struct import pack

import pytest

from secgroup.errors import CaptureError, InputError
from secgroup.net.direction import Direction
from secgroup.net.pcapng import PcapngWriter, read_pcapng
from secgroup.net.record import MAX_CAPTURED, CaptureInterface, Record
from secgroup.net.stream import ByteStream
from tests.support.pcapng import BIG, LITTLE, Writing

both_orders = pytest.mark.parametrize("write", [LITTLE, BIG], ids=["little", "big"])


def records(data: bytes) -> Iterator[CaptureInterface | Record]:
    return read_pcapng(ByteStream(io.BytesIO(data), "x.pcapng"))


def frames(data: bytes) -> list[Record]:
    return [record for record in records(data) if isinstance(record, Record)]


@both_orders
def test_interfaces_and_enhanced_packets(write: Writing) -> None:
    data = (
        write.section()
        + write.interface((2, b"eth0"), (9, b"\x09"), snap=96)
        + write.interface((2, b"any"), link_type=276)
        + write.enhanced(1_700_000_000_123_456_789, b"abcde", interface=0)
        + write.enhanced(1_700_000_000_123_456, b"", interface=1)
    )
    eth0 = CaptureInterface(index=0, link_type=1, snap_length=96, name="eth0")
    anywhere = CaptureInterface(index=1, link_type=276, snap_length=0, name="any")
    assert list(records(data)) == [
        eth0,
        anywhere,
        Record(
            interface=eth0,
            time_ns=1_700_000_000_123_456_789,
            original_length=1500,
            captured=b"abcde",
        ),
        Record(
            interface=anywhere,
            time_ns=1_700_000_000_123_456_000,
            original_length=1500,
            captured=b"",
        ),
    ]


def test_golden_bytes() -> None:
    data = bytes.fromhex(
        "0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000"
        "01000000 14000000 6500 0000 00000400 14000000"
        "06000000 28000000 00000000 01000000 02000000 05000000 06000000 4500006007000000 28000000"
    )
    interface, record = records(data)
    assert interface == CaptureInterface(index=0, link_type=101, snap_length=262_144)
    assert isinstance(record, Record)
    assert record.time_ns == (2**32 + 2) * 1000
    assert (record.original_length, record.captured) == (6, bytes.fromhex("4500006007"))


@both_orders
@pytest.mark.parametrize(
    ("resolution", "stamp", "time_ns"),
    [
        (0x00, 7, 7_000_000_000),
        (0x03, 7, 7_000_000),
        (0x06, 7, 7_000),
        (0x09, 7, 7),
        (0x0C, 7_999, 7),
        (0x81, 3, 1_500_000_000),
        (0x8A, 1, 976_562),
        (0xA0, 2**32 + 1, 1_000_000_000),
        (0xFF, 2**63, 0),
        (0x7F, 2**63, 0),
    ],
)
def test_time_resolution_is_a_power_of_ten_or_two(
    write: Writing, resolution: int, stamp: int, time_ns: int
) -> None:
    data = write.section() + write.interface((9, bytes((resolution,)))) + write.enhanced(stamp, b"")
    assert frames(data)[0].time_ns == time_ns


@both_orders
@pytest.mark.parametrize("offset_s", [1_700_000_000, -1])
def test_time_offset_is_added(write: Writing, offset_s: int) -> None:
    described = write.interface((14, pack(write.order + "q", offset_s)))
    data = write.section() + described + write.enhanced(1_000_001, b"")
    assert frames(data)[0].time_ns == (offset_s + 1) * 10**9 + 1000


@pytest.mark.parametrize(
    ("offset_s", "resolution", "stamp"),
    [(-1, 6, 999_999), (0, 0, 2**62), (2**62, 6, 0), (0, 9, 2**63)],
)
def test_a_time_beyond_64_bits_is_damage(offset_s: int, resolution: int, stamp: int) -> None:
    before = LITTLE.section() + LITTLE.interface(
        (9, bytes((resolution,))), (14, pack("<q", offset_s))
    )
    with pytest.raises(CaptureError) as caught:
        frames(before + LITTLE.enhanced(stamp, b""))
    assert caught.value.offset == len(before)


@both_orders
@pytest.mark.parametrize(
    ("flags", "direction"),
    [
        (0, None),
        (1, Direction.INGRESS),
        (2, Direction.EGRESS),
        (3, None),
        (0x1D, Direction.INGRESS),
    ],
)
def test_flags_tell_the_direction(write: Writing, flags: int, direction: Direction | None) -> None:
    option = (2, pack(write.order + "I", flags))
    data = (
        write.section()
        + write.interface()
        + write.enhanced(0, b"abc", (1, b"a comment"), option, (1, b"another"))
        + write.obsolete(0, b"abc", option)
    )
    enhanced, obsolete = frames(data)
    assert (enhanced.direction, obsolete.direction) == (direction, direction)
    assert enhanced.comments == ("a comment", "another")


@both_orders
def test_obsolete_packet_block(write: Writing) -> None:
    data = write.section() + write.interface() + write.obsolete(5_000_000, b"abcde")
    (record,) = frames(data)
    assert (record.time_ns, record.captured) == (5_000_000_000, b"abcde")


@pytest.mark.semantics("capture-2")
@both_orders
def test_simple_packet_has_the_time_of_the_one_before(write: Writing) -> None:
    data = (
        write.section()
        + write.interface(snap=4)
        + write.simple(3, b"abc")
        + write.enhanced(7, b"abc")
        + write.simple(1500, b"abcd")
    )
    first, _, last = frames(data)
    assert (first.time_ns, first.captured, first.original_length) == (0, b"abc", 3)
    assert (last.time_ns, last.captured, last.original_length) == (7000, b"abcd", 1500)


def test_sections_have_their_own_order_and_interfaces_count_through() -> None:
    data = (
        LITTLE.section(length=10_000)
        + LITTLE.interface((2, b"a"))
        + LITTLE.enhanced(1, b"one")
        + BIG.section()
        + BIG.interface((2, b"b"), (9, b"\x09"))
        + BIG.enhanced(2, b"two")
    )
    first, second = frames(data)
    assert (first.interface.index, first.interface.name, first.time_ns) == (0, "a", 1000)
    assert (second.interface.index, second.interface.name, second.time_ns) == (1, "b", 2)
    with pytest.raises(CaptureError, match="a packet of interface 1, which is not described"):
        frames(data + BIG.enhanced(3, b"", interface=1))


@both_orders
def test_other_blocks_are_stepped_over(write: Writing) -> None:
    others = b"".join(
        write.block(kind, bytes(200_000)) for kind in (4, 5, 9, 10, 0xBAD, 0x80000001)
    )
    data = write.section() + others + write.interface() + others + write.enhanced(1, b"one")
    assert [record.captured for record in frames(data)] == [b"one"]


def test_options_may_end_with_the_block() -> None:
    data = LITTLE.section() + LITTLE.interface((2, b"eth0"), end=False) + LITTLE.enhanced(0, b"")
    assert frames(data)[0].interface.name == "eth0"


def test_a_name_that_is_no_utf8_does_not_stop_the_reading() -> None:
    data = LITTLE.section() + LITTLE.interface((2, b"\xff\xfe")) + LITTLE.enhanced(0, b"")
    assert frames(data)[0].interface.name == "��"


START = LITTLE.section() + LITTLE.interface()
DAMAGES = {
    "short block": pack("<III", 6, 8, 8),
    "odd block": pack("<II", 5, 14) + bytes(2) + pack("<I", 14),
    "huge block": pack("<II", 5, 0x7FFFFFFC) + bytes(100),
    "lengths differ": pack("<II", 5, 12) + pack("<I", 16),
    "cut packet": LITTLE.block(6, bytes(16)),
    "cut obsolete packet": LITTLE.block(2, bytes(16)),
    "cut simple packet": LITTLE.block(3, b""),
    "cut interface": LITTLE.block(1, bytes(4)),
    "frame overruns": LITTLE.block(6, pack("<IIIII", 0, 0, 0, 5, 5) + bytes(4)),
    "simple frame overruns": LITTLE.block(3, pack("<I", 5) + bytes(4)),
    "frame longer than any": LITTLE.enhanced(0, bytes(MAX_CAPTURED + 1)),
    "simple frame longer than any": LITTLE.simple(MAX_CAPTURED + 1, bytes(MAX_CAPTURED + 1)),
    "no such interface": LITTLE.enhanced(0, b"", interface=1),
    "option overruns": LITTLE.block(6, bytes(20) + pack("<HHI", 1, 5, 0)),
    "option of the interface overruns": LITTLE.block(1, bytes(8) + pack("<HHI", 2, 5, 0)),
    "section of another magic": pack("<III", 0x0A0D0D0A, 28, 0x1A2B3C4E) + bytes(16),
    "section too short": pack("<IIII", 0x0A0D0D0A, 16, 0x1A2B3C4D, 16),
    "section of another version": LITTLE.section(major=2),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_named_with_the_offset_of_its_block(damage: bytes) -> None:
    good = START + LITTLE.enhanced(1, b"one")
    got: list[CaptureInterface | Record] = []
    with pytest.raises(CaptureError) as caught:
        got.extend(records(good + damage + LITTLE.enhanced(1, b"two")))
    assert len(got) == 2
    assert caught.value.offset == len(good)


def test_every_cut_is_damage_at_the_block_that_it_cuts() -> None:
    blocks = [
        LITTLE.section(),
        LITTLE.interface(),
        LITTLE.enhanced(1, b"one"),
        LITTLE.block(5, b""),
    ]
    data = b"".join(blocks)
    starts = [sum(map(len, blocks[:n])) for n in range(len(blocks) + 1)]
    for size in range(12, len(data)):
        if size in starts:
            list(records(data[:size]))
            continue
        with pytest.raises(CaptureError) as caught:
            list(records(data[:size]))
        assert caught.value.offset == max(start for start in starts if start <= size)


def test_a_file_of_another_version_is_refused() -> None:
    with pytest.raises(InputError, match=r"^x\.pcapng: pcapng version 2 \(expected 1\)"):
        list(records(LITTLE.section(major=2)))


def test_what_is_written_is_read_back() -> None:
    eth0 = CaptureInterface(index=0, link_type=1, snap_length=96, name="eth0")
    raw = CaptureInterface(index=1, link_type=101, snap_length=0)
    made = [
        Record(
            interface=raw,
            time_ns=1_700_000_000_123_456_789,
            original_length=1500,
            captured=b"abcde",
            direction=Direction.EGRESS,
            comments=("first, ü", "second"),
        ),
        Record(
            interface=eth0,
            time_ns=0,
            original_length=0,
            captured=b"",
            direction=Direction.INGRESS,
        ),
        Record(interface=eth0, time_ns=2**63 - 1, original_length=2, captured=b"ab"),
    ]
    stream = io.BytesIO()
    writer = PcapngWriter(stream)
    writer.write_interface(eth0)
    writer.write_interface(raw)
    for record in made:
        writer.write_record(record)
    assert list(records(stream.getvalue())) == [eth0, raw, *made]


def test_a_comment_that_is_too_long_is_cut_between_characters() -> None:
    interface = CaptureInterface(index=0, link_type=1, snap_length=0)
    stream = io.BytesIO()
    writer = PcapngWriter(stream)
    writer.write_interface(interface)
    writer.write_record(
        Record(
            interface=interface,
            time_ns=0,
            original_length=0,
            captured=b"",
            comments=("x" + "ü" * 40_000,),
        )
    )
    (record,) = frames(stream.getvalue())
    assert record.comments == ("x" + "ü" * 32_767,)


def test_a_packet_of_many_comments_costs_in_proportion() -> None:
    write = Writing("<")
    comments = [(1, b"")] * 300_000
    data = write.section() + write.interface() + write.enhanced(0, b"", *comments)
    (record,) = frames(data)
    assert len(record.comments) == 300_000
