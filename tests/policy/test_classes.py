"""Classes of addresses and ports, against sets counted out one by one."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secgroup.errors import InputError
from secgroup.model.network import Network
from secgroup.model.route import Route, RouteTable, Target, TargetKind
from secgroup.net.address import parse_prefix
from secgroup.net.ports import parse_service
from secgroup.net.protocol import TCP, UDP
from secgroup.policy.classes import (
    END_OF_PORTS,
    MAX_RULES,
    OTHER_PROTOCOLS,
    PLACES_OF_ICMP,
    PLACES_OF_UDP,
    UNTYPED_ICMP,
    RulePorts,
    address_classes,
    addresses_of,
    edges_of,
    port_classes,
    ports_of,
    require_few,
    spans_of,
    sweep,
    tracked_addresses,
)
from secgroup.policy.policy import ALWAYS_TRACKED_TYPES
from secgroup.policy.resolve import Policy
from tests.support.traces import make_network

END = 40
SPANS = st.lists(
    st.tuples(st.integers(0, END), st.integers(0, END))
    .map(lambda ends: (min(ends), max(ends)))
    .filter(lambda ends: ends[0] < ends[1]),
    max_size=6,
)


def numbers_in(edges, end=END):
    return {number for first, behind in spans_of(edges, end) for number in range(first, behind)}


@given(SPANS)
def test_edges_hold_exactly_the_numbers_of_their_spans(spans):
    edges = edges_of(spans, END)
    assert numbers_in(edges) == {each for first, behind in spans for each in range(first, behind)}


@given(SPANS)
def test_edges_of_a_set_have_one_form(spans):
    edges = edges_of(spans, END)
    assert list(edges) == sorted(set(edges))
    assert END not in edges
    assert edges_of([(each, each + 1) for each in numbers_in(edges)], END) == edges


@given(st.lists(SPANS, max_size=5))
def test_sweep_gives_every_number_the_sets_that_hold_it(sets):
    edges = [edges_of(spans, END) for spans in sets]
    starts, class_of, bits = sweep((1 << bit, each) for bit, each in enumerate(edges))
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    assert all(here != after for here, after in pairwise(class_of))
    assert len(set(bits)) == len(bits)
    for number in range(END):
        held = sum(1 << bit for bit, each in enumerate(edges) if number in numbers_in(each))
        interval = max(index for index, start in enumerate(starts) if start <= number)
        assert bits[class_of[interval]] == held


def test_addresses_of_a_family_leave_the_other_out():
    prefixes = [parse_prefix("10.0.0.0/8"), parse_prefix("11.0.0.0/8"), parse_prefix("::/0")]
    assert addresses_of(4, prefixes, [IPv4Address("12.0.0.0")]) == (10 << 24, (12 << 24) + 1)
    assert addresses_of(6, prefixes, [IPv6Address("::5")]) == (0,)
    assert addresses_of(4, [parse_prefix("255.0.0.0/8")], ()) == (255 << 24,)


@pytest.mark.parametrize(
    ("family", "service", "edges"),
    [
        (4, "all", (0,)),
        (4, "tcp/0-65535", (0, PLACES_OF_UDP)),
        (4, "udp/53", (PLACES_OF_UDP + 53, PLACES_OF_UDP + 54)),
        (6, "udp/65535", (PLACES_OF_ICMP - 1, PLACES_OF_ICMP)),
        (4, "icmp", (PLACES_OF_ICMP, UNTYPED_ICMP + 1)),
        (
            4,
            "icmp/3",
            (PLACES_OF_ICMP + 768, PLACES_OF_ICMP + 1024, UNTYPED_ICMP, UNTYPED_ICMP + 1),
        ),
        (
            6,
            "icmpv6/2/0",
            (PLACES_OF_ICMP + 512, PLACES_OF_ICMP + 513, UNTYPED_ICMP, UNTYPED_ICMP + 1),
        ),
        (6, "icmp/8", (OTHER_PROTOCOLS + 1, OTHER_PROTOCOLS + 2)),
        (4, "icmpv6", (OTHER_PROTOCOLS + 58, OTHER_PROTOCOLS + 59)),
        (4, "255", (END_OF_PORTS - 1,)),
    ],
)
def test_traffic_is_a_set_of_places(family, service, edges):
    assert ports_of(family, parse_service(service)) == edges


def test_class_bitmaps_are_as_wide_as_the_rules_need():
    for rules, words in ((0, 1), (1, 1), (64, 1), (65, 2), (MAX_RULES, 16)):
        peers = [addresses_of(4, (), [IPv4Address(5 * each)]) for each in range(rules)]
        classes = address_classes(4, peers, ((), ()))
        assert classes.bitmaps.shape == (rules + 1, words)
        for rule in range(rules):
            interval = np.searchsorted(classes.starts, 5 * rule, "right") - 1
            bits = classes.bitmaps[classes.class_of[interval]]
            assert int.from_bytes(bits.tobytes(), "little") == 1 << rule


def test_classes_that_no_rule_tells_apart_are_one():
    evens = addresses_of(4, (), [IPv4Address(2 * each) for each in range(1000)])
    classes = address_classes(4, [evens] * 1000, ((), ()))
    assert len(classes.starts) == 2000
    assert classes.bitmaps.shape == (2, 16)
    assert not classes.bitmaps.flags.writeable


def all_open(*services, is_open=True):
    rules = [RulePorts.of(4, parse_service(each), is_open=is_open) for each in services]
    return port_classes(4, rules).all_open


def test_open_needs_every_port_in_one_rule():
    assert all_open("tcp/0-32767", "tcp/32768-65535") == {TCP: False, UDP: False}
    assert all_open("udp") == {TCP: False, UDP: True}
    assert all_open("all") == {TCP: True, UDP: True}
    assert all_open("all", is_open=False) == {TCP: False, UDP: False}


def test_too_many_rules_are_refused_in_one_line():
    require_few(MAX_RULES, "eni-1")
    with pytest.raises(InputError, match=r"^eni-1: 1001 rules, expected at most 1000$"):
        require_few(MAX_RULES + 1, "eni-1")


BLOCKS = tuple(
    """0.0.0.0/0 10.0.0.0/8 10.0.0.0/16 10.0.0.0/17 10.0.128.0/17 10.1.0.0/16 128.0.0.0/1
    255.255.255.255/32 ::/0 2001:db8::/32 2001:db8::/33 ffff::/16""".split()  # noqa: SIM905
)
TARGETS = (
    (TargetKind.LOCAL, "local"),
    (TargetKind.NAT_GATEWAY, "nat-1"),
    (TargetKind.EGRESS_ONLY_GATEWAY, "eigw-1"),
    (TargetKind.GATEWAY_ENDPOINT, "vpce-dynamodb"),
    (TargetKind.GATEWAY_ENDPOINT, "vpce-s3"),
    (TargetKind.INTERNET_GATEWAY, "igw-1"),
)


def with_routes(network: Network, random: Random) -> Network:
    routes = tuple(
        Route(
            destination=parse_prefix(random.choice(BLOCKS)),
            target=Target(kind=kind, target_id=target_id),
        )
        for kind, target_id in random.choices(TARGETS, k=random.randint(0, 12))
    )
    table = RouteTable(route_table_id="rtb-1", vpc_id="vpc-a", is_main=True, routes=routes)
    return replace(network, route_tables={"rtb-1": table})


@pytest.mark.parametrize("seed", range(40))
def test_tracked_addresses_weigh_what_the_definition_says(seed):
    random = Random(seed)
    network = with_routes(make_network(random), random)
    at = Policy(network).at("eni-a0")
    members = [
        each
        for each in network.interfaces.values()
        if each.interface_type in ALWAYS_TRACKED_TYPES and each.vpc_id in at.peer_vpc_ids
    ]
    table = network.route_table_of(at.subnet.subnet_id)
    for family, kind, bits in ((4, IPv4Address, 32), (6, IPv6Address, 128)):
        once, twice = tracked_addresses(family, network, table, members)
        ends = set(once) | set(twice)
        for block in map(parse_prefix, BLOCKS):
            if block.version == family:
                ends |= {int(block.network_address), int(block.broadcast_address) + 1}
        ends |= {int(each) for member in members for each in member.addresses}
        probes = {end + step for end in ends for step in (-1, 0, 1)}
        for number in sorted(each for each in probes if 0 <= each < 1 << bits):
            weight = _holds(once, number) + 2 * _holds(twice, number)
            assert weight == at.always_tracked_weight(kind(number)), kind(number)


def _holds(edges, number):
    return sum(edge <= number for edge in edges) % 2


def test_local_route_wins_among_equals_and_then_the_first():
    network = Network()

    def weights(*kinds):
        routes = tuple(
            Route(destination=IPv4Network("10.0.0.0/8"), target=Target(kind=kind, target_id="x"))
            for kind in kinds
        )
        table = RouteTable(route_table_id="rtb-1", vpc_id="vpc-1", routes=routes)
        return tracked_addresses(4, network, table, ())[0]

    block = (10 << 24, 11 << 24)
    assert weights(TargetKind.NAT_GATEWAY, TargetKind.INTERNET_GATEWAY) == block
    assert weights(TargetKind.INTERNET_GATEWAY, TargetKind.NAT_GATEWAY) == ()
    assert weights(TargetKind.NAT_GATEWAY, TargetKind.LOCAL) == ()
