"""The parts that a policy is compiled of, and which of them a later revision takes over.

Owns what a part's identity means: parts of equal values are one object, so that what is made of
them can be looked up by them. Knows neither networks nor arrays.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from secgroup.engine.section import AddressPart, PortPart, Section, Sections
from secgroup.net.direction import Direction
from secgroup.policy.classes import Edges, RulePorts

_V = TypeVar("_V")


@dataclass(frozen=True, slots=True, eq=False)
class PeerSet:
    """A set of a family's addresses; equal sets are one object, so identity compares them."""

    edges: Edges


class GroupSection(NamedTuple):
    """The rules of a group in one direction and family, for the interfaces of one VPC."""

    rule_ids: tuple[str, ...]
    peers: tuple[PeerSet, ...]
    ports: tuple[RulePorts, ...]


@dataclass(frozen=True, slots=True, eq=False)
class GroupRules:
    """The four sections of a group, in SECTION_ORDER."""

    sections: tuple[GroupSection, ...]


@dataclass(frozen=True, slots=True, eq=False)
class RuleTable:
    """The rules in force on interfaces with equal groups, VPC and always tracked peers."""

    sections: Sections

    def section(self, direction: Direction, family: int) -> Section:
        """Return one direction and family of it."""
        return self.sections[direction * 2 + (family == 6)]


#: The peers that AWS always tracks by one and by two entries; IPv4, then IPv6.
Tracked: TypeAlias = tuple[PeerSet, PeerSet, PeerSet, PeerSet]


class Rebuilt(NamedTuple):
    """How many parts of each kind a compilation made anew; all others it took over."""

    peers: int
    groups: int
    addresses: int
    ports: int
    rule_tables: int
    acls: int


class Kept(Generic[_V]):
    """Parts by key, of this revision, with those of the one before to take over from."""

    def __init__(self, before: "Kept[_V] | None") -> None:
        self._before: Mapping[Hashable, tuple[Any, _V]] = {} if before is None else before._now
        self._now: dict[Hashable, tuple[Any, _V]] = {}
        self.made = 0

    def of(self, key: Hashable, make: Callable[[], _V], *, since: object = None) -> _V:
        """Return the part of `key`: the one before, if it was made of an equal `since`."""
        here = self._now.get(key)
        if here is None:
            here = self._before.get(key)
            if here is None or here[0] != since:
                here = (since, make())
                self.made += 1
            self._now[key] = here
        return here[1]

    def seal(self) -> None:
        """Let go of the revision before."""
        self._before = {}


class Memory:
    """Every part of one revision."""

    def __init__(self, before: "Memory | None") -> None:
        self.sources: Kept[PeerSet] = Kept(None if before is None else before.sources)
        self.peers: Kept[PeerSet] = Kept(None if before is None else before.peers)
        self.port_sets: Kept[RulePorts] = Kept(None if before is None else before.port_sets)
        self.groups: Kept[GroupRules] = Kept(None if before is None else before.groups)
        self.addresses: Kept[AddressPart] = Kept(None if before is None else before.addresses)
        self.ports: Kept[PortPart] = Kept(None if before is None else before.ports)
        self.rule_tables: Kept[RuleTable] = Kept(None if before is None else before.rule_tables)
        self.acls: Kept[Sections] = Kept(None if before is None else before.acls)
        self.interfaces: dict[str, int] = {} if before is None else dict(before.interfaces)
        self.owners: dict[str, int] = {} if before is None else dict(before.owners)
        self.timeouts: dict[tuple[int, ...], int] = {} if before is None else dict(before.timeouts)

    def seal(self) -> Rebuilt:
        """Let go of the revision before, and say what was made."""
        kept: tuple[Kept[Any], ...] = (
            self.peers,
            self.groups,
            self.addresses,
            self.ports,
            self.rule_tables,
            self.acls,
        )
        for each in (*kept, self.sources, self.port_sets):
            each.seal()
        return Rebuilt(*(each.made for each in kept))
