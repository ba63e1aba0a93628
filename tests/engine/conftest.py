import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from secgroup.engine.cache import keep_kernels


@pytest.fixture(autouse=True, scope="session")
def _kept_kernels(pytestconfig: pytest.Config) -> None:
    """Compile once for all runs of the same sources."""
    assert pytestconfig.cache is not None
    # Where programs that tests start look for them: tests/cli/conftest.py.
    keep_kernels(Path(pytestconfig.cache.mkdir("home")) / "secgroup" / "kernels")


@pytest.fixture(autouse=True)
def _wrapping_numbers() -> Iterator[None]:
    """Interpreted kernels compute modulo 2**64, as compiled ones do."""
    with np.errstate(over="ignore"):
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The same in the threads that tests begin, which have NumPy's own settings."""
    if os.environ.get("NUMBA_DISABLE_JIT") == "1":
        for item in items:
            item.add_marker(pytest.mark.filterwarnings("ignore:overflow encountered"))
