"""Batches of packets from columns that people have: lists, arrays, columns of a table.

Owns their names and how a value becomes a row; the rows are `batch`'s.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from secgroup.engine.batch import Batch, Sighting, batch_of
from secgroup.errors import InputError
from secgroup.net.address import parse_address
from secgroup.net.direction import Direction
from secgroup.net.packet import Icmp, Packet, Tcp
from secgroup.net.protocol import ICMP_ANSWERS, ICMP_QUERIES, TCP, UDP, TcpFlag, icmp_of

_NEEDED: Final = ("interface_id", "direction", "time_ms", "srcaddr", "dstaddr", "protocol")
_OTHERS: Final = (
    "srcport", "dstport", "tcp_flags", "sequence", "acknowledgement", "payload",
    "icmp_type", "icmp_code", "identifier", "length", "hop_limit",
)  # fmt: skip
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
        if name not in (*_NEEDED, *_OTHERS):
            raise InputError(f"{name} is no column (expected one of {', '.join(_OTHERS)})")
    lists = {name: _list(column) for name, column in columns.items()}
    count = len(lists["time_ms"])
    for name, values in lists.items():
        if len(values) != count:
            raise InputError(f"column {name} has {len(values)} values (expected {count})")
    return batch_of(
        _sighting({name: values[row] for name, values in lists.items()}, interfaces, row)
        for row in range(count)
    )


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
    return Sighting(_packet(row, number), interface, direction, int(row["time_ms"]))


def _packet(row: Mapping[str, Any], number: int) -> Packet:
    source, destination = parse_address(row["srcaddr"]), parse_address(row["dstaddr"])
    if source.version != destination.version:
        raise InputError(f"row {number}: {source} and {destination} are not of one family")

    def value(name: str, absent: int = 0) -> int:
        found = row.get(name)
        # pandas has absent integers as NaN, which is no number at all.
        return absent if found is None or found != found else int(found)

    protocol = value("protocol")
    has_ports = protocol in (TCP, UDP)
    tcp = icmp = None
    if protocol == TCP:
        tcp = Tcp(
            flags=TcpFlag(value("tcp_flags")),
            sequence=value("sequence"),
            acknowledgement=value("acknowledgement"),
            payload=value("payload"),
        )
    if protocol == icmp_of(source.version):
        kind = (source.version, value("icmp_type"))
        named = kind in ICMP_QUERIES or kind in ICMP_ANSWERS
        icmp = Icmp(
            type=kind[1],
            code=value("icmp_code"),
            identifier=value("identifier") if named else None,
        )
    return Packet(
        source=source,
        destination=destination,
        protocol=protocol,
        length=value("length"),
        hop_limit=value("hop_limit", 64),
        source_port=value("srcport") if has_ports else None,
        destination_port=value("dstport") if has_ports else None,
        tcp=tcp,
        icmp=icmp,
    )
