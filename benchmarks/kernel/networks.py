"""Networks of the kernel plane's figures, beside those of `benchmarks.flows`."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from benchmarks.flows import blocks_of_peers, network
from benchmarks.kernel.path import CLIENT, SERVER, SERVICE
from secgroup.model.group import (
    GroupReference,
    PrefixListReference,
    SecurityGroup,
    SecurityGroupRule,
)
from secgroup.model.interface import NetworkInterface, PrivateIpv4
from secgroup.model.network import Network
from secgroup.model.network_acl import NetworkAcl, NetworkAclEntry
from secgroup.model.prefix_list import PrefixList
from secgroup.model.vpc import Subnet, Vpc
from secgroup.net.address import everything
from secgroup.net.ports import parse_service

IPERF_PORT = 5201
#: A port that rules open to everyone, there and back; one that no rule names.
OPEN_PORT, CLOSED_PORT = 8080, 50_000
#: Members of a group, and where they may come; the first of the interfaces that they come to.
FIRST_MEMBER, MEMBERS_PORT = IPv4Address("10.0.128.10"), 9000
FIRST = IPv4Address("10.0.0.16")
CLIENT_ID, SERVER_ID = "eni-client", "eni-server"


def two(*, rules: int = 60, prefixes: int = 1_000) -> Network:
    """Client and server; a group of `rules` rules each, over `prefixes` blocks of /28.

    One rule of each admits the datagrams, and one iperf3.
    """
    subnets = {
        f"subnet-{n}": Subnet(
            subnet_id=f"subnet-{n}",
            vpc_id="vpc-0",
            network_acl_id="acl-0",
            ipv4_block=IPv4Network(f"10.0.{n}.0/24"),
        )
        for n in (1, 2)
    }
    lists = {
        f"pl-{n}": PrefixList(
            prefix_list_id=f"pl-{n}",
            entries=tuple(blocks_of_peers(prefixes)[n :: rules - 2]),
        )
        for n in range(rules - 2)
    }
    groups = {}
    for group_id, is_egress, peer in (("sg-client", True, SERVER), ("sg-server", False, CLIENT)):
        block = IPv4Network(f"{peer}/32")
        chosen = [(f"udp/{SERVICE}-{SERVICE + 3}", block), (f"tcp/{IPERF_PORT}", block)]
        chosen += [
            (f"tcp/{6000 + n}-{6000 + 2 * n}", PrefixListReference(prefix_list_id=each))
            for n, each in enumerate(lists)
        ]
        groups[group_id] = SecurityGroup(
            group_id=group_id,
            vpc_ids=("vpc-0",),
            rules=tuple(
                SecurityGroupRule(
                    rule_id=f"{group_id}-{n}",
                    group_id=group_id,
                    is_egress=is_egress,
                    traffic=parse_service(service),
                    peer=each,
                )
                for n, (service, each) in enumerate(chosen)
            ),
        )
    everything = tuple(
        NetworkAclEntry(
            rule_number=100,
            is_egress=is_egress,
            is_allow=True,
            traffic=parse_service("all"),
            cidr=IPv4Network("0.0.0.0/0"),
        )
        for is_egress in (False, True)
    )
    return Network(
        vpcs={"vpc-0": Vpc(vpc_id="vpc-0", ipv4_blocks=(IPv4Network("10.0.0.0/16"),))},
        subnets=subnets,
        groups=groups,
        acls={"acl-0": NetworkAcl(network_acl_id="acl-0", vpc_id="vpc-0", entries=everything)},
        interfaces={
            interface_id: NetworkInterface(
                interface_id=interface_id,
                vpc_id="vpc-0",
                subnet_id=subnet_id,
                instance_id=f"i-{subnet_id}",
                ipv4=(PrivateIpv4(address=address),),
                group_ids=(group_id,),
            )
            for interface_id, subnet_id, address, group_id in (
                (CLIENT_ID, "subnet-1", CLIENT, "sg-client"),
                (SERVER_ID, "subnet-2", SERVER, "sg-server"),
            )
        },
        prefix_lists=lists,
    )


def opened_to_all(around: Network) -> Network:
    """Return a network whose interfaces have a port that is open to everyone, there and back."""
    group = around.groups["sg-0"]
    rules = tuple(
        SecurityGroupRule(
            rule_id=f"sgr-open-{number}",
            group_id="sg-0",
            is_egress=is_egress,
            traffic=parse_service(service),
            peer=everything(family),
        )
        for number, (service, is_egress, family) in enumerate(
            (service, is_egress, family)
            for family in (4, 6)
            for service, is_egress in (
                (f"tcp/{OPEN_PORT}", False),
                (f"udp/{OPEN_PORT}", False),
                ("all", True),
            )
        )
    )
    return replace(around, groups={"sg-0": replace(group, rules=(*group.rules, *rules))})


def member(number: int) -> NetworkInterface:
    """Return one interface of a group's members."""
    return NetworkInterface(
        interface_id=f"eni-member-{number}",
        vpc_id="vpc-0",
        subnet_id="subnet-members",
        ipv4=(PrivateIpv4(address=FIRST_MEMBER + number),),
        group_ids=("sg-members",),
    )


def of_members(count: int) -> Network:
    """Return a network whose interfaces admit a group of `count` members at `MEMBERS_PORT`."""
    around = network()
    group = around.groups["sg-0"]
    rule = SecurityGroupRule(
        rule_id="sgr-members",
        group_id="sg-0",
        is_egress=False,
        traffic=parse_service(f"tcp/{MEMBERS_PORT}"),
        peer=GroupReference(group_id="sg-members"),
    )
    members = {each.interface_id: each for each in map(member, range(count))}
    subnet = replace(
        around.subnets["subnet-0"],
        subnet_id="subnet-members",
        ipv4_block=IPv4Network("10.0.128.0/17"),
        ipv6_blocks=(),
    )
    return replace(
        around,
        subnets={**around.subnets, "subnet-members": subnet},
        groups={
            "sg-0": replace(group, rules=(*group.rules, rule)),
            "sg-members": SecurityGroup(group_id="sg-members", vpc_ids=("vpc-0",)),
        },
        interfaces={**around.interfaces, **members},
    )
