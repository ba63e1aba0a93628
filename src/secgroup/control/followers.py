"""`Followers`: several that follow the state as one: the plane, the delivery of flow logs."""

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass

from secgroup.control.endpoint import Follower
from secgroup.control.state import Changed, State


@dataclass(frozen=True, slots=True)
class Followers:
    """Prepares all or none; see `Follower`."""

    each: tuple[Follower, ...]

    def prepare(self, state: State, changes: Collection[Changed], /) -> None:
        """Prepare every one; when one cannot, those before it abandon."""
        for number, follower in enumerate(self.each):
            try:
                follower.prepare(state, changes)
            except BaseException:
                Followers(self.each[:number]).abandon()
                raise

    def commit(self) -> None:
        """Let every one commit, whatever fails: each holds what it prepared until then."""
        with ExitStack() as stack:
            for follower in reversed(self.each):
                stack.callback(follower.commit)

    def abandon(self) -> None:
        """Let every one abandon, whatever fails."""
        with ExitStack() as stack:
            for follower in reversed(self.each):
                stack.callback(follower.abandon)
