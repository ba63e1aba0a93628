"""`Delta`: what of a network is another from one revision to the next, and what that reaches.

Owns which nouns a change can reach. A noun that is one object in both revisions is unchanged;
others are compared by value, so that a network which is read again is no change.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from secgroup.model.group import GroupReference, PrefixListReference, SecurityGroup
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.policy.policy import ALWAYS_TRACKED_TYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What is new, gone or another, by id.

    Parameters
    ----------
    interfaces : frozenset of str
        Those of changed instances included.
    groups : frozenset of str
    members : frozenset of str
        The groups a reference to which may stand for other addresses.
    prefix_lists, acls : frozenset of str
    surroundings : bool
        VPCs, subnets, routes, endpoints or services: what any interface has around it may be
        another. Which VPCs are joined is `Policy.joined`.

    """

    interfaces: frozenset[str]
    groups: frozenset[str]
    members: frozenset[str]
    prefix_lists: frozenset[str]
    acls: frozenset[str]
    surroundings: bool


def between(before: Network, after: Network) -> Delta:
    """Compare two revisions of a network."""
    interfaces = _changed(before.interfaces, after.interfaces)
    groups = _changed(before.groups, after.groups)
    prefix_lists = _changed(before.prefix_lists, after.prefix_lists)
    instances = _changed(before.instances, after.instances)
    if instances:
        interfaces |= {
            each.interface_id for each in after.interfaces.values() if each.instance_id in instances
        }
    return Delta(
        interfaces=interfaces,
        groups=groups,
        members=_members(before, after, interfaces, groups),
        prefix_lists=prefix_lists,
        acls=_changed(before.acls, after.acls),
        surroundings=_are_surroundings_changed(before, after)
        or any(
            each.interface_type in ALWAYS_TRACKED_TYPES for each in _both(before, after, interfaces)
        )
        or (bool(prefix_lists) and not prefix_lists.isdisjoint(_lists_of_routes(after))),
    )


def targets_of(group: SecurityGroup) -> frozenset[str]:
    """Return the ids of the groups and prefix lists that a group's rules refer to."""
    found = set()
    for rule in group.rules:
        if isinstance(rule.peer, GroupReference):
            found.add(rule.peer.group_id)
        elif isinstance(rule.peer, PrefixListReference):
            found.add(rule.peer.prefix_list_id)
    return frozenset(found)


def _changed(before: Mapping[str, object], after: Mapping[str, object]) -> frozenset[str]:
    if before is after:
        return frozenset()
    found = set()
    for key, noun in after.items():
        old = before.get(key)
        if old is not noun and old != noun:
            found.add(key)
    found |= before.keys() - after.keys()
    return frozenset(found)


def _are_surroundings_changed(before: Network, after: Network) -> bool:
    return any(
        here is not there and here != there
        for here, there in (
            (before.vpcs, after.vpcs),
            (before.subnets, after.subnets),
            (before.route_tables, after.route_tables),
            (before.endpoints, after.endpoints),
        )
    )


def _both(
    before: Network, after: Network, interface_ids: Iterable[str]
) -> Iterable[NetworkInterface]:
    for each in interface_ids:
        for network in (before, after):
            if each in network.interfaces:
                yield network.interfaces[each]


def _members(
    before: Network, after: Network, interfaces: Iterable[str], groups: Iterable[str]
) -> frozenset[str]:
    """Return the groups whose members, or who they are to a reference, may be others."""
    found: set[str] = set()
    for each in interfaces:
        then, now = before.interfaces.get(each), after.interfaces.get(each)
        then_in = frozenset() if then is None else frozenset(then.group_ids)
        now_in = frozenset() if now is None else frozenset(now.group_ids)
        is_there = then is not None and now is not None and _place(then) == _place(now)
        found |= then_in ^ now_in if is_there else then_in | now_in
    for each in groups:
        here, there = before.groups.get(each), after.groups.get(each)
        if here is None or there is None or here.owner_id != there.owner_id:
            found.add(each)
    return frozenset(found)


def _place(interface: NetworkInterface) -> tuple[object, ...]:
    """Return what a reference to a group sees of a member."""
    return interface.vpc_id, interface.addresses, interface.prefixes


def _lists_of_routes(network: Network) -> Iterable[str]:
    routes = chain.from_iterable(each.routes for each in network.route_tables.values())
    for route in routes:
        if isinstance(route.destination, PrefixListReference):
            yield route.destination.prefix_list_id
