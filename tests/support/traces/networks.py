"""Random networks, small enough to argue about and with every noun that a packet can feel.

Up to four VPCs (one peered, one peered in vain, one that overlaps), each with two subnets, six
groups of up to five rules, custom ACLs of up to six entries. The belief behind the bounds: a
fault that needs more of anything also shows with this much.
"""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random

from secgroup.model.defaults import default_acl, local_routes
from secgroup.model.external import External
from secgroup.model.group import (
    GroupReference,
    Peer,
    PrefixListReference,
    SecurityGroup,
    SecurityGroupRule,
)
from secgroup.model.interface import (
    ConnectionTracking,
    Instance,
    NetworkInterface,
    PrivateIpv4,
)
from secgroup.model.network import Network
from secgroup.model.network_acl import NetworkAcl, NetworkAclEntry
from secgroup.model.prefix_list import PrefixList
from secgroup.model.route import (
    PeeringConnection,
    PeeringSide,
    Route,
    RouteTable,
    Target,
    TargetKind,
    VpcEndpoint,
)
from secgroup.model.vpc import Subnet, Vpc
from secgroup.net.address import Prefix, parse_prefix
from secgroup.net.ports import Traffic, parse_service

SERVICES = tuple(
    """all all tcp/80 tcp/80 tcp/443 tcp/1000-2000 tcp/0-65535 tcp/1-65535 udp/53 udp/53
    udp/0-65535 udp/500-600 icmp icmp/8 icmp/3/4 icmp/8/0 icmp/0 icmpv6 icmpv6/128
    icmpv6/2/0 icmpv6/129 47 50 1 58""".split()  # noqa: SIM905
)
BLOCKS = tuple(
    """0.0.0.0/0 0.0.0.0/0 0.0.0.0/0 ::/0 ::/0 ::/0 0.0.0.0/1 128.0.0.0/1 ::/1 8000::/1
    203.0.113.0/24 203.0.113.8/29 203.0.113.9/32 198.51.100.0/25 10.0.0.0/16 10.0.1.0/24
    2001:db8:ffff::/48 2001:db8:ffff::8/125 2001:db8:ffff::9/128
    2001:db8:a::/56""".split()  # noqa: SIM905
)
LISTS = {
    "pl-4": ("203.0.113.0/28", "198.51.100.128/25"),
    "pl-6": ("2001:db8:ffff::/64", "2001:db8:eeee::1/128"),
    "pl-all": ("0.0.0.0/0",),
    "pl-dynamodb": ("192.0.2.0/25",),
    "pl-s3": ("192.0.2.128/25",),
}
GROUPS = tuple(f"sg-{number}" for number in range(6))
#: VPC -> its blocks. vpc-d overlaps vpc-a.
VPCS = {
    "vpc-a": ("10.0.0.0/16", "2001:db8:a::/56"),
    "vpc-b": ("10.1.0.0/16", "2001:db8:b::/56"),
    "vpc-c": ("10.2.0.0/16", "2001:db8:c::/56"),
    "vpc-d": ("10.0.0.0/16", "2001:db8:d::/56"),
}


def random_rule(random: Random, group_id: str, number: int) -> SecurityGroupRule:
    peer: Peer
    kind = random.choices(("block", "group", "list", "external"), (12, 4, 3, 1))[0]
    if kind == "block":
        peer = parse_prefix(random.choice(BLOCKS))
    elif kind == "group":
        peer = GroupReference(group_id=random.choice((*GROUPS, "sg-elsewhere")))
    elif kind == "list":
        peer = PrefixListReference(prefix_list_id=random.choice((*LISTS, "pl-unknown", "pl-none")))
    else:
        peer = External("elsewhere")
    return SecurityGroupRule(
        rule_id=f"sgr-{group_id}-{number}",
        group_id=group_id,
        is_egress=random.random() < 0.45,
        traffic=parse_service(random.choice(SERVICES)),
        peer=peer,
    )


def random_group(random: Random, group_id: str) -> SecurityGroup:
    rules = [random_rule(random, group_id, number) for number in range(random.randint(0, 5))]
    if random.random() < 0.5:  # as AWS makes it: everything out
        for number, block in enumerate(("0.0.0.0/0", "::/0")):
            rules.append(
                SecurityGroupRule(
                    rule_id=f"sgr-{group_id}-out{number}",
                    group_id=group_id,
                    is_egress=True,
                    traffic=Traffic(protocol=None),
                    peer=parse_prefix(block),
                )
            )
    return SecurityGroup(group_id=group_id, vpc_ids=tuple(VPCS), rules=tuple(rules))


def random_acl(random: Random, vpc_id: str, acl_id: str) -> NetworkAcl:
    entries = []
    for is_egress in (False, True):
        numbers = random.sample(range(1, 200), random.randint(1, 6))
        for number in numbers:
            cidr: Prefix | External = parse_prefix(random.choice(BLOCKS))
            if random.random() < 0.05:
                cidr = External("elsewhere")
            entries.append(
                NetworkAclEntry(
                    rule_number=number,
                    is_egress=is_egress,
                    is_allow=random.random() < 0.6,
                    traffic=parse_service(random.choice(SERVICES)),
                    cidr=cidr,
                )
            )
        for number, block in ((300, "0.0.0.0/0"), (301, "::/0")):
            if random.random() < 0.7:
                entries.append(
                    NetworkAclEntry(
                        rule_number=number,
                        is_egress=is_egress,
                        is_allow=True,
                        traffic=Traffic(protocol=None),
                        cidr=parse_prefix(block),
                    )
                )
    return NetworkAcl(network_acl_id=acl_id, vpc_id=vpc_id, entries=tuple(entries))


def _tracking(random: Random) -> ConnectionTracking:
    if random.random() < 0.5:
        return ConnectionTracking()
    return ConnectionTracking(
        tcp_established_timeout=random.choice((None, 60, 61, 350, 432_000)),
        udp_timeout=random.choice((None, 30, 31, 60)),
        udp_stream_timeout=random.choice((None, 60, 180)),
    )


def _interfaces(random: Random, vpc_id: str) -> list[NetworkInterface]:
    """Six interfaces of one VPC: two of one instance, one of a service, one on its own."""
    ipv4, ipv6 = (parse_prefix(block) for block in VPCS[vpc_id])
    kinds = ("lambda", "vpc_endpoint", "network_load_balancer", "global_accelerator_managed")
    made = []
    for number in range(6):
        third, last = 1 + number % 2, 10 + number
        first = IPv4Address(int(ipv4.network_address) + 256 * third + last)
        kind = "interface"
        if number == 4:
            kind = random.choice(kinds)
        if number == 5:
            kind = random.choice(
                ("natGateway", "transit_gateway", "gateway_load_balancer_endpoint")
            )
        groups = tuple(random.sample(GROUPS, random.randint(1, 3)))
        if kind == "network_load_balancer" and random.random() < 0.5:
            groups = ()
        made.append(
            NetworkInterface(
                interface_id=f"eni-{vpc_id[-1]}{number}",
                vpc_id=vpc_id,
                subnet_id=f"subnet-{vpc_id[-1]}{third}",
                interface_type=kind,
                instance_id=None if number > 2 else f"i-{vpc_id[-1]}{min(number, 1)}",
                ipv4=tuple(
                    PrivateIpv4(address=first + offset, public=IPv4Address("198.51.100.200"))
                    for offset in ((0, 100) if number == 1 else (0,))
                ),
                ipv6=(IPv6Address(int(ipv6.network_address) + (third << 64) + last),),
                prefixes=(
                    (IPv4Network((int(ipv4.network_address) + 256 * third + 208, 28)),)
                    if number == 3
                    else ()
                ),
                group_ids=() if number == 5 else groups,
                source_dest_check=random.random() < 0.75,
                tracking=_tracking(random),
            )
        )
    return made


def _routes(random: Random, vpc: Vpc) -> tuple[Route, ...]:
    def route(to: str, kind: TargetKind, target_id: str) -> Route:
        return Route(
            destination=PrefixListReference(prefix_list_id=to)
            if to.startswith("pl-")
            else parse_prefix(to),
            target=Target(kind=kind, target_id=target_id),
        )

    ways = (
        (TargetKind.INTERNET_GATEWAY, "igw-1"),
        (TargetKind.INTERNET_GATEWAY, "igw-1"),
        (TargetKind.NAT_GATEWAY, "nat-1"),
    )
    ways6 = ((TargetKind.INTERNET_GATEWAY, "igw-1"), (TargetKind.EGRESS_ONLY_GATEWAY, "eigw-1"))
    return (
        *local_routes(vpc),
        route("0.0.0.0/0", *random.choice(ways)),
        route("::/0", *random.choice(ways6)),
        route("198.51.100.0/25", *random.choice(ways)),
        route("pl-dynamodb", TargetKind.GATEWAY_ENDPOINT, "vpce-dynamodb"),
        route("pl-s3", TargetKind.GATEWAY_ENDPOINT, "vpce-s3"),
        route("pl-unknown", TargetKind.NAT_GATEWAY, "nat-1"),
    )


def _peering(number: int, other: str, *, active: bool, region: str) -> PeeringConnection:
    return PeeringConnection(
        peering_id=f"pcx-{number}",
        requester=PeeringSide(vpc_id="vpc-a", region="eu-west-1"),
        accepter=PeeringSide(vpc_id=other, region=region),
        is_active=active,
    )


def make_network(random: Random) -> Network:
    """Make a network; the same state of `random` makes the same one."""
    names = list(VPCS)[: random.randint(1, 4)]
    vpcs, subnets, acls, tables, interfaces = {}, {}, {}, {}, {}
    for vpc_id in names:
        block4, block6 = VPCS[vpc_id]
        vpc = Vpc(
            vpc_id=vpc_id,
            ipv4_blocks=(IPv4Network(block4),),
            ipv6_blocks=(IPv6Network(block6),),
            enable_dns_support=random.random() < 0.8,
        )
        vpcs[vpc_id] = vpc
        for acl in (
            default_acl(vpc, network_acl_id=f"acl-{vpc_id[-1]}"),
            random_acl(random, vpc_id, f"acl-{vpc_id[-1]}-custom"),
        ):
            acls[acl.network_acl_id] = acl
        for third in (1, 2):
            subnet_id = f"subnet-{vpc_id[-1]}{third}"
            base4 = int(IPv4Network(block4).network_address) + 256 * third
            base6 = int(IPv6Network(block6).network_address) + (third << 64)
            custom = "-custom" if random.random() < 0.4 else ""
            subnets[subnet_id] = Subnet(
                subnet_id=subnet_id,
                vpc_id=vpc_id,
                network_acl_id=f"acl-{vpc_id[-1]}{custom}",
                ipv4_block=IPv4Network((base4, 24)),
                ipv6_blocks=(IPv6Network((base6, 64)),),
            )
        tables[f"rtb-{vpc_id}"] = RouteTable(
            route_table_id=f"rtb-{vpc_id}",
            vpc_id=vpc_id,
            is_main=True,
            routes=_routes(random, vpc),
        )
        for interface in _interfaces(random, vpc_id):
            interfaces[interface.interface_id] = interface
    instance_types = random.choices(("m8i.large", "m5.large", None), k=len(interfaces))
    return Network(
        vpcs=vpcs,
        subnets=subnets,
        groups={group_id: random_group(random, group_id) for group_id in GROUPS},
        acls=acls,
        interfaces=interfaces,
        instances={
            each.instance_id: Instance(instance_id=each.instance_id, instance_type=instance_type)
            for each, instance_type in zip(interfaces.values(), instance_types, strict=True)
            if each.instance_id is not None
        },
        prefix_lists={
            **{
                name: PrefixList(prefix_list_id=name, entries=tuple(map(parse_prefix, blocks)))
                for name, blocks in LISTS.items()
            },
            "pl-none": PrefixList(prefix_list_id="pl-none"),
        },
        route_tables=tables,
        peerings={
            "pcx-1": _peering(1, "vpc-b", active=True, region="eu-west-1"),
            "pcx-2": _peering(
                2,
                "vpc-c",
                active=random.random() < 0.5,
                region=random.choice(("eu-west-1", "us-east-1")),
            ),
        },
        endpoints={
            f"vpce-{name}": VpcEndpoint(
                endpoint_id=f"vpce-{name}",
                vpc_id="vpc-a",
                service_name=f"com.amazonaws.eu-west-1.{name}",
            )
            for name in ("dynamodb", "s3")
        },
    )


def placed_anew(random: Random, interface: NetworkInterface) -> NetworkInterface:
    """Attach an interface to an instance or detach it, or take what addresses it can spare."""
    if random.random() < 0.5 and (len(interface.ipv4) > 1 or interface.prefixes):
        return replace(interface, ipv4=interface.ipv4[:1], prefixes=())
    others = (None, *(f"i-{interface.vpc_id[-1]}{number}" for number in (0, 1)))
    other = random.choice([each for each in others if each != interface.instance_id])
    return replace(interface, instance_id=other)


def edited(random: Random, network: Network) -> Network:
    """Change one thing, as an operator would."""
    what = random.choice(
        (
            "group",
            "group",
            "rule",
            "acl",
            "acl",
            "members",
            "list",
            "check",
            "dns",
            "place",
            "place",
        )
    )
    if what == "group":
        group_id = random.choice(GROUPS)
        return replace(network, groups={**network.groups, group_id: random_group(random, group_id)})
    if what == "rule":
        group = network.groups[random.choice(GROUPS)]
        if group.rules and random.random() < 0.5:
            gone = random.randrange(len(group.rules))
            rules = group.rules[:gone] + group.rules[gone + 1 :]
        else:
            rules = (*group.rules, random_rule(random, group.group_id, random.randrange(100, 999)))
        return replace(
            network, groups={**network.groups, group.group_id: replace(group, rules=rules)}
        )
    if what == "acl":
        acl_id = random.choice([each for each in network.acls if each.endswith("-custom")])
        made = random_acl(random, network.acls[acl_id].vpc_id, acl_id)
        return replace(network, acls={**network.acls, acl_id: made})
    if what == "list":
        entries = tuple(map(parse_prefix, LISTS["pl-4"][: random.randint(0, 2)]))
        lists = {**network.prefix_lists, "pl-4": PrefixList(prefix_list_id="pl-4", entries=entries)}
        return replace(network, prefix_lists=lists)
    if what == "dns":
        vpc_id = random.choice(list(network.vpcs))
        vpc = network.vpcs[vpc_id]
        changed = replace(vpc, enable_dns_support=not vpc.enable_dns_support)
        return replace(network, vpcs={**network.vpcs, vpc_id: changed})
    interface = network.interfaces[random.choice(list(network.interfaces))]
    if what == "place":
        interface = placed_anew(random, interface)
    elif what == "check":
        interface = replace(interface, source_dest_check=not interface.source_dest_check)
    elif interface.group_ids:
        interface = replace(interface, group_ids=tuple(random.sample(GROUPS, random.randint(1, 3))))
    return replace(network, interfaces={**network.interfaces, interface.interface_id: interface})
