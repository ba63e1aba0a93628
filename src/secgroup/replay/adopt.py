"""Giving connections that were open before the capture the entries they must have had.

A TCP connection whose first captured packet is no bare SYN was opened unseen. It is adopted when
a SYN could have opened it at every interface where it is decided: its entries then are there, in
ESTABLISHED. The sender of a SYN-ACK is the server; otherwise the side with the lower port is
taken for it first, and then the other.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeAlias

from secgroup.conntrack.flow import FlowKey, key_of
from secgroup.conntrack.state import State
from secgroup.conntrack.table import FlowTable
from secgroup.decision import Reason
from secgroup.net.packet import Packet
from secgroup.net.protocol import TcpFlag
from secgroup.replay.connections import Adoption, Placed, likely_openers
from secgroup.replay.who import Place

#: Of the initiator and of the other side: the highest sequence end; None before the first.
Positions: TypeAlias = tuple[int | None, int | None]


class Entries(Protocol):
    """The entries that the SYNs of an adoption make."""

    def establish(self, placed: Placed, opener: Packet, positions: Positions) -> None:
        """Bring the entry that the SYN has just made, if it made one, to ESTABLISHED."""
        ...

    def withdraw(self, placed: Placed, opener: Packet) -> None:
        """Take back the entry that the SYN has made, if it made one."""
        ...


def adopt(
    packet: Packet,
    place: Place,
    entries: Entries,
    decide: Callable[[Packet, Place], tuple[Placed, ...]],
) -> Adoption:
    """Adopt the connection of `packet` if a SYN could have opened it.

    Parameters
    ----------
    packet : Packet
        The first captured segment of the connection, and no bare SYN.
    place : Place
        Where it is decided.
    entries : Entries
        Unchanged when it is not adopted.
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
            positions = _positions(packet, forth=forth)
            for each in placed:
                entries.establish(each, opener, positions)
            rules = tuple(
                (each.interface.interface_id, each.decision.rule_ids)
                for each in placed
                if each.interface is not None
            )
            return Adoption(opener=opener, rule_ids=rules)
        for each in placed[:-1]:
            entries.withdraw(each, opener)
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


def _positions(segment: Packet, *, forth: bool) -> Positions:
    """Return where `segment` finds both sides of the connection."""
    assert segment.tcp is not None
    of_sender = segment.tcp.sequence
    acknowledged = segment.tcp.flags & TcpFlag.ACK
    of_other = segment.tcp.acknowledgement if acknowledged else None
    return (of_sender, of_other) if forth else (of_other, of_sender)


class TableEntries:
    """The entries in a table of flows."""

    def __init__(self, flows: FlowTable) -> None:
        self._flows = flows

    def establish(self, placed: Placed, opener: Packet, positions: Positions) -> None:
        """Bring the entry that the SYN has just made, if it made one, to ESTABLISHED."""
        key = _made(placed, opener)
        flow = None if key is None else self._flows.get(key)
        if flow is not None:
            self._flows.put(replace(flow, state=State.ESTABLISHED, next=positions))

    def withdraw(self, placed: Placed, opener: Packet) -> None:
        """Take back the entry that the SYN has made, if it made one."""
        key = _made(placed, opener)
        if key is not None:
            self._flows.remove(key)
