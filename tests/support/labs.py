"""Labs of tests: brought up under a name of their own, and taken down whatever happens."""

import itertools
import os
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import numpy as np

from secgroup.dataplane.bpf.clock import kernel_ms
from secgroup.dataplane.bpf.connections import Connection
from secgroup.dataplane.bpf.gauges import page
from secgroup.dataplane.bpf.layout import NAMES
from secgroup.dataplane.bpf.pinned import numbers_of, opened, pinned
from secgroup.decision import Reason
from secgroup.decision.switches import AS_DOCUMENTED, Switches
from secgroup.lab import lab as labs
from secgroup.lab.kernel import inside
from secgroup.lab.names import pins_of
from secgroup.lab.plan import Mtus, find
from secgroup.lab.topology import Topology
from secgroup.model.network import Network
from secgroup.net.direction import Direction

#: How long a packet that is dropped is waited for.
SHORT_S = 0.3
#: How long one that should come may take on a busy machine.
LONG_S = 5.0
PLAIN = Mtus()
_COUNT = itertools.count()


def ignore(*_: object) -> None:
    """Hear what is told, and say nothing."""


def new_name() -> str:
    """Return a name that no other test has."""
    return f"test{os.getpid()}_{next(_COUNT)}"


@dataclass
class Lab:
    """A lab that is up."""

    name: str
    topology: Topology

    def follow(
        self, network: Network, mtus: Mtus = PLAIN, switches: Switches = AS_DOCUMENTED
    ) -> None:
        """Make it be another network."""
        self.topology = up(self.name, network, mtus, switches)

    def namespace(self, name: str) -> str:
        """Return the namespace of what is called so."""
        return find(self.topology.places, name).namespace

    def run(
        self, name: str, *command: str, timeout_s: float = 30
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there; its output is text."""
        where = f"--net=/run/netns/{self.namespace(name)}"
        return subprocess.run(
            ["nsenter", where, "--", *command],
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )

    def ping(self, name: str, address: str, *options: str, reaches: bool = True) -> bool:
        """Tell whether an echo comes back; `reaches` is what is expected, and saves the waiting."""
        wait_s = LONG_S if reaches else SHORT_S
        done = self.run(name, "ping", "-n", "-c1", f"-W{wait_s}", *options, address)
        return done.returncode == 0

    def open(self, name: str, address: str, kind: int = socket.SOCK_STREAM) -> socket.socket:
        """Return a socket in the namespace of `name`, of the family of an address."""
        family = socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6
        with inside(self.namespace(name)):
            made = socket.socket(family, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.settimeout(LONG_S)
        return made

    def open_raw(self, name: str, protocol: int, family: int = socket.AF_INET) -> socket.socket:
        """Return a socket there that sends packets of a protocol as they are given to it."""
        with inside(self.namespace(name)):
            return socket.socket(family, socket.SOCK_RAW, protocol)

    def serve(self, name: str, port: int, address: str = "0.0.0.0") -> socket.socket:
        """Return a TCP socket that listens there."""
        listening = self.open(name, address)
        listening.bind((address, port))
        listening.listen()
        return listening

    def connect(
        self, name: str, address: str, port: int, *, reaches: bool = True, source: str | None = None
    ) -> socket.socket | None:
        """Return a TCP connection, None when it does not come about."""
        made = self.open(name, address)
        made.settimeout(LONG_S if reaches else SHORT_S)
        if source is not None:
            made.bind((source, 0))
        try:
            made.connect((address, port))
        except OSError:
            made.close()
            return None
        made.settimeout(LONG_S)
        return made

    @contextmanager
    def running(self, name: str, *command: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
        """Run a command there for the length of a block."""
        where = f"--net=/run/netns/{self.namespace(name)}"
        program = subprocess.Popen(["nsenter", where, "--", *command], text=True, **options)
        try:
            yield program
        finally:
            program.kill()
            program.communicate()

    def connections(self) -> list[Connection]:
        """Return what the lab's plane tracks now."""
        root = pins_of(self.name)
        with opened(root) as descriptors:
            return list(pinned(root, descriptors).connections(kernel_ms()))

    def made_by(self, interface_id: str) -> list[Connection]:
        """Return the connections that an interface made."""
        root = pins_of(self.name)
        with opened(root) as descriptors:
            plane = pinned(root, descriptors)
            number = numbers_of(plane.maps, NAMES["INTERFACE"]).get(interface_id)
            return [each for each in plane.connections(kernel_ms()) if each.interface == number]

    def remembered(self, interface_id: str) -> int:
        """Return how many entries of an interface are in the table, also those that are over."""
        root = pins_of(self.name)
        with opened(root) as descriptors:
            plane = pinned(root, descriptors)
            number = numbers_of(plane.maps, NAMES["INTERFACE"]).get(interface_id)
            _, entries = plane.maps.connections.items()
            return int((entries["interface"] == number).sum())

    def decided(self, interface_id: str, direction: Direction) -> Counter[Reason]:
        """Return how many packets of an interface were decided for which reason."""
        root = pins_of(self.name)
        with opened(root) as descriptors:
            maps = pinned(root, descriptors).maps
            number = numbers_of(maps, NAMES["INTERFACE"])[interface_id]
            found = maps.counters.get(np.uint32(number))
            assert found is not None
            counts = found["reasons"].sum(axis=0)[direction]
        return Counter({reason: int(counts[reason]) for reason in Reason})

    def counted(self) -> str:
        """Return what the lab's plane has counted, as metrics."""
        root = pins_of(self.name)
        with opened(root) as descriptors:
            return page(pinned(root, descriptors).maps)


def up(name: str, network: Network, mtus: Mtus, switches: Switches) -> Topology:
    """Bring a lab up, or make it follow, and hear nothing of it."""
    return labs.up(network, name, mtus=mtus, warn=ignore, tell=ignore, switches=switches)


@contextmanager
def lab_of(
    network: Network, mtus: Mtus = PLAIN, switches: Switches = AS_DOCUMENTED
) -> Iterator[Lab]:
    """Bring a lab up for the length of a block."""
    name = new_name()
    try:
        yield Lab(name, up(name, network, mtus, switches))
    finally:
        labs.down(name)


def wait_until(holds: Callable[[], bool], deadline_s: float = LONG_S) -> None:
    """Return as soon as something holds; it must, before the deadline."""
    until = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < until, "it does not come about"
        time.sleep(0.02)


def is_cut(client: socket.socket, served: socket.socket) -> bool:
    """Tell whether what a client sends comes to no answer."""
    served.settimeout(SHORT_S)
    client.sendall(b"lost?")
    try:
        served.recv(5)
        served.sendall(b"found")
        client.settimeout(SHORT_S)
        client.recv(5)
    except TimeoutError:
        return True
    finally:
        client.settimeout(LONG_S)
        served.settimeout(LONG_S)
    return False


def talk(client: socket.socket, served: socket.socket, text: bytes = b"hello") -> Sequence[bytes]:
    """Return what arrives at either end when both have sent something."""
    client.sendall(text)
    first = served.recv(len(text))
    served.sendall(text.upper())
    return first, client.recv(len(text))
