"""Sections by what they are for: which rules, of whose addresses, with which ports.

A plan names its peers and says nothing of who they are now, so that a member which comes or goes
is no other plan. Equal plans are one object as long as somebody has it. Knows neither networks
nor maps.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar
from weakref import WeakValueDictionary

from secgroup.dataplane.bpf.forms import SectionForm, all_open_of, intervals_of, kinds_of
from secgroup.dataplane.bpf.layout import MOST_BOUNDARIES
from secgroup.net.ports import Traffic
from secgroup.policy.blocks import BlockClasses, Tracked
from secgroup.policy.classes import MAX_RULES, PortClasses, RulePorts, port_classes
from secgroup.policy.peers import Peers, Source

_K = TypeVar("_K")
_V = TypeVar("_V")

PLANE: Final = "bpf"


class AddressPlan:
    """Whose addresses the rules of a section mean: a source for each bit.

    Attributes
    ----------
    masks : mapping
        The bits of each source.

    """

    def __init__(self, family: int, sources: tuple[Source, ...], tracked: Tracked) -> None:
        self.family: Final = family
        self.sources: Final = sources
        self.tracked: Final = tracked
        masks: dict[Source, int] = {}
        for bit, source in enumerate(sources):
            masks[source] = masks.get(source, 0) | 1 << bit
        self.masks: Final[Mapping[Source, int]] = masks

    def classes(self, peers: Peers) -> BlockClasses:
        """Return the classes that its sources make now."""
        sets = [(bits, peers.of(self.family, source)) for source, bits in self.masks.items()]
        return BlockClasses(self.family, sets, self.tracked)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class PortPlan:
    """The protocols and ports of a section, a rule for each bit."""

    family: int
    rules: tuple[RulePorts, ...]

    def classes(self) -> PortClasses:
        """Return the classes that they make; never more than a packet may search."""
        return port_classes(self.family, self.rules)


#: Each rule begins and ends one interval; those of ICMP the place without a type together, too.
assert 1 + 2 * MAX_RULES + 2 <= MOST_BOUNDARIES


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class SectionPlan:
    """One direction and family of a set of rules, or of an ACL."""

    addresses: AddressPlan
    ports: PortPlan
    names: tuple[str, ...] = ()
    entries: tuple[int, ...] = ()
    acl_id: str | None = None
    always: int = 0

    @property
    def rules(self) -> int:
        """How many bits a class has."""
        return len(self.ports.rules)


Four = tuple[SectionPlan, SectionPlan, SectionPlan, SectionPlan]


def four(sections: Iterable[SectionPlan]) -> Four:
    """Return the sections of SECTION_ORDER."""
    first, second, third, fourth = sections
    return first, second, third, fourth


class Interned:
    """Parts of plans by value, as long as somebody has them."""

    def __init__(self) -> None:
        self.rule_ports: WeakValueDictionary[tuple[int, Traffic, bool], RulePorts] = (
            WeakValueDictionary()
        )
        self.addresses: WeakValueDictionary[tuple[object, ...], AddressPlan] = WeakValueDictionary()
        self.ports: WeakValueDictionary[tuple[object, ...], PortPlan] = WeakValueDictionary()
        self.sections: WeakValueDictionary[tuple[object, ...], SectionPlan] = WeakValueDictionary()

    def section(
        self,
        family: int,
        sources: Iterable[Source],
        tracked: Tracked,
        traffics: Iterable[tuple[Traffic, bool]],
        *,
        names: tuple[str, ...] = (),
        entries: tuple[int, ...] = (),
        acl_id: str | None = None,
        always: int = 0,
    ) -> SectionPlan:
        """Return the one plan of rules with these peers, and with this traffic.

        Parameters
        ----------
        traffics : iterable of (Traffic, bool)
            Of each rule, and whether its peer is literally everyone.

        """
        key = (family, tuple(sources), tracked)
        addresses = _kept(self.addresses, key, lambda: AddressPlan(*key))
        rules = tuple(self._rule_ports(family, *each) for each in traffics)
        ports = _kept(self.ports, (family, rules), lambda: PortPlan(family, rules))
        return _kept(
            self.sections,
            (addresses, ports, names, entries, acl_id),
            lambda: SectionPlan(addresses, ports, names, entries, acl_id, always),
        )

    def _rule_ports(self, family: int, traffic: Traffic, is_open: bool) -> RulePorts:  # noqa: FBT001
        return _kept(
            self.rule_ports,
            (family, traffic, is_open),
            lambda: RulePorts.of(family, traffic, is_open=is_open),
        )


def _kept(parts: "WeakValueDictionary[_K, _V]", key: _K, make: Callable[[], _V]) -> _V:
    found = parts.get(key)
    if found is None:
        found = parts[key] = make()
    return found


def section_form(plan: SectionPlan, classes: BlockClasses) -> SectionForm:
    """Write a section out, with the classes that its addresses have now."""
    ports = plan.ports.classes()
    return SectionForm(
        family=plan.addresses.family,
        names=plan.names,
        entries=plan.entries,
        acl_id=plan.acl_id,
        kinds=kinds_of(classes.family, classes.lengths, plan.addresses.sources),
        all_open=all_open_of(ports),
        elsewhere=classes.elsewhere,
        blocks=classes.content,
        ports=intervals_of(ports),
    )
