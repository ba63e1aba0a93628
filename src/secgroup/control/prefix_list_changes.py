"""Managed prefix lists: made, changed, resized, restored and deleted.

Entries change by a new version; size and name do not make one. Source: VPC User Guide, "Work with
customer-managed prefix lists"; API Reference of each call.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from secgroup.control.aws_prefix_lists import is_reserved
from secgroup.control.permissions import TEXT_MAX, cidr_of
from secgroup.control.prefix_lists import (
    PREFIX_LIST,
    VERSION,
    entries_of,
    holders,
    need_own,
    referring_groups,
)
from secgroup.control.rule_quota import weight, weights
from secgroup.control.state import Resource, World
from secgroup.control.tags import tags_of
from secgroup.errors import Ec2Error

_CHANGES_MAX: Final = 100
#: How many resources a message about what refers to a list names (API Reference).
_NAMED_MAX: Final = 10


def create_managed_prefix_list(world: World, request: Resource) -> dict[str, Any]:
    """CreateManagedPrefixList: its first version is 1."""
    name = _checked_name(request.get("PrefixListName"))
    family = request.get("AddressFamily")
    if family not in ("IPv4", "IPv6"):
        raise Ec2Error("address_family_invalid", value=family)
    size = _checked_size(world, request.get("MaxEntries"))
    entries = _checked_entries(family, request.get("Entries") or ())
    if len(entries) > size:
        raise Ec2Error("prefix_list_full")
    tags = tags_of(world, request, "prefix-list")
    if world.count(PREFIX_LIST) >= world.quota("prefix-lists-per-region"):
        raise Ec2Error("too_many_prefix_lists")
    prefix_list_id = world.new_id("pl")
    prefix_list = {
        "PrefixListId": prefix_list_id,
        "AddressFamily": family,
        "State": "create-complete",
        "PrefixListArn": world.arn("prefix-list", prefix_list_id),
        "PrefixListName": name,
        "MaxEntries": size,
        "Version": 0,
        "Tags": tags,
        "OwnerId": world.account_id,
    }
    return _put_version(world, prefix_list, list(entries.values()), "create-complete")


def _put_version(
    world: World, prefix_list: Resource, entries: Sequence[Resource], state: str
) -> dict[str, Any]:
    """Make the next version of a list; beyond the quota the oldest goes."""
    prefix_list_id, number = prefix_list["PrefixListId"], prefix_list["Version"] + 1
    version = {"PrefixListId": prefix_list_id, "Version": number, "Entries": list(entries)}
    world.put(VERSION, version)
    oldest = f"{prefix_list_id}/{number - world.quota('versions-per-prefix-list')}"
    if world.get(VERSION, oldest) is not None:
        world.delete(VERSION, oldest)
    return _put(world, {**prefix_list, "Version": number}, state)


def _put(
    world: World, prefix_list: Resource, state: str, message: str | None = None
) -> dict[str, Any]:
    new = {**prefix_list, "State": state}
    new.pop("StateMessage", None)
    if message is not None:
        new["StateMessage"] = message
    world.put(PREFIX_LIST, new)
    return {"PrefixList": new}


def _checked_name(name: str | None) -> str:
    if not name:
        raise Ec2Error("missing_parameter", name="PrefixListName")
    if len(name) > TEXT_MAX:
        raise Ec2Error("prefix_list_name_too_long")
    if is_reserved(name):
        raise Ec2Error("prefix_list_name_reserved")
    return name


def _checked_size(world: World, size: int | None) -> int:
    if size is None:
        raise Ec2Error("missing_parameter", name="MaxEntries")
    most = world.quota("entries-per-prefix-list")
    if not 1 <= size <= most:
        raise Ec2Error("prefix_list_size_invalid", most=most)
    return size


def _checked_entries(family: str, entries: Iterable[Resource]) -> dict[str, dict[str, str]]:
    """Return entries by their canonical CIDR block."""
    found: dict[str, dict[str, str]] = {}
    for each in entries:
        cidr = cidr_of(each.get("Cidr") or "", "CidrIp" if family == "IPv4" else "CidrIpv6")
        if cidr in found:
            raise Ec2Error("entry_twice", cidr=cidr)
        description = each.get("Description")
        if description is not None and len(description) > TEXT_MAX:
            raise Ec2Error("entry_description_too_long", cidr=cidr)
        found[cidr] = {"Cidr": cidr, **({"Description": description} if description else {})}
    if len(found) > _CHANGES_MAX:
        raise Ec2Error("too_many_entry_changes")
    return found


def modify_managed_prefix_list(world: World, request: Resource) -> dict[str, Any]:
    """ModifyManagedPrefixList: entries (a new version), or size, and the name.

    A list that grows beyond what the groups that refer to it have room for keeps its size, and is
    `modify-failed`: the request itself is not refused.
    """
    prefix_list = need_own(world, request)
    added, removed = request.get("AddEntries") or (), request.get("RemoveEntries") or ()
    size = request.get("MaxEntries")
    if request.get("IpamPrefixListResolverSyncEnabled") is not None:
        raise Ec2Error("prefix_list_resolver_not_served")
    if (added or removed) and size is not None:
        raise Ec2Error("entries_and_size")
    _check_version(prefix_list, request.get("CurrentVersion"))
    if request.get("PrefixListName") is not None:
        name = _checked_name(request["PrefixListName"])
        prefix_list = {**prefix_list, "PrefixListName": name}
    if added or removed:
        return _put_version(
            world, prefix_list, _changed(world, prefix_list, added, removed), "modify-complete"
        )
    if size is not None:
        return _resize(world, prefix_list, _checked_size(world, size))
    return _put(world, prefix_list, "modify-complete")


def _check_version(prefix_list: Resource, version: int | None) -> None:
    if version is not None and version != prefix_list["Version"]:
        raise Ec2Error("prefix_list_version_mismatch")


def _changed(
    world: World, prefix_list: Resource, added: Iterable[Resource], removed: Iterable[Resource]
) -> list[Resource]:
    """Return the entries of the next version. A CIDR that is added again gets its description."""
    family = prefix_list["AddressFamily"]
    new, old = _checked_entries(family, added), _checked_entries(family, removed)
    both = [cidr for cidr in new if cidr in old]
    if both:
        raise Ec2Error("entry_twice", cidr=both[0])
    entries = {each["Cidr"]: each for each in entries_of(world.state, prefix_list)}
    for cidr in old:
        if entries.pop(cidr, None) is None:
            raise Ec2Error("entry_not_found", cidr=cidr)
    for cidr, entry in new.items():
        if entries.get(cidr) == entry:
            raise Ec2Error("entry_exists", cidr=cidr, description=entry.get("Description", ""))
        entries[cidr] = entry
    if len(entries) > prefix_list["MaxEntries"]:
        raise Ec2Error("prefix_list_full")
    return list(entries.values())


def _resize(world: World, prefix_list: Resource, size: int) -> dict[str, Any]:
    if size < len(entries_of(world.state, prefix_list)):
        raise Ec2Error("prefix_list_too_small", size=size)
    by = size - prefix_list["MaxEntries"]
    full = _too_full(world, prefix_list, by) if by > 0 else []
    if full:
        return _put(world, prefix_list, "modify-failed", _no_room(full))
    return _put(world, {**prefix_list, "MaxEntries": size}, "modify-complete")


def _too_full(world: World, prefix_list: Resource, by: int) -> list[str]:
    """Return the groups that have no room for a list when it grows by so many entries."""
    limit = world.quota("rules-per-security-group")
    found = []
    for group_id in referring_groups(world, prefix_list["PrefixListId"]):
        rules = list(world.where("SecurityGroupRule", "GroupId", group_id))
        growth: dict[tuple[bool, int], int] = {}
        for rule in rules:
            if rule.get("PrefixListId") == prefix_list["PrefixListId"]:
                family, _ = weight(world.state, rule["PrefixListId"])
                key = (rule["IsEgress"], family)
                growth[key] = growth.get(key, 0) + by
        now = weights(world, rules)
        if any(now[key] + more > limit for key, more in growth.items()):
            found.append(group_id)
    return found


def _no_room(resource_ids: Sequence[str]) -> str:
    named = ", ".join(resource_ids[:_NAMED_MAX])
    return (
        "The maximum number of entries cannot be changed: the following resources do not have "
        f"sufficient capacity: {named}"
    )


def delete_managed_prefix_list(world: World, request: Resource) -> dict[str, Any]:
    """DeleteManagedPrefixList: a list that something refers to stays, and is `delete-failed`."""
    prefix_list = need_own(world, request)
    prefix_list_id = prefix_list["PrefixListId"]
    in_use = [row.resource_id for row in holders(world, prefix_list_id)]
    if in_use:
        named = ", ".join(in_use[:_NAMED_MAX])
        message = f"The prefix list is referenced by the following resources: {named}"
        return _put(world, prefix_list, "delete-failed", message)
    for version in world.where(VERSION, "PrefixListId", prefix_list_id):
        world.delete(VERSION, f"{prefix_list_id}/{version['Version']}")
    world.delete(PREFIX_LIST, prefix_list_id)
    gone = {key: value for key, value in prefix_list.items() if key != "StateMessage"}
    return {"PrefixList": {**gone, "State": "delete-complete"}}


def restore_managed_prefix_list_version(world: World, request: Resource) -> dict[str, Any]:
    """RestoreManagedPrefixListVersion: a new version, with the entries of an earlier one."""
    prefix_list = need_own(world, request)
    _check_version(prefix_list, request["CurrentVersion"])
    entries = entries_of(world.state, prefix_list, request["PreviousVersion"])
    if len(entries) > prefix_list["MaxEntries"]:
        raise Ec2Error("prefix_list_full")
    return _put_version(world, prefix_list, entries, "restore-complete")


OPERATIONS: Final = {
    "CreateManagedPrefixList": create_managed_prefix_list,
    "DeleteManagedPrefixList": delete_managed_prefix_list,
    "ModifyManagedPrefixList": modify_managed_prefix_list,
    "RestoreManagedPrefixListVersion": restore_managed_prefix_list_version,
}
