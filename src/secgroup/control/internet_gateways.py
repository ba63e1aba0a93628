"""Internet gateways and egress-only internet gateways.

Source: Amazon VPC User Guide, "Internet gateways", "Egress-only internet gateways".
"""

from typing import Any, Final

from secgroup.control import route_tables, routes
from secgroup.control.describe import Describe, describe
from secgroup.control.state import Resource, World
from secgroup.control.tags import tags_of
from secgroup.errors import Ec2Error

_DESCRIBE: Final = Describe(
    kind="InternetGateway",
    result="InternetGateways",
    ids="InternetGatewayIds",
    filters={
        "attachment.state": "Attachments.State",
        "attachment.vpc-id": "Attachments.VpcId",
        "internet-gateway-id": "InternetGatewayId",
        "owner-id": "OwnerId",
    },
)

_DESCRIBE_EGRESS_ONLY: Final = Describe(
    kind="EgressOnlyInternetGateway",
    result="EgressOnlyInternetGateways",
    ids="EgressOnlyInternetGatewayIds",
    max_results=(5, 255),
)


def create(world: World, tags: list[dict[str, Any]]) -> dict[str, Any]:
    """Make an internet gateway that is attached to nothing."""
    gateway = {
        "InternetGatewayId": world.new_id("igw"),
        "OwnerId": world.account_id,
        "Attachments": [],
        "Tags": tags,
    }
    world.put("InternetGateway", gateway)
    return gateway


def attach(world: World, gateway: Resource, vpc_id: str) -> None:
    """Attach an internet gateway to a VPC that has none."""
    attachments = [{"State": "available", "VpcId": vpc_id}]
    world.put("InternetGateway", {**gateway, "Attachments": attachments})
    routes.refresh(world, "GatewayId", gateway["InternetGatewayId"])


def gateway_of(world: World, vpc_id: str) -> Resource | None:
    """Return the internet gateway of a VPC."""
    return next(world.where("InternetGateway", "Attachments.VpcId", vpc_id), None)


def create_internet_gateway(world: World, request: Resource) -> dict[str, Any]:
    """CreateInternetGateway."""
    tags = tags_of(world, request, "internet-gateway")
    if world.count("InternetGateway") >= world.quota("internet-gateways-per-region"):
        raise Ec2Error("too_many_internet_gateways")
    return {"InternetGateway": create(world, tags)}


def attach_internet_gateway(world: World, request: Resource) -> dict[str, Any]:
    """AttachInternetGateway: one for a VPC, and one VPC for it."""
    gateway = world.need("InternetGateway", request["InternetGatewayId"])
    vpc_id = request["VpcId"]
    world.need("Vpc", vpc_id)
    for each in gateway["Attachments"]:
        raise Ec2Error(
            "gateway_attached", resource_id=gateway["InternetGatewayId"], vpc=each["VpcId"]
        )
    if gateway_of(world, vpc_id) is not None:
        raise Ec2Error("vpc_has_gateway", resource_id=vpc_id)
    attach(world, gateway, vpc_id)
    return {}


def detach_internet_gateway(world: World, request: Resource) -> dict[str, Any]:
    """DetachInternetGateway: not while an interface of the VPC has a public address."""
    gateway = world.need("InternetGateway", request["InternetGatewayId"])
    gateway_id, vpc_id = gateway["InternetGatewayId"], request["VpcId"]
    world.need("Vpc", vpc_id)
    if all(each["VpcId"] != vpc_id for each in gateway["Attachments"]):
        raise Ec2Error("gateway_not_attached", resource_id=gateway_id, vpc=vpc_id)
    for interface in world.where("NetworkInterface", "VpcId", vpc_id):
        if any("Association" in each for each in interface["PrivateIpAddresses"]):
            raise Ec2Error("vpc_has_public_addresses", resource_id=vpc_id)
    world.put("InternetGateway", {**gateway, "Attachments": []})
    route_tables.dissociate(world, "Associations.GatewayId", gateway_id)
    routes.refresh(world, "GatewayId", gateway_id)
    return {}


def delete_internet_gateway(world: World, request: Resource) -> dict[str, Any]:
    """DeleteInternetGateway: only one that is attached to nothing."""
    gateway = world.need("InternetGateway", request["InternetGatewayId"])
    gateway_id = gateway["InternetGatewayId"]
    if gateway["Attachments"]:
        raise Ec2Error("in_use", noun="internetGateway", resource_id=gateway_id)
    world.delete("InternetGateway", gateway_id)
    routes.refresh(world, "GatewayId", gateway_id)
    return {}


def describe_internet_gateways(world: World, request: Resource) -> dict[str, Any]:
    """DescribeInternetGateways."""
    return describe(world, request, _DESCRIBE)


def create_egress_only_internet_gateway(world: World, request: Resource) -> dict[str, Any]:
    """CreateEgressOnlyInternetGateway: attached from its making on."""
    vpc_id = request["VpcId"]
    world.need("Vpc", vpc_id)
    gateway = {
        "EgressOnlyInternetGatewayId": world.new_id("eigw"),
        "Attachments": [{"State": "attached", "VpcId": vpc_id}],
        "Tags": tags_of(world, request, "egress-only-internet-gateway"),
    }
    world.put("EgressOnlyInternetGateway", gateway)
    result: dict[str, Any] = {"EgressOnlyInternetGateway": gateway}
    if request.get("ClientToken"):
        result["ClientToken"] = request["ClientToken"]
    return result


def delete_egress_only_internet_gateway(world: World, request: Resource) -> dict[str, Any]:
    """DeleteEgressOnlyInternetGateway: routes to it become blackholes."""
    gateway_id = request["EgressOnlyInternetGatewayId"]
    world.need("EgressOnlyInternetGateway", gateway_id)
    world.delete("EgressOnlyInternetGateway", gateway_id)
    routes.refresh(world, "EgressOnlyInternetGatewayId", gateway_id)
    return {"ReturnCode": True}


def describe_egress_only_internet_gateways(world: World, request: Resource) -> dict[str, Any]:
    """DescribeEgressOnlyInternetGateways."""
    return describe(world, request, _DESCRIBE_EGRESS_ONLY)


OPERATIONS: Final = {
    "CreateInternetGateway": create_internet_gateway,
    "AttachInternetGateway": attach_internet_gateway,
    "DetachInternetGateway": detach_internet_gateway,
    "DeleteInternetGateway": delete_internet_gateway,
    "DescribeInternetGateways": describe_internet_gateways,
    "CreateEgressOnlyInternetGateway": create_egress_only_internet_gateway,
    "DeleteEgressOnlyInternetGateway": delete_egress_only_internet_gateway,
    "DescribeEgressOnlyInternetGateways": describe_egress_only_internet_gateways,
}
