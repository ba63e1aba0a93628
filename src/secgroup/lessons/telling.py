"""The words that stories are written in."""

from typing import Final

from secgroup.decision import Reason
from secgroup.lessons.story import Change, Send, Wait
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from secgroup.net.packet import Datagram

WEB: Final = "10.0.1.10"
DATABASE: Final = "10.0.2.20"
OFFICE: Final = "203.0.113.1"
VISITOR: Final = "198.51.100.7"

#: What a new group allows outwards until somebody takes it away.
OUT_ALL: Final = ("out all 0.0.0.0/0", "out all ::/0")


def comes(says: str, packet: Datagram, expected: Reason, *, to: str = "web") -> Send:
    """Let a packet come to an interface."""
    return Send(
        interface_id=to,
        direction=Direction.INGRESS,
        packet=packet,
        expected=expected,
        says=says,
    )


def leaves(says: str, packet: Datagram, expected: Reason, *, by: str = "web") -> Send:
    """Let a packet leave by an interface."""
    return Send(
        interface_id=by,
        direction=Direction.EGRESS,
        packet=packet,
        expected=expected,
        says=says,
    )


def after(seconds: float) -> Wait:
    """Let nothing happen for some seconds."""
    return Wait(ms=round(1000 * seconds))


def now(says: str, network: Network) -> Change:
    """Let somebody edit the network."""
    return Change(network=network, says=says)


def crosses(
    says: str, packet: Datagram, *, by: str, leaving: Reason, to: str, arriving: Reason
) -> tuple[Send, Send]:
    """Let a packet leave by one interface and come to another."""
    return (
        leaves(says, packet, leaving, by=by),
        comes("It arrives.", packet, arriving, to=to),
    )
