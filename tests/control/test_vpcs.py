"""VPCs: blocks, attributes, what they are made with, and what keeps them."""

from typing import Any

import pytest

from tests.support.worlds import Client, new_client, refused


@pytest.fixture
def client() -> Client:
    return new_client()


def make(client: Client, block: str = "10.0.0.0/16", **more: Any) -> str:
    vpc_id: str = client("CreateVpc", CidrBlock=block, **more)["Vpc"]["VpcId"]
    return vpc_id


def by(name: str, *values: str) -> list[dict[str, Any]]:
    return [{"Name": name, "Values": list(values)}]


@pytest.mark.semantics("ec2-vpc-default")
def test_world_begins_with_a_public_default_vpc(client: Client) -> None:
    (vpc,) = client("DescribeVpcs")["Vpcs"]
    assert vpc["IsDefault"]
    assert vpc["CidrBlock"] == "172.31.0.0/16"
    subnets = client("DescribeSubnets")["Subnets"]
    assert [(each["CidrBlock"], each["AvailabilityZone"]) for each in subnets] == [
        ("172.31.0.0/20", "eu-west-1a"),
        ("172.31.16.0/20", "eu-west-1b"),
        ("172.31.32.0/20", "eu-west-1c"),
    ]
    assert all(each["DefaultForAz"] and each["MapPublicIpOnLaunch"] for each in subnets)
    assert {each["AvailableIpAddressCount"] for each in subnets} == {4091}
    (gateway,) = client("DescribeInternetGateways")["InternetGateways"]
    assert gateway["Attachments"] == [{"State": "available", "VpcId": vpc["VpcId"]}]
    (table,) = client("DescribeRouteTables")["RouteTables"]
    assert table["Associations"][0]["Main"]
    assert [
        (each["DestinationCidrBlock"], each["GatewayId"], each["State"]) for each in table["Routes"]
    ] == [
        ("172.31.0.0/16", "local", "active"),
        ("0.0.0.0/0", gateway["InternetGatewayId"], "active"),
    ]
    (acl,) = client("DescribeNetworkAcls")["NetworkAcls"]
    assert {each["SubnetId"] for each in acl["Associations"]} == {
        each["SubnetId"] for each in subnets
    }
    (group,) = client("DescribeSecurityGroups")["SecurityGroups"]
    assert group["GroupName"] == "default"


@pytest.mark.semantics("ec2-vpc-new")
def test_new_vpc_has_main_table_default_acl_and_default_group(client: Client) -> None:
    vpc_id = make(client, "10.1.2.3/16")
    (vpc,) = client("DescribeVpcs", VpcIds=[vpc_id])["Vpcs"]
    assert vpc["CidrBlock"] == "10.1.0.0/16"
    assert not vpc["IsDefault"]
    for name, key in (
        ("DescribeRouteTables", "RouteTables"),
        ("DescribeNetworkAcls", "NetworkAcls"),
        ("DescribeSecurityGroups", "SecurityGroups"),
    ):
        assert len(client(name, Filters=by("vpc-id", vpc_id))[key]) == 1
    client("DeleteVpc", VpcId=vpc_id)
    assert not client("DescribeRouteTables", Filters=by("vpc-id", vpc_id))["RouteTables"]
    with refused("vpc_not_found", resource_id=vpc_id):
        client("DeleteVpc", VpcId=vpc_id)


@pytest.mark.semantics("ec2-vpc-block")
@pytest.mark.parametrize(
    ("block", "fault"),
    [
        ("10.0.0.0/15", "vpc_range"),
        ("10.0.0.0/29", "vpc_range"),
        ("127.0.0.0/16", "vpc_range"),
        ("169.254.0.0/24", "vpc_range"),
        ("10.0.0.0", "block_malformed"),
        ("10.0.0.0/33", "block_malformed"),
        ("2001:db8::/56", "block_malformed"),
        ("", "missing_parameter"),
    ],
)
def test_block_that_no_vpc_can_have_is_refused(client: Client, block: str, fault: str) -> None:
    with refused(fault):
        make(client, block)
    with refused("parameter_not_served", name="Ipv4IpamPoolId"):
        client("CreateVpc", Ipv4IpamPoolId="ipam-pool-1", Ipv4NetmaskLength=16)


@pytest.mark.semantics("ec2-vpc-further-block")
@pytest.mark.parametrize(
    ("first", "second", "fault"),
    [
        ("10.0.0.0/16", "10.0.0.0/20", "vpc_block_conflict"),
        ("10.0.0.0/16", "172.16.0.0/16", "vpc_block_restricted"),
        ("10.0.0.0/16", "192.168.0.0/24", "vpc_block_restricted"),
        ("172.16.0.0/16", "10.0.0.0/16", "vpc_block_restricted"),
        ("192.168.0.0/16", "198.19.0.0/16", "vpc_block_restricted"),
        ("198.19.0.0/16", "10.0.0.0/16", "vpc_block_restricted"),
        ("100.64.0.0/16", "10.0.0.0/16", "vpc_block_restricted"),
        ("10.0.0.0/16", "10.1.0.0/15", "vpc_range"),
        ("10.0.0.0/16", "10.1.0.0/16", None),
        ("10.0.0.0/16", "100.64.0.0/16", None),
        ("192.168.0.0/16", "203.0.113.0/24", None),
    ],
)
def test_further_block_is_of_the_range_of_the_first(
    client: Client, first: str, second: str, fault: str | None
) -> None:
    vpc_id = make(client, first)
    if fault is not None:
        with refused(fault):
            client("AssociateVpcCidrBlock", VpcId=vpc_id, CidrBlock=second)
        return
    made = client("AssociateVpcCidrBlock", VpcId=vpc_id, CidrBlock=second)
    assert made["CidrBlockAssociation"]["CidrBlock"] == second
    (table,) = client("DescribeRouteTables", Filters=by("vpc-id", vpc_id))["RouteTables"]
    assert [each["DestinationCidrBlock"] for each in table["Routes"]] == [first, second]


@pytest.mark.semantics("ec2-quotas", "ec2-vpc-further-block")
def test_blocks_are_counted_and_not_larger_than_what_is_routed(client: Client) -> None:
    vpc_id = make(client)
    gateway = client("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    client("AttachInternetGateway", VpcId=vpc_id, InternetGatewayId=gateway)
    (table,) = client("DescribeRouteTables", Filters=by("vpc-id", vpc_id))["RouteTables"]
    client(
        "CreateRoute",
        RouteTableId=table["RouteTableId"],
        DestinationCidrBlock="10.9.1.0/24",
        GatewayId=gateway,
    )
    with refused("vpc_block_routed", destination="10.9.1.0/24"):
        client("AssociateVpcCidrBlock", VpcId=vpc_id, CidrBlock="10.9.0.0/16")
    for number in range(1, 5):
        client("AssociateVpcCidrBlock", VpcId=vpc_id, CidrBlock=f"10.{number}.0.0/16")
    with refused("too_many_blocks"):
        client("AssociateVpcCidrBlock", VpcId=vpc_id, CidrBlock="10.5.0.0/16")


@pytest.mark.semantics("ec2-vpc-block-gone")
def test_block_is_disassociated_unless_it_is_the_first_or_has_a_subnet(client: Client) -> None:
    vpc_id = make(client)
    made = client("AssociateVpcCidrBlock", VpcId=vpc_id, CidrBlock="10.1.0.0/16")
    second = made["CidrBlockAssociation"]["AssociationId"]
    first = client("DescribeVpcs", VpcIds=[vpc_id])["Vpcs"][0]["CidrBlockAssociationSet"][0]
    subnet = client("CreateSubnet", VpcId=vpc_id, CidrBlock="10.1.1.0/24")["Subnet"]
    with refused("vpc_block_in_use"):
        client("DisassociateVpcCidrBlock", AssociationId=second)
    with refused("vpc_block_primary"):
        client("DisassociateVpcCidrBlock", AssociationId=first["AssociationId"])
    with refused("vpc_block_not_found"):
        client("DisassociateVpcCidrBlock", AssociationId="vpc-cidr-assoc-1")
    client("DeleteSubnet", SubnetId=subnet["SubnetId"])
    client("DisassociateVpcCidrBlock", AssociationId=second)
    (vpc,) = client("DescribeVpcs", VpcIds=[vpc_id])["Vpcs"]
    assert [each["CidrBlock"] for each in vpc["CidrBlockAssociationSet"]] == ["10.0.0.0/16"]
    (table,) = client("DescribeRouteTables", Filters=by("vpc-id", vpc_id))["RouteTables"]
    assert [each["DestinationCidrBlock"] for each in table["Routes"]] == ["10.0.0.0/16"]


@pytest.mark.semantics("ec2-vpc-ipv6", "ec2-acl-ipv6")
def test_ipv6_block_reaches_routes_and_acls_and_leaves_them(client: Client) -> None:
    vpc_id = make(client)
    made = client("AssociateVpcCidrBlock", VpcId=vpc_id, AmazonProvidedIpv6CidrBlock=True)
    association = made["Ipv6CidrBlockAssociation"]
    assert association["Ipv6CidrBlock"].endswith("::/56")
    (table,) = client("DescribeRouteTables", Filters=by("vpc-id", vpc_id))["RouteTables"]
    assert table["Routes"][1]["DestinationIpv6CidrBlock"] == association["Ipv6CidrBlock"]
    (acl,) = client("DescribeNetworkAcls", Filters=by("vpc-id", vpc_id))["NetworkAcls"]
    numbers = [each["RuleNumber"] for each in acl["Entries"]]
    assert numbers == [100, 101, 32767, 32768] * 2
    client("DisassociateVpcCidrBlock", AssociationId=association["AssociationId"])
    (table,) = client("DescribeRouteTables", Filters=by("vpc-id", vpc_id))["RouteTables"]
    assert len(table["Routes"]) == 1
    (acl,) = client("DescribeNetworkAcls", Filters=by("vpc-id", vpc_id))["NetworkAcls"]
    assert 32768 not in [each["RuleNumber"] for each in acl["Entries"]]


@pytest.mark.semantics("ec2-vpc-ipv6")
def test_vpcs_never_share_an_amazon_provided_block(client: Client) -> None:
    first = client("CreateVpc", CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)
    other = client.elsewhere(region="us-east-1")
    second = other("CreateVpc", CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)
    blocks = [
        each["Vpc"]["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"] for each in (first, second)
    ]
    assert blocks[0] != blocks[1]


@pytest.mark.semantics("ec2-vpc-attributes")
def test_attributes_are_changed_and_described_one_by_one(client: Client) -> None:
    vpc_id = make(client)

    def value(attribute: str, name: str, vpc: str = vpc_id) -> bool:
        answer = client("DescribeVpcAttribute", VpcId=vpc, Attribute=attribute)
        on: bool = answer[name]["Value"]
        return on

    default = client("DescribeVpcs", Filters=by("is-default", "true"))["Vpcs"][0]["VpcId"]
    assert value("enableDnsSupport", "EnableDnsSupport")
    assert not value("enableDnsHostnames", "EnableDnsHostnames")
    assert value("enableDnsHostnames", "EnableDnsHostnames", default)
    client("ModifyVpcAttribute", VpcId=vpc_id, EnableDnsHostnames={"Value": True})
    client("ModifyVpcAttribute", VpcId=vpc_id, EnableDnsSupport={"Value": False})
    assert value("enableDnsHostnames", "EnableDnsHostnames")
    assert not value("enableDnsSupport", "EnableDnsSupport")
    with refused("not_together"):
        client(
            "ModifyVpcAttribute",
            VpcId=vpc_id,
            EnableDnsHostnames={"Value": True},
            EnableDnsSupport={"Value": True},
        )
    with refused("missing_one_of"):
        client("ModifyVpcAttribute", VpcId=vpc_id)


@pytest.mark.semantics("ec2-vpc-kept")
def test_vpc_is_kept_by_what_depends_on_it(client: Client) -> None:
    vpc_id = make(client)
    subnet = client("CreateSubnet", VpcId=vpc_id, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    with refused("in_use", noun="vpc", resource_id=vpc_id):
        client("DeleteVpc", VpcId=vpc_id)
    client("DeleteSubnet", SubnetId=subnet)
    table = client("CreateRouteTable", VpcId=vpc_id)["RouteTable"]["RouteTableId"]
    with refused("in_use"):
        client("DeleteVpc", VpcId=vpc_id)
    client("DeleteRouteTable", RouteTableId=table)
    acl = client("CreateNetworkAcl", VpcId=vpc_id)["NetworkAcl"]["NetworkAclId"]
    with refused("in_use"):
        client("DeleteVpc", VpcId=vpc_id)
    client("DeleteNetworkAcl", NetworkAclId=acl)
    gateway = client("CreateEgressOnlyInternetGateway", VpcId=vpc_id)["EgressOnlyInternetGateway"]
    with refused("in_use"):
        client("DeleteVpc", VpcId=vpc_id)
    client(
        "DeleteEgressOnlyInternetGateway",
        EgressOnlyInternetGatewayId=gateway["EgressOnlyInternetGatewayId"],
    )
    client("DeleteVpc", VpcId=vpc_id)


@pytest.mark.semantics("ec2-quotas")
def test_vpcs_of_a_region_are_counted() -> None:
    client = new_client(vpcs_per_region=2)
    make(client)
    with refused("too_many_vpcs"):
        make(client, "10.1.0.0/16")


@pytest.mark.semantics("ec2-tags-new")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cidr", "10.7.0.0/16"),
        ("cidr-block-association.cidr-block", "10.8.0.0/16"),
        ("cidr-block-association.state", "associated"),
        ("ipv6-cidr-block-association.ipv6-cidr-block", "2600:1f*"),
        ("ipv6-cidr-block-association.ipv6-pool", "Amazon"),
        ("ipv6-cidr-block-association.state", "associated"),
        ("is-default", "false"),
        ("owner-id", "111122223333"),
        ("state", "available"),
        ("tag:Name", "seven"),
        ("tag-key", "Na?e"),
    ],
)
def test_filter_finds_a_vpc_by_what_it_has(client: Client, name: str, value: str) -> None:
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "seven"}]}]
    vpc_id = make(client, "10.7.0.0/16", TagSpecifications=tags, AmazonProvidedIpv6CidrBlock=True)
    client("AssociateVpcCidrBlock", VpcId=vpc_id, CidrBlock="10.8.0.0/16")
    found = client("DescribeVpcs", Filters=by(name, value))["Vpcs"]
    assert vpc_id in [each["VpcId"] for each in found]
    assert not client("DescribeVpcs", Filters=by(name, "nothing"))["Vpcs"]


@pytest.mark.semantics("ec2-vpc-default-again")
def test_default_vpc_comes_back_only_when_asked_for(client: Client) -> None:
    (vpc,) = client("DescribeVpcs")["Vpcs"]
    with refused("default_vpc_exists", resource_id=vpc["VpcId"]):
        client("CreateDefaultVpc")
    (gateway,) = client("DescribeInternetGateways")["InternetGateways"]
    asked = {"InternetGatewayId": gateway["InternetGatewayId"]}
    client("DetachInternetGateway", VpcId=vpc["VpcId"], **asked)
    client("DeleteInternetGateway", **asked)
    for subnet in client("DescribeSubnets")["Subnets"]:
        client("DeleteSubnet", SubnetId=subnet["SubnetId"])
    client("DeleteVpc", VpcId=vpc["VpcId"])
    assert client("DescribeVpcs")["Vpcs"] == []
    with refused("default_vpc_missing"):
        client("CreateDefaultSubnet", AvailabilityZone="eu-west-1a")
    assert client("CreateDefaultVpc")["Vpc"]["IsDefault"]
    assert len(client("DescribeSubnets")["Subnets"]) == 3


@pytest.mark.semantics("ec2-vpc-default-again")
def test_default_subnet_takes_the_first_room_there_is(client: Client) -> None:
    subnets = client("DescribeSubnets")["Subnets"]
    with refused("default_subnet_exists", zone="eu-west-1b"):
        client("CreateDefaultSubnet", AvailabilityZone="eu-west-1b")
    client("DeleteSubnet", SubnetId=subnets[1]["SubnetId"])
    made = client("CreateDefaultSubnet", AvailabilityZoneId="euw1-az2")["Subnet"]
    assert made["CidrBlock"] == "172.31.16.0/20"
    assert made["DefaultForAz"]
    client("DeleteSubnet", SubnetId=made["SubnetId"])
    client("CreateSubnet", VpcId=made["VpcId"], CidrBlock="172.31.24.0/21")
    made = client("CreateDefaultSubnet", AvailabilityZone="eu-west-1b")["Subnet"]
    assert made["CidrBlock"] == "172.31.48.0/20"
    with refused("missing_parameter"):
        client("CreateDefaultSubnet")


@pytest.mark.semantics("ec2-vpc-default-again")
def test_default_subnet_needs_room(client: Client) -> None:
    (vpc,) = client("DescribeVpcs")["Vpcs"]
    client("DeleteSubnet", SubnetId=client("DescribeSubnets")["Subnets"][0]["SubnetId"])
    for third in range(48, 256, 16):
        client("CreateSubnet", VpcId=vpc["VpcId"], CidrBlock=f"172.31.{third}.0/20")
    client("CreateSubnet", VpcId=vpc["VpcId"], CidrBlock="172.31.0.0/28")
    with refused("no_room_for_default_subnet"):
        client("CreateDefaultSubnet", AvailabilityZone="eu-west-1a")
