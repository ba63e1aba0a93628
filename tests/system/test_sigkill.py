"""A server that is killed while four clients write: what it acknowledged is there afterwards."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest

KILLS = 4
WRITERS = 4
#: What one Authorize asks for: all of it, or nothing.
PORTS = (80, 443, 5432)

SPACE = "{http://ec2.amazonaws.com/doc/2016-11-15/}"


@dataclass
class Server:
    """A process of `secgroup serve`."""

    process: subprocess.Popen[str]
    address: str

    def connect(self) -> HTTPConnection:
        """Return a kept-alive connection."""
        return HTTPConnection(self.address, timeout=30)


@contextmanager
def serving(store: Path) -> Iterator[Server]:
    """Serve a store, until the block ends or the process is killed."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "secgroup", "serve", "--port", "0", "--account", "1" * 12),
            *("--store", str(store), "--access-log", os.devnull),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        found = re.search(r"http://(\S+?:\d+)", said)
        assert found, said
        yield Server(process, found[1])
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def ask(connection: HTTPConnection, action: str, **parameters: str) -> ElementTree.Element:
    """Ask EC2, and return the answer; a refusal fails the test."""
    body = urlencode({"Action": action, "Version": "2016-11-15", **parameters})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/", body, headers)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, text
    return ElementTree.fromstring(text)


def text(element: ElementTree.Element, path: str) -> str:
    """Return the text at a path of names."""
    found = element.findtext("/".join(SPACE + name for name in path.split("/")))
    assert found is not None, path
    return found


@dataclass
class Acknowledged:
    """What was answered: the groups with the ports that they let in, and those that went."""

    groups: dict[str, frozenset[int]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    #: Asked for when the server was killed: done, or not.
    in_flight: set[str] = field(default_factory=set)


def write(server: Server, name: str, known: Acknowledged) -> None:
    """Make groups, give them rules, and delete every third one, until the server is gone."""
    connection = server.connect()
    try:
        for number in range(100_000):
            group = f"{name}-{number}"
            known.in_flight = {group}
            made = ask(
                connection, "CreateSecurityGroup", GroupName=group, GroupDescription="written"
            )
            group_id = text(made, "groupId")
            known.groups[group_id] = frozenset()
            known.in_flight = {group_id}
            asked = {
                f"IpPermissions.{index}.{key}": value
                for index, port in enumerate(PORTS, 1)
                for key, value in (
                    ("IpProtocol", "tcp"),
                    ("FromPort", str(port)),
                    ("ToPort", str(port)),
                    ("IpRanges.1.CidrIp", "10.0.0.0/8"),
                )
            }
            ask(connection, "AuthorizeSecurityGroupIngress", GroupId=group_id, **asked)
            known.groups[group_id] = frozenset(PORTS)
            if number % 3 == 2:
                ask(connection, "DeleteSecurityGroup", GroupId=group_id)
                del known.groups[group_id]
                known.gone.add(group_id)
            known.in_flight = set()
    except (OSError, HTTPException):
        return
    finally:
        connection.close()


def described(server: Server) -> dict[str, tuple[str, frozenset[int], int]]:
    """Name, open ports and number of permissions out of every group that was written."""
    connection = server.connect()
    answer = ask(connection, "DescribeSecurityGroups")
    connection.close()
    found = {}
    for item in answer.iterfind(f"{SPACE}securityGroupInfo/{SPACE}item"):
        if text(item, "groupDescription") == "written":
            ports = frozenset(
                int(text(each, "fromPort"))
                for each in item.iterfind(f"{SPACE}ipPermissions/{SPACE}item")
            )
            out = len(item.findall(f"{SPACE}ipPermissionsEgress/{SPACE}item"))
            found[text(item, "groupId")] = (text(item, "groupName"), ports, out)
    return found


def check(server: Server, writers: list[Acknowledged]) -> None:
    """Whatever was acknowledged is there; what was in flight is whole or not there at all."""
    found = described(server)
    in_flight = {each for known in writers for each in known.in_flight}
    acknowledged: dict[str, frozenset[int]] = {}
    for known in writers:
        assert not known.gone & set(found)
        acknowledged |= known.groups
    for group_id, ports in acknowledged.items():
        if group_id not in in_flight:
            assert found[group_id][1] == ports
        elif group_id in found:
            assert found[group_id][1] in (ports, frozenset(PORTS))
        else:
            # Only a group whose rules were acknowledged was asked to go.
            assert ports
    for group_id, (name, ports, out) in found.items():
        assert group_id in acknowledged or name in in_flight
        assert ports in (frozenset(), frozenset(PORTS))
        assert out == 1


@pytest.mark.semantics("ec2-lasting")
def test_nothing_acknowledged_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    random = Random(4)
    store = tmp_path / "store.sqlite"
    writers: list[Acknowledged] = []
    written = 0
    for kill in range(KILLS):
        with serving(store) as server:
            check(server, writers)
            now = [Acknowledged() for _ in range(WRITERS)]
            threads = [
                threading.Thread(target=write, args=(server, f"k{kill}-w{number}", known))
                for number, known in enumerate(now)
            ]
            for thread in threads:
                thread.start()
            time.sleep(random.uniform(0.2, 0.7))
            server.process.send_signal(signal.SIGKILL)
            for thread in threads:
                thread.join()
            writers += now
            written += sum(len(known.groups) for known in now)
    assert written > KILLS
    with serving(store) as server:
        check(server, writers)
        before = described(server)
    with serving(store) as server:
        assert described(server) == before
