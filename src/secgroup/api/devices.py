"""`/_secgroup/devices`: which device of this machine each interface has, on the wire.

Owns the names of members in JSON, both ways; what is kept and asked of a plane is `control`'s.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from secgroup.control.devices import Attached, attach, attached, detach
from secgroup.control.endpoint import Endpoint
from secgroup.dataplane.base import Device, Devices
from secgroup.errors import InputError
from secgroup.net.address import parse_mac

PATH: Final = "/_secgroup/devices"
_TEXTS: Final = ("interface_id", "device", "netns", "mac")


def answer(
    endpoint: Endpoint, plane: Devices, method: str, account_id: str, body: bytes, now: datetime
) -> tuple[str, bytes]:
    """List the devices of an account, or give an interface one, or take it away.

    Returns
    -------
    (str, bytes)
        The media type and the answer: the devices that there are now.

    Raises
    ------
    InputError
        The body is no device, or the state refuses it.
    DataPlaneError
        The plane cannot come before it.

    """
    if method != "GET":
        asked = _object(body)
        interface_id = asked.get("interface_id")
        if interface_id is None:
            raise InputError("is missing", source="body", path="interface_id")
        if method == "POST":
            attach(endpoint, account_id, interface_id, _device(asked), now)
        else:
            detach(endpoint, plane, account_id, interface_id, now)
    found = [_told(each) for each in attached(endpoint, account_id, plane.device_states())]
    return "application/json", json.dumps({"devices": found}).encode() + b"\n"


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise InputError("not JSON", source="body") from None
    if not isinstance(value, dict):
        raise InputError('expected {"interface_id": ...}', source="body")
    for name, each in value.items():
        if name not in (*_TEXTS, "live"):
            raise InputError(f"expected {', '.join(_TEXTS)}, live", source="body", path=name)
        if not isinstance(each, bool if name == "live" else str):
            expected = "true or false" if name == "live" else "text"
            raise InputError(f"expected {expected}", source="body", path=name)
        # JSON can spell halves of UTF-16 pairs, which neither the kernel nor an answer can.
        if isinstance(each, str) and not each.isprintable():
            raise InputError("expected printable text", source="body", path=name)
    return value


def _device(asked: Mapping[str, Any]) -> Device:
    if "device" not in asked:
        raise InputError("is missing", source="body", path="device")
    return Device(
        name=asked["device"],
        netns=asked.get("netns"),
        mac=None if "mac" not in asked else parse_mac(asked["mac"]),
        is_live=asked.get("live", False),
    )


def _told(each: Attached) -> dict[str, Any]:
    return {
        "interface_id": each.interface_id,
        "device": each.device.name,
        "netns": each.device.netns,
        "mac": None if each.device.mac is None else each.device.mac.hex(":"),
        "state": each.state,
        "group_ids": each.group_ids,
    }
