"""The table of flows against a dictionary, and under fire."""

from random import Random

import numpy as np
import pytest

from secgroup.conntrack.state import State
from secgroup.conntrack.timeout import Timeouts
from secgroup.engine.flows import FlowStore, secret_of
from secgroup.engine.kernels.track import find, hash_of, home_of
from secgroup.engine.layout import BITS, FRONTIER, RECORD, WEIGHT_TWO
from secgroup.errors import InputError
from tests.support.naive import naive_hash

pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered")
STATES = [int(state) for state in State]


def store(room: int = 1 << 14, key: bytes = b"tests") -> FlowStore:
    made = FlowStore(key, room=room)
    made.set_timeouts([Timeouts(), Timeouts(tcp_established=350, udp=60, udp_stream=61)])
    made.set_owners([None] * 5)
    return made


def records(numbers, *, now_ms: int = 0, random: Random | None = None) -> np.ndarray:
    random = random or Random(0)
    made = np.zeros(len(numbers), dtype=RECORD)
    for row, number in enumerate(numbers):
        record = made[row]
        record["inside_lo"] = 0xFFFF0A000001 + number % 3
        record["outside_lo"] = 0xFFFF64000000 + number
        record["outside_port"] = number & 0xFFFF
        record["owner_protocol"] = number % 5 | 6 << 24
        record["last_ms"] = now_ms & 0xFFFFFFFF
        record["state"] = random.choice(STATES)
        record["timeouts"] = random.randrange(2)
        record["flags"] = random.choice((0, WEIGHT_TWO))
    return made


def number_of(table: FlowStore, record) -> int:
    words = np.atleast_1d(record).view(np.uint64)
    flows = table.flows
    tag = hash_of(flows.secret, *words[:5])
    home = home_of(int(flows.control[BITS]), int(flows.control[FRONTIER]), tag)
    return int(find(flows.index, flows.words, home, tag, *words[:5]))


def test_hash_is_the_one_of_its_docstring():
    random = Random(1)
    for key in (b"", b"a", b"another"):
        secret = secret_of(key)
        for _ in range(50):
            words = [random.choice((0, 2**64 - 1, random.getrandbits(64))) for _ in range(5)]
            found = hash_of(secret, *(np.uint64(word) for word in words))
            assert found == naive_hash(secret.tolist(), words)


@pytest.mark.parametrize("seed", range(6))
def test_live_set_is_that_of_a_dictionary(seed):
    random = Random(seed)
    table, model = store(), {}
    timeouts = table.flows.timeouts_ms
    now_ms = random.choice((0, 1_700_000_000_000, (1 << 32) - 40_000))
    table.advance(now_ms)
    following = 0
    for _ in range(60):
        act = random.choice(("add", "add", "remove", "time", "time"))
        if act == "add":
            numbers = range(following, following + random.randrange(300))
            following += len(numbers)
            new = records(numbers, now_ms=now_ms, random=random)
            table.enter(new)
            model |= {number: (new[row], now_ms) for row, number in enumerate(numbers)}
        elif act == "remove" and model:
            gone = random.sample(sorted(model), random.randrange(len(model) // 2 + 1))
            table.remove(np.array([number_of(table, model.pop(each)[0]) for each in gone]))
        elif act == "time":
            leap = random.choice((1, 999, 30_000, 61_000, 86_400_000, 31_536_000_000))
            before, now_ms = now_ms, now_ms + random.randrange(leap)
            table.advance(now_ms)
            if now_ms // 1000 != before // 1000:
                behind = now_ms // 1000 * 1000
                model = {
                    number: (record, last)
                    for number, (record, last) in model.items()
                    if last + timeouts[record["timeouts"] * 64 + record["state"]] > behind
                }
        assert len(table) == len(model)
        for record, _ in model.values():
            entry = number_of(table, record)
            assert entry != 0
            assert table.records[entry] == record
        weights = [0] * 5
        for number, (record, _) in model.items():
            weights[number % 5] += 2 if record["flags"] & WEIGHT_TWO else 1
        assert table.flows.weight.tolist() == weights
        assert len(table.used()) == len(model)


def test_index_is_at_most_half_full_and_a_little():
    table = store(room=1 << 16)
    for first in range(0, 60_000, 1000):
        table.enter(records(range(first, first + 1000)))
        slots = 1 << int(table.flows.control[BITS])
        assert len(table) <= 0.76 * slots
        if len(table) > 5000:
            assert table.size_bytes / len(table) <= 105


def test_more_sets_of_timeouts_than_a_record_can_name_are_refused():
    made = store(room=1 << 10)
    before = made.flows
    made.set_timeouts([Timeouts()] * (1 << 16))
    known = made.flows
    with pytest.raises(InputError, match="65537 sets of idle timeouts"):
        made.set_timeouts([Timeouts()] * ((1 << 16) + 1))
    assert made.flows is known is not before
