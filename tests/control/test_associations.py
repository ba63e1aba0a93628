"""Groups in further VPCs."""

from typing import Any

import pytest

from tests.support.group_worlds import (
    DEFAULT_VPC,
    IPV6_VPC,
    NOBODY,
    VPC,
    by,
    described,
    empty_client,
    new_group,
    rules_of,
    with_vpcs,
)
from tests.support.worlds import ACCOUNT, Client, refused


@pytest.fixture
def ec2() -> Client:
    return with_vpcs(empty_client())


def default_id(ec2: Client, vpc_id: str) -> str:
    filters = [by("vpc-id", vpc_id), by("group-name", "default")]
    group_id: str = described(ec2, Filters=filters)[0]["GroupId"]
    return group_id


def usable(ec2: Client, vpc_id: str, *filters: Any) -> list[str]:
    asked = ec2("GetSecurityGroupsForVpc", VpcId=vpc_id, Filters=list(filters))
    return [group["GroupId"] for group in asked["SecurityGroupForVpcs"]]


@pytest.mark.semantics("ec2-assoc")
def test_associated_group_can_be_used_in_the_other_vpc(ec2: Client) -> None:
    group_id = new_group(ec2)
    answer = ec2("AssociateSecurityGroupVpc", GroupId=group_id, VpcId=IPV6_VPC)
    assert answer == {"State": "associated"}
    assert ec2("AssociateSecurityGroupVpc", GroupId=group_id, VpcId=IPV6_VPC) == answer
    assert usable(ec2, IPV6_VPC) == [default_id(ec2, IPV6_VPC), group_id]
    assert usable(ec2, IPV6_VPC, by("primary-vpc-id", VPC)) == [group_id]
    assert usable(ec2, VPC) == [default_id(ec2, VPC), group_id]
    association = {
        "GroupId": group_id,
        "VpcId": IPV6_VPC,
        "VpcOwnerId": ACCOUNT,
        "State": "associated",
        "GroupOwnerId": ACCOUNT,
    }
    asked = ec2("DescribeSecurityGroupVpcAssociations", Filters=[by("vpc-id", IPV6_VPC)])
    assert asked == {"SecurityGroupVpcAssociations": [association]}


@pytest.mark.semantics("ec2-assoc")
def test_association_holds_the_group_and_goes_when_no_interface_uses_it(ec2: Client) -> None:
    group_id = new_group(ec2)
    request = {"GroupId": group_id, "VpcId": IPV6_VPC}
    ec2("AssociateSecurityGroupVpc", **request)
    with refused("group_in_use"):
        ec2("DeleteSecurityGroup", GroupId=group_id)
    ec2.put(
        "NetworkInterface",
        NetworkInterfaceId="eni-1",
        VpcId=IPV6_VPC,
        Groups=[{"GroupId": group_id}],
    )
    with refused("group_in_use"):
        ec2("DisassociateSecurityGroupVpc", **request)
    ec2.delete("NetworkInterface", "eni-1")
    assert ec2("DisassociateSecurityGroupVpc", **request) == {"State": "disassociated"}
    with refused("group_not_associated"):
        ec2("DisassociateSecurityGroupVpc", **request)
    ec2("DeleteSecurityGroup", GroupId=group_id)


@pytest.mark.semantics("ec2-assoc")
def test_groups_of_one_vpc_by_association_may_name_each_other_until_it_ends(ec2: Client) -> None:
    group_id, other_id = new_group(ec2), new_group(ec2, vpc_id=IPV6_VPC)
    ec2("AssociateSecurityGroupVpc", GroupId=group_id, VpcId=IPV6_VPC)
    source = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group_id}]}
    ec2("AuthorizeSecurityGroupIngress", GroupId=other_id, IpPermissions=[source])
    assert rules_of(ec2, other_id)[0]["ReferencedGroupInfo"] == {
        "GroupId": group_id,
        "UserId": ACCOUNT,
    }
    ec2("DisassociateSecurityGroupVpc", GroupId=group_id, VpcId=IPV6_VPC)
    (stale,) = ec2("DescribeStaleSecurityGroups", VpcId=IPV6_VPC)["StaleSecurityGroupSet"]
    assert stale["GroupId"] == other_id


@pytest.mark.semantics("ec2-assoc")
def test_association_that_may_not_be_is_refused(ec2: Client) -> None:
    group_id = new_group(ec2)
    for asked_group, vpc_id, fault in (
        (default_id(ec2, VPC), IPV6_VPC, "default_group_associated"),
        (group_id, DEFAULT_VPC, "default_vpc_associated"),
        (group_id, VPC, "own_vpc_associated"),
        (NOBODY, IPV6_VPC, "group_not_found"),
        (group_id, "vpc-00000000000000fff", "vpc_not_found"),
    ):
        with refused(fault):
            ec2("AssociateSecurityGroupVpc", GroupId=asked_group, VpcId=vpc_id)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("group-id", "sg-*"),
        ("group-owner-id", ACCOUNT),
        ("state", "associated"),
        ("vpc-id", IPV6_VPC),
        ("vpc-owner-id", ACCOUNT),
    ],
)
def test_filter_finds_associations(ec2: Client, name: str, value: str) -> None:
    ec2("AssociateSecurityGroupVpc", GroupId=new_group(ec2), VpcId=IPV6_VPC)
    name_of = "DescribeSecurityGroupVpcAssociations"
    assert len(ec2(name_of, Filters=[by(name, value)])["SecurityGroupVpcAssociations"]) == 1
    assert ec2(name_of, Filters=[by(name, "none")]) == {"SecurityGroupVpcAssociations": []}


@pytest.mark.parametrize("name", ["tag:Name", "tag-key", "none"])
def test_filter_that_associations_do_not_have_is_refused(ec2: Client, name: str) -> None:
    with refused("unknown_filter", name=name):
        ec2("DescribeSecurityGroupVpcAssociations", Filters=[by(name, "a")])
