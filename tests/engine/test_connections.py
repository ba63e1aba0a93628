"""Batches become the same connections and counts as single packets do."""

import io
from collections import Counter

import numpy as np
import pytest

from secgroup.decision import Reason, Verdict
from secgroup.engine import observed as layout
from secgroup.engine.aggregate import Aggregator, secret_of
from secgroup.engine.connections import Connections
from secgroup.engine.connections import Outcome as Became
from secgroup.engine.decisions import JsonWriter
from secgroup.engine.record import RecordColumns
from secgroup.engine.write import TextWriter
from secgroup.flowlog import aggregate
from secgroup.flowlog.fields import FIELDS, Format
from secgroup.flowlog.write import line_of
from secgroup.net.direction import Direction
from secgroup.replay.decisions import decision_line
from secgroup.replay.firewall import Firewall
from secgroup.replay.run import FlowLogSink
from secgroup.replay.summary import Tally
from tests.engine.replayed import Replayed, some_frames
from tests.support import described
from tests.support.tiers import ACLS, GROUPS, INTERFACES

HOSTS = [
    "10.0.1.5", "10.0.2.5", "10.0.3.5", "10.0.2.6", "203.0.113.9", "198.51.100.53",
    "2001:db8:1::5", "2001:db8:2::5", "2001:db8:9::9",
]  # fmt: skip
SECRET = secret_of(7)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return described.network(tmp_path_factory.mktemp("n"), GROUPS, INTERFACES, acls=ACLS)


def cut(steps, sizes):
    at = 0
    while at < len(steps):
        size = next(sizes)
        yield steps[at : at + size]
        at += size


def sizes_of(seed):
    random = np.random.default_rng(seed)
    while True:
        yield int(random.choice([1, 2, 7, 50, 400]))


def observe(replayed, steps, seed=0, *, adopts=True, room=4):
    """Number connections as a replay must, stopping to adopt, and take note of decisions."""
    found = Connections(secret=SECRET, room=room)
    found.use(replayed.interfaces, replayed.acl_ids)
    numbers = []
    for batch in cut(steps, sizes_of(seed)):
        rows = replayed.rows(batch)
        out = np.zeros(len(rows.frames), np.int64)
        row = 0
        while row < len(out):
            row = found.number(
                rows.packets,
                rows.decisions,
                rows.frames,
                rows.times_ns,
                np.full(len(out), -1, np.int32),
                out,
                stops_to_adopt=adopts,
                begin=row,
            )
            if adopts and row > 0 and out[row - 1] > 0:
                number = int(out[row - 1])
                adoption = replayed.firewall.observed.numbered(number).adoption
                if adoption is not None and found.records[number - 1, layout.ADOPTED] < 0:
                    found.adopt(
                        number,
                        [
                            (interface_id, replayed.rule_sets.number(rule_ids))
                            for interface_id, rule_ids in adoption.rule_ids
                        ],
                    )
        found.see(rows.packets, rows.decisions, rows.frames, rows.times_ns, out, rows.rule_sets)
        numbers += out.tolist()
    return found, numbers


def told(connection, replayed):
    """What the plain connection says, in the words of ours."""
    refusal = connection.refusal
    return {
        "outcome": connection.outcome.name,
        "first_frame": connection.first_frame,
        "first_ns": connection.first_ns,
        "last_ns": connection.last_ns,
        "was_open": connection.was_open,
        "accepted": connection.accepted,
        "octets": connection.octets,
        "late": connection.late,
        "after": connection.after,
        "after_accepted": connection.after_accepted,
        "is_over": connection.is_over,
        "has_ending": connection.has_ending,
        "ends": (
            int(connection.first.source),
            int(connection.first.destination),
            connection.first.source_port,
            connection.first.destination_port,
            connection.first.protocol,
            connection.first.icmp_type,
            connection.first.icmp_code,
        ),
        "refusal": None
        if refusal is None
        else (
            refusal.frame,
            refusal.time_ns,
            refusal.interface.interface_id,
            refusal.direction,
            refusal.decision.reason,
            refusal.decision.rule_ids,
            refusal.decision.acl_rule_number,
            refusal.decision.state_before or 0,
            int(refusal.packet.source),
        ),
        "legs": [
            (
                interface_id,
                leg.direction,
                leg.opened,
                *leg.judged,
                leg.reason,
                leg.passed_ms,
                leg.packets,
            )
            for interface_id, leg in connection.legs.items()
        ],
    }


def address(hi, lo, family):
    number = (int(hi) & (1 << 64) - 1) << 64 | int(lo) & (1 << 64) - 1
    return number & 0xFFFFFFFF if family == 4 else number


def ours(found, number, replayed):
    row, outcome = found.records[number - 1], Became(found.outcomes()[number - 1])
    marks, ports = int(row[layout.MARKS]), int(row[layout.PORTS])
    family = 6 if ports >> layout.IPV6_BIT & 1 else 4
    ends = [
        (address(row[0], row[1], family), ports & 0xFFFF),
        (address(row[2], row[3], family), ports >> 16 & 0xFFFF),
    ]
    has_ports, has_icmp = ports >> layout.PORTS_BIT & 1, ports >> layout.ICMP_BIT & 1
    (source, sport), (destination, dport) = ends[:: -1 if marks & layout.FIRST_FROM_B else 1]
    refusal = None
    if row[layout.REFUSAL] >= 0:
        why = found.refusals[row[layout.REFUSAL]]
        acl_rule = int(why[layout.REFUSED_ACL_RULE])
        refusal = (
            why[layout.REFUSED_FRAME],
            why[layout.REFUSED_NS],
            found.interface_ids[why[layout.REFUSED_INTERFACE]],
            Direction(int(why[layout.REFUSED_DIRECTION])),
            Reason(int(why[layout.REFUSED_REASON])),
            replayed.rule_sets[why[layout.REFUSED_RULES]],
            None if acl_rule < 0 else acl_rule,
            why[layout.REFUSED_BEFORE],
            ends[why[layout.REFUSED_PACKET] & 1][0],
        )
    return {
        "outcome": outcome.name,
        "first_frame": found.births[number - 1, layout.FIRST_FRAME],
        "first_ns": found.births[number - 1, layout.FIRST_NS],
        "last_ns": row[layout.LAST_NS],
        "was_open": bool(marks & layout.WAS_OPEN),
        "accepted": row[layout.ACCEPTED],
        "octets": row[layout.OCTETS],
        "late": row[layout.LATE],
        "after": row[layout.AFTER],
        "after_accepted": row[layout.AFTER_ACCEPTED],
        "is_over": bool(marks & layout.IS_OVER),
        "has_ending": bool(marks & layout.HAS_ENDING),
        "ends": (
            source,
            destination,
            sport if has_ports else None,
            dport if has_ports else None,
            ports >> 32 & 0xFF,
            marks >> 16 & 0xFF if has_icmp else None,
            marks >> 24 & 0xFF if has_icmp else None,
        ),
        "refusal": refusal,
        "legs": [
            (
                found.interface_ids[leg[layout.LEG_PLACE] & 0xFFFFFFFF],
                leg[layout.LEG_PLACE] >> 32 & 1,
                replayed.rule_sets[leg[layout.LEG_OPENED]],
                replayed.rule_sets[leg[layout.LEG_JUDGED]],
                replayed.rule_sets[leg[layout.LEG_JUDGED + 1]],
                leg[layout.LEG_PLACE] >> 40,
                leg[layout.LEG_PASSED_MS],
                leg[layout.LEG_PACKETS],
            )
            for leg in found.legs_of(number)
        ],
    }


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("adopts", [True, False])
def test_any_frames_make_the_connections_of_the_plain_replay(network, seed, adopts):
    replayed = Replayed(Firewall(network, adopt=adopts))
    steps = replayed.decide(some_frames(seed, 1500, HOSTS))
    found, numbers = observe(replayed, steps, seed, adopts=adopts)
    assert numbers == replayed.rows(steps).connections.tolist()
    plain = list(replayed.firewall.observed)
    assert len(found) == len(plain) > 50
    for each in plain:
        assert ours(found, each.number, replayed) == told(each, replayed)


def plain_tally(replayed, seen):
    """The counts of a replay; they must be made between frames, as legs grow."""
    tally = Tally(replayed.firewall.network)
    steps = []
    for frame in seen:
        placed = replayed.firewall.decide_frame(frame)
        steps.append((replayed.firewall.now_ms, frame, placed))
        for each in placed:
            number = each.connection
            connection = None if number is None else replayed.firewall.observed.numbered(number)
            tally.add(each, connection)
    return tally, steps


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_any_frames_make_the_counts_of_the_plain_replay(network, seed):
    replayed = Replayed(Firewall(network))
    tally, steps = plain_tally(replayed, some_frames(seed, 2000, HOSTS))
    found, _ = observe(replayed, steps, seed)
    counted = found.counted
    assert {
        (verdict, Reason(reason)): counted.reasons[int(verdict is Verdict.ACCEPT), reason]
        for verdict in Verdict
        for reason in range(32)
        if counted.reasons[int(verdict is Verdict.ACCEPT), reason]
    } == dict(tally.reasons)
    for interface_id, count in tally.interfaces.items():
        row = counted.interfaces[found.interface_ids.index(interface_id)]
        for direction in Direction:
            for verdict in Verdict:
                which = 2 * direction + (verdict is Verdict.ACCEPT)
                assert row[layout.COUNT_PACKETS + which] == count.packets[direction, verdict]
                assert row[layout.COUNT_OCTETS + which] == count.octets[direction, verdict]
        assert row[layout.COUNT_CONNECTIONS] == count.connections
    assert found.entries() == {
        (use.network_acl_id, use.direction, use.rule_number): packets
        for use, packets in tally.acl_entries.items()
    }
    packets, connections = Counter(), Counter()
    for number, (of_packets, of_connections) in enumerate(counted.rules.tolist()):
        for rule_id in replayed.rule_sets[number] if of_packets else ():
            packets[rule_id] += of_packets
            connections[rule_id] += of_connections
    plain = tally.rules()
    assert packets == {rule_id: each.packets for rule_id, each in plain.items()}
    assert connections == {rule_id: each.connections for rule_id, each in plain.items()}
    assert len(plain) >= 3


class Lines:
    def __init__(self):
        self.lines = []

    def write(self, records):
        self.lines += [line_of(each) for each in records]


@pytest.mark.parametrize("seed", [21, 22])
@pytest.mark.parametrize("interval_s", [60, 600])
def test_any_frames_make_the_decisions_and_the_flow_log_of_the_plain_replay(
    network, seed, interval_s
):
    replayed, layout_of_log = Replayed(Firewall(network)), Format(fields=FIELDS)
    steps = replayed.decide(some_frames(seed, 2000, HOSTS))
    plain = Lines()
    sink = FlowLogSink(aggregate.Aggregator(network, layout_of_log, interval_s=interval_s), plain)
    for now_ms, _, placed in steps:
        sink.take(now_ms, placed)
    sink.finish()

    aggregator = Aggregator(
        network, layout_of_log, secret=SECRET, interval_s=interval_s, records=16
    )
    aggregator.use(replayed.interfaces)
    text, lines = io.BytesIO(), io.BytesIO()
    columns = RecordColumns(layout_of_log, replayed.rule_sets.__getitem__)
    writer = TextWriter(text, columns, header=False)
    of_decisions = JsonWriter(lines, replayed.rule_sets)
    of_decisions.use(replayed.interfaces, replayed.acl_ids)
    for batch in cut(steps, sizes_of(seed)):
        rows = replayed.rows(batch)
        of_decisions.write(rows)
        for finished in aggregator.add(rows.packets, rows.decisions, rows.rule_sets):
            writer.write(finished)
    for finished in aggregator.close():
        writer.write(finished)
    assert text.getvalue().decode().splitlines() == plain.lines
    assert lines.getvalue().decode().splitlines() == [
        decision_line(each) for _, _, placed in steps for each in placed
    ]
