"""Well spelled requests that mean little: every operation answers for itself."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import pytest

from secgroup.api.exchange import SERVED
from secgroup.api.model import ec2
from secgroup.control.state import State
from tests.api.values import MEANT, TEXTS, made
from tests.support.served import served

ROUNDS = 4


def ids_by_member(state: State) -> Mapping[str, Sequence[str]]:
    """The ids that are there, by the member that they stand in."""
    return {
        kind.id_key: [row.resource_id for row in state.rows(kind.shape)]
        for kind in state.kinds.values()
    }


def meant(value: Any, random: Random, ids: Mapping[str, Sequence[str]], member: str = "") -> Any:
    """The value with most ids in it replaced by some that are there, and without `DryRun`."""
    if isinstance(value, dict):
        return {
            name: meant(each, random, ids, name)
            for name, each in value.items()
            if name != "DryRun" or random.random() < 0.1
        }
    if isinstance(value, list):
        return [meant(each, random, ids, member) for each in value]
    known = next((key for key in ids if member.removesuffix("s").endswith(key) and ids[key]), None)
    if known is None or not isinstance(value, str) or random.random() < 0.1:
        return value
    return random.choice(ids[known])


@pytest.mark.parametrize("seed", range(3))
def test_no_request_is_a_fault_of_ours_and_refused_ones_change_nothing(seed: int) -> None:
    names = sorted(SERVED["ec2"]) * ROUNDS
    random = Random(seed)
    random.shuffle(names)
    with served() as server:
        client = server.client(unchecked=True)
        client.describe_vpcs()
        refusal = client.exceptions.ClientError
        for name in names:
            texts = random.choice((TEXTS, MEANT))
            shape = ec2().operation(name).input_shape
            request = made(shape, random, fullness=random.random(), texts=texts)
            request = meant(request, random, ids_by_member(server.endpoint.state))
            before = server.kept()
            try:
                client._make_api_call(name, request)
            except refusal as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                assert status < 500, (name, request, server.entries()[-1]["trace"])
                assert server.kept() == before, (name, request)
