"""Networks of nouns, written line by line: VPCs with every kind of route, for the way through."""

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network
from typing import Any

from secgroup.model.defaults import default_acl_entries, local_routes
from secgroup.model.group import (
    GroupReference,
    Peer,
    PrefixListReference,
    SecurityGroup,
    SecurityGroupRule,
)
from secgroup.model.interface import Instance, NetworkInterface, PrivateIpv4
from secgroup.model.network import Network
from secgroup.model.network_acl import NetworkAcl, NetworkAclEntry
from secgroup.model.prefix_list import PrefixList
from secgroup.model.route import (
    EgressOnlyInternetGateway,
    InternetGateway,
    NatGateway,
    PeeringConnection,
    PeeringSide,
    Route,
    RouteTable,
    Target,
    TargetKind,
    VpcEndpoint,
)
from secgroup.model.vpc import Subnet, Vpc
from secgroup.net.ports import parse_service

KINDS = {
    "igw": TargetKind.INTERNET_GATEWAY,
    "eigw": TargetKind.EGRESS_ONLY_GATEWAY,
    "nat": TargetKind.NAT_GATEWAY,
    "pcx": TargetKind.PEERING,
    "eni": TargetKind.INTERFACE,
    "i": TargetKind.INSTANCE,
    "vpce": TargetKind.GATEWAY_ENDPOINT,
    "local": TargetKind.LOCAL,
}
OPEN = ("in all 0.0.0.0/0", "in all ::/0", "out all 0.0.0.0/0", "out all ::/0")


def peer_of(text: str) -> Peer:
    if text.startswith("sg-"):
        return GroupReference(group_id=text)
    if text.startswith("pl-"):
        return PrefixListReference(prefix_list_id=text)
    return ip_network(text)


@dataclass
class Plan:
    """A network that grows; every method returns the plan."""

    nouns: dict[str, dict[str, Any]] = field(default_factory=dict)

    def _put(self, kind: str, key: str, noun: Any) -> "Plan":
        self.nouns.setdefault(kind, {})[key] = noun
        return self

    def vpc(self, vpc_id: str, *blocks: str) -> "Plan":
        networks = [ip_network(each) for each in blocks]
        vpc = Vpc(
            vpc_id=vpc_id,
            ipv4_blocks=tuple(each for each in networks if each.version == 4),
            ipv6_blocks=tuple(each for each in networks if each.version == 6),
        )
        entries = default_acl_entries(has_ipv6=bool(vpc.ipv6_blocks))
        acl = NetworkAcl(network_acl_id=f"acl-{vpc_id}", vpc_id=vpc_id, entries=entries)
        return self._put("vpcs", vpc_id, vpc)._put("acls", acl.network_acl_id, acl)

    def subnet(
        self, subnet_id: str, vpc_id: str, *blocks: str, routes: tuple[str, ...] = ()
    ) -> "Plan":
        networks = [ip_network(each) for each in blocks]
        self._put(
            "subnets",
            subnet_id,
            Subnet(
                subnet_id=subnet_id,
                vpc_id=vpc_id,
                network_acl_id=f"acl-{vpc_id}",
                ipv4_block=next((each for each in networks if isinstance(each, IPv4Network)), None),
                ipv6_blocks=tuple(each for each in networks if each.version == 6),
            ),
        )
        return self.table(f"rtb-{subnet_id}", vpc_id, *routes, subnets=(subnet_id,))

    def table(
        self,
        table_id: str,
        vpc_id: str,
        *routes: str,
        subnets: tuple[str, ...] = (),
        gateways: tuple[str, ...] = (),
    ) -> "Plan":
        """Each route `10.9.0.0/16 pcx-1`, with ` blackhole` behind it or not."""
        found = [*local_routes(self.nouns["vpcs"][vpc_id])]
        for text in routes:
            destination, target, *state = text.split()
            kind = KINDS.get(target.split("-")[0], TargetKind.OTHER)
            found.append(
                Route(
                    destination=peer_of(destination),  # type: ignore[arg-type]
                    target=Target(kind=kind, target_id=target),
                    is_blackhole=state == ["blackhole"],
                )
            )
        table = RouteTable(
            route_table_id=table_id,
            vpc_id=vpc_id,
            subnet_ids=subnets,
            gateway_ids=gateways,
            routes=tuple(found),
        )
        return self._put("route_tables", table_id, table)

    def acl(self, subnet_id: str, *entries: str) -> "Plan":
        """Give a subnet its own ACL; entries `in 100 allow tcp/80 0.0.0.0/0`."""
        found = []
        for text in entries:
            way, number, action, service, block = text.split()
            found.append(
                NetworkAclEntry(
                    rule_number=int(number),
                    is_egress=way == "out",
                    is_allow=action == "allow",
                    traffic=parse_service(service),
                    cidr=ip_network(block),
                )
            )
        found.sort(key=lambda each: (each.is_egress, each.rule_number))
        subnet = self.nouns["subnets"][subnet_id]
        acl_id = f"acl-{subnet_id}"
        acl = NetworkAcl(network_acl_id=acl_id, vpc_id=subnet.vpc_id, entries=tuple(found))
        self._put("acls", acl_id, acl)
        return self._put("subnets", subnet_id, replace(subnet, network_acl_id=acl_id))

    def group(self, group_id: str, *rules: str, vpc: str = "vpc-1") -> "Plan":
        """Rules `in tcp/22 10.0.0.0/8`, `out all sg-db`; their ids are `sgr-GROUP-0`, ..."""
        found = []
        for number, text in enumerate(rules):
            way, service, peer = text.split()
            found.append(
                SecurityGroupRule(
                    rule_id=f"sgr-{group_id[3:]}-{number}",
                    group_id=group_id,
                    is_egress=way == "out",
                    traffic=parse_service(service),
                    peer=peer_of(peer),
                )
            )
        group = SecurityGroup(
            group_id=group_id, vpc_ids=(vpc,), name=group_id[3:], rules=tuple(found)
        )
        return self._put("groups", group_id, group)

    def interface(
        self,
        interface_id: str,
        subnet_id: str,
        addresses: str,
        *group_ids: str,
        public: str | None = None,
        check: bool = True,
        kind: str = "interface",
        instance: str | None = None,
        names: tuple[str, ...] = (),
    ) -> "Plan":
        found = [ip_address(each) for each in addresses.split()]
        interface = NetworkInterface(
            interface_id=interface_id,
            vpc_id=self.nouns["subnets"][subnet_id].vpc_id,
            subnet_id=subnet_id,
            interface_type=kind,
            names=names,
            instance_id=instance,
            device_index=None if instance is None else 0,
            ipv4=tuple(
                PrivateIpv4(address=each, public=None if public is None else IPv4Address(public))
                for each in found
                if isinstance(each, IPv4Address)
            ),
            ipv6=tuple(each for each in found if isinstance(each, IPv6Address)),
            group_ids=group_ids,
            source_dest_check=check,
        )
        if instance is not None:
            self._put("instances", instance, Instance(instance_id=instance, names=names))
        return self._put("interfaces", interface_id, interface)

    def internet_gateway(self, vpc_id: str | None, gateway_id: str = "igw-1") -> "Plan":
        gateway = InternetGateway(gateway_id=gateway_id, vpc_id=vpc_id)
        return self._put("internet_gateways", gateway_id, gateway)

    def egress_only(self, vpc_id: str | None, gateway_id: str = "eigw-1") -> "Plan":
        gateway = EgressOnlyInternetGateway(gateway_id=gateway_id, vpc_id=vpc_id)
        return self._put("egress_only_gateways", gateway_id, gateway)

    def nat(
        self,
        subnet_id: str,
        address: str,
        *,
        public: str | None = None,
        available: bool = True,
        gateway_id: str = "nat-1",
    ) -> "Plan":
        interface_id = f"eni-{gateway_id}"
        self.interface(
            interface_id, subnet_id, address, public=public, check=False, kind="natGateway"
        )
        gateway = NatGateway(
            gateway_id=gateway_id,
            vpc_id=self.nouns["subnets"][subnet_id].vpc_id,
            subnet_id=subnet_id,
            interface_ids=(interface_id,),
            is_public=public is not None,
            is_available=available,
        )
        return self._put("nat_gateways", gateway_id, gateway)

    def peering(
        self, here: str, there: str, *, active: bool = True, blocks: tuple[str, ...] = ()
    ) -> "Plan":
        peering = PeeringConnection(
            peering_id="pcx-1",
            requester=PeeringSide(vpc_id=here),
            accepter=PeeringSide(vpc_id=there, blocks=tuple(map(ip_network, blocks))),
            is_active=active,
        )
        return self._put("peerings", "pcx-1", peering)

    def endpoint(self, vpc_id: str, service: str = "s3", *, available: bool = True) -> "Plan":
        endpoint = VpcEndpoint(
            endpoint_id="vpce-1",
            vpc_id=vpc_id,
            service_name=f"com.amazonaws.eu-west-1.{service}",
            is_available=available,
        )
        return self._put("endpoints", "vpce-1", endpoint)

    def prefix_list(self, prefix_list_id: str, *entries: str) -> "Plan":
        found = PrefixList(prefix_list_id=prefix_list_id, entries=tuple(map(ip_network, entries)))
        return self._put("prefix_lists", prefix_list_id, found)

    def network(self) -> Network:
        return Network(**self.nouns)


def two_subnets(*, routes_a: tuple[str, ...] = (), routes_b: tuple[str, ...] = ()) -> Plan:
    """One VPC, IPv4 and IPv6: `a` and `b` in subnets of their own, in groups open to everyone."""
    return (
        Plan()
        .vpc("vpc-1", "10.0.0.0/16", "2600:1f00::/56")
        .subnet("sub-a", "vpc-1", "10.0.1.0/24", "2600:1f00:0:1::/64", routes=routes_a)
        .subnet("sub-b", "vpc-1", "10.0.2.0/24", "2600:1f00:0:2::/64", routes=routes_b)
        .group("sg-a", *OPEN)
        .group("sg-b", *OPEN)
        .interface("eni-a", "sub-a", "10.0.1.5 2600:1f00:0:1::5", "sg-a")
        .interface("eni-b", "sub-b", "10.0.2.5 2600:1f00:0:2::5", "sg-b")
    )
