"""Compiles the benchmarks' own programs, which are not shipped."""

import platform
import subprocess
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_SHARED = _HERE.parent.parent / "src" / "secgroup" / "dataplane" / "bpf" / "src"


def built(name: str) -> bytes:
    """Return the object of a C file of this folder, compiled as the shipped one is.

    Raises
    ------
    subprocess.CalledProcessError
        It does not compile; the compiler has said why.
    FileNotFoundError
        There is no clang.

    """
    command = ["clang", "-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Wextra", "-Werror"]
    command += ["-Wno-unused-parameter", f"-I/usr/include/{platform.machine()}-linux-gnu"]
    command += [f"-I{_SHARED}", "-c", str(_HERE / name), "-o", "-"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
