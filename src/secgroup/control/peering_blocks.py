"""The two sides of a VPC peering connection: which blocks they have, and which VPC is peered."""

from typing import Any

from secgroup.control.state import Resource, Row, World

SIDES = ("RequesterVpcInfo", "AccepterVpcInfo")


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
