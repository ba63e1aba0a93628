"""Prowler: its checks of security groups and network ACLs find what is there to find."""

import json
from pathlib import Path

import botocore.session
import pytest

from tests.clients.conftest import Run

pytestmark = pytest.mark.needs("prowler")

CHECKS = (
    "ec2_securitygroup_default_restrict_traffic",
    "ec2_securitygroup_not_used",
    "ec2_securitygroup_allow_ingress_from_internet_to_any_port",
    "ec2_networkacl_allow_ingress_any_port",
)


def test_checks_of_groups_and_acls_find_what_is_open(
    run: Run, endpoint: str, tmp_path: Path
) -> None:
    session = botocore.session.get_session()
    session.set_credentials("any", "any")
    client = session.create_client("ec2", region_name="us-east-1", endpoint_url=endpoint)
    subnet = client.describe_subnets()["Subnets"][0]
    group_id = client.create_security_group(
        GroupName="web", Description="d", VpcId=subnet["VpcId"]
    )["GroupId"]
    client.create_network_interface(SubnetId=subnet["SubnetId"], Groups=[group_id])
    client.authorize_security_group_ingress(
        GroupId=group_id, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0"
    )
    run(
        "prowler",
        [
            *("prowler", "aws", "--region", "us-east-1", "--no-banner", "--ignore-exit-code-3"),
            *("--checks", *CHECKS, "-M", "json-ocsf", "-o", tmp_path, "-F", "found"),
        ],
    )
    found = {
        (each["metadata"]["event_code"], each["status_code"], resource["name"])
        for each in json.loads((tmp_path / "found.ocsf.json").read_text())
        for resource in each["resources"]
    }
    acl = client.describe_network_acls()["NetworkAcls"][0]["NetworkAclId"]
    assert (CHECKS[1], "PASS", group_id) in found
    assert (CHECKS[2], "FAIL", group_id) in found
    assert (CHECKS[3], "FAIL", acl) in found
