"""Ends of a path through a router: what lets frames that XDP makes go all their way at once.

Owns default routes, neighbours that nobody asks for, and how devices take such frames. Devices are
named after the namespace at their other end, as `Namespaces.link` names them.
"""

import ctypes
import fcntl
import json
import socket
import struct
from typing import Final

from secgroup.dataplane.bpf.libc import in_namespace
from tests.support.netns import Namespace

#: linux/sockios.h, linux/ethtool.h
_SIOCETHTOOL: Final = 0x8946
_ETHTOOL_SGRO: Final = 0x2C


def mac(namespace: Namespace, device: str) -> str:
    """Return a device's address."""
    shown = json.loads(namespace.run(["ip", "-json", "link", "show", "dev", device]))
    return str(shown[0]["address"])


def settle(router: Namespace, end: Namespace, address: object, gateway: str) -> None:
    """Let an end at `address` send by the router's `gateway`, with nothing left to be found out."""
    end.ip(f"route add default via {gateway}")
    ours, theirs = mac(end, router.name), mac(router, end.name)
    end.ip(f"neighbour replace {gateway} lladdr {theirs} dev {router.name} nud permanent")
    router.ip(f"neighbour replace {address} lladdr {ours} dev {end.name} nud permanent")
    # Only with NAPI does a device take frames that XDP hands to its peer.
    in_namespace(router.netns, lambda: _set_gro(end.name))


def _set_gro(device: str) -> None:
    value = ctypes.create_string_buffer(struct.pack("=II", _ETHTOOL_SGRO, 1))
    request = struct.pack("16sQ16x", device.encode(), ctypes.addressof(value))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCETHTOOL, request)
