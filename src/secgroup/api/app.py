"""The HTTP face: EC2's endpoint, a plane's answers for packets, what the server says of itself.

Owns what arrives how large and how late, threads, metrics and the access log. What a request of
EC2's means is for `exchange`; what packets meet is for the plane that it is given.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any, Final, Protocol
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from secgroup.api import devices
from secgroup.api.errors import fault_of
from secgroup.api.exchange import Door, Exchange, refuse, respond
from secgroup.api.metrics import Metrics
from secgroup.api.request import Request
from secgroup.control.endpoint import Endpoint
from secgroup.dataplane.base import Devices
from secgroup.errors import DataPlaneError, Ec2Error, InputError, OutputError

#: How large the body of a request may be, and how long it may take to come.
REQUEST_BYTES: Final = 1 << 20
PACKETS_BYTES: Final = 64 << 20
BODY_SECONDS: Final = 30

#: How much of an action's name is logged.
_NAME: Final = 100

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Plane(Protocol):
    """What answers for packets."""

    def decide(self, body: bytes, kind: str, options: Mapping[str, str], /) -> tuple[str, bytes]:
        """Decide the packets of a body of a media type.

        Returns
        -------
        (str, bytes)
            The answer and its media type.

        Raises
        ------
        InputError
            The body is not what its type says, or an option is none.

        """

    def connections(self, options: Mapping[str, str], /) -> tuple[str, bytes]:
        """Return what is tracked now, and its media type; raises `InputError` for an option."""


class _GoneError(Exception):
    """The client has left; nobody waits for an answer."""


@dataclass(slots=True, kw_only=True)
class Application:
    """What the routes share.

    Parameters
    ----------
    endpoint : Endpoint
    door : Door
    plane : Plane or None
    devices : Devices or None
        The plane, where it stands before devices.
    gauges : callable
        More lines for the page of metrics.
    log : text stream or None
        Where each request becomes a line of JSON.

    """

    endpoint: Endpoint
    door: Door
    plane: Plane | None = None
    devices: Devices | None = None
    gauges: Callable[[], str] = lambda: ""
    log: IO[str] | None = None
    metrics: Metrics = field(default_factory=Metrics)
    #: Operations are one after the other anyway; packets need not wait for them.
    operations: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="operations")
    )
    packets: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="packets")
    )

    async def ec2(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of EC2's or STS's."""
        began = time.perf_counter()
        self.metrics.in_flight += 1
        try:
            exchange = await self._answered(scope, receive)
            await _send(send, exchange.status, "text/xml;charset=UTF-8", exchange.body, exchange)
        except _GoneError:
            return
        finally:
            self.metrics.in_flight -= 1
        seconds = time.perf_counter() - began
        self.metrics.count(
            action=exchange.action or "-",
            code=exchange.code,
            seconds=seconds,
            bytes_in=len(exchange.request.body),
            bytes_out=len(exchange.body),
        )
        if self.log is not None:
            self.log.write(_line(scope, exchange, seconds))
            self.log.flush()

    async def _answered(self, scope: Scope, receive: Receive) -> Exchange:
        try:
            body = await body_of(scope, receive, REQUEST_BYTES)
        except Ec2Error as error:
            exchange = Exchange(request=_request(scope, b""))
            refuse(exchange, error)
            return exchange
        exchange = Exchange(request=_request(scope, body))
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self.operations, respond, exchange, self.endpoint, self.door)
        return exchange

    async def decide(self, request: HttpRequest) -> Response:
        """Answer what packets would meet now."""
        if self.plane is None:
            return _said(404, "this server has no plane to ask")
        try:
            body = await body_of(request.scope, request.receive, PACKETS_BYTES)
            self.door.identify(_request(request.scope, body))
        except Ec2Error as error:
            return _refused(error)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        return await self._asked(self.plane.decide, body, kind, _options(request.scope))

    async def connections(self, request: HttpRequest) -> Response:
        """Answer what is tracked now."""
        if self.plane is None:
            return _said(404, "this server has no plane to ask")
        try:
            self.door.identify(_request(request.scope, b""))
        except Ec2Error as error:
            return _refused(error)
        return await self._asked(self.plane.connections, _options(request.scope))

    async def _asked(self, ask: Callable[..., tuple[str, bytes]], *what: object) -> Response:
        loop = asyncio.get_running_loop()
        try:
            kind, body = await loop.run_in_executor(self.packets, ask, *what)
        except InputError as error:
            return _said(400, str(error))
        return Response(body, media_type=kind)

    async def show_devices(self, request: HttpRequest) -> Response:
        """List the devices of interfaces, give an interface one, or take it away."""
        if self.devices is None:
            return _said(
                404, "no plane of this server stands before devices (expected serve --plane bpf)"
            )
        try:
            body = await body_of(request.scope, request.receive, REQUEST_BYTES)
            asked = _request(request.scope, body)
            account_id = self.door.identify(asked).caller.account_id
        except Ec2Error as error:
            return _refused(error)
        loop = asyncio.get_running_loop()
        what = (self.endpoint, self.devices, request.method, account_id, body, asked.now)
        try:
            kind, told = await loop.run_in_executor(self.operations, devices.answer, *what)
        except InputError as error:
            return _said(400, str(error))
        except (DataPlaneError, OutputError) as error:
            return _said(409, str(error))
        return Response(told, media_type=kind)

    async def show_metrics(self, request: HttpRequest) -> Response:  # noqa: ARG002
        """Answer with the server's metrics."""
        loop = asyncio.get_running_loop()
        more = await loop.run_in_executor(self.packets, self.gauges)
        return PlainTextResponse(self.metrics.page() + more, media_type="text/plain; version=0.0.4")

    async def healthz(self, request: HttpRequest) -> Response:  # noqa: ARG002
        """Answer that the server answers."""
        return PlainTextResponse("ok\n")

    def close(self) -> None:
        """Let what is being done end, and stop."""
        self.operations.shutdown()
        self.packets.shutdown()


class _Ec2:
    """The route of EC2, as an application of its own: no more than it needs stands around it."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application.ec2(scope, receive, send)


def create_app(application: Application) -> Starlette:
    """Return the routes of a server."""
    return Starlette(
        routes=[
            Route("/", _Ec2(application)),
            Route("/_secgroup/decide", application.decide, methods=["POST"]),
            Route("/_secgroup/connections", application.connections, methods=["GET"]),
            Route(devices.PATH, application.show_devices, methods=["GET", "POST", "DELETE"]),
            Route("/metrics", application.show_metrics, methods=["GET"]),
            Route("/healthz", application.healthz, methods=["GET"]),
        ]
    )


async def body_of(scope: Mapping[str, Any], receive: Any, limit: int) -> bytes:
    """Return the body of a request.

    Raises
    ------
    Ec2Error
        It is too large, or comes too slowly.

    """
    for header, value in scope["headers"]:
        if header == b"content-length" and int(value) > limit:
            raise Ec2Error("request_too_large", limit=limit)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _GoneError
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > limit:
                    raise Ec2Error("request_too_large", limit=limit)
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise Ec2Error("request_too_slow", seconds=BODY_SECONDS) from None


def _request(scope: Mapping[str, Any], body: bytes) -> Request:
    return Request(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=[
            (key.decode("latin-1"), value.decode("latin-1")) for key, value in scope["headers"]
        ],
        body=body,
        now=datetime.now(UTC),
    )


def _options(scope: Mapping[str, Any]) -> dict[str, str]:
    return dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))


async def _send(send: Send, status: int, kind: str, body: bytes, exchange: Exchange) -> None:
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"x-amzn-requestid", exchange.request_id.encode()),
    ]
    if status in (408, 413):
        # What is left of the body must not be read as the next request.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _said(status: int, text: str) -> Response:
    return Response(json.dumps({"error": text}) + "\n", status, media_type="application/json")


def _refused(error: Ec2Error) -> Response:
    fault, message = fault_of(error)
    response = _said(fault.status, message)
    if fault.status in (408, 413):
        response.headers["connection"] = "close"
    return response


def _line(scope: Scope, exchange: Exchange, seconds: float) -> str:
    """Return a request as a line of the access log."""
    request, identity = exchange.request, exchange.identity
    client = scope.get("client")
    entry = {
        "time": request.now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{request.now.microsecond:06d}Z",
        "request_id": exchange.request_id,
        "client": None if client is None else client[0],
        "method": request.method,
        "action": None if exchange.asked is None else exchange.asked[:_NAME],
        "access_key": None if identity is None else identity.access_key,
        "account_id": None if identity is None else identity.caller.account_id,
        "region": None if identity is None else identity.caller.region,
        "status": exchange.status,
        "error": exchange.code or None,
        "bytes_in": len(request.body),
        "bytes_out": len(exchange.body),
        "seconds": round(seconds, 6),
    }
    if exchange.trace is not None:
        entry["trace"] = exchange.trace
    return json.dumps(entry, separators=(",", ":")) + "\n"
