from pathlib import Path

import pytest

from secgroup.conntrack.state import State
from secgroup.decision import Reason
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet
from secgroup.reference.memory import Switches
from secgroup.replay.connections import Connection, Outcome
from secgroup.replay.firewall import Firewall
from tests.support.captured import ACK, FIN, RST, SYN, Seen, Talk, apart, frames
from tests.support.described import network

SSH = Talk(client="203.0.113.9", server="10.0.1.5")
QUERY = Talk(client="10.0.1.5", server="10.0.2.5", s=5432)


def replayed(firewall: Firewall, *packets: Packet) -> tuple[list[Reason], Connection]:
    placed = list(firewall.decide(frames(*apart(*packets))))
    (connection,) = firewall.observed
    return [each.decision.reason for each in placed], connection


@pytest.mark.semantics("replay-11")
@pytest.mark.parametrize("first", [SSH.data(), SSH.answer(), SSH.tcp(FIN | ACK, 9, 9)])
def test_an_open_connection_whose_opener_is_allowed_is_adopted(
    web_and_db: Network, first: Packet
) -> None:
    """The answers of an ssh session pass although no egress rule lets them."""
    firewall = Firewall(web_and_db)
    reasons, connection = replayed(firewall, first, SSH.answer(10))
    assert reasons == [Reason.ESTABLISHED, Reason.ESTABLISHED]
    assert connection.was_open
    assert connection.outcome is Outcome.OPEN_BEFORE
    assert connection.adoption is not None
    assert connection.adoption.adopted
    assert connection.opener.source == SSH.syn().source
    (flow,) = firewall.connections()
    assert flow.opener is Direction.INGRESS
    assert flow.rule_ids == ("sgr-web-in-0",)


@pytest.mark.semantics("replay-11")
def test_entries_of_an_adopted_connection_are_in_established(web_and_db: Network) -> None:
    firewall = Firewall(web_and_db)
    replayed(firewall, QUERY.data())
    assert [(flow.key.owner, flow.state) for flow in firewall.connections()] == [
        ("eni-web", State.ESTABLISHED),
        ("eni-db", State.ESTABLISHED),
    ]


@pytest.mark.semantics("replay-11")
def test_an_opener_must_be_accepted_at_every_interface_decided(tmp_path: Path) -> None:
    half = network(
        tmp_path,
        {"sg-web": ["out tcp/5432 10.0.2.5/32"], "sg-db": []},
        {"eni-web": "10.0.1.5 sg-web", "eni-db": "10.0.2.5 sg-db"},
    )
    firewall = Firewall(half)
    reasons, connection = replayed(firewall, QUERY.data(), QUERY.answer())
    assert connection.adoption is not None
    assert not connection.adoption.adopted
    refusal = connection.adoption.refusal
    assert refusal is not None
    assert refusal.interface is not None
    assert (refusal.interface.interface_id, refusal.direction) == ("eni-db", Direction.INGRESS)
    assert reasons == [Reason.MIDSTREAM, Reason.NO_MATCHING_RULE, Reason.NO_MATCHING_RULE]
    assert list(firewall.connections()) == [], "the entry at eni-web must have been withdrawn"


@pytest.mark.semantics("replay-11")
def test_where_both_ends_were_captured_apart_both_are_asked(tmp_path: Path) -> None:
    at = {"0": "eni-web", "1": "eni-db"}
    seen = [
        Seen(s=0, packet=QUERY.data(), interface=0),
        Seen(s=0.001, packet=QUERY.data(), interface=1),
        Seen(s=0.002, packet=QUERY.answer(), interface=1),
        Seen(s=0.003, packet=QUERY.answer(), interface=0),
    ]
    for rules, reasons, owners in (
        (["in tcp/5432 sg-web"], [Reason.ESTABLISHED] * 4, ["eni-web", "eni-db"]),
        ([], [Reason.MIDSTREAM] + [Reason.NO_MATCHING_RULE] * 3, []),
    ):
        both = network(
            tmp_path,
            {"sg-web": ["out tcp/5432 10.0.2.5/32"], "sg-db": rules},
            {"eni-web": "10.0.1.5 sg-web", "eni-db": "10.0.2.5 sg-db"},
        )
        firewall = Firewall(both, at=at)
        decided = [
            each.decision.reason for each in firewall.decide(frames(*seen, names=("a", "b")))
        ]
        assert decided == reasons
        assert [flow.key.owner for flow in firewall.connections()] == owners


@pytest.mark.semantics("replay-11")
def test_an_interface_of_another_vpc_with_the_same_address_is_not_asked(tmp_path: Path) -> None:
    two = network(
        tmp_path,
        {"sg-web": ["out tcp/5432 10.0.2.5/32"], "sg-db": ["in tcp/5432 10.0.1.5/32"], "sg-x": []},
        {
            "eni-x": "vpc-2 10.0.2.5 sg-x",
            "eni-web": "vpc-1 10.0.1.5 sg-web",
            "eni-db": "vpc-1 10.0.2.5 sg-db",
        },
        blocks={"vpc-1": "10.0.0.0/16", "vpc-2": "10.0.0.0/16"},
    )
    for at in ({"0": "eni-x", "1": "eni-web"}, {"0": "eni-x", "1": "eni-web", "2": "eni-db"}):
        firewall = Firewall(two, at=at)
        seen = Seen(s=0, packet=QUERY.data(), interface=1)
        (placed,) = firewall.decide(frames(seen, names=("a", "b", "c")))
        assert placed.decision.reason is Reason.ESTABLISHED


@pytest.mark.semantics("replay-11")
def test_where_one_interface_was_captured_it_alone_is_asked(tmp_path: Path) -> None:
    half = network(
        tmp_path,
        {"sg-web": ["out tcp/5432 10.0.2.5/32"], "sg-db": []},
        {"eni-web": "10.0.1.5 sg-web", "eni-db": "10.0.2.5 sg-db"},
    )
    reasons, connection = replayed(Firewall(half, at="eni-web"), QUERY.answer(), QUERY.data(10))
    assert connection.adoption is not None
    assert connection.adoption.adopted
    assert reasons == [Reason.ESTABLISHED, Reason.ESTABLISHED]


@pytest.mark.semantics("replay-12")
def test_the_sender_of_a_syn_ack_is_the_server(tmp_path: Path) -> None:
    """Its client's port is the lower one, and only the client may open."""
    odd = Talk(client="10.0.1.5", server="203.0.113.9", c=22, s=40000)
    out_only = network(tmp_path, {"sg-a": ["out all 203.0.113.0/24"]}, {"eni-a": "10.0.1.5 sg-a"})
    reasons, connection = replayed(Firewall(out_only), odd.syn_ack(), odd.answer())
    assert reasons == [Reason.ESTABLISHED, Reason.ESTABLISHED]
    assert connection.opener.source_port == 22


@pytest.mark.semantics("replay-12")
def test_a_syn_ack_of_a_server_that_may_not_be_reached_is_not_adopted(tmp_path: Path) -> None:
    """The other orientation would be allowed, and is known to be wrong."""
    out_only = network(tmp_path, {"sg-a": ["out all 203.0.113.0/24"]}, {"eni-a": "10.0.1.5 sg-a"})
    _, connection = replayed(Firewall(out_only), SSH.syn_ack())
    assert connection.adoption is not None
    assert not connection.adoption.adopted


@pytest.mark.semantics("replay-12")
@pytest.mark.parametrize("rule", ["in all 203.0.113.0/24", "out all 203.0.113.0/24"])
def test_the_lower_port_is_the_server_and_then_the_other(tmp_path: Path, rule: str) -> None:
    one_way = network(tmp_path, {"sg-a": [rule]}, {"eni-a": "10.0.1.5 sg-a"})
    firewall = Firewall(one_way)
    reasons, connection = replayed(firewall, SSH.answer(), SSH.data(10))
    assert reasons == [Reason.ESTABLISHED, Reason.ESTABLISHED]
    server_port = 22 if rule.startswith("in") else 40000
    assert connection.opener.destination_port == server_port


@pytest.mark.semantics("replay-12")
def test_both_orientations_allowed_takes_the_lower_port_for_the_server(tmp_path: Path) -> None:
    both = network(
        tmp_path,
        {"sg-a": ["in all 203.0.113.0/24", "out all 203.0.113.0/24"]},
        {"eni-a": "10.0.1.5 sg-a"},
    )
    for first in (SSH.data(), SSH.answer()):
        firewall = Firewall(both)
        replayed(firewall, first)
        (flow,) = firewall.connections()
        assert flow.opener is Direction.INGRESS


@pytest.mark.semantics("replay-13")
def test_one_first_seen_with_a_syn_is_never_adopted(tmp_path: Path) -> None:
    nothing = network(tmp_path, {"sg-a": []}, {"eni-a": "10.0.1.5 sg-a"})
    allowed = network(tmp_path, {"sg-a": ["in tcp/22 203.0.113.0/24"]}, {"eni-a": "10.0.1.5 sg-a"})
    firewall = Firewall(nothing)
    first, *rest = frames(*apart(SSH.syn(), SSH.syn_ack(), SSH.ack(), SSH.data()))
    firewall.decide_frame(first)
    firewall.change(allowed)
    reasons = [each.decision.reason for each in firewall.decide(rest)]
    assert reasons == [Reason.NO_MATCHING_RULE, Reason.MIDSTREAM, Reason.MIDSTREAM]
    (connection,) = firewall.observed
    assert connection.adoption is None
    assert not connection.was_open


@pytest.mark.semantics("replay-14")
def test_no_adopt_judges_every_packet_in_its_direction(web_and_db: Network) -> None:
    firewall = Firewall(web_and_db, adopt=False)
    reasons, connection = replayed(firewall, SSH.data(), SSH.answer())
    assert reasons == [Reason.MIDSTREAM, Reason.NO_MATCHING_RULE]
    assert connection.adoption is None
    assert connection.was_open
    assert connection.opener.destination_port == 22


def test_a_reset_ends_a_connection_that_was_adopted_by_it(web_and_db: Network) -> None:
    """Its first packet says where each side stands in sequence space."""
    firewall = Firewall(web_and_db)
    replayed(firewall, SSH.tcp(RST, 7))
    assert list(firewall.connections()) == []


def test_a_reset_of_the_other_side_where_it_was_acknowledged_ends_it(web_and_db: Network) -> None:
    firewall = Firewall(web_and_db)
    replayed(firewall, SSH.tcp(ACK, 100, 900), SSH.tcp(RST, 900, back=True))
    assert list(firewall.connections()) == []


def test_a_reset_elsewhere_ends_nothing(web_and_db: Network) -> None:
    firewall = Firewall(web_and_db)
    replayed(firewall, SSH.tcp(ACK, 100, 900), SSH.tcp(RST, 901, back=True))
    assert len(list(firewall.connections())) == 1


def test_an_adopted_connection_takes_its_place_in_the_allowance(web_and_db: Network) -> None:
    other = Talk(client="203.0.113.9", server="10.0.1.5", c=40001)
    firewall = Firewall(web_and_db, switches=Switches(allowance=1))
    seen = frames(*apart(SSH.data(), other.syn(), other.answer()))
    reasons = [each.decision.reason for each in firewall.decide(seen)]
    assert reasons[:2] == [Reason.ESTABLISHED, Reason.ALLOWANCE_EXCEEDED]


def test_an_open_connection_that_would_be_untracked_is_adopted_without_an_entry(
    tmp_path: Path,
) -> None:
    open_to_all = network(
        tmp_path,
        {"sg-a": ["in tcp/22 0.0.0.0/0", "out all 0.0.0.0/0"]},
        {"eni-a": "10.0.1.5 sg-a"},
    )
    firewall = Firewall(open_to_all)
    reasons, connection = replayed(firewall, SSH.answer(), SSH.data())
    assert reasons == [Reason.UNTRACKED, Reason.UNTRACKED]
    assert connection.adoption is not None
    assert connection.adoption.adopted
    assert list(firewall.connections()) == []


def test_a_new_connection_between_the_same_ports_is_not_adopted(web_and_db: Network) -> None:
    firewall = Firewall(web_and_db)
    again = Talk(client="203.0.113.9", server="10.0.1.5", isn=77_000)
    list(
        firewall.decide(frames(*apart(SSH.data(), again.syn(), again.tcp(SYN | ACK, 1, back=True))))
    )
    first, second = firewall.observed
    assert (first.was_open, second.was_open) == (True, False)
