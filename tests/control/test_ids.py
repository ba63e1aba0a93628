"""Ids that are none, and ids that name nothing: each kind has its own fault for either."""

import pytest

from secgroup.control.kinds import KINDS
from tests.support.worlds import Client, new_client, refused

#: Operation, the member with the ids, prefix, the fault of no id, the fault of one of nobody.
ROWS = (
    ("DescribeAddresses", "AllocationIds", "eipalloc", None, "allocation_not_found"),
    (
        "DescribeDhcpOptions",
        "DhcpOptionsIds",
        "dopt",
        "dhcp_options_id_malformed",
        "dhcp_options_not_found",
    ),
    (
        "DescribeEgressOnlyInternetGateways",
        "EgressOnlyInternetGatewayIds",
        "eigw",
        "egress_only_gateway_id_malformed",
        "egress_only_gateway_not_found",
    ),
    ("DescribeFlowLogs", "FlowLogIds", "fl", None, "flow_log_not_found"),
    ("DescribeInstances", "InstanceIds", "i", "instance_id_malformed", "instance_not_found"),
    (
        "DescribeInternetGateways",
        "InternetGatewayIds",
        "igw",
        "internet_gateway_id_malformed",
        "internet_gateway_not_found",
    ),
    (
        "DescribeManagedPrefixLists",
        "PrefixListIds",
        "pl",
        "prefix_list_id_malformed",
        "prefix_list_not_found",
    ),
    (
        "DescribeNatGateways",
        "NatGatewayIds",
        "nat",
        "nat_gateway_id_malformed",
        "nat_gateway_not_found",
    ),
    ("DescribeNetworkAcls", "NetworkAclIds", "acl", "acl_id_malformed", "acl_not_found"),
    (
        "DescribeNetworkInterfacePermissions",
        "NetworkInterfacePermissionIds",
        "eni-perm",
        None,
        "interface_permission_not_found",
    ),
    (
        "DescribeNetworkInterfaces",
        "NetworkInterfaceIds",
        "eni",
        "interface_id_malformed",
        "interface_not_found",
    ),
    (
        "DescribeRouteTables",
        "RouteTableIds",
        "rtb",
        "route_table_id_malformed",
        "route_table_not_found",
    ),
    (
        "DescribeSecurityGroupRules",
        "SecurityGroupRuleIds",
        "sgr",
        "rule_id_malformed",
        "rule_not_found",
    ),
    ("DescribeSecurityGroups", "GroupIds", "sg", "group_id_malformed", "group_not_found"),
    ("DescribeSubnets", "SubnetIds", "subnet", "subnet_id_malformed", "subnet_not_found"),
    (
        "DescribeVpcEndpoints",
        "VpcEndpointIds",
        "vpce",
        "endpoint_id_malformed",
        "endpoint_not_found",
    ),
    (
        "DescribeVpcPeeringConnections",
        "VpcPeeringConnectionIds",
        "pcx",
        "peering_id_malformed",
        "peering_not_found",
    ),
    ("DescribeVpcs", "VpcIds", "vpc", "vpc_id_malformed", "vpc_not_found"),
)


@pytest.fixture(scope="module")
def client() -> Client:
    return new_client()


@pytest.mark.semantics("ec2-error-ids")
@pytest.mark.parametrize(
    ("name", "member", "prefix", "malformed", "missing"), ROWS, ids=[row[0] for row in ROWS]
)
def test_id_that_is_none_and_id_of_nobody_have_their_own_faults(
    client: Client, name: str, member: str, prefix: str, malformed: str | None, missing: str
) -> None:
    for text in ("x", f"{prefix}-", f"{prefix}-0123456G", f"{prefix}-" + "0" * 18, " ", "*"):
        with refused(malformed or missing, resource_id=text):
            client(name, **{member: [text]})
    for text in (f"{prefix}-0123abcd", f"{prefix}-" + "f" * 17):
        with refused(missing, resource_id=text):
            client(name, **{member: [text]})


def test_every_kind_that_is_described_by_id_has_a_row() -> None:
    rows = {row[2] for row in ROWS}
    # Without ids of their own in any describe call.
    others = {"sgassoc", "r"}
    assert {kind.prefix for kind in KINDS if not kind.is_own} - rows == others
