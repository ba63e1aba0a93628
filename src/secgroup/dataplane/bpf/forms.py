"""What an interface has, written out: no number of a row, no number of a class.

Two states of the maps that decide every packet alike have equal forms; what the kernel has is
compared by them with what a network means. Owns no maps and no network.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from secgroup.conntrack.timeout import Timeouts
from secgroup.dataplane.bpf.layout import HAS_HOSTS, HAS_PREFIXES
from secgroup.engine.machine import timeouts_row
from secgroup.model.group import PrefixListReference
from secgroup.net.protocol import TCP, UDP
from secgroup.policy.blocks import (
    EVERYTHING,
    Block,
    bits_of,
    length_of,
)
from secgroup.policy.classes import PortClasses
from secgroup.policy.peers import Members, Source
from secgroup.policy.policy import IdleTimeouts

#: Intervals of protocols and ports: where each starts, whether a rule opens it to everyone, and
#: the bits of its rules.
Intervals = tuple[tuple[int, bool, int], ...]

#: A row of `exempts` without its padding.
Exempt = tuple[int, int, int, int, int]


class SubnetForm(NamedTuple):
    """What surrounds the interfaces of a subnet.

    Parameters
    ----------
    block4 : tuple of int or None
        Address and mask.
    blocks6 : tuple of tuple of int
        High and low half of the address, of the mask.
    broadcast : int or None
    exempt4, exempt6 : tuple of Exempt

    """

    block4: tuple[int, int] | None
    blocks6: tuple[tuple[int, int, int, int], ...]
    broadcast: int | None
    exempt4: tuple[Exempt, ...]
    exempt6: tuple[Exempt, ...]


class SectionForm(NamedTuple):
    """One direction and family of a set of rules, or of an ACL.

    Parameters
    ----------
    family : int
    names : tuple of str
        The ids of its rules; none of an ACL.
    entries : tuple of int
        The numbers of an ACL's entries, negative where they deny, and of its implicit deny.
    acl_id : str or None
    kinds, all_open : int
        As in `layout.SECTION`.
    elsewhere : int
        The class (`policy.blocks`) of addresses in no block.
    blocks : mapping
        The class of each block.
    ports : Intervals

    """

    family: int
    names: tuple[str, ...]
    entries: tuple[int, ...]
    acl_id: str | None
    kinds: int
    all_open: int
    elsewhere: int
    blocks: Mapping[Block, int]
    ports: Intervals


class InterfaceForm(NamedTuple):
    """Everything that decides the packets of an interface, but for its connections.

    Parameters
    ----------
    rules, acl : tuple of SectionForm
        By 2 * direction + (family is 6).
    acl_always : tuple of int
        Likewise; see `layout.POLICY`.
    own4, own6 : int
        Its primary addresses, 0 where it has none.
    own : tuple of frozenset of Block
        All its addresses, IPv4 and IPv6.
    timeouts_ms : tuple of int
        By the number of the state.
    allowance : int
        Of its owner; -1 is any number.

    """

    owner: str
    allowance: int
    rules: tuple[SectionForm, ...]
    acl: tuple[SectionForm, ...]
    acl_always: tuple[int, ...]
    own4: int
    own6: int
    own: tuple[frozenset[Block], frozenset[Block]]
    subnet: SubnetForm
    timeouts_ms: tuple[int, ...]
    carries_groups: bool
    source_dest_check: bool
    mac: bytes
    related_icmp: bool
    loose_tcp: bool
    strict_tcp: bool
    logs: bool


def timeouts_of(timeouts: IdleTimeouts) -> tuple[int, ...]:
    """Return a row of `timeouts`."""
    chosen = Timeouts(
        tcp_established=timeouts.tcp_established_s,
        udp=timeouts.udp_s,
        udp_stream=timeouts.udp_stream_s,
    )
    return tuple(timeouts_row(chosen).tolist())


def kinds_of(family: int, lengths: Mapping[int, int], sources: Iterable[Source]) -> int:
    """Return what a table of addresses has, or may get in place.

    Parameters
    ----------
    lengths : mapping
        How many of its blocks have each length.

    """
    kinds = 0
    for each in sources:
        if isinstance(each, Members):
            kinds |= HAS_HOSTS
        elif isinstance(each, PrefixListReference):
            kinds |= HAS_PREFIXES
    whole = bits_of(family)
    for length, number in lengths.items():
        if number == 0:
            continue
        if length == whole:
            kinds |= HAS_HOSTS
        elif length != length_of(EVERYTHING):
            kinds |= HAS_PREFIXES
    return kinds


def intervals_of(classes: PortClasses) -> Intervals:
    """Return classes of ports, written out."""
    rows = classes.bitmaps
    bits = [int.from_bytes(row.tobytes(), "little") for row in rows]
    opened = classes.opened.tolist()
    pairs = zip(classes.starts.tolist(), classes.class_of.tolist(), strict=True)
    return tuple((start, bool(opened[number]), bits[number]) for start, number in pairs)


def all_open_of(classes: PortClasses) -> int:
    """Return SECTION.all_open."""
    return int(classes.all_open[TCP]) | int(classes.all_open[UDP]) << 1


def words_of(rules: int) -> int:
    """Return the words of the bitmap of one class."""
    return max(1, -(-rules // 64))


def bitmap_rows(bits: list[int], words: int) -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    """Return the words of classes, one after the other."""
    packed = b"".join(each.to_bytes(8 * words, "little") for each in bits)
    return np.frombuffer(packed, dtype="<u8")
