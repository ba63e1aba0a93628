"""Subnets: their blocks, their zone, what launches into them get, and how many addresses are free.

Source: Amazon VPC User Guide, "Subnet sizing", "Subnet CIDR blocks"; API reference, CreateSubnet.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

from secgroup.control import network_acls, route_tables, vpcs
from secgroup.control.describe import Describe, describe
from secgroup.control.parameters import given, ipv4_block, ipv6_block, needed, unserved
from secgroup.control.places import zone_of, zones
from secgroup.control.state import Resource, World
from secgroup.control.tags import tags_of
from secgroup.errors import Ec2Error

#: The first four addresses of a subnet and its last one are AWS's.
RESERVED: Final = 5
_PREFIX_SIZE: Final = 16

_DNS: Final = "PrivateDnsNameOptionsOnLaunch"


def free_addresses(world: World, subnet: Resource) -> Iterable[int]:
    """Yield how many IPv4 addresses of a subnet nothing has."""
    if "CidrBlock" not in subnet:
        yield 0
        return
    free = IPv4Network(subnet["CidrBlock"]).num_addresses - RESERVED
    for interface in world.where("NetworkInterface", "SubnetId", subnet["SubnetId"]):
        free -= len(interface["PrivateIpAddresses"])
        free -= _PREFIX_SIZE * len(interface.get("Ipv4Prefixes") or ())
    yield free


def _view(world: World, subnet: Resource) -> Resource:
    return {**subnet, "AvailableIpAddressCount": next(iter(free_addresses(world, subnet)))}


_DESCRIBE: Final = Describe(
    kind="Subnet",
    result="Subnets",
    ids="SubnetIds",
    filters={
        "availability-zone": "AvailabilityZone",
        "availabilityZone": "AvailabilityZone",
        "availability-zone-id": "AvailabilityZoneId",
        "availabilityZoneId": "AvailabilityZoneId",
        "available-ip-address-count": free_addresses,
        "cidr": "CidrBlock",
        "cidr-block": "CidrBlock",
        "cidrBlock": "CidrBlock",
        "customer-owned-ipv4-pool": "CustomerOwnedIpv4Pool",
        "default-for-az": "DefaultForAz",
        "defaultForAz": "DefaultForAz",
        "enable-dns64": "EnableDns64",
        "enable-lni-at-device-index": "EnableLniAtDeviceIndex",
        "ipv6-cidr-block-association.ipv6-cidr-block": "Ipv6CidrBlockAssociationSet.Ipv6CidrBlock",
        "ipv6-cidr-block-association.association-id": "Ipv6CidrBlockAssociationSet.AssociationId",
        "ipv6-cidr-block-association.state": (
            "Ipv6CidrBlockAssociationSet.Ipv6CidrBlockState.State"
        ),
        "ipv6-native": "Ipv6Native",
        "map-customer-owned-ip-on-launch": "MapCustomerOwnedIpOnLaunch",
        "map-public-ip-on-launch": "MapPublicIpOnLaunch",
        "outpost-arn": "OutpostArn",
        "owner-id": "OwnerId",
        "private-dns-name-options-on-launch.hostname-type": f"{_DNS}.HostnameType",
        "private-dns-name-options-on-launch.enable-resource-name-dns-a-record": (
            f"{_DNS}.EnableResourceNameDnsARecord"
        ),
        "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record": (
            f"{_DNS}.EnableResourceNameDnsAAAARecord"
        ),
        "state": "State",
        "subnet-arn": "SubnetArn",
        "subnet-id": "SubnetId",
        "vpc-id": "VpcId",
    },
    view=_view,
)


#: What every subnet begins with.
PLAIN: Final[Mapping[str, Any]] = {
    "MapCustomerOwnedIpOnLaunch": False,
    "EnableDns64": False,
    "BlockPublicAccessStates": {"InternetGatewayBlockMode": "off"},
}


def dns_options(*, is_native: bool) -> dict[str, Any]:
    """Return how the hosts of a new subnet are named; those of IPv6 alone by their ids."""
    return {
        "HostnameType": "resource-name" if is_native else "ip-name",
        "EnableResourceNameDnsARecord": False,
        "EnableResourceNameDnsAAAARecord": is_native,
    }


def create(
    world: World,
    vpc: Resource,
    zone: tuple[str, str],
    *,
    ipv4: IPv4Network | None,
    ipv6: IPv6Network | None = None,
    tags: list[dict[str, Any]],
    is_default: bool = False,
) -> dict[str, Any]:
    """Make a subnet of blocks that have been checked; it has the VPC's default ACL."""
    subnet_id = world.new_id("subnet")
    subnet: dict[str, Any] = {
        "SubnetId": subnet_id,
        "SubnetArn": world.arn("subnet", subnet_id),
        "OwnerId": world.account_id,
        "VpcId": vpc["VpcId"],
        "State": "available",
        "AvailabilityZone": zone[0],
        "AvailabilityZoneId": zone[1],
        "DefaultForAz": is_default,
        "MapPublicIpOnLaunch": is_default,
        "AssignIpv6AddressOnCreation": ipv4 is None,
        "Ipv6Native": ipv4 is None,
        "Ipv6CidrBlockAssociationSet": [],
        _DNS: dns_options(is_native=ipv4 is None),
        **PLAIN,
        "Tags": tags,
    }
    if ipv4 is not None:
        subnet["CidrBlock"] = str(ipv4)
    if ipv6 is not None:
        subnet["Ipv6CidrBlockAssociationSet"] = [_association(world, ipv6)]
    world.put("Subnet", subnet)
    network_acls.associate(world, network_acls.default_of(world, vpc["VpcId"]), subnet_id)
    return subnet


def _association(world: World, block: IPv6Network) -> dict[str, Any]:
    return {
        "AssociationId": world.new_id("subnet-cidr-assoc"),
        "Ipv6CidrBlock": str(block),
        "Ipv6CidrBlockState": {"State": "associated"},
        "Ipv6AddressAttribute": "public",
        "IpSource": "amazon",
    }


# Blocks -------------------------------------------------------------------------------------------


def _checked_ipv4(world: World, vpc: Resource, text: str) -> IPv4Network:
    block = ipv4_block(text, "CidrBlock")
    is_inside = any(block.subnet_of(each) for each in vpcs.ipv4_blocks(vpc))
    if not 16 <= block.prefixlen <= 28 or not is_inside:
        raise Ec2Error("subnet_range", block=str(block))
    for other in world.where("Subnet", "VpcId", vpc["VpcId"]):
        if "CidrBlock" in other and block.overlaps(IPv4Network(other["CidrBlock"])):
            raise Ec2Error("subnet_conflict", block=str(block))
    return block


def _checked_ipv6(world: World, vpc: Resource, text: str) -> IPv6Network:
    block = ipv6_block(text, "Ipv6CidrBlock")
    is_inside = any(block.subnet_of(each) for each in vpcs.ipv6_blocks(vpc))
    if block.prefixlen not in range(44, 65, 4) or not is_inside:
        raise Ec2Error("subnet_range", block=str(block))
    for other in world.where("Subnet", "VpcId", vpc["VpcId"]):
        for each in other["Ipv6CidrBlockAssociationSet"]:
            if block.overlaps(IPv6Network(each["Ipv6CidrBlock"])):
                raise Ec2Error("subnet_conflict", block=str(block))
    return block


# Operations ---------------------------------------------------------------------------------------


def create_subnet(world: World, request: Resource) -> dict[str, Any]:
    """CreateSubnet: without a zone, in the first one of the region."""
    unserved(
        request,
        "OutpostArn",
        "Ipv4IpamPoolId",
        "Ipv4NetmaskLength",
        "Ipv6IpamPoolId",
        "Ipv6NetmaskLength",
    )
    vpc = world.need("Vpc", request["VpcId"])
    zone = zone_of(
        world, name=request.get("AvailabilityZone"), zone_id=request.get("AvailabilityZoneId")
    )
    tags = tags_of(world, request, "subnet")
    ipv4 = ipv6 = None
    if request.get("Ipv6Native"):
        if request.get("CidrBlock") is not None:
            raise Ec2Error("not_together", first="cidrBlock", second="ipv6Native")
        needed(request, "Ipv6CidrBlock")
    else:
        ipv4 = _checked_ipv4(world, vpc, needed(request, "CidrBlock"))
    if request.get("Ipv6CidrBlock") is not None:
        ipv6 = _checked_ipv6(world, vpc, request["Ipv6CidrBlock"])
    count = sum(1 for _ in world.where("Subnet", "VpcId", request["VpcId"]))
    if count >= world.quota("subnets-per-vpc"):
        raise Ec2Error("too_many_subnets")
    place = zones(world.region)[0] if zone is None else zone
    subnet = create(world, vpc, place, ipv4=ipv4, ipv6=ipv6, tags=tags)
    return {"Subnet": _view(world, subnet)}


def delete_subnet(world: World, request: Resource) -> dict[str, Any]:
    """DeleteSubnet: not while an interface is in it."""
    subnet_id = request["SubnetId"]
    world.need("Subnet", subnet_id)
    if any(world.where("NetworkInterface", "SubnetId", subnet_id)):
        raise Ec2Error("in_use", noun="subnet", resource_id=subnet_id)
    network_acls.dissociate(world, subnet_id)
    route_tables.dissociate(world, "Associations.SubnetId", subnet_id)
    for log in world.where("FlowLog", "ResourceId", subnet_id):
        world.delete("FlowLog", log["FlowLogId"])
    world.delete("Subnet", subnet_id)
    return {}


def describe_subnets(world: World, request: Resource) -> dict[str, Any]:
    """DescribeSubnets."""
    return describe(world, request, _DESCRIBE)


_BOOLEANS: Final = ("AssignIpv6AddressOnCreation", "MapPublicIpOnLaunch", "EnableDns64")
_RECORDS: Final = {
    "EnableResourceNameDnsARecordOnLaunch": "EnableResourceNameDnsARecord",
    "EnableResourceNameDnsAAAARecordOnLaunch": "EnableResourceNameDnsAAAARecord",
}
_HOSTNAME_TYPE: Final = "PrivateDnsHostnameTypeOnLaunch"


def modify_subnet_attribute(world: World, request: Resource) -> dict[str, Any]:
    """ModifySubnetAttribute: one attribute a request."""
    unserved(
        request,
        "MapCustomerOwnedIpOnLaunch",
        "CustomerOwnedIpv4Pool",
        "EnableLniAtDeviceIndex",
        "DisableLniAtDeviceIndex",
    )
    subnet = world.need("Subnet", request["SubnetId"])
    names = given(request, *_BOOLEANS, *_RECORDS, _HOSTNAME_TYPE)
    if not names:
        raise Ec2Error("missing_one_of", names=", ".join((*_BOOLEANS, *_RECORDS, _HOSTNAME_TYPE)))
    if len(names) > 1:
        raise Ec2Error("not_together", first=names[0], second=names[1])
    name = names[0]
    if name in _BOOLEANS:
        value = bool(request[name].get("Value"))
        has_ipv6 = bool(subnet["Ipv6CidrBlockAssociationSet"])
        if name == "AssignIpv6AddressOnCreation" and value and not has_ipv6:
            raise Ec2Error("subnet_without_ipv6", resource_id=subnet["SubnetId"])
        new = {**subnet, name: value}
    else:
        options = dict(subnet[_DNS])
        if name == _HOSTNAME_TYPE:
            options["HostnameType"] = request[name]
        else:
            options[_RECORDS[name]] = bool(request[name].get("Value"))
        new = {**subnet, _DNS: options}
    world.put("Subnet", new)
    return {}


def associate_subnet_cidr_block(world: World, request: Resource) -> dict[str, Any]:
    """AssociateSubnetCidrBlock: one IPv6 block for a subnet."""
    unserved(request, "Ipv6IpamPoolId", "Ipv6NetmaskLength")
    subnet = world.need("Subnet", request["SubnetId"])
    if subnet["Ipv6CidrBlockAssociationSet"]:
        raise Ec2Error("too_many_blocks", resource_id=subnet["SubnetId"], limit=1)
    vpc = world.need("Vpc", subnet["VpcId"])
    block = _checked_ipv6(world, vpc, needed(request, "Ipv6CidrBlock"))
    association = _association(world, block)
    world.put("Subnet", {**subnet, "Ipv6CidrBlockAssociationSet": [association]})
    return {"SubnetId": subnet["SubnetId"], "Ipv6CidrBlockAssociation": association}


def disassociate_subnet_cidr_block(world: World, request: Resource) -> dict[str, Any]:
    """DisassociateSubnetCidrBlock: not while an interface has an address of it."""
    association_id = request["AssociationId"]
    path = "Ipv6CidrBlockAssociationSet.AssociationId"
    subnet = next(world.where("Subnet", path, association_id), None)
    if subnet is None:
        raise Ec2Error("subnet_block_not_found", resource_id=association_id)
    subnet_id = subnet["SubnetId"]
    gone = subnet["Ipv6CidrBlockAssociationSet"][0]
    for interface in world.where("NetworkInterface", "SubnetId", subnet_id):
        if interface.get("Ipv6Addresses") or interface.get("Ipv6Prefixes"):
            raise Ec2Error(
                "subnet_block_in_use", resource_id=subnet_id, block=gone["Ipv6CidrBlock"]
            )
    new = {**subnet, "Ipv6CidrBlockAssociationSet": [], "AssignIpv6AddressOnCreation": False}
    world.put("Subnet", new)
    gone = {**gone, "Ipv6CidrBlockState": {"State": "disassociated"}}
    return {"SubnetId": subnet_id, "Ipv6CidrBlockAssociation": gone}


OPERATIONS: Final = {
    "CreateSubnet": create_subnet,
    "DeleteSubnet": delete_subnet,
    "DescribeSubnets": describe_subnets,
    "ModifySubnetAttribute": modify_subnet_attribute,
    "AssociateSubnetCidrBlock": associate_subnet_cidr_block,
    "DisassociateSubnetCidrBlock": disassociate_subnet_cidr_block,
}
