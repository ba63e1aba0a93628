import json
from ipaddress import ip_address, ip_network

import pytest

from secgroup import InputError, load
from secgroup.model.external import External
from secgroup.model.group import GroupReference, PrefixListReference
from secgroup.model.interface import ConnectionTracking
from secgroup.model.route import TargetKind
from tests.support.networks import every_noun, large


@pytest.fixture
def read(tmp_path):
    """Load a document as describe output; the file is called network.json."""

    def load_document(document, **arguments):
        path = tmp_path / "network.json"
        path.write_text(json.dumps(document))
        return load(path, **arguments)

    return load_document


@pytest.fixture
def refusal(read, tmp_path):
    """Load a document that is refused; return the error without the folder's name."""

    def message(document):
        with pytest.raises(InputError) as caught:
            read(document)
        text = str(caught.value)
        assert "\n" not in text
        assert caught.value.source is not None
        return text.replace(f"{tmp_path}/", "")

    return message


def change(path, value=None):
    """Return the whole network with the value at `path` replaced, or removed when None."""
    document = every_noun()
    *outer, last = path
    inner = document
    for step in outer:
        inner = inner[step]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return document


def test_whole_network_no_warnings_but_the_external_group(read):
    network = read(every_noun())
    assert network.warnings == (
        "security group sg-0f: mentioned, but not in the files; matches nothing "
        "(bring it with --with)",
    )
    assert (network.region, network.account_id) == ("eu-west-1", "123456789012")


def test_vpc_blocks_only_those_associated_primary_first(read):
    vpc = read(every_noun()).vpcs["vpc-0a"]
    assert vpc.ipv4_blocks == (ip_network("10.0.0.0/16"), ip_network("100.64.0.0/16"))
    assert vpc.ipv6_blocks == (ip_network("2001:db8:1::/56"),)
    assert (vpc.names, vpc.is_default, vpc.enable_dns_support) == (("main",), False, True)


def test_vpc_attribute_dns_support_off(read):
    document = every_noun() | {"VpcId": "vpc-0a", "EnableDnsSupport": {"Value": False}}
    assert not read(document).vpcs["vpc-0a"].enable_dns_support


def test_subnet_has_its_acl_and_blocks(read):
    subnet = read(every_noun()).subnets["subnet-0a"]
    assert subnet.network_acl_id == "acl-0a"
    assert subnet.ipv4_block == ip_network("10.0.1.0/24")
    assert subnet.ipv6_blocks == (ip_network("2001:db8:1:1::/64"),)
    assert (subnet.availability_zone, subnet.availability_zone_id) == ("eu-west-1a", "euw1-az1")


def test_permissions_flattened_to_one_rule_a_peer_numbered_by_direction(read):
    group = read(every_noun()).groups["sg-0a"]
    assert [(rule.rule_id, str(rule.traffic), str(rule.peer)) for rule in group.rules] == [
        ("sg-0a/ingress/0", "tcp/443", "0.0.0.0/0"),
        ("sg-0a/ingress/1", "tcp/443", "192.0.2.0/24"),
        ("sg-0a/ingress/2", "tcp/443", "::/0"),
        ("sg-0a/ingress/3", "tcp/443", "pl-0000000a"),
        ("sg-0a/ingress/4", "tcp/443", "sg-0f"),
        ("sg-0a/ingress/5", "icmp/3/4", "10.0.0.0/8"),
        ("sg-0a/egress/0", "all", "0.0.0.0/0"),
    ]
    assert group.rules[0].description == "anyone"
    assert group.rules[3].peer == PrefixListReference(prefix_list_id="pl-0000000a")
    assert group.rules[4].peer == GroupReference(
        group_id="sg-0f", owner_id="999999999999", vpc_id="vpc-0f", peering_id="pcx-0a"
    )
    assert group.vpc_ids == ("vpc-0a", "vpc-0b")


@pytest.mark.semantics("describe-1")
def test_cidr_with_host_bits_is_taken_canonically(read):
    document = change(
        ("SecurityGroups", 0, "IpPermissions", 1, "IpRanges", 0, "CidrIp"), "100.68.0.18/18"
    )
    rule = read(document).groups["sg-0a"].rules[5]
    assert rule.peer == ip_network("100.68.0.0/18")


def rule(rule_id, group_id="sg-0b", *, is_egress=False, protocol="-1", **fields):
    return {
        "SecurityGroupRuleId": rule_id,
        "GroupId": group_id,
        "GroupOwnerId": "123456789012",
        "IsEgress": is_egress,
        "IpProtocol": protocol,
        "FromPort": -1,
        "ToPort": -1,
        **fields,
    }


SELF = {"ReferencedGroupInfo": {"GroupId": "sg-0b", "UserId": "123456789012"}}


@pytest.mark.semantics("describe-2")
def test_rule_ids_come_from_security_group_rules(read):
    document = every_noun() | {"SecurityGroupRules": [rule("sgr-1", **SELF)]}
    network = read(document)
    assert [each.rule_id for each in network.groups["sg-0b"].rules] == ["sgr-1"]
    assert network.groups["sg-0a"].rules[0].rule_id == "sg-0a/ingress/0"
    assert any("SecurityGroupRules has no rules of sg-0a" in each for each in network.warnings)


def test_rules_that_the_two_answers_do_not_share_are_refused(refusal):
    extra = rule("sgr-2", protocol="tcp", FromPort=22, ToPort=22, CidrIpv4="0.0.0.0/0")
    text = refusal(every_noun() | {"SecurityGroupRules": [rule("sgr-1", **SELF), extra]})
    assert text == (
        "network.json: SecurityGroups[1]: the ingress rule tcp/22 0.0.0.0/0 stands in "
        "SecurityGroupRules only (expected the same in SecurityGroups and SecurityGroupRules)"
    )


def test_security_group_rules_alone_make_groups(read):
    document = every_noun()
    del document["SecurityGroups"]
    del document["SecurityGroupVpcAssociations"]
    document["SecurityGroupRules"] = [
        rule("sgr-1", "sg-0a", is_egress=True, CidrIpv6="::/0"),
        rule("sgr-2", "sg-0a", protocol="icmp", FromPort=8, CidrIpv4="0.0.0.0/0"),
        rule("sgr-3", "sg-0a", protocol="udp", FromPort=53, ToPort=53, PrefixListId="pl-0000000a"),
    ]
    group = read(document).groups["sg-0a"]
    assert [(each.rule_id, str(each.traffic), str(each.peer)) for each in group.rules] == [
        ("sgr-2", "icmp/8", "0.0.0.0/0"),
        ("sgr-3", "udp/53", "pl-0000000a"),
        ("sgr-1", "all", "::/0"),
    ]
    assert group.vpc_id == "vpc-0a"


def test_rule_without_single_peer_is_refused(refusal):
    document = every_noun() | {"SecurityGroupRules": [rule("sgr-1")]}
    assert refusal(document) == (
        "network.json: SecurityGroupRules[0]: has no single peer "
        "(expected one of CidrIpv4, CidrIpv6, PrefixListId, ReferencedGroupInfo)"
    )


@pytest.mark.semantics("describe-3")
def test_acl_entries_ascend_and_implicit_denies_are_dropped(read):
    acl = read(every_noun()).acls["acl-0a"]
    assert [
        (each.is_egress, each.rule_number, each.is_allow, str(each.traffic), str(each.cidr))
        for each in acl.entries
    ] == [
        (False, 100, False, "all", "198.51.100.0/24"),
        (False, 110, True, "tcp/80-90", "0.0.0.0/0"),
        (False, 120, True, "icmpv6/128", "::/0"),
        (True, 100, True, "all", "0.0.0.0/0"),
    ]


@pytest.mark.semantics("describe-4")
def test_acl_protocol_58_with_ipv4_block_ignores_type_and_code(read):
    document = every_noun()
    entry = document["NetworkAcls"][0]["Entries"][4]
    del entry["Ipv6CidrBlock"]
    entry["CidrBlock"] = "0.0.0.0/0"
    assert str(read(document).acls["acl-0a"].entries[2].traffic) == "icmpv6"


def test_interface_with_every_kind_of_address(read):
    interface = read(every_noun()).interfaces["eni-0a"]
    assert [(str(each.address), each.public) for each in interface.ipv4] == [
        ("10.0.1.5", ip_address("203.0.113.5")),
        ("10.0.1.6", None),
    ]
    assert interface.ipv6 == (ip_address("2001:db8:1:1::5"),)
    assert interface.prefixes == (ip_network("10.0.1.16/28"), ip_network("2001:db8:1:1:5::/80"))
    assert interface.has_address(ip_address("10.0.1.17"))
    assert interface.tracking == ConnectionTracking(tcp_established_timeout=3600, udp_timeout=45)
    assert (interface.owner, interface.device_index) == ("i-0a", 0)
    assert interface.mac == bytes.fromhex("02005e100001")
    assert not interface.source_dest_check
    assert interface.names == ("web-1",)


def test_instance_has_its_type_and_name(read):
    instance = read(every_noun()).instances["i-0a"]
    assert (instance.instance_type, instance.names) == ("m8i.large", ("web",))


def test_interfaces_inside_of_instances_serve_when_they_stand_nowhere_else(read):
    document = every_noun()
    del document["NetworkInterfaces"]
    interface = read(document).interfaces["eni-0a"]
    assert (interface.instance_id, interface.device_index) == ("i-0a", 0)
    assert [str(each) for each in interface.addresses] == ["10.0.1.5"]


def test_instances_without_their_reservations(read):
    document = every_noun()
    document["Instances"] = document.pop("Reservations")[0]["Instances"]
    assert "i-0a" in read(document).instances


@pytest.mark.parametrize(
    "interface_type",
    [
        "natGateway",
        "transit_gateway",
        "gateway_load_balancer",
        "gateway_load_balancer_endpoint",
        "network_load_balancer",
    ],
)
def test_interface_without_groups_of_a_type_that_has_none(read, interface_type):
    document = change(("NetworkInterfaces", 0, "Groups"), [])
    document["NetworkInterfaces"][0]["InterfaceType"] = interface_type
    assert not read(document).interfaces["eni-0a"].carries_groups


def test_prefix_lists_with_entries_inside_and_as_cidrs(read):
    lists = read(every_noun()).prefix_lists
    assert lists["pl-0000000a"].entries == (
        ip_network("198.51.100.0/25"),
        ip_network("203.0.113.0/24"),
    )
    assert (lists["pl-0000000a"].name, lists["pl-0000000a"].max_entries) == ("offices", 5)
    assert lists["pl-0000000b"].name == "com.amazonaws.eu-west-1.s3"


def test_prefix_list_without_entries_is_known_by_name_and_named(read):
    document = change(("ManagedPrefixLists", 0, "Entries"))
    network = read(document)
    assert network.prefix_lists["pl-0000000a"].entries is None
    assert any("prefix list pl-0000000a: mentioned" in each for each in network.warnings)


def test_entries_beside_their_list_id(read):
    document = change(("ManagedPrefixLists", 0, "Entries"))
    document |= {"PrefixListId": "pl-0000000a", "Entries": [{"Cidr": "192.0.2.0/24"}]}
    assert read(document).prefix_lists["pl-0000000a"].entries == (ip_network("192.0.2.0/24"),)


def test_every_route_target(read):
    network = read(every_noun())
    routes = [route for table in network.route_tables.values() for route in table.routes]
    assert [(str(route.destination), route.target.kind, str(route.target)) for route in routes] == [
        ("10.0.0.0/16", TargetKind.LOCAL, "local"),
        ("0.0.0.0/0", TargetKind.INTERNET_GATEWAY, "igw-0a"),
        ("pl-0000000b", TargetKind.GATEWAY_ENDPOINT, "vpce-0a"),
        ("::/0", TargetKind.EGRESS_ONLY_GATEWAY, "eigw-0a"),
        ("10.9.0.0/16", TargetKind.PEERING, "pcx-0a"),
        ("10.0.0.0/16", TargetKind.LOCAL, "local"),
        ("172.16.0.0/12", TargetKind.OTHER, "vgw-0a"),
        ("192.0.2.0/24", TargetKind.OTHER, "vpce-0c"),
        ("0.0.0.0/0", TargetKind.NAT_GATEWAY, "nat-0a"),
        ("10.7.0.0/16", TargetKind.INTERFACE, "eni-0a"),
        ("10.8.0.0/16", TargetKind.INTERFACE, "eni-0z"),
        ("10.6.0.0/16", TargetKind.OTHER, "tgw-0a"),
    ]
    assert [route.is_blackhole for route in routes].index(True) == 10
    assert network.route_table_of("subnet-0a").route_table_id == "rtb-0a"
    assert network.route_table_of("subnet-0b").route_table_id == "rtb-0b"


def test_nat_gateway_brings_its_interface(read):
    network = read(every_noun())
    gateway = network.nat_gateways["nat-0a"]
    interface = network.interfaces["eni-0n"]
    assert gateway.interface_ids == ("eni-0n",)
    assert (gateway.is_public, gateway.is_available) == (True, True)
    assert (interface.interface_type, interface.source_dest_check) == ("natGateway", False)
    assert interface.ipv4[0].public == ip_address("203.0.113.200")
    assert "nat-0z" not in network.nat_gateways


def test_regional_nat_gateway_is_named_and_left_out(read):
    document = change(("NatGateways", 0, "AvailabilityMode"), "regional")
    network = read(document)
    assert "nat-0a" not in network.nat_gateways
    assert any(
        "nat-0a: a regional NAT gateway is not modelled" in each for each in network.warnings
    )
    assert any("route target nat-0a" in each for each in network.warnings)


def test_gateways_peerings_endpoints_and_addresses(read):
    network = read(every_noun())
    assert network.internet_gateways["igw-0a"].vpc_id == "vpc-0a"
    assert network.egress_only_gateways["eigw-0a"].vpc_id == "vpc-0a"
    peering = network.peerings["pcx-0a"]
    assert peering.is_active
    assert peering.is_same_region
    assert peering.other_side("vpc-0a").blocks == (
        ip_network("10.9.0.0/16"),
        ip_network("2001:db8:9::/56"),
    )
    assert network.endpoints["vpce-0a"].route_table_ids == ("rtb-0a",)
    address = network.addresses["eipalloc-0b"]
    assert (str(address.public_ip), address.interface_id) == ("203.0.113.200", "eni-0n")


@pytest.mark.parametrize("code", ["pending-acceptance", "deleted", "rejected"])
def test_peering_that_is_not_active(read, code):
    document = change(("VpcPeeringConnections", 0, "Status", "Code"), code)
    assert not read(document).peerings["pcx-0a"].is_active


REFUSED = [
    (
        ("SecurityGroups", 0, "IpPermissions", 0, "IpRanges", 1, "CidrIp"),
        "10.0.0.0",
        "SecurityGroups[0].IpPermissions[0].IpRanges[1].CidrIp: '10.0.0.0' is not a CIDR block",
    ),
    (
        ("SecurityGroups", 0, "IpPermissions", 0, "IpRanges", 1, "CidrIp"),
        "::/0",
        "SecurityGroups[0].IpPermissions[0].IpRanges[1].CidrIp: '::/0' is not an IPv4 CIDR block",
    ),
    (
        ("SecurityGroups", 0, "IpPermissions", 0, "FromPort"),
        "443",
        "SecurityGroups[0].IpPermissions[0].FromPort: '443' is not a whole number",
    ),
    (
        ("SecurityGroups", 0, "IpPermissions", 0, "FromPort"),
        444,
        "SecurityGroups[0].IpPermissions[0]: ports 444-443 are not a range",
    ),
    (
        ("SecurityGroups", 0, "IpPermissions", 0, "FromPort"),
        None,
        "SecurityGroups[0].IpPermissions[0]: tcp needs both FromPort and ToPort",
    ),
    (
        ("SecurityGroups", 0, "IpPermissions", 0, "IpProtocol"),
        "all",
        "SecurityGroups[0].IpPermissions[0]: 'all' is not a protocol",
    ),
    (("SecurityGroups", 0, "GroupId"), None, "SecurityGroups[0].GroupId: is missing"),
    (("SecurityGroups", 0), "sg-1", "SecurityGroups[0]: 'sg-1' is not an object"),
    (("SecurityGroups",), {"a": 1}, "SecurityGroups: {'a': 1} is not a list"),
    (
        ("NetworkInterfaces", 0, "Groups"),
        [],
        "NetworkInterfaces[0].Groups: an interface of type interface without a group",
    ),
    (
        ("NetworkInterfaces", 0, "VpcId"),
        "vpc-0z",
        "NetworkInterfaces[0]: stands in vpc-0z, which is not in the files",
    ),
    (
        ("NetworkInterfaces", 0, "SubnetId"),
        "subnet-0z",
        "NetworkInterfaces[0]: stands in subnet-0z, which is not in the files",
    ),
    (
        ("NetworkInterfaces", 0, "MacAddress"),
        "02:00",
        "NetworkInterfaces[0].MacAddress: '02:00' is not a MAC address",
    ),
    (
        ("NetworkInterfaces", 0, "PrivateIpAddresses", 0, "PrivateIpAddress"),
        "10.0.1.256",
        "NetworkInterfaces[0].PrivateIpAddresses[0].PrivateIpAddress: '10.0.1.256' is not an",
    ),
    (
        ("NetworkInterfaces", 0, "ConnectionTrackingConfiguration", "UdpTimeout"),
        61,
        "NetworkInterfaces[0].ConnectionTrackingConfiguration.UdpTimeout: 61 is not within 30-60",
    ),
    (
        ("NetworkInterfaces", 0, "SourceDestCheck"),
        "false",
        "NetworkInterfaces[0].SourceDestCheck: 'false' is not true or false",
    ),
    (
        ("NetworkInterfaces", 0, "PrivateIpAddresses", 0, "PrivateIpAddress"),
        "10.0.1.200",
        "eni-0n has 10.0.1.200, which eni-0a of the same VPC has too",
    ),
    (
        ("NetworkAcls", 0, "Associations", 1),
        None,
        "Subnets[1]: no ACL is associated with subnet-0b (expected every ACL of vpc-0a",
    ),
    (
        ("NetworkAcls", 0, "VpcId"),
        "vpc-0z",
        "Subnets[0]: subnet-0a has acl-0a, which is no ACL of its VPC vpc-0a",
    ),
    (
        ("NetworkAcls", 0, "Entries", 0, "RuleAction"),
        "allow",
        "NetworkAcls[0].Entries[0]: entry 32767 does not deny",
    ),
    (
        ("NetworkAcls", 0, "Entries", 3, "RuleAction"),
        "permit",
        "NetworkAcls[0].Entries[3].RuleAction: 'permit' is neither allow nor deny",
    ),
    (
        ("NetworkAcls", 0, "Entries", 3, "RuleNumber"),
        110,
        "NetworkAcls[0].Entries[3]: entry 110 stands twice in one direction",
    ),
    (
        ("NetworkAcls", 0, "Entries", 3, "Egress"),
        None,
        "NetworkAcls[0].Entries[3].Egress: is missing",
    ),
    (
        ("NetworkAcls", 0, "Entries", 4, "IcmpTypeCode"),
        None,
        "NetworkAcls[0].Entries[4].IcmpTypeCode: is missing",
    ),
    (
        ("NetworkAcls", 0, "Entries", 2, "PortRange"),
        None,
        "NetworkAcls[0].Entries[2]: tcp needs both FromPort and ToPort",
    ),
    (
        ("NetworkAcls", 0, "Entries", 3, "CidrBlock"),
        None,
        "NetworkAcls[0].Entries[3]: has no single block",
    ),
    (
        ("RouteTables", 0, "Associations", 0, "Main"),
        False,
        "Subnets[0]: no route table serves subnet-0a",
    ),
    (
        ("RouteTables", 1, "Associations", 0, "Main"),
        True,
        "RouteTables[1]: vpc-0a has two main route tables, rtb-0a and rtb-0b",
    ),
    (
        ("RouteTables", 0, "Routes", 1, "GatewayId"),
        None,
        "RouteTables[0].Routes[1]: leads to nothing that is known",
    ),
    (
        ("RouteTables", 0, "Routes", 1, "DestinationCidrBlock"),
        None,
        "RouteTables[0].Routes[1]: has no destination",
    ),
    (
        ("PrefixLists", 0, "Cidrs", 1),
        "::/0",
        "PrefixLists[0]: pl-0000000b has IPv4 and IPv6 entries (expected one family)",
    ),
    (
        ("VpcPeeringConnections", 0, "AccepterVpcInfo"),
        None,
        "VpcPeeringConnections[0].AccepterVpcInfo: is missing",
    ),
]


@pytest.mark.parametrize(("path", "value", "expected"), REFUSED)
def test_what_cannot_be_used_is_refused_with_its_place(refusal, path, value, expected):
    text = refusal(change(path, value))
    assert text.startswith("network.json: ")
    assert expected in text


def test_wholly_absent_acls_are_the_default_and_named(read):
    document = change(("NetworkAcls",))
    network = read(document)
    acl = network.acls[network.subnets["subnet-0a"].network_acl_id]
    assert [(each.rule_number, str(each.cidr)) for each in acl.entries if each.is_egress] == [
        (100, "0.0.0.0/0"),
        (101, "::/0"),
    ]
    assert sum("AWS's default ACL is assumed" in each for each in network.warnings) == 1


def test_wholly_absent_route_tables_are_local_routes_and_named(read):
    network = read(change(("RouteTables",)))
    table = network.route_table_of("subnet-0a")
    assert {str(route.target) for route in table.routes} == {"local"}
    assert sum("only its local routes are assumed" in each for each in network.warnings) == 1


def test_group_that_an_interface_carries_and_nobody_describes_is_named_once(read):
    document = change(("NetworkInterfaces", 0, "Groups"), [{"GroupId": "sg-0x"}])
    network = read(document)
    assert network.interfaces["eni-0a"].group_ids == ("sg-0x",)
    assert [each for each in network.warnings if "sg-0x" in each] == [
        "security group sg-0x, sg-0f: mentioned, but not in the files; matches nothing "
        "(bring it with --with)"
    ]


def test_nouns_of_other_vpcs_are_left_out_and_named(read):
    document = every_noun()
    document["SecurityGroups"].append({"GroupId": "sg-0x", "VpcId": "vpc-0x"})
    network = read(document)
    assert "sg-0x" not in network.groups
    assert "security group sg-0x: left out, because vpc-0x is not in the files" in network.warnings


def test_properties_not_modelled_or_unknown_are_named_once_with_their_first_place(read, tmp_path):
    document = every_noun()
    document["Vpcs"][0]["BlockPublicAccessStates"]["InternetGatewayBlockMode"] = "block-ingress"
    for subnet in document["Subnets"]:
        subnet["Shiny"] = {"New": 1}
    document["NetworkInterfaces"][0]["DenyAllIgwTraffic"] = True
    document["Images"] = []
    warnings = [each.replace(f"{tmp_path}/", "") for each in read(document).warnings]
    for line in (
        "network.json: Vpcs[0].BlockPublicAccessStates.InternetGatewayBlockMode: not modelled",
        "network.json: Subnets[0].Shiny: not a property that is known",
        "network.json: NetworkInterfaces[0].DenyAllIgwTraffic: not modelled",
        "network.json: Images is not read",
    ):
        assert warnings.count(line) == 1
    assert not any("Subnets[1].Shiny" in each for each in warnings)


def test_null_is_absent_everywhere(read):
    document = every_noun()
    for nodes in document.values():
        for node in nodes:
            node["Tags"] = None
    document["NetworkInterfaces"][0]["Ipv6Prefixes"] = None
    assert read(document).vpcs["vpc-0a"].names == ()


def test_large_network_is_whole_and_the_same_for_the_same_seed(read):
    document = large(groups=50, rules=15, interfaces=100, seed=7)
    assert document == large(groups=50, rules=15, interfaces=100, seed=7)
    network = read(document)
    assert sum(len(group.rules) for group in network.groups.values()) == 50 * 15
    assert len(network.interfaces) == 100
    assert network.warnings == ()
    assert not any(
        isinstance(rule.peer, External) for group in network.groups.values() for rule in group.rules
    )


def test_address_of_another_network_is_left_out_and_named(read):
    document = every_noun()
    document["Addresses"].append({"AllocationId": "eipalloc-0w", "CarrierIp": "155.146.1.1"})
    network = read(document)
    assert "eipalloc-0w" not in network.addresses
    assert any("CarrierIp: not modelled" in each for each in network.warnings)


@pytest.mark.semantics("describe-5")
@pytest.mark.parametrize(
    ("interface_type", "found"), [("interface", "load_balancer"), ("lambda", "lambda")]
)
def test_interface_that_load_balancing_asked_for_is_a_load_balancers(read, interface_type, found):
    document = change(("NetworkInterfaces", 0, "RequesterId"), "amazon-elb")
    document["NetworkInterfaces"][0]["InterfaceType"] = interface_type
    assert read(document).interfaces["eni-0a"].interface_type == found
