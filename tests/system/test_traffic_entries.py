"""What filters remember of real connections: which entries there are, and until when."""

import socket
from dataclasses import replace

import pytest

from secgroup.conntrack.state import State
from secgroup.decision import Reason
from secgroup.model.interface import ConnectionTracking
from secgroup.net.direction import Direction
from tests.support.labs import LONG_S, lab_of, talk, wait_until
from tests.support.vpcs import Plan
from tests.system.site import ADDRESSES, CLIENT, FAR, site

pytestmark = pytest.mark.needs("root", "netns", "nft", "bpf")

INGRESS, EGRESS = Direction.INGRESS, Direction.EGRESS
PORT = 5000
ADDRESS = ADDRESSES[FAR][0]
RULES = (f"in tcp/{PORT}-{PORT + 1} sg-client", f"in udp/{PORT} sg-client")


def with_timeouts(**seconds: int) -> Plan:
    """Return the site, FAR with timeouts of its own."""
    plan = site(*RULES)
    interface = plan.nouns["interfaces"][FAR]
    plan.nouns["interfaces"][FAR] = replace(interface, tracking=ConnectionTracking(**seconds))
    return plan


def test_idle_timeouts_are_the_interfaces_own() -> None:
    with (
        lab_of(with_timeouts(tcp_established_timeout=60, udp_timeout=45).network()) as lab,
        lab.serve(FAR, PORT),
        lab.open(CLIENT, ADDRESS, socket.SOCK_DGRAM) as datagrams,
    ):
        client = lab.connect(CLIENT, ADDRESS, PORT)
        assert client is not None
        with client:
            datagrams.sendto(b"?", (ADDRESS, PORT))
            wait_until(lambda: len(lab.made_by(FAR)) == 2)
            kept_s = {
                name: {each.state: (each.left_ms + each.idle_ms) / 1000 for each in found}
                for name in (FAR, CLIENT)
                for found in [lab.made_by(name)]
            }
    assert kept_s[FAR] == {State.ESTABLISHED: 60, State.UDP_1_0: 45}
    assert kept_s[CLIENT] == {State.ESTABLISHED: 432000, State.UDP_1_0: 30}


def test_an_answer_past_the_idle_timeout_of_its_question_is_refused() -> None:
    with (
        lab_of(with_timeouts(udp_timeout=1).network()) as lab,
        lab.open(FAR, ADDRESS, socket.SOCK_DGRAM) as server,
        lab.open(CLIENT, ADDRESS, socket.SOCK_DGRAM) as client,
    ):
        server.bind((ADDRESS, PORT))
        client.sendto(b"who?", (ADDRESS, PORT))
        question, peer = server.recvfrom(100)
        wait_until(lambda: not lab.made_by(FAR))
        server.sendto(question, peer)
        wait_until(lambda: lab.decided(FAR, EGRESS)[Reason.NO_MATCHING_RULE] == 1)
        # Another question makes it anew, and its answer is in time.
        client.sendto(b"again?", (ADDRESS, PORT))
        question, peer = server.recvfrom(100)
        server.sendto(question, peer)
        assert client.recv(100) == b"again?"


@pytest.mark.needs("nmap")
def test_a_half_open_scan_leaves_no_entry_of_what_it_found() -> None:
    with lab_of(site(*RULES).network()) as lab, lab.serve(FAR, PORT):
        ports = f"-p{PORT - 1}-{PORT + 1}"
        lab.run(CLIENT, "nmap", "-n", "-Pn", "-sS", "--max-retries=1", ports, ADDRESS)
        # A RST has ended what it opened, and what was closed; the rest was not let in.
        wait_until(lambda: not lab.made_by(FAR))
        assert {each.outside_port for each in lab.made_by(CLIENT)} == {PORT - 1}


def test_a_host_that_drops_the_opener_itself_has_a_half_open_entry() -> None:
    own = (
        f"table inet own {{ chain in {{ type filter hook input priority 0; "
        f"ct state new tcp dport {PORT} drop; }} ; }}"
    )
    with lab_of(site(*RULES).network()) as lab, lab.serve(FAR, PORT) as server:
        assert lab.run(FAR, "nft", own).returncode == 0
        with lab.open(CLIENT, ADDRESS) as client:
            client.setblocking(False)
            client.connect_ex((ADDRESS, PORT))
            wait_until(lambda: len(lab.made_by(FAR)) == 1)
            (half,) = lab.made_by(FAR)
            assert half.state is State.SYN_SENT
            assert lab.run(FAR, "nft", "delete table inet own").returncode == 0
            # The SYN that is sent again completes the same entry.
            served, _ = server.accept()
            wait_until(lambda: lab.made_by(FAR)[0].state is State.ESTABLISHED, 2 * LONG_S)
            (whole,) = lab.made_by(FAR)
            assert whole.outside_port == half.outside_port
            assert whole.packets[INGRESS] >= 3
            served.close()


def test_one_tuple_in_two_vpcs_is_two_entries() -> None:
    plan = Plan()
    for number in (1, 2):
        vpc, subnet = f"vpc-{number}", f"sub-{number}"
        plan.vpc(vpc, "10.0.0.0/16").subnet(subnet, vpc, "10.0.1.0/24")
        plan.group(f"sg-c{number}", f"out tcp/{PORT} 10.0.0.0/16", vpc=vpc)
        plan.group(f"sg-s{number}", f"in tcp/{PORT} sg-c{number}", vpc=vpc)
        plan.interface(f"eni-c{number}", subnet, "10.0.1.5", f"sg-c{number}")
        plan.interface(f"eni-s{number}", subnet, "10.0.1.6", f"sg-s{number}")
    ends = []
    with lab_of(plan.network()) as lab:
        for number in (1, 2):
            server = lab.serve(f"eni-s{number}", PORT)
            client = lab.open(f"eni-c{number}", "10.0.1.5")
            client.bind(("10.0.1.5", 40000))
            client.connect(("10.0.1.6", PORT))
            served, _ = server.accept()
            for _ in range(5 * number):
                assert talk(client, served) == (b"hello", b"HELLO")
            ends += [client, served, server]
        (one,), (two,) = lab.made_by("eni-s1"), lab.made_by("eni-s2")
        names = ("inside", "inside_port", "outside", "outside_port", "protocol")
        assert [getattr(one, each) for each in names] == [getattr(two, each) for each in names]
        assert one.owner != two.owner
        assert one.packets[INGRESS] < two.packets[INGRESS]
        for each in ends:
            each.close()


def test_a_flood_that_is_over_leaves_the_room_that_there_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("secgroup.lab.filters._SIZES", {"connections": 64})
    with (
        lab_of(with_timeouts(udp_timeout=1).network()) as lab,
        lab.serve(FAR, PORT),
        lab.open(FAR, ADDRESS, socket.SOCK_DGRAM) as server,
    ):
        server.bind((ADDRESS, PORT))
        asking = [lab.open(CLIENT, ADDRESS, socket.SOCK_DGRAM) for _ in range(200)]
        for each in asking:
            each.sendto(b"?", (ADDRESS, PORT))
            each.close()
        assert len(lab.connections()) == 64
        assert lab.connect(CLIENT, ADDRESS, PORT, reaches=False) is None
        # Those of FAR go after a second and the sweeper's next two passes.
        wait_until(lambda: lab.remembered(FAR) == 0, 2 * LONG_S)
        assert lab.remembered(CLIENT) < 64
        client = lab.connect(CLIENT, ADDRESS, PORT)
        assert client is not None
        client.close()
