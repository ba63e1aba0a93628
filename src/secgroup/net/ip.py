"""The headers of IP, from its first byte to the first byte of what it carries.

Owns how IPv4 and IPv6 headers, extension headers and fragments are read; knows neither TCP,
UDP and ICMP (`wire` does) nor what lies under IP (`link` does).
Read first: RFC 791 3.1, RFC 8200 4, RFC 1858 (short first fragments), RFC 6946.
"""

from struct import Struct
from typing import Final, NamedTuple

from secgroup.net.address import Address, address_of
from secgroup.net.packet import Fragment, Malformed
from secgroup.net.protocol import TCP

IPV4_HEADER: Final = 20
IPV6_HEADER: Final = 40
TCP_HEADER: Final = 20

FRAGMENT: Final = 44
#: Extension headers that are walked over: hop-by-hop options, routing, fragment, destination
#: options, mobility. AH (51), ESP (50) and "no next header" (59) are protocols like any other.
EXTENSION_HEADERS: Final = frozenset({0, 43, FRAGMENT, 60, 135})
MAX_EXTENSION_HEADERS: Final = 8

_IPV4: Final = Struct("!BxHHHBBxx4s4s")
_IPV6: Final = Struct("!4xHBB16s16s")
_FRAGMENT: Final = Struct("!BxHI")


class IpHeader(NamedTuple):
    """What the IP headers say.

    `transport` is the offset of the first byte after them, `end` the number of captured bytes
    that belong to the packet (padding of the link does not); `transport` <= `end`.
    """

    source: Address
    destination: Address
    protocol: int
    length: int
    hop_limit: int
    fragment: Fragment | None
    transport: int
    end: int


def read_ip(data: bytes, original_length: int) -> IpHeader | Malformed:
    """Read the IP headers at the start of `data`.

    Parameters
    ----------
    data : bytes
        From the first byte of the IP header; may be cut, may be padded.
    original_length : int
        Bytes there were before `data` was cut: the packet's length where its own field is 0
        (segmentation offload, jumbograms).

    """
    version = data[0] >> 4 if data else None
    if version == 4:
        return _read_ipv4(data, original_length)
    if version == 6:
        return _read_ipv6(data, original_length)
    problem = "no IP header" if version is None else f"IP version {version}"
    return Malformed(problem=problem, length=original_length)


def _read_ipv4(data: bytes, original_length: int) -> IpHeader | Malformed:
    if len(data) < IPV4_HEADER:
        return _cut_ipv4(data, original_length)
    first, total, identification, word, hop_limit, protocol, source, destination = (
        _IPV4.unpack_from(data)
    )
    length = original_length if total == 0 else total
    end = min(len(data), length)
    header = (first & 0x0F) * 4
    if header < IPV4_HEADER:
        return Malformed(problem=f"IPv4 header of {header} bytes", length=length)
    if end < header:
        return _cut_ipv4(data[:end], length)
    fragment = None
    if word & 0x3FFF:
        fragment = Fragment(
            identification=identification,
            offset=(word & 0x1FFF) * 8,
            more=bool(word & 0x2000),
            protocol=protocol,
        )
        # A fragment that rewrites the ports or flags of the first one (RFC 3128). Offsets count
        # in eights, so that no other protocol's first 8 bytes can be begun within.
        if protocol == TCP and 0 < fragment.offset < TCP_HEADER:
            return Malformed(
                problem=f"fragment begins at byte {fragment.offset} of TCP",
                length=length,
                source=address_of(source),
                destination=address_of(destination),
                protocol=protocol,
            )
    return IpHeader(
        address_of(source),
        address_of(destination),
        protocol,
        length,
        hop_limit,
        fragment,
        header,
        end,
    )


def _cut_ipv4(data: bytes, length: int) -> Malformed:
    """Say what can still be read of an IPv4 header that is cut."""
    total = int.from_bytes(data[2:4]) if len(data) >= 4 else 0
    return Malformed(
        problem=f"IPv4 header cut after {len(data)} bytes",
        length=length if total == 0 else total,
        source=address_of(data[12:16]) if len(data) >= 16 else None,
        destination=address_of(data[16:20]) if len(data) >= 20 else None,
        protocol=data[9] if len(data) >= 10 else None,
    )


def _read_ipv6(data: bytes, original_length: int) -> IpHeader | Malformed:
    if len(data) < IPV6_HEADER:
        return _cut_ipv6(data, original_length)
    payload, protocol, hop_limit, packed_source, packed_destination = _IPV6.unpack_from(data)
    source, destination = address_of(packed_source), address_of(packed_destination)
    length = original_length if payload == 0 else IPV6_HEADER + payload
    end = min(len(data), length)
    transport = IPV6_HEADER
    fragment = None
    walked = 0
    problem = None
    while protocol in EXTENSION_HEADERS:
        walked += 1
        size = 8
        if protocol != FRAGMENT and transport + 1 < end:
            size += data[transport + 1] * 8
        if walked > MAX_EXTENSION_HEADERS:
            problem = f"more than {MAX_EXTENSION_HEADERS} IPv6 extension headers"
        elif transport + size > end:
            problem = f"IPv6 extension header {protocol} cut"
        if problem is not None:
            return Malformed(problem=problem, length=length, source=source, destination=destination)
        if protocol == FRAGMENT:
            protocol, word, identification = _FRAGMENT.unpack_from(data, transport)
            transport += size
            if word & 0xFFF9:  # offset 0 and no more to come: whole (RFC 6946)
                fragment = Fragment(
                    identification=identification,
                    offset=word & 0xFFF8,
                    more=bool(word & 1),
                    protocol=protocol,
                )
            if word & 0xFFF8:  # what follows is no header
                break
        else:
            protocol = data[transport]
            transport += size
    return IpHeader(source, destination, protocol, length, hop_limit, fragment, transport, end)


def _cut_ipv6(data: bytes, length: int) -> Malformed:
    """Say what can still be read of an IPv6 header that is cut."""
    payload = int.from_bytes(data[4:6]) if len(data) >= 6 else 0
    return Malformed(
        problem=f"IPv6 header cut after {len(data)} bytes",
        length=length if payload == 0 else IPV6_HEADER + payload,
        source=address_of(data[8:24]) if len(data) >= 24 else None,
    )
