"""What the kernel plane has counted: of owners, of interfaces; as numbers and as metrics.

Owns the names of metrics. Reads maps, writes none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from secgroup.dataplane.bpf.layout import FRAMES, NAMES
from secgroup.dataplane.bpf.loaded import Maps
from secgroup.dataplane.bpf.pinned import numbers_of
from secgroup.decision import Reason
from secgroup.net.direction import Direction

_FRAMES: Final = {number: name for name, number in FRAMES.items()}
_REASONS: Final = {int(each): each.name for each in Reason}
_WORDS: Final = (("reasons", "reason", _REASONS), ("frames", "frame", _FRAMES))
#: Of `layout.COUNTERS`: packets without room in flow logs, events that nobody read in time, openers
#: that found the table full, and steps of states that were given up.
_FAULTS: Final = ("unlogged", "unheard", "full", "raced")


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """An owner of connections.

    Parameters
    ----------
    entries : int
        What its entries take of its allowance.
    available : int
        What they may still take: of the allowance, or of the table where it has none.
    exceeded : int
        Openers that were refused because of it.

    """

    name: str
    entries: int
    available: int
    exceeded: int


def owners(maps: Maps) -> list[Owner]:
    """Return the owners that have a name, by name."""
    named = {number: name for name, number in numbers_of(maps, NAMES["OWNER"]).items()}
    rows = maps.owners
    free = maps.connections.entries - int(np.maximum(rows["weight"], 0).sum())
    found = []
    for number, name in named.items():
        row = rows[number]
        entries, allowance = int(row["weight"]), int(row["allowance"])
        left = free if allowance < 0 else min(free, allowance - entries)
        found.append(
            Owner(name=name, entries=entries, available=max(0, left), exceeded=int(row["exceeded"]))
        )
    return sorted(found, key=lambda each: each.name)


def page(maps: Maps) -> str:
    """Return what is counted, in Prometheus' text format."""
    return "".join(f"{line}\n" for line in (*_owner_lines(maps), *_interface_lines(maps)))


def _owner_lines(maps: Maps) -> Iterator[str]:
    yield "# TYPE conntrack_allowance_available gauge"
    yield "# TYPE conntrack_allowance_exceeded counter"
    yield "# TYPE secgroup_connections gauge"
    for each in owners(maps):
        label = f'{{owner="{_escaped(each.name)}"}}'
        yield f"conntrack_allowance_available{label} {each.available}"
        yield f"conntrack_allowance_exceeded{label} {each.exceeded}"
        yield f"secgroup_connections{label} {each.entries}"


def _interface_lines(maps: Maps) -> Iterator[str]:
    for name in ("packets", "bytes", "reasons", "frames", *_FAULTS):
        yield f"# TYPE secgroup_{name}_total counter"
    for interface, number in sorted(numbers_of(maps, NAMES["INTERFACE"]).items()):
        values = maps.counters.get(np.uint32(number))
        if values is None:
            continue
        for direction in Direction:
            label = f'interface="{_escaped(interface)}",direction="{direction}"'
            for name, what in (("packets", "packets"), ("bytes", "octets")):
                both = values[what].sum(axis=0)[direction]
                for verdict, count in zip(("REJECT", "ACCEPT"), both.tolist(), strict=True):
                    yield f'secgroup_{name}_total{{{label},verdict="{verdict}"}} {count}'
            for name, word, words in (
                ("reasons", "reason", _REASONS),
                ("frames", "frame", _FRAMES),
            ):
                for at, count in enumerate(values[name].sum(axis=0)[direction].tolist()):
                    if count and at in words:
                        yield f'secgroup_{name}_total{{{label},{word}="{words[at]}"}} {count}'
            for name in _FAULTS:
                count = int(values[name].sum(axis=0)[direction])
                yield f"secgroup_{name}_total{{{label}}} {count}"


def _escaped(text: str) -> str:
    """Return text as the value of a label."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
