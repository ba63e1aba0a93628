"""The system calls that Python has no words for, through the C library.

Network namespaces of a thread, mounting, and waiting for packets under way. It knows nothing of
BPF.
"""

import ctypes
import os
import platform
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from secgroup.errors import DataPlaneError

T = TypeVar("T")

_CLONE_NEWNET: Final = 0x40000000
_MEMBARRIER: Final = {"x86_64": 324, "aarch64": 283}
_MEMBARRIER_CMD_GLOBAL: Final = 1
_C: Final = ctypes.CDLL(None, use_errno=True)


def _check(result: int, subject: str) -> None:
    if result < 0:
        raise DataPlaneError("bpf", subject, os.strerror(ctypes.get_errno()))


def grace() -> None:
    """Return when every packet that was being decided has been.

    A system-wide memory barrier waits for all readers of the kernel's RCU, as programs are.

    Raises
    ------
    DataPlaneError
        The kernel has no membarrier, or processors that it never interrupts (nohz_full).

    """
    number = _MEMBARRIER.get(platform.machine())
    if number is None:
        raise DataPlaneError("bpf", "membarrier", f"not known on {platform.machine()}")
    if _C.syscall(ctypes.c_long(number), _MEMBARRIER_CMD_GLOBAL, 0, 0) < 0:
        cause = "needs a kernel with CONFIG_MEMBARRIER, started without nohz_full"
        raise DataPlaneError("bpf", "membarrier", cause)


def mount_bpffs(path: Path) -> None:
    """Mount a bpffs.

    Raises
    ------
    DataPlaneError
        The kernel has none, or does not permit it.

    """
    _check(_C.mount(b"bpf", os.fsencode(path), b"bpf", 0, None), f"mounting a bpffs at {path}")


def in_namespace(netns: Path | None, work: Callable[[], T]) -> T:
    """Return what `work` returns in another network namespace; the process stays where it is.

    Parameters
    ----------
    netns : Path, optional
        A file that stands for it (`/run/netns/NAME`, `/proc/PID/ns/net`); None is the thread's own.
    work : callable
        Run in a thread of its own that ends with it.

    Raises
    ------
    DataPlaneError
        There is no such namespace, or it may not be entered; and what `work` raises.

    """

    def enter() -> None:
        assert netns is not None
        try:
            # Whatever file is named: a pipe without a writer must not hold us.
            fd = os.open(netns, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise DataPlaneError("bpf", f"network namespace {netns}", str(error.strerror)) from None
        try:
            _check(_C.setns(fd, _CLONE_NEWNET), f"network namespace {netns}")
        finally:
            os.close(fd)

    return work() if netns is None else _in_thread(enter, work)


def in_new_namespace(work: Callable[[], T]) -> T:
    """Return what `work` returns in a network namespace of its own, which ends with it.

    Raises
    ------
    DataPlaneError
        It may not be made; and what `work` raises.

    """
    return _in_thread(
        lambda: _check(_C.unshare(_CLONE_NEWNET), "a network namespace to try things in"), work
    )


def _in_thread(enter: Callable[[], None], work: Callable[[], T]) -> T:
    results: list[T] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            enter()
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
