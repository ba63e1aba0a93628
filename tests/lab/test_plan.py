"""What a lab of a network is, before any of it is made."""

from ipaddress import ip_network

import pytest

from secgroup.errors import InputError
from secgroup.lab.names import checked_lab, device_of, host_namespace, is_of_lab, router_namespace
from secgroup.lab.plan import Mtus, find, plan
from secgroup.lab.topology import RouteKind
from tests.support.vpcs import OPEN, Plan, two_subnets


def test_names_of_labs_do_not_begin_one_another() -> None:
    assert is_of_lab("a", host_namespace("a", "i-1"))
    assert is_of_lab("a", router_namespace("a", "vpc-1"))
    assert not is_of_lab("a", host_namespace("ab", "i-1"))
    for name in ("", "a-b", "a/b", "a" * 33):
        with pytest.raises(InputError):
            checked_lab(name)


def test_devices_have_names_that_the_kernel_takes() -> None:
    ids = ("eni-0123456789abcdef0", "eni-0123456789abcdef1", "a b", "lo", "internet", "web")
    names = [device_of(each) for each in ids]
    assert len(set(names)) == len(ids)
    assert all(len(each) <= 15 and " " not in each for each in names)
    assert names[-1] == "web"


def test_a_name_of_several_things_is_refused_with_the_list() -> None:
    network = (
        two_subnets()
        .interface("eni-c", "sub-a", "10.0.1.6", "sg-a", names=("twin",))
        .interface("eni-d", "sub-a", "10.0.1.7", "sg-a", names=("twin",))
        .network()
    )
    places = plan(network, "a", Mtus()).places
    assert find(places, "eni-c").interfaces[0].interface_id == "eni-c"
    with pytest.raises(InputError, match="several things: eni-c, eni-d"):
        find(places, "twin")
    with pytest.raises(InputError, match="nothing in this lab"):
        find(places, "eni-z")


def test_links_have_the_sizes_that_were_asked_for() -> None:
    network = two_subnets().internet_gateway("vpc-1").network()
    links = plan(network, "a", Mtus(every=9001, named={"eni-a": 1400})).links
    sizes = {each.interface_id: each.mtu for each in links}
    assert sizes == {"eni-a": 1400, "eni-b": 9001, None: 1500}
    for name in ("eni-z", "vpc-1"):
        with pytest.raises(InputError):
            plan(network, "a", Mtus(named={name: 1400}))


def test_what_the_lab_does_not_have_is_said_once() -> None:
    routes = ("10.7.0.0/16 tgw-1", "10.8.0.0/16 tgw-1", "10.6.0.0/16 pcx-9", "10.5.0.0/16 eni-z")
    network = (
        two_subnets(routes_a=routes)
        .interface("eni-lb", "sub-a", "10.0.1.8", "sg-a", kind="network_load_balancer")
        .network()
    )
    warnings = plan(network, "a", Mtus()).warnings
    assert [each.split()[0].rstrip(":") for each in warnings] == [
        "tgw-1",
        "pcx-9",
        "eni-z",
        "eni-lb",
    ]


def test_local_wins_its_ties_and_loses_to_what_is_more_specific() -> None:
    routes = ("10.0.0.0/16 igw-1", "10.0.2.0/24 eni-a", "0.0.0.0/0 igw-1")
    network = two_subnets(routes_a=routes).internet_gateway("vpc-1").network()
    router = next(
        each for each in plan(network, "a", Mtus()).namespaces if each.name.endswith("vpc-1")
    )
    table = next(
        rule.table for rule in router.rules if rule.incoming == "eni-a" and rule.priority == 2000
    )
    kinds = {each.destination: each.kind for each in router.routes if each.table == table}
    assert kinds[ip_network("10.0.0.0/16")] is RouteKind.THROW
    assert kinds[ip_network("10.0.2.0/24")] is RouteKind.UNICAST
    assert kinds[ip_network("0.0.0.0/0")] is RouteKind.UNICAST
    assert kinds[ip_network("::/0")] is RouteKind.BLACKHOLE


def test_two_vpcs_with_the_same_public_block_are_told() -> None:
    made = two_subnets().internet_gateway("vpc-1").vpc("vpc-2", "10.1.0.0/16", "2600:1f00::/56")
    network = made.internet_gateway("vpc-2", "igw-2").network()
    (warning,) = plan(network, "a", Mtus()).warnings
    assert "vpc-1" in warning
    assert "vpc-2" in warning


def test_macs_are_of_nobody_else() -> None:
    network = Plan().vpc("vpc-1", "10.0.0.0/16").subnet("sub-a", "vpc-1", "10.0.1.0/24")
    network.group("sg-a", *OPEN)
    for number in range(50):
        network.interface(f"eni-{number}", "sub-a", f"10.0.1.{number + 5}", "sg-a")
    links = plan(network.network(), "a", Mtus()).links
    macs = [end.mac for each in links for end in each.ends]
    assert len(set(macs)) == len(macs)
    # Locally administered, and of one device (IEEE 802).
    assert all(mac[0] & 3 == 2 for mac in macs)
