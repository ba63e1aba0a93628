"""How a state machine is written: a text grid, read once and proved total at import.

A grid's first line names the states before; each further line is an event and the state after
in each column. `--` stands for "no entry", before and after.
"""

from collections.abc import Mapping
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import TypeVar

from secgroup.conntrack.state import State


class Side(IntEnum):
    """Whose packet: the side that opened the flow, or the one that answers.

    A packet is ORIGINAL when its direction is that of the packet that made the entry.
    """

    ORIGINAL = 0
    REPLY = 1


EventT = TypeVar("EventT", bound=Enum)


def parse_grid(
    text: str, *, events: type[EventT], states: Mapping[str, State]
) -> Mapping[tuple[EventT, State | None], State | None]:
    """Read one side's grid into a total mapping (event, state before) -> state after.

    Raises
    ------
    ValueError
        A row or a column is missing, doubled, too long or not known, or a cell is no state.

    """
    known: dict[str, State | None] = {"--": None, **states}
    header, *rows = (line.split() for line in text.strip().splitlines())
    if sorted(header) != sorted(known):
        raise ValueError(f"the columns are {header}, not {sorted(known)}")
    if sorted(row[0] for row in rows) != sorted(event.name for event in events):
        raise ValueError(f"the rows are {[row[0] for row in rows]}, not {list(events)}")
    if strange := {cell for _, *row in rows for cell in row} - set(known):
        raise ValueError(f"{sorted(strange)} are no states of {sorted(known)}")
    cells = {
        (events[name], known[before]): known[after]
        for name, *row in rows
        for before, after in zip(header, row, strict=True)
    }
    return MappingProxyType(cells)


def machine_of(
    original: str, reply: str, *, events: type[EventT], states: Mapping[str, State]
) -> Mapping[tuple[Side, EventT, State | None], State | None]:
    """Read the grids of both sides into a total mapping (side, event, before) -> after.

    Raises
    ------
    ValueError
        As `parse_grid`.

    """
    return MappingProxyType(
        {
            (side, event, before): after
            for side, text in ((Side.ORIGINAL, original), (Side.REPLY, reply))
            for (event, before), after in parse_grid(text, events=events, states=states).items()
        }
    )
