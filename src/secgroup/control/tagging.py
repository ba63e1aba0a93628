"""CreateTags, DeleteTags and DescribeTags, for every kind that has tags. What a tag is: `tags`."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

from secgroup.control.describe import Describe, describe
from secgroup.control.peering_blocks import tags_of_side
from secgroup.control.state import Kind, Resource, Row, World
from secgroup.control.tags import checked, merged
from secgroup.errors import Ec2Error

#: How many resources one request may name (API Reference, CreateTags and DeleteTags).
_RESOURCES_MAX: Final = 1000
#: A tag is numbered by its resource and its key, so that a page's token outlives other tags: by so
#: many bytes of the key, and of its digest, as most keys are told apart by the first.
_KEY_BYTES: Final = 16
_DIGEST_BYTES: Final = 4


def _tagged(world: World, request: Resource) -> list[tuple[Kind, Resource]]:
    """Return the resources that a request names, each with its kind.

    Raises
    ------
    Ec2Error
        One of them is not there, or is of no kind that has tags; they are too many, or none.

    """
    ids = list(dict.fromkeys(request.get("Resources") or ()))
    if not ids:
        raise Ec2Error("missing_parameter", name="resourceIdSet")
    if len(ids) > _RESOURCES_MAX:
        raise Ec2Error("too_many_resources", most=_RESOURCES_MAX)
    kinds = {
        kind.prefix: kind
        for kind in world.state.kinds.values()
        if kind.resource_type and not kind.is_own
    }
    found = []
    for resource_id in ids:
        kind = kinds.get(resource_id.rpartition("-")[0])
        if kind is None:
            raise Ec2Error("id_invalid", resource_id=resource_id)
        side = tags_of_side(world, resource_id)
        found.append((kind, world.need(kind.shape, resource_id)) if side is None else side)
    return found


def create_tags(world: World, request: Resource) -> dict[str, Any]:
    """CreateTags: adds tags, and gives those that are there their new value; all or none."""
    tags = checked(request.get("Tags") or ())
    if not tags:
        raise Ec2Error("missing_parameter", name="tagSet")
    for kind, resource in _tagged(world, request):
        new = merged(world, resource.get(kind.tags) or (), tags)
        world.put(kind.shape, {**resource, kind.tags: new})
    return {}


def delete_tags(world: World, request: Resource) -> dict[str, Any]:
    """DeleteTags: by key, or by key and value; without tags all of them. Missing ones are no error.

    Source: API Reference, DeleteTags.
    """
    asked = request.get("Tags") or ()
    for tag in asked:
        if not tag.get("Key"):
            raise Ec2Error("tag_without_key")
        if tag["Key"].lower().startswith("aws:"):
            raise Ec2Error("tag_key_reserved", key=tag["Key"])
    for kind, resource in _tagged(world, request):
        tags = resource.get(kind.tags) or ()
        left = [tag for tag in tags if asked and not any(_is_meant(tag, each) for each in asked)]
        if len(left) < len(tags):
            world.put(kind.shape, {**resource, kind.tags: left})
    return {}


def _is_meant(tag: Resource, asked: Resource) -> bool:
    return tag["Key"] == asked["Key"] and asked.get("Value") in (None, tag["Value"])


_DESCRIBE: Final = Describe(
    kind="TagDescription",
    result="Tags",
    filters={
        "key": "Key",
        "resource-id": "ResourceId",
        "resource-type": "ResourceType",
        "value": "Value",
    },
    # `Tags` is only there for the filter `tag:`.
    view=lambda _, tag: {key: value for key, value in tag.items() if key != "Tags"},
)


def describe_tags(world: World, request: Resource) -> dict[str, Any]:
    """DescribeTags: the tags of every resource, in the order of the resources' making, by key."""
    rows = sorted(_tags(world), key=lambda row: row.sequence)
    return describe(world, request, _DESCRIBE, rows)


def _number(key: str) -> int:
    """Return a number that orders keys, and is another one for each."""
    spelled = key.encode()
    first = spelled[:_KEY_BYTES].ljust(_KEY_BYTES, b"\0")
    return int.from_bytes(first + sha256(spelled).digest()[:_DIGEST_BYTES], "big")


def _tags(world: World) -> Iterator[Row]:
    for kind in world.state.kinds.values():
        if kind.resource_type is None:
            continue
        rows = world.state.table(world.account_id, world.region, kind.shape).rows.values()
        for row in rows:
            for tag in row.resource.get(kind.tags) or ():
                number = _number(tag["Key"])
                yield Row(
                    kind="TagDescription",
                    resource_id=row.resource_id,
                    account_id=row.account_id,
                    region=row.region,
                    sequence=row.sequence << 8 * (_KEY_BYTES + _DIGEST_BYTES) | number,
                    resource={
                        "Key": tag["Key"],
                        "ResourceId": row.resource_id,
                        "ResourceType": kind.resource_type,
                        "Value": tag["Value"],
                        "Tags": [tag],
                    },
                )


OPERATIONS: Final = {
    "CreateTags": create_tags,
    "DeleteTags": delete_tags,
    "DescribeTags": describe_tags,
}
