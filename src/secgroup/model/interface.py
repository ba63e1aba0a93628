"""Network interfaces and the instances that own them (EC2: NetworkInterface, Instance)."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from secgroup.errors import InputError
from secgroup.net.address import Address, Prefix

#: The interface types that never carry security groups (VPC User Guide, NAT gateway basics; EC2
#: API, InterfaceType; Elastic Load Balancing User Guide, Gateway Load Balancers). A network load
#: balancer may have been made without any.
GROUPLESS_TYPES: Final = frozenset(
    {
        *("natGateway", "nat_gateway", "transit_gateway"),
        *("gateway_load_balancer", "gateway_load_balancer_endpoint"),
    }
)
LOAD_BALANCER_TYPE: Final = "network_load_balancer"

#: The least and the greatest value of each idle timeout, in seconds (EC2 API,
#: ConnectionTrackingSpecification).
TIMEOUT_BOUNDS_S: Final = {
    "TcpEstablishedTimeout": (60, 432_000),
    "UdpTimeout": (30, 60),
    "UdpStreamTimeout": (60, 180),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTracking:
    """Idle timeouts in seconds, None where not given (EC2: ConnectionTrackingConfiguration)."""

    tcp_established_timeout: int | None = None
    udp_timeout: int | None = None
    udp_stream_timeout: int | None = None


def tracking_of(seconds: Mapping[str, int | None]) -> ConnectionTracking:
    """Make a ConnectionTracking of the timeouts by their names in the EC2 API.

    Raises
    ------
    InputError
        One is out of its bounds; `path` is its name.

    """
    for name, (least, greatest) in TIMEOUT_BOUNDS_S.items():
        value = seconds[name]
        if value is not None and not least <= value <= greatest:
            raise InputError(f"{value} is not within {least}-{greatest} seconds", path=name)
    return ConnectionTracking(
        tcp_established_timeout=seconds["TcpEstablishedTimeout"],
        udp_timeout=seconds["UdpTimeout"],
        udp_stream_timeout=seconds["UdpStreamTimeout"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateIpv4:
    """A private IPv4 address of an interface and the public one that it is translated to."""

    address: IPv4Address
    public: IPv4Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkInterface:
    """A network interface: what a security group is attached to.

    Parameters
    ----------
    interface_type : str
        EC2's InterfaceType: `interface`, `natGateway`, `vpc_endpoint`, ...
    instance_id : str or None
        The instance that owns its connections; None: it owns them itself.
    device_index : int or None
        0 is the instance's primary interface.
    ipv4 : tuple of PrivateIpv4
        The primary one first.
    prefixes : tuple of Prefix
        Delegated IPv4 and IPv6 prefixes.
    group_ids : tuple of str
        Its security groups; those that are not in the network are external.

    """

    interface_id: str
    vpc_id: str
    subnet_id: str
    interface_type: str = "interface"
    names: tuple[str, ...] = ()
    owner_id: str | None = None
    instance_id: str | None = None
    device_index: int | None = None
    mac: bytes | None = None
    ipv4: tuple[PrivateIpv4, ...] = ()
    ipv6: tuple[IPv6Address, ...] = ()
    prefixes: tuple[Prefix, ...] = ()
    group_ids: tuple[str, ...] = ()
    source_dest_check: bool = True
    tracking: ConnectionTracking = ConnectionTracking()

    @property
    def owner(self) -> str:
        """Whose connection table it uses: its instance's, or its own."""
        return self.interface_id if self.instance_id is None else self.instance_id

    @property
    def carries_groups(self) -> bool:
        """Security groups decide here; False for the types that have none."""
        if self.interface_type == LOAD_BALANCER_TYPE:
            return bool(self.group_ids)
        return self.interface_type not in GROUPLESS_TYPES

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Its private IPv4 addresses and its IPv6 addresses, without delegated prefixes."""
        return (*(private.address for private in self.ipv4), *self.ipv6)

    def has_address(self, address: Address) -> bool:
        """Tell whether `address` is one of its private, IPv6 or delegated addresses."""
        return address in self.addresses or any(address in prefix for prefix in self.prefixes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An instance: the owner of interfaces."""

    instance_id: str
    instance_type: str | None = None
    names: tuple[str, ...] = ()
