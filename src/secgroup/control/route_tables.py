"""Route tables: which are there, and what is associated with them. Routes are in `routes`.

A VPC has one main table from its making on; subnets without an association of their own use it.
Source: Amazon VPC User Guide, "Route tables".
"""

from typing import Any, Final

from secgroup.control.describe import Describe, describe
from secgroup.control.parameters import one_of, unserved
from secgroup.control.state import Resource, World
from secgroup.control.tags import tags_of
from secgroup.errors import Ec2Error

_DESCRIBE: Final = Describe(
    kind="RouteTable",
    result="RouteTables",
    ids="RouteTableIds",
    filters={
        "association.gateway-id": "Associations.GatewayId",
        "association.route-table-association-id": "Associations.RouteTableAssociationId",
        "association.route-table-id": "Associations.RouteTableId",
        "association.subnet-id": "Associations.SubnetId",
        "association.main": "Associations.Main",
        "owner-id": "OwnerId",
        "route-table-id": "RouteTableId",
        "route.destination-cidr-block": "Routes.DestinationCidrBlock",
        "route.destination-ipv6-cidr-block": "Routes.DestinationIpv6CidrBlock",
        "route.destination-prefix-list-id": "Routes.DestinationPrefixListId",
        "route.egress-only-internet-gateway-id": "Routes.EgressOnlyInternetGatewayId",
        "route.gateway-id": "Routes.GatewayId",
        "route.instance-id": "Routes.InstanceId",
        "route.nat-gateway-id": "Routes.NatGatewayId",
        "route.transit-gateway-id": "Routes.TransitGatewayId",
        "route.origin": "Routes.Origin",
        "route.state": "Routes.State",
        "route.vpc-peering-connection-id": "Routes.VpcPeeringConnectionId",
        "vpc-id": "VpcId",
    },
    max_results=(5, 100),
)

_ASSOCIATION: Final = "Associations.RouteTableAssociationId"


def _local(key: str, block: str) -> dict[str, Any]:
    return {key: block, "GatewayId": "local", "Origin": "CreateRouteTable", "State": "active"}


def create(
    world: World, vpc: Resource, tags: list[dict[str, Any]], *, is_main: bool
) -> dict[str, Any]:
    """Make a table with a local route for each block of the VPC."""
    table_id = world.new_id("rtb")
    routes = [
        _local("DestinationCidrBlock", each["CidrBlock"]) for each in vpc["CidrBlockAssociationSet"]
    ] + [
        _local("DestinationIpv6CidrBlock", each["Ipv6CidrBlock"])
        for each in vpc["Ipv6CidrBlockAssociationSet"]
    ]
    table = {
        "RouteTableId": table_id,
        "VpcId": vpc["VpcId"],
        "OwnerId": world.account_id,
        "Associations": [],
        "PropagatingVgws": [],
        "Routes": routes,
        "Tags": tags,
    }
    if is_main:
        table["Associations"] = [_association(world, table_id, is_main=True)]
    world.put("RouteTable", table)
    return table


def main_of(world: World, vpc_id: str) -> Resource:
    """Return the main table of a VPC."""
    return next(table for table in world.where("RouteTable", "VpcId", vpc_id) if is_main(table))


def is_main(table: Resource) -> bool:
    """Tell whether a table is the main one of its VPC."""
    return any(each["Main"] for each in table["Associations"])


def add_local(world: World, vpc_id: str, key: str, block: str) -> None:
    """Give every table of a VPC a local route to a block that the VPC got."""
    for table in world.where("RouteTable", "VpcId", vpc_id):
        world.put("RouteTable", {**table, "Routes": [*table["Routes"], _local(key, block)]})


def remove_local(world: World, vpc_id: str, key: str, block: str) -> None:
    """Take the local route to a block from every table of a VPC that lost it."""
    for table in world.where("RouteTable", "VpcId", vpc_id):
        kept = [
            route
            for route in table["Routes"]
            if route.get(key) != block or route["Origin"] != "CreateRouteTable"
        ]
        world.put("RouteTable", {**table, "Routes": kept})


def dissociate(world: World, path: str, resource_id: str) -> None:
    """Take a subnet (`Associations.SubnetId`) or gateway out of the table it has of its own."""
    key = path.rpartition(".")[2]
    for table in world.where("RouteTable", path, resource_id):
        kept = [each for each in table["Associations"] if each.get(key) != resource_id]
        world.put("RouteTable", {**table, "Associations": kept})


def _association(world: World, table_id: str, *, is_main: bool, **what: str) -> dict[str, Any]:
    return {
        "Main": is_main,
        "RouteTableAssociationId": world.new_id("rtbassoc"),
        "RouteTableId": table_id,
        "AssociationState": {"State": "associated"},
        **what,
    }


def create_route_table(world: World, request: Resource) -> dict[str, Any]:
    """CreateRouteTable."""
    vpc = world.need("Vpc", request["VpcId"])
    tags = tags_of(world, request, "route-table")
    count = sum(1 for _ in world.where("RouteTable", "VpcId", request["VpcId"]))
    if count >= world.quota("route-tables-per-vpc"):
        raise Ec2Error("too_many_route_tables")
    result: dict[str, Any] = {"RouteTable": create(world, vpc, tags, is_main=False)}
    if request.get("ClientToken"):
        result["ClientToken"] = request["ClientToken"]
    return result


def delete_route_table(world: World, request: Resource) -> dict[str, Any]:
    """DeleteRouteTable: none that is associated, and so never the main one."""
    table = world.need("RouteTable", request["RouteTableId"])
    if table["Associations"]:
        raise Ec2Error("in_use", noun="routeTable", resource_id=table["RouteTableId"])
    for endpoint in world.where("VpcEndpoint", "RouteTableIds", table["RouteTableId"]):
        kept = [each for each in endpoint["RouteTableIds"] if each != table["RouteTableId"]]
        world.put("VpcEndpoint", {**endpoint, "RouteTableIds": kept})
    world.delete("RouteTable", table["RouteTableId"])
    return {}


def describe_route_tables(world: World, request: Resource) -> dict[str, Any]:
    """DescribeRouteTables."""
    return describe(world, request, _DESCRIBE)


def associate_route_table(world: World, request: Resource) -> dict[str, Any]:
    """AssociateRouteTable: again with the same table is the same association."""
    unserved(request, "PublicIpv4Pool")
    table = world.need("RouteTable", request["RouteTableId"])
    key = one_of(request, "SubnetId", "GatewayId")
    resource_id = request[key]
    if key == "SubnetId":
        vpc_id, noun = world.need("Subnet", resource_id)["VpcId"], "subnet"
    else:
        gateway = world.need("InternetGateway", resource_id)
        vpc_id = next((each["VpcId"] for each in gateway["Attachments"]), None)
        noun = "network gateway"
    table_id = table["RouteTableId"]
    if vpc_id != table["VpcId"]:
        raise Ec2Error(
            "different_networks", first=f"route table {table_id}", second=f"{noun} {resource_id}"
        )
    for holder in world.where("RouteTable", f"Associations.{key}", resource_id):
        if holder["RouteTableId"] != table_id:
            raise Ec2Error("route_table_associated", resource_id=table_id)
        known = next(each for each in table["Associations"] if each.get(key) == resource_id)
        return _answer("AssociationId", known)
    association = _association(world, table_id, is_main=False, **{key: resource_id})
    world.put("RouteTable", {**table, "Associations": [*table["Associations"], association]})
    return _answer("AssociationId", association)


def _answer(key: str, association: Resource) -> dict[str, Any]:
    return {
        key: association["RouteTableAssociationId"],
        "AssociationState": association["AssociationState"],
    }


def _holder(world: World, association_id: str) -> tuple[Resource, Resource]:
    """Return an association and the table that it is in."""
    table = next(world.where("RouteTable", _ASSOCIATION, association_id), None)
    if table is None:
        raise Ec2Error("association_not_found", resource_id=association_id)
    found = next(
        each for each in table["Associations"] if each["RouteTableAssociationId"] == association_id
    )
    return found, table


def _take(world: World, association: Resource, table: Resource) -> None:
    kept = [each for each in table["Associations"] if each is not association]
    world.put("RouteTable", {**table, "Associations": kept})


def disassociate_route_table(world: World, request: Resource) -> dict[str, Any]:
    """DisassociateRouteTable: not from the main table, which is only replaced."""
    association, table = _holder(world, request["AssociationId"])
    if association["Main"]:
        raise Ec2Error("main_association", resource_id=request["AssociationId"])
    _take(world, association, table)
    return {}


def replace_route_table_association(world: World, request: Resource) -> dict[str, Any]:
    """ReplaceRouteTableAssociation: of the main association, it makes a table the main one."""
    association, holder = _holder(world, request["AssociationId"])
    table = world.need("RouteTable", request["RouteTableId"])
    if table["VpcId"] != holder["VpcId"]:
        raise Ec2Error(
            "different_networks",
            first=f"route table {table['RouteTableId']}",
            second=f"route table {holder['RouteTableId']}",
        )
    _take(world, association, holder)
    table = world.need("RouteTable", request["RouteTableId"])
    what = {key: association[key] for key in ("SubnetId", "GatewayId") if key in association}
    new = _association(world, table["RouteTableId"], is_main=association["Main"], **what)
    world.put("RouteTable", {**table, "Associations": [*table["Associations"], new]})
    return _answer("NewAssociationId", new)


OPERATIONS: Final = {
    "CreateRouteTable": create_route_table,
    "DeleteRouteTable": delete_route_table,
    "DescribeRouteTables": describe_route_tables,
    "AssociateRouteTable": associate_route_table,
    "DisassociateRouteTable": disassociate_route_table,
    "ReplaceRouteTableAssociation": replace_route_table_association,
}
