"""Replay on generated traces: it decides as the definition does, and its own laws hold."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from random import Random

import pytest

from secgroup.decision import Decision
from secgroup.net.capture import Frame
from secgroup.net.direction import Direction
from secgroup.net.link import Link
from secgroup.net.packet import Malformed, Packet
from secgroup.net.protocol import TcpFlag
from secgroup.policy.resolve import Policy
from secgroup.reference.decide import decide
from secgroup.reference.memory import Memory, Switches
from secgroup.replay.connections import Placed
from secgroup.replay.firewall import Firewall
from secgroup.replay.summary import differences
from tests.support.conversations import Hosts, tcp_conversation
from tests.support.described import network
from tests.support.traces import Arrival, Edit, Trace, make_trace, played

SEEDS = range(6)
EACH = 800


def clear(trace: Trace) -> Trace:
    """Keep the arrivals that a capture can show: their addresses and hop say where they belong."""
    network, events = trace.network, []
    for event in trace.events:
        if isinstance(event, Edit):
            network = event.network
        else:
            interface = network.interfaces[event.interface_id]
            ends = {
                Direction.EGRESS: event.packet.source,
                Direction.INGRESS: event.packet.destination,
            }
            inside, outside = ends[event.direction], ends[event.direction.opposite]
            contradicts = (
                outside is not None
                and interface.has_address(outside)
                and not (inside is not None and interface.has_address(inside))
            )
            if event.same_subnet is not None or contradicts:
                continue
        events.append(event)
    return replace(trace, events=tuple(events))


def captured(number: int, arrival: Arrival) -> Frame:
    return Frame(
        number=number,
        time_ns=arrival.time_ms * 1_000_000 + 999_999,
        interface=0,
        interface_name=arrival.interface_id,
        original_length=arrival.packet.length,
        captured=b"",
        link=Link(ip=None, header_length=0),
        datagram=arrival.packet,
        direction=arrival.direction,
    )


def replayed(trace: Trace, *, adopt: bool = False, pointless: bool = False) -> Iterator[Placed]:
    """Replay a trace; `pointless`: with a change to the same network before every packet."""
    every = {each: each for each in trace.network.interfaces}
    firewall = Firewall(trace.network, switches=trace.switches, at=every, adopt=adopt)
    for number, event in enumerate(trace.events, 1):
        if isinstance(event, Edit):
            firewall.change(event.network)
        else:
            if pointless:
                firewall.change(replace(firewall.network))
            yield from firewall.decide_frame(captured(number, event))


@pytest.mark.parametrize("seed", SEEDS)
def test_replay_decides_as_the_definition_does(seed: int) -> None:
    trace = clear(make_trace(seed, EACH))
    expected = [
        (event.interface_id, event.direction, decision) for event, decision in played(trace)
    ]
    found: list[tuple[str, Direction, Decision]] = [
        (each.interface.interface_id, each.direction, each.decision)
        for each in replayed(trace)
        if each.interface is not None and each.direction is not None
    ]
    assert len(expected) > EACH // 2
    assert found == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_a_change_to_the_same_network_changes_nothing(seed: int) -> None:
    trace = clear(make_trace(seed, EACH // 4))
    assert [each.decision for each in replayed(trace, pointless=True)] == [
        each.decision for each in replayed(trace)
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_network_does_not_differ_from_itself(seed: int) -> None:
    trace = clear(make_trace(seed, EACH // 4))
    frames = [
        captured(number, event)
        for number, event in enumerate(trace.events, 1)
        if isinstance(event, Arrival)
    ]
    every = {each: each for each in trace.network.interfaces}
    firewalls = [Firewall(trace.network, at=every) for _ in range(2)]
    for firewall in firewalls:
        list(firewall.decide(frames))
    assert differences(*(firewall.observed for firewall in firewalls)) == ()


@pytest.mark.parametrize("seed", SEEDS)
def test_every_packet_is_counted_in_exactly_one_way(seed: int) -> None:
    trace = clear(make_trace(seed, EACH // 4))
    every = {each: each for each in trace.network.interfaces}
    firewall = Firewall(trace.network, at=every)
    decided = 0
    for number, event in enumerate(trace.events, 1):
        if isinstance(event, Arrival):
            placed = firewall.decide_frame(captured(number, event))
            decided += any(each.connection is not None for each in placed)
    assert sum(each.packets for each in firewall.observed) == decided
    for each in firewall.observed:
        rejected = 0 if each.refusal is None else 1
        assert each.packets == each.accepted + rejected + each.late + each.after
        assert each.after_accepted <= each.after
    numbers = [each.number for each in firewall.observed]
    assert numbers == list(range(1, len(numbers) + 1))


#: One-way rules, both ways, and open to everyone: who may open a connection.
RULES = (
    ["in tcp/0-65535 203.0.113.0/24"],
    ["out tcp/0-65535 203.0.113.0/24"],
    ["in tcp/0-65535 203.0.113.0/24", "out tcp/0-65535 203.0.113.0/24"],
    ["in tcp/0-65535 0.0.0.0/0", "out all 0.0.0.0/0"],
)


@pytest.mark.semantics("replay-11")
@pytest.mark.parametrize("rules", RULES)
def test_what_was_accepted_whole_is_accepted_when_the_capture_begins_later(
    tmp_path: Path, rules: list[str]
) -> None:
    """The purpose of adoption: nothing depends on when somebody started tcpdump."""
    net = network(tmp_path, {"sg-a": rules}, {"eni-a": "10.0.1.5 sg-a"})
    inside, outside = IPv4Address("10.0.1.5"), IPv4Address("203.0.113.9")
    tried = 0
    for seed in range(60):
        random = Random(seed)
        ports = random.sample(range(1, 65536), 2)
        steps = tcp_conversation(random, Hosts(inside, outside, *ports))
        if len(steps) > 2 and steps[2][1].tcp.flags & TcpFlag.SYN:  # type: ignore[union-attr]
            continue  # a simultaneous open, where the sender of a SYN-ACK is no server
        seen = [
            Arrival(time_ms=1000 + at, interface_id="eni-a", direction=way, packet=packet)
            for at, (way, packet) in enumerate(steps)
        ]
        whole = Trace(seed=seed, network=net, switches=Switches(), events=tuple(seen))
        if not all(each.decision.accepted for each in replayed(whole, adopt=True)):
            continue
        for start in range(1, len(seen)):
            later = replace(whole, events=tuple(seen[start:]))
            first = later.events[0]
            assert isinstance(first, Arrival)
            assert isinstance(first.packet, Packet)
            if first.packet.is_opener:  # it will be judged as the opener that it is
                continue
            tried += 1
            rejected = [each for each in replayed(later, adopt=True) if not each.decision.accepted]
            assert not rejected, (seed, start, rejected[0])
    assert tried > 100


def test_without_at_both_ends_decide_as_the_definition_does() -> None:
    """Sender, then receiver unless the sender rejected, with one memory."""
    compared = 0
    for seed in SEEDS:
        trace = make_trace(seed, EACH)
        policy, memory = Policy(trace.network), Memory()
        firewall = Firewall(trace.network, switches=trace.switches, adopt=False)
        now_ms = 0
        for number, event in enumerate(trace.events, 1):
            if isinstance(event, Edit) or isinstance(event.packet, Malformed):
                continue
            ends = [
                trace.network.interfaces_with(address)
                for address in (event.packet.source, event.packet.destination)
            ]
            if any(len(each) > 1 for each in ends):
                continue
            now_ms = max(now_ms, event.time_ms)
            expected = []
            for owners, direction in zip(ends, (Direction.EGRESS, Direction.INGRESS), strict=True):
                if owners and all(each.accepted for each in expected):
                    expected.append(
                        decide(
                            policy.at(owners[0].interface_id),
                            memory,
                            event.packet,
                            direction,
                            now_ms,
                            switches=trace.switches,
                        )
                    )
            found = [each.decision for each in firewall.decide_frame(captured(number, event))]
            assert found == expected
            compared += len(found)
    assert compared > 1000
