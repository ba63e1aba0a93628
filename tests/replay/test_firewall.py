"""State over time: what a change of the network does to flows, the clock, the public surface."""

from pathlib import Path

import pytest

import secgroup
from secgroup.decision import Reason
from secgroup.net.direction import Direction
from secgroup.net.packet import Packet
from secgroup.replay.firewall import Firewall
from tests.support import captured
from tests.support.captured import SECOND_NS, START_NS, Seen, Talk, apart, frames
from tests.support.described import described, network, write

SSH = Talk(client="203.0.113.9", server="10.0.1.5")
TRACKED = {"sg-a": ["in tcp/22 203.0.113.0/24"]}
UNTRACKED = {"sg-a": ["in tcp/22 0.0.0.0/0", "out all 0.0.0.0/0"]}
HOST = {"eni-a": "10.0.1.5 sg-a"}


def reasons(firewall: Firewall, *packets: Packet, start: float = 0) -> list[Reason]:
    seen = frames(*apart(*packets, start=start))
    return [each.decision.reason for each in firewall.decide(seen)]


def test_the_public_surface_decides_a_capture(tmp_path: Path) -> None:
    """As design and README show it."""
    path = write(tmp_path / "network.json", described(TRACKED, HOST))
    capture = captured.write(tmp_path / "x.pcap", captured.pcap(apart(*SSH.handshake())))
    firewall = secgroup.Firewall(secgroup.load(path))
    placed = list(firewall.decide(secgroup.read_capture(capture)))
    assert [each.decision.reason for each in placed] == [
        Reason.NEW,
        Reason.ESTABLISHED,
        Reason.ESTABLISHED,
    ]
    assert [(each.frame, str(each.direction)) for each in placed] == [
        (1, "ingress"),
        (2, "egress"),
        (3, "ingress"),
    ]
    assert [each.connection for each in placed] == [1, 1, 1]


def test_the_document_shows_python_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = (Path(__file__).resolve().parents[2] / "docs" / "replay.md").read_text()
    shown = document.split("```python\n")[1].split("```")[0]
    write(tmp_path / "network.json", described(TRACKED, HOST))
    captured.write(tmp_path / "x.pcap", captured.pcap(apart(*SSH.handshake())))
    monkeypatch.chdir(tmp_path)
    exec(shown, {})
    assert capsys.readouterr().out.splitlines() == [
        "1 eni-a ingress ACCEPT",
        "2 eni-a egress ACCEPT",
        "3 eni-a ingress ACCEPT",
        "10.0.1.5 203.0.113.9 ESTABLISHED",
        "1 allowed",
    ]


def test_decide_at_needs_no_capture(tmp_path: Path) -> None:
    firewall = Firewall(network(tmp_path, TRACKED, HOST))
    there = firewall.decide_at("eni-a", SSH.syn(), Direction.INGRESS, START_NS)
    back = firewall.decide_at("eni-a", SSH.syn_ack(), Direction.EGRESS, START_NS + 1)
    assert (there.reason, back.reason) == (Reason.NEW, Reason.ESTABLISHED)
    firewall.decide_at("eni-a", SSH.ping(), Direction.INGRESS, START_NS + 60 * SECOND_NS)
    early = firewall.decide_at("eni-a", SSH.ack(), Direction.INGRESS, START_NS + 2)
    assert early.reason is Reason.MIDSTREAM, "SYN_RECV lasts 60 s, and the clock does not go back"
    with pytest.raises(KeyError):
        firewall.decide_at("eni-z", SSH.syn(), Direction.INGRESS, START_NS)


@pytest.mark.semantics("replay-20")
def test_a_tracked_session_survives_the_removal_of_its_rule(tmp_path: Path) -> None:
    """EC2 User Guide, connection tracking: changing a rule does not interrupt it."""
    firewall = Firewall(network(tmp_path, TRACKED, HOST))
    assert reasons(firewall, *SSH.handshake())[0] is Reason.NEW
    firewall.change(network(tmp_path, {"sg-a": []}, HOST))
    assert reasons(firewall, SSH.data(), SSH.answer(), start=1) == [Reason.ESTABLISHED] * 2


@pytest.mark.semantics("replay-20")
def test_an_untracked_session_dies_with_its_rule(tmp_path: Path) -> None:
    """EC2 User Guide, untracked connections: it is interrupted at once."""
    firewall = Firewall(network(tmp_path, UNTRACKED, HOST))
    assert reasons(firewall, *SSH.handshake()) == [Reason.UNTRACKED] * 3
    firewall.change(network(tmp_path, {"sg-a": ["out all 0.0.0.0/0"]}, HOST))
    assert reasons(firewall, SSH.data(), start=1) == [Reason.NO_MATCHING_RULE]


@pytest.mark.semantics("replay-21")
@pytest.mark.parametrize(
    "interfaces",
    [
        {"eni-z": "10.0.1.9 sg-a"},  # deleted
        {"eni-a": "10.0.1.6 sg-a"},  # the address is taken from it
        {"eni-b": "10.0.1.5 sg-a"},  # the address is another interface's now
    ],
)
def test_entries_of_what_is_gone_go(tmp_path: Path, interfaces: dict[str, str]) -> None:
    firewall = Firewall(network(tmp_path, TRACKED, HOST))
    reasons(firewall, *SSH.handshake())
    firewall.change(network(tmp_path, TRACKED, interfaces))
    assert list(firewall.connections()) == []
    firewall.change(network(tmp_path, TRACKED, HOST))
    assert reasons(firewall, SSH.data(), start=1) == [Reason.MIDSTREAM]


@pytest.mark.semantics("replay-21")
@pytest.mark.parametrize("instances", [{}, {"eni-a": "i-2"}])
def test_entries_of_a_detached_interface_go(tmp_path: Path, instances: dict[str, str]) -> None:
    firewall = Firewall(network(tmp_path, TRACKED, HOST, instances={"eni-a": "i-1"}))
    reasons(firewall, *SSH.handshake())
    firewall.change(network(tmp_path, TRACKED, HOST, instances=instances))
    assert list(firewall.connections()) == []


@pytest.mark.semantics("replay-21")
def test_entries_of_another_address_of_the_interface_stay(tmp_path: Path) -> None:
    firewall = Firewall(network(tmp_path, TRACKED, {"eni-a": "10.0.1.5 10.0.1.6 sg-a"}))
    reasons(firewall, *SSH.handshake())
    firewall.change(network(tmp_path, TRACKED, HOST))
    assert len(list(firewall.connections())) == 1


@pytest.mark.semantics("replay-21")
def test_entries_of_forwarded_traffic_stay(tmp_path: Path) -> None:
    """The inside address never was the router's own."""
    groups = {"sg-a": ["in all 0.0.0.0/0"]}
    firewall = Firewall(network(tmp_path, groups, HOST, unchecked=["eni-a"]), at="eni-a")
    through = Talk(client="203.0.113.9", server="192.0.2.1")
    seen = frames(Seen(s=0, packet=through.syn(), direction=Direction.INGRESS))
    assert [each.decision.reason for each in firewall.decide(seen)] == [Reason.NEW]
    firewall.change(network(tmp_path, {"sg-a": []}, HOST, unchecked=["eni-a"]))
    assert len(list(firewall.connections())) == 1


@pytest.mark.semantics("replay-22")
def test_an_acl_acts_at_once_on_tracked_connections(tmp_path: Path) -> None:
    """EC2 User Guide: a network ACL rule that denies breaks an existing connection."""
    firewall = Firewall(network(tmp_path, TRACKED, HOST))
    reasons(firewall, *SSH.handshake())
    acl = {"subnet-1-10.0.1": ["in 100 deny tcp/22 203.0.113.0/24"]}
    firewall.change(network(tmp_path, TRACKED, HOST, acls=acl))
    assert reasons(firewall, SSH.data(), start=1) == [Reason.NETWORK_ACL]


@pytest.mark.semantics("replay-15")
def test_the_clock_is_the_largest_time_so_far(tmp_path: Path) -> None:
    """An entry that has expired by then does not come back with an earlier stamp."""
    firewall = Firewall(network(tmp_path, TRACKED, HOST))
    late = Talk(client="203.0.113.9", server="10.0.1.5", c=40001)
    seen = frames(
        Seen(s=0, packet=SSH.syn()), Seen(s=120, packet=late.syn()), Seen(s=1, packet=SSH.syn_ack())
    )
    assert [each.decision.reason for each in firewall.decide(seen)] == [
        Reason.NEW,
        Reason.NEW,
        Reason.NO_MATCHING_RULE,
    ]
    assert firewall.now_ms == (START_NS + 120 * SECOND_NS) // 1_000_000


@pytest.mark.semantics("replay-15")
def test_frames_that_are_not_decided_move_the_clock(tmp_path: Path) -> None:
    firewall = Firewall(network(tmp_path, TRACKED, HOST))
    foreign = Talk(client="203.0.113.9", server="203.0.113.10")
    seen = frames(
        Seen(s=0, packet=SSH.syn()),
        Seen(s=120, packet=foreign.syn()),
        Seen(s=1, packet=SSH.syn_ack()),
    )
    found = [each.decision.reason for each in firewall.decide(seen)]
    assert found == [Reason.NEW, Reason.NO_MATCHING_RULE]


@pytest.mark.semantics("replay-16")
@pytest.mark.parametrize(
    ("times", "named"),
    [
        ((0, 0.5, 0), []),
        ((2, 1, 2), []),
        ((2, 0.9, 0.5), [(2, -1.1)]),
        ((2, 0.999999999), [(2, -1.000000001)]),
        ((0, 86400), []),
        ((0, 86400.000000001), [(2, 86400.000000001)]),
        ((0, 86401, 2 * 86402), [(2, 86401)]),
        ((0, 86401, 0), [(2, 86401), (3, -86401)]),
    ],
)
def test_steps_of_the_clock_are_named_once(
    tmp_path: Path, times: tuple[float, ...], named: list[tuple[int, float]]
) -> None:
    firewall = Firewall(network(tmp_path, TRACKED, HOST))
    list(firewall.decide(frames(*(Seen(s=s, packet=SSH.data()) for s in times))))
    steps = [(step.frame, step.step_ns / SECOND_NS) for step in firewall.clock_steps]
    assert steps == named


def test_frames_that_are_judged_later_than_their_time_are_counted(tmp_path: Path) -> None:
    firewall = Firewall(network(tmp_path, TRACKED, HOST))
    times = (1.0, 1.0004, 1.0001, 0.9999, 1.001, 1.0, 1.001)
    list(firewall.decide(frames(*(Seen(s=s, packet=SSH.data()) for s in times))))
    assert firewall.stepped_back == 2


def test_time_is_rounded_down_to_milliseconds(tmp_path: Path) -> None:
    """SYN_SENT lasts 120 s from the opener's millisecond to the answer's."""
    firewall = Firewall(network(tmp_path, TRACKED, HOST))
    seen = frames(Seen(s=0.0009, packet=SSH.syn()), Seen(s=119.9999, packet=SSH.syn_ack()))
    assert [each.decision.reason for each in firewall.decide(seen)][1] is Reason.ESTABLISHED
    firewall = Firewall(network(tmp_path, TRACKED, HOST))
    seen = frames(Seen(s=0.0009, packet=SSH.syn()), Seen(s=120.0, packet=SSH.syn_ack()))
    assert [each.decision.reason for each in firewall.decide(seen)][1] is Reason.NO_MATCHING_RULE
