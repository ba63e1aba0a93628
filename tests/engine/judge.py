"""The engine beside the definition: the same trace through both, compared after every batch."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random

from secgroup.conntrack.flow import Flow
from secgroup.conntrack.table import FlowTable
from secgroup.decision import Decision
from secgroup.engine.batch import Sighting, batch_of
from secgroup.engine.engine import Engine
from secgroup.net.packet import Fragment, Packet
from secgroup.policy.resolve import Policy
from secgroup.reference.decide import decide
from secgroup.reference.memory import Memory
from tests.support.traces import Arrival, Trace

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


def flow_row(flow: Flow) -> tuple[object, ...]:
    """What a flow is, in a form that sorts; of its making only the second is kept."""
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
        flow.created_ms // 1000,
        flow.last_ms,
        flow.timeouts,
        flow.interface_id,
        tuple(-1 if each is None else each for each in flow.next),
        flow.rule_ids,
        flow.weight,
    )


def records_of(table: FlowTable) -> list[tuple[object, ...]]:
    """The whole table of the definition, expired entries that wait for reaping included."""
    return sorted(flow_row(flow) for flow in table._flows.values())


def records_in(engine: Engine) -> list[tuple[object, ...]]:
    """The whole table of the engine."""
    return sorted(flow_row(engine.flow(number)) for number in engine.entries().tolist())


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


def compare(
    trace: Trace, *, largest: int = 700, seed: int = 0, records_every: int = 1
) -> Difference | None:
    """Play a trace through both in batches of random size; None when they agree all the way."""
    random = Random(seed)
    engine = Engine(trace.network, trace.switches, key=KEY, room=1 << 12)
    policy, memory = Policy(trace.network), Memory()
    batch: list[Arrival] = []
    first, batches = 0, 0

    def flush() -> Difference | None:
        nonlocal batch, batches
        if not batch:
            return None
        expected = [
            decide(
                policy.at(each.interface_id),
                memory,
                each.packet,
                each.direction,
                each.time_ms,
                switches=trace.switches,
            )
            for each in batch
        ]
        decisions = engine.decide(
            batch_of(
                Sighting(
                    each.packet,
                    engine.interface_number(each.interface_id),
                    each.direction,
                    each.time_ms,
                )
                for each in batch
            )
        )
        for row, (arrival, each) in enumerate(zip(batch, expected, strict=True)):
            found = decisions.decision(row)
            if found != as_engine(each):
                return Difference(first + row, f"decision of {arrival}", each, found)
        batch, batches = [], batches + 1
        return same_memory(engine, memory, first, batches % records_every == 0)

    size = random.randint(1, largest)
    for number, event in enumerate(trace.events):
        if isinstance(event, Arrival):
            if not batch:
                first = number
            batch.append(event)
            if len(batch) < size:
                continue
            size = random.choice((1, 2, random.randint(1, largest), largest))
            different = flush()
        else:
            different = flush()
            if different is None:
                memory.flows.remove_if(gone(engine.network, event.network))
                policy = Policy(event.network)
                engine.change(event.network)
                different = same_memory(engine, memory, number, True)
        if different is not None:
            return different
    return flush() or same_memory(engine, memory, len(trace.events), True)


def gone(before, network):
    """`Firewall.change`, in its words."""

    def is_gone(flow: Flow) -> bool:
        now = network.interfaces.get(flow.interface_id)
        if now is None or now.owner != flow.key.owner:
            return True
        then = before.interfaces.get(flow.interface_id)
        had = then is not None and then.has_address(flow.key.inside)
        return had and not now.has_address(flow.key.inside)

    return is_gone


def same_memory(
    engine: Engine, memory: Memory, event: int, with_records: bool
) -> Difference | None:
    flows = memory.flows
    clocks = (flows.now_ms, flows.stepped_back, len(flows))
    found = (engine.now_ms, engine.stepped_back, len(engine))
    if clocks != found:
        return Difference(event, "clock, steps back and entries", clocks, found)
    if weights_of(flows) != engine.weights():
        return Difference(event, "weights", weights_of(flows), engine.weights())
    if with_records:
        expected, records = records_of(flows), records_in(engine)
        if expected != records:
            only = [row for row in expected if row not in records]
            others = [row for row in records if row not in expected]
            return Difference(event, "records", only, others)
        alive = sorted(flow_row(each) for each in flows)
        if alive != sorted(flow_row(each) for each in engine.connections()):
            return Difference(event, "flows alive", len(alive), None)
    return None


def minimised(trace: Trace, **options: int) -> tuple[Trace, Difference]:
    """Take away events as long as the two still part."""
    different = compare(trace, **options)
    assert different is not None
    events = list(trace.events[: different.event + options.get("largest", 700) + 1])
    size = len(events)
    while size >= 1:
        at = 0
        while at < len(events):
            fewer = replace(trace, events=tuple(events[:at] + events[at + size :]))
            again = compare(fewer, **options)
            if again is None:
                at += size
            else:
                events, different = list(fewer.events), again
        size //= 2
    return replace(trace, events=tuple(events)), different


def all_same(traces: Iterable[Trace], **options: int) -> None:
    for trace in traces:
        different = compare(trace, **options)
        assert different is None, f"seed {trace.seed}: {different}"
