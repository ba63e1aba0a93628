"""`BpfPlane` on the kernel's own maps: what is in force is what the network means."""

from collections.abc import Iterator
from random import Random

import pytest

from secgroup.dataplane.bpf.loaded import Loaded
from secgroup.dataplane.bpf.plane import BpfPlane
from secgroup.dataplane.bpf.plans import Attached, render
from secgroup.model.network import Network
from secgroup.policy.resolve import services_of
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
