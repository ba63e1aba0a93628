"""CreateFlowLogs, DescribeFlowLogs, DeleteFlowLogs."""

import pytest

from tests.support.worlds import Client, new_client, refused

S3 = {"LogDestinationType": "s3", "LogDestination": "arn:aws:s3:::bucket/prefix"}
VPC = {"ResourceType": "VPC", "ResourceIds": ["vpc-0"], "TrafficType": "ALL"}


@pytest.fixture
def client() -> Client:
    client = new_client()
    with client.endpoint.state.change():
        client.world.put("Vpc", {"VpcId": "vpc-0"})
        client.world.put("Subnet", {"SubnetId": "subnet-0", "VpcId": "vpc-0"})
    return client


@pytest.mark.semantics("endpoint-flow-1")
def test_created_flow_log_is_described_with_what_was_left_out(client: Client) -> None:
    made = client("CreateFlowLogs", **VPC, **S3, ClientToken="once")
    assert made["Unsuccessful"] == []
    (flow_log,) = client("DescribeFlowLogs")["FlowLogs"]
    assert flow_log["FlowLogId"] == made["FlowLogIds"][0]
    assert flow_log["MaxAggregationInterval"] == 600
    assert flow_log["LogFormat"].startswith("${version} ${account-id} ${interface-id}")
    assert flow_log["DestinationOptions"] == {
        "FileFormat": "plain-text",
        "HiveCompatiblePartitions": False,
        "PerHourPartition": False,
    }
    assert client("CreateFlowLogs", **VPC, **S3, ClientToken="once") == made


@pytest.mark.semantics("endpoint-flow-2")
def test_resource_that_is_not_there_does_not_hinder_the_others(client: Client) -> None:
    made = client(
        "CreateFlowLogs",
        **{**VPC, "ResourceIds": ["vpc-0", "vpc-00000000000000009"]},
        **S3,
    )
    assert len(made["FlowLogIds"]) == 1
    (refusal,) = made["Unsuccessful"]
    assert refusal["ResourceId"] == "vpc-00000000000000009"
    assert refusal["Error"]["Code"] == "InvalidVpcID.NotFound"


@pytest.mark.semantics("endpoint-flow-3")
def test_same_flow_log_twice_exists_and_other_destination_does_not(client: Client) -> None:
    client("CreateFlowLogs", **VPC, **S3)
    again = client("CreateFlowLogs", **VPC, **S3)
    assert again["FlowLogIds"] == []
    assert again["Unsuccessful"][0]["Error"] == {
        "Code": "FlowLogAlreadyExists",
        "Message": "Error. There is an existing Flow Log with the same configuration and log "
        "destination.",
    }
    other = {**S3, "LogDestination": "arn:aws:s3:::other"}
    assert client("CreateFlowLogs", **VPC, **other)["Unsuccessful"] == []


@pytest.mark.semantics("ec2-quotas")
def test_flow_logs_over_the_quota_are_unsuccessful() -> None:
    client = new_client(flow_logs_per_resource=1)
    with client.endpoint.state.change():
        client.world.put("Vpc", {"VpcId": "vpc-0"})
    client("CreateFlowLogs", **VPC, **S3)
    other = {**S3, "LogDestination": "arn:aws:s3:::other"}
    (refusal,) = client("CreateFlowLogs", **VPC, **other)["Unsuccessful"]
    # too_many_flow_logs
    assert refusal["Error"]["Code"] == "FlowLogsLimitExceeded"


@pytest.mark.semantics("endpoint-flow-7")
def test_deleted_flow_log_is_gone_and_unknown_one_is_unsuccessful(client: Client) -> None:
    (flow_log_id,) = client("CreateFlowLogs", **VPC, **S3)["FlowLogIds"]
    answer = client("DeleteFlowLogs", FlowLogIds=[flow_log_id, "fl-00000000000000009"])
    (refusal,) = answer["Unsuccessful"]
    assert refusal["Error"] == {
        "Code": "InvalidFlowLogId.NotFound",
        "Message": "These flow log ids in the input list are not found: "
        "[TotalCount: 1] fl-00000000000000009",
    }
    assert client("DescribeFlowLogs")["FlowLogs"] == []
    with refused("flow_log_not_found"):
        client("DescribeFlowLogs", FlowLogIds=[flow_log_id])


def test_describe_filters_by_each_documented_name(client: Client) -> None:
    client("CreateFlowLogs", **VPC, **S3)
    client(
        "CreateFlowLogs",
        ResourceType="Subnet",
        ResourceIds=["subnet-0"],
        TrafficType="REJECT",
        LogGroupName="rejected",
        DeliverLogsPermissionArn="arn:aws:iam::111122223333:role/flow",
    )
    for name, value, resource in (
        ("traffic-type", "REJECT", "subnet-0"),
        ("resource-id", "vpc-*", "vpc-0"),
        ("log-group-name", "rejected", "subnet-0"),
        ("log-destination-type", "s3", "vpc-0"),
    ):
        found = client("DescribeFlowLogs", Filter=[{"Name": name, "Values": [value]}])
        assert [each["ResourceId"] for each in found["FlowLogs"]] == [resource]
    for name, value, count in (("deliver-log-status", "SUCCESS", 2), ("flow-log-id", "fl-x", 0)):
        found = client("DescribeFlowLogs", Filter=[{"Name": name, "Values": [value]}])
        assert len(found["FlowLogs"]) == count


@pytest.mark.semantics("endpoint-flow-8")
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"ResourceType": "TransitGateway"}, "flow_log_resource_type"),
        ({"ResourceIds": [f"vpc-{n}" for n in range(301)]}, "flow_log_too_many_resources"),
        ({"TrafficType": None}, "flow_log_without_traffic_type"),
        ({"MaxAggregationInterval": 61}, "flow_log_interval"),
        ({"LogFormat": "${no-such-field}"}, "flow_log_format"),
        ({"LogDestination": None}, "flow_log_without_destination"),
        ({"LogGroupName": "both"}, "flow_log_two_destinations"),
        ({"LogDestinationType": None}, "flow_log_without_role"),
        ({"DeliverLogsPermissionArn": "arn:aws:iam::1:role/x"}, "flow_log_with_role"),
        ({"LogDestination": "bucket"}, "flow_log_destination"),
        ({"LogDestination": "arn:aws:s3:::bucket/../../etc"}, "flow_log_destination"),
        ({"LogDestination": "arn:aws:s3:::bucket/AWSLogs/"}, "flow_log_destination"),
        ({"LogDestination": "arn:aws:s3:::bucket/a\0b"}, "flow_log_destination"),
        (
            {
                "LogDestinationType": None,
                "LogDestination": None,
                "LogGroupName": "group\0",
                "DeliverLogsPermissionArn": "arn:aws:iam::1:role/x",
            },
            "flow_log_destination",
        ),
        (
            {
                "LogDestinationType": None,
                "LogDestination": None,
                "LogGroupName": "group",
                "DeliverLogsPermissionArn": "arn:aws:iam::1:role/x",
                "DestinationOptions": {"FileFormat": "parquet"},
            },
            "flow_log_destination_options",
        ),
    ],
)
def test_request_that_cannot_be_is_refused_as_a_whole(
    client: Client, change: dict[str, object], fault: str
) -> None:
    request = {**VPC, **S3, **change}
    with refused(fault):
        client("CreateFlowLogs", **{key: each for key, each in request.items() if each is not None})
    assert client("DescribeFlowLogs")["FlowLogs"] == []
