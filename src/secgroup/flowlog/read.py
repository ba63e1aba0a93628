"""Flow logs out of files: AWS's own and ours, text, gzip and Parquet, told by their content.

Owns what a well-formed file is; says where one is not. Records come out as `fields` describes
them, in the file's format.
"""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from secgroup.errors import InputError
from secgroup.flowlog.fields import (
    DEFAULT_FORMAT,
    FIELD_OF,
    FIELDS,
    Field,
    FieldType,
    Format,
    Record,
    Value,
    format_of,
)

#: No line is longer: 60 fields, the longest an ARN or a list of rules.
MAX_LINE: Final = 1 << 20

#: Bits of a number that is not negative, by type.
_BITS: Final = {FieldType.INT_32: 31, FieldType.INT_64: 63}

_COLUMNS: Final = {field.column: field for field in FIELDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowLog:
    """A flow log that is being read: its format, and its records, once."""

    format: Format
    records: Iterator[Record]


def read_flow_log(path: Path, format: Format | None = None) -> FlowLog:  # noqa: A002
    """Open a flow log.

    Parameters
    ----------
    path : Path
    format : Format, optional
        Of text without a line of names; else AWS's default format.

    Raises
    ------
    InputError
        The file cannot be read, or a line of it is no record; also while records are taken.

    """
    try:
        stream = path.open("rb")
        magic = stream.read(4)
        stream.seek(0)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", source=str(path)) from error
    if magic == b"PAR1":
        stream.close()
        return _read_parquet(str(path))
    return read_lines(
        _lines(stream, str(path), is_gzip=magic[:2] == b"\x1f\x8b"), format, source=str(path)
    )


def read_lines(
    lines: Iterator[str],
    format: Format | None = None,  # noqa: A002
    *,
    source: str | None = None,
) -> FlowLog:
    """Read the lines of a flow log; a line of names at the top says the format.

    Blank lines, repeated spaces and what follows a ` #` are nothing, as in AWS's examples.

    Raises
    ------
    InputError
        A line is no record of the format; also while records are taken.

    """
    first = next(lines, "")
    words = first.split()
    if words and all(word in FIELD_OF for word in words):
        format = _format(words, source, path="line 1")  # noqa: A001
        rest, number = lines, 2
    else:
        format = DEFAULT_FORMAT if format is None else format  # noqa: A001
        rest, number = _chain(first, lines), 1
    return FlowLog(format=format, records=_records(rest, format, number, source))


def _format(names: Iterable[str], source: str | None, path: str | None = None) -> Format:
    try:
        return format_of(names)
    except InputError as error:
        raise InputError(error.problem, source=source, path=path) from None


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _lines(stream: IO[bytes], source: str, *, is_gzip: bool) -> Iterator[str]:
    number = 0
    text = gzip.GzipFile(fileobj=stream) if is_gzip else stream
    try:
        with stream, text:
            while line := text.readline(MAX_LINE):
                number += 1
                if len(line) == MAX_LINE:
                    raise InputError(
                        f"longer than {MAX_LINE} bytes, not a flow-log record",
                        source=source,
                        path=f"line {number}",
                    )
                yield line.decode()
    except UnicodeDecodeError:
        raise InputError(
            "not text in UTF-8 (expected flow-log records)", source=source, path=f"line {number}"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"cannot be read on: {error}", source=source, path=f"after line {number}"
        ) from error


def _records(
    lines: Iterator[str],
    format: Format,  # noqa: A002
    number: int,
    source: str | None,
) -> Iterator[Record]:
    parsers = [_parser(field) for field in format.fields]
    for at, line in enumerate(lines, start=number):
        words = line.partition(" #")[0].split()
        if not words:
            continue
        try:
            if len(words) != len(parsers):
                raise InputError(
                    f"{len(words)} values (expected {len(parsers)}: {' '.join(format.names)})"
                )
            record = tuple([parse(word) for parse, word in zip(parsers, words, strict=True)])
        except InputError as error:
            raise InputError(error.problem, source=source, path=f"line {at}") from None
        yield record


def _parser(field: Field) -> Callable[[str], Value]:
    if field.type is FieldType.STRING:
        return lambda word: None if word == "-" else word
    bits = _BITS[field.type]

    def number(word: str) -> Value:
        if word == "-":
            return None
        # At most 19 digits: an absurd number must not cost absurd time.
        if word.isascii() and word.isdigit() and len(word) < 20 and int(word) >> bits == 0:
            return int(word)
        raise InputError(f"{word[:40]!r} is not a {field.name} (expected {field.type.value} or -)")

    return number


def _read_parquet(source: str) -> FlowLog:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(source)
        schema = file.schema_arrow
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"not a Parquet file: {_one_line(error)}", source=source) from error
    names: list[str] = []
    for column in schema:
        field = _COLUMNS.get(column.name)
        if field is None:
            raise InputError(
                "not a field of flow logs (expected columns like account_id)",
                source=source,
                path=f"column {column.name}",
            )
        is_text = pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(column.type)
        if not (
            is_text if field.type is FieldType.STRING else pyarrow.types.is_integer(column.type)
        ):
            raise InputError(
                f"{column.type} (expected {field.type.value})",
                source=source,
                path=f"column {column.name}",
            )
        names.append(field.name)
    return FlowLog(format=_format(names, source), records=_parquet_records(file, source))


def _parquet_records(file: Any, source: str) -> Iterator[Record]:
    import pyarrow

    try:
        for batch in file.iter_batches():
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read on: {_one_line(error)}", source=source) from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
