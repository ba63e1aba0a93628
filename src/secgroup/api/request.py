"""`Request`: what came over HTTP, before anything is known about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, as it came.

    Parameters
    ----------
    method : str
    path : str
        As it was spelled, without the query.
    query : str
        As it was spelled, without `?`.
    headers : sequence of (str, str)
        Names in lower case, in their order; a name may be there more than once.
    body : bytes
    now : datetime
        When it came, in UTC.

    """

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    now: datetime

    def header(self, name: str) -> str | None:
        """Return the first value of a header."""
        for each, value in self.headers:
            if each == name:
                return value
        return None
