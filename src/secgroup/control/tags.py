"""Tags: what may be one, and the tags that a request gives to what it makes.

Source: EC2 User Guide, "Tag your Amazon EC2 resources", tag restrictions, read 2026-11-20.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from secgroup.control.state import Resource, World
from secgroup.errors import Ec2Error

_KEY_LENGTH: Final = 128
_VALUE_LENGTH: Final = 256


def checked(tags: Iterable[Resource]) -> list[dict[str, str]]:
    """Return tags as they are kept, each with a value.

    Raises
    ------
    Ec2Error
        A key that is empty, too long, reserved or there twice; a value that is too long.

    """
    found: dict[str, str] = {}
    for tag in tags:
        key, value = tag.get("Key"), tag.get("Value") or ""
        if not key:
            raise Ec2Error("tag_without_key")
        if len(key) > _KEY_LENGTH:
            raise Ec2Error("tag_key_too_long", key=key)
        if key.lower().startswith("aws:"):
            raise Ec2Error("tag_key_reserved", key=key)
        if len(value) > _VALUE_LENGTH:
            raise Ec2Error("tag_value_too_long", key=key)
        if key in found:
            raise Ec2Error("tag_key_twice", key=key)
        found[key] = value
    return [{"Key": key, "Value": value} for key, value in found.items()]


def merged(world: World, old: Sequence[Resource], new: Sequence[Resource]) -> list[dict[str, Any]]:
    """Return the tags of a resource after `new` were given to it.

    Raises
    ------
    Ec2Error
        There are too many then.

    """
    by_key = {tag["Key"]: tag["Value"] for tag in (*old, *new)}
    most = world.quota("tags-per-resource")
    if len(by_key) > most:
        raise Ec2Error("too_many_tags", most=most)
    return [{"Key": key, "Value": value} for key, value in by_key.items()]


def tags_of(world: World, request: Resource, resource_type: str) -> list[dict[str, Any]]:
    """Return the tags that `TagSpecifications` gives to what a request makes.

    Raises
    ------
    Ec2Error
        A specification of another type of resource, or a tag that is none.

    """
    found: list[dict[str, str]] = []
    for specification in request.get("TagSpecifications") or ():
        named = specification.get("ResourceType")
        if named != resource_type:
            raise Ec2Error("tag_specification_of_other_type", named=named, expected=resource_type)
        found += specification.get("Tags") or ()
    return merged(world, (), checked(found))
