"""The plane of the kernel as a subject: the shipped object, a frame a test run, on a set clock.

One object is loaded for all traces and tests of a process; each begins with empty tables.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import numpy as np

from secgroup.conntrack.timeout import Timeouts
from secgroup.dataplane.base import converge
from secgroup.dataplane.bpf.connections import Connections
from secgroup.dataplane.bpf.departed import end_departed
from secgroup.dataplane.bpf.events import Event, Reader
from secgroup.dataplane.bpf.layout import COUNTERS, MARKED, NAMES, TAKEN
from secgroup.dataplane.bpf.libbpf import possible_cpus
from secgroup.dataplane.bpf.loaded import Loaded
from secgroup.dataplane.bpf.plane import BpfPlane
from secgroup.decision import Decision
from secgroup.engine.layout import RECORD
from secgroup.engine.machine import timeouts_row
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from secgroup.net.packet import Malformed, Packet
from secgroup.policy.resolve import services_of
from secgroup.reference.memory import AS_DOCUMENTED, Switches
from tests.conformance.capability import Capability
from tests.conformance.subject import REGION, Line, octets_of
from tests.support.frames import GATEWAY_MAC, ethernet

#: Small, because tables are read and emptied all the time.
SIZES: Final = {"connections": 4096, "names": 16384, "hosts": 8192, "prefixes4": 8192}
SIZES["prefixes6"] = SIZES["prefixes4"]


@cache
def loaded() -> Loaded:
    """The object in the kernel, for this process."""
    return Loaded(variables={"test_clock": 1}, sizes=SIZES)


class Kernel:
    """The object with the tables of one network at a time.

    Parameters
    ----------
    found : Loaded
        Its clock is the test's.

    """

    def __init__(self, found: Loaded) -> None:
        self.loaded, self.maps = found, found.maps
        self.network = Network()
        self._passed: list[bool] = []

    def begin(self, network: Network, switches: Switches) -> None:
        """Forget everything, and put a network in force; every interface is attached."""
        maps = self.maps
        maps.words[:] = 0
        for each in (maps.hosts, maps.prefixes4, maps.prefixes6, maps.names, maps.fragments):
            each.delete(each.items()[0])
        maps.connections.delete(maps.connections.items()[0])
        maps.owners["weight"] = maps.owners["exceeded"] = 0
        maps.untallied.delete(maps.untallied.items()[0])
        maps.events.read()
        maps.ended.read()
        maps.control["latest_ms"] = maps.control["test_now_ms"] = 0
        maps.control["followed_until_ms"] = 1 << 62
        self.switches = switches
        self.plane = self._begun()
        self.numbers: dict[str, int] = {}
        self.macs: dict[str, bytes] = {}
        self._passed = []
        self.network = network
        self.change(network)
        self.reader = Reader(maps, self.plane._rows.names.name)

    def _begun(self) -> BpfPlane:
        """A plane that knows nothing but what stands in the maps."""
        switches = self.switches
        return BpfPlane(self.maps, services=services_of, switches=switches, wait=lambda: None)

    def restart(self) -> None:
        """Have another plane take over, which finds everything as it should be."""
        self.plane = self._begun()
        for interface_id, mac in self.macs.items():
            assert self.plane.attach(interface_id, mac) == self.numbers[interface_id]
        converge(self.plane, {REGION: self.network})
        assert self.plane.writes == 0
        self.reader = Reader(self.maps, self.plane._rows.names.name)

    def _attach(self, network: Network) -> None:
        for interface_id, interface in network.interfaces.items():
            if interface_id not in self.numbers:
                number = len(self.numbers) + 1
                mac = interface.mac or bytes((2, 0, 0, 0, number >> 8, number & 0xFF))
                self.macs[interface_id] = mac
                number = self.numbers[interface_id] = self.plane.attach(interface_id, mac)
                self.maps.counters.put(number, np.zeros(possible_cpus(), COUNTERS))

    def change(self, network: Network) -> None:
        """Put another network in force."""
        self._attach(network)
        converge(self.plane, {REGION: network})
        end_departed(self.loaded, self.network, network, self.plane.meanings.number)
        self.network = network

    def _known(self, kind: int, name: str) -> int:
        (number,) = self.plane._rows.names.numbers(kind, [name])
        return number

    # Packets

    def frame(self, interface_id: str, way: Direction, octets: bytes, family: int) -> bytes:
        """Put a packet into a frame between an interface and its gateway."""
        mac = self.macs[interface_id]
        if way is Direction.EGRESS:
            return ethernet(octets, family, source=mac, destination=GATEWAY_MAC)
        return ethernet(octets, family, source=GATEWAY_MAC, destination=mac)

    def run(self, interface_id: str, way: Direction, frame: bytes, now_ms: int) -> bool:
        """Let a frame arrive; tell whether it passes."""
        self.maps.control["test_now_ms"] = now_ms
        passes = self.loaded.run(way, self.numbers[interface_id], frame)
        self._passed.append(passes)
        return passes

    def told(self) -> list[Event]:
        """Return what has been told since the last time."""
        rows = self.maps.events.read()
        found = [self.reader.read(row) for row in rows]
        if len(found) == len(self._passed):
            for event, passed in zip(found, self._passed, strict=True):
                assert event.decision is None or event.decision.accepted is passed, event
        self._passed = []
        return found

    def sweep(self, now_ms: int) -> None:
        """Remove what has expired at a time: a pass that marks, and one that removes."""
        self.loaded.sweep(now_ms, passes=2)

    # Tables

    def owner(self, name: str) -> int:
        """The number of an owner."""
        return self._known(NAMES["OWNER"], name)

    def rule(self, name: str) -> int:
        """The number of a rule."""
        return self._known(NAMES["RULE"], name)

    def timeouts(self, timeouts: Timeouts) -> int:
        """The number of a set of timeouts."""
        rows = self.maps.timeouts
        return int(np.flatnonzero((rows[:64] == timeouts_row(timeouts)).all(axis=1))[0])

    def weights(self) -> dict[str, int]:
        """What each owner's entries take, owners without any left out."""
        weights = self.maps.owners["weight"][:256]
        return {
            str(self.plane.meanings.owner_id(int(number))): int(weights[number])
            for number in np.flatnonzero(weights)
        }

    def counted(self, interface_id: str) -> dict[str, list[Any]]:
        """What was counted at an interface, on all CPUs together."""
        rows = self.maps.counters.get(self.numbers[interface_id])
        names = ("packets", "octets", "reasons", "unlogged", "unheard", "full", "raced")
        return {name: rows[name].sum(axis=0, dtype=np.int64).tolist() for name in names}

    def exceeded(self) -> dict[str, int]:
        """How many openers were refused for an owner's allowance, owners without any left out."""
        counts = self.maps.owners["exceeded"][:256]
        return {
            str(self.plane.meanings.owner_id(int(number))): int(counts[number])
            for number in np.flatnonzero(counts)
        }

    def records(self) -> list[bytes]:
        """The records of all entries that have not ended, as bytes, sorted."""
        keys, entries = self.maps.connections.items()
        kept = (entries["state"] != 0) & (entries["state"] != TAKEN)
        rows = np.zeros(int(kept.sum()), RECORD)
        for name in keys.dtype.names or ():
            rows[name] = keys[name][kept]
        for name in (RECORD.names or ())[len(keys.dtype.names or ()) :]:
            rows[name] = entries[name][kept]
        rows["flags"] &= ~np.uint8(MARKED)
        octets = rows.tobytes()
        size = RECORD.itemsize
        return sorted(octets[at : at + size] for at in range(0, len(octets), size))


class InKernel:
    """The kernel plane; packets get a frame, and the sweeper comes at whole seconds."""

    closed: Mapping[Capability, str] = {
        Capability.HOP_HINT: "a frame does not say which hop it takes: the peer's address tells"
    }

    def __init__(self, network: Network, switches: Switches = AS_DOCUMENTED) -> None:
        self.kernel = Kernel(loaded())
        self.kernel.begin(network, switches)
        self.second = 0

    def change(self, network: Network) -> None:
        self.kernel.change(network)

    def _advance(self, time_ms: int) -> None:
        if time_ms // 1000 > self.second:
            self.second = time_ms // 1000
            self.kernel.sweep(1000 * self.second)

    def decide(
        self,
        interface_id: str,
        direction: Direction,
        packet: Packet | Malformed,
        time_ms: int,
        *,
        same_subnet: bool | None = None,
    ) -> Decision:
        self._advance(time_ms)
        octets = octets_of(packet)
        family = 6 if octets[0] >> 4 == 6 else 4
        frame = self.kernel.frame(interface_id, direction, octets, family)
        self.kernel.run(interface_id, direction, frame, time_ms)
        (event,) = self.kernel.told()
        assert event.decision is not None
        return event.decision

    def frame(self, interface_id: str, direction: Direction, octets: bytes, time_ms: int) -> bool:
        self._advance(time_ms)
        passes = self.kernel.run(interface_id, direction, octets, time_ms)
        self.kernel.told()
        return passes

    def connections(self, time_ms: int) -> Sequence[Line]:
        self._advance(time_ms)
        maps, meanings = self.kernel.maps, self.kernel.plane.meanings
        found = Connections(*maps.connections.items(), maps.timeouts, time_ms)
        return sorted(
            (
                str(meanings.owner_id(each.owner)),
                str(meanings.interface_id(each.interface)),
                each.protocol,
                str(each.direction),
                str(each.inside),
                each.inside_port,
                str(each.outside),
                each.outside_port,
                each.state.name,
            )
            for each in found
        )

    def in_force(self) -> object:
        return self.kernel.plane.writes, self.kernel.maps.words.tobytes()

    def close(self) -> None:
        pass
