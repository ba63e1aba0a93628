"""Batches of decisions become the same lines, and the same table, as single ones do."""

import io
import json
from ipaddress import IPv4Address, IPv6Address
from random import Random

import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secgroup.conntrack.state import State
from secgroup.decision import Decision, Reason, Verdict
from secgroup.engine.decisions import (
    ArrowColumns,
    JsonWriter,
    ParquetWriter,
    Rows,
    decision_writer,
)
from secgroup.engine.rule_sets import RuleSets
from secgroup.errors import OutputError
from secgroup.net.direction import Direction
from secgroup.net.packet import Fragment, Icmp, Malformed, Packet, Tcp
from secgroup.net.protocol import TcpFlag
from secgroup.replay.connections import Placed
from secgroup.replay.decisions import decision_line
from tests.engine.rows import columns_of
from tests.flowlog.scenes import an_interface

INTERFACES = (
    an_interface("eni-1", "10.0.0.5"),
    an_interface('Wéb "tier"', "10.0.0.6", vpc_id="Vpc\n1"),
    an_interface("eni-3", "2001:db8::5"),
)
ACL_IDS = ("acl-1", "acl-\\2", "acl-1")
RULES = ((), ("sgr-1",), ("sgr-1", 'Wéb "tier"/ingress/0'), ("sgr-2",))


class Table:
    """What gives rows their rule sets; the plain rule ids are known to it by class."""

    def __init__(self):
        self.rule_sets = RuleSets()
        self.known: list[tuple[str, ...]] = []
        self.rule_sets.use(
            np.zeros(len(INTERFACES), np.int32), lambda *classes: self.known[classes[-1]]
        )

    def class_of(self, rule_ids):
        if rule_ids not in self.known:
            self.known.append(rule_ids)
        return self.known.index(rule_ids)

    def rows(self, placed):
        """None stands for a frame that was not decided."""
        found = [
            (
                each.time_ns // 10**6,
                -1 if each.interface is None else INTERFACES.index(each.interface),
                each.direction or Direction.INGRESS,
                each.packet,
                each.decision,
            )
            for each in placed
        ]
        packets, decisions = columns_of(found, self.class_of)
        return Rows(
            packets=packets,
            decisions=decisions,
            frames=np.array([each.frame for each in placed], np.int64),
            times_ns=np.array([each.time_ns for each in placed], np.int64),
            connections=np.array([each.connection or 0 for each in placed], np.int64),
            rule_sets=self.rule_sets.of(packets, decisions),
        )


def lines(placed, size=None):
    stream, table = io.BytesIO(), Table()
    writer = JsonWriter(stream, table.rule_sets)
    writer.use(INTERFACES, ACL_IDS)
    size = size or max(1, len(placed))
    for begin in range(0, len(placed), size):
        writer.write(table.rows(placed[begin : begin + size]))
    return stream.getvalue().decode().splitlines()


numbers = st.sampled_from([0, 1, 9, 10, 99, 100, 1_000, 65_535])
v4 = st.integers(0, 2**32 - 1).map(IPv4Address)
v6 = st.integers(0, 2**128 - 1).map(IPv6Address) | st.lists(
    st.sampled_from([0, 0, 1, 0xFFFF, 0xA0]), min_size=8, max_size=8
).map(lambda groups: IPv6Address(sum(each << 16 * i for i, each in enumerate(groups))))


@st.composite
def packets(draw):
    address = draw(st.sampled_from([v4, v6]))
    source, destination = draw(address), draw(address)
    length = draw(st.integers(0, 2**32 - 1))
    kind = draw(st.sampled_from(["tcp", "udp", "icmp", "other", "later", "malformed"]))
    if kind == "malformed":
        return Malformed(
            problem="cut",
            length=length,
            source=draw(st.sampled_from([None, source])),
            destination=draw(st.sampled_from([None, destination])),
            protocol=draw(st.sampled_from([None, 0, 6, 255])),
        )
    protocol = {"tcp": 6, "udp": 17, "icmp": 1 if source.version == 4 else 58}.get(kind, 50)
    headers = {}
    if kind in ("tcp", "udp"):
        headers = {"source_port": draw(numbers), "destination_port": draw(numbers)}
    if kind == "tcp":
        headers["tcp"] = Tcp(flags=TcpFlag.SYN, sequence=1, acknowledgement=0, payload=0)
    if kind == "icmp":
        headers["icmp"] = Icmp(type=draw(st.integers(0, 255)), code=draw(st.integers(0, 255)))
    if kind == "later":
        headers["fragment"] = Fragment(identification=1, offset=8, more=False, protocol=50)
    return Packet(
        source=source, destination=destination, protocol=protocol, length=length, **headers
    )


@st.composite
def placings(draw):
    packet = draw(packets())
    here = draw(st.sampled_from(INTERFACES))
    asked = draw(st.booleans())
    states = st.sampled_from([None, *State])
    nowhere = isinstance(packet, Malformed) and draw(st.booleans())
    if nowhere:
        decision = Decision(verdict=Verdict.REJECT, reason=Reason.MALFORMED)
    else:
        decision = Decision(
            verdict=draw(st.sampled_from(list(Verdict))),
            reason=draw(st.sampled_from(list(Reason))),
            rule_ids=draw(st.sampled_from(RULES)),
            network_acl_id=ACL_IDS[INTERFACES.index(here)] if asked else None,
            acl_rule_number=draw(st.sampled_from([0, 1, 100, 32767, 32768])) if asked else None,
            state_before=draw(states),
            state_after=draw(states),
        )
    return Placed(
        frame=draw(st.integers(1, 2**40)),
        time_ns=draw(st.integers(0, 2**62)),
        packet=packet,
        interface=None if nowhere else here,
        direction=None if nowhere else draw(st.sampled_from(list(Direction))),
        decision=decision,
        connection=draw(st.sampled_from([None, 1, 2**33])),
    )


@given(st.lists(placings(), max_size=12), st.integers(1, 12))
@settings(max_examples=60)
def test_any_decisions_are_the_lines_that_the_plain_writer_writes(placed, size):
    assert lines(placed, size) == [decision_line(each) for each in placed]


def values_of(placed):
    return [json.loads(decision_line(each)) for each in placed]


@given(st.lists(placings(), max_size=12))
@settings(max_examples=50)
def test_any_decisions_are_the_rows_that_their_lines_say(placed):
    table = Table()
    columns = ArrowColumns(table.rule_sets)
    columns.use(INTERFACES, ACL_IDS)
    assert columns.of(table.rows(placed)).to_pylist() == values_of(placed)


def some(count, seed=1):
    random = Random(seed)
    found = []
    for frame in range(1, count + 1):
        here = random.choice(INTERFACES[:2])
        found.append(
            Placed(
                frame=frame,
                time_ns=frame * 10**6,
                packet=Packet(
                    source=IPv4Address(random.getrandbits(32)),
                    destination=IPv4Address(random.getrandbits(32)),
                    protocol=17,
                    length=40,
                    source_port=random.getrandbits(16),
                    destination_port=53,
                ),
                interface=here,
                direction=random.choice(list(Direction)),
                decision=Decision(
                    verdict=Verdict.ACCEPT,
                    reason=Reason.NEW,
                    rule_ids=(f"sgr-{random.randrange(50)}",),
                    network_acl_id=ACL_IDS[INTERFACES.index(here)],
                    acl_rule_number=100,
                    state_after=State.UDP_1_0,
                ),
                connection=frame,
            )
        )
    return found


def test_more_lines_than_the_buffer_holds_are_all_written():
    placed = some(6000)
    found = lines(placed, 5000)
    assert found == [decision_line(each) for each in placed]
    assert sum(map(len, found)) > 1 << 21


def test_rows_of_no_decision_are_left_out():
    table, placed = Table(), some(3)
    rows = table.rows(placed)
    rows.decisions.reason[1] = 0
    stream = io.BytesIO()
    writer = JsonWriter(stream, table.rule_sets)
    writer.use(INTERFACES, ACL_IDS)
    writer.write(rows)
    columns = ArrowColumns(table.rule_sets)
    columns.use(INTERFACES, ACL_IDS)
    left = [decision_line(placed[0]), decision_line(placed[2])]
    assert stream.getvalue().decode().splitlines() == left
    assert columns.of(rows).to_pylist() == [json.loads(each) for each in left]


@pytest.mark.parametrize("name", ["decisions.parquet", "decisions.jsonl"])
def test_file_of_several_batches_with_words_that_come_late_holds_every_decision(tmp_path, name):
    table, placed = Table(), some(3000)
    path = tmp_path / name
    with decision_writer(path, table.rule_sets) as writer:
        writer.use(INTERFACES[:1], ACL_IDS[:1])
        first = [each for each in placed if each.interface is INTERFACES[0]]
        writer.write(table.rows(first))
        writer.use(INTERFACES, ACL_IDS)
        writer.write(table.rows(placed))
    if name.endswith("parquet"):
        found = pyarrow.parquet.read_table(path).to_pylist()
    else:
        found = [json.loads(line) for line in path.read_text().splitlines()]
    assert found == values_of(first + placed)


def test_failure_leaves_what_was_there(tmp_path):
    path = tmp_path / "decisions.parquet"
    path.write_text("before")
    with (
        pytest.raises(ZeroDivisionError),
        decision_writer(path, RuleSets()),
    ):
        raise ZeroDivisionError
    assert path.read_text() == "before"
    with pytest.raises(OutputError), decision_writer(tmp_path / "no" / "x.parquet", RuleSets()):
        pass


def test_row_groups_are_written_as_they_fill(monkeypatch):
    monkeypatch.setattr("secgroup.engine.decisions.ROW_GROUP", 1000)
    table, stream = Table(), io.BytesIO()
    writer = ParquetWriter(stream, table.rule_sets)
    writer.use(INTERFACES, ACL_IDS)
    placed = some(2500)
    for begin in range(0, 2500, 500):
        rows = table.rows(placed[begin : begin + 500])
        writer.write(rows)
        # Their memory is used again as soon as they have been taken.
        for column in (
            *rows.packets,
            *rows.decisions,
            rows.frames,
            rows.times_ns,
            rows.connections,
        ):
            column.fill(1)
    writer.finish()
    found = pyarrow.parquet.ParquetFile(io.BytesIO(stream.getvalue()))
    assert found.metadata.num_row_groups == 3
    assert found.read().to_pylist() == values_of(placed)
