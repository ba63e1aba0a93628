"""Keys of flows that somebody builds so that they collide, and how far an index has to look."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from secgroup.conntrack.state import State
from secgroup.engine.flows import FlowStore
from secgroup.engine.layout import BITS, FRONTIER, RECORD

Words = NDArray[np.uint64]

_GOLDEN: Final = 0x9E3779B97F4A7C15
_FACTORS: Final = tuple((_GOLDEN * (2 * n + 1)) % 2**64 | 1 for n in range(5))
_POLYNOMIAL: Final = 0x82F63B78
_TCP_OF_OWNER_0: Final = 6 << 56


def spread(chance: np.random.Generator, count: int) -> Words:
    """Keys as they come: many peers and ports."""
    words = np.zeros((count, 5), dtype=np.uint64)
    words[:, 0] = 0xFFFF0A000001
    words[:, 2] = np.uint64(0xFFFF << 32) | np.arange(count, dtype=np.uint64)
    words[:, 4] = chance.integers(0, 1 << 32, count, dtype=np.uint64) | np.uint64(_TCP_OF_OWNER_0)
    return words


def collide_under(secret: Words, count: int) -> Words:
    """Keys with one hash under a known secret: with a factor of zero the other one is free."""
    words = np.zeros((count, 5), dtype=np.uint64)
    zero = np.uint64((-int(secret[0])) & 0xFFFFFFFF)
    words[:, 0] = zero | np.arange(count, dtype=np.uint64) << np.uint64(32)
    words[:, 4] = _TCP_OF_OWNER_0
    return words


def sum_mix(words: Words, seed: int) -> Words:
    """A seeded sum of words times known odd numbers, and a finish: a common hash of keys."""
    total = np.full(len(words), seed * _GOLDEN % 2**64, dtype=np.uint64)
    for number, factor in enumerate(_FACTORS):
        total += words[:, number] * np.uint64(factor)
    return (total ^ total >> np.uint64(29)) * np.uint64(_GOLDEN)


def same_sum(count: int) -> Words:
    """Keys with one sum under every seed: what one word adds another one takes away."""
    words = np.zeros((count, 5), dtype=np.uint64)
    words[:, 0] = np.arange(count, dtype=np.uint64)
    inverse = pow(_FACTORS[2], -1, 2**64)
    words[:, 2] = words[:, 0] * np.uint64(-_FACTORS[0] * inverse % 2**64)
    words[:, 4] = _TCP_OF_OWNER_0
    return words


def crc_mix(words: Words, seed: int) -> Words:
    """CRC-32C of a key, word by word, begun with the seed."""
    crc = np.full(len(words), seed, dtype=np.uint64)
    for number in range(5):
        for shift in range(0, 64, 8):
            crc ^= words[:, number] >> np.uint64(shift) & np.uint64(0xFF)
            for _ in range(8):
                odd = crc & np.uint64(1)
                crc = crc >> np.uint64(1) ^ odd * np.uint64(_POLYNOMIAL)
    return crc


def same_crc(count: int) -> Words:
    """Keys with one CRC under every seed: the outside address moves by what CRC does not see."""
    # A CRC is linear: what each bit of a word adds does not depend on the others.
    one = np.zeros((129, 5), dtype=np.uint64)
    for bit in range(128):
        one[1 + bit, 2 + bit // 64] = 1 << bit % 64
    crc = crc_mix(one, 0)
    rows = [(int(crc[1 + bit] ^ crc[0]), 1 << bit) for bit in range(128)]
    unseen, pivots = [], {}
    for image, source in rows:
        while image and image.bit_length() in pivots:
            other, other_source = pivots[image.bit_length()]
            image, source = image ^ other, source ^ other_source
        if image:
            pivots[image.bit_length()] = (image, source)
        else:
            unseen.append(source)
    words = np.zeros((count, 5), dtype=np.uint64)
    numbers = np.arange(count)
    for bit in range((count - 1).bit_length()):
        chosen = (numbers >> bit & 1).astype(np.uint64)
        words[:, 2] ^= chosen * np.uint64(unseen[bit] & 0xFFFFFFFFFFFFFFFF)
        words[:, 3] ^= chosen * np.uint64(unseen[bit] >> 64)
    words[:, 4] = _TCP_OF_OWNER_0
    return words


#: Mixes whose seed does not part keys that collide.
MIXES: Final[dict[str, Callable[[Words, int], Words]]] = {"sums": sum_mix, "crc": crc_mix}


def records_of_words(words: Words) -> NDArray[np.void]:
    """Records of established flows with these keys."""
    made = np.zeros(len(words), dtype=RECORD)
    made.view(np.uint64).reshape(-1, 8)[:, :5] = words
    made["state"] = int(State.ESTABLISHED)
    return made


def tags_of(secret: Words, words: Words) -> Words:
    """The table's hash of keys, for all at once; `naive_hash` and the kernel are its judges."""
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    total = np.zeros(len(words), dtype=np.uint64)
    for number in range(5):
        word = words[:, number]
        first = (word + secret[2 * number]) & low
        total += first * (((word >> half) + secret[2 * number + 1]) & low)
    total = (total ^ total >> half) * secret[10]
    total = (total ^ total >> np.uint64(29)) * secret[11]
    return total >> half


def longest_probe(table: FlowStore) -> int:
    """How many slots the search for an entry looks at, at most."""
    index = table.flows.index
    places = np.flatnonzero(index)
    tags = index[places] >> 32 & 0xFFFFFFFF
    bits, frontier = int(table.flows.control[BITS]), int(table.flows.control[FRONTIER])
    homes = tags >> 32 - bits
    homes = np.where(homes >= frontier, tags >> 31 - bits, homes)
    return int((places - homes).max()) + 1
