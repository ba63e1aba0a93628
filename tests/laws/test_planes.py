"""Laws of a plane that keeps its state elsewhere: the kernel's tables."""

from collections.abc import Iterator
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from secgroup.dataplane.bpf.plane import BpfPlane
from secgroup.dataplane.bpf.plans import Attached, render
from secgroup.model.network import Network
from secgroup.policy.resolve import services_of
from tests.laws.test_increment import changed
from tests.laws.test_increment import law as usual
from tests.support.plain_maps import PlainMaps
from tests.support.traces import make_network

law = settings(usual, max_examples=40)


def started(maps: PlainMaps, network: Network, attached: list[str]) -> BpfPlane:
    plane = BpfPlane(maps, services=services_of, wait=lambda: None)
    for each in attached:
        plane.attach(each)
    enforce(plane, network)
    return plane


def enforce(plane: BpfPlane, network: Network) -> None:
    plane.prepare({"here": network})
    plane.commit()


def revisions(seed: int, steps: int) -> Iterator[tuple[Network, BpfPlane, PlainMaps]]:
    """A plane after each of some changes; two thirds of the first interfaces are attached."""
    random, maps = Random(seed), PlainMaps()
    network = make_network(random)
    attached = random.sample(sorted(network.interfaces), 2 * len(network.interfaces) // 3)
    plane = started(maps, network, attached)
    for _ in range(steps):
        network = changed(random, network)
        if random.random() < 0.2:
            plane.prepare({"here": changed(random, network)})
            plane.abandon()
        if random.random() < 0.8:
            enforce(plane, network)
            yield network, plane, maps


@law
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 8))
def test_increment_equals_recompute_of_tables(seed: int, steps: int) -> None:
    """Read back from the maps, after whatever was written in place or beside."""
    for network, plane, _ in revisions(seed, steps):
        attached = [Attached(interface_id=each) for each in plane.attached]
        assert plane.observe() == render(network, attached, services=services_of)
        assert plane.differences() == []


@law
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 8))
def test_second_converge_is_empty(seed: int, steps: int) -> None:
    for network, plane, _ in revisions(seed, steps):
        written = plane.writes
        enforce(plane, network)
        assert plane.writes == written > 0


@law
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 8))
def test_a_restart_touches_nothing(seed: int, steps: int) -> None:
    for network, plane, maps in revisions(seed, steps):
        again = started(maps, network, list(plane.attached))
        assert again.writes == 0
        assert again.attached == plane.attached
        assert again.expected() == plane.expected()
