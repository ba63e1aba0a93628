"""The endpoint against moto's server: `python -m benchmarks.endpoint`.

They answer the same requests in the same run, one after the other, each in a process of its own.
Requests are recorded and signed once and sent as octets on connections that are kept, because a
client of botocore's costs more than a server. What is counted in the answers is held against what
was made. moto keeps its state in memory, and the bar is for ours in memory too; what a file costs,
where a change is answered after it was flushed to the disk, stands beside it for the rules.

`SECGROUP_MOTO` names a Python that has moto (the extra `bench`), when this one has not.
"""

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MOTO = os.environ.get("SECGROUP_MOTO", sys.executable)
BAR = 3.0
START_BAR_S = 1.5
RULES = 60
PAGE = 1000
CONNECTIONS = 16
#: More groups than an account may have by default.
QUOTAS = "security-groups-per-region: 10000\n"


class Connection:
    """A connection that is kept; it knows of HTTP where an answer ends."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> bytes:
        """Send a request, and return the body of its answer."""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=300)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        octets = bytearray()
        while (end := octets.find(b"\r\n\r\n")) < 0:
            octets += self._received()
        head = bytes(octets[: end + 2]).lower()
        found = re.search(rb"content-length: *(\d+)", head)
        assert found is not None, head
        size = end + 4 + int(found[1])
        while len(octets) < size:
            octets += self._received()
        if b"connection: close" in head:
            self.close()
        body = bytes(octets[end + 4 :])
        if not head.startswith(b"http/1.1 200 "):
            raise RuntimeError(f"{head[:40]!r}: {body[:500]!r}")
        return body

    def _received(self) -> bytes:
        assert self._socket is not None
        part = self._socket.recv(1 << 20)
        if not part:
            raise RuntimeError("the server has gone")
        return part

    def close(self) -> None:
        """End it; the next request makes another."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None


@dataclass(slots=True)
class Server:
    """A server in a process of its own."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    connection: Connection
    start_s: float = 0.0
    vpc_id: str = ""
    group_ids: list[str] = field(default_factory=list)

    def recorded(self, action: str, **request: Any) -> bytes:
        """Return a request as a client of botocore's signs and sends it."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
        from botocore.serialize import EC2Serializer
        from botocore.utils import percent_encode_sequence

        from secgroup.api.model import ec2

        sent = EC2Serializer().serialize_to_request(request, ec2().operation(action))
        body = percent_encode_sequence(sent["body"])
        made = AWSRequest("POST", f"http://127.0.0.1:{self.port}/", data=body)
        made.headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
        made.headers["Host"] = f"127.0.0.1:{self.port}"
        SigV4Auth(Credentials("123456789012", "secret"), "ec2", "eu-west-1").add_auth(made)
        lines = [f"{name}: {value}\r\n" for name, value in made.prepare().headers.items()]
        return f"POST / HTTP/1.1\r\n{''.join(lines)}\r\n{body}".encode()

    def ask(self, action: str, **request: Any) -> bytes:
        """Record a request, and ask it."""
        return self.connection.ask(self.recorded(action, **request))

    def peak_mib(self) -> float:
        """Return the most memory that the process ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024


@contextmanager
def started(name: str, command: Sequence[str], port: int) -> Iterator[Server]:
    """Start a server and wait until it answers."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(3000):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.01)
        server = Server(name, port, process, Connection(port))
        server.ask("DescribeVpcs")
        server.start_s = time.perf_counter() - start
        yield server
    finally:
        process.terminate()
        process.wait(60)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def serving(store: str, folder: Path) -> Callable[[int], list[str]]:
    """Return our command for a port."""
    quotas = folder / "quotas"
    quotas.write_text(QUOTAS)
    serve = [sys.executable, "-m", "secgroup", "serve", "--store", store]
    serve += ["--quotas", str(quotas), "--access-log", os.devnull]
    return lambda port: [*serve, "--port", str(port)]


def identity(body: bytes, tag: str) -> str:
    """Return the id in a tag of an answer."""
    found = re.search(f"<{tag}>([a-z0-9-]+)</{tag}>".encode(), body)
    assert found is not None, body[:500]
    return found[1].decode()


def new_group(server: Server, name: str) -> str:
    """Make a group."""
    body = server.ask(
        "CreateSecurityGroup", GroupName=name, Description="a group", VpcId=server.vpc_id
    )
    return identity(body, "groupId")


def permissions(group: int) -> list[dict[str, Any]]:
    """Return rules of one source each, on five ports."""
    ports = (22, 80, 443, 5432, 8080)
    return [
        {
            "IpProtocol": "tcp",
            "FromPort": port,
            "ToPort": port,
            "IpRanges": [
                {"CidrIp": f"10.{group % 256}.{each}.0/24", "Description": f"site {each}"}
                for each in range(index, RULES, len(ports))
            ],
        }
        for index, port in enumerate(ports)
    ]


def furnish(server: Server, groups: int) -> None:
    """Make a VPC with groups that are full of rules."""
    server.vpc_id = identity(server.ask("CreateVpc", CidrBlock="10.0.0.0/16"), "vpcId")
    for number in range(groups):
        group_id = new_group(server, f"group-{number}")
        server.group_ids.append(group_id)
        server.ask(
            "AuthorizeSecurityGroupIngress", GroupId=group_id, IpPermissions=permissions(number)
        )


def described(server: Server, groups: int) -> tuple[float, Callable[[], None]]:
    """Describe every group, page by page; return what that took, and what does it again."""
    requests: list[bytes] = []
    more: dict[str, Any] = {}
    ranges = 0
    seconds = 0.0
    while True:
        request = server.recorded(
            "DescribeSecurityGroups",
            Filters=[{"Name": "vpc-id", "Values": [server.vpc_id]}],
            MaxResults=PAGE,
            **more,
        )
        start = time.perf_counter()
        body = server.connection.ask(request)
        seconds += time.perf_counter() - start
        requests.append(request)
        ranges += body.count(b"<cidrIp>10.")
        found = re.search(b"<nextToken>([^<]+)</nextToken>", body)
        if found is None:
            break
        more = {"NextToken": found[1].decode()}
    if ranges != groups * RULES:
        raise RuntimeError(f"{server.name} shows {ranges} ranges")

    def again() -> None:
        for request in requests:
            server.connection.ask(request)

    return seconds, again


def authorising(server: Server, calls: int) -> Callable[[], None]:
    """Return what adds rules one by one to groups of their own."""
    requests = []
    for number in range(calls):
        if number % 50 == 0:
            group_id = new_group(server, f"loop-{number}")
        port = 1000 + number % 50
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
        one = [rule | {"IpRanges": [{"CidrIp": "192.0.2.0/24"}]}]
        requests.append(
            server.recorded("AuthorizeSecurityGroupIngress", GroupId=group_id, IpPermissions=one)
        )

    def run() -> None:
        for request in requests:
            if b"<return>true</return>" not in server.connection.ask(request):
                raise RuntimeError(f"{server.name} did not authorise")

    return run


def crowd(server: Server, calls: int) -> Callable[[], None]:
    """Return what asks for single groups over many connections at once."""
    requests = [
        server.recorded("DescribeSecurityGroups", GroupIds=[group_id])
        for group_id in server.group_ids[: 4 * CONNECTIONS]
    ]

    def ask(first: int) -> None:
        connection = Connection(server.port)
        for number in range(calls // CONNECTIONS):
            connection.ask(requests[(first + number) % len(requests)])
        connection.close()

    def run() -> None:
        threads = [threading.Thread(target=ask, args=(each,)) for each in range(CONNECTIONS)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    return run


def seconds_of(run: Callable[[], None]) -> float:
    """Return how long something takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@dataclass(frozen=True, slots=True)
class Figures:
    """What a server took for each figure, in seconds, and the most memory that it had."""

    seconds: dict[str, float]
    peak_mib: float
    start_s: float


def measure(name: str, command: Callable[[int], list[str]], *, groups: int, calls: int) -> Figures:
    """Start a server, fill it, and take every figure of it."""
    port = free_port()
    with started(name, command(port), port) as server:
        furnish(server, groups)
        first, again = described(server, groups)
        loop, together = authorising(server, calls), crowd(server, 4 * calls)
        crowded = f"describe a group {4 * calls:,} times, over {CONNECTIONS} connections"
        seconds = {
            f"describe {groups:,} groups of {RULES} rules, the first time": first,
            "describe them once more": seconds_of(again),
            f"authorize {calls:,} rules, one by one": seconds_of(loop),
            crowded: seconds_of(together),
        }
        return Figures(seconds, server.peak_mib(), server.start_s)


def main() -> int:
    """Print every figure, and whether the bar is held."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--groups", type=int, default=2500)
    parser.add_argument("--calls", type=int, default=500)
    options = parser.parse_args()
    from secgroup.api.model import ec2

    # The client has its model before a clock runs.
    ec2()
    sizes = {"groups": options.groups, "calls": options.calls}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        ours = measure("secgroup", serving(":memory:", folder), **sizes)
        filed = measure(
            "secgroup", serving(str(folder / "store"), folder), groups=50, calls=options.calls
        )
    moto = measure("moto", lambda port: [MOTO, "-m", "moto.server", "-p", str(port)], **sizes)
    held = ours.peak_mib < moto.peak_mib and filed.start_s <= START_BAR_S
    print("| figure | secgroup | moto | times |")
    print("|---|---|---|---|")
    for name, seconds in moto.seconds.items():
        times = seconds / ours.seconds[name]
        held &= times >= BAR
        print(f"| {name} | {ours.seconds[name]:.3f} s | {seconds:.3f} s | {times:.1f} |")
        if name in filed.seconds and name.startswith("authorize"):
            times = seconds / filed.seconds[name]
            print(f"| the same, in a file | {filed.seconds[name]:.3f} s | | {times:.1f} |")
    times = moto.peak_mib / ours.peak_mib
    print(f"| most memory | {ours.peak_mib:.0f} MiB | {moto.peak_mib:.0f} MiB | {times:.1f} |")
    print(f"| start | {filed.start_s:.3f} s | {moto.start_s:.3f} s | |")
    told = "yes" if held else "NO"
    print(f"{BAR:g} times as fast in each, less memory, started in {START_BAR_S} s: {told}")
    return int(not held)


if __name__ == "__main__":
    sys.exit(main())
