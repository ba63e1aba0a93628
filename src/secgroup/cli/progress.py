"""What a person who waits is told, on standard error.

Owns the progress bar, which comes when it takes more than a second and a person is watching, and
the word that something is compiled.
"""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

from secgroup.cli.interrupt import check

_PATIENCE_S: Final = 1.0
#: Steps between two looks at the clock.
_STEPS: Final = 256


class Progress:
    """Shows how far a capture has been read: packets, packets a second, what is left.

    Parameters
    ----------
    total : int or None
        Bytes of the file; None when nobody knows.
    position : callable
        Returns the bytes read so far.

    """

    def __init__(self, total: int | None, position: Callable[[], int]) -> None:
        self._total = total
        self._position = position
        self._count = 0
        self._started_s = time.monotonic()
        self._is_watched = sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> "Progress":
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def step(self, packets: int = 1) -> None:
        """So many more packets; an interrupt ends the work here, if no sooner."""
        check()
        before = self._count
        self._count += packets
        if self._is_watched and before // _STEPS != self._count // _STEPS:
            now_s = time.monotonic()
            rate = self._count / max(now_s - self._started_s, 1e-3)
            self._show(f"{self._count:,} packets, {rate:,.0f} a second")

    def _show(self, text: str) -> None:
        if self._bar is None:
            if time.monotonic() - self._started_s < _PATIENCE_S:
                return
            self._start()
        # A pipe has no position.
        completed = None if self._total is None else self._position()
        self._bar.update(self._task, completed=completed, description=text)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        left = (TaskProgressColumn(), TimeRemainingColumn()) if self._total is not None else ()
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            *left,
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=self._total)
        self._bar.start()


class Compiling:
    """Says once that something is compiled, and to a person who is watching how far that is."""

    def __init__(self) -> None:
        self._is_watched = sys.stderr.isatty()
        self._has_said = False

    def __call__(self, compiled: int, at_most: int) -> None:
        """So many parts of the program have been compiled."""
        if not self._has_said:
            sys.stderr.write("secgroup: compiling for this machine, once\n")
            self._has_said = True
        if self._is_watched:
            # What is written next goes over this.
            sys.stderr.write(f"{compiled:>5} of {at_most}\r")
            sys.stderr.flush()
