"""Decisions as JSON Lines: one object a decision, in the order they were made.

Owns the schema, which docs/decisions-schema.md describes; its version goes up when a field
changes its meaning or goes.
"""

import json
from functools import lru_cache
from typing import Final

from secgroup.conntrack.state import State
from secgroup.net.address import Address
from secgroup.net.packet import Packet
from secgroup.replay.connections import Placed

VERSION: Final = 1

_text = lru_cache(maxsize=65_536)(str)


def decision_line(placed: Placed) -> str:
    """Return the line of one decision, without its end."""
    packet, interface, decision = placed.packet, placed.interface, placed.decision
    whole = packet if isinstance(packet, Packet) else None
    return json.dumps(
        {
            "frame": placed.frame,
            "time_ns": placed.time_ns,
            "vpc_id": None if interface is None else interface.vpc_id,
            "interface_id": None if interface is None else interface.interface_id,
            "direction": None if placed.direction is None else str(placed.direction),
            "protocol": packet.protocol,
            "srcaddr": _address(packet.source),
            "dstaddr": _address(packet.destination),
            "srcport": None if whole is None else whole.source_port,
            "dstport": None if whole is None else whole.destination_port,
            "icmp_type": None if whole is None else whole.icmp_type,
            "icmp_code": None if whole is None else whole.icmp_code,
            "length": packet.length,
            "verdict": decision.verdict.value,
            "reason": decision.reason.name,
            "rule_ids": decision.rule_ids,
            "network_acl_id": decision.network_acl_id,
            "acl_rule_number": decision.acl_rule_number,
            "state_before": _state(decision.state_before),
            "state_after": _state(decision.state_after),
            "connection": placed.connection,
        }
    )


def _address(address: Address | None) -> str | None:
    return None if address is None else _text(address)


def _state(state: State | None) -> str | None:
    return None if state is None else state.name
