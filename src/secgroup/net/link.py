"""What lies under IP in a captured frame: Ethernet, Linux cooked, raw IP, BSD loopback, VXLAN.

Owns the link types of a capture and where IP begins in each; reads no IP beyond finding the
UDP that carries VXLAN.
Read first: www.tcpdump.org/linktypes.html, IEEE 802.1Q, RFC 7348.
"""

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import Final

from secgroup.errors import InputError
from secgroup.net.direction import Direction
from secgroup.net.ip import read_ip
from secgroup.net.packet import Malformed
from secgroup.net.protocol import UDP

ETHERNET: Final = 1

IPV4_TYPE: Final = 0x0800
IPV6_TYPE: Final = 0x86DD
#: 802.1Q, 802.1ad, and the number that 802.1ad had before it was a standard.
_VLAN_TYPES: Final = frozenset({0x8100, 0x88A8, 0x9100})
_MAX_VLAN_TAGS: Final = 2

#: Address families of BSD loopback: IPv4, then IPv6 as NetBSD, FreeBSD, macOS, Linux and
#: Windows number it.
_FAMILIES: Final = {2: IPV4_TYPE} | dict.fromkeys((24, 28, 30, 10, 23), IPV6_TYPE)

#: Packet types of a Linux cooked header; 3 (to another host) says nothing of a direction.
_COOKED_DIRECTIONS: Final = {
    0: Direction.INGRESS,
    1: Direction.INGRESS,
    2: Direction.INGRESS,
    4: Direction.EGRESS,
}

VXLAN_PORT: Final = 4789
_VXLAN: Final = Struct("!BxxxI")
_VXLAN_HAS_VNI: Final = 0x08
_ETHERNET: Final = Struct("!6s6sH")
_COOKED: Final = Struct("!HHH8sH")
_COOKED_2: Final = Struct("!HxxIHBB8s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What the headers under IP say of a frame.

    Parameters
    ----------
    ip : bytes or None
        From the IP header on, padding of the link included; None when the frame is not IP.
    header_length : int
        Bytes before `ip`.
    ether_type : int or None
        Of what the frame carries; None where the link has no such number.
    source_mac, destination_mac : bytes or None
        Six bytes, where the link has them.
    direction : Direction or None
        As the interface that captured the frame saw it, where the link says so.
    interface : int or None
        Index of that interface on its host (Linux cooked version 2 only).
    vni : int or None
        The VXLAN network that the frame was taken out of.
    problem : str or None
        The frame ends before its headers do; then it is not known whether it is IP.

    """

    ip: bytes | None
    header_length: int
    ether_type: int | None = None
    source_mac: bytes | None = None
    destination_mac: bytes | None = None
    direction: Direction | None = None
    interface: int | None = None
    vni: int | None = None
    problem: str | None = None


def _cut(name: str, frame: bytes) -> Link:
    return Link(
        ip=None, header_length=len(frame), problem=f"{name} header cut after {len(frame)} bytes"
    )


def parse_ethernet(frame: bytes, *, vni: int | None = None) -> Link:
    """Read an Ethernet II frame with at most two VLAN tags; 802.3 lengths are not IP."""
    if len(frame) < _ETHERNET.size:
        return _cut("Ethernet", frame)
    destination, source, ether_type = _ETHERNET.unpack_from(frame)
    at, ether_type, problem = _untag(frame, _ETHERNET.size, ether_type)
    return Link(
        ip=frame[at:] if ether_type in (IPV4_TYPE, IPV6_TYPE) else None,
        header_length=at,
        ether_type=ether_type,
        source_mac=source,
        destination_mac=destination,
        vni=vni,
        problem=problem,
    )


def _untag(frame: bytes, at: int, ether_type: int) -> tuple[int, int, str | None]:
    """Step over VLAN tags: where their payload begins, its ether type, what is wrong."""
    for _ in range(_MAX_VLAN_TAGS):
        if ether_type not in _VLAN_TYPES:
            break
        if len(frame) < at + 4:
            return len(frame), ether_type, f"VLAN tag cut after {len(frame)} bytes"
        ether_type = int.from_bytes(frame[at + 2 : at + 4])
        at += 4
    return at, ether_type, None


def _parse_cooked(frame: bytes) -> Link:
    if len(frame) < _COOKED.size:
        return _cut("Linux cooked", frame)
    packet_type, _, address_length, address, ether_type = _COOKED.unpack_from(frame)
    return _cooked(frame, _COOKED.size, packet_type, address[:address_length], ether_type, None)


def _parse_cooked_2(frame: bytes) -> Link:
    if len(frame) < _COOKED_2.size:
        return _cut("Linux cooked", frame)
    ether_type, interface, _, packet_type, address_length, address = _COOKED_2.unpack_from(frame)
    return _cooked(
        frame, _COOKED_2.size, packet_type, address[:address_length], ether_type, interface
    )


def _cooked(
    frame: bytes, at: int, packet_type: int, address: bytes, ether_type: int, interface: int | None
) -> Link:
    at, ether_type, problem = _untag(frame, at, ether_type)
    return Link(
        ip=frame[at:] if ether_type in (IPV4_TYPE, IPV6_TYPE) else None,
        header_length=at,
        ether_type=ether_type,
        source_mac=address if len(address) == 6 else None,
        direction=_COOKED_DIRECTIONS.get(packet_type),
        interface=interface,
        problem=problem,
    )


def _parse_raw(frame: bytes) -> Link:
    return Link(ip=frame, header_length=0)


def _parse_loopback(frame: bytes) -> Link:
    """Read BSD loopback, whose address family stands in the byte order of who captured it."""
    if len(frame) < 4:
        return _cut("loopback", frame)
    family = int.from_bytes(frame[:4])
    if family > 0xFFFF:
        family = int.from_bytes(frame[:4], "little")
    ether_type = _FAMILIES.get(family)
    return Link(
        ip=None if ether_type is None else frame[4:], header_length=4, ether_type=ether_type
    )


#: LINKTYPE number -> how a frame of it is read.
LINK_TYPES: Final[dict[int, Callable[[bytes], Link]]] = {
    0: _parse_loopback,
    ETHERNET: parse_ethernet,
    12: _parse_raw,
    14: _parse_raw,
    101: _parse_raw,
    108: _parse_loopback,
    113: _parse_cooked,
    228: _parse_raw,
    229: _parse_raw,
    276: _parse_cooked_2,
}


def link_parser(link_type: int, *, source: str | None = None) -> Callable[[bytes], Link]:
    """Return what reads the frames of a link type.

    Raises
    ------
    InputError
        Frames of this type cannot be read.

    """
    parser = LINK_TYPES.get(link_type)
    if parser is None:
        known = ", ".join(str(number) for number in sorted(LINK_TYPES))
        raise InputError(
            f"link type {link_type} is not read "
            f"(expected Ethernet, Linux cooked, raw IP or BSD loopback: one of {known})",
            source=source,
        )
    return parser


def decapsulate(outer: Link) -> Link | None:
    """Take the inner Ethernet frame out of VXLAN, as VPC Traffic Mirroring sends it.

    Only UDP to port 4789 with a VXLAN network identifier is VXLAN, and only what stands in the
    first fragment of the outer packet is read. The inner link keeps the outer one's interface
    and counts its `header_length` from the beginning of the outer frame.

    Source: VPC Traffic Mirroring, "How Traffic Mirroring works" (a VXLAN header); the port and
    the header are those of RFC 7348.

    Returns
    -------
    Link or None
        None when `outer` carries no VXLAN.

    """
    if outer.ip is None:
        return None
    header = read_ip(outer.ip, len(outer.ip))
    if isinstance(header, Malformed) or header.protocol != UDP:
        return None
    if header.fragment is not None and header.fragment.offset > 0:
        return None
    at = header.transport + 8
    if header.end < at or int.from_bytes(outer.ip[at - 6 : at - 4]) != VXLAN_PORT:
        return None
    before = outer.header_length + at + _VXLAN.size
    if header.end < at + _VXLAN.size:
        return Link(
            ip=None, header_length=before, interface=outer.interface, problem="VXLAN header cut"
        )
    flags, word = _VXLAN.unpack_from(outer.ip, at)
    if not flags & _VXLAN_HAS_VNI:
        return None
    inner = parse_ethernet(outer.ip[at + _VXLAN.size : header.end], vni=word >> 8)
    return Link(
        ip=inner.ip,
        header_length=before + inner.header_length,
        ether_type=inner.ether_type,
        source_mac=inner.source_mac,
        destination_mac=inner.destination_mac,
        interface=outer.interface,
        vni=inner.vni,
        problem=inner.problem,
    )
