"""Cloud Custodian: which groups are unused, and which are open to the world.

Its unused filter also asks services that are not EC2; a server that has nothing answers for those.
"""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs

import botocore.session
import pytest

from tests.clients.conftest import Run

pytestmark = pytest.mark.needs("custodian")

POLICIES = {
    "policies": [
        {"name": "unused", "resource": "aws.security-group", "filters": ["unused"]},
        {
            "name": "open",
            "resource": "aws.security-group",
            "filters": [{"type": "ingress", "Ports": [80], "Cidr": {"value": "0.0.0.0/0"}}],
        },
    ]
}


class _Nothing(BaseHTTPRequestHandler):
    """Every other service of AWS, in an account that uses none of them."""

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode("latin-1")
        (action,) = parse_qs(body).get("Action", [""])
        answer = f"<{action}Response><{action}Result/></{action}Response>" if action else "{}"
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    do_GET = do_POST = answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def nothing() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Nothing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_unused_and_open_groups_are_found(
    run: Run, endpoint: str, nothing: str, tmp_path: Path
) -> None:
    session = botocore.session.get_session()
    session.set_credentials("any", "any")
    client = session.create_client("ec2", region_name="us-east-1", endpoint_url=endpoint)
    subnet = client.describe_subnets()["Subnets"][0]
    groups = {}
    for name in ("idle", "web"):
        groups[name] = client.create_security_group(
            GroupName=name, Description="d", VpcId=subnet["VpcId"]
        )["GroupId"]
    client.create_network_interface(SubnetId=subnet["SubnetId"], Groups=[groups["web"]])
    client.authorize_security_group_ingress(
        GroupId=groups["web"], IpProtocol="tcp", FromPort=80, ToPort=80, CidrIp="0.0.0.0/0"
    )
    policies = tmp_path / "policies.json"
    policies.write_text(json.dumps(POLICIES))
    run(
        "custodian",
        ["custodian", "run", "--cache-period", "0", "-s", tmp_path, policies],
        AWS_ENDPOINT_URL=nothing,
        AWS_ENDPOINT_URL_EC2=endpoint,
        AWS_ENDPOINT_URL_STS=endpoint,
    )

    def found(policy: str) -> set[str]:
        resources = json.loads((tmp_path / policy / "resources.json").read_text())
        return {each["GroupName"] for each in resources}

    assert found("unused") == {"default", "idle"}
    assert found("open") == {"web"}
