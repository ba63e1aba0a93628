"""`Batch`: packets as columns, from the values of `net.packet` and back.

Owns how a value fills a row; the rows themselves are `layout.Packets`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from secgroup.engine.layout import (
    FIRST_FRAGMENT,
    HAS_ICMP,
    HAS_PORTS,
    HAS_QUOTE,
    HAS_TCP,
    KNOWN_DESTINATION,
    KNOWN_PROTOCOL,
    KNOWN_SOURCE,
    LATER_FRAGMENT,
    MALFORMED,
    PACKET,
    Packets,
    empty_packets,
)
from secgroup.net.address import Address, address_of
from secgroup.net.direction import Direction
from secgroup.net.packet import Datagram, Fragment, Icmp, Malformed, Packet, Tcp
from secgroup.net.protocol import ICMP_ANSWERS, ICMP_QUERIES, TcpFlag

_MAPPED: Final = 0xFFFF << 32
_HALF: Final = (1 << 64) - 1


class Sighting(NamedTuple):
    """A packet at an interface at a time: what one row of a batch says."""

    packet: Datagram
    interface: int
    direction: Direction
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Packets at interfaces, in the order in which they are decided.

    Parameters
    ----------
    packets : Packets
        One row each.
    quotes : Packets
        The packets that ICMP errors among them quote; `packets.quote` says which row.

    """

    packets: Packets
    quotes: Packets

    def __len__(self) -> int:
        """Count the packets."""
        return len(self.packets.time_ms)

    def packet(self, row: int) -> Datagram:
        """Return a row as a value; of a malformed one the problem is no longer known."""
        packet = _value(self.packets, row)
        quote = int(self.packets.quote[row])
        if quote >= 0 and isinstance(packet, Packet) and packet.icmp is not None:
            quoted = _value(self.quotes, quote)
            if isinstance(quoted, Packet):
                packet = replace(packet, icmp=replace(packet.icmp, quote=quoted))
        return packet

    def rows(self, first: int, behind: int) -> "Batch":
        """Return the rows from `first` to before `behind`, as views."""
        return Batch(
            packets=Packets._make(column[first:behind] for column in self.packets),
            quotes=self.quotes,
        )


def batch_of(sightings: Iterable[Sighting]) -> Batch:
    """Return a batch of packets in their order."""
    sightings = list(sightings)
    packets = empty_packets(len(sightings))
    quoted: list[Packet] = []
    for row, each in enumerate(sightings):
        packets.time_ms[row] = each.time_ms
        packets.interface[row] = each.interface
        packets.direction[row] = each.direction
        fill(packets, row, each.packet)
        icmp = each.packet.icmp if isinstance(each.packet, Packet) else None
        if icmp is not None and icmp.quote is not None:
            packets.quote[row] = len(quoted)
            quoted.append(icmp.quote)
    quotes = empty_packets(len(quoted))
    for row, packet in enumerate(quoted):
        fill(quotes, row, packet)
    return Batch(packets=packets, quotes=quotes)


def fill(packets: Packets, row: int, packet: Datagram) -> None:
    """Write what a packet says into a row of zeros; time, interface and quote are others'."""
    columns: Mapping[str, int] = (
        _malformed(packet) if isinstance(packet, Malformed) else _columns(packet)
    )
    for name, value in columns.items():
        getattr(packets, name)[row] = value


def halves(address: Address) -> tuple[int, int]:
    """Return the high and the low half of an address; IPv4 as ::ffff:a.b.c.d."""
    number = int(address) | (_MAPPED if address.version == 4 else 0)
    return number >> 64, number & _HALF


def _end(name: str, end: Address) -> dict[str, int]:
    hi, lo = halves(end)
    return {"family": end.version, f"{name}_hi": hi, f"{name}_lo": lo}


def _malformed(packet: Malformed) -> dict[str, int]:
    shape = MALFORMED
    columns = {"length": packet.length & 0xFFFFFFFF}
    if packet.source is not None:
        shape |= KNOWN_SOURCE
        columns |= _end("source", packet.source)
    if packet.destination is not None:
        shape |= KNOWN_DESTINATION
        columns |= _end("destination", packet.destination)
    if packet.protocol is not None:
        shape |= KNOWN_PROTOCOL
        columns["protocol"] = packet.protocol
    return columns | {"shape": shape}


def _columns(packet: Packet) -> dict[str, int]:
    shape = 0
    columns = _end("source", packet.source) | _end("destination", packet.destination)
    columns |= {
        "protocol": packet.protocol,
        "hop_limit": packet.hop_limit,
        "length": packet.length,
    }
    if packet.source_port is not None and packet.destination_port is not None:
        shape |= HAS_PORTS
        columns |= {
            "source_port": packet.source_port,
            "destination_port": packet.destination_port,
        }
    if packet.tcp is not None:
        shape |= HAS_TCP
        columns |= {
            "tcp_flags": int(packet.tcp.flags),
            "sequence": packet.tcp.sequence,
            "acknowledgement": packet.tcp.acknowledgement,
            "payload": packet.tcp.payload,
        }
    if packet.icmp is not None:
        shape |= HAS_ICMP | (0 if packet.icmp.quote is None else HAS_QUOTE)
        columns |= {
            "icmp_type": packet.icmp.type,
            "icmp_code": packet.icmp.code,
            "identifier": packet.icmp.identifier or 0,
        }
    if packet.fragment is not None:
        shape |= LATER_FRAGMENT if packet.is_later_fragment else FIRST_FRAGMENT
        columns |= {
            "fragment_id": packet.fragment.identification,
            "fragment_protocol": packet.fragment.protocol,
        }
    return columns | {"shape": shape}


def address(family: int, hi: int, lo: int) -> Address:
    """Return an address of its halves."""
    if family == 4:
        return address_of((lo & 0xFFFFFFFF).to_bytes(4, "big"))
    return address_of((hi << 64 | lo).to_bytes(16, "big"))


def _value(packets: Packets, row: int) -> Datagram:
    columns = {name: int(getattr(packets, name)[row]) for name in PACKET}
    shape, family = columns["shape"], columns["family"]
    source = address(family, columns["source_hi"], columns["source_lo"])
    destination = address(family, columns["destination_hi"], columns["destination_lo"])
    if shape & MALFORMED:
        return Malformed(
            problem="malformed",
            length=columns["length"],
            source=source if shape & KNOWN_SOURCE else None,
            destination=destination if shape & KNOWN_DESTINATION else None,
            protocol=columns["protocol"] if shape & KNOWN_PROTOCOL else None,
        )
    ports = bool(shape & HAS_PORTS)
    return Packet(
        source=source,
        destination=destination,
        protocol=columns["protocol"],
        length=columns["length"],
        hop_limit=columns["hop_limit"],
        source_port=columns["source_port"] if ports else None,
        destination_port=columns["destination_port"] if ports else None,
        tcp=_tcp(columns) if shape & HAS_TCP else None,
        icmp=_icmp(columns) if shape & HAS_ICMP else None,
        fragment=_fragment(columns) if shape & (FIRST_FRAGMENT | LATER_FRAGMENT) else None,
    )


def _tcp(columns: Mapping[str, int]) -> Tcp:
    return Tcp(
        flags=TcpFlag(columns["tcp_flags"]),
        sequence=columns["sequence"],
        acknowledgement=columns["acknowledgement"],
        payload=columns["payload"],
    )


def _icmp(columns: Mapping[str, int]) -> Icmp:
    kind = (columns["family"], columns["icmp_type"])
    named = kind in ICMP_QUERIES or kind in ICMP_ANSWERS
    return Icmp(
        type=columns["icmp_type"],
        code=columns["icmp_code"],
        identifier=columns["identifier"] if named else None,
    )


def _fragment(columns: Mapping[str, int]) -> Fragment:
    """Offsets are not kept: a later fragment has the least there is, and a first one has more."""
    later = bool(columns["shape"] & LATER_FRAGMENT)
    return Fragment(
        identification=columns["fragment_id"],
        offset=8 if later else 0,
        more=not later,
        protocol=columns["fragment_protocol"],
    )


def gather(packets: Packets, rows: Iterable[int]) -> Packets:
    """Return copies of rows."""
    chosen = np.fromiter(rows, dtype=np.int64)
    return Packets._make(column[chosen] for column in packets)
