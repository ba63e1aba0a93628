"""`Tables`: what a policy means, as read-only arrays that kernels search.

Owns their layouts and how compiled parts are laid end to end. A *section* is one direction and
family of a rule table or of a network ACL: classes of addresses, classes of ports, and bitmaps
of rules for both. Knows neither networks nor what changed since the last time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from secgroup.net.address import Address, Prefix
from secgroup.net.protocol import TCP, UDP
from secgroup.policy.classes import AddressClasses, PortClasses, span_of

#: IPv4 addresses are ::ffff:a.b.c.d in every 128-bit place.
MAPPED: Final = 0xFFFF << 32
_HALF: Final = (1 << 64) - 1

#: One interface. `own4`, `own6`, `own_end` bound its addresses among `ranges`: IPv4 from the
#: first to the second, IPv6 from there to the third.
INTERFACE: Final = np.dtype(
    [
        ("table", "<i4"),  # row of Tables.tables; -1 when the interface is gone
        ("subnet", "<i4"),
        ("acl", "<i4"),
        ("owner", "<i4"),
        ("timeouts", "<i4"),
        ("own4", "<i4"),
        ("own6", "<i4"),
        ("own_end", "<i4"),
        ("carries_groups", "<u1"),
        ("source_dest_check", "<u1"),
    ],
    align=True,
)

#: One subnet. `filter4` and `filter6` have a bit set for each exempt address (`exempt_bit`).
SUBNET: Final = np.dtype(
    [
        ("filter4", "<u8"),
        ("filter6", "<u8"),
        ("broadcast", "<u8"),  # low half of the address; 0 is none
        ("block4", "<i4"),  # among `ranges`, as an interface's own addresses
        ("block6", "<i4"),
        ("block_end", "<i4"),
        ("router4", "<i4"),
        ("router6", "<i4"),
        ("router_end", "<i4"),
        ("exempt4", "<i4"),  # among `exempt`
        ("exempt6", "<i4"),
        ("exempt_end", "<i4"),
    ],
    align=True,
)

#: One address that is exempt; -1 is every protocol, every port.
EXEMPT: Final = np.dtype(
    [
        ("hi", "<u8"),
        ("lo", "<u8"),
        ("protocol", "<i4"),
        ("port", "<i4"),
        ("answer", "<i4"),  # 1 not logged, 2 logged
    ],
    align=True,
)

#: One section: where its parts begin in the arrays of `Tables`, and how many there are. To find
#: an interval: bucket = (key - low) >> shift, at most `last`; root[bucket] and root[bucket + 1]
#: bound it. Keys are IPv4 addresses, high halves of IPv6 ones, places of ports.
SECTION: Final = np.dtype(
    [
        ("low", "<u8"),
        ("last", "<u8"),
        ("shift", "<u8"),
        ("port_low", "<u8"),
        ("port_last", "<u8"),
        ("port_shift", "<u8"),
        ("root", "<i4"),
        ("entries", "<i4"),  # among `narrow` or, in IPv6, `wide`
        ("address_class", "<i4"),
        ("address_bits", "<i4"),
        ("port_root", "<i4"),
        ("port_entries", "<i4"),  # among `narrow`
        ("port_class", "<i4"),
        ("port_bits", "<i4"),
        ("words", "<i4"),
        ("rules", "<i4"),
        ("numbers", "<i4"),  # ACLs only: of as many entries, and the implicit deny's
        ("all_open", "<i4"),  # 1 TCP, 2 UDP: every port is open to everyone
        ("always", "<i4"),  # ACLs only: the number of a first entry that matches everything, or 0
    ],
    align=True,
)


class Tables(NamedTuple):
    """Everything that kernels ask about a policy; read-only, in C order.

    Attributes
    ----------
    interfaces, subnets, exempt, sections : record arrays
        Of INTERFACE, SUBNET, EXEMPT, SECTION.
    tables, acls : int32, shape (n, 4)
        The sections of each rule table and network ACL, by direction * 2 + (family is 6).
    ranges : uint64, shape (n, 4)
        High and low half of the first, of the last address.
    narrow : uint64, shape (n,)
        Intervals of IPv4 addresses or of ports: start << 32 | class. Each section has three more
        at its end, from the end of the space on and of its last class; so in `wide`.
    wide : uint64, shape (n, 3)
        Intervals of IPv6 addresses: high half, low half of the start, class.
    roots : int32
        For each bucket of equal width an interval at or before its first one; one more behind.
    bitmaps : uint64
        The words of every class.
    weights : uint8
        Of every address class.
    opened : uint8
        Of every port class: a rule opens it to everyone.
    numbers : int32
        Of the entries of ACLs, negative where they deny; the implicit deny ends each section.
    timeouts : int64, shape (n, 3)
        Seconds: established TCP, UDP, UDP streams.

    """

    interfaces: np.recarray[Any, Any]
    subnets: np.recarray[Any, Any]
    exempt: np.recarray[Any, Any]
    sections: np.recarray[Any, Any]
    tables: NDArray[np.int32]
    acls: NDArray[np.int32]
    ranges: NDArray[np.uint64]
    narrow: NDArray[np.uint64]
    wide: NDArray[np.uint64]
    roots: NDArray[np.int32]
    bitmaps: NDArray[np.uint64]
    weights: NDArray[np.uint8]
    opened: NDArray[np.uint8]
    numbers: NDArray[np.int32]
    timeouts: NDArray[np.int64]

    @property
    def size_bytes(self) -> int:
        """What the arrays take together."""
        return sum(array.nbytes for array in self)


@dataclass(frozen=True, slots=True, eq=False)
class Root:
    """Buckets of equal width over sorted keys: for each an interval at or before its first one."""

    low: int
    shift: int
    intervals: NDArray[np.int32]

    @property
    def last(self) -> int:
        """The number of the last bucket; one bound more stands behind it."""
        return len(self.intervals) - 2


@dataclass(frozen=True, slots=True, eq=False)
class AddressPart:
    """Address classes as kernels search them."""

    classes: AddressClasses
    entries: NDArray[np.uint64]
    root: Root


@dataclass(frozen=True, slots=True, eq=False)
class PortPart:
    """Port classes as kernels search them."""

    classes: PortClasses
    entries: NDArray[np.uint64]
    root: Root


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """One direction and family of a rule table or an ACL.

    `rule_ids` are its rules in the order of their bits; `numbers` an ACL's entries, signed, and
    the implicit deny's.
    """

    addresses: AddressPart
    ports: PortPart
    rule_ids: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()


#: By direction * 2 + (family is 6).
Sections = tuple[Section, Section, Section, Section]

#: A root has about two buckets for each interval, and at most 2**16.
ROOT_BITS: Final = 16
#: So few intervals are searched without a root.
ROOTLESS: Final = 8
#: So many intervals are counted at the end of every search, also those behind the last one.
COUNTED: Final = 4
_HALF_SHIFT: Final = np.uint64(32)
_LOW_HALF: Final = np.uint64((1 << 32) - 1)


def root_of(keys: NDArray[np.uint64]) -> Root:
    """Make the root of sorted keys, of which the first is 0."""
    if len(keys) <= ROOTLESS:
        return Root(0, 63, np.array((0, len(keys) - 1), dtype=np.int32))
    low = int(keys[1])
    span = int(keys[-1]) - low
    shift = max(0, span.bit_length() - min(ROOT_BITS, (2 * len(keys)).bit_length()))
    buckets = (span >> shift) + 1
    firsts = np.uint64(low) + (np.arange(buckets, dtype=np.uint64) << np.uint64(shift))
    intervals = np.empty(buckets + 1, dtype=np.int32)
    intervals[:-1] = np.searchsorted(keys, firsts)
    intervals[:-1] -= 1
    intervals[-1] = len(keys) - 1
    return Root(low, shift, intervals)


def _padded(entries: NDArray[np.uint64], start: int) -> NDArray[np.uint64]:
    """Put copies of the last interval behind, from the end of the space, for COUNTED to read."""
    behind = np.repeat(entries[-1:], COUNTED - 1, axis=0)
    if entries.ndim == 1:
        behind = behind & _LOW_HALF | np.uint64(start << 32)
    else:
        behind[:, :2] = start
    return np.concatenate((entries, behind))


def address_part(classes: AddressClasses) -> AddressPart:
    """Lay address classes out for search."""
    starts, class_of = classes.starts, classes.class_of.astype(np.uint64)
    if classes.family == 4:
        keys = starts.astype(np.uint64)
        entries = _padded(keys << _HALF_SHIFT | class_of, (1 << 32) - 1)
    else:
        keys = np.ascontiguousarray(starts[:, 0])
        entries = _padded(np.column_stack((starts, class_of)).astype(np.uint64), _HALF)
    return AddressPart(classes=classes, entries=entries, root=root_of(keys))


def port_part(classes: PortClasses) -> PortPart:
    """Lay port classes out for search."""
    keys = classes.starts.astype(np.uint64)
    entries = keys << _HALF_SHIFT | classes.class_of.astype(np.uint64)
    entries = _padded(entries, (1 << 32) - 1)
    return PortPart(classes=classes, entries=entries, root=root_of(keys))


def _always(section: Section) -> int:
    """Return the number of an ACL's first entry if that matches everything, else 0."""
    parts = (section.addresses.classes.bitmaps, section.ports.classes.bitmaps)
    if not section.numbers or not all((bits[:, 0] & np.uint64(1)).all() for bits in parts):
        return 0
    return section.numbers[0]


class _Pool:
    """Parts laid end to end, each once; says where each begins."""

    def __init__(self, *, empty: NDArray[Any]) -> None:
        self._empty = empty
        self._arrays: list[NDArray[Any]] = []
        self._first: dict[int, int] = {}
        self._size = 0

    def add(self, array: NDArray[Any]) -> int:
        """Return where `array`, which must stay alive until `array()`, begins."""
        first = self._first.get(id(array))
        if first is None:
            first = self._first[id(array)] = self._size
            self._arrays.append(array)
            self._size += len(array)
        return first

    def array(self) -> NDArray[Any]:
        return read_only(np.concatenate([self._empty, *self._arrays]))


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return `array`, in C order, not to be written."""
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array


def records(rows: Sequence[tuple[int, ...]], dtype: np.dtype[Any]) -> np.recarray[Any, Any]:
    """Return rows as a record array, not to be written."""
    array = np.array(rows, dtype=dtype).view(np.recarray)
    array.flags.writeable = False
    return array


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """The arrays that sections become."""

    sections: np.recarray[Any, Any]
    tables: NDArray[np.int32]
    acls: NDArray[np.int32]
    narrow: NDArray[np.uint64]
    wide: NDArray[np.uint64]
    roots: NDArray[np.int32]
    bitmaps: NDArray[np.uint64]
    weights: NDArray[np.uint8]
    opened: NDArray[np.uint8]
    numbers: NDArray[np.int32]


def pack(tables: Iterable[Sections], acls: Iterable[Sections]) -> Packed:
    """Lay the sections of rule tables and ACLs end to end; what they share stands once."""
    narrow, wide = _Pool(empty=np.empty(0, np.uint64)), _Pool(empty=np.empty((0, 3), np.uint64))
    roots, numbers = _Pool(empty=np.empty(0, np.int32)), _Pool(empty=np.empty(0, np.int32))
    weights, opened = _Pool(empty=np.empty(0, np.uint8)), _Pool(empty=np.empty(0, np.uint8))
    bitmaps = _Pool(empty=np.empty(0, np.uint64))
    flat: dict[int, NDArray[np.uint64]] = {}
    kept: list[NDArray[Any]] = []

    def words_of(bits: NDArray[np.uint64]) -> int:
        if id(bits) not in flat:
            flat[id(bits)] = bits.reshape(-1)
        return bitmaps.add(flat[id(bits)])

    def row_of(section: Section) -> tuple[int, ...]:
        part, ports = section.addresses, section.ports
        own = np.array(section.numbers, dtype=np.int32)
        kept.append(own)
        all_open = ports.classes.all_open
        return (
            part.root.low,
            part.root.last,
            part.root.shift,
            ports.root.low,
            ports.root.last,
            ports.root.shift,
            roots.add(part.root.intervals),
            (narrow if part.classes.family == 4 else wide).add(part.entries),
            weights.add(part.classes.weights),
            words_of(part.classes.bitmaps),
            roots.add(ports.root.intervals),
            narrow.add(ports.entries),
            opened.add(ports.classes.opened),
            words_of(ports.classes.bitmaps),
            part.classes.bitmaps.shape[1],
            part.classes.rules,
            numbers.add(own),
            int(all_open[TCP]) | int(all_open[UDP]) << 1,
            _always(section),
        )

    rows: list[tuple[int, ...]] = []
    number_of: dict[int, int] = {}

    def number(section: Section) -> int:
        if id(section) not in number_of:
            number_of[id(section)] = len(rows)
            rows.append(row_of(section))
        return number_of[id(section)]

    numbered = [
        read_only(
            np.array([[number(each) for each in four] for four in group], np.int32).reshape(-1, 4)
        )
        for group in (tables, acls)
    ]
    return Packed(
        sections=records(rows, SECTION),
        tables=numbered[0],
        acls=numbered[1],
        narrow=narrow.array(),
        wide=wide.array(),
        roots=roots.array(),
        bitmaps=bitmaps.array(),
        weights=weights.array(),
        opened=opened.array(),
        numbers=numbers.array(),
    )


def halves(address: Address) -> tuple[int, int]:
    """Return the high and the low half of an address; IPv4 as ::ffff:a.b.c.d."""
    number = int(address) | (MAPPED if address.version == 4 else 0)
    return number >> 64, number & _HALF


class Ranges:
    """Rows of `Tables.ranges`, gathered: IPv4 ones first, then IPv6 ones, list by list."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, int, int]] = []
        self._first: dict[tuple[Address | Prefix, ...], tuple[int, int, int]] = {}

    def add(self, members: tuple[Address | Prefix, ...]) -> tuple[int, int, int]:
        """Return where the IPv4 and the IPv6 members begin, and where they end."""
        bounds = self._first.get(members)
        if bounds is None:
            first = len(self._rows)
            self._rows += [_range(each) for each in members if each.version == 4]
            middle = len(self._rows)
            self._rows += [_range(each) for each in members if each.version == 6]
            bounds = self._first[members] = (first, middle, len(self._rows))
        return bounds

    def array(self) -> NDArray[np.uint64]:
        """Return the rows."""
        return read_only(np.array(self._rows, dtype=np.uint64).reshape(-1, 4))


def _range(member: Address | Prefix) -> tuple[int, int, int, int]:
    if isinstance(member, Prefix):
        first, behind = span_of(member)
    else:
        first, behind = int(member), int(member) + 1
    mapped = MAPPED if member.version == 4 else 0
    first, last = first | mapped, (behind - 1) | mapped
    return first >> 64, first & _HALF, last >> 64, last & _HALF


def exempt_bit(lo: int) -> int:
    """Return the bit of a subnet's filter that stands for an address by its low half."""
    return (lo ^ lo >> 6 ^ lo >> 16) & 63
