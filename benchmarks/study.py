"""How the engine's speed depends on sizes: `make study`, or `python -m benchmarks.study --save`.

Each study is a line of figures with the yardstick of `benchmarks.engine` beside: a kernel that
reads and writes one random 64-byte line, of a table as large as the records. With `--save` the
numbers go to docs/study/NAME.csv, and the picture made of them to docs/study/NAME.svg.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import SEED, cores
from benchmarks.engine import BATCH, BATCHES, check, opening, yardstick
from benchmarks.flows import Workload, network
from benchmarks.plot import Line, chart
from secgroup.decision import Reason
from secgroup.engine.cache import keep_kernels
from secgroup.engine.cores import Cores
from secgroup.engine.engine import Engine

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "study"
RUNS = 5
#: Packets that each figure is taken of.
PACKETS = BATCH * BATCHES
Point = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is measured over what; `points` are (x, y of each of `names`)."""

    title: str
    x: str
    y: str
    names: tuple[str, ...]
    points: Callable[[], Iterator[Point]]


def rate(engine: Engine, connections: int, size: int) -> float:
    """Return decisions in millions a second of packets of random connections, in batches."""
    work, chance = Workload(engine=engine), np.random.default_rng(SEED)
    whole = work.random(chance, connections, PACKETS, 0)
    batches = [whole.rows(first, first + size) for first in range(0, PACKETS, size)]
    rates = []
    for _ in range(RUNS):
        used = time.thread_time()
        answers = [engine.decide(batch) for batch in batches]
        rates.append(PACKETS / (time.thread_time() - used) / 1e6)
        if not all((each.columns.reason == Reason.ESTABLISHED).all() for each in answers):
            raise RuntimeError("not every packet is ESTABLISHED")
    return statistics.median(rates)


def fill(engine: Engine, first: int, behind: int) -> None:
    """Open connections, and let them be answered."""
    work = Workload(engine=engine)
    for step in (work.openers, work.answers, work.third):
        for at in range(first, behind, BATCH):
            engine.decide(step(at, min(BATCH, behind - at)))


def by_connections() -> Iterator[Point]:
    around = network()
    check(around)
    engine, there = Engine(around, key=b"figures"), 0
    for count in (10**3, 10**4, 10**5, 10**6, 10**7):
        fill(engine, there, count)
        there = count
        yield count, rate(engine, count, BATCH), yardstick(count, RUNS)


def by_batch() -> Iterator[Point]:
    around, count = network(), 100_000
    check(around)
    engine = Engine(around, key=b"figures")
    fill(engine, 0, count)
    for size in (64, 256, 1024, 4096, 16_384, 65_536):
        yield size, rate(engine, count, size), yardstick(count, RUNS)


def by_rules() -> Iterator[Point]:
    for count in (10, 30, 100, 300, 1000):
        yield count, opening(count, 1000, 5).value, yardstick(PACKETS, RUNS)


def by_prefixes() -> Iterator[Point]:
    for count in (10, 100, 1000, 10_000, 100_000):
        yield count, opening(1000, count, 5).value, yardstick(PACKETS, RUNS)


def by_cores() -> Iterator[Point]:
    """Of the wall: one core, and two."""
    around = network()
    for count in (10**4, 10**5, 10**6):
        one, two = Engine(around, key=b"figures"), Cores(around, key=b"figures", cores=2)
        work, chance = Workload(engine=one), np.random.default_rng(SEED)
        for each in (one, two):
            cores.filled(each, work, count)
        batches = [work.random(chance, count, BATCH, n * BATCH) for n in range(BATCHES)]
        cores.check(one, two, batches[0])
        taken = [(cores.seconds(one, batches), cores.seconds(two, batches)) for _ in range(RUNS)]
        alone, shared = (statistics.median(each) for each in zip(*taken, strict=True))
        yield count, PACKETS / shared / 1e6, yardstick(count, RUNS), PACKETS / alone / 1e6


_STICK = "yardstick"
STUDIES = {
    "connections": Study(
        title="Decisions a second, by tracked connections",
        x="tracked connections", y="millions a second, one core",
        names=("decisions", _STICK), points=by_connections,
    ),
    "batch": Study(
        title="Decisions a second, by the size of batches",
        x="packets in a batch, 100,000 connections", y="millions a second, one core",
        names=("decisions", _STICK), points=by_batch,
    ),
    "rules": Study(
        title="New connections a second, by rules",
        x="rules of an interface's direction, 1,000 prefixes", y="millions a second, one core",
        names=("new connections", _STICK), points=by_rules,
    ),
    "prefixes": Study(
        title="New connections a second, by prefixes",
        x="prefixes of 1,000 rules", y="millions a second, one core",
        names=("new connections", _STICK), points=by_prefixes,
    ),
    "cores": Study(
        title="Decisions a second, by cores",
        x="tracked connections", y="millions a second, by the wall",
        names=("two cores", "yardstick, one core", "one core"), points=by_cores,
    ),
}  # fmt: skip


def picture(name: str, rows: list[Point]) -> str:
    """Return the picture of a study's numbers."""
    study = STUDIES[name]
    lines = [
        Line(name=title, points=[(row[0], row[number]) for row in rows])
        for number, title in enumerate(study.names, 1)
    ]
    return chart(study.title, study.x, study.y, lines)


def read(name: str) -> list[Point]:
    """Return the numbers that were saved."""
    lines = (FOLDER / f"{name}.csv").read_text().splitlines()
    return [tuple(map(float, line.split(","))) for line in lines[1:]]


def save(name: str, rows: list[Point]) -> None:
    """Write numbers, and the picture of what stands in the file."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    head = ",".join(("x", *STUDIES[name].names)).replace(" ", "_").replace("yardstick,_", "")
    lines = [head, *(",".join(f"{value:.4g}" for value in row) for row in rows)]
    (FOLDER / f"{name}.csv").write_text("\n".join([*lines, ""]))
    (FOLDER / f"{name}.svg").write_text(picture(name, read(name)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study", description=__doc__)
    parser.add_argument("--only", action="append", choices=STUDIES)
    parser.add_argument("--save", action="store_true", help="write docs/study")
    parser.add_argument("--redraw", action="store_true", help="pictures of the numbers there are")
    options = parser.parse_args()
    if options.redraw:
        for name in options.only or STUDIES:
            save(name, read(name))
        return 0
    keep_kernels(Path("~/.cache/secgroup/kernels").expanduser())
    for name in options.only or STUDIES:
        study, rows = STUDIES[name], []
        print(f"{study.title}; seed {SEED}, load {os.getloadavg()[0]:.1f}", flush=True)
        print("  ".join(f"{each:>16}" for each in (study.x[:16], *study.names)))
        for row in study.points():
            rows.append(row)
            print("  ".join(f"{value:>16,.4g}" for value in row), flush=True)
        if options.save:
            save(name, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
