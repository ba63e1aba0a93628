"""The look-ups of kernels, against the definition, at every boundary of generated networks."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random

import numpy as np
import pytest

from secgroup.engine.compile import Compiled, compile  # noqa: A004
from secgroup.engine.tables import halves
from secgroup.model.group import PrefixListReference, SecurityGroup, SecurityGroupRule
from secgroup.model.network import Network
from secgroup.model.network_acl import NetworkAclEntry
from secgroup.model.prefix_list import PrefixList
from secgroup.net.address import Address, Prefix
from secgroup.net.direction import Direction
from secgroup.net.packet import Icmp, Packet
from secgroup.net.ports import Traffic, traffic_of
from secgroup.net.protocol import TCP, UDP, icmp_of
from secgroup.policy.policy import InterfacePolicy
from secgroup.policy.resolve import Policy
from tests.engine.asked import ANSWERS, ask
from tests.support import naive_classify as naive
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
    compiled.build()
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


@pytest.mark.parametrize("seed", range(8))
def test_every_answer_is_the_definition_s_at_every_boundary(seed: int) -> None:
    random = Random(seed)
    network = make_network(random)
    compiled = compile(Policy(network))
    questions = questions_of(random, network, 1500)
    assert list(check(network, compiled, questions)) == []


def crowded(random: Random, *, rules: int, entries: int, acl_entries: int) -> Network:
    """One interface with many rules, prefixes and ACL entries: all over, and close together."""

    def block() -> Prefix:
        if random.random() < 0.5:
            width = random.choice((8, 16, 24, 28, 32, 32))
            near = random.choice((0, 10 << 24, 0xFFFFFF00, random.getrandbits(32)))
            number = (near + random.getrandbits(random.choice((4, 12, 32)))) % (1 << 32)
            return IPv4Network((number >> (32 - width) << (32 - width), width))
        width = random.choice((16, 48, 56, 64, 65, 127, 128, 128))
        near = random.choice((0, 0x2600 << 112, (1 << 128) - (1 << 16), random.getrandbits(128)))
        number = (near + random.getrandbits(random.choice((4, 12, 66, 128)))) % (1 << 128)
        return IPv6Network((number >> (128 - width) << (128 - width), width))

    def traffic() -> Traffic:
        protocol = random.choice((None, 1, 58, 6, 6, 6, 6, 17, 17, 47))
        first = random.choice((0, 1, 65535, random.getrandbits(16)))
        last = min(65535, first + random.choice((0, 0, 1, 100, 65535)))
        if protocol in (1, 58):
            icmp_type = random.choice((None, random.getrandbits(8)))
            code = None if icmp_type is None else random.choice((None, random.getrandbits(3)))
            return Traffic(protocol=protocol, icmp_type=icmp_type, icmp_code=code)
        return traffic_of(protocol, first, last)

    lists = {
        f"pl-{number}": PrefixList(
            prefix_list_id=f"pl-{number}", entries=tuple(block() for _ in range(entries))
        )
        for number in range(rules)
    }
    made = tuple(
        SecurityGroupRule(
            rule_id=f"sgr-{number}-{way}",
            group_id="sg-0",
            is_egress=way is Direction.EGRESS,
            traffic=traffic(),
            peer=random.choice((block(), PrefixListReference(prefix_list_id=f"pl-{number}"))),
        )
        for number in range(rules)
        for way in Direction
    )
    network = make_network(random)
    acl_id = network.subnets["subnet-a1"].network_acl_id
    acl = tuple(
        NetworkAclEntry(
            rule_number=number + 1,
            is_egress=way is Direction.EGRESS,
            is_allow=random.random() < 0.5,
            traffic=traffic(),
            cidr=block(),
        )
        for number in range(acl_entries)
        for way in Direction
    )
    return replace(
        network,
        groups={"sg-0": SecurityGroup(group_id="sg-0", vpc_ids=("vpc-a",), rules=made)},
        acls={**network.acls, acl_id: replace(network.acls[acl_id], entries=acl)},
        prefix_lists=lists,
        interfaces={"eni-a0": replace(network.interfaces["eni-a0"], group_ids=("sg-0",))},
    )


@pytest.mark.parametrize(
    ("rules", "entries", "acl_entries"), [(3, 1, 7), (60, 3, 20), (70, 40, 40), (300, 20, 150)]
)
def test_every_answer_is_the_definition_s_among_many_rules(
    rules: int, entries: int, acl_entries: int
) -> None:
    random = Random(rules)
    network = crowded(random, rules=rules, entries=entries, acl_entries=acl_entries)
    compiled = compile(Policy(network))
    questions = random.sample(questions_of(random, network, 3000), 1200)
    assert list(check(network, compiled, questions)) == []


def plain(compiled: Compiled, question: Question) -> dict[str, int]:
    """Every answer, by the plain twins."""
    t, way, family = compiled.tables, int(question.direction), question.peer.version
    interface = compiled.interfaces[question.interface_id]
    row = t.interfaces[interface]
    table, (hi, lo) = int(row.table), halves(question.peer)
    protocol, value = question.protocol, question.value
    section = naive.section_of(t, table, way, family)
    addresses = naive.address_class_in(t, section, family, hi, lo)
    ports = naive.port_class_in(t, section, naive.place_of(family, protocol, value))
    is_open = protocol in (TCP, UDP) and naive.is_open(t, table, way, family, protocol, value)
    weight = naive.tracked_weight(t, table, family, hi, lo)
    return {
        "address_class": addresses,
        "port_class": ports,
        "any_rule": naive.any_rule(t, section, addresses, ports),
        "is_open": is_open,
        "is_open_class": is_open,
        "tracked_weight": weight,
        "tracked_weight_of_class": weight,
        "acl_answer": naive.acl_answer(
            t, row.acl, way, family, hi, lo, protocol, value, has_icmp=question.has_icmp
        ),
        "service_at": naive.service_at(t, interface, family, hi, lo, protocol, value),
        "is_router": naive.is_router(t, interface, family, hi, lo),
    }


@pytest.mark.parametrize("seed", range(100, 103))
def test_every_answer_is_the_plain_twin_s(seed: int) -> None:
    random = Random(seed)
    network = make_network(random)
    compiled = compile(Policy(network))
    questions = questions_of(random, network, 1000)
    for question, found in zip(questions, answers_of(compiled, questions), strict=True):
        assert found == plain(compiled, question), question
