"""The state: indexes, changes that are taken back, ids of any world."""

from datetime import UTC, datetime
from itertools import count

import pytest

from secgroup.control.kinds import KINDS
from secgroup.control.state import State, values

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def new_state() -> State:
    numbers = count(1)
    return State(KINDS, token=lambda digits: f"{next(numbers):0{digits}x}")


def test_values_looks_into_lists_and_skips_what_is_not_there() -> None:
    interface = {"Groups": [{"GroupId": "sg-1"}, {"GroupId": "sg-2"}], "Attachment": None}
    assert list(values(interface, "Groups.GroupId")) == ["sg-1", "sg-2"]
    assert list(values(interface, "Attachment.InstanceId")) == []
    assert list(values({"Port": 0}, "Port")) == [0]


def test_change_that_raises_leaves_rows_order_and_indexes_as_they_were() -> None:
    state = new_state()
    world = state.world("111122223333", "eu-west-1", NOW)
    with state.change():
        for name in "abc":
            world.put("SecurityGroup", {"GroupId": f"sg-{name}", "VpcId": "vpc-1"})
    before = list(world.every("SecurityGroup"))

    def fail() -> None:
        with state.change():
            world.delete("SecurityGroup", "sg-a")
            world.put("SecurityGroup", {"GroupId": "sg-b", "VpcId": "vpc-2"})
            world.put("SecurityGroup", {"GroupId": "sg-d", "VpcId": "vpc-2"})
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(world.every("SecurityGroup")) == before
    assert list(world.where("SecurityGroup", "VpcId", "vpc-2")) == []
    assert {each["GroupId"] for each in world.where("SecurityGroup", "VpcId", "vpc-1")} == {
        "sg-a",
        "sg-b",
        "sg-c",
    }
    assert state.sequence == 3


def test_world_of_another_account_sees_nothing_but_find_does() -> None:
    state = new_state()
    with state.change():
        state.world("111122223333", "eu-west-1", NOW).put("Vpc", {"VpcId": "vpc-1"})
    assert state.world("444455556666", "eu-west-1", NOW).get("Vpc", "vpc-1") is None
    row = state.find("Vpc", "vpc-1")
    assert row is not None
    assert row.account_id == "111122223333"


def test_where_answers_in_the_order_of_making_whatever_was_changed_since() -> None:
    state = new_state()
    world = state.world("111122223333", "eu-west-1", NOW)
    with state.change():
        for name, vpc in (("a", "vpc-2"), ("b", "vpc-1"), ("c", "vpc-1")):
            world.put("SecurityGroup", {"GroupId": f"sg-{name}", "VpcId": vpc})
    with state.change():
        world.put("SecurityGroup", {"GroupId": "sg-a", "VpcId": "vpc-1"})
    found = [each["GroupId"] for each in world.where("SecurityGroup", "VpcId", "vpc-1")]
    assert found == ["sg-a", "sg-b", "sg-c"]
