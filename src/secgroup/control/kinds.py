"""The kinds of resources that are kept, as a table; what each means is in its own module."""

from typing import Final

from secgroup.control.state import Kind

_VPC = ("VpcId",)


def _kind(
    shape: str,
    id_key: str,
    prefix: str,
    resource_type: str | None = None,
    *,
    tags: str = "Tags",
    indexes: tuple[str, ...] = (),
) -> Kind:
    return Kind(
        shape=shape,
        id_key=id_key,
        prefix=prefix,
        resource_type=resource_type,
        tags=tags,
        indexes=indexes,
    )


#: Every kind. Its `shape` is botocore's: a test holds each kept resource against it.
KINDS: Final[tuple[Kind, ...]] = (
    _kind("Vpc", "VpcId", "vpc", "vpc"),
    _kind("Subnet", "SubnetId", "subnet", "subnet", indexes=_VPC),
    _kind("SecurityGroup", "GroupId", "sg", "security-group", indexes=_VPC),
    _kind(
        "SecurityGroupRule",
        "SecurityGroupRuleId",
        "sgr",
        "security-group-rule",
        indexes=("GroupId", "ReferencedGroupInfo.GroupId", "PrefixListId"),
    ),
    _kind(
        "NetworkAcl",
        "NetworkAclId",
        "acl",
        "network-acl",
        indexes=(*_VPC, "Associations.SubnetId"),
    ),
    _kind("ManagedPrefixList", "PrefixListId", "pl", "prefix-list"),
    _kind(
        "NetworkInterface",
        "NetworkInterfaceId",
        "eni",
        "network-interface",
        tags="TagSet",
        indexes=(*_VPC, "SubnetId", "Groups.GroupId", "Attachment.InstanceId"),
    ),
    _kind("Instance", "InstanceId", "i", "instance", indexes=_VPC),
    _kind("RouteTable", "RouteTableId", "rtb", "route-table", indexes=_VPC),
    _kind("InternetGateway", "InternetGatewayId", "igw", "internet-gateway"),
    _kind(
        "EgressOnlyInternetGateway",
        "EgressOnlyInternetGatewayId",
        "eigw",
        "egress-only-internet-gateway",
    ),
    _kind("NatGateway", "NatGatewayId", "nat", "natgateway", indexes=(*_VPC, "SubnetId")),
    _kind("Address", "AllocationId", "eipalloc", "elastic-ip"),
    _kind("VpcPeeringConnection", "VpcPeeringConnectionId", "pcx", "vpc-peering-connection"),
    _kind("VpcEndpoint", "VpcEndpointId", "vpce", "vpc-endpoint", indexes=_VPC),
    _kind("DhcpOptions", "DhcpOptionsId", "dopt", "dhcp-options"),
    _kind("FlowLog", "FlowLogId", "fl", "vpc-flow-log", indexes=("ResourceId",)),
    # What a request with a ClientToken was answered; none of EC2's.
    _kind("ClientToken", "Token", "token"),
)
