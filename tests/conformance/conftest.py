from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from secgroup.model.network import Network
from secgroup.reference.memory import AS_DOCUMENTED, Switches
from tests.conformance.subject import Subject
from tests.conformance.subjects import SUBJECTS
from tests.engine.conftest import _kept_kernels, _wrapping_numbers  # noqa: F401

Make = Callable[..., Subject]


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.needs(*needs) if needs else ())
        for name, (_, needs, _) in SUBJECTS.items()
    ]
)
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Make the subject of a network; a test whose capabilities it has not got is excused."""
    subject, *_ = SUBJECTS[request.param]
    for mark in request.node.iter_markers("requires"):
        for capability in mark.args:
            if capability in subject.closed:
                pytest.skip(f"{capability.name}: {subject.closed[capability]}")
    with ExitStack() as made:

        def of(network: Network, switches: Switches = AS_DOCUMENTED) -> Subject:
            one = subject(network, switches)
            made.callback(one.close)
            return one

        yield of
