import pytest

from secgroup.errors import InputError
from secgroup.net.ports import PortRange, Traffic, parse_protocol, parse_service, traffic_of


@pytest.mark.parametrize(
    ("text", "traffic"),
    [
        ("tcp/443", Traffic(protocol=6, ports=PortRange(first=443, last=443))),
        ("tcp/8000-8080", Traffic(protocol=6, ports=PortRange(first=8000, last=8080))),
        ("tcp/0", Traffic(protocol=6, ports=PortRange(first=0, last=0))),
        ("UDP", Traffic(protocol=17, ports=PortRange(first=0, last=65535))),
        ("17/53", Traffic(protocol=17, ports=PortRange(first=53, last=53))),
        ("icmp", Traffic(protocol=1)),
        ("icmp/8", Traffic(protocol=1, icmp_type=8)),
        ("icmp/0/0", Traffic(protocol=1, icmp_type=0, icmp_code=0)),
        ("icmpv6/128", Traffic(protocol=58, icmp_type=128)),
        ("47", Traffic(protocol=47)),
        ("all", Traffic(protocol=None)),
        ("-1", Traffic(protocol=None)),
    ],
)
def test_a_service_is_read_and_written_again(text: str, traffic: Traffic) -> None:
    assert parse_service(text) == traffic
    assert parse_service(str(traffic)) == traffic


@pytest.mark.parametrize(
    "text",
    [
        "",
        "443",
        "tcp/",
        "tcp/1-2-3",
        "tcp/8_0",
        "tcp/٣",
        "tcp/-5",
        "icmp/1-2",
        "icmp/1/2/3",
        "47/1",
        "all/1",
        "http",
        "tcp/1/1",
    ],
)
def test_what_is_no_service_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(InputError, match="is not a service") as error:
        parse_service(text)
    assert "tcp/8000-8080" in str(error.value)


@pytest.mark.parametrize("text", ["tcp/80-70", "tcp/65536", "icmp/256", "icmp/8/256"])
def test_numbers_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"range|within"):
        parse_service(text)


@pytest.mark.parametrize(
    ("text", "protocol"), [("-1", None), ("TCP", 6), ("6", 6), ("icmpv6", 58), ("0", 0)]
)
def test_a_protocol_is_a_name_of_any_case_or_a_number(text: str, protocol: int | None) -> None:
    assert parse_protocol(text) == protocol


@pytest.mark.parametrize("text", ["all", "256", "-2", "tcpp", "", "٦", "6" * 5000])
def test_other_protocols_are_refused_as_ec2_does(text: str) -> None:
    with pytest.raises(InputError, match="is not a protocol"):
        parse_protocol(text)


def test_minus_one_is_every_icmp_type_and_code_but_no_port() -> None:
    assert traffic_of(1, -1, -1) == Traffic(protocol=1)
    assert traffic_of(1, 8, -1) == Traffic(protocol=1, icmp_type=8)
    assert traffic_of(50, 1, 2) == Traffic(protocol=50)
    with pytest.raises(InputError):
        traffic_of(6, -1, -1)
    with pytest.raises(InputError, match="needs both"):
        traffic_of(6, None, 80)


def test_a_packet_without_icmp_type_is_compared_by_its_protocol_alone() -> None:
    entry = Traffic(protocol=58, icmp_type=128)
    assert entry.covers(58, None, None, None)
    assert not entry.covers(58, None, 129, 0)
    assert entry.covers(58, None, 128, 7)
