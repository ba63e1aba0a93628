"""Print what the traces from a seed on cover; exit 1 below the floor."""

import argparse
import sys

from tests.support.traces import coverage_of, make_trace

EACH = 2500


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.traces", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--packets", type=int, default=40_000)
    options = parser.parse_args()
    number = -(-options.packets // EACH)
    sizes = [min(EACH, options.packets - EACH * index) for index in range(number)]
    coverage = coverage_of(
        make_trace(options.seed + index, size) for index, size in enumerate(sizes)
    )
    print(coverage.report())
    return int(bool(coverage.missing() or coverage.contradictions()))


if __name__ == "__main__":
    sys.exit(main())
