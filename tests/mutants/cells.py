"""Every cell of every grid changed to every other state, and the test of that cell run."""

from collections.abc import Iterator
from types import MappingProxyType, ModuleType

import pytest

from tests.conntrack import test_grids
from tests.conntrack.cells import CELLS

#: The test that a changed cell must fail, with the cell as its parameter.
TEST = "tests/conntrack/test_grids.py::test_cell"


def mutated(module: ModuleType, cell: object, after: object) -> object:
    """The machine's table with one cell changed."""
    return MappingProxyType({**module.TRANSITIONS, cell: after})


def survivors() -> tuple[int, list[str]]:
    """Change every cell to every other state; return how many, and whose test did not fail."""
    number, alive = 0, []
    for machine, cell, name in _cells():
        module = test_grids.MACHINES[machine]
        key = (
            test_grids.Side[cell[0]],
            module.Event[cell[1]],
            test_grids.state(cell[2]),
        )
        for wrong in (None, *module.STATES.values()):
            if wrong is module.TRANSITIONS[key]:
                continue
            number += 1
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(module, "TRANSITIONS", mutated(module, key, wrong))
                try:
                    test_grids.test_cell(machine, *cell)
                except AssertionError:
                    continue
            alive.append(f"{TEST}[{name}] -> {wrong}")
    return number, alive


def _cells() -> Iterator[tuple[str, tuple[str, str, str, str, str], str]]:
    for machine, cells in CELLS.items():
        for cell in cells:
            yield machine, cell, "-".join((machine, *cell[:3]))
