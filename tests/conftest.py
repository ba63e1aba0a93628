from collections.abc import Generator

import pytest

from tests.support import playbook
from tests.support.capabilities import require


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
