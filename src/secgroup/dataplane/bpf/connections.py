"""Tracked connections as the kernel remembers them, read into columns, chosen and told.

Owns what the bytes of an entry say, and which entries are alive. Knows no map: whoever reads one
gives its keys and entries. Times are the kernel's, milliseconds since the machine started.
"""

from collections.abc import Mapping, Sequence
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

    @property
    def is_everything(self) -> bool:
        """It leaves nothing out."""
        return self == Selection()


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

    def __getitem__(self, place: int) -> Connection:
        key, entry = self._keys[place], self._entries[place]
        owner_protocol = int(key["owner_protocol"])
        number, is_ipv6 = owner_protocol >> 24, bool(owner_protocol & IPV6)
        is_icmp = number >= ICMP_KIND
        opener = Direction.EGRESS if entry["flags"] & OPENED_EGRESS else Direction.INGRESS
        # What was counted by side stands here by direction.
        order = (0, 1) if opener is Direction.INGRESS else (1, 0)
        idle_ms = int(self._idle_ms[place])
        port = int(key["inside_port"])
        return Connection(
            owner=owner_protocol & OWNER,
            interface=int(entry["interface"]),
            protocol=(ICMPV6 if is_ipv6 else ICMP) if is_icmp else number,
            direction=opener,
            inside=address_of(int(key["inside_hi"]), int(key["inside_lo"]), is_ipv6=is_ipv6),
            inside_port=port,
            outside=address_of(int(key["outside_hi"]), int(key["outside_lo"]), is_ipv6=is_ipv6),
            outside_port=port if is_icmp else int(key["outside_port"]),
            query=query_of(number)[0] if is_icmp else None,
            state=State(int(entry["state"])),
            age_s=max(0, self._now_ms // 1000 - int(entry["created_s"])),
            idle_ms=idle_ms,
            left_ms=int(self._timeout_ms[place]) - idle_ms,
            packets=(int(entry["packets"][order[0]]), int(entry["packets"][order[1]])),
            octets=(int(entry["octets"][order[0]]), int(entry["octets"][order[1]])),
            admission=int(entry["admission"]),
        )


def idle_of(entries: NDArray[Any], now_ms: int) -> NDArray[Any]:
    """Return for how long each entry has been idle, in milliseconds."""
    idle_ms = np.uint32(now_ms & LOW_HALF) - entries["last_ms"]
    idle_ms[idle_ms > np.uint32((1 << 32) - _SKEW_MS)] = 0
    return idle_ms


def address_of(hi: int, lo: int, *, is_ipv6: bool) -> Address:
    """Return the address of the halves of a number; IPv4 as ::ffff:a.b.c.d."""
    return IPv6Address(hi << 64 | lo) if is_ipv6 else IPv4Address(lo & LOW_HALF)
