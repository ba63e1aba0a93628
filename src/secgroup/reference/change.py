"""Changes of a network that `explain` may propose.

Owns what a change is, what it makes of a network, and how it reads. Which one lifts which refusal
is `remedy`'s.
"""

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Final, TypeAlias

from secgroup.model.group import GroupReference, PrefixListReference, SecurityGroupRule
from secgroup.model.network import Network
from secgroup.model.network_acl import NetworkAclEntry
from secgroup.model.route import Route

#: Stand for an Elastic IP address that is yet to be allocated (RFC 2544, as derived ones do).
ELASTIC: Final = IPv4Network("198.18.0.0/15")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddRule:
    """Authorize one more rule in a group."""

    rule: SecurityGroupRule

    def apply(self, network: Network) -> Network:
        """Return the network with the rule."""
        group = network.groups[self.rule.group_id]
        changed = replace(group, rules=(*group.rules, self.rule))
        return replace(network, groups={**network.groups, group.group_id: changed})

    def __str__(self) -> str:
        """Write it as a sentence."""
        way, word = ("egress", "to") if self.rule.is_egress else ("ingress", "from")
        kinds = {GroupReference: "group ", PrefixListReference: "prefix list "}
        return (
            f"add to group {self.rule.group_id} an {way} rule: "
            f"{self.rule.traffic} {word} {kinds.get(type(self.rule.peer), '')}{self.rule.peer}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AddAclEntry:
    """Create one more entry in a network ACL."""

    network_acl_id: str
    entry: NetworkAclEntry

    def apply(self, network: Network) -> Network:
        """Return the network with the entry."""
        acl = network.acls[self.network_acl_id]
        entries = sorted(
            (*acl.entries, self.entry), key=lambda each: (each.is_egress, each.rule_number)
        )
        changed = replace(acl, entries=tuple(entries))
        return replace(network, acls={**network.acls, acl.network_acl_id: changed})

    def __str__(self) -> str:
        """Write it as a sentence."""
        way, word = ("egress", "to") if self.entry.is_egress else ("ingress", "from")
        return (
            f"add to {self.network_acl_id} the {way} entry {self.entry.rule_number}: "
            f"allow {self.entry.traffic} {word} {self.entry.cidr}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchCheckOff:
    """Disable the source/destination check of an interface."""

    interface_id: str

    def apply(self, network: Network) -> Network:
        """Return the network without the check."""
        interface = network.interfaces[self.interface_id]
        changed = replace(interface, source_dest_check=False)
        interfaces = {**network.interfaces, self.interface_id: changed}
        return replace(network, interfaces=interfaces)

    def __str__(self) -> str:
        """Write it as a sentence."""
        return f"switch off the source/destination check of {self.interface_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddRoute:
    """Create a route, or replace the one of the same destination."""

    route_table_id: str
    route: Route

    def apply(self, network: Network) -> Network:
        """Return the network with the route."""
        table = network.route_tables[self.route_table_id]
        kept = tuple(each for each in table.routes if each.destination != self.route.destination)
        changed = replace(table, routes=(*kept, self.route))
        tables = {**network.route_tables, table.route_table_id: changed}
        return replace(network, route_tables=tables)

    def __str__(self) -> str:
        """Write it as a sentence."""
        return (
            f"add to {self.route_table_id} a route: {self.route.destination} to {self.route.target}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociateAddress:
    """Associate an Elastic IP address with a private address of an interface."""

    interface_id: str
    address: IPv4Address

    def apply(self, network: Network) -> Network:
        """Return the network with some public address that nobody has yet."""
        taken = {each.public for other in network.interfaces.values() for each in other.ipv4}
        public = next(each for each in ELASTIC if each not in taken)
        interface = network.interfaces[self.interface_id]
        changed = replace(
            interface,
            ipv4=tuple(
                replace(each, public=public) if each.address == self.address else each
                for each in interface.ipv4
            ),
        )
        interfaces = {**network.interfaces, self.interface_id: changed}
        return replace(network, interfaces=interfaces)

    def __str__(self) -> str:
        """Write it as a sentence."""
        return f"associate an Elastic IP address with {self.address} of {self.interface_id}"


Change: TypeAlias = AddRule | AddAclEntry | SwitchCheckOff | AddRoute | AssociateAddress
