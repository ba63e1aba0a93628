"""Where compiled kernels are kept between runs, so that nobody waits for a compiler twice.

The library keeps nothing; a program asks for it. A folder belongs to one state of what kernels
are made of, because Numba itself does not notice every edit.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from shutil import rmtree
from sys import modules
from tempfile import TemporaryFile
from typing import Final

_SOURCES: Final = Path(__file__).parent.parent
_IMPORT: Final = re.compile(
    r"^[ \t]*(?:from\s+(secgroup[\w.]*)\s+import\s+(\([^)]*\)|[^\n]*)|import\s+(secgroup[\w.]*))",
    re.MULTILINE,
)
#: Folders of other sources that are left: of a checkout beside, or of the release before.
_OTHERS: Final = 3


def sources(root: Path = _SOURCES) -> frozenset[Path]:
    """Return every file of a package that compiled code may depend on.

    Those are the kernels and what they import, and so on: numbers and dtypes from elsewhere are
    compiled into them.
    """
    found: set[Path] = set()
    waiting = sorted((root / "engine" / "kernels").glob("*.py"))
    while waiting:
        path = waiting.pop()
        if path not in found and path.is_file():
            found.add(path)
            waiting += _imported(path, root)
    return frozenset(found)


def _imported(path: Path, root: Path) -> Iterator[Path]:
    """Yield what a module imports of its package, whether these files are there or not."""
    for module, names, plain in _IMPORT.findall(path.read_text(encoding="utf-8")):
        parts = (module or plain).split(".")[1:]
        for name in ((), *((each,) for each in re.findall(r"\w+", names))):
            imported = root.joinpath(*parts, *name)
            yield imported.with_suffix(".py")
            yield imported / "__init__.py"


@cache
def kernels_digest() -> str:
    """Return what tells these kernels, Python, NumPy, Numba and processor from all others."""
    from secgroup.engine.kernels import machine

    versions = (python_version(), *(version(each) for each in ("numpy", "numba", "llvmlite")))
    digest = sha256(" ".join((*versions, machine())).encode())
    for path in sorted(sources()):
        digest.update(path.relative_to(_SOURCES).as_posix().encode())
        digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:32]


def keep_kernels(root: Path, watch: Callable[[int, int], None] | None = None) -> Path | None:
    """Keep compiled kernels under a per-user folder, and use those that are there.

    Parameters
    ----------
    root : Path
        The folder of all versions; it is made if it can be. Only the newest stay in it.
    watch : callable, optional
        Is told whenever something has to be compiled: how many kernels have been, first 0, and
        how many there are at most.

    Returns
    -------
    Path or None
        The folder of these kernels; None when nothing can be written there or others may write
        there too, and nothing is kept.

    """
    folder = root / kernels_digest()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o022:
            return None
        with TemporaryFile(dir=folder):
            pass
        folder.touch()
    except OSError:
        return None
    from secgroup.engine.kernels import keep_compiled

    keep_compiled(str(folder), watch)
    _clear(folder)
    return folder


def _clear(newest: Path) -> None:
    """Remove all but the newest folders; whoever still uses one compiles again, and no more."""
    dated: list[tuple[float, Path]] = []
    for each in newest.parent.iterdir():
        if re.fullmatch(r"[0-9a-f]{32}", each.name) and each != newest:
            with suppress(OSError):
                dated.append((each.stat().st_mtime, each))
    for _, each in sorted(dated, reverse=True)[_OTHERS:]:
        rmtree(each, ignore_errors=True)


def is_keeping() -> bool:
    """Tell whether this process keeps what it compiles."""
    kernels = modules.get("secgroup.engine.kernels")
    return kernels is not None and bool(kernels.is_kept())
