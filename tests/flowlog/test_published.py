"""AWS's published records come out of the scenarios that they are published for."""

from calendar import timegm
from ipaddress import IPv4Network

import pytest
from flowlogs_reader import FlowRecord

from secgroup.flowlog.aggregate import Aggregator
from secgroup.flowlog.fields import DEFAULT_FORMAT, format_of
from secgroup.flowlog.read import read_lines
from secgroup.flowlog.write import line_of
from secgroup.model.group import PrefixListReference
from secgroup.model.prefix_list import PrefixList
from secgroup.model.route import Route, RouteTable, Target, TargetKind
from secgroup.model.vpc import Subnet
from secgroup.net.address import ALL_IPV4, parse_prefix
from tests.flowlog import published
from tests.flowlog.scenes import (
    ACCEPT,
    ACK,
    FIN,
    IN,
    OUT,
    REJECT,
    SYN,
    Passing,
    a_network,
    an_interface,
    lines_of,
    ping,
    stream,
    tcp,
)

#: flowlogs-reader uses what Python 3.12 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:.*utcfromtimestamp:DeprecationWarning")


def a_format(names: str):
    return format_of(names.split())


def as_published(line: str) -> str:
    """Without the trailing comment and the double space that some published lines have."""
    return " ".join(line.partition(" #")[0].split())


@pytest.mark.semantics("flowlog-1", "flowlog-4")
def test_ssh_accepted_is_the_published_record():
    eni = an_interface("eni-1235b8ca123456789", "172.31.16.21")
    packets = stream(
        eni, IN, ("172.31.16.139", 20641, "172.31.16.21", 22),
        packets=20, octets=4249, seconds=(1418530010, 1418530070),
    )  # fmt: skip
    assert lines_of(Aggregator(a_network(eni)), packets) == [published.SSH]


@pytest.mark.semantics("flowlog-1")
def test_rdp_rejected_is_the_published_record():
    eni = an_interface("eni-1235b8ca123456789", "172.31.9.12")
    packets = stream(
        eni, IN, ("172.31.9.69", 49761, "172.31.9.12", 3389), decision=REJECT,
        packets=20, octets=4249, seconds=(1418530010, 1418530070),
    )  # fmt: skip
    assert lines_of(Aggregator(a_network(eni)), packets) == [published.RDP]


@pytest.mark.semantics("flowlog-1")
def test_ipv6_ssh_is_the_published_record():
    ours = "2001:db8:1234:a102:3304:8879:34cf:4071"
    eni = an_interface("eni-1235b8ca123456789", "10.0.0.5", ours)
    packets = stream(
        eni, IN, ("2001:db8:1234:a100:8d6e:3477:df66:f105", 34892, ours, 22),
        packets=54, octets=8855, seconds=(1477913708, 1477913820),
    )  # fmt: skip
    assert lines_of(Aggregator(a_network(eni)), packets) == [published.IPV6]


@pytest.mark.semantics("flowlog-12")
def test_window_without_traffic_is_the_published_nodata_record_but_for_its_length():
    eni = an_interface("eni-1235b8ca123456789", "10.0.0.5")
    packet = tcp("10.0.0.9", 1, "10.0.0.5", 2)
    lines = lines_of(
        Aggregator(a_network(eni), interval_s=60, window_start_ms=1431280876_000),
        [
            Passing(at_ms=at * 1000, interface=eni, direction=IN, packet=packet)
            for at in (1431280875, 1431280936)
        ],
    )
    assert lines[1] == published.NODATA.replace("1431280934", "1431280936")
    assert len(lines) == 3


@pytest.mark.semantics("flowlog-13")
def test_lost_records_are_the_published_skipdata_record_but_for_its_length():
    eni = an_interface("eni-11111111aaaaaaaaa", "10.0.0.5")
    aggregator = Aggregator(a_network(eni), interval_s=60)
    assert list(aggregator.skip(1431280876_000, eni)) == []
    assert list(aggregator.skip(1431280877_000, eni)) == []
    lines = [line_of(record) for record in aggregator.close()]
    assert lines == [published.SKIPDATA.replace("1431280934", "1431280936")]


@pytest.mark.semantics("flowlog-5")
def test_ping_against_a_stateless_acl_is_the_two_published_records():
    eni = an_interface("eni-1235b8ca123456789", "172.31.16.139")
    asked = [1432917027, 1432917094, 1432917120, 1432917142]
    answered = [1432917094, 1432917100, 1432917120, 1432917142]
    passings = [
        Passing(
            at_ms=at * 1000, interface=eni, direction=IN,
            packet=ping("203.0.113.12", "172.31.16.139"), decision=ACCEPT,
        )
        for at in asked
    ] + [
        Passing(
            at_ms=at * 1000 + 1, interface=eni, direction=OUT,
            packet=ping("172.31.16.139", "203.0.113.12", kind=0), decision=REJECT,
        )
        for at in answered
    ]  # fmt: skip
    assert lines_of(Aggregator(a_network(eni)), passings) == list(published.PING)


@pytest.mark.semantics("flowlog-6", "flowlog-2")
def test_two_connections_over_two_windows_are_the_published_flags():
    eni = an_interface("eni-1235b8ca123456789", "10.0.0.62", instance_id="i-01234567890123456")
    far, near = "52.213.180.42", "10.0.0.62"
    opened, closed = (1566848875, 1566848933), (1566848933, 1566849113)
    a_in, a_out = (far, 43416, near, 5001), (near, 5001, far, 43416)
    b_in, b_out = (far, 43418, near, 5001), (near, 5001, far, 43418)
    passings = [
        *stream(eni, IN, a_in, packets=8, octets=568, seconds=opened, flags=[SYN]),
        *stream(eni, OUT, a_out, packets=7, octets=376, seconds=opened, flags=[SYN | ACK],
                late_ms=1),
        *stream(eni, IN, b_in, packets=70, octets=100701, seconds=opened, flags=[SYN], late_ms=2),
        *stream(eni, OUT, b_out, packets=12, octets=632, seconds=opened, flags=[SYN | ACK],
                late_ms=3),
        *stream(eni, OUT, b_out, packets=1219, octets=63388, seconds=closed, flags=[FIN | ACK],
                late_ms=500),
        *stream(eni, IN, b_in, packets=15774, octets=23294588, seconds=closed, flags=[FIN | ACK],
                late_ms=501),
    ]  # fmt: skip
    aggregator = Aggregator(
        a_network(eni), a_format(published.FLAGS_FORMAT), window_start_ms=1566848933_500
    )
    assert lines_of(aggregator, passings) == [*published.TWO_OPENED, *published.ONE_CLOSED]


@pytest.mark.semantics("flowlog-6")
def test_connection_within_one_window_is_the_published_flags():
    eni = an_interface("eni-1235b8ca123456789", "10.0.0.62", instance_id="i-01234567890123456")
    far, near = "52.213.180.42", "10.0.0.62"
    seconds = (1566933133, 1566933193)
    passings = [
        *stream(eni, IN, (far, 43638, near, 5001), packets=17, octets=1260, seconds=seconds,
                flags=[SYN, ACK, FIN | ACK]),
        *stream(eni, OUT, (near, 5001, far, 43638), packets=14, octets=967, seconds=seconds,
                flags=[SYN | ACK, FIN | ACK], late_ms=1),
    ]  # fmt: skip
    aggregator = Aggregator(a_network(eni), a_format(published.FLAGS_FORMAT))
    assert lines_of(aggregator, passings) == list(map(as_published, published.OPENED_AND_CLOSED))


@pytest.mark.semantics("flowlog-3", "flowlog-8", "flowlog-9")
def test_nat_gateway_is_the_published_records_on_its_interface():
    eni = an_interface("eni-1235b8ca123456789", "10.0.0.220", interface_type="natGateway")
    host, instance, nat = "203.0.113.5", "10.0.1.5", "10.0.0.220"
    passings = [
        Passing(at_ms=i, interface=eni, direction=direction, packet=packet)
        for i, (direction, packet) in enumerate(
            [
                (IN, tcp(instance, 40000, host, 443)),
                (OUT, tcp(nat, 1024, host, 443)),
                (IN, tcp(host, 443, nat, 1024)),
                (OUT, tcp(host, 443, instance, 40000)),
            ]
        )
    ]
    aggregator = Aggregator(a_network(eni), a_format(published.NAT_FORMAT))
    assert lines_of(aggregator, passings) == list(published.NAT_GATEWAY)


@pytest.mark.parametrize(
    ("names", "lines"),
    [
        (published.NAT_FORMAT, published.NAT_INSTANCE),
        (published.REGIONAL_FORMAT, published.REGIONAL_INSTANCE),
    ],
)
@pytest.mark.semantics("flowlog-3")
def test_instance_behind_a_nat_gateway_is_the_published_records(names, lines):
    eni = an_interface("eni-1111aaaa2222bbbb3", "10.0.1.5", instance_id="i-01234567890123456")
    passings = [
        Passing(
            at_ms=1, interface=eni, direction=OUT, packet=tcp("10.0.1.5", 9, "203.0.113.5", 80)
        ),
        Passing(at_ms=2, interface=eni, direction=IN, packet=tcp("203.0.113.5", 80, "10.0.1.5", 9)),
    ]
    aggregator = Aggregator(a_network(eni), a_format(names))
    assert lines_of(aggregator, passings) == list(map(as_published, lines))


@pytest.mark.semantics("flowlog-3", "flowlog-8", "flowlog-9")
def test_transit_gateway_is_the_published_records():
    server = an_interface(
        "eni-33333333333333333", "10.40.2.236",
        subnet_id="subnet-22222222bbbbbbbbb", instance_id="i-01234567890123456",
    )  # fmt: skip
    sending = an_interface(
        "eni-11111111111111111", "10.40.1.175",
        subnet_id="subnet-11111111aaaaaaaaa", interface_type="transit_gateway",
    )  # fmt: skip
    receiving = an_interface(
        "eni-22222222222222222", "10.40.2.31",
        subnet_id="subnet-22222222bbbbbbbbb", interface_type="transit_gateway",
    )  # fmt: skip
    there = ("10.20.33.164", 39812, "10.40.2.236", 80)
    back = ("10.40.2.236", 80, "10.20.33.164", 39812)
    passings = [
        Passing(at_ms=at, interface=interface, direction=direction, packet=tcp(*ends, flags=flags))
        for interface, direction, ends, several in (
            (server, IN, there, [(1, SYN), (5, FIN | ACK)]),
            (server, OUT, back, [(2, SYN | ACK), (6, FIN | ACK)]),
            (sending, OUT, there, [(0, SYN), (4, FIN | ACK)]),
            (receiving, IN, back, [(3, SYN | ACK), (7, FIN | ACK)]),
        )
        for at, flags in several
    ]
    aggregator = Aggregator(
        a_network(server, sending, receiving),
        a_format(published.TRANSIT_FORMAT),
        window_start_ms=0,
    )
    assert sorted(lines_of(aggregator, passings)) == sorted(
        (*published.TRANSIT_SERVER, *published.TRANSIT_GATEWAY)
    )


@pytest.mark.semantics("flowlog-10", "flowlog-11", "flowlog-16", "flowlog-17")
def test_service_path_and_direction_are_the_published_records():
    eni = an_interface(
        "eni-1235b8ca123456789", "10.0.0.71",
        instance_id="i-0c50d5961bcb2d47b", owner_id="123456789012",
    )  # fmt: skip
    network = a_network(
        eni,
        subnets={
            eni.subnet_id: Subnet(
                subnet_id=eni.subnet_id, vpc_id=eni.vpc_id, network_acl_id="acl-1",
                ipv4_block=IPv4Network("10.0.0.0/24"),
                availability_zone="ap-southeast-2c", availability_zone_id="apse2-az3",
            )
        },
        route_tables={
            "rtb-1": RouteTable(
                route_table_id="rtb-1", vpc_id=eni.vpc_id, is_main=True,
                routes=(
                    Route(destination=IPv4Network("10.0.0.0/16"),
                          target=Target(kind=TargetKind.LOCAL, target_id="local")),
                    Route(destination=PrefixListReference(prefix_list_id="pl-2"),
                          target=Target(kind=TargetKind.GATEWAY_ENDPOINT, target_id="vpce-1")),
                    Route(destination=ALL_IPV4,
                          target=Target(kind=TargetKind.INTERNET_GATEWAY, target_id="igw-1")),
                ),
            )
        },
        prefix_lists={
            "pl-1": PrefixList(
                prefix_list_id="pl-1", name="com.amazonaws.ap-southeast-2.s3",
                entries=(parse_prefix("52.95.128.0/21"),),
            )
        },
    )  # fmt: skip
    seconds = (1616729292, 1616729349)
    passings = [
        *stream(eni, IN, ("52.95.128.179", 80, "10.0.0.71", 34210), packets=14, octets=15044,
                seconds=seconds, flags=[SYN | ACK, FIN | ACK]),
        *stream(eni, OUT, ("10.0.0.71", 34210, "52.95.128.179", 80), packets=7, octets=471,
                seconds=seconds, flags=[SYN, FIN | ACK], late_ms=1),
    ]  # fmt: skip
    aggregator = Aggregator(network, a_format(published.S3_FORMAT))
    assert lines_of(aggregator, passings) == list(published.S3)


@pytest.mark.parametrize(
    ("names", "line"),
    [(names, line) for names, lines in published.EVERYTHING for line in lines],
)
def test_published_line_reads_as_an_independent_reader_reads_it(names, line):
    # With the names as a first line, and for the default format also without them.
    texts = [[names, line], *([[line]] if names == published.DEFAULT_FORMAT else [])]
    for text in texts:
        log = read_lines(iter(text))
        assert log.format == a_format(names)
        (record,) = log.records
        assert line_of(record) == as_published(line)
    columns = [field.column for field in log.format.fields]
    theirs = FlowRecord.from_cwl_event({"message": line}, columns)
    for column, value in zip(columns, record, strict=True):
        if column in ("start", "end"):
            assert timegm(getattr(theirs, column).timetuple()) == value
        elif column in FlowRecord.__slots__:
            assert getattr(theirs, column) == value


def test_default_format_is_the_published_one():
    assert " ".join(DEFAULT_FORMAT.names) == published.DEFAULT_FORMAT
