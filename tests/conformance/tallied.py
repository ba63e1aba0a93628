"""What flow logs are fed from: each logged packet is counted once, in its entry or beside them.

Entries count their own packets, and tell what they had counted when they go; what has no entry is
counted by its addresses, ports and answer.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from secgroup.conntrack.flow import key_of
from secgroup.decision import Decision, Reason
from secgroup.engine.layout import OPENED_EGRESS
from secgroup.net.direction import Direction
from secgroup.net.packet import Malformed
from tests.conformance.expected import Numbers, _halves, name_of
from tests.conformance.kernel import Kernel
from tests.support.traces import Arrival

#: Packets, octets, flags of TCP.
Sum = list[int]


def _nothing() -> Sum:
    return [0, 0, 0]


def _add(to: Sum, packets: int, octets: int, flags: int) -> None:
    to[0] += packets
    to[1] += octets
    to[2] |= flags


@dataclass(frozen=True)
class Parted:
    """What was to be counted, and what was."""

    expected: object
    found: object


class Tallies:
    """Counts what a kernel must have counted since it began."""

    def __init__(self, kernel: Kernel, numbers: Numbers) -> None:
        self.kernel, self.numbers = kernel, numbers
        #: (name of the connection, direction) -> sum; (untallied) -> sum, first and last time.
        self.tallied: defaultdict[tuple[object, ...], Sum] = defaultdict(_nothing)
        self.untallied: defaultdict[tuple[object, ...], Sum] = defaultdict(_nothing)
        self.times: dict[tuple[object, ...], tuple[int, int]] = {}
        self.ended: defaultdict[tuple[object, ...], Sum] = defaultdict(_nothing)

    def note(
        self, arrival: Arrival, decision: Decision, reason: Reason, octets: int, now_ms: int
    ) -> None:
        """Count a packet that was decided, for `reason` as the kernel says it."""
        packet, way = arrival.packet, arrival.direction
        if not decision.logged or isinstance(packet, Malformed):
            return
        flags = 0 if packet.tcp is None else int(packet.tcp.flags)
        if (
            decision.accepted
            and not packet.is_later_fragment
            and reason in (Reason.NEW, Reason.ESTABLISHED)
        ):
            owner = self.kernel.network.interfaces[arrival.interface_id].owner
            key = key_of(packet, way, owner)
            assert key is not None
            _add(self.tallied[(*name_of(key, self.numbers), way)], 1, octets, flags)
            return
        first = decision.first_fragment or packet
        name = (
            self.kernel.numbers[arrival.interface_id],
            *_halves(packet.source),
            *_halves(packet.destination),
            first.source_port or 0,
            first.destination_port or 0,
            packet.protocol,
            packet.family,
            int(way),
            int(decision.accepted),
            int(reason),
        )
        _add(self.untallied[name], 1, octets, flags)
        self.times[name] = (self.times.get(name, (now_ms, 0))[0], now_ms)

    def take(self) -> None:
        """Read what entries told when they went: the ring has not room for all."""
        rows = self.kernel.maps.ended.read()
        if len(rows):
            keys = np.ascontiguousarray(rows["key"]).view(self.kernel.maps.connections.key)
            self._add_entries(keys.ravel(), rows["entry"])

    def _add_entries(self, keys: Any, entries: Any) -> None:
        for key, entry in zip(keys.tolist(), entries, strict=True):
            opener = int(entry["flags"] & OPENED_EGRESS)
            for side in (0, 1):
                sums = [int(entry[name][side]) for name in ("packets", "octets", "tcp_flags")]
                if sums[0]:
                    _add(self.ended[(*key, Direction(opener ^ side))], *sums)

    def compare(self) -> Parted | None:
        """Compare all that was counted, once, at the end."""
        self.take()
        self._add_entries(*self.kernel.maps.connections.items())
        if self.ended != self.tallied:
            return Parted(_only(self.tallied, self.ended), _only(self.ended, self.tallied))
        expected = {name: (*sums, *self.times[name]) for name, sums in self.untallied.items()}
        found = self._read_untallied()
        return None if expected == found else Parted(_only(expected, found), _only(found, expected))

    def _read_untallied(self) -> dict[tuple[object, ...], object]:
        keys, rows = self.kernel.maps.untallied.items()
        found: dict[tuple[object, ...], object] = {}
        for key, row in zip(keys, rows, strict=True):
            if key["reason"] == Reason.MALFORMED:
                continue
            names = ("source_lo", "source_hi", "destination_lo", "destination_hi")
            names += ("source_port", "destination_port", "protocol", "family", "direction")
            name = (int(key["interface"]), *(int(key[each]) for each in (*names, "accepted")))
            used = row[row["packets"] > 0]
            found[(*name, int(key["reason"]))] = (
                int(used["packets"].sum()),
                int(used["octets"].sum()),
                int(np.bitwise_or.reduce(used["tcp_flags"])),
                int(used["first_ms"].min()),
                int(used["last_ms"].max()),
            )
        return found


def _only(one: Any, other: Any) -> dict[object, object]:
    return {name: value for name, value in one.items() if other.get(name) != value}
