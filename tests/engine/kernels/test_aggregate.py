"""The hash of records and connections, and what names a connection."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.naive_aggregate import naive_hash_of_six, naive_kind, naive_order

from secgroup.engine.aggregate import secret_of
from secgroup.engine.kernels.aggregate import hash_of_six
from secgroup.engine.kernels.connections import is_below, kind_of
from secgroup.engine.layout import ICMP_KINDS

SECRET = secret_of(5)
WORD = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**32 - 1, 2**32, 2**64 - 1])


@given(st.lists(WORD, min_size=6, max_size=6))
def test_any_words_hash_as_integers_without_bounds_do(words):
    found = hash_of_six(SECRET, *map(np.uint64, words))
    assert found == naive_hash_of_six(SECRET.tolist(), words)


def longest_run(tags, slots):
    """The longest probe of an open table with as many slots, each tag beginning at its home."""
    taken, longest = np.zeros(slots, bool), 0
    for tag in tags:
        place, probes = tag % slots, 1
        while taken[place]:
            place, probes = (place + 1) % slots, probes + 1
        taken[place] = True
        longest = max(longest, probes)
    return longest


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("steps", [(1, 0), (2**32, 0), (2**16, 2**48), (2**32 - 1, 1)])
def test_flows_in_any_arithmetic_series_spread_like_random_ones(seed, steps):
    """What collides in a linear mix: words that differ by a constant, against each other."""
    secret = secret_of(seed)
    tags = [
        int(
            hash_of_six(
                secret,
                np.uint64(0),
                np.uint64(0xFFFF_0A00_0001),
                np.uint64(0),
                np.uint64((0xFFFF_0A00_0002 + steps[0] * number) % 2**64),
                np.uint64(steps[1] * number % 2**64),
                np.uint64(3),
            )
        )
        for number in range(1 << 14)
    ]
    assert longest_run(tags, 1 << 15) <= 64
    assert len(set(tags)) > (1 << 14) - 16


@given(st.tuples(WORD, WORD, st.integers(0, 65535)), st.tuples(WORD, WORD, st.integers(0, 65535)))
def test_ends_are_ordered_as_numbers_are(a, b):
    ends = [(hi << 64 | lo, port) for hi, lo, port in (a, b)]
    words = [(np.uint64(hi), np.uint64(lo), port) for hi, lo, port in (a, b)]
    assert is_below(*words[1], *words[0]) == (naive_order(*ends) != tuple(ends))


@pytest.mark.parametrize("is_ipv6", [0, 1])
def test_every_icmp_message_is_named_by_its_query_or_its_type_and_code(is_ipv6):
    for icmp_type in range(256):
        found = kind_of(ICMP_KINDS, is_ipv6, icmp_type, 3, 77)
        kind, is_answer = naive_kind(bool(is_ipv6), icmp_type, 3, 77)
        assert (found & 0xFFFFFFFF, bool(found >> 32)) == (kind, is_answer)
