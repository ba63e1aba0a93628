"""What happens to every request: DryRun, ClientToken, the store, the plane; by tiny operations."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

import pytest

from secgroup.control.endpoint import Caller, Endpoint, Operation, Store
from secgroup.control.state import Changed, Row, State, World
from secgroup.control.store import MEMORY, SqliteStore
from secgroup.errors import Ec2Error, OutputError
from tests.support.shapes import misshapen, model, operation
from tests.support.worlds import NOW, Client, new_state, refused


def make(world: World, request: Mapping[str, Any]) -> Mapping[str, Any]:
    vpc_id = world.new_id("vpc")
    world.put("Vpc", {"VpcId": vpc_id, "CidrBlock": request.get("CidrBlock", "10.0.0.0/16")})
    return {"Vpc": {"VpcId": vpc_id}}


def fail(world: World, request: Mapping[str, Any]) -> Mapping[str, Any]:
    make(world, request)
    raise Ec2Error("vpc_not_found", resource_id="vpc-1")


class Plane:
    """What a plane is told, in order; it refuses when it is told to."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.refuses = False
        self.fails = False

    def prepare(self, state: State, changes: Collection[Changed], /) -> None:
        self.told.append(f"prepare {len(changes)}")
        if self.refuses:
            raise OutputError("no room")

    def commit(self) -> None:
        self.told.append("commit")
        if self.fails:
            raise OutputError("no memory")

    def abandon(self) -> None:
        self.told.append("abandon")


class FullDisk:
    def commit(self, changes: Collection[Changed], sequence: int, /) -> None:
        raise OutputError("no space left")


def call(client: Client, function: Operation, **request: Any) -> Mapping[str, Any]:
    caller = Caller(account_id=client.account_id, region=client.region)
    return client.endpoint.call("CreateVpc", function, caller, request, client.now)


def new_client(store: Store | None = None, plane: Plane | None = None) -> Client:
    store = SqliteStore(MEMORY) if store is None else store
    return Client(endpoint=Endpoint(state=new_state(), store=store, follower=plane))


def kept(client: Client) -> list[Row]:
    return list(client.endpoint.state.rows())


def stored(client: Client) -> list[str]:
    assert isinstance(client.endpoint.store, SqliteStore)
    return [row.kind for row in client.endpoint.store.load()]


@pytest.mark.semantics("ec2-dry-run")
def test_dry_run_changes_nothing_and_says_that_it_would_have() -> None:
    client = new_client()
    with refused("dry_run"):
        call(client, make, DryRun=True)
    assert kept(client) == []


def test_request_that_is_refused_is_neither_in_the_state_nor_in_the_store() -> None:
    client = new_client()
    with refused("vpc_not_found"):
        call(client, fail)
    assert kept(client) == []
    assert stored(client) == []


def test_change_that_does_not_last_has_not_happened_and_the_plane_abandons_it() -> None:
    plane = Plane()
    client = new_client(FullDisk(), plane)
    with pytest.raises(OutputError):
        call(client, make)
    assert kept(client) == []
    assert plane.told == ["prepare 1", "abandon"]


def test_plane_that_refuses_keeps_the_change_out_of_the_store() -> None:
    plane = Plane()
    client = new_client(plane=plane)
    call(client, make)
    plane.refuses = True
    with pytest.raises(OutputError):
        call(client, make)
    assert plane.told == ["prepare 1", "commit", "prepare 1"]
    assert stored(client) == ["Vpc"]


def rename(world: World, request: Mapping[str, Any]) -> Mapping[str, Any]:
    (vpc,) = world.every("Vpc")
    world.put("Vpc", {**vpc, "CidrBlock": "10.9.0.0/16"})
    return {}


@pytest.mark.parametrize("function", [make, rename])
def test_change_that_the_plane_fails_to_enforce_is_taken_out_of_the_store(
    function: Operation,
) -> None:
    plane = Plane()
    client = new_client(plane=plane)
    call(client, make)
    before = kept(client)
    plane.fails = True
    with pytest.raises(OutputError):
        call(client, function)
    assert kept(client) == before
    assert isinstance(client.endpoint.store, SqliteStore)
    assert list(client.endpoint.store.load()) == before


def test_request_that_changes_nothing_troubles_neither_store_nor_plane() -> None:
    plane = Plane()
    assert call(new_client(FullDisk(), plane), lambda world, request: {}) == {}
    assert plane.told == []


@pytest.mark.semantics("ec2-token")
def test_same_client_token_gets_the_same_answer_and_makes_nothing_more() -> None:
    client = new_client()
    first = call(client, make, ClientToken="a")
    assert call(client, make, ClientToken="a") == first
    assert call(client, make, ClientToken="b") != first
    assert client.world.count("Vpc") == 2


@pytest.mark.semantics("ec2-token")
def test_client_token_with_other_parameters_is_refused() -> None:
    client = new_client()
    call(client, make, ClientToken="a", CidrBlock="10.1.0.0/16")
    with refused("other_parameters_for_token", token="a"):
        call(client, make, ClientToken="a", CidrBlock="10.2.0.0/16")


@pytest.mark.semantics("ec2-token")
def test_client_token_is_of_its_account_and_region_only() -> None:
    client = new_client()
    first = call(client, make, ClientToken="a")
    assert call(client.elsewhere(account_id="444455556666"), make, ClientToken="a") != first
    assert call(client.elsewhere(region="us-east-1"), make, ClientToken="a") != first


def test_client_token_of_a_refused_request_may_be_used_again() -> None:
    client = new_client()
    with refused("vpc_not_found"):
        call(client, fail, ClientToken="a")
    assert call(client, make, ClientToken="a")


@pytest.mark.semantics("ec2-token")
def test_client_token_is_forgotten_after_a_day() -> None:
    client = new_client()
    first = call(client, make, ClientToken="a")
    client.now = NOW + timedelta(hours=23, minutes=59)
    assert call(client, make, ClientToken="a") == first
    client.now = NOW + timedelta(hours=24)
    assert call(client, make, ClientToken="a") != first
    client.now = NOW + timedelta(hours=49)
    call(client, make, ClientToken="b")
    assert client.world.count("ClientToken") == 1


def test_world_begins_once_and_again_after_a_restart_without_change() -> None:
    begun = []

    def begin(world: World) -> None:
        begun.append(world.region)
        if not world.count("Vpc"):
            make(world, {})

    state, store = new_state(), SqliteStore(MEMORY)
    client = Client(endpoint=Endpoint(state=state, store=store, begin=begin))
    call(client, lambda world, request: {})
    call(client, lambda world, request: {})
    call(client.elsewhere(region="us-east-1"), lambda world, request: {})
    assert begun == ["eu-west-1", "us-east-1"]
    assert len(stored(client)) == 2
    again = Client(endpoint=Endpoint(state=state, store=store, begin=begin))
    call(again, lambda world, request: {})
    assert len(begun) == 3
    assert len(stored(client)) == 2


def test_world_begins_though_its_first_request_is_refused() -> None:
    client = new_client()
    client.endpoint.begin = lambda world: world.put("Vpc", {"VpcId": "vpc-1"})
    with refused("vpc_not_found"):
        call(client, fail)
    assert stored(client) == ["Vpc"]


def test_shapes_see_what_is_wrong_with_a_result() -> None:
    shape = operation("DeleteSecurityGroup").output_shape
    assert list(misshapen({"Return": True, "GroupId": "sg-1"}, shape)) == []
    assert list(misshapen({"Returned": True}, shape))
    assert list(misshapen({"Return": "true"}, shape))


def test_every_kind_is_a_shape_of_ec2_or_our_own_and_its_id_is_a_member() -> None:
    for kind in new_state().kinds.values():
        if kind.is_own:
            assert kind.shape not in model().shape_names, kind.shape
        else:
            members = model().shape_for(kind.shape).members
            assert set(kind.id_key.split("+")) <= set(members), kind.shape
            assert kind.resource_type is None or kind.tags in members, kind.shape


def test_now_is_written_as_ec2_writes_times() -> None:
    assert new_state().world("1", "r", NOW).time == "2026-11-22T12:00:00.000Z"
