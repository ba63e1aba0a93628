"""The targets of fuzzing for a bounded time: seeds, finds, and what comes of changing them."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, beginnings, run

#: Nothing that small input may make us hold.
_MEMORY = 64 * 1024 * 1024

every_target = pytest.mark.parametrize("name", TARGETS)
interesting = st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)) | st.integers(0, 255)


@st.composite
def changed(draw: st.DrawFn, name: str) -> bytes:
    """Take a seed and overwrite, cut out, repeat and cut off parts of it."""
    data = bytearray(draw(st.sampled_from(beginnings(name))))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        size = draw(st.integers(0, 8))
        change = draw(
            st.sampled_from(("overwrite", "overwrite", "overwrite", "out", "twice", "end"))
        )
        if change == "overwrite":
            data[at : at + size] = bytes(draw(st.lists(interesting, min_size=size, max_size=size)))
        elif change == "out":
            del data[at : at + size]
        elif change == "twice":
            data[at:at] = data[at : at + size * 8]
        else:
            del data[at:]
    return bytes(data)


@every_target
def test_seeds_and_finds_raise_nothing_unexpected(name: str) -> None:
    for data in beginnings(name):
        run(name, data)


@every_target
def test_changed_seeds_raise_nothing_unexpected_in_time_and_memory(name: str) -> None:
    @given(changed(name))
    @settings(max_examples=300, deadline=2000)
    def bounded(data: bytes) -> None:
        tracemalloc.reset_peak()
        run(name, data)
        assert tracemalloc.get_traced_memory()[1] < _MEMORY

    tracemalloc.start()
    try:
        bounded()
    finally:
        tracemalloc.stop()
