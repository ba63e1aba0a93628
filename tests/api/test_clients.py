"""boto3 against a server: what a user's own program sees."""

import threading
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support.served import Served
from tests.support.worlds import OTHER_ACCOUNT


def default_vpc(server: Served) -> str:
    found = server.client().describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])
    return str(found["Vpcs"][0]["VpcId"])


def test_caller_identity_is_the_account_of_the_key(server: Served) -> None:
    found = server.client("sts", key=OTHER_ACCOUNT).get_caller_identity()
    assert (found["Account"], found["Arn"]) == (
        OTHER_ACCOUNT,
        f"arn:aws:iam::{OTHER_ACCOUNT}:root",
    )
    other = server.client("sts", key="AKIAIOSFODNN7EXAMPLE").get_caller_identity()
    assert other["Account"] == "111122223333"


@pytest.mark.semantics("ec2-error-form")
def test_error_is_the_one_that_ec2_gives(server: Served) -> None:
    with pytest.raises(ClientError) as caught:
        server.client().describe_security_groups(GroupIds=["sg-00000000"])
    answer = caught.value.response
    assert answer["Error"]["Code"] == "InvalidGroup.NotFound"
    assert answer["Error"]["Message"] == "The security group 'sg-00000000' does not exist"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_dry_run_would_have_succeeded(server: Served) -> None:
    with pytest.raises(ClientError) as caught:
        server.client().describe_security_groups(DryRun=True)
    assert caught.value.response["Error"]["Code"] == "DryRunOperation"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412


def test_operation_that_is_not_served_says_so(server: Served) -> None:
    with pytest.raises(ClientError) as caught:
        server.client().describe_spot_price_history()
    error = caught.value.response["Error"]
    assert error["Code"] == "InvalidAction"
    assert "not served by this endpoint" in error["Message"]


@pytest.mark.semantics("ec2-request-ids")
def test_request_ids_are_unique_and_in_the_header_too(server: Served) -> None:
    client = server.client()
    answers = [client.describe_security_groups()["ResponseMetadata"] for _ in range(20)]
    assert len({each["RequestId"] for each in answers}) == 20
    assert all(each["RequestId"] == each["HTTPHeaders"]["x-amzn-requestid"] for each in answers)


def test_access_log_says_who_asked_what(server: Served) -> None:
    answer = server.client(region="eu-central-1").describe_security_groups()
    entry = server.entry(answer["ResponseMetadata"]["RequestId"])
    assert entry["action"] == "DescribeSecurityGroups"
    assert (entry["account_id"], entry["region"]) == ("111122223333", "eu-central-1")
    assert (entry["status"], entry["error"]) == (200, None)


def make_group(server: Served, name: str) -> str:
    made = server.client().create_security_group(GroupName=name, Description="a group")
    return str(made["GroupId"])


def rule(port: int) -> dict[str, Any]:
    ports = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
    return ports | {"IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "a & {b}"}]}


def test_resource_of_boto3_reads_what_it_wrote(server: Served) -> None:
    group = boto3.resource("ec2", **server.options()).SecurityGroup(make_group(server, "resource"))
    group.authorize_ingress(IpPermissions=[rule(443)])
    group.reload()
    assert group.vpc_id == default_vpc(server)
    (permission,) = group.ip_permissions
    assert {key: permission[key] for key in rule(443)} == rule(443)
    group.delete()
    with pytest.raises(ClientError, match=r"InvalidGroup\.NotFound"):
        group.reload()


@pytest.mark.semantics("ec2-page-tokens")
def test_paginator_sees_every_group_once(server: Served) -> None:
    made = {make_group(server, f"page-{number}") for number in range(12)}
    pages = list(
        server.client()
        .get_paginator("describe_security_groups")
        .paginate(
            Filters=[{"Name": "group-name", "Values": ["page-*"]}], PaginationConfig={"PageSize": 5}
        )
    )
    assert [len(page["SecurityGroups"]) for page in pages] == [5, 5, 2]
    found = [group["GroupId"] for page in pages for group in page["SecurityGroups"]]
    assert sorted(found) == sorted(made)


def test_waiters_return_at_once(server: Served) -> None:
    client = server.client()
    client.get_waiter("vpc_available").wait(VpcIds=[default_vpc(server)])
    group_id = make_group(server, "waited")
    client.get_waiter("security_group_exists").wait(GroupIds=[group_id])


def test_writers_at_once_lose_nothing(server: Served) -> None:
    group_id = make_group(server, "crowded")

    def write(first: int) -> None:
        client = server.client()
        for port in range(first, first + 7):
            client.authorize_security_group_ingress(GroupId=group_id, IpPermissions=[rule(port)])

    threads = [threading.Thread(target=write, args=(1000 * each,)) for each in range(1, 9)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    (group,) = server.client().describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
    assert len(group["IpPermissions"]) == 56
