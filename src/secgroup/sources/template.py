"""A template's text, YAML or JSON, as plain values.

Owns the reading of text within bounds: no key twice, no depth or size without end, no tag
but CloudFormation's. A scalar stays the text that was written, because 1.10 or 022 must come
back as they stood; only null and YAML's words for true and false become values. What the
functions mean is in `intrinsics`; what the resources mean is in `cloudformation`.
"""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from secgroup.errors import InputError
from secgroup.sources.document import is_plain

if TYPE_CHECKING:
    from yaml.events import AliasEvent, Event, ScalarEvent

#: What a template is made of once its text is read.
Value: TypeAlias = "str | bool | list[Value] | dict[str, Value] | None"

MAX_CHARACTERS: Final = 16 * 1024 * 1024
MAX_DEPTH: Final = 100
#: Values in a template, each alias counted as all that it stands for.
MAX_VALUES: Final = 2_000_000

_TRUE: Final = frozenset(
    spelled for word in ("yes", "true", "on") for spelled in (word, word.title(), word.upper())
)
_FALSE: Final = frozenset(
    spelled for word in ("no", "false", "off") for spelled in (word, word.title(), word.upper())
)
_NULL: Final = frozenset(("", "~", "null", "Null", "NULL"))

_YAML_TAG: Final = "tag:yaml.org,2002:"
_PLAIN_TAGS: Final = frozenset(
    _YAML_TAG + name for name in ("str", "int", "float", "bool", "null", "map", "seq")
)
#: Short tags whose long form is not `Fn::` and the tag's name.
_OWN_NAMES: Final = ("Ref", "Condition")
#: Short tags that CloudFormation knows (Template Reference, intrinsic functions and rules).
SHORT_TAGS: Final = (
    *("Ref", "Condition", "GetAtt", "Sub", "Join", "Split", "Select", "FindInMap", "Cidr"),
    *("GetAZs", "ImportValue", "Base64", "Length", "ToJsonString", "Transform", "ForEach"),
    *("If", "Equals", "And", "Or", "Not", "Contains", "EachMemberEquals", "EachMemberIn"),
    *("RefAll", "ValueOf", "ValueOfAll"),
)


def plain(text: str) -> str:
    """Write a text so that it stays on its line, and can be written out."""
    return text if is_plain(text) else ascii(text)[1:-1]


def read_template(text: str, *, source: str | None = None) -> Value:
    """Read YAML, with CloudFormation's short tags in their long form, or JSON.

    Parameters
    ----------
    text : str
        The whole text; JSON when it is an object in braces that JSON can read.
    source : str, optional
        What errors call it.

    Raises
    ------
    InputError
        The text is neither, or has a key twice, an unknown tag, or passes the bounds.

    """
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"a template of over {MAX_CHARACTERS} characters", source=source)
    if text.lstrip().startswith("{"):
        try:
            return _read_json(text, source)
        except json.JSONDecodeError as error:
            try:
                return _read_yaml(text, source)
            except InputError:
                raise InputError(
                    f"not JSON: {error.msg}",
                    source=source,
                    path=f"line {error.lineno}, column {error.colno}",
                ) from None
    return _read_yaml(text, source)


def _read_json(text: str, source: str | None) -> Value:
    def object_of(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for key, value in pairs:
            if key in found:
                raise InputError(f"the key {key!r} stands twice in one object", source=source)
            found[key] = value
        return found

    def refuse(word: str) -> None:
        raise InputError(f"{word} is not a value of JSON", source=source)

    try:
        value: Value = json.loads(
            text,
            object_pairs_hook=object_of,
            parse_int=str,
            parse_float=str,
            parse_constant=refuse,
        )
    except RecursionError:
        raise InputError(f"nested deeper than {MAX_DEPTH} levels", source=source) from None
    _check_bounds(value, source)
    return value


def _check_bounds(value: Value, source: str | None) -> None:
    level: list[Value] = [value]
    count = 0
    for _ in range(MAX_DEPTH + 1):
        count += len(level)
        if count > MAX_VALUES:
            raise InputError(f"more than {MAX_VALUES} values", source=source)
        level = [
            inner
            for each in level
            if isinstance(each, (dict, list))
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise InputError(f"nested deeper than {MAX_DEPTH} levels", source=source)


def _read_yaml(text: str, source: str | None) -> Value:
    import yaml

    # The composers of PyYAML and libyaml recurse without end; only their events are used.
    loader = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader
    try:
        return _YamlReader(yaml.parse(text, Loader=loader), source).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise InputError(
            f"not YAML: {' '.join(str(error.problem or error.context).split())}",
            source=source,
            path=None if mark is None else f"line {mark.line + 1}, column {mark.column + 1}",
        ) from None
    except yaml.YAMLError as error:
        raise InputError(f"not YAML: {' '.join(str(error).split())}", source=source) from None


class _YamlReader:
    """One document, built from its events."""

    def __init__(self, events: "Iterator[Event]", source: str | None) -> None:
        import yaml.events

        self._kinds = yaml.events
        self._events = events
        self._source = source
        self._anchors: dict[str, tuple[Value, int]] = {}
        self._count = 0
        self._depth = 0

    def document(self) -> Value:
        kinds = self._kinds
        value: Value = None
        documents = 0
        for event in self._events:
            if isinstance(event, kinds.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._error("a second document begins; expected one template", event)
                value = self._value(next(self._events))
        if not documents:
            raise InputError("empty; expected a template", source=self._source)
        return value

    def _error(self, problem: str, event: "Event") -> InputError:
        mark = event.start_mark
        path = None if mark is None else f"line {mark.line + 1}"
        return InputError(plain(problem), source=self._source, path=path)

    def _value(self, event: "Event") -> Value:
        kinds = self._kinds
        if isinstance(event, kinds.AliasEvent):
            return self._alias(event)
        self._count += 1
        self._check_count(event)
        if self._depth >= MAX_DEPTH:
            raise self._error(f"nested deeper than {MAX_DEPTH} levels", event)
        before = self._count
        self._depth += 1
        value: Value
        if isinstance(event, kinds.ScalarEvent):
            value = self._scalar(event)
        elif isinstance(event, kinds.SequenceStartEvent):
            value = self._sequence()
        else:
            value = self._mapping()
        self._depth -= 1
        if not isinstance(event, (kinds.ScalarEvent, kinds.CollectionStartEvent)):
            raise self._error("expected a value", event)
        if event.tag is not None and event.tag not in _PLAIN_TAGS:
            value = self._tagged(value, event.tag, event)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._count - before + 1)
        return value

    def _check_count(self, event: "Event") -> None:
        if self._count > MAX_VALUES:
            raise self._error(f"more than {MAX_VALUES} values, aliases expanded", event)

    def _alias(self, event: "AliasEvent") -> Value:
        anchor = str(event.anchor)
        if anchor not in self._anchors:
            raise self._error(f"the alias *{anchor} has no complete anchor before it", event)
        value, count = self._anchors[anchor]
        self._count += count
        self._check_count(event)
        return value

    def _scalar(self, event: "ScalarEvent") -> Value:
        text: str = event.value
        if event.tag is None and event.implicit[0]:
            if text in _NULL:
                return None
            if text in _TRUE or text in _FALSE:
                return text in _TRUE
        return text

    def _sequence(self) -> list[Value]:
        found: list[Value] = []
        while not isinstance(event := next(self._events), self._kinds.SequenceEndEvent):
            found.append(self._value(event))
        return found

    def _mapping(self) -> dict[str, Value]:
        found: dict[str, Value] = {}
        merged: list[Mapping[str, Value]] = []
        while not isinstance(event := next(self._events), self._kinds.MappingEndEvent):
            if not isinstance(event, self._kinds.ScalarEvent):
                raise self._error("a key that is not a word; expected `Name: value`", event)
            key: str = event.value
            value = self._value(next(self._events))
            if key == "<<" and event.implicit[0]:
                for each in value if isinstance(value, list) else [value]:
                    if not isinstance(each, dict):
                        raise self._error("<< merges mappings, and this is none", event)
                    merged.append(each)
            elif key in found:
                raise self._error(f"the key {key!r} stands twice in one mapping", event)
            else:
                found[key] = value
        for mapping in merged:
            for key, value in mapping.items():
                found.setdefault(key, value)
        return found

    def _tagged(self, value: Value, tag: str, event: "Event") -> dict[str, Value]:
        name = tag.removeprefix("!")
        if not tag.startswith("!") or name not in SHORT_TAGS:
            raise self._error(f"the tag {tag} is none of CloudFormation's", event)
        if name == "GetAtt" and isinstance(value, str) and "." in value:
            resource, _, attribute = value.partition(".")
            value = [resource, attribute]
        return {name if name in _OWN_NAMES else f"Fn::{name}": value}
