"""Which names a value of a template refers to, before anything is evaluated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from secgroup.sources.template import Value

#: A variable in the text of `Fn::Sub`.
VARIABLE: Final = re.compile(r"\$\{([^{}]*)\}")


def parts_of_sub(argument: Value) -> tuple[str | None, dict[str, Value]]:
    """Return the text of a Sub, None when it has none, and its own variables."""
    if isinstance(argument, str):
        return argument, {}
    if isinstance(argument, list) and len(argument) == 2:
        template, variables = argument
        if isinstance(template, str) and isinstance(variables, dict):
            return template, variables
    return None, {}


def mentions(
    value: Value, path: str, choose: Callable[[Value, str], bool | None] | None = None
) -> Iterator[tuple[str, str | None, str]]:
    """Yield each name that a value refers to, with the attribute that is asked for, and where.

    Parameters
    ----------
    choose : callable, optional
        Tells which branch of an `Fn::If` counts (None: both); both count without it.

    """
    if isinstance(value, list):
        for i, each in enumerate(value):
            yield from mentions(each, f"{path}.{i}", choose)
        return
    if not isinstance(value, dict):
        return
    if len(value) == 1:
        name, argument = next(iter(value.items()))
        inside = f"{path}.{name}"
        if name == "Ref" and isinstance(argument, str):
            yield argument, None, inside
            return
        if name == "Fn::GetAtt":
            parts = argument.split(".", 1) if isinstance(argument, str) else argument
            if isinstance(parts, list) and len(parts) == 2 and isinstance(parts[0], str):
                yield parts[0], parts[1] if isinstance(parts[1], str) else "", inside
                yield from mentions(parts[1], f"{inside}.1", choose)
            return
        if name == "Fn::Sub":
            yield from _mentions_of_sub(argument, inside, choose)
            return
        if name == "Fn::If" and isinstance(argument, list) and len(argument) == 3:
            chosen = None if choose is None else choose(argument[0], f"{inside}.0")
            for i, verdict in ((1, True), (2, False)):
                if chosen in (None, verdict):
                    yield from mentions(argument[i], f"{inside}.{i}", choose)
            return
    for key, each in value.items():
        yield from mentions(each, f"{path}.{key}", choose)


def _mentions_of_sub(
    argument: Value, path: str, choose: Callable[[Value, str], bool | None] | None
) -> Iterator[tuple[str, str | None, str]]:
    template, variables = parts_of_sub(argument)
    yield from mentions(variables, f"{path}.1", choose)
    for match in VARIABLE.finditer(template or ""):
        name = match[1].strip()
        if name in variables or name.startswith("!"):
            continue
        resource, dot, attribute = name.partition(".")
        yield resource, attribute if dot else None, path
