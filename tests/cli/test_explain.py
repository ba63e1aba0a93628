"""`secgroup explain`: what is printed where, and the exit code."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest

from secgroup import explain
from secgroup.cli import run
from secgroup.cli.explain import _draw
from secgroup.reference.change import Change
from secgroup.reference.explanation import (
    AclLine,
    Block,
    Explanation,
    Line,
    Message,
    Outcome,
    RuleLine,
)
from secgroup.sources.load import load
from tests.support.described import described

EXAMPLE = str(Path(__file__).parents[2] / "examples/three-tier/network.yaml")


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(["explain", *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_yes_is_exit_0_and_the_tree(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = ask(capsys, EXAMPLE, "--from", "web-1", "--to", "db", "tcp/5432")
    assert (code, err) == (0, "")
    assert out.startswith("YES  web-1 (Web1) → db (DatabaseInterface): tcp/5432, IPv4\n")
    assert "rule WebToDatabase of group WebGroup: allows tcp/5432 to group DatabaseGroup" in out
    assert "back: 10.20.20.5:5432 → 10.20.10.11:32768 tcp SYN-ACK" in out


def test_no_is_exit_1_with_every_layer_and_change(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(capsys, EXAMPLE, "--from", "lb", "--to", "web-1", "tcp/9000")
    assert code == 1
    assert "1. there: ingress at web-1 (Web1): REJECT NETWORK_ACL" in out
    assert "2. there: ingress at web-1 (Web1): REJECT NO_MATCHING_RULE" in out
    assert (
        "change: add to group WebGroup an ingress rule: tcp/9000 from group LoadBalancerGroup"
        in out
    )
    assert "With these 2 changes the answer is yes (decided again)." in out


def test_ipv6_and_the_internet(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(capsys, EXAMPLE, "-6", "--from", "web-1", "--to", "internet", "tcp/80")
    assert code == 0
    assert out.startswith("YES  web-1 (Web1) → internet: tcp/80, IPv6\n")
    assert "EgressOnlyInternetGateway: lets it out, and answers to it in" in out


def test_json_has_a_version_and_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(
        capsys,
        EXAMPLE,
        "--from",
        "lb",
        "--to",
        "web-1",
        "tcp/9000",
        "--json",
        "--client-ports",
        "2000-3000",
    )
    answer = json.loads(out)
    assert code == 1
    assert answer["schema"] == 1
    assert answer["answer"] == "no"
    assert answer["client_ports"] == "2000-3000"
    assert answer["outcomes"][0]["pairs"] == [["lb (LoadBalancer)", "web-1 (Web1)"]]
    line = answer["outcomes"][0]["messages"][0]["lines"][-1]
    assert (line["direction"], line["answer"], line["reason"], line["code"]) == (
        "ingress",
        "no",
        "NETWORK_ACL",
        "SUBNET_ACL_RESTRICTION",
    )
    assert line["acl"] == {
        "network_acl_id": "PrivateAcl",
        "rule_number": 32767,
        "text": "no entry matches, and the last word is deny",
    }
    assert [each["kind"] for each in answer["changes"]] == ["AddAclEntry", "AddRule"]
    assert answer["changes"][0]["entry"]["cidr"] == "10.20.0.10/32"
    assert answer["changes"][0]["text"].startswith("add to PrivateAcl the ingress entry ")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--from", "nobody", "--to", "db", "tcp/1"), "'nobody' is nothing in this network"),
        (("--from", "WEB", "--to", "db", "tcp/1"), "(did you mean web-1, "),
        (("--from", "bastoin", "--to", "db", "tcp/1"), "(did you mean bastion?)"),
        (("--from", "Internet", "--to", "db", "tcp/1"), "(did you mean internet"),
        (("--from", "fe80::1%eth0", "--to", "db", "tcp/1"), "is nothing in this network"),
        (("--from", "", "--to", "db", "tcp/1"), "'' is nothing in this network (expected "),
        (("--from", "web-1", "--to", "db", "--client-ports", "1-"), "expected ports like"),
        (("--from", "web-1", "--to", "db", "--client-ports", "1_0"), "expected ports like"),
        (("--from", "web-1", "--to", "db", "--client-ports", "٣-٥"), "expected ports like"),
        (("--from", "web-1", "--to", "db", "--client-ports", "9" * 5000), "expected ports like"),
        (("--from", "web-1", "--to", "db", "tcp/x"), "'tcp/x' is not a service"),
        (
            ("--from", "web-1", "--to", "db", "--client-ports", "5-x"),
            "expected ports like 1024-65535",
        ),
        (("--from", "web-1", "--to", "db", "--client-ports", "9-5"), "ports 9-5 are not a range"),
        (("--from", "web-1"), "Missing option '--to'"),
        (
            ("--from", "web-1", "--to", "db", "--address", "Web1"),
            "--address Web1: expected ID=ADDRESS",
        ),
        (("--from", "web-1", "--to", "db", "--import", "=x"), "--import =x: expected NAME=VALUE"),
        (("--from", "web-1", "--to", "db", "--addresses", "/nowhere"), "cannot be read"),
    ],
)
def test_bad_input_is_exit_2_and_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], problem: str
) -> None:
    code, out, err = ask(capsys, EXAMPLE, *arguments)
    assert (code, out) == (2, "")
    assert problem in err
    assert len(err.splitlines()) == 1


def small(tmp_path: Path, **more: Any) -> str:
    path = tmp_path / "network.json"
    network = described(
        {
            "sg-a": ["out all 0.0.0.0/0"],
            "sg-b": ["in tcp/80 sg-elsewhere", "in tcp/80 10.0.1.0/24"],
        },
        {"eni-a": "10.0.1.5 sg-a", "eni-b": "10.0.2.5 sg-b"},
        **more,
    )
    path.write_text(json.dumps(network))
    return str(path)


def test_warnings_go_to_standard_error_and_count_only_when_strict(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = (small(tmp_path), "--from", "eni-a", "--to", "eni-b", "tcp/80")
    code, out, err = ask(capsys, *arguments)
    assert code == 0
    assert out.startswith("YES")
    assert "secgroup: warning: " in err
    assert "sg-elsewhere" in err
    code, out, err = ask(capsys, *arguments, "--strict")
    assert (code, out) == (2, "")
    assert "--strict was given" in err.splitlines()[-1]


def test_host_and_addresses_reach_the_network(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, _ = ask(
        capsys,
        small(tmp_path),
        "--host",
        "guest=10.0.1.77,sg-a",
        "--from",
        "guest",
        "--to",
        "eni-b",
        "tcp/80",
    )
    assert code == 0
    assert "10.0.1.77:" in out
    for name, text in (
        ("lines", "# deployed\nLoadBalancerAddress = 203.0.113.77\n"),
        ("json", '{"LoadBalancerAddress": "203.0.113.77"}'),
    ):
        path = tmp_path / name
        path.write_text(text)
        _, out, _ = ask(
            capsys, EXAMPLE, "--addresses", str(path), "--from", "internet", "--to", "lb", "tcp/80"
        )
        assert "203.0.113.77:80" in out


@pytest.mark.parametrize("text", ["Bastion 10.0.0.1", '{"Bastion": 5}', "{"])
def test_address_file_that_is_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str
) -> None:
    path = tmp_path / "addresses"
    path.write_text(text)
    code, _, err = ask(capsys, EXAMPLE, "--addresses", str(path), "--from", "bastion", "--to", "db")
    assert code == 2
    assert str(path) in err


def test_terminal_gets_the_same_lines_as_a_tree(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    found = explain(load(EXAMPLE), source="lb", destination="web-1", service="tcp/9000")
    _draw(found)
    drawn = capsys.readouterr().out
    for line in str(found).splitlines():
        told = (
            line.strip().partition("nearest: ")[2]
            or line.strip().partition(". ")[2]
            or line.strip()
        )
        if told and told != "What refuses:":
            assert told in drawn


def test_every_field_of_the_json_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/explain.md").read_text().partition("## JSON")[2]
    named = set(re.findall(r"[\w]+", " ".join(re.findall(r"`([^`]+)`", page))))
    for value in (Explanation, Outcome, Message, Line, RuleLine, AclLine, Block):
        assert {field.name for field in fields(value)} <= named, value
    for change in get_args(Change):
        assert {change.__name__, *(field.name for field in fields(change))} <= named, change
