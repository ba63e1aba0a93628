"""README promises only what happens: its transcripts are run, its links followed."""

import re
import shlex
from pathlib import Path

import pytest

from secgroup.cli import run

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
#: A block that begins with `$ secgroup ...`; a line `...` stands for lines left out.
TRANSCRIPTS = re.findall(r"^```\n\$ secgroup (.+)\n((?:.*\n)*?)```$", README, re.MULTILINE)


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) >= 2


@pytest.mark.parametrize(
    ("arguments", "shown"), TRANSCRIPTS, ids=[each[0].split()[0] for each in TRANSCRIPTS]
)
def test_a_transcript_is_what_the_command_prints(
    arguments: str,
    shown: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT / "examples" / "three-tier")
    assert run(shlex.split(arguments)) in (0, 1)
    printed = iter(capsys.readouterr().out.splitlines())
    for line in shown.splitlines():
        if line.strip() != "...":
            assert line in printed, line


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md")))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_python_in_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "examples" / "three-tier")
    (code,) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
