"""The session in README is what its script prints, in the parts that do not vary."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.labs import new_name

pytestmark = pytest.mark.needs("root", "netns", "nft", "bpf", "curl")

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "three-tier" / "lab"


def test_the_session_in_readme_is_what_happens() -> None:
    (shown,) = re.findall(
        r"^```\n(# secgroup lab up .*?)^```$",
        (ROOT / "README.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    name = new_name()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [SCRIPT],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "SECGROUP_LAB": name, "PATH": path},
    )
    assert (done.returncode, done.stderr) == (0, "")
    printed = iter(" ".join(line.split()) for line in done.stdout.replace(name, "lab").splitlines())
    for line in shown.splitlines():
        # `...` is anything; columns are as wide as what stands in them.
        pattern = ".*".join(map(re.escape, " ".join(line.split()).split("...")))
        if line not in ("", "..."):
            assert any(re.fullmatch(pattern, each) for each in printed), line
