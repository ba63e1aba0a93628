"""What a machine must have for a test, and the skip that names what is missing.

`SECGROUP_REQUIRE=root,netns,...` turns such a skip into a failure.
"""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest


def _has_netns() -> bool:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    return subprocess.run(["unshare", "--net", "true"], check=False).returncode == 0


#: The name of a capability -> is it here.
CAPABILITIES = {
    "root": lambda: os.geteuid() == 0,
    "netns": _has_netns,
    "tun": lambda: os.geteuid() == 0 and Path("/dev/net/tun").exists(),
    "nft": lambda: shutil.which("nft") is not None,
    "tshark": lambda: shutil.which("tshark") is not None,
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
