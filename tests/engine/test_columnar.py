"""Columns that people have go in, tables that they use come out."""

import re
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas
import polars
import pyarrow as pa
import pytest

import secgroup
from secgroup.engine.arrow import batch_of_arrays
from secgroup.errors import InputError
from secgroup.net.direction import Direction
from secgroup.net.named import NUMBERS
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


@pytest.mark.parametrize("seed", range(6))
def test_columns_at_once_are_the_rows_one_by_one(network, engine, seed: int, monkeypatch) -> None:
    random, count = np.random.default_rng(seed), 400
    family = random.random(count) < 0.3
    ends = [
        ["2001:db8::1", "2001:db8:1::5"] if six else ["203.0.113.9", "10.0.1.5"] for six in family
    ]
    columns = {
        "interface_id": ["eni-web"] * count,
        "direction": random.choice(["ingress", "egress"], count).tolist(),
        "time_ms": np.arange(count),
        "srcaddr": [each[random.integers(2)] for each in ends],
        "dstaddr": [each[random.integers(2)] for each in ends],
        "protocol": random.choice([6, 17, 1, 58, 47, 0, 255], count),
    }
    for name, greatest in NUMBERS.items():
        values = random.integers(0, greatest + 1, count)
        if name == "icmp_type":
            values = random.choice([0, 3, 8, 128, 129, 255], count)
        if random.random() < 0.7:
            columns[name] = values
            if random.random() < 0.5:
                absent = random.random(count) < 0.2
                columns[name] = [
                    None if no else int(at) for no, at in zip(absent, values, strict=True)
                ]
            elif random.random() < 0.5:
                columns[name] = np.where(random.random(count) < 0.2, np.nan, values)
    quick = engine.batch(**columns)
    with monkeypatch.context() as patch:
        patch.setattr("secgroup.engine.columnar.batch_of_arrays", lambda *_: None)
        expected = engine.batch(**columns)
    assert batch_of_arrays(columns, engine.compiled.interfaces) is not None
    for name, column in expected.packets._asdict().items():
        assert getattr(quick.packets, name).tolist() == column.tolist(), name


def test_the_code_in_the_document_runs(tmp_path: Path, monkeypatch) -> None:
    text = (Path(__file__).parents[2] / "docs" / "python.md").read_text()
    write(tmp_path / "network.json", described(GROUPS, INTERFACES))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        exec(compile(code, "python.md", "exec"), names)
    assert names["decided"]["reason"].to_pylist() == ["NEW", "ESTABLISHED"]


@pytest.mark.parametrize("kind", ["arrow", "pandas", "polars", "duckdb"])
def test_a_firewall_decides_any_table_that_hands_out_arrow(network, engine, kind: str) -> None:
    given = pa.table(COLUMNS)
    table = {
        "arrow": lambda: given,
        "pandas": given.to_pandas,
        "polars": lambda: polars.from_arrow(given),
        "duckdb": lambda: duckdb.from_arrow(given),
    }[kind]()
    firewall = secgroup.Firewall(network)
    decisions = firewall.decide(table)
    assert decisions.to_arrow() == engine.decide(engine.batch(**COLUMNS)).to_arrow()
    (flow,) = firewall.connections()
    assert (flow.created_ms, flow.rule_ids) == (0, ("sgr-web-in-0",))
    firewall.change(replace(network, interfaces={}))
    assert list(firewall.connections()) == []


def test_a_firewall_decides_frames_or_tables_but_not_both(network) -> None:
    table = pa.table(COLUMNS)
    firewall = secgroup.Firewall(network)
    firewall.decide(table)
    with pytest.raises(ValueError, match="has decided tables"):
        firewall.decide_at("eni-web", SSH.syn(), Direction.INGRESS, 0)
    firewall = secgroup.Firewall(network)
    firewall.decide_at("eni-web", SSH.syn(), Direction.INGRESS, 0)
    with pytest.raises(ValueError, match="has decided frames"):
        firewall.decide(table)


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
