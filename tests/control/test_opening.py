"""An endpoint out of its store, and the quotas that differ."""

from pathlib import Path

import pytest

from secgroup.control.opening import opened, read_quotas
from secgroup.control.store import SqliteStore
from secgroup.errors import InputError
from tests.support.worlds import NOW


def test_opened_endpoint_has_what_its_store_holds(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = SqliteStore(path)
    first = opened(store, {"vpcs-per-region": 9})
    assert first.state.quotas["vpcs-per-region"] == 9
    with first.state.change() as changed:
        first.state.world("111122223333", "eu-west-1", NOW).put("Vpc", {"VpcId": "vpc-1"})
        store.commit(list(changed.values()), first.state.sequence)
    store.close()
    store = SqliteStore(path)
    again = opened(store)
    assert list(again.state.rows()) == list(first.state.rows())
    assert again.state.sequence == first.state.sequence
    store.close()


def test_ids_are_random_and_as_long_as_asked_for() -> None:
    store = SqliteStore(":memory:")
    state = opened(store).state
    found = {state.token(17) for _ in range(100)}
    assert len(found) == 100
    assert {len(each) for each in found} == {17}
    store.close()


@pytest.mark.parametrize(
    "text", ['{"rules-per-security-group": 100}', "# ours\nrules-per-security-group: 100\n"]
)
def test_quotas_are_lines_or_json(tmp_path: Path, text: str) -> None:
    path = tmp_path / "quotas"
    path.write_text(text)
    assert read_quotas(path) == {"rules-per-security-group": 100}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("rules: 1", "rules: no quota"),
        ("rules-per-security-group: -1", "rules-per-security-group: expected a whole number"),
        ("rules-per-security-group: yes", "expected a whole number"),
        ("- 1", "expected lines"),
        ("a: [", "neither YAML nor JSON"),
        ("[" * 5000, "neither YAML nor JSON"),
    ],
)
def test_quotas_that_are_none_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "quotas"
    path.write_text(text)
    with pytest.raises(InputError, match=problem):
        read_quotas(path)
