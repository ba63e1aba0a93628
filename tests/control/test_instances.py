"""Instances: launched, described, stopped, terminated; the interfaces that they own."""

from datetime import timedelta
from typing import Any

import pytest

from secgroup.control.networks import Networks
from tests.support.worlds import NOW, REGION, Client, new_client, refused

AMI = "ami-00000000000000001"


@pytest.fixture
def client() -> Client:
    return new_client()


def launch(client: Client, **asked: Any) -> list[dict[str, Any]]:
    asked = {"ImageId": AMI, "MinCount": 1, "MaxCount": 1, "InstanceType": "t3.medium", **asked}
    found: list[dict[str, Any]] = client("RunInstances", **asked)["Instances"]
    return found


def described(client: Client, **asked: Any) -> list[dict[str, Any]]:
    return [
        instance
        for reservation in client("DescribeInstances", **asked)["Reservations"]
        for instance in reservation["Instances"]
    ]


@pytest.mark.semantics("ec2-run-defaults")
def test_instances_launch_into_a_default_subnet_with_public_addresses(client: Client) -> None:
    first, second = launch(client, MaxCount=2)
    assert first["State"] == {"Code": 16, "Name": "running"}
    assert first["PrivateIpAddress"] == "172.31.0.4"
    assert second["PrivateIpAddress"] == "172.31.0.5"
    assert second["AmiLaunchIndex"] == 1
    assert first["SecurityGroups"][0]["GroupName"] == "default"
    assert first["PublicIpAddress"] != second["PublicIpAddress"]
    (interface,) = first["NetworkInterfaces"]
    assert interface["Attachment"]["DeleteOnTermination"]
    assert len(client("DescribeInstances")["Reservations"]) == 1
    assert described(client) == [first, second]


@pytest.mark.semantics("ec2-run-interfaces")
def test_interfaces_of_a_launch_are_made_or_taken(client: Client) -> None:
    (subnet, *_) = client("DescribeSubnets")["Subnets"]
    kept = client("CreateNetworkInterface", SubnetId=subnet["SubnetId"])["NetworkInterface"]
    tags = [
        {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "box"}]},
        {"ResourceType": "network-interface", "Tags": [{"Key": "Name", "Value": "nic"}]},
    ]
    (instance,) = launch(
        client,
        NetworkInterfaces=[
            {
                "DeviceIndex": 1,
                "SubnetId": subnet["SubnetId"],
                "SecondaryPrivateIpAddressCount": 1,
                "ConnectionTrackingSpecification": {"UdpTimeout": 45},
            },
            {"DeviceIndex": 0, "NetworkInterfaceId": kept["NetworkInterfaceId"]},
        ],
        TagSpecifications=tags,
    )
    first, second = instance["NetworkInterfaces"]
    assert first["NetworkInterfaceId"] == kept["NetworkInterfaceId"]
    assert not first["Attachment"]["DeleteOnTermination"]
    assert second["ConnectionTrackingConfiguration"] == {"UdpTimeout": 45}
    assert "PublicIpAddress" not in instance
    assert instance["Tags"] == [{"Key": "Name", "Value": "box"}]
    named = [{"Name": "tag:Name", "Values": ["nic"]}]
    found = client("DescribeNetworkInterfaces", Filters=named)["NetworkInterfaces"]
    assert [each["NetworkInterfaceId"] for each in found] == [second["NetworkInterfaceId"]]
    client("TerminateInstances", InstanceIds=[instance["InstanceId"]])
    left = client("DescribeNetworkInterfaces")["NetworkInterfaces"]
    assert [each["NetworkInterfaceId"] for each in left] == [kept["NetworkInterfaceId"]]
    assert left[0]["Status"] == "available"


@pytest.mark.semantics("ec2-run-whole")
@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"ImageId": "ami-x"}, "image_id_malformed"),
        ({"MinCount": 2}, "value_invalid"),
        ({"InstanceType": "p4d.24xlarge"}, "instance_type_invalid"),
        ({"SubnetId": "subnet-00000000000000bad"}, "subnet_not_found"),
        ({"MaxCount": 2, "PrivateIpAddress": "172.31.0.9"}, "address_for_several"),
        ({"NetworkInterfaces": [{"DeviceIndex": 1}]}, "device_indexes_invalid"),
        (
            {"NetworkInterfaces": [{"DeviceIndex": 0}], "SecurityGroupIds": ["sg-1"]},
            "interfaces_and_instance_level",
        ),
        (
            {"NetworkInterfaces": [{"DeviceIndex": each} for each in range(4)]},
            "too_many_attachments",
        ),
        (
            {"TagSpecifications": [{"ResourceType": "vpc", "Tags": []}]},
            "tag_specification_of_other_type",
        ),
        ({"LaunchTemplate": {"LaunchTemplateName": "x"}}, "parameter_not_served"),
        ({"SubnetId": "subnet-1", "SecurityGroups": ["default"]}, "not_together"),
        ({"Placement": {"AvailabilityZone": "mars-1a"}}, "zone_invalid"),
    ],
)
def test_launch_that_cannot_be_is_refused_whole(
    client: Client, asked: dict[str, Any], fault: str
) -> None:
    with refused(fault):
        launch(client, **asked)
    assert client("DescribeNetworkInterfaces")["NetworkInterfaces"] == []


@pytest.mark.semantics("ec2-run-defaults")
def test_launch_needs_a_subnet(client: Client) -> None:
    for subnet in client("DescribeSubnets")["Subnets"]:
        client("DeleteSubnet", SubnetId=subnet["SubnetId"])
    (vpc,) = client("DescribeVpcs")["Vpcs"]
    with refused("no_subnet_for_launch", resource_id=vpc["VpcId"]):
        launch(client)
    (gateway,) = client("DescribeInternetGateways")["InternetGateways"]
    asked = {"InternetGatewayId": gateway["InternetGatewayId"], "VpcId": vpc["VpcId"]}
    client("DetachInternetGateway", **asked)
    client("DeleteVpc", VpcId=vpc["VpcId"])
    with refused("no_vpc_for_launch"):
        launch(client)


@pytest.mark.semantics("ec2-stop")
def test_stopped_instance_gives_its_public_address_back(client: Client) -> None:
    (instance,) = launch(client, SecurityGroups=["default"])
    asked = {"InstanceIds": [instance["InstanceId"]]}
    (change,) = client("StopInstances", **asked)["StoppingInstances"]
    assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == (
        "running",
        "stopped",
    )
    (now,) = described(client)
    assert "PublicIpAddress" not in now
    assert now["PrivateIpAddress"] == instance["PrivateIpAddress"]
    assert now["SecurityGroups"] == instance["SecurityGroups"]
    assert client("DescribeInstanceStatus")["InstanceStatuses"] == []
    (status,) = client("DescribeInstanceStatus", IncludeAllInstances=True)["InstanceStatuses"]
    assert status["InstanceStatus"] == {"Status": "not-applicable"}
    client("StartInstances", **asked)
    (now,) = described(client)
    assert "PublicIpAddress" in now
    (status,) = client("DescribeInstanceStatus", **asked)["InstanceStatuses"]
    assert status["SystemStatus"]["Status"] == "ok"


@pytest.mark.semantics("ec2-stop-rules")
def test_stopped_instance_changes_nothing_of_what_packets_meet(client: Client) -> None:
    private = {"DeviceIndex": 0, "AssociatePublicIpAddress": False}
    (instance,) = launch(client, NetworkInterfaces=[private])
    before = Networks(client.endpoint.state)[REGION]
    assert instance["InstanceId"] in {each.instance_id for each in before.interfaces.values()}
    client("StopInstances", InstanceIds=[instance["InstanceId"]])
    assert Networks(client.endpoint.state)[REGION] == before


@pytest.mark.semantics("ec2-terminate")
def test_terminated_instance_is_remembered_for_an_hour(client: Client) -> None:
    (instance,) = launch(client)
    asked = {"InstanceIds": [instance["InstanceId"]]}
    client("TerminateInstances", **asked)
    client("TerminateInstances", **asked)
    (now,) = described(client)
    assert now["State"]["Name"] == "terminated"
    assert "SubnetId" not in now
    assert client("DescribeNetworkInterfaces")["NetworkInterfaces"] == []
    for name in ("StartInstances", "StopInstances"):
        with refused("instance_state"):
            client(name, **asked)
    client.now = NOW + timedelta(hours=1, minutes=1)
    launch(client)
    with refused("instance_not_found"):
        described(client, **asked)
    assert len(client("DescribeInstances")["Reservations"]) == 1


@pytest.mark.semantics("ec2-instance-attributes")
def test_attributes_of_an_instance_are_those_of_its_primary_interface(client: Client) -> None:
    (instance,) = launch(client)
    asked = {"InstanceId": instance["InstanceId"]}
    group = client(
        "CreateSecurityGroup", GroupName="web", Description="web", VpcId=instance["VpcId"]
    )["GroupId"]
    client("ModifyInstanceAttribute", Groups=[group], **asked)
    answer = client("DescribeInstanceAttribute", Attribute="groupSet", **asked)
    assert answer["Groups"] == [{"GroupId": group}]
    client("ModifyInstanceAttribute", SourceDestCheck={"Value": False}, **asked)
    (interface,) = client("DescribeNetworkInterfaces")["NetworkInterfaces"]
    assert interface["SourceDestCheck"] is False
    client("ModifyInstanceAttribute", Attribute="sourceDestCheck", Value="true", **asked)
    answer = client("DescribeInstanceAttribute", Attribute="sourceDestCheck", **asked)
    assert answer["SourceDestCheck"] == {"Value": True}
    answer = client("DescribeInstanceAttribute", Attribute="disableApiTermination", **asked)
    assert answer["DisableApiTermination"] == {"Value": False}
    with refused("instance_not_stopped"):
        client("ModifyInstanceAttribute", InstanceType={"Value": "t3.large"}, **asked)
    client("StopInstances", InstanceIds=[*asked.values()])
    client("ModifyInstanceAttribute", InstanceType={"Value": "t3.large"}, **asked)
    answer = client("DescribeInstanceAttribute", Attribute="instanceType", **asked)
    assert answer["InstanceType"] == {"Value": "t3.large"}
    with refused("one_attribute"):
        client("ModifyInstanceAttribute", **asked)
    with refused("parameter_not_served"):
        client("ModifyInstanceAttribute", EbsOptimized={"Value": True}, **asked)
    extra = client("CreateNetworkInterface", SubnetId=instance["SubnetId"])["NetworkInterface"]
    client(
        "AttachNetworkInterface",
        NetworkInterfaceId=extra["NetworkInterfaceId"],
        DeviceIndex=1,
        **asked,
    )
    with refused("instance_with_several_interfaces"):
        client("ModifyInstanceAttribute", SourceDestCheck={"Value": False}, **asked)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("availability-zone", "eu-west-1a"),
        ("image-id", "ami-*"),
        ("instance-state-name", "running"),
        ("instance-state-code", "16"),
        ("instance-type", "t3.medium"),
        ("instance.group-name", "default"),
        ("ip-address", "52.*"),
        ("key-name", "key"),
        ("launch-index", "0"),
        ("network-interface.addresses.association.public-ip", "52.*"),
        ("network-interface.addresses.private-ip-address", "172.31.0.4"),
        ("network-interface.association.public-ip", "52.*"),
        ("network-interface.attachment.device-index", "0"),
        ("network-interface.group-name", "default"),
        ("network-interface.status", "in-use"),
        ("owner-id", "111122223333"),
        ("private-ip-address", "172.31.0.4"),
        ("reservation-id", "r-*"),
        ("root-device-type", "ebs"),
        ("source-dest-check", "true"),
        ("tenancy", "default"),
        ("virtualization-type", "hvm"),
        ("vpc-id", "vpc-*"),
    ],
)
def test_filter_finds_an_instance_by_what_it_has(client: Client, name: str, value: str) -> None:
    launch(client, KeyName="key")
    assert len(described(client, Filters=[{"Name": name, "Values": [value]}])) == 1
    assert not described(client, Filters=[{"Name": name, "Values": ["no"]}])


def test_every_documented_filter_of_instances_is_taken(client: Client) -> None:
    from secgroup.control.instances_shown import _DESCRIBE, _STATUS

    launch(client)
    for name in _DESCRIBE.filters:
        described(client, Filters=[{"Name": name, "Values": ["no"]}])
    for name in _STATUS.filters:
        client("DescribeInstanceStatus", Filters=[{"Name": name, "Values": ["no"]}])


@pytest.mark.semantics("ec2-instance-types")
def test_types_tell_their_tracking_timeouts(client: Client) -> None:
    found = client("DescribeInstanceTypes", InstanceTypes=["m8i.large", "m5.large", "t2.micro"])
    told = {each["InstanceType"]: each["NetworkInfo"] for each in found["InstanceTypes"]}
    key = "ConnectionTrackingConfiguration"
    assert told["m8i.large"][key]["DefaultTcpEstablishedTimeout"] == 350
    assert told["m5.large"][key]["DefaultTcpEstablishedTimeout"] == 432000
    assert key not in told["t2.micro"]
    assert told["m5.large"]["MaximumNetworkInterfaces"] == 3
    every: list[dict[str, Any]] = []
    answer = client("DescribeInstanceTypes", MaxResults=100)
    every += answer["InstanceTypes"]
    while "NextToken" in answer:
        answer = client("DescribeInstanceTypes", MaxResults=100, NextToken=answer["NextToken"])
        every += answer["InstanceTypes"]
    assert len({each["InstanceType"] for each in every}) == len(every) > 150
    asked = [
        {"Name": "vcpu-info.default-vcpus", "Values": ["2"]},
        {"Name": "memory-info.size-in-mib", "Values": ["8192"]},
        {"Name": "processor-info.supported-architecture", "Values": ["arm64"]},
    ]
    found = client("DescribeInstanceTypes", Filters=asked)
    assert {each["InstanceType"] for each in found["InstanceTypes"]} == {
        "m6g.large",
        "m7g.large",
        "m8g.large",
        "t4g.large",
    }
    with refused("instance_type_invalid"):
        client("DescribeInstanceTypes", InstanceTypes=["p4d.24xlarge"])


def test_any_image_is_one(client: Client) -> None:
    (image,) = client("DescribeImages", ImageIds=[AMI])["Images"]
    assert image["State"] == "available"
    assert client("DescribeImages")["Images"] == []
    launch(client)
    assert [each["ImageId"] for each in client("DescribeImages", Owners=["amazon"])["Images"]] == [
        AMI
    ]
    assert client("DescribeImages", Owners=["self"])["Images"] == []


@pytest.mark.semantics("ec2-terminate")
def test_instance_that_is_in_a_state_stays_as_it_is(client: Client) -> None:
    (made,) = client("RunInstances", ImageId=AMI, MinCount=1, MaxCount=1)["Instances"]
    asked = {"InstanceIds": [made["InstanceId"]]}
    for name, key in (
        ("StartInstances", "StartingInstances"),
        ("StopInstances", "StoppingInstances"),
        ("TerminateInstances", "TerminatingInstances"),
    ):
        client(name, **asked)
        before = client("DescribeInstances", **asked)["Reservations"]
        (change,) = client(name, **asked)[key]
        assert change["PreviousState"] == change["CurrentState"]
        assert client("DescribeInstances", **asked)["Reservations"] == before


@pytest.mark.semantics("ec2-run-whole")
def test_launch_of_more_than_the_region_has_room_for_is_refused_at_once(client: Client) -> None:
    with refused("too_many_interfaces"):
        client("RunInstances", ImageId=AMI, MinCount=1, MaxCount=(1 << 31) - 1)
