"""A replay from the first frame to the last: firewall, changes, comparison and outputs together.

Owns the order in which a frame meets them. Reads no file and writes none: frames come in, and
outputs are sinks that take decisions.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from secgroup.flowlog.aggregate import Aggregator
from secgroup.flowlog.write import RecordWriter
from secgroup.model.network import Network
from secgroup.net.capture import Frame
from secgroup.replay.change import Change, Schedule
from secgroup.replay.connections import Placed
from secgroup.replay.decisions import decision_line
from secgroup.replay.firewall import Firewall
from secgroup.replay.summary import Summary, Tally, differences


class ByteSink(Protocol):
    """Where bytes go."""

    def write(self, octets: bytes, /) -> object:
        """Append bytes."""
        ...


class Sink(Protocol):
    """An output that takes decisions as they are made."""

    def take(self, now_ms: int, placed: tuple[Placed, ...]) -> None:
        """Take the decisions about one frame, none if it was not decided."""
        ...

    def change(self, network: Network) -> None:
        """Another network is in force from the next frame on."""
        ...

    def finish(self) -> None:
        """Write what is left; there will be no more frames."""
        ...


class DecisionSink:
    """Writes every decision as a line of JSON."""

    def __init__(self, stream: ByteSink) -> None:
        self._stream = stream

    def take(self, now_ms: int, placed: tuple[Placed, ...]) -> None:  # noqa: ARG002
        """Write a line for each decision."""
        for each in placed:
            self._stream.write(decision_line(each).encode() + b"\n")

    def change(self, network: Network) -> None:
        """Nothing: a decision stands for itself."""

    def finish(self) -> None:
        """Nothing: every line has been written."""


class FlowLogSink:
    """Feeds the aggregation of a flow log, and writes its records when they are complete."""

    def __init__(self, aggregator: Aggregator, writer: RecordWriter) -> None:
        self._aggregator = aggregator
        self._writer = writer

    def take(self, now_ms: int, placed: tuple[Placed, ...]) -> None:
        """Count each decision; the clock moves with every frame."""
        self._write(self._aggregator.advance(now_ms))
        for each in placed:
            if each.interface is not None and each.direction is not None:
                self._write(
                    self._aggregator.add(
                        now_ms, each.interface, each.direction, each.packet, each.decision
                    )
                )

    def change(self, network: Network) -> None:
        """Describe windows that open from now on by `network`."""
        self._aggregator.change(network)

    def finish(self) -> None:
        """Write the records of the windows that are still open."""
        self._write(self._aggregator.close())

    def _write(self, records: Iterable[tuple[str | int | None, ...]]) -> None:
        if records:
            self._writer.write(records)


class Run:
    """One replay.

    Parameters
    ----------
    firewall : Firewall
        With the network that is in force first.
    changes : iterable of Change
        Networks that take its place.
    against : Firewall, optional
        Decides the same frames with another network.
    sinks : iterable of Sink
        What takes the decisions of `firewall`.

    """

    def __init__(
        self,
        firewall: Firewall,
        *,
        changes: Iterable[Change] = (),
        against: Firewall | None = None,
        sinks: Iterable[Sink] = (),
    ) -> None:
        self._firewall = firewall
        self._against = against
        self._schedule = Schedule(changes)
        self._sinks = tuple(sinks)
        self._tally = Tally(firewall.network)

    def steps(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, tuple[Placed, ...]]]:
        """Yield each frame with its decisions, when all outputs have taken them.

        Raises
        ------
        AmbiguousAddressError
            As `Firewall.decide`.
        InputError, OutputError
            As `frames` and the sinks.

        """
        firewall, tally = self._firewall, self._tally
        for frame in frames:
            for change in self._schedule.due(frame.number, frame.time_ns):
                firewall.change(change.network)
                tally.networks.append(change.network)
                for sink in self._sinks:
                    sink.change(change.network)
            placed = firewall.decide_frame(frame)
            tally.frames += 1
            if tally.first_ns is None:
                tally.first_ns = frame.time_ns
            for each in placed:
                number = each.connection
                tally.add(each, None if number is None else firewall.observed.numbered(number))
            for sink in self._sinks:
                sink.take(firewall.now_ms, placed)
            if self._against is not None:
                self._against.decide_frame(frame)
            yield frame, placed

    def finish(self, *, damage: str | None = None) -> Summary:
        """Complete the outputs, and say what was found."""
        for sink in self._sinks:
            sink.finish()
        compared = None
        if self._against is not None:
            compared = differences(self._firewall.observed, self._against.observed)
        return Summary(
            firewall=self._firewall,
            tally=self._tally,
            damage=damage,
            made=tuple(self._schedule.made),
            left=tuple(self._schedule.left),
            differences=compared,
        )


def comment_of(placed: tuple[Placed, ...]) -> str | None:
    """Return what a captured packet is annotated with: verdict, reason and rules, by interface."""
    if not placed:
        return None
    lines = []
    for each in placed:
        decision = each.decision
        parts = [decision.verdict.value, decision.reason.name]
        if each.interface is not None:
            parts.append(f"{each.direction} {each.interface.interface_id}")
        if decision.rule_ids:
            parts.append("rules " + ", ".join(decision.rule_ids))
        if decision.network_acl_id is not None:
            parts.append(f"{decision.network_acl_id} entry {decision.acl_rule_number}")
        if decision.state_after is not None:
            parts.append(decision.state_after.name)
        lines.append("; ".join(parts))
    return "secgroup: " + " | ".join(lines)
