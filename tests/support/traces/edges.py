"""The addresses and ports of a network at which something changes, and their neighbours."""

from ipaddress import IPv4Network, ip_address
from random import Random

from secgroup.model.network import Network
from secgroup.net.address import Address, Prefix
from secgroup.net.protocol import TCP, UDP

EPHEMERAL = (1023, 1024, 32767, 32768, 40000, 60999, 65535)


def ports_of(network: Network, protocol: int) -> tuple[int, ...]:
    """First and last port of every range that a rule or entry has, and the ports beside them."""
    traffics = [rule.traffic for group in network.groups.values() for rule in group.rules]
    traffics += [entry.traffic for acl in network.acls.values() for entry in acl.entries]
    found = {0, 65535}
    for traffic in traffics:
        if traffic.ports is not None and traffic.protocol == protocol:
            for edge in (traffic.ports.first, traffic.ports.last):
                found |= {edge - 1, edge, edge + 1}
    return tuple(sorted(port for port in found if 0 <= port <= 65535))


def prefixes_of(network: Network) -> set[Prefix]:
    """Every block that a rule, an entry, a list or a route names."""
    found: set[Prefix] = set()
    peers = [rule.peer for group in network.groups.values() for rule in group.rules]
    peers += [entry.cidr for acl in network.acls.values() for entry in acl.entries]
    peers += [route.destination for each in network.route_tables.values() for route in each.routes]
    for each in network.prefix_lists.values():
        peers += each.entries or ()
    found |= {peer for peer in peers if isinstance(peer, Prefix)}
    found |= {prefix for each in network.interfaces.values() for prefix in each.prefixes}
    return found


def addresses_of(network: Network) -> dict[int, tuple[Address, ...]]:
    """By family, the first and last address of every block and their neighbours outside it."""
    found: dict[int, set[Address]] = {4: set(), 6: set()}
    for prefix in prefixes_of(network):
        first, last = int(prefix.network_address), int(prefix.broadcast_address)
        kind = type(prefix.network_address)
        for number in (first - 1, first, last, last + 1):
            if 0 < number < (1 << prefix.max_prefixlen) - 1:
                found[prefix.version].add(kind(number))
    found[4] |= {ip_address("203.0.113.9"), ip_address("192.0.2.5"), ip_address("192.0.2.200")}
    found[6] |= {ip_address("2001:db8:ffff::9"), ip_address("2001:db8:eeee::1")}
    loud = IPv4Network("224.0.0.0/3")
    return {
        family: tuple(
            sorted(
                (each for each in addresses if each not in loud and not each.is_multicast),
                key=int,
            )
        )
        for family, addresses in found.items()
    }


class Edges:
    """The edges of one network, to choose from."""

    def __init__(self, random: Random, network: Network) -> None:
        self.random = random
        self.ports = {protocol: ports_of(network, protocol) for protocol in (TCP, UDP)}
        self.addresses = addresses_of(network)
        self.inside: dict[int, tuple[Address, ...]] = {
            family: tuple(
                address
                for each in network.interfaces.values()
                for address in each.addresses
                if address.version == family
            )
            for family in (4, 6)
        }

    def port(self, protocol: int) -> int:
        return self.random.choice(self.ports[protocol])

    def client_port(self) -> int:
        if self.random.random() < 0.4:
            return self.random.choice(EPHEMERAL)
        return self.random.randrange(1024, 65536)

    def peer(self, family: int) -> Address:
        if self.random.random() < 0.4:
            return self.random.choice(self.inside[family])
        return self.random.choice(self.addresses[family])
