"""The engine beside the definition: the same trace through both, compared after every batch."""

import gc
from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random

from secgroup.conntrack.flow import Flow
from secgroup.conntrack.table import FlowTable
from secgroup.decision import Decision
from secgroup.engine.batch import Sighting, batch_of
from secgroup.engine.cores import Cores
from secgroup.engine.engine import Engine
from secgroup.model.network import Network
from secgroup.net.packet import Fragment, Packet
from secgroup.reference.memory import Memory, Switches
from tests.support.traces import Arrival, Coverage, Event, Trace, Watch, Writer, steps

KEY = b"tests"


def as_engine(decision: Decision) -> Decision:
    """Leave out what columns do not keep: where in its packet a first fragment ends."""
    first = decision.first_fragment
    if first is None or first.fragment is None:
        return decision
    return replace(decision, first_fragment=without_offsets(first))


def without_offsets(packet: Packet) -> Packet:
    fragment = packet.fragment
    if fragment is None:
        return packet
    icmp = packet.icmp
    return replace(
        packet,
        icmp=None if icmp is None else replace(icmp, quote=None),
        fragment=Fragment(
            identification=fragment.identification,
            offset=min(fragment.offset, 8),
            more=fragment.offset == 0,
            protocol=fragment.protocol,
        ),
    )


def flow_row(flow: Flow, unit_ms: int) -> tuple[object, ...]:
    """What a flow is, in a form that sorts, the time of its making in whole units."""
    key = flow.key
    return (
        key.owner,
        key.inside.version,
        int(key.inside),
        int(key.outside),
        key.protocol,
        key.inside_port,
        key.outside_port,
        (-1, -1) if key.query is None else (key.query.type, int(key.query.opener)),
        int(flow.opener),
        int(flow.state),
        flow.created_ms // unit_ms,
        flow.last_ms,
        flow.timeouts,
        flow.interface_id,
        tuple(-1 if each is None else each for each in flow.next),
        flow.rule_ids,
        flow.weight,
    )


def records_of(table: FlowTable, unit_ms: int) -> list[tuple[object, ...]]:
    """The whole table of the definition, expired entries that wait for reaping included."""
    return sorted(flow_row(flow, unit_ms) for flow in table._flows.values())


def records_in(engine: Engine | Cores, unit_ms: int) -> list[tuple[object, ...]]:
    """The whole table of the engine."""
    return sorted(flow_row(engine.flow(each), unit_ms) for each in engine.entries().tolist())


def weights_of(table: FlowTable) -> dict[str, int]:
    return {owner: weight for owner, weight in table._weight.items() if weight != 0}


@dataclass(frozen=True)
class Difference:
    """Where the two part: the number of the event, and what each says."""

    event: int
    what: str
    expected: object
    found: object

    def __str__(self) -> str:
        return f"event {self.event}, {self.what}:\n  {self.expected}\n  {self.found}"


class PartedError(Exception):
    """The engine and the definition have parted."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(str(difference))
        self.difference = difference


class Judge:
    """Lets an engine decide, in batches of random size, what the definition just has.

    Parameters
    ----------
    memory : Memory
        Of the definition, as each event that is seen leaves it.
    largest : int
        Packets of a batch, at most.
    records_every : int
        After so many batches whole tables are compared, not only what is counted of them.
    cores : int
        How many decide together.
    keeps_births : bool
        Without them only the second is known in which an entry was made, and not the order.

    """

    def __init__(
        self,
        network: Network,
        switches: Switches,
        memory: Memory,
        *,
        seed: int = 0,
        largest: int = 700,
        records_every: int = 1,
        cores: int = 1,
        keeps_births: bool = False,
    ) -> None:
        self.random = Random(seed)
        self.unit_ms = 1 if keeps_births else 1000
        self.engine: Engine | Cores = Engine(
            network, switches, key=KEY, room=1 << 12, keeps_births=keeps_births
        )
        if cores > 1:
            self.unit_ms = 1000
            self.engine = Cores(network, switches, key=KEY, cores=cores, room=1 << 12)
        self.memory = memory
        self.largest, self.records_every = largest, records_every
        self.batch: list[tuple[Arrival, Decision]] = []
        self.size = self.random.randint(1, largest)
        self.events = self.batches = 0

    def see(self, event: Event, decision: Decision | None) -> None:
        """Take an event: a packet that was decided, or an edit that will be made now.

        Raises
        ------
        PartedError
            With the first difference.

        """
        if isinstance(event, Arrival):
            assert decision is not None
            self.batch.append((event, decision))
            self.events += 1
            if len(self.batch) >= self.size:
                largest = self.largest
                self.size = self.random.choice((1, 2, self.random.randint(1, largest), largest))
                self._decide()
        else:
            self._decide()
            self.engine.change(event.network)
            self.events += 1

    def end(self) -> None:
        """Decide what is left, and compare the tables."""
        self._decide()
        self._compare(with_records=True)

    def _decide(self) -> None:
        if not self.batch:
            return
        number_of = self.engine.interface_number
        decisions = self.engine.decide(
            batch_of(
                Sighting(each.packet, number_of(each.interface_id), each.direction, each.time_ms)
                for each, _ in self.batch
            )
        )
        first = self.events - len(self.batch)
        for row, (arrival, expected) in enumerate(self.batch):
            found = decisions.decision(row)
            if found != as_engine(expected):
                raise PartedError(
                    Difference(first + row, f"decision of {arrival}", expected, found)
                )
        self.batch.clear()
        self.batches += 1
        self._compare(with_records=self.batches % self.records_every == 0)

    def _compare(self, *, with_records: bool) -> None:
        different = same_memory(
            self.engine, self.memory, self.events, self.unit_ms if with_records else None
        )
        if different is not None:
            raise PartedError(different)


def compare(trace: Trace, **options: int) -> Difference | None:
    """Play a trace through both; None when they agree all the way."""
    memory = Memory()
    births = trace.seed % 2 == 1
    judge = Judge(trace.network, trace.switches, memory, keeps_births=births, **options)
    try:
        for event, decision in steps(trace, memory, hints=False):
            judge.see(event, decision)
        judge.end()
    except PartedError as parted:
        return parted.difference
    return None


def judged(seed: int, packets: int, coverage: Coverage, *, cores: int = 1) -> Difference | None:
    """Compare a trace while it is written, which is cheaper; and count what it covers."""
    writer = Writer(seed, hints=False)
    if cores > 1:
        writer.switches = replace(writer.switches, allowance=None, allowances={})
    judge = Judge(
        writer.network,
        writer.switches,
        writer.memory,
        seed=seed,
        largest=700 if cores == 1 else 6000,
        records_every=4,
        cores=cores,
        keeps_births=seed % 2 == 1,
    )
    watch = Watch(coverage, writer.network, writer.switches, writer.memory)

    def see(event: Event, decision: Decision | None) -> None:
        watch.see(event, decision)
        judge.see(event, decision)

    writer.watch = see
    # A trace makes few cycles and many values: looking for cycles meanwhile takes a fifth longer.
    gc.disable()
    try:
        writer.write(packets)
        judge.end()
    except PartedError as parted:
        return parted.difference
    finally:
        gc.enable()
    watch.end()
    return None


def same_memory(
    engine: Engine | Cores, memory: Memory, event: int, unit_ms: int | None
) -> Difference | None:
    """Compare memories: without a unit of the time of making only what is counted of them."""
    flows = memory.flows
    clocks = (flows.now_ms, flows.stepped_back, len(flows))
    found = (engine.now_ms, engine.stepped_back, len(engine))
    if clocks != found:
        return Difference(event, "clock, steps back and entries", clocks, found)
    if weights_of(flows) != engine.weights():
        return Difference(event, "weights", weights_of(flows), engine.weights())
    if unit_ms is not None:
        expected, records = records_of(flows, unit_ms), records_in(engine, unit_ms)
        if expected != records:
            only = [row for row in expected if row not in records]
            others = [row for row in records if row not in expected]
            return Difference(event, "records", only, others)
        alive = [flow_row(each, unit_ms) for each in flows]
        found_alive = [flow_row(each, unit_ms) for each in engine.connections()]
        if unit_ms > 1:
            alive, found_alive = sorted(alive), sorted(found_alive)
        if alive != found_alive:
            return Difference(event, "flows alive", alive, found_alive)
    return None


def all_same(traces: Iterable[Trace], **options: int) -> None:
    for trace in traces:
        different = compare(trace, **options)
        assert different is None, f"seed {trace.seed}: {different}"
