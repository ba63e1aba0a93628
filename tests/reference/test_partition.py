import itertools
from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st

from secgroup.net.ports import parse_service
from secgroup.net.protocol import ICMP, TCP, UDP
from secgroup.reference.box import Box, parts_text
from secgroup.reference.partition import (
    address_text,
    block_of_spans,
    classes,
    merged,
    span_of,
    traffic_span,
    without,
)

spans = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40)).map(sorted).map(tuple), max_size=5
)


def numbers(found: object) -> set[int]:
    return {n for low, high in found for n in range(low, high + 1)}  # type: ignore[attr-defined]


@given(spans, spans)
def test_merged_and_without_are_sets(
    some: list[tuple[int, int]], taken: list[tuple[int, int]]
) -> None:
    assert numbers(merged(some)) == numbers(some)
    assert numbers(without(some, taken)) == numbers(some) - numbers(taken)
    kept = merged(some)
    assert all(high + 1 < low for (_, high), (low, _) in itertools.pairwise(kept))


@given(spans, st.lists(spans, max_size=5))
def test_classes_are_the_numbers_that_are_in_the_same_sets(
    domain: list[tuple[int, int]], sets: list[list[tuple[int, int]]]
) -> None:
    expected: dict[tuple[bool, ...], set[int]] = {}
    for number in numbers(domain):
        signature = tuple(number in numbers(each) for each in sets)
        expected.setdefault(signature, set()).add(number)
    found = [numbers(each) for each in classes(domain, sets)]
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected.values()))
    assert [min(each) for each in found] == sorted(min(each) for each in found)


def test_traffic_as_numbers() -> None:
    assert traffic_span(parse_service("tcp/443"), TCP) == (443, 443)
    assert traffic_span(parse_service("tcp/443"), UDP) is None
    assert traffic_span(parse_service("all"), UDP) == (0, 65535)
    assert traffic_span(parse_service("icmp/8"), ICMP) == (2048, 2303)
    assert traffic_span(parse_service("icmp/3/4"), ICMP) == (772, 772)
    assert traffic_span(parse_service("47"), 47) == (0, 0)


def test_addresses_are_written_as_blocks_where_they_are_one() -> None:
    block = span_of(ip_network("198.51.100.0/25"))
    low, high = block
    assert address_text([block, (high + 1, high + 1), (high + 3, high + 6)], 4) == (
        "198.51.100.0/25, 198.51.100.128, 198.51.100.130-198.51.100.133"
    )
    assert block_of_spans([block], 4) == ip_network("198.51.100.0/25")
    assert block_of_spans([(low, high - 1)], 4) is None
    assert block_of_spans([block, (high + 5, high + 5)], 4) is None


def test_parts_join_what_differs_in_one_field_only() -> None:
    boxes = [
        Box(protocol=TCP, points=((port, port),), clients=(client,))
        for port in (80, 81, 83)
        for client in ((1024, 2000), (2001, 65535))
    ]
    assert parts_text(boxes, boxes, 4, None) == ()
    assert parts_text(boxes[:4], boxes, 4, None) == ("tcp/80-81",)
    assert parts_text(boxes[::2], boxes, 4, None) == ("client ports 1024-2000",)
    assert parts_text(boxes[:3], boxes, 4, None) == ("tcp/80", "tcp/81, client ports 1024-2000")
