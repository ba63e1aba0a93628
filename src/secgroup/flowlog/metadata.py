"""What a record says beyond its packets: owner, place, path, next hop, AWS service.

Owns the answers that come from the network; knows no packets and no windows. AWS calls these
metadata, gives them "best effort", and so do we: where the network is silent the answer is None.
"""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from ipaddress import IPv4Address
from typing import Final
from urllib.parse import quote

from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.model.route import Route, TargetKind
from secgroup.net.address import Address, Prefix
from secgroup.policy.routes import most_specific

#: EC2's interface types -> what flow logs call them; every other type is `-`
#: (VPC User Guide, Flow log records, interface-type).
_INTERFACE_TYPES: Final = {
    "natGateway": "nat_gateway",
    "nat_gateway": "nat_gateway",
    "network_load_balancer": "network_load_balancer",
    "transit_gateway": "transit_gateway",
    "vpc_endpoint": "vpc_endpoint",
}

#: What a route leads to -> traffic-path (VPC User Guide, Flow log records, traffic-path). An
#: egress-only gateway and a transit gateway are in none of its cases.
_PATHS: Final = {
    TargetKind.LOCAL: 1,
    TargetKind.NAT_GATEWAY: 1,
    TargetKind.INTERFACE: 1,
    TargetKind.INSTANCE: 1,
    TargetKind.GATEWAY_ENDPOINT: 7,
    TargetKind.INTERNET_GATEWAY: 8,
}
#: The same for targets outside of the model, by the prefix of their ids: virtual private, local
#: and carrier gateway, endpoint of a gateway load balancer.
_PATHS_OF_OTHERS: Final = {"vgw-": 3, "lgw-": 1, "cagw-": 6, "vpce-": 1}

#: The last part of an AWS-managed prefix list's name -> the service's code in flow logs.
_SERVICES: Final = {
    "s3": "S3",
    "dynamodb": "DYNAMODB",
    "origin-facing": "CLOUDFRONT_ORIGIN_FACING",
    "ec2-instance-connect": "EC2_INSTANCE_CONNECT",
    "route53-healthchecks": "ROUTE53_HEALTHCHECKS",
}

#: `us-west-2a`, `us-west-2-lax-1a`, `us-east-1-wl1-bos-wlz-1`: Region, then zone or sublocation.
_ZONE: Final = re.compile(r"(?P<region>[a-z]+(?:-[a-z]+)+-\d+)(?:[a-z]|-(?P<place>.+))")


def token(text: str | None) -> str | None:
    """Return `text` as one word of a line: what would break it is percent-encoded.

    AWS encodes tag values so; ids of AWS pass unchanged, names from a template may not.
    """
    return quote(text, safe="!$&'()*+/:;<=>?@[]^_`{|}~.-#") if text else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Who and where an interface is, as its records say it; None is `-`."""

    account_id: str | None
    interface_id: str | None
    vpc_id: str | None
    subnet_id: str | None
    instance_id: str | None
    region: str | None
    az_id: str | None
    sublocation_type: str | None
    sublocation_id: str | None
    interface_type: str | None
    primary: IPv4Address | None


class Metadata:
    """The answers of one network.

    Parameters
    ----------
    network : Network

    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._places: dict[str, Place] = {}
        self.service = lru_cache(maxsize=65536)(self._service)
        self._route = lru_cache(maxsize=65536)(self._route_of)

    def place(self, interface: NetworkInterface) -> Place:
        """Return what every record of `interface` says of it."""
        found = self._places.get(interface.interface_id)
        if found is None:
            found = self._places[interface.interface_id] = self._place_of(interface)
        return found

    def _place_of(self, interface: NetworkInterface) -> Place:
        network = self._network
        vpc = network.vpcs.get(interface.vpc_id)
        subnet = network.subnets.get(interface.subnet_id)
        zone_id = None if subnet is None else subnet.availability_zone_id
        name = None if subnet is None else subnet.availability_zone
        zone = None if name is None else _ZONE.fullmatch(name)
        place = None if zone is None else zone["place"]
        sublocation = None if place is None else "wavelength" if "wl" in place else "localzone"
        return Place(
            account_id=token(
                interface.owner_id or (None if vpc is None else vpc.owner_id) or network.account_id
            ),
            interface_id=token(interface.interface_id),
            vpc_id=token(interface.vpc_id),
            subnet_id=token(interface.subnet_id),
            instance_id=token(interface.instance_id),
            region=token(network.region if zone is None else zone["region"]),
            az_id=token(zone_id) if sublocation is None else None,
            sublocation_type=sublocation,
            sublocation_id=None if sublocation is None else token(zone_id or name),
            interface_type=_INTERFACE_TYPES.get(interface.interface_type),
            primary=interface.ipv4[0].address if interface.ipv4 else None,
        )

    def path(self, interface: NetworkInterface, destination: Address) -> int | None:
        """Return the traffic-path of an egress packet; None where no case applies."""
        route = self._route(interface.subnet_id, destination)
        if route is None or route.is_blackhole:
            return None
        if route.target.kind is TargetKind.PEERING:
            peering = self._network.peerings.get(route.target.target_id)
            if peering is None or not peering.is_active:
                return None
            return 4 if peering.is_same_region else 5
        if route.target.kind is TargetKind.OTHER:
            return _PATHS_OF_OTHERS.get(route.target.target_id.partition("-")[0] + "-")
        return _PATHS.get(route.target.kind)

    def next_hop(self, interface: NetworkInterface, peer: Address) -> NetworkInterface | None:
        """Return the interface at the other end of the hop towards or from `peer`.

        On ingress the way is taken to be the one that an answer would go.
        """
        network = self._network
        route = self._route(interface.subnet_id, peer)
        if route is None or route.is_blackhole:
            return None
        target = route.target
        if target.kind is TargetKind.LOCAL:
            return self._holder(interface.vpc_id, peer)
        if target.kind is TargetKind.INTERFACE:
            return network.interfaces.get(target.target_id)
        if target.kind is TargetKind.NAT_GATEWAY:
            gateway = network.nat_gateways.get(target.target_id)
            ids = () if gateway is None else gateway.interface_ids
            return network.interfaces.get(ids[0]) if ids else None
        if target.kind is TargetKind.INSTANCE:
            return self._primary_interfaces.get(target.target_id)
        if target.kind is TargetKind.PEERING:
            peering = network.peerings.get(target.target_id)
            side = None if peering is None else peering.other_side(interface.vpc_id)
            return None if side is None else self._holder(side.vpc_id, peer)
        return None

    def _holder(self, vpc_id: str, address: Address) -> NetworkInterface | None:
        found = (each for each in self._network.interfaces_with(address) if each.vpc_id == vpc_id)
        return next(found, None)

    @cached_property
    def _primary_interfaces(self) -> dict[str, NetworkInterface]:
        return {
            each.instance_id: each
            for each in self._network.interfaces.values()
            if each.instance_id is not None and each.device_index in (0, None)
        }

    def _route_of(self, subnet_id: str, address: Address) -> Route | None:
        table = self._network.route_table_of(subnet_id)
        return None if table is None else most_specific(self._network, table, address)

    @cached_property
    def _services(self) -> tuple[tuple[Prefix, str], ...]:
        return tuple(
            (prefix, _SERVICES[name])
            for each in self._network.prefix_lists.values()
            if each.name.startswith("com.amazonaws.")
            and (name := each.name.rpartition(".")[2]) in _SERVICES
            for prefix in each.entries or ()
        )

    def _service(self, address: Address) -> str | None:
        found = (name for prefix, name in self._services if address in prefix)
        return next(found, None)
