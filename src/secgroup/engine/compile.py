"""From a `Policy` to `Tables`, and from one revision to the next by what has changed.

Owns the rows of interfaces, and the numbers by which they name what they have. Rows are made at
once; rule tables and ACLs are laid down when packets first meet an interface that has them. The
numbers of interfaces, owners and timeouts never change their meaning.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from secgroup.engine.arena import Arena
from secgroup.engine.parts import Parts, Rebuilt, RuleTable, TableKey
from secgroup.engine.rule_tables import RuleTables
from secgroup.engine.surroundings import Surroundings
from secgroup.engine.tables import INTERFACE, Tables
from secgroup.model.interface import NetworkInterface
from secgroup.net.direction import Direction
from secgroup.policy.delta import Delta
from secgroup.policy.resolve import Policy

#: The row of an interface that is gone.
_GONE: Final = (-1, *[0] * (len(INTERFACE.names or ()) - 1))


class Memory:
    """Every number that has been given; none is ever another's.

    Attributes
    ----------
    interfaces, owners : dict of str to int
        Interfaces: their rows in `Tables.interfaces`. Owners of flows: `NetworkInterface.owner`.
    timeouts : dict
        Sets of idle timeouts: their rows in `Tables.timeouts`.

    """

    def __init__(self, before: "Memory | None") -> None:
        self.interfaces: dict[str, int] = {} if before is None else dict(before.interfaces)
        self.owners: dict[str, int] = {} if before is None else dict(before.owners)
        self.timeouts: dict[tuple[int, ...], int] = {} if before is None else dict(before.timeouts)

    @cached_property
    def interface_ids(self) -> Sequence[str]:
        """The id of each row of `interfaces`, when all have been given."""
        return tuple(self.interfaces)

    @cached_property
    def owner_ids(self) -> Sequence[str]:
        """The id of each number of `owners`, likewise."""
        return tuple(self.owners)


class Compiled:
    """A policy in the form that the engine searches.

    Attributes
    ----------
    policy : Policy
    tables : Tables
        The arrays for kernels: another tuple after a `build` that laid something down.
    interfaces : dict
        The row of each interface in `tables.interfaces`; rows of interfaces that are gone stay
        empty, and no row is ever another interface's.
    owners : dict
        The number of each owner of flows (`NetworkInterface.owner`); never another's.
    acl_ids : sequence of str
        By their number in `tables.acls`.
    memory : Memory

    """

    def __init__(self, made: "_Compilation", rows: NDArray[Any]) -> None:
        self.policy: Policy = made.policy
        self.memory: Memory = made.memory
        self.interfaces: Mapping[str, int] = made.interfaces
        self.keys: Mapping[TableKey, int] = made.keys
        self.acls: Mapping[str, int] = made.acls
        self.surroundings: Surroundings = made.surroundings
        self.rule_tables: RuleTables = made.rule_tables
        self.parts: Parts = made.parts
        self.arena: Arena = made.arena
        self.rows = rows
        self._made_before = self.parts.made.copy()
        self._timeouts = np.array(list(self.memory.timeouts), np.int64).reshape(-1, 3)
        self._look()

    @property
    def owners(self) -> Mapping[str, int]:
        """The number of each owner."""
        return self.memory.owners

    @property
    def acl_ids(self) -> Sequence[str]:
        """The ids of ACLs, by their number."""
        return self.arena.acl_ids

    @property
    def rebuilt(self) -> Rebuilt:
        """How many parts have been made since it was compiled."""
        made = self.parts.made
        return Rebuilt(*(made[each] - self._made_before[each] for each in Rebuilt._fields))

    def build(self, rows: NDArray[np.int32] | None = None) -> None:
        """Lay down what packets at these rows ask about.

        Parameters
        ----------
        rows : int32, optional
            Of `tables.interfaces`; -1 is none of them. Without: all rows.

        """
        if not self._is_missing_some:
            return
        if rows is None:
            met = np.flatnonzero(self._is_missing)
        else:
            missing = self._is_missing[rows]
            if not missing.any():
                return
            met = np.unique(rows[missing])
        for number in np.unique(self.rows["table"][met]).tolist():
            if self.arena.rule_tables[number] is None:
                self.arena.lay_table(number, self.rule_tables.make(self.arena.keys[number]))
        for number in np.unique(self.rows["acl"][met]).tolist():
            if not self.arena.has_acl(number):
                acl = self.policy.network.acls[self.arena.acl_ids[number]]
                self.arena.lay_acl(number, self.rule_tables.make_acl(acl))
        self._look()

    def know_timeouts(self, sets: Iterable[Sequence[int]]) -> None:
        """Give numbers to the sets of timeouts that flows of another revision have."""
        known = self.memory.timeouts
        for each in sets:
            known.setdefault(tuple(each), len(known))
        self._timeouts = np.array(list(known), np.int64).reshape(-1, 3)
        self._look()

    def _look(self) -> None:
        """See what has been laid down."""
        self.tables: Tables = self.arena.tables(self.rows, self._timeouts)
        # One more at the end, for row -1.
        self._is_missing = np.zeros(len(self.rows) + 1, dtype=np.bool_)
        there = np.flatnonzero(self.rows["table"] >= 0)
        facts = self.rows[there]
        self._is_missing[there] = self.arena.is_missing(facts["table"], facts["acl"])
        self._is_missing_some = bool(self._is_missing.any())

    def table_of(self, interface_id: str) -> int:
        """Return the number of an interface's rule table."""
        return int(self.rows["table"][self.interfaces[interface_id]])

    def rule_table(self, interface_id: str) -> RuleTable:
        """Return an interface's rule table."""
        row = self.interfaces[interface_id]
        self.build(np.array([row], dtype=np.int32))
        found = self.arena.rule_tables[int(self.rows["table"][row])]
        assert found is not None
        return found

    def rule_ids(
        self, table: int, direction: Direction, family: int, address_class: int, port_class: int
    ) -> tuple[str, ...]:
        """Return the rules that match a pair of classes, in the definition's order.

        Preconditions: the table has been laid down; classes are of no other.
        """
        found = self.arena.rule_tables[table]
        assert found is not None
        return found.section(direction, family).matching(address_class, port_class)


def compile(policy: Policy, *, previous: Compiled | None = None) -> Compiled:  # noqa: A001
    """Compile a policy; what the change since `previous` cannot reach is taken over.

    Parameters
    ----------
    previous : Compiled, optional
        Of an earlier revision of the same network: numbers of interfaces, owners and timeouts
        go on from there. The answers do not depend on it.

    Raises
    ------
    InputError
        An interface has more than 1,000 rules in one direction and family.

    """
    made = _Compilation(policy, previous)
    return Compiled(made, made.rows_afresh() if previous is None else made.rows_from(previous))


class _Compilation:
    """One run of `compile`."""

    def __init__(self, policy: Policy, previous: Compiled | None) -> None:
        self.policy = policy
        self.memory = Memory(None if previous is None else previous.memory)
        self.parts: Parts = Parts() if previous is None else previous.parts
        is_full = previous is None or previous.arena.size_bytes > previous.arena.limit_bytes
        self.arena: Arena = Arena() if previous is None or is_full else previous.arena
        self.rule_tables = RuleTables(policy, self.parts)
        self.surroundings = Surroundings(policy, self.rule_tables, self.arena)
        self.interfaces: Mapping[str, int] = {}
        self.keys: dict[TableKey, int] = {}
        self.acls: dict[str, int] = {}

    def rows_afresh(self) -> NDArray[Any]:
        """Make every row."""
        network = self.policy.network
        made = {each: self._row(network.interfaces[each]) for each in sorted(network.interfaces)}
        numbers = self.memory.interfaces
        self.interfaces = {each: numbers[each] for each in made}
        return np.array([made.get(each, _GONE) for each in numbers], dtype=INTERFACE)

    def rows_from(self, previous: Compiled) -> NDArray[Any]:
        """Take over what a change cannot reach, and make the other rows."""
        delta = self.policy.delta_from(previous.policy)
        if self.arena is previous.arena:
            self.acls = {**previous.acls}
            for each in delta.acls:
                self.acls.pop(each, None)
        if self.policy.joined != previous.policy.joined:
            return self.rows_afresh()
        reached = self.policy.groups_reached_by(delta)
        self.rule_tables.take_over(previous.rule_tables, delta, reached)
        self.keys = {**previous.keys}
        if self.arena is not previous.arena:
            return self._rows_moved(previous, reached)
        if delta.surroundings:
            for key in _with(reached, previous.keys):
                del self.keys[key]
            return self.rows_afresh()
        self.surroundings.take_over(previous.surroundings)
        rows = self._without(previous, delta)
        self._move_tables(rows, reached)
        self._move_acls(rows, previous, delta)
        return self._with_changed(rows, previous, delta)

    def _rows_moved(self, previous: Compiled, reached: frozenset[str]) -> NDArray[Any]:
        """Make every row in an arena of its own, with the rule tables that are still needed."""
        self.keys = {}
        rows = self.rows_afresh()
        for key, number in self.keys.items():
            before = previous.keys.get(key)
            table = None if before is None else previous.arena.rule_tables[before]
            if table is not None and reached.isdisjoint(key.group_ids):
                self.arena.lay_table(number, table)
        self.arena.set_limit()
        return rows

    def _without(self, previous: Compiled, delta: Delta) -> NDArray[Any]:
        """Return the rows before, without those of changed interfaces."""
        rows = previous.rows.copy()
        gone = [previous.interfaces[each] for each in delta.interfaces & previous.interfaces.keys()]
        rows[np.array(gone, dtype=np.intp)] = _GONE
        return rows

    def _move_tables(self, rows: NDArray[Any], reached: frozenset[str]) -> None:
        """Give the rule tables that a change reaches other numbers."""
        moved = np.arange(len(self.arena.keys), dtype=np.int32)
        for key in _with(reached, self.keys):
            number = self.keys.pop(key)
            if (rows["table"] == number).any():
                self.rule_tables.require_few(key.group_ids, partial(self._holder, rows, number))
                moved[number] = self._number(key)
        if len(moved):
            rows["table"] = np.where(rows["table"] < 0, -1, moved[rows["table"]])

    def _holder(self, rows: NDArray[Any], number: int) -> str:
        """Return the first interface that has a rule table."""
        holders = set(np.flatnonzero(rows["table"] == number).tolist())
        return min(each for each, row in self.memory.interfaces.items() if row in holders)

    def _move_acls(self, rows: NDArray[Any], previous: Compiled, delta: Delta) -> None:
        for acl_id in delta.acls & previous.acls.keys() & self.policy.network.acls.keys():
            rows["acl"][rows["acl"] == previous.acls[acl_id]] = self._acl(acl_id)

    def _with_changed(self, rows: NDArray[Any], previous: Compiled, delta: Delta) -> NDArray[Any]:
        """Add the rows of changed interfaces."""
        if not delta.interfaces:
            self.interfaces = previous.interfaces
            return rows
        self.interfaces = interfaces = {**previous.interfaces}
        now = self.policy.network.interfaces
        for each in sorted(delta.interfaces):
            interfaces.pop(each, None)
        changed = {each: self._row(now[each]) for each in sorted(delta.interfaces & now.keys())}
        numbers = self.memory.interfaces
        new = np.array([_GONE] * (len(numbers) - len(rows)), dtype=INTERFACE)
        rows = np.concatenate((rows, new))
        for each, row in changed.items():
            rows[numbers[each]] = row
            interfaces[each] = numbers[each]
        return rows

    def _row(self, interface: NetworkInterface) -> tuple[int, ...]:
        memory, around = self.memory, self.surroundings.of(interface)
        group_ids = tuple(dict.fromkeys(interface.group_ids))
        key = TableKey(interface.vpc_id, group_ids, around.tracked)
        table = self.keys.get(key)
        if table is None:
            self.rule_tables.require_few(group_ids, lambda: interface.interface_id)
            table = self._number(key)
        memory.interfaces.setdefault(interface.interface_id, len(memory.interfaces))
        timeouts = tuple(self.policy.timeouts_of(interface))
        return (
            table,
            around.subnet,
            self._acl(around.acl_id),
            memory.owners.setdefault(interface.owner, len(memory.owners)),
            memory.timeouts.setdefault(timeouts, len(memory.timeouts)),
            *self.arena.ranges((*interface.addresses, *interface.prefixes)),
            interface.carries_groups,
            interface.source_dest_check,
        )

    def _number(self, key: TableKey) -> int:
        number = self.keys[key] = self.arena.number_table(key)
        return number

    def _acl(self, acl_id: str) -> int:
        number = self.acls.get(acl_id)
        if number is None:
            number = self.acls[acl_id] = self.arena.number_acl(acl_id)
        return number


def _with(group_ids: frozenset[str], keys: Iterable[TableKey]) -> list[TableKey]:
    """Return the keys of the tables that have rules of one of these groups."""
    if not group_ids:
        return []
    return [key for key in keys if not group_ids.isdisjoint(key.group_ids)]
