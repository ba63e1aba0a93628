"""What later fragments get: the answers of first ones. Read first: `layout.Firsts`."""

import numpy as np

from secgroup.decision import Reason
from secgroup.engine.kernels import inlined, kernel
from secgroup.engine.kernels.track import hash_of
from secgroup.engine.layout import (
    FIRST_ANSWER,
    FIRST_BATCH,
    FIRST_CHAIN,
    FIRST_CLASSES,
    FIRST_LIFETIME_MS,
    FIRST_MS,
    FIRST_ROW,
    FIRST_WORDS,
    I8,
    LOW_HALF,
    U8,
    DecisionColumns,
    Firsts,
    Packets,
)

_FRAGMENT = int(Reason.FRAGMENT)


@inlined
def place_word(packets: Packets, i: int) -> int:
    """Return interface, direction, protocol and family of a fragment as one word."""
    word = np.int64(packets.interface[i]) << 24 | np.int64(packets.direction[i]) << 16
    return word | np.int64(packets.family[i]) << 8 | np.int64(packets.fragment_protocol[i])


@inlined
def bucket_in(firsts: Firsts, secret: U8, at: int) -> int:
    """Return the bucket of the name of a row, which stands at `at`."""
    rows = firsts.rows
    tag = hash_of(
        secret,
        np.uint64(rows[at]),
        np.uint64(rows[at + 1]),
        np.uint64(rows[at + 2]),
        np.uint64(rows[at + 3]),
        np.uint64(rows[at + 4] << 32 | rows[at + 5] & LOW_HALF),
    )
    return tag & (firsts.heads.shape[0] - 1)


@inlined
def write_name(firsts: Firsts, packets: Packets, i: int, at: int) -> None:
    """Write what the fragments of one packet share, at one interface."""
    rows = firsts.rows
    rows[at] = np.int64(packets.source_lo[i])
    rows[at + 1] = np.int64(packets.source_hi[i])
    rows[at + 2] = np.int64(packets.destination_lo[i])
    rows[at + 3] = np.int64(packets.destination_hi[i])
    rows[at + 4] = np.int64(packets.fragment_id[i])
    rows[at + 5] = place_word(packets, i)


@inlined
def is_same(rows: I8, one: int, other: int) -> bool:
    """Tell whether two rows have the same name."""
    for word in range(6):  # noqa: SIM110
        if rows[one + word] != rows[other + word]:
            return False
    return True


@inlined
def is_full(firsts: Firsts) -> bool:
    """Tell whether one more first fragment has no room. One row is kept free, for `recall`."""
    return FIRST_WORDS * (firsts.ends[1] - firsts.ends[0] + 1) >= firsts.rows.shape[0]


@inlined
def place_of_row(firsts: Firsts, row: int) -> int:
    """Return where the words of a row begin."""
    return FIRST_WORDS * (row & ((firsts.heads.shape[0] >> 1) - 1))


@inlined
def remember(
    firsts: Firsts,
    secret: U8,
    packets: Packets,
    i: int,
    out: DecisionColumns,
    batch: int,
    now_ms: int,
) -> None:
    """Keep the answer of a first fragment. Preconditions: there is room."""
    row = np.int64(firsts.ends[1])
    at = place_of_row(firsts, row)
    write_name(firsts, packets, i, at)
    bucket = bucket_in(firsts, secret, at)
    rows = firsts.rows
    rows[at + FIRST_CHAIN] = firsts.heads[bucket]
    firsts.heads[bucket] = row + 1
    rows[at + FIRST_MS] = now_ms
    rows[at + FIRST_BATCH] = batch
    rows[at + FIRST_ROW] = i
    answer = np.int64(out.accepted[i]) | np.int64(out.reason[i]) << 8
    answer |= np.int64(out.state_after[i]) << 16 | np.int64(out.logged[i]) << 24
    rows[at + FIRST_ANSWER] = answer | np.int64(out.acl_rule_number[i]) << 32
    classes = np.int64(out.address_class[i]) & LOW_HALF
    rows[at + FIRST_CLASSES] = classes | np.int64(out.port_class[i]) << 32
    firsts.ends[1] = row + 1


@inlined
def recall(
    firsts: Firsts,
    secret: U8,
    packets: Packets,
    i: int,
    out: DecisionColumns,
    batch: int,
    now_ms: int,
) -> None:
    """Give a later fragment what its first one got."""
    out.accepted[i] = 0
    out.reason[i] = _FRAGMENT
    out.logged[i] = 1
    rows = firsts.rows
    free = place_of_row(firsts, np.int64(firsts.ends[1]))
    write_name(firsts, packets, i, free)
    row = np.int64(firsts.heads[bucket_in(firsts, secret, free)]) - 1
    while row >= firsts.ends[0]:
        at = place_of_row(firsts, row)
        if is_same(rows, at, free):
            if now_ms - rows[at + FIRST_MS] < FIRST_LIFETIME_MS:
                copy_answer(rows, at, row, out, i, batch)
            return
        row = np.int64(rows[at + FIRST_CHAIN]) - 1


@inlined
def copy_answer(rows: I8, at: int, row: int, out: DecisionColumns, i: int, batch: int) -> None:
    """Write the answer of a first fragment; a later one steps nothing."""
    answer, classes = np.int64(rows[at + FIRST_ANSWER]), np.int64(rows[at + FIRST_CLASSES])
    out.accepted[i] = answer & 0xFF
    out.reason[i] = answer >> 8 & 0xFF
    out.state_before[i] = answer >> 16 & 0xFF
    out.state_after[i] = answer >> 16 & 0xFF
    out.logged[i] = answer >> 24 & 0xFF
    out.acl_rule_number[i] = answer >> 32
    # The sign comes back from bit 31.
    out.address_class[i] = ((classes & LOW_HALF) ^ 0x80000000) - 0x80000000
    out.port_class[i] = classes >> 32
    out.first[i] = rows[at + FIRST_ROW] if rows[at + FIRST_BATCH] == batch else -2 - row


@kernel
def forget(firsts: Firsts, now_ms: int) -> None:
    """Give up the rows that are too old for any later fragment."""
    ends = firsts.ends
    while ends[0] < ends[1]:
        at = place_of_row(firsts, np.int64(ends[0]))
        if now_ms - firsts.rows[at + FIRST_MS] < FIRST_LIFETIME_MS:
            return
        ends[0] += 1


@kernel
def rechain(firsts: Firsts, secret: U8) -> None:
    """Put every row into the buckets anew: the arrays have grown."""
    rows = firsts.rows
    for row in range(firsts.ends[0], firsts.ends[1]):
        at = place_of_row(firsts, row)
        bucket = bucket_in(firsts, secret, at)
        rows[at + FIRST_CHAIN] = firsts.heads[bucket]
        firsts.heads[bucket] = row + 1
