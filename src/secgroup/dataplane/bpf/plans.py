"""What each interface is to have, by name: which rules, whose addresses, which subnet.

Owns what a network means for the kernel's maps, and which plans a change can make others; knows
neither maps nor rows. Read first: `sections`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from secgroup.dataplane.bpf.forms import Exempt, InterfaceForm, SectionForm, SubnetForm, timeouts_of
from secgroup.dataplane.bpf.layout import BLOCKS6
from secgroup.dataplane.bpf.sections import PLANE, Four, Interned, SectionPlan, four, section_form
from secgroup.decision.switches import AS_DOCUMENTED, Switches
from secgroup.engine.rule_tables import has_bit
from secgroup.engine.section import FAMILIES, SECTION_ORDER
from secgroup.engine.surroundings import exempt_rows
from secgroup.engine.tables import halves
from secgroup.errors import DataPlaneError
from secgroup.model.defaults import IMPLICIT_DENY_IPV4, IMPLICIT_DENY_IPV6
from secgroup.model.external import External
from secgroup.model.group import PrefixListReference, SecurityGroupRule
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.model.network_acl import NetworkAcl, NetworkAclEntry
from secgroup.model.service_addresses import Service
from secgroup.model.vpc import Subnet, Vpc
from secgroup.net.address import Prefix, everything
from secgroup.net.direction import Direction
from secgroup.policy.blocks import UNTRACKED, Block, Tracked, blocks_of
from secgroup.policy.classes import MAX_RULES
from secgroup.policy.delta import Delta
from secgroup.policy.peers import Peers, source_of, tracked_blocks
from secgroup.policy.policy import ALWAYS_TRACKED_TYPES
from secgroup.policy.resolve import Policy, routers_of

#: Exempt addresses of one family that a packet may search (`src/policy.h`).
MOST_EXEMPT: Final = 64

#: Says which services are exempt for the interfaces of a VPC.
Services = Callable[[Vpc], Iterable[Service]]


def no_services(vpc: Vpc) -> Iterable[Service]:  # noqa: ARG001
    """On a host of one's own, AWS's link-local services are not there."""
    return ()


class Around(NamedTuple):
    """What the interfaces of a subnet have around them."""

    subnet: SubnetForm
    acl_id: str
    tracked: tuple[Tracked, Tracked]


class InterfacePlan(NamedTuple):
    """What one interface is to have; sections are compared by identity, all else by value."""

    owner: str
    allowance: int
    rules: Four
    acl: Four
    own4: int
    own6: int
    own: tuple[frozenset[Block], frozenset[Block]]
    subnet: SubnetForm
    timeouts_ms: tuple[int, ...]
    carries_groups: bool
    source_dest_check: bool
    mac: bytes
    related_icmp: bool
    loose_tcp: bool
    strict_tcp: bool
    logs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """An interface that has a device here, and what is known of it besides the network.

    Parameters
    ----------
    mac : bytes or None
        The device's, where it is not the one that the network says.
    logs : bool
        Flow logs are kept of it.

    """

    interface_id: str
    mac: bytes | None = None
    logs: bool = True


class Plans:
    """The plans of a network's interfaces, made when they are asked for.

    Parameters
    ----------
    services : Services
    switches : Switches
    previous : Plans, optional
        Of the revision before: what the change cannot reach is taken over.
    delta : Delta, optional
        What has changed since.

    """

    def __init__(
        self,
        network: Network,
        services: Services = no_services,
        switches: Switches = AS_DOCUMENTED,
        *,
        previous: "Plans | None" = None,
        delta: Delta | None = None,
    ) -> None:
        self.network = network
        self._services = services
        self._switches = switches
        self._policy = Policy(network)
        self._interned: Interned = Interned() if previous is None else previous._interned
        self._around: dict[str, Around] = {}
        self._rules: dict[tuple[object, ...], Four] = {}
        self._acls: dict[str, Four] = {}
        if previous is not None and delta is not None:
            self._take_over(previous, delta)

    def _take_over(self, previous: "Plans", delta: Delta) -> None:
        joined = previous._policy.joined
        if delta.surroundings or joined != self._policy.joined:
            self._rules = {} if delta.groups else dict(previous._rules)
        else:
            self._around = dict(previous._around)
            self._rules = {
                key: four
                for key, four in previous._rules.items()
                if not delta.groups or delta.groups.isdisjoint(key[1])  # type: ignore[arg-type]
            }
        self._acls = {each: previous._acls[each] for each in previous._acls.keys() - delta.acls}

    def reached_by(self, previous: "Plans", delta: Delta, attached: Iterable[str]) -> list[str]:
        """Return the attached interfaces whose plan a change may make another."""
        known = self.network.interfaces
        then = previous.network.interfaces
        ids = list(attached)
        if delta.surroundings or previous._policy.joined != self._policy.joined:
            return ids
        if not delta.groups and not delta.acls:
            return [each for each in ids if each in delta.interfaces]
        found = []
        for each in ids:
            interface = known.get(each) or then.get(each)
            if each in delta.interfaces or (
                interface is not None
                and (
                    not delta.groups.isdisjoint(interface.group_ids)
                    or self.network.subnets[interface.subnet_id].network_acl_id in delta.acls
                )
            ):
                found.append(each)
        return found

    def of(self, attached: Attached) -> InterfacePlan | None:
        """Return the plan of an interface; None where the network does not have it.

        Raises
        ------
        DataPlaneError
            It has more than the maps can say.

        """
        interface = self.network.interfaces.get(attached.interface_id)
        if interface is None:
            return None
        around = self._around_of(interface)
        switches = self._switches
        allowance = switches.allowance_of(interface.owner)
        mac = attached.mac or interface.mac or bytes(6)
        first4 = next((int(each) for each in interface.addresses if each.version == 4), 0)
        first6 = next((int(each) for each in interface.addresses if each.version == 6), 0)
        places = (*interface.addresses, *interface.prefixes)
        return InterfacePlan(
            owner=interface.owner,
            allowance=-1 if allowance is None else allowance,
            rules=self._rules_of(interface, around.tracked),
            acl=self._acl_of(around.acl_id),
            own4=first4,
            own6=first6,
            own=(frozenset(blocks_of(4, places)), frozenset(blocks_of(6, places))),
            subnet=around.subnet,
            timeouts_ms=timeouts_of(self._policy.timeouts_of(interface)),
            carries_groups=interface.carries_groups,
            source_dest_check=interface.source_dest_check,
            mac=mac,
            related_icmp=switches.related_icmp,
            loose_tcp=switches.loose_tcp,
            strict_tcp=switches.strict_tcp,
            logs=attached.logs,
        )

    # Rules

    def _rules_of(self, interface: NetworkInterface, tracked: tuple[Tracked, Tracked]) -> Four:
        group_ids = tuple(dict.fromkeys(interface.group_ids))
        joined = self._policy.joined[interface.vpc_id]
        key = (joined, group_ids, tracked)
        found = self._rules.get(key)
        if found is None:
            found = self._rules[key] = four(
                self._rule_section(interface.interface_id, group_ids, joined, way, family, tracked)
                for way, family in SECTION_ORDER
            )
        return found

    def _rule_section(
        self,
        holder: str,
        group_ids: tuple[str, ...],
        joined: frozenset[str],
        way: Direction,
        family: int,
        tracked: tuple[Tracked, Tracked],
    ) -> SectionPlan:
        known = self.network.groups
        rules = [
            rule
            for each in group_ids
            if each in known
            for rule in known[each].rules
            if rule.is_egress == (way is Direction.EGRESS) and has_bit(rule, family)
        ]
        if len(rules) > MAX_RULES:
            raise DataPlaneError(
                PLANE,
                holder,
                f"{len(rules)} {way} rules over IPv{family}, expected at most {MAX_RULES}",
            )
        return self._interned.section(
            family,
            (source_of(rule.peer, joined) for rule in rules),
            tracked[FAMILIES.index(family)],
            ((rule.traffic, _is_open(rule, family)) for rule in rules),
            names=tuple(rule.rule_id for rule in rules),
        )

    # ACLs

    def _acl_of(self, acl_id: str) -> Four:
        found = self._acls.get(acl_id)
        if found is None:
            acl = self.network.acls[acl_id]
            entries = self._policy.entries_of(acl)
            found = self._acls[acl_id] = four(
                self._acl_section(acl, family, entries[way]) for way, family in SECTION_ORDER
            )
        return found

    def _acl_section(
        self, acl: NetworkAcl, family: int, entries: Iterable[NetworkAclEntry]
    ) -> SectionPlan:
        """Make a section; an unknown block is everything when its entry denies, else nothing."""
        chosen: list[tuple[NetworkAclEntry, Prefix]] = []
        for entry in entries:
            if isinstance(entry.cidr, External):
                if not entry.is_allow:
                    chosen.append((entry, everything(family)))
            elif entry.cidr.version == family:
                chosen.append((entry, entry.cidr))
        if len(chosen) > MAX_RULES:
            raise DataPlaneError(
                PLANE,
                acl.network_acl_id,
                f"{len(chosen)} entries over IPv{family}, expected at most {MAX_RULES}",
            )
        numbers = [each.rule_number if each.is_allow else -each.rule_number for each, _ in chosen]
        implicit = IMPLICIT_DENY_IPV4 if family == 4 else IMPLICIT_DENY_IPV6
        is_always = (
            bool(chosen) and chosen[0][1].prefixlen == 0 and chosen[0][0].traffic.protocol is None
        )
        return self._interned.section(
            family,
            (prefix for _, prefix in chosen),
            UNTRACKED,
            ((entry.traffic, False) for entry, _ in chosen),
            entries=(*numbers, -implicit),
            acl_id=acl.network_acl_id,
            always=numbers[0] if is_always else 0,
        )

    # Surroundings

    def _around_of(self, interface: NetworkInterface) -> Around:
        found = self._around.get(interface.subnet_id)
        if found is None:
            subnet = self.network.subnets[interface.subnet_id]
            vpc = self.network.vpcs[subnet.vpc_id]
            found = self._around[interface.subnet_id] = Around(
                subnet=_subnet_form(subnet, self._services(vpc)),
                acl_id=subnet.network_acl_id,
                tracked=self._tracked_from(subnet),
            )
        return found

    @cached_property
    def _always_tracked(self) -> list[NetworkInterface]:
        interfaces = self.network.interfaces.values()
        return [each for each in interfaces if each.interface_type in ALWAYS_TRACKED_TYPES]

    def _tracked_from(self, subnet: Subnet) -> tuple[Tracked, Tracked]:
        table = self.network.route_table_of(subnet.subnet_id)
        joined = self._policy.joined[subnet.vpc_id]
        members = [each for each in self._always_tracked if each.vpc_id in joined]
        return (
            tracked_blocks(4, self.network, table, members),
            tracked_blocks(6, self.network, table, members),
        )


def _is_open(rule: SecurityGroupRule, family: int) -> bool:
    return not isinstance(rule.peer, PrefixListReference) and rule.peer == everything(family)


def _subnet_form(subnet: Subnet, services: Iterable[Service]) -> SubnetForm:
    if len(subnet.ipv6_blocks) > BLOCKS6:
        raise DataPlaneError(
            PLANE,
            subnet.subnet_id,
            f"{len(subnet.ipv6_blocks)} IPv6 blocks, expected at most {BLOCKS6}",
        )
    block4 = subnet.ipv4_block
    routers = sorted(routers_of(subnet), key=lambda each: (each.version, int(each)))
    exempt: dict[int, list[Exempt]] = {4: [], 6: []}
    for address, protocol, port, answer in exempt_rows(routers, services):
        exempt[address.version].append((*halves(address), protocol, port, answer))
    most = max(map(len, exempt.values()))
    if most > MOST_EXEMPT:
        raise DataPlaneError(
            PLANE, subnet.subnet_id, f"{most} exempt addresses, expected at most {MOST_EXEMPT}"
        )
    return SubnetForm(
        block4=None if block4 is None else (int(block4.network_address), int(block4.netmask)),
        blocks6=tuple(
            (*halves(each.network_address), *halves(each.netmask)) for each in subnet.ipv6_blocks
        ),
        broadcast=None if block4 is None else int(block4.broadcast_address),
        exempt4=tuple(exempt[4]),
        exempt6=tuple(exempt[6]),
    )


def interface_form(
    plan: InterfacePlan, form_of: Callable[[SectionPlan], SectionForm]
) -> InterfaceForm:
    """Write a plan out."""
    named = plan._asdict()
    named["rules"] = tuple(map(form_of, plan.rules))
    named["acl"] = tuple(map(form_of, plan.acl))
    return InterfaceForm(**named, acl_always=tuple(each.always for each in plan.acl))


def render(
    network: Network,
    attached: Iterable[Attached],
    *,
    services: Services = no_services,
    switches: Switches = AS_DOCUMENTED,
) -> Mapping[str, InterfaceForm]:
    """Return what a network means for each attached interface that it has; pure.

    Raises
    ------
    DataPlaneError
        One has more than the maps can say.

    """
    plans, peers = Plans(network, services, switches), Peers(network)
    made: dict[SectionPlan, SectionForm] = {}

    def form_of(plan: SectionPlan) -> SectionForm:
        if plan not in made:
            made[plan] = section_form(plan, plan.addresses.classes(peers))
        return made[plan]

    found = {each.interface_id: plans.of(each) for each in attached}
    return {
        interface_id: interface_form(plan, form_of)
        for interface_id, plan in found.items()
        if plan is not None
    }
