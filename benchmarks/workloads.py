"""What is measured on: networks and captures, each named and seeded.

`python -m benchmarks.workloads FOLDER` writes them, in a process of its own: the memory of the one
that measures would count as its children's.
"""

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tests.support.conversations import conversations
from tests.support.networks import large

from benchmarks import PACKETS, SEED
from secgroup.net.address import parse_address
from secgroup.net.pcap import write_pcap
from secgroup.net.wire import build

RAW_IP = 101


def large_network(folder: Path) -> None:
    """Write 2,000 groups of 15 rules and 5,000 interfaces as describe output."""
    (folder / "large.json").write_text(json.dumps(large(seed=SEED)))


def large_capture(folder: Path) -> None:
    """Write packets between 50 of its interfaces and a host outside, a tenth of a ms apart."""
    with (folder / "large.pcap").open("wb") as file:
        frames = ((100_000 * number, ip) for number, ip in enumerate(_packets()))
        write_pcap(file, frames, link_type=RAW_IP, snap_length=128)


def _packets() -> Iterator[bytes]:
    network = large(seed=SEED)
    inside = [each["PrivateIpAddress"] for each in network["NetworkInterfaces"][:50]]
    outside = parse_address("198.51.100.7")
    talks = [
        conversations(SEED + number, inside=parse_address(address), outside=outside)
        for number, address in enumerate(inside)
    ]
    packets = (
        build(packet) for group in zip(*talks, strict=False) for talk in group for _, packet in talk
    )
    return islice(packets, PACKETS)


if __name__ == "__main__":
    large_network(Path(sys.argv[1]))
    large_capture(Path(sys.argv[1]))
