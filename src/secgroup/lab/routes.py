"""A VPC's route tables as the kernel's: one for each, asked by the device that a packet comes by.

Owns what the target of a route is in the lab. Read first: VPC User Guide, route tables. Inside of
its subnet a packet asks no table; local routes are `throw`, and end in the main table, which has
who is in the VPC and nobody else. What has no route is dropped, as AWS does, without a word.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from secgroup.lab.names import INTERNET, device_of
from secgroup.lab.router import FAR, NEAR, Router, first_address, single
from secgroup.lab.topology import MAIN_TABLE, KernelRoute, RouteKind, RoutingRule
from secgroup.model.interface import NetworkInterface
from secgroup.model.route import PeeringConnection, RouteTable, Target, TargetKind
from secgroup.net.address import Address, Prefix, everything
from secgroup.policy.routes import destinations
from secgroup.reference.endpoint import primary_of

#: Rules: inside its subnet a packet asks no route table; then its subnet's; the router's own.
_WITHIN, _BY_TABLE, _OWN = 1000, 2000, 3000
_OWN_TABLE: Final = 999
#: The table of subnets whose route table is not known; known ones follow.
_FIRST_TABLE: Final = 1000
#: Behind every route that a table has.
_LAST: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a packet leaves the router: by a device, to a neighbour there."""

    device: str
    via: Address


class Routes:
    """The routes and rules of one VPC's router.

    Parameters
    ----------
    router : Router
    warn : callable
        Is told what the lab does not have.

    """

    def __init__(self, router: Router, warn: Callable[[str], None]) -> None:
        self._router = router
        self._network = router.network
        self._warn = warn

    @cached_property
    def tables(self) -> Mapping[str, tuple[int, RouteTable | None]]:
        """Number and contents of the table of each subnet, and of the internet gateway."""
        vpc_id = self._router.vpc.vpc_id
        known = sorted(
            (each for each in self._network.route_tables.values() if each.vpc_id == vpc_id),
            key=lambda each: each.route_table_id,
        )
        numbers = {each.route_table_id: _FIRST_TABLE + at for at, each in enumerate(known, 1)}
        found: dict[str, tuple[int, RouteTable | None]] = {}
        for subnet_id in sorted({each.subnet_id for each in self._router.interfaces}):
            table = self._network.route_table_of(subnet_id)
            if table is None or table.route_table_id not in numbers:
                found[subnet_id] = (_FIRST_TABLE, None)
            else:
                found[subnet_id] = (numbers[table.route_table_id], table)
        for table in known:
            if self._router.internet_gateway in table.gateway_ids:
                found[INTERNET] = (numbers[table.route_table_id], table)
        return found

    def rules(self) -> Iterator[RoutingRule]:
        """Yield which table is asked, by the device that a packet comes by."""
        for each in self._router.interfaces:
            device = device_of(each.interface_id)
            subnet = self._network.subnets[each.subnet_id]
            inside: list[Prefix] = [*subnet.ipv6_blocks]
            if subnet.ipv4_block is not None:
                inside.append(subnet.ipv4_block)
            for block in inside:
                yield RoutingRule(
                    family=block.version,
                    priority=_WITHIN,
                    table=MAIN_TABLE,
                    incoming=device,
                    destination=block,
                )
            yield from self._by_table(device, each.subnet_id)
        yield from self._by_table(INTERNET, INTERNET)
        for family in (4, 6):
            yield RoutingRule(family=family, priority=_OWN, table=_OWN_TABLE, incoming="lo")

    def _by_table(self, device: str, key: str) -> Iterator[RoutingRule]:
        if key in self.tables:
            number, _ = self.tables[key]
            for family in (4, 6):
                yield RoutingRule(family=family, priority=_BY_TABLE, table=number, incoming=device)

    def routes(self) -> Iterator[KernelRoute]:
        """Yield the routes of all tables."""
        yield from self._to_interfaces()
        by_number = dict(self.tables.values())
        for number in sorted(by_number):
            yield from self._table(number, self._exits(by_number[number]))
        # What the router itself says of a packet, it says to anybody.
        own: dict[Prefix, Exit | None] = {
            block: self._peer(peering)
            for peering in self._router.peerings
            for block in self._router.other_blocks(peering)
        }
        if self._router.reaches_internet:
            own |= {everything(family): Exit(device=INTERNET, via=FAR) for family in (4, 6)}
        yield from self._table(_OWN_TABLE, own)

    def _to_interfaces(self) -> Iterator[KernelRoute]:
        """Yield the main table."""
        for each in self._router.interfaces:
            held: list[Prefix] = [single(address) for address in each.addresses]
            # Public ones are translated before they are routed; the internet asks for them by ARP.
            public = (self._router.public.get(address) for address in each.addresses)
            held.extend(single(address) for address in public if address is not None)
            for destination in dict.fromkeys((*held, *each.prefixes)):
                primary = first_address(each, destination.version)
                is_primary = primary is not None and destination == single(primary)
                yield KernelRoute(
                    table=MAIN_TABLE,
                    destination=destination,
                    device=device_of(each.interface_id),
                    via=None if is_primary else primary,
                )
        yield from _ends(MAIN_TABLE, ())

    def _exits(self, table: RouteTable | None) -> dict[Prefix, Exit | None]:
        """Return where a table's routes lead; the first of a destination counts."""
        found: dict[Prefix, Exit | None] = {}
        for route in () if table is None else table.routes:
            for prefix in destinations(self._network, route):
                if prefix not in found:
                    found[prefix] = (
                        None if route.is_blackhole else self._exit(route.target, prefix.version)
                    )
        return found

    def _table(self, number: int, exits: Mapping[Prefix, Exit | None]) -> Iterator[KernelRoute]:
        """Yield the routes of a table: local ones win their ties, what has no exit is dropped."""
        local = self._router.blocks
        for prefix, leads in exits.items():
            if prefix not in local:
                yield KernelRoute(
                    table=number,
                    destination=prefix,
                    kind=RouteKind.BLACKHOLE if leads is None else RouteKind.UNICAST,
                    device=None if leads is None else leads.device,
                    via=None if leads is None else leads.via,
                )
        for block in local:
            yield KernelRoute(table=number, destination=block, kind=RouteKind.THROW)
        yield from _ends(number, exits)

    # ------------------------------------------------------------------------ targets

    def _exit(self, target: Target, family: int) -> Exit | None:
        """Return where a route leads; None: nowhere, or to what the lab does not have."""
        router, network = self._router, self._network
        match target.kind:
            case TargetKind.LOCAL:
                return None
            case TargetKind.INTERNET_GATEWAY if target.target_id == router.internet_gateway:
                return Exit(device=INTERNET, via=FAR)
            case TargetKind.EGRESS_ONLY_GATEWAY if router.reaches_internet and family == 6:
                return Exit(device=INTERNET, via=FAR)
            case TargetKind.PEERING if target.target_id in network.peerings:
                return self._by_peering(network.peerings[target.target_id], target)
            case TargetKind.NAT_GATEWAY if target.target_id in network.nat_gateways:
                gateway = network.nat_gateways[target.target_id]
                if not gateway.is_available or family == 6:
                    return None
                found = [network.interfaces.get(each) for each in gateway.interface_ids[:1]]
                return self._to(found[0] if found else None, target, family)
            case TargetKind.INTERFACE:
                return self._to(network.interfaces.get(target.target_id), target, family)
            case TargetKind.INSTANCE:
                return self._to(primary_of(network, target.target_id), target, family)
            case _:
                return self._missing(target)

    def _to(self, interface: NetworkInterface | None, target: Target, family: int) -> Exit | None:
        if interface is None or interface.vpc_id != self._router.vpc.vpc_id:
            return self._missing(target)
        address = first_address(interface, family)
        if address is None:
            return None
        return Exit(device=device_of(interface.interface_id), via=address)

    def _by_peering(self, peering: PeeringConnection, target: Target) -> Exit | None:
        if peering in self._router.peerings:
            return self._peer(peering)
        return self._missing(target) if peering.is_active else None

    def _peer(self, peering: PeeringConnection) -> Exit:
        is_requester = peering.requester.vpc_id == self._router.vpc.vpc_id
        return Exit(device=device_of(peering.peering_id), via=FAR if is_requester else NEAR)

    def _missing(self, target: Target) -> Exit | None:
        kind = "" if target.kind is TargetKind.OTHER else f" ({target.kind.value})"
        self._warn(
            f"{target.target_id}{kind}: is not in the lab; what {self._router.vpc.vpc_id} routes "
            "there is dropped"
        )
        return None


def _ends(table: int, known: Iterable[Prefix]) -> Iterator[KernelRoute]:
    """Yield what ends a table in both families, unless it has a default route."""
    for family in (4, 6):
        if everything(family) not in known:
            yield KernelRoute(
                table=table,
                destination=everything(family),
                kind=RouteKind.BLACKHOLE,
                metric=_LAST,
            )
