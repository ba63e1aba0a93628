"""Networks in a few lines, as the describe output that AWS would give for them."""

import json
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from secgroup.model.network import Network
from secgroup.net.ports import parse_service
from secgroup.sources.load import load

NOTHING: Mapping[str, Any] = {}


def described(
    groups: Mapping[str, Sequence[str]],
    interfaces: Mapping[str, str],
    *,
    acls: Mapping[str, Sequence[str]] = NOTHING,
    routes: Mapping[str, Sequence[str]] = NOTHING,
    blocks: Mapping[str, str] = {"vpc-1": "10.0.0.0/16"},
    instances: Mapping[str, str] = NOTHING,
    public: Mapping[str, str] = NOTHING,
    macs: Mapping[str, str] = NOTHING,
    unchecked: Sequence[str] = (),
    **others: Any,
) -> dict[str, Any]:
    """Write a network.

    Parameters
    ----------
    groups
        Rules such as `in tcp/22 203.0.113.0/24`, `out all 0.0.0.0/0`, `in all sg-web`; the rule's
        id is like `sgr-web-in-0`.
    interfaces
        `10.0.1.5 2001:db8::5 sg-web`, or with its VPC first: `vpc-2 10.0.1.5 sg-web`. Subnets are
        the /24 of the first address, `subnet-1-10.0.1` in VPC `vpc-1`.
    acls
        Entries of a subnet such as `in 100 allow tcp/80 0.0.0.0/0`; others have the default ACL.
    routes
        Of a VPC: `10.1.0.0/16 pcx-1`.
    """
    subnets: dict[str, dict[str, Any]] = {}
    found: list[dict[str, Any]] = []
    group_vpc: dict[str, str] = {}
    for name, line in interfaces.items():
        words = line.split()
        vpc_id = words.pop(0) if words[0].startswith("vpc-") else "vpc-1"
        ipv4 = [word for word in words if word.count(".") == 3]
        ipv6 = [word for word in words if ":" in word]
        group_ids = [word for word in words if word.startswith("sg-")]
        group_vpc.update(dict.fromkeys(group_ids, vpc_id))
        block = ".".join(ipv4[0].split(".")[:3])
        subnet_id = f"subnet-{vpc_id[4:]}-{block}"
        subnets[subnet_id] = {
            "SubnetId": subnet_id,
            "VpcId": vpc_id,
            "CidrBlock": f"{block}.0/24",
            "AvailabilityZone": "eu-west-1a",
            "Ipv6CidrBlockAssociationSet": [
                {"Ipv6CidrBlock": str(ip_network(f"{each}/64", strict=False))} for each in ipv6[:1]
            ],
        }
        found.append(
            {
                "NetworkInterfaceId": name,
                "VpcId": vpc_id,
                "SubnetId": subnet_id,
                "OwnerId": "123456789010",
                "InterfaceType": "interface",
                "SourceDestCheck": name not in unchecked,
                "Groups": [{"GroupId": each, "GroupName": each} for each in group_ids],
                "PrivateIpAddresses": [
                    {"PrivateIpAddress": each, "Primary": at == 0}
                    | ({"Association": {"PublicIp": public[each]}} if each in public else {})
                    for at, each in enumerate(ipv4)
                ],
                "Ipv6Addresses": [{"Ipv6Address": each} for each in ipv6],
            }
            | ({"MacAddress": macs[name]} if name in macs else {})
            | (
                {"Attachment": {"InstanceId": instances[name], "DeviceIndex": 0}}
                if name in instances
                else {}
            )
        )
    return {
        "Vpcs": [
            {
                "VpcId": vpc_id,
                "CidrBlock": block,
                "CidrBlockAssociationSet": [
                    {"CidrBlock": block, "CidrBlockState": {"State": "associated"}}
                ],
                "Ipv6CidrBlockAssociationSet": [],
                "OwnerId": "123456789010",
            }
            for vpc_id, block in blocks.items()
        ],
        "Subnets": list(subnets.values()),
        "SecurityGroups": [
            {
                "GroupId": group_id,
                "GroupName": group_id,
                "Description": group_id,
                "VpcId": group_vpc.get(group_id, "vpc-1"),
                "OwnerId": "123456789010",
                "IpPermissions": _permissions(group_id, groups[group_id], is_egress=False),
                "IpPermissionsEgress": _permissions(group_id, groups[group_id], is_egress=True),
            }
            for group_id in groups
        ],
        "SecurityGroupRules": [
            rule for group_id, lines in groups.items() for rule in _rules(group_id, lines)
        ],
        "NetworkAcls": [
            {
                "NetworkAclId": f"acl-{subnet_id[7:]}",
                "VpcId": subnet["VpcId"],
                "IsDefault": False,
                "Associations": [{"SubnetId": subnet_id, "NetworkAclId": f"acl-{subnet_id[7:]}"}],
                "Entries": [
                    _entry(line) for line in acls.get(subnet_id, ("in 100 allow all 0.0.0.0/0",))
                ],
            }
            for subnet_id, subnet in subnets.items()
            if subnet_id in acls
        ]
        + [
            {
                "NetworkAclId": f"acl-default-{vpc_id}",
                "VpcId": vpc_id,
                "IsDefault": True,
                "Associations": [
                    {"SubnetId": each, "NetworkAclId": f"acl-default-{vpc_id}"}
                    for each, subnet in subnets.items()
                    if subnet["VpcId"] == vpc_id and each not in acls
                ],
                "Entries": [
                    _entry(f"{way} {number} allow all {block}")
                    for way in ("in", "out")
                    for number, block in ((100, "0.0.0.0/0"), (101, "::/0"))
                ],
            }
            for vpc_id in blocks
        ],
        "NetworkInterfaces": found,
        "RouteTables": [
            {
                "RouteTableId": f"rtb-{vpc_id}",
                "VpcId": vpc_id,
                "Associations": [{"Main": True, "RouteTableId": f"rtb-{vpc_id}"}],
                "Routes": [
                    {"DestinationCidrBlock": block, "GatewayId": "local", "State": "active"},
                    *(_route(line) for line in routes.get(vpc_id, ())),
                ],
            }
            for vpc_id, block in blocks.items()
        ],
        **others,
    }


def write(path: Path, description: Mapping[str, Any]) -> Path:
    """Write a description where a command can read it."""
    path.write_text(json.dumps(description))
    return path


def network(folder: Path, *args: Any, **fields: Any) -> Network:
    """Load what `described` describes."""
    return load(write(folder / "network.json", described(*args, **fields)))


def _ports(service: str) -> tuple[str, int, int]:
    traffic = parse_service(service)
    protocol = "-1" if traffic.protocol is None else str(traffic.protocol)
    if traffic.ports is not None:
        return protocol, traffic.ports.first, traffic.ports.last
    icmp_type = -1 if traffic.icmp_type is None else traffic.icmp_type
    return protocol, icmp_type, -1 if traffic.icmp_code is None else traffic.icmp_code


def _rules(group_id: str, lines: Sequence[str]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for line in lines:
        way, service, peer = line.split()
        number = sum(rule["IsEgress"] == (way == "out") for rule in made)
        protocol, first, last = _ports(service)
        key = "CidrIpv6" if ":" in peer else "CidrIpv4"
        made.append(
            {
                "SecurityGroupRuleId": f"sgr-{group_id[3:]}-{way}-{number}",
                "GroupId": group_id,
                "GroupOwnerId": "123456789010",
                "IsEgress": way == "out",
                "IpProtocol": protocol,
                "FromPort": first,
                "ToPort": last,
            }
            | (
                {"ReferencedGroupInfo": {"GroupId": peer, "UserId": "123456789010"}}
                if peer[:3] == "sg-"
                else {key: peer}
            )
        )
    return made


def _permissions(group_id: str, lines: Sequence[str], *, is_egress: bool) -> list[dict[str, Any]]:
    return [
        {"IpProtocol": rule["IpProtocol"]}
        | (
            {"FromPort": rule["FromPort"], "ToPort": rule["ToPort"]}
            if rule["IpProtocol"] != "-1"
            else {}
        )
        | (
            {"UserIdGroupPairs": [{**rule["ReferencedGroupInfo"], "UserId": "123456789010"}]}
            if "ReferencedGroupInfo" in rule
            else {"IpRanges": [{"CidrIp": rule["CidrIpv4"]}]}
            if "CidrIpv4" in rule
            else {"Ipv6Ranges": [{"CidrIpv6": rule["CidrIpv6"]}]}
        )
        for rule in _rules(group_id, lines)
        if rule["IsEgress"] == is_egress
    ]


def _entry(line: str) -> dict[str, Any]:
    way, number, action, service, block = line.split()
    protocol, first, last = _ports(service)
    entry: dict[str, Any] = {
        "RuleNumber": int(number),
        "Egress": way == "out",
        "RuleAction": action,
        "Protocol": protocol,
        "Ipv6CidrBlock" if ":" in block else "CidrBlock": block,
    }
    if protocol in ("6", "17"):
        entry["PortRange"] = {"From": first, "To": last}
    elif protocol in ("1", "58"):
        entry["IcmpTypeCode"] = {"Type": first, "Code": last}
    return entry


def _route(line: str) -> dict[str, Any]:
    block, target = line.split()
    key = {"pcx": "VpcPeeringConnectionId", "igw": "GatewayId", "nat": "NatGatewayId"}[target[:3]]
    return {"DestinationCidrBlock": block, key: target, "State": "active"}
