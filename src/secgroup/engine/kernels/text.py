"""Values as text: integers, addresses, words; and the lines of a flow log made of them.

Owns how a value is spelt, exactly as `str` of Python's spells it. Every kernel here writes into
`out` from place `at` on, where the caller has left room, and returns the place behind.
"""

import numpy as np

from secgroup.engine.columns import ABSENT, ADDRESS, I8, INTEGER, U1, U8, Columns, Words
from secgroup.engine.kernels import inlined, kernel


@inlined
def put_integer(out: U1, at: int, value: int) -> int:
    """Write an integer in decimal."""
    if value < 0:
        out[at] = 45
        at += 1
        value = -value
    size = 1
    limit = 10
    while size < 19 and value >= limit:
        limit *= 10
        size += 1
    end = at + size
    place = end - 1
    while value >= 10:
        rest = value // 10
        out[place] = 48 + value - 10 * rest
        value = rest
        place -= 1
    out[place] = 48 + value
    return end


@inlined
def put_bytes(out: U1, at: int, source: U1, begin: int, end: int) -> int:
    """Copy bytes."""
    # Unsigned indices count from the front only; so the compiler copies many bytes at a time.
    size, to, of = np.uint64(end - begin), np.uint64(at), np.uint64(begin)
    for i in range(size):
        out[to + i] = source[of + i]
    return at + end - begin


@inlined
def put_ipv4(out: U1, at: int, number: int) -> int:
    """Write an IPv4 address."""
    for i in range(4):
        octet = (number >> (24 - 8 * i)) & 255
        if octet >= 100:
            out[at] = 48 + octet // 100
            at += 1
        if octet >= 10:
            out[at] = 48 + octet // 10 % 10
            at += 1
        out[at] = 48 + octet % 10
        out[at + 1] = 46
        at += 2
    return at - 1


@inlined
def group_of(hi: int, lo: int, place: int) -> int:
    """Return one of the eight 16-bit groups of an IPv6 address."""
    half = hi if place < 4 else lo
    return np.int64((half >> np.uint64(48 - 16 * (place & 3))) & np.uint64(0xFFFF))


@inlined
def put_ipv6(out: U1, at: int, hi: int, lo: int, dotted: bool) -> int:
    """Write an IPv6 address: the first of the longest runs of zeros as `::` (RFC 5952).

    Parameters
    ----------
    hi, lo : uint64
    dotted : bool
        ::ffff:a.b.c.d ends like an IPv4 address, as some versions of Python write it.

    """
    if dotted and hi == 0 and lo >> np.uint64(32) == 0xFFFF:
        for octet in (58, 58, 102, 102, 102, 102, 58):
            out[at] = octet
            at += 1
        return put_ipv4(out, at, np.int64(lo & np.uint64(0xFFFFFFFF)))
    best, best_size = -1, 1
    begin, size = -1, 0
    for place in range(8):
        if group_of(hi, lo, place) == 0:
            if size == 0:
                begin = place
            size += 1
            if size > best_size:
                best, best_size = begin, size
        else:
            size = 0
    place = np.int64(0)
    while place < 8:
        if place == best:
            out[at] = 58
            at += 1
            if place == 0:
                out[at] = 58
                at += 1
            place += best_size
            continue
        group = group_of(hi, lo, place)
        shift = 12
        while shift > 0 and group >> shift == 0:
            shift -= 4
        while shift >= 0:
            digit = (group >> shift) & 15
            out[at] = 48 + digit if digit < 10 else 87 + digit
            at += 1
            shift -= 4
        place += 1
        if place < 8:
            out[at] = 58
            at += 1
    return at


@inlined
def put_address(out: U1, at: int, family: int, hi: int, lo: int, dotted: bool) -> int:
    """Write an address of either family."""
    if family == 4:
        return put_ipv4(out, at, np.int64(lo & np.uint64(0xFFFFFFFF)))
    return put_ipv6(out, at, hi, lo, dotted)


@kernel
def format_lines(
    out: U1, columns: Columns, words: Words, begin: int, end: int, room: int, dotted: bool
) -> tuple[int, int]:
    """Write rows as lines of values with spaces between, `-` for what is absent.

    Parameters
    ----------
    out : uint8, shape (size,)
    begin, end : int
        The rows.
    room : int
        Bytes that no line exceeds; what is written ends that far before the end of `out`.

    Returns
    -------
    tuple of int
        The first row that did not fit, or `end`; the bytes written.

    """
    kinds, places, values = columns.kinds, columns.places, columns.values
    at = np.int64(0)
    for row in range(begin, end):
        if at + room > out.shape[0]:
            return row, at
        for column in range(kinds.shape[0]):
            value = np.int64(values[column, row])
            if value == ABSENT:
                out[at] = 45
                at += 1
            elif kinds[column] == INTEGER:
                at = put_integer(out, at, value)
            elif kinds[column] == ADDRESS:
                hi, lo = columns.hi[places[column], row], columns.lo[places[column], row]
                at = put_address(out, at, value, hi, lo, dotted)
            else:
                at = put_bytes(out, at, words.text, words.begin[value], words.begin[value + 1])
            out[at] = 32
            at += 1
        out[at - 1] = 10
    return end, at


@kernel
def format_addresses(out: U1, begins: I8, families: I8, hi: U8, lo: U8, dotted: bool) -> int:
    """Write addresses one behind the other; `begins`, one longer, says where each begins.

    What is ABSENT has no bytes. Returns the bytes written; `out` has room for 39 an address.
    """
    at = np.int64(0)
    for row in range(families.shape[0]):
        begins[row] = at
        if families[row] != ABSENT:
            at = put_address(out, at, np.int64(families[row]), hi[row], lo[row], dotted)
    begins[families.shape[0]] = at
    return at
