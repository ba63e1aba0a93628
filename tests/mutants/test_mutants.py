"""The list of mutants fits the sources and the tests; `make mutants` runs them."""

import ast
from itertools import pairwise
from pathlib import Path

import pytest

from tests.mutants import cells
from tests.mutants.listed import EQUIVALENT, MUTANTS, ORDER

ROOT = Path(__file__).resolve().parents[2]


def functions(path: str) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_changes_the_source_and_names_tests_that_exist(mutant):
    ast.parse(mutant.source())
    assert mutant.tests
    for test in mutant.tests:
        path, _, name = test.partition("::")
        assert name in functions(path)


def test_every_step_is_taken_away_and_swapped():
    names = {mutant.name for mutant in ORDER}
    steps = [*map(str, range(1, 12)), "12a", "12b", "12c", "12d", "13"]
    assert {f"drop {step}" for step in steps} <= names
    pairs = {f"swap {one} and {two}" for one, two in pairwise(steps) if (one, two) != ("12d", "13")}
    assert pairs | {"swap 12 and 13"} <= names | set(EQUIVALENT)
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_every_changed_cell_fails_its_test():
    number, alive = cells.survivors()
    assert alive == []
    assert number > 1000
