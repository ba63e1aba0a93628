"""Fuzz the targets one after the other, each in a process of its own, guided by coverage."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.targets import CORPUS, TARGETS, beginnings

_TIMEOUT_S = 10
_MEMORY_MB = 1024


def fuzz(name: str, seconds: int) -> int:
    """Fuzz one target; return 0 when nothing was found."""
    finds = CORPUS / name
    finds.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(beginnings(name)):
            (Path(folder) / str(number)).write_bytes(data)
        command = [sys.executable, "-m", "tests.fuzz.guided", name, folder]
        command += [f"-max_total_time={seconds}", f"-timeout={_TIMEOUT_S}"]
        command += [f"-rss_limit_mb={_MEMORY_MB}", f"-artifact_prefix={finds}/", "-max_len=4096"]
        command += ["-verbosity=0", "-print_final_stats=1"]
        return subprocess.run(command, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", help=f"of {', '.join(TARGETS)}; all when absent")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    arguments = parser.parse_args()
    if unknown := set(arguments.target) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))} (expected {', '.join(TARGETS)})")
    failed = []
    for name in arguments.target or TARGETS:
        print(f"--- {name}, {arguments.seconds} s", flush=True)
        if fuzz(name, arguments.seconds) != 0:
            failed.append(name)
    if failed:
        print(f"found something in {', '.join(failed)}: see {CORPUS}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
