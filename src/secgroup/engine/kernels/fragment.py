"""What later fragments get: the answers of first ones. Read first: `layout.Firsts`."""

import numpy as np

from secgroup.decision import Reason
from secgroup.engine.kernels import kernel
from secgroup.engine.kernels.track import hash_of
from secgroup.engine.layout import (
    FIRST_LIFETIME_MS,
    LOW_HALF,
    U8,
    DecisionColumns,
    Firsts,
    Packets,
)

_FRAGMENT = int(Reason.FRAGMENT)


@kernel
def place_word(packets: Packets, i: int) -> int:
    """Return interface, direction, protocol and family of a fragment as one word."""
    word = np.int64(packets.interface[i]) << 24 | np.int64(packets.direction[i]) << 16
    return word | np.int64(packets.family[i]) << 8 | np.int64(packets.fragment_protocol[i])


@kernel
def bucket_of(firsts: Firsts, secret: U8, packets: Packets, i: int) -> int:
    """Return the bucket of a fragment's name."""
    tag = hash_of(
        secret,
        packets.source_lo[i],
        packets.source_hi[i],
        packets.destination_lo[i],
        packets.destination_hi[i],
        np.uint64(np.int64(packets.fragment_id[i]) << 32 | place_word(packets, i) & LOW_HALF),
    )
    return tag & (firsts.heads.shape[0] - 1)


@kernel
def is_named(firsts: Firsts, packets: Packets, i: int, place: int) -> bool:
    """Tell whether the first fragment at `place` is of the same packet as fragment `i`."""
    names = firsts.names
    at = 6 * place
    return (
        names[at] == packets.source_lo[i]
        and names[at + 1] == packets.source_hi[i]
        and names[at + 2] == packets.destination_lo[i]
        and names[at + 3] == packets.destination_hi[i]
        and names[at + 4] == packets.fragment_id[i]
        and names[at + 5] == np.uint64(place_word(packets, i))
    )


@kernel
def is_full(firsts: Firsts) -> bool:
    """Tell whether one more first fragment has no room."""
    return firsts.ends[1] - firsts.ends[0] == firsts.chain.shape[0]


@kernel
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
    place = row & (firsts.chain.shape[0] - 1)
    bucket = bucket_of(firsts, secret, packets, i)
    firsts.chain[place] = firsts.heads[bucket]
    firsts.heads[bucket] = row + 1
    at = 6 * place
    firsts.names[at] = packets.source_lo[i]
    firsts.names[at + 1] = packets.source_hi[i]
    firsts.names[at + 2] = packets.destination_lo[i]
    firsts.names[at + 3] = packets.destination_hi[i]
    firsts.names[at + 4] = packets.fragment_id[i]
    firsts.names[at + 5] = np.uint64(place_word(packets, i))
    firsts.time_ms[place] = now_ms
    firsts.batch[place] = batch
    firsts.row[place] = i
    firsts.accepted[place] = out.accepted[i]
    firsts.reason[place] = out.reason[i]
    firsts.address_class[place] = out.address_class[i]
    firsts.port_class[place] = out.port_class[i]
    firsts.acl_rule_number[place] = out.acl_rule_number[i]
    firsts.state[place] = out.state_after[i]
    firsts.logged[place] = out.logged[i]
    firsts.ends[1] = row + 1


@kernel
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
    row = firsts.heads[bucket_of(firsts, secret, packets, i)] - 1
    while row >= firsts.ends[0]:
        place = row & (firsts.chain.shape[0] - 1)
        if is_named(firsts, packets, i, place):
            if now_ms - firsts.time_ms[place] < FIRST_LIFETIME_MS:
                copy_answer(firsts, place, row, out, i, batch)
            return
        row = firsts.chain[place] - 1


@kernel
def copy_answer(
    firsts: Firsts, place: int, row: int, out: DecisionColumns, i: int, batch: int
) -> None:
    """Write the answer of a first fragment; a later one steps nothing."""
    out.accepted[i] = firsts.accepted[place]
    out.reason[i] = firsts.reason[place]
    out.address_class[i] = firsts.address_class[place]
    out.port_class[i] = firsts.port_class[place]
    out.acl_rule_number[i] = firsts.acl_rule_number[place]
    out.state_before[i] = firsts.state[place]
    out.state_after[i] = firsts.state[place]
    out.logged[i] = firsts.logged[place]
    out.first[i] = firsts.row[place] if firsts.batch[place] == batch else -2 - row


@kernel
def forget(firsts: Firsts, now_ms: int) -> None:
    """Give up the rows that are too old for any later fragment."""
    ends = firsts.ends
    while ends[0] < ends[1]:
        if now_ms - firsts.time_ms[ends[0] & (firsts.chain.shape[0] - 1)] < FIRST_LIFETIME_MS:
            return
        ends[0] += 1


@kernel
def rechain(firsts: Firsts, secret: U8) -> None:
    """Put every row into the buckets anew: the arrays have grown."""
    rows, names = firsts.chain.shape[0] - 1, firsts.names
    for row in range(firsts.ends[0], firsts.ends[1]):
        place = row & rows
        at = 6 * place
        tag = hash_of(
            secret,
            names[at],
            names[at + 1],
            names[at + 2],
            names[at + 3],
            names[at + 4] << np.uint64(32) | names[at + 5] & np.uint64(LOW_HALF),
        )
        bucket = tag & (firsts.heads.shape[0] - 1)
        firsts.chain[place] = firsts.heads[bucket]
        firsts.heads[bucket] = row + 1
