"""Routes: made, replaced, deleted, and whether they still lead anywhere.

A route is kept with its state. Whoever changes what a route leads to calls `refresh`, which looks
again at the routes that name it.
Source: Amazon VPC User Guide, "Route tables", "Example routing options";
API reference, CreateRoute.
"""

from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

from secgroup.control import prefix_lists
from secgroup.control.parameters import given, ipv4_block, ipv6_block, one_of, unserved
from secgroup.control.rule_quota import check_references
from secgroup.control.state import Resource, World
from secgroup.errors import Ec2Error

_DESTINATIONS: Final = (
    "DestinationCidrBlock",
    "DestinationIpv6CidrBlock",
    "DestinationPrefixListId",
)
_TARGETS: Final = (
    "GatewayId",
    "NatGatewayId",
    "NetworkInterfaceId",
    "InstanceId",
    "VpcPeeringConnectionId",
    "EgressOnlyInternetGatewayId",
)
_UNSERVED: Final = (
    "VpcEndpointId",
    "TransitGatewayId",
    "LocalGatewayId",
    "CarrierGatewayId",
    "CoreNetworkArn",
    "OdbNetworkArn",
)
#: Where a NAT gateway translates IPv6 to IPv4 (RFC 6052); its only IPv6 destination.
_NAT64: Final = IPv6Network("64:ff9b::/96")


def refresh(world: World, key: str, resource_id: str) -> None:
    """Look again at the state of every route whose member `key` is a resource."""
    for table in world.where("RouteTable", f"Routes.{key}", resource_id):
        routes = [
            _judged(world, table["VpcId"], route) if route.get(key) == resource_id else route
            for route in table["Routes"]
        ]
        if routes != table["Routes"]:
            world.put("RouteTable", {**table, "Routes": routes})


def _judged(world: World, vpc_id: str, route: Resource) -> dict[str, Any]:
    """Return a route with its state, and with the instance that its interface is attached to."""
    judged = {**route, "State": "active" if _leads(world, vpc_id, route) else "blackhole"}
    interface_id = route.get("NetworkInterfaceId")
    if interface_id is not None:
        attachment = _attachment(world, interface_id)
        for key in ("InstanceId", "InstanceOwnerId"):
            judged.pop(key, None)
            if attachment.get(key) is not None and "InstanceId" in attachment:
                judged[key] = attachment[key]
    return judged


def _attachment(world: World, interface_id: str) -> Resource:
    interface = world.get("NetworkInterface", interface_id) or {}
    attachment: Resource = interface.get("Attachment") or {}
    return attachment


def _leads(world: World, vpc_id: str, route: Resource) -> bool:
    gateway_id = route.get("GatewayId")
    if gateway_id == "local":
        return True
    if gateway_id is not None and gateway_id.startswith("vpce-"):
        return world.get("VpcEndpoint", gateway_id) is not None
    if gateway_id is not None:
        return _attached_to(world.get("InternetGateway", gateway_id)) == vpc_id
    if "EgressOnlyInternetGatewayId" in route:
        gateway = world.get("EgressOnlyInternetGateway", route["EgressOnlyInternetGatewayId"])
        return _attached_to(gateway) == vpc_id
    if "NatGatewayId" in route:
        nat = world.get("NatGateway", route["NatGatewayId"])
        return nat is not None and nat["State"] == "available"
    if "VpcPeeringConnectionId" in route:
        row = world.state.find("VpcPeeringConnection", route["VpcPeeringConnectionId"])
        return row is not None and row.resource["Status"]["Code"] == "active"
    return bool(_attachment(world, route["NetworkInterfaceId"]))


def _attached_to(gateway: Resource | None) -> str | None:
    attachments = () if gateway is None else gateway["Attachments"]
    return next((each["VpcId"] for each in attachments), None)


# Operations ---------------------------------------------------------------------------------------


def create_route(world: World, request: Resource) -> dict[str, Any]:
    """CreateRoute."""
    table = world.need("RouteTable", request["RouteTableId"])
    key, destination = _destination(world, request)
    route = {key: destination, **_target(world, table, request, key), "Origin": "CreateRoute"}
    if any(each.get(key) == destination for each in table["Routes"]):
        raise Ec2Error("route_exists", destination=destination)
    _check_inside(world, table, key, route)
    family = _family(world, route)
    same = [each for each in (*table["Routes"], route) if _family(world, each) == family]
    if sum(_weight(world, each) for each in same) > world.quota("routes-per-route-table"):
        raise Ec2Error("too_many_routes")
    if key == "DestinationPrefixListId":
        tables = world.where("RouteTable", "Routes.DestinationPrefixListId", destination)
        there = sum(each.get(key) == destination for table in tables for each in table["Routes"])
        check_references(world, destination, there + 1)
    routes = [*table["Routes"], _judged(world, table["VpcId"], route)]
    world.put("RouteTable", {**table, "Routes": routes})
    return {"Return": True}


def replace_route(world: World, request: Resource) -> dict[str, Any]:
    """ReplaceRoute: also sends a local route to an interface, and back with `LocalTarget`."""
    table = world.need("RouteTable", request["RouteTableId"])
    key, destination = _destination(world, request)
    old = _route_to(table, key, destination)
    if old is None:
        raise Ec2Error("route_to_replace_not_found", destination=destination, table=_id(table))
    if old.get("GatewayId", "").startswith("vpce-"):
        raise Ec2Error("endpoint_route", destination=destination, resource_id=_id(table))
    is_local = old["Origin"] == "CreateRouteTable"
    if request.get("LocalTarget"):
        if not is_local:
            raise Ec2Error("route_not_local", destination=destination, resource_id=_id(table))
        target: dict[str, Any] = {"GatewayId": "local"}
    else:
        target = _target(world, table, request, key)
        if is_local and "NetworkInterfaceId" not in target:
            raise Ec2Error("local_route_target", destination=destination)
    route = {key: destination, **target, "Origin": old["Origin"]}
    if not is_local:
        _check_inside(world, table, key, route)
    new = _judged(world, table["VpcId"], route)
    routes = [new if each is old else each for each in table["Routes"]]
    world.put("RouteTable", {**table, "Routes": routes})
    return {}


def delete_route(world: World, request: Resource) -> dict[str, Any]:
    """DeleteRoute: neither a local route nor one of a gateway endpoint."""
    table = world.need("RouteTable", request["RouteTableId"])
    key, destination = _destination(world, request)
    old = _route_to(table, key, destination)
    if old is None:
        raise Ec2Error("route_not_found", destination=destination, resource_id=_id(table))
    if old["Origin"] == "CreateRouteTable":
        raise Ec2Error("local_route", destination=destination, resource_id=_id(table))
    if old.get("GatewayId", "").startswith("vpce-"):
        raise Ec2Error("endpoint_route", destination=destination, resource_id=_id(table))
    world.put(
        "RouteTable", {**table, "Routes": [each for each in table["Routes"] if each is not old]}
    )
    return {}


# What a request names -----------------------------------------------------------------------------


def _id(table: Resource) -> str:
    return str(table["RouteTableId"])


def _route_to(table: Resource, key: str, destination: str) -> Resource | None:
    return next((each for each in table["Routes"] if each.get(key) == destination), None)


def _destination(world: World, request: Resource) -> tuple[str, str]:
    """Return which member is the destination, and its canonical value."""
    key = one_of(request, *_DESTINATIONS)
    if key == "DestinationCidrBlock":
        return key, str(ipv4_block(request[key], key))
    if key == "DestinationIpv6CidrBlock":
        return key, str(ipv6_block(request[key], key))
    prefix_lists.need(world, request[key])
    return key, request[key]


def _family(world: World, route: Resource) -> str:
    """Return the member of a route's family: a prefix list is of one, too."""
    if "DestinationPrefixListId" not in route:
        return next(key for key in _DESTINATIONS if key in route)
    prefixes = prefix_lists.need(world, route["DestinationPrefixListId"])
    return _DESTINATIONS[int(prefixes.get("AddressFamily") == "IPv6")]


def _weight(world: World, route: Resource) -> int:
    """Return what a route counts against the quota: a prefix list, its MaxEntries."""
    list_id = route.get("DestinationPrefixListId")
    if list_id is None:
        return 1
    if route.get("GatewayId", "").startswith("vpce-"):
        return 0
    return int(prefix_lists.need(world, list_id).get("MaxEntries", 1))


def _target(world: World, table: Resource, request: Resource, key: str) -> dict[str, Any]:
    """Return the member that names the target, after a look at whether it may be one."""
    unserved(request, *_UNSERVED)
    found = given(request, *_TARGETS)
    if len(found) != 1:
        raise Ec2Error("route_target")
    name = found[0]
    target_id = request[name]
    vpc_id = table["VpcId"]
    if name == "NatGatewayId":
        if key == "DestinationIpv6CidrBlock" and request[key] != str(_NAT64):
            raise Ec2Error("not_together", first="destinationIpv6CidrBlock", second="natGatewayId")
        _same(table, world.need("NatGateway", target_id)["VpcId"], f"nat gateway {target_id}")
    elif name == "EgressOnlyInternetGatewayId":
        if key == "DestinationCidrBlock":
            raise Ec2Error(
                "not_together", first="destinationCidrBlock", second="egressOnlyInternetGatewayId"
            )
        gateway = world.need("EgressOnlyInternetGateway", target_id)
        _same(table, _attached_to(gateway), f"egress only internet gateway {target_id}")
    elif name == "VpcPeeringConnectionId":
        _check_peering(world, table, target_id)
    elif name == "NetworkInterfaceId":
        interface = world.need("NetworkInterface", target_id)
        _same(table, interface["VpcId"], f"interface {target_id}")
    elif name == "InstanceId":
        return {"NetworkInterfaceId": _only_interface(world, table, target_id)}
    elif target_id.startswith("vgw-"):
        raise Ec2Error("parameter_not_served", name="GatewayId of a virtual private gateway")
    else:
        gateway = world.need("InternetGateway", target_id)
        if _attached_to(gateway) != vpc_id:
            _same(table, None, f"network gateway {target_id}")
    return {name: target_id}


def _same(table: Resource, vpc_id: str | None, second: str) -> None:
    if vpc_id != table["VpcId"]:
        raise Ec2Error("different_networks", first=f"route table {_id(table)}", second=second)


def _check_peering(world: World, table: Resource, peering_id: str) -> None:
    """Refuse a peering connection of other VPCs; one that waits is a blackhole for now."""
    row = world.state.find("VpcPeeringConnection", peering_id)
    if row is None:
        raise world.state.kinds["VpcPeeringConnection"].missing(peering_id)
    sides = [row.resource[key]["VpcId"] for key in ("RequesterVpcInfo", "AccepterVpcInfo")]
    if table["VpcId"] not in sides:
        _same(table, None, f"peering connection {peering_id}")
    if row.resource["Status"]["Code"] not in ("pending-acceptance", "active"):
        raise world.state.kinds["VpcPeeringConnection"].missing(peering_id)


def _only_interface(world: World, table: Resource, instance_id: str) -> str:
    world.need("Instance", instance_id)
    interfaces = list(world.where("NetworkInterface", "Attachment.InstanceId", instance_id))
    if len(interfaces) != 1:
        raise Ec2Error("instance_with_several_interfaces", resource_id=instance_id)
    _same(table, interfaces[0]["VpcId"], f"instance {instance_id}")
    return str(interfaces[0]["NetworkInterfaceId"])


def _check_inside(world: World, table: Resource, key: str, route: Resource) -> None:
    """Refuse a destination inside of the VPC that is no subnet's, or leads to no appliance.

    Source: VPC User Guide, "Routing for a middlebox appliance", considerations.
    """
    if key == "DestinationPrefixListId":
        return
    destination = _network(route[key])
    local = [
        each for each in table["Routes"] if each["Origin"] == "CreateRouteTable" and key in each
    ]
    if not any(_is_inside(destination, _network(each[key])) for each in local):
        return
    subnets = world.where("Subnet", "VpcId", table["VpcId"])
    blocks = {block for subnet in subnets for block in blocks_of(subnet)}
    if not {"NetworkInterfaceId", "NatGatewayId"} & route.keys() or str(destination) not in blocks:
        raise Ec2Error("route_inside_vpc", destination=route[key])


def blocks_of(subnet: Resource) -> list[str]:
    """Return the blocks of a subnet."""
    own = [subnet["CidrBlock"]] if "CidrBlock" in subnet else []
    return own + [each["Ipv6CidrBlock"] for each in subnet["Ipv6CidrBlockAssociationSet"]]


def _network(text: str) -> IPv4Network | IPv6Network:
    return IPv6Network(text) if ":" in text else IPv4Network(text)


def _is_inside(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network):
        return inner.subnet_of(outer)
    return False


OPERATIONS: Final = {
    "CreateRoute": create_route,
    "ReplaceRoute": replace_route,
    "DeleteRoute": delete_route,
}
