import os
from collections.abc import Generator

import pytest
from hypothesis import settings

from tests.support import playbook
from tests.support.capabilities import require

# A timing is no assertion; and the same commit gets the same answer twice.
settings.register_profile("secgroup", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("secgroup")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        for capability in mark.args:
            require(capability)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    playbook.forgotten()
    result = yield
    if playbook.forgotten() > 0:
        pytest.fail("a playbook was made and never asserted")
    return result
