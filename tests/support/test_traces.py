from dataclasses import replace

import pytest

from secgroup.net.packet import Packet
from secgroup.net.wire import build, parse
from tests.support.traces import Arrival, coverage_of, make_trace
from tests.support.traces.coverage import IMPOSSIBLE, required

TRACES, EACH = 16, 2500


def test_traces_cover_every_reason_cell_and_timeout():
    coverage = coverage_of(make_trace(seed, EACH) for seed in range(TRACES))
    assert coverage.missing() == [], coverage.report()
    assert coverage.contradictions() == []
    assert coverage.packets == TRACES * EACH


def test_what_cannot_be_has_a_reason_and_is_not_required():
    assert all(IMPOSSIBLE.values())
    assert not required() & set(IMPOSSIBLE)


@pytest.mark.parametrize("seed", [0, 7])
def test_same_seed_same_trace(seed):
    assert make_trace(seed, 300) == make_trace(seed, 300)
    assert make_trace(seed, 300) != make_trace(seed + 1, 300)
    assert sum(isinstance(each, Arrival) for each in make_trace(seed, 300).events) == 300


def test_every_packet_can_be_written_on_the_wire():
    for seed in range(8):
        for event in make_trace(seed, 400).events:
            if isinstance(event, Arrival) and isinstance(event.packet, Packet):
                packet = event.packet
                assert parse(build(packet)) == packet, replace(packet)
