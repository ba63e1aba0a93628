"""References: rules whose peer is a group, which groups they may name, and when they go stale.

Source: VPC User Guide, "Security group rules"; VPC Peering Guide, "Update your security groups to
reference peer security groups"; API Reference, DescribeStaleSecurityGroups.
"""

from collections.abc import Iterator
from typing import Any, Final

from secgroup.control.associations import networks_of
from secgroup.control.describe import Describe, describe
from secgroup.control.permissions import permissions_of
from secgroup.control.state import Resource, Row, State, World
from secgroup.errors import Ec2Error

_ENDS: Final = (
    ("RequesterVpcInfo", "AccepterVpcInfo"),
    ("AccepterVpcInfo", "RequesterVpcInfo"),
)


def peering_between(state: State, region: str, vpc_id: str, other_id: str) -> Resource | None:
    """Return the active peering connection between two VPCs of a region, if there is one."""
    for near, far in _ENDS:
        for row in state.where(region, "VpcPeeringConnection", f"{near}.VpcId", vpc_id):
            peering = row.resource
            if peering[far].get("VpcId") != other_id or peering["Status"]["Code"] != "active":
                continue
            if all(peering[end].get("Region", region) == region for end in (near, far)):
                return peering
    return None


def resolve(world: World, group: Resource, named: Resource) -> dict[str, Any]:
    """Return what a rule of a group keeps of the group that a request names as its peer.

    The other group is in one of the group's VPCs, or in one that is peered with the group's own.

    Raises
    ------
    Ec2Error
        There is no such group, it is another account's than the request says, or nothing connects
        the two.

    """
    group_id = named["GroupId"]
    row = world.state.find("SecurityGroup", group_id)
    owner_id = named.get("UserId") or world.account_id
    if row is None or row.region != world.region or row.account_id != owner_id:
        raise world.state.kinds["SecurityGroup"].missing(group_id)
    other = row.resource
    if networks_of(world.state, group) & networks_of(world.state, other):
        return {"GroupId": group_id, "UserId": owner_id}
    peering = peering_between(world.state, world.region, group["VpcId"], other["VpcId"])
    if peering is None:
        raise Ec2Error("groups_in_different_networks")
    peering_id = peering["VpcPeeringConnectionId"]
    if named.get("VpcPeeringConnectionId", peering_id) != peering_id:
        raise world.state.kinds["VpcPeeringConnection"].missing(named["VpcPeeringConnectionId"])
    return {
        "GroupId": group_id,
        "UserId": owner_id,
        "VpcId": other["VpcId"],
        "VpcPeeringConnectionId": peering_id,
    }


def shown(state: State, group: Resource, rule: Resource) -> Resource:
    """Return a rule as it is described: with the state of its peering, and no owner of a dead peer.

    Another connection between the same VPCs takes the place of the one that is gone.
    """
    info = rule.get("ReferencedGroupInfo")
    if info is None:
        return rule
    row = state.find("SecurityGroup", info["GroupId"])
    peering_id = info.get("VpcPeeringConnectionId")
    if peering_id is None and row is not None:
        return rule
    new = {key: value for key, value in info.items() if key != "UserId" or row is not None}
    if peering_id is not None:
        new["VpcPeeringConnectionId"], new["PeeringStatus"] = _peering(state, group, info)
    return {**rule, "ReferencedGroupInfo": new}


def _peering(state: State, group: Resource, info: Resource) -> tuple[str, str]:
    holder = state.find("SecurityGroup", group["GroupId"])
    if holder is not None:
        active = peering_between(state, holder.region, group["VpcId"], info["VpcId"])
        if active is not None:
            return active["VpcPeeringConnectionId"], "active"
    row = state.find("VpcPeeringConnection", info["VpcPeeringConnectionId"])
    return info["VpcPeeringConnectionId"], (
        "deleted" if row is None else row.resource["Status"]["Code"]
    )


def is_stale(state: State, region: str, group: Resource, rule: Resource) -> bool:
    """Tell whether a rule names a group that is gone, or that nothing connects it with any more."""
    info = rule.get("ReferencedGroupInfo")
    if info is None:
        return False
    row = state.find("SecurityGroup", info["GroupId"])
    if row is None:
        return True
    if networks_of(state, group) & networks_of(state, row.resource):
        return False
    return peering_between(state, region, group["VpcId"], row.resource["VpcId"]) is None


def describe_security_group_references(world: World, request: Resource) -> dict[str, Any]:
    """DescribeSecurityGroupReferences: the VPCs over a peering whose rules name these groups."""
    found: dict[tuple[str, str, str], None] = {}
    for group_id in request.get("GroupId") or ():
        group = world.need("SecurityGroup", group_id)
        for holder in _holders(world, group_id):
            if holder["VpcId"] == group["VpcId"]:
                continue
            peering = peering_between(world.state, world.region, group["VpcId"], holder["VpcId"])
            if peering is not None:
                found[group_id, holder["VpcId"], peering["VpcPeeringConnectionId"]] = None
    return {
        "SecurityGroupReferenceSet": [
            {"GroupId": group_id, "ReferencingVpcId": vpc_id, "VpcPeeringConnectionId": peering_id}
            for group_id, vpc_id, peering_id in found
        ]
    }


def _holders(world: World, group_id: str) -> Iterator[Resource]:
    """Yield the groups of the region, of any account, that have a rule which names a group."""
    path = "ReferencedGroupInfo.GroupId"
    for row in world.state.where(world.region, "SecurityGroupRule", path, group_id):
        holder = world.state.find("SecurityGroup", row.resource["GroupId"])
        if holder is not None:
            yield holder.resource


def _stale_rules(world: World, group: Resource) -> list[Resource]:
    return [
        rule
        for rule in world.where("SecurityGroupRule", "GroupId", group["GroupId"])
        if is_stale(world.state, world.region, group, rule)
    ]


def _stale_view(world: World, group: Resource) -> Resource:
    rules = [shown(world.state, group, rule) for rule in _stale_rules(world, group)]
    return {
        "Description": group["Description"],
        "GroupId": group["GroupId"],
        "GroupName": group["GroupName"],
        "StaleIpPermissions": _stale(rule for rule in rules if not rule["IsEgress"]),
        "StaleIpPermissionsEgress": _stale(rule for rule in rules if rule["IsEgress"]),
        "VpcId": group["VpcId"],
    }


def _stale(rules: Iterator[Resource]) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in permission.items() if key != "Ipv6Ranges"}
        for permission in permissions_of(rules)
    ]


_STALE: Final = Describe(
    kind="SecurityGroup",
    result="StaleSecurityGroupSet",
    view=_stale_view,
    max_results=(5, 255),
)


def describe_stale_security_groups(world: World, request: Resource) -> dict[str, Any]:
    """DescribeStaleSecurityGroups: the groups of a VPC that have stale rules, and those rules."""
    vpc_id = world.need("Vpc", request["VpcId"])["VpcId"]
    rows: list[Row] = [
        row
        for row in world.state.table(world.account_id, world.region, "SecurityGroup").where(
            "VpcId", vpc_id
        )
        if _stale_rules(world, row.resource)
    ]
    return describe(world, request, _STALE, rows)


OPERATIONS: Final = {
    "DescribeSecurityGroupReferences": describe_security_group_references,
    "DescribeStaleSecurityGroups": describe_stale_security_groups,
}
