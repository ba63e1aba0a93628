"""Which rows of a map are free.

Owns numbers; writes nothing.
"""

from bisect import bisect_left, insort
from typing import Final

from secgroup.errors import DataPlaneError


class Room:
    """The rows of one map, taken and given back in runs.

    Parameters
    ----------
    name : str
        The map's.
    first, end : int
        Its first row that may be used, and the row behind its last.

    """

    def __init__(self, name: str, first: int, end: int) -> None:
        self.name: Final = name
        self.first: Final = first
        self.end: Final = end
        self._free: list[tuple[int, int]] = [(first, end)] if first < end else []

    def take(self, count: int) -> int:
        """Take the first run of so many free rows; return where it begins.

        Raises
        ------
        DataPlaneError
            There is none.

        """
        if count == 0:
            return 0
        for at, (first, end) in enumerate(self._free):
            if end - first >= count:
                self._free[at : at + 1] = [(first + count, end)] if end - first > count else []
                return first
        raise DataPlaneError(
            "bpf",
            f"map {self.name}",
            f"no {count} rows in a row are free, expected a policy that fits in {self.end} rows",
        )

    def adopt(self, first: int, count: int) -> None:
        """Take rows that are known to be in use. Preconditions: they are free."""
        if count == 0:
            return
        at = bisect_left(self._free, (first + 1,)) - 1
        low, high = self._free[at]
        assert low <= first
        assert first + count <= high
        rest = [(low, first), (first + count, high)]
        self._free[at : at + 1] = [each for each in rest if each[0] < each[1]]

    def give(self, first: int, count: int) -> None:
        """Give rows back. Preconditions: they are taken."""
        if count == 0:
            return
        end = first + count
        insort(self._free, (first, end))
        at = bisect_left(self._free, (first, end))
        if at + 1 < len(self._free) and self._free[at + 1][0] == end:
            self._free[at : at + 2] = [(first, self._free[at + 1][1])]
        if at > 0 and self._free[at - 1][1] == first:
            self._free[at - 1 : at + 1] = [(self._free[at - 1][0], self._free[at][1])]

    @property
    def free(self) -> int:
        """How many rows are free."""
        return sum(end - first for first, end in self._free)

    @property
    def taken(self) -> int:
        """How many rows are not."""
        return self.end - self.first - self.free
