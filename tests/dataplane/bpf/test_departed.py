"""Which entries of the kernel's table a change of the network takes."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import numpy as np
import pytest

from secgroup.conntrack.flow import Flow, FlowKey
from secgroup.conntrack.state import State
from secgroup.conntrack.timeout import Timeouts
from secgroup.dataplane.bpf.departed import departed, departures, orphaned
from secgroup.dataplane.bpf.layout import ENTRY, NAMES, STRUCTS
from secgroup.engine.tables import halves
from secgroup.lessons.scene import scene
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from tests.support.traces import gone

BEFORE = scene(
    groups={"g": []},
    interfaces={
        "web-0": "10.0.1.10 10.0.1.11 2001:db8:1:1::10 g",
        "web-1": "10.0.2.10 g",
        "db-0": "10.0.2.20 g",
    },
)
NAMED = [(NAMES["INTERFACE"], each) for each in BEFORE.interfaces]
NAMED += [(NAMES["OWNER"], each) for each in ("i-web", "i-db", "web-0", "web-1", "db-0")]
NUMBERS = {name: number for number, name in enumerate(NAMED, start=1)}


def flows() -> list[Flow]:
    """Entries of every address, and one that another interface of the instance made."""
    ends = [
        (each.owner, each.interface_id, address)
        for each in BEFORE.interfaces.values()
        for address in each.addresses
    ]
    ends.append(("i-web", "web-1", IPv4Address("10.0.1.10")))
    ends.append(("i-web", "web-0", IPv4Address("10.0.1.213")))
    return [
        Flow(
            key=FlowKey(
                owner=owner,
                protocol=17,
                inside=inside,
                inside_port=53,
                outside=inside,
                outside_port=number,
            ),
            opener=Direction.INGRESS,
            state=State.UDP_1_0,
            created_ms=0,
            last_ms=0,
            timeouts=Timeouts(),
            interface_id=interface_id,
        )
        for number, (owner, interface_id, inside) in enumerate(ends)
    ]


def rows(found: list[Flow]) -> tuple[np.ndarray, np.ndarray]:
    keys, entries = np.zeros(len(found), STRUCTS["key"]), np.zeros(len(found), ENTRY)
    for place, flow in enumerate(found):
        owner = NUMBERS[NAMES["OWNER"], flow.key.owner]
        keys[place]["owner_protocol"] = owner | (flow.key.inside.version == 6) << 23
        keys[place]["inside_hi"], keys[place]["inside_lo"] = halves(flow.key.inside)
        entries[place]["interface"] = NUMBERS[NAMES["INTERFACE"], flow.interface_id]
    return keys, entries


def with_interface(name: str, **changes: object) -> Network:
    made = replace(BEFORE.interfaces[name], **changes)  # type: ignore[arg-type]
    return replace(BEFORE, interfaces={**BEFORE.interfaces, name: made})


def without(name: str) -> Network:
    left = {key: each for key, each in BEFORE.interfaces.items() if key != name}
    return replace(BEFORE, interfaces=left)


FEWER: NetworkInterface = BEFORE.interfaces["web-0"]
CHANGES = {
    "nothing": BEFORE,
    "deleted": without("web-0"),
    "other deleted": without("db-0"),
    "detached": with_interface("web-1", instance_id=None),
    "attached elsewhere": with_interface("web-0", instance_id="i-db"),
    "to an owner without a number": with_interface("web-0", instance_id="i-new"),
    "secondary address taken": with_interface("web-0", ipv4=FEWER.ipv4[:1]),
    "IPv6 address taken": with_interface("web-0", ipv6=()),
    "address moved on": with_interface("web-0", ipv4=FEWER.ipv4[1:]),
    "prefix given": with_interface("web-0", prefixes=(IPv4Network("10.0.1.208/28"),)),
    "check off": with_interface("web-0", source_dest_check=False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_same_entries_go_as_by_the_definition(name: str) -> None:
    found, after = flows(), CHANGES[name]
    goes = departed(
        list(departures(BEFORE, after)), *rows(found), lambda *named: NUMBERS.get(named)
    )
    takes = gone(BEFORE, after)
    assert goes.tolist() == [takes(each) for each in found]


#: A change -> the numbers of the entries that nobody can have made afterwards.
ORPHANS = {
    "nothing": [6],
    "deleted": [0, 1, 2, 6],
    "other deleted": [4, 6],
    "detached": [3, 5, 6],
    "attached elsewhere": [0, 1, 2, 6],
    "secondary address taken": [1, 6],
    "IPv6 address taken": [2, 6],
    "prefix given": [],
    "check off": [],
}


@pytest.mark.parametrize("name", ORPHANS)
def test_an_agent_that_starts_finds_what_nobody_can_have_made(name: str) -> None:
    """Entry 5 is of an address of another interface, and came through one without the check."""
    network = CHANGES[name]
    loose = replace(network.interfaces["web-1"], source_dest_check=False)
    network = replace(network, interfaces={**network.interfaces, "web-1": loose})
    names = {number: name for (_, name), number in NUMBERS.items()}
    goes = orphaned([Network(), network], *rows(flows()), names.get, names.get)
    assert np.flatnonzero(goes).tolist() == ORPHANS[name]


def test_prefix_that_is_taken_takes_its_entries() -> None:
    wide = with_interface("web-0", prefixes=(IPv4Network("10.0.1.208/28"),))
    found = flows()
    goes = departed(list(departures(wide, BEFORE)), *rows(found), lambda *named: NUMBERS.get(named))
    assert goes.tolist() == [gone(wide, BEFORE)(each) for each in found]
    assert sum(goes) == 1


def test_change_that_takes_nothing_reads_no_table() -> None:
    assert list(departures(BEFORE, replace(BEFORE))) == []
    assert list(departures(BEFORE, with_interface("web-0", source_dest_check=False))) == []
