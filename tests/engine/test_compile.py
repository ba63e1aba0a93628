"""Compiling, from scratch and from one revision to the next."""

from dataclasses import replace
from ipaddress import IPv4Address
from random import Random

import pytest

from secgroup.engine.compile import Compiled, compile  # noqa: A004
from secgroup.engine.parts import Rebuilt, RuleTable
from secgroup.errors import InputError
from secgroup.model.group import PrefixListReference, SecurityGroup, SecurityGroupRule
from secgroup.model.interface import NetworkInterface, PrivateIpv4
from secgroup.model.network import Network
from secgroup.model.prefix_list import PrefixList
from secgroup.net.address import ALL_IPV4, parse_prefix
from secgroup.net.direction import Direction
from secgroup.net.ports import parse_service
from secgroup.policy.resolve import Policy
from tests.engine.meaning import meaning
from tests.support.traces import make_network
from tests.support.traces.networks import GROUPS

NOTHING = Rebuilt(peers=0, groups=0, addresses=0, ports=0, rule_tables=0, acls=0)


@pytest.fixture
def network() -> Network:
    return make_network(Random(3))


def whole(policy: Policy, previous: Compiled | None = None) -> Compiled:
    """Compile everything."""
    compiled = compile(policy, previous=previous)
    compiled.build()
    return compiled


def steps(before: Network, after: Network) -> tuple[Compiled, Compiled]:
    first = whole(Policy(before))
    return first, whole(Policy(after, previous=first.policy), first)


def tables_of(compiled: Compiled) -> dict[str, RuleTable]:
    return {each: compiled.rule_table(each) for each in compiled.interfaces}


def test_the_same_network_read_again_makes_nothing_anew(network: Network) -> None:
    first, second = steps(network, make_network(Random(3)))
    assert second.rebuilt == NOTHING
    assert tables_of(second) == tables_of(first)
    assert all(
        (here == there).all() for here, there in zip(first.tables, second.tables, strict=True)
    )


def test_a_new_member_of_a_group_makes_address_classes_only(network: Network) -> None:
    peers = {str(rule.peer) for group in network.groups.values() for rule in group.rules}
    member = next(
        each
        for each in network.interfaces.values()
        if each.interface_type == "interface" and peers & set(each.group_ids)
    )
    grown = replace(member, ipv4=(*member.ipv4, PrivateIpv4(address=IPv4Address("10.9.9.9"))))
    interfaces = {**network.interfaces, grown.interface_id: grown}
    first, second = steps(network, replace(network, interfaces=interfaces))
    assert second.rebuilt.addresses > 0
    assert (second.rebuilt.ports, second.rebuilt.acls) == (0, 0)
    touched = set(tables_of(second).values()) - set(tables_of(first).values())
    assert len(touched) == second.rebuilt.rule_tables
    holders = {
        second.rule_table(each.interface_id)
        for group in network.groups.values()
        if any(str(rule.peer) in member.group_ids for rule in group.rules)
        for each in network.members.get(group.group_id, ())
    }
    assert touched <= holders


def test_a_prefix_list_makes_the_address_classes_of_its_users_only(network: Network) -> None:
    entries = tuple(map(parse_prefix, ("203.0.113.0/28", "198.51.100.128/25", "192.0.2.9/32")))
    lists = {**network.prefix_lists, "pl-4": PrefixList(prefix_list_id="pl-4", entries=entries)}
    first, second = steps(network, replace(network, prefix_lists=lists))
    assert second.rebuilt.ports == 0
    for interface_id in network.interfaces:
        uses = any(
            rule.peer == PrefixListReference(prefix_list_id="pl-4")
            for group_id in network.interfaces[interface_id].group_ids
            for rule in network.groups[group_id].rules
        )
        here = first.rule_table(interface_id)
        there = second.rule_table(interface_id)
        assert (here is not there) == uses


def test_a_rule_makes_the_tables_of_its_group_only(network: Network) -> None:
    group_id = next(each for each in GROUPS if network.members.get(each))
    group = network.groups[group_id]
    rule = SecurityGroupRule(
        rule_id="sgr-new",
        group_id=group_id,
        is_egress=False,
        traffic=parse_service("tcp/7777"),
        peer=parse_prefix("192.0.2.77/32"),
    )
    grown = replace(group, rules=(*group.rules, rule))
    first, second = steps(network, replace(network, groups={**network.groups, group_id: grown}))
    assert second.rebuilt.groups > 0
    for interface_id, interface in network.interfaces.items():
        here = first.rule_table(interface_id)
        there = second.rule_table(interface_id)
        assert (here is not there) == (group_id in interface.group_ids)
        egress = (Direction.EGRESS, 4)
        assert here.section(*egress).addresses is there.section(*egress).addresses


def test_an_acl_entry_makes_its_acl_only(network: Network) -> None:
    acl_id = network.subnets["subnet-a1"].network_acl_id
    acl = network.acls[acl_id]
    grown = replace(acl, entries=acl.entries[1:])
    first, second = steps(network, replace(network, acls={**network.acls, acl_id: grown}))
    assert second.rebuilt == NOTHING._replace(acls=1)
    assert tables_of(second) == tables_of(first)


def test_interfaces_with_equal_groups_share_a_table(network: Network) -> None:
    old = next(each for each in network.interfaces.values() if len(each.group_ids) > 1)
    twin = replace(old, interface_id="eni-twin", ipv4=(), ipv6=(), prefixes=())
    turned = replace(twin, interface_id="eni-turned", group_ids=twin.group_ids[::-1])
    repeated = replace(twin, interface_id="eni-repeated", group_ids=twin.group_ids * 2)
    new = {each.interface_id: each for each in (twin, turned, repeated)}
    compiled = compile(Policy(replace(network, interfaces={**network.interfaces, **new})))
    assert compiled.table_of("eni-twin") == compiled.table_of(old.interface_id)
    assert compiled.table_of("eni-repeated") == compiled.table_of(old.interface_id)
    assert compiled.table_of("eni-turned") != compiled.table_of(old.interface_id)


def with_rules(network: Network, count: int, *, peer: str) -> Network:
    rules = tuple(
        SecurityGroupRule(
            rule_id=f"sgr-{number}",
            group_id="sg-many",
            is_egress=False,
            traffic=parse_service(f"tcp/{number}"),
            peer=PrefixListReference(prefix_list_id=peer),
        )
        for number in range(count)
    )
    group = SecurityGroup(group_id="sg-many", vpc_ids=("vpc-a",), rules=rules)
    crowded = replace(network.interfaces["eni-a0"], group_ids=("sg-many",))
    entries = tuple(parse_prefix(f"10.{each >> 8}.{each & 255}.0/25") for each in range(20_000))
    return replace(
        network,
        groups={**network.groups, "sg-many": group},
        interfaces={"eni-a0": crowded},
        prefix_lists={
            **network.prefix_lists,
            "pl-many": PrefixList(prefix_list_id="pl-many", entries=entries),
        },
    )


def test_more_rules_than_a_bitmap_holds_are_refused_in_one_line(network: Network) -> None:
    compile(Policy(with_rules(network, 1000, peer="pl-4")))
    with pytest.raises(InputError, match=r"^eni-a0: ingress over IPv4: 1001 rules, .*1000$"):
        compile(Policy(with_rules(network, 1001, peer="pl-4")))


def test_rules_with_one_prefix_list_share_its_classes(network: Network) -> None:
    few, many = (
        whole(Policy(with_rules(network, count, peer="pl-many"))).tables for count in (1, 1000)
    )
    assert len(many.narrow) - len(few.narrow) < 3000
    assert many.size_bytes - few.size_bytes < 1 << 20


def test_tables_are_read_only_and_in_c_order(network: Network) -> None:
    empty = compile(Policy(Network()))
    for tables in (compile(Policy(network)).tables, whole(Policy(network)).tables, empty.tables):
        for array, other in zip(tables, empty.tables, strict=True):
            assert not array.flags.writeable
            assert array.flags.c_contiguous
            assert (array.dtype, array.ndim) == (other.dtype, other.ndim)


def test_a_prefix_list_with_everything_is_not_open(network: Network) -> None:
    def opened(peer: object) -> int:
        rule = SecurityGroupRule(
            rule_id="sgr-1",
            group_id="sg-1",
            is_egress=False,
            traffic=parse_service("all"),
            peer=peer,  # type: ignore[arg-type]
        )
        group = SecurityGroup(group_id="sg-1", vpc_ids=("vpc-a",), rules=(rule,))
        interface = NetworkInterface(
            interface_id="eni-1", vpc_id="vpc-a", subnet_id="subnet-a1", group_ids=("sg-1",)
        )
        changed = replace(network, groups={"sg-1": group}, interfaces={"eni-1": interface})
        t = whole(Policy(changed)).tables
        return int(t.sections[t.tables[t.interfaces[0].table, 0]].all_open)

    assert opened(ALL_IPV4) == 3
    assert opened(PrefixListReference(prefix_list_id="pl-all")) == 0


def test_what_no_revision_needs_any_more_is_left_behind(network: Network) -> None:
    first, second = steps(network, replace(network, groups=make_network(Random(4)).groups))
    assert second.arena is first.arena
    second.arena.limit_bytes = 0
    third = whole(Policy(second.policy.network, previous=second.policy), second)
    assert third.arena is not second.arena
    assert third.arena.size_bytes < second.arena.size_bytes
    assert tables_of(third) == tables_of(second)
    assert third.rebuilt.rule_tables == 0
    assert meaning(third) == meaning(second)
    fourth = whole(Policy(second.policy.network, previous=third.policy), third)
    assert fourth.arena is third.arena
