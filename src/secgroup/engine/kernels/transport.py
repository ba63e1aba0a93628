"""What IP carries in captured packets: `transport`, and `quote` for what ICMP errors quote.

`secgroup.net.wire` is the definition of every bound here; read it first.
"""

import numpy as np

from secgroup.engine.frames import Spans
from secgroup.engine.kernels import inlined, kernel
from secgroup.engine.kernels.octets import u8, u16, u32
from secgroup.engine.layout import (
    HAS_ICMP,
    HAS_PORTS,
    HAS_QUOTE,
    HAS_TCP,
    I8,
    KNOWN_DESTINATION,
    KNOWN_PROTOCOL,
    KNOWN_SOURCE,
    LATER_FRAGMENT,
    MALFORMED,
    NOT_TRACKED,
    U1,
    Packets,
)
from secgroup.net.ip import TCP_HEADER
from secgroup.net.protocol import ICMP, ICMPV6, TCP, UDP


@inlined
def _put(
    packets: Packets,
    row: int,
    ports: int,
    flags: int,
    sequence: int,
    acknowledgement: int,
    payload: int,
    icmp: int,
    identifier: int,
) -> None:
    """Write what stands after IP; `ports` and `icmp` are two fields each."""
    packets.source_port[row] = ports >> 16
    packets.destination_port[row] = ports & 0xFFFF
    packets.tcp_flags[row] = flags
    packets.sequence[row] = sequence
    packets.acknowledgement[row] = acknowledgement
    packets.payload[row] = payload
    packets.icmp_type[row] = icmp >> 8
    packets.icmp_code[row] = icmp & 0xFF
    packets.identifier[row] = identifier


@inlined
def _put_ip_away(packets: Packets, row: int) -> None:
    """Make what `internet` wrote 0."""
    packets.family[row] = packets.protocol[row] = packets.hop_limit[row] = 0
    packets.source_hi[row] = packets.source_lo[row] = packets.length[row] = 0
    packets.destination_hi[row] = packets.destination_lo[row] = 0
    packets.fragment_id[row] = packets.fragment_protocol[row] = 0


@inlined
def _tcp(octets: U1, at: int, present: int, rest: int) -> tuple[int, int, int, int]:
    """Read a TCP header of which 8 bytes are there: flags, sequence, acknowledgement, payload."""
    sequence = u32(octets, at + 4)
    if present < TCP_HEADER:
        return 0, sequence, 0, max(0, rest - TCP_HEADER)
    size = max(TCP_HEADER, (u8(octets, at + 12) >> 4) * 4)
    return u8(octets, at + 13), sequence, u32(octets, at + 8), max(0, rest - size)


@inlined
def _icmp(octets: U1, at: int, present: int, icmp_kinds: U1, is_ipv6: int) -> tuple[int, int, int]:
    """Read an ICMP header of which 2 bytes are there.

    Returns type and code in one, the identifier, 1 if messages of this type have one.
    """
    icmp = u16(octets, at)
    if icmp_kinds[is_ipv6, icmp >> 8] == NOT_TRACKED:
        return icmp, 0, 0
    return icmp, u16(octets, at + 4) if present >= 6 else 0, 1


@kernel
def transport(
    octets: U1,
    first: int,
    last: int,
    icmp_kinds: U1,
    icmp_errors: U1,
    spans: Spans,
    packets: Packets,
    quoted: Spans,
    quoting: I8,
) -> int:
    """Read TCP, UDP and ICMP headers after `internet`; return how many packets may quote one.

    Parameters
    ----------
    icmp_kinds, icmp_errors : uint8, shape (2, 256)
        `ICMP_KINDS` and `ICMP_ERROR_TYPES`.
    quoted, quoting
        Written, from 0 on: where what ICMP errors quote lies, and the rows of the errors.

    """
    count = 0
    for each in range(first, last):
        row, place = np.uintp(each), np.uintp(each - first)
        begin = int(spans.transport[place])
        present = spans.transport_end[place] - begin
        protocol, shape = packets.protocol[row], int(np.int64(packets.shape[row]))
        is_ipv6 = 1 if packets.family[row] == 6 else 0
        ports = flags = sequence = acknowledgement = payload = icmp = identifier = least = 0
        if shape & (MALFORMED | LATER_FRAGMENT):
            pass
        elif protocol in (TCP, UDP):
            least = TCP_HEADER if protocol == TCP else 8
            if present >= least:
                shape |= HAS_PORTS
                ports = u32(octets, begin)
                if protocol == TCP:
                    shape |= HAS_TCP
                    rest = int(np.int64(packets.length[row])) - begin + spans.begin[place]
                    flags, sequence, acknowledgement, payload = _tcp(octets, begin, present, rest)
                    least = least if octets[begin + 12] >> 4 >= 5 else present + 1
        elif protocol == (ICMPV6 if is_ipv6 else ICMP):
            least = 4
            if present >= 2:
                shape |= HAS_ICMP
                icmp, identifier, asks = _icmp(octets, begin, present, icmp_kinds, is_ipv6)
                least = 8 if asks else 4
                if icmp_errors[is_ipv6, icmp >> 8] and present > 8:
                    quoted.begin[count], quoted.end[count] = begin + 8, begin + present
                    quoted.whole[count], quoting[count] = present - 8, each
                    count += 1
        if present < least:
            shape = MALFORMED | KNOWN_SOURCE | KNOWN_DESTINATION | KNOWN_PROTOCOL
            packets.hop_limit[row] = packets.fragment_id[row] = packets.fragment_protocol[row] = 0
            ports = flags = sequence = acknowledgement = payload = icmp = identifier = 0
        packets.shape[row] = shape
        _put(packets, row, ports, flags, sequence, acknowledgement, payload, icmp, identifier)
    return count


@kernel
def quote(
    octets: U1,
    first: int,
    last: int,
    icmp_kinds: U1,
    spans: Spans,
    quoting: I8,
    packets: Packets,
    quotes: Packets,
) -> None:
    """Read what ICMP errors quote, after `internet` has read the quotes' IP headers.

    Parameters
    ----------
    first, last : int
        Rows of `quotes`. Those that are no packet of the error's family with its ports or
        identifier become 0, and no packet quotes them.
    quoting : int64
        From 0 on: the rows of the errors in `packets`, where `quote` and `shape` are completed.

    """
    for each in range(first, last):
        row, place = np.uintp(each), np.uintp(each - first)
        error = np.uintp(quoting[place])
        begin = int(spans.transport[place])
        present = spans.transport_end[place] - begin
        family, protocol = quotes.family[row], quotes.protocol[row]
        shape = int(np.int64(quotes.shape[row]))
        ports = flags = sequence = acknowledgement = payload = icmp = identifier = least = 0
        is_none = family != packets.family[error] or shape & (MALFORMED | LATER_FRAGMENT) != 0
        if is_none:
            pass
        elif protocol in (TCP, UDP):
            least = 4
            if present >= 4:
                shape |= HAS_PORTS
                ports = u32(octets, begin)
            if protocol == TCP and present >= 8:
                shape |= HAS_TCP
                rest = int(np.int64(quotes.length[row])) - begin + spans.begin[place]
                flags, sequence, acknowledgement, payload = _tcp(octets, begin, present, rest)
        elif protocol == (ICMP if family == 4 else ICMPV6):
            least = 2
            if present >= 2:
                shape |= HAS_ICMP
                icmp, identifier, asks = _icmp(
                    octets, begin, present, icmp_kinds, 1 if family == 6 else 0
                )
                least = 6 if asks else 2
        is_none = is_none or present < least
        if is_none:
            _put_ip_away(quotes, row)
            shape = ports = icmp = 0
        else:
            packets.quote[error] = each
            packets.shape[error] |= HAS_QUOTE
        quotes.time_ms[row] = packets.time_ms[error]
        quotes.shape[row] = shape
        _put(quotes, row, ports, flags, sequence, acknowledgement, payload, icmp, identifier)
