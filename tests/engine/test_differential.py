"""A million packets of generated traces: the engine and the definition, and what they covered."""

import os
from pathlib import Path

import numpy as np
import pytest

from secgroup.conntrack.state import State
from secgroup.engine import engine as engine_module
from secgroup.engine import flows as flows_module
from tests.engine.judge import all_same, compare, judged
from tests.engine.minimise import CORPUS, kept, minimised, read
from tests.support.traces import Coverage, Trace, make_trace
from tests.support.traces.text import parsed, spelled

#: Ten parts of 40 traces are a million packets; each part reaches the floor of coverage alone.
PARTS = int(os.environ.get("SECGROUP_PARTS", "10"))
TRACES, EACH = 40, 2500
INTERPRETED = 8
IS_INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT") == "1"
compiled = pytest.mark.skipif(IS_INTERPRETED, reason="needs the compiler")

#: What no engine is told: the hint of a hop.
NOT_TOLD = {"same_subnet given"}


@compiled
@pytest.mark.parametrize("part", range(PARTS))
def test_engine_decides_and_remembers_what_the_definition_does(part):
    coverage = Coverage()
    for seed in range(part * TRACES, (part + 1) * TRACES):
        different = judged(seed, EACH, coverage)
        assert different is None, f"seed {seed}: {different}"
    assert coverage.packets == TRACES * EACH
    assert set(coverage.missing()) <= NOT_TOLD, coverage.report()
    assert coverage.contradictions() == []


@compiled
@pytest.mark.parametrize("cores", [2, 3])
def test_several_cores_decide_and_remember_what_the_definition_does(cores):
    for seed in range(100 * cores, 100 * cores + 2):
        assert judged(seed, 4 * EACH, Coverage(), cores=cores) is None


@pytest.mark.skipif(not IS_INTERPRETED, reason="needs NUMBA_DISABLE_JIT=1")
@pytest.mark.parametrize("seed", range(INTERPRETED))
def test_interpreted_kernels_decide_what_the_definition_does(seed):
    assert judged(seed, EACH, Coverage()) is None


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.trace")), ids=lambda path: path.stem)
@pytest.mark.parametrize("largest", [1, 700])
def test_corpus_is_decided_alike(path, largest):
    all_same([read(path)], largest=largest)


def test_corpus_is_not_empty():
    assert len(list(CORPUS.glob("*.trace"))) >= 4


@pytest.mark.parametrize("seed", [0, 3, 9])
def test_trace_as_text_is_the_same_trace(seed):
    trace = make_trace(seed, 400)
    assert parsed(spelled(trace)) == trace


def plant_transition(monkeypatch: pytest.MonkeyPatch, before: State, after: State) -> None:
    """The engine's machines go to `after` wherever they would have stayed in `before`."""
    machine = engine_module.MACHINE
    wrong = machine.transitions.copy().reshape(-1, 64)
    wrong[:, int(before)][wrong[:, int(before)] == int(before)] = int(after)
    wrong = wrong.reshape(-1)
    wrong.flags.writeable = False
    monkeypatch.setattr(engine_module, "MACHINE", machine._replace(transitions=wrong))


def plant_timeout(monkeypatch: pytest.MonkeyPatch, state: State) -> None:
    """The engine's idle timeout of a state is a millisecond longer."""
    right = flows_module.timeouts_row

    def wrong(timeouts):
        row = right(timeouts)
        row[state] += 1
        return row

    monkeypatch.setattr(flows_module, "timeouts_row", wrong)


def plant_icmp_error(monkeypatch: pytest.MonkeyPatch, family: int, kind: int) -> None:
    """The engine takes one type of ICMP errors for something else."""
    machine = engine_module.MACHINE
    wrong = machine.icmp_errors.copy()
    wrong[256 * (family == 6) + kind] = 0
    wrong.flags.writeable = False
    monkeypatch.setattr(engine_module, "MACHINE", machine._replace(icmp_errors=wrong))


PLANTED = {
    "last-ack-stays": (plant_transition, State.LAST_ACK, State.TIME_WAIT),
    "syn-sent-expires": (plant_timeout, State.SYN_SENT),
    "packet-too-big": (plant_icmp_error, 6, 2),
}


def part(monkeypatch: pytest.MonkeyPatch, name: str) -> Trace:
    """A trace whose two sides part by what is planted, as small as it gets."""
    plant, *arguments = PLANTED[name]
    plant(monkeypatch, *arguments)
    for seed in range(40):
        if judged(seed, 600, Coverage()) is not None:
            trace = make_trace(seed, 600, hints=False)
            if compare(trace) is not None:
                return trace
    raise AssertionError("no trace notices what was planted")


@compiled
@pytest.mark.parametrize("name", PLANTED)
def test_planted_difference_is_found_made_small_and_kept(
    name, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trace = part(monkeypatch, name)
    small, different = minimised(trace, largest=50)
    assert compare(small) is not None
    assert len(small.events) <= 8
    assert len(small.network.interfaces) <= 2
    path = kept(small, different, folder=tmp_path)
    assert read(path) == small
    monkeypatch.undo()
    assert compare(read(path)) is None
    assert np.all(engine_module.MACHINE.transitions >= 0)


@compiled
def test_soak_keeps_what_parts_the_two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tests.soak.__main__ import keep
    from tests.soak.play import play

    plant_timeout(monkeypatch, State.SYN_SENT)
    seed, different, *_ = next(played for played in map(play, range(3, 100, 5)) if played[1])
    assert different is not None
    path = keep(seed, different, tmp_path)
    assert path is not None
    assert compare(read(path)) is not None
    monkeypatch.undo()
    assert compare(read(path)) is None
