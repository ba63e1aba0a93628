"""What the kernel's own parts cost: `python -m benchmarks.kernel.choices`.

Clocks, tries of prefixes, and two ways to keep connections: the kernel's hash, and records in
blocks inside an array that a hash of one's own finds. Taken as in `benchmarks.kernel.packet`,
without the shipped program: a look-up is of a random connection's key, or of its peer's address,
and ends with a store into the record.
"""

import os
import sys
from collections.abc import Iterator
from typing import Final

import numpy as np

from benchmarks import SEED
from benchmarks.flows import blocks_of_peers
from benchmarks.kernel.generator import OPENERS, RUNS, Generator
from secgroup.dataplane.bpf.layout import PREFIX4

TABLE: Final = 1 << 20
CLOCKS: Final = {
    "clock": "bpf_ktime_get_ns",
    "clock_boot": "bpf_ktime_get_boot_ns",
    "clock_coarse": "bpf_ktime_get_coarse_ns",
    "clock_ticks": "bpf_jiffies64",
}
TABLES: Final = {
    "96": "hash, 40 + 56 bytes",
    "64": "hash, 40 + 24 bytes",
    "_block": "blocks in an array, 40 + 24 bytes",
}
#: What is said, and nanoseconds.
Row = tuple[str, float]


def clocks(generator: Generator) -> Iterator[Row]:
    """Measure clocks."""
    costs = generator.beyond(list(CLOCKS), connections=1_000)
    yield from zip(CLOCKS.values(), costs, strict=True)


def tables(generator: Generator) -> Iterator[Row]:
    """Measure tables of connections, as they fill."""
    for connections in (1_000, 10_000, 100_000, 1_000_000):
        for each in TABLES:
            generator.run(f"make{each}", connections, way=OPENERS, first=0)
        found = generator.beyond([f"find{each}" for each in TABLES], connections=connections)
        for title, cost in zip(TABLES.values(), found, strict=True):
            yield f"{title}, {connections:,} connections", cost


def tries(generator: Generator) -> Iterator[Row]:
    """Measure a trie of /28 blocks, asked for addresses in it and around it."""
    trie = generator.map("trie4", PREFIX4, np.dtype("<u4"))
    there = 0
    for count in (10, 100, 1_000, 10_000, 100_000):
        keys = np.zeros(count - there, PREFIX4)
        keys["length"] = 32 + 28
        packed = b"".join(each.network_address.packed for each in blocks_of_peers(count)[there:])
        keys["address"] = np.frombuffer(packed, np.uint8).reshape(-1, 4)
        trie.update(keys, np.arange(there, count, dtype="<u4"))
        there = count
        (cost,) = generator.beyond(["find_prefix4"], connections=1_000_000)
        # A fifth of the packets is IPv6, and asks nothing.
        yield f"trie of {count:,} prefixes", cost / 0.8


def main() -> int:
    """Print the figures."""
    print(f"seed {SEED}, load {os.getloadavg()[0]:.1f}; medians of {RUNS} runs")
    generator = Generator({}, TABLE)
    for rows in (clocks, tries, tables):
        for title, cost in rows(generator):
            print(f"{title:<56} {cost:>6.0f} ns", flush=True)
    generator.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
