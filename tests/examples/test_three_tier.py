"""The example's template and capture, judged by cfn-lint and Wireshark."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "three-tier"
CAPTURE = EXAMPLE / "traffic.pcapng.gz"

OPENER = "tcp.flags.syn == 1 && tcp.flags.ack == 0"

#: What was said -> (display filter, packets it shows, None for one or more).
CONVERSATIONS: dict[str, tuple[str, int | None]] = {
    "customers on IPv4": (
        f'frame.interface_name == "lb" && ip.src == 198.51.100.77 && tcp.dstport == 80 && {OPENER}',
        4,
    ),
    "customers on IPv6": (
        f'frame.interface_name == "lb" && ipv6.src == 2001:db8:ffff::77 && {OPENER}',
        2,
    ),
    "a blocked customer": (
        f'frame.interface_name == "lb" && ip.src == 192.0.2.66 && {OPENER}',
        1,
    ),
    "the load balancer and the first web server": (
        f'frame.interface_name == "web-1" && ip.src == 10.20.0.10 && tcp.dstport == 8080'
        f" && {OPENER}",
        4,
    ),
    "the load balancer and the second web server": (
        f'frame.interface_name == "web-2" && ip.src == 10.20.0.10 && tcp.dstport == 8080'
        f" && {OPENER}",
        3,
    ),
    "a port that refuses": (
        'frame.interface_name == "lb" && tcp.srcport == 443 && tcp.flags.reset == 1',
        1,
    ),
    "pings on IPv4": ('frame.interface_name == "lb" && icmp.type == 8', 4),
    "later fragments of pings on IPv4": (
        'frame.interface_name == "lb" && ip.src == 198.51.100.77 && ip.frag_offset > 0',
        4,
    ),
    "pings on IPv6": ('frame.interface_name == "lb" && icmpv6.type == 128', 3),
    "fragments of pings on IPv6": (
        'frame.interface_name == "lb" && ipv6.src == 2001:db8:ffff::77 && ipv6.nxt == 44',
        9,
    ),
    "database sessions on IPv4": (
        f'frame.interface_name == "db" && ip.src == 10.20.10.11 && tcp.dstport == 5432 && {OPENER}',
        2,
    ),
    "database sessions on IPv6": (
        f'frame.interface_name == "db" && ipv6.src == 2001:db8:20:11::12 && tcp.dstport == 5432'
        f" && {OPENER}",
        2,
    ),
    "a session that comes back after more than a minute": (
        "ip.addr == 10.20.20.5 && tcp.time_delta > 60",
        1,
    ),
    "keep-alives of the session beside it": (
        'frame.interface_name == "db" && ipv6.src == 2001:db8:20:11::12 && tcp.port == 5432'
        " && frame.time_relative > 15 && frame.time_relative < 65",
        None,
    ),
    "questions to the resolver of the VPC": (
        "ip.dst == 10.20.0.2 && dns.flags.response == 0",
        2,
    ),
    "questions to a name server on the internet": (
        'frame.interface_name == "nat" && ip.src == 10.20.0.20 && ip.dst == 198.51.100.53',
        3,
    ),
    "an answer after more than half a minute": (
        'frame.interface_name == "web-1" && udp.srcport == 53 && dns.qry.name == "slow.example.com"'
        " && frame.time_relative > 30",
        1,
    ),
    "port unreachable": (
        'frame.interface_name == "web-1" && icmp.type == 3 && icmp.code == 3',
        1,
    ),
    "fragmentation needed": (
        'frame.interface_name == "web-1" && icmp.type == 3 && icmp.code == 4',
        None,
    ),
    "packet too big": ('frame.interface_name == "web-2" && icmpv6.type == 2', None),
    "downloads and uploads through the NAT gateway": (
        f'frame.interface_name == "nat" && ip.src == 10.20.0.20 && tcp.dstport == 80 && {OPENER}',
        2,
    ),
    "downloads and uploads through the egress-only gateway": (
        f'frame.interface_name == "web-2" && ipv6.dst == 2001:db8:ffff::80 && {OPENER}',
        2,
    ),
    "operators on the bastion": (
        f'frame.interface_name == "bastion" && ip.src == 198.51.100.5 && tcp.dstport == 22'
        f" && {OPENER}",
        3,
    ),
    "a session older than the capture": (
        'frame.interface_name == "bastion" && ip.src == 198.51.100.5 && !(tcp.completeness & 1)',
        None,
    ),
    "from the bastion to a web server": (
        f'frame.interface_name == "web-1" && ip.src == 10.20.0.30 && tcp.dstport == 22 && {OPENER}',
        1,
    ),
    "from the bastion to the load balancer, in the same subnet": (
        f'frame.interface_name == "lb" && ip.src == 10.20.0.30 && tcp.dstport == 22 && {OPENER}',
        1,
    ),
    "the backup": (
        f'frame.interface_name == "db" && ip.src == 10.20.0.30 && tcp.dstport == 5432 && {OPENER}',
        1,
    ),
    "a scan of the bastion": (
        f'frame.interface_name == "bastion" && ip.src == 198.51.100.99 && {OPENER}',
        30,
    ),
    "a scan of the database": (
        f'frame.interface_name == "db" && ipv6.src == 2001:db8:ffff::99 && {OPENER}',
        2,
    ),
    "from a web server to the bastion": (
        f'frame.interface_name == "bastion" && ip.src == 10.20.10.11 && {OPENER}',
        1,
    ),
    "pings in fragments from a web server to the database": (
        'frame.interface_name == "db" && ip.src == 10.20.10.11 && ip.frag_offset > 0',
        4,
    ),
}


def tshark(*arguments: str) -> list[str]:
    """Return the lines that tshark prints about the capture."""
    done = subprocess.run(
        ["tshark", "-n", "-r", str(CAPTURE), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def packets_by_conversation(names: list[str], *, without: str) -> dict[str, int]:
    """Return how many packets tshark shows of some conversations, all asked in one run."""
    reports = [f"-zio,stat,0,{CONVERSATIONS[name][0]}" for name in names]
    lines = tshark("-q", "--disable-protocol", without, *reports)
    rows = [line.split("|") for line in lines if "<>" in line]
    # The last report is printed first; a row is: interval, frames, bytes.
    return dict(zip(reversed(names), [int(row[2]) for row in rows], strict=True))


@cache
def packets_shown() -> dict[str, int]:
    """Return how many packets tshark shows of each conversation.

    A protocol that is cut by the snap length makes tshark give the packet up, and these reports
    then miss it: HTTP in segments, TCP in what ICMP errors quote. Who is not asked for stays out.
    """
    of_tcp = [name for name, (shown, _) in CONVERSATIONS.items() if "tcp." in shown]
    others = [name for name in CONVERSATIONS if name not in of_tcp]
    return packets_by_conversation(of_tcp, without="http") | packets_by_conversation(
        others, without="tcp"
    )


@pytest.mark.needs("tshark")
@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_capture_holds_conversation(conversation: str) -> None:
    _, packets = CONVERSATIONS[conversation]
    shown = packets_shown()[conversation]
    assert shown > 0 if packets is None else shown == packets


@pytest.mark.needs("tshark")
def test_capture_has_an_interface_per_host_and_is_in_order_of_time() -> None:
    lines = tshark("-T", "fields", "-e", "frame.interface_name", "-e", "frame.time_epoch")
    rows = [line.split("\t") for line in lines]
    assert {name for name, _ in rows} == {"lb", "nat", "bastion", "web-1", "web-2", "db"}
    times = [time for _, time in rows]
    assert times == sorted(times)


def test_capture_is_small() -> None:
    assert CAPTURE.stat().st_size < 400_000


def test_demo_replays_and_explains_a_refusal() -> None:
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [EXAMPLE / "demo"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": programs},
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    shown = [line for line in done.stdout.splitlines() if line.startswith("$ ")]
    assert [line.split()[1] for line in shown] == ["secgroup", "grep", "head", "secgroup"]
    assert "What refuses" in done.stdout


def test_template_passes_cfn_lint() -> None:
    cfn_lint = [sys.executable, "-c", "import cfnlint.runner; cfnlint.runner.main()"]
    done = subprocess.run(
        [*cfn_lint, str(EXAMPLE / "network.yaml")], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.needs("root", "netns", "nft")
def test_recording_network_carries_both_families_and_translates() -> None:
    build = (
        "import topology as t; t.build_vpc(); t.build_internet(); t.translate();"
        "t.run('internet', f'ping -c 1 -w 5 -I {t.VISITOR} {t.LB.public_address}');"
        "t.run('internet', f'ping -c 1 -w 5 -I {t.VISITOR_6} {t.LB.address_6}');"
        "t.run('web-1', f'ping -c 1 -w 5 {t.MIRROR}');"
        "t.run('web-2', f'ping -c 1 -w 5 {t.DB.address_6}')"
    )
    own = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    prepare = 'mount -t tmpfs tmpfs /run && mkdir /run/netns && exec "$0" "$@"'
    done = subprocess.run(
        [*own, "sh", "-c", prepare, sys.executable, "-B", "-c", build],
        cwd=EXAMPLE,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
