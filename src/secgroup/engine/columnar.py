"""Batches of packets from columns that people have: lists, arrays, columns of a table.

Owns their names and how a value becomes a row; the rows are `batch`'s.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from secgroup.engine.arrow import batch_of_arrays
from secgroup.engine.batch import Batch, Sighting, batch_of
from secgroup.errors import InputError
from secgroup.net.direction import Direction
from secgroup.net.named import NUMBERS, packet_of

_NEEDED: Final = ("interface_id", "direction", "time_ms", "srcaddr", "dstaddr", "protocol")
_DIRECTIONS: Final = {str(each): each for each in Direction}


def batch_from(columns: Mapping[str, Any], interfaces: Mapping[str, int]) -> Batch:
    """Make a batch of columns by name, which docs/python.md lists.

    Raises
    ------
    InputError
        A column is missing, unknown or of another length, or a value is none of its kind.

    """
    for name in _NEEDED:
        if name not in columns:
            raise InputError(f"column {name} is missing (expected {', '.join(_NEEDED)})")
    for name in columns:
        if name not in (*_NEEDED, *NUMBERS):
            raise InputError(f"{name} is no column (expected one of {', '.join(NUMBERS)})")
    whole = batch_of_arrays(columns, interfaces)
    if whole is not None:
        return whole
    lists = {name: _list(column) for name, column in columns.items()}
    count = len(lists["time_ms"])
    for name, values in lists.items():
        if len(values) != count:
            raise InputError(f"column {name} has {len(values)} values (expected {count})")
    return batch_of(
        _sighting({name: values[row] for name, values in lists.items()}, interfaces, row)
        for row in range(count)
    )


def columns_of(table: object) -> dict[str, Any]:
    """Return the columns of a table that hands out Arrow, by name.

    Raises
    ------
    InputError
        It does not.

    """
    import pyarrow

    if not hasattr(table, "__arrow_c_stream__"):
        raise InputError(f"{type(table).__name__} is no table (expected one that hands out Arrow)")
    found = pyarrow.table(table)
    return dict(zip(found.column_names, found.columns, strict=True))


def _list(column: Any) -> list[Any]:
    for way in ("to_pylist", "tolist", "to_list"):
        if hasattr(column, way):
            values: list[Any] = getattr(column, way)()
            return values
    if isinstance(column, Iterable):
        return list(column)
    raise InputError(f"{column!r} is no column (expected a list or an array)")


def _sighting(row: Mapping[str, Any], interfaces: Mapping[str, int], number: int) -> Sighting:
    try:
        interface, direction = interfaces[row["interface_id"]], _DIRECTIONS[str(row["direction"])]
    except KeyError as error:
        raise InputError(
            f"row {number}: {error.args[0]!r} is no interface or direction of the network"
        ) from None
    try:
        packet = packet_of(row)
    except InputError as error:
        raise InputError(error.problem, source=f"row {number}", path=error.path) from None
    return Sighting(packet, interface, direction, int(row["time_ms"]))
