"""`TIME=NETWORK`: from when on which network is in force.

Owns how the time is written and which packet it takes effect at; what a change does to flows is
the firewall's.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from secgroup.errors import InputError
from secgroup.model.network import Network

_SECOND_NS: Final = 1_000_000_000
_RFC3339: Final = re.compile(
    r"(?P<whole>[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]+))?(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EXPECTED: Final = (
    "expected TIME=NETWORK, TIME in seconds from the first packet (12.5) "
    "or as RFC 3339 (2026-03-01T12:00:00Z)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeTime:
    """A time as it was written: `ns` since 1970, or since the first packet of the capture."""

    text: str
    ns: int
    is_relative: bool

    def after(self, first_ns: int) -> int:
        """Return nanoseconds since 1970, for a capture that begins at `first_ns`."""
        return first_ns + self.ns if self.is_relative else self.ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A network and the time from which it is in force; `name` is what people call it."""

    time: ChangeTime
    network: Network
    name: str


def parse_change(text: str) -> tuple[ChangeTime, str]:
    """Read `TIME=NETWORK` into the time and the name of the network.

    Raises
    ------
    InputError
        It is not written so.

    """
    time, equals, name = text.partition("=")
    if not equals or not name:
        raise InputError(_EXPECTED, source=f"--change {text}")
    return parse_time(time.strip(), source=f"--change {text}"), name


def parse_time(text: str, *, source: str) -> ChangeTime:
    """Read seconds from the first packet, or an RFC 3339 time.

    Raises
    ------
    InputError
        It is neither.

    """
    try:
        seconds = Decimal(text)
        if seconds.is_finite() and 0 <= seconds < 10**12:
            return ChangeTime(text=text, ns=int(seconds * _SECOND_NS), is_relative=True)
    except InvalidOperation:
        pass
    return ChangeTime(
        text=text, ns=rfc3339_ns(text, expected=_EXPECTED, source=source), is_relative=False
    )


def rfc3339_ns(text: str, *, expected: str, source: str) -> int:
    """Return nanoseconds since 1970 of an RFC 3339 time, which always says its offset from UTC.

    Raises
    ------
    InputError
        It is not such a time.

    """
    parts = _RFC3339.fullmatch(text)
    try:
        if parts is None:
            raise ValueError
        moment = datetime.fromisoformat(f"{parts['whole']}{parts['zone']}".upper())
    except ValueError:
        raise InputError(expected, source=source) from None
    # datetime would keep six digits of the fraction.
    fraction_ns = int((parts["fraction"] or "")[:9].ljust(9, "0"))
    return (moment - _EPOCH) // timedelta(seconds=1) * _SECOND_NS + fraction_ns


class Schedule:
    """The changes of a run, which come into force one after the other."""

    def __init__(self, changes: Iterable[Change]) -> None:
        self._changes = list(changes)
        self._due: list[tuple[int, Change]] | None = None
        self.made: list[tuple[int, Change]] = []

    def due(self, frame: int, time_ns: int) -> list[Change]:
        """Return the changes that come into force with this frame, in their order."""
        if self._due is None:
            # Of changes at one instant the one that was named last holds.
            times = ((change.time.after(time_ns), change) for change in self._changes)
            self._due = sorted(times, key=lambda item: item[0])
        found: list[Change] = []
        while self._due and self._due[0][0] <= time_ns:
            change = self._due.pop(0)[1]
            self.made.append((frame, change))
            found.append(change)
        return found

    @property
    def next_ns(self) -> int | None:
        """When the next change comes into force; None when there is none, or no frame yet."""
        return self._due[0][0] if self._due else None

    @property
    def left(self) -> list[Change]:
        """The changes that never came into force."""
        return self._changes if self._due is None else [change for _, change in self._due]
