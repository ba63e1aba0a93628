"""What a world has from its first request on, because AWS gives it to every account."""

from secgroup.control.aws_prefix_lists import create_aws_lists
from secgroup.control.default_vpc import ensure_default
from secgroup.control.state import World


def begin(world: World) -> None:
    """Make what an account has in a region before it asked for anything; once, or again."""
    create_aws_lists(world.state, world.region)
    ensure_default(world)
