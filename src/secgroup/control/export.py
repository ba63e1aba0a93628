"""The whole state of a world as describe output, which `secgroup.load` reads back.

Owns which calls make it up. Every answer stands under its own key, whole; what only other calls
tell stands where the readers look for it: the entries of a prefix list inside of it, and the
answers of describe-vpc-attribute in a list `VpcAttributes`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from secgroup.control.endpoint import Operation
from secgroup.control.state import World

#: EC2's describe calls, each with the key of its answer and the kind that stands there as it is
#: kept; None where the answer is put together of several.
CALLS: Final = (
    ("DescribeVpcs", "Vpcs", "Vpc"),
    ("DescribeSubnets", "Subnets", "Subnet"),
    ("DescribeSecurityGroups", "SecurityGroups", "SecurityGroup"),
    ("DescribeSecurityGroupRules", "SecurityGroupRules", "SecurityGroupRule"),
    ("DescribeSecurityGroupVpcAssociations", "SecurityGroupVpcAssociations", None),
    ("DescribeNetworkAcls", "NetworkAcls", "NetworkAcl"),
    ("DescribeNetworkInterfaces", "NetworkInterfaces", "NetworkInterface"),
    ("DescribeInstances", "Reservations", None),
    ("DescribeManagedPrefixLists", "PrefixLists", "ManagedPrefixList"),
    ("DescribeRouteTables", "RouteTables", "RouteTable"),
    ("DescribeInternetGateways", "InternetGateways", "InternetGateway"),
    (
        "DescribeEgressOnlyInternetGateways",
        "EgressOnlyInternetGateways",
        "EgressOnlyInternetGateway",
    ),
    ("DescribeNatGateways", "NatGateways", "NatGateway"),
    ("DescribeAddresses", "Addresses", "Address"),
    ("DescribeVpcPeeringConnections", "VpcPeeringConnections", "VpcPeeringConnection"),
    ("DescribeVpcEndpoints", "VpcEndpoints", "VpcEndpoint"),
)


def export(world: World, operations: Mapping[str, Operation]) -> dict[str, Any]:
    """Return what a world's describe calls return, as one object.

    Parameters
    ----------
    operations : mapping of str to Operation
        By EC2's names.

    """
    found: dict[str, Any] = {
        key: list(_pages(world, operations[name], key)) for name, key, _ in CALLS
    }
    found["PrefixLists"] = [_with_entries(world, each) for each in found["PrefixLists"]]
    found["VpcAttributes"] = list(world.every("DescribeVpcAttributeResult"))
    return {key: value for key, value in found.items() if value}


def _pages(world: World, operation: Callable[..., Any], key: str) -> Iterator[Any]:
    request: dict[str, Any] = {}
    while True:
        answer = operation(world, request)
        yield from answer[key]
        if not answer.get("NextToken"):
            return
        request = {"NextToken": answer["NextToken"]}


def _with_entries(world: World, prefix_list: Mapping[str, Any]) -> Mapping[str, Any]:
    version = prefix_list.get("Version")
    row = world.state.find("PrefixListVersion", f"{prefix_list['PrefixListId']}/{version}")
    return prefix_list if row is None else {**prefix_list, "Entries": row.resource["Entries"]}
