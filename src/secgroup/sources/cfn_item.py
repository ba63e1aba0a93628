"""A mapping of properties in a template, read as the kinds of value that are expected.

Owns what CloudFormation accepts for a text, a number, a truth value, a list; a wrong one is an
error with its path. Names the properties that are not modelled to the stack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import TYPE_CHECKING, TypeVar, cast

from secgroup.errors import InputError
from secgroup.net.address import Address, Prefix, parse_address, parse_prefix
from secgroup.sources.cfn_properties import PROPERTIES, Use
from secgroup.sources.parameters import Unknown
from secgroup.sources.scope import Evaluated, text_of
from secgroup.sources.template import Value, plain

if TYPE_CHECKING:
    from secgroup.sources.cfn_stack import Stack

T = TypeVar("T")


class Item:
    """A mapping of properties: a resource's own, or one inside of them.

    Parameters
    ----------
    path : str
        Where the mapping stands in the template.
    place : str
        What its property names begin with in the table of its type, such as
        `SecurityGroupIngress[].`.

    """

    __slots__ = ("_mapping", "_place", "_stack", "kind", "path")

    def __init__(
        self,
        stack: Stack,
        kind: str,
        mapping: Mapping[str, Evaluated] | Mapping[str, Value],
        path: str,
        place: str,
    ) -> None:
        self._stack = stack
        self._mapping = mapping
        self._place = place
        self.kind = kind
        self.path = path
        table = PROPERTIES.get(kind, {})
        for name in mapping:
            if table.get(place + name, Use.NOT_MODELLED) is Use.NOT_MODELLED:
                stack.not_modelled.setdefault((kind, place + name), []).append(f"{path}.{name}")

    def error(self, problem: str, name: str | None = None) -> InputError:
        """Return the error about this mapping, or about a property of it."""
        path = self.path if name is None else f"{self.path}.{name}"
        return self._stack.error(problem, path)

    def get(self, name: str) -> Evaluated:
        """Return the evaluated property, None when it is not there."""
        value = self._mapping.get(name)
        if self._place:
            return cast("Evaluated", value)
        return self._stack.scope.evaluate(cast("Value", value), f"{self.path}.{name}")

    def text(self, name: str) -> str | Unknown | None:
        """Return a text; a number and a truth value are texts too."""
        return self._text(self.get(name), name)

    def _text(self, value: Evaluated, name: str) -> str | Unknown | None:
        if isinstance(value, Unknown):
            return Unknown(plain(value.text))
        text = text_of(value)
        if value is not None and (text is None or text != plain(text)):
            raise self.error("expected a text on one line", name)
        return text

    def required(self, name: str) -> str | Unknown:
        """Return a text that must be there."""
        value = self.text(name)
        if value is None:
            raise self.error(f"{self.kind} needs {name}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a truth value, as CloudFormation reads it: `true` and `'True'` alike."""
        value = self.text(name)
        if value is None:
            return default
        if isinstance(value, Unknown) or value.lower() not in ("true", "false"):
            raise self.error(f"expected true or false, not {value}", name)
        return value.lower() == "true"

    def number(self, name: str) -> int | None:
        """Return a whole number; `'22'` and 22 are alike."""
        value = self.text(name)
        if value is None:
            return None
        if isinstance(value, Unknown):
            raise self.error(f"only a deployment knows {value}; expected a number", name)
        digits = value.strip().removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
            raise self.error(f"expected a whole number, not {value[:40]!r}", name)
        return int(value)

    def unknown(self, *names: str) -> Unknown | None:
        """Return the first of these properties that only a deployment knows."""
        values = (self.text(name) for name in names)
        return next((value for value in values if isinstance(value, Unknown)), None)

    def prefix(self, name: str) -> Prefix | Unknown | None:
        """Return a CIDR block; host bits are zeroed."""
        value = self.text(name)
        if value is None or isinstance(value, Unknown):
            return value
        return self.parsed(parse_prefix, value, name)

    def address(self, name: str) -> Address | Unknown | None:
        """Return an address."""
        value = self.text(name)
        if value is None or isinstance(value, Unknown):
            return value
        return self.parsed(parse_address, value, name)

    def parsed(self, parse: Callable[[str], T], value: str, name: str) -> T:
        """Return what `parse` makes of a property's text, with its place in the error."""
        try:
            return parse(value)
        except InputError as error:
            raise self.error(error.problem, name) from None

    def id_of(self, name: str, *kinds: str) -> str | None:
        """Return the id of a resource of these types, or of something outside."""
        value = self.text(name)
        if value is None:
            return None
        return self._stack.resource_id(value, *kinds, path=f"{self.path}.{name}")

    def required_id(self, name: str, *kinds: str) -> str:
        """Return an id that must be there."""
        self.required(name)
        return str(self.id_of(name, *kinds))

    def ids_of(self, name: str, *kinds: str) -> list[str]:
        """Return a list of ids, empty when it is not there."""
        return [
            self._stack.resource_id(value, *kinds, path=f"{self.path}.{name}.{i}")
            for i, value in enumerate(self.texts(name))
        ]

    def texts(self, name: str) -> list[str | Unknown]:
        """Return a list of texts, empty when it is not there."""
        value = self.get(name)
        if value is None:
            return []
        if isinstance(value, Unknown):
            return [value]
        if not isinstance(value, list):
            raise self.error("expected a list", name)
        found: list[str | Unknown] = []
        for i, each in enumerate(value):
            text = self._text(each, f"{name}.{i}")
            if text is None:
                raise self.error("expected a text", f"{name}.{i}")
            found.append(text)
        return found

    def items(self, name: str) -> list[Item]:
        """Return a list of mappings, empty when it is not there; one alone counts as a list."""
        value = self.get(name)
        if value is None:
            return []
        found: list[Item] = []
        for i, each in enumerate(value if isinstance(value, list) else [value]):
            path = f"{self.path}.{name}.{i}" if isinstance(value, list) else f"{self.path}.{name}"
            if isinstance(each, Unknown):
                self._stack.warn(f"{path}: left out, not known here")
                continue
            if not isinstance(each, dict):
                raise self._stack.error("expected a mapping of properties", path)
            found.append(Item(self._stack, self.kind, each, path, f"{self._place}{name}[]."))
        return found

    def item(self, name: str) -> Item | None:
        """Return a mapping inside of this one."""
        value = self.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.error("expected a mapping of properties", name)
        return Item(self._stack, self.kind, value, f"{self.path}.{name}", f"{self._place}{name}.")

    @property
    def names(self) -> tuple[str, ...]:
        """The value of the Name tag, if there is one."""
        return tuple(
            plain(value.strip())
            for tag in self.items("Tags")
            if tag.get("Key") == "Name" and isinstance(value := tag.get("Value"), str)
        )


def ipv4_only(item: Item, name: str) -> IPv4Network | Unknown | None:
    """Return an IPv4 block of a property."""
    block = item.prefix(name)
    if isinstance(block, IPv6Network):
        raise item.error(f"{block} is not an IPv4 block", name)
    return block


def ipv6_only(item: Item, name: str) -> IPv6Network | Unknown | None:
    """Return an IPv6 block of a property."""
    block = item.prefix(name)
    if isinstance(block, IPv4Network):
        raise item.error(f"{block} is not an IPv6 block", name)
    return block


def known_ipv4(item: Item, value: str | Unknown, name: str) -> IPv4Address:
    """Return the IPv4 address that `value`, of the property `name`, spells."""
    if isinstance(value, Unknown):
        raise item.error(f"only a deployment knows {value}; expected an address", name)
    try:
        return IPv4Address(value)
    except ValueError:
        raise item.error(f"{value!r} is not an IPv4 address", name) from None
