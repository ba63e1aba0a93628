"""Every run of the program finds its kernels compiled, and nobody's home is written to."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="session")
def _compiled_once(pytestconfig: pytest.Config) -> Iterator[None]:
    """Keep compiled kernels beside pytest's own cache, also for programs that tests start."""
    assert pytestconfig.cache is not None
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(pytestconfig.cache.mkdir("home"))
    from secgroup.engine.cache import keep_kernels

    keep_kernels(Path(os.environ["XDG_CACHE_HOME"]) / "secgroup" / "kernels")
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before
