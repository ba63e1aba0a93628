"""From a `Policy` to `Tables`, and from one revision to the next by what has changed.

Owns what is made anew and what is kept: every part is made of values by a pure function, so one
whose values are as they were is taken over as it is. Nothing depends on history but the numbers
of interfaces, owners and timeouts, which never change their meaning.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from secgroup.engine.parts import (
    GroupRules,
    GroupSection,
    Memory,
    PeerSet,
    Rebuilt,
    RuleTable,
    Tracked,
)
from secgroup.engine.section import (
    FAMILIES,
    SECTION_ORDER,
    Section,
    Sections,
    address_part,
    four,
    port_part,
)
from secgroup.engine.tables import (
    EXEMPT,
    INTERFACE,
    SUBNET,
    Ranges,
    Tables,
    exempt_bit,
    halves,
    pack,
    read_only,
    records,
)
from secgroup.model.defaults import IMPLICIT_DENY_IPV4, IMPLICIT_DENY_IPV6
from secgroup.model.external import External
from secgroup.model.group import GroupReference, PrefixListReference, SecurityGroupRule
from secgroup.model.interface import NetworkInterface
from secgroup.model.network_acl import NetworkAclEntry
from secgroup.net.address import Address, Prefix
from secgroup.net.direction import Direction
from secgroup.policy.classes import (
    Edges,
    RulePorts,
    address_classes,
    addresses_of,
    port_classes,
    require_few,
    tracked_addresses,
)
from secgroup.policy.permission import Permission
from secgroup.policy.policy import ALWAYS_TRACKED_TYPES, InterfacePolicy
from secgroup.policy.resolve import Policy

_NO_EDGES: Final[Edges] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compiled:
    """A policy in the form that the engine searches.

    Parameters
    ----------
    tables : Tables
        The arrays for kernels.
    interfaces : dict
        The row of each interface in `tables.interfaces`; rows of interfaces that are gone stay
        empty, and no row is ever another interface's.
    owners : dict
        The number of each owner of flows (`NetworkInterface.owner`); never another's.
    rule_tables : tuple of RuleTable
        By their number in `tables.tables`.
    acl_ids : tuple of str
        By their number in `tables.acls`.
    rebuilt : Rebuilt
        What was made anew.

    """

    policy: Policy
    tables: Tables
    interfaces: Mapping[str, int]
    owners: Mapping[str, int]
    rule_tables: tuple[RuleTable, ...]
    acl_ids: tuple[str, ...]
    rebuilt: Rebuilt
    memory: Memory

    def table_of(self, interface_id: str) -> int:
        """Return the number of an interface's rule table."""
        return int(self.tables.interfaces[self.interfaces[interface_id]].table)

    def rule_ids(
        self, table: int, direction: Direction, family: int, address_class: int, port_class: int
    ) -> tuple[str, ...]:
        """Return the rules that match a pair of classes, in the definition's order."""
        section = self.rule_tables[table].section(direction, family)
        return section.matching(address_class, port_class)


def compile(policy: Policy, *, previous: Compiled | None = None) -> Compiled:  # noqa: A001
    """Compile a policy; parts of `previous` whose values are unchanged are taken over.

    Parameters
    ----------
    previous : Compiled, optional
        Of an earlier revision of the same network: numbers of interfaces, owners and timeouts
        go on from there. The answers do not depend on it.

    Raises
    ------
    InputError
        An interface has more than 1,000 rules in one direction and family.

    """
    return _Compilation(policy, previous).run()


class _Compilation:
    """One run of `compile`."""

    def __init__(self, policy: Policy, previous: Compiled | None) -> None:
        self.policy = policy
        self.network = policy.network
        self.memory = Memory(None if previous is None else previous.memory)
        self.always_tracked = [
            each
            for each in self.network.interfaces.values()
            if each.interface_type in ALWAYS_TRACKED_TYPES
        ]
        self.tracked: dict[tuple[str | None, frozenset[str]], Tracked] = {}
        self.groups: dict[tuple[str, str], GroupRules] = {}
        self.table_numbers: dict[RuleTable, int] = {}
        self.tables_of_groups: dict[Hashable, RuleTable] = {}
        self.acl_numbers: dict[str, int] = {}
        self.acls: list[Sections] = []
        self.subnet_numbers: dict[str, int] = {}
        self.subnet_rows: list[tuple[int, ...]] = []
        self.exempt_rows: list[tuple[int, ...]] = []
        self.ranges = Ranges()

    def run(self) -> Compiled:
        rows = {
            interface_id: self._interface_row(self.policy.at(interface_id))
            for interface_id in sorted(self.network.interfaces)
        }
        gone = (-1, *[0] * (len(INTERFACE.names or ()) - 1))
        packed = pack((table.sections for table in self.table_numbers), self.acls)
        numbers = self.memory.interfaces
        tables = Tables(
            interfaces=records([rows.get(each, gone) for each in numbers], INTERFACE),
            subnets=records(self.subnet_rows, SUBNET),
            exempt=records(self.exempt_rows, EXEMPT),
            sections=packed.sections,
            tables=packed.tables,
            acls=packed.acls,
            ranges=self.ranges.array(),
            narrow=packed.narrow,
            wide=packed.wide,
            roots=packed.roots,
            bitmaps=packed.bitmaps,
            weights=packed.weights,
            opened=packed.opened,
            numbers=packed.numbers,
            timeouts=read_only(np.array(list(self.memory.timeouts), np.int64).reshape(-1, 3)),
        )
        return Compiled(
            policy=self.policy,
            tables=tables,
            interfaces={each: numbers[each] for each in rows},
            owners=self.memory.owners,
            rule_tables=tuple(self.table_numbers),
            acl_ids=tuple(self.acl_numbers),
            rebuilt=self.memory.seal(),
            memory=self.memory,
        )

    def _interface_row(self, at: InterfacePolicy) -> tuple[int, ...]:
        interface, memory = at.interface, self.memory
        memory.interfaces.setdefault(interface.interface_id, len(memory.interfaces))
        table = self._rule_table(at)
        return (
            self.table_numbers.setdefault(table, len(self.table_numbers)),
            self._subnet(at),
            self._acl(at),
            memory.owners.setdefault(interface.owner, len(memory.owners)),
            memory.timeouts.setdefault(tuple(at.timeouts), len(memory.timeouts)),
            *self.ranges.add((*interface.addresses, *interface.prefixes)),
            at.carries_groups,
            interface.source_dest_check,
        )

    # Rule tables

    def _rule_table(self, at: InterfacePolicy) -> RuleTable:
        interface, tracked = at.interface, self._tracked(at)
        key = (interface.vpc_id, interface.group_ids, tracked)
        found = self.tables_of_groups.get(key)
        if found is None:
            groups = tuple(
                self._group(interface.vpc_id, group_id)
                for group_id in dict.fromkeys(interface.group_ids)
            )
            found = self.tables_of_groups[key] = self.memory.rule_tables.of(
                (groups, tracked),
                lambda: RuleTable(
                    four(
                        self._section(interface, way, family, groups, tracked)
                        for way, family in SECTION_ORDER
                    )
                ),
            )
        return found

    def _section(
        self,
        interface: NetworkInterface,
        direction: Direction,
        family: int,
        groups: tuple[GroupRules, ...],
        tracked: Tracked,
    ) -> Section:
        parts = [group.sections[SECTION_ORDER.index((direction, family))] for group in groups]
        rule_ids = tuple(each for part in parts for each in part.rule_ids)
        require_few(len(rule_ids), f"{interface.interface_id}: {direction} over IPv{family}")
        peers = tuple(each for part in parts for each in part.peers)
        ports = tuple(each for part in parts for each in part.ports)
        always = tracked[:2] if family == 4 else tracked[2:]
        weights = (always[0].edges, always[1].edges)
        addresses = self.memory.addresses.of(
            (family, peers, always),
            lambda: address_part(address_classes(family, [each.edges for each in peers], weights)),
        )
        port_key = (family, ports)
        found = self.memory.ports.of(port_key, lambda: port_part(port_classes(*port_key)))
        return Section(addresses, found, rule_ids)

    def _group(self, vpc_id: str, group_id: str) -> GroupRules:
        found = self.groups.get((vpc_id, group_id))
        if found is not None:
            return found
        group = self.network.groups.get(group_id)
        rules = () if group is None else group.rules
        sections: list[GroupSection] = []
        by_direction = self.policy.permissions_of(vpc_id, group_id)
        for way, permissions in zip(Direction, by_direction, strict=True):
            own = [rule for rule in rules if rule.is_egress == (way is Direction.EGRESS)]
            for family in FAMILIES:
                sections.append(self._group_section(vpc_id, family, own, permissions))
        found = self.groups[vpc_id, group_id] = self.memory.groups.of(
            (vpc_id, group_id), lambda: GroupRules(tuple(sections)), since=sections
        )
        return found

    def _group_section(
        self,
        vpc_id: str,
        family: int,
        rules: Iterable[SecurityGroupRule],
        permissions: Iterable[Permission],
    ) -> GroupSection:
        """Which rules have a bit depends on the rules alone, not on who is in a group now."""
        chosen = [
            (permission.rule_id, self._peers(vpc_id, family, rule, permission), permission)
            for rule, permission in zip(rules, permissions, strict=True)
            if permission.is_for_family(family)
            and (
                isinstance(rule.peer, GroupReference | PrefixListReference)
                or (isinstance(rule.peer, Prefix) and rule.peer.version == family)
            )
        ]
        return GroupSection(
            rule_ids=tuple(rule_id for rule_id, _, _ in chosen),
            peers=tuple(peers for _, peers, _ in chosen),
            ports=tuple(self._ports(family, permission) for _, _, permission in chosen),
        )

    def _peers(
        self, vpc_id: str, family: int, rule: SecurityGroupRule, permission: Permission
    ) -> PeerSet:
        return self.memory.sources.of(
            (family, vpc_id if isinstance(rule.peer, GroupReference) else None, rule.peer),
            lambda: self._peer_set(addresses_of(family, permission.prefixes, permission.addresses)),
            since=(permission.prefixes, permission.addresses),
        )

    def _peer_set(self, edges: Edges) -> PeerSet:
        return self.memory.peers.of(edges, lambda: PeerSet(edges))

    def _ports(self, family: int, permission: Permission) -> RulePorts:
        is_open = permission.open_family == family
        return self.memory.port_sets.of(
            (family, permission.traffic, is_open),
            lambda: RulePorts.of(family, permission.traffic, is_open=is_open),
        )

    def _tracked(self, at: InterfacePolicy) -> Tracked:
        table = self.network.route_table_of(at.subnet.subnet_id)
        key = (None if table is None else table.route_table_id, at.peer_vpc_ids)
        if key not in self.tracked:
            members = [each for each in self.always_tracked if each.vpc_id in at.peer_vpc_ids]
            sets = [
                self._peer_set(edges)
                for family in FAMILIES
                for edges in tracked_addresses(family, self.network, table, members)
            ]
            self.tracked[key] = (sets[0], sets[1], sets[2], sets[3])
        return self.tracked[key]

    # Network ACLs

    def _acl(self, at: InterfacePolicy) -> int:
        acl_id = at.acl.network_acl_id
        if acl_id not in self.acl_numbers:
            self.acl_numbers[acl_id] = len(self.acls)
            self.acls.append(
                self.memory.acls.of(
                    acl_id,
                    lambda: four(
                        self._acl_section(family, at.acl_entries[way])
                        for way, family in SECTION_ORDER
                    ),
                    since=at.acl_entries,
                )
            )
        return self.acl_numbers[acl_id]

    def _acl_section(self, family: int, entries: Iterable[NetworkAclEntry]) -> Section:
        """Make a section; an unknown block is everything when its entry denies, else nothing."""
        chosen: list[tuple[NetworkAclEntry, Edges]] = []
        for entry in entries:
            if isinstance(entry.cidr, External):
                if not entry.is_allow:
                    chosen.append((entry, (0,)))
            elif entry.cidr.version == family:
                chosen.append((entry, addresses_of(family, (entry.cidr,), ())))
        numbers = [
            entry.rule_number if entry.is_allow else -entry.rule_number for entry, _ in chosen
        ]
        implicit = IMPLICIT_DENY_IPV4 if family == 4 else IMPLICIT_DENY_IPV6
        ports = [RulePorts.of(family, entry.traffic) for entry, _ in chosen]
        return Section(
            addresses=address_part(
                address_classes(family, [edges for _, edges in chosen], (_NO_EDGES, _NO_EDGES))
            ),
            ports=port_part(port_classes(family, ports)),
            numbers=(*numbers, -implicit),
        )

    # Subnets

    def _subnet(self, at: InterfacePolicy) -> int:
        subnet_id = at.subnet.subnet_id
        if subnet_id not in self.subnet_numbers:
            self.subnet_numbers[subnet_id] = len(self.subnet_rows)
            self.subnet_rows.append(self._subnet_row(at))
        return self.subnet_numbers[subnet_id]

    def _subnet_row(self, at: InterfacePolicy) -> tuple[int, ...]:
        blocks: list[Prefix] = [*at.subnet.ipv6_blocks]
        if at.subnet.ipv4_block is not None:
            blocks.append(at.subnet.ipv4_block)
        routers = sorted(at.routers, key=lambda each: (each.version, int(each)))
        filters = {4: 0, 6: 0}
        bounds = [len(self.exempt_rows)]
        for family in FAMILIES:
            for address, *row in _exempt(at):
                if address.version == family:
                    self.exempt_rows.append((*halves(address), *row))
                    filters[family] |= 1 << exempt_bit(halves(address)[1])
            bounds.append(len(self.exempt_rows))
        return (
            filters[4],
            filters[6],
            0 if at.broadcast is None else halves(at.broadcast)[1],
            *self.ranges.add(tuple(blocks)),
            *self.ranges.add(tuple(routers)),
            *bounds,
        )


def _exempt(at: InterfacePolicy) -> Iterable[tuple[Address, int, int, int]]:
    """Yield address, protocol, port and answer of what is exempt, first match first."""
    for router in sorted(at.routers, key=str):
        yield router, -1, -1, 1
    for service in at.services:
        for address in sorted(service.addresses, key=str):
            for protocol in sorted(service.protocols):
                yield address, protocol, service.port, 2 if service.is_logged else 1
