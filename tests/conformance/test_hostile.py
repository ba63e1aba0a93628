"""Damaged packets: the kernel's program reads what `net.wire` does, and decides as it must."""

from collections import Counter
from random import Random

import pytest

from secgroup.decision import Reason
from secgroup.net.direction import Direction
from secgroup.net.packet import Malformed, Packet
from secgroup.net.wire import parse
from secgroup.reference.memory import AS_DOCUMENTED
from tests.conformance.hostile import NETWORK, hostile
from tests.conformance.judge import tolerated
from tests.conformance.kernel import Kernel, loaded
from tests.conformance.subject import Reference
from tests.support.traces import Arrival

pytestmark = pytest.mark.needs("root", "bpf")

COUNT = 8000
#: A tag hides from the kernel's test run that an IP header is cut.
TAG = b"\x81\0\0\x07"


@pytest.mark.parametrize("seed", range(4))
def test_damaged_packet_is_read_and_decided_alike(seed):
    random, kernel, definition = Random(seed), Kernel(loaded()), Reference(NETWORK)
    kernel.begin(NETWORK, AS_DOCUMENTED)
    seen: Counter[str] = Counter()
    for number, octets in enumerate(hostile(seed, COUNT)):
        way = random.choice(list(Direction))
        interface_id = random.choices(list(NETWORK.interfaces), (5, 4, 1))[0]
        now_ms = 5 * number
        if number % 200 == 0:
            kernel.sweep(now_ms)
        packet = parse(octets)
        arrival = Arrival(time_ms=now_ms, interface_id=interface_id, direction=way, packet=packet)
        expected = definition.decide(interface_id, way, packet, now_ms)
        family = 6 if octets[:1] and octets[0] >> 4 == 6 else 4
        frame = kernel.frame(interface_id, way, octets, family)
        kernel.run(interface_id, way, frame[:12] + TAG + frame[12:], now_ms)
        (event,) = kernel.told()
        assert event.decision is not None
        if event.decision != expected:
            assert tolerated(arrival, expected, event), f"{octets.hex()}\n{expected}\n{event}"
        assert (event.octets, event.segments) == (packet.length, 1), octets.hex()
        if isinstance(packet, Packet):
            found = (event.source, event.destination)
            assert found == (packet.source, packet.destination), octets.hex()
            # Of a later fragment what its first one carries is told.
            if not packet.is_later_fragment:
                told = (event.protocol, event.source_port, event.destination_port, event.icmp_type)
                said = (packet.protocol, packet.source_port, packet.destination_port)
                assert told == (*said, packet.icmp_type), octets.hex()
        seen[expected.reason.name] += 1
        seen["malformed"] += isinstance(packet, Malformed)
        seen[getattr(packet, "problem", "")[:24]] += 1
    # All of it is exercised: what cannot be read, and what can.
    assert COUNT // 10 < seen["malformed"] < COUNT // 2, seen
    assert {each.name for each in Reason if each.value not in (7, 13, 15, 16)} <= set(seen), seen
