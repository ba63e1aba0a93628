"""Sections: one direction and family of a rule table or of an ACL, laid out for search.

Owns the root over sorted intervals and what stands behind the last of them. Knows neither where
a section lies among others nor what it is made of.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from secgroup.net.direction import Direction
from secgroup.policy.classes import AddressClasses, PortClasses


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


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class AddressPart:
    """Address classes as kernels search them."""

    classes: AddressClasses
    entries: NDArray[np.uint64]
    root: Root


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
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

    def matching(self, address_class: int, port_class: int) -> tuple[str, ...]:
        """Return the rules that match both classes, in the definition's order."""
        both = (
            self.addresses.classes.bitmaps[address_class] & self.ports.classes.bitmaps[port_class]
        )
        bits = int.from_bytes(both.tobytes(), "little")
        return tuple(rule_id for bit, rule_id in enumerate(self.rule_ids) if bits >> bit & 1)


FAMILIES: Final = (4, 6)
#: Direction and family of the sections of a rule table or an ACL: direction * 2 + (family is 6).
SECTION_ORDER: Final = tuple((way, family) for way in Direction for family in FAMILIES)
Sections: TypeAlias = tuple[Section, Section, Section, Section]


def four(sections: Iterable[Section]) -> Sections:
    """Return the sections of SECTION_ORDER."""
    first, second, third, fourth = sections
    return first, second, third, fourth


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
        entries = _padded(np.column_stack((starts, class_of)).astype(np.uint64), (1 << 64) - 1)
    return AddressPart(classes=classes, entries=entries, root=root_of(keys))


def port_part(classes: PortClasses) -> PortPart:
    """Lay port classes out for search."""
    keys = classes.starts.astype(np.uint64)
    entries = keys << _HALF_SHIFT | classes.class_of.astype(np.uint64)
    entries = _padded(entries, (1 << 32) - 1)
    return PortPart(classes=classes, entries=entries, root=root_of(keys))


def answer_to_all(section: Section) -> int:
    """Return the number of an ACL's first entry if that matches everything, else 0."""
    parts = (section.addresses.classes.bitmaps, section.ports.classes.bitmaps)
    if not section.numbers or not all((bits[:, 0] & np.uint64(1)).all() for bits in parts):
        return 0
    return section.numbers[0]
