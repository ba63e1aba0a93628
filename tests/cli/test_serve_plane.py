"""`secgroup serve` with its plane: what is configured is what packets meet, logged and exported."""

import gzip
import json
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from secgroup.cli import run
from tests.cli.test_serve import serving

EXAMPLE = Path(__file__).parents[2] / "examples" / "three-tier"
JSON = "application/json"


def client_of(url: str) -> Any:
    import botocore.session

    session = botocore.session.get_session()
    session.set_credentials("key", "secret")
    return session.create_client("ec2", region_name="us-east-1", endpoint_url=url)


def asked(url: str, body: bytes, kind: str = JSON) -> list[dict[str, Any]]:
    request = Request(f"{url}/_secgroup/decide", body, {"content-type": kind})
    with urlopen(request) as answer:
        assert answer.headers["content-type"] == "application/x-ndjson"
        return [json.loads(line) for line in answer.read().splitlines()]


def syn(destination: str, port: int) -> bytes:
    packet = {
        "srcaddr": "203.0.113.9",
        "dstaddr": destination,
        "protocol": 6,
        "srcport": 40000,
        "dstport": port,
        "tcp_flags": 2,
        "length": 60,
    }
    return json.dumps({"packets": [packet]}).encode()


def test_rule_that_was_acknowledged_is_what_the_next_packet_meets(tmp_path: Path) -> None:
    store, logs = tmp_path / "store.sqlite", tmp_path / "logs"
    with serving("--store", str(store), "--flow-logs", str(logs), "--access-log", "-") as (url, _):
        client = client_of(url)
        vpc = client.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnet = client.describe_subnets()["Subnets"][0]["SubnetId"]
        group = client.create_security_group(GroupName="web", Description="d", VpcId=vpc)
        interface = client.create_network_interface(
            SubnetId=subnet, Groups=[group["GroupId"]], PrivateIpAddress="172.31.0.10"
        )["NetworkInterface"]["NetworkInterfaceId"]
        client.create_flow_logs(
            ResourceType="NetworkInterface",
            ResourceIds=[interface],
            TrafficType="ALL",
            LogDestinationType="s3",
            LogDestination="arn:aws:s3:::bucket",
        )
        (before,) = asked(url, syn("172.31.0.10", 443))
        assert (before["interface_id"], before["reason"]) == (interface, "NO_MATCHING_RULE")
        made = client.authorize_security_group_ingress(
            GroupId=group["GroupId"],
            IpPermissions=[
                {
                    "IpProtocol": "tcp",
                    "FromPort": 443,
                    "ToPort": 443,
                    "IpRanges": [{"CidrIp": "203.0.113.0/24"}],
                }
            ],
        )
        (after,) = asked(url, syn("172.31.0.10", 443))
        assert after["reason"] == "NEW"
        assert after["rule_ids"] == [made["SecurityGroupRules"][0]["SecurityGroupRuleId"]]
        with urlopen(f"{url}/_secgroup/connections?region=us-east-1") as answer:
            (connection,) = [json.loads(line) for line in answer.read().splitlines()]
        assert (connection["interface_id"], connection["state"]) == (interface, "SYN_SENT")
    (file,) = logs.rglob("*.log.gz")
    records = gzip.decompress(file.read_bytes()).decode().splitlines()[1:]
    assert sorted(record.split()[-2] for record in records) == ["ACCEPT", "REJECT"]
    exported = tmp_path / "network.json"
    assert run(["export", "--store", str(store), "--region", "us-east-1", "-o", str(exported)]) == 0
    question = ["--from", "internet:203.0.113.9", "--to", interface]
    assert run(["explain", str(exported), *question, "tcp/22", "--json"]) == 1


def test_server_begins_with_a_template_and_decides_its_capture() -> None:
    network, capture = EXAMPLE / "network.yaml", EXAMPLE / "traffic.pcapng.gz"
    with serving("--store", ":memory:", "--load", str(network)) as (url, _):
        decided = asked(url, capture.read_bytes(), "application/vnd.tcpdump.pcap")
        names = {
            each["GroupName"]
            for each in client_of(url).describe_security_groups()["SecurityGroups"]
        }
    assert {"WebGroup", "default"} <= names
    assert {each["verdict"] for each in decided} == {"ACCEPT", "REJECT"}


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"{", JSON, "not JSON"),
        (b"[" * 100_000, JSON, "not JSON"),
        (b"{}", JSON, 'expected {"packets"'),
        (b'{"packets": [{"srcaddr": 1}]}', JSON, "packets[0]"),
        (b"no capture", "application/octet-stream", "capture"),
        (b"{}", "text/plain", "content-type"),
    ],
)
def test_question_that_is_none_is_refused_in_one_line(
    server: str, body: bytes, kind: str, words: str
) -> None:
    with pytest.raises(HTTPError) as refused:
        asked(server, body, kind)
    assert refused.value.code == 400
    message = json.loads(refused.value.read())["error"]
    assert words in message
    assert "\n" not in message


@pytest.fixture(scope="module")
def server() -> Any:
    with serving("--store", ":memory:") as (url, _):
        yield url


def test_store_that_was_used_is_not_loaded_into(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "store.sqlite")
    with serving("--store", store, "--load", str(EXAMPLE / "network.yaml")):
        pass
    assert run(["serve", "--store", store, "--load", str(EXAMPLE / "network.yaml")]) == 2
    assert "already" in capsys.readouterr().err


def test_export_without_a_store_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", "--store", str(tmp_path / "none.sqlite")]) == 2
    assert "is not there" in capsys.readouterr().err
