"""Ids for what a template names its own way, as the deployed template would have them."""

import re
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, TypeVar

from secgroup.control.state import World
from secgroup.model.network import Network
from secgroup.model.route import Target, TargetKind

N = TypeVar("N")

#: Each field of Network whose nouns have an id of their own, and what EC2's ids of it begin with.
_PREFIXES: Final = {
    "vpcs": "vpc",
    "subnets": "subnet",
    "groups": "sg",
    "acls": "acl",
    "interfaces": "eni",
    "instances": "i",
    "prefix_lists": "pl",
    "route_tables": "rtb",
    "internet_gateways": "igw",
    "egress_only_gateways": "eigw",
    "nat_gateways": "nat",
    "peerings": "pcx",
    "endpoints": "vpce",
}
#: Fields that hold what people call a thing, never an id.
_WORDS: Final = frozenset({"name", "names", "description", "service_name"})


class _Ids:
    """New ids by old ones; a template's instance and its interface may have the same old one."""

    def __init__(self) -> None:
        self.of_interfaces: dict[str, str] = {}
        self.of_others: dict[str, str] = {}

    def renamed(self, value: N, field: str = "") -> N:
        """Return a value, or the value of a field, in which each id is the new one."""
        if isinstance(value, str):
            ids = self.of_interfaces if field.startswith("interface_id") else self.of_others
            return ids.get(value, value)  # type: ignore[return-value]
        if isinstance(value, tuple):
            made = [self.renamed(each, field) for each in value]
            return type(value)(made)
        if not is_dataclass(value) or isinstance(value, type):
            return value
        is_interface = isinstance(value, Target) and value.kind is TargetKind.INTERFACE
        own = {
            each.name: self.renamed(
                getattr(value, each.name), "interface_id" if is_interface else each.name
            )
            for each in fields(value)
            if each.name not in _WORDS
        }
        return replace(value, **own)


def with_ids(network: Network, world: World) -> Network:
    """Return a network in which every noun has an id of EC2's form; what has one keeps it.

    A noun without a name is named by the id that it had.
    """
    ids = _Ids()
    changed: dict[str, Any] = {}
    for field, prefix in _PREFIXES.items():
        own = ids.of_interfaces if field == "interfaces" else ids.of_others
        for noun_id in getattr(network, field):
            if not re.fullmatch(rf"{prefix}-[0-9a-z]+", noun_id):
                own[noun_id] = world.new_id(prefix)
    for group in network.groups.values():
        for rule in group.rules:
            if not re.fullmatch("sgr-[0-9a-z-]+", rule.rule_id):
                ids.of_others[rule.rule_id] = world.new_id("sgr")
    if not ids.of_interfaces and not ids.of_others:
        return network
    for field in (*_PREFIXES, "addresses"):
        own = ids.of_interfaces if field == "interfaces" else ids.of_others
        changed[field] = {
            own.get(noun_id, noun_id): _named(ids.renamed(noun), noun_id, is_new=noun_id in own)
            for noun_id, noun in getattr(network, field).items()
        }
    return network.revised(**changed)


def _named(noun: Any, noun_id: str, *, is_new: bool) -> Any:
    return replace(noun, names=(noun_id,)) if is_new and not noun.names else noun
