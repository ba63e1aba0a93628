"""Ours against nftables and no filter: `python -m benchmarks.kernel.traffic [--rounds 15]`.

One path, client - router - server over veth, saturated by XDP live frames on one CPU (small
packets) or by iperf3 (bulk TCP). Each round takes every configuration in a random order, and no
filter twice: the second one counts as a rival, so that the noise is seen. A figure is the median of
the rounds' ratios, with the interval in which 95 of 100 resampled medians lie. In each round it is
checked that what rules admit comes out, all of it, that nothing else does, and that each filter
knows the flows.
"""

import json
import os
import statistics
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTSocket

from benchmarks import SEED
from benchmarks.kernel.networks import CLIENT_ID, SERVER_ID, two
from benchmarks.kernel.path import SERVER, TO_CLIENT, TO_SERVER, VethPath, inside
from benchmarks.kernel.rival import ruleset
from secgroup.dataplane.bpf.pins import BPFFS, Pins
from secgroup.dataplane.bpf.plane import BpfPlane

NONE, AGAIN, OURS, NFTABLES = "no filter", "no filter again", "ours", "nftables"
ROUNDS: Final = 15
FRAMES: Final = 100_000
#: How often tracked datagrams are sent in a round: the median counts.
REPEATED: Final = 3
FLOWS: Final = 1_000
#: Of our table of connections, as many as the kernel's own has room for on such a machine.
ENTRIES: Final = 1 << 18
#: The router's devices, and whose they are.
DEVICES: Final = {TO_CLIENT: CLIENT_ID, TO_SERVER: SERVER_ID}
#: Which of them are filtered: a packet meets one filter, or two.
FILTERED: Final = {"one": {TO_SERVER: SERVER_ID}, "both": DEVICES}
RESAMPLED: Final = 10_000

#: Says how many flows it knows; None knows none.
Known = Callable[[], int] | None
Filter = Callable[[VethPath], AbstractContextManager[Known]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One ratio of rates over all rounds, and the bar for it."""

    name: str
    median: float
    low: float
    high: float
    bar: str = ""
    held: bool | None = None

    def __str__(self) -> str:
        held = {True: "yes", False: "NO", None: ""}[self.held]
        interval = f"[{self.low:.3f}, {self.high:.3f}]"
        return (
            f"{self.name:<32} {self.median:>6.3f}  {interval:<16}  {self.bar:<28} {held}".rstrip()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What a ratio is compared with: the median, or where `of_interval` the interval's end."""

    least: float
    strictly: bool = False
    of_interval: bool = False

    def judge(self, each: Compared) -> Compared:
        """Return a ratio with this bar."""
        value = each.high if self.of_interval else each.median
        held = value > self.least if self.strictly else value >= self.least
        text = f"interval includes {self.least:g}" if self.of_interval else f"{self.least:g}"
        sign = "" if self.of_interval else "> " if self.strictly else ">= "
        return Compared(
            name=each.name, median=each.median, low=each.low, high=each.high,
            bar=sign + text, held=held,
        )  # fmt: skip


def compared(name: str, ours: list[float], theirs: list[float]) -> Compared:
    """Return the median ratio of rates that were taken in the same rounds, and its interval."""
    ratios = np.array(ours) / np.array(theirs)
    chance = np.random.default_rng(SEED)
    drawn = np.median(chance.choice(ratios, (RESAMPLED, len(ratios))), axis=1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Compared(name=name, median=float(np.median(ratios)), low=float(low), high=float(high))


@contextmanager
def no_filter(path: VethPath) -> Iterator[Known]:  # noqa: ARG001
    """Nothing filters at the router."""
    yield None


@contextmanager
def nftables(path: VethPath, devices: Mapping[str, str]) -> Iterator[Known]:
    """The kernel's own filter, connections tracked."""
    path.router.run(["nft", "-f", "-"], text=ruleset(two(), devices))
    try:
        yield lambda: int(path.router.run(["sysctl", "-n", "net.netfilter.nf_conntrack_count"]))
    finally:
        path.router.run(["nft", "flush", "ruleset"])
        inside(path.router, _forget)


def _forget() -> None:
    with NFCTSocket() as tracked:
        tracked.flush()


class Ours:
    """The shipped program, its policies in force; in front of the router's devices when asked."""

    def __init__(self, *, logs: bool) -> None:
        self._pins = Pins(BPFFS / f"secgroup-bench-{os.getpid()}", sizes={"connections": ENTRIES})
        self._maps = self._pins.loaded.maps
        try:
            self._interfaces = self._in_force(logs=logs)
            self._pins.take_over()
        except BaseException:
            self.close()
            raise

    def _in_force(self, *, logs: bool) -> dict[str, int]:
        """Put the network in force; return the interfaces' numbers by device."""
        plane = BpfPlane(self._maps)
        plane.prepare({"here": two()})
        plane.commit()
        return {
            device: plane.attach(interface_id, logs=logs)
            for device, interface_id in DEVICES.items()
        }

    @contextmanager
    def filtering(self, path: VethPath, devices: Mapping[str, str]) -> Iterator[Known]:
        """Filter in front of some of the router's devices."""
        for each in devices:
            interface = self._interfaces[each]
            self._pins.hooks.attach(interface, each, path.router.netns, live=True)
        try:
            yield lambda: len(self._maps.connections.items()[0]) // len(devices)
        finally:
            for each in devices:
                self._pins.hooks.detach(self._interfaces[each])
            for _ in self._maps.connections.chunks(delete=True):
                pass
            self._maps.owners["weight"] = 0

    def close(self) -> None:
        """Leave nothing pinned."""
        self._pins.remove()


def tracked(path: VethPath, known: Known, frames: int) -> float:
    """Return datagrams a second of random flows that have been answered."""
    for answers in (False, True):
        sent = path.send(FLOWS, answers=answers)
        _expect("flows opened", sent.delivered, FLOWS)
    taken = []
    for _ in range(REPEATED):
        sent = path.send(frames, flows=FLOWS)
        _expect("tracked datagrams", sent.delivered, frames)
        taken.append(sent.seconds)
    if known is not None:
        _expect("flows known", known(), FLOWS)
        _expect("refused datagrams", path.send(100, port=1, wait_s=0.01).delivered, 0)
    return frames / statistics.median(taken)


def new(path: VethPath, known: Known, frames: int) -> float:
    """Return datagrams a second, each of a flow of its own."""
    sent = path.send(frames)
    _expect("new datagrams", sent.delivered, frames)
    if known is not None:
        _expect("flows known", known(), frames)
    return frames / sent.seconds


def bulk(path: VethPath, known: Known, frames: int) -> float:  # noqa: ARG001
    """Return bits a second of one TCP stream."""
    command = ["iperf3", "--json", "--client", str(SERVER), "--time", "1", "--affinity", "0,1"]
    answer = json.loads(path.client.run(command))
    if "error" in answer:
        raise RuntimeError(f"iperf3: {answer['error']}")
    return float(answer["end"]["sum_received"]["bits_per_second"])


def _expect(what: str, found: int, expected: int) -> None:
    if found != expected:
        raise RuntimeError(f"{what}: {found:,}, not {expected:,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A kind of traffic and the bars for it, by (rate, over which rate)."""

    title: str
    take: Callable[[VethPath, Known, int], float]
    bars: Mapping[tuple[str, str], Bar]


LOADS: Final = {
    "tracked": Load(
        title=f"{FLOWS:,} tracked flows",
        take=tracked,
        bars={(OURS, NONE): Bar(least=0.85), (OURS, NFTABLES): Bar(least=0.9)},
    ),
    "new": Load(
        title="new flows",
        take=new,
        bars={(OURS, NFTABLES): Bar(least=1, strictly=True)},
    ),
    "bulk": Load(
        title="bulk TCP",
        take=bulk,
        bars={(OURS, NONE): Bar(least=0.97, of_interval=True)},
    ),
}
PAIRS: Final = ((AGAIN, NONE), (NFTABLES, NONE), (OURS, NONE), (OURS, NFTABLES))


def rounds(
    path: VethPath, load: Load, filters: Mapping[str, Filter], count: int, frames: int
) -> dict[str, list[float]]:
    """Return the rates of each configuration, a round's in the same place of every list."""
    chance = np.random.default_rng(SEED)
    rates: dict[str, list[float]] = {name: [] for name in filters}
    for _ in range(count):
        for name in chance.permutation(list(filters)):
            with filters[name](path) as known:
                rates[name].append(load.take(path, known, frames))
    return rates


def figures(load: Load, rates: Mapping[str, list[float]]) -> Iterator[Compared]:
    """Yield the ratios of a load's rates, those with a bar judged."""
    for one, other in PAIRS:
        if one in rates and other in rates:
            found = compared(f"{one} / {other}", rates[one], rates[other])
            bar = load.bars.get((one, other))
            yield found if bar is None else bar.judge(found)


def report(path: VethPath, ours: Ours, name: str, filtered: str, options: Namespace) -> int:
    """Take one load; print rates and ratios; return how many bars are missed."""
    load, devices = LOADS[name], FILTERED[filtered]
    filters: dict[str, Filter] = {
        NONE: no_filter,
        AGAIN: no_filter,
        NFTABLES: partial(nftables, devices=devices),
        OURS: partial(ours.filtering, devices=devices),
    }
    rates = rounds(path, load, filters, options.rounds, options.frames)
    scale, unit = (1e9, "Gbit/s") if name == "bulk" else (1e6, "M packets/s")
    print(f"{load.title}, {filtered} filtered: {unit}, medians")
    print(
        "  " + ", ".join(f"{each} {np.median(found) / scale:.3f}" for each, found in rates.items())
    )
    missed = 0
    for figure in figures(load, rates):
        print(f"  {figure}", flush=True)
        missed += figure.held is False
    return missed


def main() -> int:
    """Print the figures."""
    parser = ArgumentParser(prog="python -m benchmarks.kernel.traffic", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--load", choices=LOADS, action="append", help="only these")
    parser.add_argument("--filtered", choices=FILTERED, action="append", help="only so")
    parser.add_argument("--logs", action="store_true", help="ours keeps flow logs")
    options = parser.parse_args()
    print(f"seed {SEED}, {options.rounds} rounds, load {os.getloadavg()[0]:.1f}")
    missed = 0
    with VethPath() as path, closing(Ours(logs=options.logs)) as ours:
        path.spaces.start(path.server, ["iperf3", "--server", "--logfile", os.devnull])
        for filtered in options.filtered or FILTERED:
            for name in options.load or LOADS:
                if name != "bulk" or filtered == "both":
                    missed += report(path, ours, name, filtered, options)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
