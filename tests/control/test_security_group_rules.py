"""Rules: how they are spelled and shown, what is refused, what counts, and what goes."""

from typing import Any

import pytest

from secgroup.api.errors import fault_of
from secgroup.errors import Ec2Error
from tests.support.group_worlds import (
    DEFAULT_VPC,
    IPV6_VPC,
    NOBODY,
    VPC,
    by,
    described,
    empty_client,
    new_group,
    permission,
    rules_of,
    with_vpcs,
)
from tests.support.worlds import ACCOUNT, OTHER_ACCOUNT, REGION, Client, refused

NO_RULE = "sgr-00000000000000fff"


@pytest.fixture
def ec2() -> Client:
    return with_vpcs(empty_client())


def authorize(ec2: Client, group_id: str, *permissions: dict[str, Any], **more: Any) -> Any:
    return ec2(
        "AuthorizeSecurityGroupIngress",
        GroupId=group_id,
        IpPermissions=list(permissions),
        **more,
    )


def revoke(ec2: Client, group_id: str, *permissions: dict[str, Any], **more: Any) -> Any:
    asked = {"IpPermissions": list(permissions)} if permissions else {}
    return ec2("RevokeSecurityGroupIngress", GroupId=group_id, **asked, **more)


def message(ec2: Client, name: str, **request: Any) -> str:
    with pytest.raises(Ec2Error) as caught:
        ec2(name, **request)
    return fault_of(caught.value)[1]


def traffic(rule: dict[str, Any]) -> tuple[str, int, int]:
    return rule["IpProtocol"], rule["FromPort"], rule["ToPort"]


def new_list(ec2: Client, size: int, family: str = "IPv4") -> str:
    made = ec2(
        "CreateManagedPrefixList", PrefixListName="list", MaxEntries=size, AddressFamily=family
    )
    prefix_list_id: str = made["PrefixList"]["PrefixListId"]
    return prefix_list_id


@pytest.mark.semantics("ec2-rule-sources")
def test_every_source_of_a_permission_becomes_a_rule_of_its_own(ec2: Client) -> None:
    group_id, other_id = new_group(ec2), new_group(ec2, "other")
    list_id = new_list(ec2, 3)
    result = authorize(
        ec2,
        group_id,
        {
            "IpProtocol": "TCP",
            "FromPort": 22,
            "ToPort": 23,
            "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "ours"}, {"CidrIp": "1.2.3.4/32"}],
            "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}],
            "PrefixListIds": [{"PrefixListId": list_id}],
            "UserIdGroupPairs": [{"GroupId": other_id, "UserId": ACCOUNT}],
        },
        TagSpecifications=[
            {"ResourceType": "security-group-rule", "Tags": [{"Key": "a", "Value": "b"}]}
        ],
    )
    rules = result["SecurityGroupRules"]
    ids = [rule["SecurityGroupRuleId"] for rule in rules]
    assert len(set(ids)) == 5
    assert all(traffic(rule) == ("tcp", 22, 23) for rule in rules)
    assert rules[0] == {
        "SecurityGroupRuleId": ids[0],
        "GroupId": group_id,
        "GroupOwnerId": ACCOUNT,
        "IsEgress": False,
        "IpProtocol": "tcp",
        "FromPort": 22,
        "ToPort": 23,
        "CidrIpv4": "10.0.0.0/8",
        "Description": "ours",
        "Tags": [{"Key": "a", "Value": "b"}],
        "SecurityGroupRuleArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group-rule/{ids[0]}",
    }
    assert rules_of(ec2, group_id) == rules
    (group,) = described(ec2, GroupIds=[group_id])
    assert group["IpPermissions"] == [
        {
            "IpProtocol": "tcp",
            "FromPort": 22,
            "ToPort": 23,
            "UserIdGroupPairs": [{"GroupId": other_id, "UserId": ACCOUNT}],
            "IpRanges": [
                {"Description": "ours", "CidrIp": "10.0.0.0/8"},
                {"CidrIp": "1.2.3.4/32"},
            ],
            "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}],
            "PrefixListIds": [{"PrefixListId": list_id}],
        }
    ]


@pytest.mark.semantics("ec2-rule-protocols")
@pytest.mark.parametrize(
    ("asked", "kept", "shows_ports"),
    [
        (("TCP", 80, 80), ("tcp", 80, 80), True),
        (("6", 0, 65535), ("tcp", 0, 65535), True),
        (("17", 53, 53), ("udp", 53, 53), True),
        (("1", 8, -1), ("icmp", 8, -1), True),
        (("icmp", -1, -1), ("icmp", -1, -1), True),
        (("58", None, None), ("icmpv6", -1, -1), True),
        (("ICMPv6", 128, 0), ("icmpv6", 128, 0), True),
        (("-1", None, None), ("-1", -1, -1), False),
        (("-1", 22, 22), ("-1", -1, -1), False),
        (("50", None, None), ("50", -1, -1), False),
        (("050", 1, 2), ("50", -1, -1), False),
        (("0", None, None), ("0", -1, -1), False),
        (("255", None, None), ("255", -1, -1), False),
    ],
)
def test_protocol_has_one_spelling_and_ports_only_where_it_has_some(
    ec2: Client, asked: Any, kept: Any, shows_ports: bool
) -> None:
    group_id = new_group(ec2)
    protocol, first, last = asked
    ports = {} if first is None else {"FromPort": first, "ToPort": last}
    source = {"IpProtocol": protocol, **ports, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    result = authorize(ec2, group_id, source)
    assert [traffic(rule) for rule in result["SecurityGroupRules"]] == [kept]
    (shown,) = described(ec2, GroupIds=[group_id])[0]["IpPermissions"]
    assert shown["IpProtocol"] == kept[0]
    assert ("FromPort" in shown) == ("ToPort" in shown) == shows_ports
    same = {"IpProtocol": kept[0], "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    if shows_ports:
        same |= {"FromPort": kept[1], "ToPort": kept[2]}
    with refused("rule_exists"):
        authorize(ec2, group_id, same)


@pytest.mark.semantics("ec2-rule-cidr")
@pytest.mark.parametrize(
    ("key", "asked", "kept"),
    [
        ("IpRanges", "100.68.0.18/18", "100.68.0.0/18"),
        ("IpRanges", "10.1.2.3/0", "0.0.0.0/0"),
        ("Ipv6Ranges", "2001:DB8:0:0::1/64", "2001:db8::/64"),
        ("Ipv6Ranges", "::ffff:10.0.0.1/128", "::ffff:a00:1/128"),
    ],
)
def test_block_has_no_host_bits_and_is_the_same_rule_as_its_canonical_form(
    ec2: Client, key: str, asked: str, kept: str
) -> None:
    group_id = new_group(ec2)
    member = "CidrIp" if key == "IpRanges" else "CidrIpv6"
    source = {"IpProtocol": "-1", key: [{member: asked}]}
    (rule,) = authorize(ec2, group_id, source)["SecurityGroupRules"]
    assert kept in (rule.get("CidrIpv4"), rule.get("CidrIpv6", "").replace("a00:1", "a00:1"))
    with refused("rule_exists"):
        authorize(ec2, group_id, {"IpProtocol": "-1", key: [{member: kept}]})


TCP = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
ANY = {"IpRanges": [{"CidrIp": "10.0.0.0/8"}]}


@pytest.mark.semantics("ec2-rule-invalid")
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            ANY,
            "Invalid value 'null' for protocol. VPC security group rules must specify protocols "
            "explicitly.",
        ),
        ({"IpProtocol": "all"}, "Invalid value 'all' for IP protocol. Unknown protocol."),
        ({"IpProtocol": "256"}, "Invalid value '256' for IP protocol. Unknown protocol."),
        ({"IpProtocol": "-2"}, "Invalid value '-2' for IP protocol. Unknown protocol."),
        (
            {"IpProtocol": "tcp", "FromPort": 22},
            "Invalid value for portRange. Must specify both from and to ports with TCP/UDP.",
        ),
        (
            {"IpProtocol": "icmp"},
            "Invalid value for portRange. Must specify both from and to ports with ICMP.",
        ),
        ({**TCP, "FromPort": -1}, "TCP/UDP (from) port (-1) out of range"),
        ({**TCP, "ToPort": 65536}, "TCP/UDP (to) port (65536) out of range"),
        ({**TCP, "FromPort": 23}, "Invalid TCP/UDP port range (23:22)"),
        (
            {"IpProtocol": "icmp", "FromPort": 256, "ToPort": 0},
            "ICMP type (256) out of range",
        ),
        (
            {"IpProtocol": "icmp", "FromPort": 8, "ToPort": 65535},
            "ICMP code (65535) out of range",
        ),
        (
            {"IpProtocol": "icmp", "FromPort": -1, "ToPort": 0},
            "If you specify all ICMP types, you must specify all ICMP codes.",
        ),
        ({**TCP, "IpRanges": [{"CidrIp": "10.0.0.0/33"}]}, "CIDR block 10.0.0.0/33 is malformed"),
        ({**TCP, "IpRanges": [{"CidrIp": "10.0.0.1"}]}, "CIDR block 10.0.0.1 is malformed"),
        ({**TCP, "IpRanges": [{"CidrIp": "::/0"}]}, "CIDR block ::/0 is malformed"),
        (
            {**TCP, "IpRanges": [{"CidrIp": "10.0.0.0/255.0.0.0"}]},
            "CIDR block 10.0.0.0/255.0.0.0 is malformed",
        ),
        (
            {**TCP, "Ipv6Ranges": [{"CidrIpv6": "fe80::%eth0/64"}]},
            "CIDR block fe80::%eth0/64 is malformed",
        ),
        ({**TCP, "Ipv6Ranges": [{"CidrIpv6": "10.0.0.0/8"}]}, "CIDR block 10.0.0.0/8 is malformed"),
        (
            {**TCP, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "it's"}]},
            "Invalid rule description. Valid descriptions are strings less than 256 characters from"
            " the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
        ),
        (
            {**TCP, "IpRanges": []},
            "Missing source specification: include source security group or CIDR information",
        ),
        (
            {**TCP, "UserIdGroupPairs": [{"UserId": ACCOUNT}]},
            "Missing source specification: include source security group or CIDR information",
        ),
        (
            {**TCP, "UserIdGroupPairs": [{"GroupId": NOBODY}]},
            f"The security group '{NOBODY}' does not exist",
        ),
        (
            {**TCP, "UserIdGroupPairs": [{"GroupId": "sg-x"}]},
            'Invalid id: "sg-x" (expecting "sg-...")',
        ),
        (
            {**TCP, "PrefixListIds": [{"PrefixListId": "pl-00000000000000fff"}]},
            "The prefix list ID 'pl-00000000000000fff' does not exist",
        ),
    ],
)
def test_permission_that_cannot_be_is_refused_and_nothing_of_it_stays(
    ec2: Client, asked: dict[str, Any], said: str
) -> None:
    group_id = new_group(ec2)
    good = permission("udp", 1, 2, "10.0.0.0/8")
    sources = {"IpRanges", "Ipv6Ranges", "UserIdGroupPairs", "PrefixListIds"}
    bad = asked if sources & set(asked) else {**ANY, **asked}
    request = {"GroupId": group_id, "IpPermissions": [good, bad]}
    assert message(ec2, "AuthorizeSecurityGroupIngress", **request) == said
    assert rules_of(ec2, group_id) == []


@pytest.mark.semantics("ec2-rule-duplicate")
@pytest.mark.parametrize(
    ("asked", "spelled"),
    [
        (permission("tcp", 22, 22, "0.0.0.0/0"), "0.0.0.0/0, TCP, from port: 22, to port: 22"),
        (permission("17", 0, 65535, "0.0.0.0/0"), "0.0.0.0/0, UDP, from port: 0, to port: 65535"),
        (permission("-1", -1, -1, "10.0.0.0/19"), "10.0.0.0/19, ALL"),
        (permission("50", -1, -1, "10.0.0.0/19"), "10.0.0.0/19, protocol: 50"),
        (permission("icmp", -1, -1, "0.0.0.0/0"), "0.0.0.0/0, ICMP, type: ALL, code: ALL"),
        (permission("icmp", 8, -1, "0.0.0.0/0"), "0.0.0.0/0, ICMP, type: 8, code: ALL"),
    ],
)
def test_rule_that_is_there_is_refused_by_its_name_and_the_rest_with_it(
    ec2: Client, asked: dict[str, Any], spelled: str
) -> None:
    group_id = new_group(ec2)
    authorize(ec2, group_id, asked)
    request = {"GroupId": group_id, "IpPermissions": [permission("tcp", 1, 1, "1.1.1.1/32"), asked]}
    said = message(ec2, "AuthorizeSecurityGroupIngress", **request)
    assert said == f'the specified rule "peer: {spelled}, ALLOW" already exists'
    assert len(rules_of(ec2, group_id)) == 1


def test_new_groups_rule_for_everything_cannot_be_added_again(ec2: Client) -> None:
    said = message(
        ec2,
        "AuthorizeSecurityGroupEgress",
        GroupId=new_group(ec2),
        IpPermissions=[permission("-1", -1, -1, "0.0.0.0/0")],
    )
    assert said == 'the specified rule "peer: 0.0.0.0/0, ALL, ALLOW" already exists'


@pytest.mark.semantics("ec2-rule-duplicate")
def test_rule_twice_in_a_request_is_refused_whatever_its_spelling(ec2: Client) -> None:
    group_id = new_group(ec2)
    twice = [permission("tcp", 22, 22, "10.0.0.0/8"), permission("6", 22, 22, "10.1.0.0/8")]
    for operation in ("AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"):
        with refused("permission_twice"):
            ec2(operation, GroupId=group_id, IpPermissions=twice)
    assert rules_of(ec2, group_id) == []


def test_same_rule_may_stand_in_both_directions(ec2: Client) -> None:
    group_id = new_group(ec2)
    rule = permission("tcp", 22, 22, "10.0.0.0/8")
    authorize(ec2, group_id, rule)
    ec2("AuthorizeSecurityGroupEgress", GroupId=group_id, IpPermissions=[rule])
    assert len(rules_of(ec2, group_id)) == 1
    assert len(rules_of(ec2, group_id, is_egress=True)) == 2


@pytest.mark.semantics("ec2-rule-top-level")
def test_older_form_of_ingress_makes_the_same_rule(ec2: Client) -> None:
    group_id = new_group(ec2)
    request = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "10.0.0.0/8"}
    ec2("AuthorizeSecurityGroupIngress", GroupId=group_id, **request)
    (rule,) = rules_of(ec2, group_id)
    assert (*traffic(rule), rule["CidrIpv4"]) == ("tcp", 22, 22, "10.0.0.0/8")
    ec2("RevokeSecurityGroupIngress", GroupId=group_id, **request)
    assert rules_of(ec2, group_id) == []


@pytest.mark.semantics("ec2-rule-top-level")
def test_older_form_by_the_name_of_a_group_gives_full_access(ec2: Client) -> None:
    group_id = new_group(ec2, vpc_id=DEFAULT_VPC)
    request = {"GroupName": "web", "SourceSecurityGroupName": "web"}
    ec2("AuthorizeSecurityGroupIngress", **request)
    rules = rules_of(ec2, group_id)
    assert [traffic(rule) for rule in rules] == [
        ("icmp", -1, -1),
        ("udp", 0, 65535),
        ("tcp", 0, 65535),
    ]
    assert {rule["ReferencedGroupInfo"]["GroupId"] for rule in rules} == {group_id}


@pytest.mark.semantics("ec2-rule-top-level")
@pytest.mark.parametrize(
    ("operation", "request_", "fault"),
    [
        ("AuthorizeSecurityGroupIngress", {}, "missing_parameter"),
        ("AuthorizeSecurityGroupEgress", {}, "missing_parameter"),
        ("AuthorizeSecurityGroupIngress", {"IpProtocol": "-1"}, "permission_without_source"),
        (
            "AuthorizeSecurityGroupIngress",
            {"CidrIp": "10.0.0.0/8", "IpPermissions": [{**TCP, **ANY}]},
            "permissions_and_parameters",
        ),
        (
            "AuthorizeSecurityGroupEgress",
            {"CidrIp": "10.0.0.0/8", "IpProtocol": "-1"},
            "permissions_only",
        ),
        ("RevokeSecurityGroupIngress", {}, "permissions_or_rules_missing"),
        ("RevokeSecurityGroupEgress", {}, "permissions_or_rules_missing"),
        (
            "RevokeSecurityGroupIngress",
            {"IpPermissions": [{**TCP, **ANY}], "SecurityGroupRuleIds": [NO_RULE]},
            "permissions_and_rules",
        ),
        ("RevokeSecurityGroupIngress", {"SecurityGroupRuleIds": [NO_RULE]}, "rule_not_found"),
        ("RevokeSecurityGroupIngress", {"SecurityGroupRuleIds": ["sgr-x"]}, "rule_id_malformed"),
        (
            "UpdateSecurityGroupRuleDescriptionsIngress",
            {},
            "permissions_or_rules_missing",
        ),
        (
            "UpdateSecurityGroupRuleDescriptionsIngress",
            {"SecurityGroupRuleDescriptions": [{"Description": "a"}]},
            "missing_parameter",
        ),
        (
            "UpdateSecurityGroupRuleDescriptionsIngress",
            {"IpPermissions": [{**TCP, **ANY}]},
            "permission_not_found",
        ),
    ],
)
def test_request_of_another_form_is_refused(
    ec2: Client, operation: str, request_: Any, fault: str
) -> None:
    group_id = new_group(ec2)
    with refused(fault):
        ec2(operation, GroupId=group_id, **request_)


def test_rules_of_a_group_that_is_not_there_are_refused(ec2: Client) -> None:
    with refused("group_not_found", resource_id=NOBODY):
        authorize(ec2, NOBODY, permission("tcp", 1, 1, "10.0.0.0/8"))
    with refused("group_not_found"):
        authorize(ec2.elsewhere(account_id=OTHER_ACCOUNT), new_group(ec2), {**TCP, **ANY})


@pytest.mark.semantics("ec2-rule-quota")
def test_quota_counts_each_direction_and_family_apart() -> None:
    ec2 = with_vpcs(empty_client(rules_per_security_group=3))
    group_id = new_group(ec2, vpc_id=IPV6_VPC)
    three = [f"10.0.{number}.0/24" for number in range(3)]
    authorize(ec2, group_id, permission("tcp", 1, 1, *three))
    with refused("too_many_rules"):
        authorize(ec2, group_id, permission("udp", 1, 1, "10.9.0.0/16"))
    ipv6 = [{"CidrIpv6": f"2001:db8:{number}::/48"} for number in range(4)]
    with refused("too_many_rules"):
        authorize(ec2, group_id, {**TCP, "Ipv6Ranges": ipv6})
    authorize(ec2, group_id, {**TCP, "Ipv6Ranges": ipv6[:3]})
    out = permission("tcp", 1, 1, *three[:2])
    ec2("AuthorizeSecurityGroupEgress", GroupId=group_id, IpPermissions=[out])
    assert len(rules_of(ec2, group_id)) == 6


@pytest.mark.semantics("ec2-rule-weight")
def test_reference_counts_in_both_families() -> None:
    ec2 = with_vpcs(empty_client(rules_per_security_group=2))
    group_id = new_group(ec2)
    authorize(ec2, group_id, {**TCP, "UserIdGroupPairs": [{"GroupId": group_id}]})
    authorize(ec2, group_id, permission("tcp", 1, 1, "10.0.0.0/8"))
    for source in (ANY, {"Ipv6Ranges": [{"CidrIpv6": f"{n}::/16"} for n in (1, 2)]}):
        with refused("too_many_rules"):
            authorize(ec2, group_id, {**TCP, **source})


@pytest.mark.semantics("ec2-rule-weight")
def test_prefix_list_counts_what_it_may_grow_to_in_its_family() -> None:
    ec2 = with_vpcs(empty_client(rules_per_security_group=10))
    group_id = new_group(ec2)
    four, six = new_list(ec2, 9), new_list(ec2, 10, "IPv6")
    authorize(ec2, group_id, {**TCP, "PrefixListIds": [{"PrefixListId": four}]})
    authorize(ec2, group_id, {**TCP, "PrefixListIds": [{"PrefixListId": six}]})
    with refused("too_many_rules"):
        authorize(ec2, group_id, permission("tcp", 1, 1, "10.0.0.0/8", "11.0.0.0/8"))
    authorize(ec2, group_id, permission("tcp", 1, 1, "10.0.0.0/8"))


@pytest.mark.semantics("ec2-rule-weight")
@pytest.mark.parametrize(
    ("name", "weight"),
    [("*.s3", 1), ("*.dynamodb", 1), ("*.s3express", 6), ("*global.cloudfront*", 55)],
)
def test_aws_list_counts_its_published_weight(name: str, weight: int) -> None:
    for quota, fits in ((weight, True), (weight - 1, False)):
        ec2 = with_vpcs(empty_client(rules_per_security_group=max(quota, 1)))
        asked = ec2("DescribeManagedPrefixLists", Filters=[by("prefix-list-name", name)])
        list_id = asked["PrefixLists"][0]["PrefixListId"]
        source = {**TCP, "PrefixListIds": [{"PrefixListId": list_id}]}
        group_id = new_group(ec2)
        if fits:
            authorize(ec2, group_id, source)
        elif quota:
            with refused("too_many_rules"):
                authorize(ec2, group_id, source)


@pytest.mark.semantics("ec2-rule-revoke")
def test_revoke_by_properties_or_by_id_says_what_went(ec2: Client) -> None:
    group_id = new_group(ec2)
    made = authorize(
        ec2,
        group_id,
        {**TCP, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "ours"}]},
        {**TCP, "UserIdGroupPairs": [{"GroupId": group_id}]},
    )["SecurityGroupRules"]
    ids = [rule["SecurityGroupRuleId"] for rule in made]
    gone = revoke(ec2, group_id, {**TCP, "IpRanges": [{"CidrIp": "10.9.9.9/8"}]})
    base = {"GroupId": group_id, "IsEgress": False, **TCP}
    first = {**base, "SecurityGroupRuleId": ids[0], "CidrIpv4": "10.0.0.0/8", "Description": "ours"}
    assert gone == {"Return": True, "RevokedSecurityGroupRules": [first]}
    gone = revoke(ec2, group_id, SecurityGroupRuleIds=[ids[1]])
    assert gone["RevokedSecurityGroupRules"] == [
        {**base, "SecurityGroupRuleId": ids[1], "ReferencedGroupId": group_id}
    ]
    assert rules_of(ec2, group_id) == []


@pytest.mark.semantics("ec2-rule-revoke")
def test_revoke_of_what_is_not_there_revokes_nothing(ec2: Client) -> None:
    group_id = new_group(ec2)
    known = permission("tcp", 22, 22, "10.0.0.0/8")
    (rule,) = authorize(ec2, group_id, known)["SecurityGroupRules"]
    with refused("permission_not_found"):
        revoke(ec2, group_id, known, permission("tcp", 22, 22, "10.0.0.0/9"))
    with refused("rule_not_found"):
        revoke(ec2, group_id, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"], NO_RULE])
    with refused("rule_not_found"):
        ec2(
            "RevokeSecurityGroupEgress",
            GroupId=group_id,
            SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]],
        )
    with refused("rule_not_found"):
        revoke(ec2, new_group(ec2, "b"), SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    assert len(rules_of(ec2, group_id)) == 1


@pytest.mark.semantics("ec2-rule-revoke")
def test_revoke_in_a_default_vpc_answers_with_what_is_unknown(ec2: Client) -> None:
    group_id = new_group(ec2, vpc_id=DEFAULT_VPC)
    known = permission("tcp", 22, 22, "10.0.0.0/8")
    authorize(ec2, group_id, known)
    answer = revoke(ec2, group_id, known, permission("tcp", 22, 22, "10.0.0.0/9"))
    (unknown,) = answer["UnknownIpPermissions"]
    assert unknown["IpRanges"] == [{"CidrIp": "10.0.0.0/9"}]
    assert len(answer["RevokedSecurityGroupRules"]) == 1
    assert rules_of(ec2, group_id) == []


def update(rule: dict[str, Any], **request: Any) -> dict[str, Any]:
    return {"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "SecurityGroupRule": request}


@pytest.mark.semantics("ec2-rule-modify")
def test_modify_changes_a_rule_that_keeps_its_id_and_tags(ec2: Client) -> None:
    group_id = new_group(ec2)
    tags = {"ResourceType": "security-group-rule", "Tags": [{"Key": "a", "Value": "b"}]}
    old = {**TCP, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "ours"}]}
    (rule,) = authorize(ec2, group_id, old, TagSpecifications=[tags])["SecurityGroupRules"]
    new = update(rule, IpProtocol="17", FromPort=53, ToPort=54, CidrIpv4="10.1.2.3/16")
    assert ec2("ModifySecurityGroupRules", GroupId=group_id, SecurityGroupRules=[new]) == {
        "Return": True
    }
    (after,) = rules_of(ec2, group_id)
    assert (*traffic(after), after["CidrIpv4"]) == ("udp", 53, 54, "10.1.0.0/16")
    assert "Description" not in after
    same = ("SecurityGroupRuleId", "Tags", "IsEgress", "SecurityGroupRuleArn")
    assert {key: after[key] for key in same} == {key: rule[key] for key in same}


@pytest.mark.semantics("ec2-rule-modify")
def test_modify_of_every_type_of_peer(ec2: Client) -> None:
    group_id, other_id = new_group(ec2), new_group(ec2, "other")
    first, second = new_list(ec2, 1), new_list(ec2, 2)
    made = authorize(
        ec2,
        group_id,
        {
            **TCP,
            "Ipv6Ranges": [{"CidrIpv6": "::/0"}],
            "PrefixListIds": [{"PrefixListId": first}],
            "UserIdGroupPairs": [{"GroupId": group_id}],
        },
    )["SecurityGroupRules"]
    peers = ({"CidrIpv6": "1::/16"}, {"PrefixListId": second}, {"ReferencedGroupId": other_id})
    updates = [update(rule, **TCP, **peer) for rule, peer in zip(made, peers, strict=True)]
    ec2("ModifySecurityGroupRules", GroupId=group_id, SecurityGroupRules=updates)
    six, listed, referred = rules_of(ec2, group_id)
    assert six["CidrIpv6"] == "1::/16"
    assert listed["PrefixListId"] == second
    assert referred["ReferencedGroupInfo"] == {"GroupId": other_id, "UserId": ACCOUNT}
    assert list(ec2.world.where("SecurityGroupRule", "PrefixListId", first)) == []


@pytest.mark.semantics("ec2-rule-modify")
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {},
            "The request must contain exactly one of: cidrIp, cidrIpv6, prefixListId, or "
            "referencedGroupId",
        ),
        (
            {"CidrIpv4": "10.0.0.0/8", "CidrIpv6": "::/0"},
            "Only one of cidrIp, cidrIpv6, prefixListId, or referencedGroupId can be specified",
        ),
        (
            {"CidrIpv6": "::/0"},
            "Invalid rule type for security group rule '{id}'. You may not specify CidrIpv6 for an "
            "existing IPv4 CIDR rule.",
        ),
        (
            {"ReferencedGroupId": NOBODY},
            "Invalid rule type for security group rule '{id}'. You may not specify a referenced "
            "group id for an existing IPv4 CIDR rule.",
        ),
        ({"CidrIpv4": "10.0.0.0"}, "CIDR block 10.0.0.0 is malformed"),
        (
            {"CidrIpv4": "11.0.0.0/8"},
            'the specified rule "peer: 11.0.0.0/8, TCP, from port: 22, to port: 22, ALLOW" already '
            "exists",
        ),
    ],
)
def test_modify_that_cannot_be_is_refused(ec2: Client, asked: dict[str, str], said: str) -> None:
    group_id = new_group(ec2)
    source = permission("tcp", 22, 22, "10.0.0.0/8", "11.0.0.0/8")
    rule, _ = before = authorize(ec2, group_id, source)["SecurityGroupRules"]
    request = {"GroupId": group_id, "SecurityGroupRules": [update(rule, **TCP, **asked)]}
    expected = said.replace("{id}", rule["SecurityGroupRuleId"])
    assert message(ec2, "ModifySecurityGroupRules", **request) == expected
    assert rules_of(ec2, group_id) == before


def test_modify_may_swap_two_rules_and_names_each_once(ec2: Client) -> None:
    group_id = new_group(ec2)
    source = permission("tcp", 22, 22, "10.0.0.0/8", "11.0.0.0/8")
    one, two = authorize(ec2, group_id, source)["SecurityGroupRules"]
    swap = [update(one, **TCP, CidrIpv4="11.0.0.0/8"), update(two, **TCP, CidrIpv4="10.0.0.0/8")]
    ec2("ModifySecurityGroupRules", GroupId=group_id, SecurityGroupRules=swap)
    assert [rule["CidrIpv4"] for rule in rules_of(ec2, group_id)] == ["11.0.0.0/8", "10.0.0.0/8"]
    with refused("rule_twice"):
        ec2("ModifySecurityGroupRules", GroupId=group_id, SecurityGroupRules=[swap[0], swap[0]])
    with refused("missing_parameter"):
        ec2("ModifySecurityGroupRules", GroupId=group_id, SecurityGroupRules=[])
    with refused("rule_not_found"):
        other_id = new_group(ec2, "other")
        ec2("ModifySecurityGroupRules", GroupId=other_id, SecurityGroupRules=[swap[0]])


def test_modify_is_held_to_the_quota() -> None:
    ec2 = with_vpcs(empty_client(rules_per_security_group=5))
    group_id = new_group(ec2)
    small, large = new_list(ec2, 2), new_list(ec2, 5)
    source = {**permission("tcp", 22, 22, "10.0.0.0/8"), "PrefixListIds": [{"PrefixListId": small}]}
    _, rule = authorize(ec2, group_id, source)["SecurityGroupRules"]
    changed = update(rule, **TCP, PrefixListId=large)
    with refused("too_many_rules"):
        ec2("ModifySecurityGroupRules", GroupId=group_id, SecurityGroupRules=[changed])


@pytest.mark.semantics("ec2-rule-descriptions")
def test_descriptions_are_changed_and_taken_by_properties_or_by_id(ec2: Client) -> None:
    group_id = new_group(ec2)
    source = permission("tcp", 22, 22, "10.0.0.0/8", "11.0.0.0/8")
    one, two = authorize(ec2, group_id, source)["SecurityGroupRules"]
    name = "UpdateSecurityGroupRuleDescriptionsIngress"
    by_properties = {**TCP, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "a&b"}]}
    ec2(name, GroupId=group_id, IpPermissions=[by_properties])
    by_id = {"SecurityGroupRuleId": two["SecurityGroupRuleId"], "Description": "two"}
    ec2(name, GroupId=group_id, SecurityGroupRuleDescriptions=[by_id])
    assert [rule["Description"] for rule in rules_of(ec2, group_id)] == ["a&b", "two"]
    ec2(name, GroupId=group_id, IpPermissions=[{**TCP, **ANY}])
    assert [rule.get("Description") for rule in rules_of(ec2, group_id)] == [None, "two"]
    with refused("rule_description_invalid"):
        bad = {"SecurityGroupRuleId": one["SecurityGroupRuleId"], "Description": "\u00e9"}
        ec2(name, GroupId=group_id, SecurityGroupRuleDescriptions=[bad])
    with refused("rule_not_found"):
        ec2(
            "UpdateSecurityGroupRuleDescriptionsEgress",
            GroupId=group_id,
            SecurityGroupRuleDescriptions=[by_id],
        )


@pytest.mark.semantics("ec2-rule-describe")
def test_rules_are_found_by_group_id_and_tag(ec2: Client) -> None:
    group_id = new_group(ec2)
    tags = {"ResourceType": "security-group-rule", "Tags": [{"Key": "a", "Value": "b"}]}
    (rule,) = authorize(ec2, group_id, {**TCP, **ANY}, TagSpecifications=[tags])[
        "SecurityGroupRules"
    ]
    rule_id = rule["SecurityGroupRuleId"]
    for asked in (
        {"SecurityGroupRuleIds": [rule_id]},
        {"Filters": [by("security-group-rule-id", rule_id)]},
        {"Filters": [by("tag:a", "b*")]},
        {"Filters": [by("group-id", group_id), by("tag-key", "a")]},
    ):
        assert ec2("DescribeSecurityGroupRules", **asked)["SecurityGroupRules"] == [rule]
    assert ec2("DescribeSecurityGroupRules", Filters=[by("group-id", NOBODY)]) == {
        "SecurityGroupRules": []
    }
    with refused("group_id_malformed_in_filter", resource_id="foobar"):
        ec2("DescribeSecurityGroupRules", Filters=[by("group-id", "foobar")])
    with refused("rule_not_found"):
        ec2("DescribeSecurityGroupRules", SecurityGroupRuleIds=[NO_RULE])


def test_rule_by_the_name_of_a_group_is_of_the_default_vpc(ec2: Client) -> None:
    group_id = new_group(ec2, vpc_id=DEFAULT_VPC)
    other_id = new_group(ec2, "other", vpc_id=DEFAULT_VPC)
    authorize(ec2, group_id, {**TCP, "UserIdGroupPairs": [{"GroupName": "other"}]})
    assert rules_of(ec2, group_id)[0]["ReferencedGroupInfo"]["GroupId"] == other_id
    with refused("groups_in_different_networks"):
        source = {**TCP, "UserIdGroupPairs": [{"GroupName": "other"}]}
        authorize(ec2, new_group(ec2, vpc_id=VPC), source)


@pytest.mark.semantics("ec2-tags-new")
@pytest.mark.parametrize("tag_type", ["security-group", "vpc"])
def test_tags_of_another_type_are_refused(ec2: Client, tag_type: str) -> None:
    tags = {"ResourceType": tag_type, "Tags": [{"Key": "a", "Value": "b"}]}
    with refused("tag_specification_of_other_type"):
        authorize(ec2, new_group(ec2), {**TCP, **ANY}, TagSpecifications=[tags])
