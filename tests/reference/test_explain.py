"""`explain`: what is said, what is proposed, and that it holds."""

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import secgroup
from secgroup.errors import InputError
from secgroup.model.interface import Instance
from secgroup.model.network import Network
from secgroup.net.ports import PortRange, parse_service
from secgroup.reference.alike import alike
from secgroup.reference.box import Box
from secgroup.reference.change import AddAclEntry, AddRoute, AssociateAddress, SwitchCheckOff
from secgroup.reference.explain import _remedy
from secgroup.reference.explanation import Explanation
from secgroup.reference.journey import Answer
from secgroup.reference.path import converse
from secgroup.reference.question import Pair, Question, conversation_of, decide_pair, pairs_of
from secgroup.reference.ways import Ways
from tests.support.vpcs import OPEN, Plan, two_subnets


def explain(
    plan: Plan | Network, source: str, destination: str, service: str = "tcp/443", **more: Any
) -> Explanation:
    network = plan.network() if isinstance(plan, Plan) else plan
    return secgroup.explain(
        network, source=source, destination=destination, service=service, **more
    )


def blocks(found: Explanation) -> list[tuple[str, str, str]]:
    """Where each layer refuses: the leg, the place with its direction, the reason."""
    return [
        (
            each.line.leg.value,
            each.line.place
            if each.line.direction is None
            else f"{each.line.direction} {each.line.place}",
            each.line.reason,
        )
        for each in found.blocks
    ]


def applied(network: Network, found: Explanation) -> Network:
    for change in found.changes:
        network = change.apply(network)
    return network


# ------------------------------------------------------------------ published examples


@pytest.mark.semantics("path-17")
def test_published_acl_example_allows_443_by_110_and_denies_139_at_the_end() -> None:
    """VPC User Guide, custom network ACLs: the worked example and its two outcomes."""
    entries = [
        f"{way} {number} allow {service} {block}"
        for way in ("in", "out")
        for number, service, block in (
            (100, "tcp/80", "0.0.0.0/0"),
            (105, "tcp/80", "::/0"),
            (110, "tcp/443", "0.0.0.0/0"),
            (115, "tcp/443", "::/0"),
            (120, "tcp/22" if way == "in" else "tcp/1024-65535", "192.0.2.0/24"),
            (140, "tcp/32768-65535", "0.0.0.0/0"),
            (145, "tcp/32768-65535", "::/0"),
        )
    ]
    plan = two_subnets(routes_b=("0.0.0.0/0 igw-1",)).internet_gateway("vpc-1")
    plan.interface("eni-b", "sub-b", "10.0.2.5", "sg-b", public="203.0.113.6").acl(
        "sub-b", *entries
    )
    ports = PortRange(first=32768, last=65535)
    found = explain(plan, "internet:198.51.100.7", "eni-b", "tcp/443", client_ports=ports)
    assert found
    line = found.outcomes[0].messages[0].lines[-1]
    assert line.acl is not None
    assert line.acl.rule_number == 110
    refused = explain(plan, "internet:198.51.100.7", "eni-b", "tcp/139", client_ports=ports)
    assert refused.blocks[0].line.acl is not None
    assert (refused.blocks[0].line.acl.rule_number, refused.answer) == (32767, Answer.NO)
    assert explain(plan, "internet:192.0.2.9", "eni-b", "tcp/22")
    assert not explain(plan, "internet:198.51.100.7", "eni-b", "tcp/22")


@pytest.mark.semantics("path-18")
def test_published_example_control_access_to_instances_in_a_subnet() -> None:
    """VPC User Guide, network ACL examples: both of its stated outcomes."""

    def plan(ssh_from: str) -> Plan:
        return (
            Plan()
            .vpc("vpc-1", "172.31.0.0/16")
            .subnet("sub-own", "vpc-1", "172.31.2.0/24")
            .subnet("sub-home", "vpc-1", "172.31.1.0/24")
            .acl(
                "sub-own",
                "in 100 allow tcp/22 172.31.1.2/32",
                "out 100 allow tcp/1024-65535 172.31.1.2/32",
            )
            .group("sg-own", "in all sg-own", f"in tcp/22 {ssh_from}", "out all sg-own")
            .group("sg-else", *OPEN)
            .interface("eni-x", "sub-own", "172.31.2.5", "sg-own")
            .interface("eni-y", "sub-own", "172.31.2.6", "sg-own")
            .interface("eni-z", "sub-own", "172.31.2.7", "sg-else")
            .interface("eni-home", "sub-home", "172.31.1.2", "sg-else")
            .interface("eni-other", "sub-home", "172.31.1.3", "sg-else")
        )

    narrow = plan("172.31.1.2/32")
    assert explain(narrow, "eni-home", "eni-x", "tcp/22")
    assert explain(narrow, "eni-y", "eni-x", "tcp/3306")
    assert not explain(narrow, "eni-other", "eni-x", "tcp/22")
    assert not explain(narrow, "eni-z", "eni-x", "tcp/22")
    wide = plan("0.0.0.0/0")
    assert explain(wide, "eni-home", "eni-x", "tcp/22")
    assert explain(wide, "eni-z", "eni-x", "tcp/22")
    assert not explain(wide, "eni-other", "eni-x", "tcp/22")


def test_published_tracking_example() -> None:
    """EC2 User Guide, connection tracking: 22 is tracked, 80 is not, ICMP is."""
    plan = two_subnets(routes_b=("0.0.0.0/0 igw-1", "::/0 igw-1")).internet_gateway("vpc-1")
    plan.interface("eni-b", "sub-b", "10.0.2.5 2600:1f00:0:2::5", "sg-b", public="203.0.113.6")
    plan.group(
        "sg-b",
        "in tcp/22 203.0.113.1/32",
        "in tcp/80 0.0.0.0/0",
        "in tcp/80 ::/0",
        "in icmp 0.0.0.0/0",
        "out all 0.0.0.0/0",
        "out all ::/0",
    )

    def tracked(
        service: str, source: str = "203.0.113.1", *, v6: bool = False
    ) -> tuple[bool | None, str]:
        found = explain(plan, f"internet:{source}", "eni-b", service, ipv6=v6)
        assert found
        line = found.outcomes[0].messages[0].lines[-1]
        return line.tracked, line.because

    assert tracked("tcp/22") == (True, "no ingress rule opens tcp/22 to 0.0.0.0/0")
    assert tracked("icmp/8/0") == (True, "ICMP queries are always tracked")
    is_tracked, why = tracked("tcp/80")
    assert not is_tracked
    assert "sgr-b-1" in why
    assert "sgr-b-4" in why
    assert tracked("tcp/80", "2a00:1450::1", v6=True)[0] is False


def test_automatically_tracked_says_by_what() -> None:
    plan = (
        two_subnets(routes_a=("0.0.0.0/0 nat-1",))
        .internet_gateway("vpc-1")
        .subnet("sub-n", "vpc-1", "10.0.9.0/24", routes=("0.0.0.0/0 igw-1",))
        .nat("sub-n", "10.0.9.9", public="203.0.113.9")
    )
    line = explain(plan, "eni-a", "internet:198.51.100.7").outcomes[0].messages[0].lines[0]
    assert (line.tracked, line.because) == (True, "automatically tracked: NAT gateway nat-1")


# ----------------------------------------------------------------- what nearly allowed it


@pytest.mark.parametrize(
    ("rule", "nearest"),
    [
        ("in tcp/443 10.0.1.0/24", "rule sgr-b-0 allows tcp/443, not tcp/5432"),
        ("in tcp/5432 10.0.0.0/24", "rule sgr-b-0 allows 10.0.0.0/24, the source is 10.0.1.5"),
        (
            "in tcp/5432 sg-web",
            "rule sgr-b-0 refers to group web (sg-web), which the source does not carry",
        ),
        ("in tcp/5432 sg-gone", "rule sgr-b-0 refers to group sg-gone, which is not in the files"),
        ("in tcp/5432 pl-1", "rule sgr-b-0 refers to prefix list pl-1, the source is 10.0.1.5"),
        (
            "in tcp/5432 pl-9",
            "rule sgr-b-0 refers to prefix list pl-9, whose entries are not in the files",
        ),
        (
            "in udp/5432 10.9.0.0/16",
            "rule sgr-b-0 allows udp/5432, not tcp/5432, "
            "and allows 10.9.0.0/16, the source is 10.0.1.5",
        ),
    ],
)
def test_nearest_rule_names_the_field_that_misses(rule: str, nearest: str) -> None:
    plan = two_subnets().group("sg-web").prefix_list("pl-1", "198.51.100.0/24").group("sg-b", rule)
    found = explain(plan, "eni-a", "eni-b", "tcp/5432")
    assert found.blocks[0].nearest == nearest
    assert found.blocks[0].line.code == "ENI_SG_RULES_MISMATCH"


def test_nearest_rule_of_several_misses_least() -> None:
    plan = two_subnets().group(
        "sg-b", "in udp/53 10.0.9.0/24", "in tcp/5432 10.0.9.0/24", "in tcp/22 10.0.1.0/24"
    )
    assert "sgr-b-1" in (explain(plan, "eni-a", "eni-b", "tcp/5432").blocks[0].nearest or "")


def test_no_rules_at_all_has_a_code_and_no_nearest() -> None:
    block = explain(two_subnets().group("sg-b"), "eni-a", "eni-b").blocks[0]
    assert (block.line.code, block.nearest) == ("SG_HAS_NO_RULES", None)


def test_hairpin_says_that_private_addresses_count() -> None:
    plan = two_subnets(
        routes_a=("0.0.0.0/0 igw-1",), routes_b=("0.0.0.0/0 igw-1",)
    ).internet_gateway("vpc-1")
    plan.interface("eni-a", "sub-a", "10.0.1.5", "sg-a", public="203.0.113.5")
    plan.interface("eni-b", "sub-b", "10.0.2.5", "sg-b", public="203.0.113.6")
    plan.group("sg-b", "in all sg-a")
    found = explain(plan, "eni-a", "203.0.113.6")
    assert found.blocks[0].nearest == (
        "rule sgr-b-0 refers to group a (sg-a), whose private addresses count: "
        "the source is the public address 203.0.113.5"
    )
    assert str(found.changes[0]) == "add to group sg-b an ingress rule: tcp/443 from 203.0.113.5/32"


def test_appliance_hides_references() -> None:
    plan = two_subnets(routes_a=("10.0.2.0/24 eni-m",)).subnet("sub-m", "vpc-1", "10.0.3.0/24")
    plan.group("sg-m", *OPEN).interface("eni-m", "sub-m", "10.0.3.5", "sg-m", check=False)
    plan.group("sg-b", "in all sg-a", "out all sg-a")
    block = explain(plan, "eni-a", "eni-b").blocks[0]
    assert block.line.code == "SG_REFERENCES_NOT_PRESERVED"
    assert (
        block.nearest == "rule sgr-b-0 refers to group a (sg-a), which does not count behind eni-m"
    )


# ----------------------------------------------------------------- the smallest change


def test_rule_prefers_the_group_of_the_peer() -> None:
    found = explain(two_subnets().group("sg-b"), "eni-a", "eni-b", "tcp/5432")
    assert [str(each) for each in found.changes] == [
        "add to group sg-b an ingress rule: tcp/5432 from group sg-a"
    ]


def test_rule_names_the_address_where_no_reference_reaches() -> None:
    plan = two_subnets(routes_b=("0.0.0.0/0 igw-1",)).internet_gateway("vpc-1")
    plan.interface("eni-b", "sub-b", "10.0.2.5", "sg-b", public="203.0.113.6").group("sg-b")
    found = explain(plan, "198.51.100.7", "eni-b", "tcp/22")
    assert [str(each) for each in found.changes] == [
        "add to group sg-b an ingress rule: tcp/22 from 198.51.100.7/32"
    ]
    everyone = explain(plan, "internet", "eni-b", "tcp/22")
    assert [str(each) for each in everyone.changes] == [
        "add to group sg-b an ingress rule: tcp/22 from 0.0.0.0/0"
    ]


@pytest.mark.parametrize(
    ("entries", "number"),
    [
        (("in 50 deny tcp/443 0.0.0.0/0", "in 100 allow all 0.0.0.0/0"), 49),
        (
            (
                "in 49 allow udp 0.0.0.0/0",
                "in 50 deny tcp/443 0.0.0.0/0",
                "in 100 allow all 0.0.0.0/0",
            ),
            48,
        ),
        (("in 100 allow tcp/22 0.0.0.0/0",), 110),
        ((), 100),
    ],
)
def test_acl_entry_gets_a_free_number_before_the_denying_one(
    entries: tuple[str, ...], number: int
) -> None:
    plan = two_subnets().acl("sub-b", "out 100 allow all 0.0.0.0/0", *entries)
    found = explain(plan, "eni-a", "eni-b")
    (change,) = found.changes
    assert isinstance(change, AddAclEntry)
    assert (change.entry.rule_number, str(change.entry.cidr)) == (number, "10.0.1.5/32")


def test_first_entry_leaves_no_number() -> None:
    plan = two_subnets().acl("sub-b", "out 100 allow all 0.0.0.0/0", "in 1 deny all 0.0.0.0/0")
    found = explain(plan, "eni-a", "eni-b")
    assert found.changes == ()
    assert found.blocks[0].change is None
    assert "no single change found" in str(found)


def test_gateway_endpoint_is_allowed_by_its_prefix_list_and_the_block_of_it() -> None:
    plan = two_subnets(routes_a=("pl-s3 vpce-1",)).endpoint("vpc-1")
    plan.prefix_list("pl-s3", "52.216.0.0/15", "3.5.0.0/19")
    plan.group("sg-a", "out tcp/443 10.0.0.0/16")
    plan.acl("sub-a", "in 100 allow all 10.0.0.0/16", "out 100 allow all 10.0.0.0/16")
    found = explain(plan, "eni-a", "52.216.1.1")
    assert [str(each) for each in found.changes] == [
        "add to group sg-a an egress rule: tcp/443 to prefix list pl-s3",
        "add to acl-sub-a the egress entry 110: allow tcp/443 to 52.216.0.0/15",
        "add to acl-sub-a the ingress entry 110: allow tcp/32768-60999 from 52.216.0.0/15",
    ]
    everywhere = explain(plan, "eni-a", "internet")
    assert str(everywhere.blocks[0].change).endswith("egress rule: tcp/443 to 0.0.0.0/0")


def test_check_of_an_appliance_goes_off() -> None:
    plan = two_subnets(routes_a=("10.0.2.0/24 eni-m",)).subnet("sub-m", "vpc-1", "10.0.3.0/24")
    plan.group("sg-m", *OPEN).interface("eni-m", "sub-m", "10.0.3.5", "sg-m")
    found = explain(plan, "eni-a", "eni-b")
    assert found.changes == (SwitchCheckOff(interface_id="eni-m"),)
    assert found.blocks[0].line.code == "ENI_SOURCE_DEST_CHECK_RESTRICTION"


def test_route_goes_to_a_gateway_that_suits() -> None:
    public = (
        two_subnets()
        .internet_gateway("vpc-1")
        .interface("eni-a", "sub-a", "10.0.1.5 2600:1f00:0:1::5", "sg-a", public="203.0.113.5")
    )
    private = (
        two_subnets()
        .internet_gateway("vpc-1")
        .subnet("sub-n", "vpc-1", "10.0.9.0/24", routes=("0.0.0.0/0 igw-1",))
        .nat("sub-n", "10.0.9.9", public="203.0.113.9")
    )
    peered = (
        two_subnets()
        .vpc("vpc-2", "10.1.0.0/16")
        .subnet("sub-c", "vpc-2", "10.1.1.0/24")
        .group("sg-c", *OPEN, vpc="vpc-2")
        .interface("eni-c", "sub-c", "10.1.1.5", "sg-c")
        .peering("vpc-1", "vpc-2")
    )

    def routes(plan: Plan, to: str, **more: Any) -> list[str]:
        found = explain(plan, "eni-a", to, **more)
        assert all(isinstance(each, AddRoute) for each in found.changes)
        return [str(each).removeprefix("add to ") for each in found.changes]

    assert routes(public, "198.51.100.7") == ["rtb-sub-a a route: 198.51.100.7/32 to igw-1"]
    assert routes(public, "internet") == ["rtb-sub-a a route: 0.0.0.0/0 to igw-1"]
    assert routes(public, "internet", ipv6=True) == ["rtb-sub-a a route: ::/0 to igw-1"]
    assert routes(public.egress_only("vpc-1"), "internet", ipv6=True) == [
        "rtb-sub-a a route: ::/0 to eigw-1"
    ]
    assert routes(private, "internet") == ["rtb-sub-a a route: 0.0.0.0/0 to nat-1"]
    beside = private.nat("sub-a", "10.0.1.9", public="203.0.113.8", gateway_id="nat-0")
    nats = beside.nouns["nat_gateways"]
    beside.nouns["nat_gateways"] = {key: nats[key] for key in ("nat-0", "nat-1")}
    assert routes(beside, "internet") == ["rtb-sub-a a route: 0.0.0.0/0 to nat-1"]
    assert routes(peered, "eni-c") == [
        "rtb-sub-a a route: 10.1.1.5/32 to pcx-1",
        "rtb-sub-c a route: 10.0.1.5/32 to pcx-1",
    ]
    assert routes(two_subnets(), "internet") == []


def test_public_address_is_proposed_where_an_internet_gateway_asks_for_one() -> None:
    plan = two_subnets(routes_a=("0.0.0.0/0 igw-1",)).internet_gateway("vpc-1")
    change = AssociateAddress(interface_id="eni-a", address=IPv4Address("10.0.1.5"))
    assert explain(plan, "eni-a", "internet").changes == (change,)
    assert explain(plan, "internet", "eni-a").changes == (change,)
    assert str(change) == "associate an Elastic IP address with 10.0.1.5 of eni-a"
    plan.subnet("sub-n", "vpc-1", "10.0.9.0/24", routes=("0.0.0.0/0 igw-1",)).nat(
        "sub-n", "10.0.9.9"
    )
    plan.table("rtb-sub-b", "vpc-1", "0.0.0.0/0 nat-1", subnets=("sub-b",))
    assert explain(plan, "eni-b", "internet").changes == (), "a private NAT gateway takes none"


def test_every_layer_that_refuses_is_told_at_once() -> None:
    plan = two_subnets().group("sg-a").group("sg-b").acl("sub-a").acl("sub-b")
    found = explain(plan, "eni-a", "eni-b", "tcp/5432")
    assert blocks(found) == [
        ("there", "egress eni-a", "NO_MATCHING_RULE"),
        ("there", "egress eni-a", "NETWORK_ACL"),
        ("there", "ingress eni-b", "NETWORK_ACL"),
        ("there", "ingress eni-b", "NO_MATCHING_RULE"),
        ("back", "egress eni-b", "NETWORK_ACL"),
        ("back", "ingress eni-a", "NETWORK_ACL"),
    ]
    assert explain(applied(plan.network(), found), "eni-a", "eni-b", "tcp/5432")
    assert "With these 6 changes the answer is yes (decided again)." in str(found)


def test_goes_on_behind_a_missing_route_to_an_interface_of_the_network() -> None:
    plan = (
        two_subnets()
        .vpc("vpc-2", "10.1.0.0/16")
        .subnet("sub-c", "vpc-2", "10.1.1.0/24")
        .group("sg-c", vpc="vpc-2")
        .interface("eni-c", "sub-c", "10.1.1.5", "sg-c")
    )
    found = explain(plan, "eni-a", "eni-c")
    assert [reason for _, _, reason in blocks(found)] == [
        "NO_ROUTE_TO_DESTINATION",
        "NO_MATCHING_RULE",
        "NO_ROUTE_TO_DESTINATION",
    ]
    assert found.changes == ()


# ---------------------------------------------------------------------------- parts


def test_rules_for_other_addresses_cut_no_ports() -> None:
    """As many parts as rules, not as their square: `all` of the internet is asked by default."""
    plan = two_subnets(routes_b=("0.0.0.0/0 igw-1",)).internet_gateway("vpc-1")
    plan.interface("eni-b", "sub-b", "10.0.2.5", "sg-b", public="203.0.113.6")
    plan.group("sg-b", *(f"in tcp/{100 + n} 60.{n}.0.0/16" for n in range(40)))
    network = plan.network()
    question = Question(
        source="internet", destination="eni-b", service=parse_service("tcp"), family=4
    )
    (pair,) = pairs_of(*question.endpoints(network))
    clients = PortRange(first=1024, last=65535)
    parts = list(decide_pair(Ways(network), pair, question.service, clients))
    allowed = [part.box for part in parts if part.journey.answer is Answer.YES]
    assert len(allowed) == 40
    assert {box.points[0][0] - box.addresses[0][0] // 65536 % 256 for box in allowed} == {100}
    assert len(parts) < 200


def test_title_says_what_the_first_line_does_not() -> None:
    plan = two_subnets()
    assert str(explain(plan, "eni-a", "eni-b")).count("eni-a → eni-b") == 1
    plan.group("sg-b", "in tcp/80 10.0.1.0/24")
    both = str(explain(plan, "eni-a", "eni-b", "tcp/80-81")).splitlines()
    assert [each for each in both if each.startswith(("yes", "no"))] == [
        "no for tcp/81",
        "yes for tcp/80",
    ]
    plan.interface("eni-c", "sub-a", "10.0.1.6", "sg-a")
    many = str(explain(plan, "sg-a", "eni-b", "tcp/80-81")).splitlines()
    assert "no for eni-a → eni-b, eni-c → eni-b; tcp/81" in many


def test_changes_for_one_address_of_the_internet_say_so() -> None:
    plan = two_subnets(routes_b=("::/0 igw-1",)).internet_gateway("vpc-1").group("sg-b")
    found = explain(plan, "internet:2001:db8:ffff::77", "eni-b")
    assert found.notes == ("the changes are for internet:2001:db8:ffff::77 alone",)
    assert explain(plan, "internet", "eni-b", ipv6=True).notes == ()


def test_all_protocols_that_meet_the_same_are_one_outcome() -> None:
    found = explain(two_subnets(), "eni-a", "eni-b", "all")
    assert found.outcomes[0].parts[:2] == ("tcp", "udp")
    plan = two_subnets().group("sg-b", "in tcp/443 10.0.1.0/24")
    assert (
        explain(plan, "eni-a", "eni-b", "all")
        .outcomes[0]
        .messages[0]
        .text.endswith("10.0.2.5:22 tcp SYN")
    )


def test_range_is_cut_exactly() -> None:
    plan = (
        two_subnets()
        .group("sg-b", "in tcp/8010-8020 0.0.0.0/0")
        .acl(
            "sub-b",
            "out 10 allow all 0.0.0.0/0",
            "in 5 deny tcp/8015 0.0.0.0/0",
            "in 10 allow all 0.0.0.0/0",
        )
    )
    found = explain(plan, "eni-a", "eni-b", "tcp/8000-8080")
    assert [(each.answer, each.parts) for each in found.outcomes] == [
        (Answer.NO, ("tcp/8000-8009, 8021-8080",)),
        (Answer.NO, ("tcp/8015",)),
        (Answer.YES, ("tcp/8010-8014, 8016-8020",)),
    ]
    assert found.answer is Answer.NO
    assert explain(applied(plan.network(), found), "eni-a", "eni-b", "tcp/8000-8080")


def test_all_is_every_protocol() -> None:
    plan = two_subnets().group("sg-b", "in tcp 0.0.0.0/0", "in 47 0.0.0.0/0")
    found = explain(plan, "eni-a", "eni-b", "all")
    assert [(each.answer, each.parts) for each in found.outcomes] == [
        (Answer.NO, ("udp", "icmp", "protocol 0, 2-5, 7-16, 18-46, 48-255")),
        (Answer.YES, ("tcp",)),
        (Answer.YES, ("protocol 47",)),
    ]
    assert [str(each) for each in found.changes] == [
        "add to group sg-b an ingress rule: all from group sg-a"
    ]
    assert explain(two_subnets(), "eni-a", "eni-b", "all")


@pytest.mark.semantics("path-19")
def test_ports_of_answers_are_the_clients_and_a_part_of_them_refused_is_a_no() -> None:
    def plan(kind: str) -> Plan:
        return (
            two_subnets()
            .acl("sub-a", "out 10 allow all 0.0.0.0/0", "in 10 allow tcp/32768-60999 0.0.0.0/0")
            .interface("eni-a", "sub-a", "10.0.1.5", "sg-a", kind=kind)
        )

    assert explain(plan("interface"), "eni-a", "eni-b")
    for kind in ("lambda", "network_load_balancer"):
        found = explain(plan(kind), "eni-a", "eni-b")
        assert found.outcomes[0].parts == ("client ports 1024-32767, 61000-65535",)
        assert found.client_ports == "1024-65535"
    wide = explain(
        plan("interface"), "eni-a", "eni-b", client_ports=PortRange(first=60000, last=61000)
    )
    assert wide.outcomes[0].parts == ("client ports 61000",)
    assert [str(each) for each in wide.changes] == [
        "add to acl-sub-a the ingress entry 20: allow tcp/61000 from 10.0.2.5/32"
    ]


@pytest.mark.semantics("path-20")
def test_internet_is_every_public_address_outside() -> None:
    plan = two_subnets(routes_b=("0.0.0.0/0 igw-1",)).internet_gateway("vpc-1")
    plan.interface("eni-b", "sub-b", "10.0.2.5", "sg-b", public="203.0.113.6")
    assert explain(plan, "internet", "eni-b")
    plan.acl(
        "sub-b",
        "in 5 deny all 8.8.8.0/24",
        "in 10 allow all 0.0.0.0/0",
        "out 10 allow all 0.0.0.0/0",
    )
    found = explain(plan, "internet", "eni-b")
    assert [(each.answer, each.parts) for each in found.outcomes] == [
        (Answer.NO, ("8.8.8.0/24",)),
        (Answer.YES, ("all of internet except 8.8.8.0/24",)),
    ]
    assert (
        str(found.changes[0])
        == "add to acl-sub-b the ingress entry 4: allow tcp/443 from 8.8.8.0/24"
    )
    plan.acl(
        "sub-b",
        "in 5 deny all 203.0.113.6/32",
        "in 6 deny all 10.0.0.0/8",
        "in 10 allow all 0.0.0.0/0",
        "out 10 allow all 0.0.0.0/0",
    )
    assert explain(plan, "internet", "eni-b"), (
        "neither the network's own nor private addresses are it"
    )


def test_internet_behind_split_rules_is_all_of_it() -> None:
    plan = two_subnets(routes_b=("0.0.0.0/1 igw-1", "128.0.0.0/1 igw-1")).internet_gateway("vpc-1")
    plan.interface("eni-b", "sub-b", "10.0.2.5", "sg-b", public="203.0.113.6")
    plan.group("sg-b", "in tcp/443 0.0.0.0/1", "in tcp/443 128.0.0.0/1")
    assert explain(plan, "internet", "eni-b")
    plan.group("sg-b", "in tcp/443 0.0.0.0/1")
    refused, allowed = explain(plan, "internet", "eni-b").outcomes
    half = "1.0.0.0-9.255.255.255, 11.0.0.0-100.63.255.255, 100.128.0.0-126.255.255.255"
    assert (refused.parts, allowed.parts) == (
        (f"all of internet except {half}",),
        (half,),
    )


# ---------------------------------------------------------------------------- ends


def named() -> Plan:
    plan = two_subnets()
    plan.interface("eni-a", "sub-a", "10.0.1.5", "sg-a", instance="i-1", names=("web", "Web1"))
    return plan.interface("eni-b", "sub-b", "10.0.2.5", "sg-b", names=("db",), public="203.0.113.6")


@pytest.mark.parametrize("text", ["eni-a", "i-1", "web", "Web1", "10.0.1.5", " web "])
def test_end_is_found_by_id_instance_name_and_address(text: str) -> None:
    assert explain(named(), text, "db").source == "web (eni-a)"


def test_instance_is_its_primary_interface() -> None:
    plan = named().interface("eni-0", "sub-a", "10.0.1.4", "sg-a", instance="i-1")
    secondary = plan.nouns["interfaces"]["eni-0"]
    plan.nouns["interfaces"]["eni-0"] = type(secondary)(
        **{name: getattr(secondary, name) for name in secondary.__dataclass_fields__}
        | {"device_index": 1}
    )
    assert "eni-a" in explain(plan, "i-1", "db").source


def test_python_takes_protocol_and_port_too() -> None:
    found = secgroup.explain(
        named().network(), source="web", destination="db", protocol="tcp", port=5432
    )
    assert found.service == "tcp/5432"
    assert secgroup.explain(named().network(), source="web", destination="db").service == "all"


def test_public_address_is_the_interface_that_it_leads_to() -> None:
    found = explain(named(), "internet:198.51.100.7", "203.0.113.6")
    assert found.destination == "db (eni-b) at 203.0.113.6"


@pytest.mark.parametrize(
    ("source", "destination", "problem"),
    [
        ("nobody", "db", "'nobody' is nothing in this network"),
        ("both", "db", "fits several things: eni-a, sg-both"),
        ("internet", "198.51.100.7", "no packet passes the network"),
        ("web", "web", "no packet passes the network"),
        ("internet:10.9.9.9", "db", "not a public address"),
        ("internet:203.0.113.6", "db", "inside the network"),
        ("internet:home", "db", "is not an address"),
        ("sg-both", "db", "no interface with an IPv4 address carries the group sg-both"),
        ("10.0.1.5", "2600:1f00:0:2::5", "10.0.1.5 is of IPv4 and 2600:1f00:0:2::5 of IPv6"),
        ("db", "2600:1f00:0:2::5", "has no IPv6 address"),
        ("lonely", "db", "has no interface"),
    ],
)
def test_end_that_is_nothing_or_several_is_refused(
    source: str, destination: str, problem: str
) -> None:
    plan = named().group("sg-both")
    plan.interface("eni-a", "sub-a", "10.0.1.5", "sg-a", instance="i-1", names=("web", "both"))
    plan.nouns["instances"]["i-9"] = Instance(instance_id="i-9", names=("lonely",))
    with pytest.raises(InputError, match=problem):
        explain(plan, source, destination)


def test_icmp_says_the_family() -> None:
    assert explain(two_subnets(), "eni-a", "eni-b", "icmpv6/128").family == 6
    assert explain(two_subnets(), "eni-a", "eni-b", "icmp/8").family == 4
    with pytest.raises(InputError, match=r"icmp/8 is of IPv4 and -6 of IPv6"):
        explain(two_subnets(), "eni-a", "eni-b", "icmp/8", ipv6=True)


def test_refusal_that_no_rule_lifts_is_told_once() -> None:
    """A rule for `icmp` is for IPv4 alone, and `protocol 58` inside IPv4 can be named by none."""
    plan = two_subnets().group("sg-b", "in icmp 0.0.0.0/0", "in tcp 0.0.0.0/0", "in udp 0.0.0.0/0")
    ways = Ways(plan.network())
    question = Question(
        source="eni-a", destination="eni-b", service=parse_service("icmpv6"), family=4
    )
    blocks, changes, _ = _remedy(ways, question)
    assert [each.change for each in blocks] == [None]
    assert changes == ()


def test_address_in_two_vpcs_is_refused_with_both() -> None:
    plan = named().vpc("vpc-2", "10.0.0.0/16").subnet("sub-c", "vpc-2", "10.0.1.0/24")
    plan.interface("eni-c", "sub-c", "10.0.1.5")
    with pytest.raises(InputError, match="eni-a, eni-c"):
        explain(plan, "10.0.1.5", "db")


def test_group_stands_for_each_of_its_members() -> None:
    plan = (
        two_subnets()
        .interface("eni-c", "sub-b", "10.0.2.6", "sg-b")
        .interface("eni-d", "sub-a", "10.0.1.6", "sg-a")
    )
    found = explain(plan, "sg-a", "sg-b")
    assert found
    assert [each.pairs for each in found.outcomes] == [
        (("eni-a", "eni-b"), ("eni-a", "eni-c"), ("eni-d", "eni-b"), ("eni-d", "eni-c"))
    ]
    plan.group("sg-b", "in all 10.0.1.5/32")
    split = explain(plan, "sg-a", "sg-b")
    assert [(each.answer, len(each.pairs)) for each in split.outcomes] == [
        (Answer.NO, 2),
        (Answer.YES, 2),
    ]
    assert split.answer is Answer.NO
    assert [str(each) for each in split.changes] == [
        "add to group sg-b an ingress rule: tcp/443 from group sg-a"
    ]


def test_group_talks_to_itself_but_no_member_to_itself() -> None:
    plan = two_subnets().interface("eni-c", "sub-b", "10.0.2.6", "sg-b")
    assert explain(plan, "sg-b", "sg-b").outcomes[0].pairs == (
        ("eni-b", "eni-c"),
        ("eni-c", "eni-b"),
    )


# ---------------------------------------------------------------------------- unknown


def test_unknown_is_neither_yes_nor_proposed_away() -> None:
    plan = two_subnets(routes_a=("192.168.0.0/16 tgw-1",)).group("sg-a")
    found = explain(plan, "eni-a", "192.168.1.1")
    assert found.answer is Answer.NO
    assert found.changes == (), "with the rule the answer would be unknown, not yes"
    assert [each.change is not None for each in found.blocks] == [True]
    assert found.notes == ("with the changes below the answer would be unknown, not yes",)
    opened = explain(two_subnets(routes_a=("192.168.0.0/16 tgw-1",)), "eni-a", "192.168.1.1")
    assert opened.answer is Answer.UNKNOWN
    assert not opened
    assert "tgw-1" in str(opened)


# ------------------------------------------------------------------------------ laws

SERVICES = ("tcp/22", "tcp/443", "tcp/1000-2000", "udp/53", "icmp/8", "icmp", "47", "all")
BLOCKS = (
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.0.1.0/24",
    "10.0.2.0/24",
    "10.0.2.5/32",
    "198.51.100.0/24",
    "8.0.0.0/6",
)
rules = st.lists(
    st.builds(
        "{} {} {}".format,
        st.sampled_from(("in", "out")),
        st.sampled_from((*SERVICES, "tcp/1500", "tcp/32768-65535", "tcp/40000")),
        st.sampled_from((*BLOCKS, "sg-a", "sg-b", "pl-1")),
    ),
    max_size=4,
)
entries = st.lists(
    st.builds(
        "{} {} {} {} {}".format,
        st.sampled_from(("in", "out")),
        st.integers(1, 40),
        st.sampled_from(("allow", "allow", "deny")),
        st.sampled_from((*SERVICES, "tcp/1024-65535", "tcp/32768-50000")),
        st.sampled_from(BLOCKS),
    ),
    max_size=5,
    unique_by=lambda text: tuple(text.split()[:2]),
)
targets = st.sampled_from(("igw-1", "nat-1", "eni-m", "tgw-1", "vpce-1"))
routes = st.lists(
    st.builds(
        "{} {}".format,
        st.sampled_from(("0.0.0.0/0", "198.51.100.0/24", "10.0.2.0/24", "10.0.1.0/24")),
        targets,
    ),
    max_size=2,
    unique_by=lambda text: text.split()[0],
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    plan = two_subnets(routes_a=tuple(draw(routes)), routes_b=tuple(draw(routes)))
    plan.internet_gateway("vpc-1").prefix_list("pl-1", "10.0.1.0/25", "198.51.100.0/24").endpoint(
        "vpc-1"
    )
    plan.subnet("sub-n", "vpc-1", "10.0.9.0/24", routes=("0.0.0.0/0 igw-1",)).nat(
        "sub-n", "10.0.9.9", public="203.0.113.9"
    )
    plan.group("sg-a", *draw(rules)).group("sg-b", *draw(rules)).group("sg-m", *OPEN)
    public = draw(st.sampled_from((None, "203.0.113.5")))
    plan.interface("eni-a", "sub-a", "10.0.1.5", "sg-a", public=public)
    plan.interface(
        "eni-b", "sub-b", "10.0.2.5", "sg-b", public=draw(st.sampled_from((None, "203.0.113.6")))
    )
    plan.interface("eni-m", "sub-n", "10.0.9.5", "sg-m", check=draw(st.booleans()))
    for subnet in ("sub-a", "sub-b", "sub-n"):
        if draw(st.booleans()):
            plan.acl(subnet, *draw(entries))
    return plan


ends = st.sampled_from(("eni-a", "eni-b", "internet", "198.51.100.7", "internet:8.8.8.8"))
questions = st.tuples(ends, ends).filter(
    lambda pair: pair[0] != pair[1] and any(each.startswith("eni") for each in pair)
)


@settings(max_examples=40, deadline=None)
@given(plans(), questions, st.sampled_from(SERVICES))
def test_law_what_is_proposed_makes_the_answer_yes(
    plan: Plan, ends: tuple[str, str], service: str
) -> None:
    network = plan.network()
    found = explain(network, *ends, service)
    if found.changes:
        assert not found
        assert explain(applied(network, found), *ends, service)
        for left_out in found.changes if len(found.changes) > 1 else ():
            kept = [each for each in found.changes if each != left_out]
            assert not explain(
                applied(network, replace(found, changes=tuple(kept))), *ends, service
            )
    if found:
        assert found.blocks == ()
        assert all(
            line.answer is Answer.YES
            for outcome in found.outcomes
            for message in outcome.messages
            for line in message.lines
        )
    elif found.answer is Answer.NO:
        assert found.blocks


@settings(max_examples=60, deadline=None)
@given(
    plans(),
    questions,
    st.sampled_from(SERVICES),
    st.integers(0, 65535),
    st.integers(32768, 60999),
    st.integers(0, 2**32 - 1),
)
def test_law_a_part_answers_for_each_of_its_members(
    plan: Plan, ends: tuple[str, str], service: str, point: int, client: int, address: int
) -> None:
    """Any packet of a part, asked about alone, gets the answer of the part."""
    ways = Ways(plan.network())
    question = Question(
        source=ends[0], destination=ends[1], service=parse_service(service), family=4
    )
    found = question.endpoints(ways.network)
    (pair,) = pairs_of(*found)
    parts = list(decide_pair(ways, pair, question.service, question.ports_of(found[0])))

    def nearest_in(spans: Any, number: int) -> int:
        return min(
            (min(max(number, low), high) for low, high in spans),
            key=lambda each: abs(each - number),
        )

    for part in parts:
        box = part.box
        one = {
            name: tuple((n, n) for n in [nearest_in(getattr(box, name), value)])
            for name, value in (
                ("points", point),
                ("clients", client),
                ("addresses", address),
                ("nats", client),
            )
            if getattr(box, name)
        }
        single = converse(ways, conversation_of(pair, Box(protocol=box.protocol, **one)))
        assert single.answer is part.journey.answer
        assert [type(step) for step in single.steps] == [type(step) for step in part.journey.steps]


@settings(max_examples=20, deadline=None)
@given(plans(), questions, st.sampled_from(SERVICES))
def test_law_unknown_never_becomes_yes(plan: Plan, ends: tuple[str, str], service: str) -> None:
    """Whatever is added, a way that leaves the model is not proposed as a yes."""
    found = explain(plan, *ends, service)
    reasons = [line.answer for o in found.outcomes for m in o.messages for line in m.lines]
    if Answer.UNKNOWN in reasons:
        assert found.answer is not Answer.YES


@settings(max_examples=25, deadline=None)
@given(
    plans(),
    st.lists(st.integers(0, 255), min_size=2, max_size=5, unique=True),
    st.sampled_from(SERVICES),
)
def test_law_pairs_that_are_alike_get_one_answer(
    plan: Plan, hosts: list[int], service: str
) -> None:
    for host in hosts:
        if host not in (5, 9):
            plan.interface(f"eni-a{host}", "sub-a", f"10.0.1.{host}", "sg-a")
            plan.interface(f"eni-b{host}", "sub-b", f"10.0.2.{host}", "sg-b")
    ways = Ways(plan.network())
    question = Question(source="sg-a", destination="sg-b", service=parse_service(service), family=4)
    source, destination = question.endpoints(ways.network)
    ports = question.ports_of(source)

    def answers(pair: Pair) -> list[tuple[Box, Answer]]:
        parts = decide_pair(ways, pair, question.service, ports)
        return [(part.box, part.journey.answer) for part in parts]

    for first, *others in alike(ways.network, pairs_of(source, destination)):
        for other in others:
            assert answers(other) == answers(first)


def test_fleet_is_decided_once_for_all_that_are_alike() -> None:
    plan = (
        two_subnets()
        .group("sg-b", "in tcp/443 sg-a")
        .acl(
            "sub-b",
            "out 10 allow all 0.0.0.0/0",
            "in 5 deny all 10.0.1.77/32",
            "in 10 allow all 0.0.0.0/0",
        )
    )
    for host in range(10, 90):
        plan.interface(f"eni-a{host}", "sub-a", f"10.0.1.{host}", "sg-a")
        plan.interface(f"eni-b{host}", "sub-b", f"10.0.2.{host}", "sg-b")
    refused, allowed = explain(plan, "sg-a", "sg-b").outcomes
    assert {source for source, _ in refused.pairs} == {"eni-a77"}
    assert (len(refused.pairs), len(allowed.pairs)) == (81, 80 * 81)


def test_too_many_pairs_are_refused() -> None:
    plan = two_subnets().vpc("vpc-9", "10.9.0.0/16").subnet("sub-z", "vpc-9", "10.9.0.0/16")
    for number in range(400):
        address = f"10.9.{number // 200}.{number % 200 + 4}"
        plan.interface(f"eni-{number}", "sub-z", address, "sg-a", "sg-b")
    with pytest.raises(InputError, match="over 100000 pairs"):
        explain(plan, "sg-a", "sg-b")


def test_members_without_an_address_of_the_family_are_named() -> None:
    plan = two_subnets().interface("eni-c", "sub-b", "10.0.2.6", "sg-b")
    found = explain(plan, "eni-a", "sg-b", ipv6=True)
    assert found.notes == ("without eni-c: no IPv6 address",)
    assert "note: without eni-c" in str(found)


@pytest.mark.semantics("path-24")
def test_what_is_behind_a_gateway_endpoint_is_no_client_of_the_internet() -> None:
    plan = (
        two_subnets(routes_a=("0.0.0.0/0 igw-1", "pl-s3 vpce-1"))
        .internet_gateway("vpc-1")
        .prefix_list("pl-s3", "52.218.0.0/17")
        .endpoint("vpc-1")
        .interface("eni-w", "sub-a", "10.0.1.80", "sg-a", public="198.51.100.80")
    )
    assert explain(plan, "internet", "eni-w", "tcp/443").answer is Answer.YES
    single = explain(plan, "internet:52.218.0.1", "eni-w", "tcp/443")
    assert single.answer is Answer.NO
    assert explain(plan, "eni-w", "internet", "tcp/443").answer is Answer.YES
