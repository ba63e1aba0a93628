"""Parts of a question as boxes of numbers, and what they are called.

Owns the joining of boxes that belong together; `question` cuts them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from secgroup.net.protocol import TCP, UDP, protocol_name
from secgroup.reference.partition import Span, address_text, merged, port_text, without


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A part of a question: every combination of what its spans contain.

    Parameters
    ----------
    addresses : tuple of Span
        Of the end outside of the network; empty when both ends are inside.
    protocol : int
        Its number, or -1 for the protocols in `points`.
    points : tuple of Span
        Ports, or ICMP types and codes as `Conversation.point` has them; for -1: protocols.
    clients, nats : tuple of Span
        Ports of the opener and of a NAT gateway on the way; empty where there are none.

    """

    addresses: tuple[Span, ...] = ()
    protocol: int
    points: tuple[Span, ...]
    clients: tuple[Span, ...] = ()
    nats: tuple[Span, ...] = ()


def parts_text(
    boxes: Sequence[Box], every: Sequence[Box], family: int, outside: str | None
) -> tuple[str, ...]:
    """Write which part of a question some boxes are; empty when they are all of it."""
    if len(boxes) == len(every):
        return ()
    whole = {
        protocol: Box(
            protocol=protocol,
            **{
                field: merged(
                    span
                    for box in every
                    if box.protocol == protocol
                    for span in getattr(box, field)
                )
                for field in _FIELDS
            },
        )
        for protocol in {box.protocol for box in every}
    }
    return tuple(
        _box_text(box, whole[box.protocol], family, outside, names_protocol=len(whole) > 1)
        for box in _joined(boxes)
    )


_FIELDS: Final = ("addresses", "points", "clients", "nats")


def _joined(boxes: Sequence[Box]) -> list[Box]:
    """Join boxes that differ in one field only."""
    joined = list(dict.fromkeys(boxes))
    for field in ("nats", "clients", "points", "addresses"):
        groups: dict[tuple[object, ...], list[Box]] = {}
        for box in joined:
            rest = tuple(getattr(box, each) for each in _FIELDS if each != field)
            groups.setdefault((box.protocol, *rest), []).append(box)
        joined = [
            Box(
                protocol=same[0].protocol,
                **{
                    each: merged(span for box in same for span in getattr(box, each))
                    for each in _FIELDS
                },
            )
            for same in groups.values()
        ]
    return joined


def _box_text(
    box: Box, whole: Box, family: int, outside: str | None, *, names_protocol: bool
) -> str:
    parts = []
    if names_protocol or box.points != whole.points:
        parts.append(points_text(box.protocol, box.points, is_whole=box.points == whole.points))
    if box.addresses != whole.addresses:
        parts.append(_addresses_text(box.addresses, whole.addresses, family, outside or ""))
    if box.clients != whole.clients:
        parts.append(f"client ports {port_text(box.clients)}")
    if box.nats != whole.nats:
        parts.append(f"ports of the NAT gateway {port_text(box.nats)}")
    return ", ".join(parts) or "the rest"


def _addresses_text(
    addresses: Sequence[Span], whole: Sequence[Span], family: int, outside: str
) -> str:
    """Write some of the addresses, or all but some, whichever is shorter."""
    others = without(whole, addresses)
    if len(others) < len(addresses):
        return f"all of {outside} except {address_text(others, family)}"
    return address_text(addresses, family)


def points_text(protocol: int, points: Sequence[Span], *, is_whole: bool) -> str:
    """Write ports, ICMP types and codes, or protocol numbers."""
    if protocol == -1:
        return "other protocols" if is_whole else f"protocol {port_text(points)}"
    name = protocol_name(protocol)
    if is_whole:
        return name
    if protocol in (TCP, UDP):
        return f"{name}/{port_text(points)}"
    return ", ".join(f"{name}/{_icmp_text(span)}" for span in points)


def _icmp_text(span: Span) -> str:
    (kind, code), (last_kind, last_code) = divmod(span[0], 256), divmod(span[1], 256)
    if span[0] == span[1]:
        return f"{kind}/{code}"
    if code == 0 and last_code == 255:
        return str(kind) if kind == last_kind else f"{kind}-{last_kind}"
    return f"{kind}/{code}-{last_kind}/{last_code}"
