"""Devices: which network device of this machine is which interface. None of EC2's nouns.

Owns what is kept of them and what may be asked, and how a plane that stands before devices
follows. One interface has one device, and one device is one interface.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from secgroup.control.endpoint import Caller, Endpoint, Operation
from secgroup.control.state import Changed, Resource, State, World
from secgroup.dataplane.base import Device, Devices
from secgroup.errors import Ec2Error, InputError

KIND: Final = "Device"
#: What the kernel takes for the name of a device (net/core/dev.c, dev_valid_name).
_NAME: Final = re.compile(r"(?!\.{1,2}$)[^\s/:\x00]{1,15}")
#: A name under /run/netns, or the path of a file.
_NETNS: Final = re.compile(r"(?!\.{1,2}$)[^\s/\x00]{1,255}|/[^\x00]{1,4000}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """An interface with its device, and how that is doing; None where no plane says."""

    interface_id: str
    device: Device
    state: str | None
    group_ids: tuple[str, ...]


def checked_device(device: Device) -> Device:
    """Return a device whose words can be a device's.

    Raises
    ------
    InputError
        They cannot.

    """
    if not _NAME.fullmatch(device.name):
        raise InputError(f"{device.name!r} is no name of a network device", path="device")
    if device.netns is not None and not _NETNS.fullmatch(device.netns):
        raise InputError(
            f"{device.netns!r} is neither a name nor a path of a network namespace", path="netns"
        )
    return device


def attach(
    endpoint: Endpoint, account_id: str, interface_id: str, device: Device, now: datetime
) -> None:
    """Make a device an interface's.

    Raises
    ------
    InputError
        The account has no such interface, it has another device, or the device is another's.
    DataPlaneError
        The plane cannot come before it.

    """
    checked_device(device)

    def operation(world: World, request: Resource) -> Mapping[str, object]:  # noqa: ARG001
        there = world.get(KIND, interface_id)
        if there is not None and not _same_place(_device_of(there), device):
            raise InputError(f"it has the device {_device_of(there)}", source=interface_id)
        for row in world.state.rows(KIND):
            if row.resource_id != interface_id and _same_place(_device_of(row.resource), device):
                raise InputError(f"is the device of {row.resource_id}", source=str(device))
        world.put(KIND, _resource(interface_id, device))
        return {}

    _call(endpoint, "AttachDevice", account_id, interface_id, operation, now)


def detach(
    endpoint: Endpoint, plane: Devices, account_id: str, interface_id: str, now: datetime
) -> None:
    """Take an interface's device away, also one that only the plane knows of.

    Raises
    ------
    InputError
        It has none, or is another account's.

    """
    if endpoint.state.find(KIND, interface_id) is None and interface_id in plane.device_states():
        row = endpoint.state.find("NetworkInterface", interface_id)
        if row is None or row.account_id == account_id:
            plane.prepare_devices({interface_id: None})
            plane.commit_devices()
            return

    def operation(world: World, request: Resource) -> Mapping[str, object]:  # noqa: ARG001
        if world.get(KIND, interface_id) is None:
            raise InputError("has no device", source=interface_id)
        world.delete(KIND, interface_id)
        return {}

    _call(endpoint, "DetachDevice", account_id, interface_id, operation, now)


def attached(endpoint: Endpoint, account_id: str, states: Mapping[str, str]) -> list[Attached]:
    """Return the devices of an account's interfaces, in the order of their making."""
    rows = [row for row in endpoint.state.rows(KIND) if row.account_id == account_id]
    found = []
    for row in sorted(rows, key=lambda row: row.sequence):
        interface = endpoint.state.find("NetworkInterface", row.resource_id)
        groups = () if interface is None else interface.resource["Groups"]
        found.append(
            Attached(
                interface_id=row.resource_id,
                device=_device_of(row.resource),
                state=states.get(row.resource_id),
                group_ids=tuple(each["GroupId"] for each in groups),
            )
        )
    return found


def _call(
    endpoint: Endpoint,
    name: str,
    account_id: str,
    interface_id: str,
    operation: Operation,
    now: datetime,
) -> None:
    """Do something with an interface's device in the region that the interface is in."""
    # A device outlives its interface: it lets nothing through until it is taken away.
    row = endpoint.state.find("NetworkInterface", interface_id)
    row = row if row is not None else endpoint.state.find(KIND, interface_id)
    if row is None or row.account_id != account_id:
        raise InputError(f"is no interface of {account_id}", source=interface_id)
    caller = Caller(account_id=row.account_id, region=row.region)
    try:
        endpoint.call(name, operation, caller, {}, now)
    except Ec2Error as error:
        raise InputError(str(error), source=interface_id) from error


def _same_place(one: Device, other: Device) -> bool:
    return (one.name, one.netns) == (other.name, other.netns)


def _resource(interface_id: str, device: Device) -> Resource:
    return {
        "NetworkInterfaceId": interface_id,
        "Device": device.name,
        "Netns": device.netns,
        "MacAddress": None if device.mac is None else device.mac.hex(":"),
        "Live": device.is_live,
    }


def _device_of(resource: Resource) -> Device:
    mac = resource["MacAddress"]
    return Device(
        name=resource["Device"],
        netns=resource["Netns"],
        mac=None if mac is None else bytes.fromhex(mac.replace(":", "")),
        is_live=resource["Live"],
    )


class DeviceFollower:
    """Lets a plane stand before the devices that the state has; see `Follower`.

    Parameters
    ----------
    plane : Devices

    """

    def __init__(self, plane: Devices) -> None:
        self._plane = plane

    def prepare(self, state: State, changes: Collection[Changed], /) -> None:  # noqa: ARG002
        """Let the plane come before new devices.

        Raises
        ------
        DataPlaneError
            It cannot.

        """
        self._plane.prepare_devices(
            {
                row.resource_id: None if each.after is None else _device_of(each.after.resource)
                for each in changes
                if (row := each.after or each.before) is not None and row.kind == KIND
            }
        )

    def commit(self) -> None:
        """Let it leave the devices that are gone from the state."""
        self._plane.commit_devices()

    def abandon(self) -> None:
        """Let it leave those that it has come before."""
        self._plane.abandon_devices()


def devices_of(state: State) -> dict[str, Device]:
    """Return the devices that a state has, by interface id."""
    return {row.resource_id: _device_of(row.resource) for row in state.rows(KIND)}
