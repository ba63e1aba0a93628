"""Giving connections that were open before the capture the entries they must have had.

A TCP connection whose first captured packet is no bare SYN was opened unseen. It is adopted when
a SYN could have opened it at every interface where it is decided: its entries then are there, in
ESTABLISHED. The sender of a SYN-ACK is the server; otherwise the side with the lower port is
taken for it first, and then the other.
"""

from collections.abc import Callable
from dataclasses import replace

from secgroup.conntrack.flow import FlowKey, key_of
from secgroup.conntrack.state import State
from secgroup.conntrack.table import FlowTable
from secgroup.decision import Reason
from secgroup.net.packet import Packet
from secgroup.net.protocol import TcpFlag
from secgroup.replay.connections import Adoption, Placed, likely_openers
from secgroup.replay.who import Place


def adopt(
    packet: Packet,
    place: Place,
    flows: FlowTable,
    decide: Callable[[Packet, Place], tuple[Placed, ...]],
) -> Adoption:
    """Adopt the connection of `packet` if a SYN could have opened it.

    Parameters
    ----------
    packet : Packet
        The first captured segment of the connection, and no bare SYN.
    place : Place
        Where it is decided.
    flows : FlowTable
        Where the entries go; unchanged when it is not adopted.
    decide : callable
        Decides a packet at a place, as any packet: up to the first interface that rejects it.

    Returns
    -------
    Adoption
        When no orientation is possible, with the refusal in the likelier one.

    """
    first_refusal: Adoption | None = None
    for opener in likely_openers(packet):
        forth = _ends(opener) == _ends(packet)
        way = place if forth else place._replace(sender=place.receiver, receiver=place.sender)
        placed = decide(opener, way)
        if placed[-1].decision.accepted:
            for each in placed:
                _establish(flows, each, opener, packet)
            rules = tuple(
                (each.interface.interface_id, each.decision.rule_ids)
                for each in placed
                if each.interface is not None
            )
            return Adoption(opener=opener, rule_ids=rules)
        for each in placed[:-1]:
            _withdraw(flows, each, opener)
        first_refusal = first_refusal or Adoption(opener=opener, refusal=placed[-1])
    assert first_refusal is not None
    return first_refusal


def _ends(packet: Packet) -> tuple[object, ...]:
    return packet.source, packet.source_port, packet.destination


def _made(placed: Placed, opener: Packet) -> FlowKey | None:
    """Return the key of the entry that the SYN has made, None if it made none."""
    interface, direction = placed.interface, placed.direction
    if placed.decision.reason is not Reason.NEW or interface is None or direction is None:
        return None
    return key_of(opener, direction, interface.owner)


def _establish(flows: FlowTable, placed: Placed, opener: Packet, segment: Packet) -> None:
    """Bring the entry that the SYN has just made to where `segment` finds the connection."""
    key = _made(placed, opener)
    flow = None if key is None else flows.get(key)
    if flow is None or segment.tcp is None:
        return
    of_sender = segment.tcp.sequence
    acknowledged = segment.tcp.flags & TcpFlag.ACK
    of_other = segment.tcp.acknowledgement if acknowledged else None
    forth = _ends(segment) == _ends(opener)
    positions = (of_sender, of_other) if forth else (of_other, of_sender)
    flows.put(replace(flow, state=State.ESTABLISHED, next=positions))


def _withdraw(flows: FlowTable, placed: Placed, opener: Packet) -> None:
    """Take back what a SYN made that was rejected further on."""
    key = _made(placed, opener)
    if key is not None:
        flows.remove(key)
