"""`ColumnFirewall`: what `firewall.Firewall` decides frame by frame, for batches of a capture.

Owns how a batch becomes rows (placing, copies, the clock) and the order in which a connection is
numbered, adopted and decided. Every answer is the definition's: where frames are decided is asked
of `Who`, once for each distinct name, and what decides is the engine.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from secgroup.conntrack.flow import Flow
from secgroup.decision import Reason
from secgroup.engine import batch as packets_of
from secgroup.engine.batch import halves
from secgroup.engine.capture import Batch
from secgroup.engine.columns import I4, I8, U1, U8
from secgroup.engine.compile import Compiled
from secgroup.engine.connections import Connections
from secgroup.engine.decisions import Rows
from secgroup.engine.engine import Engine
from secgroup.engine.frames import CARRIES_IP, CUT, NO_DIRECTION, NO_MAC, Frames
from secgroup.engine.kernels.place import (
    bind,
    count_rows,
    expand,
    find_copies,
    run_clock,
    shorten,
)
from secgroup.engine.layout import (
    DECISION,
    KNOWN_DESTINATION,
    KNOWN_SOURCE,
    LATER_FRAGMENT,
    MALFORMED,
    DecisionColumns,
    Packets,
    empty_decisions,
    empty_packets,
)
from secgroup.engine.observed import STOP, TO_ADOPT
from secgroup.engine.placing import (
    BACK_NS,
    BACK_ROW,
    COPY,
    CUT_FRAME,
    FORWARD_NS,
    FORWARD_ROW,
    NOT_IP,
    NOW_NS,
    ROWS_FOLLOW,
    STARTED,
    STEPPED_BACK,
    TO_BE_ASKED,
    Names,
    new_clock,
    nothing_seen,
)
from secgroup.engine.rule_sets import RuleSets
from secgroup.errors import AmbiguousAddressError
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.net.capture import Frame
from secgroup.net.direction import Direction
from secgroup.net.link import Link
from secgroup.net.packet import Packet
from secgroup.policy.policy import InterfacePolicy
from secgroup.reference.memory import AS_DOCUMENTED, Switches
from secgroup.replay.adopt import Positions, adopt
from secgroup.replay.connections import Adoption, Placed
from secgroup.replay.firewall import MILLISECOND_NS, ClockStep
from secgroup.replay.who import At, Census, Place, Undecided, Who

#: Names that are known at once, at the beginning of a batch.
_REMEMBERED: Final = 1 << 20

_CAUSES: Final = tuple(Undecided)
_OTHERS: Final = (
    (NOT_IP, Undecided.NOT_IP),
    (CUT_FRAME, Undecided.CUT_FRAME),
    (COPY, Undecided.COPY),
)
_SENDER, _RECEIVER, _CAUSE, _SCOPE = range(4)


class _Places:
    """Where the frames of each name are decided, as columns; names hold for one network."""

    def __init__(self, secret: U8) -> None:
        self._secret = secret
        self.links = Names(secret)
        self._scopes: dict[str | None, int] = {None: -1}
        self.clear()

    def clear(self) -> None:
        """Forget all but the numbers of links and scopes."""
        self.names = Names(self._secret)
        self.places: list[Place] = []
        self.columns: I4 = np.zeros((4, 1 << 10), dtype=np.int32)

    def learn(self, place: Place, rows: Mapping[str, int]) -> None:
        """Take in where the frames of the next name are decided."""
        number = len(self.places)
        if number == self.columns.shape[1]:
            self.columns = np.concatenate([self.columns, np.zeros_like(self.columns)], axis=1)
        self.places.append(place)
        sender, receiver, cause = place.sender, place.receiver, place.undecided
        scope = self._scopes.setdefault(place.scope, len(self._scopes) - 1)
        self.columns[:, number] = (
            -1 if sender is None else rows[sender.interface_id],
            -1 if receiver is None else rows[receiver.interface_id],
            -1 if cause is None else _CAUSES.index(cause),
            scope,
        )


class ColumnFirewall:
    """Decides batches of a capture as `Firewall` decides its frames.

    Parameters
    ----------
    network, switches, at, vpc, adopt
        As those of `Firewall`.
    secret : uint64, shape (engine.live.SECRET_SIZE,)
        Of hashes; an unknown one keeps collisions from being made.
    key : bytes
        Of the engine's hash.

    Attributes
    ----------
    census, clock_steps, stepped_back
        As those of `Firewall`.
    connections : Connections
        What became of each connection, as columns.
    adoptions : dict
        By the number of the connection.
    policies : list of Compiled
        All that were in force, in their order.
    ambiguous_row : int
        The row of the last batch that AmbiguousAddressError was raised for.

    Raises
    ------
    InputError
        As `Firewall` and `Engine`.

    """

    def __init__(
        self,
        network: Network,
        *,
        switches: Switches = AS_DOCUMENTED,
        at: At = None,
        vpc: str | None = None,
        adopt: bool = True,
        secret: U8,
        key: bytes,
    ) -> None:
        self.census = Census()
        self.clock_steps: list[ClockStep] = []
        self.rule_sets = RuleSets()
        self.connections = Connections(secret=secret)
        self.adoptions: dict[int, Adoption] = {}
        self.policies: list[Compiled] = []
        self.ambiguous_row = 0
        self.interfaces: list[NetworkInterface] = []
        self.acl_ids: list[str | None] = []
        self._adopts = adopt
        self._who = Who(network, at=at, vpc=vpc)
        self._seen = None if self._who.is_at else nothing_seen()
        self._engine = Engine(network, switches, key=key)
        self._clock = new_clock()
        self._secret = secret
        self._places = _Places(secret)
        self._room = (empty_packets(0), *_row_columns(0))
        self._use()

    @property
    def network(self) -> Network:
        """The one in force."""
        return self._engine.network

    @property
    def compares_packets(self) -> bool:
        """The digests of packets are needed, to tell copies."""
        return self._seen is not None

    @property
    def now_ms(self) -> int:
        """The clock: the largest time so far, in milliseconds, rounded down."""
        return int(self._clock[NOW_NS]) // MILLISECOND_NS if self._clock[STARTED] else 0

    @property
    def stepped_back(self) -> int:
        """Frames that were judged at a later time than theirs: the latest one."""
        return int(self._clock[STEPPED_BACK])

    def flows(self) -> Iterator[Flow]:
        """Go through the tracked flows that are alive now."""
        self._engine.advance(self.now_ms)
        return self._engine.connections()

    def change(self, network: Network) -> None:
        """Put another network in force, as `Firewall.change`."""
        self._engine.change(network)
        self._who = self._who.moved_to(network)
        self._places.clear()
        self._use()

    def _use(self) -> None:
        compiled = self._engine.compiled
        known = {each.interface_id: each for each in self.interfaces}
        known |= self.network.interfaces
        self.policies.append(compiled)
        self.interfaces = [known[each] for each in compiled.memory.interfaces]
        acls = compiled.tables.interfaces.acl.tolist()
        self.acl_ids = [compiled.acl_ids[each] if compiled.acl_ids else None for each in acls]
        self.rule_sets.use(
            compiled.tables.interfaces.table,
            lambda table, direction, family, *classes: compiled.rule_ids(
                table, Direction(direction), family, *classes
            ),
        )
        self.connections.use(self.interfaces, self.acl_ids)
        self._hold()

    def _hold(self) -> None:
        """Note which interface has each address, unless that takes more to say."""
        self._holders, held_by = Names(self._secret), list[int]()
        rows = self._engine.compiled.interfaces
        network = self.network
        # Whoever has a delegated prefix may have any address in it.
        for each in () if network.delegated else network.holders:
            some, public = network.holders[each], each in self._who.publics
            alone = len(some) == 1 and not public
            self._holders.put([*halves(each), each.version, 0, 0])
            held_by.append(rows[some[0].interface_id] if alone else TO_BE_ASKED)
        for each in self._who.publics if not network.delegated else ():
            if each not in network.holders:
                self._holders.put([*halves(each), each.version, 0, 0])
                held_by.append(TO_BE_ASKED)
        self._held_by: I4 = np.array(held_by or [0], dtype=np.int32)

    # Deciding

    def decide(self, batch: Batch, begin: int, end: int) -> Rows:
        """Decide frames, and take note of what becomes of their connections.

        Parameters
        ----------
        begin, end
            Rows of the batch's frames.

        Returns
        -------
        Rows
            Egress before ingress; they hold until the next frames are decided. A frame that is
            not decided has one row of reason 0, as has the arrival of a packet that its sender's
            interface has rejected: `frames` of that one is negative.

        Raises
        ------
        AmbiguousAddressError
            As `Firewall.decide`.

        """
        if begin == 0 and len(self._places.names) > _REMEMBERED:
            self._places.clear()
        frames = Frames._make(column[begin:end] for column in batch.frames)
        packets = Packets._make(column[begin:end] for column in batch.packets)
        self._run_clock(frames, packets.time_ms)
        numbers = self._number(batch, frames, packets, begin)
        self._count(numbers)
        return self._decide_rows(*self._rows(frames, packets, numbers), batch.quotes)

    def _run_clock(self, frames: Frames, times_ms: I8) -> None:
        clock = self._clock
        known = clock[BACK_ROW] >= 0, clock[FORWARD_ROW] >= 0
        run_clock(clock, frames.time_ns, times_ms, 0, times_ms.shape[0])
        steps = [
            ClockStep(frame=int(frames.number[clock[row]]), step_ns=int(clock[length]))
            for was, row, length in zip(
                known, (BACK_ROW, FORWARD_ROW), (BACK_NS, FORWARD_NS), strict=True
            )
            if not was and clock[row] >= 0
        ]
        self.clock_steps += sorted(steps, key=lambda step: step.frame)

    def _number(self, batch: Batch, frames: Frames, packets: Packets, begin: int) -> I4:
        """Return the number of each frame's place, or why it has none."""
        carries = frames.carries
        numbers = np.where(carries == CUT, np.int32(CUT_FRAME), np.int32(NOT_IP))
        count = numbers.shape[0]
        if self._seen is not None and frames.digest_lo.shape[0]:
            # Where: a mirror session is a capture interface of its own.
            find_copies(
                self._seen,
                carries,
                frames.time_ns,
                frames.interface << 25 | (frames.vni + 1),
                frames.digest_hi,
                frames.digest_lo,
                numbers,
                0,
                count,
            )
        words = self._words(frames, packets)
        names, row = self._places.names, 0
        while (row := names.number(words, carries, numbers, row)) < count:
            names.learn(words, row)
            try:
                place = self._who.place(_frame(batch, begin + row))
            except AmbiguousAddressError:
                self.ambiguous_row = begin + row
                raise
            self._places.learn(place, self._engine.compiled.interfaces)
        return numbers

    def _words(self, frames: Frames, packets: Packets) -> tuple[U8, U8, U8, U8, U8]:
        """Return what tells where each frame is decided."""
        if not self._who.is_at:
            words = np.empty((5, frames.carries.shape[0]), dtype=np.uint64)
            shorten(*self._holders.index, self._held_by, packets, frames.carries, *words)
            return words[0], words[1], words[2], words[3], words[4]
        malformed = packets.shape & MALFORMED != 0
        known = np.where(malformed, packets.shape, np.uint8(KNOWN_SOURCE | KNOWN_DESTINATION))
        what = (known & np.uint8(KNOWN_SOURCE | KNOWN_DESTINATION)).astype(np.uint64)
        what = what << np.uint64(8) | packets.family.astype(np.uint64)
        what |= self._links(frames).astype(np.uint64) << np.uint64(16)
        return (
            packets.source_hi,
            packets.source_lo,
            packets.destination_hi,
            packets.destination_lo,
            what,
        )

    def _links(self, frames: Frames) -> I4:
        """Give numbers to what tells where and which way a frame was captured."""
        numbers = np.zeros(frames.carries.shape[0], dtype=np.int32)
        words = (
            frames.capture_interface.astype(np.uint64),
            frames.interface.astype(np.uint64),
            frames.source_mac,
            frames.destination_mac,
            frames.direction.astype(np.uint64),
        )
        row = 0
        while (row := self._places.links.number(words, frames.carries, numbers, row)) < len(
            numbers
        ):
            self._places.links.learn(words, row)
        return numbers

    def _count(self, numbers: I4) -> None:
        """Count the frames that are not decided, or on one side only."""
        causes = self._places.columns[_CAUSE]
        found: list[tuple[int, Undecided, int, Place]] = []
        for other, cause in _OTHERS:
            rows = np.flatnonzero(numbers == other)
            if rows.shape[0]:
                found.append((int(rows[0]), cause, rows.shape[0], Place()))
        rows = np.flatnonzero((numbers >= 0) & (causes[numbers] >= 0))
        if rows.shape[0]:
            which, firsts, counts = np.unique(numbers[rows], return_index=True, return_counts=True)
            for number, first, count in zip(
                which.tolist(), rows[firsts].tolist(), counts.tolist(), strict=True
            ):
                place = self._places.places[number]
                if place.undecided is not None:
                    found.append((first, place.undecided, count, place))
        for _, cause, count, place in sorted(found, key=lambda each: each[0]):
            self.census.add(cause, place.addresses, frames=count)

    def _rows(
        self, frames: Frames, packets: Packets, numbers: I4
    ) -> tuple[Packets, I8, I8, I4, U1]:
        """Return packets at interfaces, frames, times, scopes and marks."""
        columns, count = self._places.columns, numbers.shape[0]
        senders, receivers = columns[_SENDER], columns[_RECEIVER]
        scopes, causes = columns[_SCOPE], columns[_CAUSE]
        needed = count_rows(numbers, senders, receivers, 0, count)
        if self._room[1].shape[0] < needed:
            self._room = (empty_packets(2 * needed), *_row_columns(2 * needed))
        room, out_frames, out_times, out_scopes, marks = self._room
        if needed == count:
            bind(
                numbers, senders, receivers, scopes, causes, packets.shape,
                packets.interface, packets.direction, out_scopes, marks, 0, count,
            )  # fmt: skip
            rows = packets
            out_frames[:count], out_times[:count] = frames.number, frames.time_ns
        else:
            rows = Packets._make(column[:needed] for column in room)
            expand(
                packets, frames.number, frames.time_ns, packets.time_ms, numbers,
                senders, receivers, scopes, causes, 0, count,
                rows, out_frames, out_times, out_scopes, marks,
            )  # fmt: skip
        return rows, out_frames[:needed], out_times[:needed], out_scopes[:needed], marks[:needed]

    def _decide_rows(
        self,
        packets: Packets,
        frames: I8,
        times_ns: I8,
        scopes: I4,
        marks: U1,
        quotes: Packets,
    ) -> Rows:
        """Decide rows in their order, numbering and adopting connections on the way."""
        step = _Rows(self, packets, frames, times_ns, scopes, marks, quotes)
        step.run(self._adopts)
        rule_sets = self.rule_sets.of(packets, step.out)
        for row, rule_ids in step.earlier:
            rule_sets[row] = self.rule_sets.number(rule_ids)
        self.connections.see(packets, step.out, frames, times_ns, step.connections, rule_sets)
        return Rows(
            packets=packets,
            decisions=step.out,
            frames=frames,
            times_ns=times_ns,
            connections=step.connections,
            rule_sets=rule_sets,
        )

    def adopt(
        self, packet: Packet, place: Place, number: int, frame: int, time_ns: int, now_ms: int
    ) -> None:
        """Adopt a connection whose first packet is about to be decided, if that can be."""
        entries = _Entries(self._engine)

        def decide(syn: Packet, way: Place) -> tuple[Placed, ...]:
            return self._decide_syn(syn, way, entries, frame, time_ns, now_ms)

        adoption = adopt(packet, place, entries, decide)
        self.adoptions[number] = adoption
        if adoption.adopted:
            self.connections.adopt(
                number,
                [(each, self.rule_sets.number(rules)) for each, rules in adoption.rule_ids],
            )

    def _decide_syn(
        self,
        syn: Packet,
        way: Place,
        entries: "_Entries",
        frame: int,
        time_ns: int,
        now_ms: int,
    ) -> tuple[Placed, ...]:
        placed = []
        for interface, direction in (
            (way.sender, Direction.EGRESS),
            (way.receiver, Direction.INGRESS),
        ):
            if interface is None:
                continue
            row = self._engine.interface_number(interface.interface_id)
            sighting = packets_of.Sighting(syn, row, direction, now_ms)
            found = self._engine.decide(packets_of.batch_of([sighting]))
            decision = found.decision(0)
            assert decision is not None
            each = Placed(
                frame=frame,
                time_ns=time_ns,
                packet=syn,
                interface=interface,
                direction=direction,
                decision=decision,
                policy=self.policy_at(len(self.policies) - 1, interface.interface_id),
            )
            entries.note(each, int(found.columns.entry[0]))
            placed.append(each)
            if not decision.accepted:
                break
        return tuple(placed)

    def policy_at(self, number: int, interface_id: str) -> InterfacePolicy:
        """Return what decided at an interface while a policy was in force."""
        return self.policies[number].policy.at(interface_id)


class _Rows:
    """Rows on their way through numbering, adoption and deciding."""

    def __init__(
        self,
        firewall: ColumnFirewall,
        packets: Packets,
        frames: I8,
        times_ns: I8,
        scopes: I4,
        marks: U1,
        quotes: Packets,
    ) -> None:
        self._firewall = firewall
        self._packets, self._frames, self._times_ns = packets, frames, times_ns
        self._scopes, self._marks = scopes, marks
        self._batch = packets_of.Batch(packets=packets, quotes=quotes)
        self._decided = 0
        count = frames.shape[0]
        self.connections: I8 = np.zeros(count, dtype=np.int64)
        self.out: DecisionColumns = empty_decisions(count)
        #: Rules of later fragments whose first one another policy has decided.
        self.earlier: list[tuple[int, tuple[str, ...]]] = []
        # What is not decided yet is numbered as if it were.
        np.not_equal(packets.interface, -1, out=self.out.reason, casting="unsafe")
        self.out.first.fill(-1)

    def run(self, adopts: bool) -> None:  # noqa: FBT001
        """Decide everything."""
        packets, count = self._packets, self._frames.shape[0]
        is_later = packets.shape & (LATER_FRAGMENT | MALFORMED) == LATER_FRAGMENT
        later = iter(np.flatnonzero(is_later & (packets.interface >= 0)).tolist())
        limit, at = next(later, count), 0
        while at < count:
            if at < limit:
                at = self._number(at, limit, adopts=adopts)
                if self._must_adopt:
                    self._adopt(at)
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
        connections = self._firewall.connections
        at = connections.number(
            self._packets,
            self.out,
            self._frames[:end],
            self._times_ns[:end],
            self._scopes[:end],
            self.connections,
            stops_to_adopt=adopts,
            begin=begin,
        )
        self._must_adopt = adopts and bool(connections.observed.state[STOP] == TO_ADOPT)
        return at

    def _adopt(self, behind: int) -> None:
        """Adopt the connection whose first frame ends before row `behind`."""
        row = behind - 1
        if row > 0 and self._frames[row - 1] == self._frames[row]:
            row -= 1
        self._decide_to(row)
        packet = self._batch.packet(row)
        assert isinstance(packet, Packet)
        firewall, interfaces = self._firewall, self._packets.interface
        ends: list[NetworkInterface | None] = [None, None]
        for each in range(row, behind):
            ends[self._packets.direction[each]] = firewall.interfaces[interfaces[each]]
        firewall.adopt(
            packet,
            firewall._who.every_end(
                Place(sender=ends[Direction.EGRESS], receiver=ends[Direction.INGRESS]), packet
            ),
            int(self.connections[row]),
            int(self._frames[row]),
            int(self._times_ns[row]),
            int(self._packets.time_ms[row]),
        )

    def _decide_to(self, end: int) -> None:
        """Decide the rows before `end` that are not decided yet."""
        begin, self._decided = self._decided, end
        if begin == end:
            return
        whole = end - begin == self._frames.shape[0]
        batch = self._batch if whole else self._batch.rows(begin, end)
        marks = self._marks[begin:end]
        decisions = self._firewall._engine.decide(batch, marks)
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
                self.earlier.append((begin + row, decisions.rule_ids(row)))
                self.out.address_class[begin + row] = self.out.port_class[begin + row] = -1


class _Entries:
    """The entries that SYNs of an adoption have made, in the engine's table."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._made: dict[int, int] = {}
        self._kept: list[Placed] = []

    def note(self, placed: Placed, entry: int) -> None:
        """Remember which entry a decision is about."""
        if placed.decision.reason is Reason.NEW:
            # Kept, so that no other value gets its identity.
            self._kept.append(placed)
            self._made[id(placed)] = entry

    def establish(self, placed: Placed, opener: Packet, positions: Positions) -> None:  # noqa: ARG002
        """Bring the entry that a SYN has just made to ESTABLISHED."""
        entry = self._made.get(id(placed))
        if entry is not None:
            self._engine.establish(entry, positions)

    def withdraw(self, placed: Placed, opener: Packet) -> None:  # noqa: ARG002
        """Take back what a SYN made that was rejected further on."""
        entry = self._made.pop(id(placed), None)
        if entry is not None:
            self._engine.remove(entry)


def _row_columns(count: int) -> tuple[I8, I8, I4, U1]:
    return (
        np.zeros(count, dtype=np.int64),
        np.zeros(count, dtype=np.int64),
        np.zeros(count, dtype=np.int32),
        np.zeros(count, dtype=np.uint8),
    )


def _frame(batch: Batch, row: int) -> Frame:
    """Return a frame as far as `Who` asks about it."""
    frames = batch.frames
    direction = int(frames.direction[row])
    carries_ip = frames.carries[row] == CARRIES_IP
    packets = packets_of.Batch(packets=batch.packets, quotes=batch.quotes)
    return Frame(
        number=int(frames.number[row]),
        time_ns=int(frames.time_ns[row]),
        interface=int(frames.interface[row]),
        interface_name=batch.interfaces[int(frames.capture_interface[row])].name,
        original_length=int(frames.original_length[row]),
        captured=b"",
        link=Link(
            ip=b"",
            header_length=0,
            source_mac=_mac(int(frames.source_mac[row])),
            destination_mac=_mac(int(frames.destination_mac[row])),
        ),
        datagram=packets.packet(row) if carries_ip else None,
        direction=None if direction == NO_DIRECTION else Direction(direction),
    )


def _mac(number: int) -> bytes | None:
    return None if number == NO_MAC else number.to_bytes(6)
