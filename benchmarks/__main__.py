"""`make bench`: print every figure with its bar, after checking the answers.

`--save` writes them to docs/figures.md, with the machine, the versions and the commit.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
    yield figure(
        f"replay {PACKETS:,} packets on that network, by the definition",
        ["replay", network, capture, "--json"],
        is_right=decisions_are(PACKETS * 9 // 10),
        runs=3,
        packets=PACKETS,
    )


def surroundings() -> list[str]:
    """Say what machine, which versions and which commit."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return [
        f"{platform.system()} {platform.release()} on {platform.machine()}, "
        f"{os.cpu_count()} cores; Python {platform.python_version()}; seed {SEED}; "
        f"commit {commit.stdout.strip() or 'unknown'}"
    ]


def main() -> int:
    """Measure and print; with --save, write docs/figures.md."""
    lines = ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    print("  ".join(f"{cell:<55}" if i == 0 else f"{cell:<12}" for i, cell in enumerate(HEADER)))
    with tempfile.TemporaryDirectory() as folder:
        for figure in figures(Path(folder)):
            cells = figure.cells
            print("  ".join(f"{c:<55}" if i == 0 else f"{c:<12}" for i, c in enumerate(cells)))
            lines.append("| " + " | ".join(cells) + " |")
    if "--save" in sys.argv[1:]:
        text = ["# Figures", "", "Written by `make bench ARGS=--save`.", "", *surroundings(), ""]
        (ROOT / "docs" / "figures.md").write_text("\n".join([*text, *lines, ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
