"""Several that follow the state: what one of them fails to do, the others do."""

from collections.abc import Collection
from dataclasses import dataclass, field

import pytest

from secgroup.control.followers import Followers
from secgroup.control.state import Changed, State
from secgroup.errors import DataPlaneError


@dataclass
class Kept:
    """A follower that notes what it is told, and fails where it is to."""

    failing: str = ""
    told: list[str] = field(default_factory=list)

    def _hear(self, word: str) -> None:
        self.told.append(word)
        if word == self.failing:
            raise DataPlaneError("bpf", "hosts", "no memory")

    def prepare(self, state: State, changes: Collection[Changed], /) -> None:
        self._hear("prepare")

    def commit(self) -> None:
        self._hear("commit")

    def abandon(self) -> None:
        self._hear("abandon")


@pytest.mark.parametrize("word", ["commit", "abandon"])
def test_every_follower_is_told_the_end_of_a_change_whichever_fails(word: str) -> None:
    each = (Kept(), Kept(failing=word), Kept())
    with pytest.raises(DataPlaneError, match="no memory"):
        getattr(Followers(each), word)()
    assert [follower.told for follower in each] == [[word]] * 3


def test_followers_that_prepared_abandon_when_a_later_one_cannot() -> None:
    each = (Kept(), Kept(failing="abandon"), Kept(failing="prepare"), Kept())
    with pytest.raises(DataPlaneError, match="no memory"):
        Followers(each).prepare(State([], token=str), [])
    assert [follower.told for follower in each] == [
        ["prepare", "abandon"],
        ["prepare", "abandon"],
        ["prepare"],
        [],
    ]
