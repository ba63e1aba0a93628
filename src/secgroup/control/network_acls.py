"""Network ACLs: their entries, and which subnet has which.

An ACL is kept with the implicit entries that end it, as EC2 shows them. Each subnet is in the
`Associations` of exactly one ACL.
Source: Amazon VPC User Guide, "Network ACLs"; API reference, CreateNetworkAclEntry.
"""

from collections.abc import Iterable
from typing import Any, Final

from secgroup.control.describe import Describe, describe
from secgroup.control.parameters import ipv4_block, ipv6_block, needed, one_of
from secgroup.control.state import Resource, World
from secgroup.control.tags import tags_of
from secgroup.errors import Ec2Error
from secgroup.model.defaults import IMPLICIT_DENY_IPV4, IMPLICIT_DENY_IPV6

_NAMES: Final = {"icmp": "1", "tcp": "6", "udp": "17", "icmpv6": "58"}
_NUMBERS: Final = {number: name for name, number in _NAMES.items()}
_LAST_PORT: Final = 65535
_LAST_PROTOCOL: Final = 255
#: Where the entries of a default ACL stand.
_DEFAULT_IPV4: Final = 100
_DEFAULT_IPV6: Final = 101


def _protocols(_: World, acl: Resource) -> Iterable[str]:
    for entry in acl["Entries"]:
        yield entry["Protocol"]
        if entry["Protocol"] in _NUMBERS:
            yield _NUMBERS[entry["Protocol"]]


_DESCRIBE: Final = Describe(
    kind="NetworkAcl",
    result="NetworkAcls",
    ids="NetworkAclIds",
    filters={
        "association.association-id": "Associations.NetworkAclAssociationId",
        "association.network-acl-id": "Associations.NetworkAclId",
        "association.subnet-id": "Associations.SubnetId",
        "default": "IsDefault",
        "entry.cidr": "Entries.CidrBlock",
        "entry.icmp.code": "Entries.IcmpTypeCode.Code",
        "entry.icmp.type": "Entries.IcmpTypeCode.Type",
        "entry.ipv6-cidr": "Entries.Ipv6CidrBlock",
        "entry.port-range.from": "Entries.PortRange.From",
        "entry.port-range.to": "Entries.PortRange.To",
        "entry.protocol": _protocols,
        "entry.rule-action": "Entries.RuleAction",
        "entry.egress": "Entries.Egress",
        "entry.rule-number": "Entries.RuleNumber",
        "network-acl-id": "NetworkAclId",
        "owner-id": "OwnerId",
        "vpc-id": "VpcId",
    },
)


# What a VPC and its subnets need of ACLs ----------------------------------------------------------


def _everything(number: int, *, egress: bool, action: str, ipv6: bool) -> dict[str, Any]:
    block = {"Ipv6CidrBlock": "::/0"} if ipv6 else {"CidrBlock": "0.0.0.0/0"}
    return {
        **block,
        "Egress": egress,
        "Protocol": "-1",
        "RuleAction": action,
        "RuleNumber": number,
    }


def _implicit(*, ipv6: bool) -> list[dict[str, Any]]:
    number = IMPLICIT_DENY_IPV6 if ipv6 else IMPLICIT_DENY_IPV4
    return [_everything(number, egress=way, action="deny", ipv6=ipv6) for way in (True, False)]


def _open(*, egress: bool, ipv6: bool) -> dict[str, Any]:
    number = _DEFAULT_IPV6 if ipv6 else _DEFAULT_IPV4
    return _everything(number, egress=egress, action="allow", ipv6=ipv6)


def _sorted(entries: Iterable[Resource]) -> list[Resource]:
    """Return entries as EC2 lists them: outbound first, then by number."""
    return sorted(entries, key=lambda entry: (not entry["Egress"], entry["RuleNumber"]))


def create(
    world: World, vpc: Resource, tags: list[dict[str, Any]], *, is_default: bool
) -> dict[str, Any]:
    """Make an ACL: a default one allows everything, another nothing."""
    families = (False, True) if vpc["Ipv6CidrBlockAssociationSet"] else (False,)
    entries = [entry for ipv6 in families for entry in _implicit(ipv6=ipv6)]
    if is_default:
        entries += [_open(egress=way, ipv6=ipv6) for ipv6 in families for way in (True, False)]
    acl = {
        "NetworkAclId": world.new_id("acl"),
        "VpcId": vpc["VpcId"],
        "OwnerId": world.account_id,
        "IsDefault": is_default,
        "Associations": [],
        "Entries": _sorted(entries),
        "Tags": tags,
    }
    world.put("NetworkAcl", acl)
    return acl


def default_of(world: World, vpc_id: str) -> Resource:
    """Return the default ACL of a VPC."""
    return next(acl for acl in world.where("NetworkAcl", "VpcId", vpc_id) if acl["IsDefault"])


def associate(world: World, acl: Resource, subnet_id: str) -> str:
    """Give a subnet that has none an ACL, and return the association's id."""
    association_id = world.new_id("aclassoc")
    association = {
        "NetworkAclAssociationId": association_id,
        "NetworkAclId": acl["NetworkAclId"],
        "SubnetId": subnet_id,
    }
    world.put("NetworkAcl", {**acl, "Associations": [*acl["Associations"], association]})
    return association_id


def dissociate(world: World, subnet_id: str) -> None:
    """Take a subnet out of the ACL that it has."""
    for acl in world.where("NetworkAcl", "Associations.SubnetId", subnet_id):
        kept = [each for each in acl["Associations"] if each["SubnetId"] != subnet_id]
        world.put("NetworkAcl", {**acl, "Associations": kept})


def add_ipv6(world: World, vpc_id: str) -> None:
    """Give the ACLs of a VPC what they have when it has an IPv6 block.

    The default ACL gets entry 101 in each direction that is still as it was made (VPC User Guide,
    "Default network ACL": not added to what was modified).
    """
    for acl in world.where("NetworkAcl", "VpcId", vpc_id):
        entries = list(acl["Entries"])
        if any(entry["RuleNumber"] == IMPLICIT_DENY_IPV6 for entry in entries):
            continue
        for egress in (True, False):
            own = [entry for entry in _numbered(acl) if entry["Egress"] is egress]
            if acl["IsDefault"] and own == [_open(egress=egress, ipv6=False)]:
                entries.append(_open(egress=egress, ipv6=True))
        world.put("NetworkAcl", {**acl, "Entries": _sorted([*entries, *_implicit(ipv6=True)])})


def remove_ipv6(world: World, vpc_id: str) -> None:
    """Take the implicit IPv6 entries away from the ACLs of a VPC that has no IPv6 block."""
    for acl in world.where("NetworkAcl", "VpcId", vpc_id):
        kept = [entry for entry in acl["Entries"] if entry["RuleNumber"] != IMPLICIT_DENY_IPV6]
        world.put("NetworkAcl", {**acl, "Entries": kept})


def _numbered(acl: Resource) -> list[Resource]:
    return [entry for entry in acl["Entries"] if entry["RuleNumber"] < IMPLICIT_DENY_IPV4]


# Operations ---------------------------------------------------------------------------------------


def create_network_acl(world: World, request: Resource) -> dict[str, Any]:
    """CreateNetworkAcl: with the implicit denies only."""
    vpc = world.need("Vpc", request["VpcId"])
    tags = tags_of(world, request, "network-acl")
    count = sum(1 for _ in world.where("NetworkAcl", "VpcId", request["VpcId"]))
    if count >= world.quota("network-acls-per-vpc"):
        raise Ec2Error("too_many_acls")
    return {"NetworkAcl": create(world, vpc, tags, is_default=False)}


def delete_network_acl(world: World, request: Resource) -> dict[str, Any]:
    """DeleteNetworkAcl: not the default one, and none that a subnet has."""
    acl = world.need("NetworkAcl", request["NetworkAclId"])
    if acl["IsDefault"]:
        raise Ec2Error("default_acl_not_deletable", resource_id=acl["NetworkAclId"])
    if acl["Associations"]:
        raise Ec2Error("in_use", noun="network ACL", resource_id=acl["NetworkAclId"])
    world.delete("NetworkAcl", acl["NetworkAclId"])
    return {}


def describe_network_acls(world: World, request: Resource) -> dict[str, Any]:
    """DescribeNetworkAcls."""
    return describe(world, request, _DESCRIBE)


def create_network_acl_entry(world: World, request: Resource) -> dict[str, Any]:
    """CreateNetworkAclEntry."""
    acl = world.need("NetworkAcl", request["NetworkAclId"])
    entry = _entry_of(request)
    same_way = [each for each in _numbered(acl) if each["Egress"] is entry["Egress"]]
    if any(each["RuleNumber"] == entry["RuleNumber"] for each in same_way):
        raise Ec2Error("acl_entry_exists", number=entry["RuleNumber"])
    if len(same_way) >= world.quota("rules-per-network-acl"):
        raise Ec2Error("too_many_acl_entries")
    world.put("NetworkAcl", {**acl, "Entries": _sorted([*acl["Entries"], entry])})
    return {}


def replace_network_acl_entry(world: World, request: Resource) -> dict[str, Any]:
    """ReplaceNetworkAclEntry."""
    acl = world.need("NetworkAcl", request["NetworkAclId"])
    entry = _entry_of(request)
    kept = _without(acl, entry["RuleNumber"], egress=entry["Egress"])
    world.put("NetworkAcl", {**acl, "Entries": _sorted([*kept, entry])})
    return {}


def delete_network_acl_entry(world: World, request: Resource) -> dict[str, Any]:
    """DeleteNetworkAclEntry."""
    acl = world.need("NetworkAcl", request["NetworkAclId"])
    number = _number_of(request)
    kept = _without(acl, number, egress=bool(request.get("Egress")))
    world.put("NetworkAcl", {**acl, "Entries": kept})
    return {}


def replace_network_acl_association(world: World, request: Resource) -> dict[str, Any]:
    """ReplaceNetworkAclAssociation: the association gets a new id, also with the same ACL."""
    association_id = request["AssociationId"]
    path = "Associations.NetworkAclAssociationId"
    holder = next(world.where("NetworkAcl", path, association_id), None)
    if holder is None:
        raise Ec2Error("association_not_found", resource_id=association_id)
    acl = world.need("NetworkAcl", request["NetworkAclId"])
    subnet_id = next(
        each["SubnetId"]
        for each in holder["Associations"]
        if each["NetworkAclAssociationId"] == association_id
    )
    if acl["VpcId"] != holder["VpcId"]:
        raise Ec2Error(
            "different_networks",
            first=f"network acl {acl['NetworkAclId']}",
            second=f"subnet {subnet_id}",
        )
    dissociate(world, subnet_id)
    acl = world.need("NetworkAcl", request["NetworkAclId"])
    return {"NewAssociationId": associate(world, acl, subnet_id)}


# Entries ------------------------------------------------------------------------------------------


def _without(acl: Resource, number: int, *, egress: bool) -> list[Resource]:
    kept = [
        entry
        for entry in acl["Entries"]
        if entry["RuleNumber"] != number or entry["Egress"] is not egress
    ]
    if len(kept) == len(acl["Entries"]):
        raise Ec2Error(
            "acl_entry_not_found",
            number=number,
            way="egress" if egress else "ingress",
            resource_id=acl["NetworkAclId"],
        )
    return kept


def _number_of(request: Resource) -> int:
    number = request.get("RuleNumber")
    if number is None:
        raise Ec2Error("missing_parameter", name="ruleNumber")
    if not 1 <= number < IMPLICIT_DENY_IPV4:
        raise Ec2Error("acl_entry_number_invalid", value=number, most=IMPLICIT_DENY_IPV4 - 1)
    return int(number)


def _protocol_of(request: Resource) -> str:
    text = needed(request, "Protocol").strip().lower()
    text = _NAMES.get(text, text)
    if text == "-1" or (text.isascii() and text.isdigit() and int(text) <= _LAST_PROTOCOL):
        return str(int(text))
    raise Ec2Error("acl_protocol_invalid", value=request["Protocol"])


def _entry_of(request: Resource) -> dict[str, Any]:
    """Return the entry that a request spells; what its protocol has no use for is left out."""
    number = _number_of(request)
    protocol = _protocol_of(request)
    action = needed(request, "RuleAction")
    if action not in ("allow", "deny"):
        raise Ec2Error("value_invalid", value=action, parameter="ruleAction")
    key = one_of(request, "CidrBlock", "Ipv6CidrBlock")
    block = (ipv4_block if key == "CidrBlock" else ipv6_block)(request[key], key)
    entry: dict[str, Any] = {
        key: str(block),
        "Egress": bool(request.get("Egress")),
        "Protocol": protocol,
        "RuleAction": action,
        "RuleNumber": number,
    }
    if protocol in ("6", "17"):
        entry["PortRange"] = _ports_of(request)
    elif protocol == "1" or (protocol == "58" and key == "Ipv6CidrBlock"):
        entry["IcmpTypeCode"] = _icmp_of(request)
    return entry


def _ports_of(request: Resource) -> dict[str, int]:
    ports = request.get("PortRange") or {}
    first, last = ports.get("From"), ports.get("To")
    if first is None or last is None:
        raise Ec2Error("missing_parameter", name="portRange")
    if not 0 <= first <= last <= _LAST_PORT:
        raise Ec2Error("value_invalid", value=f"{first}-{last}", parameter="portRange")
    return {"From": first, "To": last}


def _icmp_of(request: Resource) -> dict[str, int]:
    icmp = request.get("IcmpTypeCode") or {}
    kind, code = icmp.get("Type"), icmp.get("Code")
    if kind is None or code is None:
        raise Ec2Error("missing_parameter", name="icmpTypeCode")
    if not (-1 <= kind <= 255 and -1 <= code <= 255) or (kind == -1 and code != -1):
        raise Ec2Error("value_invalid", value=f"{kind}/{code}", parameter="icmpTypeCode")
    return {"Type": kind, "Code": code}


OPERATIONS: Final = {
    "CreateNetworkAcl": create_network_acl,
    "DeleteNetworkAcl": delete_network_acl,
    "DescribeNetworkAcls": describe_network_acls,
    "CreateNetworkAclEntry": create_network_acl_entry,
    "ReplaceNetworkAclEntry": replace_network_acl_entry,
    "DeleteNetworkAclEntry": delete_network_acl_entry,
    "ReplaceNetworkAclAssociation": replace_network_acl_association,
}
