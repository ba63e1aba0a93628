"""The conversations that break firewalls: what kernel developers try connection tracking with.

Each is written from what it is about; a comment says what the two hosts are up to. `run` plays it
on a subject and checks the reason of every answer and the state that it leaves.
"""

import pytest

from secgroup.decision import Reason
from secgroup.lessons.scene import scene
from secgroup.lessons.talk import connection, datagram, message, ping, plain, pong
from secgroup.reference.memory import Switches
from tests.conformance.capability import Capability, requires
from tests.support.playbook import Playbook, after, inward, outward, written

NEW, ESTABLISHED, MIDSTREAM = Reason.NEW, Reason.ESTABLISHED, Reason.MIDSTREAM
RELATED, NO_RULE, UNTRACKED = Reason.RELATED, Reason.NO_MATCHING_RULE, Reason.UNTRACKED

WEB, WEB6 = "10.0.1.10", "2001:db8:1:1::10"
CLIENT, CLIENT6 = "203.0.113.1", "2001:db8:ffff::1"
ENDS = {4: (CLIENT, WEB), 6: (CLIENT6, WEB6)}
#: The client may come in; nothing may go out but answers.
SERVER = scene(
    groups={"web": ["in tcp/443 203.0.113.0/24", "in tcp/443 2001:db8:ffff::/48"]},
    interfaces={"web": f"{WEB} {WEB6} web"},
)
#: The instance may go out; nothing may come in but answers.
OUTGOING = scene(
    groups={"web": ["out all 0.0.0.0/0", "out all ::/0"]}, interfaces={"web": f"{WEB} {WEB6} web"}
)

both_families = pytest.mark.parametrize("family", [4, 6])


def run(book, states):
    """Play it; `states` are what each packet leaves, `-` where there is no entry then."""
    lines = book.lines()
    assert all(line.as_expected for line in lines), "\n" + "\n".join(map(written, lines))
    found = [line.decision.state_after for line in lines if line.decision is not None]
    assert ["-" if each is None else each.name for each in found] == states.split()


def handshake(book, said, *, opened_by=inward, answered_by=outward):
    """Append the three segments that open a connection."""
    return (
        book
        >> opened_by(said.client("SYN")) << NEW
        >> answered_by(said.server("SYN ACK")) << ESTABLISHED
        >> opened_by(said.client("ACK")) << ESTABLISHED
    )  # fmt: skip


OPENED = "SYN_SENT SYN_RECV ESTABLISHED "


@pytest.fixture
def server(make):
    return lambda **options: Playbook(SERVER, "web", on=make, **options)


@pytest.fixture
def outgoing(make):
    return lambda **options: Playbook(OUTGOING, "web", on=make, **options)


# Resets


@both_families
@requires(Capability.TRACKS_TCP, Capability.STATES)
def test_reset_out_of_window_passes_and_ends_nothing(server, family):
    # Somebody off the path guesses; the host would not believe it, so the entry must not either.
    said = connection(*ENDS[family], 443)
    run(
        handshake(server(), said)
        >> inward(said.client("RST", ahead=100_000)) << ESTABLISHED
        >> inward(said.client("RST", ahead=-100_000)) << ESTABLISHED
        >> outward(said.server("RST ACK", ahead=2**31)) << ESTABLISHED
        >> inward(said.client("PSH ACK", 10)) << ESTABLISHED
        >> outward(said.server("PSH ACK", 10)) << ESTABLISHED,
        OPENED + "ESTABLISHED " * 5,
    )  # fmt: skip


@both_families
@requires(Capability.TRACKS_TCP, Capability.STATES)
def test_inexact_reset_is_followed_by_the_exact_one(server, family):
    # A RST inside the window but not at the left edge: the host sends a challenge ACK, and the
    # peer, if it really has no such connection, answers that with an exact RST (RFC 5961 3.2).
    said = connection(*ENDS[family], 443)
    run(
        handshake(server(), said)
        >> inward(said.client("RST", ahead=1)) << ESTABLISHED
        >> outward(said.server("ACK")) << ESTABLISHED
        >> inward(said.client("RST")) << ESTABLISHED
        >> outward(said.server("PSH ACK", 5)) << NO_RULE
        >> inward(said.client("PSH ACK", 5)) << MIDSTREAM,
        OPENED + "ESTABLISHED ESTABLISHED - - -",
    )  # fmt: skip


@requires(Capability.TRACKS_TCP)
def test_reset_at_the_highest_octet_seen_counts_what_was_lost_behind_the_firewall(server):
    # The client sent 500 octets, which the firewall saw and the server may not have.
    said = connection(*ENDS[4], 443)
    handshake(book := server(), said)
    before = said.client("RST")
    run(
        book
        >> inward(said.client("PSH ACK", 500)) << ESTABLISHED
        >> inward(before) << ESTABLISHED
        >> inward(said.client("RST")) << ESTABLISHED,
        OPENED + "ESTABLISHED ESTABLISHED -",
    )  # fmt: skip


@both_families
@requires(Capability.TRACKS_TCP)
def test_refused_connection_is_over_at_once(outgoing, family):
    said = connection(*ENDS[family][::-1], 443)
    run(
        outgoing()
        >> outward(said.client("SYN")) << NEW
        >> inward(said.server("RST ACK")) << ESTABLISHED
        >> inward(said.server("ACK")) << NO_RULE
        >> outward(connection(*ENDS[family][::-1], 443).client("SYN")) << NEW,
        "SYN_SENT - - SYN_SENT",
    )  # fmt: skip


@requires(Capability.TRACKS_TCP)
def test_reset_that_acknowledges_no_syn_of_ours_does_not_refuse(outgoing):
    # To refuse a connection one must have seen its SYN (RFC 9293 3.10.7.3).
    said = connection(WEB, CLIENT, 443)
    syn = said.client("SYN")
    said.next[0] += 1
    blind = said.server("RST ACK", ahead=0)
    said.next[0] -= 1
    run(
        outgoing()
        >> outward(syn) << NEW
        >> inward(blind) << ESTABLISHED
        >> inward(said.server("RST")) << ESTABLISHED
        >> inward(said.server("SYN ACK")) << ESTABLISHED
        >> outward(said.client("ACK")) << ESTABLISHED,
        "SYN_SENT SYN_SENT SYN_SENT SYN_RECV ESTABLISHED",
    )  # fmt: skip


@requires(Capability.TRACKS_TCP)
def test_client_takes_its_syn_back(outgoing):
    said = connection(WEB, CLIENT, 443)
    run(
        outgoing()
        >> outward(said.client("SYN")) << NEW
        >> outward(said.client("RST")) << ESTABLISHED
        >> inward(said.server("SYN ACK")) << NO_RULE,
        "SYN_SENT - -",
    )  # fmt: skip


@requires(Capability.TRACKS_TCP)
def test_reset_answers_a_keepalive(server):
    # The client has been restarted and knows nothing: the answer to a keepalive probe, which has
    # the octet before the next one, is a RST where that probe acknowledges.
    said = connection(CLIENT, WEB, 443)
    run(
        handshake(server(), said)
        >> after(7200)
        >> outward(said.server("ACK", ahead=-1)) << ESTABLISHED
        >> after(75)
        >> outward(said.server("ACK", ahead=-1)) << ESTABLISHED
        >> inward(said.client("RST")) << ESTABLISHED
        >> outward(said.server("ACK", ahead=-1)) << NO_RULE,
        OPENED + "ESTABLISHED ESTABLISHED - -",
    )  # fmt: skip


@requires(Capability.TRACKS_TCP)
def test_fin_and_then_reset(server):
    # close() with unread octets: a FIN may have left already, then a RST behind it.
    said = connection(CLIENT, WEB, 443)
    run(
        handshake(server(), said)
        >> outward(said.server("FIN ACK")) << ESTABLISHED
        >> outward(said.server("RST ACK")) << ESTABLISHED
        >> outward(said.server("RST ACK")) << NO_RULE,
        OPENED + "FIN_WAIT - -",
    )  # fmt: skip


@requires(Capability.TRACKS_TCP)
def test_reset_in_time_wait_is_the_assassination_of_it(server):
    said = connection(CLIENT, WEB, 443)
    run(
        handshake(server(), said)
        >> outward(said.server("FIN ACK")) << ESTABLISHED
        >> inward(said.client("FIN ACK")) << ESTABLISHED
        >> outward(said.server("ACK")) << ESTABLISHED
        >> inward(said.client("RST", ahead=5)) << ESTABLISHED
        >> inward(said.client("RST")) << ESTABLISHED
        >> outward(said.server("ACK")) << NO_RULE,
        OPENED + "FIN_WAIT LAST_ACK TIME_WAIT TIME_WAIT - -",
    )  # fmt: skip


@requires(Capability.TRACKS_TCP)
def test_reset_with_nothing_behind_it_is_judged_by_the_rules(server):
    said = connection(CLIENT, WEB, 443)
    run(
        server()
        >> inward(said.client("RST")) << MIDSTREAM
        >> outward(said.server("RST ACK")) << NO_RULE,
        "- -",
    )  # fmt: skip


# Openings


@requires(Capability.TRACKS_TCP, Capability.STATES)
def test_syn_ack_of_an_older_connection(outgoing):
    # It acknowledges what this client never sent; the client resets that one, and the answer to
    # its own SYN opens the connection nevertheless.
    said = connection(WEB, CLIENT, 443)
    syn = said.client("SYN")
    older = connection(WEB, CLIENT, 443)
    older.next[:] = [700_000, 900_000]
    run(
        outgoing()
        >> outward(syn) << NEW
        >> inward(older.server("SYN ACK")) << ESTABLISHED
        >> outward(older.client("RST")) << ESTABLISHED
        >> outward(syn) << ESTABLISHED
        >> inward(said.server("SYN ACK")) << ESTABLISHED
        >> outward(said.client("ACK")) << ESTABLISHED
        >> inward(said.server("RST")) << ESTABLISHED,
        "SYN_SENT SYN_RECV SYN_RECV SYN_RECV SYN_RECV ESTABLISHED -",
    )  # fmt: skip


@both_families
@requires(Capability.TRACKS_TCP, Capability.STATES)
def test_challenge_ack_lets_a_client_that_lost_its_memory_begin_again(server, family):
    # The server still has the old connection: a SYN gets a challenge ACK (RFC 5961 4), the client
    # answers with a RST where that acknowledges, and its next SYN opens a new connection.
    old = connection(*ENDS[family], 443)
    again = connection(*ENDS[family], 443)
    handshake(book := server(), old)
    again.next[:] = [3_000_000_000, 77]
    syn = again.client("SYN")
    run(
        book
        >> inward(syn) << ESTABLISHED
        >> outward(old.server("ACK")) << ESTABLISHED
        >> inward(old.client("RST")) << ESTABLISHED
        >> inward(syn) << NEW
        >> outward(again.server("SYN ACK")) << ESTABLISHED
        >> inward(again.client("ACK")) << ESTABLISHED,
        OPENED + "ESTABLISHED ESTABLISHED - " + OPENED,
    )  # fmt: skip


@requires(Capability.TRACKS_TCP)
def test_challenge_ack_to_a_connection_that_has_just_begun(outgoing):
    # An ACK, not a SYN-ACK, answers: the peer has an older connection. Nothing is established.
    said = connection(WEB, CLIENT, 443)
    run(
        outgoing()
        >> outward(said.client("SYN")) << NEW
        >> inward(said.server("ACK", ahead=1_000_000)) << ESTABLISHED
        >> outward(said.client("RST", ahead=12345)) << ESTABLISHED
        >> after(1)
        >> outward(said.client("SYN", ahead=-1)) << ESTABLISHED
        >> inward(said.server("SYN ACK")) << ESTABLISHED
        >> outward(said.client("ACK")) << ESTABLISHED,
        "SYN_SENT SYN_SENT SYN_SENT SYN_SENT SYN_RECV ESTABLISHED",
    )  # fmt: skip


@both_families
@requires(Capability.TRACKS_TCP, Capability.STATES)
def test_simultaneous_open(outgoing, family):
    # RFC 9293 figure 7: both send SYN, both answer with SYN-ACK.
    said = connection(*ENDS[family][::-1], 443)
    syn, other = said.client("SYN"), said.server("SYN")
    said.next[0] -= 1
    answer = said.client("SYN ACK")
    said.next[1] -= 1
    run(
        outgoing()
        >> outward(syn) << NEW
        >> inward(other) << ESTABLISHED
        >> outward(answer) << ESTABLISHED
        >> inward(said.server("SYN ACK")) << ESTABLISHED
        >> outward(said.client("ACK")) << ESTABLISHED,
        "SYN_SENT SYN_SENT2 SYN_RECV SYN_RECV ESTABLISHED",
    )  # fmt: skip


@requires(Capability.TRACKS_TCP, Capability.IDLE_TIMEOUTS)
def test_simultaneous_open_that_nobody_answers_is_forgotten_after_two_minutes(outgoing):
    said = connection(WEB, CLIENT, 443)
    run(
        outgoing()
        >> outward(said.client("SYN")) << NEW
        >> inward(said.server("SYN")) << ESTABLISHED
        >> after(119.999)
        >> inward(said.server("SYN ACK", ahead=-1)) << NO_RULE,
        "SYN_SENT SYN_SENT2 -",
    )  # fmt: skip


@requires(Capability.TRACKS_TCP)
def test_opening_segments_that_were_lost_are_sent_again(server):
    said = connection(CLIENT, WEB, 443)
    syn = said.client("SYN")
    syn_ack = said.server("SYN ACK")
    run(
        server()
        >> inward(syn) << NEW
        >> after(1)
        >> inward(syn) << ESTABLISHED
        >> outward(syn_ack) << ESTABLISHED
        >> after(3)
        >> outward(syn_ack) << ESTABLISHED
        >> inward(syn) << ESTABLISHED
        >> inward(said.client("ACK")) << ESTABLISHED
        >> outward(syn_ack) << ESTABLISHED,
        "SYN_SENT SYN_SENT SYN_RECV SYN_RECV SYN_RECV ESTABLISHED ESTABLISHED",
    )  # fmt: skip


@requires(Capability.TRACKS_TCP, Capability.IDLE_TIMEOUTS)
def test_every_segment_of_an_opening_begins_its_timeout_again(server):
    said = connection(CLIENT, WEB, 443)
    syn = said.client("SYN")
    run(
        server()
        >> inward(syn) << NEW
        >> after(119.998)
        >> inward(syn) << ESTABLISHED
        >> after(119.998)
        >> outward(said.server("SYN ACK")) << ESTABLISHED
        >> after(59.998)
        >> inward(said.client("ACK")) << ESTABLISHED,
        "SYN_SENT SYN_SENT SYN_RECV ESTABLISHED",
    )  # fmt: skip


@requires(Capability.TRACKS_TCP)
def test_syn_with_octets_and_congestion_flags_opens(server):
    # TCP Fast Open carries octets (RFC 7413); ECN sets two more flags (RFC 3168).
    said = connection(CLIENT, WEB, 443)
    run(
        server()
        >> inward(said.client("SYN ECE CWR", 100)) << NEW
        >> outward(said.server("SYN ACK ECE", 50)) << ESTABLISHED
        >> inward(said.client("RST", ahead=-100)) << ESTABLISHED
        >> inward(said.client("ACK")) << ESTABLISHED
        >> inward(said.client("RST")) << ESTABLISHED,
        "SYN_SENT SYN_RECV SYN_RECV ESTABLISHED -",
    )  # fmt: skip


@pytest.mark.parametrize("flags", ["SYN FIN", "SYN RST", "FIN", "URG", "FIN PSH URG", "SYN ACK"])
@requires(Capability.TRACKS_TCP)
def test_scan_with_odd_flags_opens_nothing(server, flags):
    said = connection(CLIENT, WEB, 443)
    run(
        server()
        >> inward(said.client(flags)) << MIDSTREAM
        >> outward(said.server("RST ACK")) << NO_RULE,
        "- -",
    )  # fmt: skip


# Loss and strange order


@requires(Capability.TRACKS_TCP)
def test_retransmission_after_loss_moves_nothing_back(server):
    said = connection(CLIENT, WEB, 443)
    handshake(book := server(), said)
    first = said.client("PSH ACK", 1000)
    second = said.client("PSH ACK", 1000)
    run(
        book
        >> inward(first) << ESTABLISHED
        >> inward(second) << ESTABLISHED
        >> outward(said.server("ACK")) << ESTABLISHED
        >> after(0.2)
        >> inward(first) << ESTABLISHED
        >> inward(said.client("RST", ahead=-1000)) << ESTABLISHED
        >> inward(said.client("RST")) << ESTABLISHED,
        OPENED + "ESTABLISHED ESTABLISHED ESTABLISHED ESTABLISHED ESTABLISHED -",
    )  # fmt: skip


@requires(Capability.TRACKS_TCP)
def test_segments_that_overtake_each_other(server):
    said = connection(CLIENT, WEB, 443)
    handshake(book := server(), said)
    first, second = said.client("PSH ACK", 10), said.client("FIN ACK")
    run(
        book
        >> inward(second) << ESTABLISHED
        >> inward(first) << ESTABLISHED
        >> outward(said.server("ACK")) << ESTABLISHED
        >> outward(said.server("FIN ACK")) << ESTABLISHED
        >> inward(said.client("ACK")) << ESTABLISHED,
        OPENED + "FIN_WAIT CLOSE_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT",
    )  # fmt: skip


@requires(Capability.TRACKS_TCP)
def test_acknowledgement_of_a_lost_segment_does_not_stall(server):
    # The server's data never came this way (it was lost before), the client's ACK of older data
    # and its window probes are one octet behind. All of it belongs to the connection.
    said = connection(CLIENT, WEB, 443)
    handshake(book := server(), said)
    said.next[1] += 4000
    run(
        book
        >> outward(said.server("PSH ACK", 100)) << ESTABLISHED
        >> inward(said.client("ACK", ahead=-1)) << ESTABLISHED
        >> inward(said.client("ACK")) << ESTABLISHED
        >> outward(said.server("ACK", ahead=-1)) << ESTABLISHED,
        OPENED + "ESTABLISHED " * 4,
    )  # fmt: skip


@both_families
@requires(Capability.TRACKS_TCP)
def test_sequence_numbers_wrap(server, family):
    said = connection(*ENDS[family], 443)
    said.next[:] = [2**32 - 2, 2**32 - 500]
    run(
        handshake(server(), said)
        >> outward(said.server("PSH ACK", 1000)) << ESTABLISHED
        >> inward(said.client("PSH ACK", 1000)) << ESTABLISHED
        >> outward(said.server("RST", ahead=-1000)) << ESTABLISHED
        >> inward(said.client("RST", ahead=-1000)) << ESTABLISHED
        >> inward(said.client("RST")) << ESTABLISHED,
        OPENED + "ESTABLISHED ESTABLISHED ESTABLISHED ESTABLISHED -",
    )  # fmt: skip


# Closings


@both_families
@requires(Capability.TRACKS_TCP, Capability.STATES)
def test_half_closed_connection_goes_on_the_other_way(server, family):
    # The client has said all it has to say; the server goes on for as long as it likes.
    said = connection(*ENDS[family], 443)
    handshake(book := server(), said)
    book >> inward(said.client("FIN ACK")) << ESTABLISHED
    book >> outward(said.server("ACK")) << ESTABLISHED
    for _ in range(5):
        book >> after(50) >> outward(said.server("PSH ACK", 1400)) << ESTABLISHED
        book >> inward(said.client("ACK")) << ESTABLISHED
    book >> outward(said.server("FIN ACK")) << ESTABLISHED
    book >> inward(said.client("ACK")) << ESTABLISHED
    run(book, OPENED + "FIN_WAIT " + "CLOSE_WAIT " * 11 + "LAST_ACK TIME_WAIT")


@requires(Capability.TRACKS_TCP, Capability.IDLE_TIMEOUTS)
def test_half_closed_connection_that_is_idle_is_forgotten_after_a_minute(server):
    said = connection(CLIENT, WEB, 443)
    run(
        handshake(server(), said)
        >> inward(said.client("FIN ACK")) << ESTABLISHED
        >> outward(said.server("ACK")) << ESTABLISHED
        >> after(59.999)
        >> outward(said.server("PSH ACK", 1)) << NO_RULE,
        OPENED + "FIN_WAIT CLOSE_WAIT -",
    )  # fmt: skip


@requires(Capability.TRACKS_TCP)
def test_both_close_at_once(server):
    said = connection(CLIENT, WEB, 443)
    handshake(book := server(), said)
    mine, theirs = said.client("FIN ACK"), said.server("FIN ACK", ahead=0)
    run(
        book
        >> inward(mine) << ESTABLISHED
        >> outward(theirs) << ESTABLISHED
        >> inward(said.client("ACK")) << ESTABLISHED
        >> outward(said.server("ACK")) << ESTABLISHED,
        OPENED + "FIN_WAIT LAST_ACK TIME_WAIT TIME_WAIT",
    )  # fmt: skip


@requires(Capability.TRACKS_TCP, Capability.STATES)
def test_syn_in_time_wait_begins_a_new_connection(server):
    said = connection(CLIENT, WEB, 443)
    again = connection(CLIENT, WEB, 443)
    again.next[:] = [50_000, 60_000]
    run(
        handshake(server(), said)
        >> outward(said.server("FIN ACK")) << ESTABLISHED
        >> inward(said.client("FIN ACK")) << ESTABLISHED
        >> outward(said.server("ACK")) << ESTABLISHED
        >> inward(again.client("SYN")) << NEW
        >> outward(again.server("SYN ACK")) << ESTABLISHED
        >> inward(again.client("ACK")) << ESTABLISHED
        >> inward(said.client("RST")) << ESTABLISHED,
        OPENED + "FIN_WAIT LAST_ACK TIME_WAIT " + OPENED + "ESTABLISHED",
    )  # fmt: skip


@requires(Capability.TRACKS_TCP)
def test_syn_in_time_wait_that_no_rule_admits_leaves_it(server):
    # The server opens towards the client's old port, and may not.
    said = connection(CLIENT, WEB, 443)
    back = connection(WEB, CLIENT, 40000, client_port=443)
    run(
        handshake(server(), said)
        >> outward(said.server("FIN ACK")) << ESTABLISHED
        >> inward(said.client("FIN ACK")) << ESTABLISHED
        >> outward(said.server("ACK")) << ESTABLISHED
        >> outward(back.client("SYN")) << NO_RULE
        >> inward(said.client("ACK")) << ESTABLISHED,
        OPENED + "FIN_WAIT LAST_ACK TIME_WAIT TIME_WAIT TIME_WAIT",
    )  # fmt: skip


@pytest.mark.parametrize("closing", ["FIN_WAIT", "CLOSE_WAIT", "LAST_ACK"])
@requires(Capability.TRACKS_TCP)
def test_port_that_is_reused_too_early_belongs_to_the_old_connection(server, closing):
    # Only a finished connection makes room: elsewhere the server's challenge ACK sorts it out.
    said = connection(CLIENT, WEB, 443)
    handshake(book := server(), said)
    states = OPENED + "FIN_WAIT "
    book >> outward(said.server("FIN ACK")) << ESTABLISHED
    if closing == "CLOSE_WAIT":
        book >> inward(said.client("ACK")) << ESTABLISHED
        states += "CLOSE_WAIT "
    if closing == "LAST_ACK":
        book >> inward(said.client("FIN ACK")) << ESTABLISHED
        states += "LAST_ACK "
    again = connection(CLIENT, WEB, 443)
    again.next[:] = [50_000, 60_000]
    book >> inward(again.client("SYN")) << ESTABLISHED
    run(book, states + closing)


@requires(Capability.TRACKS_TCP, Capability.IDLE_TIMEOUTS)
def test_port_is_used_again_after_its_connection_was_forgotten(server):
    said = connection(CLIENT, WEB, 443)
    again = connection(CLIENT, WEB, 443)
    run(
        server()
        >> inward(said.client("SYN")) << NEW
        >> after(119.999)
        >> inward(again.client("SYN")) << NEW
        >> outward(again.server("SYN ACK")) << ESTABLISHED,
        "SYN_SENT SYN_SENT SYN_RECV",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "timeout_s"),
    [("SYN", 120), ("SYN-ACK", 60), ("ACK", 432_000), ("FIN", 120), ("ACK-FIN", 60),
     ("FIN-FIN", 30), ("last", 120)],
)  # fmt: skip
@pytest.mark.parametrize("late", [-1, 0, 1])
@requires(Capability.TRACKS_TCP, Capability.IDLE_TIMEOUTS)
def test_each_state_of_tcp_has_its_timeout_to_the_millisecond(server, steps, timeout_s, late):
    said = connection(CLIENT, WEB, 443)
    book = server() >> inward(said.client("SYN")) << NEW
    scripts = {
        "SYN": [],
        "SYN-ACK": [outward(said.server("SYN ACK"))],
        "ACK": [outward(said.server("SYN ACK")), inward(said.client("ACK"))],
    }
    opened = scripts["ACK"]
    fin, ack = outward(said.server("FIN ACK")), inward(said.client("ACK"))
    other, last = inward(said.client("FIN ACK")), outward(said.server("ACK"))
    scripts |= {
        "FIN": [*opened, fin],
        "ACK-FIN": [*opened, fin, ack],
        "FIN-FIN": [*opened, fin, other],
        "last": [*opened, fin, other, last],
    }
    for sent in scripts[steps]:
        book >> sent << ESTABLISHED
    # A packet takes a millisecond.
    book >> after(timeout_s + (late - 1) / 1000)
    book >> outward(said.server("PSH ACK", 1)) << (ESTABLISHED if late < 0 else NO_RULE)
    assert book


# Switches


@pytest.mark.parametrize(
    ("switches", "flags", "expected"),
    [
        (Switches(loose_tcp=True), "ACK", NEW),
        (Switches(loose_tcp=True), "PSH ACK", NEW),
        (Switches(loose_tcp=True), "SYN ACK", MIDSTREAM),
        (Switches(loose_tcp=True), "FIN ACK", MIDSTREAM),
        (Switches(loose_tcp=True), "RST", MIDSTREAM),
        (Switches(strict_tcp=True), "ACK", Reason.INVALID),
        (Switches(strict_tcp=True), "SYN ACK", Reason.INVALID),
        (Switches(strict_tcp=True), "SYN", NEW),
    ],
)
@requires(Capability.TRACKS_TCP, Capability.SWITCHES)
def test_segment_in_mid_stream_under_the_switches(server, switches, flags, expected):
    said = connection(CLIENT, WEB, 443)
    back = ESTABLISHED if expected is NEW else NO_RULE
    assert (
        server(switches=switches)
        >> inward(said.client(flags, 10 if "PSH" in flags else 0)) << expected
        >> outward(said.server("PSH ACK", 1)) << back
    )  # fmt: skip


@requires(Capability.TRACKS_TCP, Capability.SWITCHES, Capability.STATES)
def test_connection_that_was_picked_up_ends_by_an_exact_reset_of_either_side(server):
    said = connection(CLIENT, WEB, 443)
    run(
        server(switches=Switches(loose_tcp=True))
        >> inward(said.client("PSH ACK", 10)) << NEW
        >> outward(said.server("RST")) << ESTABLISHED
        >> outward(said.server("PSH ACK", 20)) << ESTABLISHED
        >> outward(said.server("RST")) << ESTABLISHED,
        "ESTABLISHED ESTABLISHED ESTABLISHED -",
    )  # fmt: skip


# UDP, ICMP and others


@both_families
@requires(Capability.TRACKS_UDP, Capability.IDLE_TIMEOUTS, Capability.STATES)
def test_udp_is_a_stream_from_two_of_each_side(outgoing, family):
    client, host = ENDS[family]
    asked, answered = datagram(host, client, 53), datagram(client, host, 40000, source_port=53)
    run(
        outgoing()
        >> outward(asked) << NEW
        >> inward(answered) << ESTABLISHED
        >> inward(answered) << ESTABLISHED
        >> after(29.998)
        >> outward(asked) << ESTABLISHED
        >> after(179.998)
        >> inward(answered) << ESTABLISHED
        >> after(179.999)
        >> inward(answered) << NO_RULE,
        "UDP_1_0 UDP_1_1 UDP_1_2 UDP_STREAM UDP_STREAM -",
    )  # fmt: skip


@requires(Capability.TRACKS_UDP, Capability.IDLE_TIMEOUTS, Capability.STATES)
def test_udp_of_one_side_alone_is_no_stream(outgoing):
    asked, answered = datagram(WEB, CLIENT, 53), datagram(CLIENT, WEB, 40000, source_port=53)
    run(
        outgoing()
        >> outward(asked) << NEW
        >> outward(asked) << ESTABLISHED
        >> outward(asked) << ESTABLISHED
        >> after(29.999)
        >> inward(answered) << NO_RULE
        >> outward(asked) << NEW
        >> outward(asked) << ESTABLISHED
        >> inward(answered) << ESTABLISHED
        >> inward(answered) << ESTABLISHED,
        "UDP_1_0 UDP_2_0 UDP_2_0 - UDP_1_0 UDP_2_0 UDP_2_1 UDP_STREAM",
    )  # fmt: skip


@requires(Capability.TRACKS_UDP)
def test_datagram_from_another_port_answers_nothing(outgoing):
    run(
        outgoing()
        >> outward(datagram(WEB, CLIENT, 69)) << NEW
        >> inward(datagram(CLIENT, WEB, 40000, source_port=5000)) << NO_RULE
        >> inward(datagram(CLIENT, WEB, 40001, source_port=69)) << NO_RULE
        >> inward(datagram("203.0.113.2", WEB, 40000, source_port=69)) << NO_RULE,
        "UDP_1_0 - - -",
    )  # fmt: skip


@both_families
@requires(Capability.TRACKS_ICMP, Capability.IDLE_TIMEOUTS, Capability.STATES)
def test_ping_is_answered_for_thirty_seconds_and_only_its_own(outgoing, family):
    client, host = ENDS[family]
    run(
        outgoing()
        >> inward(pong(client, host)) << NO_RULE
        >> outward(ping(host, client)) << NEW
        >> inward(pong(client, host, identifier=8)) << NO_RULE
        >> inward(ping(client, host)) << NO_RULE
        >> inward(pong(client, host)) << ESTABLISHED
        >> inward(pong(client, host)) << ESTABLISHED
        >> after(29.999)
        >> inward(pong(client, host)) << NO_RULE,
        "- ICMP_UNREPLIED - - ICMP_REPLIED ICMP_REPLIED -",
    )  # fmt: skip


@requires(Capability.TRACKS_ICMP)
def test_answer_of_another_kind_of_query_is_none(outgoing):
    run(
        outgoing()
        >> outward(message(WEB, CLIENT, type=13, identifier=7)) << NEW
        >> inward(pong(CLIENT, WEB)) << NO_RULE
        >> inward(message(CLIENT, WEB, type=14, identifier=7)) << ESTABLISHED
        >> inward(message(CLIENT, WEB, type=13, identifier=7)) << NO_RULE,
        "ICMP_UNREPLIED - ICMP_REPLIED -",
    )  # fmt: skip


@both_families
@requires(Capability.TRACKS_OTHERS, Capability.IDLE_TIMEOUTS, Capability.STATES)
def test_tunnel_is_answered_for_ten_minutes(outgoing, family):
    client, host = ENDS[family]
    run(
        outgoing()
        >> inward(plain(client, host, 47)) << NO_RULE
        >> outward(plain(host, client, 47)) << NEW
        >> inward(plain(client, host, 50)) << NO_RULE
        >> after(599.997)
        >> inward(plain(client, host, 47)) << ESTABLISHED
        >> after(599.999)
        >> inward(plain(client, host, 47)) << NO_RULE,
        "- OTHER_UNREPLIED - OTHER_REPLIED -",
    )  # fmt: skip


# ICMP errors


@both_families
@requires(Capability.TRACKS_ICMP_ERRORS)
def test_error_about_a_live_connection_passes_and_moves_nothing(server, family):
    client, host = ENDS[family]
    said = connection(client, host, 443)
    kinds = [(3, 1), (3, 4), (11, 0), (12, 0)] if family == 4 else [(1, 0), (2, 0), (3, 0), (4, 0)]
    router = "198.51.100.77" if family == 4 else "2001:db8:eeee::77"
    handshake(book := server(), said)
    sent = said.server("PSH ACK", 1400)
    book >> outward(sent) << ESTABLISHED
    for kind, code in kinds:
        book >> inward(message(router, host, type=kind, code=code, quote=sent)) << RELATED
    book >> inward(said.client("ACK")) << ESTABLISHED
    run(book, OPENED + "ESTABLISHED " * 6)


@requires(Capability.TRACKS_ICMP_ERRORS)
def test_error_about_a_connection_that_is_over_is_judged_by_the_rules(server):
    said = connection(CLIENT, WEB, 443)
    handshake(book := server(), said)
    sent = said.server("PSH ACK", 1400)
    unreachable = message("198.51.100.77", WEB, type=3, code=1, quote=sent)
    run(
        book
        >> outward(sent) << ESTABLISHED
        >> inward(unreachable) << RELATED
        >> inward(said.client("RST")) << ESTABLISHED
        >> inward(unreachable) << NO_RULE,
        OPENED + "ESTABLISHED ESTABLISHED - -",
    )  # fmt: skip


@requires(Capability.TRACKS_ICMP_ERRORS, Capability.IDLE_TIMEOUTS)
def test_error_does_not_keep_a_flow_alive(outgoing):
    asked = datagram(WEB, CLIENT, 33434)
    exceeded = message("198.51.100.77", WEB, type=11, quote=asked)
    run(
        outgoing()
        >> outward(asked) << NEW
        >> after(20)
        >> inward(exceeded) << RELATED
        >> after(9.998)
        >> inward(exceeded) << NO_RULE,
        "UDP_1_0 UDP_1_0 -",
    )  # fmt: skip


@requires(Capability.TRACKS_ICMP_ERRORS)
def test_error_that_was_made_up_is_refused(server):
    # It quotes what this host never sent, goes to somebody else, or quotes the wrong way round.
    said = connection(CLIENT, WEB, 443)
    other = connection(CLIENT, WEB, 443, client_port=40001)
    handshake(book := server(), said)
    mine, theirs = said.server("PSH ACK", 9), said.client("PSH ACK", 9)
    run(
        book
        >> inward(message("198.51.100.77", WEB, type=3, quote=other.server("ACK"))) << NO_RULE
        >> inward(message("198.51.100.77", WEB, type=3, quote=theirs)) << NO_RULE
        >> outward(message(WEB, "198.51.100.77", type=3, quote=theirs)) << NO_RULE
        >> outward(message(WEB, CLIENT, type=3, quote=theirs)) << RELATED
        >> inward(message("198.51.100.77", WEB, type=5, quote=mine)) << NO_RULE,
        OPENED + "- - - ESTABLISHED -",
    )  # fmt: skip


@both_families
@requires(Capability.TRACKS_ICMP_ERRORS, Capability.SWITCHES)
def test_without_related_icmp_only_path_mtu_of_untracked_flows_passes(make, family):
    client, host = ENDS[family]
    opened = scene(
        groups={"web": ["in tcp/80 0.0.0.0/0", "in tcp/80 ::/0", "in tcp/443 203.0.113.0/24",
                        "in tcp/443 2001:db8:ffff::/48", "out all 0.0.0.0/0", "out all ::/0"]},
        interfaces={"web": f"{WEB} {WEB6} web"},
    )  # fmt: skip
    tracked, untracked = connection(client, host, 443), connection(client, host, 80)
    too_big, other = ((3, 4), (3, 1)) if family == 4 else ((2, 0), (1, 0))

    def error(kind, about):
        return inward(message(client, host, type=kind[0], code=kind[1], quote=about))

    book = Playbook(opened, "web", on=make, switches=Switches(related_icmp=False))
    book >> inward(tracked.client("SYN")) << NEW
    book >> inward(untracked.client("SYN")) << UNTRACKED
    book >> error(too_big, tracked.server("SYN ACK")) << NO_RULE
    book >> error(too_big, untracked.server("SYN ACK")) << RELATED
    book >> error(other, untracked.server("SYN ACK")) << NO_RULE
    assert book
