"""`Loaded`: the committed object in the kernel, its maps as rows, and test runs of its programs.

Owns which map holds what, and how the object is set up. It knows no policy, no pin and no device.
"""

import errno
import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from secgroup.dataplane.bpf import btf, layout, libbpf, maps
from secgroup.dataplane.bpf.clock import tick_constants
from secgroup.dataplane.bpf.layout import STRUCTS
from secgroup.dataplane.bpf.libbpf import Descriptor, Rows
from secgroup.engine.layout import STATES
from secgroup.errors import DataPlaneError
from secgroup.net.direction import Direction

_Dtype = np.dtype[Any]

#: What a program answers: others may still look at the packet; or it is dropped.
PASS: Final = -1
DROP: Final = 2

#: How often the sweeper is started, and the pause between, where the kernel has no memory at once.
_TRIES: Final = 100
_PAUSE_S: Final = 0.005

_U4: Final = np.dtype("<u4")
_U8: Final = np.dtype("<u8")
#: Arrays: dtype of their elements.
ARRAYS: Final[Mapping[str, _Dtype]] = {
    "words": _U8,
    "policies": layout.POLICY,
    "subnets": layout.SUBNET,
    "exempts": layout.EXEMPT,
    "sections": layout.SECTION,
    "boundaries": _U8,
    "bitmaps": _U8,
    "numbers": np.dtype("<i8"),
    "timeouts": np.dtype(("<u4", (STATES,))),
    "owners": layout.OWNER,
    "control": layout.CONTROL,
}
#: Hashes and tries: dtypes of key and value.
HASHES: Final[Mapping[str, tuple[_Dtype, _Dtype]]] = {
    "hosts": (layout.HOST, _U4),
    "prefixes4": (layout.PREFIX4, _U4),
    "prefixes6": (layout.PREFIX6, _U4),
    "connections": (STRUCTS["key"], layout.ENTRY),
    "fragments": (layout.FRAGMENT_KEY, layout.FIRST),
    "names": (layout.NAME, np.dtype(f"S{layout.NAME_BYTES}")),
}
PER_CPU: Final[Mapping[str, tuple[_Dtype, _Dtype]]] = {
    "untallied": (layout.LOG_KEY, layout.LOG),
    "counters": (_U4, layout.COUNTERS),
}
RINGS: Final[Mapping[str, _Dtype]] = {"ended": layout.ENDED, "events": layout.EVENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Maps:
    """Every map by its name. Arrays are the kernel's own memory: a write is in force at once."""

    words: Rows
    policies: Rows
    subnets: Rows
    exempts: Rows
    sections: Rows
    boundaries: Rows
    bitmaps: Rows
    numbers: Rows
    timeouts: Rows
    owners: Rows
    control: Rows
    hosts: maps.Hash
    prefixes4: maps.Hash
    prefixes6: maps.Hash
    connections: maps.Hash
    fragments: maps.Hash
    names: maps.Hash
    untallied: maps.PerCpu
    counters: maps.PerCpu
    ended: maps.Ring
    events: maps.Ring
    programs: maps.Programs


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """The object of this package, as `make bpf` made it."""

    content: bytes
    digest: str
    sources_digest: str
    clang: str


def committed(folder: Path = Path(__file__).parent) -> Committed:
    """Return the object that came with the package.

    Raises
    ------
    DataPlaneError
        It is not the one that its record speaks of.

    """
    content = (folder / "secgroup.bpf.o").read_bytes()
    record = json.loads((folder / "secgroup.bpf.json").read_text())
    digest = hashlib.sha256(content).hexdigest()
    if digest != record["object"]:
        raise DataPlaneError(
            "bpf", "secgroup.bpf.o", "is not the one of secgroup.bpf.json: install the package anew"
        )
    return Committed(
        content=content, digest=digest, sources_digest=record["sources"], clang=record["clang"]
    )


class Loaded:
    """The object in the kernel; it is gone with `close`, but for what is pinned or attached.

    Parameters
    ----------
    sizes : mapping, optional
        Map -> how many entries it has (bytes of a ring), where not as the source says.
    variables : mapping, optional
        What constants of the program are: `test_clock` (time comes from `control`) ...
    reused : mapping, optional
        Map -> one that exists, to be used in place of a new one.

    Attributes
    ----------
    maps : Maps
    sizes : mapping
        Map -> how many entries it has.
    sweeps_itself : bool
        The kernel has what `start_sweeper` needs.

    Raises
    ------
    DataPlaneError
        Something is missing or does not fit; one line says what, and what to install.

    """

    def __init__(
        self,
        *,
        sizes: Mapping[str, int] | None = None,
        variables: Mapping[str, int] | None = None,
        reused: Mapping[str, Descriptor] | None = None,
        committed_object: Committed | None = None,
    ) -> None:
        found = committed() if committed_object is None else committed_object
        self.digest: Final = found.digest
        self.object: Final = libbpf.Object(found.content, "secgroup")
        types = btf.Btf(self.object.btf())
        btf.check(types)
        constants = {**tick_constants(), **(variables or {})}
        self._set_up(types, constants, sizes or {}, reused or {})
        self.sweeps_itself: Final = libbpf.has_kernel_function("bpf_wq_init")
        self.object.set_autoload("start_sweeper", autoload=self.sweeps_itself)
        self.object.load()
        self.sizes: Final = {
            name: libbpf.map_info(self.object.map_fd(name)).entries for name in self.object.maps()
        }
        self.maps: Final = maps_of(self.object.map_fd)
        self._runs = {
            each: libbpf.TestRun(self.object.program_fd(str(each)), frame_bytes=65536)
            for each in Direction
        }

    def _set_up(
        self,
        types: btf.Btf,
        variables: Mapping[str, int],
        sizes: Mapping[str, int],
        reused: Mapping[str, Descriptor],
    ) -> None:
        where = types.variables(".rodata")
        content = self.object.variables(".rodata")
        for name, value in variables.items():
            if name not in where:
                raise DataPlaneError("bpf", f"constant {name}", "the program has none")
            at = where[name]
            content[at.offset : at.offset + at.bytes] = value.to_bytes(at.bytes, "little")
        if variables:
            self.object.set_variables(".rodata", bytes(content))
        declared = self.object.maps()
        _check_sizes(declared)
        for name in declared:
            if name in reused:
                self.object.reuse(name, reused[name])
            elif name in sizes:
                self.object.set_entries(name, sizes[name])

    def test_run(self, direction: Direction) -> libbpf.TestRun:
        """Return what runs the program of a direction, its context to be set as wanted."""
        return self._runs[direction]

    def run(self, direction: Direction, interface: int, frame: bytes) -> bool:
        """Tell whether the program lets a frame pass at an interface, by a test run.

        Raises
        ------
        DataPlaneError
            The kernel does not run it: a frame shorter than 14 bytes, or too long.

        """
        run = self._runs[direction]
        run.context["cb"][0, 0] = interface
        return run.run(frame) == PASS

    def sweep(self, now_ms: int = 0, *, passes: int = 1) -> Rows:
        """Go over the table of connections; return a row of SWEEP.

        What one pass marks, the next removes: two at once where no packet is on its way; else at
        least a second lies between them.

        Parameters
        ----------
        now_ms : int
            0 is now.

        """
        row = np.zeros(1, layout.SWEEP)
        row["now_ms"], row["passes"] = now_ms, passes
        libbpf.run_syscall(self.object.program_fd("sweep"), row)
        return row

    def end(self, keys: Rows) -> int:
        """End connections as a RST would; return how many of them lived.

        Parameters
        ----------
        keys : rows
            As the map `connections` has them.

        """
        program_fd, ended = self.object.program_fd("end"), 0
        asked = np.zeros(1, layout.END)
        for key in np.ascontiguousarray(keys).view("u1").reshape(len(keys), layout.KEY_BYTES):
            asked["key"] = key
            libbpf.run_syscall(program_fd, asked)
            ended += int(asked["ended"][0])
        return ended

    def start_sweeper(self) -> None:
        """Let the kernel go over the table each second, as long as the map `sweeper` exists.

        Preconditions: `sweeps_itself`.

        Raises
        ------
        DataPlaneError
            It does not.

        """
        program_fd = self.object.program_fd("start_sweeper")
        for _ in range(_TRIES):
            error = libbpf.run_syscall(program_fd, np.zeros(1, layout.SWEEP))
            # The kernel makes timer and work of memory that it may not wait for.
            if abs(error) != errno.ENOMEM:
                break
            time.sleep(_PAUSE_S)
        if error != 0:
            raise DataPlaneError("bpf", "start_sweeper", os.strerror(abs(error)))

    def close(self) -> None:
        """Close every descriptor."""
        self.object.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _check_sizes(found: Mapping[str, libbpf.MapInfo]) -> None:
    """Compare sizes of keys and values with those of `layout`."""
    for each in fields(Maps):
        if each.name not in found:
            raise DataPlaneError("bpf", f"map {each.name}", "the object has none: make bpf")
    hashes = {**HASHES, **PER_CPU}
    keys = {name: (found[name].key_bytes, key) for name, (key, _) in hashes.items()}
    values = {name: (found[name].value_bytes, value) for name, (_, value) in hashes.items()}
    values |= {name: (found[name].value_bytes, value) for name, value in ARRAYS.items()}
    for part, sizes in (("keys", keys), ("values", values)):
        for name, (size, dtype) in sizes.items():
            if size != dtype.itemsize:
                raise DataPlaneError(
                    "bpf", f"map {name}", f"{part} of {size} bytes, expected {dtype.itemsize}"
                )


def maps_of(fd_of: Callable[[str], int]) -> Maps:
    """Return all maps by their descriptors, whose owner closes them."""
    made: dict[str, Any] = {
        **{name: maps.array(fd_of(name), each) for name, each in ARRAYS.items()},
        **{name: maps.Hash(fd_of(name), *each) for name, each in HASHES.items()},
        **{name: maps.PerCpu(fd_of(name), *each) for name, each in PER_CPU.items()},
        **{name: maps.Ring(fd_of(name), each) for name, each in RINGS.items()},
        "programs": maps.Programs(fd_of("programs")),
    }
    return Maps(**made)
