"""What the stages of `Engine.decide` tell each other of the rows of one chunk of a batch.

Owns those columns, their bits, and the numbers by which a stage is set and answers. Read first:
`engine.layout`.
"""

from typing import Final, NamedTuple

import numpy as np

from secgroup.engine.layout import I8, U8

#: Packets that go through all stages together: their columns stay in a near cache, and calling the
#: stages costs them little.
CHUNK: Final = 16_384
#: How many packets ahead slots of the index, and records, are asked for.
FAR: Final = 32

#: What `Rows.tags` says of a packet that has no hash: it goes on without a key, is decided, is a
#: later fragment, or is at no interface.
NO_KEY: Final = -1
DECIDED: Final = -2
LATER: Final = -3
NOWHERE: Final = -4
#: Until it has been examined, that nothing is known of it yet.
NOT_EXAMINED: Final = -5


class Rows(NamedTuple):
    """What the stages tell each other of the rows of one chunk; element 0 is its first row.

    Attributes
    ----------
    tags : int64, shape (CHUNK + FAR,)
        32 bits of the hash of the packet's key, or the numbers above.
    last_words : uint64, shape (CHUNK,)
        The last word of the key.
    entries : int64, shape (CHUNK + FAR,)
        The record that the index had for the key before the chunk, to be looked at again; 0 is
        none.
    acts : int64, shape (CHUNK,)
        What the packet would do to its flow, by the bits below.
    answers : int64, shape (CHUNK,)
        What the rules say, by the bits below; 0 is not asked.
    quoted : uint64, shape (4 * CHUNK,)
        The first words of the key of the flow that an ICMP error is about.
    listed : int64, shape (CHUNK,)
        The rows that the next stage is about.
    seen : int64, shape (SEEN,)
        By the last bits of a hash: the chunk in which a key of it was last not found, and the
        hash.

    """

    tags: I8
    last_words: U8
    entries: I8
    acts: I8
    answers: I8
    quoted: U8
    listed: I8
    seen: I8


SEEN: Final = 1 << 14

#: Where the parts of `Rows.acts` begin: the sequence number after a segment; the place of the
#: packet's event in `Machine.events`; then the direction, whether it may move a sequence end,
#: whether it has a SYN, is a bare one, and whether it takes more than `decide` does at once.
ACT_EVENT: Final = 32
ACT_EGRESS: Final = 41
ACT_MOVES: Final = 42
ACT_SYN: Final = 43
ACT_BARE_SYN: Final = 44
ACT_UNUSUAL: Final = 45

#: Where the parts of `Rows.answers` begin: a `Reason`, NEW unless the allowance forbids it; of
#: the entry to make its state, weight and set of timeouts; and of an ICMP error, whether it is
#: about something, whether that has a key, and whether it passes when there is an entry for it
#: and when there is none.
ANSWER_STATE: Final = 8
ANSWER_WEIGHT: Final = 16
ANSWER_TIMEOUTS: Final = 24
IS_ABOUT: Final = 1 << 40
ABOUT_HAS_KEY: Final = 1 << 41
PASSES_WITH_ENTRY: Final = 1 << 42
PASSES_WITHOUT: Final = 1 << 43

#: Places in `settings`: the switches, the number of the batch, and where the admissions of the
#: policy in force begin; and what a stage answers: why it stopped.
RELATED_ICMP: Final = 0
LOOSE_TCP: Final = 1
STRICT_TCP: Final = 2
BATCH: Final = 3
ADMISSIONS: Final = 4
WHY: Final = 5
SETTINGS: Final = 6

#: Why `decide` stopped at a row: it must be asked what the rules say; the table or the ring of
#: first fragments is full; the index has no room, which no universal hash lets happen.
TO_ASK: Final = 1
FULL: Final = 2
NO_SLOT: Final = 3


def empty_rows() -> Rows:
    """Return room for one chunk."""
    return Rows(
        tags=np.full(CHUNK + FAR, NO_KEY, dtype=np.int64),
        last_words=np.zeros(CHUNK, dtype=np.uint64),
        entries=np.zeros(CHUNK + FAR, dtype=np.int64),
        acts=np.zeros(CHUNK, dtype=np.int64),
        answers=np.zeros(CHUNK, dtype=np.int64),
        quoted=np.zeros(4 * CHUNK, dtype=np.uint64),
        listed=np.zeros(CHUNK, dtype=np.int64),
        seen=np.zeros(SEEN, dtype=np.int64),
    )
