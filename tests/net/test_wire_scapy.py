"""scapy crafts packets and takes them apart; `wire` must read the fields that scapy reads."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import (
    ICMP,
    IP,
    TCP,
    UDP,
    ICMPerror,
    IPerror,
    IPOption,
    TCPerror,
    UDPerror,
    in4_chksum,
)
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    ICMPv6PacketTooBig,
    ICMPv6ParamProblem,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
    in6_chksum,
)
from scapy.packet import Packet as ScapyPacket
from scapy.packet import Raw
from scapy.utils import checksum as scapy_checksum

from secgroup.net.address import parse_address
from secgroup.net.packet import Icmp, Packet, Tcp
from secgroup.net.protocol import TcpFlag
from secgroup.net.wire import build, parse

# scapy is slow to craft.
crafted = settings(max_examples=60, deadline=None)

ports = st.integers(0, 65535)
words = st.integers(0, 0xFFFFFFFF)
payloads = st.binary(max_size=80)
ipv4_addresses = st.ip_addresses(v=4).map(str)
ipv6_addresses = st.ip_addresses(v=6).map(str)
tcp_options = st.sampled_from(
    (
        [],
        [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (7, 9)), ("NOP", None), ("WScale", 7)],
        [("NOP", None), ("NOP", None), ("Timestamp", (1, 2))],
        [("SAck", (1, 2, 3, 4, 5, 6))],
    )
)
segments = st.builds(
    lambda sport, dport, seq, ack, flags, options, payload: (
        TCP(sport=sport, dport=dport, seq=seq, ack=ack, flags=flags, options=options) / Raw(payload)
    ),
    ports,
    ports,
    words,
    words,
    st.integers(0, 255),
    tcp_options,
    payloads,
)
datagrams = st.builds(lambda s, d, p: UDP(sport=s, dport=d) / Raw(p), ports, ports, payloads)
queries4 = st.builds(
    lambda kind, code, ident, payload: ICMP(type=kind, code=code, id=ident) / Raw(payload),
    st.sampled_from((0, 8, 13, 14, 15, 16, 17, 18)),
    st.integers(0, 255),
    ports,
    payloads,
)
queries6 = st.builds(
    lambda kind, ident, payload: kind(id=ident, data=payload),
    st.sampled_from((ICMPv6EchoRequest, ICMPv6EchoReply)),
    ports,
    payloads,
)
ipv4_headers = st.builds(
    lambda src, dst, ttl, ident, options: IP(src=src, dst=dst, ttl=ttl, id=ident, options=options),
    ipv4_addresses,
    ipv4_addresses,
    st.integers(0, 255),
    ports,
    st.binary(max_size=36).map(lambda value: [IPOption(b"\x01" * len(value))] if value else []),
)
_EXTENSIONS = (
    IPv6ExtHdrHopByHop(options=[PadN(optdata=b"12345")]),
    IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(20))]),
    IPv6ExtHdrRouting(addresses=["2001:db8::7"], segleft=0),
    IPv6ExtHdrFragment(offset=0, m=0, id=5),
)


def chained(header: ScapyPacket, chain: list[ScapyPacket]) -> ScapyPacket:
    for extension in chain:
        header = header / extension.copy()
    return header


ipv6_headers = st.builds(
    lambda src, dst, hlim, chain: chained(IPv6(src=src, dst=dst, hlim=hlim), chain),
    ipv6_addresses,
    ipv6_addresses,
    st.integers(0, 255),
    st.lists(st.sampled_from(_EXTENSIONS), max_size=4),
)
ipv4_packets = st.builds(
    lambda header, body: header / body, ipv4_headers, segments | datagrams | queries4
)
ipv6_packets = st.builds(
    lambda header, body: header / body, ipv6_headers, segments | datagrams | queries6
)


def agrees(read: Packet, layers: ScapyPacket) -> None:
    """Compare everything of `read` with what scapy dissected."""
    ip = layers
    assert str(read.source) == str(parse_address(ip.src))
    assert str(read.destination) == str(parse_address(ip.dst))
    assert read.hop_limit == (ip.ttl if read.family == 4 else ip.hlim)
    assert read.length == (ip.len if read.family == 4 else 40 + ip.plen)
    if segment := layers.getlayer(TCP) or layers.getlayer(TCPerror):
        assert read.protocol == 6
        before = bytes_before(layers, segment)
        assert (read.source_port, read.destination_port) == (segment.sport, segment.dport)
        assert read.tcp == Tcp(
            flags=TcpFlag(int(segment.flags) & 0xFF),
            sequence=segment.seq,
            acknowledgement=segment.ack,
            payload=max(0, read.length - before - segment.dataofs * 4),
        )
    elif datagram := layers.getlayer(UDP) or layers.getlayer(UDPerror):
        assert read.protocol == 17
        assert (read.source_port, read.destination_port) == (datagram.sport, datagram.dport)
    else:
        assert (read.source_port, read.destination_port, read.tcp) == (None, None, None)


def bytes_before(layers: ScapyPacket, layer: ScapyPacket) -> int:
    return len(bytes(layers)) - len(bytes(layer))


@given(ipv4_packets)
@crafted
def test_ipv4_packet_parses_to_the_fields_scapy_reads(made: ScapyPacket) -> None:
    data = bytes(made)
    layers, read = IP(data), parse(data)
    assert isinstance(read, Packet)
    agrees(read, layers)
    if message := layers.getlayer(ICMP):
        assert read.icmp == Icmp(type=message.type, code=message.code, identifier=message.id)


@given(ipv6_packets)
@crafted
def test_ipv6_packet_parses_to_the_fields_scapy_reads(made: ScapyPacket) -> None:
    data = bytes(made)
    layers, read = IPv6(data), parse(data)
    assert isinstance(read, Packet)
    assert read.fragment is None
    agrees(read, layers)
    for kind in (ICMPv6EchoRequest, ICMPv6EchoReply):
        if message := layers.getlayer(kind):
            assert read.icmp == Icmp(type=message.type, code=message.code, identifier=message.id)


@given(
    ipv4_packets, st.sampled_from((3, 4, 11, 12)), st.integers(0, 15), st.sampled_from((8, 20, 500))
)
@crafted
def test_ipv4_error_quotes_what_scapy_reads(
    inner: ScapyPacket, kind: int, code: int, kept: int
) -> None:
    inner_bytes = bytes(inner)
    quoted = inner_bytes[: inner_bytes[0] % 16 * 4 + kept]
    data = bytes(IP(src="192.0.2.1", dst=inner.src) / ICMP(type=kind, code=code) / Raw(quoted))
    layers, read = IP(data), parse(data)
    assert isinstance(read, Packet)
    assert read.icmp is not None
    assert (read.icmp.type, read.icmp.code, read.icmp.identifier) == (kind, code, None)
    quote = read.icmp.quote
    assert quote is not None
    if kept < 20 and quote.tcp is not None:
        assert quote.tcp.flags == 0
        assert quote.tcp.sequence == layers[TCPerror].seq
        assert quote.source_port == layers[TCPerror].sport
    elif message := layers.getlayer(ICMPerror):
        assert quote.icmp is not None
        assert (quote.icmp.type, quote.icmp.identifier) == (message.type, message.id)
    elif kept == 500:
        agrees(quote, layers[IPerror])


@given(
    ipv6_packets,
    st.sampled_from(
        (ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded, ICMPv6ParamProblem)
    ),
)
@crafted
def test_ipv6_error_quotes_what_scapy_reads(inner: ScapyPacket, kind: Any) -> None:
    data = bytes(IPv6(src="2001:db8::9", dst=inner.src) / kind() / inner)
    layers, read = IPv6(data), parse(data)
    assert isinstance(read, Packet)
    assert read.icmp is not None
    assert read.icmp.type == layers[kind].type
    quote = read.icmp.quote
    assert quote is not None
    assert quote == parse(bytes(inner))
    # scapy gives up on long chains within an error, so what is quoted is dissected alone.
    agrees(quote, IPv6(data[40 + 8 :]))


@given(ipv4_headers, st.integers(0, 8189), st.booleans(), st.sampled_from((17, 47)), payloads)
@crafted
def test_ipv4_fragment_has_the_fields_scapy_reads(
    header: ScapyPacket, offset: int, more: bool, protocol: int, payload: bytes
) -> None:
    header.frag, header.flags, header.proto = offset, "MF" if more else 0, protocol
    data = bytes(header / Raw(bytes(8) + payload))
    layers, read = IP(data), parse(data)
    assert isinstance(read, Packet)
    if offset == 0 and not more:
        assert read.fragment is None
        return
    assert read.fragment is not None
    assert read.fragment.identification == layers.id
    assert read.fragment.offset == layers.frag * 8
    assert read.fragment.more == bool(layers.flags.MF)
    assert read.fragment.protocol == layers.proto
    assert (read.source_port is None) == (offset > 0 or protocol == 47)


@given(ipv6_addresses, st.integers(0, 8191), st.integers(0, 1), words, payloads)
@crafted
def test_ipv6_fragment_has_the_fields_scapy_reads(
    source: str, offset: int, more: int, ident: int, payload: bytes
) -> None:
    fragment = IPv6ExtHdrFragment(offset=offset, m=more, id=ident, nh=17)
    data = bytes(IPv6(src=source) / fragment / Raw(bytes(8) + payload))
    layers, read = IPv6(data)[IPv6ExtHdrFragment], parse(data)
    assert isinstance(read, Packet)
    if offset == 0 and not more:
        assert read.fragment is None
        return
    assert read.fragment is not None
    assert read.fragment.identification == layers.id
    assert read.fragment.offset == layers.offset * 8
    assert read.fragment.more == bool(layers.m)
    assert read.fragment.protocol == layers.nh


def test_neighbour_discovery_has_its_hop_limit() -> None:
    read = parse(bytes(IPv6(src="fe80::1", dst="ff02::1", hlim=255) / ICMPv6ND_NS()))
    assert isinstance(read, Packet)
    assert read.icmp == Icmp(type=135, code=0)
    assert read.hop_limit == 255


@given(ipv4_packets | ipv6_packets)
@crafted
def test_checksums_of_what_is_built_are_scapys(made: ScapyPacket) -> None:
    read = parse(bytes(made))
    assert isinstance(read, Packet)
    data = build(read)
    if read.family == 4:
        assert scapy_checksum(data[: data[0] % 16 * 4]) == 0
    layers = (IP if read.family == 4 else IPv6)(data)
    body = b""
    for kind in (TCP, UDP, ICMP, ICMPv6EchoRequest, ICMPv6EchoReply):
        if found := layers.getlayer(kind):
            body = data[bytes_before(layers, found) :]
    if read.protocol == 1:
        assert scapy_checksum(body) == 0
    elif read.family == 4:
        assert in4_chksum(read.protocol, layers, body) == 0
    else:
        assert in6_chksum(read.protocol, layers, body) == 0


@pytest.mark.parametrize("family", [4, 6])
def test_a_udp_checksum_of_zero_is_written_as_ones(family: int) -> None:
    addresses = ("10.0.0.1", "10.0.0.2") if family == 4 else ("2001:db8::1", "2001:db8::2")
    made = Packet(
        source=parse_address(addresses[0]),
        destination=parse_address(addresses[1]),
        protocol=17,
        length=28 if family == 4 else 48,
        source_port=0,
        destination_port=0,
    )
    plain = int.from_bytes(build(made)[-2:])
    # The source port that brings the sum to all ones, so that its complement is zero.
    ones = Packet(
        source=made.source,
        destination=made.destination,
        protocol=17,
        length=made.length,
        source_port=plain,
        destination_port=0,
    )
    assert build(ones)[-2:] == b"\xff\xff"
