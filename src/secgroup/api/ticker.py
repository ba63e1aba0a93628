"""Something that is done every few seconds for as long as a server runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event, Thread


@contextmanager
def ticking(tick: Callable[[datetime], None], *, seconds: float) -> Iterator[None]:
    """Call `tick` with the time every `seconds` until the block ends, in a thread of its own."""
    ended = Event()

    def run() -> None:
        while not ended.wait(seconds):
            tick(datetime.now(UTC))

    thread = Thread(target=run, name="ticker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
