"""Security groups: made, described and deleted. Their rules are in `security_group_rules`.

What a description shows of a group's rules is derived of them each time, and kept for as long as
the group and its rules stay what they are.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

from secgroup.control.associations import networks_of
from secgroup.control.describe import Describe, Source, describe
from secgroup.control.permissions import ALL, NO_PORT, has_ports, is_text, permissions_of
from secgroup.control.references import shown
from secgroup.control.state import Resource, World
from secgroup.control.tags import tags_of
from secgroup.errors import Ec2Error
from secgroup.model.defaults import DEFAULT_GROUP_NAME


def create_security_group(world: World, request: Resource) -> dict[str, Any]:
    """CreateSecurityGroup: without `VpcId` in the default VPC.

    Source: API Reference, CreateSecurityGroup; VPC User Guide, "Security groups".
    """
    name, description = request.get("GroupName"), request.get("Description")
    if not name:
        raise Ec2Error("missing_parameter", name="GroupName")
    if not description:
        raise Ec2Error("missing_parameter", name="GroupDescription")
    name = name.rstrip(" ")
    if not name or not is_text(name):
        raise Ec2Error("group_name_invalid")
    if name.lower().startswith("sg-"):
        raise Ec2Error("group_name_like_id")
    if name.lower() == DEFAULT_GROUP_NAME:
        raise Ec2Error("group_name_reserved", name=name)
    if not is_text(description):
        raise Ec2Error("group_description_invalid")
    tags = tags_of(world, request, "security-group")
    vpc_id = request.get("VpcId")
    vpc = default_vpc(world) if vpc_id is None else world.need("Vpc", vpc_id)
    for other in world.where("SecurityGroup", "VpcId", vpc["VpcId"]):
        if other["GroupName"].lower() == name.lower():
            raise Ec2Error("group_name_taken", name=name, vpc_id=vpc["VpcId"])
    if world.count("SecurityGroup") >= world.quota("security-groups-per-region"):
        raise Ec2Error("too_many_groups")
    group = make_group(world, vpc, name, description, tags)
    return {
        "GroupId": group["GroupId"],
        "Tags": tags,
        "SecurityGroupArn": group["SecurityGroupArn"],
    }


def make_group(
    world: World, vpc: Resource, name: str, description: str, tags: list[dict[str, Any]]
) -> dict[str, Any]:
    """Make a group with the rules that every new one has: everything out."""
    group_id = world.new_id("sg")
    group = {
        "GroupId": group_id,
        "GroupName": name,
        "Description": description,
        "OwnerId": world.account_id,
        "VpcId": vpc["VpcId"],
        "SecurityGroupArn": world.arn("security-group", group_id),
        "Tags": tags,
    }
    world.put("SecurityGroup", group)
    allow_all(world, group_id, is_egress=True, CidrIpv4="0.0.0.0/0")
    if has_ipv6(vpc):
        allow_all(world, group_id, is_egress=True, CidrIpv6="::/0")
    return group


def allow_all(world: World, group_id: str, *, is_egress: bool, **peer: Any) -> None:
    """Add a rule for everything to or from a peer, given as members of SecurityGroupRule."""
    traffic = {"IpProtocol": ALL, "FromPort": NO_PORT, "ToPort": NO_PORT}
    put_rule(world, {"GroupId": group_id, "IsEgress": is_egress, **traffic, **peer})


def put_rule(world: World, rule: Resource, tags: Iterable[Resource] = ()) -> dict[str, Any]:
    """Keep a new rule of a group of this world, under an id of its own; return it."""
    rule_id = world.new_id("sgr")
    kept = {
        "SecurityGroupRuleId": rule_id,
        "GroupId": rule["GroupId"],
        "GroupOwnerId": world.account_id,
        **{key: value for key, value in rule.items() if key != "GroupId"},
        "Tags": list(tags),
        "SecurityGroupRuleArn": world.arn("security-group-rule", rule_id),
    }
    world.put("SecurityGroupRule", kept)
    return kept


def has_ipv6(vpc: Resource) -> bool:
    """Tell whether a VPC has an IPv6 block."""
    return any(
        (block.get("Ipv6CidrBlockState") or {}).get("State", "associated") == "associated"
        for block in vpc.get("Ipv6CidrBlockAssociationSet") or ()
    )


def default_vpc(world: World) -> Resource:
    """Return the default VPC of this world.

    Raises
    ------
    Ec2Error
        There is none.

    """
    for vpc in world.every("Vpc"):
        if vpc.get("IsDefault"):
            return vpc
    raise Ec2Error("vpc_not_named")


def named_group(world: World, name: str) -> Resource:
    """Return a group of the default VPC by its name.

    Raises
    ------
    Ec2Error
        It is not there, or there is no default VPC.

    """
    vpc_id = default_vpc(world)["VpcId"]
    for group in world.where("SecurityGroup", "VpcId", vpc_id):
        if group["GroupName"].lower() == name.lower():
            return group
    raise Ec2Error("group_name_not_found", name=name, vpc_id=vpc_id)


def asked_group(world: World, request: Resource) -> Resource:
    """Return the group that a request names: by id, or by its name in the default VPC.

    Raises
    ------
    Ec2Error
        It is not there, or the request names none or two.

    """
    group_id, name = request.get("GroupId"), request.get("GroupName")
    if group_id and name:
        raise Ec2Error("group_named_twice")
    if group_id:
        return world.need("SecurityGroup", group_id)
    if name:
        return named_group(world, name)
    raise Ec2Error("group_not_named")


def delete_security_group(world: World, request: Resource) -> dict[str, Any]:
    """DeleteSecurityGroup: refused for default groups, and while anything depends on the group.

    References from groups of other VPCs do not hold it; they go stale. Source: VPC User Guide,
    "Delete a security group"; API Reference, DescribeStaleSecurityGroups.
    """
    group = asked_group(world, request)
    group_id = group["GroupId"]
    if group["GroupName"] == DEFAULT_GROUP_NAME:
        raise Ec2Error("group_is_default", resource_id=group_id)
    if any(_dependents(world, group)):
        raise Ec2Error("group_in_use", resource_id=group_id)
    remove(world, group_id)
    return {"Return": True, "GroupId": group_id}


def remove(world: World, group_id: str) -> None:
    """Remove a group and its rules, whatever depends on it."""
    for rule in world.where("SecurityGroupRule", "GroupId", group_id):
        world.delete("SecurityGroupRule", rule["SecurityGroupRuleId"])
    world.delete("SecurityGroup", group_id)


def _dependents(world: World, group: Resource) -> Iterator[Resource]:
    """Yield what keeps a group from being deleted."""
    group_id = group["GroupId"]
    state, region = world.state, world.region
    for row in state.where(region, "NetworkInterface", "Groups.GroupId", group_id):
        yield row.resource
    yield from world.where("SecurityGroupVpcAssociation", "GroupId", group_id)
    own = networks_of(world.state, group)
    for row in state.where(region, "SecurityGroupRule", "ReferencedGroupInfo.GroupId", group_id):
        holder = state.find("SecurityGroup", row.resource["GroupId"])
        if row.resource["GroupId"] == group_id or holder is None:
            continue
        if own & networks_of(world.state, holder.resource):
            yield row.resource


def group_view(world: World, group: Resource) -> Resource:
    """Return a group as DescribeSecurityGroups shows it; the same one while nothing changes."""
    group_id = group["GroupId"]
    rules = tuple(
        shown(world.state, group, rule)
        for rule in world.where("SecurityGroupRule", "GroupId", group_id)
    )
    views = world.state.views
    earlier = views.get(("SecurityGroup", group_id))
    if earlier is not None and earlier[0] is group and earlier[1] == rules:
        same: Resource = earlier[2]
        return same
    view = {
        **group,
        "IpPermissions": permissions_of(rule for rule in rules if not rule["IsEgress"]),
        "IpPermissionsEgress": permissions_of(rule for rule in rules if rule["IsEgress"]),
    }
    views["SecurityGroup", group_id] = (group, rules, view)
    return view


def _of_rules(find: Callable[[World, Resource], Iterable[object]], *, is_egress: bool) -> Source:
    def source(world: World, group: Resource) -> Iterator[object]:
        for rule in world.where("SecurityGroupRule", "GroupId", group["GroupId"]):
            if rule["IsEgress"] == is_egress:
                yield from find(world, rule)

    return source


def _member(key: str, world: World, rule: Resource) -> Iterator[object]:  # noqa: ARG001
    if key in rule and (key not in ("FromPort", "ToPort") or has_ports(rule)):
        yield rule[key]


def _reference(key: str, world: World, rule: Resource) -> Iterator[object]:  # noqa: ARG001
    info = rule.get("ReferencedGroupInfo")
    if info is not None and key in info:
        yield info[key]


def _reference_name(world: World, rule: Resource) -> Iterator[object]:
    info = rule.get("ReferencedGroupInfo")
    row = None if info is None else world.state.find("SecurityGroup", info["GroupId"])
    if row is not None:
        yield row.resource["GroupName"]


_RULE_FILTERS: Final[dict[str, Callable[[World, Resource], Iterable[object]]]] = {
    "cidr": partial(_member, "CidrIpv4"),
    "from-port": partial(_member, "FromPort"),
    "group-id": partial(_reference, "GroupId"),
    "group-name": _reference_name,
    "ipv6-cidr": partial(_member, "CidrIpv6"),
    "prefix-list-id": partial(_member, "PrefixListId"),
    "protocol": partial(_member, "IpProtocol"),
    "to-port": partial(_member, "ToPort"),
    "user-id": partial(_reference, "UserId"),
}

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
        **{
            f"{prefix}ip-permission.{name}": _of_rules(find, is_egress=is_egress)
            for prefix, is_egress in (("", False), ("egress.", True))
            for name, find in _RULE_FILTERS.items()
        },
    },
    view=group_view,
)


def describe_security_groups(world: World, request: Resource) -> dict[str, Any]:
    """DescribeSecurityGroups: `GroupNames` are names in the default VPC."""
    names = request.get("GroupNames")
    if names:
        by_name = [named_group(world, name)["GroupId"] for name in names]
        request = {**request, "GroupIds": [*(request.get("GroupIds") or ()), *by_name]}
    return describe(world, request, _DESCRIBE)


OPERATIONS: Final = {
    "CreateSecurityGroup": create_security_group,
    "DeleteSecurityGroup": delete_security_group,
    "DescribeSecurityGroups": describe_security_groups,
}
