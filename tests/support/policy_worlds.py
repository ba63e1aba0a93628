"""Small networks that say one thing each, for the kernel plane's tables."""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from secgroup.model.defaults import default_acl
from secgroup.model.group import GroupReference, Peer, SecurityGroup, SecurityGroupRule
from secgroup.model.interface import NetworkInterface, PrivateIpv4
from secgroup.model.network import Network
from secgroup.model.prefix_list import PrefixList
from secgroup.model.vpc import Subnet, Vpc
from secgroup.net.address import Prefix, parse_prefix
from secgroup.net.ports import parse_service

_BASE = int(IPv4Address("10.0.0.0"))


def interface(
    number: int, group_ids: Iterable[str] = ("sg-members",), *, addresses: int = 1
) -> NetworkInterface:
    first = IPv4Address(_BASE + 256 * number)
    return NetworkInterface(
        interface_id=f"eni-{number}",
        vpc_id="vpc-1",
        subnet_id="subnet-1",
        ipv4=tuple(PrivateIpv4(address=first + each) for each in range(addresses)),
        group_ids=tuple(group_ids),
    )


def rule(number: int, peer: Peer | str, service: str = "tcp/80") -> SecurityGroupRule:
    return SecurityGroupRule(
        rule_id=f"sgr-{number}",
        group_id="sg-web",
        is_egress=False,
        traffic=parse_service(service),
        peer=parse_prefix(peer) if isinstance(peer, str) else peer,
    )


def group(group_id: str, rules: Iterable[SecurityGroupRule] = ()) -> SecurityGroup:
    return SecurityGroup(group_id=group_id, vpc_ids=("vpc-1",), rules=tuple(rules))


def a_list(*entries: str, list_id: str = "pl-1") -> PrefixList:
    return PrefixList(prefix_list_id=list_id, entries=tuple(map(parse_prefix, entries)))


MEMBERS = GroupReference(group_id="sg-members")


def world(
    rules: Iterable[SecurityGroupRule] = (),
    *,
    members: int = 0,
    lists: Iterable[PrefixList] = (),
    ipv6_blocks: tuple[IPv6Network, ...] = (),
) -> Network:
    """`eni-1` carries `sg-web` with these rules; `eni-2` and on are members of `sg-members`."""
    vpc = Vpc(vpc_id="vpc-1", ipv4_blocks=(IPv4Network("10.0.0.0/8"),))
    interfaces = [interface(1, ("sg-web",)), *(interface(2 + each) for each in range(members))]
    subnet = Subnet(
        subnet_id="subnet-1",
        vpc_id="vpc-1",
        network_acl_id="acl-1",
        ipv4_block=IPv4Network("10.0.0.0/8"),
        ipv6_blocks=ipv6_blocks,
    )
    return Network(
        vpcs={"vpc-1": vpc},
        subnets={"subnet-1": subnet},
        acls={"acl-1": default_acl(vpc, network_acl_id="acl-1")},
        groups={"sg-web": group("sg-web", rules), "sg-members": group("sg-members")},
        interfaces={each.interface_id: each for each in interfaces},
        prefix_lists={each.prefix_list_id: each for each in lists},
    )


def with_interface(network: Network, one: NetworkInterface) -> Network:
    return network.revised(interfaces={**network.interfaces, one.interface_id: one})


def without_interface(network: Network, interface_id: str) -> Network:
    kept = {key: each for key, each in network.interfaces.items() if key != interface_id}
    return network.revised(interfaces=kept)


def with_entries(network: Network, *entries: str, list_id: str = "pl-1") -> Network:
    """Give a prefix list other entries; those that stay are the same objects."""
    return network.revised(
        prefix_lists={**network.prefix_lists, list_id: a_list(*entries, list_id=list_id)}
    )


def with_rules(network: Network, rules: Iterable[SecurityGroupRule]) -> Network:
    return network.revised(groups={**network.groups, "sg-web": group("sg-web", rules)})


def in_subnet(network: Network, **fields: object) -> Network:
    subnet = replace(network.subnets["subnet-1"], **fields)  # type: ignore[arg-type]
    return network.revised(subnets={"subnet-1": subnet})


def distinct_blocks(count: int) -> list[Prefix]:
    return [IPv4Network((0x0B000000 + (each << 8), 24)) for each in range(count)]
