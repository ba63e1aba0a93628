"""Network ACLs: entries, associations, what a default one has."""

from typing import Any

import pytest

from tests.support.worlds import Client, new_client, refused

DENY = {"CidrBlock": "0.0.0.0/0", "Protocol": "-1", "RuleAction": "deny", "RuleNumber": 32767}


@pytest.fixture
def client() -> Client:
    return new_client()


@pytest.fixture
def acl(client: Client) -> dict[str, Any]:
    vpc = client("CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made: dict[str, Any] = client("CreateNetworkAcl", VpcId=vpc)["NetworkAcl"]
    return made


def entries(client: Client, acl: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of an ACL without the implicit ones."""
    asked = [acl["NetworkAclId"]]
    found = client("DescribeNetworkAcls", NetworkAclIds=asked)["NetworkAcls"][0]["Entries"]
    return [each for each in found if each["RuleNumber"] < 32767]


def add(client: Client, acl: dict[str, Any], **asked: Any) -> None:
    entry = {
        "RuleNumber": 100,
        "Protocol": "6",
        "RuleAction": "allow",
        "Egress": False,
        "CidrBlock": "10.0.0.0/8",
        "PortRange": {"From": 80, "To": 81},
    }
    entry.update(asked)
    if "Ipv6CidrBlock" in asked:
        del entry["CidrBlock"]
    kept = {key: value for key, value in entry.items() if value is not None}
    client("CreateNetworkAclEntry", NetworkAclId=acl["NetworkAclId"], **kept)


@pytest.mark.semantics("ec2-acl-new")
def test_new_acl_refuses_everything(acl: dict[str, Any]) -> None:
    assert acl["Entries"] == [{**DENY, "Egress": True}, {**DENY, "Egress": False}]
    assert (acl["IsDefault"], acl["Associations"]) == (False, [])


@pytest.mark.semantics("ec2-acl-entries")
def test_entries_stand_by_direction_and_number_with_canonical_blocks(
    client: Client, acl: dict[str, Any]
) -> None:
    add(client, acl, RuleNumber=110, CidrBlock="100.68.0.18/18")
    add(client, acl, RuleNumber=100, Protocol="tcp")
    add(client, acl, RuleNumber=110, Egress=True)
    found = entries(client, acl)
    assert [(each["Egress"], each["RuleNumber"]) for each in found] == [
        (True, 110),
        (False, 100),
        (False, 110),
    ]
    assert found[2]["CidrBlock"] == "100.68.0.0/18"
    assert found[1]["Protocol"] == "6"


@pytest.mark.semantics("ec2-acl-protocols")
@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({"Protocol": "-1"}, {}),
        ({"Protocol": "47"}, {}),
        ({"Protocol": "17"}, {"PortRange": {"From": 80, "To": 81}}),
        (
            {"Protocol": "1", "IcmpTypeCode": {"Type": 8, "Code": -1}},
            {"IcmpTypeCode": {"Type": 8, "Code": -1}},
        ),
        ({"Protocol": "58", "IcmpTypeCode": {"Type": 8, "Code": -1}}, {}),
        (
            {
                "Protocol": "58",
                "Ipv6CidrBlock": "2001:db8::1/64",
                "IcmpTypeCode": {"Type": 128, "Code": 0},
            },
            {"IcmpTypeCode": {"Type": 128, "Code": 0}, "Ipv6CidrBlock": "2001:db8::/64"},
        ),
    ],
)
def test_entry_keeps_what_its_protocol_has_use_for(
    client: Client, acl: dict[str, Any], asked: dict[str, Any], kept: dict[str, Any]
) -> None:
    add(client, acl, **asked)
    (entry,) = entries(client, acl)
    plain = {"RuleNumber", "Protocol", "RuleAction", "Egress", "CidrBlock"}
    assert {key: value for key, value in entry.items() if key not in plain} == kept


@pytest.mark.semantics("ec2-acl-entries", "ec2-acl-protocols")
@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"RuleNumber": 0}, "acl_entry_number_invalid"),
        ({"RuleNumber": 32767}, "acl_entry_number_invalid"),
        ({"RuleNumber": None}, "missing_parameter"),
        ({"Protocol": "all"}, "acl_protocol_invalid"),
        ({"Protocol": "256"}, "acl_protocol_invalid"),
        ({"CidrBlock": None}, "missing_one_of"),
        ({"CidrBlock": "10.0.0.0"}, "block_malformed"),
        ({"PortRange": None}, "missing_parameter"),
        ({"PortRange": {"From": 81, "To": 80}}, "value_invalid"),
        ({"PortRange": {"From": 0, "To": 65536}}, "value_invalid"),
        ({"Protocol": "1"}, "missing_parameter"),
        ({"Protocol": "1", "IcmpTypeCode": {"Type": -1, "Code": 0}}, "value_invalid"),
        ({"Protocol": "58", "Ipv6CidrBlock": "::/0"}, "missing_parameter"),
        ({"RuleNumber": 7}, "acl_entry_exists"),
    ],
)
def test_entry_that_cannot_be_is_refused(
    client: Client, acl: dict[str, Any], asked: dict[str, Any], fault: str
) -> None:
    add(client, acl, RuleNumber=7)
    with refused(fault):
        add(client, acl, **asked)
    assert len(entries(client, acl)) == 1


@pytest.mark.semantics("ec2-acl-entries")
def test_entry_is_replaced_and_deleted_by_direction_and_number(
    client: Client, acl: dict[str, Any]
) -> None:
    add(client, acl)
    asked = {"NetworkAclId": acl["NetworkAclId"], "RuleNumber": 100}
    new = {"Protocol": "-1", "RuleAction": "deny", "CidrBlock": "0.0.0.0/0"}
    with refused("acl_entry_not_found"):
        client("ReplaceNetworkAclEntry", Egress=True, **asked, **new)
    client("ReplaceNetworkAclEntry", Egress=False, **asked, **new)
    assert entries(client, acl) == [{**new, "Egress": False, "RuleNumber": 100}]
    with refused("acl_entry_not_found"):
        client("DeleteNetworkAclEntry", Egress=True, **asked)
    client("DeleteNetworkAclEntry", Egress=False, **asked)
    assert entries(client, acl) == []
    with refused("acl_entry_number_invalid"):
        client("DeleteNetworkAclEntry", Egress=False, **{**asked, "RuleNumber": 32767})


@pytest.mark.semantics("ec2-quotas", "ec2-acl-quota")
def test_entries_and_acls_are_counted() -> None:
    client = new_client(rules_per_network_acl=2, network_acls_per_vpc=2)
    vpc = client("CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    acl = client("CreateNetworkAcl", VpcId=vpc)["NetworkAcl"]
    for number in (1, 2):
        for egress in (True, False):
            add(client, acl, RuleNumber=number, Egress=egress)
    with refused("too_many_acl_entries"):
        add(client, acl, RuleNumber=3)
    with refused("too_many_acls"):
        client("CreateNetworkAcl", VpcId=vpc)


@pytest.mark.semantics("ec2-acl-subnets")
def test_subnet_changes_its_acl_by_a_new_association(client: Client, acl: dict[str, Any]) -> None:
    subnet = client("CreateSubnet", VpcId=acl["VpcId"], CidrBlock="10.0.0.0/24")["Subnet"]
    by_subnet = [{"Name": "association.subnet-id", "Values": [subnet["SubnetId"]]}]

    def association() -> dict[str, Any]:
        (holder,) = client("DescribeNetworkAcls", Filters=by_subnet)["NetworkAcls"]
        (found,) = holder["Associations"]
        return dict(found)

    old = association()["NetworkAclAssociationId"]
    asked = {"AssociationId": old, "NetworkAclId": acl["NetworkAclId"]}
    new = client("ReplaceNetworkAclAssociation", **asked)["NewAssociationId"]
    assert new != old
    assert association() == {
        "NetworkAclAssociationId": new,
        "NetworkAclId": acl["NetworkAclId"],
        "SubnetId": subnet["SubnetId"],
    }
    with refused("association_not_found", resource_id=old):
        client("ReplaceNetworkAclAssociation", **asked)
    again = client("ReplaceNetworkAclAssociation", **{**asked, "AssociationId": new})
    with refused("in_use", noun="network ACL"):
        client("DeleteNetworkAcl", NetworkAclId=acl["NetworkAclId"])
    (default,) = [
        each["NetworkAclId"]
        for each in client("DescribeNetworkAcls")["NetworkAcls"]
        if each["IsDefault"] and each["VpcId"] != acl["VpcId"]
    ]
    with refused("different_networks"):
        client(
            "ReplaceNetworkAclAssociation",
            AssociationId=again["NewAssociationId"],
            NetworkAclId=default,
        )
    with refused("default_acl_not_deletable"):
        client("DeleteNetworkAcl", NetworkAclId=default)
    client("DeleteSubnet", SubnetId=subnet["SubnetId"])
    client("DeleteNetworkAcl", NetworkAclId=acl["NetworkAclId"])
    with refused("acl_not_found"):
        client("DeleteNetworkAcl", NetworkAclId=acl["NetworkAclId"])


@pytest.mark.semantics("ec2-acl-ipv6")
def test_ipv6_block_adds_entry_101_only_where_nothing_was_modified(client: Client) -> None:
    vpc = client("CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    custom = client("CreateNetworkAcl", VpcId=vpc)["NetworkAcl"]
    (default,) = [
        each
        for each in client("DescribeNetworkAcls")["NetworkAcls"]
        if each["IsDefault"] and each["VpcId"] == vpc
    ]
    add(client, default, RuleNumber=50, Egress=True)
    client("AssociateVpcCidrBlock", VpcId=vpc, AmazonProvidedIpv6CidrBlock=True)
    found = entries(client, default)
    assert [(each["Egress"], each["RuleNumber"]) for each in found] == [
        (True, 50),
        (True, 100),
        (False, 100),
        (False, 101),
    ]
    assert entries(client, custom) == []
    later = client("CreateNetworkAcl", VpcId=vpc)["NetworkAcl"]
    for each in (custom, later):
        asked = client("DescribeNetworkAcls", NetworkAclIds=[each["NetworkAclId"]])["NetworkAcls"]
        assert [entry["RuleNumber"] for entry in asked[0]["Entries"]] == [32767, 32768] * 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("default", "false"),
        ("entry.cidr", "10.9.0.0/16"),
        ("entry.egress", "true"),
        ("entry.icmp.code", "3"),
        ("entry.icmp.type", "5"),
        ("entry.ipv6-cidr", "2001:db8::/64"),
        ("entry.port-range.from", "80"),
        ("entry.port-range.to", "81"),
        ("entry.protocol", "udp"),
        ("entry.protocol", "17"),
        ("entry.rule-action", "allow"),
        ("entry.rule-number", "12"),
        ("owner-id", "1111*"),
    ],
)
def test_filter_finds_an_acl_by_what_it_has(
    client: Client, acl: dict[str, Any], name: str, value: str
) -> None:
    add(client, acl, RuleNumber=11, CidrBlock="10.9.0.0/16", Protocol="17")
    add(client, acl, RuleNumber=12, Protocol="1", IcmpTypeCode={"Type": 5, "Code": 3})
    add(client, acl, RuleNumber=13, Ipv6CidrBlock="2001:db8::/64", Protocol="-1")
    asked = [
        {"Name": name, "Values": [value]},
        {"Name": "vpc-id", "Values": [acl["VpcId"]]},
    ]
    found = [
        each["NetworkAclId"] for each in client("DescribeNetworkAcls", Filters=asked)["NetworkAcls"]
    ]
    assert acl["NetworkAclId"] in found
