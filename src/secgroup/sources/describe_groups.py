"""Security groups from describe output, whose rules stand in two of its answers.

Owns how SecurityGroups and SecurityGroupRules are brought together. How one rule is spelled is
in `describe_nouns`.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from secgroup.model.group import GroupReference, SecurityGroup, SecurityGroupRule
from secgroup.model.interface import NetworkInterface
from secgroup.model.vpc import Vpc
from secgroup.sources import describe_nouns as nouns
from secgroup.sources.document import Node
from secgroup.sources.draft import Draft, listed


def _identity(rule: SecurityGroupRule) -> tuple[object, ...]:
    """Return what makes a rule what it is: its direction, its traffic, its peer."""
    peer = rule.peer
    return (
        rule.is_egress,
        rule.traffic,
        peer.group_id if isinstance(peer, GroupReference) else peer,
    )


def read_groups(
    *, groups: Sequence[Node], rules: Sequence[Node], associations: Sequence[Node], draft: Draft
) -> None:
    """Add the groups that SecurityGroups and SecurityGroupRules describe.

    The ids of rules come from SecurityGroupRules; without it the rules of a group are numbered
    in each direction, one for each peer of each permission.

    Raises
    ------
    InputError
        A rule cannot be used, or the two do not say the same of a group.

    """
    by_group = _rules_by_group(rules)
    associated: dict[str, list[str]] = defaultdict(list)
    for node in associations:
        if node.text_or_none("State") in (None, "associated"):
            associated[node.text("GroupId")].append(node.text("VpcId"))
    numbered: list[str] = []
    for node in groups:
        group_id = node.text("GroupId")
        own = tuple(nouns.permission_rules(node))
        if group_id in by_group:
            own = _with_ids(node, own, [rule for _, rule in by_group[group_id].values()])
        elif rules and own:
            numbered.append(group_id)
        group = SecurityGroup(
            group_id=group_id,
            vpc_ids=tuple(dict.fromkeys((node.text("VpcId"), *associated[group_id]))),
            name=node.free_text("GroupName"),
            names=nouns.names_of(node),
            owner_id=node.text_or_none("OwnerId"),
            rules=own,
        )
        draft.add(group, source=node.source, path=node.path)
    if numbered:
        draft.warn(
            f"SecurityGroupRules has no rules of {listed(numbered)}; they are taken from "
            "SecurityGroups, and numbered"
        )
    for group_id, by_id in by_group.items():
        if group_id not in draft.of(SecurityGroup):
            only_rules = [rule for _, rule in by_id.values()]
            _add_group_of_rules(draft, next(iter(by_id.values()))[0], only_rules)


def _rules_by_group(
    rules: Sequence[Node],
) -> dict[str, dict[str, tuple[Node, SecurityGroupRule]]]:
    """Return the rules by group and id, each with its place."""
    found: dict[str, dict[str, tuple[Node, SecurityGroupRule]]] = defaultdict(dict)
    seen: dict[str, tuple[Node, SecurityGroupRule]] = {}
    for node in rules:
        rule = nouns.read_rule(node)
        known_node, known = seen.setdefault(rule.rule_id, (node, rule))
        if known != rule:
            raise node.error(
                f"{rule.rule_id} differs from the one in {known_node.source}: {known_node.path}"
            )
        found[rule.group_id][rule.rule_id] = (node, rule)
    return dict(found)


def _with_ids(
    group: Node, rules: tuple[SecurityGroupRule, ...], same: list[SecurityGroupRule]
) -> tuple[SecurityGroupRule, ...]:
    """Return the rules of SecurityGroupRules, which must be those of the group."""
    spoken = Counter(_identity(rule) for rule in rules)
    for rule in same:
        spoken[_identity(rule)] -= 1
    for rule in (*rules, *same):
        surplus = spoken[_identity(rule)]
        if surplus:
            here, there = "SecurityGroups", "SecurityGroupRules"
            only = here if surplus > 0 else there
            word = "egress" if rule.is_egress else "ingress"
            raise group.error(
                f"the {word} rule {rule.traffic} {rule.peer} stands in {only} only "
                f"(expected the same in {here} and {there})"
            )
    return tuple(sorted(same, key=lambda rule: rule.is_egress))


def _add_group_of_rules(draft: Draft, node: Node, rules: list[SecurityGroupRule]) -> None:
    """Add a group that only SecurityGroupRules knows, in the VPC of the interfaces it is on."""
    group_id = node.text("GroupId")
    interfaces = draft.of(NetworkInterface).values()
    vpc_ids = {each.vpc_id for each in interfaces if group_id in each.group_ids}
    if not vpc_ids and len(draft.of(Vpc)) == 1:
        vpc_ids = set(draft.of(Vpc))
    if not vpc_ids:
        draft.warn(f"security group {group_id}: left out, because nothing tells its VPC")
        return
    group = SecurityGroup(
        group_id=group_id,
        vpc_ids=tuple(sorted(vpc_ids)),
        owner_id=node.text_or_none("GroupOwnerId"),
        rules=tuple(sorted(rules, key=lambda rule: rule.is_egress)),
    )
    draft.add(group, source=node.source, path=node.path)
