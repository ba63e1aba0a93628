"""Look-ups in `Tables`: what a policy says about one packet.

Everywhere `t` is a `Tables`, `direction` a `Direction`, `family` 4 or 6, and an address a pair of
64-bit halves (uint64), IPv4 as ::ffff:a.b.c.d. A section is one direction and family of a rule
table or of a network ACL. A root bounds what is left to search, and the last four intervals are
counted, because a branch that nobody can predict costs more than looking at all of them.
"""

import numpy as np

from secgroup.engine.kernels import inlined
from secgroup.engine.layout import U8
from secgroup.engine.tables import Tables


@inlined
def section_of(t: Tables, table: int, direction: int, family: int) -> int:
    """Return the section of a rule table."""
    return np.intp(
        t.tables[np.uintp(table), np.uintp(direction) * np.uintp(2) + np.uintp(family == 6)]
    )


@inlined
def class_of(narrow: U8, entries: int, first: int, last: int, key: int) -> int:
    """Return the class of the last of intervals `first` to `last` that starts by `key`."""
    count = last - first + 1
    first += entries
    behind = (key << np.uint64(32)) | np.uint64(0xFFFFFFFF)
    while count > 4:
        half = count >> 1
        first += half * np.intp(narrow[np.uintp(first + half)] <= behind)
        count -= half
    found = first + np.intp(narrow[np.uintp(first + 1)] <= behind)
    found += np.intp(narrow[np.uintp(first + 2)] <= behind)
    found += np.intp(narrow[np.uintp(first + 3)] <= behind)
    return np.int32(narrow[np.uintp(found)] & np.uint64(0xFFFFFFFF))


@inlined
def starts_by(wide: U8, i: int, hi: int, lo: int) -> int:
    """Return 1 where interval `i` starts by (hi, lo), else 0."""
    high = wide[np.uintp(i), 0]
    return np.intp((high < hi) | ((high == hi) & (wide[np.uintp(i), 1] <= lo)))


@inlined
def wide_class_of(wide: U8, entries: int, first: int, last: int, hi: int, lo: int) -> int:
    """Return the class of the last of intervals `first` to `last` that starts by (hi, lo)."""
    count = last - first + 1
    first += entries
    while count > 4:
        half = count >> 1
        first += half * starts_by(wide, first + half, hi, lo)
        count -= half
    found = first + starts_by(wide, first + 1, hi, lo)
    found += starts_by(wide, first + 2, hi, lo)
    found += starts_by(wide, first + 3, hi, lo)
    return np.int32(wide[np.uintp(found), 2])


@inlined
def bucket_of(key: int, low: int, shift: int, last: int) -> int:
    """Return the bucket of a root that a key is in."""
    return np.intp(min((max(key, low) - low) >> shift, last))


@inlined
def address_class_in(t: Tables, section: int, family: int, hi: int, lo: int) -> int:
    """Return the class of an address in a section."""
    row = t.sections[np.uintp(section)]
    key = hi if family == 6 else lo & np.uint64(0xFFFFFFFF)
    bucket = np.intp(row.root) + bucket_of(key, row.low, row.shift, row.last)
    first, last = np.intp(t.roots[np.uintp(bucket)]), np.intp(t.roots[np.uintp(bucket + 1)])
    if family == 6:
        return wide_class_of(t.wide, np.intp(row.entries), first, last, hi, lo)
    return class_of(t.narrow, np.intp(row.entries), first, last, key)


@inlined
def place_of(family: int, protocol: int, value: int) -> int:
    """Return the place of a protocol and its value in the space of `policy.classes.ports_of`."""
    if protocol == 6:
        return np.uint64(value)
    if protocol == 17:
        return np.uint64(value) + np.uint64(1 << 16)
    if protocol == (58 if family == 6 else 1):
        return np.uint64(value) + np.uint64(2 << 16)
    return np.uint64(protocol) + np.uint64((3 << 16) + 1)


@inlined
def port_class_in(t: Tables, section: int, place: int) -> int:
    """Return the class of a protocol and its value, by their place, in a section."""
    row = t.sections[np.uintp(section)]
    bucket = np.intp(row.port_root)
    bucket += bucket_of(place, row.port_low, row.port_shift, row.port_last)
    first, last = np.intp(t.roots[np.uintp(bucket)]), np.intp(t.roots[np.uintp(bucket + 1)])
    return class_of(t.narrow, np.intp(row.port_entries), first, last, place)


@inlined
def address_class(t: Tables, table: int, direction: int, family: int, hi: int, lo: int) -> int:
    """Return the class of a peer's address in a rule table."""
    return address_class_in(t, section_of(t, table, direction, family), family, hi, lo)


@inlined
def port_class(
    t: Tables, table: int, direction: int, family: int, protocol: int, value: int
) -> int:
    """Return the class of a protocol and its value in a rule table.

    The value is the destination port; for the ICMP of the family type << 8 | code; else 0.
    """
    section = section_of(t, table, direction, family)
    return port_class_in(t, section, place_of(family, protocol, value))


@inlined
def any_rule(
    t: Tables, table: int, direction: int, family: int, address_class: int, port_class: int
) -> bool:
    """Tell whether some rule matches both classes."""
    row = t.sections[section_of(t, table, direction, family)]
    words = np.intp(row.words)
    addresses = np.intp(row.address_bits) + np.intp(address_class) * words
    ports = np.intp(row.port_bits) + np.intp(port_class) * words
    for word in range(words):
        if t.bitmaps[np.uintp(addresses + word)] & t.bitmaps[np.uintp(ports + word)] != 0:
            return True
    return False


@inlined
def is_open_class(
    t: Tables, table: int, direction: int, family: int, protocol: int, port_class: int
) -> bool:
    """Tell whether flows to a port of this class are open to everyone, there and back.

    That is `InterfacePolicy.is_open`. Preconditions: the protocol is TCP or UDP.
    """
    here = section_of(t, table, direction, family)
    back = section_of(t, table, 1 - np.intp(direction), family)
    if t.sections[np.uintp(back)].all_open & (1 if protocol == 6 else 2) == 0:
        return False
    return (
        t.opened[np.uintp(np.intp(t.sections[np.uintp(here)].port_class) + np.intp(port_class))]
        != 0
    )


@inlined
def is_open(t: Tables, table: int, direction: int, family: int, protocol: int, port: int) -> bool:
    """Tell what `is_open_class` does of a port; searched only where the way back is open."""
    back = section_of(t, table, 1 - np.intp(direction), family)
    if t.sections[np.uintp(back)].all_open & (1 if protocol == 6 else 2) == 0:
        return False
    here = section_of(t, table, direction, family)
    found = port_class_in(t, here, place_of(family, protocol, port))
    return t.opened[np.uintp(np.intp(t.sections[np.uintp(here)].port_class) + np.intp(found))] != 0


@inlined
def tracked_weight_of_class(
    t: Tables, table: int, direction: int, family: int, address_class: int
) -> int:
    """Return how many entries a flow takes that AWS always tracks; 0 when it does not."""
    row = t.sections[section_of(t, table, direction, family)]
    return t.weights[np.uintp(np.intp(row.address_class) + np.intp(address_class))]


@inlined
def tracked_weight(t: Tables, table: int, family: int, hi: int, lo: int) -> int:
    """Return what `tracked_weight_of_class` does of a peer."""
    section = section_of(t, table, np.intp(0), family)
    found = address_class_in(t, section, family, hi, lo)
    return t.weights[
        np.uintp(np.intp(t.sections[np.uintp(section)].address_class) + np.intp(found))
    ]


@inlined
def lowest_bit(word: int) -> int:
    """Return the number of the lowest bit of a uint64 that is not 0."""
    number = 0
    for width in (32, 16, 8, 4, 2, 1):
        if word & ((np.uint64(1) << np.uint64(width)) - np.uint64(1)) == 0:
            word >>= np.uint64(width)
            number += width
    return number


@inlined
def acl_answer(
    t: Tables,
    acl: int,
    direction: int,
    family: int,
    hi: int,
    lo: int,
    protocol: int,
    value: int,
    has_icmp: bool,
) -> int:
    """Return the number of the first ACL entry that matches, negative when it denies.

    `has_icmp` says whether the packet has an ICMP type; one of the family's ICMP without a type
    is compared by its protocol alone.
    """
    section = np.intp(
        t.acls[np.uintp(acl), np.uintp(direction) * np.uintp(2) + np.uintp(family == 6)]
    )
    row = t.sections[np.uintp(section)]
    words = np.intp(row.words)
    place = place_of(family, protocol, value)
    if not has_icmp and protocol == (58 if family == 6 else 1):
        place = np.uint64(3 << 16)
    addresses = np.intp(address_class_in(t, section, family, hi, lo)) * words
    addresses += np.intp(row.address_bits)
    ports = np.intp(row.port_bits) + np.intp(port_class_in(t, section, place)) * words
    numbers = np.intp(row.numbers)
    for word in range(words):
        both = t.bitmaps[np.uintp(addresses + word)] & t.bitmaps[np.uintp(ports + word)]
        if both != 0:
            return t.numbers[np.uintp(numbers + word * 64 + lowest_bit(both))]
    return t.numbers[np.uintp(numbers + np.intp(row.rules))]


@inlined
def in_ranges(ranges: U8, first: int, end: int, hi: int, lo: int) -> bool:
    """Tell whether an address is in one of `ranges[first:end]`."""
    for i in range(first, end):
        is_from = (hi > ranges[np.uintp(i), 0]) | (
            (hi == ranges[np.uintp(i), 0]) & (lo >= ranges[np.uintp(i), 1])
        )
        is_to = (hi < ranges[np.uintp(i), 2]) | (
            (hi == ranges[np.uintp(i), 2]) & (lo <= ranges[np.uintp(i), 3])
        )
        if is_from & is_to:
            return True
    return False


@inlined
def is_router(t: Tables, interface: int, family: int, hi: int, lo: int) -> bool:
    """Tell whether an address is the VPC router's, as seen from the interface's subnet."""
    row = t.subnets[np.uintp(t.interfaces[np.uintp(interface)].subnet)]
    if family == 6:
        return in_ranges(t.ranges, row.router6, row.router_end, hi, lo)
    return in_ranges(t.ranges, row.router4, row.router6, hi, lo)


@inlined
def service_at(
    t: Tables, interface: int, family: int, hi: int, lo: int, protocol: int, port: int
) -> int:
    """Tell whether a peer, or what it offers at its port, is exempt.

    0: no. 1: yes, and not logged; routers are, with any protocol. 2: yes, and logged.
    """
    row = t.subnets[np.uintp(t.interfaces[np.uintp(interface)].subnet)]
    bit = (lo ^ (lo >> np.uint64(6)) ^ (lo >> np.uint64(16))) & np.uint64(63)
    chosen, first, end = row.filter4, row.exempt4, row.exempt6
    if family == 6:
        chosen, first, end = row.filter6, row.exempt6, row.exempt_end
    if (chosen >> bit) & np.uint64(1) == 0:
        return 0
    for i in range(first, end):
        each = t.exempt[np.uintp(i)]
        if (
            each.lo == lo
            and each.hi == hi
            and (each.protocol < 0 or each.protocol == protocol)
            and (each.port < 0 or each.port == port)
        ):
            return each.answer
    return 0
