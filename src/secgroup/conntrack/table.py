"""The table of tracked flows: what is alive, how many each owner has, and when they go."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator

from secgroup.conntrack.flow import Flow, FlowKey


class FlowTable:
    """Flows by key, with the clock that they live by.

    The clock is the latest time it was given, in milliseconds, and never goes back: an earlier
    time is judged at the latest one, and counted in `stepped_back`. An expired flow never
    matches, but counts for its owner until it is reaped, which happens at whole seconds.
    """

    def __init__(self) -> None:
        self.now_ms = 0
        self.stepped_back = 0
        self._started = False
        self._flows: dict[FlowKey, Flow] = {}
        self._weight: Counter[str] = Counter()
        # (whole second, number, key): at that second look whether the flow has expired.
        self._appointments: list[tuple[int, int, FlowKey]] = []
        self._appointed: dict[FlowKey, int] = {}
        self._number = 0

    def __len__(self) -> int:
        """Count the entries, expired ones that wait for reaping included."""
        return len(self._flows)

    def __iter__(self) -> Iterator[Flow]:
        """Go through the living flows, oldest entry first."""
        return (flow for flow in self._flows.values() if self.now_ms < flow.expires_ms)

    def advance(self, time_ms: int) -> int:
        """Move the clock to `time_ms` and reap; return the time that now is."""
        if self._started and time_ms < self.now_ms:
            self.stepped_back += 1
            return self.now_ms
        second, before = time_ms // 1000, self.now_ms // 1000
        self._started, self.now_ms = True, time_ms
        if second != before:
            self._reap(second)
        return self.now_ms

    def get(self, key: FlowKey) -> Flow | None:
        """Return the living flow of `key`."""
        flow = self._flows.get(key)
        return flow if flow is not None and self.now_ms < flow.expires_ms else None

    def weight_of(self, owner: str, *, without: FlowKey) -> int:
        """Return what `owner`'s entries take of its allowance, the entry `without` not counted."""
        replaced = self._flows.get(without)
        return self._weight[owner] - (0 if replaced is None else replaced.weight)

    def put(self, flow: Flow) -> None:
        """Add a flow, or replace the one of the same key."""
        self.remove(flow.key)
        self._flows[flow.key] = flow
        self._weight[flow.key.owner] += flow.weight
        self._appoint(flow)

    def renew(self, flow: Flow) -> None:
        """Store the flow of a key that is there, after a step."""
        self._flows[flow.key] = flow
        self._appoint(flow)

    def remove(self, key: FlowKey) -> None:
        """Forget the flow of `key`, if there is one."""
        flow = self._flows.pop(key, None)
        if flow is not None:
            self._weight[key.owner] -= flow.weight
            del self._appointed[key]

    def remove_if(self, gone: Callable[[Flow], bool]) -> int:
        """Forget every flow that `gone` says; return how many."""
        keys = [flow.key for flow in self._flows.values() if gone(flow)]
        for key in keys:
            self.remove(key)
        return len(keys)

    def _appoint(self, flow: Flow) -> None:
        second = -(-flow.expires_ms // 1000)
        appointed = self._appointed.get(flow.key)
        if appointed is None or second < appointed:
            self._number += 1
            self._appointed[flow.key] = second
            heapq.heappush(self._appointments, (second, self._number, flow.key))

    def _reap(self, second: int) -> None:
        """Forget what has expired at the whole second `second`."""
        while self._appointments and self._appointments[0][0] <= second:
            appointed, _, key = heapq.heappop(self._appointments)
            if self._appointed.get(key) != appointed:
                continue
            flow = self._flows[key]
            if flow.expires_ms <= 1000 * second:
                self.remove(key)
            else:
                del self._appointed[key]
                self._appoint(flow)
