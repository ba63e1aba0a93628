"""The layout of flow-log records in the making, and of those that are finished.

Owns arrays, places and bits; `kernels.aggregate` fills them, `aggregate` owns their sizes.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

U1 = NDArray[np.uint8]
U8 = NDArray[np.uint64]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]

#: Places of `Live.state`: the clock; the end of the first window to end; live records; the
#: places of `records` that have ever been used; the first freed one (-1); the same two for
#: `rules`; remembered fragments; why the kernel stopped.
CLOCK_MS: Final = 0
NEXT_END_MS: Final = 1
RECORDS: Final = 2
RECORDS_USED: Final = 3
FREE_RECORD: Final = 4
RULES_USED: Final = 5
FREE_RULE: Final = 6
FRAGMENTS: Final = 7
STOP: Final = 8
STATE_SIZE: Final = 9

#: Why the kernel stopped before the end.
DONE: Final = 0
WINDOW_ENDS: Final = 1  # the row's time passes the end of a window
WINDOW_MISSING: Final = 2  # the row's interface has no open window
NO_ROOM: Final = 3  # records or index
NO_ROOM_FOR_RULES: Final = 4
NO_ROOM_FOR_FRAGMENTS: Final = 5

#: The clock before the first packet, and the end of no window.
NEVER_MS: Final = -(1 << 63)
NO_END_MS: Final = (1 << 63) - 1

#: Words of a record: one cache line that every packet touches. Source hi, lo, destination hi,
#: lo; then TRAITS; PLACE: interface (low 32 bits) and milliseconds from the start of the window
#: to the last packet; PACKETS; OCTETS.
TRAITS: Final = 4
PLACE: Final = 5
PACKETS: Final = 6
OCTETS: Final = 7
RECORD_WORDS: Final = 8

#: Bits of TRAITS: source port 0-15, destination port 16-31, protocol 32-39, then the below;
#: the reason 48-55, where it is part of the key; TCP flags 56-63, which are never.
EGRESS_BIT: Final = 40
ACCEPTED_BIT: Final = 41
IPV6_BIT: Final = 42
PORTS_BIT: Final = 43
REASON_SHIFT: Final = 48
FLAGS_SHIFT: Final = 56

#: What of it comes from ports and protocol.
TUPLE_BITS: Final = (1 << 40) - 1 | 1 << PORTS_BIT

#: Words of a record's rest: time of the first packet, next record of the window (-1), first of
#: its rule sets (-1), hash (low 32 bits) and reason of the first packet; NO_HASH in a freed one.
FIRST_MS: Final = 0
NEXT: Final = 1
RULES_HEAD: Final = 2
HASH: Final = 3
NO_HASH: Final = -1
REST_WORDS: Final = 4

#: Words of an interface's window: whether it is open, its start, first and last record (-1).
IS_OPEN: Final = 0
START_MS: Final = 1
HEAD: Final = 2
LAST: Final = 3
WINDOW_WORDS: Final = 4

#: Words of a remembered fragment: addresses, then interface, direction, family and protocol of
#: the fragment header, identification and the mark that the place is taken; its time; what it
#: stands for: bits 0-39 and PORTS_BIT of TRAITS.
FRAGMENT_NAME: Final = 4
FRAGMENT_ID: Final = 5
FRAGMENT_MS: Final = 6
FRAGMENT_TRAITS: Final = 7
FRAGMENT_WORDS: Final = 8

#: Secret numbers of a hash of six words: twelve under 2**32 and two odd ones.
SECRET_SIZE: Final = 14


class Live(NamedTuple):
    """The records of the open windows.

    Attributes
    ----------
    state : int64, shape (STATE_SIZE,)
    slots : uint64, shape (a power of two,)
        0, or 32 bits of hash (high) and the number of a record plus one.
    records : uint64, shape (records * RECORD_WORDS,)
    rests : int64, shape (records, REST_WORDS)
    windows : int64, shape (interfaces, WINDOW_WORDS)
    rules : int32, shape (sets, 2)
        Rule set and next of the record's (-1).
    fragments : uint64, shape (a power of two, FRAGMENT_WORDS)
    secret : uint64, shape (SECRET_SIZE,)
    tcp_flags : uint8, shape (256,)
        TCP flags to what a record keeps of them.

    """

    state: I8
    slots: U8
    records: U8
    rests: I8
    windows: I8
    rules: I4
    fragments: U8
    secret: U8
    tcp_flags: U1


class Finished(NamedTuple):
    """Records of windows that have ended, as columns.

    `window` is the caller's number of it; `traits` and the times are as in a record, but
    `last_ms` is a time; `rules_end` is where a record's sets end in `rules`.
    """

    window: I4
    source_hi: U8
    source_lo: U8
    destination_hi: U8
    destination_lo: U8
    traits: U8
    packets: I8
    octets: I8
    first_ms: I8
    last_ms: I8
    reason: U1
    rules_end: I8
    rules: I4


FINISHED: Final = {
    "window": np.int32,
    "source_hi": np.uint64,
    "source_lo": np.uint64,
    "destination_hi": np.uint64,
    "destination_lo": np.uint64,
    "traits": np.uint64,
    "packets": np.int64,
    "octets": np.int64,
    "first_ms": np.int64,
    "last_ms": np.int64,
    "reason": np.uint8,
    "rules_end": np.int64,
}
