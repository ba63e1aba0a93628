"""What `Ref` yields without any resource: parameters and pseudo-parameters of a template.

Owns how a parameter's declaration and a given text become a value. A parameter without a
value is no fault until something asks for it; one that is the id of a thing outside of the
template becomes an Unknown.
"""

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from secgroup.errors import InputError
from secgroup.sources.template import Value, plain


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that only a deployment knows; `text` says whose it is."""

    text: str

    def __str__(self) -> str:
        """Write whose value it is."""
        return self.text


class NoValue:
    """What `Ref: AWS::NoValue` yields: the property that holds it is not there."""


NO_VALUE: Final = NoValue()

#: Pseudo-parameters, as a stack in the test account of AWS's documentation has them; each may
#: be given like a parameter. Template Reference, "Pseudo parameters".
PSEUDO_PARAMETERS: Final = {
    "AWS::AccountId": "123456789012",
    "AWS::Region": "us-east-1",
    "AWS::StackName": "stack",
}
_PARTITIONS: Final = {"cn-": ("aws-cn", "amazonaws.com.cn"), "us-gov-": ("aws-us-gov", None)}

_TEXT_TYPES: Final = ("String", "Number", "AWS::SSM::Parameter::Name")
_LIST_TYPES: Final = ("CommaDelimitedList", "List<Number>", "List<String>")
#: A group that repeats without end, or many repetitions one after the other, may take for ever
#: to fail; such a pattern is tried only on short values.
_REPEATED_GROUP: Final = re.compile(r"\)(?:[+*]|\{\d+,\})")
_REPETITION: Final = re.compile(r"[*+]|\{\d*,\}")
_MOST_REPETITIONS: Final = 3
_LONGEST_MATCHED: Final = 256
_LONGEST_REPEATED: Final = 16


def pseudo_parameters(given: Mapping[str, str]) -> dict[str, "str | list[Value] | NoValue"]:
    """Return what each pseudo-parameter is, `given` values first."""
    named = PSEUDO_PARAMETERS | {
        name: text for name, text in given.items() if name.startswith("AWS::")
    }
    region, stack = named["AWS::Region"], named["AWS::StackName"]
    partition, suffix = next(
        (found for start, found in _PARTITIONS.items() if region.startswith(start)), ("aws", None)
    )
    stack_id = (
        f"arn:{partition}:cloudformation:{region}:{named['AWS::AccountId']}:stack/{stack}/"
        "00000000-0000-0000-0000-000000000000"
    )
    return {
        "AWS::Partition": partition,
        "AWS::URLSuffix": suffix or "amazonaws.com",
        "AWS::StackId": stack_id,
        "AWS::NotificationARNs": [],
        **named,
        "AWS::NoValue": NO_VALUE,
    }


def parameter_value(
    name: str, declaration: Value, given: str | None, *, source: str | None
) -> "Value | Unknown":
    """Return what `Ref` of a declared parameter yields.

    Parameters
    ----------
    name : str
        The parameter's logical id.
    declaration : Value
        What stands under its name in `Parameters`.
    given : str or None
        What a person gave for it; None: its default counts.

    Raises
    ------
    InputError
        The declaration is none; the value breaks its constraints; there is no value, and
        the type is not that of something in AWS.

    """
    path = f"Parameters.{name}"
    if not isinstance(declaration, dict) or not isinstance(declaration.get("Type"), str):
        raise InputError("not a parameter with a Type", source=source, path=path)
    kind = str(declaration["Type"]).replace(" ", "")
    if kind.startswith("AWS::SSM::Parameter::Value<"):
        # The template holds the name of a stored value; only a person can say the value.
        inner = kind.removeprefix("AWS::SSM::Parameter::Value<").removesuffix(">")
        return Unknown(name) if given is None else _split(given, inner)
    default = declaration.get("Default")
    text = given if given is not None else _text(default)
    if text is None and isinstance(default, (list, dict)):
        raise InputError("the Default is not a text or a number", source=source, path=path)
    if text is None:
        if kind.startswith(("AWS::", "List<AWS::")) and kind not in _TEXT_TYPES:
            return Unknown(name)
        raise InputError(
            f"the parameter has no value and no default; give it by --parameter {name}=VALUE",
            source=source,
            path=path,
        )
    value = _split(text, kind)
    for each in value if isinstance(value, list) else [value]:
        problem = _broken_constraint(str(each), kind, declaration)
        if problem is not None:
            where = f"--parameter {name}" if given is not None else f"{path}.Default"
            raise InputError(plain(problem), source=source, path=where)
    return value


def _text(value: Value) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else None


def _split(text: str, kind: str) -> Value:
    if kind not in _LIST_TYPES and not kind.startswith("List<"):
        return text
    return [part.strip() for part in text.split(",")] if text.strip() else []


def _broken_constraint(text: str, kind: str, declaration: Mapping[str, Value]) -> str | None:
    allowed = declaration.get("AllowedValues")
    if isinstance(allowed, list) and text not in [_text(each) for each in allowed]:
        listed = ", ".join(str(_text(each)) for each in allowed)
        return f"{text!r} is not allowed; expected one of {listed}"
    if kind in ("Number", "List<Number>"):
        number = _number(text)
        if number is None:
            return f"{text!r} is not a number"
        lowest, highest = (_number(_text(declaration.get(k))) for k in ("MinValue", "MaxValue"))
        if (lowest is not None and number < lowest) or (highest is not None and number > highest):
            return f"{text} is not within {lowest} and {highest}"
        return None
    shortest, longest = (_number(_text(declaration.get(k))) for k in ("MinLength", "MaxLength"))
    length = len(text)
    if (shortest is not None and length < shortest) or (longest is not None and length > longest):
        return f"{text!r} is not of an allowed length"
    pattern = declaration.get("AllowedPattern")
    if isinstance(pattern, str) and not _matches(pattern, text):
        return f"{text!r} does not match {pattern}"
    return None


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _matches(pattern: str, text: str) -> bool:
    is_slow = (
        _REPEATED_GROUP.search(pattern) is not None
        or len(_REPETITION.findall(pattern)) > _MOST_REPETITIONS
    )
    longest = _LONGEST_REPEATED if is_slow else _LONGEST_MATCHED
    if len(text) > longest:
        return True
    try:
        with warnings.catch_warnings(action="error"):
            return re.fullmatch(pattern, text) is not None
    except (re.error, FutureWarning, RecursionError, OverflowError):
        # CloudFormation's patterns are Java's; what Python reads otherwise is not checked.
        return True
