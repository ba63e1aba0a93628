"""The flows that are alive at the end of a capture, as JSON Lines.

Owns what is said of each. Tracked ones have an entry; untracked ones and those that are judged
in mid-stream have none, and count as alive when they passed a packet lately.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from secgroup.conntrack.flow import Flow
from secgroup.decision import Reason
from secgroup.net.address import Address
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet
from secgroup.net.protocol import ICMP, ICMPV6, TCP, UDP
from secgroup.replay.connections import Connection, Leg
from secgroup.replay.summary import Replayed

#: A flow without an entry is alive if it passed a packet within this: the shortest time that
#: AWS keeps an established TCP connection by default (350 s, on Nitro v6).
RECENT_MS: Final = 350_000

_BY_RULES_ALONE: Final = (Reason.UNTRACKED, Reason.MIDSTREAM)


def live_lines(firewall: Replayed) -> Iterator[str]:
    """Yield a line for every flow that is alive: tracked ones by age, then the others."""
    for flow in firewall.connections():
        yield json.dumps(_tracked(flow, firewall.now_ms))
    since_ms = firewall.now_ms - RECENT_MS
    for connection in firewall.observed.passing(_BY_RULES_ALONE, since_ms):
        for leg in connection.legs.values():
            is_there = leg.interface.interface_id in firewall.network.interfaces
            if is_there and _is_alive_without_entry(connection, leg, since_ms):
                yield json.dumps(_without_entry(connection, leg, firewall.now_ms))


def _is_alive_without_entry(connection: Connection, leg: Leg, since_ms: int) -> bool:
    """Tell whether a leg passes by rules alone; an ICMP message that asks nothing is no flow."""
    return (
        leg.reason in _BY_RULES_ALONE
        and connection.first.protocol not in (ICMP, ICMPV6)
        and not connection.is_over
        and leg.passed_ms >= since_ms
    )


def _tracked(flow: Flow, now_ms: int) -> dict[str, Any]:
    key = flow.key
    ends = ((key.inside, key.inside_port), (key.outside, key.outside_port))
    source, destination = ends if flow.opener is Direction.EGRESS else ends[::-1]
    return {
        "tracking": "tracked",
        "interface_id": flow.interface_id,
        "owner": key.owner,
        "protocol": key.protocol,
        "direction": str(flow.opener),
        **_ends(source, destination, has_ports=key.protocol in (TCP, UDP)),
        "icmp_type": None if key.query is None else key.query.type,
        "icmp_identifier": None if key.query is None else key.inside_port,
        "state": flow.state.name,
        "age_ms": now_ms - flow.created_ms,
        "idle_ms": now_ms - flow.last_ms,
        "timeout_left_ms": flow.expires_ms - now_ms,
        "rule_ids": flow.rule_ids,
    }


def _without_entry(connection: Connection, leg: Leg, now_ms: int) -> dict[str, Any]:
    opener: Packet = connection.opener
    return {
        "tracking": "midstream" if leg.reason is Reason.MIDSTREAM else "untracked",
        "interface_id": leg.interface.interface_id,
        "owner": leg.interface.owner,
        "protocol": opener.protocol,
        "direction": str(leg.direction_of(opener)),
        **_ends(
            (opener.source, opener.source_port or 0),
            (opener.destination, opener.destination_port or 0),
            has_ports=opener.source_port is not None,
        ),
        "icmp_type": None,
        "icmp_identifier": None,
        "state": None,
        "age_ms": now_ms - connection.first_ns // 1_000_000,
        "idle_ms": now_ms - leg.passed_ms,
        "timeout_left_ms": None,
        "rule_ids": leg.carried_by,
    }


def _ends(
    source: tuple[Address, int], destination: tuple[Address, int], *, has_ports: bool
) -> dict[str, Any]:
    return {
        "srcaddr": str(source[0]),
        "dstaddr": str(destination[0]),
        "srcport": source[1] if has_ports else None,
        "dstport": destination[1] if has_ports else None,
    }
