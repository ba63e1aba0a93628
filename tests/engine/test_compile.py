"""Compiling, from scratch and from one revision to the next."""

from dataclasses import replace
from ipaddress import IPv4Address
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secgroup.engine.compile import Compiled, compile  # noqa: A004
from secgroup.engine.parts import Rebuilt
from secgroup.errors import InputError
from secgroup.model.group import PrefixListReference, SecurityGroup, SecurityGroupRule
from secgroup.model.interface import NetworkInterface, PrivateIpv4
from secgroup.model.network import Network
from secgroup.model.prefix_list import PrefixList
from secgroup.model.route import Route, RouteTable, Target, TargetKind
from secgroup.net.address import ALL_IPV4, parse_prefix
from secgroup.net.direction import Direction
from secgroup.net.ports import parse_service
from secgroup.policy.resolve import Policy
from tests.support.traces import make_network
from tests.support.traces.networks import GROUPS, edited, random_group

NOTHING = Rebuilt(peers=0, groups=0, addresses=0, ports=0, rule_tables=0, acls=0)


def searched(compiled: Compiled, number: int, family: int) -> tuple[object, ...]:
    """Everything that a kernel can read of a section."""
    t = compiled.tables
    row = t.sections[number]
    roots = t.roots[row.root : row.root + int(row.last) + 2]
    port_roots = t.roots[row.port_root : row.port_root + int(row.port_last) + 2]
    entries = (t.narrow if family == 4 else t.wide)[row.entries : row.entries + roots[-1] + 1]
    ports = t.narrow[row.port_entries : row.port_entries + port_roots[-1] + 1]
    classes = 1 + int((entries & 0xFFFFFFFF).max() if family == 4 else entries[:, 2].max())
    port_classes = 1 + int((ports & np.uint64(0xFFFFFFFF)).max())
    words = int(row.words)
    bits = t.bitmaps[row.address_bits : row.address_bits + classes * words]
    port_bits = t.bitmaps[row.port_bits : row.port_bits + port_classes * words]
    weights = t.weights[row.address_class : row.address_class + classes]
    opened = t.opened[row.port_class : row.port_class + port_classes]
    parts = (roots, port_roots, entries, ports, bits, port_bits, weights, opened)
    bounds = (row.low, row.last, row.shift, row.port_low, row.port_last, row.port_shift)
    return (*map(int, bounds), words, int(row.all_open), *(part.tobytes() for part in parts))


def meaning(compiled: Compiled) -> dict[str, object]:
    """Everything that the tables say, by interface; the numbers of rows are no part of it."""
    t = compiled.tables
    owners = {number: owner for owner, number in compiled.owners.items()}
    families = (4, 6, 4, 6)
    found = {}
    for interface_id, number in compiled.interfaces.items():
        row = t.interfaces[number]
        subnet = t.subnets[row.subnet]
        acl = [
            (
                searched(compiled, section, family),
                t.numbers[
                    t.sections[section].numbers : t.sections[section].numbers
                    + t.sections[section].rules
                    + 1
                ].tolist(),
            )
            for section, family in zip(t.acls[row.acl], families, strict=True)
        ]
        found[interface_id] = (
            [
                searched(compiled, section, family)
                for section, family in zip(t.tables[row.table], families, strict=True)
            ],
            [each.rule_ids for each in compiled.rule_tables[row.table].sections],
            acl,
            compiled.acl_ids[row.acl],
            owners[row.owner],
            t.timeouts[row.timeouts].tolist(),
            (bool(row.carries_groups), bool(row.source_dest_check)),
            t.ranges[row.own4 : row.own6].tolist(),
            t.ranges[row.own6 : row.own_end].tolist(),
            (int(subnet.filter4), int(subnet.filter6), int(subnet.broadcast)),
            t.ranges[subnet.block4 : subnet.block6].tolist(),
            t.ranges[subnet.block6 : subnet.block_end].tolist(),
            t.ranges[subnet.router4 : subnet.router6].tolist(),
            t.ranges[subnet.router6 : subnet.router_end].tolist(),
            t.exempt[subnet.exempt4 : subnet.exempt6].tolist(),
            t.exempt[subnet.exempt6 : subnet.exempt_end].tolist(),
        )
    return found


def changed(random: Random, network: Network) -> Network:
    """Change something, also what an operator changes seldom."""
    what = random.choice(("edit",) * 6 + ("gone", "back", "routes", "all"))
    if what == "gone" and len(network.interfaces) > 1:
        gone = random.choice(sorted(network.interfaces))
        return replace(
            network, interfaces={k: v for k, v in network.interfaces.items() if k != gone}
        )
    if what == "back":
        old = network.interfaces[random.choice(sorted(network.interfaces))]
        new = replace(
            old,
            interface_id=f"eni-new{random.randrange(3)}",
            instance_id=None,
            ipv4=(PrivateIpv4(address=IPv4Address("10.0.1.77")),),
        )
        return replace(network, interfaces={**network.interfaces, new.interface_id: new})
    if what == "routes":
        table = network.route_tables[random.choice(sorted(network.route_tables))]
        route = Route(
            destination=parse_prefix(random.choice(("203.0.113.0/24", "::/0", "0.0.0.0/0"))),
            target=Target(
                kind=random.choice((TargetKind.NAT_GATEWAY, TargetKind.INTERNET_GATEWAY)),
                target_id="x",
            ),
        )
        new_table: RouteTable = replace(table, routes=(route, *table.routes[1:]))
        return replace(
            network, route_tables={**network.route_tables, table.route_table_id: new_table}
        )
    if what == "all":
        groups = {group_id: random_group(random, group_id) for group_id in GROUPS}
        return replace(network, groups=groups)
    return edited(random, network)


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 8))
def test_increment_equals_recompute(seed: int, steps: int) -> None:
    random = Random(seed)
    network = make_network(random)
    compiled = compile(Policy(network))
    numbers, owners = dict(compiled.interfaces), dict(compiled.owners)
    for _ in range(steps):
        network = changed(random, network)
        compiled = compile(Policy(network), previous=compiled)
        assert meaning(compiled) == meaning(compile(Policy(network)))
        for known, now in ((numbers, compiled.interfaces), (owners, compiled.owners)):
            assert all(now.get(each, number) == number for each, number in known.items())
            known.update(now)
            assert len(set(known.values())) == len(known)
    gone = set(numbers) - set(compiled.interfaces)
    assert all(compiled.tables.interfaces[numbers[each]].table == -1 for each in gone)


@pytest.fixture
def network() -> Network:
    return make_network(Random(3))


def steps(before: Network, after: Network) -> tuple[Compiled, Compiled]:
    first = compile(Policy(before))
    return first, compile(Policy(after), previous=first)


def test_the_same_network_read_again_makes_nothing_anew(network: Network) -> None:
    first, second = steps(network, make_network(Random(3)))
    assert second.rebuilt == NOTHING
    assert second.rule_tables == first.rule_tables
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
    touched = set(second.rule_tables) - set(first.rule_tables)
    assert len(touched) == second.rebuilt.rule_tables
    holders = {
        second.rule_tables[second.table_of(each.interface_id)]
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
        here = first.rule_tables[first.table_of(interface_id)]
        there = second.rule_tables[second.table_of(interface_id)]
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
        here = first.rule_tables[first.table_of(interface_id)]
        there = second.rule_tables[second.table_of(interface_id)]
        assert (here is not there) == (group_id in interface.group_ids)
        egress = (Direction.EGRESS, 4)
        assert here.section(*egress).addresses is there.section(*egress).addresses


def test_an_acl_entry_makes_its_acl_only(network: Network) -> None:
    acl_id = network.subnets["subnet-a1"].network_acl_id
    acl = network.acls[acl_id]
    grown = replace(acl, entries=acl.entries[1:])
    first, second = steps(network, replace(network, acls={**network.acls, acl_id: grown}))
    assert second.rebuilt == NOTHING._replace(acls=1)
    assert second.rule_tables == first.rule_tables


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
        compile(Policy(with_rules(network, count, peer="pl-many"))).tables for count in (1, 1000)
    )
    assert len(many.narrow) - len(few.narrow) < 3000
    assert many.size_bytes - few.size_bytes < 1 << 20


def test_tables_are_read_only_and_in_c_order(network: Network) -> None:
    empty = compile(Policy(Network()))
    for tables in (compile(Policy(network)).tables, empty.tables):
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
        t = compile(Policy(changed)).tables
        return int(t.sections[t.tables[t.interfaces[0].table, 0]].all_open)

    assert opened(ALL_IPV4) == 3
    assert opened(PrefixListReference(prefix_list_id="pl-all")) == 0
