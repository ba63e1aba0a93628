"""Classes of addresses by block: the longest block that holds an address says its class.

The same classes as `policy.classes` finds by intervals, for whoever searches by prefix: each
distinct block of the peers carries the bits of all rules that hold it, its outer blocks'
included. Owns how a block says that, also of one that comes or goes. Knows neither whose blocks
they are nor how they are searched.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from secgroup.net.address import Address, Prefix
from secgroup.policy.classes import MAX_RULES

#: A block of one family's addresses: its first address << 8 | its length. Outer blocks sort before
#: those inside them.
Block: TypeAlias = int
_LENGTH: Final = 0xFF

#: The block of every address.
EVERYTHING: Final[Block] = 0

#: A class: the bits of its rules, and from this bit on the entries that a flow takes which AWS
#: always tracks.
WEIGHT_BIT: Final = 1 << 10
_RULES: Final = (1 << WEIGHT_BIT) - 1
#: The bit of addresses that are tracked whatever their route says.
MEMBER: Final = 1 << WEIGHT_BIT

assert MAX_RULES < WEIGHT_BIT


def block_of(place: Address | Prefix) -> Block:
    """Return an address or a prefix as a block of its family."""
    if isinstance(place, Address):
        return int(place) << 8 | place.max_prefixlen
    return int(place.network_address) << 8 | place.prefixlen


def blocks_of(family: int, places: Iterable[Address | Prefix]) -> list[Block]:
    """Return those of a family."""
    return [block_of(each) for each in places if each.version == family]


def first_of(block: Block) -> int:
    """Return a block's first address."""
    return block >> 8


def length_of(block: Block) -> int:
    """Return the length of a block's prefix."""
    return block & _LENGTH


def bits_of(family: int) -> int:
    """Return the length of an address: 32 or 128."""
    return 32 if family == 4 else 128


class Tracked(NamedTuple):
    """The addresses of one family whose flows AWS always tracks.

    Parameters
    ----------
    routed : tuple of (Block, int)
        What the route of each block says, the most specific one; 0 is nothing.
    members : tuple of Block
        The addresses that weigh 1 where their route says nothing.

    """

    routed: tuple[tuple[Block, int], ...] = ()
    members: tuple[Block, ...] = ()


UNTRACKED: Final = Tracked()


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One block that says something else.

    Parameters
    ----------
    direct : int
        The bits of the sets that it is of, 0 where it is of none.
    content : int or None
        Its class; None where it is no block of the table any more, and of EVERYTHING.

    """

    block: Block
    direct: int
    content: int | None


class BlockClasses:
    """The classes of one family's addresses under a list of rules.

    Parameters
    ----------
    sets : iterable of (int, iterable of Block)
        The bits that these blocks carry; no bit stands in two sets.

    Attributes
    ----------
    content : dict
        The class of each block but EVERYTHING.
    elsewhere : int
        The class of addresses in none of them.

    """

    def __init__(
        self, family: int, sets: Iterable[tuple[int, Iterable[Block]]], tracked: Tracked = UNTRACKED
    ) -> None:
        self.family = family
        direct: dict[Block, int] = {}
        for bits, blocks in (*sets, (MEMBER, tracked.members)):
            for block in blocks:
                direct[block] = direct.get(block, 0) | bits
        self._direct = direct
        self._routed = dict(tracked.routed)
        self._order = sorted(direct.keys() | self._routed.keys())
        self.lengths = Counter(map(length_of, self._order))
        self.content: dict[Block, int] = {}
        self.elsewhere = 0
        self._walk()

    @classmethod
    def read(cls, family: int, content: dict[Block, int], elsewhere: int) -> "BlockClasses":
        """Make it of classes whose sets are not known; it can be compared, not edited."""
        found = cls(family, ())
        found.content, found.elsewhere = content, elsewhere
        return found

    def _walk(self) -> None:
        """Find every class: the block that holds the next one is on top of a stack."""
        width = bits_of(self.family)
        direct, routed, found = self._direct, self._routed, self.content
        bits = weight = 0
        end = 1 << width
        outer: list[tuple[int, int, int]] = []
        for block in self._order:
            first, length = block >> 8, block & _LENGTH
            while first >= end:
                end, bits, weight = outer.pop()
            inner_bits = bits | direct.get(block, 0)
            inner_weight = routed.get(block, weight)
            found[block] = class_of(inner_bits, inner_weight)
            if length < width:
                outer.append((end, bits, weight))
                end = first + (1 << (width - length))
                bits, weight = inner_bits, inner_weight
        self.elsewhere = found.pop(EVERYTHING, 0)

    def edits(self, moved: Iterable[tuple[int, Iterable[Block]]]) -> list[Edit] | None:
        """Return what follows from blocks that come to sets and go from them.

        Parameters
        ----------
        moved : iterable of (int, iterable of Block)
            The bits of a set, and what came to it or went from it; each set once.

        Returns
        -------
        list of Edit or None
            At most one of them changes a class, or which blocks there are; None where more would.

        """
        flips = self._flips(moved)
        if flips is None:
            return None
        direct = self._direct
        before = {block: direct.get(block, 0) for block in flips}
        lengths = sorted({*self.lengths, *map(length_of, flips)})
        found = []
        changed = 0
        try:
            for block, bits in flips.items():
                direct[block] = before[block] ^ bits
            for block in flips:
                edit = self._edit(block, lengths)
                if edit is None:
                    return None
                found.append(edit)
                changed += edit.content != self.content.get(block)
                if changed > 1:
                    return None
            inner = {each for outer in flips for each in self._inside(outer)} - flips.keys()
            if any(self._class_at(each, lengths) != self.content[each] for each in inner):
                return None
        finally:
            direct.update(before)
            for block in [block for block, bits in before.items() if bits == 0]:
                del direct[block]
        return found

    def _flips(self, moved: Iterable[tuple[int, Iterable[Block]]]) -> dict[Block, int] | None:
        """Return the bits that flip for each block; None as soon as two blocks are new."""
        flips: dict[Block, int] = {}
        new = 0
        for bits, blocks in moved:
            for block in blocks:
                known = flips.get(block, 0)
                flips[block] = known | bits
                new += known == 0 and block not in self._direct and block not in self._routed
                if new > 1:
                    return None
        return flips

    def _edit(self, block: Block, lengths: Sequence[int]) -> Edit | None:
        """Return the edit of a block whose sets are others now; None if it changes EVERYTHING."""
        direct = self._direct[block]
        content = None
        if direct != 0 or block in self._routed:
            content = self._class_at(block, lengths)
        if block == EVERYTHING:
            if self.elsewhere != (content or 0):
                return None
            content = None
        return Edit(block=block, direct=direct, content=content)

    def _inside(self, block: Block) -> Iterator[Block]:
        """Yield the blocks that a block holds."""
        width, length = bits_of(self.family), length_of(block)
        if length == width:
            return
        behind = first_of(block) + (1 << (width - length))
        for at in range(bisect_left(self._order, block + 1), len(self._order)):
            if first_of(self._order[at]) >= behind:
                return
            yield self._order[at]

    def _class_at(self, block: Block, lengths: Iterable[int]) -> int:
        """Return the class of a block among blocks of these lengths, ascending."""
        width, first = bits_of(self.family), first_of(block)
        bits = weight = 0
        for length in lengths:
            if length > length_of(block):
                break
            outer = first >> (width - length) << (width - length) + 8 | length
            bits |= self._direct.get(outer, 0)
            weight = self._routed.get(outer, weight)
        return class_of(bits, weight)

    def apply(self, edit: Edit) -> int:
        """Make an edit of `edits`, since which nothing has changed; return `direct` before it."""
        block, length = edit.block, length_of(edit.block)
        before = self._direct.get(block, 0)
        if edit.direct == 0:
            self._direct.pop(block, None)
        else:
            self._direct[block] = edit.direct
        if edit.content is None:
            self.content.pop(block, None)
        else:
            self.content[block] = edit.content
        if block not in self._routed and before == 0 != edit.direct:
            insort(self._order, block)
            self.lengths[length] += 1
        elif block not in self._routed and edit.direct == 0 != before:
            del self._order[bisect_left(self._order, block)]
            self.lengths[length] -= 1
            if self.lengths[length] == 0:
                del self.lengths[length]
        return before

    @property
    def order(self) -> Sequence[Block]:
        """Every block, EVERYTHING too, ascending."""
        return self._order


def class_of(bits: int, weight: int) -> int:
    """Return a class: bits of rules, MEMBER perhaps among them, and what the route weighs."""
    if weight == 0 and bits & MEMBER != 0:
        weight = 1
    return bits & _RULES | weight << WEIGHT_BIT


def rules_of(content: int) -> int:
    """Return the bits of a class's rules."""
    return content & _RULES


def weight_of(content: int) -> int:
    """Return the entries that a flow of a class takes which AWS always tracks, else 0."""
    return content >> WEIGHT_BIT
