"""From decided packets to the records of a flow log, one window of one interface at a time.

Owns windows and what makes two packets one record; `record` says what is then written of them.
Read first: VPC User Guide, Flow logs basics and Flow log records.

A window belongs to an interface: fixed length, one after the other, from its first packet (or
from an instant that all share). The clock is the largest time so far, so that a packet with an
earlier stamp counts as seen now, and a window that the clock has passed is closed for good.
"""

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from typing import Final

from secgroup.conntrack.fragment import FragmentTable, fragment_key
from secgroup.decision import Decision, Verdict
from secgroup.errors import InputError
from secgroup.flowlog.fields import DEFAULT_FORMAT, Format, Record, Value
from secgroup.flowlog.metadata import Metadata
from secgroup.flowlog.record import GETTERS, Flow, Getter, Ports, Window
from secgroup.model.interface import NetworkInterface
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from secgroup.net.packet import Datagram, Malformed, Packet
from secgroup.net.protocol import TCP, UDP

#: The maximum aggregation intervals that AWS offers, in seconds; 600 is its default.
INTERVALS_S: Final = (60, 600)

#: A step of the clock over this is a jump, not silence: no windows are told of it.
_JUMP_MS: Final = 86_400_000

#: The clock before the first packet.
_NEVER_MS: Final = -(1 << 63)

#: TCP flags -> what `tcp-flags` makes of them: FIN, SYN and RST count, ACK only with SYN.
_TCP_FLAGS: Final = tuple(
    (flags & 0x07) | (0x10 if flags & 0x12 == 0x12 else 0) for flags in range(256)
)

_NO_PORTS: Final[Ports] = (0, 0)
_UNKNOWN_PORTS: Final[Ports] = (None, None)


def _ports_of(packet: Packet) -> Ports:
    if packet.source_port is not None or packet.protocol in (TCP, UDP):
        return packet.source_port, packet.destination_port
    return _NO_PORTS


class Aggregator:
    """Makes records of packets; holds those of the open windows and nothing else.

    Records come out when the clock passes the end of their window: ordered by the window's
    start, then by interface id, then by first packet. A window in which an interface had no
    traffic gives a NODATA record, from the interface's first packet on until the clock stops;
    when the clock jumps by more than a day, the windows in between are not told.

    Parameters
    ----------
    network : Network
        What the metadata are taken from.
    format : Format
    interval_s : {60, 600}
        The length of a window. AWS shortens it to 60 for Nitro instances; here it holds for all.
    window_start_ms : int, optional
        An instant at which a window of every interface starts; else its first packet.
    nodata : bool
        Write NODATA records.

    Raises
    ------
    InputError
        An interval that AWS does not offer.

    """

    def __init__(
        self,
        network: Network,
        format: Format = DEFAULT_FORMAT,  # noqa: A002
        *,
        interval_s: int = 600,
        window_start_ms: int | None = None,
        nodata: bool = True,
    ) -> None:
        if interval_s not in INTERVALS_S:
            raise InputError(f"{interval_s} is not an aggregation interval (expected 60 or 600)")
        self._network = network
        self._metadata = Metadata(network)
        self._format = format
        getters: Mapping[str, Getter] = {**GETTERS, "version": lambda _w, _f: format.version}
        self._getters = tuple(
            getters[each.name] if each.is_known else (lambda _w, _f: None) for each in format.fields
        )
        self._by_reason = "secgroup-reason" in format
        self._with_rules = "secgroup-rule-ids" in format
        self._interval_ms = interval_s * 1000
        self._window_start_ms = window_start_ms
        self._nodata = nodata
        self._clock_ms = _NEVER_MS
        self._starts: dict[str, int] = {}
        self._windows: dict[str, Window] = {}
        self._ends: list[tuple[int, str]] = []
        self._fragments: FragmentTable[tuple[int, Ports]] = FragmentTable()

    def change(self, network: Network) -> None:
        """Take the metadata of windows that open from now on out of `network`."""
        self._network = network
        self._metadata = Metadata(network)

    def add(
        self,
        time_ms: int,
        interface: NetworkInterface,
        direction: Direction,
        packet: Datagram,
        decision: Decision,
    ) -> Sequence[Record]:
        """Count one decided packet, and return the records that its time finishes.

        What flow logs do not record only moves the clock: `decision.logged` is False, or a
        malformed packet's addresses or protocol are not known.
        """
        finished = self.advance(time_ms)
        if not decision.logged:
            return finished
        now_ms = self._clock_ms
        source, destination, protocol = packet.source, packet.destination, packet.protocol
        if source is None or destination is None or protocol is None:
            return finished
        if isinstance(packet, Malformed):
            ports, flags = _UNKNOWN_PORTS if protocol in (TCP, UDP) else _NO_PORTS, 0
        else:
            flags = 0 if packet.tcp is None else _TCP_FLAGS[packet.tcp.flags]
            ports = _ports_of(packet)
            if packet.fragment is not None:
                protocol, ports = self._of_fragment(packet, interface, direction)
        flow = Flow(
            source=source,
            destination=destination,
            ports=ports,
            protocol=protocol,
            direction=direction,
            verdict=decision.verdict,
            reason=decision.reason,
            first_ms=now_ms,
            last_ms=now_ms,
            packets=1,
            octets=packet.length,
            flags=flags,
            rules=[decision.rule_ids],
        )
        self._put(interface, flow)
        return finished

    def count(self, interface: NetworkInterface, flow: Flow) -> Sequence[Record]:
        """Count several decided packets of one flow, and return the records that they finish.

        Parameters
        ----------
        interface : NetworkInterface
        flow : Flow
            What the packets add up to; `flags` are those of TCP's header. All of them count as
            seen when the last one was. It belongs to the aggregator afterwards.

        """
        finished = self.advance(flow.last_ms)
        flow.last_ms = self._clock_ms
        flow.flags = _TCP_FLAGS[flow.flags]
        self._put(interface, flow)
        return finished

    def _put(self, interface: NetworkInterface, more: Flow) -> None:
        """Add what was seen just now to its record in the interface's open window."""
        window = self._windows.get(interface.interface_id)
        if window is None:
            # What adds up to more than an interval is of the last one.
            began_ms = max(more.first_ms, self._clock_ms - self._interval_ms + 1)
            window = self._open(interface, began_ms)
        key = (
            more.direction,
            int(more.source),
            int(more.destination),
            more.ports,
            more.protocol,
            more.source.version,
            more.verdict is Verdict.ACCEPT,
            more.reason if self._by_reason else None,
        )
        flow = window.flows.get(key)
        if flow is None:
            more.first_ms = max(more.first_ms, window.start_ms)
            window.flows[key] = more
            return
        flow.last_ms = more.last_ms
        flow.packets += more.packets
        flow.octets += more.octets
        flow.flags |= more.flags
        if self._with_rules:
            flow.rules += [rule_ids for rule_ids in more.rules if rule_ids not in flow.rules]

    def skip(self, time_ms: int, interface: NetworkInterface) -> Sequence[Record]:
        """Note that packets of `interface` were lost: its window gets a SKIPDATA record."""
        finished = self.advance(time_ms)
        window = self._windows.get(interface.interface_id)
        if window is None:
            window = self._open(interface, self._clock_ms)
        window.is_lossy = True
        return finished

    def advance(self, time_ms: int) -> Sequence[Record]:
        """Move the clock, and return the records of the windows that it passes."""
        if time_ms <= self._clock_ms:
            return ()
        jumped = time_ms - self._clock_ms > _JUMP_MS
        self._clock_ms = time_ms
        if not self._ends or self._ends[0][0] > time_ms:
            return ()
        finished: list[Record] = []
        while self._ends and self._ends[0][0] <= time_ms:
            window = self._close_first(finished)
            interface = self._network.interfaces.get(window.interface.interface_id)
            if self._nodata and not jumped and interface is not None:
                self._open(interface, window.start_ms + self._interval_ms)
        return finished

    def close(self) -> Sequence[Record]:
        """Return the records of the windows that are still open; the aggregator is then empty.

        A window that the clock has not passed and that has no packet says nothing.
        """
        finished: list[Record] = []
        self._nodata = False
        while self._ends:
            self._close_first(finished)
        return finished

    def _open(self, interface: NetworkInterface, now_ms: int) -> Window:
        interface_id, length_ms = interface.interface_id, self._interval_ms
        origin_ms = self._window_start_ms
        if origin_ms is None:
            origin_ms = self._starts.setdefault(interface_id, now_ms)
        start_ms = now_ms - (now_ms - origin_ms) % length_ms
        window = Window(
            interface=interface,
            place=self._metadata.place(interface),
            metadata=self._metadata,
            start_ms=start_ms,
        )
        self._windows[interface_id] = window
        heappush(self._ends, (start_ms + length_ms, interface_id))
        return window

    def _close_first(self, finished: list[Record]) -> Window:
        end_ms, interface_id = heappop(self._ends)
        window = self._windows.pop(interface_id)
        for flow in window.flows.values():
            finished.append(tuple([get(window, flow) for get in self._getters]))
        if window.is_lossy:
            finished.append(self._status_record(window, end_ms, "SKIPDATA"))
        elif self._nodata and not window.flows:
            finished.append(self._status_record(window, end_ms, "NODATA"))
        return window

    def _status_record(self, window: Window, end_ms: int, status: str) -> Record:
        values: dict[str, Value] = {
            "version": self._format.version,
            "account-id": window.place.account_id,
            "interface-id": window.place.interface_id,
            "start": window.start_ms // 1000,
            "end": end_ms // 1000,
            "log-status": status,
        }
        return tuple([values.get(each.name) for each in self._format.fields])

    def _of_fragment(
        self,
        packet: Packet,
        interface: NetworkInterface,
        direction: Direction,
    ) -> tuple[int, Ports]:
        """Return protocol and ports of a fragment: a later one has those of its first."""
        found = packet.protocol, _ports_of(packet)
        key = fragment_key(packet, interface.interface_id, direction)
        if key is None:
            return found
        if not packet.is_later_fragment:
            self._fragments.remember(key, found, self._clock_ms)
            return found
        return self._fragments.recall(key, self._clock_ms) or found
