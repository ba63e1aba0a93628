"""`BpfPlane`: enforces networks in the kernel, at the interfaces that are attached.

Owns the way from one revision to the next: what is written where nobody looks, what is put in
force and in which order, and what is free afterwards. Read first: docs/design/bpf.md, One word.
"""

import platform
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from secgroup.dataplane.bpf.change import Change, Region
from secgroup.dataplane.bpf.forms import InterfaceForm, SectionForm
from secgroup.dataplane.bpf.layout import ROW_BITS
from secgroup.dataplane.bpf.libc import grace
from secgroup.dataplane.bpf.meanings import Meanings
from secgroup.dataplane.bpf.names import INTERFACE
from secgroup.dataplane.bpf.parts import AddressPart, Part, release
from secgroup.dataplane.bpf.plans import Attached, Plans, Services, interface_form, no_services
from secgroup.dataplane.bpf.policy_parts import PolicyPart
from secgroup.dataplane.bpf.reading import Reading
from secgroup.dataplane.bpf.recognise import recognise
from secgroup.dataplane.bpf.rows import PolicyMaps, Rows
from secgroup.dataplane.bpf.sections import PLANE, SectionPlan, section_form
from secgroup.decision.switches import AS_DOCUMENTED, Switches
from secgroup.errors import DataPlaneError
from secgroup.model.network import Network
from secgroup.policy.blocks import Block
from secgroup.policy.delta import between
from secgroup.policy.peers import Asked, Peers

#: What a generation has room for.
_GENERATION: Final = (1 << 64 - ROW_BITS) - 1
#: Where stores are seen by other CPUs in the order in which they were made.
_IN_ORDER: Final = ("x86_64", "i686")


class BpfPlane:
    """A `DataPlane` of the kernel's maps; one caller at a time.

    What is in force in the maps stays so until the interface is attached and its network known:
    it is recognised then, and what is as it should be is not touched.

    Parameters
    ----------
    maps : PolicyMaps
        As `loaded` opens them.
    services : Services
        Which of AWS's services are exempt; none by default, because they are not on a host of
        one's own. `policy.resolve.services_of` is AWS's table.
    switches : Switches
    wait : callable
        Returns when every packet that was being decided has been.
    before_reuse : callable, optional
        Called before rows that are in force no more may get another meaning, when no packet
        reads them: the time to resolve what logs say of them.

    Raises
    ------
    DataPlaneError
        The maps hold what no such plane has written, or the kernel has no grace period to wait for.

    """

    def __init__(
        self,
        maps: PolicyMaps,
        *,
        services: Services = no_services,
        switches: Switches = AS_DOCUMENTED,
        wait: Callable[[], None] = grace,
        before_reuse: Callable[[], None] | None = None,
    ) -> None:
        self._services = services
        self._switches = switches
        self._wait = wait
        self._before_reuse = before_reuse
        self._maps = maps
        self._regions: dict[str, Region] = {}
        self._attached: dict[str, Attached] = {}
        self._change: Change | None = None
        self._begin()

    def _begin(self) -> None:
        """Read what is in force.

        Rows that no word names are free, but packets under way may still read them. Where the
        kernel cannot wait for those, it is said now, and not when a change is in force already.
        """
        self._wait()
        rows = Rows(self._maps)
        found = Reading(rows)
        found.adopt()
        # Only now: without what is in force, its rows would be free.
        self._rows, self._found = rows, found
        self._in_force: dict[object, Part] = {}
        self._tables: defaultdict[tuple[str, Asked], set[AddressPart]] = defaultdict(set)
        self._late: list[Part] = []
        self._policies: dict[str, PolicyPart] = dict(found.policies)

    @property
    def writes(self) -> int:
        """How many rows, elements and names have been written or deleted."""
        return self._rows.writes

    # Interfaces

    def attach(self, interface_id: str, mac: bytes | None = None, *, logs: bool = True) -> int:
        """Enforce an interface from now on; return its number, for the programs of its device.

        Its policy is in force when this returns, if its network is. A second time it changes
        what is known of the device. What has been prepared stays so.

        Parameters
        ----------
        mac : bytes, optional
            The device's, where it is not the one that the network says.
        logs : bool
            Flow logs are kept of it.

        Raises
        ------
        DataPlaneError
            Its policy does not fit; it is not attached, or as it was.

        """
        before = self._attached.get(interface_id)
        (number,) = self._rows.names.numbers(INTERFACE, [interface_id])
        self._attached[interface_id] = Attached(interface_id=interface_id, mac=mac, logs=logs)
        try:
            if self._regions or self._change is not None:
                self._at_once([interface_id])
        except DataPlaneError:
            if before is None:
                del self._attached[interface_id]
            else:
                self._attached[interface_id] = before
            raise
        return number

    def detach(self, interface_id: str) -> None:
        """Enforce an interface no more: whatever still comes there is dropped."""
        self._attached.pop(interface_id, None)
        self._at_once([interface_id])

    def detach_others(self) -> list[str]:
        """Detach what an earlier plane had attached and this one has not; return which."""
        others = [each for each in self._policies if each not in self._attached]
        self._at_once(others)
        return others

    def _at_once(self, interface_ids: Iterable[str]) -> None:
        """Put interfaces in force as their networks are now; what is prepared is so again."""
        change = self._change
        self._prepare({}, interface_ids)
        self.commit()
        if change is not None:
            self._prepare({name: each.network for name, each in change.regions.items()}, [])

    @property
    def attached(self) -> Mapping[str, int]:
        """The number of each attached interface."""
        ids = list(self._attached)
        return dict(zip(ids, self._rows.names.numbers(INTERFACE, ids), strict=True))

    # A data plane

    def prepare(self, networks: Mapping[str, Network]) -> None:
        """Write what other networks need beside what is in force.

        Raises
        ------
        DataPlaneError
            One of them cannot be enforced: the object and the limit are named.

        """
        self._prepare(networks, [])

    def _prepare(self, networks: Mapping[str, Network], interface_ids: Iterable[str]) -> None:
        self.abandon()
        if self._rows.has_freed:
            self.settle()
        change = self._change = Change(self._rows, self._in_force)
        try:
            reached = dict.fromkeys(interface_ids)
            for name, network in networks.items():
                reached.update(dict.fromkeys(self._revise(change, name, network)))
            if change.stale:
                stale = (each for each, part in self._policies.items() if change.uses_stale(part))
                reached.update(dict.fromkeys(stale))
            for interface_id in reached:
                self._place(change, interface_id)
        except BaseException:
            self.abandon()
            raise

    def commit(self) -> None:
        """Put in force what was prepared.

        Raises
        ------
        DataPlaneError
            The kernel had no memory for one element: what was in force still is.

        """
        change = self._change
        if change is None:
            return
        try:
            change.make()
        except DataPlaneError:
            self.abandon()
            raise
        self._change = None
        self._found.forget((*change.placed, *change.policies))
        self._turn(change)
        self._regions.update(change.regions)
        if self._late or self._rows.has_freed:
            self.settle()

    def abandon(self) -> None:
        """Forget what was prepared."""
        if self._change is not None:
            change, self._change = self._change, None
            change.undo()
            for part in change.recognised:
                self._forget(part)

    def _turn(self, change: Change) -> None:
        """Put policies in force, and let go what was."""
        rows = self._rows
        if change.policies and platform.machine() not in _IN_ORDER:
            self._wait()
        for part in change.new.values():
            self._know(part)
        ids = list(change.policies)
        for number, interface_id in zip(rows.names.numbers(INTERFACE, ids), ids, strict=True):
            policy, before = change.policies[interface_id], self._policies.pop(interface_id, None)
            generation = (int(rows.maps.words[number]) >> ROW_BITS) + 1 & _GENERATION
            if policy is None:
                if before is not None:
                    rows.set_word(number, generation << ROW_BITS)
            else:
                rows.set_word(number, generation << ROW_BITS | policy.row)
                policy.holders += 1
                self._policies[interface_id] = policy
            if before is not None:
                release(before, self._let_go)

    def _know(self, part: Part) -> None:
        self._in_force[part.key] = part
        if isinstance(part, AddressPart):
            for asked in part.asked:
                self._tables[part.region, asked].add(part)

    def _forget(self, part: Part) -> None:
        if self._in_force.get(part.key) is part:
            del self._in_force[part.key]
        if isinstance(part, AddressPart):
            for asked in part.asked:
                self._tables[part.region, asked].discard(part)
                if not self._tables[part.region, asked]:
                    del self._tables[part.region, asked]

    def _let_go(self, part: Part) -> None:
        self._forget(part)
        self._late.append(part)

    def settle(self) -> None:
        """Wait until no packet reads what is in force no more, and make its rows free."""
        self._wait()
        self._rows.has_freed = False
        if self._before_reuse is not None:
            self._before_reuse()
        for part in self._late:
            part.give_back(self._rows)
        self._late = []
        for part in self._in_force.values():
            if isinstance(part, AddressPart) and part.late:
                part.spare += part.late
                part.late = []

    def _revise(self, change: Change, name: str, network: Network) -> list[str]:
        """Find out what a network changes; return the interfaces whose plans may be others."""
        before = self._regions.get(name)
        if before is None:
            plans = Plans(network, self._services, self._switches)
            change.regions[name] = Region(
                name=name, network=network, plans=plans, peers=Peers(network)
            )
            return list(self._attached)
        delta = between(before.network, network)
        plans = Plans(network, self._services, self._switches, previous=before.plans, delta=delta)
        peers, moved = before.peers.revised(
            network, delta, lambda asked: (name, asked) in self._tables
        )
        change.regions[name] = Region(name=name, network=network, plans=plans, peers=peers)
        reached: defaultdict[AddressPart, list[tuple[int, Iterable[Block]]]] = defaultdict(list)
        for asked, blocks in moved.items():
            for table in self._tables.get((name, asked), ()):
                reached[table].append((table.plan.masks[asked[1]], blocks))
        if any(table.late and not table.spare for table in reached):
            self.settle()
        for table, sets in reached.items():
            change.edit(table, sets)
        return plans.reached_by(before.plans, delta, self._attached)

    def _place(self, change: Change, interface_id: str) -> None:
        """Write what an interface is to have, as far as it is not there."""
        attached, before = self._attached.get(interface_id), self._policies.get(interface_id)
        region = None if attached is None else self._region_of(change, interface_id)
        plan = None if attached is None or region is None else region.plans.of(attached)
        if plan is None or region is None:
            if before is not None:
                change.policies[interface_id] = None
            return
        change.allow(plan)
        change.placed.append(interface_id)
        if before is not None:
            if before.plan == plan and not change.uses_stale(before):
                return
            if self._found.policies.get(interface_id) is before:
                is_same = recognise(self._found, before, plan, region, change, self._know)
                if is_same:
                    before.plan = plan
                    return
        (number,) = self._rows.names.numbers(INTERFACE, [interface_id])
        change.policies[interface_id] = change.place(number, plan, region)

    def _region_of(self, change: Change, interface_id: str) -> Region | None:
        regions = {**self._regions, **change.regions}.values()
        found = [each for each in regions if interface_id in each.network.interfaces]
        if len(found) > 1:
            names = " and ".join(each.name for each in found)
            raise DataPlaneError(PLANE, interface_id, f"is in {names}, expected in one region")
        return found[0] if found else None

    # What is in force

    def observe(self) -> Mapping[str, InterfaceForm]:
        """Read back what is in force at each interface.

        Raises
        ------
        DataPlaneError
            The maps hold what no such plane has written.

        """
        return Reading(Rows(self._maps)).forms()

    def expected(self) -> Mapping[str, InterfaceForm]:
        """Return what this plane has put in force at each interface, from memory."""
        return {
            interface_id: interface_form(part.plan, self._form_of)
            for interface_id, part in self._policies.items()
            if part.plan is not None
        }

    def _form_of(self, plan: SectionPlan) -> SectionForm:
        part = self._in_force[plan.addresses]
        assert isinstance(part, AddressPart)
        return section_form(plan, part.classes)

    def differences(self) -> list[str]:
        """Return the interfaces of which the kernel says something else than it was told."""
        here, expected = self.observe(), self.expected()
        ids = sorted(here.keys() | expected.keys())
        return [
            each for each in ids if each in self._attached and here.get(each) != expected.get(each)
        ]

    def restore(self) -> None:
        """Forget what was written, read what is there, and put right what is not as it should be.

        Raises
        ------
        DataPlaneError
            What is there cannot be read, or what should be does not fit.

        """
        change = self._change
        self.abandon()
        self.settle()
        self._begin()
        regions, self._regions = self._regions, {}
        try:
            self._prepare({name: each.network for name, each in regions.items()}, [])
            self.commit()
        except DataPlaneError:
            self._regions = regions
            raise
        if change is not None:
            self._prepare({name: each.network for name, each in change.regions.items()}, [])

    @property
    def meanings(self) -> Meanings:
        """What numbers in events and entries mean."""
        return Meanings(self._maps, self._rows.names)
