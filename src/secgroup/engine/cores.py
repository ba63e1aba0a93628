"""`Cores`: an engine for each core, which decide a batch together.

Flows are shared out by the unordered pair of their addresses: both directions of a flow, its
fragments, and the ICMP errors about it (by the pair that they quote) are one core's, so that no
core ever asks what another one remembers. Decisions and records are those of one engine. Owns
who decides which row; every answer is `Engine`'s.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from threading import Barrier, BrokenBarrierError
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from secgroup.conntrack.flow import Flow
from secgroup.decision.switches import AS_DOCUMENTED, Switches
from secgroup.engine.answers import Decisions
from secgroup.engine.batch import Batch
from secgroup.engine.columnar import batch_from
from secgroup.engine.compile import Compiled
from secgroup.engine.engine import Engine, checked
from secgroup.engine.kernels.cores import join, share
from secgroup.engine.layout import RECORD_WORDS, U1, Packets, empty_decisions
from secgroup.engine.rows import CHUNK, empty_rows
from secgroup.engine.sharing import Chunk, Room, Task
from secgroup.model.network import Network

_NO_MARKS: Final[U1] = np.zeros(0, dtype=np.uint8)

#: Batches under this are decided without threads: to wake one takes longer.
_FEW: Final = 2048


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
        self._barrier = Barrier(cores)
        own = [empty_rows() for _ in range(cores)]
        self._chunks = [Chunk(own) for _ in range(cores)]
        self._stepped_back = [0] * cores
        self._room = Room(cores, 0)

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
        return sum(self._stepped_back)

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
        task = self._task_of(batch, _NO_MARKS if marks is None else marks)
        for each in self._engines:
            # In one thread: only the first one finds anything to build.
            each.begin(task.packets)
        if len(batch) < _FEW:
            self._decide_here(task)
        else:
            self._decide_together(task)
        return self._together(batch, task)

    def _task_of(self, batch: Batch, marks: U1) -> Task:
        packets, quotes = checked(batch.packets), checked(batch.quotes)
        self._engines[0].check_rows(batch)
        cores, count = len(self._engines), len(batch)
        if self._room.count < count:
            self._room = Room(cores, count)
        room, out = self._room, empty_decisions(count)
        times_ms = room.times_ms[:count]
        times_ms.flags.writeable = False
        return Task(
            packets=packets,
            quotes=quotes,
            marks=marks,
            timed=packets._replace(time_ms=times_ms),
            out=out,
            outs=[
                out._replace(
                    entry=room.entry[core * room.count : core * room.count + count],
                    state_before=room.before[core * room.count : core * room.count + count],
                    state_after=room.after[core * room.count : core * room.count + count],
                )
                for core in range(cores)
            ],
            now_ms=self.now_ms,
        )

    def _rounds(self, task: Task) -> Iterator[list[tuple[int, int]]]:
        """Yield rows that are decided together: where each core's chunk begins and ends."""
        cores, count = len(self._engines), len(task.packets.time_ms)
        for first in range(0, count, cores * CHUNK):
            length = min(cores * CHUNK, count - first)
            ends = [first + length * core // cores for core in range(cores + 1)]
            yield list(pairwise(ends))

    def _decide_here(self, task: Task) -> None:
        """Decide a batch without threads."""
        cores = range(len(self._engines))
        for spans in self._rounds(task):
            for core in cores:
                self._look_over(task, core, spans[core])
            for core in cores:
                self._track(task, core, spans)
            for core in cores:
                self._join(task, core, spans[core])

    def _decide_together(self, task: Task) -> None:
        """Decide a batch with a thread for each core: the first one is this."""
        others = [
            self._pool.submit(self._decide_part, task, core)
            for core in range(1, len(self._engines))
        ]
        try:
            self._decide_part(task, 0)
        except BrokenBarrierError:
            # Another one has failed: its error is raised below.
            pass
        finally:
            wait(others)
            self._barrier.reset()
        for each in others:
            failure = each.exception()
            if failure is not None and not isinstance(failure, BrokenBarrierError):
                raise failure

    def _decide_part(self, task: Task, core: int) -> None:
        """Do one core's part of each round, and wait twice in each for the others."""
        before: tuple[int, int] | None = None
        try:
            for spans in self._rounds(task):
                if before is not None:
                    self._join(task, core, before)
                self._look_over(task, core, spans[core])
                self._barrier.wait()
                self._track(task, core, spans)
                self._barrier.wait()
                before = spans[core]
            if before is not None:
                self._join(task, core, before)
        except BaseException:
            self._barrier.abort()
            raise

    def _look_over(self, task: Task, core: int, span: tuple[int, int]) -> None:
        """Take a chunk through the stages that no flow has a say in; share out its rows."""
        chunk, room = self._chunks[core], self._room
        self._engines[core].look_over(task.packets, *span, chunk.looked, task.out)
        chunk.end_ms = share(
            task.packets,
            task.quotes,
            task.now_ms,
            *span,
            chunk.mine,
            chunk.counts,
            room.whose,
            room.times_ms,
        )

    def _track(self, task: Task, core: int, spans: list[tuple[int, int]]) -> None:
        """Decide one core's rows of all chunks."""
        engine = self._engines[core]
        now_ms = engine.now_ms
        for chunk, (start, _) in zip(self._chunks, spans, strict=True):
            if chunk is self._chunks[core]:
                chunk.begin_ms = now_ms
            engine.track(
                task.timed,
                task.quotes,
                start,
                int(chunk.counts[core]),
                chunk.mine[core],
                chunk.rows[core],
                task.outs[core],
                task.marks,
            )
            now_ms = engine.advance(max(now_ms, chunk.end_ms))

    def _join(self, task: Task, core: int, span: tuple[int, int]) -> None:
        """Write what each core has said of the rows of a chunk."""
        room = self._room
        self._stepped_back[core] += join(
            task.packets,
            room.times_ms,
            self._chunks[core].begin_ms,
            room.whose,
            len(self._engines),
            room.entry,
            room.before,
            room.after,
            *span,
            task.out,
        )

    def _together(self, batch: Batch, task: Task) -> Decisions:
        """Return the decisions of all cores as one's."""
        firsts: list[Packets] = []
        firsts_compiled: list[Compiled] = []
        for core, each in enumerate(self._engines):
            mine = self._room.whose[: len(batch)] == core
            some, of = each.end(task.packets, task.out, mine, len(firsts_compiled))
            firsts.append(some)
            firsts_compiled += of
        return Decisions(
            columns=task.out,
            batch=batch,
            compiled=self.compiled,
            firsts=Packets._make(np.concatenate(columns) for columns in zip(*firsts, strict=True)),
            firsts_compiled=tuple(firsts_compiled),
        )

    def advance(self, time_ms: int) -> int:
        """Move the clock as a packet of that time would; return the time that now is."""
        if time_ms < self.now_ms:
            self._stepped_back[0] += 1
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


def is_finite(switches: Switches) -> bool:
    """Tell whether some owner has a finite allowance."""
    return switches.allowance is not None or any(
        each is not None for each in switches.allowances.values()
    )
