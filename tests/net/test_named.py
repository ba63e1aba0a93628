import pytest

from secgroup.errors import InputError
from secgroup.net.named import packet_of
from secgroup.net.protocol import TcpFlag

SYN = {
    "srcaddr": "192.0.2.1",
    "dstaddr": "192.0.2.2",
    "protocol": 6,
    "srcport": 40000,
    "dstport": 0,
    "tcp_flags": 2,
}


def test_tcp_packet_has_ports_and_flags_even_those_that_are_zero():
    packet = packet_of(SYN)
    assert (packet.source_port, packet.destination_port) == (40000, 0)
    assert packet.tcp is not None
    assert packet.tcp.flags is TcpFlag.SYN
    assert packet.hop_limit == 64


def test_other_protocol_has_no_ports_whatever_is_given():
    packet = packet_of({**SYN, "protocol": 47})
    assert packet.source_port is None
    assert packet.tcp is None


def test_icmp_error_has_no_identifier_and_icmpv6_is_none_in_ipv4():
    error = packet_of({**SYN, "protocol": 1, "icmp_type": 3, "identifier": 7})
    assert error.icmp is not None
    assert error.icmp.identifier is None
    query = packet_of({**SYN, "protocol": 1, "icmp_type": 8, "identifier": 7})
    assert query.icmp is not None
    assert query.icmp.identifier == 7
    assert packet_of({**SYN, "protocol": 58, "icmp_type": 128}).icmp is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("srcport", 65536),
        ("srcport", -1),
        ("srcport", "80"),
        ("srcport", [80]),
        ("srcport", True),
        ("srcport", 80.5),
        ("srcport", float("inf")),
        ("protocol", None),
        ("protocol", 256),
        ("srcaddr", None),
        ("srcaddr", "192.0.2"),
        ("dstaddr", "2001:db8::1"),
        ("tcp_flags", 256),
    ],
)
def test_value_out_of_bounds_is_named(name, value):
    with pytest.raises(InputError) as raised:
        packet_of({**SYN, name: value})
    assert raised.value.path == name
