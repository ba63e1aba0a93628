"""Where compiled kernels are kept between runs, so that nobody waits for a compiler twice.

The library keeps nothing; a program asks for it. A folder belongs to one state of the sources
and of the compiler, because Numba itself does not notice every edit.
"""

from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from sys import modules
from tempfile import TemporaryFile


@cache
def sources_digest() -> str:
    """Return what tells these sources, Python, NumPy and Numba from all others."""
    versions = (python_version(), *(version(each) for each in ("numpy", "numba", "llvmlite")))
    digest = sha256(" ".join(versions).encode())
    root = Path(__file__).parent.parent
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:32]


def keep_kernels(root: Path) -> Path | None:
    """Keep compiled kernels under a per-user folder, and use those that are there.

    Parameters
    ----------
    root : Path
        The folder of all versions; it is made if it can be.

    Returns
    -------
    Path or None
        The folder of these sources; None when nothing can be written there, and nothing is kept.

    """
    folder = root / sources_digest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError:
        return None
    from secgroup.engine.kernels import keep_compiled

    keep_compiled(str(folder))
    return folder


def is_compiled(root: Path) -> bool:
    """Tell whether kernels of these sources have been kept; if not, the first run compiles."""
    return any((root / sources_digest()).glob("**/*.nbi"))


def is_keeping() -> bool:
    """Tell whether this process keeps what it compiles."""
    kernels = modules.get("secgroup.engine.kernels")
    return kernels is not None and bool(kernels._is_kept)
