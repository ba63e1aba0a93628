"""The shipped object beside the definition: the same trace through both, a frame a test run.

Every packet's event is compared, and the tables whenever a second has begun. A difference that
is meant has a name and a sentence (`TOLERATED`), is counted, and stands in docs/supported.md.
"""

import gc
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from zlib import crc32

from secgroup.conntrack.flow import FlowKey, key_of
from secgroup.dataplane.bpf.events import Event as Told
from secgroup.dataplane.bpf.layout import REASONS
from secgroup.decision import Decision, Reason
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from secgroup.net.packet import Malformed, Packet
from secgroup.reference.memory import Memory, Switches
from tests.conformance.expected import Numbers, records_of
from tests.conformance.kernel import Kernel
from tests.conformance.subject import told
from tests.conformance.tallied import Tallies
from tests.engine.judge import Difference, PartedError, weights_of
from tests.support.frames import ip_bytes, malformed
from tests.support.traces import Arrival, Coverage, Event, Trace, Watch, Writer, steps

#: What may differ, and why.
TOLERATED: Final[Mapping[str, str]] = {
    "SPOOFED": "an address that is not the interface's, on its way out, is REJECT SPOOFED in the "
    "kernel and SOURCE_DEST_CHECK by the definition, which knows no devices",
}
#: What no plane is told: the hint of a hop.
NOT_TOLD: Final = {"same_subnet given"}
#: What a frame may have besides its packet, by bits of chance: extension headers or options, of
#: TCP too, tags
#: (IEEE 802.1Q, 802.1ad), and padding behind it.
_EXTRA: Final = (0, 0, 0, 0, 0, 0, 1, 5)
_OPTIONS: Final = (0, 0, 3, 10)
_TAGS: Final = (b"\x81\0\0\x64", b"\x88\xa8\0\x64\x81\0\0\x65", *(b"",) * 14)
_PADDING: Final = (bytes(1), bytes(18), *(b"",) * 14)
#: After so many edits another plane takes over, with no memory.
_RESTART_EVERY: Final = 10
#: Packets that are sent before their events are read.
_MOST: Final = 256


def tolerated(arrival: Arrival, decision: Decision, event: Told) -> str | None:
    """Name the difference of an event, if it is one of `TOLERATED`."""
    expected, found = told(decision), event.decision
    if found is None:
        return None
    if (
        (expected.reason, found.reason) == (Reason.SOURCE_DEST_CHECK, Reason.SPOOFED)
        and arrival.direction is Direction.EGRESS
        and replace(expected, reason=Reason.SPOOFED) == found
    ):
        return "SPOOFED"
    return None


def said(arrival: Arrival, decision: Decision) -> tuple[object, ...]:
    """What an event must say of a packet: of a later fragment its first one's ports and type."""
    packet = arrival.packet
    if isinstance(packet, Malformed):
        return ()
    first = decision.first_fragment or packet
    return (
        packet.source,
        packet.destination,
        packet.protocol,
        first.source_port or 0,
        first.destination_port or 0,
        first.icmp_type or 0,
        first.icmp_code or 0,
    )


def seen(arrival: Arrival, event: Told) -> tuple[object, ...]:
    """What an event says of its packet, in the same form."""
    packet: tuple[object, ...] = ()
    if not isinstance(arrival.packet, Malformed):
        packet = (
            event.source,
            event.destination,
            event.protocol,
            event.source_port or 0,
            event.destination_port or 0,
            event.icmp_type or 0,
            event.icmp_code or 0,
        )
    where = (event.time_ms, event.interface_id, event.direction)
    return (*where, *packet, event.octets, event.segments)


class Judge:
    """Lets the kernel decide what the definition just has.

    Parameters
    ----------
    memory : Memory
        Of the definition, as each event that is seen leaves it.
    records_every : int
        After so many seconds the tables are compared, not only the events.

    """

    def __init__(
        self,
        kernel: Kernel,
        network: Network,
        switches: Switches,
        memory: Memory,
        *,
        records_every: int = 1,
    ) -> None:
        self.kernel, self.memory, self.records_every = kernel, memory, records_every
        self.tolerated: Counter[str] = Counter()
        kernel.begin(network, switches)
        self.sent: list[tuple[Arrival, Decision, int, int | None]] = []
        self.numbers = Numbers(owner=kernel.owner, rule=kernel.rule, timeouts=kernel.timeouts)
        self.tallies = Tallies(kernel, self.numbers)
        self.codes: dict[FlowKey, int] = {}
        #: (interface, direction, accepted, reason) -> packets, and octets; owner -> openers.
        self.counts: Counter[tuple[str, Direction, bool, Reason]] = Counter()
        self.octets: Counter[tuple[str, Direction, bool, Reason]] = Counter()
        self.exceeded: Counter[str] = Counter()
        self.events = self.seconds = self.malformed = self.edits = 0
        self.second = 0

    def see(self, event: Event, decision: Decision | None) -> None:
        """Take an event: a packet that was decided, or an edit that will be made now.

        Raises
        ------
        PartedError
            With the first difference.

        """
        if not isinstance(event, Arrival):
            self._read()
            self.kernel.change(event.network)
            self.events += 1
            self.edits += 1
            if self.edits % _RESTART_EVERY == 0:
                self.kernel.restart()
            return
        assert decision is not None
        now_ms = self.memory.flows.now_ms
        has_begun = now_ms // 1000 != self.second
        if has_begun:
            self._read()
            self.second = now_ms // 1000
            self.seconds += 1
            self.kernel.sweep(1000 * self.second)
        octets, frame = self._frame(event)
        self.kernel.run(event.interface_id, event.direction, frame, now_ms)
        self.sent.append((event, decision, now_ms, octets))
        self.events += 1
        if decision.reason is Reason.NEW and isinstance(event.packet, Packet):
            self._note_code(event)
        if has_begun or len(self.sent) >= _MOST:
            self._read()
        if has_begun and self.seconds % self.records_every == 0:
            self._compare_tables()

    def end(self) -> None:
        """Read what is left, and compare the tables."""
        self._read()
        self._compare_tables()
        self._compare_counters()
        wrong = self.kernel.plane.differences()
        if wrong:
            raise PartedError(Difference(self.events, "maps", "what the network means", wrong))
        different = self.tallies.compare()
        if different is not None:
            what = "what flow logs are fed from"
            raise PartedError(Difference(self.events, what, different.expected, different.found))

    def _frame(self, event: Arrival) -> tuple[int | None, bytes]:
        """Return how long a packet counts as, and a frame of it, which its bytes dress."""
        packet = event.packet
        if not isinstance(packet, Packet):
            self.malformed += 1
            own = packet.source
            assert own is not None
            octets = malformed(self.malformed, own.version, own.packed, own.packed)
            return None, self.kernel.frame(event.interface_id, event.direction, octets, own.version)
        octets = ip_bytes(packet)
        chance = crc32(octets)
        extra, options = _EXTRA[chance & 7], _OPTIONS[chance >> 11 & 3]
        if extra or options:
            octets = ip_bytes(packet, extra, options)
        frame = self.kernel.frame(event.interface_id, event.direction, octets, packet.family)
        tags, padding = _TAGS[chance >> 3 & 15], _PADDING[chance >> 7 & 15]
        return len(octets), frame[:12] + tags + frame[12:] + padding

    def _note_code(self, event: Arrival) -> None:
        packet = event.packet
        assert isinstance(packet, Packet)
        if packet.icmp is not None:
            owner = self.kernel.network.interfaces[event.interface_id].owner
            key = key_of(packet, event.direction, owner)
            assert key is not None
            self.codes[key] = packet.icmp.code

    def _read(self) -> None:
        """Compare the events of what was sent."""
        if not self.sent:
            return
        found = self.kernel.told()
        first = self.events - len(self.sent)
        if len(found) != len(self.sent):
            raise PartedError(
                Difference(first, f"events of {self.sent}", len(self.sent), len(found))
            )
        for number, (sent, event) in enumerate(zip(self.sent, found, strict=True), start=first):
            arrival, decision, now_ms, octets = sent
            expected = told(decision)
            if event.decision != expected:
                name = tolerated(arrival, decision, event)
                if name is None:
                    what = f"decision of {arrival}"
                    raise PartedError(Difference(number, what, expected, event.decision))
                self.tolerated[name] += 1
            assert event.decision is not None
            self._count(arrival, decision, event)
            self.tallies.note(arrival, decision, event.decision.reason, event.octets, event.time_ms)
            wanted = (now_ms, arrival.interface_id, arrival.direction, *said(arrival, decision))
            wanted += (event.octets if octets is None else octets, 1)
            if wanted != seen(arrival, event):
                what = f"packet of {arrival}"
                raise PartedError(Difference(number, what, wanted, seen(arrival, event)))
        self.sent.clear()
        self.tallies.take()

    def _count(self, arrival: Arrival, decision: Decision, event: Told) -> None:
        assert event.decision is not None
        reason = event.decision.reason
        name = (arrival.interface_id, arrival.direction, decision.accepted, reason)
        self.counts[name] += 1
        self.octets[name] += event.octets
        if decision.reason is Reason.ALLOWANCE_EXCEEDED and decision.first_fragment is None:
            self.exceeded[self.kernel.network.interfaces[arrival.interface_id].owner] += 1

    def _compare_counters(self) -> None:
        """Compare what was counted of every interface and owner since the beginning."""
        expected, found = dict(self.exceeded), self.kernel.exceeded()
        if expected != found:
            raise PartedError(Difference(self.events, "refused openers", expected, found))
        for interface_id in self.kernel.numbers:
            wanted: dict[str, list[Any]] = {
                "packets": [[0, 0], [0, 0]],
                "octets": [[0, 0], [0, 0]],
                "reasons": [[0] * REASONS, [0] * REASONS],
                **{name: [0, 0] for name in ("unlogged", "unheard", "full", "raced")},
            }
            for name, count in self.counts.items():
                if name[0] == interface_id:
                    _, way, accepted, reason = name
                    wanted["packets"][way][accepted] += count
                    wanted["octets"][way][accepted] += self.octets[name]
                    wanted["reasons"][way][reason] += count
            counted = self.kernel.counted(interface_id)
            if counted != wanted:
                what = f"counters of {interface_id}"
                raise PartedError(Difference(self.events, what, wanted, counted))

    def _compare_tables(self) -> None:
        kernel, flows = self.kernel, self.memory.flows
        weights = weights_of(flows)
        if weights != kernel.weights():
            raise PartedError(Difference(self.events, "weights", weights, kernel.weights()))
        expected = records_of(flows._flows.values(), self.codes, self.numbers)
        found = kernel.records()
        if expected != found:
            only = [each.hex(" ", 8) for each in expected if each not in found]
            others = [each.hex(" ", 8) for each in found if each not in expected]
            raise PartedError(Difference(self.events, "records", only, others))


def compare(kernel: Kernel, trace: Trace) -> Difference | None:
    """Play a trace through both; None when they agree all the way."""
    memory = Memory()
    judge = Judge(kernel, trace.network, trace.switches, memory)
    try:
        for event, decision in steps(trace, memory, hints=False):
            judge.see(event, decision)
        judge.end()
    except PartedError as parted:
        return parted.difference
    return None


def judged(
    kernel: Kernel, seed: int, packets: int, coverage: Coverage, tolerated: Counter[str]
) -> Difference | None:
    """Compare a trace while it is written; count what it covers and what was tolerated."""
    writer = Writer(seed, hints=False)
    judge = Judge(kernel, writer.network, writer.switches, writer.memory)
    watch = Watch(coverage, writer.network, writer.switches, writer.memory)

    def see(event: Event, decision: Decision | None) -> None:
        watch.see(event, decision)
        judge.see(event, decision)

    writer.watch = see
    # A trace makes few cycles and many values: looking for cycles meanwhile takes a fifth longer.
    gc.disable()
    try:
        writer.write(packets)
        judge.end()
    except PartedError as parted:
        return parted.difference
    finally:
        gc.enable()
        tolerated.update(judge.tolerated)
    watch.end()
    return None
