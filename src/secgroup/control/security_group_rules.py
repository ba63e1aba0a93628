"""The rules of security groups: authorized, revoked, modified, described.

Owns what a group may have: no rule twice, no more than its quota, peers that are there. How a
request spells rules is in `permissions`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from secgroup.control import prefix_lists
from secgroup.control.describe import Describe, describe, filters_of
from secgroup.control.permissions import (
    cidr_of,
    described,
    identity,
    permissions_of,
    rules_of,
    spelled,
    traffic_of,
    unique,
)
from secgroup.control.references import resolve, shown
from secgroup.control.rule_quota import check_quota
from secgroup.control.security_groups import asked_group, named_group, put_rule
from secgroup.control.state import Resource, World
from secgroup.control.tags import tags_of
from secgroup.errors import Ec2Error

#: What the older form of a request has instead of IpPermissions, each with its name in messages.
_TOP_LEVEL: Final = {
    "CidrIp": "cidrIp",
    "FromPort": "fromPort",
    "ToPort": "toPort",
    "IpProtocol": "ipProtocol",
    "SourceSecurityGroupName": "sourceSecurityGroupName",
    "SourceSecurityGroupOwnerId": "sourceSecurityGroupOwnerId",
}

#: The members of a rule that are its peer, and what EC2's messages call them: as something new,
#: and as what a rule is.
_PEERS: Final = {
    "CidrIpv4": ("CidrIpv4", "IPv4 CIDR"),
    "CidrIpv6": ("CidrIpv6", "IPv6 CIDR"),
    "PrefixListId": ("PrefixListId", "prefix list"),
    "ReferencedGroupId": ("a referenced group id", "referenced group"),
}


def authorize(world: World, request: Resource, *, is_egress: bool) -> dict[str, Any]:
    """AuthorizeSecurityGroupIngress and AuthorizeSecurityGroupEgress: all rules or none.

    Source: API Reference, AuthorizeSecurityGroupIngress, AuthorizeSecurityGroupEgress.
    """
    group = asked_group(world, request)
    rules = _asked_rules(world, request, is_egress=is_egress)
    if not rules:
        raise Ec2Error("missing_parameter", name="ipPermissions")
    tags = tags_of(world, request, "security-group-rule")
    unique(rules)
    rules = [_resolved(world, group, rule) for rule in rules]
    kept = _rules(world, group)
    known = {identity(rule) for rule in kept}
    for rule in rules:
        if identity(rule) in known:
            raise Ec2Error("rule_exists", rule=spelled(rule))
    check_quota(world, kept, [*kept, *rules])
    made = [put_rule(world, {"GroupId": group["GroupId"], **rule}, tags) for rule in rules]
    result = [shown(world.state, group, rule) for rule in made]
    return {"Return": True, "SecurityGroupRules": result}


def _rules(world: World, group: Resource) -> list[Resource]:
    return list(world.where("SecurityGroupRule", "GroupId", group["GroupId"]))


def _asked_rules(world: World, request: Resource, *, is_egress: bool) -> list[dict[str, Any]]:
    """Read the rules of a request, in either form; groups that are named get their ids."""
    rules = rules_of(_permissions(request, is_egress=is_egress), is_egress=is_egress)
    for rule in rules:
        pair = rule.get("ReferencedGroupInfo")
        if pair is None:
            continue
        if pair.get("GroupId"):
            continue
        if not pair.get("GroupName"):
            raise Ec2Error("permission_without_source")
        group_id = named_group(world, pair["GroupName"])["GroupId"]
        rule["ReferencedGroupInfo"] = {**pair, "GroupId": group_id}
    return rules


def _permissions(request: Resource, *, is_egress: bool) -> Sequence[Resource]:
    permissions: Sequence[Resource] = request.get("IpPermissions") or ()
    given = [name for name in _TOP_LEVEL if request.get(name) is not None]
    if not given:
        return permissions
    if is_egress:
        raise Ec2Error("permissions_only", name=_TOP_LEVEL[given[0]])
    if permissions:
        raise Ec2Error("permissions_and_parameters", name=_TOP_LEVEL[given[0]])
    traffic = {name: request.get(name) for name in ("IpProtocol", "FromPort", "ToPort")}
    cidr, name = request.get("CidrIp"), request.get("SourceSecurityGroupName")
    if cidr is not None:
        return [{**traffic, "IpRanges": [{"CidrIp": cidr}]}]
    if name is None:
        raise Ec2Error("permission_without_source")
    # Source: API Reference, AuthorizeSecurityGroupIngress, SourceSecurityGroupName: the rules
    # grant full ICMP, UDP and TCP access.
    pairs = [{"GroupName": name, "UserId": request.get("SourceSecurityGroupOwnerId")}]
    return [
        {"IpProtocol": protocol, "FromPort": first, "ToPort": last, "UserIdGroupPairs": pairs}
        for protocol, first, last in (("icmp", -1, -1), ("udp", 0, 65535), ("tcp", 0, 65535))
    ]


def _resolved(world: World, group: Resource, rule: Resource) -> dict[str, Any]:
    """Return a rule whose peer is there, with all that is kept of it."""
    found = dict(rule)
    if "PrefixListId" in rule:
        prefix_lists.need(world, rule["PrefixListId"])
    if "ReferencedGroupInfo" in rule:
        found["ReferencedGroupInfo"] = resolve(world, group, rule["ReferencedGroupInfo"])
    return found


def _named_rules(
    world: World, request: Resource, member: str, *, is_egress: bool
) -> tuple[Sequence[Any], list[dict[str, Any]]]:
    """Return what a request names by the ids in a member, or else by properties: one of both."""
    by_id = request.get(member) or ()
    asked = _asked_rules(world, request, is_egress=is_egress)
    if by_id and asked:
        raise Ec2Error("permissions_and_rules", name=member[0].lower() + member[1:])
    if not by_id and not asked:
        raise Ec2Error("permissions_or_rules_missing")
    return by_id, asked


def revoke(world: World, request: Resource, *, is_egress: bool) -> dict[str, Any]:
    """RevokeSecurityGroupIngress and RevokeSecurityGroupEgress: by rule ids or by properties.

    Properties that no rule has are an error, and nothing is revoked; in a default VPC they are
    answered as unknown instead. Source: API Reference, RevokeSecurityGroupIngress.
    """
    group = asked_group(world, request)
    rule_ids, asked = _named_rules(world, request, "SecurityGroupRuleIds", is_egress=is_egress)
    found = [_need_rule(world, group, each, is_egress=is_egress) for each in rule_ids]
    unknown: list[Resource] = []
    unique(asked)
    kept = {identity(rule): rule for rule in _rules(world, group)}
    for rule in asked:
        match = kept.get(identity(rule))
        if match is None:
            unknown.append(rule)
        else:
            found.append(match)
    vpc = world.get("Vpc", group["VpcId"])
    if unknown and not (vpc is not None and vpc.get("IsDefault")):
        raise Ec2Error("permission_not_found")
    revoked = {rule["SecurityGroupRuleId"]: rule for rule in found}
    for rule_id in revoked:
        world.delete("SecurityGroupRule", rule_id)
    result: dict[str, Any] = {"Return": True}
    if unknown:
        result["UnknownIpPermissions"] = permissions_of(unknown)
    result["RevokedSecurityGroupRules"] = [_revoked(rule) for rule in revoked.values()]
    return result


def _revoked(rule: Resource) -> dict[str, Any]:
    shown_keys = ("SecurityGroupRuleId", "GroupId", "IsEgress", "IpProtocol", "FromPort", "ToPort")
    found = {key: rule[key] for key in shown_keys}
    for key in ("CidrIpv4", "CidrIpv6", "PrefixListId"):
        if key in rule:
            found[key] = rule[key]
    if "ReferencedGroupInfo" in rule:
        found["ReferencedGroupId"] = rule["ReferencedGroupInfo"]["GroupId"]
    return {**found, **described(rule.get("Description"))}


def _need_rule(
    world: World, group: Resource, rule_id: str, *, is_egress: bool | None = None
) -> Resource:
    rule = world.need("SecurityGroupRule", rule_id)
    if rule["GroupId"] != group["GroupId"] or is_egress not in (None, rule["IsEgress"]):
        raise Ec2Error("rule_not_found", resource_id=rule_id)
    return rule


def modify_security_group_rules(world: World, request: Resource) -> dict[str, Any]:
    """ModifySecurityGroupRules: each rule becomes what the request says of it, all or none.

    A rule keeps its direction and the type of its peer. Without a description it has none after.
    Source: API Reference, ModifySecurityGroupRules; VPC User Guide, "Security group rules".
    """
    group = world.need("SecurityGroup", request["GroupId"])
    updates = request.get("SecurityGroupRules") or ()
    if not updates:
        raise Ec2Error("missing_parameter", name="SecurityGroupRules")
    before = {rule["SecurityGroupRuleId"]: rule for rule in _rules(world, group)}
    after = dict(before)
    changed: dict[str, Resource] = {}
    for update in updates:
        rule_id = update["SecurityGroupRuleId"]
        rule = _need_rule(world, group, rule_id)
        if rule_id in changed:
            raise Ec2Error("rule_twice", resource_id=rule_id)
        changed[rule_id] = after[rule_id] = _modified(
            world, group, rule, update.get("SecurityGroupRule") or {}
        )
    same = Counter(identity(rule) for rule in after.values())
    for rule in changed.values():
        if same[identity(rule)] > 1:
            raise Ec2Error("rule_exists", rule=spelled(rule))
    check_quota(world, before.values(), after.values())
    for rule in changed.values():
        world.put("SecurityGroupRule", rule)
    return {"Return": True}


def _modified(world: World, group: Resource, rule: Resource, asked: Resource) -> dict[str, Any]:
    named = [name for name in _PEERS if asked.get(name)]
    if not named:
        raise Ec2Error("rule_source_missing")
    if len(named) > 1:
        raise Ec2Error("rule_sources")
    name = named[0]
    member = "ReferencedGroupInfo" if name == "ReferencedGroupId" else name
    if member not in rule:
        kept = next(
            words
            for key, (_, words) in _PEERS.items()
            if key in rule or (key == "ReferencedGroupId" and "ReferencedGroupInfo" in rule)
        )
        raise Ec2Error(
            "rule_of_other_type",
            resource_id=rule["SecurityGroupRuleId"],
            named=_PEERS[name][0],
            kept=kept,
        )
    traffic = traffic_of(asked)
    value = asked[name]
    if name in ("CidrIpv4", "CidrIpv6"):
        peer: Any = cidr_of(value, name)
    elif name == "PrefixListId":
        peer = prefix_lists.need(world, value)["PrefixListId"]
    else:
        row = world.state.find("SecurityGroup", value)
        owner_id = world.account_id if row is None else row.account_id
        peer = resolve(world, group, {"GroupId": value, "UserId": owner_id})
    new = {**rule, **traffic, member: peer}
    new.pop("Description", None)
    return {**new, **described(asked.get("Description"))}


def update_descriptions(world: World, request: Resource, *, is_egress: bool) -> dict[str, Any]:
    """UpdateSecurityGroupRuleDescriptionsIngress and -Egress: without a description, it goes.

    Source: API Reference, UpdateSecurityGroupRuleDescriptionsIngress.
    """
    group = asked_group(world, request)
    by_id, asked = _named_rules(
        world, request, "SecurityGroupRuleDescriptions", is_egress=is_egress
    )
    unique(asked)
    pairs: list[tuple[Resource, str | None]] = []
    for each in by_id:
        rule_id = each.get("SecurityGroupRuleId")
        if not rule_id:
            raise Ec2Error("missing_parameter", name="SecurityGroupRuleId")
        rule = _need_rule(world, group, rule_id, is_egress=is_egress)
        pairs.append((rule, each.get("Description")))
    kept = {identity(rule): rule for rule in _rules(world, group)}
    for named in asked:
        match = kept.get(identity(named))
        if match is None:
            raise Ec2Error("permission_not_found")
        pairs.append((match, named.get("Description")))
    for rule, description in pairs:
        bare = {key: value for key, value in rule.items() if key != "Description"}
        world.put("SecurityGroupRule", {**bare, **described(description)})
    return {"Return": True}


def _rule_view(world: World, rule: Resource) -> Resource:
    group = world.get("SecurityGroup", rule["GroupId"])
    return rule if group is None else shown(world.state, group, rule)


_DESCRIBE: Final = Describe(
    kind="SecurityGroupRule",
    result="SecurityGroupRules",
    ids="SecurityGroupRuleIds",
    filters={"group-id": "GroupId", "security-group-rule-id": "SecurityGroupRuleId"},
    view=_rule_view,
)


def describe_security_group_rules(world: World, request: Resource) -> dict[str, Any]:
    """DescribeSecurityGroupRules: a malformed `group-id` is an error, an unknown one finds nothing.

    Source: seen by the tests of moto that are verified against AWS.
    """
    for group_id in _filtered_groups(request):
        if not group_id.startswith("sg-"):
            raise Ec2Error("group_id_malformed_in_filter", resource_id=group_id)
    return describe(world, request, _DESCRIBE)


def _filtered_groups(request: Resource) -> Iterator[str]:
    for each in filters_of(request):
        if each["Name"] == "group-id":
            yield from each["Values"]


_Directed = Callable[..., dict[str, Any]]


def _both(ingress: str, egress: str, function: _Directed) -> Mapping[str, _Directed]:
    return {
        ingress: partial(function, is_egress=False),
        egress: partial(function, is_egress=True),
    }


OPERATIONS: Final = {
    **_both("AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", authorize),
    **_both("RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress", revoke),
    **_both(
        "UpdateSecurityGroupRuleDescriptionsIngress",
        "UpdateSecurityGroupRuleDescriptionsEgress",
        update_descriptions,
    ),
    "DescribeSecurityGroupRules": describe_security_group_rules,
    "ModifySecurityGroupRules": modify_security_group_rules,
}
