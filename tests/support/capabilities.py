"""What a machine must have for a test, and the skip that names what is missing.

`SECGROUP_REQUIRE=root,netns,...` turns such a skip into a failure.
"""

import os
import shutil
import subprocess
from functools import cache, partial
from pathlib import Path

import pytest
from tools import clients

from secgroup.dataplane.bpf import libbpf, pins
from secgroup.errors import DataPlaneError


def _has_netns() -> bool:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    return subprocess.run(["unshare", "--net", "true"], check=False).returncode == 0


def _has_program(name: str) -> bool:
    return shutil.which(name) is not None


def _has_client(name: str) -> bool:
    """Tell whether `make clients` has installed a client, and what runs it is here."""
    runs = name != "javascript" or shutil.which("node") is not None
    return runs and (clients.FOLDER / name / "installed.json").exists()


def _has_clang() -> bool:
    """Tell whether the kernel program can be made here: by clang and with libbpf's headers."""
    headers = Path("/usr/include/bpf/bpf_helpers.h").exists()
    return headers and _has_program("clang") and _has_program("llvm-strip")


def _has_bpf() -> bool:
    """Tell whether the kernel plane can run: root, a kernel that tells its types, libbpf, pins."""
    if os.geteuid() != 0 or not Path("/sys/kernel/btf/vmlinux").exists():
        return False
    try:
        libbpf.version()
        pins.mount_if_need_be()
    except DataPlaneError:
        return False
    return True


#: The name of a capability -> is it here.
CAPABILITIES = {
    "root": lambda: os.geteuid() == 0,
    "netns": _has_netns,
    "tun": lambda: os.geteuid() == 0 and Path("/dev/net/tun").exists(),
    "nft": partial(_has_program, "nft"),
    "bpf": _has_bpf,
    "clang": _has_clang,
    **{
        name: partial(_has_program, name)
        for name in ("curl", "iperf3", "nmap", "traceroute", "tshark")
    },
    "ssh": lambda: _has_program("ssh") and _has_program("sshd"),
    **{name: partial(_has_client, name) for name in (*clients.PYTHON, *clients.NODE)},
}


@cache
def present(capability: str) -> bool:
    """Tell whether this machine has the capability."""
    return CAPABILITIES[capability]()


def require(capability: str) -> None:
    """Skip the running test, or fail it when SECGROUP_REQUIRE names the capability."""
    if present(capability):
        return
    if capability in os.environ.get("SECGROUP_REQUIRE", "").split(","):
        pytest.fail(f"SECGROUP_REQUIRE asks for {capability}, and it is missing")
    pytest.skip(f"needs {capability}")
