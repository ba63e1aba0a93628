"""Groups in further VPCs: SecurityGroupVpcAssociation, and in which VPCs a group can be used.

Source: VPC User Guide, "Associate security groups with multiple VPCs".
"""

from typing import Any, Final

from secgroup.control.describe import Describe, describe
from secgroup.control.state import Resource, Row, State, World
from secgroup.errors import Ec2Error
from secgroup.model.defaults import DEFAULT_GROUP_NAME

_KIND: Final = "SecurityGroupVpcAssociation"


def networks_of(state: State, group: Resource) -> set[str]:
    """Return the VPCs of a group: its own and the associated ones."""
    found = {group["VpcId"]}
    row = state.find("SecurityGroup", group["GroupId"])
    if row is not None:
        table = state.table(row.account_id, row.region, _KIND)
        found |= {each.resource["VpcId"] for each in table.where("GroupId", group["GroupId"])}
    return found


def associate_security_group_vpc(world: World, request: Resource) -> dict[str, Any]:
    """AssociateSecurityGroupVpc: not for default groups, and not with a default VPC.

    Doing it again changes nothing; AWS is silent about that.
    """
    group = world.need("SecurityGroup", request["GroupId"])
    vpc = world.need("Vpc", request["VpcId"])
    if group["GroupName"] == DEFAULT_GROUP_NAME:
        raise Ec2Error("default_group_associated", resource_id=group["GroupId"])
    if vpc.get("IsDefault"):
        raise Ec2Error("default_vpc_associated", resource_id=vpc["VpcId"])
    if vpc["VpcId"] == group["VpcId"]:
        raise Ec2Error("own_vpc_associated", group=group["GroupId"], vpc=vpc["VpcId"])
    association = {
        "GroupId": group["GroupId"],
        "VpcId": vpc["VpcId"],
        "VpcOwnerId": vpc.get("OwnerId", world.account_id),
        "State": "associated",
        "GroupOwnerId": group["OwnerId"],
    }
    if world.get(_KIND, f"{group['GroupId']}/{vpc['VpcId']}") is None:
        world.put(_KIND, association)
    return {"State": association["State"]}


def disassociate_security_group_vpc(world: World, request: Resource) -> dict[str, Any]:
    """DisassociateSecurityGroupVpc: refused while an interface in the VPC carries the group."""
    group = world.need("SecurityGroup", request["GroupId"])
    vpc_id, group_id = request["VpcId"], group["GroupId"]
    association_id = f"{group_id}/{vpc_id}"
    if world.get(_KIND, association_id) is None:
        raise Ec2Error("group_not_associated", group=group_id, vpc=vpc_id)
    for row in world.state.where(world.region, "NetworkInterface", "Groups.GroupId", group_id):
        if row.resource["VpcId"] == vpc_id:
            raise Ec2Error("group_in_use", resource_id=group_id)
    world.delete(_KIND, association_id)
    return {"State": "disassociated"}


_DESCRIBE: Final = Describe(
    kind=_KIND,
    result="SecurityGroupVpcAssociations",
    filters={
        "group-id": "GroupId",
        "group-owner-id": "GroupOwnerId",
        "state": "State",
        "vpc-id": "VpcId",
        "vpc-owner-id": "VpcOwnerId",
    },
)


def describe_security_group_vpc_associations(world: World, request: Resource) -> dict[str, Any]:
    """DescribeSecurityGroupVpcAssociations."""
    return describe(world, request, _DESCRIBE)


def _for_vpc(world: World, group: Resource) -> Resource:  # noqa: ARG001
    shown = {key: group[key] for key in ("Description", "GroupName", "OwnerId", "GroupId", "Tags")}
    return {**shown, "PrimaryVpcId": group["VpcId"]}


_FOR_VPC: Final = Describe(
    kind="SecurityGroup",
    result="SecurityGroupForVpcs",
    has_tags=False,
    filters={
        "group-id": "GroupId",
        "description": "Description",
        "group-name": "GroupName",
        "owner-id": "OwnerId",
        "primary-vpc-id": "VpcId",
    },
    view=_for_vpc,
)


def get_security_groups_for_vpc(world: World, request: Resource) -> dict[str, Any]:
    """GetSecurityGroupsForVpc: the VPC's own groups and the associated ones."""
    vpc_id = world.need("Vpc", request["VpcId"])["VpcId"]
    groups = world.state.table(world.account_id, world.region, "SecurityGroup")
    rows: list[Row] = groups.where("VpcId", vpc_id)
    rows += [
        groups.rows[association["GroupId"]] for association in world.where(_KIND, "VpcId", vpc_id)
    ]
    rows.sort(key=lambda row: row.sequence)
    return describe(world, request, _FOR_VPC, rows)


OPERATIONS: Final = {
    "AssociateSecurityGroupVpc": associate_security_group_vpc,
    "DescribeSecurityGroupVpcAssociations": describe_security_group_vpc_associations,
    "DisassociateSecurityGroupVpc": disassociate_security_group_vpc,
    "GetSecurityGroupsForVpc": get_security_groups_for_vpc,
}
