"""Generated traces through the shipped object: it decides and remembers as the definition does."""

from collections import Counter

import pytest

from tests.conformance.crafted import CRAFTED
from tests.conformance.judge import NOT_TOLD, TOLERATED, compare, judged
from tests.conformance.kernel import Kernel, loaded
from tests.engine.minimise import CORPUS, read
from tests.support.traces import Coverage

pytestmark = pytest.mark.needs("root", "bpf")

#: Four parts of 20 traces are 200,000 packets; each reaches the floor of coverage alone.
PARTS, TRACES, EACH = 4, 20, 2500


@pytest.mark.parametrize("part", range(PARTS))
def test_object_decides_and_remembers_what_the_definition_does(part):
    coverage, tolerated = Coverage(), Counter()
    kernel = Kernel(loaded())
    for seed in range(part * TRACES, (part + 1) * TRACES):
        different = judged(kernel, seed, EACH, coverage, tolerated)
        assert different is None, f"seed {seed}: {different}"
    assert coverage.packets == TRACES * EACH
    assert set(coverage.missing()) == NOT_TOLD, coverage.report()
    assert coverage.contradictions() == []
    assert set(tolerated) <= set(TOLERATED)
    assert sum(tolerated.values()) < coverage.packets // 50


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.trace")), ids=lambda path: path.stem)
def test_corpus_is_decided_alike(path):
    assert compare(Kernel(loaded()), read(path)) is None


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_trace_is_decided_alike(name):
    assert compare(Kernel(loaded()), CRAFTED[name]) is None
