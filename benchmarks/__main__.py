"""`make bench`: print every figure with its bar, after checking the answers.

`--kernel` takes those of the kernel plane, as root (`make bench-kernel`).

`--save` writes them to docs/figures.md, with the machine, the versions and the commit; with
`--only`, only the sections that were measured are written anew. Each section but the first is a
program of its own, which says in its own words how it measures.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks import PACKETS, SEED
from benchmarks.measure import Run, median

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "three-tier"
SECGROUP = [sys.executable, "-m", "secgroup"]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table; `rate` is packets a second where that is what counts."""

    name: str
    command: str
    bar_s: float | None
    run: Run
    packets: int | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """The figure as text."""
        bar = "" if self.bar_s is None else f"≤ {self.bar_s:g} s"
        held = "" if self.bar_s is None else ("yes" if self.run.seconds <= self.bar_s else "NO")
        rate = "" if self.packets is None else f"{self.packets / self.run.seconds:,.0f}/s"
        seconds = f"{self.run.seconds:.3f} s"
        return self.name, seconds, bar, held, rate, f"{self.run.peak_mib:.0f} MiB"


HEADER = ("figure", "median", "bar", "held", "packets", "peak memory")


def decisions_are(least: int) -> Callable[[Run], bool]:
    """Tell whether a replay ended well and decided at least so many times."""

    def check(run: Run) -> bool:
        return run.code == 0 and int(json.loads(run.output)["decisions"]) >= least

    return check


def figures(folder: Path) -> Iterator[Figure]:
    """Measure, from the quickest to the slowest."""

    def figure(
        name: str,
        arguments: list[str],
        *,
        is_right: Callable[[Run], bool],
        bar_s: float | None = None,
        runs: int = 7,
        packets: int | None = None,
    ) -> Figure:
        taken = median([*SECGROUP, *arguments], runs=runs, is_right=is_right)
        command = " ".join(["secgroup", *(Path(each).name for each in arguments)])
        return Figure(name=name, command=command, bar_s=bar_s, run=taken, packets=packets)

    template, traffic = str(EXAMPLE / "network.yaml"), str(EXAMPLE / "traffic.pcapng.gz")
    subprocess.run([sys.executable, "-m", "benchmarks.workloads", str(folder)], check=True)
    network, capture = str(folder / "large.json"), str(folder / "large.pcap")
    yield figure("secgroup --help", ["--help"], is_right=lambda run: run.code == 0, bar_s=0.15)
    yield figure(
        "explain on the example",
        ["explain", template, "--from", "bastion", "--to", "db", "tcp/5432"],
        is_right=lambda run: run.code == 1 and "NO_MATCHING_RULE" in run.output,
        bar_s=0.5,
    )
    yield figure(
        "replay the example (1,451 frames)",
        ["replay", template, traffic, "--json"],
        is_right=decisions_are(1_200),
        packets=1_451,
    )
    loading = "import sys, secgroup; print(len(secgroup.load(sys.argv[1]).interfaces))"
    taken = median(
        [sys.executable, "-c", loading, network],
        runs=5,
        is_right=lambda run: run.output == "5000\n",
    )
    yield Figure(
        name="load 2,000 groups, 30,000 rules, 5,000 interfaces",
        command="secgroup.load",
        bar_s=3,
        run=taken,
    )
    yield figure(
        "explain on that network",
        ["explain", network, "--from", "host-0", "--to", "host-4999", "tcp/443"],
        is_right=lambda run: run.code in (0, 1) and bool(run.output),
        runs=5,
    )
    for engine, words in (("reference", "by the definition"), ("compiled", "compiled")):
        yield figure(
            f"replay {PACKETS:,} packets on that network, {words}",
            ["replay", network, capture, "--json", "--engine", engine],
            is_right=decisions_are(PACKETS * 9 // 10),
            runs=3,
            packets=PACKETS,
        )


#: Section -> title, the program with its arguments, and those of a quick run.
PROGRAMS = {
    "start": ("Start", ["start"], []),
    "1M": ("Decisions among a million connections", ["engine", "--row", "1M"], []),
    "new": ("New connections", ["engine", "--row", "new"], []),
    "10M": ("Decisions among ten million connections", ["engine", "--row", "10M"], []),
    "growth": ("Growth of the table", ["engine", "--row", "growth"], []),
    "cores": ("Two cores", ["cores"], []),
    "captures": ("Captures to columns", ["captures"], ["--packets", "1000000"]),
    "replays": (
        "Captures to decisions and flow logs", ["replays"], ["--packets", "1000000", "--runs", "3"],
    ),
    "tracked": ("Kernel: tracked packets", ["kernel.packet", "--row", "tracked"], []),
    "opened": ("Kernel: new connections", ["kernel.packet", "--row", "new"], []),
    "untracked": ("Kernel: refused, untracked", ["kernel.packet", "--row", "untracked"], []),
    "policies": ("Kernel: changes of policy", ["kernel.packet", "--row", "changes"], []),
    "one-filter": (
        "Kernel: a path with one filter", ["kernel.traffic", "--filtered", "one"],
        ["--rounds", "5"],
    ),
    "two-filters": (
        "Kernel: a path with two filters", ["kernel.traffic", "--filtered", "both"],
        ["--rounds", "5"],
    ),
    "sweeper": ("Kernel: the sweeper", ["kernel.sweeper"], []),
    "choices": ("Kernel: what its own parts cost", ["kernel.choices"], []),
}  # fmt: skip
#: They need root, and are taken by `make bench-kernel`.
KERNEL = (
    "tracked", "opened", "untracked", "policies", "one-filter", "two-filters", "sweeper", "choices",
)  # fmt: skip
FIGURES = ROOT / "docs" / "figures.md"
KERNELS = Path("~/.cache/secgroup/kernels").expanduser()
_HEAD = (
    "# Figures\n\n"
    "Written by `make bench ARGS=--save`, and as root by `make bench-kernel ARGS=--save`;\n"
    "`--only` measures single sections.\n"
)


def surroundings() -> str:
    """Say what machine, which versions and which commit."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    versions = ", ".join(f"{each} {version(each)}" for each in ("numpy", "numba", "llvmlite"))
    return (
        f"{platform.system()} {platform.release()} on {platform.machine()}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
        f"Python {platform.python_version()}, {versions}; seed {SEED}; "
        f"commit {commit.stdout.strip() or 'unknown'}"
    )


def commands() -> str:
    """Measure commands; print and return the table."""
    lines = ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    print("  ".join(f"{cell:<55}" if i == 0 else f"{cell:<12}" for i, cell in enumerate(HEADER)))
    with tempfile.TemporaryDirectory() as folder:
        for figure in figures(Path(folder)):
            cells = figure.cells
            text = (f"{c:<55}" if i == 0 else f"{c:<12}" for i, c in enumerate(cells))
            print("  ".join(text), flush=True)
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def program(module: str, arguments: list[str]) -> str:
    """Run a program of figures; print and return what it says.

    Raises
    ------
    RuntimeError
        It has no figures to show: an answer was wrong.

    """
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    if module in ("engine", "cores", "replays"):
        command += ["--cache", str(KERNELS)]
    lines = []
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip())
    if child.returncode not in (0, 1) or any(line.startswith("Traceback") for line in lines):
        raise RuntimeError(f"{' '.join(command)}: exit {child.returncode}")
    return "\n".join(
        [f"`python -m benchmarks.{' '.join([module, *arguments])}`", "", "```", *lines, "```"]
    )


def save(title: str, around: str, text: str) -> None:
    """Put a section into docs/figures.md, in the place of the one of that title."""
    known = FIGURES.read_text() if FIGURES.exists() else _HEAD
    sections = dict(part.split("\n", 1) for part in known.split("\n## ")[1:])
    sections[title] = f"\n{around}\n\n{text}\n"
    titles = ["Commands", *(each for each, _, _ in PROGRAMS.values())]
    parts = [f"\n## {each}\n{sections[each]}" for each in titles if each in sections]
    FIGURES.write_text(_HEAD + "".join(part.rstrip("\n") + "\n" for part in parts))


def main() -> int:
    """Measure and print; with --save, write docs/figures.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--save", action="store_true", help="write docs/figures.md")
    parser.add_argument("--quick", action="store_true", help="with smaller captures")
    parser.add_argument("--kernel", action="store_true", help="the kernel plane's, as root")
    parser.add_argument("--only", action="append", choices=("commands", *PROGRAMS))
    options = parser.parse_args()
    everywhere = ("commands", *(each for each in PROGRAMS if each not in KERNEL))
    for name in options.only or (KERNEL if options.kernel else everywhere):
        around = surroundings()
        print(f"\n{name}: {around}", flush=True)
        if name == "commands":
            title, text = "Commands", commands()
        else:
            title, (module, *arguments), quicker = PROGRAMS[name]
            text = program(module, arguments + (quicker if options.quick else []))
        if options.save:
            save(title, around, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
