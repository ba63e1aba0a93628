"""The look-ups of `engine.kernels.classify`, one by one and without haste.

Written from their docstrings; nothing here is imported from the engine. `t` is anything with the
arrays that `Tables` describes.
"""

import re
from typing import Any


def _intervals(t: Any, row: Any, *, wide: bool) -> list[tuple[int, int]]:
    """(start, class) of every interval of a section's addresses."""
    count = int(t.roots[int(row.root) + int(row.last) + 1]) + 1
    first = int(row.entries)
    if wide:
        rows = t.wide[first : first + count].tolist()
        return [(hi << 64 | lo, number) for hi, lo, number in rows]
    return [divmod(each, 1 << 32) for each in t.narrow[first : first + count].tolist()]


def _port_intervals(t: Any, row: Any) -> list[tuple[int, int]]:
    count = int(t.roots[int(row.port_root) + int(row.port_last) + 1]) + 1
    first = int(row.port_entries)
    return [divmod(each, 1 << 32) for each in t.narrow[first : first + count].tolist()]


def _class_at(intervals: list[tuple[int, int]], place: int) -> int:
    return [number for start, number in intervals if start <= place][-1]


def _bits(t: Any, first: int, number: int, words: int) -> int:
    own = t.bitmaps[first + number * words : first + (number + 1) * words].tolist()
    return sum(word << 64 * index for index, word in enumerate(own))


def section_of(t: Any, table: int, direction: int, family: int) -> int:
    return int(t.tables[table].reshape(2, 2)[direction, family // 5])


def address_class_in(t: Any, section: int, family: int, hi: int, lo: int) -> int:
    number = hi << 64 | lo
    if family == 4:
        number -= 0xFFFF << 32
    return _class_at(_intervals(t, t.sections[section], wide=family == 6), number)


def place_of(family: int, protocol: int, value: int, *, has_icmp: bool = True) -> int:
    own_icmp = {4: 1, 6: 58}[family]
    spaces = [6, 17, own_icmp]
    if protocol == own_icmp and not has_icmp:
        return 3 * 65536
    if protocol in spaces:
        return spaces.index(protocol) * 65536 + value
    return 3 * 65536 + 1 + protocol


def port_class_in(t: Any, section: int, place: int) -> int:
    return _class_at(_port_intervals(t, t.sections[section]), place)


def matching(t: Any, section: int, address_class: int, port_class: int) -> list[int]:
    """The bits of the rules that match both classes."""
    row = t.sections[section]
    words = int(row.words)
    both = _bits(t, int(row.address_bits), address_class, words)
    both &= _bits(t, int(row.port_bits), port_class, words)
    return [match.start() for match in re.finditer("1", f"{both:b}"[::-1])]


def any_rule(t: Any, section: int, address_class: int, port_class: int) -> bool:
    return bool(matching(t, section, address_class, port_class))


def is_open(t: Any, table: int, direction: int, family: int, protocol: int, port: int) -> bool:
    back = t.sections[section_of(t, table, 1 - direction, family)]
    here = section_of(t, table, direction, family)
    found = port_class_in(t, here, place_of(family, protocol, port))
    opened = bool(t.opened[int(t.sections[here].port_class) + found])
    return opened and bool(int(back.all_open) & {6: 1, 17: 2}[protocol])


def tracked_weight(t: Any, table: int, family: int, hi: int, lo: int) -> int:
    section = section_of(t, table, 1, family)
    found = address_class_in(t, section, family, hi, lo)
    return int(t.weights[int(t.sections[section].address_class) + found])


def acl_answer(
    t: Any,
    acl: int,
    direction: int,
    family: int,
    hi: int,
    lo: int,
    protocol: int,
    value: int,
    *,
    has_icmp: bool,
) -> int:
    section = int(t.acls[acl].reshape(2, 2)[direction, family // 5])
    place = place_of(family, protocol, value, has_icmp=has_icmp)
    found = matching(
        t,
        section,
        address_class_in(t, section, family, hi, lo),
        port_class_in(t, section, place),
    )
    row = t.sections[section]
    numbers = t.numbers[row.numbers : row.numbers + row.rules + 1].tolist()
    return int(numbers[min(found, default=-1)])


def in_ranges(ranges: Any, first: int, end: int, hi: int, lo: int) -> bool:
    number = hi << 64 | lo
    return any(
        from_hi << 64 | from_lo <= number <= to_hi << 64 | to_lo
        for from_hi, from_lo, to_hi, to_lo in ranges[first:end].tolist()
    )


def is_router(t: Any, interface: int, family: int, hi: int, lo: int) -> bool:
    row = t.subnets[t.interfaces[interface].subnet]
    bounds = (row.router4, row.router6) if family == 4 else (row.router6, row.router_end)
    return in_ranges(t.ranges, *bounds, hi, lo)


def service_at(
    t: Any, interface: int, family: int, hi: int, lo: int, protocol: int, port: int
) -> int:
    row = t.subnets[t.interfaces[interface].subnet]
    bounds = (row.exempt4, row.exempt6) if family == 4 else (row.exempt6, row.exempt_end)
    for own_hi, own_lo, own_protocol, own_port, answer in t.exempt[slice(*bounds)].tolist():
        is_here = (own_hi, own_lo) == (hi, lo)
        if is_here and own_protocol in (-1, protocol) and own_port in (-1, port):
            return int(answer)
    return 0
