"""Which route a packet takes out of a subnet."""

from collections.abc import Iterator

from secgroup.model.group import PrefixListReference
from secgroup.model.network import Network
from secgroup.model.route import Route, RouteTable, TargetKind
from secgroup.net.address import Address, Prefix


def destinations(network: Network, route: Route) -> Iterator[Prefix]:
    """Yield the blocks that a route is for; none when its prefix list is not known."""
    if isinstance(route.destination, PrefixListReference):
        prefix_list = network.prefix_lists.get(route.destination.prefix_list_id)
        if prefix_list is not None and prefix_list.entries is not None:
            yield from prefix_list.entries
    elif isinstance(route.destination, Prefix):
        yield route.destination


def most_specific(network: Network, table: RouteTable, address: Address) -> Route | None:
    """Return the route that `table` has for `address`, None when it has none.

    The longest prefix wins; among equals the local route, then the first one (VPC User Guide,
    Route priority). A gateway endpoint's route is named by its prefix list.
    """
    best: tuple[int, bool] | None = None
    chosen = None
    for route in table.routes:
        for prefix in destinations(network, route):
            if prefix.version != address.version or address not in prefix:
                continue
            rank = (prefix.prefixlen, route.target.kind is TargetKind.LOCAL)
            if best is None or rank > best:
                best, chosen = rank, route
    return chosen
