"""The kernel's side of a lab: namespaces, devices, settings, rulesets, by pyroute2 and nft.

Owns every call that changes something. Knows no network; what is to be there, `topology` says.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pyroute2 import IPRoute, NetlinkError, netns

from secgroup.errors import DataPlaneError
from secgroup.lab.names import NAMESPACES, is_of_lab
from secgroup.lab.topology import Link

#: How long what runs in a namespace may take to end, before it is killed.
_PATIENCE_S: Final = 2.0
_TABLE: Final = "inet secgroup"


def check_root() -> None:
    """Make sure that we may change namespaces.

    Raises
    ------
    DataPlaneError
        We may not.

    """
    if os.geteuid() != 0:
        raise DataPlaneError("lab", "namespaces", "only root may make them (expected root)")


def failed(subject: str, error: Exception) -> DataPlaneError:
    """Return what to tell of a call that the kernel refused."""
    text = error.args[1] if isinstance(error, NetlinkError) else str(error)
    return DataPlaneError("lab", subject, str(text))


# ---------------------------------------------------------------------------- namespaces


def namespaces(lab: str) -> list[str]:
    """Return the names of the lab's namespaces, whole or half-made."""
    if not NAMESPACES.is_dir():
        return []
    return sorted(each.name for each in NAMESPACES.iterdir() if is_of_lab(lab, each.name))


def is_whole(namespace: str) -> bool:
    """Tell whether a name leads to a namespace; one that was cut short is an empty file."""
    try:
        with inside(namespace):
            return True
    except OSError:
        return False


def make_namespace(namespace: str, settings: Mapping[str, str]) -> None:
    """Make a namespace whose loopback is up."""
    netns.create(namespace)
    apply_settings(namespace, settings)
    with netlink(namespace) as ip:
        ip.link("set", index=1, state="up")


def apply_settings(namespace: str, settings: Mapping[str, str]) -> None:
    """Write what stands below /proc/sys/net, where it is not so already.

    Raises
    ------
    DataPlaneError
        The kernel has no such setting, or it may not be written.

    """
    with inside(namespace):
        for name, value in settings.items():
            path = Path("/proc/sys/net", name)
            try:
                if path.read_text().strip() != value:
                    path.write_text(value)
            except OSError as error:
                raise DataPlaneError(
                    "lab", namespace, f"{path}: {error.strerror} (expected to write {value})"
                ) from None


def remove_namespace(namespace: str) -> None:
    """End what runs in a namespace, and remove it with all of its devices.

    Raises
    ------
    DataPlaneError
        Something in it does not end, or the kernel refused.

    """
    _end_processes(namespace)
    try:
        netns.remove(namespace)
    except FileNotFoundError:
        return
    except OSError as error:
        raise failed(namespace, error) from None


def processes(namespace: str) -> list[int]:
    """Return the processes that run in a namespace."""
    try:
        wanted = (NAMESPACES / namespace).stat()
    except FileNotFoundError:
        return []
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            try:
                own = (each / "ns/net").stat()
            except OSError:
                continue
            if (own.st_dev, own.st_ino) == (wanted.st_dev, wanted.st_ino):
                found.append(int(each.name))
    return found


def _end_processes(namespace: str) -> None:
    """End what runs in a namespace: asked first, killed then.

    Raises
    ------
    DataPlaneError
        A process does not end even so.

    """
    until = time.monotonic() + _PATIENCE_S
    number = signal.SIGTERM
    while running := [each for each in processes(namespace) if each != os.getpid()]:
        for pid in running:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        time.sleep(0.01)
        if time.monotonic() > until + _PATIENCE_S:
            raise DataPlaneError("lab", namespace, f"process {running[0]} does not end")
        if time.monotonic() > until:
            number = signal.SIGKILL


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Be in a namespace; only this thread is.

    Raises
    ------
    OSError
        It is not one.

    """
    fd = os.open(NAMESPACES / namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        netns.pushns()
        try:
            netns.setns(fd)
            yield
        finally:
            netns.popns()
    finally:
        os.close(fd)


@contextmanager
def netlink(namespace: str) -> Iterator[Any]:
    """Open rtnetlink in a namespace.

    Raises
    ------
    DataPlaneError
        The kernel refused what was asked of it.

    """
    try:
        with inside(namespace), IPRoute() as ip:
            yield ip
    except (OSError, NetlinkError) as error:
        raise failed(namespace, error) from None


# --------------------------------------------------------------------------------- links


def devices(ip: Any) -> dict[str, tuple[int, str, int, bool]]:
    """Return the devices of a namespace: index, label, MTU and whether it is up."""
    return {
        each.get_attr("IFLA_IFNAME"): (
            each["index"],
            each.get_attr("IFLA_IFALIAS") or "",
            each.get_attr("IFLA_MTU"),
            bool(each["flags"] & 1),
        )
        for each in ip.get_links()
        if each["index"] != 1
    }


def make_link(ip: Any, link: Link) -> None:
    """Make a link, down at both ends; `ip` is of its near end's namespace."""
    near, far = link.near, link.far
    fd = os.open(NAMESPACES / far.namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        ip.link(
            "add",
            kind="veth",
            ifname=near.device,
            address=near.mac.hex(":"),
            mtu=link.mtu,
            peer={
                "ifname": far.device,
                "address": far.mac.hex(":"),
                "mtu": link.mtu,
                "net_ns_fd": fd,
            },
        )
    finally:
        os.close(fd)
    mark(ip, near.device, link.label)


def mark(ip: Any, device: str, label: str) -> None:
    """Label a device, so that it is known again."""
    (index,) = ip.link_lookup(ifname=device)
    ip.link("set", index=index, ifalias=label)


# ------------------------------------------------------------------------------ rulesets


def load_ruleset(namespace: str, ruleset: str) -> None:
    """Put a ruleset in force in place of the one before, at once; translations stay.

    pyroute2 knows neither maps nor translations, so nft reads the text.

    Raises
    ------
    DataPlaneError
        There is no nft, or it refuses.

    """
    table = f"table {_TABLE} {{\n{ruleset}\n}}\n" if ruleset else ""
    text = f"table {_TABLE}\ndelete table {_TABLE}\n{table}"
    try:
        with inside(namespace):
            done = subprocess.run(
                ["nft", "-f", "-"], input=text, capture_output=True, text=True, check=False
            )
    except FileNotFoundError:
        raise DataPlaneError(
            "lab", "nft", "not found (expected the program of the package nftables)"
        ) from None
    if done.returncode != 0:
        said = re.sub(r"\s+", " ", done.stderr.strip())
        raise DataPlaneError("lab", namespace, f"nft refuses its ruleset: {said}")
