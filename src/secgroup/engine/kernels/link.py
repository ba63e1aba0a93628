"""What lies under IP in captured frames: `link` for all link types, `decapsulate` for VXLAN.

`secgroup.net.link` is the definition of every bound here; read it first. `at` and `stop` are
indices of `octets`.
"""

import numpy as np

from secgroup.engine.frames import (
    CARRIES_IP,
    CARRIES_OTHER,
    COOKED,
    COOKED_2,
    CUT,
    ETHERNET,
    LOOPBACK,
    NO_DIRECTION,
    NO_MAC,
    Frames,
    Spans,
)
from secgroup.engine.kernels import inlined, kernel
from secgroup.engine.kernels.octets import u8, u16, u32, u48
from secgroup.engine.layout import LATER_FRAGMENT, MALFORMED, U1, Packets
from secgroup.net.link import IPV4_TYPE, IPV6_TYPE, VXLAN_PORT
from secgroup.net.protocol import UDP


@inlined
def _untag(octets: U1, at: int, stop: int, ether_type: int) -> tuple[int, int]:
    """Step over at most two VLAN tags: what the frame carries, and where that begins."""
    for _ in range(2):
        if ether_type not in (0x8100, 0x88A8, 0x9100):
            break
        if stop - at < 4:
            return CUT, stop
        ether_type = u16(octets, at + 2)
        at += 4
    return CARRIES_IP if ether_type in (IPV4_TYPE, IPV6_TYPE) else CARRIES_OTHER, at


@inlined
def _cooked_direction(packet_type: int) -> int:
    if packet_type == 4:
        return 1
    return 0 if packet_type < 3 else NO_DIRECTION


@inlined
def _loopback(octets: U1, at: int) -> int:
    family = u32(octets, at)
    if family > 0xFFFF:
        family = (u16(octets, at) & 0xFF) << 8 | u16(octets, at) >> 8
        if u16(octets, at + 2) != 0:
            return CARRIES_OTHER
    return CARRIES_IP if family in (2, 24, 28, 30, 10, 23) else CARRIES_OTHER


@inlined
def _headers(
    octets: U1, at: int, stop: int, link: int
) -> tuple[int, int, int, int, np.uint64, np.uint64]:
    """Read what lies under IP: carries, where that begins, direction, interface, both MACs."""
    source = destination = np.uint64(NO_MAC)
    direction, interface = NO_DIRECTION, -1
    carries, begin = CUT, stop
    present = stop - at
    if link == ETHERNET:
        if present >= 14:
            destination, source = u48(octets, at), u48(octets, at + 6)
            carries, begin = _untag(octets, at + 14, stop, u16(octets, at + 12))
    elif link == COOKED:
        if present >= 16:
            direction = _cooked_direction(u16(octets, at))
            if u16(octets, at + 4) == 6:
                source = u48(octets, at + 6)
            carries, begin = _untag(octets, at + 16, stop, u16(octets, at + 14))
    elif link == COOKED_2:
        if present >= 20:
            interface = u32(octets, at + 4)
            direction = _cooked_direction(u8(octets, at + 10))
            if octets[at + 11] == 6:
                source = u48(octets, at + 12)
            carries, begin = _untag(octets, at + 20, stop, u16(octets, at))
    elif link == LOOPBACK:
        if present >= 4:
            carries, begin = _loopback(octets, at), at + 4
    else:
        carries, begin = CARRIES_IP, at
    return carries, begin, direction, interface, source, destination


@inlined
def _span(
    frames: Frames, row: int, carries: int, at: int, stop: int, frame: int, spans: Spans, place: int
) -> None:
    """Write where the IP packet of a frame lies."""
    frames.carries[row] = carries
    frames.header_length[row] = at - frame
    frames.ip_captured[row] = max(0, stop - at)
    spans.begin[place] = at if carries == CARRIES_IP else -1
    spans.end[place] = stop
    spans.whole[place] = max(int(np.int64(frames.original_length[row])) - (at - frame), stop - at)


@kernel
def link(
    octets: U1, base: int, first: int, last: int, links: U1, frames: Frames, spans: Spans
) -> None:
    """Read what lies under IP in the frames that a walk found.

    Parameters
    ----------
    octets : uint8
        The bytes of the file from byte `base` on.
    first, last : int
        Rows of `frames`: these are read and completed.
    links : uint8
        How the frames of each capture interface are read.
    spans : Spans
        Written, from 0 on: where the IP packets lie.

    """
    for each in range(first, last):
        row, place = np.uintp(each), np.uintp(each - first)
        frame = frames.offset[row] - base
        stop = frame + int(np.int64(frames.captured[row]))
        number = int(np.int64(frames.capture_interface[row]))
        carries, at, direction, interface, source, destination = _headers(
            octets, frame, stop, links[number]
        )
        if frames.direction[row] == NO_DIRECTION:
            frames.direction[row] = direction
        frames.interface[row] = number if interface < 0 else interface
        frames.vni[row] = -1
        frames.source_mac[row] = source
        frames.destination_mac[row] = destination
        _span(frames, row, carries, at, stop, frame, spans, place)


@kernel
def decapsulate(
    octets: U1, base: int, first: int, last: int, frames: Frames, packets: Packets, spans: Spans
) -> int:
    """Take the inner frames out of VXLAN, after `link` and `internet`; return how many there are.

    Parameters
    ----------
    others
        As those of `link`. The rows of `frames` and the spans become those of the inner frames.

    """
    count = 0
    for each in range(first, last):
        row, place = np.uintp(each), np.uintp(each - first)
        begin, end = spans.transport[place], spans.transport_end[place]
        if (
            spans.begin[place] < 0
            or packets.protocol[row] != UDP
            or packets.shape[row] & (MALFORMED | LATER_FRAGMENT)
            or end - begin < 8
            or u16(octets, begin + 2) != VXLAN_PORT
        ):
            continue
        carries, at, stop = CUT, begin + 16, end
        source = destination = np.uint64(NO_MAC)
        if end - begin >= 16:
            if octets[begin + 8] & 8 == 0:
                continue
            carries, at, _, _, source, destination = _headers(octets, begin + 16, end, ETHERNET)
            if source != np.uint64(NO_MAC):
                frames.vni[row] = u32(octets, begin + 12) >> 8
        frames.direction[row] = NO_DIRECTION
        frames.source_mac[row] = source
        frames.destination_mac[row] = destination
        _span(frames, row, carries, at, stop, frames.offset[row] - base, spans, place)
        count += 1
    return count
