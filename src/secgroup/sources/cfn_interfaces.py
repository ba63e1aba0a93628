"""Instances, network interfaces, NAT gateways and endpoints of a template, as nouns.

Owns what is attached to what, and who gets which address. Which interfaces there are is in
`cfn_plan`; how an address is derived, in `cfn_addresses`.
"""

from dataclasses import replace

from secgroup.errors import InputError
from secgroup.model.interface import (
    Instance,
    NetworkInterface,
    PrivateIpv4,
)
from secgroup.model.route import NatGateway, VpcEndpoint
from secgroup.model.vpc import Subnet
from secgroup.net.address import Address
from secgroup.sources.cfn_addresses import derive, take_given
from secgroup.sources.cfn_groups import Groups
from secgroup.sources.cfn_item import Item
from secgroup.sources.cfn_plan import Plan, Planned, endpoint_type
from secgroup.sources.cfn_public import PublicAddresses, is_public
from secgroup.sources.cfn_stack import Resource, Stack
from secgroup.sources.cfn_vpc import Vpcs
from secgroup.sources.parameters import Unknown
from secgroup.sources.scope import Evaluated


class Interfaces:
    """The interfaces of a stack."""

    def __init__(
        self, stack: Stack, vpcs: Vpcs, groups: Groups, given: dict[str, list[Address]]
    ) -> None:
        self._stack = stack
        self._vpcs = vpcs
        self._given = given
        self._plan = Plan(stack, vpcs, groups, given)
        self._public = PublicAddresses(stack, given)
        self._planned: dict[str, Planned] = {}
        self._primary: dict[str, str] = {}
        self._is_placing = False
        self._placed: dict[str, NetworkInterface] | None = None
        stack.providers |= {
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
                planned.noun.interface_id for planned in self._plan.of_endpoint(each)
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
                    is_public=is_public(resource.properties),
                    names=resource.properties.names,
                )
                draft.add(gateway, source=source, path=resource.path)
        for resource in self._stack.of("VPCEndpoint"):
            self._add_endpoint(resource, placed)
        for resource in self._stack.of("EIP"):
            self._public.add(resource, placed)

    def _add_endpoint(self, resource: Resource, placed: dict[str, NetworkInterface]) -> None:
        item = resource.properties
        kind = endpoint_type(item)
        tables = item.ids_of("RouteTableIds", "RouteTable")
        noun = VpcEndpoint(
            endpoint_id=resource.logical_id,
            vpc_id=self._vpcs.known(item),
            service_name=str(item.text("ServiceName") or ""),
            endpoint_type=kind,
            route_table_ids=tuple(tables) if kind == "Gateway" else (),
            interface_ids=tuple(
                planned.noun.interface_id
                for planned in self._plan.of_endpoint(resource)
                if planned.noun.interface_id in placed
            ),
            names=item.names,
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
        for planned in self._plan.every():
            interface_id = planned.noun.interface_id
            if interface_id in self._planned:
                raise self._stack.error(f"{interface_id} stands twice", planned.wanted.path)
            self._planned[interface_id] = planned
        self._attach()
        self._take_given()
        self._public.associate(self._planned, self._primary)
        taken: dict[str, set[Address]] = {}
        for other in self._stack.draft.of(NetworkInterface).values():
            taken.setdefault(other.subnet_id, set()).update(other.addresses)
        derive([each.wanted for each in self._planned.values()], taken, source=self._stack.source)
        self._placed = {key: self._finished(each) for key, each in self._planned.items()}
        self._is_placing = False
        return self._placed

    def _finished(self, planned: Planned) -> NetworkInterface:
        private: list[PrivateIpv4] = []
        for i, address in enumerate(planned.wanted.ipv4):
            if address is None:
                continue
            public = planned.elastic.get(address)
            if i == 0:
                public = public or planned.elastic.get(None)
                if public is None and planned.gets_public:
                    public = self._public.derived(planned.noun.interface_id)
            private.append(PrivateIpv4(address=address, public=public))
        return replace(
            planned.noun,
            ipv4=tuple(private),
            ipv6=tuple(each for each in planned.wanted.ipv6 if each is not None),
        )

    def _attach(self) -> None:
        links: list[tuple[str, str, int, Item]] = []
        for resource in self._stack.of("Instance"):
            for position, part in enumerate(resource.properties.items("NetworkInterfaces")):
                interface_id = part.id_of("NetworkInterfaceId", "NetworkInterface")
                if interface_id is not None:
                    index = part.number("DeviceIndex")
                    index = position if index is None else index
                    links.append((interface_id, resource.logical_id, index, part))
        for resource in self._stack.of("NetworkInterfaceAttachment"):
            item = resource.properties
            index = item.number("DeviceIndex")
            links.append(
                (
                    item.required_id("NetworkInterfaceId", "NetworkInterface"),
                    item.required_id("InstanceId", "Instance"),
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
            for candidate in candidates:
                mine = [each for each in addresses if each in candidate.wanted.subnet]
                if candidate is candidates[0]:
                    # What fits no subnet is refused there, or believed where no block is known.
                    mine += [each for each in addresses if not _fits(each, candidates)]
                take_given(candidate.wanted, mine)


def _fits(address: Address, candidates: list[Planned]) -> bool:
    return any(address in each.wanted.subnet for each in candidates)
