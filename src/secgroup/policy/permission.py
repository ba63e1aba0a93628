"""What one security-group rule matches once its peer is resolved to addresses."""

from dataclasses import dataclass

from secgroup.net.address import Address, Prefix
from secgroup.net.packet import Packet
from secgroup.net.ports import ALL_PORTS, Traffic
from secgroup.net.protocol import ICMP, ICMPV6


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """A rule in force on an interface, in one direction.

    Parameters
    ----------
    rule_id, group_id : str
        The rule, and the group that brings it.
    traffic : Traffic
        Its protocol and the packet's destination ports, or ICMP types and codes.
    prefixes, addresses
        Its peers. A group reference has the addresses of its members; what could not be
        resolved has neither, and matches nothing.
    open_family : int or None
        4 or 6 when the rule's peer is literally 0.0.0.0/0 or ::/0, which a prefix list that
        contains it is not (EC2 User Guide, Untracked connections).

    """

    rule_id: str
    group_id: str
    traffic: Traffic
    prefixes: tuple[Prefix, ...] = ()
    addresses: frozenset[Address] = frozenset()
    open_family: int | None = None

    def is_for_family(self, family: int) -> bool:
        """`icmp` rules are for IPv4 only, `icmpv6` rules for IPv6 only, whatever their peer."""
        return self.traffic.protocol != (ICMPV6 if family == 4 else ICMP)

    def has_peer(self, address: Address) -> bool:
        """Tell whether `address` is one of the rule's peers."""
        return address in self.addresses or any(address in prefix for prefix in self.prefixes)

    def matches(self, packet: Packet, peer: Address) -> bool:
        """Tell whether the rule allows `packet`, whose address on the other side is `peer`."""
        return (
            self.is_for_family(packet.family)
            and self.traffic.covers(
                packet.protocol, packet.destination_port, packet.icmp_type, packet.icmp_code
            )
            and self.has_peer(peer)
        )

    def opens_port(self, family: int, protocol: int, port: int) -> bool:
        """Tell whether it allows this TCP or UDP port to or from literally everyone."""
        return self.open_family == family and self.traffic.covers(protocol, port, None, None)

    def opens_all_ports(self, family: int, protocol: int) -> bool:
        """Tell whether it allows every port of a protocol to or from literally everyone."""
        return (
            self.open_family == family
            and self.traffic.protocol in (None, protocol)
            and self.traffic.ports in (None, ALL_PORTS)
        )
