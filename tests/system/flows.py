"""Packets of the same flows on every CPU at once, from a client through a router to a server.

A packet goes its whole way on the CPU that makes it. The router's devices, `client` and `server`,
are where interfaces are filtered. Needs clang: the programs that make packets are not shipped.
"""

import fcntl
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

from secgroup.dataplane.bpf import libbpf
from secgroup.dataplane.bpf.libc import in_namespace
from tests.support.bpf import compiled
from tests.support.netns import Namespace, Namespaces
from tests.support.paths import mac, settle

CLIENT, SERVER = IPv4Address("10.0.1.10"), IPv4Address("10.0.2.10")
#: Clients of these addresses are behind the client.
OTHERS: Final = "100.64.0.0/10"
SERVICE: Final = 5000
TO_CLIENT, TO_SERVER = "client", "server"
_ROUTER: Final = "router"
#: `struct course` of flows.bpf.c.
COURSE: Final = np.dtype(
    [
        ("state", "<u8"),
        *((name, "<u4") for name in ("first", "window", "hot", "flows")),
        *((name, "<u4") for name in ("client", "client_mask", "server", "service", "service_mask")),
        ("ifindex", "<u4", (2,)),
        ("ethernet", "V16", (2,)),
    ],
    align=True,
)
_FRAME_BYTES: Final = 60
_LOCK: Final = Path(tempfile.gettempdir()) / "secgroup-test-every-cpu.lock"
#: Packets that one call makes, and how many of them are under way at once.
_PACKETS, _BATCH = 4096, 64


class Flows:
    """The path, and what is sent through it while `running`."""

    def __init__(self) -> None:
        self.cpus: Final = sorted(os.sched_getaffinity(0))
        self._ends = ExitStack()

    def __enter__(self) -> Self:
        with self._ends:
            # It takes all of the machine: one after the other.
            lock = self._ends.enter_context(_LOCK.open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
            spaces = self._ends.enter_context(Namespaces())
            self.client, self.router, self.server = (
                spaces.add(name) for name in (TO_CLIENT, _ROUTER, TO_SERVER)
            )
            self.router.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
            for end, address, gateway in (
                (self.client, CLIENT, "10.0.1.1"),
                (self.server, SERVER, "10.0.2.1"),
            ):
                self._join(end, address, gateway)
            self.router.ip(f"route add {OTHERS} via {CLIENT}")
            self._load()
            self._ends = self._ends.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ends.close()

    def _join(self, end: Namespace, address: IPv4Address, gateway: str) -> None:
        """Connect an end with the router; each CPU has queues of its own."""
        queues = f"numtxqueues {len(self.cpus)} numrxqueues {len(self.cpus)}"
        self.router.ip(
            f"link add {end.name} {queues} type veth peer name {_ROUTER} {queues} netns {end.pid}"
        )
        for here, device, own in (
            (self.router, end.name, gateway),
            (end, _ROUTER, str(address)),
        ):
            here.ip(f"address add {own}/24 dev {device}")
            here.ip(f"link set {device} up")
        settle(self.router, end, address, gateway)

    def _load(self) -> None:
        made = libbpf.Object(compiled(Path(__file__).with_name("flows.bpf.c")), "flows.bpf.o")
        made.load()
        self._ends.callback(made.close)
        self._programs = [made.program_fd(name) for name in ("there", "back")]
        self._swallowed = made.map_fd("swallowed")
        memory = libbpf.mapped(made.map_fd("courses"), -(-256 * COURSE.itemsize // 4096) * 4096)
        self.courses = np.frombuffer(memory, COURSE, 256)
        self.courses["state"] = np.arange(256) << 32
        self.courses["client"], self.courses["server"] = int(CLIENT), int(SERVER)
        self.courses["service"], self.courses["hot"] = SERVICE, 1
        for at, end in enumerate((self.client, self.server)):
            index = in_namespace(end.netns, lambda: socket.if_nametoindex(_ROUTER))
            text = f"{mac(self.router, end.name)}:{mac(end, _ROUTER)}:08:00".replace(":", "")
            self.courses["ifindex"][:, at] = index
            self.courses["ethernet"][:, at] = bytes.fromhex(text) + b"\0\0"
            link = in_namespace(
                end.netns,
                lambda index=index: libbpf.attach_link(
                    made.program_fd("swallow"), index, libbpf.TCX_INGRESS
                ),
            )
            self._ends.callback(link.close)

    def swallowed(self) -> int:
        """Return how many packets have come to an end of the path."""
        row = np.zeros(libbpf.possible_cpus(), "<u8")
        assert libbpf.lookup(self._swallowed, np.zeros(1, "<u4"), row)
        return int(row.sum())

    @contextmanager
    def running(self, *, answers: bool) -> Iterator[None]:
        """Send from every CPU, until the block ends."""
        is_over = threading.Event()
        failures: list[BaseException] = []

        def on(cpu: int, program: int) -> Callable[[], None]:
            def work() -> None:
                os.sched_setaffinity(0, {cpu})
                # Whoever watches them goes first.
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
                while not is_over.is_set():
                    libbpf.send_frames(program, bytes(_FRAME_BYTES), _PACKETS, _BATCH)

            return work

        def begin(end: Namespace, work: Callable[[], None]) -> None:
            try:
                in_namespace(end.netns, work)
            except BaseException as error:
                failures.append(error)

        threads = [
            threading.Thread(target=begin, args=(end, on(cpu, program)))
            for cpu in self.cpus
            for end, program in zip((self.client, self.server), self._programs, strict=True)
            if end is self.client or answers
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
        assert failures == []
