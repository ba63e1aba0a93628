"""Route tables, routes, and the gateways that they lead to."""

from typing import Any

import pytest

from tests.support.worlds import Client, new_client, refused


@pytest.fixture
def client() -> Client:
    return new_client()


@pytest.fixture
def vpc(client: Client) -> dict[str, Any]:
    made: dict[str, Any] = client(
        "CreateVpc", CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True
    )["Vpc"]
    return made


def table_of(client: Client, vpc: dict[str, Any]) -> str:
    made: str = client("CreateRouteTable", VpcId=vpc["VpcId"])["RouteTable"]["RouteTableId"]
    return made


def gateway_of(client: Client, vpc: dict[str, Any]) -> str:
    made: str = client("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    client("AttachInternetGateway", VpcId=vpc["VpcId"], InternetGatewayId=made)
    return made


def subnet_of(client: Client, vpc: dict[str, Any], block: str = "10.0.1.0/24") -> str:
    made: str = client("CreateSubnet", VpcId=vpc["VpcId"], CidrBlock=block)["Subnet"]["SubnetId"]
    return made


def states(client: Client, table: str) -> list[str]:
    """Return the states of the routes that were created."""
    (found,) = client("DescribeRouteTables", RouteTableIds=[table])["RouteTables"]
    return [each["State"] for each in found["Routes"] if each["Origin"] == "CreateRoute"]


@pytest.mark.semantics("ec2-route-state", "ec2-route-target")
def test_route_is_a_blackhole_while_its_internet_gateway_is_detached(
    client: Client, vpc: dict[str, Any]
) -> None:
    table, gateway = table_of(client, vpc), gateway_of(client, vpc)
    asked = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    client("CreateRoute", GatewayId=gateway, **asked)
    attachment = {"VpcId": vpc["VpcId"], "InternetGatewayId": gateway}
    with refused("in_use", noun="internetGateway"):
        client("DeleteInternetGateway", InternetGatewayId=gateway)
    with refused("gateway_attached"):
        client("AttachInternetGateway", **attachment)
    client("DetachInternetGateway", **attachment)
    assert states(client, table) == ["blackhole"]
    with refused("gateway_not_attached"):
        client("DetachInternetGateway", **attachment)
    client("AttachInternetGateway", **attachment)
    assert states(client, table) == ["active"]
    other = client("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    with refused("vpc_has_gateway"):
        client("AttachInternetGateway", VpcId=vpc["VpcId"], InternetGatewayId=other)
    with refused("different_networks"):
        client("ReplaceRoute", GatewayId=other, **asked)
    client("DeleteRoute", **asked)
    with refused("route_not_found"):
        client("DeleteRoute", **asked)


@pytest.mark.semantics("ec2-route-state")
def test_route_follows_the_interface_that_it_leads_to(client: Client, vpc: dict[str, Any]) -> None:
    table, subnet = table_of(client, vpc), subnet_of(client, vpc)
    launch = {"ImageId": "ami-00000001", "MinCount": 1, "MaxCount": 1, "InstanceType": "t3.large"}
    instance = client("RunInstances", SubnetId=subnet, **launch)["Instances"][0]
    asked = {"RouteTableId": table, "DestinationCidrBlock": "192.0.2.0/24"}
    client("CreateRoute", InstanceId=instance["InstanceId"], **asked)
    (found,) = client("DescribeRouteTables", RouteTableIds=[table])["RouteTables"]
    route = found["Routes"][-1]
    assert route["InstanceId"] == instance["InstanceId"]
    assert route["NetworkInterfaceId"] == instance["NetworkInterfaces"][0]["NetworkInterfaceId"]
    client("TerminateInstances", InstanceIds=[instance["InstanceId"]])
    assert states(client, table) == ["blackhole"]
    made = client("CreateNetworkInterface", SubnetId=subnet)["NetworkInterface"]
    client("ReplaceRoute", NetworkInterfaceId=made["NetworkInterfaceId"], **asked)
    assert states(client, table) == ["blackhole"]
    instance = client("RunInstances", SubnetId=subnet, **launch)["Instances"][0]
    attachment = {"InstanceId": instance["InstanceId"], "DeviceIndex": 1}
    interface_id = made["NetworkInterfaceId"]
    client("AttachNetworkInterface", NetworkInterfaceId=interface_id, **attachment)
    assert states(client, table) == ["active"]
    with refused("instance_with_several_interfaces"):
        client("ReplaceRoute", InstanceId=instance["InstanceId"], **asked)


@pytest.mark.semantics("ec2-subnet-gone", "ec2-eni-managed", "ec2-nat")
def test_nat_gateway_has_an_interface_and_addresses(client: Client, vpc: dict[str, Any]) -> None:
    table, subnet = table_of(client, vpc), subnet_of(client, vpc)
    ids = [client("AllocateAddress")["AllocationId"] for _ in range(2)]
    with refused("missing_parameter", name="allocationId"):
        client("CreateNatGateway", SubnetId=subnet)
    failed = client("CreateNatGateway", SubnetId=subnet, AllocationId=ids[0])["NatGateway"]
    assert (failed["State"], failed["FailureCode"]) == ("failed", "Gateway.NotAttached")
    gateway_of(client, vpc)
    made = client(
        "CreateNatGateway", SubnetId=subnet, AllocationId=ids[0], SecondaryAllocationIds=ids[1:]
    )["NatGateway"]
    first, second = made["NatGatewayAddresses"]
    assert (first["PrivateIp"], second["PrivateIp"]) == ("10.0.1.4", "10.0.1.5")
    assert [each["AllocationId"] for each in (first, second)] == ids
    (interface,) = client("DescribeNetworkInterfaces")["NetworkInterfaces"]
    assert interface["InterfaceType"] == "natGateway"
    assert interface["Groups"] == []
    assert interface["SourceDestCheck"] is False
    own = {"NetworkInterfaceId": interface["NetworkInterfaceId"]}
    for name, more in (
        ("DeleteNetworkInterface", {}),
        ("ModifyNetworkInterfaceAttribute", {"SourceDestCheck": {"Value": True}}),
        ("ResetNetworkInterfaceAttribute", {"SourceDestCheck": ""}),
        ("AssignPrivateIpAddresses", {"SecondaryPrivateIpAddressCount": 1}),
    ):
        with refused("interface_managed"):
            client(name, **own, **more)
    with refused("interface_managed"):
        client("DetachNetworkInterface", AttachmentId=interface["Attachment"]["AttachmentId"])
    with refused("interface_managed"):
        client("DisassociateAddress", AssociationId=first["AssociationId"])
    with refused("address_associated"):
        client("CreateNatGateway", SubnetId=subnet, AllocationId=ids[0])
    asked = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    client("CreateRoute", NatGatewayId=made["NatGatewayId"], **asked)
    with refused("not_together"):
        client(
            "CreateRoute",
            RouteTableId=table,
            DestinationIpv6CidrBlock="::/0",
            NatGatewayId=made["NatGatewayId"],
        )
    available = [{"Name": "state", "Values": ["available"]}]
    assert len(client("DescribeNatGateways", Filter=available)["NatGateways"]) == 1
    with refused("in_use", noun="subnet"):
        client("DeleteSubnet", SubnetId=subnet)
    client("DeleteNatGateway", NatGatewayId=made["NatGatewayId"])
    assert states(client, table) == ["blackhole"]
    assert client("DescribeNetworkInterfaces")["NetworkInterfaces"] == []
    client("ReleaseAddress", AllocationId=ids[0])
    with refused("nat_gateway_not_found"):
        client("DeleteNatGateway", NatGatewayId=made["NatGatewayId"])


@pytest.mark.semantics("ec2-nat")
def test_private_nat_gateway_has_no_public_address() -> None:
    client = new_client(nat_gateways_per_zone=1)
    (subnet, *_) = client("DescribeSubnets")["Subnets"]
    asked = {"SubnetId": subnet["SubnetId"], "ConnectivityType": "private"}
    with refused("not_together"):
        client("CreateNatGateway", AllocationId="eipalloc-1", **asked)
    with refused("parameter_not_served"):
        client("CreateNatGateway", AvailabilityMode="regional")
    made = client("CreateNatGateway", PrivateIpAddress="172.31.0.99", **asked)["NatGateway"]
    assert [each["PrivateIp"] for each in made["NatGatewayAddresses"]] == ["172.31.0.99"]
    with refused("too_many_nat_gateways"):
        client("CreateNatGateway", **asked)


@pytest.mark.semantics("ec2-egress-only")
def test_egress_only_gateway_is_of_ipv6(client: Client, vpc: dict[str, Any]) -> None:
    table = table_of(client, vpc)
    made = client("CreateEgressOnlyInternetGateway", VpcId=vpc["VpcId"])
    gateway = made["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"]
    target = {"RouteTableId": table, "EgressOnlyInternetGatewayId": gateway}
    with refused("not_together"):
        client("CreateRoute", DestinationCidrBlock="0.0.0.0/0", **target)
    client("CreateRoute", DestinationIpv6CidrBlock="::/0", **target)
    assert len(client("DescribeEgressOnlyInternetGateways")["EgressOnlyInternetGateways"]) == 1
    client("DeleteEgressOnlyInternetGateway", EgressOnlyInternetGatewayId=gateway)
    assert states(client, table) == ["blackhole"]
    with refused("egress_only_gateway_not_found"):
        client("DeleteEgressOnlyInternetGateway", EgressOnlyInternetGatewayId=gateway)


@pytest.mark.semantics("ec2-route-local", "ec2-route-target")
@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"DestinationCidrBlock": "0.0.0.0/0"}, "route_target"),
        ({"GatewayId": "igw-1"}, "missing_one_of"),
        ({"DestinationCidrBlock": "0/0", "GatewayId": "igw-1"}, "block_malformed"),
        (
            {"DestinationCidrBlock": "0.0.0.0/0", "DestinationIpv6CidrBlock": "::/0"},
            "not_together",
        ),
        (
            {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "NatGatewayId": "n"},
            "route_target",
        ),
        (
            {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1"},
            "internet_gateway_id_malformed",
        ),
        (
            {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1"},
            "nat_gateway_id_malformed",
        ),
        ({"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "vgw-1"}, "parameter_not_served"),
        (
            {"DestinationCidrBlock": "0.0.0.0/0", "TransitGatewayId": "tgw-1"},
            "parameter_not_served",
        ),
        ({"DestinationCidrBlock": "10.0.0.0/16"}, "route_exists"),
        ({"DestinationCidrBlock": "10.0.0.0/24"}, "route_inside_vpc"),
        ({"DestinationPrefixListId": "pl-00000001"}, "prefix_list_not_found"),
        (
            {"DestinationCidrBlock": "0.0.0.0/0", "VpcPeeringConnectionId": "pcx-00000001"},
            "peering_not_found",
        ),
    ],
)
def test_route_that_cannot_be_is_refused(
    client: Client, vpc: dict[str, Any], asked: dict[str, Any], fault: str
) -> None:
    table, gateway = table_of(client, vpc), gateway_of(client, vpc)
    if fault in ("route_exists", "route_inside_vpc"):
        asked = {**asked, "GatewayId": gateway}
    if fault == "prefix_list_not_found":
        asked = {**asked, "GatewayId": gateway}
    with refused(fault):
        client("CreateRoute", RouteTableId=table, **asked)


@pytest.mark.semantics("ec2-route-local")
def test_local_route_is_only_sent_to_an_interface_and_back(
    client: Client, vpc: dict[str, Any]
) -> None:
    table, gateway, subnet = (make(client, vpc) for make in (table_of, gateway_of, subnet_of))
    asked = {"RouteTableId": table, "DestinationCidrBlock": "10.0.0.0/16"}
    with refused("local_route"):
        client("DeleteRoute", **asked)
    with refused("local_route_target"):
        client("ReplaceRoute", GatewayId=gateway, **asked)
    made = client("CreateNetworkInterface", SubnetId=subnet)["NetworkInterface"]
    interface = {"NetworkInterfaceId": made["NetworkInterfaceId"]}
    client("ReplaceRoute", **interface, **asked)
    client("ReplaceRoute", LocalTarget=True, **asked)
    (found,) = client("DescribeRouteTables", RouteTableIds=[table])["RouteTables"]
    assert found["Routes"][0]["GatewayId"] == "local"
    inside = {**asked, "DestinationCidrBlock": "10.0.1.0/24"}
    client("CreateRoute", **interface, **inside)
    with refused("route_not_local"):
        client("ReplaceRoute", LocalTarget=True, **inside)
    with refused("route_to_replace_not_found"):
        client("ReplaceRoute", **interface, **{**asked, "DestinationCidrBlock": "1.0.0.0/8"})


@pytest.mark.semantics("ec2-route-quota")
def test_routes_are_counted_by_family_and_lists_by_their_size() -> None:
    client = new_client(routes_per_route_table=3)
    (vpc,) = client("DescribeVpcs")["Vpcs"]
    (gateway,) = client("DescribeInternetGateways")["InternetGateways"]
    table = table_of(client, vpc)
    target = {"RouteTableId": table, "GatewayId": gateway["InternetGatewayId"]}
    big = client(
        "CreateManagedPrefixList", PrefixListName="big", MaxEntries=3, AddressFamily="IPv4"
    )["PrefixList"]["PrefixListId"]
    with refused("too_many_routes"):
        client("CreateRoute", DestinationPrefixListId=big, **target)
    for number in (1, 2):
        client("CreateRoute", DestinationCidrBlock=f"{number}.0.0.0/8", **target)
    with refused("too_many_routes"):
        client("CreateRoute", DestinationCidrBlock="3.0.0.0/8", **target)
    client("CreateRoute", DestinationIpv6CidrBlock="2001:db8::/32", **target)


@pytest.mark.semantics("ec2-route-tables")
def test_associations_of_a_route_table(client: Client, vpc: dict[str, Any]) -> None:
    one, two, subnet = table_of(client, vpc), table_of(client, vpc), subnet_of(client, vpc)
    asked = {"RouteTableId": one, "SubnetId": subnet}
    first = client("AssociateRouteTable", **asked)["AssociationId"]
    assert client("AssociateRouteTable", **asked)["AssociationId"] == first
    with refused("route_table_associated"):
        client("AssociateRouteTable", RouteTableId=two, SubnetId=subnet)
    with refused("in_use", noun="routeTable"):
        client("DeleteRouteTable", RouteTableId=one)
    moved = client("ReplaceRouteTableAssociation", AssociationId=first, RouteTableId=two)
    with refused("association_not_found"):
        client("DisassociateRouteTable", AssociationId=first)
    client("DisassociateRouteTable", AssociationId=moved["NewAssociationId"])
    gateway = gateway_of(client, vpc)
    client("AssociateRouteTable", RouteTableId=one, GatewayId=gateway)
    client("DetachInternetGateway", InternetGatewayId=gateway, VpcId=vpc["VpcId"])
    client("DeleteRouteTable", RouteTableId=one)
    with refused("route_table_not_found"):
        client("AssociateRouteTable", **asked)
    default = client("DescribeSubnets")["Subnets"][0]["SubnetId"]
    with refused("different_networks"):
        client("AssociateRouteTable", RouteTableId=two, SubnetId=default)


@pytest.mark.semantics("ec2-route-tables")
def test_main_table_is_replaced_not_taken_away(client: Client, vpc: dict[str, Any]) -> None:
    by_vpc = {"Name": "vpc-id", "Values": [vpc["VpcId"]]}
    by_main = {"Name": "association.main", "Values": ["true"]}
    (old,) = client("DescribeRouteTables", Filters=[by_vpc, by_main])["RouteTables"]
    association = old["Associations"][0]["RouteTableAssociationId"]
    with refused("main_association"):
        client("DisassociateRouteTable", AssociationId=association)
    new = table_of(client, vpc)
    client("ReplaceRouteTableAssociation", AssociationId=association, RouteTableId=new)
    (now,) = client("DescribeRouteTables", Filters=[by_vpc, by_main])["RouteTables"]
    assert now["RouteTableId"] == new
    client("DeleteRouteTable", RouteTableId=old["RouteTableId"])
    other = client("CreateVpc", CidrBlock="10.7.0.0/16")["Vpc"]
    with refused("different_networks"):
        client(
            "ReplaceRouteTableAssociation",
            AssociationId=now["Associations"][0]["RouteTableAssociationId"],
            RouteTableId=table_of(client, other),
        )


@pytest.mark.semantics("ec2-quotas")
def test_tables_and_gateways_are_counted() -> None:
    client = new_client(route_tables_per_vpc=1, internet_gateways_per_region=1)
    (vpc,) = client("DescribeVpcs")["Vpcs"]
    with refused("too_many_route_tables"):
        client("CreateRouteTable", VpcId=vpc["VpcId"])
    with refused("too_many_internet_gateways"):
        client("CreateInternetGateway")
