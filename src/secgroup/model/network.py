"""`Network`: every noun at one revision, and the questions that need more than one of them."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from secgroup.model.group import SecurityGroup
from secgroup.model.interface import Instance, NetworkInterface
from secgroup.model.network_acl import NetworkAcl
from secgroup.model.prefix_list import PrefixList
from secgroup.model.route import (
    EgressOnlyInternetGateway,
    ElasticAddress,
    InternetGateway,
    NatGateway,
    PeeringConnection,
    RouteTable,
    VpcEndpoint,
)
from secgroup.model.vpc import Subnet, Vpc
from secgroup.net.address import Address

#: What is derived from which nouns, and kept by `Network.revised` while those are the same.
_DERIVED: Final[Mapping[str, tuple[str, ...]]] = {
    "members": ("interfaces",),
    "holders": ("interfaces",),
    "delegated": ("interfaces",),
    "_route_table_of_subnet": ("route_tables", "subnets"),
}


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network as one frozen value: each noun by its id.

    Every `vpc_id`, `subnet_id` and `network_acl_id` that a noun carries is a key here
    (sources see to it); group ids, prefix-list ids and route targets may be external.

    Parameters
    ----------
    region, account_id : str or None
        Where the source says them; flow logs print them.
    warnings : tuple of str
        What the source could not take over, each once, for people.

    """

    vpcs: Mapping[str, Vpc] = field(default_factory=dict)
    subnets: Mapping[str, Subnet] = field(default_factory=dict)
    groups: Mapping[str, SecurityGroup] = field(default_factory=dict)
    acls: Mapping[str, NetworkAcl] = field(default_factory=dict)
    interfaces: Mapping[str, NetworkInterface] = field(default_factory=dict)
    instances: Mapping[str, Instance] = field(default_factory=dict)
    prefix_lists: Mapping[str, PrefixList] = field(default_factory=dict)
    route_tables: Mapping[str, RouteTable] = field(default_factory=dict)
    internet_gateways: Mapping[str, InternetGateway] = field(default_factory=dict)
    egress_only_gateways: Mapping[str, EgressOnlyInternetGateway] = field(default_factory=dict)
    nat_gateways: Mapping[str, NatGateway] = field(default_factory=dict)
    peerings: Mapping[str, PeeringConnection] = field(default_factory=dict)
    endpoints: Mapping[str, VpcEndpoint] = field(default_factory=dict)
    addresses: Mapping[str, ElasticAddress] = field(default_factory=dict)
    region: str | None = None
    account_id: str | None = None
    warnings: tuple[str, ...] = ()

    def revised(self, **fields: Any) -> "Network":
        """Return the next revision, with other nouns in some fields.

        What has been derived from nouns that stay the same is not derived again.
        """
        after = replace(self, **fields)
        for name, sources in _DERIVED.items():
            if name in self.__dict__ and not any(source in fields for source in sources):
                after.__dict__[name] = self.__dict__[name]
        return after

    @cached_property
    def members(self) -> Mapping[str, tuple[NetworkInterface, ...]]:
        """The interfaces that carry each group, by group id, in the order of their ids."""
        found: dict[str, list[NetworkInterface]] = defaultdict(list)
        for interface in sorted(self.interfaces.values(), key=lambda each: each.interface_id):
            for group_id in dict.fromkeys(interface.group_ids):
                found[group_id].append(interface)
        return {group_id: tuple(interfaces) for group_id, interfaces in found.items()}

    @cached_property
    def holders(self) -> Mapping[Address, tuple[NetworkInterface, ...]]:
        """The interfaces that have each private or IPv6 address; several when VPCs overlap."""
        found: dict[Address, list[NetworkInterface]] = defaultdict(list)
        for interface in self.interfaces.values():
            for address in interface.addresses:
                found[address].append(interface)
        return {address: tuple(interfaces) for address, interfaces in found.items()}

    @cached_property
    def delegated(self) -> tuple[NetworkInterface, ...]:
        """The interfaces that have delegated prefixes."""
        return tuple(each for each in self.interfaces.values() if each.prefixes)

    def interfaces_with(self, address: Address) -> tuple[NetworkInterface, ...]:
        """Return the interfaces that have `address`, delegated prefixes included."""
        return self.holders.get(address, ()) + tuple(
            each
            for each in self.delegated
            if address not in each.addresses and each.has_address(address)
        )

    @cached_property
    def _route_table_of_subnet(self) -> Mapping[str, RouteTable]:
        explicit = {
            subnet_id: table
            for table in self.route_tables.values()
            for subnet_id in table.subnet_ids
        }
        main = {table.vpc_id: table for table in self.route_tables.values() if table.is_main}
        return {
            subnet.subnet_id: table
            for subnet in self.subnets.values()
            if (table := explicit.get(subnet.subnet_id, main.get(subnet.vpc_id))) is not None
        }

    def route_table_of(self, subnet_id: str) -> RouteTable | None:
        """Return the subnet's route table: its own, else the VPC's main one, if it is known."""
        return self._route_table_of_subnet.get(subnet_id)
