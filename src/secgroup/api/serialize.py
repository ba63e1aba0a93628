"""Answers: a result as the XML that an operation's output shape says, and errors.

botocore's `parsers.EC2QueryParser` is the other side. A type of shape is written by the function
that `_WRITERS` has for it, compiled once for each shape; no operation is named here. A result that
is not of its shape is our fault: `InternalError`.

A resource is never changed in place, so the text of a large one is kept for as long as it is the
same object.
"""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from secgroup.api.model import Service, Shape
from secgroup.errors import InternalError

#: A value as the XML between its tags.
Writer = Callable[[Any], str]

_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
#: What text may not have as it is: markup, what a parser would make a newline of, and what XML
#: cannot carry at all.
_SPECIAL: Final = re.compile("[^\t\n\x20-%'-;=?-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPELLED: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


def escaped(text: str) -> str:
    """Return text as it stands between tags; what XML cannot carry is a replacement character."""
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(lambda found: _SPELLED.get(found[0], "\ufffd"), text)


def answer(service: Service, operation: str, result: Mapping[str, Any], request_id: str) -> bytes:
    """Return the body of an answer.

    Raises
    ------
    InternalError
        The result is not of the operation's output shape.

    """
    envelope = _ENVELOPES.get(service.protocol)
    if envelope is None:
        raise InternalError(f"no answers in the protocol {service.protocol}")
    shape = service.operation(operation).output_shape
    if shape is None:
        if result.keys() - {"Return"}:
            raise InternalError(f"{operation} has no result")
        inner = "<return>true</return>"
    else:
        try:
            inner = _result_writer(service, shape)(result)
        except (TypeError, AttributeError) as error:
            raise InternalError(f"the result of {operation} is not of its shape: {error}") from None
    return envelope(service, operation, inner, request_id).encode()


def compile_writer(service: Service, operation: str) -> None:
    """Make what writes an operation's results, before there is one."""
    shape = service.operation(operation).output_shape
    if shape is not None:
        _result_writer(service, shape)


def _ec2_answer(service: Service, operation: str, inner: str, request_id: str) -> str:
    return (
        f'{_HEAD}<{operation}Response xmlns="{service.namespace}/">'
        f"<requestId>{request_id}</requestId>{inner}</{operation}Response>"
    )


def _query_answer(service: Service, operation: str, inner: str, request_id: str) -> str:
    return (
        f'{_HEAD}<{operation}Response xmlns="{service.namespace}">'
        f"<{operation}Result>{inner}</{operation}Result><ResponseMetadata>"
        f"<RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    )


def error(protocol: str, *, code: str, message: str, status: int, request_id: str) -> bytes:
    """Return the body of an error, as the services of a protocol write it."""
    what = f"<Code>{escaped(code)}</Code><Message>{escaped(message)}</Message>"
    if protocol == "ec2":
        text = (
            f"{_HEAD}<Response><Errors><Error>{what}</Error></Errors>"
            f"<RequestID>{request_id}</RequestID></Response>"
        )
    else:
        whose = "Sender" if status < 500 else "Receiver"
        text = (
            f"{_HEAD}<ErrorResponse><Error><Type>{whose}</Type>{what}</Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    return text.encode()


_ENVELOPES: Final[dict[str, Callable[[Service, str, str, str], str]]] = {
    "ec2": _ec2_answer,
    "query": _query_answer,
}


class Texts:
    """What resources are as text, by which object they are; the oldest give way to new ones.

    Parameters
    ----------
    limit : int
        How many characters are kept.
    least : int
        How long a text must be to be worth it.

    """

    def __init__(self, *, limit: int, least: int) -> None:
        self._limit = limit
        self._least = least
        self._size = 0
        # The value is kept with its text: no other object can have its id as long as it is here.
        self._kept: dict[int, tuple[object, str]] = {}

    def text(self, value: object, writer: Writer) -> str:
        """Return the text of a value."""
        kept = self._kept.get(id(value))
        if kept is not None:
            return kept[1]
        text = writer(value)
        if len(text) >= self._least:
            self._kept[id(value)] = (value, text)
            self._size += len(text)
            while self._size > self._limit:
                _, oldest = self._kept.pop(next(iter(self._kept)))
                self._size -= len(oldest)
        return text


_texts: Final = Texts(limit=64 << 20, least=1000)

_compiled: Final[dict[tuple[str, str], Writer]] = {}


def _result_writer(service: Service, shape: Shape) -> Writer:
    """Return what writes a whole result: its lists are where kept resources stand."""
    key = (service.name, f"result {shape.name}")
    found = _compiled.get(key)
    if found is None:
        found = _compiled[key] = _structure(service, shape, _resources)
    return found


def _resources(service: Service, shape: Shape) -> Writer:
    """Return what writes a member of a result."""
    if shape.type_name != "list" or shape.member.type_name != "structure":
        return _writer(service, shape)
    writer = _writer(service, shape.member)
    return _list_of(service, shape, lambda value: _texts.text(value, writer))


def _writer(service: Service, shape: Shape) -> Writer:
    """Return what writes a shape, made at its first use."""
    key = (service.name, shape.name)
    found = _compiled.get(key)
    if found is None:
        make = _WRITERS.get(shape.type_name)
        if make is None:
            raise InternalError(f"no writer for the type {shape.type_name} of {shape.name}")
        found = _compiled[key] = make(service, shape)
    return found


def _structure(
    service: Service, shape: Shape, of: Callable[[Service, Shape], Writer] = _writer
) -> Writer:
    fields = {}
    for member, inner in shape.members.items():
        tag = inner.serialization.get("name", member)
        fields[member] = (f"<{tag}>", f"</{tag}>", of(service, inner))
    name = shape.name

    def write(value: Mapping[str, Any]) -> str:
        parts = []
        for member, item in value.items():
            if item is None:
                continue
            field = fields.get(member)
            if field is None:
                raise InternalError(f"{name} has no member {member}")
            opening, closing, writer = field
            parts.append(opening + writer(item) + closing)
        return "".join(parts)

    return write


def _list(service: Service, shape: Shape) -> Writer:
    return _list_of(service, shape, _writer(service, shape.member))


def _list_of(service: Service, shape: Shape, writer: Writer) -> Writer:
    tag = shape.member.serialization.get("name", "item" if service.protocol == "ec2" else "member")
    opening, between, closing = f"<{tag}>", f"</{tag}><{tag}>", f"</{tag}>"

    def write(value: Sequence[Any]) -> str:
        if not value:
            return ""
        if isinstance(value, str | Mapping):
            raise TypeError("text or a structure where a list is expected")
        return opening + between.join(map(writer, value)) + closing

    return write


def _string(service: Service, shape: Shape) -> Writer:  # noqa: ARG001
    return escaped


def _whole(service: Service, shape: Shape) -> Writer:  # noqa: ARG001
    def write(value: int) -> str:
        if type(value) is not int:
            raise TypeError(f"{value!r} where a whole number is expected")
        return str(value)

    return write


def _fraction(service: Service, shape: Shape) -> Writer:  # noqa: ARG001
    def write(value: float) -> str:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{value!r} where a number is expected")
        return repr(float(value))

    return write


def _boolean(service: Service, shape: Shape) -> Writer:  # noqa: ARG001
    def write(value: bool) -> str:  # noqa: FBT001
        if not isinstance(value, bool):
            raise TypeError(f"{value!r} where true or false is expected")
        return "true" if value else "false"

    return write


def _blob(service: Service, shape: Shape) -> Writer:  # noqa: ARG001
    def write(value: bytes) -> str:
        return base64.b64encode(value).decode("ascii")

    return write


#: Type of shape -> what makes its writer. Times are kept as the text that EC2 writes.
_WRITERS: Final[dict[str, Callable[[Service, Shape], Writer]]] = {
    "structure": _structure,
    "list": _list,
    "string": _string,
    "integer": _whole,
    "long": _whole,
    "float": _fraction,
    "double": _fraction,
    "boolean": _boolean,
    "timestamp": _string,
    "blob": _blob,
}
