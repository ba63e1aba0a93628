"""What a plane enforces depends on the last network it was given, and not on the way there."""

import pytest

from secgroup.decision import Reason
from secgroup.lessons.talk import connection, datagram
from secgroup.net.direction import Direction
from tests.conformance.capability import Capability, requires
from tests.conformance.sequences import EXPANSIONS, NOTHING, SEQUENCES, questions
from tests.conformance.subject import Reference

IN, OUT = Direction.INGRESS, Direction.EGRESS


def answers(subject, network, time_ms):
    return [
        (name, way, subject.decide(name, way, packet, time_ms))
        for name, way, packet in questions(network)
    ]


@pytest.mark.parametrize("expansion", EXPANSIONS)
@pytest.mark.parametrize("name", SEQUENCES)
@requires(Capability.CHANGES)
def test_plane_is_where_the_last_state_puts_it(make, name, expansion):
    states = EXPANSIONS[expansion](SEQUENCES[name])
    subject = make(NOTHING)
    for number, network in enumerate(states):
        subject.change(network)
        # What was asked before has expired: only the state itself may answer.
        time_ms = 1000 * 1000 * (number + 1)
        if network is states[-1] or number % 3 == 0:
            found = answers(subject, network, time_ms)
            assert found == answers(Reference(network), network, time_ms), number
    again = subject.in_force()
    subject.change(states[-1])
    assert subject.in_force() == again


@pytest.mark.parametrize("name", SEQUENCES)
@requires(Capability.CHANGES)
def test_second_apply_changes_nothing(make, name):
    for network in SEQUENCES[name]:
        subject = make(network)
        before = subject.in_force()
        subject.change(network)
        assert subject.in_force() == before


@requires(Capability.CHANGES, Capability.LISTS_CONNECTIONS)
def test_asymmetric_teardown(make):
    """What was built together goes away in another order than it came, under live connections."""
    full = SEQUENCES["grown"][4]
    subject = make(full)
    to_db = connection("10.0.1.10", "10.0.2.20", 5432)
    to_web = connection("10.0.1.11", "10.0.2.20", 5432)
    asked = datagram("10.0.2.30", "10.0.1.99", 53)
    for name, way, packet, reason in (
        ("db-0", IN, to_db.client("SYN"), Reason.NEW),
        ("db-0", IN, to_web.client("SYN"), Reason.NEW),
        ("job-0", OUT, asked, Reason.NEW),
    ):
        assert subject.decide(name, way, packet, 1000).reason is reason
    # First the ACL's subnet gets the default one, then the list empties, then a member goes.
    states = [
        SEQUENCES["grown"][3],
        _without(SEQUENCES["grown"][3], "prefix_lists", "pl-office"),
        _without(SEQUENCES["grown"][3], "interfaces", "web-1"),
        _without(_without(SEQUENCES["grown"][3], "interfaces", "web-1"), "groups", "web"),
    ]
    for network in states:
        subject.change(network)
        assert subject.decide("db-0", IN, to_db.client("ACK"), 2000).reason is Reason.ESTABLISHED
        assert subject.decide("db-0", OUT, to_web.server("ACK"), 2000).reason is Reason.ESTABLISHED
    third = connection("10.0.1.10", "10.0.2.20", 5432, client_port=3)
    assert subject.decide("db-0", IN, third.client("SYN"), 2001).reason is Reason.NO_MATCHING_RULE
    # The interface goes, and what it had made with it; the other's stays.
    subject.change(_without(states[-1], "interfaces", "db-0"))
    assert [line[1] for line in subject.connections(2002)] == ["job-0"]
    subject.change(NOTHING)
    assert subject.connections(2003) == []


@requires(Capability.CHANGES, Capability.LISTS_CONNECTIONS)
def test_entries_go_with_what_they_belong_to_and_with_nothing_else(make):
    first, other, *_, moved, _slow = SEQUENCES["places"]
    subject = make(first)
    for name, own in (("web-0", "10.0.1.10"), ("web-1", "10.0.1.11"), ("db-0", "10.0.2.20")):
        packet = datagram(own, "10.0.2.99", 53)
        subject.decide(name, OUT, packet, 1000)
    ping = datagram("203.0.113.9", "10.0.2.20", 53)
    assert subject.decide("db-0", IN, ping, 1000).reason is Reason.NEW
    subject.change(other)  # web-1 is detached
    assert {line[1] for line in subject.connections(1001)} == {"web-0", "db-0"}
    subject.change(moved)  # db-0 has lost its address
    assert {line[1] for line in subject.connections(1002)} == {"web-0"}
    subject.change(first)
    assert {line[1] for line in subject.connections(1003)} == {"web-0"}


def _without(network, noun, key):
    return network.revised(
        **{noun: {name: each for name, each in getattr(network, noun).items() if name != key}}
    )
