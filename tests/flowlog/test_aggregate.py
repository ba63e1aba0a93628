from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest

from secgroup.decision import Decision, Reason, Verdict
from secgroup.errors import InputError
from secgroup.flowlog.aggregate import Aggregator
from secgroup.flowlog.fields import DEFAULT_FORMAT, format_of
from secgroup.flowlog.record import Flow
from secgroup.net.packet import Fragment, Malformed, Packet
from secgroup.net.protocol import TCP, UDP, TcpFlag
from tests.flowlog.scenes import (
    ACCEPT,
    ACK,
    FIN,
    IN,
    OUT,
    REJECT,
    RST,
    SYN,
    Passing,
    a_network,
    an_interface,
    named,
    ping,
    records_of,
    tcp,
    udp,
)

ENI = an_interface("eni-1", "10.0.0.5", "10.0.0.6", "2001:db8::5")
NETWORK = a_network(ENI)


def run(passings, fields="", **options):
    chosen = format_of(fields.split()) if fields else DEFAULT_FORMAT
    network = options.pop("network", NETWORK)
    records = records_of(Aggregator(network, chosen, **options), passings)
    return [named(chosen, record) for record in records]


def column(passings, field, **options):
    return [record[field] for record in run(passings, field, **options)]


def passing(packet, *, at_ms=0, direction=IN, decision=ACCEPT, interface=ENI):
    return Passing(
        at_ms=at_ms, interface=interface, direction=direction, packet=packet, decision=decision
    )


REQUEST = tcp("10.0.0.9", 1000, "10.0.0.5", 80)
ANSWER = tcp("10.0.0.5", 80, "10.0.0.9", 1000)


# What makes two packets one record


@pytest.mark.semantics("flowlog-1")
def test_packets_of_one_tuple_are_one_record_with_their_ip_lengths():
    packets = [passing(tcp("10.0.0.9", 1000, "10.0.0.5", 80, length=n)) for n in (40, 1500)]
    (record,) = run(packets)
    assert (record["packets"], record["bytes"]) == (2, 1540)


@pytest.mark.parametrize(
    "other",
    [
        passing(tcp("10.0.0.8", 1000, "10.0.0.5", 80)),
        passing(tcp("10.0.0.9", 1001, "10.0.0.5", 80)),
        passing(tcp("10.0.0.9", 1000, "10.0.0.5", 81)),
        passing(tcp("10.0.0.9", 1000, "10.0.0.6", 80)),
        passing(udp("10.0.0.9", 1000, "10.0.0.5", 80)),
        passing(REQUEST, direction=OUT),
        passing(REQUEST, decision=REJECT),
        passing(REQUEST, interface=an_interface("eni-2", "10.0.0.7")),
    ],
)
@pytest.mark.semantics("flowlog-1", "flowlog-4")
def test_another_tuple_direction_action_or_interface_is_another_record(other):
    assert [record["packets"] for record in run([passing(REQUEST), other])] == [1, 1]


@pytest.mark.semantics("flowlog-4")
def test_accepted_and_rejected_packets_of_a_tuple_are_two_records():
    packets = [passing(REQUEST), passing(REQUEST, decision=REJECT), passing(REQUEST)]
    assert [(r["action"], r["packets"]) for r in run(packets)] == [("ACCEPT", 2), ("REJECT", 1)]


@pytest.mark.semantics("flowlog-19")
def test_reason_is_of_the_first_packet_and_parts_records_only_when_asked_for():
    new = Decision(verdict=Verdict.ACCEPT, reason=Reason.NEW)
    packets = [passing(REQUEST, decision=new), passing(REQUEST), passing(REQUEST)]
    assert [r["packets"] for r in run(packets)] == [3]
    found = run(packets, "packets secgroup-reason")
    assert [(r["packets"], r["secgroup-reason"]) for r in found] == [(1, "NEW"), (2, "ESTABLISHED")]


@pytest.mark.semantics("flowlog-19")
def test_rule_ids_are_the_union_in_the_order_of_their_appearance():
    decisions = [
        Decision(verdict=Verdict.ACCEPT, reason=Reason.UNTRACKED, rule_ids=ids)
        for ids in (
            ("sgr-2", "sgr-1"),
            (),
            ("sgr-1", "Web Tier, all/ingress/0"),
            ("sgr-2", "sgr-1"),
        )
    ]
    packets = [passing(REQUEST, decision=each) for each in decisions]
    assert column(packets, "secgroup-rule-ids") == ["sgr-2,sgr-1,Web%20Tier%2C%20all/ingress/0"]
    assert column([passing(REQUEST)], "secgroup-rule-ids") == [None]


# Windows


@pytest.mark.semantics("flowlog-2", "flowlog-23")
def test_windows_start_with_the_first_packet_of_their_interface():
    other = an_interface("eni-2", "10.0.0.7")
    times = [(ENI, 1_500), (other, 31_500), (ENI, 61_499), (ENI, 61_500), (other, 91_499)]
    packets = [passing(REQUEST, at_ms=at_ms, interface=eni) for eni, at_ms in times]
    found = run(packets, "interface-id start end packets", interval_s=60)
    assert [tuple(record.values()) for record in found] == [
        ("eni-1", 1, 61, 2),
        ("eni-2", 31, 91, 2),
        ("eni-1", 61, 61, 1),
    ]


@pytest.mark.semantics("flowlog-23")
@pytest.mark.parametrize("window_start_ms", [0, 120_000, 6_000_000])
def test_windows_start_at_a_given_instant_before_or_after_it(window_start_ms):
    packets = [passing(REQUEST, at_ms=at_ms) for at_ms in (59_999, 60_000, 119_999, 120_000)]
    found = run(packets, "start packets", interval_s=60, window_start_ms=window_start_ms)
    assert [(record["start"], record["packets"]) for record in found] == [
        (59, 1),
        (60, 2),
        (120, 1),
    ]


@pytest.mark.parametrize("gap_ms", [250_000, 10 * 86_400_000 + 10_000])
@pytest.mark.parametrize("nodata", [True, False])
@pytest.mark.semantics("flowlog-23")
def test_windows_follow_the_first_one_even_after_a_gap_or_a_jump(gap_ms, nodata):
    packets = [passing(REQUEST, at_ms=at_ms) for at_ms in (0, gap_ms, gap_ms + 50_000)]
    found = run(packets, "start packets", interval_s=60, nodata=nodata)
    assert [tuple(record.values()) for record in found if record["packets"]] == [
        (0, 1), (gap_ms // 1000, 1), (gap_ms // 1000 + 50, 1),
    ]  # fmt: skip


@pytest.mark.semantics("flowlog-23")
def test_records_come_by_window_then_interface_then_first_packet():
    other = an_interface("eni-0", "10.0.0.7")
    packets = [
        passing(REQUEST, at_ms=0),
        passing(ANSWER, at_ms=1, direction=OUT),
        passing(REQUEST, at_ms=2, interface=other),
        passing(REQUEST, at_ms=60_000),
        passing(REQUEST, at_ms=60_000, interface=other),
    ]
    found = run(packets, "interface-id srcport", interval_s=60, window_start_ms=0)
    assert [tuple(record.values()) for record in found] == [
        ("eni-0", 1000), ("eni-1", 1000), ("eni-1", 80), ("eni-0", 1000), ("eni-1", 1000),
    ]  # fmt: skip


def test_finished_records_come_out_as_soon_as_the_clock_passes_their_window():
    aggregator = Aggregator(NETWORK, interval_s=60)
    assert list(aggregator.add(0, ENI, IN, REQUEST, ACCEPT)) == []
    assert list(aggregator.advance(59_999)) == []
    assert len(list(aggregator.advance(60_000))) == 1
    assert list(aggregator.close()) == []


@pytest.mark.semantics("flowlog-24")
def test_packet_with_an_earlier_stamp_counts_as_seen_now():
    aggregator = Aggregator(NETWORK, format_of(["start", "end", "packets"]), interval_s=60)
    found = list(aggregator.add(50_000, ENI, IN, REQUEST, ACCEPT))
    found += aggregator.add(110_000, ENI, IN, REQUEST, ACCEPT)
    found += aggregator.add(20_000, ENI, IN, REQUEST, ACCEPT)
    assert [*found, *aggregator.close()] == [(50, 50, 1), (110, 110, 2)]


@pytest.mark.parametrize("interval_s", [0, 1, 300, 601, -60])
@pytest.mark.semantics("flowlog-2")
def test_interval_that_aws_does_not_offer_is_refused(interval_s):
    with pytest.raises(InputError, match="expected 60 or 600"):
        Aggregator(NETWORK, interval_s=interval_s)


# NODATA and SKIPDATA


@pytest.mark.semantics("flowlog-12", "flowlog-25")
def test_windows_between_traffic_are_nodata_and_the_open_one_at_the_end_is_silent():
    other = an_interface("eni-2", "10.0.0.7")
    packets = [
        passing(REQUEST, at_ms=0),
        passing(REQUEST, at_ms=200_000, interface=other),
        passing(REQUEST, at_ms=250_000),
    ]
    found = run(packets, "interface-id start end log-status", interval_s=60,
                network=a_network(ENI, other))  # fmt: skip
    assert [tuple(record.values()) for record in found] == [
        ("eni-1", 0, 0, "OK"),
        ("eni-1", 60, 120, "NODATA"),
        ("eni-1", 120, 180, "NODATA"),
        ("eni-1", 180, 240, "NODATA"),
        ("eni-2", 200, 200, "OK"),
        ("eni-1", 250, 250, "OK"),
    ]


@pytest.mark.semantics("flowlog-12")
def test_nodata_can_be_left_out():
    packets = [passing(REQUEST, at_ms=at_ms) for at_ms in (0, 250_000)]
    assert column(packets, "log-status", interval_s=60, nodata=False) == ["OK", "OK"]


@pytest.mark.semantics("flowlog-25")
def test_jump_of_the_clock_is_not_silence():
    day_ms = 86_400_000
    packets = [passing(REQUEST, at_ms=at_ms) for at_ms in (0, day_ms, 2**40)]
    found = column(packets, "log-status", interval_s=600)
    assert found == ["OK", *["NODATA"] * 143, "OK", "OK"]


@pytest.mark.semantics("flowlog-25")
def test_interface_that_left_the_network_is_not_told_of():
    aggregator = Aggregator(NETWORK, format_of(["log-status"]), interval_s=60)
    found = list(aggregator.add(0, ENI, IN, REQUEST, ACCEPT))
    aggregator.change(a_network(an_interface("eni-9", "10.0.0.9")))
    found += aggregator.advance(600_000)
    assert [*found, *aggregator.close()] == [("OK",)]


def test_change_of_the_network_tells_in_the_windows_that_open_after_it():
    aggregator = Aggregator(NETWORK, format_of(["account-id"]), interval_s=60, nodata=False)
    found = list(aggregator.add(0, ENI, IN, REQUEST, ACCEPT))
    aggregator.change(a_network(ENI, account_id="999999999999"))
    found += aggregator.add(1, ENI, OUT, ANSWER, ACCEPT)
    found += aggregator.add(60_000, ENI, IN, REQUEST, ACCEPT)
    found += aggregator.close()
    assert found == [("123456789010",), ("123456789010",), ("999999999999",)]


@pytest.mark.semantics("flowlog-13")
def test_lost_packets_are_one_skipdata_record_after_those_of_the_window():
    aggregator = Aggregator(NETWORK, format_of(["start", "end", "packets", "log-status"]))
    found = [
        *aggregator.add(1000, ENI, IN, REQUEST, ACCEPT),
        *aggregator.skip(2000, ENI),
        *aggregator.skip(3000, ENI),
        *aggregator.close(),
    ]
    assert found == [(1, 1, 1, "OK"), (1, 601, None, "SKIPDATA")]


# What is not logged


@pytest.mark.semantics("flowlog-14")
def test_packet_that_is_not_logged_makes_no_record():
    unlogged = Decision(verdict=Verdict.ACCEPT, reason=Reason.EXEMPT, logged=False)
    assert run([passing(REQUEST, decision=unlogged)]) == []


@pytest.mark.semantics("flowlog-15")
def test_malformed_packet_is_logged_as_far_as_it_can_be_read():
    broken = Decision(verdict=Verdict.REJECT, reason=Reason.MALFORMED)
    source, destination = ip_address("10.0.0.9"), ip_address("10.0.0.5")
    packets = [
        passing(
            Malformed(problem="short", length=24, source=source, destination=destination,
                      protocol=protocol),
            decision=broken,
        )
        for protocol in (TCP, 1, None)
    ] + [passing(Malformed(problem="short", length=3), decision=broken)]  # fmt: skip
    found = run(packets, "protocol srcport dstport bytes tcp-flags action")
    assert [tuple(record.values()) for record in found] == [
        (TCP, None, None, 24, 0, "REJECT"),
        (1, 0, 0, 24, 0, "REJECT"),
    ]


# Ports, flags, fragments


@pytest.mark.semantics("flowlog-5")
def test_protocols_without_ports_have_port_zero():
    esp = Packet(source=ip_address("10.0.0.9"), destination=ip_address("10.0.0.5"),
                 protocol=50, length=100)  # fmt: skip
    found = run([passing(ping("10.0.0.9", "10.0.0.5")), passing(esp)], "protocol srcport dstport")
    assert [tuple(record.values()) for record in found] == [(1, 0, 0), (50, 0, 0)]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([ACK], 0),
        ([TcpFlag.PSH | ACK, TcpFlag.URG], 0),
        ([TcpFlag(0)], 0),
        ([SYN], 2),
        ([SYN | TcpFlag.ECE | TcpFlag.CWR], 2),
        ([SYN | ACK], 18),
        ([TcpFlag.FIN | ACK], 1),
        ([RST | ACK], 4),
        ([RST], 4),
        ([SYN, ACK, TcpFlag.FIN | ACK], 3),
        ([SYN | ACK, ACK, TcpFlag.FIN | ACK], 19),
        ([SYN, RST], 6),
        ([ACK, SYN], 2),
        ([SYN | ACK | TcpFlag.FIN], 19),
    ],
)
@pytest.mark.semantics("flowlog-6")
def test_tcp_flags_are_ored_and_ack_counts_only_with_syn(flags, said):
    packets = [passing(tcp("10.0.0.9", 1, "10.0.0.5", 2, flags=each)) for each in flags]
    assert column(packets, "tcp-flags") == [said]


@pytest.mark.semantics("flowlog-27")
def test_tcp_flags_of_other_protocols_are_zero():
    packets = [passing(ping("10.0.0.9", "10.0.0.5")), passing(udp("10.0.0.9", 1, "10.0.0.5", 2))]
    assert column(packets, "tcp-flags") == [0, 0]


def fragments(source="10.0.0.9", destination="10.0.0.5", *, header=UDP):
    ends = {"source": ip_address(source), "destination": ip_address(destination)}
    first = Packet(
        **ends, protocol=UDP, length=1500, source_port=53, destination_port=4444,
        fragment=Fragment(identification=7, offset=0, more=True, protocol=header),
    )  # fmt: skip
    later = Packet(
        **ends, protocol=header, length=800,
        fragment=Fragment(identification=7, offset=1480, more=False, protocol=header),
    )  # fmt: skip
    return first, later


@pytest.mark.parametrize(
    ("source", "destination", "header"),
    [("10.0.0.9", "10.0.0.5", UDP), ("2001:db8::9", "2001:db8::5", 60)],
)
@pytest.mark.semantics("flowlog-18")
def test_later_fragment_counts_into_the_record_of_its_first(source, destination, header):
    packets = [passing(each) for each in fragments(source, destination, header=header)]
    found = run(packets, "protocol srcport dstport packets bytes")
    assert [tuple(record.values()) for record in found] == [(UDP, 53, 4444, 2, 2300)]


@pytest.mark.semantics("flowlog-18")
def test_later_fragment_without_its_first_has_no_ports():
    lost = Decision(verdict=Verdict.REJECT, reason=Reason.FRAGMENT)
    first, later = fragments()
    found = run([passing(later, decision=lost)], "srcport dstport action")
    assert [tuple(record.values()) for record in found] == [(None, None, "REJECT")]
    found = run([passing(first), passing(later, at_ms=30_000, decision=lost)], "srcport packets")
    assert [tuple(record.values()) for record in found] == [(53, 1), (None, 1)]


# Addresses


def addresses(packet, direction, interface=ENI):
    (record,) = run(
        [passing(packet, direction=direction, interface=interface)],
        "srcaddr dstaddr pkt-srcaddr pkt-dstaddr",
        network=a_network(interface),
    )
    return tuple(record.values())


@pytest.mark.parametrize("destination", ["10.0.0.5", "10.0.0.6", "203.0.113.9"])
@pytest.mark.semantics("flowlog-8")
def test_ingress_dstaddr_is_the_primary_address_whatever_the_packet_says(destination):
    packet = tcp("198.51.100.1", 1, destination, 2)
    assert addresses(packet, IN) == ("198.51.100.1", "10.0.0.5", "198.51.100.1", destination)


@pytest.mark.parametrize(
    ("source", "shown"),
    [("10.0.0.5", "10.0.0.5"), ("10.0.0.6", "10.0.0.6"), ("10.9.9.9", "10.0.0.5")],
)
@pytest.mark.semantics("flowlog-9", "flowlog-26")
def test_egress_srcaddr_is_the_primary_address_only_for_foreign_sources(source, shown):
    packet = tcp(source, 1, "198.51.100.1", 2)
    assert addresses(packet, OUT) == (shown, "198.51.100.1", source, "198.51.100.1")


@pytest.mark.semantics("flowlog-26")
def test_egress_srcaddr_of_a_delegated_prefix_is_the_primary_address():
    node = an_interface("eni-1", "10.0.0.5", prefixes=(ip_network("10.0.1.0/28"),))
    packet = tcp("10.0.1.3", 1, "198.51.100.1", 2)
    assert addresses(packet, OUT, node)[::2] == ("10.0.0.5", "10.0.1.3")


@pytest.mark.semantics("flowlog-9")
def test_addresses_of_ipv6_packets_are_never_rewritten():
    packet = tcp("2001:db8::99", 1, "2001:db8::77", 2)
    for direction in (IN, OUT):
        assert addresses(packet, direction) == ("2001:db8::99", "2001:db8::77") * 2


def test_interface_without_ipv4_shows_the_packet_as_it_is():
    only = an_interface("eni-1", "2001:db8::5")
    assert addresses(REQUEST, IN, only) == ("10.0.0.9", "10.0.0.5") * 2


def test_equal_numbers_of_both_families_are_not_one_record():
    low4, low6 = IPv4Address(9), IPv6Address(9)
    packets = [
        passing(Packet(source=each, destination=each, protocol=50, length=1))
        for each in (low4, low6)
    ]
    assert column(packets, "type") == ["IPv4", "IPv6"]


# Sums instead of packets


def a_sum(packet, *, first_ms, last_ms, packets, octets, flags=0, rules=()):
    return Flow(
        source=packet.source,
        destination=packet.destination,
        ports=(packet.source_port, packet.destination_port),
        protocol=packet.protocol,
        direction=IN,
        verdict=Verdict.ACCEPT,
        reason=Reason.ESTABLISHED,
        first_ms=first_ms,
        last_ms=last_ms,
        packets=packets,
        octets=octets,
        flags=flags,
        rules=list(rules),
    )


def test_sum_of_packets_is_the_record_that_the_packets_give():
    packets = [
        passing(tcp("10.0.0.9", 1000, "10.0.0.5", 80, flags=flags, length=50), at_ms=at_ms)
        for at_ms, flags in ((1_000, SYN), (2_000, ACK), (9_000, FIN | ACK))
    ]
    aggregator = Aggregator(NETWORK, DEFAULT_FORMAT)
    summed = {"first_ms": 1_000, "last_ms": 9_000, "packets": 3, "octets": 150}
    summed["flags"] = int(SYN | ACK | FIN)
    assert aggregator.count(ENI, a_sum(REQUEST, **summed)) == ()
    (record,) = aggregator.close()
    assert [named(DEFAULT_FORMAT, record)] == run(packets)


def test_sums_of_one_flow_are_one_record_with_the_union_of_rules():
    chosen = format_of(["packets", "bytes", "start", "end", "secgroup-rule-ids"])
    aggregator = Aggregator(NETWORK, chosen)
    first = {"first_ms": 5_000, "last_ms": 6_000, "packets": 2, "octets": 100}
    then = {"first_ms": 6_500, "last_ms": 9_000, "packets": 1, "octets": 40}
    aggregator.count(ENI, a_sum(REQUEST, **first, rules=[("sgr-1",)]))
    aggregator.count(ENI, a_sum(REQUEST, **then, rules=[("sgr-1",), ("sgr-2",)]))
    (record,) = aggregator.close()
    assert record == (3, 140, 5, 9, "sgr-1,sgr-2")


def test_window_of_a_sum_begins_with_its_first_packet():
    aggregator = Aggregator(NETWORK, format_of(["start", "end"]), interval_s=60)
    aggregator.count(ENI, a_sum(REQUEST, first_ms=5_000, last_ms=9_000, packets=2, octets=80))
    assert aggregator.advance(64_999) == ()
    assert list(aggregator.advance(65_000)) == [(5, 9)]


def test_sum_that_began_in_a_window_that_is_closed_starts_with_the_open_one():
    aggregator = Aggregator(NETWORK, format_of(["start", "end"]), interval_s=60)
    aggregator.count(ENI, a_sum(REQUEST, first_ms=0, last_ms=0, packets=1, octets=40))
    late = a_sum(REQUEST, first_ms=50_000, last_ms=70_000, packets=2, octets=80)
    assert list(aggregator.count(ENI, late)) == [(0, 0)]
    assert list(aggregator.close()) == [(60, 70)]
