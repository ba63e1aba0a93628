"""What traces cover, what they must, and what cannot be, each with its reason."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from secgroup.conntrack import icmp, other, tcp, udp
from secgroup.conntrack.flow import Flow, FlowKey, key_of, reset_is_exact
from secgroup.conntrack.grid import Side
from secgroup.conntrack.state import State
from secgroup.decision import Decision, Reason
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from secgroup.net.packet import Malformed, Packet
from secgroup.net.protocol import UDP
from secgroup.reference.memory import Memory, Switches
from tests.support.traces.networks import VPCS
from tests.support.traces.trace import Arrival, Edit, Event, Trace, gone, steps

MACHINES: Final = {"tcp": tcp, "udp": udp, "icmp": icmp, "other": other}


def _cell(machine: str, side: str, event: str, before: str) -> str:
    return f"cell {machine} {side} {event} {before}"


def _impossible() -> Iterator[tuple[str, str]]:
    for direction in Direction:
        for family in (4, 6):
            yield (
                f"reason SPOOFED {direction} {family}",
                "only a kernel plane sees the MAC address and the device",
            )
    for machine, module in MACHINES.items():
        for event in module.Event:
            yield (
                _cell(machine, "REPLY", event.name, "none"),
                "the packet that makes an entry is ORIGINAL",
            )
    yield (
        _cell("tcp", "ORIGINAL", "RST", "none"),
        "without an entry there is no place for a reset to be exact",
    )
    for side in Side:
        yield (
            _cell("tcp", side.name, "SYN", "TIME_WAIT"),
            "step 9 leaves a bare SYN of a finished connection to the rules",
        )


#: What cannot happen -> why.
IMPOSSIBLE: Final = dict(_impossible())

#: Other shapes that traces must have.
SHAPES: Final = (
    "fragment first",
    "fragment later with its first",
    "fragment before its first",
    "fragment at 29999 ms",
    "fragment at 30000 ms",
    "clock back",
    "first packet of a second",
    "network changed",
    "flow lost with its interface's place or address",
    "TIME_WAIT replaced by ORIGINAL",
    "TIME_WAIT replaced by REPLY",
    "expired entry reopened",
    "owner's other interface",
    "two entries a flow",
    "implicit deny 32767",
    "implicit deny 32768",
    "ACL undoes NEW",
    "ACL undoes ESTABLISHED",
    "ACL undoes the end of a flow",
    "delegated prefix inside",
    "several rules",
    "same_subnet given",
    "related off",
    "loose",
    "strict",
    "allowance",
    "overlapping VPCs",
)


def required() -> frozenset[str]:
    """Everything that traces have to show."""
    wanted = set(SHAPES)
    wanted |= {
        f"reason {reason.name} {direction} {family}"
        for reason in Reason
        for direction in Direction
        for family in (4, 6)
    }
    wanted |= {
        _cell(machine, side.name, event.name, "none" if before is None else before.name)
        for machine, module in MACHINES.items()
        for side, event, before in module.TRANSITIONS
    }
    wanted |= {f"timeout {state.name} {offset:+d}" for state in State for offset in (-1, 0, 1)}
    return frozenset(wanted - set(IMPOSSIBLE))


@dataclass
class Coverage:
    """How often each thing was seen."""

    seen: Counter[str] = field(default_factory=Counter)
    packets: int = 0

    def missing(self) -> list[str]:
        """What must be seen and was not; empty is the floor."""
        return sorted(required() - set(self.seen))

    def contradictions(self) -> list[str]:
        """What was seen and is said to be impossible."""
        return sorted(set(self.seen) & set(IMPOSSIBLE))

    def report(self) -> str:
        """A table for people: what was seen how often, what is missing, what cannot be."""
        lines = [f"{self.packets} packets"]
        for name in sorted(required() | set(self.seen)):
            lines.append(f"{self.seen[name]:>8}  {name}")
        lines += [f"      --  {name}: {why}" for name, why in sorted(IMPOSSIBLE.items())]
        lines.append(f"missing: {', '.join(self.missing()) or 'nothing'}")
        return "\n".join(lines)


def coverage_of(traces: Iterable[Trace]) -> Coverage:
    """Play traces on the definition and count."""
    coverage = Coverage()
    for trace in traces:
        memory = Memory()
        watch = Watch(coverage, trace.network, trace.switches, memory)
        for event, decision in steps(trace, memory):
            watch.see(event, decision)
        watch.end()
    return coverage


class Watch:
    """One trace as it is played: counts what it is told, beside the memory that it is played on."""

    def __init__(
        self, coverage: Coverage, network: Network, switches: Switches, memory: Memory
    ) -> None:
        self.coverage, self.network, self.switches = coverage, network, switches
        self.memory = memory
        self.last: dict[FlowKey, Flow] = {}
        self.firsts: dict[object, int] = {}
        self.before_ms = 0
        seen = coverage.seen
        seen["related off"] += not switches.related_icmp
        seen["loose"] += switches.loose_tcp and not switches.strict_tcp
        seen["strict"] += switches.strict_tcp
        seen["allowance"] += switches.allowance is not None
        seen["overlapping VPCs"] += len(network.vpcs) == len(VPCS)

    def see(self, event: Event, decision: Decision | None) -> None:
        """Count an event, right after it was decided, or right before the edit is made."""
        if isinstance(event, Edit):
            self.coverage.seen["network changed"] += 1
            lost = gone(self.network, event.network)
            self.coverage.seen["flow lost with its interface's place or address"] += any(
                map(lost, self.memory.flows)
            )
            self.network = event.network
        elif decision is not None:
            self.coverage.packets += 1
            self.note(event, decision)
            self.before_ms = self.memory.flows.now_ms

    def end(self) -> None:
        """Leave out what was not seen once."""
        seen = self.coverage.seen
        for name in [name for name, times in seen.items() if times == 0]:
            del seen[name]

    def note(self, event: Arrival, decision: Decision) -> None:
        seen, packet = self.coverage.seen, event.packet
        now_ms = self.memory.flows.now_ms
        source = packet.source
        family = 4 if source is None else source.version
        seen[f"reason {decision.reason.name} {event.direction} {family}"] += 1
        seen["clock back"] += event.time_ms < self.before_ms
        seen["first packet of a second"] += now_ms % 1000 == 0 and now_ms > self.before_ms
        seen["same_subnet given"] += event.same_subnet is not None
        seen["several rules"] += len(decision.rule_ids) > 1
        if decision.acl_rule_number in (32767, 32768) and not decision.accepted:
            seen[f"implicit deny {decision.acl_rule_number}"] += 1
        if isinstance(packet, Malformed):
            return
        self.note_fragment(event, packet, decision, now_ms)
        interface = self.network.interfaces[event.interface_id]
        inside = packet.source if event.direction is Direction.EGRESS else packet.destination
        seen["delegated prefix inside"] += decision.accepted and any(
            inside in prefix for prefix in interface.prefixes
        )
        key = key_of(packet, event.direction, interface.owner)
        if key is None:
            return
        self.note_flow(event, packet, decision, key, now_ms)
        flow = self.memory.flows.get(key)
        if flow is None and decision.state_after is None and decision.accepted:
            self.last.pop(key, None)
        elif flow is not None:
            self.last[key] = flow

    def note_fragment(
        self, event: Arrival, packet: Packet, decision: Decision, now_ms: int
    ) -> None:
        if packet.fragment is None:
            return
        seen = self.coverage.seen
        key = (event.interface_id, event.direction, packet.source, packet.fragment.identification)
        first_ms = self.firsts.get(key)
        if not packet.is_later_fragment:
            seen["fragment first"] += 1
            self.firsts[key] = now_ms
            return
        seen["fragment later with its first"] += decision.first_fragment is not None
        seen["fragment before its first"] += first_ms is None and decision.reason is Reason.FRAGMENT
        if first_ms is not None and now_ms - first_ms in (29_999, 30_000):
            seen[f"fragment at {now_ms - first_ms} ms"] += 1

    def note_flow(
        self, event: Arrival, packet: Packet, decision: Decision, key: FlowKey, now_ms: int
    ) -> None:
        seen, known = self.coverage.seen, self.last.get(key)
        alive = known is not None and now_ms < known.expires_ms
        if known is not None and -1 <= now_ms - known.expires_ms <= 1:
            seen[f"timeout {known.state.name} {now_ms - known.expires_ms:+d}"] += 1
        undone = decision.reason is Reason.NETWORK_ACL and event.direction is Direction.EGRESS
        if known is not None and alive and decision.reason is Reason.ESTABLISHED:
            side = known.side_of(event.direction)
            seen[_cell(*_event(packet, known, side), known.state.name)] += 1
            seen["owner's other interface"] += known.interface_id != event.interface_id
        if known is not None and alive and undone:
            seen["ACL undoes ESTABLISHED"] += 1
            side = known.side_of(event.direction)
            seen["ACL undoes the end of a flow"] += _event(packet, known, side)[2] == "RST"
        seen["ACL undoes NEW"] += undone and not alive and bool(decision.rule_ids)
        made = self.memory.flows.get(key)
        if decision.reason is Reason.NEW and made is not None:
            seen[_cell(*_event(packet, None, Side.ORIGINAL), "none")] += 1
            seen["two entries a flow"] += made.weight == 2
            seen["expired entry reopened"] += known is not None and not alive
            if known is not None and alive:
                side = known.side_of(event.direction)
                seen[f"TIME_WAIT replaced by {side.name}"] += 1
        elif (
            decision.reason is Reason.MIDSTREAM
            and self.switches.loose_tcp
            and packet.tcp is not None
        ):
            seen[_cell(*_event(packet, None, Side.ORIGINAL), "none")] += 1


def _event(packet: Packet, flow: Flow | None, side: Side) -> tuple[str, str, str]:
    """The machine, the side and the event that a packet is."""
    if packet.tcp is not None:
        exact = flow is not None and reset_is_exact(flow, side, packet.tcp)
        return "tcp", side.name, tcp.event_of(packet.tcp, at_next=exact).name
    if packet.protocol == UDP:
        return "udp", side.name, "DATAGRAM"
    return (
        ("icmp", side.name, "MESSAGE")
        if packet.icmp is not None
        else ("other", side.name, "PACKET")
    )
