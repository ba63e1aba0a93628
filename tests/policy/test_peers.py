"""Who a peer is, counted from one revision to the next, is who it is counted afresh."""

from dataclasses import replace
from random import Random

import pytest

from secgroup.model.external import External
from secgroup.model.group import GroupReference, PrefixListReference
from secgroup.net.address import parse_prefix
from secgroup.policy.blocks import block_of
from secgroup.policy.delta import between
from secgroup.policy.peers import FAMILIES, Members, Peers, Source, count, source_of
from secgroup.policy.resolve import Policy
from tests.support import policy_worlds as worlds
from tests.support.traces.networks import GROUPS, LISTS, VPCS, edited, make_network


def sources(vpc_ids: frozenset[str]) -> list[Source]:
    peers = [GroupReference(group_id=each) for each in (*GROUPS, "sg-elsewhere")]
    lists = [PrefixListReference(prefix_list_id=each) for each in (*LISTS, "pl-none", "pl-no")]
    return [*(source_of(each, vpc_ids) for each in (*peers, *lists)), External("elsewhere")]


@pytest.mark.parametrize("seed", range(8))
def test_increment_equals_recompute(seed: int) -> None:
    random = Random(seed)
    network = make_network(random)
    asked = [
        each
        for vpc_ids in (frozenset(VPCS), frozenset({"vpc-a"}), frozenset({"vpc-a", "vpc-d"}))
        for each in sources(vpc_ids)
    ]
    peers, flipped = Peers(network), 0
    for source in asked:
        peers.of(4, source)
    for _ in range(60):
        after = edited(random, network)
        revised, moved = peers.revised(after, between(network, after), lambda _: True)
        for source in asked:
            fresh = count(after, source)
            for number, family in enumerate(FAMILIES):
                before = set(peers.of(family, source))
                now = revised.of(family, source)
                assert now == fresh[number]
                assert moved.get((family, source), frozenset()) == before ^ set(now)
                flipped += before != set(now)
        network, peers = after, revised
    assert flipped > 0


@pytest.mark.parametrize("vpc_id", ["vpc-a", "vpc-b"])
def test_members_are_whom_the_definition_says(vpc_id: str) -> None:
    network = make_network(Random(3))
    policy = Policy(network)
    for group in network.groups.values():
        permissions = policy.permissions_of(vpc_id, group.group_id)
        by_id = {each.rule_id: each for pair in permissions for each in pair}
        for rule in group.rules:
            blocks = count(network, source_of(rule.peer, policy.joined[vpc_id]))
            said = by_id[rule.rule_id]
            expected = {
                (each.version, block_of(each)) for each in (*said.prefixes, *said.addresses)
            }
            found = {
                (family, block)
                for family, each in zip(FAMILIES, blocks, strict=True)
                for block in each
            }
            assert found == expected


def test_an_address_of_two_members_goes_with_the_second() -> None:
    source = Members(group_id="sg-members", owner_id=None, vpc_ids=frozenset({"vpc-1"}))
    one = worlds.interface(2)
    both = worlds.with_interface(worlds.world(members=1), replace(one, interface_id="eni-twin"))
    block = block_of(one.ipv4[0].address)
    peers = Peers(both)
    assert peers.of(4, source) == {block: 2}
    without = worlds.without_interface(both, "eni-2")
    peers, moved = peers.revised(without, between(both, without), lambda _: True)
    assert (dict(peers.of(4, source)), moved) == ({block: 1}, {})  # type: ignore[call-overload]
    neither = worlds.without_interface(without, "eni-twin")
    peers, moved = peers.revised(neither, between(without, neither), lambda _: True)
    assert moved == {(4, source): {block}}
    assert not peers.of(4, source)


def test_a_list_that_says_a_block_twice_has_it_until_both_are_gone() -> None:
    source = PrefixListReference(prefix_list_id="pl-1")
    block = block_of(parse_prefix("203.0.113.0/24"))
    networks = [
        worlds.world(lists=[worlds.a_list(*entries)])
        for entries in (
            ("203.0.113.0/24", "198.51.100.0/24", "203.0.113.0/24"),
            ("203.0.113.0/24", "198.51.100.0/24"),
            ("198.51.100.0/24",),
        )
    ]
    peers = Peers(networks[0])
    peers.of(4, source)
    peers, moved = peers.revised(networks[1], between(*networks[:2]), lambda _: True)
    assert moved == {}
    _, moved = peers.revised(networks[2], between(*networks[1:]), lambda _: True)
    assert moved == {(4, source): {block}}


def test_what_nobody_asks_for_is_forgotten() -> None:
    network = worlds.world(members=3)
    source = Members(group_id="sg-members", owner_id=None, vpc_ids=frozenset({"vpc-1"}))
    peers = Peers(network)
    peers.of(4, source)
    revised, moved = peers.revised(
        worlds.world(members=9), between(network, worlds.world(members=9)), lambda _: False
    )
    assert moved == {}
    assert len(list(revised.of(4, source))) == 9
