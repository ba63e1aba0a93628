"""Runs programs on packets that are another one each time: ours, or what they are compared with.

Owns the generator (packet.bpf.c) and its plan. Times are of the thread, and what the generator
takes by itself is taken away, as it was measured in the same run.
"""

import mmap
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from benchmarks import SEED
from benchmarks.flows import OWNERS
from benchmarks.kernel.build import built
from secgroup.dataplane.bpf import libbpf, maps
from secgroup.dataplane.bpf.layout import STRUCTS

PACKETS: Final = 1_000_000
RUNS: Final = 7
SYN, SYN_ACK, ACK = 0x02, 0x12, 0x10
#: Which way packets go: as openers, as answers, or either, by chance.
OPENERS, ANSWERS, EITHER = 0, 1, 2
#: `struct plan` of packet.bpf.c.
PLAN: Final = np.dtype(
    [
        *((name, "<u8") for name in ("state", "next", "connections", "made", "hits")),
        *((name, "<u4") for name in ("jump", "replies", "way", "service", "udp_service")),
        *(("tcp_flags", "<u4"), ("interfaces", "<u4", (OWNERS,)), ("key", STRUCTS["key"])),
    ]
)
#: The longer of the two kinds of frame: Ethernet, IPv6, TCP.
_FRAME: Final = bytes(14 + 40 + 20)


class Generator:
    """Makes packets of numbered connections and hands them to a program.

    Parameters
    ----------
    programs : mapping
        Name -> descriptors of the programs for ingress and egress, beside the generator's own.
    table : int
        Entries of the hashes that are compared with.
    interfaces : sequence of int
        The numbers of the interfaces eni-00 and so on.

    """

    def __init__(
        self,
        programs: Mapping[str, tuple[int, int]],
        table: int,
        interfaces: Sequence[int] = tuple(range(OWNERS)),
    ) -> None:
        self._object = libbpf.Object(built("packet.bpf.c"), "packet.bpf.o")
        for name in ("hash96", "hash64"):
            self._object.set_entries(name, table)
        self._object.load()
        memory = libbpf.mapped(self._object.map_fd("plans"), mmap.PAGESIZE)
        self.plan = np.frombuffer(memory, PLAN, 1)
        self.plan["interfaces"] = interfaces
        self.plan["state"] = SEED
        self.plan["service"], self.plan["udp_service"] = 443, 53
        self._run = libbpf.TestRun(self._object.program_fd("packet"))
        own = [each for each in self._object.programs if each != "packet"]
        found = {each: (self._object.program_fd(each),) * 2 for each in own} | dict(programs)
        jumps = maps.Programs(self._object.map_fd("jumps"))
        self._places: dict[str, tuple[int, int]] = {}
        for number, (name, descriptors) in enumerate(found.items()):
            self._places[name] = (2 * number, 2 * number + 1)
            for place, descriptor in zip(self._places[name], descriptors, strict=True):
                jumps.put(place, descriptor)

    def close(self) -> None:
        """Give its maps back."""
        self._object.close()

    def map(self, name: str, key: np.dtype[np.void], value: np.dtype[np.void]) -> maps.Hash:
        """Return one of the maps that are compared with."""
        return maps.Hash(self._object.map_fd(name), key, value)

    def run(
        self, program: str, count: int = PACKETS, *, connections: int = 0, way: int = EITHER,
        flags: int = ACK, first: int | None = None,
    ) -> float:  # fmt: skip
        """Make packets of random connections, or one after another; return nanoseconds of each.

        Parameters
        ----------
        connections : int
            How many there are to choose from; 0: they go in order, from `first` on.

        """
        self.plan["jump"], self.plan["replies"] = self._places[program]
        self.plan["connections"], self.plan["way"], self.plan["tcp_flags"] = connections, way, flags
        if first is not None:
            self.plan["next"] = first
        made = int(self.plan["made"][0])
        begin = time.thread_time_ns()
        self._run.run(_FRAME, count)
        taken = time.thread_time_ns() - begin
        if int(self.plan["made"][0]) - made != count:
            raise RuntimeError(f"{program}: not as many packets as were asked for")
        return taken / count

    def hits(self) -> int:
        """Return how often a program that is compared with found what it sought, since ever."""
        return int(self.plan["hits"][0])

    def beyond(
        self, programs: Sequence[str], *, runs: int = RUNS, count: int = PACKETS,
        connections: int, way: int = EITHER, flags: int = ACK,
    ) -> list[float]:  # fmt: skip
        """Return what each program takes for a packet of a random connection, medians of runs."""
        taken: list[list[float]] = [[] for _ in programs]
        for _ in range(runs):
            bare = self.run("nothing", count, connections=connections, way=way, flags=flags)
            for each, program in zip(taken, programs, strict=True):
                each.append(
                    self.run(program, count, connections=connections, way=way, flags=flags) - bare
                )
        return [statistics.median(each) for each in taken]
