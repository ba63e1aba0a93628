"""Devices: what is kept, what is refused, and how a plane that stands before them follows."""

import pytest

from secgroup.control.devices import DeviceFollower, attach, attached, detach, devices_of
from secgroup.dataplane.base import Device
from secgroup.errors import DataPlaneError, InputError
from tests.support.before import Before
from tests.support.worlds import ACCOUNT, NOW, OTHER_ACCOUNT, Client, new_client


def following() -> tuple[Client, Before, list[str]]:
    """An endpoint with two interfaces, and the plane that follows it."""
    client = new_client()
    plane = Before()
    client.endpoint.follower = DeviceFollower(plane)
    subnet = client("DescribeSubnets")["Subnets"][0]["SubnetId"]
    made = [client("CreateNetworkInterface", SubnetId=subnet) for _ in range(2)]
    return client, plane, [each["NetworkInterface"]["NetworkInterfaceId"] for each in made]


def test_device_is_kept_told_and_stood_before() -> None:
    client, plane, (one, other) = following()
    device = Device(name="veth0", netns="guest", mac=bytes(range(6)), is_live=True)
    attach(client.endpoint, ACCOUNT, one, device, NOW)
    attach(client.endpoint, ACCOUNT, other, Device(name="veth0"), NOW)
    assert plane.held == devices_of(client.endpoint.state)
    assert plane.held == {one: device, other: Device(name="veth0")}
    found = attached(client.endpoint, ACCOUNT, plane.device_states())
    assert [(each.interface_id, each.device, each.state) for each in found] == [
        (one, device, "attached"),
        (other, Device(name="veth0"), "attached"),
    ]
    (group,) = client("DescribeSecurityGroups")["SecurityGroups"]
    assert found[0].group_ids == (group["GroupId"],)
    detach(client.endpoint, plane, ACCOUNT, one, NOW)
    assert list(plane.held) == [other]


def test_devices_last_in_a_state_that_is_restored() -> None:
    client, _, (one, _) = following()
    device = Device(name="tap1", mac=bytes(6))
    attach(client.endpoint, ACCOUNT, one, device, NOW)
    again = new_client().endpoint.state
    again.restore(client.endpoint.state.rows())
    assert devices_of(again) == {one: device}


def test_interface_has_one_device_and_a_device_one_interface() -> None:
    client, plane, (one, other) = following()
    attach(client.endpoint, ACCOUNT, one, Device(name="veth0"), NOW)
    with pytest.raises(InputError, match=f"{one}: it has the device veth0"):
        attach(client.endpoint, ACCOUNT, one, Device(name="veth1"), NOW)
    with pytest.raises(InputError, match=f"veth0: is the device of {one}"):
        attach(client.endpoint, ACCOUNT, other, Device(name="veth0"), NOW)
    attach(client.endpoint, ACCOUNT, one, Device(name="veth0", mac=bytes(6)), NOW)
    assert plane.held == {one: Device(name="veth0", mac=bytes(6))}


def test_device_that_the_plane_cannot_have_is_not_kept() -> None:
    client, plane, (one, _) = following()
    with pytest.raises(DataPlaneError, match="busy: is another's"):
        attach(client.endpoint, ACCOUNT, one, Device(name="busy"), NOW)
    assert devices_of(client.endpoint.state) == plane.held == {}


def test_device_outlives_its_interface_until_it_is_taken_away() -> None:
    client, plane, (one, _) = following()
    attach(client.endpoint, ACCOUNT, one, Device(name="veth0"), NOW)
    client("DeleteNetworkInterface", NetworkInterfaceId=one)
    (found,) = attached(client.endpoint, ACCOUNT, plane.device_states())
    assert (found.interface_id, found.group_ids) == (one, ())
    detach(client.endpoint, plane, ACCOUNT, one, NOW)
    assert plane.held == {}


@pytest.mark.parametrize("account_id", [OTHER_ACCOUNT, ACCOUNT])
def test_interface_of_another_account_or_none_is_refused(account_id: str) -> None:
    client, _, (one, _) = following()
    named = one if account_id == OTHER_ACCOUNT else "eni-0"
    with pytest.raises(InputError, match=f"{named}: is no interface of {account_id}"):
        attach(client.endpoint, account_id, named, Device(name="veth0"), NOW)


def test_device_that_only_the_plane_knows_of_is_left() -> None:
    client, plane, (one, _) = following()
    plane.held = {one: Device(name="veth0"), "eni-of-old": Device(name="veth1")}
    with pytest.raises(InputError, match=f"{one}: is no interface of {OTHER_ACCOUNT}"):
        detach(client.endpoint, plane, OTHER_ACCOUNT, one, NOW)
    for each in (one, "eni-of-old"):
        detach(client.endpoint, plane, ACCOUNT, each, NOW)
    assert plane.held == {}


def test_detaching_what_has_no_device_is_refused() -> None:
    client, plane, (one, _) = following()
    with pytest.raises(InputError, match=f"{one}: has no device"):
        detach(client.endpoint, plane, ACCOUNT, one, NOW)


@pytest.mark.parametrize(
    "device",
    [
        *(Device(name=name) for name in ("", ".", "..", "a/b", "a b", "a:b", "x" * 16)),
        *(Device(name="veth0", netns=netns) for netns in ("", ".", "a/b", "a b", "/a\0")),
    ],
)
def test_words_that_can_be_no_device_are_refused(device: Device) -> None:
    client, _, (one, _) = following()
    with pytest.raises(InputError, match="name"):
        attach(client.endpoint, ACCOUNT, one, device, NOW)
