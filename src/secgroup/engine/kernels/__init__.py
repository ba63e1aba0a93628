"""`kernel`, `inlined`: how kernels are compiled. The modules beside it hold them alone."""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import numba

_F = TypeVar("_F", bound=Callable[..., Any])

#: Every kernel of the modules that have been imported.
KERNELS: list[Any] = []
_config: Any = numba.config
#: Makes a kernel take its code from where it is kept, and put it there.
_keep: Callable[[Any], None] | None = None


def kernel(function: _F) -> _F:
    """Compile `function`; with `inlined` the one place where Numba's options are chosen.

    Without Numba's run-time (`_nrt`) arrays are not reference counted: kernels only borrow
    theirs, and counting each array of a `Tables` costs hundreds of nanoseconds a packet. It also
    makes the compiler refuse any allocation in a kernel. A call that is left one hands over every
    word of those arrays, again hundreds of nanoseconds: LLVM is told to inline (`forceinline`),
    which, unlike Numba's own inlining, makes nothing slower to compile.
    """
    return _compiled(function, is_called_from_python=True)


def inlined(function: _F) -> _F:
    """Compile `function` as a part of the kernels that call it, and for nobody else.

    What Python would call it through is not made: for a function of a few dozen arrays that
    would be most of its code, and of the time that compiling takes. Once it is compiled, a call
    from Python ends the process; `tools.check_kernels` lets no module import one.
    """
    return _compiled(function, is_called_from_python=False)


def _compiled(function: _F, *, is_called_from_python: bool) -> _F:
    options: dict[str, Any] = {
        "nogil": True,
        "error_model": "numpy",
        "forceinline": True,
        "_nrt": False,
        "no_cpython_wrapper": not is_called_from_python,
        "no_cfunc_wrapper": True,
    }
    compiled = numba.njit(**options)(function)
    KERNELS.append(compiled)
    if _keep is not None:
        _keep(compiled)
    return cast("_F", compiled)


def keep_compiled(folder: str, watch: Callable[[int, int], None] | None) -> None:
    """Keep what is compiled from now on in a folder, and take from there what was before.

    Numba notices neither an edited callee nor an edited constant in another file: the folder
    must be another one for other sources.

    Parameters
    ----------
    watch : callable, optional
        Is told how many kernels have been compiled, first 0, and how many there are at most;
        never when all are found.

    """
    global _keep
    if _config.DISABLE_JIT:
        return
    _keep = _keeper(folder, watch)
    for each in KERNELS:
        _keep(each)


def is_kept() -> bool:
    """Tell whether this process keeps what it compiles."""
    return _keep is not None


def machine() -> str:
    """Return what compiled code is for: the processor and what it can do."""
    from llvmlite import binding  # type: ignore[import-untyped]

    features = binding.get_host_cpu_features().flatten()
    return f"{binding.get_process_triple()} {binding.get_host_cpu_name()} {features}"


@cache
def _stamp(path: str) -> str:
    return sha256(Path(path).read_bytes()).hexdigest()


def _keeper(folder: str, watch: Callable[[int, int], None] | None) -> Callable[[Any], None]:
    """Return what makes a kernel be kept."""
    from numba.core import caching

    of_numba: Any = caching

    class Place:
        """Where Numba finds the code of a function: by what its file says, not by its time."""

        def __init__(self, path: str) -> None:
            self._path = path

        @classmethod
        def from_function(cls, function: Any, path: str) -> "Place":  # noqa: ARG003
            return cls(path)

        def ensure_cache_path(self) -> None:
            pass

        def get_cache_path(self) -> str:
            return folder

        def get_source_stamp(self) -> str:
            return _stamp(self._path)

        def get_disambiguator(self) -> None:
            return None

    class Code(of_numba.CompileResultCacheImpl):  # type: ignore[misc]
        _locator_classes: ClassVar = [Place]

    class Kept(of_numba.FunctionCache):  # type: ignore[misc]
        """Numba's cache of a function: what is lost or damaged is compiled, and no more."""

        _impl_class = Code
        compiled = 0

        def load_overload(self, signature: Any, target: Any) -> Any:
            try:
                found = super().load_overload(signature, target)
            except Exception:  # whatever unpickling a damaged file raises
                with suppress(OSError):
                    self.flush()
                found = None
            if found is None and watch is not None:
                watch(Kept.compiled, len(KERNELS))
            return found

        def save_overload(self, signature: Any, code: Any) -> None:
            with suppress(OSError):
                super().save_overload(signature, code)
            Kept.compiled += 1
            if watch is not None:
                watch(Kept.compiled, len(KERNELS))

    def keep(compiled: Any) -> None:
        compiled._cache = Kept(compiled.py_func)

    return keep


if TYPE_CHECKING or _config.DISABLE_JIT:

    def prefetch(array: Any, index: int) -> None:
        """Do nothing: interpreted code has no cache lines to ask for."""

else:
    from llvmlite import ir
    from numba.core import cgutils
    from numba.extending import intrinsic

    @intrinsic
    def prefetch(typing, array, index):  # type: ignore[no-untyped-def] # noqa: ARG001
        """Ask for the cache line of `array[index]`, an array of one dimension, for reading."""

        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            array_type = signature.args[0]
            view = context.make_array(array_type)(context, builder, arguments[0])
            place = builder.gep(view.data, [arguments[1]])
            byte = ir.IntType(8).as_pointer()
            number = ir.IntType(32)
            function = cgutils.get_or_insert_function(
                builder.module,
                ir.FunctionType(ir.VoidType(), [byte, number, number, number]),
                "llvm.prefetch.p0",
            )
            builder.call(
                function,
                [builder.bitcast(place, byte), number(0), number(3), number(1)],
            )
            return context.get_dummy_value()

        return numba.types.void(array, numba.types.intp), generate
