"""The HTTP server: sockets, signals, TLS, and how much and how long a connection may be.

uvicorn speaks HTTP; what it leaves open, a head that never ends and a reader that never reads, is
closed here.
"""

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from types import FrameType
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from secgroup.api.app import Application, create_app
from secgroup.errors import InputError

#: How large the head of a request may be, and how long it may take to come.
HEAD_BYTES: Final = 64 << 10
HEAD_SECONDS: Final = 10
#: How long a connection may wait for its next request, and for a client that does not read.
IDLE_SECONDS: Final = 60
UNREAD_SECONDS: Final = 60
#: How many connections there may be.
CONNECTIONS: Final = 1000
#: How long requests that are being done may take to end after SIGTERM.
ENDING_SECONDS: Final = 30

_TOO_MANY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


class _TooLargeError(Exception):
    """The head of a request is too large."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with bounds on what a connection costs before there is a request."""

    head_seconds: float = HEAD_SECONDS
    unread_seconds: float = UNREAD_SECONDS
    connection_limit: int = CONNECTIONS

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        if len(self.connections) > self.connection_limit:
            transport.write(_TOO_MANY)
            transport.close()
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._stop_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of a new head, be they blank lines, must become one in time."""
        cycle: Any = self.cycle
        if self._head_timer is None and (cycle is None or cycle.response_complete):
            self._await_head()
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Count the bytes of a new head."""
        self._head_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop waiting for the head."""
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """Give a client that does not read its answer a while."""
        super().pause_writing()
        if self._unread_timer is None:
            self._unread_timer = self.loop.call_later(self.unread_seconds, self._abort)

    def resume_writing(self) -> None:
        """Stop waiting for the client to read."""
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None
        super().resume_writing()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self._abort)

    def _abort(self) -> None:
        self.transport.abort()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES:
            raise _TooLargeError

    def _stop_timers(self) -> None:
        for timer in (self._head_timer, self._unread_timer):
            if timer is not None:
                timer.cancel()


class Server(uvicorn.Server):
    """A server that ends in peace when it is asked to, and says so by returning."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell_started = started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End on SIGTERM and SIGINT, as uvicorn does, but do not raise them again afterwards."""
        before = {}
        try:
            for each in (signal.SIGTERM, signal.SIGINT):
                before[each] = signal.signal(each, self.handle_exit)
        except ValueError:
            # Not the main thread: somebody else's signals.
            pass
        try:
            yield
        finally:
            for each, how in before.items():
                signal.signal(each, how)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Begin to end; the second time, at once."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._tell_started()


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a host's address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    InputError
        The address cannot be had.

    """
    where = f"{host}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InputError(f"no such address: {error.strerror}", source=where) from None
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(256)
    except OSError as error:
        found.close()
        raise InputError(f"cannot be listened at: {error.strerror}", source=where) from None
    return found


def serve(
    application: Application,
    listening: socket.socket,
    *,
    tls: tuple[str, str] | None = None,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Answer requests until SIGTERM or SIGINT; what is being done then is finished.

    Parameters
    ----------
    application : Application
        Closed at the end.
    listening : socket
    tls : (str, str) or None
        The files of the certificate chain and of its key.
    started : callable
        Told when requests are answered.

    Raises
    ------
    InputError
        The certificate or its key cannot be used.

    """
    server = new_server(application, tls=tls, started=started)
    try:
        server.run(sockets=[listening])
    finally:
        application.close()


def new_server(
    application: Application,
    *,
    tls: tuple[str, str] | None = None,
    started: Callable[[], None] = lambda: None,
) -> Server:
    """Return a server of an application that listens nowhere yet; raises as `serve` does."""
    config = uvicorn.Config(
        create_app(application),
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=ENDING_SECONDS,
        ssl_certfile=None if tls is None else tls[0],
        ssl_keyfile=None if tls is None else tls[1],
    )
    try:
        config.load()
    except (ssl.SSLError, OSError) as error:
        assert tls is not None
        reason = getattr(error, "reason", None) or error.strerror
        raise InputError(f"cannot be used: {reason}", source=" and ".join(tls)) from None
    return Server(config, started)
