"""docs/semantics.md, read both ways."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
GRADES = {"documented", "observed", "assumed"}
TEST = re.compile(r"`(tests/[\w/.-]+\.py)::(\w+)`")


class Row(NamedTuple):
    id: str
    statement: str
    source: str
    grade: str
    test: str


def rows() -> list[Row]:
    found = []
    for line in (ROOT / "docs" / "semantics.md").read_text().splitlines():
        if line.startswith("| ") and not line.startswith("| id "):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            found.append(Row(*cells))
    return found


@cache
def marks() -> dict[tuple[str, str], frozenset[str]]:
    """(file, function) -> the ids that it is marked with; its file's marks count too."""
    found = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        shared = {
            each
            for node in tree.body
            if isinstance(node, ast.Assign)
            and any(isinstance(name, ast.Name) and name.id == "pytestmark" for name in node.targets)
            for each in _ids(node.value)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
                own = {each for mark in node.decorator_list for each in _ids(mark)}
                found[path.relative_to(ROOT).as_posix(), node.name] = frozenset(own | shared)
    return found


def _ids(node: ast.AST) -> set[str]:
    """The arguments of every `...mark.semantics(...)` in an expression."""
    return {
        argument.value
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("mark.semantics")
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def test_rows_are_whole_and_have_an_id_each():
    ids = [row.id for row in rows()]
    assert len(ids) > 100
    assert sorted(ids) == sorted(set(ids))
    for row in rows():
        assert all(row), row.id
        assert re.fullmatch(r"[a-z0-9]+-[a-z0-9-]+", row.id)
        assert row.grade in GRADES, row.id
        assert row.grade != "documented" or not row.source.startswith("silent"), row.id


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.id)
def test_row_is_proved_by_tests_that_carry_its_id(row):
    named = TEST.findall(row.test)
    assert named, "a row names its tests"
    for test in named:
        assert test in marks(), f"{test[0]} has no {test[1]}"
        assert row.id in marks()[test], f"{test[1]} is not marked with {row.id}"


def test_every_id_that_a_test_carries_is_a_row():
    known = {row.id for row in rows()}
    strange = {test: ids - known for test, ids in marks().items() if ids - known}
    assert not strange


def test_every_assumption_of_the_definition_has_a_row():
    said = " ".join(row.statement for row in rows())
    for number in set(range(1, 16)) - {12}:
        assert re.search(rf"\bA{number}\b", said), f"A{number}"
