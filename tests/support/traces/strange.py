"""The whole author: between conversations, packets that no two hosts say to each other."""

from dataclasses import replace

from secgroup.lessons.talk import Connection, header_size
from secgroup.model.network import Network
from secgroup.net.address import Address, parse_address
from secgroup.net.packet import Fragment, Icmp, Malformed, Packet
from secgroup.net.protocol import ICMP_ERRORS, TCP, UDP, icmp_of
from secgroup.policy.resolve import Policy, routers_of, services_of
from tests.support.traces.author import IN, OUT, Author
from tests.support.traces.edges import Edges
from tests.support.traces.networks import edited
from tests.support.traces.trace import Edit, Trace, gone


def make_trace(seed: int, packets: int, *, hints: bool = True) -> Trace:
    """Write a trace of so many packets; the same seed makes the same one."""
    return Writer(seed, hints=hints).write(packets)


class Writer(Author):
    # Writing

    def write(self, packets: int) -> Trace:
        self.left = packets
        acts = (
            (30, self.start),
            (70, self.go_on),
            (6, self.fragments),
            (8, self.error),
            (8, self.expire),
            (2, self.second),
            (5, self.exempt),
            (2, self.malformed),
            (2, self.multicast),
            (2, self.spoof),
            (1, self.edit),
            (1, self.cut),
        )
        weights, choices = [weight for weight, _ in acts], [act for _, act in acts]
        while self.left > 0:
            self.now_ms += self.random.choice((0, 0, 1, 3, 17, 250, 999))
            self.random.choices(choices, weights)[0]()
        return Trace(
            seed=self.seed,
            network=self.first_network,
            switches=self.switches,
            events=tuple(self.events),
        )

    # Strange packets

    def fragments(self) -> None:
        """Fragments of one packet: in order, before the first, and too late."""
        random = self.random
        talk = random.choice(self.open) if self.open else None
        if talk is None:
            return
        way = random.choice((IN, OUT))
        if talk.connection is not None:
            make = talk.connection.client if way is talk.opener else talk.connection.server
            whole = make(random.choice(("SYN", "PSH ACK")), 1000, ahead=1)
        else:
            icmp = None
            if talk.protocol == icmp_of(talk.inside.version):
                icmp = Icmp(type=talk.query, code=0, identifier=talk.ports[0])
            whole = talk.packet(way, size=1000, icmp=icmp)
        whole = replace(whole, length=whole.length + (8 if whole.family == 6 else 0))
        fragment = Fragment(
            identification=next(self.identification) & 0xFFFF,
            offset=0,
            more=True,
            protocol=whole.protocol,
        )
        first = replace(whole, fragment=fragment)
        later = replace(
            whole,
            fragment=replace(fragment, offset=1480, more=random.random() < 0.3),
            source_port=None,
            destination_port=None,
            tcp=None,
            icmp=None,
        )
        order = random.choice(("fl", "fll", "lf", "lfl", "f30l", "f29l", "fl30l", "ffl"))
        for letter in order.replace("30", "t").replace("29", "u"):
            if letter in "tu":
                self.now_ms += {"t": 30_000, "u": 29_999}[letter] + random.choice((-1, 0, 1))
            else:
                self.put(talk.interface_id, way, first if letter == "f" else later)
        if random.random() < 0.1:
            self.put(talk.interface_id, way.opposite, later)

    def error(self) -> None:
        """An ICMP error about a packet that passed, or about none."""
        if not self.recent:
            return
        random = self.random
        interface_id, direction, about = random.choice(self.recent)
        way = direction.opposite
        kinds = sorted(kind for family, kind in ICMP_ERRORS if family == about.family)
        kind = random.choice((kinds[0], 2 if about.family == 6 else 3, *kinds))
        code = 4 if (about.family, kind) == (4, 3) and random.random() < 0.6 else 0
        quote: Packet | None = about
        if about.is_icmp_error and about.icmp is not None:
            quote = replace(about, icmp=replace(about.icmp, quote=None))
        destination = about.source
        strange = random.random()
        if strange < 0.05:
            destination = about.destination
        elif strange < 0.1:
            quote = None
        elif strange < 0.15:
            kind, code, quote = (5 if about.family == 4 else 137), 0, None
        elif strange < 0.25 and about.source_port is not None:
            quote = replace(about, source_port=about.source_port ^ 1)
        elif strange < 0.3:
            way = direction
        source = about.destination if random.random() < 0.5 else self.edges.peer(about.family)
        packet = Packet(
            source=source,
            destination=destination,
            protocol=icmp_of(about.family),
            length=2 * header_size(source) + 8 + 60,
            icmp=Icmp(type=kind, code=code, quote=quote),
        )
        self.put(interface_id, way, packet)

    def exempt(self) -> None:
        """Services, the router, DHCP and neighbour discovery, and what only looks like them."""
        random = self.random
        interface, way = self.some_interface(), random.choice((IN, OUT))
        subnet = self.network.subnets[interface.subnet_id]
        kind = random.choice(("service", "service", "router", "dhcp", "neighbour"))
        family = random.choice((4, 6))
        own = random.choice([each for each in interface.addresses if each.version == family])
        if kind == "neighbour":
            packet = Packet(
                source=own,
                destination=parse_address("ff02::1:ff00:10"),
                protocol=icmp_of(6),
                length=72,
                hop_limit=random.choice((255, 255, 254)),
                icmp=Icmp(type=random.choice((132, 133, 134, 135, 136, 137)), code=0),
            )
            if family == 6:
                self.put(interface.interface_id, way, packet)
            return
        if kind == "router":
            routers = sorted(
                (each for each in routers_of(subnet) if each.version == family), key=int
            )
            other, port, protocol = random.choice(routers), random.choice((53, 80)), UDP
        elif kind == "dhcp":
            names = ("10.0.1.1", "255.255.255.255", "203.0.113.9")
            if family == 6:
                names = ("fe80::1", "ff02::1:2", "2001:db8:ffff::9")
            other, protocol = parse_address(random.choice(names)), UDP
            ports = random.choice(((68, 67), (67, 68)) if family == 4 else ((546, 547), (547, 546)))
            ends = (own, other) if way is OUT else (other, own)
            self.put(interface.interface_id, way, _datagram(*ends, *ports))
            return
        else:
            services = services_of(self.network.vpcs[interface.vpc_id])
            service = random.choice(services)
            addresses = sorted(
                (each for each in service.addresses if each.version == family), key=int
            )
            if not addresses:
                return
            other, port = random.choice(addresses), service.port + random.choice((0, 0, 0, 1, -1))
            protocol = random.choice((*sorted(service.protocols), UDP))
        ports = (self.edges.client_port(), port)
        if way is IN:
            ports = ports[::-1]
        if random.random() < 0.1:
            ports = ports[::-1]
        ends = (own, other) if way is OUT else (other, own)
        packet = _datagram(*ends, *ports)
        if protocol == TCP:
            packet = Connection(
                client_address=ends[0],
                server_address=ends[1],
                client_port=ports[0],
                server_port=ports[1],
            ).client("SYN")
        self.put(interface.interface_id, way, packet)

    def malformed(self) -> None:
        interface, way = self.some_interface(), self.random.choice((IN, OUT))
        family = self.random.choice((4, 6))
        own = next(each for each in interface.addresses if each.version == family)
        self.put(
            interface.interface_id,
            way,
            Malformed(problem="TCP header cut after 3 bytes", length=43, source=own, protocol=TCP),
        )

    def multicast(self) -> None:
        interface, way = self.some_interface(), self.random.choice((IN, OUT))
        family = self.random.choice((4, 6))
        own = next(each for each in interface.addresses if each.version == family)
        block = self.network.subnets[interface.subnet_id].ipv4_block
        names = ("224.0.0.251", "255.255.255.255", str(block and block.broadcast_address))
        if family == 6:
            names = ("ff02::fb", "ff05::2", "ff0e::1")
        self.put(
            interface.interface_id,
            way,
            _datagram(own, parse_address(self.random.choice(names)), 5353, 5353),
        )

    def spoof(self) -> None:
        """A packet whose inside address is not the interface's."""
        interface, way = self.some_interface(), self.random.choice((IN, OUT))
        family = self.random.choice((4, 6))
        ends = (self.edges.peer(family), self.edges.peer(family))
        self.put(interface.interface_id, way, _datagram(*ends, 5000, self.edges.port(UDP)))

    def cut(self) -> None:
        """An ACL denies all that leaves the subnet of a flow, for a few packets."""
        flow = self.some_flow()
        if flow is None:
            return
        talk = self.talks[flow.key]
        subnet = self.network.subnets[self.interface(talk.interface_id).subnet_id]
        acl = self.network.acls[subnet.network_acl_id]
        entries = tuple(entry for entry in acl.entries if not entry.is_egress)
        before = self.network
        acls = {**before.acls, acl.network_acl_id: replace(acl, entries=entries)}
        self.edit(replace(before, acls=acls))
        outward = 0 if talk.opener is OUT else 1
        if talk.connection is None:
            self.exchange(talk, outward)
        else:
            self.natural(talk)
            self.reset(talk, outward, 0)
        self.edit(before)

    def edit(self, network: Network | None = None) -> None:
        """Somebody changes the network."""
        before = self.network
        self.network = edited(self.random, before) if network is None else network
        event = Edit(network=self.network)
        self.events.append(event)
        self.watch(event, None)
        self.memory.flows.remove_if(gone(before, self.network))
        self.policy = Policy(self.network)
        self.edges = Edges(self.random, self.network)


def _datagram(
    source: Address, destination: Address, source_port: int, destination_port: int
) -> Packet:
    return Packet(
        source=source,
        destination=destination,
        protocol=UDP,
        length=header_size(source) + 8 + 32,
        source_port=source_port,
        destination_port=destination_port,
    )
