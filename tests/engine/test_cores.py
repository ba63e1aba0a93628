"""Several cores against the definition, and against one engine: the same, row by row."""

import os
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from secgroup.decision.switches import Switches
from secgroup.engine import cores as engine_cores
from secgroup.engine.batch import Batch
from secgroup.engine.cores import Cores
from secgroup.engine.engine import Engine
from secgroup.engine.placing import AT_NONE, ROWS_FOLLOW
from tests.engine.judge import KEY, all_same
from tests.support.traces import Arrival, Trace, make_trace

IS_INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT") == "1"
TRACES, EACH = (2, 600) if IS_INTERPRETED else (4, 2500)


@pytest.fixture(params=["threads", "here"])
def _few(request, monkeypatch):
    monkeypatch.setattr(engine_cores, "_FEW", 0 if request.param == "threads" else 1 << 30)


def without_allowances(trace: Trace) -> Trace:
    return replace(trace, switches=replace(trace.switches, allowance=None, allowances={}))


@pytest.mark.parametrize("cores", [2, 3])
@pytest.mark.usefixtures("_few")
def test_cores_decide_and_remember_what_the_definition_does(cores):
    with np.errstate(over="ignore"):
        all_same(
            (without_allowances(make_trace(seed, EACH)) for seed in range(3000, 3000 + TRACES)),
            cores=cores,
        )


def test_finite_allowances_are_for_one_engine():
    network = make_trace(3000, 1).network
    for switches in (Switches(allowance=7), Switches(allowances={"i-1": 7})):
        with pytest.raises(ValueError, match="finite"):
            Cores(network, switches, key=KEY, cores=2)


def batches(trace: Trace, engine: Engine):
    """Arrivals in batches, some rows at none, some that follow the row before them."""
    random = Random(trace.seed)
    arrivals = [each for each in trace.events if isinstance(each, Arrival)]
    from secgroup.engine.batch import Sighting, batch_of

    for first in range(0, len(arrivals), 300):
        some = arrivals[first : first + 300]
        sightings, marks = [], []
        for each in some:
            row = engine.interface_number(each.interface_id)
            sighting = Sighting(each.packet, row, each.direction, each.time_ms)
            sightings.append(sighting)
            marks.append(0)
            if random.random() < 0.2:
                sightings.append(sighting)
                marks.append(ROWS_FOLLOW)
        batch = batch_of(sightings)
        nowhere = np.array([random.random() < 0.05 for _ in sightings])
        nowhere[1:] &= np.array(marks[1:]) == 0
        nowhere[:-1] &= np.array(marks[1:]) == 0
        batch.packets.interface[nowhere] = -1
        yield batch, np.where(nowhere, AT_NONE, np.array(marks)).astype(np.uint8)


@pytest.mark.usefixtures("_few")
def test_rows_at_none_and_rows_that_follow_are_one_engines():
    with np.errstate(over="ignore"):
        for seed in range(3100, 3100 + TRACES // 2):
            trace = without_allowances(make_trace(seed, 600))
            one = Engine(trace.network, trace.switches, key=KEY, room=1 << 12)
            two = Cores(trace.network, trace.switches, key=KEY, cores=2, room=1 << 12)
            for batch, marks in batches(trace, one):
                expected, found = one.decide(batch, marks), two.decide(batch, marks)
                for name in expected.columns._fields:
                    if name not in ("entry", "first"):
                        assert (
                            getattr(found.columns, name) == getattr(expected.columns, name)
                        ).all(), name
                for row in range(len(batch)):
                    assert found.first_fragment(row) == expected.first_fragment(row)
                    assert found.rule_ids(row) == expected.rule_ids(row)
                assert (found.columns.entry >= 0).tolist() == (expected.columns.entry >= 0).tolist()
            assert (one.records() == two.records()).all()
            assert one.stepped_back == two.stepped_back


def test_wrong_rows_are_refused_and_change_nothing():
    trace = without_allowances(make_trace(3000, 200))
    two = Cores(trace.network, trace.switches, key=KEY, cores=2, room=1 << 12)
    batch, _ = next(batches(trace, Engine(trace.network, key=KEY, room=1 << 12)))
    batch.packets.interface[-1] = 10_000
    with pytest.raises(ValueError, match="10000"):
        two.decide(Batch(packets=batch.packets, quotes=batch.quotes))
    assert len(two) == 0
