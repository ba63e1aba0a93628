"""What stands around a VPC's router: its interfaces, gateways and peerings, and its own addresses.

Every interface has a device of its own at the router, and no two share a link: a packet of one to
another is routed, whatever their subnets, and so meets both filters. docs/lab.md has the picture.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from secgroup.lab.host import FORWARDING, SETTINGS, mac_of
from secgroup.lab.names import INTERNET, device_of, router_namespace
from secgroup.lab.topology import DeviceAddress, Neighbour
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.model.route import PeeringConnection
from secgroup.model.service_addresses import ROUTER_LINK_LOCAL
from secgroup.model.vpc import Vpc
from secgroup.net.address import Address, Prefix
from secgroup.policy.resolve import routers_of

#: The router's end of a link to the internet, and the requester's of a peering connection; the
#: other end. IPv4 goes this way too (RFC 5549), so that links need no addresses of its.
NEAR: Final = ip_address("fe80::1")
FAR: Final = ip_address("fe80::2")
#: All link-local addresses are on every link.
LINK_LENGTH: Final = 10

ROUTER_SETTINGS: Final = {
    **SETTINGS,
    **FORWARDING,
    # Who asks for a neighbour of the subnet is told the router's MAC.
    "ipv4/conf/all/proxy_arp": "1",
    "ipv6/conf/default/addr_gen_mode": "1",
    "netfilter/nf_conntrack_tcp_be_liberal": "1",
}


class Router:
    """What is known of one VPC's router."""

    def __init__(self, network: Network, vpc: Vpc, lab: str) -> None:
        self.network = network
        self.vpc = vpc
        self.name = router_namespace(lab, vpc.vpc_id)
        self.interfaces: Sequence[NetworkInterface] = sorted(
            (each for each in network.interfaces.values() if each.vpc_id == vpc.vpc_id),
            key=lambda each: each.interface_id,
        )

    @property
    def blocks(self) -> tuple[Prefix, ...]:
        """The VPC's own."""
        return (*self.vpc.ipv4_blocks, *self.vpc.ipv6_blocks)

    @cached_property
    def internet_gateway(self) -> str | None:
        """The id of the VPC's internet gateway."""
        attached = (
            each.gateway_id
            for each in self.network.internet_gateways.values()
            if each.vpc_id == self.vpc.vpc_id
        )
        return next(attached, None)

    @cached_property
    def reaches_internet(self) -> bool:
        """A gateway of either kind leads out of the VPC."""
        return self.internet_gateway is not None or any(
            each.vpc_id == self.vpc.vpc_id for each in self.network.egress_only_gateways.values()
        )

    @cached_property
    def public(self) -> Mapping[Address, Address]:
        """Each private address that the internet gateway translates: its public one."""
        if self.internet_gateway is None:
            return {}
        return {
            private.address: private.public
            for each in self.interfaces
            for private in each.ipv4
            if private.public is not None
        }

    @cached_property
    def peerings(self) -> Sequence[PeeringConnection]:
        """The peering connections that lead somewhere."""
        return [
            each
            for each in self.network.peerings.values()
            if each.is_active
            and (other := each.other_side(self.vpc.vpc_id)) is not None
            and other.vpc_id in self.network.vpcs
            and other.vpc_id != self.vpc.vpc_id
        ]

    def other_blocks(self, peering: PeeringConnection) -> tuple[Prefix, ...]:
        """Return the blocks of the VPC at the other end."""
        side = peering.other_side(self.vpc.vpc_id)
        assert side is not None
        other = self.network.vpcs[side.vpc_id]
        return (*other.ipv4_blocks, *other.ipv6_blocks)

    # ---------------------------------------------------------------- its own addresses

    def addresses(self) -> Iterator[DeviceAddress]:
        """Yield the addresses of the router's devices."""
        for each in self.interfaces:
            device = device_of(each.interface_id)
            for address in sorted(routers_of(self.network.subnets[each.subnet_id]), key=str):
                is_of_link = address == ROUTER_LINK_LOCAL
                length = LINK_LENGTH if is_of_link else address.max_prefixlen
                yield DeviceAddress(device=device, address=address, prefix_length=length)
        if self.reaches_internet:
            yield DeviceAddress(device=INTERNET, address=NEAR, prefix_length=LINK_LENGTH)
        for peering in self.peerings:
            yield DeviceAddress(
                device=device_of(peering.peering_id),
                address=NEAR if peering.requester.vpc_id == self.vpc.vpc_id else FAR,
                prefix_length=LINK_LENGTH,
            )

    def neighbours(self) -> Iterator[Neighbour]:
        """Yield who is at the other end of each interface's link: the router never asks."""
        for each in self.interfaces:
            for family in (4, 6):
                address = first_address(each, family)
                if address is not None:
                    device = device_of(each.interface_id)
                    yield Neighbour(device=device, address=address, mac=mac_of(each))

    def device_settings(self) -> Mapping[str, str]:
        """Return settings of devices: by itself the kernel waits before it answers for another."""
        devices = [device_of(each.interface_id) for each in self.interfaces]
        if self.reaches_internet:
            devices.append(INTERNET)
        return {f"ipv4/neigh/{each}/proxy_delay": "0" for each in devices}


def first_address(interface: NetworkInterface, family: int) -> Address | None:
    """Return the primary address of an interface, None when it has none of the family."""
    return next((each for each in interface.addresses if each.version == family), None)


def single(address: Address) -> Prefix:
    """Return the prefix that is one address."""
    if address.version == 4:
        return IPv4Network(f"{address}/32")
    return IPv6Network(f"{address}/128")
