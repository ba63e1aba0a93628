"""Entries of the table of connections, written from words."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import numpy as np
from numpy.typing import NDArray

from secgroup.conntrack.state import State
from secgroup.dataplane.bpf.connections import KEY
from secgroup.dataplane.bpf.layout import ENDED, ENTRY
from secgroup.engine.layout import ICMP_KIND, IPV6

TCP_NUMBER = 6
#: The place of the first kind of ICMP query, opened on ingress.
ECHO = ICMP_KIND


def key(
    inside: str,
    outside: str,
    *,
    inside_port: int = 443,
    outside_port: int = 40000,
    owner: int = 1,
    place: int = TCP_NUMBER,
) -> NDArray[Any]:
    row = np.zeros(1, KEY)
    for side, text in (("inside", inside), ("outside", outside)):
        address = ip_address(text)
        number = int(address) | (0xFFFF << 32 if address.version == 4 else 0)
        row[f"{side}_hi"], row[f"{side}_lo"] = number >> 64, number & (1 << 64) - 1
    family = IPV6 if ":" in inside else 0
    row["inside_port"], row["outside_port"] = inside_port, outside_port
    row["owner_protocol"] = owner | family | place << 24
    return row


def entry(
    *,
    last_ms: int = 0,
    created_s: int = 0,
    state: State | int = State.ESTABLISHED,
    interface: int = 1,
    admission: int = 1,
    flags: int = 0,
    packets: Sequence[int] = (1, 0),
    octets: Sequence[int] = (60, 0),
    tcp_flags: Sequence[int] = (0, 0),
    timeouts: int = 0,
) -> NDArray[Any]:
    row = np.zeros(1, ENTRY)
    row["last_ms"], row["created_s"] = last_ms & 0xFFFFFFFF, created_s
    row["state"], row["interface"], row["admission"] = int(state), interface, admission
    row["flags"], row["timeouts"] = flags, timeouts
    row["packets"], row["octets"], row["tcp_flags"] = packets, octets, tcp_flags
    return row


def table(*pairs: tuple[NDArray[Any], NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
    if not pairs:
        return np.zeros(0, KEY), np.zeros(0, ENTRY)
    return np.concatenate([each[0] for each in pairs]), np.concatenate([e[1] for e in pairs])


def ended(*pairs: tuple[NDArray[Any], NDArray[Any]], time_ms: int = 0) -> NDArray[Any]:
    rows = np.zeros(len(pairs), ENDED)
    for row, (name, memory) in zip(rows, pairs, strict=True):
        row["key"], row["entry"] = name.view("u1"), memory[0]
        row["time_ms"] = time_ms
    return rows
