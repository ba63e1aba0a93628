"""Traces by their numbers, judged in several processes."""

import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from secgroup.engine.cache import keep_kernels
from tests.engine.judge import Difference, judged
from tests.support.traces import Coverage

#: Packets of a trace by turns: most faults show in short ones, some only where much is remembered.
SIZES = (2500, 2500, 2500, 600, 10_000)
KERNELS = Path(__file__).resolve().parents[2] / ".pytest_cache" / "d" / "kernels"
Played = tuple[int, Difference | None, Counter[str], int]


def size_of(seed: int) -> int:
    """How many packets the trace of a number has."""
    return SIZES[seed % len(SIZES)]


def play(seed: int) -> Played:
    """Judge one trace, in a process of its own."""
    coverage = Coverage()
    different = judged(seed, size_of(seed), coverage)
    return seed, different, coverage.seen, coverage.packets


def start_process(folder: Path) -> None:
    """Leave interrupts to the parent, and take its kernels."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_kernels(folder)


def all_played(first: int, packets: int, jobs: int) -> Iterator[Played]:
    """Judge traces from number `first` on, in their order, until they have so many packets."""
    number = -(-packets // sum(SIZES)) * len(SIZES)
    pool = ProcessPoolExecutor(
        jobs, get_context("spawn"), start_process, (KERNELS,), max_tasks_per_child=500
    )
    try:
        yield from pool.map(play, range(first, first + number))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
