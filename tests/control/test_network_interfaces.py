"""Network interfaces: addresses, groups, attributes, attachments, permissions."""

from typing import Any

import pytest

from tests.support.worlds import Client, new_client, refused

AMI = "ami-00000000000000001"


@pytest.fixture
def client() -> Client:
    return new_client()


@pytest.fixture
def subnet(client: Client) -> dict[str, Any]:
    """A subnet of 16 addresses, of which 11 are to be had, and a /64."""
    vpc = client("CreateVpc", CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]
    block = vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].replace("/56", "/64")
    made: dict[str, Any] = client(
        "CreateSubnet", VpcId=vpc["VpcId"], CidrBlock="10.0.0.0/28", Ipv6CidrBlock=block
    )["Subnet"]
    return made


def make(client: Client, subnet: dict[str, Any], **asked: Any) -> dict[str, Any]:
    made = client("CreateNetworkInterface", SubnetId=subnet["SubnetId"], **asked)
    interface: dict[str, Any] = made["NetworkInterface"]
    return interface


def private(interface: dict[str, Any]) -> list[str]:
    return [each["PrivateIpAddress"] for each in interface["PrivateIpAddresses"]]


def described(client: Client, interface: dict[str, Any]) -> dict[str, Any]:
    asked = [interface["NetworkInterfaceId"]]
    found: dict[str, Any] = client("DescribeNetworkInterfaces", NetworkInterfaceIds=asked)[
        "NetworkInterfaces"
    ][0]
    return found


def run(client: Client, **asked: Any) -> dict[str, Any]:
    launch = {"ImageId": AMI, "MinCount": 1, "MaxCount": 1, "InstanceType": "t3.micro"}
    instance: dict[str, Any] = client("RunInstances", **{**launch, **asked})["Instances"][0]
    return instance


@pytest.mark.semantics("ec2-eni-new")
def test_new_interface_has_the_lowest_free_address_and_the_default_group(
    client: Client, subnet: dict[str, Any]
) -> None:
    first, second = make(client, subnet), make(client, subnet)
    assert (private(first), private(second)) == (["10.0.0.4"], ["10.0.0.5"])
    assert first["Groups"][0]["GroupName"] == "default"
    assert first["SourceDestCheck"]
    assert first["Status"] == "available"
    assert first["MacAddress"] != second["MacAddress"]
    client("DeleteNetworkInterface", NetworkInterfaceId=first["NetworkInterfaceId"])
    assert private(make(client, subnet)) == ["10.0.0.4"]
    (found,) = client("DescribeSubnets", SubnetIds=[subnet["SubnetId"]])["Subnets"]
    assert found["AvailableIpAddressCount"] == 9


@pytest.mark.semantics("ec2-eni-addresses")
def test_addresses_asked_for_are_had(client: Client, subnet: dict[str, Any]) -> None:
    listed = [
        {"PrivateIpAddress": "10.0.0.9"},
        {"PrivateIpAddress": "10.0.0.7", "Primary": True},
    ]
    made = make(client, subnet, PrivateIpAddresses=listed)
    assert private(made) == ["10.0.0.7", "10.0.0.9"]
    made = make(client, subnet, PrivateIpAddress="10.0.0.4", SecondaryPrivateIpAddressCount=3)
    assert private(made) == ["10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.8"]
    made = make(client, subnet, Ipv6AddressCount=2, EnablePrimaryIpv6=True)
    assert [each["Ipv6Address"][-3:] for each in made["Ipv6Addresses"]] == ["::4", "::5"]
    assert [each["IsPrimaryIpv6"] for each in made["Ipv6Addresses"]] == [True, False]


@pytest.mark.semantics("ec2-eni-addresses", "ec2-eni-timeouts")
@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"PrivateIpAddress": "10.0.0.1"}, "address_reserved"),
        ({"PrivateIpAddress": "10.0.0.15"}, "address_reserved"),
        ({"PrivateIpAddress": "10.0.0.16"}, "address_outside_subnet"),
        ({"PrivateIpAddress": "10.0.0"}, "address_malformed"),
        ({"PrivateIpAddress": "10.0.0.4"}, "address_in_use"),
        ({"SecondaryPrivateIpAddressCount": 10}, "no_free_addresses"),
        (
            {
                "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.5"}],
                "SecondaryPrivateIpAddressCount": 1,
            },
            "not_together",
        ),
        (
            {
                "PrivateIpAddress": "10.0.0.5",
                "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.6", "Primary": True}],
            },
            "several_primary_addresses",
        ),
        ({"PrivateIpAddresses": [{"Primary": True}]}, "missing_parameter"),
        ({"Ipv6Addresses": [{"IsPrimaryIpv6": True}]}, "missing_parameter"),
        ({"Groups": ["sg-00000000000000bad"]}, "group_not_found"),
        ({"Groups": ["sg-x"]}, "group_id_malformed"),
        ({"ConnectionTrackingSpecification": {"UdpTimeout": 61}}, "timeout_invalid"),
        ({"ConnectionTrackingSpecification": {"TcpEstablishedTimeout": 59}}, "timeout_invalid"),
        ({"ConnectionTrackingSpecification": {"UdpStreamTimeout": 181}}, "timeout_invalid"),
        ({"Ipv4Prefixes": [{"Ipv4Prefix": "10.0.0.0/28"}]}, "prefix_not_free"),
        ({"Ipv6Prefixes": [{"Ipv6Prefix": "2001:db8::/80"}]}, "prefix_not_free"),
        ({"SubnetId": "subnet-00000000000000bad"}, "subnet_not_found"),
    ],
)
def test_interface_that_cannot_be_is_refused(
    client: Client, subnet: dict[str, Any], asked: dict[str, Any], fault: str
) -> None:
    make(client, subnet)
    with refused(fault):
        client("CreateNetworkInterface", **{"SubnetId": subnet["SubnetId"], **asked})


@pytest.mark.semantics("ec2-eni-groups")
def test_groups_are_of_the_vpc_or_associated_with_it(
    client: Client, subnet: dict[str, Any]
) -> None:
    other = client("CreateVpc", CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    group = client("CreateSecurityGroup", GroupName="far", Description="far", VpcId=other)
    with refused("group_of_other_vpc"):
        make(client, subnet, Groups=[group["GroupId"]])
    client("AssociateSecurityGroupVpc", GroupId=group["GroupId"], VpcId=subnet["VpcId"])
    made = make(client, subnet, Groups=[group["GroupId"]])
    assert made["Groups"] == [{"GroupId": group["GroupId"], "GroupName": "far"}]


@pytest.mark.semantics("ec2-quotas", "ec2-eni-groups")
def test_groups_and_interfaces_are_counted() -> None:
    client = new_client(security_groups_per_network_interface=2, network_interfaces_per_region=1)
    (subnet, *_) = client("DescribeSubnets")["Subnets"]
    groups = [
        client("CreateSecurityGroup", GroupName=name, Description=name, VpcId=subnet["VpcId"])[
            "GroupId"
        ]
        for name in "abc"
    ]
    with refused("too_many_groups_of_interface"):
        make(client, subnet, Groups=groups)
    made = make(client, subnet, Groups=groups[:2])
    with refused("too_many_interfaces"):
        make(client, subnet)
    asked = {"NetworkInterfaceId": made["NetworkInterfaceId"]}
    with refused("too_many_groups_of_interface"):
        client("ModifyNetworkInterfaceAttribute", Groups=groups, **asked)


@pytest.mark.semantics("ec2-eni-groups", "ec2-eni-timeouts")
def test_each_attribute_is_modified_and_described(client: Client, subnet: dict[str, Any]) -> None:
    made = make(client, subnet, Description="first", Ipv6AddressCount=1)
    asked = {"NetworkInterfaceId": made["NetworkInterfaceId"]}

    def attribute(name: str) -> dict[str, Any]:
        return client("DescribeNetworkInterfaceAttribute", Attribute=name, **asked)

    client("ModifyNetworkInterfaceAttribute", Description={"Value": "second"}, **asked)
    assert attribute("description")["Description"] == {"Value": "second"}
    client("ModifyNetworkInterfaceAttribute", SourceDestCheck={"Value": False}, **asked)
    assert attribute("sourceDestCheck")["SourceDestCheck"] == {"Value": False}
    client("ResetNetworkInterfaceAttribute", SourceDestCheck="", **asked)
    assert attribute("sourceDestCheck")["SourceDestCheck"] == {"Value": True}
    group = client(
        "CreateSecurityGroup", GroupName="web", Description="web", VpcId=subnet["VpcId"]
    )["GroupId"]
    client("ModifyNetworkInterfaceAttribute", Groups=[group], **asked)
    assert [each["GroupId"] for each in attribute("groupSet")["Groups"]] == [group]
    client("ModifyNetworkInterfaceAttribute", EnablePrimaryIpv6=True, **asked)
    for seconds in (90, 120):
        client(
            "ModifyNetworkInterfaceAttribute",
            ConnectionTrackingSpecification={"UdpStreamTimeout": seconds},
            **asked,
        )
    client(
        "ModifyNetworkInterfaceAttribute",
        ConnectionTrackingSpecification={"UdpTimeout": 60},
        **asked,
    )
    now = described(client, made)
    assert now["ConnectionTrackingConfiguration"] == {"UdpStreamTimeout": 120, "UdpTimeout": 60}
    assert now["Ipv6Addresses"][0]["IsPrimaryIpv6"]
    assert "Attachment" not in attribute("attachment")
    assert attribute("associatePublicIpAddress")["AssociatePublicIpAddress"] is False


@pytest.mark.semantics("ec2-eni-groups", "ec2-eni-attributes")
@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({}, "missing_one_of"),
        ({"Description": {"Value": "x"}, "SourceDestCheck": {"Value": True}}, "not_together"),
        ({"Groups": []}, "missing_parameter"),
        ({"Attachment": {"AttachmentId": "eni-attach-1"}}, "attachment_not_found"),
        ({"EnablePrimaryIpv6": True}, "value_invalid"),
        ({"AssociatePublicIpAddress": True}, "parameter_not_served"),
        ({"NetworkInterfaceId": "eni-x", "Groups": ["sg-1"]}, "interface_id_malformed"),
    ],
)
def test_modification_that_cannot_be_is_refused(
    client: Client, subnet: dict[str, Any], asked: dict[str, Any], fault: str
) -> None:
    made = make(client, subnet)
    with refused(fault):
        client(
            "ModifyNetworkInterfaceAttribute",
            **{"NetworkInterfaceId": made["NetworkInterfaceId"], **asked},
        )


@pytest.mark.semantics("ec2-eni-secondary")
def test_secondary_addresses_come_move_and_go(client: Client, subnet: dict[str, Any]) -> None:
    one, two = make(client, subnet), make(client, subnet)
    first = {"NetworkInterfaceId": one["NetworkInterfaceId"]}
    second = {"NetworkInterfaceId": two["NetworkInterfaceId"]}
    answer = client("AssignPrivateIpAddresses", SecondaryPrivateIpAddressCount=2, **first)
    assert answer["AssignedPrivateIpAddresses"] == [
        {"PrivateIpAddress": "10.0.0.6"},
        {"PrivateIpAddress": "10.0.0.7"},
    ]
    with refused("address_in_use", address="10.0.0.6"):
        client("AssignPrivateIpAddresses", PrivateIpAddresses=["10.0.0.6"], **second)
    client(
        "AssignPrivateIpAddresses",
        PrivateIpAddresses=["10.0.0.6"],
        AllowReassignment=True,
        **second,
    )
    assert private(described(client, one)) == ["10.0.0.4", "10.0.0.7"]
    assert private(described(client, two)) == ["10.0.0.5", "10.0.0.6"]
    with refused("address_in_use"):
        client(
            "AssignPrivateIpAddresses",
            PrivateIpAddresses=["10.0.0.4"],
            AllowReassignment=True,
            **second,
        )
    client("UnassignPrivateIpAddresses", PrivateIpAddresses=["10.0.0.7"], **first)
    with refused("address_not_assigned", address="10.0.0.7"):
        client("UnassignPrivateIpAddresses", PrivateIpAddresses=["10.0.0.7"], **first)
    with refused("address_primary"):
        client("UnassignPrivateIpAddresses", PrivateIpAddresses=["10.0.0.4"], **first)
    with refused("missing_one_of"):
        client("AssignPrivateIpAddresses", **first)
    with refused("not_together"):
        client("AssignIpv6Addresses", Ipv6AddressCount=1, Ipv6PrefixCount=1, **first)


@pytest.mark.semantics("ec2-eni-prefixes")
def test_ipv6_addresses_and_prefixes_come_and_go(client: Client, subnet: dict[str, Any]) -> None:
    made = make(client, subnet)
    asked = {"NetworkInterfaceId": made["NetworkInterfaceId"]}
    addresses = client("AssignIpv6Addresses", Ipv6AddressCount=1, **asked)["AssignedIpv6Addresses"]
    prefixes = client("AssignIpv6Addresses", Ipv6PrefixCount=1, **asked)["AssignedIpv6Prefixes"]
    assert prefixes[0].endswith(":1::/80")
    again = client("UnassignIpv6Addresses", Ipv6Addresses=addresses, **asked)
    assert again["UnassignedIpv6Addresses"] == addresses
    client("UnassignIpv6Addresses", Ipv6Prefixes=prefixes, **asked)
    now = described(client, made)
    assert (now["Ipv6Addresses"], now["Ipv6Prefixes"]) == ([], [])
    with refused("address_malformed"):
        client("UnassignIpv6Addresses", Ipv6Addresses=["nonsense"], **asked)


@pytest.mark.semantics("ec2-eni-prefixes")
def test_prefix_is_sixteen_addresses_that_nobody_else_gets(client: Client) -> None:
    vpc = client("CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = client("CreateSubnet", VpcId=vpc, CidrBlock="10.0.0.0/26")["Subnet"]
    made = make(client, subnet, Ipv4PrefixCount=1)
    assert made["Ipv4Prefixes"] == [{"Ipv4Prefix": "10.0.0.16/28"}]
    with refused("address_in_use"):
        make(client, subnet, PrivateIpAddress="10.0.0.20")
    (found,) = client("DescribeSubnets", SubnetIds=[subnet["SubnetId"]])["Subnets"]
    assert found["AvailableIpAddressCount"] == 59 - 1 - 16
    taken = make(client, subnet, PrivateIpAddress="10.0.0.32")
    asked = {"NetworkInterfaceId": taken["NetworkInterfaceId"]}
    with refused("no_free_addresses"):
        client("AssignPrivateIpAddresses", Ipv4PrefixCount=1, **asked)
    client(
        "UnassignPrivateIpAddresses",
        NetworkInterfaceId=made["NetworkInterfaceId"],
        Ipv4Prefixes=["10.0.0.16/28"],
    )
    answer = client("AssignPrivateIpAddresses", Ipv4PrefixCount=1, **asked)
    assert answer["AssignedIpv4Prefixes"] == [{"Ipv4Prefix": "10.0.0.16/28"}]


@pytest.mark.semantics("ec2-eni-attach")
def test_interface_is_attached_in_its_zone_and_detached(client: Client) -> None:
    here, there, _ = client("DescribeSubnets")["Subnets"]
    instance = run(client, SubnetId=here["SubnetId"])
    made, far = make(client, here), make(client, there)
    asked = {"InstanceId": instance["InstanceId"], "DeviceIndex": 1}
    with refused("attach_across_zones"):
        client("AttachNetworkInterface", NetworkInterfaceId=far["NetworkInterfaceId"], **asked)
    own = {"NetworkInterfaceId": made["NetworkInterfaceId"]}
    with refused("device_index_in_use"):
        client("AttachNetworkInterface", **own, **{**asked, "DeviceIndex": 0})
    attachment_id = client("AttachNetworkInterface", **own, **asked)["AttachmentId"]
    with refused("interface_attached"):
        client("AttachNetworkInterface", **own, **asked)
    with refused("interface_in_use"):
        client("DeleteNetworkInterface", **own)
    third = make(client, here)["NetworkInterfaceId"]
    with refused("too_many_attachments"):
        client("AttachNetworkInterface", NetworkInterfaceId=third, **{**asked, "DeviceIndex": 2})
    now = described(client, made)
    assert (now["Status"], now["Attachment"]["DeviceIndex"]) == ("in-use", 1)
    client(
        "ModifyNetworkInterfaceAttribute",
        Attachment={"AttachmentId": attachment_id, "DeleteOnTermination": True},
        **own,
    )
    answer = client("DescribeNetworkInterfaceAttribute", Attribute="attachment", **own)
    assert answer["Attachment"]["DeleteOnTermination"]
    client("DetachNetworkInterface", AttachmentId=attachment_id)
    with refused("attachment_not_found"):
        client("DetachNetworkInterface", AttachmentId=attachment_id)
    with refused("attachment_id_malformed"):
        client("DetachNetworkInterface", AttachmentId=made["NetworkInterfaceId"])
    primary = instance["NetworkInterfaces"][0]["Attachment"]["AttachmentId"]
    with refused("primary_interface_detached"):
        client("DetachNetworkInterface", AttachmentId=primary)
    client("DeleteNetworkInterface", **own)
    with refused("interface_not_found"):
        client("DeleteNetworkInterface", **own)


@pytest.mark.semantics("ec2-eni-permission")
def test_permission_is_granted_described_and_deleted(
    client: Client, subnet: dict[str, Any]
) -> None:
    made = make(client, subnet)
    asked = {"NetworkInterfaceId": made["NetworkInterfaceId"], "Permission": "INSTANCE-ATTACH"}
    with refused("value_invalid"):
        client("CreateNetworkInterfacePermission", AwsAccountId="me", **asked)
    granted = client("CreateNetworkInterfacePermission", AwsAccountId="444455556666", **asked)
    permission_id = granted["InterfacePermission"]["NetworkInterfacePermissionId"]
    named = "network-interface-permission.aws-account-id"
    found = client(
        "DescribeNetworkInterfacePermissions",
        Filters=[{"Name": named, "Values": ["4444*"]}],
    )["NetworkInterfacePermissions"]
    assert [each["NetworkInterfacePermissionId"] for each in found] == [permission_id]
    client("DeleteNetworkInterfacePermission", NetworkInterfacePermissionId=permission_id)
    with refused("interface_permission_not_found"):
        client("DeleteNetworkInterfacePermission", NetworkInterfacePermissionId=permission_id)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("addresses.primary", "true"),
        ("addresses.private-ip-address", "10.0.0.4"),
        ("availability-zone", "eu-west-1a"),
        ("description", "lo?ng"),
        ("group-name", "default"),
        ("ipv6-addresses.ipv6-address", "2600:*"),
        ("interface-type", "interface"),
        ("mac-address", "02:*"),
        ("owner-id", "111122223333"),
        ("private-dns-name", "ip-10-0-0-4.eu-west-1.compute.internal"),
        ("private-ip-address", "10.0.0.4"),
        ("requester-managed", "false"),
        ("source-dest-check", "true"),
        ("status", "available"),
        ("tag:Name", "x"),
    ],
)
def test_filter_finds_an_interface_by_what_it_has(
    client: Client, subnet: dict[str, Any], name: str, value: str
) -> None:
    tags = [{"ResourceType": "network-interface", "Tags": [{"Key": "Name", "Value": "x"}]}]
    made = make(client, subnet, Description="lo\nng", Ipv6AddressCount=1, TagSpecifications=tags)
    asked = [{"Name": name, "Values": [value]}]
    found = client("DescribeNetworkInterfaces", Filters=asked)["NetworkInterfaces"]
    assert [each["NetworkInterfaceId"] for each in found] == [made["NetworkInterfaceId"]]
    asked = [{"Name": name, "Values": ["no"]}]
    assert not client("DescribeNetworkInterfaces", Filters=asked)["NetworkInterfaces"]


@pytest.mark.semantics("ec2-quotas")
def test_interface_has_no_more_addresses_than_the_quota(client: Client) -> None:
    vpc = client("CreateVpc", CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]
    block = vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].replace("/56", "/64")
    wide = {"VpcId": vpc["VpcId"], "CidrBlock": "10.0.0.0/20", "Ipv6CidrBlock": block}
    subnet = client("CreateSubnet", **wide)["Subnet"]
    for asked in (
        {"Ipv6AddressCount": (1 << 31) - 1},
        {"SecondaryPrivateIpAddressCount": 50},
        {"Ipv6PrefixCount": 51},
    ):
        with refused("too_many_addresses_of_interface"):
            make(client, subnet, **asked)
    made = make(client, subnet, SecondaryPrivateIpAddressCount=48)
    interface_id = made["NetworkInterfaceId"]
    more = {"NetworkInterfaceId": interface_id, "SecondaryPrivateIpAddressCount": 1}
    client("AssignPrivateIpAddresses", **more)
    with refused("too_many_addresses_of_interface"):
        client("AssignPrivateIpAddresses", **more)
    assert len(private(described(client, made))) == 50
    ipv6 = {"NetworkInterfaceId": interface_id, "Ipv6AddressCount": 30}
    client("AssignIpv6Addresses", **ipv6)
    with refused("too_many_addresses_of_interface"):
        client("AssignIpv6Addresses", **ipv6)


@pytest.mark.semantics("ec2-address-moves")
def test_secondary_address_that_moves_takes_its_elastic_address_along(
    client: Client, subnet: dict[str, Any]
) -> None:
    gateway = client("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    client("AttachInternetGateway", InternetGatewayId=gateway, VpcId=subnet["VpcId"])
    first = make(client, subnet, SecondaryPrivateIpAddressCount=1)
    second = make(client, subnet)
    moved = private(first)[1]
    elastic = client("AllocateAddress")
    client(
        "AssociateAddress",
        AllocationId=elastic["AllocationId"],
        NetworkInterfaceId=first["NetworkInterfaceId"],
        PrivateIpAddress=moved,
    )
    client(
        "AssignPrivateIpAddresses",
        NetworkInterfaceId=second["NetworkInterfaceId"],
        PrivateIpAddresses=[moved],
        AllowReassignment=True,
    )
    last = described(client, second)["PrivateIpAddresses"][-1]
    assert last["PrivateIpAddress"] == moved
    assert last["Association"]["PublicIp"] == elastic["PublicIp"]
    (address,) = client("DescribeAddresses")["Addresses"]
    assert address["NetworkInterfaceId"] == second["NetworkInterfaceId"]
    assert private(described(client, first)) == private(first)[:1]
    client("DisassociateAddress", AssociationId=address["AssociationId"])
    assert "Association" not in described(client, second)["PrivateIpAddresses"][-1]
