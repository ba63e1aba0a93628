"""`secgroup connections` over a table of our own, and what the commands of the plane refuse."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from secgroup.cli import run
from secgroup.conntrack.state import State
from secgroup.conntrack.timeout import Timeouts
from secgroup.dataplane.bpf.clock import kernel_ms
from secgroup.dataplane.bpf.layout import NAMES
from secgroup.dataplane.bpf.pins import Pins
from secgroup.engine.layout import OPENED_EGRESS
from secgroup.engine.machine import timeouts_row
from tests.dataplane.bpf.entries import ECHO, entry, key, table
from tests.support.bpf import SMALL, pin_root

pytestmark = pytest.mark.needs("bpf")


@pytest.fixture(scope="module")
def pins() -> Iterator[Path]:
    with pin_root() as root:
        made = Pins(root, sizes=SMALL)
        maps = made.loaded.maps
        for kind, number, name in (("INTERFACE", 1, "eni-1"), ("INTERFACE", 2, "eni-2")):
            _name(maps, kind, number, name)
        _name(maps, "OWNER", 1, "i-1")
        _name(maps, "RULE", 9, "sgr-9")
        maps.owners[1]["weight"], maps.owners[1]["allowance"] = 3, 5
        maps.owners[1]["exceeded"] = 7
        maps.timeouts[0] = timeouts_row(Timeouts())
        now_ms = kernel_ms()
        young = {"last_ms": now_ms, "created_s": now_ms // 1000}
        old = {**young, "created_s": now_ms // 1000 - 7200}
        keys, entries = table(
            (key("10.0.0.5", "203.0.113.9"), entry(**young, admission=9)),
            (
                key(
                    "2001:db8::5", "2001:db8::9", inside_port=7, outside_port=65528, place=ECHO + 8
                ),
                entry(**old, interface=2, state=State.ICMP_REPLIED, flags=OPENED_EGRESS),
            ),
            (key("10.0.0.5", "203.0.113.10"), entry(**young, state=0)),
        )
        maps.connections.update(keys, entries)
        made.close()
        yield root


def _name(maps: object, kind: str, number: int, name: str) -> None:
    names = maps.names  # type: ignore[attr-defined]
    names.put(np.array((NAMES[kind], number), names.key), np.array(name.encode(), names.value))


def printed(
    capsys: pytest.CaptureFixture[str], pins: Path, *options: str, code: int = 0
) -> list[str]:
    assert run(["connections", "--pins", str(pins), *options]) == code
    said = capsys.readouterr()
    return (said.out + said.err).splitlines()


def test_table_has_the_oldest_first_and_a_line_that_sums_up(
    capsys: pytest.CaptureFixture[str], pins: Path
) -> None:
    lines = printed(capsys, pins)
    assert lines[1] == "Connections"
    first, second = (line.split() for line in lines[3:5])
    assert first[:6] == ["eni-2", "egress", "icmpv6", "128", "[2001:db8::5]:7", "[2001:db8::9]:7"]
    assert first[6:9] == ["ICMP_REPLIED", "2.0", "h"]
    assert second[:3] == ["eni-1", "ingress", "tcp"]
    assert second[-1] == "sgr-9"
    assert lines[-1] == ("2 connections: 1 ESTABLISHED, 1 ICMP_REPLIED; 1 over, not yet swept")


def test_only_so_many_are_shown(capsys: pytest.CaptureFixture[str], pins: Path) -> None:
    lines = printed(capsys, pins, "--limit", "1")
    assert "eni-1" not in "".join(lines)
    assert "  ... and 1 more (--limit, --json)" in lines


@pytest.mark.parametrize(
    ("options", "interfaces"),
    [
        (["--interface", "eni-1"], ["eni-1"]),
        (["--peer", "203.0.113.9"], ["eni-1"]),
        (["--peer", "2001:db8::/32"], ["eni-2"]),
        (["--protocol", "ICMPv6"], ["eni-2"]),
        (["--protocol", "6", "--protocol", "58"], ["eni-2", "eni-1"]),
        (["--state", "established"], ["eni-1"]),
        (["--state", "SYN_SENT"], []),
    ],
)
def test_lines_of_json_are_what_was_chosen(
    capsys: pytest.CaptureFixture[str], pins: Path, options: list[str], interfaces: list[str]
) -> None:
    found = [json.loads(line) for line in printed(capsys, pins, "--json", *options)]
    assert [each["interface_id"] for each in found] == interfaces


def test_line_of_json_says_everything(capsys: pytest.CaptureFixture[str], pins: Path) -> None:
    (line,) = printed(capsys, pins, "--json", "--interface", "eni-2")
    found = json.loads(line)
    assert found.pop("idle_s") < 60
    assert found.pop("timeout_left_s") < 30
    assert 7200 <= found.pop("age_s") < 7260
    assert found == {
        "owner": "i-1",
        "interface_id": "eni-2",
        "protocol": 58,
        "direction": "egress",
        "inside_address": "2001:db8::5",
        "inside_port": 7,
        "outside_address": "2001:db8::9",
        "outside_port": 7,
        "icmp_type": 128,
        "state": "ICMP_REPLIED",
        "egress_packets": 1,
        "egress_bytes": 60,
        "ingress_packets": 0,
        "ingress_bytes": 0,
        "rule_id": None,
    }


def test_summary_says_what_owners_have_left(capsys: pytest.CaptureFixture[str], pins: Path) -> None:
    (line,) = printed(capsys, pins, "--summary", "--json")
    assert json.loads(line) == {
        "connections": 2,
        "chosen": 2,
        "over": 1,
        "states": {"ESTABLISHED": 1, "ICMP_REPLIED": 1},
        "owners": [
            {
                "owner": "i-1",
                "entries": 3,
                "conntrack_allowance_available": 2,
                "conntrack_allowance_exceeded": 7,
            }
        ],
    }


def test_watch_tells_again_until_it_is_interrupted(pins: Path) -> None:
    options = ["--pins", str(pins), "--watch", "--json", "--limit", "1"]
    with subprocess.Popen(
        [sys.executable, "-m", "secgroup", "connections", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        told = [json.loads(process.stdout.readline())["interface_id"] for _ in range(2)]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr.read() == ""
    assert told == ["eni-2", "eni-2"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--kill"], "--kill: expected a filter too"),
        (["--kill", "--watch", "--protocol", "6"], "--kill: expected neither"),
        (["--state", "OPEN"], "--state OPEN: expected SYN_SENT"),
        (["--protocol", "256"], "--protocol 256: expected icmp"),
        (["--protocol", "tpc"], "--protocol tpc: expected icmp"),
        (["--peer", "here"], "--peer: 'here/32' is not a CIDR block"),
        (["--interface", "eni-3"], "eni-3: is not known to the kernel plane"),
        (["--lab", "l"], "expected one of --pins and --lab"),
        (["--group", "sg-1", "--endpoint", "http://127.0.0.1:1"], "no answer"),
    ],
)
def test_option_that_means_nothing_is_refused(
    capsys: pytest.CaptureFixture[str], pins: Path, options: list[str], words: str
) -> None:
    (line,) = printed(capsys, pins, *options, code=2)
    assert words in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["connections", "--pins", "/sys/fs/bpf/secgroup-none"], "has no plane of this version"),
        (
            ["connections", "--lab", "none"],
            "none: has no plane of this version (expected one of serve --plane bpf or lab up)",
        ),
        (["logs", "--follow", "--pins", "/sys/fs/bpf/secgroup-none"], "has no plane"),
        (["logs"], "expected --follow"),
        (["attach"], "expected ENI and --device NAME"),
        (["attach", "eni-1"], "expected ENI and --device NAME"),
        (["attach", "eni-1", "--device", "a", "--mac", "x"], "not a MAC address"),
        (["detach"], "expected either ENI or --all"),
        (["detach", "eni-1", "--all"], "expected either ENI or --all"),
        (["detach", "--all", "--pins", "/sys/fs/bpf/secgroup-none"], "nothing is pinned there"),
        (["serve", "--plane", "batch", "--pins", "/x", "--store", ":memory:"], "--plane bpf"),
        (["serve", "--plane", "bpf", "--pins", "/tmp", "--store", ":memory:"], "not in a bpffs"),
    ],
)
def test_command_that_cannot_be_done_says_why(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    if arguments[0] == "serve":
        arguments = [*arguments, "--port", "0"]
    assert run(arguments) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_check_tells_what_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["attach", "--check", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"root", "libbpf", "tcx", "the program"} <= {each["name"] for each in found}
    assert run(["attach", "--check"]) == 0
    assert "Kernel plane" in capsys.readouterr().out
