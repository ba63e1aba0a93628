"""What interfaces have around them: their subnet's row, its ACL, the peers that AWS always tracks.

Owns the rows of subnets, and what in them is exempt.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from secgroup.engine.arena import Arena
from secgroup.engine.parts import Tracked
from secgroup.engine.rule_tables import RuleTables
from secgroup.engine.section import FAMILIES
from secgroup.engine.tables import exempt_bit, halves
from secgroup.model.interface import NetworkInterface
from secgroup.model.service_addresses import Service
from secgroup.model.vpc import Subnet
from secgroup.net.address import Address, Prefix
from secgroup.policy.classes import tracked_addresses
from secgroup.policy.policy import ALWAYS_TRACKED_TYPES
from secgroup.policy.resolve import Policy, routers_of, services_of


class Around(NamedTuple):
    """What the interfaces of a subnet have around them.

    Parameters
    ----------
    subnet : int
        Row of `Tables.subnets`.
    tracked : Tracked
        The peers that AWS always tracks.

    """

    subnet: int
    acl_id: str
    tracked: Tracked


class Surroundings:
    """Finds what each interface of a policy has around it."""

    def __init__(self, policy: Policy, rule_tables: RuleTables, arena: Arena) -> None:
        self._policy = policy
        self._rule_tables = rule_tables
        self._arena = arena
        self._around: dict[tuple[str, str], Around] = {}
        self._tracked: dict[tuple[str | None, frozenset[str]], Tracked] = {}
        self._always: tuple[NetworkInterface, ...] | None = None

    def take_over(self, before: "Surroundings") -> None:
        """Take over what is known already. Preconditions: the surroundings are unchanged."""
        self._around = {**before._around}
        self._tracked = {**before._tracked}
        self._always = before._always

    def of(self, interface: NetworkInterface) -> Around:
        """Return what an interface has around it."""
        key = (interface.vpc_id, interface.subnet_id)
        found = self._around.get(key)
        if found is None:
            subnet = self._policy.network.subnets[interface.subnet_id]
            found = self._around[key] = Around(
                subnet=self._arena.subnet(self._row(subnet, interface.vpc_id)),
                acl_id=subnet.network_acl_id,
                tracked=self._tracked_from(subnet, interface.vpc_id),
            )
        return found

    def _tracked_from(self, subnet: Subnet, vpc_id: str) -> Tracked:
        network = self._policy.network
        table = network.route_table_of(subnet.subnet_id)
        joined = self._policy.joined[vpc_id]
        key = (None if table is None else table.route_table_id, joined)
        if key not in self._tracked:
            members = [each for each in self._always_tracked() if each.vpc_id in joined]
            sets = [
                self._rule_tables.peer_set(edges)
                for family in FAMILIES
                for edges in tracked_addresses(family, network, table, members)
            ]
            self._tracked[key] = (sets[0], sets[1], sets[2], sets[3])
        return self._tracked[key]

    def _always_tracked(self) -> tuple[NetworkInterface, ...]:
        if self._always is None:
            self._always = tuple(
                each
                for each in self._policy.network.interfaces.values()
                if each.interface_type in ALWAYS_TRACKED_TYPES
            )
        return self._always

    def _row(self, subnet: Subnet, vpc_id: str) -> tuple[int, ...]:
        blocks: list[Prefix] = [*subnet.ipv6_blocks]
        if subnet.ipv4_block is not None:
            blocks.append(subnet.ipv4_block)
        routers = sorted(routers_of(subnet), key=lambda each: (each.version, int(each)))
        services = services_of(self._policy.network.vpcs[vpc_id])
        filters = {4: 0, 6: 0}
        rows: dict[int, list[tuple[int, ...]]] = {4: [], 6: []}
        for address, *row in exempt_rows(routers, services):
            rows[address.version].append((*halves(address), *row))
            filters[address.version] |= 1 << exempt_bit(halves(address)[1])
        first = self._arena.exempt([*rows[4], *rows[6]])
        broadcast = None if subnet.ipv4_block is None else subnet.ipv4_block.broadcast_address
        return (
            filters[4],
            filters[6],
            0 if broadcast is None else halves(broadcast)[1],
            *self._arena.ranges(tuple(blocks)),
            *self._arena.ranges(tuple(routers)),
            first,
            first + len(rows[4]),
            first + len(rows[4]) + len(rows[6]),
        )


def exempt_rows(
    routers: Iterable[Address], services: Iterable[Service]
) -> Iterator[tuple[Address, int, int, int]]:
    """Yield address, protocol, port and answer of what is exempt, first match first."""
    for router in routers:
        yield router, -1, -1, 1
    for service in services:
        for address in sorted(service.addresses, key=str):
            for protocol in sorted(service.protocols):
                yield address, protocol, service.port, 2 if service.is_logged else 1
