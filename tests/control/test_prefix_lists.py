"""Managed prefix lists: versions, sizes, states, what refers to them, and those of AWS."""

from typing import Any

import pytest

from secgroup.control.aws_prefix_lists import aws_list_id
from tests.support.group_worlds import VPC, by, empty_client, new_group, with_vpcs
from tests.support.worlds import ACCOUNT, OTHER_ACCOUNT, REGION, Client, new_client, refused

NOBODY = "pl-00000000000000fff"


@pytest.fixture
def ec2() -> Client:
    return with_vpcs(empty_client())


def entry(cidr: str, description: str | None = None) -> dict[str, str]:
    return {"Cidr": cidr, **({} if description is None else {"Description": description})}


def new_list(ec2: Client, *cidrs: str, size: int = 5, **members: Any) -> str:
    request = {"PrefixListName": "list", "AddressFamily": "IPv4", "MaxEntries": size, **members}
    made = ec2("CreateManagedPrefixList", Entries=[entry(cidr) for cidr in cidrs], **request)
    list_id: str = made["PrefixList"]["PrefixListId"]
    return list_id


def modify(ec2: Client, list_id: str, **request: Any) -> dict[str, Any]:
    found: dict[str, Any] = ec2("ModifyManagedPrefixList", PrefixListId=list_id, **request)
    shown: dict[str, Any] = found["PrefixList"]
    return shown


def cidrs(ec2: Client, list_id: str, **request: Any) -> list[str]:
    asked = ec2("GetManagedPrefixListEntries", PrefixListId=list_id, **request)
    return [each["Cidr"] for each in asked["Entries"]]


def shown(ec2: Client, list_id: str) -> dict[str, Any]:
    found: dict[str, Any] = ec2("DescribeManagedPrefixLists", PrefixListIds=[list_id])[
        "PrefixLists"
    ][0]
    return found


def refer(ec2: Client, name: str, list_id: str, vpc_id: str = VPC) -> str:
    group_id = new_group(ec2, name, vpc_id)
    source = {"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": list_id}]}
    ec2("AuthorizeSecurityGroupIngress", GroupId=group_id, IpPermissions=[source])
    return group_id


def authorized(ec2: Client, group_id: str, protocol: str, list_id: str) -> str:
    source = {"IpProtocol": protocol, "PrefixListIds": [{"PrefixListId": list_id}]}
    asked = {"GroupId": group_id, "IpPermissions": [{**source, "FromPort": 1, "ToPort": 1}]}
    (rule,) = ec2("AuthorizeSecurityGroupIngress", **asked)["SecurityGroupRules"]
    rule_id: str = rule["SecurityGroupRuleId"]
    return rule_id


def test_new_list_is_complete_at_version_1(ec2: Client) -> None:
    tags = [{"Key": "a", "Value": "b"}]
    specification = {"ResourceType": "prefix-list", "Tags": tags}
    list_id = new_list(ec2, "10.1.2.3/16", TagSpecifications=[specification])
    assert shown(ec2, list_id) == {
        "PrefixListId": list_id,
        "AddressFamily": "IPv4",
        "State": "create-complete",
        "PrefixListArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:prefix-list/{list_id}",
        "PrefixListName": "list",
        "MaxEntries": 5,
        "Version": 1,
        "Tags": tags,
        "OwnerId": ACCOUNT,
    }
    assert cidrs(ec2, list_id) == ["10.1.0.0/16"]


@pytest.mark.semantics("ec2-pl-entries")
@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ({"PrefixListName": ""}, "missing_parameter"),
        ({"PrefixListName": "a" * 256}, "prefix_list_name_too_long"),
        ({"PrefixListName": "com.amazonaws.mine"}, "prefix_list_name_reserved"),
        ({"PrefixListName": "COM.amazonaws.mine"}, "prefix_list_name_reserved"),
        ({"AddressFamily": "ipv4"}, "address_family_invalid"),
        ({"MaxEntries": 0}, "prefix_list_size_invalid"),
        ({"MaxEntries": 1001}, "prefix_list_size_invalid"),
        ({"MaxEntries": 1}, "prefix_list_full"),
        ({"AddressFamily": "IPv6"}, "cidr_malformed"),
        ({"Entries": [entry("10.0.0.0/8"), entry("10.9.0.0/8")]}, "entry_twice"),
        ({"Entries": [entry("10.0.0.0/8", "a" * 256)]}, "entry_description_too_long"),
        (
            {"Entries": [entry(f"10.0.0.{n}/32") for n in range(101)], "MaxEntries": 200},
            "too_many_entry_changes",
        ),
    ],
)
def test_list_that_may_not_be_is_refused(ec2: Client, members: Any, fault: str) -> None:
    request = {"PrefixListName": "list", "AddressFamily": "IPv4", "MaxEntries": 5, **members}
    request.setdefault("Entries", [entry("10.0.0.0/8"), entry("11.0.0.0/8")])
    with refused(fault):
        ec2("CreateManagedPrefixList", **request)
    assert ec2("DescribeManagedPrefixLists", Filters=[by("owner-id", ACCOUNT)]) == {
        "PrefixLists": []
    }


def test_quota_of_lists_does_not_count_those_of_aws() -> None:
    ec2 = with_vpcs(empty_client(prefix_lists_per_region=1))
    new_list(ec2)
    with refused("too_many_prefix_lists"):
        new_list(ec2)


@pytest.mark.semantics("ec2-pl-versions")
def test_changed_entries_make_a_version_and_the_older_stay(ec2: Client) -> None:
    list_id = new_list(ec2, "10.0.0.0/8", "11.0.0.0/8")
    after = modify(
        ec2,
        list_id,
        CurrentVersion=1,
        AddEntries=[entry("12.0.0.0/8", "new"), entry("11.0.0.0/8", "told")],
        RemoveEntries=[entry("10.0.0.0/8")],
    )
    assert (after["Version"], after["State"]) == (2, "modify-complete")
    asked = ec2("GetManagedPrefixListEntries", PrefixListId=list_id)
    assert asked["Entries"] == [entry("11.0.0.0/8", "told"), entry("12.0.0.0/8", "new")]
    assert cidrs(ec2, list_id, TargetVersion=1) == ["10.0.0.0/8", "11.0.0.0/8"]
    for version in (0, 3):
        with refused("prefix_list_version_not_found"):
            cidrs(ec2, list_id, TargetVersion=version)


@pytest.mark.semantics("ec2-pl-versions")
def test_name_and_size_make_no_version(ec2: Client) -> None:
    list_id = new_list(ec2, "10.0.0.0/8")
    after = modify(ec2, list_id, PrefixListName="other", MaxEntries=9)
    assert (after["PrefixListName"], after["MaxEntries"], after["Version"]) == ("other", 9, 1)


@pytest.mark.semantics("ec2-pl-versions")
def test_restored_version_is_a_new_one(ec2: Client) -> None:
    list_id = new_list(ec2, "10.0.0.0/8", "11.0.0.0/8", size=2)
    modify(ec2, list_id, RemoveEntries=[entry("10.0.0.0/8")])
    request = {"PrefixListId": list_id, "PreviousVersion": 1, "CurrentVersion": 2}
    with refused("prefix_list_version_mismatch"):
        ec2("RestoreManagedPrefixListVersion", **{**request, "CurrentVersion": 1})
    with refused("prefix_list_version_not_found"):
        ec2("RestoreManagedPrefixListVersion", **{**request, "PreviousVersion": 9})
    after = ec2("RestoreManagedPrefixListVersion", **request)["PrefixList"]
    assert (after["Version"], after["State"]) == (3, "restore-complete")
    assert cidrs(ec2, list_id) == ["10.0.0.0/8", "11.0.0.0/8"]
    modify(ec2, list_id, RemoveEntries=[entry("10.0.0.0/8")])
    modify(ec2, list_id, MaxEntries=1)
    with refused("prefix_list_full"):
        ec2("RestoreManagedPrefixListVersion", **{**request, "CurrentVersion": 4})


@pytest.mark.semantics("ec2-pl-versions")
def test_oldest_version_is_dropped_beyond_the_quota() -> None:
    ec2 = with_vpcs(empty_client(versions_per_prefix_list=2))
    list_id = new_list(ec2, "10.0.0.0/8")
    modify(ec2, list_id, AddEntries=[entry("11.0.0.0/8")])
    assert cidrs(ec2, list_id, TargetVersion=1) == ["10.0.0.0/8"]
    modify(ec2, list_id, AddEntries=[entry("12.0.0.0/8")])
    with refused("prefix_list_version_not_found"):
        cidrs(ec2, list_id, TargetVersion=1)
    assert len(cidrs(ec2, list_id, TargetVersion=2)) == 2


@pytest.mark.semantics("ec2-pl-entries")
@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        (
            {"CurrentVersion": 9, "AddEntries": [entry("12.0.0.0/8")]},
            "prefix_list_version_mismatch",
        ),
        ({"AddEntries": [entry("12.0.0.0/8")], "MaxEntries": 9}, "entries_and_size"),
        ({"AddEntries": [entry("10.9.0.0/8")]}, "entry_exists"),
        ({"RemoveEntries": [entry("12.0.0.0/8")]}, "entry_not_found"),
        ({"AddEntries": [entry(f"{n}.0.0.0/8") for n in range(20, 25)]}, "prefix_list_full"),
        (
            {"AddEntries": [entry("12.0.0.0/8")], "RemoveEntries": [entry("12.0.0.0/8")]},
            "entry_twice",
        ),
        (
            {"AddEntries": [entry(f"20.0.0.{n}/32") for n in range(101)]},
            "too_many_entry_changes",
        ),
        ({"MaxEntries": 0}, "prefix_list_size_invalid"),
        ({"MaxEntries": 1}, "prefix_list_too_small"),
        ({"PrefixListName": "com.amazonaws.x"}, "prefix_list_name_reserved"),
        ({"IpamPrefixListResolverSyncEnabled": True}, "prefix_list_resolver_not_served"),
    ],
)
def test_change_that_may_not_be_is_refused(ec2: Client, request_: Any, fault: str) -> None:
    list_id = new_list(ec2, "10.0.0.0/8", "11.0.0.0/8")
    before = shown(ec2, list_id)
    with refused(fault):
        modify(ec2, list_id, **request_)
    assert shown(ec2, list_id) == before
    assert cidrs(ec2, list_id) == ["10.0.0.0/8", "11.0.0.0/8"]


@pytest.mark.semantics("ec2-pl-resize")
def test_list_that_grows_over_a_groups_quota_keeps_its_size_and_says_so() -> None:
    ec2 = with_vpcs(empty_client(rules_per_security_group=10))
    list_id = new_list(ec2, size=5)
    group_id = refer(ec2, "web", list_id)
    assert modify(ec2, list_id, MaxEntries=10)["State"] == "modify-complete"
    after = modify(ec2, list_id, MaxEntries=11)
    assert (after["State"], after["MaxEntries"]) == ("modify-failed", 10)
    assert group_id in after["StateMessage"]
    assert shown(ec2, list_id) == after
    again = modify(ec2, list_id, MaxEntries=9)
    assert (again["State"], again["MaxEntries"]) == ("modify-complete", 9)
    assert "StateMessage" not in again


@pytest.mark.semantics("ec2-pl-resize")
def test_message_of_a_failed_change_names_ten_resources() -> None:
    ec2 = with_vpcs(empty_client(rules_per_security_group=5))
    list_id = new_list(ec2, size=5)
    groups = [refer(ec2, f"g{number}", list_id) for number in range(12)]
    said = modify(ec2, list_id, MaxEntries=6)["StateMessage"]
    assert [group_id in said for group_id in groups] == [True] * 10 + [False] * 2


@pytest.mark.semantics("ec2-pl-references")
def test_references_are_counted_for_rules_and_for_routes_apart() -> None:
    client = new_client(references_to_a_prefix_list=1)
    (gateway,) = client("DescribeInternetGateways")["InternetGateways"]
    (vpc,) = client("DescribeVpcs")["Vpcs"]
    list_id, other_id = new_list(client), new_list(client)
    group_id = refer(client, "web", list_id, vpc["VpcId"])
    rule_id = authorized(client, group_id, "udp", other_id)
    with refused("too_many_references", resource_id=list_id):
        refer(client, "more", list_id, vpc["VpcId"])
    changed = {"IpProtocol": "udp", "FromPort": 1, "ToPort": 1, "PrefixListId": list_id}
    with refused("too_many_references", resource_id=list_id):
        client(
            "ModifySecurityGroupRules",
            GroupId=group_id,
            SecurityGroupRules=[{"SecurityGroupRuleId": rule_id, "SecurityGroupRule": changed}],
        )
    tables = client("DescribeRouteTables")["RouteTables"]
    tables.append(client("CreateRouteTable", VpcId=vpc["VpcId"])["RouteTable"])
    first, second = (
        {"RouteTableId": each["RouteTableId"], "GatewayId": gateway["InternetGatewayId"]}
        for each in tables
    )
    client("CreateRoute", DestinationPrefixListId=list_id, **first)
    with refused("too_many_references", resource_id=list_id):
        client("CreateRoute", DestinationPrefixListId=list_id, **second)


@pytest.mark.semantics("ec2-pl-references")
def test_references_to_lists_of_aws_are_not_counted() -> None:
    client = with_vpcs(empty_client(references_to_a_prefix_list=1))
    for name in ("one", "two"):
        refer(client, name, aws_list_id(REGION, "s3"))


@pytest.mark.semantics("ec2-pl-delete")
def test_list_that_is_referred_to_stays_and_is_delete_failed(ec2: Client) -> None:
    list_id = new_list(ec2, "10.0.0.0/8")
    group_id = refer(ec2, "web", list_id)
    after = ec2("DeleteManagedPrefixList", PrefixListId=list_id)["PrefixList"]
    assert after["State"] == "delete-failed"
    assert group_id in after["StateMessage"]
    ec2("DeleteSecurityGroup", GroupId=group_id)
    gone = ec2("DeleteManagedPrefixList", PrefixListId=list_id)["PrefixList"]
    assert gone["State"] == "delete-complete"
    assert "StateMessage" not in gone
    with refused("prefix_list_not_found"):
        shown(ec2, list_id)
    assert ec2.world.count("PrefixListVersion") == 0


@pytest.mark.semantics("ec2-pl-associations")
def test_associations_are_groups_and_route_tables_in_pages(ec2: Client) -> None:
    list_id = new_list(ec2)
    groups = [refer(ec2, f"g{number}", list_id) for number in range(5)]
    ec2.put(
        "RouteTable",
        RouteTableId="rtb-1",
        VpcId="vpc-1",
        Routes=[{"DestinationPrefixListId": list_id}],
    )
    first = ec2("GetManagedPrefixListAssociations", PrefixListId=list_id, MaxResults=5)
    rest = ec2(
        "GetManagedPrefixListAssociations", PrefixListId=list_id, NextToken=first["NextToken"]
    )
    owned = [{"ResourceId": each, "ResourceOwner": ACCOUNT} for each in [*groups, "rtb-1"]]
    assert first["PrefixListAssociations"] + rest["PrefixListAssociations"] == owned


def test_pages_of_entries_stay_with_their_version(ec2: Client) -> None:
    list_id = new_list(ec2, "1.0.0.0/8", "2.0.0.0/8", "3.0.0.0/8")
    first = ec2("GetManagedPrefixListEntries", PrefixListId=list_id, MaxResults=2)
    modify(ec2, list_id, RemoveEntries=[entry("1.0.0.0/8")], AddEntries=[entry("4.0.0.0/8")])
    assert cidrs(ec2, list_id, NextToken=first["NextToken"]) == ["3.0.0.0/8"]


@pytest.mark.semantics("ec2-pl-aws")
def test_lists_of_aws_are_seen_by_everybody_and_changed_by_nobody(ec2: Client) -> None:
    other = ec2.elsewhere(account_id=OTHER_ACCOUNT)
    lists = ec2("DescribeManagedPrefixLists", Filters=[by("owner-id", "AWS")])["PrefixLists"]
    assert len(lists) == 13
    assert other("DescribeManagedPrefixLists")["PrefixLists"] == lists
    s3 = next(each for each in lists if each["PrefixListName"] == f"com.amazonaws.{REGION}.s3")
    list_id = s3["PrefixListId"]
    assert list_id == aws_list_id(REGION, "s3")
    assert "MaxEntries" not in s3
    assert "Version" not in s3
    assert cidrs(ec2, list_id) == []
    for operation, more in (
        ("ModifyManagedPrefixList", {"PrefixListName": "mine"}),
        ("DeleteManagedPrefixList", {}),
        ("GetManagedPrefixListAssociations", {}),
        ("GetManagedPrefixListEntries", {"TargetVersion": 1}),
        ("RestoreManagedPrefixListVersion", {"PreviousVersion": 1, "CurrentVersion": 1}),
    ):
        with refused("prefix_list_of_aws"):
            ec2(operation, PrefixListId=list_id, **more)


@pytest.mark.semantics("ec2-pl-aws")
def test_prefix_lists_of_services_are_those_with_gateway_endpoints(ec2: Client) -> None:
    names = [each["PrefixListName"] for each in ec2("DescribePrefixLists")["PrefixLists"]]
    assert names == [f"com.amazonaws.{REGION}.{name}" for name in ("dynamodb", "s3", "s3express")]
    asked = ec2("DescribePrefixLists", Filters=[by("prefix-list-name", "*.s3")])
    list_id = aws_list_id(REGION, "s3")
    assert [each["PrefixListId"] for each in asked["PrefixLists"]] == [list_id]
    assert len(ec2("DescribePrefixLists", PrefixListIds=[list_id])["PrefixLists"]) == 1


@pytest.mark.parametrize(
    ("list_id", "fault"),
    [(NOBODY, "prefix_list_not_found"), ("pl-x", "prefix_list_id_malformed")],
)
def test_list_that_is_not_there_is_refused(ec2: Client, list_id: str, fault: str) -> None:
    for operation in ("DeleteManagedPrefixList", "GetManagedPrefixListEntries"):
        with refused(fault):
            ec2(operation, PrefixListId=list_id)
    with refused(fault):
        ec2("DescribeManagedPrefixLists", PrefixListIds=[list_id])


@pytest.mark.semantics("ec2-worlds")
def test_list_of_another_account_or_region_is_not_seen(ec2: Client) -> None:
    list_id = new_list(ec2)
    for other in (ec2.elsewhere(account_id=OTHER_ACCOUNT), ec2.elsewhere(region="us-east-1")):
        with refused("prefix_list_not_found"):
            shown(other, list_id)


def test_lists_come_in_pages_by_filters(ec2: Client) -> None:
    mine = [new_list(ec2, PrefixListName=f"l{number}") for number in range(3)]
    first = ec2("DescribeManagedPrefixLists", Filters=[by("owner-id", ACCOUNT)], MaxResults=2)
    token = first["NextToken"]
    rest = ec2("DescribeManagedPrefixLists", Filters=[by("owner-id", ACCOUNT)], NextToken=token)
    found = [each["PrefixListId"] for each in first["PrefixLists"] + rest["PrefixLists"]]
    assert found == mine
    named = ec2("DescribeManagedPrefixLists", Filters=[by("prefix-list-name", "l?")])
    assert len(named["PrefixLists"]) == 3
    one = ec2("DescribeManagedPrefixLists", Filters=[by("prefix-list-id", mine[1])])
    assert [each["PrefixListId"] for each in one["PrefixLists"]] == [mine[1]]
    with refused("max_results_out_of_bounds"):
        ec2("DescribeManagedPrefixLists", MaxResults=101)
