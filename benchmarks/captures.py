"""How fast captures become columns: `python -m benchmarks.captures [--packets N]`.

Frames are cut at 96 bytes: TCP and UDP, a fifth IPv6, 100,000 connections in random order. The
files are read once before, so that they are in the page cache, and the first frames of each are
compared with the plain reader's. Rates are by the process's own time, so that a machine that
others use does not count; for gzip, whose thread runs beside, that is both threads' time.
"""

import argparse
import gzip
import shutil
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path
from struct import pack

import numpy as np

from benchmarks import SEED
from secgroup.engine.capture import read_batches
from secgroup.engine.frames import CARRIES_IP
from secgroup.net.capture import read_capture
from secgroup.net.packet import Packet

RUNS = 7
SNAP = 96
CONNECTIONS = 100_000
CHECKED = 2_000
_START_S = 1_700_000_000
_STEP_NS = 10_000
#: Records that are made at once.
_AT_ONCE = 100_000


def frames(chance: np.random.Generator, count: int) -> np.ndarray:
    """Return Ethernet frames of `count` packets, one a row."""
    connection = chance.integers(0, CONNECTIONS, count)
    octets = np.zeros((count, SNAP), dtype=np.uint8)
    octets[:, :12] = np.arange(12)
    is_ipv6, is_udp = connection % 5 == 0, connection % 10 == 1
    for six in (False, True):
        rows = np.flatnonzero(is_ipv6 == six)
        peers = connection[rows].astype(">u4").view(np.uint8).reshape(-1, 4)
        protocol = np.where(is_udp[rows], 17, 6)
        if six:
            octets[rows, 12:22] = list(pack("!HIHBB", 0x86DD, 6 << 28, 1000, 0, 64))
            octets[rows, 20] = protocol
            octets[rows, 22:26] = octets[rows, 38:42] = (0x20, 0x01, 0x0D, 0xB8)
            octets[np.ix_(rows, range(34, 38))] = peers
            octets[rows, 53], at = 1, 54
        else:
            octets[rows, 12:26] = list(
                pack("!HBBHHHBBH", 0x0800, 0x45, 0, 1000, 1, 0x4000, 64, 0, 0)
            )
            octets[rows, 23] = protocol
            octets[np.ix_(rows, range(26, 30))] = peers
            octets[rows, 26], octets[rows, 30], octets[rows, 33], at = 10, 10, 1, 34
        octets[rows, at], octets[rows, at + 2], octets[rows, at + 3] = 0x80, 1, 187
        octets[rows, at + 12], octets[rows, at + 13] = 0x80, 0x10
    return octets


def write(path: Path, count: int, *, pcapng: bool) -> None:
    """Write a capture with `count` frames, 10 microseconds apart."""
    chance = np.random.default_rng(SEED)
    with path.open("wb") as file:
        if pcapng:
            file.write(pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28))
            file.write(pack("<IIHHIHHII", 1, 28, 1, 0, SNAP, 9, 1, 9, 28))
        else:
            file.write(pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, SNAP, 1))
        for first in range(0, count, _AT_ONCE):
            rows = min(_AT_ONCE, count - first)
            time_ns = _START_S * 10**9 + _STEP_NS * np.arange(first, first + rows)
            if pcapng:
                head = np.zeros((rows, 7), dtype="<u4")
                head[:, 0], head[:, 1], head[:, 5], head[:, 6] = 6, SNAP + 32, SNAP, 1014
                head[:, 3], head[:, 4] = time_ns >> 32, time_ns & 0xFFFFFFFF
                tail = np.full((rows, 1), SNAP + 32, dtype="<u4").view(np.uint8)
            else:
                head = np.zeros((rows, 4), dtype="<u4")
                head[:, 0], head[:, 1] = time_ns // 10**9, time_ns % 10**9
                head[:, 2], head[:, 3] = SNAP, 1014
                tail = np.zeros((rows, 0), dtype=np.uint8)
            file.write(np.hstack((head.view(np.uint8), frames(chance, rows), tail)).tobytes())


def check(path: Path) -> None:
    """Compare the first frames with what the plain reader says.

    Raises
    ------
    RuntimeError
        They differ; there are no figures.

    """
    batch = next(iter(read_batches(path, size=CHECKED)))
    for row, frame in enumerate(islice(read_capture(path), CHECKED)):
        packet = frame.datagram
        if not isinstance(packet, Packet):
            raise RuntimeError(f"frame {frame.number} is none of ours")
        wanted = (frame.number, frame.time_ns, CARRIES_IP, packet.source_port, packet.length)
        got = (
            batch.frames.number[row],
            batch.frames.time_ns[row],
            batch.frames.carries[row],
            batch.packets.source_port[row],
            batch.packets.length[row],
        )
        address = int(packet.source) & 0xFFFFFFFF
        if wanted != got or address != int(batch.packets.source_lo[row]) & 0xFFFFFFFF:
            raise RuntimeError(f"wrong answer for frame {frame.number}: {got}, not {wanted}")


def rate(path: Path, count: int, key: np.ndarray | None = None) -> tuple[float, float]:
    """Return packets in millions a second of the process's time, and of the wall's: medians."""
    found = []
    for _ in range(RUNS):
        wall, own = time.perf_counter(), time.process_time()
        read = sum(len(batch.frames.number) for batch in read_batches(path, key=key))
        found.append((time.process_time() - own, time.perf_counter() - wall))
        if read != count:
            raise RuntimeError(f"{read} frames, not {count}")
    own, wall = (statistics.median(each) for each in zip(*found, strict=True))
    return count / own / 1e6, count / wall / 1e6


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packets", type=int, default=2_000_000)
    count = parser.parse_args().packets
    key = np.random.default_rng(SEED).integers(0, 2**63, 2, dtype=np.uint64)
    with tempfile.TemporaryDirectory() as folder:
        plain, blocks = Path(folder, "x.pcap"), Path(folder, "x.pcapng")
        packed = Path(folder, "x.pcap.gz")
        write(plain, count, pcapng=False)
        write(blocks, count, pcapng=True)
        with plain.open("rb") as file, gzip.open(packed, "wb", compresslevel=6) as out:
            shutil.copyfileobj(file, out)
        print(f"{count:,} packets of {SNAP} bytes, {CONNECTIONS:,} connections, seed {SEED}")
        for name, path, chosen in (
            ("pcap", plain, None),
            ("pcapng", blocks, None),
            ("pcap, with digests", plain, key),
            ("pcap in gzip", packed, None),
        ):
            check(path)
            own, wall = rate(path, count, chosen)
            print(f"{name:<20} {own:6.1f} M packets/s  ({wall:.1f} by the wall)")


if __name__ == "__main__":
    main()
