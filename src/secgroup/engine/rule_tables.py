"""Rule tables and ACLs of one revision, made of its policy when they are asked for.

Owns which rules have a bit in which section, and what is taken over from the revision before:
the rules of the groups that the change cannot reach, and the peers of references likewise.
"""

from collections.abc import Callable, Iterable
from typing import Final

from secgroup.engine.parts import (
    GroupRules,
    GroupSection,
    Parts,
    PeerSet,
    RuleTable,
    TableKey,
    Tracked,
)
from secgroup.engine.section import (
    SECTION_ORDER,
    Section,
    Sections,
    address_part,
    four,
    port_part,
)
from secgroup.model.defaults import IMPLICIT_DENY_IPV4, IMPLICIT_DENY_IPV6
from secgroup.model.external import External
from secgroup.model.group import (
    GroupReference,
    Peer,
    PrefixListReference,
    SecurityGroup,
    SecurityGroupRule,
)
from secgroup.model.network_acl import NetworkAcl, NetworkAclEntry
from secgroup.net.address import Prefix
from secgroup.net.direction import Direction
from secgroup.net.protocol import ICMP, ICMPV6
from secgroup.policy.classes import (
    MAX_RULES,
    Edges,
    RulePorts,
    address_classes,
    addresses_of,
    port_classes,
    require_few,
)
from secgroup.policy.delta import Delta
from secgroup.policy.permission import Permission
from secgroup.policy.resolve import Policy

_NO_EDGES: Final[Edges] = ()


class RuleTables:
    """Makes the rule tables and ACLs of a policy.

    Parameters
    ----------
    parts : Parts
        Of all revisions.

    """

    def __init__(self, policy: Policy, parts: Parts) -> None:
        self._policy = policy
        self._parts = parts
        self._groups: dict[tuple[str, str], GroupRules] = {}
        self._references: dict[tuple[int, str, Peer], PeerSet] = {}

    def take_over(self, before: "RuleTables", delta: Delta, reached: frozenset[str]) -> None:
        """Take over what a change cannot reach.

        Parameters
        ----------
        reached : frozenset of str
            The groups whose rules may be others.

        """
        self._groups = {**before._groups}
        for group in [each for each in before._groups if each[1] in reached]:
            del self._groups[group]
        self._references = {**before._references}
        referred = delta.members | delta.prefix_lists
        if referred:
            for peer in [each for each in before._references if str(each[2]) in referred]:
                del self._references[peer]

    def require_few(self, group_ids: Iterable[str], holder: Callable[[], str]) -> None:
        """Refuse groups that have more rules together than a bitmap holds.

        Raises
        ------
        InputError
            They have more than 1,000 in one direction and family.

        """
        known = self._policy.network.groups
        groups = [known[each] for each in group_ids if each in known]
        if sum(len(each.rules) for each in groups) <= MAX_RULES:
            return
        for way, family in SECTION_ORDER:
            own = (
                rule
                for each in groups
                for rule in each.rules
                if rule.is_egress == (way is Direction.EGRESS)
            )
            count = sum(has_bit(rule, family) for rule in own)
            if count > MAX_RULES:
                require_few(count, f"{holder()}: {way} over IPv{family}")

    # Rule tables

    def make(self, key: TableKey) -> RuleTable:
        """Make the rule table of interfaces."""
        groups = [self._group(key.vpc_id, each) for each in key.group_ids]
        self._parts.made["rule_tables"] += 1
        return RuleTable(
            four(
                self._section(family, [each.sections[number] for each in groups], key.tracked)
                for number, (_, family) in enumerate(SECTION_ORDER)
            )
        )

    def _section(self, family: int, groups: list[GroupSection], tracked: Tracked) -> Section:
        peers = tuple(each for group in groups for each in group.peers)
        ports = tuple(each for group in groups for each in group.ports)
        always = tracked[:2] if family == 4 else tracked[2:]
        weights = (always[0].edges, always[1].edges)
        return Section(
            addresses=self._parts.of(
                "addresses",
                self._parts.addresses,
                (family, peers, always),
                lambda: address_part(
                    address_classes(family, [each.edges for each in peers], weights)
                ),
            ),
            ports=self._parts.of(
                "ports",
                self._parts.ports,
                (family, ports),
                lambda: port_part(port_classes(family, ports)),
            ),
            rule_ids=tuple(each for group in groups for each in group.rule_ids),
        )

    def _group(self, vpc_id: str, group_id: str) -> GroupRules:
        found = self._groups.get((vpc_id, group_id))
        if found is None:
            group = self._policy.network.groups.get(group_id)
            by_direction = self._policy.permissions_of(vpc_id, group_id)
            found = self._groups[vpc_id, group_id] = GroupRules(
                tuple(
                    self._group_section(vpc_id, family, group, way, by_direction[way])
                    for way, family in SECTION_ORDER
                )
            )
            self._parts.made["groups"] += 1
        return found

    def _group_section(
        self,
        vpc_id: str,
        family: int,
        group: SecurityGroup | None,
        direction: Direction,
        permissions: Iterable[Permission],
    ) -> GroupSection:
        rules = () if group is None else group.rules
        own = (each for each in rules if each.is_egress == (direction is Direction.EGRESS))
        chosen = [
            (rule.rule_id, self._peers(vpc_id, family, rule.peer, permission), permission)
            for rule, permission in zip(own, permissions, strict=True)
            if has_bit(rule, family)
        ]
        return GroupSection(
            rule_ids=tuple(rule_id for rule_id, _, _ in chosen),
            peers=tuple(peers for _, peers, _ in chosen),
            ports=tuple(self._ports(family, permission) for _, _, permission in chosen),
        )

    def _peers(self, vpc_id: str, family: int, peer: Peer, permission: Permission) -> PeerSet:
        if isinstance(peer, Prefix):
            return self.peer_set(addresses_of(family, (peer,), ()))
        found = self._references.get((family, vpc_id, peer))
        if found is None:
            found = self._references[family, vpc_id, peer] = self.peer_set(
                addresses_of(family, permission.prefixes, permission.addresses)
            )
        return found

    def peer_set(self, edges: Edges) -> PeerSet:
        """Return the one set of these addresses."""
        return self._parts.of("peers", self._parts.peers, edges, lambda: PeerSet(edges))

    def _ports(self, family: int, permission: Permission) -> RulePorts:
        is_open = permission.open_family == family
        return self._parts.of(
            "port_sets",
            self._parts.port_sets,
            (family, permission.traffic, is_open),
            lambda: RulePorts.of(family, permission.traffic, is_open=is_open),
        )

    # Network ACLs

    def make_acl(self, acl: NetworkAcl) -> Sections:
        """Make the sections of an ACL."""
        entries = self._policy.entries_of(acl)
        self._parts.made["acls"] += 1
        return four(_acl_section(family, entries[way]) for way, family in SECTION_ORDER)


def has_bit(rule: SecurityGroupRule, family: int) -> bool:
    """Tell whether a rule is one of a family's, whoever is in a group now."""
    if rule.traffic.protocol == (ICMPV6 if family == 4 else ICMP):
        return False
    if isinstance(rule.peer, Prefix):
        return rule.peer.version == family
    return isinstance(rule.peer, GroupReference | PrefixListReference)


def _acl_section(family: int, entries: Iterable[NetworkAclEntry]) -> Section:
    """Make a section; an unknown block is everything when its entry denies, else nothing."""
    chosen: list[tuple[NetworkAclEntry, Edges]] = []
    for entry in entries:
        if isinstance(entry.cidr, External):
            if not entry.is_allow:
                chosen.append((entry, (0,)))
        elif entry.cidr.version == family:
            chosen.append((entry, addresses_of(family, (entry.cidr,), ())))
    numbers = [entry.rule_number if entry.is_allow else -entry.rule_number for entry, _ in chosen]
    implicit = IMPLICIT_DENY_IPV4 if family == 4 else IMPLICIT_DENY_IPV6
    ports = [RulePorts.of(family, entry.traffic) for entry, _ in chosen]
    return Section(
        addresses=address_part(
            address_classes(family, [edges for _, edges in chosen], (_NO_EDGES, _NO_EDGES))
        ),
        ports=port_part(port_classes(family, ports)),
        numbers=(*numbers, -implicit),
    )
