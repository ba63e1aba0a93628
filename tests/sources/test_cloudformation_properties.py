"""The tables of properties against CloudFormation's resource schemas, which cfn-lint carries."""

import json
from functools import cache
from importlib.resources import files

import pytest

from secgroup.sources.cfn_properties import (
    ATTRIBUTES,
    MAKE_INTERFACES,
    MAKE_INTERFACES_WITH,
    PROPERTIES,
    SHAPE_TRAFFIC,
    Use,
)

SCHEMAS = files("cfnlint") / "data" / "schemas"
NAMES = json.loads((SCHEMAS / "providers" / "us-east-1.json").read_text())


@cache
def schema_of(kind: str) -> dict:
    return json.loads((SCHEMAS / "resources" / f"{NAMES[kind]}.json").read_text())


def resolved(schema: dict, node: dict) -> dict:
    while "$ref" in node:
        found = schema
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def published(kind: str) -> dict[str, dict]:
    """Every property that a template may set, below those that we use: name -> schema."""
    schema = schema_of(kind)
    read_only = {
        path.removeprefix("/properties/").replace("/*/", "[]/").replace("/", ".")
        for path in schema.get("readOnlyProperties", [])
    }
    found: dict[str, dict] = {}

    def walk(node: dict, before: str) -> None:
        node = resolved(schema, node)
        if "items" in node:
            walk(node["items"], before.removesuffix(".") + "[].")
            return
        for name, inner in node.get("properties", {}).items():
            if before + name not in read_only:
                found[before + name] = inner
                if PROPERTIES[kind].get(before + name) is Use.USED:
                    walk(inner, before + name + ".")

    walk(schema, "")
    return found


@pytest.mark.parametrize("kind", PROPERTIES)
def test_the_table_of_a_type_has_every_published_property_and_no_other(kind):
    assert sorted(PROPERTIES[kind]) == sorted(published(kind))


@pytest.mark.parametrize("kind", PROPERTIES)
def test_the_attributes_of_a_type_are_the_published_ones(kind):
    read_only = {
        path.removeprefix("/properties/").replace("/", ".")
        for path in schema_of(kind).get("readOnlyProperties", [])
    }
    known = {name for name in read_only if not name.startswith("VpcEncryptionControl.")}
    assert known <= ATTRIBUTES[kind]
    # What may be read beyond the read-only ones are properties of the type.
    assert {name.partition(".")[0] for name in ATTRIBUTES[kind] - known} <= set(
        schema_of(kind)["properties"]
    )


def test_the_types_that_make_interfaces_are_types():
    aliases = {
        "AWS::EC2::TransitGatewayAttachment",
        "AWS::Serverless::Function",
        "Custom::VpcRestrictDefaultSG",
    }
    every = MAKE_INTERFACES | set(MAKE_INTERFACES_WITH) | SHAPE_TRAFFIC
    assert every - aliases <= set(NAMES)
    assert not every & set(PROPERTIES)
