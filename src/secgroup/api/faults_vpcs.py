"""The faults of VPCs and what is in them: subnets, route tables, gateways, addresses, ACLs."""

from typing import Final

from secgroup.api.fault import Fault

VPCS: Final = {
    "vpc_not_found": Fault(
        "InvalidVpcID.NotFound", "The vpc ID '{resource_id}' does not exist", "seen"
    ),
    "vpc_id_malformed": Fault(
        "InvalidVpcID.Malformed", 'Invalid id: "{resource_id}" (expecting "vpc-...")', "codes"
    ),
    "subnet_not_found": Fault(
        "InvalidSubnetID.NotFound",
        "The subnet ID '{resource_id}' does not exist",
        "seen",
    ),
    "subnet_id_malformed": Fault(
        "InvalidSubnetID.Malformed",
        'Invalid id: "{resource_id}" (expecting "subnet-...")',
        "codes",
    ),
    "route_table_not_found": Fault(
        "InvalidRouteTableID.NotFound",
        "The routeTable ID '{resource_id}' does not exist",
        "seen",
    ),
    "route_table_id_malformed": Fault(
        "InvalidRouteTableId.Malformed",
        'Invalid id: "{resource_id}" (expecting "rtb-...")',
        "codes",
    ),
    "internet_gateway_not_found": Fault(
        "InvalidInternetGatewayID.NotFound",
        "The internetGateway ID '{resource_id}' does not exist",
        "seen",
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
        "seen",
    ),
    "nat_gateway_id_malformed": Fault(
        "NatGatewayMalformed",
        "The Nat Gateway id {resource_id} is malformed",
        "codes",
    ),
    "allocation_not_found": Fault(
        "InvalidAllocationID.NotFound",
        "The allocation ID '{resource_id}' does not exist",
        "seen",
    ),
    "peering_not_found": Fault(
        "InvalidVpcPeeringConnectionID.NotFound",
        "The vpcPeeringConnection ID '{resource_id}' does not exist",
        "seen",
    ),
    "peering_id_malformed": Fault(
        "InvalidVpcPeeringConnectionId.Malformed",
        'Invalid id: "{resource_id}" (expecting "pcx-...")',
        "codes",
    ),
    "endpoint_not_found": Fault(
        "InvalidVpcEndpointId.NotFound",
        "The Vpc Endpoint Id '{resource_id}' does not exist",
        "seen",
    ),
    "endpoint_id_malformed": Fault(
        "InvalidVpcEndpointId.Malformed",
        'Invalid id: "{resource_id}" (expecting "vpce-...")',
        "codes",
    ),
    "dhcp_options_not_found": Fault(
        "InvalidDhcpOptionID.NotFound",
        "The dhcpOption ID '{resource_id}' does not exist",
        "seen",
    ),
    "dhcp_options_id_malformed": Fault(
        "InvalidDhcpOptionsId.Malformed",
        'Invalid id: "{resource_id}" (expecting "dopt-...")',
        "codes",
    ),
    "acl_not_found": Fault(
        "InvalidNetworkAclID.NotFound",
        "The network acl ID '{resource_id}' does not exist",
        "seen",
    ),
    "acl_id_malformed": Fault(
        "InvalidNetworkAclId.Malformed",
        'Invalid id: "{resource_id}" (expecting "acl-...")',
        "codes",
    ),
}
