"""Options of `secgroup lab` that are refused before anything is made, and its progress."""

import io
from pathlib import Path

import pytest

from secgroup.cli import lab, run

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "three-tier" / "network.yaml"


@pytest.mark.parametrize(
    "options",
    [
        ["--mtu", "many"],
        ["--mtu", "1279"],
        ["--mtu", "65536"],
        ["--mtu", "=1400"],
        ["--mtu", "web-1="],
        ["--name", "a-b"],
        ["--name", ""],
    ],
)
def test_what_cannot_be_meant_is_one_line(
    capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert run(["lab", "up", str(EXAMPLE), *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "expected" in error


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_long_up_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    steps = lab._Steps()
    steps.tell(1, 200)
    assert terminal.getvalue() == ""
    monkeypatch.setattr(lab, "_PATIENCE_S", 0.0)
    steps.tell(2, 200)
    assert "2 of 200" in terminal.getvalue()
    steps.end()
    assert terminal.getvalue().endswith(f"{'':40}\r")
