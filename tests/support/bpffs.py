"""Folders of pins for tests, gone at their end."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from secgroup.dataplane.bpf.pins import BPFFS, mount_if_need_be

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
