"""What two hosts say to each other, as packets: the dialogue of a story.

Owns the sequence numbers of a TCP connection; decides nothing.
"""

from dataclasses import dataclass, field

from secgroup.net.address import Address, parse_address
from secgroup.net.packet import Icmp, Packet, Tcp
from secgroup.net.protocol import ICMP_QUERIES, TCP, UDP, TcpFlag, icmp_of

_MASK = 0xFFFFFFFF


def header_size(address: Address) -> int:
    """Return the bytes of an IP header without options."""
    return 20 if address.version == 4 else 40


@dataclass(kw_only=True)
class Connection:
    """A TCP connection between a client and a server, which keeps their sequence numbers.

    Each call makes the next segment of one side: `client("SYN")`, `server("SYN ACK")`,
    `client("PSH ACK", 100)`.
    """

    client_address: Address
    server_address: Address
    client_port: int = 40000
    server_port: int = 443
    #: The next sequence number of the client and of the server.
    next: list[int] = field(default_factory=lambda: [1000, 5000])

    def client(self, flags: str, payload: int = 0, *, ahead: int = 0) -> Packet:
        """Make a segment from the client; `ahead` of where it should stand, which moves nothing."""
        return self._segment(0, flags, payload, ahead)

    def server(self, flags: str, payload: int = 0, *, ahead: int = 0) -> Packet:
        """Make a segment from the server."""
        return self._segment(1, flags, payload, ahead)

    def _segment(self, side: int, flags: str, payload: int, ahead: int) -> Packet:
        bits = TcpFlag(0)
        for name in flags.split():
            bits |= TcpFlag[name]
        ends = [(self.client_address, self.client_port), (self.server_address, self.server_port)]
        (source, source_port), (destination, destination_port) = ends[side], ends[1 - side]
        tcp = Tcp(
            flags=bits,
            sequence=(self.next[side] + ahead) & _MASK,
            acknowledgement=self.next[1 - side] & _MASK if bits & TcpFlag.ACK else 0,
            payload=payload,
        )
        if ahead == 0:
            self.next[side] = tcp.sequence_end
        return Packet(
            source=source,
            destination=destination,
            protocol=TCP,
            length=header_size(source) + 20 + payload,
            source_port=source_port,
            destination_port=destination_port,
            tcp=tcp,
        )


def connection(
    client: str, server: str, server_port: int = 443, *, client_port: int = 40000
) -> Connection:
    """Make a connection of addresses in text.

    Raises
    ------
    InputError
        An address that cannot be read.

    """
    return Connection(
        client_address=parse_address(client),
        server_address=parse_address(server),
        client_port=client_port,
        server_port=server_port,
    )


def datagram(
    source: str, destination: str, port: int, *, source_port: int = 40000, size: int = 64
) -> Packet:
    """Make a UDP datagram.

    Raises
    ------
    InputError
        An address that cannot be read.

    """
    address = parse_address(source)
    return Packet(
        source=address,
        destination=parse_address(destination),
        protocol=UDP,
        length=header_size(address) + 8 + size,
        source_port=source_port,
        destination_port=port,
    )


def ping(source: str, destination: str, *, identifier: int = 7) -> Packet:
    """Make an echo request.

    Raises
    ------
    InputError
        An address that cannot be read.

    """
    return message(source, destination, type=8 if ":" not in source else 128, identifier=identifier)


def pong(source: str, destination: str, *, identifier: int = 7) -> Packet:
    """Make an echo reply.

    Raises
    ------
    InputError
        An address that cannot be read.

    """
    asked = (4, 8) if ":" not in source else (6, 128)
    return message(source, destination, type=ICMP_QUERIES[asked], identifier=identifier)


def message(
    source: str,
    destination: str,
    *,
    type: int,  # noqa: A002 - the field's name in RFC 792
    code: int = 0,
    identifier: int | None = None,
    quote: Packet | None = None,
) -> Packet:
    """Make any ICMP or ICMPv6 message; an error has a `quote`.

    Raises
    ------
    InputError
        An address that cannot be read.

    """
    address = parse_address(source)
    quoted = 0 if quote is None else header_size(address) + 28
    return Packet(
        source=address,
        destination=parse_address(destination),
        protocol=icmp_of(address.version),
        length=header_size(address) + (64 if quote is None else 8 + quoted),
        icmp=Icmp(type=type, code=code, identifier=identifier, quote=quote),
    )


def plain(source: str, destination: str, protocol: int, *, size: int = 64) -> Packet:
    """Make a packet of a protocol without ports.

    Raises
    ------
    InputError
        An address that cannot be read.

    """
    address = parse_address(source)
    return Packet(
        source=address,
        destination=parse_address(destination),
        protocol=protocol,
        length=header_size(address) + size,
    )
