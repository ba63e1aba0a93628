"""Blocks of addresses as keys of `hosts`, `prefixes4` and `prefixes6`, and back.

A table of addresses is a number that begins the keys of its blocks. Owns which block stands in
which map.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from secgroup.dataplane.bpf.layout import HOST, PREFIX4, PREFIX6
from secgroup.engine.tables import MAPPED
from secgroup.policy.blocks import Block, bits_of

#: The map of blocks that are not single addresses.
PREFIXES: Final = {4: "prefixes4", 6: "prefixes6"}
HOSTS: Final = "hosts"
#: The table is part of a prefix.
TABLE_BITS: Final = 32
_DTYPES: Final = {4: PREFIX4, 6: PREFIX6}

Keys = NDArray[Any]


class Elements(NamedTuple):
    """Keys for one map, and where they stood among the blocks that were given."""

    name: str
    keys: Keys
    places: NDArray[np.intp]


def elements_of(table: int, family: int, blocks: Sequence[Block]) -> list[Elements]:
    """Return the keys of a table's blocks, for the maps that they belong to."""
    octets = bits_of(family) // 8 + 1
    packed = b"".join([each.to_bytes(octets, "big") for each in blocks])
    rows = np.frombuffer(packed, np.uint8).reshape(-1, octets)
    is_host = rows[:, -1] == bits_of(family)
    found = []
    for name, chosen in ((HOSTS, is_host), (PREFIXES[family], ~is_host)):
        places = np.flatnonzero(chosen)
        if len(places):
            own = rows[places]
            keys = _hosts(table, own) if name == HOSTS else _prefixes(table, family, own)
            found.append(Elements(name, keys, places))
    return found


def _hosts(table: int, rows: NDArray[np.uint8]) -> Keys:
    keys = np.zeros(len(rows), HOST)
    keys["table"] = table
    if rows.shape[1] == 5:
        keys["lo"] = np.ascontiguousarray(rows[:, :4]).view(">u4")[:, 0]
        keys["lo"] |= np.uint64(MAPPED)
    else:
        halves = np.ascontiguousarray(rows[:, :16]).view(">u8")
        keys["hi"], keys["lo"] = halves[:, 0], halves[:, 1]
    return keys


def _prefixes(table: int, family: int, rows: NDArray[np.uint8]) -> Keys:
    keys = np.zeros(len(rows), _DTYPES[family])
    keys["length"] = rows[:, -1].astype(np.uint32) + TABLE_BITS
    keys["table"] = table
    keys["address"] = rows[:, :-1]
    return keys


def blocks_of_hosts(family: int, keys: Keys) -> list[Block]:
    """Return the blocks of keys of `hosts`."""
    whole = bits_of(family)
    if family == 4:
        return [(each & 0xFFFFFFFF) << 8 | whole for each in keys["lo"].tolist()]
    pairs = zip(keys["hi"].tolist(), keys["lo"].tolist(), strict=True)
    return [(hi << 64 | lo) << 8 | whole for hi, lo in pairs]


def blocks_of_prefixes(keys: Keys) -> list[Block]:
    """Return the blocks of keys of `prefixes4` or `prefixes6`."""
    octets = keys["address"].shape[1]
    packed = np.ascontiguousarray(keys["address"]).tobytes()
    lengths = (keys["length"] - np.uint32(TABLE_BITS)).tolist()
    return [
        int.from_bytes(packed[at * octets : (at + 1) * octets], "big") << 8 | length
        for at, length in enumerate(lengths)
    ]
