"""Subnets: blocks, zones, attributes, what keeps them."""

from typing import Any

import pytest

from tests.support.worlds import Client, new_client, refused


@pytest.fixture
def client() -> Client:
    return new_client()


@pytest.fixture
def vpc(client: Client) -> dict[str, Any]:
    made = client("CreateVpc", CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)
    vpc: dict[str, Any] = made["Vpc"]
    return vpc


def ipv6(vpc: dict[str, Any], number: int, length: int = 64) -> str:
    block: str = vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
    base = block.removesuffix("::/56")
    return f"{base[:-2]}{number:02x}::/{length}"


@pytest.mark.semantics("ec2-subnet-new")
def test_subnet_is_made_in_the_zone_asked_for_with_the_default_acl(
    client: Client, vpc: dict[str, Any]
) -> None:
    made = client(
        "CreateSubnet",
        VpcId=vpc["VpcId"],
        CidrBlock="10.0.1.9/24",
        Ipv6CidrBlock=ipv6(vpc, 1),
        AvailabilityZoneId="euw1-az3",
    )["Subnet"]
    assert made["CidrBlock"] == "10.0.1.0/24"
    assert made["AvailableIpAddressCount"] == 251
    assert made["AvailabilityZone"] == "eu-west-1c"
    assert made["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"] == ipv6(vpc, 1)
    found = client(
        "DescribeNetworkAcls",
        Filters=[{"Name": "association.subnet-id", "Values": [made["SubnetId"]]}],
    )["NetworkAcls"]
    assert [each["IsDefault"] for each in found] == [True]


@pytest.mark.semantics("ec2-subnet-block")
@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"CidrBlock": "10.0.0.0/15"}, "subnet_range"),
        ({"CidrBlock": "10.0.0.0/29"}, "subnet_range"),
        ({"CidrBlock": "10.1.0.0/24"}, "subnet_range"),
        ({"CidrBlock": "10.0.0.0/20"}, "subnet_conflict"),
        ({"CidrBlock": "10.0.5.0"}, "block_malformed"),
        ({}, "missing_parameter"),
        ({"CidrBlock": "10.0.9.0/24", "AvailabilityZone": "eu-west-1z"}, "zone_invalid"),
        (
            {
                "CidrBlock": "10.0.9.0/24",
                "AvailabilityZone": "eu-west-1a",
                "AvailabilityZoneId": "euw1-az1",
            },
            "not_together",
        ),
        ({"CidrBlock": "10.0.9.0/24", "Ipv6CidrBlock": "2001:db8::/64"}, "subnet_range"),
        ({"Ipv6Native": True}, "missing_parameter"),
        ({"Ipv6Native": True, "CidrBlock": "10.0.9.0/24"}, "not_together"),
        ({"CidrBlock": "10.0.9.0/24", "OutpostArn": "arn:x"}, "parameter_not_served"),
        ({"CidrBlock": "10.0.9.0/24", "VpcId": "vpc-1"}, "vpc_id_malformed"),
    ],
)
def test_subnet_that_cannot_be_is_refused(
    client: Client, vpc: dict[str, Any], asked: dict[str, Any], fault: str
) -> None:
    client("CreateSubnet", VpcId=vpc["VpcId"], CidrBlock="10.0.3.0/24")
    with refused(fault):
        client("CreateSubnet", **{"VpcId": vpc["VpcId"], **asked})


@pytest.mark.semantics("ec2-subnet-block")
def test_ipv6_blocks_of_subnets_do_not_overlap(client: Client, vpc: dict[str, Any]) -> None:
    asked = {"VpcId": vpc["VpcId"]}
    client("CreateSubnet", CidrBlock="10.0.1.0/24", Ipv6CidrBlock=ipv6(vpc, 0x10), **asked)
    with refused("subnet_conflict"):
        client("CreateSubnet", CidrBlock="10.0.2.0/24", Ipv6CidrBlock=ipv6(vpc, 0x10, 60), **asked)
    with refused("subnet_range"):
        client("CreateSubnet", CidrBlock="10.0.2.0/24", Ipv6CidrBlock=ipv6(vpc, 0x20, 63), **asked)
    native = client(
        "CreateSubnet", VpcId=vpc["VpcId"], Ipv6Native=True, Ipv6CidrBlock=ipv6(vpc, 0x30)
    )["Subnet"]
    assert native["AvailableIpAddressCount"] == 0
    assert "CidrBlock" not in native
    with refused("subnet_without_ipv4"):
        client("CreateNetworkInterface", SubnetId=native["SubnetId"], PrivateIpAddress="10.0.2.9")


@pytest.mark.semantics("ec2-subnet-ipv6")
def test_ipv6_block_of_a_subnet_comes_and_goes(client: Client, vpc: dict[str, Any]) -> None:
    subnet = client("CreateSubnet", VpcId=vpc["VpcId"], CidrBlock="10.0.1.0/24")["Subnet"]
    subnet_id = subnet["SubnetId"]
    turn_on = {"SubnetId": subnet_id, "AssignIpv6AddressOnCreation": {"Value": True}}
    with refused("subnet_without_ipv6"):
        client("ModifySubnetAttribute", **turn_on)
    made = client("AssociateSubnetCidrBlock", SubnetId=subnet_id, Ipv6CidrBlock=ipv6(vpc, 1))
    association_id = made["Ipv6CidrBlockAssociation"]["AssociationId"]
    with refused("too_many_blocks"):
        client("AssociateSubnetCidrBlock", SubnetId=subnet_id, Ipv6CidrBlock=ipv6(vpc, 2))
    client("ModifySubnetAttribute", **turn_on)
    interface = client("CreateNetworkInterface", SubnetId=subnet_id)["NetworkInterface"]
    with refused("subnet_block_in_use"):
        client("DisassociateSubnetCidrBlock", AssociationId=association_id)
    client("DeleteNetworkInterface", NetworkInterfaceId=interface["NetworkInterfaceId"])
    client("DisassociateSubnetCidrBlock", AssociationId=association_id)
    (now,) = client("DescribeSubnets", SubnetIds=[subnet_id])["Subnets"]
    assert now["Ipv6CidrBlockAssociationSet"] == []
    assert not now["AssignIpv6AddressOnCreation"]
    with refused("subnet_block_not_found"):
        client("DisassociateSubnetCidrBlock", AssociationId=association_id)


@pytest.mark.parametrize(
    ("asked", "name", "value"),
    [
        ({"MapPublicIpOnLaunch": {"Value": True}}, "map-public-ip-on-launch", "true"),
        ({"EnableDns64": {"Value": True}}, "enable-dns64", "true"),
        (
            {"PrivateDnsHostnameTypeOnLaunch": "resource-name"},
            "private-dns-name-options-on-launch.hostname-type",
            "resource-name",
        ),
        (
            {"EnableResourceNameDnsARecordOnLaunch": {"Value": True}},
            "private-dns-name-options-on-launch.enable-resource-name-dns-a-record",
            "true",
        ),
        (
            {"EnableResourceNameDnsAAAARecordOnLaunch": {"Value": True}},
            "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record",
            "true",
        ),
    ],
)
def test_attribute_is_modified_and_found_by_its_filter(
    client: Client, vpc: dict[str, Any], asked: dict[str, Any], name: str, value: str
) -> None:
    made = client("CreateSubnet", VpcId=vpc["VpcId"], CidrBlock="10.0.1.0/24")["Subnet"]
    filters = [
        {"Name": name, "Values": [value]},
        {"Name": "vpc-id", "Values": [vpc["VpcId"]]},
    ]
    assert client("DescribeSubnets", Filters=filters)["Subnets"] == []
    client("ModifySubnetAttribute", SubnetId=made["SubnetId"], **asked)
    found = client("DescribeSubnets", Filters=filters)["Subnets"]
    assert [each["SubnetId"] for each in found] == [made["SubnetId"]]


@pytest.mark.semantics("ec2-subnet-attributes")
def test_one_attribute_is_modified_in_a_request(client: Client, vpc: dict[str, Any]) -> None:
    made = client("CreateSubnet", VpcId=vpc["VpcId"], CidrBlock="10.0.1.0/24")["Subnet"]
    asked = {"SubnetId": made["SubnetId"]}
    with refused("missing_one_of"):
        client("ModifySubnetAttribute", **asked)
    with refused("not_together"):
        client(
            "ModifySubnetAttribute",
            MapPublicIpOnLaunch={"Value": True},
            EnableDns64={"Value": True},
            **asked,
        )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("availability-zone", "eu-west-1a"),
        ("availability-zone-id", "euw1-az1"),
        ("available-ip-address-count", "251"),
        ("cidr-block", "10.0.1.0/24"),
        ("default-for-az", "false"),
        ("ipv6-native", "false"),
        ("owner-id", "111122223333"),
        ("state", "available"),
        ("subnet-arn", "arn:aws:ec2:eu-west-1:111122223333:subnet/*"),
    ],
)
def test_filter_finds_a_subnet_by_what_it_has(
    client: Client, vpc: dict[str, Any], name: str, value: str
) -> None:
    made = client("CreateSubnet", VpcId=vpc["VpcId"], CidrBlock="10.0.1.0/24")["Subnet"]
    found = client("DescribeSubnets", Filters=[{"Name": name, "Values": [value]}])["Subnets"]
    assert made["SubnetId"] in [each["SubnetId"] for each in found]
    assert not client("DescribeSubnets", Filters=[{"Name": name, "Values": ["no"]}])["Subnets"]


@pytest.mark.semantics("ec2-quotas")
def test_subnets_of_a_vpc_are_counted() -> None:
    client = new_client(subnets_per_vpc=3)
    (vpc,) = client("DescribeVpcs")["Vpcs"]
    with refused("too_many_subnets"):
        client("CreateSubnet", VpcId=vpc["VpcId"], CidrBlock="172.31.64.0/24")


@pytest.mark.semantics("ec2-subnet-gone")
def test_deleted_subnet_leaves_its_acl_and_route_table(client: Client, vpc: dict[str, Any]) -> None:
    made = client("CreateSubnet", VpcId=vpc["VpcId"], CidrBlock="10.0.1.0/24")["Subnet"]
    table = client("CreateRouteTable", VpcId=vpc["VpcId"])["RouteTable"]["RouteTableId"]
    client("AssociateRouteTable", RouteTableId=table, SubnetId=made["SubnetId"])
    client("DeleteSubnet", SubnetId=made["SubnetId"])
    (kept,) = client("DescribeRouteTables", RouteTableIds=[table])["RouteTables"]
    assert kept["Associations"] == []
    asked = [{"Name": "association.subnet-id", "Values": [made["SubnetId"]]}]
    assert client("DescribeNetworkAcls", Filters=asked)["NetworkAcls"] == []
    with refused("subnet_not_found"):
        client("DeleteSubnet", SubnetId=made["SubnetId"])
