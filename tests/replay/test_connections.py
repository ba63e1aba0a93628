from dataclasses import replace
from pathlib import Path

import pytest

from secgroup.decision import Reason
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from secgroup.net.packet import Icmp, Packet
from secgroup.net.protocol import ICMP
from secgroup.reference.memory import Switches
from secgroup.replay.connections import Connection, Outcome, identity_of
from secgroup.replay.firewall import Firewall
from tests.support.captured import ACK, FIN, RST, SYN, Seen, Talk, apart, fragments, frames
from tests.support.described import network

SSH = Talk(client="203.0.113.9", server="10.0.1.5")
QUERY = Talk(client="10.0.1.5", server="10.0.2.5", s=5432)
DNS = Talk(client="10.0.1.5", server="198.51.100.53", s=53)
HOST = {"eni-a": "10.0.1.5 sg-a"}
UNTRACKED = {"sg-a": ["in tcp/22 0.0.0.0/0", "out all 0.0.0.0/0"]}


def connections(firewall: Firewall, *packets: Packet) -> list[Connection]:
    list(firewall.decide(frames(*apart(*packets))))
    return list(firewall.observed)


def outcomes(firewall: Firewall, *packets: Packet) -> list[Outcome]:
    return [each.outcome for each in connections(firewall, *packets)]


@pytest.mark.semantics("replay-17")
def test_all_packets_accepted_is_allowed(web_and_db: Network) -> None:
    (each,) = connections(Firewall(web_and_db), *SSH.handshake(), SSH.data(), SSH.answer())
    assert each.outcome is Outcome.ALLOWED
    assert (each.accepted, each.after, each.late, each.packets) == (5, 0, 0, 5)
    assert each.octets == 3 * 40 + 2 * 50


@pytest.mark.semantics("replay-17")
def test_an_opener_rejected_is_refused_with_where_and_why(web_and_db: Network) -> None:
    other = replace(SSH, s=23)
    (each,) = connections(Firewall(web_and_db), other.syn())
    assert each.outcome is Outcome.REFUSED
    assert each.refusal is not None
    assert each.refusal.interface is not None
    assert each.refusal.interface.interface_id == "eni-web"
    assert each.refusal.direction is Direction.INGRESS
    assert each.refusal.decision.reason is Reason.NO_MATCHING_RULE


@pytest.mark.semantics("replay-18")
def test_packets_that_a_refusal_would_have_prevented_are_decided_and_counted_apart(
    web_and_db: Network,
) -> None:
    other = replace(SSH, s=23)
    firewall = Firewall(web_and_db)
    placed = list(firewall.decide(frames(*apart(*other.handshake(), other.data()))))
    assert len(placed) == 4
    (each,) = firewall.observed
    assert (each.accepted, each.after, each.after_accepted) == (0, 3, 0)


@pytest.mark.semantics("replay-18")
def test_packets_accepted_after_a_refusal_do_not_make_it_allowed(tmp_path: Path) -> None:
    half = network(tmp_path, {"sg-a": ["out all 0.0.0.0/0"]}, HOST)
    (each,) = connections(Firewall(half), *SSH.handshake())
    assert each.outcome is Outcome.REFUSED
    assert (each.after, each.after_accepted) == (2, 1)


@pytest.mark.semantics("replay-17")
def test_accepted_and_later_rejected_is_cut(tmp_path: Path) -> None:
    with_acl = network(
        tmp_path,
        {"sg-a": ["in tcp/22 203.0.113.0/24"]},
        HOST,
        acls={"subnet-1-10.0.1": ["in 100 allow all 0.0.0.0/0"]},
    )
    (each,) = connections(Firewall(with_acl), *SSH.handshake())
    assert each.outcome is Outcome.CUT
    assert each.refusal is not None
    assert each.refusal.frame == 2
    assert each.refusal.decision.reason is Reason.NETWORK_ACL
    assert (each.accepted, each.after, each.after_accepted) == (1, 1, 1)


@pytest.mark.semantics("replay-17")
@pytest.mark.parametrize(
    "ending",
    [
        (SSH.tcp(RST, 1001),),
        (
            SSH.tcp(FIN | ACK, 1001, 5001),
            SSH.tcp(FIN | ACK, 5001, 1002, back=True),
            SSH.tcp(ACK, 1002, 5002),
        ),
    ],
)
@pytest.mark.parametrize("tracked", [True, False])
def test_rejected_after_its_own_end_is_not_cut(
    tmp_path: Path, ending: tuple[Packet, ...], tracked: bool
) -> None:
    before = {"sg-a": ["in tcp/22 203.0.113.0/24"]} if tracked else UNTRACKED
    firewall = Firewall(network(tmp_path, before, HOST))
    list(firewall.decide(frames(*apart(*SSH.handshake(), *ending))))
    firewall.change(network(tmp_path, {"sg-a": []}, HOST))
    straggler = Seen(s=200, packet=SSH.answer())
    reasons = [each.decision.reason for each in firewall.decide(frames(straggler))]
    assert reasons == [Reason.NO_MATCHING_RULE]
    (each,) = firewall.observed
    assert (each.outcome, each.late) == (Outcome.ALLOWED, 1)


@pytest.mark.semantics("replay-17")
def test_open_before_and_cut_later_is_cut(tmp_path: Path) -> None:
    firewall = Firewall(network(tmp_path, UNTRACKED, HOST))
    assert outcomes(firewall, SSH.data()) == [Outcome.OPEN_BEFORE]
    firewall.change(network(tmp_path, {"sg-a": []}, HOST))
    assert outcomes(firewall, SSH.data(10)) == [Outcome.CUT]


@pytest.mark.semantics("replay-17")
def test_open_before_and_never_accepted_is_open_before(tmp_path: Path) -> None:
    firewall = Firewall(network(tmp_path, {"sg-a": []}, HOST))
    assert outcomes(firewall, SSH.data()) == [Outcome.OPEN_BEFORE]


@pytest.mark.semantics("replay-19")
def test_numbers_are_in_the_order_of_first_packets(web_and_db: Network) -> None:
    firewall = Firewall(web_and_db)
    placed = list(
        firewall.decide(
            frames(*apart(SSH.syn(), QUERY.syn(), SSH.syn_ack(), DNS.udp(), QUERY.ack()))
        )
    )
    assert [(each.frame, each.connection) for each in placed] == [
        (1, 1),
        (2, 2),
        (2, 2),
        (3, 1),
        (4, 3),
        (5, 2),
        (5, 2),
    ]


@pytest.mark.parametrize(
    ("then", "count"),
    [
        ((SSH.syn(),), 1),  # retransmitted
        ((replace(SSH, isn=9).syn(),), 2),  # another one from the same port
        ((SSH.tcp(SYN, 5000, back=True),), 1),  # simultaneous open
        ((SSH.tcp(RST | ACK, 0, 1001, back=True), SSH.tcp(SYN, 5000, back=True)), 2),
        ((SSH.tcp(RST | ACK, 0, 1001, back=True), SSH.syn()), 1),
    ],
)
def test_a_syn_opens_another_connection_only_as_another_one(
    web_and_db: Network, then: tuple[Packet, ...], count: int
) -> None:
    assert len(connections(Firewall(web_and_db), SSH.syn(), *then)) == count


def test_which_packets_are_of_one_connection_does_not_depend_on_the_network(
    tmp_path: Path, web_and_db: Network
) -> None:
    packets = (
        *SSH.handshake(),
        SSH.tcp(RST, 1001),
        replace(SSH, isn=9).syn(),
        QUERY.data(),
        QUERY.syn(),
        DNS.udp(),
        SSH.ping(),
    )
    empty = network(
        tmp_path,
        {"sg-web": [], "sg-db": []},
        {"eni-web": "10.0.1.5 sg-web", "eni-db": "10.0.2.5 sg-db"},
    )
    first = [
        (each.first_frame, each.packets) for each in connections(Firewall(web_and_db), *packets)
    ]
    second = [(each.first_frame, each.packets) for each in connections(Firewall(empty), *packets)]
    assert first == second


@pytest.mark.parametrize(
    ("packet", "answer"),
    [
        (SSH.syn(), SSH.syn_ack()),
        (DNS.udp(), DNS.udp(back=True)),
        (SSH.ping(), SSH.ping(back=True)),
        (SSH.other(), SSH.other(back=True)),
        (
            Talk(client="2001:db8::1", server="2001:db8::2").ping(),
            Talk(client="2001:db8::1", server="2001:db8::2").ping(back=True),
        ),
    ],
)
def test_both_directions_have_one_identity(packet: Packet, answer: Packet) -> None:
    assert identity_of(packet) == identity_of(answer)


@pytest.mark.parametrize(
    "other",
    [
        SSH.ping(identifier=8),
        replace(SSH, client="10.0.1.5", server="203.0.113.9").ping(),
        SSH.udp(),
        SSH.syn(),
        replace(SSH.ping(), icmp=Icmp(type=3, code=1)),
        replace(SSH.ping(), icmp=Icmp(type=13, code=0, identifier=7)),
    ],
)
def test_a_ping_is_told_from_everything_else(other: Packet) -> None:
    assert identity_of(SSH.ping()) != identity_of(other)


def test_two_vpcs_with_the_same_addresses_do_not_share_connections() -> None:
    assert identity_of(SSH.syn(), "vpc-1") != identity_of(SSH.syn(), "vpc-2")


def test_later_fragments_are_of_their_first_one(web_and_db: Network) -> None:
    first, later = fragments(DNS.udp(size=40), 16)
    firewall = Firewall(web_and_db)
    placed = list(firewall.decide(frames(*apart(first, later))))
    assert [(each.decision.reason, each.connection) for each in placed] == [
        (Reason.NEW, 1),
        (Reason.NEW, 1),
    ]
    (each,) = firewall.observed
    assert (each.packets, each.opener.destination_port) == (2, 53)


def test_a_later_fragment_without_its_first_is_a_connection_of_its_own(
    web_and_db: Network,
) -> None:
    _, later = fragments(DNS.udp(size=40), 16)
    (each,) = connections(Firewall(web_and_db), later)
    assert each.outcome is Outcome.REFUSED
    assert each.refusal is not None
    assert each.refusal.decision.reason is Reason.FRAGMENT


def test_a_mid_stream_segment_that_is_refused_keeps_the_likely_client(web_and_db: Network) -> None:
    firewall = Firewall(web_and_db, switches=Switches(strict_tcp=True), adopt=False)
    (each,) = connections(firewall, SSH.answer())
    assert each.opener.source == SSH.syn().source


def test_an_icmp_error_is_counted_by_its_type(web_and_db: Network) -> None:
    quote = DNS.udp()
    error = Packet(
        source=quote.destination,
        destination=quote.source,
        protocol=ICMP,
        length=28 + quote.length,
        icmp=Icmp(type=3, code=3, quote=quote),
    )
    firewall = Firewall(web_and_db)
    assert outcomes(firewall, DNS.udp(), error) == [Outcome.ALLOWED, Outcome.ALLOWED]


@pytest.mark.semantics("replay-17")
@pytest.mark.parametrize(
    ("rules", "outcome"),
    [(["out all 0.0.0.0/0"], Outcome.REFUSED), (["in tcp/22 10.0.1.5/32"], Outcome.CUT)],
)
def test_an_opener_rejected_at_the_second_interface_captured_is_refused(
    tmp_path: Path, rules: list[str], outcome: Outcome
) -> None:
    two = network(
        tmp_path,
        {
            "sg-a": ["out all 0.0.0.0/0"],
            "sg-b": rules,
        },
        {"eni-a": "10.0.1.5 sg-a", "eni-b": "10.0.2.5 sg-b"},
        acls={}
        if outcome is Outcome.REFUSED
        else {"subnet-1-10.0.2": ["in 100 allow all 0.0.0.0/0"]},
    )
    talk = Talk(client="10.0.1.5", server="10.0.2.5")
    seen = [
        Seen(s=0, packet=talk.syn(), interface=0),
        Seen(s=0.001, packet=talk.syn(), interface=1),
        Seen(s=0.002, packet=talk.syn_ack(), interface=1),
        Seen(s=0.003, packet=talk.syn_ack(), interface=0),
    ]
    firewall = Firewall(two, at={"0": "eni-a", "1": "eni-b"})
    list(firewall.decide(frames(*seen, names=("a", "b"))))
    (each,) = firewall.observed
    assert each.outcome is outcome
