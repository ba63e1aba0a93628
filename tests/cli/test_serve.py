"""`secgroup serve` as a process of its own."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from secgroup.cli import run
from secgroup.cli.serve import data_folder

QUERY = "/?Action=DescribeSecurityGroups&Version=2016-11-15"


@contextmanager
def serving(
    *options: str, environment: dict[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Serve in a process; yield its address."""
    with subprocess.Popen(
        [sys.executable, "-m", "secgroup", "serve", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("secgroup serves EC2 at "), process.communicate()
        url = line.split()[4].rstrip(":")
        assert f"AWS_ENDPOINT_URL_EC2={url}" in line
        try:
            yield url, process
        finally:
            process.terminate()
            process.wait(30)


def test_serve_says_where_answers_and_ends_in_peace(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    with serving("--store", ":memory:", "--access-log", str(log)) as (url, process):
        with urlopen(url + QUERY) as answer:
            assert b"<securityGroupInfo>" in answer.read()
        process.terminate()
        assert process.wait(30) == 0
    assert '"action":"DescribeSecurityGroups"' in log.read_text()


def test_request_that_is_being_sent_when_the_server_ends_is_answered() -> None:
    with serving("--store", ":memory:") as (url, process):
        parts = urlsplit(url)
        body = b"Action=DescribeSecurityGroups&Version=2016-11-15"
        head = f"POST / HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
            connection.sendall(head.encode() + body[:10])
            with urlopen(url + "/healthz"):
                process.send_signal(signal.SIGTERM)
            threading.Timer(0.5, connection.sendall, [body[10:]]).start()
            answer = b""
            while part := connection.recv(1 << 16):
                answer += part
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"<securityGroupInfo>" in answer
        assert process.wait(30) == 0


def test_store_is_in_the_users_data_folder_unless_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert data_folder() == tmp_path / "data" / "secgroup"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder() == tmp_path / ".local" / "share" / "secgroup"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert data_folder() == tmp_path / "Library" / "Application Support" / "secgroup"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert data_folder() == tmp_path / "local" / "secgroup"


def test_store_is_made_where_nothing_was_and_held_by_one(tmp_path: Path) -> None:
    environment = {"XDG_DATA_HOME": str(tmp_path)}
    store = tmp_path / "secgroup" / "endpoint.sqlite"
    with serving(environment=environment) as (url, _):
        with urlopen(url + QUERY) as answer:
            assert answer.status == 200
        assert store.is_file()
        assert store.parent.stat().st_mode & 0o077 == 0
        again = subprocess.run(
            [sys.executable, "-m", "secgroup", "serve", "--port", "0", "--store", str(store)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert again.returncode == 2
        assert again.stderr == f"secgroup: {store}: another process has the store open\n"


def test_tls_is_spoken_with_a_certificate(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            str(key),
            "-out",
            str(certificate),
        ],
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    options = ["--tls-cert", str(certificate), "--tls-key", str(key), "--store", ":memory:"]
    with serving(*options) as (url, _):
        assert url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(certificate))
        with urlopen(url + QUERY, context=context) as answer:
            assert answer.status == 200


def test_operations_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--operations"]) == 0
    names = capsys.readouterr().out.splitlines()
    assert "DescribeSecurityGroups" in names
    assert names == sorted(names)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0: others reach this address: expected"),
        (["--host", "192.0.2.1", "--credentials", "KNOWN"], "cannot be listened at"),
        (["--host", "no such host", "--credentials", "KNOWN"], "no such address"),
        (["--credentials", "/nowhere"], "/nowhere: cannot be read"),
        (["--account", "12"], "--account: expected 12 digits, not '12'"),
        (["--tls-cert", "a"], "--tls-cert and --tls-key: expected both"),
        (["--tls-cert", "/nowhere", "--tls-key", "/nowhere"], "/nowhere: cannot be used: No such"),
        (["--tls-cert", "KNOWN", "--tls-key", "KNOWN"], "cannot be used"),
        (["--store", ""], "--store: is empty"),
        (["--store", "/nowhere/at/all"], "/nowhere/at/all: the store cannot be used"),
        (["--store", "KNOWN"], "the store cannot be used"),
        (["--quotas", "/nowhere"], "/nowhere: cannot be read"),
        (["--quotas", "KNOWN"], "neither YAML nor JSON"),
        (["--access-log", "/nowhere/at/all"], "/nowhere/at/all: cannot be written"),
        (["--port", "65536"], "Invalid value for '--port'"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], problem: str
) -> None:
    known = tmp_path / "known"
    known.write_text("[a]\naws_access_key_id = A\naws_secret_access_key = B\n")
    said = [str(known) if each == "KNOWN" else each for each in options]
    if "--store" not in said:
        said += ["--store", ":memory:"]
    assert run(["serve", "--port", "0", *said]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert problem in printed.err
