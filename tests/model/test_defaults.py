from ipaddress import IPv4Network, IPv6Network

import pytest

from secgroup.model import defaults
from secgroup.model.group import GroupReference
from secgroup.model.vpc import Vpc

IPV4_ONLY = Vpc(vpc_id="vpc-1", ipv4_blocks=(IPv4Network("10.0.0.0/16"),))
DUAL = Vpc(
    vpc_id="vpc-2",
    ipv4_blocks=(IPv4Network("10.0.0.0/16"),),
    ipv6_blocks=(IPv6Network("2001:db8::/56"),),
)


@pytest.mark.semantics("default-1")
def test_new_group_egress_everything_out_ipv6_only_with_ipv6_block():
    rules = defaults.egress_of_new_group("sg-1", has_ipv6=False)
    assert [(str(rule.peer), str(rule.traffic), rule.is_egress) for rule in rules] == [
        ("0.0.0.0/0", "all", True)
    ]
    rules = defaults.egress_of_new_group("sg-1", has_ipv6=True)
    assert [str(rule.peer) for rule in rules] == ["0.0.0.0/0", "::/0"]
    assert [rule.rule_id for rule in rules] == ["sg-1/egress/0", "sg-1/egress/1"]


@pytest.mark.semantics("default-2")
def test_default_group_admits_itself_only():
    group = defaults.default_group(DUAL, group_id="sg-1")
    ingress = [rule for rule in group.rules if not rule.is_egress]
    assert [rule.peer for rule in ingress] == [GroupReference(group_id="sg-1")]
    assert [str(rule.peer) for rule in group.rules if rule.is_egress] == ["0.0.0.0/0", "::/0"]
    assert (group.name, group.vpc_id) == ("default", "vpc-2")


@pytest.mark.semantics("default-3")
def test_default_acl_has_100_and_with_ipv6_101_both_ways():
    def numbers(vpc):
        acl = defaults.default_acl(vpc, network_acl_id="acl-1")
        assert all(entry.is_allow for entry in acl.entries)
        return [(entry.is_egress, entry.rule_number, str(entry.cidr)) for entry in acl.entries]

    assert numbers(IPV4_ONLY) == [(False, 100, "0.0.0.0/0"), (True, 100, "0.0.0.0/0")]
    assert numbers(DUAL) == [
        (False, 100, "0.0.0.0/0"),
        (False, 101, "::/0"),
        (True, 100, "0.0.0.0/0"),
        (True, 101, "::/0"),
    ]


@pytest.mark.semantics("default-4")
def test_main_route_table_has_only_local_routes():
    table = defaults.main_route_table(DUAL, route_table_id="rtb-1")
    assert table.is_main
    assert [(str(route.destination), str(route.target)) for route in table.routes] == [
        ("10.0.0.0/16", "local"),
        ("2001:db8::/56", "local"),
    ]


@pytest.mark.semantics("default-5")
@pytest.mark.parametrize(
    ("instance_type", "tcp_s"),
    [
        (None, 432_000),
        ("t3.micro", 432_000),
        ("m8g.large", 432_000),
        ("p6e-gb200.36xlarge", 432_000),
        ("u-6tb1.metal", 432_000),
        ("m8i.large", 350),
        ("M8I.large", 350),
        ("m8i-flex.large", 350),
        ("p6-b200.48xlarge", 350),
        ("m8gn.metal-24xl", 350),
    ],
)
def test_tracking_defaults_by_instance_family(instance_type, tcp_s):
    assert defaults.tracking_defaults(instance_type) == (tcp_s, 30, 180)
