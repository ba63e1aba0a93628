"""Tags of any resource: given, taken and found."""

from typing import Any

import pytest

from secgroup.control.kinds import KINDS
from tests.support.worlds import OTHER_ACCOUNT, Client, new_client, refused

VPC = "vpc-00000000000000001"
GROUP = "sg-00000000000000001"


@pytest.fixture
def ec2() -> Client:
    client = new_client()
    client.put("Vpc", VpcId=VPC)
    client.put("SecurityGroup", GroupId=GROUP, GroupName="web", VpcId=VPC, Tags=[])
    return client


def tag(key: str, value: str | None = None) -> dict[str, str]:
    return {"Key": key, **({} if value is None else {"Value": value})}


def specified(*given: dict[str, str]) -> list[dict[str, Any]]:
    return [{"ResourceType": "vpc", "Tags": list(given)}]


def tags(ec2: Client, **filters: str) -> list[tuple[str, str, str]]:
    asked = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]
    found = ec2("DescribeTags", Filters=asked)["Tags"]
    return [(each["ResourceId"], each["Key"], each["Value"]) for each in found]


@pytest.mark.semantics("ec2-tags")
def test_tags_are_added_and_changed_on_every_resource_named(ec2: Client) -> None:
    ec2("CreateTags", Resources=[VPC, GROUP, VPC], Tags=[tag("a", "1"), tag("b")])
    ec2("CreateTags", Resources=[GROUP], Tags=[tag("a", "2")])
    assert tags(ec2) == [(VPC, "a", "1"), (VPC, "b", ""), (GROUP, "a", "2"), (GROUP, "b", "")]


@pytest.mark.semantics("ec2-tags")
@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ([], []),
        ([tag("a")], ["b", "c"]),
        ([tag("a", "1")], ["b", "c"]),
        ([tag("a", "2")], ["a", "b", "c"]),
        ([tag("b", "")], ["a", "c"]),
        ([tag("none"), tag("c")], ["a", "b"]),
    ],
)
def test_tags_are_taken_by_key_or_by_key_and_value(
    ec2: Client, asked: list[dict[str, str]], left: list[str]
) -> None:
    ec2("CreateTags", Resources=[VPC], Tags=[tag("a", "1"), tag("b"), tag("c", "3")])
    ec2("DeleteTags", Resources=[VPC], Tags=asked)
    assert [key for _, key, _ in tags(ec2)] == left


@pytest.mark.semantics("ec2-tags")
@pytest.mark.parametrize(
    ("resources", "asked", "fault"),
    [
        ([], [tag("a")], "missing_parameter"),
        ([VPC], [], "missing_parameter"),
        ([VPC] + [f"vpc-{number:017x}" for number in range(2, 1002)], [tag("a")], None),
        (["vpc"], [tag("a")], "id_invalid"),
        (["token-1"], [tag("a")], "id_invalid"),
        (["sg-x"], [tag("a")], "group_id_malformed"),
        (["sg-00000000000000fff"], [tag("a")], "group_not_found"),
        ([VPC], [tag("")], "tag_without_key"),
        ([VPC], [tag("a" * 129)], "tag_key_too_long"),
        ([VPC], [tag("aws:a")], "tag_key_reserved"),
        ([VPC], [tag("AWS:a")], "tag_key_reserved"),
        ([VPC], [tag("a", "v" * 257)], "tag_value_too_long"),
        ([VPC], [tag("a", "1"), tag("a", "2")], "tag_key_twice"),
        ([VPC], [tag(f"k{number}") for number in range(51)], "too_many_tags"),
    ],
)
def test_tags_that_may_not_be_are_refused(
    ec2: Client, resources: list[str], asked: Any, fault: str | None
) -> None:
    with refused(fault or "too_many_resources"):
        ec2("CreateTags", Resources=[GROUP, *resources] if resources else [], Tags=asked)
    assert tags(ec2) == []


@pytest.mark.parametrize(
    ("asked", "fault"), [(tag(""), "tag_without_key"), (tag("aws:x"), "tag_key_reserved")]
)
def test_taking_a_tag_that_is_none_is_refused(ec2: Client, asked: Any, fault: str) -> None:
    with refused(fault):
        ec2("DeleteTags", Resources=[VPC], Tags=[asked])


@pytest.mark.semantics("ec2-tags")
def test_as_many_tags_as_the_quota_fit(ec2: Client) -> None:
    ec2("CreateTags", Resources=[VPC], Tags=[tag(f"k{number}") for number in range(50)])
    ec2("CreateTags", Resources=[VPC], Tags=[tag("k0", "changed")])
    with refused("too_many_tags"):
        ec2("CreateTags", Resources=[VPC], Tags=[tag("one more")])


@pytest.mark.semantics("ec2-tags", "ec2-tags-new")
def test_quota_of_tags_may_be_another_one() -> None:
    client = new_client(tags_per_resource=1)
    client("CreateVpc", CidrBlock="10.0.0.0/16", TagSpecifications=specified(tag("a")))
    with refused("too_many_tags", most=1):
        client(
            "CreateVpc", CidrBlock="10.1.0.0/16", TagSpecifications=specified(tag("a"), tag("b"))
        )


@pytest.mark.semantics("ec2-worlds")
def test_resource_of_another_account_cannot_be_tagged(ec2: Client) -> None:
    other = ec2.elsewhere(account_id=OTHER_ACCOUNT)
    with refused("group_not_found"):
        other("CreateTags", Resources=[GROUP], Tags=[tag("a")])


@pytest.mark.semantics("ec2-tags-describe")
@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"key": "a"}, [VPC, GROUP]),
        ({"value": "?"}, [VPC, GROUP, GROUP]),
        ({"resource_id": GROUP}, [GROUP, GROUP]),
        ({"resource_type": "security-group"}, [GROUP, GROUP]),
        ({"resource_type": "subnet"}, []),
        ({"tag:a": "2"}, [GROUP]),
        ({"tag:b": "*"}, [GROUP]),
    ],
)
def test_filter_finds_tags(ec2: Client, filters: dict[str, str], found: list[str]) -> None:
    ec2("CreateTags", Resources=[VPC], Tags=[tag("a", "1")])
    ec2("CreateTags", Resources=[GROUP], Tags=[tag("a", "2"), tag("b", "3")])
    assert [resource_id for resource_id, _, _ in tags(ec2, **filters)] == found


@pytest.mark.semantics("ec2-tags-describe")
def test_pages_of_tags_hold_while_tags_change(ec2: Client) -> None:
    ec2("CreateTags", Resources=[VPC, GROUP], Tags=[tag(f"k{number}") for number in range(6)])
    first = ec2("DescribeTags", MaxResults=5)
    ec2("CreateTags", Resources=[VPC], Tags=[tag("later")])
    rest = ec2("DescribeTags", NextToken=first["NextToken"])
    keys = [each["Key"] for each in first["Tags"] + rest["Tags"] if each["ResourceId"] == GROUP]
    assert keys == [f"k{number}" for number in range(6)]


def test_ids_tell_the_kind_of_everything_that_has_tags() -> None:
    prefixes = [kind.prefix for kind in KINDS if kind.resource_type and not kind.is_own]
    assert len(set(prefixes)) == len(prefixes)


def test_pages_of_tags_outlive_tags_that_go_in_between() -> None:
    client = new_client()
    vpc_id = client("CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    keys = [f"key-{number}" for number in range(20)]
    client("CreateTags", Resources=[vpc_id], Tags=[{"Key": key, "Value": ""} for key in keys])
    page = client("DescribeTags", MaxResults=5)
    seen = [tag["Key"] for tag in page["Tags"]]
    client("DeleteTags", Resources=[vpc_id], Tags=[{"Key": key} for key in seen])
    while "NextToken" in page:
        page = client("DescribeTags", MaxResults=5, NextToken=page["NextToken"])
        seen += [tag["Key"] for tag in page["Tags"]]
    assert sorted(seen) == sorted(keys)
