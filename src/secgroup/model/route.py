"""Route tables and what routes lead to (EC2: RouteTable, InternetGateway, NatGateway, ...)."""

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address

from secgroup.model.external import External
from secgroup.model.group import PrefixListReference
from secgroup.net.address import Prefix


class TargetKind(Enum):
    """What kind of thing a route leads to; OTHER leaves the model."""

    LOCAL = "local"
    INTERNET_GATEWAY = "internet gateway"
    EGRESS_ONLY_GATEWAY = "egress-only internet gateway"
    NAT_GATEWAY = "NAT gateway"
    PEERING = "peering connection"
    INTERFACE = "network interface"
    INSTANCE = "instance"
    GATEWAY_ENDPOINT = "gateway endpoint"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a route leads to: the kind, told by the field it stands in, and the id."""

    kind: TargetKind
    target_id: str

    def __str__(self) -> str:
        """Write the id."""
        return self.target_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route. `is_blackhole` is EC2's state `blackhole`: its target is gone."""

    destination: Prefix | PrefixListReference | External
    target: Target
    is_blackhole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTable:
    """A route table, with the subnets it is associated with; the main one serves the others."""

    route_table_id: str
    vpc_id: str
    is_main: bool = False
    names: tuple[str, ...] = ()
    subnet_ids: tuple[str, ...] = ()
    gateway_ids: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InternetGateway:
    """An internet gateway and the VPC it is attached to, if any."""

    gateway_id: str
    vpc_id: str | None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressOnlyInternetGateway:
    """An egress-only internet gateway (IPv6) and its VPC, if attached."""

    gateway_id: str
    vpc_id: str | None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NatGateway:
    """A NAT gateway: its interfaces are in `Network.interfaces` under `interface_ids`.

    The first interface is the primary one; `is_public`: it translates to an elastic address.
    """

    gateway_id: str
    vpc_id: str
    subnet_id: str
    interface_ids: tuple[str, ...]
    is_public: bool = True
    is_available: bool = True
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PeeringSide:
    """One side of a peering connection; `blocks` are its CIDRs as the connection tells them."""

    vpc_id: str
    owner_id: str | None = None
    region: str | None = None
    blocks: tuple[Prefix, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PeeringConnection:
    """A VPC peering connection; routes and references work only while it is active."""

    peering_id: str
    requester: PeeringSide
    accepter: PeeringSide
    is_active: bool = True
    names: tuple[str, ...] = ()

    def other_side(self, vpc_id: str) -> PeeringSide | None:
        """Return the side that is not `vpc_id`, None when `vpc_id` is on neither side."""
        if vpc_id == self.requester.vpc_id:
            return self.accepter
        return self.requester if vpc_id == self.accepter.vpc_id else None

    @property
    def is_same_region(self) -> bool:
        """Both sides are known to be in one region, or nothing says otherwise."""
        regions = {self.requester.region, self.accepter.region} - {None}
        return len(regions) <= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VpcEndpoint:
    """A VPC endpoint; only a gateway one (`endpoint_type` `Gateway`) stands in route tables."""

    endpoint_id: str
    vpc_id: str
    service_name: str
    endpoint_type: str = "Gateway"
    is_available: bool = True
    route_table_ids: tuple[str, ...] = ()
    interface_ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def is_dynamodb(self) -> bool:
        """The DynamoDB gateway endpoint, whose flows are always tracked, by two entries each."""
        return self.endpoint_type == "Gateway" and self.service_name.endswith(".dynamodb")


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticAddress:
    """An Elastic IP address (EC2: Address) and what it is associated with."""

    public_ip: IPv4Address
    allocation_id: str | None = None
    interface_id: str | None = None
    private_ip: IPv4Address | None = None
    names: tuple[str, ...] = ()
