"""Real traffic between hosts of a lab: what rules allow arrives, what they refuse does not."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6
from scapy.packet import Packet, Raw

from secgroup.decision import Reason
from secgroup.lab.kernel import inside
from secgroup.lab.plan import Mtus
from secgroup.net.direction import Direction
from tests.support.labs import SHORT_S, Lab, lab_of
from tests.support.vpcs import OPEN, Plan
from tests.system.kernel.programs import PAGE, close, fetch, running, wait_for_port, web_server
from tests.system.kernel.seen import Seen, seen_by, until

pytestmark = pytest.mark.needs("root", "netns", "nft", "bpf", "curl", "traceroute")

INGRESS, EGRESS = Direction.INGRESS, Direction.EGRESS
CLIENT, NEAR, FAR, PEER, TWIN = "eni-client", "eni-near", "eni-far", "eni-peer", "eni-twin"
#: Where a host is, by the family of its address.
ADDRESSES = {
    NEAR: {4: "10.0.1.6", 6: "2600:1f00:0:1::6"},
    FAR: {4: "10.0.2.5", 6: "2600:1f00:0:2::5"},
    PEER: {4: "10.9.1.5", 6: "2600:1f00:0:901::5"},
}
EVERYWHERE = [(name, family) for name in (NEAR, FAR, PEER) for family in (4, 6)]
WEB, DNS, STREAM = 8080, 5353, 5201
#: What the link before PEER carries; the others carry 1500.
SMALL = 1300


def town() -> Plan:
    """A client, and servers in its subnet, in another one, and in the VPC of a peer."""
    plan = (
        Plan()
        .vpc("vpc-1", "10.0.0.0/16", "2600:1f00::/56")
        .vpc("vpc-3", "10.9.0.0/16", "2600:1f00:0:900::/56")
        .vpc("vpc-2", "10.0.0.0/16")
        .peering("vpc-1", "vpc-3")
    )
    over = ("10.9.0.0/16 pcx-1", "2600:1f00:0:900::/56 pcx-1")
    back = ("10.0.0.0/16 pcx-1", "2600:1f00::/56 pcx-1")
    plan.subnet("sub-a", "vpc-1", "10.0.1.0/24", "2600:1f00:0:1::/64", routes=over)
    plan.subnet("sub-b", "vpc-1", "10.0.2.0/24", "2600:1f00:0:2::/64", routes=over)
    plan.subnet("sub-c", "vpc-3", "10.9.1.0/24", "2600:1f00:0:901::/64", routes=back)
    plan.subnet("sub-twin", "vpc-2", "10.0.1.0/24")
    services = (f"tcp/{WEB}", f"tcp/{STREAM}", f"udp/{STREAM}", f"udp/{DNS}")
    traced = "udp/33434-33534"
    plan.group(
        "sg-client",
        *(
            f"out {each} {peer}"
            for each in (*services, traced)
            for peer in ("10.0.0.0/8", "2600::/16")
        ),
        *("out icmp/8 10.0.0.0/8", "out icmpv6/128 2600::/16", "out tcp/8081 10.0.0.0/8"),
        *("out tcp/8081 2600::/16", "out udp/5354 10.0.0.0/8", "out udp/5354 2600::/16"),
    )
    for group, vpc in (("sg-server", "vpc-1"), ("sg-peer", "vpc-3")):
        admitted = (*services, traced)
        plan.group(
            group,
            *(f"in {each} sg-client" for each in admitted),
            *("in icmp/8 10.0.1.5/32", "in icmpv6/128 2600:1f00:0:1::5/128"),
            vpc=vpc,
        )
    plan.group("sg-twin", *OPEN, vpc="vpc-2")
    return (
        plan.interface(CLIENT, "sub-a", "10.0.1.5 2600:1f00:0:1::5", "sg-client")
        .interface(NEAR, "sub-a", "10.0.1.6 2600:1f00:0:1::6", "sg-server")
        .interface(FAR, "sub-b", "10.0.2.5 2600:1f00:0:2::5", "sg-server")
        .interface(PEER, "sub-c", "10.9.1.5 2600:1f00:0:901::5", "sg-peer")
        .interface(TWIN, "sub-twin", "10.0.1.6", "sg-twin")
    )


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with lab_of(town().network(), Mtus(named={PEER: SMALL})) as made:
        yield made


@pytest.fixture(scope="module")
def seen(lab: Lab) -> Iterator[Seen]:
    with seen_by(lab) as found:
        yield found


@pytest.fixture(scope="module")
def pages(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A web server at every server, at the port that is allowed and at one that is not."""
    folder = tmp_path_factory.mktemp("pages")
    with (
        web_server(lab, NEAR, folder, WEB),
        web_server(lab, NEAR, folder, 8081),
        web_server(lab, FAR, folder, WEB),
        web_server(lab, FAR, folder, 8081),
        web_server(lab, PEER, folder, WEB),
        web_server(lab, PEER, folder, 8081),
    ):
        yield


@pytest.mark.usefixtures("pages")
@pytest.mark.parametrize(("server", "family"), EVERYWHERE)
def test_tcp(lab: Lab, seen: Seen, server: str, family: int) -> None:
    address = ADDRESSES[server][family]
    assert fetch(lab, CLIENT, address, WEB) == PAGE
    before = seen.reasons(server, INGRESS)[Reason.NO_MATCHING_RULE]
    assert fetch(lab, CLIENT, address, 8081, reaches=False) is None
    assert seen.reasons(server, INGRESS)[Reason.NO_MATCHING_RULE] > before
    # It does listen: only the group is between them.
    assert fetch(lab, server, address, 8081) == PAGE


@pytest.mark.parametrize(("server", "family"), EVERYWHERE)
def test_udp(lab: Lab, seen: Seen, server: str, family: int) -> None:
    address = ADDRESSES[server][family]
    with lab.open(server, address, socket.SOCK_DGRAM) as asked:
        asked.bind((address, DNS))
        with lab.open(CLIENT, address, socket.SOCK_DGRAM) as client:
            client.sendto(b"who?", (address, DNS))
            question, peer = asked.recvfrom(100)
            # Nothing but the question lets the answer out of the server, and in at the client.
            asked.sendto(question + b" me", peer)
            assert client.recvfrom(100)[0] == b"who? me"
    with lab.open(server, address, socket.SOCK_DGRAM) as refused:
        refused.bind((address, 5354))
        before = seen.reasons(server, INGRESS)[Reason.NO_MATCHING_RULE]
        with lab.open(CLIENT, address, socket.SOCK_DGRAM) as client:
            client.sendto(b"who?", (address, 5354))
        until(lambda: seen.reasons(server, INGRESS)[Reason.NO_MATCHING_RULE] > before)
        refused.settimeout(0)
        with pytest.raises(BlockingIOError):
            refused.recv(100)


@pytest.mark.parametrize(("server", "family"), EVERYWHERE)
def test_icmp(lab: Lab, server: str, family: int) -> None:
    assert lab.ping(CLIENT, ADDRESSES[server][family])
    client = "10.0.1.5" if family == 4 else "2600:1f00:0:1::5"
    # What a server may answer it may not ask.
    assert not lab.ping(server, client, reaches=False)


def accepted(seen: Seen, interface_id: str, direction: Direction) -> int:
    return int(seen.counted(interface_id, "packets")[direction, 1])


@pytest.mark.parametrize(("server", "family"), [each for each in EVERYWHERE if each[0] != PEER])
def test_a_large_ping_passes_in_all_its_fragments(
    lab: Lab, seen: Seen, server: str, family: int
) -> None:
    there = ((CLIENT, EGRESS), (server, INGRESS), (server, EGRESS), (CLIENT, INGRESS))
    before = [accepted(seen, *each) for each in there]
    assert lab.ping(CLIENT, ADDRESSES[server][family], "-s8000")
    # 8008 octets in pieces of at most 1480; behind a fragment header, 1448.
    pieces = 6
    counted = [accepted(seen, *each) - was for each, was in zip(there, before, strict=True)]
    assert all(each >= pieces for each in counted), counted


@pytest.mark.parametrize("family", [4, 6])
def test_a_large_ping_that_is_refused_leaves_no_fragment(lab: Lab, seen: Seen, family: int) -> None:
    address = "10.0.1.5" if family == 4 else "2600:1f00:0:1::5"
    before, passed = seen.reasons(FAR, EGRESS), accepted(seen, CLIENT, INGRESS)
    assert not lab.ping(FAR, address, "-s8000", reaches=False)
    refused = seen.reasons(FAR, EGRESS) - before
    assert refused[Reason.NO_MATCHING_RULE] >= 6
    # IPv6 finds neighbours meanwhile; no fragment arrives.
    assert accepted(seen, CLIENT, INGRESS) - passed < 6


def send(lab: Lab, name: str, packet: Packet) -> None:
    """Send an IP packet as it is written."""
    family = socket.AF_INET if packet.version == 4 else socket.AF_INET6
    with inside(lab.namespace(name)):
        raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    with raw:
        raw.sendto(bytes(packet), (packet.dst, 0))


def test_a_fragment_without_its_first_is_refused(lab: Lab, seen: Seen) -> None:
    before = seen.reasons(CLIENT, EGRESS)[Reason.FRAGMENT]
    send(lab, CLIENT, IP(src="10.0.1.5", dst="10.0.2.5", id=7, frag=4, proto=17) / Raw(bytes(16)))
    until(lambda: seen.reasons(CLIENT, EGRESS)[Reason.FRAGMENT] == before + 1)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("server", [FAR, PEER])
def test_traceroute_hears_of_every_router(lab: Lab, seen: Seen, server: str, family: int) -> None:
    address = ADDRESSES[server][family]
    before = seen.reasons(CLIENT, INGRESS)[Reason.RELATED]
    shown = lab.run(CLIENT, "traceroute", "-n", "-q1", "-w2", f"-{family}", address).stdout
    hops = [line.split()[1] for line in shown.splitlines()[1:]]
    assert len(hops) == (3 if server == PEER else 2), shown
    assert hops[-1] == address
    assert "*" not in hops
    # The router of its own subnet is exempt; whatever else tells of an error is related.
    assert seen.reasons(CLIENT, INGRESS)[Reason.RELATED] - before >= len(hops) - 1


def test_traceroute_stops_at_a_group(lab: Lab) -> None:
    # The far end admits probes from 33434 on; nobody hears of those below.
    shown = lab.run(
        CLIENT, "traceroute", "-n", "-q1", "-w0.3", "-m4", "-N1", "-U", "-p5354", "10.0.2.5"
    ).stdout
    hops = [line.split()[1] for line in shown.splitlines()[1:]]
    assert "10.0.2.5" not in hops
    assert hops[-1] == "*"


def forget_path(lab: Lab, name: str, family: int) -> None:
    lab.run(name, "ip", f"-{family}", "route", "flush", "cache")


@pytest.mark.parametrize("family", [4, 6])
def test_a_ping_that_is_too_large_is_told_so(lab: Lab, seen: Seen, family: int) -> None:
    forget_path(lab, CLIENT, family)
    before = seen.reasons(CLIENT, INGRESS)[Reason.RELATED]
    shown = lab.run(CLIENT, "ping", "-n", "-c1", "-W1", "-Mdo", "-s1400", ADDRESSES[PEER][family])
    told = re.search(r"mtu\s*=\s*(\d+)", shown.stdout + shown.stderr)
    assert told, shown
    assert int(told[1]) == SMALL
    # The router that says so is not the client's own.
    assert seen.reasons(CLIENT, INGRESS)[Reason.RELATED] == before + 1


@pytest.mark.usefixtures("pages")
@pytest.mark.parametrize("family", [4, 6])
def test_tcp_finds_the_size_of_a_smaller_link(lab: Lab, seen: Seen, family: int) -> None:
    address = ADDRESSES[PEER][family]
    # The far end says that it takes more than its link carries, so that only errors tell.
    route = lab.run(PEER, "ip", f"-{family}", "route", "show", "default").stdout.split()
    lab.run(PEER, "ip", f"-{family}", "route", "replace", *route, "advmss", "1440")
    forget_path(lab, CLIENT, family)
    before = seen.reasons(CLIENT, INGRESS)[Reason.RELATED]
    listening = lab.serve(PEER, STREAM, "::" if family == 6 else "0.0.0.0")
    client = lab.connect(CLIENT, address, STREAM)
    assert client is not None
    served, _ = listening.accept()
    size = 200_000
    client.sendall(bytes(size))
    client.shutdown(socket.SHUT_WR)
    received = 0
    while part := served.recv(65536):
        received += len(part)
    close(served, client, listening)
    assert received == size
    assert seen.reasons(CLIENT, INGRESS)[Reason.RELATED] > before


@pytest.mark.parametrize("family", [4, 6])
def test_an_error_about_nothing_that_passed_is_refused(lab: Lab, seen: Seen, family: int) -> None:
    address, client = ADDRESSES[FAR][family], ("10.0.1.5", "2600:1f00:0:1::5")[family == 6]
    quote = TCP(sport=40123, dport=WEB, flags="A") / Raw(bytes(8))
    if family == 4:
        error = IP(src=address, dst=client) / ICMP(type=3, code=4, nexthopmtu=600)
        error /= Raw(bytes(IP(src=client, dst=address) / quote))
    else:
        error = IPv6(src=address, dst=client) / ICMPv6DestUnreach(code=4)
        error /= Raw(bytes(IPv6(src=client, dst=address) / quote))
    before = seen.reasons(FAR, EGRESS)
    send(lab, FAR, error)
    until(lambda: (seen.reasons(FAR, EGRESS) - before)[Reason.NO_MATCHING_RULE] == 1)


@pytest.mark.needs("iperf3")
@pytest.mark.parametrize("arguments", [(), ("--reverse",), ("--udp", "--bitrate", "20M")])
def test_a_stream_flows_over_two_subnets(lab: Lab, seen: Seen, arguments: tuple[str, ...]) -> None:
    with running(lab, FAR, ["iperf3", "--server", "--one-off"]):
        wait_for_port(lab, FAR, STREAM)
        before = seen.reasons(FAR, INGRESS)
        done = lab.run(CLIENT, "iperf3", "--client", "10.0.2.5", "--time", "1", *arguments)
        assert done.returncode == 0, done.stdout
    counted = seen.reasons(FAR, INGRESS) - before
    # A connection that controls, and one that carries.
    assert counted[Reason.NEW] == 2
    assert counted[Reason.NO_MATCHING_RULE] == 0


@pytest.mark.needs("iperf3")
def test_a_stream_that_nobody_admits_does_not(lab: Lab) -> None:
    with running(lab, NEAR, ["iperf3", "--server", "--port", "8082", "--one-off"]):
        wait_for_port(lab, NEAR, 8082)
        done = lab.run(
            CLIENT,
            *("iperf3", "--client", "10.0.1.6", "--port", "8082", "--time", "1"),
            *("--connect-timeout", str(int(1000 * SHORT_S))),
        )
        assert done.returncode != 0


def test_what_is_forged_does_not_leave(lab: Lab, seen: Seen) -> None:
    before = seen.reasons(CLIENT, EGRESS)[Reason.SPOOFED]
    send(lab, CLIENT, IP(src="10.0.1.6", dst="10.0.2.5") / UDP(dport=DNS) / b"x")
    until(lambda: seen.reasons(CLIENT, EGRESS)[Reason.SPOOFED] == before + 1)


def test_no_connection_leads_to_the_same_address_elsewhere(lab: Lab, tmp_path: Path) -> None:
    # The twin is open to everyone, and has NEAR's address in another VPC.
    with web_server(lab, TWIN, tmp_path, 8081):
        assert fetch(lab, TWIN, "10.0.1.6", 8081) == PAGE
        assert fetch(lab, CLIENT, "10.0.1.6", 8081, reaches=False) is None
