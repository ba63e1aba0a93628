"""Every step of the definition, accepting and refusing, and what comes before what."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address

import pytest

from secgroup.conntrack.state import State
from secgroup.decision import Decision, Reason, Verdict
from secgroup.lessons.scene import scene
from secgroup.lessons.talk import connection, datagram, message, ping, plain, pong
from secgroup.model.group import PrefixListReference
from secgroup.model.interface import ConnectionTracking
from secgroup.model.route import Route, Target, TargetKind, VpcEndpoint
from secgroup.net.direction import Direction
from secgroup.net.packet import Fragment, Malformed
from secgroup.policy.resolve import Policy
from secgroup.reference.decide import decide
from secgroup.reference.memory import AS_DOCUMENTED, Memory, Switches

IN, OUT = Direction.INGRESS, Direction.EGRESS
HERE = {4: "10.0.1.10", 6: "2001:db8:1:1::10"}
NEAR = {4: "10.0.1.11", 6: "2001:db8:1:1::11"}  # another interface of the subnet
FAR = {4: "10.0.2.10", 6: "2001:db8:1:2::10"}  # of another subnet
PEER = {4: "203.0.113.9", 6: "2001:db8:ffff::9"}
ALL = {4: "0.0.0.0/0", 6: "::/0"}
HOST = {4: "203.0.113.9/32", 6: "2001:db8:ffff::9/128"}
families = pytest.mark.parametrize("family", [4, 6])


def town(*rules, acl=(), extra=(), **groups):
    """One interface `web` in group `web` with these rules; `near` and `far` are in group `app`."""
    acls = {"10.0.1": acl} if acl else {}
    return scene(
        groups={"web": rules, "app": (), **groups},
        interfaces={
            "web": f"{HERE[4]} {HERE[6]} web " + " ".join(extra),
            "near": f"{NEAR[4]} {NEAR[6]} app",
            "far": f"{FAR[4]} {FAR[6]} app",
        },
        acls=acls,
    )


def changed(network, at="web", **fields):
    return replace(
        network,
        interfaces={**network.interfaces, at: replace(network.interfaces[at], **fields)},
    )


class Gate:
    """The definition at one interface, with its memory."""

    def __init__(self, network, at="web", *, switches=AS_DOCUMENTED):
        self.network, self.at, self.switches = network, at, switches
        self.memory, self.now_ms = Memory(), 0

    def __call__(self, direction, packet, *, at=None, **options):
        return decide(
            Policy(self.network).at(at or self.at),
            self.memory,
            packet,
            direction,
            self.now_ms,
            switches=self.switches,
            **options,
        )

    def reasons(self, *packets):
        return [self(*each).reason.name for each in packets]


def talk(family, port=443, client=None, server=None):
    return connection((client or PEER)[family], (server or HERE)[family], port)


def first_and_later(packet, identification=7, offset=1400):
    fragment = Fragment(
        identification=identification, offset=0, more=True, protocol=packet.protocol
    )
    first = replace(packet, fragment=fragment)
    later = replace(
        packet,
        fragment=replace(fragment, offset=offset, more=False),
        source_port=None,
        destination_port=None,
        tcp=None,
        icmp=None,
    )
    return first, later


# 1


@pytest.mark.semantics("frag-5")
def test_malformed_is_refused_whatever_the_rules():
    gate = Gate(town("in all 0.0.0.0/0"))
    answer = gate(IN, Malformed(problem="cut", length=10))
    assert answer == Decision(verdict=Verdict.REJECT, reason=Reason.MALFORMED)


def test_malformed_moves_the_clock():
    gate = Gate(town())
    gate.now_ms = 77
    gate(IN, Malformed(problem="cut", length=10))
    assert gate.memory.flows.now_ms == 77


# 2


def neighbour(type_, hop_limit=255, destination="ff02::1:ff00:10"):
    return replace(message(NEAR[6], destination, type=type_), hop_limit=hop_limit)


@pytest.mark.semantics("exempt-8")
@pytest.mark.parametrize("direction", [IN, OUT])
@pytest.mark.parametrize("type_", [133, 134, 135, 136])
def test_neighbour_discovery_is_exempt_and_not_logged(type_, direction):
    gate = Gate(town())
    answer = gate(direction, neighbour(type_))
    assert (answer.verdict, answer.reason, answer.logged) == (Verdict.ACCEPT, Reason.EXEMPT, False)
    assert len(gate.memory.flows) == 0


@pytest.mark.semantics("exempt-8")
@pytest.mark.parametrize(("type_", "hop_limit"), [(132, 255), (137, 255), (135, 254), (135, 1)])
def test_what_is_not_neighbour_discovery_is_multicast(type_, hop_limit):
    assert Gate(town())(IN, neighbour(type_, hop_limit)).reason is Reason.NOT_UNICAST


def test_neighbour_discovery_is_of_ipv6_only():
    packet = replace(plain(PEER[4], HERE[4], 58), hop_limit=255)
    assert Gate(town())(IN, packet).reason is Reason.NO_MATCHING_RULE


ROUTER = {4: "10.0.1.1", 6: "2001:db8:1:1::1"}


@pytest.mark.semantics("exempt-7")
@pytest.mark.parametrize(
    ("direction", "source", "source_port", "destination", "port", "exempt"),
    [
        (OUT, "0.0.0.0", 68, "255.255.255.255", 67, True),
        (OUT, HERE[4], 68, ROUTER[4], 67, True),
        (OUT, "0.0.0.0", 68, PEER[4], 67, False),
        (OUT, "0.0.0.0", 67, "255.255.255.255", 68, False),
        (OUT, "0.0.0.0", 69, "255.255.255.255", 67, False),
        (OUT, "0.0.0.0", 68, "255.255.255.255", 66, False),
        (IN, ROUTER[4], 67, HERE[4], 68, True),
        (IN, ROUTER[4], 67, "255.255.255.255", 68, True),
        (IN, NEAR[4], 67, "255.255.255.255", 68, False),
        (IN, NEAR[4], 67, HERE[4], 68, False),
        (IN, "0.0.0.0", 68, "255.255.255.255", 67, False),
        (OUT, "fe80::10", 546, "ff02::1:2", 547, True),
        (OUT, "fe80::10", 546, "fe80::1", 547, True),
        (OUT, "fe80::10", 546, "ff02::1:3", 547, False),
        (OUT, "fe80::10", 546, PEER[6], 547, False),
        (OUT, "fe80::10", 547, "ff02::1:2", 546, False),
        (OUT, "fe80::10", 547, "ff02::1:2", 547, False),
        (IN, "fe80::1", 547, "fe80::10", 546, True),
        (IN, PEER[6], 547, "fe80::10", 546, False),
        (IN, "fe80::1", 546, "fe80::10", 547, False),
        (IN, "fe80::1", 547, "fe80::10", 547, False),
    ],
)
def test_dhcp_is_exempt_within_its_bounds(
    direction, source, source_port, destination, port, exempt
):
    answer = Gate(town())(direction, datagram(source, destination, port, source_port=source_port))
    assert (answer.reason is Reason.EXEMPT) is exempt
    assert answer.accepted is exempt
    if exempt:
        assert not answer.logged


def test_dhcp_is_udp():
    segment = connection("0.0.0.0", "255.255.255.255", 67, client_port=68).client("SYN")
    assert Gate(town())(OUT, segment).reason is Reason.NOT_UNICAST


# 3


@pytest.mark.semantics("exempt-9")
@pytest.mark.parametrize("direction", [IN, OUT])
@pytest.mark.parametrize(
    ("destination", "refused"),
    [
        ("224.0.0.1", True),
        ("239.255.255.255", True),
        ("255.255.255.255", True),
        ("10.0.1.255", True),  # the subnet's broadcast
        ("10.0.2.255", False),
        ("223.255.255.255", False),
        ("240.0.0.1", False),
        ("ff02::1", True),
        ("ff0e::1", True),
        ("feff::1", False),
        ("::ffff:224.0.0.1", False),
    ],
)
def test_multicast_and_broadcast_are_refused_and_not_logged(destination, refused, direction):
    network = changed(town("in all 0.0.0.0/0", "out all 0.0.0.0/0"), source_dest_check=False)
    source = HERE[4] if ":" not in destination else HERE[6]
    answer = Gate(network)(direction, datagram(source, destination, 53))
    assert (answer.reason is Reason.NOT_UNICAST) is refused
    assert answer.logged is not refused


def test_multicast_comes_before_source_check_and_exemption():
    gate = Gate(town())
    assert gate(OUT, datagram("192.0.2.1", "224.0.0.1", 53)).reason is Reason.NOT_UNICAST
    assert gate(IN, datagram(ROUTER[4], "224.0.0.1", 53)).reason is Reason.NOT_UNICAST


# 4


@pytest.mark.semantics("exempt-10")
@families
def test_source_dest_check_refuses_what_is_not_the_interfaces(family):
    opens = (f"in all {ALL[family]}", f"out all {ALL[family]}")
    gate = Gate(town(*opens))
    strange = "192.0.2.77" if family == 4 else "2001:db8:77::77"
    refused = Decision(verdict=Verdict.REJECT, reason=Reason.SOURCE_DEST_CHECK)
    assert gate(IN, datagram(PEER[family], strange, 53)) == refused
    assert gate(OUT, datagram(strange, PEER[family], 53)) == refused
    # The other interface of the subnet is not this one.
    assert gate(OUT, datagram(NEAR[family], PEER[family], 53)) == refused
    assert gate(IN, datagram(strange, HERE[family], 53)).accepted
    assert gate(OUT, datagram(HERE[family], strange, 53)).accepted


@pytest.mark.semantics("exempt-10", "exempt-11")
@families
def test_source_dest_check_off_leaves_the_rules(family):
    network = changed(town(f"in udp/53 {HOST[family]}"), source_dest_check=False)
    gate = Gate(network)
    strange = "192.0.2.77" if family == 4 else "2001:db8:77::77"
    assert gate(IN, datagram(PEER[family], strange, 53)).reason is Reason.NEW
    assert gate(IN, datagram(PEER[family], strange, 54)).reason is Reason.NO_MATCHING_RULE


@pytest.mark.semantics("exempt-12")
def test_secondary_and_delegated_addresses_pass_the_check():
    network = town("in udp/53 0.0.0.0/0", "in udp/53 ::/0")
    web = network.interfaces["web"]
    second = replace(
        web.ipv4[0], address=IPv4Address("10.0.1.99"), public=IPv4Address("198.51.100.1")
    )
    network = changed(
        network,
        ipv4=(*web.ipv4, second),
        prefixes=(IPv4Network("10.0.9.16/28"), IPv6Network("2001:db8:1:9::/80")),
    )
    gate = Gate(network)
    for inside in ("10.0.1.99", "10.0.9.16", "10.0.9.31"):
        assert gate(IN, datagram(PEER[4], inside, 53)).reason is Reason.NEW
    assert gate(IN, datagram(PEER[6], "2001:db8:1:9::5", 53)).reason is Reason.NEW
    for outside in ("10.0.9.15", "10.0.9.32", "198.51.100.1"):
        assert gate(IN, datagram(PEER[4], outside, 53)).reason is Reason.SOURCE_DEST_CHECK
    assert gate(IN, datagram(PEER[6], "2001:db8:1:9:1::5", 53)).reason is Reason.SOURCE_DEST_CHECK


def test_source_check_comes_before_exemption():
    gate = Gate(town())
    assert (
        gate(OUT, datagram("192.0.2.1", "169.254.169.253", 53)).reason is Reason.SOURCE_DEST_CHECK
    )
    assert gate(OUT, datagram("192.0.2.1", ROUTER[4], 53)).reason is Reason.SOURCE_DEST_CHECK


# 5

DENY_ALL = ("in 1 deny all 0.0.0.0/0", "out 1 deny all 0.0.0.0/0")
TCP, UDP = "tcp", "udp"


def exchange(protocol, here, service, port):
    """A packet to a service and its answer."""
    if protocol == UDP:
        return (
            datagram(here, service, port),
            datagram(service, here, 40000, source_port=port),
        )
    said = connection(here, service, port)
    return said.client("SYN"), said.server("SYN ACK")


SERVICES = [
    ("exempt-1", "169.254.169.253", UDP, 53, False),
    ("exempt-1", "169.254.169.253", TCP, 53, False),
    ("exempt-1", "fd00:ec2::253", UDP, 53, False),
    ("exempt-1", "fd00:ec2::253", TCP, 53, False),
    ("exempt-1", "10.0.0.2", UDP, 53, False),
    ("exempt-1", "10.0.0.2", TCP, 53, False),
    ("exempt-2", "169.254.169.254", TCP, 80, False),
    ("exempt-2", "fd00:ec2::254", TCP, 80, False),
    ("exempt-3", "169.254.169.123", UDP, 123, False),
    ("exempt-3", "fd00:ec2::123", UDP, 123, False),
    ("exempt-4", "169.254.170.2", TCP, 80, True),
    ("exempt-4", "169.254.170.23", TCP, 80, True),
    ("exempt-4", "fd00:ec2::23", TCP, 80, True),
    ("exempt-5", "169.254.169.250", TCP, 1688, False),
    ("exempt-5", "169.254.169.251", TCP, 1688, False),
]


@pytest.mark.semantics("exempt-1", "exempt-2", "exempt-3", "exempt-4", "exempt-5", "acl-9")
@pytest.mark.parametrize(("row", "address", "protocol", "port", "logged"), SERVICES)
def test_service_is_exempt_from_groups_and_acl_both_ways(row, address, protocol, port, logged):
    here = HERE[6 if ":" in address else 4]
    gate = Gate(town(acl=DENY_ALL))
    asked, answered = exchange(protocol, here, address, port)
    for direction, packet in ((OUT, asked), (IN, answered)):
        answer = gate(direction, packet)
        assert (answer.reason, answer.verdict) == (Reason.EXEMPT, Verdict.ACCEPT)
        assert answer.logged is logged
    assert len(gate.memory.flows) == 0
    # Another port, the other protocol, and the service's port on the wrong side are not exempt.
    for other in (
        (OUT, exchange(protocol, here, address, port + 1)[0]),
        (IN, exchange(protocol, here, address, port + 1)[1]),
        (OUT, exchange(protocol, address, here, port)[1]),
        (IN, exchange(protocol, address, here, port)[0]),
    ):
        assert not gate(*other).accepted
    if port != 53:
        wrong = UDP if protocol == TCP else TCP
        assert not gate(OUT, exchange(wrong, here, address, port)[0]).accepted


@pytest.mark.semantics("exempt-1")
def test_other_dns_servers_are_filtered():
    gate = Gate(town())
    for server in ("10.0.0.3", "10.0.1.2", "172.31.0.2", "8.8.8.8"):
        assert gate(OUT, datagram(HERE[4], server, 53)).reason is Reason.NO_MATCHING_RULE


@pytest.mark.semantics("exempt-1")
def test_base_plus_two_is_dns_only_with_dns_support():
    network = town()
    off = replace(network.vpcs["vpc-1"], enable_dns_support=False)
    gate = Gate(replace(network, vpcs={"vpc-1": off}))
    assert gate(OUT, datagram(HERE[4], "10.0.0.2", 53)).reason is Reason.NO_MATCHING_RULE
    assert gate(OUT, datagram(HERE[4], "169.254.169.253", 53)).reason is Reason.EXEMPT


@pytest.mark.semantics("exempt-6")
@families
def test_router_is_exempt_whatever_is_said(family):
    gate = Gate(town(acl=DENY_ALL))
    for packet in (
        datagram(HERE[family], ROUTER[family], 5),
        ping(HERE[family], ROUTER[family]),
        plain(HERE[family], ROUTER[family], 47),
        first_and_later(datagram(HERE[family], ROUTER[family], 5))[1],
    ):
        answer = gate(OUT, packet)
        assert (answer.reason, answer.logged) == (Reason.EXEMPT, False)
    assert gate(IN, pong(ROUTER[family], HERE[family])).reason is Reason.EXEMPT


@pytest.mark.semantics("exempt-6")
def test_router_is_of_this_subnet_and_the_link_local_one():
    network = changed(town(), source_dest_check=False)
    gate = Gate(network)
    assert gate(OUT, ping(HERE[4], "10.0.2.1")).reason is Reason.NO_MATCHING_RULE
    assert gate(OUT, ping("fe80::10", "fe80:ec2::1")).reason is Reason.EXEMPT
    assert gate(OUT, ping("fe80::10", "fe80::2")).reason is Reason.NO_MATCHING_RULE


# 6


@pytest.mark.semantics("frag-2", "frag-4")
@families
@pytest.mark.parametrize("direction", [IN, OUT])
def test_later_fragment_gets_what_its_first_got(family, direction):
    way = "in" if direction is IN else "out"
    gate = Gate(town(f"{way} udp/53 {HOST[family]}", f"{way} udp/53 {ALL[family]}"))
    here, peer = HERE[family], PEER[family]
    ends = (peer, here) if direction is IN else (here, peer)
    first, later = first_and_later(datagram(*ends, 53))
    before = gate(direction, later)
    assert (before.verdict, before.reason) == (Verdict.REJECT, Reason.FRAGMENT)
    opened = gate(direction, first)
    got = gate(direction, later)
    assert opened.reason is Reason.NEW
    assert got.first_fragment == first
    assert (got.verdict, got.reason) == (opened.verdict, opened.reason)
    assert len(got.rule_ids) == 2
    assert got.rule_ids == opened.rule_ids
    assert got.network_acl_id == opened.network_acl_id == "acl-default"
    assert got.state_before is got.state_after is State.UDP_1_0
    flow = next(iter(gate.memory.flows))
    gate.now_ms = 29_999
    assert gate(direction, later).accepted
    assert next(iter(gate.memory.flows)) == flow, "it steps and refreshes nothing"
    gate.now_ms = 30_000
    assert gate(direction, later).reason is Reason.FRAGMENT
    assert gate(direction.opposite, later).reason is not Reason.NEW


@pytest.mark.semantics("frag-2")
@families
def test_later_fragment_of_a_refused_first_is_refused_alike(family):
    gate = Gate(town())
    first, later = first_and_later(datagram(PEER[family], HERE[family], 53))
    assert gate(IN, first).reason is Reason.NO_MATCHING_RULE
    assert gate(IN, later).reason is Reason.NO_MATCHING_RULE


@pytest.mark.semantics("frag-2")
def test_first_fragments_final_verdict_is_kept_that_of_step_13():
    gate = Gate(town("out udp/53 0.0.0.0/0", acl=("out 5 deny udp/53 0.0.0.0/0",)))
    first, later = first_and_later(datagram(HERE[4], PEER[4], 53))
    assert gate(OUT, first).reason is Reason.NETWORK_ACL
    answer = gate(OUT, later)
    assert (answer.verdict, answer.reason) == (Verdict.REJECT, Reason.NETWORK_ACL)
    assert (answer.network_acl_id, answer.acl_rule_number) == ("acl-10.0.1", 5)


@pytest.mark.semantics("frag-2")
def test_fragments_of_an_exempt_datagram_are_exempt():
    gate = Gate(town())
    first, later = first_and_later(datagram("169.254.169.253", HERE[4], 40000, source_port=53))
    assert gate(IN, later).reason is Reason.FRAGMENT
    assert gate(IN, first).reason is Reason.EXEMPT
    answer = gate(IN, later)
    assert (answer.reason, answer.logged) == (Reason.EXEMPT, False)


def test_source_check_comes_before_fragment_and_fragment_before_acl():
    gate = Gate(town("in udp/53 0.0.0.0/0", acl=("in 1 allow all 0.0.0.0/0",)))
    first, later = first_and_later(datagram(PEER[4], HERE[4], 53))
    gate(IN, first)
    away = replace(later, destination=ip_address("192.0.2.1"))
    assert gate(IN, away).reason is Reason.SOURCE_DEST_CHECK
    # An ACL that changes does not reach the fragments of a packet that has begun.
    gate.network = town("in udp/53 0.0.0.0/0", acl=("in 1 deny all 0.0.0.0/0",))
    assert gate(IN, later).accepted
    assert gate(IN, first).reason is Reason.NETWORK_ACL


# 7 and 13


@pytest.mark.semantics("acl-1", "acl-2")
@families
@pytest.mark.parametrize("direction", [IN, OUT])
def test_acl_decides_by_the_first_entry_that_matches(family, direction):
    way = "in" if direction is IN else "out"
    acl = (
        f"{way} 300 allow all {ALL[family]}",
        f"{way} 100 allow udp/53 {ALL[family]}",
        f"{way} 200 deny udp/50-60 {ALL[family]}",
    )
    gate = Gate(town(f"{way} all {ALL[family]}", acl=acl))
    ends = (PEER, HERE) if direction is IN else (HERE, PEER)
    for port, number, passes in ((53, 100, True), (54, 200, False), (61, 300, True)):
        answer = gate(direction, datagram(ends[0][family], ends[1][family], port))
        assert (answer.accepted, answer.acl_rule_number) == (passes, number)
        assert answer.network_acl_id == "acl-10.0.1"
        assert (answer.reason is Reason.NETWORK_ACL) is not passes


@pytest.mark.semantics("acl-3")
@families
@pytest.mark.parametrize("direction", [IN, OUT])
def test_acl_without_a_matching_entry_denies_by_the_implicit_one(family, direction):
    other = 10 - family
    acl = (f"in 100 allow all {ALL[other]}", f"out 100 allow all {ALL[other]}")
    opens = (f"in all {ALL[family]}", f"out all {ALL[family]}")
    gate = Gate(town(*opens, acl=acl))
    ends = (PEER, HERE) if direction is IN else (HERE, PEER)
    answer = gate(direction, datagram(ends[0][family], ends[1][family], 53))
    assert answer.reason is Reason.NETWORK_ACL
    assert answer.acl_rule_number == (32767 if family == 4 else 32768)


@pytest.mark.semantics("acl-4")
@families
@pytest.mark.parametrize("direction", [IN, OUT])
def test_acl_is_not_asked_within_the_subnet(family, direction):
    opens = (f"in udp/53 {ALL[family]}", f"out udp/53 {ALL[family]}")
    gate = Gate(town(*opens, acl=DENY_ALL))
    for other, asked in ((NEAR, False), (FAR, True), (PEER, True)):
        ends = (other, HERE) if direction is IN else (HERE, other)
        packet = datagram(ends[0][family], ends[1][family], 53)
        answer = gate(direction, packet)
        assert (answer.reason is Reason.NETWORK_ACL) is asked
        assert (answer.network_acl_id is None) is not asked
        # Whoever knows the hop says so, whatever the addresses.
        answer = gate(direction, packet, same_subnet=True)
        assert answer.accepted
        assert answer.network_acl_id is None
        assert gate(direction, packet, same_subnet=False).reason is Reason.NETWORK_ACL


@pytest.mark.semantics("acl-5")
def test_acl_port_is_the_destination_port_of_the_packet():
    acl = ("in 1 allow tcp/443 0.0.0.0/0", "out 1 allow tcp/32768-65535 0.0.0.0/0")
    gate = Gate(town("in tcp/443 203.0.113.0/24", acl=acl))
    said = talk(4)
    assert gate(IN, said.client("SYN")).reason is Reason.NEW
    assert gate(OUT, said.server("SYN ACK")).reason is Reason.ESTABLISHED
    low = connection(PEER[4], HERE[4], 443, client_port=2000)
    assert gate(IN, low.client("SYN")).reason is Reason.NEW
    answer = gate(OUT, low.server("SYN ACK"))
    assert (answer.reason, answer.acl_rule_number) == (Reason.NETWORK_ACL, 32767)


@pytest.mark.semantics("acl-6")
def test_acl_unknown_block_is_never_open():
    acl = ("in 1 allow all elsewhere", "in 2 deny udp/53 elsewhere", "in 3 allow all 0.0.0.0/0")
    gate = Gate(town("in all 0.0.0.0/0", acl=acl))
    answer = gate(IN, datagram(PEER[4], HERE[4], 53))
    assert (answer.reason, answer.acl_rule_number) == (Reason.NETWORK_ACL, 2)
    assert gate(IN, datagram(PEER[4], HERE[4], 54)).acl_rule_number == 3


@pytest.mark.semantics("acl-7")
def test_acl_matches_icmp_type_and_code_and_ignores_them_across_families():
    acl = (
        "in 1 allow icmp/8 0.0.0.0/0",
        "in 2 allow icmp/3/4 0.0.0.0/0",
        "in 3 allow icmpv6/128 0.0.0.0/0",
        "in 4 allow icmpv6/128 ::/0",
    )
    gate = Gate(town("in all 0.0.0.0/0", "in all ::/0", acl=acl))
    assert gate(IN, ping(PEER[4], HERE[4])).acl_rule_number == 1
    assert gate(IN, message(PEER[4], HERE[4], type=3, code=4)).acl_rule_number == 2
    assert gate(IN, message(PEER[4], HERE[4], type=3, code=3)).acl_rule_number == 32767
    assert gate(IN, ping(PEER[6], HERE[6])).acl_rule_number == 4
    assert gate(IN, pong(PEER[6], HERE[6])).acl_rule_number == 32768
    assert gate(IN, plain(PEER[4], HERE[4], 58)).acl_rule_number == 3


@pytest.mark.semantics("acl-8")
@families
def test_acl_is_stateless_and_cuts_a_tracked_connection_at_once(family):
    rules = (f"in tcp/443 {HOST[family]}",)
    gate = Gate(town(*rules))
    said = talk(family)
    gate(IN, said.client("SYN"))
    assert gate(OUT, said.server("SYN ACK")).reason is Reason.ESTABLISHED
    before = list(gate.memory.flows)
    for way, direction in (("in", IN), ("out", OUT)):
        other = "out" if way == "in" else "in"
        acl = (f"{way} 1 deny all {ALL[family]}", f"{other} 1 allow all {ALL[family]}")
        gate.network = town(*rules, acl=acl)
        packet = said.client("ACK") if direction is IN else said.server("ACK")
        answer = gate(direction, packet)
        assert (answer.reason, answer.acl_rule_number) == (Reason.NETWORK_ACL, 1)
        if direction is OUT:
            assert answer.state_before is answer.state_after is State.SYN_RECV
    assert list(gate.memory.flows) == before, "what a refused packet did is undone"


@families
def test_acl_stands_outside_the_groups(family):
    """On ingress it is asked first; on egress last, and not at all when the groups refuse."""
    gate = Gate(town(acl=(f"in 1 deny all {ALL[family]}", f"out 1 deny all {ALL[family]}")))
    answer = gate(IN, datagram(PEER[family], HERE[family], 53))
    assert (answer.reason, answer.rule_ids) == (Reason.NETWORK_ACL, ())
    answer = gate(OUT, datagram(HERE[family], PEER[family], 53))
    assert (answer.reason, answer.network_acl_id) == (Reason.NO_MATCHING_RULE, None)
    gate = Gate(town())
    answer = gate(IN, datagram(PEER[family], HERE[family], 53))
    assert (answer.reason, answer.network_acl_id) == (Reason.NO_MATCHING_RULE, "acl-default")
    assert answer.acl_rule_number == (100 if family == 4 else 101)


@pytest.mark.semantics("acl-8")
@families
def test_egress_acl_undoes_what_the_groups_did(family):
    network = town(f"out all {ALL[family]}", acl=(f"in 1 allow all {ALL[family]}",))
    gate = Gate(network)
    answer = gate(OUT, talk(family, client=HERE, server=PEER).client("SYN"))
    assert (answer.verdict, answer.reason) == (Verdict.REJECT, Reason.NETWORK_ACL)
    assert answer.rule_ids == ("web/egress/0",), "the groups were asked and agreed"
    assert (answer.state_before, answer.state_after) == (None, None)
    assert len(gate.memory.flows) == 0


@pytest.mark.semantics("acl-8")
def test_egress_acl_undoes_an_ending_and_a_replacement():
    allow = ("in 1 allow all 0.0.0.0/0", "out 1 allow all 0.0.0.0/0")
    deny = ("in 1 allow all 0.0.0.0/0", "out 1 deny all 0.0.0.0/0")
    rules = ("in tcp/443 203.0.113.9/32", "out tcp/40000 203.0.113.9/32")
    gate = Gate(town(*rules, acl=allow))
    said = talk(4)
    gate(IN, said.client("SYN"))
    gate(OUT, said.server("SYN ACK"))
    gate.network = town(*rules, acl=deny)
    kept = list(gate.memory.flows)
    assert gate(OUT, said.server("RST")).reason is Reason.NETWORK_ACL
    assert list(gate.memory.flows) == kept


# 8


@pytest.mark.semantics("sg-9")
@pytest.mark.parametrize(
    "kind", ["natGateway", "nat_gateway", "transit_gateway", "gateway_load_balancer_endpoint"]
)
def test_types_without_groups_pass_everything_but_acls(kind):
    network = changed(town(acl=("in 1 allow udp/53 0.0.0.0/0",)), interface_type=kind, group_ids=())
    gate = Gate(network)
    answer = gate(IN, datagram(PEER[4], HERE[4], 53))
    assert (answer.verdict, answer.reason) == (Verdict.ACCEPT, Reason.NO_GROUPS)
    assert answer.acl_rule_number == 1
    assert gate(IN, datagram(PEER[4], HERE[4], 54)).reason is Reason.NETWORK_ACL
    assert gate(OUT, datagram(HERE[4], PEER[4], 53)).reason is Reason.NETWORK_ACL
    assert gate(OUT, datagram(HERE[4], NEAR[4], 53)).reason is Reason.NO_GROUPS
    assert len(gate.memory.flows) == 0


@pytest.mark.semantics("sg-9")
def test_load_balancer_has_groups_only_if_given():
    gate = Gate(changed(town(), interface_type="network_load_balancer", group_ids=()))
    assert gate(IN, datagram(PEER[4], HERE[4], 53)).reason is Reason.NO_GROUPS
    gate = Gate(changed(town(), interface_type="network_load_balancer"))
    assert gate(IN, datagram(PEER[4], HERE[4], 53)).reason is Reason.NO_MATCHING_RULE
    gate = Gate(changed(town(), interface_type="lambda"))
    assert gate(IN, datagram(PEER[4], HERE[4], 53)).reason is Reason.NO_MATCHING_RULE


@pytest.mark.semantics("sg-9")
def test_interface_without_groups_asks_no_table():
    """Not even when it is an instance's, and the instance has a flow of that key."""
    network = scene(
        groups={"web": ["in udp/53 203.0.113.9/32"]},
        interfaces={"web-1": "10.0.1.10 web", "web-2": "10.0.2.10"},
    )
    network = changed(network, "web-2", interface_type="transit_gateway", source_dest_check=False)
    gate = Gate(network)
    gate(IN, datagram(PEER[4], HERE[4], 53), at="web-1")
    back = datagram(HERE[4], PEER[4], 40000, source_port=53)
    assert gate(OUT, back, at="web-2").reason is Reason.NO_GROUPS


# 9


@pytest.mark.semantics("ct-1", "ct-2")
@families
@pytest.mark.parametrize("opener", [IN, OUT])
def test_tracked_answer_passes_whatever_the_other_direction_says(family, opener):
    way = "in" if opener is IN else "out"
    gate = Gate(town(f"{way} tcp/443 {HOST[family]}"))
    ends = (PEER, HERE) if opener is IN else (HERE, PEER)
    said = connection(ends[0][family], ends[1][family], 443)
    answer = gate(opener, said.client("SYN"))
    assert (answer.reason, answer.rule_ids) == (
        Reason.NEW,
        (f"web/{'in' if opener is IN else 'e'}gress/0",),
    )
    assert (answer.state_before, answer.state_after) == (None, State.SYN_SENT)
    answer = gate(opener.opposite, said.server("SYN ACK"))
    assert (answer.reason, answer.rule_ids) == (Reason.ESTABLISHED, ())
    assert (answer.state_before, answer.state_after) == (State.SYN_SENT, State.SYN_RECV)
    answer = gate(opener, said.client("ACK"))
    assert answer.state_after is State.ESTABLISHED
    # Another port of the same peer is another flow.
    other = connection(ends[0][family], ends[1][family], 443, client_port=40001)
    assert gate(opener.opposite, other.server("SYN ACK")).reason is Reason.NO_MATCHING_RULE


@pytest.mark.semantics("ct-15")
@families
def test_entry_survives_the_rule_that_made_it(family):
    gate = Gate(town(f"in tcp/443 {HOST[family]}"))
    said = talk(family)
    gate(IN, said.client("SYN"))
    gate.network = town()
    assert gate(OUT, said.server("SYN ACK")).reason is Reason.ESTABLISHED
    assert gate(IN, said.client("ACK")).reason is Reason.ESTABLISHED
    assert gate(IN, talk(family, port=444).client("SYN")).reason is Reason.NO_MATCHING_RULE


@pytest.mark.semantics("time-6")
@families
@pytest.mark.parametrize(("idle_ms", "alive"), [(29_999, True), (30_000, False), (30_001, False)])
def test_entry_expires_after_its_timeout(family, idle_ms, alive):
    gate = Gate(town(f"in udp/53 {HOST[family]}"))
    gate(IN, datagram(PEER[family], HERE[family], 53))
    gate.now_ms = idle_ms
    back = datagram(HERE[family], PEER[family], 40000, source_port=53)
    assert gate(OUT, back).reason is (Reason.ESTABLISHED if alive else Reason.NO_MATCHING_RULE)


@pytest.mark.semantics("time-5", "ct-4")
def test_timeouts_are_those_of_the_interface_that_made_the_entry():
    network = scene(
        groups={"web": ["in udp/53 203.0.113.9/32"]},
        interfaces={"web-1": "10.0.1.10 web", "web-2": "10.0.2.10 web"},
    )
    network = changed(network, "web-1", tracking=ConnectionTracking(udp_timeout=60))
    network = changed(network, "web-2", source_dest_check=False)
    gate = Gate(network)
    gate(IN, datagram(PEER[4], HERE[4], 53), at="web-1")
    gate.now_ms = 59_999
    back = datagram(HERE[4], PEER[4], 40000, source_port=53)
    # The reply leaves by the other interface of the instance.
    assert gate(OUT, back, at="web-2").reason is Reason.ESTABLISHED
    gate.now_ms += 60_000
    assert gate(OUT, back, at="web-2").reason is Reason.NO_MATCHING_RULE


@pytest.mark.semantics("ct-4")
def test_tables_belong_to_owners():
    network = scene(
        groups={"web": ["in udp/53 203.0.113.9/32"]},
        interfaces={"web-1": "10.0.1.10 web", "app": "10.0.1.11 web"},
    )
    network = changed(network, "app", source_dest_check=False)
    gate = Gate(network)
    gate(IN, datagram(PEER[4], HERE[4], 53), at="web-1")
    back = datagram(HERE[4], PEER[4], 40000, source_port=53)
    assert gate(OUT, back, at="app").reason is Reason.NO_MATCHING_RULE
    # An interface without an instance owns its own.
    alone = changed(network, "web-1", instance_id=None)
    assert alone.interfaces["web-1"].owner == "web-1"
    gate.network = alone
    assert gate(OUT, back, at="web-1").reason is Reason.NO_MATCHING_RULE


@pytest.mark.semantics("ct-4")
def test_reply_by_another_interface_needs_its_source_check_off():
    network = scene(
        groups={"web": ["in udp/53 203.0.113.9/32"]},
        interfaces={"web-1": "10.0.1.10 web", "web-2": "10.0.2.10 web"},
    )
    gate = Gate(network)
    gate(IN, datagram(PEER[4], HERE[4], 53), at="web-1")
    back = datagram(HERE[4], PEER[4], 40000, source_port=53)
    assert gate(OUT, back, at="web-2").reason is Reason.SOURCE_DEST_CHECK


def finished(family, gate, port=443):
    """Open and close a connection inward; return it, in TIME_WAIT."""
    said = talk(family, port)
    gate(IN, said.client("SYN"))
    gate(OUT, said.server("SYN ACK"))
    gate(IN, said.client("ACK"))
    gate(IN, said.client("FIN ACK"))
    gate(OUT, said.server("FIN ACK"))
    answer = gate(IN, said.client("ACK"))
    assert answer.state_after is State.TIME_WAIT
    return said


@pytest.mark.semantics("ct-30")
@families
def test_bare_syn_in_time_wait_is_judged_by_the_rules_and_replaces(family):
    gate = Gate(town(f"in tcp/443 {HOST[family]}"))
    said = finished(family, gate)
    assert gate(IN, said.client("ACK")).reason is Reason.ESTABLISHED
    said.next[0] = 123
    answer = gate(IN, said.client("SYN"))
    assert (answer.reason, answer.rule_ids) == (Reason.NEW, ("web/ingress/0",))
    assert (answer.state_before, answer.state_after) == (State.TIME_WAIT, State.SYN_SENT)
    flows = list(gate.memory.flows)
    assert [flow.next for flow in flows] == [(124, None)]


@pytest.mark.semantics("ct-30")
@families
def test_bare_syn_in_time_wait_that_the_rules_refuse_changes_nothing(family):
    gate = Gate(town(f"in tcp/443 {HOST[family]}"))
    said = finished(family, gate)
    kept = list(gate.memory.flows)
    gate.network = town()
    answer = gate(IN, said.client("SYN"))
    assert answer.reason is Reason.NO_MATCHING_RULE
    assert answer.state_before is answer.state_after is State.TIME_WAIT
    # The server may not open one the other way either, nor does a SYN-ACK count as a SYN.
    assert gate(OUT, said.server("SYN")).reason is Reason.NO_MATCHING_RULE
    assert list(gate.memory.flows) == kept
    assert gate(OUT, said.server("SYN ACK")).reason is Reason.ESTABLISHED


@pytest.mark.semantics("ct-30")
def test_bare_syn_in_time_wait_from_the_other_side_opens_the_other_way():
    gate = Gate(town("in tcp/443 203.0.113.9/32", "out tcp/40000 203.0.113.9/32"))
    said = finished(4, gate)
    assert gate(OUT, said.server("SYN")).reason is Reason.NEW
    assert [flow.opener for flow in gate.memory.flows] == [OUT]


@pytest.mark.semantics("ct-26")
@pytest.mark.parametrize("flags", ["SYN", "SYN ACK", "FIN", "SYN FIN", "PSH", "FIN ACK", "ACK"])
def test_packet_with_an_entry_is_always_accepted(flags):
    gate = Gate(town("in tcp/443 203.0.113.9/32"), switches=Switches(strict_tcp=True))
    said = talk(4)
    gate(IN, said.client("SYN"))
    for direction, packet in (
        (IN, said.client(flags, ahead=1000)),
        (OUT, said.server(flags, ahead=99)),
    ):
        assert gate(direction, packet).reason is Reason.ESTABLISHED


@pytest.mark.semantics("ct-27")
@families
def test_reset_ends_the_entry_at_once_and_a_stray_one_does_not(family):
    gate = Gate(town(f"in tcp/443 {HOST[family]}"))
    said = talk(family)
    gate(IN, said.client("SYN"))
    gate(OUT, said.server("SYN ACK"))
    gate(IN, said.client("ACK"))
    answer = gate(IN, said.client("RST", ahead=1))
    assert (answer.reason, answer.state_after) == (Reason.ESTABLISHED, State.ESTABLISHED)
    answer = gate(OUT, said.server("RST"))
    assert (answer.reason, answer.state_before) == (Reason.ESTABLISHED, State.ESTABLISHED)
    assert answer.state_after is None
    assert gate(OUT, said.server("ACK")).reason is Reason.NO_MATCHING_RULE
    assert gate(IN, said.client("ACK")).reason is Reason.MIDSTREAM
    assert len(gate.memory.flows) == 0


# 10


def error(family, source, about, kind=None, code=0, to=None):
    kind = kind or (3 if family == 4 else 1)
    destination = to or str(about.source)
    return message(source, destination, type=kind, code=code, quote=about)


MIDDLE = {4: "198.51.100.1", 6: "2001:db8:aaaa::1"}


@pytest.mark.semantics("icmp-4")
@pytest.mark.parametrize(
    ("family", "kind"), [(4, 3), (4, 4), (4, 11), (4, 12), (6, 1), (6, 2), (6, 3), (6, 4)]
)
def test_error_about_a_tracked_flow_is_related_and_steps_nothing(family, kind):
    gate = Gate(town(f"in udp/53 {HOST[family]}"))
    asked = datagram(PEER[family], HERE[family], 53)
    answered = datagram(HERE[family], PEER[family], 40000, source_port=53)
    gate(IN, asked)
    flow = next(iter(gate.memory.flows))
    gate.now_ms = 10
    answer = gate(IN, error(family, MIDDLE[family], answered, kind))
    assert (answer.verdict, answer.reason) == (Verdict.ACCEPT, Reason.RELATED)
    assert answer.state_before is answer.state_after is State.UDP_1_0
    assert gate(OUT, error(family, HERE[family], asked, kind)).reason is Reason.RELATED
    assert list(gate.memory.flows) == [flow]


@pytest.mark.semantics("icmp-5")
@families
def test_error_that_is_not_about_a_flow_here_goes_on_to_the_rules(family):
    gate = Gate(town(f"in udp/53 {HOST[family]}"))
    asked = datagram(PEER[family], HERE[family], 53)
    answered = datagram(HERE[family], PEER[family], 40000, source_port=53)
    gate(IN, asked)
    middle = MIDDLE[family]
    related = error(family, middle, answered)
    assert gate(IN, related).reason is Reason.RELATED
    fragment = Fragment(identification=1, offset=0, more=True, protocol=related.protocol)
    for strange in (
        # The quoted packet never went this way: it came in.
        error(family, middle, asked, to=HERE[family]),
        error(family, middle, replace(answered, source_port=54)),
        error(family, middle, replace(answered, destination_port=40001)),
        error(family, middle, replace(answered, destination=ip_address(MIDDLE[family]))),
        # Not to the one who sent what it quotes.
        error(family, middle, replace(answered, source=ip_address(NEAR[family])), to=HERE[family]),
        replace(related, icmp=replace(related.icmp, quote=None)),
        replace(related, fragment=fragment),
    ):
        assert gate(IN, strange).reason is Reason.NO_MATCHING_RULE
    redirect = 5 if family == 4 else 137
    assert gate(IN, error(family, middle, answered, redirect)).reason is Reason.NO_MATCHING_RULE


@pytest.mark.semantics("icmp-5")
def test_error_about_an_error_is_never_related():
    gate = Gate(town("in all 0.0.0.0/0", "out all 0.0.0.0/0", acl=()))
    inner = error(4, HERE[4], datagram(PEER[4], HERE[4], 53))
    outer = error(4, MIDDLE[4], inner)
    assert gate(IN, outer).reason is Reason.UNTRACKED


@pytest.mark.semantics("icmp-4")
@families
def test_error_about_a_ping_is_related(family):
    gate = Gate(town(f"out all {HOST[family]}"))
    asked = ping(HERE[family], PEER[family])
    gate(OUT, asked)
    assert gate(IN, error(family, MIDDLE[family], asked)).reason is Reason.RELATED
    other = ping(HERE[family], PEER[family], identifier=8)
    assert gate(IN, error(family, MIDDLE[family], other)).reason is Reason.NO_MATCHING_RULE


@pytest.mark.semantics("icmp-6")
@families
def test_error_about_an_untracked_flow_is_related(family):
    opens = (f"in tcp/80 {ALL[family]}", f"out all {ALL[family]}")
    gate = Gate(town(*opens))
    said = talk(family, 80)
    assert gate(IN, said.client("SYN")).reason is Reason.UNTRACKED
    answer = said.server("SYN ACK")
    assert gate(IN, error(family, MIDDLE[family], answer)).reason is Reason.RELATED
    # About a connection that the rules would not let out.
    gate.network = town(opens[0])
    assert gate(IN, error(family, MIDDLE[family], answer)).reason is Reason.NO_MATCHING_RULE


@pytest.mark.semantics("icmp-6")
@families
def test_error_about_what_would_be_tracked_and_is_not_is_not_related(family):
    gate = Gate(town(f"out udp/53 {HOST[family]}"))
    never_sent = datagram(HERE[family], PEER[family], 53)
    assert gate(IN, error(family, MIDDLE[family], never_sent)).reason is Reason.NO_MATCHING_RULE


@pytest.mark.semantics("icmp-5")
@families
def test_error_to_another_than_the_sender_is_not_related(family):
    network = changed(town(f"out udp/53 {HOST[family]}"), source_dest_check=False)
    gate = Gate(network)
    forwarded = datagram(FAR[family], PEER[family], 53)
    assert gate(OUT, forwarded).reason is Reason.NEW
    assert gate(IN, error(family, MIDDLE[family], forwarded)).reason is Reason.RELATED
    astray = error(family, MIDDLE[family], forwarded, to=HERE[family])
    assert gate(IN, astray).reason is Reason.NO_MATCHING_RULE


@pytest.mark.semantics("icmp-6")
@families
def test_error_about_an_answer_without_an_entry_is_judged_by_the_rules(family):
    answer = pong(HERE[family], PEER[family])
    about = error(family, MIDDLE[family], answer)
    assert Gate(town())(IN, about).reason is Reason.NO_MATCHING_RULE
    assert Gate(town(f"out all {HOST[family]}"))(IN, about).reason is Reason.RELATED


TOO_BIG = {4: (3, 4), 6: (2, 0)}


@pytest.mark.semantics("icmp-7")
@families
def test_related_off_leaves_path_mtu_of_untracked_and_always_tracked_flows(family):
    off = Switches(related_icmp=False)
    opens = (f"in tcp/80 {ALL[family]}", f"out all {ALL[family]}")
    kind, code = TOO_BIG[family]
    # Untracked.
    gate = Gate(town(*opens), switches=off)
    about = talk(family, 80).server("ACK", 1400)
    assert gate(IN, error(family, MIDDLE[family], about, kind, code)).reason is Reason.RELATED
    for other in ((3, 3), (3, 0), (4, 4)) if family == 4 else ((1, 0), (3, 0), (4, 0)):
        refused = gate(IN, error(family, MIDDLE[family], about, *other))
        assert refused.reason is Reason.NO_MATCHING_RULE
    # Tracked by a rule.
    gate = Gate(town(f"in tcp/443 {HOST[family]}"), switches=off)
    said = talk(family)
    gate(IN, said.client("SYN"))
    about = said.server("SYN ACK")
    gate(OUT, about)
    refused = gate(IN, error(family, MIDDLE[family], about, kind, code))
    assert refused.reason is Reason.NO_MATCHING_RULE
    # Tracked because of its way.
    gate.network = routed(gate.network, family)
    assert gate(IN, error(family, MIDDLE[family], about, kind, code)).reason is Reason.RELATED


@pytest.mark.semantics("icmp-4")
def test_ingress_acl_stands_before_related():
    gate = Gate(town("out udp/53 0.0.0.0/0", acl=("out 1 allow all 0.0.0.0/0",)))
    asked = datagram(HERE[4], PEER[4], 53)
    assert gate(OUT, asked).reason is Reason.NEW
    assert gate(IN, error(4, MIDDLE[4], asked)).reason is Reason.NETWORK_ACL


# 11


@pytest.mark.semantics("sg-1", "sg-2")
@families
def test_no_rule_no_traffic_and_all_matching_rules_are_named(family):
    gate = Gate(town())
    assert gate(IN, datagram(PEER[family], HERE[family], 53)).rule_ids == ()
    assert gate(IN, datagram(PEER[family], HERE[family], 53)).reason is Reason.NO_MATCHING_RULE
    assert gate(OUT, datagram(HERE[family], PEER[family], 53)).reason is Reason.NO_MATCHING_RULE
    network = town(
        f"in udp/53 {HOST[family]}",
        f"in udp/54 {HOST[family]}",
        f"in all {HOST[family]}",
        db=[f"in udp/50-60 {HOST[family]}", f"out udp/53 {HOST[family]}"],
        extra=("db",),
    )
    answer = Gate(network)(IN, datagram(PEER[family], HERE[family], 53))
    assert answer.rule_ids == ("web/ingress/0", "web/ingress/2", "db/ingress/0")
    assert Gate(network)(OUT, datagram(HERE[family], PEER[family], 53)).rule_ids == ("db/egress/0",)


@pytest.mark.semantics("sg-3")
@families
@pytest.mark.parametrize("direction", [IN, OUT])
@pytest.mark.parametrize(("port", "passes"), [(49, False), (50, True), (60, True), (61, False)])
def test_rule_port_is_the_destination_port_bounds_included(family, direction, port, passes):
    way = "in" if direction is IN else "out"
    gate = Gate(town(f"{way} udp/50-60 {HOST[family]}"))
    ends = (PEER, HERE) if direction is IN else (HERE, PEER)
    packet = datagram(ends[0][family], ends[1][family], port, source_port=55)
    assert gate(direction, packet).accepted is passes


@pytest.mark.semantics("sg-4")
@pytest.mark.parametrize(
    ("service", "packet", "passes"),
    [
        ("icmp", ping(PEER[4], HERE[4]), True),
        ("icmp", ping(PEER[6], HERE[6]), False),
        ("icmpv6", ping(PEER[6], HERE[6]), True),
        ("icmpv6", ping(PEER[4], HERE[4]), False),
        ("icmp", plain(PEER[6], HERE[6], 1), False),
        ("icmpv6", plain(PEER[4], HERE[4], 58), False),
        ("all", plain(PEER[4], HERE[4], 58), True),
        ("all", plain(PEER[6], HERE[6], 1), True),
        ("icmp/8", ping(PEER[4], HERE[4]), True),
        ("icmp/8/0", ping(PEER[4], HERE[4]), True),
        ("icmp/8/1", ping(PEER[4], HERE[4]), False),
        ("icmp/0", ping(PEER[4], HERE[4]), False),
        ("icmpv6/128", ping(PEER[6], HERE[6]), True),
        ("icmpv6/129", ping(PEER[6], HERE[6]), False),
        ("47", plain(PEER[4], HERE[4], 47), True),
        ("50", plain(PEER[4], HERE[4], 47), False),
        ("tcp/0-65535", datagram(PEER[4], HERE[4], 53), False),
        ("udp/0-65535", datagram(PEER[4], HERE[4], 0), True),
    ],
)
def test_rule_matches_protocol_type_and_code(service, packet, passes):
    gate = Gate(town(f"in {service} 0.0.0.0/0", f"in {service} ::/0"))
    assert gate(IN, packet).accepted is passes
    # The same through a reference: `icmp` is of IPv4 only there too.
    member = scene(
        groups={"web": [f"in {service} app"], "app": []},
        interfaces={"web": f"{HERE[4]} {HERE[6]} web", "app": f"10.0.9.9 {PEER[6]} app"},
    )
    member = changed(
        member,
        "app",
        ipv4=(replace(member.interfaces["app"].ipv4[0], address=IPv4Address(PEER[4])),),
    )
    assert Gate(member)(IN, packet).accepted is passes


# 12a: what is untracked, A2


def tracked(gate, direction, packet):
    reason = gate(direction, packet).reason
    assert reason in (Reason.NEW, Reason.UNTRACKED)
    return reason is Reason.NEW


@pytest.mark.semantics("ct-9", "ct-10")
@families
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("direction", [IN, OUT])
@pytest.mark.parametrize(
    ("there", "back", "is_tracked"),
    [
        ("{p}/80 {all}", "all {all}", False),
        ("{p}/80 {all}", "{p}/0-65535 {all}", False),
        ("all {all}", "all {all}", False),
        ("{p}/80 {all}", "{p}/1-65535 {all}", True),
        ("{p}/80 {all}", "{p}/0-65534 {all}", True),
        ("{p}/80 {all}", "{p}/80 {all}", True),
        ("{p}/80 {all}", "{o}/0-65535 {all}", True),
        ("{p}/80 {all}", "all {host}", True),
        ("{p}/80 {all}", "all {half}", True),
        ("{p}/80 {host}", "all {all}", True),
        ("{p}/80 {half}", "all {all}", True),
        ("{p}/80 {all}", "all {other}", True),
        ("{p}/80 {all}", "47 {all}", True),
    ],
)
def test_flow_is_untracked_when_open_there_and_back(
    family, protocol, direction, there, back, is_tracked
):
    names = {
        "p": protocol,
        "o": "udp" if protocol == "tcp" else "tcp",
        "all": ALL[family],
        "other": ALL[10 - family],
        "host": HOST[family],
        "half": "128.0.0.0/1" if family == 4 else "::/1",
    }
    way, other = ("in", "out") if direction is IN else ("out", "in")
    gate = Gate(town(f"{way} {there.format(**names)}", f"{other} {back.format(**names)}"))
    ends = (PEER, HERE) if direction is IN else (HERE, PEER)
    if protocol == "tcp":
        packet = connection(ends[0][family], ends[1][family], 80).client("SYN")
    else:
        packet = datagram(ends[0][family], ends[1][family], 80)
    assert tracked(gate, direction, packet) is is_tracked
    assert len(gate.memory.flows) == int(is_tracked)


@pytest.mark.semantics("ct-10")
@families
def test_narrow_rule_beside_an_open_one_leaves_it_untracked(family):
    rules = (f"in tcp/80 {HOST[family]}", f"in tcp/80 {ALL[family]}", f"out all {ALL[family]}")
    answer = Gate(town(*rules))(IN, talk(family, 80).client("SYN"))
    assert (answer.reason, answer.rule_ids) == (
        Reason.UNTRACKED,
        ("web/ingress/0", "web/ingress/1"),
    )


@pytest.mark.semantics("ct-11")
@pytest.mark.parametrize("which", ["in", "out"])
def test_prefix_list_with_everything_in_it_is_not_literal(which):
    rules = ["in tcp/80 0.0.0.0/0", "out all 0.0.0.0/0"]
    index = 0 if which == "in" else 1
    rules[index] = rules[index].replace("0.0.0.0/0", "pl-all")
    network = scene(
        groups={"web": rules},
        interfaces={"web": "10.0.1.10 web"},
        prefix_lists={"pl-all": ["0.0.0.0/0"]},
    )
    assert network.groups["web"].rules[index].peer == PrefixListReference(prefix_list_id="pl-all")
    assert tracked(Gate(network), IN, talk(4, 80).client("SYN"))


@pytest.mark.semantics("ct-12")
@families
@pytest.mark.parametrize("opener", [IN, OUT])
def test_answer_of_an_untracked_tcp_flow_is_untracked(family, opener):
    way, other = ("in", "out") if opener is IN else ("out", "in")
    gate = Gate(town(f"{way} tcp/80 {ALL[family]}", f"{other} all {ALL[family]}"))
    ends = (PEER, HERE) if opener is IN else (HERE, PEER)
    said = connection(ends[0][family], ends[1][family], 80)
    for direction, packet in (
        (opener, said.client("SYN")),
        (opener.opposite, said.server("SYN ACK")),
        (opener, said.client("ACK")),
        (opener.opposite, said.server("PSH ACK", 10)),
        (opener, said.client("FIN ACK")),
        (opener.opposite, said.server("RST")),
    ):
        assert gate(direction, packet).reason is Reason.UNTRACKED
    assert len(gate.memory.flows) == 0


@pytest.mark.semantics("ct-12")
@families
def test_opener_from_an_open_port_is_no_answer(family):
    """From port 80 a client of its own opens a connection: only the way it goes counts."""
    gate = Gate(town(f"in tcp/80 {ALL[family]}", f"out all {ALL[family]}"))
    outward = connection(HERE[family], PEER[family], 9999, client_port=80)
    assert gate(OUT, outward.client("SYN")).reason is Reason.NEW
    assert gate(IN, outward.server("SYN ACK")).reason is Reason.ESTABLISHED
    # Any other segment from port 80 is the answer of an untracked flow.
    other = connection(HERE[family], PEER[family], 9998, client_port=80)
    assert gate(OUT, other.client("SYN ACK")).reason is Reason.UNTRACKED
    assert (
        gate(OUT, connection(HERE[family], PEER[family], 9998).client("ACK")).reason
        is Reason.MIDSTREAM
    )


@pytest.mark.semantics("ct-12")
@families
def test_datagram_from_an_open_port_is_an_answer(family):
    gate = Gate(town(f"in udp/53 {ALL[family]}", f"out all {ALL[family]}"))
    answer = datagram(HERE[family], PEER[family], 9999, source_port=53)
    assert gate(OUT, answer).reason is Reason.UNTRACKED
    assert (
        gate(OUT, datagram(HERE[family], PEER[family], 9999, source_port=54)).reason is Reason.NEW
    )


@pytest.mark.semantics("ct-13")
@families
def test_untracked_flow_is_cut_by_the_rule_change_and_a_tracked_one_survives(family):
    for inward, survives in ((ALL[family], False), (HOST[family], True)):
        gate = Gate(town(f"in tcp/22 {inward}", f"out all {ALL[family]}"))
        said = talk(family, 22)
        gate(IN, said.client("SYN"))
        gate(OUT, said.server("SYN ACK"))
        gate.network = town(f"out all {ALL[family]}")
        assert gate(IN, said.client("ACK")).accepted is survives


@pytest.mark.semantics("ct-14")
@families
def test_untracked_flow_becomes_tracked_by_its_next_opener_only(family):
    gate = Gate(town(f"in udp/53 {ALL[family]}", f"out all {ALL[family]}"))
    packet = datagram(PEER[family], HERE[family], 53)
    assert gate(IN, packet).reason is Reason.UNTRACKED
    gate.network = town(f"in udp/53 {ALL[family]}")
    assert gate(IN, packet).reason is Reason.NEW
    # And an entry is honoured until it ends, though new flows would be untracked again.
    gate.network = town(f"in udp/53 {ALL[family]}", f"out all {ALL[family]}")
    assert gate(IN, packet).reason is Reason.ESTABLISHED


@pytest.mark.semantics("ct-14")
def test_untracked_tcp_connection_goes_on_mid_stream_when_rules_narrow():
    gate = Gate(town("in tcp/22 0.0.0.0/0", "out all 0.0.0.0/0"))
    said = talk(4, 22)
    gate(IN, said.client("SYN"))
    gate.network = town("in tcp/22 203.0.113.9/32")
    assert gate(IN, said.client("ACK")).reason is Reason.MIDSTREAM
    assert gate(OUT, said.server("ACK")).reason is Reason.NO_MATCHING_RULE


@pytest.mark.semantics("ct-9")
def test_families_are_judged_apart():
    rules = ("in tcp/80 0.0.0.0/0", "in tcp/80 ::/0", "out all ::/0", "out tcp/80 0.0.0.0/0")
    gate = Gate(town(*rules))
    assert tracked(gate, IN, talk(4, 80).client("SYN"))
    assert not tracked(gate, IN, talk(6, 80).client("SYN"))


@pytest.mark.semantics("icmp-1", "icmp-3")
@families
def test_icmp_is_always_tracked_and_what_asks_nothing_is_not(family):
    gate = Gate(town(f"in all {ALL[family]}", f"out all {ALL[family]}"))
    assert gate(IN, ping(PEER[family], HERE[family])).reason is Reason.NEW
    assert gate(OUT, pong(HERE[family], PEER[family])).reason is Reason.ESTABLISHED
    assert gate(IN, pong(PEER[family], HERE[family])).reason is Reason.UNTRACKED
    assert gate(IN, message(PEER[family], HERE[family], type=3)).reason is Reason.UNTRACKED
    assert len(gate.memory.flows) == 1


@pytest.mark.semantics("icmp-3")
@families
def test_icmp_answer_without_a_question_needs_a_rule(family):
    gate = Gate(town(f"in tcp/80 {ALL[family]}"))
    assert gate(IN, pong(PEER[family], HERE[family])).reason is Reason.NO_MATCHING_RULE


@pytest.mark.semantics("ct-8")
@families
def test_other_protocols_are_tracked_however_open(family):
    gate = Gate(town(f"in all {ALL[family]}", f"out all {ALL[family]}"))
    assert gate(IN, plain(PEER[family], HERE[family], 47)).reason is Reason.NEW


@pytest.mark.semantics("ct-8")
@families
@pytest.mark.parametrize(("idle_ms", "alive"), [(599_999, True), (600_000, False)])
def test_other_protocol_is_answered_for_600_seconds(family, idle_ms, alive):
    gate = Gate(town(f"out 47 {HOST[family]}"))
    assert gate(OUT, plain(HERE[family], PEER[family], 47)).reason is Reason.NEW
    gate.now_ms = idle_ms
    answer = gate(IN, plain(PEER[family], HERE[family], 47))
    assert answer.reason is (Reason.ESTABLISHED if alive else Reason.NO_MATCHING_RULE)
    assert gate(IN, plain(PEER[family], HERE[family], 50)).reason is Reason.NO_MATCHING_RULE


# 12a: what is always tracked, A13


def routed(network, family, kind=TargetKind.NAT_GATEWAY, endpoint=None, to=None):
    """Send everything (or `to`) that is not local to a target."""
    table = network.route_tables["rtb-1"]
    destination = (IPv4Network if family == 4 else IPv6Network)(to or ALL[family])
    route = Route(destination=destination, target=Target(kind=kind, target_id="target-1"))
    endpoints = {} if endpoint is None else {"target-1": endpoint}
    return replace(
        network,
        route_tables={"rtb-1": replace(table, routes=(*table.routes, route))},
        endpoints=endpoints,
    )


def open_town(family):
    return town(f"in tcp/80 {ALL[family]}", f"out all {ALL[family]}")


DYNAMODB = VpcEndpoint(
    endpoint_id="target-1", vpc_id="vpc-1", service_name="com.amazonaws.eu-west-1.dynamodb"
)


@pytest.mark.semantics("ct-17")
@families
@pytest.mark.parametrize(
    ("kind", "is_tracked"),
    [
        (TargetKind.NAT_GATEWAY, True),
        (TargetKind.EGRESS_ONLY_GATEWAY, True),
        (TargetKind.INTERNET_GATEWAY, False),
        (TargetKind.PEERING, False),
        (TargetKind.INTERFACE, False),
        (TargetKind.OTHER, False),
    ],
)
def test_peers_behind_some_gateways_are_always_tracked(family, kind, is_tracked):
    gate = Gate(routed(open_town(family), family, kind))
    assert tracked(gate, IN, talk(family, 80).client("SYN")) is is_tracked
    outward = connection(HERE[family], PEER[family], 443).client("SYN")
    assert (
        tracked(
            Gate(routed(town(f"in all {ALL[family]}", f"out all {ALL[family]}"), family, kind)),
            OUT,
            outward,
        )
        is is_tracked
    )
    # A peer in the VPC has the local route, which is more specific.
    near = connection(FAR[family], HERE[family], 80).client("SYN")
    assert not tracked(gate, IN, near)


@pytest.mark.semantics("ct-17")
def test_the_most_specific_route_counts():
    network = routed(open_town(4), 4, TargetKind.INTERNET_GATEWAY)
    network = routed(network, 4, TargetKind.NAT_GATEWAY, to="203.0.113.0/24")
    assert tracked(Gate(network), IN, talk(4, 80).client("SYN"))
    away = connection("203.0.114.1", HERE[4], 80).client("SYN")
    assert not tracked(Gate(network), IN, away)


@pytest.mark.semantics("ct-18")
@pytest.mark.parametrize(
    ("endpoint", "weight"),
    [
        (DYNAMODB, 2),
        (replace(DYNAMODB, service_name="com.amazonaws.eu-west-1.s3"), 0),
        (replace(DYNAMODB, endpoint_type="Interface"), 0),
    ],
)
def test_dynamodb_takes_two_entries_of_the_allowance(endpoint, weight):
    network = routed(open_town(4), 4, TargetKind.GATEWAY_ENDPOINT, endpoint)
    gate = Gate(network, switches=Switches(allowance=4))
    reasons = [
        gate(IN, connection(PEER[4], HERE[4], 80, client_port=port).client("SYN")).reason.name
        for port in (1, 2, 3)
    ]
    if weight == 0:
        assert reasons == ["UNTRACKED"] * 3
        return
    assert reasons == ["NEW", "NEW", "ALLOWANCE_EXCEEDED"]
    assert [flow.weight for flow in gate.memory.flows] == [2, 2]


@pytest.mark.semantics("ct-18")
def test_two_entries_do_not_fit_in_one():
    network = routed(open_town(4), 4, TargetKind.GATEWAY_ENDPOINT, DYNAMODB)
    gate = Gate(network, switches=Switches(allowance=1))
    assert gate(IN, talk(4, 80).client("SYN")).reason is Reason.ALLOWANCE_EXCEEDED


@pytest.mark.semantics("ct-19")
@families
@pytest.mark.parametrize(
    ("kind", "is_tracked"),
    [
        ("vpc_endpoint", True),
        ("network_load_balancer", True),
        ("lambda", True),
        ("global_accelerator_managed", True),
        ("interface", False),
        ("natGateway", False),
        ("gateway_load_balancer", False),
        ("transit_gateway", False),
    ],
)
def test_interfaces_of_some_services_are_always_tracked(family, kind, is_tracked):
    gate = Gate(changed(open_town(family), "far", interface_type=kind))
    packet = connection(FAR[family], HERE[family], 80).client("SYN")
    assert tracked(gate, IN, packet) is is_tracked


@pytest.mark.semantics("ct-19")
def test_answers_of_always_tracked_peers_are_no_untracked_answers():
    gate = Gate(changed(open_town(4), "far", interface_type="lambda"))
    answer = connection(FAR[4], HERE[4], 80).server("ACK")
    assert gate(OUT, answer).reason is Reason.MIDSTREAM


# 12b


@pytest.mark.semantics("ct-5")
@families
@pytest.mark.parametrize("flags", ["ACK", "SYN ACK", "FIN ACK", "RST", "SYN FIN", "PSH", "SYN RST"])
def test_mid_stream_segment_is_judged_by_the_rules_and_makes_no_entry(family, flags):
    gate = Gate(town(f"in tcp/443 {HOST[family]}"))
    answer = gate(IN, talk(family).client(flags))
    assert (answer.verdict, answer.reason) == (Verdict.ACCEPT, Reason.MIDSTREAM)
    assert answer.rule_ids == ("web/ingress/0",)
    assert (answer.state_before, answer.state_after) == (None, None)
    assert gate(OUT, talk(family).server(flags)).reason is Reason.NO_MATCHING_RULE
    assert len(gate.memory.flows) == 0


@pytest.mark.semantics("ct-6")
@pytest.mark.parametrize("flags", ["ACK", "SYN ACK", "RST", "SYN FIN"])
def test_strict_tcp_refuses_mid_stream(flags):
    gate = Gate(town("in tcp/443 203.0.113.9/32"), switches=Switches(strict_tcp=True))
    answer = gate(IN, talk(4).client(flags))
    assert (answer.verdict, answer.reason) == (Verdict.REJECT, Reason.INVALID)
    assert answer.rule_ids == ("web/ingress/0",)
    assert gate(IN, talk(4).client("SYN")).reason is Reason.NEW
    assert gate(IN, talk(4, 444).client("ACK")).reason is Reason.NO_MATCHING_RULE


@pytest.mark.semantics("ct-6")
def test_strict_tcp_leaves_untracked_flows_alone():
    gate = Gate(open_town(4), switches=Switches(strict_tcp=True))
    assert gate(IN, talk(4, 80).client("ACK")).reason is Reason.UNTRACKED


@pytest.mark.semantics("ct-7")
@pytest.mark.parametrize("flags", ["ACK", "PSH ACK", "SYN ACK", "FIN ACK", "RST", "PSH"])
def test_loose_tcp_picks_up_what_netfilter_does(flags):
    gate = Gate(town("in tcp/443 203.0.113.9/32"), switches=Switches(loose_tcp=True))
    answer = gate(IN, talk(4).client(flags))
    picked_up = flags in ("ACK", "PSH ACK")
    assert answer.reason is (Reason.NEW if picked_up else Reason.MIDSTREAM)
    assert answer.state_after is (State.ESTABLISHED if picked_up else None)
    assert len(gate.memory.flows) == int(picked_up)


# 12c


@pytest.mark.semantics("ct-31", "ct-33")
@families
def test_full_table_refuses_the_opener_and_keeps_what_it_has(family):
    gate = Gate(town(f"in udp/53 {HOST[family]}"), switches=Switches(allowance=2))
    opened = [
        gate(IN, datagram(PEER[family], HERE[family], 53, source_port=port)) for port in (1, 2, 3)
    ]
    assert [each.reason for each in opened] == [Reason.NEW, Reason.NEW, Reason.ALLOWANCE_EXCEEDED]
    assert (opened[2].verdict, opened[2].rule_ids) == (Verdict.REJECT, ("web/ingress/0",))
    assert (opened[2].state_before, opened[2].state_after) == (None, None)
    assert gate(IN, datagram(PEER[family], HERE[family], 53, source_port=1)).accepted
    assert len(gate.memory.flows) == 2


@pytest.mark.semantics("ct-32")
@pytest.mark.parametrize("start_ms", [0, 1, 500, 999])
def test_expired_entry_makes_room_at_the_next_whole_second(start_ms):
    gate = Gate(town("in udp/53 203.0.113.9/32"), switches=Switches(allowance=1))
    gate.now_ms = start_ms
    gate(IN, datagram(PEER[4], HERE[4], 53, source_port=1))
    reaped_ms = -(-(start_ms + 30_000) // 1000) * 1000
    for now_ms in (start_ms + 29_999, start_ms + 30_000, reaped_ms - 1, reaped_ms):
        gate.now_ms = now_ms
        if now_ms < reaped_ms:
            second = gate(IN, datagram(PEER[4], HERE[4], 53, source_port=2))
            assert second.reason is Reason.ALLOWANCE_EXCEEDED
    assert gate(IN, datagram(PEER[4], HERE[4], 53, source_port=2)).reason is Reason.NEW


@pytest.mark.semantics("ct-34")
def test_replaced_entry_gives_its_own_place():
    gate = Gate(
        town("in udp/53 203.0.113.9/32", "in tcp/443 203.0.113.9/32"),
        switches=Switches(allowance=1),
    )
    gate.now_ms = 500
    packet = datagram(PEER[4], HERE[4], 53)
    gate(IN, packet)
    gate.now_ms = 30_500  # expired, not yet reaped
    assert gate(IN, packet).reason is Reason.NEW
    gate = Gate(gate.network, switches=Switches(allowance=1))
    assert gate(IN, finished(4, gate).client("SYN")).reason is Reason.NEW


@pytest.mark.semantics("ct-31")
def test_allowance_is_per_owner():
    network = scene(
        groups={"web": ["in udp/53 203.0.113.9/32"]},
        interfaces={"web-1": "10.0.1.10 web", "web-2": "10.0.1.20 web", "app": "10.0.1.30 web"},
    )
    gate = Gate(network, switches=Switches(allowance=1, allowances={"i-app": 2}))
    to = {"web-1": "10.0.1.10", "web-2": "10.0.1.20", "app": "10.0.1.30"}
    reasons = [
        (at, gate(IN, datagram(PEER[4], to[at], 53, source_port=port), at=at).reason.name)
        for port, at in enumerate(("web-1", "web-2", "app", "app", "app"))
    ]
    assert reasons == [
        ("web-1", "NEW"),
        ("web-2", "ALLOWANCE_EXCEEDED"),
        ("app", "NEW"),
        ("app", "NEW"),
        ("app", "ALLOWANCE_EXCEEDED"),
    ]


@pytest.mark.semantics("ct-33")
def test_only_what_would_be_tracked_needs_the_allowance():
    gate = Gate(open_town(4), switches=Switches(allowance=0))
    assert gate(IN, talk(4, 80).client("SYN")).reason is Reason.UNTRACKED
    assert gate(OUT, talk(4, 80).server("ACK")).reason is Reason.UNTRACKED
    assert gate(OUT, ping(HERE[4], PEER[4])).reason is Reason.ALLOWANCE_EXCEEDED
    gate = Gate(town("in tcp/443 203.0.113.9/32"), switches=Switches(allowance=0))
    assert gate(IN, talk(4).client("ACK")).reason is Reason.MIDSTREAM


def test_rules_come_before_the_allowance_and_the_acl_after():
    network = town("out udp/53 0.0.0.0/0", acl=("out 1 deny all 0.0.0.0/0",))
    gate = Gate(network, switches=Switches(allowance=0))
    assert gate(OUT, datagram(HERE[4], PEER[4], 53)).reason is Reason.ALLOWANCE_EXCEEDED
    assert gate(OUT, datagram(HERE[4], PEER[4], 54)).reason is Reason.NO_MATCHING_RULE


# 12d


@pytest.mark.semantics("ct-3")
@families
def test_new_entry_remembers_who_admitted_it(family):
    gate = Gate(town(f"in tcp/443 {HOST[family]}"))
    gate.now_ms = 1234
    gate(IN, talk(family).client("SYN"))
    (flow,) = gate.memory.flows
    assert (flow.opener, flow.state, flow.interface_id) == (IN, State.SYN_SENT, "web")
    assert (flow.created_ms, flow.last_ms, flow.rule_ids) == (1234, 1234, ("web/ingress/0",))
    assert (flow.key.owner, flow.next, flow.weight) == ("i-web", (1001, None), 1)


@pytest.mark.semantics("time-7")
def test_earlier_time_is_judged_at_the_latest():
    gate = Gate(town("in udp/53 203.0.113.9/32"))
    gate.now_ms = 50_000
    gate(IN, datagram(PEER[4], HERE[4], 53))
    gate.now_ms = 10_000
    assert gate(IN, datagram(PEER[4], HERE[4], 53)).reason is Reason.ESTABLISHED
    assert (gate.memory.flows.now_ms, gate.memory.flows.stepped_back) == (50_000, 1)
    assert [flow.last_ms for flow in gate.memory.flows] == [50_000]


@pytest.mark.semantics("time-8")
@pytest.mark.parametrize("direction", [IN, OUT])
def test_every_accepted_packet_refreshes(direction):
    gate = Gate(town("in udp/53 203.0.113.9/32"))
    asked = datagram(PEER[4], HERE[4], 53)
    answered = datagram(HERE[4], PEER[4], 40000, source_port=53)
    gate(IN, asked)
    gate.now_ms = 29_999
    gate(direction, asked if direction is IN else answered)
    gate.now_ms = 59_998
    assert gate(OUT, answered).reason is Reason.ESTABLISHED


@pytest.mark.semantics("time-8")
def test_refused_packet_refreshes_nothing():
    rules = ("in udp/53 203.0.113.9/32",)
    gate = Gate(town(*rules))
    gate(IN, datagram(PEER[4], HERE[4], 53))
    gate.network = town(*rules, acl=("in 1 allow all 0.0.0.0/0",))
    gate.now_ms = 20_000
    answered = datagram(HERE[4], PEER[4], 40000, source_port=53)
    assert gate(OUT, answered).reason is Reason.NETWORK_ACL
    gate.network = town(*rules)
    gate.now_ms = 30_000
    assert gate(OUT, answered).reason is Reason.NO_MATCHING_RULE


@families
def test_groups_apart_from_interfaces_and_owners_of_the_other_family_share_nothing(family):
    """The same ports in the other family are another flow."""
    gate = Gate(town(f"in udp/53 {HOST[family]}"))
    gate(IN, datagram(PEER[family], HERE[family], 53))
    other = 10 - family
    back = datagram(HERE[other], PEER[other], 40000, source_port=53)
    assert gate(OUT, back).reason is Reason.NO_MATCHING_RULE
