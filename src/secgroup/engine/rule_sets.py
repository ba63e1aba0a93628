"""Lists of rule ids as numbers.

What rules matched a packet, a decision says by its pair of classes in the rule table of its
interface. Owns the numbering of the lists that those pairs stand for: equal lists have one
number, whatever table they came from, and 0 is the empty list.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from secgroup.engine.kernels.rule_sets import number_pairs
from secgroup.engine.layout import I4, I8, DecisionColumns, Packets

#: (table, direction, family, address class, port class) -> rule ids, in the definition's order.
RulesOf: TypeAlias = Callable[[int, int, int, int, int], tuple[str, ...]]


class RuleSets:
    """Numbers what rules matched; the numbers hold as long as this lives."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, ...], int] = {(): 0}
        self._all: list[tuple[str, ...]] = [()]
        self._tables: I4 = np.zeros(0, dtype=np.int32)
        self._rules_of: RulesOf | None = None
        self._pairs = np.zeros((1 << 10, 4), dtype=np.int32)
        self._used = 0

    def __len__(self) -> int:
        """Count the lists."""
        return len(self._all)

    def __getitem__(self, number: int) -> tuple[str, ...]:
        """Return the list with this number."""
        return self._all[number]

    def number(self, rule_ids: tuple[str, ...]) -> int:
        """Return the number of a list."""
        found = self._numbers.get(rule_ids)
        if found is None:
            found = self._numbers[rule_ids] = len(self._all)
            self._all.append(rule_ids)
        return found

    def use(self, tables: I4, rules_of: RulesOf) -> None:
        """Say what the classes of the batches to come mean.

        Parameters
        ----------
        tables : int32, shape (interfaces,)
            The rule table of each interface.
        rules_of : callable
            Asked once for each pair of classes that occurs.

        """
        self._tables = np.ascontiguousarray(tables, dtype=np.int32)
        self._rules_of = rules_of
        self._pairs = np.zeros((1 << 10, 4), dtype=np.int32)
        self._used = 0

    def of(self, packets: Packets, decisions: DecisionColumns) -> I4:
        """Return the number of the list of each decision; int32, shape (n,)."""
        count = packets.time_ms.shape[0]
        found = np.empty(count, dtype=np.int32)
        unknown = np.zeros(5, dtype=np.int64)
        row = 0
        while True:
            row = number_pairs(
                self._pairs, self._tables, packets, decisions, found, unknown, row, count
            )
            if row == count:
                return found
            self._learn(unknown)

    def _learn(self, unknown: I8) -> None:
        """Give a pair its number."""
        assert self._rules_of is not None
        table, direction, family, address_class, port_class = map(int, unknown)
        rule_ids = self._rules_of(table, direction, family, address_class, port_class)
        name = (table << 2 | direction << 1 | (family == 6), address_class, port_class)
        if 2 * (self._used + 1) > self._pairs.shape[0]:
            old = self._pairs
            self._pairs = np.zeros((2 * old.shape[0], 4), dtype=np.int32)
            for pair in old[old[:, 3] != 0].tolist():
                self._put(pair)
        self._put([*name, self.number(rule_ids) + 1])
        self._used += 1

    def _put(self, pair: list[int]) -> None:
        mask = self._pairs.shape[0] - 1
        place = _place_of(pair[0], pair[1], pair[2]) & mask
        while self._pairs[place, 3] != 0:
            place = (place + 1) & mask
        self._pairs[place] = pair


def _place_of(name: int, address_class: int, port_class: int) -> int:
    """Return where the search for a pair begins; the same as the kernel's."""
    return (name * 0x9E3779B1 + address_class * 0x85EBCA77 + port_class * 0xC2B2AE3D) >> 7
