"""The command line as a whole: what every command has in common."""

import subprocess
import sys

import pytest

from secgroup.cli import run

KNOWN = "replay, explain, serve, attach, detach, connections, logs, export, lab, lesson"


def test_no_command_is_the_help_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("Usage: secgroup [OPTIONS] COMMAND")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("expalin", "no command 'expalin' (did you mean explain?)"),
        ("xyzzy", f"no command 'xyzzy' (expected {KNOWN})"),
        ("", f"no command '' (expected {KNOWN})"),
    ],
)
def test_unknown_command_names_the_one_that_was_meant(
    capsys: pytest.CaptureFixture[str], name: str, hint: str
) -> None:
    assert run([name]) == 2
    assert capsys.readouterr().err == f"secgroup: {hint}\n"


@pytest.mark.parametrize("arguments", [["explain", ""], ["replay", "", "-"]])
def test_empty_network_is_not_the_folder_that_one_is_in(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    ends = ["--from", "a", "--to", "b"] if arguments[0] == "explain" else []
    assert run([*arguments, *ends]) == 2
    error = capsys.readouterr().err
    assert error == "secgroup: NETWORK is empty (expected a file or a folder)\n"


@pytest.mark.parametrize("option", ["-h", "--version"])
def test_help_loads_no_command(option: str) -> None:
    code = f"""
import sys
from secgroup.cli import run
assert run([{option!r}]) == 0
heavy = {{"rich", "yaml", "pyarrow", "botocore", "starlette"}}
loaded = (heavy | {{"secgroup.reference", "secgroup.sources"}}) & set(sys.modules)
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("encoding", "says"), [("ascii", ""), ("latin-1", "-> web-1"), ("utf-8", "→ web-1")]
)
def test_terminal_without_the_characters_gets_plain_ones(encoding: str, says: str) -> None:
    command = [sys.executable, "-m", "secgroup", "lesson", "7"]
    environment = {"LC_ALL": "C", "PYTHONIOENCODING": encoding}
    found = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert (found.returncode, found.stderr) == (0, b"")
    assert says in found.stdout.decode()


def test_closed_standard_output_is_no_fault() -> None:
    code = f"{sys.executable} -m secgroup lesson 7 >&-"
    found = subprocess.run(["sh", "-c", code], capture_output=True, check=False)
    assert (found.returncode, found.stderr) == (0, b"")
