"""Entries of the kernel's table, read: which are alive, what they say, which are chosen."""

from ipaddress import ip_address, ip_network

import numpy as np
import pytest

from secgroup.conntrack.state import State
from secgroup.conntrack.timeout import Timeouts
from secgroup.dataplane.bpf.connections import Connection, Connections, Selection
from secgroup.dataplane.bpf.layout import TAKEN
from secgroup.engine.layout import OPENED_EGRESS, STATES
from secgroup.net.direction import Direction
from tests.dataplane.bpf.entries import ECHO, entry, key, table

TIMEOUTS = np.zeros((2, STATES), "<u4")
for _state in State:
    TIMEOUTS[0, _state] = Timeouts().of_ms(_state)
TIMEOUTS[1] = TIMEOUTS[0] // 2
NOW_MS = 10_000_000


def read(*pairs: object) -> Connections:
    return Connections(*table(*pairs), TIMEOUTS, NOW_MS)  # type: ignore[arg-type]


def test_everything_that_an_entry_says() -> None:
    found = read(
        (
            key("10.0.0.5", "203.0.113.9", owner=7),
            entry(
                last_ms=NOW_MS - 2500,
                created_s=NOW_MS // 1000 - 60,
                interface=3,
                admission=9,
                flags=OPENED_EGRESS,
                packets=(5, 6),
                octets=(500, 6000),
            ),
        )
    )
    assert list(found) == [
        Connection(
            owner=7,
            interface=3,
            protocol=6,
            direction=Direction.EGRESS,
            inside=ip_address("10.0.0.5"),
            inside_port=443,
            outside=ip_address("203.0.113.9"),
            outside_port=40000,
            query=None,
            state=State.ESTABLISHED,
            age_s=60,
            idle_ms=2500,
            left_ms=432_000_000 - 2500,
            packets=(6, 5),
            octets=(6000, 500),
            admission=9,
        )
    ]


def test_query_of_icmp_has_its_identifier_and_its_type() -> None:
    name = key("2001:db8::5", "2001:db8::9", inside_port=77, outside_port=0xFFFF - 77, place=ECHO)
    (found,) = read((name, entry(state=State.ICMP_REPLIED, last_ms=NOW_MS)))
    assert (found.protocol, found.query) == (58, 8)
    assert found.inside_port == found.outside_port == 77
    assert found.outside == ip_address("2001:db8::9")
    assert found.packets == (1, 0)


@pytest.mark.parametrize(
    ("memory", "alive"),
    [
        (entry(state=State.SYN_SENT, last_ms=NOW_MS - 119_999), True),
        (entry(state=State.SYN_SENT, last_ms=NOW_MS - 120_000), False),
        (entry(state=State.SYN_SENT, last_ms=NOW_MS - 60_000, timeouts=1), False),
        (entry(state=0, last_ms=NOW_MS), False),
        (entry(state=TAKEN, last_ms=NOW_MS), False),
        # Another processor's clock was a little ahead.
        (entry(state=State.SYN_SENT, last_ms=NOW_MS + 10), True),
    ],
)
def test_entry_is_alive_until_its_timeout(memory: object, alive: bool) -> None:
    found = read((key("10.0.0.5", "10.0.0.9"), memory))
    assert (len(found), found.over) == (int(alive), int(not alive))


def test_times_wrap_around() -> None:
    names = table((key("10.0.0.5", "10.0.0.9"), entry(last_ms=-1000, state=State.SYN_SENT)))
    (found,) = Connections(*names, TIMEOUTS, (1 << 32) + 500)
    assert found.idle_ms == 1500


def test_the_oldest_come_first_and_only_so_many() -> None:
    pairs = [
        (key("10.0.0.5", f"10.0.1.{age}"), entry(created_s=100 - age, last_ms=NOW_MS))
        for age in range(9)
    ]
    found = read(*pairs)
    assert [str(each.outside) for each in found.first(2)] == ["10.0.1.8", "10.0.1.7"]
    assert len(found.first(100)) == 9


MANY = (
    (key("10.0.0.5", "203.0.113.9"), entry(last_ms=NOW_MS, interface=1)),
    (
        key("10.0.0.6", "203.0.113.200", place=17),
        entry(last_ms=NOW_MS, interface=2, state=State.UDP_STREAM),
    ),
    (key("2001:db8::5", "2001:db8:1::9"), entry(last_ms=NOW_MS, interface=3)),
    (
        key("2001:db8::5", "2001:db8:2::9", place=ECHO),
        entry(last_ms=NOW_MS, interface=3, state=State.ICMP_UNREPLIED),
    ),
    # Seen as a number it is an IPv4 address.
    (key("::ffff:a00:5", "::ffff:cb00:7109"), entry(last_ms=NOW_MS, interface=4)),
)


@pytest.mark.parametrize(
    ("selection", "places"),
    [
        (Selection(), {0, 1, 2, 3, 4}),
        (Selection(interfaces=(1, 3)), {0, 2, 3}),
        (Selection(interfaces=()), set()),
        (Selection(peers=(ip_network("203.0.113.0/25"),)), {0}),
        (Selection(peers=(ip_network("0.0.0.0/0"),)), {0, 1}),
        (Selection(peers=(ip_network("::/0"),)), {2, 3, 4}),
        (Selection(peers=(ip_network("2001:db8:1::/48"), ip_network("203.0.113.200/32"))), {1, 2}),
        (Selection(peers=(ip_network("2001:db8:2::9/128"),)), {3}),
        (Selection(states=(State.ESTABLISHED,)), {0, 2, 4}),
        (Selection(protocols=(58, 17)), {1, 3}),
        (Selection(interfaces=(3,), protocols=(6,)), {2}),
    ],
)
def test_what_a_selection_means(selection: Selection, places: set[int]) -> None:
    found = read(*MANY).chosen(selection)
    everything = list(read(*MANY))
    assert {everything.index(each) for each in found} == places


def test_how_many_are_in_each_state() -> None:
    assert read(*MANY).states() == {
        State.ESTABLISHED: 3,
        State.UDP_STREAM: 1,
        State.ICMP_UNREPLIED: 1,
    }


def test_table_may_be_empty() -> None:
    found = read()
    assert (len(found), found.over, found.states()) == (0, 0, {})
    assert list(found.chosen(Selection(protocols=(6,)))) == []
