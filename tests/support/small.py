"""The smallest networks: one interface, and what a test says about its rules."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from secgroup.model.defaults import default_acl, local_routes
from secgroup.model.group import SecurityGroup, SecurityGroupRule
from secgroup.model.interface import NetworkInterface, PrivateIpv4
from secgroup.model.network import Network
from secgroup.model.route import RouteTable
from secgroup.model.vpc import Subnet, Vpc
from secgroup.net.address import parse_prefix
from secgroup.net.ports import parse_service

ADDRESS4 = IPv4Address("10.0.1.5")
ADDRESS6 = IPv6Address("2001:db8:1:1::5")


def rules(group_id: str, *lines: str) -> tuple[SecurityGroupRule, ...]:
    """Read rules such as `in tcp/22 203.0.113.0/24` and `out all ::/0`; ids are `in-0`, `out-0`."""
    made: list[SecurityGroupRule] = []
    for line in lines:
        way, service, cidr = line.split()
        number = sum(rule.is_egress == (way == "out") for rule in made)
        made.append(
            SecurityGroupRule(
                rule_id=f"{way}-{number}",
                group_id=group_id,
                is_egress=way == "out",
                traffic=parse_service(service),
                peer=parse_prefix(cidr),
            )
        )
    return tuple(made)


def one_interface(*lines: str) -> Network:
    """Make a network of one interface, `eni-1`, with one group, `sg-1`, of these rules."""
    vpc = Vpc(
        vpc_id="vpc-1",
        ipv4_blocks=(IPv4Network("10.0.0.0/16"),),
        ipv6_blocks=(IPv6Network("2001:db8:1::/56"),),
    )
    subnet = Subnet(
        subnet_id="subnet-1",
        vpc_id="vpc-1",
        network_acl_id="acl-1",
        ipv4_block=IPv4Network("10.0.1.0/24"),
        ipv6_blocks=(IPv6Network("2001:db8:1:1::/64"),),
    )
    interface = NetworkInterface(
        interface_id="eni-1",
        vpc_id="vpc-1",
        subnet_id="subnet-1",
        ipv4=(PrivateIpv4(address=ADDRESS4),),
        ipv6=(ADDRESS6,),
        group_ids=("sg-1",),
    )
    group = SecurityGroup(group_id="sg-1", vpc_ids=("vpc-1",), rules=rules("sg-1", *lines))
    table = RouteTable(
        route_table_id="rtb-1", vpc_id="vpc-1", is_main=True, routes=local_routes(vpc)
    )
    return Network(
        vpcs={"vpc-1": vpc},
        subnets={"subnet-1": subnet},
        acls={"acl-1": default_acl(vpc, network_acl_id="acl-1")},
        groups={"sg-1": group},
        interfaces={"eni-1": interface},
        route_tables={"rtb-1": table},
    )
