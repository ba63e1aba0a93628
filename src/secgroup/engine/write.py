"""Flow logs as files, from columns: what `flowlog.write` writes record by record.

Owns buffers and row groups; which bytes a value is, `kernels.text` says, and that a file stands
under its name only when it is whole, `flowlog.write` sees to.
"""

from contextlib import AbstractContextManager, suppress
from ipaddress import IPv6Address
from pathlib import Path
from typing import IO, Any, Final, Protocol

import numpy as np

from secgroup.engine.aggregate import Batch
from secgroup.engine.columns import (
    ABSENT,
    ADDRESS,
    ADDRESS_SIZE,
    INTEGER,
    INTEGER_SIZE,
    WORD,
    Columns,
    Words,
)
from secgroup.engine.kernels.text import format_addresses, format_lines
from secgroup.engine.layout import I8, U8
from secgroup.engine.record import RecordColumns
from secgroup.flowlog.fields import FieldType
from secgroup.flowlog.write import ROW_GROUP, in_form

#: Bytes of text that are written at once.
BUFFER_SIZE: Final = 1 << 20

#: How this Python writes IPv4-mapped addresses.
DOTTED: Final = "." in str(IPv6Address("::ffff:1.2.3.4"))


class BatchWriter(Protocol):
    """Takes the records of a flow log, in order."""

    def write(self, batch: Batch) -> None:
        """Append records."""
        ...


def flow_log_writer(path: Path, columns: RecordColumns) -> AbstractContextManager[BatchWriter]:
    """Write a flow log of columns of records, as `flowlog.write.in_form` writes one.

    Raises
    ------
    OutputError
        As there.

    """
    return in_form(
        path,
        text=lambda stream: TextWriter(stream, columns),
        parquet=lambda stream: _ParquetWriter(stream, columns),
    )


class TextWriter:
    """Writes records as lines.

    Parameters
    ----------
    stream : binary stream
    header : bool
        Begin with a line of the fields' names, as AWS delivers it to S3.

    """

    def __init__(
        self,
        stream: IO[bytes],
        columns: RecordColumns,
        *,
        header: bool = True,
    ) -> None:
        self._stream = stream
        self._columns = columns
        self._buffer = np.zeros(BUFFER_SIZE, dtype=np.uint8)
        if header:
            self._stream.write(" ".join(columns.format.names).encode() + b"\n")

    def write(self, batch: Batch) -> None:
        """Append records."""
        columns, words = self._columns.of(batch), self._columns.lexicon.words
        room = _line_size(columns, words)
        if room > self._buffer.shape[0]:
            self._buffer = np.zeros(room, dtype=np.uint8)
        row, count = 0, columns.values.shape[1]
        while row < count:
            row, size = format_lines(self._buffer, columns, words, row, count, room, DOTTED)
            self._stream.write(self._buffer[:size].data)


class _ParquetWriter:
    """Writes row groups of ROW_GROUP records; a column's type is its field's."""

    def __init__(self, stream: IO[bytes], columns: RecordColumns) -> None:
        import pyarrow
        import pyarrow.parquet

        types = {
            FieldType.STRING: pyarrow.string(),
            FieldType.INT_32: pyarrow.int32(),
            FieldType.INT_64: pyarrow.int64(),
        }
        fields = columns.format.fields
        self._columns = columns
        self._schema = pyarrow.schema([(field.column, types[field.type]) for field in fields])
        # Version 1.0 and gzip, as AWS writes it: old readers know no other dictionary encoding.
        self._file: Any = pyarrow.parquet.ParquetWriter(
            stream, self._schema, version="1.0", compression="gzip"
        )
        self._held: list[Any] = []
        self._rows = 0

    def write(self, batch: Batch) -> None:
        """Append records."""
        import pyarrow

        columns, lexicon = self._columns.of(batch), self._columns.lexicon
        texts = pyarrow.array(lexicon.texts, type=pyarrow.string())
        arrays = []
        for column, field in enumerate(self._schema):
            values, kind = columns.values[column], columns.kinds[column]
            if kind == ADDRESS:
                place = columns.places[column]
                arrays.append(address_array(values, columns.hi[place], columns.lo[place]))
            elif kind == WORD:
                numbers = pyarrow.array(values, mask=values == ABSENT)
                arrays.append(texts.take(numbers))
            else:
                array = pyarrow.array(values, mask=values == ABSENT)
                is_text = pyarrow.types.is_string(field.type)
                arrays.append(
                    pyarrow.nulls(len(values), field.type) if is_text else array.cast(field.type)
                )
        self._held.append(pyarrow.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._rows += len(columns.values[0])
        if self._rows >= ROW_GROUP:
            self._write_groups(ROW_GROUP)

    def finish(self) -> None:
        """Write what is left, and the footer."""
        self._write_groups(1)
        self._file.close()

    def abandon(self) -> None:
        """Let go of the file; after `finish` there is nothing to let go of."""
        with suppress(Exception):
            self._file.close()
        # Else it would close itself when collected, and complain where nobody listens.
        self._file.is_open = False

    def _write_groups(self, least: int) -> None:
        """Write whole row groups, and a last one of at least so many records."""
        import pyarrow

        table = pyarrow.Table.from_batches(self._held, schema=self._schema)
        begin = 0
        while self._rows - begin >= least:
            self._file.write_table(table.slice(begin, ROW_GROUP), row_group_size=ROW_GROUP)
            begin = min(self._rows, begin + ROW_GROUP)
        left = table.slice(begin)
        self._held, self._rows = left.to_batches(), left.num_rows


def address_array(families: I8, hi: U8, lo: U8) -> Any:
    """Return addresses as a pyarrow array of their texts; null where the family is ABSENT."""
    import pyarrow

    count = families.shape[0]
    begins = np.zeros(count + 1, dtype=np.int64)
    text = np.zeros(count * ADDRESS_SIZE, dtype=np.uint8)
    size = format_addresses(text, begins, families, hi, lo, DOTTED)
    valid = None
    if (families == ABSENT).any():
        valid = pyarrow.py_buffer(np.packbits(families != ABSENT, bitorder="little").tobytes())
    return pyarrow.StringArray.from_buffers(
        count,
        pyarrow.py_buffer(begins.astype(np.int32)),
        pyarrow.py_buffer(text[:size]),
        valid,
    )


def _line_size(columns: Columns, words: Words) -> int:
    """Return the bytes that no line exceeds."""
    word = int(np.diff(words.begin).max(initial=1))
    sizes = {INTEGER: INTEGER_SIZE, ADDRESS: ADDRESS_SIZE, WORD: word}
    return sum(sizes[int(kind)] + 1 for kind in columns.kinds)
