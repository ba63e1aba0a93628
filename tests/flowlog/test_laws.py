"""Laws of flow logs, on any packets at any interfaces in any order."""

import io
from collections import Counter
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path

import pyarrow.parquet
import pytest
from flowlogs_reader import FlowRecord, S3FlowLogsReader
from hypothesis import given, settings
from hypothesis import strategies as st

from secgroup.decision import Decision, Reason, Verdict
from secgroup.flowlog.aggregate import Aggregator
from secgroup.flowlog.fields import (
    DEFAULT_FORMAT,
    FIELDS,
    FieldType,
    Format,
    format_of,
    parse_format,
)
from secgroup.flowlog.read import read_flow_log
from secgroup.flowlog.write import flow_log_writer, line_of
from secgroup.net.direction import Direction
from secgroup.net.packet import Fragment, Icmp, Malformed, Packet, Tcp
from secgroup.net.protocol import ICMP, TCP, UDP, TcpFlag
from tests.flowlog.scenes import Passing, a_network, an_interface, named

#: flowlogs-reader uses what Python 3.12 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:.*utcfromtimestamp:DeprecationWarning")

INTERFACES = (
    an_interface("eni-1", "10.0.0.5", "10.0.0.6", "2001:db8::5", instance_id="i-1"),
    an_interface("eni-2", "10.0.0.7", interface_type="natGateway"),
    an_interface("Odd name", "2001:db8::7", prefixes=(ip_network("10.0.1.0/28"),)),
)
NETWORK = a_network(*INTERFACES)
REASONS = {Verdict.ACCEPT: (Reason.NEW, Reason.ESTABLISHED), Verdict.REJECT: (Reason.NETWORK_ACL,)}
KNOWN_TO_FLOWLOGS_READER = [field for field in FIELDS if field.column in FlowRecord.__slots__]

families = st.sampled_from([4, 6])
ports = st.sampled_from([0, 22, 65535])


def addresses(family):
    if family == 4:
        return st.sampled_from([*map(IPv4Address, ["10.0.0.5", "10.0.1.3", "198.51.100.1"])])
    return st.sampled_from([*map(IPv6Address, ["2001:db8::5", "2001:db8::ffff"])])


@st.composite
def packets(draw):
    family = draw(families)
    ends = {"source": draw(addresses(family)), "destination": draw(addresses(family))}
    protocol = draw(st.sampled_from([ICMP, TCP, UDP, 50]))
    length = draw(st.integers(20, 65535))
    kind = draw(st.sampled_from(["whole", "first", "later", "malformed"]))
    if kind == "malformed":
        return Malformed(problem="cut", length=length, protocol=protocol, **ends)
    fragment = None
    if kind != "whole":
        fragment = Fragment(
            identification=draw(st.integers(0, 2)),
            offset=0 if kind == "first" else 1480,
            more=kind == "first",
            protocol=protocol,
        )
    headers = {}
    if kind != "later":
        if protocol in (TCP, UDP):
            headers = {"source_port": draw(ports), "destination_port": draw(ports)}
        if protocol == TCP:
            flags = TcpFlag(draw(st.integers(0, 255)))
            headers["tcp"] = Tcp(flags=flags, sequence=0, acknowledgement=0, payload=0)
        if protocol == ICMP and family == 4:
            headers["icmp"] = Icmp(type=8, code=0, identifier=1)
    return Packet(**ends, protocol=protocol, length=length, fragment=fragment, **headers)


@st.composite
def decisions(draw):
    verdict = draw(st.sampled_from(list(Verdict)))
    return Decision(
        verdict=verdict,
        reason=draw(st.sampled_from(REASONS[verdict])),
        rule_ids=tuple(
            draw(st.lists(st.sampled_from(["sgr-1", "sgr-2", "Web tier/0"]), max_size=2))
        ),
        logged=draw(st.integers(0, 9)) > 0,
    )


@st.composite
def traffic(draw):
    now_ms, found = draw(st.sampled_from([0, 1_566_848_875_123])), []
    for packet in draw(st.lists(packets(), max_size=12)):
        now_ms += draw(st.sampled_from([-1000, 0, 1, 999, 29_999, 60_000, 600_000]))
        found.append(
            Passing(
                at_ms=max(0, now_ms),
                interface=draw(st.sampled_from(INTERFACES)),
                direction=draw(st.sampled_from(list(Direction))),
                packet=packet,
                decision=draw(decisions()),
            )
        )
    return found


formats = st.lists(st.sampled_from(FIELDS), min_size=1, unique=True).map(
    lambda fields: Format(fields=tuple(fields))
)
intervals = st.sampled_from([60, 600])


def records(passings, layout, **options):
    """In file order, clock steps back included."""
    aggregator = Aggregator(NETWORK, layout, **options)
    found = []
    for each in passings:
        found += aggregator.add(
            each.at_ms, each.interface, each.direction, each.packet, each.decision
        )
    return found + list(aggregator.close())


@given(traffic(), formats, intervals, st.booleans())
@pytest.mark.semantics("flowlog-1")
def test_packets_and_bytes_are_conserved(passings, layout, interval_s, nodata):
    names = dict.fromkeys([*layout.names, "packets", "bytes", "log-status"])
    found = records(passings, format_of(names), interval_s=interval_s, nodata=nodata)
    rows = [named(format_of(names), record) for record in found]
    logged = [each.packet for each in passings if each.decision.logged]
    assert sum(row["packets"] or 0 for row in rows) == len(logged)
    assert sum(row["bytes"] or 0 for row in rows) == sum(packet.length for packet in logged)
    assert all((row["packets"] is None) == (row["log-status"] == "NODATA") for row in rows)


@given(traffic(), intervals)
@pytest.mark.semantics("flowlog-23")
def test_records_lie_within_windows_that_come_in_order_and_are_unique_in_them(passings, interval_s):
    key = ["interface-id", "pkt-srcaddr", "pkt-dstaddr", "srcport", "dstport", "protocol",
           "action", "flow-direction"]  # fmt: skip
    layout = format_of([*key, "start", "end"])
    found = records(passings, layout, interval_s=interval_s, nodata=False, window_start_ms=0)
    rows = [named(layout, record) for record in found]
    windows = [row["start"] // interval_s for row in rows]
    assert windows == [row["end"] // interval_s for row in rows]
    order = [(at, row["interface-id"]) for at, row in zip(windows, rows, strict=True)]
    by_id = {"Odd%20name": "Odd name"}
    assert order == sorted(order, key=lambda each: (each[0], by_id.get(each[1], each[1])))
    seen = Counter(
        (at, *(row[name] for name in key)) for at, row in zip(windows, rows, strict=True)
    )
    assert set(seen.values()) <= {1}


@given(traffic(), formats, intervals)
def test_format_only_chooses_among_the_values(passings, layout, interval_s):
    parting = ["secgroup-reason"] if "secgroup-reason" in layout.names else []
    others = [f.name for f in FIELDS if f.name not in ("version", "secgroup-reason")]
    wide = format_of([*others, *parting])
    rows = [named(wide, record) for record in records(passings, wide, interval_s=interval_s)]
    assert records(passings, layout, interval_s=interval_s) == [
        tuple(layout.version if name == "version" else row[name] for name in layout.names)
        for row in rows
    ]


@given(traffic(), st.integers(0, 12))
def test_closing_later_or_feeding_a_prefix_changes_no_finished_record(passings, cut):
    aggregator = Aggregator(NETWORK, interval_s=60)
    finished = []
    for each in passings[:cut]:
        finished += aggregator.add(
            each.at_ms, each.interface, each.direction, each.packet, each.decision
        )
    assert records(passings, DEFAULT_FORMAT, interval_s=60)[: len(finished)] == finished


def as_they_see_it(record, layout):
    """What flowlogs-reader should make of a record."""
    return {
        field.column: datetime.fromtimestamp(value, UTC).replace(tzinfo=None)
        if field.column in ("start", "end")
        else value
        for field, value in zip(layout.fields, record, strict=True)
        if value is not None
    }


@given(traffic())
@settings(max_examples=50)
@pytest.mark.semantics("flowlog-22")
def test_every_line_that_we_write_is_read_by_flowlogs_reader(passings):
    layout = Format(fields=tuple(KNOWN_TO_FLOWLOGS_READER))
    columns = [field.column for field in layout.fields]
    for record in records(passings, layout, interval_s=60):
        theirs = FlowRecord.from_cwl_event({"message": line_of(record)}, columns)
        assert theirs.to_dict() == as_they_see_it(record, layout)


class Bucket:
    """As much of S3 as flowlogs-reader asks for: the objects are files."""

    def get_object(self, Bucket, Key):  # noqa: N803
        octets = Path(Bucket, Key).read_bytes()
        return {"Body": io.BytesIO(octets), "ContentLength": len(octets)}


@given(traffic(), formats)
@settings(max_examples=30)
@pytest.mark.semantics("flowlog-22")
def test_every_file_that_we_deliver_is_read_by_flowlogs_reader(tmp_path_factory, passings, layout):
    found = records(passings, layout, interval_s=60)
    folder = tmp_path_factory.getbasetemp()
    theirs = S3FlowLogsReader(str(folder), boto_client=Bucket())
    theirs.bucket = str(folder)
    for name in ("theirs.log.gz", "theirs.parquet"):
        with flow_log_writer(folder / name, layout) as log:
            log.write(found)
        rows = list(theirs._read_file(name))
        expected = [as_they_see_it(record, layout) for record in found]
        assert [FlowRecord(row).to_dict() for row in rows] == [
            {column: value for column, value in each.items() if column in FlowRecord.__slots__}
            for each in expected
        ]


@given(traffic(), formats)
@settings(max_examples=30)
@pytest.mark.semantics("flowlog-22")
def test_text_gzip_and_parquet_hold_the_same_records(tmp_path_factory, passings, layout):
    found = records(passings, layout, interval_s=60)
    folder = tmp_path_factory.getbasetemp()
    for name in ("law.log", "law.log.gz", "law.parquet"):
        with flow_log_writer(folder / name, layout) as log:
            log.write(found)
        back = read_flow_log(folder / name)
        assert back.format == layout
        assert list(back.records) == found
    schema = pyarrow.parquet.read_schema(folder / "law.parquet")
    for column, field in zip(schema, layout.fields, strict=True):
        wanted = {FieldType.STRING: "string", FieldType.INT_32: "int32", FieldType.INT_64: "int64"}
        assert (column.name, str(column.type)) == (field.column, wanted[field.type])


def naively(passings, interval_s):
    """The same records by one look at all packets: no windows that open and close."""
    first_ms, ports_of, groups, clock_ms = {}, {}, {}, None
    for each in passings:
        clock_ms = each.at_ms if clock_ms is None else max(clock_ms, each.at_ms)
        packet, decision = each.packet, each.decision
        if not decision.logged:
            continue
        protocol, ends = packet.protocol, (0, 0)
        if isinstance(packet, Malformed):
            ends = (None, None) if protocol in (TCP, UDP) else (0, 0)
        elif protocol in (TCP, UDP):
            ends = (packet.source_port, packet.destination_port)
        if isinstance(packet, Packet) and packet.fragment is not None:
            whose = (each.interface.interface_id, each.direction, packet.source,
                     packet.destination, packet.fragment.protocol,
                     packet.fragment.identification)  # fmt: skip
            if not packet.is_later_fragment:
                ports_of[whose] = (clock_ms, protocol, ends)
            elif clock_ms - ports_of.get(whose, (-30_000,))[0] < 30_000:
                _, protocol, ends = ports_of[whose]
        name = each.interface.interface_id
        start_ms = first_ms.setdefault(name, clock_ms)
        start_ms += (clock_ms - start_ms) // (interval_s * 1000) * interval_s * 1000
        key = (start_ms, name, str(each.direction), packet.source, packet.destination, *ends,
               protocol, decision.verdict.value)  # fmt: skip
        groups.setdefault(key, []).append((clock_ms // 1000, packet.length))
    ordered = sorted(groups.items(), key=lambda item: item[0][:2])
    return [
        (
            name.replace(" ", "%20"), direction, str(source), str(destination), *rest,
            len(packets), sum(length for _, length in packets), packets[0][0], packets[-1][0],
        )
        for (_, name, direction, source, destination, *rest), packets in ordered
    ]  # fmt: skip


@given(traffic(), intervals)
@settings(max_examples=200)
@pytest.mark.semantics("flowlog-1", "flowlog-4", "flowlog-18", "flowlog-23", "flowlog-24")
def test_records_are_those_of_a_naive_grouping(passings, interval_s):
    layout = parse_format(
        "${interface-id} ${flow-direction} ${pkt-srcaddr} ${pkt-dstaddr} ${srcport} ${dstport} "
        "${protocol} ${action} ${packets} ${bytes} ${start} ${end}"
    )
    found = records(passings, layout, interval_s=interval_s, nodata=False)
    assert found == naively(passings, interval_s)
