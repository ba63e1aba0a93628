"""`Meanings`: what numbers that programs write down mean to people.

Owns the way from a pair of classes to the ids of rules. It reads the kernel's rows, so that it
knows as much after a restart as before. A section and its classes mean what they say until they
are used again: see `BpfPlane`, `before_reuse`.
"""

import numpy as np

from secgroup.dataplane.bpf.names import ACL, INTERFACE, OWNER, RULE, Names
from secgroup.dataplane.bpf.rows import PolicyMaps


class Meanings:
    """Says what numbers mean.

    Parameters
    ----------
    maps : PolicyMaps
    names : Names

    """

    def __init__(self, maps: PolicyMaps, names: Names) -> None:
        self._maps = maps
        self._names = names

    def rule_ids_of(self, section: int, address_class: int, port_class: int) -> tuple[str, ...]:
        """Return the rules of a section that match both classes, in the definition's order.

        Section 0, and classes that a section does not have, are of no rule.
        """
        numbers = numbers_of(self._maps, section, address_class, port_class)
        found = (self._names.name(RULE, each) for each in numbers)
        return tuple(each for each in found if each is not None)

    def acl_id_of(self, section: int) -> str | None:
        """Return the ACL of a section, None where it is of none."""
        return self._names.name(ACL, section)

    def rule_id(self, number: int) -> str | None:
        """Return the id of a rule, by the number that an entry remembers."""
        return self._names.name(RULE, number)

    def interface_id(self, number: int) -> str | None:
        """Return the id of an interface."""
        return self._names.name(INTERFACE, number)

    def number(self, kind: int, name: str) -> int | None:
        """Return the number of a name, None where it was never given one."""
        return self._names.number(kind, name)

    def owner_id(self, number: int) -> str | None:
        """Return whose connections an owner's number counts."""
        return self._names.name(OWNER, number)


def numbers_of(maps: PolicyMaps, section: int, address_class: int, port_class: int) -> list[int]:
    """Return the numbers of the rules of a section that match both classes."""
    if not 0 < section < len(maps.sections):
        return []
    row = maps.sections[section]
    words = int(row["words"])
    both = np.zeros(words, np.uint64)
    firsts = (int(row["address_bits"]), address_class), (int(row["port_bits"]), port_class)
    one, two = (
        maps.bitmaps[first + number * words : first + (number + 1) * words]
        for first, number in firsts
    )
    if len(one) == len(two) == words:
        both = one & two
    bits = int.from_bytes(both.tobytes(), "little")
    first = int(row["numbers"])
    numbers = maps.numbers[first : first + int(row["rules"])].tolist()
    return [number for bit, number in enumerate(numbers) if bits >> bit & 1]
