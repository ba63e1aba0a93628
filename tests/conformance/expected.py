"""What the kernel's tables must hold, said by the definition: the same bytes.

Written from `engine/layout.py` (RECORD) and the values of `conntrack.flow`, and of nothing that
the plane uses.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from secgroup.conntrack.flow import Flow, FlowKey
from secgroup.conntrack.grid import Side
from secgroup.conntrack.timeout import Timeouts
from secgroup.engine.layout import (
    ICMP_KIND,
    IPV6,
    LOW_HALF,
    NEXT_ORIGINAL_KNOWN,
    NEXT_REPLY_KNOWN,
    OPENED_EGRESS,
    RECORD,
    WEIGHT_TWO,
)
from secgroup.net.address import Address
from secgroup.net.direction import Direction
from secgroup.net.protocol import ICMP_QUERIES

_QUERIES = sorted(ICMP_QUERIES)


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """The numbers that a plane has given to names; the timeouts of a set by its number."""

    owner: Callable[[str], int]
    rule: Callable[[str], int]
    timeouts: Callable[[Timeouts], int]


def name_of(key: FlowKey, numbers: Numbers) -> tuple[int, ...]:
    """Return the fields that name a flow."""
    family, place = key.inside.version, key.protocol
    inside_port, outside_port = key.inside_port, key.outside_port
    if key.query is not None:
        query = _QUERIES.index((family, key.query.type))
        place = ICMP_KIND + 2 * query + int(key.query.opener is Direction.EGRESS)
        outside_port = ~inside_port & 0xFFFF
    owner = numbers.owner(key.owner) | (IPV6 if family == 6 else 0) | place << 24
    return (*_halves(key.inside), *_halves(key.outside), inside_port, outside_port, owner)


def record_of(flow: Flow, code: int, numbers: Numbers) -> tuple[object, ...]:
    """Return the fields of a flow's record; `code` is that of an ICMP opener, else 0."""
    positions = flow.next
    flags = OPENED_EGRESS if flow.opener is Direction.EGRESS else 0
    flags |= 0 if positions[Side.ORIGINAL] is None else NEXT_ORIGINAL_KNOWN
    flags |= 0 if positions[Side.REPLY] is None else NEXT_REPLY_KNOWN
    flags |= WEIGHT_TWO if flow.weight == 2 else 0
    return (
        *name_of(flow.key, numbers),
        flow.last_ms & LOW_HALF,
        flow.created_ms // 1000,
        (code if flow.key.query is not None else positions[0] or 0, positions[1] or 0),
        numbers.rule(flow.rule_ids[0]),
        numbers.timeouts(flow.timeouts),
        int(flow.state),
        flags,
    )


def _halves(address: Address) -> tuple[int, int]:
    number = int(address) | (0xFFFF << 32 if address.version == 4 else 0)
    return number & (1 << 64) - 1, number >> 64


def records_of(flows: Iterable[Flow], codes: Mapping[Any, int], numbers: Numbers) -> list[bytes]:
    """Return the records of flows, sorted; `codes` are those of ICMP openers, by key."""
    rows = np.zeros(1, RECORD)
    found = []
    for flow in flows:
        rows[0] = record_of(flow, codes.get(flow.key, 0), numbers)
        found.append(rows.tobytes())
    return sorted(found)
