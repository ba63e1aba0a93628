"""Plain twins of kernels, written from their docstrings; nothing here imports from `engine`."""

from secgroup.net.packet import Datagram, Packet

# The table of flows


def naive_hash(secret: list[int], words: list[int]) -> int:
    """NH of ten 32-bit halves, low half first, then two multiplications; the upper 32 bits."""
    halves = [half for word in words for half in (word & 0xFFFFFFFF, word >> 32)]
    total = 0
    for number in range(0, 10, 2):
        one = (halves[number] + secret[number]) % 2**32
        two = (halves[number + 1] + secret[number + 1]) % 2**32
        total += one * two
    total %= 2**64
    total = (total ^ total >> 32) * secret[10] % 2**64
    total = (total ^ total >> 29) * secret[11] % 2**64
    return total >> 32


# Digests of captured packets


def naive_level(ip: bytes, packet: Datagram) -> bytes:
    """Zero what a hop or a network card changes: hop limit, checksums of IP, TCP and UDP."""
    octets = bytearray(ip[: packet.length] if packet.length > 0 else ip)
    places: list[int] = []
    if octets and octets[0] >> 4 == 4 and len(octets) >= 20:
        places, transport = [8, 10, 11], octets[0] % 16 * 4
    elif octets and octets[0] >> 4 == 6 and len(octets) >= 40:
        # The checksum behind extension headers stays.
        places, transport = [7], 40 if octets[6] in (6, 17) else len(octets)
    if places and isinstance(packet, Packet) and packet.source_port is not None:
        checksum = transport + (16 if packet.protocol == 6 else 6)
        if checksum + 2 <= len(octets):
            places += [checksum, checksum + 1]
    for place in places:
        octets[place] = 0
    return bytes(octets)


def naive_siphash(data: bytes, key: bytes) -> bytes:
    """SipHash-2-4-128, from its paper and not from the kernel."""
    mask = 2**64 - 1
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v = [
        k0 ^ 0x736F6D6570736575,
        k1 ^ 0x646F72616E646F6D ^ 0xEE,
        k0 ^ 0x6C7967656E657261,
        k1 ^ 0x7465646279746573,
    ]

    def left(word: int, count: int) -> int:
        return (word << count | word >> 64 - count) & mask

    def rounds(count: int) -> None:
        for _ in range(count):
            v[0] = (v[0] + v[1]) & mask
            v[1] = left(v[1], 13) ^ v[0]
            v[0] = left(v[0], 32)
            v[2] = (v[2] + v[3]) & mask
            v[3] = left(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & mask
            v[3] = left(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & mask
            v[1] = left(v[1], 17) ^ v[2]
            v[2] = left(v[2], 32)

    padded = data.ljust((len(data) // 8 + 1) * 8 - 1, b"\0") + bytes((len(data) & 0xFF,))
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xEE
    rounds(4)
    first = v[0] ^ v[1] ^ v[2] ^ v[3]
    v[1] ^= 0xDD
    rounds(4)
    return first.to_bytes(8, "little") + (v[0] ^ v[1] ^ v[2] ^ v[3]).to_bytes(8, "little")
