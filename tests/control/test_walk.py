"""Laws that hold whatever is asked, by a walk through all operations that change something."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from random import Random
from typing import Any

import pytest

from secgroup.api.operations import OPERATIONS
from secgroup.control.beginning import begin
from secgroup.control.endpoint import Endpoint
from secgroup.control.export import export
from secgroup.control.networks import Networks
from secgroup.control.reconcile import Reconciler
from secgroup.control.state import Changed, Row, State
from secgroup.dataplane.batch import BatchPlane
from secgroup.errors import Ec2Error, OutputError
from secgroup.sources.load import load
from tests.support.walks import PLACES, REQUESTS, Walk, next_name, walks
from tests.support.worlds import REGION, Client, Memory, new_client, new_state

STEPS = 300
#: How often a change cannot be made to last.
FULL = 0.1
#: Operations that change nothing, or only what they are asked for a second time.
READING = ("Describe", "Get")
QUOTAS = {
    "vpcs_per_region": 9,
    "elastic_addresses_per_region": 9,
    "internet_gateways_per_region": 9,
    "rules_per_security_group": 12,
    "versions_per_prefix_list": 3,
}


class Texts(Memory):
    """A store that keeps what it is given as text, by kind and id."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], tuple[Row, str]] = {}
        self.sequence = 0
        self.is_full = False

    def commit(self, changes: Collection[Changed], sequence: int, /) -> None:
        """Keep text, so that nothing that happens to a resource later reaches it."""
        super().commit(changes, sequence)
        if self.is_full:
            raise OutputError("the disk is full")
        for each in changes:
            if each.after is not None:
                row = each.after
                self.kept[row.kind, row.resource_id] = row, json.dumps(row.resource)
            elif each.before is not None:
                del self.kept[each.before.kind, each.before.resource_id]
        self.sequence = sequence

    def restored(self) -> State:
        """The state that a restart begins with."""
        state = new_state(**QUOTAS)
        found = [
            Row(
                kind=row.kind,
                resource_id=row.resource_id,
                account_id=row.account_id,
                region=row.region,
                sequence=row.sequence,
                resource=json.loads(text),
            )
            for row, text in self.kept.values()
        ]
        state.restore(sorted(found, key=lambda row: row.sequence), self.sequence)
        return state


def texts_of(state: State) -> dict[tuple[str, str], tuple[int, str]]:
    """Every resource as text."""
    return {
        (row.kind, row.resource_id): (row.sequence, json.dumps(row.resource))
        for row in state.rows()
    }


def spoilt(value: Any) -> None:
    """Empty every list and mapping of a request, as its owner may."""
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, dict | list):
            spoilt(each)
    value.clear()


def checked_step(walk: Walk, name: str, followed: Reconciler, store: Texts) -> bool:
    """Do one request and hold what it left against the laws; tell whether it was done."""
    state = walk.client.endpoint.state
    request = REQUESTS[name](walk)
    told = deepcopy(request)
    before = {(row.kind, row.resource_id): row for row in state.rows()}
    sequence = state.sequence
    try:
        walk.client(name, **request)
        is_done = True
    except (Ec2Error, OutputError):
        is_done = False
        after = {(row.kind, row.resource_id): row for row in state.rows()}
        assert after.keys() == before.keys(), (name, told)
        assert all(after[key] is before[key] for key in before), (name, told)
        assert state.sequence == sequence
    assert request == told, f"{name} changes its request"
    spoilt(request)
    kept = {key: (row.sequence, text) for key, (row, text) in store.kept.items()}
    assert texts_of(state) == kept, (name, told)
    anew = Networks(state)
    assert followed.networks.regions() == anew.regions()
    for region in anew.regions():
        assert followed.networks[region] == anew[region], (name, told)
    return is_done


def walked(
    seed: int, places: Sequence[tuple[str, str]] = PLACES
) -> tuple[Client, Texts, Counter[str]]:
    """Walk, and return what is there, what was kept, and how often each operation was done."""
    random = Random(seed)
    client = new_client(**QUOTAS)
    store = Texts()
    client.endpoint.store = store
    callers = walks(client, random, places)
    for walk in callers:
        walk.client("DescribeVpcs")
    followed = Reconciler(client.endpoint.state, BatchPlane())
    client.endpoint.follower = followed
    done: Counter[str] = Counter()
    for _ in range(STEPS):
        name = next_name(random, list(OPERATIONS))
        store.is_full = random.random() < FULL
        if checked_step(random.choice(callers), name, followed, store):
            done[name] += 1
    return client, store, done


def described(endpoint: Endpoint) -> list[str]:
    """What every describe call that takes nothing answers, in every world."""
    found = []
    for account_id, region in PLACES:
        client = Client(endpoint=endpoint, account_id=account_id, region=region)
        for name in sorted(OPERATIONS):
            if name.startswith("Describe") and not name.endswith(("Attribute", "References")):
                try:
                    found.append(json.dumps(client(name)))
                except (Ec2Error, KeyError):  # it takes something
                    continue
    return found


@pytest.mark.parametrize("seed", range(4))
def test_walk_leaves_state_store_and_network_the_same_and_restarts_to_it(seed: int) -> None:
    client, store, done = walked(seed)
    assert sum(done.values()) > STEPS / 4
    again = Endpoint(state=store.restored(), store=Memory(), begin=begin)
    assert described(again) == described(client.endpoint)
    assert texts_of(again.state) == texts_of(client.endpoint.state)


def test_every_operation_that_changes_something_is_walked() -> None:
    changing = {name for name in OPERATIONS if not name.startswith(READING)}
    assert changing <= REQUESTS.keys()


@pytest.mark.parametrize("seed", range(10, 12))
def test_export_of_a_walk_is_read_back_as_the_network_that_is_in_force(
    seed: int, tmp_path: Path
) -> None:
    client, _, _ = walked(seed, PLACES[:1])
    path = tmp_path / "network.json"
    path.write_text(json.dumps(export(client.world, OPERATIONS)), encoding="utf-8")
    in_force = Networks(client.endpoint.state)[REGION]
    found = load(path)
    for each in fields(found):
        if isinstance(getattr(found, each.name), Mapping):
            assert getattr(found, each.name) == getattr(in_force, each.name), each.name
