"""Compiles the benchmarks' own programs, which are not shipped."""

from pathlib import Path

from tests.support.bpf import compiled

_HERE = Path(__file__).resolve().parent
_SHARED = _HERE.parent.parent / "src" / "secgroup" / "dataplane" / "bpf" / "src"


def built(name: str) -> bytes:
    """Return the object of a C file of this folder; see `compiled`."""
    return compiled(_HERE / name, "-Wno-unused-parameter", f"-I{_SHARED}")
