"""Conversations between an inside and an outside host, with the accidents that real ones have.

Each is a list of (direction, packet) made from a seed. TCP is spoken by two small endpoints that
open, send, close or reset; then packets are lost before the hook, doubled, swapped, or replaced
by ones that nobody should have sent.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from secgroup.net.address import Address
from secgroup.net.direction import Direction
from secgroup.net.packet import Icmp, Packet, Tcp
from secgroup.net.protocol import ICMP_QUERIES, TCP, UDP, TcpFlag, icmp_of

Step = tuple[Direction, Packet]
SYN, ACK, FIN, RST, PSH = TcpFlag.SYN, TcpFlag.ACK, TcpFlag.FIN, TcpFlag.RST, TcpFlag.PSH


@dataclass(frozen=True)
class Hosts:
    """The two ends, and the ports (or identifier) of one conversation."""

    inside: Address
    outside: Address
    inside_port: int
    outside_port: int

    @property
    def headers(self) -> int:
        """Bytes of the IP header."""
        return 20 if self.inside.version == 4 else 40

    def packet(self, way: Direction, protocol: int, *, ports: bool, **fields: object) -> Packet:
        """Make a packet that goes `way`."""
        out = way is Direction.EGRESS
        ends = (self.inside, self.outside) if out else (self.outside, self.inside)
        numbers = (self.inside_port, self.outside_port)
        source_port, destination_port = numbers if out else numbers[::-1]
        return Packet(
            source=ends[0],
            destination=ends[1],
            protocol=protocol,
            source_port=source_port if ports else None,
            destination_port=destination_port if ports else None,
            **fields,  # type: ignore[arg-type]
        )

    def segment(
        self, way: Direction, flags: TcpFlag, seq: int, ack: int = 0, payload: int = 0
    ) -> Packet:
        """Make a TCP segment that goes `way`."""
        tcp = Tcp(
            flags=flags,
            sequence=seq & 0xFFFFFFFF,
            acknowledgement=ack & 0xFFFFFFFF if flags & ACK else 0,
            payload=payload,
        )
        return self.packet(way, TCP, ports=True, length=self.headers + 20 + payload, tcp=tcp)


class _Talk:
    """Two TCP endpoints that keep their sequence numbers."""

    def __init__(self, random: Random, hosts: Hosts, client: Direction) -> None:
        self.hosts = hosts
        self.client = client
        self.next = {way: random.choice((random.getrandbits(32), 2**32 - 3)) for way in Direction}
        self.steps: list[Step] = []

    def say(self, way: Direction, flags: TcpFlag, payload: int = 0) -> None:
        ack = self.next[way.opposite]
        self.steps.append((way, self.hosts.segment(way, flags, self.next[way], ack, payload)))
        self.next[way] += payload + bool(flags & SYN) + bool(flags & FIN)


def tcp_conversation(random: Random, hosts: Hosts) -> list[Step]:
    """Make one TCP connection from its opening, or from the middle, to some kind of end."""
    client = random.choice(list(Direction))
    server = client.opposite
    talk = _Talk(random, hosts, client)
    opening = random.choices(("normal", "simultaneous", "middle", "refused"), (8, 1, 1, 1))[0]
    if opening != "middle":
        talk.say(client, SYN)
    if opening == "refused":
        talk.say(server, RST | ACK)
        return talk.steps
    if opening == "simultaneous":
        talk.say(server, SYN)
        talk.next[client] -= 1
        talk.say(client, SYN | ACK)
        talk.next[server] -= 1
        talk.say(server, SYN | ACK)
    elif opening == "normal":
        talk.say(server, SYN | ACK)
        talk.say(client, ACK)
    for _ in range(random.randrange(1, 4)):
        way = random.choice((client, server))
        talk.say(way, PSH | ACK, random.choice((1, 100, 1400)))
        talk.say(way.opposite, ACK)
    ending = random.choices(("close", "both", "reset", "none", "reopen"), (4, 2, 3, 1, 3))[0]
    first = random.choice((client, server))
    if ending == "reset":
        talk.say(first, random.choice((RST, RST | ACK)))
    if ending in ("close", "both", "reopen"):
        talk.say(first, FIN | ACK)
        if ending == "close":
            talk.say(first.opposite, ACK)
        talk.say(first.opposite, FIN | ACK)
        talk.say(first, ACK)
    if ending == "reopen":
        again = random.choice((client, server))
        talk.next[again] += 100_000
        talk.say(again, SYN)
        talk.next[again.opposite] = random.getrandbits(32)
        talk.say(again.opposite, SYN | ACK)
        talk.say(again, ACK)
    return talk.steps


def _strange(random: Random, hosts: Hosts, steps: list[Step]) -> Step:
    """Make a segment that neither endpoint would send now."""
    way, near = random.choice(steps)
    assert near.tcp is not None
    flags = random.choice(
        (SYN, SYN | ACK, FIN | ACK, ACK, RST, RST | ACK, SYN | FIN, TcpFlag(0), PSH)
    )
    seq = near.tcp.sequence + random.choice((0, 1, -1, 1000, 2**31, random.getrandbits(32)))
    return way, hosts.segment(way, flags, seq, near.tcp.acknowledgement)


def with_accidents(random: Random, hosts: Hosts, steps: list[Step]) -> list[Step]:
    """Lose, double, swap and add a few packets; one conversation in three stays as it was."""
    steps = list(steps)
    for _ in range(random.choice((0, 1, 3))):
        accident, at = (
            random.choice(("lose", "double", "swap", "strange")),
            random.randrange(len(steps)),
        )
        if accident == "lose" and len(steps) > 2:
            del steps[at]
        elif accident == "double":
            steps.insert(random.randint(at, len(steps)), steps[at])
        elif accident == "swap" and at + 1 < len(steps):
            steps[at], steps[at + 1] = steps[at + 1], steps[at]
        elif accident == "strange":
            steps.insert(random.randint(0, len(steps)), _strange(random, hosts, steps))
    return steps


def datagrams(random: Random, hosts: Hosts) -> list[Step]:
    """Make a UDP flow."""
    return [
        (way, hosts.packet(way, UDP, ports=True, length=hosts.headers + 8))
        for way in random.choices(list(Direction), k=random.randint(1, 7))
    ]


def queries(random: Random, hosts: Hosts) -> list[Step]:
    """Make ICMP queries and answers of one identifier, some of the wrong kind."""
    family = hosts.inside.version
    kinds = [
        kind for known, kind in ICMP_QUERIES if known == family and (family == 6 or kind in (8, 13))
    ]
    steps = []
    for _ in range(random.randint(1, 5)):
        asked = random.choice(kinds)
        way = random.choice(list(Direction))
        icmp = Icmp(
            type=random.choice((asked, asked, ICMP_QUERIES[family, asked])),
            code=0,
            identifier=hosts.inside_port,
        )
        packet = hosts.packet(
            way, icmp_of(family), ports=False, length=hosts.headers + 20, icmp=icmp
        )
        steps.append((way, packet))
    return steps


def errors_about(random: Random, hosts: Hosts, steps: list[Step]) -> Step:
    """Make an ICMP error about one packet of a conversation, from the one who got it."""
    way, about = random.choice(steps)
    kind = random.choice((3, 11) if about.family == 4 else (1, 2, 3))
    quote = replace(about, hop_limit=60)
    error = Icmp(type=kind, code=0, quote=quote)
    length = 2 * hosts.headers + 8 + 60
    back = way.opposite
    return back, hosts.packet(back, icmp_of(about.family), ports=False, length=length, icmp=error)


def conversations(seed: int, *, inside: Address, outside: Address) -> Iterator[list[Step]]:
    """Yield conversations without end, no two with the same ports."""
    random = Random(seed)
    for number in range(20_000):
        hosts = Hosts(inside, outside, 20_000 + number, 45_000 - number)
        kind = random.choices(("tcp", "udp", "icmp"), (6, 2, 2))[0]
        if kind == "tcp":
            steps = with_accidents(random, hosts, tcp_conversation(random, hosts))
        else:
            steps = (datagrams if kind == "udp" else queries)(random, hosts)
        if random.random() < 0.15:
            steps.insert(random.randint(1, len(steps)), errors_about(random, hosts, steps))
        yield steps
