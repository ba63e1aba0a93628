"""VPC peering connections: asked for, accepted, rejected, deleted; across accounts and regions.

A connection is kept in the world of who asked for it, and described in the accepter's too, where
only the accepter's tags are kept; one that was loaded, where it was loaded first. What each side
tells of its blocks is in `peering_blocks`.

Source: VPC Peering Guide, "VPC peering connection lifecycle"; API reference,
CreateVpcPeeringConnection.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import IPv4Network
from typing import Any, Final

from secgroup.control import peering_blocks, routes
from secgroup.control.describe import Describe, describe
from secgroup.control.parameters import needed
from secgroup.control.state import Resource, Row, World
from secgroup.control.tags import tags_of
from secgroup.errors import Ec2Error

_KIND: Final = "VpcPeeringConnection"
_WAITS: Final = timedelta(days=7)

#: The options of a side that has modified none.
OPTIONS: Final = {
    "AllowDnsResolutionFromRemoteVpc": False,
    "AllowEgressFromLocalClassicLinkToRemoteVpc": False,
    "AllowEgressFromLocalVpcToRemoteClassicLink": False,
}
_MESSAGES: Final = {
    "active": "Active",
    "rejected": "Inactive",
    "failed": "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range",
    "expired": "Inactive",
}

_DESCRIBE: Final = Describe(
    kind=_KIND,
    result="VpcPeeringConnections",
    ids="VpcPeeringConnectionIds",
    filters={
        **{
            f"{side}-vpc-info.{name}": f"{side.capitalize()}VpcInfo.{member}"
            for side in ("accepter", "requester")
            for name, member in (
                ("cidr-block", "CidrBlock"),
                ("owner-id", "OwnerId"),
                ("vpc-id", "VpcId"),
            )
        },
        "expiration-time": "ExpirationTime",
        "status-code": "Status.Code",
        "status-message": "Status.Message",
        "vpc-peering-connection-id": "VpcPeeringConnectionId",
    },
)


def _rows(world: World) -> list[Row]:
    """Return the connections that a world sees: those it asked for, and those it was asked for."""
    found: dict[str, Row] = {}
    for account_id, region in world.state.worlds():
        table = world.state.table(account_id, region, _KIND)
        if (account_id, region) == (world.account_id, world.region):
            found |= table.rows
        for side in peering_blocks.SIDES:
            for row in table.where(f"{side}.OwnerId", world.account_id):
                if peering_blocks.is_of(row.resource, world, side):
                    found[row.resource_id] = row
    return sorted(found.values(), key=lambda row: row.sequence)


def _need(world: World, peering_id: str) -> Row:
    row = world.state.find(_KIND, peering_id)
    if row is None or not any(
        peering_blocks.is_of(row.resource, world, side) for side in peering_blocks.SIDES
    ):
        raise world.state.kinds[_KIND].missing(peering_id)
    return row


def _seen(world: World, row: Row) -> Row:
    """Return a connection with the tags of this side, as it is shown there."""
    own = peering_blocks.tags_of_side(world, row.resource_id)
    return row if own is None else replace(row, resource={**row.resource, "Tags": own[1]["Tags"]})


def _put(world: World, row: Row, resource: Resource) -> None:
    """Keep a connection where it belongs, and look again at the routes to it on both sides."""
    world.state.put(row.account_id, row.region, _KIND, resource)
    for side in peering_blocks.SIDES:
        told = resource[side]
        there = world.state.world(told["OwnerId"], told["Region"], world.now)
        routes.refresh(there, "VpcPeeringConnectionId", row.resource_id)


def expiration(world: World) -> str:
    """Return until when a connection that is asked for now may be accepted."""
    return (world.now + _WAITS).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _status(code: str, message: str | None = None) -> dict[str, str]:
    return {"Code": code, "Message": message or _MESSAGES[code]}


def _told(vpc: Resource, region: str) -> dict[str, Any]:
    return {
        **peering_blocks.blocks(vpc),
        "OwnerId": vpc["OwnerId"],
        "VpcId": vpc["VpcId"],
        "Region": region,
        "PeeringOptions": OPTIONS,
    }


def _overlap(first: Resource, second: Resource) -> bool:
    blocks = [
        [IPv4Network(each["CidrBlock"]) for each in vpc["CidrBlockAssociationSet"]]
        for vpc in (first, second)
    ]
    return any(one.overlaps(other) for one in blocks[0] for other in blocks[1])


# Operations ---------------------------------------------------------------------------------------


def create_vpc_peering_connection(world: World, request: Resource) -> dict[str, Any]:
    """CreateVpcPeeringConnection: it waits, also in one account; or has failed.

    One that waits between the same VPCs is answered again.
    """
    vpc = world.need("Vpc", needed(request, "VpcId"))
    peer_id = needed(request, "PeerVpcId")
    owner_id = request.get("PeerOwnerId") or world.account_id
    region = request.get("PeerRegion") or world.region
    tags = tags_of(world, request, "vpc-peering-connection")
    own = peering_blocks.of_vpc(world, vpc["VpcId"])
    for row in own:
        sides = {row.resource[side]["VpcId"] for side in peering_blocks.SIDES}
        if sides != {vpc["VpcId"], peer_id}:
            continue
        if row.resource["Status"]["Code"] == "active":
            raise Ec2Error("peering_exists", resource_id=row.resource_id)
        return {_KIND: _seen(world, row).resource}
    if len(own) >= world.quota("peering-connections-per-vpc"):
        raise Ec2Error("too_many_peerings", resource_id=vpc["VpcId"])
    found = world.state.find("Vpc", peer_id)
    is_there = found is not None and (found.account_id, found.region) == (owner_id, region)
    is_good = (
        found is not None
        and is_there
        and peer_id != vpc["VpcId"]
        and not _overlap(vpc, found.resource)
    )
    waits = _status("pending-acceptance", f"Pending Acceptance by {owner_id}")
    connection = {
        "VpcPeeringConnectionId": world.new_id("pcx"),
        "RequesterVpcInfo": _told(vpc, world.region),
        "AccepterVpcInfo": {"OwnerId": owner_id, "VpcId": peer_id, "Region": region},
        "Status": waits if is_good else _status("failed"),
        "ExpirationTime": expiration(world),
        "Tags": tags,
    }
    world.put(_KIND, connection)
    return {_KIND: connection}


def accept_vpc_peering_connection(world: World, request: Resource) -> dict[str, Any]:
    """AcceptVpcPeeringConnection: by the accepter, within seven days."""
    row = _waiting(world, needed(request, "VpcPeeringConnectionId"), "active")
    if not peering_blocks.is_of(row.resource, world, "AccepterVpcInfo"):
        raise Ec2Error("peering_of_other", account=world.account_id, resource_id=row.resource_id)
    vpc = world.need("Vpc", row.resource["AccepterVpcInfo"]["VpcId"])
    kept = {key: value for key, value in row.resource.items() if key != "ExpirationTime"}
    connection = {
        **kept,
        "AccepterVpcInfo": _told(vpc, world.region),
        "Status": _status("active"),
    }
    _put(world, row, connection)
    return {_KIND: _seen(world, replace(row, resource=connection)).resource}


def _waiting(world: World, peering_id: str, wanted: str) -> Row:
    row = _need(world, peering_id)
    code = row.resource["Status"]["Code"]
    if code == "pending-acceptance":
        ends = datetime.fromisoformat(row.resource["ExpirationTime"])
        code = "expired" if world.now >= ends else code
    if code != "pending-acceptance":
        raise Ec2Error("peering_transition", resource_id=peering_id, now=code, wanted=wanted)
    return row


def reject_vpc_peering_connection(world: World, request: Resource) -> dict[str, Any]:
    """RejectVpcPeeringConnection: by the accepter, while it waits."""
    row = _waiting(world, needed(request, "VpcPeeringConnectionId"), "rejected")
    if not peering_blocks.is_of(row.resource, world, "AccepterVpcInfo"):
        raise Ec2Error("peering_of_other", account=world.account_id, resource_id=row.resource_id)
    _put(world, row, {**row.resource, "Status": _status("rejected")})
    return {"Return": True}


def delete_vpc_peering_connection(world: World, request: Resource) -> dict[str, Any]:
    """DeleteVpcPeeringConnection: by either side when active, by who asked while it waits."""
    row = _need(world, needed(request, "VpcPeeringConnectionId"))
    code = row.resource["Status"]["Code"]
    is_asker = peering_blocks.is_of(row.resource, world, "RequesterVpcInfo")
    if code not in ("active", "pending-acceptance") or (code != "active" and not is_asker):
        raise Ec2Error(
            "peering_transition", resource_id=row.resource_id, now=code, wanted="deleted"
        )
    deleted = _status("deleted", f"Deleted by {world.account_id}")
    _put(world, row, {**row.resource, "Status": deleted})
    return {"Return": True}


def describe_vpc_peering_connections(world: World, request: Resource) -> dict[str, Any]:
    """DescribeVpcPeeringConnections: of both sides."""
    rows = _rows(world)
    ids = request.get("VpcPeeringConnectionIds")
    if ids:
        rows = sorted({id_: _need(world, id_) for id_ in ids}.values(), key=lambda r: r.sequence)
    return describe(world, request, _DESCRIBE, [_seen(world, row) for row in rows])


def modify_vpc_peering_connection_options(world: World, request: Resource) -> dict[str, Any]:
    """ModifyVpcPeeringConnectionOptions: of an active one, each side its own options."""
    row = _need(world, needed(request, "VpcPeeringConnectionId"))
    if row.resource["Status"]["Code"] != "active":
        code = row.resource["Status"]["Code"]
        raise Ec2Error("peering_transition", resource_id=row.resource_id, now=code, wanted="active")
    connection = dict(row.resource)
    result: dict[str, Any] = {}
    for side in peering_blocks.SIDES:
        name = side.replace("VpcInfo", "PeeringConnectionOptions")
        options = request.get(name)
        if options is None:
            continue
        if not peering_blocks.is_of(row.resource, world, side):
            account = world.account_id
            raise Ec2Error("peering_of_other", account=account, resource_id=row.resource_id)
        told = {**connection[side]["PeeringOptions"], **options}
        connection[side] = {**connection[side], "PeeringOptions": told}
        result[name] = told
    if not result:
        raise Ec2Error("missing_parameter", name="requesterPeeringConnectionOptions")
    _put(world, row, connection)
    return result


OPERATIONS: Final = {
    "CreateVpcPeeringConnection": create_vpc_peering_connection,
    "AcceptVpcPeeringConnection": accept_vpc_peering_connection,
    "RejectVpcPeeringConnection": reject_vpc_peering_connection,
    "DeleteVpcPeeringConnection": delete_vpc_peering_connection,
    "DescribeVpcPeeringConnections": describe_vpc_peering_connections,
    "ModifyVpcPeeringConnectionOptions": modify_vpc_peering_connection_options,
}
