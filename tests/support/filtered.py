"""A machine with a guest behind a device and a peer beside it, and a server with the kernel plane.

Everything is in network namespaces without names; the plane is pinned in a folder of its own.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from shutil import rmtree
from typing import Any

import boto3

from secgroup.api.client import ask
from secgroup.api.devices import PATH
from secgroup.dataplane.bpf.pins import BPFFS
from tests.support.netns import Namespace, Namespaces

GUEST, PEER = "172.31.0.10", "172.31.0.20"
PREFIX = 20
DEVICE = "guest"
_NUMBER = count()
#: Answers what it is sent, on every port that it is told, until it is killed.
_ECHO = """
import socket, sys, threading
def answer(connection):
    while data := connection.recv(65536):
        connection.sendall(data)
def serve(port):
    with socket.create_server(("0.0.0.0", port)) as listening:
        while True:
            threading.Thread(target=answer, args=listening.accept()[:1], daemon=True).start()
for port in sys.argv[1:]:
    threading.Thread(target=serve, args=(int(port),), daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""
#: Connects from an address to a port, and then echoes a word for each line that it reads.
_CLIENT = """
import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3)
print("open", flush=True)
for line in sys.stdin:
    try:
        connection.sendall(line.encode())
        print(connection.recv(100).decode().strip(), flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
"""


def until(condition: Callable[[], Any], *, seconds: float = 10) -> Any:
    """Return what a condition says as soon as it is true; within a time."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, condition
        time.sleep(0.02)
    return found


@dataclass
class Client:
    """A connection from the peer to the guest that stays open."""

    process: subprocess.Popen[str]

    def echo(self, word: str) -> str:
        """Send a word and return what comes back."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@dataclass
class Machine:
    """Namespaces `host`, `guest` and `peer`; the host's devices are `guest` and `peer`."""

    host: Namespace
    guest: Namespace
    peer: Namespace
    folder: Path
    pins: Path
    ends: ExitStack
    process: subprocess.Popen[str] | None = None
    url: str = ""
    starts: int = 0

    # The server

    def serve(self, *options: str) -> None:
        """Start the server; it ends with the test at the latest."""
        self.starts += 1
        where = ("--pins", str(self.pins), "--store", str(self.folder / "store.sqlite"))
        with (self.folder / f"err-{self.starts}").open("w") as err:
            self.process = self.start(
                _program(
                    *("serve", "--plane", "bpf", "--port", "0", "--access-log", os.devnull),
                    *(*where, *options),
                ),
                stderr=err,
            )
        self.ends.callback(self.stop)
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        found = re.search(r"http://\S+?:\d+", said)
        assert found, (said, self.warnings())
        self.url = found[0]

    def stop(self, *, kill: bool = False) -> None:
        """End the server in peace, or without."""
        process, self.process = self.process, None
        if process is not None:
            process.kill() if kill else process.terminate()
            process.wait(30)

    def warnings(self) -> str:
        """What the server has said that runs now, or ran last."""
        return (self.folder / f"err-{self.starts}").read_text()

    def metrics(self) -> str:
        """Its page of metrics."""
        return subprocess.run(
            ["curl", "-sf", f"{self.url}/metrics"], check=True, capture_output=True, text=True
        ).stdout

    @property
    def ec2(self) -> Any:
        """A client of boto3's."""
        return boto3.client(
            "ec2",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )

    # The program

    def start(self, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Start a program that ends with the test at the latest."""
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
        self.ends.callback(_end, process)
        return process

    def secgroup(self, *arguments: str, code: int = 0) -> str:
        """Run a command that asks the server, or looks at the plane; return what it printed."""
        done = subprocess.run(
            _program(*arguments),
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "AWS_ENDPOINT_URL_EC2": self.url, "AWS_CONFIG_FILE": os.devnull},
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def connections(self, *options: str) -> list[dict[str, Any]]:
        """What is tracked now."""
        said = self.secgroup("connections", "--json", "--pins", str(self.pins), *options)
        return [json.loads(line) for line in said.splitlines()]

    def follow(self, *options: str) -> subprocess.Popen[str]:
        """Start to follow verdicts."""
        command = _program("logs", "--follow", "--pins", str(self.pins), *options)
        return self.start(command, stderr=subprocess.STDOUT)

    # Interface and devices

    def interface(self, address: str = GUEST) -> tuple[str, str]:
        """Make an interface with a group of its own, the guest with its address; return both."""
        subnet = self.ec2.describe_subnets()["Subnets"][0]
        group = self.ec2.create_security_group(
            GroupName=f"group-{address}", Description="d", VpcId=subnet["VpcId"]
        )["GroupId"]
        made = self.ec2.create_network_interface(
            SubnetId=subnet["SubnetId"], Groups=[group], PrivateIpAddress=address
        )["NetworkInterface"]
        self.guest.ip(f"link set eth0 address {made['MacAddress']}")
        return made["NetworkInterfaceId"], group

    def allow(self, group: str, port: int) -> None:
        """Let everyone in the VPC in at a port of TCP."""
        self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[_permission(port)])

    def revoke(self, group: str, port: int) -> None:
        """Take that back."""
        self.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[_permission(port)])

    @property
    def netns(self) -> str:
        """The namespace of the host's devices."""
        return f"/proc/{self.host.pid}/ns/net"

    def attach(self, interface: str) -> None:
        """Put an interface before the guest's device."""
        asked = {"interface_id": interface, "device": DEVICE, "netns": self.netns}
        ask(self.url, "POST", PATH, asked)

    def states(self) -> dict[str, str]:
        """How each interface is with its device."""
        devices = ask(self.url, "GET", PATH)["devices"]
        return {each["interface_id"]: each["state"] for each in devices}

    def plug(self) -> None:
        """Give the guest its device, which is down."""
        self.host.ip(f"link add {DEVICE} type veth peer name eth0 netns {self.guest.pid}")
        self.host.ip(f"link set {DEVICE} master bridge")
        self.guest.ip(f"address add {GUEST}/{PREFIX} dev eth0")

    def up(self) -> None:
        """Bring both ends of the guest's device up."""
        self.guest.ip("link set eth0 up")
        self.host.ip(f"link set {DEVICE} up")

    # Traffic

    def listen(self, *ports: int) -> None:
        """Let the guest echo at ports."""
        process = self.start(self.guest.command([sys.executable, "-c", _ECHO, *map(str, ports)]))
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    def connect(self, port: int, address: str = GUEST) -> Client:
        """Connect from the peer; it fails the test where that is refused."""
        process = self.start(
            self.peer.command([sys.executable, "-c", _CLIENT, address, str(port)]),
            stdin=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        return Client(process)

    def reaches(self, port: int, *, seconds: float = 0.5, source_port: int = 0) -> bool:
        """Tell whether the peer can connect to a port of the guest."""
        text = (
            "import socket; socket.create_connection("
            f"({GUEST!r}, {port}), {seconds}, ('', {source_port})).close()"
        )
        done = subprocess.run(
            self.peer.command([sys.executable, "-c", text]), check=False, capture_output=True
        )
        return done.returncode == 0


def _program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "secgroup", *arguments]


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for each in (process.stdin, process.stdout):
        if each is not None:
            with suppress(BrokenPipeError):
                each.close()


def _permission(port: int) -> dict[str, object]:
    block = {"CidrIp": "172.31.0.0/16"}
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [block]}


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """Make a machine whose guest is plugged in and whose link is down."""
    pins = BPFFS / f"secgroup-test-{os.getpid()}-agent-{next(_NUMBER)}"
    with Namespaces() as namespaces, ExitStack() as ends:
        ends.callback(rmtree, pins, ignore_errors=True)
        host, guest, peer = (namespaces.add(name) for name in ("host", "guest", "peer"))
        host.ip("link add bridge type bridge")
        host.ip("link set bridge up")
        host.ip(f"link add peer type veth peer name eth0 netns {peer.pid}")
        host.ip("link set peer master bridge")
        host.ip("link set peer up")
        peer.ip(f"address add {PEER}/{PREFIX} dev eth0")
        peer.ip("link set eth0 up")
        made = Machine(host, guest, peer, folder, pins, ends)
        made.plug()
        yield made
