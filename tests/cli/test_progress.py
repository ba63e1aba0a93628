import io
import sys

import pytest

from secgroup.cli.progress import Compiling


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stderr", "shown"), [(io.StringIO(), ""), (Terminal(), "3 of 9\r")])
def test_compiling_is_said_once_and_its_progress_to_a_terminal(monkeypatch, stderr, shown):
    monkeypatch.setattr(sys, "stderr", stderr)
    compiling = Compiling()
    assert stderr.getvalue() == ""
    for compiled in range(4):
        compiling(compiled, 9)
    assert stderr.getvalue().startswith("secgroup: compiling for this machine, once\n")
    assert stderr.getvalue().count("\n") == 1
    assert stderr.getvalue().endswith(shown or "once\n")
