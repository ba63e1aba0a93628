"""`Rows`: the kernel's maps of a policy as one store of rows and elements, some of them free.

Owns what is taken in every map, and how often anything is written. What nothing refers to any
more *waits*: packets under way may still read it, until a grace period has passed (`settle`).
Knows no policy.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from secgroup.dataplane.bpf.elements import HOSTS, PREFIXES, Keys, elements_of
from secgroup.dataplane.bpf.names import INTERFACE, OWNER, NameMap, Names
from secgroup.dataplane.bpf.room import Room
from secgroup.engine.layout import OWNER as MOST_OWNER
from secgroup.errors import DataPlaneError
from secgroup.policy.blocks import Block

#: Numbers of tables of addresses; no map has rows for them.
TABLES: Final = "tables"
_MOST_TABLES: Final = 1 << 31
#: Arrays of which rows are taken, and the first row that may be.
_FIRST: Final = {
    "policies": 1,
    "subnets": 1,
    "sections": 1,
    "exempts": 0,
    "boundaries": 0,
    "bitmaps": 0,
    "numbers": 0,
}
_HASHES: Final = (HOSTS, *PREFIXES.values())


class ElementMap(NameMap, Protocol):
    """A hash or a trie."""


class PolicyMaps(Protocol):
    """The maps that a policy is written to; `loaded.Maps` is one."""

    @property
    def words(self) -> NDArray[Any]:
        """One for each interface."""

    @property
    def policies(self) -> NDArray[Any]:
        """Rows of POLICY."""

    @property
    def subnets(self) -> NDArray[Any]:
        """Rows of SUBNET."""

    @property
    def exempts(self) -> NDArray[Any]:
        """Rows of EXEMPT."""

    @property
    def sections(self) -> NDArray[Any]:
        """Rows of SECTION."""

    @property
    def boundaries(self) -> NDArray[Any]:
        """Intervals of ports."""

    @property
    def bitmaps(self) -> NDArray[Any]:
        """Words of classes."""

    @property
    def numbers(self) -> NDArray[Any]:
        """Of rules, or entries of ACLs."""

    @property
    def timeouts(self) -> NDArray[Any]:
        """Milliseconds by set and state."""

    @property
    def owners(self) -> NDArray[Any]:
        """Rows of OWNER."""

    @property
    def hosts(self) -> ElementMap:
        """Single addresses."""

    @property
    def prefixes4(self) -> ElementMap:
        """Blocks of IPv4."""

    @property
    def prefixes6(self) -> ElementMap:
        """Blocks of IPv6."""

    @property
    def names(self) -> NameMap:
        """What numbers mean."""


class Run(NamedTuple):
    """Rows of one array, or numbers of tables."""

    name: str
    first: int
    length: int


class Rows:
    """The maps of a policy.

    Parameters
    ----------
    maps : PolicyMaps

    Attributes
    ----------
    writes : int
        How many rows, elements and names have been written or deleted.
    has_freed : bool
        An element of `hosts` has been freed that a packet may still read.
    rooms : dict of str to Room
    counts : dict of str to int
        How many elements each hash and trie has.

    """

    def __init__(self, maps: PolicyMaps) -> None:
        self.maps = maps
        self.writes = 0
        self.has_freed = False
        self.rooms = {
            name: Room(name, first, len(self.array(name))) for name, first in _FIRST.items()
        }
        self.rooms[TABLES] = Room(TABLES, 1, _MOST_TABLES)
        self.counts = dict.fromkeys(_HASHES, 0)
        self._timeouts: dict[tuple[int, ...], int] = {}
        most = {INTERFACE: len(maps.words), OWNER: min(len(maps.owners), MOST_OWNER + 1)}
        self.names = Names(maps.names, most, self._count)

    def _count(self, written: int) -> None:
        self.writes += written

    def array(self, name: str) -> NDArray[Any]:
        """Return an array by its name."""
        found: NDArray[Any] = getattr(self.maps, name)
        return found

    def elements(self, name: str) -> ElementMap:
        """Return a hash or trie by its name."""
        found: ElementMap = getattr(self.maps, name)
        return found

    # Arrays

    def write(self, name: str, first: int, rows: NDArray[Any]) -> None:
        """Write rows that nothing refers to."""
        self.array(name)[first : first + len(rows)] = rows
        self.writes += len(rows)

    def set_word(self, interface: int, word: int) -> None:
        """Say which policy is in force at an interface: one store, after all others."""
        self.maps.words[interface] = word
        self.writes += 1

    def timeouts(self, milliseconds: tuple[int, ...]) -> int:
        """Return the row of a set of timeouts; one that is new is written, and stays.

        Raises
        ------
        DataPlaneError
            There are too many.

        """
        known = self.maps.timeouts
        if not self._timeouts:
            used = np.flatnonzero(known.any(axis=1)).tolist()
            self._timeouts = {tuple(known[each].tolist()): each for each in used}
        found = self._timeouts.get(milliseconds)
        if found is None:
            found = max(self._timeouts.values(), default=-1) + 1
            if found == len(known):
                raise DataPlaneError(
                    "bpf", "map timeouts", f"{found} sets of timeouts, expected no more"
                )
            known[found] = milliseconds
            self._timeouts[milliseconds] = found
            self.writes += 1
        return found

    # Elements

    def add(self, table: int, family: int, blocks: Sequence[Block], values: Sequence[int]) -> None:
        """Write elements of a table that they are not in.

        Raises
        ------
        DataPlaneError
            There is no room; some may have been written (`drop` deletes what is there).

        """
        said = np.array(values, np.uint32)
        for name, keys, places in elements_of(table, family, blocks):
            most = self.elements(name).entries
            if self.counts[name] + len(keys) > most:
                raise DataPlaneError(
                    "bpf",
                    f"map {name}",
                    f"{self.counts[name] + len(keys)} elements, expected at most {most}",
                )
            try:
                self.elements(name).update(keys, said[places])
            except DataPlaneError:
                self.elements(name).delete(keys)
                raise
            self.counts[name] += len(keys)
            self.writes += len(keys)

    def drop(self, table: int, family: int, blocks: Sequence[Block]) -> None:
        """Delete elements of a table, as far as they are there."""
        for name, keys, _ in elements_of(table, family, blocks):
            self.drop_keys(name, keys)

    def drop_keys(self, name: str, keys: Keys) -> None:
        """Delete elements by their keys."""
        gone = self.elements(name).delete(keys)
        self.counts[name] -= gone
        self.writes += gone

    def change(
        self, table: int, family: int, block: Block, value: int | None, *, is_new: bool
    ) -> None:
        """Write one element, or delete it: in force at once.

        A packet may have looked an element of `hosts` up that is replaced or deleted here, and
        the kernel gives its memory to the next one at once: until a grace period is over,
        nothing may be written to `hosts` (`has_freed`).

        Raises
        ------
        DataPlaneError
            It could not be written; the element is as it was.

        """
        ((name, keys, _),) = elements_of(table, family, (block,))
        self.has_freed |= name == HOSTS and not is_new
        if value is None:
            self.drop_keys(name, keys)
        else:
            self.elements(name).update(keys, np.array([value], np.uint32))
            self.counts[name] += is_new
            self.writes += 1
