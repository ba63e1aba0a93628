"""`ColumnRun`: what `run.Run` is, batch by batch.

Owns the order in which batches meet changes, comparison and outputs; every output is as `Run`
writes it, byte for byte.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Protocol

import numpy as np

from secgroup.conntrack.flow import Flow
from secgroup.conntrack.state import State
from secgroup.decision import Reason
from secgroup.engine.aggregate import Aggregator
from secgroup.engine.capture import Batch
from secgroup.engine.decisions import Rows, RowWriter
from secgroup.engine.rule_sets import RuleSets
from secgroup.engine.write import BatchWriter
from secgroup.errors import AmbiguousAddressError
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from secgroup.replay.beside import Beside
from secgroup.replay.change import Change, Schedule
from secgroup.replay.columns import ColumnFirewall
from secgroup.replay.firewall import ClockStep
from secgroup.replay.observed import ObservedConnections, fill
from secgroup.replay.summary import Summary, Tally, differences
from secgroup.replay.who import Census


class ColumnSink(Protocol):
    """An output that takes decisions as they are made."""

    def take(self, rows: Rows) -> None:
        """Take the rows of some frames."""
        ...

    def change(self, network: Network) -> None:
        """Another network is in force from the next frame on."""
        ...

    def use(self, interfaces: Sequence[NetworkInterface], acl_ids: Sequence[str | None]) -> None:
        """Say which interfaces, and network ACLs of their subnets, the rows to come mean."""
        ...

    def finish(self) -> None:
        """Write what is left; there will be no more frames."""
        ...


class DecisionColumns:
    """Writes every decision."""

    def __init__(self, writer: RowWriter) -> None:
        self._writer = writer

    def take(self, rows: Rows) -> None:
        """Write the decisions among `rows`."""
        self._writer.write(rows)

    def change(self, network: Network) -> None:
        """Nothing: a decision stands for itself."""

    def use(self, interfaces: Sequence[NetworkInterface], acl_ids: Sequence[str | None]) -> None:
        """Say which interfaces, and network ACLs of their subnets, the rows to come mean."""
        self._writer.use(interfaces, acl_ids)

    def finish(self) -> None:
        """Nothing: every decision has been written."""


class FlowLogColumns:
    """Feeds the aggregation of a flow log, and writes its records when they are complete."""

    def __init__(self, aggregator: Aggregator, writer: BatchWriter) -> None:
        self._aggregator = aggregator
        self._writer = writer

    def take(self, rows: Rows) -> None:
        """Count the decisions among `rows`; the clock moves with every row."""
        for batch in self._aggregator.add(rows.packets, rows.decisions, rows.rule_sets):
            self._writer.write(batch)

    def change(self, network: Network) -> None:
        """Describe windows that open from now on by `network`."""
        self._aggregator.change(network)

    def use(self, interfaces: Sequence[NetworkInterface], acl_ids: Sequence[str | None]) -> None:  # noqa: ARG002
        """Say which interfaces the rows to come mean."""
        self._aggregator.use(interfaces)

    def finish(self) -> None:
        """Write the records of the windows that are still open."""
        for batch in self._aggregator.close():
            self._writer.write(batch)


class _Found:
    """What a column replay has found, as `summary.Replayed`."""

    def __init__(self, firewall: ColumnFirewall) -> None:
        self._firewall = firewall
        self.observed = ObservedConnections(firewall)

    @property
    def network(self) -> Network:
        return self._firewall.network

    @property
    def census(self) -> Census:
        return self._firewall.census

    @property
    def clock_steps(self) -> Sequence[ClockStep]:
        return self._firewall.clock_steps

    @property
    def stepped_back(self) -> int:
        return self._firewall.stepped_back

    @property
    def now_ms(self) -> int:
        return self._firewall.now_ms

    def connections(self) -> Iterator[Flow]:
        return self._firewall.flows()


class ColumnRun:
    """One replay.

    Parameters
    ----------
    firewall : ColumnFirewall
        With the network that is in force first.
    changes : iterable of Change
        Networks that take its place.
    against : ColumnFirewall, optional
        Decides the same frames with another network.
    sinks : iterable of ColumnSink
        What takes the decisions of `firewall`.
    is_beside : bool
        They take them in a thread, while the next ones are made.

    """

    def __init__(
        self,
        firewall: ColumnFirewall,
        *,
        changes: Iterable[Change] = (),
        against: ColumnFirewall | None = None,
        sinks: Iterable[ColumnSink] = (),
        is_beside: bool = False,
    ) -> None:
        self._firewall = firewall
        self._against = against
        self._schedule = Schedule(changes)
        self._sinks = tuple(sinks)
        self._beside = Beside(is_thread=is_beside)
        self._tally = Tally(firewall.network)
        self._use()

    def _use(self) -> None:
        for sink in self._sinks:
            sink.use(self._firewall.interfaces, self._firewall.acl_ids)

    def steps(self, batches: Iterable[Batch]) -> Iterator[tuple[int, Rows]]:
        """Yield how many frames have been decided, and their rows, which all outputs get.

        The rows hold until the next ones are asked for.

        Raises
        ------
        AmbiguousAddressError
            As `Firewall.decide`.
        InputError, OutputError
            As `batches` and the sinks.

        """
        try:
            for batch in batches:
                yield from self._steps(batch)
        finally:
            self._beside.rest()
        self._beside.finish()

    def _steps(self, batch: Batch) -> Iterator[tuple[int, Rows]]:
        tally = self._tally
        times_ns, count = batch.frames.time_ns, batch.frames.time_ns.shape[0]
        if tally.first_ns is None and count:
            tally.first_ns = int(times_ns[0])
        begin = 0
        while begin < count:
            self._change(int(batch.frames.number[begin]), int(times_ns[begin]))
            end = self._next_change(times_ns, begin)
            rows = self._decide(batch, begin, end)
            tally.frames += end - begin
            self._beside.do(partial(self._take, rows))
            if self._against is not None:
                self._against.decide(_for_another(batch), begin, end)
            yield end - begin, rows
            begin = end

    def _take(self, rows: Rows) -> None:
        for sink in self._sinks:
            sink.take(rows)

    def _decide(self, batch: Batch, begin: int, end: int) -> Rows:
        try:
            return self._firewall.decide(batch, begin, end)
        except AmbiguousAddressError:
            if self._against is not None:
                # What it says of a frame before that one, it would have said first.
                self._against.decide(batch, begin, self._firewall.ambiguous_row)
            raise

    def _next_change(
        self, times_ns: "np.ndarray[tuple[int], np.dtype[np.int64]]", begin: int
    ) -> int:
        """Return the first row behind `begin` at which another network comes into force."""
        next_ns = self._schedule.next_ns
        if next_ns is not None:
            due = np.flatnonzero(times_ns[begin + 1 :] >= next_ns)
            if due.shape[0]:
                return begin + 1 + int(due[0])
        return int(times_ns.shape[0])

    def _change(self, frame: int, time_ns: int) -> None:
        for change in self._schedule.due(frame, time_ns):
            self._beside.finish()
            self._firewall.change(change.network)
            self._tally.networks.append(change.network)
            for sink in self._sinks:
                sink.change(change.network)
            self._use()

    def finish(self, *, damage: str | None = None) -> Summary:
        """Complete the outputs, and say what was found."""
        self._beside.finish()
        for sink in self._sinks:
            sink.finish()
        fill(self._tally, self._firewall)
        found = _Found(self._firewall)
        compared = None
        if self._against is not None:
            compared = differences(found.observed, ObservedConnections(self._against))
        return Summary(
            firewall=found,
            tally=self._tally,
            damage=damage,
            made=tuple(self._schedule.made),
            left=tuple(self._schedule.left),
            differences=compared,
        )


def _for_another(batch: Batch) -> Batch:
    """Return the batch for a second firewall: it says where packets are in columns of its own."""
    packets = batch.packets
    return batch._replace(
        packets=packets._replace(
            interface=packets.interface.copy(), direction=packets.direction.copy()
        )
    )


def comments_of(
    rows: Rows,
    rule_sets: RuleSets,
    interfaces: Sequence[NetworkInterface],
    acl_ids: Sequence[str | None],
) -> Iterator[str | None]:
    """Yield what each frame of `rows` is annotated with, as `run.comment_of` says it."""
    decisions, packets = rows.decisions, rows.packets
    columns = (
        rows.frames,
        decisions.accepted,
        decisions.reason,
        packets.interface,
        packets.direction,
        rows.rule_sets,
        decisions.acl_rule_number,
        decisions.state_after,
    )
    parts: list[str] = []
    frame: int | None = None
    known: dict[tuple[int, ...], str] = {}
    for number, *what in zip(*(column.tolist() for column in columns), strict=True):
        if frame is not None and abs(number) != frame:
            yield "secgroup: " + " | ".join(parts) if parts else None
            parts = []
        frame = abs(number)
        key = tuple(what)
        if key[1] == 0:
            continue
        if key not in known:
            known[key] = _part(key, rule_sets, interfaces, acl_ids)
        parts.append(known[key])
    if frame is not None:
        yield "secgroup: " + " | ".join(parts) if parts else None


def _part(
    what: tuple[int, ...],
    rule_sets: RuleSets,
    interfaces: Sequence[NetworkInterface],
    acl_ids: Sequence[str | None],
) -> str:
    accepted, reason, interface, direction, rule_set, acl_rule_number, state_after = what
    parts = ["ACCEPT" if accepted else "REJECT", Reason(reason).name]
    if interface >= 0:
        parts.append(f"{Direction(direction)} {interfaces[interface].interface_id}")
    if rule_sets[rule_set]:
        parts.append("rules " + ", ".join(rule_sets[rule_set]))
    if acl_rule_number >= 0:
        parts.append(f"{acl_ids[interface]} entry {acl_rule_number}")
    if state_after:
        parts.append(State(state_after).name)
    return "; ".join(parts)
