"""What is written down of a lab below /run: who is where, and the files of its namespaces.

It says nothing that a new `up` needs, which goes by names alone.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from secgroup.errors import DataPlaneError, InputError
from secgroup.lab.names import FOLDER, INTERNET, device_of, folder_of
from secgroup.lab.topology import Place, Standing, Topology

_SCHEMA: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A lab as it was brought up: of which network (the digest of what it says), and who is where.

    `is_whole` is False while it is being built.
    """

    lab: str
    network: str
    is_whole: bool
    places: tuple[Place, ...]


@contextmanager
def alone(lab: str) -> Iterator[None]:
    """Be the only one who changes a lab.

    Raises
    ------
    DataPlaneError
        Somebody else does.

    """
    FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    lock = FOLDER / f"lab-{lab}.lock"
    fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataPlaneError("lab", lab, "somebody else is changing it now") from None
        yield
    finally:
        os.close(fd)


def keep(topology: Topology, *, network: str, is_whole: bool) -> None:
    """Write a lab down."""
    folder = folder_of(topology.lab)
    for vpc_id, files in topology.files.items():
        below = etc_of(topology.lab, vpc_id)
        below.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            # In place: what has been mounted over /etc is this file.
            (below / name).write_text(text)
    value = {
        "schema": _SCHEMA,
        "lab": topology.lab,
        "network": network,
        "is_whole": is_whole,
        "places": [asdict(place) for place in topology.places],
    }
    beside = folder / "lab.json.new"
    beside.write_text(json.dumps(value))
    beside.rename(folder / "lab.json")


def read(lab: str) -> Kept:
    """Return what was written of a lab.

    Raises
    ------
    InputError
        There is no such lab.

    """
    path = folder_of(lab) / "lab.json"
    try:
        value = json.loads(path.read_text())
        if value["schema"] != _SCHEMA:
            raise ValueError
        return Kept(
            lab=lab,
            network=value["network"],
            is_whole=value["is_whole"],
            places=tuple(map(_place, value["places"])),
        )
    except FileNotFoundError:
        raise InputError(
            f"no lab {lab!r} (expected one that `secgroup lab up` has made)", source="--name"
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            "cannot be read: `secgroup lab up` writes it anew", source=str(path)
        ) from None


def forget(lab: str) -> None:
    """Remove what was written of a lab."""
    shutil.rmtree(folder_of(lab), ignore_errors=True)
    (FOLDER / f"lab-{lab}.lock").unlink(missing_ok=True)


def etc_of(lab: str, vpc_id: str | None) -> Path:
    """Return the folder of the files that stand for those of /etc, in a VPC or on the internet."""
    return folder_of(lab) / "etc" / (INTERNET if vpc_id is None else device_of(vpc_id))


def _place(value: Mapping[str, Any]) -> Place:
    return Place(
        namespace=value["namespace"],
        names=tuple(value["names"]),
        vpc_id=value["vpc_id"],
        interfaces=tuple(map(_standing, value["interfaces"])),
    )


def _standing(value: dict[str, Any]) -> Standing:
    for name in ("addresses", "public", "group_ids"):
        value[name] = tuple(value[name])
    return Standing(**value)
