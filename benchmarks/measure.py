"""How a figure is taken: a command's wall time and its largest memory, median of several runs."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a command."""

    seconds: float
    peak_mib: float
    code: int
    output: str


def run(command: Sequence[str]) -> Run:
    """Run a command and wait for it."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        output = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    return Run(
        seconds=time.perf_counter() - start,
        peak_mib=usage.ru_maxrss / 1024,
        code=child.returncode,
        output=output,
    )


def median(command: Sequence[str], *, runs: int, is_right: Callable[[Run], bool]) -> Run:
    """Return the run of median time, after each has given the right answer.

    Raises
    ------
    RuntimeError
        An answer is wrong; there is no figure for it.

    """
    done = []
    for _ in range(runs):
        done.append(run(command))
        if not is_right(done[-1]):
            raise RuntimeError(f"{' '.join(command)}: wrong answer, exit {done[-1].code}")
    middle = statistics.median_low(each.seconds for each in done)
    return next(each for each in done if each.seconds == middle)
