"""What numbers in the kernel mean: rules, interfaces, owners, network ACLs.

Owns the numbers of names. A number is never another's, so that what the kernel remembers stays
true whatever happens to the network; they are kept in the map `names`, so that an agent that
starts again takes the same.
"""

from collections.abc import Callable, Iterable
from typing import Final, Protocol

import numpy as np

from secgroup.dataplane.bpf.elements import Keys
from secgroup.dataplane.bpf.layout import NAME, NAME_BYTES, NAMES
from secgroup.errors import DataPlaneError

RULE: Final = NAMES["RULE"]
INTERFACE: Final = NAMES["INTERFACE"]
OWNER: Final = NAMES["OWNER"]
#: By the section's row; the only names that go, with their section.
ACL: Final = NAMES["ACL"]


class NameMap(Protocol):
    """The map `names`."""

    @property
    def entries(self) -> int:
        """How many it has room for."""

    def update(self, keys: Keys, values: Keys) -> None:
        """Write many."""

    def delete(self, keys: Keys) -> int:
        """Delete many."""

    def items(self) -> tuple[Keys, Keys]:
        """Return all."""


class Names:
    """The names of a map, and the numbers that have been given.

    Parameters
    ----------
    kept : NameMap
    most : dict of int to int
        Of a kind: the number that none may reach.
    written : callable
        Told how many were written or deleted.

    """

    def __init__(self, kept: NameMap, most: dict[int, int], written: Callable[[int], None]) -> None:
        self._kept = kept
        self._most = most
        self._written = written
        self._numbers: dict[int, dict[str, int]] = {each: {} for each in NAMES.values()}
        self._names: dict[int, dict[int, str]] = {each: {} for each in NAMES.values()}
        self._last = dict.fromkeys(NAMES.values(), 0)
        self._count = 0
        keys, values = kept.items()
        for (kind, number), value in zip(keys.tolist(), values.tolist(), strict=True):
            self._learn(kind, number, value.decode(errors="replace"))

    def _learn(self, kind: int, number: int, name: str) -> None:
        self._names.setdefault(kind, {})[number] = name
        if kind != ACL:
            self._numbers.setdefault(kind, {})[name] = number
            self._last[kind] = max(number, self._last.get(kind, 0))
        self._count += 1

    def numbers(self, kind: int, names: Iterable[str]) -> list[int]:
        """Return the numbers of names; new ones are written, and stay.

        Raises
        ------
        DataPlaneError
            There is no number left, no room, or a name is too long.

        """
        known = self._numbers[kind]
        asked = list(names)
        new = [each for each in dict.fromkeys(asked) if each not in known]
        if new:
            first = self._last[kind] + 1
            most = self._most.get(kind, 1 << 32)
            if first + len(new) > most:
                what = {number: name for name, number in NAMES.items()}[kind].lower()
                raise DataPlaneError(
                    "bpf", new[0], f"{most - 1} {what}s have numbers already, expected no more"
                )
            self._write(kind, list(enumerate(new, start=first)))
        return [known[each] for each in asked]

    def name_section(self, section: int, acl_id: str) -> None:
        """Say which ACL a section is of."""
        self._write(ACL, [(section, acl_id)])

    def forget_section(self, section: int) -> None:
        """Say that a section is of no ACL any more."""
        if self._names[ACL].pop(section, None) is not None:
            self._written(self._kept.delete(np.array([(ACL, section)], NAME)))
            self._count -= 1

    def _write(self, kind: int, pairs: list[tuple[int, str]]) -> None:
        if self._count + len(pairs) > self._kept.entries:
            raise DataPlaneError(
                "bpf", "map names", f"is full, expected at most {self._kept.entries} names"
            )
        for _, name in pairs:
            if len(name.encode()) > NAME_BYTES:
                raise DataPlaneError(
                    "bpf", name, f"is a name of over {NAME_BYTES} bytes, expected a shorter one"
                )
        values = np.array([name.encode() for _, name in pairs], f"S{NAME_BYTES}")
        keys = np.array([(kind, number) for number, _ in pairs], NAME)
        self._kept.update(keys, values)
        self._written(len(pairs))
        for number, name in pairs:
            self._learn(kind, number, name)

    def name(self, kind: int, number: int) -> str | None:
        """Return the name of a number, None where it was never given."""
        return self._names[kind].get(number)

    def number(self, kind: int, name: str) -> int | None:
        """Return the number of a name, None where it was never given one."""
        return self._numbers[kind].get(name)

    def known(self, kind: int) -> dict[int, str]:
        """Return every name of a kind by its number."""
        return dict(self._names[kind])
