"""VPCs and subnets (EC2: Vpc, Subnet)."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from secgroup.net.address import Address, Prefix


@dataclass(frozen=True, slots=True, kw_only=True)
class Vpc:
    """A VPC; the first IPv4 block is its primary one."""

    vpc_id: str
    names: tuple[str, ...] = ()
    owner_id: str | None = None
    ipv4_blocks: tuple[IPv4Network, ...] = ()
    ipv6_blocks: tuple[IPv6Network, ...] = ()
    is_default: bool = False
    enable_dns_support: bool = True

    def __contains__(self, address: Address) -> bool:
        """Tell whether `address` lies in one of the VPC's blocks."""
        blocks: tuple[Prefix, ...] = (*self.ipv4_blocks, *self.ipv6_blocks)
        return any(address in block for block in blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """A subnet; `network_acl_id` is the ACL associated with it.

    `ipv4_block` is None in an IPv6-only subnet.
    """

    subnet_id: str
    vpc_id: str
    network_acl_id: str
    names: tuple[str, ...] = ()
    ipv4_block: IPv4Network | None = None
    ipv6_blocks: tuple[IPv6Network, ...] = ()
    availability_zone: str | None = None
    availability_zone_id: str | None = None

    def __contains__(self, address: Address) -> bool:
        """Tell whether `address` lies in one of the subnet's blocks."""
        if address.version == 4:
            return self.ipv4_block is not None and address in self.ipv4_block
        return any(address in block for block in self.ipv6_blocks)
