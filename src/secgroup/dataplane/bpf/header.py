"""The C header of `layout`, the reasons and the state machines: `layout.h`, which says so.

`make bpf` writes it; a test writes it again and compares.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from secgroup.conntrack.state import State
from secgroup.conntrack.tcp import Event
from secgroup.dataplane.bpf import layout
from secgroup.decision import Reason
from secgroup.engine import layout as engine
from secgroup.engine import machine

_TYPES: Final = {1: "__u8", 2: "__u16", 4: "__u32", 8: "__u64"}
_SIGNED: Final = {4: "__s32", 8: "__s64"}

#: Numbers that C knows by the names that Python has for them.
_OF_LAYOUT: Final = (
    *("LAYOUT_VERSION", "BLOCKS6", "HAS_HOSTS", "HAS_PREFIXES", "MOST_WORDS", "MOST_BOUNDARIES"),
    *("CLASS_BITS", "WEIGHT_SHIFT", "OPENED", "MARKED", "TAKEN", "REASONS"),
)
_OF_ENGINE: Final = (
    *("STATES", "OWNER", "IPV6", "OPENED_EGRESS", "NEXT_ORIGINAL_KNOWN", "NEXT_REPLY_KNOWN"),
    *("WEIGHT_TWO", "ICMP_KIND", "NOT_TRACKED", "FIRST_LIFETIME_MS"),
)
_OF_MACHINE: Final = (
    *("EVENTS", "STRAY_EVENT", "UDP_EVENT", "ICMP_EVENT", "OTHER_EVENT"),
    *("OF_UDP", "OF_ICMP", "OF_OTHER"),
)


def text() -> str:
    """Return the header."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause"
    yield "/* Made by `make bpf` from dataplane/bpf/layout.py, engine/layout.py, engine/machine.py"
    yield " * and decision; do not edit. Host byte order, but for keys of tries. */"
    yield "#pragma once"
    yield ""
    for source, names in (
        (layout, _OF_LAYOUT),
        (engine, _OF_ENGINE),
        (machine, _OF_MACHINE),
    ):
        for name in names:
            yield f"#define {name} {_number(getattr(source, name))}"
    yield ""
    for words, prefix in ((Reason, "REASON"), (State, "STATE"), (Event, "EVENT")):
        yield "enum {"
        for each in words:
            yield f"\t{prefix}_{each.name} = {int(each)},"
        yield "};"
    for prefix, numbers in (("FRAME", layout.FRAMES), ("NAME", layout.NAMES)):
        yield "enum {"
        for name, number in numbers.items():
            yield f"\t{prefix}_{name} = {number},"
        yield "};"
    for name, dtype in layout.STRUCTS.items():
        yield from _struct(name, dtype)
    for name, values in machine.MACHINE._asdict().items():
        yield from _table(name, values)


def _number(value: int) -> str:
    return f"{value:#x}" if value > 0xFFFF else str(value)


def _struct(name: str, dtype: "np.dtype[Any]") -> Iterator[str]:
    assert dtype.names is not None
    assert dtype.fields is not None
    yield ""
    yield f"struct {name} {{"
    for field in dtype.names:
        kind = dtype.fields[field][0]
        bounds = "".join(f"[{each}]" for each in kind.shape)
        yield f"\t{_type(kind.base)} {field}{bounds};"
    yield "};"
    yield f'_Static_assert(sizeof(struct {name}) == {dtype.itemsize}, "{name}");'
    for field in dtype.names:
        at = dtype.fields[field][1]
        yield (
            f'_Static_assert(__builtin_offsetof(struct {name}, {field}) == {at}, "{name}.{field}");'
        )


def _type(kind: "np.dtype[Any]") -> str:
    for name, dtype in layout.STRUCTS.items():
        if kind == dtype and kind.names is not None:
            return f"struct {name}"
    return _SIGNED[kind.itemsize] if kind.kind == "i" else _TYPES[kind.itemsize]


def _table(name: str, values: "np.ndarray[Any, Any]") -> Iterator[str]:
    yield ""
    yield f"static const __u8 machine_{name}[{len(values)}] = {{"
    for first in range(0, len(values), 24):
        yield "\t" + " ".join(f"{each}," for each in values[first : first + 24].tolist())
    yield "};"
