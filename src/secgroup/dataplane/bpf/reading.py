"""What is in force in the kernel, read back: parts where they stand, and their forms.

Owns the way from rows to forms. Nothing here is remembered from writing: whoever starts with
maps that are in force reads them, and finds what is whose.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from secgroup.dataplane.bpf.elements import (
    HOSTS,
    PREFIXES,
    Keys,
    blocks_of_hosts,
    blocks_of_prefixes,
)
from secgroup.dataplane.bpf.forms import InterfaceForm, Intervals, SectionForm, SubnetForm
from secgroup.dataplane.bpf.layout import BLOCKS6, CLASS_BITS, OPENED, WEIGHT_SHIFT, row_of
from secgroup.dataplane.bpf.names import ACL, INTERFACE, OWNER, RULE
from secgroup.dataplane.bpf.parts import AddressPart, Part, PortPart, SectionPart
from secgroup.dataplane.bpf.policy_parts import OwnPart, PolicyPart, SubnetPart
from secgroup.dataplane.bpf.rows import TABLES, Rows, Run
from secgroup.dataplane.bpf.sections import PLANE, AddressPlan, PortPlan, SectionPlan
from secgroup.errors import DataPlaneError
from secgroup.policy.blocks import UNTRACKED, WEIGHT_BIT, Block, BlockClasses

_CLASS: Final = (1 << CLASS_BITS) - 1
_UNKNOWN: Final = "?"


class _Table:
    """The elements of one table of addresses."""

    def __init__(self) -> None:
        self.keys: dict[str, Keys] = {}
        self.values: dict[str, list[int]] = {}

    def blocks(self, family: int) -> dict[Block, int]:
        """Return the value of each block."""
        found: dict[Block, int] = {}
        if HOSTS in self.keys:
            blocks = blocks_of_hosts(family, self.keys[HOSTS])
            found.update(zip(blocks, self.values[HOSTS], strict=True))
        name = PREFIXES[family]
        if name in self.keys:
            found.update(zip(blocks_of_prefixes(self.keys[name]), self.values[name], strict=True))
        return found

    def own(self) -> tuple[frozenset[Block], frozenset[Block]]:
        """Return the blocks of both families, where a value says which a host is of."""
        blocks: dict[int, set[Block]] = {4: set(), 6: set()}
        if HOSTS in self.keys:
            values = np.array(self.values[HOSTS])
            for family in (4, 6):
                blocks[family].update(blocks_of_hosts(family, self.keys[HOSTS][values == family]))
        for family, name in PREFIXES.items():
            if name in self.keys:
                blocks[family].update(blocks_of_prefixes(self.keys[name]))
        return frozenset(blocks[4]), frozenset(blocks[6])


class Reading:
    """Everything that some word names, as it was when it was read.

    Attributes
    ----------
    policies : dict
        The part that is in force at each interface, by its id.
    sections : dict
        The form of each section.

    Raises
    ------
    DataPlaneError
        A row names what is not there.

    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._tables: dict[int, _Table] = {}
        self._parts: dict[tuple[type, int], Part] = {}
        self.sections: dict[SectionPart, SectionForm] = {}
        self.policies: dict[str, PolicyPart] = {}
        self._read_tables()
        for number in np.flatnonzero(rows.maps.words).tolist():
            name, row = rows.names.name(INTERFACE, number), row_of(int(rows.maps.words[number]))
            if name is not None and row != 0:
                self.policies[name] = self._policy(row)

    def _read_tables(self) -> None:
        for name in (HOSTS, *PREFIXES.values()):
            keys, values = self._rows.elements(name).items()
            order = np.argsort(keys["table"], kind="stable")
            keys, values = keys[order], values[order]
            numbers, starts = np.unique(keys["table"], return_index=True)
            ends = [*starts[1:].tolist(), len(keys)][: len(numbers)]
            for number, first, end in zip(numbers.tolist(), starts.tolist(), ends, strict=True):
                table = self._tables.setdefault(number, _Table())
                table.keys[name] = keys[first:end]
                table.values[name] = values[first:end].tolist()

    def adopt(self) -> None:
        """Take what is in force, and delete the elements of tables that nothing refers to."""
        rows = self._rows
        for part in self._parts.values():
            for name, first, length in part.runs:
                rows.rooms[name].adopt(first, length)
        for part in self.policies.values():
            part.holders += 1
        used = {
            run.first for part in self._parts.values() for run in part.runs if run.name == TABLES
        }
        for number, table in self._tables.items():
            for name, keys in table.keys.items():
                rows.counts[name] += len(keys)
                if number not in used:
                    rows.drop_keys(name, keys)
        live = {part.row for part in self._parts.values() if isinstance(part, SectionPart)}
        for section in rows.names.known(ACL).keys() - live:
            rows.names.forget_section(section)
        # Parts have what they need; a plane keeps this as long as somebody may still attach.
        self._tables, self._parts = {}, {}

    def forget(self, interface_ids: Iterable[str]) -> None:
        """Forget interfaces whose policy is known, or another; and all when none is left."""
        for each in interface_ids:
            self.policies.pop(each, None)
        if not self.policies:
            self.sections = {}

    def forms(self) -> Mapping[str, InterfaceForm]:
        """Return the form of each interface."""
        return {each: self.form(part) for each, part in self.policies.items()}

    def form(self, part: PolicyPart) -> InterfaceForm:
        """Return the form of an interface's policy."""
        row = self._at("policies", part.row)
        owner = int(row["owner"])
        return InterfaceForm(
            owner=self._name(OWNER, owner),
            allowance=int(self._at("owners", owner)["allowance"]),
            rules=tuple(self.sections[each] for each in part.rules),
            acl=tuple(self.sections[each] for each in part.acl),
            acl_always=tuple(row["acl_always"].tolist()),
            own4=int(row["own4"]),
            own6=int(row["own6_hi"]) << 64 | int(row["own6_lo"]),
            own=part.own.own,
            subnet=_subnet_form(part.subnet),
            timeouts_ms=tuple(self._at("timeouts", int(row["timeouts"])).tolist()),
            carries_groups=bool(row["carries_groups"]),
            source_dest_check=bool(row["source_dest_check"]),
            mac=row["mac"].tobytes(),
            related_icmp=bool(row["related_icmp"]),
            loose_tcp=bool(row["loose_tcp"]),
            strict_tcp=bool(row["strict_tcp"]),
            logs=bool(row["logs"]),
        )

    # Rows

    def _at(self, name: str, row: int) -> Any:
        return self._run(name, row, 1)[0]

    def _run(self, name: str, first: int, length: int) -> NDArray[Any]:
        found = self._rows.array(name)[first : first + length]
        if len(found) != length:
            raise DataPlaneError(
                PLANE,
                f"map {name}",
                f"rows {first} to {first + length} are named, expected rows of this map only",
            )
        return found

    def _name(self, kind: int, number: int) -> str:
        found = self._rows.names.name(kind, number)
        return _UNKNOWN if found is None else found

    def _policy(self, number: int) -> PolicyPart:
        row = self._at("policies", number)
        found = self._parts.get((PolicyPart, number))
        if found is None:
            four = range(4)
            found = self._parts[PolicyPart, number] = PolicyPart(
                None,
                [self._section(int(row["rules"][each]), each) for each in four],
                [self._section(int(row["acl"][each]), each) for each in four],
                self._subnet(int(row["subnet"])),
                self._own(int(row["own"])),
            )
            found.runs = [Run("policies", number, 1)]
        assert isinstance(found, PolicyPart)
        return found

    def _section(self, number: int, place: int) -> SectionPart:
        found = self._parts.get((SectionPart, number))
        if found is None:
            row = self._at("sections", number)
            family = 6 if place & 1 else 4
            is_acl = bool(row["is_acl"])
            addresses = self._addresses(row, family)
            ports, intervals = self._ports(row, family)
            first, rules = int(row["numbers"]), int(row["rules"])
            numbers = self._run("numbers", first, rules + is_acl).tolist()
            plan = SectionPlan(
                addresses.plan,
                ports.plan,
                names=() if is_acl else tuple(self._name(RULE, each) for each in numbers),
                entries=tuple(numbers) if is_acl else (),
                acl_id=self._name(ACL, number) if is_acl else None,
            )
            found = self._parts[SectionPart, number] = SectionPart(plan, addresses, ports)
            found.runs = [Run("sections", number, 1), Run("numbers", first, len(numbers))]
            self.sections[found] = SectionForm(
                family=family,
                names=plan.names,
                entries=plan.entries,
                acl_id=plan.acl_id,
                kinds=int(row["kinds"]),
                all_open=int(row["all_open"]),
                elsewhere=addresses.classes.elsewhere,
                blocks=addresses.classes.content,
                ports=intervals,
            )
        assert isinstance(found, SectionPart)
        return found

    def _addresses(self, row: Any, family: int) -> AddressPart:
        number = int(row["addresses"])
        found = self._parts.get((AddressPart, number))
        if found is None:
            words, first = int(row["words"]), int(row["address_bits"])
            values = self._tables[number].blocks(family) if number in self._tables else {}
            elsewhere = int(row["elsewhere"])
            used = {each & _CLASS: each for each in (elsewhere, *values.values())}
            count = max(used) + 1
            bits = self._bits(first, count, words)
            said = {
                each: bits[each & _CLASS] | each >> WEIGHT_SHIFT << WEIGHT_BIT
                for each in used.values()
            }
            content = {block: said[each] for block, each in values.items()}
            found = AddressPart(
                AddressPlan(family, (), UNTRACKED),
                BlockClasses.read(family, content, said[elsewhere]),
                "",
            )
            found.kinds, found.words = int(row["kinds"]), words
            found.count(
                {said[each]: number for number, each in used.items()}, set(range(count)) - set(used)
            )
            found.runs = [Run("bitmaps", first, count * words), Run(TABLES, number, 1)]
            self._parts[AddressPart, number] = found
        assert isinstance(found, AddressPart)
        return found

    def _ports(self, row: Any, family: int) -> tuple[PortPart, Intervals]:
        first, count, words = int(row["ports"]), int(row["ports_count"]), int(row["words"])
        boundaries = self._run("boundaries", first, count).tolist()
        classes = max(each & OPENED - 1 for each in boundaries) + 1
        bits = self._bits(int(row["port_bits"]), classes, words)
        found = self._parts.get((PortPart, first))
        if found is None:
            found = self._parts[PortPart, first] = PortPart(PortPlan(family, ()))
            found.all_open = int(row["all_open"])
            found.runs = [
                Run("boundaries", first, count),
                Run("bitmaps", int(row["port_bits"]), classes * words),
            ]
        assert isinstance(found, PortPart)
        return found, tuple(
            (each >> 32, each & OPENED != 0, bits[each & OPENED - 1]) for each in boundaries
        )

    def _bits(self, first: int, classes: int, words: int) -> list[int]:
        packed = self._run("bitmaps", first, classes * words).tobytes()
        step = 8 * words
        return [
            int.from_bytes(packed[at : at + step], "little") for at in range(0, len(packed), step)
        ]

    def _subnet(self, number: int) -> SubnetPart:
        found = self._parts.get((SubnetPart, number))
        if found is None:
            row = self._at("subnets", number)
            bounds = [int(row[each]) for each in ("exempt4", "exempt6", "exempt_end")]
            exempt = [
                tuple(self._run("exempts", first, end - first)[list(_EXEMPT)].tolist())
                for first, end in pairwise(bounds)
            ]
            blocks6 = row["blocks6"][: min(BLOCKS6, int(row["blocks6_count"]))].tolist()
            form = SubnetForm(
                block4=(int(row["block4"]), int(row["mask4"])) if row["has_block4"] else None,
                blocks6=tuple(map(tuple, blocks6)),
                broadcast=int(row["broadcast"]) if row["has_block4"] else None,
                exempt4=exempt[0],
                exempt6=exempt[1],
            )
            found = self._parts[SubnetPart, number] = SubnetPart(form)
            found.runs = [
                Run("subnets", number, 1),
                Run("exempts", bounds[0], bounds[2] - bounds[0]),
            ]
        assert isinstance(found, SubnetPart)
        return found

    def _own(self, number: int) -> OwnPart:
        found = self._parts.get((OwnPart, number))
        if found is None:
            table = self._tables.get(number, _Table())
            found = self._parts[OwnPart, number] = OwnPart(table.own())
            found.runs = [Run(TABLES, number, 1)]
        assert isinstance(found, OwnPart)
        return found


_EXEMPT: Final = ("hi", "lo", "protocol", "port", "answer")


def _subnet_form(part: SubnetPart) -> SubnetForm:
    form = part.key
    assert isinstance(form, SubnetForm)
    return form
