"""A story: a network, what is sent in it, and what every packet of it must be answered.

Owns how a story runs on the definition. The same stories are printed as lessons and are the
conversation tests; what they say lives elsewhere.
"""

from dataclasses import dataclass
from typing import TypeAlias

from secgroup.decision import Decision, Reason
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from secgroup.net.packet import Datagram
from secgroup.policy.resolve import Policy
from secgroup.reference.decide import decide
from secgroup.reference.memory import AS_DOCUMENTED, Memory, Switches


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A packet at one interface, and the reason that the answer must have."""

    interface_id: str
    direction: Direction
    packet: Datagram
    expected: Reason
    says: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing happens for a while."""

    ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Somebody edits the network; it is in force from the next packet on."""

    network: Network
    says: str = ""


Step: TypeAlias = Send | Wait | Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What happens, in order.

    Parameters
    ----------
    name : str
        Short, for commands and tests: `ssh-survives`.
    title, notice : str
        For people: one line before, and what to notice after.

    """

    name: str
    network: Network
    steps: tuple[Step, ...]
    title: str = ""
    notice: str = ""
    switches: Switches = AS_DOCUMENTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One step as it went; `decision` only where a packet was sent."""

    time_ms: int
    step: Step
    decision: Decision | None = None

    @property
    def as_expected(self) -> bool:
        """The packet got the reason that the story expects."""
        if self.decision is None or not isinstance(self.step, Send):
            return True
        return self.decision.reason is self.step.expected


def tell(story: Story, *, start_ms: int = 0) -> tuple[Line, ...]:
    """Run a story on the definition; packets are a millisecond apart.

    Preconditions: its interfaces are in the network of the moment.
    """
    policy, memory, now_ms = Policy(story.network), Memory(), start_ms
    lines: list[Line] = []
    for step in story.steps:
        decision = None
        if isinstance(step, Change):
            policy = Policy(step.network)
        elif isinstance(step, Wait):
            now_ms += step.ms
        else:
            decision = decide(
                policy.at(step.interface_id),
                memory,
                step.packet,
                step.direction,
                now_ms,
                switches=story.switches,
            )
        lines.append(Line(time_ms=now_ms, step=step, decision=decision))
        now_ms += isinstance(step, Send)
    return tuple(lines)
