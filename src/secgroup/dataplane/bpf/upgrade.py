"""Connections of an earlier layout, taken into the present one while its program still decides.

Owns which layouts can be taken over, and how. It knows neither pins' names nor devices.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from secgroup.dataplane.bpf import libbpf, maps
from secgroup.dataplane.bpf.layout import KEY_BYTES, TAKEN
from secgroup.dataplane.bpf.libbpf import Descriptor, Rows
from secgroup.dataplane.bpf.loaded import Loaded
from secgroup.engine.layout import LOW_HALF, OWNER, WEIGHT_TWO
from secgroup.errors import DataPlaneError
from secgroup.net.direction import Direction

#: Maps that an upgrade takes over as they are: what the numbers in connections mean.
_CARRIED: Final = ("names", "timeouts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A layout of before: its connections, and what they are in the present one.

    Parameters
    ----------
    key, entry : dtype
        Of its `connections`.
    convert : callable
        Keys and entries of it -> keys and entries of the present layout, one for each.

    """

    key: "np.dtype[Any]"
    entry: "np.dtype[Any]"
    convert: Callable[[Rows, Rows], tuple[Rows, Rows]]


#: Layouts that this version can take over from, by number.
EARLIER: Final[Mapping[int, Earlier]] = {}


class Opened:
    """What is pinned in folders, open for the time of a `with` block."""

    def __init__(self, folders: Collection[Path]) -> None:
        self.descriptors: dict[str, Descriptor] = {}
        for folder in folders:
            for path in folder.iterdir() if folder.exists() else ():
                descriptor = None if path.is_dir() else libbpf.pinned(path)
                if descriptor is not None:
                    self.descriptors[path.name] = descriptor

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.descriptors.values():
            each.close()


class Copy:
    """The connections of an earlier layout, copied while its program still decides.

    What that program changes meanwhile, `catch_up` copies: once before the new program decides, and
    once after, when none but packets of a moment can have been missed. An entry that the new
    program has seen later stays as that has it: the worst case is one step of one connection's
    state that is forgotten.
    """

    def __init__(self, folder: Path, earlier: Earlier, loaded: Loaded) -> None:
        self._loaded = loaded
        in_force = self._is_in_force()
        with Opened([folder]) as opened:
            for name in () if in_force else _CARRIED:
                _carry(opened.descriptors.get(name), loaded, name)
            descriptor = opened.descriptors.pop("connections", None)
        if descriptor is None:
            raise DataPlaneError("bpf", f"{folder}/connections", "is gone: nothing to upgrade from")
        self._descriptor = descriptor
        self._earlier = earlier
        self._before = maps.Hash(descriptor.fileno(), earlier.key, earlier.entry)
        #: The latest time of any entry that was copied.
        self._latest_ms = np.uint32(0)
        connections = loaded.maps.connections
        keys, entries = self._read()
        if in_force:
            # An upgrade that was broken off after the switch is gone on with.
            self._merge(keys, entries)
            return
        # One that was broken off before it begins anew.
        connections.items(delete=True)
        loaded.maps.owners["weight"] = 0
        alive = _weights(entries) > 0
        connections.update(keys[alive], entries[alive])
        self._add(keys[alive], _weights(entries[alive]))

    def _is_in_force(self) -> bool:
        """Tell whether packets are decided by the present table already."""
        table = libbpf.map_info(self._loaded.maps.connections.fd).id
        found = self._loaded.maps.programs.get(Direction.INGRESS)
        program = None if found is None else libbpf.program_by_id(found)
        if program is None:
            return False
        with program:
            return table in libbpf.program_info(program.fileno()).map_ids

    def _read(self) -> tuple[Rows, Rows]:
        """Return what the earlier table has, and remember how late it is."""
        keys, entries = self._earlier.convert(*self._before.items())
        if len(entries) > 0:
            # Times go round: the latest is the one with none within half a round ahead of it.
            behind = (entries["last_ms"] - entries["last_ms"][0]).view(np.int32)
            self._latest_ms = entries["last_ms"][int(np.argmax(behind))]
        return keys, entries

    def catch_up(self) -> None:
        """Copy what has changed since; processors' clocks may be a second apart."""
        since = np.uint32((int(self._latest_ms) - 1000) & LOW_HALF)
        keys, entries = self._read()
        recent = (entries["last_ms"] - since).view(np.int32) >= 0
        self._merge(keys[recent], entries[recent])

    def _merge(self, keys: Rows, entries: Rows) -> None:
        """Write entries that are not there, and those that the present table has seen earlier."""
        connections = self._loaded.maps.connections
        there, present = connections.items()
        at = _places(there, keys)
        weights = _weights(entries)
        later = at >= 0
        later[later] = (entries["last_ms"][later] - present["last_ms"][at[later]]).view(
            np.int32
        ) > 0
        connections.update(keys[later], entries[later])
        self._add(keys[later], weights[later] - _weights(present[at[later]]))
        # A packet may make one of these first: it is the new program's then.
        new = [
            row
            for row in np.flatnonzero((at < 0) & (weights > 0))
            if connections.put(keys[row], entries[row], libbpf.NOEXIST)
        ]
        self._add(keys[new], weights[new])

    def _add(self, keys: Rows, changes: Rows) -> None:
        """Add to what owners' entries take, as programs do: whole, while they count too."""
        if len(keys) == 0:
            return
        owners, of = np.unique(keys["owner_protocol"] & OWNER, return_inverse=True)
        with libbpf.load_program("add_weight", _adder(self._loaded)) as program:
            run = libbpf.TestRun(program.fileno())
            for owner, change in zip(owners, np.bincount(of, changes, len(owners)), strict=True):
                run.context["cb"][0, :2] = owner, int(change) % (1 << 32)
                run.run(bytes(64))

    def close(self) -> None:
        """Close the earlier map."""
        self._descriptor.close()


def _places(keys: Rows, asked: Rows) -> Rows:
    """Return where each key that is asked for stands among others, -1 where it does not."""
    if len(keys) == 0:
        return np.full(len(asked), -1)
    hashes = _hashes(keys)
    order = np.argsort(hashes)
    found = np.searchsorted(hashes, _hashes(asked), sorter=order)
    at = order[np.minimum(found, len(keys) - 1)]
    return np.where(keys[at] == asked, at, -1)


def _hashes(keys: Rows) -> Rows:
    words = np.ascontiguousarray(keys).view("<u8").reshape(len(keys), KEY_BYTES // 8)
    mixed = np.zeros(len(keys), "<u8")
    for column in words.T:
        mixed = (mixed ^ column) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _weights(entries: Rows) -> Rows:
    """Return what entries take of their owners' allowance."""
    heavy = (entries["flags"] & WEIGHT_TWO) != 0
    used = (entries["state"] != 0) & (entries["state"] != TAKEN)
    return np.where(used, np.where(heavy, 2, 1), 0)


def _adder(loaded: Loaded) -> Rows:
    """Return instructions that add cb[1], signed, to the weight of owner cb[0]."""
    return np.array(
        [
            (0x61, 0x17, 52, 0),  # r7 = *(u32 *)(r1 + cb[1])
            (0x67, 0x07, 0, 32),  # r7 <<= 32
            (0xC7, 0x07, 0, 32),  # r7 s>>= 32
            (0x61, 0x12, 48, 0),  # r2 = *(u32 *)(r1 + cb[0])
            (0x63, 0x2A, -4, 0),  # *(u32 *)(r10 - 4) = r2
            (0xBF, 0xA2, 0, 0),  # r2 = r10
            (0x07, 0x02, 0, -4),  # r2 += -4
            (0x18, 0x11, 0, loaded.object.map_fd("owners")),  # r1 = owners, in two slots
            (0x00, 0x00, 0, 0),
            (0x85, 0x00, 0, 1),  # r0 = lookup(r1, r2)
            (0x15, 0x00, 1, 0),  # if r0 == 0: skip
            (0xDB, 0x70, 0, 0),  # lock *(u64 *)(r0 + 0) += r7
            (0xB7, 0x00, 0, 0),  # r0 = 0
            (0x95, 0x00, 0, 0),  # exit
        ],
        dtype=libbpf.INSTRUCTION,
    )


def _carry(descriptor: Descriptor | None, loaded: Loaded, name: str) -> None:
    """Copy a map of an earlier layout as it is."""
    if descriptor is None:
        return
    into = getattr(loaded.maps, name)
    if isinstance(into, maps.Hash):
        into.update(*maps.Hash(descriptor.fileno(), into.key, into.value).items())
    else:
        rows = maps.array(descriptor.fileno(), np.dtype((into.dtype, into.shape[1:])))
        into[: len(rows)] = rows[: len(into)]
