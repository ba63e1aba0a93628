"""Packets as devices hand them over: tags beside the frame, segments not cut yet, bytes in pieces.

A test run has none of these; here a guest sends through a veth pair.
"""

import socket
import struct
import time
from collections.abc import Iterator
from typing import Final

import numpy as np
import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from secgroup.dataplane.bpf.hooks import Hooks
from secgroup.dataplane.bpf.layout import FRAMES
from secgroup.dataplane.bpf.libc import in_namespace
from secgroup.decision import Reason
from secgroup.net.direction import Direction
from tests.dataplane.bpf.world import FAR, INTERFACE, MAC, OTHER_MAC, OWN, PEER, World, opened
from tests.support.bpf import pin_root
from tests.support.netns import Namespaces

pytestmark = pytest.mark.needs("bpf", "netns")

#: linux/if_packet.h
_SOL_PACKET: Final = 263
_PACKET_VNET_HDR: Final = 15
_PORT: Final = 443


class Guest:
    """A guest behind the program: its device is `host`, the host's end of it `guest`."""

    def __init__(self, world: World, namespaces: Namespaces, hooks: Hooks) -> None:
        self.world: Final = world
        self.host: Final = namespaces.add("host")
        self.inside: Final = namespaces.add("guest")
        namespaces.link(self.host, f"{PEER}/24", self.inside, f"{OWN}/24")
        self.host.ip("link set guest down mtu 9000")
        self.inside.ip(f"link set host mtu 9000 address {MAC.hex(':')}")
        for direction in Direction:
            program = world.loaded.object.program_fd(str(direction))
            world.maps.programs.put(direction, program)
        hooks.attach(INTERFACE, "guest", self.host.netns)
        self.host.ip("link set guest up")
        world.maps.events.read()

    def send(self, frame: bytes, *, linear: int | None = None) -> np.void:
        """Send a frame as it is, and return what is told of it; `linear` bytes in one piece."""
        with in_namespace(
            self.inside.netns, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        ) as door:
            door.bind(("host", 0))
            if linear is not None:
                door.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
                frame = struct.pack("<BBHHHH", 0, 0, linear, 0, 0, 0) + frame
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                # Until the kernel has noticed that the link is up, what is sent is lost.
                door.send(frame)
                time.sleep(0.02)
                # The kernel of the guest may say things of its own.
                for event in self.world.maps.events.read():
                    if event["direction"] == Direction.EGRESS and _is_ours(event):
                        return event
        pytest.fail("the program was told of no packet")


def _is_ours(event: np.void) -> bool:
    far = int(event["destination_lo"]) & 0xFFFFFFFF == int(FAR)
    return bool(far or event["frame"] == FRAMES["TAGS"])


@pytest.fixture
def guest() -> Iterator[Guest]:
    with opened(test_clock=0) as world, pin_root() as folder, Namespaces() as namespaces:
        folder.mkdir()
        hooks = Hooks(folder, world.maps.programs.fd)
        yield Guest(world, namespaces, hooks)
        hooks.close()


def _datagram(*tags: int, size: int = 100) -> bytes:
    frame = Ether(src=MAC, dst=OTHER_MAC)
    for tag in tags:
        frame = frame / Dot1Q(vlan=tag)
    return bytes(frame / IP(src=str(OWN), dst=str(FAR)) / UDP(sport=9, dport=10) / Raw(bytes(size)))


@pytest.mark.parametrize("tags", [(), (5,), (5, 6)])
def test_a_tag_beside_the_frame_is_looked_through(guest: Guest, tags: tuple[int, ...]) -> None:
    event = guest.send(_datagram(*tags))
    assert (event["answer"]["reason"], event["frame"]) == (Reason.NEW, 0)


def test_a_tag_beside_the_frame_counts_as_one(guest: Guest) -> None:
    assert guest.send(_datagram(5, 6, 7))["frame"] == FRAMES["TAGS"]


def test_headers_in_pieces_are_read(guest: Guest) -> None:
    event = guest.send(_datagram(5, size=6000), linear=14)
    assert event["answer"]["reason"] == Reason.NEW
    assert event["answer"]["destination_port"] == 10
    assert event["length"] == 6028


def test_segments_that_the_device_will_cut_are_counted(guest: Guest) -> None:
    size = 1_000_000
    guest.host.ip("link set guest mtu 1500")
    guest.inside.ip("link set host mtu 1500")
    address = (str(PEER), _PORT)
    with (
        in_namespace(guest.host.netns, lambda: socket.create_server(address)) as server,
        in_namespace(guest.inside.netns, socket.socket) as client,
    ):
        client.settimeout(10)
        client.connect(address)
        taken, _ = server.accept()
        with taken:
            taken.settimeout(10)
            got, rest = 0, memoryview(bytes(size))
            while got < size:
                if len(rest) > 0:
                    rest = rest[client.send(rest[:65536]) :]
                got += len(taken.recv(1 << 20))
    _, entries = guest.world.maps.connections.items()
    packets, octets = int(entries["packets"][0, 0]), int(entries["octets"][0, 0])
    # 52 octets of headers in each, 60 in the SYN; something may have been sent twice.
    assert packets >= size // 1448
    assert size <= octets - 52 * packets - 8 <= 1.5 * size
