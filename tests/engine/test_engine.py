"""The engine against the definition: everything that either of them says or remembers."""

import os
from dataclasses import replace
from ipaddress import ip_address

import numpy as np
import pytest

from secgroup.conntrack.state import State
from secgroup.decision import Reason
from secgroup.engine.batch import Sighting, batch_of
from secgroup.engine.engine import Engine
from secgroup.engine.kernels import KERNELS
from secgroup.engine.kernels.decide import decide, seek
from secgroup.engine.kernels.examine import examine
from secgroup.engine.kernels.rules import ask
from secgroup.engine.kernels.screen import name, screen
from secgroup.engine.kernels.step import tell_acts
from secgroup.errors import InputError
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet, Tcp
from secgroup.net.protocol import TcpFlag
from tests.engine.judge import KEY, all_same, compare
from tests.support import described
from tests.support.traces import make_trace

IS_INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT") == "1"


@pytest.mark.parametrize("largest", [1, 20_000])
def test_sizes_of_batches_do_not_matter(largest):
    with np.errstate(over="ignore"):
        assert compare(make_trace(1000, 600), largest=largest) is None


@pytest.mark.skipif(IS_INTERPRETED, reason="needs the compiler")
def test_each_kernel_of_the_engine_is_compiled_once():
    all_same([make_trace(2000, 500)])
    for each in (screen, examine, name, tell_acts, seek, ask, decide):
        assert each in KERNELS
        assert len(each.signatures) == 1


def syn(port: int, sequence: int = 7) -> Packet:
    return Packet(
        source=ip_address("203.0.113.9"),
        destination=ip_address("10.0.1.5"),
        protocol=6,
        length=40,
        source_port=port,
        destination_port=22,
        tcp=Tcp(flags=TcpFlag.SYN, sequence=sequence, acknowledgement=0, payload=0),
    )


@pytest.fixture
def make(tmp_path):
    network = described.network(
        tmp_path, {"sg-web": ["in tcp/22 203.0.113.0/24"]}, {"eni-1": "10.0.1.5 sg-web"}
    )
    return lambda: Engine(network, key=KEY, room=1 << 10)


def arrive(engine: Engine, *packets: Packet, time_ms: int = 1000):
    row = engine.interface_number("eni-1")
    return engine.decide(
        batch_of(Sighting(each, row, Direction.INGRESS, time_ms) for each in packets)
    )


def test_read_only_and_unaligned_columns_are_decided_like_others(make):
    engine, other = make(), make()
    row = engine.interface_number("eni-1")
    batch = batch_of([Sighting(syn(port), row, Direction.INGRESS, 1000) for port in range(9)])
    expected = engine.decide(batch)
    for column in batch.packets:
        column.flags.writeable = False
    raw = np.zeros(8 * 9 + 1, dtype=np.uint8)
    unaligned = raw[1:].view(np.uint64)
    unaligned[:] = batch.packets.source_lo
    found = other.decide(
        type(batch)(packets=batch.packets._replace(source_lo=unaligned), quotes=batch.quotes)
    )
    for one, two in zip(expected.columns, found.columns, strict=True):
        assert (one == two).all()


def test_wrong_columns_are_refused_by_name(make):
    engine = make()
    row = engine.interface_number("eni-1")
    batch = batch_of([Sighting(syn(1), row, Direction.INGRESS, 1000)] * 4)
    for wrong in (
        batch.packets.length.astype(np.int64),
        np.zeros(3, dtype=np.uint32),
        np.zeros(8, dtype=np.uint32)[::2],
    ):
        with pytest.raises(TypeError, match="length is"):
            engine.decide(
                type(batch)(packets=batch.packets._replace(length=wrong), quotes=batch.quotes)
            )
    assert len(engine) == 0


def test_row_of_no_interface_is_refused_and_minus_one_is_not_decided(make):
    engine = make()
    batch = batch_of([Sighting(syn(1), 5, Direction.INGRESS, 1000)])
    with pytest.raises(ValueError, match="interface 5"):
        engine.decide(batch)
    batch.packets.interface[0] = -1
    decisions = engine.decide(batch)
    assert decisions.decision(0) is None
    assert (len(engine), engine.now_ms) == (0, 0)


def test_packet_at_no_interface_does_not_age_the_entry_behind_it(make):
    engine = Engine(make().network, key=KEY, room=1 << 10, keeps_births=True)
    row = engine.interface_number("eni-1")
    some = [Sighting(syn(1), row, Direction.INGRESS, time_ms) for time_ms in (9000, 1000)]
    batch = batch_of(some)
    batch.packets.interface[0] = -1
    engine.decide(batch)
    assert [each.created_ms for each in engine.connections()] == [1000]


def test_network_that_is_refused_changes_nothing(make):
    engine = make()
    arrive(engine, syn(1))
    before = engine.network
    (interface,) = before.interfaces.values()
    endless = replace(interface, tracking=replace(interface.tracking, udp_timeout=1 << 40))
    elsewhere = replace(endless, instance_id="i-other", ipv4=())
    for each in (endless, elsewhere):
        with pytest.raises(InputError, match="too long"):
            engine.change(replace(before, interfaces={each.interface_id: each}))
        assert engine.network is before
        assert len(engine) == 1
    assert arrive(engine, syn(2)).columns.reason.tolist() == [Reason.NEW]


@pytest.mark.parametrize("most", [1, 40])
def test_admissions_are_given_anew_when_they_run_out(most, monkeypatch):
    from secgroup.engine import engine

    monkeypatch.setattr(engine, "_MOST_ADMISSIONS", most)
    all_same(make_trace(seed, 600) for seed in range(4100, 4103))


def test_first_room_is_not_the_last(make):
    engine = make()
    decisions = arrive(engine, *(syn(port) for port in range(1, 6001)))
    assert (decisions.columns.reason == Reason.NEW).all()
    assert len(engine) == 6000
    again = arrive(engine, *(syn(port) for port in range(1, 6001)))
    assert (again.columns.reason == Reason.ESTABLISHED).all()


def test_packet_before_the_clock_is_counted_once_though_there_is_no_room_for_its_flow(make):
    engine = make()
    arrive(engine, syn(60_000), time_ms=5000)
    arrive(engine, *(syn(port) for port in range(1, 6001)), time_ms=4000)
    assert (len(engine), engine.stepped_back) == (6001, 6000)


@pytest.mark.parametrize("port", [22, 23])
def test_rules_are_asked_for_each_of_a_batch_that_no_entry_accepts(make, port):
    """Most of them have the key of an earlier one, which may have made an entry but has not."""
    engine = make()
    refused = replace(syn(1), destination_port=23)
    accepted = replace(syn(1), tcp=Tcp(flags=TcpFlag.ACK, sequence=1, acknowledgement=1, payload=0))
    decisions = arrive(engine, *[refused if port == 23 else accepted] * 3000)
    reason = Reason.NO_MATCHING_RULE if port == 23 else Reason.MIDSTREAM
    assert (decisions.columns.reason == reason).all()
    assert (decisions.columns.address_class >= 0).all()
    assert len(engine) == 0


def test_entries_that_a_batch_finds_expired_are_made_anew(make):
    engine = make()
    arrive(engine, *(syn(port) for port in range(1, 501)))
    row = engine.interface_number("eni-1")
    keep = Sighting(syn(501), row, Direction.INGRESS, 120_900)
    again = [Sighting(syn(port), row, Direction.INGRESS, 121_100) for port in range(1, 501)]
    decisions = engine.decide(batch_of([keep, *again]))
    assert (decisions.columns.reason == Reason.NEW).all()
    assert len(engine) == 501


def test_adopted_entry_is_established_from_where_it_stands(make):
    engine = make()
    entry = int(arrive(engine, syn(1)).columns.entry[0])
    engine.establish(entry, (100, None))
    flow = engine.flow(entry)
    assert (flow.state, flow.next) == (State.ESTABLISHED, (100, None))
    engine.advance(1000 + 432_000_000 - 1)
    assert len(list(engine.connections())) == 1
    engine.advance(1000 + 432_000_000)
    assert len(engine) == 0


def test_removed_entry_is_gone(make):
    engine = make()
    entry = int(arrive(engine, syn(1)).columns.entry[0])
    engine.remove(entry)
    assert (len(engine), engine.weights()) == (0, {})
    assert arrive(engine, syn(1)).columns.reason[0] == Reason.NEW


def test_decisions_as_an_arrow_table_say_what_decision_says(make):
    engine = make()
    decisions = arrive(engine, syn(1), syn(1), syn(2))
    rows = decisions.to_arrow().to_pylist()
    for number, row in enumerate(rows):
        decision = decisions.decision(number)
        assert decision is not None
        assert row["verdict"] == decision.verdict.value
        assert row["reason"] == decision.reason.name
        assert tuple(row["rule_ids"]) == decision.rule_ids
        assert row["interface_id"] == "eni-1"
        assert row["direction"] == "ingress"
        assert row["acl_rule_number"] == decision.acl_rule_number
    assert [row["state_before"] for row in rows] == [None, "SYN_SENT", None]
