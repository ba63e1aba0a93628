"""Requests: the parameters of a query, read as an operation's input shape says.

botocore's `serialize.EC2Serializer` is the other side. A type of shape is read by the function
that `_READERS` has for it; no operation and no parameter is named here. What comes back is what
botocore was given: absent members absent, numbers and booleans as such, times as ISO 8601 text.
"""

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from secgroup.api.model import Service, Shape
from secgroup.errors import Ec2Error, InternalError

#: How much a request may be: parameters, names between the dots of one, digits of a list's index.
PARAMETERS: Final = 10_000
DEPTH: Final = 32
_INDEX: Final = re.compile(r"[1-9][0-9]{0,5}")

#: What parameters of a query mean when they are no member: who signed it, and how.
_ENVELOPE: Final = frozenset(
    {
        "Action",
        "Version",
        "AWSAccessKeyId",
        "Expires",
        "SecurityToken",
        "Signature",
        "SignatureMethod",
        "SignatureVersion",
        "Timestamp",
        "X-Amz-Algorithm",
        "X-Amz-Content-Sha256",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-Security-Token",
        "X-Amz-Signature",
        "X-Amz-SignedHeaders",
    }
)

#: What XML 1.0 cannot carry, so that no answer could say it again.
_UNSPEAKABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

#: A parameter's text, or what stands behind its dots.
Node = str | dict[str, "Node"]
#: Reads a node; the path is the parameter's name, for what is said about it.
Reader = Callable[[Node, str], Any]


def query(text: bytes) -> list[tuple[str, str]]:
    """Return the parameters of a query or a form, in their order.

    Raises
    ------
    Ec2Error
        There are too many, or one is not UTF-8.

    """
    if text.count(b"&") >= PARAMETERS:
        raise Ec2Error("too_many_parameters", limit=PARAMETERS)
    found = []
    for each in text.split(b"&"):
        if not each:
            continue
        name, _, value = each.partition(b"=")
        found.append((_decoded(name), _decoded(value)))
    return found


def _decoded(text: bytes) -> str:
    raw = text.replace(b"+", b" ")
    if b"%" in raw:
        raw = unquote_to_bytes(raw)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Ec2Error("query_not_utf_8") from None


def parse(service: Service, operation: str, parameters: Iterable[tuple[str, str]]) -> Any:
    """Read the parameters of a request as the input of an operation.

    Raises
    ------
    Ec2Error
        A parameter that the operation does not have, one that is not of its type, or none where
        one is required.

    """
    shape = service.operation(operation).input_shape
    members = [each for each in parameters if each[0] not in _ENVELOPE]
    if shape is None:
        for name, _ in members:
            raise Ec2Error("unknown_parameter", name=name)
        return {}
    return _reader(service, shape)(_tree(members), "")


def compile_reader(service: Service, operation: str) -> None:
    """Make what reads an operation's requests, before there is one."""
    shape = service.operation(operation).input_shape
    if shape is not None:
        _reader(service, shape)


def _tree(parameters: Iterable[tuple[str, str]]) -> dict[str, Node]:
    """Return parameters as a tree of the names between their dots."""
    root: dict[str, Node] = {}
    for name, value in parameters:
        *above, last = name.split(".")
        if len(above) >= DEPTH:
            raise Ec2Error("parameter_too_deep", limit=DEPTH)
        node = root
        for part in above:
            below = node.setdefault(part, {})
            if isinstance(below, str):
                raise Ec2Error("parameter_twice", name=name)
            node = below
        if last in node:
            raise Ec2Error("parameter_twice", name=name)
        node[last] = value
    return root


_compiled: Final[dict[tuple[str, str], Reader]] = {}


def _reader(service: Service, shape: Shape) -> Reader:
    """Return what reads a shape, made at its first use."""
    key = (service.name, shape.name)
    found = _compiled.get(key)
    if found is None:
        make = _READERS.get(shape.type_name)
        if make is None:
            raise InternalError(f"no reader for the type {shape.type_name} of {shape.name}")
        found = _compiled[key] = make(service, shape)
    return found


def wire_name(member: str, shape: Shape) -> str:
    """Return how the EC2 protocol spells a member of a request.

    Source: botocore, `serialize.EC2Serializer._get_serialized_name`.
    """
    if "queryName" in shape.serialization:
        return str(shape.serialization["queryName"])
    name = str(shape.serialization.get("name", member))
    return name[0].upper() + name[1:] if "name" in shape.serialization else name


def _missing_name(member: str, shape: Shape) -> str:
    """Return how EC2 names a member that is missing: as its model spells it, not its wire."""
    name = shape.serialization.get("name")
    return str(name) if name is not None else member[0].lower() + member[1:]


def _structure(service: Service, shape: Shape) -> Reader:
    fields = {
        wire_name(member, inner): (member, _reader(service, inner))
        for member, inner in shape.members.items()
    }
    required = {
        member: (_missing_name(member, shape.members[member]), wire_name(member, inner))
        for member, inner in shape.members.items()
        if member in shape.required_members
    }

    def read(node: Node, path: str) -> dict[str, Any]:
        if isinstance(node, str):
            raise Ec2Error("unknown_parameter", name=path)
        found: dict[str, Any] = {}
        prefix = f"{path}." if path else ""
        for name, below in node.items():
            field = fields.get(name)
            if field is None:
                raise Ec2Error("unknown_parameter", name=_first_name(f"{prefix}{name}", below))
            member, reader = field
            found[member] = reader(below, f"{prefix}{name}")
        for member, (top, inner) in required.items():
            if member not in found:
                raise Ec2Error("missing_parameter", name=f"{prefix}{inner}" if path else top)
        return found

    return read


def _first_name(path: str, node: Node) -> str:
    """Return the whole name of the first parameter below a node."""
    while isinstance(node, dict):
        name, node = next(iter(node.items()))
        path = f"{path}.{name}"
    return path


def _list(service: Service, shape: Shape) -> Reader:
    reader = _reader(service, shape.member)

    def read(node: Node, path: str) -> list[Any]:
        if isinstance(node, str):
            # Some clients spell an empty list as an empty text.
            if node == "":
                return []
            raise Ec2Error("unknown_parameter", name=path)
        for index, below in node.items():
            if not _INDEX.fullmatch(index):
                raise Ec2Error("unknown_parameter", name=_first_name(f"{path}.{index}", below))
        return [reader(node[each], f"{path}.{each}") for each in sorted(node, key=int)]

    return read


def _text(node: Node, path: str) -> str:
    if isinstance(node, dict):
        raise Ec2Error("unknown_parameter", name=_first_name(path, node))
    if _UNSPEAKABLE.search(node):
        raise Ec2Error("invalid_character", name=path)
    return node


def _invalid(value: str, path: str, expected: str) -> Ec2Error:
    return Ec2Error("invalid_value", value=value, name=path, expected=expected)


def _string(service: Service, shape: Shape) -> Reader:  # noqa: ARG001
    enum: Sequence[str] = getattr(shape, "enum", ())
    if not enum:
        return _text
    allowed = frozenset(enum)
    expected = f"one of {', '.join(enum)}" if len(enum) <= 12 else "a documented value"

    def read(node: Node, path: str) -> str:
        value = _text(node, path)
        if value not in allowed:
            raise _invalid(value, path, expected)
        return value

    return read


def _whole(bits: int) -> Callable[[Service, Shape], Reader]:
    limit = 1 << (bits - 1)
    pattern = re.compile(r"[+-]?[0-9]{1,19}")

    def make(service: Service, shape: Shape) -> Reader:  # noqa: ARG001
        def read(node: Node, path: str) -> int:
            value = _text(node, path)
            if not pattern.fullmatch(value) or not -limit <= int(value) < limit:
                raise _invalid(value, path, f"a whole number of {bits} bits")
            return int(value)

        return read

    return make


def _fraction(service: Service, shape: Shape) -> Reader:  # noqa: ARG001
    def read(node: Node, path: str) -> float:
        value = _text(node, path)
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise _invalid(value, path, "a number")
        return number

    return read


_TRUTH: Final = {"true": True, "1": True, "false": False, "0": False}


def _boolean(service: Service, shape: Shape) -> Reader:  # noqa: ARG001
    def read(node: Node, path: str) -> bool:
        value = _text(node, path)
        truth = _TRUTH.get(value.lower())
        if truth is None:
            raise _invalid(value, path, "true or false")
        return truth

    return read


_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d([.]\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII
)


def _timestamp(service: Service, shape: Shape) -> Reader:  # noqa: ARG001
    def read(node: Node, path: str) -> str:
        value = _text(node, path)
        try:
            if not _TIME.fullmatch(value):
                raise ValueError
            time = datetime.fromisoformat(value)
            utc = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        except (ValueError, OverflowError):
            raise _invalid(value, path, "a time as ISO 8601 has it") from None
        return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"

    return read


def _blob(service: Service, shape: Shape) -> Reader:  # noqa: ARG001
    def read(node: Node, path: str) -> bytes:
        value = _text(node, path)
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise _invalid("...", path, "Base64") from None

    return read


#: Type of shape -> what makes its reader.
_READERS: Final[dict[str, Callable[[Service, Shape], Reader]]] = {
    "structure": _structure,
    "list": _list,
    "string": _string,
    "integer": _whole(32),
    "long": _whole(64),
    "float": _fraction,
    "double": _fraction,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "blob": _blob,
}
