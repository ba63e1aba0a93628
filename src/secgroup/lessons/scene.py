"""Small networks, written down in a few lines: where a story happens.

Owns the shorthand for groups, ACLs and interfaces; the nouns it makes are the model's. Not a
format for users: they bring what AWS gives them.
"""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from types import MappingProxyType
from typing import Final

from secgroup.model.defaults import default_acl, main_route_table
from secgroup.model.external import External
from secgroup.model.group import GroupReference, Peer, PrefixListReference, SecurityGroup
from secgroup.model.group import SecurityGroupRule as Rule
from secgroup.model.interface import Instance, NetworkInterface, PrivateIpv4
from secgroup.model.network import Network
from secgroup.model.network_acl import NetworkAcl, NetworkAclEntry
from secgroup.model.prefix_list import PrefixList
from secgroup.model.vpc import Subnet, Vpc
from secgroup.net.address import Prefix, parse_prefix
from secgroup.net.ports import parse_service

VPC: Final = Vpc(
    vpc_id="vpc-1",
    ipv4_blocks=(IPv4Network("10.0.0.0/16"), IPv4Network("172.31.0.0/16")),
    ipv6_blocks=(IPv6Network("2001:db8:1::/56"),),
)
_NOTHING: Final[Mapping[str, Sequence[str]]] = MappingProxyType({})


def scene(
    *,
    groups: Mapping[str, Sequence[str]],
    interfaces: Mapping[str, str],
    acls: Mapping[str, Sequence[str]] = _NOTHING,
    prefix_lists: Mapping[str, Sequence[str]] = _NOTHING,
    unchecked: Sequence[str] = (),
    vpc: Vpc = VPC,
) -> Network:
    """Put a network of one VPC together.

    Parameters
    ----------
    groups : mapping of str to sequence of str
        The rules of each group: `in tcp/22 203.0.113.1/32`, `out all ::/0`, `in all web`. A peer
        is a block, a group or a prefix list of this scene; any other name is external. The id
        of a rule is like `web/ingress/0`.
    interfaces : mapping of str to str
        Of each its addresses and then its groups: `10.0.1.10 2001:db8:1:1::10 web`. Its instance
        is `i-` and the interface's name, up to the first `-`: web-1 and web-2 share one.
    acls : mapping of str to sequence of str
        The entries of a subnet that has not the default ACL: `in 100 allow tcp/80 0.0.0.0/0`.
        Subnets are the /24 and /64 of the addresses, named like `10.0.1`.
    prefix_lists : mapping of str to sequence of str
        Blocks of each list, whose name begins with `pl-`.

    unchecked : sequence of str
        The interfaces whose source/destination check is off.

    Raises
    ------
    InputError
        A service or a block that cannot be read.

    """
    tables = {"acl-default": default_acl(vpc, network_acl_id="acl-default")}
    for name, lines in acls.items():
        acl_id = f"acl-{name}"
        entries = tuple(map(_entry, lines))
        tables[acl_id] = NetworkAcl(network_acl_id=acl_id, vpc_id=vpc.vpc_id, entries=entries)
    made = {
        name: _interface(name, line, vpc, is_checked=name not in unchecked)
        for name, line in interfaces.items()
    }
    owners = dict.fromkeys(each.instance_id for each in made.values())
    return Network(
        vpcs={vpc.vpc_id: vpc},
        subnets={each.subnet_id: _subnet(each.subnet_id, vpc, acls) for each in made.values()},
        groups={name: _group(name, vpc, groups) for name in groups},
        acls=tables,
        interfaces=made,
        instances={owner: Instance(instance_id=owner) for owner in owners if owner is not None},
        prefix_lists={
            name: PrefixList(prefix_list_id=name, entries=tuple(map(parse_prefix, blocks)))
            for name, blocks in prefix_lists.items()
        },
        route_tables={"rtb-1": main_route_table(vpc, route_table_id="rtb-1")},
    )


def _group(name: str, vpc: Vpc, groups: Mapping[str, Sequence[str]]) -> SecurityGroup:
    rules = rules_of(name, groups[name], groups)
    return SecurityGroup(group_id=name, vpc_ids=(vpc.vpc_id,), rules=rules)


def _interface(name: str, line: str, vpc: Vpc, *, is_checked: bool) -> NetworkInterface:
    words = line.split()
    ipv4 = tuple(IPv4Address(word) for word in words if word.count(".") == 3)
    return NetworkInterface(
        interface_id=name,
        vpc_id=vpc.vpc_id,
        subnet_id=str(ipv4[0]).rpartition(".")[0],
        instance_id=f"i-{name.partition('-')[0]}",
        ipv4=tuple(PrivateIpv4(address=address) for address in ipv4),
        ipv6=tuple(IPv6Address(word) for word in words if ":" in word),
        group_ids=tuple(word for word in words if word.count(".") != 3 and ":" not in word),
        source_dest_check=is_checked,
    )


def _subnet(subnet_id: str, vpc: Vpc, acls: Mapping[str, Sequence[str]]) -> Subnet:
    third = int(subnet_id.split(".")[2])
    return Subnet(
        subnet_id=subnet_id,
        vpc_id=vpc.vpc_id,
        network_acl_id=f"acl-{subnet_id}" if subnet_id in acls else "acl-default",
        ipv4_block=IPv4Network(f"{subnet_id}.0/24"),
        ipv6_blocks=tuple(
            IPv6Network((int(block.network_address) + (third << 64), 64))
            for block in vpc.ipv6_blocks
        ),
    )


def rules_of(
    group_id: str, lines: Sequence[str], groups: Mapping[str, Sequence[str]] = _NOTHING
) -> tuple[Rule, ...]:
    """Read the rules of one group; `groups` are those that may be referred to.

    Raises
    ------
    InputError
        A service or a block that cannot be read.

    """
    made: list[Rule] = []
    for line in lines:
        way, service, peer = line.split()
        number = sum(rule.is_egress == (way == "out") for rule in made)
        made.append(
            Rule(
                rule_id=f"{group_id}/{'egress' if way == 'out' else 'ingress'}/{number}",
                group_id=group_id,
                is_egress=way == "out",
                traffic=parse_service(service),
                peer=_peer(peer, groups),
            )
        )
    return tuple(made)


def _peer(text: str, groups: Mapping[str, Sequence[str]]) -> Peer:
    if "/" in text:
        return parse_prefix(text)
    if text.startswith("pl-"):
        return PrefixListReference(prefix_list_id=text)
    return GroupReference(group_id=text) if text in groups else External(text)


def _entry(line: str) -> NetworkAclEntry:
    way, number, action, service, block = line.split()
    cidr: Prefix | External = parse_prefix(block) if "/" in block else External(block)
    return NetworkAclEntry(
        rule_number=int(number),
        is_egress=way == "out",
        is_allow=action == "allow",
        traffic=parse_service(service),
        cidr=cidr,
    )
