"""Route tables of a network and what they lead to, as resources."""

from typing import Any, Final

from secgroup.control.seed_place import ASSOCIATED, Made, Seed, present, tags
from secgroup.model.external import External
from secgroup.model.group import PrefixListReference
from secgroup.model.route import (
    EgressOnlyInternetGateway,
    ElasticAddress,
    InternetGateway,
    NatGateway,
    PeeringConnection,
    PeeringSide,
    Route,
    RouteTable,
    TargetKind,
    VpcEndpoint,
)

#: The member of a route that names its target, for each kind of target.
_TARGETS: Final = {
    TargetKind.LOCAL: "GatewayId",
    TargetKind.INTERNET_GATEWAY: "GatewayId",
    TargetKind.GATEWAY_ENDPOINT: "GatewayId",
    TargetKind.OTHER: "GatewayId",
    TargetKind.EGRESS_ONLY_GATEWAY: "EgressOnlyInternetGatewayId",
    TargetKind.NAT_GATEWAY: "NatGatewayId",
    TargetKind.PEERING: "VpcPeeringConnectionId",
    TargetKind.INTERFACE: "NetworkInterfaceId",
    TargetKind.INSTANCE: "InstanceId",
}


def route_table(seed: Seed, table: RouteTable) -> Made:
    """Return a route table; a route to what is unknown is left out."""

    def association(**members: Any) -> dict[str, Any]:
        return {
            "RouteTableAssociationId": seed.world.new_id("rtbassoc"),
            "RouteTableId": table.route_table_id,
            "AssociationState": ASSOCIATED,
            **members,
        }

    associations = [association(Main=True)] if table.is_main else []
    associations += [association(Main=False, SubnetId=each) for each in table.subnet_ids]
    associations += [association(Main=False, GatewayId=each) for each in table.gateway_ids]
    return "RouteTable", {
        "RouteTableId": table.route_table_id,
        "VpcId": table.vpc_id,
        "OwnerId": seed.owner(seed.network.vpcs[table.vpc_id].owner_id),
        "Associations": associations,
        "PropagatingVgws": [],
        "Routes": [
            _route(each) for each in table.routes if not isinstance(each.destination, External)
        ],
        "Tags": tags(table.names),
    }


def _route(route: Route) -> dict[str, Any]:
    destination = route.destination
    if isinstance(destination, PrefixListReference):
        key, spelled = "DestinationPrefixListId", destination.prefix_list_id
    else:
        version = 4 if isinstance(destination, External) else destination.version
        key = "DestinationCidrBlock" if version == 4 else "DestinationIpv6CidrBlock"
        spelled = str(destination)
    is_local = route.target.kind is TargetKind.LOCAL
    return {
        key: spelled,
        _TARGETS[route.target.kind]: route.target.target_id,
        "Origin": "CreateRouteTable" if is_local else "CreateRoute",
        "State": "blackhole" if route.is_blackhole else "active",
    }


def internet_gateway(seed: Seed, gateway: InternetGateway) -> Made:
    """Return an internet gateway."""
    attached = [] if gateway.vpc_id is None else [_attachment(gateway.vpc_id, "available")]
    return "InternetGateway", {
        "InternetGatewayId": gateway.gateway_id,
        "OwnerId": seed.owner(None),
        "Attachments": attached,
        "Tags": tags(gateway.names),
    }


def egress_only_gateway(gateway: EgressOnlyInternetGateway) -> Made:
    """Return an egress-only internet gateway."""
    attached = [] if gateway.vpc_id is None else [_attachment(gateway.vpc_id, "attached")]
    return "EgressOnlyInternetGateway", {
        "EgressOnlyInternetGatewayId": gateway.gateway_id,
        "Attachments": attached,
        "Tags": tags(gateway.names),
    }


def _attachment(vpc_id: str, state: str) -> dict[str, str]:
    return {"VpcId": vpc_id, "State": state}


def nat_gateway(seed: Seed, gateway: NatGateway) -> Made:
    """Return a NAT gateway."""
    addresses = [
        present(
            {
                "NetworkInterfaceId": interface.interface_id,
                "PrivateIp": str(each.address),
                "PublicIp": None if each.public is None else str(each.public),
                "IsPrimary": interface.interface_id == gateway.interface_ids[0] and number == 0,
            }
        )
        for interface in map(seed.network.interfaces.get, gateway.interface_ids)
        if interface is not None
        for number, each in enumerate(interface.ipv4)
    ]
    return "NatGateway", {
        "NatGatewayId": gateway.gateway_id,
        "VpcId": gateway.vpc_id,
        "SubnetId": gateway.subnet_id,
        "ConnectivityType": "public" if gateway.is_public else "private",
        "State": "available" if gateway.is_available else "pending",
        "CreateTime": seed.world.time,
        "NatGatewayAddresses": addresses,
        "Tags": tags(gateway.names),
    }


def peering(seed: Seed, peering: PeeringConnection) -> Made:
    """Return a peering connection."""
    return "VpcPeeringConnection", {
        "VpcPeeringConnectionId": peering.peering_id,
        "RequesterVpcInfo": _side(seed, peering.requester),
        "AccepterVpcInfo": _side(seed, peering.accepter),
        "Status": {"Code": "active" if peering.is_active else "pending-acceptance"},
        "Tags": tags(peering.names),
    }


def _side(seed: Seed, side: PeeringSide) -> dict[str, Any]:
    ipv4 = [str(block) for block in side.blocks if block.version == 4]
    found: dict[str, Any] = {
        "VpcId": side.vpc_id,
        "OwnerId": seed.owner(side.owner_id),
        "Region": side.region or seed.world.region,
        "CidrBlockSet": [{"CidrBlock": block} for block in ipv4],
        "Ipv6CidrBlockSet": [
            {"Ipv6CidrBlock": str(block)} for block in side.blocks if block.version == 6
        ],
    }
    if ipv4:
        found["CidrBlock"] = ipv4[0]
    return found


def endpoint(seed: Seed, endpoint: VpcEndpoint) -> Made:
    """Return a VPC endpoint."""
    return "VpcEndpoint", {
        "VpcEndpointId": endpoint.endpoint_id,
        "VpcEndpointType": endpoint.endpoint_type,
        "VpcId": endpoint.vpc_id,
        "ServiceName": endpoint.service_name,
        "State": "available" if endpoint.is_available else "pending",
        "RouteTableIds": list(endpoint.route_table_ids),
        "NetworkInterfaceIds": list(endpoint.interface_ids),
        "OwnerId": seed.owner(None),
        "CreationTimestamp": seed.world.time,
        "Tags": tags(endpoint.names),
    }


def address(seed: Seed, address: ElasticAddress) -> Made:
    """Return an Elastic IP address."""
    resource = {
        "PublicIp": str(address.public_ip),
        "AllocationId": address.allocation_id or seed.world.new_id("eipalloc"),
        "Domain": "vpc",
        "NetworkInterfaceId": address.interface_id,
        "PrivateIpAddress": None if address.private_ip is None else str(address.private_ip),
        "Tags": tags(address.names),
    }
    if address.interface_id is not None:
        resource["AssociationId"] = seed.world.new_id("eipassoc")
    return "Address", present(resource)
