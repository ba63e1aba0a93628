"""Security groups: what may be made, how they are described, and when they may go."""

from typing import Any

import pytest

from secgroup.control import default_groups
from tests.support.group_worlds import (
    DEFAULT_VPC,
    IPV6_VPC,
    NOBODY,
    VPC,
    add_vpc,
    by,
    described,
    empty_client,
    new_group,
    permission,
    with_vpcs,
)
from tests.support.worlds import ACCOUNT, OTHER_ACCOUNT, REGION, Client, refused

CHARACTERS = "aZ09 ._-:/()#,@[]+=&;{}!$*"


@pytest.fixture
def ec2() -> Client:
    return with_vpcs(empty_client())


def ids(ec2: Client, *filters: dict[str, Any], **request: Any) -> list[str]:
    return [group["GroupId"] for group in described(ec2, Filters=list(filters), **request)]


EVERYTHING_OUT = {
    "IpProtocol": "-1",
    "UserIdGroupPairs": [],
    "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
    "Ipv6Ranges": [],
    "PrefixListIds": [],
}


@pytest.mark.semantics("ec2-sg-new")
def test_new_group_has_no_way_in_and_everything_out(ec2: Client) -> None:
    made = ec2(
        "CreateSecurityGroup",
        GroupName="web",
        Description="a group",
        VpcId=VPC,
        TagSpecifications=[
            {"ResourceType": "security-group", "Tags": [{"Key": "Name", "Value": "w"}]}
        ],
    )
    group_id = made["GroupId"]
    arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{group_id}"
    tags = [{"Key": "Name", "Value": "w"}]
    assert made == {"GroupId": group_id, "Tags": tags, "SecurityGroupArn": arn}
    assert described(ec2, GroupIds=[group_id]) == [
        {
            "GroupId": group_id,
            "GroupName": "web",
            "Description": "a group",
            "OwnerId": ACCOUNT,
            "VpcId": VPC,
            "SecurityGroupArn": arn,
            "Tags": tags,
            "IpPermissions": [],
            "IpPermissionsEgress": [EVERYTHING_OUT],
        }
    ]


@pytest.mark.semantics("ec2-sg-new")
def test_new_group_in_a_vpc_with_ipv6_has_one_permission_and_two_rules_out(ec2: Client) -> None:
    group_id = new_group(ec2, vpc_id=IPV6_VPC)
    out = described(ec2, GroupIds=[group_id])[0]["IpPermissionsEgress"]
    assert out == [{**EVERYTHING_OUT, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}]
    rules = ec2("DescribeSecurityGroupRules", Filters=[by("group-id", group_id)])
    assert len(rules["SecurityGroupRules"]) == 2


def test_new_group_without_a_vpc_is_the_default_vpcs(ec2: Client) -> None:
    made = ec2("CreateSecurityGroup", GroupName="web", Description="a group")
    assert described(ec2, GroupIds=[made["GroupId"]])[0]["VpcId"] == DEFAULT_VPC


def test_new_group_without_a_vpc_is_refused_where_there_is_no_default_one() -> None:
    with refused("vpc_not_named"):
        empty_client()("CreateSecurityGroup", GroupName="web", Description="a group")


@pytest.mark.semantics("ec2-sg-default")
def test_default_group_lets_its_members_in_and_everything_out(ec2: Client) -> None:
    (group,) = described(ec2, Filters=[by("vpc-id", VPC)])
    assert group["GroupName"] == "default"
    assert group["Description"] == "default VPC security group"
    pair = {"GroupId": group["GroupId"], "UserId": ACCOUNT}
    assert group["IpPermissions"] == [
        {**EVERYTHING_OUT, "IpRanges": [], "UserIdGroupPairs": [pair]}
    ]
    assert group["IpPermissionsEgress"] == [EVERYTHING_OUT]


@pytest.mark.semantics("ec2-sg-default-ipv6")
@pytest.mark.parametrize("is_changed", [False, True])
def test_default_group_gets_ipv6_out_unless_its_rules_were_changed(
    ec2: Client, is_changed: bool
) -> None:
    (group_id,) = ids(ec2, by("vpc-id", VPC))
    if is_changed:
        rule = permission("tcp", 1, 2, "10.0.0.0/8")
        ec2("AuthorizeSecurityGroupEgress", GroupId=group_id, IpPermissions=[rule])
    with ec2.endpoint.state.change():
        default_groups.allow_ipv6(ec2.world, VPC)
    (group,) = described(ec2, GroupIds=[group_id])
    ranges = [each["Ipv6Ranges"] for each in group["IpPermissionsEgress"]]
    assert ranges[0] == ([] if is_changed else [{"CidrIpv6": "::/0"}])


def test_default_group_goes_with_its_vpc_and_leaves_no_rule(ec2: Client) -> None:
    (group_id,) = ids(ec2, by("vpc-id", VPC))
    with ec2.endpoint.state.change():
        default_groups.delete_default(ec2.world, VPC)
    assert ids(ec2, by("vpc-id", VPC)) == []
    rules = ec2("DescribeSecurityGroupRules", Filters=[by("group-id", group_id)])
    assert rules["SecurityGroupRules"] == []


@pytest.mark.semantics("ec2-sg-names")
@pytest.mark.parametrize(
    ("name", "description"),
    [(CHARACTERS, CHARACTERS), ("a" * 255, "b" * 255), ("a ", " b "), ("xsg-1", "sg-1")],
)
def test_name_and_description_are_taken(ec2: Client, name: str, description: str) -> None:
    group_id = new_group(ec2, name, Description=description)
    (group,) = described(ec2, GroupIds=[group_id])
    assert group["GroupName"] == name.rstrip(" ")
    assert group["Description"] == description


@pytest.mark.semantics("ec2-sg-names")
@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ({"GroupName": ""}, "missing_parameter"),
        ({"Description": ""}, "missing_parameter"),
        ({"GroupName": "a" * 256}, "group_name_invalid"),
        ({"GroupName": "caf\u00e9"}, "group_name_invalid"),
        ({"GroupName": "it's"}, "group_name_invalid"),
        ({"GroupName": "a\n"}, "group_name_invalid"),
        ({"GroupName": "   "}, "group_name_invalid"),
        ({"GroupName": "sg-web"}, "group_name_like_id"),
        ({"GroupName": "SG-web"}, "group_name_like_id"),
        ({"GroupName": "default"}, "group_name_reserved"),
        ({"GroupName": "Default"}, "group_name_reserved"),
        ({"Description": "b" * 256}, "group_description_invalid"),
        ({"Description": "it's"}, "group_description_invalid"),
        ({"VpcId": "vpc-00000000000000fff"}, "vpc_not_found"),
        ({"VpcId": "vpc-x"}, "vpc_id_malformed"),
    ],
)
def test_group_that_may_not_be_made_is_refused(
    ec2: Client, members: dict[str, str], fault: str
) -> None:
    with refused(fault):
        new_group(ec2, name=members.pop("GroupName", "web"), **members)
    assert ids(ec2, by("group-name", "web")) == []


@pytest.mark.semantics("ec2-sg-unique")
@pytest.mark.parametrize("name", ["web", "WEB", "web "])
def test_name_is_taken_once_in_a_vpc_whatever_its_case(ec2: Client, name: str) -> None:
    new_group(ec2)
    with refused("group_name_taken", vpc_id=VPC):
        new_group(ec2, name)
    assert new_group(ec2, name, vpc_id=IPV6_VPC)


@pytest.mark.semantics("ec2-sg-quota")
def test_quota_of_groups_counts_default_groups_and_is_of_the_region() -> None:
    ec2 = with_vpcs(empty_client(security_groups_per_region=4))
    group_id = new_group(ec2)
    with refused("too_many_groups"):
        new_group(ec2, "more")
    elsewhere = ec2.elsewhere(region="us-east-1")
    add_vpc(elsewhere, "vpc-00000000000000009")
    assert new_group(elsewhere, vpc_id="vpc-00000000000000009")
    ec2("DeleteSecurityGroup", GroupId=group_id)
    assert new_group(ec2, "more")


def test_delete_removes_the_group_and_its_rules_and_says_which(ec2: Client) -> None:
    group_id = new_group(ec2)
    assert ec2("DeleteSecurityGroup", GroupId=group_id) == {"Return": True, "GroupId": group_id}
    with refused("group_not_found", resource_id=group_id):
        ec2("DescribeSecurityGroups", GroupIds=[group_id])
    assert not list(ec2.world.where("SecurityGroupRule", "GroupId", group_id))


def test_delete_by_name_is_of_the_default_vpc(ec2: Client) -> None:
    new_group(ec2)
    with refused("group_name_not_found", vpc_id=DEFAULT_VPC):
        ec2("DeleteSecurityGroup", GroupName="web")
    group_id = new_group(ec2, vpc_id=DEFAULT_VPC)
    assert ec2("DeleteSecurityGroup", GroupName="WEB")["GroupId"] == group_id


@pytest.mark.semantics("ec2-sg-delete")
@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        ({}, "group_not_named"),
        ({"GroupId": NOBODY, "GroupName": "web"}, "group_named_twice"),
        ({"GroupId": NOBODY}, "group_not_found"),
        ({"GroupId": "sg-x"}, "group_id_malformed"),
        ({"GroupName": "default"}, "group_is_default"),
    ],
)
def test_delete_of_what_may_not_go_is_refused(ec2: Client, request_: Any, fault: str) -> None:
    with refused(fault):
        ec2("DeleteSecurityGroup", **request_)


def refer(ec2: Client, group_id: str, to: str) -> None:
    peer = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": to}]}
    ec2("AuthorizeSecurityGroupIngress", GroupId=group_id, IpPermissions=[peer])


@pytest.mark.semantics("ec2-sg-delete")
def test_group_that_another_group_of_the_vpc_names_is_held(ec2: Client) -> None:
    held, holder = new_group(ec2, "held"), new_group(ec2, "holder")
    refer(ec2, holder, held)
    with refused("group_in_use", resource_id=held):
        ec2("DeleteSecurityGroup", GroupId=held)
    ec2("DeleteSecurityGroup", GroupId=holder)
    ec2("DeleteSecurityGroup", GroupId=held)


@pytest.mark.semantics("ec2-sg-delete")
def test_group_that_names_itself_is_not_held(ec2: Client) -> None:
    group_id = new_group(ec2)
    refer(ec2, group_id, group_id)
    ec2("DeleteSecurityGroup", GroupId=group_id)


@pytest.mark.semantics("ec2-sg-delete")
@pytest.mark.parametrize("account_id", [ACCOUNT, OTHER_ACCOUNT])
def test_group_on_an_interface_is_held(ec2: Client, account_id: str) -> None:
    group_id = new_group(ec2)
    owner = ec2.elsewhere(account_id=account_id)
    owner.put(
        "NetworkInterface",
        NetworkInterfaceId="eni-1",
        VpcId=VPC,
        Groups=[{"GroupId": group_id, "GroupName": "web"}],
    )
    with refused("group_in_use"):
        ec2("DeleteSecurityGroup", GroupId=group_id)
    owner.delete("NetworkInterface", "eni-1")
    ec2("DeleteSecurityGroup", GroupId=group_id)


@pytest.mark.semantics("ec2-worlds")
def test_group_of_another_account_or_region_is_not_seen(ec2: Client) -> None:
    group_id = new_group(ec2)
    for other in (ec2.elsewhere(account_id=OTHER_ACCOUNT), ec2.elsewhere(region="us-east-1")):
        assert described(other) == []
        with refused("group_not_found"):
            other("DescribeSecurityGroups", GroupIds=[group_id])
        with refused("group_not_found"):
            other("DeleteSecurityGroup", GroupId=group_id)


def test_group_names_are_of_the_default_vpc(ec2: Client) -> None:
    new_group(ec2)
    group_id = new_group(ec2, vpc_id=DEFAULT_VPC)
    assert ids(ec2, GroupNames=["web"]) == [group_id]
    with refused("group_name_not_found", name="none"):
        ec2("DescribeSecurityGroups", GroupNames=["none"])


@pytest.fixture
def three(ec2: Client) -> tuple[Client, str, str, str]:
    """Groups web, db and empty; web is open to the world, db to web, lists and IPv6."""
    web, db, empty = (new_group(ec2, name) for name in ("web", "db", "empty"))
    (prefix_list,) = ec2(
        "DescribeManagedPrefixLists", Filters=[by("prefix-list-name", "*.dynamodb")]
    )["PrefixLists"]
    ec2(
        "AuthorizeSecurityGroupIngress",
        GroupId=web,
        IpPermissions=[
            permission("tcp", 80, 81, "0.0.0.0/0"),
            {"IpProtocol": "icmpv6", "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}]},
        ],
    )
    ec2(
        "AuthorizeSecurityGroupIngress",
        GroupId=db,
        IpPermissions=[
            {**permission("tcp", 5432, 5433), "UserIdGroupPairs": [{"GroupId": web}]},
            {"IpProtocol": "50", "PrefixListIds": [{"PrefixListId": prefix_list["PrefixListId"]}]},
        ],
    )
    ec2(
        "AuthorizeSecurityGroupEgress",
        GroupId=db,
        IpPermissions=[permission("udp", 53, 53, "10.0.0.2/32")],
    )
    return ec2, web, db, empty


@pytest.mark.semantics("ec2-sg-filters")
@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("group-name", "w?b", "web"),
        ("group-name", "WEB", ""),
        ("description", "a gr*", "web db empty"),
        ("owner-id", ACCOUNT, "web db empty"),
        ("vpc-id", VPC, "web db empty"),
        ("ip-permission.cidr", "0.0.0.0/0", "web"),
        ("ip-permission.cidr", "10.0.0.2/32", ""),
        ("ip-permission.from-port", "80", "web"),
        ("ip-permission.from-port", "-1", "web"),
        ("ip-permission.to-port", "5433", "db"),
        ("ip-permission.protocol", "tcp", "web db"),
        ("ip-permission.protocol", "50", "db"),
        ("ip-permission.protocol", "-1", ""),
        ("ip-permission.group-name", "w*", "db"),
        ("ip-permission.user-id", ACCOUNT, "db"),
        ("ip-permission.ipv6-cidr", "2001:db8::/32", "web"),
        ("ip-permission.prefix-list-id", "pl-*", "db"),
        ("egress.ip-permission.cidr", "10.0.0.2/32", "db"),
        ("egress.ip-permission.cidr", "0.0.0.0/0", "web db empty"),
        ("egress.ip-permission.from-port", "53", "db"),
        ("egress.ip-permission.to-port", "53", "db"),
        ("egress.ip-permission.from-port", "-1", ""),
        ("egress.ip-permission.protocol", "-1", "web db empty"),
        ("egress.ip-permission.group-id", "*", ""),
        ("egress.ip-permission.group-name", "*", ""),
        ("egress.ip-permission.user-id", "*", ""),
        ("egress.ip-permission.ipv6-cidr", "*", ""),
        ("egress.ip-permission.prefix-list-id", "*", ""),
    ],
)
def test_filter_finds(three: Any, name: str, value: str, found: str) -> None:
    ec2, *_ = three
    groups = described(ec2, Filters=[by(name, value), by("vpc-id", VPC)])
    names = [group["GroupName"] for group in groups if group["GroupName"] != "default"]
    assert names == found.split()


@pytest.mark.semantics("ec2-sg-filters")
def test_filters_of_rules_may_hold_for_different_rules(three: Any) -> None:
    ec2, web, db, _ = three
    assert ids(ec2, by("ip-permission.group-id", web), by("ip-permission.protocol", "50")) == [db]
    both = by("ip-permission.protocol", "tcp"), by("ip-permission.ipv6-cidr", "*")
    assert ids(ec2, *both) == [web]


def test_every_documented_filter_is_served(ec2: Client) -> None:
    import re

    from tests.support.shapes import operation

    for name in ("DescribeSecurityGroups", "DescribeSecurityGroupRules", "GetSecurityGroupsForVpc"):
        shape = operation(name).input_shape
        assert shape is not None
        text = shape.members["Filters"].documentation
        names = set(re.findall(r"<code>([a-z0-9.-]+)</code>(?: -|:)", text)) - {"tag", "icmp"}
        assert len(names) >= 2
        more = {"VpcId": VPC} if name == "GetSecurityGroupsForVpc" else {}
        for filter_name in names:
            ec2(name, Filters=[by(filter_name, "sg-x")], **more)


@pytest.mark.semantics("ec2-page-tokens")
def test_pages_hold_while_groups_come_and_go(ec2: Client) -> None:
    made = [new_group(ec2, f"g{number}") for number in range(12)]
    every = by("group-name", "g*")
    first = ec2("DescribeSecurityGroups", Filters=[every], MaxResults=5)
    ec2("DeleteSecurityGroup", GroupId=made[0])
    ec2("DeleteSecurityGroup", GroupId=made[7])
    made.append(new_group(ec2, "g12"))
    token = first["NextToken"]
    second = ec2("DescribeSecurityGroups", Filters=[every], MaxResults=5, NextToken=token)
    last = ec2("DescribeSecurityGroups", Filters=[every], NextToken=second["NextToken"])
    pages = [[each["GroupId"] for each in page["SecurityGroups"]] for page in (first, second, last)]
    assert pages == [made[:5], [*made[5:7], *made[8:11]], made[11:]]
    assert "NextToken" not in last


def test_description_is_the_same_object_until_something_changes(ec2: Client) -> None:
    group_id, other_id = new_group(ec2), new_group(ec2, "other")
    before = described(ec2, GroupIds=[group_id])[0]
    refer(ec2, other_id, group_id)
    assert described(ec2, GroupIds=[group_id])[0] is before
    refer(ec2, group_id, other_id)
    after = described(ec2, GroupIds=[group_id])[0]
    assert after["IpPermissions"] != before["IpPermissions"] == []
    ec2("CreateTags", Resources=[group_id], Tags=[{"Key": "a", "Value": "b"}])
    assert described(ec2, GroupIds=[group_id])[0]["Tags"] == [{"Key": "a", "Value": "b"}]
