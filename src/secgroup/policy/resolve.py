"""From nouns to meaning: resolves a `Network` into the `InterfacePolicy` of each interface.

Owns how a rule's peer becomes addresses. Everything here can be thrown away and made again from
the network.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

from secgroup.model.defaults import tracking_defaults
from secgroup.model.group import GroupReference, PrefixListReference, SecurityGroupRule
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.model.network_acl import NetworkAcl, NetworkAclEntry
from secgroup.model.service_addresses import DNS_PORT, ROUTER_LINK_LOCAL, SERVICES, Service
from secgroup.model.vpc import Subnet, Vpc
from secgroup.net.address import ALL_IPV4, ALL_IPV6, Address, Prefix
from secgroup.net.direction import Direction
from secgroup.policy.delta import Delta, between, targets_of
from secgroup.policy.permission import Permission
from secgroup.policy.policy import IdleTimeouts, InterfacePolicy


class Policy:
    """What a network means for each of its interfaces; resolved when first asked.

    Interfaces with the same groups in the same VPC share their permissions.

    Parameters
    ----------
    network : Network
    previous : Policy, optional
        Of an earlier revision: what the change between them cannot reach is taken over. The
        answers do not depend on it, only what it takes to give them.

    """

    def __init__(self, network: Network, *, previous: "Policy | None" = None) -> None:
        self.network = network
        self._interfaces: dict[str, InterfacePolicy] = {}
        self._group_permissions: dict[tuple[str, str], _Pair] = {}
        self._members: dict[tuple[str, str], _Resolved] = {}
        self._acls: dict[str, _Entries] = {}
        if previous is not None:
            self._take_over(previous)

    def _take_over(self, previous: "Policy") -> None:
        delta = self.delta_from(previous)
        kept = previous.__dict__
        self._acls = {
            acl_id: entries
            for acl_id, entries in previous._acls.items()
            if acl_id not in delta.acls
        }
        if "targets" in kept:
            self.targets = _targets_after(previous.targets, self.network, delta)
        if "carriers" in kept:
            self.carriers = _carriers_after(previous, self.network, delta)
        if self.joined != previous.joined:
            return
        self._members = {**previous._members}
        for each in [each for each in previous._members if each[1] in delta.members]:
            del self._members[each]
        reached = self.groups_reached_by(delta)
        self._group_permissions = {**previous._group_permissions}
        for each in [each for each in previous._group_permissions if each[1] in reached]:
            del self._group_permissions[each]

    def delta_from(self, previous: "Policy") -> Delta:
        """Return what changed since another revision."""
        return between(previous.network, self.network)

    def groups_reached_by(self, delta: Delta) -> frozenset[str]:
        """Return the groups whose permissions a change may have made others.

        Preconditions: which VPCs are joined is as it was.
        """
        referred = delta.members | delta.prefix_lists
        if not referred:
            return delta.groups
        return delta.groups.union(
            each for each, targets in self.targets.items() if not targets.isdisjoint(referred)
        )

    def at(self, interface_id: str) -> InterfacePolicy:
        """Return the policy of one interface.

        Preconditions: the interface is in the network.
        """
        found = self._interfaces.get(interface_id)
        if found is None:
            found = self._interfaces[interface_id] = self._resolve(interface_id)
        return found

    def _resolve(self, interface_id: str) -> InterfacePolicy:
        interface = self.network.interfaces[interface_id]
        subnet = self.network.subnets[interface.subnet_id]
        vpc = self.network.vpcs[interface.vpc_id]
        acl = self.network.acls[subnet.network_acl_id]
        pairs = [
            self.permissions_of(vpc.vpc_id, group_id)
            for group_id in dict.fromkeys(interface.group_ids)
        ]
        return InterfacePolicy(
            network=self.network,
            interface=interface,
            subnet=subnet,
            acl=acl,
            carries_groups=interface.carries_groups,
            permissions=(
                tuple(permission for pair in pairs for permission in pair[Direction.INGRESS]),
                tuple(permission for pair in pairs for permission in pair[Direction.EGRESS]),
            ),
            acl_entries=self.entries_of(acl),
            timeouts=self.timeouts_of(interface),
            services=services_of(vpc),
            routers=routers_of(subnet),
            broadcast=None if subnet.ipv4_block is None else subnet.ipv4_block.broadcast_address,
            peer_vpc_ids=self.joined[vpc.vpc_id],
        )

    def entries_of(self, acl: NetworkAcl) -> "_Entries":
        """Return the entries of an ACL, by Direction, ascending."""
        if acl.network_acl_id not in self._acls:
            ordered = sorted(acl.entries, key=lambda entry: entry.rule_number)
            self._acls[acl.network_acl_id] = (
                tuple(entry for entry in ordered if not entry.is_egress),
                tuple(entry for entry in ordered if entry.is_egress),
            )
        return self._acls[acl.network_acl_id]

    def timeouts_of(self, interface: NetworkInterface) -> IdleTimeouts:
        """Return the idle timeouts of an interface, defaults where it sets none."""
        instance = self.network.instances.get(interface.instance_id or "")
        defaults = tracking_defaults(None if instance is None else instance.instance_type)
        chosen = interface.tracking
        given = (chosen.tcp_established_timeout, chosen.udp_timeout, chosen.udp_stream_timeout)
        return IdleTimeouts(
            *(
                default if value is None else value
                for value, default in zip(given, defaults, strict=True)
            )
        )

    @cached_property
    def targets(self) -> Mapping[str, frozenset[str]]:
        """The ids that the rules of each group refer to, by its id."""
        return {each.group_id: targets_of(each) for each in self.network.groups.values()}

    @cached_property
    def carriers(self) -> Mapping[str, tuple[NetworkInterface, ...]]:
        """`Network.members`, taken over where it is the same."""
        return self.network.members

    @cached_property
    def joined(self) -> dict[str, frozenset[str]]:
        """Each VPC's id and those that it is joined to, where group references work.

        Source: VPC Peering Guide, security group references: active, and in the same Region.
        """
        joined = {vpc_id: {vpc_id} for vpc_id in self.network.vpcs}
        for peering in self.network.peerings.values():
            if peering.is_active and peering.is_same_region:
                ids = (peering.requester.vpc_id, peering.accepter.vpc_id)
                for here, there in (ids, ids[::-1]):
                    joined.setdefault(here, {here}).add(there)
        return {vpc_id: frozenset(others) for vpc_id, others in joined.items()}

    def permissions_of(self, vpc_id: str, group_id: str) -> "_Pair":
        """Return a group's permissions for the interfaces of one VPC, by Direction.

        In the order of its rules; none for an external group.
        """
        key = (vpc_id, group_id)
        if key not in self._group_permissions:
            group = self.network.groups.get(group_id)
            rules = () if group is None else group.rules
            self._group_permissions[key] = (
                tuple(self._permission(vpc_id, rule) for rule in rules if not rule.is_egress),
                tuple(self._permission(vpc_id, rule) for rule in rules if rule.is_egress),
            )
        return self._group_permissions[key]

    def _permission(self, vpc_id: str, rule: SecurityGroupRule) -> Permission:
        prefixes: tuple[Prefix, ...] = ()
        addresses: frozenset[Address] = frozenset()
        if isinstance(rule.peer, Prefix):
            prefixes = (rule.peer,)
        elif isinstance(rule.peer, GroupReference):
            addresses, prefixes = self._members_of(vpc_id, rule.peer)
        elif isinstance(rule.peer, PrefixListReference):
            prefix_list = self.network.prefix_lists.get(rule.peer.prefix_list_id)
            if prefix_list is not None and prefix_list.entries is not None:
                prefixes = prefix_list.entries
        return Permission(
            rule_id=rule.rule_id,
            group_id=rule.group_id,
            traffic=rule.traffic,
            prefixes=prefixes,
            addresses=addresses,
            open_family={ALL_IPV4: 4, ALL_IPV6: 6}.get(rule.peer)
            if isinstance(rule.peer, Prefix)
            else None,
        )

    def _members_of(self, vpc_id: str, reference: GroupReference) -> "_Resolved":
        """Return the private addresses and delegated prefixes that a reference stands for.

        Those of the interfaces that carry the group, in this VPC or in one joined by an active
        peering of the same Region; never public addresses (VPC User Guide, Security group
        rules). A group that is not here, or is another account's than the rule says: nothing.
        """
        group = self.network.groups.get(reference.group_id)
        if group is None:
            return frozenset(), ()
        if None not in (reference.owner_id, group.owner_id) and (
            reference.owner_id != group.owner_id
        ):
            return frozenset(), ()
        key = (vpc_id, reference.group_id)
        if key not in self._members:
            joined = self.joined[vpc_id]
            members = [
                member
                for member in self.carriers.get(reference.group_id, ())
                if member.vpc_id in joined
            ]
            self._members[key] = (
                frozenset(address for member in members for address in member.addresses),
                tuple(prefix for member in members for prefix in member.prefixes),
            )
        return self._members[key]


_Pair = tuple[tuple[Permission, ...], tuple[Permission, ...]]
_Entries = tuple[tuple[NetworkAclEntry, ...], tuple[NetworkAclEntry, ...]]
_Resolved = tuple[frozenset[Address], tuple[Prefix, ...]]


def _targets_after(
    before: Mapping[str, frozenset[str]], network: Network, delta: Delta
) -> Mapping[str, frozenset[str]]:
    if not delta.groups:
        return before
    found = {**before}
    for each in delta.groups:
        found.pop(each, None)
        if each in network.groups:
            found[each] = targets_of(network.groups[each])
    return found


def _carriers_after(
    previous: Policy, network: Network, delta: Delta
) -> Mapping[str, tuple[NetworkInterface, ...]]:
    if not delta.interfaces:
        return previous.carriers
    found = {**previous.carriers}
    then, now = previous.network.interfaces, network.interfaces
    changed = [now[each] for each in delta.interfaces if each in now]
    touched = {group_id for each in changed for group_id in each.group_ids}
    for interface_id in delta.interfaces & then.keys():
        touched.update(then[interface_id].group_ids)
    for group_id in touched:
        carriers = [
            each for each in found.pop(group_id, ()) if each.interface_id not in delta.interfaces
        ]
        carriers += [each for each in changed if group_id in each.group_ids]
        if carriers:
            found[group_id] = tuple(sorted(carriers, key=lambda each: each.interface_id))
    return found


def services_of(vpc: Vpc) -> tuple[Service, ...]:
    """Return the exempt services of a VPC; base + 2 is DNS only while DNS support is on."""
    if not (vpc.enable_dns_support and vpc.ipv4_blocks):
        return SERVICES
    resolver: Address = vpc.ipv4_blocks[0].network_address + 2
    return tuple(
        replace(service, addresses=service.addresses | {resolver})
        if service.port == DNS_PORT
        else service
        for service in SERVICES
    )


def routers_of(subnet: Subnet) -> frozenset[Address]:
    """Return the VPC router's addresses in a subnet: base + 1, ::1 and the link-local one."""
    routers: set[Address] = {ROUTER_LINK_LOCAL}
    if subnet.ipv4_block is not None:
        routers.add(subnet.ipv4_block.network_address + 1)
    routers.update(block.network_address + 1 for block in subnet.ipv6_blocks)
    return frozenset(routers)
