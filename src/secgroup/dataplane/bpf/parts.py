"""Sections where they stand in the maps, each written once and shared by who needs it.

Owns how each part becomes rows. A part is held by those that refer to it and by nothing else;
when nobody holds it its rows wait for a grace period. Knows no network: plans say what to write.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np

from secgroup.dataplane.bpf.forms import all_open_of, bitmap_rows, kinds_of, words_of
from secgroup.dataplane.bpf.layout import (
    CLASS_BITS,
    HAS_HOSTS,
    HAS_PREFIXES,
    OPENED,
    SECTION,
    WEIGHT_SHIFT,
)
from secgroup.dataplane.bpf.names import RULE
from secgroup.dataplane.bpf.rows import TABLES, Rows, Run
from secgroup.dataplane.bpf.sections import AddressPlan, PortPlan, SectionPlan
from secgroup.policy.blocks import (
    Block,
    BlockClasses,
    Edit,
    bits_of,
    length_of,
    rules_of,
    weight_of,
)
from secgroup.policy.peers import Asked

#: How many classes more than now a table of addresses has room for, at least and of those it has.
_SPARE: Final = 8
_SPARE_SHARE: Final = 4


class Part:
    """Something that stands in the maps.

    Attributes
    ----------
    key : object
        What it is, by identity of the plan or by value.
    holders : int
        How many parts, or interfaces, refer to it.
    parts : tuple of Part
        What it refers to.
    runs : list of Run
        The rows that are its own.

    """

    def __init__(self, key: object, parts: Sequence["Part"] = ()) -> None:
        self.key = key
        self.holders = 0
        self.parts = tuple(parts)
        for each in parts:
            each.holders += 1
        self.runs: list[Run] = []

    @property
    def row(self) -> int:
        """Its first row."""
        return self.runs[0].first

    def take(self, rows: Rows, name: str, count: int) -> int:
        """Take rows for it; return the first."""
        run = Run(name, rows.rooms[name].take(count), count)
        self.runs.append(run)
        return run.first

    def give_back(self, rows: Rows) -> None:
        """Make its rows free. Preconditions: no packet reads them any more."""
        for name, first, count in self.runs:
            rows.rooms[name].give(first, count)
        self.runs = []


class AddressPart(Part):
    """A table of addresses and the bitmaps of its classes.

    Attributes
    ----------
    numbers : dict
        The number of each class.
    spare : list of int
        Numbers that no element has and no packet still reads.
    late : list of int
        Numbers that no element has, but packets under way may still read.

    """

    def __init__(self, plan: AddressPlan, classes: BlockClasses, region: str) -> None:
        super().__init__(plan)
        self.region = region
        self.plan = plan
        self.classes = classes
        self.kinds = kinds_of(plan.family, classes.lengths, plan.sources)
        self.words = words_of(len(plan.sources))
        self.numbers: dict[int, int] = {}
        self.uses: Counter[int] = Counter()
        self.spare: list[int] = []
        self.late: list[int] = []

    @property
    def table(self) -> int:
        """Its number."""
        return self.runs[1].first

    @property
    def bits(self) -> int:
        """The first word of its classes among `bitmaps`."""
        return self.runs[0].first

    def value(self, content: int) -> int:
        """Return the value of an element of a class."""
        return self.numbers[content] | weight_of(content) << WEIGHT_SHIFT

    def write(self, rows: Rows) -> None:
        """Write all of it."""
        content = self.classes.content
        self._count_uses()
        self.numbers = {each: number for number, each in enumerate(self.uses)}
        used = len(self.numbers)
        room = used + max(_SPARE, used // _SPARE_SHARE)
        assert room < 1 << CLASS_BITS
        self.spare = list(range(used, room))
        first = self.take(rows, "bitmaps", room * self.words)
        self.take(rows, TABLES, 1)
        rows.write("bitmaps", first, bitmap_rows(list(map(rules_of, self.numbers)), self.words))
        values = {each: self.value(each) for each in self.numbers}
        rows.add(
            self.table,
            self.plan.family,
            list(content),
            [values[each] for each in content.values()],
        )

    def _count_uses(self) -> None:
        self.uses = Counter(self.classes.content.values())
        self.uses[self.classes.elsewhere] += 1

    def count(self, numbers: dict[int, int], spare: Iterable[int]) -> None:
        """Say which numbers its classes have, where it was found."""
        self.numbers, self.spare = numbers, list(spare)
        self._count_uses()

    def recognise(self, plan: AddressPlan, classes: BlockClasses, region: str) -> None:
        """Say what a table that was found is of."""
        self.key = self.plan = plan
        self.classes, self.region = classes, region

    @property
    def asked(self) -> list[Asked]:
        """Whose blocks are in it."""
        return [(self.plan.family, each) for each in self.plan.masks]

    def may_take(self, edit: Edit) -> bool:
        """Tell whether an edit can be made in place, as far as rows are concerned."""
        before = self.classes.content.get(edit.block)
        if before == edit.content:
            return True
        if edit.content is not None and edit.content not in self.numbers and not self.spare:
            return False
        kind = HAS_HOSTS if length_of(edit.block) == bits_of(self.plan.family) else HAS_PREFIXES
        if self.kinds & kind == 0:
            return False
        return edit.content is not None or self._keeps(kind, edit.block)

    def replaces_host(self, edit: Edit) -> bool:
        """Tell whether an edit gives a single address that is there another class."""
        before = self.classes.content.get(edit.block)
        is_other = before is not None and edit.content is not None and before != edit.content
        return is_other and length_of(edit.block) == bits_of(self.plan.family)

    def _keeps(self, kind: int, without: Block) -> bool:
        """Tell whether it is of a kind without one of its blocks, too."""
        lengths = self.classes.lengths.copy()
        lengths[length_of(without)] -= 1
        return kinds_of(self.plan.family, lengths, self.plan.sources) & kind != 0

    def ready(self, rows: Rows, edit: Edit) -> None:
        """Write the class of an edit, which nothing refers to yet."""
        if edit.content is not None and edit.content not in self.numbers:
            number = self.numbers[edit.content] = self.spare.pop()
            bits = bitmap_rows([rules_of(edit.content)], self.words)
            rows.write("bitmaps", self.bits + number * self.words, bits)

    def unready(self, edit: Edit) -> None:
        """Take back what `ready` did."""
        if edit.content is not None and self.uses[edit.content] == 0:
            self.spare.append(self.numbers.pop(edit.content))
            del self.uses[edit.content]

    def change(self, rows: Rows, edit: Edit) -> Edit:
        """Put an edit in force, one element; return the edit that takes it back.

        Raises
        ------
        DataPlaneError
            The kernel had no memory for it; nothing has changed.

        """
        before = self.classes.content.get(edit.block)
        if before != edit.content:
            value = None if edit.content is None else self.value(edit.content)
            rows.change(self.table, self.plan.family, edit.block, value, is_new=before is None)
        direct = self.classes.apply(edit)
        if edit.content is not None:
            self.uses[edit.content] += 1
        if before is not None:
            self.uses[before] -= 1
        return Edit(block=edit.block, direct=direct, content=before)

    def tidy(self) -> None:
        """Find the classes that no element has any more."""
        for content in [each for each, uses in self.uses.items() if uses == 0]:
            del self.uses[content]
            self.late.append(self.numbers.pop(content))

    def give_back(self, rows: Rows) -> None:
        """Delete its elements too."""
        if len(self.runs) > 1:
            rows.drop(self.table, self.plan.family, list(self.classes.content))
        super().give_back(rows)


class PortPart(Part):
    """Intervals of protocols and ports, and the bitmaps of their classes."""

    def __init__(self, plan: PortPlan) -> None:
        super().__init__(plan)
        self.plan = plan
        self.all_open = 0

    @property
    def bits(self) -> int:
        """The first word of its classes among `bitmaps`."""
        return self.runs[1].first

    def write(self, rows: Rows) -> None:
        """Write all of it."""
        classes = self.plan.classes()
        self.all_open = all_open_of(classes)
        opened = classes.opened.astype(np.uint64)[classes.class_of] * np.uint64(OPENED)
        starts = classes.starts.astype(np.uint64) << np.uint64(32)
        intervals = starts | opened | classes.class_of.astype(np.uint64)
        rows.write("boundaries", self.take(rows, "boundaries", len(intervals)), intervals)
        bits = classes.bitmaps.reshape(-1)
        rows.write("bitmaps", self.take(rows, "bitmaps", len(bits)), bits)


class SectionPart(Part):
    """A row of `sections`, and the numbers of its rules."""

    def __init__(self, plan: SectionPlan, addresses: AddressPart, ports: PortPart) -> None:
        super().__init__(plan, (addresses, ports))
        self.plan = plan
        self.addresses: Final = addresses
        self.ports: Final = ports

    def write(self, rows: Rows) -> None:
        """Write all of it."""
        plan, addresses, ports = self.plan, self.addresses, self.ports
        numbers = list(plan.entries)
        if plan.acl_id is None:
            numbers = rows.names.numbers(RULE, plan.names)
        section = self.take(rows, "sections", 1)
        first = self.take(rows, "numbers", len(numbers))
        rows.write("numbers", first, np.array(numbers, np.int64))
        if plan.acl_id is not None:
            rows.names.name_section(section, plan.acl_id)
        row = np.zeros(1, SECTION)
        row["addresses"] = addresses.table
        row["elsewhere"] = addresses.value(addresses.classes.elsewhere)
        row["kinds"] = addresses.kinds
        row["words"] = addresses.words
        row["address_bits"] = addresses.bits
        row["port_bits"] = ports.bits
        row["ports"] = ports.row
        row["ports_count"] = ports.runs[0].length
        row["numbers"] = first
        row["rules"] = plan.rules
        row["all_open"] = ports.all_open
        row["is_acl"] = plan.acl_id is not None
        rows.write("sections", section, row)

    def give_back(self, rows: Rows) -> None:
        """Forget which ACL it was, too."""
        if self.plan.acl_id is not None and self.runs:
            rows.names.forget_section(self.row)
        super().give_back(rows)


def release(part: Part, gone: Callable[[Part], None]) -> None:
    """Let a part go, and what it alone held; `gone` is told of each that nobody holds."""
    part.holders -= 1
    if part.holders == 0:
        gone(part)
        for each in part.parts:
            release(each, gone)
