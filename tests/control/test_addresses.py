"""Elastic IP addresses, and public addresses of Amazon's."""

from typing import Any

import pytest

from tests.support.worlds import Client, new_client, refused


@pytest.fixture
def client() -> Client:
    return new_client()


def interface(client: Client, **asked: Any) -> dict[str, Any]:
    (subnet, *_) = client("DescribeSubnets")["Subnets"]
    made: dict[str, Any] = client("CreateNetworkInterface", SubnetId=subnet["SubnetId"], **asked)[
        "NetworkInterface"
    ]
    return made


@pytest.mark.semantics("ec2-address-release")
def test_address_is_allocated_associated_taken_back_and_released(client: Client) -> None:
    address = client("AllocateAddress", Domain="vpc")
    made = interface(client)
    own = {"NetworkInterfaceId": made["NetworkInterfaceId"]}
    answer = client("AssociateAddress", AllocationId=address["AllocationId"], **own)
    (found,) = client("DescribeNetworkInterfaces", NetworkInterfaceIds=[*own.values()])[
        "NetworkInterfaces"
    ]
    told = found["Association"]
    assert told["PublicIp"] == address["PublicIp"]
    assert told["AssociationId"] == answer["AssociationId"]
    assert told["PublicDnsName"].startswith("ec2-52-")
    assert found["PrivateIpAddresses"][0]["Association"] == told
    (found,) = client("DescribeAddresses", PublicIps=[address["PublicIp"]])["Addresses"]
    assert found["PrivateIpAddress"] == made["PrivateIpAddress"]
    with refused("address_in_use"):
        client("ReleaseAddress", AllocationId=address["AllocationId"])
    client("DisassociateAddress", AssociationId=answer["AssociationId"])
    with refused("association_not_found"):
        client("DisassociateAddress", AssociationId=answer["AssociationId"])
    with refused("association_not_found"):
        client("DisassociateAddress", PublicIp=address["PublicIp"])
    client("ReleaseAddress", PublicIp=address["PublicIp"])
    with refused("allocation_not_found"):
        client("ReleaseAddress", AllocationId=address["AllocationId"])
    with refused("address_not_found"):
        client("DescribeAddresses", PublicIps=[address["PublicIp"]])


@pytest.mark.semantics("ec2-address-release")
def test_address_of_an_instance_in_a_default_vpc_is_released_at_once(client: Client) -> None:
    launch = {"ImageId": "ami-00000001", "MinCount": 1, "MaxCount": 1}
    (instance,) = client("RunInstances", **launch)["Instances"]
    address = {"AllocationId": client("AllocateAddress")["AllocationId"]}
    client("AssociateAddress", InstanceId=instance["InstanceId"], **address)
    client("ReleaseAddress", **address)
    assert client("DescribeAddresses")["Addresses"] == []
    (found,) = client("DescribeNetworkInterfaces")["NetworkInterfaces"]
    assert "AllocationId" not in found.get("Association", {})


@pytest.mark.semantics("ec2-address-associate")
def test_address_moves_unless_that_is_refused(client: Client) -> None:
    one, two = interface(client), interface(client)
    address = client("AllocateAddress")["AllocationId"]
    first = client(
        "AssociateAddress", AllocationId=address, NetworkInterfaceId=one["NetworkInterfaceId"]
    )["AssociationId"]
    asked = {"AllocationId": address, "NetworkInterfaceId": two["NetworkInterfaceId"]}
    with refused("address_associated", association=first):
        client("AssociateAddress", AllowReassociation=False, **asked)
    second = client("AssociateAddress", **asked)["AssociationId"]
    assert client("AssociateAddress", **asked)["AssociationId"] == second != first
    other = client("AllocateAddress")["AllocationId"]
    client("AssociateAddress", AllocationId=other, NetworkInterfaceId=two["NetworkInterfaceId"])
    (free,) = client("DescribeAddresses", AllocationIds=[address])["Addresses"]
    assert "AssociationId" not in free
    with refused("address_not_assigned"):
        client("AssociateAddress", PrivateIpAddress="10.0.0.1", **asked)
    client("DeleteNetworkInterface", NetworkInterfaceId=two["NetworkInterfaceId"])
    (free,) = client("DescribeAddresses", AllocationIds=[other])["Addresses"]
    assert "AssociationId" not in free


@pytest.mark.semantics("ec2-address-associate", "ec2-address-gateway")
def test_address_needs_a_gateway_and_one_interface_of_an_instance(client: Client) -> None:
    vpc = client("CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = client("CreateSubnet", VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    made = client("CreateNetworkInterface", SubnetId=subnet)["NetworkInterface"]
    address = client("AllocateAddress")["AllocationId"]
    with refused("vpc_without_gateway"):
        client(
            "AssociateAddress",
            AllocationId=address,
            NetworkInterfaceId=made["NetworkInterfaceId"],
        )
    launch = {"ImageId": "ami-00000001", "MinCount": 1, "MaxCount": 1, "InstanceType": "t3.large"}
    instance = client("RunInstances", **launch)["Instances"][0]["InstanceId"]
    client("AssociateAddress", AllocationId=address, InstanceId=instance)
    asked = [{"Name": "instance-id", "Values": [instance]}]
    (found,) = client("DescribeAddresses", Filters=asked)["Addresses"]
    assert found["InstanceId"] == instance
    extra = interface(client)["NetworkInterfaceId"]
    client("AttachNetworkInterface", NetworkInterfaceId=extra, InstanceId=instance, DeviceIndex=1)
    with refused("instance_with_several_interfaces"):
        client("AssociateAddress", AllocationId=address, InstanceId=instance)
    with refused("missing_one_of"):
        client("AssociateAddress", AllocationId=address)


@pytest.mark.semantics("ec2-quotas")
def test_addresses_are_counted_and_of_amazon(client: Client) -> None:
    for _ in range(5):
        client("AllocateAddress")
    with refused("too_many_addresses"):
        client("AllocateAddress")
    with refused("value_invalid"):
        client("AllocateAddress", Domain="standard")
    with refused("parameter_not_served"):
        client("AllocateAddress", PublicIpv4Pool="ipv4pool-ec2-1")
    found = client("DescribeAddresses")["Addresses"]
    assert len({each["PublicIp"] for each in found}) == 5


@pytest.mark.semantics("ec2-address-gateway")
def test_gateway_stays_while_a_public_address_is_mapped(client: Client) -> None:
    made = interface(client)
    address = client("AllocateAddress")["AllocationId"]
    client("AssociateAddress", AllocationId=address, NetworkInterfaceId=made["NetworkInterfaceId"])
    (gateway,) = client("DescribeInternetGateways")["InternetGateways"]
    with refused("vpc_has_public_addresses"):
        client(
            "DetachInternetGateway",
            InternetGatewayId=gateway["InternetGatewayId"],
            VpcId=made["VpcId"],
        )


@pytest.mark.semantics("ec2-eni-managed")
def test_address_of_a_nat_gateway_stays_with_it() -> None:
    client = new_client()
    (subnet, *_) = client("DescribeSubnets")["Subnets"]
    first, second = (client("AllocateAddress")["AllocationId"] for _ in range(2))
    asked = {"SubnetId": subnet["SubnetId"], "AllocationId": first}
    with refused("value_invalid"):
        client("CreateNatGateway", SecondaryAllocationIds=[first], **asked)
    nat = client("CreateNatGateway", **asked)["NatGateway"]
    (told,) = nat["NatGatewayAddresses"]
    made = client("CreateNetworkInterface", SubnetId=subnet["SubnetId"])["NetworkInterface"]
    for allocation_id, interface_id in (
        (first, made["NetworkInterfaceId"]),
        (second, told["NetworkInterfaceId"]),
    ):
        with refused("interface_managed"):
            client("AssociateAddress", AllocationId=allocation_id, NetworkInterfaceId=interface_id)
    assert client("DescribeNatGateways")["NatGateways"] == [nat]
