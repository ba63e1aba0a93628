"""The fields of finished flow-log records as columns.

Owns how each field's column comes about; what its values are, `flowlog.record` says: whatever
depends on more than a record's own numbers is asked of its getters, once for each distinct case.
"""

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Final, TypeAlias

import numpy as np

from secgroup.decision import Reason, Verdict
from secgroup.engine.aggregate import NODATA, SKIPDATA, Batch
from secgroup.engine.columns import ABSENT, ADDRESS, INTEGER, WORD, Columns, Lexicon
from secgroup.engine.layout import I8, U8
from secgroup.engine.live import (
    ACCEPTED_BIT,
    EGRESS_BIT,
    FLAGS_SHIFT,
    IPV6_BIT,
    PORTS_BIT,
    Finished,
)
from secgroup.flowlog.fields import Format, Value
from secgroup.flowlog.record import GETTERS, Flow
from secgroup.net.address import Address
from secgroup.net.direction import Direction

#: Fields whose value is the same in all records of a window.
_OF_WINDOW: Final = frozenset({
    "account-id", "interface-id", "vpc-id", "subnet-id", "instance-id", "region", "az-id",
    "sublocation-type", "sublocation-id", "interface-type",
})  # fmt: skip

#: Fields that depend on window, direction and one or both addresses.
_OF_SOURCE: Final = frozenset({"pkt-src-aws-service"})
_OF_PEER: Final = frozenset({
    "next-hop-interface-id", "next-hop-subnet-id", "next-hop-az-id", "next-hop-vpc-id",
    "next-hop-interface-type",
})  # fmt: skip

#: Fields that a record without packets has.
_OF_STATUS: Final = frozenset(
    {"version", "account-id", "interface-id", "start", "end", "log-status"}
)

_INTEGERS: Final = frozenset({"traffic-path"})

RuleIds: TypeAlias = Callable[[int], tuple[str, ...]]


class _Rows:
    """The records of a batch, and what several fields need of them."""

    def __init__(self, batch: Batch) -> None:
        self.windows = batch.windows
        self.records: Finished = batch.records
        traits = batch.records.traits
        self.is_status = batch.records.packets < 0
        self.is_egress = _bits(traits, EGRESS_BIT, 1) != 0
        self.is_ipv4 = _bits(traits, IPV6_BIT, 1) == 0
        self.family = np.where(self.is_ipv4, 4, 6)
        self._primaries: tuple[I8, U8] | None = None

    @property
    def count(self) -> int:
        return int(self.records.packets.shape[0])

    @property
    def primaries(self) -> tuple[I8, U8]:
        """For each window: whether its interface has a primary private address, and which."""
        if self._primaries is None:
            found = [window.place.primary for window in self.windows]
            known = np.array([each is not None for each in found], dtype=np.int64)
            numbers = np.array([0 if each is None else int(each) for each in found], np.uint64)
            self._primaries = known, numbers | np.uint64(0xFFFF << 32)
        return self._primaries


class RecordColumns:
    """Makes columns of finished records, field by field of a format.

    Parameters
    ----------
    format : Format
    rule_ids : callable, optional
        Rule ids of the number of a rule set; needed for `secgroup-rule-ids`.

    """

    def __init__(self, format: Format, rule_ids: RuleIds | None = None) -> None:  # noqa: A002
        self._format = format
        self._rule_ids = rule_ids
        self.lexicon = Lexicon()
        self.kinds = np.array(
            [self._kind(each.name, is_known=each.is_known) for each in format.fields], np.uint8
        )
        is_address = self.kinds == ADDRESS
        self._places = np.where(is_address, np.cumsum(is_address) - 1, 0).astype(np.int64)
        self._addresses = int(is_address.sum())

    @property
    def format(self) -> Format:
        """The fields."""
        return self._format

    def of(self, batch: Batch) -> Columns:
        """Return the columns of a batch's records, in the order of the format's fields."""
        rows = _Rows(batch)
        values = np.empty((len(self.kinds), rows.count), dtype=np.int64)
        hi = np.zeros((self._addresses, rows.count), dtype=np.uint64)
        lo = np.zeros((self._addresses, rows.count), dtype=np.uint64)
        has_status = bool(rows.is_status.any())
        for column, field in enumerate(self._format.fields):
            if not field.is_known:
                values[column] = ABSENT
            elif self.kinds[column] == ADDRESS:
                place = self._places[column]
                values[column] = rows.family
                hi[place], lo[place] = self._address(field.name, rows)
            else:
                values[column] = self._values(field.name, rows)
            if has_status and field.name not in _OF_STATUS:
                values[column, rows.is_status] = ABSENT
        return Columns(kinds=self.kinds, places=self._places, values=values, hi=hi, lo=lo)

    def _kind(self, name: str, *, is_known: bool) -> int:
        if not is_known:
            return INTEGER
        if name in ("srcaddr", "dstaddr", "pkt-srcaddr", "pkt-dstaddr"):
            return ADDRESS
        return INTEGER if name in _NUMBERS or name in ("version", "traffic-path") else WORD

    def _address(self, name: str, rows: _Rows) -> tuple[U8, U8]:
        records = rows.records
        if name in ("dstaddr", "pkt-dstaddr"):
            hi, lo = records.destination_hi, records.destination_lo
        else:
            hi, lo = records.source_hi, records.source_lo
        if name.startswith("pkt-"):
            return hi, lo
        known, primaries = rows.primaries
        shown = rows.is_ipv4 & ~rows.is_status & (known[records.window] != 0)
        if name == "dstaddr":
            shown &= ~rows.is_egress
        else:
            shown &= rows.is_egress & ~_is_own(rows, lo)
        return hi, np.where(shown, primaries[records.window], lo)

    def _values(self, name: str, rows: _Rows) -> I8:
        if name == "version":
            return np.full(rows.count, self._format.version, dtype=np.int64)
        if name in _NUMBERS:
            return _NUMBERS[name](rows)
        number, records = self.lexicon.number, rows.records
        if name in _OF_WINDOW:
            get = GETTERS[name]
            each = [number(_text(get(window, _NO_FLOW))) for window in rows.windows]
            return np.array(each, dtype=np.int64)[records.window]
        if name == "log-status":
            told = np.array([number(each) for each in ("OK", "NODATA", "SKIPDATA")])
            return told[np.where(rows.is_status, -records.packets, 0)]
        if name in _CHOICES:
            words, choose = _CHOICES[name]
            return np.array([number(each) for each in words])[choose(rows)]
        if name == "secgroup-rule-ids":
            return self._rules(rows)
        return self._asked(name, rows)

    def _asked(self, name: str, rows: _Rows) -> I8:
        """Ask the getter for each distinct window, direction and address."""
        records, get = rows.records, GETTERS[name]
        by_source = np.zeros(rows.count, dtype=bool)
        if name in _OF_SOURCE:
            by_source[:] = True
        elif name in _OF_PEER:
            by_source = ~rows.is_egress
        keys = np.empty((rows.count, 4), dtype=np.uint64)
        keys[:, 0] = records.window
        keys[:, 1] = rows.is_egress | rows.is_ipv4 << 1 | by_source << 2 | rows.is_status << 3
        keys[:, 2] = np.where(by_source, records.source_hi, records.destination_hi)
        keys[:, 3] = np.where(by_source, records.source_lo, records.destination_lo)
        packed = np.ascontiguousarray(keys).view(np.dtype((np.void, 32))).ravel()
        _, firsts, inverse = np.unique(packed, return_index=True, return_inverse=True)
        answers = []
        for row in firsts.tolist():
            value: Value = None
            if not rows.is_status[row]:
                value = get(rows.windows[records.window[row]], _flow(rows, row))
            if name in _INTEGERS:
                answers.append(ABSENT if value is None else int(value))
            else:
                answers.append(self.lexicon.number(_text(value)))
        return np.array(answers, dtype=np.int64)[inverse.ravel()]

    def _rules(self, rows: _Rows) -> I8:
        """Ask the getter for each distinct list of rule sets."""
        records, known = rows.records, dict[bytes, int]()
        assert self._rule_ids is not None
        values = np.empty(rows.count, dtype=np.int64)
        begin = 0
        for row, end in enumerate(records.rules_end.tolist()):
            sets = records.rules[begin:end]
            begin = end
            key = sets.tobytes()
            if key not in known:
                flow = _flow(rows, row)
                flow.rules.extend(self._rule_ids(each) for each in sets.tolist())
                value = GETTERS["secgroup-rule-ids"](rows.windows[records.window[row]], flow)
                known[key] = self.lexicon.number(_text(value))
            values[row] = known[key]
        return values


def address_of(family: int, hi: int, lo: int) -> Address:
    """Return the address that columns of packets and records say."""
    if family == 4:
        return IPv4Address(lo & 0xFFFFFFFF)
    return IPv6Address(hi << 64 | lo)


def _text(value: Value) -> str | None:
    return None if value is None else str(value)


def _bits(traits: U8, shift: int, mask: int) -> I8:
    return ((traits >> np.uint64(shift)) & np.uint64(mask)).astype(np.int64)


def _ports(shift: int) -> Callable[[_Rows], I8]:
    def column(rows: _Rows) -> I8:
        traits = rows.records.traits
        known = _bits(traits, PORTS_BIT, 1) != 0
        return np.where(known, _bits(traits, shift, 0xFFFF), ABSENT)

    return column


def _is_own(rows: _Rows, lo: U8) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell which IPv4 sources are private addresses of the window's interface."""
    own = np.unique(
        np.array(
            [
                number << 32 | int(address)
                for number, window in enumerate(rows.windows)
                for address in window.interface.addresses
                if address.version == 4
            ],
            dtype=np.uint64,
        )
    )
    asked = rows.records.window.astype(np.uint64) << np.uint64(32) | (lo & np.uint64(0xFFFFFFFF))
    if own.shape[0] == 0:
        return np.zeros(rows.count, dtype=bool)
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = (
        own[np.minimum(np.searchsorted(own, asked), own.shape[0] - 1)] == asked
    )
    return found


def _flow(rows: _Rows, row: int) -> Flow:
    records = rows.records
    family = int(rows.family[row])
    return Flow(
        source=address_of(family, int(records.source_hi[row]), int(records.source_lo[row])),
        destination=address_of(
            family, int(records.destination_hi[row]), int(records.destination_lo[row])
        ),
        ports=(None, None),
        protocol=0,
        direction=Direction(int(rows.is_egress[row])),
        verdict=Verdict.ACCEPT,
        reason=Reason.EXEMPT,
        first_ms=0,
    )


#: Columns that are numbers of the records themselves.
_NUMBERS: Final[dict[str, Callable[[_Rows], I8]]] = {
    "srcport": _ports(0),
    "dstport": _ports(16),
    "protocol": lambda rows: _bits(rows.records.traits, 32, 0xFF),
    "packets": lambda rows: rows.records.packets,
    "bytes": lambda rows: rows.records.octets,
    "start": lambda rows: rows.records.first_ms // 1000,
    "end": lambda rows: rows.records.last_ms // 1000,
    "tcp-flags": lambda rows: _bits(rows.records.traits, FLAGS_SHIFT, 0xFF),
}

_REASON_NAMES: Final = {int(each): each.name for each in Reason}
_REASONS: Final = tuple(_REASON_NAMES.get(number) for number in range(max(_REASON_NAMES) + 1))

#: Columns with a word for each of few numbers.
_CHOICES: Final[dict[str, tuple[Sequence[str | None], Callable[[_Rows], I8]]]] = {
    "action": (("REJECT", "ACCEPT"), lambda rows: _bits(rows.records.traits, ACCEPTED_BIT, 1)),
    "type": (("IPv6", "IPv4"), lambda rows: rows.is_ipv4.astype(np.int64)),
    "flow-direction": (("ingress", "egress"), lambda rows: rows.is_egress.astype(np.int64)),
    "secgroup-reason": (_REASONS, lambda rows: rows.records.reason.astype(np.int64)),
}

_NO_FLOW: Final = Flow(
    source=IPv4Address(0),
    destination=IPv4Address(0),
    ports=(None, None),
    protocol=0,
    direction=Direction.INGRESS,
    verdict=Verdict.ACCEPT,
    reason=Reason.EXEMPT,
    first_ms=0,
)

assert (NODATA, SKIPDATA) == (-1, -2)
