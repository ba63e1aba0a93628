"""The parts that a policy is compiled of.

Owns what a part's identity means: parts of equal values are one object as long as somebody has
it, so that what is made of them can be looked up by them. Knows neither networks nor arrays.
"""

from collections import Counter
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, TypeVar
from weakref import WeakValueDictionary

from secgroup.engine.section import AddressPart, PortPart, Section, Sections
from secgroup.net.direction import Direction
from secgroup.net.ports import Traffic
from secgroup.policy.classes import Edges, RulePorts

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
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


class TableKey(NamedTuple):
    """What interfaces that share a rule table have in common."""

    vpc_id: str
    group_ids: tuple[str, ...]
    tracked: Tracked


class Rebuilt(NamedTuple):
    """How many parts of each kind were made; all others were there."""

    peers: int
    groups: int
    addresses: int
    ports: int
    rule_tables: int
    acls: int


class Parts:
    """Every part that somebody has, by its value, and how many were made."""

    def __init__(self) -> None:
        self.peers: WeakValueDictionary[Edges, PeerSet] = WeakValueDictionary()
        self.port_sets: WeakValueDictionary[tuple[int, Traffic, bool], RulePorts] = (
            WeakValueDictionary()
        )
        self.addresses: WeakValueDictionary[
            tuple[int, tuple[PeerSet, ...], tuple[PeerSet, ...]], AddressPart
        ] = WeakValueDictionary()
        self.ports: WeakValueDictionary[tuple[int, tuple[RulePorts, ...]], PortPart] = (
            WeakValueDictionary()
        )
        self.made: Counter[str] = Counter()

    def of(self, kind: str, parts: MutableMapping[_K, _V], key: _K, make: Callable[[], _V]) -> _V:
        """Return the part of a key, made if nobody has it."""
        found = parts.get(key)
        if found is None:
            found = parts[key] = make()
            self.made[kind] += 1
        return found
