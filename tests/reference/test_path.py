"""The way through the VPC: every target, both families, there and back."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from secgroup.decision import Reason
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from secgroup.net.ports import PortRange, parse_service
from secgroup.reference.journey import Answer, AtInterface, Journey, Leg, OnTheWay
from secgroup.reference.question import Question, decide_pair, pairs_of
from secgroup.reference.ways import Ways
from tests.support.vpcs import Plan, two_subnets

EVERYONE = ("0.0.0.0/0 igw-1", "::/0 igw-1")


def journeys(
    network: Network | Plan,
    source: str,
    destination: str,
    service: str = "tcp/443",
    *,
    v6: bool = False,
    ports: tuple[int, int] = (32768, 32768),
) -> list[Journey]:
    network = network.network() if isinstance(network, Plan) else network
    question = Question(
        source=source,
        destination=destination,
        service=parse_service(service),
        family=6 if v6 else 4,
    )
    ways = Ways(network)
    clients = PortRange(first=ports[0], last=ports[1])
    return [
        part.journey
        for pair in pairs_of(*question.endpoints(network))
        for part in decide_pair(ways, pair, question.service, clients)
    ]


def journey(*args: Any, **kwargs: Any) -> Journey:
    found = journeys(*args, **kwargs)
    assert len(found) == 1
    return found[0]


def codes(found: Journey) -> list[str | None]:
    return [
        step.code if isinstance(step, OnTheWay) else step.decision.reason.name
        for step in found.steps
        if step.answer is not Answer.YES
    ]


def passed(found: Journey, leg: Leg) -> list[str]:
    """The interfaces that a packet passed, `>` behind those that it left."""
    return [
        step.interface_id + (">" if step.direction is Direction.EGRESS else "")
        for step in found.steps
        if isinstance(step, AtInterface) and step.leg is leg
    ]


# ---------------------------------------------------------------------------- local


@pytest.mark.semantics("path-1")
@pytest.mark.parametrize("v6", [False, True])
def test_local_goes_out_of_one_interface_and_into_the_other_and_back(v6: bool) -> None:
    found = journey(two_subnets(), "eni-a", "eni-b", v6=v6)
    assert found.answer is Answer.YES
    assert passed(found, Leg.THERE) == ["eni-a>", "eni-b"]
    assert passed(found, Leg.BACK) == ["eni-b>", "eni-a"]
    assert passed(found, Leg.AGAIN) == ["eni-a>", "eni-b"]


@pytest.mark.semantics("path-2")
def test_inside_a_subnet_neither_acls_nor_routes_are_asked() -> None:
    plan = two_subnets().interface("eni-c", "sub-a", "10.0.1.6", "sg-a").acl("sub-a")
    plan.table("rtb-sub-a", "vpc-1", "10.0.1.6/32 tgw-1", subnets=("sub-a",))
    found = journey(plan, "eni-a", "eni-c")
    assert found.answer is Answer.YES
    assert all(isinstance(step, AtInterface) for step in found.steps)
    assert {
        step.decision.network_acl_id for step in found.steps if isinstance(step, AtInterface)
    } == {None}


@pytest.mark.semantics("path-1")
def test_address_that_nobody_has_is_no_destination() -> None:
    assert codes(journey(two_subnets(), "eni-a", "10.0.2.99")) == ["NO_POSSIBLE_DESTINATION"]
    assert codes(journey(two_subnets(), "eni-a", "10.0.1.99")) == ["NO_POSSIBLE_DESTINATION"]


def test_source_that_nobody_has_sends_nothing() -> None:
    assert codes(journey(two_subnets(), "10.0.2.99", "eni-a")) == ["NO_SOURCE_OR_DESTINATION"]


@pytest.mark.semantics("path-3")
def test_more_specific_route_steers_inside_the_vpc() -> None:
    plan = two_subnets(routes_a=("10.0.2.0/24 eni-m",)).subnet("sub-m", "vpc-1", "10.0.3.0/24")
    plan.interface("eni-m", "sub-m", "10.0.3.5", "sg-a", check=False)
    found = journey(plan, "eni-a", "eni-b")
    assert found.answer is Answer.YES
    assert passed(found, Leg.THERE) == ["eni-a>", "eni-m", "eni-m>", "eni-b"]
    assert passed(found, Leg.BACK) == ["eni-b>", "eni-a"]


@pytest.mark.semantics("path-3")
def test_local_wins_a_tie() -> None:
    found = journey(two_subnets(routes_a=("10.0.0.0/16 tgw-1",)), "eni-a", "eni-b")
    assert found.answer is Answer.YES


@pytest.mark.semantics("path-4")
def test_missing_route_and_blackhole_refuse() -> None:
    assert codes(journey(two_subnets(), "eni-a", "internet:198.51.100.7")) == [
        "NO_ROUTE_TO_DESTINATION"
    ]
    plan = two_subnets(routes_a=("198.51.100.0/24 eni-gone blackhole",))
    assert codes(journey(plan, "eni-a", "internet:198.51.100.7")) == ["BAD_STATE_ROUTE"]


# --------------------------------------------------------------- internet gateways


def on_the_internet(**public: str) -> Plan:
    plan = two_subnets(routes_a=EVERYONE, routes_b=EVERYONE).internet_gateway("vpc-1")
    for name, address in public.items():
        interface = plan.nouns["interfaces"][f"eni-{name}"]
        plan.interface(
            f"eni-{name}",
            interface.subnet_id,
            " ".join(map(str, interface.addresses)),
            *interface.group_ids,
            public=address,
        )
    return plan


@pytest.mark.semantics("path-5")
def test_internet_gateway_translates_outside_of_groups_and_acls() -> None:
    plan = on_the_internet(a="203.0.113.5")
    plan.acl("sub-a", "out 10 allow tcp/443 0.0.0.0/0", "in 10 allow tcp/32768-60999 0.0.0.0/0")
    out = journey(plan, "eni-a", "internet:198.51.100.7")
    assert out.answer is Answer.YES
    at_a = [step.packet for step in out.steps if isinstance(step, AtInterface)]
    assert {str(each) for packet in at_a for each in (packet.source, packet.destination)} == {
        "10.0.1.5",
        "198.51.100.7",
    }
    answered = next(step for step in out.steps if step.leg is Leg.BACK)
    assert str(answered.packet.destination) == "203.0.113.5"


@pytest.mark.semantics("path-5")
def test_internet_comes_in_by_the_public_address() -> None:
    found = journey(on_the_internet(b="203.0.113.6"), "internet:198.51.100.7", "eni-b")
    assert found.answer is Answer.YES
    assert passed(found, Leg.THERE) == ["eni-b"]
    assert str(found.conversation.destination_address) == "203.0.113.6"


@pytest.mark.semantics("path-5")
def test_no_public_address_no_way_out_or_in() -> None:
    plan = on_the_internet()
    assert codes(journey(plan, "eni-a", "internet:198.51.100.7")) == [
        "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS"
    ]
    assert codes(journey(plan, "internet:198.51.100.7", "eni-b")) == [
        "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS"
    ]


@pytest.mark.semantics("path-5")
def test_ipv6_needs_no_translation() -> None:
    plan = on_the_internet()
    assert journey(plan, "eni-a", "internet:2a00:1450::1", v6=True).answer is Answer.YES
    assert journey(plan, "internet:2a00:1450::1", "eni-b", v6=True).answer is Answer.YES


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("172.16.0.9", "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS"),
        ("100.64.0.9", "IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS"),
        ("169.254.7.7", "CANNOT_ROUTE"),
    ],
)
def test_internet_gateway_takes_no_private_destination(address: str, code: str) -> None:
    assert codes(journey(on_the_internet(a="203.0.113.5"), "eni-a", address)) == [code]


def test_gateway_that_is_not_attached_refuses() -> None:
    plan = on_the_internet(a="203.0.113.5", b="203.0.113.6").internet_gateway(None)
    assert codes(journey(plan, "eni-a", "internet:198.51.100.7")) == ["BAD_STATE_ATTACHMENT"]
    assert codes(journey(plan, "internet:198.51.100.7", "eni-b")) == ["NO_PATH"]


def test_answer_needs_a_route_too() -> None:
    plan = on_the_internet(b="203.0.113.6").table("rtb-sub-b", "vpc-1", subnets=("sub-b",))
    found = journey(plan, "internet:198.51.100.7", "eni-b")
    assert codes(found) == ["NO_ROUTE_TO_DESTINATION"]
    assert found.steps[-1].leg is Leg.BACK


@pytest.mark.semantics("path-6")
def test_hairpin_by_public_addresses_never_matches_a_group() -> None:
    plan = on_the_internet(a="203.0.113.5", b="203.0.113.6")
    plan.group("sg-b", "in all sg-a", "out all 0.0.0.0/0")
    assert journey(plan, "eni-a", "eni-b").answer is Answer.YES
    found = journey(plan, "eni-a", "203.0.113.6")
    assert codes(found) == ["NO_MATCHING_RULE"]
    assert str(found.steps[-1].packet.source) == "203.0.113.5"
    plan.group("sg-b", "in all 203.0.113.5/32", "out all 0.0.0.0/0")
    assert journey(plan, "eni-a", "203.0.113.6").answer is Answer.YES


@pytest.mark.semantics("path-7")
def test_edge_route_table_leads_through_an_appliance() -> None:
    plan = on_the_internet(b="203.0.113.6").subnet("sub-m", "vpc-1", "10.0.3.0/24", routes=EVERYONE)
    plan.interface("eni-m", "sub-m", "10.0.3.5", "sg-a", check=False)
    plan.table("rtb-edge", "vpc-1", "10.0.2.0/24 eni-m", gateways=("igw-1",))
    found = journey(plan, "internet:198.51.100.7", "eni-b")
    assert passed(found, Leg.THERE) == ["eni-m", "eni-m>", "eni-b"]
    plan.table("rtb-edge", "vpc-1", "10.0.2.0/24 vpce-gwlb", gateways=("igw-1",))
    assert journey(plan, "internet:198.51.100.7", "eni-b").answer is Answer.UNKNOWN


# ----------------------------------------------------------- egress-only gateways


def egress_only() -> Plan:
    return two_subnets(routes_a=("::/0 eigw-1",)).egress_only("vpc-1").internet_gateway("vpc-1")


@pytest.mark.semantics("path-8")
def test_egress_only_gateway_lets_only_answers_in() -> None:
    found = journey(egress_only(), "eni-a", "internet:2a00:1450::1", v6=True)
    assert found.answer is Answer.YES
    assert passed(found, Leg.BACK) == ["eni-a"]
    assert codes(journey(egress_only(), "internet:2a00:1450::1", "eni-a", v6=True)) == [
        "CANNOT_ROUTE"
    ]


def test_egress_only_gateway_must_be_attached_and_is_for_public_ipv6() -> None:
    plan = egress_only().egress_only(None)
    assert codes(journey(plan, "eni-a", "internet:2a00:1450::1", v6=True)) == [
        "BAD_STATE_ATTACHMENT"
    ]
    assert codes(journey(egress_only(), "eni-a", "fd00::7", v6=True)) == ["CANNOT_ROUTE"]


# -------------------------------------------------------------------- NAT gateways


def behind_nat(public: str | None = "203.0.113.9") -> Plan:
    return (
        two_subnets(routes_a=("0.0.0.0/0 nat-1", "64:ff9b::/96 nat-1", "::/0 nat-1"))
        .internet_gateway("vpc-1")
        .subnet("sub-n", "vpc-1", "10.0.9.0/24", routes=("0.0.0.0/0 igw-1",))
        .nat("sub-n", "10.0.9.9", public=public)
    )


@pytest.mark.semantics("path-9")
def test_nat_gateway_is_an_interface_on_the_way() -> None:
    found = journey(behind_nat(), "eni-a", "internet:198.51.100.7")
    assert found.answer is Answer.YES
    assert passed(found, Leg.THERE) == ["eni-a>", "eni-nat-1", "eni-nat-1>"]
    assert passed(found, Leg.BACK) == ["eni-nat-1", "eni-nat-1>", "eni-a"]
    left = [
        s for s in found.steps if isinstance(s, AtInterface) and s.direction is Direction.EGRESS
    ][1]
    assert (str(left.packet.source), left.packet.source_port) == ("10.0.9.9", 1024)


@pytest.mark.semantics("path-9")
def test_nat_gateway_asks_the_acl_of_its_subnet_both_ways_and_for_all_its_ports() -> None:
    allow = (
        "in 10 allow all 10.0.0.0/16",
        "in 20 allow tcp/1024-65535 0.0.0.0/0",
        "out 10 allow all 0.0.0.0/0",
    )
    assert (
        journey(behind_nat().acl("sub-n", *allow), "eni-a", "internet:198.51.100.7").answer
        is Answer.YES
    )
    narrow = behind_nat().acl("sub-n", allow[0], "in 20 allow tcp/32768-65535 0.0.0.0/0", allow[2])
    found = journeys(narrow, "eni-a", "internet:198.51.100.7")
    assert [(each.conversation.nat_port, each.answer) for each in found] == [
        (1024, Answer.NO),
        (32768, Answer.YES),
    ]
    for missing in range(3):
        kept = allow[:missing] + allow[missing + 1 :]
        plan = behind_nat().acl("sub-n", *kept)
        assert journey(plan, "eni-a", "internet:198.51.100.7").answer is Answer.NO


@pytest.mark.semantics("path-9")
def test_nat_gateway_takes_no_connection_from_outside() -> None:
    found = journey(behind_nat(), "internet:198.51.100.7", "eni-nat-1")
    assert codes(found) == ["NGW_REQUIRES_SOURCE_IN_VPC"]


@pytest.mark.semantics("path-9")
def test_private_nat_gateway_hides_the_source_in_the_peer_vpc() -> None:
    plan = (
        behind_nat(public=None)
        .vpc("vpc-2", "10.1.0.0/16")
        .subnet("sub-c", "vpc-2", "10.1.1.0/24", routes=("10.0.0.0/16 pcx-1",))
        .subnet("sub-n", "vpc-1", "10.0.9.0/24", routes=("10.1.0.0/16 pcx-1",))
        .peering("vpc-1", "vpc-2")
        .group("sg-c", "in all 10.0.9.9/32", vpc="vpc-2")
        .interface("eni-c", "sub-c", "10.1.1.5", "sg-c")
    )
    assert journey(plan, "eni-a", "eni-c").answer is Answer.YES
    plan.group("sg-c", "in all sg-a", vpc="vpc-2")
    assert codes(journey(plan, "eni-a", "eni-c")) == ["NO_MATCHING_RULE"]


def test_nat_gateway_translates_only_tcp_udp_and_queries() -> None:
    assert journey(behind_nat(), "eni-a", "internet:198.51.100.7", "icmp/8/0").answer is Answer.YES
    assert journey(behind_nat(), "eni-a", "internet:198.51.100.7", "udp/53").answer is Answer.YES
    assert codes(journey(behind_nat(), "eni-a", "internet:198.51.100.7", "47")) == [
        "PROTOCOL_RESTRICTION"
    ]


def test_nat_gateway_is_for_ipv4_and_must_be_available() -> None:
    assert codes(journey(behind_nat(), "eni-a", "internet:2a00:1450::1", v6=True)) == [
        "CANNOT_ROUTE"
    ]
    assert journey(behind_nat(), "eni-a", "64:ff9b::c633:6407", v6=True).answer is Answer.UNKNOWN
    plan = behind_nat().nat("sub-n", "10.0.9.9", public="203.0.113.9", available=False)
    assert codes(journey(plan, "eni-a", "internet:198.51.100.7")) == ["BAD_STATE"]


@pytest.mark.parametrize("service", ["tcp/443", "udp/53", "icmp/8/0"])
def test_answer_through_a_nat_gateway_is_none(service: str) -> None:
    plan = on_the_internet(b="203.0.113.6").subnet(
        "sub-n", "vpc-1", "10.0.9.0/24", routes=("0.0.0.0/0 igw-1",)
    )
    plan.nat("sub-n", "10.0.9.9", public="203.0.113.9")
    plan.table("rtb-sub-b", "vpc-1", "0.0.0.0/0 nat-1", subnets=("sub-b",))
    found = journey(plan, "internet:198.51.100.7", "eni-b", service)
    assert codes(found) == ["NGW_SOURCE_ADDRESS_REASSIGN"]


# ------------------------------------------------------------------------- peering


def peered(*, active: bool = True, back: str = "10.0.0.0/16 pcx-1") -> Plan:
    return (
        two_subnets(routes_a=("10.1.0.0/16 pcx-1", "10.2.0.0/16 pcx-1"))
        .vpc("vpc-2", "10.1.0.0/16")
        .subnet("sub-c", "vpc-2", "10.1.1.0/24", routes=(back,) if back else ())
        .peering("vpc-1", "vpc-2", active=active)
        .group("sg-c", "in all sg-a", vpc="vpc-2")
        .interface("eni-c", "sub-c", "10.1.1.5", "sg-c")
    )


@pytest.mark.semantics("path-10")
def test_peering_needs_to_be_active_and_routes_on_both_sides() -> None:
    assert journey(peered(), "eni-a", "eni-c").answer is Answer.YES
    assert codes(journey(peered(active=False), "eni-a", "eni-c")) == ["BAD_STATE"]
    assert codes(journey(peered(back=""), "eni-a", "eni-c")) == ["NO_ROUTE_TO_DESTINATION"]
    assert codes(journey(two_subnets(), "eni-a", "10.1.1.5")) == ["NO_ROUTE_TO_DESTINATION"]


@pytest.mark.semantics("path-10")
def test_peering_joins_two_vpcs_and_no_third() -> None:
    assert codes(journey(peered(), "eni-a", "10.2.0.5")) == ["PCX_REQUIRES_ADDRESS_IN_VPC_CIDR"]
    plan = peered().subnet("sub-b", "vpc-1", "10.0.2.0/24", routes=("0.0.0.0/0 pcx-1",))
    assert codes(journey(plan, "eni-b", "internet:198.51.100.7")) == [
        "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR"
    ]


def test_peer_vpc_that_is_not_in_the_files_is_unknown() -> None:
    plan = two_subnets(routes_a=("10.1.0.0/16 pcx-1",)).peering(
        "vpc-1", "vpc-9", blocks=("10.1.0.0/16",)
    )
    assert journey(plan, "eni-a", "10.1.1.5").answer is Answer.UNKNOWN
    assert codes(journey(two_subnets(routes_a=("10.1.0.0/16 pcx-1",)), "eni-a", "10.1.1.5")) == [
        "UNKNOWN_RESOURCE"
    ]


# ------------------------------------------------------- interfaces and instances


def through_appliance(*, check: bool, target: str = "eni-m") -> Plan:
    return (
        two_subnets(routes_a=(f"10.0.2.0/24 {target}",), routes_b=(f"10.0.1.0/24 {target}",))
        .subnet("sub-m", "vpc-1", "10.0.3.0/24")
        .group("sg-m", "in all sg-a", "in all sg-b", "out all sg-a", "out all sg-b")
        .interface("eni-m", "sub-m", "10.0.3.5", "sg-m", check=check, instance="i-m")
    )


@pytest.mark.semantics("path-11")
@pytest.mark.parametrize("target", ["eni-m", "i-m"])
def test_appliance_passes_only_with_its_check_off(target: str) -> None:
    found = journey(through_appliance(check=False, target=target), "eni-a", "eni-b")
    assert found.answer is Answer.YES
    assert passed(found, Leg.BACK) == ["eni-b>", "eni-m", "eni-m>", "eni-a"]
    on = journey(through_appliance(check=True, target=target), "eni-a", "eni-b")
    assert codes(on) == ["SOURCE_DEST_CHECK"]


@pytest.mark.semantics("path-12")
def test_references_do_not_match_behind_an_appliance() -> None:
    plan = through_appliance(check=False).group("sg-b", "in all sg-a", "out all 0.0.0.0/0")
    found = journey(plan, "eni-a", "eni-b")
    assert codes(found) == ["NO_MATCHING_RULE"]
    assert found.steps[-1].interface_id == "eni-b"  # type: ignore[union-attr]
    plan.group("sg-b", "in all 10.0.1.5/32", "out all 0.0.0.0/0")
    assert journey(plan, "eni-a", "eni-b").answer is Answer.YES


def test_circle_of_routes_ends() -> None:
    plan = two_subnets(routes_a=("10.0.2.0/24 eni-m",))
    plan.subnet("sub-m", "vpc-1", "10.0.3.0/24", routes=("10.0.2.0/24 eni-n",))
    plan.subnet("sub-n", "vpc-1", "10.0.4.0/24", routes=("10.0.2.0/24 eni-m",))
    plan.interface("eni-m", "sub-m", "10.0.3.5", "sg-a", check=False)
    plan.interface("eni-n", "sub-n", "10.0.4.5", "sg-a", check=False)
    assert codes(journey(plan, "eni-a", "eni-b")) == ["NO_PATH"]
    plan.subnet("sub-m", "vpc-1", "10.0.3.0/24", routes=("10.0.2.0/24 eni-m",))
    assert codes(journey(plan, "eni-a", "eni-b")) == ["NO_PATH"]


@pytest.mark.semantics("path-13")
def test_whether_an_appliance_translates_is_unknown() -> None:
    plan = two_subnets(routes_a=("0.0.0.0/0 eni-m",)).internet_gateway("vpc-1")
    plan.subnet("sub-m", "vpc-1", "10.0.3.0/24", routes=EVERYONE)
    plan.interface("eni-m", "sub-m", "10.0.3.5", "sg-a", check=False, public="203.0.113.8")
    found = journey(plan, "eni-a", "internet:198.51.100.7")
    assert found.answer is Answer.UNKNOWN
    assert found.steps[-1].place == "eni-m"  # type: ignore[union-attr]


def test_interface_that_hands_on_to_something_else_is_unknown() -> None:
    plan = two_subnets(routes_a=("10.9.0.0/16 eni-t",))
    plan.interface("eni-t", "sub-a", "10.0.1.9", kind="transit_gateway", check=False)
    assert journey(plan, "eni-a", "10.9.0.1").answer is Answer.UNKNOWN


# --------------------------------------------------------------- gateway endpoints


def with_endpoint(**kwargs: Any) -> Plan:
    return (
        two_subnets(routes_a=("pl-s3 vpce-1",))
        .prefix_list("pl-s3", "52.218.0.0/17")
        .endpoint("vpc-1", **kwargs)
        .group("sg-a", "out all pl-s3")
    )


@pytest.mark.semantics("path-14")
def test_gateway_endpoint_takes_tcp_and_echo_only() -> None:
    assert journey(with_endpoint(), "eni-a", "52.218.0.1").answer is Answer.YES
    assert journey(with_endpoint(), "eni-a", "52.218.0.1", "icmp/8/0").answer is Answer.YES
    for service in ("udp/53", "icmp/13/0", "47"):
        assert codes(journey(with_endpoint(), "eni-a", "52.218.0.1", service)) == [
            "VPCE_GATEWAY_PROTOCOL_RESTRICTION"
        ]
    assert codes(journey(with_endpoint(available=False), "eni-a", "52.218.0.1")) == ["BAD_STATE"]


@pytest.mark.semantics("path-14")
@pytest.mark.semantics("path-23")
def test_route_for_a_prefix_list_that_is_not_in_the_files_is_unknown() -> None:
    plan = two_subnets(routes_a=("pl-s3 vpce-1",)).endpoint("vpc-1")
    found = journey(plan, "eni-a", "internet:52.216.1.1")
    assert found.answer is Answer.UNKNOWN
    assert codes(found) == ["UNKNOWN_RESOURCE"]
    last = found.steps[-1]
    assert isinstance(last, OnTheWay)
    assert "pl-s3" in last.text
    plan.prefix_list("pl-s3", "3.5.0.0/19")
    assert codes(journey(plan, "eni-a", "internet:52.216.1.1")) == ["NO_ROUTE_TO_DESTINATION"]


def test_gateway_endpoint_asks_the_acl_for_its_answers() -> None:
    plan = with_endpoint().acl("sub-a", "out 10 allow all 0.0.0.0/0")
    assert codes(journey(plan, "eni-a", "52.218.0.1")) == ["NETWORK_ACL"]


def from_outside_through(route: str) -> Plan:
    """The internet's packets for `b` go through an appliance, whose table has `route`."""
    plan = on_the_internet(b="203.0.113.6").subnet("sub-m", "vpc-1", "10.0.3.0/24", routes=(route,))
    plan.interface("eni-m", "sub-m", "10.0.3.5", "sg-a", check=False)
    return plan.table("rtb-edge", "vpc-1", "10.0.2.0/24 eni-m", gateways=("igw-1",))


def test_gateway_endpoint_takes_sources_of_its_vpc_only() -> None:
    plan = from_outside_through("10.0.2.0/24 vpce-1").endpoint("vpc-1")
    assert codes(journey(plan, "internet:198.51.100.7", "eni-b")) == [
        "VPCE_GATEWAY_EGRESS_SOURCE_ADDRESS_RESTRICTION"
    ]


def test_peering_takes_sources_of_its_vpc_only() -> None:
    plan = from_outside_through("10.0.2.0/24 pcx-1").vpc("vpc-2", "10.0.0.0/16")
    plan.peering("vpc-1", "vpc-2")
    assert codes(journey(plan, "internet:198.51.100.7", "eni-b")) == [
        "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR"
    ]


# ------------------------------------------------------------- what the model ends at


@pytest.mark.semantics("path-15")
@pytest.mark.parametrize(
    "target", ["tgw-1", "vgw-1", "cagw-1", "vpce-gwlb", "eni-x", "nat-x", "i-x", "igw-x", "eigw-x"]
)
def test_other_target_is_unknown_with_its_id(target: str) -> None:
    plan = two_subnets(routes_a=(f"192.168.0.0/16 {target}",))
    found = journey(plan, "eni-a", "192.168.1.1")
    assert found.answer is Answer.UNKNOWN
    assert found.steps[-1].place == target  # type: ignore[union-attr]


@pytest.mark.semantics("path-15")
def test_route_table_that_is_not_in_the_files() -> None:
    plan = two_subnets()
    del plan.nouns["route_tables"]
    assert journey(plan, "eni-a", "eni-b").answer is Answer.YES
    assert journey(plan, "eni-a", "internet:198.51.100.7").answer is Answer.UNKNOWN


@pytest.mark.semantics("path-22")
def test_private_address_that_is_nowhere_enters_nowhere_and_is_judged_where_it_arrives() -> None:
    home = ("192.168.0.0/16 vgw-1",)
    found = journey(two_subnets(routes_a=home), "192.168.1.1", "eni-a")
    assert found.answer is Answer.UNKNOWN
    assert passed(found, Leg.THERE) == ["eni-a"]
    assert found.conversation.opener.destination_port == 443
    assert codes(journey(two_subnets(), "192.168.1.1", "eni-a"))[-1] == "NO_ROUTE_TO_DESTINATION"
    closed = two_subnets(routes_a=home).group("sg-a", "out all 0.0.0.0/0")
    refused = journey(closed, "192.168.1.1", "eni-a")
    assert refused.answer is Answer.NO
    assert codes(refused) == ["UNKNOWN_RESOURCE", "NO_MATCHING_RULE"]


def overlapping(*, routes_a: tuple[str, ...] = (), routes_c: tuple[str, ...] = ()) -> Plan:
    """Peers of `vpc-1` that have the same block; each has an interface 10.1.1.5."""
    plan = (
        Plan()
        .vpc("vpc-1", "10.0.0.0/16")
        .vpc("vpc-b", "10.1.0.0/16")
        .vpc("vpc-c", "10.1.0.0/16")
        .subnet("sub-a", "vpc-1", "10.0.1.0/24", routes=routes_a)
        .subnet("sub-b", "vpc-b", "10.1.1.0/24", routes=("10.0.0.0/16 pcx-1",))
        .subnet("sub-c", "vpc-c", "10.1.1.0/24", routes=routes_c)
        .interface("eni-a", "sub-a", "10.0.1.5", "sg-1")
        .interface("eni-b", "sub-b", "10.1.1.5", "sg-b")
        .interface("eni-c", "sub-c", "10.1.1.5", "sg-c")
        .peering("vpc-1", "vpc-b")
    )
    for vpc in ("1", "b", "c"):
        plan.group(f"sg-{vpc}", "in all 0.0.0.0/0", "out all 0.0.0.0/0", vpc=f"vpc-{vpc}")
    return plan


@pytest.mark.semantics("path-21")
def test_address_of_two_vpcs_reaches_the_one_that_the_route_leads_to() -> None:
    plan = overlapping(routes_a=("10.1.0.0/16 pcx-1",))
    assert journey(plan, "eni-a", "eni-b").answer is Answer.YES
    found = journey(plan, "eni-a", "eni-c")
    assert codes(found) == ["NO_PATH"]
    assert "eni-b" not in passed(found, Leg.THERE)


@pytest.mark.semantics("path-21")
def test_local_route_never_leads_to_the_same_address_of_another_vpc() -> None:
    plan = overlapping(routes_a=("10.1.0.0/16 pcx-1",))
    plan.vpc("vpc-1", "10.0.0.0/16", "10.1.0.0/16").subnet("sub-d", "vpc-1", "10.1.1.0/24")
    plan.interface("eni-d", "sub-d", "10.1.1.5", "sg-1")
    assert journey(plan, "eni-a", "eni-d").answer is Answer.YES
    assert codes(journey(plan, "eni-a", "eni-b")) == ["NO_PATH"]


@pytest.mark.semantics("path-21")
def test_answer_that_another_holder_of_the_address_gets_is_no_answer() -> None:
    plan = overlapping(routes_a=("10.1.0.0/16 pcx-1",), routes_c=("10.0.0.0/16 pcx-2",))
    plan.nouns["peerings"]["pcx-2"] = replace(
        plan.nouns["peerings"]["pcx-1"],
        peering_id="pcx-2",
        accepter=replace(plan.nouns["peerings"]["pcx-1"].accepter, vpc_id="vpc-c"),
    )
    found = journey(plan, "eni-c", "eni-a")
    assert passed(found, Leg.THERE)[-1] == "eni-a"
    assert codes(found) == ["NO_PATH"]


@pytest.mark.semantics("path-16")
def test_services_of_the_vpc_are_exempt_there_and_back() -> None:
    plan = two_subnets().group("sg-a").acl("sub-a")
    for address, service in (
        ("10.0.0.2", "udp/53"),
        ("169.254.169.254", "tcp/80"),
        ("10.0.1.1", "icmp/8/0"),
    ):
        found = journey(plan, "eni-a", address, service)
        assert found.answer is Answer.YES
        assert {s.decision.reason for s in found.steps if isinstance(s, AtInterface)} == {
            Reason.EXEMPT
        }


# --------------------------------------------------------------------- conversations


@pytest.mark.parametrize(
    ("service", "legs"),
    [
        ("tcp/443", [Leg.THERE, Leg.BACK, Leg.AGAIN]),
        ("udp/53", [Leg.THERE, Leg.BACK]),
        ("icmp/8/0", [Leg.THERE, Leg.BACK]),
        ("icmp/3/4", [Leg.THERE]),
        ("47", [Leg.THERE, Leg.BACK]),
    ],
)
def test_conversation_has_the_packets_of_its_protocol(service: str, legs: list[Leg]) -> None:
    found = journey(two_subnets(), "eni-a", "eni-b", service)
    assert found.answer is Answer.YES
    assert list(dict.fromkeys(step.leg for step in found.steps)) == legs


@pytest.mark.parametrize("service", ["tcp/443", "udp/53", "icmp/8/0", "47"])
def test_tracked_answers_need_no_rules(service: str) -> None:
    plan = two_subnets().group("sg-a", "out all 10.0.2.0/24").group("sg-b", "in all 10.0.1.0/24")
    found = journey(plan, "eni-a", "eni-b", service)
    back = [
        s.decision.reason for s in found.steps if isinstance(s, AtInterface) and s.leg is Leg.BACK
    ]
    assert back == [Reason.ESTABLISHED, Reason.ESTABLISHED]


def test_untracked_answers_are_judged_by_the_rules() -> None:
    found = journey(two_subnets(), "eni-a", "eni-b")
    back = [
        s.decision.reason for s in found.steps if isinstance(s, AtInterface) and s.leg is Leg.BACK
    ]
    assert back == [Reason.UNTRACKED, Reason.UNTRACKED]


# ------------------------------------------------------------------------------- codes

#: Reachability Analyzer Guide, explanation codes, read 2026-06: those that concern what is
#: modelled here.
PUBLISHED = frozenset(
    [
        "BAD_STATE",
        "BAD_STATE_ATTACHMENT",
        "BAD_STATE_ROUTE",
        "CANNOT_ROUTE",
        "ENI_ADDRESS_RESTRICTION",
        "ENI_SG_RULES_MISMATCH",
        "ENI_SOURCE_DEST_CHECK_RESTRICTION",
        "GATEWAY_REJECTS_SPOOFED_TRAFFIC",
        "IGW_DESTINATION_ADDRESS_IN_VPC_CIDRS",
        "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS",
        "IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS",
        "IGW_NAT_REFLECTION",
        "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS",
        "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS",
        "NGW_DEST_ADDRESS_PRESERVATION",
        "NGW_REQUIRES_SOURCE_IN_VPC",
        "NGW_SOURCE_ADDRESS_REASSIGN",
        "NO_PATH",
        "NO_POSSIBLE_DESTINATION",
        "NO_ROUTE_TO_DESTINATION",
        "NO_SOURCE_OR_DESTINATION",
        "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR",
        "PROTOCOL_RESTRICTION",
        "SG_HAS_NO_RULES",
        "SG_REFERENCES_NOT_PRESERVED",
        "SUBNET_ACL_RESTRICTION",
        "UNKNOWN_DESTINATION",
        "UNKNOWN_RESOURCE",
        "VPCE_GATEWAY_EGRESS_SOURCE_ADDRESS_RESTRICTION",
        "VPCE_GATEWAY_PROTOCOL_RESTRICTION",
    ]
)


def test_every_code_that_is_used_is_published_and_raised_by_a_test() -> None:
    root = Path(__file__).parents[2]
    sources = [
        root / "src/secgroup/reference" / name
        for name in ("hop.py", "path.py", "question.py", "telling.py")
    ]
    used = {
        code
        for source in sources
        for code in re.findall(r'"([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)"', source.read_text())
    }
    assert len(used) > 20
    assert used <= PUBLISHED
    tests = "".join(
        path.read_text().partition("#: Reachability Analyzer Guide")[0]
        for path in (
            Path(__file__),
            root / "tests/reference/test_explain.py",
            root / "tests/cli/test_explain.py",
        )
    )
    assert {code for code in used if f'"{code}"' not in tests} == set()
