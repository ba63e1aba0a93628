"""The connections of batches of packets: which packets are of one, and what became of it.

Owns the sizes of what the kernels fill, and the numbers that interfaces keep when the network
changes. `replay.connections` and `replay.summary` are the definition.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum, unique
from typing import Final

import numpy as np

from secgroup.engine.columns import I4, I8, U8
from secgroup.engine.kernels.connections import (
    BLOCK,
    keep_firsts,
    number_connections,
    reindex,
)
from secgroup.engine.kernels.outcomes import see
from secgroup.engine.layout import ICMP_KINDS, DecisionColumns, Packets
from secgroup.engine.memory import rows_more, with_room, zeros
from secgroup.engine.observed import (
    ACCEPTED,
    ADOPTED,
    BIRTH_WORDS,
    CONNECTION_WORDS,
    CONNECTIONS,
    COUNT_WORDS,
    FIRST_WORDS,
    FIRSTS,
    LEG_NEXT,
    LEG_OPENED,
    LEG_PLACE,
    LEG_WORDS,
    LEGS,
    LEGS_USED,
    MARKS,
    NAME_WORDS,
    NO_ROOM,
    NO_ROOM_FOR_CREDITS,
    NO_ROOM_FOR_ENTRIES,
    NO_ROOM_FOR_FIRSTS,
    NO_ROOM_FOR_LEGS,
    NO_ROOM_FOR_REFUSALS,
    OPENER_REFUSED,
    REFUSAL,
    REFUSAL_WORDS,
    REFUSALS,
    REFUSED_PACKET,
    STATE_SIZE,
    STOP,
    TO_ADOPT,
    WAS_OPEN,
    Counted,
    Observed,
)
from secgroup.model.interface import NetworkInterface

_FIRST_ROOM: Final = 1 << 10


@unique
class Outcome(IntEnum):
    """What became of a connection, as `replay.connections.Outcome`."""

    ALLOWED = 0
    REFUSED = 1
    CUT = 2
    OPEN_BEFORE = 3


class Connections:
    """Finds the connection of every packet, and counts what became of it.

    For each batch: `number`, before or after it is decided, then `see`. With adoption, `number`
    stops at each connection that was open before the capture, so that it can be adopted before
    its first packet is decided; a later fragment must have been decided before it is numbered.

    Parameters
    ----------
    secret : uint64, shape (SECRET_SIZE,)
        Of the hash.

    """

    def __init__(self, *, secret: U8, room: int = _FIRST_ROOM) -> None:
        self.observed = Observed(
            state=np.zeros(STATE_SIZE, dtype=np.int64),
            slots=zeros(_slots_for(room), np.uint64),
            records=zeros(room * CONNECTION_WORDS, np.int64),
            births=zeros((room, BIRTH_WORDS), np.int64),
            legs=zeros(2 * room * LEG_WORDS, np.int64),
            credits=zeros((2 * room, 2), np.int32),
            refusals=zeros((room, REFUSAL_WORDS), np.int64),
            firsts=zeros((_FIRST_ROOM, FIRST_WORDS), np.int64),
            secret=secret,
        )
        self.counted = Counted(
            reasons=np.zeros((2, 32), dtype=np.int64),
            interfaces=np.zeros((0, COUNT_WORDS), dtype=np.int64),
            rules=np.zeros((1, 2), dtype=np.int64),
            entries=np.zeros((_FIRST_ROOM, 2), dtype=np.int64),
        )
        self._interfaces: dict[str, int] = {}
        self._acls: dict[str, int] = {}
        self._numbers: I4 = np.zeros(0, dtype=np.int32)
        self._acl_numbers: I4 = np.zeros(0, dtype=np.int32)
        self._policy = -1
        self._names: I8 = np.zeros((BLOCK, NAME_WORDS), dtype=np.int64)

    def __len__(self) -> int:
        """Count them."""
        return int(self.observed.state[CONNECTIONS])

    @property
    def interface_ids(self) -> Sequence[str]:
        """The ids of interfaces, by the numbers that stand in legs, refusals and counts."""
        return list(self._interfaces)

    @property
    def acl_ids(self) -> Sequence[str]:
        """The ids of network ACLs, by the numbers that stand in `entries`."""
        return list(self._acls)

    def use(self, interfaces: Sequence[NetworkInterface], acl_ids: Sequence[str | None]) -> None:
        """Say which interfaces, and network ACLs of their subnets, the batches to come mean.

        What is refused from now on is said to be refused by the next policy (the first is 0).
        """
        self._policy += 1
        for each in interfaces:
            self._interfaces.setdefault(each.interface_id, len(self._interfaces))
        for acl_id in acl_ids:
            if acl_id is not None:
                self._acls.setdefault(acl_id, len(self._acls))
        self._numbers = np.array(
            [self._interfaces[each.interface_id] for each in interfaces], dtype=np.int32
        )
        self._acl_numbers = np.array(
            [-1 if each is None else self._acls[each] for each in acl_ids], dtype=np.int32
        )
        counts = self.counted.interfaces
        missing = len(self._interfaces) - counts.shape[0]
        if missing > 0:
            self.counted = self.counted._replace(interfaces=with_room(counts, missing))

    def number(
        self,
        packets: Packets,
        decisions: DecisionColumns,
        frames: I8,
        times_ns: I8,
        scopes: I4,
        out: I8,
        *,
        stops_to_adopt: bool = False,
        begin: int = 0,
    ) -> int:
        """Find the connection of each frame, or begin one.

        Parameters
        ----------
        packets, decisions : columns of n rows
            Of `decisions` only `reason` (0: no decision) and, of later fragments, `first` are
            read. Rows of one frame have one packet and stand together, egress first.
        frames, times_ns : int64, shape (n,)
        scopes : int32, shape (n,)
            Keeps equal addresses of two networks apart; -1 is none.
        out : int64, shape (n,)
            The numbers, from 1 in the order of first packets; 0 is none.
        stops_to_adopt : bool
            Stop behind each frame that begins a connection that was open before.

        Returns
        -------
        int
            The first row that is not numbered; n when all are.

        """
        row, count = begin, frames.shape[0]
        while row < count:
            row = number_connections(
                self.observed,
                packets,
                decisions,
                frames,
                times_ns,
                scopes,
                self._numbers,
                ICMP_KINDS,
                self._names,
                out,
                stops_to_adopt,
                row,
                count,
            )
            stop = self.observed.state[STOP]
            if stop == TO_ADOPT:
                return row
            if stop == NO_ROOM:
                self._grow()
            elif stop == NO_ROOM_FOR_FIRSTS:
                self._make_room_for_firsts()
        return row

    def adopt(self, number: int, rule_sets: Iterable[tuple[str, int]]) -> None:
        """Say what would have admitted a connection that was open before, by interface id."""
        before = -1  # of one interface, the last one counts: it stands first
        for interface_id, rule_set in rule_sets:
            leg = int(self.observed.state[LEGS_USED]) * LEG_WORDS
            if leg == self.observed.legs.shape[0]:
                self._more_legs()
            self.observed.state[LEGS_USED] += 1
            row = self.observed.legs[leg : leg + LEG_WORDS]
            row[LEG_PLACE], row[LEG_OPENED] = self._interfaces[interface_id], rule_set
            row[LEG_NEXT] = before
            before = leg
            self._hold_rules(rule_set)
        self.records[number - 1, ADOPTED] = before

    def see(
        self,
        packets: Packets,
        decisions: DecisionColumns,
        frames: I8,
        times_ns: I8,
        connections: I8,
        rule_sets: I4,
    ) -> None:
        """Take note of what was decided; rows as for `number`, all of a frame in one batch."""
        self._hold_rules(int(rule_sets.max(initial=0)))
        row, count = 0, frames.shape[0]
        while row < count:
            row = see(
                self.observed,
                self.counted,
                packets,
                decisions,
                frames,
                times_ns,
                connections,
                rule_sets,
                self._numbers,
                self._acl_numbers,
                self._policy,
                row,
                count,
            )
            stop = self.observed.state[STOP]
            if stop == NO_ROOM_FOR_LEGS:
                self._more_legs()
            elif stop == NO_ROOM_FOR_CREDITS:
                kept = self.observed.credits
                self.observed = self.observed._replace(credits=with_room(kept, kept.shape[0]))
            elif stop == NO_ROOM_FOR_REFUSALS:
                refusals = self.observed.refusals
                self.observed = self.observed._replace(
                    refusals=with_room(refusals, refusals.shape[0])
                )
            elif stop == NO_ROOM_FOR_ENTRIES:
                self._more_entries()

    @property
    def records(self) -> I8:
        """The connections by number less one, shape (connections, CONNECTION_WORDS)."""
        return self.observed.records.reshape(-1, CONNECTION_WORDS)[: len(self)]

    @property
    def births(self) -> I8:
        """Time and number of the first frame of each, shape (connections, BIRTH_WORDS)."""
        return self.observed.births[: len(self)]

    @property
    def refusals(self) -> I8:
        """The refusals, shape (refusals, REFUSAL_WORDS)."""
        return self.observed.refusals[: self.observed.state[REFUSALS]]

    def outcomes(self) -> I8:
        """Return the outcome of each connection, shape (connections,)."""
        records = self.records
        refused = records[:, REFUSAL] >= 0
        was_open = records[:, MARKS] & WAS_OPEN != 0
        found = np.where(refused, int(Outcome.REFUSED), int(Outcome.ALLOWED))
        found[was_open] = Outcome.OPEN_BEFORE
        cut = np.flatnonzero(refused & (records[:, ACCEPTED] > 0))
        packets = self.refusals[records[cut, REFUSAL], REFUSED_PACKET]
        found[cut[packets & OPENER_REFUSED == 0]] = Outcome.CUT
        return found

    def legs_of(self, number: int) -> list[I8]:
        """Return the legs of a connection, in the order in which it first passed interfaces."""
        found = []
        leg = int(self.records[number - 1, LEGS])
        while leg >= 0:
            found.append(self.observed.legs[leg : leg + LEG_WORDS])
            leg = int(found[-1][LEG_NEXT])
        return found

    def entries(self) -> dict[tuple[str, int, int], int]:
        """Return packets by (ACL id, direction, rule number)."""
        entries, acl_ids = self.counted.entries, self.acl_ids
        found = {}
        for name, packets in entries[entries[:, 0] != 0].tolist():
            which, rule_number = divmod(name - 1, 1 << 17)
            found[acl_ids[which >> 1], which & 1, rule_number] = packets
        return found

    def _hold_rules(self, highest: int) -> None:
        rules = self.counted.rules
        if highest >= rules.shape[0]:
            more = max(highest + 1 - rules.shape[0], rules.shape[0])
            self.counted = self.counted._replace(rules=with_room(rules, more))

    def _grow(self) -> None:
        used = self.observed.births.shape[0]
        more = rows_more(used)
        self.observed = self.observed._replace(
            records=with_room(self.observed.records, more * CONNECTION_WORDS),
            births=with_room(self.observed.births, more),
        )
        if 2 * (used + more) > self.observed.slots.shape[0]:
            slots = zeros(_slots_for(used + more), np.uint64)
            self.observed = self.observed._replace(slots=slots)
            reindex(self.observed)

    def _more_legs(self) -> None:
        legs = self.observed.legs
        self.observed = self.observed._replace(
            legs=with_room(legs, rows_more(legs.shape[0] // LEG_WORDS) * LEG_WORDS)
        )

    def _more_entries(self) -> None:
        old = self.counted.entries
        entries = np.zeros((2 * old.shape[0], 2), dtype=np.int64)
        mask = entries.shape[0] - 1
        for name, packets in old[old[:, 0] != 0].tolist():
            place = ((name - 1) * 0x9E3779B1 >> 15) & mask
            while entries[place, 0] != 0:
                place = (place + 1) & mask
            entries[place] = name, packets
        self.counted = self.counted._replace(entries=entries)

    def _make_room_for_firsts(self) -> None:
        old = self.observed.firsts
        self.observed = self.observed._replace(firsts=zeros(old.shape, np.int64))
        keep_firsts(self.observed, old)
        if 4 * int(self.observed.state[FIRSTS]) > old.shape[0]:
            kept = self.observed.firsts
            room = zeros((2 * old.shape[0], FIRST_WORDS), np.int64)
            self.observed = self.observed._replace(firsts=room)
            keep_firsts(self.observed, kept)


def _slots_for(connections: int) -> int:
    return 1 << (2 * connections - 1).bit_length()
