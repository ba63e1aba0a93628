"""Running a command in a namespace of a lab, as its own program with its own terminal.

The command sees its namespace's devices below /sys, and the lab's hosts and resolver in /etc; the
host's files stay as they are, because the mounts are the command's alone.
"""

import ctypes
import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from pyroute2 import netns

from secgroup.errors import DataPlaneError
from secgroup.lab.kept import etc_of
from secgroup.lab.names import NAMESPACES
from secgroup.lab.topology import Place

#: Exit codes of a command that could not be run (POSIX, shell command language, 2.8.2).
CANNOT_RUN: Final = 126
NOT_FOUND: Final = 127

_CLONE_NEWNS: Final = 0x00020000
_MS_REC, _MS_SLAVE, _MS_BIND = 0x4000, 0x80000, 0x1000
_MNT_DETACH: Final = 2


def run(lab: str, place: Place, command: Sequence[str]) -> NoReturn:
    """Become the command, inside of a namespace of the lab.

    Raises
    ------
    DataPlaneError
        The namespace is not there, or we are not root.
    OSError
        The command cannot be run.

    """
    try:
        fd = os.open(NAMESPACES / place.namespace, os.O_RDONLY | os.O_CLOEXEC)
        netns.setns(fd)
        _unshare_mounts()
    except OSError as error:
        raise DataPlaneError(
            "lab", place.namespace, f"cannot be entered: {os.strerror(error.errno or 0)}"
        ) from None
    for name in ("hosts", "resolv.conf"):
        _cover(Path("/etc", name), etc_of(lab, place.vpc_id) / name)
    os.execvp(command[0], list(command))


def exit_code(error: OSError) -> int:
    """Return how a shell tells that a command could not be run."""
    return NOT_FOUND if error.errno == errno.ENOENT else CANNOT_RUN


def _unshare_mounts() -> None:
    libc = ctypes.CDLL(None, use_errno=True)

    def call(name: str, *arguments: object) -> None:
        if getattr(libc, name)(*arguments) != 0:
            raise OSError(ctypes.get_errno(), name)

    call("unshare", _CLONE_NEWNS)
    call("mount", b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_SLAVE), None)
    # /sys shows the devices of the namespace that it was mounted in.
    libc.umount2(b"/sys", _MNT_DETACH)
    call("mount", b"secgroup", b"/sys", b"sysfs", ctypes.c_ulong(0), None)


def _cover(path: Path, file: Path) -> None:
    """Let a file stand for another one, if that exists, in our mounts alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if path.exists() and file.exists():
        target = os.fsencode(path.resolve())
        libc.mount(os.fsencode(file), target, None, ctypes.c_ulong(_MS_BIND), None)
