"""How much faster several cores decide: `python -m benchmarks.cores [--cores 2]`.

The packets of `benchmarks.engine`: a million tracked connections, each packet of a random one in
a random direction. Times are of the wall, sharing out and putting together included; medians of
seven runs, one engine and several by turns. The answers of both are compared.
"""

import argparse
import os
import statistics
import time
from pathlib import Path

import numpy as np

from benchmarks import SEED
from benchmarks.flows import Workload, network
from secgroup.engine.batch import Batch
from secgroup.engine.cache import keep_kernels
from secgroup.engine.cores import Cores
from secgroup.engine.engine import Engine

RUNS = 7
BATCH = 65_536
BATCHES = 16
_SAME = ("accepted", "reason", "address_class", "port_class", "state_before", "state_after")


def filled(engine: Engine | Cores, work: Workload, connections: int) -> None:
    """Open connections, and let them be answered."""
    for step in (work.openers, work.answers, work.third):
        for first in range(0, connections, BATCH):
            engine.decide(step(first, min(BATCH, connections - first)))


def seconds(engine: Engine | Cores, batches: list[Batch]) -> float:
    """Return what deciding batches takes by the wall."""
    start = time.perf_counter()
    for batch in batches:
        engine.decide(batch)
    return time.perf_counter() - start


def check(one: Engine, several: Cores, batch: Batch) -> None:
    """Compare answers and records.

    Raises
    ------
    RuntimeError
        They differ; there are no figures.

    """
    expected, found = one.decide(batch).columns, several.decide(batch).columns
    for name in _SAME:
        if not (getattr(found, name) == getattr(expected, name)).all():
            raise RuntimeError(f"{name} is another one on several cores")
    if not (one.records() == several.records()).all():
        raise RuntimeError("the records are others on several cores")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cores", description=__doc__)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--connections", type=int, default=1_000_000)
    parser.add_argument("--cache", type=Path, help="keep compiled kernels here")
    options = parser.parse_args()
    if options.cache is not None:
        keep_kernels(options.cache)
    around, count = network(), options.connections
    one = Engine(around, key=b"figures")
    several = Cores(around, key=b"figures", cores=options.cores)
    work = Workload(engine=one)
    for each in (one, several):
        filled(each, work, count)
    chance = np.random.default_rng(SEED)
    batches = [work.random(chance, count, BATCH, each * BATCH) for each in range(BATCHES)]
    for batch in batches[:2]:
        check(one, several, batch)
    taken = [(seconds(one, batches), seconds(several, batches)) for _ in range(RUNS)]
    alone, shared = (statistics.median(each) for each in zip(*taken, strict=True))
    packets = BATCH * BATCHES / 1e6
    held = "yes" if alone / shared >= 1.5 else "NO"
    print(
        f"{count:,} connections, seed {SEED}, load {os.getloadavg()[0]:.1f}\n"
        f"one core {packets / alone:.1f} M/s, {options.cores} cores {packets / shared:.1f} M/s: "
        f"{alone / shared:.2f} x (>= 1.5 x: {held})"
    )


if __name__ == "__main__":
    main()
