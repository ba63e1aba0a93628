"""Who writes a trace: conversations, and the times at which something changes.

The author plays the definition along while writing, only to know where the edges are: which
flow is in which state, where its sequence numbers stand, and when it expires. What a trace must
be answered is not part of it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from typing import Final

from secgroup.conntrack.flow import Flow, FlowKey, key_of
from secgroup.conntrack.state import State
from secgroup.decision import Decision
from secgroup.lessons.talk import Connection, header_size
from secgroup.model.interface import NetworkInterface
from secgroup.net.address import Address
from secgroup.net.direction import Direction
from secgroup.net.packet import Datagram, Icmp, Packet
from secgroup.net.protocol import ICMP_QUERIES, TCP, UDP, TcpFlag, icmp_of
from secgroup.policy.resolve import Policy
from secgroup.reference.decide import decide
from secgroup.reference.memory import Memory, Switches
from tests.support.traces.edges import Edges
from tests.support.traces.networks import make_network
from tests.support.traces.trace import Arrival, Event

IN, OUT = Direction.INGRESS, Direction.EGRESS
DAY_MS: Final = 86_400_000


@dataclass
class Talk:
    """A conversation at one interface; `opener` is the direction of its first packet."""

    interface_id: str
    opener: Direction
    inside: Address
    outside: Address
    protocol: int
    connection: Connection | None = None
    ports: tuple[int, int] = (0, 0)
    query: int = 8

    def packet(self, way: Direction, *, size: int = 64, icmp: Icmp | None = None) -> Packet:
        """A packet of a protocol other than TCP; `ports` are the opener's side first."""
        out = way is OUT
        source, destination = (self.inside, self.outside) if out else (self.outside, self.inside)
        ports = self.ports if way is self.opener else self.ports[::-1]
        has_ports = self.protocol == UDP
        return Packet(
            source=source,
            destination=destination,
            protocol=self.protocol,
            length=header_size(source) + 8 + size,
            source_port=ports[0] if has_ports else None,
            destination_port=ports[1] if has_ports else None,
            icmp=icmp,
        )


_OTHERS = {4: (47, 50, 51, 58, 132), 6: (47, 50, 51, 1, 59)}
_ODD_FLAGS = (
    "SYN",
    "SYN ACK",
    "FIN ACK",
    "FIN",
    "ACK",
    "PSH ACK",
    "SYN FIN",
    "PSH",
    "SYN RST",
    "URG",
)


class Author:
    """Writes events; `watch` gets each with its decision, while `memory` is as it left it.

    Without `hints` no packet comes with the word that its hop is inside a subnet.
    """

    def __init__(self, seed: int, *, hints: bool = True) -> None:
        self.seed, self.hints = seed, hints
        self.watch: Callable[[Event, Decision | None], None] = lambda event, decision: None
        random = self.random = Random(seed)
        self.network = self.first_network = make_network(random)
        self.switches = Switches(
            related_icmp=random.random() < 0.8,
            loose_tcp=random.random() < 0.25,
            strict_tcp=random.random() < 0.25,
            allowance=random.choice((None, None, 0, 3, 20)),
            allowances={"i-a0": random.choice((2, 100)), "i-a1": 100},
        )
        self.policy = Policy(self.network)
        self.edges = Edges(random, self.network)
        self.memory = Memory()
        self.now_ms = random.choice((0, 1, 999, 1_700_000_000_123, 1_700_000_000_999))
        self.events: list[Event] = []
        self.talks: dict[FlowKey, Talk] = {}
        self.open: deque[Talk] = deque(maxlen=24)
        self.recent: deque[tuple[str, Direction, Packet]] = deque(maxlen=16)
        self.identification = count(random.randrange(1 << 16))
        self.left = 0

    def put(self, interface_id: str, direction: Direction, packet: Datagram) -> None:
        """Let a packet arrive, and play it."""
        if self.left <= 0:
            return
        self.left -= 1
        time_ms = self.now_ms
        if self.random.random() < 0.01:
            time_ms -= self.random.choice((1, 500, 5000))
        same_subnet = None
        if self.random.random() < 0.04:
            hint = self.random.random() < 0.5
            same_subnet = hint if self.hints else None
        event = Arrival(
            time_ms=max(0, time_ms),
            interface_id=interface_id,
            direction=direction,
            packet=packet,
            same_subnet=same_subnet,
        )
        self.events.append(event)
        decision = decide(
            self.policy.at(interface_id),
            self.memory,
            packet,
            direction,
            event.time_ms,
            same_subnet=same_subnet,
            switches=self.switches,
        )
        self.watch(event, decision)
        if isinstance(packet, Packet) and packet.fragment is None:
            self.recent.append((interface_id, direction, packet))

    def say(self, talk: Talk, way: Direction, packet: Packet) -> None:
        """A packet of a conversation; at the other interface too, when there is one."""
        key = key_of(packet, way, self.interface(talk.interface_id).owner)
        if key is not None:
            self.talks[key] = talk
        self.put(self.way_out(talk), way, packet)
        if self.random.random() < 0.3:
            for other in self.network.interfaces_with(talk.outside)[:1]:
                if other.vpc_id == self.interface(talk.interface_id).vpc_id:
                    self.put(other.interface_id, way.opposite, packet)

    def way_out(self, talk: Talk) -> str:
        """The interface of the conversation; now and then another one of its owner."""
        if self.random.random() > 0.06:
            return talk.interface_id
        owner = self.interface(talk.interface_id).owner
        return self.random.choice(
            [each.interface_id for each in self.network.interfaces.values() if each.owner == owner]
        )

    def interface(self, interface_id: str) -> NetworkInterface:
        return self.network.interfaces[interface_id]

    # Conversations

    def some_interface(self) -> NetworkInterface:
        weights = [
            1 if each.interface_id[-1] == "5" else 4 for each in self.network.interfaces.values()
        ]
        return self.random.choices(list(self.network.interfaces.values()), weights)[0]

    def inside_address(self, interface: NetworkInterface, family: int) -> Address:
        own: list[Address] = [each for each in interface.addresses if each.version == family]
        own += [prefix[1] for prefix in interface.prefixes if prefix.version == family]
        if not interface.source_dest_check and self.random.random() < 0.3:
            return self.edges.peer(family)
        return self.random.choice(own)

    def aimed(
        self, interface: NetworkInterface, direction: Direction, family: int, protocol: int
    ) -> tuple[Address, int | None] | None:
        """A peer and a port that some rule of the interface allows, if there is such a rule."""
        permissions = [
            each
            for each in self.policy.at(interface.interface_id).permissions[direction]
            if each.traffic.protocol in (None, protocol) and each.is_for_family(family)
        ]
        if not permissions:
            return None
        chosen = self.random.choice(permissions)
        peers: list[Address] = sorted(
            (each for each in chosen.addresses if each.version == family), key=int
        )
        for prefix in chosen.prefixes:
            if prefix.version == family:
                peers += [each for each in self.edges.addresses[family] if each in prefix]
                peers += [each for each in self.edges.inside[family] if each in prefix]
        if not peers:
            return None
        port = None
        if chosen.traffic.ports is not None:
            ports = chosen.traffic.ports
            port = self.random.choice((ports.first, ports.last, (ports.first + ports.last) // 2))
        return self.random.choice(peers), port

    def start(self) -> None:
        """A new conversation, aimed at a rule or at an edge."""
        random = self.random
        interface, opener = self.some_interface(), random.choice((IN, OUT))
        family = random.choice((4, 6))
        kind = random.choices(("tcp", "udp", "icmp", "other"), (7, 3, 2, 1))[0]
        protocol = {"tcp": TCP, "udp": UDP, "icmp": icmp_of(family), "other": 0}[kind]
        if kind == "other":
            protocol = random.choice(_OTHERS[family])
        inside, outside = self.inside_address(interface, family), self.edges.peer(family)
        port = self.edges.port(protocol) if protocol in (TCP, UDP) else 0
        if random.random() < 0.7:
            found = self.aimed(interface, opener, family, protocol)
            if found is not None:
                outside = found[0]
                port = port if found[1] is None else found[1]
        client_port = port if random.random() < 0.05 else self.edges.client_port()
        talk = Talk(
            interface_id=interface.interface_id,
            opener=opener,
            inside=inside,
            outside=outside,
            protocol=protocol,
            ports=(client_port, port),
        )
        if kind == "tcp":
            ends = (inside, outside) if opener is OUT else (outside, inside)
            talk.connection = Connection(
                client_address=ends[0],
                server_address=ends[1],
                client_port=client_port,
                server_port=port,
                next=[random.choice((random.getrandbits(32), 2**32 - 2)) for _ in range(2)],
            )
        if kind == "icmp":
            talk.query = random.choice([asked for known, asked in ICMP_QUERIES if known == family])
            talk.ports = (client_port, client_port)
        self.open.append(talk)
        if kind == "tcp" and random.random() < 0.12:
            self.speak(talk, 0, random.choice(_ODD_FLAGS))
        elif kind == "tcp":
            self.speak(talk, 0, "SYN")
        else:
            for side in random.choice(("0", "0", "01", "011", "011", "00", "001", "010101")):
                self.exchange(talk, int(side))

    def go_on(self) -> None:
        """The next packets of a conversation, mostly the natural ones."""
        if not self.open:
            return self.start()
        talk = self.random.choice(self.open)
        flow = None
        if self.random.random() < 0.75:
            flow = self.some_flow(only_tcp=self.random.random() < 0.7)
        if flow is not None:
            talk = self.talks[flow.key]
        for _ in range(self.random.choice((1, 2, 3, 5))):
            self.now_ms += self.random.choice((0, 1, 20))
            self.next_packet(talk)
        return None

    def next_packet(self, talk: Talk) -> None:
        if talk.connection is None:
            self.exchange(talk, self.random.choice((0, 1)))
        elif self.random.random() < 0.66:
            self.natural(talk)
        else:
            self.odd(talk)

    def flow_of(self, talk: Talk) -> Flow | None:
        if talk.connection is None:
            return None
        packet = replace(talk.connection).client("ACK", ahead=1)
        key = key_of(packet, talk.opener, self.interface(talk.interface_id).owner)
        return None if key is None else self.memory.flows.get(key)

    def speak(self, talk: Talk, side: int, flags: str, payload: int = 0, ahead: int = 0) -> None:
        """One segment of the client (0) or the server (1)."""
        assert talk.connection is not None
        make = talk.connection.client if side == 0 else talk.connection.server
        packet = make(flags, payload, ahead=ahead)
        self.say(talk, talk.opener if side == 0 else talk.opener.opposite, packet)

    def natural(self, talk: Talk) -> None:
        """What the two hosts would say now."""
        random, flow = self.random, self.flow_of(talk)
        either = random.choice((0, 1))
        state = None if flow is None else flow.state
        script: dict[State | None, tuple[tuple[int, str], ...]] = {
            None: ((0, "SYN"), (0, "SYN"), (either, "ACK")),
            State.SYN_SENT: ((1, "SYN ACK"), (1, "SYN ACK"), (1, "SYN ACK"), (1, "SYN")),
            State.SYN_SENT2: ((either, "SYN ACK"), (either, "SYN")),
            State.SYN_RECV: ((0, "ACK"), (0, "ACK"), (0, "PSH ACK"), (either, "FIN ACK")),
            State.ESTABLISHED: ((either, "PSH ACK"), (either, "ACK"), (either, "FIN ACK")),
            State.FIN_WAIT: ((either, "ACK"), (either, "ACK"), (either, "FIN ACK")),
            State.CLOSE_WAIT: ((either, "FIN ACK"), (either, "PSH ACK")),
            State.LAST_ACK: ((either, "ACK"),),
            State.TIME_WAIT: ((either, "SYN"), (either, "ACK"), (1 - either, "SYN")),
        }
        side, flags = random.choice(script[state])
        if state is State.TIME_WAIT and flags == "SYN" and talk.connection is not None:
            talk.connection.next[side] = random.getrandbits(32)
        payload = random.choice((1, 100, 1400)) if "PSH" in flags else 0
        self.speak(talk, side, flags, payload)

    def odd(self, talk: Talk) -> None:
        """What they would not say: resets in and out of place, and any flags at all."""
        random = self.random
        side = random.choice((0, 1))
        if random.random() < 0.7 or talk.connection is None:
            self.speak(
                talk, side, random.choice(_ODD_FLAGS), ahead=random.choice((0, 1, -1, 2**31))
            )
            return
        self.reset(talk, side, random.choice((0, 0, 1, -1, 2**31, 77)))

    def reset(self, talk: Talk, side: int, off: int) -> None:
        """A reset `off` from where the flow really stands."""
        random, flow = self.random, self.flow_of(talk)
        assert talk.connection is not None
        packet = (talk.connection.client if side == 0 else talk.connection.server)(
            random.choice(("RST", "RST ACK")), ahead=1
        )
        assert packet.tcp is not None
        way = talk.opener if side == 0 else talk.opener.opposite
        if flow is not None:
            where = flow.next[flow.side_of(way)]
            sequence = packet.tcp.sequence if where is None else where + off
            about = flow.next[1 - flow.side_of(way)]
            acknowledges = about is not None and packet.tcp.flags & TcpFlag.ACK
            tcp = replace(
                packet.tcp,
                sequence=sequence & 0xFFFFFFFF,
                acknowledgement=(about + off) & 0xFFFFFFFF
                if about is not None and acknowledges
                else packet.tcp.acknowledgement,
            )
            packet = replace(packet, tcp=tcp)
        self.say(talk, way, packet)

    def exchange(self, talk: Talk, side: int) -> None:
        """One packet of UDP, ICMP or another protocol."""
        way = talk.opener if side == 0 else talk.opener.opposite
        icmp = None
        if talk.protocol == icmp_of(talk.inside.version):
            answer = ICMP_QUERIES[talk.inside.version, talk.query]
            kind = talk.query if side == 0 else answer
            if self.random.random() < 0.08:
                kind = self.random.choice((talk.query, answer))
            icmp = Icmp(type=kind, code=0, identifier=talk.ports[0])
        self.say(talk, way, talk.packet(way, icmp=icmp))

    # Time

    def some_flow(self, *, only_tcp: bool = False) -> Flow | None:
        """A living flow, every state that there is as likely as the others."""
        flows: dict[State, list[Flow]] = {}
        for flow in self.memory.flows:
            if only_tcp and flow.key.protocol != TCP:
                continue
            if flow.key in self.talks and flow.expires_ms > self.now_ms:
                flows.setdefault(flow.state, []).append(flow)
        if not flows:
            return None
        return self.random.choice(flows[self.random.choice(sorted(flows))])

    def expire(self) -> None:
        """Go to where a flow expires, to one millisecond before or after, and send."""
        flow = self.some_flow()
        if flow is None:
            return self.go_on()
        if flow.expires_ms - self.now_ms > DAY_MS and self.random.random() < 0.6:
            return self.go_on()
        self.now_ms = flow.expires_ms + self.random.choice((-1, 0, 1))
        talk = self.talks[flow.key]
        if talk.connection is None:
            return self.exchange(talk, self.random.choice((0, 1)))
        return self.speak(talk, self.random.choice((0, 1)), "ACK", ahead=-1)

    def second(self) -> None:
        """Land on, before or after a whole second, where a table is reaped; then open."""
        step = self.random.choice((0, 1, 30, 120)) * 1000
        self.now_ms = max(
            self.now_ms,
            -(-self.now_ms // 1000) * 1000 + step + self.random.choice((-1, 0, 1)),
        )
        self.start()
