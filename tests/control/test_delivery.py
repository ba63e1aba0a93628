"""Delivery: what stands in which file when windows pass, flow logs go and the server stops."""

import gzip
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pyarrow.parquet
import pytest

from secgroup.control.delivery import Delivery
from secgroup.control.kinds import KINDS
from secgroup.control.state import Changed, Row, State
from secgroup.dataplane.base import converge
from secgroup.dataplane.batch import BatchPlane
from secgroup.decision import Reason, Verdict
from secgroup.flowlog.fields import DEFAULT_FORMAT
from secgroup.flowlog.read import read_flow_log
from secgroup.flowlog.record import Flow
from secgroup.lessons.scene import scene
from secgroup.net.direction import Direction

REGION, ACCOUNT = "eu-west-1", "111122223333"
START = datetime(2026, 11, 22, 13, 30, tzinfo=UTC)
NETWORK = scene(
    groups={"web": ["in tcp/443 0.0.0.0/0"]},
    interfaces={"web": "10.0.1.10 web", "other": "10.0.2.10 web"},
)
STATE = State(KINDS, token=lambda digits: "0" * digits)


def flow_log(**members: object) -> Row:
    resource = {
        "FlowLogId": "fl-1",
        "ResourceId": "web",
        "TrafficType": "ALL",
        "LogFormat": str(DEFAULT_FORMAT),
        "MaxAggregationInterval": 60,
        "LogDestinationType": "s3",
        "LogDestination": "arn:aws:s3:::bucket/of/ours",
        "DestinationOptions": {
            "FileFormat": "plain-text",
            "HiveCompatiblePartitions": False,
            "PerHourPartition": False,
        },
        **members,
    }
    return Row(
        kind="FlowLog",
        resource_id="fl-1",
        account_id=ACCOUNT,
        region=REGION,
        sequence=1,
        resource=resource,
    )


def follow(delivery: Delivery, before: Row | None, after: Row | None) -> None:
    delivery.prepare(STATE, [Changed(before=before, after=after)])
    delivery.commit()


def send(delivery: Delivery, *packets: tuple[str, int], at: datetime = START) -> None:
    """Send SYNs to (address, port)."""
    plane = BatchPlane(delivery.hear)
    converge(plane, {REGION: NETWORK})
    rows = [
        {
            "srcaddr": "203.0.113.9",
            "dstaddr": address,
            "protocol": 6,
            "srcport": 40000,
            "dstport": port,
            "tcp_flags": 2,
            "length": 60,
        }
        for address, port in packets
    ]
    assert list(plane.decide_packets(REGION, rows, int(at.timestamp()) * 10**9))


def files(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())


@pytest.mark.semantics("endpoint-flow-4")
def test_window_that_passed_is_a_file_named_as_aws_names_it(tmp_path: Path) -> None:
    delivery = Delivery(tmp_path)
    follow(delivery, None, flow_log())
    send(delivery, ("10.0.1.10", 443), ("10.0.1.10", 22), ("10.0.2.10", 443))
    delivery.tick(START + timedelta(seconds=59))
    assert files(tmp_path) == []
    delivery.tick(START + timedelta(seconds=60))
    (name,) = files(tmp_path)
    key, digest = name.rsplit("_", 1)
    assert key == (
        f"s3/bucket/of/ours/AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/2026/11/22/"
        f"{ACCOUNT}_vpcflowlogs_{REGION}_fl-1_20261122T1331Z"
    )
    assert len(digest) == len("01234567.log.gz")
    log = read_flow_log(tmp_path / name)
    action, port = log.format.names.index("action"), log.format.names.index("dstport")
    assert sorted((record[port], record[action]) for record in log.records) == [
        (22, "REJECT"),
        (443, "ACCEPT"),
    ]


@pytest.mark.semantics("endpoint-flow-5")
def test_partitions_and_parquet_as_asked_for(tmp_path: Path) -> None:
    delivery = Delivery(tmp_path)
    options = {
        "FileFormat": "parquet",
        "HiveCompatiblePartitions": True,
        "PerHourPartition": True,
    }
    follow(delivery, None, flow_log(DestinationOptions=options, TrafficType="REJECT"))
    send(delivery, ("10.0.1.10", 443), ("10.0.1.10", 22))
    delivery.close(START + timedelta(minutes=5))
    (name,) = files(tmp_path)
    assert name.startswith(
        f"s3/bucket/of/ours/AWSLogs/aws-account-id={ACCOUNT}/aws-service=vpcflowlogs/"
        f"aws-region={REGION}/year=2026/month=11/day=22/hour=13/{ACCOUNT}_vpcflowlogs_"
    )
    assert name.endswith(".log.parquet")
    table = pyarrow.parquet.read_table(tmp_path / name, partitioning=None)
    assert table.column("action").to_pylist() == ["REJECT"]


@pytest.mark.semantics("endpoint-flow-6")
def test_log_group_has_a_stream_an_interface(tmp_path: Path) -> None:
    delivery = Delivery(tmp_path)
    cloudwatch = {"LogDestinationType": "cloud-watch-logs", "LogGroupName": "/flow/logs"}
    network_id = NETWORK.interfaces["web"].vpc_id
    follow(delivery, None, flow_log(**cloudwatch, ResourceId=network_id))
    send(delivery, ("10.0.1.10", 443), ("10.0.2.10", 443))
    delivery.tick(START + timedelta(minutes=2))
    assert files(tmp_path) == ["cloudwatch/flow/logs/other-all", "cloudwatch/flow/logs/web-all"]
    before = (tmp_path / "cloudwatch/flow/logs/web-all").read_text().splitlines()
    assert before[0].endswith("ACCEPT OK")
    send(delivery, ("10.0.1.10", 22), at=START + timedelta(minutes=3))
    delivery.close(START + timedelta(minutes=4))
    after = (tmp_path / "cloudwatch/flow/logs/web-all").read_text().splitlines()
    assert after[: len(before)] == before
    assert any(line.endswith("REJECT OK") for line in after[len(before) :])


def test_deleted_flow_log_writes_what_it_has_and_records_no_more(tmp_path: Path) -> None:
    delivery = Delivery(tmp_path)
    row = flow_log()
    follow(delivery, None, row)
    send(delivery, ("10.0.1.10", 443))
    follow(delivery, row, None)
    send(delivery, ("10.0.1.10", 443))
    delivery.tick(START)
    delivery.close(START + timedelta(hours=1))
    (name,) = files(tmp_path)
    assert len(gzip.decompress((tmp_path / name).read_bytes()).splitlines()) == 2


def test_abandoned_flow_log_records_nothing(tmp_path: Path) -> None:
    delivery = Delivery(tmp_path)
    delivery.prepare(STATE, [Changed(before=None, after=flow_log())])
    delivery.abandon()
    delivery.commit()
    send(delivery, ("10.0.1.10", 443))
    delivery.close(START)
    assert files(tmp_path) == []


def test_what_cannot_be_written_is_told_and_written_later(tmp_path: Path) -> None:
    problems: list[str] = []
    delivery = Delivery(tmp_path, problems.append)
    follow(delivery, None, flow_log())
    send(delivery, ("10.0.1.10", 443))
    (tmp_path / "s3").write_text("in the way")
    delivery.tick(START + timedelta(minutes=2))
    (problem,) = problems
    assert "cannot be written" in problem
    (tmp_path / "s3").unlink()
    delivery.tick(START + timedelta(minutes=3))
    assert len(files(tmp_path)) == 1


def test_equal_records_of_the_same_minute_are_files_of_their_own(tmp_path: Path) -> None:
    delivery = Delivery(tmp_path)
    follow(delivery, None, flow_log(LogFormat="${srcaddr} ${action}"))
    for minutes in (0, 5):
        send(delivery, ("10.0.1.10", 443), at=START + timedelta(minutes=minutes))
        delivery.close(START + timedelta(minutes=9))
    assert len(files(tmp_path)) == 2


def test_name_that_no_file_may_have_is_a_problem_and_not_the_end(tmp_path: Path) -> None:
    problems: list[str] = []
    delivery = Delivery(tmp_path, problems.append)
    follow(delivery, None, flow_log(LogDestination=f"arn:aws:s3:::bucket/{'x' * 300}"))
    send(delivery, ("10.0.1.10", 443))
    delivery.tick(START + timedelta(minutes=2))
    (problem,) = problems
    assert "cannot be written" in problem


def test_sum_is_recorded_by_every_flow_log_that_wants_it(tmp_path: Path) -> None:
    delivery = Delivery(tmp_path)
    rejected = replace(flow_log(TrafficType="REJECT", FlowLogId="fl-2"), resource_id="fl-2")
    for row in (flow_log(), rejected):
        follow(delivery, None, row)
    web, other = NETWORK.interfaces["web"], NETWORK.interfaces["other"]
    network = NETWORK.revised(region=REGION)
    assert delivery.is_logged(REGION, web)
    assert not delivery.is_logged("eu-west-2", web)
    assert not delivery.is_logged(REGION, other)
    now_ms = int(START.timestamp() * 1000)
    for interface in (web, other):
        for verdict in Verdict:
            flow = Flow(
                source=ip_address("203.0.113.9"),
                destination=ip_address("10.0.1.10"),
                ports=(40000, 443),
                protocol=6,
                direction=Direction.INGRESS,
                verdict=verdict,
                reason=Reason.NEW,
                first_ms=now_ms,
                last_ms=now_ms,
                packets=2,
                octets=120,
            )
            delivery.count(network, interface, flow)
    delivery.skip(network, web, now_ms)
    delivery.close(START)
    found = {name.split("_")[-3]: tmp_path / name for name in files(tmp_path)}
    lines = {
        name: [
            line.split()[-2:] for line in gzip.decompress(path.read_bytes()).decode().split("\n")
        ]
        for name, path in found.items()
    }
    assert sorted(lines["fl-1"][1:-1]) == [["-", "SKIPDATA"], ["ACCEPT", "OK"], ["REJECT", "OK"]]
    assert sorted(lines["fl-2"][1:-1]) == [["-", "SKIPDATA"], ["REJECT", "OK"]]
