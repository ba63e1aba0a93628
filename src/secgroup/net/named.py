"""A packet from named values: a row of somebody's table, an object of JSON.

Owns the names, which docs/python.md lists, and the bounds of each value.
"""

from collections.abc import Mapping
from typing import Any, Final

from secgroup.errors import InputError
from secgroup.net.address import Address, parse_address
from secgroup.net.packet import Icmp, Packet, Tcp
from secgroup.net.protocol import ICMP_ANSWERS, ICMP_QUERIES, TCP, UDP, TcpFlag, icmp_of

_U8: Final = (1 << 8) - 1
_U16: Final = (1 << 16) - 1
_U32: Final = (1 << 32) - 1

#: Each number that may be left out, with the largest it may be.
NUMBERS: Final[Mapping[str, int]] = {
    "srcport": _U16,
    "dstport": _U16,
    "tcp_flags": _U8,
    "sequence": _U32,
    "acknowledgement": _U32,
    "payload": _U16,
    "icmp_type": _U8,
    "icmp_code": _U8,
    "identifier": _U16,
    "length": _U32,
    "hop_limit": _U8,
}


def packet_of(values: Mapping[str, Any]) -> Packet:
    """Make a packet of `srcaddr`, `dstaddr`, `protocol` and the names of `NUMBERS`.

    Raises
    ------
    InputError
        A value is missing or none of its kind; `path` is its name.

    """
    source, destination = _address(values, "srcaddr"), _address(values, "dstaddr")
    if source.version != destination.version:
        raise InputError(f"{source} and {destination} are not of one family", path="dstaddr")
    protocol = _number(values, "protocol", _U8, None)
    given = {
        name: _number(values, name, greatest, 64 if name == "hop_limit" else 0)
        for name, greatest in NUMBERS.items()
    }
    tcp = icmp = None
    if protocol == TCP:
        tcp = Tcp(
            flags=TcpFlag(given["tcp_flags"]),
            sequence=given["sequence"],
            acknowledgement=given["acknowledgement"],
            payload=given["payload"],
        )
    if protocol == icmp_of(source.version):
        kind = (source.version, given["icmp_type"])
        named = kind in ICMP_QUERIES or kind in ICMP_ANSWERS
        icmp = Icmp(
            type=given["icmp_type"],
            code=given["icmp_code"],
            identifier=given["identifier"] if named else None,
        )
    has_ports = protocol in (TCP, UDP)
    return Packet(
        source=source,
        destination=destination,
        protocol=protocol,
        length=given["length"],
        hop_limit=given["hop_limit"],
        source_port=given["srcport"] if has_ports else None,
        destination_port=given["dstport"] if has_ports else None,
        tcp=tcp,
        icmp=icmp,
    )


def _number(values: Mapping[str, Any], name: str, greatest: int, absent: int | None) -> int:
    found = values.get(name)
    # pandas has absent integers as NaN, which is no number at all.
    if found is None or found != found:
        found = absent
    try:
        value = -1 if isinstance(found, bool | str) or found is None else int(found)
    except (TypeError, ValueError, OverflowError):
        value = -1
    if not 0 <= value <= greatest or value != found:
        raise InputError(f"{found!r} is no number from 0 to {greatest}", path=name)
    return value


def _address(values: Mapping[str, Any], name: str) -> Address:
    try:
        return parse_address(str(values.get(name)))
    except InputError as error:
        raise InputError(error.problem, path=name) from None
