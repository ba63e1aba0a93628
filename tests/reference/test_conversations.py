"""Whole conversations, as AWS's own guides tell them, and what they leave open."""

import pytest

from secgroup.conntrack.state import State
from secgroup.decision import Reason, Verdict
from secgroup.lessons.scene import scene
from secgroup.lessons.talk import connection, datagram, message, ping, plain, pong
from secgroup.reference.memory import Switches
from tests.support import playbook
from tests.support.playbook import Playbook, after, inward, outward

NEW, ESTABLISHED, UNTRACKED = Reason.NEW, Reason.ESTABLISHED, Reason.UNTRACKED
MIDSTREAM, RELATED, NO_RULE = Reason.MIDSTREAM, Reason.RELATED, Reason.NO_MATCHING_RULE
ACL = Reason.NETWORK_ACL

WEB, WEB6 = "10.0.1.10", "2001:db8:1:1::10"
CLIENT, CLIENT6 = "203.0.113.1", "2001:db8:ffff::1"
STRANGER = "198.51.100.77"


def web(*rules, acl=()):
    return scene(
        groups={"web": rules},
        interfaces={"web": f"{WEB} {WEB6} web"},
        acls={"10.0.1": acl} if acl else {},
    )


#: EC2 User Guide, connection tracking, the worked example.
WORKED = web(
    "in tcp/22 203.0.113.1/32",
    "in tcp/80 0.0.0.0/0",
    "in tcp/80 ::/0",
    "in icmp 0.0.0.0/0",
    "out all 0.0.0.0/0",
    "out all ::/0",
)


@pytest.mark.semantics("ct-9", "icmp-1")
def test_worked_example_ssh_is_tracked_web_is_not_and_ping_is():
    ssh = connection(CLIENT, WEB, 22)
    http = connection(STRANGER, WEB, 80)
    http6 = connection(CLIENT6, WEB6, 80)
    assert (
        Playbook(WORKED, "web")
        >> inward(ssh.client("SYN")) << NEW
        >> outward(ssh.server("SYN ACK")) << ESTABLISHED
        >> inward(http.client("SYN")) << UNTRACKED
        >> outward(http.server("SYN ACK")) << UNTRACKED
        >> inward(http6.client("SYN")) << UNTRACKED
        >> outward(http6.server("SYN ACK")) << UNTRACKED
        >> inward(ping(STRANGER, WEB)) << NEW
        >> outward(pong(WEB, STRANGER)) << ESTABLISHED
        >> inward(connection(STRANGER, WEB, 22).client("SYN")) << NO_RULE
    )  # fmt: skip


@pytest.mark.semantics("ct-9")
def test_worked_example_without_the_ipv4_outbound_rule_ipv4_is_tracked_and_ipv6_is_not():
    changed = web("in tcp/80 0.0.0.0/0", "in tcp/80 ::/0", "out all ::/0")
    http = connection(STRANGER, WEB, 80)
    http6 = connection(CLIENT6, WEB6, 80)
    assert (
        Playbook(changed, "web")
        >> inward(http.client("SYN")) << NEW
        >> outward(http.server("SYN ACK")) << ESTABLISHED
        >> inward(http6.client("SYN")) << UNTRACKED
        >> outward(http6.server("SYN ACK")) << UNTRACKED
    )  # fmt: skip


PINGED, PINGER = "172.31.16.139", "203.0.113.12"


def pinged(*acl, rules=("in icmp 0.0.0.0/0",)):
    """VPC User Guide, flow log records: inbound ICMP is allowed, outbound is not."""
    return scene(groups={"g": rules}, interfaces={"eni": f"{PINGED} g"}, acls={"172.31.16": acl})


@pytest.mark.semantics("ct-1", "acl-8")
def test_ping_example_the_groups_let_the_reply_out_and_the_acl_does_not():
    network = pinged("in 100 allow icmp 0.0.0.0/0", "out 100 deny icmp 0.0.0.0/0")
    assert (
        Playbook(network, "eni")
        >> inward(ping(PINGER, PINGED)) << NEW
        >> outward(pong(PINGED, PINGER)) << ACL
    )  # fmt: skip


@pytest.mark.semantics("ct-1", "acl-8")
def test_ping_example_with_the_acl_open_both_are_accepted():
    network = pinged("in 100 allow icmp 0.0.0.0/0", "out 100 allow icmp 0.0.0.0/0")
    assert (
        Playbook(network, "eni")
        >> inward(ping(PINGER, PINGED)) << NEW
        >> outward(pong(PINGED, PINGER)) << ESTABLISHED
    )  # fmt: skip


@pytest.mark.semantics("sg-1")
def test_ping_example_without_inbound_icmp_the_request_is_refused():
    network = pinged("in 1 allow icmp 0.0.0.0/0", "out 1 allow icmp 0.0.0.0/0", rules=())
    assert Playbook(network, "eni") >> inward(ping(PINGER, PINGED)) << NO_RULE


@pytest.mark.semantics("ct-13", "ct-15")
@pytest.mark.parametrize(
    ("rule", "survives"), [("in tcp/22 0.0.0.0/0", False), ("in tcp/22 203.0.113.0/24", True)]
)
def test_ssh_session_survives_the_rules_removal_only_when_tracked(rule, survives):
    ssh = connection(CLIENT, WEB, 22)
    opened = NEW if survives else UNTRACKED
    goes_on = ESTABLISHED if survives else UNTRACKED
    later = ESTABLISHED if survives else NO_RULE
    assert (
        Playbook(web(rule, "out all 0.0.0.0/0"), "web")
        >> inward(ssh.client("SYN")) << opened
        >> outward(ssh.server("SYN ACK")) << goes_on
        >> inward(ssh.client("ACK")) << goes_on
        >> web("out all 0.0.0.0/0")
        >> inward(ssh.client("PSH ACK", 36)) << later
        >> after(300)
        >> inward(ssh.client("PSH ACK", 36)) << later
        >> inward(connection(CLIENT, WEB, 22, client_port=40001).client("SYN")) << NO_RULE
    )  # fmt: skip


@pytest.mark.semantics("acl-8")
def test_acl_cuts_what_the_groups_keep():
    ssh = connection(CLIENT, WEB, 22)
    rule = "in tcp/22 203.0.113.0/24"
    denied = web(rule, acl=("in 90 deny tcp/22 203.0.113.1/32", "in 100 allow all 0.0.0.0/0"))
    assert (
        Playbook(web(rule), "web")
        >> inward(ssh.client("SYN")) << NEW
        >> outward(ssh.server("SYN ACK")) << ESTABLISHED
        >> denied
        >> inward(ssh.client("ACK")) << ACL
        >> web(rule)
        >> inward(ssh.client("ACK")) << ESTABLISHED
    )  # fmt: skip


@pytest.mark.semantics("acl-4", "acl-5")
def test_published_example_controls_access_to_instances_in_a_subnet():
    """VPC User Guide, network ACL examples: the group widened, only the subnet and one address."""
    network = scene(
        groups={"g": ["in all g", "in tcp/22 0.0.0.0/0", "out all g"]},
        interfaces={"eni": "172.31.16.10 g", "other": "172.31.16.11 g"},
        acls={
            "172.31.16": [
                "in 100 allow tcp/22 172.31.1.2/32",
                "out 100 allow tcp/1024-65535 172.31.1.2/32",
            ]
        },
    )
    chosen = connection("172.31.1.2", "172.31.16.10", 22)
    near = connection("172.31.16.11", "172.31.16.10", 22)
    assert (
        Playbook(network, "eni")
        >> inward(chosen.client("SYN")) << NEW
        >> outward(chosen.server("SYN ACK")) << ESTABLISHED
        >> inward(connection("172.31.1.3", "172.31.16.10", 22).client("SYN")) << ACL
        >> inward(connection(STRANGER, "172.31.16.10", 22).client("SYN")) << ACL
        >> inward(near.client("SYN")) << NEW
        >> outward(near.server("SYN ACK")) << ESTABLISHED
    )  # fmt: skip


@pytest.mark.semantics("acl-2", "acl-3")
@pytest.mark.parametrize(
    ("family", "port", "number"),
    [
        (4, 80, 100),
        (4, 443, 110),
        (4, 139, 32767),
        (4, 40000, 140),
        (6, 80, 105),
        (6, 443, 115),
        (6, 22, 32768),
        (6, 65535, 145),
    ],
)
def test_published_custom_acl(family, port, number):
    entries = """100 tcp/80 0.0.0.0/0|105 tcp/80 ::/0|110 tcp/443 0.0.0.0/0|115 tcp/443 ::/0
        |120 tcp/22 192.0.2.0/24|140 tcp/32768-65535 0.0.0.0/0|145 tcp/32768-65535 ::/0"""
    acl = []
    for entry in entries.split("|"):
        rule_number, service, block = entry.split()
        acl.append(f"in {rule_number} allow {service} {block}")
    network = web("in all 0.0.0.0/0", "in all ::/0", acl=acl)
    ends = (CLIENT, WEB) if family == 4 else (CLIENT6, WEB6)
    book = Playbook(network, "web") >> inward(connection(*ends, port).client("SYN"))
    book << (ACL if number > 32766 else NEW)
    (line,) = book.lines()
    assert line.as_expected
    assert line.decision is not None
    assert line.decision.acl_rule_number == number
    assert (line.decision.verdict is Verdict.REJECT) == (number > 32766)


@pytest.mark.semantics("icmp-4", "icmp-7")
@pytest.mark.parametrize(
    ("rules", "switches", "expected"),
    [
        (("out tcp/443 0.0.0.0/0",), Switches(), RELATED),
        (("out tcp/443 0.0.0.0/0",), Switches(related_icmp=False), NO_RULE),
        (
            ("out tcp/443 0.0.0.0/0", "in icmp/3/4 0.0.0.0/0"),
            Switches(related_icmp=False),
            UNTRACKED,
        ),
        (
            ("out tcp/443 0.0.0.0/0", "in tcp/0-65535 0.0.0.0/0"),
            Switches(related_icmp=False),
            RELATED,
        ),
    ],
)
def test_path_mtu_message(rules, switches, expected):
    said = connection(WEB, CLIENT, 443)
    opened = UNTRACKED if len(rules) == 2 and rules[1].startswith("in tcp") else NEW
    goes_on = UNTRACKED if opened is UNTRACKED else ESTABLISHED
    large = said.client("SYN"), said.server("SYN ACK"), said.client("PSH ACK", 8961)
    too_big = message(STRANGER, WEB, type=3, code=4, quote=large[2])
    assert (
        Playbook(web(*rules), "web", switches=switches)
        >> outward(large[0]) << opened
        >> inward(large[1]) << goes_on
        >> outward(large[2]) << goes_on
        >> inward(too_big) << expected
    )  # fmt: skip


@pytest.mark.semantics("ct-23")
def test_udp_becomes_a_stream_by_the_second_pair():
    asked = datagram(WEB, CLIENT, 53)
    answered = datagram(CLIENT, WEB, 40000, source_port=53)
    assert (
        Playbook(web("out udp/53 0.0.0.0/0"), "web")
        >> outward(asked) << NEW
        >> inward(answered) << ESTABLISHED
        >> after(29)
        >> inward(answered) << ESTABLISHED
        >> outward(asked) << ESTABLISHED
        >> after(179)
        >> inward(answered) << ESTABLISHED
        >> after(180)
        >> inward(answered) << NO_RULE
    )  # fmt: skip


@pytest.mark.semantics("ct-23")
def test_udp_with_one_pair_lives_thirty_seconds():
    asked = datagram(WEB, CLIENT, 53)
    answered = datagram(CLIENT, WEB, 40000, source_port=53)
    assert (
        Playbook(web("out udp/53 0.0.0.0/0"), "web")
        >> outward(asked) << NEW
        >> inward(answered) << ESTABLISHED
        >> after(30)
        >> inward(answered) << NO_RULE
    )  # fmt: skip


@pytest.mark.semantics("ct-22")
def test_simultaneous_open():
    said = connection(WEB, CLIENT, 443)
    syn, answer = said.client("SYN"), said.server("SYN")
    said.next[0] -= 1
    syn_ack = said.client("SYN ACK")
    said.next[1] -= 1
    book = (
        Playbook(web("out tcp/443 0.0.0.0/0"), "web")
        >> outward(syn) << NEW
        >> inward(answer) << ESTABLISHED
        >> outward(syn_ack) << ESTABLISHED
        >> inward(said.server("SYN ACK")) << ESTABLISHED
        >> outward(said.client("ACK")) << ESTABLISHED
    )  # fmt: skip
    lines = book.lines()
    assert all(line.as_expected for line in lines)
    assert [line.decision.state_after.name for line in lines if line.decision] == [
        "SYN_SENT",
        "SYN_SENT2",
        "SYN_RECV",
        "SYN_RECV",
        "ESTABLISHED",
    ]


@pytest.mark.semantics("ct-26", "ct-30")
def test_connection_that_closes_is_forgotten_after_time_wait_and_late_packets_are_refused():
    said = connection(CLIENT, WEB, 443)
    assert (
        Playbook(web("in tcp/443 203.0.113.1/32"), "web")
        >> inward(said.client("SYN")) << NEW
        >> outward(said.server("SYN ACK")) << ESTABLISHED
        >> inward(said.client("ACK")) << ESTABLISHED
        >> outward(said.server("FIN ACK")) << ESTABLISHED
        >> inward(said.client("FIN ACK")) << ESTABLISHED
        >> outward(said.server("ACK")) << ESTABLISHED
        >> after(119.9)
        >> outward(said.server("ACK")) << ESTABLISHED
        >> after(120)
        >> outward(said.server("ACK")) << NO_RULE
        >> inward(said.client("ACK")) << MIDSTREAM
    )  # fmt: skip


@pytest.mark.semantics("time-1")
@pytest.mark.parametrize(("idle_s", "expected"), [(431_999.9, ESTABLISHED), (432_000, NO_RULE)])
def test_idle_connection_lives_five_days(idle_s, expected):
    said = connection(CLIENT, WEB, 443)
    assert (
        Playbook(web("in tcp/443 203.0.113.1/32"), "web")
        >> inward(said.client("SYN")) << NEW
        >> outward(said.server("SYN ACK")) << ESTABLISHED
        >> inward(said.client("ACK")) << ESTABLISHED
        >> after(idle_s)
        >> outward(said.server("PSH ACK", 1)) << expected
    )  # fmt: skip


@pytest.mark.semantics("ct-8")
def test_tunnel_of_another_protocol_is_answered():
    assert (
        Playbook(web("out 47 0.0.0.0/0"), "web")
        >> inward(plain(CLIENT, WEB, 47)) << NO_RULE
        >> outward(plain(WEB, CLIENT, 47)) << NEW
        >> inward(plain(CLIENT, WEB, 47)) << ESTABLISHED
        >> inward(plain(CLIENT, WEB, 50)) << NO_RULE
    )  # fmt: skip


@pytest.mark.semantics("ct-27")
def test_reset_from_off_the_path_does_not_cut_a_connection():
    said = connection(CLIENT, WEB, 443)
    assert (
        Playbook(web("in tcp/443 203.0.113.1/32"), "web")
        >> inward(said.client("SYN")) << NEW
        >> outward(said.server("SYN ACK")) << ESTABLISHED
        >> inward(said.client("ACK")) << ESTABLISHED
        >> inward(said.client("RST", ahead=77)) << ESTABLISHED
        >> outward(said.server("PSH ACK", 5)) << ESTABLISHED
        >> inward(said.client("RST")) << ESTABLISHED
        >> outward(said.server("PSH ACK", 5)) << NO_RULE
    )  # fmt: skip


def test_playbook_tells_both_transcripts_when_they_differ():
    book = Playbook(web(), "web") >> inward(ping(CLIENT, WEB)) << NEW
    assert not book
    assert "expected NEW" in repr(book)
    assert "got NO_MATCHING_RULE" in repr(book)


def test_playbook_that_is_not_asserted_is_noticed():
    Playbook(web(), "web") >> inward(ping(CLIENT, WEB)) << NO_RULE
    assert playbook.forgotten() == 1
    assert playbook.forgotten() == 0


def test_states_of_a_close_are_netfilters():
    said = connection(CLIENT, WEB, 443)
    book = Playbook(web("in tcp/443 203.0.113.1/32"), "web")
    book >> inward(said.client("SYN")) << NEW
    book >> outward(said.server("SYN ACK")) << ESTABLISHED
    book >> inward(said.client("FIN ACK")) << ESTABLISHED
    book >> outward(said.server("FIN ACK")) << ESTABLISHED
    book >> inward(said.client("ACK")) << ESTABLISHED
    after_each = [line.decision.state_after for line in book.lines() if line.decision]
    assert after_each == [
        State.SYN_SENT,
        State.SYN_RECV,
        State.FIN_WAIT,
        State.LAST_ACK,
        State.TIME_WAIT,
    ]
