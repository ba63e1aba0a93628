"""The memory of `Tables`: parts laid end to end as they come, each once.

Owns where each part begins. Nothing that has been laid down moves or changes, and arrays grow
into room that they have: tables that have been handed out stay true. Knows no networks.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from secgroup.engine.parts import RuleTable, TableKey
from secgroup.engine.section import AddressPart, PortPart, Section, Sections, answer_to_all
from secgroup.engine.tables import (
    EXEMPT,
    SECTION,
    SUBNET,
    Tables,
    halves,
    read_only,
    records,
)
from secgroup.net.address import Address, Prefix
from secgroup.net.protocol import TCP, UDP

_ROOM: Final = 64
#: What an arena may grow to, at least, before what nobody needs any more is left behind; and how
#: many times what was needed when that was done last.
_LEAST_BYTES: Final = 1 << 26
_TIMES: Final = 4
_NOT_LAID: Final = (-1, -1, -1, -1)


class _Pool:
    """An array that grows at its end."""

    def __init__(self, dtype: DTypeLike, *shape: int) -> None:
        self._room: NDArray[Any] = np.zeros((_ROOM, *shape), dtype=dtype)
        self.size = 0

    def extend(self, rows: NDArray[Any]) -> int:
        """Put rows behind the others; return where they begin."""
        first = self._reserve(len(rows))
        self._room[first : self.size] = rows
        return first

    def append(self, row: tuple[int, ...]) -> int:
        """Put a row behind the others; return its number."""
        first = self._reserve(1)
        self._room[first] = row
        return first

    def _reserve(self, count: int) -> int:
        first = self.size
        self.size += count
        if self.size > len(self._room):
            size = max(self.size, 2 * len(self._room))
            grown = np.zeros((size, *self._room.shape[1:]), dtype=self._room.dtype)
            grown[:first] = self._room[:first]
            self._room = grown
        return first

    @property
    def rows(self) -> NDArray[Any]:
        """The rows; a view."""
        return self._room[: self.size]


class Arena:
    """Everything that has been laid down for the revisions of a network.

    Attributes
    ----------
    keys : list of TableKey
        What each rule table is for, by its number.
    rule_tables : list of RuleTable or None
        By their numbers; None is not laid down.
    acl_ids : list of str
        By the number of the ACL.
    limit_bytes : int
        A revision that finds more goes on in another arena (`compile`).

    """

    def __init__(self) -> None:
        self.keys: list[TableKey] = []
        self.rule_tables: list[RuleTable | None] = []
        self.acl_ids: list[str] = []
        self.limit_bytes = _LEAST_BYTES
        self._tables, self._acls = _Pool(np.int32, 4), _Pool(np.int32, 4)
        self._sections, self._subnets = _Pool(SECTION), _Pool(SUBNET)
        self._exempt, self._ranges = _Pool(EXEMPT), _Pool(np.uint64, 4)
        self._narrow, self._wide = _Pool(np.uint64), _Pool(np.uint64, 3)
        self._roots, self._bitmaps = _Pool(np.int32), _Pool(np.uint64)
        self._weights, self._opened = _Pool(np.uint8), _Pool(np.uint8)
        self._numbers = _Pool(np.int32)
        self._addresses: dict[AddressPart, tuple[int, ...]] = {}
        self._ports: dict[PortPart, tuple[int, ...]] = {}
        self._members: dict[tuple[Address | Prefix, ...], tuple[int, int, int]] = {}

    @property
    def size_bytes(self) -> int:
        """What everything takes."""
        pools = [each for each in vars(self).values() if isinstance(each, _Pool)]
        return sum(each.rows.nbytes for each in pools)

    def set_limit(self) -> None:
        """Say that everything in it is needed now."""
        self.limit_bytes = max(_LEAST_BYTES, _TIMES * self.size_bytes)

    def tables(self, interfaces: NDArray[Any], timeouts: NDArray[np.int64]) -> Tables:
        """Return everything that has been laid down, as read-only views."""
        return Tables(
            interfaces=records(interfaces),
            subnets=records(self._subnets.rows),
            exempt=records(self._exempt.rows),
            sections=records(self._sections.rows),
            tables=read_only(self._tables.rows),
            acls=read_only(self._acls.rows),
            ranges=read_only(self._ranges.rows),
            narrow=read_only(self._narrow.rows),
            wide=read_only(self._wide.rows),
            roots=read_only(self._roots.rows),
            bitmaps=read_only(self._bitmaps.rows),
            weights=read_only(self._weights.rows),
            opened=read_only(self._opened.rows),
            numbers=read_only(self._numbers.rows),
            timeouts=read_only(timeouts),
        )

    # Rule tables and ACLs

    def number_table(self, key: TableKey) -> int:
        """Return a number for a rule table that is laid down later, or never."""
        self.keys.append(key)
        self.rule_tables.append(None)
        return self._tables.append(_NOT_LAID)

    def number_acl(self, acl_id: str) -> int:
        """Return a number for an ACL that is laid down later, or never."""
        self.acl_ids.append(acl_id)
        return self._acls.append(_NOT_LAID)

    def has_acl(self, number: int) -> bool:
        """Tell whether an ACL has been laid down."""
        return bool(self._acls.rows[number, 0] >= 0)

    def lay_table(self, number: int, table: RuleTable) -> None:
        """Lay a rule table down."""
        self.rule_tables[number] = table
        self._tables.rows[number] = self._lay(table.sections)

    def lay_acl(self, number: int, sections: Sections) -> None:
        """Lay an ACL down."""
        self._acls.rows[number] = self._lay(sections)

    def is_missing(self, tables: NDArray[np.int32], acls: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Tell of pairs of numbers where the rule table or the ACL is not laid down."""
        missing: NDArray[np.bool_] = self._tables.rows[tables, 0] < 0
        missing |= self._acls.rows[acls, 0] < 0
        return missing

    def _lay(self, sections: Sections) -> tuple[int, ...]:
        return tuple(self._sections.append(self._section(each)) for each in sections)

    def _section(self, section: Section) -> tuple[int, ...]:
        part, ports = section.addresses, section.ports
        all_open = ports.classes.all_open
        root, entries, weights, bits = self._address_part(part)
        port_root, port_entries, opened, port_bits = self._port_part(ports)
        return (
            part.root.low,
            part.root.last,
            part.root.shift,
            ports.root.low,
            ports.root.last,
            ports.root.shift,
            root,
            entries,
            weights,
            bits,
            port_root,
            port_entries,
            opened,
            port_bits,
            part.classes.bitmaps.shape[1],
            part.classes.rules,
            self._numbers.extend(np.array(section.numbers, dtype=np.int32)),
            int(all_open[TCP]) | int(all_open[UDP]) << 1,
            answer_to_all(section),
        )

    def _address_part(self, part: AddressPart) -> tuple[int, ...]:
        found = self._addresses.get(part)
        if found is None:
            entries = self._narrow if part.classes.family == 4 else self._wide
            found = self._addresses[part] = (
                self._roots.extend(part.root.intervals),
                entries.extend(part.entries),
                self._weights.extend(part.classes.weights),
                self._bitmaps.extend(part.classes.bitmaps.reshape(-1)),
            )
        return found

    def _port_part(self, part: PortPart) -> tuple[int, ...]:
        found = self._ports.get(part)
        if found is None:
            found = self._ports[part] = (
                self._roots.extend(part.root.intervals),
                self._narrow.extend(part.entries),
                self._opened.extend(part.classes.opened),
                self._bitmaps.extend(part.classes.bitmaps.reshape(-1)),
            )
        return found

    # Addresses and subnets

    def ranges(self, members: tuple[Address | Prefix, ...]) -> tuple[int, int, int]:
        """Return where IPv4 and IPv6 members begin in `Tables.ranges`, and where they end."""
        bounds = self._members.get(members)
        if bounds is None:
            first = self._ranges.size
            for each in members:
                if each.version == 4:
                    self._ranges.append(_range_row(each))
            middle = self._ranges.size
            for each in members:
                if each.version == 6:
                    self._ranges.append(_range_row(each))
            bounds = self._members[members] = (first, middle, self._ranges.size)
        return bounds

    def exempt(self, rows: Sequence[tuple[int, ...]]) -> int:
        """Lay rows of `Tables.exempt` down; return where they begin."""
        for row in rows:
            self._exempt.append(row)
        return self._exempt.size - len(rows)

    def subnet(self, row: tuple[int, ...]) -> int:
        """Lay a row of `Tables.subnets` down; return its number."""
        return self._subnets.append(row)


def _range_row(member: Address | Prefix) -> tuple[int, int, int, int]:
    """Return a row of `Tables.ranges`."""
    if isinstance(member, Prefix):
        return (*halves(member.network_address), *halves(member.broadcast_address))
    return (*halves(member), *halves(member))
