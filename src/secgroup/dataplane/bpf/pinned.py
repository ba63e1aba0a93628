"""The maps of a plane that runs, opened by whoever may: to read, and to end connections.

Owns how a process beside the agent gets at what is pinned. It takes no lock, and changes nothing by
being there. Read first: `pins`, which says what stands where.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from secgroup.dataplane.bpf.connections import Connections
from secgroup.dataplane.bpf.events import NameOf
from secgroup.dataplane.bpf.layout import LAYOUT_VERSION
from secgroup.dataplane.bpf.libbpf import PLANE
from secgroup.dataplane.bpf.loaded import Loaded, Maps, maps_of
from secgroup.dataplane.bpf.pins import ROOT
from secgroup.dataplane.bpf.upgrade import Opened
from secgroup.errors import DataPlaneError


@dataclass(frozen=True, slots=True)
class Pinned:
    """The maps under a root, for as long as a `with` block of `pinned` lasts."""

    root: Path
    maps: Maps

    def connections(self, now_ms: int) -> Connections:
        """Return the living connections; `now_ms` is the kernel's clock."""
        return Connections(*self.maps.connections.items(), self.maps.timeouts, now_ms)


def opened(root: Path = ROOT) -> Opened:
    """Return what is pinned under a root, to be used as a context.

    Raises
    ------
    DataPlaneError
        No plane of this layout is pinned there.

    """
    here = root / f"layout-{LAYOUT_VERSION}"
    try:
        is_there = here.is_dir()
    except OSError as error:
        raise DataPlaneError(PLANE, str(root), f"cannot be read: {error.strerror}") from None
    if not is_there:
        raise DataPlaneError(
            PLANE,
            str(root),
            "has no plane of this version (expected one of serve --plane bpf or lab up)",
        )
    return Opened([root, here])


def pinned(root: Path, descriptors: Opened) -> Pinned:
    """Return the maps of descriptors that are open."""
    found = descriptors.descriptors
    try:
        return Pinned(root, maps_of(lambda name: found[name].fileno()))
    except KeyError as error:
        raise DataPlaneError(PLANE, f"{root}: map {error.args[0]}", "is not pinned") from None


def end(root: Path, keys: NDArray[Any]) -> int:
    """End connections as a RST would; return how many there were that lived.

    Raises
    ------
    DataPlaneError
        The program that does it cannot be loaded.

    """
    with opened(root) as reused, Loaded(reused=reused.descriptors) as loaded:
        return loaded.end(keys)


def names_of(maps: Maps) -> NameOf:
    """Return what tells the names of numbers; each is asked of the kernel once."""
    known: dict[tuple[int, int], str] = {}

    def name_of(kind: int, number: int) -> str | None:
        found = known.get((kind, number))
        if found is None:
            value = maps.names.get((kind, number))
            if value is None:
                return None
            found = known[kind, number] = bytes(value).decode(errors="replace")
        return found

    return name_of


def numbers_of(maps: Maps, kind: int) -> dict[str, int]:
    """Return every name of a kind with its number."""
    keys, values = maps.names.items()
    chosen = keys["kind"] == kind
    return {
        value.decode(errors="replace"): int(number)
        for value, number in zip(
            values[chosen].tolist(), keys["number"][chosen].tolist(), strict=True
        )
    }
