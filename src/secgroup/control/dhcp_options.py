"""DHCP option sets; the first of a world is the region's own, which every VPC begins with."""

import re
from typing import Any, Final

from secgroup.control.describe import Describe, describe
from secgroup.control.places import dns_suffix
from secgroup.control.state import Resource, World
from secgroup.control.tags import tags_of
from secgroup.errors import Ec2Error

_KEYS: Final = (
    "domain-name-servers",
    "domain-name",
    "ntp-servers",
    "netbios-name-servers",
    "netbios-node-type",
    "ipv6-address-preferred-lease-time",
)

_DESCRIBE: Final = Describe(
    kind="DhcpOptions",
    result="DhcpOptions",
    ids="DhcpOptionsIds",
    filters={
        "dhcp-options-id": "DhcpOptionsId",
        "key": "DhcpConfigurations.Key",
        "value": "DhcpConfigurations.Values.Value",
        "owner-id": "OwnerId",
    },
)


def create(
    world: World, configurations: list[Resource], tags: list[dict[str, Any]]
) -> dict[str, Any]:
    """Make an option set of configurations that have been checked."""
    options = {
        "DhcpOptionsId": world.new_id("dopt"),
        "OwnerId": world.account_id,
        "DhcpConfigurations": [
            {"Key": each["Key"], "Values": [{"Value": value} for value in each["Values"]]}
            for each in configurations
        ],
        "Tags": tags,
    }
    world.put("DhcpOptions", options)
    return options


def create_regional(world: World) -> dict[str, Any]:
    """Make the option set that VPCs begin with: Amazon's DNS servers and the region's domain."""
    return create(
        world,
        [
            {"Key": "domain-name", "Values": [dns_suffix(world.region)]},
            {"Key": "domain-name-servers", "Values": ["AmazonProvidedDNS"]},
        ],
        [],
    )


def regional_id(world: World) -> str:
    """Return the id of the option set that VPCs begin with; `default` when there is none."""
    return next((each["DhcpOptionsId"] for each in world.every("DhcpOptions")), "default")


def create_dhcp_options(world: World, request: Resource) -> dict[str, Any]:
    """CreateDhcpOptions: of the options that EC2 has, each with values.

    Source: API reference, CreateDhcpOptions.
    """
    configurations = request.get("DhcpConfigurations") or []
    if not configurations:
        raise Ec2Error("missing_parameter", name="dhcpConfiguration")
    for each in configurations:
        key, found = each.get("Key"), each.get("Values")
        if key not in _KEYS:
            raise Ec2Error("dhcp_key_invalid", value=key)
        if not found:
            raise Ec2Error("dhcp_without_values", key=key)
        if key == "netbios-node-type" and any(not re.fullmatch("[1248]", each) for each in found):
            raise Ec2Error("dhcp_value_invalid", value=", ".join(found), key=key)
    return {"DhcpOptions": create(world, configurations, tags_of(world, request, "dhcp-options"))}


def delete_dhcp_options(world: World, request: Resource) -> dict[str, Any]:
    """DeleteDhcpOptions: not while a VPC has them, and never the region's own."""
    options_id = request["DhcpOptionsId"]
    world.need("DhcpOptions", options_id)
    is_used = any(vpc.get("DhcpOptionsId") == options_id for vpc in world.every("Vpc"))
    if is_used or options_id == regional_id(world):
        raise Ec2Error("in_use", noun="dhcpOptions", resource_id=options_id)
    world.delete("DhcpOptions", options_id)
    return {}


def associate_dhcp_options(world: World, request: Resource) -> dict[str, Any]:
    """AssociateDhcpOptions; `default` takes the options away."""
    options_id = request["DhcpOptionsId"]
    vpc = world.need("Vpc", request["VpcId"])
    if options_id != "default":
        world.need("DhcpOptions", options_id)
    world.put("Vpc", {**vpc, "DhcpOptionsId": options_id})
    return {}


def describe_dhcp_options(world: World, request: Resource) -> dict[str, Any]:
    """DescribeDhcpOptions."""
    return describe(world, request, _DESCRIBE)


OPERATIONS: Final = {
    "CreateDhcpOptions": create_dhcp_options,
    "DeleteDhcpOptions": delete_dhcp_options,
    "AssociateDhcpOptions": associate_dhcp_options,
    "DescribeDhcpOptions": describe_dhcp_options,
}
