"""Frames to rows: where each one of a batch is decided, at which time, and what is a copy.

Owns the memory of copies, the clock, and the numbers of names (what tells where a frame is
decided). Where that is, `Who` says, and is asked once for each distinct name. Knows no rules.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from secgroup.engine.batch import halves
from secgroup.engine.capture import Batch
from secgroup.engine.columns import I4, I8, U1, U8
from secgroup.engine.frames import CUT, Frames
from secgroup.engine.kernels.place import (
    bind,
    count_rows,
    expand,
    find_copies,
    run_clock,
    shorten,
)
from secgroup.engine.layout import (
    KNOWN_DESTINATION,
    KNOWN_SOURCE,
    MALFORMED,
    Packets,
    empty_packets,
)
from secgroup.engine.placing import (
    BACK_NS,
    BACK_ROW,
    COPY,
    CUT_FRAME,
    FORWARD_NS,
    FORWARD_ROW,
    NOT_IP,
    NOW_NS,
    STARTED,
    STEPPED_BACK,
    TO_BE_ASKED,
    Names,
    new_clock,
    nothing_seen,
)
from secgroup.errors import AmbiguousAddressError
from secgroup.model.network import Network
from secgroup.net.packet import Packet
from secgroup.replay.firewall import MILLISECOND_NS, ClockStep
from secgroup.replay.places import CAUSE, RECEIVER, SCOPE, SENDER, Places, frame_of
from secgroup.replay.who import At, Census, Place, Undecided, Who

#: Names that are known at once, at the beginning of a batch.
_REMEMBERED: Final = 1 << 20

_OTHERS: Final = (
    (NOT_IP, Undecided.NOT_IP),
    (CUT_FRAME, Undecided.CUT_FRAME),
    (COPY, Undecided.COPY),
)


class Sightings(NamedTuple):
    """Packets at interfaces, egress before ingress.

    Attributes
    ----------
    packets, quotes : Packets
        Those at interface -1 are not decided.
    frames, times_ns : int64, shape (n,)
        Of the capture.
    scopes : int32, shape (n,)
        Keeps equal addresses of two networks apart; -1 is none.
    marks : uint8, shape (n,)
        `placing.ROWS_FOLLOW` or `placing.AT_NONE`.

    """

    packets: Packets
    quotes: Packets
    frames: I8
    times_ns: I8
    scopes: I4
    marks: U1


class Placement:
    """Places the frames of batches.

    Parameters
    ----------
    network, at, vpc
        As those of `Firewall`.
    secret : uint64, shape (engine.live.SECRET_SIZE,)
        Of hashes; an unknown one keeps collisions from being made.

    Attributes
    ----------
    census : Census
        What was not decided, and why.
    clock_steps : list of ClockStep
        The first step of each kind.
    ambiguous_row : int
        The row of the last batch that AmbiguousAddressError was raised for.

    Raises
    ------
    InputError
        `at` or `vpc` names nothing, or several things.

    """

    def __init__(self, network: Network, *, at: At, vpc: str | None, secret: U8) -> None:
        self.census = Census()
        self.clock_steps: list[ClockStep] = []
        self.ambiguous_row = 0
        self._network = network
        self._who = Who(network, at=at, vpc=vpc)
        self._seen = None if self._who.is_at else nothing_seen()
        self._clock = new_clock()
        self._secret = secret
        self._places = Places(secret)
        self._room = (empty_packets(0), *_row_columns(0))
        self._other_room = (empty_packets(0), *_row_columns(0))

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

    def use(self, network: Network, rows: Mapping[str, int]) -> None:
        """Say which network the frames to come are in, and the row of each interface."""
        if network is not self._network:
            self._network = network
            self._who = self._who.moved_to(network)
        self._interface_rows = rows
        self._places.clear()
        self._hold()

    def _hold(self) -> None:
        """Note which interface has each address, unless that takes more to say."""
        self._holders, held_by = Names(self._secret), list[int]()
        rows = self._interface_rows
        network = self._network
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

    def every_end(self, place: Place, packet: Packet) -> Place:
        """Return a place with the other interface that was captured, as `Who.every_end`."""
        return self._who.every_end(place, packet)

    def place(self, batch: Batch, begin: int, end: int) -> Sightings:
        """Say where frames are decided, and count those that are not.

        Parameters
        ----------
        begin, end
            Rows of the batch's frames.

        Returns
        -------
        Sightings
            They hold until the next frames are placed.

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
        return self._sightings(frames, packets, numbers, batch.quotes)

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
                place = self._who.place(frame_of(batch, begin + row))
            except AmbiguousAddressError:
                self.ambiguous_row = begin + row
                raise
            self._places.learn(place, self._interface_rows)
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
        causes = self._places.columns[CAUSE]
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

    def _sightings(
        self, frames: Frames, packets: Packets, numbers: I4, quotes: Packets
    ) -> Sightings:
        columns, count = self._places.columns, numbers.shape[0]
        senders, receivers = columns[SENDER], columns[RECEIVER]
        scopes, causes = columns[SCOPE], columns[CAUSE]
        needed = count_rows(numbers, senders, receivers, 0, count)
        # Two by turns: what the last one says may still be written while this one is decided.
        self._room, self._other_room = self._other_room, self._room
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
        return Sightings(
            packets=rows,
            quotes=quotes,
            frames=out_frames[:needed],
            times_ns=out_times[:needed],
            scopes=out_scopes[:needed],
            marks=marks[:needed],
        )


def _row_columns(count: int) -> tuple[I8, I8, I4, U1]:
    return (
        np.zeros(count, dtype=np.int64),
        np.zeros(count, dtype=np.int64),
        np.zeros(count, dtype=np.int32),
        np.zeros(count, dtype=np.uint8),
    )
