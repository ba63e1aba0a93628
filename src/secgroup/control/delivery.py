"""`Delivery`: the records of flow logs, written where and as AWS would.

Owns the names of folders and files, and when a record is written. What it says is `flowlog`'s.
A bucket is a folder under `s3`, a log group one under `cloudwatch`; nothing is delivered to a
Firehose stream. Read first: VPC User Guide, Flow log files; Publish flow logs to CloudWatch Logs.
"""

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Final

from secgroup.control.state import Changed, Resource, Row, State
from secgroup.decision import Verdict
from secgroup.errors import OutputError
from secgroup.flowlog.aggregate import Aggregator
from secgroup.flowlog.fields import Format, Record, parse_format
from secgroup.flowlog.record import Flow
from secgroup.flowlog.write import flow_log_writer, line_of
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.replay.connections import Placed

_MILLISECOND_NS: Final = 1_000_000


@dataclass(slots=True)
class _Stream:
    """The open windows of one flow log, in CloudWatch of one interface, and what they finished."""

    aggregator: Aggregator
    network: Network
    finished: list[Record] = field(default_factory=list)


@dataclass(slots=True)
class _FlowLog:
    """A flow log that is there, with its streams by interface id; S3 has one for all."""

    row: Row
    format: Format
    streams: dict[str | None, _Stream] = field(default_factory=dict)

    @property
    def is_cloudwatch(self) -> bool:
        """Its records are lines of a log stream, not files of a bucket."""
        return bool(self.row.resource["LogDestinationType"] == "cloud-watch-logs")

    def monitors(self, interface: NetworkInterface) -> bool:
        """Tell whether packets at an interface are recorded."""
        ids = (interface.interface_id, interface.subnet_id, interface.vpc_id)
        return self.row.resource["ResourceId"] in ids

    def wants(self, verdict: Verdict) -> bool:
        """Tell whether packets of a verdict are recorded."""
        return self.row.resource["TrafficType"] in ("ALL", verdict.value)


class Delivery:
    """Writes the records of every flow log that the state has.

    Parameters
    ----------
    folder : Path
        Where buckets and log groups stand.

    tell : callable
        Told of what could not be written, once until something else cannot; it is tried again.

    """

    def __init__(self, folder: Path, tell: Callable[[str], None] = lambda _: None) -> None:
        self._tell = tell
        self._problem: str | None = None
        self._folder = folder
        self._logs: dict[str, _FlowLog] = {}
        self._gone: list[_FlowLog] = []
        self._changes: list[Changed] = []
        self._lock = Lock()

    # Following the state

    def take(self, state: State) -> None:
        """Begin with the flow logs that a state has already."""
        with self._lock:
            for row in state.rows("FlowLog"):
                self._begin(row)

    def prepare(self, state: State, changes: Collection[Changed], /) -> None:  # noqa: ARG002
        """Keep in mind which flow logs come and go."""
        self._changes = [
            each for each in changes if (each.after or each.before or _NO_ROW).kind == "FlowLog"
        ]

    def commit(self) -> None:
        """Begin with those that came, and end those that went."""
        with self._lock:
            for each in self._changes:
                if each.before is not None and each.after is None:
                    gone = self._logs.pop(each.before.resource_id, None)
                    if gone is not None:
                        self._gone.append(gone)
                elif each.after is not None:
                    self._begin(each.after)
        self._changes = []

    def abandon(self) -> None:
        """Forget what was prepared."""
        self._changes = []

    def _begin(self, row: Row) -> None:
        known = self._logs.get(row.resource_id)
        if known is not None:
            known.row = row
        elif row.resource["LogDestinationType"] in ("s3", "cloud-watch-logs"):
            log_format = parse_format(row.resource["LogFormat"])
            self._logs[row.resource_id] = _FlowLog(row, log_format)

    # Recording

    def hear(self, region: str, network: Network, placed: Sequence[Placed]) -> None:
        """Record decisions; see `dataplane.batch.Listener`."""
        with self._lock:
            logs = [each for each in self._logs.values() if each.row.region == region]
            for one in placed:
                if one.interface is None or one.direction is None:
                    continue
                verdict = one.decision.verdict
                for log in logs:
                    if log.monitors(one.interface) and log.wants(verdict):
                        stream = self._stream(log, network, one.interface)
                        stream.finished += stream.aggregator.add(
                            one.time_ns // _MILLISECOND_NS,
                            one.interface,
                            one.direction,
                            one.packet,
                            one.decision,
                        )

    def is_logged(self, region: str, interface: NetworkInterface) -> bool:
        """Tell whether some flow log records packets of an interface."""
        with self._lock:
            logs = list(self._logs.values())
        return any(each.row.region == region and each.monitors(interface) for each in logs)

    def count(self, network: Network, interface: NetworkInterface, flow: Flow) -> None:
        """Record what packets of a flow add up to at an interface of a network."""
        with self._lock:
            for log in self._logs.values():
                if (
                    log.row.region == network.region
                    and log.monitors(interface)
                    and log.wants(flow.verdict)
                ):
                    stream = self._stream(log, network, interface)
                    # Every aggregator keeps a flow of its own.
                    own = replace(flow, rules=list(flow.rules))
                    stream.finished += stream.aggregator.count(interface, own)

    def skip(self, network: Network, interface: NetworkInterface, time_ms: int) -> None:
        """Record that packets at an interface were lost."""
        with self._lock:
            for log in self._logs.values():
                if log.row.region == network.region and log.monitors(interface):
                    stream = self._stream(log, network, interface)
                    stream.finished += stream.aggregator.skip(time_ms, interface)

    def _stream(self, log: _FlowLog, network: Network, interface: NetworkInterface) -> _Stream:
        key = interface.interface_id if log.is_cloudwatch else None
        stream = log.streams.get(key)
        if stream is None:
            aggregator = Aggregator(
                network, log.format, interval_s=log.row.resource["MaxAggregationInterval"]
            )
            stream = log.streams[key] = _Stream(aggregator, network)
        elif stream.network is not network:
            stream.network = network
            stream.aggregator.change(network)
        return stream

    # Writing

    def tick(self, now: datetime) -> None:
        """Write every record whose window has passed, or whose flow log is gone."""
        now_ms = int(now.timestamp() * 1000)
        with self._lock:
            for log in self._logs.values():
                for stream in log.streams.values():
                    stream.finished += stream.aggregator.advance(now_ms)
                self._write(log, now)
            self._finish(self._gone, now)
            self._gone = []

    def close(self, now: datetime) -> None:
        """Write everything, the windows that are still open included."""
        with self._lock:
            self._finish([*self._logs.values(), *self._gone], now)

    def _finish(self, logs: Iterable[_FlowLog], now: datetime) -> None:
        for log in logs:
            for stream in log.streams.values():
                stream.finished += stream.aggregator.close()
            self._write(log, now)

    def _write(self, log: _FlowLog, now: datetime) -> None:
        for key, stream in log.streams.items():
            if not stream.finished:
                continue
            try:
                if log.is_cloudwatch:
                    self._append(log.row.resource, str(key), stream.finished)
                else:
                    self._write_file(log, stream.finished, now)
            except OutputError as error:
                if str(error) != self._problem:
                    self._problem = str(error)
                    self._tell(f"flow log {log.row.resource_id}: {error}")
                continue
            stream.finished = []

    def _append(self, resource: Resource, interface_id: str, records: Sequence[Record]) -> None:
        """Append records to the log stream of an interface, `eni-...-all`."""
        words = {"ALL": "all", "ACCEPT": "accept", "REJECT": "reject"}
        group = Path("cloudwatch", *_parts(resource["LogGroupName"]))
        path = self._folder / group / f"{interface_id}-{words[resource['TrafficType']]}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.writelines(f"{line_of(record)}\n" for record in records)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from error

    def _path(self, log: _FlowLog, records: Sequence[Record], now: datetime, number: int) -> Path:
        return self._folder / "s3" / object_key(log.row, records, now.astimezone(UTC), number)

    def _write_file(self, log: _FlowLog, records: Sequence[Record], now: datetime) -> None:
        """Write records to a file of their own in the bucket."""
        path, number = self._path(log, records, now, 0), 0
        while os.path.exists(path):  # noqa: PTH110 - a path that is too long does not raise here
            number += 1
            path = self._path(log, records, now, number)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
        with flow_log_writer(path, log.format) as writer:
            writer.write(records)


_NO_ROW: Final = Row(kind="", resource_id="", account_id="", region="", sequence=0, resource={})


def _parts(path: str) -> Iterator[str]:
    """Yield the folders of a path, none of which leads out of it."""
    for part in path.split("/"):
        if part not in ("", ".", ".."):
            yield part


def object_key(row: Row, records: Sequence[Record], when: datetime, number: int = 0) -> Path:
    """Return bucket and key of a file of flow-log records.

    Equal records of the same minute are told apart by `number`.

    Source: VPC User Guide, Flow log files.
    """
    options = row.resource["DestinationOptions"]
    is_hive, is_hourly = options["HiveCompatiblePartitions"], options["PerHourPartition"]
    bucket, _, prefix = row.resource["LogDestination"].split(":::", 1)[1].partition("/")
    names = ["aws-account-id", "aws-service", "aws-region", "year", "month", "day"]
    values = [row.account_id, "vpcflowlogs", row.region, f"{when:%Y}", f"{when:%m}", f"{when:%d}"]
    if is_hourly:
        names.append("hour")
        values.append(f"{when:%H}")
    folders = [f"{name}={value}" for name, value in zip(names, values, strict=True)]
    spelled = "\n".join(line_of(record) for record in records) + (f"\n{number}" if number else "")
    digest = hashlib.sha256(spelled.encode()).hexdigest()[:8]
    suffix = "log.parquet" if options["FileFormat"] == "parquet" else "log.gz"
    file = "_".join(
        (row.account_id, "vpcflowlogs", row.region, row.resource_id, f"{when:%Y%m%dT%H%MZ}", digest)
    )
    return Path(
        bucket, *_parts(prefix), "AWSLogs", *(folders if is_hive else values), f"{file}.{suffix}"
    )
