"""`increment_equals_recompute`: a revision made of the one before is the one made afresh."""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address
from random import Random
from typing import Final, TypeVar

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secgroup.engine.compile import compile  # noqa: A004
from secgroup.model.group import GroupReference, PrefixListReference
from secgroup.model.interface import PrivateIpv4
from secgroup.model.network import Network
from secgroup.model.route import Route, Target, TargetKind
from secgroup.net.address import parse_prefix
from secgroup.policy.resolve import Policy
from tests.engine.meaning import meaning
from tests.support.traces import make_network
from tests.support.traces.networks import GROUPS, edited, random_group, random_rule

Noun = TypeVar("Noun")
SPARE: Final = (PrivateIpv4(address=IPv4Address("10.0.1.77")),)

law = settings(
    max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def one_of(random: Random, nouns: Mapping[str, Noun]) -> Noun:
    return nouns[random.choice(sorted(nouns))]


def member(random: Random, network: Network) -> Network:
    """An interface goes, comes, moves to another address or is of another kind."""
    old = one_of(random, network.interfaces)
    rest = {each: noun for each, noun in network.interfaces.items() if noun is not old}
    if random.random() < 0.3 and rest:
        return replace(network, interfaces=rest)
    new = random.choice(
        (
            replace(
                old, interface_id=f"eni-new{random.randrange(3)}", instance_id=None, ipv4=SPARE
            ),
            replace(old, ipv4=(*old.ipv4[:1], *SPARE)),
            replace(old, prefixes=(parse_prefix("10.0.1.240/28"),)),
            replace(old, interface_type=random.choice(("interface", "lambda", "natGateway"))),
            replace(old, instance_id=random.choice(sorted(network.instances))),
        )
    )
    return replace(network, interfaces={**network.interfaces, new.interface_id: new})


def instance(random: Random, network: Network) -> Network:
    old = one_of(random, network.instances)
    new = replace(old, instance_type=random.choice(("m8i.large", "m5.large", None)))
    return replace(network, instances={**network.instances, old.instance_id: new})


def group(random: Random, network: Network) -> Network:
    """A group goes, comes back with other rules, or is another account's; or all are others."""
    group_id = random.choice(GROUPS)
    rest = {each: noun for each, noun in network.groups.items() if each != group_id}
    chance = random.random()
    if chance < 0.3:
        return replace(network, groups=rest)
    if chance < 0.4:
        return replace(network, groups={each: random_group(random, each) for each in GROUPS})
    new = random_group(random, group_id)
    if random.random() < 0.5:
        new = replace(network.groups.get(group_id, new), owner_id=random.choice("12"))
    return replace(network, groups={**rest, group_id: new})


def rule(random: Random, network: Network) -> Network:
    """A group gets a rule for a group of some account, which may not be the group's own."""
    old = network.groups.get(random.choice(GROUPS)) or random_group(random, GROUPS[0])
    peer = GroupReference(group_id=random.choice(GROUPS), owner_id=random.choice(("1", "2", None)))
    new = replace(random_rule(random, old.group_id, random.randrange(100, 999)), peer=peer)
    new_group = replace(old, rules=(*old.rules, new))
    return replace(network, groups={**network.groups, old.group_id: new_group})


def routes(random: Random, network: Network) -> Network:
    old = one_of(random, network.route_tables)
    prefix = parse_prefix(random.choice(("203.0.113.0/24", "::/0", "0.0.0.0/0")))
    prefix_list = PrefixListReference(prefix_list_id=random.choice(sorted(network.prefix_lists)))
    route = Route(
        destination=random.choice((prefix, prefix_list)),
        target=Target(
            kind=random.choice((TargetKind.NAT_GATEWAY, TargetKind.INTERNET_GATEWAY)),
            target_id="x",
        ),
    )
    new = replace(old, routes=(route, *old.routes[1:]))
    return replace(network, route_tables={**network.route_tables, old.route_table_id: new})


def surroundings(random: Random, network: Network) -> Network:
    """A peering ends or begins, an endpoint goes, a subnet gets the other ACL of its VPC."""
    chance = random.random()
    if chance < 0.4:
        peering = one_of(random, network.peerings)
        turned = replace(peering, is_active=not peering.is_active)
        return replace(network, peerings={**network.peerings, peering.peering_id: turned})
    if chance < 0.6:
        return replace(network, endpoints={})
    subnet = one_of(random, network.subnets)
    acls = [each for each, acl in network.acls.items() if acl.vpc_id == subnet.vpc_id]
    moved = replace(subnet, network_acl_id=random.choice(acls))
    return replace(network, subnets={**network.subnets, subnet.subnet_id: moved})


def operator(random: Random, network: Network) -> Network:
    return edited(random, network) if network.groups.keys() >= {*GROUPS} else network


def changed(random: Random, network: Network) -> Network:
    """Change anything that a policy is made of."""
    seldom = (member, instance, group, rule, routes, surroundings)
    return random.choice((operator,) * 4 + seldom)(random, network)


@law
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 8))
def test_increment_equals_recompute(seed: int, steps: int) -> None:
    """Of a policy: at every interface, whatever was asked of the revisions before."""
    random = Random(seed)
    network = make_network(random)
    policy = Policy(network)
    for _ in range(steps):
        for each in random.sample(sorted(network.interfaces), len(network.interfaces) // 2):
            policy.at(each)
        network = changed(random, network)
        policy = Policy(network, previous=policy)
    afresh = Policy(network)
    assert [policy.at(each) for each in network.interfaces] == [
        afresh.at(each) for each in network.interfaces
    ]


@law
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 8))
def test_increment_equals_recompute_compiled(seed: int, steps: int) -> None:
    """Of tables: whatever of the revisions before was laid down."""
    random = Random(seed)
    network = make_network(random)
    compiled = compile(Policy(network))
    numbers, owners = dict(compiled.interfaces), dict(compiled.owners)
    for _ in range(steps):
        network = changed(random, network)
        policy = Policy(network, previous=compiled.policy if random.random() < 0.8 else None)
        compiled = compile(policy, previous=compiled)
        if random.random() < 0.2:
            compiled.arena.limit_bytes = 0
        met = random.sample(sorted(compiled.interfaces.values()), random.randrange(3))
        compiled.build(np.array(met, dtype=np.int32))
        if random.random() < 0.5:
            continue
        assert meaning(compiled) == meaning(compile(Policy(network)))
        for known, now in ((numbers, compiled.interfaces), (owners, compiled.owners)):
            assert all(now.get(each, number) == number for each, number in known.items())
            known.update(now)
            assert len(set(known.values())) == len(known)
    gone = set(numbers) - set(compiled.interfaces)
    assert all(compiled.tables.interfaces[numbers[each]].table == -1 for each in gone)
