"""`Engine`: the definition's answers for batches of packets, by compiled code.

Owns what is remembered between batches: the table of flows, first fragments, and every policy
that flows which still live were admitted by. Time comes from the packets. What it decides is
`reference.decide`'s to say; nothing here may differ from it.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from secgroup.conntrack.flow import Flow
from secgroup.conntrack.state import State
from secgroup.conntrack.timeout import Timeouts
from secgroup.decision.switches import AS_DOCUMENTED, Switches
from secgroup.engine.answers import Decisions
from secgroup.engine.batch import Batch
from secgroup.engine.births import Births
from secgroup.engine.columnar import batch_from, columns_of
from secgroup.engine.compile import Compiled
from secgroup.engine.compile import compile as compile_policy
from secgroup.engine.entry import flow_of, inside_of
from secgroup.engine.firsts import FirstStore
from secgroup.engine.flows import FlowStore
from secgroup.engine.kernels.decide import decide, seek
from secgroup.engine.kernels.examine import examine
from secgroup.engine.kernels.rules import ask
from secgroup.engine.kernels.screen import name, screen
from secgroup.engine.kernels.step import tell_acts
from secgroup.engine.layout import (
    I4,
    OWNER,
    PACKET,
    RECORD_WORDS,
    U1,
    DecisionColumns,
    Packets,
    empty_decisions,
    empty_packets,
)
from secgroup.engine.machine import MACHINE
from secgroup.engine.plain import PLACES, lines_of
from secgroup.engine.rows import (
    ADMISSIONS,
    BATCH,
    CHUNK,
    FAR,
    LOOSE_TCP,
    NO_KEY,
    NO_SLOT,
    RELATED_ICMP,
    SETTINGS,
    STRICT_TCP,
    TO_ASK,
    WHY,
    Rows,
    empty_rows,
)
from secgroup.engine.snapshot import Restored, read, restore, write
from secgroup.engine.tables import Tables
from secgroup.errors import InternalError
from secgroup.model.network import Network
from secgroup.policy.resolve import Policy

#: How many rows that turn out to need the rules are asked about together, the first time in a
#: chunk; each further time twice as many.
_FIRST_RUN: Final = 64

#: Admissions that a record has room for; from there on they are given anew from 0.
_MOST_ADMISSIONS: Final = 1 << 32

_NO_MARKS: Final[U1] = np.zeros(0, dtype=np.uint8)
_NO_PACKETS: Final = empty_packets(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """A policy that was or is in force.

    Parameters
    ----------
    admissions : int
        The admission of interface row r is this + r.
    batch : int
        The first batch that it decided.

    """

    compiled: Compiled
    admissions: int
    batch: int


def _behind(generations: list[Generation]) -> int:
    """Return the first admission behind those of generations."""
    if not generations:
        return 0
    last = generations[-1]
    return last.admissions + len(last.compiled.tables.interfaces)


class Engine:
    """Decides batches of packets as `reference.decide` does one packet after the other.

    Parameters
    ----------
    network : Network
        The one in force.
    switches : Switches, optional
        Other answers to what AWS leaves open, and allowances.
    key : bytes
        Of the hash of flows. Random for each process, so that nobody can send flows that
        collide; the answers do not depend on it.
    room : int
        How many flows the table is laid out for; more may come.
    compiled : Compiled, optional
        The network, as another engine has compiled it.
    keeps_births : bool
        Keep the millisecond and the order in which entries are made, 24 bytes for each.

    Raises
    ------
    InputError
        An interface has more rules than AWS allows, or an idle timeout over 24 days.

    """

    def __init__(
        self,
        network: Network,
        switches: Switches = AS_DOCUMENTED,
        *,
        key: bytes,
        room: int = 1 << 25,
        compiled: Compiled | None = None,
        keeps_births: bool = False,
    ) -> None:
        self.network = network
        self.switches = switches
        self._flows = FlowStore(key, room=room)
        self._firsts = FirstStore(self._flows.flows.secret)
        self._settings = np.zeros(SETTINGS, dtype=np.int64)
        self._settings[RELATED_ICMP] = switches.related_icmp
        self._settings[LOOSE_TCP] = switches.loose_tcp
        self._settings[STRICT_TCP] = switches.strict_tcp
        self._rows = empty_rows()
        self._all = np.arange(CHUNK + FAR, dtype=np.int32)
        self._chunks = 0
        self._lines_are_of: Tables | None = None
        self._births = Births() if keeps_births else None
        self._generations: list[Generation] = []
        compiled = compile_policy(Policy(network)) if compiled is None else compiled
        self._set_timeouts(compiled)
        self._put_in_force(compiled)

    # What is in force

    @property
    def compiled(self) -> Compiled:
        """The policy in force."""
        return self._generations[-1].compiled

    @property
    def now_ms(self) -> int:
        """The clock: the largest time so far, in milliseconds."""
        return self._flows.now_ms

    @property
    def stepped_back(self) -> int:
        """How many packets were earlier than the clock, and judged at it."""
        return self._flows.stepped_back

    @property
    def size_bytes(self) -> int:
        """What the table of flows takes, without what it has not used yet."""
        return self._flows.size_bytes

    def __len__(self) -> int:
        """Count the entries, expired ones that wait for reaping included."""
        return len(self._flows)

    def interface_number(self, interface_id: str) -> int:
        """Return the row of an interface, as a batch names it.

        Raises
        ------
        KeyError
            The network in force has no such interface.

        """
        return self.compiled.interfaces[interface_id]

    def change(self, network: Network, *, compiled: Compiled | None = None) -> None:
        """Put another network in force, which another engine may have compiled.

        Entries survive; those of an interface that is deleted, detached or attached elsewhere
        go, and those of an address that is taken from its interface. ACLs act at once.

        Raises
        ------
        InputError
            As the constructor; the network before stays in force.

        """
        if compiled is None:
            compiled = compile_policy(
                Policy(network, previous=self.compiled.policy), previous=self.compiled
            )
        # It may refuse: before anything is gone.
        self._set_timeouts(compiled)
        self._flows.remove(self._gone(network, compiled))
        self.network = network
        self._put_in_force(compiled)

    def _set_timeouts(self, compiled: Compiled) -> None:
        self._flows.set_timeouts(
            Timeouts(tcp_established=established, udp=udp, udp_stream=stream)
            for established, udp, stream in compiled.tables.timeouts.tolist()
        )

    def _put_in_force(self, compiled: Compiled) -> None:
        self._flows.set_owners(self.switches.allowance_of(owner) for owner in compiled.owners)
        admissions = _behind(self._generations)
        kept = [*self._still_needed()]
        if admissions + len(compiled.tables.interfaces) > _MOST_ADMISSIONS:
            kept = self._move_down(kept)
            admissions = _behind(kept)
        self._generations = [
            *kept,
            Generation(
                compiled=compiled, admissions=admissions, batch=int(self._settings[BATCH]) + 1
            ),
        ]
        self._settings[ADMISSIONS] = admissions

    def _move_down(self, kept: list[Generation]) -> list[Generation]:
        """Give the entries of generations the lowest admissions."""
        moved: list[Generation] = []
        numbers = self._flows.used()
        admissions = self._flows.records["admission"]
        of = self._generation_of(admissions[numbers])
        for number, each in enumerate(self._generations):
            if each in kept:
                first = _behind(moved)
                admissions[numbers[of == number]] -= np.uint32(each.admissions - first)
                moved.append(replace(each, admissions=first))
        return moved

    def _still_needed(self) -> Iterator[Generation]:
        """Yield the generations that a living flow or a remembered fragment goes back to."""
        used = set(self._generation_of(self._flows.records["admission"][self._flows.used()]))
        used |= {self._in_batch(batch) for batch in self._firsts.batches()}
        for number, generation in enumerate(self._generations):
            if number in used or number == len(self._generations) - 1:
                yield generation

    def _generation_of(self, admissions: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return which generation each admission is of."""
        firsts = np.array([each.admissions for each in self._generations])
        return np.searchsorted(firsts, admissions.astype(np.int64), side="right") - 1

    def _in_batch(self, batch: int) -> int:
        """Return which generation was in force in a batch."""
        return bisect_right([each.batch for each in self._generations], batch) - 1

    def _gone(self, network: Network, compiled: Compiled) -> NDArray[np.int64]:
        """Return the entries that a change of networks takes."""
        before, rows = self.network, compiled.memory.interfaces
        changed: dict[int, str] = {}
        for interface_id, row in rows.items():
            now, then = network.interfaces.get(interface_id), before.interfaces.get(interface_id)
            if (
                now is None
                or then is None
                or (
                    (now.owner, now.addresses, now.prefixes)
                    != (then.owner, then.addresses, then.prefixes)
                )
            ):
                changed[row] = interface_id
        numbers = self._flows.used()
        records = self._flows.records[numbers]
        interfaces = self._interfaces_of(records)
        chosen = np.flatnonzero(np.isin(interfaces, np.array([*changed], dtype=np.int64)))
        gone = []
        for at in chosen.tolist():
            interface_id = changed[int(interfaces[at])]
            now, then = network.interfaces.get(interface_id), before.interfaces.get(interface_id)
            record = records[at]
            owner = int(record["owner_protocol"]) & OWNER
            if now is None or compiled.owners[now.owner] != owner:
                gone.append(int(numbers[at]))
                continue
            inside = inside_of(record)
            if then is not None and then.has_address(inside) and not now.has_address(inside):
                gone.append(int(numbers[at]))
        return np.array(gone, dtype=np.int64)

    def _interfaces_of(self, records: NDArray[np.void]) -> NDArray[np.int64]:
        """Return the row of the interface that made each record."""
        firsts = np.array([each.admissions for each in self._generations])
        admissions = records["admission"]
        rows: NDArray[np.int64] = admissions.astype(np.int64)
        rows -= firsts[self._generation_of(admissions)]
        return rows

    # Deciding

    def batch(self, table: object = None, /, **columns: Any) -> Batch:
        """Make a batch of columns by name (docs/python.md).

        Parameters
        ----------
        table : table, optional
            What hands out Arrow: of pandas, polars, pyarrow, DuckDB.
        columns
            More of them: lists, arrays, columns of a table.

        Raises
        ------
        InputError
            A column is missing, unknown or of another length, or a value is none of its kind.

        """
        given = {} if table is None else columns_of(table)
        return batch_from(given | columns, self.compiled.interfaces)

    def decide(self, batch: Batch, marks: U1 | None = None) -> Decisions:
        """Decide packets in their order, and remember what follows from each.

        Parameters
        ----------
        batch : Batch
            Packets at rows of `interface_number`; those at row -1 are not decided, their reason
            is 0. Times are milliseconds; one before the clock is judged at the clock.
        marks : uint8, shape (n,), optional
            `placing.ROWS_FOLLOW` for a row that is decided only if the row before it was
            accepted, `placing.AT_NONE` for a malformed packet that is rejected at no interface.

        Returns
        -------
        Decisions
            One for each packet.

        Raises
        ------
        TypeError
            A column has not the dtype, shape or order of `layout.Packets`.
        ValueError
            A row is of no interface in force, or quotes a row that is not there.

        """
        packets, quotes = checked(batch.packets), checked(batch.quotes)
        self.check_rows(batch)
        before_ms = self.now_ms
        self.begin(packets)
        out = empty_decisions(len(batch))
        marks = _NO_MARKS if marks is None else marks
        for start in range(0, len(batch), CHUNK):
            stop = min(len(batch), start + CHUNK)
            self.look_over(packets, start, stop, self._rows, out)
            self.track(packets, quotes, start, stop - start, self._all, self._rows, out, marks)
        if self._births is not None:
            self._births.note(packets, out, before_ms)
        firsts, firsts_compiled = self.end(packets, out)
        return Decisions(
            columns=out,
            batch=batch,
            compiled=self.compiled,
            firsts=firsts,
            firsts_compiled=firsts_compiled,
        )

    # A batch in its parts, which `Cores` gives to several

    def begin(self, packets: Packets) -> None:
        """Begin a batch: make what its packets need and has not been made before."""
        self.compiled.build(packets.interface)
        if self._lines_are_of is not self.compiled.tables:
            self._lines_are_of = self.compiled.tables
            self._lines = lines_of(self.compiled.tables)
        self._settings[BATCH] += 1
        self._firsts.forget(self.now_ms)

    def look_over(
        self, packets: Packets, start: int, stop: int, rows: Rows, out: DecisionColumns
    ) -> None:
        """Take the rows of a chunk through the stages that no flow has a say in."""
        special = screen(self._lines, PLACES, packets, start, stop, rows, out)
        if special:
            examine(self.compiled.tables, MACHINE.icmp_kinds, packets, start, special, rows, out)
        ends = packets.source_hi, packets.source_lo, packets.destination_hi, packets.destination_lo
        secret = self._flows.flows.secret
        name(packets.direction, *ends, secret, start, stop, rows.last_words, rows.tags)
        does = packets.shape, packets.protocol, packets.tcp_flags, packets.sequence, packets.payload
        tell_acts(packets.direction, *does, start, stop, rows.acts)

    def track(
        self,
        packets: Packets,
        quotes: Packets,
        start: int,
        count: int,
        mine: I4,
        rows: Rows,
        out: DecisionColumns,
        marks: U1,
    ) -> None:
        """Take rows through the other stages, and make room whenever there is none.

        Parameters
        ----------
        start : int
            The first row of the chunk.
        count : int
            How many of its rows are meant: the first ones of `mine`.
        mine : int32, shape (CHUNK + FAR,)
            Rows of the chunk, in their order, and others behind them that are asked for in vain.

        """
        tables, settings = self.compiled.tables, self._settings
        self._chunks += 1
        self._flows.prepare(count)
        flows = self._flows.flows
        asked = seek(
            flows.index,
            flows.control,
            mine,
            count,
            self._chunks,
            rows.tags,
            rows.entries,
            rows.answers,
            rows.listed,
            rows.seen,
        )
        if asked:
            ask(tables, MACHINE, packets, quotes, settings, start, asked, rows, out)
        at, run = 0, _FIRST_RUN
        while True:
            flows, firsts = self._flows.flows, self._firsts.firsts
            at = decide(
                flows, firsts, MACHINE, packets, rows, mine, out, settings, marks, start, at, count
            )
            if at == count:
                return
            why = settings[WHY]
            if why == NO_SLOT:
                raise InternalError("the index of flows has no room behind a hash")
            if why == TO_ASK:
                asked = _list_next(rows, mine[at:count], run)
                ask(tables, MACHINE, packets, quotes, settings, start, asked, rows, out)
                run *= 2
            else:
                self._flows.make_room()
                self._firsts.make_room()

    def end(
        self,
        packets: Packets,
        out: DecisionColumns,
        mine: NDArray[np.bool_] | None = None,
        before: int = 0,
    ) -> tuple[Packets, tuple[Compiled, ...]]:
        """End a batch: keep its first fragments, and return those of others that it refers to.

        Parameters
        ----------
        mine : bool, shape (n,), optional
            The rows that were decided here; without all of them.
        before : int, optional
            How many others' stand before those that are returned.

        """
        if not len(self._firsts):
            return _NO_PACKETS, ()
        self._firsts.keep_packets(packets, int(self._settings[BATCH]))
        earlier = out.first < -1
        rows = np.flatnonzero(earlier if mine is None else earlier & mine)
        firsts, batches = self._firsts.take(-2 - out.first[rows])
        out.first[rows] = -2 - before - np.arange(len(rows))
        return firsts, tuple(self._generations[self._in_batch(each)].compiled for each in batches)

    def check_rows(self, batch: Batch) -> None:
        """Check what the columns of a batch refer to.

        Raises
        ------
        ValueError
            As `decide`.

        """
        interfaces = batch.packets.interface
        if len(interfaces) and interfaces.max() >= len(self.compiled.tables.interfaces):
            raise ValueError(f"interface {interfaces.max()} is none of the engine's")
        if len(interfaces) and batch.packets.direction.max() > 1:
            raise ValueError("a direction is neither 0, ingress, nor 1, egress")
        gone = np.flatnonzero(self.compiled.tables.interfaces.table < 0)
        if len(gone) and np.isin(interfaces, gone).any():
            raise ValueError("a packet is at an interface that is gone")
        quote = batch.packets.quote
        if len(quote) and quote.max() >= len(batch.quotes.time_ms):
            raise ValueError(f"quote {quote.max()} is none of the {len(batch.quotes.time_ms)}")

    def snapshot(self, file: IO[bytes]) -> None:
        """Write what is remembered to a file that is open for writing."""
        self._firsts.forget(self.now_ms)
        write(
            file,
            self._flows,
            self._firsts,
            self.compiled,
            self._interfaces_of(self._flows.records[self._flows.used()]),
            [
                self._generations[self._in_batch(each)].compiled
                for each in self._firsts.decided_in()
            ],
            int(self._settings[BATCH]),
        )

    def restore(self, file: IO[bytes]) -> Restored:
        """Remember what a snapshot says, as if all its packets had been decided here.

        The network may be another revision: what is gone from it is dropped, as by `change`.
        The rules that admitted a flow are afterwards those of the network in force.
        Preconditions: nothing has been decided yet.

        Raises
        ------
        InputError
            The file is no snapshot or a damaged one; nothing is remembered then.

        """
        if len(self) or self._settings[BATCH] != 0:
            raise ValueError("a snapshot can only be restored before the first batch")
        given = read(file)
        self.compiled.know_timeouts(given.timeouts)
        self._set_timeouts(self.compiled)
        restored = restore(given, self._flows, self._firsts, self.compiled)
        self._settings[BATCH] = given.clock[2]
        self._generations = [Generation(compiled=self.compiled, admissions=0, batch=0)]
        self._settings[ADMISSIONS] = 0
        return restored

    def advance(self, time_ms: int) -> int:
        """Move the clock as a packet of that time would; return the time that now is."""
        return self._flows.advance(time_ms)

    # What is remembered

    def records(self) -> NDArray[np.void]:
        """Return copies of all entries, expired ones that wait for reaping included, sorted."""
        found = self._flows.records[self._flows.used()]
        words = found.view(np.uint64).reshape(-1, RECORD_WORDS)
        return found[np.lexsort([words[:, word] for word in range(5)])]

    def entries(self) -> NDArray[np.int64]:
        """Return the numbers of all entries, expired ones that wait for reaping included."""
        return self._flows.used()

    def connections(self) -> Iterator[Flow]:
        """Yield the flows that are alive now: oldest entry first, if births are kept."""
        numbers = self._flows.live()
        if self._births is not None:
            numbers = numbers[np.argsort(self._births.orders(numbers), kind="stable")]
        for number in numbers.tolist():
            yield self.flow(number)

    def flow(self, entry: int) -> Flow:
        """Return an entry as a value, by its number. Preconditions: it is in use.

        Unless births are kept, `created_ms` is the whole second in which it was made.
        """
        record = self._flows.records[entry]
        generation = self._generations[int(self._generation_of(record["admission"]))]
        row = int(record["admission"]) - generation.admissions
        birth = None if self._births is None else self._births.of(entry)
        return flow_of(record, generation.compiled, row, self.now_ms, birth)

    def establish(self, entry: int, positions: tuple[int | None, int | None]) -> None:
        """Bring an entry to ESTABLISHED, as if its connection had been open before.

        Parameters
        ----------
        entry : int
            One that a TCP packet made.
        positions : pair of int or None
            The highest sequence end of each side, by `Side`; None before its first.

        """
        self._flows.establish(entry, int(State.ESTABLISHED), positions)

    def remove(self, entry: int) -> None:
        """Forget an entry. Preconditions: it is in use."""
        self._flows.remove(np.array([entry], dtype=np.int64))

    def weights(self) -> dict[str, int]:
        """Return what each owner's entries take of its allowance; owners without any are out."""
        taken = self._flows.flows.weight.tolist()
        return {
            owner: weight
            for owner, weight in zip(self.compiled.owners, taken, strict=True)
            if weight != 0
        }


def _list_next(rows: Rows, mine: I4, run: int) -> int:
    """List the first one of these rows and others that will probably need the rules; count them."""
    likely = rows.entries[mine] == 0
    likely &= (rows.answers[mine] == 0) & (rows.tags[mine] >= NO_KEY)
    likely[0] = True
    chosen = mine[np.flatnonzero(likely)[:run]]
    rows.listed[: len(chosen)] = chosen
    return len(chosen)


def checked(packets: Packets) -> Packets:
    """Return read-only views of columns, so that kernels are compiled for one kind of array.

    Raises
    ------
    TypeError
        A column has not the dtype, shape or order of `layout.Packets`.

    """
    shape = (len(packets.time_ms),)
    views = []
    for title, dtype in PACKET.items():
        column = getattr(packets, title)
        flags = column.flags
        if column.dtype != dtype or column.shape != shape or not flags.c_contiguous:
            raise TypeError(
                f"{title} is {column.dtype} of shape {column.shape}, "
                f"expected {np.dtype(dtype)} of shape {shape} in C order"
            )
        view = column.view() if flags.aligned else column.copy()
        view.setflags(write=False)
        views.append(view)
    return Packets._make(views)
