"""`DataPlane`: a place where networks are enforced; what `control` and `api` know of any plane.

A change comes in two halves (docs/decisions/how-a-plane-follows.md): `prepare` finds out
whether the networks can be enforced and changes nothing, `commit` puts them in force and cannot
fail. Between the two the change is made to last elsewhere; if that fails, `abandon`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from secgroup.model.network import Network


class DataPlane(Protocol):
    """Enforces one network for each region."""

    def prepare(self, networks: Mapping[str, Network], /) -> None:
        """Make ready to enforce other networks in some regions; nothing changes yet.

        Raises
        ------
        DataPlaneError
            One of them cannot be enforced; what is in force stays so.

        """

    def commit(self) -> None:
        """Put in force what was prepared: from now on every packet meets it."""

    def abandon(self) -> None:
        """Forget what was prepared."""


class Questions(Protocol):
    """A plane in this process, which can be asked what a packet would meet."""

    def decide_packets(
        self, region: str, packets: Sequence[Mapping[str, Any]], now_ns: int, /
    ) -> Iterator[str]:
        """Yield the decision of each packet as a line of JSON (docs/decisions-schema.md)."""

    def decide_capture(self, region: str, capture: BinaryIO, now_ns: int, /) -> Iterator[str]:
        """Yield the decisions of a capture's packets as lines of JSON."""

    def connections(self, region: str, now_ns: int, /) -> Iterator[Mapping[str, Any]]:
        """Yield the tracked connections that are alive, the oldest entry first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A network device of this machine that is an interface's host side.

    Parameters
    ----------
    name : str
    netns : str or None
        The network namespace that it is in: a name, or the path of a file; None is the plane's.
    mac : bytes or None
        The address that the interface sends from; None is the one that the network knows.
    is_live : bool
        It may be up already when the plane comes before it.

    """

    name: str
    netns: str | None = None
    mac: bytes | None = None
    is_live: bool = False

    def __str__(self) -> str:
        """Write its name, and where that is."""
        return self.name if self.netns is None else f"{self.name} in {self.netns}"


class Devices(Protocol):
    """A plane that stands before devices; the halves of a change are as `DataPlane`'s."""

    def prepare_devices(self, changes: Mapping[str, Device | None], /) -> None:
        """Come before the devices of some interfaces; None is an interface that loses its.

        Raises
        ------
        DataPlaneError
            One is not there or cannot be had; what was attached stays so.

        """

    def commit_devices(self) -> None:
        """Leave the devices that interfaces lost."""

    def abandon_devices(self) -> None:
        """Leave the devices that were prepared."""

    def device_states(self) -> Mapping[str, str]:
        """Return a word for each interface that has a device: how it is with it now."""


def converge(plane: DataPlane, networks: Mapping[str, Network]) -> None:
    """Make a plane enforce networks, for callers who have nothing else that could fail.

    Raises
    ------
    DataPlaneError
        One of them cannot be enforced; what was in force stays so.

    """
    plane.prepare(networks)
    plane.commit()
