"""VPCs: their blocks and attributes, and what every VPC has from its making on.

A VPC is made with a main route table, a default network ACL and a default security group, which
go with it. Source: Amazon VPC User Guide, "VPC CIDR blocks", "Delete your VPC".
"""

from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

from secgroup.control import (
    default_groups,
    dhcp_options,
    network_acls,
    peering_blocks,
    route_tables,
)
from secgroup.control.describe import Describe, describe
from secgroup.control.parameters import given, ipv4_block, needed, one_of, unserved
from secgroup.control.state import Resource, World
from secgroup.control.tags import tags_of
from secgroup.errors import Ec2Error

_DESCRIBE: Final = Describe(
    kind="Vpc",
    result="Vpcs",
    ids="VpcIds",
    filters={
        "cidr": "CidrBlock",
        # Documented of subnets only; clients ask for VPCs by it too.
        "cidr-block": "CidrBlock",
        "cidr-block-association.cidr-block": "CidrBlockAssociationSet.CidrBlock",
        "cidr-block-association.association-id": "CidrBlockAssociationSet.AssociationId",
        "cidr-block-association.state": "CidrBlockAssociationSet.CidrBlockState.State",
        "dhcp-options-id": "DhcpOptionsId",
        "ipv6-cidr-block-association.ipv6-cidr-block": "Ipv6CidrBlockAssociationSet.Ipv6CidrBlock",
        "ipv6-cidr-block-association.ipv6-pool": "Ipv6CidrBlockAssociationSet.Ipv6Pool",
        "ipv6-cidr-block-association.association-id": "Ipv6CidrBlockAssociationSet.AssociationId",
        "ipv6-cidr-block-association.state": (
            "Ipv6CidrBlockAssociationSet.Ipv6CidrBlockState.State"
        ),
        "is-default": "IsDefault",
        "isDefault": "IsDefault",
        "owner-id": "OwnerId",
        "state": "State",
        "vpc-id": "VpcId",
    },
)

_POOLS: Final = (
    "Ipv6Pool",
    "Ipv6CidrBlock",
    "Ipv4IpamPoolId",
    "Ipv4NetmaskLength",
    "Ipv6IpamPoolId",
    "Ipv6NetmaskLength",
    "Ipv6CidrBlockNetworkBorderGroup",
)

#: Attribute of a VPC, as requests and results spell it, and its value in a VPC that is made.
_ATTRIBUTES: Final = {
    "EnableDnsSupport": True,
    "EnableDnsHostnames": False,
    "EnableNetworkAddressUsageMetrics": False,
}

_IMPOSSIBLE: Final = tuple(
    map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4"))
)
_TEN, _SEVENTEEN, _NINETEEN, _BENCHMARK = map(
    IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.19.0.0/16")
)
#: Of which ranges a VPC's further blocks may not be, by the range of its first one; of any other
#: range the last row (VPC User Guide, "IPv4 CIDR block association restrictions").
_RESTRICTED: Final = (
    (_TEN, (_SEVENTEEN, _NINETEEN, _BENCHMARK)),
    (_SEVENTEEN, (_TEN, _NINETEEN, _BENCHMARK)),
    (_NINETEEN, (_TEN, _SEVENTEEN, _BENCHMARK)),
    (_BENCHMARK, (_TEN, _SEVENTEEN, _NINETEEN)),
    (IPv4Network("0.0.0.0/0"), (_TEN, _SEVENTEEN, _NINETEEN, _BENCHMARK)),
)

#: What keeps a VPC from being deleted: kind, indexed path, and whether one of them counts.
_DEPENDENTS: Final[tuple[tuple[str, str, Callable[[Resource], bool]], ...]] = (
    ("Subnet", "VpcId", lambda _: True),
    ("InternetGateway", "Attachments.VpcId", lambda _: True),
    ("EgressOnlyInternetGateway", "Attachments.VpcId", lambda _: True),
    ("NatGateway", "VpcId", lambda nat: nat["State"] == "available"),
    ("VpcEndpoint", "VpcId", lambda _: True),
    ("NetworkInterface", "VpcId", lambda _: True),
    ("NetworkAcl", "VpcId", lambda acl: not acl["IsDefault"]),
    ("RouteTable", "VpcId", lambda table: not route_tables.is_main(table)),
    ("SecurityGroup", "VpcId", lambda group: group["GroupName"] != "default"),
)


def create(
    world: World, block: IPv4Network, tags: list[dict[str, Any]], *, is_default: bool
) -> dict[str, Any]:
    """Make a VPC with what belongs to it."""
    vpc_id = world.new_id("vpc")
    vpc = {
        "VpcId": vpc_id,
        "OwnerId": world.account_id,
        "State": "available",
        "CidrBlock": str(block),
        "CidrBlockAssociationSet": [_ipv4_association(world, block)],
        "Ipv6CidrBlockAssociationSet": [],
        "DhcpOptionsId": dhcp_options.regional_id(world),
        "InstanceTenancy": "default",
        "IsDefault": is_default,
        "BlockPublicAccessStates": {"InternetGatewayBlockMode": "off"},
        "Tags": tags,
    }
    world.put("Vpc", vpc)
    attributes = {**_ATTRIBUTES, "EnableDnsHostnames": is_default}
    world.put(
        "DescribeVpcAttributeResult",
        {"VpcId": vpc_id, **{name: {"Value": value} for name, value in attributes.items()}},
    )
    route_tables.create(world, vpc, [], is_main=True)
    network_acls.create(world, vpc, [], is_default=True)
    default_groups.create_default(world, vpc)
    return vpc


def _ipv4_association(world: World, block: IPv4Network) -> dict[str, Any]:
    return {
        "AssociationId": world.new_id("vpc-cidr-assoc"),
        "CidrBlock": str(block),
        "CidrBlockState": {"State": "associated"},
    }


def has_attribute(world: World, vpc_id: str, name: str) -> bool:
    """Tell whether an attribute of a VPC is on."""
    attributes = world.need("DescribeVpcAttributeResult", vpc_id)
    return bool(attributes[name]["Value"])


# Blocks -------------------------------------------------------------------------------------------


def _checked_block(request: Resource) -> IPv4Network:
    block = ipv4_block(needed(request, "CidrBlock"), "CidrBlock")
    if not 16 <= block.prefixlen <= 28 or any(block.overlaps(each) for each in _IMPOSSIBLE):
        raise Ec2Error("vpc_range", block=str(block))
    return block


def ipv4_blocks(vpc: Resource) -> list[IPv4Network]:
    """Return the IPv4 blocks of a VPC, the first one first."""
    return [IPv4Network(each["CidrBlock"]) for each in vpc["CidrBlockAssociationSet"]]


def ipv6_blocks(vpc: Resource) -> list[IPv6Network]:
    """Return the IPv6 blocks of a VPC."""
    return [IPv6Network(each["Ipv6CidrBlock"]) for each in vpc["Ipv6CidrBlockAssociationSet"]]


def _amazon_block(world: World) -> IPv6Network:
    """Return a /56 of Amazon's 2600:1f00::/24 that no VPC of any world has."""
    taken = {
        each["Ipv6CidrBlock"]
        for row in world.state.rows("Vpc")
        for each in row.resource["Ipv6CidrBlockAssociationSet"]
    }
    while True:
        block = IPv6Network(((0x26001F << 32 | int(world.state.token(8), 16)) << 72, 56))
        if str(block) not in taken:
            return block


def _add_ipv4(world: World, vpc: Resource, request: Resource) -> dict[str, Any]:
    block = _checked_block(request)
    own = ipv4_blocks(vpc)
    if len(own) >= world.quota("ipv4-blocks-per-vpc"):
        raise Ec2Error("too_many_blocks", resource_id=vpc["VpcId"], limit=len(own))
    if any(block.overlaps(each) for each in own):
        raise Ec2Error("vpc_block_conflict", block=str(block))
    barred = next(barred for first, barred in _RESTRICTED if own[0].subnet_of(first))
    if any(block.overlaps(each) for each in barred):
        raise Ec2Error("vpc_block_restricted", block=str(block))
    for table in world.where("RouteTable", "VpcId", vpc["VpcId"]):
        for route in table["Routes"]:
            routed = route.get("DestinationCidrBlock")
            if routed is not None and IPv4Network(routed).subnet_of(block):
                raise Ec2Error("vpc_block_routed", block=str(block), destination=routed)
    association = _ipv4_association(world, block)
    blocks = [*vpc["CidrBlockAssociationSet"], association]
    world.put("Vpc", {**vpc, "CidrBlockAssociationSet": blocks})
    route_tables.add_local(world, vpc["VpcId"], "DestinationCidrBlock", str(block))
    return {"CidrBlockAssociation": association}


def _add_ipv6(world: World, vpc: Resource) -> dict[str, Any]:
    own = vpc["Ipv6CidrBlockAssociationSet"]
    if len(own) >= world.quota("ipv6-blocks-per-vpc"):
        raise Ec2Error("too_many_blocks", resource_id=vpc["VpcId"], limit=len(own))
    block = str(_amazon_block(world))
    association = {
        "AssociationId": world.new_id("vpc-cidr-assoc"),
        "Ipv6CidrBlock": block,
        "Ipv6CidrBlockState": {"State": "associated"},
        "NetworkBorderGroup": world.region,
        "Ipv6Pool": "Amazon",
        "Ipv6AddressAttribute": "public",
        "IpSource": "amazon",
    }
    new = {**vpc, "Ipv6CidrBlockAssociationSet": [*own, association]}
    world.put("Vpc", new)
    route_tables.add_local(world, vpc["VpcId"], "DestinationIpv6CidrBlock", block)
    default_groups.allow_ipv6(world, vpc["VpcId"])
    network_acls.add_ipv6(world, vpc["VpcId"])
    return {"Ipv6CidrBlockAssociation": association}


# Operations ---------------------------------------------------------------------------------------


def create_vpc(world: World, request: Resource) -> dict[str, Any]:
    """CreateVpc."""
    unserved(request, *_POOLS, "VpcEncryptionControl")
    block = _checked_block(request)
    tags = tags_of(world, request, "vpc")
    if world.count("Vpc") >= world.quota("vpcs-per-region"):
        raise Ec2Error("too_many_vpcs")
    vpc = create(world, block, tags, is_default=False)
    if request.get("InstanceTenancy"):
        world.put("Vpc", {**vpc, "InstanceTenancy": request["InstanceTenancy"]})
    if request.get("AmazonProvidedIpv6CidrBlock"):
        _add_ipv6(world, world.need("Vpc", vpc["VpcId"]))
    return {"Vpc": world.need("Vpc", vpc["VpcId"])}


def delete_vpc(world: World, request: Resource) -> dict[str, Any]:
    """DeleteVpc: what was made with the VPC goes with it, anything else keeps it."""
    vpc_id = request["VpcId"]
    world.need("Vpc", vpc_id)
    for kind, path, counts in _DEPENDENTS:
        if any(counts(each) for each in world.where(kind, path, vpc_id)):
            raise Ec2Error("in_use", noun="vpc", resource_id=vpc_id)
    if peering_blocks.has_peering(world, vpc_id) or default_groups.is_associated(world, vpc_id):
        raise Ec2Error("in_use", noun="vpc", resource_id=vpc_id)
    peering_blocks.end_waiting(world, vpc_id)
    default_groups.delete_default(world, vpc_id)
    for kind in ("NetworkAcl", "RouteTable"):
        for each in world.where(kind, "VpcId", vpc_id):
            world.delete(kind, each[world.state.kinds[kind].id_key])
    for log in world.where("FlowLog", "ResourceId", vpc_id):
        world.delete("FlowLog", log["FlowLogId"])
    world.delete("DescribeVpcAttributeResult", vpc_id)
    world.delete("Vpc", vpc_id)
    return {}


def describe_vpcs(world: World, request: Resource) -> dict[str, Any]:
    """DescribeVpcs."""
    return describe(world, request, _DESCRIBE)


def modify_vpc_attribute(world: World, request: Resource) -> dict[str, Any]:
    """ModifyVpcAttribute: DNS support and host names not in one request."""
    vpc_id = request["VpcId"]
    world.need("Vpc", vpc_id)
    names = given(request, *_ATTRIBUTES)
    if not names:
        raise Ec2Error("missing_one_of", names=", ".join(_ATTRIBUTES))
    if {"EnableDnsSupport", "EnableDnsHostnames"} <= set(names):
        raise Ec2Error("not_together", first="enableDnsSupport", second="enableDnsHostnames")
    attributes = world.need("DescribeVpcAttributeResult", vpc_id)
    new = {name: {"Value": bool(request[name].get("Value"))} for name in names}
    world.put("DescribeVpcAttributeResult", {**attributes, **new})
    return {}


def describe_vpc_attribute(world: World, request: Resource) -> dict[str, Any]:
    """DescribeVpcAttribute."""
    vpc_id, attribute = request["VpcId"], request["Attribute"]
    world.need("Vpc", vpc_id)
    name = attribute[:1].upper() + attribute[1:]
    if name not in _ATTRIBUTES:
        raise Ec2Error("value_invalid", value=attribute, parameter="attribute")
    return {"VpcId": vpc_id, name: world.need("DescribeVpcAttributeResult", vpc_id)[name]}


def associate_vpc_cidr_block(world: World, request: Resource) -> dict[str, Any]:
    """AssociateVpcCidrBlock: an IPv4 block, or an IPv6 block that Amazon provides."""
    unserved(request, *_POOLS)
    vpc = world.need("Vpc", request["VpcId"])
    wanted = {
        **request,
        "AmazonProvidedIpv6CidrBlock": request.get("AmazonProvidedIpv6CidrBlock") or None,
    }
    key = one_of(wanted, "CidrBlock", "AmazonProvidedIpv6CidrBlock")
    made = _add_ipv4(world, vpc, request) if key == "CidrBlock" else _add_ipv6(world, vpc)
    peering_blocks.refresh(world, vpc["VpcId"])
    return {"VpcId": vpc["VpcId"], **made}


def disassociate_vpc_cidr_block(world: World, request: Resource) -> dict[str, Any]:
    """DisassociateVpcCidrBlock: not the first one, and none that a subnet is in."""
    association_id = request["AssociationId"]
    for key, block_key in (
        ("CidrBlockAssociationSet", "CidrBlock"),
        ("Ipv6CidrBlockAssociationSet", "Ipv6CidrBlock"),
    ):
        vpc = next(world.where("Vpc", f"{key}.AssociationId", association_id), None)
        if vpc is not None:
            return _remove(world, vpc, key, block_key, association_id)
    raise Ec2Error("vpc_block_not_found", resource_id=association_id)


def _remove(
    world: World, vpc: Resource, key: str, block_key: str, association_id: str
) -> dict[str, Any]:
    vpc_id = vpc["VpcId"]
    gone = next(each for each in vpc[key] if each["AssociationId"] == association_id)
    block = gone[block_key]
    if key == "CidrBlockAssociationSet" and vpc["CidrBlock"] == block:
        raise Ec2Error("vpc_block_primary", resource_id=association_id)
    if _is_used(block, world.where("Subnet", "VpcId", vpc_id)):
        raise Ec2Error("vpc_block_in_use", resource_id=vpc_id, block=block)
    kept = [each for each in vpc[key] if each is not gone]
    world.put("Vpc", {**vpc, key: kept})
    route_tables.remove_local(world, vpc_id, f"Destination{block_key}", block)
    if key != "CidrBlockAssociationSet" and not kept:
        network_acls.remove_ipv6(world, vpc_id)
    peering_blocks.refresh(world, vpc_id)
    state = {f"{block_key}State": {"State": "disassociated"}}
    return {"VpcId": vpc_id, key.removesuffix("Set"): {**gone, **state}}


def _is_used(block: str, subnets: Iterable[Resource]) -> bool:
    if ":" in block:
        outer = IPv6Network(block)
        return any(
            IPv6Network(each["Ipv6CidrBlock"]).subnet_of(outer)
            for subnet in subnets
            for each in subnet["Ipv6CidrBlockAssociationSet"]
        )
    return any(
        IPv4Network(subnet["CidrBlock"]).subnet_of(IPv4Network(block))
        for subnet in subnets
        if "CidrBlock" in subnet
    )


OPERATIONS: Final = {
    "CreateVpc": create_vpc,
    "DeleteVpc": delete_vpc,
    "DescribeVpcs": describe_vpcs,
    "ModifyVpcAttribute": modify_vpc_attribute,
    "DescribeVpcAttribute": describe_vpc_attribute,
    "AssociateVpcCidrBlock": associate_vpc_cidr_block,
    "DisassociateVpcCidrBlock": disassociate_vpc_cidr_block,
}
