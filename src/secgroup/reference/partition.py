"""Cutting a range of numbers into classes that a list of sets cannot tell apart.

Owns the cutting alone: a number may be a port, an ICMP type and code, or an address. One
representative of each class answers for all of it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from ipaddress import ip_address, summarize_address_range
from typing import TypeAlias

from secgroup.net.address import Address, Prefix
from secgroup.net.ports import Traffic
from secgroup.net.protocol import ICMP, ICMPV6, TCP, UDP

#: A first and a last number, both included.
Span: TypeAlias = tuple[int, int]


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the same numbers as ascending spans that neither touch nor overlap."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)


def without(spans: Iterable[Span], taken: Iterable[Span]) -> tuple[Span, ...]:
    """Return what is left of `spans` when the numbers of `taken` are gone."""
    left = list(merged(spans))
    for first, last in merged(taken):
        left = [
            part
            for low, high in left
            for part in ((low, min(high, first - 1)), (max(low, last + 1), high))
            if part[0] <= part[1]
        ]
    return tuple(left)


def classes(domain: Sequence[Span], sets: Iterable[Sequence[Span]]) -> tuple[tuple[Span, ...], ...]:
    """Cut `domain` into the classes of numbers that are in the same ones of `sets`.

    Returns
    -------
    tuple of tuple of Span
        Each class as ascending spans; the class with the lowest number first.

    """
    toggles: dict[int, int] = defaultdict(int)
    for number, each in enumerate(dict.fromkeys(merged(spans) for spans in sets)):
        for first, last in each:
            toggles[first] ^= 1 << number
            toggles[last + 1] ^= 1 << number
    borders = sorted(toggles)
    found: dict[int, list[Span]] = defaultdict(list)
    index, inside = 0, 0
    for low, high in merged(domain):
        start = low
        while index < len(borders) and borders[index] <= low:
            inside ^= toggles[borders[index]]
            index += 1
        while index < len(borders) and borders[index] <= high:
            found[inside].append((start, borders[index] - 1))
            start = borders[index]
            inside ^= toggles[start]
            index += 1
        found[inside].append((start, high))
    return tuple(sorted((merged(spans) for spans in found.values()), key=lambda each: each[0]))


def span_of(prefix: Prefix) -> Span:
    """Return the addresses of a block as numbers."""
    return int(prefix.network_address), int(prefix.broadcast_address)


def address_in(number: int, family: int) -> Address:
    """Return the address of a family that has this number."""
    return ip_address(number.to_bytes(4 if family == 4 else 16, "big"))


def address_text(spans: Sequence[Span], family: int) -> str:
    """Write addresses as blocks where a span is one, else as `first-last`."""
    parts = []
    for span in spans:
        first, last = (address_in(number, family) for number in span)
        blocks = list(summarize_address_range(first, last))
        if first == last:
            parts.append(str(first))
        else:
            parts.append(str(blocks[0]) if len(blocks) == 1 else f"{first}-{last}")
    return ", ".join(parts)


def block_of_spans(spans: Sequence[Span], family: int) -> Prefix | None:
    """Return the block that is exactly these addresses, None when there is no such block."""
    if len(spans) != 1:
        return None
    first, last = (address_in(number, family) for number in spans[0])
    blocks: list[Prefix] = list(summarize_address_range(first, last))
    return blocks[0] if len(blocks) == 1 else None


def port_text(spans: Sequence[Span]) -> str:
    """Write ports as `443` or `8000-8080`."""
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in spans)


def traffic_span(traffic: Traffic, protocol: int) -> Span | None:
    """Return what `traffic` covers of one protocol, as numbers; None when nothing.

    TCP and UDP: the destination port. ICMP: 256 x type + code. Other protocols: 0.
    """
    if traffic.protocol not in (None, protocol):
        return None
    if protocol in (TCP, UDP):
        return (0, 65535) if traffic.ports is None else (traffic.ports.first, traffic.ports.last)
    if protocol not in (ICMP, ICMPV6):
        return 0, 0
    if traffic.icmp_type is None:
        return 0, 65535
    first = traffic.icmp_type * 256
    if traffic.icmp_code is None:
        return first, first + 255
    return first + traffic.icmp_code, first + traffic.icmp_code
