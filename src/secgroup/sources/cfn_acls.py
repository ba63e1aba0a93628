"""Network ACLs of a template, with their entries."""

from dataclasses import replace
from ipaddress import IPv6Network

from secgroup.errors import InputError
from secgroup.model import defaults
from secgroup.model.external import External
from secgroup.model.network_acl import NetworkAcl, NetworkAclEntry
from secgroup.model.vpc import Vpc
from secgroup.net.address import Prefix
from secgroup.net.ports import Traffic, every_port_of, parse_protocol, traffic_of
from secgroup.net.protocol import ICMP, ICMPV6, TCP, UDP
from secgroup.sources.cfn_item import Item, ipv4_only, ipv6_only
from secgroup.sources.cfn_stack import Resource, Stack
from secgroup.sources.cfn_vpc import Vpcs, by_property, default_acl_id
from secgroup.sources.draft import listed
from secgroup.sources.parameters import Unknown


def add_acls(stack: Stack, vpcs: Vpcs) -> None:
    """Add the network ACLs with their entries, which may name addresses.

    Raises
    ------
    InputError
        A property is wrong.

    """
    acls = by_property(stack, "NetworkAclEntry", "NetworkAclId")
    for vpc_id in (each.logical_id for each in stack.of("VPC")):
        _add_default_acl(stack, stack.draft.of(Vpc)[vpc_id], acls)
    for resource in stack.of("NetworkAcl"):
        _add_acl(stack, vpcs, resource, acls.pop(resource.logical_id, []))
    for acl_id, entries in acls.items():
        known = stack.draft.of(NetworkAcl).get(acl_id)
        if known is None:
            stack.warn(
                f"network ACL {acl_id} is not in the files; "
                f"left out: {listed(each.logical_id for each in entries)}"
            )
        else:
            _add_entries(stack, known, entries)


def _add_entries(stack: Stack, acl: NetworkAcl, resources: list[Resource]) -> None:
    """Put entries into an ACL from outside; one that it has already is the stack's own."""
    entries = {(each.is_egress, each.rule_number): each for each in acl.entries}
    for resource in resources:
        entry = _entry(resource)
        key = (entry.is_egress, entry.rule_number)
        if entries.setdefault(key, entry) != entry:
            raise stack.error(
                f"{acl.network_acl_id} has another entry {entry.rule_number} in that direction",
                resource.path,
            )
    ordered = tuple(entries[key] for key in sorted(entries))
    stack.draft.of(NetworkAcl)[acl.network_acl_id] = replace(acl, entries=ordered)


def _add_default_acl(stack: Stack, vpc: Vpc, acls: dict[str, list[Resource]]) -> None:
    acl_id = default_acl_id(vpc.vpc_id)
    acl = defaults.default_acl(vpc, network_acl_id=acl_id)
    entries = [*acl.entries, *map(_entry, acls.pop(acl_id, []))]
    _put_acl(stack, acl_id, vpc.vpc_id, entries, path=f"Resources.{vpc.vpc_id}", is_default=True)


def _add_acl(stack: Stack, vpcs: Vpcs, resource: Resource, entries: list[Resource]) -> None:
    vpc_id = vpcs.known(resource.properties)
    _put_acl(
        stack,
        resource.logical_id,
        vpc_id,
        [_entry(each) for each in entries],
        path=resource.path,
        names=resource.properties.names,
    )


def _put_acl(
    stack: Stack,
    acl_id: str,
    vpc_id: str,
    entries: list[NetworkAclEntry],
    *,
    path: str,
    names: tuple[str, ...] = (),
    is_default: bool = False,
) -> None:
    seen: set[tuple[bool, int]] = set()
    for entry in entries:
        key = (entry.is_egress, entry.rule_number)
        if key in seen:
            raise stack.error(
                f"entry {entry.rule_number} stands twice in one direction of {acl_id}", path
            )
        seen.add(key)
    acl = NetworkAcl(
        network_acl_id=acl_id,
        vpc_id=vpc_id,
        is_default=is_default,
        names=names,
        entries=tuple(sorted(entries, key=lambda each: (each.is_egress, each.rule_number))),
    )
    stack.draft.add(acl, source=stack.source, path=path)


def _entry(resource: Resource) -> NetworkAclEntry:
    item = resource.properties
    blocks = [ipv4_only(item, "CidrBlock"), ipv6_only(item, "Ipv6CidrBlock")]
    given = [block for block in blocks if block is not None]
    if len(given) != 1:
        raise item.error("expected one of CidrBlock and Ipv6CidrBlock")
    number = item.number("RuleNumber")
    if number is None or not 1 <= number < defaults.IMPLICIT_DENY_IPV4:
        raise item.error(f"expected a number within 1 and 32766, not {number}", "RuleNumber")
    action = str(item.required("RuleAction")).lower()
    if action not in ("allow", "deny"):
        raise item.error(f"expected allow or deny, not {action}", "RuleAction")
    block = given[0]
    traffic, unknown = _traffic_of_entry(item, block)
    if unknown is not None:
        block = unknown
    return NetworkAclEntry(
        rule_number=number,
        is_egress=item.flag("Egress", default=False),
        is_allow=action == "allow",
        traffic=traffic,
        cidr=External(block.text) if isinstance(block, Unknown) else block,
    )


def _traffic_of_entry(item: Item, block: Prefix | Unknown) -> tuple[Traffic, Unknown | None]:
    """Return what an entry is about, and the port that only a deployment knows, if any."""
    protocol = item.parsed(parse_protocol, str(item.required("Protocol")), "Protocol")
    if protocol in (TCP, UDP):
        numbers, names = item.item("PortRange"), ("From", "To")
        if numbers is None:
            raise item.error("tcp and udp need a PortRange")
    elif protocol == ICMP or (protocol == ICMPV6 and isinstance(block, IPv6Network)):
        # With an IPv4 block the types of protocol 58 do not count (API reference,
        # CreateNetworkAclEntry).
        numbers, names = item.item("Icmp"), ("Type", "Code")
        if numbers is None:
            raise item.error("icmp needs Icmp with Type and Code (-1: all)")
    else:
        return every_port_of(protocol), None
    unknown = numbers.unknown(*names)
    if unknown is not None:
        return every_port_of(protocol), unknown
    try:
        return traffic_of(protocol, *map(numbers.number, names)), None
    except InputError as error:
        raise item.error(error.problem) from None
