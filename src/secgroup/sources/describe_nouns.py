"""How EC2's describe output spells VPCs, groups, ACLs, interfaces and instances: a reader each.

Knows one object at a time; what needs several of them is in `describe`, routes and what they
lead to are in `describe_routes`.
Source of the shapes: the EC2 API, version 2016-11-15.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, TypeVar

from secgroup.errors import InputError
from secgroup.model.defaults import IMPLICIT_DENY_IPV4
from secgroup.model.group import GroupReference, Peer, PrefixListReference, SecurityGroupRule
from secgroup.model.interface import (
    GROUPLESS_TYPES,
    LOAD_BALANCER_TYPE,
    TIMEOUT_BOUNDS_S,
    ConnectionTracking,
    Instance,
    NetworkInterface,
    PrivateIpv4,
    tracking_of,
)
from secgroup.model.network_acl import NetworkAcl, NetworkAclEntry
from secgroup.model.vpc import Subnet, Vpc
from secgroup.net.address import Prefix, parse_address, parse_mac, parse_prefix
from secgroup.net.ports import Traffic, parse_protocol, traffic_of
from secgroup.net.protocol import ICMP, ICMPV6
from secgroup.sources.document import Node

T = TypeVar("T")


def _of_family(parse: Callable[[str], object], kind: type[T], word: str) -> Callable[[str], T]:
    def read(text: str) -> T:
        value = parse(text)
        if not isinstance(value, kind):
            raise InputError(f"{text!r} is not {word}")
        return value

    return read


ipv4_address = _of_family(parse_address, IPv4Address, "an IPv4 address")
_ipv6_address = _of_family(parse_address, IPv6Address, "an IPv6 address")
ipv4_prefix = _of_family(parse_prefix, IPv4Network, "an IPv4 CIDR block")
ipv6_prefix = _of_family(parse_prefix, IPv6Network, "an IPv6 CIDR block")


def names_of(node: Node, key: str = "Tags") -> tuple[str, ...]:
    """Return the value of the tag Name, if it has one."""
    return tuple(
        value
        for tag in node.nodes(key)
        if tag.value.get("Key") == "Name" and (value := tag.free_text("Value"))
    )


def associated(node: Node, key: str, state: str) -> Iterator[Node]:
    """Yield the associations of a block that are in force."""
    for each in node.nodes(key):
        status = each.node(state)
        if status is None or status.text_or_none("State") in (None, "associated", "associating"):
            yield each


def ipv4_blocks(node: Node) -> tuple[IPv4Network, ...]:
    """Return the IPv4 blocks of a VPC, the primary one first."""
    blocks = [
        each.parsed("CidrBlock", ipv4_prefix)
        for each in associated(node, "CidrBlockAssociationSet", "CidrBlockState")
    ]
    primary = node.parsed_or_none("CidrBlock", ipv4_prefix)
    if primary is not None:
        blocks.insert(0, primary)
    return tuple(dict.fromkeys(blocks))


def ipv6_blocks(node: Node) -> tuple[IPv6Network, ...]:
    """Return the IPv6 blocks of a VPC or subnet."""
    in_force = associated(node, "Ipv6CidrBlockAssociationSet", "Ipv6CidrBlockState")
    return tuple(dict.fromkeys(each.parsed("Ipv6CidrBlock", ipv6_prefix) for each in in_force))


def read_vpc(node: Node, *, enable_dns_support: bool) -> Vpc:
    """Read a Vpc."""
    return Vpc(
        vpc_id=node.text("VpcId"),
        names=names_of(node),
        owner_id=node.text_or_none("OwnerId"),
        ipv4_blocks=ipv4_blocks(node),
        ipv6_blocks=ipv6_blocks(node),
        is_default=node.boolean("IsDefault", default=False),
        enable_dns_support=enable_dns_support,
    )


def read_subnet(node: Node, *, network_acl_id: str) -> Subnet:
    """Read a Subnet, which does not say itself which ACL it is associated with."""
    return Subnet(
        subnet_id=node.text("SubnetId"),
        vpc_id=node.text("VpcId"),
        network_acl_id=network_acl_id,
        names=names_of(node),
        ipv4_block=node.parsed_or_none("CidrBlock", ipv4_prefix),
        ipv6_blocks=ipv6_blocks(node),
        availability_zone=node.text_or_none("AvailabilityZone"),
        availability_zone_id=node.text_or_none("AvailabilityZoneId"),
    )


# Rules ------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _traffic(protocol: str, first: int | None, last: int | None) -> Traffic:
    return traffic_of(parse_protocol(protocol), first, last)


def rule_traffic(node: Node) -> Traffic:
    """Read IpProtocol, FromPort and ToPort."""
    protocol = node.text("IpProtocol")
    first, last = node.integer_or_none("FromPort"), node.integer_or_none("ToPort")
    try:
        return _traffic(protocol, first, last)
    except InputError as error:
        raise node.error(error.problem) from None


def _referenced_group(node: Node) -> GroupReference:
    return GroupReference(
        group_id=node.text("GroupId"),
        owner_id=node.text_or_none("UserId"),
        vpc_id=node.text_or_none("VpcId"),
        peering_id=node.text_or_none("VpcPeeringConnectionId"),
    )


def _listed_prefixes(node: Node) -> PrefixListReference:
    return PrefixListReference(prefix_list_id=node.text("PrefixListId"))


#: The lists of peers in an IpPermission, in the order in which their rules are numbered.
_PEERS: Final[tuple[tuple[str, Callable[[Node], Peer]], ...]] = (
    ("IpRanges", lambda node: node.parsed("CidrIp", ipv4_prefix)),
    ("Ipv6Ranges", lambda node: node.parsed("CidrIpv6", ipv6_prefix)),
    ("PrefixListIds", _listed_prefixes),
    ("UserIdGroupPairs", _referenced_group),
)


def permission_rules(group: Node) -> Iterator[SecurityGroupRule]:
    """Yield the rules of a SecurityGroup, one for each peer of each of its permissions."""
    group_id = group.text("GroupId")
    for key, is_egress, word in (
        ("IpPermissions", False, "ingress"),
        ("IpPermissionsEgress", True, "egress"),
    ):
        index = 0
        for permission in group.nodes(key):
            traffic = rule_traffic(permission)
            for peers, read in _PEERS:
                for peer in permission.nodes(peers):
                    yield SecurityGroupRule(
                        rule_id=f"{group_id}/{word}/{index}",
                        group_id=group_id,
                        is_egress=is_egress,
                        traffic=traffic,
                        peer=read(peer),
                        description=peer.free_text("Description"),
                    )
                    index += 1


def read_rule(node: Node) -> SecurityGroupRule:
    """Read a SecurityGroupRule."""
    peers: list[Peer] = []
    if (ipv4 := node.parsed_or_none("CidrIpv4", ipv4_prefix)) is not None:
        peers.append(ipv4)
    if (ipv6 := node.parsed_or_none("CidrIpv6", ipv6_prefix)) is not None:
        peers.append(ipv6)
    if node.text_or_none("PrefixListId"):
        peers.append(_listed_prefixes(node))
    if (group := node.node("ReferencedGroupInfo")) is not None:
        peers.append(_referenced_group(group))
    if len(peers) != 1:
        raise node.error(
            "has no single peer "
            "(expected one of CidrIpv4, CidrIpv6, PrefixListId, ReferencedGroupInfo)"
        )
    if node.value.get("IsEgress") is None:
        raise node.error("is missing", "IsEgress")
    return SecurityGroupRule(
        rule_id=node.text("SecurityGroupRuleId"),
        group_id=node.text("GroupId"),
        is_egress=node.boolean("IsEgress", default=False),
        traffic=rule_traffic(node),
        peer=peers[0],
        description=node.free_text("Description"),
    )


# Network ACLs -----------------------------------------------------------------------------------


def _entry_traffic(node: Node, family: int) -> Traffic:
    protocol = node.parsed("Protocol", parse_protocol)
    ports, icmp = node.node("PortRange"), node.node("IcmpTypeCode")
    first = last = None
    # Protocol 58 with an IPv4 block is taken without type and code (CreateNetworkAclEntry).
    if protocol == ICMP or (protocol == ICMPV6 and family == 6):
        if icmp is None:
            raise node.error("is missing", "IcmpTypeCode")
        first, last = icmp.integer("Type"), icmp.integer("Code")
    elif ports is not None:
        first, last = ports.integer("From"), ports.integer("To")
    try:
        return traffic_of(protocol, first, last)
    except InputError as error:
        raise node.error(error.problem) from None


def _entry(node: Node) -> NetworkAclEntry:
    ipv4 = node.parsed_or_none("CidrBlock", ipv4_prefix)
    ipv6 = node.parsed_or_none("Ipv6CidrBlock", ipv6_prefix)
    cidr: Prefix | None = ipv6 if ipv4 is None else ipv4
    if cidr is None or (ipv4 is not None and ipv6 is not None):
        raise node.error("has no single block (expected CidrBlock or Ipv6CidrBlock)")
    action = node.text("RuleAction")
    if action not in ("allow", "deny"):
        raise node.error(f"{action!r} is neither allow nor deny", "RuleAction")
    if node.value.get("Egress") is None:
        raise node.error("is missing", "Egress")
    return NetworkAclEntry(
        rule_number=node.integer("RuleNumber"),
        is_egress=node.boolean("Egress", default=False),
        is_allow=action == "allow",
        traffic=_entry_traffic(node, cidr.version),
        cidr=cidr,
    )


def read_acl(node: Node) -> NetworkAcl:
    """Read a NetworkAcl; the implicit denies (32767, 32768) are no entries."""
    entries: dict[tuple[bool, int], NetworkAclEntry] = {}
    for each in node.nodes("Entries"):
        number = each.integer("RuleNumber")
        if number >= IMPLICIT_DENY_IPV4:
            if each.text_or_none("RuleAction") != "deny":
                raise each.error(f"entry {number} does not deny (it is the implicit one)")
            continue
        entry = _entry(each)
        if number < 1:
            raise each.error(f"{number} is not within 1-32766", "RuleNumber")
        if entries.setdefault((entry.is_egress, number), entry) is not entry:
            raise each.error(f"entry {number} stands twice in one direction")
    return NetworkAcl(
        network_acl_id=node.text("NetworkAclId"),
        vpc_id=node.text("VpcId"),
        is_default=node.boolean("IsDefault", default=False),
        names=names_of(node),
        entries=tuple(entries[key] for key in sorted(entries)),
    )


# Interfaces and instances -----------------------------------------------------------------------


def _public(node: Node) -> IPv4Address | None:
    association = node.node("Association")
    return None if association is None else association.parsed_or_none("PublicIp", ipv4_address)


def _private_addresses(node: Node) -> tuple[PrivateIpv4, ...]:
    found: list[PrivateIpv4] = []
    for each in node.nodes("PrivateIpAddresses"):
        address = each.parsed("PrivateIpAddress", ipv4_address)
        is_primary = each.boolean("Primary", default=False)
        found.insert(
            0 if is_primary else len(found), PrivateIpv4(address=address, public=_public(each))
        )
    primary = node.parsed_or_none("PrivateIpAddress", ipv4_address)
    if primary is not None and all(each.address != primary for each in found):
        found.insert(0, PrivateIpv4(address=primary, public=_public(node)))
    return tuple(dict.fromkeys(found))


def _tracking(node: Node) -> ConnectionTracking:
    configured = node.node("ConnectionTrackingConfiguration")
    if configured is None:
        return ConnectionTracking()
    seconds = {name: configured.integer_or_none(name) for name in TIMEOUT_BOUNDS_S}
    try:
        return tracking_of(seconds)
    except InputError as error:
        raise configured.error(error.problem, error.path) from None


#: Who asks for the interfaces of application and classic load balancers, whose InterfaceType is
#: `interface`: their ports are other ones than a Linux host's.
_LOAD_BALANCING: Final = "amazon-elb"


def read_interface(node: Node, *, instance_id: str | None = None) -> NetworkInterface:
    """Read a NetworkInterface, or one that is nested in the instance `instance_id`."""
    attachment = node.node("Attachment")
    interface_type = node.text_or_none("InterfaceType") or "interface"
    if interface_type == "interface" and node.text_or_none("RequesterId") == _LOAD_BALANCING:
        interface_type = "load_balancer"
    group_ids = tuple(dict.fromkeys(each.text("GroupId") for each in node.nodes("Groups")))
    if not group_ids and interface_type not in (*GROUPLESS_TYPES, LOAD_BALANCER_TYPE):
        raise node.error(
            f"an interface of type {interface_type} without a group (expected at least one)",
            "Groups",
        )
    if instance_id is None and attachment is not None:
        instance_id = attachment.text_or_none("InstanceId")
    prefixes: tuple[Prefix, ...] = (
        *(each.parsed("Ipv4Prefix", ipv4_prefix) for each in node.nodes("Ipv4Prefixes")),
        *(each.parsed("Ipv6Prefix", ipv6_prefix) for each in node.nodes("Ipv6Prefixes")),
    )
    return NetworkInterface(
        interface_id=node.text("NetworkInterfaceId"),
        vpc_id=node.text("VpcId"),
        subnet_id=node.text("SubnetId"),
        interface_type=interface_type,
        names=names_of(node, "TagSet"),
        owner_id=node.text_or_none("OwnerId"),
        instance_id=instance_id,
        device_index=None if attachment is None else attachment.integer_or_none("DeviceIndex"),
        mac=node.parsed_or_none("MacAddress", parse_mac),
        ipv4=_private_addresses(node),
        ipv6=tuple(
            each.parsed("Ipv6Address", _ipv6_address) for each in node.nodes("Ipv6Addresses")
        ),
        prefixes=prefixes,
        group_ids=group_ids,
        source_dest_check=node.boolean("SourceDestCheck", default=True),
        tracking=_tracking(node),
    )


def read_instance(node: Node) -> Instance:
    """Read an Instance, without its interfaces."""
    return Instance(
        instance_id=node.text("InstanceId"),
        instance_type=node.text_or_none("InstanceType"),
        names=names_of(node),
    )
