"""Whom a rule means, as blocks of addresses, from one revision of a network to the next.

Owns the blocks that each peer stands for, counted so that one of ten thousand members comes or
goes without a look at the others. Knows no rules.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from secgroup.model.external import External
from secgroup.model.group import GroupReference, Peer, PrefixListReference
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.model.route import RouteTable
from secgroup.net.address import Prefix
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


#: A peer that means the same wherever it stands.
Source: TypeAlias = Prefix | PrefixListReference | Members | External
#: One of them, for one family.
Asked: TypeAlias = tuple[int, Source]
#: How often each block is there; two members may have one address.
Counted: TypeAlias = Counter[Block]


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
        self._counted: dict[Asked, Counted] = {}

    def of(self, family: int, source: Source) -> Iterable[Block]:
        """Return the blocks of a peer; it is known from now on."""
        if isinstance(source, Prefix):
            return (block_of(source),) if source.version == family else ()
        found = self._counted.get((family, source))
        if found is None:
            found = self._counted[family, source] = count(self.network, family, source)
        return found

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
        for asked, counted in self._counted.items():
            if not is_needed(asked):
                continue
            now = self._next(asked, counted, network, delta)
            found._counted[asked] = counted if now is None else now[0]
            if now is not None:
                moved[asked] = now[1]
        return found, moved

    def _next(
        self, asked: Asked, counted: Counted, network: Network, delta: Delta
    ) -> tuple[Counted, frozenset[Block]] | None:
        """Count the blocks of one peer after a change; None where it cannot have changed."""
        family, source = asked
        change: Counted = Counter()
        if isinstance(source, PrefixListReference):
            if source.prefix_list_id not in delta.prefix_lists:
                return None
            old, new = _apart(_entries(self.network, source), _entries(network, source))
            change.update(blocks_of(family, new))
            change.subtract(blocks_of(family, old))
            return _changed_by(counted, change)
        if not isinstance(source, Members) or source.group_id not in delta.members:
            return None
        if source.group_id in delta.groups:
            now = count(network, family, source)
            return now, frozenset(counted.keys() ^ now.keys())
        if not _is_known(network, source):
            return None
        for each in delta.interfaces:
            before, after = self.network.interfaces.get(each), network.interfaces.get(each)
            change.subtract(_blocks_of_member(family, source, before))
            change.update(_blocks_of_member(family, source, after))
        return _changed_by(counted, change)


def count(network: Network, family: int, source: Source) -> Counted:
    """Count the blocks of a peer afresh.

    Source: `policy.resolve`, where a group reference and a prefix list become addresses.
    """
    if isinstance(source, Prefix):
        return Counter(blocks_of(family, (source,)))
    if isinstance(source, PrefixListReference):
        return Counter(blocks_of(family, _entries(network, source)))
    if isinstance(source, External) or not _is_known(network, source):
        return Counter()
    return Counter(
        block
        for each in network.members.get(source.group_id, ())
        if each.vpc_id in source.vpc_ids
        for block in _blocks(family, each)
    )


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
    members = {block for each in interfaces for block in _blocks(family, each)}
    return Tracked(routed=tuple(kept), members=tuple(sorted(members)))


def _is_known(network: Network, source: Members) -> bool:
    group = network.groups.get(source.group_id)
    return group is not None and (
        source.owner_id is None or group.owner_id is None or source.owner_id == group.owner_id
    )


def _blocks_of_member(
    family: int, source: Members, interface: NetworkInterface | None
) -> list[Block]:
    if interface is None or interface.vpc_id not in source.vpc_ids:
        return []
    return _blocks(family, interface) if source.group_id in interface.group_ids else []


def _blocks(family: int, interface: NetworkInterface) -> list[Block]:
    return blocks_of(family, (*interface.addresses, *interface.prefixes))


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


def _changed_by(counted: Counted, change: Counted) -> tuple[Counted, frozenset[Block]]:
    now = counted.copy()
    flipped = set()
    for block, number in change.items():
        after = now[block] + number
        if (now[block] > 0) != (after > 0):
            flipped.add(block)
        if after == 0:
            now.pop(block, None)
        else:
            now[block] = after
    return now, frozenset(flipped)
