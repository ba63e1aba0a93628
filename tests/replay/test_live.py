import json
from dataclasses import replace
from pathlib import Path

import pytest

from secgroup.model.network import Network
from secgroup.replay.firewall import Firewall
from secgroup.replay.live import live_lines
from tests.support.captured import ACK, FIN, Seen, Talk, apart, frames
from tests.support.described import network

SSH = Talk(client="203.0.113.9", server="10.0.1.5")
HTTP = Talk(client="203.0.113.9", server="10.0.1.5", s=80)
HOST = {"eni-a": "10.0.1.5 sg-a"}
OPEN = {
    "sg-a": ["in tcp/80 0.0.0.0/0", "in icmp 0.0.0.0/0", "in 47 0.0.0.0/0", "out all 0.0.0.0/0"]
}


def alive(net: Network, *seen: Seen) -> list[dict[str, object]]:
    firewall = Firewall(net)
    list(firewall.decide(frames(*seen)))
    return [json.loads(line) for line in live_lines(firewall)]


@pytest.mark.semantics("replay-24")
@pytest.mark.parametrize(("s", "count"), [(350.0, 1), (350.001, 0)])
def test_an_untracked_flow_is_alive_for_350_s(tmp_path: Path, s: float, count: int) -> None:
    other = Talk(client="203.0.113.9", server="203.0.113.10")
    found = alive(
        network(tmp_path, OPEN, HOST), Seen(s=0, packet=HTTP.syn()), Seen(s=s, packet=other.syn())
    )
    assert len(found) == count


@pytest.mark.semantics("replay-24")
def test_an_untracked_flow_that_has_ended_is_not_alive(tmp_path: Path) -> None:
    closing = (HTTP.tcp(FIN | ACK, 1001, 5001), HTTP.tcp(FIN | ACK, 5001, 1002, back=True))
    assert alive(network(tmp_path, OPEN, HOST), *apart(*HTTP.handshake(), *closing)) == []


@pytest.mark.semantics("replay-24")
def test_a_refused_flow_is_not_alive(tmp_path: Path) -> None:
    assert alive(network(tmp_path, {"sg-a": []}, HOST), Seen(s=0, packet=SSH.syn())) == []


@pytest.mark.semantics("replay-24")
def test_a_tracked_flow_is_alive_until_its_timeout(tmp_path: Path) -> None:
    tracked = network(tmp_path, {"sg-a": ["in tcp/22 203.0.113.0/24"]}, HOST)
    other = Talk(client="203.0.113.9", server="203.0.113.10")
    (syn_sent,) = alive(tracked, Seen(s=0, packet=SSH.syn()), Seen(s=119.999, packet=other.syn()))
    assert (syn_sent["state"], syn_sent["timeout_left_ms"]) == ("SYN_SENT", 1)
    assert alive(tracked, Seen(s=0, packet=SSH.syn()), Seen(s=120, packet=other.syn())) == []


def test_a_protocol_without_ports_has_none(tmp_path: Path) -> None:
    (gre,) = alive(network(tmp_path, OPEN, HOST), Seen(s=0, packet=HTTP.other()))
    assert (gre["tracking"], gre["srcport"], gre["dstport"]) == ("tracked", None, None)
    assert (gre["srcaddr"], gre["dstaddr"], gre["direction"]) == (
        "203.0.113.9",
        "10.0.1.5",
        "ingress",
    )


def test_a_flow_that_leaves_has_the_inside_for_its_source(tmp_path: Path) -> None:
    out = network(tmp_path, {"sg-a": ["out tcp/22 203.0.113.0/24"]}, HOST)
    (flow,) = alive(out, Seen(s=0, packet=Talk(client="10.0.1.5", server="203.0.113.9").syn()))
    assert (flow["srcaddr"], flow["srcport"], flow["dstport"]) == ("10.0.1.5", 40000, 22)
    assert flow["direction"] == "egress"


def test_the_owner_is_the_instance(tmp_path: Path) -> None:
    owned = network(tmp_path, OPEN, HOST, instances={"eni-a": "i-1"})
    (ping, http) = alive(owned, *apart(HTTP.ping(), HTTP.syn()))
    assert (ping["owner"], http["owner"], http["tracking"]) == ("i-1", "i-1", "untracked")


def test_port_0_is_a_port(tmp_path: Path) -> None:
    tracked = network(tmp_path, {"sg-a": ["in all 203.0.113.0/24"]}, HOST)
    (flow,) = alive(tracked, Seen(s=0, packet=replace(HTTP, c=0, s=0).udp()))
    assert (flow["srcport"], flow["dstport"]) == (0, 0)


@pytest.mark.semantics("replay-24")
def test_a_flow_at_an_interface_that_is_gone_is_not_alive(tmp_path: Path) -> None:
    firewall = Firewall(network(tmp_path, OPEN, HOST))
    list(firewall.decide(frames(Seen(s=0, packet=HTTP.syn()))))
    firewall.change(network(tmp_path, OPEN, {"eni-b": "10.0.1.6 sg-a"}))
    assert list(live_lines(firewall)) == []
