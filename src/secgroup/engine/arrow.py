"""Batches of packets from Arrow columns, all rows at once.

Owns the quick way of what `columnar` does row by row. Where a value is none of its kind it gives
up: the slow way says which.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from secgroup.engine.batch import Batch, halves
from secgroup.engine.layout import (
    HAS_ICMP,
    HAS_PORTS,
    HAS_TCP,
    ICMP_KINDS,
    NOT_TRACKED,
    Packets,
    empty_packets,
)
from secgroup.errors import InputError
from secgroup.net.address import parse_address
from secgroup.net.direction import Direction
from secgroup.net.named import NUMBERS
from secgroup.net.protocol import ICMP, ICMPV6, TCP, UDP

_DIRECTIONS: Final = {str(each): int(each) for each in Direction}
_U8: Final = 255
#: The columns that only some packets have, by the bit that says so.
_OF_SHAPE: Final = {
    HAS_PORTS: {"source_port": "srcport", "destination_port": "dstport"},
    HAS_TCP: {each: each for each in ("tcp_flags", "sequence", "acknowledgement", "payload")},
    HAS_ICMP: {each: each for each in ("icmp_type", "icmp_code", "identifier")},
}


class _Odd(Exception):  # noqa: N818
    """A value that only the slow way can judge."""


def batch_of_arrays(columns: Mapping[str, Any], interfaces: Mapping[str, int]) -> Batch | None:
    """Make a batch of columns as `columnar.batch_from`; None where that must look at each row.

    Preconditions: the columns are known, and those that must be there are.
    """
    import pyarrow

    try:
        return _batch_of({name: _array(column) for name, column in columns.items()}, interfaces)
    except (_Odd, pyarrow.ArrowException, OverflowError):
        return None


def _batch_of(columns: Mapping[str, Any], interfaces: Mapping[str, int]) -> Batch:
    count = len(columns["time_ms"])
    if any(len(each) != count for each in columns.values()):
        raise _Odd
    packets = empty_packets(count)
    packets.time_ms[:] = _integers(columns["time_ms"], None)
    packets.interface[:] = _by_text(columns["interface_id"], lambda text: (interfaces[text],))[0]
    packets.direction[:] = _by_text(columns["direction"], lambda text: (_DIRECTIONS[text],))[0]
    source, destination = (_addresses(columns[name]) for name in ("srcaddr", "dstaddr"))
    if (source[0] != destination[0]).any():
        raise _Odd
    packets.family[:] = source[0]
    packets.source_hi[:], packets.source_lo[:] = source[1:]
    packets.destination_hi[:], packets.destination_lo[:] = destination[1:]
    packets.protocol[:] = _numbers(columns["protocol"], _U8, None)
    for name in ("hop_limit", "length"):
        absent = 64 if name == "hop_limit" else 0
        getattr(packets, name)[:] = (
            _numbers(columns[name], NUMBERS[name], absent) if name in columns else absent
        )
    _fill_by_shape(packets, columns)
    return Batch(packets=packets, quotes=empty_packets(0))


def _fill_by_shape(packets: Packets, columns: Mapping[str, Any]) -> None:
    """Fill in what only TCP, UDP or ICMP has."""
    protocol, is_six = packets.protocol, packets.family == 6
    is_icmp = protocol == np.where(is_six, ICMPV6, ICMP)
    shape = np.where((protocol == TCP) | (protocol == UDP), HAS_PORTS, 0)
    shape |= np.where(protocol == TCP, HAS_TCP, 0) | np.where(is_icmp, HAS_ICMP, 0)
    packets.shape[:] = shape
    for bit, names in _OF_SHAPE.items():
        for name, given in names.items():
            if given in columns:
                values = _numbers(columns[given], NUMBERS[given], 0)
                getattr(packets, name)[:] = np.where(shape & bit != 0, values, 0)
    is_named = ICMP_KINDS[is_six.astype(np.intp), packets.icmp_type] != NOT_TRACKED
    packets.identifier[~is_named] = 0


def _array(column: Any) -> Any:
    """Return a column as one Arrow array, of a type that is not a dictionary."""
    import pyarrow

    if not isinstance(column, pyarrow.Array | pyarrow.ChunkedArray):
        column = pyarrow.array(column, from_pandas=True)
    if isinstance(column, pyarrow.ChunkedArray):
        column = column.combine_chunks()
    if pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column


def _by_text(column: Any, meaning: Callable[[str], tuple[int, ...]]) -> list[NDArray[Any]]:
    """Return numbers for texts, as columns; each text is asked for once."""
    import pyarrow

    if column.null_count or column.type not in (pyarrow.string(), pyarrow.large_string()):
        if column.null_count or column.type != pyarrow.string_view():
            raise _Odd
        column = column.cast(pyarrow.string())
    encoded = column.dictionary_encode()
    try:
        known = [meaning(text) for text in encoded.dictionary.to_pylist()]
    except (KeyError, InputError):
        raise _Odd from None
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    width = len(known[0]) if known else 3
    dtype = np.uint64 if width > 1 else np.int64
    return [np.array([each[i] for each in known], dtype=dtype)[codes] for i in range(width)]


def _addresses(column: Any) -> list[NDArray[Any]]:
    """Return family, high and low half."""

    def meaning(text: str) -> tuple[int, ...]:
        address = parse_address(text)
        return address.version, *halves(address)

    return _by_text(column, meaning)


def _integers(column: Any, absent: int | None) -> NDArray[np.int64]:
    """Return whole numbers; `absent` for null and NaN."""
    import pyarrow
    import pyarrow.compute as pc

    kind = column.type
    if pyarrow.types.is_null(kind):
        column = column.cast(pyarrow.int64())
    elif pyarrow.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), None, column)
    elif not pyarrow.types.is_integer(kind):
        raise _Odd
    if column.null_count:
        if absent is None:
            raise _Odd
        column = column.fill_null(absent)
    # A safe cast refuses what is no whole number, or too large.
    found: NDArray[np.int64] = column.cast(pyarrow.int64()).to_numpy(zero_copy_only=False)
    return found


def _numbers(column: Any, greatest: int, absent: int | None) -> NDArray[np.int64]:
    found = _integers(column, absent)
    if found.shape[0] and (found.min() < 0 or found.max() > greatest):
        raise _Odd
    return found
