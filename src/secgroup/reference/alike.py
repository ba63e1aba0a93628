"""Members of a group that nothing in a network tells apart, so that one pair answers for many.

Owns when two interfaces are alike: the same subnet, groups and settings, and addresses between
which no block of any rule, ACL entry, prefix list or route begins or ends.
"""

from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator, Sequence

from secgroup.model.network import Network
from secgroup.model.route import TargetKind
from secgroup.net.address import Address, Prefix
from secgroup.reference.endpoint import End, InterfaceEnd
from secgroup.reference.partition import span_of


def alike(
    network: Network, pairs: Sequence[tuple[End, End]]
) -> tuple[tuple[tuple[End, End], ...], ...]:
    """Put pairs together that meet the same, for whatever traffic.

    Returns
    -------
    tuple of tuple of pair
        The first pair of each may answer for all of them.

    """
    borders = {
        family: sorted({edge for block in _blocks(network) for edge in _edges(block, family)})
        for family in (4, 6)
    }
    special = _special(network)
    keys: dict[int, Hashable] = {}
    for end in {id(end): end for pair in pairs for end in pair}.values():
        keys[id(end)] = _key(end, borders, special)
    found: dict[Hashable, list[tuple[End, End]]] = {}
    for pair in pairs:
        key = (keys[id(pair[0])], keys[id(pair[1])], _share_flows(pair))
        found.setdefault(key, []).append(pair)
    return tuple(map(tuple, found.values()))


def _key(end: End, borders: dict[int, list[int]], special: frozenset[str]) -> Hashable:
    if not isinstance(end, InterfaceEnd):
        return end.label
    interface = end.interface
    public = next((each.public for each in interface.ipv4 if each.address == end.address), None)

    def place(address: Address) -> int:
        return bisect_right(borders[address.version], int(address))

    is_special = bool(interface.prefixes) or bool(
        {interface.interface_id, interface.instance_id} & special
    )
    return (
        interface.subnet_id,
        interface.group_ids,
        interface.interface_type,
        interface.source_dest_check,
        place(end.address),
        None if public is None else place(public),
        end.public is None,
        interface.interface_id if is_special else None,
    )


def _share_flows(pair: tuple[End, End]) -> bool:
    """Two interfaces of one instance have one table of flows."""
    source, destination = pair
    return (
        isinstance(source, InterfaceEnd)
        and isinstance(destination, InterfaceEnd)
        and source.interface.owner == destination.interface.owner
    )


def _edges(block: Prefix, family: int) -> Iterable[int]:
    if block.version != family:
        return ()
    first, last = span_of(block)
    return (first, last + 1)


def _blocks(network: Network) -> Iterator[Prefix]:
    """Yield every block that something in the network is written for."""
    for group in network.groups.values():
        for rule in group.rules:
            if isinstance(rule.peer, Prefix):
                yield rule.peer
    for acl in network.acls.values():
        for entry in acl.entries:
            if isinstance(entry.cidr, Prefix):
                yield entry.cidr
    for table in network.route_tables.values():
        for route in table.routes:
            if isinstance(route.destination, Prefix):
                yield route.destination
    for prefix_list in network.prefix_lists.values():
        yield from prefix_list.entries or ()
    for interface in network.delegated:
        yield from interface.prefixes


def _special(network: Network) -> frozenset[str]:
    """Return the interfaces and instances that routes lead to: no other one is like them."""
    targets = {
        route.target.target_id
        for table in network.route_tables.values()
        for route in table.routes
        if route.target.kind in (TargetKind.INTERFACE, TargetKind.INSTANCE)
    }
    nats = {each for nat in network.nat_gateways.values() for each in nat.interface_ids}
    return frozenset(targets | nats)
