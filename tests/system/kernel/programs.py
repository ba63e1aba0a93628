"""Servers and clients that run in a lab's namespaces, and end with a block."""

import os
import selectors
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.labs import LONG_S, SHORT_S, Lab

#: What a web server of these tests answers.
PAGE: Final = "behind its groups\n"
_USER: Final = "root"


@contextmanager
def running(
    lab: Lab, name: str, command: Sequence[str], *, folder: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a namespace until the block ends; its input and output are pipes."""
    where = f"--net=/run/netns/{lab.namespace(name)}"
    # The kernel kills it when we die, also when we cannot say goodbye.
    program = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "nsenter", where, "--", *command],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
    )
    with program:
        try:
            yield program
        finally:
            program.kill()


def wait_for_port(lab: Lab, name: str, port: int, kind: str = "tcp") -> None:
    """Return when somebody listens on a port there."""
    deadline = time.monotonic() + 2 * LONG_S
    while not lab.run(name, "ss", "-Hln", f"--{kind}", f"sport = :{port}").stdout:
        assert time.monotonic() < deadline, f"nobody listens on port {port} of {name}"
        time.sleep(0.02)


@contextmanager
def web_server(lab: Lab, name: str, folder: Path, *ports: int) -> Iterator[None]:
    """Serve a page on the first port and, as if nobody was there, nothing on the others."""
    (folder / "page").write_text(PAGE)
    command = [sys.executable, "-m", "http.server", "--bind", "::", str(ports[0])]
    with running(lab, name, command, folder=folder):
        wait_for_port(lab, name, ports[0])
        yield


def fetch(lab: Lab, name: str, address: str, port: int, *, reaches: bool = True) -> str | None:
    """Return the page that curl gets there, None when it gets none."""
    host = f"[{address}]" if ":" in address else address
    wait_s = LONG_S if reaches else SHORT_S
    done = lab.run(
        name,
        *("curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", str(wait_s)),
        f"http://{host}:{port}/page",
    )
    return done.stdout if done.returncode == 0 else None


class Shell:
    """An ssh session whose far end repeats what it is told."""

    def __init__(self, program: subprocess.Popen[bytes]) -> None:
        self.program = program

    def repeats(self, text: str, wait_s: float = LONG_S) -> bool:
        """Tell whether a line comes back."""
        assert self.program.stdin is not None
        assert self.program.stdout is not None
        line = f"{text}\n".encode()
        try:
            self.program.stdin.write(line)
        except BrokenPipeError:
            return False
        answer = b""
        deadline = time.monotonic() + wait_s
        with selectors.DefaultSelector() as ready:
            ready.register(self.program.stdout, selectors.EVENT_READ)
            while len(answer) < len(line) and time.monotonic() < deadline:
                if ready.select(max(0, deadline - time.monotonic())):
                    part = os.read(self.program.stdout.fileno(), 4096)
                    if not part:
                        return False
                    answer += part
        return answer == line


class Ssh:
    """Keys and configuration of an sshd and its clients, in a folder of the test's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # sshd looks whether others could have written its files.
        folder.chmod(0o700)
        for name in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)],
                check=True,
            )
        shutil.copy(folder / "user.pub", folder / "authorized")
        (folder / "sshd_config").write_text(
            f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
            "UsePAM no\nStrictModes no\nPidFile none\nPermitRootLogin yes\nUseDNS no\n"
        )

    @contextmanager
    def server(self, lab: Lab, name: str) -> Iterator[None]:
        """Run sshd."""
        # Where sshd of Debian puts its unprivileged half.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        sshd = shutil.which("sshd") or "/usr/sbin/sshd"
        with running(lab, name, [sshd, "-D", "-e", "-f", str(self._folder / "sshd_config")]):
            wait_for_port(lab, name, 22)
            yield

    def command(self, address: str, *options: str) -> list[str]:
        """Return what logs in there."""
        common = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null")
        told = [part for option in (*common, *options) for part in ("-o", option)]
        return [
            *("ssh", "-F", "none", "-T", "-i", str(self._folder / "user")),
            *told,
            f"{_USER}@{address}",
            "cat",
        ]

    @contextmanager
    def session(self, lab: Lab, name: str, address: str, *options: str) -> Iterator[Shell]:
        """Log in."""
        with running(lab, name, self.command(address, *options)) as program:
            shell = Shell(program)
            assert shell.repeats("are you there?", 2 * LONG_S)
            yield shell

    def is_refused(self, lab: Lab, name: str, address: str) -> bool:
        """Tell whether nobody can log in there any more."""
        done = lab.run(name, *self.command(address, "ConnectTimeout=1"))
        return done.returncode == 255


def close(*sockets: socket.socket) -> None:
    """Close sockets."""
    for each in sockets:
        each.close()
