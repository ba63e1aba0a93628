"""From batches of decided packets to the records of a flow log, window by window.

Owns windows and the sizes of what the kernels fill; `flowlog.aggregate` is the definition, and
every record is as it would have made it, in the same order.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, Final

import numpy as np

from secgroup.engine.kernels.aggregate import (
    BLOCK,
    accumulate,
    hand_out,
    keep_fragments,
    reindex,
)
from secgroup.engine.layout import I4, DecisionColumns, Packets
from secgroup.engine.live import (
    CLOCK_MS,
    FINISHED,
    FRAGMENT_WORDS,
    FRAGMENTS,
    FREE_RECORD,
    FREE_RULE,
    HEAD,
    IS_OPEN,
    LAST,
    NEVER_MS,
    NEXT_END_MS,
    NO_END_MS,
    NO_ROOM,
    NO_ROOM_FOR_FRAGMENTS,
    NO_ROOM_FOR_RULES,
    RECORD_WORDS,
    RECORDS,
    REST_WORDS,
    SECRET_SIZE,
    START_MS,
    STATE_SIZE,
    STOP,
    U8,
    WINDOW_ENDS,
    WINDOW_MISSING,
    WINDOW_WORDS,
    Finished,
    Live,
)
from secgroup.engine.memory import rows_more, with_room, zeros
from secgroup.errors import InputError
from secgroup.flowlog.aggregate import INTERVALS_S
from secgroup.flowlog.fields import DEFAULT_FORMAT, Format
from secgroup.flowlog.metadata import Metadata
from secgroup.flowlog.record import Window
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network

#: A step of the clock over this is a jump, not silence: no windows are told of it.
_JUMP_MS: Final = 86_400_000

#: Records that are handed out at once, at most.
CHUNK: Final = 65_536

#: What stands in `Finished.packets` of a record that has none.
NODATA: Final = -1
SKIPDATA: Final = -2

_TCP_FLAGS: Final = np.array(
    [(flags & 0x07) | (0x10 if flags & 0x12 == 0x12 else 0) for flags in range(256)],
    dtype=np.uint8,
)
_TCP_FLAGS.flags.writeable = False

_NO_RULES: Final = np.zeros(0, dtype=np.int32)


def secret_of(seed: int) -> U8:
    """Return the secret numbers of a hash; an unknown `seed` makes them unknown."""
    numbers = np.random.Generator(np.random.PCG64(seed)).integers(
        0, 1 << 32, size=SECRET_SIZE, dtype=np.uint64
    )
    odd = np.random.Generator(np.random.PCG64(seed + 1)).integers(
        1 << 62, 1 << 63, size=2, dtype=np.uint64
    )
    numbers[SECRET_SIZE - 2 :] = odd | np.uint64(1)
    return numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Finished records in their order; the arrays hold until the next one is asked for.

    Parameters
    ----------
    records : Finished
        `window` counts `windows`; NODATA and SKIPDATA stand in `packets` of records without
        packets, whose times are the window's.
    windows : sequence of Window
        Without their flows.

    """

    records: Finished
    windows: Sequence[Window]


class Aggregator:
    """Makes records of packets; holds those of the open windows and nothing else.

    Parameters are those of `flowlog.aggregate.Aggregator`, and `secret`.

    Parameters
    ----------
    secret : uint64, shape (SECRET_SIZE,)
        Of the hash.

    Raises
    ------
    InputError
        An interval that AWS does not offer.

    """

    def __init__(
        self,
        network: Network,
        format: Format = DEFAULT_FORMAT,  # noqa: A002
        *,
        secret: U8,
        interval_s: int = 600,
        window_start_ms: int | None = None,
        nodata: bool = True,
        records: int = 1 << 16,
    ) -> None:
        if interval_s not in INTERVALS_S:
            raise InputError(f"{interval_s} is not an aggregation interval (expected 60 or 600)")
        self._network = network
        self._metadata = Metadata(network)
        self._by_reason = "secgroup-reason" in format
        self.with_rules = "secgroup-rule-ids" in format
        self._interval_ms = interval_s * 1000
        self._window_start_ms = window_start_ms
        self._nodata = nodata
        self._starts: dict[str, int] = {}
        self._windows: dict[str, Window] = {}
        self._ends: list[tuple[int, str]] = []
        self._numbers: dict[str, int] = {}
        self._interfaces: Sequence[NetworkInterface] = ()
        self._rows = np.zeros(1, dtype=np.int32)
        self._tags, self._names = np.zeros((2, BLOCK), dtype=np.int64)
        state = np.zeros(STATE_SIZE, dtype=np.int64)
        state[[FREE_RECORD, FREE_RULE]] = -1
        state[CLOCK_MS], state[NEXT_END_MS] = NEVER_MS, NO_END_MS
        self._live = Live(
            state=state,
            slots=zeros(_power_of_two(2 * records), np.uint64),
            records=zeros(records * RECORD_WORDS, np.uint64),
            rests=zeros((records, REST_WORDS), np.int64),
            windows=np.zeros((0, WINDOW_WORDS), dtype=np.int64),
            rules=np.zeros((records if self.with_rules else 1, 2), dtype=np.int32),
            fragments=zeros((1 << 10, FRAGMENT_WORDS), np.uint64),
            secret=secret,
            tcp_flags=_TCP_FLAGS,
        )
        self._out = _room(1, 1)
        self._filled = 0
        self._closing: list[Window] = []

    def __len__(self) -> int:
        """Count the records of the open windows."""
        return int(self._live.state[RECORDS])

    def change(self, network: Network) -> None:
        """Take the metadata of windows that open from now on out of `network`."""
        self._network = network
        self._metadata = Metadata(network)

    def use(self, interfaces: Sequence[NetworkInterface]) -> None:
        """Say which interfaces the numbers of the batches to come mean."""
        self._interfaces = interfaces
        for each in interfaces:
            self._numbers.setdefault(each.interface_id, len(self._numbers))
        self._rows = np.array(
            [self._numbers[each.interface_id] for each in interfaces] or [0], dtype=np.int32
        )
        missing = len(self._numbers) - self._live.windows.shape[0]
        if missing > 0:
            windows = with_room(self._live.windows, missing)
            self._live = self._live._replace(windows=windows)

    def add(
        self, packets: Packets, decisions: DecisionColumns, rule_sets: I4 | None = None
    ) -> Iterator[Batch]:
        """Count decided packets, and yield the records that their times finish.

        A row of reason 0 is no decision and only moves the clock.

        Parameters
        ----------
        packets, decisions : columns of n rows, in the order of the decisions
        rule_sets : int32, shape (n,)
            What rules matched, by `RuleSets`; needed when the format has `secgroup-rule-ids`.

        """
        sets = _NO_RULES if rule_sets is None else rule_sets
        row, count = 0, packets.time_ms.shape[0]
        while row < count:
            row = accumulate(
                self._live,
                packets,
                decisions,
                self._rows,
                sets,
                self._by_reason,
                self.with_rules,
                self._tags,
                self._names,
                row,
                count,
            )
            stop = self._live.state[STOP]
            if stop == WINDOW_ENDS:
                yield from self.advance(int(packets.time_ms[row]))
            elif stop == WINDOW_MISSING:
                self._open(self._interfaces[packets.interface[row]], self._clock_ms)
            elif stop == NO_ROOM:
                self._grow()
            elif stop == NO_ROOM_FOR_RULES:
                rules = self._live.rules
                self._live = self._live._replace(rules=with_room(rules, rules.shape[0]))
            elif stop == NO_ROOM_FOR_FRAGMENTS:
                self._make_room_for_fragments()

    def advance(self, time_ms: int) -> Iterator[Batch]:
        """Move the clock, and yield the records of the windows that it passes."""
        before_ms = self._clock_ms
        if time_ms <= before_ms:
            return
        jumped = time_ms - before_ms > _JUMP_MS
        self._live.state[CLOCK_MS] = time_ms
        while self._ends and self._ends[0][0] <= time_ms:
            window = yield from self._close_first()
            interface = self._network.interfaces.get(window.interface.interface_id)
            if self._nodata and not jumped and interface is not None:
                self._open(interface, window.start_ms + self._interval_ms)
        yield from self._flush()

    def skip(self, time_ms: int, interface: NetworkInterface) -> Iterator[Batch]:
        """Note that packets of `interface` were lost: its window gets a SKIPDATA record."""
        yield from self.advance(time_ms)
        window = self._windows.get(interface.interface_id)
        if window is None:
            window = self._open(interface, self._clock_ms)
        window.is_lossy = True

    def close(self) -> Iterator[Batch]:
        """Yield the records of the windows that are still open; the aggregator is then empty.

        A window that the clock has not passed and that has no packet says nothing.
        """
        self._nodata = False
        while self._ends:
            yield from self._close_first()
        yield from self._flush()

    @property
    def _clock_ms(self) -> int:
        return int(self._live.state[CLOCK_MS])

    def _open(self, interface: NetworkInterface, now_ms: int) -> Window:
        interface_id, length_ms = interface.interface_id, self._interval_ms
        origin_ms = self._window_start_ms
        if origin_ms is None:
            origin_ms = self._starts.setdefault(interface_id, now_ms)
        start_ms = now_ms - (now_ms - origin_ms) % length_ms
        window = Window(
            interface=interface,
            place=self._metadata.place(interface),
            metadata=self._metadata,
            start_ms=start_ms,
        )
        if interface_id not in self._numbers:
            self.use([*self._interfaces, interface])
        row = self._live.windows[self._numbers[interface_id]]
        row[IS_OPEN], row[START_MS], row[HEAD], row[LAST] = 1, start_ms, -1, -1
        self._windows[interface_id] = window
        heappush(self._ends, (start_ms + length_ms, interface_id))
        self._live.state[NEXT_END_MS] = self._ends[0][0]
        return window

    def _close_first(self) -> Generator[Batch, None, Window]:
        """Close the first window to end, and return it."""
        end_ms, interface_id = heappop(self._ends)
        window = self._windows.pop(interface_id)
        number = self._numbers[interface_id]
        row = self._live.windows[number]
        was_empty = row[HEAD] < 0
        self._begin(window)
        while row[HEAD] >= 0:
            if self._filled == self._out.window.shape[0]:
                yield from self._flush()
                self._begin(window)
            self._filled = hand_out(
                self._live, number, len(self._closing) - 1, self._out, self._filled
            )
            if row[HEAD] >= 0:
                yield from self._flush()
                self._begin(window)
        row[IS_OPEN] = 0
        if window.is_lossy or (self._nodata and was_empty):
            if self._filled == self._out.window.shape[0]:
                yield from self._flush()
                self._begin(window)
            self._tell(window, end_ms, SKIPDATA if window.is_lossy else NODATA)
        self._live.state[NEXT_END_MS] = self._ends[0][0] if self._ends else NO_END_MS
        return window

    def _begin(self, window: Window) -> None:
        if self._filled == 0:
            room = min(CHUNK, max(1024, len(self)))
            rules = self._live.rules.shape[0]
            if self._out.window.shape[0] < room or self._out.rules.shape[0] < rules:
                self._out = _room(room, rules)
        self._closing.append(window)

    def _tell(self, window: Window, end_ms: int, status: int) -> None:
        out, at = self._out, self._filled
        out.window[at], out.packets[at] = len(self._closing) - 1, status
        out.traits[at], out.reason[at] = 0, 0
        out.first_ms[at], out.last_ms[at] = window.start_ms, end_ms
        out.rules_end[at] = out.rules_end[at - 1] if at else 0
        self._filled = at + 1

    def _flush(self) -> Iterator[Batch]:
        if self._filled:
            columns: dict[str, Any] = {
                name: getattr(self._out, name)[: self._filled] for name in FINISHED
            }
            records = Finished(**columns, rules=self._out.rules)
            yield Batch(records=records, windows=self._closing)
        self._filled = 0
        self._closing = []

    def _grow(self) -> None:
        """Make room for more records."""
        live = self._live
        used = live.rests.shape[0]
        more = rows_more(used)
        index = live.slots
        if 2 * (used + more) > index.shape[0]:
            index = zeros(_power_of_two(2 * (used + more)), np.uint64)
        self._live = live._replace(
            slots=index,
            records=with_room(live.records, more * RECORD_WORDS),
            rests=with_room(live.rests, more),
        )
        if index is not live.slots:
            reindex(self._live)

    def _make_room_for_fragments(self) -> None:
        """Forget the fragments that are too old, and make room for as many as are left."""
        old = self._live.fragments
        self._live = self._live._replace(fragments=zeros(old.shape, old.dtype))
        keep_fragments(self._live, old)
        left = int(self._live.state[FRAGMENTS])
        if 4 * left > old.shape[0]:
            kept = self._live.fragments
            room = zeros((2 * old.shape[0], FRAGMENT_WORDS), np.uint64)
            self._live = self._live._replace(fragments=room)
            keep_fragments(self._live, kept)


def _power_of_two(least: int) -> int:
    return 1 << max(4, (least - 1).bit_length())


def _room(records: int, rules: int) -> Finished:
    columns: dict[str, Any] = {
        name: np.zeros(records, dtype=dtype) for name, dtype in FINISHED.items()
    }
    return Finished(**columns, rules=np.zeros(rules, dtype=np.int32))
