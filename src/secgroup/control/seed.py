"""A network as resources: what an endpoint that begins with a template keeps.

Owns what the nouns of `model` are in EC2's shapes. Nothing here checks: `sources.load` has.
"""

from collections.abc import Iterator
from typing import Any

from secgroup.control import seed_routes as routes
from secgroup.control import seed_rules as rules
from secgroup.control.seed_place import ASSOCIATED, Made, Seed, present, tags
from secgroup.control.state import World
from secgroup.model.interface import Instance, NetworkInterface
from secgroup.model.network import Network
from secgroup.model.vpc import Subnet, Vpc
from secgroup.net.address import Prefix


def resources_of(network: Network, world: World) -> Iterator[Made]:
    """Yield every resource of a network, those that others name first.

    Parameters
    ----------
    network : Network
    world : World
        Whose account, region and new ids they get where the network tells none.

    """
    seed = Seed(network, world)
    for vpc in network.vpcs.values():
        yield from _vpc(seed, vpc)
    for subnet in network.subnets.values():
        yield _subnet(seed, subnet)
    for prefix_list in network.prefix_lists.values():
        yield from rules.prefix_list(seed, prefix_list)
    for group in network.groups.values():
        yield from rules.group(seed, group)
    for acl in network.acls.values():
        yield rules.acl(seed, acl)
    for instance in network.instances.values():
        yield from _instance(seed, instance)
    for interface in network.interfaces.values():
        yield _interface(seed, interface)
    for table in network.route_tables.values():
        yield routes.route_table(seed, table)
    for gateway in network.internet_gateways.values():
        yield routes.internet_gateway(seed, gateway)
    for egress_only in network.egress_only_gateways.values():
        yield routes.egress_only_gateway(egress_only)
    for nat in network.nat_gateways.values():
        yield routes.nat_gateway(seed, nat)
    for peering in network.peerings.values():
        yield routes.peering(seed, peering)
    for endpoint in network.endpoints.values():
        yield routes.endpoint(seed, endpoint)
    for address in network.addresses.values():
        yield routes.address(seed, address)


def _vpc(seed: Seed, vpc: Vpc) -> Iterator[Made]:
    owner = seed.owner(vpc.owner_id)
    resource: dict[str, Any] = {
        "VpcId": vpc.vpc_id,
        "OwnerId": owner,
        "State": "available",
        "CidrBlockAssociationSet": [
            {
                "AssociationId": seed.world.new_id("vpc-cidr-assoc"),
                "CidrBlock": str(block),
                "CidrBlockState": ASSOCIATED,
            }
            for block in vpc.ipv4_blocks
        ],
        "Ipv6CidrBlockAssociationSet": _ipv6_blocks(seed, "vpc-cidr-assoc", vpc.ipv6_blocks),
        "InstanceTenancy": "default",
        "IsDefault": vpc.is_default,
        "Tags": tags(vpc.names),
    }
    if vpc.ipv4_blocks:
        resource["CidrBlock"] = str(vpc.ipv4_blocks[0])
    yield "Vpc", resource
    yield (
        "DescribeVpcAttributeResult",
        {
            "VpcId": vpc.vpc_id,
            "EnableDnsSupport": {"Value": vpc.enable_dns_support},
            "EnableDnsHostnames": {"Value": False},
            "EnableNetworkAddressUsageMetrics": {"Value": False},
        },
    )


def _ipv6_blocks(seed: Seed, prefix: str, blocks: tuple[Prefix, ...] | Any) -> list[dict[str, Any]]:
    return [
        {
            "AssociationId": seed.world.new_id(prefix),
            "Ipv6CidrBlock": str(block),
            "Ipv6CidrBlockState": ASSOCIATED,
        }
        for block in blocks
    ]


def _subnet(seed: Seed, subnet: Subnet) -> Made:
    vpc = seed.network.vpcs[subnet.vpc_id]
    resource: dict[str, Any] = {
        "SubnetId": subnet.subnet_id,
        "SubnetArn": seed.world.arn("subnet", subnet.subnet_id),
        "OwnerId": seed.owner(vpc.owner_id),
        "VpcId": subnet.vpc_id,
        "State": "available",
        "AvailabilityZone": seed.zone(subnet.subnet_id),
        "DefaultForAz": False,
        "MapPublicIpOnLaunch": False,
        "AssignIpv6AddressOnCreation": subnet.ipv4_block is None,
        "Ipv6Native": subnet.ipv4_block is None,
        "Ipv6CidrBlockAssociationSet": _ipv6_blocks(seed, "subnet-cidr-assoc", subnet.ipv6_blocks),
        "Tags": tags(subnet.names),
    }
    if subnet.availability_zone_id is not None:
        resource["AvailabilityZoneId"] = subnet.availability_zone_id
    if subnet.ipv4_block is not None:
        resource["CidrBlock"] = str(subnet.ipv4_block)
    return "Subnet", resource


def _instance(seed: Seed, instance: Instance) -> Iterator[Made]:
    own = [
        each
        for each in seed.network.interfaces.values()
        if each.instance_id == instance.instance_id
    ]
    resource: dict[str, Any] = {
        "InstanceId": instance.instance_id,
        "ImageId": "ami-00000000000000000",
        "InstanceType": instance.instance_type,
        "State": {"Code": 16, "Name": "running"},
        "LaunchTime": seed.world.time,
        "Tags": tags(instance.names),
    }
    primary = next((each for each in own if each.device_index == 0), None)
    if primary is not None:
        resource |= {"VpcId": primary.vpc_id, "SubnetId": primary.subnet_id}
        if primary.ipv4:
            resource["PrivateIpAddress"] = str(primary.ipv4[0].address)
    yield "Instance", present(resource)
    yield (
        "Reservation",
        {
            "ReservationId": seed.world.new_id("r"),
            "OwnerId": seed.owner(None),
            "Instances": [{"InstanceId": instance.instance_id}],
        },
    )


def _interface(seed: Seed, interface: NetworkInterface) -> Made:
    vpc = seed.network.vpcs[interface.vpc_id]
    subnet = seed.network.subnets[interface.subnet_id]
    groups = seed.network.groups
    resource: dict[str, Any] = {
        "NetworkInterfaceId": interface.interface_id,
        "VpcId": interface.vpc_id,
        "SubnetId": interface.subnet_id,
        "AvailabilityZone": seed.zone(subnet.subnet_id),
        "OwnerId": seed.owner(interface.owner_id or vpc.owner_id),
        "InterfaceType": interface.interface_type,
        "Description": "",
        "Status": "available" if interface.instance_id is None else "in-use",
        "SourceDestCheck": interface.source_dest_check,
        "RequesterManaged": False,
        "Groups": [
            present({"GroupId": each, "GroupName": groups[each].name or each})
            if each in groups
            else {"GroupId": each}
            for each in interface.group_ids
        ],
        "PrivateIpAddresses": [
            present(
                {
                    "PrivateIpAddress": str(each.address),
                    "Primary": number == 0,
                    "Association": None if each.public is None else {"PublicIp": str(each.public)},
                }
            )
            for number, each in enumerate(interface.ipv4)
        ],
        "Ipv6Addresses": [{"Ipv6Address": str(each)} for each in interface.ipv6],
        "TagSet": tags(interface.names),
    }
    if interface.ipv4:
        resource["PrivateIpAddress"] = str(interface.ipv4[0].address)
    for version in (4, 6):
        prefixes = [str(each) for each in interface.prefixes if each.version == version]
        if prefixes:
            key = f"Ipv{version}Prefix"
            resource[f"{key}es"] = [{key: each} for each in prefixes]
    if interface.mac is not None:
        resource["MacAddress"] = interface.mac.hex(":")
    if interface.instance_id is not None:
        resource["Attachment"] = {
            "AttachmentId": seed.world.new_id("eni-attach"),
            "InstanceId": interface.instance_id,
            "DeviceIndex": interface.device_index or 0,
            "Status": "attached",
            "DeleteOnTermination": True,
        }
    configured = _tracking(interface)
    if configured:
        resource["ConnectionTrackingConfiguration"] = configured
    return "NetworkInterface", resource


def _tracking(interface: NetworkInterface) -> dict[str, Any]:
    """Return the idle timeouts that an interface sets."""
    tracking = interface.tracking
    return present(
        {
            "TcpEstablishedTimeout": tracking.tcp_established_timeout,
            "UdpTimeout": tracking.udp_timeout,
            "UdpStreamTimeout": tracking.udp_stream_timeout,
        }
    )
