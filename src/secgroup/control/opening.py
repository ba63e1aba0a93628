"""How an endpoint is opened: its rows out of their store, random ids, the quotas of a file."""

import gc
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from secgroup.control.beginning import begin
from secgroup.control.endpoint import Endpoint
from secgroup.control.kinds import KINDS
from secgroup.control.quotas import QUOTAS
from secgroup.control.state import Changed, Row, State, by_name
from secgroup.control.store import SqliteStore
from secgroup.errors import Ec2Error, InputError


class Nowhere:
    """A store of nothing: for a state that lasts as long as its process."""

    path: Final = ":memory:"
    sequence: Final = 0

    def load(self) -> Iterator[Row]:
        """Yield no row."""
        return iter(())

    def commit(self, changes: Collection[Changed], sequence: int, /) -> None:
        """Let changes be."""

    def close(self) -> None:
        """Let go of nothing."""


def opened(
    store: "SqliteStore | Nowhere",
    quotas: Mapping[str, int] | None = None,
    *,
    tell: Callable[[Ec2Error], Mapping[str, str]] = by_name,
) -> Endpoint:
    """Return an endpoint with what a store holds; see `State` for `quotas` and `tell`.

    Raises
    ------
    InputError
        The store is damaged.

    """
    state = State(
        KINDS,
        token=lambda digits: secrets.token_hex((digits + 1) // 2)[:digits],
        quotas=quotas,
        tell=tell,
    )
    # What is loaded stays; the collector need not look at it again and again, nor meanwhile.
    gc.disable()
    try:
        state.restore(store.load(), store.sequence)
    finally:
        gc.enable()
    gc.freeze()
    return Endpoint(state=state, store=store, begin=begin)


def read_quotas(path: Path) -> dict[str, int]:
    """Read what differs from AWS's quotas: lines `name: number`, or a JSON object.

    Raises
    ------
    InputError
        The file cannot be read, or names no quota, or no number.

    """
    import yaml

    source = str(path)
    try:
        found: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"cannot be read: {reason}", source=source) from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise InputError("neither YAML nor JSON", source=source) from None
    if not isinstance(found, dict):
        raise InputError("expected lines of a quota's name and a number", source=source)
    for name, value in found.items():
        if name not in QUOTAS:
            raise InputError(f"no quota (expected {', '.join(QUOTAS)})", source=source, path=name)
        if type(value) is not int or value < 0:
            raise InputError("expected a whole number", source=source, path=name)
    return found
