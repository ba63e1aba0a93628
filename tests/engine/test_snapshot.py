"""What an engine remembers, to a file and back: the same network, another revision, bad files."""

import json
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from ipaddress import IPv4Address
from random import Random

import numpy as np
import pytest

from secgroup.engine.batch import Batch, Sighting, batch_of
from secgroup.engine.engine import Engine
from secgroup.engine.layout import FIRST_CLASSES, FIRST_WORDS
from secgroup.errors import InputError
from secgroup.model.interface import PrivateIpv4
from secgroup.model.network import Network
from tests.engine.judge import KEY, records_in
from tests.support.traces import Arrival, Trace, make_trace
from tests.support.traces.networks import edited


def arrivals_of(trace: Trace) -> list[Arrival]:
    """Those at interfaces that the first network has."""
    found = [each for each in trace.events if isinstance(each, Arrival)]
    return [each for each in found if each.interface_id in trace.network.interfaces]


def batch(engine: Engine, some: list[Arrival]) -> Batch:
    return batch_of(
        Sighting(
            each.packet, engine.interface_number(each.interface_id), each.direction, each.time_ms
        )
        for each in some
        if each.interface_id in engine.network.interfaces
    )


def engine_of(trace: Trace, network: Network | None = None) -> Engine:
    return Engine(network or trace.network, trace.switches, key=KEY, room=1 << 12)


def snapshot(engine: Engine) -> bytes:
    file = BytesIO()
    engine.snapshot(file)
    return file.getvalue()


@pytest.mark.parametrize("seed", [3, 11])
def test_restored_engine_goes_on_as_the_other_would(seed):
    trace = make_trace(seed, 1200)
    known = arrivals_of(trace)
    half = len(known) // 2
    engine, other = engine_of(trace), engine_of(trace)
    engine.decide(batch(engine, known[:half]))
    restored = other.restore(BytesIO(snapshot(engine)))
    assert restored.entries == len(engine) > 0
    assert restored.gone == 0
    assert records_in(engine, 1000) == records_in(other, 1000)
    one, two = (each.decide(batch(each, known[half:])) for each in (engine, other))
    for row in range(len(one)):
        assert one.decision(row) == two.decision(row)
    assert records_in(engine, 1000) == records_in(other, 1000)
    assert (engine.now_ms, engine.weights()) == (other.now_ms, other.weights())


def revised(random: Random, network: Network) -> Network:
    """Some changes, with an interface that goes and one that has another address or owner."""
    for _ in range(random.randrange(4)):
        network = edited(random, network)
    interfaces = dict(network.interfaces)
    del interfaces[random.choice(sorted(interfaces))]
    old = interfaces[random.choice(sorted(interfaces))]
    spare = PrivateIpv4(address=IPv4Address("10.0.1.77"))
    new = random.choice(
        (replace(old, ipv4=(spare,), prefixes=()), replace(old, instance_id="i-other"), old)
    )
    return replace(network, interfaces={**interfaces, old.interface_id: new})


def flows_of(engine: Engine) -> list[str]:
    """All flows but for the rules that admitted them: those are of the revision in force."""
    found = sorted(engine.connections(), key=lambda each: repr(each.key))
    return [repr(replace(each, rule_ids=())) for each in found]


@pytest.mark.parametrize("seed", [0, *range(2, 12)])
def test_restored_in_another_revision_is_as_if_the_network_had_changed(seed):
    random, trace = Random(seed), make_trace(seed, 600)
    known = arrivals_of(trace)
    half = len(known) // 2
    engine, after = engine_of(trace), revised(random, trace.network)
    engine.decide(batch(engine, known[:half]))
    octets, before = snapshot(engine), len(engine)
    assert before > 0
    engine.change(after)
    other = engine_of(trace, after)
    restored = other.restore(BytesIO(octets))
    assert restored.entries == len(engine) == len(other)
    assert restored.gone >= before - len(engine)
    assert flows_of(engine) == flows_of(other)
    one, two = (each.decide(batch(each, known[half:])) for each in (engine, other))
    for title in ("accepted", "reason", "acl_rule_number", "state_before", "state_after", "logged"):
        assert np.array_equal(getattr(one.columns, title), getattr(two.columns, title)), title
    assert flows_of(engine) == flows_of(other)
    assert engine.weights() == other.weights()


def test_restored_after_a_change_goes_on_as_the_other_would():
    trace = make_trace(3, 1200)
    known = arrivals_of(trace)
    half = len(known) // 2
    engine, other = engine_of(trace), engine_of(trace)
    engine.decide(batch(engine, known[:half]))
    other.change(replace(trace.network, groups={}))
    other.change(trace.network)
    other.restore(BytesIO(snapshot(engine)))
    for each in (engine, other):
        each.decide(batch(each, known[half:]))
    assert flows_of(engine) == flows_of(other)
    assert engine.weights() == other.weights()


def test_what_the_rules_were_is_known_only_while_they_are_the_same():
    """A first fragment's answer stays; which rules gave it is forgotten when they are others."""
    trace = make_trace(5, 1500)
    known, engine = arrivals_of(trace), engine_of(trace)
    for each in known:
        asked = engine.decide(batch(engine, [each])).columns.address_class[0] >= 0
        if asked and each.packet.fragment is not None and len(engine._firsts):
            break
    octets = snapshot(engine)
    same, bare = engine_of(trace), engine_of(trace, replace(trace.network, groups={}))
    assert same.restore(BytesIO(octets)).fragments == bare.restore(BytesIO(octets)).fragments > 0
    classes = [
        each._firsts.columns()["words"].reshape(-1, FIRST_WORDS)[:, FIRST_CLASSES]
        for each in (engine, same, bare)
    ]
    assert (classes[0] != -1).any()
    assert np.array_equal(classes[0], classes[1])
    assert (classes[2] == -1).all()


@pytest.fixture(scope="module")
def whole() -> tuple[Trace, bytes]:
    trace = make_trace(7, 300)
    engine = engine_of(trace)
    engine.decide(batch(engine, arrivals_of(trace)))
    return trace, snapshot(engine)


def refused(trace: Trace, octets: bytes) -> str:
    """The problem of a file; nothing is remembered of it, and the engine can still be used."""
    engine = engine_of(trace)
    with pytest.raises(InputError) as caught:
        engine.restore(BytesIO(octets))
    assert len(engine) == 0
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200
    return str(caught.value)


def test_file_that_is_cut_anywhere_is_refused(whole):
    trace, octets = whole
    random = Random(1)
    for size in [*range(70), *random.sample(range(70, len(octets)), 60), len(octets) - 1]:
        assert "snapshot" in refused(trace, octets[:size])


def test_file_with_any_bit_turned_is_refused(whole):
    trace, octets = whole
    random = Random(2)
    for at in [*range(80), *(random.randrange(len(octets)) for _ in range(120))]:
        turned = bytearray(octets)
        turned[at] ^= 1 << random.randrange(8)
        assert "snapshot" in refused(trace, bytes(turned))


def test_file_with_something_behind_it_or_of_something_else_is_refused(whole):
    trace, octets = whole
    assert "damaged" in refused(trace, octets + b"x")
    for other in (b"what", b"\x1f\x8b" + octets, octets.replace(b"flows 2", b"flows 3", 1)):
        assert "this is no snapshot of flows" in refused(trace, other)


def made_by_somebody_else(octets: bytes, **head: object) -> bytes:
    """The same file with other values in its head, and digests that are right."""
    line = len(b"secgroup flows 2\n")
    size = int.from_bytes(octets[line : line + 8], "little")
    begin = line + 8 + 32
    other = json.dumps(json.loads(octets[begin : begin + size]) | head).encode()
    parts = octets[:line], len(other).to_bytes(8, "little"), sha256(other).digest(), other
    whole = b"".join(parts) + octets[begin + size : -32]
    return whole + sha256(whole).digest()


@pytest.mark.parametrize(
    "head",
    [
        {"clock": []},
        {"clock": [1 << 70, 0, 1]},
        {"clock": [-1, 0, 1]},
        {"clock": ["1", 0, 1]},
        {"owners": [1] * 1000},
        {"timeouts": [[1, 2]] * 100},
        {"timeouts": [[1, 2, 1 << 40]] * 100},
        {"timeouts": [[1, 2, None]] * 100},
        {"interfaces": [["eni-1", None]] * 100},
        {"interfaces": [["eni-1", None, ["nowhere"]]] * 100},
        {"interfaces": [[["eni-1"], None, None]] * 100},
        {"records": -1},
        {"records": 1 << 60},
        {"laws": [None]},
        {"laws": 7},
    ],
)
def test_file_that_somebody_else_made_is_refused(whole, head):
    trace, octets = whole
    assert "snapshot" in refused(trace, made_by_somebody_else(octets, **head))
