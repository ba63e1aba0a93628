"""Flow logs as files: text, gzip by the suffix `.gz`, Parquet by the suffix `.parquet`.

Owns the bytes; records come from elsewhere. What exists is replaced only when the new file is
whole. Read first: VPC User Guide, Flow log files.
"""

import gzip
import io
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, Protocol, TypeVar, cast

from secgroup.errors import OutputError
from secgroup.flowlog.fields import FieldType, Format, Record

#: Records in a row group of a Parquet file: what is held until they are written.
ROW_GROUP: Final = 65536


#: What a process has open may be a file, which opening by these names would cut.
_OPEN_FILES: Final = {"/dev/stdout": 1, "/dev/stderr": 2}


class RecordWriter(Protocol):
    """Takes the records of a flow log, in order."""

    def write(self, records: Iterable[Record]) -> None:
        """Append records."""
        ...


class _Parquet(Protocol):
    """Writes a Parquet file, which ends with a footer."""

    def finish(self) -> None: ...
    def abandon(self) -> None: ...


_T = TypeVar("_T")
_P = TypeVar("_P", bound=_Parquet)


def flow_log_writer(path: Path, format: Format) -> AbstractContextManager[RecordWriter]:  # noqa: A002
    """Write a flow log of records of a format, as `in_form` writes one.

    Raises
    ------
    OutputError
        As there.

    """
    return in_form(
        path,
        text=lambda stream: _TextWriter(stream, format),
        parquet=lambda stream: _ParquetWriter(stream, format),
    )


@contextmanager
def in_form(
    path: Path,
    *,
    text: Callable[[IO[bytes]], _T],
    parquet: Callable[[IO[bytes]], _P],
) -> Iterator[_T | _P]:
    """Write a flow log; it stands under `path` when the block has ended without an error.

    Parameters
    ----------
    path : Path
        `.parquet`: Parquet; `.gz`: text through gzip; else text.
    text, parquet : callable
        Make what writes each to a stream.

    Raises
    ------
    OutputError
        The file cannot be written; nothing half-written is left.

    """
    with replacing(path) as stream:
        if path.suffix == ".parquet":
            file = parquet(stream)
            try:
                yield file
                file.finish()
            finally:
                file.abandon()
        elif path.suffix == ".gz":
            # Without name and time, equal records make equal files.
            with gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0) as packed:
                yield text(cast("IO[bytes]", packed))
        else:
            yield text(stream)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file beside `path` that takes its place when the block ends without an error.

    A device, a pipe and what the process has open (`/dev/stdout`) are not replaced but written to.

    Raises
    ------
    OutputError
        It cannot be written; what stood under `path` is untouched.
    BrokenPipeError
        It is a pipe, and nobody reads it any more.

    """
    with _telling(path):
        open_file = _OPEN_FILES.get(str(path))
        is_special = open_file is not None or (path.exists() and not path.is_file())
        target = Path(os.path.realpath(path))
        beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    stream: IO[bytes] | None = None
    try:
        with _telling(path):
            if open_file is not None:
                stream = os.fdopen(os.dup(open_file), "wb")
            else:
                stream = (path if is_special else beside).open("wb")
                if not is_special and target.exists():
                    beside.chmod(target.stat().st_mode)
        yield cast("IO[bytes]", _Output(stream, path, at_once=is_special))
        with _telling(path):
            stream.close()
            if not is_special:
                beside.replace(target)
    finally:
        with suppress(OSError):
            if stream is not None:
                stream.close()
        with suppress(OSError):
            if not is_special:
                beside.unlink(missing_ok=True)


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        # Whoever read has gone: not a failure, and the command's to end on.
        raise
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


class _Output(io.BufferedIOBase):
    """A stream whose own failures are told apart from those of the code that writes to it.

    `at_once`: somebody reads it as it is written.
    """

    def __init__(self, stream: IO[bytes], path: Path, *, at_once: bool) -> None:
        self._stream = stream
        self._path = path
        self._at_once = at_once

    def writable(self) -> bool:
        return True

    def write(self, octets: Any) -> int:
        with _telling(self._path):
            count = self._stream.write(octets)
            if self._at_once:
                self._stream.flush()
            return count

    def flush(self) -> None:
        if not self._stream.closed:
            with _telling(self._path):
                self._stream.flush()


def line_of(record: Record) -> str:
    """Return the line that says `record`: values by spaces, `-` for None."""
    return " ".join(["-" if value is None else str(value) for value in record])


class _TextWriter:
    """Writes lines; the first one names the fields, as AWS delivers it to S3."""

    def __init__(self, stream: IO[bytes], format: Format) -> None:  # noqa: A002
        self._stream = stream
        self._stream.write(" ".join(format.names).encode() + b"\n")

    def write(self, records: Iterable[Record]) -> None:
        """Append records."""
        lines = [line_of(record) for record in records]
        if lines:
            self._stream.write("\n".join(lines).encode() + b"\n")


class _ParquetWriter:
    """Writes row groups of `ROW_GROUP` records; a column's type is its field's."""

    def __init__(self, stream: IO[bytes], format: Format) -> None:  # noqa: A002
        import pyarrow
        import pyarrow.parquet

        types = {
            FieldType.STRING: pyarrow.string(),
            FieldType.INT_32: pyarrow.int32(),
            FieldType.INT_64: pyarrow.int64(),
        }
        self._schema = pyarrow.schema(
            [(field.column, types[field.type]) for field in format.fields]
        )
        # Version 1.0 and gzip, as AWS writes it: old readers know no other dictionary encoding.
        self._file: Any = pyarrow.parquet.ParquetWriter(
            stream, self._schema, version="1.0", compression="gzip"
        )
        self._rows: list[Record] = []

    def write(self, records: Iterable[Record]) -> None:
        """Append records."""
        self._rows.extend(records)
        while len(self._rows) >= ROW_GROUP:
            self._write_group(self._rows[:ROW_GROUP])
            del self._rows[:ROW_GROUP]

    def finish(self) -> None:
        """Write what is left, and the footer."""
        if self._rows:
            self._write_group(self._rows)
        self._file.close()

    def abandon(self) -> None:
        """Let go of the file; after `finish` there is nothing to let go of."""
        with suppress(Exception):
            self._file.close()
        # Else it would close itself when collected, and complain where nobody listens.
        self._file.is_open = False

    def _write_group(self, rows: list[Record]) -> None:
        import pyarrow

        arrays = [
            pyarrow.array(column, type=field.type)
            for column, field in zip(zip(*rows, strict=True), self._schema, strict=True)
        ]
        self._file.write_batch(pyarrow.RecordBatch.from_arrays(arrays, schema=self._schema))
