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


def _has_netns() -> bool:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    return subprocess.run(["unshare", "--net", "true"], check=False).returncode == 0


def _has_client(name: str) -> bool:
    """Tell whether `make clients` has installed a client, and what runs it is here."""
    runs = name != "javascript" or shutil.which("node") is not None
    return runs and (clients.FOLDER / name / "installed.json").exists()


#: The name of a capability -> is it here.
CAPABILITIES = {
    "root": lambda: os.geteuid() == 0,
    "netns": _has_netns,
    "tun": lambda: os.geteuid() == 0 and Path("/dev/net/tun").exists(),
    "nft": lambda: shutil.which("nft") is not None,
    "tshark": lambda: shutil.which("tshark") is not None,
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
