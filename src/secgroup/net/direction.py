"""The two ways that a packet can pass a network interface."""

from enum import IntEnum


class Direction(IntEnum):
    """Which way a packet passes an interface: always the network interface's own view."""

    INGRESS = 0
    EGRESS = 1

    @property
    def opposite(self) -> "Direction":
        """The other direction."""
        return Direction(1 - self)

    def __str__(self) -> str:
        """Write `ingress` or `egress`."""
        return self.name.lower()
