"""Where the frames of a capture are decided: what kernels need for it, and its sizes.

Owns the numbering of names (what tells where a frame is decided), the memory of copies and the
clock of a capture. `replay.who`, `replay.copies` and `replay.firewall` are the definition.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from secgroup.engine.columns import I4, I8, U1, U8

#: What stands for the number of a name where a frame has none.
NOT_IP: Final = -1
CUT_FRAME: Final = -2
COPY: Final = -3

#: Marks of a row: it is decided if the row before it, of the same frame, was accepted; it is a
#: malformed packet that is rejected at no interface.
ROWS_FOLLOW: Final = 1
AT_NONE: Final = 2

#: Who has an address, if it is not one interface alone.
HELD_BY_NONE: Final = -1
TO_BE_ASKED: Final = -2

#: The last word of a name that is made of the interfaces of its ends.
BY_INTERFACES: Final = 1 << 48

#: As `replay.copies`.
WINDOW_NS: Final = 1_000_000_000
REMEMBERED: Final = 1 << 18

#: As `replay.firewall`.
STEP_BACK_NS: Final = 1_000_000_000
STEP_FORWARD_NS: Final = 86_400_000_000_000

#: Places of a clock.
STARTED: Final = 0
NOW_NS: Final = 1
STEPPED_BACK: Final = 2
BACK_ROW: Final = 3
BACK_NS: Final = 4
FORWARD_ROW: Final = 5
FORWARD_NS: Final = 6
CLOCK_SIZE: Final = 7

#: Places of `Seen.state`: the latest time; how many are remembered; the ends of their order;
#: the first free element, plus one.
COPIES_LATEST_NS: Final = 0
COPIES_LENGTH: Final = 1
COPIES_OLDEST: Final = 2
COPIES_NEWEST: Final = 3
COPIES_FREE: Final = 4
COPIES_STATE: Final = 5

#: Words of a name.
WORDS: Final = 5


class Seen(NamedTuple):
    """The packets of the last second, in the order in which they were last seen.

    Attributes
    ----------
    state : int64, shape (COPIES_STATE,)
    heads, chain : int32
        Buckets by the low bits of the digest: the first element plus one, and the next.
    before, behind : int32
        The order; -1 at its ends.
    hi, lo : uint64
        Digests.
    wheres, times_ns : int64

    """

    state: I8
    heads: I4
    chain: I4
    before: I4
    behind: I4
    hi: U8
    lo: U8
    wheres: I8
    times_ns: I8


def nothing_seen() -> Seen:
    """Return a memory of copies that is empty."""
    size = REMEMBERED + 1
    state = np.zeros(COPIES_STATE, dtype=np.int64)
    state[COPIES_OLDEST] = state[COPIES_NEWEST] = -1
    state[COPIES_FREE] = 1
    chain = np.arange(2, size + 2, dtype=np.int32)
    chain[-1] = 0
    return Seen(
        state=state,
        heads=np.zeros(2 * REMEMBERED, dtype=np.int32),
        chain=chain,
        before=np.zeros(size, dtype=np.int32),
        behind=np.zeros(size, dtype=np.int32),
        hi=np.zeros(size, dtype=np.uint64),
        lo=np.zeros(size, dtype=np.uint64),
        wheres=np.zeros(size, dtype=np.int64),
        times_ns=np.zeros(size, dtype=np.int64),
    )


def new_clock() -> I8:
    """Return a clock that has not begun."""
    clock = np.zeros(CLOCK_SIZE, dtype=np.int64)
    clock[BACK_ROW] = clock[FORWARD_ROW] = -1
    return clock


class Names:
    """Numbers names of five words, in the order in which they are first met.

    Parameters
    ----------
    secret : uint64, shape (SECRET_SIZE,)
        Of the hash.

    """

    def __init__(self, secret: U8) -> None:
        self._secret = secret
        self._slots: I4 = np.zeros(1 << 12, dtype=np.int32)
        self._names: U8 = np.zeros((1 << 10, WORDS), dtype=np.uint64)
        self._count = 0

    def __len__(self) -> int:
        """Count them."""
        return self._count

    def number(self, words: tuple[U8, U8, U8, U8, U8], carries: U1, out: I4, begin: int) -> int:
        """Give numbers to names from row `begin` on; return the first row whose name is new."""
        from secgroup.engine.kernels.place import number_names

        return number_names(
            self._slots,
            self._names,
            self._secret,
            *words,
            carries,
            out,
            begin,
            out.shape[0],
        )

    @property
    def index(self) -> tuple[I4, U8, U8]:
        """The index, the names and the key of the hash, for kernels."""
        return self._slots, self._names, self._secret

    def learn(self, words: tuple[U8, U8, U8, U8, U8], row: int) -> int:
        """Give the name in a row its number."""
        return self.put([column[row] for column in words])

    def put(self, name: Sequence[int]) -> int:
        """Give a name that is not known its number."""
        from secgroup.engine.kernels.place import index_names

        number = self._count
        if number == self._names.shape[0]:
            self._names = np.concatenate([self._names, np.zeros_like(self._names)])
            self._slots = np.zeros(4 * self._names.shape[0], dtype=np.int32)
            index_names(self._slots, self._names, self._secret, 0, number)
        self._names[number] = name
        self._count += 1
        index_names(self._slots, self._names, self._secret, number, number + 1)
        return number
