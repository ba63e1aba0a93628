"""The default security group that a VPC is made with, and that goes with it.

Source: VPC User Guide, "Default security groups for your VPCs".
"""

from typing import Final

from secgroup.control.permissions import ALL
from secgroup.control.security_groups import allow_all, make_group, remove
from secgroup.control.state import Resource, World
from secgroup.errors import Ec2Error
from secgroup.model.defaults import DEFAULT_GROUP_NAME

_DESCRIPTION: Final = "default VPC security group"


def create_default(world: World, vpc: Resource) -> None:
    """Make the default group of a VPC: everything in from itself, everything out."""
    group_id = make_group(world, vpc, DEFAULT_GROUP_NAME, _DESCRIPTION, [])["GroupId"]
    itself = {"GroupId": group_id, "UserId": world.account_id}
    allow_all(world, group_id, is_egress=False, ReferencedGroupInfo=itself)


def delete_default(world: World, vpc_id: str) -> None:
    """Delete the groups of a VPC that goes, with their rules."""
    for group in world.where("SecurityGroup", "VpcId", vpc_id):
        remove(world, group["GroupId"])


def is_associated(world: World, vpc_id: str) -> bool:
    """Tell whether a group of another VPC is associated with a VPC."""
    return any(world.where("SecurityGroupVpcAssociation", "VpcId", vpc_id))


def default_id(world: World, vpc_id: str) -> str:
    """Return the id of the default group of a VPC.

    Raises
    ------
    Ec2Error
        The VPC was loaded without one.

    """
    for group in world.where("SecurityGroup", "VpcId", vpc_id):
        if group["GroupName"] == DEFAULT_GROUP_NAME:
            return str(group["GroupId"])
    raise Ec2Error("group_not_found", resource_id=DEFAULT_GROUP_NAME)


def allow_ipv6(world: World, vpc_id: str) -> None:
    """Let the default group's traffic out over IPv6, now that its VPC has an IPv6 block.

    Only where its outbound rules are still those that it was made with; other groups stay as they
    are. The guide says that the rule is there where the VPC has an IPv6 block, and is silent about
    groups whose rules were changed.
    """
    group_id = default_id(world, vpc_id)
    rules = world.where("SecurityGroupRule", "GroupId", group_id)
    egress = [(rule["IpProtocol"], rule.get("CidrIpv4")) for rule in rules if rule["IsEgress"]]
    if egress == [(ALL, "0.0.0.0/0")]:
        allow_all(world, group_id, is_egress=True, CidrIpv6="::/0")
