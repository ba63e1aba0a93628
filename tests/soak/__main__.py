"""`make soak`: the engine beside the definition for as many packets as one likes.

    python -m tests.soak --packets 100_000_000 --seed 0 --jobs 2

Every trace has a number, from `--seed` on, and is the same wherever and whenever it is played; what
was interrupted goes on with the number that is printed. At the first difference the trace is made
small, written to tests/corpus/, and the program ends with 1; also when what was played does not
cover what traces have to.
"""

import argparse
import sys
import time
from pathlib import Path

from secgroup.engine.cache import keep_kernels
from tests.engine.judge import Difference, compare
from tests.engine.minimise import CORPUS, kept, minimised
from tests.engine.test_differential import NOT_TOLD
from tests.soak.play import KERNELS, all_played, size_of
from tests.support.traces import Coverage, make_trace


def keep(seed: int, different: Difference, folder: Path) -> Path | None:
    """Write the trace that parts the two, made small, into the corpus."""
    trace = make_trace(seed, size_of(seed), hints=False)
    for largest in (1, 50, 700):
        if compare(trace, largest=largest) is not None:
            small, found = minimised(trace, largest=largest)
            return kept(small, found, folder=folder)
    print(f"seed {seed} alone does not show it again: {different}")
    return None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description="Compare the engine with the definition."
    )
    parser.add_argument("--packets", type=int, default=100_000_000)
    parser.add_argument("--seed", type=int, default=1_000_000, help="the first trace")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    options = parser.parse_args(arguments)
    KERNELS.mkdir(parents=True, exist_ok=True)
    keep_kernels(KERNELS)
    compare(make_trace(0, 300))  # Compiles, before every process would.
    coverage, started, following = Coverage(), time.monotonic(), options.seed
    try:
        for seed, different, seen, packets in all_played(
            options.seed, options.packets, options.jobs
        ):
            if different is not None:
                print(f"\nseed {seed}: {different}", flush=True)
                print(f"made small: {keep(seed, different, options.corpus)}")
                return 1
            following = seed + 1
            coverage.seen.update(seen)
            coverage.packets += packets
            if seed % 10 == 0:
                _tell(coverage.packets, options.packets, started, following)
    except KeyboardInterrupt:
        print(f"\ninterrupted; goes on with --seed {following}")
        return 130
    _tell(coverage.packets, options.packets, started, following)
    print(f"\n{coverage.packets:,} packets in {following - options.seed:,} traces agree")
    missing = sorted(set(coverage.missing()) - NOT_TOLD)
    wrong = coverage.contradictions()
    print(f"not covered: {', '.join(missing) or 'nothing'}")
    if wrong:
        print(f"covered and said to be impossible: {', '.join(wrong)}")
    return int(bool(missing or wrong))


def _tell(packets: int, whole: int, started: float, following: int) -> None:
    seconds = time.monotonic() - started
    rate = packets / seconds
    left = max(0, whole - packets) / rate / 60
    print(
        f"\r{packets:,} of {whole:,} packets, {rate:,.0f}/s, {left:.0f} min left, "
        f"next seed {following}   ",
        end="",
        file=sys.stderr,
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
