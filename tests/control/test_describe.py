"""Describe calls: ids, filters by index or by looking, pages."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

import pytest

from secgroup.api.errors import FAULTS
from secgroup.control.describe import Describe, describe
from secgroup.control.kinds import KINDS
from secgroup.control.state import State, World
from secgroup.errors import Ec2Error
from tests.support.worlds import refused

_HOW = Describe(
    kind="Subnet",
    ids="SubnetIds",
    result="Subnets",
    filters={"vpc-id": "VpcId", "subnet-id": "SubnetId", "cidr": "CidrBlock"},
)


@pytest.fixture
def world() -> Iterator[World]:
    numbers = count(1)
    state = State(KINDS, token=lambda digits: f"{next(numbers):0{digits}x}")
    found = state.world("111122223333", "eu-west-1", datetime(2026, 11, 22, tzinfo=UTC))
    with state.change():
        for name in range(1, 8):
            found.put(
                "Subnet",
                {
                    "SubnetId": f"subnet-{name:017x}",
                    "VpcId": "vpc-odd" if name % 2 else "vpc-even",
                    "CidrBlock": f"10.0.{name}.0/24",
                    "Tags": [{"Key": "Name", "Value": f"n{name}"}],
                },
            )
        yield found


def ids(world: World, **request: object) -> list[int]:
    return [int(each["SubnetId"][-2:], 16) for each in describe(world, request, _HOW)["Subnets"]]


def by(name: str, *values: str) -> dict[str, object]:
    return {"Name": name, "Values": list(values)}


@pytest.mark.semantics("ec2-filter-values")
def test_filter_of_an_indexed_member_answers_as_looking_at_every_resource_would(
    world: World,
) -> None:
    world.put("Subnet", {"SubnetId": f"subnet-{1:017x}", "VpcId": "vpc-even"})
    assert ids(world, Filters=[by("vpc-id", "vpc-even")]) == [1, 2, 4, 6]
    assert ids(world, Filters=[by("vpc-id", "vpc-e*")]) == [1, 2, 4, 6]
    assert ids(world, Filters=[by("vpc-id", "vpc-odd", "vpc-even")]) == [1, 2, 3, 4, 5, 6, 7]
    assert ids(world, Filters=[by("vpc-id", "vpc-none")]) == []
    assert ids(world, Filters=[by("vpc-id", "vpc-odd"), by("tag:Name", "n?")]) == [3, 5, 7]
    named = [f"subnet-{7:017x}", f"subnet-{2:017x}", "subnet-x"]
    assert ids(world, Filters=[by("subnet-id", *named)]) == [2, 7]


@pytest.mark.semantics("ec2-filter-values")
@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("n?", ["n1", "n*"]),
        ("n*", ["n1", "n*", "n10"]),
        (r"n\*", ["n*"]),
        (r"n\?", []),
        ("N1", []),
        ("1", []),
    ],
)
def test_value_of_a_filter_is_a_pattern_in_which_case_counts(
    world: World, value: str, found: list[str]
) -> None:
    how = Describe(kind="Region", result="Regions", filters={"region-name": "RegionName"})
    listed = [{"RegionName": name} for name in ("n1", "n*", "n10")]
    answer = describe(world, {"Filters": [by("region-name", value)]}, how, listed)
    assert [each["RegionName"] for each in answer["Regions"]] == found


@pytest.mark.semantics("ec2-page-tokens")
def test_pages_go_on_behind_the_last_shown_though_others_are_made_and_deleted(
    world: World,
) -> None:
    first = describe(world, {"MaxResults": 5}, _HOW)
    assert len(first["Subnets"]) == 5
    world.delete("Subnet", first["Subnets"][4]["SubnetId"])
    world.delete("Subnet", f"subnet-{6:017x}")
    assert ids(world, MaxResults=5, NextToken=first["NextToken"]) == [7]


@pytest.mark.semantics("ec2-filter-values", "ec2-page-tokens")
@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        ({"Filters": [by("shape", "round")]}, "unknown_filter"),
        ({"Filters": [{"Values": ["x"]}]}, "filter_without_name"),
        ({"Filters": [{"Name": "vpc-id"}]}, "filter_without_values"),
        ({"Filters": [by("vpc-id", *map(str, range(201)))]}, "too_many_filter_values"),
        ({"SubnetIds": [f"subnet-{9:017x}"]}, "subnet_not_found"),
        ({"SubnetIds": ["subnet-x"]}, "subnet_id_malformed"),
        ({"MaxResults": 4}, "max_results_out_of_bounds"),
        ({"MaxResults": 1001}, "max_results_out_of_bounds"),
        ({"MaxResults": 5, "SubnetIds": [f"subnet-{1:017x}"]}, "ids_and_max_results"),
        ({"NextToken": "nonsense"}, "invalid_token"),
        ({"NextToken": "bm9uZQ=="}, "invalid_token"),
    ],
)
def test_request_that_cannot_be_answered_is_refused(
    world: World, request_: dict[str, object], fault: str
) -> None:
    with refused(fault):
        describe(world, request_, _HOW)


def test_computed_resources_are_filtered_and_paged_like_kept_ones(world: World) -> None:
    how = Describe(kind="Region", result="Regions", filters={"region-name": "RegionName"})
    listed = [{"RegionName": f"r-{number}"} for number in range(7)]
    first = describe(world, {"MaxResults": 5}, how, listed)
    assert [each["RegionName"] for each in first["Regions"]] == ["r-0", "r-1", "r-2", "r-3", "r-4"]
    rest = describe(world, {"MaxResults": 5, "NextToken": first["NextToken"]}, how, listed)
    assert [each["RegionName"] for each in rest["Regions"]] == ["r-5", "r-6"]
    only = describe(world, {"Filters": [by("region-name", "*-3")]}, how, listed)
    assert only["Regions"] == [{"RegionName": "r-3"}]


def test_every_kind_has_faults_that_exist() -> None:
    for kind in KINDS:
        assert kind.not_found in FAULTS, kind
        assert kind.malformed is None or kind.malformed in FAULTS, kind
        assert isinstance(kind.missing("x"), Ec2Error)
