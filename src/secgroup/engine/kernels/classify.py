"""Look-ups in `Tables`: what a policy says about one packet.

Everywhere `t` is a `Tables`, `direction` a `Direction`, `family` 4 or 6, and an address a pair of
64-bit halves, IPv4 as ::ffff:a.b.c.d. A section is one direction and family of a rule table or
of a network ACL.
"""

import numpy as np

from secgroup.engine.kernels import kernel


@kernel
def last_at_or_before(narrow, first, last, key):
    """Return the last of `narrow[first : last + 1]` that is not over `key`, or `first`."""
    count = last - first + 1
    while count > 1:
        half = count >> 1
        if narrow[first + half] <= key:
            first += half
        count -= half
    return first


@kernel
def last_at_or_before_wide(wide, first, last, hi, lo):
    """Return the last row of `wide[first : last + 1]` that is not over (hi, lo), or `first`."""
    count = last - first + 1
    while count > 1:
        half = count >> 1
        high = wide[first + half, 0]
        if high < hi or (high == hi and wide[first + half, 1] <= lo):
            first += half
        count -= half
    return first


@kernel
def address_class_in(t, section, family, hi, lo):
    """Return the class of an address in a section."""
    row = t.sections[section]
    if family == 6:
        key = hi
    else:
        key = lo & np.uint64(0xFFFFFFFF)
    low = row.root_low
    bucket = np.uint64(0)
    if key > low:
        bucket = min((key - low) >> np.uint64(row.root_shift), np.uint64(row.root_size - 1))
    place = np.intp(row.root) + np.intp(bucket)
    entries = np.intp(row.entries)
    first = entries + t.roots[place]
    last = entries + t.roots[place + 1]
    if family == 6:
        return np.int32(t.wide[last_at_or_before_wide(t.wide, first, last, hi, lo), 2])
    found = last_at_or_before(t.narrow, first, last, key << np.uint64(32) | np.uint64(0xFFFFFFFF))
    return np.int32(t.narrow[found] & np.uint64(0xFFFFFFFF))


@kernel
def port_class_in(t, section, protocol, value):
    """Return the class of a protocol and port (ICMP: type << 8 | code) in a section."""
    row = t.sections[section]
    place = np.uint64(protocol) << np.uint64(16) | np.uint64(value)
    first = np.intp(row.port_entries)
    found = last_at_or_before(
        t.narrow,
        first,
        first + row.port_count - 1,
        place << np.uint64(32) | np.uint64(0xFFFFFFFF),
    )
    return np.int32(t.narrow[found] & np.uint64(0xFFFFFFFF))


@kernel
def section_of(t, table, direction, family):
    """Return the section of a rule table."""
    return t.tables[table, np.intp(direction) * 2 + np.intp(family == 6)]


@kernel
def address_class(t, table, direction, family, hi, lo):
    """Return the class of a peer's address in a rule table."""
    return address_class_in(t, section_of(t, table, direction, family), family, hi, lo)


@kernel
def port_class(t, table, direction, family, protocol, value):
    """Return the class of a protocol and its value in a rule table.

    The value is the destination port; for the ICMP of the family type << 8 | code; else 0.
    """
    return port_class_in(t, section_of(t, table, direction, family), protocol, value)


@kernel
def any_rule(t, table, direction, family, address_class, port_class):
    """Tell whether some rule matches both classes."""
    row = t.sections[section_of(t, table, direction, family)]
    words = np.intp(row.words)
    addresses = np.intp(row.address_bits) + address_class * words
    ports = np.intp(row.port_bits) + port_class * words
    for word in range(words):
        if t.bitmaps[addresses + word] & t.bitmaps[ports + word] != 0:
            return True
    return False


@kernel
def is_open(t, table, direction, family, protocol, port):
    """Tell whether flows to a TCP or UDP port are open to everyone, there and back.

    That is `InterfacePolicy.is_open`.
    """
    back = t.sections[section_of(t, table, 1 - np.intp(direction), family)]
    if back.all_open & (1 if protocol == 6 else 2) == 0:
        return False
    section = section_of(t, table, direction, family)
    found = port_class_in(t, section, protocol, port)
    return t.opened[t.sections[section].port_class + found] != 0


@kernel
def is_open_class(t, table, direction, family, protocol, port_class):
    """Tell what `is_open` does, of a port whose class is known."""
    back = t.sections[section_of(t, table, 1 - np.intp(direction), family)]
    if back.all_open & (1 if protocol == 6 else 2) == 0:
        return False
    return (
        t.opened[t.sections[section_of(t, table, direction, family)].port_class + port_class] != 0
    )


@kernel
def tracked_weight(t, table, family, hi, lo):
    """Return how many entries a flow with this peer takes that AWS always tracks; 0: it doesn't."""
    section = section_of(t, table, 0, family)
    found = address_class_in(t, section, family, hi, lo)
    return t.weights[t.sections[section].address_class + found]


@kernel
def tracked_weight_of_class(t, table, direction, family, address_class):
    """Return what `tracked_weight` does, of a peer whose class is known."""
    row = t.sections[section_of(t, table, direction, family)]
    return t.weights[row.address_class + address_class]


@kernel
def acl_answer(t, acl, direction, family, hi, lo, protocol, value, has_icmp):
    """Return the number of the first ACL entry that matches, negative when it denies.

    `has_icmp` says whether the packet has an ICMP type; one of the family's ICMP without a type
    is compared by its protocol alone.
    """
    section = t.acls[acl, np.intp(direction) * 2 + np.intp(family == 6)]
    row = t.sections[section]
    words = np.intp(row.words)
    addresses = np.intp(row.address_bits) + address_class_in(t, section, family, hi, lo) * words
    place = np.intp(protocol)
    if not has_icmp and place == (58 if family == 6 else 1):
        place = 256
    ports = np.intp(row.port_bits) + port_class_in(t, section, place, value) * words
    numbers = np.intp(row.numbers)
    for word in range(words):
        both = t.bitmaps[addresses + word] & t.bitmaps[ports + word]
        if both != 0:
            return t.numbers[numbers + word * 64 + lowest_bit(both)]
    return t.numbers[numbers + row.rules]


@kernel
def lowest_bit(word):
    """Return the number of the lowest set bit of a uint64 that is not 0."""
    number = 0
    for width in (32, 16, 8, 4, 2, 1):
        if word & ((np.uint64(1) << np.uint64(width)) - np.uint64(1)) == 0:
            word >>= np.uint64(width)
            number += width
    return number


@kernel
def in_ranges(ranges, first, end, hi, lo):
    """Tell whether an address is in one of `ranges[first:end]`."""
    for i in range(first, end):
        if (hi > ranges[i, 0] or (hi == ranges[i, 0] and lo >= ranges[i, 1])) and (
            hi < ranges[i, 2] or (hi == ranges[i, 2] and lo <= ranges[i, 3])
        ):
            return True
    return False


@kernel
def own_address(t, interface, family, hi, lo):
    """Tell whether an address is one of the interface's, delegated prefixes included."""
    row = t.interfaces[interface]
    if family == 6:
        return in_ranges(t.ranges, row.own6, row.own_end, hi, lo)
    return in_ranges(t.ranges, row.own4, row.own6, hi, lo)


@kernel
def in_subnet(t, interface, family, hi, lo):
    """Tell whether an address is in a block of the interface's subnet."""
    row = t.subnets[t.interfaces[interface].subnet]
    if family == 6:
        return in_ranges(t.ranges, row.block6, row.block_end, hi, lo)
    return in_ranges(t.ranges, row.block4, row.block6, hi, lo)


@kernel
def is_router(t, interface, family, hi, lo):
    """Tell whether an address is the VPC router's, as seen from the interface's subnet."""
    row = t.subnets[t.interfaces[interface].subnet]
    if family == 6:
        return in_ranges(t.ranges, row.router6, row.router_end, hi, lo)
    return in_ranges(t.ranges, row.router4, row.router6, hi, lo)


@kernel
def is_broadcast(t, interface, lo):
    """Tell whether an IPv4 address is the last one of the interface's subnet."""
    return t.subnets[t.interfaces[interface].subnet].broadcast == lo


@kernel
def service_at(t, interface, family, hi, lo, protocol, port):
    """Tell whether a peer, or what it offers at its port, is exempt.

    0: no. 1: yes, and not logged; routers are, with any protocol. 2: yes, and logged.
    """
    row = t.subnets[t.interfaces[interface].subnet]
    bit = (lo ^ lo >> np.uint64(6) ^ lo >> np.uint64(16)) & np.uint64(63)
    if family == 6:
        chosen, first, end = row.filter6, row.exempt6, row.exempt_end
    else:
        chosen, first, end = row.filter4, row.exempt4, row.exempt6
    if chosen >> bit & np.uint64(1) == 0:
        return 0
    for i in range(first, end):
        each = t.exempt[i]
        if (
            each.lo == lo
            and each.hi == hi
            and (each.protocol < 0 or each.protocol == protocol)
            and (each.port < 0 or each.port == port)
        ):
            return each.answer
    return 0
