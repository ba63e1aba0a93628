"""What makes a packet plain: one cache line of facts for each interface and family.

Owns what `kernels.screen` asks of every packet in one go: a packet that a line can vouch for is
well-formed traffic of the interface's one address, to or from nobody special, through an ACL
whose answer is known beforehand. Whatever a line cannot say makes a packet not plain, which
costs time and nothing else: `examine` then takes the steps. Read first: `engine.tables`.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from secgroup.engine.layout import ICMP_KIND, ICMP_KINDS, NOT_TRACKED, OWNER, U2, U8
from secgroup.engine.memory import zeros
from secgroup.engine.tables import Tables

#: The words of a line; lines are by 2 * row + (family is 6).
OWN_HI: Final = 0
OWN_LO: Final = 1
MASK_HI: Final = 2
MASK_LO: Final = 3
BLOCK_HI: Final = 4
BLOCK_LO: Final = 5
FILTER: Final = 6
REST: Final = 7
LINE_WORDS: Final = 8

#: The last word: the owner; the number of the ACL entry that allows everything, ingress and
#: egress, 0 when there is none; whether inside addresses are checked; whether packets can be plain.
ALWAYS_BIT: Final = 23
IS_CHECKED: Final = 1 << 55
IS_PLAIN: Final = 1 << 56

#: An exempt address sets two bits of the filter: the upper ones of its low half times this.
SPREAD: Final = 0x9E3779B97F4A7C15

#: Bits of `PLACES`: on egress the last bit is the other one; the packet has no key.
TURNS: Final = 1 << 8
HAS_NO_KEY: Final = 1 << 9


def _places() -> U2:
    places = np.arange(-512, 256).astype(np.uint16)
    for number, kind in enumerate(ICMP_KINDS.reshape(-1).tolist()):
        places[number] = HAS_NO_KEY if kind == NOT_TRACKED else ICMP_KIND + kind | TURNS
    places.flags.writeable = False
    return places


#: What stands for the protocol in a key: by 256 * (is IPv6) + type of ICMP, and by 512 + protocol.
PLACES: Final = _places()

_ONES: Final = np.uint64((1 << 64) - 1)


def lines_of(tables: Tables) -> U8:
    """Return the lines of a policy, not to be written."""
    interfaces = tables.interfaces
    lines: NDArray[np.uint64] = zeros((len(interfaces), 2, LINE_WORDS), np.uint64)
    is_gone = interfaces.table < 0
    # What is not there is a row of zeros behind the others; so is what no packet has met before.
    subnets: Any = np.append(tables.subnets, np.zeros(1, tables.subnets.dtype)).view(np.recarray)
    subnet_of = np.where(is_gone, -1, interfaces.subnet)
    subnet: Any = subnets[subnet_of]
    acls = np.append(tables.acls, np.full((1, 4), -1, np.int32), axis=0)
    acl = acls[np.where(is_gone, -1, interfaces.acl)]
    first_entries = np.append(tables.sections.always, 0).astype(np.int64)
    for six in (0, 1):
        line = lines[:, six]
        own, end = (
            (interfaces.own6, interfaces.own_end) if six else (interfaces.own4, interfaces.own6)
        )
        block, behind = (subnet.block6, subnet.block_end) if six else (subnet.block4, subnet.block6)
        line[:, OWN_HI], line[:, OWN_LO], is_one = _one_address(tables.ranges, own, end)
        blocks = _one_block(tables.ranges, block, behind)
        line[:, MASK_HI], line[:, MASK_LO], line[:, BLOCK_HI], line[:, BLOCK_LO], fits = blocks
        line[:, FILTER] = _filters(tables.exempt, subnets, six)[subnet_of]
        is_checked = interfaces.source_dest_check != 0
        is_plain = ~is_gone & (interfaces.carries_groups != 0) & fits & (is_one | ~is_checked)
        if not six:
            last = line[:, BLOCK_LO] | ~line[:, MASK_LO]
            is_plain &= (subnet.broadcast == 0) | (subnet.broadcast == last)
        rest = interfaces.owner.astype(np.int64) & OWNER
        for way in (0, 1):
            always = first_entries[acl[:, 2 * way + six]]
            rest |= np.where((always > 0) & (always <= 0xFFFF), always, 0) << ALWAYS_BIT + 16 * way
        rest |= np.where(is_checked, IS_CHECKED, 0) | np.where(is_plain, IS_PLAIN, 0)
        line[:, REST] = rest.astype(np.uint64)
    flat = lines.reshape(-1)
    flat.flags.writeable = False
    return flat


def _filters(exempt: Any, subnets: Any, six: int) -> U8:
    """Return the bits of the exempt addresses of each subnet, in one family."""
    spread = exempt.lo * np.uint64(SPREAD)
    one = np.uint64(1)
    bits = one << (spread >> np.uint64(58)) | one << (spread >> np.uint64(52) & np.uint64(63))
    first, end = (
        (subnets.exempt6, subnets.exempt_end) if six else (subnets.exempt4, subnets.exempt6)
    )
    bounds = zip(first.tolist(), end.tolist(), strict=True)
    return np.array([np.bitwise_or.reduce(bits[each[0] : each[1]]) for each in bounds], np.uint64)


def _first_of(
    ranges: U8, first: NDArray[Any], end: NDArray[Any]
) -> tuple[tuple[U8, U8, U8, U8], NDArray[np.bool_]]:
    """Return each first range, zeros where there is none, and whether it is the only one."""
    padded = np.concatenate([ranges, np.zeros((1, 4), dtype=np.uint64)])
    chosen = padded[np.where(end > first, first, len(ranges))]
    return (chosen[:, 0], chosen[:, 1], chosen[:, 2], chosen[:, 3]), end - first == 1


def _one_address(
    ranges: U8, first: NDArray[Any], end: NDArray[Any]
) -> tuple[U8, U8, NDArray[np.bool_]]:
    """Return the first address, and whether there is one; those of others are not plain."""
    (hi, lo, last_hi, last_lo), _ = _first_of(ranges, first, end)
    return hi, lo, (end > first) & (hi == last_hi) & (lo == last_lo)


def _one_block(
    ranges: U8, first: NDArray[Any], end: NDArray[Any]
) -> tuple[U8, U8, U8, U8, NDArray[np.bool_]]:
    """Return mask and address of a subnet's only block, and whether it has no more than one.

    A subnet without any gets a block that no masked address is equal to.
    """
    (hi, lo, last_hi, last_lo), is_one = _first_of(ranges, first, end)
    is_none = end == first
    mask_hi, mask_lo = ~(hi ^ last_hi), ~(lo ^ last_lo)
    # A block is a prefix: its ends differ in all of the last bits, which are 0 in the first.
    is_prefix = (hi & ~mask_hi == 0) & (lo & ~mask_lo == 0)
    is_prefix &= (~mask_hi & -mask_hi == 0) & (~mask_lo & -mask_lo == 0)
    is_prefix &= (mask_hi == _ONES) | (mask_lo == 0)
    mask_hi, mask_lo = np.where(is_none, 0, mask_hi), np.where(is_none, 0, mask_lo)
    block_lo = np.where(is_none, 1, lo)
    fits = is_none | (is_one & is_prefix)
    return mask_hi, mask_lo, np.where(is_none, 0, hi), block_lo, fits
