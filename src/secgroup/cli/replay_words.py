"""How the summary of a replay writes numbers, packets, interfaces and reasons."""

from secgroup.decision import Reason
from secgroup.model.interface import NetworkInterface
from secgroup.net.packet import Packet
from secgroup.net.protocol import protocol_name
from secgroup.replay.connections import Placed


def count_of(number: int, noun: str) -> str:
    """Write a number of things."""
    plural = noun if number == 1 else f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {plural}"


def service_of(packet: Packet) -> str:
    """Write what a packet asks for: `tcp/443`, `icmp/8/0`, `47`."""
    parts = [protocol_name(packet.protocol)]
    if packet.destination_port is not None:
        parts.append(str(packet.destination_port))
    if packet.icmp is not None:
        parts += [str(packet.icmp.type), str(packet.icmp.code)]
    return "/".join(parts)


def where_and_why(placed: Placed) -> str:
    """Write where a packet was rejected, and why."""
    decision = placed.decision
    where = "" if placed.interface is None else f"{label(placed.interface)} {placed.direction}: "
    return where + why(decision.reason, decision.network_acl_id, decision.acl_rule_number)


def why(reason: Reason, acl_id: str | None, rule_number: int | None) -> str:
    """Write a reason, with the entry of the ACL if that was it."""
    if reason is Reason.NETWORK_ACL:
        return f"{reason.name} {acl_id} entry {entry_name(rule_number)}"
    return reason.name


def entry_name(rule_number: int | None) -> str:
    """Write the number of an entry, `*` for the implicit denies, as the console does."""
    return "*" if rule_number is not None and rule_number > 32766 else str(rule_number)


def label(interface: NetworkInterface) -> str:
    """Write an interface's id, and its name if it has another one."""
    names = [name for name in interface.names if name != interface.interface_id]
    return f"{interface.interface_id} ({names[0]})" if names else interface.interface_id
