"""What tells two captured packets apart: a keyed digest without what a hop changes.

SipHash-2-4 with 128 bits (Aumasson and Bernstein 2012): without the key nobody can make two
packets that collide. What is left out is `secgroup.replay.copies`'s to say.
"""

import numpy as np

from secgroup.engine.frames import CARRIES_IP, Frames
from secgroup.engine.kernels import inlined, kernel
from secgroup.engine.kernels.octets import u8
from secgroup.engine.layout import LATER_FRAGMENT, MALFORMED, U1, U8, Packets
from secgroup.net.protocol import TCP, UDP


@inlined
def _turn(word: np.uint64, left: int) -> np.uint64:
    return word << np.uint64(left) | word >> np.uint64(64 - left)


@inlined
def _rounds(
    count: int, a: np.uint64, b: np.uint64, c: np.uint64, d: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    for _ in range(count):
        a += b
        c += d
        b = _turn(b, 13) ^ a
        d = _turn(d, 16) ^ c
        a = _turn(a, 32)
        c += b
        a += d
        b = _turn(b, 17) ^ c
        d = _turn(d, 21) ^ a
        c = _turn(c, 32)
    return a, b, c, d


@inlined
def _word(octets: U1, at: int) -> np.uint64:
    """Return the number in eight bytes, the lowest first."""
    low = u8(octets, at) | u8(octets, at + 1) << 8 | u8(octets, at + 2) << 16
    low |= u8(octets, at + 3) << 24
    high = u8(octets, at + 4) | u8(octets, at + 5) << 8 | u8(octets, at + 6) << 16
    high |= u8(octets, at + 7) << 24
    return np.uint64(high) << np.uint64(32) | np.uint64(low)


@kernel
def siphash(octets: U1, at: int, stop: int, key: U8) -> tuple[np.uint64, np.uint64]:
    """Return the two halves of SipHash-2-4-128 of `octets[at:stop]`, `key` being two words."""
    a, b = key[0] ^ np.uint64(0x736F6D6570736575), key[1] ^ np.uint64(0x646F72616E646F83)
    c, d = key[0] ^ np.uint64(0x6C7967656E657261), key[1] ^ np.uint64(0x7465646279746573)
    begin = at
    while stop - begin >= 8:
        word = _word(octets, begin)
        d ^= word
        a, b, c, d = _rounds(2, a, b, c, d)
        a ^= word
        begin += 8
    word = np.uint64(stop - at & 0xFF) << np.uint64(56)
    for lane in range(stop - begin):
        word |= np.uint64(octets[begin + lane]) << np.uint64(8 * lane)
    d ^= word
    a, b, c, d = _rounds(2, a, b, c, d)
    a ^= word
    c ^= np.uint64(0xEE)
    a, b, c, d = _rounds(4, a, b, c, d)
    high = a ^ b ^ c ^ d
    b ^= np.uint64(0xDD)
    a, b, c, d = _rounds(4, a, b, c, d)
    return high, a ^ b ^ c ^ d


@inlined
def _level(octets: U1, at: int, stop: int, transport: int) -> None:
    """Zero the hop limit and the checksums; `transport` is the protocol whose checksum counts."""
    version = octets[at] >> 4 if stop > at else 0
    begin = stop
    if version == 4 and stop - at >= 20:
        octets[at + 8] = octets[at + 10] = octets[at + 11] = 0
        begin = at + (u8(octets, at) & 15) * 4
    elif version == 6 and stop - at >= 40:
        octets[at + 7] = 0
        if octets[at + 6] in (TCP, UDP):
            begin = at + 40
    if transport in (TCP, UDP):
        begin += 16 if transport == TCP else 6
        if begin + 2 <= stop:
            octets[begin] = octets[begin + 1] = 0


@kernel
def digest(
    octets: U1, base: int, first: int, last: int, key: U8, frames: Frames, packets: Packets
) -> None:
    """Write the digests of packets that were parsed, 0 for frames without one.

    Parameters
    ----------
    octets : uint8
        The bytes of the file from byte `base` on. Those that do not count are zeroed.
    key : uint64, shape (2,)
        Chance, one for all packets that are compared.

    """
    for row in range(first, last):
        frames.digest_hi[row] = frames.digest_lo[row] = 0
        if frames.carries[row] != CARRIES_IP:
            continue
        at = frames.offset[row] - base + int(np.int64(frames.header_length[row]))
        stop = at + int(np.int64(frames.ip_captured[row]))
        length = int(np.int64(packets.length[row]))
        if length > 0:
            stop = min(stop, at + length)
        whole = not packets.shape[row] & (MALFORMED | LATER_FRAGMENT)
        _level(octets, at, stop, int(np.int64(packets.protocol[row])) if whole else 0)
        frames.digest_hi[row], frames.digest_lo[row] = siphash(octets, at, stop, key)
