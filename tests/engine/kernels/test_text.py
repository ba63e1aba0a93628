"""What kernels spell is what Python spells."""

from ipaddress import IPv4Address, IPv6Address

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secgroup.engine.columns import ABSENT, ADDRESS, INTEGER, WORD, Columns, Lexicon, words_of
from secgroup.engine.kernels.text import format_addresses, format_lines
from secgroup.engine.write import DOTTED, address_array

INT64 = st.integers(-(1 << 63) + 1, (1 << 63) - 1)
groups = st.sampled_from([0, 0, 0, 1, 0xA, 0xFF, 0xABC, 0xFFFF])
v6 = st.integers(0, 2**128 - 1) | st.lists(groups, min_size=8, max_size=8).map(
    lambda each: sum(group << 16 * at for at, group in enumerate(each))
)
mapped = st.integers(0, 2**32 - 1).map(lambda number: 0xFFFF << 32 | number)


def spelt(kinds, values, addresses=(), words=(), *, size=1 << 16, room=200):
    """Rows as the kernel writes them; an address is (hi, lo)."""
    rows = len(values[0])
    pairs = np.array(addresses, np.uint64).reshape(len(addresses), rows, 2)
    columns = Columns(
        kinds=np.array(kinds, np.uint8),
        places=np.cumsum(np.array(kinds) == ADDRESS).astype(np.int64) - 1,
        values=np.array(values, np.int64),
        hi=np.ascontiguousarray(pairs[:, :, 0]),
        lo=np.ascontiguousarray(pairs[:, :, 1]),
    )
    out, found, row = np.zeros(size, np.uint8), b"", 0
    while row < rows:
        row, written = format_lines(out, columns, words_of(words), row, rows, room, DOTTED)
        found += out[:written].tobytes()
    return found.decode().splitlines()


@given(st.lists(INT64, min_size=1, max_size=20))
def test_any_integer_is_spelt_as_python_does(numbers):
    assert spelt([INTEGER], [numbers]) == list(map(str, numbers))


@pytest.mark.parametrize("power", range(19))
def test_integers_at_powers_of_ten_are_spelt_as_python_does(power):
    numbers = [10**power - 1, 10**power, 10**power + 1, -(10**power)]
    assert spelt([INTEGER], [numbers]) == list(map(str, numbers))


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20))
def test_any_ipv4_address_is_spelt_as_python_does(numbers):
    pairs = [[(0, 0xFFFF << 32 | number) for number in numbers]]
    found = spelt([ADDRESS], [[4] * len(numbers)], pairs)
    assert found == [str(IPv4Address(number)) for number in numbers]


@given(st.lists(v6 | mapped, min_size=1, max_size=20))
def test_any_ipv6_address_is_spelt_as_python_does(numbers):
    pairs = [[(number >> 64, number & (1 << 64) - 1) for number in numbers]]
    found = spelt([ADDRESS], [[6] * len(numbers)], pairs)
    assert found == [str(IPv6Address(number)) for number in numbers]


def test_absent_values_are_dashes_and_words_are_copied():
    lexicon = Lexicon()
    numbers = [lexicon.number(text) for text in ("a", None, "wéb", "a")]
    found = spelt(
        [WORD, INTEGER, ADDRESS],
        [numbers, [1, ABSENT, -1, 0], [4, ABSENT, 6, 4]],
        [[(0, 1), (0, 0), (0, 1), (0, 0xFFFF_0A00_0005)]],
        lexicon.texts,
    )
    assert found == ["a 1 0.0.0.1", "- - -", "wéb -1 ::1", "a 0 10.0.0.5"]


def test_lines_end_where_the_next_one_might_not_fit():
    numbers = list(range(100))
    assert spelt([INTEGER], [numbers], size=21, room=21) == list(map(str, numbers))
    assert spelt([INTEGER], [numbers], size=64, room=21) == list(map(str, numbers))


def test_column_of_addresses_has_nulls_where_there_are_none():
    families = np.array([4, ABSENT, 6, ABSENT], np.int64)
    hi = np.array([0, 0, 0x2001_0DB8_0000_0000, 7], np.uint64)
    lo = np.array([0xFFFF_0A00_0005, 0, 1, 7], np.uint64)
    array = address_array(families, hi, lo)
    assert array.to_pylist() == ["10.0.0.5", None, "2001:db8::1", None]
    assert address_array(families[:0], hi[:0], lo[:0]).to_pylist() == []


def test_addresses_stand_one_behind_the_other():
    begins, out = np.zeros(3, np.int64), np.zeros(100, np.uint8)
    families, hi = np.array([4, 4], np.int64), np.zeros(2, np.uint64)
    lo = np.array([0xFFFF_0102_0304, 0xFFFF_FFFF_FFFF], np.uint64)
    assert format_addresses(out, begins, families, hi, lo, DOTTED) == 22
    assert begins.tolist() == [0, 7, 22]
    assert out[:22].tobytes() == b"1.2.3.4255.255.255.255"
