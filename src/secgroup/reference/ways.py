"""Where a network's routes and public addresses lead, and what decides at each interface.

Owns the look-ups that a packet on its way needs; `path` takes the way.
"""

from dataclasses import replace
from functools import cached_property
from ipaddress import IPv4Address
from typing import Final

from secgroup.model.group import GroupReference
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.model.route import InternetGateway, NatGateway, Route, RouteTable, Target, TargetKind
from secgroup.net.address import Address, Prefix
from secgroup.net.direction import Direction
from secgroup.policy.policy import InterfacePolicy
from secgroup.policy.resolve import Policy
from secgroup.policy.routes import destinations, most_specific
from secgroup.reference.memory import AS_DOCUMENTED, Switches

LOCAL: Final = Target(kind=TargetKind.LOCAL, target_id="local")


class Ways:
    """The ways through one network, and what its interfaces decide on them.

    Parameters
    ----------
    network : Network
        All nouns at one revision.
    switches : Switches
        As `decide` takes them.

    """

    def __init__(self, network: Network, *, switches: Switches = AS_DOCUMENTED) -> None:
        self.network = network
        self.policy = Policy(network)
        self.switches = switches
        self._without_references: dict[str, InterfacePolicy] = {}

    @cached_property
    def public(self) -> dict[IPv4Address, tuple[NetworkInterface, IPv4Address]]:
        """Each public IPv4 address: the interface and the private address behind it."""
        return {
            private.public: (interface, private.address)
            for interface in self.network.interfaces.values()
            for private in interface.ipv4
            if private.public is not None
        }

    @cached_property
    def nat_of(self) -> dict[str, NatGateway]:
        """Each interface of a NAT gateway: the gateway."""
        return {
            interface_id: gateway
            for gateway in self.network.nat_gateways.values()
            for interface_id in gateway.interface_ids
        }

    @cached_property
    def internet_gateway_of(self) -> dict[str, InternetGateway]:
        """Each VPC that has one: its internet gateway."""
        return {
            gateway.vpc_id: gateway
            for gateway in self.network.internet_gateways.values()
            if gateway.vpc_id is not None
        }

    def at(self, interface_id: str, *, references_hold: bool = True) -> InterfacePolicy:
        """Return what decides at an interface, with or without the rules that refer to groups."""
        policy = self.policy.at(interface_id)
        if interface_id in self.nat_of and policy.interface.source_dest_check:
            # A NAT gateway forwards, whatever the files say of its interface.
            interface = replace(policy.interface, source_dest_check=False)
            policy = replace(policy, interface=interface)
        if references_hold:
            return policy
        if interface_id not in self._without_references:
            ingress, egress = (
                tuple(
                    each
                    for each in policy.permissions[way]
                    if not self._is_reference(each.group_id, each.rule_id)
                )
                for way in Direction
            )
            self._without_references[interface_id] = replace(policy, permissions=(ingress, egress))
        return self._without_references[interface_id]

    def _is_reference(self, group_id: str, rule_id: str) -> bool:
        return any(
            rule.rule_id == rule_id and isinstance(rule.peer, GroupReference)
            for rule in self.network.groups[group_id].rules
        )

    def route(self, table: RouteTable | None, vpc_id: str, address: Address) -> Route | None:
        """Return the route for `address`; every table has the local ones, known or not."""
        found = None if table is None else most_specific(self.network, table, address)
        vpc = self.network.vpcs[vpc_id]
        blocks: tuple[Prefix, ...] = (*vpc.ipv4_blocks, *vpc.ipv6_blocks)
        for block in blocks:
            if block.version == address.version and address in block:
                if found is not None and self._length(found, address) > block.prefixlen:
                    return found
                if found is None or found.target.kind is not TargetKind.LOCAL:
                    return Route(destination=block, target=LOCAL)
        return found

    def _length(self, route: Route, address: Address) -> int:
        return max(
            prefix.prefixlen
            for prefix in destinations(self.network, route)
            if prefix.version == address.version and address in prefix
        )

    def holder(self, address: Address, vpc_id: str) -> NetworkInterface | None:
        """Return the interface of a VPC that has a private or IPv6 address."""
        found = self.network.interfaces_with(address)
        return next((each for each in found if each.vpc_id == vpc_id), None)
