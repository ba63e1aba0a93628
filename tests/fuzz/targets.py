"""What is fuzzed: a function of bytes, and bytes to begin with.

A target raises nothing but InputError (CaptureError is one), whatever it is given. To add one,
add a line to TARGETS.
"""

import gzip
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from secgroup.errors import InputError
from secgroup.net.capture import annotate, read_capture
from secgroup.net.link import LINK_TYPES, decapsulate
from secgroup.net.packet import Packet
from secgroup.net.pcap import write_pcap
from secgroup.net.record import MAX_CAPTURED
from secgroup.net.wire import build, parse
from secgroup.sources import cloudformation
from secgroup.sources.describe import Answers
from secgroup.sources.describe import read as read_answers
from secgroup.sources.document import decode, is_plain, parse_json
from secgroup.sources.draft import Draft
from secgroup.sources.template import read_template
from tests.support.headers import (
    cooked2,
    ethernet,
    extension,
    icmp,
    ipv4,
    ipv6,
    ipv6_fragment,
    mirrored,
    tcp,
    udp,
)
from tests.support.networks import every_noun
from tests.support.pcapng import BIG, LITTLE

#: A folder for each target, with what fuzzing has found.
CORPUS = Path(__file__).parents[1] / "corpus" / "fuzz"


@dataclass(frozen=True, slots=True)
class Target:
    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]


def packet(data: bytes) -> None:
    for original_length in (None, 0, 1500, 100_000):
        parse(data, original_length=original_length)
    for parse_link in LINK_TYPES.values():
        link = parse_link(data)
        assert (link.ip is None) or (link.problem is None)
        inner = decapsulate(link)
        if inner is not None and inner.ip is not None:
            parse(inner.ip)
    datagram = parse(data)
    if isinstance(datagram, Packet) and datagram.length < MAX_CAPTURED:
        assert parse(build(datagram)) == datagram


def packets() -> list[bytes]:
    quoted = icmp(3, 4, body=ipv4(6, tcp()))
    chain = extension(43) + extension(44) + ipv6_fragment(60, more=True) + extension(6) + tcp()
    return [
        ipv4(6, tcp(words=8, options=bytes(12), payload=bytes(20)), header=bytes(8)),
        ipv4(17, udp(), fragment=0x2000),
        ipv4(6, tcp(), fragment=0x0003),
        ipv4(1, quoted),
        ipv4(1, icmp(8)),
        ipv6(0, chain),
        ipv6(58, icmp(1, 4, body=ipv6(0, chain))),
        mirrored(ethernet(ipv4(6, tcp()), tags=(0x88A8, 0x8100))),
    ]


def capture(data: bytes) -> None:
    try:
        for number, frame in enumerate(read_capture(io.BytesIO(data), decapsulate=True), start=1):
            assert frame.number == number
            assert len(frame.captured) <= MAX_CAPTURED
            assert 0 <= frame.time_ns < 2**63
    finally:
        annotate(io.BytesIO(data), io.BytesIO(), {1: "a comment"}.get)


def captures() -> list[bytes]:
    frames = [ethernet(ipv4(6, tcp())), cooked2(4, ipv4(17, udp())), ethernet(bytes(28))]
    classic = []
    for link_type in (1, 276):
        stream = io.BytesIO()
        write_pcap(
            stream, ((n * 10**9, frame) for n, frame in enumerate(frames)), link_type=link_type
        )
        classic.append(stream.getvalue())
    several = (
        LITTLE.section()
        + LITTLE.interface((2, b"eth0"), (9, b"\x8a"), (14, bytes(8)), snap=96)
        + LITTLE.enhanced(1, frames[0], (1, b"a comment"), (2, b"\x01\0\0\0"))
        + LITTLE.simple(len(frames[0]), frames[0])
        + LITTLE.obsolete(1, frames[0])
        + LITTLE.block(4, bytes(8))
        + BIG.section(length=0)
        + BIG.interface(link_type=276)
        + BIG.enhanced(2, frames[1])
    )
    return [
        *classic,
        several,
        gzip.compress(several, mtime=0),
        gzip.compress(classic[0], mtime=0),
        b"Resources:\n",
    ]


def describe_output(data: bytes) -> None:
    draft, answers = Draft(), Answers()
    value = parse_json(decode(data, source="fuzz"), source="fuzz")
    answers.add(value, source="fuzz")
    read_answers(answers, draft)
    assert all(is_plain(warning) for warning in draft.network().warnings)


def described() -> list[bytes]:
    return [json.dumps({key: nodes}).encode() for key, nodes in every_noun().items()] + [
        json.dumps(every_noun()).encode()
    ]


def template(data: bytes) -> None:
    draft = Draft()
    cloudformation.read(decode(data, source="fuzz"), draft, source="fuzz")
    assert all(is_plain(warning) for warning in draft.network().warnings)


def templates() -> list[bytes]:
    text = (Path(__file__).parents[1] / "support" / "two-tiers.yaml").read_text()
    return [text.encode(), json.dumps(read_template(text)).encode(), b"Resources: {}"]


TARGETS: dict[str, Target] = {
    "capture": Target(capture, captures),
    "describe": Target(describe_output, described),
    "packet": Target(packet, packets),
    "template": Target(template, templates),
}


def run(name: str, data: bytes) -> None:
    """Run a target; only what it may not raise leaves."""
    try:
        TARGETS[name].run(data)
    except InputError as refusal:
        if "\n" in str(refusal):
            raise AssertionError("an error of more than one line") from refusal


def beginnings(name: str) -> list[bytes]:
    """Return the seeds of a target and all that fuzzing has found before."""
    found = sorted(path for path in (CORPUS / name).glob("*") if path.is_file())
    return TARGETS[name].seeds() + [path.read_bytes() for path in found]
