"""Batches become the same flow logs as single packets do."""

import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from secgroup.engine.aggregate import Aggregator, secret_of
from secgroup.engine.record import RecordColumns
from secgroup.engine.rule_sets import RuleSets
from secgroup.engine.write import TextWriter
from secgroup.flowlog import aggregate, write
from secgroup.flowlog.fields import FIELDS, Format
from tests.engine.rows import columns_of
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
@settings(deadline=None)
def test_any_traffic_in_any_format_makes_the_text_of_the_plain_aggregator(
    passings, layout, interval_s, nodata, size
):
    options = {"interval_s": interval_s, "nodata": nodata}
    batched = Batched(NETWORK, layout, INTERFACES, **options)
    assert batched.text(passings, size) == plain_text(NETWORK, layout, passings, **options)
