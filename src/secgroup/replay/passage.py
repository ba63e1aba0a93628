"""Rows of packets on their way: numbered, adopted and decided, each in its order.

Owns that order: a connection that was open before the capture is adopted when the packets before
its first one are decided, and of which one a later fragment is, is known when it is decided.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from secgroup.engine import batch as packets_of
from secgroup.engine.columns import I8
from secgroup.engine.connections import Connections
from secgroup.engine.engine import Engine
from secgroup.engine.layout import (
    DECISION,
    LATER_FRAGMENT,
    MALFORMED,
    DecisionColumns,
    empty_decisions,
)
from secgroup.engine.observed import STOP, TO_ADOPT
from secgroup.engine.placing import ROWS_FOLLOW
from secgroup.model.interface import NetworkInterface
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet
from secgroup.replay.placement import Sightings
from secgroup.replay.who import Place


class Adopts(Protocol):
    """Adopts a connection whose first packet is about to be decided, if that can be."""

    def __call__(
        self, packet: Packet, place: Place, number: int, frame: int, time_ns: int, now_ms: int
    ) -> None:
        """Adopt the connection of this number; the place is of the packet, at one end or both."""
        ...


class Passage:
    """Some rows on their way.

    Parameters
    ----------
    engine : Engine
    connections : Connections
        Numbers connections; what is decided is not counted here.
    sightings : Sightings
    interfaces : sequence of NetworkInterface
        What rows of interfaces mean.

    Attributes
    ----------
    out : DecisionColumns
        What was decided.
    numbers : int64, shape (n,)
        Of the connections.
    earlier : list of (row, rule ids, id of the ACL)
        Rules and ACL of later fragments whose first one another policy has decided.

    """

    def __init__(
        self,
        engine: Engine,
        connections: Connections,
        sightings: Sightings,
        interfaces: Sequence[NetworkInterface],
    ) -> None:
        self._engine, self._connections = engine, connections
        self._sightings, self._interfaces = sightings, interfaces
        self._packets, self._frames = sightings.packets, sightings.frames
        self._batch = packets_of.Batch(packets=self._packets, quotes=sightings.quotes)
        self._decided = 0
        count = self._frames.shape[0]
        self.numbers: I8 = np.zeros(count, dtype=np.int64)
        self.out: DecisionColumns = empty_decisions(count)
        self.earlier: list[tuple[int, tuple[str, ...], str | None]] = []
        # What is not decided yet is numbered as if it were.
        np.not_equal(self._packets.interface, -1, out=self.out.reason, casting="unsafe")
        self.out.first.fill(-1)

    def decide(self, adopt: Adopts | None) -> None:
        """Decide everything; a frame whose second row is skipped has a negative number there."""
        packets, count = self._packets, self._frames.shape[0]
        is_later = packets.shape & (LATER_FRAGMENT | MALFORMED) == LATER_FRAGMENT
        later = iter(np.flatnonzero(is_later & (packets.interface >= 0)).tolist())
        limit, at = next(later, count), 0
        while at < count:
            if at < limit:
                at = self._number(at, limit, adopts=adopt is not None)
                if adopt is not None and self._must_adopt:
                    self._adopt(adopt, at)
            elif limit < at:
                limit = next(later, count)
            else:
                # Whose connection it is of, its first fragment says.
                behind = at + 1
                while behind < count and self._frames[behind] == self._frames[at]:
                    behind += 1
                self._decide_to(behind)
                at = self._number(at, behind, adopts=False)
        self._decide_to(count)

    def _number(self, begin: int, end: int, *, adopts: bool) -> int:
        at = self._connections.number(
            self._packets,
            self.out,
            self._frames[:end],
            self._sightings.times_ns[:end],
            self._sightings.scopes[:end],
            self.numbers,
            stops_to_adopt=adopts,
            begin=begin,
        )
        self._must_adopt = adopts and bool(self._connections.observed.state[STOP] == TO_ADOPT)
        return at

    def _adopt(self, adopt: Adopts, behind: int) -> None:
        """Adopt the connection whose first frame ends before row `behind`."""
        row = behind - 1
        if row > 0 and self._frames[row - 1] == self._frames[row]:
            row -= 1
        self._decide_to(row)
        packet = self._batch.packet(row)
        assert isinstance(packet, Packet)
        ends: list[NetworkInterface | None] = [None, None]
        for each in range(row, behind):
            interface = int(self._packets.interface[each])
            ends[self._packets.direction[each]] = self._interfaces[interface]
        adopt(
            packet,
            Place(sender=ends[Direction.EGRESS], receiver=ends[Direction.INGRESS]),
            int(self.numbers[row]),
            int(self._frames[row]),
            int(self._sightings.times_ns[row]),
            int(self._packets.time_ms[row]),
        )

    def _decide_to(self, end: int) -> None:
        """Decide the rows before `end` that are not decided yet."""
        begin, self._decided = self._decided, end
        if begin == end:
            return
        whole = end - begin == self._frames.shape[0]
        batch = self._batch if whole else self._batch.rows(begin, end)
        marks = self._sightings.marks[begin:end]
        decisions = self._engine.decide(batch, marks)
        columns = decisions.columns
        if whole:
            self.out = columns
        else:
            for name in DECISION:
                getattr(self.out, name)[begin:end] = getattr(columns, name)
        skipped = np.flatnonzero((marks == ROWS_FOLLOW) & (columns.reason == 0))
        self._frames[begin + skipped] *= -1
        for row in np.flatnonzero(columns.first < -1).tolist():
            compiled = decisions.firsts_compiled[-2 - int(columns.first[row])]
            if compiled is not decisions.compiled:
                self.earlier.append(
                    (begin + row, decisions.rule_ids(row), decisions.network_acl_id(row))
                )
                self.out.address_class[begin + row] = self.out.port_class[begin + row] = -1
