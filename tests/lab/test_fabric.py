"""Routes, gateways and translations of a lab, by packets that no group refuses."""

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from secgroup.lab.plan import Mtus
from tests.support.labs import Lab, lab_of
from tests.support.vpcs import OPEN, Plan

pytestmark = pytest.mark.needs("root", "netns", "nft", "bpf")

WEB, APP, DB = "10.0.1.5", "10.0.2.5", "10.0.3.5"
WEB6, APP6 = "2600:1f00:0:1::5", "2600:1f00:0:2::5"
PUBLIC, OTHER_PUBLIC, NAT_PUBLIC, TWIN_PUBLIC = (
    "198.18.0.1",
    "198.18.0.2",
    "198.18.0.3",
    "198.18.0.4",
)
PEER = "10.9.1.5"
SERVER = "203.0.113.80"
SERVER6 = "3fff::80"


def everything() -> Plan:
    """A VPC with every kind of way out of it, its twin with the same addresses, and a peer."""
    plan = (
        Plan()
        .vpc("vpc-1", "10.0.0.0/16", "2600:1f00::/56")
        .vpc("vpc-2", "10.0.0.0/16")
        .vpc("vpc-3", "10.9.0.0/16", "2600:1f00:0:900::/56")
        .internet_gateway("vpc-1")
        .internet_gateway("vpc-2", "igw-2")
        .egress_only("vpc-1")
        .peering("vpc-1", "vpc-3")
        .subnet(
            "sub-web",
            "vpc-1",
            "10.0.1.0/24",
            "2600:1f00:0:1::/64",
            routes=(
                "0.0.0.0/0 igw-1",
                "::/0 igw-1",
                "10.9.0.0/16 pcx-1",
                "2600:1f00:0:900::/56 pcx-1",
                "10.0.3.0/24 eni-box",
                "192.0.2.0/24 igw-1 blackhole",
            ),
        )
        .subnet(
            "sub-app",
            "vpc-1",
            "10.0.2.0/24",
            "2600:1f00:0:2::/64",
            routes=("0.0.0.0/0 nat-1", "::/0 eigw-1", "10.9.0.0/16 pcx-1"),
        )
        .subnet("sub-db", "vpc-1", "10.0.3.0/24", routes=("10.0.1.0/24 eni-box",))
        .subnet("sub-box", "vpc-1", "10.0.4.0/24")
        .subnet("sub-twin", "vpc-2", "10.0.1.0/24", routes=("0.0.0.0/0 igw-2",))
        .subnet(
            "sub-peer",
            "vpc-3",
            "10.9.1.0/24",
            "2600:1f00:0:901::/64",
            routes=("10.0.0.0/16 pcx-1", "2600:1f00::/56 pcx-1", "0.0.0.0/0 pcx-1"),
        )
    )
    for group, vpc in (("sg-1", "vpc-1"), ("sg-2", "vpc-2"), ("sg-3", "vpc-3")):
        plan.group(group, *OPEN, vpc=vpc)
    return (
        plan.interface("eni-web", "sub-web", f"{WEB} {WEB6}", "sg-1", public=PUBLIC, names=("web",))
        .interface("eni-two", "sub-web", "10.0.1.6", "sg-1", public=OTHER_PUBLIC)
        .interface("eni-dark", "sub-web", "10.0.1.7", "sg-1")
        .interface("eni-app", "sub-app", f"{APP} {APP6}", "sg-1")
        .interface("eni-db", "sub-db", DB, "sg-1")
        .interface("eni-box", "sub-box", "10.0.4.5", "sg-1", check=False)
        .nat("sub-web", "10.0.1.20", public=NAT_PUBLIC)
        .interface("eni-twin", "sub-twin", WEB, "sg-2", public=TWIN_PUBLIC)
        .interface("eni-peer", "sub-peer", f"{PEER} 2600:1f00:0:901::5", "sg-3")
    )


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with lab_of(everything().network(), Mtus(every=2000, named={"pcx-1": 1400})) as made:
        yield made


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("eni-web", "10.0.1.6"),
        ("eni-web", APP),
        ("eni-web", APP6),
        ("eni-web", "10.0.1.1"),
        ("eni-web", "2600:1f00:0:1::1"),
        ("eni-web", "fe80:ec2::1%eth0"),
        ("eni-web", PEER),
        ("eni-web", "2600:1f00:0:901::5"),
        ("eni-peer", WEB),
        ("eni-web", SERVER),
        ("eni-web", "8.8.8.8"),
        ("eni-web", SERVER6),
        ("eni-app", SERVER),
        ("eni-app", SERVER6),
        ("internet", PUBLIC),
        ("internet", WEB6),
        ("internet", TWIN_PUBLIC),
        ("eni-web", OTHER_PUBLIC),
        ("eni-web", PUBLIC),
        ("eni-web", TWIN_PUBLIC),
        ("eni-web", DB),
    ],
)
def test_what_is_routed_arrives(lab: Lab, source: str, address: str) -> None:
    assert lab.ping(source, address)


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("eni-web", "10.0.1.99"),  # nobody has it
        ("eni-web", "192.0.2.1"),  # a blackhole
        ("eni-web", "10.200.0.1"),  # no address of the internet
        ("eni-dark", SERVER),  # has no public address
        ("eni-db", SERVER),  # has no route
        ("eni-peer", SERVER),  # a peering connection leads no further
        ("eni-peer", DB),  # DB has no route back
        ("internet", APP6),  # behind an egress-only gateway
        ("internet", NAT_PUBLIC),  # a NAT gateway takes in only answers
    ],
)
def test_what_has_no_way_does_not_arrive(lab: Lab, source: str, address: str) -> None:
    assert not lab.ping(source, address, reaches=False)


def test_same_subnet_passes_the_router(lab: Lab) -> None:
    # Who is one hop away has been routed once.
    assert "ttl=63" in lab.run("eni-web", "ping", "-n", "-c1", "10.0.1.6").stdout


def test_addresses_are_translated_both_ways(lab: Lab) -> None:
    with lab.serve("internet", 8000) as server:
        client = lab.connect("eni-web", SERVER, 8000)
        assert client is not None
        served, (peer, _) = server.accept()
        assert peer == PUBLIC
        client.close()
        served.close()
    with lab.serve("eni-web", 8000) as server:
        client = lab.connect("internet", PUBLIC, 8000, source="198.51.100.7")
        assert client is not None
        served, (peer, _) = server.accept()
        assert (peer, served.getsockname()[0]) == ("198.51.100.7", WEB)
        client.close()
        served.close()


def test_a_nat_gateway_calls_from_its_own_address_and_a_port_of_its_own(lab: Lab) -> None:
    with lab.serve("internet", 8001) as server:
        client = lab.connect("eni-app", SERVER, 8001)
        assert client is not None
        served, (peer, port) = server.accept()
        assert peer == NAT_PUBLIC
        assert port >= 1024
        client.close()
        served.close()


def test_equal_addresses_in_two_vpcs_are_two_hosts(lab: Lab) -> None:
    with lab.serve("eni-web", 8002), lab.serve("eni-twin", 8002) as twin:
        client = lab.connect("internet", TWIN_PUBLIC, 8002)
        assert client is not None
        served, _ = twin.accept()
        assert served.getsockname()[0] == WEB
        client.close()
        served.close()


@pytest.mark.needs("traceroute")
def test_a_route_through_an_appliance_is_taken_both_ways(lab: Lab) -> None:
    shown = lab.run("eni-web", "traceroute", "-n", "-q1", "-w1", "-I", DB).stdout
    assert "10.0.4.5" in shown
    assert "10.0.4.5" in lab.run("eni-db", "traceroute", "-n", "-q1", "-w1", "-I", WEB).stdout


def test_a_smaller_link_says_so_and_tcp_finds_it(lab: Lab) -> None:
    shown = lab.run("eni-web", "ping", "-n", "-c1", "-W1", "-Mdo", "-s1500", PEER)
    assert "mtu = 1400" in shown.stdout + shown.stderr
    with lab.serve("eni-peer", 8003) as server:
        client = lab.connect("eni-web", PEER, 8003)
        assert client is not None
        served, _ = server.accept()
        client.sendall(bytes(100_000))
        left = 100_000
        while left:
            left -= len(served.recv(left))
        client.close()
        served.close()


def test_the_internet_is_told_of_a_smaller_link_by_the_public_address(lab: Lab) -> None:
    small = everything().network()
    with lab_of(small, Mtus(named={"eni-web": 1300})) as other:
        shown = other.run("internet", "ping", "-n", "-c1", "-W1", "-Mdo", "-s1400", PUBLIC)
        assert "mtu = 1300" in shown.stdout + shown.stderr
        assert f"From {PUBLIC}" in shown.stdout + shown.stderr


def test_the_internet_is_at_every_public_address(lab: Lab) -> None:
    with lab.open("internet", "192.0.2.1", socket.SOCK_DGRAM) as server:
        server.bind(("198.51.100.53", 53))
        with lab.open("eni-web", WEB, socket.SOCK_DGRAM) as client:
            client.sendto(b"who?", ("198.51.100.53", 53))
            question, peer = server.recvfrom(100)
            assert (question, peer[0]) == (b"who?", PUBLIC)
            server.sendto(b"you", peer)
            assert client.recvfrom(100) == (b"you", ("198.51.100.53", 53))


def test_an_instance_with_two_interfaces_answers_where_it_was_asked() -> None:
    plan = everything()
    for number, (name, subnet, address) in enumerate(
        (("eni-one", "sub-web", "10.0.1.50"), ("eni-other", "sub-box", "10.0.4.50"))
    ):
        plan.interface(name, subnet, address, "sg-1", instance="i-1")
        made = plan.nouns["interfaces"][name]
        plan.nouns["interfaces"][name] = replace(made, device_index=number)
    with lab_of(plan.network()) as lab:
        assert lab.namespace("eni-one") == lab.namespace("eni-other") == lab.namespace("i-1")
        for address in ("10.0.1.50", "10.0.4.50"):
            assert lab.ping("eni-app", address)
