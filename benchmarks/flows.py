"""Networks and columns of packets for the engine's figures: tracked connections by the million.

Every connection is a number; what it is follows from the number and the seed, so that its
packets can be made at any time without a table of them.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import numpy as np
from numpy.typing import NDArray

from secgroup.engine.batch import Batch
from secgroup.engine.engine import Engine
from secgroup.engine.layout import HAS_ICMP, HAS_PORTS, HAS_TCP, empty_packets
from secgroup.model.group import PrefixListReference, SecurityGroup, SecurityGroupRule
from secgroup.model.interface import NetworkInterface, PrivateIpv4
from secgroup.model.network import Network
from secgroup.model.network_acl import NetworkAcl, NetworkAclEntry
from secgroup.model.prefix_list import PrefixList
from secgroup.model.vpc import Subnet, Vpc
from secgroup.net.ports import PortRange, Traffic, parse_service

OWNERS, SUBNETS = 64, 4
PEERS4, PEERS6 = IPv4Network("100.64.0.0/10"), IPv6Network("2001:db8:ffff::/48")
INSIDE4, INSIDE6 = IPv4Network("10.0.0.0/16"), IPv6Network("2001:db8::/56")
_MAPPED = 0xFFFF << 32
_SYN, _SYNACK, _ACK = 0x02, 0x12, 0x10
_START_MS = 1_700_000_000_000


def network(
    *, rules: int = 10, prefixes: int = 0, acl_entries: int = 0, between: bool = False
) -> Network:
    """64 interfaces in 4 subnets, each with the same group of `rules` ingress rules.

    Parameters
    ----------
    prefixes : int
        Blocks of /28 that the rules' prefix lists have together.
    acl_entries : int
        Of a custom network ACL, each way; 0 is the default one.
    between : bool
        The interfaces are one another's peers, and may open connections too.

    """
    peers4, peers6 = (INSIDE4, INSIDE6) if between else (PEERS4, PEERS6)
    opening = [
        ("tcp/443", peers4), ("tcp/443", peers6), ("udp/53", peers4), ("udp/53", peers6),
        ("icmp/8", peers4), ("icmpv6/128", peers6),
    ]  # fmt: skip
    lists: dict[str, PrefixList] = {}
    made = [
        SecurityGroupRule(
            rule_id=f"sgr-{number}",
            group_id="sg-0",
            is_egress=False,
            traffic=parse_service(service),
            peer=peer,
        )
        for number, (service, peer) in enumerate(opening)
    ]
    leaving = [
        SecurityGroupRule(
            rule_id=f"sgr-out-{number}",
            group_id="sg-0",
            is_egress=True,
            traffic=parse_service("all"),
            peer=peer,
        )
        for number, peer in enumerate((INSIDE4, INSIDE6) if between else ())
    ]
    blocks = blocks_of_peers(prefixes)
    while len(made) < rules:
        number = len(made)
        share = blocks[number - len(opening) :: rules - len(opening)]
        peer_id = f"pl-{number}"
        lists[peer_id] = PrefixList(prefix_list_id=peer_id, entries=tuple(share))
        made.append(
            SecurityGroupRule(
                rule_id=f"sgr-{number}",
                group_id="sg-0",
                is_egress=False,
                traffic=Traffic(protocol=6, ports=PortRange(first=number, last=2 * number)),
                peer=PrefixListReference(prefix_list_id=peer_id) if share else peers4,
            )
        )
    group = SecurityGroup(group_id="sg-0", vpc_ids=("vpc-0",), rules=(*made, *leaving))
    acl = NetworkAcl(network_acl_id="acl-0", vpc_id="vpc-0", entries=_entries(acl_entries))
    subnets = {
        f"subnet-{n}": Subnet(
            subnet_id=f"subnet-{n}",
            vpc_id="vpc-0",
            network_acl_id="acl-0",
            ipv4_block=IPv4Network(f"10.0.{n}.0/24"),
            ipv6_blocks=(IPv6Network(f"2001:db8:0:{n}::/64"),),
        )
        for n in range(SUBNETS)
    }
    interfaces = {
        f"eni-{n:02}": NetworkInterface(
            interface_id=f"eni-{n:02}",
            vpc_id="vpc-0",
            subnet_id=f"subnet-{n % SUBNETS}",
            instance_id=f"i-{n:02}",
            ipv4=(PrivateIpv4(address=IPv4Address(f"10.0.{n % SUBNETS}.{16 + n}")),),
            ipv6=(IPv6Address(f"2001:db8:0:{n % SUBNETS}::{16 + n:x}"),),
            group_ids=("sg-0",),
        )
        for n in range(OWNERS)
    }
    vpc = Vpc(
        vpc_id="vpc-0",
        ipv4_blocks=(INSIDE4,),
        ipv6_blocks=(INSIDE6,),
    )
    return Network(
        vpcs={"vpc-0": vpc},
        subnets=subnets,
        groups={"sg-0": group},
        acls={"acl-0": acl},
        interfaces=interfaces,
        prefix_lists=lists,
    )


def blocks_of_peers(count: int) -> list[IPv4Network]:
    """Return blocks of /28 among the peers, in an order in which no two lie side by side."""
    first = int(PEERS4.network_address)
    return [IPv4Network((first + 16 * (n * 100_003 % (1 << 18)), 28)) for n in range(count)]


def _entries(count: int) -> tuple[NetworkAclEntry, ...]:
    """The default ACL's entries, or as many whose last ones allow what the rules do."""
    made = []
    for is_egress in (False, True):
        for number in range(max(0, count - 2)):
            made.append(
                NetworkAclEntry(
                    rule_number=number + 1,
                    is_egress=is_egress,
                    is_allow=False,
                    traffic=parse_service(f"tcp/{number + 1}"),
                    cidr=IPv4Network(f"100.{64 + number}.{number}.0/24"),
                )
            )
        for number, block in enumerate(("0.0.0.0/0", "::/0")):
            made.append(
                NetworkAclEntry(
                    rule_number=100 + number,
                    is_egress=is_egress,
                    is_allow=True,
                    traffic=parse_service("all"),
                    cidr=IPv6Network(block) if ":" in block else IPv4Network(block),
                )
            )
    return tuple(made)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Packets of numbered connections: TCP 7 in 10, UDP 2, ICMP 1; a fifth of them IPv6."""

    engine: Engine
    only_tcp: bool = False

    def openers(self, first: int, count: int) -> Batch:
        """Return the first packets of connections, in their order."""
        numbers = np.arange(first, first + count, dtype=np.int64)
        return self._batch(numbers, np.zeros(count, dtype=np.int64), _SYN, _START_MS)

    def answers(self, first: int, count: int) -> Batch:
        """Return the answers to them."""
        numbers = np.arange(first, first + count, dtype=np.int64)
        return self._batch(numbers, np.ones(count, dtype=np.int64), _SYNACK, _START_MS)

    def third(self, first: int, count: int) -> Batch:
        """Return the packets after that."""
        numbers = np.arange(first, first + count, dtype=np.int64)
        return self._batch(numbers, np.zeros(count, dtype=np.int64), _ACK, _START_MS)

    def random(self, chance: np.random.Generator, connections: int, count: int, at: int) -> Batch:
        """Return packets of random connections, each in a random direction, from packet `at` on.

        The clock moves as it would at 15 million packets a second.
        """
        numbers = chance.integers(0, connections, count)
        ways = chance.integers(0, 2, count)
        times = _START_MS + (at + np.arange(count)) // 15_000
        return self._batch(numbers, ways, _ACK, times)

    def _batch(
        self,
        numbers: NDArray[np.int64],
        egress: NDArray[np.int64],
        flags: int,
        times: NDArray[np.int64] | int,
    ) -> Batch:
        packets = empty_packets(len(numbers))
        owner = numbers % OWNERS
        rows = np.array([self.engine.interface_number(f"eni-{n:02}") for n in range(OWNERS)])
        packets.time_ms[:] = times
        packets.interface[:] = rows[owner]
        packets.direction[:] = egress
        six = numbers % 5 == 4
        packets.family[:] = np.where(six, 6, 4)
        kind = numbers // OWNERS % 10
        tcp = (kind < 7) | self.only_tcp
        udp = (kind >= 7) & (kind < 9) & ~tcp
        icmp = ~tcp & ~udp
        packets.protocol[:] = np.where(tcp, 6, np.where(udp, 17, np.where(six, 58, 1)))
        packets.shape[:] = np.where(tcp, HAS_PORTS | HAS_TCP, np.where(udp, HAS_PORTS, HAS_ICMP))
        packets.hop_limit[:] = 60
        spread = (numbers * 0x1E3779B97F4A7C15 & 0x7FFFFFFFFFFFFFFF) >> 20
        peer4 = int(PEERS4.network_address) + spread % (1 << 22) | _MAPPED
        inside4 = int(IPv4Address("10.0.0.16")) + owner + owner % SUBNETS * 256 | _MAPPED
        net6 = int(PEERS6.network_address) >> 64
        inside_hi = np.where(six, (0x20010DB8 << 32) + owner % SUBNETS, 0)
        inside_lo = np.where(six, 16 + owner, inside4)
        peer_hi = np.where(six, net6, 0)
        peer_lo = np.where(six, spread, peer4)
        out = egress == 1
        packets.source_hi[:] = np.where(out, inside_hi, peer_hi)
        packets.source_lo[:] = np.where(out, inside_lo, peer_lo)
        packets.destination_hi[:] = np.where(out, peer_hi, inside_hi)
        packets.destination_lo[:] = np.where(out, peer_lo, inside_lo)
        peer_port = 1024 + numbers // OWNERS % 60_000
        service = np.where(tcp, 443, 53)
        has_ports = tcp | udp
        packets.source_port[:] = np.where(has_ports, np.where(out, service, peer_port), 0)
        packets.destination_port[:] = np.where(has_ports, np.where(out, peer_port, service), 0)
        packets.identifier[:] = np.where(icmp, peer_port, 0)
        asked, answered = np.where(six, 128, 8), np.where(six, 129, 0)
        packets.icmp_type[:] = np.where(icmp, np.where(out, answered, asked), 0)
        packets.tcp_flags[:] = np.where(tcp, flags, 0)
        packets.sequence[:] = 1000
        packets.length[:] = 60
        return Batch(packets=packets, quotes=empty_packets(0))
