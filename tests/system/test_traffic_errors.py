"""ICMP errors and fragments of real flows: what belongs to one passes, what says so does not.

A third VPC, behind a peering connection and a smaller link, has routers that are not the client's
own: their errors are no exempt router's, but related to what passes here.
"""

import re
import socket
from collections.abc import Iterator

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6
from scapy.packet import Packet, Raw

from secgroup.decision import Reason
from secgroup.lab.plan import Mtus
from secgroup.net.direction import Direction
from tests.support.labs import Lab, lab_of, wait_until
from tests.support.vpcs import Plan
from tests.system.site import ADDRESSES, CLIENT, FAR, site

pytestmark = pytest.mark.needs("root", "netns", "nft", "bpf")

INGRESS, EGRESS = Direction.INGRESS, Direction.EGRESS
PEER = "eni-peer"
BEYOND = {4: "10.9.1.5", 6: "2600:1f00:0:901::5"}
OWN = dict(zip((4, 6), ADDRESSES[CLIENT], strict=True))
THERE = dict(zip((4, 6), ADDRESSES[FAR], strict=True))
PORT = 5000
#: What the link before PEER carries; the others carry 1500.
SMALL = 1300

families = pytest.mark.parametrize("family", [4, 6])


def two_sites() -> Plan:
    plan = (
        site(f"in tcp/{PORT} sg-client", f"in udp/{PORT} sg-client")
        .vpc("vpc-3", "10.9.0.0/16", "2600:1f00:0:900::/56")
        .peering("vpc-1", "vpc-3")
    )
    over = ("10.9.0.0/16 pcx-1", "2600:1f00:0:900::/56 pcx-1")
    back = ("10.0.0.0/16 pcx-1", "2600:1f00::/56 pcx-1")
    plan.subnet("sub-a", "vpc-1", "10.0.1.0/24", "2600:1f00:0:1::/64", routes=over)
    plan.subnet("sub-c", "vpc-3", "10.9.1.0/24", "2600:1f00:0:901::/64", routes=back)
    rules = (f"tcp/{PORT}", "udp/33434-33534", "icmp/8", "icmpv6/128")
    plan.group(
        "sg-peer",
        *(f"in {each} {OWN[4]}/32" for each in rules[:3]),
        *(f"in {each} {OWN[6]}/128" for each in (*rules[:2], rules[3])),
        vpc="vpc-3",
    )
    return plan.interface(PEER, "sub-c", " ".join(BEYOND.values()), "sg-peer")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with lab_of(two_sites().network(), Mtus(named={PEER: SMALL})) as made:
        yield made


def related(lab: Lab) -> int:
    return lab.decided(CLIENT, INGRESS)[Reason.RELATED]


def forget_path(lab: Lab, family: int) -> None:
    """Let the client find out anew how much a link carries."""
    lab.run(CLIENT, "ip", f"-{family}", "route", "flush", "cache")


@pytest.mark.needs("traceroute")
@families
def test_traceroute_hears_of_routers_that_are_not_its_own(lab: Lab, family: int) -> None:
    before = related(lab)
    shown = lab.run(CLIENT, "traceroute", "-n", "-q1", "-w2", f"-{family}", BEYOND[family]).stdout
    hops = re.findall(r"^ *\d+  (\S+)", shown, re.MULTILINE)
    assert len(hops) == 3, shown
    assert hops[-1] == BEYOND[family]
    assert "*" not in hops
    # The first is its own router, and exempt; the last says that nobody listens.
    assert related(lab) - before >= 2


@families
def test_what_is_too_large_for_a_link_elsewhere_is_told(lab: Lab, family: int) -> None:
    forget_path(lab, family)
    before = related(lab)
    shown = lab.run(CLIENT, "ping", "-n", "-c1", "-W1", "-Mdo", "-s1400", BEYOND[family])
    told = re.search(r"mtu\s*=\s*(\d+)", shown.stdout + shown.stderr)
    assert told, shown
    assert int(told[1]) == SMALL
    assert related(lab) == before + 1


@families
def test_tcp_finds_the_size_of_a_link_elsewhere(lab: Lab, family: int) -> None:
    # The far end says that it takes more than its link carries, so that only errors tell.
    route = lab.run(PEER, "ip", f"-{family}", "route", "show", "default").stdout.split()
    done = lab.run(PEER, "ip", f"-{family}", "route", "replace", *route, "advmss", "1440")
    assert done.returncode == 0, done.stderr
    forget_path(lab, family)
    before, size, received = related(lab), 200_000, 0
    with lab.serve(PEER, PORT, "::" if family == 6 else "0.0.0.0") as server:
        client = lab.connect(CLIENT, BEYOND[family], PORT)
        assert client is not None
        served, _ = server.accept()
        with client, served:
            client.sendall(bytes(size))
            client.shutdown(socket.SHUT_WR)
            while part := served.recv(65536):
                received += len(part)
    assert received == size
    assert related(lab) > before


def send(lab: Lab, name: str, packet: Packet) -> None:
    """Send an IP packet as it is written."""
    family = socket.AF_INET if packet.version == 4 else socket.AF_INET6
    with lab.open_raw(name, socket.IPPROTO_RAW, family) as raw:
        raw.sendto(bytes(packet), (packet.dst, 0))


def error_about(family: int, quoted: Packet) -> Packet:
    """Return what the far host would say of a segment of the client's that is too large for it."""
    if family == 4:
        quote = IP(src=OWN[4], dst=THERE[4]) / quoted
        error = IP(src=THERE[4], dst=OWN[4]) / ICMP(type=3, code=4, nexthopmtu=600)
    else:
        quote = IPv6(src=OWN[6], dst=THERE[6]) / quoted
        error = IPv6(src=THERE[6], dst=OWN[6]) / ICMPv6DestUnreach(code=4)
    return error / Raw(bytes(quote))


@families
def test_an_error_passes_with_its_flow_and_not_without(lab: Lab, family: int) -> None:
    with lab.serve(FAR, PORT, "::" if family == 6 else "0.0.0.0"):
        client = lab.connect(CLIENT, THERE[family], PORT)
        assert client is not None
        with client:
            own_port = client.getsockname()[1]
            for port, reason in (
                (own_port, Reason.RELATED),
                (own_port ^ 1, Reason.NO_MATCHING_RULE),
            ):
                before = lab.decided(FAR, EGRESS)
                segment = TCP(sport=port, dport=PORT, flags="A") / Raw(bytes(8))
                send(lab, FAR, error_about(family, segment))
                wait_until(lambda: (lab.decided(FAR, EGRESS) - before)[reason] == 1)  # noqa: B023


@families
def test_no_fragment_of_a_refused_datagram_passes(lab: Lab, family: int) -> None:
    before, passed = lab.decided(FAR, EGRESS), lab.decided(CLIENT, INGRESS)
    assert not lab.ping(FAR, OWN[family], "-s8000", reaches=False)
    # All six get what the first one gets.
    assert (lab.decided(FAR, EGRESS) - before)[Reason.NO_MATCHING_RULE] == 6
    came = lab.decided(CLIENT, INGRESS) - passed
    assert set(came) <= {Reason.EXEMPT, Reason.NOT_UNICAST}


def test_a_fragment_without_its_first_is_refused(lab: Lab) -> None:
    before = lab.decided(CLIENT, EGRESS)
    send(lab, CLIENT, IP(src=OWN[4], dst=THERE[4], id=7, frag=4, proto=17) / Raw(bytes(16)))
    wait_until(lambda: (lab.decided(CLIENT, EGRESS) - before)[Reason.FRAGMENT] == 1)


def test_what_is_forged_does_not_leave(lab: Lab) -> None:
    before = lab.decided(CLIENT, EGRESS)
    send(lab, CLIENT, IP(src="10.0.1.6", dst=THERE[4]) / UDP(dport=PORT) / b"x")
    wait_until(lambda: (lab.decided(CLIENT, EGRESS) - before)[Reason.SPOOFED] == 1)
