"""`InterfacePolicy`: what a network means for the packets of one interface.

Owns the questions that can be answered without memory: which rules match, which ACL entry is
first, what is open to everyone, who is exempt, which peers AWS always tracks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from secgroup.model.defaults import IMPLICIT_DENY_IPV4, IMPLICIT_DENY_IPV6
from secgroup.model.external import External
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.model.network_acl import NetworkAcl, NetworkAclEntry
from secgroup.model.route import TargetKind
from secgroup.model.service_addresses import Service
from secgroup.model.vpc import Subnet
from secgroup.net.address import Address
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet
from secgroup.policy.permission import Permission
from secgroup.policy.routes import most_specific

#: Interface types whose flows AWS tracks even where the rules would leave them untracked
#: (EC2 User Guide, Automatically tracked connections).
ALWAYS_TRACKED_TYPES: Final = frozenset(
    {"vpc_endpoint", "network_load_balancer", "lambda", "global_accelerator_managed"}
)


class IdleTimeouts(NamedTuple):
    """The idle timeouts that an interface gives its flows, in seconds."""

    tcp_established_s: int
    udp_s: int
    udp_stream_s: int


class AclAnswer(NamedTuple):
    """The entry of an ACL that decided; the implicit denies have numbers too."""

    rule_number: int
    is_allow: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfacePolicy:
    """Everything that decides a packet at one interface, but for what its flows remember.

    Parameters
    ----------
    carries_groups : bool
        False for the types that have no security groups: everything passes them but ACLs.
    permissions : pair of tuple of Permission
        By Direction, in the order of the interface's groups and their rules.
    acl_entries : pair of tuple of NetworkAclEntry
        By Direction, ascending.
    services : tuple of Service
        What is exempt, for this interface's VPC.
    routers : frozenset of Address
        The VPC router's addresses, as seen from this interface's subnet.
    broadcast : Address or None
        The last IPv4 address of the subnet.
    peer_vpc_ids : frozenset of str
        Its VPC and those that active peering connections join to it.

    """

    network: Network
    interface: NetworkInterface
    subnet: Subnet
    acl: NetworkAcl
    carries_groups: bool
    permissions: tuple[tuple[Permission, ...], tuple[Permission, ...]]
    acl_entries: tuple[tuple[NetworkAclEntry, ...], tuple[NetworkAclEntry, ...]]
    timeouts: IdleTimeouts
    services: tuple[Service, ...]
    routers: frozenset[Address]
    broadcast: Address | None
    peer_vpc_ids: frozenset[str]

    def matching(self, packet: Packet, direction: Direction, peer: Address) -> tuple[str, ...]:
        """Return the ids of every rule that allows `packet`; the union of all groups counts."""
        return tuple(
            permission.rule_id
            for permission in self.permissions[direction]
            if permission.matches(packet, peer)
        )

    def is_open(self, direction: Direction, family: int, protocol: int, port: int) -> bool:
        """Tell whether flows to `port` in `direction` are open to everyone, there and back.

        Some rule opens the port to literally all addresses, and one rule of the other direction
        opens every port to them (EC2 User Guide, Untracked connections).
        """
        return any(
            permission.opens_port(family, protocol, port)
            for permission in self.permissions[direction]
        ) and any(
            permission.opens_all_ports(family, protocol)
            for permission in self.permissions[direction.opposite]
        )

    def acl_answer(self, packet: Packet, direction: Direction, peer: Address) -> AclAnswer:
        """Return the first entry of the packet's family that matches; else the implicit deny.

        An entry whose block is not known matches everything when it denies, and nothing when it
        allows.
        """
        for entry in self.acl_entries[direction]:
            if isinstance(entry.cidr, External):
                applies = not entry.is_allow
            else:
                applies = entry.cidr.version == peer.version and peer in entry.cidr
            if applies and entry.traffic.covers(
                packet.protocol, packet.destination_port, packet.icmp_type, packet.icmp_code
            ):
                return AclAnswer(entry.rule_number, entry.is_allow)
        implicit = IMPLICIT_DENY_IPV4 if peer.version == 4 else IMPLICIT_DENY_IPV6
        return AclAnswer(rule_number=implicit, is_allow=False)

    def service_of(self, peer: Address, protocol: int, port: int | None) -> Service | None:
        """Return the exempt service at this address, protocol and port."""
        for service in self.services:
            if peer in service.addresses and protocol in service.protocols and port == service.port:
                return service
        return None

    def always_tracked_weight(self, peer: Address) -> int:
        """Return how many entries a flow takes that AWS always tracks: 0 when it does not.

        Those are peers behind a NAT gateway, an egress-only gateway or the DynamoDB endpoint
        (two entries each), and the interfaces of some services (EC2 User Guide, Automatically
        tracked connections).
        """
        table = self.network.route_table_of(self.subnet.subnet_id)
        route = None if table is None else most_specific(self.network, table, peer)
        if route is not None:
            if route.target.kind in (TargetKind.NAT_GATEWAY, TargetKind.EGRESS_ONLY_GATEWAY):
                return 1
            endpoint = self.network.endpoints.get(route.target.target_id)
            if endpoint is not None and endpoint.is_dynamodb:
                return 2
        return int(any(each.interface_type in ALWAYS_TRACKED_TYPES for each in self.peers(peer)))

    def peers(self, address: Address) -> Iterator[NetworkInterface]:
        """Yield the interfaces that `address` can mean here: of this VPC and of its peers."""
        for interface in self.network.interfaces_with(address):
            if interface.vpc_id in self.peer_vpc_ids:
                yield interface
