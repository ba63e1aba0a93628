"""Real programs and real packets through a lab, each as the rules allow and as they refuse."""

import re
import socket
from collections.abc import Iterator

import pytest

from secgroup.lab.plan import Mtus
from tests.support.labs import LONG_S, SHORT_S, Lab, is_cut, lab_of, talk
from tests.system.site import ADDRESSES, CLIENT, CLIENT_PUBLIC, FAR, FAR_PUBLIC, NEAR, OUT, site

pytestmark = pytest.mark.needs("root", "netns", "nft", "bpf")

ALLOWED, REFUSED, CLOSED = 5000, 5001, 5002
RULES = (
    f"in tcp/{ALLOWED} sg-client",
    f"in tcp/{CLOSED} sg-client",
    f"in udp/{ALLOWED} sg-client",
    "in udp/33434-33500 sg-client",
    "in icmp/8 sg-client",
    "in icmpv6/128 sg-client",
    f"in tcp/{ALLOWED} {CLIENT_PUBLIC}/32",
)
PLACES = [(name, address) for name in (NEAR, FAR) for address in ADDRESSES[name]]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with lab_of(site(*RULES).network()) as made:
        yield made


def everywhere(address: str) -> str:
    """Return what a server binds to that is to be reached at an address."""
    return "::" if ":" in address else "0.0.0.0"


@pytest.mark.parametrize(("name", "address"), PLACES)
def test_tcp(lab: Lab, name: str, address: str) -> None:
    with lab.serve(name, ALLOWED, everywhere(address)) as server:
        client = lab.connect(CLIENT, address, ALLOWED)
        assert client is not None
        served, _ = server.accept()
        assert talk(client, served) == (b"hello", b"HELLO")
        client.close()
        served.close()
    with lab.serve(name, REFUSED, everywhere(address)):
        assert lab.connect(CLIENT, address, REFUSED, reaches=False) is None


@pytest.mark.parametrize(("name", "address"), PLACES)
def test_udp(lab: Lab, name: str, address: str) -> None:
    for port, arrives in ((ALLOWED, True), (REFUSED, False)):
        with (
            lab.open(name, address, socket.SOCK_DGRAM) as server,
            lab.open(CLIENT, address, socket.SOCK_DGRAM) as client,
        ):
            server.bind((everywhere(address), port))
            client.sendto(b"question", (address, port))
            if arrives:
                question, peer = server.recvfrom(100)
                server.sendto(question.upper(), peer)
                assert client.recv(100) == b"QUESTION"
            else:
                server.settimeout(SHORT_S)
                with pytest.raises(TimeoutError):
                    server.recv(100)


@pytest.mark.parametrize("size_bytes", [56, 4000, 60_000])
@pytest.mark.parametrize(("name", "address"), PLACES)
def test_pings_whole_and_in_fragments(lab: Lab, name: str, address: str, size_bytes: int) -> None:
    size = f"-s{size_bytes}"
    assert lab.ping(CLIENT, address, size)
    own = ADDRESSES[CLIENT][":" in address]
    assert not lab.ping(name, own, size, reaches=False)


@pytest.mark.needs("traceroute")
@pytest.mark.parametrize("options", [["-I"], [], ["-T", f"-p{ALLOWED}"]])
@pytest.mark.parametrize(("name", "address"), PLACES)
def test_traceroute_shows_the_router_and_then_the_host(
    lab: Lab, name: str, address: str, options: list[str]
) -> None:
    command = ["traceroute", "-n", "-q1", "-m3", f"-w{LONG_S}", *options, address]
    shown = lab.run(CLIENT, *command).stdout
    router = ADDRESSES[CLIENT][":" in address].rpartition("5")[0] + "1"
    hops = re.findall(r"^ *\d+  (\S+)", shown, re.MULTILINE)
    assert hops == [router, address]


@pytest.mark.needs("traceroute")
def test_traceroute_to_what_is_refused_ends_at_the_router(lab: Lab) -> None:
    # Its first hop answers as the router may; the host's interface lets the second one not in.
    command = ["traceroute", "-n", "-q1", "-m2", f"-w{SHORT_S}", "-p40000"]
    shown = lab.run(CLIENT, *command, ADDRESSES[FAR][0]).stdout
    assert re.findall(r"^ *\d+  (\S+)", shown, re.MULTILINE) == ["10.0.1.1", "*"]


@pytest.mark.needs("nmap")
def test_a_half_open_scan_tells_open_from_closed_and_filtered(lab: Lab) -> None:
    with lab.serve(FAR, ALLOWED), lab.serve(FAR, REFUSED):
        ports = f"-p{ALLOWED},{REFUSED},{CLOSED}"
        command = ["nmap", "-n", "-Pn", "-sS", "--max-retries=1", ports, ADDRESSES[FAR][0]]
        shown = lab.run(CLIENT, *command).stdout
        states = dict(re.findall(r"^(\d+)/tcp +(\w+)", shown, re.MULTILINE))
    assert states == {str(ALLOWED): "open", str(REFUSED): "filtered", str(CLOSED): "closed"}


@pytest.mark.needs("nmap")
def test_a_scan_from_the_internet_sees_nothing(lab: Lab) -> None:
    with lab.serve(FAR, ALLOWED):
        command = ["nmap", "-n", "-Pn", "-sS", "--max-retries=1", f"-p{ALLOWED}", FAR_PUBLIC]
        shown = lab.run("internet", *command).stdout
    assert re.findall(r"^(\d+)/tcp +(\w+)", shown, re.MULTILINE) == [(str(ALLOWED), "filtered")]


def test_through_the_gateway_and_back_only_the_public_address_is_known(lab: Lab) -> None:
    """A hairpin is admitted by the rule that names the public address, and by no reference."""
    with lab.serve(FAR, ALLOWED) as server, lab.serve(FAR, CLOSED):
        client = lab.connect(CLIENT, FAR_PUBLIC, ALLOWED)
        assert client is not None
        served, (peer, _) = server.accept()
        assert peer == CLIENT_PUBLIC
        assert talk(client, served) == (b"hello", b"HELLO")
        client.close()
        served.close()
        assert lab.connect(CLIENT, FAR_PUBLIC, CLOSED, reaches=False) is None


def test_equal_addresses_in_two_vpcs_have_groups_of_their_own() -> None:
    plan = site(f"in tcp/{ALLOWED} sg-client").vpc("vpc-2", "10.0.0.0/16")
    plan.subnet("sub-2a", "vpc-2", "10.0.1.0/24").subnet("sub-2b", "vpc-2", "10.0.2.0/24")
    plan.group("sg-twin", f"in tcp/{REFUSED} sg-twin", *OUT, vpc="vpc-2")
    plan.interface("eni-twin", "sub-2a", ADDRESSES[CLIENT][0], "sg-twin")
    plan.interface("eni-twin-far", "sub-2b", ADDRESSES[FAR][0], "sg-twin")
    address = ADDRESSES[FAR][0]
    with (
        lab_of(plan.network()) as lab,
        lab.serve(FAR, ALLOWED) as one,
        lab.serve(FAR, REFUSED),
        lab.serve("eni-twin-far", ALLOWED),
        lab.serve("eni-twin-far", REFUSED) as other,
    ):
        for name, port, server in ((CLIENT, ALLOWED, one), ("eni-twin", REFUSED, other)):
            client = lab.connect(name, address, port)
            assert client is not None
            served, _ = server.accept()
            assert talk(client, served) == (b"hello", b"HELLO")
            client.close()
            served.close()
        assert lab.connect(CLIENT, address, REFUSED, reaches=False) is None
        assert lab.connect("eni-twin", address, ALLOWED, reaches=False) is None


def test_what_is_too_big_for_a_link_is_told_through_narrow_rules() -> None:
    """The router's word is exempt; one from beyond it is about a flow that passes here."""
    with lab_of(site(*RULES).network(), Mtus(named={FAR: 1400, "internet": 1300})) as lab:
        for size, address, mtu in (
            (1450, ADDRESSES[FAR][0], 1400),
            (1450, ADDRESSES[FAR][1], 1400),
            (1350, "203.0.113.10", 1300),
        ):
            done = lab.run(CLIENT, "ping", "-n", "-c1", "-W1", "-Mdo", f"-s{size}", address)
            shown = (done.stdout + done.stderr).lower()
            assert f"mtu = {mtu}" in shown or f"mtu={mtu}" in shown, shown
        with lab.serve(FAR, ALLOWED) as server:
            client = lab.connect(CLIENT, ADDRESSES[FAR][0], ALLOWED)
            assert client is not None
            served, _ = server.accept()
            client.sendall(bytes(100_000))
            left = 100_000
            while left:
                left -= len(served.recv(left))
            client.close()
            served.close()


def test_what_a_host_filters_itself_is_nothing_to_its_interface(lab: Lab) -> None:
    deny = "table inet own { chain in { type filter hook input priority 0; policy drop; }; }"
    with lab.serve(FAR, ALLOWED) as server:
        client = lab.connect(CLIENT, ADDRESSES[FAR][0], ALLOWED)
        assert client is not None
        served, _ = server.accept()
        (before,) = [
            each for each in lab.made_by(FAR) if each.outside_port == client.getsockname()[1]
        ]
        lab.run(FAR, "nft", deny)
        assert is_cut(client, served)
        (after,) = [
            each for each in lab.made_by(FAR) if each.outside_port == client.getsockname()[1]
        ]
        assert (before.state, before.admission) == (after.state, after.admission)
        lab.run(FAR, "nft", "delete table inet own")
        # What was sent meanwhile is sent again.
        assert served.recv(5) == b"lost?"
        served.sendall(b"found")
        assert client.recv(5) == b"found"
        client.close()
        served.close()
    # And what it accepts, its groups have to let in first.
    lab.run(FAR, "nft", deny.replace("drop", "accept"))
    with lab.serve(FAR, REFUSED):
        assert lab.connect(CLIENT, ADDRESSES[FAR][0], REFUSED, reaches=False) is None
    lab.run(FAR, "nft", "delete table inet own")
