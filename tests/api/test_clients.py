"""boto3 against a server: what a user's own program sees."""

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


def test_request_ids_are_unique_and_in_the_header_too(server: Served) -> None:
    client = server.client()
    answers = [client.describe_security_groups()["ResponseMetadata"] for _ in range(20)]
    assert len({each["RequestId"] for each in answers}) == 20
    assert all(each["RequestId"] == each["HTTPHeaders"]["x-amzn-requestid"] for each in answers)


def test_access_log_says_who_asked_what(server: Served) -> None:
    server.client(region="eu-central-1").describe_security_groups()
    entry = server.entries()[-1]
    assert entry["action"] == "DescribeSecurityGroups"
    assert (entry["account_id"], entry["region"]) == ("111122223333", "eu-central-1")
    assert (entry["status"], entry["error"]) == (200, None)
