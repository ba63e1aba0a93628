"""What rules count against the quota of a group, and references against that of a prefix list.

In each direction and family a CIDR block counts one; a group one in both families, however many
interfaces carry it; a prefix list what it may grow to, or for AWS's lists what AWS publishes.

Source: VPC User Guide, "Security group rules", "AWS-managed prefix lists" and "Amazon VPC quotas";
silent about the families of a reference to a group.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from secgroup.control.aws_prefix_lists import AWS, aws_weight
from secgroup.control.state import Resource, State, World
from secgroup.errors import Ec2Error

_IPV4: Final = 4
_IPV6: Final = 6


def weight(state: State, prefix_list_id: str) -> tuple[int, int]:
    """Return a prefix list's family, and what a rule that names it counts."""
    row = state.find("ManagedPrefixList", prefix_list_id)
    if row is None:
        return _IPV4, 0
    family = int(row.resource["AddressFamily"].removeprefix("IPv"))
    if row.account_id == AWS:
        return family, aws_weight(row.region, prefix_list_id)
    return family, row.resource["MaxEntries"]


def weights(world: World, rules: Iterable[Resource]) -> Counter[tuple[bool, int]]:
    """Return what rules count, by direction (whether it is egress) and family."""
    found: Counter[tuple[bool, int]] = Counter()
    for rule in rules:
        is_egress = rule["IsEgress"]
        if "CidrIpv4" in rule:
            found[is_egress, _IPV4] += 1
        elif "CidrIpv6" in rule:
            found[is_egress, _IPV6] += 1
        elif "PrefixListId" in rule:
            family, count = weight(world.state, rule["PrefixListId"])
            found[is_egress, family] += count
        else:
            found[is_egress, _IPV4] += 1
            found[is_egress, _IPV6] += 1
    return found


def check_references(world: World, prefix_list_id: str, count: int) -> None:
    """Refuse more references to an account's own list than it may have of one type of resource.

    Parameters
    ----------
    count : int
        How many rules, or routes, would name it.

    Raises
    ------
    Ec2Error
        They are too many.

    """
    row = world.state.find("ManagedPrefixList", prefix_list_id)
    most = world.quota("references-to-a-prefix-list")
    if row is not None and row.account_id != AWS and count > most:
        raise Ec2Error("too_many_references", resource_id=prefix_list_id, most=most)


def _named(rules: Iterable[Resource]) -> Counter[str]:
    """Return how often rules name each prefix list."""
    return Counter(rule["PrefixListId"] for rule in rules if "PrefixListId" in rule)


def check_quota(world: World, before: Iterable[Resource], after: Iterable[Resource]) -> None:
    """Refuse a group that would grow over its quota, or whose rules name a list too often.

    Raises
    ------
    Ec2Error
        In some direction and family the rules would count more than before, and too much; or a
        prefix list would have more references than before, and too many.

    """
    before, after = list(before), list(after)
    limit = world.quota("rules-per-security-group")
    old, new = weights(world, before), weights(world, after)
    if any(count > limit and count > old[key] for key, count in new.items()):
        raise Ec2Error("too_many_rules")
    for list_id, more in (_named(after) - _named(before)).items():
        there = sum(1 for _ in world.where("SecurityGroupRule", "PrefixListId", list_id))
        check_references(world, list_id, there + more)
