from collections.abc import Iterator

import pytest

from tests.support.served import Served, served


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as found:
        yield found
