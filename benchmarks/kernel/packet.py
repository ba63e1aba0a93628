"""What one packet costs in the kernel: `python -m benchmarks.kernel.packet [--row tracked]`.

A program makes another packet each time and hands it to the shipped program (packet.bpf.c); what
it costs itself is taken away. TCP 7 in 10, UDP 3; a fifth IPv6; 64 interfaces; each tracked packet
a random connection and direction. Beside each figure stands a yardstick of the same run: a look-up
in a BPF hash of the same shape with the same keys, and a store, into the entry that is there or of
a new one. Medians of seven runs, each of a million packets; times are of the thread. In every run
the program's own counters say that each packet got the answer that was meant.
"""

import argparse
import os
import statistics
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Final

import numpy as np

from benchmarks import SEED
from benchmarks.flows import OWNERS, network
from benchmarks.kernel.generator import (
    ACK,
    ANSWERS,
    OPENERS,
    PACKETS,
    RUNS,
    SYN,
    SYN_ACK,
    Generator,
)
from benchmarks.kernel.networks import (
    CLOSED_PORT,
    FIRST,
    FIRST_MEMBER,
    MEMBERS_PORT,
    OPEN_PORT,
    member,
    of_members,
    opened_to_all,
)
from secgroup.dataplane.bpf.layout import ENTRY, STRUCTS
from secgroup.dataplane.bpf.loaded import Loaded
from secgroup.dataplane.bpf.plane import BpfPlane
from secgroup.decision import Reason
from secgroup.model.network import Network
from secgroup.net.direction import Direction

TABLE: Final = 1 << 18
GREAT_TABLE: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Nanoseconds a packet beside the yardstick's, or another number; `held` where it has a bar."""

    name: str
    value: float
    unit: str = "ns"
    bar: str = ""
    held: bool | None = None
    yardstick: float | None = None

    def __str__(self) -> str:
        held = {True: "yes", False: "NO", None: ""}[self.held]
        value = f"{self.value:.{0 if self.unit == 'ns' else 2}f} {self.unit}"
        stick = ratio = ""
        if self.yardstick is not None:
            stick, ratio = f"{self.yardstick:.0f} ns", f"{self.value / self.yardstick:.2f} x"
        return f"{self.name:<56} {value:>9} {stick:>8} {ratio:>8}  {self.bar:<26} {held}".rstrip()


def below(figure: Figure, most: float, bar: str) -> Figure:
    """Return a figure with its bar: at most so much."""
    return replace(figure, bar=bar, held=figure.value <= most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    packets: int = PACKETS
    runs: int = RUNS
    #: No table is larger.
    connections: int = 1_000_000
    prefixes: int = 100_000


class Rig:
    """The shipped object with a network in force at its 64 interfaces, and the generator.

    Parameters
    ----------
    entries : int
        Of the table of connections, and of the yardstick's.
    logs : bool
        Flow logs are kept.

    """

    def __init__(self, around: Network, entries: int = TABLE, *, logs: bool = False) -> None:
        self.loaded = Loaded(sizes={"connections": entries})
        self.plane = BpfPlane(self.loaded.maps)
        self.plane.prepare({"here": around})
        self.plane.commit()
        self._interfaces = [
            self.plane.attach(f"eni-{each:02}", logs=logs) for each in range(OWNERS)
        ]
        programs = (
            self.loaded.object.program_fd(str(Direction.INGRESS)),
            self.loaded.object.program_fd(str(Direction.EGRESS)),
        )
        self.generator = Generator({"ours": programs}, entries, self._interfaces)
        self.stick = self.generator.map("hash96", STRUCTS["key"], ENTRY)

    def close(self) -> None:
        """Give the maps back."""
        self.generator.close()
        self.loaded.close()

    def __enter__(self) -> "Rig":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reasons(self) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint64]]":
        """Return how many packets had each reason so far, either way."""
        found = [self.loaded.maps.counters.get(each) for each in self._interfaces]
        rows = [each["reasons"] for each in found if each is not None]
        return np.asarray(np.sum(rows, axis=(0, 1, 2)), np.uint64)

    def ours(self, reason: Reason, count: int, **packets: int) -> float:
        """Return what the shipped program and the generator take; each packet has one answer.

        Raises
        ------
        RuntimeError
            Another answer than the one that was meant.

        """
        before = self.reasons()
        taken = self.generator.run("ours", count, **packets)
        change = self.reasons() - before
        if int(change[reason]) != count:
            others = {Reason(int(n)).name: int(change[n]) for n in np.flatnonzero(change)}
            raise RuntimeError(f"not every packet is {reason.name}: {others}")
        return taken

    def fill(self, connections: int) -> None:
        """Open connections, and let them be answered."""
        self.ours(Reason.NEW, connections, way=OPENERS, flags=SYN, first=0)
        self.ours(Reason.ESTABLISHED, connections, way=ANSWERS, flags=SYN_ACK, first=0)
        self.ours(Reason.ESTABLISHED, connections, way=OPENERS, flags=ACK, first=0)
        self.generator.run("make96", connections, way=OPENERS, first=0)

    def clear(self) -> None:
        """Forget all connections."""
        for _ in self.loaded.maps.connections.chunks(delete=True):
            pass
        self.loaded.maps.owners["weight"] = 0
        for _ in self.stick.chunks(delete=True):
            pass

    def change(self, around: Network) -> float:
        """Put another network in force; return the milliseconds that takes."""
        begin = time.perf_counter()
        self.plane.prepare({"here": around})
        self.plane.commit()
        return (time.perf_counter() - begin) * 1e3

    def passes(self, packet: bytes) -> bool:
        """Tell whether a frame passes at the first interface."""
        return self.loaded.run(Direction.INGRESS, self._interfaces[0], packet)

    def known(self, name: str, reason: Reason, count: int, runs: int, **packets: int) -> Figure:
        """Measure packets that leave the table as it is."""
        taken, sticks = [], []
        for _ in range(runs):
            bare = self.generator.run("nothing", count, **packets)
            sticks.append(self.generator.run("find96", count, **packets) - bare)
            taken.append(self.ours(reason, count, **packets) - bare)
        return Figure(
            name=name, value=statistics.median(taken), yardstick=statistics.median(sticks)
        )

    def added(self, around: Network, other: Network, size: Size, connections: int) -> float:
        """Return what another network adds to a tracked packet; both are in force by turns."""
        found = []
        for _ in range(size.runs):
            taken = []
            for each in (around, other):
                self.change(each)
                taken.append(self.ours(Reason.ESTABLISHED, size.packets, connections=connections))
            found.append(taken[1] - taken[0])
        return statistics.median(found)

    def opened(self, name: str, count: int, runs: int) -> Figure:
        """Measure packets that open a connection each, into an empty table."""
        taken, sticks = [], []
        for _ in range(runs):
            self.clear()
            packets = {"way": OPENERS, "flags": SYN, "first": 0}
            bare = self.generator.run("nothing", count, **packets)
            sticks.append(self.generator.run("make96", count, **packets) - bare)
            taken.append(self.ours(Reason.NEW, count, **packets) - bare)
        return Figure(
            name=name, value=statistics.median(taken), yardstick=statistics.median(sticks)
        )


def tracked(size: Size) -> Iterator[Figure]:
    """Measure tracked packets: connections, rules, default and custom ACL."""
    for rules, connections in (
        (10, 1_000), (1_000, 1_000), (10, 10_000), (10, 100_000), (10, 1_000_000),
        (1_000, 1_000_000),
    ):  # fmt: skip
        if connections > size.connections:
            continue
        around = network(rules=rules, prefixes=0 if rules == 10 else 1_000)
        with Rig(around, GREAT_TABLE if connections > TABLE // 2 else TABLE) as rig:
            rig.fill(connections)
            figure = rig.known(
                f"tracked, {connections:,} connections, {rules:,} rules",
                Reason.ESTABLISHED, size.packets, size.runs, connections=connections,
            )  # fmt: skip
            assert figure.yardstick is not None
            if connections == 1_000:
                figure = below(figure, 150, "<= 150 ns")
            elif connections == 1_000_000:
                most = 1.3 * figure.yardstick + 100
                figure = below(figure, most, f"<= {most:.0f} ns, 1.3 x + 100")
            yield figure
            if rules == 10 and connections in (1_000, 1_000_000):
                custom = network(rules=rules, acl_entries=20)
                added = rig.added(around, custom, size, connections)
                name = f"  a custom ACL of 20 entries adds, {connections:,} connections"
                yield below(Figure(name=name, value=added), 100, "<= 100 ns")


def openings(size: Size) -> Iterator[Figure]:
    """Measure new connections: rules and prefixes."""
    few = 0.0
    for rules, prefixes in (
        (10, 10),
        (10, 1_000),
        (100, 1_000),
        (1_000, 1_000),
        (1_000, 10_000),
        (1_000, 100_000),
    ):
        if prefixes > size.prefixes:
            continue
        with Rig(network(rules=rules, prefixes=prefixes), GREAT_TABLE) as rig:
            figure = rig.opened(
                f"new, {rules:,} rules, {prefixes:,} prefixes", size.packets, size.runs
            )
        if (rules, prefixes) == (10, 1_000):
            few = figure.value
        if (rules, prefixes) == (1_000, 1_000):
            figure = below(figure, 1.3 * few, f"<= {1.3 * few:.0f} ns, 1.3 x 10 rules")
        if prefixes == 100_000:
            figure = below(figure, 1_500, "<= 1,500 ns")
        yield figure


def untracked(size: Size) -> Iterator[Figure]:
    """Measure packets that no connection is kept of: refused ones, and those open to everyone."""
    around = opened_to_all(network(rules=10, prefixes=10))
    for logs in (False, True):
        with Rig(around, logs=logs) as rig:
            rig.fill(1_000)
            for port, name, reason in (
                (CLOSED_PORT, "rejected", Reason.NO_MATCHING_RULE),
                (OPEN_PORT, "untracked", Reason.UNTRACKED),
            ):
                rig.generator.plan["service"] = rig.generator.plan["udp_service"] = port
                yield rig.known(
                    f"{name}{', flow logs' if logs else ''}", reason, size.packets, size.runs,
                    connections=1_000, way=OPENERS, flags=SYN,
                )  # fmt: skip


def changes(size: Size) -> Iterator[Figure]:
    """Measure changes, from the call until packets meet them."""
    members = min(10_000, size.prefixes)
    around, last = of_members(members), member(members)
    more = replace(around, interfaces={**around.interfaces, last.interface_id: last})
    newcomer = opener(FIRST_MEMBER + members)
    with Rig(around) as rig:
        taken = []
        for _ in range(size.runs):
            _expect(rig.passes(newcomer), expected=False)
            taken.append(rig.change(more))
            _expect(rig.passes(newcomer), expected=True)
            rig.change(around)
            # A flow that has begun would go on without the rule.
            rig.clear()
        name = f"one member of {members:,} in force"
        yield below(Figure(name=name, value=statistics.median(taken), unit="ms"), 5, "<= 5 ms")
    few = network()
    rules, prefixes = min(1_000, size.prefixes), min(10_000, size.prefixes)
    many = network(rules=rules, prefixes=prefixes)
    with Rig(few) as rig:
        taken = []
        for _ in range(size.runs):
            taken.append(rig.change(many))
            rig.ours(Reason.NEW, 1_000, way=OPENERS, flags=SYN, first=0)
            rig.clear()
            rig.change(few)
        name = f"a policy of {rules:,} rules and {prefixes:,} prefixes"
        yield below(Figure(name=name, value=statistics.median(taken), unit="ms"), 200, "<= 200 ms")


def opener(source: IPv4Address) -> bytes:
    """Return a frame with the SYN that a member of the group sends to the first interface."""
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0)
    tcp = struct.pack(">HHIIBBHI", 40_000, MEMBERS_PORT, 0, 0, 5 << 4, SYN, 0, 0)
    return bytes(12) + b"\x08\0" + ip + source.packed + FIRST.packed + tcp


def _expect(passes: bool, *, expected: bool) -> None:
    if passes != expected:
        raise RuntimeError(f"the newcomer {'passes' if passes else 'does not pass'}")


#: What is measured, by the name of a row.
ROWS = {"tracked": tracked, "new": openings, "untracked": untracked, "changes": changes}
TINY = Size(packets=2_000, runs=1, connections=1_000, prefixes=1_000)


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernel.packet", description=__doc__)
    parser.add_argument("--row", choices=ROWS, action="append", help="only these")
    parser.add_argument("--tiny", action="store_true", help="answers only, figures mean nothing")
    options = parser.parse_args()
    print(f"seed {SEED}, load {os.getloadavg()[0]:.1f}; beside each figure the yardstick")
    failed = 0
    for row in options.row or ROWS:
        for figure in ROWS[row](TINY if options.tiny else Size()):
            print(figure, flush=True)
            failed += figure.held is False
    return int(failed > 0 and not options.tiny)


if __name__ == "__main__":
    sys.exit(main())
