"""A request without a member that its shape requires: told before an operation sees it."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from botocore.serialize import EC2Serializer
from botocore.utils import percent_encode_sequence

from secgroup.api.model import ec2
from secgroup.api.operations import OPERATIONS
from secgroup.api.parse import parse, query
from tests.api.values import made
from tests.support.worlds import refused


def spoiled(shape: Any, value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every request that is `value` without one of its required members, with its path."""
    if shape.type_name == "structure":
        for name in value:
            rest = {each: value[each] for each in value if each != name}
            # What has no member at all is not on the wire.
            if name in shape.required_members and (rest or not path):
                yield f"{path}.{name}", rest
            for where, inner in spoiled(shape.members[name], value[name], f"{path}.{name}"):
                yield where, {**value, name: inner}
    elif shape.type_name == "list" and value:
        for where, inner in spoiled(shape.member, value[0], f"{path}.1"):
            yield where, [inner, *value[1:]]


SHAPES = {name: ec2().operation(name).input_shape for name in sorted(OPERATIONS)}
FOUND = [
    (name, where, request)
    for name, shape in SHAPES.items()
    if shape is not None
    for where, request in spoiled(shape, made(shape, Random(name), fullness=2.0))
]


@pytest.mark.semantics("ec2-error-parameters")
@pytest.mark.parametrize(
    ("name", "where", "request_"), FOUND, ids=[name + where for name, where, _ in FOUND]
)
def test_request_without_a_required_member_is_refused(
    name: str, where: str, request_: dict[str, Any]
) -> None:
    body = EC2Serializer().serialize_to_request(request_, ec2().operation(name))["body"]
    parameters = query(percent_encode_sequence(body).encode())
    with refused("missing_parameter"):
        parse(ec2(), name, parameters)


def test_every_operation_that_requires_something_is_held_to_it() -> None:
    asked = {name for name, shape in SHAPES.items() if shape is not None and shape.required_members}
    assert asked == {name for name, where, _ in FOUND if where.count(".") == 1}
    assert len(asked) > 60
