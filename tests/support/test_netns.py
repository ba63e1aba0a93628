import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.netns import Namespaces

pytestmark = pytest.mark.needs("root", "netns")


def test_two_linked_namespaces_reach_each_other_on_both_families() -> None:
    with Namespaces() as namespaces:
        one, two = namespaces.add("one"), namespaces.add("two")
        namespaces.link(one, "10.0.0.1/24 2001:db8::1/64", two, "10.0.0.2/24 2001:db8::2/64")
        for address in ("10.0.0.2", "2001:db8::2"):
            assert "1 received" in one.run(["ping", "-c", "1", "-W", "2", address])


def test_interfaces_are_not_those_of_the_machine() -> None:
    with Namespaces() as namespaces:
        assert namespaces.add("one").ip("-brief link").split()[0] == "lo"
        assert len(namespaces.add("two").ip("-brief link").splitlines()) == 1


def test_a_failing_command_fails_the_test_with_what_it_said() -> None:
    with Namespaces() as namespaces:
        one = namespaces.add("one")
        with pytest.raises(AssertionError, match="one: ip link show nothing"):
            one.ip("link show nothing")


def test_leaving_the_block_ends_what_was_started() -> None:
    with Namespaces() as namespaces:
        program = namespaces.start(namespaces.add("one"), ["sleep", "60"])
    assert program.returncode == -signal.SIGKILL


def test_a_killed_owner_leaves_nothing_behind() -> None:
    script = (
        "import os, signal\n"
        "from tests.support.netns import Namespaces\n"
        "print(Namespaces().add('one').pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, check=False, capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    until = time.monotonic() + 5
    while _is_running(int(done.stdout)):
        assert time.monotonic() < until
        time.sleep(0.01)


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
