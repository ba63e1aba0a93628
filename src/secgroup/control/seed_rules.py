"""Prefix lists, security groups and network ACLs of a network, as resources."""

from collections.abc import Iterator
from typing import Any

from secgroup.control.permissions import ALL, NO_PORT
from secgroup.control.seed_place import Made, Seed, present, tags
from secgroup.errors import InputError
from secgroup.model.defaults import IMPLICIT_DENY_IPV4, IMPLICIT_DENY_IPV6
from secgroup.model.external import External
from secgroup.model.group import GroupReference, PrefixListReference, SecurityGroup
from secgroup.model.group import SecurityGroupRule as Rule
from secgroup.model.network_acl import NetworkAcl, NetworkAclEntry
from secgroup.model.prefix_list import PrefixList
from secgroup.net.ports import Traffic
from secgroup.net.protocol import ICMP, ICMPV6, PROTOCOL_NAMES


def prefix_list(seed: Seed, prefix_list: PrefixList) -> Iterator[Made]:
    """Yield a prefix list and, where its entries are known, its first version."""
    entries = prefix_list.entries or ()
    list_id = prefix_list.prefix_list_id
    yield (
        "ManagedPrefixList",
        {
            "PrefixListId": list_id,
            "PrefixListName": prefix_list.name or list_id,
            "PrefixListArn": seed.world.arn("prefix-list", list_id),
            "AddressFamily": f"IPv{entries[0].version if entries else 4}",
            "State": "create-complete",
            "MaxEntries": prefix_list.max_entries or max(1, len(entries)),
            "Version": 1,
            "OwnerId": seed.owner(None),
            "Tags": tags(prefix_list.names),
        },
    )
    if prefix_list.entries is not None:
        yield (
            "PrefixListVersion",
            {
                "PrefixListId": list_id,
                "Version": "1",
                "Entries": [{"Cidr": str(entry)} for entry in entries],
            },
        )


def group(seed: Seed, group: SecurityGroup) -> Iterator[Made]:
    """Yield a group, its associations and its rules; one whose peer is unknown is left out."""
    owner = seed.owner(group.owner_id)
    name = group.name or group.group_id
    yield (
        "SecurityGroup",
        {
            "GroupId": group.group_id,
            "GroupName": name,
            "Description": name,
            "OwnerId": owner,
            "VpcId": group.vpc_id,
            "SecurityGroupArn": seed.world.arn("security-group", group.group_id),
            "Tags": tags(each for each in group.names if each != name),
        },
    )
    for vpc_id in group.vpc_ids[1:]:
        yield (
            "SecurityGroupVpcAssociation",
            {
                "GroupId": group.group_id,
                "VpcId": vpc_id,
                "VpcOwnerId": owner,
                "GroupOwnerId": owner,
                "State": "associated",
            },
        )
    for rule in group.rules:
        if not isinstance(rule.peer, External):
            yield "SecurityGroupRule", _rule(seed, rule, owner)


def _rule(seed: Seed, rule: Rule, owner: str) -> dict[str, Any]:
    resource = {
        "SecurityGroupRuleId": rule.rule_id,
        "SecurityGroupRuleArn": seed.world.arn("security-group-rule", rule.rule_id),
        "GroupId": rule.group_id,
        "GroupOwnerId": owner,
        "IsEgress": rule.is_egress,
        **_rule_traffic(rule.traffic),
        "Tags": [],
    }
    if rule.description:
        resource["Description"] = rule.description
    peer = rule.peer
    if isinstance(peer, GroupReference):
        named = {
            "GroupId": peer.group_id,
            "UserId": peer.owner_id or owner,
            "VpcId": peer.vpc_id,
            "VpcPeeringConnectionId": peer.peering_id,
        }
        resource["ReferencedGroupInfo"] = present(named)
    elif isinstance(peer, PrefixListReference):
        resource["PrefixListId"] = peer.prefix_list_id
    elif not isinstance(peer, External):
        resource[f"CidrIpv{peer.version}"] = str(peer)
    return resource


def _rule_traffic(traffic: Traffic) -> dict[str, Any]:
    first = last = NO_PORT
    if traffic.ports is not None:
        first, last = traffic.ports.first, traffic.ports.last
    elif traffic.icmp_type is not None:
        first = traffic.icmp_type
        last = NO_PORT if traffic.icmp_code is None else traffic.icmp_code
    number = traffic.protocol
    protocol = ALL if number is None else PROTOCOL_NAMES.get(number, str(number))
    return {"IpProtocol": protocol, "FromPort": first, "ToPort": last}


def acl(seed: Seed, acl: NetworkAcl) -> Made:
    """Return an ACL with its implicit entries."""
    vpc = seed.network.vpcs[acl.vpc_id]
    implicit = [(IMPLICIT_DENY_IPV4, "CidrBlock", "0.0.0.0/0")]
    if vpc.ipv6_blocks:
        implicit.append((IMPLICIT_DENY_IPV6, "Ipv6CidrBlock", "::/0"))
    entries = [_entry(each) for each in acl.entries] + [
        {
            "RuleNumber": number,
            "Egress": is_egress,
            "RuleAction": "deny",
            "Protocol": ALL,
            key: block,
        }
        for number, key, block in implicit
        for is_egress in (True, False)
    ]
    return "NetworkAcl", {
        "NetworkAclId": acl.network_acl_id,
        "VpcId": acl.vpc_id,
        "OwnerId": seed.owner(vpc.owner_id),
        "IsDefault": acl.is_default,
        "Entries": sorted(entries, key=lambda each: (not each["Egress"], each["RuleNumber"])),
        "Associations": [
            {
                "NetworkAclAssociationId": seed.world.new_id("aclassoc"),
                "NetworkAclId": acl.network_acl_id,
                "SubnetId": subnet.subnet_id,
            }
            for subnet in seed.network.subnets.values()
            if subnet.network_acl_id == acl.network_acl_id
        ],
        "Tags": tags(acl.names),
    }


def _entry(entry: NetworkAclEntry) -> dict[str, Any]:
    traffic, cidr = entry.traffic, entry.cidr
    if isinstance(cidr, External):
        raise InputError(
            f"entry {entry.rule_number} of an ACL has the block {cidr}, which is not known "
            "(expected its contents by --with)"
        )
    key = "CidrBlock" if cidr.version == 4 else "Ipv6CidrBlock"
    found: dict[str, Any] = {
        "RuleNumber": entry.rule_number,
        "Egress": entry.is_egress,
        "RuleAction": "allow" if entry.is_allow else "deny",
        "Protocol": ALL if traffic.protocol is None else str(traffic.protocol),
        key: str(cidr),
    }
    if traffic.ports is not None:
        found["PortRange"] = {"From": traffic.ports.first, "To": traffic.ports.last}
    elif traffic.protocol in (ICMP, ICMPV6):
        found["IcmpTypeCode"] = {
            "Type": NO_PORT if traffic.icmp_type is None else traffic.icmp_type,
            "Code": NO_PORT if traffic.icmp_code is None else traffic.icmp_code,
        }
    return found
