"""VPC endpoints: gateway endpoints of S3 and DynamoDB, and interface endpoints of AWS services.

A gateway endpoint stands in route tables as a route to its service's prefix list; an interface
endpoint has an interface in each of its subnets. Source: AWS PrivateLink Guide, "Gateway
endpoints", "Interface endpoints"; API reference, CreateVpcEndpoint.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from secgroup.control import network_interfaces
from secgroup.control.aws_prefix_lists import aws_list_id
from secgroup.control.describe import Describe, describe
from secgroup.control.parameters import needed, unserved
from secgroup.control.places import zones
from secgroup.control.state import Resource, World
from secgroup.control.tags import tags_of
from secgroup.control.vpcs import has_attribute
from secgroup.errors import Ec2Error

_GATEWAY: Final = ("dynamodb", "s3")
_INTERFACE: Final = (
    *("athena", "autoscaling", "cloudformation", "dynamodb", "ec2", "ec2messages"),
    *("ecr.api", "ecr.dkr", "ecs", "elasticfilesystem", "elasticloadbalancing", "events"),
    *("execute-api", "kinesis-streams", "kms", "lambda", "logs", "monitoring", "rds", "s3"),
    *("secretsmanager", "sns", "sqs", "ssm", "ssmmessages", "states", "sts"),
)
_POLICY: Final = json.dumps(
    {
        "Version": "2008-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
    }
)

_DESCRIBE: Final = Describe(
    kind="VpcEndpoint",
    result="VpcEndpoints",
    ids="VpcEndpointIds",
    filters={
        "ip-address-type": "IpAddressType",
        "service-name": "ServiceName",
        "service-region": "ServiceRegion",
        "vpc-id": "VpcId",
        "vpc-endpoint-id": "VpcEndpointId",
        "vpc-endpoint-state": "State",
        "vpc-endpoint-type": "VpcEndpointType",
    },
    max_results=(1, 1000),
)


# Services -----------------------------------------------------------------------------------------


def _services(region: str) -> list[dict[str, Any]]:
    """Return what is described of each service; some have endpoints of both types."""
    found = []
    for kind, names in (("Gateway", _GATEWAY), ("Interface", _INTERFACE)):
        for name in names:
            service: dict[str, Any] = {
                "ServiceName": f"com.amazonaws.{region}.{name}",
                "ServiceType": [{"ServiceType": kind}],
                "ServiceRegion": region,
                "AvailabilityZones": [zone for zone, _ in zones(region)],
                "AvailabilityZoneIds": [zone_id for _, zone_id in zones(region)],
                "Owner": "amazon",
                "BaseEndpointDnsNames": [f"{name}.{region}.vpce.amazonaws.com"],
                "VpcEndpointPolicySupported": True,
                "AcceptanceRequired": False,
                "ManagesVpcEndpoints": False,
                "SupportedIpAddressTypes": ["ipv4"],
                "Tags": [],
            }
            if kind == "Interface":
                service["PrivateDnsName"] = f"{name}.{region}.amazonaws.com"
                service["PrivateDnsNames"] = [{"PrivateDnsName": service["PrivateDnsName"]}]
            found.append(service)
    return found


_SERVICES: Final = Describe(
    kind="ServiceDetail",
    result="ServiceDetails",
    filters={
        "owner": "Owner",
        "service-name": "ServiceName",
        "service-region": "ServiceRegion",
        "service-type": "ServiceType.ServiceType",
        "supported-ip-address-types": "SupportedIpAddressTypes",
    },
    max_results=(1, 1000),
)


def describe_vpc_endpoint_services(world: World, request: Resource) -> dict[str, Any]:
    """DescribeVpcEndpointServices: those of AWS in this region."""
    services = _services(world.region)
    for name in request.get("ServiceNames") or ():
        _need_service(world, name)
    names = set(request.get("ServiceNames") or (each["ServiceName"] for each in services))
    wanted = [each for each in services if each["ServiceName"] in names]
    found = describe(world, request, _SERVICES, wanted)
    shown = dict.fromkeys(each["ServiceName"] for each in found["ServiceDetails"])
    return {**found, "ServiceNames": list(shown)}


def _need_service(world: World, name: str, kind: str | None = None) -> str:
    """Return the end of a service's name."""
    for each in _services(world.region):
        if each["ServiceName"] == name and kind in (None, each["ServiceType"][0]["ServiceType"]):
            return name.removeprefix(f"com.amazonaws.{world.region}.")
    raise Ec2Error("service_not_found", name=name)


def _need_beside(
    world: World, endpoint: Resource, kind: str, resource_id: str, noun: str
) -> Resource:
    """Return a resource that a request names, which must be of the endpoint's VPC."""
    resource = world.need(kind, resource_id)
    if resource["VpcId"] != endpoint["VpcId"]:
        raise Ec2Error(
            "different_networks",
            first=f"{noun} {resource_id}",
            second=f"endpoint {endpoint['VpcEndpointId']}",
        )
    return resource


# Gateway endpoints --------------------------------------------------------------------------------


def _add_route(world: World, endpoint: Resource, table_id: str) -> None:
    table = _need_beside(world, endpoint, "RouteTable", table_id, "route table")
    service = endpoint["ServiceName"].rpartition(".")[2]
    route = {
        "DestinationPrefixListId": aws_list_id(world.region, service),
        "GatewayId": endpoint["VpcEndpointId"],
        "Origin": "CreateRoute",
        "State": "active",
    }
    key = "DestinationPrefixListId"
    if any(each.get(key) == route[key] for each in table["Routes"]):
        raise Ec2Error("route_exists", destination=route[key])
    world.put("RouteTable", {**table, "Routes": [*table["Routes"], route]})


def _remove_route(world: World, endpoint: Resource, table_id: str) -> None:
    table = world.need("RouteTable", table_id)
    gone = endpoint["VpcEndpointId"]
    kept = [each for each in table["Routes"] if each.get("GatewayId") != gone]
    world.put("RouteTable", {**table, "Routes": kept})


# Interface endpoints ------------------------------------------------------------------------------


def _add_interface(world: World, endpoint: Resource, subnet_id: str) -> str:
    _need_beside(world, endpoint, "Subnet", subnet_id, "subnet")
    attachment = {
        "AttachmentId": world.new_id("ela-attach"),
        "DeleteOnTermination": False,
        "DeviceIndex": 1,
        "InstanceOwnerId": "amazon-aws",
        "Status": "attached",
    }
    asked = {
        "SubnetId": subnet_id,
        "Description": f"VPC Endpoint Interface {endpoint['VpcEndpointId']}",
        "Ipv6AddressCount": 0,
    }
    made = network_interfaces.create(
        world,
        asked,
        [],
        InterfaceType="vpc_endpoint",
        Groups=endpoint["Groups"],
        RequesterManaged=True,
        Status="in-use",
        Attachment=attachment,
    )
    return str(made["NetworkInterfaceId"])


def _check_zones(world: World, subnet_ids: list[str]) -> None:
    found = [world.need("Subnet", subnet_id)["AvailabilityZone"] for subnet_id in subnet_ids]
    if len(set(found)) != len(found):
        raise Ec2Error("subnets_in_one_zone")


# Operations ---------------------------------------------------------------------------------------


#: What every endpoint has that is told nothing else.
PLAIN: Final[Mapping[str, Any]] = {
    "PolicyDocument": _POLICY,
    "IpAddressType": "ipv4",
    "PrivateDnsEnabled": False,
    "RequesterManaged": False,
    "DnsEntries": [],
    "NetworkInterfaceIds": [],
}


def create_vpc_endpoint(world: World, request: Resource) -> dict[str, Any]:
    """CreateVpcEndpoint: a gateway endpoint unless another type is asked for."""
    unserved(
        request,
        *("DnsOptions", "SubnetConfigurations", "ServiceNetworkArn", "ResourceConfigurationArn"),
    )
    vpc = world.need("Vpc", needed(request, "VpcId"))
    kind = request.get("VpcEndpointType") or "Gateway"
    if kind not in ("Gateway", "Interface"):
        raise Ec2Error("parameter_not_served", name=f"VpcEndpointType={kind}")
    name = needed(request, "ServiceName")
    _need_service(world, name, kind)
    tags = tags_of(world, request, "vpc-endpoint")
    is_gateway = kind == "Gateway"
    for wrong in ("SubnetIds", "SecurityGroupIds") if is_gateway else ("RouteTableIds",):
        if request.get(wrong):
            raise Ec2Error("not_together", first=wrong, second="vpcEndpointType")
    _check_quota(world, vpc["VpcId"], kind)
    groups = request.get("SecurityGroupIds")
    endpoint: dict[str, Any] = {
        "VpcEndpointId": world.new_id("vpce"),
        "VpcEndpointType": kind,
        "VpcId": vpc["VpcId"],
        "OwnerId": world.account_id,
        "ServiceName": name,
        "ServiceRegion": world.region,
        "State": "available",
        **PLAIN,
        "PolicyDocument": request.get("PolicyDocument") or _POLICY,
        "RouteTableIds": list(dict.fromkeys(request.get("RouteTableIds") or ())),
        "SubnetIds": list(dict.fromkeys(request.get("SubnetIds") or ())),
        "Groups": [] if is_gateway else network_interfaces.groups_of(world, vpc["VpcId"], groups),
        "IpAddressType": request.get("IpAddressType") or PLAIN["IpAddressType"],
        "PrivateDnsEnabled": not is_gateway and request.get("PrivateDnsEnabled") is not False,
        "CreationTimestamp": world.time,
        "Tags": tags,
    }
    if endpoint["PrivateDnsEnabled"]:
        for attribute in ("EnableDnsSupport", "EnableDnsHostnames"):
            if not has_attribute(world, vpc["VpcId"], attribute):
                raise Ec2Error("private_dns_without_attributes", resource_id=endpoint["VpcId"])
    for table_id in endpoint["RouteTableIds"]:
        _add_route(world, endpoint, table_id)
    _check_zones(world, endpoint["SubnetIds"])
    endpoint["NetworkInterfaceIds"] = [
        _add_interface(world, endpoint, subnet_id) for subnet_id in endpoint["SubnetIds"]
    ]
    world.put("VpcEndpoint", endpoint)
    result: dict[str, Any] = {"VpcEndpoint": endpoint}
    if request.get("ClientToken"):
        result["ClientToken"] = request["ClientToken"]
    return result


def _check_quota(world: World, vpc_id: str, kind: str) -> None:
    if kind == "Gateway":
        count = sum(each["VpcEndpointType"] == kind for each in world.every("VpcEndpoint"))
        limit = world.quota("gateway-endpoints-per-region")
    else:
        own = world.where("VpcEndpoint", "VpcId", vpc_id)
        count = sum(each["VpcEndpointType"] == kind for each in own)
        limit = world.quota("interface-endpoints-per-vpc")
    if count >= limit:
        raise Ec2Error("too_many_endpoints")


def modify_vpc_endpoint(world: World, request: Resource) -> dict[str, Any]:
    """ModifyVpcEndpoint: its route tables, subnets, groups and policy."""
    unserved(request, "DnsOptions", "SubnetConfigurations", "IpAddressType")
    endpoint = dict(world.need("VpcEndpoint", needed(request, "VpcEndpointId")))
    if request.get("PolicyDocument"):
        endpoint["PolicyDocument"] = request["PolicyDocument"]
    if request.get("ResetPolicy"):
        endpoint["PolicyDocument"] = _POLICY
    if request.get("PrivateDnsEnabled") is not None:
        endpoint["PrivateDnsEnabled"] = request["PrivateDnsEnabled"]
    _check_kind(endpoint, request)
    for table_id in request.get("RemoveRouteTableIds") or ():
        if table_id not in endpoint["RouteTableIds"]:
            raise world.state.kinds["RouteTable"].missing(table_id)
        _remove_route(world, endpoint, table_id)
        endpoint["RouteTableIds"] = [e for e in endpoint["RouteTableIds"] if e != table_id]
    for table_id in request.get("AddRouteTableIds") or ():
        _add_route(world, endpoint, table_id)
        endpoint["RouteTableIds"] = [*endpoint["RouteTableIds"], table_id]
    _change_groups(world, endpoint, request)
    _change_subnets(world, endpoint, request)
    world.put("VpcEndpoint", endpoint)
    return {"Return": True}


def _check_kind(endpoint: Resource, request: Resource) -> None:
    """Refuse what an endpoint of the other type has."""
    is_gateway = endpoint["VpcEndpointType"] == "Gateway"
    for noun in ("SubnetIds", "SecurityGroupIds") if is_gateway else ("RouteTableIds",):
        for name in (f"Add{noun}", f"Remove{noun}"):
            if request.get(name):
                raise Ec2Error("not_together", first=name, second="vpcEndpointType")


def _change_groups(world: World, endpoint: dict[str, Any], request: Resource) -> None:
    gone = set(request.get("RemoveSecurityGroupIds") or ())
    added = list(request.get("AddSecurityGroupIds") or ())
    if not gone and not added:
        return
    ids = [each["GroupId"] for each in endpoint["Groups"] if each["GroupId"] not in gone]
    if not ids and not added:
        raise Ec2Error("missing_parameter", name="securityGroupId")
    endpoint["Groups"] = network_interfaces.groups_of(world, endpoint["VpcId"], [*ids, *added])
    for interface_id in endpoint["NetworkInterfaceIds"]:
        interface = world.need("NetworkInterface", interface_id)
        world.put("NetworkInterface", {**interface, "Groups": endpoint["Groups"]})


def _change_subnets(world: World, endpoint: dict[str, Any], request: Resource) -> None:
    gone = list(request.get("RemoveSubnetIds") or ())
    added = list(request.get("AddSubnetIds") or ())
    for interface_id in endpoint["NetworkInterfaceIds"] if gone else ():
        interface = world.need("NetworkInterface", interface_id)
        if interface["SubnetId"] in gone:
            network_interfaces.delete(world, interface)
    kept = [each for each in endpoint["SubnetIds"] if each not in gone]
    endpoint["NetworkInterfaceIds"] = [
        each
        for each in endpoint["NetworkInterfaceIds"]
        if world.get("NetworkInterface", each) is not None
    ]
    _check_zones(world, [*kept, *added])
    for subnet_id in added:
        made = _add_interface(world, endpoint, subnet_id)
        endpoint["NetworkInterfaceIds"] = [*endpoint["NetworkInterfaceIds"], made]
    endpoint["SubnetIds"] = [*kept, *added]


def delete_vpc_endpoints(world: World, request: Resource) -> dict[str, Any]:
    """DeleteVpcEndpoints: those that are there; the others are told of."""
    unsuccessful = []
    for endpoint_id in request.get("VpcEndpointIds") or ():
        endpoint = world.get("VpcEndpoint", endpoint_id)
        if endpoint is None:
            message = f"The Vpc Endpoint Id '{endpoint_id}' does not exist"
            error = {"Code": "InvalidVpcEndpoint.NotFound", "Message": message}
            unsuccessful.append({"ResourceId": endpoint_id, "Error": error})
            continue
        for table_id in endpoint["RouteTableIds"]:
            _remove_route(world, endpoint, table_id)
        for interface_id in endpoint["NetworkInterfaceIds"]:
            network_interfaces.delete(world, world.need("NetworkInterface", interface_id))
        world.delete("VpcEndpoint", endpoint_id)
    return {"Unsuccessful": unsuccessful}


def describe_vpc_endpoints(world: World, request: Resource) -> dict[str, Any]:
    """DescribeVpcEndpoints."""
    return describe(world, request, _DESCRIBE)


OPERATIONS: Final = {
    "CreateVpcEndpoint": create_vpc_endpoint,
    "ModifyVpcEndpoint": modify_vpc_endpoint,
    "DeleteVpcEndpoints": delete_vpc_endpoints,
    "DescribeVpcEndpoints": describe_vpc_endpoints,
    "DescribeVpcEndpointServices": describe_vpc_endpoint_services,
}
