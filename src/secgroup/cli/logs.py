"""`secgroup logs --follow`: verdicts of the kernel plane as they happen, with reason and rules."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from secgroup.cli.plane_options import plane_options, root_of
from secgroup.errors import InputError
from secgroup.net.protocol import protocol_name

if TYPE_CHECKING:
    from secgroup.dataplane.bpf.events import Event


@click.command("logs", short_help="Follow the kernel plane's verdicts as they happen.")
@click.option("--follow", is_flag=True, help="From now on, until interrupted.")
@click.option("--rejected", is_flag=True, help="Only what is refused.")
@click.option("--interface", "interfaces", metavar="ENI", multiple=True, help="Only at this one.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON each.")
@plane_options
def command(
    follow: bool,
    rejected: bool,
    interfaces: tuple[str, ...],
    as_json: bool,
    pins: Path | None,
    lab: str | None,
) -> None:
    """Write every verdict of the kernel plane with its reason and the rules that matched.

    While nobody follows this costs packets nothing. One may follow at a time; what was not read in
    time is counted and told.
    """
    from secgroup.dataplane.bpf.clock import utc_ms
    from secgroup.dataplane.bpf.events import Reader
    from secgroup.dataplane.bpf.follow import Follower
    from secgroup.dataplane.bpf.pinned import names_of, opened, pinned

    if not follow:
        raise InputError("expected --follow: what has been is in flow logs")
    root = root_of(pins, lab)
    with opened(root) as descriptors:
        maps = pinned(root, descriptors).maps
        reader = Reader(maps, names_of(maps))
        of_utc_ms = utc_ms()
        with Follower(root, maps, rejected_only=rejected) as follower:
            for rows, lost in follower.events():
                if lost:
                    click.echo(f"warning: {lost:,} verdicts were not read in time", err=True)
                for row in rows:
                    event = reader.read(row)
                    if not interfaces or event.interface_id in interfaces:
                        text = _json(event, of_utc_ms) if as_json else _line(event, of_utc_ms)
                        sys.stdout.write(text + "\n")
                sys.stdout.flush()


def _line(event: "Event", of_utc_ms: int) -> str:
    at = datetime.fromtimestamp((event.time_ms + of_utc_ms) / 1000, UTC)
    words = [f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}", event.interface_id or "-"]
    words.append(str(event.direction))
    if event.decision is None:
        return " ".join([*words, "REJECT", f"frame {event.frame}"])
    decision = event.decision
    words += [decision.verdict.value, decision.reason.name, protocol_name(event.protocol)]
    words += [_end(event.source, event.source_port), "->"]
    words.append(_end(event.destination, event.destination_port))
    if event.icmp_type is not None:
        words.append(f"type {event.icmp_type} code {event.icmp_code}")
    words.append(f"{event.octets} bytes")
    if decision.rule_ids:
        words.append("by " + " ".join(decision.rule_ids))
    elif not event.rules_known:
        words.append("by rules that have changed since")
    if decision.acl_rule_number is not None:
        words.append(f"{decision.network_acl_id or 'ACL'} entry {decision.acl_rule_number}")
    if decision.state_after is not None:
        words.append(f"[{decision.state_after.name}]")
    return " ".join(words)


def _end(address: Any, port: int | None) -> str:
    if address is None:
        return "?"
    if port is None:
        return str(address)
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def _json(event: "Event", of_utc_ms: int) -> str:
    """Write an event with the names of docs/decisions-schema.md, and a few of its own."""
    decision = event.decision
    told: dict[str, Any] = {
        "time_ns": (event.time_ms + of_utc_ms) * 1_000_000,
        "interface_id": event.interface_id,
        "direction": str(event.direction),
        "protocol": event.protocol,
        "srcaddr": None if event.source is None else str(event.source),
        "dstaddr": None if event.destination is None else str(event.destination),
        "srcport": event.source_port,
        "dstport": event.destination_port,
        "icmp_type": event.icmp_type,
        "icmp_code": event.icmp_code,
        "length": event.octets,
        "segments": event.segments,
        "frame": event.frame,
        "verdict": "REJECT" if decision is None else decision.verdict.value,
    }
    if decision is not None:
        before, after = decision.state_before, decision.state_after
        told |= {
            "reason": decision.reason.name,
            "rule_ids": decision.rule_ids if event.rules_known else None,
            "network_acl_id": decision.network_acl_id,
            "acl_rule_number": decision.acl_rule_number,
            "state_before": None if before is None else before.name,
            "state_after": None if after is None else after.name,
        }
    return json.dumps(told)
