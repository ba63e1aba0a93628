"""Worlds for the tests of groups: three VPCs whose ids are known, and what is asked most."""

from typing import Any

from secgroup.control import default_groups
from secgroup.control.aws_prefix_lists import create_aws_lists
from secgroup.control.state import World
from tests.support.worlds import ACCOUNT, Client, new_client

VPC = "vpc-00000000000000001"
DEFAULT_VPC = "vpc-00000000000000002"
IPV6_VPC = "vpc-00000000000000003"
NOBODY = "sg-00000000000000fff"


def only_lists(world: World) -> None:
    """Begin a world with AWS's prefix lists, and with no default VPC."""
    create_aws_lists(world.state, world.region)


def empty_client(**quotas: int) -> Client:
    """A client whose worlds have no VPC."""
    client = new_client(**quotas)
    client.endpoint.begin = only_lists
    return client


def add_vpc(client: Client, vpc_id: str, **members: Any) -> None:
    """Make a VPC with its default group."""
    client("DescribeSecurityGroups")
    members = {"CidrBlock": "10.0.0.0/16", "IsDefault": False, "OwnerId": ACCOUNT, **members}
    vpc = client.put("Vpc", VpcId=vpc_id, **members)
    with client.endpoint.state.change():
        default_groups.create_default(client.world, vpc)


def with_vpcs(client: Client) -> Client:
    """Make three VPCs: an ordinary one, the default one and one with IPv6; each with its group."""
    ipv6 = {
        "AssociationId": "vpc-cidr-assoc-1",
        "Ipv6CidrBlock": "2001:db8::/56",
        "Ipv6CidrBlockState": {"State": "associated"},
    }
    add_vpc(client, VPC)
    add_vpc(client, DEFAULT_VPC, CidrBlock="172.31.0.0/16", IsDefault=True)
    add_vpc(client, IPV6_VPC, Ipv6CidrBlockAssociationSet=[ipv6])
    return client


def new_group(ec2: Client, name: str = "web", vpc_id: str = VPC, **members: Any) -> str:
    """Make a group and return its id."""
    request = {"GroupName": name, "Description": "a group", "VpcId": vpc_id, **members}
    group_id: str = ec2("CreateSecurityGroup", **request)["GroupId"]
    return group_id


def described(ec2: Client, **request: Any) -> list[dict[str, Any]]:
    """Return groups as DescribeSecurityGroups shows them."""
    groups: list[dict[str, Any]] = ec2("DescribeSecurityGroups", **request)["SecurityGroups"]
    return groups


def by(name: str, *values: str) -> dict[str, Any]:
    """Return a filter."""
    return {"Name": name, "Values": list(values)}


def permission(protocol: str, first: int, last: int, *cidrs: str) -> dict[str, Any]:
    """Return an IpPermission with IPv4 ranges."""
    ranges = [{"CidrIp": cidr} for cidr in cidrs]
    return {"IpProtocol": protocol, "FromPort": first, "ToPort": last, "IpRanges": ranges}


def rules_of(ec2: Client, group_id: str, *, is_egress: bool = False) -> list[dict[str, Any]]:
    """Return a group's rules of one direction, as DescribeSecurityGroupRules shows them."""
    asked = ec2("DescribeSecurityGroupRules", Filters=[by("group-id", group_id)])
    return [rule for rule in asked["SecurityGroupRules"] if rule["IsEgress"] == is_egress]
