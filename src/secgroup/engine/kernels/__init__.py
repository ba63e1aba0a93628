"""`kernel`: how every kernel is compiled. The modules beside it hold kernels and nothing else."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numba

_F = TypeVar("_F", bound=Callable[..., Any])

#: Every kernel of the modules that have been imported.
KERNELS: list[Any] = []
_config: Any = numba.config
_is_kept = False


def kernel(function: _F) -> _F:
    """Compile `function`; the one place where Numba's options are chosen.

    Without Numba's run-time (`_nrt`) arrays are not reference counted: kernels only borrow
    theirs, and counting each array of a `Tables` costs hundreds of nanoseconds a packet. It also
    makes the compiler refuse any allocation in a kernel. A call that is left one hands over every
    word of those arrays, again hundreds of nanoseconds: LLVM is told to inline (`forceinline`),
    which, unlike Numba's own inlining, makes nothing slower to compile.
    """
    options: dict[str, Any] = {
        "nogil": True,
        "error_model": "numpy",
        "forceinline": True,
        "_nrt": False,
    }
    compiled = numba.njit(**options)(function)
    KERNELS.append(compiled)
    if _is_kept:
        compiled.enable_caching()
    return cast("_F", compiled)


def keep_compiled(folder: str) -> None:
    """Keep what is compiled from now on in a folder, and take from there what was before.

    Numba notices neither an edited callee nor an edited constant in another file: the folder
    must be another one for other sources.
    """
    global _is_kept
    if _config.DISABLE_JIT:
        return
    _config.CACHE_DIR = folder
    _is_kept = True
    for each in KERNELS:
        each.enable_caching()


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
