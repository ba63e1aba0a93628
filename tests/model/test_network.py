from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_address

from secgroup.lessons.scene import scene

NETWORK = scene(
    groups={"a": [], "b": []},
    interfaces={"web": "10.0.1.10 2001:db8:1:1::10 a b a", "app": "10.0.2.20 b"},
)


def ids(interfaces):
    return [each.interface_id for each in interfaces]


def test_members_of_a_group_once_each_in_the_order_of_their_ids():
    assert ids(NETWORK.members["b"]) == ["app", "web"]
    assert ids(NETWORK.members["a"]) == ["web"]
    assert "c" not in NETWORK.members


def test_interfaces_with_an_address_prefixes_included():
    app = replace(NETWORK.interfaces["app"], prefixes=(IPv4Network("10.0.2.16/28"),))
    network = replace(NETWORK, interfaces={**NETWORK.interfaces, "app": app})
    assert ids(network.interfaces_with(ip_address("2001:db8:1:1::10"))) == ["web"]
    assert ids(network.interfaces_with(IPv4Address("10.0.2.20"))) == ["app"]
    assert ids(network.interfaces_with(IPv4Address("10.0.2.31"))) == ["app"]
    assert ids(network.interfaces_with(IPv4Address("10.0.2.32"))) == []


def test_route_table_of_a_subnet_is_its_own_else_the_main_one():
    main = NETWORK.route_tables["rtb-1"]
    own = replace(main, route_table_id="rtb-2", is_main=False, subnet_ids=("10.0.2",))
    network = replace(NETWORK, route_tables={"rtb-1": main, "rtb-2": own})
    assert network.route_table_of("10.0.1") is main
    assert network.route_table_of("10.0.2") is own
    assert replace(NETWORK, route_tables={}).route_table_of("10.0.1") is None


def test_owner_is_the_instance_else_the_interface():
    assert NETWORK.interfaces["web"].owner == "i-web"
    assert replace(NETWORK.interfaces["web"], instance_id=None).owner == "web"


def test_vpc_and_subnet_contain_their_blocks():
    vpc, subnet = NETWORK.vpcs["vpc-1"], NETWORK.subnets["10.0.1"]
    assert ip_address("10.0.9.9") in vpc
    assert ip_address("172.31.0.1") in vpc
    assert ip_address("2001:db8:1:ff::1") in vpc
    assert ip_address("10.1.0.1") not in vpc
    assert ip_address("10.0.1.255") in subnet
    assert ip_address("10.0.2.0") not in subnet
    assert ip_address("2001:db8:1:1::9") in subnet
    assert ip_address("2001:db8:1:2::9") not in subnet
    assert ip_address("10.0.1.5") not in replace(subnet, ipv4_block=None)


def test_revised_network_derives_anew_only_what_other_nouns_bring():
    members, holders = NETWORK.members, NETWORK.holders
    with_groups = NETWORK.revised(groups={})
    assert with_groups.groups == {}
    assert with_groups.members is members
    assert with_groups.holders is holders

    second = replace(NETWORK.interfaces["app"], interface_id="second")
    grown = with_groups.revised(interfaces={**NETWORK.interfaces, "second": second})
    assert ids(grown.members["b"]) == ["app", "second", "web"]
    assert ids(NETWORK.members["b"]) == ["app", "web"]
