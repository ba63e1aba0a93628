from pathlib import Path

import pytest

from secgroup.engine.cache import keep_kernels


@pytest.fixture(autouse=True, scope="session")
def _kept_kernels(pytestconfig: pytest.Config) -> None:
    """Compile once for all runs of the same sources."""
    assert pytestconfig.cache is not None
    keep_kernels(Path(pytestconfig.cache.mkdir("kernels")))
