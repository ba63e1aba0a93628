import pytest

from secgroup.errors import InputError
from secgroup.net.direction import Direction
from secgroup.net.link import LINK_TYPES, Link, decapsulate, link_parser, parse_ethernet
from secgroup.net.wire import parse
from tests.support.headers import (
    DESTINATION_MAC,
    SOURCE_MAC,
    cooked,
    cooked2,
    ethernet,
    ipv4,
    ipv6,
    ipv6_fragment,
    mirrored,
    tcp,
    udp,
    vxlan,
)

IPV4 = ipv4(6, tcp())
IPV6 = ipv6(6, tcp())
#: Name, link type, frame, its payload, bytes before it, ether type.
FRAMES = [
    ("ethernet ipv4", 1, ethernet(IPV4), IPV4, 14, 0x0800),
    ("ethernet ipv6", 1, ethernet(IPV6, ether_type=0x86DD), IPV6, 14, 0x86DD),
    ("802.1Q", 1, ethernet(IPV4, tags=(0x8100,)), IPV4, 18, 0x0800),
    ("802.1ad", 1, ethernet(IPV4, tags=(0x88A8, 0x8100)), IPV4, 22, 0x0800),
    ("QinQ of old", 1, ethernet(IPV4, tags=(0x9100, 0x8100)), IPV4, 22, 0x0800),
    ("802.1Q twice", 1, ethernet(IPV4, tags=(0x8100, 0x8100)), IPV4, 22, 0x0800),
    ("cooked", 113, cooked(0, IPV4), IPV4, 16, 0x0800),
    ("cooked ipv6", 113, cooked(0, IPV6, ether_type=0x86DD), IPV6, 16, 0x86DD),
    ("cooked 802.1Q", 113, cooked(0, b"\0\x05\x08\0" + IPV4, ether_type=0x8100), IPV4, 20, 0x0800),
    ("cooked 2", 276, cooked2(0, IPV4), IPV4, 20, 0x0800),
    ("raw 101", 101, IPV4, IPV4, 0, None),
    ("raw 12", 12, IPV6, IPV6, 0, None),
    ("raw 14", 14, IPV4, IPV4, 0, None),
    ("ipv4", 228, IPV4, IPV4, 0, None),
    ("ipv6", 229, IPV6, IPV6, 0, None),
    ("null little", 0, b"\x02\0\0\0" + IPV4, IPV4, 4, 0x0800),
    ("null big", 0, b"\0\0\0\x02" + IPV4, IPV4, 4, 0x0800),
    ("null macOS", 0, b"\x1e\0\0\0" + IPV6, IPV6, 4, 0x86DD),
    ("null FreeBSD", 0, b"\0\0\0\x1c" + IPV6, IPV6, 4, 0x86DD),
    ("null NetBSD", 0, b"\x18\0\0\0" + IPV6, IPV6, 4, 0x86DD),
    ("loop", 108, b"\0\0\0\x02" + IPV4, IPV4, 4, 0x0800),
]


@pytest.mark.parametrize(
    ("link_type", "frame", "payload", "header_length", "ether_type"),
    [row[1:] for row in FRAMES],
    ids=[row[0] for row in FRAMES],
)
def test_ip_begins_after_the_header_of_its_link(
    link_type: int, frame: bytes, payload: bytes, header_length: int, ether_type: int | None
) -> None:
    link = link_parser(link_type)(frame)
    assert link.ip == payload
    assert link.header_length == header_length
    assert link.ether_type == ether_type
    assert link.problem is None


def test_every_link_type_is_in_the_list_above() -> None:
    assert {row[1] for row in FRAMES} == set(LINK_TYPES)


NOT_IP = [
    ("arp", 1, ethernet(bytes(28), ether_type=0x0806), 0x0806),
    ("802.3 length", 1, ethernet(bytes(46), ether_type=46), 46),
    ("third tag", 1, ethernet(IPV4, tags=(0x88A8, 0x8100, 0x8100)), 0x8100),
    ("cooked arp", 113, cooked(1, bytes(28), ether_type=0x0806), 0x0806),
    ("cooked 2 arp", 276, cooked2(1, bytes(28), ether_type=0x0806), 0x0806),
    ("null other family", 0, b"\x07\0\0\0" + IPV4, None),
]


@pytest.mark.parametrize(
    ("link_type", "frame", "ether_type"),
    [row[1:] for row in NOT_IP],
    ids=[row[0] for row in NOT_IP],
)
def test_what_is_not_ip_says_its_ether_type(
    link_type: int, frame: bytes, ether_type: int | None
) -> None:
    link = link_parser(link_type)(frame)
    assert (link.ip, link.ether_type, link.problem) == (None, ether_type, None)


@pytest.mark.parametrize(
    ("link_type", "frame", "header_length"),
    [(row[1], row[2], row[4]) for row in FRAMES],
    ids=[row[0] for row in FRAMES],
)
def test_a_frame_cut_within_its_header_says_so(
    link_type: int, frame: bytes, header_length: int
) -> None:
    for size in range(header_length):
        link = link_parser(link_type)(frame[:size])
        assert link.ip is None
        assert link.problem is not None
        assert link.header_length == size
    assert link_parser(link_type)(frame[:header_length]).ip == b""


def test_ethernet_has_both_addresses() -> None:
    link = parse_ethernet(ethernet(IPV4))
    assert (link.source_mac, link.destination_mac) == (SOURCE_MAC, DESTINATION_MAC)
    assert (link.direction, link.interface) == (None, None)


@pytest.mark.parametrize(
    ("packet_type", "direction"),
    [
        (0, Direction.INGRESS),
        (1, Direction.INGRESS),
        (2, Direction.INGRESS),
        (3, None),
        (4, Direction.EGRESS),
        (6, None),
    ],
)
def test_cooked_packet_type_tells_the_direction(
    packet_type: int, direction: Direction | None
) -> None:
    first = link_parser(113)(cooked(packet_type, IPV4))
    second = link_parser(276)(cooked2(packet_type, IPV4))
    assert (first.direction, second.direction) == (direction, direction)
    assert (first.source_mac, second.source_mac) == (SOURCE_MAC, SOURCE_MAC)
    assert (first.interface, second.interface) == (None, 3)


def test_cooked_address_that_is_no_mac_is_none() -> None:
    assert link_parser(113)(cooked(0, IPV4, size=0)).source_mac is None
    assert link_parser(113)(cooked(0, IPV4, size=20)).source_mac is None


def test_unknown_link_type_is_refused_by_number() -> None:
    with pytest.raises(InputError, match=r"^x\.pcap: link type 127 is not read"):
        link_parser(127, source="x.pcap")


# --- VXLAN


@pytest.mark.semantics("capture-1")
def test_inner_frame_is_taken_out_of_vxlan() -> None:
    for outer_ip, ether_type, before in (
        (mirrored(ethernet(IPV6, ether_type=0x86DD)), 0x0800, 14 + 20 + 8 + 8 + 14),
        (ipv6(17, udp(vxlan(ethernet(IPV6, ether_type=0x86DD)), destination=4789)), 0x86DD, 84),
    ):
        outer = parse_ethernet(ethernet(outer_ip + bytes(6), ether_type=ether_type))
        assert decapsulate(outer) == Link(
            ip=IPV6,
            header_length=before,
            ether_type=0x86DD,
            source_mac=SOURCE_MAC,
            destination_mac=DESTINATION_MAC,
            vni=0x123456,
        )


def test_inner_packet_that_the_mirror_cut_is_still_read() -> None:
    inner = decapsulate(link_parser(101)(mirrored(ethernet(ipv4(6, tcp(), total=1500)))))
    assert inner is not None
    assert inner.ip is not None
    assert parse(inner.ip).length == 1500


@pytest.mark.parametrize(
    "outer",
    [
        mirrored(ethernet(IPV4), port=4790),
        mirrored(ethernet(IPV4), flags=0),
        ipv4(6, tcp()),
        ipv4(17, b""),
        ipv4(17, udp(vxlan(ethernet(IPV4)), destination=4789), fragment=1),
        ipv6(44, ipv6_fragment(17, offset=8) + udp(vxlan(ethernet(IPV4)), destination=4789)),
        b"\x45",
    ],
)
def test_what_is_no_vxlan_is_left_as_it_is(outer: bytes) -> None:
    assert decapsulate(link_parser(101)(outer)) is None


def test_arp_carries_no_vxlan() -> None:
    assert decapsulate(parse_ethernet(ethernet(bytes(28), ether_type=0x0806))) is None


def test_vxlan_cut_within_its_headers_says_so() -> None:
    whole = mirrored(ethernet(IPV4))
    for size in range(28, 28 + 8 + 14):
        link = decapsulate(link_parser(101)(whole[:size]))
        assert link is not None
        assert link.ip is None
        assert link.problem is not None
