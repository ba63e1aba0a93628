"""Requests that mean harm: never a fault of ours, never a change."""

import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secgroup.api import server as server_module
from secgroup.api.app import REQUEST_BYTES
from tests.support.served import Served, served


@pytest.fixture(scope="module")
def victim() -> Iterator[Served]:
    with served() as found:
        found.query(Action="DescribeSecurityGroups")
        yield found


def raw(server: Served, octets: bytes, *, seconds: float = 5) -> bytes:
    """Send octets as they are, and return what comes until the server closes or falls silent."""
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=seconds) as connection:
        connection.sendall(octets)
        found = b""
        try:
            while part := connection.recv(1 << 16):
                found += part
                if b"\r\n\r\n" in found and b"</" in found:
                    break
        except (TimeoutError, ConnectionResetError):
            pass
        return found


NAMES = st.one_of(
    st.sampled_from(
        [
            "Action", "Version", "GroupName", "GroupDescription", "VpcId", "GroupId",
            "IpPermissions.1.FromPort", "IpPermissions.1.IpRanges.1.CidrIp", "Filter.1.Name",
            "Filter.1.Value.1", "MaxResults", "NextToken", "DryRun", "TagSpecification.1.Tag.1.Key",
        ]
    ),
    st.text(max_size=30),
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(["CreateSecurityGroup", "DescribeSecurityGroups", "2016-11-15", "-1", ""]),
    st.text(max_size=50),
)


@settings(max_examples=150)
@given(st.lists(st.tuples(NAMES, VALUES), max_size=8), st.binary(max_size=40))
def test_any_form_is_answered_without_a_fault_of_ours(
    victim: Served, form: list[tuple[str, str]], tail: bytes
) -> None:
    before = victim.kept()
    text = "&".join(f"{name}={value}" for name, value in form)
    body = text.encode("utf-8", "surrogatepass") + b"&" + tail
    status, answer = victim.ask(
        "POST",
        "/?Version=2016-11-15&X=1",
        body,
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert 400 <= status < 500
    assert answer.startswith(b"<?xml")
    assert victim.kept() == before


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("PUT", "/", {}, b"", 405),
        ("DELETE", "/?Action=DescribeVpcs&Version=2016-11-15", {}, b"", 405),
        ("POST", "/", {"Content-Type": "application/json"}, b"{}", 400),
        ("POST", "/", {"Content-Type": "multipart/form-data; boundary=a"}, b"--a", 400),
        ("POST", "/", {"Content-Length": str(REQUEST_BYTES + 1)}, b"x", 413),
        ("POST", "/", {}, b"", 400),
        ("GET", "/nowhere", {}, None, 404),
        ("GET", "/?Action=DescribeVpcs", {}, None, 400),
        ("GET", "/?Action=DescribeVpcs&Version=2012-01-01", {}, None, 400),
        ("GET", "/?Action=DescribeVpcs&Version=2016-11-15", {"Origin": "http://a"}, None, 403),
        ("POST", "/?Action=DescribeVpcs&Version=2016-11-15", {"Host": "a.com"}, b"", 403),
        ("GET", "/?Action=" + "A" * 70_000 + "&Version=2016-11-15", {}, None, 400),
        ("POST", "/_secgroup/decide", {}, b"{}", 404),
        ("GET", "/_secgroup/connections", {}, None, 404),
    ],
)
def test_what_is_no_request_of_ec2s_is_refused(
    victim: Served,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes | None,
    status: int,
) -> None:
    before = victim.kept()
    assert victim.ask(method, path, body, headers)[0] == status
    assert victim.kept() == before


@pytest.mark.parametrize(
    "octets",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 18,
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
def test_octets_that_are_no_http_are_refused(victim: Served, octets: bytes) -> None:
    answer = raw(victim, octets, seconds=2)
    assert b" 200 " not in answer.partition(b"\r\n")[0]
    assert b" 500 " not in answer.partition(b"\r\n")[0]
    assert victim.get("/healthz") == (200, b"ok\n")


def test_body_without_end_is_refused_at_the_limit(victim: Served) -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    parts = urlsplit(victim.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(head)
        sent = 0
        try:
            while sent < 4 * REQUEST_BYTES:
                connection.sendall(chunk)
                sent += len(chunk)
            answer = connection.recv(1 << 16)
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
    assert not answer or answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("start", [b"", b"GET / HT", b"\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n"])
def test_head_that_never_ends_is_closed(
    victim: Served, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(server_module.BoundedProtocol, "head_seconds", 0.2)
    parts = urlsplit(victim.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(start)
        assert closed(connection)


def closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_blank_lines_after_an_answer_do_not_keep_a_connection(
    victim: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module.BoundedProtocol, "head_seconds", 0.2)
    parts = urlsplit(victim.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        found = b""
        while not found.endswith(b"ok\n"):
            found += connection.recv(1 << 16)
        connection.sendall(b"\r\n")
        assert closed(connection)


def test_connections_beyond_the_limit_are_told_so(
    victim: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module.BoundedProtocol, "connection_limit", 0)
    assert raw(victim, b"").startswith(b"HTTP/1.1 503 ")


def test_slow_body_does_not_hold_up_others(victim: Served) -> None:
    parts = urlsplit(victim.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as slow:
        slow.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nAction=")
        assert victim.query(Action="DescribeSecurityGroups")[0] == 200


def test_many_at_once_are_each_answered(victim: Served) -> None:
    found: list[int] = []

    def ask() -> None:
        for _ in range(10):
            found.append(victim.query(Action="DescribeSecurityGroups")[0])

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [200] * 160
    # The last answer is counted after it was sent.
    for _ in range(100):
        if b"secgroup_requests_in_flight 0\n" in victim.get("/metrics")[1]:
            return
        time.sleep(0.05)
    pytest.fail("some request is still counted as being done")
