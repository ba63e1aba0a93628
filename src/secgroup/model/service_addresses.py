"""The services that neither groups nor ACLs filter, as one table.

Source: VPC User Guide, Security groups and Network ACLs (the list), Amazon DNS (addresses and
`enableDnsSupport`), Subnet sizing (the router); EC2 User Guide for the time and metadata services.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from secgroup.net.address import Address
from secgroup.net.protocol import TCP, UDP


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service of AWS's own at fixed addresses.

    `protocols` and `port` are the service's side of an exempt packet; `is_logged` says whether
    flow logs record it (VPC User Guide, Flow log limitations, names those that are not).
    """

    name: str
    addresses: frozenset[Address]
    protocols: frozenset[int]
    port: int
    is_logged: bool = False


def _service(name: str, *addresses: str, tcp: bool, udp: bool, port: int, logged: bool) -> Service:
    return Service(
        name=name,
        addresses=frozenset(map(ip_address, addresses)),
        protocols=frozenset([TCP] * tcp + [UDP] * udp),
        port=port,
        is_logged=logged,
    )


DNS_PORT: Final = 53

# fmt: off
SERVICES: Final = (
    _service("Amazon DNS", "169.254.169.253", "fd00:ec2::253",
             tcp=True, udp=True, port=DNS_PORT, logged=False),
    _service("instance metadata", "169.254.169.254", "fd00:ec2::254",
             tcp=True, udp=False, port=80, logged=False),
    _service("Amazon Time Sync", "169.254.169.123", "fd00:ec2::123",
             tcp=False, udp=True, port=123, logged=False),
    _service("ECS task metadata", "169.254.170.2",
             tcp=True, udp=False, port=80, logged=True),
    _service("EKS Pod Identity", "169.254.170.23", "fd00:ec2::23",
             tcp=True, udp=False, port=80, logged=True),
    _service("Windows activation", "169.254.169.250", "169.254.169.251",
             tcp=True, udp=False, port=1688, logged=False),
)
# fmt: on

#: The router's address in every subnet besides base + 1 and ::1 (VPC User Guide, Subnet sizing).
ROUTER_LINK_LOCAL: Final = ip_address("fe80:ec2::1")
