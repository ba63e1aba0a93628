"""Bytes of headers, written from the RFCs and independent of secgroup.net.wire.

Nothing here computes a checksum: none is judged.
"""

from ipaddress import ip_address
from struct import pack

SOURCE4, DESTINATION4 = "10.0.0.1", "10.0.0.2"
SOURCE6, DESTINATION6 = "2001:db8::1", "2001:db8::2"
SOURCE_MAC = bytes.fromhex("02000000005c")
DESTINATION_MAC = bytes.fromhex("0200000000d5")


def ipv4(
    protocol: int,
    payload: bytes,
    *,
    total: int | None = None,
    header: bytes = b"",
    words: int | None = None,
    fragment: int = 0,
    identification: int = 7,
    version: int = 4,
) -> bytes:
    """Write an IPv4 packet; `header` is its options, `fragment` the flags and offset word."""
    size = 20 + len(header)
    first = version << 4 | (size // 4 if words is None else words)
    length = size + len(payload) if total is None else total
    fixed = pack("!BBHHHBBH", first, 0, length, identification, fragment, 64, protocol, 0)
    addresses = ip_address(SOURCE4).packed + ip_address(DESTINATION4).packed
    return fixed + addresses + header + payload


def ipv6(protocol: int, payload: bytes, *, payload_length: int | None = None) -> bytes:
    """Write an IPv6 packet; extension headers are part of `payload`."""
    length = len(payload) if payload_length is None else payload_length
    fixed = pack("!IHBB", 6 << 28, length, protocol, 64)
    return fixed + ip_address(SOURCE6).packed + ip_address(DESTINATION6).packed + payload


def extension(following: int, size: int = 8) -> bytes:
    """Write an extension header of `size` bytes that counts in units of 8."""
    return pack("!BB", following, size // 8 - 1) + bytes(size - 2)


def ipv6_fragment(following: int, *, offset: int = 0, more: bool = False, ident: int = 9) -> bytes:
    return pack("!BBHI", following, 0, offset | more, ident)


def tcp(*, flags: int = 0x02, words: int = 5, options: bytes = b"", payload: bytes = b"") -> bytes:
    fixed = pack("!HHIIBBHHH", 40000, 443, 1000, 2000, words << 4, flags, 0xFFFF, 0, 0)
    return fixed + options + payload


def udp(payload: bytes = b"", *, source: int = 40000, destination: int = 53) -> bytes:
    return pack("!HHHH", source, destination, 8 + len(payload), 0) + payload


def icmp(
    kind: int, code: int = 0, *, rest: bytes = b"\x12\x34\x00\x01", body: bytes = b""
) -> bytes:
    return pack("!BBH", kind, code, 0) + rest + body


def ethernet(payload: bytes, *, ether_type: int = 0x0800, tags: tuple[int, ...] = ()) -> bytes:
    """Write an Ethernet frame; `tags` are the ether types of VLAN tags, outermost first."""
    macs = DESTINATION_MAC + SOURCE_MAC
    return macs + b"".join(pack("!HH", tag, 100) for tag in tags) + pack("!H", ether_type) + payload


def cooked(packet_type: int, payload: bytes, *, ether_type: int = 0x0800, size: int = 6) -> bytes:
    """Linux cooked version 1: packet type, ARPHRD, address length, address in 8, protocol."""
    head = packet_type.to_bytes(2) + b"\x00\x01" + size.to_bytes(2)
    return head + SOURCE_MAC + b"\0\0" + ether_type.to_bytes(2) + payload


def cooked2(
    packet_type: int, payload: bytes, *, ether_type: int = 0x0800, interface: int = 3
) -> bytes:
    """Linux cooked version 2: protocol, reserved, index, ARPHRD, packet type, length, address."""
    head = ether_type.to_bytes(2) + b"\0\0" + interface.to_bytes(4) + b"\x00\x01"
    return head + bytes((packet_type, 6)) + SOURCE_MAC + b"\0\0" + payload


def vxlan(inner: bytes, *, flags: int = 0x08, vni: int = 0x123456) -> bytes:
    return bytes((flags, 0, 0, 0)) + vni.to_bytes(3) + b"\0" + inner


def mirrored(inner: bytes, *, port: int = 4789, flags: int = 0x08) -> bytes:
    return ipv4(17, udp(vxlan(inner, flags=flags), destination=port))
