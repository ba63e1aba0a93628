"""Traces by hand, of what the generator does not make: many rules, large numbers, odd addresses."""

from dataclasses import replace
from ipaddress import IPv6Network, ip_address
from itertools import count

from secgroup.lessons.scene import scene
from secgroup.lessons.talk import connection, datagram, message, ping, plain, pong
from secgroup.model.network import Network
from secgroup.net.address import parse_prefix
from secgroup.net.direction import Direction
from secgroup.net.packet import Fragment, Packet
from secgroup.net.protocol import UDP
from secgroup.reference.memory import AS_DOCUMENTED, Switches
from tests.support.captured import fragments
from tests.support.traces import Arrival, Edit, Event, Trace

IN, OUT = Direction.INGRESS, Direction.EGRESS
WEB, WEB6 = "10.0.1.10", "2001:db8:1:1::10"
CLIENT, CLIENT6 = "203.0.113.1", "2001:db8:ffff::1"
Sent = tuple[Direction, Packet] | Network | int


def web(*rules: str, acl: tuple[str, ...] = ()) -> Network:
    return scene(
        groups={"web": rules},
        interfaces={"web": f"{WEB} {WEB6} web"},
        acls={"10.0.1": acl} if acl else {},
    )


def trace(network: Network, *sent: Sent) -> Trace:
    """Packets at `web`, a millisecond apart; a network is an edit, a number the time."""
    events: list[Event] = []
    now_ms = 0
    for each in sent:
        if isinstance(each, int):
            now_ms = each
        elif isinstance(each, Network):
            events.append(Edit(network=each))
        else:
            way, packet = each
            arrival = Arrival(time_ms=now_ms, interface_id="web", direction=way, packet=packet)
            events.append(arrival)
            now_ms += 1
    return Trace(seed=0, network=network, switches=AS_DOCUMENTED, events=tuple(events))


def _codes() -> Trace:
    """The code of a query is part of what is remembered."""
    asked = [message(WEB, CLIENT, type=8, code=code, identifier=code) for code in (0, 3, 255)]
    answers = [message(CLIENT, WEB, type=0, code=9, identifier=code) for code in (0, 3, 255)]
    return trace(
        web("out all 0.0.0.0/0"),
        *((OUT, each) for each in asked),
        *((IN, each) for each in answers),
    )


def _wide() -> Trace:
    """1,000 rules: 16 words, each bit at its place, several in one packet."""
    rules = [f"in tcp/{1000 + n} 203.{n % 50}.0.0/16" for n in range(999)]
    network = web(*rules, "in tcp/1000-1998 203.0.0.0/10")
    numbers = (0, 1, 62, 63, 64, 65, 127, 128, 500, 511, 512, 960, 997, 998)
    sent = []
    for number in numbers:
        for second in (number % 50, (number + 1) % 50, 63):
            said = connection(f"203.{second}.0.9", WEB, 1000 + number)
            sent.append((IN, said.client("SYN")))
    return trace(network, *sent)


def _nested() -> Trace:
    """Prefixes of every length, one in the other; the classes of the inner ones have all bits."""
    rules = [f"in udp/53 203.0.113.129/{length}" for length in range(33)]
    rules += [f"in udp/53 2001:db8:ffff::81/{length}" for length in range(0, 129, 5)]
    number = int(ip_address("203.0.113.129"))
    wide = int(ip_address("2001:db8:ffff::81"))
    peers = [str(ip_address(number ^ 1 << bit)) for bit in range(31)]
    peers += [str(ip_address(wide ^ 1 << bit)) for bit in range(0, 125, 3)]
    peers += ["203.0.113.129", "2001:db8:ffff::81"]
    sent = [
        (IN, datagram(peer, WEB6 if ":" in peer else WEB, 53))
        for peer in peers
        if not ip_address(peer).is_multicast
    ]
    return trace(web(*rules), *sent)


def _mapped() -> Trace:
    """IPv6 addresses of ::ffff:0:0/96 are no IPv4 addresses, anywhere."""
    inside, peer = ip_address(f"::ffff:{WEB}"), ip_address(f"::ffff:{CLIENT}")
    asked = Packet(
        source=peer, destination=inside, protocol=UDP, length=60, source_port=5, destination_port=53
    )
    network = web("in udp/53 203.0.113.0/24", "in udp/53 ::ffff:0:0/96", "in udp/53 2001:db8::/32")
    unchecked = replace(
        network, interfaces={"web": replace(network.interfaces["web"], source_dest_check=False)}
    )
    own = replace(asked, destination=ip_address(WEB6))
    return trace(
        network,
        (IN, asked),
        (IN, own),
        unchecked,
        (IN, asked),
        (IN, datagram(CLIENT, WEB, 53, source_port=5)),
        (OUT, replace(asked, source=inside, destination=peer, source_port=53, destination_port=5)),
    )


def _late() -> Trace:
    """Beyond 2**32 and 2**41 ms: what is remembered of a time is its low half."""
    said = connection(CLIENT, WEB, 443)
    sent: list[Sent] = []
    ports = count(1)
    for wrap in (2**32, 2**33, 2**41):
        said = connection(CLIENT, WEB, 443, client_port=next(ports))
        sent += [wrap - 3000, (IN, said.client("SYN")), (OUT, said.server("SYN ACK"))]
        sent += [(IN, said.client("ACK")), wrap - 1, (IN, said.client("PSH ACK", 5)), wrap + 2000]
        sent += [(OUT, said.server("PSH ACK", 5)), wrap + 432_000_000 + 1999]
        sent += [(OUT, said.server("PSH ACK", 5)), wrap + 2 * 432_000_000 + 1999]
        sent += [(OUT, said.server("PSH ACK", 5)), (IN, said.client("PSH ACK", 5))]
    return trace(web("in tcp/443 203.0.113.0/24"), *sent)


def _numbers() -> Trace:
    """Ports, protocols, types and identifiers at the ends of their ranges."""
    rules = ("in all 203.0.113.0/24", "in all 2001:db8:ffff::/48", "out udp/0-65535 0.0.0.0/0")
    sent: list[Sent] = []
    for family in (4, 6):
        ends = (CLIENT, WEB) if family == 4 else (CLIENT6, WEB6)
        for port in (0, 1, 65534, 65535):
            sent.append((IN, datagram(*ends, port, source_port=65535 - port)))
            sent.append((OUT, datagram(*ends[::-1], 65535 - port, source_port=port)))
            sent.append((IN, ping(*ends, identifier=port)))
            sent.append((OUT, pong(*ends[::-1], identifier=port)))
        for protocol in {2, 3, 4, 46, 47, 61, 89, 132, 254, 255} | ({58} if family == 4 else {1}):
            sent.append((IN, plain(*ends, protocol)))
            sent.append((OUT, plain(*ends[::-1], protocol)))
        for kind in (1, 2, 5, 6, 9, 10, 12, 40, 127, 130, 137, 254, 255):
            sent.append((IN, message(*ends, type=kind, code=kind)))
    return trace(web(*rules), *sent)


def _fragment_edited() -> Trace:
    """A first fragment's answer holds for the later ones whatever has become of the rules."""
    network = web("in udp/53 0.0.0.0/0")
    first, later = fragments(datagram(CLIENT, WEB, 53, size=2000), 1480)
    return trace(network, (IN, first), (IN, later), 20, (IN, later))


def _error_in_a_fragment() -> Trace:
    """A fragment of an ICMP error is about nothing: the rules judge it."""
    asked, sent = datagram(WEB, CLIENT, 53), []
    error = message("198.51.100.7", WEB, type=3, code=1, quote=asked)
    for more, identification in ((True, 5), (True, 6)):
        fragment = Fragment(
            identification=identification, offset=0, more=more, protocol=error.protocol
        )
        sent.append((IN, replace(error, fragment=fragment)))
    return trace(web("out all 0.0.0.0/0"), (OUT, asked), *sent, (IN, error))


def _blocks() -> Trace:
    """A subnet of several IPv6 blocks: the ACL is asked outside all of them."""
    network = web("in udp/53 ::/0", acl=("in 100 deny udp/53 ::/0",))
    subnet = network.subnets["10.0.1"]
    blocks = (*subnet.ipv6_blocks, IPv6Network("2001:db8:2::/60"), IPv6Network("2001:db8:3::/125"))
    network = replace(network, subnets={"10.0.1": replace(subnet, ipv6_blocks=blocks)})
    peers = ("2001:db8:1:1::9", "2001:db8:1:2::9", "2001:db8:2:f::1", "2001:db8:2:10::1",
             "2001:db8:3::7", "2001:db8:3::8", CLIENT6)  # fmt: skip
    return trace(network, *((IN, datagram(peer, WEB6, 53)) for peer in peers))


def _members() -> Trace:
    """Addresses that come into a group and leave it, one element at a time, and back again."""
    states = []
    for members in (range(3), range(7), range(2, 7), range(40), range(0, 40, 3), range(1)):
        lines = {f"m{n}": f"10.0.2.{20 + n} 2001:db8:1:2::{n + 20:x} app" for n in members}
        rules = {"app": [], "web": ["in udp/53 app", "in udp/53-54 10.0.2.32/28", "in udp app"]}
        rules["web"][2] = "in udp/0-60 app"
        states.append(scene(groups=rules, interfaces={"web": f"{WEB} {WEB6} web", **lines}))
    sent: list[Sent] = []
    ports = count(1)
    for network in (*states, *states[::-1]):
        sent.append(network)
        for n in range(42):
            port = next(ports)
            sent.append((IN, datagram(f"10.0.2.{20 + n}", WEB, 53 + n % 3, source_port=port)))
            peer = f"2001:db8:1:2::{n + 20:x}"
            sent.append((IN, datagram(peer, WEB6, 53, source_port=port)))
    return trace(states[0], *sent)


def _routes() -> Trace:
    """A list of prefixes that changes in place, beside rules that overlap it."""

    beside = ("203.0.113.0/26", "203.0.112.0/22")

    def state(*blocks: str) -> Network:
        return scene(
            groups={"web": [f"in udp/53 {peer}" for peer in ("pl-x", *beside)]},
            interfaces={"web": f"{WEB} {WEB6} web"},
            prefix_lists={"pl-x": list(map(str, map(parse_prefix, blocks)))},
        )

    states = [
        state("203.0.113.0/24"),
        state("203.0.113.0/24", "203.0.113.7/32", "203.0.113.32/27"),
        state("203.0.113.7/32", "203.0.113.32/27", "0.0.0.0/0"),
        state("203.0.113.6/31", "128.0.0.0/1", "0.0.0.0/0"),
        state(),
        state("203.0.113.0/26", "203.0.113.0/27", "203.0.113.0/28", "203.0.113.0/29"),
    ]
    peers = ["203.0.113.0", "203.0.113.6", "203.0.113.7", "203.0.113.8", "203.0.113.33"]
    peers += ["203.0.113.64", "203.0.112.1", "203.0.120.1", "10.9.9.9", "203.0.113.16"]
    sent: list[Sent] = []
    ports = count(1)
    for network in (*states, *states[::-1], states[1]):
        sent.append(network)
        sent += [(IN, datagram(peer, WEB, 53, source_port=next(ports))) for peer in peers]
    return trace(states[0], *sent)


#: What brings a connection into each state: c is the client, s the server.
_TO_STATE = {
    "SYN_SENT": "cSYN",
    "SYN_RECV": "cSYN sSYN+ACK",
    "ESTABLISHED": "cSYN sSYN+ACK cACK",
    "FIN_WAIT": "cSYN sSYN+ACK cACK sFIN+ACK",
    "CLOSE_WAIT": "cSYN sSYN+ACK cACK sFIN+ACK cACK",
    "LAST_ACK": "cSYN sSYN+ACK cACK sFIN+ACK cFIN+ACK",
    "TIME_WAIT": "cSYN sSYN+ACK cACK sFIN+ACK cFIN+ACK sACK",
    "SYN_SENT2": "cSYN sSYN",
}
_SEGMENTS = ("SYN", "SYN+ACK", "FIN+ACK", "ACK", "RST+ACK", "RST", "SYN+FIN", "URG")


def _grid() -> Trace:
    """Every event of every side in every state, each in a connection of its own."""
    sent: list[Sent] = []
    ports = count(10_000)
    for steps in _TO_STATE.values():
        for side in "cs":
            for last in _SEGMENTS:
                for ahead in (0, 5_000):
                    said = connection(CLIENT, WEB, 443, client_port=next(ports))
                    for step in steps.split():
                        make = said.client if step[0] == "c" else said.server
                        sent.append((_way(step[0]), make(step[1:].replace("+", " "))))
                    make = said.client if side == "c" else said.server
                    sent.append((_way(side), make(last.replace("+", " "), ahead=ahead)))
    for steps in ("c", "cc", "cs", "ccs", "css", "ccss"):
        for side in "cs":
            port = next(ports)
            asked = datagram(CLIENT, WEB, 53, source_port=port)
            answer = datagram(WEB, CLIENT, port, source_port=53)
            sent += [(_way(each), asked if each == "c" else answer) for each in steps + side]
    for steps in ("c", "cs"):
        for side in "cs":
            port = next(ports)
            asked, answer = ping(CLIENT, WEB, identifier=port), pong(WEB, CLIENT, identifier=port)
            sent += [(_way(each), asked if each == "c" else answer) for each in steps + side]
    for protocol, steps in enumerate(("cc", "cs", "csc", "css"), start=100):
        asked, answer = plain(CLIENT, WEB, protocol), plain(WEB, CLIENT, protocol)
        sent += [(_way(each), asked if each == "c" else answer) for each in steps]
    return trace(web("in all 203.0.113.0/24"), *sent)


def _way(side: str) -> Direction:
    return IN if side == "c" else OUT


def _picked_up() -> Trace:
    """Segments that make entries in mid-stream, and those that do not."""
    ports = count(10_000)
    sent: list[Sent] = []
    for flags in (*_SEGMENTS, "FIN", "PSH", "SYN+RST", "FIN+RST"):
        said = connection(CLIENT, WEB, 443, client_port=next(ports))
        sent.append((IN, said.client(flags.replace("+", " "))))
        sent += [(OUT, said.server("ACK")), (OUT, said.server("RST"))]
    made = trace(web("in all 203.0.113.0/24"), *sent)
    return replace(made, switches=Switches(loose_tcp=True))


CRAFTED = {
    "grid": _grid(),
    "picked up": _picked_up(),
    "codes": _codes(),
    "wide": _wide(),
    "nested": _nested(),
    "mapped": _mapped(),
    "late": _late(),
    "numbers": _numbers(),
    "fragment": _fragment_edited(),
    "error": _error_in_a_fragment(),
    "blocks": _blocks(),
    "members": _members(),
    "list": _routes(),
}
