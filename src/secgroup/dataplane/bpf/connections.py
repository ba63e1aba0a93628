"""Tracked connections as the kernel remembers them, read into columns, chosen and told.

Owns what the bytes of an entry say, and which entries are alive. Knows no map: whoever reads one
gives its keys and entries. Times are the kernel's, milliseconds since the machine started.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from secgroup.conntrack.state import State
from secgroup.dataplane.bpf.layout import ENTRY, STRUCTS, TAKEN
from secgroup.engine.layout import (
    ICMP_KIND,
    IPV6,
    LOW_HALF,
    OPENED_EGRESS,
    OWNER,
    query_of,
)
from secgroup.net.address import Address, Prefix
from secgroup.net.direction import Direction
from secgroup.net.protocol import ICMP, ICMPV6

KEY: Final = STRUCTS["key"]
#: Entries that are written out at a time.
_CHUNK: Final = 8192
#: A stamp at most this far ahead is another processor's, not one of 49 days ago; as in clock.h.
_SKEW_MS: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which connections are meant; an empty member leaves all of them.

    Parameters
    ----------
    interfaces : sequence of int, or None
        Numbers of the interfaces that made them.
    peers : tuple of Prefix
        One of these holds the address outside.
    states : tuple of State
    protocols : tuple of int

    """

    interfaces: Sequence[int] | None = None
    peers: tuple[Prefix, ...] = ()
    states: tuple[State, ...] = ()
    protocols: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One tracked connection, in numbers of the kernel where it has names elsewhere.

    Parameters
    ----------
    owner, interface, admission : int
        Numbers of `layout.NAMES`; `admission` is of the first rule that admitted the opener.
    query : int or None
        The ICMP type of the query; ports are then the identifier.
    age_s : int
    idle_ms, left_ms : int
        Since its last packet, and until it expires if no other comes.
    packets, octets : pair of int
        By `Direction`.

    """

    owner: int
    interface: int
    protocol: int
    direction: Direction
    inside: Address
    inside_port: int
    outside: Address
    outside_port: int
    query: int | None
    state: State
    age_s: int
    idle_ms: int
    left_ms: int
    packets: tuple[int, int]
    octets: tuple[int, int]
    admission: int


class Connections:
    """The living entries of a table at one moment, the oldest first.

    Parameters
    ----------
    keys : rows of KEY
    entries : rows of ENTRY
    timeouts_ms : uint32, shape (sets, STATES)
        How long an entry may be idle.
    now_ms : int
        The kernel's clock when they were read.

    """

    def __init__(
        self, keys: NDArray[Any], entries: NDArray[Any], timeouts_ms: NDArray[Any], now_ms: int
    ) -> None:
        assert keys.dtype == KEY
        assert entries.dtype == ENTRY
        idle_ms = idle_of(entries, now_ms)
        timeout_ms = timeouts_ms[entries["timeouts"], entries["state"]]
        in_use = (entries["state"] != 0) & (entries["state"] != TAKEN)
        alive = np.flatnonzero(in_use & (idle_ms < timeout_ms))
        alive = alive[np.argsort(entries["created_s"][alive], kind="stable")]
        #: Entries that are over, and wait for the sweeper.
        self.over = len(keys) - len(alive)
        self._keys, self._entries = keys[alive], entries[alive]
        self._idle_ms, self._timeout_ms = idle_ms[alive], timeout_ms[alive]
        self._now_ms = now_ms

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def keys(self) -> NDArray[Any]:
        """The names of the entries, as the kernel's table has them."""
        return self._keys

    @property
    def is_icmp(self) -> NDArray[np.bool_]:
        """Which of them are queries of ICMP and their answers."""
        return self._place >= ICMP_KIND

    @property
    def _place(self) -> NDArray[Any]:
        return self._keys["owner_protocol"] >> 24

    @property
    def _is_ipv6(self) -> NDArray[np.bool_]:
        return np.asarray((self._keys["owner_protocol"] & IPV6) != 0)

    def protocols(self) -> NDArray[Any]:
        """Return the protocol of each."""
        icmp = np.where(self._is_ipv6, ICMPV6, ICMP)
        return np.where(self.is_icmp, icmp, self._place)

    def states(self) -> Mapping[State, int]:
        """Return how many are in each state."""
        numbers, counts = np.unique(self._entries["state"], return_counts=True)
        return {State(int(each)): int(n) for each, n in zip(numbers, counts, strict=True)}

    def chosen(self, selection: Selection) -> "Connections":
        """Return those that a selection means, in the same order."""
        mask = np.ones(len(self), dtype=bool)
        if selection.interfaces is not None:
            mask &= np.isin(self._entries["interface"], np.asarray(selection.interfaces, "u4"))
        if selection.states:
            mask &= np.isin(self._entries["state"], [int(each) for each in selection.states])
        if selection.protocols:
            mask &= np.isin(self.protocols(), selection.protocols)
        if selection.peers:
            held = np.zeros(len(self), dtype=bool)
            for prefix in selection.peers:
                held |= self._held(prefix)
            mask &= held
        return self._at(np.flatnonzero(mask))

    def _held(self, prefix: Prefix) -> NDArray[np.bool_]:
        """Tell of each whether a prefix holds the address outside."""
        number, mask = int(prefix.network_address), int(prefix.netmask)
        hi, lo = self._keys["outside_hi"], self._keys["outside_lo"]
        if prefix.version == 4:
            held = (lo & np.uint64(mask)) == np.uint64(number)
            return np.asarray(held & ~self._is_ipv6)
        low = (1 << 64) - 1
        held = (hi & np.uint64(mask >> 64)) == np.uint64(number >> 64)
        held &= (lo & np.uint64(mask & low)) == np.uint64(number & low)
        return np.asarray(held & self._is_ipv6)

    def first(self, count: int) -> "Connections":
        """Return the oldest of them."""
        return self._at(np.arange(min(count, len(self))))

    def _at(self, places: NDArray[Any]) -> "Connections":
        found = object.__new__(Connections)
        found.over, found._now_ms = self.over, self._now_ms
        found._keys, found._entries = self._keys[places], self._entries[places]
        found._idle_ms, found._timeout_ms = self._idle_ms[places], self._timeout_ms[places]
        return found

    def __iter__(self) -> Iterator[Connection]:
        """Yield each of them."""
        for begin in range(0, len(self), _CHUNK):
            yield from self._values(slice(begin, begin + _CHUNK))

    def _values(self, places: slice) -> Iterator[Connection]:
        keys, entries = self._keys[places], self._entries[places]
        idle_ms = self._idle_ms[places].astype("<i8")
        age_s = np.maximum(0, self._now_ms // 1000 - entries["created_s"].astype("<i8"))
        # What was counted by side stands here by direction.
        is_egress = (entries["flags"] & OPENED_EGRESS) != 0
        counted = [
            np.where(is_egress[:, None], entries[name][:, ::-1], entries[name])
            for name in ("packets", "octets")
        ]
        ends = ("inside_hi", "inside_lo", "inside_port", "outside_hi", "outside_lo", "outside_port")
        columns = (
            *(keys[name] for name in ("owner_protocol", *ends)),
            *(entries[name] for name in ("interface", "state", "admission")),
            *(is_egress, age_s, idle_ms, self._timeout_ms[places] - idle_ms, *counted),
        )
        for (
            owner_protocol,
            inside_hi,
            inside_lo,
            inside_port,
            outside_hi,
            outside_lo,
            outside_port,
            interface,
            state,
            admission,
            outward,
            age,
            idle,
            left,
            packets,
            octets,
        ) in zip(*(each.tolist() for each in columns), strict=True):
            number, is_ipv6 = owner_protocol >> 24, bool(owner_protocol & IPV6)
            is_icmp = number >= ICMP_KIND
            yield Connection(
                owner=owner_protocol & OWNER,
                interface=interface,
                protocol=(ICMPV6 if is_ipv6 else ICMP) if is_icmp else number,
                direction=Direction.EGRESS if outward else Direction.INGRESS,
                inside=address_of(inside_hi, inside_lo, is_ipv6=is_ipv6),
                inside_port=inside_port,
                outside=address_of(outside_hi, outside_lo, is_ipv6=is_ipv6),
                outside_port=inside_port if is_icmp else outside_port,
                query=query_of(number)[0] if is_icmp else None,
                state=State(state),
                age_s=age,
                idle_ms=idle,
                left_ms=left,
                packets=tuple(packets),
                octets=tuple(octets),
                admission=admission,
            )


def idle_of(entries: NDArray[Any], now_ms: int) -> NDArray[Any]:
    """Return for how long each entry has been idle, in milliseconds."""
    idle_ms = np.uint32(now_ms & LOW_HALF) - entries["last_ms"]
    idle_ms[idle_ms > np.uint32((1 << 32) - _SKEW_MS)] = 0
    return idle_ms


def address_of(hi: int, lo: int, *, is_ipv6: bool) -> Address:
    """Return the address of the halves of a number; IPv4 as ::ffff:a.b.c.d."""
    return IPv6Address(hi << 64 | lo) if is_ipv6 else IPv4Address(lo & LOW_HALF)
