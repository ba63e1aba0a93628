"""The look-ups of kernels, against the definition, at every boundary of generated networks."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from random import Random

import numpy as np
import pytest

from secgroup.engine.compile import Compiled, compile  # noqa: A004
from secgroup.engine.tables import halves
from secgroup.model.network import Network
from secgroup.net.address import Address
from secgroup.net.direction import Direction
from secgroup.net.packet import Icmp, Packet
from secgroup.net.protocol import TCP, UDP, icmp_of
from secgroup.policy.policy import InterfacePolicy
from secgroup.policy.resolve import Policy
from tests.engine.asked import ANSWERS, ask
from tests.support.traces import make_network
from tests.support.traces.edges import prefixes_of


def boundary_addresses(network: Network) -> list[Address]:
    """Each end of every block and each address that stands somewhere, -1, 0 and +1."""
    numbers: dict[int, set[int]] = {4: set(), 6: set()}
    ends = {4: 1 << 32, 6: 1 << 128}
    for prefix in prefixes_of(network):
        first, last = int(prefix.network_address), int(prefix.broadcast_address)
        numbers[prefix.version] |= {first - 1, first, first + 1, last - 1, last, last + 1}
    policy = Policy(network)
    for interface_id in network.interfaces:
        at = policy.at(interface_id)
        singles = [*at.interface.addresses, *at.routers]
        singles += [each for service in at.services for each in service.addresses]
        for address in singles:
            numbers[address.version] |= {int(address) + step for step in (-1, 0, 1)}
    # IPv6 addresses whose low half reads like an IPv4 address of the network.
    mapped = {0xFFFF << 32 | number for number in numbers[4]}
    numbers[6] |= mapped | {0x2001 << 112 | number for number in mapped}
    return [
        kind(number)
        for family, kind in ((4, IPv4Address), (6, IPv6Address))
        for number in sorted(numbers[family])
        if 0 <= number < ends[family]
    ]


def boundary_values(network: Network, family: int) -> list[tuple[int, int]]:
    """Protocols with ports, or ICMP types and codes: each end of every rule's, -1, 0 and +1."""
    found = {(protocol, 0) for protocol in (0, 1, 2, 46, 47, 48, 50, 57, 58, 59, 255)}
    traffics = [rule.traffic for group in network.groups.values() for rule in group.rules]
    traffics += [entry.traffic for acl in network.acls.values() for entry in acl.entries]
    for protocol in (TCP, UDP):
        edges = {0, 53, 80, 123, 65535}
        for traffic in traffics:
            if traffic.ports is not None:
                edges |= {traffic.ports.first, traffic.ports.last}
        for edge in edges:
            found |= {(protocol, edge + step) for step in (-1, 0, 1) if 0 <= edge + step <= 65535}
    for traffic in traffics:
        if traffic.icmp_type is not None:
            first = traffic.icmp_type << 8 | (traffic.icmp_code or 0)
            around = (first - 1, first, first + 1, first | 255, (first | 255) + 1)
            found |= {(icmp_of(family), each) for each in around if 0 <= each <= 65535}
    return sorted(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    interface_id: str
    direction: Direction
    peer: Address
    protocol: int
    value: int
    has_icmp: bool

    def packet(self) -> Packet:
        """A packet with this peer; the other side is somebody."""
        other = IPv4Address("10.0.1.10") if self.peer.version == 4 else IPv6Address("2001:db8::a")
        has_ports = self.protocol in (TCP, UDP)
        icmp = Icmp(type=self.value >> 8, code=self.value & 255) if self.has_icmp else None
        ends = (self.peer, other) if self.direction is Direction.INGRESS else (other, self.peer)
        return Packet(
            source=ends[0],
            destination=ends[1],
            protocol=self.protocol,
            length=60,
            source_port=1024 if has_ports else None,
            destination_port=self.value if has_ports else None,
            icmp=icmp,
        )


def questions_of(random: Random, network: Network, count: int) -> list[Question]:
    """Every boundary address and every boundary value, paired by chance, `count` and more."""
    addresses = boundary_addresses(network)
    values = {family: boundary_values(network, family) for family in (4, 6)}
    interface_ids = sorted(network.interfaces)
    pairs = [(address, random.choice(values[address.version])) for address in addresses]
    for family in (4, 6):
        own = [each for each in addresses if each.version == family]
        pairs += [(random.choice(own), value) for value in values[family]]
    while len(pairs) < count:
        address = random.choice(addresses)
        pairs.append((address, random.choice(values[address.version])))
    return [
        Question(
            interface_id=random.choice(interface_ids),
            direction=random.choice(list(Direction)),
            peer=address,
            protocol=protocol,
            value=value,
            has_icmp=protocol == icmp_of(address.version) and (value != 0 or random.random() < 0.9),
        )
        for address, (protocol, value) in pairs
    ]


def answers_of(compiled: Compiled, questions: list[Question]) -> list[dict[str, int]]:
    rows = np.array(
        [
            (
                compiled.interfaces[each.interface_id],
                each.direction,
                each.peer.version,
                each.protocol,
                each.value,
                each.has_icmp,
            )
            for each in questions
        ],
        dtype=np.int64,
    )
    parts = np.array([halves(each.peer) for each in questions], dtype=np.uint64)
    out = np.full((len(questions), len(ANSWERS)), -99, dtype=np.int64)
    hi, lo = np.ascontiguousarray(parts[:, 0]), np.ascontiguousarray(parts[:, 1])
    with np.errstate(over="ignore"):
        ask(compiled.tables, rows, hi, lo, out)
    return [dict(zip(ANSWERS, row, strict=True)) for row in out.tolist()]


def expected(at: InterfacePolicy, question: Question) -> dict[str, int]:
    packet, peer, way = question.packet(), question.peer, question.direction
    acl = at.acl_answer(packet, way, peer)
    service = at.service_of(peer, question.protocol, question.value)
    exempt = 0 if service is None else 1 + service.is_logged
    weight = at.always_tracked_weight(peer)
    is_open = question.protocol in (TCP, UDP) and at.is_open(
        way, peer.version, question.protocol, question.value
    )
    return {
        "any_rule": bool(at.matching(packet, way, peer)),
        "is_open": is_open,
        "is_open_class": is_open,
        "tracked_weight": weight,
        "tracked_weight_of_class": weight,
        "acl_answer": acl.rule_number if acl.is_allow else -acl.rule_number,
        "service_at": 1 if peer in at.routers else exempt,
        "own_address": at.interface.has_address(peer),
        "in_subnet": peer in at.subnet,
        "is_broadcast": peer == at.broadcast,
        "is_router": peer in at.routers,
    }


def check(network: Network, compiled: Compiled, questions: list[Question]) -> Iterator[str]:
    policy = Policy(network)
    for question, found in zip(questions, answers_of(compiled, questions), strict=True):
        at = policy.at(question.interface_id)
        wanted = expected(at, question)
        # A rule table is never asked about the ICMP of the family without its type.
        asked = question.has_icmp or question.protocol != icmp_of(question.peer.version)
        if not asked:
            del wanted["any_rule"]
        if {name: found[name] for name in wanted} != wanted:
            yield f"{question}: {found}, the definition says {wanted}"
        rule_ids = compiled.rule_ids(
            compiled.table_of(question.interface_id),
            question.direction,
            question.peer.version,
            found["address_class"],
            found["port_class"],
        )
        if asked and rule_ids != at.matching(question.packet(), question.direction, question.peer):
            yield f"{question}: {rule_ids}"


@pytest.mark.parametrize("seed", range(12))
def test_every_answer_is_the_definition_s_at_every_boundary(seed: int) -> None:
    random = Random(seed)
    network = make_network(random)
    compiled = compile(Policy(network))
    questions = questions_of(random, network, 1500)
    assert list(check(network, compiled, questions)) == []
