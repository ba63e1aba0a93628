"""What a lab's namespaces, devices and folders are called, so that they are recognised by name.

Nothing else says what belongs to a lab: one that was left half-built is found as a whole one is.
"""

import re
from hashlib import sha256
from pathlib import Path
from typing import Final

from secgroup.errors import InputError

#: Where the state of labs stands; it is gone with the host's next start, as the labs are.
FOLDER: Final = Path("/run/secgroup")
#: Where iproute2 keeps namespaces that have a name.
NAMESPACES: Final = Path("/run/netns")
#: Where labs are pinned: beside the plane of this host, which knows nothing of them.
_PINS: Final = Path("/sys/fs/bpf")
INTERNET: Final = "internet"

#: The longest name of a device (IFNAMSIZ - 1).
_DEVICE_LENGTH: Final = 15
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
#: Without a hyphen, so that no lab's prefix begins another's.
_LAB: Final = re.compile(r"[A-Za-z0-9_]{1,32}")


def checked_lab(name: str) -> str:
    """Return the name of a lab, if it may be one.

    Raises
    ------
    InputError
        It may not.

    """
    if not _LAB.fullmatch(name):
        raise InputError(f"{name!r} (expected up to 32 letters, digits and _)", source="--name")
    return name


def host_namespace(lab: str, owner: str) -> str:
    """Return the namespace of an instance, or of an interface that has none."""
    return f"secgroup-{lab}-{_plain(owner, 200)}"


def router_namespace(lab: str, vpc_id: str) -> str:
    """Return the namespace of a VPC's router."""
    name = _hashed(vpc_id, 200) if vpc_id == INTERNET else _plain(vpc_id, 200)
    return f"secgroup-{lab}.{name}"


def internet_namespace(lab: str) -> str:
    """Return the namespace that is the internet."""
    return f"secgroup-{lab}.{INTERNET}"


def is_of_lab(lab: str, namespace: str) -> bool:
    """Tell whether a namespace of this name is a part of the lab."""
    return namespace.startswith((f"secgroup-{lab}-", f"secgroup-{lab}."))


def folder_of(lab: str) -> Path:
    """Return where a lab's state stands."""
    return FOLDER / f"lab-{lab}"


def pins_of(lab: str) -> Path:
    """Return where a lab's plane is pinned."""
    return _PINS / f"secgroup-lab-{lab}"


def device_of(resource_id: str) -> str:
    """Return the router's device for an interface, a peering connection: the id if it may be."""
    if resource_id in ("all", "default", "lo", INTERNET):
        return _hashed(resource_id, _DEVICE_LENGTH)
    return _plain(resource_id, _DEVICE_LENGTH)


def _plain(text: str, length: int) -> str:
    if _PLAIN.fullmatch(text) and len(text) <= length:
        return text
    return _hashed(text, length)


def _hashed(text: str, length: int) -> str:
    """Return the beginning of a text and, by a digest, all of it."""
    digest = sha256(text.encode()).hexdigest()[:8]
    beginning = re.sub("[^A-Za-z0-9_]", "_", text)[: length - 9]
    return f"{beginning}-{digest}"
