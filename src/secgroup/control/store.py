"""`SqliteStore`: where the state lasts, in one file. Knows rows, and nothing of what they mean.

Each request is one transaction (WAL, `synchronous=FULL`): when `commit` has returned, the change
survives the process and the machine. The file is held with an exclusive lock for as long as the
store is open, so two servers never share one.
"""

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from secgroup.control.state import Changed, Row
from secgroup.errors import InputError, OutputError

#: A store that lasts as long as its process.
MEMORY: Final = ":memory:"

#: "sgrp", in the header of the file: how a store of ours is known (SQLite, file format 1.3.17).
_APPLICATION_ID: Final = 0x73677270

#: What makes each version of the schema from the one before it. They are only ever added to.
MIGRATIONS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE resource (
        kind TEXT NOT NULL,
        resource_id TEXT NOT NULL,
        account_id TEXT NOT NULL,
        region TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        resource TEXT NOT NULL,
        PRIMARY KEY (kind, resource_id)
    ) WITHOUT ROWID;
    CREATE TABLE made (sequence INTEGER NOT NULL);
    INSERT INTO made VALUES (0);
    """,
)


class SqliteStore:
    """The rows of a state in a file of SQLite's.

    Parameters
    ----------
    path : Path or str
        The file, made when it is not there; `MEMORY` for none.
    migrations : sequence of str, optional
        The schema, version by version.

    Raises
    ------
    InputError
        Another process holds the store; it is damaged, none of ours, or newer than this program.

    """

    def __init__(self, path: Path | str, *, migrations: Sequence[str] = MIGRATIONS) -> None:
        self.path = str(path)
        try:
            self._connection = sqlite3.connect(
                self.path, timeout=0, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        try:
            self._open(migrations)
        except sqlite3.Error as error:
            self._connection.close()
            raise self._unusable(error) from error
        except BaseException:
            self._connection.close()
            raise

    def _open(self, migrations: Sequence[str]) -> None:
        pragma = self._pragma
        pragma("locking_mode=EXCLUSIVE")
        is_new = pragma("schema_version") == 0
        if not is_new and pragma("application_id") != _APPLICATION_ID:
            raise InputError("a store was expected, not another program's file", source=self.path)
        version: int = pragma("user_version")
        if version > len(migrations):
            raise InputError(
                f"the store is of version {version}; this program knows up to {len(migrations)}: "
                "a newer secgroup wrote it",
                source=self.path,
            )
        if pragma("quick_check(1)") != "ok":
            raise InputError("the store is damaged", source=self.path)
        pragma("journal_mode=WAL")
        pragma("synchronous=FULL")
        # The lock is taken by the first write and kept.
        script = [f"PRAGMA application_id={_APPLICATION_ID};"]
        script += [step.strip() for step in migrations[version:]]
        script += [f"PRAGMA user_version={len(migrations)};"]
        try:
            self._connection.executescript("\n".join(["BEGIN IMMEDIATE;", *script, "COMMIT;"]))
        except sqlite3.Error:
            if self._connection.in_transaction:
                self._connection.rollback()
            raise

    def _pragma(self, text: str) -> Any:
        row = self._connection.execute(f"PRAGMA {text}").fetchone()
        return None if row is None else row[0]

    def _unusable(self, error: sqlite3.Error) -> InputError:
        if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return InputError("another process has the store open", source=self.path)
        return InputError(f"the store cannot be used: {error}", source=self.path)

    @property
    def sequence(self) -> int:
        """The number of the last resource that was made, also if it is gone."""
        number: int = self._connection.execute("SELECT sequence FROM made").fetchone()[0]
        return number

    def load(self) -> Iterator[Row]:
        """Yield every row, in the order of their making.

        Raises
        ------
        InputError
            The store is damaged.

        """
        try:
            for kind, resource_id, account_id, region, sequence, text in self._connection.execute(
                "SELECT kind, resource_id, account_id, region, sequence, resource"
                " FROM resource ORDER BY sequence"
            ):
                yield Row(
                    kind=kind,
                    resource_id=resource_id,
                    account_id=account_id,
                    region=region,
                    sequence=sequence,
                    resource=json.loads(text),
                )
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        except ValueError:
            raise InputError("the store is damaged", source=self.path) from None

    def commit(self, changes: Collection[Changed], sequence: int, /) -> None:
        """Make changes last, all or none.

        Raises
        ------
        OutputError
            They cannot be written; none of them is.

        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for each in changes:
                self._write(each)
            self._connection.execute("UPDATE made SET sequence = ?", (sequence,))
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.rollback()
            if isinstance(error, sqlite3.Error):
                raise OutputError(f"{self.path}: the change cannot be kept: {error}") from error
            raise

    def _write(self, each: Changed) -> None:
        if each.after is not None:
            row = each.after
            text = json.dumps(row.resource, separators=(",", ":"))
            self._connection.execute(
                "INSERT OR REPLACE INTO resource VALUES (?, ?, ?, ?, ?, ?)",
                (row.kind, row.resource_id, row.account_id, row.region, row.sequence, text),
            )
        elif each.before is not None:
            self._connection.execute(
                "DELETE FROM resource WHERE kind = ? AND resource_id = ?",
                (each.before.kind, each.before.resource_id),
            )

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
