"""Traces as values: packets at interfaces and edits of the network, in time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from secgroup.conntrack.flow import Flow
from secgroup.decision import Decision
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from secgroup.net.packet import Datagram
from secgroup.policy.resolve import Policy
from secgroup.reference.decide import decide
from secgroup.reference.memory import Memory, Switches


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A packet at an interface; `same_subnet` where the hop is known and not told by addresses."""

    time_ms: int
    interface_id: str
    direction: Direction
    packet: Datagram
    same_subnet: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """The network is this one from the next packet on."""

    network: Network


Event = Arrival | Edit


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """All that a plane needs to be judged: the same seed makes the same trace."""

    seed: int
    network: Network
    switches: Switches
    events: tuple[Event, ...]


def steps(
    trace: Trace, memory: Memory, *, hints: bool = True
) -> Iterator[tuple[Event, Decision | None]]:
    """Decide a trace by the definition, or as if no packet came with `same_subnet`.

    An edit has no decision, and is named before it is made.
    """
    network, policy = trace.network, Policy(trace.network)
    for event in trace.events:
        if isinstance(event, Edit):
            yield event, None
            memory.flows.remove_if(gone(network, event.network))
            network, policy = event.network, Policy(event.network)
            continue
        decision = decide(
            policy.at(event.interface_id),
            memory,
            event.packet,
            event.direction,
            event.time_ms,
            same_subnet=event.same_subnet if hints else None,
            switches=trace.switches,
        )
        yield event, decision


def played(trace: Trace, memory: Memory | None = None) -> Iterator[tuple[Arrival, Decision]]:
    """Decide the packets of a trace by the definition."""
    for event, decision in steps(trace, Memory() if memory is None else memory):
        if isinstance(event, Arrival) and decision is not None:
            yield event, decision


def gone(before: Network, network: Network) -> Callable[[Flow], bool]:
    """Tell which flows a change of networks takes, in the words of `Firewall.change`."""

    def is_gone(flow: Flow) -> bool:
        now = network.interfaces.get(flow.interface_id)
        if now is None or now.owner != flow.key.owner:
            return True
        then = before.interfaces.get(flow.interface_id)
        had = then is not None and then.has_address(flow.key.inside)
        return had and not now.has_address(flow.key.inside)

    return is_gone
