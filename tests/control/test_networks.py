"""The network that the state means, kept up change by change."""

from typing import Any

import pytest

from secgroup.control.networks import Networks
from secgroup.control.reconcile import Reconciler
from secgroup.dataplane.batch import BatchPlane
from secgroup.errors import DataPlaneError, Ec2Error
from secgroup.model.group import GroupReference, PrefixListReference
from tests.support.worlds import OTHER_ACCOUNT, REGION, Client, new_client

OPEN = [{"CidrIp": "0.0.0.0/0"}]


def following(client: Client) -> Reconciler:
    """Let a plane follow a client's endpoint."""
    reconciler = Reconciler(client.endpoint.state, BatchPlane())
    client.endpoint.follower = reconciler
    return reconciler


class Checked:
    """A client after whose every request the network is the one that is made anew."""

    def __init__(self) -> None:
        self.client = new_client()
        self.followed = following(self.client)

    def __call__(self, name: str, **request: Any) -> dict[str, Any]:
        answer = self.client(name, **request)
        anew = Networks(self.client.endpoint.state)
        assert self.followed.networks.regions() == anew.regions()
        for region in anew.regions():
            assert self.followed.networks[region] == anew[region], name
        return answer


def permission(port: int, **peers: Any) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **peers}


def test_network_kept_up_is_the_one_made_anew() -> None:
    call = Checked()
    vpc_id = call("CreateVpc", CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"][
        "VpcId"
    ]
    subnet = call("CreateSubnet", VpcId=vpc_id, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    made = [
        call("CreateSecurityGroup", VpcId=vpc_id, GroupName=name, Description="d")["GroupId"]
        for name in ("web", "db")
    ]
    web, db = made
    entries = [{"Cidr": "192.0.2.0/24"}, {"Cidr": "198.51.100.0/24"}]
    prefix_list = call(
        "CreateManagedPrefixList",
        PrefixListName="list",
        AddressFamily="IPv4",
        MaxEntries=5,
        Entries=entries,
    )["PrefixList"]["PrefixListId"]
    rules = call(
        "AuthorizeSecurityGroupIngress",
        GroupId=db,
        IpPermissions=[
            permission(5432, UserIdGroupPairs=[{"GroupId": web}]),
            permission(22, PrefixListIds=[{"PrefixListId": prefix_list}], IpRanges=OPEN),
        ],
    )["SecurityGroupRules"]
    call(
        "ModifySecurityGroupRules",
        GroupId=db,
        SecurityGroupRules=[
            {
                "SecurityGroupRuleId": rules[0]["SecurityGroupRuleId"],
                "SecurityGroupRule": {
                    "IpProtocol": "tcp",
                    "FromPort": 1,
                    "ToPort": 2,
                    "ReferencedGroupId": web,
                },
            }
        ],
    )
    call(
        "ModifyManagedPrefixList",
        PrefixListId=prefix_list,
        CurrentVersion=1,
        RemoveEntries=[{"Cidr": "192.0.2.0/24"}],
    )
    acl = call("CreateNetworkAcl", VpcId=vpc_id)["NetworkAcl"]["NetworkAclId"]
    call(
        "CreateNetworkAclEntry",
        NetworkAclId=acl,
        RuleNumber=100,
        Protocol="-1",
        RuleAction="allow",
        Egress=False,
        CidrBlock="0.0.0.0/0",
    )
    found = call(
        "DescribeNetworkAcls", Filters=[{"Name": "association.subnet-id", "Values": [subnet]}]
    )["NetworkAcls"][0]
    association = next(each for each in found["Associations"] if each["SubnetId"] == subnet)
    call(
        "ReplaceNetworkAclAssociation",
        AssociationId=association["NetworkAclAssociationId"],
        NetworkAclId=acl,
    )
    call("ModifyVpcAttribute", VpcId=vpc_id, EnableDnsSupport={"Value": False})
    network = call.followed.networks[REGION]
    assert network.subnets[subnet].network_acl_id == acl
    assert network.vpcs[vpc_id].enable_dns_support is False
    assert {str(rule.peer) for rule in network.groups[db].rules if not rule.is_egress} == {
        web,
        prefix_list,
        "0.0.0.0/0",
    }
    assert [str(each) for each in network.prefix_lists[prefix_list].entries or ()] == [
        "198.51.100.0/24"
    ]
    revoked = [each["SecurityGroupRuleId"] for each in rules]
    call("RevokeSecurityGroupIngress", GroupId=db, SecurityGroupRuleIds=revoked)
    call("DeleteSecurityGroup", GroupId=web)
    assert web not in call.followed.networks[REGION].groups
    assert {type(rule.peer) for rule in network.groups[db].rules} >= {
        GroupReference,
        PrefixListReference,
    }


def test_accounts_of_a_region_share_a_network_and_regions_do_not() -> None:
    client = new_client()
    reconciler = following(client)
    ours = client("CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    theirs = client.elsewhere(account_id=OTHER_ACCOUNT)("CreateVpc", CidrBlock="10.1.0.0/16")
    elsewhere = client.elsewhere(region="us-east-1")("CreateVpc", CidrBlock="10.2.0.0/16")
    assert {ours, theirs["Vpc"]["VpcId"]} <= set(reconciler.networks[REGION].vpcs)
    assert elsewhere["Vpc"]["VpcId"] not in reconciler.networks[REGION].vpcs
    assert elsewhere["Vpc"]["VpcId"] in reconciler.networks["us-east-1"].vpcs


def test_refused_request_leaves_the_plane_as_it_was() -> None:
    client = new_client()
    reconciler = following(client)
    before = reconciler.networks[REGION]
    with pytest.raises(Ec2Error):
        client("DeleteSecurityGroup", GroupId="sg-00000000000000009")
    client("DescribeVpcs")
    assert reconciler.networks[REGION] is not before
    before = reconciler.networks[REGION]
    client("DescribeVpcs")
    assert reconciler.networks[REGION] is before


def test_change_that_a_plane_cannot_enforce_is_not_made() -> None:
    class Full(BatchPlane):
        def prepare(self, networks: Any) -> None:
            if any(len(network.vpcs) > 1 for network in networks.values()):
                raise DataPlaneError("full", "vpc", "one is enough")
            super().prepare(networks)

    client = new_client()
    client("DescribeVpcs")
    client.endpoint.follower = Reconciler(client.endpoint.state, Full())
    vpcs = client("DescribeVpcs")
    with pytest.raises(DataPlaneError):
        client("CreateVpc", CidrBlock="10.0.0.0/16")
    assert client("DescribeVpcs") == vpcs


def test_rules_that_are_gone_are_not_held() -> None:
    client = new_client()
    networks = following(client).networks
    group_id = client("CreateSecurityGroup", GroupName="web", Description="d")["GroupId"]
    held = len(networks._rules)
    for port in range(20):
        permissions = [permission(port, IpRanges=OPEN)]
        for name in ("AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"):
            client(name, GroupId=group_id, IpPermissions=permissions)
    assert len(networks._rules) == held
