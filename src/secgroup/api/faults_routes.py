"""The faults of route tables and of what routes lead to: gateways, peerings, endpoints."""

from typing import Final

from secgroup.api.fault import Fault

ROUTES: Final = {
    "route_table_not_found": Fault(
        "InvalidRouteTableID.NotFound",
        "The routeTable ID '{resource_id}' does not exist",
        "codes",
    ),
    "route_table_id_malformed": Fault(
        "InvalidRouteTableId.Malformed",
        'Invalid id: "{resource_id}" (expecting "rtb-...")',
        "codes",
    ),
    "internet_gateway_not_found": Fault(
        "InvalidInternetGatewayID.NotFound",
        "The internetGateway ID '{resource_id}' does not exist",
        "codes",
    ),
    "internet_gateway_id_malformed": Fault(
        "InvalidInternetGatewayId.Malformed",
        'Invalid id: "{resource_id}" (expecting "igw-...")',
        "codes",
    ),
    "egress_only_gateway_not_found": Fault(
        "InvalidEgressOnlyInternetGatewayId.NotFound",
        "The egressOnlyInternetGateway ID '{resource_id}' does not exist",
        "ours",
    ),
    "egress_only_gateway_id_malformed": Fault(
        "InvalidEgressOnlyInternetGatewayId.Malformed",
        'Invalid id: "{resource_id}" (expecting "eigw-...")',
        "codes",
    ),
    "nat_gateway_not_found": Fault(
        "NatGatewayNotFound",
        "The Nat Gateway {resource_id} was not found",
        "codes",
    ),
    "nat_gateway_id_malformed": Fault(
        "NatGatewayMalformed",
        "The Nat Gateway id {resource_id} is malformed",
        "codes",
    ),
    "allocation_not_found": Fault(
        "InvalidAllocationID.NotFound",
        "The allocation ID '{resource_id}' does not exist",
        "codes",
    ),
    "peering_not_found": Fault(
        "InvalidVpcPeeringConnectionID.NotFound",
        "The vpcPeeringConnection ID '{resource_id}' does not exist",
        "codes",
    ),
    "peering_id_malformed": Fault(
        "InvalidVpcPeeringConnectionId.Malformed",
        'Invalid id: "{resource_id}" (expecting "pcx-...")',
        "codes",
    ),
    "endpoint_not_found": Fault(
        "InvalidVpcEndpointId.NotFound",
        "The Vpc Endpoint Id '{resource_id}' does not exist",
        "codes",
    ),
    "endpoint_id_malformed": Fault(
        "InvalidVpcEndpointId.Malformed",
        'Invalid id: "{resource_id}" (expecting "vpce-...")',
        "codes",
    ),
    "vpc_block_routed": Fault(
        "InvalidVpc.Range",
        "The CIDR '{block}' is the same as, or larger than, the route destination "
        "'{destination}' of a route table of the VPC.",
        "ours",
    ),
    "too_many_route_tables": Fault(
        "RouteTableLimitExceeded",
        "The maximum number of route tables has been reached.",
        "codes",
    ),
    "route_table_associated": Fault(
        "Resource.AlreadyAssociated",
        "the specified association for route table {resource_id} conflicts with an existing "
        "association",
        "codes",
    ),
    "main_association": Fault(
        "InvalidParameterValue",
        "cannot disassociate the main route table association {resource_id}",
        "codes",
    ),
    "route_exists": Fault(
        "RouteAlreadyExists",
        "The route identified by {destination} already exists.",
        "seen",
    ),
    "route_not_found": Fault(
        "InvalidRoute.NotFound",
        "no route with destination-cidr-block {destination} in route table {resource_id}",
        "codes",
    ),
    "route_to_replace_not_found": Fault(
        "InvalidParameterValue",
        "There is no route defined for '{destination}' in the route table. Use CreateRoute "
        "instead.",
        "codes",
    ),
    "local_route": Fault(
        "InvalidParameterValue",
        "cannot remove local route {destination} in route table {resource_id}",
        "codes",
    ),
    "local_route_target": Fault(
        "InvalidParameterValue",
        "The local route {destination} can only be sent to a network interface, or back to its "
        "local target.",
        "ours",
    ),
    "route_not_local": Fault(
        "InvalidParameterValue",
        "The route {destination} in route table {resource_id} is not a local route.",
        "ours",
    ),
    "endpoint_route": Fault(
        "InvalidParameterValue",
        "cannot modify VPC endpoint route {destination} in route table {resource_id}",
        "ours",
    ),
    "route_inside_vpc": Fault(
        "InvalidParameterValue",
        "The destination CIDR block {destination} is equal to or more specific than one of this "
        "VPC's CIDR blocks. This route can target only an interface or an instance.",
        "codes",
    ),
    "route_target": Fault(
        "InvalidParameterCombination",
        "The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, "
        "vpcPeeringConnectionId, instanceId or egressOnlyInternetGatewayId",
        "codes",
    ),
    "too_many_routes": Fault(
        "RouteLimitExceeded",
        "The maximum number of routes has been reached.",
        "codes",
    ),
    "instance_with_several_interfaces": Fault(
        "InvalidInstanceID",
        "There are multiple interfaces attached to instance '{resource_id}'. Please specify an "
        "interface ID for the operation instead.",
        "codes",
    ),
    "too_many_internet_gateways": Fault(
        "InternetGatewayLimitExceeded",
        "The maximum number of internet gateways has been reached.",
        "codes",
    ),
    "gateway_attached": Fault(
        "Resource.AlreadyAssociated",
        "resource {resource_id} is already attached to network {vpc}",
        "codes",
    ),
    "vpc_has_gateway": Fault(
        "InvalidParameterValue",
        "Network {resource_id} already has an internet gateway attached",
        "codes",
    ),
    "gateway_not_attached": Fault(
        "Gateway.NotAttached",
        "resource {resource_id} is not attached to network {vpc}",
        "codes",
    ),
    "vpc_has_public_addresses": Fault(
        "DependencyViolation",
        "Network {resource_id} has some mapped public address(es). Please unmap those "
        "public address(es) before detaching the gateway.",
        "seen",
    ),
    "peering_exists": Fault(
        "VpcPeeringConnectionAlreadyExists",
        "A VPC peering connection {resource_id} between the VPCs already exists.",
        "codes",
    ),
    "too_many_peerings": Fault(
        "VpcPeeringConnectionsPerVpcLimitExceeded",
        "The maximum number of VPC peering connections of {resource_id} has been reached.",
        "codes",
    ),
    "peering_of_other": Fault(
        "OperationNotPermitted",
        "User {account} cannot modify the peering connection {resource_id} on the other side.",
        "ours",
    ),
    "peering_transition": Fault(
        "InvalidStateTransition",
        "Invalid state transition for {resource_id}, attempted to transition from {now} to "
        "{wanted}",
        "codes",
    ),
    "too_many_nat_gateways": Fault(
        "NatGatewayLimitExceeded",
        "The maximum number of NAT gateways of the zone has been reached.",
        "codes",
    ),
    "too_many_endpoints": Fault(
        "VpcEndpointLimitExceeded",
        "The maximum number of VPC endpoints has been reached.",
        "codes",
    ),
}
