"""Make every mutant and run its tests; exit 1 if one of them survives."""

import argparse
import contextlib
import io
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.mutants.listed import EQUIVALENT, MUTANTS, SOURCES, Mutant

ROOT = Path(__file__).resolve().parents[2]
#: A test that does not end is one that fails.
PATIENCE_S = 60


class _Failed:
    """The first test that failed."""

    name: str | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self.name is None:
            self.name = report.nodeid.partition("::")[2]


def _hangs(number: int, frame: object) -> None:
    raise AssertionError(f"not done after {PATIENCE_S} s")


def killer(number: int) -> str | None:
    """Run a mutant's tests on a patched copy of the package; return the first that fails.

    It is called in a process of its own, in which the package has not been imported yet.
    """
    mutant: Mutant = MUTANTS[number]
    with tempfile.TemporaryDirectory(prefix="secgroup-mutant-") as folder:
        copy = Path(folder) / "secgroup"
        shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / mutant.path).write_text(mutant.source())
        assert "secgroup" not in sys.modules
        sys.path.insert(0, folder)
        sys.dont_write_bytecode = True
        os.chdir(ROOT)
        failed, output = _Failed(), io.StringIO()
        signal.signal(signal.SIGALRM, _hangs)
        signal.alarm(PATIENCE_S)
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = pytest.main(
                [
                    "-q",
                    "-x",
                    "-p",
                    "no:cacheprovider",
                    "-p",
                    "no:xdist",
                    "-p",
                    "no:hypothesispytest",
                    *mutant.tests,
                ],
                plugins=[failed],
            )
        import secgroup

        if code not in (0, 1) or not str(secgroup.__file__).startswith(folder):
            return f"nothing, its tests did not run: {output.getvalue()}"
        return failed.name


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("names", nargs="*", help="only mutants whose name contains one of these")
    options = parser.parse_args()
    started = time.monotonic()
    chosen = [
        number
        for number, mutant in enumerate(MUTANTS)
        if not options.names or any(name in mutant.name for name in options.names)
    ]
    alive = []
    context = multiprocessing.get_context("fork")
    with context.Pool(options.jobs, maxtasksperchild=1) as pool:
        for number, failed in zip(chosen, pool.imap(killer, chosen, chunksize=1), strict=True):
            name = MUTANTS[number].name
            if failed is None or failed.startswith("nothing"):
                alive.append(name)
            print(
                f"{name:<56} {'SURVIVES' if failed is None else f'killed by {failed}'}", flush=True
            )
    from tests.mutants import cells  # imports the package, which no mutant may inherit

    number, cells_alive = cells.survivors()
    print(f"{number} changed grid cells: {number - len(cells_alive)} killed by {cells.TEST}")
    for name, why in EQUIVALENT.items():
        print(f"{name:<56} no mutant: {why}")
    for name in (*alive, *cells_alive):
        print(f"survives: {name}")
    print(f"{len(chosen) + number} mutants in {time.monotonic() - started:.0f} s")
    return int(bool(alive or cells_alive))


if __name__ == "__main__":
    sys.exit(main())
