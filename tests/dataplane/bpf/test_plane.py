"""`BpfPlane` on the kernel's own maps: what is in force is what the network means."""

from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from random import Random

import pytest

from secgroup.dataplane.bpf.loaded import Loaded
from secgroup.dataplane.bpf.plane import BpfPlane
from secgroup.dataplane.bpf.plans import Attached, render
from secgroup.model.group import SecurityGroupRule
from secgroup.model.network import Network
from secgroup.net.ports import parse_service
from secgroup.policy.resolve import services_of
from tests.support import policy_worlds as worlds
from tests.support.traces.networks import edited, make_network

pytestmark = pytest.mark.needs("root", "bpf")


@pytest.fixture
def loaded() -> Iterator[Loaded]:
    with Loaded() as found:
        yield found


def converge(plane: BpfPlane, network: Network) -> None:
    plane.prepare({"here": network})
    plane.commit()


def expected(plane: BpfPlane, network: Network) -> object:
    attached = [Attached(interface_id=each) for each in plane.attached]
    return render(network, attached, services=services_of)


@pytest.mark.parametrize("seed", range(4))
def test_increment_equals_recompute(loaded: Loaded, seed: int) -> None:
    random = Random(seed)
    plane = BpfPlane(loaded.maps, services=services_of)
    network = make_network(random)
    for each in network.interfaces:
        plane.attach(each)
    for _ in range(25):
        converge(plane, network)
        assert plane.observe() == expected(plane, network)
        assert plane.differences() == []
        network = edited(random, network)


def test_second_converge_is_empty(loaded: Loaded) -> None:
    random = Random(5)
    plane = BpfPlane(loaded.maps, services=services_of)
    network = make_network(random)
    for each in network.interfaces:
        plane.attach(each)
    for _ in range(10):
        converge(plane, network)
        written = plane.writes
        converge(plane, network)
        assert plane.writes == written
        network = edited(random, network)
    assert written > 0


def test_a_restart_with_no_memory_touches_nothing(loaded: Loaded) -> None:
    random = Random(6)
    plane = BpfPlane(loaded.maps, services=services_of)
    network = make_network(random)
    for each in network.interfaces:
        plane.attach(each)
    for _ in range(10):
        converge(plane, network)
        again = BpfPlane(loaded.maps, services=services_of)
        for each in network.interfaces:
            again.attach(each)
        converge(again, network)
        assert again.writes == 0
        assert again.observe() == expected(plane, network)
        network = edited(random, network)


def memory_bytes(loaded: Loaded) -> int:
    """What the kernel says that all maps take together."""
    found = 0
    for name in loaded.object.maps():
        about = Path(f"/proc/self/fdinfo/{loaded.object.map_fd(name)}").read_text()
        found += int(next(line for line in about.splitlines() if "memlock" in line).split()[1])
    return found


def test_500_distinct_sets_of_60_rules_fit_in_256_mib(loaded: Loaded) -> None:
    random, network = Random(8), worlds.world()
    groups, interfaces = dict(network.groups), dict(network.interfaces)
    plane = BpfPlane(loaded.maps)
    for number in range(500):
        group_id = f"sg-{number}"
        groups[group_id] = worlds.group(group_id, random_rules(random, group_id, 60))
        one = worlds.interface(number + 10, (group_id,))
        interfaces[one.interface_id] = one
        plane.attach(one.interface_id)
    converge(plane, network.revised(groups=groups, interfaces=interfaces))
    assert len(plane.observe()) == 500
    assert memory_bytes(loaded) <= 256 << 20


def random_rules(random: Random, group_id: str, count: int) -> list[SecurityGroupRule]:
    return [
        SecurityGroupRule(
            rule_id=f"sgr-{group_id}-{number}",
            group_id=group_id,
            is_egress=number % 2 == 1,
            traffic=parse_service(f"tcp/{random.randint(1, 65535)}"),
            peer=IPv4Network((random.getrandbits(32) >> 8 << 8, 24)),
        )
        for number in range(count)
    ]
