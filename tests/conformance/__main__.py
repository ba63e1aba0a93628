"""Run the suite and write docs/supported.md; with `--packets`, only traces, and more of them.

    python -m tests.conformance
    python -m tests.conformance --packets 10_000_000 --seed 500_000

Every trace has a number, from `--seed` on, and is the same wherever and whenever it is played. At
the first difference between the kernel's program and the definition the trace is made small and
written to tests/corpus/, and the program ends with 1.
"""

import argparse
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from tests.conformance.supported import PAGE, text

EACH = 2500


def write_page() -> int:
    """Run the suite; when all of it passes, write the page."""
    name = "test_page_says_what_the_suite_shows"
    code = pytest.main(["-q", str(Path(__file__).parent), "-k", f"not {name}"])
    if code == 0:
        PAGE.write_text(text())
    return int(code)


def soak(packets: int, seed: int) -> int:
    """Play so many packets of traces through the object and the definition."""
    from tests.conformance.judge import compare, judged
    from tests.conformance.kernel import Kernel, loaded
    from tests.engine.minimise import kept, minimised
    from tests.support.traces import Coverage, make_trace

    kernel, coverage, tolerated = Kernel(loaded()), Coverage(), Counter[str]()
    started = time.monotonic()
    while coverage.packets < packets:
        different = judged(kernel, seed, EACH, coverage, tolerated)
        if different is not None:
            print(f"seed {seed}: {different}", flush=True)
            trace = make_trace(seed, EACH, hints=False)
            small, found = minimised(trace, judge=partial(compare, kernel))
            print(f"made small: {kept(small, found)}")
            return 1
        seed += 1
        rate = coverage.packets / (time.monotonic() - started)
        print(
            f"\r{coverage.packets:,} of {packets:,} packets, {rate:,.0f}/s, next seed {seed}   ",
            end="",
            file=sys.stderr,
            flush=True,
        )
    print(f"\n{coverage.packets:,} packets agree but for {dict(tolerated)}")
    print(f"not covered: {', '.join(coverage.missing()) or 'nothing'}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--packets", type=int, help="play so many, and write no page")
    parser.add_argument("--seed", type=int, default=500_000, help="the first trace")
    options = parser.parse_args()
    return write_page() if options.packets is None else soak(options.packets, options.seed)


if __name__ == "__main__":
    sys.exit(main())
