from ipaddress import IPv4Address, IPv4Network

import pytest

from secgroup.errors import InputError
from secgroup.model.defaults import default_acl
from secgroup.model.external import External
from secgroup.model.interface import NetworkInterface, PrivateIpv4
from secgroup.model.network_acl import NetworkAcl, NetworkAclEntry
from secgroup.model.vpc import Subnet, Vpc
from secgroup.net.ports import ALL_TRAFFIC
from secgroup.sources.draft import Draft, listed

VPC = Vpc(vpc_id="vpc-1", ipv4_blocks=(IPv4Network("10.0.0.0/16"),))
ACL = default_acl(VPC, network_acl_id="acl-1")
SUBNET = Subnet(subnet_id="subnet-1", vpc_id="vpc-1", network_acl_id="acl-1")


def interface(interface_id, address, **fields):
    return NetworkInterface(
        interface_id=interface_id,
        subnet_id="subnet-1",
        ipv4=(PrivateIpv4(address=IPv4Address(address)),),
        **{"vpc_id": "vpc-1", **fields},
    )


def draft_of(*nouns):
    draft = Draft()
    for number, noun in enumerate(nouns):
        draft.add(noun, source="file", path=f"[{number}]")
    return draft


def test_equal_nouns_count_once_and_others_are_refused():
    draft = draft_of(VPC, VPC)
    with pytest.raises(InputError) as caught:
        draft.add(Vpc(vpc_id="vpc-1"), source="other", path="here")
    assert str(caught.value) == (
        "other: here: VPC vpc-1 differs from the one in file: [0] "
        "(expected each once, or the same contents)"
    )


def test_mentioned_noun_gives_way_to_the_real_one():
    draft = draft_of(ACL, SUBNET)
    draft.mention(Vpc(vpc_id="vpc-1"))
    draft.add(VPC, source="file")
    network = draft.network()
    assert network.vpcs["vpc-1"] is VPC
    assert network.warnings == ()


def test_mentioned_noun_that_nobody_brings_is_kept_and_named():
    draft = draft_of(ACL, SUBNET)
    draft.mention(Vpc(vpc_id="vpc-1"))
    network = draft.network()
    assert "vpc-1" in network.vpcs
    assert network.warnings == ("VPC vpc-1: mentioned, but not in the files",)


def test_two_interfaces_of_a_vpc_with_one_address_are_refused():
    draft = draft_of(
        VPC, ACL, SUBNET, interface("eni-1", "10.0.0.5"), interface("eni-2", "10.0.0.5")
    )
    with pytest.raises(InputError, match=r"eni-2 has 10\.0\.0\.5, which eni-1 of the same VPC"):
        draft.network()


def test_acl_entry_that_cannot_be_resolved_is_named_with_what_it_does():
    entry = NetworkAclEntry(
        rule_number=1,
        is_egress=False,
        is_allow=False,
        traffic=ALL_TRAFFIC,
        cidr=External("Office"),
    )
    acl = NetworkAcl(network_acl_id="acl-1", vpc_id="vpc-1", entries=(entry,))
    assert draft_of(VPC, acl).network().warnings == (
        "block of an ACL entry Office: cannot be resolved (a template may have it from "
        "--parameter NAME=VALUE); an allow matches nothing, a deny everything",
    )


def test_listed_names_five_and_counts_the_rest():
    assert listed(["a", "b", "a"]) == "a, b"
    assert listed("abcdefg") == "a, b, c, d, e and 2 more"
