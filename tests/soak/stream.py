"""A capture larger than memory through `secgroup replay`: `python -m tests.soak.stream --gb 10`.

The frames are made while they are read, so that nothing of that size is on any disk: 100,000
connections with 64 interfaces, 96 bytes of each frame. Exit 1 when a frame was not counted, when
what was decided is not what it must be, or when the replay took more memory than it may.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from struct import pack
from typing import IO

import numpy as np
from benchmarks import SEED
from benchmarks.captures import SNAP
from benchmarks.flows import OWNERS, SUBNETS
from benchmarks.replays import CONNECTIONS, Traffic

from tests.support.described import described, write

GIB = 1 << 30
FRAME = 16 + SNAP
_AT_ONCE = 1 << 17
_START_S = 1_700_000_000
#: Between two frames.
_STEP_NS = 5_000


def network(path: Path) -> None:
    """Write the network that the traffic is for."""
    groups = {
        "sg-0": [
            f"in {service} {peer}"
            for service in ("tcp/443", "udp/53")
            for peer in ("100.64.0.0/10", "2001:db8:ffff::/48")
        ]
    }
    interfaces = {
        f"eni-{n:02}": f"10.0.{n % SUBNETS}.{16 + n} 2001:db8:0:{n % SUBNETS}::{16 + n:x} sg-0"
        for n in range(OWNERS)
    }
    write(path, described(groups, interfaces))


def pour(pipe: IO[bytes], frames: int) -> None:
    """Write a capture: every connection's opener first, then any packets of them, for ever."""
    chance = np.random.default_rng(SEED)
    traffic = Traffic(twice=False)
    pipe.write(pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, SNAP, 1))
    blocks = []
    for first in (True, False):
        numbers = chance.permutation(_AT_ONCE) % CONNECTIONS
        is_first = np.full(_AT_ONCE, first)
        back = np.zeros(_AT_ONCE, dtype=bool) if first else chance.integers(0, 2, _AT_ONCE) == 1
        head = np.zeros((_AT_ONCE, 4), dtype="<u4")
        head[:, 2], head[:, 3] = SNAP, 1014
        octets = traffic.frames(numbers, is_first, back)
        blocks.append(np.hstack((head.view(np.uint8), octets)))
    for done in range(0, frames, _AT_ONCE):
        rows = min(_AT_ONCE, frames - done)
        block = blocks[min(1, done)]
        time_ns = _START_S * 10**9 + _STEP_NS * np.arange(done, done + rows)
        stamps = np.stack((time_ns // 10**9, time_ns % 10**9), axis=1).astype("<u4")
        block[:rows, :8] = stamps.view(np.uint8).reshape(-1, 8)
        pipe.write(block[:rows].data)
    pipe.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak.stream", description="Replay a capture larger than memory."
    )
    parser.add_argument("--gb", type=float, default=10.0, help="size of the capture, 10**9 bytes")
    parser.add_argument("--limit-mib", type=float, default=1024.0)
    options = parser.parse_args(arguments)
    frames = int(options.gb * 1e9) // FRAME
    with tempfile.TemporaryDirectory() as folder:
        network(Path(folder, "network.json"))
        command = [sys.executable, "-m", "secgroup", "replay", f"{folder}/network.json", "-"]
        command += ["--engine", "compiled", "--flow-log", f"{folder}/flows.log"]
        started = time.monotonic()
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            poured = threading.Thread(target=pour, args=(child.stdin, frames))
            poured.start()
            output = child.stdout.read().decode()
            poured.join()
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - started
        log_bytes = Path(folder, "flows.log").stat().st_size
    peak_mib = usage.ru_maxrss / 1024
    print(
        f"{options.gb:g} GB, {frames:,} frames, flow log of {log_bytes / 1e6:.1f} MB\n"
        f"{seconds:.0f} s, {frames / seconds / 1e6:.2f} M frames/s, making them included\n"
        f"peak memory {peak_mib:.0f} MiB (at most {options.limit_mib:g})"
    )
    is_right = (
        f" {frames:,} frames in " in output
        and f" {frames:,} decisions at {OWNERS} interfaces: {frames:,} accepted, 0 rej" in output
    )
    if not is_right:
        print(f"not every frame was decided and accepted:\n{output}")
    return int(child.returncode != 0 or not is_right or peak_mib > options.limit_mib)


if __name__ == "__main__":
    sys.exit(main())
