"""An endpoint in memory, whose every request, result and resource is held against its shape."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from secgroup.api.errors import FAULTS, told
from secgroup.api.operations import OPERATIONS
from secgroup.control.beginning import begin
from secgroup.control.endpoint import Caller, Endpoint
from secgroup.control.kinds import KINDS
from secgroup.control.state import Changed, State, World
from secgroup.errors import Ec2Error
from tests.support.shapes import misshapen, model, operation

ACCOUNT = "111122223333"
OTHER_ACCOUNT = "444455556666"
REGION = "eu-west-1"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
#: What is kept and is none of EC2's.
OWN_KINDS = {kind.shape for kind in KINDS if kind.is_own}


class Memory:
    """A store that holds the shapes of what is to last, and nothing else."""

    def commit(self, changes: Collection[Changed], sequence: int, /) -> None:
        """Hold every changed resource against botocore's shape of its kind."""
        for change in changes:
            row = change.after
            if row is not None and row.kind not in OWN_KINDS:
                wrong = list(misshapen(row.resource, model().shape_for(row.kind), row.resource_id))
                assert not wrong, wrong
                assert row.sequence <= sequence


@dataclass(slots=True, kw_only=True)
class Client:
    """A caller of an endpoint: `client("CreateVpc", CidrBlock="10.0.0.0/16")`."""

    endpoint: Endpoint
    account_id: str = ACCOUNT
    region: str = REGION
    now: datetime = NOW
    _clock: Iterator[int] = field(default_factory=count)

    def __call__(self, name: str, **request: Any) -> dict[str, Any]:
        """Do a request; the clock moves a second with each."""
        asked = list(misshapen(request, operation(name).input_shape, name))
        assert not asked, asked
        caller = Caller(account_id=self.account_id, region=self.region)
        now = self.now + timedelta(seconds=next(self._clock))
        result = dict(self.endpoint.call(name, OPERATIONS[name], caller, request, now))
        wrong = list(misshapen(result, operation(name).output_shape, name))
        assert not wrong, wrong
        return result

    def put(self, kind: str, **resource: Any) -> dict[str, Any]:
        """Keep a resource that no operation makes, or makes as the test wants it."""
        with self.endpoint.state.change() as changed:
            self.world.put(kind, resource)
            self.endpoint.store.commit(list(changed.values()), self.endpoint.state.sequence)
        return resource

    def delete(self, kind: str, resource_id: str) -> None:
        """Remove a resource behind the back of the operations."""
        with self.endpoint.state.change() as changed:
            self.world.delete(kind, resource_id)
            self.endpoint.store.commit(list(changed.values()), self.endpoint.state.sequence)

    def elsewhere(self, *, account_id: str = ACCOUNT, region: str = REGION) -> "Client":
        """Return a client of the same endpoint in another account or region."""
        return Client(endpoint=self.endpoint, account_id=account_id, region=region)

    @property
    def world(self) -> World:
        """The state as this client's requests see it."""
        return self.endpoint.state.world(self.account_id, self.region, self.now)


def new_state(**quotas: int) -> State:
    """Return a state whose ids count up; quotas may differ (`_` for `-`)."""
    numbers = count(1)
    return State(
        KINDS,
        token=lambda digits: f"{next(numbers):0{digits}x}",
        tell=told,
        quotas={name.replace("_", "-"): value for name, value in quotas.items()},
    )


def new_client(**quotas: int) -> Client:
    """Return a client of a new endpoint: ids count up, quotas may differ (`_` for `-`)."""
    return Client(endpoint=Endpoint(state=new_state(**quotas), store=Memory(), begin=begin))


@contextmanager
def refused(fault: str, **fields: object) -> Iterator[None]:
    """Expect a fault, with a message that can be written, and these of its fields."""
    with pytest.raises(Ec2Error) as caught:
        yield
    assert caught.value.fault == fault, caught.value
    assert FAULTS[fault].message.format(**caught.value.fields)
    assert {key: caught.value.fields[key] for key in fields} == fields
