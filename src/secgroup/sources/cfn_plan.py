"""Which interfaces a template makes, before they have addresses.

Owns the interfaces that an instance, a NAT gateway or an endpoint implies, and what they are
called. An implied interface carries the logical id of what it belongs to; a further one of an
instance is `Web/eth1`, one of an endpoint `Endpoint/Subnet`.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import Final

from secgroup.errors import InputError
from secgroup.model.group import SecurityGroup
from secgroup.model.interface import (
    TIMEOUT_BOUNDS_S,
    ConnectionTracking,
    NetworkInterface,
    tracking_of,
)
from secgroup.model.vpc import Subnet
from secgroup.net.address import Prefix
from secgroup.sources.cfn_addresses import Wanted
from secgroup.sources.cfn_groups import Groups
from secgroup.sources.cfn_item import Item, known_ipv4
from secgroup.sources.cfn_stack import Resource, Stack
from secgroup.sources.cfn_vpc import Placement, Vpcs, default_group_id
from secgroup.sources.parameters import Unknown

#: EC2's InterfaceType of what an endpoint of each type has; None: no interface.
_ENDPOINT_TYPES: Final = {
    "Gateway": None,
    "Interface": "vpc_endpoint",
    "Resource": "vpc_endpoint",
    "ServiceNetwork": "vpc_endpoint",
    "GatewayLoadBalancer": "gateway_load_balancer_endpoint",
}
_MOST_ADDRESSES: Final = 256


@dataclass(kw_only=True)
class Planned:
    """An interface before it has addresses.

    Parameters
    ----------
    noun : NetworkInterface
        All but its addresses.
    wanted : Wanted
        The addresses that it is to have.
    names : tuple of str
        What `--address` may call it.
    gets_public : bool
        It gets a public address when it is made.
    elastic : dict of (IPv4Address or None) to IPv4Address
        Private address (None: the primary one) -> elastic address.

    """

    noun: NetworkInterface
    wanted: Wanted
    names: tuple[str, ...]
    gets_public: bool = False
    elastic: dict[IPv4Address | None, IPv4Address] = field(default_factory=dict)


class Plan:
    """The interfaces that a stack makes.

    Parameters
    ----------
    given : container of str
        The names that a person has said addresses of.

    """

    def __init__(self, stack: Stack, vpcs: Vpcs, groups: Groups, given: Container[str]) -> None:
        self._stack = stack
        self._vpcs = vpcs
        self._groups = groups
        self._given = given

    def every(self) -> Iterator[Planned]:
        """Yield the interfaces; what cannot be placed is named in a warning.

        Raises
        ------
        InputError
            A property is wrong.

        """
        for resource in self._stack.of("Instance"):
            yield from self._of_instance(resource)
        for resource in self._stack.of("NetworkInterface"):
            groups = resource.properties.ids_of("GroupSet", "SecurityGroup")
            planned = self._planned(resource.properties, resource.logical_id, groups=groups)
            if planned is not None:
                planned.gets_public = False
                yield planned
        for resource in self._stack.of("NatGateway"):
            planned = self._of_nat_gateway(resource)
            if planned is not None:
                yield planned
        for resource in self._stack.of("VPCEndpoint"):
            yield from self.of_endpoint(resource)

    def _of_instance(self, resource: Resource) -> Iterator[Planned]:
        item = resource.properties
        parts = item.items("NetworkInterfaces")
        zone = item.text("AvailabilityZone")
        if not parts:
            groups = item.ids_of("SecurityGroupIds", "SecurityGroup")
            groups += [self._groups.named_group_id(each) for each in item.texts("SecurityGroups")]
            yield from self._implied(resource, item, 0, groups, zone, may_map=True)
        for position, part in enumerate(parts):
            index = part.number("DeviceIndex")
            index = position if index is None else index
            if part.text("NetworkInterfaceId") is None:
                groups = part.ids_of("GroupSet", "SecurityGroup")
                yield from self._implied(
                    resource, part, index, groups, zone, may_map=len(parts) == 1
                )

    def _implied(
        self,
        resource: Resource,
        item: Item,
        index: int,
        groups: list[str],
        zone: str | Unknown | None,
        *,
        may_map: bool,
    ) -> Iterator[Planned]:
        logical_id = resource.logical_id
        key = logical_id if index == 0 else f"{logical_id}/eth{index}"
        if not groups and resource.properties.get("LaunchTemplate") is not None:
            # It may name groups: the default one instead of them would be a guess.
            groups = [f"{logical_id}.LaunchTemplate"]
        planned = self._planned(item, key, groups=groups, zone=zone)
        if planned is None:
            return
        planned.gets_public &= may_map and index == 0
        if item is not resource.properties:
            planned.gets_public = item.flag("AssociatePublicIpAddress", default=planned.gets_public)
        check = resource.properties.flag("SourceDestCheck", default=True)
        planned.noun = replace(
            planned.noun,
            instance_id=logical_id,
            device_index=index,
            source_dest_check=check if index == 0 else True,
        )
        yield planned

    def _of_nat_gateway(self, resource: Resource) -> Planned | None:
        item = resource.properties
        if item.text("SubnetId") is None:
            self._stack.warn(
                f"{resource.path}: a NAT gateway without a subnet is not modelled; left out"
            )
            return None
        planned = self._planned(item, resource.logical_id, groups=[], kind="natGateway")
        if planned is not None:
            name = "SecondaryPrivateIpAddresses"
            planned.wanted.ipv4 += [known_ipv4(item, each, name) for each in item.texts(name)]
            planned.noun = replace(planned.noun, source_dest_check=False)
            planned.gets_public = False
        return planned

    def of_endpoint(self, resource: Resource) -> list[Planned]:
        """Return the interfaces of an endpoint: one in each of its subnets."""
        item = resource.properties
        interface_type = _ENDPOINT_TYPES[endpoint_type(item)]
        if interface_type is None:
            return []
        family = str(item.text("IpAddressType") or "ipv4").lower()
        found: list[Planned] = []
        for subnet_id in item.ids_of("SubnetIds", "Subnet"):
            placement = self._known_placement(subnet_id)
            key = f"{resource.logical_id}/{subnet_id}"
            if placement is None:
                self._leave_out(key, subnet_id)
                continue
            wanted = Wanted(key=key, path=resource.path, subnet=placement.subnet)
            if family != "ipv6":
                wanted.ipv4.append(None)
            if family != "ipv4":
                wanted.ipv6.append(None)
            noun = NetworkInterface(
                interface_id=key,
                vpc_id=placement.subnet.vpc_id,
                subnet_id=subnet_id,
                interface_type=interface_type,
                names=(resource.logical_id,),
                owner_id=self._vpcs.account_id,
                group_ids=()
                if interface_type != "vpc_endpoint"
                else self._group_ids(
                    item.ids_of("SecurityGroupIds", "SecurityGroup"), placement.subnet.vpc_id
                ),
            )
            found.append(Planned(noun=noun, wanted=wanted, names=(key, resource.logical_id)))
        return found

    def _planned(
        self,
        item: Item,
        key: str,
        *,
        groups: list[str],
        zone: str | Unknown | None = None,
        kind: str | None = None,
    ) -> Planned | None:
        placement = self._placement(item, key, zone)
        if placement is None:
            return None
        subnet = placement.subnet
        is_nat = kind is not None
        wanted = Wanted(key=key, path=item.path, subnet=subnet)
        wanted.ipv4 = self._wanted_ipv4(item, subnet, is_plain=not is_nat)
        if not is_nat:
            wanted.ipv6 = self._wanted_ipv6(item, placement)
        if not wanted.ipv4 and not wanted.ipv6 and key not in self._given:
            self._stack.warn(
                f"{key} is left out: no block of "
                f"{subnet.subnet_id} is known (say its address with --address {key}=ADDRESS)"
            )
            return None
        is_resource = item.kind == "AWS::EC2::NetworkInterface"
        noun = NetworkInterface(
            interface_id=key,
            vpc_id=subnet.vpc_id,
            subnet_id=subnet.subnet_id,
            interface_type=kind or str((is_resource and item.text("InterfaceType")) or "interface"),
            names=item.names if is_resource else (),
            owner_id=self._vpcs.account_id,
            prefixes=tuple(_prefixes(item)) if is_resource else (),
            group_ids=() if is_nat else self._group_ids(groups, subnet.vpc_id),
            source_dest_check=item.flag("SourceDestCheck", default=True) if is_resource else True,
            tracking=_tracking(item) if is_resource else ConnectionTracking(),
        )
        return Planned(noun=noun, wanted=wanted, names=(key,), gets_public=placement.maps_public_ip)

    def _placement(self, item: Item, key: str, zone: str | Unknown | None) -> Placement | None:
        where = item.id_of("SubnetId", "Subnet")
        if where is None:
            placement = self._vpcs.default_subnet(None if zone is None else str(zone))
            where = "the default VPC's subnet"
        else:
            placement = self._known_placement(where)
        if placement is None:
            self._leave_out(key, where)
        return placement

    def _known_placement(self, subnet_id: str) -> Placement | None:
        if subnet_id in self._vpcs.placements:
            return self._vpcs.placements[subnet_id]
        subnet = self._stack.draft.of(Subnet).get(subnet_id)
        if subnet is None:
            return None
        return Placement(subnet=subnet, maps_public_ip=False, assigns_ipv6=False)

    def _leave_out(self, key: str, subnet_id: str) -> None:
        self._stack.warn(
            f"{key} is left out: its subnet {subnet_id} is not in the files (bring it with --with)"
        )

    def _group_ids(self, group_ids: list[str], vpc_id: str) -> tuple[str, ...]:
        if group_ids:
            return tuple(dict.fromkeys(group_ids))
        # Without any group an interface gets its VPC's default one (VPC User Guide).
        default = default_group_id(vpc_id)
        for group in self._stack.draft.of(SecurityGroup).values():
            if group.name == "default" and vpc_id in group.vpc_ids:
                default = group.group_id
        return (default,)

    def _wanted_ipv4(
        self, item: Item, subnet: Subnet, *, is_plain: bool
    ) -> list[IPv4Address | None]:
        primary: list[IPv4Address | None] = []
        secondary: list[IPv4Address | None] = []
        first = item.text("PrivateIpAddress")
        if first is not None:
            primary.append(known_ipv4(item, first, "PrivateIpAddress"))
        for part in item.items("PrivateIpAddresses") if is_plain else []:
            address = known_ipv4(part, part.required("PrivateIpAddress"), "PrivateIpAddress")
            if part.flag("Primary", default=False):
                primary = [address]
            elif address not in primary:
                secondary.append(address)
        count = item.number("SecondaryPrivateIpAddressCount") or 0
        if not primary and subnet.ipv4_block is not None:
            primary.append(None)
        if primary and subnet.ipv4_block is not None:
            if not 0 <= count <= _MOST_ADDRESSES:
                raise item.error(
                    f"{count} is not within 0 and 256", "SecondaryPrivateIpAddressCount"
                )
            secondary += [None] * count
        return primary + secondary

    def _wanted_ipv6(self, item: Item, placement: Placement) -> list[IPv6Address | None]:
        found: list[IPv6Address | None] = []
        for part in item.items("Ipv6Addresses"):
            address = part.address("Ipv6Address")
            if not isinstance(address, IPv6Address):
                raise part.error(f"{address} is not an IPv6 address", "Ipv6Address")
            found.append(address)
        count = item.number("Ipv6AddressCount")
        if count is not None and not 0 <= count <= _MOST_ADDRESSES:
            raise item.error(f"{count} is not within 0 and 256", "Ipv6AddressCount")
        if not found and count is None:
            count = int(placement.assigns_ipv6)
        return found + [None] * (count or 0) if placement.subnet.ipv6_blocks else found


def endpoint_type(item: Item) -> str:
    """Return an endpoint's type as EC2 writes it; without one it is a gateway endpoint."""
    given = str(item.text("VpcEndpointType") or "Gateway")
    for known in _ENDPOINT_TYPES:
        if known.lower() == given.lower():
            return known
    raise item.error(f"expected one of {', '.join(_ENDPOINT_TYPES)}", "VpcEndpointType")


def _prefixes(item: Item) -> Iterator[Prefix]:
    for family, name in (("Ipv4Prefixes", "Ipv4Prefix"), ("Ipv6Prefixes", "Ipv6Prefix")):
        for part in item.items(family):
            block = part.prefix(name)
            if block is None or isinstance(block, Unknown):
                raise part.error(f"expected a block, not {block}", name)
            if isinstance(block, IPv4Network) != (name == "Ipv4Prefix"):
                raise part.error(f"{block} is of the other family", name)
            yield block


def _tracking(item: Item) -> ConnectionTracking:
    part = item.item("ConnectionTrackingSpecification")
    if part is None:
        return ConnectionTracking()
    seconds = {name: part.number(name) for name in TIMEOUT_BOUNDS_S}
    try:
        return tracking_of(seconds)
    except InputError as error:
        raise part.error(error.problem, error.path) from None
