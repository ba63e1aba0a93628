"""What `explain` says of a connection is what becomes of it in a lab: every pair, every port."""

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from secgroup.lab.host import NAT_TYPES
from secgroup.model.network import Network
from secgroup.net.address import Address
from secgroup.net.ports import PortRange
from secgroup.reference.explain import explain
from secgroup.reference.journey import Answer
from secgroup.sources.load import load
from tests.lab.test_fabric import everything
from tests.support.labs import Lab, lab_of
from tests.support.traces.networks import make_network

pytestmark = pytest.mark.needs("root", "netns", "nft", "bpf")

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "three-tier" / "network.yaml"
#: The ports that Linux calls from, the internet's too.
CLIENT_PORTS = PortRange(first=32768, last=60999)
#: How long all that should arrive may take; and how long nothing may happen behind that.
DEADLINE_S, QUIET_S = 10.0, 0.5
#: Networks of the generator of traces, with one VPC and with two.
SEEDS = (14, 15)
INTERNET = ("198.51.100.7", "203.0.113.10", "3fff::10")


@dataclass(frozen=True, slots=True)
class Try:
    """One connection: who, to whom, at which address and port, and by which words to ask."""

    source: str
    source_address: Address | str
    destination: str
    address: Address | str
    port: int
    asked_from: str
    asked_to: str

    @property
    def is_ipv6(self) -> bool:
        return ":" in str(self.address)


def tries(network: Network, ports: Sequence[int]) -> Iterator[Try]:
    """Yield a connection for each pair of ends, in each family that both have."""
    hosts = [each for each in network.interfaces.values() if each.interface_type not in NAT_TYPES]
    for one in hosts:
        for port in ports:
            for other in hosts:
                for family in (4, 6):
                    own, theirs = (
                        next((each for each in end.addresses if each.version == family), None)
                        for end in (one, other)
                    )
                    # What a host says to itself, no interface hears.
                    is_itself = one.owner == other.owner or own == theirs
                    if own is not None and theirs is not None and not is_itself:
                        ends = (one.interface_id, other.interface_id)
                        yield Try(ends[0], own, ends[1], theirs, port, *ends)
            for text in INTERNET:
                family = 6 if ":" in text else 4
                own = next((each for each in one.addresses if each.version == family), None)
                if own is None:
                    continue
                outside = f"internet:{text}"
                yield Try(one.interface_id, own, "internet", text, port, one.interface_id, outside)
                public = next((each.public for each in one.ipv4), None) if family == 4 else own
                if public is not None:
                    yield Try(
                        "internet", text, one.interface_id, public, port, outside, str(public)
                    )


class Echoes:
    """Servers on every port of every namespace, that send back what they get."""

    def __init__(self, lab: Lab, names: Sequence[str], ports: Sequence[int]) -> None:
        self.selector = selectors.DefaultSelector()
        self._stack = ExitStack()
        #: Where what was said arrived.
        self.heard: dict[bytes, str] = {}
        for name in {lab.namespace(each): each for each in names}.values():
            for port in ports:
                for anywhere in ("0.0.0.0", "::"):
                    server = self._stack.enter_context(lab.open(name, anywhere))
                    if anywhere == "::":
                        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    server.bind((anywhere, port))
                    server.listen(256)
                    server.setblocking(False)
                    self.selector.register(server, selectors.EVENT_READ, ("accept", name))

    def keep(self, made: socket.socket) -> None:
        """Close a socket at the end."""
        self._stack.enter_context(made)

    def turn(self, wait_s: float) -> list[bytes]:
        """Serve what is there; return what clients have been answered."""
        answered: list[bytes] = []
        for key, _ in self.selector.select(wait_s):
            made = key.fileobj
            assert isinstance(made, socket.socket)
            kind, name = key.data
            try:
                self._serve(made, kind, name, answered)
            except OSError:
                # It ended before we got to it, and has not arrived.
                continue
        return answered

    def _serve(self, made: socket.socket, kind: str, name: str, answered: list[bytes]) -> None:
        if kind == "accept":
            served, _ = made.accept()
            self.keep(served)
            served.setblocking(False)
            self.selector.register(served, selectors.EVENT_READ, ("serve", name))
            return
        self.selector.unregister(made)
        if kind == "serve":
            said = made.recv(100)
            self.heard[said] = name
            if said:
                made.send(said)
        elif kind == "connect":
            made.send(name.encode())
            self.selector.register(made, selectors.EVENT_READ, ("answer", name))
        else:
            answered.append(made.recv(100))

    def close(self) -> None:
        self.selector.close()
        self._stack.close()


@contextmanager
def echoing(lab: Lab, names: Sequence[str], ports: Sequence[int]) -> Iterator[Echoes]:
    made = Echoes(lab, names, ports)
    try:
        yield made
    finally:
        made.close()


def arriving(lab: Lab, echoes: Echoes, wanted: Sequence[Try], sure: set[int]) -> set[int]:
    """Open all connections at once; return which reached whom they were for, and came back."""
    for number, each in enumerate(wanted):
        client = lab.open(each.source, str(each.address))
        echoes.keep(client)
        client.setblocking(False)
        client.bind((str(each.source_address), 0))
        client.connect_ex((str(each.address), each.port))
        echoes.selector.register(client, selectors.EVENT_WRITE, ("connect", str(number)))
    arrived: set[int] = set()
    until = time.monotonic() + DEADLINE_S
    quiet_until = time.monotonic() + QUIET_S
    while time.monotonic() < (quiet_until if sure <= arrived else until):
        for said in echoes.turn(0.1):
            place = lab.namespace(wanted[int(said)].destination) if said else None
            if place is not None and lab.namespace(echoes.heard[said]) == place:
                arrived.add(int(said))
                quiet_until = time.monotonic() + QUIET_S
    return arrived


@pytest.mark.parametrize(
    ("network", "ports"),
    [
        (load(EXAMPLE), (22, 80, 5432, 8080)),
        (everything().network(), (8000,)),
        *((make_network(Random(seed)), (22, 80, 443)) for seed in SEEDS),
    ],
    ids=["three tiers", "every kind of way", *map(str, SEEDS)],
)
def test_what_is_explained_is_what_happens(network: Network, ports: Sequence[int]) -> None:
    answers: dict[Try, Answer] = {
        each: explain(
            network,
            source=each.asked_from,
            destination=each.asked_to,
            protocol="tcp",
            port=each.port,
            ipv6=each.is_ipv6,
            client_ports=CLIENT_PORTS,
        ).answer
        for each in tries(network, ports)
    }
    wanted = [each for each, answer in answers.items() if answer is not Answer.UNKNOWN]
    yes = {number for number, each in enumerate(wanted) if answers[each] is Answer.YES}
    assert 0 < len(yes) < len(wanted)
    names = [
        "internet",
        *dict.fromkeys(each.source for each in wanted if each.source != "internet"),
    ]
    with lab_of(network) as lab, echoing(lab, names, ports) as echoes:
        arrived = arriving(lab, echoes, wanted, yes)
    assert [wanted[each] for each in sorted(yes - arrived)] == []
    assert [wanted[each] for each in sorted(arrived - yes)] == []
