"""Connections that somebody ends, and events that are told only while somebody follows."""

from collections.abc import Iterator

import numpy as np
import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from secgroup.dataplane.bpf.connections import KEY
from secgroup.dataplane.bpf.layout import END
from secgroup.dataplane.bpf.libbpf import Rows, run_syscall
from secgroup.decision import Reason
from secgroup.net.direction import Direction
from tests.dataplane.bpf.world import FAR, INTERFACE, MAC, OTHER_MAC, OWN, SSH, World, opened

pytestmark = pytest.mark.needs("root")

START_MS = 1_000_000


@pytest.fixture
def world() -> Iterator[World]:
    with opened() as made:
        yield made


def syn(port: int) -> bytes:
    packet = IP(src=str(FAR), dst=str(OWN)) / TCP(sport=port, dport=SSH)
    return bytes(Ether(src=OTHER_MAC, dst=MAC) / packet)


def ended(world: World, key: Rows) -> int:
    asked = np.zeros(1, END)
    asked["key"] = np.atleast_1d(key).view("u1")
    run_syscall(world.loaded.object.program_fd("end"), asked)
    return int(asked["ended"][0])


def test_connection_that_is_ended_is_forgotten_and_its_owner_has_room(world: World) -> None:
    for port in (5, 6):
        world.send(Direction.INGRESS, syn(port))
    keys, _ = world.maps.connections.items()
    (chosen,) = keys[keys["outside_port"] == 5]
    assert ended(world, chosen) == 1
    assert world.maps.owners[1]["weight"] == 1
    states = {
        int(key["outside_port"]): int(entry["state"])
        for key, entry in zip(*world.maps.connections.items(), strict=True)
    }
    assert states == {5: 0, 6: 1}
    # A second time there is nothing to end, and nothing to count.
    assert ended(world, chosen) == 0
    assert world.maps.owners[1]["weight"] == 1
    assert world.send(Direction.INGRESS, syn(5))["answer"]["reason"] == Reason.NEW
    assert world.maps.owners[1]["weight"] == 2


def test_what_is_not_there_or_has_expired_is_not_ended(world: World) -> None:
    assert ended(world, np.zeros(1, KEY)) == 0
    world.send(Direction.INGRESS, syn(5))
    (key,), _ = world.maps.connections.items()
    world.at_ms(START_MS + 120_000)
    world.send(Direction.INGRESS, syn(6))
    assert ended(world, key) == 0
    assert world.maps.owners[1]["weight"] == 2


def test_events_are_told_until_the_time_that_somebody_follows(world: World) -> None:
    world.maps.control["followed_until_ms"] = START_MS + 10
    world.loaded.run(Direction.INGRESS, INTERFACE, syn(5))
    world.at_ms(START_MS + 10)
    world.loaded.run(Direction.INGRESS, INTERFACE, syn(5))
    assert world.maps.events.read()["time_ms"].tolist() == [START_MS]
    assert world.counted("unheard").tolist() == [0, 0]


def test_whoever_follows_refusals_is_told_of_nothing_else(world: World) -> None:
    world.maps.control["rejected_only"] = 1
    world.loaded.run(Direction.INGRESS, INTERFACE, syn(5))
    other = IP(src=str(FAR), dst=str(OWN)) / TCP(sport=5, dport=SSH + 1)
    world.loaded.run(Direction.INGRESS, INTERFACE, bytes(Ether(src=OTHER_MAC, dst=MAC) / other))
    reasons = world.maps.events.read()["answer"]["reason"].tolist()
    assert reasons == [Reason.NO_MATCHING_RULE]
