"""One who follows verdicts: who may, for how long programs tell, and what was not read in time."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from secgroup.dataplane.bpf.clock import kernel_ms
from secgroup.dataplane.bpf.follow import LEASE_MS, Follower
from secgroup.decision import Reason
from secgroup.errors import DataPlaneError
from secgroup.net.direction import Direction
from tests.dataplane.bpf.world import FAR, INTERFACE, MAC, OTHER_MAC, OWN, World, opened

pytestmark = pytest.mark.needs("bpf")

REFUSED = bytes(
    Ether(src=OTHER_MAC, dst=MAC) / IP(src=str(FAR), dst=str(OWN)) / UDP(sport=5, dport=6)
)


@pytest.fixture
def world() -> Iterator[World]:
    with opened(test_clock=0) as made:
        made.maps.control["followed_until_ms"] = 0
        yield made


def send(world: World, count: int) -> None:
    for _ in range(count):
        world.loaded.run(Direction.INGRESS, INTERFACE, REFUSED)


def test_only_what_happens_while_somebody_follows_is_heard(world: World, tmp_path: Path) -> None:
    send(world, 3)
    with Follower(tmp_path, world.maps, rejected_only=True) as follower:
        assert 0 < int(world.maps.control["followed_until_ms"][0]) - kernel_ms() <= LEASE_MS
        send(world, 2)
        rows, lost = next(follower.events())
        assert rows["answer"]["reason"].tolist() == [Reason.NO_MATCHING_RULE] * 2
        assert lost == 0
        assert world.maps.control["rejected_only"] == 1
    assert world.maps.control["followed_until_ms"] == 0
    assert world.maps.control["rejected_only"] == 0
    send(world, 3)
    assert len(world.maps.events.read()) == 0


def test_what_was_told_to_the_one_before_is_not_heard(world: World, tmp_path: Path) -> None:
    world.maps.control["followed_until_ms"] = 1 << 62
    send(world, 3)
    with Follower(tmp_path, world.maps, rejected_only=False) as follower:
        send(world, 1)
        rows, _ = next(follower.events())
    assert len(rows) == 1


def test_what_is_not_read_in_time_is_counted(world: World, tmp_path: Path) -> None:
    with Follower(tmp_path, world.maps, rejected_only=False) as follower:
        send(world, 1000)
        rows, lost = next(follower.events())
        assert 0 < lost < 1000
        assert len(rows) + lost == 1000
        send(world, 10)
        rows, lost = next(follower.events())
        assert (len(rows), lost) == (10, 0)


def test_one_follows_at_a_time(world: World, tmp_path: Path) -> None:
    with (
        Follower(tmp_path, world.maps, rejected_only=False),
        pytest.raises(DataPlaneError, match="somebody else follows"),
    ):
        Follower(tmp_path, world.maps, rejected_only=True)
    Follower(tmp_path, world.maps, rejected_only=False).close()


def test_lock_of_a_process_that_ended_is_nobodys(world: World, tmp_path: Path) -> None:
    holding = (
        "import os, sys; from pathlib import Path; from secgroup.dataplane.bpf import follow; "
        "follow._locked(Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", holding, str(tmp_path / "follower")]
    done = subprocess.run(command, check=False, env={**os.environ})
    assert done.returncode == -9
    Follower(tmp_path, world.maps, rejected_only=False).close()
