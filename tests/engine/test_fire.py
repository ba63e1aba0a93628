"""The table of flows under fire: crafted keys, full arrays, churn, clocks and allowances."""

import os
from dataclasses import replace
from ipaddress import ip_address

import numpy as np
import pytest

from secgroup.decision import Reason
from secgroup.engine.engine import Engine
from secgroup.engine.flows import secret_of
from secgroup.engine.kernels.track import hash_of
from secgroup.engine.layout import ENTRIES, LAST_RECORD
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet
from secgroup.reference.memory import Memory, Switches
from tests.engine.churn import Churn
from tests.engine.crafted import (
    MIXES,
    collide_under,
    longest_probe,
    records_of_words,
    same_crc,
    same_sum,
    spread,
    tags_of,
)
from tests.engine.judge import KEY, all_same, compare
from tests.engine.test_flows import number_of, store
from tests.support import described
from tests.support.traces import Arrival, Trace, make_trace, steps

IS_INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT") == "1"
compiled = pytest.mark.skipif(IS_INTERPRETED, reason="needs the compiler")
MANY = 1 << 20


@compiled
@pytest.mark.parametrize("craft", ["one key", *MIXES])
def test_crafted_flows_spread_like_random_ones(craft):
    """They collide under a key that is known, or under every seed of a mix that is linear."""
    known = secret_of(b"known")
    words = {
        "one key": lambda: collide_under(known, MANY),
        "sums": lambda: same_sum(MANY),
        "crc": lambda: same_crc(MANY),
    }[craft]()
    made = records_of_words(words)
    assert len(np.unique(words, axis=0)) == MANY
    if craft == "one key":
        assert len(np.unique(tags_of(known, words))) == 1
    else:
        for seed in (0, 1, 0xFFFFFFFF):
            assert len(np.unique(MIXES[craft](words, seed))) == 1
    chance = np.random.default_rng(5)
    others = records_of_words(spread(chance, MANY))
    found = []
    for records in (made, others):
        table = store(room=MANY, key=b"unknown")
        table.enter(records)
        assert len(table) == MANY
        found.append(longest_probe(table))
    assert max(found) <= 32


@compiled
def test_every_load_of_the_index_keeps_searches_short():
    table, chance = store(room=MANY, key=b"any"), np.random.default_rng(6)
    made = records_of_words(spread(chance, 1 << 18))
    for first in range(0, len(made), 4096):
        table.enter(made[first : first + 4096])
        assert longest_probe(table) <= 32


@compiled
def test_flows_that_all_collide_are_found_none_the_less():
    table = store(room=MANY, key=b"known")
    made = records_of_words(collide_under(secret_of(b"known"), 40_000))
    table.enter(made)
    assert longest_probe(table) == 40_000
    some = made[::997]
    table.remove(np.array([number_of(table, record) for record in some]))
    assert [number_of(table, record) for record in some] == [0] * len(some)
    assert all(number_of(table, record) for record in made[1::997])


@pytest.mark.parametrize("count", [300, 2000])
def test_flows_of_the_last_homes_are_found_behind_them(count):
    """They stand in the slots behind the last home, where the index never begins to look."""
    secret = secret_of(b"tests")
    words = spread(np.random.default_rng(7), 1 << 22 if not IS_INTERPRETED else 1 << 18)
    words = words[tags_of(secret, words) >= 0xFFF80000][:count]
    table = store(room=MANY)
    made = records_of_words(words)
    table.enter(made)
    assert len(words) > 20
    assert all(number_of(table, record) for record in made)
    table.remove(np.array([number_of(table, record) for record in made[::2]]))
    found = [number_of(table, record) != 0 for record in made]
    assert found == [row % 2 == 1 for row in range(len(made))]


def test_last_slot_of_the_arrays_is_filled_and_more_room_is_made():
    table = store(room=300)
    made = records_of_words(spread(np.random.default_rng(8), 1000))
    table.enter(made[:300])
    assert int(table.flows.control[ENTRIES]) == int(table.flows.control[LAST_RECORD]) == 300
    table.remove(np.array([number_of(table, made[7])]))
    table.enter(made[300:301])
    assert int(table.flows.control[LAST_RECORD]) == 300
    table.enter(made[301:])
    left = np.delete(np.arange(1000), 7)
    assert len(table) == 999
    assert all(number_of(table, made[row]) for row in left)
    assert number_of(table, made[7]) == 0


@pytest.fixture
def network(tmp_path):
    groups = {"sg-dns": ["in udp/53 0.0.0.0/1", "in udp/53 128.0.0.0/1"]}
    return described.network(tmp_path, groups, {"eni-1": "10.0.1.5 sg-dns"})


def test_churn_of_a_million_leaves_those_that_are_held(network):
    engine = Engine(network, key=KEY, room=1 << 16)
    each, held = (20_000, 5_000) if not IS_INTERPRETED else (20, 10)
    churn = Churn(engine, each=each, held=held)
    churn.run(36)
    churn.check()
    full_bytes = engine.size_bytes
    churn.run(14)
    churn.check()
    assert churn.made == 50 * each
    assert engine.size_bytes == full_bytes


def dns(port: int) -> Packet:
    return Packet(
        source=ip_address("203.0.113.9"),
        destination=ip_address("10.0.1.5"),
        protocol=17,
        length=60,
        source_port=port,
        destination_port=53,
    )


def test_owner_at_its_allowance_waits_for_the_second_that_reaps(network):
    """Expired entries count until they are reaped; one of the same key is replaced at once."""
    times = [(100, 1), (101, 2), (30_200, 3), (30_200, 1), (30_999, 3), (31_000, 3), (31_000, 4)]
    trace = Trace(
        seed=0,
        network=network,
        switches=Switches(allowance=2),
        events=tuple(
            Arrival(
                time_ms=time_ms,
                interface_id="eni-1",
                direction=Direction.INGRESS,
                packet=dns(port),
            )
            for time_ms, port in times
        ),
    )
    full, new = Reason.ALLOWANCE_EXCEEDED, Reason.NEW
    reasons = [decision.reason for _, decision in steps(trace, Memory())]
    assert reasons == [new, new, full, new, full, new, full]
    for largest in (1, 7):
        assert compare(trace, largest=largest) is None


YEAR_MS = 365 * 86_400_000
#: What happens to a clock after every 40 packets, by turns.
LEAPS = {
    "back": (-1, -3_600_000, -YEAR_MS),
    "ahead": (YEAR_MS, 86_400_000, (1 << 32) - 1, 1 << 32, 1 << 33),
    "both": (YEAR_MS, -YEAR_MS, 1, -(1 << 32), 1 << 32, -999),
}


@pytest.mark.parametrize("leaps", LEAPS)
@pytest.mark.parametrize("begin_ms", [0, (1 << 32) - 20_000, 396 * (1 << 32) - 5_000])
def test_clocks_that_wrap_leap_and_go_back_are_judged_alike(leaps, begin_ms):
    trace = make_trace(len(leaps), 300 if IS_INTERPRETED else 1500, hints=False)
    events, shift, number = [], None, 0
    for event in trace.events:
        if isinstance(event, Arrival):
            if shift is None:
                shift = begin_ms - event.time_ms
            number += 1
            if number % 40 == 0:
                shift += LEAPS[leaps][number // 40 % len(LEAPS[leaps])]
            event = replace(event, time_ms=max(0, event.time_ms + shift))
        events.append(event)
    all_same([replace(trace, events=tuple(events))])


@pytest.mark.parametrize("offset", [-2, -1, 0, 1, 2**31 - 1, 2**31, 2**31 + 1])
def test_sequence_numbers_that_wrap_are_judged_alike(offset):
    """Every sequence number of a trace moved so that connections begin about the wrap."""
    trace = make_trace(77, 300 if IS_INTERPRETED else 1500, hints=False)
    seen = next(
        each.packet.tcp.sequence
        for each in trace.events
        if isinstance(each, Arrival) and isinstance(each.packet, Packet) and each.packet.tcp
    )
    all_same([_moved(trace, offset - seen)])


def _moved(trace: Trace, by: int) -> Trace:
    def moved(packet: Packet) -> Packet:
        icmp, tcp = packet.icmp, packet.tcp
        if icmp is not None and icmp.quote is not None:
            packet = replace(packet, icmp=replace(icmp, quote=moved(icmp.quote)))
        if tcp is None:
            return packet
        sequence = (tcp.sequence + by) & 0xFFFFFFFF
        acknowledgement = (tcp.acknowledgement + by) & 0xFFFFFFFF
        numbers = {"sequence": sequence, "acknowledgement": acknowledgement}
        return replace(packet, tcp=replace(tcp, **numbers))

    events = [
        replace(each, packet=moved(each.packet))
        if isinstance(each, Arrival) and isinstance(each.packet, Packet)
        else each
        for each in trace.events
    ]
    return replace(trace, events=tuple(events))


def test_hash_for_all_is_the_kernels():
    secret = secret_of(b"any")
    words = np.random.default_rng(9).integers(0, 2**64, (200, 5), dtype=np.uint64)
    assert tags_of(secret, words).tolist() == [int(hash_of(secret, *row)) for row in words]
