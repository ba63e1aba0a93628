from dataclasses import replace

import pytest

from secgroup.model.network import Network
from secgroup.net.packet import Packet
from secgroup.net.wire import build
from secgroup.replay.copies import Copies
from secgroup.replay.firewall import Firewall
from secgroup.replay.who import Undecided
from tests.support.captured import Seen, Talk, frames, hop

NAMES = ("lan", "wan", "dmz")
TALK = Talk(client="10.0.1.5", server="10.0.2.5", s=5432)


def verdicts(*seen: Seen) -> list[bool]:
    copies = Copies()
    return [copies.is_copy(frame) for frame in frames(*seen, names=NAMES)]


def at(s: float, interface: int, packet: Packet | bytes | None = None) -> Seen:
    return Seen(s=s, packet=TALK.syn() if packet is None else packet, interface=interface)


@pytest.mark.semantics("replay-9")
def test_the_same_packet_on_another_interface_is_a_copy() -> None:
    assert verdicts(at(0, 0), at(0.001, 1), at(0.002, 2)) == [False, True, True]


@pytest.mark.semantics("replay-9")
def test_hop_limit_and_checksum_do_not_count() -> None:
    assert verdicts(at(0, 0), at(0.001, 1, hop(TALK.syn()))) == [False, True]
    six = Talk(client="2001:db8::1", server="2001:db8::2")
    assert verdicts(at(0, 0, six.syn()), at(0.001, 1, hop(six.syn()))) == [False, True]


@pytest.mark.semantics("replay-9")
@pytest.mark.parametrize(("packet", "place"), [(TALK.syn(), 20 + 16), (TALK.udp(), 20 + 6)])
def test_a_checksum_that_offload_left_unfinished_does_not_count(packet: Packet, place: int) -> None:
    whole = build(packet)
    unfinished = whole[:place] + b"\x12\x34" + whole[place + 2 :]
    assert verdicts(at(0, 0, whole), at(0.001, 1, unfinished)) == [False, True]


@pytest.mark.semantics("replay-9")
def test_anything_else_counts() -> None:
    other = replace(TALK, isn=1001).syn()
    assert verdicts(at(0, 0), at(0.001, 1, other)) == [False, False]
    whole = build(TALK.data())
    changed = whole[:-1] + b"\x01"
    assert verdicts(at(0, 0, whole), at(0.001, 1, changed)) == [False, False]


@pytest.mark.semantics("replay-9")
def test_padding_of_the_link_does_not_count() -> None:
    assert verdicts(at(0, 0), at(0.001, 1, build(TALK.syn()) + bytes(6))) == [False, True]


@pytest.mark.semantics("replay-10")
def test_the_same_packet_on_the_same_interface_is_a_retransmission() -> None:
    assert verdicts(at(0, 0), at(0.2, 0), at(0.201, 1)) == [False, False, True]


@pytest.mark.semantics("replay-9")
@pytest.mark.parametrize(("s", "copy"), [(0.999999999, True), (1.0, True), (1.000000001, False)])
def test_a_copy_comes_within_a_second(s: float, copy: bool) -> None:
    assert verdicts(at(0, 0), at(s, 1)) == [False, copy]


@pytest.mark.semantics("replay-9")
def test_a_copy_may_stand_before_by_the_clock_of_its_interface() -> None:
    assert verdicts(at(1.0, 0), at(0.5, 1)) == [False, True]


@pytest.mark.semantics("replay-9")
def test_mirror_sessions_are_capture_interfaces_of_their_own() -> None:
    (plain,) = frames(at(0, 0))
    copies = Copies()
    mirrored = [replace(plain, link=replace(plain.link, vni=vni)) for vni in (1, 2, 1)]
    assert [copies.is_copy(frame) for frame in mirrored] == [False, True, False]


@pytest.mark.semantics("replay-9")
def test_copies_are_counted_and_not_decided(web_and_db: Network) -> None:
    firewall = Firewall(web_and_db)
    placed = list(firewall.decide(frames(at(0, 0), at(0.001, 1), names=NAMES)))
    assert [each.frame for each in placed] == [1, 1]
    assert firewall.census.counts == {Undecided.COPY: 1}


@pytest.mark.semantics("replay-9")
def test_with_at_every_interface_decides_for_itself(web_and_db: Network) -> None:
    firewall = Firewall(web_and_db, at={"lan": "eni-web", "wan": "eni-db"})
    placed = list(firewall.decide(frames(at(0, 0), at(0.001, 1), names=NAMES)))
    assert [each.frame for each in placed] == [1, 2]
    assert not firewall.census.counts


def test_memory_is_bounded_by_the_window() -> None:
    copies = Copies()
    for s in range(50):
        for frame in frames(at(s * 2, 0, replace(TALK, isn=s).syn())):
            copies.is_copy(frame)
    assert len(copies._seen) == 1
