"""What the plane of a lab has counted and remembers, read beside it from its pins."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from secgroup.conntrack.state import State
from secgroup.dataplane.bpf.clock import kernel_ms
from secgroup.dataplane.bpf.connections import Connection
from secgroup.dataplane.bpf.layout import NAMES
from secgroup.dataplane.bpf.loaded import Maps
from secgroup.dataplane.bpf.pinned import Pinned, numbers_of, opened, pinned
from secgroup.decision import Reason
from secgroup.lab.names import pins_of
from secgroup.net.direction import Direction
from tests.support.labs import LONG_S, Lab

_ROW: Final = 0xFFFFFFFF


class Seen:
    """What a plane has seen, by the ids of interfaces."""

    def __init__(self, plane: Pinned) -> None:
        self._plane = plane

    @property
    def maps(self) -> Maps:
        """The plane's own."""
        return self._plane.maps

    def number(self, interface_id: str) -> int:
        """Return the number of an interface."""
        return numbers_of(self.maps, NAMES["INTERFACE"])[interface_id]

    def counted(self, interface_id: str, what: str) -> Any:
        """Return a counter of an interface, of all CPUs together."""
        found = self.maps.counters.get(np.uint32(self.number(interface_id)))
        assert found is not None
        return found[what].sum(axis=0)

    def reasons(self, interface_id: str, direction: Direction) -> Counter[Reason]:
        """Return how many packets were decided for which reason."""
        counts = self.counted(interface_id, "reasons")[direction].tolist()
        known = {int(each): each for each in Reason}
        return Counter({known[at]: count for at, count in enumerate(counts) if count})

    def connections(self, interface_id: str) -> list[Connection]:
        """Return the living connections that an interface has made."""
        number = self.number(interface_id)
        found = self._plane.connections(kernel_ms())
        return [each for each in found if each.interface == number]

    def set_timeout(self, interface_id: str, state: State, timeout_ms: int) -> None:
        """Let connections of an interface's set of timeouts expire after another time."""
        policy = self.maps.policies[int(self.maps.words[self.number(interface_id)]) & _ROW]
        self.maps.timeouts[int(policy["timeouts"]), int(state)] = timeout_ms


@contextmanager
def seen_by(lab: Lab) -> Iterator[Seen]:
    """Look into the plane of a lab for the length of a block."""
    root = pins_of(lab.name)
    with opened(root) as descriptors:
        yield Seen(pinned(root, descriptors))


def until(is_so: Callable[[], Any], *, timeout_s: float = LONG_S) -> None:
    """Wait until something is so; it is so in the end, or the test fails."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.01)
