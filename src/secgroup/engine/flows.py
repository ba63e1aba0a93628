"""The memory of the flow table: how its arrays are made, how they grow, and what stands in them.

Owns the arrays of `layout.Flows`. Pages that nothing has written cost nothing: arrays are made
for more flows than will ever come, and used from their beginning.
"""

from collections.abc import Iterable
from hashlib import shake_256
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from secgroup.conntrack.timeout import Timeouts
from secgroup.engine.kernels.track import advance, enter, reappoint, remove_all, split
from secgroup.engine.layout import (
    BITS,
    CONTROLS,
    ENTRIES,
    FRONTIER,
    HIGHEST,
    LAST_RECORD,
    LIMIT,
    NEXT_ORIGINAL_KNOWN,
    NEXT_REPLY_KNOWN,
    NOW_MS,
    RECORD,
    STEPPED_BACK,
    U8,
    WHEEL,
    Flows,
)
from secgroup.engine.machine import timeouts_row
from secgroup.engine.memory import zeros
from secgroup.errors import InputError, InternalError

#: Slots behind the last home of the index, for the run of full slots that begins there.
_BEHIND: Final = 1 << 16
_FIRST_BITS: Final = 12
#: How full the index may be before it begins to grow, and before it has to have grown.
_BEGIN: Final = 0.52
_END: Final = 0.75
#: Slots that are split at once, and how many a packet that is decided pays for: when all of them
#: make entries the index has grown at 0.72.
_SLOTS: Final = 8192
_SLOTS_A_PACKET: Final = 5
#: Timeouts at least this long would outlive the 32 bits of a record's time.
_LONGEST_MS: Final = 1 << 31
#: What the bits of a record that name its set of timeouts have room for.
_MOST_TIMEOUTS: Final = 1 << 16


def secret_of(key: bytes) -> U8:
    """Return the secret numbers of the hash: ten under 2**32 and two odd ones."""
    digest = shake_256(key).digest(10 * 4 + 2 * 8)
    low = np.frombuffer(digest, dtype="<u4", count=10).astype(np.uint64)
    odd = np.frombuffer(digest, dtype="<u8", offset=40).astype(np.uint64) | np.uint64(1)
    return np.concatenate([low, odd])


class FlowStore:
    """The arrays of a flow table.

    Parameters
    ----------
    key : bytes
        Of the hash; nobody who can send packets may know it.
    room : int
        How many flows the arrays are made for. More may come, at the price of copying then.

    Attributes
    ----------
    flows : Flows
        For kernels. Another tuple after every call that changes what there is room for.

    """

    def __init__(self, key: bytes, *, room: int = 1 << 25) -> None:
        control = np.zeros(CONTROLS, dtype=np.int64)
        control[BITS] = _FIRST_BITS
        control[FRONTIER] = 1 << _FIRST_BITS
        self._kept = np.zeros(_SLOTS + _BEHIND, dtype=np.int64)
        nothing = np.zeros(0, dtype=np.int64)
        self.flows = _arrays(
            room,
            Flows(
                index=nothing,
                words=nothing.view(np.uint64),
                links=nothing.view(np.int32),
                wheel=np.zeros(WHEEL, dtype=np.int32),
                weight=nothing,
                allowance=nothing,
                timeouts_ms=nothing,
                control=control,
                secret=secret_of(key),
            ),
        )
        self._set_limit()

    @property
    def records(self) -> NDArray[np.void]:
        """The records, by number; number 0 is none. A view."""
        return self.flows.words.view(RECORD)

    @property
    def now_ms(self) -> int:
        """The clock."""
        return int(self.flows.control[NOW_MS])

    @property
    def stepped_back(self) -> int:
        """How often the clock was given an earlier time."""
        return int(self.flows.control[STEPPED_BACK])

    @property
    def size_bytes(self) -> int:
        """What records, links and index take: those parts of the arrays that are in use."""
        control = self.flows.control
        slots = 2 * (1 << int(control[BITS])) if self._is_growing else 1 << int(control[BITS])
        return int(control[HIGHEST]) * (RECORD.itemsize + 8) + 8 * slots

    def __len__(self) -> int:
        """Count the entries, expired ones that wait for reaping included."""
        return int(self.flows.control[ENTRIES])

    def advance(self, time_ms: int) -> int:
        """Move the clock; return the time that now is."""
        advance(self.flows, time_ms)
        return self.now_ms

    def set_owners(self, allowances: Iterable[int | None]) -> None:
        """Say what allowance each owner has; None is any number. Owners never get fewer."""
        given = np.array([-1 if each is None else each for each in allowances], dtype=np.int64)
        weight = np.zeros(len(given), dtype=np.int64)
        weight[: len(self.flows.weight)] = self.flows.weight
        self.flows = self.flows._replace(weight=weight, allowance=given)

    def set_timeouts(self, sets: Iterable[Timeouts]) -> None:
        """Say what the sets of timeouts are.

        Raises
        ------
        InputError
            A timeout is longer than 24 days; AWS lets nobody choose one over 5. Or there are more
        sets than a record can name.

        """
        rows = [timeouts_row(each) for each in sets]
        for row in rows:
            if row.max() >= _LONGEST_MS:
                raise InputError(
                    f"an idle timeout of {row.max() // 1000} s is too long "
                    "(expected at most 432000, five days)"
                )
        if len(rows) > _MOST_TIMEOUTS:
            raise InputError(
                f"there have been {len(rows)} sets of idle timeouts (expected {_MOST_TIMEOUTS})"
            )
        # A network without interfaces has no sets.
        joined = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
        self.flows = self.flows._replace(timeouts_ms=joined)

    def live(self) -> NDArray[np.int64]:
        """Return the numbers of the entries that are alive now."""
        records = self.records[: int(self.flows.control[HIGHEST]) + 1]
        numbers = np.flatnonzero(records["state"] != 0)
        chosen = records[numbers]
        row = chosen["timeouts"].astype(np.int64) * 64 + chosen["state"]
        idle = (self.now_ms - chosen["last_ms"].astype(np.int64)) & 0xFFFFFFFF
        alive: NDArray[np.int64] = numbers[idle < self.flows.timeouts_ms[row]]
        return alive

    def used(self) -> NDArray[np.int64]:
        """Return the numbers of all entries, expired ones that wait for reaping included."""
        records = self.records[: int(self.flows.control[HIGHEST]) + 1]
        return np.flatnonzero(records["state"] != 0)

    def remove(self, numbers: NDArray[np.int64]) -> None:
        """Forget these entries."""
        remove_all(self.flows, np.ascontiguousarray(numbers, dtype=np.int64))

    def enter(self, records: NDArray[np.void]) -> None:
        """Add entries that are not there, with what they remember.

        Preconditions: their owners and sets of timeouts are known.
        """
        records = np.ascontiguousarray(records, dtype=RECORD)
        at = 0
        while at < len(records):
            self.prepare(len(records) - at)
            reached = enter(self.flows, records.view(np.uint64), at)
            if reached < 0:
                raise InternalError("the index of flows has no room behind a hash")
            if reached < len(records):
                self.make_room()
            at = reached

    def establish(self, entry: int, state: int, positions: tuple[int | None, int | None]) -> None:
        """Give an entry a state and positions, as `conntrack.FlowTable.put` would."""
        first, second = positions
        record = self.records[entry : entry + 1]
        known = (0 if first is None else NEXT_ORIGINAL_KNOWN) | (
            0 if second is None else NEXT_REPLY_KNOWN
        )
        record["next"][0] = (first or 0, second or 0)
        flags = int(record["flags"][0]) & ~(NEXT_ORIGINAL_KNOWN | NEXT_REPLY_KNOWN)
        record["flags"] = flags | known
        record["state"] = state
        reappoint(self.flows, entry)

    # Growth

    @property
    def _is_growing(self) -> bool:
        control = self.flows.control
        return bool(control[FRONTIER] != 1 << int(control[BITS]))

    def prepare(self, packets: int) -> None:
        """Do the share of growing that falls to a batch of so many packets."""
        control = self.flows.control
        if not self._is_growing and control[ENTRIES] < _BEGIN * (1 << int(control[BITS])):
            return
        self._split(-(-packets * _SLOTS_A_PACKET // _SLOTS))

    def make_room(self) -> None:
        """Make room for at least one more entry, after a kernel found none."""
        control = self.flows.control
        if control[ENTRIES] >= control[LIMIT]:
            self._split(1 << 62)
        if control[ENTRIES] == control[LAST_RECORD]:
            self.flows = _arrays(2 * int(control[LAST_RECORD]), self.flows)

    def _split(self, times: int) -> None:
        """Grow the index by so many steps, at most until it is twice as large."""
        control = self.flows.control
        needed = 2 * (1 << int(control[BITS])) + _BEHIND
        if len(self.flows.index) < needed:
            self.flows = _arrays(2 * int(control[LAST_RECORD]), self.flows)
        for _ in range(times):
            if not split(self.flows.index, control, self._kept, _SLOTS):
                raise InternalError("the index of flows has no room behind a hash")
            if not self._is_growing:
                break
        self._set_limit()

    def _set_limit(self) -> None:
        control = self.flows.control
        control[LIMIT] = int(_END * (1 << int(control[BITS])))


def _arrays(room: int, flows: Flows) -> Flows:
    """Return `flows` with arrays for `room` entries; less where the system has no address space."""
    bits = max(_FIRST_BITS, int(room / _BEGIN - 1).bit_length())
    try:
        index = _grown(flows.index, (1 << bits) + _BEHIND)
        words = _grown(flows.words, (room + 1) * (RECORD.itemsize // 8))
        links = _grown(flows.links, 2 * (room + 1))
    except MemoryError:
        if room <= max(1 << 16, len(flows.words) // 8):
            raise
        return _arrays(room // 2, flows)
    flows.control[LAST_RECORD] = room
    return flows._replace(
        index=index,
        words=words,
        links=links,
    )


def _grown(array: NDArray[Any], size: int) -> NDArray[Any]:
    grown = zeros(size, array.dtype)
    grown[: len(array)] = array
    return grown
