"""A replay by the definition, and the same decisions as batches of columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

import numpy as np

from secgroup.decision import Decision, Verdict
from secgroup.engine.decisions import Rows
from secgroup.engine.rule_sets import RuleSets
from secgroup.net.capture import Frame
from secgroup.net.direction import Direction
from secgroup.net.packet import Icmp, Packet
from secgroup.net.protocol import TCP
from secgroup.replay.connections import Placed
from secgroup.replay.firewall import Firewall
from tests.engine.rows import columns_of
from tests.support.captured import ACK, FIN, RST, SYN, Seen, Talk, fragments, frames

_UNDECIDED = Decision(verdict=Verdict.REJECT, reason=0)  # type: ignore[arg-type]


@dataclass
class Replayed:
    """Decides frames one by one; `rows` makes batches of them."""

    firewall: Firewall
    rule_sets: RuleSets = field(default_factory=RuleSets)
    known: list[tuple[str, ...]] = field(default_factory=list)

    def __post_init__(self):
        network = self.firewall.network
        self.interfaces = list(network.interfaces.values())
        self.places = {each.interface_id: i for i, each in enumerate(self.interfaces)}
        self.acl_ids = [
            None if subnet is None else subnet.network_acl_id
            for subnet in (network.subnets.get(each.subnet_id) for each in self.interfaces)
        ]
        self.rule_sets.use(
            np.zeros(len(self.interfaces), np.int32), lambda *classes: self.known[classes[-1]]
        )

    def _class_of(self, rule_ids):
        if rule_ids not in self.known:
            self.known.append(rule_ids)
        return self.known.index(rule_ids)

    def decide(self, seen: Sequence[Frame]) -> list[tuple[int, Frame, tuple[Placed, ...]]]:
        """(the clock, the frame, its decisions)."""
        return [(self.firewall.now_ms, each, placed) for each, placed in self._decide(seen)]

    def _decide(self, seen):
        for frame in seen:
            placed = self.firewall.decide_frame(frame)
            yield frame, placed

    def rows(self, steps) -> Rows:
        found, frame_numbers, times_ns, connections = [], [], [], []
        for now_ms, frame, placed in steps:
            for each in placed or (None,):
                at = -1
                if each is not None and each.interface is not None:
                    at = self.places[each.interface.interface_id]
                found.append(
                    (
                        now_ms,
                        at,
                        Direction.INGRESS if each is None else each.direction or Direction.INGRESS,
                        _ANY if each is None else each.packet,
                        _UNDECIDED if each is None else each.decision,
                    )
                )
                frame_numbers.append(frame.number)
                times_ns.append(frame.time_ns)
                connections.append(0 if each is None else each.connection or 0)
        packets, decisions = columns_of(found, self._class_of)
        return Rows(
            packets=packets,
            decisions=decisions,
            frames=np.array(frame_numbers, np.int64),
            times_ns=np.array(times_ns, np.int64),
            connections=np.array(connections, np.int64),
            rule_sets=self.rule_sets.of(packets, decisions),
        )


_ANY = Talk(client="192.0.2.1", server="192.0.2.2").udp()


def some_frames(seed: int, count: int, hosts: Sequence[str]) -> list[Frame]:
    """Packets of few connections in any order: openers, answers, ends, reopenings, fragments."""
    random = Random(seed)
    v4 = [each for each in hosts if ":" not in each]
    v6 = [each for each in hosts if ":" in each]
    talks = []
    for _ in range(12):
        client, server = random.choices(v6 if v6 and random.random() < 0.3 else v4, k=2)
        ports = random.choice([22, 80, 53, 5432]), random.choice([40000, 22, 50000])
        talks.append(Talk(client=client, server=server, s=ports[0], c=ports[1]))
    found, now = [], 0.0
    for _ in range(count):
        now += random.choice([-0.5, 0, 0.001, 0.02, 1, 31, 61]) if random.random() < 0.3 else 0.001
        now = max(0.0, now)
        packet = _packet(random, random.choice(talks))
        pieces = [packet]
        if random.random() < 0.1:
            size = 24
            pieces = list(
                fragments(replace(packet, length=packet.length + 40), size, random.randrange(3))
            )
            if packet.family == 6 and packet.length < 0:
                pieces = [packet]
            if random.random() < 0.3:
                random.shuffle(pieces)
            if random.random() < 0.2:
                pieces = pieces[1:]
        if random.random() < 0.03:
            found.append(Seen(s=now, packet=b"\x45\x00\x00\x14" + bytes(random.randrange(4, 12))))
        found.extend(Seen(s=now, packet=each) for each in pieces)
    return frames(*found)


def _packet(random: Random, talk: Talk) -> Packet:
    back = random.random() < 0.5
    kind = random.choice(["tcp"] * 6 + ["udp", "udp", "ping", "other", "error"])
    if kind == "udp":
        return talk.udp(back=back, size=40)
    if kind == "other":
        return talk.other(back=back)
    if kind == "ping":
        return talk.ping(back=back, identifier=random.randrange(2))
    if kind == "error":
        asked = talk.ping(back=back)
        unreachable = Icmp(type=3 if asked.family == 4 else 1, code=random.randrange(2))
        return replace(asked, icmp=unreachable)
    flags = random.choice([SYN, SYN, SYN | ACK, ACK, ACK, FIN | ACK, RST])
    packet = talk.tcp(flags, random.choice([1000, 2000]), 5001, back=back)
    assert packet.protocol == TCP
    return packet
