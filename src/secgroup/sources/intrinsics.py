"""CloudFormation's functions, each as a function of its scope, its argument and its place.

Conditions are functions too, but they yield a truth: they are in `scope`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, ip_network
from itertools import islice
from typing import Final

from secgroup.sources.parameters import NoValue, Unknown
from secgroup.sources.references import VARIABLE, parts_of_sub
from secgroup.sources.scope import DYNAMIC, Evaluated, Function, Scope, holds_unknown, text_of
from secgroup.sources.template import Value

#: Zones of a region, by letter; `GetAZs` yields all of them, so that no `Select` runs out.
ZONE_LETTERS: Final = "abcdef"

#: The longest text that a function may make: CloudFormation takes no template over 1 MB.
MAX_TEXT: Final = 1 << 20


def _joined(scope: Scope, parts: Sequence[str], delimiter: str, path: str) -> str:
    """Join texts, unless functions inside of functions have made them grow without end."""
    if sum(map(len, parts)) + len(delimiter) * len(parts) > MAX_TEXT:
        raise scope.error(f"a text of over {MAX_TEXT} characters", path)
    return delimiter.join(parts)


def _ref(scope: Scope, argument: Value, path: str) -> Evaluated | NoValue:
    if not isinstance(argument, str):
        raise scope.error("expected the name of a parameter or a resource", path)
    return scope.named(argument, path)


def _get_att(scope: Scope, argument: Value, path: str) -> Evaluated:
    if isinstance(argument, str):
        argument = list(argument.split(".", 1))
    if not isinstance(argument, list) or len(argument) != 2:
        raise scope.error("expected a resource and an attribute", path)
    attribute = scope.evaluate(argument[1], f"{path}.1")
    if not isinstance(argument[0], str) or not isinstance(attribute, str):
        raise scope.error("expected a resource and an attribute", path)
    return scope.answers.attribute(argument[0], attribute, path)


def _sub(scope: Scope, argument: Value, path: str) -> Evaluated:
    template, variables = parts_of_sub(argument)
    if template is None:
        raise scope.error("expected a text, or a list of a text and its variables", path)
    parts: list[str] = []
    unknown = DYNAMIC in template
    values: dict[str, Evaluated] = {}
    end = 0
    for match in VARIABLE.finditer(template):
        parts.append(template[end : match.start()])
        end = match.end()
        name = match[1].strip()
        if name.startswith("!"):
            parts.append("${" + name[1:] + "}")
            continue
        if name not in values:
            values[name] = _variable(scope, name, variables, path)
        value = values[name]
        unknown = unknown or isinstance(value, Unknown)
        parts.append(value.text if isinstance(value, Unknown) else scope.text(value, path))
    text = _joined(scope, [*parts, template[end:]], "", path)
    return Unknown(text) if unknown else text


def _variable(scope: Scope, name: str, variables: Mapping[str, Value], path: str) -> Evaluated:
    if name in variables:
        return scope.evaluate(variables[name], f"{path}.1.{name}")
    resource, dot, attribute = name.partition(".")
    if dot:
        return scope.answers.attribute(resource, attribute, path)
    found = scope.named(name, path)
    return None if isinstance(found, NoValue) else found


def _join(scope: Scope, argument: Value, path: str) -> Evaluated:
    delimiter, parts = scope.arguments(argument, 2, path, "a delimiter and a list")
    if isinstance(parts, Unknown):
        return parts
    if not isinstance(parts, list):
        raise scope.error("expected a list to join", f"{path}.1")
    texts = [
        each.text if isinstance(each, Unknown) else scope.text(each, f"{path}.1.{i}")
        for i, each in enumerate(parts)
    ]
    joined = _joined(scope, texts, scope.text(delimiter, f"{path}.0"), path)
    return Unknown(joined) if holds_unknown(parts) else joined


def _split(scope: Scope, argument: Value, path: str) -> Evaluated:
    delimiter, whole = scope.arguments(argument, 2, path, "a delimiter and a text")
    if isinstance(whole, Unknown):
        return whole
    separator = scope.text(delimiter, f"{path}.0")
    if not separator:
        raise scope.error("expected a delimiter, not an empty text", f"{path}.0")
    return [*scope.text(whole, f"{path}.1").split(separator)]


def _select(scope: Scope, argument: Value, path: str) -> Evaluated:
    index, choices = scope.arguments(argument, 2, path, "an index and a list")
    if isinstance(index, Unknown):
        return Unknown(f"one of {choices}"[:80])
    number = scope.whole(index, f"{path}.0")
    if isinstance(choices, Unknown):
        return Unknown(f"{choices.text}[{number}]")
    if not isinstance(choices, list):
        raise scope.error("expected a list to select from", f"{path}.1")
    if number >= len(choices):
        raise scope.error(f"there is no index {number} in {len(choices)} values", path)
    return choices[number]


def _find_in_map(scope: Scope, argument: Value, path: str) -> Evaluated | NoValue:
    if not isinstance(argument, list) or len(argument) not in (3, 4):
        raise scope.error("expected a map, a top key and a second key", path)
    keys = [scope.evaluate(each, f"{path}.{i}") for i, each in enumerate(argument[:3])]
    fallback = argument[3] if len(argument) == 4 else None
    if any(isinstance(key, Unknown) for key in keys):
        return Unknown(".".join(map(str, keys)))
    texts = [scope.text(key, f"{path}.{i}") for i, key in enumerate(keys)]
    found: Value = scope.mappings
    for text in texts:
        found = found.get(text) if isinstance(found, dict) else None
    if found is not None:
        # No function stands in Mappings (Template Reference), and none is evaluated.
        for each in found if isinstance(found, list) else [found]:
            if text_of(each) is None:
                raise scope.error("expected a text or a list of texts in Mappings", path)
        return scope.evaluate(found, path)
    if isinstance(fallback, dict) and "DefaultValue" in fallback:
        return scope.value(fallback["DefaultValue"], f"{path}.3.DefaultValue")
    raise scope.error(f"there is no {'.'.join(texts)} in Mappings", path)


def _cidr(scope: Scope, argument: Value, path: str) -> Evaluated:
    block, count, bits = scope.arguments(argument, 3, path, "a block, a count and cidrBits")
    if isinstance(block, Unknown):
        return block
    if isinstance(count, Unknown) or isinstance(bits, Unknown):
        raise scope.error("expected a count and cidrBits that are known", path)
    number, host_bits = scope.whole(count, f"{path}.1"), scope.whole(bits, f"{path}.2")
    text = scope.text(block, f"{path}.0")
    try:
        whole = ip_network(text, strict=False)
    except ValueError:
        raise scope.error(f"{text!r} is not a CIDR block", f"{path}.0") from None
    length = (32 if isinstance(whole, IPv4Network) else 128) - host_bits
    if not 1 <= number <= 256:
        raise scope.error(f"a count of {number} is not within 1 and 256", f"{path}.1")
    if length < whole.prefixlen or 2 ** (length - whole.prefixlen) < number:
        raise scope.error(f"{number} blocks of /{length} do not fit into {whole}", path)
    return [str(each) for each in islice(whole.subnets(new_prefix=length), number)]


def _if(scope: Scope, argument: Value, path: str) -> Evaluated | NoValue:
    if not isinstance(argument, list) or len(argument) != 3:
        raise scope.error("expected a condition and two values", path)
    if isinstance(argument[0], str):
        chosen = 1 if scope.condition(argument[0], f"{path}.0") else 2
    else:
        chosen = 1 if scope.holds(argument[0], f"{path}.0") else 2
    return scope.value(argument[chosen], f"{path}.{chosen}")


def _get_azs(scope: Scope, argument: Value, path: str) -> Evaluated:
    region = scope.evaluate(argument, path)
    if isinstance(region, Unknown):
        return region
    name = text_of(region) or str(scope.pseudo["AWS::Region"])
    return [f"{name}{letter}" for letter in ZONE_LETTERS]


def _import_value(scope: Scope, argument: Value, path: str) -> Evaluated:
    name = scope.evaluate(argument, path)
    if isinstance(name, Unknown):
        return name
    text = scope.text(name, path)
    if text not in scope.imports:
        raise scope.error(
            f"the value of the export {text} is not known; give it by --import {text}=VALUE",
            path,
        )
    return scope.imports[text]


def _base64(scope: Scope, argument: Value, path: str) -> Evaluated:
    value = scope.evaluate(argument, path)
    if isinstance(value, Unknown):
        return value
    text = scope.text(value, path)
    return _joined(scope, [base64.b64encode(text.encode("utf-8", "replace")).decode()], "", path)


def _length(scope: Scope, argument: Value, path: str) -> Evaluated:
    value = scope.evaluate(argument, path)
    if isinstance(value, Unknown):
        return value
    if not isinstance(value, list):
        raise scope.error("expected a list", path)
    return str(len(value))


def _to_json_string(scope: Scope, argument: Value, path: str) -> Evaluated:
    value = scope.evaluate(argument, path)
    if holds_unknown(value):
        return Unknown("Fn::ToJsonString")
    parts: list[str] = []
    length = 0
    for part in json.JSONEncoder(separators=(",", ":")).iterencode(value):
        parts.append(part)
        length += len(part)
        if length > MAX_TEXT:
            break
    return _joined(scope, parts, "", path)


def _transform(_scope: Scope, _argument: Value, _path: str) -> Evaluated:
    return Unknown("Fn::Transform")


FUNCTIONS: Final[Mapping[str, Function]] = {
    "Ref": _ref,
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::Split": _split,
    "Fn::Select": _select,
    "Fn::FindInMap": _find_in_map,
    "Fn::Cidr": _cidr,
    "Fn::If": _if,
    "Fn::GetAZs": _get_azs,
    "Fn::ImportValue": _import_value,
    "Fn::Base64": _base64,
    "Fn::Length": _length,
    "Fn::ToJsonString": _to_json_string,
    "Fn::Transform": _transform,
}
