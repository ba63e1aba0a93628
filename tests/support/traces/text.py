"""Traces as text that people read and edit: the constructor calls that make them.

What has its default is left out. `parsed` knows the values of traces and nothing else.
"""

import dataclasses
from collections.abc import Mapping
from enum import Enum, Flag
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final

from secgroup.model import (
    external,
    group,
    interface,
    network,
    network_acl,
    prefix_list,
    route,
    vpc,
)
from secgroup.net import direction, packet, ports, protocol
from secgroup.reference.memory import Switches
from tests.support.traces.trace import Arrival, Edit, Trace

_IP: Final = (IPv4Address, IPv4Network, IPv6Address, IPv6Network)
#: How deep a value is spread over lines.
_LINES: Final = 4


@cache
def names() -> Mapping[str, type]:
    """The classes that a trace is made of."""
    modules = (
        direction, external, group, interface, network, network_acl, packet, ports, prefix_list,
        protocol, route, vpc,
    )  # fmt: skip
    found = [value for module in modules for value in vars(module).values()]
    kinds = [each for each in found if isinstance(each, type)]
    return {each.__name__: each for each in (*kinds, *_IP, Switches, Arrival, Edit, Trace)}


def spelled(value: object, depth: int = 0) -> str:
    """Return the expression that makes a value."""
    if isinstance(value, Flag):
        members = [f"{type(value).__name__}.{each.name}" for each in value]
        return " | ".join(members) or f"{type(value).__name__}(0)"
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = [
            f"{field.name}={spelled(getattr(value, field.name), depth + 1)}"
            for field in dataclasses.fields(value)
            if getattr(value, field.name) != _default(field)
        ]
        return _laid(f"{type(value).__name__}(", parts, ")", depth)
    if isinstance(value, Mapping):
        parts = [f"{key!r}: {spelled(each, depth + 1)}" for key, each in value.items()]
        return _laid("{", parts, "}", depth)
    if isinstance(value, tuple) and type(value) is tuple:
        behind = ",)" if len(value) == 1 else ")"
        return _laid("(", [spelled(each, depth + 1) for each in value], behind, depth)
    return repr(value)


def parsed(text: str) -> Trace:
    """Return the trace that a text spells."""
    trace = eval(text, {"__builtins__": {}, **names()})
    assert isinstance(trace, Trace)
    return trace


def _default(field: "dataclasses.Field[Any]") -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _laid(before: str, parts: list[str], behind: str, depth: int) -> str:
    if depth >= _LINES or not parts:
        return before + ", ".join(parts) + behind
    inner = "".join(f"\n{' ' * (depth + 1)}{part}," for part in parts)
    return f"{before}{inner}\n{' ' * depth}{behind.lstrip(',')}"
