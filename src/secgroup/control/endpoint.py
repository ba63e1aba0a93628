"""`Endpoint`: one request after the other, each wholly or not at all.

Owns the order of what happens to a request: DryRun, ClientToken, the operation, where the change
lasts, the plane. Knows no operation, no wire and no disk.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from threading import Lock
from typing import Any, Final, Protocol

from secgroup.control.state import Changed, Resource, State, World
from secgroup.errors import Ec2Error

#: How long a `ClientToken` is remembered (API Reference, "Ensuring idempotency": at least a day).
_TOKEN_AGE: Final = timedelta(hours=24)

#: An operation: what it answers in a world; it may change the world's state.
Operation = Callable[[World, Resource], Mapping[str, Any]]


class Store(Protocol):
    """Where changes last."""

    def commit(self, changes: Collection[Changed], sequence: int, /) -> None:
        """Make changes last, all or none, before this returns."""


class Follower(Protocol):
    """What must agree with the state before a change is acknowledged: a plane."""

    def prepare(self, state: State, changes: Collection[Changed], /) -> None:
        """Find out whether the state with these changes can be enforced; raise if it cannot."""

    def commit(self) -> None:
        """Enforce what was prepared."""

    def abandon(self) -> None:
        """Forget what was prepared: the changes were taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, and where: the world that the request is about."""

    account_id: str
    region: str


@dataclass(slots=True, kw_only=True)
class Endpoint:
    """The state, where it lasts, and what follows it.

    Parameters
    ----------
    state : State
    store : Store
    follower : Follower or None
        The plane that is converged before a change is acknowledged.
    begin : callable
        What gives a world what it has before its first request (`beginning.py`).

    """

    state: State
    store: Store
    follower: Follower | None = None
    begin: Callable[[World], None] = lambda _: None
    _begun: set[tuple[str, str]] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def call(
        self, name: str, operation: Operation, caller: Caller, request: Resource, now: datetime
    ) -> Mapping[str, Any]:
        """Do one request.

        Returns
        -------
        mapping
            The result in the operation's output shape, without the request's id.

        Raises
        ------
        Ec2Error
            EC2 would refuse it; nothing has changed.

        """
        with self._lock:
            world = self.state.world(caller.account_id, caller.region, now)
            self._begin(world)
            if request.get("DryRun"):
                raise Ec2Error("dry_run")
            with self.state.change() as changed:
                result = once(world, name, operation, request)
                if changed:
                    self._settle(list(changed.values()))
            return result

    def _begin(self, world: World) -> None:
        """Let a world begin that was not asked for since this endpoint started."""
        key = (world.account_id, world.region)
        if key in self._begun:
            return
        with self.state.change() as changed:
            self.begin(world)
            if changed:
                self._settle(list(changed.values()))
        self._begun.add(key)

    def _settle(self, changes: Collection[Changed]) -> None:
        """Make changes last, and enforce them; what follower or store refuses has not been."""
        if self.follower is None:
            self.store.commit(changes, self.state.sequence)
            return
        self.follower.prepare(self.state, changes)
        try:
            self.store.commit(changes, self.state.sequence)
        except BaseException:
            self.follower.abandon()
            raise
        try:
            self.follower.commit()
        except BaseException:
            back = [Changed(before=each.after, after=each.before) for each in changes]
            self.store.commit(back, self.state.sequence)
            raise


def once(world: World, name: str, operation: Operation, request: Resource) -> Mapping[str, Any]:
    """Do an operation, unless its `ClientToken` says that it was done: then its answer again.

    Raises
    ------
    Ec2Error
        The token was used with other parameters.

    """
    token = request.get("ClientToken")
    if not token:
        return operation(world, request)
    spelled = json.dumps(request, sort_keys=True, default=str)
    parameters = hashlib.sha256(spelled.encode()).hexdigest()
    key = f"{world.account_id}/{world.region}/{name}/{token}"
    _forget_old_tokens(world)
    earlier = world.get("ClientToken", key)
    if earlier is not None:
        if earlier["Parameters"] != parameters:
            raise Ec2Error("other_parameters_for_token", token=token)
        answer: Mapping[str, Any] = earlier["Result"]
        return answer
    result = operation(world, request)
    kept = {"Token": key, "Parameters": parameters, "Result": result, "Time": world.now.isoformat()}
    world.put("ClientToken", kept)
    return result


def _forget_old_tokens(world: World) -> None:
    """Remove the tokens that are too old; they stand in the order of their making."""
    table = world.state.table(world.account_id, world.region, "ClientToken")
    made = (row.resource for row in table.rows.values())
    for old in list(takewhile(lambda kept: _age(world, kept) >= _TOKEN_AGE, made)):
        world.delete("ClientToken", old["Token"])


def _age(world: World, kept: Resource) -> timedelta:
    return world.now - datetime.fromisoformat(kept["Time"])
