"""What comes in a frame besides IP, or instead of it: link addresses, tags, ARP, padding."""

from dataclasses import replace
from struct import pack

import pytest

from secgroup.lessons.scene import scene
from secgroup.lessons.talk import datagram, message
from secgroup.net.direction import Direction
from tests.conformance.capability import Capability, requires
from tests.support.frames import GATEWAY_MAC, ethernet, ip_bytes

IN, OUT = Direction.INGRESS, Direction.EGRESS
WEB, WEB6, CLIENT, CLIENT6 = "10.0.1.10", "2001:db8:1:1::10", "203.0.113.1", "2001:db8:ffff::1"
MAC, OTHER = bytes.fromhex("02000000aa10"), bytes.fromhex("02000000aa11")
EVERYONE = bytes.fromhex("ffffffffffff")
#: IEEE 802.1Q and 802.1ad.
TAG, SERVICE_TAG = 0x8100, 0x88A8


def network(*, checked=True):
    made = scene(
        groups={"web": ["in udp/53 203.0.113.0/24", "in udp/53 2001:db8:ffff::/48",
                        "out udp/53 0.0.0.0/0", "out udp/53 ::/0"]},
        interfaces={"web": f"{WEB} {WEB6} web"},
        unchecked=[] if checked else ["web"],
    )  # fmt: skip
    interface = replace(made.interfaces["web"], mac=MAC)
    return replace(made, interfaces={"web": interface})


def frame(packet, way, *, mac=MAC, tags=(), padding=0):
    ends = (mac, GATEWAY_MAC) if way is OUT else (GATEWAY_MAC, mac)
    whole = ethernet(ip_bytes(packet), packet.family, source=ends[0], destination=ends[1])
    put = b"".join(pack("!HH", tag, 100 + number) for number, tag in enumerate(tags))
    return whole[:12] + put + whole[12:] + bytes(padding)


def arp(sender, target, *, mac=MAC, hardware=None):
    """An ARP request (RFC 826), of a sender in the frame and one inside it."""
    fixed = pack("!HHBBH", 1, 0x0800, 6, 4, 1)
    inside = (hardware or mac) + bytes(map(int, sender.split(".")))
    return EVERYONE + mac + b"\x08\x06" + fixed + inside + bytes(6) + bytes(
        map(int, target.split("."))
    )  # fmt: skip


ASKED = {4: datagram(WEB, CLIENT, 53), 6: datagram(WEB6, CLIENT6, 53)}
ASKED_IN = {4: datagram(CLIENT, WEB, 53), 6: datagram(CLIENT6, WEB6, 53)}


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("tags", [(), (TAG,), (SERVICE_TAG, TAG), (TAG, TAG)])
@requires(Capability.OTHER_FRAMES)
def test_packet_is_found_behind_two_tags(make, family, tags):
    subject = make(network())
    assert subject.frame("web", IN, frame(ASKED_IN[family], IN, tags=tags), 1000)
    refused = replace(ASKED_IN[family], destination_port=54)
    assert not subject.frame("web", IN, frame(refused, IN, tags=tags), 1000)


@requires(Capability.OTHER_FRAMES)
def test_third_tag_hides_the_packet(make):
    subject = make(network())
    assert not subject.frame("web", IN, frame(ASKED_IN[4], IN, tags=(TAG, TAG, TAG)), 1000)
    assert not subject.frame("web", OUT, frame(ASKED[4], OUT, tags=(SERVICE_TAG, TAG, TAG)), 1000)


@requires(Capability.OTHER_FRAMES)
def test_padding_of_the_link_is_no_part_of_the_packet(make):
    subject = make(network())
    small = datagram(CLIENT, WEB, 53, size=0)
    assert subject.frame("web", IN, frame(small, IN, padding=18), 1000)
    # A UDP header that is only there with the padding is not there.
    cut = ip_bytes(small)[:24]
    cut = cut[:2] + pack("!H", 24) + cut[4:] + bytes(22)
    assert not subject.frame("web", IN, ethernet(cut, 4, source=GATEWAY_MAC, destination=MAC), 1000)


@pytest.mark.parametrize("kind", [0x0806 + 1, 0x8847, 0x88CC, 0x8863, 0x0005, 0x9100])
@pytest.mark.parametrize("way", [IN, OUT])
@requires(Capability.OTHER_FRAMES)
def test_frame_that_is_not_ip_is_refused(make, kind, way):
    subject = make(network())
    ends = (MAC, GATEWAY_MAC) if way is OUT else (GATEWAY_MAC, MAC)
    octets = ends[1] + ends[0] + pack("!H", kind) + ip_bytes(ASKED[4])
    assert not subject.frame("web", way, octets, 1000)


@requires(Capability.OTHER_FRAMES)
def test_arp_passes_when_its_sender_belongs_to_the_interface(make):
    subject = make(network())
    assert subject.frame("web", OUT, arp(WEB, "10.0.1.1"), 1000)
    assert subject.frame("web", OUT, arp("0.0.0.0", WEB), 1000)  # a probe (RFC 5227)
    assert not subject.frame("web", OUT, arp("10.0.1.1", "10.0.1.9"), 1000)
    assert not subject.frame("web", OUT, arp(WEB, "10.0.1.1", hardware=OTHER), 1000)
    assert not subject.frame("web", OUT, arp(WEB, "10.0.1.1")[:30], 1000)
    assert subject.frame("web", IN, arp("10.0.1.1", WEB, mac=GATEWAY_MAC), 1000)


@requires(Capability.LINK_ADDRESSES)
def test_source_mac_of_somebody_else_is_refused(make):
    subject = make(network())
    assert subject.frame("web", OUT, frame(ASKED[4], OUT), 1000)
    assert not subject.frame("web", OUT, frame(ASKED[4], OUT, mac=OTHER), 1000)
    assert not subject.frame("web", OUT, arp(WEB, "10.0.1.1", mac=OTHER), 1000)
    unchecked = make(network(checked=False))
    assert unchecked.frame("web", OUT, frame(ASKED[4], OUT, mac=OTHER), 1000)


@requires(Capability.LINK_ADDRESSES)
def test_source_address_of_somebody_else_is_refused(make):
    subject = make(network())
    assert not subject.frame("web", OUT, frame(datagram("10.0.1.11", CLIENT, 53), OUT), 1000)
    assert not subject.frame("web", OUT, frame(datagram("2001:db8::9", CLIENT6, 53), OUT), 1000)


@requires(Capability.LINK_ADDRESSES, Capability.EXEMPT)
def test_neighbour_discovery_of_somebody_else_is_refused(make):
    subject = make(network())
    for source, passes in ((WEB6, True), ("fe80::1234", True), ("::", True),
                           ("2001:db8:1:1::99", False)):  # fmt: skip
        asked = replace(message(source, "ff02::1:ff00:1", type=135), hop_limit=255)
        assert subject.frame("web", OUT, frame(asked, OUT), 1000) is passes, source
    told = replace(message("2001:db8:1:1::1", WEB6, type=136), hop_limit=255)
    assert subject.frame("web", IN, frame(told, IN), 1000)
