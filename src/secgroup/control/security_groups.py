"""Security groups: made, described and deleted. Their rules are in `security_group_rules`."""

from typing import Any, Final

from secgroup.control.describe import Describe, describe
from secgroup.control.state import Resource, World
from secgroup.control.tags import tags_of

_DESCRIBE: Final = Describe(
    kind="SecurityGroup",
    result="SecurityGroups",
    ids="GroupIds",
    filters={
        "description": "Description",
        "group-id": "GroupId",
        "group-name": "GroupName",
        "owner-id": "OwnerId",
        "vpc-id": "VpcId",
    },
)


def create_security_group(world: World, request: Resource) -> dict[str, Any]:
    """CreateSecurityGroup."""
    world.need("Vpc", request["VpcId"])
    group_id = world.new_id("sg")
    tags = tags_of(request, "security-group")
    group = {
        "GroupId": group_id,
        "GroupName": request["GroupName"].rstrip(),
        "Description": request["Description"],
        "OwnerId": world.account_id,
        "VpcId": request["VpcId"],
        "SecurityGroupArn": world.arn("security-group", group_id),
        "Tags": tags,
    }
    world.put("SecurityGroup", group)
    return {"GroupId": group_id, "Tags": tags, "SecurityGroupArn": group["SecurityGroupArn"]}


def describe_security_groups(world: World, request: Resource) -> dict[str, Any]:
    """DescribeSecurityGroups."""
    return describe(world, request, _DESCRIBE)


OPERATIONS: Final = {
    "CreateSecurityGroup": create_security_group,
    "DescribeSecurityGroups": describe_security_groups,
}
