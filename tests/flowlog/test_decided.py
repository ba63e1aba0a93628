"""Flow logs of what the definition decides: rules, ACLs and packets in, published records out."""

from ipaddress import ip_address

import pytest

from secgroup.flowlog.aggregate import Aggregator
from secgroup.flowlog.fields import format_of
from secgroup.flowlog.write import line_of
from secgroup.model.group import SecurityGroup, SecurityGroupRule
from secgroup.model.network_acl import NetworkAcl, NetworkAclEntry
from secgroup.net.address import ALL_IPV4, parse_prefix
from secgroup.net.ports import ALL_TRAFFIC, parse_service
from secgroup.policy.resolve import Policy
from secgroup.reference.decide import decide
from secgroup.reference.memory import Memory
from tests.flowlog import published
from tests.flowlog.scenes import IN, OUT, a_network, an_interface, ping, udp

FAR, NEAR = "203.0.113.12", "172.31.16.139"


def entry(number, *, egress, allow, service="all"):
    return NetworkAclEntry(
        rule_number=number,
        is_egress=egress,
        is_allow=allow,
        traffic=parse_service(service),
        cidr=ALL_IPV4,
    )


def a_ping_network(*, group_allows=True, acl_allows_answers=False):
    """The group lets pings in and nothing out; the ACL lets ICMP in, and out if asked to."""
    rule = SecurityGroupRule(
        rule_id="sgr-1",
        group_id="sg-1",
        is_egress=False,
        traffic=parse_service("icmp" if group_allows else "tcp/22"),
        peer=parse_prefix("203.0.113.0/24"),
    )
    eni = an_interface("eni-1235b8ca123456789", NEAR, group_ids=("sg-1",))
    entries = (
        entry(100, egress=False, allow=True),
        *([entry(100, egress=True, allow=True, service="icmp")] if acl_allows_answers else []),
    )
    return eni, a_network(
        eni,
        groups={"sg-1": SecurityGroup(group_id="sg-1", vpc_ids=(eni.vpc_id,), rules=(rule,))},
        acls={"acl-1": NetworkAcl(network_acl_id="acl-1", vpc_id=eni.vpc_id, entries=entries)},
    )


def lines_of(eni, network, packets, names=published.DEFAULT_FORMAT):
    """Log packets (time in ms, direction, packet); only accepted requests are answered."""
    policy, memory = Policy(network).at(eni.interface_id), Memory()
    aggregator = Aggregator(network, format_of(names.split()))
    lines, reached = [], False
    for at_ms, direction, packet in packets:
        if direction is OUT and not reached:
            continue
        decision = decide(policy, memory, packet, direction, at_ms)
        reached = decision.accepted if direction is IN else reached
        lines += aggregator.add(at_ms, eni, direction, packet, decision)
    return [line_of(record) for record in (*lines, *aggregator.close())]


REQUESTS = [
    (at * 1000, IN, ping(FAR, NEAR)) for at in (1432917027, 1432917094, 1432917120, 1432917142)
]
ANSWERS = [
    (at * 1000 + 1, OUT, ping(NEAR, FAR, kind=0))
    for at in (1432917094, 1432917100, 1432917120, 1432917142)
]
PINGS = sorted(REQUESTS + ANSWERS, key=lambda each: each[0])


@pytest.mark.semantics("flowlog-5")
def test_ping_that_the_group_admits_and_the_acl_stops_on_its_way_back():
    assert lines_of(*a_ping_network(), PINGS) == list(published.PING)


@pytest.mark.semantics("flowlog-5")
def test_ping_that_the_acl_lets_back_is_accepted_twice():
    accepted = [line.replace("REJECT", "ACCEPT") for line in published.PING]
    assert lines_of(*a_ping_network(acl_allows_answers=True), PINGS) == accepted


@pytest.mark.semantics("flowlog-5")
def test_ping_that_the_group_refuses_is_one_rejected_record():
    rejected = published.PING[0].replace("ACCEPT", "REJECT")
    assert lines_of(*a_ping_network(group_allows=False), PINGS) == [rejected]


@pytest.mark.semantics("flowlog-19")
def test_reasons_and_rules_are_those_of_the_decisions():
    # The second request comes 67 s after the first: its entry, of 30 s, has ended.
    names = "secgroup-reason secgroup-rule-ids flow-direction packets"
    assert lines_of(*a_ping_network(), PINGS, names) == [
        "NEW sgr-1 ingress 2",
        "NETWORK_ACL - egress 4",
        "ESTABLISHED - ingress 2",
    ]


def an_open_network(*addresses):
    eni = an_interface("eni-1", *addresses, group_ids=("sg-1",))
    rules = tuple(
        SecurityGroupRule(
            rule_id=f"sgr-{egress}", group_id="sg-1", is_egress=egress,
            traffic=ALL_TRAFFIC, peer=ALL_IPV4,
        )
        for egress in (False, True)
    )  # fmt: skip
    acl = NetworkAcl(
        network_acl_id="acl-1",
        vpc_id=eni.vpc_id,
        entries=(entry(100, egress=False, allow=True), entry(100, egress=True, allow=True)),
    )
    network = a_network(
        eni,
        groups={"sg-1": SecurityGroup(group_id="sg-1", vpc_ids=(eni.vpc_id,), rules=rules)},
        acls={"acl-1": acl},
    )
    return eni, network


@pytest.mark.parametrize(
    ("destination", "port", "is_logged"),
    [
        ("169.254.169.253", 53, False),
        ("10.0.0.2", 53, False),
        ("8.8.8.8", 53, True),
        ("169.254.169.123", 123, False),
        ("10.9.9.9", 123, True),
        ("255.255.255.255", 67, False),
        ("224.0.0.251", 5353, False),
    ],
)
@pytest.mark.semantics("flowlog-14")
def test_amazons_own_services_dhcp_and_multicast_are_not_logged(destination, port, is_logged):
    eni, network = an_open_network("10.0.0.5")
    source_port = 68 if port == 67 else 5353
    packet = udp("10.0.0.5", source_port, destination, port)
    assert str(ip_address(destination)) == destination
    policy, memory = Policy(network).at("eni-1"), Memory()
    aggregator = Aggregator(network)
    aggregator.add(0, eni, OUT, packet, decide(policy, memory, packet, OUT, 0))
    assert len(list(aggregator.close())) == is_logged
