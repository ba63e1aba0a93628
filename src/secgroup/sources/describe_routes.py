"""How EC2's describe output spells routes and what they lead to: a reader each.

Knows one object at a time; what needs several of them is in `describe`.
Source of the shapes: the EC2 API, version 2016-11-15.
"""

from typing import Final

from secgroup.model.group import PrefixListReference
from secgroup.model.interface import NetworkInterface, PrivateIpv4
from secgroup.model.route import (
    EgressOnlyInternetGateway,
    ElasticAddress,
    InternetGateway,
    NatGateway,
    PeeringConnection,
    PeeringSide,
    Route,
    RouteTable,
    Target,
    TargetKind,
    VpcEndpoint,
)
from secgroup.net.address import Prefix
from secgroup.sources.describe_nouns import (
    associated,
    ipv4_address,
    ipv4_prefix,
    ipv6_prefix,
    names_of,
)
from secgroup.sources.document import Node

#: The fields of a route that name its target, the exact one first, and the kind each means.
_TARGETS: Final = (
    ("NatGatewayId", TargetKind.NAT_GATEWAY),
    ("VpcPeeringConnectionId", TargetKind.PEERING),
    ("EgressOnlyInternetGatewayId", TargetKind.EGRESS_ONLY_GATEWAY),
    ("NetworkInterfaceId", TargetKind.INTERFACE),
    ("InstanceId", TargetKind.INSTANCE),
    ("TransitGatewayId", TargetKind.OTHER),
    ("LocalGatewayId", TargetKind.OTHER),
    ("CarrierGatewayId", TargetKind.OTHER),
    ("CoreNetworkArn", TargetKind.OTHER),
    ("OdbNetworkArn", TargetKind.OTHER),
)


def _gateway_kind(gateway_id: str, *, to_prefix_list: bool) -> TargetKind:
    """Tell what GatewayId names: EC2 puts several kinds into it, told by the id's prefix."""
    if gateway_id == "local":
        return TargetKind.LOCAL
    if gateway_id.startswith("igw-"):
        return TargetKind.INTERNET_GATEWAY
    if gateway_id.startswith("eigw-"):
        return TargetKind.EGRESS_ONLY_GATEWAY
    # Only a gateway endpoint is routed to by prefix list; the others are appliances.
    if gateway_id.startswith("vpce-") and to_prefix_list:
        return TargetKind.GATEWAY_ENDPOINT
    return TargetKind.OTHER


def _route(node: Node) -> Route:
    destination: Prefix | PrefixListReference | None = node.parsed_or_none(
        "DestinationCidrBlock", ipv4_prefix
    )
    if destination is None:
        destination = node.parsed_or_none("DestinationIpv6CidrBlock", ipv6_prefix)
    if destination is None:
        if not node.text_or_none("DestinationPrefixListId"):
            raise node.error(
                "has no destination (expected DestinationCidrBlock, "
                "DestinationIpv6CidrBlock or DestinationPrefixListId)"
            )
        destination = PrefixListReference(prefix_list_id=node.text("DestinationPrefixListId"))
    is_blackhole = node.text_or_none("State") == "blackhole"
    gateway_id = node.text_or_none("GatewayId")
    target = None
    if gateway_id:
        to_list = isinstance(destination, PrefixListReference)
        target = Target(
            kind=_gateway_kind(gateway_id, to_prefix_list=to_list), target_id=gateway_id
        )
    for key, kind in _TARGETS:
        if target is None and (target_id := node.text_or_none(key)):
            target = Target(kind=kind, target_id=target_id)
    if target is None:
        if not is_blackhole:
            raise node.error(
                "leads to nothing that is known (expected GatewayId, NatGatewayId ...)"
            )
        target = Target(kind=TargetKind.OTHER, target_id="blackhole")
    return Route(destination=destination, target=target, is_blackhole=is_blackhole)


def read_route_table(node: Node) -> RouteTable:
    """Read a RouteTable and what it is associated with."""
    associations = list(associated(node, "Associations", "AssociationState"))
    return RouteTable(
        route_table_id=node.text("RouteTableId"),
        vpc_id=node.text("VpcId"),
        is_main=any(each.boolean("Main", default=False) for each in associations),
        names=names_of(node),
        subnet_ids=tuple(
            each.text("SubnetId") for each in associations if each.text_or_none("SubnetId")
        ),
        gateway_ids=tuple(
            each.text("GatewayId") for each in associations if each.text_or_none("GatewayId")
        ),
        routes=tuple(_route(each) for each in node.nodes("Routes")),
    )


def _attached_vpc(node: Node) -> str | None:
    for each in node.nodes("Attachments"):
        if each.text_or_none("State") in (None, "attached", "available"):
            return each.text("VpcId")
    return None


def read_internet_gateway(node: Node) -> InternetGateway:
    """Read an InternetGateway."""
    return InternetGateway(
        gateway_id=node.text("InternetGatewayId"),
        vpc_id=_attached_vpc(node),
        names=names_of(node),
    )


def read_egress_only_gateway(node: Node) -> EgressOnlyInternetGateway:
    """Read an EgressOnlyInternetGateway."""
    return EgressOnlyInternetGateway(
        gateway_id=node.text("EgressOnlyInternetGatewayId"),
        vpc_id=_attached_vpc(node),
        names=names_of(node),
    )


def read_nat_gateway(node: Node) -> tuple[NatGateway, tuple[NetworkInterface, ...]]:
    """Read a NatGateway, and its interfaces as far as it tells them; the primary one first."""
    vpc_id, subnet_id = node.text("VpcId"), node.text("SubnetId")
    by_interface: dict[str, list[PrivateIpv4]] = {}
    addresses = node.nodes("NatGatewayAddresses")
    for each in sorted(addresses, key=lambda each: not each.boolean("IsPrimary", default=False)):
        interface_id = each.text_or_none("NetworkInterfaceId")
        address = each.parsed_or_none("PrivateIp", ipv4_address)
        if interface_id and address is not None:
            public = each.parsed_or_none("PublicIp", ipv4_address)
            by_interface.setdefault(interface_id, []).append(
                PrivateIpv4(address=address, public=public)
            )
    gateway = NatGateway(
        gateway_id=node.text("NatGatewayId"),
        vpc_id=vpc_id,
        subnet_id=subnet_id,
        interface_ids=tuple(by_interface),
        is_public=node.text_or_none("ConnectivityType") != "private",
        is_available=node.text_or_none("State") in (None, "available"),
        names=names_of(node),
    )
    interfaces = tuple(
        NetworkInterface(
            interface_id=interface_id,
            vpc_id=vpc_id,
            subnet_id=subnet_id,
            interface_type="natGateway",
            ipv4=tuple(private),
            source_dest_check=False,
        )
        for interface_id, private in by_interface.items()
    )
    return gateway, interfaces


def is_of_another_network(node: Node) -> bool:
    """Tell whether an Address is a carrier's (Wavelength) or a customer's own (Outposts)."""
    return bool(node.text_or_none("CarrierIp") or node.text_or_none("CustomerOwnedIp"))


def read_address(node: Node) -> ElasticAddress:
    """Read an Address."""
    return ElasticAddress(
        public_ip=node.parsed("PublicIp", ipv4_address),
        allocation_id=node.text_or_none("AllocationId"),
        interface_id=node.text_or_none("NetworkInterfaceId"),
        private_ip=node.parsed_or_none("PrivateIpAddress", ipv4_address),
        names=names_of(node),
    )


def _peering_side(node: Node, key: str) -> PeeringSide:
    side = node.node(key)
    if side is None:
        raise node.error("is missing", key)
    blocks: list[Prefix] = []
    if (primary := side.parsed_or_none("CidrBlock", ipv4_prefix)) is not None:
        blocks.append(primary)
    blocks += (each.parsed("CidrBlock", ipv4_prefix) for each in side.nodes("CidrBlockSet"))
    blocks += (each.parsed("Ipv6CidrBlock", ipv6_prefix) for each in side.nodes("Ipv6CidrBlockSet"))
    return PeeringSide(
        vpc_id=side.text("VpcId"),
        owner_id=side.text_or_none("OwnerId"),
        region=side.text_or_none("Region"),
        blocks=tuple(dict.fromkeys(blocks)),
    )


def read_peering(node: Node) -> PeeringConnection:
    """Read a VpcPeeringConnection."""
    status = node.node("Status")
    return PeeringConnection(
        peering_id=node.text("VpcPeeringConnectionId"),
        requester=_peering_side(node, "RequesterVpcInfo"),
        accepter=_peering_side(node, "AccepterVpcInfo"),
        is_active=status is None or status.text_or_none("Code") == "active",
        names=names_of(node),
    )


def read_endpoint(node: Node) -> VpcEndpoint:
    """Read a VpcEndpoint."""
    return VpcEndpoint(
        endpoint_id=node.text("VpcEndpointId"),
        vpc_id=node.text("VpcId"),
        service_name=node.text_or_none("ServiceName") or "",
        endpoint_type=node.text_or_none("VpcEndpointType") or "Gateway",
        is_available=(node.text_or_none("State") or "available").lower() == "available",
        route_table_ids=node.texts("RouteTableIds"),
        interface_ids=node.texts("NetworkInterfaceIds"),
        names=names_of(node),
    )
