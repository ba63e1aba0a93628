"""Ethernet frames of packets, written from the RFCs and independent of `secgroup.net.wire`.

Quick enough for hundreds of thousands. Nothing computes a checksum: none is judged. What a packet
does not say is zero. Not every packet has a frame: `CannotBeWritten` says why.
"""

from struct import pack

from secgroup.net.packet import Icmp, Packet
from secgroup.net.protocol import TCP, UDP

IPV4, IPV6 = 0x0800, 0x86DD
#: What is on the other side of an interface's link: the router, or whoever stands for it.
GATEWAY_MAC = bytes.fromhex("02000000fe01")
_FRAGMENT = 44
#: Destination options, routing, mobility; hop-by-hop options come first, and so are written last.
_EXTENSIONS = (60, 43, 135, 60, 44, 43, 0)


class CannotBeWrittenError(ValueError):
    """No bytes would be read back as this packet."""


def ethernet(payload: bytes, family: int, *, source: bytes, destination: bytes) -> bytes:
    """Put an IP packet into a frame."""
    return destination + source + (b"\x08\x00" if family == 4 else b"\x86\xdd") + payload


def ip_bytes(packet: Packet, extra: int = 0, options: int = 0) -> bytes:
    """Write an IP packet.

    Parameters
    ----------
    extra : int
        So many times eight octets of IPv4 options (at most 5), or extension headers of IPv6 (at
        most 8 with that of a fragment): the packet is longer by them, and else the same.
    options : int
        So many times four octets of TCP options, at most 10: likewise.

    Raises
    ------
    CannotBeWrittenError
        Its length has no room for its headers, or needs more than they can take.

    """
    options = 0 if packet.tcp is None else options
    octets = _headers(packet, extra, options)
    length = packet.length + 8 * extra + 4 * options
    if packet.tcp is not None and length - packet.tcp.payload != len(octets):
        raise CannotBeWrittenError("TCP or IP with options")
    if len(octets) > length:
        raise CannotBeWrittenError(f"{len(octets)} octets of headers in {length}")
    return octets.ljust(length, b"\0")


def _headers(packet: Packet, extra: int = 0, options: int = 0) -> bytes:
    fragment, length = packet.fragment, packet.length + 8 * extra + 4 * options
    body = _body(packet, options)
    addresses = packet.source.packed + packet.destination.packed
    if packet.family == 4:
        word = identification = 0
        if fragment is not None:
            word = fragment.offset >> 3 | fragment.more << 13
            identification = fragment.identification
        fixed = (length, identification, word, packet.hop_limit, packet.protocol, 0)
        header = pack("!BBHHHBBH", 0x45 + 2 * extra, 0, *fixed)
        return header + addresses + b"\1" * 8 * extra + body
    following, chain = packet.protocol, b""
    if fragment is not None:
        if fragment.protocol != packet.protocol:
            raise CannotBeWrittenError("extension headers after that of the fragment")
        word = fragment.offset | fragment.more
        following = _FRAGMENT
        chain = pack("!BBHI", packet.protocol, 0, word, fragment.identification)
    for kind in _EXTENSIONS[:extra]:
        if kind == _FRAGMENT and fragment is not None:
            kind = 60
        # Of a fragment that is whole only reserved bits are set (RFC 6946); of options one is PadN.
        said = (following, 0, 0, 6) if kind == _FRAGMENT else (following, 0, 1, 4)
        following, chain = kind, pack("!BBBB4x", *said) + chain
    header = pack("!IHBB", 6 << 28, length - 40, following, packet.hop_limit)
    return header + addresses + chain + body


def _body(packet: Packet, options: int) -> bytes:
    if packet.is_later_fragment:
        return b""
    tcp = packet.tcp
    if tcp is not None:
        return pack(
            "!HHIIBBHHH",
            packet.source_port,
            packet.destination_port,
            tcp.sequence,
            tcp.acknowledgement,
            (5 + options) << 4,
            tcp.flags,
            0xFFFF,
            0,
            0,
        ) + bytes(4 * options)
    if packet.protocol == UDP:
        return pack("!HHHH", packet.source_port, packet.destination_port, 0, 0)
    if packet.icmp is not None:
        # The target of a neighbour advertisement is the address that its sender has (RFC 4861 4.4).
        is_told = (packet.family, packet.icmp.type) == (6, 136) and packet.length >= 64
        return _icmp(packet.icmp) + (packet.source.packed if is_told else b"")
    if packet.protocol == TCP:
        raise CannotBeWrittenError("TCP without its header")
    return b""


def _icmp(icmp: Icmp) -> bytes:
    quote = b"" if icmp.quote is None else _headers(icmp.quote)
    return pack("!BBHHH", icmp.type, icmp.code, 0, icmp.identifier or 0, 0) + quote


def malformed(number: int, family: int, source: bytes, destination: bytes) -> bytes:
    """Write one of `MALFORMED_KINDS` kinds of IP packets that cannot be read as one."""
    kinds = _MALFORMED4 if family == 4 else _MALFORMED6
    return kinds[number % len(kinds)](source, destination)


def _v4(protocol: int, payload: bytes, *, first: int = 0x45, word: int = 0, total: int = 0):
    def made(source: bytes, destination: bytes) -> bytes:
        length = total or 20 + len(payload)
        header = pack("!BBHHHBBH", first, 0, length, 7, word, 64, protocol, 0)
        return header + source + destination + payload

    return made


def _v6(protocol: int, payload: bytes):
    def made(source: bytes, destination: bytes) -> bytes:
        header = pack("!IHBB", 6 << 28, len(payload), protocol, 64)
        return header + source + destination + payload

    return made


_PORTS = pack("!HH", 40000, 443)
_CHAIN = b"".join(pack("!BB6x", 60, 0) for _ in range(9))
_MALFORMED4 = (
    _v4(6, _PORTS + bytes(15)),  # TCP of 19 bytes
    _v4(6, _PORTS + bytes(8) + b"\x40" + bytes(7)),  # a TCP header of 16 bytes
    _v4(17, _PORTS + bytes(3)),
    _v4(1, b"\x08\0\0"),
    _v4(1, b"\x08\0\0\0\0\x07\0"),  # an echo request without its sequence number
    _v4(17, bytes(8), first=0x44),
    _v4(17, bytes(8), first=0x4F),  # 60 bytes of header are not there
    _v4(17, bytes(8), first=0x55),
    _v4(6, bytes(24), word=1),  # a fragment that begins at byte 8 of TCP
    _v4(6, bytes(24), word=2),
    _v4(6, _PORTS, word=1 << 13),  # a first fragment without flags
    _v4(17, bytes(8), total=19),
)
#: Of IPv6 none is cut before the end of its fixed header: no test run takes that without a tag.
_MALFORMED6 = (
    _v6(6, _PORTS + bytes(15)),
    _v6(17, _PORTS),
    _v6(58, b"\x80\0\0\0\0\x07\0"),
    _v6(58, b"\x01"),
    _v6(60, _CHAIN + _PORTS + bytes(4)),  # nine extension headers
    _v6(60, pack("!BB6x", 17, 2) + bytes(8)),  # an extension header that is cut
    _v6(44, pack("!BBH", 17, 0, 1)),
    _v6(44, pack("!BBHI", 6, 0, 1, 9) + _PORTS),
    _v6(44, pack("!BBHI", 60, 0, 1, 9)),
)
MALFORMED_KINDS = len(_MALFORMED4) * len(_MALFORMED6)
