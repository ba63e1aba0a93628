"""Which of the two decides a replay, the engine or the definition, and the engine's making.

Owns the choice and what is said about it: their answers are the same. Where compiled code is kept
is chosen here, how, `engine.cache` knows.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from secgroup.errors import InputError

if TYPE_CHECKING:
    from secgroup.model.network import Network

#: A file below this is decided by the definition in about a second: some 10,000 packets.
SMALL_BYTES: Final = 1 << 20
#: The same for one that is packed.
SMALL_PACKED_BYTES: Final = 1 << 18

_GZIP: Final = b"\x1f\x8b"


def takes_engine(
    asked: str,
    networks: "Iterable[tuple[str, Network]]",
    capture: str,
    *,
    needs_engine: bool,
) -> bool:
    """Tell whether the engine decides; say so where it was to and cannot.

    Parameters
    ----------
    asked : str
        `compiled`, `reference` or `auto`.
    networks
        All that will be in force, each with what an error calls it.
    capture : str
        Its name; `-` is standard input.
    needs_engine : bool
        Only the engine writes what is wanted.

    Raises
    ------
    InputError
        The engine was asked for, or is needed, and cannot decide.

    """
    if asked == "reference":
        return False
    is_needed = needs_engine or asked == "compiled"
    if not is_needed and is_small(capture):
        return False
    try:
        _require(networks)
    except InputError as problem:
        if is_needed:
            raise
        click.echo(f"secgroup: {problem}; decided by the definition", err=True)
        return False
    return True


def is_small(capture: str) -> bool:
    """Tell whether the definition is done with a file before the engine would have begun."""
    path = Path(capture)
    try:
        if capture == "-" or not path.is_file():
            return False
        with path.open("rb") as stream:
            is_packed = stream.read(2) == _GZIP
        return path.stat().st_size < (SMALL_PACKED_BYTES if is_packed else SMALL_BYTES)
    except (OSError, ValueError):
        return False


def _require(networks: "Iterable[tuple[str, Network]]") -> None:
    """Refuse what the engine cannot do here.

    Raises
    ------
    InputError
        Numba is missing, or a network has more rules than it has room for.

    """
    try:
        import secgroup.engine.kernels  # noqa: F401
    except ImportError as problem:
        raise InputError(f"Numba cannot be loaded: {problem}") from None
    from secgroup.engine.limits import check_limits

    for source, network in networks:
        try:
            check_limits(network)
        except InputError as error:
            raise InputError(error.problem, source=source) from None


def prepare() -> None:
    """Find the compiled code of this machine; what it lacks is compiled, and that is said.

    Where nothing can be kept, all is compiled for this run.
    """
    from secgroup.cli.interrupt import check
    from secgroup.cli.progress import Compiling
    from secgroup.engine.cache import is_keeping, keep_kernels

    if is_keeping():
        return
    root = (
        Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "secgroup" / "kernels"
    )
    compiling = Compiling()

    def watch(compiled: int, at_most: int) -> None:
        check()
        compiling(compiled, at_most)

    if keep_kernels(root, watch) is None:
        click.echo(f"secgroup: compiling for this run: {root} cannot be written", err=True)
