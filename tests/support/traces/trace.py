"""Traces as values: packets at interfaces and edits of the network, in time."""

from collections.abc import Iterator
from dataclasses import dataclass

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


def played(trace: Trace, memory: Memory | None = None) -> Iterator[tuple[Arrival, Decision]]:
    """Decide a trace by the definition."""
    memory = Memory() if memory is None else memory
    policy = Policy(trace.network)
    for event in trace.events:
        if isinstance(event, Edit):
            policy = Policy(event.network)
        else:
            yield (
                event,
                decide(
                    policy.at(event.interface_id),
                    memory,
                    event.packet,
                    event.direction,
                    event.time_ms,
                    same_subnet=event.same_subnet,
                    switches=trace.switches,
                ),
            )
