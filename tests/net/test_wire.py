import pytest
from hypothesis import given
from hypothesis import strategies as st

from secgroup.net.address import parse_address
from secgroup.net.packet import Fragment, Icmp, Malformed, Packet, Tcp
from secgroup.net.protocol import ICMP_ANSWERS, ICMP_ERRORS, ICMP_QUERIES, TcpFlag
from secgroup.net.wire import checksum, parse
from tests.support import headers
from tests.support.headers import extension, icmp, ipv4, ipv6, ipv6_fragment, tcp, udp

#: A SYN with the options that Linux sends, and a datagram; the TCP and UDP checksums are zero.
SYN = bytes.fromhex(
    "4500003c1c4640004006b1e6ac100a63ac100a0c"
    "b3f20050deadbeef00000000a002faf0000000000204"
    "05b40402080a0000000000000000010303"
    "07"
)
UDP6 = bytes.fromhex(
    "60000000000c1140"
    "20010db8000000000000000000000001"
    "20010db8000000000000000000000002"
    "c0000035000c0000deadbeef"
)


def packet(data: bytes, **keywords: int) -> Packet:
    datagram = parse(data, **keywords)
    assert isinstance(datagram, Packet), datagram
    return datagram


def malformed(data: bytes, **keywords: int) -> Malformed:
    datagram = parse(data, **keywords)
    assert isinstance(datagram, Malformed), datagram
    return datagram


def test_syn_parses_to_its_header_fields() -> None:
    assert parse(SYN) == Packet(
        source=parse_address("172.16.10.99"),
        destination=parse_address("172.16.10.12"),
        protocol=6,
        length=60,
        hop_limit=64,
        source_port=46066,
        destination_port=80,
        tcp=Tcp(flags=TcpFlag.SYN, sequence=0xDEADBEEF, acknowledgement=0, payload=0),
    )


def test_udp_over_ipv6_parses_to_its_header_fields() -> None:
    assert parse(UDP6) == Packet(
        source=parse_address("2001:db8::1"),
        destination=parse_address("2001:db8::2"),
        protocol=17,
        length=52,
        source_port=49152,
        destination_port=53,
    )


def test_ipv4_options_are_stepped_over() -> None:
    parsed = packet(ipv4(17, udp(), header=bytes(40)))
    assert (parsed.destination_port, parsed.length) == (53, 68)


def test_tcp_payload_is_what_the_ip_length_leaves() -> None:
    segment = tcp(flags=0x18, words=8, options=bytes(12), payload=bytes(100))
    assert packet(ipv4(6, segment)).tcp == Tcp(
        flags=TcpFlag.PSH | TcpFlag.ACK, sequence=1000, acknowledgement=2000, payload=100
    )
    # Cut by a snap length: the IP length still tells.
    cut = packet(ipv4(6, segment)[:40], original_length=152)
    assert cut.tcp is not None
    assert (cut.tcp.payload, cut.length) == (100, 152)


def test_tcp_data_offset_beyond_the_packet_leaves_no_payload() -> None:
    parsed = packet(ipv4(6, tcp(words=15)))
    assert parsed.tcp is not None
    assert parsed.tcp.payload == 0


def test_padding_of_the_link_is_not_read_as_a_header() -> None:
    assert malformed(ipv4(17, b"") + udp()).protocol == 17
    assert packet(ipv4(17, udp()) + bytes(18)).length == 28


@pytest.mark.semantics("packet-8")
def test_what_no_checksum_length_or_flags_say_makes_malformed() -> None:
    wrong_length = udp()[:4] + b"\xff\xff" + b"\x12\x34"
    assert packet(ipv4(17, wrong_length)).destination_port == 53
    for flags in range(256):
        parsed = packet(ipv4(6, tcp(flags=flags)[:16] + b"\xba\xad" + bytes(2)))
        assert parsed.tcp is not None
        assert parsed.tcp.flags == flags


@pytest.mark.semantics("packet-6")
def test_length_is_the_frames_where_the_length_field_is_zero() -> None:
    offloaded = ipv4(6, tcp(payload=bytes(60)), total=0)
    assert packet(offloaded).length == 100
    whole = packet(offloaded, original_length=70_000)
    assert whole.length == 70_000
    assert whole.tcp is not None
    assert whole.tcp.payload == 70_000 - 40
    assert packet(ipv6(17, udp(), payload_length=0), original_length=100_000).length == 100_000


def test_original_length_below_what_was_captured_is_not_believed() -> None:
    assert packet(ipv4(17, udp(), total=0), original_length=3).length == 28


#: Name, bytes that are read, the same with one bound overstepped.
BOUNDS = [
    ("ipv4 header", ipv4(253, b""), ipv4(253, b"")[:19]),
    ("ipv4 header length", ipv4(253, b"", words=5), ipv4(253, b"", words=4)),
    ("ipv4 options", ipv4(253, b"", header=bytes(4)), ipv4(253, b"", header=bytes(4))[:23]),
    ("ipv4 total length", ipv4(253, b"", total=20), ipv4(253, b"", total=19)),
    ("ipv6 header", ipv6(59, b""), ipv6(59, b"")[:39]),
    ("version", ipv4(253, b""), ipv4(253, b"", version=5)),
    ("tcp 20 captured", ipv4(6, tcp()), ipv4(6, tcp())[:39]),
    ("tcp 20 by length", ipv4(6, tcp(), total=40), ipv4(6, tcp(), total=39)),
    ("tcp data offset", ipv4(6, tcp(words=5)), ipv4(6, tcp(words=4))),
    ("tcp over ipv6", ipv6(6, tcp()), ipv6(6, tcp())[:59]),
    ("udp 8", ipv4(17, udp()), ipv4(17, udp())[:27]),
    ("udp 8 over ipv6", ipv6(17, udp()), ipv6(17, udp())[:47]),
    ("icmp 4", ipv4(1, icmp(3))[:24], ipv4(1, icmp(3))[:23]),
    ("icmp query 8", ipv4(1, icmp(8)), ipv4(1, icmp(8))[:27]),
    ("icmp answer 8", ipv4(1, icmp(0)), ipv4(1, icmp(0))[:27]),
    ("icmpv6 4", ipv6(58, icmp(134))[:44], ipv6(58, icmp(134))[:43]),
    ("icmpv6 query 8", ipv6(58, icmp(128)), ipv6(58, icmp(128))[:47]),
    (
        "8 extension headers",
        ipv6(0, extension(0) * 7 + extension(17) + udp()),
        ipv6(0, extension(0) * 8 + extension(17) + udp()),
    ),
    ("extension of 16", ipv6(60, extension(59, 16)), ipv6(60, extension(59, 16))[:55]),
    ("extension by length", ipv6(43, extension(59)), ipv6(43, extension(59), payload_length=7)),
    ("fragment header", ipv6(44, ipv6_fragment(59)), ipv6(44, ipv6_fragment(59))[:47]),
    (
        "first fragment with its headers",
        ipv6(44, ipv6_fragment(60, more=True) + extension(6) + tcp()),
        ipv6(44, ipv6_fragment(60, more=True) + extension(6) + tcp()[:16]),
    ),
    (
        "first fragment of tcp",
        ipv4(6, tcp(), fragment=0x2000),
        ipv4(6, tcp()[:16], fragment=0x2000),
    ),
    ("tcp fragment at 24", ipv4(6, bytes(8), fragment=3), ipv4(6, bytes(8), fragment=2)),
    ("tcp fragment at 24, one at 8", ipv4(6, bytes(8), fragment=3), ipv4(6, bytes(8), fragment=1)),
]


@pytest.mark.semantics("packet-1", "packet-2")
@pytest.mark.parametrize(
    ("inside", "outside"), [row[1:] for row in BOUNDS], ids=[row[0] for row in BOUNDS]
)
def test_bound_is_kept_just_inside_and_malformed_just_outside(
    inside: bytes, outside: bytes
) -> None:
    packet(inside)
    malformed(outside)


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x50" + bytes(39), b"\xff" * 60])
def test_neither_ipv4_nor_ipv6_is_malformed_without_addresses(data: bytes) -> None:
    damage = malformed(data, original_length=60)
    assert (damage.source, damage.destination, damage.protocol) == (None, None, None)
    assert damage.length == 60


def test_malformed_keeps_what_stands_before_the_damage() -> None:
    whole = ipv4(6, tcp())
    for size in range(1, 40):
        damage = malformed(whole[:size], original_length=40)
        assert damage.length == 40
        assert (damage.source is not None) == (size >= 16)
        assert (damage.destination is not None) == (size >= 20)
        assert damage.protocol == (6 if size >= 10 else None)
    damage = malformed(ipv6(60, extension(60) * 2 + b"\x06"))
    assert (str(damage.source), str(damage.destination)) == (
        headers.SOURCE6,
        headers.DESTINATION6,
    )
    assert damage.protocol is None
    assert malformed(ipv6(60, extension(6) + tcp()[:19])).protocol == 6


@pytest.mark.parametrize("number", [0, 43, 60, 135])
def test_extension_headers_are_stepped_over(number: int) -> None:
    parsed = packet(ipv6(number, extension(6, 24) + tcp()))
    assert (parsed.protocol, parsed.destination_port) == (6, 443)


@pytest.mark.semantics("packet-3")
@pytest.mark.parametrize("protocol", [4, 41, 47, 50, 51, 59, 132])
def test_ah_esp_and_no_next_header_are_protocols(protocol: int) -> None:
    parsed = packet(ipv6(0, extension(protocol) + extension(6) + tcp()))
    assert (parsed.protocol, parsed.source_port, parsed.tcp) == (protocol, None, None)


def test_extension_numbers_inside_ipv4_are_protocols() -> None:
    for protocol in (0, 43, 44, 60, 135):
        assert packet(ipv4(protocol, b"")).protocol == protocol


@pytest.mark.semantics("packet-4")
def test_icmp_of_the_other_family_is_another_protocol() -> None:
    for data in (ipv6(1, icmp(8)), ipv4(58, icmp(128)), ipv6(1, b""), ipv4(58, b"")):
        parsed = packet(data)
        assert parsed.icmp is None
        assert not parsed.is_query


def test_fragments_of_ipv4() -> None:
    first = packet(ipv4(17, udp(bytes(8)), fragment=0x2000))
    assert first.fragment == Fragment(identification=7, offset=0, more=True, protocol=17)
    assert first.destination_port == 53
    later = packet(ipv4(17, udp(bytes(8)), fragment=0x0001))
    assert later.fragment == Fragment(identification=7, offset=8, more=False, protocol=17)
    assert (later.source_port, later.destination_port, later.is_opener) == (None, None, False)
    assert packet(ipv4(17, udp(), fragment=0x4000)).fragment is None


def test_later_fragment_of_tcp_and_icmp_has_neither() -> None:
    assert packet(ipv4(6, tcp(), fragment=0x2003)).tcp is None
    assert packet(ipv4(1, icmp(8), fragment=0x0001)).icmp is None
    assert packet(ipv6(44, ipv6_fragment(6, offset=8) + tcp())).tcp is None


def test_fragments_of_ipv6() -> None:
    chain = extension(44) + ipv6_fragment(60, more=True) + extension(17) + udp()
    first = packet(ipv6(0, chain))
    assert first.fragment == Fragment(identification=9, offset=0, more=True, protocol=60)
    assert (first.protocol, first.destination_port) == (17, 53)
    later = packet(ipv6(0, extension(44) + ipv6_fragment(60, offset=1232) + bytes(3)))
    assert later.fragment == Fragment(identification=9, offset=1232, more=False, protocol=60)
    assert (later.protocol, later.source_port) == (60, None)


@pytest.mark.semantics("packet-5")
def test_atomic_fragment_of_ipv6_is_whole() -> None:
    parsed = packet(ipv6(44, ipv6_fragment(17) + udp()))
    assert parsed.fragment is None
    assert parsed.destination_port == 53


@pytest.mark.semantics("packet-9")
def test_fragment_within_a_fragment_is_the_inner_one() -> None:
    chain = ipv6_fragment(44, more=True) + ipv6_fragment(17, offset=8, ident=10) + udp()
    parsed = packet(ipv6(44, chain))
    assert parsed.fragment == Fragment(identification=10, offset=8, more=False, protocol=17)


@pytest.mark.parametrize(("family", "kind"), sorted(set(ICMP_QUERIES) | set(ICMP_ANSWERS)))
def test_queries_and_answers_carry_an_identifier(family: int, kind: int) -> None:
    data = ipv4(1, icmp(kind)) if family == 4 else ipv6(58, icmp(kind))
    assert packet(data).icmp == Icmp(type=kind, code=0, identifier=0x1234)


def quoting(data: bytes, kind: int = 3) -> Packet | None:
    """Quote `data` in an ICMP error of its family and return what is read of it."""
    outer = ipv4(1, icmp(kind, 1, body=data))
    if data[0] >> 4 == 6:
        outer = ipv6(58, icmp(1, 4, body=data))
    parsed = packet(outer)
    assert parsed.icmp is not None
    assert parsed.icmp.identifier is None
    return parsed.icmp.quote


@pytest.mark.parametrize(("family", "kind"), sorted(ICMP_ERRORS))
def test_errors_quote_a_packet(family: int, kind: int) -> None:
    inner = ipv4(17, udp()) if family == 4 else ipv6(17, udp())
    outer = icmp(kind, body=inner)
    icmp_error = packet(ipv4(1, outer) if family == 4 else ipv6(58, outer)).icmp
    assert icmp_error is not None
    assert icmp_error.quote == parse(inner)


def test_redirects_and_unknown_types_quote_nothing() -> None:
    for kind in (5, 9, 10, 30, 255):
        redirect = packet(ipv4(1, icmp(kind, body=ipv4(17, udp())))).icmp
        assert redirect == Icmp(type=kind, code=0)


def test_quote_of_eight_bytes_of_tcp_has_ports_and_sequence_but_no_flags() -> None:
    inner = ipv4(6, tcp(flags=0x18, payload=bytes(1000)))
    quote = quoting(inner[:28])
    assert quote is not None
    assert (quote.source_port, quote.destination_port, quote.length) == (40000, 443, 1040)
    assert quote.tcp == Tcp(flags=TcpFlag(0), sequence=1000, acknowledgement=0, payload=1000)
    assert quoting(inner) == parse(inner)


@pytest.mark.semantics("packet-7")
def test_quote_is_none_where_ports_or_identifier_are_cut() -> None:
    for inner, needed in (
        (ipv4(6, tcp()), 24),
        (ipv6(6, tcp()), 44),
        (ipv4(17, udp()), 24),
        (ipv4(1, icmp(8)), 26),
        (ipv6(58, icmp(129)), 46),
        (ipv4(1, icmp(3)), 22),
        (ipv4(47, b""), 20),
        (ipv6(0, extension(17) + udp()), 52),
    ):
        assert quoting(inner[:needed]) is not None
        assert quoting(inner[: needed - 1]) is None


def test_quote_of_a_later_fragment_or_another_family_is_none() -> None:
    assert quoting(ipv4(17, udp(), fragment=1)) is None
    assert quoting(ipv6(44, ipv6_fragment(17, offset=8) + udp())) is None
    wrong = packet(ipv4(1, icmp(3, body=ipv6(17, udp()))))
    assert wrong.icmp == Icmp(type=3, code=0)


def test_quote_of_a_first_fragment_has_ports() -> None:
    quote = quoting(ipv4(17, udp(), fragment=0x2000))
    assert quote is not None
    assert quote.destination_port == 53


def test_quote_of_an_icmp_error_shows_its_type_and_no_deeper_quote() -> None:
    quote = quoting(ipv4(1, icmp(11, body=ipv4(17, udp()))))
    assert quote is not None
    assert quote.is_icmp_error
    assert quote.icmp == Icmp(type=11, code=0)


def test_damage_in_what_is_quoted_leaves_the_error_whole() -> None:
    for inner in (b"", b"\x45", ipv4(6, tcp(), words=3), ipv6(60, extension(60) * 9)):
        parsed = packet(ipv4(1, icmp(3, 4, body=inner)))
        assert parsed.icmp == Icmp(type=3, code=4)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"", 0xFFFF),
        (bytes(4), 0xFFFF),
        (b"\xff\xff", 0),
        # The worked example of RFC 1071, section 3.
        (bytes.fromhex("0001f203f4f5f6f7"), 0x220D),
        (b"\x01", 0xFEFF),
    ],
)
def test_checksum(data: bytes, value: int) -> None:
    assert checksum(data) == value


@given(
    st.binary(max_size=120)
    | st.builds(
        lambda v, b: bytes([v]) + b, st.sampled_from((0x45, 0x46, 0x60)), st.binary(max_size=200)
    )
)
def test_any_bytes_are_a_packet_or_malformed(data: bytes) -> None:
    assert isinstance(parse(data), Packet | Malformed)
