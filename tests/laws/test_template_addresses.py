"""Laws of the addresses that a template's interfaces get."""

from ipaddress import IPv4Network, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secgroup.errors import InputError
from secgroup.model.vpc import Subnet
from secgroup.sources.cfn_addresses import Wanted, derive, derive_ipv6_block, derive_public

WIDE = Subnet(
    subnet_id="Wide",
    vpc_id="Vpc",
    network_acl_id="Acl",
    ipv4_block=IPv4Network("10.0.0.0/16"),
    ipv6_blocks=(IPv6Network("2001:db8::/64"),),
)
SMALL = Subnet(
    subnet_id="Small", vpc_id="Vpc", network_acl_id="Acl", ipv4_block=IPv4Network("10.1.0.0/28")
)
names = st.text("abcdefXYZ0123456789", min_size=1, max_size=8)
several_names = st.sets(names, min_size=1, max_size=11)


def addresses_of(keys, subnet):
    every = [
        Wanted(
            key=key,
            path=key,
            subnet=subnet,
            ipv4=[None],
            ipv6=[None] if subnet.ipv6_blocks else [],
        )
        for key in keys
    ]
    derive(every, {}, source="t.yaml")
    return {wanted.key: (*wanted.ipv4, *wanted.ipv6) for wanted in every}


@given(several_names, names)
def test_law_adding_an_interface_moves_no_other(keys, more):
    before = addresses_of(keys, WIDE)
    alone = addresses_of({more}, WIDE)[more]
    if any(set(alone) & set(found) for key, found in before.items() if key != more):
        return  # Both hash to one place: the single exception.
    after = addresses_of(keys | {more}, WIDE)
    assert {key: after[key] for key in keys} == before


@given(st.lists(names, unique=True, min_size=1, max_size=11), st.randoms(use_true_random=False))
def test_law_the_order_of_resources_does_not_matter(keys, chance):
    shuffled = list(keys)
    chance.shuffle(shuffled)
    for subnet in (WIDE, SMALL):
        assert addresses_of(keys, subnet) == addresses_of(shuffled, subnet)


@given(several_names)
@pytest.mark.semantics("template-12")
def test_law_no_two_interfaces_share_an_address_and_none_has_one_that_aws_keeps(keys):
    found = [each for every in addresses_of(keys, SMALL).values() for each in every]
    assert len(set(found)) == len(keys)
    hosts = list(IPv4Network("10.1.0.0/28"))[4:-1]
    assert set(found) <= set(hosts)


def test_a_subnet_with_eleven_places_takes_eleven_interfaces_and_no_twelfth():
    assert len(addresses_of(map(str, range(11)), SMALL)) == 11
    with pytest.raises(InputError, match="no free address"):
        addresses_of(map(str, range(12)), SMALL)


def test_public_addresses_and_provided_blocks_avoid_those_that_are_taken():
    first = derive_public("A", set())
    assert first in IPv4Network("198.18.0.0/15")
    assert derive_public("A", {first}) == first + 1
    whole = IPv6Network("2001:db8::/32")
    block = derive_ipv6_block("A", whole, set())
    assert block.prefixlen == 56
    assert derive_ipv6_block("A", whole, {block}) != block
