"""What a word names, where it stands in the maps: an interface's policy, its addresses, its subnet.

Owns how they become rows. Read first: `parts`.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from secgroup.dataplane.bpf.forms import SubnetForm
from secgroup.dataplane.bpf.layout import EXEMPT, POLICY, SUBNET
from secgroup.dataplane.bpf.parts import Part, SectionPart
from secgroup.dataplane.bpf.plans import InterfacePlan
from secgroup.dataplane.bpf.rows import TABLES, Rows
from secgroup.engine.tables import exempt_bit
from secgroup.policy.blocks import Block


class SubnetPart(Part):
    """A row of `subnets`, and what is exempt there."""

    def write(self, rows: Rows) -> None:
        """Write all of it."""
        form = self.key
        assert isinstance(form, SubnetForm)
        exempt = [(*each, 0) for each in (*form.exempt4, *form.exempt6)]
        subnet = self.take(rows, "subnets", 1)
        first = self.take(rows, "exempts", len(exempt))
        rows.write("exempts", first, np.array(exempt, EXEMPT))
        row = np.zeros(1, SUBNET)
        row["filter4"] = _filter(each[1] for each in form.exempt4)
        row["filter6"] = _filter(each[1] for each in form.exempt6)
        if form.block4 is not None:
            row["block4"], row["mask4"] = form.block4
            row["has_block4"] = 1
        row["blocks6_count"] = len(form.blocks6)
        for number, block in enumerate(form.blocks6):
            row["blocks6"][0, number] = block
        row["broadcast"] = form.broadcast or 0
        row["exempt4"] = first
        row["exempt6"] = first + len(form.exempt4)
        row["exempt_end"] = first + len(exempt)
        rows.write("subnets", subnet, row)


class OwnPart(Part):
    """The addresses of an interface: a table of both families."""

    def __init__(self, own: tuple[frozenset[Block], frozenset[Block]]) -> None:
        super().__init__(("own", own))
        self.own: Final = own

    def write(self, rows: Rows) -> None:
        """Write all of it."""
        table = self.take(rows, TABLES, 1)
        for family, blocks in zip((4, 6), self.own, strict=True):
            rows.add(table, family, sorted(blocks), [family] * len(blocks))

    def give_back(self, rows: Rows) -> None:
        """Delete its elements too."""
        if self.runs:
            for family, blocks in zip((4, 6), self.own, strict=True):
                rows.drop(self.row, family, sorted(blocks))
        super().give_back(rows)


class PolicyPart(Part):
    """A row of `policies`: what a word names; `plan` is None of one that was found."""

    def __init__(
        self,
        plan: InterfacePlan | None,
        rules: Sequence[SectionPart],
        acl: Sequence[SectionPart],
        subnet: SubnetPart,
        own: OwnPart,
    ) -> None:
        super().__init__(plan, (*rules, *acl, subnet, own))
        self.plan = plan
        self.rules: Final = tuple(rules)
        self.acl: Final = tuple(acl)
        self.subnet: Final = subnet
        self.own: Final = own

    def write(self, rows: Rows, interface: int, owner: int, timeouts: int) -> None:
        """Write it."""
        plan = self.plan
        assert plan is not None
        row = np.zeros(1, POLICY)
        row["interface"], row["owner"], row["timeouts"] = interface, owner, timeouts
        row["rules"] = [each.row for each in self.rules]
        row["acl"] = [each.row for each in self.acl]
        row["acl_always"] = [each.always for each in plan.acl]
        row["own4"] = plan.own4
        row["own"], row["subnet"] = self.own.row, self.subnet.row
        row["own6_hi"], row["own6_lo"] = plan.own6 >> 64, plan.own6 & (1 << 64) - 1
        row["mac"] = list(plan.mac)
        for name in ("carries_groups", "source_dest_check", *_SWITCHES):
            row[name] = getattr(plan, name)
        rows.write("policies", self.take(rows, "policies", 1), row)


_SWITCHES: Final = ("related_icmp", "loose_tcp", "strict_tcp", "logs")


def _filter(lows: Iterable[int]) -> int:
    found = 0
    for lo in lows:
        found |= 1 << exempt_bit(lo)
    return found
