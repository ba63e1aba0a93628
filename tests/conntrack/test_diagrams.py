from pathlib import Path

from tools import state_machines


def test_the_published_diagrams_are_those_of_the_grids() -> None:
    page = Path(__file__).parents[2] / "docs" / "state-machines.md"
    assert page.read_text() == state_machines.page()
