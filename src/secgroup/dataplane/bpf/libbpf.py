"""`libbpf.so.1` through ctypes: objects, programs, maps, links and filters, by descriptor.

Owns every call of the library and every structure of the kernel that goes through it; libbpf's own
printing is kept for errors and never reaches standard error. It knows no map and no program of
this project. Versions 1.0 to 1.7: only calls and options that 1.0 has are used.
"""

import ctypes
import errno
import mmap
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from secgroup.errors import DataPlaneError

Rows: TypeAlias = NDArray[Any]

PLANE: Final = "bpf"
LIBRARY: Final = "libbpf.so.1"
KERNEL_BTF: Final = Path("/sys/kernel/btf/vmlinux")
#: enum bpf_prog_type, bpf_map_type, bpf_attach_type, bpf_link_type; flags of linux/bpf.h.
SCHED_CLS, SYSCALL = 3, 31
HASH, ARRAY, PROG_ARRAY, PERCPU_HASH, PERCPU_ARRAY = 1, 2, 3, 5, 6
LPM_TRIE, RINGBUF = 11, 27
TCX_INGRESS, TCX_EGRESS = 46, 47
_BPF_F_BEFORE: Final = 1 << 3
ANY, NOEXIST, EXIST = 0, 1, 2
NO_PREALLOC: Final = 1
_SLEEPABLE: Final = 1 << 4
MMAPABLE: Final = 1 << 10
#: enum bpf_tc_attach_point.
CLSACT_INGRESS, CLSACT_EGRESS = 1, 2
#: The longest text that libbpf may print at once: a verifier's whole log.
_PRINTED_BYTES: Final = 16 << 20

_NEEDS_ROOT: Final = "not permitted: root, or CAP_BPF with CAP_NET_ADMIN, is needed"

#: One BPF instruction.
INSTRUCTION: Final = np.dtype(
    [("code", "u1"), ("registers", "u1"), ("offset", "<i2"), ("immediate", "<i4")]
)
#: `struct __sk_buff`, as far as a test run may be given it; all else must stay 0.
CONTEXT: Final = np.dtype(
    {
        "names": [
            *("mark", "priority", "ingress_ifindex", "ifindex", "cb", "data_end"),
            *("tstamp", "wire_len", "gso_segs", "gso_size"),
        ],
        "formats": ["<u4", "<u4", "<u4", "<u4", ("<u4", (5,)), "<u4", "<u8", "<u4", "<u4", "<u4"],
        "offsets": [8, 32, 36, 40, 48, 80, 152, 160, 164, 176],
        "itemsize": 192,
    }
)


class VerifierError(DataPlaneError):
    """The kernel refused a program; `log` has all that libbpf and the verifier said."""

    def __init__(self, subject: str, cause: str, log: str) -> None:
        super().__init__(PLANE, subject, cause)
        self.log = log


class CallError(OSError):
    """A call of libbpf failed; for callers that ask which way, before it becomes one line."""

    def __str__(self) -> str:
        """Write what the system says, or what it needs."""
        return _NEEDS_ROOT if self.errno == errno.EPERM else str(self.strerror)


class _TestRun(ctypes.Structure):
    _fields_ = (
        ("sz", c_size_t),
        ("data_in", c_char_p),
        ("data_out", c_void_p),
        ("data_size_in", c_uint32),
        ("data_size_out", c_uint32),
        ("ctx_in", c_void_p),
        ("ctx_out", c_void_p),
        ("ctx_size_in", c_uint32),
        ("ctx_size_out", c_uint32),
        ("retval", c_uint32),
        ("repeat", c_int),
        ("duration", c_uint32),
        ("flags", c_uint32),
        ("cpu", c_uint32),
        ("batch_size", c_uint32),
    )


class _Batch(ctypes.Structure):
    _fields_ = (("sz", c_size_t), ("elem_flags", c_uint64), ("flags", c_uint64))


class _MapCreate(ctypes.Structure):
    _fields_ = (
        ("sz", c_size_t),
        ("btf", c_uint32 * 4),
        ("inner_map_fd", c_uint32),
        ("map_flags", c_uint32),
        ("map_extra", c_uint64),
        ("numa_node", c_uint32),
        ("map_ifindex", c_uint32),
    )


class _ObjectOpen(ctypes.Structure):
    _fields_ = (("sz", c_size_t), ("object_name", c_char_p))


class _ProgramLoad(ctypes.Structure):
    _fields_ = (
        ("sz", c_size_t),
        ("attempts", c_int),
        ("expected_attach_type", c_int),
        ("prog_btf_fd", c_uint32),
        ("prog_flags", c_uint32),
    )


class _ProgramQuery(ctypes.Structure):
    _fields_ = (
        ("sz", c_size_t),
        ("query_flags", c_uint32),
        ("attach_flags", c_uint32),
        ("prog_ids", c_void_p),
        ("prog_cnt", c_uint32),
        ("prog_attach_flags", c_void_p),
    )


class _LinkCreate(ctypes.Structure):
    _fields_ = (
        ("sz", c_size_t),
        ("flags", c_uint32),
        ("padding", c_uint32),
    )


class _TcHook(ctypes.Structure):
    _fields_ = (
        ("sz", c_size_t),
        ("ifindex", c_int),
        ("attach_point", c_int),
        ("parent", c_uint32),
        ("padding", c_uint32),
    )


class _Tc(ctypes.Structure):
    _fields_ = (
        ("sz", c_size_t),
        ("prog_fd", c_int),
        ("flags", c_uint32),
        ("prog_id", c_uint32),
        ("handle", c_uint32),
        ("priority", c_uint32),
        ("padding", c_uint32),
    )


_PRINT: Final = ctypes.CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)
#: Name -> result, arguments. Integers are negative errno; pointers are None and errno is set.
_CALLS: Final[dict[str, tuple[Any, ...]]] = {
    "libbpf_num_possible_cpus": (c_int,),
    "libbpf_version_string": (c_char_p,),
    "libbpf_set_print": (c_void_p, _PRINT),
    "libbpf_probe_bpf_map_type": (c_int, c_int, c_void_p),
    "libbpf_probe_bpf_helper": (c_int, c_int, c_int, c_void_p),
    "bpf_object__open_mem": (c_void_p, c_char_p, c_size_t, POINTER(_ObjectOpen)),
    "bpf_object__load": (c_int, c_void_p),
    "bpf_object__close": (None, c_void_p),
    "bpf_object__btf": (c_void_p, c_void_p),
    "bpf_object__next_program": (c_void_p, c_void_p, c_void_p),
    "bpf_object__next_map": (c_void_p, c_void_p, c_void_p),
    "bpf_program__name": (c_char_p, c_void_p),
    "bpf_program__fd": (c_int, c_void_p),
    "bpf_program__set_autoload": (c_int, c_void_p, ctypes.c_bool),
    "bpf_map__name": (c_char_p, c_void_p),
    "bpf_map__fd": (c_int, c_void_p),
    "bpf_map__type": (c_int, c_void_p),
    "bpf_map__key_size": (c_uint32, c_void_p),
    "bpf_map__value_size": (c_uint32, c_void_p),
    "bpf_map__max_entries": (c_uint32, c_void_p),
    "bpf_map__set_max_entries": (c_int, c_void_p, c_uint32),
    "bpf_map__is_internal": (ctypes.c_bool, c_void_p),
    "bpf_map__reuse_fd": (c_int, c_void_p, c_int),
    "bpf_map__initial_value": (c_void_p, c_void_p, POINTER(c_size_t)),
    "bpf_map__set_initial_value": (c_int, c_void_p, c_void_p, c_size_t),
    "btf__raw_data": (c_void_p, c_void_p, POINTER(c_uint32)),
    "bpf_map_create": (
        *(c_int, c_int, c_char_p, c_uint32, c_uint32, c_uint32),
        POINTER(_MapCreate),
    ),
    "bpf_prog_load": (
        *(c_int, c_int, c_char_p, c_char_p, c_void_p, c_size_t),
        POINTER(_ProgramLoad),
    ),
    "bpf_map_lookup_elem": (c_int, c_int, c_void_p, c_void_p),
    "bpf_map_update_elem": (c_int, c_int, c_void_p, c_void_p, c_uint64),
    "bpf_map_delete_elem": (c_int, c_int, c_void_p),
    "bpf_map_lookup_batch": (c_int, c_int, *(c_void_p,) * 5, POINTER(_Batch)),
    "bpf_map_lookup_and_delete_batch": (c_int, c_int, *(c_void_p,) * 5, POINTER(_Batch)),
    "bpf_map_update_batch": (c_int, c_int, *(c_void_p,) * 3, POINTER(_Batch)),
    "bpf_map_delete_batch": (c_int, c_int, *(c_void_p,) * 2, POINTER(_Batch)),
    "bpf_prog_test_run_opts": (c_int, c_int, POINTER(_TestRun)),
    "bpf_prog_query_opts": (c_int, c_int, c_int, POINTER(_ProgramQuery)),
    "bpf_prog_get_fd_by_id": (c_int, c_uint32),
    "bpf_obj_get_info_by_fd": (c_int, c_int, c_void_p, POINTER(c_uint32)),
    "bpf_obj_pin": (c_int, c_int, c_char_p),
    "bpf_obj_get": (c_int, c_char_p),
    "bpf_link_create": (c_int, c_int, c_int, c_int, c_void_p),
    "bpf_link_update": (c_int, c_int, c_int, c_void_p),
    "bpf_link_detach": (c_int, c_int),
    "bpf_tc_hook_create": (c_int, POINTER(_TcHook)),
    "bpf_tc_attach": (c_int, POINTER(_TcHook), POINTER(_Tc)),
    "bpf_tc_detach": (c_int, POINTER(_TcHook), POINTER(_Tc)),
    "bpf_tc_query": (c_int, POINTER(_TcHook), POINTER(_Tc)),
}

#: What libbpf printed last.
_printed: deque[str] = deque(maxlen=64)


@cache
def _library() -> Any:
    """Return the library, its calls declared.

    Raises
    ------
    DataPlaneError
        It is not here, or too old.

    """
    try:
        library: Any = ctypes.CDLL(LIBRARY, use_errno=True)
        for name, (result, *arguments) in _CALLS.items():
            call = getattr(library, name)
            call.restype, call.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise DataPlaneError(
            PLANE, LIBRARY, f"cannot be used, install libbpf1 (1.0 or later): {error}"
        ) from None
    vsnprintf = ctypes.CDLL(None).vsnprintf
    vsnprintf.argtypes = (c_void_p, c_size_t, c_char_p, c_void_p)
    pages = mmap.mmap(-1, _PRINTED_BYTES)
    text = (ctypes.c_char * _PRINTED_BYTES).from_buffer(pages)

    # A va_list goes by address on x86-64 and on arm64.
    def keep(level: int, form: bytes, arguments: int) -> int:
        if level < 2:
            vsnprintf(text, _PRINTED_BYTES, form, arguments)
            _printed.append(ctypes.string_at(text).decode(errors="replace").rstrip())
        return 0

    library.kept_print = _PRINT(keep)
    library.libbpf_set_print(library.kept_print)
    return library


def version() -> str:
    """Return the library's version, as `v1.1`."""
    return str(_library().libbpf_version_string().decode())


def has_map_type(type_: int) -> bool:
    """Tell whether the kernel has a kind of map."""
    return _call("libbpf_probe_bpf_map_type", type_, None) == 1


def has_helper(number: int, type_: int = SCHED_CLS) -> bool:
    """Tell whether the kernel has a function for programs of a type, by its number."""
    return _call("libbpf_probe_bpf_helper", type_, number, None) == 1


@cache
def has_kernel_function(name: str) -> bool:
    """Tell whether the kernel has a function that programs may call by its name."""
    return f"\0{name}\0".encode() in KERNEL_BTF.read_bytes() if KERNEL_BTF.exists() else False


@cache
def possible_cpus() -> int:
    """Return how many values a per-CPU map has for each key."""
    return int(_library().libbpf_num_possible_cpus())


def _call(name: str, *arguments: Any) -> int:
    """Call what returns a number; a negative one is a `CallError`."""
    result = int(getattr(_library(), name)(*arguments))
    if result < 0:
        number = -result
        raise CallError(number, os.strerror(number))
    return result


def _at(rows: Rows | None) -> int | None:
    return None if rows is None else int(rows.ctypes.data)


class Descriptor:
    """A descriptor of the kernel's that is closed with its last reference, or by `close`."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        """Return the number."""
        return self._fd

    def close(self) -> None:
        """Close it; a second time does nothing."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class MapInfo:
    """What a map is, as its object declares it or the kernel has it."""

    name: str
    type: int
    id: int
    key_bytes: int
    value_bytes: int
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramInfo:
    """What a program is; `tag` is the kernel's digest of its instructions."""

    id: int
    name: str
    tag: str
    map_ids: tuple[int, ...]
    verified_instructions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkInfo:
    """A link; `ifindex` is 0 where its device is gone, and its number where the device is."""

    id: int
    type: int
    program_id: int
    ifindex: int
    attach_type: int


class Object:
    """A BPF object: opened, set up, loaded once; its descriptors live until `close`.

    Parameters
    ----------
    content : bytes
        The ELF file.
    name : str
        What errors call it.

    Raises
    ------
    DataPlaneError
        The library is missing, or it is no such object.

    """

    def __init__(self, content: bytes, name: str) -> None:
        _printed.clear()
        self._name = name
        options = _ObjectOpen(ctypes.sizeof(_ObjectOpen), name.encode())
        self._pointer = _library().bpf_object__open_mem(content, len(content), byref(options))
        if not self._pointer:
            raise DataPlaneError(PLANE, name, f"cannot be opened: {_reason(ctypes.get_errno())}")
        self._maps = {
            _library().bpf_map__name(each).decode(): each
            for each in self._walk("bpf_object__next_map")
        }
        self._programs = {
            _library().bpf_program__name(each).decode(): each
            for each in self._walk("bpf_object__next_program")
        }

    def _walk(self, following: str) -> Iterator[int]:
        at = None
        while (at := getattr(_library(), following)(self._pointer, at)) is not None:
            yield at

    @property
    def programs(self) -> Sequence[str]:
        """Names of its programs."""
        return tuple(self._programs)

    def maps(self) -> Mapping[str, MapInfo]:
        """Return what its maps are, by name; not libbpf's own for sections of variables."""
        library = _library()
        return {
            name: MapInfo(
                name=name,
                type=library.bpf_map__type(each),
                id=0,
                key_bytes=library.bpf_map__key_size(each),
                value_bytes=library.bpf_map__value_size(each),
                entries=library.bpf_map__max_entries(each),
            )
            for name, each in self._maps.items()
            if not library.bpf_map__is_internal(each)
        }

    def btf(self) -> bytes:
        """Return the type information, raw; empty where it has none."""
        pointer = _library().bpf_object__btf(self._pointer)
        size = c_uint32()
        at = _library().btf__raw_data(pointer, byref(size)) if pointer else None
        return ctypes.string_at(at, size.value) if at else b""

    def variables(self, section: str) -> bytearray:
        """Return what the variables of `.rodata`, `.data`, `.bss` will be, to change and set."""
        size = c_size_t()
        found = [name for name in self._maps if name.endswith(section)]
        at = _library().bpf_map__initial_value(self._maps[found[0]], byref(size)) if found else None
        return bytearray(ctypes.string_at(at, size.value)) if at else bytearray()

    def set_variables(self, section: str, content: bytes) -> None:
        """Set what the variables of a section begin with; before `load`."""
        name = next(name for name in self._maps if name.endswith(section))
        _call("bpf_map__set_initial_value", self._maps[name], content, len(content))

    def set_entries(self, name: str, entries: int) -> None:
        """Set how many entries a map has; before `load`."""
        _call("bpf_map__set_max_entries", self._maps[name], entries)

    def set_autoload(self, name: str, *, autoload: bool) -> None:
        """Say whether a program is loaded; before `load`."""
        _call("bpf_program__set_autoload", self._programs[name], autoload)

    def reuse(self, name: str, descriptor: Descriptor) -> None:
        """Take a map that exists in place of a new one; before `load`.

        Raises
        ------
        DataPlaneError
            It cannot stand for it.

        """
        declared, found = self.maps()[name], map_info(descriptor.fileno())
        for part in ("type", "key_bytes", "value_bytes"):
            if getattr(declared, part) != getattr(found, part):
                raise DataPlaneError(
                    PLANE,
                    f"map {name}",
                    f"{part} of the one that exists is {getattr(found, part)}, "
                    f"expected {getattr(declared, part)}",
                )
        try:
            _call("bpf_map__reuse_fd", self._maps[name], descriptor.fileno())
        except CallError as error:
            raise DataPlaneError(PLANE, f"map {name}", f"cannot be reused: {error}") from None

    def load(self) -> None:
        """Create the maps and have the kernel verify the programs.

        Raises
        ------
        VerifierError
            A program was refused, or something that it needs is missing.

        """
        _printed.clear()
        try:
            _call("bpf_object__load", self._pointer)
        except CallError as error:
            log = "\n".join(_printed)
            raise VerifierError(self._name, _load_failure(error.errno or 0, log), log) from None

    def map_fd(self, name: str) -> int:
        """Return the descriptor of a map; it is the object's."""
        return _call("bpf_map__fd", self._maps[name])

    def program_fd(self, name: str) -> int:
        """Return the descriptor of a program; it is the object's."""
        return _call("bpf_program__fd", self._programs[name])

    def close(self) -> None:
        """Close every descriptor; what is pinned or attached stays."""
        if self._pointer:
            _library().bpf_object__close(self._pointer)
            self._pointer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_pointer", None):
            self.close()


def _reason(number: int) -> str:
    return (_printed[-1].removeprefix("libbpf: ") if _printed else "") or os.strerror(number)


def _load_failure(number: int, log: str) -> str:
    """Return the one line that says why an object was not loaded, and what would help."""
    lines = [line.strip().removeprefix("libbpf: ") for line in log.splitlines() if line.strip()]
    if number == errno.EPERM:
        return _NEEDS_ROOT
    if number == errno.ENOMEM:
        return "not enough memory for its maps"
    if not KERNEL_BTF.exists():
        return f"the kernel has no BTF ({KERNEL_BTF}): it needs CONFIG_DEBUG_INFO_BTF"
    # The verifier's last words stand before its statistics.
    ends = [at for at, line in enumerate(lines) if line.startswith(("processed ", "-- END PROG"))]
    at = ends[0] - 1 if ends and ends[0] > 0 else len(lines) - 1
    named = next((line for line in lines if line.startswith("prog '")), "")
    said = lines[at] if lines else os.strerror(number)
    return f"the kernel refuses it: {said}" + (f" ({named})" if named and named != said else "")


def create_map(
    name: str, type_: int, key_bytes: int, value_bytes: int, entries: int, flags: int = 0
) -> Descriptor:
    """Return a new map.

    Raises
    ------
    DataPlaneError
        The kernel refuses it.

    """
    options = _MapCreate(sz=ctypes.sizeof(_MapCreate), map_flags=flags)
    sizes = (key_bytes, value_bytes, entries)
    try:
        return Descriptor(_call("bpf_map_create", type_, name.encode(), *sizes, byref(options)))
    except CallError as error:
        raise DataPlaneError(PLANE, f"map {name}", f"cannot be created: {error}") from None


def load_program(name: str, instructions: Rows, type_: int = SCHED_CLS) -> Descriptor:
    """Return a program of hand-made instructions (dtype `INSTRUCTION`).

    Raises
    ------
    DataPlaneError
        The kernel refuses it.

    """
    options = _ProgramLoad(
        sz=ctypes.sizeof(_ProgramLoad), prog_flags=_SLEEPABLE if type_ == SYSCALL else 0
    )
    rows = np.ascontiguousarray(instructions, dtype=INSTRUCTION)
    arguments = (type_, name.encode(), b"Dual BSD/GPL", _at(rows), len(rows), byref(options))
    try:
        return Descriptor(_call("bpf_prog_load", *arguments))
    except CallError as error:
        raise DataPlaneError(PLANE, f"program {name}", f"cannot be loaded: {error}") from None


def _info(fd: int, dtype: "np.dtype[Any]", **given: int) -> Rows:
    rows = np.zeros(1, dtype)
    for name, value in given.items():
        rows[name] = value
    size = c_uint32(dtype.itemsize)
    _call("bpf_obj_get_info_by_fd", fd, _at(rows), byref(size))
    return rows


_MAP_INFO: Final = np.dtype(
    [
        *((name, "<u4") for name in ("type", "id", "key", "value", "entries", "flags")),
        ("name", "S16"),
    ]
)
_PROGRAM_INFO: Final = np.dtype(
    {
        "names": ["id", "tag", "nr_map_ids", "map_ids", "name", "verified"],
        "formats": ["<u4", ("u1", (8,)), "<u4", "<u8", "S16", "<u4"],
        "offsets": [4, 8, 52, 56, 64, 216],
        "itemsize": 232,
    }
)
_LINK_INFO: Final = np.dtype(
    [
        *((name, "<u4") for name in ("type", "id", "program", "padding", "ifindex", "attach_type")),
        ("rest", "V40"),
    ]
)


def map_info(fd: int) -> MapInfo:
    """Return what a map is."""
    row = _info(fd, _MAP_INFO)[0]
    return MapInfo(
        name=row["name"].decode(),
        type=int(row["type"]),
        id=int(row["id"]),
        key_bytes=int(row["key"]),
        value_bytes=int(row["value"]),
        entries=int(row["entries"]),
    )


def program_info(fd: int) -> ProgramInfo:
    """Return what a program is."""
    ids = np.zeros(64, "<u4")
    row = _info(fd, _PROGRAM_INFO, nr_map_ids=len(ids), map_ids=_at(ids) or 0)[0]
    return ProgramInfo(
        id=int(row["id"]),
        name=row["name"].decode(),
        tag=row["tag"].tobytes().hex(),
        map_ids=tuple(int(each) for each in ids[: int(row["nr_map_ids"])]),
        verified_instructions=int(row["verified"]),
    )


def link_info(fd: int) -> LinkInfo:
    """Return what a link holds where."""
    row = _info(fd, _LINK_INFO)[0]
    return LinkInfo(
        id=int(row["id"]),
        type=int(row["type"]),
        program_id=int(row["program"]),
        ifindex=int(row["ifindex"]),
        attach_type=int(row["attach_type"]),
    )


def program_by_id(program_id: int) -> Descriptor | None:
    """Return a program that the kernel has, or None."""
    try:
        return Descriptor(_call("bpf_prog_get_fd_by_id", program_id))
    except CallError:
        return None


def pin(fd: int, path: Path) -> None:
    """Give a map, program or link a name in a bpffs.

    Raises
    ------
    DataPlaneError
        The name is taken, or it is no place in a bpffs.

    """
    try:
        _call("bpf_obj_pin", fd, os.fsencode(path))
    except CallError as error:
        raise DataPlaneError(PLANE, str(path), f"cannot be pinned: {error}") from None


def pinned(path: Path) -> Descriptor | None:
    """Return what is pinned under a name, or None."""
    try:
        return Descriptor(_call("bpf_obj_get", os.fsencode(path)))
    except CallError as error:
        if error.errno == errno.ENOENT:
            return None
        raise DataPlaneError(PLANE, str(path), f"cannot be opened: {error}") from None


def lookup(fd: int, key: Rows, value: Rows) -> bool:
    """Read one value; False where there is no such key. Per-CPU: one for each possible CPU."""
    try:
        _call("bpf_map_lookup_elem", fd, _at(key), _at(value))
    except CallError as error:
        if error.errno == errno.ENOENT:
            return False
        raise
    return True


def update(fd: int, key: Rows, value: Rows, flags: int = ANY) -> None:
    """Write one value; `CallError` E2BIG is a full map, EEXIST and ENOENT are as `flags` ask."""
    _call("bpf_map_update_elem", fd, _at(key), _at(value), flags)


def delete(fd: int, key: Rows) -> bool:
    """Delete one key; False where it was not there."""
    try:
        _call("bpf_map_delete_elem", fd, _at(key))
    except CallError as error:
        if error.errno == errno.ENOENT:
            return False
        raise
    return True


def lookup_batch(
    fd: int, last: Rows | None, following: Rows, keys: Rows, values: Rows, *, delete: bool = False
) -> tuple[int, bool]:
    """Read the next entries of a map into `keys` and `values`.

    Parameters
    ----------
    last, following : bytes, at least as long as a key
        Where to go on, None at first; where it stopped is written to `following`.
    keys, values : rows
        Room for the entries; per-CPU: values of shape (n, possible CPUs).
    delete : bool
        Delete what is read.

    Returns
    -------
    int, bool
        How many entries were read, and whether they are the last. `CallError` ENOSPC: `keys` is too
        short for one bucket of a hash.

    """
    count = c_uint32(len(keys))
    options = _Batch(ctypes.sizeof(_Batch), 0, 0)
    name = "bpf_map_lookup_and_delete_batch" if delete else "bpf_map_lookup_batch"
    at = (_at(last), _at(following), _at(keys), _at(values))
    try:
        _call(name, fd, *at, byref(count), byref(options))
    except CallError as error:
        if error.errno == errno.ENOENT:
            return count.value, True
        raise
    return count.value, False


def update_batch(fd: int, keys: Rows, values: Rows) -> int:
    """Write many values in order and return how many were, the error's reason aside."""
    count = c_uint32(len(keys))
    options = _Batch(ctypes.sizeof(_Batch), ANY, 0)
    _call("bpf_map_update_batch", fd, _at(keys), _at(values), byref(count), byref(options))
    return count.value


def delete_batch(fd: int, keys: Rows) -> int:
    """Delete keys in order until one is not there; return how many were."""
    count = c_uint32(len(keys))
    options = _Batch(ctypes.sizeof(_Batch), 0, 0)
    try:
        _call("bpf_map_delete_batch", fd, _at(keys), byref(count), byref(options))
    except CallError as error:
        if error.errno != errno.ENOENT:
            raise
    return count.value


def mapped(fd: int, size_bytes: int, *, offset: int = 0, writable: bool = True) -> mmap.mmap:
    """Return the memory of a map that may be mapped."""
    access = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
    return mmap.mmap(fd, size_bytes, mmap.MAP_SHARED, access, offset=offset)


def run_syscall(program_fd: int, context: Rows) -> int:
    """Run a program of type `syscall` once, here and now, and return its answer, signed.

    Parameters
    ----------
    program_fd : int
    context : rows, shape (1,)
        What it is given a pointer to; it may write there.

    Raises
    ------
    DataPlaneError
        The kernel does not run it.

    """
    options = _TestRun(sz=ctypes.sizeof(_TestRun), ctx_in=_at(context), ctx_size_in=context.nbytes)
    try:
        _call("bpf_prog_test_run_opts", program_fd, byref(options))
    except CallError as error:
        raise DataPlaneError(PLANE, "a program", f"cannot be run: {error}") from None
    return _signed(options.retval)


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


class TestRun:
    """Runs one program on frames given to it; made once, used for many packets.

    Parameters
    ----------
    fd : int
        The program.
    frame_bytes : int
        The longest frame that it may leave.

    """

    __slots__ = ("_call", "_fd", "_options", "_out", "_reference", "_room", "context")

    def __init__(self, fd: int, frame_bytes: int = 0) -> None:
        self._fd = fd
        #: What the program is given as `struct __sk_buff`, dtype CONTEXT, shape (1,).
        self.context: Rows = np.zeros(1, CONTEXT)
        self._room = frame_bytes
        self._out: Rows = np.zeros(frame_bytes, "u1")
        self._options = _TestRun(
            sz=ctypes.sizeof(_TestRun),
            ctx_in=_at(self.context),
            ctx_size_in=CONTEXT.itemsize,
            data_out=_at(self._out) if frame_bytes else None,
        )
        self._reference = byref(self._options)
        self._call = _library().bpf_prog_test_run_opts

    def run(self, frame: bytes, repeat: int = 1) -> int:
        """Return the program's answer, signed.

        Raises
        ------
        DataPlaneError
            The kernel does not run it: a frame shorter than 14 bytes, or too long.

        """
        options = self._options
        options.data_in = frame
        options.data_size_in = len(frame)
        options.data_size_out = self._room
        options.repeat = repeat
        result = self._call(self._fd, self._reference)
        if result < 0:
            raise DataPlaneError(PLANE, f"test run of {len(frame)} bytes", os.strerror(-result))
        return _signed(options.retval)

    @property
    def duration_ns(self) -> int:
        """How long the last run took, on average of its repetitions."""
        return int(self._options.duration)

    @property
    def frame(self) -> bytes:
        """What the last run left of the frame."""
        return self._out[: int(self._options.data_size_out)].tobytes()


def attach_link(program_fd: int, ifindex: int, attach_type: int) -> Descriptor:
    """Attach a program to a device of the thread's own network namespace, by a tcx link.

    It goes before those that are there: one that lets a packet pass ends their row.
    """
    options = _LinkCreate(sz=ctypes.sizeof(_LinkCreate), flags=_BPF_F_BEFORE)
    return Descriptor(_call("bpf_link_create", program_fd, ifindex, attach_type, byref(options)))


def update_link(link_fd: int, program_fd: int) -> None:
    """Put another program in a link's place."""
    _call("bpf_link_update", link_fd, program_fd, None)


def detach_link(link_fd: int) -> None:
    """Take a link off its device, whoever else holds it."""
    _call("bpf_link_detach", link_fd)


def attached_programs(ifindex: int, attach_type: int) -> tuple[int, ...]:
    """Return the ids of programs that tcx has at a device of the thread's network namespace."""
    ids = np.zeros(64, "<u4")
    query = _ProgramQuery(sz=ctypes.sizeof(_ProgramQuery), prog_ids=_at(ids), prog_cnt=len(ids))
    _call("bpf_prog_query_opts", ifindex, attach_type, byref(query))
    return tuple(int(each) for each in ids[: query.prog_cnt])


def _hook(ifindex: int, attach_point: int) -> _TcHook:
    return _TcHook(sz=ctypes.sizeof(_TcHook), ifindex=ifindex, attach_point=attach_point)


def attach_filter(
    program_fd: int, ifindex: int, attach_point: int, *, handle: int, priority: int
) -> None:
    """Attach a program as a clsact filter that decides by itself; the qdisc is made if need be."""
    both = _hook(ifindex, CLSACT_INGRESS | CLSACT_EGRESS)
    try:
        _call("bpf_tc_hook_create", byref(both))
    except CallError as error:
        if error.errno != errno.EEXIST:
            raise
    options = _Tc(sz=ctypes.sizeof(_Tc), prog_fd=program_fd, handle=handle, priority=priority)
    _call("bpf_tc_attach", byref(_hook(ifindex, attach_point)), byref(options))


def detach_filter(ifindex: int, attach_point: int, *, handle: int, priority: int) -> None:
    """Take a clsact filter away; the qdisc stays, others may use it."""
    options = _Tc(sz=ctypes.sizeof(_Tc), handle=handle, priority=priority)
    _call("bpf_tc_detach", byref(_hook(ifindex, attach_point)), byref(options))


def filter_program(ifindex: int, attach_point: int, *, handle: int, priority: int) -> int | None:
    """Return the id of the program of a clsact filter, or None where there is no such filter."""
    options = _Tc(sz=ctypes.sizeof(_Tc), handle=handle, priority=priority)
    try:
        _call("bpf_tc_query", byref(_hook(ifindex, attach_point)), byref(options))
    except CallError as error:
        if error.errno in (errno.ENOENT, errno.EINVAL, errno.ENODEV):
            return None
        raise
    return int(options.prog_id)


def send_frames(program_fd: int, frame: bytes, count: int, batch: int) -> None:
    """Run an XDP program on `count` frames that go where it sends them, `batch` at once.

    The frames begin as `frame`, and as they were left when they are used again.

    Raises
    ------
    DataPlaneError
        The kernel does not run it.

    """
    options = _TestRun(sz=ctypes.sizeof(_TestRun), data_in=frame)
    options.data_size_in, options.repeat, options.batch_size = len(frame), count, batch
    options.flags = 1 << 1  # BPF_F_TEST_XDP_LIVE_FRAMES
    result = int(_library().bpf_prog_test_run_opts(program_fd, byref(options)))
    if result < 0:
        raise DataPlaneError(PLANE, f"test run of {count} frames", os.strerror(-result))
