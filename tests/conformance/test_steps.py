"""Each step of a decision, on every subject: which reason, which rules, which ACL entry."""

from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from secgroup.decision import Reason
from secgroup.lessons.scene import scene
from secgroup.lessons.talk import connection, datagram, message, ping, plain
from secgroup.model.interface import ConnectionTracking
from secgroup.net.address import parse_address
from secgroup.net.direction import Direction
from secgroup.net.packet import Malformed
from secgroup.net.protocol import TCP
from secgroup.reference.memory import Switches
from tests.conformance.capability import Capability, requires
from tests.support.captured import fragments
from tests.support.playbook import Playbook, after, inward, outward

NEW, ESTABLISHED, UNTRACKED = Reason.NEW, Reason.ESTABLISHED, Reason.UNTRACKED
NO_RULE, ACL, EXEMPT = Reason.NO_MATCHING_RULE, Reason.NETWORK_ACL, Reason.EXEMPT
FRAGMENT, MULTI = Reason.FRAGMENT, Reason.NOT_UNICAST
IN, OUT = Direction.INGRESS, Direction.EGRESS

WEB, WEB6 = "10.0.1.10", "2001:db8:1:1::10"
CLIENT, CLIENT6 = "203.0.113.1", "2001:db8:ffff::1"
ENDS = {4: (CLIENT, WEB), 6: (CLIENT6, WEB6)}
both_families = pytest.mark.parametrize("family", [4, 6])


def web(*rules, acl=(), **others):
    return scene(
        groups={"web": rules, "peers": []},
        interfaces={"web": f"{WEB} {WEB6} web", "near": "10.0.1.20 2001:db8:1:1::20 peers"},
        acls={"10.0.1": acl} if acl else {},
        **others,
    )


def one(make, network, packet, direction=IN, *, switches=None, at="web"):
    """The decision of one packet, with nothing before it."""
    subject = make(network) if switches is None else make(network, switches)
    return subject.decide(at, direction, packet, 1000)


# Rules


@both_families
@pytest.mark.parametrize(
    ("port", "rules"), [(79, ""), (80, "0"), (81, "01"), (443, "01"), (444, "1"), (65535, "")]
)
@requires(Capability.RULES, Capability.RULE_IDS)
def test_all_rules_that_match_are_named_in_their_order(make, family, port, rules):
    lines = [
        f"in {service} {block}"
        for service in ("tcp/80-443", "tcp/81-444", "udp/0-65535")
        for block in ("203.0.113.0/24", "2001:db8:ffff::/48")
    ]
    said = connection(*ENDS[family], port)
    found = one(make, web(*lines), said.client("SYN"))
    expected = tuple(f"web/ingress/{2 * int(number) + (family == 6)}" for number in rules)
    assert found.rule_ids == expected
    assert found.reason is (NEW if rules else NO_RULE)


@pytest.mark.parametrize(
    ("service", "packet", "passes"),
    [
        ("all", plain(CLIENT, WEB, 47), True),
        ("47", plain(CLIENT, WEB, 47), True),
        ("47", plain(CLIENT, WEB, 50), False),
        ("udp/53", datagram(CLIENT, WEB, 53), True),
        ("udp/53", connection(CLIENT, WEB, 53).client("SYN"), False),
        ("icmp", ping(CLIENT, WEB), True),
        ("icmp/8", ping(CLIENT, WEB), True),
        ("icmp/0", ping(CLIENT, WEB), False),
        ("icmp/3/4", message(CLIENT, WEB, type=3, code=4), True),
        ("icmp/3/4", message(CLIENT, WEB, type=3, code=3), False),
        ("icmpv6", ping(CLIENT, WEB), False),
        ("tcp/0-65535", datagram(CLIENT, WEB, 1), False),
    ],
)
@requires(Capability.RULES)
def test_rule_matches_its_protocol_and_no_other(make, service, packet, passes):
    assert one(make, web(f"in {service} 203.0.113.0/24"), packet).accepted is passes


@pytest.mark.parametrize(
    ("block", "source", "passes"),
    [
        ("203.0.113.1/32", "203.0.113.1", True),
        ("203.0.113.1/32", "203.0.113.2", False),
        ("203.0.113.0/25", "203.0.113.127", True),
        ("203.0.113.0/25", "203.0.113.128", False),
        ("128.0.0.0/1", "203.0.113.128", True),
        ("0.0.0.0/1", "203.0.113.128", False),
        ("2001:db8:ffff::/127", "2001:db8:ffff::1", True),
        ("2001:db8:ffff::/127", "2001:db8:ffff::2", False),
        ("8000::/1", "2001:db8:ffff::1", False),
        ("::/0", "2001:db8:ffff::1", True),
        ("::/0", "203.0.113.1", False),
    ],
)
@requires(Capability.RULES)
def test_block_begins_and_ends_where_it_says(make, block, source, passes):
    packet = datagram(source, WEB6 if ":" in source else WEB, 53)
    assert one(make, web(f"in udp/53 {block}"), packet).accepted is passes


@requires(Capability.RULES)
def test_broader_blocks_count_where_a_narrower_one_matches(make):
    rules = ("in udp/53 203.0.113.1/32", "in udp/53 203.0.113.0/24", "in all 0.0.0.0/0")
    found = one(make, web(*rules), datagram(CLIENT, WEB, 53))
    assert found.rule_ids == ("web/ingress/0", "web/ingress/1", "web/ingress/2")
    found = one(make, web(*rules), datagram("203.0.113.9", WEB, 53))
    assert found.rule_ids == ("web/ingress/1", "web/ingress/2")


@requires(Capability.RULES, Capability.RULE_IDS)
def test_hundreds_of_rules_of_which_each_has_its_bit(make):
    rules = [f"in tcp/{1000 + number} 203.0.{number % 100}.0/24" for number in range(300)]
    subject = make(web(*rules, "in tcp/1000-1299 203.0.0.0/16"))
    for number in (0, 1, 63, 64, 65, 127, 128, 255, 256, 299):
        said = connection(f"203.0.{number % 100}.7", WEB, 1000 + number)
        found = subject.decide("web", IN, said.client("SYN"), 1000)
        assert found.rule_ids == (f"web/ingress/{number}", "web/ingress/300")


@both_families
@requires(Capability.PEERS)
def test_group_as_peer_means_the_addresses_of_its_interfaces(make, family):
    subject = make(web("in tcp/22 peers"))
    near, other = ("10.0.1.20", "10.0.1.21") if family == 4 else (
        "2001:db8:1:1::20", "2001:db8:1:1::21")  # fmt: skip
    for source, expected in ((near, NEW), (other, NO_RULE)):
        said = connection(source, ENDS[family][1], 22)
        assert subject.decide("web", IN, said.client("SYN"), 1000).reason is expected


@requires(Capability.PEERS)
def test_prefix_list_as_peer_and_one_that_is_unknown(make):
    network = web(
        "in tcp/22 pl-office",
        "in tcp/23 pl-elsewhere",
        prefix_lists={"pl-office": ["203.0.113.0/28"]},
    )
    assert one(make, network, connection(CLIENT, WEB, 22).client("SYN")).reason is NEW
    outside = connection("203.0.113.16", WEB, 22)
    assert one(make, network, outside.client("SYN")).reason is NO_RULE
    assert one(make, network, connection(CLIENT, WEB, 23).client("SYN")).reason is NO_RULE


# Untracked flows


@both_families
@requires(Capability.UNTRACKED)
def test_flow_that_is_open_there_and_back_is_untracked(make, family):
    said = connection(*ENDS[family], 443)
    everywhere = ("0.0.0.0/0", "::/0")
    rules = [f"in tcp/443 {block}" for block in everywhere]
    rules += [f"out all {block}" for block in everywhere]
    assert (
        Playbook(web(*rules), "web", on=make)
        >> inward(said.client("SYN")) << UNTRACKED
        >> outward(said.server("SYN ACK")) << UNTRACKED
        >> inward(connection(*ENDS[family], 444).client("SYN")) << NO_RULE
        >> inward(ping(*ENDS[family])) << NO_RULE
        >> outward(ping(*ENDS[family][::-1])) << NEW
    )  # fmt: skip


@requires(Capability.UNTRACKED, Capability.CHANGES)
def test_untracked_flow_ends_with_its_rule_and_a_tracked_one_does_not(make):
    rules = ("in tcp/443 0.0.0.0/0", "in tcp/22 203.0.113.0/24")
    before, behind = web(*rules, "out all 0.0.0.0/0"), web("out all 0.0.0.0/0")
    said, ssh = connection(CLIENT, WEB, 443), connection(CLIENT, WEB, 22)
    assert (
        Playbook(before, "web", on=make)
        >> inward(said.client("SYN")) << UNTRACKED
        >> inward(ssh.client("SYN")) << NEW
        >> behind
        >> inward(said.client("ACK")) << NO_RULE
        >> inward(ssh.client("ACK")) << ESTABLISHED
    )  # fmt: skip


# Network ACLs


@pytest.mark.parametrize(
    ("source", "port", "number", "reason"),
    [
        (CLIENT, 22, 100, ACL),
        ("203.0.113.200", 22, 200, NEW),
        ("198.51.100.7", 22, 32767, ACL),
        (CLIENT, 23, 200, NO_RULE),
        ("10.0.1.20", 22, None, NEW),
    ],
)
@requires(Capability.NETWORK_ACLS)
def test_acl_decides_by_its_first_entry_and_not_inside_the_subnet(
    make, source, port, number, reason
):
    acl = (
        "in 200 allow all 203.0.113.0/24",
        "in 100 deny tcp/22 203.0.113.0/25",
        "in 300 deny all 203.0.113.0/24",
    )
    network = web("in tcp/22 0.0.0.0/0", acl=acl)
    found = one(make, network, connection(source, WEB, port).client("SYN"))
    assert (found.reason, found.acl_rule_number) == (reason, number)
    assert found.network_acl_id == (None if number is None else "acl-10.0.1")


@requires(Capability.NETWORK_ACLS, Capability.LISTS_CONNECTIONS)
def test_acl_on_egress_undoes_what_the_groups_did(make):
    network = web("out udp/53 0.0.0.0/0", acl=["in 100 allow all 0.0.0.0/0"])
    subject = make(network)
    found = subject.decide("web", OUT, datagram(WEB, CLIENT, 53), 1000)
    assert (found.reason, found.acl_rule_number) == (ACL, 32767)
    assert found.rule_ids == ("web/egress/0",)
    assert subject.connections(1000) == []


@requires(Capability.NETWORK_ACLS, Capability.CHANGES, Capability.STATES)
def test_acl_cuts_a_tracked_flow_and_keeps_its_entry_as_it_was(make):
    rules = ("in tcp/22 203.0.113.0/24",)
    opened = ("in 100 allow all 0.0.0.0/0", "out 100 allow all 0.0.0.0/0")
    said = connection(CLIENT, WEB, 22)
    book = (
        Playbook(web(*rules, acl=opened), "web", on=make)
        >> inward(said.client("SYN")) << NEW
        >> web(*rules, acl=opened[:1])
        >> outward(said.server("SYN ACK")) << ACL
        >> outward(said.server("RST ACK")) << ACL
        >> web(*rules, acl=opened)
        >> outward(said.server("SYN ACK", ahead=-1)) << ESTABLISHED
    )  # fmt: skip
    lines = book.lines()
    assert all(line.as_expected for line in lines)
    assert [
        (line.decision.state_before.name, line.decision.state_after.name)
        for line in lines[1:]
        if line.decision is not None
    ] == [("SYN_SENT", "SYN_SENT")] * 2 + [("SYN_SENT", "SYN_RECV")]


# What is exempt, and what is not for us


@requires(Capability.EXEMPT)
def test_services_of_aws_are_exempt_both_ways_and_nothing_beside_them(make):
    subject = make(web())
    asked = datagram(WEB, "169.254.169.253", 53)
    answered = datagram("169.254.169.253", WEB, 40000, source_port=53)
    beside = datagram(WEB, "169.254.169.253", 54)
    assert subject.decide("web", OUT, asked, 1000).reason is EXEMPT
    assert subject.decide("web", IN, answered, 1000).reason is EXEMPT
    assert subject.decide("web", OUT, beside, 1000).reason is NO_RULE
    metadata = connection(WEB, "169.254.169.254", 80)
    assert subject.decide("web", OUT, metadata.client("SYN"), 1000).reason is EXEMPT
    assert subject.decide("web", OUT, datagram(WEB, "10.0.1.1", 9), 1000).reason is EXEMPT
    assert subject.decide("web", OUT, datagram(WEB, "10.0.2.1", 9), 1000).reason is NO_RULE


@requires(Capability.EXEMPT)
def test_dhcp_and_neighbours_pass_and_what_looks_like_them_does_not(make):
    subject = make(web())
    for packet, way, reason in (
        (datagram(WEB, "255.255.255.255", 67, source_port=68), OUT, EXEMPT),
        (datagram(WEB, "255.255.255.255", 67, source_port=69), OUT, MULTI),
        (datagram("10.0.1.1", WEB, 68, source_port=67), IN, EXEMPT),
        (datagram(CLIENT, WEB, 68, source_port=67), IN, NO_RULE),
        (datagram(WEB6, "ff02::1:2", 547, source_port=546), OUT, EXEMPT),
        (replace(message(WEB6, "ff02::1:ff00:1", type=135), hop_limit=255), OUT, EXEMPT),
        (replace(message(WEB6, "ff02::1:ff00:1", type=135), hop_limit=254), OUT, MULTI),
        (datagram(WEB, "224.0.0.251", 5353), OUT, MULTI),
        (datagram(WEB, "10.0.1.255", 9), OUT, MULTI),
    ):
        assert subject.decide("web", way, packet, 1000).reason is reason, packet


@both_families
@requires(Capability.SOURCE_DEST_CHECK)
def test_what_is_not_for_the_interface_does_not_arrive_unless_its_check_is_off(make, family):
    client, _ = ENDS[family]
    other = "10.0.9.9" if family == 4 else "2001:db8:1:9::9"
    rules = ("in all 0.0.0.0/0", "in all ::/0")
    found = one(make, web(*rules), datagram(client, other, 53))
    assert found.reason is Reason.SOURCE_DEST_CHECK
    assert one(make, web(*rules, unchecked=["web"]), datagram(client, other, 53)).reason is NEW


@requires(Capability.SOURCE_DEST_CHECK)
def test_delegated_and_secondary_addresses_are_the_interfaces(make):
    network = web("in all 0.0.0.0/0")
    interface = network.interfaces["web"]
    block = IPv4Network("10.0.1.208/28")
    wide = replace(interface, prefixes=(block,))
    network = replace(network, interfaces={**network.interfaces, "web": wide})
    for last, reason in ((207, Reason.SOURCE_DEST_CHECK), (208, NEW), (223, NEW)):
        assert one(make, network, datagram(CLIENT, f"10.0.1.{last}", 53)).reason is reason


@pytest.mark.parametrize("kind", ["natGateway", "transit_gateway"])
@requires(Capability.GROUPLESS)
def test_interface_without_groups_passes_everything_but_its_acl(make, kind):
    network = web(acl=["in 100 deny udp/53 0.0.0.0/0", "in 200 allow all 0.0.0.0/0"])
    gateway = replace(network.interfaces["web"], interface_type=kind, group_ids=())
    network = replace(network, interfaces={**network.interfaces, "web": gateway})
    assert one(make, network, datagram(CLIENT, WEB, 53)).reason is ACL
    found = one(make, network, datagram(CLIENT, WEB, 54))
    assert (found.reason, found.state_after) == (Reason.NO_GROUPS, None)


@both_families
@requires(Capability.MALFORMED)
def test_packet_that_cannot_be_read_is_refused_whatever_the_rules(make, family):
    client, host = map(parse_address, ENDS[family])
    broken = Malformed(
        problem="TCP header cut", length=60, source=client, destination=host, protocol=TCP
    )
    found = one(make, web("in all 0.0.0.0/0", "in all ::/0"), broken)
    assert found.reason is Reason.MALFORMED


# Fragments


@both_families
@requires(Capability.FRAGMENTS)
def test_later_fragments_get_what_their_first_one_got_for_thirty_seconds(make, family):
    client, host = ENDS[family]
    first, later = fragments(datagram(client, host, 53, size=2000), 1480)
    refused, behind = fragments(datagram(client, host, 54, size=2000), 1480, identification=10)
    rules = ("in udp/53 0.0.0.0/0", "in udp/53 ::/0")
    assert (
        Playbook(web(*rules), "web", on=make)
        >> inward(later) << FRAGMENT
        >> inward(first) << NEW
        >> inward(later) << NEW
        >> inward(refused) << NO_RULE
        >> inward(behind) << NO_RULE
        >> after(29.995)
        >> inward(later) << NEW
        >> inward(later) << FRAGMENT
    )  # fmt: skip


@requires(Capability.FRAGMENTS, Capability.CHANGES)
def test_later_fragments_get_what_their_first_one_got_whatever_the_rules_say_now(make):
    first, later = fragments(datagram(CLIENT, WEB, 53, size=2000), 1480)
    other, behind = fragments(datagram(CLIENT, WEB, 54, size=2000), 1480, identification=10)
    assert (
        Playbook(web("in udp/53 0.0.0.0/0"), "web", on=make)
        >> inward(first) << NEW
        >> inward(other) << NO_RULE
        >> web("in udp/54 0.0.0.0/0")
        >> inward(later) << NEW
        >> inward(behind) << NO_RULE
    )  # fmt: skip


@requires(Capability.FRAGMENTS)
def test_fragments_of_another_direction_or_identification_are_others(make):
    subject = make(web("in udp/53 0.0.0.0/0", "out all 0.0.0.0/0"))
    first, later = fragments(datagram(CLIENT, WEB, 53, size=2000), 1480)
    _, other = fragments(datagram(CLIENT, WEB, 53, size=2000), 1480, identification=11)
    assert subject.decide("web", IN, first, 1000).accepted
    assert subject.decide("web", IN, other, 1000).reason is FRAGMENT
    back = replace(later, source=later.destination, destination=later.source)
    assert subject.decide("web", OUT, back, 1000).reason is FRAGMENT
    assert subject.decide("web", IN, later, 1000).accepted


# Owners, timeouts, allowances, hints


@requires(Capability.SHARED_OWNERS, Capability.LISTS_CONNECTIONS)
def test_interfaces_of_one_instance_share_its_connections(make):
    network = scene(
        groups={"a": ["in udp/53 0.0.0.0/0"], "b": []},
        interfaces={"i-0": "10.0.1.10 a", "i-1": "10.0.2.10 b", "j-0": "10.0.2.11 b"},
        unchecked=["i-1", "j-0"],
    )
    subject = make(network)
    asked, answer = datagram(CLIENT, WEB, 53), datagram(WEB, CLIENT, 40000, source_port=53)
    assert subject.decide("i-0", IN, asked, 1000).reason is NEW
    assert subject.decide("j-0", OUT, answer, 1000).reason is NO_RULE
    assert subject.decide("i-1", OUT, answer, 1000).reason is ESTABLISHED
    line = ("i-i", "i-0", 17, "ingress", WEB, 53, CLIENT, 40000, "UDP_1_1")
    assert subject.connections(1000) == [line]


@requires(Capability.LISTS_CONNECTIONS, Capability.IDLE_TIMEOUTS)
def test_connections_are_listed_while_they_live(make):
    subject = make(web("in udp/53 0.0.0.0/0", "in icmp 0.0.0.0/0", "in 47 ::/0"))
    subject.decide("web", IN, datagram(CLIENT, WEB, 53), 1000)
    subject.decide("web", IN, ping(CLIENT, WEB, identifier=9), 5000)
    subject.decide("web", IN, plain(CLIENT6, WEB6, 47), 6000)
    lines = [
        ("i-web", "web", 1, "ingress", WEB, 9, CLIENT, 9, "ICMP_UNREPLIED"),
        ("i-web", "web", 17, "ingress", WEB, 53, CLIENT, 40000, "UDP_1_0"),
        ("i-web", "web", 47, "ingress", WEB6, 0, CLIENT6, 0, "OTHER_UNREPLIED"),
    ]
    assert subject.connections(30_999) == lines
    assert subject.connections(31_000) == [lines[0], lines[2]]
    assert subject.connections(35_000) == [lines[2]]


@requires(Capability.IDLE_TIMEOUTS)
def test_interface_may_have_timeouts_of_its_own(make):
    network = web("in udp/53 0.0.0.0/0", "in tcp/22 203.0.113.0/24")
    tracking = ConnectionTracking(tcp_established_timeout=60, udp_timeout=45)
    chosen = replace(network.interfaces["web"], tracking=tracking)
    network = replace(network, interfaces={**network.interfaces, "web": chosen})
    said = connection(CLIENT, WEB, 22)
    asked, answer = datagram(CLIENT, WEB, 53), datagram(WEB, CLIENT, 40000, source_port=53)
    assert (
        Playbook(network, "web", on=make)
        >> inward(asked) << NEW
        >> after(44.998)
        >> outward(answer) << ESTABLISHED
        >> after(44.999)
        >> outward(answer) << NO_RULE
        >> inward(said.client("SYN")) << NEW
        >> outward(said.server("SYN ACK")) << ESTABLISHED
        >> inward(said.client("ACK")) << ESTABLISHED
        >> after(59.999)
        >> outward(said.server("ACK")) << NO_RULE
    )  # fmt: skip


@requires(Capability.ALLOWANCES)
def test_full_allowance_refuses_openers_until_an_entry_was_reaped(make):
    subject = make(web("in udp/53 0.0.0.0/0"), Switches(allowance=2))

    def ask(port, time_ms):
        packet = datagram(CLIENT, WEB, 53, source_port=port)
        return subject.decide("web", IN, packet, time_ms).reason

    assert [ask(port, 1000) for port in (1, 2, 3)] == [NEW, NEW, Reason.ALLOWANCE_EXCEEDED]
    assert ask(1, 2000) is ESTABLISHED
    # The second one expires at 31,000 ms, and is reaped before the first packet then.
    assert ask(3, 30_999) is Reason.ALLOWANCE_EXCEEDED
    assert ask(3, 31_000) is NEW
    assert ask(4, 31_000) is Reason.ALLOWANCE_EXCEEDED


@requires(Capability.ALLOWANCES)
def test_entry_that_ended_or_expired_makes_room(make):
    subject = make(web("in tcp/22 203.0.113.0/24"), Switches(allowances={"i-web": 1}))
    first, second = (connection(CLIENT, WEB, 22, client_port=port) for port in (1, 2))
    assert subject.decide("web", IN, first.client("SYN"), 1000).reason is NEW
    found = subject.decide("web", IN, second.client("SYN"), 1001)
    assert found.reason is Reason.ALLOWANCE_EXCEEDED
    assert subject.decide("web", OUT, first.server("RST ACK"), 1002).reason is ESTABLISHED
    assert subject.decide("web", IN, second.client("SYN", ahead=-1), 1003).reason is NEW
    again = connection(CLIENT, WEB, 22, client_port=2)
    # Its own expired entry gives its place to the new one of the same name.
    assert subject.decide("web", IN, again.client("SYN"), 121_003).reason is NEW


@pytest.mark.parametrize(("hint", "reason"), [(True, NEW), (False, ACL), (None, ACL)])
@requires(Capability.HOP_HINT)
def test_hop_inside_the_subnet_asks_no_acl(make, hint, reason):
    subject = make(web("in udp/53 0.0.0.0/0", acl=["in 100 deny all 0.0.0.0/0"]))
    packet = datagram(CLIENT, WEB, 53)
    assert subject.decide("web", IN, packet, 1000, same_subnet=hint).reason is reason
