"""Network devices of this host, in whatever namespace: which there are, and what each is.

It knows no program and no interface.
"""

import fcntl
import socket
import struct
from collections.abc import Collection
from pathlib import Path
from typing import Final

from secgroup.errors import DataPlaneError

_SIOCGIFFLAGS: Final = 0x8913
_SIOCGIFHWADDR: Final = 0x8927
_IFF_UP: Final = 1
_ARPHRD_ETHER: Final = 1
_NAMED_NAMESPACES: Final = Path("/run/netns")


def examine(device: str) -> tuple[int, bool]:
    """Return the number of a device of the thread's namespace, and whether it is up.

    Raises
    ------
    DataPlaneError
        There is no such device, or it carries no Ethernet frames.

    """
    request = struct.pack("16s24x", device.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            ifindex = socket.if_nametoindex(device)
            (flags,) = struct.unpack_from("<h", fcntl.ioctl(asked, _SIOCGIFFLAGS, request), 16)
            (kind,) = struct.unpack_from("<H", fcntl.ioctl(asked, _SIOCGIFHWADDR, request), 16)
        except OSError:
            raise DataPlaneError(
                "bpf", f"device {device}", "is not in this network namespace"
            ) from None
    if kind != _ARPHRD_ETHER:
        raise DataPlaneError("bpf", f"device {device}", f"is not Ethernet but of type {kind}")
    return ifindex, bool(flags & _IFF_UP)


def namespaces() -> Collection[Path | None]:
    """Return a file for each network namespace that a name or a process leads to."""
    own = Path("/proc/self/ns/net").stat().st_ino
    found: dict[int, Path | None] = {own: None}
    named = sorted(_NAMED_NAMESPACES.iterdir()) if _NAMED_NAMESPACES.is_dir() else []
    for path in [*named, *Path("/proc").glob("[0-9]*/ns/net")]:
        try:
            found.setdefault(path.stat().st_ino, path)
        except OSError:
            # The process has ended.
            continue
    return found.values()
