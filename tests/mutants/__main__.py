"""Make every mutant and run its tests; exit 1 if one of them survives."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants import cells
from tests.mutants.listed import EQUIVALENT, MUTANTS, SOURCES, Mutant

ROOT = Path(__file__).resolve().parents[2]


def killers(mutant: Mutant) -> list[str]:
    """Run the mutant's tests on a patched copy of the package; return those that failed."""
    with tempfile.TemporaryDirectory(prefix="secgroup-mutant-") as folder:
        copy = Path(folder) / "secgroup"
        shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / mutant.path).write_text(mutant.source())
        environment = {**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        failed = []
        for test in mutant.tests:
            command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
            command += ["-p", "no:xdist", "-p", "no:hypothesispytest", test]
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode not in (0, 1):
                raise SystemExit(f"{mutant.name}: {test} did not run:\n{done.stdout}{done.stderr}")
            if done.returncode == 1:
                failed.append(test)
        return failed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("names", nargs="*", help="only mutants whose name contains one of these")
    options = parser.parse_args()
    started = time.monotonic()
    chosen = [
        mutant
        for mutant in MUTANTS
        if not options.names or any(name in mutant.name for name in options.names)
    ]
    alive = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for mutant, failed in zip(chosen, pool.map(killers, chosen), strict=True):
            alive += [mutant.name] * (not failed)
            how = f"killed by {failed[0].partition('::')[2]}" if failed else "SURVIVES"
            print(f"{mutant.name:<56} {how}", flush=True)
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
