"""What rules mean once groups, prefix lists and routes are resolved."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address

import pytest

from secgroup.lessons.scene import VPC, scene
from secgroup.lessons.talk import datagram
from secgroup.model.group import GroupReference, PrefixListReference, SecurityGroup
from secgroup.model.interface import ConnectionTracking, Instance
from secgroup.model.route import PeeringConnection, PeeringSide, Route, Target, TargetKind
from secgroup.model.vpc import Vpc
from secgroup.net.direction import Direction
from secgroup.policy.resolve import Policy, routers_of, services_of
from secgroup.policy.routes import most_specific

IN, OUT = Direction.INGRESS, Direction.EGRESS
HERE = "10.0.1.10"


def matches(network, source, at="web", port=53):
    """The rules of `at` that admit a datagram from `source`."""
    inside = str(network.interfaces[at].addresses[0 if ":" not in source else -1])
    packet = datagram(source, inside, port)
    return Policy(network).at(at).matching(packet, IN, packet.source)


def edit(network, at, **fields):
    return replace(
        network, interfaces={**network.interfaces, at: replace(network.interfaces[at], **fields)}
    )


def pair(*rules):
    return scene(
        groups={"web": rules or ["in all app"], "app": []},
        interfaces={"web": f"{HERE} 2001:db8:1:1::10 web", "app": "10.0.2.20 2001:db8:1:2::20 app"},
    )


@pytest.mark.semantics("sg-5", "sg-6")
def test_reference_matches_every_private_address_of_every_member():
    network = pair()
    app = network.interfaces["app"]
    network = edit(
        network,
        "app",
        ipv4=(
            replace(app.ipv4[0], public=IPv4Address("198.51.100.1")),
            replace(
                app.ipv4[0], address=IPv4Address("10.0.2.21"), public=IPv4Address("198.51.100.2")
            ),
        ),
        ipv6=(*app.ipv6, ip_address("2001:db8:1:2::21")),
        prefixes=(IPv4Network("10.0.9.16/28"), IPv6Network("2001:db8:1:9::/80")),
    )
    for source in (
        "10.0.2.20",
        "10.0.2.21",
        "2001:db8:1:2::20",
        "2001:db8:1:2::21",
        "10.0.9.16",
        "10.0.9.31",
        "2001:db8:1:9::9",
    ):
        assert matches(network, source) == ("web/ingress/0",), source
    for source in ("198.51.100.1", "198.51.100.2", "10.0.2.22", "10.0.9.32", HERE, "10.0.2.0"):
        assert matches(network, source) == (), source


@pytest.mark.semantics("sg-5")
def test_reference_to_itself_matches_its_members_the_interface_included():
    network = scene(
        groups={"web": ["in all web"]},
        interfaces={"web": f"{HERE} web", "other": "10.0.1.11 web", "not": "10.0.1.12"},
    )
    assert matches(network, "10.0.1.11") == ("web/ingress/0",)
    assert matches(network, HERE) == ("web/ingress/0",)
    assert matches(network, "10.0.1.12") == ()


@pytest.mark.semantics("sg-5")
def test_reference_takes_over_no_rules():
    network = scene(
        groups={"web": ["in all app"], "app": ["in udp/53 203.0.113.9/32"]},
        interfaces={"web": f"{HERE} web", "app": "10.0.2.20 app"},
    )
    assert matches(network, "203.0.113.9") == ()


@pytest.mark.semantics("sg-7")
def test_what_is_not_known_matches_nothing():
    network = pair("in all elsewhere", "in all pl-unknown", "in all app")
    assert matches(network, "203.0.113.9") == ()
    assert matches(network, "10.0.2.20") == ("web/ingress/2",)
    # A group that interfaces carry and nobody describes.
    assert matches(edit(network, "app", group_ids=("elsewhere",)), "10.0.2.20") == ()
    # The group's interface has only groups that are not here: no rule, no traffic.
    assert matches(edit(network, "web", group_ids=("elsewhere",)), "10.0.2.20") == ()


@pytest.mark.semantics("sg-7")
@pytest.mark.parametrize(
    ("said", "has", "matched"),
    [("1", "1", True), ("1", "2", False), (None, "2", True), ("1", None, True)],
)
def test_reference_to_another_accounts_group_matches_only_that_accounts(said, has, matched):
    network = pair()
    rule = replace(
        network.groups["web"].rules[0], peer=GroupReference(group_id="app", owner_id=said)
    )
    groups = {
        "web": replace(network.groups["web"], rules=(rule,)),
        "app": replace(network.groups["app"], owner_id=has),
    }
    assert bool(matches(replace(network, groups=groups), "10.0.2.20")) is matched


def two_vpcs(*, active=True, regions=("eu-west-1", "eu-west-1"), peered=True):
    """`app` moves to a VPC of its own, with or without a peering connection."""
    network = pair()
    other = Vpc(vpc_id="vpc-2", ipv4_blocks=(IPv4Network("10.2.0.0/16"),))
    network = edit(
        network,
        "app",
        vpc_id="vpc-2",
        ipv4=(replace(network.interfaces["app"].ipv4[0], address=IPv4Address("10.2.0.20")),),
    )
    peering = PeeringConnection(
        peering_id="pcx-1",
        requester=PeeringSide(vpc_id="vpc-1", region=regions[0]),
        accepter=PeeringSide(vpc_id="vpc-2", region=regions[1]),
        is_active=active,
    )
    return replace(
        network,
        vpcs={"vpc-1": VPC, "vpc-2": other},
        groups={**network.groups, "app": SecurityGroup(group_id="app", vpc_ids=("vpc-2",))},
        peerings={"pcx-1": peering} if peered else {},
    )


@pytest.mark.semantics("sg-8")
@pytest.mark.parametrize(
    ("network", "matched"),
    [
        (two_vpcs(), True),
        (two_vpcs(regions=(None, "eu-west-1")), True),
        (two_vpcs(active=False), False),
        (two_vpcs(regions=("eu-west-1", "us-east-1")), False),
        (two_vpcs(peered=False), False),
    ],
)
def test_reference_reaches_over_active_peering_in_the_region(network, matched):
    assert bool(matches(network, "10.2.0.20")) is matched


@pytest.mark.semantics("sg-8")
def test_reference_works_from_either_side_of_a_peering_and_no_further():
    network = two_vpcs()
    rule = replace(
        network.groups["web"].rules[0], group_id="app", peer=GroupReference(group_id="web")
    )
    network = replace(
        network, groups={**network.groups, "app": replace(network.groups["app"], rules=(rule,))}
    )
    assert matches(network, HERE, at="app")
    # vpc-3 is joined to vpc-2 only.
    far = replace(
        network.peerings["pcx-1"],
        peering_id="pcx-2",
        requester=PeeringSide(vpc_id="vpc-2"),
        accepter=PeeringSide(vpc_id="vpc-3"),
    )
    third = replace(network.interfaces["app"], interface_id="third", vpc_id="vpc-3")
    network = replace(
        network,
        vpcs={**network.vpcs, "vpc-3": replace(VPC, vpc_id="vpc-3")},
        peerings={**network.peerings, "pcx-2": far},
        interfaces={"web": network.interfaces["web"], "third": third},
    )
    assert not matches(network, "10.2.0.20")


@pytest.mark.semantics("sg-10")
def test_prefix_list_matches_its_entries_of_the_packets_family():
    network = scene(
        groups={"web": ["in all pl-1"]},
        interfaces={"web": f"{HERE} 2001:db8:1:1::10 web"},
        prefix_lists={"pl-1": ["198.51.100.0/25", "203.0.113.9/32"]},
    )
    for source, matched in (
        ("198.51.100.0", True),
        ("198.51.100.127", True),
        ("198.51.100.128", False),
        ("203.0.113.9", True),
        ("203.0.113.8", False),
        ("2001:db8::1", False),
    ):
        assert bool(matches(network, source)) is matched, source


def test_prefix_list_with_a_name_only_matches_nothing():
    network = scene(
        groups={"web": ["in all pl-1"]},
        interfaces={"web": f"{HERE} web"},
        prefix_lists={"pl-1": []},
    )
    named = replace(network.prefix_lists["pl-1"], entries=None)
    assert matches(replace(network, prefix_lists={"pl-1": named}), "203.0.113.9") == ()


@pytest.mark.semantics("sg-2")
def test_groups_are_a_union_in_order_and_a_group_counts_once():
    network = scene(
        groups={"a": ["in udp/53 0.0.0.0/0"], "b": ["in all 203.0.113.0/24"]},
        interfaces={"web": f"{HERE} b a b"},
    )
    assert matches(network, "203.0.113.9") == ("b/ingress/0", "a/ingress/0")
    assert matches(network, "192.0.2.1") == ("a/ingress/0",)


@pytest.mark.semantics("sg-11")
@pytest.mark.parametrize(
    ("block", "inside", "outside"),
    [
        ("203.0.113.8/29", ("203.0.113.8", "203.0.113.15"), ("203.0.113.7", "203.0.113.16")),
        ("203.0.113.9/32", ("203.0.113.9",), ("203.0.113.8", "203.0.113.10")),
        ("100.68.0.18/18", ("100.68.0.0", "100.68.63.255"), ("100.67.255.255", "100.68.64.0")),
        ("2001:db8::/127", ("2001:db8::", "2001:db8::1"), ("2001:db8::2",)),
        ("0.0.0.0/0", ("0.0.0.1", "255.255.255.254"), ("2001:db8::1",)),
        ("::/0", ("2001:db8::1",), ("203.0.113.9",)),
    ],
)
def test_block_matches_its_bounds_and_its_family_only(block, inside, outside):
    network = scene(
        groups={"web": [f"in all {block}"]}, interfaces={"web": f"{HERE} 2001:db8:1:1::10 web"}
    )
    assert all(matches(network, source) for source in inside)
    assert not any(matches(network, source) for source in outside)


@pytest.mark.semantics("time-5")
@pytest.mark.parametrize(
    ("tracking", "instance_type", "expected"),
    [
        (ConnectionTracking(), None, (432_000, 30, 180)),
        (ConnectionTracking(), "m8i.large", (350, 30, 180)),
        (ConnectionTracking(tcp_established_timeout=60), "m8i.large", (60, 30, 180)),
        (ConnectionTracking(udp_timeout=60, udp_stream_timeout=90), None, (432_000, 60, 90)),
    ],
)
def test_idle_timeouts_are_the_interfaces_else_the_instance_types(
    tracking, instance_type, expected
):
    network = edit(pair(), "web", tracking=tracking)
    instance = Instance(instance_id="i-web", instance_type=instance_type)
    network = replace(network, instances={"i-web": instance})
    assert Policy(network).at("web").timeouts == expected


@pytest.mark.semantics("exempt-1", "exempt-6")
def test_services_and_routers_of_a_subnet():
    def dns(vpc):
        return {str(a) for s in services_of(vpc) if s.port == 53 for a in s.addresses}

    own = {"169.254.169.253", "fd00:ec2::253"}
    assert dns(VPC) == own | {"10.0.0.2"}, "of the primary block only"
    assert dns(replace(VPC, enable_dns_support=False)) == own
    assert dns(replace(VPC, ipv4_blocks=())) == own
    subnet = pair().subnets["10.0.1"]
    assert {str(each) for each in routers_of(subnet)} == {
        "10.0.1.1",
        "2001:db8:1:1::1",
        "fe80:ec2::1",
    }
    assert len(routers_of(replace(subnet, ipv4_block=None))) == 2


def route(to, kind, target_id="t"):
    destination = PrefixListReference(prefix_list_id=to) if to.startswith("pl-") else None
    if destination is None:
        destination = (IPv6Network if ":" in to else IPv4Network)(to)
    return Route(destination=destination, target=Target(kind=kind, target_id=target_id))


def test_the_longest_prefix_wins_and_local_wins_ties():
    network = scene(
        groups={}, interfaces={"web": f"{HERE} web"}, prefix_lists={"pl-1": ["203.0.113.0/24"]}
    )
    table = replace(
        network.route_tables["rtb-1"],
        routes=(
            route("0.0.0.0/0", TargetKind.INTERNET_GATEWAY, "igw"),
            route("10.0.0.0/16", TargetKind.PEERING, "pcx"),
            route("10.0.0.0/16", TargetKind.LOCAL, "local"),
            route("10.0.5.0/24", TargetKind.INTERFACE, "eni"),
            route("pl-1", TargetKind.GATEWAY_ENDPOINT, "vpce"),
            route("pl-unknown", TargetKind.GATEWAY_ENDPOINT, "vpce-2"),
            route("::/0", TargetKind.EGRESS_ONLY_GATEWAY, "eigw"),
        ),
    )
    for address, target in (
        ("8.8.8.8", "igw"),
        ("10.0.4.1", "local"),
        ("10.0.5.1", "eni"),
        ("203.0.113.9", "vpce"),
        ("2001:db8::1", "eigw"),
    ):
        chosen = most_specific(network, table, ip_address(address))
        assert chosen is not None
        assert chosen.target.target_id == target
    assert most_specific(network, replace(table, routes=()), ip_address("8.8.8.8")) is None
