"""What needs no memory and is asked of every packet: whether it is plain, and its flow's name.

A plain packet has taken steps 1 to 5, 7 and 8 by one comparison; `examine` takes them for the
others. Here is no branch that depends on a packet, because nobody could predict it, and whatever
needs no table is done by columns. Read first: `engine.plain`.
"""

import numpy as np

from secgroup.decision import Reason
from secgroup.engine.kernels import inlined, kernel
from secgroup.engine.kernels.track import hash_of
from secgroup.engine.layout import (
    HAS_ICMP,
    I8,
    IPV6,
    LATER_FRAGMENT,
    MALFORMED,
    OWNER,
    U1,
    U2,
    U8,
    DecisionColumns,
    Packets,
)
from secgroup.engine.plain import (
    ALWAYS_BIT,
    BLOCK_HI,
    BLOCK_LO,
    FILTER,
    HAS_NO_KEY,
    IS_CHECKED,
    IS_PLAIN,
    LINE_WORDS,
    MASK_HI,
    MASK_LO,
    OWN_HI,
    OWN_LO,
    REST,
    SPREAD,
)
from secgroup.engine.rows import NO_KEY, NOT_EXAMINED, NOWHERE, Rows

_ESTABLISHED = int(Reason.ESTABLISHED)
#: IPv4 addresses from 224.0.0.0 on, as the upper bits of their low half.
_FROM_224 = 0xFFFF << 3 | 7
#: What the ports of DHCP's client and server come to; of little else.
_DHCP_SUM = 67 + 68
_DHCP6_SUM = 546 + 547
_UDP = 17


@inlined
def chosen(condition: bool, one: int, other: int) -> int:
    """Return one of two values that are both known: without a branch, which would be a guess."""
    return one if condition else other


@inlined
def expect(start: int, stop: int, out: DecisionColumns) -> None:
    """Write what nearly every packet gets: it is accepted, as one of a flow that is known."""
    for i in range(np.uintp(start), np.uintp(stop)):
        out.accepted[i] = 1
    for i in range(np.uintp(start), np.uintp(stop)):
        out.reason[i] = _ESTABLISHED
    for i in range(np.uintp(start), np.uintp(stop)):
        out.logged[i] = 1
    for i in range(np.uintp(start), np.uintp(stop)):
        out.address_class[i] = -1
    for i in range(np.uintp(start), np.uintp(stop)):
        out.port_class[i] = -1
    for i in range(np.uintp(start), np.uintp(stop)):
        out.first[i] = -1


@inlined
def read(packets: Packets, start: int, stop: int, last_words: U8, codes: I8) -> None:
    """Write what can be said of packets without any table, so that LLVM makes vectors of it.

    Parameters
    ----------
    last_words
        The last word of each key but for owner and protocol.
    codes
        NOWHERE; or 1 for a packet that is special, whoever it is for, then the direction, in ten
        bits where `places` says what stands for its protocol, and its interface's line.

    """
    for place in range(stop - start):
        at, i = np.uintp(place), np.uintp(start + place)
        shape, protocol = np.int64(packets.shape[i]), np.int64(packets.protocol[i])
        interface, egress = np.int64(packets.interface[i]), np.int64(packets.direction[i])
        six = np.int64(packets.family[i] == 6)
        to_hi, to_lo = packets.destination_hi[i], packets.destination_lo[i]
        to_port = np.int64(packets.destination_port[i])
        from_port = np.int64(packets.source_port[i])
        kind = np.int64(packets.icmp_type[i])
        is_icmp = shape & HAS_ICMP != 0
        # 1 and 6
        special = shape & (MALFORMED | LATER_FRAGMENT) != 0
        # 2
        special |= is_icmp & (six != 0) & (kind >= 133) & (kind <= 136)
        both = to_port + from_port
        special |= (protocol == _UDP) & ((both == _DHCP_SUM) | (both == _DHCP6_SUM))
        # 3
        special |= (to_lo >> np.uint64(29) == _FROM_224) | (to_hi >> np.uint64(56) == 0xFF)
        # the name
        identifier = np.int64(packets.identifier[i])
        differ = (to_port ^ from_port) & (0 - egress)
        ports = (to_port ^ differ) | (from_port ^ differ) << 16
        ports = chosen(is_icmp, identifier | (identifier ^ 0xFFFF) << 16, ports)
        last_words[at] = np.uint64(ports | (six * IPV6) << 32)
        place_of = chosen(is_icmp, 256 * six + kind, 512 + protocol)
        line = interface * 2 + six
        code = np.int64(special) | egress << 1 | place_of << 2 | line << 12
        codes[at] = chosen(interface < 0, NOWHERE, code)


@kernel
def screen(
    lines: U8,
    places: U2,
    packets: Packets,
    start: int,
    stop: int,
    rows: Rows,
    out: DecisionColumns,
) -> int:
    """Find the packets that are plain, and the last words of their keys.

    Parameters
    ----------
    lines
        `plain.lines_of` the tables in force.
    places
        `plain.PLACES`.
    start, stop
        The rows of the chunk.

    Returns
    -------
    int
        How many rows are listed for `examine`.

    """
    tags, last_words, listed = rows.tags, rows.last_words, rows.listed
    expect(start, stop, out)
    read(packets, start, stop, last_words, tags)
    count = np.int64(0)
    for place in range(stop - start):
        at, i = np.uintp(place), np.uintp(start + place)
        is_here = tags[at] != NOWHERE
        code = max(np.int64(tags[at]), 0)
        egress = code >> 1 & 1
        line = np.uintp((code >> 12) * LINE_WORDS)
        # All ones on egress: exchanges both ends, without a branch that nobody can predict.
        swap = np.uint64(0 - egress)
        to_hi, to_lo = packets.destination_hi[i], packets.destination_lo[i]
        differ_hi = (packets.source_hi[i] ^ to_hi) & swap
        differ_lo = (packets.source_lo[i] ^ to_lo) & swap
        peer_hi, peer_lo = packets.source_hi[i] ^ differ_hi, packets.source_lo[i] ^ differ_lo
        rest = np.int64(lines[line + np.uintp(REST)])
        # 3
        mask_lo, block_lo = lines[line + np.uintp(MASK_LO)], lines[line + np.uintp(BLOCK_LO)]
        special = (code & 1 != 0) | (rest & IS_PLAIN == 0) | (to_lo == block_lo | ~mask_lo)
        # 4
        not_own = to_hi ^ differ_hi ^ lines[line + np.uintp(OWN_HI)]
        not_own |= to_lo ^ differ_lo ^ lines[line + np.uintp(OWN_LO)]
        special |= (not_own != 0) & (rest & IS_CHECKED != 0)
        # 5
        spread = peer_lo * np.uint64(SPREAD)
        bits = np.uint64(1) << (spread >> np.uint64(58))
        bits |= np.uint64(1) << (spread >> np.uint64(52) & np.uint64(63))
        special |= lines[line + np.uintp(FILTER)] & bits == bits
        # 7
        outside = (peer_hi & lines[line + np.uintp(MASK_HI)]) ^ lines[line + np.uintp(BLOCK_HI)]
        outside |= (peer_lo & mask_lo) ^ block_lo
        acl = chosen(outside == 0, -1, rest >> (ALWAYS_BIT + 16 * egress) & 0xFFFF)
        out.acl_rule_number[i] = acl
        # the name
        place_of = np.int64(places[np.uintp(code >> 2 & 0x3FF)])
        named = (place_of ^ (egress & place_of >> 8)) & 0xFF
        last_words[at] |= np.uint64(((rest & OWNER) | named << 24) << 32)
        tag = chosen(place_of & HAS_NO_KEY == 0, 0, NO_KEY)
        tag = chosen(special, NOT_EXAMINED, tag)
        tags[at] = chosen(is_here, tag, NOWHERE)
        listed[np.uintp(count)] = place
        count += (special | (acl == 0)) & is_here
    return count


@kernel
def name(
    direction: U1,
    source_hi: U8,
    source_lo: U8,
    destination_hi: U8,
    destination_lo: U8,
    secret: U8,
    start: int,
    stop: int,
    last_words: U8,
    tags: I8,
) -> None:
    """Hash the keys of the packets that have one: of columns, so that LLVM makes vectors of it."""
    for place in range(stop - start):
        at, i = np.uintp(place), np.uintp(start + place)
        swap = np.uint64(0) - np.uint64(direction[i])
        differ_hi = (source_hi[i] ^ destination_hi[i]) & swap
        differ_lo = (source_lo[i] ^ destination_lo[i]) & swap
        tag = hash_of(
            secret,
            destination_lo[i] ^ differ_lo,
            destination_hi[i] ^ differ_hi,
            source_lo[i] ^ differ_lo,
            source_hi[i] ^ differ_hi,
            last_words[at],
        )
        tags[at] = chosen(tags[at] == 0, tag, tags[at])
