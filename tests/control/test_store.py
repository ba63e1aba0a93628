"""The store: what was committed lasts, in one file, for one process, in every version."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from secgroup.control.state import Changed, Row, State
from secgroup.control.store import MEMORY, MIGRATIONS, SqliteStore
from secgroup.errors import InputError, OutputError
from tests.support.worlds import NOW, new_state

WRITTEN_BY_VERSION_1 = Path(__file__).parent / "stores" / "version-1.sql"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def group(number: int, **members: str) -> dict[str, str]:
    return {"GroupId": f"sg-{number}", "VpcId": "vpc-1", **members}


def make(state: State, store: SqliteStore, *resources: dict[str, str]) -> None:
    world = state.world("111122223333", "eu-west-1", NOW)
    with state.change() as changed:
        for resource in resources:
            world.put("SecurityGroup", resource)
        store.commit(list(changed.values()), state.sequence)


def loaded(store: SqliteStore) -> State:
    state = new_state()
    state.restore(store.load(), store.sequence)
    return state


def rows(state: State) -> list[Row]:
    return sorted(state.rows(), key=lambda row: row.sequence)


@pytest.mark.semantics("ec2-lasting")
def test_what_was_committed_is_there_when_the_store_is_opened_again(path: Path) -> None:
    state, store = new_state(), SqliteStore(path)
    make(state, store, group(2), group(1, Description="é\u2028'"))
    make(state, store, group(2, Description="next"))
    store.close()
    again = SqliteStore(path)
    assert rows(loaded(again)) == rows(state)
    assert [row.resource_id for row in again.load()] == ["sg-2", "sg-1"]
    again.close()


def test_number_of_the_last_made_is_kept_when_it_is_gone(path: Path) -> None:
    state, store = new_state(), SqliteStore(path)
    make(state, store, group(1), group(2))
    with state.change() as changed:
        state.delete("SecurityGroup", "sg-2")
        store.commit(list(changed.values()), state.sequence)
    store.close()
    again = SqliteStore(path)
    assert loaded(again).sequence == 2
    assert [row.resource_id for row in again.load()] == ["sg-1"]
    again.close()


def test_made_and_removed_in_one_request_leaves_nothing() -> None:
    state, store = new_state(), SqliteStore(MEMORY)
    with state.change() as changed:
        state.world("1", "r", NOW).put("SecurityGroup", group(1))
        state.delete("SecurityGroup", "sg-1")
        store.commit(list(changed.values()), state.sequence)
    assert list(store.load()) == []
    store.close()


class InterruptionError(Exception):
    pass


def test_commit_that_fails_in_the_middle_writes_nothing(path: Path) -> None:
    state, store = new_state(), SqliteStore(path)
    make(state, store, group(1))
    new = Row(
        kind="SecurityGroup",
        resource_id="sg-2",
        account_id="1",
        region="r",
        sequence=2,
        resource=group(2),
    )

    def changes() -> Iterator[Changed]:
        yield Changed(before=None, after=new)
        raise InterruptionError

    with pytest.raises(InterruptionError):
        store.commit(changes(), 2)  # type: ignore[arg-type]
    assert [row.resource_id for row in store.load()] == ["sg-1"]
    assert store.sequence == 1
    make(state, store, group(3))
    assert [row.resource_id for row in store.load()] == ["sg-1", "sg-3"]
    store.close()


@pytest.mark.semantics("ec2-lasting")
def test_change_that_cannot_be_written_is_one_line_and_is_taken_back(path: Path) -> None:
    state, store = new_state(), SqliteStore(path)
    store._connection.execute("PRAGMA max_page_count = 8")
    make(state, store, group(1))
    before = rows(state)
    with pytest.raises(OutputError) as caught:
        make(state, store, *(group(number, Description="x" * 4000) for number in range(2, 30)))
    assert "\n" not in str(caught.value)
    assert rows(state) == before
    assert [row.resource_id for row in store.load()] == ["sg-1"]
    store.close()


def test_store_is_durable_by_wal_and_full_synchronisation(path: Path) -> None:
    store = SqliteStore(path)
    assert store._pragma("journal_mode") == "wal"
    assert store._pragma("synchronous") == 2
    store.close()


def test_another_process_cannot_open_an_open_store(path: Path) -> None:
    store = SqliteStore(path)
    program = "import sys; from secgroup.control.store import SqliteStore; SqliteStore(sys.argv[1])"
    other = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )
    assert other.returncode == 1
    assert other.stderr.splitlines()[-1].endswith(
        f"InputError: {path}: another process has the store open"
    )
    with pytest.raises(InputError, match="another process has the store open"):
        SqliteStore(path)
    store.close()
    SqliteStore(path).close()


def test_newer_store_is_refused_and_left_alone(path: Path) -> None:
    SqliteStore(path, migrations=[*MIGRATIONS, "CREATE TABLE more (a);"]).close()
    before = path.read_bytes()
    with pytest.raises(InputError, match="of version 2; this program knows up to 1"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_older_store_is_brought_up_to_date(path: Path) -> None:
    state, store = new_state(), SqliteStore(path)
    make(state, store, group(1))
    store.close()
    later = [*MIGRATIONS, "ALTER TABLE made ADD COLUMN note TEXT NOT NULL DEFAULT 'new';"]
    store = SqliteStore(path, migrations=later)
    assert store._pragma("user_version") == 2
    assert store._connection.execute("SELECT * FROM made").fetchall() == [(1, "new")]
    assert rows(loaded(store)) == rows(state)
    store.close()


def test_migration_that_fails_leaves_the_older_store(path: Path) -> None:
    SqliteStore(path).close()
    with pytest.raises(InputError, match="cannot be used"):
        SqliteStore(path, migrations=[*MIGRATIONS, "CREATE TABLE more (a); CREATE TABLE made (a);"])
    store = SqliteStore(path)
    assert store._pragma("user_version") == 1
    assert store._connection.execute("SELECT name FROM sqlite_master").fetchall() == [
        ("resource",),
        ("made",),
    ]
    store.close()


def test_store_of_version_1_is_read_by_every_later_version(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(WRITTEN_BY_VERSION_1.read_text())
    connection.close()
    store = SqliteStore(path)
    assert [(row.resource_id, row.sequence, row.resource) for row in store.load()] == [
        ("sg-9", 2, {"GroupId": "sg-9", "Description": "é"}),
        ("vpc-1", 4, {"VpcId": "vpc-1"}),
    ]
    assert store.sequence == 7
    store.close()


def damaged_page(whole: bytes) -> bytes:
    return whole[:4096] + b"\xff" * (len(whole) - 4096)


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"not a store at all" * 100,
        damaged_page,
        lambda whole: whole[: len(whole) // 2],
    ],
    ids=["other", "pages", "cut"],
)
def test_damaged_store_is_refused_in_one_line(path: Path, damage) -> None:
    state, store = new_state(), SqliteStore(path)
    make(state, store, *(group(number, Description="x" * 200) for number in range(100)))
    store.close()
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError) as caught:
        list(SqliteStore(path).load())
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match="another program's file"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_store_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the store cannot be used: unable to open"):
        SqliteStore(tmp_path / "none" / "store.sqlite")
