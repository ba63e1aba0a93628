"""Packets that nobody should send: bytes of real ones, damaged in every way, from a seed."""

from collections.abc import Callable, Iterator
from random import Random
from struct import pack

from secgroup.lessons.scene import scene
from secgroup.model.network import Network
from secgroup.net.packet import Packet
from tests.fuzz.targets import packets as fuzzed
from tests.support.frames import ip_bytes
from tests.support.traces import Arrival, make_trace

WEB, WEB6 = "10.0.1.10", "2001:db8:1:1::10"

#: Much is allowed, so that much is read.
NETWORK: Network = scene(
    groups={
        "web": [
            *("in all 203.0.113.0/24", "in tcp/0-65535 0.0.0.0/0", "in udp/53 0.0.0.0/0"),
            *("in all 2001:db8::/32", "in icmpv6 ::/0", "in icmp/8 0.0.0.0/0", "in 47 0.0.0.0/1"),
            *("out tcp/0-65535 0.0.0.0/0", "out all ::/0", "out icmp 128.0.0.0/1"),
        ]
    },
    interfaces={"web-0": f"{WEB} {WEB6} web", "web-1": "10.0.2.10 2001:db8:1:2::10 web",
                "web-2": "10.0.1.12 2001:db8:1:1::12 web"},
    acls={"10.0.2": ["in 100 deny tcp/0-4000 0.0.0.0/0", "in 200 allow all 0.0.0.0/0",
                     "in 201 allow all ::/0", "out 100 allow all 0.0.0.0/0",
                     "out 101 deny 58 8000::/1", "out 102 allow all ::/0"]},
    unchecked=["web-0", "web-1"],
)  # fmt: skip
#: What a field says that is not there, or just not there.
_EDGES = (0, 1, 2, 4, 5, 6, 7, 8, 16, 17, 19, 20, 21, 39, 40, 41, 44, 58, 59, 60, 64, 127, 128, 135)
_WORDS = (0, 1, 8, 19, 20, 28, 39, 40, 48, 0x1FFF, 0x2000, 0x2001, 0x4000, 0xFFF8, 0xFFFF)
_EXTENSIONS = (0, 43, 44, 44, 50, 51, 59, 60, 135)


def originals() -> list[bytes]:
    """Packets to begin with: of traces, plain and with headers between, and of the fuzzer."""
    events = make_trace(1, 900, hints=False).events
    whole = [each.packet for each in events if isinstance(each, Arrival)]
    made = [ip_bytes(each, number % 4) for number, each in enumerate(whole)
            if isinstance(each, Packet)]  # fmt: skip
    return [*made, *fuzzed() * 20]


def _flip(random: Random, octets: bytearray) -> None:
    octets[random.randrange(min(len(octets), 90))] ^= 1 << random.randrange(8)


def _edge(random: Random, octets: bytearray) -> None:
    octets[random.randrange(min(len(octets), 90))] = random.choice(_EDGES)


def _word(random: Random, octets: bytearray) -> None:
    at = random.randrange(0, max(1, min(len(octets), 80) - 1), 2)
    octets[at : at + 2] = pack("!H", random.choice((*_WORDS, len(octets), len(octets) - 1)))


def _cut(random: Random, octets: bytearray) -> None:
    del octets[random.randrange(min(len(octets), 120)) :]


def _grow(random: Random, octets: bytearray) -> None:
    octets += bytes(random.choice((1, 6, 18, 60)))


def _length(random: Random, octets: bytearray) -> None:
    """Say that it is as long as it is, or a little more or less."""
    length = max(0, len(octets) + random.choice((-9, -1, 0, 0, 1, 30)))
    if octets[0] >> 4 == 4:
        octets[2:4] = pack("!H", length & 0xFFFF)
    else:
        octets[4:6] = pack("!H", max(0, length - 40) & 0xFFFF)


def _extend(random: Random, octets: bytearray) -> None:
    """Put headers of IPv6 between."""
    if octets[0] >> 4 != 6 or len(octets) < 40:
        return
    for _ in range(random.choice((1, 1, 2, 7, 8, 9))):
        kind, said = random.choice(_EXTENSIONS), random.choice((0, 0, 0, 1, 2, 255))
        header = pack("!BBHI", octets[6], said, random.choice(_WORDS) if kind == 44 else 0x104, 7)
        octets[40:40] = header + bytes(8 * said if kind != 44 and said < 3 else 0)
        octets[6] = kind
    octets[4:6] = pack("!H", (len(octets) - 40) & 0xFFFF)


def _quote(random: Random, octets: bytearray) -> None:
    """Make it what an ICMP error quotes, as far as 8 to 80 octets go."""
    inner = bytes(octets[: random.choice((8, 20, 24, 28, 40, 44, 48, 60, 80))])
    if inner[:1] and inner[0] >> 4 == 6 and len(octets) >= 40:
        kind = pack("!BBHI", random.choice((1, 2, 3, 4, 5, 137)), 0, 0, 0)
        ends = bytes(octets[24:40]) + bytes(octets[8:24])
        header = pack("!IHBB", 6 << 28, 8 + len(inner), 58, 64) + ends
    elif len(octets) >= 20:
        kind = pack("!BBHI", random.choice((3, 4, 5, 11, 12)), random.choice((0, 4)), 0, 0)
        ends = bytes(octets[16:20]) + bytes(octets[12:16])
        header = pack("!BBHHHBBH", 0x45, 0, 28 + len(inner), 1, 0, 64, 1, 0) + ends
    else:
        return
    octets[:] = header + kind + inner


_DAMAGES: tuple[Callable[[Random, bytearray], None], ...] = (
    *(_flip, _flip, _edge, _edge, _word, _word, _cut, _grow, _length, _extend, _quote),
)


def hostile(seed: int, count: int) -> Iterator[bytes]:
    """Yield so many IP packets, each damaged up to four times; the same for the same seed."""
    random, whole = Random(seed), originals()
    for _ in range(count):
        octets = bytearray(random.choice(whole))
        for damage in random.choices(_DAMAGES, k=random.choice((0, 1, 1, 2, 3, 4))):
            if octets:
                damage(random, octets)
        yield bytes(octets[:1500])
