"""Decisions as JSON Lines, as a Parquet file and as Arrow, batch by batch.

Owns how columns become what `replay.decisions` writes one by one; the schema, which is the same
in all three, is there.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from secgroup.conntrack.state import State
from secgroup.decision import Reason, Verdict
from secgroup.engine.columns import ABSENT, U1, U8, Lexicon, words_of
from secgroup.engine.kernels.decisions import OF_INTERFACE, STATES, format_decisions
from secgroup.engine.layout import (
    HAS_ICMP,
    HAS_PORTS,
    I4,
    I8,
    KNOWN_DESTINATION,
    KNOWN_PROTOCOL,
    KNOWN_SOURCE,
    MALFORMED,
    DecisionColumns,
    Packets,
)
from secgroup.engine.rule_sets import RuleSets
from secgroup.engine.write import DOTTED, address_array
from secgroup.flowlog.write import replacing
from secgroup.model.interface import NetworkInterface
from secgroup.net.direction import Direction

if TYPE_CHECKING:
    import pyarrow

#: Bytes of text that are written at once.
BUFFER_SIZE: Final = 1 << 20

#: Decisions in a row group of a Parquet file: what is held until they are written.
ROW_GROUP: Final = 1 << 18

#: Columns that grow from row to row: a Parquet file has their differences.
_BY_DIFFERENCE: Final = ("frame", "time_ns")

#: Bytes of a line's numbers and addresses, at most.
_VALUES_SIZE: Final = 8 * 20 + 2 * 47 + 4 * 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Decisions to be written, in their order; arrays of n elements.

    Parameters
    ----------
    packets, decisions
        A row of reason 0 is no decision, and is left out. One at interface -1 has been decided
        at none.
    frames, times_ns : int64
        Of the capture.
    connections : int64
        0 is none.
    rule_sets : int32
        By `RuleSets`.

    """

    packets: Packets
    decisions: DecisionColumns
    frames: I8
    times_ns: I8
    connections: I8
    rule_sets: I4


class ByteSink(Protocol):
    """Where bytes go."""

    def write(self, octets: Any, /) -> object:
        """Append bytes."""
        ...


class RowWriter(Protocol):
    """Takes decisions, in order."""

    def use(self, interfaces: Sequence[NetworkInterface], acl_ids: Sequence[str | None]) -> None:
        """Say which interfaces, and network ACLs of their subnets, the batches to come mean."""
        ...

    def write(self, rows: Rows) -> None:
        """Append decisions."""
        ...


@contextmanager
def decision_writer(path: Path, rule_sets: RuleSets) -> Iterator[RowWriter]:
    """Write decisions; the file stands under `path` when the block has ended without an error.

    Parameters
    ----------
    path : Path
        `.parquet`: Parquet; else JSON Lines.

    Raises
    ------
    OutputError
        The file cannot be written; nothing half-written is left.

    """
    with replacing(path) as stream:
        if path.suffix == ".parquet":
            parquet = ParquetWriter(stream, rule_sets)
            try:
                yield parquet
                parquet.finish()
            finally:
                parquet.abandon()
        else:
            yield JsonWriter(stream, rule_sets)


class JsonWriter:
    """Writes decisions as lines of JSON.

    Parameters
    ----------
    stream : ByteSink
    rule_sets : RuleSets
        What the rows' numbers mean.

    """

    def __init__(self, stream: ByteSink, rule_sets: RuleSets) -> None:
        self._stream = stream
        self._rule_sets = rule_sets
        self._rules = words_of([])
        self._buffer: U1 = np.zeros(BUFFER_SIZE, dtype=np.uint8)
        self.use((), ())

    def use(self, interfaces: Sequence[NetworkInterface], acl_ids: Sequence[str | None]) -> None:
        """Say which interfaces, and network ACLs of their subnets, the batches to come mean."""
        self._pieces = words_of(_pieces(interfaces, acl_ids))

    def write(self, rows: Rows) -> None:
        """Append decisions."""
        known = self._rules.begin.shape[0] - 1
        if known < len(self._rule_sets):
            self._rules = words_of(
                [json.dumps(self._rule_sets[number]) for number in range(len(self._rule_sets))]
            )
        longest = int(np.diff(self._pieces.begin).max()) * 20
        room = longest + int(np.diff(self._rules.begin).max()) + _VALUES_SIZE
        if room > self._buffer.shape[0]:
            self._buffer = np.zeros(2 * room, dtype=np.uint8)
        row, count = 0, rows.frames.shape[0]
        while row < count:
            row, size = format_decisions(
                self._buffer,
                rows.packets,
                rows.decisions,
                rows.frames,
                rows.times_ns,
                rows.connections,
                rows.rule_sets,
                self._pieces,
                self._rules,
                row,
                count,
                room,
                DOTTED,
            )
            if size:
                self._stream.write(self._buffer[:size].data)


def _pieces(interfaces: Sequence[NetworkInterface], acl_ids: Sequence[str | None]) -> Iterator[str]:
    """Yield what is always the same in a line, in the order of `kernels.decisions`."""
    yield '{"frame": '
    yield ', "time_ns": '
    for name in ("srcaddr", "dstaddr", "srcport", "dstport", "icmp_type", "icmp_code", "length"):
        yield f', "{name}": '
    yield "null"
    yield "}\n"
    reasons = {int(each): each.name for each in Reason}
    for verdict in (Verdict.REJECT, Verdict.ACCEPT):
        for number in range(32):
            reason = reasons.get(number)
            yield f', "verdict": "{verdict.value}", "reason": {json.dumps(reason)}, "rule_ids": '
    states = {int(each): each.name for each in State}
    for number in range(STATES):
        yield f', "state_before": {json.dumps(states.get(number))}'
    for number in range(STATES):
        yield f', "state_after": {json.dumps(states.get(number))}, "connection": '
    for acl_id in (*acl_ids, None):
        yield f', "network_acl_id": {json.dumps(acl_id)}, "acl_rule_number": '
    for each in (*interfaces, None):
        for direction in Direction:
            known = None if each is None else str(direction)
            yield (
                f', "vpc_id": {json.dumps(None if each is None else each.vpc_id)}'
                f', "interface_id": {json.dumps(None if each is None else each.interface_id)}'
                f', "direction": {json.dumps(known)}, "protocol": '
            )


class ArrowColumns:
    """Makes Arrow record batches of decisions; the columns are the fields of a line of JSON.

    What has few values is dictionary-encoded: ids, direction, verdict, reason, states.
    """

    def __init__(self, rule_sets: RuleSets) -> None:
        import pyarrow

        self._rule_sets = rule_sets
        self._known = 0
        self._rules: Any = None
        self._lexicons = {name: Lexicon() for name in ("vpc_id", "interface_id", "acl_id")}
        self._rows: dict[str, I8] = {}
        words = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
        self.schema: pyarrow.Schema = pyarrow.schema(
            {
                "frame": pyarrow.int64(),
                "time_ns": pyarrow.int64(),
                "vpc_id": words,
                "interface_id": words,
                "direction": words,
                "protocol": pyarrow.uint8(),
                "srcaddr": pyarrow.string(),
                "dstaddr": pyarrow.string(),
                "srcport": pyarrow.uint16(),
                "dstport": pyarrow.uint16(),
                "icmp_type": pyarrow.uint8(),
                "icmp_code": pyarrow.uint8(),
                "length": pyarrow.uint32(),
                "verdict": words,
                "reason": words,
                "rule_ids": pyarrow.list_(pyarrow.string()),
                "network_acl_id": words,
                "acl_rule_number": pyarrow.int32(),
                "state_before": words,
                "state_after": words,
                "connection": pyarrow.int64(),
            }
        )
        self.use((), ())

    def use(self, interfaces: Sequence[NetworkInterface], acl_ids: Sequence[str | None]) -> None:
        """Say which interfaces, and network ACLs of their subnets, the batches to come mean."""
        for name, texts in (
            ("vpc_id", [each.vpc_id for each in interfaces]),
            ("interface_id", [each.interface_id for each in interfaces]),
            ("acl_id", acl_ids),
        ):
            number = self._lexicons[name].number
            # The last one is for no interface, which is row -1.
            self._rows[name] = np.array([*map(number, texts), ABSENT], dtype=np.int64)

    def of(self, rows: Rows) -> "pyarrow.RecordBatch":
        """Return the decisions of `rows` as Arrow."""
        import pyarrow

        packets, decisions = rows.packets, rows.decisions
        kept = decisions.reason != 0
        if not kept.all():
            rows = _selected(rows, kept)
            packets, decisions = rows.packets, rows.decisions
        shape = packets.shape
        whole = shape & MALFORMED == 0
        has_ports = whole & (shape & HAS_PORTS != 0)
        has_icmp = whole & (shape & HAS_ICMP != 0)
        interface = packets.interface
        arrays = {
            "frame": _numbers(rows.frames),
            "time_ns": _numbers(rows.times_ns),
            "vpc_id": self._words("vpc_id", self._rows["vpc_id"][interface]),
            "interface_id": self._words("interface_id", self._rows["interface_id"][interface]),
            "direction": _chosen(packets.direction, _DIRECTIONS, interface >= 0),
            "protocol": _numbers(packets.protocol, whole | (shape & KNOWN_PROTOCOL != 0)),
            "srcaddr": _addresses(
                packets.family,
                packets.source_hi,
                packets.source_lo,
                whole | (shape & KNOWN_SOURCE != 0),
            ),
            "dstaddr": _addresses(
                packets.family,
                packets.destination_hi,
                packets.destination_lo,
                whole | (shape & KNOWN_DESTINATION != 0),
            ),
            "srcport": _numbers(packets.source_port, has_ports),
            "dstport": _numbers(packets.destination_port, has_ports),
            "icmp_type": _numbers(packets.icmp_type, has_icmp),
            "icmp_code": _numbers(packets.icmp_code, has_icmp),
            "length": _numbers(packets.length),
            "verdict": _chosen(decisions.accepted, _VERDICTS),
            "reason": _chosen(decisions.reason, _REASONS),
            "rule_ids": self._rule_ids().take(pyarrow.array(rows.rule_sets)),
            "network_acl_id": self._words(
                "acl_id",
                np.where(decisions.acl_rule_number < 0, ABSENT, self._rows["acl_id"][interface]),
            ),
            "acl_rule_number": _numbers(decisions.acl_rule_number, decisions.acl_rule_number >= 0),
            "state_before": _chosen(decisions.state_before, _STATES, decisions.state_before != 0),
            "state_after": _chosen(decisions.state_after, _STATES, decisions.state_after != 0),
            "connection": _numbers(rows.connections, rows.connections != 0),
        }
        return pyarrow.RecordBatch.from_arrays(
            [arrays[name] for name in self.schema.names], schema=self.schema
        )

    def _words(self, name: str, numbers: I8) -> Any:
        return _chosen(
            np.where(numbers == ABSENT, 0, numbers), self._lexicons[name].texts, numbers != ABSENT
        )

    def _rule_ids(self) -> Any:
        import pyarrow

        if self._known != len(self._rule_sets):
            self._known = len(self._rule_sets)
            lists = [list(self._rule_sets[number]) for number in range(self._known)]
            self._rules = pyarrow.array(lists, type=pyarrow.list_(pyarrow.string()))
        return self._rules


class ParquetWriter:
    """Writes decisions as row groups of ROW_GROUP or a few more, fewer when the network changes.

    Parameters
    ----------
    stream : binary stream

    """

    def __init__(self, stream: Any, rule_sets: RuleSets) -> None:
        import pyarrow.parquet

        self._columns = ArrowColumns(rule_sets)
        words = [field.name for field in self._columns.schema if str(field.type).startswith("dict")]
        self._file: Any = pyarrow.parquet.ParquetWriter(
            stream,
            self._columns.schema,
            # What a row group is chosen by; of texts it would cost more than all their pages.
            write_statistics=[*_BY_DIFFERENCE, "connection", "srcport", "dstport"],
            column_encoding=dict.fromkeys(_BY_DIFFERENCE, "DELTA_BINARY_PACKED"),
            compression="snappy",
            use_dictionary=[*words, "rule_ids.list.element"],
        )
        self._held: list[Any] = []
        self._count = 0

    def use(self, interfaces: Sequence[NetworkInterface], acl_ids: Sequence[str | None]) -> None:
        """Say which interfaces, and network ACLs of their subnets, the batches to come mean."""
        # All batches of a row group have the same words.
        self._write_group()
        self._columns.use(interfaces, acl_ids)

    def write(self, rows: Rows) -> None:
        """Append decisions."""
        self._held.append(self._columns.of(rows))
        self._count += self._held[-1].num_rows
        if self._count >= ROW_GROUP:
            self._write_group()

    def finish(self) -> None:
        """Write what is left, and the footer."""
        self._write_group()
        self._file.close()

    def abandon(self) -> None:
        """Let go of the file; after `finish` there is nothing to let go of."""
        with suppress(Exception):
            self._file.close()
        # Else it would close itself when collected, and complain where nobody listens.
        self._file.is_open = False

    def _write_group(self) -> None:
        import pyarrow

        if self._count:
            table = pyarrow.Table.from_batches(self._held, schema=self._columns.schema)
            self._file.write_table(table, row_group_size=self._count)
        self._held, self._count = [], 0


def _selected(rows: Rows, kept: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Rows:
    return Rows(
        packets=Packets._make(column[kept] for column in rows.packets),
        decisions=DecisionColumns._make(column[kept] for column in rows.decisions),
        frames=rows.frames[kept],
        times_ns=rows.times_ns[kept],
        connections=rows.connections[kept],
        rule_sets=rows.rule_sets[kept],
    )


def _numbers(values: Any, known: Any = None) -> Any:
    import pyarrow

    # A copy: Arrow would share the memory, which is filled again before it is written.
    return pyarrow.array(values.copy(), mask=None if known is None else ~known)


def _addresses(family: U1, hi: U8, lo: U8, known: Any) -> Any:
    return address_array(np.where(known, family.astype(np.int64), ABSENT), hi, lo)


def _chosen(numbers: Any, texts: Sequence[str], known: Any = None) -> Any:
    import pyarrow

    indices = _numbers(numbers.astype(np.int32), known)
    return pyarrow.DictionaryArray.from_arrays(indices, pyarrow.array(texts, type=pyarrow.string()))


def _by_number(numbers: dict[int, str]) -> tuple[str, ...]:
    return tuple(numbers.get(number, "") for number in range(max(numbers) + 1))


_DIRECTIONS: Final = tuple(str(each) for each in Direction)
_VERDICTS: Final = (Verdict.REJECT.value, Verdict.ACCEPT.value)
_REASONS: Final = _by_number({int(each): each.name for each in Reason})
_STATES: Final = _by_number({int(each): each.name for each in State})

assert max(Reason) < 32
assert max(State) < STATES
assert len(list(_pieces((), ()))) == OF_INTERFACE + 3
