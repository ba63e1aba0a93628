"""`Recording`: what the kernel has counted, drained into flow logs.

Owns when the kernel's counts are taken out, and what was lost. What they add up to, `tallies` says;
which flow logs there are, whoever keeps them. Not recorded is what passed while nobody drained.
"""

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from secgroup.dataplane.bpf.clock import kernel_ms, utc_ms
from secgroup.dataplane.bpf.layout import ENDED
from secgroup.dataplane.bpf.loaded import Maps
from secgroup.dataplane.bpf.meanings import Meanings
from secgroup.dataplane.bpf.tallies import Tallies, flows_of, untallied_flows
from secgroup.flowlog.record import Flow
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network


class Records(Protocol):
    """The flow logs that there are."""

    def is_logged(self, region: str, interface: NetworkInterface, /) -> bool:
        """Tell whether some flow log records packets of an interface."""

    def count(self, network: Network, interface: NetworkInterface, flow: Flow, /) -> None:
        """Record what packets of a flow add up to."""

    def skip(self, network: Network, interface: NetworkInterface, time_ms: int, /) -> None:
        """Record that packets at an interface were lost."""


class Recording:
    """Drains the kernel's counts into flow logs, while there are any.

    One thread takes and drains; `resolve` may come from any.

    Parameters
    ----------
    maps : Maps
    records : Records
    meanings : callable
        Returns what numbers mean now.
    tell : callable
        Told of what was lost.

    """

    def __init__(
        self,
        maps: Maps,
        records: Records,
        meanings: Callable[[], Meanings],
        tell: Callable[[str], None],
    ) -> None:
        self._maps = maps
        self._records = records
        self._meanings = meanings
        self._tell = tell
        self._tallies = Tallies()
        self._since_ms: int | None = None
        self._ended: list[NDArray[Any]] = []
        self._untallied: list[tuple[int, Flow]] = []
        self._resolving = Lock()
        self._lost = int(maps.control["ended_lost"][0])
        self._unlogged = self._read_unlogged()
        #: Packets that flow logs lack, as far as they could be counted.
        self.skipped = 0

    def take(self) -> None:
        """Take out what may run over: entries that ended."""
        rows = self._maps.ended.read()
        if len(rows) and self._since_ms is not None:
            self._ended.append(rows)

    def resolve(self) -> None:
        """Take out packets without an entry, while the sections that were asked still stand."""
        # Whoever comes second waits: rows that are out must have their names too.
        with self._resolving:
            keys, logs = self._maps.untallied.items(delete=True)
            if self._since_ms is not None:
                rules_of = self._meanings().rule_ids_of
                self._untallied += untallied_flows(keys, logs, utc_ms(), rules_of)

    def drain(self, networks: Mapping[str, Network], *, is_logging: bool) -> None:
        """Record everything that was counted since the last time.

        Parameters
        ----------
        networks : mapping
            By region.
        is_logging : bool
            Some interface is logged; the counts of before that are not recorded.

        """
        if not is_logging:
            with self._resolving:
                self._since_ms = None
                self._ended, self._untallied = [], []
            return
        now_ms, of_utc_ms = kernel_ms(), utc_ms()
        keys, entries = self._maps.connections.items()
        if self._since_ms is None:
            self._begin(keys, entries, now_ms)
            return
        self.take()
        self.resolve()
        ended = np.concatenate([np.zeros(0, ENDED), *self._ended])
        grown = self._tallies.grown(keys, entries, ended)
        with self._resolving:
            found, self._untallied = self._untallied, []
        found += flows_of(grown, now_ms, self._since_ms, of_utc_ms, self._meanings().rule_id)
        self._ended, self._since_ms = [], now_ms
        placed = self._placed(networks)
        for number, flow in sorted(found, key=lambda each: each[1].last_ms):
            if number in placed:
                self._records.count(*placed[number], flow)
        self._skip(placed, now_ms + of_utc_ms)

    def _begin(self, keys: NDArray[Any], entries: NDArray[Any], now_ms: int) -> None:
        """Take what was counted so far as recorded."""
        self._tallies.begin(keys, entries)
        self._maps.ended.read()
        self._maps.untallied.items(delete=True)
        self._lost = int(self._maps.control["ended_lost"][0])
        self._unlogged = self._read_unlogged()
        self._since_ms = now_ms

    def _placed(
        self, networks: Mapping[str, Network]
    ) -> dict[int, tuple[Network, NetworkInterface]]:
        """Return the logged interfaces by their numbers."""
        found = {}
        meanings = self._meanings()
        for number in np.flatnonzero(self._maps.words).tolist():
            interface_id = meanings.interface_id(number)
            for region, network in networks.items():
                interface = network.interfaces.get(interface_id or "")
                if interface is not None and self._records.is_logged(region, interface):
                    found[number] = (network, interface)
        return found

    def _skip(self, placed: Mapping[int, tuple[Network, NetworkInterface]], time_ms: int) -> None:
        """Say of each interface what found no room; of entries it is not known whose they were."""
        unlogged, lost = self._read_unlogged(), int(self._maps.control["ended_lost"][0])
        for number, (network, interface) in placed.items():
            missing = int(unlogged[number] - self._unlogged[number])
            if missing > 0:
                self.skipped += missing
                self._tell(f"{interface.interface_id}: flow logs lack {missing} packets")
            if missing > 0 or lost > self._lost:
                self._records.skip(network, interface, time_ms)
        if lost > self._lost:
            self._tell(f"flow logs lack the last packets of {lost - self._lost} connections")
        self._unlogged, self._lost = unlogged, lost

    def _read_unlogged(self) -> NDArray[Any]:
        """Return the packets that found no room, by interface."""
        _, values = self._maps.counters.items()
        return np.asarray(values["unlogged"].sum(axis=(1, 2)).astype("<i8"))
