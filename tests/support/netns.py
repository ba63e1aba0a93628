"""Network namespaces for tests, which the kernel takes away with the test process.

A namespace has no name and no file: it lives as long as the process that holds it, and that
process dies with ours, however we end. It knows no packet and no program of a test.
"""

import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Namespace:
    """One network namespace; `name` is for people, `pid` holds it."""

    name: str
    pid: int

    @property
    def netns(self) -> Path:
        """Return the file that stands for it."""
        return Path(f"/proc/{self.pid}/ns/net")

    def command(self, command: Sequence[str]) -> list[str]:
        """Return the command line that runs a command here."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *command]

    def run(self, command: Sequence[str], *, text: str = "", timeout_s: float = 30) -> str:
        """Run a command here to its end and return what it printed; a failure fails the test."""
        done = subprocess.run(
            self.command(command),
            check=False,
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
        )
        assert done.returncode == 0, f"{self.name}: {' '.join(command)}\n{done.stdout}"
        return done.stdout

    def ip(self, command: str) -> str:
        """Run one `ip` command here."""
        return self.run(["ip", *command.split()])


class Namespaces:
    """A set of namespaces that ends with the `with` block, and what was started in them."""

    def __init__(self) -> None:
        self._ends = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ends.close()

    def add(self, name: str) -> Namespace:
        """Make a namespace whose loopback is up."""
        holder = self._start(["unshare", "--net", "sleep", "infinity"])
        ours = Path("/proc/self/ns/net").readlink()
        until = time.monotonic() + 5
        while Path(f"/proc/{holder.pid}/ns/net").readlink() == ours:
            assert holder.poll() is None, "unshare --net failed"
            assert time.monotonic() < until, "unshare --net does not come"
            time.sleep(0.002)
        namespace = Namespace(name, holder.pid)
        namespace.ip("link set lo up")
        return namespace

    def link(self, one: Namespace, addresses: str, other: Namespace, other_addresses: str) -> None:
        """Connect two namespaces; the interface in each bears the name of the other's namespace.

        Addresses are written with their prefix length, several separated by spaces.
        """
        peer = f"peer name {one.name} netns {other.pid}"
        one.ip(f"link add {other.name} type veth {peer}")
        for here, device, all_addresses in (
            (one, other.name, addresses),
            (other, one.name, other_addresses),
        ):
            for address in all_addresses.split():
                nodad = " nodad" if ":" in address else ""
                here.ip(f"address add {address} dev {device}{nodad}")
            here.ip(f"link set {device} up")

    def start(self, namespace: Namespace, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a command in a namespace; it ends with the `with` block at the latest."""
        return self._start(namespace.command(command))

    def _start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        # The kernel kills it when we die, also when we cannot say goodbye.
        program = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command], stdin=subprocess.DEVNULL
        )
        self._ends.callback(program.wait)
        self._ends.callback(program.kill)
        return program
