"""`Pins`: what of the plane outlives its process, and how the next one takes it over.

Owns the folder of pins, restarts, and upgrades from earlier layouts. It knows no policy.

    ROOT/programs               what stubs jump through: the same for every layout
    ROOT/links/DIRECTION-N      links of interface N (`hooks`)
    ROOT/layout-V/MAP           every other map of layout V

`layout-V` appears whole, by a rename; what a process left half made is made again.
"""

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from secgroup.dataplane.bpf import libbpf
from secgroup.dataplane.bpf.hooks import Hooks
from secgroup.dataplane.bpf.layout import LAYOUT_VERSION, row_of
from secgroup.dataplane.bpf.libbpf import Descriptor
from secgroup.dataplane.bpf.libc import grace, mount_bpffs
from secgroup.dataplane.bpf.loaded import Committed, Loaded
from secgroup.dataplane.bpf.upgrade import EARLIER, Copy, Earlier, Opened
from secgroup.errors import DataPlaneError
from secgroup.net.direction import Direction

BPFFS: Final = Path("/sys/fs/bpf")
ROOT: Final = BPFFS / "secgroup"
_LAYOUT: Final = re.compile(r"layout-(\d+)")
_PREPARING: Final = "preparing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Something that is not as it was left; `interface` is None where it is everybody's.

    `what` is `device` (it is gone), `link`, `pin`, `program`, `word` or `map NAME`.
    """

    interface: int | None
    what: str

    def __str__(self) -> str:
        """Write it for people."""
        return self.what if self.interface is None else f"interface {self.interface}: {self.what}"


class Pins:
    """The pinned plane of one root, loaded; one process has it at a time.

    Parameters
    ----------
    root : Path
        In a bpffs, which is mounted if need be.
    sizes, variables, committed_object
        As of `Loaded`. Maps that are pinned keep their sizes.
    earlier : mapping
        Layouts to take over from.

    Attributes
    ----------
    loaded : Loaded
    hooks : Hooks
    is_new : bool
        The maps are fresh: no word is set, so that after `take_over` everything is dropped until
        the plane has written its policies. After an upgrade connections are there already.

    Raises
    ------
    DataPlaneError
        Another process has the root, a layout there is unknown, or what `Loaded` raises. What was
        in force still is.

    """

    def __init__(
        self,
        root: Path = ROOT,
        *,
        sizes: Mapping[str, int] | None = None,
        variables: Mapping[str, int] | None = None,
        committed_object: Committed | None = None,
        earlier: Mapping[int, Earlier] = EARLIER,
    ) -> None:
        self.root: Final = root
        self._here = root / f"layout-{LAYOUT_VERSION}"
        self._copied: dict[int, Copy] = {}
        self._lock = _locked(root)
        try:
            # Changes of policies wait like this when it is too late to refuse them.
            grace()
            before = _layouts_before(root, earlier)
            with Opened([root, self._here]) as reused:
                self.loaded: Final = Loaded(
                    sizes=sizes,
                    variables=variables,
                    reused=reused.descriptors,
                    committed_object=committed_object,
                )
            self.is_new: Final = not self._here.exists()
            if self.is_new:
                self._prepare()
            self._pin_missing()
            links = root / "links"
            links.mkdir(exist_ok=True)
            self.hooks: Final = Hooks(links, self.loaded.object.map_fd("programs"))
            for version, layout in before.items():
                self._copied[version] = Copy(root / f"layout-{version}", layout, self.loaded)
        except BaseException:
            self._lock.close()
            raise

    def _prepare(self) -> None:
        """Pin fresh maps beside what is there, and then make them the layout's by a rename."""
        preparing = self.root / _PREPARING
        if preparing.exists():
            shutil.rmtree(preparing)
        preparing.mkdir()
        for name, descriptor in self._maps():
            if name != "programs":
                libbpf.pin(descriptor, preparing / name)
        preparing.rename(self._here)

    def _maps(self) -> Iterator[tuple[str, int]]:
        for name in self.loaded.object.maps():
            yield name, self.loaded.object.map_fd(name)

    def _path(self, name: str) -> Path:
        return (self.root if name == "programs" else self._here) / name

    def _pin_missing(self) -> None:
        for name, descriptor in self._maps():
            if not self._path(name).exists():
                libbpf.pin(descriptor, self._path(name))

    def take_over(self) -> bool:
        """Let the loaded programs decide and sweep from now on, whatever did before.

        After an upgrade what changed meanwhile is copied, and the earlier layout goes. The words
        of a new layout should be written before.

        Returns
        -------
        bool
            Whether the kernel sweeps by itself; where it cannot, call `loaded.sweep` once a second.

        """
        for copy in self._copied.values():
            copy.catch_up()
        for direction in Direction:
            program = self.loaded.object.program_fd(str(direction))
            self.loaded.maps.programs.put(direction, program)
        if self._copied:
            # No packet is under way in the programs of before any more.
            grace()
        for version, copy in self._copied.items():
            copy.catch_up()
            copy.close()
            shutil.rmtree(self.root / f"layout-{version}")
        self._copied.clear()
        if self.loaded.sweeps_itself:
            self.loaded.start_sweeper()
        return self.loaded.sweeps_itself

    def lost(self, interfaces: Collection[int]) -> tuple[Loss, ...]:
        """Return what of the plane, and of interfaces that should be attached, is gone."""
        found = [
            Loss(interface=None, what=f"program {direction}")
            for direction in Direction
            if self.loaded.maps.programs.get(direction) is None
        ]
        found += [
            Loss(interface=None, what=f"map {name}")
            for name, _ in self._maps()
            if not self._path(name).exists()
        ]
        for interface in sorted(interfaces):
            if row_of(int(self.loaded.maps.words[interface])) == 0:
                found.append(Loss(interface=interface, what="word"))
        found += [
            Loss(interface=interface, what=what) for interface, what in self.hooks.lost(interfaces)
        ]
        return tuple(found)

    def restore(self) -> None:
        """Pin again what has lost its pin and put the programs back, as far as we hold them."""
        self._here.mkdir(parents=True, exist_ok=True)
        self._pin_missing()
        self.hooks.restore()
        self.take_over()

    def close(self) -> None:
        """Leave everything as it is to the next process."""
        self.hooks.close()
        self.loaded.close()
        self._lock.close()

    def remove(self) -> None:
        """Take everything away: every interface of ours is open then, and nothing is remembered."""
        self.hooks.detach_all()
        self.close()
        shutil.rmtree(self.root)


def _layouts_before(root: Path, earlier: Mapping[int, Earlier]) -> dict[int, Earlier]:
    found = {}
    for path in root.iterdir():
        named = _LAYOUT.fullmatch(path.name)
        version = LAYOUT_VERSION if named is None else int(named[1])
        if version == LAYOUT_VERSION:
            continue
        if version not in earlier:
            raise DataPlaneError(
                "bpf",
                str(path),
                f"is of layout {version}, which this version does not know: run the one that made "
                f"it, or detach all interfaces with that one first",
            )
        found[version] = earlier[version]
    return found


def _locked(root: Path) -> Descriptor:
    """Make the folder of pins in a bpffs, and return its lock.

    Raises
    ------
    DataPlaneError
        It cannot be in a bpffs, or another process has it.

    """
    if root.is_relative_to(BPFFS):
        mount_if_need_be()
    if not is_bpffs(root):
        raise DataPlaneError("bpf", str(root), f"is not in a bpffs: choose one under {BPFFS}")
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = Descriptor(os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno == errno.EWOULDBLOCK:
            raise DataPlaneError("bpf", str(root), "another process has it") from None
        raise DataPlaneError("bpf", str(root), f"cannot be used: {error.strerror}") from None
    return lock


def mount_if_need_be() -> None:
    """Mount a bpffs at its usual place, where none is.

    Raises
    ------
    DataPlaneError
        The kernel has none, or does not permit it.

    """
    if not is_bpffs(BPFFS):
        mount_bpffs(BPFFS)


def is_bpffs(path: Path) -> bool:
    """Tell whether a path, which need not exist, is in a bpffs."""
    best, kind = Path("/"), ""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4])
        # The last one mounted at a place covers the others.
        if path.is_relative_to(point) and len(point.parts) >= len(best.parts):
            best, kind = point, after.split()[0]
    return kind == "bpf"
