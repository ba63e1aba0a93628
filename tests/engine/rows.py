"""Columns of packets and decisions, made of the plain values: the slow and obvious way."""

from collections.abc import Callable, Sequence

from secgroup.decision import Decision
from secgroup.engine.layout import (
    FIRST_FRAGMENT,
    HAS_ICMP,
    HAS_PORTS,
    HAS_TCP,
    KNOWN_DESTINATION,
    KNOWN_PROTOCOL,
    KNOWN_SOURCE,
    LATER_FRAGMENT,
    MALFORMED,
    DecisionColumns,
    Packets,
    empty_decisions,
    empty_packets,
)
from secgroup.net.direction import Direction
from secgroup.net.packet import Datagram, Malformed

#: (milliseconds, row of the interface, direction, packet, decision)
Row = tuple[int, int, Direction, Datagram, Decision]


def halves(address) -> tuple[int, int]:
    if address is None:
        return 0, 0
    number = int(address) | (0xFFFF << 32 if address.version == 4 else 0)
    return number >> 64, number & (1 << 64) - 1


def columns_of(
    rows: Sequence[Row], class_of: Callable[[tuple[str, ...]], int]
) -> tuple[Packets, DecisionColumns]:
    """`class_of` gives each list of rule ids a number, which stands in both class columns."""
    packets, decisions = empty_packets(len(rows)), empty_decisions(len(rows))
    remembered: dict[object, int] = {}
    for row, (time_ms, interface, direction, packet, decision) in enumerate(rows):
        _packet(packets, row, packet)
        packets.time_ms[row], packets.interface[row] = time_ms, interface
        packets.direction[row] = direction
        decisions.accepted[row] = decision.accepted
        decisions.reason[row] = decision.reason
        number = class_of(decision.rule_ids) if decision.rule_ids else -1
        decisions.address_class[row] = decisions.port_class[row] = number
        rule = decision.acl_rule_number
        decisions.acl_rule_number[row] = -1 if rule is None else rule
        decisions.entry[row] = -1
        decisions.state_before[row] = decision.state_before or 0
        decisions.state_after[row] = decision.state_after or 0
        decisions.logged[row] = decision.logged
        decisions.first[row] = -1
        if not isinstance(packet, Malformed) and packet.fragment is not None:
            if not packet.is_later_fragment:
                remembered[id(packet)] = row
            elif decision.first_fragment is not None:
                decisions.first[row] = remembered.get(id(decision.first_fragment), -2)
    return packets, decisions


def _packet(columns: Packets, row: int, packet: Datagram) -> None:
    columns.length[row] = packet.length
    known = packet.source or packet.destination
    columns.family[row] = 0 if known is None else known.version
    columns.source_hi[row], columns.source_lo[row] = halves(packet.source)
    columns.destination_hi[row], columns.destination_lo[row] = halves(packet.destination)
    columns.protocol[row] = packet.protocol or 0
    if isinstance(packet, Malformed):
        shape = MALFORMED
        shape |= 0 if packet.source is None else KNOWN_SOURCE
        shape |= 0 if packet.destination is None else KNOWN_DESTINATION
        shape |= 0 if packet.protocol is None else KNOWN_PROTOCOL
        columns.shape[row] = shape
        return
    shape = 0
    columns.hop_limit[row] = packet.hop_limit
    if packet.source_port is not None:
        shape |= HAS_PORTS
        columns.source_port[row] = packet.source_port
        columns.destination_port[row] = packet.destination_port
    if packet.tcp is not None:
        shape |= HAS_TCP
        columns.tcp_flags[row] = packet.tcp.flags
        columns.sequence[row] = packet.tcp.sequence
        columns.acknowledgement[row] = packet.tcp.acknowledgement
        columns.payload[row] = packet.tcp.payload
    if packet.icmp is not None:
        shape |= HAS_ICMP
        columns.icmp_type[row], columns.icmp_code[row] = packet.icmp.type, packet.icmp.code
        columns.identifier[row] = packet.icmp.identifier or 0
    if packet.fragment is not None:
        shape |= LATER_FRAGMENT if packet.is_later_fragment else FIRST_FRAGMENT
        columns.fragment_id[row] = packet.fragment.identification
        columns.fragment_protocol[row] = packet.fragment.protocol
    columns.shape[row] = shape
