"""Columns that people have go in, tables that they use come out."""

from pathlib import Path

import duckdb
import numpy as np
import pandas
import polars
import pyarrow as pa
import pytest

import secgroup
from secgroup.errors import InputError
from secgroup.net.direction import Direction
from tests.support.captured import ACK, SYN, Talk
from tests.support.described import described, write

GROUPS = {"sg-web": ["in tcp/22 203.0.113.0/24"]}
INTERFACES = {"eni-web": "10.0.1.5 sg-web"}
SSH = Talk(client="203.0.113.9", server="10.0.1.5")
COLUMNS = {
    "interface_id": ["eni-web"] * 3,
    "direction": ["ingress", "egress", "ingress"],
    "time_ms": [0, 1, 2],
    "srcaddr": ["203.0.113.9", "10.0.1.5", "203.0.113.9"],
    "dstaddr": ["10.0.1.5", "203.0.113.9", "10.0.1.5"],
    "protocol": [6, 6, 17],
    "srcport": [40000, 22, 40000],
    "dstport": [22, 40000, 22],
    "tcp_flags": [2, 18, 0],
    "sequence": [1000, 5000, 0],
    "acknowledgement": [0, 1001, 0],
    "length": [40, 40, 48],
}


@pytest.fixture
def network(tmp_path: Path):
    return secgroup.load(write(tmp_path / "network.json", described(GROUPS, INTERFACES)))


@pytest.fixture
def engine(network):
    return secgroup.Engine(network, key=b"tests", room=1 << 12)


def test_columns_are_decided_as_the_packets_they_say(network, engine) -> None:
    decisions = engine.decide(engine.batch(**COLUMNS))
    firewall = secgroup.Firewall(network)
    packets = [SSH.syn(), SSH.syn_ack(), SSH.udp()]
    ways = [Direction.INGRESS, Direction.EGRESS, Direction.INGRESS]
    expected = [
        firewall.decide_at("eni-web", packet, way, at * 1_000_000)
        for at, (packet, way) in enumerate(zip(packets, ways, strict=True))
    ]
    assert [decisions.decision(row) for row in range(len(decisions))] == expected
    assert SSH.syn_ack().tcp.flags == SYN | ACK


@pytest.mark.parametrize("kind", ["arrow", "pandas", "polars", "numpy"])
def test_columns_of_any_table_are_taken(engine, kind: str) -> None:
    table = pa.table(COLUMNS)
    given = {
        "arrow": lambda: {name: table[name] for name in COLUMNS},
        "pandas": lambda: dict(table.to_pandas().items()),
        "polars": lambda: polars.from_arrow(table).to_dict(),
        "numpy": lambda: {name: np.array(column) for name, column in COLUMNS.items()},
    }[kind]()
    decisions = engine.decide(engine.batch(**given))
    assert decisions.columns.accepted.tolist() == [1, 1, 0]


def test_decisions_go_to_pandas_polars_and_duckdb(engine) -> None:
    table = engine.decide(engine.batch(**COLUMNS)).to_arrow()
    expected = ["NEW", "ESTABLISHED", "NO_MATCHING_RULE"]
    assert table["reason"].to_pylist() == expected
    frame = table.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame["reason"].tolist() == expected
    assert polars.from_arrow(table)["reason"].cast(polars.String).to_list() == expected
    answers = table
    assert answers.num_rows == 3
    found = duckdb.sql("select verdict, count(*) from answers group by all order by all").fetchall()
    assert found == [("ACCEPT", 2), ("REJECT", 1)]


def test_the_document_says_shapes_and_dtypes(engine) -> None:
    text = (Path(__file__).parents[2] / "docs" / "python.md").read_text()
    decisions = engine.decide(engine.batch(**COLUMNS))
    for name, column in zip(decisions.columns._fields, decisions.columns, strict=True):
        line = next(
            each for each in text.splitlines() if each.startswith("|") and f"`{name}`" in each
        )
        assert f"| {column.dtype} |" in line
        assert column.shape == (3,)
    for name in decisions.to_arrow().column_names:
        assert f"`{name}`" in text


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"srcport": [1]}, "column srcport has 1 values (expected 3)"),
        ({"colour": [1, 2, 3]}, "colour is no column"),
        ({"direction": ["in"] * 3}, "row 0: 'in' is no interface or direction"),
        ({"srcaddr": ["::1"] * 3}, "not of one family"),
    ],
)
def test_columns_that_are_none_are_refused(engine, wrong, problem: str) -> None:
    with pytest.raises(InputError) as error:
        engine.batch(**(COLUMNS | wrong))
    assert problem in str(error.value)


def test_a_missing_column_is_named(engine) -> None:
    with pytest.raises(InputError, match="column time_ms is missing"):
        engine.batch(**{name: column for name, column in COLUMNS.items() if name != "time_ms"})
