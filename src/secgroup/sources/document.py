"""A JSON document whose every value knows where it stands.

Owns the reading of bytes, and the questions that readers ask of an object: a text, a number,
a list of objects. A wrong answer is an error with the file and the path in it. Knows nothing of
what the values mean.
"""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, TypeVar
from unicodedata import category

from secgroup.errors import InputError

T = TypeVar("T")

#: What is shown of a value that cannot be used.
_SHOWN: Final = 60


def shown(value: object) -> str:
    """Write a value on one line, cut when it is long."""
    text = ascii(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def decode(content: bytes, *, source: str) -> str:
    """Return the text that bytes in UTF-8, UTF-16 or UTF-32 are.

    Raises
    ------
    InputError
        They are not text.

    """
    try:
        return content.decode(json.detect_encoding(content)).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InputError(
            f"byte {error.start} is not text (expected JSON or YAML in UTF-8)", source=source
        ) from None


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its pairs; the standard library would keep the last of two alike."""
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise InputError(f"the key {shown(twice)} stands twice in one object")
    return found


def parse_json(text: str, *, source: str) -> Any:
    """Return the value that a JSON text spells.

    Raises
    ------
    InputError
        It is not JSON, nested without end, or has a key twice in one object.

    """
    try:
        return json.loads(text, object_pairs_hook=_object_of)
    except json.JSONDecodeError as error:
        raise InputError(
            f"not JSON: {error.msg}", source=source, path=f"line {error.lineno}"
        ) from None
    except InputError as error:
        raise InputError(error.problem, source=source) from None
    except (RecursionError, ValueError):
        raise InputError("JSON nested too deep, or a number too long", source=source) from None


class Node:
    """An object of the document, and the way to it.

    `value` is a dict; null is absent everywhere. Every method raises InputError with the file
    and the path where the value is not of the kind that is asked for.
    """

    __slots__ = ("_parent", "_step", "value")

    def __init__(self, value: Any, parent: "Node | str", step: str = "") -> None:
        self._parent = parent
        self._step = step
        self.value: dict[str, Any] = value
        if type(value) is not dict:
            raise self._wrong("an object", value)

    @property
    def source(self) -> str:
        """The file."""
        node: Node | str = self
        while isinstance(node, Node):
            node = node._parent
        return node

    @property
    def path(self) -> str | None:
        """The way from the top of the file: `SecurityGroups[3].IpPermissions[0]`."""
        steps: list[str] = []
        node: Node | str = self
        while isinstance(node, Node):
            steps.append(node._step)
            node = node._parent
        return ".".join(step for step in reversed(steps) if step) or None

    def error(self, problem: str, key: str | None = None) -> InputError:
        """Return an error about this object, or about its value under `key`."""
        path = ".".join(part for part in (self.path, key) if part is not None)
        return InputError(problem, source=self.source, path=path or None)

    def _wrong(self, expected: str, value: object, key: str | None = None) -> InputError:
        return self.error(f"{shown(value)} is not {expected}", key)

    def _missing(self, key: str) -> InputError:
        return self.error("is missing", key)

    def text_or_none(self, key: str) -> str | None:
        """Return a text; None when it is absent."""
        value = self.value.get(key)
        if value is None:
            return None
        if type(value) is not str or not is_plain(value):
            raise self._wrong("a text", value, key)
        return value

    def free_text(self, key: str) -> str:
        """Return a text that people wrote, on one line; empty when it is absent."""
        value = self.value.get(key)
        if type(value) is not str:
            return self.text_or_none(key) or ""
        return value if is_plain(value) else ascii(value)[1:-1]

    def text(self, key: str) -> str:
        """Return a text that must be there, and not be empty."""
        value = self.text_or_none(key)
        if not value:
            raise self._missing(key)
        return value

    def integer_or_none(self, key: str) -> int | None:
        """Return a whole number; None when it is absent."""
        value = self.value.get(key)
        if value is not None and type(value) is not int:
            raise self._wrong("a whole number", value, key)
        return value

    def integer(self, key: str) -> int:
        """Return a whole number that must be there."""
        value = self.integer_or_none(key)
        if value is None:
            raise self._missing(key)
        return value

    def boolean(self, key: str, *, default: bool) -> bool:
        """Return true or false; `default` when it is absent."""
        value = self.value.get(key)
        if value is None:
            return default
        if type(value) is not bool:
            raise self._wrong("true or false", value, key)
        return value

    def parsed(self, key: str, parse: Callable[[str], T]) -> T:
        """Return what `parse` makes of a text that must be there."""
        return self.used(self.text(key), parse, key)

    def used(self, text: str, parse: Callable[[str], T], key: str | None = None) -> T:
        """Return what `parse` makes of a text; its error gets the place under `key`."""
        try:
            return parse(text)
        except InputError as error:
            raise self.error(error.problem, key) from None

    def parsed_or_none(self, key: str, parse: Callable[[str], T]) -> T | None:
        """Return what `parse` makes of a text; None when it is absent or empty."""
        return self.parsed(key, parse) if self.text_or_none(key) else None

    def _list(self, key: str) -> list[Any]:
        value = self.value.get(key)
        if value is None:
            return []
        if type(value) is not list:
            raise self._wrong("a list", value, key)
        return value

    def nodes(self, key: str) -> list["Node"]:
        """Return the objects of a list; none when it is absent."""
        return [Node(each, self, f"{key}[{index}]") for index, each in enumerate(self._list(key))]

    def node(self, key: str) -> "Node | None":
        """Return an object; None when it is absent."""
        value = self.value.get(key)
        return None if value is None else Node(value, self, key)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the texts of a list; none when it is absent."""
        values = self._list(key)
        for index, value in enumerate(values):
            if type(value) is not str or not value or not is_plain(value):
                raise self._wrong("a text", value, f"{key}[{index}]")
        return tuple(values)


def is_plain(text: str) -> bool:
    """Tell whether a text stays on its line and can be written out again."""
    if text.isprintable():
        return True
    return not any(category(each) in ("Cc", "Cs", "Zl", "Zp") for each in text)
