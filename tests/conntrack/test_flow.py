from dataclasses import replace
from ipaddress import ip_address

import pytest

from secgroup.conntrack.flow import (
    Flow,
    Query,
    first_positions,
    is_ahead,
    key_of,
    opening_state,
    step,
)
from secgroup.conntrack.state import State
from secgroup.conntrack.timeout import Timeouts
from secgroup.lessons.talk import connection, datagram, message, ping, plain, pong
from secgroup.net.direction import Direction
from secgroup.net.packet import Fragment

IN, OUT = Direction.INGRESS, Direction.EGRESS
HERE, PEER = "10.0.1.10", "203.0.113.9"
HERE6, PEER6 = "2001:db8:1:1::10", "2001:db8:ffff::9"


def opened(packet, direction=IN, now_ms=0):
    state = opening_state(packet)
    assert state is not None
    key = key_of(packet, direction, "i-1")
    assert key is not None
    return Flow(
        key=key,
        opener=direction,
        state=state,
        created_ms=now_ms,
        last_ms=now_ms,
        timeouts=Timeouts(),
        interface_id="eni-1",
        next=first_positions(packet),
    )


def follow(flow, *packets):
    for direction, packet in packets:
        assert flow is not None
        flow = step(flow, packet, direction, flow.last_ms + 1)
    return flow


@pytest.mark.semantics("ct-3")
@pytest.mark.parametrize(("here", "peer"), [(HERE, PEER), (HERE6, PEER6)])
def test_both_directions_make_the_same_key(here, peer):
    talk = connection(peer, here)
    key = key_of(talk.client("SYN"), IN, "i-1")
    assert key == key_of(talk.server("SYN ACK"), OUT, "i-1")
    assert (key.owner, key.protocol) == ("i-1", 6)
    assert (key.inside, key.inside_port) == (ip_address(here), 443)
    assert (key.outside, key.outside_port) == (ip_address(peer), 40000)


@pytest.mark.parametrize("change", ["owner", "port", "peer", "protocol"])
def test_key_differs_in_each_part(change):
    one = key_of(datagram(PEER, HERE, 53), IN, "i-1")
    other = {
        "owner": key_of(datagram(PEER, HERE, 53), IN, "i-2"),
        "port": key_of(datagram(PEER, HERE, 54), IN, "i-1"),
        "peer": key_of(datagram("203.0.113.10", HERE, 53), IN, "i-1"),
        "protocol": key_of(connection(PEER, HERE, 53).client("SYN"), IN, "i-1"),
    }[change]
    assert one != other


@pytest.mark.semantics("icmp-2")
def test_query_key_has_identifier_kind_and_asker():
    asked = key_of(ping(PEER, HERE, identifier=9), IN, "i-1")
    assert asked.query == Query(type=8, opener=IN)
    assert (asked.inside_port, asked.outside_port) == (9, 9)
    assert key_of(pong(HERE, PEER, identifier=9), OUT, "i-1") == asked
    # Another identifier, another asker, another kind of question: another flow.
    assert key_of(pong(HERE, PEER, identifier=8), OUT, "i-1") != asked
    assert key_of(ping(HERE, PEER, identifier=9), OUT, "i-1") != asked
    assert key_of(message(PEER, HERE, type=13, identifier=9), IN, "i-1") != asked
    assert key_of(message(HERE, PEER, type=14, identifier=9), OUT, "i-1") != asked


@pytest.mark.semantics("icmp-2")
@pytest.mark.parametrize(("asks", "answers"), [(8, 0), (13, 14), (15, 16), (17, 18)])
def test_each_ipv4_query_and_its_answer_share_a_key(asks, answers):
    asked = key_of(message(PEER, HERE, type=asks, identifier=3), IN, "i-1")
    assert asked == key_of(message(HERE, PEER, type=answers, identifier=3), OUT, "i-1")


@pytest.mark.semantics("icmp-2")
def test_ipv6_echo_shares_a_key_with_its_reply():
    asked = key_of(ping(PEER6, HERE6, identifier=3), IN, "i-1")
    assert asked == key_of(pong(HERE6, PEER6, identifier=3), OUT, "i-1")
    assert asked.query == Query(type=128, opener=IN)


@pytest.mark.parametrize("packet_type", [3, 5, 9, 10, 11, 12])
def test_icmp_that_neither_asks_nor_answers_has_no_key(packet_type):
    assert key_of(message(PEER, HERE, type=packet_type), IN, "i-1") is None


@pytest.mark.semantics("ct-8")
def test_other_protocols_are_addresses_and_a_number():
    key = key_of(plain(PEER, HERE, 47), IN, "i-1")
    assert (key.protocol, key.inside_port, key.outside_port, key.query) == (47, 0, 0, None)
    assert key == key_of(plain(HERE, PEER, 47), OUT, "i-1")
    # ICMP of the other family is a protocol like any other.
    assert key_of(plain(PEER, HERE, 58), IN, "i-1").query is None
    assert opening_state(plain(PEER6, HERE6, 1)) is State.OTHER_UNREPLIED


@pytest.mark.semantics("frag-1")
def test_later_fragment_has_no_key():
    whole = datagram(PEER, HERE, 53)
    fragment = Fragment(identification=1, offset=8, more=False, protocol=17)
    later = replace(whole, fragment=fragment, source_port=None, destination_port=None)
    assert key_of(later, IN, "i-1") is None


@pytest.mark.parametrize(
    ("sequence", "of", "ahead"),
    [
        (5, 5, False),
        (6, 5, True),
        (4, 5, False),
        (0, 2**32 - 1, True),
        (2**32 - 1, 0, False),
        (5 + 2**31 - 1, 5, True),
        (5 + 2**31, 5, False),
    ],
)
def test_is_ahead_wraps_around(sequence, of, ahead):
    assert is_ahead(sequence & 0xFFFFFFFF, of) is ahead


def established(start=(1000, 5000)):
    talk = connection(PEER, HERE)
    talk.next[:] = start
    flow = opened(talk.client("SYN"))
    flow = follow(flow, (OUT, talk.server("SYN ACK")), (IN, talk.client("ACK")))
    assert flow.state is State.ESTABLISHED
    return talk, flow


@pytest.mark.semantics("ct-27")
@pytest.mark.parametrize("start", [(1000, 5000), (2**32 - 1, 2**32 - 2), (2**32 - 60, 2**32 - 50)])
@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("ahead", [-1, 0, 1, 2**31])
def test_reset_ends_only_where_its_side_stands(start, side, ahead):
    talk, flow = established(start)
    flow = follow(flow, (IN, talk.client("PSH ACK", 100)), (OUT, talk.server("PSH ACK", 50)))
    reset = getattr(talk, side)("RST", ahead=ahead)
    after = follow(flow, (IN if side == "client" else OUT, reset))
    assert (after is None) == (ahead == 0)
    if after is not None:
        assert (after.state, after.next) == (flow.state, flow.next)
        assert after.last_ms == flow.last_ms + 1


@pytest.mark.semantics("ct-27")
def test_retransmission_and_keepalive_do_not_move_where_a_side_stands():
    talk, flow = established()
    data = talk.client("PSH ACK", 100)
    flow = follow(flow, (IN, data), (IN, data))
    assert flow.next == (1101, 5001)
    flow = follow(
        flow, (IN, talk.client("ACK", ahead=-1)), (IN, talk.client("PSH ACK", 1, ahead=-1))
    )
    assert flow.next == (1101, 5001)


@pytest.mark.semantics("ct-27")
def test_segment_out_of_order_moves_ahead_and_the_late_one_not_back():
    talk, flow = established()
    first, second = talk.client("ACK", 100), talk.client("ACK", 100)
    assert follow(flow, (IN, second)).next == (1201, 5001)
    assert follow(flow, (IN, second), (IN, first)).next == (1201, 5001)


@pytest.mark.semantics("ct-28")
@pytest.mark.parametrize(
    ("flags", "acknowledges", "ends"),
    [("RST ACK", 0, True), ("RST ACK", 1, False), ("RST ACK", -1, False), ("RST", 0, False)],
)
def test_syn_sent_reset_from_reply_ends_when_it_acknowledges_the_syn(flags, acknowledges, ends):
    talk = connection(PEER, HERE)
    flow = opened(talk.client("SYN"))
    talk.next[0] += acknowledges
    after = follow(flow, (OUT, talk.server(flags)))
    assert (after is None) is ends


@pytest.mark.semantics("ct-28")
def test_syn_sent_reset_from_original_ends_by_sequence_number():
    talk = connection(PEER, HERE)
    flow = opened(talk.client("SYN"))
    assert follow(flow, (IN, talk.client("RST", ahead=1))) is not None
    assert follow(flow, (IN, talk.client("RST"))) is None


@pytest.mark.semantics("ct-28")
def test_syn_sent2_reset_from_reply_needs_its_sequence_number():
    talk = connection(PEER, HERE)
    flow = follow(opened(talk.client("SYN")), (OUT, talk.server("SYN")))
    assert flow.state is State.SYN_SENT2
    assert follow(flow, (OUT, talk.server("RST ACK", ahead=7))) is not None
    assert follow(flow, (OUT, talk.server("RST ACK"))) is None


@pytest.mark.semantics("ct-27")
def test_reset_of_a_side_that_has_not_been_heard_is_stray():
    talk, flow = established()
    unheard = replace(flow, next=(flow.next[0], None))
    assert follow(unheard, (OUT, talk.server("RST"))) is not None


@pytest.mark.semantics("ct-29")
def test_syn_of_a_handshake_sets_where_a_side_begins():
    # A client that tries again with a new number, and a challenge ACK of an old connection.
    talk = connection(PEER, HERE)
    flow = opened(talk.client("SYN"))
    talk.next[:] = [10, 77]
    flow = follow(flow, (OUT, talk.server("ACK")), (IN, talk.client("SYN")))
    assert flow.next == (11, 77)
    talk.next[1] = 20
    flow = follow(flow, (OUT, talk.server("SYN ACK")))
    assert flow.next == (11, 21)
    # Established, a SYN moves nothing back.
    flow = follow(flow, (IN, talk.client("ACK")))
    talk.next[0] = 2**32 - 5
    assert follow(flow, (IN, talk.client("SYN"))).next == (11, 21)


def test_steps_are_pure():
    talk, flow = established()
    before = replace(flow)
    step(flow, talk.client("PSH ACK", 9), IN, 99)
    assert flow == before


@pytest.mark.semantics("ct-21")
def test_close_walks_through_netfilters_states():
    talk, flow = established()
    states = []
    for way, packet in (
        (IN, talk.client("FIN ACK")),
        (OUT, talk.server("ACK")),
        (OUT, talk.server("FIN ACK")),
        (IN, talk.client("ACK")),
    ):
        flow = follow(flow, (way, packet))
        states.append(flow.state.name)
    assert states == ["FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT"]


@pytest.mark.parametrize("flags", ["SYN ACK", "FIN", "RST", "SYN FIN", "PSH"])
def test_only_syn_or_picked_up_ack_can_open(flags):
    assert opening_state(connection(PEER, HERE).client(flags)) is None
    assert opening_state(connection(PEER, HERE).client("SYN")) is State.SYN_SENT
    assert opening_state(connection(PEER, HERE).client("ACK")) is State.ESTABLISHED


def test_icmp_answer_and_error_open_nothing():
    assert opening_state(ping(PEER, HERE)) is State.ICMP_UNREPLIED
    assert opening_state(pong(PEER, HERE)) is None
    assert opening_state(message(PEER, HERE, type=3)) is None


@pytest.mark.semantics("ct-28")
def test_syn_sent_reset_without_the_ack_flag_is_stray():
    talk = connection(PEER, HERE)
    flow = opened(talk.client("SYN"))
    reset = talk.server("RST")
    reset = replace(reset, tcp=replace(reset.tcp, acknowledgement=flow.next[0]))
    assert follow(flow, (OUT, reset)) is not None


@pytest.mark.semantics("ct-27")
def test_stray_reset_does_not_move_where_a_side_stands():
    talk, flow = established()
    after = follow(flow, (IN, talk.client("RST", ahead=100)), (OUT, talk.server("RST", ahead=1)))
    assert after.next == flow.next
