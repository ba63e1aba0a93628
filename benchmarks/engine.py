"""The engine's figures: `python -m benchmarks.engine [--row 1M]`.

Beside each stands a yardstick from the same run: a kernel that reads and writes one random
64-byte line of a table as large as the records, with prefetch. Times are of the thread: on a
machine that others use, waiting for them is nobody's figure. Before each measurement the same
kind of packets is decided by the definition too, and the answers are compared.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import llvmlite
import numba
import numpy as np

from benchmarks import SEED
from benchmarks.flows import Workload, network
from secgroup.decision import Reason
from secgroup.engine.batch import Batch
from secgroup.engine.cache import keep_kernels
from secgroup.engine.engine import Engine
from secgroup.engine.kernels import kernel, prefetch
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from secgroup.policy.resolve import Policy
from secgroup.reference.decide import decide
from secgroup.reference.memory import Memory

BATCH = 65_536
RUNS = 7
#: Batches of random packets that are decided by turns in a run.
BATCHES = 8
CHECKED = 2_000
_AHEAD = 16


@kernel
def touch(lines, order):
    """Read and write one line of eight words for each number."""
    count = order.shape[0]
    for i in range(count):
        if i + _AHEAD < count:
            prefetch(lines, order[i + _AHEAD] << 3)
        lines[order[i] << 3] += 1


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A rate in millions a second, with the yardstick's, or another number."""

    name: str
    value: float
    unit: str
    bar: str
    held: bool | None
    yardstick: float | None = None

    def __str__(self) -> str:
        held = {True: "yes", False: "NO", None: ""}[self.held]
        ratio = "" if self.yardstick is None else f"{self.value / self.yardstick:.3f} of"
        stick = "" if self.yardstick is None else f"{self.yardstick:.1f} M/s"
        value = f"{self.value:.2f} {self.unit}"
        return f"{self.name:<58} {value:>14}  {self.bar:<22} {held:<4} {ratio:>9} {stick}"


def seconds(work: Callable[[], object]) -> float:
    """Return what this thread took for some work."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def yardstick(lines: int, runs: int = RUNS) -> float:
    """Return random lines read and written, in millions a second."""
    table = np.zeros(lines * 8, dtype=np.int64)
    order = np.random.default_rng(SEED).integers(0, lines, 1 << 21)
    touch(table, order)
    return (
        len(order)
        / statistics.median(seconds(lambda: touch(table, order)) for _ in range(runs))
        / 1e6
    )


def check(around: Network) -> None:
    """Compare the engine's answers for the workload with the definition's.

    Raises
    ------
    RuntimeError
        They differ; there are no figures.

    """
    engine, memory, policy = Engine(around, key=b"figures"), Memory(), Policy(around)
    work = Workload(engine=engine)
    chance = np.random.default_rng(SEED)
    ids = {engine.interface_number(each): each for each in around.interfaces}
    batches = [work.openers(0, CHECKED), work.answers(0, CHECKED), work.third(0, CHECKED)]
    for batch in (*batches, work.random(chance, 2 * CHECKED, CHECKED, 0)):
        decisions = engine.decide(batch)
        for row in range(len(batch)):
            expected = decide(
                policy.at(ids[int(batch.packets.interface[row])]),
                memory,
                batch.packet(row),
                Direction(int(batch.packets.direction[row])),
                int(batch.packets.time_ms[row]),
            )
            if decisions.decision(row) != expected:
                raise RuntimeError(f"wrong answer: {decisions.decision(row)}, not {expected}")


def filled(engine: Engine, connections: int) -> list[float]:
    """Open connections and let them be answered; return the seconds of each opening batch."""
    work, taken = Workload(engine=engine), []
    for step in (work.openers, work.answers, work.third):
        for first in range(0, connections, BATCH):
            batch = step(first, min(BATCH, connections - first))
            used = seconds(lambda batch=batch: engine.decide(batch))
            if step == work.openers and len(batch) == BATCH:
                taken.append(used)
    return taken


def rate(engine: Engine, batches: list[Batch], reason: Reason) -> float:
    """Return decisions in millions a second, all of one reason: the median of several runs."""
    rates = []
    for _ in range(RUNS):
        used = 0.0
        for batch in batches:
            start = time.thread_time()
            decisions = engine.decide(batch)
            used += time.thread_time() - start
            if not (decisions.columns.reason == reason).all():
                raise RuntimeError(f"not every packet is {reason.name}")
        rates.append(len(batches) * BATCH / used / 1e6)
    return statistics.median(rates)


def tracked(
    around: Network, connections: int, name: str, bar: float, ratio: float | None
) -> Iterator[Figure]:
    """Measure packets of tracked connections, and the memory that those take."""
    check(around)
    engine = Engine(around, key=b"figures")
    filled(engine, connections)
    chance = np.random.default_rng(SEED)
    work = Workload(engine=engine)
    batches = [work.random(chance, connections, BATCH, number * BATCH) for number in range(BATCHES)]
    stick = yardstick(connections)
    found = rate(engine, batches, Reason.ESTABLISHED)
    held = found >= bar or (ratio is not None and found >= ratio * stick)
    text = f">= {bar:g} M/s" + ("" if ratio is None else f", {ratio:g} of it")
    yield Figure(name=name, value=found, unit="M/s", bar=text, held=held, yardstick=stick)
    taken = engine.size_bytes / len(engine)
    yield Figure(
        name=f"memory a connection at {connections:,}, links included",
        value=taken, unit="B", bar="<= 100 B", held=taken <= 100,
    )  # fmt: skip


def opening(rules: int, prefixes: int, bar: float) -> Figure:
    """Measure new connections."""
    around = network(rules=rules, prefixes=prefixes)
    check(around)
    rates = []
    for _ in range(3):
        engine = Engine(around, key=b"figures")
        # Rules are laid down once, and are no part of what a connection costs.
        engine.compiled.build()
        work = Workload(engine=engine)
        used = 0.0
        batches = [work.openers(number * BATCH, BATCH) for number in range(BATCHES)]
        for batch in batches:
            start = time.thread_time()
            decisions = engine.decide(batch)
            used += time.thread_time() - start
            if (decisions.columns.reason == Reason.NEW).mean() < 0.99:
                raise RuntimeError("not every connection is new")
        rates.append(BATCHES * BATCH / used / 1e6)
    found = statistics.median(rates)
    name = f"new connections, {rules:,} rules with {prefixes:,} prefixes"
    return Figure(name=name, value=found, unit="M/s", bar=f">= {bar:g} M/s", held=found >= bar)


def growth(last: int) -> Figure:
    """Measure the slowest batch over the median one while the table grows from half a million."""
    engine = Engine(network(), key=b"figures")
    work, taken = Workload(engine=engine), []
    for first in range(0, last, BATCH):
        batch = work.openers(first, BATCH)
        used = seconds(lambda batch=batch: engine.decide(batch))
        if first >= 500_000:
            taken.append(used)
    found = max(taken) / statistics.median(taken)
    name = f"slowest decide of {BATCH:,} over the median, to {last:,}"
    return Figure(name=name, value=found, unit="x", bar="<= 3 x", held=found <= 3)


def million() -> Iterator[Figure]:
    """Measure decisions among a million connections."""
    yield from tracked(network(), 1_000_000, "decisions, 1 M tracked", 15, 0.22)
    yield from tracked(
        network(acl_entries=20), 1_000_000, "decisions, 1 M tracked, ACL of 20 entries", 10, None
    )


def openings() -> Iterator[Figure]:
    """Measure new connections."""
    few = opening(10, 1_000, 5)
    yield few
    many = opening(1_000, 1_000, 5)
    yield many
    yield Figure(
        name="cost of a new connection, 1,000 rules over 10",
        value=few.value / many.value, unit="x", bar="<= 1.3 x", held=few.value / many.value <= 1.3,
    )  # fmt: skip
    yield opening(1_000, 100_000, 2.5)


def growing() -> Iterator[Figure]:
    """Measure the growth of the table."""
    yield growth(16_000_000)


def most() -> Iterator[Figure]:
    """Measure decisions among ten million connections."""
    yield from tracked(network(), 10_000_000, "decisions, 10 M tracked", 9, 0.14)


#: What is measured, from the quickest to the slowest.
ROWS = {"1M": million, "new": openings, "growth": growing, "10M": most}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--row", choices=ROWS, action="append", help="only these")
    parser.add_argument("--cache", type=Path, help="keep compiled kernels here")
    options = parser.parse_args()
    if options.cache is not None:
        keep_kernels(options.cache)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    print(
        f"seed {SEED}, Python {platform.python_version()}, NumPy {np.__version__}, "
        f"Numba {numba.__version__}, llvmlite {llvmlite.__version__}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}, commit {commit.stdout.strip() or 'unknown'}"
    )
    engine = Engine(network(), key=b"figures")
    batch = Workload(engine=engine).openers(0, 1)
    print(f"compiling, or reading what was compiled: {seconds(lambda: engine.decide(batch)):.1f} s")
    failed = 0
    for row in options.row or ROWS:
        for each in ROWS[row]():
            print(each, flush=True)
            failed += each.held is False
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
