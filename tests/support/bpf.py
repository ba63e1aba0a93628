"""Small programs and maps for tests of the kernel plane, and folders of pins that end with them."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np

from secgroup.dataplane.bpf import libbpf
from secgroup.dataplane.bpf.libbpf import Descriptor
from secgroup.dataplane.bpf.pins import BPFFS, mount_if_need_be

#: Room enough for a test, and fast to make.
SMALL = {"connections": 1024, "fragments": 256, "untallied": 256, "ended": 1 << 16}

_numbers = count()


@contextmanager
def pin_root() -> Iterator[Path]:
    """Yield a place in a bpffs that does not exist yet, nobody else's."""
    mount_if_need_be()
    root = BPFFS / f"secgroup-test-{os.getpid()}-{next(_numbers)}"
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def instructions(*rows: tuple[int, int, int, int]) -> libbpf.Rows:
    """Return instructions: (code, registers, offset, immediate)."""
    return np.array(list(rows), dtype=libbpf.INSTRUCTION)


def answering(answer: int, name: str = "answering") -> Descriptor:
    """Return a program that answers the same to every packet."""
    return libbpf.load_program(name, instructions((0xB7, 0, 0, answer), (0x95, 0, 0, 0)))


def compiled(source: Path, *flags: str) -> bytes:
    """Return the object of a C file, compiled as the shipped one is.

    Raises
    ------
    subprocess.CalledProcessError
        It does not compile; the compiler has said why.
    FileNotFoundError
        There is no clang.

    """
    command = ["clang", "-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Wextra", "-Werror"]
    command += [f"-I/usr/include/{platform.machine()}-linux-gnu", *flags]
    command += ["-c", str(source), "-o", "-"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def numbered(count: int, dtype: "np.dtype") -> libbpf.Rows:
    """Return rows that differ in their first four bytes: 1, 2, ..."""
    rows = np.zeros(count, dtype)
    rows.view("u1").reshape(count, dtype.itemsize)[:, :4] = (
        np.arange(1, count + 1, dtype="<u4").view("u1").reshape(count, 4)
    )
    return rows
