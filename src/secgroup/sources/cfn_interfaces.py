"""Instances, network interfaces, NAT gateways and endpoints of a template.

Owns which interfaces there are, also those that an instance, a NAT gateway or an endpoint
implies, and what they are called. An implied interface carries the logical id of what it
belongs to; a further one of an instance `Web/eth1`; one of an endpoint `Endpoint/Subnet`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address

from secgroup.errors import InputError
from secgroup.model.group import SecurityGroup
from secgroup.model.interface import (
    ConnectionTracking,
    Instance,
    NetworkInterface,
    PrivateIpv4,
)
from secgroup.model.route import ElasticAddress, NatGateway, VpcEndpoint
from secgroup.model.vpc import Subnet
from secgroup.net.address import Address, Prefix
from secgroup.sources.cfn_addresses import Wanted, derive, derive_public, take_given
from secgroup.sources.cfn_groups import Groups
from secgroup.sources.cfn_stack import Item, Resource, Stack
from secgroup.sources.cfn_vpc import Placement, Vpcs, default_group_id
from secgroup.sources.intrinsics import Evaluated
from secgroup.sources.parameters import Unknown

_ENDPOINT_TYPES = {
    "interface": "vpc_endpoint",
    "resource": "vpc_endpoint",
    "servicenetwork": "vpc_endpoint",
    "gatewayloadbalancer": "gateway_load_balancer_endpoint",
}


@dataclass(kw_only=True)
class _Planned:
    """An interface before it has addresses."""

    noun: NetworkInterface
    wanted: Wanted
    #: What `--address` may call it.
    names: tuple[str, ...]
    gets_public: bool = False
    elastic: dict[IPv4Address | None, IPv4Address] = field(default_factory=dict)


class Interfaces:
    """The interfaces of a stack."""

    def __init__(
        self, stack: Stack, vpcs: Vpcs, groups: Groups, given: dict[str, list[Address]]
    ) -> None:
        self._stack = stack
        self._vpcs = vpcs
        self._groups = groups
        self._given = given
        self._public: dict[str, IPv4Address] = {}
        self._planned: dict[str, _Planned] = {}
        self._primary: dict[str, str] = {}
        self._is_placing = False
        self._placed: dict[str, NetworkInterface] | None = None
        stack.providers |= {
            ("EIP", "PublicIp"): lambda eip: str(self._elastic_ip(eip)),
            ("EIP", "AllocationId"): lambda eip: eip.logical_id,
            ("Instance", "PrivateIp"): lambda each: self._private_ip(each.logical_id),
            ("Instance", "PublicIp"): lambda each: self._public_ip(each.logical_id),
            ("Instance", "VpcId"): lambda each: self._vpc_id(each.logical_id),
            ("Instance", "AvailabilityZone"): self._zone,
            ("NetworkInterface", "PrimaryPrivateIpAddress"): lambda each: self._private_ip(
                each.logical_id
            ),
            ("NetworkInterface", "SecondaryPrivateIpAddresses"): lambda each: self._secondary(
                each.logical_id
            ),
            ("NetworkInterface", "PrimaryIpv6Address"): lambda each: self._ipv6(each.logical_id),
            ("NetworkInterface", "VpcId"): lambda each: self._vpc_id(each.logical_id),
            ("NatGateway", "EniId"): lambda each: each.logical_id,
            ("VPCEndpoint", "NetworkInterfaceIds"): lambda each: [
                planned.noun.interface_id for planned in self._of_endpoint(each)
            ],
        }

    # What GetAtt yields

    def _interface(self, logical_id: str) -> NetworkInterface | None:
        return self.place().get(self._primary.get(logical_id, logical_id))

    def _private_ip(self, logical_id: str) -> Evaluated:
        found = self._interface(logical_id)
        if found is None or not found.ipv4:
            return Unknown(f"{logical_id}.PrivateIp")
        return str(found.ipv4[0].address)

    def _public_ip(self, logical_id: str) -> Evaluated:
        found = self._interface(logical_id)
        if found is None or not found.ipv4 or found.ipv4[0].public is None:
            return Unknown(f"{logical_id}.PublicIp")
        return str(found.ipv4[0].public)

    def _secondary(self, logical_id: str) -> Evaluated:
        found = self._interface(logical_id)
        return [] if found is None else [str(each.address) for each in found.ipv4[1:]]

    def _ipv6(self, logical_id: str) -> Evaluated:
        found = self._interface(logical_id)
        if found is None or not found.ipv6:
            return Unknown(f"{logical_id}.PrimaryIpv6Address")
        return str(found.ipv6[0])

    def _vpc_id(self, logical_id: str) -> Evaluated:
        found = self._interface(logical_id)
        return Unknown(f"{logical_id}.VpcId") if found is None else found.vpc_id

    def _zone(self, resource: Resource) -> Evaluated:
        zone = resource.properties.text("AvailabilityZone")
        if zone is not None:
            return zone
        found = self._interface(resource.logical_id)
        subnet = None if found is None else self._stack.draft.of(Subnet).get(found.subnet_id)
        known = None if subnet is None else subnet.availability_zone
        return known or f"{self._vpcs.region}a"

    # Building

    def build(self) -> None:
        """Add the interfaces with what they belong to.

        Raises
        ------
        InputError
            A property is wrong, or an address cannot be had.

        """
        draft, source = self._stack.draft, self._stack.source
        placed = self.place()
        for interface in placed.values():
            path = self._planned[interface.interface_id].wanted.path
            draft.add(interface, source=source, path=path)
        for resource in self._stack.of("Instance"):
            instance_type = resource.properties.text("InstanceType")
            noun = Instance(
                instance_id=resource.logical_id,
                instance_type=None if instance_type is None else str(instance_type),
                names=resource.properties.names,
            )
            draft.add(noun, source=source, path=resource.path)
        for resource in self._stack.of("NatGateway"):
            if resource.logical_id in placed:
                interface = placed[resource.logical_id]
                gateway = NatGateway(
                    gateway_id=resource.logical_id,
                    vpc_id=interface.vpc_id,
                    subnet_id=interface.subnet_id,
                    interface_ids=(interface.interface_id,),
                    is_public=_is_public(resource.properties),
                    names=resource.properties.names,
                )
                draft.add(gateway, source=source, path=resource.path)
        for resource in self._stack.of("VPCEndpoint"):
            self._add_endpoint(resource, placed)
        for resource in self._stack.of("EIP"):
            self._add_elastic(resource, placed)

    def _add_endpoint(self, resource: Resource, placed: dict[str, NetworkInterface]) -> None:
        item = resource.properties
        kind = str(item.text("VpcEndpointType") or "Gateway")
        tables = [
            self._stack.resource_id(each, "RouteTable") for each in item.texts("RouteTableIds")
        ]
        noun = VpcEndpoint(
            endpoint_id=resource.logical_id,
            vpc_id=self._vpcs.known(item.required("VpcId")),
            service_name=str(item.text("ServiceName") or ""),
            endpoint_type=kind,
            route_table_ids=tuple(tables) if kind == "Gateway" else (),
            interface_ids=tuple(
                planned.noun.interface_id
                for planned in self._of_endpoint(resource)
                if planned.noun.interface_id in placed
            ),
            names=item.names,
        )
        self._stack.draft.add(noun, source=self._stack.source, path=resource.path)

    def _add_elastic(self, resource: Resource, placed: dict[str, NetworkInterface]) -> None:
        public = self._elastic_ip(resource)
        holder = next(
            (
                (interface.interface_id, private.address)
                for interface in placed.values()
                for private in interface.ipv4
                if private.public == public
            ),
            (None, None),
        )
        noun = ElasticAddress(
            public_ip=public,
            allocation_id=resource.logical_id,
            interface_id=holder[0],
            private_ip=holder[1],
            names=resource.properties.names,
        )
        self._stack.draft.add(noun, source=self._stack.source, path=resource.path)

    def place(self) -> dict[str, NetworkInterface]:
        """Return the interfaces with their addresses, by id.

        Raises
        ------
        InputError
            A property is wrong, or it needs the address that it helps to find.

        """
        if self._placed is not None:
            return self._placed
        if self._is_placing:
            raise InputError(
                "addresses of interfaces that wait for one another", source=self._stack.source
            )
        self._is_placing = True
        for planned in self._plan():
            self._planned[planned.noun.interface_id] = planned
        self._attach()
        self._take_given()
        self._associate()
        taken: dict[str, set[Address]] = {}
        for other in self._stack.draft.of(NetworkInterface).values():
            taken.setdefault(other.subnet_id, set()).update(other.addresses)
        derive([each.wanted for each in self._planned.values()], taken, source=self._stack.source)
        self._placed = {key: self._finished(each) for key, each in self._planned.items()}
        self._is_placing = False
        return self._placed

    def _finished(self, planned: _Planned) -> NetworkInterface:
        private: list[PrivateIpv4] = []
        for i, address in enumerate(planned.wanted.ipv4):
            if address is None:
                continue
            public = planned.elastic.get(address)
            if i == 0:
                public = public or planned.elastic.get(None)
                if public is None and planned.gets_public:
                    public = self._derived_public(planned.noun.interface_id)
            private.append(PrivateIpv4(address=address, public=public))
        return replace(
            planned.noun,
            ipv4=tuple(private),
            ipv6=tuple(each for each in planned.wanted.ipv6 if each is not None),
        )

    # Which interfaces there are

    def _plan(self) -> Iterator[_Planned]:
        for resource in self._stack.of("Instance"):
            yield from self._of_instance(resource)
        for resource in self._stack.of("NetworkInterface"):
            yield from self._planned_interface(
                resource.properties,
                resource.logical_id,
                groups=resource.properties.texts("GroupSet"),
            )
        for resource in self._stack.of("NatGateway"):
            yield from self._of_nat_gateway(resource)
        for resource in self._stack.of("VPCEndpoint"):
            yield from self._of_endpoint(resource)

    def _of_instance(self, resource: Resource) -> Iterator[_Planned]:
        item = resource.properties
        parts = item.items("NetworkInterfaces")
        zone = item.text("AvailabilityZone")
        if not parts:
            groups = [*item.texts("SecurityGroupIds")]
            groups += [self._groups.named_group_id(each) for each in item.texts("SecurityGroups")]
            yield from self._implied(resource, item, 0, groups, zone, may_map=True)
        for position, part in enumerate(parts):
            index = part.number("DeviceIndex")
            index = position if index is None else index
            if part.text("NetworkInterfaceId") is None:
                groups = part.texts("GroupSet")
                yield from self._implied(
                    resource, part, index, groups, zone, may_map=len(parts) == 1
                )

    def _implied(
        self,
        resource: Resource,
        item: Item,
        index: int,
        groups: list[str | Unknown],
        zone: str | Unknown | None,
        *,
        may_map: bool,
    ) -> Iterator[_Planned]:
        logical_id = resource.logical_id
        key = logical_id if index == 0 else f"{logical_id}/eth{index}"
        for planned in self._planned_interface(item, key, groups=groups, zone=zone):
            placement = self._placement(item, key, zone)
            maps = placement is not None and placement.maps_public_ip and may_map and index == 0
            if item is resource.properties:
                planned.gets_public = maps
            else:
                planned.gets_public = item.flag("AssociatePublicIpAddress", default=maps)
            check = resource.properties.flag("SourceDestCheck", default=True)
            planned.noun = replace(
                planned.noun,
                instance_id=logical_id,
                device_index=index,
                source_dest_check=check if index == 0 else True,
            )
            yield planned

    def _of_nat_gateway(self, resource: Resource) -> Iterator[_Planned]:
        item = resource.properties
        if item.text("SubnetId") is None:
            self._stack.draft.warn(
                f"{self._stack.source}: {resource.path}: a NAT gateway without a subnet is not "
                "modelled; left out"
            )
            return
        for planned in self._planned_interface(
            item, resource.logical_id, groups=[], kind="natGateway"
        ):
            extra = [
                self._ipv4(item, each, "SecondaryPrivateIpAddresses")
                for each in item.texts("SecondaryPrivateIpAddresses")
            ]
            planned.wanted.ipv4 += extra
            planned.noun = replace(planned.noun, source_dest_check=False)
            yield planned

    def _of_endpoint(self, resource: Resource) -> list[_Planned]:
        item = resource.properties
        kind = str(item.text("VpcEndpointType") or "Gateway").lower()
        if kind == "gateway":
            return []
        if kind not in _ENDPOINT_TYPES:
            raise item.error(f"{kind} is no type of endpoint", "VpcEndpointType")
        family = str(item.text("IpAddressType") or "ipv4").lower()
        found: list[_Planned] = []
        for subnet in item.texts("SubnetIds"):
            subnet_id = self._stack.resource_id(subnet, "Subnet")
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
                interface_type=_ENDPOINT_TYPES[kind],
                names=(resource.logical_id,),
                owner_id=self._vpcs.account_id,
                group_ids=()
                if kind == "gatewayloadbalancer"
                else self._group_ids(item.texts("SecurityGroupIds"), placement.subnet.vpc_id),
            )
            found.append(_Planned(noun=noun, wanted=wanted, names=(key, resource.logical_id)))
        return found

    def _planned_interface(
        self,
        item: Item,
        key: str,
        *,
        groups: list[str | Unknown],
        zone: str | Unknown | None = None,
        kind: str | None = None,
    ) -> Iterator[_Planned]:
        placement = self._placement(item, key, zone)
        if placement is None:
            return
        subnet = placement.subnet
        is_nat = kind is not None
        wanted = Wanted(key=key, path=item.path, subnet=subnet)
        wanted.ipv4 = self._wanted_ipv4(item, subnet, is_plain=not is_nat)
        if not is_nat:
            wanted.ipv6 = self._wanted_ipv6(item, placement)
        if not wanted.ipv4 and not wanted.ipv6 and key not in self._given:
            self._stack.draft.warn(
                f"{self._stack.source}: {key} is left out: no block of "
                f"{subnet.subnet_id} is known (say its address with --address {key}=ADDRESS)"
            )
            return
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
        yield _Planned(noun=noun, wanted=wanted, names=(key,))

    def _placement(self, item: Item, key: str, zone: str | Unknown | None) -> Placement | None:
        value = item.text("SubnetId")
        if value is None:
            placement = self._vpcs.default_subnet(None if zone is None else str(zone))
            where = "the default VPC's subnet"
        else:
            where = self._stack.resource_id(value, "Subnet")
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
        self._stack.draft.warn(
            f"{self._stack.source}: {key} is left out: its subnet {subnet_id} is not in the files "
            "(bring it with --with)"
        )

    def _group_ids(self, values: list[str | Unknown], vpc_id: str) -> tuple[str, ...]:
        if values:
            return tuple(dict.fromkeys(self._groups.group_id(each) for each in values))
        # Without any group an interface gets its VPC's default one (VPC User Guide).
        default = default_group_id(vpc_id)
        for group in self._stack.draft.of(SecurityGroup).values():
            if group.name == "default" and vpc_id in group.vpc_ids:
                default = group.group_id
        return (default,)

    # What addresses the template says

    def _ipv4(self, item: Item, value: str | Unknown, name: str) -> IPv4Address:
        if isinstance(value, Unknown):
            raise item.error(f"only a deployment knows {value}; expected an address", name)
        try:
            return IPv4Address(value)
        except ValueError:
            raise item.error(f"{value!r} is not an IPv4 address", name) from None

    def _wanted_ipv4(
        self, item: Item, subnet: Subnet, *, is_plain: bool
    ) -> list[IPv4Address | None]:
        primary: list[IPv4Address | None] = []
        secondary: list[IPv4Address | None] = []
        first = item.text("PrivateIpAddress")
        if first is not None:
            primary.append(self._ipv4(item, first, "PrivateIpAddress"))
        for part in item.items("PrivateIpAddresses") if is_plain else []:
            address = self._ipv4(part, part.required("PrivateIpAddress"), "PrivateIpAddress")
            if part.flag("Primary", default=False):
                primary = [address]
            elif address not in primary:
                secondary.append(address)
        count = item.number("SecondaryPrivateIpAddressCount") or 0
        if not primary and subnet.ipv4_block is not None:
            primary.append(None)
        if primary and subnet.ipv4_block is not None:
            if not 0 <= count <= 256:
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
        if count is not None and not 0 <= count <= 256:
            raise item.error(f"{count} is not within 0 and 256", "Ipv6AddressCount")
        if not found and count is None:
            count = int(placement.assigns_ipv6)
        return found + [None] * (count or 0) if placement.subnet.ipv6_blocks else found

    # Attachments and public addresses

    def _attach(self) -> None:
        links: list[tuple[str, str, int, Item]] = []
        for resource in self._stack.of("Instance"):
            for position, part in enumerate(resource.properties.items("NetworkInterfaces")):
                existing = part.text("NetworkInterfaceId")
                if existing is not None:
                    index = part.number("DeviceIndex")
                    interface_id = self._stack.resource_id(existing, "NetworkInterface")
                    index = position if index is None else index
                    links.append((interface_id, resource.logical_id, index, part))
        for resource in self._stack.of("NetworkInterfaceAttachment"):
            item = resource.properties
            index = item.number("DeviceIndex")
            links.append(
                (
                    self._stack.resource_id(
                        item.required("NetworkInterfaceId"), "NetworkInterface"
                    ),
                    self._stack.resource_id(item.required("InstanceId"), "Instance"),
                    1 if index is None else index,
                    item,
                )
            )
        for interface_id, instance_id, index, item in links:
            planned = self._planned.get(interface_id)
            if planned is None:
                continue
            if planned.noun.instance_id is not None:
                raise item.error(f"{interface_id} is attached to {planned.noun.instance_id}")
            planned.noun = replace(planned.noun, instance_id=instance_id, device_index=index)
            planned.names = (interface_id,)
        for interface_id, planned in self._planned.items():
            instance = planned.noun.instance_id
            if instance is not None and planned.noun.device_index == 0:
                if instance in self._primary:
                    raise self._stack.error(
                        f"{instance} has two interfaces with the device index 0",
                        planned.wanted.path,
                    )
                self._primary[instance] = interface_id

    def _take_given(self) -> None:
        for name, addresses in self._given.items():
            if name in self._stack.resources and self._stack.resources[name].kind.endswith("::EIP"):
                continue
            named = self._planned.get(self._primary.get(name, name))
            candidates = (
                [each for each in self._planned.values() if name in each.names]
                if named is None
                else [named]
            )
            if not candidates:
                raise InputError(
                    "there is no interface, instance, NAT gateway, endpoint or EIP of that name",
                    source=f"--address {name}",
                )
            for address in addresses:
                fitting = [each for each in candidates if address in each.wanted.subnet]
                take_given((fitting or candidates)[0].wanted, [address])

    def _elastic_ip(self, resource: Resource) -> IPv4Address:
        if resource.logical_id not in self._public:
            item = resource.properties
            for name in ("Address", "TransferAddress"):
                value = item.text(name)
                if value is not None and not isinstance(value, Unknown):
                    self._public[resource.logical_id] = self._ipv4(item, value, name)
                    return self._public[resource.logical_id]
            given = self._given.get(resource.logical_id, [])
            if given and isinstance(given[0], IPv4Address):
                self._public[resource.logical_id] = given[0]
            else:
                self._derived_public(resource.logical_id)
        return self._public[resource.logical_id]

    def _derived_public(self, key: str) -> IPv4Address:
        if key not in self._public:
            self._public[key] = derive_public(key, set(self._public.values()))
        return self._public[key]

    def _associate(self) -> None:
        """Give the interfaces their elastic addresses."""
        by_address = {str(self._elastic_ip(each)): each for each in self._stack.of("EIP")}
        for resource in self._stack.of("EIP"):
            instance = resource.properties.text("InstanceId")
            if instance is not None:
                instance_id = self._stack.resource_id(instance, "Instance")
                self._give(self._primary.get(instance_id), None, self._elastic_ip(resource))
        for resource in self._stack.of("EIPAssociation"):
            item = resource.properties
            named = item.text("AllocationId")
            address = item.text("EIP")
            if named is not None:
                public = self._allocated(named)
            elif address is not None:
                known = by_address.get(str(address))
                public = None if known is None else self._elastic_ip(known)
            else:
                raise item.error("expected one of AllocationId and EIP")
            target = item.text("NetworkInterfaceId")
            instance = item.text("InstanceId")
            if target is not None:
                interface_id: str | None = self._stack.resource_id(target, "NetworkInterface")
            elif instance is not None:
                interface_id = self._primary.get(self._stack.resource_id(instance, "Instance"))
            else:
                raise item.error("expected one of NetworkInterfaceId and InstanceId")
            private = item.text("PrivateIpAddress")
            self._give(
                interface_id,
                None if private is None else self._ipv4(item, private, "PrivateIpAddress"),
                public,
            )
        for resource in self._stack.of("NatGateway"):
            self._associate_nat_gateway(resource)

    def _associate_nat_gateway(self, resource: Resource) -> None:
        item = resource.properties
        planned = self._planned.get(resource.logical_id)
        if planned is None or not _is_public(item):
            return
        value = item.text("AllocationId")
        public = None if value is None else self._allocated(value)
        self._give(resource.logical_id, None, public or self._derived_public(resource.logical_id))
        private = [each for each in planned.wanted.ipv4[1:] if each is not None]
        for address, each in zip(private, item.texts("SecondaryAllocationIds"), strict=False):
            self._give(resource.logical_id, address, self._allocated(each))

    def _allocated(self, value: str | Unknown) -> IPv4Address | None:
        """Return the public address of an allocation; None for an unknown one."""
        allocation_id = self._stack.resource_id(value, "EIP")
        if allocation_id in self._stack.resources:
            return self._elastic_ip(self._stack.resources[allocation_id])
        known = self._stack.draft.of(ElasticAddress).get(allocation_id)
        return None if known is None else known.public_ip

    def _give(
        self, interface_id: str | None, private: IPv4Address | None, public: IPv4Address | None
    ) -> None:
        planned = None if interface_id is None else self._planned.get(interface_id)
        if planned is not None and public is not None:
            planned.elastic[private] = public


def _is_public(item: Item) -> bool:
    return str(item.text("ConnectivityType") or "public").lower() == "public"


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
    return ConnectionTracking(
        tcp_established_timeout=part.number("TcpEstablishedTimeout"),
        udp_timeout=part.number("UdpTimeout"),
        udp_stream_timeout=part.number("UdpStreamTimeout"),
    )
