"""What Ctrl-C does to a command that reads for long.

Owns the handler. The compiler may swallow what a handler raises, so whoever works in steps asks
again after each.
"""

import signal
from threading import current_thread, main_thread
from types import FrameType, TracebackType

_in_force: "Interrupts | None" = None


def check() -> None:
    """Raise KeyboardInterrupt if there was an interrupt that is not spared."""
    if _in_force is not None:
        _in_force.check()


class Interrupts:
    """Counts interrupts, and raises KeyboardInterrupt for all but the first `spared` ones.

    Where something else than Python's own handler is in force, or in another thread, it does
    nothing.
    """

    def __init__(self, *, spared: int = 0) -> None:
        self._spared = spared
        self._is_in_force = False

    def __enter__(self) -> "Interrupts":
        """Begin."""
        global _in_force
        is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if is_ours and current_thread() is main_thread():
            self._is_in_force, _in_force = True, self
            signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give way to Python's own handler."""
        global _in_force
        if self._is_in_force:
            _in_force = None
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._spared -= 1
        self.check()

    def check(self) -> None:
        """Raise KeyboardInterrupt if there was one that is not spared."""
        if self._spared < 0:
            raise KeyboardInterrupt
