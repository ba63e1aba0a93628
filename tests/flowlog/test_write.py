import gzip
import os
import stat
import subprocess
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from secgroup.errors import OutputError
from secgroup.flowlog import write
from secgroup.flowlog.fields import DEFAULT_FORMAT, FIELD_OF, FIELDS, format_of
from secgroup.flowlog.read import read_flow_log
from secgroup.flowlog.write import flow_log_writer, replacing

SOME = format_of(["srcaddr", "srcport", "bytes", "secgroup-rule-ids"])
RECORDS = [("10.0.0.1", 80, 2**40, "sgr-1,sgr-2"), ("10.0.0.2", None, 0, None)]
TEXT = """srcaddr srcport bytes secgroup-rule-ids
10.0.0.1 80 1099511627776 sgr-1,sgr-2
10.0.0.2 - 0 -
"""


def written(path, records=RECORDS, layout=SOME, **options):
    with flow_log_writer(path, layout, **options) as log:
        log.write(records)
    return path


def left_beside(path):
    return sorted(each.name for each in path.parent.iterdir() if each != path)


@pytest.mark.semantics("flowlog-22")
def test_text_is_a_line_of_names_and_values_by_spaces(tmp_path):
    path = written(tmp_path / "flow.log")
    assert path.read_text() == TEXT
    assert left_beside(path) == []


@pytest.mark.semantics("flowlog-22")
def test_gzip_by_suffix_holds_the_same_text_and_nothing_of_the_moment(tmp_path):
    paths = [written(tmp_path / name) for name in ("a.log.gz", "b.log.gz")]
    assert gzip.decompress(paths[0].read_bytes()).decode() == TEXT
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.semantics("flowlog-22")
def test_parquet_has_awss_columns_and_types(tmp_path):
    everything = format_of(FIELD_OF)
    path = written(tmp_path / "flow.parquet", [], everything)
    file = pyarrow.parquet.ParquetFile(path)
    types = {"STRING": pyarrow.string(), "INT_32": pyarrow.int32(), "INT_64": pyarrow.int64()}
    assert file.schema_arrow == pyarrow.schema(
        [(field.name.replace("-", "_"), types[field.type.value]) for field in FIELDS]
    )
    physical = {"STRING": "BYTE_ARRAY", "INT_32": "INT32", "INT_64": "INT64"}
    assert [file.schema.column(i).physical_type for i in range(len(FIELDS))] == [
        physical[field.type.value] for field in FIELDS
    ]
    assert file.metadata.num_rows == 0


@pytest.mark.semantics("flowlog-22")
def test_parquet_holds_the_records_and_null_for_dashes(tmp_path):
    path = written(tmp_path / "flow.parquet")
    table = pyarrow.parquet.read_table(path)
    assert table.to_pylist() == [
        dict(zip(["srcaddr", "srcport", "bytes", "secgroup_rule_ids"], record, strict=True))
        for record in RECORDS
    ]
    column = pyarrow.parquet.ParquetFile(path).metadata.row_group(0).column(0)
    assert column.compression == "GZIP"


def test_parquet_is_streamed_in_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "ROW_GROUP", 10)
    path = tmp_path / "flow.parquet"
    records = [(f"10.0.0.{i}", i, i, None) for i in range(35)]
    with flow_log_writer(path, SOME) as log:
        for first in range(0, 35, 7):
            log.write(iter(records[first : first + 7]))
    metadata = pyarrow.parquet.ParquetFile(path).metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [
        10, 10, 10, 5,
    ]  # fmt: skip
    assert list(read_flow_log(path).records) == records


@pytest.mark.parametrize("name", ["flow.log", "flow.log.gz", "flow.parquet"])
def test_failure_half_way_leaves_what_was_there(tmp_path, name):
    path = tmp_path / name
    path.write_text("before")
    with pytest.raises(ZeroDivisionError):
        written(path, (1 // 0 if i else RECORDS[0] for i in range(2)))
    assert path.read_text() == "before"
    assert left_beside(path) == []


@pytest.mark.parametrize("name", ["flow.log", "flow.log.gz", "flow.parquet"])
def test_folder_that_is_not_there_is_an_output_error(tmp_path, name):
    with pytest.raises(OutputError, match="cannot be written: No such file"):
        written(tmp_path / "nowhere" / name)


def test_folder_in_its_place_is_an_output_error(tmp_path):
    (tmp_path / "flow.log").mkdir()
    with pytest.raises(OutputError, match="Is a directory"):
        written(tmp_path / "flow.log")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("suffix", ["", ".gz", ".parquet"])
def test_full_disk_is_an_output_error(tmp_path, suffix):
    path = tmp_path / f"full{suffix}"
    path.symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left"):
        written(path, RECORDS * 10_000)
    assert path.is_symlink()


def test_device_is_written_to_and_not_replaced(tmp_path):
    written(Path(os.devnull))
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


WRITES_TO_STDOUT = """
import sys
from pathlib import Path
from secgroup.flowlog.fields import DEFAULT_FORMAT
from secgroup.flowlog.write import flow_log_writer
print("before", flush=True)
with flow_log_writer(Path("/dev/stdout"), DEFAULT_FORMAT):
    pass
print("after")
"""


@pytest.mark.parametrize("is_pipe", [True, False])
def test_standard_output_is_written_to_in_its_order(tmp_path, is_pipe):
    path = tmp_path / "out.txt"
    with path.open("w") as file:
        done = subprocess.run(
            [sys.executable, "-c", WRITES_TO_STDOUT],
            stdout=subprocess.PIPE if is_pipe else file,
            text=True,
            check=True,
        )
    lines = (done.stdout if is_pipe else path.read_text()).splitlines()
    assert lines == ["before", " ".join(DEFAULT_FORMAT.names), "after"]


def test_link_stays_a_link_and_its_target_is_replaced(tmp_path):
    target, link = tmp_path / "target.log", tmp_path / "link.log"
    target.write_text("before")
    link.symlink_to(target)
    written(link)
    assert link.is_symlink()
    assert target.read_text() == TEXT


def test_link_that_leads_nowhere_but_to_itself_is_replaced(tmp_path):
    link = tmp_path / "link.log"
    link.symlink_to(link)
    assert written(link).read_text() == TEXT


def test_file_keeps_its_mode(tmp_path):
    path = tmp_path / "flow.log"
    path.touch(mode=0o600)
    written(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_pipe_that_nobody_reads_any_more_is_a_broken_pipe():
    reading, writing = os.pipe()
    os.close(reading)
    try:
        with pytest.raises(BrokenPipeError):
            written(Path(f"/proc/self/fd/{writing}"), RECORDS * 10_000)
    finally:
        os.close(writing)


def test_errors_of_the_writing_code_are_not_taken_for_the_files(tmp_path):
    with pytest.raises(BrokenPipeError), replacing(tmp_path / "flow.log"):
        raise BrokenPipeError
    assert list(tmp_path.iterdir()) == []


def test_default_format_writes_awss_default_header(tmp_path):
    assert (
        written(tmp_path / "flow.log", [], DEFAULT_FORMAT)
        .read_text()
        .startswith("version account-id interface-id srcaddr dstaddr srcport")
    )


def test_an_interrupt_while_it_opens_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "log").write_text("before")
    monkeypatch.setattr(Path, "chmod", interrupted)
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "log"):
        pass
    assert [each.name for each in tmp_path.iterdir()] == ["log"]
    assert (tmp_path / "log").read_text() == "before"
