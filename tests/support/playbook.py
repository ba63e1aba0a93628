"""Conversations as playbooks: what is sent, and what must be answered.

    assert Playbook(network, "web") >> inward(syn) << Reason.NEW >> after(350) >> ...

A mismatch prints the transcript that was expected beside the one that happened; a playbook that
no test has asserted fails that test. It runs on the definition, or on what `on` makes of its
network.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from secgroup.decision import Decision, Reason
from secgroup.lessons.story import Change, Line, Send, Step, Story, Wait, tell
from secgroup.lessons.transcript import described
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from secgroup.net.packet import Datagram
from secgroup.reference.memory import AS_DOCUMENTED, Switches

_open: list["Playbook"] = []


class Player(Protocol):
    """What else a playbook may run on."""

    def change(self, network: Network) -> None: ...

    def decide(
        self, interface_id: str, direction: Direction, packet: Datagram, time_ms: int
    ) -> Decision: ...


def forgotten() -> int:
    """Return how many playbooks were made and not asserted since the last time."""
    count = len(_open)
    _open.clear()
    return count


@dataclass(frozen=True)
class Sent:
    direction: Direction
    packet: Datagram
    interface_id: str | None = None


def inward(packet: Datagram, at: str | None = None) -> Sent:
    """The packet comes to the interface."""
    return Sent(Direction.INGRESS, packet, at)


def outward(packet: Datagram, at: str | None = None) -> Sent:
    """The packet leaves by the interface."""
    return Sent(Direction.EGRESS, packet, at)


def after(seconds: float) -> Wait:
    """Nothing happens for so long."""
    return Wait(ms=round(seconds * 1000))


class Playbook:
    def __init__(
        self,
        network: Network,
        at: str,
        *,
        switches: Switches = AS_DOCUMENTED,
        start_ms: int = 0,
        on: Callable[[Network, Switches], Player] | None = None,
    ) -> None:
        self.network, self.at, self.switches, self.start_ms = network, at, switches, start_ms
        self.on = on
        self.steps: list[Step] = []
        self._sent: Sent | None = None
        self.transcript = ""
        _open.append(self)

    def __rshift__(self, what: Sent | Wait | Network) -> "Playbook":
        assert self._sent is None, "a packet needs its answer (<<) before the next event"
        if isinstance(what, Sent):
            self._sent = what
        else:
            self.steps.append(Change(network=what) if isinstance(what, Network) else what)
        return self

    def __lshift__(self, reason: Reason) -> "Playbook":
        assert self._sent is not None, "an answer (<<) needs a packet (>>) before it"
        self.steps.append(
            Send(
                interface_id=self._sent.interface_id or self.at,
                direction=self._sent.direction,
                packet=self._sent.packet,
                expected=reason,
            )
        )
        self._sent = None
        return self

    def lines(self) -> tuple[Line, ...]:
        """Run it; asserted or not."""
        assert self._sent is None, "the last packet has no answer (<<)"
        if self in _open:
            _open.remove(self)
        story = Story(
            name="playbook", network=self.network, steps=tuple(self.steps), switches=self.switches
        )
        if self.on is None:
            return tell(story, start_ms=self.start_ms)
        return tuple(told_on(self.on(self.network, self.switches), story, self.start_ms))

    def __bool__(self) -> bool:
        lines = self.lines()
        self.transcript = "\n".join(map(written, lines))
        return all(line.as_expected for line in lines)

    def __repr__(self) -> str:
        return f"\n{self.transcript}\n"


def told_on(player: Player, story: Story, now_ms: int) -> Iterator[Line]:
    """Run a story as `tell` does, on something else than the definition."""
    for step in story.steps:
        decision = None
        if isinstance(step, Change):
            player.change(step.network)
        elif isinstance(step, Wait):
            now_ms += step.ms
        else:
            decision = player.decide(step.interface_id, step.direction, step.packet, now_ms)
        yield Line(time_ms=now_ms, step=step, decision=decision)
        now_ms += isinstance(step, Send)


def written(line: Line) -> str:
    """One step of a transcript: what was sent, what was expected, what was answered."""
    time = f"{line.time_ms / 1000:>12.3f}"
    if isinstance(line.step, Wait):
        return f"  {time}  after {line.step.ms} ms"
    if isinstance(line.step, Change):
        return f"  {time}  the network changes"
    assert line.decision is not None
    answer = f"{line.step.expected.name:<20}"
    mark = " " if line.as_expected else "✗"
    return (
        f"{mark} {time}  {line.step.direction!s:<7} {described(line.step.packet):<64} "
        f"expected {answer} got {line.decision.reason.name}"
    )
