"""What every noun of a seed has in common: the network it is of, and the world it goes to."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from secgroup.control.state import World
from secgroup.model.network import Network

#: A kind and a resource of it.
Made = tuple[str, dict[str, Any]]

ASSOCIATED: Final = {"State": "associated"}


@dataclass(frozen=True, slots=True)
class Seed:
    """A network that becomes the resources of a world."""

    network: Network
    world: World

    def owner(self, owner_id: str | None) -> str:
        """Return whose a resource is: as it says itself, else as its network or world does."""
        return owner_id or self.network.account_id or self.world.account_id

    def zone(self, subnet_id: str) -> str:
        """Return the availability zone of a subnet; the first one where none is told."""
        told = self.network.subnets[subnet_id].availability_zone
        return told or f"{self.world.region}a"


def present(members: dict[str, Any]) -> dict[str, Any]:
    """Return the members that are there."""
    return {key: value for key, value in members.items() if value is not None}


def tags(names: Iterable[str]) -> list[dict[str, str]]:
    """Return the tag Name; further names are kept by no member of a resource."""
    return [{"Key": "Name", "Value": name} for name in tuple(names)[-1:]]
