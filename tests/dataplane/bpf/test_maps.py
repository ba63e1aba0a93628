"""Maps as rows, against the kernel: one entry and many, full ones, and rings."""

import numpy as np
import pytest

from secgroup.dataplane.bpf import layout, libbpf, maps
from secgroup.errors import DataPlaneError
from tests.support.bpf import instructions, numbered

pytestmark = pytest.mark.needs("bpf")
KEY = layout.STRUCTS["key"]
ENTRY = layout.ENTRY


def new(type_, key, value, entries, flags=0):
    return libbpf.create_map("tried", type_, key.itemsize, value.itemsize, entries, flags)


@pytest.fixture
def connections():
    with new(libbpf.HASH, KEY, ENTRY, 5000) as made:
        yield maps.Hash(made.fileno(), KEY, ENTRY)


def test_many_entries_are_written_and_read_back(connections):
    keys, values = numbered(5000, KEY), numbered(5000, ENTRY)[::-1].copy()
    connections.update(keys, values)
    found = dict(zip(*(map(bytes, each) for each in connections.items()), strict=True))
    assert found == dict(zip(map(bytes, keys), map(bytes, values), strict=True))
    assert connections.get(keys[7]).tobytes() == values[7].tobytes()


def test_full_map_takes_no_more_and_says_so(connections):
    with pytest.raises(DataPlaneError, match="map tried: full, it has room for 5000 entries"):
        connections.update(numbered(5001, KEY), numbered(5001, ENTRY))
    assert len(connections.items()[0]) == 5000
    with pytest.raises(DataPlaneError, match="full"):
        connections.put(numbered(6000, KEY)[-1], np.zeros((), ENTRY))


def test_a_value_is_put_as_its_flags_let_it(connections):
    key, (first, second) = numbered(1, KEY)[0], numbered(2, ENTRY)
    assert not connections.put(key, first, libbpf.EXIST)
    assert connections.put(key, first, libbpf.NOEXIST)
    assert not connections.put(key, second, libbpf.NOEXIST)
    assert connections.get(key).tobytes() == first.tobytes()
    assert connections.put(key, second, libbpf.EXIST)
    assert connections.get(key).tobytes() == second.tobytes()
    assert connections.remove(key)
    assert not connections.remove(key)
    assert connections.get(key) is None


def test_absent_keys_do_not_stop_the_deletion_of_others(connections):
    keys = numbered(5000, KEY)
    connections.update(keys[::2], numbered(2500, ENTRY))
    assert connections.delete(keys) == 2500
    assert connections.delete(keys) == 0
    assert len(connections.items()[0]) == 0


def test_entries_go_when_they_are_read_to_delete(connections):
    connections.update(numbered(5000, KEY), numbered(5000, ENTRY))
    assert len(connections.items(delete=True)[0]) == 5000
    assert len(connections.items()[0]) == 0


def test_crowded_bucket_is_read_with_more_room(monkeypatch):
    monkeypatch.setattr(maps, "CHUNK", 1)
    with new(libbpf.HASH, KEY, ENTRY, 300) as made:
        table = maps.Hash(made.fileno(), KEY, ENTRY)
        table.update(numbered(300, KEY), numbered(300, ENTRY))
        assert {each.tobytes() for each in table.items()[0]} == {
            each.tobytes() for each in numbered(300, KEY)
        }


def test_trie_answers_with_the_longest_prefix():
    value = np.dtype("<u4")
    with new(libbpf.LPM_TRIE, layout.PREFIX4, value, 100, libbpf.NO_PREALLOC) as made:
        trie = maps.Hash(made.fileno(), layout.PREFIX4, value)
        trie.put((32 + 8, 3, [10, 0, 0, 0]), 1)
        trie.put((32 + 24, 3, [10, 0, 1, 0]), 2)
        trie.put((32 + 8, 4, [10, 0, 0, 0]), 3)
        assert trie.get((64, 3, [10, 0, 1, 9])) == 2
        assert trie.get((64, 3, [10, 0, 2, 9])) == 1
        assert trie.get((64, 4, [10, 0, 1, 9])) == 3
        assert trie.get((64, 5, [10, 0, 1, 9])) is None
        keys, values = trie.items()
        assert sorted(values.tolist()) == [1, 2, 3]
        assert sorted(keys["length"].tolist()) == [40, 40, 56]
        assert trie.remove((32 + 24, 3, [10, 0, 1, 0]))
        assert trie.get((64, 3, [10, 0, 1, 9])) == 1


def test_per_cpu_values_come_one_for_each_cpu():
    cpus = libbpf.possible_cpus()
    with new(libbpf.PERCPU_HASH, layout.LOG_KEY, layout.LOG, 10) as made:
        table = maps.PerCpu(made.fileno(), layout.LOG_KEY, layout.LOG)
        values = np.zeros(cpus, layout.LOG)
        values["packets"] = np.arange(cpus) + 5
        key = numbered(1, layout.LOG_KEY)[0]
        table.put(key, values)
        assert table.get(key)["packets"].tolist() == values["packets"].tolist()
        keys, drained = table.items(delete=True)
        assert (len(keys), drained.shape) == (1, (1, cpus))
        assert drained[0].tobytes() == values.tobytes()
        assert table.get(key) is None


def test_array_is_the_memory_that_programs_read():
    number = np.dtype("<u4")
    with new(libbpf.ARRAY, number, np.dtype("<u8"), 100, libbpf.MMAPABLE) as made:
        rows = maps.array(made.fileno(), np.dtype("<u8"))
        rows[42] = 0x1122334455667788
        value = np.zeros(1, "<u8")
        assert libbpf.lookup(made.fileno(), np.array([42], number), value)
        assert int(value[0]) == 0x1122334455667788
        libbpf.update(made.fileno(), np.array([43], number), value)
        assert (rows.shape, int(rows[43])) == ((100,), 0x1122334455667788)


def test_array_of_elements_that_are_not_whole_words_has_gaps():
    number, three = np.dtype("<u4"), np.dtype(("<u4", (3,)))
    with new(libbpf.ARRAY, number, three, 10, libbpf.MMAPABLE) as made:
        rows = maps.array(made.fileno(), three)
        rows[:] = np.arange(30).reshape(10, 3)
        value = np.zeros(3, "<u4")
        assert libbpf.lookup(made.fileno(), np.array([9], number), value)
        assert value.tolist() == [27, 28, 29]


def test_programs_are_set_and_taken_away():
    with libbpf.create_map("tried", libbpf.PROG_ARRAY, 4, 4, 2) as made:
        programs = maps.Programs(made.fileno())
        with libbpf.load_program("one", instructions((0xB7, 0, 0, 1), (0x95, 0, 0, 0))) as one:
            assert programs.get(1) is None
            programs.put(1, one.fileno())
            assert programs.get(1) == libbpf.program_info(one.fileno()).id
        assert programs.get(0) is None
        assert programs.remove(1)
        assert programs.get(1) is None


class Writer:
    """Programs that put a record of 16 bytes in a ring: the frame's number, twice."""

    SIZE = 16

    def __init__(self, ring_fd, size=SIZE, *, flags=0):
        discard = 133
        submit = 132
        self.reserve_fd = ring_fd
        self.submits = self._program(ring_fd, size, submit, flags)
        self.discards = self._program(ring_fd, size, discard, flags)

    @staticmethod
    def _program(ring_fd, size, finish, flags):
        reserve = 131
        return libbpf.load_program(
            "writes",
            instructions(
                (0xBF, 0x16, 0, 0),  # r6 = context
                (0x18, 0x11, 0, ring_fd),  # r1 = ring
                (0x00, 0, 0, 0),
                (0xB7, 0x02, 0, size),
                (0xB7, 0x03, 0, 0),
                (0x85, 0, 0, reserve),
                (0x55, 0x00, 2, 0),  # if r0: go on
                (0xB7, 0x00, 0, 1),
                (0x95, 0, 0, 0),
                (0x61, 0x61, 48, 0),  # r1 = cb[0]
                (0x7B, 0x10, 0, 0),
                (0xBF, 0x01, 0, 0),
                (0xB7, 0x02, 0, flags),
                (0x85, 0, 0, finish),
                (0xB7, 0x00, 0, 0),
                (0x95, 0, 0, 0),
            ),
        )


RECORD = np.dtype([("number", "<u8"), ("padding", "<u8")])


def write(program, numbers):
    """Return how many records found no room."""
    run = libbpf.TestRun(program.fileno())
    lost = 0
    for number in numbers:
        run.context["cb"][0, 0] = number
        lost += run.run(bytes(64))
    return lost


def test_ring_gives_records_in_order_and_once_round_and_round():
    with libbpf.create_map("ring", libbpf.RINGBUF, 0, 0, 4096) as made:
        ring, writer = maps.Ring(made.fileno(), RECORD), Writer(made.fileno())
        assert len(ring.read()) == 0
        seen = []
        for first in range(0, 1000, 100):
            assert write(writer.submits, range(first, first + 100)) == 0
            seen += ring.read(most=30)["number"].tolist() + ring.read()["number"].tolist()
        assert seen == list(range(1000))


def test_ring_without_a_reader_loses_what_comes_and_keeps_what_it_has():
    with libbpf.create_map("ring", libbpf.RINGBUF, 0, 0, 4096) as made:
        ring, writer = maps.Ring(made.fileno(), RECORD), Writer(made.fileno())
        lost = write(writer.submits, range(300))
        kept = ring.read()["number"].tolist()
        assert lost > 0
        assert kept == list(range(300 - lost))


def test_ring_leaves_out_what_was_discarded():
    with libbpf.create_map("ring", libbpf.RINGBUF, 0, 0, 4096) as made:
        ring, writer = maps.Ring(made.fileno(), RECORD), Writer(made.fileno())
        for number in range(6):
            write(writer.discards if number % 2 else writer.submits, [number])
        assert ring.read()["number"].tolist() == [0, 2, 4]


def test_ring_of_other_records_is_refused():
    with libbpf.create_map("ring", libbpf.RINGBUF, 0, 0, 4096) as made:
        ring, writer = maps.Ring(made.fileno(), RECORD), Writer(made.fileno(), 24)
        write(writer.submits, range(5))
        with pytest.raises(DataPlaneError, match="ring ring: has records that are not 16 bytes"):
            ring.read()
