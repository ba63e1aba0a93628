"""`Change`: what has been prepared and is not in force.

Owns the parts that are written beside those in force, each looked up by what it is. Knows no
word: who puts it in force is `plane`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from secgroup.dataplane.bpf.names import OWNER
from secgroup.dataplane.bpf.parts import AddressPart, Part, PortPart, SectionPart
from secgroup.dataplane.bpf.plans import InterfacePlan, Plans
from secgroup.dataplane.bpf.policy_parts import OwnPart, PolicyPart, SubnetPart
from secgroup.dataplane.bpf.rows import Rows
from secgroup.dataplane.bpf.sections import AddressPlan, SectionPlan
from secgroup.errors import DataPlaneError
from secgroup.model.network import Network
from secgroup.policy.blocks import Block, Edit
from secgroup.policy.peers import Peers

_P = TypeVar("_P", bound=Part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A network, and what is kept to make the next one of it."""

    name: str
    network: Network
    plans: Plans
    peers: Peers


class Change:
    """One change on its way.

    Parameters
    ----------
    rows : Rows
    in_force : mapping
        Parts that are there, by their key.

    Attributes
    ----------
    regions : dict
        By name, as they will be.
    edits : list of (AddressPart, Edit)
        What is written in place.
    stale : set of AddressPlan
        Tables that change and cannot be written in place.
    new : dict
        Parts that have been written beside those in force, by their key.
    policies : dict
        Of each interface that gets another word: its part, None where it gets none.
    allowances : dict
        Of owners for whom it is another.
    placed : list of str
        The interfaces that have been looked at.
    recognised : list of Part
        Parts that were found in force, and are known from now on.

    """

    def __init__(self, rows: Rows, in_force: Mapping[object, Part]) -> None:
        self._rows = rows
        self._in_force = in_force
        self.regions: dict[str, Region] = {}
        self.edits: list[tuple[AddressPart, Edit]] = []
        self.stale: set[AddressPlan] = set()
        self.new: dict[object, Part] = {}
        self.policies: dict[str, PolicyPart | None] = {}
        self.allowances: dict[int, int] = {}
        self.placed: list[str] = []
        self.recognised: list[Part] = []
        self._begun: list[Part] = []
        self._replaces_host = False

    def edit(self, table: AddressPart, moved: Iterable[tuple[int, Iterable[Block]]]) -> None:
        """Change a table in place if that may be, else note that it is stale."""
        edits = table.classes.edits(moved)
        if edits is None or not all(map(table.may_take, edits)):
            self.stale.add(table.plan)
            return
        if any(map(table.replaces_host, edits)):
            # The kernel may use the memory of a replaced element for the next one at once.
            if self._replaces_host:
                self.stale.add(table.plan)
                return
            self._replaces_host = True
        for each in edits:
            table.ready(self._rows, each)
            self.edits.append((table, each))

    def uses_stale(self, policy: PolicyPart) -> bool:
        """Tell whether a policy has a table that is stale."""
        return bool(self.stale) and any(each.addresses.plan in self.stale for each in policy.rules)

    def place(self, interface: int, plan: InterfacePlan, region: Region) -> PolicyPart:
        """Write what an interface is to have, as far as it is not there.

        Raises
        ------
        DataPlaneError
            There is no room.

        """
        rules = [self._section(each, region) for each in plan.rules]
        acl = [self._section(each, region) for each in plan.acl]
        subnet = self.known(plan.subnet)
        if not isinstance(subnet, SubnetPart):
            subnet = self._begin(SubnetPart(plan.subnet))
            subnet.write(self._rows)
        own = self.known(("own", plan.own))
        if not isinstance(own, OwnPart):
            own = self._begin(OwnPart(plan.own))
            own.write(self._rows)
        (owner,) = self._rows.names.numbers(OWNER, [plan.owner])
        policy = PolicyPart(plan, rules, acl, subnet, own)
        self._begun.append(policy)
        timeouts = self._rows.timeouts(plan.timeouts_ms)
        policy.write(self._rows, interface, owner, timeouts)
        return policy

    def allow(self, plan: InterfacePlan) -> None:
        """Note the allowance of an interface's owner, if it is another."""
        (owner,) = self._rows.names.numbers(OWNER, [plan.owner])
        if int(self._rows.maps.owners["allowance"][owner]) != plan.allowance:
            self.allowances[owner] = plan.allowance

    def known(self, key: object) -> Part | None:
        """Return the part of a key, if it is there and not stale."""
        found = self.new.get(key)
        if found is not None:
            return found
        is_stale = isinstance(key, AddressPlan) and key in self.stale
        if isinstance(key, SectionPlan):
            is_stale = key.addresses in self.stale
        return None if is_stale else self._in_force.get(key)

    def _begin(self, part: _P) -> _P:
        self._begun.append(part)
        self.new[part.key] = part
        return part

    def _section(self, plan: SectionPlan, region: Region) -> SectionPart:
        found = self.known(plan)
        if isinstance(found, SectionPart):
            return found
        addresses = self.known(plan.addresses)
        if not isinstance(addresses, AddressPart):
            classes = plan.addresses.classes(region.peers)
            addresses = self._begin(AddressPart(plan.addresses, classes, region.name))
            addresses.write(self._rows)
        ports = self.known(plan.ports)
        if not isinstance(ports, PortPart):
            ports = self._begin(PortPart(plan.ports))
            ports.write(self._rows)
        section = self._begin(SectionPart(plan, addresses, ports))
        section.write(self._rows)
        return section

    def make(self) -> None:
        """Put in force what is written in place, and allowances.

        Raises
        ------
        DataPlaneError
            The kernel had no memory for an element; everything is as it was.

        """
        undo: list[tuple[AddressPart, Edit]] = []
        # What comes, then what is replaced, then what goes: nothing new is where something was.
        self.edits.sort(key=lambda each: (each[1].content is None, each[0].replaces_host(each[1])))
        try:
            for table, edit in self.edits:
                undo.append((table, table.change(self._rows, edit)))
        except DataPlaneError:
            for table, edit in reversed(undo):
                table.change(self._rows, edit)
            raise
        for table in _tables(self.edits):
            table.tidy()
        for owner, allowance in self.allowances.items():
            self._rows.maps.owners["allowance"][owner] = allowance
            self._rows.writes += 1

    def undo(self) -> None:
        """Give back everything that was written; nothing refers to it."""
        for table, edit in self.edits:
            table.unready(edit)
        for part in reversed(self._begun):
            part.give_back(self._rows)
            for each in part.parts:
                each.holders -= 1


def _tables(edits: Iterable[tuple[AddressPart, Edit]]) -> Iterable[AddressPart]:
    return dict.fromkeys(table for table, _ in edits)
