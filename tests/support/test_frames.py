"""Frames of packets are read back as those packets."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from secgroup.net.packet import Malformed, Packet
from secgroup.net.wire import parse
from tests.support.frames import MALFORMED_KINDS, ethernet, ip_bytes, malformed
from tests.support.traces import Arrival, make_trace


@pytest.mark.parametrize("seed", range(3))
def test_every_packet_of_a_trace_is_read_back(seed):
    events = make_trace(seed, 1000).events
    packets = [each.packet for each in events if isinstance(each, Arrival)]
    for packet in packets:
        if isinstance(packet, Packet):
            assert parse(ip_bytes(packet)) == packet
            for extra, options in ((1, 0), (5, 3), (0, 10)):
                more = 8 * extra + (0 if packet.tcp is None else 4 * options)
                longer = replace(packet, length=packet.length + more)
                assert parse(ip_bytes(packet, extra, options)) == longer


@pytest.mark.parametrize("family", [4, 6])
def test_malformed_packets_are_malformed_and_have_their_source(family):
    own = ip_address("10.0.0.1" if family == 4 else "2001:db8::1").packed
    found = [parse(malformed(number, family, own, own)) for number in range(MALFORMED_KINDS)]
    assert all(isinstance(each, Malformed) for each in found)
    assert len({each.problem for each in found}) >= 8


def test_frame_has_the_ether_type_of_its_family():
    assert ethernet(b"x", 4, source=b"s" * 6, destination=b"d" * 6) == b"dddddd" + b"ssssss\x08\0x"
    assert ethernet(b"", 6, source=b"s" * 6, destination=b"d" * 6)[12:] == b"\x86\xdd"
