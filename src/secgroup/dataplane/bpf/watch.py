"""`Watch`: wakes whoever waits when a network device comes, goes or changes, in any namespace.

Owns the sockets of rtnetlink, one for each namespace that is watched. What has changed it does not
tell: whoever is woken looks at everything anyway, because messages can be lost.
"""

import os
import select
import socket
from collections.abc import Collection
from pathlib import Path
from typing import Final

from secgroup.dataplane.bpf.libc import in_namespace
from secgroup.errors import DataPlaneError

#: linux/rtnetlink.h.
_RTMGRP_LINK: Final = 1
_MESSAGE_BYTES: Final = 1 << 16


class Watch:
    """The namespaces that are watched, and what else may wake."""

    def __init__(self) -> None:
        self._sockets: dict[Path | None, tuple[int, socket.socket]] = {}
        self._poll = select.poll()
        self._bell, self._rope = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._poll.register(self._bell, select.POLLIN)

    def also(self, fd: int) -> None:
        """Be woken by another descriptor that has something to read."""
        self._poll.register(fd, select.POLLIN)

    def follow(self, namespaces: Collection[Path | None]) -> None:
        """Watch these namespaces; one whose file stands for another one now is watched anew."""
        for netns in list(self._sockets):
            if netns not in namespaces or _number(netns) != self._sockets[netns][0]:
                self._forget(netns)
        for netns in namespaces:
            number = _number(netns)
            if netns in self._sockets or number is None:
                continue
            try:
                found = in_namespace(netns, _listening)
            except (DataPlaneError, OSError):
                # It went between the two; the next time it is another one, or none.
                continue
            self._sockets[netns] = number, found
            self._poll.register(found, select.POLLIN)

    def _forget(self, netns: Path | None) -> None:
        _, found = self._sockets.pop(netns)
        self._poll.unregister(found)
        found.close()

    def wait(self, seconds: float) -> bool:
        """Return when something has changed, somebody rings, or another descriptor can be read.

        Or after a while. True: a device has changed, or somebody rang.
        """
        woken = {fd for fd, _ in self._poll.poll(seconds * 1000)}
        if self._bell in woken:
            os.read(self._bell, _MESSAGE_BYTES)
        changed = [each for _, each in self._sockets.values() if each.fileno() in woken]
        for each in changed:
            _empty(each)
        return bool(changed) or self._bell in woken

    def ring(self) -> None:
        """Wake whoever waits; from any thread."""
        try:
            os.write(self._rope, b"!")
        except BlockingIOError:
            return

    def close(self) -> None:
        """Watch nothing more."""
        for netns in list(self._sockets):
            self._forget(netns)
        os.close(self._bell)
        os.close(self._rope)


def _number(netns: Path | None) -> int | None:
    """Return the number of a namespace; None where the file stands for none."""
    try:
        return (Path("/proc/self/ns/net") if netns is None else netns).stat().st_ino
    except OSError:
        return None


def _listening() -> socket.socket:
    found = socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
    )
    found.bind((0, _RTMGRP_LINK))
    return found


def _empty(found: socket.socket) -> None:
    """Read what has come; that some was lost (ENOBUFS) is one more reason to look."""
    while True:
        try:
            found.recv(_MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            continue
