"""The time by which packets are decided is that of the clock which people and sweepers read."""

import pytest

from secgroup.dataplane.bpf.clock import kernel_ms, tick_constants
from secgroup.net.direction import Direction
from tests.dataplane.bpf.world import opened

pytestmark = pytest.mark.needs("root", "bpf")
#: No kernel's tick is longer.
TICK_MS = 10


@pytest.mark.parametrize("constants", [{}, {"tick_ms": 0}], ids=["ticks", "coarse clock"])
def test_a_packet_comes_at_the_time_of_the_monotonic_clock(constants: dict[str, int]) -> None:
    with opened(test_clock=0, **constants) as world:
        world.maps.control["followed_until_ms"] = kernel_ms() + 600_000
        for _ in range(20):
            before = kernel_ms()
            time_ms = int(
                world.send(Direction.INGRESS, bytes(12) + b"\x08\x00" + bytes(20))["time_ms"]
            )
            assert before - TICK_MS <= time_ms <= kernel_ms()


def test_ticks_are_told_where_they_last_whole_milliseconds() -> None:
    constants = tick_constants()
    assert constants == {} or 1000 % constants["tick_ms"] == 0
