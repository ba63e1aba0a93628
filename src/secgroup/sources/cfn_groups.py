"""Security groups, their rules, and prefix lists of a template.

Owns how inline and standalone rules come together in a group, and when a group keeps the
egress rules that AWS gives a new one.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from secgroup.errors import InputError
from secgroup.model import defaults
from secgroup.model.external import External
from secgroup.model.group import (
    GroupReference,
    Peer,
    PrefixListReference,
    SecurityGroup,
    SecurityGroupRule,
)
from secgroup.model.prefix_list import PrefixList
from secgroup.model.vpc import Vpc
from secgroup.net.address import Prefix
from secgroup.net.ports import ALL_TRAFFIC, Traffic, every_port_of, parse_protocol, traffic_of
from secgroup.net.protocol import ICMP
from secgroup.sources.cfn_item import Item, ipv4_only, ipv6_only
from secgroup.sources.cfn_stack import Resource, Stack
from secgroup.sources.cfn_vpc import Vpcs, default_group_id
from secgroup.sources.draft import listed
from secgroup.sources.parameters import Unknown

#: The properties that say the peer of a rule; exactly one of them stands in it.
_PEERS: Final = {
    False: (
        "CidrIp",
        "CidrIpv6",
        "SourcePrefixListId",
        "SourceSecurityGroupId",
        "SourceSecurityGroupName",
    ),
    True: ("CidrIp", "CidrIpv6", "DestinationPrefixListId", "DestinationSecurityGroupId"),
}


class Groups:
    """The groups of a stack: a name that says which, and their rules."""

    def __init__(self, stack: Stack, vpcs: Vpcs) -> None:
        self._stack = stack
        self._vpcs = vpcs
        stack.providers[("SecurityGroup", "VpcId")] = lambda group: vpcs.of(group.properties).vpc_id
        self._by_name: dict[str, str] | None = None

    def build(self) -> None:
        """Add every group with all of its rules.

        Raises
        ------
        InputError
            A rule is wrong.

        """
        standalone = self._standalone()
        associated = self._associated()
        for resource in self._stack.of("SecurityGroup"):
            rules = standalone.pop(resource.logical_id, [])
            self._add_group(resource, rules, associated.get(resource.logical_id, ()))
        draft = self._stack.draft
        for vpc in list(draft.of(Vpc).values()):
            group_id = default_group_id(vpc.vpc_id)
            if vpc.vpc_id in self._stack.resources and group_id not in draft.of(SecurityGroup):
                self._add_default_group(vpc, standalone.pop(group_id, []))
        for group_id, rules in standalone.items():
            known = draft.of(SecurityGroup).get(group_id)
            if known is not None:
                new = [rule for rule in rules if rule not in known.rules]
                draft.of(SecurityGroup)[group_id] = _with_rules(known, new)
            else:
                names = listed(rule.rule_id for rule in rules)
                self._stack.warn(
                    f"security group {group_id} is not in the files; left out: {names}"
                )

    # Which group a property means

    def named_group_id(self, value: str | Unknown) -> str:
        """Return the id of a group that is given by name, as in the default VPC."""
        text = str(value)
        if text in self._stack.resources:
            return text
        if self._by_name is None:
            self._by_name = {
                str(name): each.logical_id
                for each in self._stack.of("SecurityGroup")
                if (name := each.properties.text("GroupName")) is not None
            }
        if text == defaults.DEFAULT_GROUP_NAME:
            return default_group_id(self._vpcs.default_vpc().vpc_id)
        return self._by_name.get(text, text)

    # Groups

    def _add_group(
        self, resource: Resource, standalone: list[SecurityGroupRule], associated: tuple[str, ...]
    ) -> None:
        item = resource.properties
        group_id = resource.logical_id
        vpc = self._vpcs.of(item)
        ingress = [
            self._rule(each, f"{group_id}/ingress/{i}", group_id, is_egress=False)
            for i, each in enumerate(item.items("SecurityGroupIngress"))
        ]
        egress = [
            self._rule(each, f"{group_id}/egress/{i}", group_id, is_egress=True)
            for i, each in enumerate(item.items("SecurityGroupEgress"))
        ]
        has_own = item.get("SecurityGroupEgress") not in (None, [])
        if not has_own and not any(rule.is_egress for rule in standalone):
            # Any egress rule, inline or standalone, takes the place of those that a new group
            # gets; an empty list does not (Template Reference, AWS::EC2::SecurityGroup).
            egress = [*defaults.egress_of_new_group(group_id, has_ipv6=bool(vpc.ipv6_blocks))]
        name = item.text("GroupName")
        group = SecurityGroup(
            group_id=group_id,
            vpc_ids=(vpc.vpc_id, *(each for each in associated if each != vpc.vpc_id)),
            name=group_id if name is None else str(name),
            names=item.names,
            owner_id=self._vpcs.account_id,
        )
        self._stack.draft.add(
            _with_rules(group, [*ingress, *egress, *standalone]),
            source=self._stack.source,
            path=resource.path,
        )

    def _add_default_group(self, vpc: Vpc, standalone: list[SecurityGroupRule]) -> None:
        group = defaults.default_group(vpc, group_id=default_group_id(vpc.vpc_id))
        if any(rule.is_egress for rule in standalone):
            # Whether the default group keeps its egress rules then is not documented.
            group = replace(group, rules=tuple(r for r in group.rules if not r.is_egress))
        self._stack.draft.add(_with_rules(group, standalone), source=self._stack.source)

    def _associated(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for resource in self._stack.of("SecurityGroupVpcAssociation"):
            item = resource.properties
            group_id = item.required_id("GroupId", "SecurityGroup")
            vpc_id = self._vpcs.known(item)
            found[group_id] = (*found.get(group_id, ()), vpc_id)
        return found

    # Rules

    def _standalone(self) -> dict[str, list[SecurityGroupRule]]:
        found: dict[str, list[SecurityGroupRule]] = {}
        for kind, is_egress in (("SecurityGroupIngress", False), ("SecurityGroupEgress", True)):
            for resource in self._stack.of(kind):
                item = resource.properties
                group = item.text("GroupId")
                if group is None and not is_egress:
                    group_id = self.named_group_id(item.required("GroupName"))
                else:
                    group_id = item.required_id("GroupId", "SecurityGroup")
                rule = self._rule(item, resource.logical_id, group_id, is_egress=is_egress)
                found.setdefault(group_id, []).append(rule)
        return found

    def _rule(
        self, item: Item, rule_id: str, group_id: str, *, is_egress: bool
    ) -> SecurityGroupRule:
        given = [name for name in _PEERS[is_egress] if item.text(name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise item.error(f"expected one of {', '.join(_PEERS[is_egress])}, not {found}")
        traffic, unknown = self._traffic(item)
        return SecurityGroupRule(
            rule_id=rule_id,
            group_id=group_id,
            is_egress=is_egress,
            traffic=traffic,
            # A rule that is known in part matches nothing: what it allows would be a guess.
            peer=self._peer(item, given[0]) if unknown is None else External(unknown.text),
            description=str(item.text("Description") or ""),
        )

    def _traffic(self, item: Item) -> tuple[Traffic, Unknown | None]:
        """Return what a rule is about, and the port that only a deployment knows, if any."""
        protocol = item.parsed(parse_protocol, str(item.required("IpProtocol")), "IpProtocol")
        if protocol is None:
            return ALL_TRAFFIC, None
        unknown = item.unknown("FromPort", "ToPort")
        if unknown is not None:
            return every_port_of(protocol), unknown
        first, last = item.number("FromPort"), item.number("ToPort")
        if protocol == ICMP and (first is None or last is None):
            raise item.error("icmp needs FromPort (type) and ToPort (code), -1 for all")
        try:
            return traffic_of(protocol, first, last), None
        except InputError as error:
            raise item.error(error.problem) from None

    def _peer(self, item: Item, name: str) -> Peer:
        if name in ("CidrIp", "CidrIpv6"):
            block: Prefix | Unknown | None
            block = ipv4_only(item, name) if name == "CidrIp" else ipv6_only(item, name)
            assert block is not None
            return External(block.text) if isinstance(block, Unknown) else block
        if name.endswith("PrefixListId"):
            return PrefixListReference(prefix_list_id=item.required_id(name, "PrefixList"))
        owner = item.text("SourceSecurityGroupOwnerId") if name.startswith("Source") else None
        return GroupReference(
            group_id=self.named_group_id(item.required(name))
            if name.endswith("Name")
            else item.required_id(name, "SecurityGroup"),
            owner_id=None if owner is None else str(owner),
        )


def _with_rules(group: SecurityGroup, rules: list[SecurityGroupRule]) -> SecurityGroup:
    """Return the group with these rules too, ingress first."""
    every = (*group.rules, *rules)
    return replace(group, rules=tuple(sorted(every, key=lambda rule: rule.is_egress)))


def add_prefix_lists(stack: Stack) -> None:
    """Add the prefix lists of a stack.

    Raises
    ------
    InputError
        A property is wrong, or an entry is of the other family.

    """
    for resource in stack.of("PrefixList"):
        item = resource.properties
        prefix_list = PrefixList(
            prefix_list_id=resource.logical_id,
            name=str(item.required("PrefixListName")),
            names=item.names,
            entries=tuple(_entries(item)),
            max_entries=item.number("MaxEntries"),
        )
        stack.draft.add(prefix_list, source=stack.source, path=resource.path)


def _entries(item: Item) -> Iterator[Prefix]:
    family = str(item.required("AddressFamily")).lower()
    if family not in ("ipv4", "ipv6"):
        raise item.error(f"expected IPv4 or IPv6, not {family}", "AddressFamily")
    for entry in item.items("Entries"):
        block = (ipv4_only if family == "ipv4" else ipv6_only)(entry, "Cidr")
        if block is None:
            raise entry.error("expected a Cidr")
        if isinstance(block, Unknown):
            raise entry.error(f"only a deployment knows {block}; expected a block", "Cidr")
        yield block
