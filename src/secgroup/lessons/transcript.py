"""Stories in text: what was in force, who sent what, and what the firewall said to it."""

from collections.abc import Iterator

from secgroup.lessons.story import Change, Line, Send, Wait
from secgroup.model.network import Network
from secgroup.net.packet import Datagram, Packet
from secgroup.net.ports import Traffic
from secgroup.net.protocol import protocol_name


def described(packet: Datagram) -> str:
    """Return a packet in one line: `203.0.113.1:40000 > 10.0.1.10:22 SYN`."""
    if not isinstance(packet, Packet):
        return f"malformed: {packet.problem}"
    ports = ("", "")
    if packet.source_port is not None:
        ports = (f":{packet.source_port}", f":{packet.destination_port}")
    what = protocol_name(packet.protocol)
    if packet.tcp is not None:
        what = " ".join(flag.name or "" for flag in packet.tcp.flags) or "no flags"
    elif packet.icmp is not None:
        what = str(
            Traffic(
                protocol=packet.protocol,
                icmp_type=packet.icmp_type,
                icmp_code=packet.icmp_code or None,
            )
        )
    if packet.fragment is not None:
        what += f" fragment at {packet.fragment.offset}"
    return f"{packet.source}{ports[0]} > {packet.destination}{ports[1]} {what}"


def rules_in_force(network: Network) -> Iterator[str]:
    """Yield a line for every rule of the groups in use, and for every entry of a custom ACL."""
    used = {group_id for each in network.interfaces.values() for group_id in each.group_ids}
    for group_id, group in network.groups.items():
        if group_id not in used:
            continue
        holders = ", ".join(each.interface_id for each in network.members[group_id])
        yield f"group {group_id}, on {holders}:"
        if not group.rules:
            yield "    no rules"
        for rule in group.rules:
            way = "out to" if rule.is_egress else "in from"
            yield f"    {rule.rule_id:<18} {rule.traffic!s:<10} {way} {rule.peer}"
    for acl in network.acls.values():
        if acl.is_default:
            continue
        yield f"network ACL {acl.network_acl_id}:"
        for entry in acl.entries:
            way = "out to" if entry.is_egress else "in from"
            action = "allow" if entry.is_allow else "deny"
            yield f"    {entry.rule_number:<6} {action:<5} {entry.traffic!s:<14} {way} {entry.cidr}"


def answer(line: Line) -> str:
    """Return what the firewall said to a packet: verdict, reason, rules, states."""
    decision = line.decision
    if decision is None:
        return ""
    parts = [decision.verdict.value, decision.reason.name]
    if decision.rule_ids:
        parts.append(f"by {', '.join(decision.rule_ids)}")
    elif decision.reason.name == "NETWORK_ACL":
        parts.append(f"by {decision.network_acl_id} entry {decision.acl_rule_number}")
    if decision.state_before is not decision.state_after:
        names = [
            "no entry" if state is None else state.name
            for state in (decision.state_before, decision.state_after)
        ]
        parts.append(f"({' → '.join(names)})")
    return " ".join(parts)


def told(line: Line) -> Iterator[str]:
    """Yield a step of a story as lines of a dialogue."""
    step = line.step
    time = f"{line.time_ms / 1000:>11.3f} s"
    if isinstance(step, Wait):
        yield f"{time}  … {duration(step.ms)} of silence …"
    elif isinstance(step, Change):
        yield f"{time}  * {step.says}"
    elif isinstance(step, Send):
        arrow = "→" if step.direction.name == "INGRESS" else "←"
        yield f"{time}  {step.says}"
        yield f"{'':>13}  {arrow} {step.interface_id} {step.direction}: {described(step.packet)}"
        yield f"{'':>13}    {answer(line)}"


def duration(ms: int) -> str:
    """Return a time in words: `30 seconds`, `5 days and 1 second`."""
    days, rest = divmod(ms, 86_400_000)
    seconds = f"{rest / 1000:g} second{'' if rest == 1000 else 's'}"
    if days == 0:
        return seconds
    words = f"{days} day{'' if days == 1 else 's'}"
    return words if rest == 0 else f"{words} and {seconds}"
