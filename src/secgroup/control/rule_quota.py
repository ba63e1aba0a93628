"""What rules count against the quota of a group, in each direction and family.

A CIDR block counts one; a group one in both families, however many interfaces carry it; a prefix
list what it may grow to, or for AWS's lists what AWS publishes.

Source: VPC User Guide, "Security group rules", "AWS-managed prefix lists" and "Amazon VPC quotas";
silent about the families of a reference.
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


def check_quota(world: World, before: Iterable[Resource], after: Iterable[Resource]) -> None:
    """Refuse a group that would grow over its quota.

    Raises
    ------
    Ec2Error
        In some direction and family the rules would count more than before, and too much.

    """
    limit = world.quota("rules-per-security-group")
    old, new = weights(world, before), weights(world, after)
    if any(count > limit and count > old[key] for key, count in new.items()):
        raise Ec2Error("too_many_rules")
