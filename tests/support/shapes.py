"""Whether a value has the shape that botocore's model of EC2 gives it."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from botocore.loaders import create_loader
from botocore.model import OperationModel, ServiceModel, Shape

#: Values that EC2 answers and botocore's model has forgotten: of an attached internet gateway
#: (API reference, InternetGatewayAttachment), and of a VPC endpoint, in small letters.
_FORGOTTEN = {"AttachmentStatus": ("available",), "State": ("available",)}

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "timestamp": (str,),
    "blob": (bytes,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
}


@cache
def model() -> ServiceModel:
    """Return botocore's model of EC2."""
    return ServiceModel(create_loader().load_service_model("ec2", "service-2"))


@cache
def operation(name: str) -> OperationModel:
    """Return botocore's model of an operation."""
    return model().operation_model(name)


def misshapen(value: Any, shape: Shape | None, path: str = "") -> Iterator[str]:
    """Yield what is wrong with a value: unknown members, other types, values that are none.

    Times are ISO 8601 text. None of the members is asked for.
    """
    if shape is None:
        if value:
            yield f"{path}: expected nothing, found {value!r}"
    elif shape.type_name == "structure":
        if not isinstance(value, Mapping):
            yield f"{path}: expected a structure {shape.name}, found {value!r}"
            return
        for key, member in value.items():
            if key not in shape.members:
                yield f"{path}: {shape.name} has no member {key}"
            else:
                yield from misshapen(member, shape.members[key], f"{path}.{key}")
    elif shape.type_name == "list":
        if not isinstance(value, list | tuple):
            yield f"{path}: expected a list {shape.name}, found {value!r}"
            return
        for index, member in enumerate(value):
            yield from misshapen(member, shape.member, f"{path}[{index}]")
    elif shape.type_name in _TYPES:
        is_number = shape.type_name in ("integer", "long", "float", "double")
        if not isinstance(value, _TYPES[shape.type_name]) or (
            is_number and isinstance(value, bool)
        ):
            yield f"{path}: expected {shape.type_name}, found {value!r}"
        elif getattr(shape, "enum", None) and value not in (
            *shape.enum,
            *_FORGOTTEN.get(shape.name, ()),
        ):
            yield f"{path}: {value!r} is none of {shape.name}: {shape.enum[:20]}"
    else:
        raise ValueError(f"{path}: {shape.type_name} is a type nobody thought of")
