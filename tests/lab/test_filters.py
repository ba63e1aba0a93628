"""Groups in front of the interfaces of a lab: what they refuse is not there, at any time."""

import subprocess
from collections.abc import Iterator

import pytest

from secgroup.dataplane.bpf.clock import kernel_ms
from secgroup.errors import DataPlaneError
from secgroup.lab import lab as labs
from secgroup.lab.filters import observed
from secgroup.lab.kernel import namespaces, netlink
from secgroup.lab.names import pins_of, router_namespace
from tests.support.labs import PLAIN, Lab, ignore, lab_of, new_name, talk
from tests.support.vpcs import OPEN, Plan

pytestmark = pytest.mark.needs("root", "netns", "nft", "bpf")


def shop(*db_rules: str) -> Plan:
    """Two hosts of one subnet and one of another; the database lets in what is asked for."""
    return (
        Plan()
        .vpc("vpc-1", "10.0.0.0/16", "2600:1f00::/56")
        .subnet("sub-a", "vpc-1", "10.0.1.0/24", "2600:1f00:0:1::/64")
        .subnet("sub-b", "vpc-1", "10.0.2.0/24", "2600:1f00:0:2::/64")
        .group("sg-web", "in icmp/8 10.0.0.0/16", *OPEN[2:])
        .group("sg-db", *db_rules, "out icmp 10.0.0.0/16")
        .interface("eni-web", "sub-a", "10.0.1.5 2600:1f00:0:1::5", "sg-web")
        .interface("eni-near", "sub-a", "10.0.1.6 2600:1f00:0:1::6", "sg-db")
        .interface("eni-far", "sub-b", "10.0.2.5 2600:1f00:0:2::5", "sg-db")
    )


FROM_WEB = "in tcp/5432 sg-web"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with lab_of(shop(FROM_WEB).network()) as made:
        yield made


@pytest.mark.parametrize(
    "address", ["10.0.1.6", "10.0.2.5", "2600:1f00:0:1::6", "2600:1f00:0:2::5"]
)
def test_what_the_rules_allow_arrives_in_any_subnet(lab: Lab, address: str) -> None:
    name = "eni-near" if ".1." in address or ":1::" in address else "eni-far"
    with lab.serve(name, 5432, "::" if ":" in address else "0.0.0.0") as server:
        client = lab.connect("eni-web", address, 5432)
        assert client is not None
        served, _ = server.accept()
        assert talk(client, served) == (b"hello", b"HELLO")
        client.close()
        served.close()


@pytest.mark.parametrize("address", ["10.0.1.6", "10.0.2.5", "2600:1f00:0:1::6"])
def test_what_no_rule_allows_does_not(lab: Lab, address: str) -> None:
    name = "eni-near" if ".1." in address or ":1::" in address else "eni-far"
    with lab.serve(name, 5433, "::" if ":" in address else "0.0.0.0"):
        assert lab.connect("eni-web", address, 5433, reaches=False) is None
    assert not lab.ping("eni-web", address, reaches=False)
    assert lab.ping("eni-near", "10.0.1.5")


def test_a_rule_that_goes_leaves_tracked_connections_and_refuses_new_ones() -> None:
    with lab_of(shop(FROM_WEB).network()) as lab, lab.serve("eni-far", 5432) as server:
        client = lab.connect("eni-web", "10.0.2.5", 5432)
        assert client is not None
        served, _ = server.accept()
        lab.follow(shop("in tcp/22 sg-web").network())
        assert talk(client, served) == (b"hello", b"HELLO")
        assert lab.connect("eni-web", "10.0.2.5", 5432, reaches=False) is None
        client.close()
        served.close()
        lab.follow(shop(FROM_WEB).network())
        again = lab.connect("eni-web", "10.0.2.5", 5432)
        assert again is not None
        again.close()


def test_connections_go_with_their_interface() -> None:
    everything = shop(FROM_WEB).network()
    interfaces = {name: one for name, one in everything.interfaces.items() if name != "eni-far"}
    with lab_of(everything) as lab, lab.serve("eni-far", 5432) as server:
        client = lab.connect("eni-web", "10.0.2.5", 5432)
        assert client is not None
        served, _ = server.accept()
        before = observed(lab.name, ["eni-web", "eni-far"], kernel_ms())
        lab.follow(everything.revised(interfaces=interfaces))
        after = observed(lab.name, ["eni-web", "eni-far"], kernel_ms())
        served.close()
        client.close()
    assert [each.connections for each in before.values()] == [1, 1]
    assert [each.connections for each in after.values()] == [1, 0]


def test_a_host_cannot_call_itself_another() -> None:
    with lab_of(shop(FROM_WEB).network()) as lab:
        lab.run("eni-web", "ip", "address", "add", "10.0.1.77/32", "dev", "eth0")
        assert not lab.ping("eni-web", "10.0.1.1", "-I", "10.0.1.77", reaches=False)
        lab.run("eni-web", "ip", "link", "set", "eth0", "address", "02:00:00:00:00:99")
        assert not lab.ping("eni-web", "10.0.1.1", reaches=False)


def test_a_link_that_cannot_be_filtered_stays_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise DataPlaneError("bpf", "device", "cannot be attached")

    name = new_name()
    monkeypatch.setattr("secgroup.lab.filters.Filters.put", refuses)
    try:
        with pytest.raises(DataPlaneError):
            labs.up(shop(FROM_WEB).network(), name, mtus=PLAIN, warn=ignore, tell=ignore)
        with netlink(router_namespace(name, "vpc-1")) as ip:
            flags = [each["flags"] & 1 for each in ip.get_links() if each["index"] != 1]
        assert flags
        assert not any(flags)
    finally:
        labs.down(name)
    assert not pins_of(name).exists()


def test_a_filter_that_was_taken_off_is_put_back_by_the_next_up() -> None:
    with lab_of(shop(FROM_WEB).network()) as lab:
        links = pins_of(lab.name) / "links"
        for path in links.iterdir():
            path.unlink()
        # Nobody holds the links any more: everything is open.
        lab.follow(shop(FROM_WEB).network())
        with lab.serve("eni-far", 5433), lab.serve("eni-far", 5432):
            assert lab.connect("eni-web", "10.0.2.5", 5433, reaches=False) is None
            client = lab.connect("eni-web", "10.0.2.5", 5432)
            assert client is not None
            client.close()


def test_a_device_that_was_deleted_is_told_and_made_again() -> None:
    with lab_of(shop(FROM_WEB).network()) as lab:
        with netlink(router_namespace(lab.name, "vpc-1")) as ip:
            (index,) = ip.link_lookup(ifname="eni-far")
            ip.link("del", index=index)
        told = observed(lab.name, ["eni-web", "eni-far"], kernel_ms())
        assert told["eni-web"].missing == ()
        assert told["eni-far"].missing == ("device",)
        lab.follow(shop(FROM_WEB).network())
        assert observed(lab.name, ["eni-far"], kernel_ms())["eni-far"].missing == ()
        with lab.serve("eni-far", 5432):
            client = lab.connect("eni-web", "10.0.2.5", 5432)
            assert client is not None
            client.close()


def test_a_router_has_no_bridge(lab: Lab) -> None:
    for namespace in namespaces(lab.name):
        shown = subprocess.run(
            ["ip", "-n", namespace, "-d", "link", "show", "type", "bridge"],
            check=True,
            capture_output=True,
            text=True,
        )
        assert shown.stdout == ""
