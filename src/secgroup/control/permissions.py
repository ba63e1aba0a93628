"""Permissions: the rules that a request spells as IpPermissions, and the way back.

An IpPermission has many peers, a SecurityGroupRule has one. Owns protocols, ports, CIDR blocks and
descriptions as EC2 takes and shows them. Knows neither what is there nor what may be added.

A rule that was read is a mapping in the shape of SecurityGroupRule, without what only a kept one
has: ids, owner, tags.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from secgroup.control.state import Resource
from secgroup.errors import Ec2Error, InputError
from secgroup.net.address import parse_prefix
from secgroup.net.protocol import PROTOCOL_NAMES, PROTOCOL_NUMBERS

#: The protocol that stands for all, and the ports of a rule whose protocol has none.
ALL: Final = "-1"
NO_PORT: Final = -1

_PORTS: Final = ("tcp", "udp")
_MESSAGES: Final = ("icmp", "icmpv6")
_PORT_MAX: Final = 65535
_ICMP_MAX: Final = 255
_PROTOCOL_MAX: Final = 255

#: EC2 User Guide, "Security group rules"; API Reference, CreateSecurityGroup.
TEXT_MAX: Final = 255
_TEXT: Final = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]*")

#: Where each kind of peer stands in an IpPermission, and under which name in a rule.
_PEERS: Final = (
    ("IpRanges", "CidrIp", "CidrIpv4"),
    ("Ipv6Ranges", "CidrIpv6", "CidrIpv6"),
    ("PrefixListIds", "PrefixListId", "PrefixListId"),
)


def is_text(text: str) -> bool:
    """Tell whether EC2 takes a text as a name or a description of a group or a rule."""
    return len(text) <= TEXT_MAX and _TEXT.fullmatch(text) is not None


def rules_of(permissions: Iterable[Resource], *, is_egress: bool) -> list[dict[str, Any]]:
    """Read IpPermissions into rules, one for each peer; a group stays as its pair names it.

    Raises
    ------
    Ec2Error
        A protocol, port, CIDR block or description that is none; a permission without a peer.

    """
    found: list[dict[str, Any]] = []
    for permission in permissions:
        traffic = traffic_of(permission)
        peers = list(_peers_of(permission))
        if not peers:
            raise Ec2Error("permission_without_source")
        for peer, description in peers:
            found.append({"IsEgress": is_egress, **traffic, **peer, **described(description)})
    return found


def _peers_of(permission: Resource) -> Iterator[tuple[dict[str, Any], str | None]]:
    for member, key, name in _PEERS:
        for each in permission.get(member) or ():
            if not each.get(key):
                raise Ec2Error("permission_without_source")
            value = each[key] if member == "PrefixListIds" else cidr_of(each[key], key)
            yield {name: value}, each.get("Description")
    for pair in permission.get("UserIdGroupPairs") or ():
        named = {key: value for key, value in pair.items() if key != "Description"}
        yield {"ReferencedGroupInfo": named}, pair.get("Description")


def described(description: str | None) -> dict[str, str]:
    """Return the member of a rule that holds its description, or nothing.

    Raises
    ------
    Ec2Error
        It is too long, or has other characters than EC2 takes.

    """
    if not description:
        return {}
    if not is_text(description):
        raise Ec2Error("rule_description_invalid")
    return {"Description": description}


def cidr_of(text: str, key: str) -> str:
    """Return the canonical form of a CIDR block; `CidrIp` is of IPv4, every other key of IPv6.

    Raises
    ------
    Ec2Error
        It is none, or of the other family.

    """
    try:
        if re.fullmatch(r"[0-9a-fA-F.:]+/[0-9]{1,3}", text) is None:
            raise InputError("")
        prefix = parse_prefix(text)
    except InputError:
        raise Ec2Error("cidr_malformed", cidr=text) from None
    if prefix.version != (4 if key in ("CidrIp", "CidrIpv4") else 6):
        raise Ec2Error("cidr_malformed", cidr=text)
    return str(prefix)


def traffic_of(named: Resource) -> dict[str, Any]:
    """Return protocol and ports as a rule keeps them, from a permission or a rule's request.

    Raises
    ------
    Ec2Error
        A protocol that is none, ports that are missing or out of range.

    """
    protocol = _protocol_of(named.get("IpProtocol"))
    first, last = named.get("FromPort"), named.get("ToPort")
    if protocol in _PORTS:
        if first is None or last is None:
            raise Ec2Error("port_range_incomplete", protocol="TCP/UDP")
        for word, port in (("from", first), ("to", last)):
            if not 0 <= port <= _PORT_MAX:
                raise Ec2Error("port_out_of_range", word=word, port=port)
        if first > last:
            raise Ec2Error("port_range_backwards", first=first, last=last)
    elif protocol in _MESSAGES:
        if protocol == "icmpv6" and first is None and last is None:
            first = last = NO_PORT
        if first is None or last is None:
            raise Ec2Error("port_range_incomplete", protocol="ICMP")
        for word, number in (("type", first), ("code", last)):
            if not -1 <= number <= _ICMP_MAX:
                raise Ec2Error("icmp_out_of_range", word=word, number=number)
        if first == NO_PORT and last != NO_PORT:
            raise Ec2Error("icmp_code_without_type")
    else:
        first = last = NO_PORT
    return {"IpProtocol": protocol, "FromPort": first, "ToPort": last}


def _protocol_of(text: str | None) -> str:
    """Return a protocol as EC2 shows it: four names, `-1` for all, numbers for the others."""
    if text is None:
        raise Ec2Error("protocol_missing")
    lower = text.lower()
    if lower == ALL or lower in PROTOCOL_NUMBERS:
        return lower
    if re.fullmatch(r"[0-9]{1,3}", lower) is None or int(lower) > _PROTOCOL_MAX:
        raise Ec2Error("protocol_unknown", protocol=text)
    return PROTOCOL_NAMES.get(int(lower), str(int(lower)))


def has_ports(rule: Resource) -> bool:
    """Tell whether a rule's protocol has ports, or types and codes."""
    return rule["IpProtocol"] in (*_PORTS, *_MESSAGES)


def identity(rule: Resource) -> tuple[object, ...]:
    """Return what makes a rule what it is; two rules of a group that share it are the same."""
    group = rule.get("ReferencedGroupInfo")
    return (
        rule["IsEgress"],
        rule["IpProtocol"],
        rule["FromPort"],
        rule["ToPort"],
        rule.get("CidrIpv4"),
        rule.get("CidrIpv6"),
        rule.get("PrefixListId"),
        None if group is None else group["GroupId"],
    )


def peer_of(rule: Resource) -> str:
    """Return a rule's peer: a CIDR block, or the id of a prefix list or group."""
    group = rule.get("ReferencedGroupInfo")
    if group is not None:
        return str(group["GroupId"])
    return str(rule.get("CidrIpv4") or rule.get("CidrIpv6") or rule["PrefixListId"])


def spelled(rule: Resource) -> str:
    """Return a rule as EC2's messages spell it: `peer: 10.0.0.0/8, TCP, from port: 22, ...`.

    Source: messages that AWS was seen to answer, for TCP, UDP, ALL, other protocols, and ICMP with
    all types and codes.
    """
    protocol, first, last = rule["IpProtocol"], rule["FromPort"], rule["ToPort"]
    if protocol == ALL:
        traffic = "ALL"
    elif protocol in _PORTS:
        traffic = f"{protocol.upper()}, from port: {first}, to port: {last}"
    elif protocol in _MESSAGES:
        type_, code = ("ALL" if number == NO_PORT else number for number in (first, last))
        traffic = f"{protocol.upper()}, type: {type_}, code: {code}"
    else:
        traffic = f"protocol: {protocol}"
    return f"peer: {peer_of(rule)}, {traffic}, ALLOW"


def permissions_of(rules: Iterable[Resource]) -> list[dict[str, Any]]:
    """Return rules as DescribeSecurityGroups groups them: by protocol and ports, as they come."""
    found: dict[tuple[str, int, int], dict[str, Any]] = {}
    for rule in rules:
        key = (rule["IpProtocol"], rule["FromPort"], rule["ToPort"])
        permission = found.get(key)
        if permission is None:
            ports = {"FromPort": key[1], "ToPort": key[2]} if has_ports(rule) else {}
            permission = found[key] = {
                "IpProtocol": key[0],
                **ports,
                "UserIdGroupPairs": [],
                "IpRanges": [],
                "Ipv6Ranges": [],
                "PrefixListIds": [],
            }
        _add_peer(permission, rule)
    return list(found.values())


def _add_peer(permission: Mapping[str, list[dict[str, Any]]], rule: Resource) -> None:
    description = rule.get("Description")
    shown: dict[str, Any] = {} if description is None else {"Description": description}
    group = rule.get("ReferencedGroupInfo")
    if group is not None:
        permission["UserIdGroupPairs"].append({**shown, **group})
        return
    for member, key, name in _PEERS:
        if name in rule:
            permission[member].append({**shown, key: rule[name]})


def unique(rules: Sequence[Resource]) -> None:
    """Refuse a request that names a rule twice.

    Raises
    ------
    Ec2Error
        It does.

    """
    if len({identity(rule) for rule in rules}) < len(rules):
        raise Ec2Error("permission_twice")
