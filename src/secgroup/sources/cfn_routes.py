"""Route tables, gateways and peerings of a template, and what its routes lead to."""

from collections.abc import Mapping
from typing import Final

from secgroup.model import defaults
from secgroup.model.external import External
from secgroup.model.group import PrefixListReference
from secgroup.model.prefix_list import PrefixList
from secgroup.model.route import (
    EgressOnlyInternetGateway,
    InternetGateway,
    PeeringConnection,
    PeeringSide,
    Route,
    RouteTable,
    Target,
    TargetKind,
    VpcEndpoint,
)
from secgroup.model.vpc import Vpc
from secgroup.net.address import Prefix
from secgroup.sources.cfn_item import Item, ipv4_only, ipv6_only
from secgroup.sources.cfn_stack import Resource, Stack
from secgroup.sources.cfn_vpc import Vpcs, main_route_table_id
from secgroup.sources.parameters import Unknown

#: The property that says a route's target -> what kind it is and which types it may name.
_TARGETS: Final[Mapping[str, tuple[TargetKind, tuple[str, ...]]]] = {
    "GatewayId": (TargetKind.INTERNET_GATEWAY, ("InternetGateway", "VPNGateway")),
    "EgressOnlyInternetGatewayId": (
        TargetKind.EGRESS_ONLY_GATEWAY,
        ("EgressOnlyInternetGateway",),
    ),
    "NatGatewayId": (TargetKind.NAT_GATEWAY, ("NatGateway",)),
    "VpcPeeringConnectionId": (TargetKind.PEERING, ("VPCPeeringConnection",)),
    "NetworkInterfaceId": (TargetKind.INTERFACE, ("NetworkInterface",)),
    "InstanceId": (TargetKind.INSTANCE, ("Instance",)),
    "VpcEndpointId": (TargetKind.OTHER, ("VPCEndpoint",)),
    "CarrierGatewayId": (TargetKind.OTHER, ()),
    "CoreNetworkArn": (TargetKind.OTHER, ()),
    "LocalGatewayId": (TargetKind.OTHER, ()),
    "OdbNetworkArn": (TargetKind.OTHER, ()),
    "TransitGatewayId": (TargetKind.OTHER, ()),
}


def add_gateways(stack: Stack, vpcs: Vpcs) -> None:
    """Add internet gateways, egress-only ones, and peerings.

    Raises
    ------
    InputError
        A property is wrong.

    """
    attached: dict[str, str] = {}
    for resource in stack.of("VPCGatewayAttachment"):
        item = resource.properties
        gateway_id = item.id_of("InternetGatewayId", "InternetGateway")
        if gateway_id is not None:
            attached[gateway_id] = vpcs.known(item)
    for resource in stack.of("InternetGateway"):
        gateway_id = resource.logical_id
        noun = InternetGateway(
            gateway_id=gateway_id,
            vpc_id=attached.pop(gateway_id, None),
            names=resource.properties.names,
        )
        stack.draft.add(noun, source=stack.source, path=resource.path)
    for gateway_id, vpc_id in attached.items():
        stack.draft.mention(InternetGateway(gateway_id=gateway_id, vpc_id=vpc_id))
    for resource in stack.of("EgressOnlyInternetGateway"):
        egress_only = EgressOnlyInternetGateway(
            gateway_id=resource.logical_id,
            vpc_id=vpcs.known(resource.properties),
            names=resource.properties.names,
        )
        stack.draft.add(egress_only, source=stack.source, path=resource.path)
    for resource in stack.of("VPCPeeringConnection"):
        _add_peering(stack, vpcs, resource)


def _add_peering(stack: Stack, vpcs: Vpcs, resource: Resource) -> None:
    item = resource.properties
    requester = vpcs.known(item)
    accepter = item.required_id("PeerVpcId", "VPC")
    owner, region = item.text("PeerOwnerId"), item.text("PeerRegion")

    def side(vpc_id: str, owner_id: str, region: str) -> PeeringSide:
        vpc = stack.draft.of(Vpc).get(vpc_id)
        blocks: tuple[Prefix, ...] = () if vpc is None else (*vpc.ipv4_blocks, *vpc.ipv6_blocks)
        return PeeringSide(vpc_id=vpc_id, owner_id=owner_id, region=region, blocks=blocks)

    noun = PeeringConnection(
        peering_id=resource.logical_id,
        requester=side(requester, vpcs.account_id, vpcs.region),
        accepter=side(accepter, str(owner or vpcs.account_id), str(region or vpcs.region)),
        names=item.names,
    )
    stack.draft.add(noun, source=stack.source, path=resource.path)


def add_route_tables(stack: Stack, vpcs: Vpcs) -> None:
    """Add the route tables with their routes, those of gateway endpoints included.

    Raises
    ------
    InputError
        A property is wrong.

    """
    subnets = _associated(stack, "SubnetRouteTableAssociation", "SubnetId")
    gateways = _associated(stack, "GatewayRouteTableAssociation", "GatewayId")
    routes: dict[str, list[Route]] = {}
    for resource in stack.of("Route"):
        table_id = resource.properties.required_id("RouteTableId", "RouteTable")
        routes.setdefault(table_id, []).append(_route(stack, resource.properties))
    for endpoint in stack.draft.of(VpcEndpoint).values():
        for table_id in endpoint.route_table_ids:
            routes.setdefault(table_id, []).append(_route_of_endpoint(stack, endpoint))
    for resource in stack.of("RouteTable"):
        vpc_id = vpcs.known(resource.properties)
        vpc = stack.draft.of(Vpc).get(vpc_id)
        table_id = resource.logical_id
        table = RouteTable(
            route_table_id=table_id,
            vpc_id=vpc_id,
            names=resource.properties.names,
            subnet_ids=tuple(subnets.get(table_id, ())),
            gateway_ids=tuple(gateways.get(table_id, ())),
            routes=(
                *(() if vpc is None else defaults.local_routes(vpc)),
                *routes.pop(table_id, ()),
            ),
        )
        stack.draft.add(table, source=stack.source, path=resource.path)
    for resource in stack.of("VPC"):
        vpc = stack.draft.of(Vpc)[resource.logical_id]
        main = defaults.main_route_table(vpc, route_table_id=main_route_table_id(vpc.vpc_id))
        stack.draft.add(main, source=stack.source, path=resource.path)
    for table_id in routes:
        if table_id not in stack.draft.of(RouteTable):
            stack.warn(f"route table {table_id} is not in the template; its routes are left out")


def _associated(stack: Stack, kind: str, name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    seen: set[str] = set()
    for resource in stack.of(kind):
        item = resource.properties
        table_id = item.required_id("RouteTableId", "RouteTable")
        what = str(item.required(name))
        if what in seen:
            raise item.error(f"{what} has two route tables", name)
        seen.add(what)
        found.setdefault(table_id, []).append(what)
    return found


def _route(stack: Stack, item: Item) -> Route:
    destinations = [
        ipv4_only(item, "DestinationCidrBlock"),
        ipv6_only(item, "DestinationIpv6CidrBlock"),
    ]
    blocks = [each for each in destinations if each is not None]
    list_id = item.id_of("DestinationPrefixListId", "PrefixList")
    if len(blocks) + (list_id is not None) != 1:
        raise item.error(
            "expected one of DestinationCidrBlock, DestinationIpv6CidrBlock and "
            "DestinationPrefixListId"
        )
    given = [name for name in _TARGETS if item.text(name) is not None]
    if len(given) != 1:
        raise item.error(f"expected one target of {', '.join(_TARGETS)}")
    target = _target(stack, item, given[0])
    if list_id is not None:
        return Route(destination=PrefixListReference(prefix_list_id=list_id), target=target)
    block = blocks[0]
    return Route(
        destination=External(block.text) if isinstance(block, Unknown) else block, target=target
    )


def _target(stack: Stack, item: Item, name: str) -> Target:
    kind, types = _TARGETS[name]
    target_id = item.required_id(name, *types) if types else str(item.required(name))
    if name == "GatewayId":
        found = stack.resources.get(target_id)
        if target_id == "local":
            kind = TargetKind.LOCAL
        elif found is None:
            # A literal says by its beginning what it is; what cannot be told leaves the model.
            kind = kind if target_id.startswith("igw-") else TargetKind.OTHER
        elif found.kind != "AWS::EC2::InternetGateway":
            kind = TargetKind.OTHER
    return Target(kind=kind, target_id=target_id)


def _route_of_endpoint(stack: Stack, endpoint: VpcEndpoint) -> Route:
    """Return the route to a gateway endpoint's service: its AWS-managed prefix list."""
    lists = stack.draft.of(PrefixList).values()
    known = [each.prefix_list_id for each in lists if each.name == endpoint.service_name]
    list_id = known[0] if known else endpoint.service_name
    if not known:
        stack.draft.add(
            PrefixList(prefix_list_id=list_id, name=endpoint.service_name), source=stack.source
        )
    return Route(
        destination=PrefixListReference(prefix_list_id=list_id),
        target=Target(kind=TargetKind.GATEWAY_ENDPOINT, target_id=endpoint.endpoint_id),
    )
