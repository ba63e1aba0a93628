"""How long until the first packet: `python -m benchmarks.start`.

The example is replayed with an empty cache of kernels, as after an install, and then with that one.
What each kernel took to compile is by the compiler's own events, without the kernels that it calls;
of two that were compiled at once the second one's waiting is not taken off.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Run, run

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "three-tier"
RUNS = 7
REPLAY = [
    "replay", str(EXAMPLE / "network.yaml"), str(EXAMPLE / "traffic.pcapng.gz"),
    "--json", "--engine",
]  # fmt: skip
#: Replays in a process that notes when each kernel begins and ends to be compiled.
NOTED = """
import sys
from numba.core import event
from secgroup.cli import run
with event.install_recorder("numba:compile") as noted:
    run(sys.argv[1:])
inside, took = [], {}
for time_s, each in noted.buffer:
    if each.is_start:
        inside.append([time_s, 0.0])
    else:
        began, others = inside.pop()
        name = each.data["dispatcher"].py_func.__name__
        took[name] = took.get(name, 0) + time_s - began - others
        if inside:
            inside[-1][1] += time_s - began
for name in sorted(took, key=took.get)[-3:]:
    print(f"{took[name]:.1f} s {name}", file=sys.stderr)
print(f"{len(took)} kernels", file=sys.stderr)
"""


def checked(taken: Run, expected: str) -> Run:
    """Return a run whose answer is the definition's.

    Raises
    ------
    RuntimeError
        It is another one; there is no figure.

    """
    if taken.code != 0 or json.loads(taken.output) != json.loads(expected):
        raise RuntimeError(f"the engine's answer is not the definition's, exit {taken.code}")
    return taken


def figures() -> Iterator[str]:
    """Measure, the first start first."""
    secgroup = [sys.executable, "-m", "secgroup"]
    expected = run([*secgroup, *REPLAY, "reference"]).output
    compiled = [*secgroup, *REPLAY, "compiled"]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        first = checked(run(compiled), expected)
        held = "yes" if first.seconds <= 25 else "NO"
        took = f"{first.seconds:6.1f} s  <= 25 s  {held}"
        yield f"first replay after install, compiler included {took}"
        later = [checked(run(compiled), expected) for _ in range(RUNS)]
        seconds = statistics.median(each.seconds for each in later)
        held = "yes" if seconds <= 1.5 else "NO"
        yield (
            f"later replay of the example, all of it        {seconds:6.2f} s  <= 1.5 s {held}"
            f"  ({later[0].peak_mib:.0f} MiB)"
        )
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        yield "compiling one kernel, the slowest last (<= 4 s):"
        sys.stdout.flush()
        run([sys.executable, "-c", NOTED, *REPLAY, "compiled"])


def main() -> None:
    """Print the figures."""
    argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__).parse_args()
    for line in figures():
        print(line, flush=True)


if __name__ == "__main__":
    main()
