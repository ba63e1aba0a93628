from io import BytesIO
from pathlib import Path

from secgroup.flowlog.aggregate import Aggregator
from secgroup.flowlog.fields import Record, format_of
from secgroup.model.network import Network
from secgroup.replay.change import Change, parse_time
from secgroup.replay.connections import Placed
from secgroup.replay.firewall import Firewall
from secgroup.replay.run import DecisionSink, FlowLogSink, Run, comment_of
from tests.support.captured import Seen, Talk, apart, frames
from tests.support.described import network

SSH = Talk(client="203.0.113.9", server="10.0.1.5")
QUERY = Talk(client="10.0.1.5", server="10.0.2.5", s=5432)
STRANGERS = Talk(client="203.0.113.9", server="203.0.113.10")


class Records(list[Record]):
    def write(self, records: object) -> None:
        self.extend(records)  # type: ignore[arg-type]


def test_steps_give_every_frame_with_its_decisions_in_order(web_and_db: Network) -> None:
    run = Run(Firewall(web_and_db))
    seen = frames(*apart(SSH.syn(), STRANGERS.syn(), QUERY.syn()))
    found = [(frame.number, len(placed)) for frame, placed in run.steps(seen)]
    assert found == [(1, 1), (2, 0), (3, 2)]
    assert run.finish().tally.frames == 3


def test_steps_are_lazy(web_and_db: Network) -> None:
    """What tcpdump sends through a pipe is decided as it comes."""
    out = BytesIO()
    steps = Run(Firewall(web_and_db), sinks=[DecisionSink(out)]).steps(
        iter(frames(*apart(SSH.syn(), SSH.syn_ack())))
    )
    next(steps)
    assert out.getvalue().count(b"\n") == 1


def test_a_change_reaches_the_flow_log(tmp_path: Path) -> None:
    """Windows that open later are described by the network that is then in force."""
    groups, host = {"sg-a": ["in all 0.0.0.0/0"]}, {"eni-a": "10.0.1.5 sg-a"}
    before = network(tmp_path, groups, host)
    after = network(tmp_path, groups, host, instances={"eni-a": "i-9"})
    records = Records()
    aggregator = Aggregator(
        before, format_of(["interface-id", "instance-id", "packets"]), interval_s=60
    )
    change = Change(time=parse_time("61", source="x"), network=after, name="after")
    run = Run(Firewall(before), changes=[change], sinks=[FlowLogSink(aggregator, records)])
    for _ in run.steps(frames(Seen(s=0, packet=SSH.ping()), Seen(s=61, packet=SSH.ping()))):
        pass
    assert records == [("eni-a", None, 1)]
    run.finish()
    assert records == [("eni-a", None, 1), ("eni-a", "i-9", 1)]


def test_frames_that_are_not_decided_move_the_clock_of_the_flow_log(web_and_db: Network) -> None:
    records = Records()
    aggregator = Aggregator(web_and_db, format_of(["dstport"]), interval_s=60)
    run = Run(Firewall(web_and_db), sinks=[FlowLogSink(aggregator, records)])
    for _ in run.steps(frames(Seen(s=0, packet=SSH.syn()), Seen(s=60, packet=STRANGERS.syn()))):
        pass
    assert records == [(22,)]


def placed(net: Network, *seen: Seen) -> tuple[Placed, ...]:
    return tuple(Firewall(net).decide(frames(*seen)))


def test_a_comment_says_verdict_reason_place_rules_entry_and_state(web_and_db: Network) -> None:
    assert comment_of(placed(web_and_db, Seen(s=0, packet=QUERY.syn()))) == (
        "secgroup: ACCEPT; NEW; egress eni-web; rules sgr-web-out-0; "
        "acl-default-vpc-1 entry 100; SYN_SENT | "
        "ACCEPT; NEW; ingress eni-db; rules sgr-db-in-0; acl-default-vpc-1 entry 100; SYN_SENT"
    )
    assert (
        comment_of(placed(web_and_db, Seen(s=0, packet=b"\x45"))) == "secgroup: REJECT; MALFORMED"
    )
    assert comment_of(()) is None
