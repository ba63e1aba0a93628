"""What a lab's filters remember of real connections, and what becomes of them."""

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from secgroup.conntrack.state import State
from secgroup.decision import Reason
from secgroup.lab.kernel import inside
from secgroup.model.interface import ConnectionTracking
from secgroup.net.direction import Direction
from tests.support.labs import LONG_S, SHORT_S, Lab, lab_of, talk
from tests.support.vpcs import OPEN, Plan
from tests.system.kernel.programs import close, running, wait_for_port
from tests.system.kernel.seen import Seen, seen_by, until

pytestmark = pytest.mark.needs("root", "netns", "nft", "bpf")

INGRESS, EGRESS = Direction.INGRESS, Direction.EGRESS
WEB, SERVER, OTHER = "eni-web", "eni-server", "eni-other"
WEB_ADDRESS, ADDRESS, OTHER_ADDRESS = "10.0.1.5", "10.0.2.5", "10.0.1.7"
PORT = 5432


def shop(*rules: str, others: tuple[str, ...] = ("sg-others",), acl: tuple[str, ...] = ()) -> Plan:
    """A web host, another one, and a server; the server takes in what is asked for."""
    plan = (
        Plan()
        .vpc("vpc-1", "10.0.0.0/16")
        .subnet("sub-a", "vpc-1", "10.0.1.0/24")
        .subnet("sub-b", "vpc-1", "10.0.2.0/24")
        .group("sg-web", "out tcp/1-65535 10.0.0.0/16", "out udp/1-65535 10.0.0.0/16")
        .group("sg-others", "out tcp/1-65535 10.0.0.0/16")
        .group("sg-server", *(rules or (f"in tcp/{PORT} sg-web", f"in udp/{PORT} sg-web")))
    )
    if acl:
        plan.acl("sub-b", *acl)
    return (
        plan.interface(WEB, "sub-a", WEB_ADDRESS, "sg-web")
        .interface(OTHER, "sub-a", OTHER_ADDRESS, *others)
        .interface(SERVER, "sub-b", ADDRESS, "sg-server")
    )


@pytest.fixture
def lab() -> Iterator[Lab]:
    with lab_of(shop().network()) as made:
        yield made


@pytest.fixture
def seen(lab: Lab) -> Iterator[Seen]:
    with seen_by(lab) as found:
        yield found


def pair(lab: Lab, server: socket.socket, name: str = WEB) -> tuple[socket.socket, socket.socket]:
    client = lab.connect(name, ADDRESS, PORT)
    assert client is not None
    served, _ = server.accept()
    return client, served


# -------------------------------------------------------------------- idle, half-open


def test_idle_timeouts_are_the_interfaces_own() -> None:
    plan = shop()
    chosen = ConnectionTracking(tcp_established_timeout=60, udp_timeout=45)
    plan.nouns["interfaces"][SERVER] = replace(plan.nouns["interfaces"][SERVER], tracking=chosen)
    with (
        lab_of(plan.network()) as lab,
        seen_by(lab) as seen,
        lab.serve(SERVER, PORT) as server,
        lab.open(WEB, ADDRESS, socket.SOCK_DGRAM) as datagrams,
    ):
        client, served = pair(lab, server)
        datagrams.sendto(b"?", (ADDRESS, PORT))
        until(lambda: len(seen.connections(SERVER)) == 2)
        left_s = {
            name: {each.state: (each.left_ms + each.idle_ms) / 1000 for each in found}
            for name in (SERVER, WEB)
            for found in [seen.connections(name)]
        }
        assert left_s[SERVER] == {State.ESTABLISHED: 60, State.UDP_1_0: 45}
        assert left_s[WEB] == {State.ESTABLISHED: 432000, State.UDP_1_0: 30}
        close(client, served)


def test_a_connection_past_its_idle_timeout_is_judged_by_the_rules(lab: Lab, seen: Seen) -> None:
    with lab.serve(SERVER, PORT) as server:
        client, served = pair(lab, server)
        assert talk(client, served) == (b"hello", b"HELLO")
        seen.set_timeout(SERVER, State.ESTABLISHED, 200)
        until(lambda: not seen.connections(SERVER))
        before = seen.reasons(SERVER, EGRESS), seen.reasons(SERVER, INGRESS)
        # Its rules let in the port, but nothing out: no answer comes, no acknowledgement either.
        client.sendall(b"hello")
        assert served.recv(5) == b"hello"
        served.sendall(b"HELLO")
        client.settimeout(SHORT_S)
        with pytest.raises(TimeoutError):
            client.recv(5)
        assert (seen.reasons(SERVER, INGRESS) - before[1])[Reason.MIDSTREAM] >= 1
        assert (seen.reasons(SERVER, EGRESS) - before[0])[Reason.NO_MATCHING_RULE] >= 1
        assert seen.connections(SERVER) == []
        close(client, served)


def test_an_answer_past_the_idle_timeout_of_its_question_is_refused(lab: Lab, seen: Seen) -> None:
    with (
        lab.open(SERVER, ADDRESS, socket.SOCK_DGRAM) as server,
        lab.open(WEB, ADDRESS, socket.SOCK_DGRAM) as client,
    ):
        seen.set_timeout(SERVER, State.UDP_1_0, 200)
        server.bind((ADDRESS, PORT))
        client.sendto(b"who?", (ADDRESS, PORT))
        question, peer = server.recvfrom(100)
        until(lambda: not seen.connections(SERVER))
        before = seen.reasons(SERVER, EGRESS)
        server.sendto(question, peer)
        until(lambda: (seen.reasons(SERVER, EGRESS) - before)[Reason.NO_MATCHING_RULE] == 1)
        # Another question makes it anew, in time.
        client.sendto(b"again?", (ADDRESS, PORT))
        question, peer = server.recvfrom(100)
        server.sendto(question, peer)
        assert client.recv(100) == b"again?"


@pytest.mark.needs("nmap")
def test_a_half_open_scan_sees_what_the_groups_let_it_see(seen: Seen, lab: Lab) -> None:
    lab.follow(shop(f"in tcp/{PORT}-{PORT + 1} sg-web").network())
    with lab.serve(SERVER, PORT):
        ports = f"{PORT - 1}-{PORT + 2}"
        shown = lab.run(
            WEB,
            *("nmap", "-sS", "-Pn", "-n", "-p", ports, "--max-retries", "1", "-oG", "-", ADDRESS),
        ).stdout
        assert f"{PORT}/open/tcp" in shown
        assert f"{PORT + 1}/closed/tcp" in shown
        assert f"{PORT - 1}/filtered/tcp" in shown
        assert f"{PORT + 2}/filtered/tcp" in shown
    # A RST has ended what it opened, at both ends: a scan costs no entries.
    until(lambda: not seen.connections(SERVER))
    assert not [each for each in seen.connections(WEB) if each.outside_port in (PORT, PORT + 1)]


# ---------------------------------------------------------------------------- a flood

#: Of the whole table; the attacker's own connections are untracked.
ROOM = 512


def under_siege() -> Plan:
    """The server with a rule for everybody, and an attacker that may say it is anybody."""
    plan = shop(f"in tcp/{PORT} 10.0.0.0/16")
    plan.group("sg-attacker", *OPEN)
    return plan.interface("eni-attacker", "sub-a", "10.0.1.66", "sg-attacker", check=False)


def flood(lab: Lab, name: str, count: int) -> None:
    """Send so many SYNs from an address that nobody has, each from another port."""
    own = lab.run(name, "cat", "/sys/class/net/eth0/address").stdout.strip()
    shown = lab.run(name, "ip", "neigh", "show", "10.0.1.1").stdout.split()
    ethernet = Ether(src=own, dst=shown[shown.index("lladdr") + 1])
    syn = IP(src="10.0.200.1", dst=ADDRESS) / TCP(dport=PORT, flags="S")
    with inside(lab.namespace(name)):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with raw:
        raw.bind(("eth0", 0))
        for number in range(count):
            syn[TCP].sport = 1024 + number
            raw.send(bytes(ethernet / syn))


def test_a_flood_fills_the_table_and_harms_nobody_who_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("secgroup.lab.filters._SIZES", {"connections": ROOM})
    with (
        lab_of(under_siege().network()) as lab,
        seen_by(lab) as seen,
        lab.serve(SERVER, PORT) as server,
    ):
        # Asking who the router is.
        assert lab.ping("eni-attacker", "10.0.1.1")
        client, served = pair(lab, server)
        flood(lab, "eni-attacker", 2 * ROOM)
        until(lambda: seen.counted(SERVER, "full")[INGRESS] > 0)
        assert len(seen.maps.connections.items()[0]) == ROOM
        for _ in range(10):
            assert talk(client, served) == (b"hello", b"HELLO")
        before = seen.counted(SERVER, "full")[INGRESS]
        refused = seen.reasons(SERVER, INGRESS)[Reason.ALLOWANCE_EXCEEDED]
        assert before == refused
        assert lab.connect(WEB, ADDRESS, PORT, reaches=False) is None
        # What is half-open goes with its timeout; then there is room again.
        for state in (State.SYN_SENT, State.SYN_RECV):
            seen.set_timeout(SERVER, state, 100)
        until(lambda: len(seen.maps.connections.items()[0]) < ROOM // 4, timeout_s=4 * LONG_S)
        again = lab.connect(WEB, ADDRESS, PORT)
        assert again is not None
        assert talk(client, served) == (b"hello", b"HELLO")
        close(client, served, again)


# ------------------------------------------------------------------- changes under traffic


@pytest.mark.needs("iperf3")
def test_members_come_and_go_beside_a_stream(lab: Lab, seen: Seen) -> None:
    rules = (f"in tcp/{PORT} sg-web", "in tcp/5201 sg-web")
    lab.follow(shop(*rules).network())
    with lab.serve(SERVER, PORT), running(lab, SERVER, ["iperf3", "-s", "--one-off"]):
        wait_for_port(lab, SERVER, 5201)
        stream = ["iperf3", "--client", ADDRESS, "--time", "2", "--bitrate", "50M"]
        with running(lab, WEB, stream) as client:
            for _ in range(2):
                assert lab.connect(OTHER, ADDRESS, PORT, reaches=False) is None
                lab.follow(shop(*rules, others=("sg-others", "sg-web")).network())
                member = lab.connect(OTHER, ADDRESS, PORT)
                assert member is not None
                lab.follow(shop(*rules).network())
                # A connection that it has made stays.
                assert [
                    each
                    for each in seen.connections(SERVER)
                    if each.outside_port == member.getsockname()[1]
                ]
                member.close()
            assert client.wait(20) == 0


ALLOW = (
    "in 100 allow all 0.0.0.0/0",
    "out 100 allow all 0.0.0.0/0",
)


@pytest.mark.parametrize("side", ["in", "out"])
def test_a_network_acl_cuts_a_tracked_connection_for_as_long_as_it_denies(side: str) -> None:
    denies = f"{side} 50 deny tcp/1-65535 {WEB_ADDRESS}/32"
    with (
        lab_of(shop(acl=ALLOW).network()) as lab,
        seen_by(lab) as seen,
        lab.serve(SERVER, PORT) as server,
    ):
        client, served = pair(lab, server)
        lab.follow(shop(acl=(*ALLOW, denies)).network())
        direction = INGRESS if side == "in" else EGRESS
        client.sendall(b"hello")
        until(lambda: seen.reasons(SERVER, direction)[Reason.NETWORK_ACL] > 0)
        served.settimeout(SHORT_S)
        if side == "in":
            with pytest.raises(TimeoutError):
                served.recv(5)
        (tracked,) = seen.connections(SERVER)
        assert tracked.state is State.ESTABLISHED
        lab.follow(shop(acl=ALLOW).network())
        served.settimeout(2 * LONG_S)
        client.settimeout(2 * LONG_S)
        # TCP sends again what was lost.
        assert served.recv(5) == b"hello"
        served.sendall(b"HELLO")
        assert client.recv(5) == b"HELLO"
        close(client, served)


# ------------------------------------------------------------------------ odd neighbours


@pytest.mark.parametrize(
    ("rule", "reaches"),
    [("in tcp/80 198.18.0.1/32", True), ("in tcp/80 sg-web", False)],
)
def test_hairpin_comes_back_from_its_public_address(rule: str, reaches: bool) -> None:
    plan = (
        Plan()
        .vpc("vpc-1", "10.0.0.0/16")
        .internet_gateway("vpc-1")
        .subnet("sub-a", "vpc-1", "10.0.1.0/24", routes=("0.0.0.0/0 igw-1",))
        .group("sg-web", rule, "out tcp/80 0.0.0.0/0")
        .interface(WEB, "sub-a", WEB_ADDRESS, "sg-web", public="198.18.0.1")
    )
    with lab_of(plan.network()) as lab, seen_by(lab) as seen, lab.serve(WEB, 80) as server:
        client = lab.connect(WEB, "198.18.0.1", 80, reaches=reaches)
        assert (client is not None) == reaches
        if client is None:
            assert seen.reasons(WEB, INGRESS)[Reason.NO_MATCHING_RULE] > 0
            return
        served, (peer, _) = server.accept()
        assert peer == "198.18.0.1"
        assert talk(client, served) == (b"hello", b"HELLO")
        # It leaves as one connection, and comes in as another.
        assert {each.direction for each in seen.connections(WEB)} == {INGRESS, EGRESS}
        close(client, served)


def test_an_instances_own_firewall_changes_nothing_of_the_groups_state(
    lab: Lab, seen: Seen
) -> None:
    own = (
        "add table inet own; add chain inet own in { type filter hook input priority 0; }; "
        f"add rule inet own in ct state new tcp dport {PORT} drop"
    )
    with lab.serve(SERVER, PORT) as server:
        assert lab.run(SERVER, "nft", own).returncode == 0
        with lab.open(WEB, ADDRESS) as client:
            client.setblocking(False)
            assert client.connect_ex((ADDRESS, PORT)) != 0
            until(lambda: len(seen.connections(SERVER)) == 1)
            (half,) = seen.connections(SERVER)
            assert half.state is State.SYN_SENT
            # Its own rules go; the SYN that is sent again completes the same entry of ours.
            assert lab.run(SERVER, "nft", "delete table inet own").returncode == 0
            client.settimeout(2 * LONG_S)
            served, _ = server.accept()
            until(lambda: seen.connections(SERVER)[0].state is State.ESTABLISHED)
            (whole,) = seen.connections(SERVER)
            assert (whole.outside_port, whole.packets[INGRESS] >= 3) == (half.outside_port, True)
            served.close()


def test_equal_addresses_in_two_vpcs_have_connections_of_their_own() -> None:
    plan = Plan()
    for number in (1, 2):
        plan.vpc(f"vpc-{number}", "10.0.0.0/16").subnet(
            f"sub-{number}", f"vpc-{number}", "10.0.1.0/24"
        )
        plan.group(f"sg-c{number}", f"out tcp/{PORT} 10.0.0.0/16", vpc=f"vpc-{number}")
        plan.group(f"sg-s{number}", f"in tcp/{PORT} sg-c{number}", vpc=f"vpc-{number}")
        plan.interface(f"eni-c{number}", f"sub-{number}", "10.0.1.5", f"sg-c{number}")
        plan.interface(f"eni-s{number}", f"sub-{number}", "10.0.1.6", f"sg-s{number}")
    with lab_of(plan.network()) as lab, seen_by(lab) as seen:
        ends = []
        for number in (1, 2):
            server = lab.serve(f"eni-s{number}", PORT)
            client = lab.open(f"eni-c{number}", "10.0.1.5")
            # The very same tuple in both.
            client.bind(("10.0.1.5", 40000))
            client.connect(("10.0.1.6", PORT))
            served, _ = server.accept()
            for _ in range(5 * number):
                assert talk(client, served) == (b"hello", b"HELLO")
            ends += [client, served, server]
        (one,), (two,) = seen.connections("eni-s1"), seen.connections("eni-s2")
        names = ("inside", "inside_port", "outside", "outside_port", "protocol")
        assert [getattr(one, each) for each in names] == [getattr(two, each) for each in names]
        assert one.owner != two.owner
        assert one.packets[INGRESS] < two.packets[INGRESS]
        plan.group("sg-s1", vpc="vpc-1")
        lab.follow(plan.network())
        assert lab.connect("eni-c1", "10.0.1.6", PORT, reaches=False) is None
        other = lab.connect("eni-c2", "10.0.1.6", PORT)
        assert other is not None
        close(*ends, other)
