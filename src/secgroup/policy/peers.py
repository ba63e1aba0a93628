"""Whom a rule means, as blocks of addresses, from one revision of a network to the next.

Owns the blocks that each peer stands for, counted so that one of ten thousand members comes or
goes without a look at the others. Knows no rules.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from secgroup.model.external import External
from secgroup.model.group import GroupReference, Peer, PrefixListReference
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.model.route import RouteTable
from secgroup.net.address import Address, Prefix
from secgroup.policy.blocks import Block, Tracked, bits_of, block_of, blocks_of, first_of, length_of
from secgroup.policy.classes import weights_of_routes
from secgroup.policy.delta import Delta


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """The members of a group, as a rule of one VPC means them.

    Parameters
    ----------
    vpc_ids : frozenset of str
        The VPC and those that are joined to it.
    owner_id : str or None
        Whose group it is, if the rule says so.

    """

    group_id: str
    owner_id: str | None
    vpc_ids: frozenset[str]


FAMILIES: Final = (4, 6)

#: A peer that means the same wherever it stands.
Source: TypeAlias = Prefix | PrefixListReference | Members | External
#: One of them, for one family.
Asked: TypeAlias = tuple[int, Source]
#: How often each block is there, IPv4 and IPv6; two members may have one address.
Counted: TypeAlias = tuple[Counter[Block], Counter[Block]]
#: The blocks that came or went, IPv4 and IPv6.
Flipped: TypeAlias = tuple[frozenset[Block], frozenset[Block]]


def source_of(peer: Peer, joined: frozenset[str]) -> Source:
    """Return a rule's peer by what it means for the interfaces of a VPC.

    Parameters
    ----------
    joined : frozenset of str
        The VPC and those that are joined to it.

    """
    if isinstance(peer, GroupReference):
        return Members(group_id=peer.group_id, owner_id=peer.owner_id, vpc_ids=joined)
    return peer


class Peers:
    """The blocks of every peer that has been asked for, at one revision of a network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._counted: dict[Source, Counted] = {}

    def of(self, family: int, source: Source) -> Iterable[Block]:
        """Return the blocks of a peer; it is known from now on."""
        if isinstance(source, Prefix):
            return (block_of(source),) if source.version == family else ()
        found = self._counted.get(source)
        if found is None:
            found = self._counted[source] = count(self.network, source)
        return found[FAMILIES.index(family)]

    def revised(
        self, network: Network, delta: Delta, is_needed: Callable[[Asked], bool]
    ) -> tuple["Peers", dict[Asked, frozenset[Block]]]:
        """Return the peers of the next revision, and the blocks that came and went.

        Parameters
        ----------
        is_needed : callable
            Says whose blocks are still asked for; others are forgotten.

        """
        found, moved = Peers(network), {}
        for source, counted in self._counted.items():
            if not any(is_needed((family, source)) for family in FAMILIES):
                continue
            now = self._next(source, counted, network, delta)
            found._counted[source] = counted if now is None else now[0]
            for family, flipped in zip(FAMILIES, () if now is None else now[1], strict=False):
                if flipped:
                    moved[family, source] = flipped
        return found, moved

    def _next(
        self, source: Source, counted: Counted, network: Network, delta: Delta
    ) -> tuple[Counted, Flipped] | None:
        """Count the blocks of one peer after a change; None where it cannot have changed."""
        if isinstance(source, PrefixListReference):
            if source.prefix_list_id not in delta.prefix_lists:
                return None
            entries = _entries(network, source)
            old, new = _apart(_entries(self.network, source), entries)
            if len(old) + len(new) > len(entries):
                return _turned_into(counted, _count(entries))
            return _changed_by(counted, old, new)
        if not isinstance(source, Members) or source.group_id not in delta.members:
            return None
        if source.group_id in delta.groups:
            return _turned_into(counted, count(network, source))
        if not _is_known(network, source):
            return None
        places = [
            [
                place
                for each in delta.interfaces
                for place in _places(source, revision.interfaces.get(each))
            ]
            for revision in (self.network, network)
        ]
        return _changed_by(counted, *places)


def count(network: Network, source: Source) -> Counted:
    """Count the blocks of a peer afresh.

    Source: `policy.resolve`, where a group reference and a prefix list become addresses.
    """
    if isinstance(source, Prefix):
        return _count((source,))
    if isinstance(source, PrefixListReference):
        return _count(_entries(network, source))
    if isinstance(source, External) or not _is_known(network, source):
        return _count(())
    members = network.members.get(source.group_id, ())
    return _count([place for each in members for place in _places(source, each)])


def _count(places: Iterable[Address | Prefix]) -> Counted:
    found: tuple[list[Block], list[Block]] = ([], [])
    for each in places:
        found[each.version == 6].append(block_of(each))
    return Counter(found[0]), Counter(found[1])


def _turned_into(counted: Counted, now: Counted) -> tuple[Counted, Flipped]:
    first, second = (
        frozenset(old.keys() ^ new.keys()) for old, new in zip(counted, now, strict=True)
    )
    return now, (first, second)


def _changed_by(
    counted: Counted, gone: Iterable[Address | Prefix], come: Iterable[Address | Prefix]
) -> tuple[Counted, Flipped]:
    """Return what it is with some places less and some more, without a look at the others."""
    found, flipped = [], []
    for old, less, more in zip(counted, _count(gone), _count(come), strict=True):
        touched = less.keys() | more.keys()
        now = old.copy() if touched else old
        for block in touched:
            now[block] += more[block] - less[block]
            if now[block] == 0:
                del now[block]
        found.append(now)
        flipped.append(frozenset(each for each in touched if (each in old) != (each in now)))
    return (found[0], found[1]), (flipped[0], flipped[1])


def tracked_blocks(
    family: int,
    network: Network,
    route_table: RouteTable | None,
    interfaces: Iterable[NetworkInterface],
) -> Tracked:
    """Return what `policy.classes.tracked_addresses` does, by block.

    Blocks that say what the block around them says are left out.
    """
    weights = {} if route_table is None else weights_of_routes(family, network, route_table)
    kept: list[tuple[Block, int]] = []
    outer = [(1 << bits_of(family), 0)]
    for block, weight in sorted((block_of(each), weight) for each, weight in weights.items()):
        while outer[-1][0] <= first_of(block):
            outer.pop()
        if weight != outer[-1][1]:
            kept.append((block, weight))
        outer.append((first_of(block) + (1 << (bits_of(family) - length_of(block))), weight))
    members = {
        block
        for each in interfaces
        for block in blocks_of(family, (*each.addresses, *each.prefixes))
    }
    return Tracked(routed=tuple(kept), members=tuple(sorted(members)))


def _is_known(network: Network, source: Members) -> bool:
    group = network.groups.get(source.group_id)
    return group is not None and (
        source.owner_id is None or group.owner_id is None or source.owner_id == group.owner_id
    )


def _places(source: Members, interface: NetworkInterface | None) -> Sequence[Address | Prefix]:
    """Return the addresses and delegated prefixes of a member; none of who is no member."""
    if interface is None or interface.vpc_id not in source.vpc_ids:
        return ()
    if source.group_id not in interface.group_ids:
        return ()
    return (*interface.addresses, *interface.prefixes)


def _entries(network: Network, source: PrefixListReference) -> Sequence[Prefix]:
    found = network.prefix_lists.get(source.prefix_list_id)
    return () if found is None or found.entries is None else found.entries


def _apart(
    before: Sequence[Prefix], after: Sequence[Prefix]
) -> tuple[Sequence[Prefix], Sequence[Prefix]]:
    """Leave out what two sequences begin and end with, the same objects."""
    shorter = min(len(before), len(after))
    head = 0
    while head < shorter and before[head] is after[head]:
        head += 1
    tail = 0
    while tail < shorter - head and before[-1 - tail] is after[-1 - tail]:
        tail += 1
    return before[head : len(before) - tail], after[head : len(after) - tail]
