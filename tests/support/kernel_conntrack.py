"""Linux's connection tracking as an authority: what `ct state` does each packet get?

A network namespace of its own with two TUN devices: `outside` and `inside`. A packet written to
one comes out at the other, and nftables has written its `ct state` into the DSCP field on the
way, so that every packet passes and tells.
"""

import ctypes
import fcntl
import os
import select
import struct
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from secgroup.net.direction import Direction

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001

CT_STATES = {1: "new", 2: "established", 3: "related", 4: "invalid", 5: "untracked"}

RULES = "table inet probe {\n  chain forward {\n    type filter hook forward priority 10;\n" + (
    "".join(
        f"    ct state {state} {family} dscp set {mark} accept\n"
        for family in ("ip", "ip6")
        for mark, state in CT_STATES.items()
    )
    + "  }\n}\n"
)

SYSCTLS = {
    "ipv4/ip_forward": 1,
    "ipv6/conf/all/forwarding": 1,
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/rp_filter": 0,
    "netfilter/nf_conntrack_tcp_be_liberal": 1,
    "netfilter/nf_conntrack_checksum": 0,
}


def _open_tun(name: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN_NO_PI))
    return descriptor


@dataclass(frozen=True)
class KernelConntrack:
    """The namespace, seen through its two devices."""

    outside: int
    inside: int
    thread: ThreadPoolExecutor

    def ask(self, packet: bytes, direction: Direction) -> str | None:
        """Send an IP packet through; return its ct state, None when it did not come out."""
        entrance, exit_ = (
            (self.inside, self.outside)
            if direction is Direction.EGRESS
            else (self.outside, self.inside)
        )
        while select.select([exit_], [], [], 0)[0]:
            os.read(exit_, 65536)
        os.write(entrance, packet)
        while select.select([exit_], [], [], 0.2)[0]:
            seen = os.read(exit_, 65536)
            traffic_class = seen[1] if seen[0] >> 4 == 4 else (seen[0] & 15) << 4 | seen[1] >> 4
            if traffic_class >> 2 in CT_STATES:
                return CT_STATES[traffic_class >> 2]
        return None

    def run(self, *command: str) -> str:
        """Run a command inside the namespace."""
        done = self.thread.submit(
            subprocess.run, command, check=True, capture_output=True, text=True
        )
        return str(done.result().stdout)

    def set(self, name: str, value: int) -> None:
        """Set one sysctl of the namespace, by its path under /proc/sys/net."""
        self.run("sh", "-c", f"echo {value} > /proc/sys/net/{name}")


@contextmanager
def kernel_conntrack(*, inside_v4: str, inside_v6: str) -> Iterator[KernelConntrack]:
    """Give a namespace whose `inside` device leads to these networks, the other to all else."""
    thread = ThreadPoolExecutor(max_workers=1)

    def enter() -> tuple[int, int]:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        return _open_tun("outside"), _open_tun("inside")

    devices: tuple[int, ...] = ()
    try:
        devices = thread.submit(enter).result()
        kernel = KernelConntrack(outside=devices[0], inside=devices[1], thread=thread)
        for name in ("outside", "inside"):
            kernel.run("ip", "link", "set", name, "up")
        kernel.run("ip", "route", "add", inside_v4, "dev", "inside")
        kernel.run("ip", "-6", "route", "add", inside_v6, "dev", "inside")
        kernel.run("ip", "route", "add", "default", "dev", "outside")
        kernel.run("ip", "-6", "route", "add", "default", "dev", "outside")
        done = thread.submit(subprocess.run, ["nft", "-f", "-"], input=RULES, text=True, check=True)
        done.result()
        for name, value in SYSCTLS.items():
            kernel.set(name, value)
        yield kernel
    finally:
        for descriptor in devices:
            os.close(descriptor)
        thread.shutdown()
