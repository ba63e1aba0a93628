"""References to groups: within a VPC, over peering, and when they go stale."""

from typing import Any

import pytest

from tests.support.group_worlds import (
    IPV6_VPC,
    VPC,
    add_vpc,
    described,
    empty_client,
    new_group,
    rules_of,
    with_vpcs,
)
from tests.support.worlds import ACCOUNT, OTHER_ACCOUNT, REGION, Client, refused

PEER = "vpc-00000000000000009"
PEERING = "pcx-00000000000000001"


@pytest.fixture
def ec2() -> Client:
    client = with_vpcs(empty_client())
    add_vpc(client.elsewhere(account_id=OTHER_ACCOUNT), PEER, OwnerId=OTHER_ACCOUNT)
    return client


def peer(
    ec2: Client,
    one: str,
    other: str,
    *,
    code: str = "active",
    peering_id: str = PEERING,
    owner: str = ACCOUNT,
    region: str = REGION,
) -> None:
    ec2.put(
        "VpcPeeringConnection",
        VpcPeeringConnectionId=peering_id,
        RequesterVpcInfo={"VpcId": one, "OwnerId": ACCOUNT, "Region": REGION},
        AccepterVpcInfo={"VpcId": other, "OwnerId": owner, "Region": region},
        Status={"Code": code},
    )


def refer(ec2: Client, group_id: str, direction: str = "Ingress", **pair: Any) -> Any:
    source = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [pair]}
    operation = f"AuthorizeSecurityGroup{direction}"
    return ec2(operation, GroupId=group_id, IpPermissions=[source])["SecurityGroupRules"][0]


def stale(ec2: Client, vpc_id: str = VPC) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ec2("DescribeStaleSecurityGroups", VpcId=vpc_id)[
        "StaleSecurityGroupSet"
    ]
    return found


@pytest.mark.semantics("ec2-ref-peering")
def test_reference_needs_a_vpc_in_common_or_an_active_peering(ec2: Client) -> None:
    here, there = new_group(ec2), new_group(ec2, vpc_id=IPV6_VPC)
    with refused("groups_in_different_networks"):
        refer(ec2, here, GroupId=there)
    peer(ec2, VPC, IPV6_VPC, code="pending-acceptance")
    with refused("groups_in_different_networks"):
        refer(ec2, here, GroupId=there)
    peer(ec2, VPC, IPV6_VPC)
    with refused("peering_not_found"):
        refer(ec2, here, GroupId=there, VpcPeeringConnectionId="pcx-00000000000000002")
    info = {
        "GroupId": there,
        "UserId": ACCOUNT,
        "VpcId": IPV6_VPC,
        "VpcPeeringConnectionId": PEERING,
        "PeeringStatus": "active",
    }
    for group_id, vpc_id, other_id in ((here, IPV6_VPC, there), (there, VPC, here)):
        expected = {**info, "GroupId": other_id, "VpcId": vpc_id}
        rule = refer(ec2, group_id, "Egress", GroupId=other_id)
        assert rule["ReferencedGroupInfo"] == expected
        (group,) = described(ec2, GroupIds=[group_id])
        assert group["IpPermissionsEgress"][-1]["UserIdGroupPairs"] == [expected]


@pytest.mark.semantics("ec2-ref-peering")
def test_reference_over_peering_of_another_region_is_refused(ec2: Client) -> None:
    here, there = new_group(ec2), new_group(ec2, vpc_id=IPV6_VPC)
    peer(ec2, VPC, IPV6_VPC, region="us-east-1")
    with refused("groups_in_different_networks"):
        refer(ec2, here, GroupId=there)


@pytest.mark.semantics("ec2-ref-account")
def test_reference_to_another_accounts_group_names_the_account(ec2: Client) -> None:
    other = ec2.elsewhere(account_id=OTHER_ACCOUNT)
    here, there = new_group(ec2), new_group(other, vpc_id=PEER)
    peer(ec2, VPC, PEER, owner=OTHER_ACCOUNT)
    with refused("group_not_found"):
        refer(ec2, here, GroupId=there)
    with refused("group_not_found"):
        refer(ec2, here, GroupId=there, UserId="999999999999")
    rule = refer(ec2, here, GroupId=there, UserId=OTHER_ACCOUNT)
    assert rule["ReferencedGroupInfo"]["UserId"] == OTHER_ACCOUNT
    assert refer(other, there, GroupId=here, UserId=ACCOUNT)


@pytest.mark.semantics("ec2-ref-references")
def test_references_are_told_with_the_vpc_and_the_peering(ec2: Client) -> None:
    here, there, near = new_group(ec2), new_group(ec2, vpc_id=IPV6_VPC), new_group(ec2, "near")
    peer(ec2, VPC, IPV6_VPC)
    refer(ec2, near, GroupId=here)
    refer(ec2, there, GroupId=here)
    refer(ec2, there, "Egress", GroupId=here)
    asked = ec2("DescribeSecurityGroupReferences", GroupId=[here, near])
    assert asked["SecurityGroupReferenceSet"] == [
        {"GroupId": here, "ReferencingVpcId": IPV6_VPC, "VpcPeeringConnectionId": PEERING}
    ]
    with refused("group_not_found"):
        ec2("DescribeSecurityGroupReferences", GroupId=["sg-00000000000000fff"])


@pytest.mark.semantics("ec2-ref-stale")
def test_rule_is_stale_while_no_peering_connects_it(ec2: Client) -> None:
    here, there = new_group(ec2), new_group(ec2, vpc_id=IPV6_VPC)
    peer(ec2, VPC, IPV6_VPC)
    refer(ec2, here, GroupId=there)
    assert stale(ec2) == []
    peer(ec2, VPC, IPV6_VPC, code="deleted")
    pair = {
        "GroupId": there,
        "UserId": ACCOUNT,
        "VpcId": IPV6_VPC,
        "VpcPeeringConnectionId": PEERING,
        "PeeringStatus": "deleted",
    }
    assert stale(ec2) == [
        {
            "Description": "a group",
            "GroupId": here,
            "GroupName": "web",
            "StaleIpPermissions": [
                {
                    "IpProtocol": "tcp",
                    "FromPort": 22,
                    "ToPort": 22,
                    "UserIdGroupPairs": [pair],
                    "IpRanges": [],
                    "PrefixListIds": [],
                }
            ],
            "StaleIpPermissionsEgress": [],
            "VpcId": VPC,
        }
    ]
    ec2.delete("VpcPeeringConnection", PEERING)
    assert rules_of(ec2, here)[0]["ReferencedGroupInfo"] == pair
    peer(ec2, IPV6_VPC, VPC, peering_id="pcx-00000000000000002")
    assert stale(ec2) == []
    again = {**pair, "PeeringStatus": "active", "VpcPeeringConnectionId": "pcx-00000000000000002"}
    assert rules_of(ec2, here)[0]["ReferencedGroupInfo"] == again


@pytest.mark.semantics("ec2-ref-stale")
def test_group_that_a_peer_names_may_go_and_leaves_a_stale_rule(ec2: Client) -> None:
    here, there = new_group(ec2), new_group(ec2, vpc_id=IPV6_VPC)
    peer(ec2, VPC, IPV6_VPC)
    rule = refer(ec2, here, "Egress", GroupId=there)
    ec2("DeleteSecurityGroup", GroupId=there)
    (group,) = stale(ec2)
    (permission,) = group["StaleIpPermissionsEgress"]
    assert permission["UserIdGroupPairs"] == [
        {
            "GroupId": there,
            "VpcId": IPV6_VPC,
            "VpcPeeringConnectionId": PEERING,
            "PeeringStatus": "active",
        }
    ]
    rule_id = rule["SecurityGroupRuleId"]
    ec2("RevokeSecurityGroupEgress", GroupId=here, SecurityGroupRuleIds=[rule_id])
    assert stale(ec2) == []


def test_stale_groups_come_in_pages_of_their_vpc(ec2: Client) -> None:
    there = new_group(ec2, vpc_id=IPV6_VPC)
    peer(ec2, VPC, IPV6_VPC)
    for number in range(6):
        refer(ec2, new_group(ec2, f"g{number}"), GroupId=there)
    ec2.delete("VpcPeeringConnection", PEERING)
    first = ec2("DescribeStaleSecurityGroups", VpcId=VPC, MaxResults=5)
    rest = ec2("DescribeStaleSecurityGroups", VpcId=VPC, NextToken=first["NextToken"])
    assert len(first["StaleSecurityGroupSet"]) == 5
    assert len(rest["StaleSecurityGroupSet"]) == 1
    assert stale(ec2, IPV6_VPC) == []
    with refused("vpc_not_found"):
        stale(ec2, "vpc-00000000000000fff")
    for size in (4, 256):
        with refused("max_results_out_of_bounds"):
            ec2("DescribeStaleSecurityGroups", VpcId=VPC, MaxResults=size)
