"""What the names in a template mean, and what a value is once its functions are evaluated.

Owns parameters in use, conditions, and the walk through a value. What a function does is in
`intrinsics`; what a resource's `Ref` and attributes are, is asked (`Resources`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeAlias

from secgroup.errors import InputError
from secgroup.sources.parameters import (
    NoValue,
    Unknown,
    parameter_value,
    pseudo_parameters,
)
from secgroup.sources.template import Value, plain

#: A value after evaluation; lists and mappings may hold Unknowns.
Evaluated: TypeAlias = "str | bool | list[Evaluated] | dict[str, Evaluated] | Unknown | None"

_CONDITIONAL: Final = ("Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals", "Condition")
#: A value that is fetched when the stack is made (Template Reference, "Dynamic references").
DYNAMIC: Final = "{{resolve:"


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
    for key in found:
        if key != plain(key):
            raise InputError(f"{plain(key)} is not a name", source=source, path=name)
    return found


#: A function of a template: given its scope, its argument and its place.
Function: TypeAlias = "Callable[[Scope, Value, str], Evaluated | NoValue]"


class Scope:
    """One template, the values that people gave, and what its names mean.

    Parameters
    ----------
    document : mapping
        The template.
    functions : mapping of str to Function
        What each function does.
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
        functions: Mapping[str, Function],
        *,
        parameters: Mapping[str, str],
        imports: Mapping[str, str],
        resources: Resources,
        source: str | None,
    ) -> None:
        self.source = source
        self._functions = functions
        self.declared = section(document, "Parameters", source)
        self.mappings = section(document, "Mappings", source)
        self.conditions = section(document, "Conditions", source)
        self.resources = section(document, "Resources", source)
        self.pseudo = pseudo_parameters(parameters)
        self._given = parameters
        self._values: dict[str, Value | Unknown] = {}
        #: The parameters that were asked for and stand for something outside.
        self.unsaid: dict[str, None] = {}
        self.imports = imports
        self.answers = resources
        self._verdicts: dict[str, bool] = {}
        self._asked: list[str] = []
        for name in parameters:
            of_resource = "." in name and name.partition(".")[0] in self.resources
            if name not in self.declared and name not in self.pseudo and not of_resource:
                known = ", ".join(sorted(self.declared)) or "none"
                raise InputError(
                    f"the template has no parameter {name} (it has {known})", source=source
                )

    def error(self, problem: str, path: str) -> InputError:
        """Return the error that names a place in this template."""
        return InputError(plain(problem), source=self.source, path=plain(path))

    def said(self, name: str) -> str | None:
        """Return what a person has said of `Resource.Attribute`, like a parameter."""
        return self._given.get(name)

    def parameter(self, name: str) -> Value | Unknown:
        """Return the value of a declared parameter.

        Raises
        ------
        InputError
            See `parameter_value`.

        """
        if name not in self._values:
            self._values[name] = parameter_value(
                name, self.declared[name], self._given.get(name), source=self.source
            )
            if isinstance(self._values[name], Unknown):
                self.unsaid[name] = None
        return self._values[name]

    def evaluate(self, value: Value, path: str) -> Evaluated:
        """Return `value` with every function in it evaluated.

        Raises
        ------
        InputError
            A function has the wrong form, names nothing, or needs what nobody gave.

        """
        found = self.value(value, path)
        return None if isinstance(found, NoValue) else found

    def value(self, value: Value, path: str) -> Evaluated | NoValue:
        """Return the same, or NO_VALUE where the property is not to be there.

        Raises
        ------
        InputError
            As `evaluate`.

        """
        if isinstance(value, str):
            return Unknown(value) if DYNAMIC in value else value
        if isinstance(value, list):
            found = (self.value(each, f"{path}.{i}") for i, each in enumerate(value))
            return [each for each in found if not isinstance(each, NoValue)]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name in _CONDITIONAL and (name != "Condition" or isinstance(argument, str)):
                return self.holds(value, path)
            if name in self._functions:
                return self._functions[name](self, argument, f"{path}.{name}")
            if name.startswith("Fn::"):
                raise self.error(f"{name} is no function that can stand here", path)
        pairs = ((key, self.value(each, f"{path}.{key}")) for key, each in value.items())
        return {key: each for key, each in pairs if not isinstance(each, NoValue)}

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
        left, right = self.arguments(argument, 2, path, "two values")
        for each in (left, right):
            if holds_unknown(each):
                raise self.error(
                    f"cannot be told: only a deployment knows {each}; "
                    "give the value by --parameter NAME=VALUE",
                    path,
                )
        return _as_text(left) == _as_text(right)

    # What the functions share

    def arguments(self, argument: Value, count: int, path: str, form: str) -> list[Evaluated]:
        """Return a function's evaluated arguments, which must be `count`: `form` says which."""
        if not isinstance(argument, list) or len(argument) != count:
            raise self.error(f"expected a list of {form}", path)
        return [self.evaluate(each, f"{path}.{i}") for i, each in enumerate(argument)]

    def text(self, value: Evaluated, path: str) -> str:
        """Return a text, or refuse the value."""
        text = text_of(value)
        if text is None:
            found = "nothing" if value is None else type(value).__name__
            raise self.error(f"expected a text, not {found}", path)
        return text

    def whole(self, value: Evaluated, path: str) -> int:
        """Return a whole number, or refuse the value."""
        text = self.text(value, path).strip()
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
        return self.answers.ref(name, path)


def holds_unknown(value: Evaluated) -> bool:
    """Tell whether an Unknown stands anywhere in a value."""
    if isinstance(value, dict):
        return any(holds_unknown(each) for each in value.values())
    if isinstance(value, list):
        return any(holds_unknown(each) for each in value)
    return isinstance(value, Unknown)


def _as_text(value: Evaluated) -> object:
    if isinstance(value, dict):
        return {key: _as_text(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_text(each) for each in value]
    return text_of(value)
