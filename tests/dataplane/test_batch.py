"""The embedded plane: what a question meets, what follows from it, and when rules change."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

import secgroup
from secgroup.dataplane.base import converge
from secgroup.dataplane.batch import BatchPlane
from secgroup.errors import InputError
from secgroup.lessons.scene import scene
from secgroup.net.capture import open_capture

REGION = "eu-west-1"
NOW = 1_700_000_000_000_000_000
OPEN = scene(
    groups={"web": ["in tcp/443 0.0.0.0/0", "out all 10.0.0.0/8"], "db": ["in tcp/5432 web"]},
    interfaces={"web": "10.0.1.10 web", "db": "10.0.2.20 db"},
)
CLOSED = scene(
    groups={"web": [], "db": []}, interfaces={"web": "10.0.1.10 web", "db": "10.0.2.20 db"}
)


def plane_with(network, listener=None):
    plane = BatchPlane(listener)
    converge(plane, {REGION: network})
    return plane


def syn(source, destination, port, **others):
    return {
        "srcaddr": source,
        "dstaddr": destination,
        "protocol": 6,
        "srcport": 40000,
        "dstport": port,
        "tcp_flags": 2,
        **others,
    }


def ask(plane, *packets, now=NOW):
    return [json.loads(line) for line in plane.decide_packets(REGION, packets, now)]


def told(decisions):
    return [(each["interface_id"], each["direction"], each["reason"]) for each in decisions]


def test_packet_between_interfaces_is_decided_at_both():
    found = ask(plane_with(OPEN), syn("10.0.1.10", "10.0.2.20", 5432))
    assert told(found) == [("web", "egress", "NEW"), ("db", "ingress", "NEW")]


def test_packet_that_its_sender_rejects_does_not_arrive():
    network = scene(
        groups={"web": ["out tcp/80 0.0.0.0/0"], "db": ["in tcp/5432 web"]},
        interfaces={"web": "10.0.1.10 web", "db": "10.0.2.20 db"},
    )
    found = ask(plane_with(network), syn("10.0.1.10", "10.0.2.20", 5432))
    assert told(found) == [("web", "egress", "NO_MATCHING_RULE")]


def test_reply_passes_after_its_opener_and_not_before():
    plane = plane_with(OPEN)
    answer = {
        **syn("10.0.2.20", "10.0.1.10", 40000, srcport=5432, tcp_flags=18),
        "interface_id": "db",
        "direction": "egress",
    }
    assert told(ask(plane, answer))[0][2] != "ESTABLISHED"
    ask(plane, syn("10.0.1.10", "10.0.2.20", 5432))
    assert told(ask(plane, answer)) == [("db", "egress", "ESTABLISHED")]


def test_change_acts_on_the_next_packet_and_keeps_connections():
    plane = plane_with(OPEN)
    ask(plane, syn("10.0.1.10", "10.0.2.20", 5432))
    converge(plane, {REGION: CLOSED})
    again = syn("10.0.1.10", "10.0.2.20", 5432, tcp_flags=16)
    other = syn("10.0.1.10", "10.0.2.20", 5432, srcport=40001)
    assert {each[2] for each in told(ask(plane, again))} == {"ESTABLISHED"}
    assert told(ask(plane, other))[-1][2] == "NO_MATCHING_RULE"


def test_prepared_and_abandoned_change_is_not_in_force():
    plane = plane_with(OPEN)
    plane.prepare({REGION: CLOSED})
    plane.abandon()
    plane.commit()
    assert told(ask(plane, syn("203.0.113.9", "10.0.1.10", 443))) == [("web", "ingress", "NEW")]


def test_connections_are_told_until_they_expire():
    plane = plane_with(OPEN)
    ask(plane, syn("203.0.113.9", "10.0.1.10", 443))
    (told_of,) = plane.connections(REGION, NOW + 5_000_000_000)
    assert (told_of["interface_id"], told_of["state"], told_of["direction"]) == (
        "web",
        "SYN_SENT",
        "ingress",
    )
    assert (told_of["idle_s"], told_of["timeout_left_s"]) == (5.0, 115.0)
    assert list(plane.connections(REGION, NOW + 120_000_000_000)) == []
    assert list(plane.connections("us-east-1", NOW)) == []


def test_listener_is_told_every_decision():
    heard = []
    plane = plane_with(OPEN, lambda region, _, placed: heard.append((region, len(placed))))
    ask(plane, *[syn("10.0.1.10", "10.0.2.20", 5432, srcport=port) for port in range(1, 301)])
    assert sum(count for _, count in heard) == 600
    assert {region for region, _ in heard} == {REGION}


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        (7, "no object"),
        ({"source": "10.0.0.1"}, "'source' is no name"),
        (syn("10.0.1.10", "10.0.2.20", 99999), "dstport"),
        (syn("10.0.1.10", "10.0.2.20", 1, interface_id="web"), "together"),
        (syn("10.0.1.10", "10.0.2.20", 1, interface_id="x", direction="egress"), "interface_id"),
        (syn("10.0.1.10", "10.0.2.20", 1, interface_id="web", direction="out"), "direction"),
        (syn("10.0.1.10", "10.0.2.20", 1, interface_id=["web"], direction="egress"), "interface"),
        (syn("10.0.1.10", "10.0.2.20", 1, interface_id="web", direction=["egress"]), "direction"),
        (syn("10.0.1.10", "10.0.2.20", 1, time_ns="now"), "time_ns"),
        (syn("10.0.1.10", "10.0.2.20", 1, time_ns=1 << 62), "time_ns"),
    ],
)
def test_bad_packet_is_named_and_none_is_decided(packet, words):
    heard = []
    plane = plane_with(OPEN, lambda *decided: heard.append(decided))
    with pytest.raises(InputError, match=r"packets\[1\]") as raised:
        list(plane.decide_packets(REGION, [syn("10.0.1.10", "10.0.2.20", 1), packet], NOW))
    assert words in str(raised.value)
    assert heard == []


def test_capture_that_is_none_is_an_error():
    with pytest.raises(InputError):
        list(plane_with(OPEN).decide_capture(REGION, io.BytesIO(b"no capture"), NOW))


def test_capture_is_decided_as_if_it_began_now():
    example = Path(__file__).parents[2] / "examples" / "three-tier"
    plane = plane_with(secgroup.load(example / "network.yaml"))
    with open_capture(example / "traffic.pcapng.gz") as capture:
        lines = [json.loads(line) for line in plane.decide_capture(REGION, capture, NOW)]
    assert {each["verdict"] for each in lines} == {"ACCEPT", "REJECT"}
    assert NOW <= lines[0]["time_ns"] < NOW + 1_000_000_000


def test_address_of_two_vpcs_is_refused_before_any_packet_is_decided():
    web = OPEN.interfaces["web"]
    other = replace(web, interface_id="other", vpc_id="vpc-other")
    network = OPEN.revised(interfaces={**OPEN.interfaces, "other": other})
    heard = []
    plane = plane_with(network, lambda *decided: heard.append(decided))
    clear = syn("203.0.113.9", "10.0.2.20", 5432)
    with pytest.raises(InputError, match=r"packets\[1\]"):
        list(plane.decide_packets(REGION, [clear, syn("203.0.113.9", "10.0.1.10", 443)], NOW))
    assert heard == []
    assert list(plane.connections(REGION, NOW)) == []
