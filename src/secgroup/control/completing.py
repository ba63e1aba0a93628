"""What a resource that was loaded lacks: the members that operations give, and count on.

A template says little, and describe output may have been trimmed. What is told stays as it is.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from secgroup.control import addresses, endpoints, instances, peering, subnets
from secgroup.control.dhcp_options import regional_id
from secgroup.control.interface_addresses import private_dns_name
from secgroup.control.places import zones
from secgroup.control.state import Resource, World

#: What every resource of a kind has.
_PLAIN: Final[Mapping[str, Mapping[str, Any]]] = {
    "Vpc": {"BlockPublicAccessStates": subnets.PLAIN["BlockPublicAccessStates"]},
    "Subnet": subnets.PLAIN,
    "Instance": {"AmiLaunchIndex": 0, "StateTransitionReason": "", **instances.PLAIN},
    "Reservation": {"Groups": []},
    "NetworkInterface": {"Operator": {"Managed": False}},
    "NatGateway": {"AvailabilityMode": "zonal"},
    "Address": {"PublicIpv4Pool": "amazon"},
    "VpcEndpoint": endpoints.PLAIN,
}


def completed(world: World, kind: str, resource: Resource) -> dict[str, Any]:
    """Return a resource with every member that one made by an operation has."""
    found = {**_PLAIN.get(kind, {}), **resource}
    more = _MORE[kind](world, found) if kind in _MORE else {}
    return {**more, **found, **{key: more[key] for key in more.keys() & _NESTED}}


#: Members whose own members may be lacking: they are made anew.
_NESTED: Final = frozenset(
    {
        "AccepterVpcInfo",
        "Association",
        "Associations",
        "Attachment",
        "Ipv6CidrBlockAssociationSet",
        "NatGatewayAddresses",
        "PrivateIpAddresses",
        "RequesterVpcInfo",
        "Routes",
    }
)


def _each(resource: Resource, member: str, **more: Any) -> list[dict[str, Any]]:
    """Return the structures of a list, each with what it lacks."""
    return [{**more, **each} for each in resource.get(member) or ()]


def _vpc(world: World, vpc: Resource) -> dict[str, Any]:
    return {
        "DhcpOptionsId": regional_id(world),
        "Ipv6CidrBlockAssociationSet": _each(
            vpc,
            "Ipv6CidrBlockAssociationSet",
            NetworkBorderGroup=world.region,
            Ipv6Pool="Amazon",
            Ipv6AddressAttribute="public",
            IpSource="amazon",
        ),
    }


def _subnet(world: World, subnet: Resource) -> dict[str, Any]:
    known = dict(zones(world.region))
    first = next(iter(known.values()))
    return {
        "AvailabilityZoneId": known.get(subnet["AvailabilityZone"], first),
        "PrivateDnsNameOptionsOnLaunch": subnets.dns_options(is_native=subnet["Ipv6Native"]),
        "Ipv6CidrBlockAssociationSet": _each(
            subnet,
            "Ipv6CidrBlockAssociationSet",
            Ipv6AddressAttribute="public",
            IpSource="amazon",
        ),
    }


def _interface(world: World, interface: Resource) -> dict[str, Any]:
    private = []
    for each in interface["PrivateIpAddresses"]:
        address = {"PrivateDnsName": private_dns_name(world, each["PrivateIpAddress"]), **each}
        if each.get("Association"):
            names = addresses.told(world, interface["VpcId"], each["Association"]["PublicIp"])
            address["Association"] = {"IpOwnerId": "amazon", **names, **each["Association"]}
        private.append(address)
    found: dict[str, Any] = {
        "AvailabilityZoneId": world.need("Subnet", interface["SubnetId"])["AvailabilityZoneId"],
        "RequesterId": interface["OwnerId"],
        "PrivateIpAddresses": private,
    }
    if private:
        found["PrivateDnsName"] = private[0]["PrivateDnsName"]
    if private and "Association" in private[0]:
        found["Association"] = private[0]["Association"]
    if interface.get("Attachment"):
        found["Attachment"] = {
            "AttachmentId": world.new_id("eni-attach"),
            "DeviceIndex": 0,
            "Status": "attached",
            "DeleteOnTermination": True,
            "InstanceOwnerId": interface["OwnerId"],
            **interface["Attachment"],
        }
    return found


def _instance(world: World, instance: Resource) -> dict[str, Any]:
    if "SubnetId" not in instance:
        return {"Placement": {"AvailabilityZone": zones(world.region)[0][0]}}
    subnet = world.need("Subnet", instance["SubnetId"])
    found: dict[str, Any] = {
        "Placement": {
            "AvailabilityZone": subnet["AvailabilityZone"],
            "AvailabilityZoneId": subnet["AvailabilityZoneId"],
            "GroupName": "",
            "Tenancy": "default",
        }
    }
    if "PrivateIpAddress" in instance:
        found["PrivateDnsName"] = private_dns_name(world, instance["PrivateIpAddress"])
    return found


def _acl(world: World, acl: Resource) -> dict[str, Any]:
    found = _each(acl, "Associations", NetworkAclId=acl["NetworkAclId"])
    for each in found:
        each.setdefault("NetworkAclAssociationId", world.new_id("aclassoc"))
    return {"Associations": found}


def _route_table(world: World, table: Resource) -> dict[str, Any]:
    state = {"State": "associated"}
    table_id = table["RouteTableId"]
    found = _each(table, "Associations", RouteTableId=table_id, AssociationState=state, Main=False)
    for each in found:
        each.setdefault("RouteTableAssociationId", world.new_id("rtbassoc"))
    routes = _each(table, "Routes", Origin="CreateRoute", State="active")
    for told, route in zip(table.get("Routes") or (), routes, strict=True):
        if route.get("GatewayId") == "local" and "Origin" not in told:
            route["Origin"] = "CreateRouteTable"
    return {"Associations": found, "Routes": routes}


def _nat_gateway(_: World, gateway: Resource) -> dict[str, Any]:
    return {"NatGatewayAddresses": _each(gateway, "NatGatewayAddresses", Status="succeeded")}


def _address(world: World, _: Resource) -> dict[str, Any]:
    return {"NetworkBorderGroup": world.region}


def _endpoint(world: World, endpoint: Resource) -> dict[str, Any]:
    interfaces = (world.get("NetworkInterface", e) for e in endpoint["NetworkInterfaceIds"])
    own = [each for each in interfaces if each is not None]
    return {
        "ServiceRegion": world.region,
        "SubnetIds": [each["SubnetId"] for each in own],
        "Groups": own[0]["Groups"] if own else [],
    }


def _peering(world: World, connection: Resource) -> dict[str, Any]:
    sides = {side: connection[side] for side in ("RequesterVpcInfo", "AccepterVpcInfo")}
    found: dict[str, Any] = {
        side: {"PeeringOptions": peering.OPTIONS, **told} for side, told in sides.items()
    }
    if connection["Status"]["Code"] == "pending-acceptance":
        found["ExpirationTime"] = peering.expiration(world)
    return found


_MORE: Final[Mapping[str, Callable[[World, Resource], dict[str, Any]]]] = {
    "Vpc": _vpc,
    "Subnet": _subnet,
    "NetworkInterface": _interface,
    "Instance": _instance,
    "NetworkAcl": _acl,
    "RouteTable": _route_table,
    "NatGateway": _nat_gateway,
    "Address": _address,
    "VpcEndpoint": _endpoint,
    "VpcPeeringConnection": _peering,
}


def associate_addresses(world: World) -> None:
    """Let every interface tell the Elastic IP addresses that are associated with it."""
    for address in world.every("Address"):
        interface = world.get("NetworkInterface", address.get("NetworkInterfaceId") or "")
        if interface is None or "AssociationId" not in address:
            continue
        for each in interface["PrivateIpAddresses"]:
            has_none = "AssociationId" not in (each.get("Association") or {})
            if each["PrivateIpAddress"] == address.get("PrivateIpAddress") and has_none:
                addresses.tell(world, address, interface, each["PrivateIpAddress"])
