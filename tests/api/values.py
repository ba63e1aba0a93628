"""Values by the shape that botocore gives them, made from a seed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

#: Texts that are hard to carry: markup, separators, line ends, other planes, leading blanks.
TEXTS = (
    "a",
    "web",
    "a b+c&d=e;f%20g",
    "<item>&amp;</item>",
    "\"quoted\" and 'so'",
    " before and after ",
    "two\nlines\tand a tab\r",
    "größer 漢字 \U0001f512",
    "0",
    "true",
    ".",
)


#: Texts that mean something to some operation.
MEANT = (
    "tcp",
    "-1",
    "58",
    "6",
    "10.0.0.0/8",
    "10.0.1.7/32",
    "172.31.0.0/20",
    "172.31.0.9",
    "2001:db8::/32",
    "0.0.0.0/0",
    "vpc-id",
    "tag:a",
    "default",
    "*",
    "eu-west-1a",
    "allow",
)


def made(shape: Any, random: Random, *, fullness: float = 0.7, texts: Sequence[str] = TEXTS) -> Any:
    """A value of a shape; it is never empty, because the wire does not say what is empty.

    Times are text as EC2 writes them.
    """
    kind = shape.type_name
    if kind == "structure":
        names = [
            each
            for each in shape.members
            if each in shape.required_members or random.random() < fullness
        ]
        names = names or list(shape.members)[:1]
        found = {each: made(shape.members[each], random, fullness=fullness * 0.7) for each in names}
        return {name: value for name, value in found.items() if value not in ({}, [])}
    if kind == "list":
        count = random.choice((1, 1, 2, 11))
        items = [
            made(shape.member, random, fullness=fullness * 0.5, texts=texts) for _ in range(count)
        ]
        return [each for each in items if each not in ({}, [])]
    if kind == "string" and not shape.enum:
        return random.choice(texts)
    return _SCALARS[kind](shape, random)


def _time(shape: Any, random: Random) -> str:
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=random.randrange(1 << 33))
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z")


_SCALARS = {
    "string": lambda shape, random: random.choice(shape.enum),
    "integer": lambda shape, random: random.choice(
        (0, 5, -1, 22, 65535, (1 << 31) - 1, -(1 << 31))
    ),
    "long": lambda shape, random: random.choice((0, -1, (1 << 63) - 1, -(1 << 63))),
    "float": lambda shape, random: random.choice((0.0, -1.5, 1e-9, 3.25e20)),
    "double": lambda shape, random: random.choice((0.0, -1.5, 1e-9, 3.25e20)),
    "boolean": lambda shape, random: random.random() < 0.5,
    "timestamp": _time,
    "blob": lambda shape, random: bytes(random.randrange(256) for _ in range(7)),
}
