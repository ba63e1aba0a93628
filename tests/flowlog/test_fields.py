from pathlib import Path

import pytest
from flowlogs_reader import FlowRecord
from tools import flow_log_fields

from secgroup.errors import InputError
from secgroup.flowlog.aggregate import Aggregator
from secgroup.flowlog.fields import (
    DEFAULT_FORMAT,
    FIELD_OF,
    FIELDS,
    FieldType,
    format_of,
    parse_format,
)
from secgroup.flowlog.record import GETTERS
from tests.flowlog.scenes import IN, Passing, a_network, an_interface, records_of, tcp

#: How many fields AWS's table has by version, and which are numbers there (VPC User Guide, Flow
#: log records, Available fields, June 2026).
FIELDS_BY_VERSION = {2: 14, 3: 7, 4: 4, 5: 4, 7: 10, 8: 1, 9: 1, 10: 1, 11: 12}
INT_32 = {
    "version", "srcport", "dstport", "protocol", "tcp-flags", "traffic-path", "encryption-status",
}  # fmt: skip
INT_64 = {"packets", "bytes", "start", "end"}


@pytest.mark.semantics("flowlog-7")
def test_every_field_of_every_version_is_there():
    for version, count in FIELDS_BY_VERSION.items():
        assert sum(field.version == version for field in FIELDS) == count, version
    ours = [field.name for field in FIELDS if field.version is None]
    assert ours == ["secgroup-reason", "secgroup-rule-ids"]
    assert len(FIELD_OF) == len(FIELDS) == sum(FIELDS_BY_VERSION.values()) + len(ours)


def test_every_field_has_the_type_that_aws_gives_it():
    for field in FIELDS:
        expected = FieldType.STRING
        if field.name in INT_32:
            expected = FieldType.INT_32
        elif field.name in INT_64:
            expected = FieldType.INT_64
        assert field.type is expected, field.name


def test_every_field_up_to_version_5_is_one_that_flowlogs_reader_knows():
    for field in FIELDS:
        if field.version is not None and field.version <= 5:
            assert field.column in FlowRecord.__slots__


def test_every_field_is_either_computed_or_says_why_not():
    assert {field.name for field in FIELDS if field.is_known} == {*GETTERS, "version"}
    assert all(field.meaning for field in FIELDS)


def test_all_fields_at_once_make_a_record():
    eni = an_interface("eni-1", "10.0.0.5")
    everything = format_of(FIELD_OF)
    (record,) = records_of(
        Aggregator(a_network(eni), everything),
        [Passing(at_ms=0, interface=eni, direction=IN, packet=tcp("10.0.0.9", 1, "10.0.0.5", 2))],
    )
    for field, value in zip(FIELDS, record, strict=True):
        assert value is None or isinstance(value, str if field.type is FieldType.STRING else int)
        assert field.is_known or value is None


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (str(DEFAULT_FORMAT), 2),
        ("${srcaddr}", 2),
        ("${secgroup-reason}", 2),
        ("${tcp-flags} ${version}", 3),
        ("${traffic-path} ${az-id} ${srcaddr}", 5),
        ("${ecs-task-id}", 7),
        ("${next-hop-vpc-id}\n  ${action}", 11),
    ],
)
@pytest.mark.semantics("flowlog-7")
def test_version_is_the_highest_among_the_fields(text, version):
    chosen = parse_format(text)
    assert chosen.version == version
    assert parse_format(str(chosen)) == chosen
    assert chosen.names == tuple(word[2:-1] for word in text.split())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "at least one field"),
        ("  ", "at least one field"),
        ("srcaddr", "'srcaddr' is not a flow-log field (expected fields like ${srcaddr}"),
        ("id", "in a shell inside single quotes"),
        ("${srcadr}", "'srcadr' is not a field of flow logs; the nearest is srcaddr"),
        ("${tcp_flags}", "the nearest is tcp-flags"),
        ("${pkt-src-addr}", "the nearest is pkt-srcaddr"),
        ("${zzzzzzzz}", "as in AWS's table of available fields"),
        ("${srcaddr}${dstaddr}", "is not a field"),
        ("${srcaddr} ${srcaddr}", "srcaddr stands twice"),
        ("${}", "'' is not a field"),
    ],
)
def test_wrong_format_is_refused_naming_the_word(text, said):
    with pytest.raises(InputError) as error:
        parse_format(text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_page_of_the_fields_is_in_step():
    page = Path(__file__).parents[2] / "docs" / "flow-log-fields.md"
    assert page.read_text() == flow_log_fields.page()
