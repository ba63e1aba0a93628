"""NAT gateways of one zone, with the interface that each of them has.

Regional ones are not served. Source: Amazon VPC User Guide, "NAT gateways"; API reference,
CreateNatGateway.
"""

from typing import Any, Final

from secgroup.control import addresses, network_interfaces, routes
from secgroup.control.describe import Describe, describe
from secgroup.control.interface_addresses import IPV4, assigned
from secgroup.control.internet_gateways import gateway_of
from secgroup.control.parameters import needed, unserved
from secgroup.control.state import Resource, World
from secgroup.control.tags import tags_of
from secgroup.errors import Ec2Error

_DESCRIBE: Final = Describe(
    kind="NatGateway",
    result="NatGateways",
    ids="NatGatewayIds",
    filters={
        "nat-gateway-id": "NatGatewayId",
        "state": "State",
        "subnet-id": "SubnetId",
        "vpc-id": "VpcId",
    },
)


def _allocations(world: World, request: Resource, *, is_public: bool) -> list[Resource]:
    """Return the Elastic IP addresses of a gateway, the primary one first; all must be free."""
    ids = [request.get("AllocationId"), *(request.get("SecondaryAllocationIds") or ())]
    if not is_public:
        if any(ids):
            raise Ec2Error("not_together", first="allocationId", second="connectivityType")
        return []
    needed(request, "AllocationId")
    if len(set(ids)) < len(ids):
        raise Ec2Error("value_invalid", value=", ".join(map(str, ids)), parameter="allocationId")
    found = [world.need("Address", str(allocation_id)) for allocation_id in ids]
    for address in found:
        if "AssociationId" in address:
            raise Ec2Error(
                "address_associated",
                resource_id=address["AllocationId"],
                association=address["AssociationId"],
            )
    return found


def create_nat_gateway(world: World, request: Resource) -> dict[str, Any]:
    """CreateNatGateway: a public one in a VPC without an internet gateway has failed."""
    unserved(request, "AvailabilityZoneAddresses", "VpcId")
    if request.get("AvailabilityMode") == "regional":
        raise Ec2Error("parameter_not_served", name="AvailabilityMode=regional")
    subnet = world.need("Subnet", needed(request, "SubnetId"))
    tags = tags_of(world, request, "natgateway")
    connectivity = request.get("ConnectivityType") or "public"
    is_public = connectivity == "public"
    allocations = _allocations(world, request, is_public=is_public)
    same_zone = [
        each
        for other in world.where("Subnet", "VpcId", subnet["VpcId"])
        if other["AvailabilityZone"] == subnet["AvailabilityZone"]
        for each in world.where("NatGateway", "SubnetId", other["SubnetId"])
        if each["State"] == "available"
    ]
    if len(same_zone) >= world.quota("nat-gateways-per-zone"):
        raise Ec2Error("too_many_nat_gateways")
    gateway_id = world.new_id("nat")
    gateway: dict[str, Any] = {
        "NatGatewayId": gateway_id,
        "VpcId": subnet["VpcId"],
        "SubnetId": subnet["SubnetId"],
        "State": "available",
        "ConnectivityType": connectivity,
        "AvailabilityMode": "zonal",
        "CreateTime": world.time,
        "NatGatewayAddresses": [],
        "Tags": tags,
    }
    if is_public and gateway_of(world, subnet["VpcId"]) is None:
        gateway["State"] = "failed"
        gateway["FailureCode"] = "Gateway.NotAttached"
        gateway["FailureMessage"] = f"Network {subnet['VpcId']} has no Internet gateway attached"
    else:
        gateway["NatGatewayAddresses"] = _addresses(world, request, gateway_id, allocations)
    world.put("NatGateway", gateway)
    result: dict[str, Any] = {"NatGateway": gateway}
    if request.get("ClientToken"):
        result["ClientToken"] = request["ClientToken"]
    return result


def _addresses(
    world: World, request: Resource, gateway_id: str, allocations: list[Resource]
) -> list[dict[str, Any]]:
    """Make a gateway's interface, and return what the gateway tells of its addresses."""
    secondary = list(request.get("SecondaryPrivateIpAddresses") or ())
    count = request.get("SecondaryPrivateIpAddressCount") or 0
    if not secondary and not count:
        count = max(0, len(allocations) - 1)
    asked: dict[str, Any] = {
        "SubnetId": request["SubnetId"],
        "Description": f"Interface for NAT Gateway {gateway_id}",
        "PrivateIpAddress": request.get("PrivateIpAddress"),
        "PrivateIpAddresses": [{"PrivateIpAddress": each} for each in secondary],
        "SecondaryPrivateIpAddressCount": count,
        "Ipv6AddressCount": 0,
    }
    if secondary and not asked["PrivateIpAddress"]:
        asked.pop("PrivateIpAddress")
    attachment = {
        "AttachmentId": world.new_id("ela-attach"),
        "DeleteOnTermination": False,
        "DeviceIndex": 1,
        "InstanceOwnerId": "amazon-aws",
        "Status": "attached",
    }
    interface = network_interfaces.create(
        world,
        asked,
        [],
        InterfaceType="natGateway",
        Groups=[],
        SourceDestCheck=False,
        RequesterManaged=True,
        Status="in-use",
        Attachment=attachment,
    )
    told: list[dict[str, Any]] = []
    for index, private in enumerate(assigned(interface, IPV4)):
        each: dict[str, Any] = {
            "NetworkInterfaceId": interface["NetworkInterfaceId"],
            "PrivateIp": private,
            "IsPrimary": index == 0,
            "Status": "succeeded",
        }
        if index < len(allocations):
            address = allocations[index]
            now = world.need("NetworkInterface", interface["NetworkInterfaceId"])
            each["AllocationId"] = address["AllocationId"]
            each["PublicIp"] = address["PublicIp"]
            each["AssociationId"] = addresses.associate(world, address, now, private)
        told.append(each)
    return told


def delete_nat_gateway(world: World, request: Resource) -> dict[str, Any]:
    """DeleteNatGateway: its interface goes, its addresses are free, routes are blackholes."""
    gateway = world.need("NatGateway", request["NatGatewayId"])
    for interface_id in {each["NetworkInterfaceId"] for each in gateway["NatGatewayAddresses"]}:
        network_interfaces.delete(world, world.need("NetworkInterface", interface_id))
    world.delete("NatGateway", gateway["NatGatewayId"])
    routes.refresh(world, "NatGatewayId", gateway["NatGatewayId"])
    return {"NatGatewayId": gateway["NatGatewayId"]}


def describe_nat_gateways(world: World, request: Resource) -> dict[str, Any]:
    """DescribeNatGateways."""
    return describe(world, request, _DESCRIBE)


OPERATIONS: Final = {
    "CreateNatGateway": create_nat_gateway,
    "DeleteNatGateway": delete_nat_gateway,
    "DescribeNatGateways": describe_nat_gateways,
}
