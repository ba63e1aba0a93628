"""The summary of a replay for people: what was refused first, then what passed and by which rule.

Owns words and order only; every number is the summary's.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import click

from secgroup.cli.replay_words import count_of, entry_name, label, service_of, where_and_why
from secgroup.cli.table import draw
from secgroup.decision import Reason, Verdict
from secgroup.model.network_acl import NetworkAclEntry
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet
from secgroup.net.protocol import protocol_name
from secgroup.replay.connections import Connection, Outcome
from secgroup.replay.summary import Difference, RuleUse, Summary
from secgroup.replay.who import Undecided

#: Lines of a list before the rest is only counted; `--json` has everything.
_LINES: Final = 20
_ROWS: Final = 40
_ADDRESSES: Final = 5

#: What each cause is called.
_UNDECIDED: Final = {
    Undecided.NOT_IP: "not IP",
    Undecided.CUT_FRAME: "cut before IP begins",
    Undecided.COPY: "copies of packets captured on another interface",
    Undecided.UNPLACED: "that nothing assigns to an interface",
    Undecided.UNKNOWN_IN_VPC: "between addresses of a VPC that no network interface has",
    Undecided.FOREIGN: "between addresses outside the network",
    Undecided.BEYOND_TRANSLATION: "beyond an address translation, which is not replayed",
}


def show(summary: Summary, name: str, *, against: str | None = None) -> None:
    """Write the summary to standard output."""
    _show_head(summary, name)
    _show_refused(summary)
    _show_cut(summary)
    _show_open(summary)
    if summary.differences is not None:
        _show_differences(summary.differences, against or "the other network")
    _show_rules(summary)
    _show_acl_entries(summary)
    _show_interfaces(summary)
    _show_undecided(summary)


def nothing_decided(summary: Summary) -> str:
    """Return the line that says why not one packet could be decided."""
    firewall = summary.firewall
    if summary.tally.frames == 0:
        return "the capture has no packets"
    seen: list[str] = []
    for cause in Undecided:
        seen += [str(address) for address, _ in firewall.census.most_frequent(cause, _ADDRESSES)]
    known = sorted(
        (address for each in firewall.network.interfaces.values() for address in each.addresses),
        key=lambda address: (address.version, address),
    )
    causes = ", ".join(
        f"{count} {_UNDECIDED[cause]}" for cause, count in firewall.census.counts.most_common()
    )
    return (
        f"not one of {count_of(summary.tally.frames, 'frame')} could be decided: {causes}; "
        f"the capture has {_some(seen)}, the network has {_some(map(str, known))} "
        "(--address says what is deployed, --at where it was captured)"
    )


def warnings(summary: Summary) -> Iterator[str]:
    """Yield what a person should know before trusting the numbers."""
    for step in summary.firewall.clock_steps:
        seconds = abs(step.step_ns) / 1e9
        way = "back" if step.step_ns < 0 else "forward"
        judged = "; judged at the latest time" if step.step_ns < 0 else ""
        yield f"frame {step.frame}: the clock steps {way} by {seconds:,.3f} s{judged}"
    for change in summary.left:
        yield f"--change {change.time.text}={change.name}: the capture ends before it"


def _some(names: Iterable[str]) -> str:
    every = list(dict.fromkeys(names))
    if not every:
        return "no address"
    more = f" and {len(every) - 8:,} more" if len(every) > 8 else ""
    return ", ".join(every[:8]) + more


def _show_head(summary: Summary, name: str) -> None:
    firewall, tally = summary.firewall, summary.tally
    span = "" if tally.first_ns is None else _span(tally.first_ns, firewall.now_ms)
    click.echo(f"{name}: {count_of(tally.frames, 'frame')}{span}")
    if summary.damage is not None:
        click.echo(f"  cut short: {summary.damage}")
    accepted = summary.decisions - summary.rejected
    where = count_of(len(tally.interfaces), "interface")
    click.echo(
        f"  {count_of(summary.decisions, 'decision')} at {where}"
        f": {accepted:,} accepted, {summary.rejected:,} rejected"
    )
    reasons = sorted(tally.reasons.items(), key=lambda item: (-item[1], item[0][1]))
    if reasons:
        click.echo("  " + ", ".join(f"{count:,} {reason.name}" for (_, reason), count in reasons))
    counts = {outcome: summary.count(outcome) for outcome in Outcome}
    adopted = sum(_is_adopted(each) for each in firewall.observed.open_before())
    click.echo(
        f"  {count_of(len(firewall.observed), 'connection')}: {counts[Outcome.ALLOWED]:,} allowed, "
        f"{counts[Outcome.REFUSED]:,} refused, {counts[Outcome.CUT]:,} cut, "
        f"{counts[Outcome.OPEN_BEFORE]:,} open before the capture ({adopted:,} adopted)"
    )
    if summary.after_close:
        late = count_of(summary.after_close, "packet")
        click.echo(f"  {late} rejected after the connection's own end, which cuts nothing")
    for frame, change in summary.made:
        click.echo(f"  {change.name} in force from frame {frame:,} on ({change.time.text})")


def _span(first_ns: int, last_ms: int) -> str:
    began = datetime.fromtimestamp(first_ns // 1_000_000_000, UTC)
    length_s = last_ms / 1000 - first_ns // 1_000_000 / 1000
    return f" in {length_s:,.3f} s from {began:%Y-%m-%d %H:%M:%S} UTC"


def _show_refused(summary: Summary) -> None:
    _show_refusals("Refused", "the opener was rejected", summary.of(Outcome.REFUSED), summary)


def _show_cut(summary: Summary) -> None:
    _show_refusals("Cut", "accepted, and rejected later", summary.of(Outcome.CUT), summary)


@dataclass(slots=True)
class _Group:
    """Connections that are alike, as one entry of the list."""

    first: Connection
    ports: set[int] = field(default_factory=set)
    size: int = 0
    after: int = 0
    after_accepted: int = 0

    def add(self, connection: Connection) -> None:
        """Count one more."""
        port = connection.opener.destination_port
        if port is not None:
            self.ports.add(port)
        self.size += 1
        self.after += connection.after
        self.after_accepted += connection.after_accepted


def _show_refusals(
    title: str, meaning: str, connections: Iterable[Connection], summary: Summary
) -> None:
    groups: dict[tuple[object, ...], _Group] = {}
    for each in connections:
        alike = _alike(each)
        group = groups.get(alike)
        if group is None:
            group = groups[alike] = _Group(each)
        group.add(each)
    if not groups:
        return
    click.echo()
    click.secho(f"{title} ({meaning})", bold=True)
    # What is not unicast never passes, and hides what might.
    ordered = sorted(groups.values(), key=_is_noise)
    for group in ordered[:_LINES]:
        _show_group(group, summary)
    if len(groups) > _LINES:
        click.echo(f"  and {len(groups) - _LINES:,} more like these (--json has all)")


def _is_noise(group: _Group) -> bool:
    refusal = group.first.refusal
    return refusal is not None and refusal.decision.reason is Reason.NOT_UNICAST


def _alike(connection: Connection) -> tuple[object, ...]:
    """Return what the connections of one entry of the list share: all but ports and times."""
    opener, refusal = connection.opener, connection.refusal
    if refusal is None:
        return (connection.number,)
    decision = refusal.decision
    is_acl = decision.reason is Reason.NETWORK_ACL
    where = None if refusal.interface is None else refusal.interface.interface_id
    return (
        opener.protocol,
        opener.source,
        opener.destination,
        opener.icmp_type,
        where,
        refusal.direction,
        decision.reason,
        decision.network_acl_id if is_acl else None,
        decision.acl_rule_number if is_acl else None,
    )


def _show_group(group: _Group, summary: Summary) -> None:
    first = group.first
    refusal = first.refusal
    click.echo(f"  {_who_to_whom(group)}")
    if refusal is None:
        return
    frames = f"frame {refusal.frame:,}" if group.size == 1 else f"first in frame {refusal.frame:,}"
    click.echo(f"      {where_and_why(refusal)}, {frames}")
    near = summary.nearest.of(refusal)
    if near is not None:
        click.echo(f"      nearest: {near}")
    if first.outcome is Outcome.CUT:
        before = count_of(first.accepted, "packet")
        click.echo(f"      after {before} and {(refusal.time_ns - first.first_ns) / 1e9:,.3f} s")
    if group.after:
        later, passed = count_of(group.after, "later packet"), group.after_accepted
        click.echo(f"      {later} in the capture, {passed:,} of them accepted")


def _who_to_whom(group: _Group) -> str:
    opener = group.first.opener
    known = sorted(group.ports)
    service = service_of(opener)
    if len(known) > 1:
        shown = ", ".join(map(str, known[:8])) + (", …" if len(known) > 8 else "")
        service = f"{protocol_name(opener.protocol)}/{shown}"
    number = "" if group.size == 1 else f"  ({count_of(group.size, 'connection')})"
    return f"{opener.source} → {opener.destination}  {service}{number}"


def _show_open(summary: Summary) -> None:
    connections = sorted(summary.firewall.observed.open_before(), key=_is_adopted)
    if not connections:
        return
    click.echo()
    click.secho("Open before the capture", bold=True)
    for each in connections[:_LINES]:
        click.echo(f"  {_ends(each)}  {_how_adopted(each)}")
    if len(connections) > _LINES:
        click.echo(f"  and {len(connections) - _LINES:,} more (--json has all)")


def _is_adopted(connection: Connection) -> bool:
    return connection.adoption is not None and connection.adoption.adopted


def _ends(connection: Connection) -> str:
    opener = connection.opener
    source = f"{opener.source}" if opener.source_port is None else _socket(opener)
    return f"{source} → {opener.destination}  {service_of(opener)}"


def _socket(packet: Packet) -> str:
    address = f"[{packet.source}]" if packet.family == 6 else str(packet.source)
    return f"{address}:{packet.source_port}"


def _how_adopted(connection: Connection) -> str:
    adoption = connection.adoption
    fate = f", {connection.outcome.value}" if connection.outcome is Outcome.CUT else ""
    if adoption is None:
        return f"not adopted (--no-adopt){fate}"
    if adoption.refusal is None:
        return f"adopted{fate}"
    return f"not adopted: a SYN would be rejected at {where_and_why(adoption.refusal)}{fate}"


def _show_differences(differences: tuple[Difference, ...], name: str) -> None:
    if not differences:
        click.echo(f"\nAgainst {name}: every connection is judged alike")
        return
    rows = [
        (_ends(known), verdict_of(each.here), verdict_of(each.there))
        for each in differences[:_LINES]
        if (known := each.here or each.there) is not None
    ]
    draw(f"Judged differently by {name}", ("connection", "here", "there"), rows)
    if len(differences) > _LINES:
        click.echo(f"  and {len(differences) - _LINES:,} more (--json has all)")


def verdict_of(connection: Connection | None) -> str:
    """Write what became of a connection, with where and why if it was refused."""
    if connection is None:
        return "not decided"
    text = connection.outcome.value.replace("_", " ")
    if connection.refusal is not None:
        return f"{text} at {where_and_why(connection.refusal)}"
    return text


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    draw(title, header, rows[:_ROWS])
    if len(rows) > _ROWS:
        click.echo(f"  and {len(rows) - _ROWS:,} more (--json has all)")


def _rule_text(use: RuleUse) -> tuple[str, str]:
    rule = use.rule
    way, word = ("egress", "to") if rule.is_egress else ("ingress", "from")
    return rule.rule_id, f"{way} {rule.traffic} {word} {rule.peer}"


def _show_rules(summary: Summary) -> None:
    rules = summary.rules()
    used = sorted((use for use in rules if use.packets), key=lambda use: -use.packets)
    _table(
        "Allowed, by rule",
        ("rule", "allows", "connections", "packets"),
        [(*_rule_text(use), f"{use.connections:,}", f"{use.packets:,}") for use in used],
    )
    unused = [use for use in rules if not use.packets and use.is_at_capture]
    _table("Rules never used", ("rule", "allows"), [_rule_text(use) for use in unused])
    elsewhere = sum(not use.packets and not use.is_at_capture for use in rules)
    if elsewhere:
        click.echo(
            f"\n{count_of(elsewhere, 'rule')} of groups that none of these interfaces carries"
        )


def _show_acl_entries(summary: Summary) -> None:
    rows = [
        (
            use.network_acl_id,
            f"{use.direction} {entry_name(use.rule_number)}",
            _entry_text(use.entry),
            f"{use.packets:,}",
        )
        for use in summary.acl_entries()
    ]
    _table("Network ACL entries", ("ACL", "entry", "says", "packets"), rows)


def _entry_text(entry: NetworkAclEntry | None) -> str:
    if entry is None:
        return "deny all"
    return f"{'allow' if entry.is_allow else 'deny'} {entry.traffic} {entry.cidr}"


def _show_interfaces(summary: Summary) -> None:
    interfaces = {
        interface_id: interface
        for network in summary.tally.networks
        for interface_id, interface in network.interfaces.items()
    }
    rows = []
    for interface_id, count in sorted(summary.tally.interfaces.items()):
        cells = [
            f"{count.packets[direction, verdict]:,}"
            for direction in (Direction.INGRESS, Direction.EGRESS)
            for verdict in (Verdict.ACCEPT, Verdict.REJECT)
        ]
        rows.append((label(interfaces[interface_id]), f"{count.connections:,}", *cells))
    header = ("interface", "connections", "in", "in rejected", "out", "out rejected")
    _table("Packets by interface", header, rows)


def _show_undecided(summary: Summary) -> None:
    census = summary.firewall.census
    if not census.counts:
        return
    click.echo()
    click.secho("Not decided", bold=True)
    for cause, count in census.counts.most_common():
        listed = census.most_frequent(cause, _ADDRESSES)
        addresses = ", ".join(f"{address} ({number:,})" for address, number in listed)
        click.echo(f"  {count:,} {_UNDECIDED[cause]}{': ' + addresses if addresses else ''}")
