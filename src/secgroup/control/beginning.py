"""What a world has from its first request on, because AWS gives it to every account."""

from secgroup.control.default_vpc import ensure_default
from secgroup.control.state import World


def begin(world: World) -> None:
    """Make what an account has in a region before it asked for anything."""
    ensure_default(world)
