"""The table of faults: each is raised somewhere, by a test too, and can be told."""

import ast
import re
import string
from functools import cache
from pathlib import Path

import pytest

from secgroup.api.errors import FAULTS

ROOT = Path(__file__).resolve().parents[2]


@cache
def texts(folder: str) -> frozenset[str]:
    """Every string constant of a folder's modules, the table itself aside."""
    return frozenset(
        node.value
        for path in (ROOT / folder).rglob("*.py")
        if path != Path(__file__) and "api/fault" not in path.as_posix()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


@cache
def raised() -> dict[str, tuple[str, frozenset[str]]]:
    """Where each fault is raised by name, and the fields that it is given."""
    found = {}
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith("Ec2Error"):
                continue
            if node.args and isinstance(node.args[0], ast.Constant):
                place = f"{path.relative_to(ROOT)}:{node.lineno}"
                fields = frozenset(each.arg for each in node.keywords if each.arg is not None)
                has_more = any(each.arg is None for each in node.keywords)
                found[place] = (node.args[0].value, fields | ({"*"} if has_more else set()))
    return found


def fields_of(message: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(message) if name is not None}


def pattern(message: str) -> str:
    """A regular expression for what a message's template may say."""
    parts = string.Formatter().parse(message)
    return "".join(re.escape(said) + (".*" if name is not None else "") for said, name, *_ in parts)


def is_expected(name: str) -> bool:
    """Whether a test expects a fault: by its name, by its message, or by a code of its own."""
    fault = FAULTS[name]
    has_own_code = [each.code for each in FAULTS.values()].count(fault.code) == 1
    if name in texts("tests") or (has_own_code and fault.code in texts("tests")):
        return True
    said = re.compile(pattern(fault.message), re.DOTALL)
    return any(said.fullmatch(text) for text in texts("tests"))


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_fault_is_raised_by_the_endpoint(name: str) -> None:
    assert name in texts("src")


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_fault_is_expected_by_a_test(name: str) -> None:
    assert is_expected(name)


@pytest.mark.semantics("ec2-error-form")
@pytest.mark.parametrize("name", sorted(FAULTS))
def test_fault_has_a_code_a_source_and_a_status_of_its_class(name: str) -> None:
    fault = FAULTS[name]
    assert fault.source in ("codes", "seen", "ours")
    assert fault.message
    assert 400 <= fault.status < 600
    assert fault.code.replace(".", "").isalnum()


def test_what_is_raised_is_in_the_table_with_the_fields_of_its_message() -> None:
    for place, (name, fields) in raised().items():
        assert name in FAULTS, place
        if "*" not in fields:
            assert fields_of(FAULTS[name].message) <= fields, place


def test_no_fault_is_defined_twice() -> None:
    names = [
        key.value
        for path in (ROOT / "src" / "secgroup" / "api").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant)
        and isinstance(value, ast.Call)
        and ast.unparse(value.func) == "Fault"
    ]
    assert len(names) > 100
    assert sorted(names) == sorted(set(names))
