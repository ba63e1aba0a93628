"""`Follower`: hears of verdicts as they happen, out of a plane that runs; one at a time.

Owns who follows, and until when programs tell of verdicts: a lease of seconds that the follower
renews, so that nothing is told for one that was killed. A ring has one reader: a second follower is
refused, by a lock that ends with the process that has it.
"""

import fcntl
import os
import select
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from secgroup.dataplane.bpf.clock import kernel_ms
from secgroup.dataplane.bpf.libbpf import PLANE
from secgroup.dataplane.bpf.loaded import Maps
from secgroup.errors import DataPlaneError

LEASE_MS: Final = 3000
#: How long it waits at most until it renews its lease.
_WAIT_MS: Final = 1000
#: The folder among the pins whose lock the follower has.
_FOLDER: Final = "follower"


class Follower:
    """One who follows, for as long as a `with` block lasts.

    Parameters
    ----------
    root : Path
        Where the plane is pinned.
    maps : Maps
    rejected_only : bool
        Hear of refused packets only.

    Raises
    ------
    DataPlaneError
        Somebody else follows.

    """

    def __init__(self, root: Path, maps: Maps, *, rejected_only: bool) -> None:
        self._maps = maps
        self._lock = _locked(root / _FOLDER)
        # What was told to the one before is not ours.
        maps.events.read()
        maps.control["rejected_only"] = int(rejected_only)
        self._unheard = self._read_unheard()
        self._renew()

    def _renew(self) -> None:
        self._maps.control["followed_until_ms"] = kernel_ms() + LEASE_MS

    def events(self) -> Iterator[tuple[NDArray[Any], int]]:
        """Yield rows of EVENT as they come, and how many were lost before them; for ever.

        Now and then there are none, so that whoever follows can end.
        """
        waiting = select.poll()
        waiting.register(self._maps.events.fileno(), select.POLLIN)
        while True:
            self._renew()
            waiting.poll(_WAIT_MS)
            rows = self._maps.events.read()
            unheard = self._read_unheard()
            lost, self._unheard = unheard - self._unheard, unheard
            yield rows, lost

    def _read_unheard(self) -> int:
        _, values = self._maps.counters.items()
        return int(values["unheard"].sum(dtype=np.uint64))

    def close(self) -> None:
        """Follow no more: nothing is told from now on."""
        self._maps.control["followed_until_ms"] = 0
        self._maps.control["rejected_only"] = 0
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _locked(folder: Path) -> int:
    try:
        folder.mkdir(exist_ok=True)
        found = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise DataPlaneError(PLANE, str(folder), f"cannot be used: {error.strerror}") from None
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(found)
        raise DataPlaneError(
            PLANE, str(folder.parent), "somebody else follows (expected one at a time)"
        ) from None
    return found
