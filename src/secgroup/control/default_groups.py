"""The default security group that a VPC is made with, and that goes with it."""

from secgroup.control.state import Resource, World


def create_default(world: World, vpc: Resource) -> None:
    """Make the default group of a VPC."""
    group_id = world.new_id("sg")
    world.put(
        "SecurityGroup",
        {
            "GroupId": group_id,
            "GroupName": "default",
            "Description": "default VPC security group",
            "OwnerId": world.account_id,
            "VpcId": vpc["VpcId"],
            "SecurityGroupArn": world.arn("security-group", group_id),
            "Tags": [],
        },
    )


def delete_default(world: World, vpc_id: str) -> None:
    """Delete the groups of a VPC that goes, with their rules."""
    for group in world.where("SecurityGroup", "VpcId", vpc_id):
        for rule in world.where("SecurityGroupRule", "GroupId", group["GroupId"]):
            world.delete("SecurityGroupRule", rule["SecurityGroupRuleId"])
        world.delete("SecurityGroup", group["GroupId"])


def is_associated(world: World, vpc_id: str) -> bool:  # noqa: ARG001
    """Tell whether a group of another VPC is associated with a VPC."""
    return False


def default_id(world: World, vpc_id: str) -> str:
    """Return the id of the default group of a VPC."""
    groups = world.where("SecurityGroup", "VpcId", vpc_id)
    return next(str(each["GroupId"]) for each in groups if each["GroupName"] == "default")
