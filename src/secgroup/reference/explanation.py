"""`Explanation`: the answer to a question about a connection, as values and as plain text.

Owns how an answer is laid out; `explain` finds it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from secgroup.net.direction import Direction
from secgroup.reference.change import Change
from secgroup.reference.journey import Answer, Leg

MARKS: Final = {Answer.YES: "✓", Answer.NO: "✗", Answer.UNKNOWN: "?"}
#: Pairs that a title names before it counts the others.
_NAMED: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLine:
    """A security-group rule that took part; `group` is its group's name and id."""

    rule_id: str
    group_id: str
    group: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AclLine:
    """The entry of a network ACL that decided; 32767 and 32768 are the implicit denies."""

    network_acl_id: str
    rule_number: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One step of a packet, told.

    Parameters
    ----------
    place, label : str
        The id of the interface, route table or gateway, and what people call it.
    direction : Direction or None
        At an interface; None elsewhere.
    reason : str
        At an interface the Reason of its decision; elsewhere `ROUTE` or the refusal's code.
    code : str or None
        EC2's explanation code of a refusal.
    tracked : bool or None
        The flow is tracked here; None where that does not arise.
    because : str
        Why, in words.

    """

    leg: Leg
    place: str
    label: str
    answer: Answer
    reason: str
    direction: Direction | None = None
    code: str | None = None
    text: str = ""
    rules: tuple[RuleLine, ...] = ()
    acl: AclLine | None = None
    tracked: bool | None = None
    because: str = ""

    @property
    def headline(self) -> str:
        """One line that says what happens."""
        where = self.label if self.direction is None else f"{self.direction} at {self.label}"
        return f"{where}: {self.text}"

    @property
    def details(self) -> tuple[str, ...]:
        """What stands under the headline."""
        found = [f"rule {each.rule_id} of group {each.group}: {each.text}" for each in self.rules]
        if self.acl is not None:
            number = "*" if self.acl.rule_number >= 32767 else self.acl.rule_number
            found.append(f"{self.acl.network_acl_id} entry {number}: {self.acl.text}")
        if self.because:
            word = {True: "tracked: ", False: "untracked: ", None: ""}[self.tracked]
            found.append(f"{word}{self.because}")
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One packet of the conversation, with the lines of its way."""

    leg: Leg
    text: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What happens to a part of the question.

    Parameters
    ----------
    pairs : tuple of pair of str
        Who to whom; all of them meet the same.
    parts : tuple of str
        Which part of the service, addresses or ports; empty: all of it.
    messages : tuple of Message
        The way of one representative, there and back.

    """

    answer: Answer
    pairs: tuple[tuple[str, str], ...]
    parts: tuple[str, ...]
    messages: tuple[Message, ...]

    @property
    def told(self) -> tuple[Message, ...]:
        """The packets worth telling: one that only repeats the way there is not."""
        return tuple(
            message
            for message in self.messages
            if message.leg is not Leg.AGAIN
            or any(line.answer is not Answer.YES for line in message.lines)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One layer that refuses, the rule that nearly allowed it, and what would.

    `change` is None where no single change is known.
    """

    line: Line
    nearest: str | None
    change: Change | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer to the question whether a connection works, and why.

    Parameters
    ----------
    answer : Answer
        YES only when every part of the question is allowed for every pair.
    outcomes : tuple of Outcome
        What refuses first; each distinct outcome with a representative.
    blocks : tuple of Block
        For a refusal: every layer that refuses, also those behind the first.
    changes : tuple of Change
        What would make the answer yes, proved by deciding everything again on the changed
        network; empty when the answer is yes, or no such set was found.

    """

    source: str
    destination: str
    service: str
    client_ports: str
    family: int
    answer: Answer
    outcomes: tuple[Outcome, ...]
    blocks: tuple[Block, ...] = ()
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether the answer is yes."""
        return self.answer is Answer.YES

    def __str__(self) -> str:
        """Write the whole answer as plain text."""
        return "\n".join(self._text())

    @property
    def title(self) -> str:
        """The question, as it was understood."""
        return f"{self.source} → {self.destination}: {self.service}, IPv{self.family}"

    def title_of(self, outcome: Outcome) -> str:
        """Say which part of the question an outcome is; empty when it is all of it."""
        parts = ["; or ".join(outcome.parts)] if outcome.parts else []
        if any(pair != outcome.pairs[0] for each in self.outcomes for pair in each.pairs):
            pairs = [f"{source} → {destination}" for source, destination in outcome.pairs]
            more = len(pairs) - _NAMED
            parts.insert(0, ", ".join(pairs[:_NAMED]) + (f" and {more} more" if more > 0 else ""))
        return f"{outcome.answer.value} for {'; '.join(parts)}" if parts else ""

    @property
    def conclusion(self) -> str:
        """What the changes come to; empty when the answer is yes."""
        if self.answer is Answer.YES:
            return ""
        if self.changes:
            noun = "this change" if len(self.changes) == 1 else f"these {len(self.changes)} changes"
            return f"With {noun} the answer is yes (decided again)."
        if self.blocks:
            return "No set of such changes was found that makes the answer yes."
        return ""

    def _text(self) -> Iterator[str]:
        yield f"{self.answer.value.upper()}  {self.title}"
        yield from (f"note: {note}" for note in self.notes)
        for outcome in self.outcomes:
            yield ""
            title = self.title_of(outcome)
            if title:
                yield title
            for message in outcome.told:
                yield f"  {message.leg.value}: {message.text}"
                for line in message.lines:
                    yield f"    {MARKS[line.answer]} {line.headline}"
                    yield from (f"        {detail}" for detail in line.details)
        if self.blocks:
            yield ""
            yield "What refuses:"
        for number, block in enumerate(self.blocks, 1):
            yield f"  {number}. {block.line.leg.value}: {block.line.headline}"
            if block.nearest is not None:
                yield f"     nearest: {block.nearest}"
            change = "no single change found" if block.change is None else str(block.change)
            yield f"     change: {change}"
        if self.conclusion:
            yield self.conclusion
