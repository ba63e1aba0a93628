"""Every layout that compiled code and Python share: packets, decisions and records as arrays.

Owns names, dtypes, bits and numbers. Knows neither how they are filled nor what for. Little
endian, host order; a batch of n packets is one array of n for each column.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from secgroup.conntrack.fragment import LIFETIME_MS
from secgroup.net.protocol import ICMP_ANSWERS, ICMP_ERRORS, ICMP_QUERIES

I4 = NDArray[np.int32]
I8 = NDArray[np.int64]
U1 = NDArray[np.uint8]
U2 = NDArray[np.uint16]
U4 = NDArray[np.uint32]
U8 = NDArray[np.uint64]

#: Bits of `Packets.shape`: what the packet has.
MALFORMED: Final = 1
LATER_FRAGMENT: Final = 2
FIRST_FRAGMENT: Final = 4
HAS_PORTS: Final = 8
HAS_TCP: Final = 16
HAS_ICMP: Final = 32
HAS_QUOTE: Final = 64
#: What can still be read of a packet that is MALFORMED; it has none of the other bits.
KNOWN_SOURCE: Final = 8
KNOWN_DESTINATION: Final = 16
KNOWN_PROTOCOL: Final = 32


class Packets(NamedTuple):
    """Packets as columns, each at one interface; quoted packets are a second one of these.

    Every column has n elements, in C order. What a packet does not have is 0.

    Attributes
    ----------
    time_ms : int64
        When it is there.
    interface : int32
        Row of the engine's interfaces; -1 is none of them, and the packet is not decided.
    direction : uint8
        `Direction` at that interface.
    family : uint8
        4 or 6; 0 where damage hides it.
    shape : uint8
        The bits above.
    source_hi, source_lo, destination_hi, destination_lo : uint64
        The halves of a 128-bit number; IPv4 as ::ffff:a.b.c.d.
    payload, length : uint32
        Bytes after the TCP header, and of the IP packet.
    fragment_id : uint32
        Identification; `fragment_protocol` is the protocol that the fragment header names.
    quote : int64
        Row of the quoted packet among the quotes; -1 is none.

    """

    time_ms: I8
    interface: I4
    direction: U1
    family: U1
    protocol: U1
    hop_limit: U1
    tcp_flags: U1
    shape: U1
    source_hi: U8
    source_lo: U8
    destination_hi: U8
    destination_lo: U8
    source_port: U2
    destination_port: U2
    icmp_type: U1
    icmp_code: U1
    identifier: U2
    sequence: U4
    acknowledgement: U4
    payload: U4
    length: U4
    fragment_id: U4
    fragment_protocol: U1
    quote: I8


PACKET: Final[dict[str, Any]] = {
    "time_ms": np.int64,
    "interface": np.int32,
    "direction": np.uint8,
    "family": np.uint8,
    "protocol": np.uint8,
    "hop_limit": np.uint8,
    "tcp_flags": np.uint8,
    "shape": np.uint8,
    "source_hi": np.uint64,
    "source_lo": np.uint64,
    "destination_hi": np.uint64,
    "destination_lo": np.uint64,
    "source_port": np.uint16,
    "destination_port": np.uint16,
    "icmp_type": np.uint8,
    "icmp_code": np.uint8,
    "identifier": np.uint16,
    "sequence": np.uint32,
    "acknowledgement": np.uint32,
    "payload": np.uint32,
    "length": np.uint32,
    "fragment_id": np.uint32,
    "fragment_protocol": np.uint8,
    "quote": np.int64,
}


class DecisionColumns(NamedTuple):
    """The answers for a batch of packets, as columns.

    Attributes
    ----------
    accepted : uint8
        1 is ACCEPT.
    reason : uint8
        `Reason`; 0 where the packet was at no interface.
    address_class, port_class : int32
        Of the interface's rule table, in the packet's direction and family; -1 where no rule
        was asked. They stand for the list of rules that matched.
    acl_rule_number : int32
        The entry of the network ACL that decided; -1 where none was asked.
    entry : int64
        Number of the record that the packet stepped or made; -1 is none.
    state_before, state_after : uint8
        `State` of that flow; 0 is none.
    logged : uint8
        1 where flow logs record the packet.
    first : int64
        Of a later fragment: the row of its first one in this batch, or -2 - k for row k of
        `Decisions.firsts`; -1 when there is none, and for all other packets.

    """

    accepted: U1
    reason: U1
    address_class: I4
    port_class: I4
    acl_rule_number: I4
    entry: I8
    state_before: U1
    state_after: U1
    logged: U1
    first: I8


DECISION: Final[dict[str, Any]] = {
    "accepted": np.uint8,
    "reason": np.uint8,
    "address_class": np.int32,
    "port_class": np.int32,
    "acl_rule_number": np.int32,
    "entry": np.int64,
    "state_before": np.uint8,
    "state_after": np.uint8,
    "logged": np.uint8,
    "first": np.int64,
}


def empty_packets(count: int) -> Packets:
    """Return `count` packets of zeros, at no interface and without quotes."""
    columns = Packets(**{name: np.zeros(count, dtype=dtype) for name, dtype in PACKET.items()})
    columns.interface.fill(-1)
    columns.quote.fill(-1)
    return columns


def empty_decisions(count: int) -> DecisionColumns:
    """Return room for the decisions of `count` packets; what is in it is not said.

    The columns lie in one piece of memory: pieces of such a size are kept for the next batch.
    """
    widest_first = sorted(DECISION, key=lambda name: -np.dtype(DECISION[name]).itemsize)
    room = np.empty(sum(np.dtype(each).itemsize for each in DECISION.values()) * count, np.uint8)
    columns, begin = {}, 0
    for name in widest_first:
        kind = np.dtype(DECISION[name])
        columns[name] = room[begin : begin + count * kind.itemsize].view(kind)
        begin += count * kind.itemsize
    return DecisionColumns(**columns)


#: One tracked flow: 40 bytes that name it and 24 that remember it. IPv4 addresses are
#: ::ffff:a.b.c.d. ICMP has its identifier in `inside_port` and the complement of it in
#: `outside_port`, so that no flow of another protocol, where both are 0, has the same name; in
#: the place of its protocol stands `ICMP_KINDS`, and its code in `next`.
RECORD: Final = np.dtype(
    [
        ("inside_lo", "<u8"),
        ("inside_hi", "<u8"),
        ("outside_lo", "<u8"),
        ("outside_hi", "<u8"),
        ("inside_port", "<u2"),
        ("outside_port", "<u2"),
        ("owner_protocol", "<u4"),  # owner: low 23 bits, then 1 for IPv6, then the protocol
        ("last_ms", "<u4"),  # modulo 2**32
        ("created_s", "<u4"),
        ("next", "<u4", (2,)),  # by Side
        ("admission", "<u4"),  # which rules admitted the opener, by the engine's list
        ("timeouts", "<u2"),  # number of a set of timeouts
        ("state", "<u1"),
        ("flags", "<u1"),
    ]
)
RECORD_WORDS: Final = RECORD.itemsize // 8
LOW_HALF: Final = 0xFFFFFFFF
#: The parts of `owner_protocol`. The family keeps IPv6 packets between addresses of
#: ::ffff:0:0/96 out of IPv4 flows.
OWNER: Final = 0x7FFFFF
IPV6: Final = 0x800000
#: The numbers of states are below this; 0 is no entry.
STATES: Final = 64

#: Bits of a record's `flags`.
OPENED_EGRESS: Final = 1
NEXT_ORIGINAL_KNOWN: Final = 2
NEXT_REPLY_KNOWN: Final = 4
WEIGHT_TWO: Final = 8

#: Where the kinds of ICMP queries begin in the place of the protocol.
ICMP_KIND: Final = 0xE0
NOT_TRACKED: Final = 255
_QUERIES: Final = sorted(ICMP_QUERIES)


def _icmp_kinds() -> U1:
    kinds = np.full((2, 256), NOT_TRACKED, dtype=np.uint8)
    for number, (family, asked) in enumerate(_QUERIES):
        kinds[int(family == 6), asked] = number << 1
        kinds[int(family == 6), ICMP_QUERIES[family, asked]] = number << 1 | 1
    return kinds


def _icmp_errors() -> U1:
    errors = np.zeros((2, 256), dtype=np.uint8)
    for family, kind in ICMP_ERRORS:
        errors[int(family == 6), kind] = 1
    return errors


#: (IPv6, ICMP type) -> number of the query << 1 | it is the answer; NOT_TRACKED for the others.
ICMP_KINDS: Final = _icmp_kinds()
#: (IPv6, ICMP type) -> 1 where the message reports about the packet that it quotes.
ICMP_ERROR_TYPES: Final = _icmp_errors()
for _table in (ICMP_KINDS, ICMP_ERROR_TYPES):
    _table.flags.writeable = False


def query_of(place: int) -> tuple[int, int]:
    """Return (ICMP type of the query, opener's direction) of a number in the protocol's place."""
    return _QUERIES[(place - ICMP_KIND) >> 1][1], place & 1


assert RECORD.itemsize == 64
assert len(_QUERIES) == len(ICMP_ANSWERS)


class Flows(NamedTuple):
    """The table of flows as kernels see it; `engine.flows` owns it. Records begin at number 1.

    Attributes
    ----------
    index : int64
        Slots, 0 when empty: 32 bits of the key's hash, then the number of the record. A slot
        stands at its home, the first bits of its hash, or in the run of full slots behind it.
    words : uint64
        The records, eight words each. Kernels read and write whole words: a processor cannot
        forward a narrow store to a wider load.
    links : int32
        Of each record, the next and the one before it in its slot of the wheel; the first one
        of a slot has minus the slot's number before it. The next free one, of a free record.
    wheel : int32, shape (WHEEL,)
        The first record to look at in each second, modulo WHEEL; 0 is none.
    weight, allowance : int64
        Of each owner, what its entries take of its allowance, and that; -1 is any number.
    timeouts_ms : int64
        The idle timeout by (set of timeouts, state).
    control : int64, shape (CONTROLS,)
        The numbers below.
    secret : uint64, shape (SECRETS,)
        The key of the hash.

    """

    index: I8  # type: ignore[assignment]
    words: U8
    links: I4
    wheel: I4
    weight: I8
    allowance: I8
    timeouts_ms: I8
    control: I8
    secret: U8


#: The words of a record behind its name: last_ms and created_s; both of `next`; the rest.
TIMES: Final = 5
POSITIONS: Final = 6
MEMORY: Final = 7
#: Where the parts of that last word begin.
TIMEOUTS_BIT: Final = 32
STATE_BIT: Final = 48
FLAGS_BIT: Final = 56

#: Places in `Flows.control`: the clock, and how often it was given an earlier time.
NOW_MS: Final = 0
STEPPED_BACK: Final = 1
#: Records in use, the highest number ever used, and the first free one below it.
ENTRIES: Final = 2
HIGHEST: Final = 3
FREE: Final = 4
#: No entry is made when there are as many as this, or when HIGHEST is the last record.
LIMIT: Final = 5
LAST_RECORD: Final = 6
#: The index: homes are BITS bits of a hash, and one bit more from the home FRONTIER on.
BITS: Final = 7
FRONTIER: Final = 8
CONTROLS: Final = 9

#: Seconds that the wheel tells apart: more than the longest timeout that AWS lets one choose.
WHEEL: Final = 1 << 19
SECRETS: Final = 12


class Firsts(NamedTuple):
    """The answers of first fragments, as kernels see them: a ring of rows, newest last.

    Row r stands at r modulo the number of rows, a power of two.

    Attributes
    ----------
    heads : int64
        The newest row of each bucket of hashes, plus 1; 0 is none. A power of two of them.
    rows : int64, shape (FIRST_WORDS * rows,)
        Of each: six words that the fragments of one packet share at one interface, then the
        words below.
    ends : int64, shape (2,)
        The oldest row that is kept, and the one behind the newest.

    """

    heads: I8
    rows: I8
    ends: I8


#: The words of a row behind its name: the row before it in the same bucket, plus 1; when it was
#: remembered; the packet itself, as number of the batch and row; the answer: whether it is
#: accepted, reason, state and whether it is logged, an octet each, and the ACL's entry; classes.
FIRST_CHAIN: Final = 6
FIRST_MS: Final = 7
FIRST_BATCH: Final = 8
FIRST_ROW: Final = 9
FIRST_ANSWER: Final = 10
FIRST_CLASSES: Final = 11
FIRST_WORDS: Final = 12

#: How long a first fragment's answer holds.
FIRST_LIFETIME_MS: Final = LIFETIME_MS
