"""The summary of a replay for machines: one JSON object, versioned."""

import json
from typing import Any, Final

from secgroup.conntrack.state import State
from secgroup.decision import Verdict
from secgroup.net.direction import Direction
from secgroup.replay.connections import Connection, Outcome, Placed
from secgroup.replay.decisions import VERSION as DECISIONS_VERSION
from secgroup.replay.summary import Summary

VERSION: Final = 1

#: Addresses listed of each cause, the most frequent first.
_ADDRESSES: Final = 100


def as_text(summary: Summary, name: str) -> str:
    """Return the summary as JSON, indented."""
    return json.dumps(_object(summary, name), indent=2)


def _object(summary: Summary, name: str) -> dict[str, Any]:
    firewall, tally = summary.firewall, summary.tally
    counts = {outcome.value: summary.count(outcome) for outcome in Outcome}
    return {
        "version": VERSION,
        "decisions_version": DECISIONS_VERSION,
        "capture": name,
        "damage": summary.damage,
        "frames": tally.frames,
        "first_time_ns": tally.first_ns,
        "last_time_ms": firewall.now_ms if tally.frames else None,
        "decisions": summary.decisions,
        "accepted": summary.decisions - summary.rejected,
        "rejected": summary.rejected,
        "reasons": [
            {"verdict": verdict.value, "reason": reason.name, "decisions": count}
            for (verdict, reason), count in sorted(
                tally.reasons.items(), key=lambda item: (item[0][1], item[0][0].value)
            )
        ],
        "connection_counts": {"total": len(firewall.observed), **counts},
        "connections": [_connection(each, summary) for each in firewall.observed],
        "interfaces": _interfaces(summary),
        "rules": _rules(summary),
        "network_acl_entries": _acl_entries(summary),
        "not_decided": _not_decided(summary),
        "clock_steps": [
            {"frame": step.frame, "step_ns": step.step_ns} for step in firewall.clock_steps
        ],
        "stepped_back": firewall.stepped_back,
        "changes": [
            {"network": change.name, "time": change.time.text, "frame": frame}
            for frame, change in (*summary.made, *((None, change) for change in summary.left))
        ],
        "differences": None
        if summary.differences is None
        else [
            {
                "here": None if each.here is None else _connection(each.here, summary),
                "there": None if each.there is None else _connection(each.there, summary),
            }
            for each in summary.differences
        ],
    }


def _connection(connection: Connection, summary: Summary) -> dict[str, Any]:
    opener, adoption = connection.opener, connection.adoption
    return {
        "connection": connection.number,
        "outcome": connection.outcome.value,
        "protocol": opener.protocol,
        "srcaddr": str(opener.source),
        "dstaddr": str(opener.destination),
        "srcport": opener.source_port,
        "dstport": opener.destination_port,
        "icmp_type": opener.icmp_type,
        "icmp_code": opener.icmp_code,
        "first_frame": connection.first_frame,
        "first_time_ns": connection.first_ns,
        "last_time_ns": connection.last_ns,
        "packets": connection.packets,
        "bytes": connection.octets,
        "accepted": connection.accepted,
        "refusal": _refusal(connection.refusal, summary),
        "after_refusal": connection.after,
        "after_refusal_accepted": connection.after_accepted,
        "after_close": connection.late,
        "open_before": connection.was_open,
        "adopted": None if adoption is None else adoption.adopted,
        "not_adopted_because": None if adoption is None else _refusal(adoption.refusal, summary),
        "interfaces": [
            {"interface_id": interface_id, "rule_ids": leg.rule_ids, "packets": leg.packets}
            for interface_id, leg in connection.legs.items()
        ],
    }


def _refusal(placed: Placed | None, summary: Summary) -> dict[str, Any] | None:
    if placed is None:
        return None
    decision = placed.decision
    state: State | None = decision.state_before
    near = summary.nearest.of(placed)
    return {
        "frame": placed.frame,
        "time_ns": placed.time_ns,
        "interface_id": None if placed.interface is None else placed.interface.interface_id,
        "direction": None if placed.direction is None else str(placed.direction),
        "reason": decision.reason.name,
        "network_acl_id": decision.network_acl_id,
        "acl_rule_number": decision.acl_rule_number,
        "state_before": None if state is None else state.name,
        "nearest_rule_id": None if near is None else near.rule_id,
        "nearest_rule": None if near is None else str(near),
    }


def _interfaces(summary: Summary) -> list[dict[str, Any]]:
    return [
        {
            "interface_id": interface_id,
            "connections": count.connections,
            **{
                f"{direction}_{what}_{word}": counts[direction, verdict]
                for direction in Direction
                for word, verdict in (("accepted", Verdict.ACCEPT), ("rejected", Verdict.REJECT))
                for what, counts in (("packets", count.packets), ("bytes", count.octets))
            },
        }
        for interface_id, count in sorted(summary.tally.interfaces.items())
    ]


def _rules(summary: Summary) -> list[dict[str, Any]]:
    return [
        {
            "rule_id": use.rule.rule_id,
            "group_id": use.rule.group_id,
            "direction": "egress" if use.rule.is_egress else "ingress",
            "traffic": str(use.rule.traffic),
            "peer": str(use.rule.peer),
            "connections": use.connections,
            "packets": use.packets,
            "at_capture": use.is_at_capture,
        }
        for use in summary.rules()
    ]


def _acl_entries(summary: Summary) -> list[dict[str, Any]]:
    return [
        {
            "network_acl_id": use.network_acl_id,
            "direction": str(use.direction),
            "rule_number": use.rule_number,
            "packets": use.packets,
        }
        for use in summary.acl_entries()
    ]


def _not_decided(summary: Summary) -> list[dict[str, Any]]:
    census = summary.firewall.census
    return [
        {
            "cause": cause.value,
            "frames": count,
            "addresses": [
                {"address": str(address), "packets": packets}
                for address, packets in census.most_frequent(cause, _ADDRESSES)
            ],
        }
        for cause, count in sorted(census.counts.items(), key=lambda item: item[0].value)
    ]
