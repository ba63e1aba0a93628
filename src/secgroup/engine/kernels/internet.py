"""The headers of IP in captured bytes: `internet`.

`secgroup.net.ip` is the definition of every bound here; read it first. `at` and `stop` are
indices of `octets`; offsets count from the first byte of the IP header.
"""

import numpy as np

from secgroup.engine.frames import Spans
from secgroup.engine.kernels import inlined, kernel
from secgroup.engine.kernels.octets import u8, u16, u32, u64
from secgroup.engine.layout import (
    FIRST_FRAGMENT,
    KNOWN_DESTINATION,
    KNOWN_PROTOCOL,
    KNOWN_SOURCE,
    LATER_FRAGMENT,
    MALFORMED,
    U1,
    Packets,
)
from secgroup.net.ip import (
    FRAGMENT,
    IPV4_HEADER,
    IPV6_HEADER,
    MAX_EXTENSION_HEADERS,
    TCP_HEADER,
)
from secgroup.net.protocol import TCP


@inlined
def _read_ipv4(
    octets: U1, at: int, stop: int, whole: int
) -> tuple[int, int, int, int, int, int, int, int]:
    present = stop - at
    total = u16(octets, at + 2) if present >= 4 else 0
    length = whole if total == 0 else total
    end = present
    if present >= IPV4_HEADER:
        end = min(present, length)
        size = (u8(octets, at) & 15) * 4
        if size < IPV4_HEADER:
            return MALFORMED, 0, length, 0, 0, 0, 0, 0
        if end >= size:
            protocol = u8(octets, at + 9)
            identification, word = u16(octets, at + 4), u16(octets, at + 6)
            hop_limit = u8(octets, at + 8)
            if word & 0x3FFF == 0:
                return 0, protocol, length, hop_limit, 0, 0, size, end
            offset = (word & 0x1FFF) * 8
            if protocol == TCP and 0 < offset < TCP_HEADER:
                return (
                    MALFORMED | KNOWN_SOURCE | KNOWN_DESTINATION | KNOWN_PROTOCOL,
                    protocol,
                    length,
                    0,
                    0,
                    0,
                    0,
                    0,
                )
            shape = LATER_FRAGMENT if offset > 0 else FIRST_FRAGMENT
            return shape, protocol, length, hop_limit, identification, protocol, size, end
    shape, protocol = MALFORMED, 0
    if end >= 10:
        shape |= KNOWN_PROTOCOL
        protocol = u8(octets, at + 9)
    if end >= 16:
        shape |= KNOWN_SOURCE
    if end >= 20:
        shape |= KNOWN_DESTINATION
    return shape, protocol, length, 0, 0, 0, 0, 0


@inlined
def _read_ipv6(
    octets: U1, at: int, stop: int, whole: int
) -> tuple[int, int, int, int, int, int, int, int]:
    present = stop - at
    payload = u16(octets, at + 4) if present >= 6 else 0
    length = whole if payload == 0 else IPV6_HEADER + payload
    if present < IPV6_HEADER:
        shape = MALFORMED | KNOWN_SOURCE if present >= 24 else MALFORMED
        return shape, 0, length, 0, 0, 0, 0, 0
    end, transport = min(present, length), IPV6_HEADER
    protocol, hop_limit = u8(octets, at + 6), u8(octets, at + 7)
    shape = identification = named = walked = 0
    while protocol in (0, 43, FRAGMENT, 60, 135):
        walked += 1
        size = 8
        if protocol != FRAGMENT and transport + 1 < end:
            size += u8(octets, at + transport + 1) * 8
        if walked > MAX_EXTENSION_HEADERS or transport + size > end:
            shape = MALFORMED | KNOWN_SOURCE | KNOWN_DESTINATION
            return shape, 0, length, 0, 0, 0, 0, 0
        fragmented = protocol == FRAGMENT
        protocol = u8(octets, at + transport)
        if fragmented:
            word = u16(octets, at + transport + 2)
            if word & 0xFFF9:
                shape = LATER_FRAGMENT if word & 0xFFF8 else FIRST_FRAGMENT
                identification, named = u32(octets, at + transport + 4), protocol
            if word & 0xFFF8:
                transport += size
                break
        transport += size
    return shape, protocol, length, hop_limit, identification, named, transport, end


@inlined
def _addresses(
    octets: U1, at: int, family: int, shape: int
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Return source and destination as halves of 128 bits, 0 for what is not known."""
    has_destination = not shape & MALFORMED or shape & KNOWN_DESTINATION != 0
    zero = np.uint64(0)
    if family == 4:
        mapped = 0xFFFF << 32
        source = np.uint64(mapped | u32(octets, at + 12))
        destination = np.uint64(mapped | u32(octets, at + 16)) if has_destination else zero
        return zero, source, zero, destination
    if family == 6:
        source_hi, source_lo = u64(octets, at + 8), u64(octets, at + 16)
        if has_destination:
            return source_hi, source_lo, u64(octets, at + 24), u64(octets, at + 32)
        return source_hi, source_lo, zero, zero
    return zero, zero, zero, zero


@kernel
def internet(octets: U1, first: int, last: int, spans: Spans, packets: Packets) -> None:
    """Read the IP headers of packets, which then are at no interface.

    Parameters
    ----------
    first, last : int
        Rows of `packets`: what IP says is written, and 0 for what the rest may say.
    spans : Spans
        From 0 on: where the packets lie; written: where IP ends.

    """
    for each in range(first, last):
        row, place = np.uintp(each), np.uintp(each - first)
        at, stop, whole = spans.begin[place], spans.end[place], spans.whole[place]
        version, shape = 0, 0
        protocol = length = hop_limit = identification = named = transport = end = 0
        if at >= 0:
            version = u8(octets, at) >> 4 if stop > at else 0
            if version == 4:
                shape, protocol, length, hop_limit, identification, named, transport, end = (
                    _read_ipv4(octets, at, stop, whole)
                )
            elif version == 6:
                shape, protocol, length, hop_limit, identification, named, transport, end = (
                    _read_ipv6(octets, at, stop, whole)
                )
            else:
                version, shape, length = 0, MALFORMED, whole
        if shape & MALFORMED and not shape & KNOWN_SOURCE:
            version = 0
        source_hi, source_lo, destination_hi, destination_lo = _addresses(
            octets, at, version, shape
        )
        packets.interface[row] = -1
        packets.direction[row] = 0
        packets.family[row] = version
        packets.protocol[row] = protocol
        packets.hop_limit[row] = hop_limit
        packets.shape[row] = shape
        packets.source_hi[row] = source_hi
        packets.source_lo[row] = source_lo
        packets.destination_hi[row] = destination_hi
        packets.destination_lo[row] = destination_lo
        packets.length[row] = length
        packets.fragment_id[row] = identification
        packets.fragment_protocol[row] = named
        packets.quote[row] = -1
        spans.transport[place] = at + transport
        spans.transport_end[place] = at + end
