"""Decisions as lines of JSON.

What stands in a line, `replay.decisions` says. Whatever is not a number or an address has been
spelt before, and is copied here.
"""

import numpy as np

from secgroup.engine.columns import I4, I8, U1, Words
from secgroup.engine.kernels import inlined, kernel
from secgroup.engine.kernels.text import put_address, put_bytes, put_integer
from secgroup.engine.layout import (
    HAS_ICMP,
    HAS_PORTS,
    KNOWN_PROTOCOL,
    KNOWN_SOURCE,
    MALFORMED,
    DecisionColumns,
    Packets,
)

#: Bytes of `"` and `null`.
QUOTE = 34

#: Pieces of a line that are always the same, by their number.
FRAME = 0
TIME = 1
SOURCE = 2  # and the destination behind it, as KNOWN_DESTINATION is behind KNOWN_SOURCE
SOURCE_PORT = 4
DESTINATION_PORT = 5
ICMP_TYPE = 6
ICMP_CODE = 7
LENGTH = 8
NULL = 9
END = 10
#: Behind them, by verdict and reason: what says them.
OF_REASON = 11
#: By state: what says it is the one before, and what says it is the one after.
STATES = 64
OF_STATE_BEFORE = OF_REASON + 64
OF_STATE_AFTER = OF_STATE_BEFORE + STATES
#: By interface: its network ACL. There are as many as interfaces and one more, for none.
OF_INTERFACE = OF_STATE_AFTER + STATES


@inlined
def put_piece(out: U1, at: int, pieces: Words, number: int) -> int:
    """Copy a piece."""
    return put_bytes(out, at, pieces.text, pieces.begin[number], pieces.begin[number + 1])


@inlined
def put_known(out: U1, at: int, pieces: Words, known: bool, value: int) -> int:
    """Write an integer, or `null`."""
    if known:
        return put_integer(out, at, value)
    return put_piece(out, at, pieces, np.int64(NULL))


@inlined
def put_quoted(
    out: U1, at: int, pieces: Words, known: bool, family: int, hi: int, lo: int, dotted: bool
) -> int:
    """Write an address in quotes, or `null`."""
    if not known:
        return put_piece(out, at, pieces, np.int64(NULL))
    out[at] = QUOTE
    at = put_address(out, at + 1, family, hi, lo, dotted)
    out[at] = QUOTE
    return at + 1


@kernel
def format_decisions(
    out: U1,
    packets: Packets,
    decisions: DecisionColumns,
    frames: I8,
    times_ns: I8,
    connections: I8,
    rule_sets: I4,
    pieces: Words,
    rules: Words,
    begin: int,
    end: int,
    room: int,
    dotted: bool,
) -> tuple[int, int]:
    """Write a line for each decision; a row of reason 0 is none.

    Parameters
    ----------
    out : uint8, shape (size,)
    frames, times_ns, connections : int64, shape (n,)
        Connection 0 is none.
    rule_sets : int32, shape (n,)
        Rows of `rules`.
    pieces : Words
        By the numbers above; the last two thirds are by interface (-1 is the last one): its
        network ACL, then at twice the number what comes between time and protocol, ingress
        and egress.
    room : int
        Bytes that no line exceeds.

    Returns
    -------
    tuple of int
        The first row that did not fit, or `end`; the bytes written.

    """
    interfaces = (pieces.begin.shape[0] - 1 - OF_INTERFACE) // 3
    at = np.int64(0)
    for row in range(begin, end):
        reason = np.int64(decisions.reason[row])
        if reason == 0:
            continue
        if at + room > out.shape[0]:
            return row, at
        interface = np.int64(packets.interface[row])
        direction = np.int64(packets.direction[row])
        if interface < 0:
            interface, direction = interfaces - 1, np.int64(0)
        shape = np.int64(packets.shape[row])
        family = np.int64(packets.family[row])
        whole = shape & MALFORMED == 0
        has_ports = whole and shape & HAS_PORTS != 0
        has_icmp = whole and shape & HAS_ICMP != 0
        at = put_piece(out, at, pieces, np.int64(FRAME))
        at = put_integer(out, at, frames[row])
        at = put_piece(out, at, pieces, np.int64(TIME))
        at = put_integer(out, at, times_ns[row])
        at = put_piece(out, at, pieces, OF_INTERFACE + interfaces + 2 * interface + direction)
        known = whole or shape & KNOWN_PROTOCOL != 0
        at = put_known(out, at, pieces, known, np.int64(packets.protocol[row]))
        for side in range(2):
            at = put_piece(out, at, pieces, SOURCE + side)
            known = whole or shape & (KNOWN_SOURCE << side) != 0
            hi, lo = packets.source_hi[row], packets.source_lo[row]
            if side == 1:
                hi, lo = packets.destination_hi[row], packets.destination_lo[row]
            at = put_quoted(out, at, pieces, known, family, hi, lo, dotted)
        at = put_piece(out, at, pieces, np.int64(SOURCE_PORT))
        at = put_known(out, at, pieces, has_ports, np.int64(packets.source_port[row]))
        at = put_piece(out, at, pieces, np.int64(DESTINATION_PORT))
        at = put_known(out, at, pieces, has_ports, np.int64(packets.destination_port[row]))
        at = put_piece(out, at, pieces, np.int64(ICMP_TYPE))
        at = put_known(out, at, pieces, has_icmp, np.int64(packets.icmp_type[row]))
        at = put_piece(out, at, pieces, np.int64(ICMP_CODE))
        at = put_known(out, at, pieces, has_icmp, np.int64(packets.icmp_code[row]))
        at = put_piece(out, at, pieces, np.int64(LENGTH))
        at = put_integer(out, at, np.int64(packets.length[row]))
        verdict = np.int64(decisions.accepted[row]) << 5
        at = put_piece(out, at, pieces, OF_REASON + verdict + reason)
        at = put_piece(out, at, rules, np.int64(rule_sets[row]))
        acl_rule_number = np.int64(decisions.acl_rule_number[row])
        if acl_rule_number < 0:
            at = put_piece(out, at, pieces, OF_INTERFACE + interfaces - 1)
            at = put_piece(out, at, pieces, np.int64(NULL))
        else:
            at = put_piece(out, at, pieces, OF_INTERFACE + interface)
            at = put_integer(out, at, acl_rule_number)
        at = put_piece(out, at, pieces, OF_STATE_BEFORE + np.int64(decisions.state_before[row]))
        at = put_piece(out, at, pieces, OF_STATE_AFTER + np.int64(decisions.state_after[row]))
        at = put_known(out, at, pieces, connections[row] > 0, np.int64(connections[row]))
        at = put_piece(out, at, pieces, np.int64(END))
    return end, at
