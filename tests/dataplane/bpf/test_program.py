"""The kernel program by itself: that it is verified, and what it does with frames.

What it decides about packets is compared with the definition by the conformance suite.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Final

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RS,
    IPv6,
)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

from secgroup.dataplane.bpf.layout import FRAMES
from secgroup.decision import Reason
from secgroup.net.direction import Direction
from tests.dataplane.bpf.world import (
    FAR,
    INTERFACE,
    MAC,
    OTHER_MAC,
    OWN,
    OWN6,
    PEER,
    SSH,
    World,
    opened,
)

pytestmark = pytest.mark.needs("root", "bpf")

INGRESS: Final = Direction.INGRESS
EGRESS: Final = Direction.EGRESS
ANYBODY: Final = "2001:db8::9"


@pytest.fixture
def world() -> Iterator[World]:
    with opened() as made:
        yield made


def _frame(*layers: Packet, source: bytes = MAC) -> bytes:
    whole = Ether(src=source, dst=OTHER_MAC)
    for layer in layers:
        whole = whole / layer
    return bytes(whole)


def _syn(source: IPv4Address = OWN) -> Packet:
    return IP(src=str(source), dst=str(FAR)) / TCP(sport=40000, dport=443, flags="S")


@pytest.mark.parametrize("variables", [{}, {"keeps_tally": 0}, {"test_clock": 0}])
def test_every_program_passes_the_verifier(variables: dict[str, int]) -> None:
    with opened(**variables) as world:
        programs = {"ingress", "egress", "sweep", "end", "start_sweeper"}
        assert programs <= set(world.loaded.object.programs)


def test_without_a_word_everything_is_dropped(world: World) -> None:
    world.maps.words[INTERFACE] = 0
    assert not world.loaded.run(EGRESS, INTERFACE, _frame(_syn()))
    assert not world.loaded.run(EGRESS, INTERFACE, _frame(ARP(psrc=str(OWN), hwsrc=MAC)))


def test_a_tracked_connection_is_answered(world: World) -> None:
    syn = world.send(INGRESS, _frame(IP(src=str(FAR), dst=str(OWN)) / TCP(sport=5, dport=SSH)))
    assert syn["answer"]["reason"] == Reason.NEW
    answer = IP(src=str(OWN), dst=str(FAR)) / TCP(sport=SSH, dport=5, flags="SA")
    world.change(rules=[1, 1, 0, 0])
    assert world.send(EGRESS, _frame(answer))["answer"]["reason"] == Reason.ESTABLISHED
    keys, entries = world.maps.connections.items()
    assert len(keys) == 1
    assert entries["packets"].tolist() == [[1, 1]]
    assert entries["octets"].tolist() == [[40, 40]]
    assert world.maps.owners[1]["weight"] == 1


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([Dot1Q(vlan=5)], 0),
        ([Dot1AD(vlan=5), Dot1Q(vlan=6)], 0),
        ([Dot1Q(vlan=4), Dot1Q(vlan=5), Dot1Q(vlan=6)], FRAMES["TAGS"]),
    ],
)
def test_two_tags_are_looked_through(world: World, tags: list[Packet], expected: int) -> None:
    event = world.send(EGRESS, _frame(*tags, _syn()))
    assert event["frame"] == expected
    assert event["answer"]["accepted"] == (expected == 0)
    assert world.counted("frames")[EGRESS, expected] == (expected != 0)


@pytest.mark.parametrize("ether_type", [0x8847, 0x88CC, 0x0026, 0x86DE])
def test_what_is_neither_ip_nor_arp_is_dropped(world: World, ether_type: int) -> None:
    for direction in Direction:
        frame = bytes(Ether(type=ether_type)) + bytes(64)
        assert world.send(direction, frame)["frame"] == FRAMES["ETHERTYPE"]
        assert world.counted("frames")[direction, FRAMES["ETHERTYPE"]] == 1


@pytest.mark.parametrize(("ether_type", "packet"), [(0x86DD, IP()), (0x0800, IPv6())])
def test_ip_under_the_other_versions_ethertype_is_dropped(
    world: World, ether_type: int, packet: Packet
) -> None:
    for direction in Direction:
        frame = bytes(Ether(type=ether_type)) + bytes(packet) + bytes(64)
        assert world.send(direction, frame)["frame"] == FRAMES["ETHERTYPE"]


@pytest.mark.parametrize(
    ("sender", "mac", "source", "expected"),
    [
        (OWN, MAC, MAC, 0),
        (IPv4Address(0), MAC, MAC, 0),
        (PEER, MAC, MAC, FRAMES["ARP_SPOOFED"]),
        (OWN, OTHER_MAC, MAC, FRAMES["ARP_SPOOFED"]),
        (OWN, MAC, OTHER_MAC, FRAMES["SPOOFED"]),
    ],
)
def test_arp_leaves_with_the_interface_as_sender(
    world: World, sender: IPv4Address, mac: bytes, source: bytes, expected: int
) -> None:
    arp = ARP(hwsrc=mac, psrc=str(sender), pdst=str(PEER))
    assert world.send(EGRESS, _frame(arp, source=source))["frame"] == expected
    assert world.counted("frames")[EGRESS, expected or FRAMES["ARP"]] == 1


def test_arp_arrives_from_anyone(world: World) -> None:
    assert world.send(INGRESS, _frame(ARP(psrc=str(PEER)), source=OTHER_MAC))["frame"] == 0
    assert world.counted("frames")[INGRESS, FRAMES["ARP"]] == 1


def test_a_cut_arp_does_not_leave(world: World) -> None:
    frame = _frame(ARP(hwsrc=MAC, psrc=str(OWN)))[:41]
    assert world.send(EGRESS, frame)["frame"] == FRAMES["ARP_SPOOFED"]


def test_a_second_address_may_be_asked_about(world: World) -> None:
    arp = _frame(ARP(hwsrc=MAC, psrc="10.0.0.77"))
    assert world.send(EGRESS, arp)["frame"] == FRAMES["ARP_SPOOFED"]
    world.maps.hosts.put((0, 0xFFFF << 32 | int(IPv4Address("10.0.0.77")), 9, 0), 1)
    assert world.send(EGRESS, arp)["frame"] == 0


def test_a_foreign_mac_is_spoofed_while_the_check_is_on(world: World) -> None:
    frame = _frame(_syn(), source=OTHER_MAC)
    assert world.send(EGRESS, frame)["answer"]["reason"] == Reason.SPOOFED
    world.change(source_dest_check=0)
    assert world.send(EGRESS, frame)["answer"]["reason"] == Reason.NEW
    world.change(source_dest_check=1, mac=[0] * 6)
    assert world.send(EGRESS, frame)["answer"]["accepted"]


def test_a_foreign_address_is_spoofed_when_it_leaves(world: World) -> None:
    assert world.send(EGRESS, _frame(_syn(PEER)))["answer"]["reason"] == Reason.SPOOFED
    arriving = _frame(IP(src=str(FAR), dst=str(PEER)) / UDP())
    assert world.send(INGRESS, arriving)["answer"]["reason"] == Reason.SOURCE_DEST_CHECK


@pytest.mark.parametrize(
    ("source", "message", "passes"),
    [
        (str(OWN6), ICMPv6ND_NS(tgt=ANYBODY), True),
        ("::", ICMPv6ND_NS(tgt=str(OWN6)), True),
        ("fe80::1", ICMPv6ND_RS(), True),
        (ANYBODY, ICMPv6ND_NS(tgt=str(OWN6)), False),
        (str(OWN6), ICMPv6ND_NA(tgt=str(OWN6)), True),
        (str(OWN6), ICMPv6ND_NA(tgt="fe80::1"), True),
        (str(OWN6), ICMPv6ND_NA(tgt=ANYBODY), False),
    ],
)
def test_neighbour_discovery_speaks_for_the_interface(
    world: World, source: str, message: Packet, *, passes: bool
) -> None:
    frame = _frame(IPv6(src=source, dst="ff02::1", hlim=255) / message)
    answer = world.send(EGRESS, frame)["answer"]
    assert answer["reason"] == (Reason.EXEMPT if passes else Reason.SPOOFED)
    assert world.send(INGRESS, frame)["answer"]["reason"] == Reason.EXEMPT


def test_segments_that_are_not_cut_yet_count_as_packets(world: World) -> None:
    # 3 segments of 1,000 bytes: 40 of headers in each.
    frame = _frame(_syn() / Raw(bytes(2500)))
    event = world.send(EGRESS, frame, gso_size=1000, gso_segs=3)
    assert (event["segments"], event["length"]) == (3, 2540 + 2 * 40)
    assert world.counted("packets")[EGRESS, 1] == 3
    assert world.counted("octets")[EGRESS, 1] == 2620
    _, entries = world.maps.connections.items()
    assert entries["packets"].tolist() == [[3, 0]]
    assert entries["next"][0, 0] == 2501


def test_an_own_ipv4_address_inside_ipv6_is_not_own(world: World) -> None:
    world.maps.hosts.put((0, 0xFFFF << 32 | int(IPv4Address("10.0.0.77")), 9, 0), 1)
    ip4 = IP(src="10.0.0.77", dst=str(FAR)) / UDP()
    assert world.send(EGRESS, _frame(ip4))["answer"]["accepted"]
    ip6 = IPv6(src="::ffff:10.0.0.77", dst=ANYBODY) / UDP()
    assert world.send(EGRESS, _frame(ip6))["answer"]["reason"] == Reason.SPOOFED


def test_a_full_table_refuses_openers_and_keeps_what_lives(world: World) -> None:
    def syn(port: int) -> bytes:
        return _frame(IP(src=str(FAR), dst=str(OWN)) / TCP(sport=port, dport=SSH, flags="S"))

    answers = [world.send(INGRESS, syn(port))["answer"] for port in range(1, 1100)]
    refused = [each for each in answers if not each["accepted"]]
    assert refused
    assert {int(each["reason"]) for each in refused} == {Reason.ALLOWANCE_EXCEEDED}
    assert all(each["state_after"] == 0 for each in refused)
    assert world.counted("full")[INGRESS] == len(refused)
    keys, _ = world.maps.connections.items()
    assert len(keys) == len(answers) - len(refused)
    assert world.maps.owners[1]["weight"] == len(keys)
    assert world.send(INGRESS, syn(1))["answer"]["reason"] == Reason.ESTABLISHED
