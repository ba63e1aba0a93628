"""VPCs, subnets and network ACLs of a template.

Owns their blocks, which ACL serves which subnet, and the default VPC that a template without
a VPC of its own uses.
"""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from secgroup.model import defaults
from secgroup.model.network_acl import NetworkAcl
from secgroup.model.route import InternetGateway, Route, RouteTable, Target, TargetKind
from secgroup.model.vpc import Subnet, Vpc
from secgroup.net.address import ALL_IPV4, Prefix
from secgroup.sources.cfn_addresses import derive_ipv6_block
from secgroup.sources.cfn_item import Item, ipv4_only, ipv6_only
from secgroup.sources.cfn_stack import Resource, Stack
from secgroup.sources.intrinsics import ZONE_LETTERS
from secgroup.sources.parameters import Unknown
from secgroup.sources.scope import Evaluated, text_of

#: The default VPC of an account, which has this block and a /20 in each zone (VPC User Guide,
#: "Default VPC components").
DEFAULT_VPC_ID: Final = "default-vpc"
_DEFAULT_VPC_BLOCK: Final = IPv4Network("172.31.0.0/16")

#: Where the /56 blocks stand that Amazon would provide: the range for documentation (RFC 3849).
_PROVIDED_IPV6: Final = IPv6Network("2001:db8::/32")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A subnet, and what interfaces get that are put into it."""

    subnet: Subnet
    maps_public_ip: bool
    assigns_ipv6: bool


def default_group_id(vpc_id: str) -> str:
    """Return the id of a VPC's default group, as `GetAtt` would name it."""
    return f"{vpc_id}.DefaultSecurityGroup"


def default_acl_id(vpc_id: str) -> str:
    """Return the id of a VPC's default ACL, as `GetAtt` would name it."""
    return f"{vpc_id}.DefaultNetworkAcl"


def main_route_table_id(vpc_id: str) -> str:
    """Return the id of a VPC's main route table."""
    return f"{vpc_id}.MainRouteTable"


class Vpcs:
    """The VPCs and subnets of a stack, as nouns.

    Attributes
    ----------
    placements : dict of str to Placement
        By subnet id; those of the default VPC join when they are asked for.

    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._extra = by_property(stack, "VPCCidrBlock", "VpcId")
        self._subnet_acls = by_property(stack, "SubnetNetworkAclAssociation", "SubnetId")
        self._subnet_blocks = by_property(stack, "SubnetCidrBlock", "SubnetId")
        self._provided: dict[str, IPv6Network] = {}
        self.placements: dict[str, Placement] = {}
        stack.providers |= {
            ("VPC", "CidrBlock"): lambda vpc: _as_value(ipv4_only(vpc.properties, "CidrBlock")),
            ("VPC", "Ipv6CidrBlocks"): lambda vpc: [*map(str, self.ipv6_blocks(vpc.logical_id))],
            ("VPC", "DefaultSecurityGroup"): lambda vpc: default_group_id(vpc.logical_id),
            ("VPC", "DefaultNetworkAcl"): lambda vpc: default_acl_id(vpc.logical_id),
            ("Subnet", "CidrBlock"): lambda subnet: subnet.properties.text("CidrBlock"),
            ("Subnet", "VpcId"): lambda subnet: subnet.properties.text("VpcId"),
            ("Subnet", "AvailabilityZone"): self._zone,
            ("Subnet", "AvailabilityZoneId"): lambda subnet: subnet.properties.text(
                "AvailabilityZoneId"
            ),
            ("Subnet", "Ipv6CidrBlocks"): lambda subnet: [
                *map(str, self._ipv6_blocks_of_subnet(subnet))
            ],
        }

    def _zone(self, subnet: Resource) -> Evaluated:
        return subnet.properties.text("AvailabilityZone") or f"{self.region}a"

    @property
    def region(self) -> str:
        """The region that the stack is made in."""
        return str(self._stack.scope.pseudo["AWS::Region"])

    def build(self) -> None:
        """Add the VPCs and the subnets.

        Raises
        ------
        InputError
            A property is wrong.

        """
        for resource in self._stack.of("VPC"):
            self._add_vpc(resource)
        for resource in self._stack.of("Subnet"):
            self._add_subnet(resource)

    # VPCs

    def _add_vpc(self, resource: Resource) -> None:
        item = resource.properties
        primary = ipv4_only(item, "CidrBlock")
        blocks = [primary] if isinstance(primary, IPv4Network) else []
        for extra in self._extra.get(resource.logical_id, []):
            block = ipv4_only(extra.properties, "CidrBlock")
            if isinstance(block, IPv4Network):
                blocks.append(block)
        vpc = Vpc(
            vpc_id=resource.logical_id,
            names=item.names,
            owner_id=self.account_id,
            ipv4_blocks=tuple(blocks),
            ipv6_blocks=tuple(self.ipv6_blocks(resource.logical_id)),
            enable_dns_support=item.flag("EnableDnsSupport", default=True),
        )
        self._stack.draft.add(vpc, source=self._stack.source, path=resource.path)

    @property
    def account_id(self) -> str:
        """The account that the stack is made in."""
        return str(self._stack.scope.pseudo["AWS::AccountId"])

    def ipv6_blocks(self, vpc_id: str) -> list[IPv6Network]:
        """Return the IPv6 blocks of a VPC; those that Amazon would choose are derived."""
        found: list[IPv6Network] = []
        for extra in self._extra.get(vpc_id, []):
            block = ipv6_only(extra.properties, "Ipv6CidrBlock")
            if isinstance(block, IPv6Network):
                found.append(block)
            elif extra.properties.flag("AmazonProvidedIpv6CidrBlock", default=False):
                found.append(self._provide(extra.logical_id))
        return found

    def _provide(self, logical_id: str) -> IPv6Network:
        if logical_id not in self._provided:
            taken = set(self._provided.values())
            self._provided[logical_id] = derive_ipv6_block(logical_id, _PROVIDED_IPV6, taken)
        return self._provided[logical_id]

    def known(self, item: Item) -> str:
        """Return the id that VpcId gives; a VPC that is not in the files is mentioned.

        Raises
        ------
        InputError
            It is the id of something else.

        """
        vpc_id = item.required_id("VpcId", "VPC")
        if vpc_id not in self._stack.draft.of(Vpc):
            self._stack.draft.mention(Vpc(vpc_id=vpc_id))
        return vpc_id

    def of(self, item: Item) -> Vpc:
        """Return the VPC that a property VpcId gives, the default VPC without one."""
        if item.text("VpcId") is None:
            return self.default_vpc()
        vpc_id = self.known(item)
        return self._stack.draft.of(Vpc).get(vpc_id, Vpc(vpc_id=vpc_id))

    # The default VPC

    def default_vpc(self) -> Vpc:
        """Return the account's default VPC, which a template uses that names none."""
        draft = self._stack.draft
        for vpc in draft.of(Vpc).values():
            if vpc.is_default:
                return vpc
        vpc = Vpc(
            vpc_id=DEFAULT_VPC_ID,
            owner_id=self.account_id,
            ipv4_blocks=(_DEFAULT_VPC_BLOCK,),
            is_default=True,
        )
        source = self._stack.source
        draft.add(vpc, source=source)
        draft.add(defaults.default_group(vpc, group_id=default_group_id(vpc.vpc_id)), source=source)
        draft.add(
            defaults.default_acl(vpc, network_acl_id=default_acl_id(vpc.vpc_id)), source=source
        )
        gateway_id = f"{vpc.vpc_id}.InternetGateway"
        draft.add(InternetGateway(gateway_id=gateway_id, vpc_id=vpc.vpc_id), source=source)
        out = Target(kind=TargetKind.INTERNET_GATEWAY, target_id=gateway_id)
        table = RouteTable(
            route_table_id=main_route_table_id(vpc.vpc_id),
            vpc_id=vpc.vpc_id,
            is_main=True,
            routes=(*defaults.local_routes(vpc), Route(destination=ALL_IPV4, target=out)),
        )
        draft.add(table, source=source)
        return vpc

    def default_subnet(self, zone: str | None) -> Placement | None:
        """Return the default subnet of a zone (the first one without), None for a foreign zone."""
        vpc = self.default_vpc()
        if vpc.vpc_id != DEFAULT_VPC_ID:
            return self._known_default_subnet(vpc.vpc_id, zone)
        letter = (zone or f"{self.region}a").removeprefix(self.region)
        if len(letter) != 1 or letter not in ZONE_LETTERS:
            return None
        subnet_id = f"{vpc.vpc_id}.Subnet{letter.upper()}"
        if subnet_id not in self.placements:
            blocks = list(_DEFAULT_VPC_BLOCK.subnets(new_prefix=20))
            subnet = Subnet(
                subnet_id=subnet_id,
                vpc_id=vpc.vpc_id,
                network_acl_id=default_acl_id(vpc.vpc_id),
                ipv4_block=blocks[ZONE_LETTERS.index(letter)],
                availability_zone=f"{self.region}{letter}",
            )
            self._stack.draft.add(subnet, source=self._stack.source)
            self.placements[subnet_id] = Placement(
                subnet=subnet, maps_public_ip=True, assigns_ipv6=False
            )
        return self.placements[subnet_id]

    def _known_default_subnet(self, vpc_id: str, zone: str | None) -> Placement | None:
        """Return a subnet of a default VPC that the files describe."""
        for _, subnet in sorted(self._stack.draft.of(Subnet).items()):
            if subnet.vpc_id == vpc_id and zone in (None, subnet.availability_zone):
                return Placement(subnet=subnet, maps_public_ip=True, assigns_ipv6=False)
        return None

    # Subnets

    def _ipv6_blocks_of_subnet(self, resource: Resource) -> list[IPv6Network]:
        more = self._subnet_blocks.get(resource.logical_id, [])
        items = [resource.properties, *(each.properties for each in more)]
        blocks = [ipv6_only(item, "Ipv6CidrBlock") for item in items]
        return [block for block in blocks if isinstance(block, IPv6Network)]

    def _add_subnet(self, resource: Resource) -> None:
        item = resource.properties
        vpc_id = self.known(item)
        vpc = self._stack.draft.of(Vpc).get(vpc_id)
        block = ipv4_only(item, "CidrBlock")
        ipv6 = self._ipv6_blocks_of_subnet(resource)
        if isinstance(block, IPv4Network) and vpc is not None and vpc.ipv4_blocks:
            _check_inside(item, block, vpc.ipv4_blocks, vpc)
        for each in ipv6:
            if vpc is not None and vpc.ipv6_blocks:
                _check_inside(item, each, vpc.ipv6_blocks, vpc)
        subnet = Subnet(
            subnet_id=resource.logical_id,
            vpc_id=vpc_id,
            network_acl_id=self._acl_of(resource.logical_id, vpc_id),
            names=item.names,
            ipv4_block=block if isinstance(block, IPv4Network) else None,
            ipv6_blocks=tuple(ipv6),
            availability_zone=text_of(item.text("AvailabilityZone")),
            availability_zone_id=text_of(item.text("AvailabilityZoneId")),
        )
        self._stack.draft.add(subnet, source=self._stack.source, path=resource.path)
        self.placements[resource.logical_id] = Placement(
            subnet=subnet,
            maps_public_ip=item.flag("MapPublicIpOnLaunch", default=False),
            assigns_ipv6=item.flag("AssignIpv6AddressOnCreation", default=False)
            or item.flag("Ipv6Native", default=False),
        )

    def _acl_of(self, subnet_id: str, vpc_id: str) -> str:
        associations = self._subnet_acls.get(subnet_id, [])
        if len(associations) > 1:
            raise associations[1].properties.error(f"{subnet_id} has two network ACLs", "SubnetId")
        if associations:
            acl_id = associations[0].properties.required_id("NetworkAclId", "NetworkAcl")
        else:
            acl_id = default_acl_id(vpc_id)
            for acl in self._stack.draft.of(NetworkAcl).values():
                if acl.is_default and acl.vpc_id == vpc_id:
                    acl_id = acl.network_acl_id
        here = acl_id in self._stack.resources or vpc_id in self._stack.resources
        if not here and acl_id not in self._stack.draft.of(NetworkAcl):
            self._stack.draft.mention(NetworkAcl(network_acl_id=acl_id, vpc_id=vpc_id))
            self._stack.warn(
                f"without its entries the network ACL {acl_id} of "
                f"{subnet_id} refuses everything (bring them with --with)"
            )
        return acl_id


def _check_inside(item: Item, block: Prefix, blocks: tuple[Prefix, ...], vpc: Vpc) -> None:
    if not any(block.version == each.version and _within(block, each) for each in blocks):
        listed = ", ".join(map(str, blocks))
        raise item.error(f"{block} is in no block of {vpc.vpc_id} ({listed})")


def _within(block: Prefix, whole: Prefix) -> bool:
    return block.prefixlen >= whole.prefixlen and block.network_address in whole


def _as_value(block: Prefix | Unknown | None) -> Evaluated:
    return block if isinstance(block, Unknown) or block is None else str(block)


def by_property(stack: Stack, kind: str, name: str) -> dict[str, list[Resource]]:
    """Return the resources of a type by what one of their properties names."""
    found: dict[str, list[Resource]] = {}
    for resource in stack.of(kind):
        found.setdefault(str(resource.properties.required(name)), []).append(resource)
    return found
