"""What the sweeper costs: `python -m benchmarks.kernel.sweeper`.

With 100,000 expiries a second a pass marks so many entries, and removes as many that the pass
before has marked, among others that live. Then it rests for a second, or for nine times as long as
it took: its share of a core is at most a tenth, and what expired is there the longer. Medians;
times are of the thread that runs the shipped program `sweep`.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Final

import numpy as np

from benchmarks.kernel.packet import Figure, below
from secgroup.conntrack.state import State
from secgroup.dataplane.bpf.layout import ENTRY, STRUCTS
from secgroup.dataplane.bpf.loaded import Loaded

EXPIRIES: Final = 100_000
PASSES: Final = 7
#: Entries that live, and the size of the table.
TABLES: Final = ((0, 1 << 18), (50_000, 1 << 18), (800_000, 1 << 20))
NOW_MS: Final = 1_000_000
TIMEOUT_MS: Final = 60_000
#: As of sweep.h.
REST_S, RESTS = 1.0, 9
_INTERFACE, _OWNER = 7, 1


class Table:
    """A table of connections, and what the sweeper takes of it.

    Parameters
    ----------
    entries : int
        How many it has room for.
    logs : bool
        Flow logs are kept: the last tally of each is told.

    """

    def __init__(self, loaded: Loaded, *, logs: bool) -> None:
        self._loaded, self._maps = loaded, loaded.maps
        self._made = 0
        self._maps.timeouts[0, State.ESTABLISHED] = TIMEOUT_MS
        self._maps.policies[1:2]["logs"] = logs
        self._maps.words[_INTERFACE] = 1

    def add(self, count: int, last_ms: int) -> None:
        """Write entries that were last used at a time."""
        keys, entries = np.zeros(count, STRUCTS["key"]), np.zeros(count, ENTRY)
        keys["inside_lo"] = np.arange(self._made, self._made + count)
        keys["outside_lo"] = np.random.default_rng(self._made).integers(0, 1 << 62, count)
        keys["owner_protocol"] = _OWNER
        entries["state"], entries["last_ms"] = State.ESTABLISHED, last_ms
        entries["interface"] = _INTERFACE
        self._maps.connections.update(keys, entries)
        self._maps.owners[_OWNER : _OWNER + 1]["weight"] += count
        self._made += count

    def pass_over(self, marked: int, removed: int, left: int) -> float:
        """Return the seconds of one pass, which does what is expected of it."""
        begin = time.thread_time()
        row = self._loaded.sweep(NOW_MS)[0]
        took = time.thread_time() - begin
        found = tuple(int(row[each]) for each in ("marked", "removed", "left"))
        if found != (marked, removed, left):
            raise RuntimeError(f"swept {found}, not {(marked, removed, left)}")
        self._maps.ended.read()
        return took


def figures(expiries: int, passes: int, *, logs: bool) -> Iterator[Figure]:
    """Yield what a pass takes and the share of a core, by how many entries live."""
    for living, room in TABLES:
        with Loaded(sizes={"connections": room}) as loaded:
            table = Table(loaded, logs=logs)
            table.add(living, NOW_MS)
            table.add(expiries, 0)
            table.pass_over(expiries, 0, living)
            took = []
            for _ in range(passes):
                table.add(expiries, 0)
                took.append(table.pass_over(expiries, expiries, living))
        pass_s = statistics.median(took)
        rest_s = max(REST_S, RESTS * pass_s)
        name = f"{living:,} live{', flow logs kept' if logs else ''}"
        yield Figure(name=f"a pass, {expiries:,} expired, {name}", value=1000 * pass_s, unit="ms")
        share = Figure(
            name=f"{expiries:,} expiries/s, {name}",
            value=round(100 * pass_s / (pass_s + rest_s), 6),
            unit="%",
        )
        yield below(share, 10, "<= 10 % of a core")


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kernel.sweeper", description=__doc__
    )
    parser.add_argument("--tiny", action="store_true", help="answers only, figures mean nothing")
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}")
    failed = 0
    for logs in (False, True):
        size = (2_000, 1) if options.tiny else (EXPIRIES, PASSES)
        for figure in figures(*size, logs=logs):
            print(figure, flush=True)
            failed += figure.held is False
    return int(failed > 0 and not options.tiny)


if __name__ == "__main__":
    sys.exit(main())
