"""Captures made of packets: frames as they are read, and files as tcpdump writes them."""

import gzip
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

from secgroup.net.capture import Frame, read_capture
from secgroup.net.direction import Direction
from secgroup.net.packet import Fragment, Icmp, Packet, Tcp
from secgroup.net.pcap import write_pcap
from secgroup.net.pcapng import PcapngWriter
from secgroup.net.protocol import TCP, UDP, TcpFlag, icmp_of
from secgroup.net.record import CaptureInterface, Record
from secgroup.net.wire import build

RAW, ETHERNET, COOKED = 101, 1, 113
#: 2026-03-01T12:00:00Z
START_NS = 1_772_366_400_000_000_000
SECOND_NS = 1_000_000_000
SYN, ACK, FIN, RST, PSH = TcpFlag.SYN, TcpFlag.ACK, TcpFlag.FIN, TcpFlag.RST, TcpFlag.PSH


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A packet as a capture interface saw it, so many seconds after the start."""

    s: float
    packet: Packet | bytes
    interface: int = 0
    direction: Direction | None = None
    link: bytes = b""

    @property
    def time_ns(self) -> int:
        return START_NS + round(self.s * SECOND_NS)

    @property
    def octets(self) -> bytes:
        return self.link + (self.packet if isinstance(self.packet, bytes) else build(self.packet))


def pcapng(
    seen: Iterable[Seen], *, names: Sequence[str] = ("eth0",), link_type: int = RAW, snap: int = 0
) -> bytes:
    """Write a pcapng capture of these interfaces."""
    out = io.BytesIO()
    writer = PcapngWriter(out)
    interfaces = [
        CaptureInterface(index=at, link_type=link_type, snap_length=snap, name=name)
        for at, name in enumerate(names)
    ]
    for interface in interfaces:
        writer.write_interface(interface)
    for each in seen:
        writer.write_record(
            Record(
                interface=interfaces[each.interface],
                time_ns=each.time_ns,
                original_length=len(each.octets),
                captured=each.octets[: snap or None],
                direction=each.direction,
            )
        )
    return out.getvalue()


def pcap(seen: Iterable[Seen], *, link_type: int = RAW) -> bytes:
    """Write a classic capture."""
    out = io.BytesIO()
    write_pcap(out, ((each.time_ns, each.octets) for each in seen), link_type=link_type)
    return out.getvalue()


def frames(*seen: Seen, names: Sequence[str] = ("eth0",), link_type: int = RAW) -> list[Frame]:
    """Return frames as they are read from such a capture."""
    return list(read_capture(io.BytesIO(pcapng(seen, names=names, link_type=link_type))))


def write(path: Path, content: bytes) -> Path:
    """Write a capture, through gzip if the suffix says so."""
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


@dataclass(frozen=True, kw_only=True)
class Talk:
    """The packets between a client and a server, each a method; `c` and `s` are their ports."""

    client: str
    server: str
    c: int = 40000
    s: int = 22
    isn: int = 1000

    def _packet(self, *, back: bool, **fields: object) -> Packet:
        ends = (ip_address(self.client), ip_address(self.server))
        source, destination = ends[::-1] if back else ends
        return Packet(source=source, destination=destination, **fields)  # type: ignore[arg-type]

    def _header(self) -> int:
        return 20 if ":" not in self.client else 40

    def tcp(
        self, flags: TcpFlag, seq: int, ack: int = 0, payload: int = 0, *, back: bool = False
    ) -> Packet:
        ports = (self.s, self.c) if back else (self.c, self.s)
        return self._packet(
            back=back,
            protocol=TCP,
            length=self._header() + 20 + payload,
            source_port=ports[0],
            destination_port=ports[1],
            tcp=Tcp(flags=flags, sequence=seq, acknowledgement=ack, payload=payload),
        )

    def syn(self) -> Packet:
        return self.tcp(SYN, self.isn)

    def syn_ack(self) -> Packet:
        return self.tcp(SYN | ACK, 5000, self.isn + 1, back=True)

    def ack(self) -> Packet:
        return self.tcp(ACK, self.isn + 1, 5001)

    def data(self, at: int = 0, size: int = 10) -> Packet:
        return self.tcp(ACK | PSH, self.isn + 1 + at, 5001, size)

    def answer(self, at: int = 0, size: int = 10) -> Packet:
        return self.tcp(ACK | PSH, 5001 + at, self.isn + 1, size, back=True)

    def handshake(self) -> tuple[Packet, ...]:
        return self.syn(), self.syn_ack(), self.ack()

    def udp(self, *, back: bool = False, size: int = 20) -> Packet:
        ports = (self.s, self.c) if back else (self.c, self.s)
        return self._packet(
            back=back,
            protocol=UDP,
            length=self._header() + 8 + size,
            source_port=ports[0],
            destination_port=ports[1],
        )

    def ping(self, *, back: bool = False, identifier: int = 7, size: int = 56) -> Packet:
        family = 4 if self._header() == 20 else 6
        kind = {4: (8, 0), 6: (128, 129)}[family][back]
        return self._packet(
            back=back,
            protocol=icmp_of(family),
            length=self._header() + 8 + size,
            icmp=Icmp(type=kind, code=0, identifier=identifier),
        )

    def other(self, protocol: int = 47, *, back: bool = False) -> Packet:
        return self._packet(back=back, protocol=protocol, length=self._header() + 20)


def apart(
    *packets: Packet, start: float = 0.0, step: float = 0.001, interface: int = 0
) -> list[Seen]:
    """Return packets one after the other, `step` seconds apart."""
    return [
        Seen(s=start + at * step, packet=each, interface=interface)
        for at, each in enumerate(packets)
    ]


def hop(packet: Packet) -> Packet:
    """Return the packet after one more router."""
    return replace(packet, hop_limit=packet.hop_limit - 1)


def fragments(packet: Packet, at: int, identification: int = 9) -> tuple[Packet, Packet]:
    """Cut a packet in two at byte `at` of what IP carries."""
    header = 20 if packet.family == 4 else 48
    first = replace(
        packet,
        length=header + at,
        fragment=Fragment(
            identification=identification, offset=0, more=True, protocol=packet.protocol
        ),
    )
    later = Packet(
        source=packet.source,
        destination=packet.destination,
        protocol=packet.protocol,
        length=packet.length - at,
        fragment=Fragment(
            identification=identification, offset=at, more=False, protocol=packet.protocol
        ),
    )
    return first, later
