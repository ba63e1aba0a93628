#!/usr/bin/env python3
"""The three servers of the recording that no package has: a balancer, a name server, a mirror.

Small on purpose, and real: they listen on the sockets of the host that runs them. `record.py`
starts them by name; they know nothing of the network around them.
"""

import http.client
import itertools
import struct
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from socket import AF_INET, AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY, SOCK_DGRAM, socket
from typing import ClassVar

#: Seconds that the name server thinks about names that begin with "slow.".
SLOW_S = 36


class DualStackServer(ThreadingHTTPServer):
    """Listens on IPv4 and IPv6 with one socket."""

    address_family = AF_INET6
    daemon_threads = True

    def server_bind(self) -> None:
        self.socket.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0)
        super().server_bind()


class Quiet(BaseHTTPRequestHandler):
    """A request handler that keeps no log."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name of the base)
        """Say nothing."""


class Balancer(Quiet):
    """Passes each GET to the next of its targets."""

    targets: ClassVar[Iterator[str]]

    def do_GET(self) -> None:
        target = http.client.HTTPConnection(next(self.targets), 8080, timeout=5)
        target.request("GET", self.path, headers={"X-Forwarded-For": self.client_address[0]})
        answer = target.getresponse()
        body = answer.read()
        target.close()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Mirror(Quiet):
    """Gives packages and takes reports."""

    def do_GET(self) -> None:
        body = b"package " * 1500
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()


def serve_names(address: str, answer: IPv4Address) -> None:
    """Answer every question with one address, those for slow names late."""
    with socket(AF_INET6 if ":" in address else AF_INET, SOCK_DGRAM) as server:
        server.bind((address, 53))
        while True:
            question, client = server.recvfrom(512)
            late_s = SLOW_S if question[12:].startswith(b"\x04slow") else 0
            threading.Thread(
                target=_answer, args=(server, question, client, late_s, answer)
            ).start()


def _answer(
    server: socket, question: bytes, client: object, late_s: int, answer: IPv4Address
) -> None:
    """Send one A record: RFC 1035 sections 4.1.1 and 4.1.3."""
    time.sleep(late_s)
    end = question.index(b"\0", 12) + 5
    header = question[:2] + struct.pack("!HHHHH", 0x8580, 1, 1, 0, 0)
    record = struct.pack("!HHHIH4s", 0xC00C, 1, 1, 60, 4, answer.packed)
    server.sendto(header + question[12:end] + record, client)


def main() -> None:
    match sys.argv[1:]:
        case ["balancer", *targets]:
            Balancer.targets = itertools.cycle(targets)
            DualStackServer(("::", 80), Balancer).serve_forever()
        case ["mirror"]:
            DualStackServer(("::", 80), Mirror).serve_forever()
        case ["names", address, answer]:
            serve_names(address, IPv4Address(answer))
        case _:
            sys.exit("usage: programs.py balancer TARGET... | mirror | names ADDRESS ANSWER")


if __name__ == "__main__":
    main()
