"""CloudFormation's functions: what a value in a template is once they are evaluated.

Owns `Ref`, `Fn::...` and conditions, and which names a value mentions. What a resource's
`Ref` and attributes are, it asks (`Resources`).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network, ip_network
from itertools import islice
from typing import Final, Protocol, TypeAlias

from secgroup.errors import InputError
from secgroup.sources.parameters import (
    NoValue,
    Unknown,
    parameter_value,
    pseudo_parameters,
)
from secgroup.sources.template import Value

#: A value after evaluation; lists and mappings may hold Unknowns.
Evaluated: TypeAlias = "str | bool | list[Evaluated] | dict[str, Evaluated] | Unknown | None"

#: Zones of a region, by letter; `GetAZs` yields all of them, so that no `Select` runs out.
ZONE_LETTERS: Final = "abcdef"

_VARIABLE: Final = re.compile(r"\$\{([^{}]*)\}")
_CONDITIONAL: Final = ("Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals", "Condition")
#: A value that is fetched when the stack is made (Template Reference, "Dynamic references").
_DYNAMIC: Final = "{{resolve:"


class Resources(Protocol):
    """What the resources of a template answer; both raise InputError as `Scope.evaluate` does."""

    def ref(self, logical_id: str, path: str) -> Evaluated:
        """Return what `Ref` of a resource yields."""

    def attribute(self, logical_id: str, name: str, path: str) -> Evaluated:
        """Return what `Fn::GetAtt` of a resource yields."""


def text_of(value: object) -> str | None:
    """Return a scalar as CloudFormation writes it, None for what is no known scalar."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else None


def section(document: Mapping[str, Value], name: str, source: str | None) -> dict[str, Value]:
    """Return a top-level section of a template, empty when it is not there.

    Raises
    ------
    InputError
        The section is not a mapping.

    """
    found = document.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InputError("expected a mapping of names", source=source, path=name)
    return found


class Scope:
    """One template, the values that people gave, and what its names mean.

    Parameters
    ----------
    document : mapping
        The template.
    parameters, imports : mapping of str to str
        Values for parameters (pseudo-parameters included) and for `Fn::ImportValue`.
    resources : Resources
        Asked for every `Ref` and `Fn::GetAtt` of a resource.
    source : str, optional
        What errors call the template.

    """

    def __init__(
        self,
        document: Mapping[str, Value],
        *,
        parameters: Mapping[str, str],
        imports: Mapping[str, str],
        resources: Resources,
        source: str | None,
    ) -> None:
        self.source = source
        self.declared = section(document, "Parameters", source)
        self.mappings = section(document, "Mappings", source)
        self.conditions = section(document, "Conditions", source)
        self.resources = section(document, "Resources", source)
        self.pseudo = pseudo_parameters(parameters)
        self._given = parameters
        self._imports = imports
        self._answers = resources
        self._verdicts: dict[str, bool] = {}
        self._asked: list[str] = []
        for name in parameters:
            if name not in self.declared and name not in self.pseudo:
                known = ", ".join(sorted(self.declared)) or "none"
                raise InputError(
                    f"the template has no parameter {name} (it has {known})", source=source
                )

    def error(self, problem: str, path: str) -> InputError:
        """Return the error that names a place in this template."""
        return InputError(problem, source=self.source, path=path)

    def parameter(self, name: str) -> Value | Unknown:
        """Return the value of a declared parameter.

        Raises
        ------
        InputError
            See `parameter_value`.

        """
        return parameter_value(name, self.declared[name], self._given.get(name), source=self.source)

    def evaluate(self, value: Value, path: str) -> Evaluated:
        """Return `value` with every function in it evaluated.

        Raises
        ------
        InputError
            A function has the wrong form, names nothing, or needs what nobody gave.

        """
        found = self._evaluate(value, path)
        return None if isinstance(found, NoValue) else found

    def _evaluate(self, value: Value, path: str) -> Evaluated | NoValue:
        if isinstance(value, str):
            return Unknown(value) if _DYNAMIC in value else value
        if isinstance(value, list):
            found = (self._evaluate(each, f"{path}.{i}") for i, each in enumerate(value))
            return [each for each in found if not isinstance(each, NoValue)]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name in _CONDITIONAL and (name != "Condition" or isinstance(argument, str)):
                return self.holds(value, path)
            if name in _FUNCTIONS:
                return _FUNCTIONS[name](self, argument, f"{path}.{name}")
            if name.startswith("Fn::"):
                raise self.error(f"{name} is no function that can stand here", path)
        pairs = ((key, self._evaluate(each, f"{path}.{key}")) for key, each in value.items())
        return {key: each for key, each in pairs if not isinstance(each, NoValue)}

    # Conditions

    def condition(self, name: str, path: str) -> bool:
        """Tell whether the condition called `name` holds.

        Raises
        ------
        InputError
            It is not there, refers to itself, or cannot be told.

        """
        if name in self._verdicts:
            return self._verdicts[name]
        if name not in self.conditions:
            raise self.error(f"there is no condition {name}", path)
        if name in self._asked:
            circle = " -> ".join([*self._asked[self._asked.index(name) :], name])
            raise self.error(f"conditions in a circle: {circle}", f"Conditions.{name}")
        self._asked.append(name)
        try:
            verdict = self.holds(self.conditions[name], f"Conditions.{name}")
        finally:
            self._asked.pop()
        self._verdicts[name] = verdict
        return verdict

    def holds(self, value: Value, path: str) -> bool:
        """Evaluate a condition's function.

        Raises
        ------
        InputError
            It is none, or it cannot be told.

        """
        if isinstance(value, dict) and len(value) == 1:
            name, argument = next(iter(value.items()))
            inside = f"{path}.{name}"
            if name == "Condition" and isinstance(argument, str):
                return self.condition(argument, inside)
            if name == "Fn::Equals":
                return self._equal(argument, inside)
            if name in ("Fn::And", "Fn::Or", "Fn::Not"):
                if not isinstance(argument, list) or not argument:
                    raise self.error("expected a list of conditions", inside)
                if name == "Fn::Not" and len(argument) != 1:
                    raise self.error("expected one condition in a list", inside)
                verdicts = [self.holds(each, f"{inside}.{i}") for i, each in enumerate(argument)]
                if name == "Fn::Not":
                    return not verdicts[0]
                return all(verdicts) if name == "Fn::And" else any(verdicts)
        evaluated = self.evaluate(value, path) if not isinstance(value, dict) else None
        if text_of(evaluated) in ("true", "false"):
            return text_of(evaluated) == "true"
        raise self.error("not a condition (Condition, Fn::Equals, Fn::And, Fn::Or, Fn::Not)", path)

    def _equal(self, argument: Value, path: str) -> bool:
        left, right = self._arguments(argument, 2, path, "two values")
        for each in (left, right):
            if _holds_unknown(each):
                raise self.error(
                    f"cannot be told: only a deployment knows {each}; "
                    "give the value by --parameter NAME=VALUE",
                    path,
                )
        return _as_text(left) == _as_text(right)

    # What the functions share

    def _arguments(self, argument: Value, count: int, path: str, form: str) -> list[Evaluated]:
        if not isinstance(argument, list) or len(argument) != count:
            raise self.error(f"expected a list of {form}", path)
        return [self.evaluate(each, f"{path}.{i}") for i, each in enumerate(argument)]

    def _text(self, value: Evaluated, path: str) -> str:
        text = text_of(value)
        if text is None:
            found = "nothing" if value is None else type(value).__name__
            raise self.error(f"expected a text, not {found}", path)
        return text

    def _whole(self, value: Evaluated, path: str) -> int:
        text = self._text(value, path).strip()
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise self.error(f"expected a whole number, not {text[:40]!r}", path)
        return int(text)

    def named(self, name: str, path: str) -> Evaluated | NoValue:
        """Return what `Ref` of `name` yields.

        Raises
        ------
        InputError
            It names nothing, or has no value.

        """
        if name in self.pseudo:
            found = self.pseudo[name]
            return found if isinstance(found, (str, NoValue)) else []
        if name in self.declared:
            value = self.parameter(name)
            return value if isinstance(value, Unknown) else self.evaluate(value, path)
        return self._answers.ref(name, path)

    # The functions

    def _ref(self, argument: Value, path: str) -> Evaluated | NoValue:
        if not isinstance(argument, str):
            raise self.error("expected the name of a parameter or a resource", path)
        return self.named(argument, path)

    def _get_att(self, argument: Value, path: str) -> Evaluated:
        if isinstance(argument, str):
            argument = list(argument.split(".", 1))
        if not isinstance(argument, list) or len(argument) != 2:
            raise self.error("expected a resource and an attribute", path)
        attribute = self.evaluate(argument[1], f"{path}.1")
        if not isinstance(argument[0], str) or not isinstance(attribute, str):
            raise self.error("expected a resource and an attribute", path)
        return self._answers.attribute(argument[0], attribute, path)

    def _sub(self, argument: Value, path: str) -> Evaluated:
        template, variables = _parts_of_sub(argument)
        if template is None:
            raise self.error("expected a text, or a list of a text and its variables", path)
        parts: list[str] = []
        unknown = _DYNAMIC in template
        end = 0
        for match in _VARIABLE.finditer(template):
            parts.append(template[end : match.start()])
            end = match.end()
            name = match[1].strip()
            if name.startswith("!"):
                parts.append("${" + name[1:] + "}")
                continue
            value = self._variable(name, variables, path)
            unknown = unknown or isinstance(value, Unknown)
            parts.append(value.text if isinstance(value, Unknown) else self._text(value, path))
        text = "".join([*parts, template[end:]])
        return Unknown(text) if unknown else text

    def _variable(self, name: str, variables: Mapping[str, Value], path: str) -> Evaluated:
        if name in variables:
            return self.evaluate(variables[name], f"{path}.1.{name}")
        resource, dot, attribute = name.partition(".")
        if dot:
            return self._answers.attribute(resource, attribute, path)
        found = self.named(name, path)
        return None if isinstance(found, NoValue) else found

    def _join(self, argument: Value, path: str) -> Evaluated:
        delimiter, parts = self._arguments(argument, 2, path, "a delimiter and a list")
        if isinstance(parts, Unknown):
            return parts
        if not isinstance(parts, list):
            raise self.error("expected a list to join", f"{path}.1")
        texts = [
            each.text if isinstance(each, Unknown) else self._text(each, f"{path}.1.{i}")
            for i, each in enumerate(parts)
        ]
        joined = self._text(delimiter, f"{path}.0").join(texts)
        return Unknown(joined) if _holds_unknown(parts) else joined

    def _split(self, argument: Value, path: str) -> Evaluated:
        delimiter, whole = self._arguments(argument, 2, path, "a delimiter and a text")
        if isinstance(whole, Unknown):
            return whole
        separator = self._text(delimiter, f"{path}.0")
        if not separator:
            raise self.error("expected a delimiter, not an empty text", f"{path}.0")
        return [*self._text(whole, f"{path}.1").split(separator)]

    def _select(self, argument: Value, path: str) -> Evaluated:
        index, choices = self._arguments(argument, 2, path, "an index and a list")
        if isinstance(index, Unknown):
            return Unknown(f"one of {choices}"[:80])
        number = self._whole(index, f"{path}.0")
        if isinstance(choices, Unknown):
            return Unknown(f"{choices.text}[{number}]")
        if not isinstance(choices, list):
            raise self.error("expected a list to select from", f"{path}.1")
        if number >= len(choices):
            raise self.error(f"there is no index {number} in {len(choices)} values", path)
        return choices[number]

    def _find_in_map(self, argument: Value, path: str) -> Evaluated | NoValue:
        if not isinstance(argument, list) or len(argument) not in (3, 4):
            raise self.error("expected a map, a top key and a second key", path)
        keys = [self.evaluate(each, f"{path}.{i}") for i, each in enumerate(argument[:3])]
        fallback = argument[3] if len(argument) == 4 else None
        if any(isinstance(key, Unknown) for key in keys):
            return Unknown(".".join(map(str, keys)))
        texts = [self._text(key, f"{path}.{i}") for i, key in enumerate(keys)]
        found: Value = self.mappings
        for text in texts:
            found = found.get(text) if isinstance(found, dict) else None
        if found is not None:
            return self.evaluate(found, path)
        if isinstance(fallback, dict) and "DefaultValue" in fallback:
            return self._evaluate(fallback["DefaultValue"], f"{path}.3.DefaultValue")
        raise self.error(f"there is no {'.'.join(texts)} in Mappings", path)

    def _cidr(self, argument: Value, path: str) -> Evaluated:
        block, count, bits = self._arguments(argument, 3, path, "a block, a count and cidrBits")
        if isinstance(block, Unknown):
            return block
        if isinstance(count, Unknown) or isinstance(bits, Unknown):
            raise self.error("expected a count and cidrBits that are known", path)
        number, host_bits = self._whole(count, f"{path}.1"), self._whole(bits, f"{path}.2")
        text = self._text(block, f"{path}.0")
        try:
            whole = ip_network(text, strict=False)
        except ValueError:
            raise self.error(f"{text!r} is not a CIDR block", f"{path}.0") from None
        length = (32 if isinstance(whole, IPv4Network) else 128) - host_bits
        if not 1 <= number <= 256:
            raise self.error(f"a count of {number} is not within 1 and 256", f"{path}.1")
        if length < whole.prefixlen or 2 ** (length - whole.prefixlen) < number:
            raise self.error(f"{number} blocks of /{length} do not fit into {whole}", path)
        return [str(each) for each in islice(whole.subnets(new_prefix=length), number)]

    def _if(self, argument: Value, path: str) -> Evaluated | NoValue:
        if not isinstance(argument, list) or len(argument) != 3:
            raise self.error("expected a condition and two values", path)
        if isinstance(argument[0], str):
            chosen = 1 if self.condition(argument[0], f"{path}.0") else 2
        else:
            chosen = 1 if self.holds(argument[0], f"{path}.0") else 2
        return self._evaluate(argument[chosen], f"{path}.{chosen}")

    def _get_azs(self, argument: Value, path: str) -> Evaluated:
        region = self.evaluate(argument, path)
        if isinstance(region, Unknown):
            return region
        name = text_of(region) or str(self.pseudo["AWS::Region"])
        return [f"{name}{letter}" for letter in ZONE_LETTERS]

    def _import_value(self, argument: Value, path: str) -> Evaluated:
        name = self.evaluate(argument, path)
        if isinstance(name, Unknown):
            return name
        text = self._text(name, path)
        if text not in self._imports:
            raise self.error(
                f"the value of the export {text} is not known; give it by --import {text}=VALUE",
                path,
            )
        return self._imports[text]

    def _base64(self, argument: Value, path: str) -> Evaluated:
        value = self.evaluate(argument, path)
        if isinstance(value, Unknown):
            return value
        return base64.b64encode(self._text(value, path).encode("utf-8", "replace")).decode()

    def _length(self, argument: Value, path: str) -> Evaluated:
        value = self.evaluate(argument, path)
        if isinstance(value, Unknown):
            return value
        if not isinstance(value, list):
            raise self.error("expected a list", path)
        return str(len(value))

    def _to_json_string(self, argument: Value, path: str) -> Evaluated:
        value = self.evaluate(argument, path)
        if _holds_unknown(value):
            return Unknown("Fn::ToJsonString")
        return json.dumps(value, separators=(",", ":"))

    def _transform(self, _argument: Value, _path: str) -> Evaluated:
        return Unknown("Fn::Transform")


_Function: TypeAlias = "Callable[[Scope, Value, str], Evaluated | NoValue]"
_FUNCTIONS: Final[Mapping[str, _Function]] = {
    "Ref": Scope._ref,
    "Fn::GetAtt": Scope._get_att,
    "Fn::Sub": Scope._sub,
    "Fn::Join": Scope._join,
    "Fn::Split": Scope._split,
    "Fn::Select": Scope._select,
    "Fn::FindInMap": Scope._find_in_map,
    "Fn::Cidr": Scope._cidr,
    "Fn::If": Scope._if,
    "Fn::GetAZs": Scope._get_azs,
    "Fn::ImportValue": Scope._import_value,
    "Fn::Base64": Scope._base64,
    "Fn::Length": Scope._length,
    "Fn::ToJsonString": Scope._to_json_string,
    "Fn::Transform": Scope._transform,
}


def _parts_of_sub(argument: Value) -> tuple[str | None, dict[str, Value]]:
    """Return the text of a Sub, None when it has none, and its own variables."""
    if isinstance(argument, str):
        return argument, {}
    if isinstance(argument, list) and len(argument) == 2:
        template, variables = argument
        if isinstance(template, str) and isinstance(variables, dict):
            return template, variables
    return None, {}


def _holds_unknown(value: Evaluated) -> bool:
    if isinstance(value, dict):
        return any(_holds_unknown(each) for each in value.values())
    if isinstance(value, list):
        return any(_holds_unknown(each) for each in value)
    return isinstance(value, Unknown)


def _as_text(value: Evaluated) -> object:
    if isinstance(value, dict):
        return {key: _as_text(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_text(each) for each in value]
    return text_of(value)


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
    template, variables = _parts_of_sub(argument)
    yield from mentions(variables, f"{path}.1", choose)
    for match in _VARIABLE.finditer(template or ""):
        name = match[1].strip()
        if name in variables or name.startswith("!"):
            continue
        resource, dot, attribute = name.partition(".")
        yield resource, attribute if dot else None, path
