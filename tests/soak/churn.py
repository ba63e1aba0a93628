"""Flows that come and go while others are held: `python -m tests.soak.churn`."""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from secgroup.engine.cache import keep_kernels
from secgroup.engine.engine import Engine
from tests.engine.churn import Churn
from tests.engine.crafted import longest_probe
from tests.soak.play import KERNELS
from tests.support import described

GROUPS = {"sg-dns": ["in udp/53 0.0.0.0/1", "in udp/53 128.0.0.0/1"]}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak.churn", description="Let flows come and go by the million."
    )
    parser.add_argument("--entries", type=int, default=100_000_000)
    parser.add_argument("--each", type=int, default=50_000, help="new flows in a second")
    parser.add_argument("--held", type=int, default=100_000, help="flows that are held throughout")
    options = parser.parse_args(arguments)
    KERNELS.mkdir(parents=True, exist_ok=True)
    keep_kernels(KERNELS)
    with tempfile.TemporaryDirectory() as folder:
        network = described.network(Path(folder), GROUPS, {"eni-1": "10.0.1.5 sg-dns"})
    engine = Engine(network, key=b"churn", room=1 << 22)
    churn = Churn(engine, each=options.each, held=options.held)
    started, seconds = time.monotonic(), -(-options.entries // options.each)
    for first in range(0, seconds, 200):
        churn.run(min(200, seconds - first))
        churn.check()
        used = time.monotonic() - started
        print(
            f"{churn.made:,} entries made and {churn.made + options.held - len(engine):,} gone, "
            f"{len(engine):,} there, {engine.size_bytes / len(engine):.0f} B each, "
            f"longest search {longest_probe(engine._flows)} slots, {used:.0f} s",
            flush=True,
        )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
