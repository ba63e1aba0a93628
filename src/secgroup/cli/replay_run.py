"""How `secgroup replay` decides: frame by frame by the definition, or batch by batch compiled.

Owns the choice between the two, and the outputs that each one writes as it decides.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import click

from secgroup.errors import InputError

if TYPE_CHECKING:
    from secgroup.cli.progress import Progress
    from secgroup.engine.decisions import Rows
    from secgroup.model.network import Network
    from secgroup.replay.batched import ColumnSink
    from secgroup.replay.change import Change
    from secgroup.replay.columns import ColumnFirewall
    from secgroup.replay.connections import Placed
    from secgroup.replay.run import Sink
    from secgroup.replay.summary import Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """The files to write, each None when nobody asked for it."""

    decisions: str | None
    connections: str | None
    annotate: str | None
    flow_log: str | None
    format: str | None
    interval: int
    window_start: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A capture that is open, `again` a second time where it is to be copied."""

    name: str
    stream: BinaryIO
    again: BinaryIO | None
    size: int | None


class Replay(Protocol):
    """A replay by the engine or by the definition."""

    def open(self, outputs: Outputs, stack: ExitStack) -> None:
        """Open the outputs that decisions go to."""
        ...

    def go(self, source: Source, progress: "Progress", *, decapsulate: bool) -> None:
        """Take every frame through."""
        ...

    def comments(
        self, source: Source, progress: "Progress", *, decapsulate: bool
    ) -> Iterator[str | None]:
        """Take every frame through, and yield what it is annotated with."""
        ...

    def finish(self, *, damage: str | None) -> "Summary":
        """Complete the outputs, and say what was found."""
        ...


class _ByDefinition:
    """Frame by frame."""

    def __init__(
        self,
        network: "Network",
        against: "tuple[str, Network] | None",
        changes: "list[Change]",
        kept: dict[str, Any],
    ) -> None:
        from secgroup.replay.firewall import Firewall

        self._network = network
        self._firewall = Firewall(network, **kept)
        self._against = None
        if against is not None:
            with _about(against[0]):
                self._against = Firewall(against[1], **kept)
        self._changes = changes

    def open(self, outputs: Outputs, stack: ExitStack) -> None:
        from secgroup.replay.run import Run

        self._run = Run(
            self._firewall,
            changes=self._changes,
            against=self._against,
            sinks=list(_sinks(outputs, self._network, stack)),
        )

    def go(self, source: Source, progress: "Progress", *, decapsulate: bool) -> None:
        for _ in self._steps(source, decapsulate=decapsulate):
            progress.step()

    def _steps(self, source: Source, *, decapsulate: bool) -> "Iterator[tuple[Placed, ...]]":
        from secgroup.net.capture import read_capture

        frames = read_capture(source.stream, decapsulate=decapsulate, source=source.name)
        for _, placed in self._run.steps(frames):
            yield placed

    def comments(
        self, source: Source, progress: "Progress", *, decapsulate: bool
    ) -> Iterator[str | None]:
        from secgroup.replay.run import comment_of

        for placed in self._steps(source, decapsulate=decapsulate):
            progress.step()
            yield comment_of(placed)

    def finish(self, *, damage: str | None) -> "Summary":
        return self._run.finish(damage=damage)


class _ByEngine:
    """Batch by batch, compiled."""

    def __init__(
        self,
        network: "Network",
        against: "tuple[str, Network] | None",
        changes: "list[Change]",
        kept: dict[str, Any],
        *,
        cores: int,
        lists_flows: bool,
    ) -> None:
        from secgroup.cli.engines import prepare

        prepare()
        from secgroup.engine.aggregate import secret_of
        from secgroup.replay.columns import ColumnFirewall

        self._cores = cores
        self._network = network
        self._secret = secret_of(int.from_bytes(os.urandom(16)))
        chance: dict[str, Any] = {"secret": self._secret, "key": os.urandom(16)}
        self._firewall = ColumnFirewall(network, **kept, **chance, lists_flows=lists_flows)
        self._against = None
        if against is not None:
            with _about(against[0]):
                self._against = ColumnFirewall(against[1], **kept, **chance)
        self._changes = changes

    def open(self, outputs: Outputs, stack: ExitStack) -> None:
        from secgroup.replay.batched import ColumnRun

        self._run = ColumnRun(
            self._firewall,
            changes=self._changes,
            against=self._against,
            sinks=list(_column_sinks(outputs, self._firewall, self._secret, stack)),
            is_beside=self._cores > 1,
        )

    def _steps(self, source: Source, *, decapsulate: bool) -> "Iterator[tuple[int, Rows]]":
        import numpy as np

        from secgroup.engine.capture import read_batches
        from secgroup.replay.beside import ahead

        key = None
        if self._firewall.compares_packets:
            key = np.frombuffer(os.urandom(16), dtype=np.uint64).copy()
        batches = read_batches(source.stream, decapsulate=decapsulate, source=source.name, key=key)
        # Of a pipe nobody knows when more comes, and an interrupt should not wait for it.
        is_ahead = self._cores > 1 and source.stream.seekable()
        yield from self._run.steps(ahead(batches) if is_ahead else batches)

    def go(self, source: Source, progress: "Progress", *, decapsulate: bool) -> None:
        for count, _ in self._steps(source, decapsulate=decapsulate):
            progress.step(count)

    def comments(
        self, source: Source, progress: "Progress", *, decapsulate: bool
    ) -> Iterator[str | None]:
        from secgroup.replay.batched import comments_of

        firewall = self._firewall
        for _, rows in self._steps(source, decapsulate=decapsulate):
            for comment in comments_of(
                rows, firewall.rule_sets, firewall.interfaces, firewall.acl_ids
            ):
                progress.step()
                yield comment

    def finish(self, *, damage: str | None) -> "Summary":
        return self._run.finish(damage=damage)


@contextmanager
def _about(source: str) -> Iterator[None]:
    """Say of which input an error is."""
    try:
        yield
    except InputError as error:
        raise InputError(error.problem, source=source) from None


def replay_by(
    options: dict[str, Any],
    network: "Network",
    against: "tuple[str, Network] | None",
    changes: "list[Change]",
    kept: dict[str, Any],
) -> Replay:
    """Return a replay by the engine or by the definition.

    Raises
    ------
    InputError
        As `Firewall`; or the engine was asked for and cannot decide.

    """
    from secgroup.cli.engines import takes_engine

    networks = [(options["network"], network), *((each.name, each.network) for each in changes)]
    if against is not None:
        networks.append(against)
    is_parquet = (options["decisions"] or "").endswith(".parquet")
    if takes_engine(options["engine"], networks, options["capture"], needs_engine=is_parquet):
        return _ByEngine(
            network,
            against,
            changes,
            kept,
            cores=options["cores"] or os.cpu_count() or 1,
            lists_flows=options["connections"] is not None,
        )
    return _ByDefinition(network, against, changes, kept)


def _sinks(outputs: Outputs, network: "Network", stack: ExitStack) -> "Iterator[Sink]":
    from secgroup.flowlog.write import replacing
    from secgroup.replay.run import DecisionSink, FlowLogSink

    if outputs.decisions is not None:
        if outputs.decisions.endswith(".parquet"):
            raise click.UsageError("--decisions: Parquet is not written by --engine reference")
        yield DecisionSink(stack.enter_context(replacing(Path(outputs.decisions))))
    if outputs.flow_log is not None:
        from secgroup.flowlog.aggregate import Aggregator
        from secgroup.flowlog.fields import DEFAULT_FORMAT, parse_format
        from secgroup.flowlog.write import flow_log_writer

        fields = DEFAULT_FORMAT if outputs.format is None else parse_format(outputs.format)
        aggregator = Aggregator(
            network,
            fields,
            interval_s=outputs.interval,
            window_start_ms=window_start(outputs.window_start),
        )
        writer = stack.enter_context(flow_log_writer(Path(outputs.flow_log), fields))
        yield FlowLogSink(aggregator, writer)


def _column_sinks(
    outputs: Outputs, firewall: "ColumnFirewall", secret: Any, stack: ExitStack
) -> "Iterator[ColumnSink]":
    from secgroup.engine.decisions import decision_writer
    from secgroup.replay.batched import DecisionColumns, FlowLogColumns

    if outputs.decisions is not None:
        writer = decision_writer(Path(outputs.decisions), firewall.rule_sets)
        yield DecisionColumns(stack.enter_context(writer))
    if outputs.flow_log is not None:
        from secgroup.engine.aggregate import Aggregator
        from secgroup.engine.record import RecordColumns
        from secgroup.engine.write import flow_log_writer
        from secgroup.flowlog.fields import DEFAULT_FORMAT, parse_format

        fields = DEFAULT_FORMAT if outputs.format is None else parse_format(outputs.format)
        aggregator = Aggregator(
            firewall.network,
            fields,
            secret=secret,
            interval_s=outputs.interval,
            window_start_ms=window_start(outputs.window_start),
        )
        columns = RecordColumns(fields, firewall.rule_sets.__getitem__)
        log = flow_log_writer(Path(outputs.flow_log), columns)
        yield FlowLogColumns(aggregator, stack.enter_context(log))


def window_start(text: str | None) -> int | None:
    """Read when a window of the flow log starts, in milliseconds."""
    from secgroup.replay.change import rfc3339_ns

    if text is None:
        return None
    expected = "expected a time as RFC 3339 (2026-03-01T12:00:00Z)"
    return rfc3339_ns(text, expected=expected, source=f"--window-start {text}") // 1_000_000
