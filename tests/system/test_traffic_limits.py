"""Floods: a full table and a spent allowance refuse what is new, and harm nothing that lives."""

import re
import socket
import struct

import pytest

from secgroup.decision.switches import Switches
from tests.support.labs import Lab, lab_of, talk
from tests.system.site import ADDRESSES, CLIENT, FAR, site

pytestmark = pytest.mark.needs("root", "netns", "nft", "bpf")

PORT, DARK = 5000, 5002
RULES = (f"in tcp/{PORT} sg-client", f"in tcp/{DARK} sg-client")


def checksum(data: bytes) -> int:
    """RFC 1071."""
    words = sum(struct.unpack(f">{len(data) // 2}H", data))
    words = (words >> 16) + (words & 0xFFFF)
    return ~(words + (words >> 16)) & 0xFFFF


def flood(lab: Lab, count: int) -> None:
    """Send openers from many ports, to a port where the host says nothing."""
    source, destination = (ADDRESSES[name][0] for name in (CLIENT, FAR))
    pseudo = socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack(">HH", 6, 20)
    address = (destination, 0)
    opened = lab.open_raw(CLIENT, socket.IPPROTO_TCP)
    with opened as sender:
        for port in range(10_000, 10_000 + count):
            header = struct.pack(">HHIIBBHHH", port, DARK, port, 0, 0x50, 0x02, 1024, 0, 0)
            total = checksum(pseudo + header)
            sender.sendto(header[:16] + struct.pack(">HH", total, 0), address)


def silence(lab: Lab) -> None:
    """Let the server say nothing of what nobody listens to."""
    rules = f"tcp dport {DARK} drop;"
    chain = f"chain in {{ type filter hook input priority 0; {rules} }}"
    done = lab.run(FAR, "nft", f"table inet own {{ {chain} ; }}")
    assert done.returncode == 0, done.stderr


def test_a_full_table_harms_no_live_connection_and_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("secgroup.lab.filters._SIZES", {"connections": 1024})
    with lab_of(site(*RULES).network()) as lab, lab.serve(FAR, PORT) as server:
        silence(lab)
        client = lab.connect(CLIENT, ADDRESSES[FAR][0], PORT)
        assert client is not None
        served, _ = server.accept()
        flood(lab, 3000)
        assert full(lab) > 0
        assert len(lab.connections()) <= 1024
        assert talk(client, served) == (b"hello", b"HELLO")
        assert lab.connect(CLIENT, ADDRESSES[FAR][0], PORT, reaches=False) is None
        assert talk(client, served) == (b"hello", b"HELLO")
        client.close()
        served.close()


def full(lab: Lab) -> int:
    """Return how many openers found the table full."""
    return sum(map(int, re.findall(r"^secgroup_full\w*\{.*\} (\d+)$", lab.counted(), re.MULTILINE)))


def test_a_spent_allowance_is_its_owners_alone_and_is_counted() -> None:
    switches = Switches(allowances={FAR: 100})
    with lab_of(site(*RULES).network(), switches=switches) as lab, lab.serve(FAR, PORT) as server:
        silence(lab)
        client = lab.connect(CLIENT, ADDRESSES[FAR][0], PORT)
        assert client is not None
        served, _ = server.accept()
        flood(lab, 500)
        assert len(lab.made_by(FAR)) == 100
        assert len(lab.made_by(CLIENT)) == 501
        exceeded = re.findall(
            rf'^conntrack_allowance_exceeded{{owner="{FAR}"}} (\d+)$', lab.counted(), re.MULTILINE
        )
        assert exceeded == ["401"]
        assert talk(client, served) == (b"hello", b"HELLO")
        assert lab.connect(CLIENT, ADDRESSES[FAR][0], PORT, reaches=False) is None
        # Another owner's interface has room.
        near = ADDRESSES["eni-near"][0]
        with lab.serve("eni-near", PORT):
            other = lab.connect(CLIENT, near, PORT)
            assert other is not None
            other.close()
        client.close()
        served.close()
