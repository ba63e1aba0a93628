"""Protocol numbers and the few facts about TCP flags and ICMP types that a firewall needs.

Read first: RFC 792, RFC 950, RFC 4443, RFC 9293.
"""

from enum import IntFlag
from typing import Final

ICMP: Final = 1
TCP: Final = 6
UDP: Final = 17
ICMPV6: Final = 58

#: The names that EC2 uses for protocols; every other one is its number.
PROTOCOL_NAMES: Final = {ICMP: "icmp", TCP: "tcp", UDP: "udp", ICMPV6: "icmpv6"}
PROTOCOL_NUMBERS: Final = {name: number for number, name in PROTOCOL_NAMES.items()}


def protocol_name(protocol: int | None) -> str:
    """Return `tcp`, `udp`, `icmp`, `icmpv6`, the number in digits, or `all` for None."""
    return "all" if protocol is None else PROTOCOL_NAMES.get(protocol, str(protocol))


def icmp_of(family: int) -> int:
    """Return the protocol number of ICMP in IPv4 (1) or IPv6 (58)."""
    return ICMP if family == 4 else ICMPV6


class TcpFlag(IntFlag):
    """The control bits of a TCP header (RFC 9293, 3.1)."""

    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10
    URG = 0x20
    ECE = 0x40
    CWR = 0x80


#: (family, type of a query) -> type of its answer. RFC 792, RFC 950, RFC 4443 section 4.
ICMP_QUERIES: Final = {(4, 8): 0, (4, 13): 14, (4, 15): 16, (4, 17): 18, (6, 128): 129}
#: (family, type of an answer) -> type of its query.
ICMP_ANSWERS: Final = {(family, answer): query for (family, query), answer in ICMP_QUERIES.items()}
#: (family, type) of the messages that report about another packet and quote it. A redirect
#: (IPv4 5, IPv6 137) quotes one too, but changes routes and is never taken as related.
ICMP_ERRORS: Final = frozenset({(4, 3), (4, 4), (4, 11), (4, 12), (6, 1), (6, 2), (6, 3), (6, 4)})
