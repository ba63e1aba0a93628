"""Ansible's amazon.aws modules: a playbook makes its network, and a second run changes nothing."""

import json
import re
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.clients.conftest import Run

pytestmark = pytest.mark.needs("ansible")

PLAYBOOK = Path(__file__).with_name("playbook.yml")


def changed(run: Run) -> int:
    done = run(
        "ansible", ["ansible-playbook", PLAYBOOK], AWS_REGION="us-east-1", ANSIBLE_NOCOLOR="1"
    )
    return int(re.findall(r"changed=(\d+)", done.stdout)[-1])


def reason(endpoint: str, port: int) -> str:
    """Return what a SYN from the internet to the playbook's interface meets."""
    packet = {
        "srcaddr": "203.0.113.9",
        "dstaddr": "10.9.1.10",
        "protocol": 6,
        "srcport": 40000 + port,
        "dstport": port,
        "tcp_flags": 2,
    }
    body = json.dumps({"packets": [packet]}).encode()
    headers = {"content-type": "application/json"}
    with urlopen(Request(f"{endpoint}/_secgroup/decide", body, headers)) as answer:
        return str(json.loads(answer.read())["reason"])


def test_second_run_of_a_playbook_changes_nothing(run: Run, endpoint: str) -> None:
    assert changed(run) == 5
    assert [reason(endpoint, port) for port in (443, 80)] == ["NEW", "NETWORK_ACL"]
    assert changed(run) == 0
