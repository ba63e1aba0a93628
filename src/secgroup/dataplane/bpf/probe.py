"""What this machine has of what the kernel plane needs, line by line, and what would help.

Everything is tried in a network namespace and in maps of its own; nothing of the host is touched.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from secgroup.dataplane.bpf import libbpf, maps, pins
from secgroup.dataplane.bpf.libc import grace, in_new_namespace
from secgroup.dataplane.bpf.loaded import Loaded
from secgroup.errors import DataPlaneError

_CAPABILITIES: Final = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21, "CAP_PERFMON": 38, "CAP_BPF": 39}
_BPF_TIMER_INIT: Final = 169
#: Every network namespace has this device, first of all.
_LOOPBACK: Final = 1
_SMALL: Final = {"connections": 16, "fragments": 16, "untallied": 16, "ended": 4096, "events": 4096}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that the plane uses.

    Parameters
    ----------
    name : str
    is_here : bool
    is_needed : bool
        Without it the plane does not run; otherwise `note` says what it does instead.
    note : str
        What was found; or what to install, mount or do where it is missing.

    """

    name: str
    is_here: bool
    is_needed: bool
    note: str


def probe() -> tuple[Finding, ...]:
    """Return what this machine has; that something is missing is never an error."""
    anyone = (
        _finding(_privileges, "root", "run as root"),
        _finding(libbpf.version, "libbpf", "install libbpf1 (1.0 or later)"),
        _finding(_btf, "kernel BTF", "a kernel with CONFIG_DEBUG_INFO_BTF is needed"),
        _finding(_bpffs, "bpffs", "a kernel with CONFIG_BPF_SYSCALL is needed"),
    )
    if not all(each.is_here for each in anyone):
        return anyone
    tcx = _finding(_tcx, "tcx", "Linux 6.6 has it; clsact filters do instead", is_needed=False)
    return (
        *anyone,
        tcx,
        _finding(
            _clsact,
            "clsact",
            "a kernel with CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF is needed without tcx",
            is_needed=not tcx.is_here,
        ),
        _finding(_map_type(libbpf.LPM_TRIE), "prefix tries", "Linux 4.11 has them"),
        _finding(_map_type(libbpf.RINGBUF), "ring buffers", "Linux 5.8 has them"),
        _finding(_batches, "batches of per-CPU maps", "Linux 5.13 has them"),
        _finding(_membarrier, "membarrier", "nothing else waits for packets under way"),
        _finding(_timer, "timers", "Linux 5.15 has them; the agent sweeps", is_needed=False),
        _finding(_work, "work queues", "Linux 6.10 has them; the agent sweeps", is_needed=False),
        _finding(_program, "the program", "the kernel has to take it"),
    )


def is_ready(findings: Iterable[Finding]) -> bool:
    """Tell whether the plane runs here."""
    return all(each.is_here or not each.is_needed for each in findings)


def _finding(
    check: Callable[[], str | None], name: str, remedy: str, *, is_needed: bool = True
) -> Finding:
    try:
        found = check()
        why = remedy
    except (DataPlaneError, OSError) as error:
        found = None
        cause = error.cause if isinstance(error, DataPlaneError) else str(error)
        why = f"{remedy}: {cause}"
    return Finding(
        name=name,
        is_here=found is not None,
        is_needed=is_needed,
        note=why if found is None else found,
    )


def _privileges() -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    effective = next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff"))
    missing = [name for name, bit in _CAPABILITIES.items() if not effective >> bit & 1]
    if missing:
        raise DataPlaneError("bpf", "root", ", ".join(missing))
    return "yes"


def _btf() -> str | None:
    return str(libbpf.KERNEL_BTF) if libbpf.KERNEL_BTF.exists() else None


def _bpffs() -> str | None:
    if pins.is_bpffs(pins.BPFFS):
        return f"mounted at {pins.BPFFS}"
    known = "\tbpf" in Path("/proc/filesystems").read_text()
    return f"mounted at {pins.BPFFS} when it is needed" if known else None


def _clsact() -> str:
    with libbpf.load_program("probe", _answer()) as program:
        in_new_namespace(
            lambda: libbpf.attach_filter(
                program.fileno(), _LOOPBACK, libbpf.CLSACT_INGRESS, handle=1, priority=1
            )
        )
    return "yes"


def _tcx() -> str:
    with libbpf.load_program("probe", _answer()) as program:
        in_new_namespace(
            lambda: libbpf.attach_link(program.fileno(), _LOOPBACK, libbpf.TCX_INGRESS).close()
        )
    return "yes"


def _answer() -> libbpf.Rows:
    return np.array([(0xB7, 0, 0, 0), (0x95, 0, 0, 0)], libbpf.INSTRUCTION)


def _map_type(type_: int) -> Callable[[], str | None]:
    return lambda: "yes" if libbpf.has_map_type(type_) else None


def _batches() -> str:
    word = np.dtype("<u8")
    with libbpf.create_map("probe", libbpf.PERCPU_HASH, 8, 8, 4) as made:
        table = maps.PerCpu(made.fileno(), word, word)
        table.put(1, np.full(libbpf.possible_cpus(), 2))
        table.items(delete=True)
    with libbpf.create_map("probe", libbpf.PERCPU_ARRAY, 4, 8, 4) as made:
        maps.PerCpu(made.fileno(), np.dtype("<u4"), word).items()
    return "yes"


def _membarrier() -> str:
    grace()
    return "yes"


def _timer() -> str | None:
    return "yes" if libbpf.has_helper(_BPF_TIMER_INIT) else None


def _work() -> str | None:
    return "yes" if libbpf.has_kernel_function("bpf_wq_init") else None


def _program() -> str:
    with Loaded(sizes=_SMALL):
        return "the verifier takes it"
