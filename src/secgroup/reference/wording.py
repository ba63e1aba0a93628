"""Rules, entries and tracking in words: what decided at an interface, and what nearly did.

Owns the sentences; decides nothing.
"""

from dataclasses import dataclass

from secgroup.decision import Reason
from secgroup.model.external import External
from secgroup.model.group import GroupReference, Peer, PrefixListReference, SecurityGroupRule
from secgroup.model.network import Network
from secgroup.model.network_acl import NetworkAclEntry
from secgroup.model.route import TargetKind
from secgroup.net.address import Address
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet
from secgroup.net.ports import Traffic
from secgroup.net.protocol import TCP, UDP, protocol_name
from secgroup.policy.permission import Permission
from secgroup.policy.policy import ALWAYS_TRACKED_TYPES, InterfacePolicy
from secgroup.policy.routes import most_specific
from secgroup.reference.endpoint import group_text
from secgroup.reference.journey import AtInterface, Leg
from secgroup.reference.ways import Ways


def peer_text(network: Network, peer: Peer) -> str:
    """Write the peer of a rule."""
    if isinstance(peer, GroupReference):
        return f"group {group_text(network, peer.group_id)}"
    return f"prefix list {peer}" if isinstance(peer, PrefixListReference) else str(peer)


def rule_text(network: Network, rule: SecurityGroupRule) -> str:
    """Write what a rule allows."""
    word = "to" if rule.is_egress else "from"
    return f"allows {rule.traffic} {word} {peer_text(network, rule.peer)}"


def entry_text(entry: NetworkAclEntry | None) -> str:
    """Write what an entry of an ACL does; None is the implicit deny."""
    if entry is None:
        return "no entry matches, and the last word is deny"
    verb, word = "allows" if entry.is_allow else "denies", "to" if entry.is_egress else "from"
    return f"{verb} {entry.traffic} {word} {entry.cidr}"


def rule_of(network: Network, policy: InterfacePolicy, rule_id: str) -> SecurityGroupRule | None:
    """Return the rule of an interface's groups that has this id."""
    for group_id in policy.interface.group_ids:
        group = network.groups.get(group_id)
        for rule in () if group is None else group.rules:
            if rule.rule_id == rule_id:
                return rule
    return None


def wanted_text(packet: Packet) -> str:
    """Write a packet's protocol and destination port, or ICMP type and code."""
    parts = [kind_text(packet)]
    parts += [
        str(each)
        for each in (packet.destination_port, packet.icmp_type, packet.icmp_code)
        if each is not None
    ]
    return "/".join(parts)


def kind_text(packet: Packet) -> str:
    """Write a packet's protocol: its name, or `protocol 47`."""
    name = protocol_name(packet.protocol)
    return f"protocol {name}" if name.isdigit() else name


def packet_text(packet: Packet) -> str:
    """Write a packet: from where to where, and what."""
    source, destination = (
        f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
        for address, port in (
            (packet.source, packet.source_port),
            (packet.destination, packet.destination_port),
        )
    )
    if packet.source_port is None:
        source, destination = str(packet.source), str(packet.destination)
    kind = kind_text(packet)
    if packet.tcp is not None:
        kind = f"tcp {'-'.join(flag.name or '' for flag in packet.tcp.flags)}"
    elif packet.icmp is not None:
        kind = f"{kind} type {packet.icmp.type} code {packet.icmp.code}"
    return f"{source} → {destination} {kind}"


# ------------------------------------------------------------------------- the nearest rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """The rule that misses a packet by the least, and by what."""

    rule_id: str
    group_id: str
    misses: tuple[str, ...]

    def __str__(self) -> str:
        """Write it as a sentence."""
        return f"rule {self.rule_id} {', and '.join(self.misses)}"


def nearest(ways: Ways, step: AtInterface, wanted: Traffic) -> Nearest | None:
    """Return the rule that would match with the fewest changes; None when there is none.

    A rule of another protocol is further away than one of another port, and that is as far as
    one for another peer.
    """
    policy = ways.policy.at(step.interface_id)
    best: tuple[int, Nearest] | None = None
    for permission in policy.permissions[step.direction]:
        rule = rule_of(ways.network, policy, permission.rule_id)
        if rule is None:
            continue
        distance, misses = _misses(ways, step, permission, rule, wanted)
        if misses and (best is None or distance < best[0]):
            found = Nearest(rule_id=permission.rule_id, group_id=permission.group_id, misses=misses)
            best = (distance, found)
    return None if best is None else best[1]


def _misses(
    ways: Ways,
    step: AtInterface,
    permission: Permission,
    rule: SecurityGroupRule,
    wanted: Traffic,
) -> tuple[int, tuple[str, ...]]:
    packet = step.packet
    distance, misses = 0, []
    covers = rule.traffic.covers(
        packet.protocol, packet.destination_port, packet.icmp_type, packet.icmp_code
    )
    if not covers:
        distance += 3 if rule.traffic.protocol == packet.protocol else 6
        specific = wanted if wanted.protocol is not None else wanted_text(packet)
        misses.append(f"allows {rule.traffic}, not {specific}")
    elif not permission.is_for_family(packet.family):
        distance += 6
        misses.append(f"allows {rule.traffic}, which is not for IPv{packet.family}")
    ingress = step.direction is Direction.INGRESS
    peer = packet.source if ingress else packet.destination
    end = "source" if ingress else "destination"
    if not permission.has_peer(peer):
        distance += 2
        misses.append(_peer_miss(ways.network, rule.peer, peer, end))
    elif isinstance(rule.peer, GroupReference) and not step.references_hold:
        distance += 2
        name = group_text(ways.network, rule.peer.group_id)
        other = "a gateway" if step.other_id is None else step.other_id
        misses.append(f"refers to group {name}, which does not count behind {other}")
    return distance, tuple(misses)


def _peer_miss(network: Network, peer: Peer, address: Address, end: str) -> str:
    if isinstance(peer, GroupReference):
        name = group_text(network, peer.group_id)
        if peer.group_id not in network.groups:
            return f"refers to group {name}, which is not in the files"
        public = any(
            each.public is not None and each.public == address
            for member in network.members.get(peer.group_id, ())
            for each in member.ipv4
        )
        if public:
            return (
                f"refers to group {name}, whose private addresses count: "
                f"the {end} is the public address {address}"
            )
        return f"refers to group {name}, which the {end} does not carry"
    if isinstance(peer, PrefixListReference):
        found = network.prefix_lists.get(peer.prefix_list_id)
        if found is None or found.entries is None:
            return f"refers to prefix list {peer}, whose entries are not in the files"
        return f"refers to prefix list {peer}, the {end} is {address}"
    if isinstance(peer, External):
        return f"refers to {peer}, which is not known"
    return f"allows {peer}, the {end} is {address}"


# --------------------------------------------------------------------- tracked or untracked


def tracking(ways: Ways, step: AtInterface) -> tuple[bool | None, str]:
    """Say whether the packet's flow is tracked here, and why.

    Returns
    -------
    tuple
        True, False, or None where that question does not arise; and a sentence.

    """
    policy = ways.policy.at(step.interface_id)
    reason = step.decision.reason
    if reason is Reason.ESTABLISHED:
        return True, "no rule is asked"
    if reason is Reason.RELATED:
        return None, "about a flow that passes here: no rule is asked"
    if reason is Reason.NEW:
        return True, _why_tracked(policy, step)
    if reason is Reason.UNTRACKED:
        return False, _why_untracked(policy, step)
    if reason is Reason.MIDSTREAM:
        return False, "no opener and of no tracked flow: judged by the rules alone"
    if reason is Reason.NO_GROUPS:
        return None, f"a {policy.interface.interface_type} interface has no security groups"
    if reason is Reason.EXEMPT:
        return None, "a service of AWS's own: neither groups nor ACLs are asked"
    return None, ""


def _peer_of(step: AtInterface) -> Address:
    ingress = step.direction is Direction.INGRESS
    return step.packet.source if ingress else step.packet.destination


def _why_tracked(policy: InterfacePolicy, step: AtInterface) -> str:
    packet = step.packet
    if packet.icmp is not None:
        return "ICMP queries are always tracked"
    port = packet.destination_port
    if packet.protocol not in (TCP, UDP) or port is None:
        return "only TCP and UDP can be untracked"
    everyone = "0.0.0.0/0" if packet.family == 4 else "::/0"
    way, back = step.direction, step.direction.opposite
    automatic = _automatic(policy, _peer_of(step))
    if automatic is not None and policy.is_open(way, packet.family, packet.protocol, port):
        return f"automatically tracked: {automatic}"
    opened = any(
        each.opens_port(packet.family, packet.protocol, port) for each in policy.permissions[way]
    )
    if not opened:
        return f"no {way} rule opens {wanted_text(packet)} to {everyone}"
    return f"no {back} rule opens every port of {protocol_name(packet.protocol)} to {everyone}"


def _automatic(policy: InterfacePolicy, peer: Address) -> str | None:
    """Return what makes AWS track every flow with `peer`."""
    table = policy.network.route_table_of(policy.subnet.subnet_id)
    route = None if table is None else most_specific(policy.network, table, peer)
    if route is not None:
        kind, target = route.target.kind, route.target.target_id
        if kind in (TargetKind.NAT_GATEWAY, TargetKind.EGRESS_ONLY_GATEWAY):
            return f"{kind.value} {target}"
        endpoint = policy.network.endpoints.get(target)
        if endpoint is not None and endpoint.is_dynamodb:
            return f"DynamoDB endpoint {target}"
    return next(
        (
            f"{each.interface_type} {each.interface_id}"
            for each in policy.peers(peer)
            if each.interface_type in ALWAYS_TRACKED_TYPES
        ),
        None,
    )


def _why_untracked(policy: InterfacePolicy, step: AtInterface) -> str:
    packet = step.packet
    if packet.icmp is not None:
        return "an ICMP message that is no query makes no entry"
    family, protocol = packet.family, packet.protocol
    readings = [
        (step.direction, packet.destination_port, ""),
        (step.direction.opposite, packet.source_port, "the answer of an untracked flow: "),
    ]
    for way, port, end in reversed(readings) if step.leg is Leg.BACK else readings:
        if port is None or not policy.is_open(way, family, protocol, port):
            continue
        there = next(
            each for each in policy.permissions[way] if each.opens_port(family, protocol, port)
        )
        back = next(
            each
            for each in policy.permissions[way.opposite]
            if each.opens_all_ports(family, protocol)
        )
        everyone = "0.0.0.0/0" if family == 4 else "::/0"
        return (
            f"{end}{there.rule_id} opens {protocol_name(protocol)}/{port} and {back.rule_id} "
            f"every port the other way, both to {everyone}"
        )
    return "nothing is kept of it"
