"""Steps 1 to 5, 7 and 8, one after the other, for packets that are not plain.

Read first: `reference/decide.py`, whose steps these are, and `kernels.screen`.
"""

import numpy as np

from secgroup.decision import Reason
from secgroup.engine.kernels import inlined, kernel
from secgroup.engine.kernels.classify import acl_answer, in_ranges, is_router, service_at
from secgroup.engine.kernels.screen import chosen
from secgroup.engine.layout import (
    HAS_ICMP,
    HAS_PORTS,
    ICMP_KIND,
    IPV6,
    LATER_FRAGMENT,
    MALFORMED,
    NOT_TRACKED,
    U1,
    DecisionColumns,
    Packets,
)
from secgroup.engine.rows import DECIDED, LATER, NO_KEY, NOT_EXAMINED, Rows
from secgroup.engine.tables import Tables

_MALFORMED = int(Reason.MALFORMED)
_EXEMPT = int(Reason.EXEMPT)
_NOT_UNICAST = int(Reason.NOT_UNICAST)
_SOURCE_DEST_CHECK = int(Reason.SOURCE_DEST_CHECK)
_NETWORK_ACL = int(Reason.NETWORK_ACL)
_NO_GROUPS = int(Reason.NO_GROUPS)
_ACCEPTED = 1 << 8
_LOGGED = 1 << 9
_BROADCAST = 0xFFFFFFFFFFFF
_UDP = 17
_ICMPV6 = 58
_LINK_LOCAL = 0xFE80 >> 6
_ALL_SERVERS_HI = 0xFF02 << 48
_ALL_SERVERS_LO = 0x10002
_DHCP = 68 | 67 << 16
_DHCP6 = 546 | 547 << 16


@inlined
def is_link_local(hi: int) -> bool:
    """fe80::/10."""
    return hi >> np.uint64(54) == _LINK_LOCAL


@inlined
def is_neighbour_discovery(packets: Packets, i: int) -> bool:
    """Tell whether an ICMPv6 message is 133 to 136 from a neighbour."""
    kind = np.int64(packets.icmp_type[i])
    return packets.shape[i] & HAS_ICMP != 0 and 133 <= kind <= 136 and packets.hop_limit[i] == 255


@inlined
def is_dhcp(
    tables: Tables,
    interface: int,
    direction: int,
    family: int,
    ports: int,
    hi: int,
    lo: int,
) -> bool:
    """Tell whether a datagram is between a DHCP client inside and the router's server.

    Parameters
    ----------
    ports : int
        The client's port, and the server's above 16 bits.
    hi, lo
        The server's address.

    """
    if family == 4:
        if ports != _DHCP:
            return False
        everyone = direction == 1 and lo == _BROADCAST
        return everyone or is_router(tables, interface, family, hi, lo)
    if ports != _DHCP6:
        return False
    all_servers = hi == np.uint64(_ALL_SERVERS_HI) and lo == _ALL_SERVERS_LO
    return is_link_local(hi) or (direction == 1 and all_servers)


@inlined
def value_of(packets: Packets, i: int) -> int:
    """Return the destination port, or the ICMP type and code, or 0."""
    shape = np.int64(packets.shape[i])
    if shape & HAS_PORTS:
        return np.int64(packets.destination_port[i])
    if shape & HAS_ICMP:
        return np.int64(packets.icmp_type[i]) << 8 | np.int64(packets.icmp_code[i])
    return 0


@inlined
def last_word(kinds: U1, packets: Packets, i: int, direction: int, owner: int) -> int:
    """Return the ports, the owner and the protocol of a packet's key; NO_KEY when it has none."""
    shape = np.int64(packets.shape[i])
    if shape & LATER_FRAGMENT:
        return NO_KEY
    place = np.int64(packets.protocol[i])
    inside, outside = np.int64(packets.source_port[i]), np.int64(packets.destination_port[i])
    six = np.int64(packets.family[i]) == 6
    if shape & HAS_ICMP:
        kind = np.int64(kinds[256 * six + np.int64(packets.icmp_type[i])])
        if kind == NOT_TRACKED:
            return NO_KEY
        place = ICMP_KIND + (kind ^ direction)
        inside = np.int64(packets.identifier[i])
        outside = inside ^ 0xFFFF
    else:
        inside, outside = (
            chosen(direction == 1, inside, outside),
            chosen(direction == 1, outside, inside),
        )
    return inside | outside << 16 | (owner | IPV6 * six | place << 24) << 32


@inlined
def examine_one(tables: Tables, packets: Packets, i: int) -> int:
    """Take steps 1 to 6 for one packet.

    Returns
    -------
    int
        LATER; NO_KEY for every packet that goes on; for one that is decided the reason,
        with bits that it is accepted and that flow logs record it.

    """
    interface = np.int64(packets.interface[i])
    shape = np.int64(packets.shape[i])
    # 1
    if shape & MALFORMED:
        return _MALFORMED | _LOGGED
    direction = np.int64(packets.direction[i])
    protocol = np.int64(packets.protocol[i])
    egress = direction == 1
    six = packets.family[i] == 6
    family = chosen(six, 6, 4)
    to_hi, to_lo = packets.destination_hi[i], packets.destination_lo[i]
    from_hi, from_lo = packets.source_hi[i], packets.source_lo[i]
    peer_hi, peer_lo = chosen(egress, to_hi, from_hi), chosen(egress, to_lo, from_lo)
    to_port, from_port = np.int64(packets.destination_port[i]), np.int64(packets.source_port[i])
    port = chosen(egress, to_port, from_port)
    facts = tables.interfaces[np.uintp(interface)]
    subnet = tables.subnets[np.uintp(facts.subnet)]
    # 2
    if protocol == _ICMPV6 and is_neighbour_discovery(packets, i):
        return _EXEMPT | _ACCEPTED
    if (to_port < 1024) & (from_port < 1024) & (protocol == _UDP):
        ports = chosen(egress, from_port, to_port) | port << 16
        if is_dhcp(tables, interface, direction, family, ports, peer_hi, peer_lo):
            return _EXEMPT | _ACCEPTED
    # 3
    last = (to_lo == np.uint64(_BROADCAST)) | (to_lo == subnet.broadcast)
    group4 = ((to_lo >> np.uint64(28)) & np.uint64(15)) == 14
    if chosen(six, to_hi >> np.uint64(56) == 0xFF, group4 | last):
        return _NOT_UNICAST
    # 4
    if facts.source_dest_check:
        inside_hi, inside_lo = chosen(egress, from_hi, to_hi), chosen(egress, from_lo, to_lo)
        first, end = chosen(six, facts.own6, facts.own4), chosen(six, facts.own_end, facts.own6)
        if not in_ranges(tables.ranges, first, end, inside_hi, inside_lo):
            return _SOURCE_DEST_CHECK | _LOGGED
    # 5
    port = chosen(shape & HAS_PORTS != 0, port, -1)
    exempt = np.int64(service_at(tables, interface, family, peer_hi, peer_lo, protocol, port))
    if exempt != 0:
        return _EXEMPT | _ACCEPTED | (_LOGGED if exempt == 2 else 0)
    # 6
    if shape & LATER_FRAGMENT:
        return LATER
    return NO_KEY


@inlined
def ask_acl(tables: Tables, packets: Packets, i: int) -> int:
    """Return the number of the ACL's entry that matches, negative when it denies; 0: not asked."""
    interface = np.uintp(packets.interface[i])
    direction = np.int64(packets.direction[i])
    egress = direction == 1
    six = packets.family[i] == 6
    family = chosen(six, 6, 4)
    peer_hi = chosen(egress, packets.destination_hi[i], packets.source_hi[i])
    peer_lo = chosen(egress, packets.destination_lo[i], packets.source_lo[i])
    facts = tables.interfaces[interface]
    subnet = tables.subnets[np.uintp(facts.subnet)]
    first = chosen(six, subnet.block6, subnet.block4)
    end = chosen(six, subnet.block_end, subnet.block6)
    if in_ranges(tables.ranges, first, end, peer_hi, peer_lo):
        return 0
    acl = np.int64(facts.acl)
    section = tables.acls[np.uintp(acl), np.uintp(2 * direction + chosen(six, 1, 0))]
    always = np.int64(tables.sections[np.uintp(section)].always)
    if always != 0:
        return always
    has_icmp = packets.shape[i] & HAS_ICMP != 0
    protocol, value = np.int64(packets.protocol[i]), value_of(packets, i)
    return np.int64(
        acl_answer(tables, acl, direction, family, peer_hi, peer_lo, protocol, value, has_icmp)
    )


@kernel
def examine(
    tables: Tables,
    kinds: U1,
    packets: Packets,
    start: int,
    count: int,
    rows: Rows,
    out: DecisionColumns,
) -> None:
    """Take the steps for the listed rows: from the first, or for the ACL alone."""
    for number in range(count):
        at = np.int64(rows.listed[number])
        i = start + at
        code = np.int64(NO_KEY)
        is_plain = rows.tags[at] != NOT_EXAMINED
        if not is_plain:
            code = np.int64(examine_one(tables, packets, i))
        acl = np.int64(0)
        if code == NO_KEY:
            facts = tables.interfaces[np.uintp(packets.interface[i])]
            acl = np.int64(ask_acl(tables, packets, i))
            if acl < 0 and (packets.direction[i] == 0 or not facts.carries_groups):
                code, acl = np.int64(_NETWORK_ACL | _LOGGED), -acl
            elif not facts.carries_groups:
                code = np.int64(_NO_GROUPS | _ACCEPTED | _LOGGED)
        # 0 becomes -1, none; -n becomes -1 - n, to be refused by n at the end.
        out.acl_rule_number[i] = acl if acl > 0 else acl - 1
        if code == NO_KEY:
            if not is_plain:
                owner = np.int64(tables.interfaces[np.uintp(packets.interface[i])].owner)
                word = last_word(kinds, packets, i, np.int64(packets.direction[i]), owner)
                rows.last_words[at] = np.uint64(np.int64(word))
                rows.tags[at] = NO_KEY if word == NO_KEY else 0
            continue
        rows.tags[at] = DECIDED if code >= 0 else code
        out.reason[i] = code & 0xFF if code >= 0 else 0
        out.accepted[i] = 1 if code >= 0 and code & _ACCEPTED else 0
        out.logged[i] = 1 if code >= 0 and code & _LOGGED else 0
