"""What the kernel has counted, as metrics."""

from collections.abc import Iterator

import numpy as np
import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import ARP, Ether

from secgroup.dataplane.bpf.gauges import Owner, owners, page
from secgroup.dataplane.bpf.layout import NAMES
from secgroup.net.direction import Direction
from tests.dataplane.bpf.world import FAR, INTERFACE, MAC, OTHER_MAC, OWN, SSH, World, opened

pytestmark = pytest.mark.needs("bpf")


@pytest.fixture
def world() -> Iterator[World]:
    with opened() as made:
        for kind, number, name in (("INTERFACE", INTERFACE, 'a"b'), ("OWNER", 1, "i-1")):
            names = made.maps.names
            names.put(
                np.array((NAMES[kind], number), names.key), np.array(name.encode(), names.value)
            )
        yield made


def send(world: World, port: int) -> None:
    packet = IP(src=str(FAR), dst=str(OWN)) / TCP(sport=5, dport=port)
    frame = bytes(Ether(src=OTHER_MAC, dst=MAC) / packet)
    world.loaded.run(Direction.INGRESS, INTERFACE, frame)


def test_owner_has_its_allowance_or_what_is_left_of_the_table(world: World) -> None:
    send(world, SSH)
    (owner,) = owners(world.maps)
    assert owner == Owner(name="i-1", entries=1, available=1023, exceeded=0)
    world.maps.owners[1]["allowance"] = 1
    world.maps.owners[1]["exceeded"] = 4
    assert owners(world.maps) == [Owner(name="i-1", entries=1, available=0, exceeded=4)]
    lines = page(world.maps).splitlines()
    assert 'conntrack_allowance_available{owner="i-1"} 0' in lines
    assert 'conntrack_allowance_exceeded{owner="i-1"} 4' in lines


def test_packets_are_told_by_interface_direction_verdict_and_reason(world: World) -> None:
    for port in (SSH, SSH + 1, SSH + 2):
        send(world, port)
    world.loaded.run(Direction.EGRESS, INTERFACE, bytes(Ether(src=MAC) / ARP(hwsrc=MAC, psrc=OWN)))
    lines = page(world.maps).splitlines()
    label = r'interface="a\"b",direction="ingress"'
    assert f'secgroup_packets_total{{{label},verdict="ACCEPT"}} 1' in lines
    assert f'secgroup_packets_total{{{label},verdict="REJECT"}} 2' in lines
    assert f'secgroup_bytes_total{{{label},verdict="REJECT"}} 80' in lines
    assert f'secgroup_reasons_total{{{label},reason="NO_MATCHING_RULE"}} 2' in lines
    out = label.replace("ingress", "egress")
    assert f'secgroup_frames_total{{{out},frame="ARP"}} 1' in lines
