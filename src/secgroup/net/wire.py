"""Packets on the wire: bytes of an IP packet into a Packet, and back.

Owns the headers of TCP, UDP and ICMP and the packets that ICMP errors quote; `ip` owns what
stands before them. All integers in the bytes are in network byte order.
Read first: RFC 9293 3.1, RFC 768, RFC 792, RFC 4443.

A packet never raises: bytes that cannot be read are a Malformed. Checksums, UDP lengths and
combinations of flags are not judged, because captures are full of offload.
"""

from struct import Struct, error, pack
from typing import Final

from secgroup.errors import InputError
from secgroup.net.ip import (
    EXTENSION_HEADERS,
    FRAGMENT,
    IPV4_HEADER,
    IPV6_HEADER,
    TCP_HEADER,
    IpHeader,
    read_ip,
)
from secgroup.net.packet import Datagram, Icmp, Malformed, Packet, Tcp
from secgroup.net.protocol import (
    ICMP_ANSWERS,
    ICMP_ERRORS,
    ICMP_QUERIES,
    TCP,
    UDP,
    TcpFlag,
    icmp_of,
)

_TCP: Final = Struct("!HHIIBB")
_PORTS: Final = Struct("!HH")
_HOP_BY_HOP_OPTIONS: Final = 0
_DESTINATION_OPTIONS: Final = 60
_UDP_HEADER: Final = 8
_ICMP_HEADER: Final = 8
_FLAGS: Final = tuple(TcpFlag(byte) for byte in range(256))
_WITH_IDENTIFIER: Final = frozenset(ICMP_QUERIES) | frozenset(ICMP_ANSWERS)


def parse(data: bytes, *, original_length: int | None = None) -> Datagram:
    """Read an IP packet; what cannot be read as one is Malformed.

    Parameters
    ----------
    data : bytes
        From the first byte of the IP header on: cut by a snap length or followed by padding.
    original_length : int, optional
        Bytes there were before the capture cut them; absent: as many as in `data`. It is the
        packet's length where the length field of IP is 0.

    Returns
    -------
    Packet or Malformed

    """
    whole = len(data) if original_length is None else max(original_length, len(data))
    header = read_ip(data, whole)
    if isinstance(header, Malformed):
        return header
    at, end, protocol = header.transport, header.end, header.protocol
    if header.fragment is not None and header.fragment.offset > 0:
        return _packet(header)
    if protocol == TCP:
        if end - at < TCP_HEADER:
            return _malformed(header, f"TCP header cut after {end - at} bytes")
        source_port, destination_port, sequence, acknowledgement, offset, flags = _TCP.unpack_from(
            data, at
        )
        size = (offset >> 4) * 4
        if size < TCP_HEADER:
            return _malformed(header, f"TCP header of {size} bytes")
        tcp = Tcp(
            flags=_FLAGS[flags],
            sequence=sequence,
            acknowledgement=acknowledgement,
            payload=max(0, header.length - at - size),
        )
        return _packet(header, source_port, destination_port, tcp)
    if protocol == UDP:
        if end - at < _UDP_HEADER:
            return _malformed(header, f"UDP header cut after {end - at} bytes")
        return _packet(header, *_PORTS.unpack_from(data, at))
    if protocol == icmp_of(header.source.version):
        return _parse_icmp(header, data)
    return _packet(header)


def _packet(
    header: IpHeader,
    source_port: int | None = None,
    destination_port: int | None = None,
    tcp: Tcp | None = None,
    icmp: Icmp | None = None,
) -> Packet:
    return Packet(
        source=header.source,
        destination=header.destination,
        protocol=header.protocol,
        length=header.length,
        hop_limit=header.hop_limit,
        source_port=source_port,
        destination_port=destination_port,
        tcp=tcp,
        icmp=icmp,
        fragment=header.fragment,
    )


def _malformed(header: IpHeader, problem: str) -> Malformed:
    return Malformed(
        problem=problem,
        length=header.length,
        source=header.source,
        destination=header.destination,
        protocol=header.protocol,
    )


def _parse_icmp(header: IpHeader, data: bytes) -> Datagram:
    at, end, family = header.transport, header.end, header.source.version
    if end - at < 4:
        return _malformed(header, f"ICMP header cut after {end - at} bytes")
    kind = (family, data[at])
    identifier = quote = None
    if kind in _WITH_IDENTIFIER:
        if end - at < _ICMP_HEADER:
            return _malformed(header, f"ICMP query cut after {end - at} bytes")
        identifier = int.from_bytes(data[at + 4 : at + 6])
    elif kind in ICMP_ERRORS:
        quote = _parse_quote(data[at + _ICMP_HEADER : end], family)
    icmp = Icmp(type=data[at], code=data[at + 1], identifier=identifier, quote=quote)
    return _packet(header, icmp=icmp)


def _parse_quote(data: bytes, family: int) -> Packet | None:
    """Read the packet that an ICMP error quotes, of which 8 bytes after IP are promised.

    None where it is cut before its ports or identifier, a later fragment, or no packet of the
    family. TCP cut before its flags has none set; cut before its sequence number, no `tcp`.
    A quoted ICMP error shows its type and quotes nothing further.
    """
    if not data or data[0] >> 4 != family:
        return None
    header = read_ip(data, len(data))
    if isinstance(header, Malformed):
        return None
    if header.fragment is not None and header.fragment.offset > 0:
        return None
    at, present = header.transport, header.end - header.transport
    if header.protocol in (TCP, UDP):
        if present < _PORTS.size:
            return None
        source_port, destination_port = _PORTS.unpack_from(data, at)
        tcp = _parse_quoted_tcp(header, data) if header.protocol == TCP else None
        return _packet(header, source_port, destination_port, tcp)
    if header.protocol != icmp_of(family):
        return _packet(header)
    identifier = None
    if present < 2:
        return None
    if (family, data[at]) in _WITH_IDENTIFIER:
        if present < 6:
            return None
        identifier = int.from_bytes(data[at + 4 : at + 6])
    return _packet(header, icmp=Icmp(type=data[at], code=data[at + 1], identifier=identifier))


def _parse_quoted_tcp(header: IpHeader, data: bytes) -> Tcp | None:
    at, present = header.transport, header.end - header.transport
    if present < 8:
        return None
    flags, acknowledgement, size = 0, 0, TCP_HEADER
    if present >= TCP_HEADER:
        _, _, _, acknowledgement, offset, flags = _TCP.unpack_from(data, at)
        size = max(TCP_HEADER, (offset >> 4) * 4)
    return Tcp(
        flags=_FLAGS[flags],
        sequence=int.from_bytes(data[at + 4 : at + 8]),
        acknowledgement=acknowledgement,
        payload=max(0, header.length - at - size),
    )


def build(packet: Packet) -> bytes:
    """Write a packet: valid checksums, every byte that a Packet does not name zero.

    `parse(build(packet)) == packet`. TCP options, IPv4 options and IPv6 destination options are
    added as `length` and the TCP payload ask for. The checksum of a first fragment covers that
    fragment alone.

    Raises
    ------
    InputError
        No bytes would be read back as this packet: a length below its headers, TCP without
        `tcp`, a quote that does not fit in the length.

    """
    try:
        data = _emit(packet)
    except (error, ValueError, OverflowError) as problem:
        raise InputError(f"a packet that cannot be written: {problem}") from None
    if parse(data) != packet:
        raise InputError(f"a packet that would not be read back as itself: {packet}")
    return data


def _emit(packet: Packet) -> bytes:
    header = _emit_ipv4(packet) if packet.family == 4 else _emit_ipv6(packet)
    space = max(0, packet.length - len(header))
    if packet.is_later_fragment:
        body = b""
    elif packet.source_port is not None and packet.destination_port is not None:
        if packet.tcp is not None:
            body = _emit_tcp(packet.source_port, packet.destination_port, packet.tcp, space)
        else:
            body = pack("!HHHH", packet.source_port, packet.destination_port, space & 0xFFFF, 0)
    elif packet.icmp is not None:
        body = _emit_icmp(packet.icmp)
    else:
        body = b""
    body = body[:space].ljust(space, b"\0")
    return header + _with_checksum(packet, body)


def _emit_ipv4(packet: Packet) -> bytes:
    options = _surplus(packet, packet.length - IPV4_HEADER)
    size = IPV4_HEADER + options
    word = identification = 0
    if packet.fragment is not None:
        identification = packet.fragment.identification
        word = packet.fragment.offset // 8 | packet.fragment.more << 13
    header = pack(
        "!BBHHHBBH4s4s",
        0x40 | size // 4,
        0,
        packet.length if packet.length <= 0xFFFF else 0,
        identification,
        word,
        packet.hop_limit,
        packet.protocol,
        0,
        packet.source.packed,
        packet.destination.packed,
    ).ljust(size, b"\0")
    return header[:10] + pack("!H", checksum(header)) + header[12:]


def _emit_ipv6(packet: Packet) -> bytes:
    fragment = packet.fragment
    # Headers after the fragment header, and before it: from the last to the first.
    rest = packet.length - IPV6_HEADER - (8 if fragment is not None else 0)
    chain, following = b"", packet.protocol
    if fragment is not None and not packet.is_later_fragment and fragment.protocol != following:
        if fragment.protocol not in EXTENSION_HEADERS:
            raise ValueError(f"protocol {fragment.protocol} is no extension header")
        chain = _emit_extension(fragment.protocol, following, 8 + _surplus(packet, rest - 8))
    surplus = 0 if chain else _surplus(packet, rest)
    if fragment is not None:
        following, word = FRAGMENT, fragment.offset | fragment.more
        chain = pack("!BBHI", fragment.protocol, 0, word, fragment.identification) + chain
    if surplus > 0:
        chain = _emit_extension(_DESTINATION_OPTIONS, following, surplus) + chain
        following = _DESTINATION_OPTIONS
    payload = packet.length - IPV6_HEADER
    header = pack(
        "!IHBB16s16s",
        6 << 28,
        payload if payload <= 0xFFFF else 0,
        following,
        packet.hop_limit,
        packet.source.packed,
        packet.destination.packed,
    )
    return header + chain


def _emit_extension(kind: int, following: int, size: int) -> bytes:
    """Write an extension header of `size` bytes that says nothing."""
    if kind == FRAGMENT:
        return pack("!BBHI", following, 0, 0, 0)
    said = pack("!BB", following, size // 8 - 1)
    if kind in (_HOP_BY_HOP_OPTIONS, _DESTINATION_OPTIONS):
        said += pack("!BB", 1, min(size - 4, 255))  # one PadN option
    return said.ljust(size, b"\0")


def _surplus(packet: Packet, rest: int) -> int:
    """Bytes that the IP headers must take up, because TCP's can not: `rest` is for both."""
    if packet.tcp is None:
        return 0
    return max(0, (rest - packet.tcp.payload - 60 + 7) // 8 * 8)


def _emit_tcp(source_port: int, destination_port: int, tcp: Tcp, space: int) -> bytes:
    words = (space - tcp.payload + 3) // 4
    header = _TCP.pack(
        source_port, destination_port, tcp.sequence, tcp.acknowledgement, words << 4, tcp.flags
    )
    return header + pack("!HHH", 0xFFFF, 0, 0)


def _emit_icmp(icmp: Icmp) -> bytes:
    quote = b"" if icmp.quote is None else _emit(icmp.quote)
    identifier = 0 if icmp.identifier is None else icmp.identifier
    return pack("!BBHHH", icmp.type, icmp.code, 0, identifier, 0) + quote


def _with_checksum(packet: Packet, body: bytes) -> bytes:
    """Fill in the checksum of TCP, UDP or ICMP, where the header has one."""
    if packet.tcp is not None:
        place = 16
    elif packet.source_port is not None:
        place = 6
    elif packet.icmp is not None:
        place = 2
    else:
        return body
    covered = body
    if packet.icmp is None or packet.family == 6:
        addresses = packet.source.packed + packet.destination.packed
        covered += bytes(len(body) % 2) + addresses + pack("!II", len(body), packet.protocol)
    value = checksum(covered)
    if packet.protocol == UDP and value == 0:
        value = 0xFFFF
    return (body[:place] + pack("!H", value) + body[place + 2 :])[: len(body)]


def checksum(data: bytes) -> int:
    """Return the Internet checksum of `data` (RFC 1071)."""
    value = int.from_bytes(data + bytes(len(data) % 2)) % 0xFFFF
    return 0xFFFF - value if value or not any(data) else 0
