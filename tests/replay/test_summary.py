from pathlib import Path

from secgroup.decision import Reason, Verdict
from secgroup.model.network import Network
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet
from secgroup.net.ports import parse_service
from secgroup.replay.change import Change, parse_time
from secgroup.replay.firewall import Firewall
from secgroup.replay.run import Run
from secgroup.replay.summary import Summary, differences, traffic_of_packet
from tests.support.captured import Seen, Talk, apart, frames
from tests.support.described import network

SSH = Talk(client="203.0.113.9", server="10.0.1.5")
HTTP = Talk(client="203.0.113.9", server="10.0.1.5", s=80)
QUERY = Talk(client="10.0.1.5", server="10.0.2.5", s=5432)
HOST = {"eni-a": "10.0.1.5 sg-a"}


def summed(net: Network, *packets: Packet, changes: tuple[Change, ...] = ()) -> Summary:
    run = Run(Firewall(net), changes=changes)
    for _ in run.steps(frames(*apart(*packets))):
        pass
    return run.finish()


def used(summary: Summary) -> dict[str, tuple[int, int]]:
    return {use.rule.rule_id: (use.connections, use.packets) for use in summary.rules()}


def test_a_rule_counts_its_connections_and_all_their_packets(web_and_db: Network) -> None:
    again = Talk(client="203.0.113.9", server="10.0.1.5", c=40001)
    found = used(summed(web_and_db, *SSH.handshake(), SSH.data(), again.syn(), QUERY.syn()))
    assert found["sgr-web-in-0"] == (2, 5)
    assert found["sgr-web-in-1"] == (0, 0)
    assert found["sgr-web-out-0"] == (1, 1)
    assert found["sgr-db-in-0"] == (1, 1)


def test_every_rule_that_matches_is_used(tmp_path: Path) -> None:
    both = network(tmp_path, {"sg-a": ["in tcp/22 203.0.113.0/24", "in tcp/0-100 0.0.0.0/0"]}, HOST)
    assert used(summed(both, SSH.syn())) == {"sgr-a-in-0": (1, 1), "sgr-a-in-1": (1, 1)}


def test_an_adopted_connection_uses_the_rule_of_its_opener(web_and_db: Network) -> None:
    assert used(summed(web_and_db, SSH.answer(), SSH.data()))["sgr-web-in-0"] == (1, 2)


def test_untracked_packets_use_the_rules_of_their_own_direction(tmp_path: Path) -> None:
    everyone = network(tmp_path, {"sg-a": ["in tcp/80 0.0.0.0/0", "out all 0.0.0.0/0"]}, HOST)
    found = used(summed(everyone, *HTTP.handshake()))
    assert found == {"sgr-a-in-0": (1, 2), "sgr-a-out-0": (1, 1)}


def test_rejected_packets_use_no_rule(tmp_path: Path) -> None:
    barred = network(
        tmp_path,
        {"sg-a": ["out all 0.0.0.0/0"]},
        HOST,
        acls={"subnet-1-10.0.1": ["in 9 allow all 0.0.0.0/0"]},
    )
    out = Talk(client="10.0.1.5", server="203.0.113.9")
    assert used(summed(barred, out.syn())) == {"sgr-a-out-0": (0, 0)}


def test_rules_of_every_network_that_was_in_force_are_listed(tmp_path: Path) -> None:
    first = network(tmp_path, {"sg-a": ["in tcp/22 203.0.113.0/24"]}, HOST)
    second = network(
        tmp_path, {"sg-a": ["in tcp/22 203.0.113.0/24", "in tcp/80 203.0.113.0/24"]}, HOST
    )
    change = Change(time=parse_time("0.001", source="x"), network=second, name="second")
    found = used(summed(first, SSH.syn(), HTTP.syn(), changes=(change,)))
    assert found == {"sgr-a-in-0": (1, 1), "sgr-a-in-1": (1, 1)}


def test_rules_of_groups_where_nothing_was_decided_are_told_apart(web_and_db: Network) -> None:
    summary = summed(web_and_db, SSH.syn())
    here = {use.rule.rule_id for use in summary.rules() if use.is_at_capture}
    assert {rule_id.split("-")[1] for rule_id in here} == {"web"}
    assert {use.rule.group_id for use in summary.rules()} == {"sg-web", "sg-db"}


def test_interfaces_count_packets_bytes_and_connections(web_and_db: Network) -> None:
    count = summed(web_and_db, *SSH.handshake(), QUERY.ping()).tally.interfaces["eni-web"]
    assert count.packets == {
        (Direction.INGRESS, Verdict.ACCEPT): 2,
        (Direction.EGRESS, Verdict.ACCEPT): 1,
        (Direction.EGRESS, Verdict.REJECT): 1,
    }
    assert count.octets[Direction.EGRESS, Verdict.REJECT] == 84
    assert count.connections == 1


def test_entries_of_the_acls_that_were_asked_implicit_denies_included(tmp_path: Path) -> None:
    barred = network(
        tmp_path,
        {"sg-a": ["in all 0.0.0.0/0"]},
        {**HOST, "eni-b": "10.0.2.5 sg-a"},
        acls={"subnet-1-10.0.1": ["in 100 allow tcp/22 0.0.0.0/0", "in 110 deny tcp/23 0.0.0.0/0"]},
    )
    entries = summed(barred, SSH.syn(), HTTP.syn()).acl_entries()
    assert [(each.rule_number, each.entry is None, each.packets) for each in entries] == [
        (100, False, 1),
        (110, False, 0),
        (32767, True, 1),
    ]
    assert {each.network_acl_id for each in entries} == {"acl-1-10.0.1"}


def test_reasons_and_totals(web_and_db: Network) -> None:
    summary = summed(web_and_db, SSH.syn(), QUERY.ping(), SSH.syn_ack())
    assert summary.tally.reasons == {
        (Verdict.ACCEPT, Reason.NEW): 1,
        (Verdict.ACCEPT, Reason.ESTABLISHED): 1,
        (Verdict.REJECT, Reason.NO_MATCHING_RULE): 1,
    }
    assert (summary.decisions, summary.rejected) == (3, 1)


def test_the_nearest_rule_of_a_refusal(web_and_db: Network) -> None:
    summary = summed(web_and_db, Talk(client="203.0.113.9", server="10.0.1.5", s=23).syn())
    (refused,) = summary.connections
    assert refused.refusal is not None
    near = summary.nearest.of(refused.refusal)
    assert near is not None
    assert near.rule_id == "sgr-web-in-0"
    assert "tcp/22" in str(near)


def test_no_rule_is_near_where_none_was_asked(tmp_path: Path) -> None:
    barred = network(
        tmp_path,
        {"sg-a": ["in all 0.0.0.0/0"]},
        HOST,
        acls={"subnet-1-10.0.1": ["in 9 deny all 0.0.0.0/0"]},
    )
    summary = summed(barred, SSH.syn())
    (refused,) = summary.connections
    assert refused.refusal is not None
    assert summary.nearest.of(refused.refusal) is None


def test_the_traffic_of_a_packet_is_the_narrowest_it_is_part_of() -> None:
    for packet, service in (
        (SSH.syn(), "tcp/22"),
        (SSH.udp(), "udp/22"),
        (SSH.ping(), "icmp/8/0"),
        (SSH.other(), "47"),
    ):
        assert traffic_of_packet(packet) == parse_service(service)


def judged(net: Network, *seen: Seen, adopt: bool = True) -> Firewall:
    firewall = Firewall(net, adopt=adopt)
    list(firewall.decide(frames(*seen)))
    return firewall


def test_differences_are_outcome_place_reason_and_adoption(
    tmp_path: Path, web_and_db: Network
) -> None:
    seen = [*apart(SSH.data()), *apart(QUERY.syn(), HTTP.syn(), start=1)]
    here = judged(web_and_db, *seen).observed
    assert differences(here, judged(web_and_db, *seen).observed) == ()
    (adopted,) = differences(here, judged(web_and_db, *seen, adopt=False).observed)
    assert adopted.here is not None
    assert adopted.here.first_frame == 1
    groups = {"sg-web": ["in tcp/22 203.0.113.0/24", "in tcp/80 0.0.0.0/0"], "sg-db": []}
    other = network(tmp_path, groups, {"eni-web": "10.0.1.5 sg-web", "eni-db": "10.0.2.5 sg-db"})
    (refused,) = differences(here, judged(other, *seen).observed)
    assert refused.there is not None
    assert refused.there.first_frame == 2


def test_a_connection_that_only_one_network_decides_differs(
    tmp_path: Path, web_and_db: Network
) -> None:
    smaller = network(
        tmp_path, {"sg-web": ["in tcp/22 203.0.113.0/24"]}, {"eni-web": "10.0.1.5 sg-web"}
    )
    database = Talk(client="203.0.113.9", server="10.0.2.5")
    seen = apart(SSH.syn(), database.syn())
    both, one = judged(web_and_db, *seen).observed, judged(smaller, *seen).observed
    (gone,) = differences(both, one)
    assert (gone.here is None, gone.there is None) == (False, True)
    (come,) = differences(one, both)
    assert (come.here is None, come.there is None) == (True, False)


def test_a_connection_counts_once_at_an_interface(tmp_path: Path) -> None:
    barred = network(
        tmp_path,
        {"sg-a": ["in tcp/22 203.0.113.0/24"]},
        HOST,
        acls={"subnet-1-10.0.1": ["in 9 allow all 0.0.0.0/0"]},
    )
    assert summed(barred, SSH.syn()).tally.interfaces["eni-a"].connections == 1
    refused_answer = summed(barred, SSH.syn(), SSH.syn_ack())
    assert refused_answer.tally.interfaces["eni-a"].connections == 1


def test_differences_are_in_the_order_of_the_capture(tmp_path: Path, web_and_db: Network) -> None:
    smaller = network(tmp_path, {"sg-web": []}, {"eni-web": "10.0.1.5 sg-web"})
    database = Talk(client="203.0.113.9", server="10.0.2.5")
    seen = apart(database.syn(), SSH.syn(), HTTP.syn())
    found = differences(judged(smaller, *seen).observed, judged(web_and_db, *seen).observed)
    known = [each.here or each.there for each in found]
    assert [each.first_frame for each in known if each is not None] == [1, 2, 3]
    assert found[0].here is None
