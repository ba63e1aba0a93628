"""What an endpoint begins with, and what it is exported as: nothing of a network is lost."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from secgroup.api.model import shaped
from secgroup.api.operations import OPERATIONS
from secgroup.control.export import export
from secgroup.control.loading import load
from secgroup.control.networks import Networks
from secgroup.control.seed_ids import with_ids
from secgroup.errors import Ec2Error, InputError
from secgroup.model.network import Network
from secgroup.sources.load import gather, network_of
from secgroup.sources.load import load as load_network
from tests.control.test_walk import walked
from tests.support.networks import every_noun, large
from tests.support.shapes import misshapen, model
from tests.support.walks import PLACES, REQUESTS, next_name, walks
from tests.support.worlds import OTHER_ACCOUNT, OWN_KINDS, REGION, Client, new_client

EXAMPLE = Path(__file__).parents[2] / "examples" / "three-tier" / "network.yaml"

#: Members of nouns that say who a thing is for people, not what it does.
_NAMES = frozenset(
    {
        *("names", "name", "owner_id", "description", "max_entries"),
        *("availability_zone", "availability_zone_id"),
    }
)


def meaning(noun: Any) -> Any:
    """Return a noun without its names, owner, zone and room, which a resource always tells."""
    if is_dataclass(noun) and not isinstance(noun, type):
        own = [field.name for field in fields(noun) if field.name not in _NAMES]
        return (type(noun).__name__, *((name, meaning(getattr(noun, name))) for name in own))
    if isinstance(noun, tuple):
        return tuple(meaning(each) for each in noun)
    return noun


def nouns(network: Network) -> dict[str, dict[str, Any]]:
    return {
        field.name: {key: meaning(noun) for key, noun in getattr(network, field.name).items()}
        for field in fields(Network)
        if isinstance(getattr(network, field.name), Mapping)
    }


def begun_with(path: Path) -> tuple[Client, Network]:
    """Return a client of an endpoint that began with a file, and the network of the file."""
    client = new_client()
    answers, templates = gather([path])
    network = network_of(answers, templates)
    # Ids count up, so that those of the endpoint will be the same.
    network = with_ids(network, new_client().world)
    with client.endpoint.state.change():
        load(client.world, network, answers, shaped)
    for row in client.endpoint.state.rows():
        if row.kind not in OWN_KINDS and row.account_id == client.account_id:
            wrong = misshapen(row.resource, model().shape_for(row.kind), row.resource_id)
            # EC2 answers `available` where its model says `Available`.
            found = [each for each in wrong if "State: 'available'" not in each]
            assert not found, found
    return client, network


def written(folder: Path, described: Any) -> Path:
    path = folder / "described.json"
    path.write_text(json.dumps(described))
    return path


@pytest.fixture(params=["every noun", "large", "template"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "template":
        return EXAMPLE
    made = every_noun() if request.param == "every noun" else large(groups=40, interfaces=60)
    return written(tmp_path, made)


def test_state_that_began_with_a_network_means_that_network(file: Path) -> None:
    client, network = begun_with(file)
    found = Networks(client.endpoint.state)[client.region]
    assert nouns(found) == nouns(network)


def test_export_is_read_back_to_the_same_network(file: Path, tmp_path: Path) -> None:
    client, _ = begun_with(file)
    kept = Networks(client.endpoint.state)[client.region]
    again = load_network(written(tmp_path, export(client.world, OPERATIONS)))
    assert nouns(replace(again, warnings=())) == nouns(kept)


def test_export_that_is_loaded_is_exported_as_it_was(file: Path, tmp_path: Path) -> None:
    client, _ = begun_with(file)
    first = export(client.world, OPERATIONS)
    other, _ = begun_with(written(tmp_path, first))
    assert export(other.world, OPERATIONS) == first


def loaded(client: Client, path: Path) -> None:
    """Load a file into a world that has begun, as the server does."""
    answers, templates = gather([path])
    network = network_of(answers, templates)
    with client.endpoint.state.change():
        load(client.world, network, answers, shaped)


def exported(client: Client) -> dict[str, list[str]]:
    """Return what a world is exported as, in no order."""
    found = export(client.world, OPERATIONS)
    return {key: sorted(json.dumps(each, sort_keys=True) for each in found[key]) for key in found}


def begun(start: int) -> Client:
    """Return a client of an endpoint that makes other ids than those of other starts."""
    client = new_client()
    numbers = count(start)
    client.endpoint.state.token = lambda digits: f"{next(numbers):0{digits}x}"
    client("DescribeVpcs")
    return client


def test_lists_of_aws_in_an_export_are_not_loaded_a_second_time(tmp_path: Path) -> None:
    first = export(begun(1).world, OPERATIONS)
    assert first["PrefixLists"]
    client = begun(10_000)
    before = client("DescribeManagedPrefixLists")["PrefixLists"]
    loaded(client, written(tmp_path, first))
    assert client("DescribeManagedPrefixLists")["PrefixLists"] == before
    assert exported(client) == exported(begun(1))


@pytest.mark.semantics("ec2-peering-tags")
@pytest.mark.parametrize("turn", [1, -1])
def test_both_sides_of_a_peering_connection_are_loaded_into_one_store(
    tmp_path: Path, turn: int
) -> None:
    client = begun(1)
    other = client.elsewhere(account_id=OTHER_ACCOUNT)
    own, peer = (
        each("CreateVpc", CidrBlock=block)["Vpc"]["VpcId"]
        for each, block in ((client, "10.0.0.0/16"), (other, "10.1.0.0/16"))
    )
    asked = {"VpcId": own, "PeerVpcId": peer, "PeerOwnerId": OTHER_ACCOUNT}
    made = client("CreateVpcPeeringConnection", **asked)["VpcPeeringConnection"]
    peering = {"VpcPeeringConnectionId": made["VpcPeeringConnectionId"]}
    other("AcceptVpcPeeringConnection", **peering)
    for each in (client, other):
        tags = [{"Key": "side", "Value": each.account_id}]
        each("CreateTags", Resources=[*peering.values()], Tags=tags)
    again = begun(10_000)
    pairs = [(client, again), (other, again.elsewhere(account_id=OTHER_ACCOUNT))]
    for before, after in pairs[::turn]:
        after("DescribeVpcs")
        loaded(after, written(tmp_path, export(before.world, OPERATIONS)))
    for before, after in pairs:
        assert exported(after) == exported(before)
    pairs[0][1]("DeleteVpcPeeringConnection", **peering)
    for _, after in pairs:
        (found,) = after("DescribeVpcPeeringConnections")["VpcPeeringConnections"]
        assert found["Status"]["Code"] == "deleted"


def test_what_another_world_of_the_store_has_is_not_loaded(tmp_path: Path) -> None:
    client = begun(1)
    path = written(tmp_path, export(client.world, OPERATIONS))
    other = client.elsewhere(account_id=OTHER_ACCOUNT)
    with pytest.raises(InputError, match=f"is of {client.account_id} in {REGION} already"):
        loaded(other, path)


def structures(value: Any, path: str = "") -> Iterator[tuple[str, frozenset[str]]]:
    """Every structure of a resource, by its path, with the members that it has."""
    if isinstance(value, dict):
        yield path, frozenset(value)
        for key, each in value.items():
            yield from structures(each, f"{path}.{key}")
    elif isinstance(value, list):
        for each in value:
            yield from structures(each, path)


@cache
def given() -> dict[tuple[str, str], frozenset[str]]:
    """By kind and path: the members that every structure has which operations made."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for seed in range(3):
        client, _, _ = walked(seed)
        for row in client.endpoint.state.rows():
            for path, members in structures(row.resource):
                found[row.kind, path] = found.get((row.kind, path), members) & members
    return found


def test_what_was_loaded_has_every_member_that_operations_give(file: Path) -> None:
    client = begun(10_000)
    before = {row.resource_id for row in client.endpoint.state.rows()}
    loaded(client, file)
    lacking = {
        (row.kind, f"{path}.{member}")
        for row in client.endpoint.state.rows()
        if row.resource_id not in before and row.kind not in OWN_KINDS
        for path, members in structures(row.resource)
        for member in given().get((row.kind, path), frozenset()) - members
    }
    # A hardware address would be another network; only some walks have none of the others.
    assert lacking <= {
        ("NetworkInterface", ".MacAddress"),
        ("NetworkInterface", ".Association.PublicDnsName"),
        ("VpcPeeringConnection", ".ExpirationTime"),
    }


@pytest.mark.parametrize("seed", range(2))
def test_every_operation_goes_on_from_what_was_loaded(file: Path, seed: int) -> None:
    client = begun(10_000)
    loaded(client, file)
    random = Random(seed)
    callers = walks(client, random, PLACES[:1])
    done = 0
    for _ in range(150):
        walk = random.choice(callers)
        name = next_name(random, list(OPERATIONS))
        try:
            walk.client(name, **REQUESTS[name](walk))
            done += 1
        except Ec2Error:
            continue
    assert done > 30
    for name in ("DescribeInstances", "DescribeInstanceStatus", "DescribeNetworkInterfaces"):
        client(name)


def test_instances_are_loaded_as_they_were(tmp_path: Path) -> None:
    client = begun(1)
    launch = {"ImageId": "ami-0123abcd", "InstanceType": "t3.medium", "KeyName": "key"}
    made = client("RunInstances", MinCount=2, MaxCount=2, **launch)["Instances"]
    client("StopInstances", InstanceIds=[made[1]["InstanceId"]])
    again = begun(10_000)
    loaded(again, written(tmp_path, export(client.world, OPERATIONS)))
    assert exported(again) == exported(client)
    assert len(again("DescribeInstances")["Reservations"]) == 1


def test_default_vpc_that_was_loaded_stays_the_only_one_after_a_restart(tmp_path: Path) -> None:
    path = written(tmp_path, export(begun(1).world, OPERATIONS))
    client = begun(10_000)
    loaded(client, path)
    client.endpoint = replace(client.endpoint, _begun=set())
    assert len(client("DescribeVpcs")["Vpcs"]) == 1
