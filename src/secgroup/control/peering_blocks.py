"""The two sides of a VPC peering connection: whose they are, their blocks, tags and VPCs."""

from typing import Any

from secgroup.control.state import Kind, Resource, Row, World

SIDES = ("RequesterVpcInfo", "AccepterVpcInfo")


def is_of(connection: Resource, world: World, side: str) -> bool:
    """Tell whether a side of a connection is in a world."""
    told = connection[side]
    return (told["OwnerId"], told["Region"]) == (world.account_id, world.region)


def tags_of_side(world: World, peering_id: str) -> tuple[Kind, Resource] | None:
    """Return the kind and resource with a side's tags for a connection that the other side keeps.

    None where the connection itself has them, or is none of this world's.
    """
    row = world.state.find("VpcPeeringConnection", peering_id)
    if row is None or (row.account_id, row.region) == (world.account_id, world.region):
        return None
    if not any(is_of(row.resource, world, side) for side in SIDES):
        return None
    kind = world.state.kinds["PeerTags"]
    return kind, world.get(kind.shape, peering_id) or {kind.id_key: peering_id, kind.tags: []}


def of_vpc(world: World, vpc_id: str) -> list[Row]:
    """Return the peering connections of a VPC that wait or are in force, of any world."""
    found = {}
    for account_id, region in world.state.worlds():
        table = world.state.table(account_id, region, "VpcPeeringConnection")
        for side in SIDES:
            for row in table.where(f"{side}.VpcId", vpc_id):
                if row.resource["Status"]["Code"] in ("pending-acceptance", "active"):
                    found[row.resource_id] = row
    return list(found.values())


def has_peering(world: World, vpc_id: str) -> bool:
    """Tell whether a VPC has a peering connection in force."""
    return any(row.resource["Status"]["Code"] == "active" for row in of_vpc(world, vpc_id))


def end_waiting(world: World, vpc_id: str) -> None:
    """Delete the peering connections of a VPC that goes while they wait."""
    status = {"Code": "deleted", "Message": f"Deleted by {world.account_id}"}
    for row in of_vpc(world, vpc_id):
        world.state.put(row.account_id, row.region, row.kind, {**row.resource, "Status": status})


def blocks(vpc: Resource) -> dict[str, Any]:
    """Return what a peering connection tells of the blocks of a VPC."""
    told: dict[str, Any] = {
        "CidrBlock": vpc["CidrBlock"],
        "CidrBlockSet": [
            {"CidrBlock": each["CidrBlock"]} for each in vpc["CidrBlockAssociationSet"]
        ],
    }
    if vpc["Ipv6CidrBlockAssociationSet"]:
        told["Ipv6CidrBlockSet"] = [
            {"Ipv6CidrBlock": each["Ipv6CidrBlock"]} for each in vpc["Ipv6CidrBlockAssociationSet"]
        ]
    return told


def refresh(world: World, vpc_id: str) -> None:
    """Let the peering connections of a VPC tell the blocks that it has now."""
    vpc = world.need("Vpc", vpc_id)
    for row in of_vpc(world, vpc_id):
        connection = dict(row.resource)
        for side in SIDES:
            if connection[side]["VpcId"] == vpc_id and "CidrBlock" in connection[side]:
                kept = {k: v for k, v in connection[side].items() if k != "Ipv6CidrBlockSet"}
                connection[side] = {**kept, **blocks(vpc)}
        world.state.put(row.account_id, row.region, row.kind, connection)
