"""What a change reaches. That nothing more is reached, tests/laws/test_increment.py shows."""

from dataclasses import replace
from random import Random

import pytest

from secgroup.model.group import GroupReference, PrefixListReference, SecurityGroup
from secgroup.model.network import Network
from secgroup.model.prefix_list import PrefixList
from secgroup.model.route import Route, Target, TargetKind
from secgroup.net.address import parse_prefix
from secgroup.policy.delta import between
from secgroup.policy.policy import ALWAYS_TRACKED_TYPES
from secgroup.policy.resolve import Policy
from tests.support.traces import make_network
from tests.support.traces.networks import random_rule

NOTHING = between(Network(), Network())


@pytest.fixture
def network() -> Network:
    return make_network(Random(3))


def test_network_read_again_is_no_change(network: Network) -> None:
    assert between(network, make_network(Random(3))) == NOTHING
    assert not NOTHING.surroundings


def test_group_of_another_account_is_another_to_references(network: Network) -> None:
    group = SecurityGroup(group_id="sg-x", vpc_ids=("vpc-a",), owner_id="1")
    peer = GroupReference(group_id="sg-x", owner_id="1")
    rule = replace(random_rule(Random(1), "sg-y", 1), peer=peer)
    referring = SecurityGroup(group_id="sg-y", vpc_ids=("vpc-a",), rules=(rule,))
    before = replace(network, groups={"sg-x": group, "sg-y": referring})
    groups = {**before.groups, "sg-x": replace(group, owner_id="2")}
    policy = Policy(before)
    delta = between(before, replace(before, groups=groups))
    assert delta.members == {"sg-x"}
    assert policy.groups_reached_by(delta) == {"sg-x", "sg-y"}
    renamed = {**before.groups, "sg-x": replace(group, name="other")}
    assert between(before, replace(before, groups=renamed)).members == set()


def test_prefix_list_of_a_route_is_around_everyone(network: Network) -> None:
    lists = {**network.prefix_lists, "pl-x": PrefixList(prefix_list_id="pl-x", entries=())}
    table = next(iter(network.route_tables.values()))
    route = Route(
        destination=PrefixListReference(prefix_list_id="pl-x"),
        target=Target(kind=TargetKind.GATEWAY_ENDPOINT, target_id="vpce-x"),
    )
    tables = {**network.route_tables, table.route_table_id: replace(table, routes=(route,))}
    entries = (parse_prefix("203.0.113.0/24"),)
    grown = {**lists, "pl-x": PrefixList(prefix_list_id="pl-x", entries=entries)}
    for route_tables, is_around in ((network.route_tables, False), (tables, True)):
        before = replace(network, prefix_lists=lists, route_tables=route_tables)
        delta = between(before, replace(before, prefix_lists=grown))
        assert delta.prefix_lists == {"pl-x"}
        assert delta.surroundings == is_around


def test_interface_whose_flows_are_always_tracked_is_around_everyone(network: Network) -> None:
    for old in network.interfaces.values():
        new = replace(old, prefixes=(parse_prefix("10.0.1.240/28"),))
        after = replace(network, interfaces={**network.interfaces, old.interface_id: new})
        delta = between(network, after)
        assert delta.interfaces == {old.interface_id}
        assert delta.members == set(old.group_ids)
        assert delta.surroundings == (old.interface_type in ALWAYS_TRACKED_TYPES)


def test_instance_of_another_type_makes_its_interfaces_others(network: Network) -> None:
    old = next(iter(network.instances.values()))
    new = replace(old, instance_type="t3.nano")
    after = replace(network, instances={**network.instances, old.instance_id: new})
    assert between(network, after).interfaces == {
        each.interface_id
        for each in network.interfaces.values()
        if each.instance_id == old.instance_id
    }


def test_what_a_change_does_not_reach_is_taken_over(network: Network) -> None:
    before = Policy(network)
    pairs = {each: before.permissions_of("vpc-a", each) for each in network.groups}
    group_id = next(iter(network.groups))
    group = replace(network.groups[group_id], rules=())
    after = Policy(replace(network, groups={**network.groups, group_id: group}), previous=before)
    taken = {each for each in pairs if after.permissions_of("vpc-a", each) is pairs[each]}
    assert taken == network.groups.keys() - {group_id}
