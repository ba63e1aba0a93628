import gzip
from contextlib import suppress

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secgroup.errors import InputError
from secgroup.flowlog import read
from secgroup.flowlog.fields import DEFAULT_FORMAT, format_of
from secgroup.flowlog.read import read_flow_log, read_lines
from tests.flowlog import published

PORTS = format_of(["srcport", "action", "bytes"])


def test_line_of_names_says_the_format():
    log = read_lines(iter(["srcport action bytes\n", "80 ACCEPT 40\n", "\n", "- REJECT -\n"]))
    assert log.format == PORTS
    assert list(log.records) == [(80, "ACCEPT", 40), (None, "REJECT", None)]


def test_format_that_was_given_serves_lines_without_names():
    assert list(read_lines(iter(["80 ACCEPT 40"]), PORTS).records) == [(80, "ACCEPT", 40)]


def test_lines_alone_are_of_the_default_format():
    log = read_lines(iter([published.SSH, published.RDP]))
    assert log.format == DEFAULT_FORMAT
    assert [record[12] for record in log.records] == ["ACCEPT", "REJECT"]


def test_nothing_at_all_is_an_empty_log():
    assert list(read_lines(iter([])).records) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("80 ACCEPT", "2 values (expected 3: srcport action bytes)"),
        ("80 ACCEPT 40 1", "4 values"),
        ("http ACCEPT 40", "'http' is not a srcport (expected INT_32 or -)"),
        ("-1 ACCEPT 40", "'-1' is not a srcport"),
        ("2147483648 ACCEPT 40", "is not a srcport"),
        ("٣ ACCEPT 40", "is not a srcport"),
        ("1_0 ACCEPT 40", "is not a srcport"),
        ("80 ACCEPT 9223372036854775808", "is not a bytes (expected INT_64"),
        ("80 ACCEPT " + "9" * 100_000, "is not a bytes"),
    ],
)
def test_wrong_line_is_refused_with_its_number(line, said):
    log = read_lines(iter(["srcport action bytes", "80 ACCEPT 40", "", line]), source="x.log")
    assert next(log.records) == (80, "ACCEPT", 40)
    with pytest.raises(InputError) as error:
        next(log.records)
    assert str(error.value).startswith("x.log: line 4: ")
    assert said in str(error.value)
    assert len(str(error.value)) < 200


def test_line_that_is_too_long_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "MAX_LINE", 100)
    path = tmp_path / "flow.log"
    path.write_text("srcport\n80\n" + "9" * 200)
    with pytest.raises(InputError, match=r"flow.log: line 3: longer than 100 bytes"):
        list(read_flow_log(path).records)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "flow.log"
    path.write_bytes(b"srcport\n80\n\xff\xfe\n")
    with pytest.raises(InputError, match="line 3: not text in UTF-8"):
        list(read_flow_log(path).records)


def test_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_flow_log(tmp_path / "flow.log")


def test_gzip_is_told_by_its_content_and_its_damage_named(tmp_path):
    path = tmp_path / "flow.log"
    whole = gzip.compress(b"srcport\n" + b"80\n" * 1000)
    path.write_bytes(whole)
    assert len(list(read_flow_log(path).records)) == 1000
    path.write_bytes(whole[:-12])
    with pytest.raises(InputError, match="cannot be read on"):
        list(read_flow_log(path).records)


def test_damaged_parquet_is_refused(tmp_path):
    path = tmp_path / "flow.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(InputError, match="not a Parquet file"):
        read_flow_log(path)


def test_parquet_with_no_column_or_text_that_is_none_is_refused(tmp_path):
    path = tmp_path / "flow.parquet"
    pyarrow.parquet.write_table(pyarrow.table({}), path)
    with pytest.raises(InputError, match=r"flow\.parquet: .*at least one field"):
        read_flow_log(path)
    octets = pyarrow.array([b"\xff"], "binary").view("string")
    pyarrow.parquet.write_table(pyarrow.table({"srcaddr": octets}), path)
    with pytest.raises(InputError, match=r"flow\.parquet: cannot be read on"):
        list(read_flow_log(path).records)


def test_line_of_names_with_one_twice_is_refused():
    with pytest.raises(InputError, match="x: line 1: the flow-log field srcport stands twice"):
        read_lines(iter(["srcport srcport"]), source="x")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"srcprt": [1]}, "column srcprt: not a field"),
        ({"srcport": ["80"]}, "column srcport: string (expected INT_32)"),
        ({"srcaddr": [1]}, "column srcaddr: int64 (expected STRING)"),
    ],
)
def test_parquet_with_other_columns_is_refused(tmp_path, columns, said):
    path = tmp_path / "flow.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    with pytest.raises(InputError) as error:
        read_flow_log(path)
    assert said in str(error.value)


def test_parquet_whose_numbers_are_wider_is_read(tmp_path):
    # Athena's own table has protocol as bigint.
    path = tmp_path / "flow.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"protocol": pyarrow.array([6], "int64")}), path)
    assert list(read_flow_log(path).records) == [(6,)]


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(tmp_path_factory, octets):
    path = tmp_path_factory.getbasetemp() / "any"
    for magic in (b"", b"\x1f\x8b\x08\x00", b"PAR1", b"srcaddr\n"):
        path.write_bytes(magic + octets)
        with suppress(InputError):
            list(read_flow_log(path).records)
