"""A path of devices to send through: a client, a router between two veth pairs, a server.

A packet goes its whole way on the CPU that sends it, in the time of the thread that does.

Owns three network namespaces that end with the `with` block, and the frames sent through them.
What filters the packets at the router, if anything, it does not know.
"""

import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import numpy as np
from tests.support.netns import Namespace, Namespaces
from tests.support.paths import mac, settle

from benchmarks import SEED
from benchmarks.kernel.build import built
from secgroup.dataplane.bpf import libbpf
from secgroup.dataplane.bpf.libc import in_namespace

T = TypeVar("T")

CLIENT: Final = IPv4Address("10.0.1.10")
SERVER: Final = IPv4Address("10.0.2.10")
#: The router's devices; those of the others are called `router`.
TO_CLIENT, TO_SERVER, TO_ROUTER = "client", "server", "router"
#: Datagrams go to this port of the server and the three behind it.
SERVICE: Final = 5000
FRAME_BYTES: Final = 60
#: Frames that are under way at once; the ring of a veth has 256 places.
BATCH: Final = 64
#: `struct course` of frames.bpf.c.
COURSE: Final = np.dtype(
    [
        *((name, "<u8") for name in ("state", "next", "flows")),
        *((name, "<u4") for name in ("ifindex", "inside", "outside", "outside_mask")),
        *(("answers", "<u4"), ("service", "<u4"), ("ethernet", "V16")),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How many frames went in and came out, and what that took of the CPU."""

    frames: int
    delivered: int
    seconds: float


class VethPath:
    """Client, router and server; frames are made on one CPU, and go all their way on it.

    Parameters
    ----------
    cpu : int
        Where frames are sent.

    """

    def __init__(self, cpu: int = 0) -> None:
        self._cpu = cpu
        self._softirq = _thread_called(f"ksoftirqd/{cpu}")
        self._ends = ExitStack()

    def __enter__(self) -> Self:
        with self._ends:
            spaces = self._ends.enter_context(Namespaces())
            self.client, self.router, self.server = (
                spaces.add(name) for name in (TO_CLIENT, TO_ROUTER, TO_SERVER)
            )
            self.spaces = spaces
            spaces.link(self.router, "10.0.1.1/24", self.client, f"{CLIENT}/24")
            spaces.link(self.router, "10.0.2.1/24", self.server, f"{SERVER}/24")
            self.router.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
            self._ends.enter_context(self._frames())
            for end, address, gateway in (
                (self.client, CLIENT, "10.0.1.1"),
                (self.server, SERVER, "10.0.2.1"),
            ):
                settle(self.router, end, address, gateway)
            # Clients of other addresses are behind the first.
            self.router.ip(f"route add 100.64.0.0/10 via {CLIENT}")
            self._ends = self._ends.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ends.close()

    def _frames(self) -> libbpf.Object:
        """Load the programs; put the one that receives at the server's end, and the client's."""
        frames = libbpf.Object(built("frames.bpf.c"), "frames.bpf.o")
        frames.load()
        self._send = frames.program_fd("send")
        self._delivered = frames.map_fd("delivered")
        memory = libbpf.mapped(frames.map_fd("courses"), 4096)
        self._course = np.frombuffer(memory, COURSE, 1)
        self._course["state"] = SEED
        receive = frames.program_fd("receive")
        for end in (self.client, self.server):
            index = inside(end, lambda: socket.if_nametoindex(TO_ROUTER))
            link = inside(
                end, lambda index=index: libbpf.attach_link(receive, index, libbpf.TCX_INGRESS)
            )
            self._ends.callback(link.close)
        return frames

    def delivered(self) -> int:
        """Return how many datagrams came out, since ever."""
        counts = np.zeros(libbpf.possible_cpus(), "<u8")
        libbpf.lookup(self._delivered, np.zeros(1, "<u4"), counts)
        return int(counts.sum())

    def send(
        self, frames: int, *, flows: int = 0, first: int = 0, answers: bool = False, mask: int = 0,
        port: int = SERVICE,
        wait_s: float = 2,
    ) -> Sent:  # fmt: skip
        """Send datagrams of random flows, or where `flows` is 0 of one flow after another.

        Parameters
        ----------
        first : int
            The flow to begin with.
        answers : bool
            From the server to clients.
        mask : int
            Which bits of clients' addresses differ; 0: all are `CLIENT`.
        port : int
            The first of the server's.
        wait_s : float
            How long to wait for those that have not come out when all are in.

        """
        end, device = (self.server, TO_SERVER) if answers else (self.client, TO_CLIENT)
        course = self._course
        course["flows"], course["next"], course["answers"] = flows, first, answers
        course["inside"], course["service"] = int(SERVER), port
        course["outside"] = int(IPv4Address("100.64.0.0")) if mask else int(CLIENT)
        course["outside_mask"] = mask
        text = f"{mac(self.router, device)}:{mac(end, TO_ROUTER)}:08:00".replace(":", "")
        course["ethernet"] = bytes.fromhex(text) + b"\0\0"

        def work() -> Sent:
            os.sched_setaffinity(0, {self._cpu})
            course["ifindex"] = socket.if_nametoindex(TO_ROUTER)
            before, begin = self.delivered(), _used_s(self._softirq)
            libbpf.send_frames(self._send, bytes(FRAME_BYTES), frames, BATCH)
            seconds = _used_s(self._softirq) - begin
            until = time.perf_counter() + wait_s
            while (there := self.delivered() - before) < frames and time.perf_counter() < until:
                pass
            return Sent(frames=frames, delivered=there, seconds=seconds)

        return inside(end, work)


def inside(namespace: Namespace, work: Callable[[], T]) -> T:
    """Return what `work` returns in a namespace."""
    return in_namespace(namespace.netns, work)


def _thread_called(name: str) -> Path:
    """Return where the kernel tells of one of its threads.

    Raises
    ------
    RuntimeError
        It is not seen here, as in a PID namespace of one's own.

    """
    for each in Path("/proc").glob("[0-9]*"):
        if (each / "comm").read_text().strip() == name:
            return each
    raise RuntimeError(f"{name} is not among the processes")


def _used_s(softirq: Path) -> float:
    """Return what packets have taken of the CPU: of this thread, and where it left them over."""
    return time.thread_time() + int((softirq / "schedstat").read_text().split()[0]) / 1e9
