"""The AWS CLI: create, describe with --query, waiters, pages, errors."""

import json
import subprocess
from typing import Any

import pytest

from tests.clients.conftest import Run

pytestmark = pytest.mark.needs("awscli")


def ec2(run: Run, *arguments: str) -> Any:
    done = run("awscli", ["aws", "ec2", *arguments, "--output", "json"])
    return json.loads(done.stdout) if done.stdout.strip() else None


def test_group_is_made_waited_for_ruled_and_described(run: Run) -> None:
    group_id = ec2(run, "create-security-group", "--group-name", "web", "--description", "d")[
        "GroupId"
    ]
    ec2(run, "wait", "security-group-exists", "--group-ids", group_id)
    ec2(
        run,
        "authorize-security-group-ingress",
        *("--group-id", group_id, "--protocol", "tcp", "--port", "443", "--cidr", "192.0.2.9/24"),
    )
    query = "SecurityGroups[0].IpPermissions[0].IpRanges[0].CidrIp"
    assert ec2(run, "describe-security-groups", "--group-ids", group_id, "--query", query) == (
        "192.0.2.0/24"
    )
    ec2(run, "delete-security-group", "--group-id", group_id)


def test_pages_are_followed_to_the_end(run: Run) -> None:
    names = [f"paged-{number}" for number in range(7)]
    for name in names:
        ec2(run, "create-security-group", "--group-name", name, "--description", "d")
    found = ec2(
        run,
        "describe-security-groups",
        *("--filters", "Name=group-name,Values=paged-*", "--page-size", "5"),
        *("--query", "SecurityGroups[].GroupName"),
    )
    assert found == names


def test_interface_is_waited_for_and_deleted(run: Run) -> None:
    subnet = ec2(run, "describe-subnets", "--query", "Subnets[0].SubnetId")
    interface = ec2(
        run,
        "create-network-interface",
        *("--subnet-id", subnet, "--query", "NetworkInterface.NetworkInterfaceId"),
    )
    ec2(run, "wait", "network-interface-available", "--network-interface-ids", interface)
    ec2(run, "delete-network-interface", "--network-interface-id", interface)


def test_refusal_is_told_in_ec2s_words(run: Run) -> None:
    with pytest.raises(AssertionError, match=r"InvalidGroup\.NotFound.*does not exist"):
        ec2(run, "describe-security-groups", "--group-ids", "sg-00000000000000009")


def test_caller_is_told(run: Run) -> None:
    done: subprocess.CompletedProcess[str] = run(
        "awscli", ["aws", "sts", "get-caller-identity", "--query", "Account", "--output", "text"]
    )
    assert done.stdout.strip() == "123456789012"
