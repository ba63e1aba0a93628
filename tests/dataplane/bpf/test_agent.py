"""The agent in this process, before real devices: what it comes before, notices and leaves."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

import numpy as np
import pytest

from secgroup.conntrack.state import State
from secgroup.dataplane.base import Device, converge
from secgroup.dataplane.bpf.agent import ATTACHED, LEFT_BEHIND, WAITING, Agent
from secgroup.dataplane.bpf.clock import kernel_ms
from secgroup.dataplane.bpf.layout import ENTRY, NAMES, STRUCTS
from secgroup.dataplane.bpf.pins import Pins
from secgroup.decision.switches import AS_DOCUMENTED
from secgroup.engine.tables import halves
from secgroup.errors import DataPlaneError
from secgroup.lessons.scene import scene
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from tests.support.bpf import SMALL, pin_root
from tests.support.filtered import until
from tests.support.netns import Namespace, Namespaces

pytestmark = pytest.mark.needs("root", "netns", "bpf")

NETWORK = scene(
    groups={"web": ["in tcp/22 0.0.0.0/0"]},
    interfaces={"web": "10.0.1.10 web", "db": "10.0.1.11 web"},
).revised(region="here")
OTHER = scene(groups={"web": []}, interfaces={"web": "10.0.1.10 web"}).revised(region="here")


@dataclass
class Here:
    """A namespace with devices `one` and `two`, and where an agent pins."""

    host: Namespace
    pins: Pins
    told: list[str] = field(default_factory=list)
    agents: list[Agent] = field(default_factory=list)

    def device(self, name: str) -> Device:
        return Device(name=name, netns=f"/proc/{self.host.pid}/ns/net")

    def agent(self, network: Network = NETWORK, **devices: str) -> Agent:
        made = Agent(
            self.pins,
            {interface: self.device(name) for interface, name in devices.items()},
            switches=AS_DOCUMENTED,
            records=None,
            tell=self.told.append,
        )
        self.agents.append(made)
        converge(made, {"here": network})
        made.start()
        return made

    def connect(self, agent: Agent, interface_id: str, inside: str, port: int) -> None:
        """Let there be a connection of an interface's owner."""
        owner = agent._plane.meanings.number(NAMES["OWNER"], f"i-{interface_id}")
        key, entry = np.zeros(1, STRUCTS["key"]), np.zeros(1, ENTRY)
        key["inside_hi"], key["inside_lo"] = halves(ip_address(inside))
        key["owner_protocol"], key["inside_port"] = owner | 17 << 24, port
        entry["last_ms"] = kernel_ms() & 0xFFFFFFFF
        entry["state"], entry["interface"] = State.UDP_1_0, agent._numbers[interface_id]
        self.pins.loaded.maps.connections.put(key, entry)

    def connected(self) -> list[int]:
        """Return the inside ports of the connections that there are."""
        keys, entries = self.pins.loaded.maps.connections.items()
        return sorted(keys["inside_port"][entries["state"] != 0].tolist())

    def filters(self) -> dict[int, str]:
        return {each.interface: each.device for each in self.pins.hooks.attached()}


@pytest.fixture
def here() -> Iterator[Here]:
    with pin_root() as root, Namespaces() as namespaces:
        host = namespaces.add("host")
        for name in ("one", "two"):
            host.ip(f"link add {name} type veth peer name {name}-peer")
        made = Here(host, Pins(root, sizes=SMALL))
        yield made
        for each in made.agents:
            each.close()


def test_devices_of_the_store_are_come_before(here: Here) -> None:
    agent = here.agent(web="one", db="nowhere")
    assert agent.device_states() == {"web": ATTACHED, "db": WAITING}
    assert list(here.filters().values()) == ["one"]
    (told,) = here.told
    assert told.startswith("db waits for nowhere in /proc/")
    here.host.ip("link add nowhere type veth peer name nowhere-peer")
    until(lambda: agent.device_states()["db"] == ATTACHED)
    assert sorted(here.filters().values()) == ["nowhere", "one"]


def test_device_that_is_prepared_is_filtered_and_left_if_it_is_abandoned(here: Here) -> None:
    agent = here.agent(web="one")
    agent.prepare_devices({"db": here.device("two")})
    assert sorted(here.filters().values()) == ["one", "two"]
    agent.abandon_devices()
    assert list(here.filters().values()) == ["one"]
    agent.prepare_devices({"db": here.device("two"), "web": None})
    assert sorted(here.filters().values()) == ["one", "two"]
    agent.commit_devices()
    assert list(here.filters().values()) == ["two"]
    assert agent.device_states() == {"db": ATTACHED}


def test_connections_go_with_their_interface_and_what_was_left_goes_at_the_start(
    here: Here,
) -> None:
    agent = here.agent(web="one", db="two")
    with agent._lock:
        here.connect(agent, "web", "10.0.1.10", 1)
        here.connect(agent, "db", "10.0.1.11", 2)
        converge(agent, {"here": OTHER})
        assert here.connected() == [1]
        here.connect(agent, "web", "10.0.1.10", 3)
        here.connect(agent, "web", "10.0.1.77", 4)
        here.connect(agent, "db", "10.0.1.11", 5)
    agent.close()
    here.agents.clear()
    here.pins = Pins(here.pins.root)
    assert here.connected() == [1, 3, 4, 5]
    here.agent(OTHER, web="one")
    assert here.connected() == [1, 3]


def test_device_whose_detachment_failed_is_filtered_when_it_is_attached_again(here: Here) -> None:
    agent = here.agent(web="one")
    (number,) = here.filters()
    path = here.pins.root / "links" / f"{Direction.INGRESS}-{number}"
    path.unlink()
    with agent._lock:
        path.mkdir()
        agent.prepare_devices({"web": None})
        with pytest.raises(OSError, match="rectory"):
            agent.commit_devices()
        path.rmdir()
    agent.prepare_devices({"web": here.device("one")})
    agent.commit_devices()
    assert agent.device_states() == {"web": ATTACHED}
    assert here.filters() == {number: "one"}
    agent.prepare_devices({"web": None})
    agent.commit_devices()
    assert here.filters() == {}


def test_mac_of_the_device_is_the_one_that_may_send(here: Here) -> None:
    agent = here.agent(web="one")
    maps = here.pins.loaded.maps
    (number,) = here.filters()

    def mac() -> bytes:
        return bytes(maps.policies[int(maps.words[number]) & 0xFFFFFFFF]["mac"])

    known = mac()
    given = replace(here.device("one"), mac=bytes.fromhex("02005e100001"))
    agent.prepare_devices({"web": given})
    assert mac() == given.mac
    agent.abandon_devices()
    assert mac() == known
    agent.prepare_devices({"web": given})
    agent.commit_devices()
    assert mac() == given.mac


def test_failure_of_a_look_is_told_once_and_the_next_ones_go_on(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = here.agent(web="one")
    monkeypatch.setattr(agent, "_sweeps", True)
    monkeypatch.setattr(here.pins.loaded, "sweep", lambda: [][0])
    until(lambda: here.told)
    monkeypatch.undo()
    maps = here.pins.loaded.maps
    (number,) = here.filters()
    maps.words[number] = 0
    until(lambda: maps.words[number] != 0)
    assert here.told[0] == "IndexError: list index out of range"


def test_device_that_cannot_be_had_leaves_everything_as_it_was(here: Here) -> None:
    agent = here.agent(web="one")
    before = here.pins.loaded.maps.words.tolist()
    with pytest.raises(DataPlaneError, match="nowhere: is not in this network namespace"):
        agent.prepare_devices({"db": here.device("nowhere")})
    with pytest.raises(DataPlaneError, match="is in front of interface"):
        agent.prepare_devices({"db": here.device("one")})
    assert agent.device_states() == {"web": ATTACHED}
    words = here.pins.loaded.maps.words.tolist()
    assert [word & 0xFFFFFFFF for word in words] == [word & 0xFFFFFFFF for word in before]
    # Nobody waits for a lock that was not given back.
    agent.prepare({"here": OTHER})
    agent.commit()


def test_nobody_else_changes_the_plane_between_the_halves_of_a_change(here: Here) -> None:
    agent = here.agent(web="one")
    asked: list[object] = []
    agent.prepare({"here": OTHER})
    thread = threading.Thread(target=lambda: asked.append(agent.device_states()))
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    agent.commit()
    thread.join(10)
    assert asked == [{"web": ATTACHED}]


def test_word_and_program_that_are_gone_come_back(here: Here) -> None:
    agent = here.agent(web="one")
    maps = here.pins.loaded.maps
    (number,) = here.filters()
    maps.words[number] = 0
    until(lambda: maps.words[number] != 0)
    maps.programs.remove(int(Direction.INGRESS))
    until(lambda: maps.programs.get(Direction.INGRESS) is not None)
    until(lambda: agent.losses == 2)
    assert [each.partition(";")[0] for each in here.told] == [
        f"gone: the word of web at {here.device('one')}",
        "gone: program ingress",
    ]
    assert "secgroup_losses_total 2" in agent.page()


def test_interface_without_a_network_has_no_word_and_nothing_is_lost(here: Here) -> None:
    agent = here.agent(db="one")
    (number,) = here.filters()
    agent.prepare({"here": OTHER})
    agent.commit()
    assert int(here.pins.loaded.maps.words[number]) & 0xFFFFFFFF == 0
    agent._look()
    assert (here.told, agent.losses) == ([], 0)


def test_what_another_agent_left_is_closed_and_opened_on_demand(here: Here) -> None:
    first = here.agent(web="one")
    number = next(iter(here.filters()))
    root = here.pins.root
    first.close()
    here.agents.clear()
    here.pins = Pins(root)
    second = here.agent(db="two")
    assert second.device_states() == {"db": ATTACHED, "web": LEFT_BEHIND}
    assert int(here.pins.loaded.maps.words[number]) & 0xFFFFFFFF == 0
    assert here.told == ["web at one is not in the store: it lets nothing through"]
    second.prepare_devices({"web": None})
    second.commit_devices()
    assert list(here.filters().values()) == ["two"]
    assert second.device_states() == {"db": ATTACHED}


def test_what_another_agent_left_may_be_attached_again(here: Here) -> None:
    here.agent(web="one").close()
    here.agents.clear()
    here.pins = Pins(here.pins.root)
    agent = here.agent()
    (number,) = here.filters()
    assert agent.device_states() == {"web": LEFT_BEHIND}
    agent.prepare_devices({"web": here.device("one")})
    agent.commit_devices()
    assert agent.device_states() == {"web": ATTACHED}
    assert here.filters() == {number: "one"}
    assert int(here.pins.loaded.maps.words[number]) & 0xFFFFFFFF != 0


@pytest.mark.parametrize("device", ["one", "two", "nowhere"])
def test_what_another_agent_left_stays_closed_when_its_attachment_fails(
    here: Here, device: str
) -> None:
    here.agent(web="one").close()
    here.agents.clear()
    here.pins = Pins(here.pins.root)
    agent = here.agent()
    (number,) = here.filters()
    if device == "one":
        agent.prepare_devices({"web": here.device("one")})
        agent.abandon_devices()
    else:
        with pytest.raises(DataPlaneError):
            agent.prepare_devices({"web": here.device(device)})
    assert agent.device_states() == {"web": LEFT_BEHIND}
    assert here.filters() == {number: "one"}
    assert int(here.pins.loaded.maps.words[number]) & 0xFFFFFFFF == 0
