"""What the sweeper removes, when, and what it leaves behind."""

import time
from collections.abc import Iterator
from typing import Final

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from secgroup.conntrack.state import State
from secgroup.dataplane.bpf.layout import MARKED
from secgroup.decision import Reason
from secgroup.net.direction import Direction
from tests.dataplane.bpf.world import FAR, MAC, OTHER_MAC, OWN, SSH, START_MS, World, opened

pytestmark = pytest.mark.needs("root", "bpf")

SYN_SENT_MS: Final = 120_000


@pytest.fixture
def world() -> Iterator[World]:
    with opened() as made:
        yield made


def _syn(port: int) -> bytes:
    packet = IP(src=str(FAR), dst=str(OWN)) / TCP(sport=port, dport=SSH)
    return bytes(Ether(src=OTHER_MAC, dst=MAC) / packet)


def _open(world: World, *ports: int) -> None:
    for port in ports:
        assert world.send(Direction.INGRESS, _syn(port))["answer"]["reason"] == Reason.NEW


def test_what_lives_stays(world: World) -> None:
    _open(world, 1, 2)
    swept = world.loaded.sweep(START_MS + SYN_SENT_MS - 1, passes=2)[0]
    assert (swept["marked"], swept["removed"], swept["left"]) == (0, 0, 2)


def test_one_pass_marks_and_the_next_one_removes(world: World) -> None:
    _open(world, 1, 2)
    swept = world.loaded.sweep(START_MS + SYN_SENT_MS)[0]
    assert (swept["marked"], swept["removed"]) == (2, 0)
    assert world.maps.owners[1]["weight"] == 2
    swept = world.loaded.sweep(START_MS + SYN_SENT_MS + 1000)[0]
    assert (swept["marked"], swept["removed"], swept["left"]) == (0, 2, 0)
    assert world.maps.owners[1]["weight"] == 0
    keys, _ = world.maps.connections.items()
    assert len(keys) == 0


def test_two_passes_at_once_do_both(world: World) -> None:
    _open(world, 1)
    assert world.loaded.sweep(START_MS + SYN_SENT_MS, passes=2)[0]["removed"] == 1


def test_an_opener_takes_the_mark_from_its_old_entry(world: World) -> None:
    _open(world, 1)
    world.loaded.sweep(START_MS + SYN_SENT_MS)
    world.at_ms(START_MS + SYN_SENT_MS + 500)
    _open(world, 1)
    swept = world.loaded.sweep(START_MS + SYN_SENT_MS + 1000)[0]
    assert (swept["removed"], swept["left"]) == (0, 1)
    _, entries = world.maps.connections.items()
    assert not entries["flags"] & MARKED
    assert world.maps.owners[1]["weight"] == 1


def test_a_mark_on_an_entry_that_lives_is_taken_away(world: World) -> None:
    _open(world, 1)
    keys, entries = world.maps.connections.items()
    entries["flags"] |= MARKED
    world.maps.connections.update(keys, entries)
    swept = world.loaded.sweep(START_MS, passes=2)[0]
    assert (swept["removed"], swept["left"]) == (0, 1)
    _, entries = world.maps.connections.items()
    assert not entries["flags"] & MARKED


def test_last_counts_are_told_where_logs_are_kept(world: World) -> None:
    _open(world, 1)
    world.loaded.sweep(START_MS + SYN_SENT_MS, passes=2)
    (told,) = world.maps.ended.read()
    assert told["time_ms"] == START_MS + SYN_SENT_MS
    assert told["entry"]["state"] == State.SYN_SENT
    assert told["entry"]["octets"].tolist() == [40, 0]
    world.change(logs=0)
    _open(world, 2)
    world.loaded.sweep(START_MS + 2 * SYN_SENT_MS, passes=2)
    assert len(world.maps.ended.read()) == 0


def test_the_kernel_sweeps_by_itself() -> None:
    with opened(test_clock=0) as world:
        if not world.loaded.sweeps_itself:
            pytest.skip("no bpf_wq: Linux 6.10")
        world.maps.timeouts[1, State.SYN_SENT] = 100
        _open(world, 1, 2, 3)
        world.loaded.start_sweeper()
        world.loaded.start_sweeper()
        deadline = time.monotonic() + 10
        while len(world.maps.connections.items()[0]) > 0:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert world.maps.owners[1]["weight"] == 0
        assert world.maps.control["sweeps"][0] >= 2
