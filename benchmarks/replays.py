"""How fast a capture becomes decisions and a flow log: `python -m benchmarks.replays`.

Frames are cut at 96 bytes: TCP and UDP, a fifth IPv6, 100,000 connections that begin with their
openers and go on in random order and direction, at 64 interfaces with an ACL of 20 entries. In
`once` the other end is outside the network; in `twice` it is another interface, and each frame is
decided at both. What is timed is all of a replay but its start: reading, placing, deciding,
connections and counters for the summary, and the outputs. The file has been read before. The
first frames are decided by the definition too, and its decisions and flow log compared.

Rates are by the process's own time, all threads together: what one core does. The wall's stands
beside.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from struct import pack

import numpy as np

from benchmarks import SEED
from benchmarks.captures import SNAP
from benchmarks.flows import OWNERS, PEERS4, PEERS6, SUBNETS, network
from secgroup.engine.aggregate import Aggregator, secret_of
from secgroup.engine.cache import keep_kernels
from secgroup.engine.capture import read_batches
from secgroup.engine.decisions import decision_writer
from secgroup.engine.record import RecordColumns
from secgroup.engine.write import flow_log_writer
from secgroup.flowlog import aggregate as plain
from secgroup.flowlog import write as plainly
from secgroup.flowlog.fields import DEFAULT_FORMAT
from secgroup.model.network import Network
from secgroup.net.capture import read_capture
from secgroup.replay.batched import ColumnRun, ColumnSink, DecisionColumns, FlowLogColumns
from secgroup.replay.beside import ahead
from secgroup.replay.columns import ColumnFirewall
from secgroup.replay.firewall import Firewall
from secgroup.replay.run import DecisionSink, FlowLogSink, Run

RUNS = 5
CONNECTIONS = 100_000
CHECKED = 5_000
_START_S = 1_700_000_000
_STEP_NS = 10_000
_AT_ONCE = 100_000
_IPV4, _IPV6 = 0x0800, 0x86DD
_TCP, _UDP = 6, 17


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Frames of numbered connections with 64 interfaces; `twice`: between two of them."""

    twice: bool

    def frames(self, connections: np.ndarray, is_first: np.ndarray, back: np.ndarray) -> np.ndarray:
        """Return Ethernet frames, one a row of SNAP bytes; `back`: from the server."""
        count = len(connections)
        octets = np.zeros((count, SNAP), dtype=np.uint8)
        octets[:, :12] = np.arange(12)
        owner, group = connections % OWNERS, connections // OWNERS
        other = (owner + 1 + group % (OWNERS - 1)) % OWNERS
        is_ipv6, is_udp = connections % 5 == 4, group % 10 >= 8
        spread = (connections * 0x1E3779B97F4A7C15 & 0x7FFFFFFFFFFFFFFF) >> 20
        for six in (False, True):
            rows = np.flatnonzero(is_ipv6 == six)
            width, at = (16, 22) if six else (4, 26)
            server = self._addresses(owner[rows], six=six)
            if self.twice:
                client = self._addresses(other[rows], six=six)
            else:
                client = self._outside(spread[rows], six=six)
            turned = back[rows, None]
            source, destination = (
                np.where(turned, server, client),
                np.where(turned, client, server),
            )
            octets[np.ix_(rows, range(at, at + width))] = source
            octets[np.ix_(rows, range(at + width, at + 2 * width))] = destination
            protocol = np.where(is_udp[rows], _UDP, _TCP)
            if six:
                octets[rows, 12:22] = list(pack("!HIHBB", _IPV6, 6 << 28, 1000, 0, 64))
                octets[rows, 20] = protocol
            else:
                head = pack("!HBBHHHBBH", _IPV4, 0x45, 0, 1000, 1, 0x4000, 64, 0, 0)
                octets[rows, 12:26] = list(head)
                octets[rows, 23] = protocol
            at += 2 * width
            near = np.where(is_udp[rows], 53, 443).astype(">u2")
            far = (1024 + group[rows] % 60_000).astype(">u2")
            ports = np.stack((far, near), axis=1)
            ports = np.where(turned, ports[:, ::-1], ports).astype(">u2")
            octets[np.ix_(rows, range(at, at + 4))] = ports.view(np.uint8).reshape(-1, 4)
            octets[rows, at + 12] = 0x50
            octets[rows, at + 13] = np.where(is_first[rows], 0x02, 0x10)
        return octets

    def _addresses(self, owner: np.ndarray, *, six: bool) -> np.ndarray:
        """Return the addresses of interfaces, as bytes."""
        if six:
            found = np.zeros((len(owner), 2), dtype=">u8")
            found[:, 0] = (0x20010DB8 << 32) + owner % SUBNETS
            found[:, 1] = 16 + owner
            return found.view(np.uint8).reshape(-1, 16)
        base = int(IPv4Address("10.0.0.16"))
        return (base + owner + owner % SUBNETS * 256).astype(">u4").view(np.uint8).reshape(-1, 4)

    def _outside(self, spread: np.ndarray, *, six: bool) -> np.ndarray:
        """Return addresses outside the network, as bytes."""
        if six:
            found = np.zeros((len(spread), 2), dtype=">u8")
            found[:, 0] = int(PEERS6.network_address) >> 64
            found[:, 1] = spread
            return found.view(np.uint8).reshape(-1, 16)
        base = int(PEERS4.network_address)
        return (base + spread % (1 << 22)).astype(">u4").view(np.uint8).reshape(-1, 4)

    def write(self, path: Path, count: int) -> None:
        """Write a capture of `count` frames, 10 microseconds apart."""
        chance = np.random.default_rng(SEED)
        seen = np.zeros(CONNECTIONS, dtype=bool)
        with path.open("wb") as file:
            file.write(pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, SNAP, 1))
            for first in range(0, count, _AT_ONCE):
                rows = min(_AT_ONCE, count - first)
                connections = chance.integers(0, CONNECTIONS, rows)
                is_first = np.zeros(rows, dtype=bool)
                is_first[np.unique(connections, return_index=True)[1]] = True
                is_first &= ~seen[connections]
                seen[connections] = True
                back = (chance.integers(0, 2, rows) == 1) & ~is_first
                time_ns = _START_S * 10**9 + _STEP_NS * np.arange(first, first + rows)
                head = np.zeros((rows, 4), dtype="<u4")
                head[:, 0], head[:, 1] = time_ns // 10**9, time_ns % 10**9
                head[:, 2], head[:, 3] = SNAP, 1014
                frames = self.frames(connections, is_first, back)
                file.write(np.hstack((head.view(np.uint8), frames)).tobytes())


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Files that a replay writes; None is not written."""

    decisions: Path | None = None
    flow_log: Path | None = None


def replay(around: Network, capture: Path, outputs: Outputs, cores: int = 1) -> tuple[int, int]:
    """Replay by the engine; return frames and decisions."""
    secret = secret_of(SEED)
    firewall = ColumnFirewall(around, secret=secret, key=b"figures")
    with ExitStack() as stack:
        sinks: list[ColumnSink] = []
        if outputs.decisions is not None:
            writer = decision_writer(outputs.decisions, firewall.rule_sets)
            sinks.append(DecisionColumns(stack.enter_context(writer)))
        if outputs.flow_log is not None:
            aggregator = Aggregator(around, DEFAULT_FORMAT, secret=secret, interval_s=600)
            columns = RecordColumns(DEFAULT_FORMAT, firewall.rule_sets.__getitem__)
            log = flow_log_writer(outputs.flow_log, columns)
            sinks.append(FlowLogColumns(aggregator, stack.enter_context(log)))
        run = ColumnRun(firewall, sinks=sinks, is_beside=cores > 1)
        batches = read_batches(capture)
        frames = decided = 0
        for count, rows in run.steps(ahead(batches) if cores > 1 else batches):
            frames += count
            decided += int(np.count_nonzero(rows.decisions.reason))
        for sink in sinks:
            sink.finish()
    return frames, decided


def check(traffic: Traffic, around: Network, folder: Path) -> None:
    """Compare what is written of the first frames with what the definition writes.

    Raises
    ------
    RuntimeError
        They differ; there are no figures.

    """
    capture = folder / "few.pcap"
    traffic.write(capture, CHECKED)
    found = Outputs(decisions=folder / "found.jsonl", flow_log=folder / "found.log")
    wanted = Outputs(decisions=folder / "wanted.jsonl", flow_log=folder / "wanted.log")
    replay(around, capture, found)
    assert wanted.decisions is not None
    assert wanted.flow_log is not None
    with ExitStack() as stack:
        log = plainly.flow_log_writer(wanted.flow_log, DEFAULT_FORMAT)
        sinks = (
            DecisionSink(stack.enter_context(plainly.replacing(wanted.decisions))),
            FlowLogSink(
                plain.Aggregator(around, DEFAULT_FORMAT, interval_s=600), stack.enter_context(log)
            ),
        )
        run = Run(Firewall(around), sinks=sinks)
        for _ in run.steps(read_capture(capture)):
            pass
        for sink in sinks:
            sink.finish()
    for one, other in ((found.decisions, wanted.decisions), (found.flow_log, wanted.flow_log)):
        assert one is not None
        assert other is not None
        if one.read_bytes() != other.read_bytes():
            raise RuntimeError(f"{one.name} is not what the definition writes")


def rates(run: Callable[[], tuple[int, int]], runs: int) -> tuple[float, float, float]:
    """Return frames and decisions in millions a second of own time, and frames of the wall's."""
    found = []
    for _ in range(runs):
        wall, own = time.perf_counter(), time.process_time()
        frames, decided = run()
        found.append((time.process_time() - own, time.perf_counter() - wall))
    own, wall = (statistics.median(each) for each in zip(*found, strict=True))
    return frames / own / 1e6, decided / own / 1e6, frames / wall / 1e6


#: Name, suffix of decisions and of the flow log, bar in millions of packets a second.
ROWS = (
    ("decisions as columns, flow log as text", None, ".log", 3.0),
    ("decisions as Parquet, flow log as text", ".parquet", ".log", 1.5),
    ("decisions as JSON Lines, flow log as text", ".jsonl", ".log", 0.25),
)


def figures(
    folder: Path, count: int, runs: int, names: Sequence[str], rows: Sequence[str]
) -> Iterator[str]:
    """Measure each workload with each output."""
    for name in names:
        traffic = Traffic(twice=name == "twice")
        around = network(acl_entries=20, between=traffic.twice)
        check(traffic, around, folder)
        capture = folder / f"{name}.pcap"
        traffic.write(capture, count)
        for title, decisions, log, bar in ROWS:
            if rows and not any(each in title for each in rows):
                continue
            outputs = Outputs(
                decisions=None if decisions is None else folder / f"out{decisions}",
                flow_log=folder / f"out{log}",
            )
            frames, decided, wall = rates(partial(replay, around, capture, outputs), runs)
            _, _, both = rates(partial(replay, around, capture, outputs, 2), runs)
            held = ("yes" if frames >= bar else "NO") if name == "once" else ""
            yield (
                f"{name:<6} {title:<44} {frames:6.2f} M packets/s  >= {bar:g} {held:<4}"
                f" {decided:6.2f} M decisions/s  by the wall {wall:.2f} M packets/s,"
                f" two cores {both:.2f}: {both / wall:.2f} x"
            )
        capture.unlink()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replays", description=__doc__)
    parser.add_argument("--packets", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--workload", choices=("once", "twice"), action="append")
    parser.add_argument("--row", action="append", help="part of a row's name")
    parser.add_argument("--cache", type=Path, help="keep compiled kernels here")
    parser.add_argument("--folder", type=Path, help="write captures and outputs here")
    options = parser.parse_args()
    if options.cache is not None:
        keep_kernels(options.cache)
    print(f"{options.packets:,} packets of {SNAP} bytes, {CONNECTIONS:,} connections, seed {SEED}")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for line in figures(
            Path(folder),
            options.packets,
            options.runs,
            options.workload or ("once", "twice"),
            options.row or (),
        ):
            print(line, flush=True)


if __name__ == "__main__":
    main()
