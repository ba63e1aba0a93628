"""The default VPC of a world: 172.31.0.0/16, a public subnet in every zone, an internet gateway.

Source: Amazon VPC User Guide, "Default VPCs", components.
"""

from ipaddress import IPv4Network
from typing import Any, Final

from secgroup.control import dhcp_options, internet_gateways, route_tables, routes, subnets, vpcs
from secgroup.control.parameters import unserved
from secgroup.control.places import zone_of, zones
from secgroup.control.state import Resource, World
from secgroup.errors import Ec2Error

_BLOCK: Final = IPv4Network("172.31.0.0/16")
_SUBNET_LENGTH: Final = 20


def ensure_default(world: World) -> None:
    """Give a world that was never used its DHCP options and its default VPC."""
    if not world.count("DhcpOptions"):
        dhcp_options.create_regional(world)
        _create(world)


def default_of(world: World) -> Resource | None:
    """Return the default VPC, None when it was deleted."""
    return next((vpc for vpc in world.every("Vpc") if vpc["IsDefault"]), None)


def default_subnet_of(world: World, zone: str | None) -> Resource | None:
    """Return the default subnet of a zone, or the first one."""
    vpc = default_of(world)
    found = () if vpc is None else world.where("Subnet", "VpcId", vpc["VpcId"])
    own = (each for each in found if each["DefaultForAz"])
    return next((each for each in own if zone in (None, each["AvailabilityZone"])), None)


def _create(world: World) -> dict[str, Any]:
    vpc = vpcs.create(world, _BLOCK, [], is_default=True)
    for zone, block in zip(
        zones(world.region), _BLOCK.subnets(new_prefix=_SUBNET_LENGTH), strict=False
    ):
        subnets.create(world, vpc, zone, ipv4=block, tags=[], is_default=True)
    gateway = internet_gateways.create(world, [])
    internet_gateways.attach(world, gateway, vpc["VpcId"])
    table = route_tables.main_of(world, vpc["VpcId"])
    routes.create_route(
        world,
        {
            "RouteTableId": table["RouteTableId"],
            "DestinationCidrBlock": "0.0.0.0/0",
            "GatewayId": gateway["InternetGatewayId"],
        },
    )
    return vpc


def create_default_vpc(world: World, request: Resource) -> dict[str, Any]:  # noqa: ARG001
    """CreateDefaultVpc: one in a region."""
    vpc = default_of(world)
    if vpc is not None:
        raise Ec2Error("default_vpc_exists", resource_id=vpc["VpcId"])
    return {"Vpc": _create(world)}


def create_default_subnet(world: World, request: Resource) -> dict[str, Any]:
    """CreateDefaultSubnet: one in a zone, the first /20 of the default VPC that is free."""
    unserved(request, "Ipv6Native")
    zone = zone_of(
        world, name=request.get("AvailabilityZone"), zone_id=request.get("AvailabilityZoneId")
    )
    if zone is None:
        raise Ec2Error("missing_parameter", name="availabilityZone")
    vpc = default_of(world)
    if vpc is None:
        raise Ec2Error("default_vpc_missing")
    old = default_subnet_of(world, zone[0])
    if old is not None:
        raise Ec2Error("default_subnet_exists", zone=zone[0], resource_id=old["SubnetId"])
    taken = [
        IPv4Network(each["CidrBlock"])
        for each in world.where("Subnet", "VpcId", vpc["VpcId"])
        if "CidrBlock" in each
    ]
    for block in IPv4Network(vpc["CidrBlock"]).subnets(new_prefix=_SUBNET_LENGTH):
        if not any(block.overlaps(each) for each in taken):
            subnet = subnets.create(world, vpc, zone, ipv4=block, tags=[], is_default=True)
            free = next(iter(subnets.free_addresses(world, subnet)))
            return {"Subnet": {**subnet, "AvailableIpAddressCount": free}}
    raise Ec2Error("no_room_for_default_subnet")


OPERATIONS: Final = {
    "CreateDefaultVpc": create_default_vpc,
    "CreateDefaultSubnet": create_default_subnet,
}
