"""`BatchPlane`: the embedded plane, which decides the packets that it is given.

Owns a `Firewall` for each region, and what a question to it may look like. It enforces nothing
by itself: whoever asks is told what a packet would meet, and the connections that follow are
remembered. Decided by the definition, so that nothing has to be compiled before the first answer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import Any, BinaryIO, Final

from secgroup.conntrack.flow import Flow
from secgroup.decision.switches import AS_DOCUMENTED, Switches
from secgroup.errors import AmbiguousAddressError, InputError
from secgroup.model.network import Network
from secgroup.net.capture import read
from secgroup.net.direction import Direction
from secgroup.net.named import NUMBERS, packet_of
from secgroup.net.packet import Datagram
from secgroup.replay.connections import Placed
from secgroup.replay.copies import Copies
from secgroup.replay.decisions import decision_line
from secgroup.replay.firewall import MILLISECOND_NS, Firewall
from secgroup.replay.who import Place

#: How many packets are decided between two chances for a change of the rules.
_SLICE: Final = 256

#: How far ahead of now a packet may be sent: twice the longest timeout. The clock of a region never
#: goes back, so that one packet of another century would keep everything alive for ever.
AHEAD_NS: Final = 10 * 86_400_000_000_000

_DIRECTIONS: Final = {str(each): each for each in Direction}
_NAMES: Final = (
    *("interface_id", "direction", "time_ns", "srcaddr", "dstaddr", "protocol"),
    *NUMBERS,
)

#: Told of what was decided: the region, its network, the decisions.
Listener = Callable[[str, Network, Sequence[Placed]], None]


class BatchPlane:
    """Decides packets by the network in force in a region.

    Parameters
    ----------
    listener : callable, optional
        Told of every decision: a flow log.
    switches : Switches

    """

    def __init__(
        self, listener: Listener | None = None, *, switches: Switches = AS_DOCUMENTED
    ) -> None:
        self._switches = switches
        self._firewalls: dict[str, Firewall] = {}
        self._prepared: Mapping[str, Network] = {}
        self._listener = listener
        self._lock = Lock()

    # A data plane

    def prepare(self, networks: Mapping[str, Network]) -> None:
        """Make ready; there is no network that the definition cannot enforce."""
        self._prepared = dict(networks)

    def commit(self) -> None:
        """Put in force what was prepared."""
        with self._lock:
            for region, network in self._prepared.items():
                if region in self._firewalls:
                    self._firewalls[region].change(network)
                else:
                    self._firewalls[region] = Firewall(
                        network, switches=self._switches, adopt=False
                    )
        self._prepared = {}

    def abandon(self) -> None:
        """Forget what was prepared."""
        self._prepared = {}

    # Questions

    def decide_packets(
        self, region: str, packets: Sequence[Mapping[str, Any]], now_ns: int
    ) -> Iterator[str]:
        """Yield the decisions of packets as lines of JSON.

        Parameters
        ----------
        packets : sequence of mapping
            Each with the names of `net.named`; with `interface_id` and `direction` it is decided
            there, else at the interfaces that have its addresses. `time_ns` says when, else now.

        Raises
        ------
        InputError
            A packet is none, or names an interface that is none; nothing has been decided.

        """
        firewall = self._firewall(region)
        network = firewall.network
        asked = [
            _question(network, row, number, now_ns) for number, row in enumerate(packets, start=1)
        ]
        with self._lock:
            for question in asked:
                _refuse_ambiguous(firewall, question)
        return self._decide(region, firewall, iter(asked))

    def decide_capture(self, region: str, capture: BinaryIO, now_ns: int) -> Iterator[str]:
        """Yield the decisions of a capture's packets as lines of JSON.

        Its first frame counts as sent now, and the others as long after it as they were.

        Raises
        ------
        InputError
            It is no capture, or is damaged; everything before the damage has been decided.

        """
        return self._decide(region, self._firewall(region), _frames(capture, now_ns))

    def connections(self, region: str, now_ns: int) -> Iterator[Mapping[str, Any]]:
        """Yield the tracked connections that are alive, the oldest entry first."""
        firewall = self._firewall(region)
        with self._lock:
            alive = list(firewall.connections())
            now_ms = max(firewall.now_ms, now_ns // MILLISECOND_NS)
        return (_connection(flow, now_ms) for flow in alive if now_ms < flow.expires_ms)

    def _firewall(self, region: str) -> Firewall:
        with self._lock:
            found = self._firewalls.get(region)
        # Where nothing is in force nothing is remembered: anybody may name any region.
        return Firewall(Network(region=region), adopt=False) if found is None else found

    def _decide(
        self, region: str, firewall: Firewall, asked: Iterator["_Question"]
    ) -> Iterator[str]:
        while batch := list(islice(asked, _SLICE)):
            with self._lock:
                network = firewall.network
                placed = [
                    each
                    for question in batch
                    for each in firewall.decide_ends(
                        _place(firewall, question),
                        question.packet,
                        question.time_ns,
                        frame=question.number,
                    )
                ]
            if self._listener is not None and placed:
                self._listener(region, network, placed)
            yield from map(decision_line, placed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """A packet, when it counts as sent, and where: at an interface, or wherever its ends are."""

    number: int
    time_ns: int
    packet: Datagram
    interface_id: str | None = None
    direction: Direction | None = None


def _question(network: Network, row: Mapping[str, Any], number: int, now_ns: int) -> _Question:
    place = f"packets[{number - 1}]"
    if not isinstance(row, Mapping):
        raise InputError(f"{row!r} is no object (expected srcaddr, dstaddr ...)", source=place)
    for name in row:
        if name not in _NAMES:
            raise InputError(
                f"{name!r} is no name of a packet (expected {', '.join(_NAMES)})", source=place
            )
    try:
        packet = packet_of(row)
    except InputError as error:
        raise InputError(error.problem, source=place, path=error.path) from None
    interface_id, word = row.get("interface_id"), row.get("direction")
    if (interface_id is None) != (word is None):
        raise InputError("interface_id and direction stand together, or neither", source=place)
    if interface_id is not None and (
        not isinstance(interface_id, str) or interface_id not in network.interfaces
    ):
        raise InputError(
            f"{interface_id!r} is no interface of the network", source=place, path="interface_id"
        )
    if word is not None and (not isinstance(word, str) or word not in _DIRECTIONS):
        raise InputError(f"{word!r} is neither ingress nor egress", source=place, path="direction")
    time_ns = row.get("time_ns", now_ns)
    if type(time_ns) is not int or not 0 <= time_ns <= now_ns + AHEAD_NS:
        raise InputError(
            f"{time_ns!r} is no number of nanoseconds from 1970 to ten days from now",
            source=place,
            path="time_ns",
        )
    return _Question(
        number=number,
        time_ns=time_ns,
        packet=packet,
        interface_id=interface_id,
        direction=None if word is None else _DIRECTIONS[word],
    )


def _frames(capture: BinaryIO, now_ns: int) -> Iterator[_Question]:
    first_ns: int | None = None
    copies = Copies()
    for frame in read(capture, source="capture"):
        if first_ns is None:
            first_ns = frame.time_ns
        if frame.datagram is not None and not copies.is_copy(frame):
            yield _Question(
                number=frame.number,
                time_ns=min(max(0, now_ns + frame.time_ns - first_ns), now_ns + AHEAD_NS),
                packet=frame.datagram,
            )


def _place(firewall: Firewall, question: _Question) -> Place:
    """Return where a question is decided: where it says, else wherever its ends are."""
    if question.interface_id is None:
        return firewall.ends(question.packet.source, question.packet.destination)
    interface = firewall.network.interfaces.get(question.interface_id)
    if question.direction is Direction.EGRESS:
        return Place(sender=interface)
    return Place(receiver=interface)


def _refuse_ambiguous(firewall: Firewall, question: _Question) -> None:
    try:
        _place(firewall, question)
    except AmbiguousAddressError as error:
        raise InputError(
            f"{error.problem}; interface_id and direction say which",
            source=f"packets[{question.number - 1}]",
        ) from None


def _connection(flow: Flow, now_ms: int) -> dict[str, Any]:
    """Return what is told of a connection."""
    key = flow.key
    return {
        "owner": key.owner,
        "interface_id": flow.interface_id,
        "protocol": key.protocol,
        "direction": str(flow.opener),
        "inside_address": str(key.inside),
        "inside_port": key.inside_port,
        "outside_address": str(key.outside),
        "outside_port": key.outside_port,
        "state": flow.state.name,
        "age_s": (now_ms - flow.created_ms) / 1000,
        "idle_s": (now_ms - flow.last_ms) / 1000,
        "timeout_left_s": (flow.expires_ms - now_ms) / 1000,
        "rule_ids": list(flow.rule_ids),
    }
