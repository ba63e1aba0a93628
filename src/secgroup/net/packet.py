"""A packet as the firewall sees it: headers, never payload.

Owns the values; `wire` makes them of bytes and bytes of them. Addresses are inside the
packet; who has them, and which way it goes, is for others to say.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from secgroup.net.address import Address
from secgroup.net.protocol import ICMP_ANSWERS, ICMP_ERRORS, ICMP_QUERIES, TCP, UDP, TcpFlag

# Plain numbers: an operation on an IntFlag costs a microsecond, and every segment needs several.
_FIN: Final = TcpFlag.FIN.value
_SYN: Final = TcpFlag.SYN.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Tcp:
    """What a TCP header says (RFC 9293). `payload` is the number of bytes that follow it."""

    flags: TcpFlag
    sequence: int
    acknowledgement: int
    payload: int

    @property
    def is_bare_syn(self) -> bool:
        """A SYN without ACK, FIN or RST: the only segment that opens a connection."""
        return (self.flags & (TcpFlag.SYN | TcpFlag.ACK | TcpFlag.FIN | TcpFlag.RST)) == TcpFlag.SYN

    @property
    def sequence_end(self) -> int:
        """The sequence number after this segment, modulo 2**32; SYN and FIN count one each."""
        flags = self.flags.value
        length = self.payload + bool(flags & _SYN) + bool(flags & _FIN)
        return (self.sequence + length) & 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Icmp:
    """What an ICMP or ICMPv6 header says.

    `identifier` only where the type is a query or an answer; `quote` only in an error, and
    there None when the quoted packet is cut before its ports (or identifier).
    """

    type: int
    code: int
    identifier: int | None = None
    quote: "Packet | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """The fragmentation fields: `offset` in bytes; `protocol` is the one this header names.

    In IPv6 that is the fragment header's Next Header, which may be another extension header
    and so differ from `Packet.protocol`. An IPv6 atomic fragment has no Fragment (RFC 6946).
    """

    identification: int
    offset: int
    more: bool
    protocol: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One IP packet whose headers could be read.

    A later fragment (`fragment.offset` over 0) has neither ports nor `tcp` nor `icmp`.
    Protocol 1 inside IPv6 and 58 inside IPv4 are protocols like any other: `icmp` is None.

    Parameters
    ----------
    source, destination : Address
        Both of one family.
    protocol : int
        The last one of the header chain.
    length : int
        Bytes of the whole IP packet, its header included.
    hop_limit : int
        IPv4: time to live.
    source_port, destination_port : int or None
        TCP and UDP only.

    """

    source: Address
    destination: Address
    protocol: int
    length: int
    hop_limit: int = 64
    source_port: int | None = None
    destination_port: int | None = None
    tcp: Tcp | None = None
    icmp: Icmp | None = None
    fragment: Fragment | None = None

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.source.version

    @property
    def icmp_type(self) -> int | None:
        """The ICMP type, None for other protocols."""
        return None if self.icmp is None else self.icmp.type

    @property
    def icmp_code(self) -> int | None:
        """The ICMP code, None for other protocols."""
        return None if self.icmp is None else self.icmp.code

    @property
    def is_later_fragment(self) -> bool:
        """A fragment that is not the first one of its packet."""
        return self.fragment is not None and self.fragment.offset > 0

    @property
    def is_query(self) -> bool:
        """An ICMP message that asks for an answer with the same identifier."""
        return self.icmp is not None and (self.family, self.icmp.type) in ICMP_QUERIES

    @property
    def is_answer(self) -> bool:
        """An ICMP message that answers a query."""
        return self.icmp is not None and (self.family, self.icmp.type) in ICMP_ANSWERS

    @property
    def is_icmp_error(self) -> bool:
        """An ICMP message that reports about another packet."""
        return self.icmp is not None and (self.family, self.icmp.type) in ICMP_ERRORS

    @property
    def is_opener(self) -> bool:
        """May this packet be the first of a flow: a bare SYN, any UDP, a query, any other."""
        if self.is_later_fragment:
            return False
        if self.protocol == TCP:
            return self.tcp is not None and self.tcp.is_bare_syn
        return self.protocol == UDP or self.icmp is None or self.is_query


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """Bytes that should have been an IP packet and cannot be read as one.

    Parameters
    ----------
    problem : str
        What is wrong, for people.
    length : int
        Bytes of the IP packet, as far as known.
    source, destination, protocol
        None where the damage lies before them.

    """

    problem: str
    length: int
    source: Address | None = None
    destination: Address | None = None
    protocol: int | None = None


Datagram: TypeAlias = Packet | Malformed
