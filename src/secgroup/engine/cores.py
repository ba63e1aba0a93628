"""`Cores`: an engine for each core, which decide a batch together.

Flows are shared out by the unordered pair of their addresses: both directions of a flow, its
fragments, and the ICMP errors about it (by the pair that they quote) are one core's, so that no
core ever asks what another one remembers. Decisions and records are those of one engine. Owns
who decides which row; every answer is `Engine`'s.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from secgroup.conntrack.flow import Flow
from secgroup.decision.switches import AS_DOCUMENTED, Switches
from secgroup.engine.answers import Decisions
from secgroup.engine.batch import Batch
from secgroup.engine.columnar import batch_from
from secgroup.engine.compile import Compiled
from secgroup.engine.engine import Engine, checked
from secgroup.engine.kernels.cores import gather, scatter, share
from secgroup.engine.layout import (
    RECORD_WORDS,
    U1,
    DecisionColumns,
    Packets,
    empty_decisions,
    empty_packets,
)
from secgroup.model.network import Network

_T = TypeVar("_T")

_NO_MARKS: Final[U1] = np.zeros(0, dtype=np.uint8)

#: Batches under this are decided without threads: to wake one takes longer.
_FEW: Final = 2048


class _Room:
    """Memory for the rows of each core of a batch."""

    def __init__(self, cores: int, count: int) -> None:
        self.rows = np.zeros((cores, count), dtype=np.int32)
        self.counts = np.zeros(cores, dtype=np.int64)
        self.times_ms = np.zeros(count, dtype=np.int64)
        self.parts = [empty_packets(count) for _ in range(cores)]
        self.marks = [np.zeros(count, dtype=np.uint8) for _ in range(cores)]


class Cores:
    """Decides as `Engine` does, on several cores.

    Parameters
    ----------
    network, switches, key, room
        As those of `Engine`.
    cores : int
        How many; at least 1.

    Raises
    ------
    InputError
        As `Engine`.
    ValueError
        An allowance is finite: openers compete for it in the order of their packets, which only
        one core keeps.

    """

    def __init__(
        self,
        network: Network,
        switches: Switches = AS_DOCUMENTED,
        *,
        key: bytes,
        cores: int,
        room: int = 1 << 25,
    ) -> None:
        if is_finite(switches):
            raise ValueError("a finite allowance is for one engine")
        first = Engine(network, switches, key=key, room=room)
        others = [
            Engine(network, switches, key=key, room=room, compiled=first.compiled)
            for _ in range(cores - 1)
        ]
        self._engines = (first, *others)
        self._pool = ThreadPoolExecutor(max(1, cores - 1))
        self._stepped_back = 0
        self._room = _Room(cores, 0)

    @property
    def network(self) -> Network:
        """The one in force."""
        return self._engines[0].network

    @property
    def compiled(self) -> Compiled:
        """The policy in force."""
        return self._engines[0].compiled

    @property
    def now_ms(self) -> int:
        """The clock: the largest time so far, in milliseconds."""
        return self._engines[0].now_ms

    @property
    def stepped_back(self) -> int:
        """How many packets were earlier than the clock, and judged at it."""
        return self._stepped_back

    def __len__(self) -> int:
        """Count the entries, expired ones that wait for reaping included."""
        return sum(len(each) for each in self._engines)

    def interface_number(self, interface_id: str) -> int:
        """Return the row of an interface, as `Engine.interface_number`.

        Raises
        ------
        KeyError
            The network in force has no such interface.

        """
        return self._engines[0].interface_number(interface_id)

    def batch(self, **columns: Any) -> Batch:
        """Make a batch of columns by name, as `Engine.batch`.

        Raises
        ------
        InputError
            As there.

        """
        return batch_from(columns, self.compiled.interfaces)

    def change(self, network: Network) -> None:
        """Put another network in force, as `Engine.change`.

        Raises
        ------
        InputError
            As the constructor; the network before stays in force.

        """
        first, *others = self._engines
        first.change(network)
        for each in others:
            each.change(network, compiled=first.compiled)

    def decide(self, batch: Batch, marks: U1 | None = None) -> Decisions:
        """Decide packets in their order, as `Engine.decide`.

        Parameters
        ----------
        batch, marks
            As there; a row with ROWS_FOLLOW is the same packet at the same time as the one
            before it.

        Raises
        ------
        TypeError, ValueError
            As there.

        """
        packets, quotes = checked(batch.packets), checked(batch.quotes)
        self._engines[0].check_rows(batch)
        # In one thread: afterwards there is nothing left to build.
        self.compiled.build(packets.interface)
        cores, count = len(self._engines), len(batch)
        room = self._room_for(count)
        times_ms, marks = room.times_ms[:count], _NO_MARKS if marks is None else marks
        now_ms = share(packets, quotes, self.now_ms, room.rows, room.counts, times_ms)
        counts = room.counts.tolist()
        rows = [room.rows[core, : counts[core]] for core in range(cores)]

        def decide(core: int) -> Decisions:
            part = Packets._make(column[: counts[core]] for column in room.parts[core])
            gather(packets, marks, times_ms, rows[core], part, room.marks[core])
            engine = self._engines[core]
            decisions = engine.decide(
                Batch(packets=part, quotes=quotes),
                room.marks[core][: counts[core]] if len(marks) else None,
            )
            engine.advance(now_ms)
            return decisions

        parts = self._each(decide, count)
        out = empty_decisions(count)
        firsts = np.cumsum([0, *(len(each.firsts_compiled) for each in parts)]).tolist()

        def put_together(share: int) -> None:
            # Each thread writes rows of its own: no two of them want the same cache line.
            for core, each in enumerate(parts):
                begin, end = np.searchsorted(
                    rows[core], [count * share // cores, count * (share + 1) // cores]
                ).tolist()
                scatter(each.columns, rows[core], core, cores, firsts[core], begin, end, out)

        self._each(put_together, count)
        is_late = (packets.time_ms < times_ms) & (packets.interface >= 0) & (out.reason != 0)
        self._stepped_back += int(np.count_nonzero(is_late))
        return _together(batch, parts, out)

    def _room_for(self, count: int) -> "_Room":
        """Return room for a batch; the next one's will be the same."""
        if len(self._room.times_ms) < count:
            self._room = _Room(len(self._engines), count)
        return self._room

    def _each(self, work: Callable[[int], _T], count: int) -> list[_T]:
        """Return what each core's work on a batch comes to: the first one's is done here."""
        others = range(1, len(self._engines))
        if count < _FEW:
            return [work(each) for each in (0, *others)]
        waiting = [self._pool.submit(work, each) for each in others]
        try:
            mine = work(0)
        finally:
            wait(waiting)
        return [mine, *(each.result() for each in waiting)]

    def advance(self, time_ms: int) -> int:
        """Move the clock as a packet of that time would; return the time that now is."""
        if time_ms < self.now_ms:
            self._stepped_back += 1
            return self.now_ms
        return max(each.advance(time_ms) for each in self._engines)

    def records(self) -> NDArray[np.void]:
        """Return copies of all entries, sorted, as `Engine.records`."""
        found = np.concatenate([each.records() for each in self._engines])
        words = found.view(np.uint64).reshape(-1, RECORD_WORDS)
        return found[np.lexsort([words[:, word] for word in range(5)])]

    def entries(self) -> NDArray[np.int64]:
        """Return the numbers of all entries, expired ones that wait for reaping included."""
        cores = len(self._engines)
        found = [each.entries() * cores + core for core, each in enumerate(self._engines)]
        return np.sort(np.concatenate(found))

    def connections(self) -> Iterator[Flow]:
        """Yield the flows that are alive now, one core's after the other's."""
        for each in self._engines:
            yield from each.connections()

    def flow(self, entry: int) -> Flow:
        """Return an entry as a value, by its number. Preconditions: it is in use."""
        return self._engines[entry % len(self._engines)].flow(entry // len(self._engines))

    def establish(self, entry: int, positions: tuple[int | None, int | None]) -> None:
        """Bring an entry to ESTABLISHED, as `Engine.establish`."""
        number, core = divmod(entry, len(self._engines))
        self._engines[core].establish(number, positions)

    def remove(self, entry: int) -> None:
        """Forget an entry. Preconditions: it is in use."""
        number, core = divmod(entry, len(self._engines))
        self._engines[core].remove(number)

    def weights(self) -> dict[str, int]:
        """Return what each owner's entries take of its allowance; owners without any are out."""
        found: dict[str, int] = {}
        for each in self._engines:
            for owner, weight in each.weights().items():
                found[owner] = found.get(owner, 0) + weight
        return found


def _together(batch: Batch, parts: list[Decisions], out: DecisionColumns) -> Decisions:
    """Return the decisions of all cores as one's."""
    return Decisions(
        columns=out,
        batch=batch,
        compiled=parts[0].compiled,
        firsts=Packets._make(
            np.concatenate(columns)
            for columns in zip(*(each.firsts for each in parts), strict=True)
        ),
        firsts_compiled=tuple(each for part in parts for each in part.firsts_compiled),
    )


def is_finite(switches: Switches) -> bool:
    """Tell whether some owner has a finite allowance."""
    return switches.allowance is not None or any(
        each is not None for each in switches.allowances.values()
    )
