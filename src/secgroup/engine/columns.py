"""The layout of rows that are to be written: typed columns, and the words that stand in them.

Owns names, dtypes and the mark of what is absent; `kernels.text` spells them.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

U1 = NDArray[np.uint8]
U8 = NDArray[np.uint64]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]

#: What an absent value is, in every kind of column.
ABSENT: Final = -(1 << 63)

#: Kinds of columns: an integer; a family (4 or 6), with the address beside; a number in `Words`.
INTEGER: Final = 0
ADDRESS: Final = 1
WORD: Final = 2

#: The most bytes that a value of the first two kinds takes.
INTEGER_SIZE: Final = 20
ADDRESS_SIZE: Final = 45


class Words(NamedTuple):
    """Texts one behind the other: number w is `text[begin[w]:begin[w + 1]]`."""

    text: U1
    begin: I8


class Columns(NamedTuple):
    """Rows as columns.

    Attributes
    ----------
    kinds : uint8, shape (columns,)
    places : int64, shape (columns,)
        Of an address: its row in `hi` and `lo`.
    values : int64, shape (columns, rows)
    hi, lo : uint64, shape (addresses, rows)

    """

    kinds: U1
    places: I8
    values: I8
    hi: U8
    lo: U8


class Lexicon:
    """Numbers texts in the order in which they are first seen; they only grow."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._words: Words | None = None

    def __len__(self) -> int:
        """Count them."""
        return len(self._numbers)

    def number(self, text: str | None) -> int:
        """Return the number of a text; ABSENT for None."""
        if text is None:
            return ABSENT
        found = self._numbers.get(text)
        if found is None:
            found = self._numbers[text] = len(self._numbers)
            self._words = None
        return found

    @property
    def texts(self) -> list[str]:
        """The texts by number."""
        return list(self._numbers)

    @property
    def words(self) -> Words:
        """The texts as arrays."""
        if self._words is None:
            self._words = words_of(self._numbers)
        return self._words


def words_of(texts: Iterable[str]) -> Words:
    """Return texts as arrays."""
    encoded = [text.encode() for text in texts]
    begin = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(each) for each in encoded], out=begin[1:])
    text = np.frombuffer(b"".join(encoded) + b"\0", dtype=np.uint8).copy()
    return Words(text=text, begin=begin)
