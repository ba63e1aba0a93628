"""What is done in threads while packets are decided: reading `ahead`, and writing `Beside`.

Owns the order: one piece of work at a time, as they were given. An error is raised where its
result is taken, the next piece is given, or all are waited for.
"""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing

from secgroup.engine.capture import Batch


def ahead(batches: Generator[Batch, None, None]) -> Iterator[Batch]:
    """Yield the same, each read in a thread while the one before it is used."""
    with closing(batches), ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch
            # Nobody but its user has it now, so that its memory can be used again.
            del batch


class Beside:
    """Does pieces of work, each when the one before it is done.

    Parameters
    ----------
    is_thread : bool
        Without, each piece is done at once by who gives it.

    """

    def __init__(self, *, is_thread: bool) -> None:
        self._pool = ThreadPoolExecutor(1) if is_thread else None
        self._last: Future[None] | None = None

    def do(self, work: Callable[[], None]) -> None:
        """Do a piece of work when the last one is done."""
        if self._pool is None:
            work()
            return
        self.finish()
        self._last = self._pool.submit(work)

    def finish(self) -> None:
        """Wait for the last piece, and raise what it has raised."""
        last, self._last = self._last, None
        if last is not None:
            last.result()

    def rest(self) -> None:
        """Wait for the last piece; what it has raised is kept."""
        if self._last is not None:
            wait([self._last])
