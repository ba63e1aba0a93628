"""What outlives its process: restarts, programs that take over, upgrades of the layout, losses."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from secgroup.conntrack.state import State
from secgroup.dataplane.bpf import layout, libbpf, maps
from secgroup.dataplane.bpf.layout import ENTRY, NAME, STRUCTS
from secgroup.dataplane.bpf.pins import Pins, is_bpffs
from secgroup.dataplane.bpf.upgrade import Earlier
from secgroup.engine.layout import RECORD, WEIGHT_TWO
from secgroup.errors import DataPlaneError
from secgroup.net.direction import Direction
from tests.support.bpf import SMALL, answering, numbered, pin_root
from tests.support.netns import Namespaces

pytestmark = pytest.mark.needs("bpf")
KEY = STRUCTS["key"]


@pytest.fixture
def root():
    with pin_root() as root:
        yield root


def program_ids(pins):
    return [pins.loaded.maps.programs.get(direction) for direction in Direction]


def loaded_ids(pins):
    return [
        libbpf.program_info(pins.loaded.object.program_fd(str(direction))).id
        for direction in Direction
    ]


def connections(count, **values):
    """Return keys, and entries of living connections of owner 3."""
    keys, entries = numbered(count, KEY), np.zeros(count, ENTRY)
    keys["owner_protocol"] = 3
    entries["state"], entries["timeouts"] = State.ESTABLISHED, 2
    entries["created_s"] = np.arange(count)
    for name, value in values.items():
        entries[name] = value
    return keys, entries


def table(found):
    """Return the entries of a map by their keys, as bytes."""
    return dict(zip(*(map(bytes, each) for each in found.items()), strict=True))


# Restarts


def test_restart_finds_maps_words_and_connections(root):
    pins = Pins(root, sizes=SMALL)
    assert pins.is_new
    assert pins.take_over()
    pins.loaded.maps.words[3] = 9
    pins.loaded.maps.connections.update(*connections(100))
    before = table(pins.loaded.maps.connections)
    pins.close()

    # Other sizes are asked for: what is pinned keeps its own.
    with_memory = Pins(root, sizes={**SMALL, "connections": 2048})
    assert not with_memory.is_new
    assert int(with_memory.loaded.maps.words[3]) == 9
    assert table(with_memory.loaded.maps.connections) == before
    assert with_memory.loaded.sizes["connections"] == SMALL["connections"]
    with_memory.close()


def test_the_old_program_decides_until_the_new_one_takes_over(root):
    first = Pins(root, sizes=SMALL)
    assert program_ids(first) == [None, None]
    first.take_over()
    old = loaded_ids(first)
    assert program_ids(first) == old
    first.close()

    second = Pins(root, sizes=SMALL)
    assert program_ids(second) == old
    second.take_over()
    assert program_ids(second) == loaded_ids(second) != old
    # Nobody has the old ones any more, once the sweeper's work is the new one's.
    second.close()


def test_one_process_has_a_root_at_a_time(root):
    pins = Pins(root, sizes=SMALL)
    with pytest.raises(DataPlaneError, match=f"{root}: another process has it"):
        Pins(root, sizes=SMALL)
    pins.close()
    Pins(root, sizes=SMALL).close()


def test_what_was_left_half_made_is_made_anew(root):
    root.mkdir()
    (root / "preparing").mkdir()
    with libbpf.create_map("words", libbpf.ARRAY, 4, 8, 2, libbpf.MMAPABLE) as stray:
        libbpf.pin(stray.fileno(), root / "preparing" / "words")
    pins = Pins(root, sizes=SMALL)
    assert pins.is_new
    assert pins.loaded.sizes["words"] == 4096
    assert not (root / "preparing").exists()
    pins.close()


def test_a_failure_to_load_leaves_what_was_in_force(root, monkeypatch):
    pins = Pins(root, sizes=SMALL)
    pins.take_over()
    in_force = program_ids(pins)
    pins.close()
    monkeypatch.setattr(libbpf.Object, "load", _refuse)
    with pytest.raises(DataPlaneError, match="refused"):
        Pins(root, sizes=SMALL)
    monkeypatch.undo()
    pins = Pins(root, sizes=SMALL)
    assert program_ids(pins) == in_force
    pins.close()


def _refuse(self):
    raise libbpf.VerifierError("secgroup", "refused", "")


_HOLDER = """
import sys
from pathlib import Path
from secgroup.dataplane.bpf.pins import Pins
from tests.support.bpf import SMALL
pins = Pins(Path(sys.argv[1]), sizes=SMALL)
pins.hooks.attach(7, "guest", Path(sys.argv[2]))
pins.loaded.maps.words[7] = 1 << 32 | 1
pins.take_over()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.needs("netns")
def test_a_killed_process_leaves_its_stubs_programs_and_words(root):
    with Namespaces() as namespaces:
        host, guest = namespaces.add("host"), namespaces.add("guest")
        namespaces.link(host, "10.0.0.1/24", guest, "10.0.0.2/24")
        host.ip("link set guest down")
        netns = Path(f"/proc/{host.pid}/ns/net")
        holder = subprocess.Popen(
            [sys.executable, "-c", _HOLDER, root, netns],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        with holder:
            assert holder.stdout.readline() == b"ready\n"
            os.kill(holder.pid, signal.SIGKILL)
        pins = Pins(root)
        assert not pins.is_new
        assert None not in program_ids(pins)
        assert [(each.interface, each.device) for each in pins.hooks.attached()] == [(7, "guest")]
        assert pins.lost([7]) == ()
        pins.remove()
    assert not root.exists()


# Losses


def test_losses_are_named_and_what_we_hold_is_restored(root):
    pins = Pins(root, sizes=SMALL)
    pins.take_over()
    assert pins.lost([]) == ()
    (root / "programs").unlink()
    (root / f"layout-{layout.LAYOUT_VERSION}" / "hosts").unlink()
    pins.loaded.maps.programs.remove(1)
    pins.loaded.maps.words[5] = 7 << 32
    assert [str(each) for each in pins.lost([5])] == [
        "program egress",
        "map hosts",
        "map programs",
        "interface 5: word",
        "interface 5: link",
    ]
    pins.restore()
    assert [str(each) for each in pins.lost([5])] == ["interface 5: word", "interface 5: link"]
    pins.loaded.maps.words[3] = 9
    pins.close()
    again = Pins(root)
    assert int(again.loaded.maps.words[3]) == 9
    again.close()


def test_a_root_that_somebody_removed_is_restored(root):
    pins = Pins(root, sizes=SMALL)
    pins.take_over()
    shutil.rmtree(root)
    assert len(pins.lost([])) == len(pins.loaded.sizes)
    pins.restore()
    assert pins.lost([]) == ()
    pins.close()


# Where pins are


def test_a_root_that_is_no_bpffs_is_refused(tmp_path):
    with pytest.raises(DataPlaneError, match="is not in a bpffs: choose one under /sys/fs/bpf"):
        Pins(tmp_path / "secgroup", sizes=SMALL)
    assert not (tmp_path / "secgroup").exists()


_MOUNTS = """
from pathlib import Path
from secgroup.dataplane.bpf.pins import BPFFS, Pins, is_bpffs
from tests.support.bpf import SMALL
assert not is_bpffs(BPFFS)
pins = Pins(BPFFS / "secgroup-test", sizes=SMALL)
assert is_bpffs(BPFFS)
assert (BPFFS / "secgroup-test" / "programs").exists()
print("mounted")
"""


def test_bpffs_is_mounted_where_none_is():
    done = subprocess.run(
        [
            *("unshare", "--mount", "--propagation=private", "sh", "-c"),
            'while umount /sys/fs/bpf 2>/dev/null; do :; done; exec "$@"',
            *("sh", sys.executable, "-c", _MOUNTS),
        ],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (done.stdout, done.stderr) == ("mounted\n", "")


def test_paths_are_told_from_their_mount():
    assert is_bpffs(Path("/sys/fs/bpf/anything/below"))
    assert not is_bpffs(Path("/sys/fs"))
    assert not is_bpffs(Path("/"))


# Upgrades

#: Layout 0, as it never was: entries without a tally, and the key back to front.
KEY0 = np.dtype([("owner_protocol", "<u4"), ("rest", "u1", (36,))])
ENTRY0 = np.dtype([(name, RECORD[name]) for name in RECORD.names[7:]])


def convert(keys, entries):
    found, remembered = np.zeros(len(keys), KEY), np.zeros(len(entries), ENTRY)
    found["owner_protocol"] = keys["owner_protocol"]
    found.view("u1").reshape(len(keys), 40)[:, :36] = keys["rest"]
    for name in ENTRY0.names:
        remembered[name] = entries[name]
    return found, remembered


def before(keys, entries):
    """Return connections as layout 0 has them."""
    found, remembered = np.zeros(len(keys), KEY0), np.zeros(len(entries), ENTRY0)
    found["owner_protocol"] = keys["owner_protocol"]
    found["rest"] = keys.view("u1").reshape(len(keys), 40)[:, :36]
    for name in ENTRY0.names:
        remembered[name] = entries[name]
    return found, remembered


EARLIER = {0: Earlier(key=KEY0, entry=ENTRY0, convert=convert)}


class Layout0:
    """A plane of layout 0 that is in force: its program lets everything pass."""

    def __init__(self, root):
        folder = root / "layout-0"
        folder.mkdir(parents=True)
        self.connections = self._map(folder, "connections", KEY0, ENTRY0)
        self.names = self._map(folder, "names", NAME, np.dtype(f"S{layout.NAME_BYTES}"))
        with libbpf.create_map("timeouts", libbpf.ARRAY, 4, 256, 8, libbpf.MMAPABLE) as made:
            libbpf.pin(made.fileno(), folder / "timeouts")
            maps.array(made.fileno(), np.dtype(("<u4", (64,))))[2] = 5000
        with (
            libbpf.create_map("programs", libbpf.PROG_ARRAY, 4, 4, 2) as made,
            answering(-1, "old") as program,
        ):
            libbpf.pin(made.fileno(), root / "programs")
            programs = maps.Programs(made.fileno())
            for direction in Direction:
                programs.put(direction, program.fileno())
            self.program_id = programs.get(0)
            self.keep = libbpf.pinned(root / "programs")

    def _map(self, folder, name, key, value):
        made = libbpf.create_map(name, libbpf.HASH, key.itemsize, value.itemsize, 1024)
        libbpf.pin(made.fileno(), folder / name)
        found = maps.Hash(made.fileno(), key, value)
        found.descriptor = made
        return found


def test_unknown_layout_is_refused_and_its_program_stays(root):
    old = Layout0(root)
    with pytest.raises(DataPlaneError, match="layout-0: is of layout 0, which this version"):
        Pins(root, sizes=SMALL)
    assert maps.Programs(old.keep.fileno()).get(0) == old.program_id
    assert not (root / f"layout-{layout.LAYOUT_VERSION}").exists()


def test_upgrade_copies_what_is_remembered_while_the_old_program_decides(root):
    old = Layout0(root)
    keys, entries = connections(500, last_ms=10_000)
    entries["flags"][:50] = WEIGHT_TWO
    entries["state"][400:] = 0  # ended: nothing to keep
    old.connections.update(*before(keys, entries))
    old.names.put((1, 77), b"sgr-77")

    pins = Pins(root, sizes=SMALL, earlier=EARLIER)
    assert pins.is_new
    assert program_ids(pins) == [old.program_id] * 2
    found = table(pins.loaded.maps.connections)
    assert found == dict(zip(map(bytes, keys[:400]), map(bytes, entries[:400]), strict=True))
    assert int(pins.loaded.maps.owners[3]["weight"]) == 400 + 50
    assert pins.loaded.maps.names.get((1, 77)) == b"sgr-77"
    assert pins.loaded.maps.timeouts[2].tolist() == [5000] * 64

    # Meanwhile: one more, one that goes on, one that ends; the new plane saw one later itself.
    more, later = connections(502, last_ms=12_000)
    later["state"][5] = 0
    later["flags"][:50] = WEIGHT_TWO
    changed = [500, 4, 5, 6]
    old.connections.update(*before(more[changed], later[changed]))
    seen = later[6:7].copy()
    seen["last_ms"] = 13_000
    pins.loaded.maps.connections.update(more[6:7], seen)

    pins.take_over()
    assert program_ids(pins) == loaded_ids(pins)
    merged = table(pins.loaded.maps.connections)
    assert merged == found | {
        bytes(more[500]): bytes(later[500]),
        bytes(more[4]): bytes(later[4]),
        bytes(more[5]): bytes(later[5]),
        bytes(more[6]): bytes(seen[0]),
    }
    # One more, and number 5, which was heavy, is none now.
    assert int(pins.loaded.maps.owners[3]["weight"]) == 450 + 1 - 2
    assert not (root / "layout-0").exists()
    pins.close()
    assert not Pins(root).is_new


@pytest.mark.parametrize("count", [0, 3])
def test_upgrade_of_few_connections_at_the_beginning_of_time(root, count):
    old = Layout0(root)
    keys, entries = connections(count, last_ms=5)
    old.connections.update(*before(keys, entries))
    pins = Pins(root, sizes=SMALL, earlier=EARLIER)
    pins.take_over()
    assert table(pins.loaded.maps.connections) == dict(
        zip(map(bytes, keys), map(bytes, entries), strict=True)
    )
    pins.close()


def test_upgrade_that_was_broken_off_before_the_switch_begins_anew(root):
    old = Layout0(root)
    keys, entries = connections(100, last_ms=10_000)
    old.connections.update(*before(keys, entries))
    pins = Pins(root, sizes=SMALL, earlier=EARLIER)
    # Weights were not counted to the end, and an entry has ended in the meantime.
    pins.loaded.maps.owners["weight"] = 3
    pins.close()
    old.connections.delete(before(keys, entries)[0][:10])

    pins = Pins(root, sizes=SMALL, earlier=EARLIER)
    assert program_ids(pins) == [old.program_id] * 2
    pins.take_over()
    assert table(pins.loaded.maps.connections) == dict(
        zip(map(bytes, keys[10:]), map(bytes, entries[10:]), strict=True)
    )
    assert int(pins.loaded.maps.owners[3]["weight"]) == 90
    pins.close()


def test_upgrade_that_was_broken_off_after_the_switch_is_gone_on_with(root, monkeypatch):
    old = Layout0(root)
    keys, entries = connections(100, last_ms=10_000)
    old.connections.update(*before(keys, entries))
    pins = Pins(root, sizes=SMALL, earlier=EARLIER)
    monkeypatch.setattr("secgroup.dataplane.bpf.pins.grace", _break_off)
    with pytest.raises(KeyboardInterrupt):
        pins.take_over()
    monkeypatch.undo()
    in_force = program_ids(pins)
    assert in_force == loaded_ids(pins)
    # The new program has made one and seen one; the old one's last packet was of another.
    seen, later = connections(101, last_ms=11_000)
    pins.loaded.maps.connections.update(seen[[0, 100]], later[[0, 100]])
    pins.loaded.maps.owners["weight"][3] += 1
    pins.loaded.maps.timeouts[3] = 7000
    pins.close()
    old.connections.update(*before(keys[1:2], later[1:2]))

    pins = Pins(root, sizes=SMALL, earlier=EARLIER)
    assert program_ids(pins) == in_force
    pins.take_over()
    expected = [*later[:2], *entries[2:], later[100]]
    assert table(pins.loaded.maps.connections) == dict(
        zip(map(bytes, seen), map(bytes, expected), strict=True)
    )
    assert int(pins.loaded.maps.owners[3]["weight"]) == 101
    assert pins.loaded.maps.timeouts[3].tolist() == [7000] * 64
    pins.close()


def _break_off():
    raise KeyboardInterrupt


def test_upgrade_into_too_small_a_table_is_refused_and_the_old_program_stays(root):
    old = Layout0(root)
    old.connections.update(*before(*connections(500)))
    with pytest.raises(DataPlaneError, match="map connections: full, it has room for 100"):
        Pins(root, sizes={**SMALL, "connections": 100}, earlier=EARLIER)
    assert maps.Programs(old.keep.fileno()).get(1) == old.program_id
    assert (root / "layout-0" / "connections").exists()
