"""The kernel's counts, drained into flow logs: once each, and what is lost is said."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from secgroup.dataplane.bpf.layout import NAMES
from secgroup.dataplane.bpf.meanings import Meanings
from secgroup.dataplane.bpf.names import Names
from secgroup.dataplane.bpf.recording import Recording
from secgroup.decision import Reason, Verdict
from secgroup.flowlog.record import Flow
from secgroup.lessons.scene import scene
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from tests.dataplane.bpf.world import FAR, INTERFACE, MAC, OTHER_MAC, OWN, SSH, World, opened

pytestmark = pytest.mark.needs("bpf")

NETWORK = scene(groups={"web": []}, interfaces={"web": f"{OWN} web"}).revised(region="here")


@dataclass
class Heard:
    """Flow logs of every interface, in memory."""

    flows: list[Flow] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def is_logged(self, region: str, interface: NetworkInterface, /) -> bool:
        return region == "here"

    def count(self, network: Network, interface: NetworkInterface, flow: Flow, /) -> None:
        assert (network, interface.interface_id) == (NETWORK, "web")
        self.flows.append(flow)

    def skip(self, network: Network, interface: NetworkInterface, time_ms: int, /) -> None:
        self.skipped.append(interface.interface_id)

    def packets(self) -> dict[tuple[Verdict, Reason], int]:
        found: dict[tuple[Verdict, Reason], int] = {}
        for each in self.flows:
            key = each.verdict, each.reason
            found[key] = found.get(key, 0) + each.packets
        self.flows.clear()
        return found


@pytest.fixture
def world() -> Iterator[World]:
    with opened(test_clock=0) as made:
        made.maps.names.put(
            np.array((NAMES["INTERFACE"], INTERFACE), made.maps.names.key),
            np.array(b"web", made.maps.names.value),
        )
        yield made


def recording(world: World, heard: Heard) -> Recording:
    def meanings() -> Meanings:
        return Meanings(world.maps, Names(world.maps.names, {}, lambda _: None))  # type: ignore[arg-type]

    made = Recording(world.maps, heard, meanings, heard.told.append)
    drain(made)
    return made


def drain(made: Recording, *, is_logging: bool = True) -> None:
    made.drain({"here": NETWORK}, is_logging=is_logging)


def send(world: World, port: int, count: int = 1, *, source: int = 5, flags: str = "S") -> None:
    packet = IP(src=str(FAR), dst=str(OWN)) / TCP(sport=source, dport=port, flags=flags)
    for _ in range(count):
        frame = bytes(Ether(src=OTHER_MAC, dst=MAC) / packet)
        world.loaded.run(Direction.INGRESS, INTERFACE, frame)


NEW = (Verdict.ACCEPT, Reason.NEW)
ESTABLISHED = (Verdict.ACCEPT, Reason.ESTABLISHED)
REFUSED = (Verdict.REJECT, Reason.NO_MATCHING_RULE)


def test_every_packet_is_recorded_once(world: World) -> None:
    heard = Heard()
    made = recording(world, heard)
    send(world, SSH, 2)
    send(world, 80, 3)
    drain(made)
    assert heard.packets() == {NEW: 2, REFUSED: 3}
    drain(made)
    assert heard.packets() == {}
    send(world, SSH, 4)
    drain(made)
    assert heard.packets() == {ESTABLISHED: 4}


def test_connection_that_is_swept_leaves_its_last_packets(world: World) -> None:
    heard = Heard()
    made = recording(world, heard)
    send(world, SSH, 2)
    drain(made)
    heard.packets()
    send(world, SSH, 3)
    # An exact RST ends it, and the sweeper tells what it had counted.
    send(world, SSH, flags="R")
    keys, entries = world.maps.connections.items()
    entries["state"] = 0
    world.maps.connections.update(keys, entries)
    assert world.loaded.sweep(passes=2)["removed"] == 1
    made.take()
    drain(made)
    assert heard.packets() == {ESTABLISHED: 4}
    assert heard.skipped == []


def test_what_was_counted_before_somebody_logs_is_not_recorded(world: World) -> None:
    heard = Heard()
    send(world, SSH, 5)
    send(world, 80)
    made = recording(world, heard)
    send(world, SSH)
    drain(made)
    assert heard.packets() == {ESTABLISHED: 1}
    drain(made, is_logging=False)
    send(world, SSH, 7)
    send(world, 80, 7)
    drain(made)
    send(world, SSH)
    drain(made)
    assert heard.packets() == {ESTABLISHED: 1}


def test_rows_are_resolved_before_their_sections_mean_something_else(world: World) -> None:
    heard = Heard()
    made = recording(world, heard)
    send(world, 80, 2)
    made.resolve()
    assert len(world.maps.untallied.items()[0]) == 0
    send(world, 80, 1)
    drain(made)
    assert heard.packets() == {REFUSED: 3}


def test_packets_that_find_no_room_are_skipped_with_their_number(world: World) -> None:
    heard = Heard()
    made = recording(world, heard)
    for port in range(1, 1001):
        if port != SSH:
            send(world, port)
    drain(made)
    recorded = heard.packets()[REFUSED]
    assert recorded < 999
    assert made.skipped == 999 - recorded
    assert heard.skipped == ["web"]
    assert heard.told == [f"web: flow logs lack {made.skipped} packets"]
    drain(made)
    assert heard.skipped == ["web"]


def test_connections_that_were_not_heard_of_are_skipped(world: World) -> None:
    heard = Heard()
    made = recording(world, heard)
    for source in range(1, 801):
        send(world, SSH, source=source)
    keys, entries = world.maps.connections.items()
    entries["state"] = 0
    world.maps.connections.update(keys, entries)
    assert world.loaded.sweep(passes=2)["removed"] == 800
    drain(made)
    assert 0 < sum(heard.packets().values()) < 800
    assert heard.skipped == ["web"]
    (told,) = heard.told
    assert "flow logs lack the last packets of" in told
