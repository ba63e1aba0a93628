"""What the rows say of a packet is what the definition says, whoever looks them up."""

from typing import Any

import pytest

from secgroup.conntrack.state import State
from secgroup.conntrack.timeout import Timeouts
from secgroup.dataplane.bpf.plane import BpfPlane
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet
from secgroup.net.protocol import TCP, UDP, icmp_of
from secgroup.policy.policy import InterfacePolicy
from secgroup.policy.resolve import Policy, services_of
from tests.support.naive_rows import NaiveRows
from tests.support.plain_maps import PlainMaps
from tests.support.traces import Edit, make_trace


def place_of(packet: Packet) -> int:
    if packet.protocol == TCP:
        return packet.destination_port or 0
    if packet.protocol == UDP:
        return 65536 + (packet.destination_port or 0)
    if packet.icmp_type is not None:
        return 2 * 65536 + 256 * packet.icmp_type + (packet.icmp_code or 0)
    if packet.protocol == icmp_of(packet.family):
        return 3 * 65536
    return 3 * 65536 + 1 + packet.protocol


class Judge:
    """Compares rows with an interface's policy, packet by packet."""

    def __init__(self, plane: BpfPlane, maps: Any) -> None:
        self.plane = plane
        self.rows = NaiveRows(maps)
        self.maps = maps

    def compare(self, policy: InterfacePolicy, packet: Packet, way: Direction) -> None:
        interface = self.plane.attached[policy.interface.interface_id]
        row = self.rows.policy(interface)
        out = way is Direction.EGRESS
        peer, inside = packet.source, packet.destination
        if out:
            peer, inside = inside, peer
        self._compare_rules(policy, row, packet, way, peer)
        section = self.rows.section(row, "acl", way, packet.family)
        answer = policy.acl_answer(packet, way, peer)
        signed = answer.rule_number if answer.is_allow else -answer.rule_number
        assert self.rows.acl_answer(section, peer, place_of(packet)) == signed
        assert int(row["acl_always"][2 * way + (packet.family == 6)]) in (0, signed)
        assert self.rows.is_own(row, inside) == policy.interface.has_address(inside)
        assert self.rows.is_in_subnet(row, peer) == (peer in policy.subnet)
        port = packet.destination_port if out else packet.source_port
        exempt = self.rows.exempt(row, peer, packet.protocol, port)
        service = policy.service_of(peer, packet.protocol, port)
        if peer in policy.routers:
            assert exempt == 1
        else:
            assert exempt == (0 if service is None else 1 + service.is_logged)

    def _compare_rules(
        self, policy: InterfacePolicy, row: Any, packet: Packet, way: Direction, peer: Any
    ) -> None:
        section = self.rows.section(row, "rules", way, packet.family)
        asked = self.rows.ask(section, peer, place_of(packet))
        numbers = self.rows.numbers(section)
        said = tuple(self.plane.meanings.rule_id(numbers[bit]) for bit in asked.bits)
        assert said == policy.matching(packet, way, peer)
        number = int(row["rules"][2 * way + (packet.family == 6)])
        pair = (asked.address_class, asked.port_class)
        assert self.plane.meanings.rule_ids_of(number, *pair) == said
        assert asked.weight == policy.always_tracked_weight(peer)
        if packet.protocol in (TCP, UDP) and packet.destination_port is not None:
            back = self.rows.section(row, "rules", way.opposite, packet.family)
            mask = {TCP: 1, UDP: 2}[packet.protocol]
            is_open = asked.opened and bool(int(back["all_open"]) & mask)
            assert is_open == policy.is_open(
                way, packet.family, packet.protocol, packet.destination_port
            )


@pytest.mark.parametrize("seed", range(6))
def test_what_rows_say_is_what_the_definition_says(seed: int) -> None:
    trace, compared = make_trace(seed, 400), 0
    maps = PlainMaps()
    plane = BpfPlane(maps, services=services_of, wait=lambda: None)
    for each in trace.network.interfaces:
        plane.attach(each)
    plane.prepare({"here": trace.network})
    plane.commit()
    policy, judge = Policy(trace.network), Judge(plane, maps)
    for event in trace.events:
        if isinstance(event, Edit):
            plane.prepare({"here": event.network})
            plane.commit()
            policy, judge = Policy(event.network), Judge(plane, maps)
        elif isinstance(event.packet, Packet) and not event.packet.is_later_fragment:
            judge.compare(policy.at(event.interface_id), event.packet, event.direction)
            compared += 1
    assert compared > 200


def test_an_interface_has_what_its_nouns_say() -> None:
    trace = make_trace(3, 1)
    maps = PlainMaps()
    plane = BpfPlane(maps, services=services_of, wait=lambda: None)
    numbers = {each: plane.attach(each) for each in trace.network.interfaces}
    plane.prepare({"here": trace.network})
    plane.commit()
    rows, policy = NaiveRows(maps), Policy(trace.network)
    for interface_id, number in numbers.items():
        row, interface = rows.policy(number), trace.network.interfaces[interface_id]
        assert plane.meanings.interface_id(int(row["interface"])) == interface_id
        assert plane.meanings.owner_id(int(row["owner"])) == interface.owner
        assert bool(row["carries_groups"]) == interface.carries_groups
        assert bool(row["source_dest_check"]) == interface.source_dest_check
        assert int(row["own4"]) == int(interface.ipv4[0].address)
        assert int(row["own6_hi"]) << 64 | int(row["own6_lo"]) == int(interface.ipv6[0])
        said = policy.timeouts_of(interface)
        timeouts = Timeouts(
            tcp_established=said.tcp_established_s, udp=said.udp_s, udp_stream=said.udp_stream_s
        )
        kept = maps.timeouts[int(row["timeouts"])].tolist()
        assert {each: kept[each] for each in State} == {
            each: timeouts.of_ms(each) for each in State
        }
        for direction in Direction:
            for family in (4, 6):
                section = row["acl"][2 * direction + (family == 6)]
                subnet = trace.network.subnets[interface.subnet_id]
                assert plane.meanings.acl_id_of(int(section)) == subnet.network_acl_id
