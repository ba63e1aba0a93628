"""A server of the endpoint in this process, on a free port of loopback, and clients of it."""

import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

import boto3
from botocore.config import Config

from secgroup.api.app import Application, Plane
from secgroup.api.auth import Credential
from secgroup.api.exchange import Door
from secgroup.api.server import bound, new_server
from secgroup.control.beginning import begin
from secgroup.control.endpoint import Endpoint
from secgroup.dataplane.base import Devices
from tests.support.worlds import ACCOUNT, REGION, Memory, new_state


@dataclass(slots=True, kw_only=True)
class Served:
    """A server, and how to reach it."""

    url: str
    application: Application
    log: io.StringIO = field(default_factory=io.StringIO)

    @property
    def endpoint(self) -> Endpoint:
        """What it serves."""
        return self.application.endpoint

    def entries(self) -> list[dict[str, Any]]:
        """The lines of its access log."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def entry(self, request_id: str) -> dict[str, Any]:
        """The line of a request, which is written after its answer."""
        for _ in range(200):
            for each in self.entries():
                if each["request_id"] == request_id:
                    return each
            time.sleep(0.02)
        raise AssertionError(f"no line of {request_id}")

    def kept(self) -> str:
        """Everything that is kept, spelled."""
        rows = [
            (row.kind, row.resource_id, row.sequence, row.resource)
            for row in self.endpoint.state.rows()
        ]
        return json.dumps(rows, sort_keys=True)

    def client(
        self,
        service: str = "ec2",
        *,
        key: str = ACCOUNT,
        secret: str = "secret",
        region: str = REGION,
        unchecked: bool = False,
    ) -> Any:
        """Return a client of boto3's that does not try again."""
        options = self.options(key, region, unchecked=unchecked)
        return boto3.client(service, **options | {"aws_secret_access_key": secret})

    def options(
        self, key: str = ACCOUNT, region: str = REGION, *, unchecked: bool = False
    ) -> dict[str, Any]:
        """Return what a client of boto3's needs to come here; unchecked, it sends anything."""
        return {
            "endpoint_url": self.url,
            "region_name": region,
            "aws_access_key_id": key,
            "aws_secret_access_key": "secret",
            "config": Config(retries={"total_max_attempts": 1}, parameter_validation=not unchecked),
        }

    def connection(self) -> HTTPConnection:
        """Return a connection with nothing of AWS's."""
        return HTTPConnection(urlsplit(self.url).netloc, timeout=20)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Ask by GET."""
        return self.ask("GET", path, None, headers)

    def query(self, **parameters: str) -> tuple[int, bytes]:
        """Ask EC2 by GET, unsigned."""
        return self.get("/?" + urlencode({"Version": "2016-11-15"} | parameters))

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Ask on a connection of its own; return the status and the body."""
        connection = self.connection()
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@contextmanager
def served(
    *,
    credentials: Mapping[str, Credential] | None = None,
    plane: Plane | None = None,
    devices: Devices | None = None,
    gauges: Callable[[], str] = lambda: "",
    endpoint: Endpoint | None = None,
) -> Iterator[Served]:
    """Serve an endpoint, or a new one in memory."""
    log = io.StringIO()
    application = Application(
        endpoint=endpoint or Endpoint(state=new_state(), store=Memory(), begin=begin),
        door=Door(credentials=credentials, account_id=ACCOUNT, loopback_only=credentials is None),
        plane=plane,
        devices=devices,
        gauges=gauges,
        log=log,
    )
    started = threading.Event()
    with bound("127.0.0.1", 0) as listening:
        server = new_server(application, started=started.set)
        url = "http://{}:{}".format(*listening.getsockname())
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        assert started.wait(20)
        try:
            yield Served(url=url, application=application, log=log)
        finally:
            server.should_exit = True
            thread.join(20)
            application.close()
    assert not thread.is_alive()
