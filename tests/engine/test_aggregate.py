"""Batches become the same flow logs as single packets do."""

import io
from dataclasses import replace
from random import Random

import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secgroup.decision import Decision, Reason, Verdict
from secgroup.engine import write as write_columns
from secgroup.engine.aggregate import Aggregator, secret_of
from secgroup.engine.record import RecordColumns
from secgroup.engine.rule_sets import RuleSets
from secgroup.engine.write import TextWriter
from secgroup.errors import InputError
from secgroup.flowlog import aggregate, write
from secgroup.flowlog.fields import DEFAULT_FORMAT, FIELDS, Format
from secgroup.net.direction import Direction
from secgroup.net.packet import Fragment, Malformed
from tests.engine.rows import columns_of
from tests.flowlog.scenes import Passing, a_network, tcp, udp
from tests.flowlog.test_laws import INTERFACES, NETWORK, formats, intervals, traffic

EVERYTHING = Format(fields=FIELDS)
SECRET = secret_of(1)


class Batched:
    """Feeds passings in batches of some size, and keeps the text."""

    def __init__(self, network, layout, interfaces, **options):
        self.interfaces = list(interfaces)
        self.rows = {each.interface_id: i for i, each in enumerate(self.interfaces)}
        self.sets = RuleSets()
        self.known: list[tuple[str, ...]] = []
        self.columns = RecordColumns(layout, self.sets.__getitem__)
        self.aggregator = Aggregator(network, layout, secret=SECRET, **options)
        self.aggregator.use(self.interfaces)
        self.sets.use(
            np.zeros(len(self.interfaces), np.int32), lambda *classes: self.known[classes[-1]]
        )

    def class_of(self, rule_ids):
        if rule_ids not in self.known:
            self.known.append(rule_ids)
        return self.known.index(rule_ids)

    def batches(self, passings):
        rows = [
            (
                each.at_ms,
                self.rows[each.interface.interface_id],
                each.direction,
                each.packet,
                each.decision,
            )
            for each in passings
        ]
        packets, decisions = columns_of(rows, self.class_of)
        sets = self.sets.of(packets, decisions)
        yield from self.aggregator.add(packets, decisions, sets)

    def text(self, passings, size=None):
        stream = io.BytesIO()
        writer = TextWriter(stream, self.columns, header=False)
        size = size or max(1, len(passings))
        for begin in range(0, len(passings), size):
            for batch in self.batches(passings[begin : begin + size]):
                writer.write(batch)
        for batch in self.aggregator.close():
            writer.write(batch)
        return stream.getvalue().decode()


def plain_records(network, layout, passings, **options):
    aggregator = aggregate.Aggregator(network, layout, **options)
    found = []
    for each in passings:
        found += aggregator.add(
            each.at_ms, each.interface, each.direction, each.packet, each.decision
        )
    return found + list(aggregator.close())


def plain_text(*arguments, **options):
    return "".join(write.line_of(each) + "\n" for each in plain_records(*arguments, **options))


@given(traffic(), formats, intervals, st.booleans(), st.integers(1, 12))
@settings(max_examples=60)
def test_any_traffic_in_any_format_makes_the_text_of_the_plain_aggregator(
    passings, layout, interval_s, nodata, size
):
    options = {"interval_s": interval_s, "nodata": nodata}
    batched = Batched(NETWORK, layout, INTERFACES, **options)
    assert batched.text(passings, size) == plain_text(NETWORK, layout, passings, **options)


def crowd(seed, count, *, hosts=40, gap_ms=20):
    """Seeded packets of many flows at three interfaces: fragments, damage, silence, rules."""
    random = Random(seed)
    now_ms, found = 1_700_000_000_123, []
    rules = [tuple(f"sgr-{random.randrange(9)}" for _ in range(n % 4)) for n in range(24)]
    for _ in range(count):
        now_ms += random.choice([0, 1, gap_ms, -500])
        if random.random() < 0.002:
            now_ms += random.choice([59_000, 61_000, 700_000, 86_400_001])
        interface = random.choice(INTERFACES)
        ends = f"10.0.0.{random.randrange(5, 9)}", f"198.51.100.{random.randrange(hosts)}"
        if random.random() < 0.5:
            ends = ends[::-1]
        make = tcp if random.random() < 0.7 else udp
        packet = make(ends[0], random.randrange(3), ends[1], random.randrange(3), length=40)
        if random.random() < 0.2:
            later = random.random() < 0.5
            fragment = Fragment(
                identification=random.randrange(4000),
                offset=1480 if later else 0,
                more=not later,
                protocol=packet.protocol,
            )
            without = {"source_port": None, "destination_port": None, "tcp": None}
            packet = replace(packet, fragment=fragment, **(without if later else {}))
        elif random.random() < 0.05:
            packet = Malformed(
                problem="cut",
                length=31,
                source=packet.source,
                destination=random.choice([None, packet.destination]),
                protocol=random.choice([None, 6, 17, 1]),
            )
        accepted = random.random() < 0.8
        reasons = (Reason.NEW, Reason.ESTABLISHED) if accepted else (Reason.NETWORK_ACL,)
        found.append(
            Passing(
                at_ms=now_ms,
                interface=interface,
                direction=random.choice(list(Direction)),
                packet=packet,
                decision=Decision(
                    verdict=Verdict.ACCEPT if accepted else Verdict.REJECT,
                    reason=random.choice(reasons),
                    rule_ids=random.choice(rules),
                    logged=random.random() < 0.95,
                ),
            )
        )
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [1, 33, 5000])
def test_a_crowd_in_small_tables_makes_the_text_of_the_plain_aggregator(seed, size):
    passings = crowd(seed, 600 if size == 1 else 6000)
    options = {"interval_s": 60}
    batched = Batched(NETWORK, EVERYTHING, INTERFACES, records=4, **options)
    assert batched.text(passings, size) == plain_text(NETWORK, EVERYTHING, passings, **options)
    assert len(batched.aggregator) == 0


def test_without_reason_and_rules_the_crowd_has_fewer_records():
    passings = crowd(5, 4000)
    batched = Batched(NETWORK, DEFAULT_FORMAT, INTERFACES)
    assert batched.text(passings, 1000) == plain_text(NETWORK, DEFAULT_FORMAT, passings)


def test_records_of_ended_windows_make_room_for_new_ones():
    batched = Batched(NETWORK, DEFAULT_FORMAT, INTERFACES, records=64, interval_s=60)
    for each in range(40):
        passings = [
            replace(each_passing, at_ms=each * 60_000)
            for each_passing in crowd(each, 200, gap_ms=0)
        ]
        list(batched.batches(passings))
        assert len(batched.aggregator) <= 200
    assert batched.aggregator._live.rests.shape[0] <= 512


def test_windows_start_where_they_are_told_to():
    passings = crowd(6, 2000)
    options = {"interval_s": 600, "window_start_ms": 1_700_000_000_000}
    batched = Batched(NETWORK, EVERYTHING, INTERFACES, **options)
    assert batched.text(passings, 100) == plain_text(NETWORK, EVERYTHING, passings, **options)


def test_fragments_of_more_packets_than_the_table_holds_find_their_first():
    first = udp("10.0.0.5", 7, "198.51.100.1", 53)
    passings = []
    for number in range(5000):
        fragment = Fragment(identification=number, offset=0, more=True, protocol=17)
        passings.append((number // 4, replace(first, fragment=fragment)))
    for number in range(5000):
        later = Fragment(identification=number, offset=1480, more=False, protocol=17)
        bare = replace(first, source_port=None, destination_port=None, fragment=later)
        passings.append((30_000 + number // 4, bare))
    passings = [
        Passing(
            at_ms=at_ms,
            interface=INTERFACES[0],
            direction=Direction.EGRESS,
            packet=packet,
            decision=Decision(verdict=Verdict.ACCEPT, reason=Reason.NEW),
        )
        for at_ms, packet in passings
    ]
    batched = Batched(NETWORK, DEFAULT_FORMAT, INTERFACES)
    text = batched.text(passings, 999)
    assert text == plain_text(NETWORK, DEFAULT_FORMAT, passings)
    assert len(text.splitlines()) == 2  # a part found its first, the rest came too late


def test_another_network_describes_windows_that_open_from_now_on():
    moved = replace(INTERFACES[0], instance_id="i-9", subnet_id="subnet-9")
    network = a_network(moved, INTERFACES[1])
    passings = crowd(8, 600)
    plain = aggregate.Aggregator(NETWORK, EVERYTHING, interval_s=60)
    batched = Batched(NETWORK, EVERYTHING, INTERFACES, interval_s=60)
    expected, stream = [], io.BytesIO()
    writer = TextWriter(stream, batched.columns, header=False)
    for at, each in enumerate(passings):
        if at == 300:
            plain.change(network)
            batched.aggregator.change(network)
            batched.aggregator.use([moved, *INTERFACES[1:]])
        now = moved if at >= 300 and each.interface is INTERFACES[0] else each.interface
        expected += plain.add(each.at_ms, now, each.direction, each.packet, each.decision)
        for batch in batched.batches([each]):
            writer.write(batch)
    expected += plain.close()
    for batch in batched.aggregator.close():
        writer.write(batch)
    assert stream.getvalue().decode().splitlines() == [write.line_of(each) for each in expected]


def test_lost_packets_make_skipdata_records():
    passings = crowd(9, 50)
    plain = aggregate.Aggregator(NETWORK, EVERYTHING)
    batched = Batched(NETWORK, EVERYTHING, INTERFACES)
    at_ms = passings[0].at_ms - 5
    assert list(plain.skip(at_ms, INTERFACES[2])) == []
    assert list(batched.aggregator.skip(at_ms, INTERFACES[2])) == []
    expected = []
    for each in passings:
        expected += plain.add(
            each.at_ms, each.interface, each.direction, each.packet, each.decision
        )
    expected += plain.close()
    text = batched.text(passings)
    assert "SKIPDATA" in text
    assert text.splitlines() == [write.line_of(each) for each in expected]


def test_interval_that_aws_does_not_offer_is_refused():
    with pytest.raises(InputError, match="expected 60 or 600"):
        Aggregator(NETWORK, secret=SECRET, interval_s=61)


@pytest.mark.parametrize("name", ["log.txt", "log.gz", "log.parquet"])
def test_files_hold_what_the_plain_writer_writes(tmp_path, monkeypatch, name):
    for module in (write, write_columns):
        monkeypatch.setattr(module, "ROW_GROUP", 1000)
    passings = crowd(10, 4000)
    records = plain_records(NETWORK, EVERYTHING, passings, interval_s=60)
    with write.flow_log_writer(tmp_path / f"a-{name}", EVERYTHING) as writer:
        for begin in range(0, len(records), 700):
            writer.write(records[begin : begin + 700])
    batched = Batched(NETWORK, EVERYTHING, INTERFACES, interval_s=60)
    with write_columns.flow_log_writer(tmp_path / f"b-{name}", batched.columns) as writer:
        for begin in range(0, len(passings), 512):
            for batch in batched.batches(passings[begin : begin + 512]):
                writer.write(batch)
        for batch in batched.aggregator.close():
            writer.write(batch)
    if name.endswith("parquet"):
        plain, ours = (pyarrow.parquet.ParquetFile(tmp_path / f"{each}-{name}") for each in "ab")
        assert ours.schema_arrow == plain.schema_arrow
        assert ours.read().equals(plain.read())
        assert ours.metadata.num_row_groups == plain.metadata.num_row_groups > 1
    else:
        assert (tmp_path / f"b-{name}").read_bytes() == (tmp_path / f"a-{name}").read_bytes()
        assert len((tmp_path / f"b-{name}").read_bytes()) > 10_000


def test_failure_leaves_what_was_there(tmp_path):
    path = tmp_path / "log.parquet"
    path.write_text("before")
    columns = RecordColumns(DEFAULT_FORMAT)
    with pytest.raises(ZeroDivisionError), write_columns.flow_log_writer(path, columns):
        raise ZeroDivisionError
    assert path.read_text() == "before"
