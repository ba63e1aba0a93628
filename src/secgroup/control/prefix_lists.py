"""Managed prefix lists: which there are, their entries by version, and what refers to them.

The entries of each version are kept apart, as a kind of our own (`PrefixListVersion`), so that a
change writes one version and not all. How lists change is in `prefix_list_changes`. Source: VPC
User Guide, "Managed prefix lists"; API Reference of each call.
"""

from collections.abc import Sequence
from typing import Any, Final

from secgroup.control.aws_prefix_lists import AWS, GATEWAY_SERVICES
from secgroup.control.describe import Describe, describe, sequence_of
from secgroup.control.state import Resource, Row, State, World
from secgroup.errors import Ec2Error

PREFIX_LIST: Final = "ManagedPrefixList"
VERSION: Final = "PrefixListVersion"
#: Entries are numbered by version and place, so that a page's token stays with its version.
_PLACES: Final = 1_000_000


def _rows(world: World) -> list[Row]:
    """Return the lists that an account sees: its own and AWS's, in the order of their making."""
    own = world.state.table(world.account_id, world.region, PREFIX_LIST)
    aws = world.state.table(AWS, world.region, PREFIX_LIST)
    return sorted([*own.rows.values(), *aws.rows.values()], key=lambda row: row.sequence)


def _need_row(world: World, prefix_list_id: str) -> Row:
    row = world.state.find(PREFIX_LIST, prefix_list_id)
    if row is None or row.region != world.region or row.account_id not in (world.account_id, AWS):
        raise world.state.kinds[PREFIX_LIST].missing(prefix_list_id)
    return row


def need(world: World, prefix_list_id: str) -> Resource:
    """Return a list that an account may refer to: one of its own, or one of AWS's.

    Raises
    ------
    Ec2Error
        There is none.

    """
    return _need_row(world, prefix_list_id).resource


def need_own(world: World, request: Resource) -> Resource:
    """Return the account's own list that a request names.

    Raises
    ------
    Ec2Error
        There is none, or it is one of AWS's.

    """
    found = need(world, request["PrefixListId"])
    if found["OwnerId"] == AWS:
        raise Ec2Error("prefix_list_of_aws", resource_id=found["PrefixListId"])
    return found


def entries_of(state: State, prefix_list: Resource, version: int | None = None) -> Sequence[Any]:
    """Return the entries of a list, of its current or another version; AWS's lists have none.

    Raises
    ------
    Ec2Error
        There is no such version.

    """
    if prefix_list["OwnerId"] == AWS:
        return ()
    number = prefix_list["Version"] if version is None else version
    row = state.find(VERSION, f"{prefix_list['PrefixListId']}/{number}")
    if row is None:
        raise Ec2Error("prefix_list_version_not_found", version=number)
    entries: Sequence[Any] = row.resource["Entries"]
    return entries


def referring_groups(world: World, prefix_list_id: str) -> list[str]:
    """Return the ids of the groups whose rules name a list."""
    rules = world.where("SecurityGroupRule", "PrefixListId", prefix_list_id)
    return list(dict.fromkeys(rule["GroupId"] for rule in rules))


def holders(world: World, prefix_list_id: str) -> list[Row]:
    """Return the groups and route tables that refer to a list, in the order of their making."""
    groups = world.state.table(world.account_id, world.region, "SecurityGroup")
    tables = world.state.table(world.account_id, world.region, "RouteTable")
    rows = [groups.rows[group_id] for group_id in referring_groups(world, prefix_list_id)]
    rows += tables.where("Routes.DestinationPrefixListId", prefix_list_id)
    return sorted(rows, key=lambda row: row.sequence)


_DESCRIBE: Final = Describe(
    kind=PREFIX_LIST,
    result="PrefixLists",
    ids="PrefixListIds",
    filters={
        "owner-id": "OwnerId",
        "prefix-list-id": "PrefixListId",
        "prefix-list-name": "PrefixListName",
    },
    max_results=(1, 100),
)


def _asked(world: World, request: Resource) -> list[Row]:
    ids = request.get("PrefixListIds")
    if not ids:
        return _rows(world)
    found = {each: _need_row(world, each) for each in ids}
    return sorted(found.values(), key=lambda row: row.sequence)


def describe_managed_prefix_lists(world: World, request: Resource) -> dict[str, Any]:
    """DescribeManagedPrefixLists: the account's own lists, and AWS's."""
    return describe(world, request, _DESCRIBE, _asked(world, request))


_SERVICES: Final = Describe(
    has_tags=False,
    kind=PREFIX_LIST,
    result="PrefixLists",
    ids="PrefixListIds",
    filters={"prefix-list-id": "PrefixListId", "prefix-list-name": "PrefixListName"},
    view=lambda world, prefix_list: {
        "Cidrs": [each["Cidr"] for each in entries_of(world.state, prefix_list)],
        "PrefixListId": prefix_list["PrefixListId"],
        "PrefixListName": prefix_list["PrefixListName"],
    },
)


def describe_prefix_lists(world: World, request: Resource) -> dict[str, Any]:
    """DescribePrefixLists: the lists of services that have gateway endpoints."""
    names = {f"com.amazonaws.{world.region}.{service}" for service in GATEWAY_SERVICES}
    rows = [row for row in _asked(world, request) if row.resource["PrefixListName"] in names]
    return describe(world, request, _SERVICES, rows)


_ENTRIES: Final = Describe(kind=VERSION, result="Entries", max_results=(1, 100))


def get_managed_prefix_list_entries(world: World, request: Resource) -> dict[str, Any]:
    """GetManagedPrefixListEntries: of the current version, or of another that is still kept.

    The pages of one answer are of one version, whatever happens in between.
    """
    prefix_list = need(world, request["PrefixListId"])
    version = request.get("TargetVersion")
    if prefix_list["OwnerId"] == AWS:
        if version is not None:
            raise Ec2Error("prefix_list_of_aws", resource_id=prefix_list["PrefixListId"])
        version = 0
    elif version is None:
        token = request.get("NextToken")
        version = sequence_of(token) // _PLACES if token else prefix_list["Version"]
    rows = [
        _numbered(world, version * _PLACES + place, entry)
        for place, entry in enumerate(entries_of(world.state, prefix_list, version), 1)
    ]
    return describe(world, request, _ENTRIES, rows)


def _numbered(world: World, number: int, resource: Resource) -> Row:
    return Row(
        kind=VERSION,
        resource_id="",
        account_id=world.account_id,
        region=world.region,
        sequence=number,
        resource=resource,
    )


_ASSOCIATIONS: Final = Describe(
    kind=PREFIX_LIST, result="PrefixListAssociations", max_results=(5, 255)
)


def get_managed_prefix_list_associations(world: World, request: Resource) -> dict[str, Any]:
    """GetManagedPrefixListAssociations: groups and route tables that refer to an own list."""
    prefix_list = need_own(world, request)
    rows = [
        _numbered(
            world,
            row.sequence,
            {"ResourceId": row.resource_id, "ResourceOwner": row.account_id},
        )
        for row in holders(world, prefix_list["PrefixListId"])
    ]
    return describe(world, request, _ASSOCIATIONS, rows)


OPERATIONS: Final = {
    "DescribeManagedPrefixLists": describe_managed_prefix_lists,
    "DescribePrefixLists": describe_prefix_lists,
    "GetManagedPrefixListAssociations": get_managed_prefix_list_associations,
    "GetManagedPrefixListEntries": get_managed_prefix_list_entries,
}
