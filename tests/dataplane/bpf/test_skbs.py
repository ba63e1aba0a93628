"""Packets as devices hand them over: tags beside the frame, segments not cut yet, bytes in pieces.

A test run has none of these; here a guest sends through a veth pair.
"""

import errno
import socket
import struct
import time
from collections.abc import Iterator
from typing import Final

import numpy as np
import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from secgroup.dataplane.bpf.hooks import Hooks
from secgroup.dataplane.bpf.layout import FRAMES
from secgroup.dataplane.bpf.libc import in_namespace
from secgroup.decision import Reason
from secgroup.net.direction import Direction
from tests.dataplane.bpf.world import (
    FAR,
    INTERFACE,
    MAC,
    OTHER_MAC,
    OWN,
    PEER,
    SSH,
    World,
    opened,
)
from tests.support.bpf import pin_root
from tests.support.netns import Namespace, Namespaces

pytestmark = pytest.mark.needs("bpf", "netns")

#: linux/if_packet.h
_SOL_PACKET: Final = 263
_PACKET_VNET_HDR: Final = 15
_PORT: Final = 443
#: linux/udp.h
_UDP_SEGMENT: Final = 103


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

    def send(
        self, frame: bytes, *, linear: int | None = None, checksum: tuple[int, int] | None = None
    ) -> np.void:
        """Send a frame as it is, and return what is told of it; `linear` bytes in one piece.

        `checksum` leaves one to the kernel: where it begins to sum, and where from there it writes.
        """
        return self._tell(self.inside, "host", Direction.EGRESS, frame, linear, checksum)

    def receive(self, frame: bytes, *, linear: int | None = None) -> np.void:
        """Send the guest a frame, and return what is told of it."""
        return self._tell(self.host, "guest", Direction.INGRESS, frame, linear)

    def _tell(
        self,
        end: Namespace,
        device: str,
        direction: Direction,
        frame: bytes,
        linear: int | None,
        checksum: tuple[int, int] | None = None,
    ) -> np.void:
        with in_namespace(
            end.netns, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        ) as door:
            door.bind((device, 0))
            if linear is not None or checksum is not None:
                door.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
                wish = (0, 0) if checksum is None else checksum
                header = (checksum is not None, 0, linear or 0, 0, *wish)
                frame = struct.pack("<BBHHHH", *header) + frame
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                # Until the kernel has noticed that the link is up, what is sent is lost.
                try:
                    door.send(frame)
                except OSError as error:
                    # Who sends from the host is told what is refused on its way out.
                    if error.errno != errno.ENOBUFS:
                        raise
                time.sleep(0.02)
                # The kernels of both ends may say things of their own.
                for event in self.world.maps.events.read():
                    if event["direction"] == direction and _is_ours(event):
                        return event
        pytest.fail("the program was told of no packet")


def _is_ours(event: np.void) -> bool:
    ends = (int(event[each]) & 0xFFFFFFFF for each in ("source_lo", "destination_lo"))
    return int(FAR) in ends or bool(event["frame"] == FRAMES["TAGS"])


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


#: Where UDP begins in a frame of IPv4.
_UDP: Final = 34


@pytest.mark.parametrize("checksum", [(_UDP, 6), (_UDP, 8), (_UDP + 8, 0)])
def test_a_checksum_that_is_left_to_the_kernel_may_stand_where_nothing_is_decided(
    guest: Guest, checksum: tuple[int, int]
) -> None:
    assert guest.send(_datagram(), checksum=checksum)["answer"]["reason"] == Reason.NEW


@pytest.mark.parametrize("checksum", [(_UDP, 2), (_UDP, 0), (_UDP, 5), (26, 0), (26, 4)])
def test_a_checksum_over_a_port_or_an_address_is_refused(
    guest: Guest, checksum: tuple[int, int]
) -> None:
    assert guest.send(_datagram(), checksum=checksum)["answer"]["reason"] == Reason.MALFORMED


def _opener(port: int, *tags: int, size: int = 0) -> bytes:
    """A SYN for the guest, with data."""
    frame = Ether(src=OTHER_MAC, dst=MAC)
    for tag in tags:
        frame = frame / Dot1Q(vlan=tag)
    packet = IP(src=str(FAR), dst=str(OWN)) / TCP(sport=9, dport=port) / Raw(bytes(size))
    return bytes(frame / packet)


@pytest.mark.parametrize("tags", [(), (5,), (5, 6)])
@pytest.mark.parametrize("linear", [None, 14, 30])
def test_tags_and_pieces_hide_nothing_from_the_rules(
    guest: Guest, tags: tuple[int, ...], linear: int | None
) -> None:
    """What goes to the guest has its tags in the frame."""
    for port, reason in ((SSH, Reason.NEW), (SSH + 1, Reason.NO_MATCHING_RULE)):
        event = guest.receive(_opener(port, *tags, size=5000), linear=linear)
        assert (event["answer"]["reason"], event["frame"]) == (reason, 0)
    assert guest.receive(_opener(SSH, 5, 6, 7))["frame"] == FRAMES["TAGS"]
    guest.world.change(rules=[1, 1, 1, 1])
    event = guest.send(_datagram(*tags, size=5000), linear=linear)
    assert (event["answer"]["reason"], event["frame"]) == (Reason.NO_MATCHING_RULE, 0)


def test_datagrams_in_one_buffer_count_as_so_many(guest: Guest) -> None:
    """Both ways, and in the tally of their connection as in the counters of the interface."""
    size, sent, answered = 1000, 9, 7
    with (
        in_namespace(
            guest.host.netns, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ) as server,
        in_namespace(
            guest.inside.netns, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ) as client,
    ):
        for each in (server, client):
            each.settimeout(10)
            each.setsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT, size)
        server.bind((str(PEER), _PORT))
        client.sendto(bytes(size * sent), (str(PEER), _PORT))
        for _ in range(sent):
            data, peer = server.recvfrom(65536)
            assert len(data) == size
        server.sendto(bytes(size * answered), peer)
        for _ in range(answered):
            assert len(client.recv(65536)) == size
    maps = guest.world.maps
    keys, entries = maps.connections.items()
    (entry,) = entries[keys["outside_port"] == _PORT]
    assert entry["packets"].tolist() == [sent, answered]
    assert entry["octets"].tolist() == [sent * (size + 28), answered * (size + 28)]
    reasons = guest.world.counted("reasons")
    assert reasons[Direction.EGRESS][Reason.NEW] == sent
    assert reasons[Direction.INGRESS][Reason.ESTABLISHED] == answered
    # Each buffer was one event: the device had not cut it yet.
    events = maps.events.read()
    cut = events["segments"] > 1
    assert events["segments"][cut].tolist() == [sent, answered]


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
