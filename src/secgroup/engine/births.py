"""When and by which rules the entry of each flow was made: what its record has no room for.

Owns columns beside the records, by the number of the entry; kept only when somebody asks for it.
"""

from typing import NamedTuple

import numpy as np

from secgroup.decision import Reason
from secgroup.engine.layout import I4, I8, DecisionColumns, Packets

_FIRST_ROOM = 1 << 12


class Birth(NamedTuple):
    """How an entry was made."""

    made_ms: int
    address_class: int
    port_class: int


class Births:
    """The births of entries, by number.

    Attributes
    ----------
    made_ms : int64
        The clock when the entry was made.
    order : int64
        Grows from each entry that is made to the next; 0 is none.
    address_class, port_class : int32
        Which rules admitted its opener, as those of `DecisionColumns`.

    """

    def __init__(self) -> None:
        self.made_ms: I8 = np.zeros(_FIRST_ROOM, dtype=np.int64)
        self.order: I8 = np.zeros(_FIRST_ROOM, dtype=np.int64)
        self.address_class: I4 = np.zeros(_FIRST_ROOM, dtype=np.int32)
        self.port_class: I4 = np.zeros(_FIRST_ROOM, dtype=np.int32)
        self._last = 0

    def note(self, packets: Packets, decisions: DecisionColumns, before_ms: int) -> None:
        """Take note of the entries that a batch has made.

        Parameters
        ----------
        before_ms : int
            The clock before the batch.

        """
        rows = np.flatnonzero(decisions.reason == int(Reason.NEW))
        if rows.shape[0] == 0:
            return
        entries = decisions.entry[rows]
        self._make_room(int(entries.max()) + 1)
        # Packets at no interface do not move the clock.
        times_ms = np.where(packets.interface < 0, before_ms, packets.time_ms)
        clock = np.maximum(np.maximum.accumulate(times_ms), before_ms)
        # An entry that is made twice in a batch is the later one.
        last = rows.shape[0] - 1 - np.unique(entries[::-1], return_index=True)[1]
        entries, rows = entries[last], rows[last]
        self.made_ms[entries] = clock[rows]
        self.order[entries] = self._last + 1 + last
        self.address_class[entries] = decisions.address_class[rows]
        self.port_class[entries] = decisions.port_class[rows]
        self._last += int(last.max()) + 1

    def orders(self, entries: I8) -> I8:
        """Return the order of entries; 0 of those that a snapshot brought."""
        known = np.zeros(entries.shape, dtype=np.int64)
        within = entries < self.order.shape[0]
        known[within] = self.order[entries[within]]
        return known

    def of(self, entry: int) -> Birth | None:
        """Return the birth of an entry; None of one that a snapshot brought."""
        if entry >= self.order.shape[0] or self.order[entry] == 0:
            return None
        return Birth(
            made_ms=int(self.made_ms[entry]),
            address_class=int(self.address_class[entry]),
            port_class=int(self.port_class[entry]),
        )

    def _make_room(self, count: int) -> None:
        room = self.order.shape[0]
        if count <= room:
            return
        more = max(count, 2 * room) - room
        self.made_ms = np.concatenate([self.made_ms, np.zeros(more, dtype=np.int64)])
        self.order = np.concatenate([self.order, np.zeros(more, dtype=np.int64)])
        self.address_class = np.concatenate([self.address_class, np.zeros(more, dtype=np.int32)])
        self.port_class = np.concatenate([self.port_class, np.zeros(more, dtype=np.int32)])
