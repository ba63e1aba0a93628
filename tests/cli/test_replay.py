"""The command: what goes in, what comes out, and what bad input gets."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from io import BytesIO, TextIOWrapper
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from secgroup.cli import run
from secgroup.net.direction import Direction
from secgroup.net.wire import build
from tests.support import captured
from tests.support.captured import ETHERNET, SECOND_NS, START_NS, Seen, Talk, apart, pcap, pcapng
from tests.support.described import described, write

GROUPS = {
    "sg-web": ["in tcp/22 203.0.113.0/24", "in tcp/80 0.0.0.0/0", "out tcp/5432 sg-db"],
    "sg-db": ["in tcp/5432 sg-web", "in tcp/3306 sg-web"],
}
INTERFACES = {"eni-web": "10.0.1.5 sg-web", "eni-db": "10.0.2.5 sg-db"}
SSH = Talk(client="203.0.113.9", server="10.0.1.5")
TELNET = Talk(client="203.0.113.9", server="10.0.1.5", s=23)
QUERY = Talk(client="10.0.1.5", server="10.0.2.5", s=5432)


class Bench:
    """A folder with a network and a capture, and the command run in it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.network(GROUPS, INTERFACES)

    def network(self, *args: Any, name: str = "network.json", **fields: Any) -> str:
        return str(write(self.folder / name, described(*args, **fields)))

    def capture(self, content: bytes, name: str = "x.pcapng") -> str:
        return str(captured.write(self.folder / name, content))

    def packets(self, *packets: Any) -> str:
        return self.capture(pcapng(apart(*packets)))

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def replay(
        self, capture: str, *options: str, network: str = "network.json"
    ) -> tuple[int, str, str]:
        code = run(["replay", self.path(network), capture, *options])
        out, err = self._capsys.readouterr()
        return code, out, err

    def summary(self, capture: str, *options: str) -> dict[str, Any]:
        code, out, err = self.replay(capture, "--json", *options)
        assert (code, err) == (0, "")
        found: dict[str, Any] = json.loads(out)
        return found

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]

    def files(self) -> set[str]:
        return {each.name for each in self.folder.iterdir()} - {"network.json", "x.pcapng"}


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    return Bench(tmp_path, capsys)


# ------------------------------------------------------------------------------- the summary


def test_the_summary_says_what_was_refused_first_and_which_rules_are_never_used(
    bench: Bench,
) -> None:
    capture = bench.packets(*SSH.handshake(), TELNET.syn(), QUERY.syn(), QUERY.syn_ack())
    code, out, err = bench.replay(capture)
    assert (code, err) == (0, "")
    assert "6 frames in 0.005 s from 2026-03-01 12:00:00 UTC" in out
    assert "8 decisions at 2 interfaces: 7 accepted, 1 rejected" in out
    assert "3 connections: 2 allowed, 1 refused, 0 cut, 0 open before the capture" in out
    refused = out.index("203.0.113.9 → 10.0.1.5  tcp/23")
    assert "eni-web ingress: NO_MATCHING_RULE, frame 4" in out
    allowed, unused = out.index("Allowed, by rule"), out.index("Rules never used")
    assert refused < allowed < unused
    assert "sgr-web-in-0" in out[allowed:unused]
    assert re.search(r"sgr-web-in-1 .*ingress tcp/80 from 0\.0\.0\.0/0", out[unused:])
    assert "sgr-db-in-1" in out[unused:]


def test_a_scan_is_one_entry(bench: Bench) -> None:
    scan = [Talk(client="203.0.113.9", server="10.0.1.5", s=port).syn() for port in range(1, 20)]
    _, out, _ = bench.replay(bench.packets(*scan))
    assert "203.0.113.9 → 10.0.1.5  tcp/1, 2, 3, 4, 5, 6, 7, 8, …  (19 connections)" in out


def test_what_never_ends_is_cut_on_the_screen_and_whole_for_machines(bench: Bench) -> None:
    bench.network(
        {"sg-a": [f"in tcp/{port} 203.0.113.0/24" for port in range(1000, 1050)]},
        {"eni-a": "10.0.1.5 sg-a"},
    )
    clients = [Talk(client=f"203.0.113.{host}", server="10.0.1.5").syn() for host in range(1, 31)]
    capture = bench.packets(*clients)
    _, out, _ = bench.replay(capture)
    assert "and 10 more like these (--json has all)" in out
    assert "and 10 more (--json has all)" in out[out.index("Rules never used") :]
    found = bench.summary(capture)
    assert (len(found["connections"]), len(found["rules"])) == (30, 50)


def test_what_is_not_unicast_stands_behind_what_might_pass(bench: Bench) -> None:
    announcement = Talk(client="10.0.1.5", server="224.0.0.251", c=5353, s=5353)
    _, out, _ = bench.replay(bench.packets(announcement.udp(), TELNET.syn()))
    assert out.index("tcp/23") < out.index("224.0.0.251")


@pytest.mark.semantics("replay-18")
def test_the_summary_counts_packets_after_a_refusal_apart(bench: Bench) -> None:
    (only,) = bench.summary(bench.packets(*TELNET.handshake()))["connections"]
    assert (only["outcome"], only["accepted"]) == ("refused", 0)
    assert (only["after_refusal"], only["after_refusal_accepted"]) == (2, 0)
    refusal = only["refusal"]
    assert (refusal["frame"], refusal["interface_id"], refusal["reason"]) == (
        1,
        "eni-web",
        "NO_MATCHING_RULE",
    )


@pytest.mark.semantics("replay-17")
def test_the_summary_says_what_was_rejected_after_a_connections_own_end(bench: Bench) -> None:
    ending = SSH.tcp(captured.RST, 1001)
    capture = bench.packets(*SSH.handshake(), ending, SSH.answer(), SSH.answer())
    _, out, _ = bench.replay(capture)
    assert "1 connection: 1 allowed, 0 refused, 0 cut" in out
    assert "  2 packets rejected after the connection's own end" in out
    (only,) = bench.summary(capture)["connections"]
    assert (only["outcome"], only["after_close"]) == ("allowed", 2)
    _, out, _ = bench.replay(bench.packets(*SSH.handshake()))
    assert "own end" not in out


def test_json_has_every_part(bench: Bench) -> None:
    found = bench.summary(bench.packets(*SSH.handshake(), QUERY.syn()))
    assert (found["version"], found["decisions_version"]) == (1, 1)
    assert (found["frames"], found["decisions"], found["rejected"]) == (4, 5, 0)
    assert found["connection_counts"] == {
        "total": 2,
        "allowed": 2,
        "refused": 0,
        "cut": 0,
        "open_before": 0,
    }
    by_rule = {each["rule_id"]: each for each in found["rules"]}
    assert (by_rule["sgr-web-in-0"]["connections"], by_rule["sgr-web-in-0"]["packets"]) == (1, 3)
    assert by_rule["sgr-web-in-1"]["packets"] == 0
    web = next(each for each in found["interfaces"] if each["interface_id"] == "eni-web")
    assert (web["ingress_packets_accepted"], web["egress_packets_accepted"]) == (2, 2)
    assert web["ingress_bytes_accepted"] == 80
    entries = {
        (each["network_acl_id"], each["direction"], each["rule_number"]): each["packets"]
        for each in found["network_acl_entries"]
    }
    assert entries["acl-default-vpc-1", "ingress", 100] == 3
    assert entries["acl-default-vpc-1", "ingress", 101] == 0
    assert found["damage"] is None
    assert found["differences"] is None


def test_what_was_not_decided_is_listed_with_its_addresses(bench: Bench) -> None:
    strangers = Talk(client="203.0.113.9", server="203.0.113.10")
    capture = bench.packets(SSH.syn(), strangers.syn())
    _, out, _ = bench.replay(capture)
    assert "1 between addresses outside the network: 203.0.113.9 (1), 203.0.113.10 (1)" in out
    assert bench.summary(capture)["not_decided"] == [
        {
            "cause": "foreign",
            "frames": 1,
            "addresses": [
                {"address": "203.0.113.9", "packets": 1},
                {"address": "203.0.113.10", "packets": 1},
            ],
        }
    ]


def test_adopted_and_not_adopted_are_reported(bench: Bench) -> None:
    capture = bench.packets(SSH.data(), TELNET.data())
    _, out, _ = bench.replay(capture)
    assert "2 open before the capture (1 adopted)" in out
    assert "203.0.113.9:40000 → 10.0.1.5  tcp/22  adopted" in out
    assert "not adopted: a SYN would be rejected at eni-web ingress: NO_MATCHING_RULE" in out
    _, out, _ = bench.replay(capture, "--no-adopt")
    assert "0 adopted" in out
    assert "not adopted (--no-adopt)" in out


@pytest.mark.parametrize(("packet", "code"), [(SSH.syn(), 0), (TELNET.syn(), 1)])
def test_rejected_packets_fail_only_when_asked(bench: Bench, packet: Any, code: int) -> None:
    capture = bench.packets(packet)
    assert bench.replay(capture)[0] == 0
    assert bench.replay(capture, "--fail-on", "rejected")[0] == code


# ------------------------------------------------------------------------------- the outputs


def test_decisions_are_json_lines(bench: Bench) -> None:
    bench.replay(bench.packets(QUERY.syn()), "--decisions", bench.path("d.jsonl"))
    assert [
        (each["frame"], each["interface_id"], each["direction"]) for each in bench.lines("d.jsonl")
    ] == [
        (1, "eni-web", "egress"),
        (1, "eni-db", "ingress"),
    ]


@pytest.mark.semantics("replay-24")
def test_connections_has_every_flow_alive_at_the_end(bench: Bench) -> None:
    bench.network(
        {
            "sg-a": [
                "in tcp/22 203.0.113.0/24",
                "in tcp/80 0.0.0.0/0",
                "in tcp/443 203.0.113.0/24",
                "in icmp 203.0.113.0/24",
                "out all 0.0.0.0/0",
            ]
        },
        {"eni-a": "10.0.1.5 sg-a"},
    )
    web = Talk(client="203.0.113.9", server="10.0.1.5", s=80)
    old = Talk(client="203.0.113.9", server="10.0.1.5", s=80, c=40001)
    over = Talk(client="203.0.113.9", server="10.0.1.5", s=80, c=40002)
    mid = Talk(client="203.0.113.9", server="10.0.1.5", s=443)
    capture = bench.capture(
        pcapng(
            [
                Seen(s=0, packet=old.syn()),
                *apart(*SSH.handshake(), start=10),
                Seen(s=20, packet=web.syn()),
                Seen(s=21, packet=web.syn_ack()),
                *apart(over.syn(), over.tcp(captured.RST, 1001), start=22),
                Seen(s=30, packet=mid.data()),
                Seen(s=350.001, packet=SSH.ping()),
            ]
        )
    )
    bench.replay(capture, "--connections", bench.path("c.jsonl"), "--no-adopt")
    found = bench.lines("c.jsonl")
    assert found[0] == {
        "tracking": "tracked",
        "interface_id": "eni-a",
        "owner": "eni-a",
        "protocol": 6,
        "direction": "ingress",
        "srcaddr": "203.0.113.9",
        "dstaddr": "10.0.1.5",
        "srcport": 40000,
        "dstport": 22,
        "icmp_type": None,
        "icmp_identifier": None,
        "state": "ESTABLISHED",
        "age_ms": 340_001,
        "idle_ms": 339_999,
        "timeout_left_ms": 432_000_000 - 339_999,
        "rule_ids": ["sgr-a-in-0"],
    }
    assert (found[1]["icmp_type"], found[1]["icmp_identifier"], found[1]["srcport"]) == (8, 7, None)
    assert [(each["tracking"], each["dstport"], each["idle_ms"]) for each in found[2:]] == [
        ("untracked", 80, 329_001),
        ("midstream", 443, 320_001),
    ]
    assert found[2]["rule_ids"] == ["sgr-a-in-1", "sgr-a-out-0"]
    assert found[3]["rule_ids"] == ["sgr-a-in-2"]


def test_the_annotated_capture_has_the_packets_and_a_comment_on_each(bench: Bench) -> None:
    packets = [SSH.syn(), TELNET.syn(), Talk(client="192.0.2.1", server="192.0.2.2").syn()]
    bench.replay(bench.packets(*packets), "--annotate", bench.path("a.pcapng"))
    content = (bench.folder / "a.pcapng").read_bytes()
    for packet in packets:
        assert build(packet) in content
    assert b"secgroup: ACCEPT; NEW; ingress eni-web; rules sgr-web-in-0" in content
    assert b"secgroup: REJECT; NO_MATCHING_RULE; ingress eni-web" in content
    assert content.count(b"secgroup: ") == 2


@pytest.mark.needs("tshark")
def test_wireshark_reads_the_annotated_capture(bench: Bench) -> None:
    bench.replay(bench.packets(SSH.syn(), TELNET.syn()), "--annotate", bench.path("a.pcapng"))
    shown = subprocess.run(
        ["tshark", "-r", bench.path("a.pcapng"), "-T", "fields", "-e", "frame.comment"],
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = shown.stdout.splitlines()
    assert first.startswith("secgroup: ACCEPT; NEW; ingress eni-web; rules sgr-web-in-0")
    assert second.startswith("secgroup: REJECT; NO_MATCHING_RULE; ingress eni-web")


PING_AT = {
    "request": (1432917027, 1432917094, 1432917118, 1432917142),
    "reply": (1432917094, 1432917095, 1432917118, 1432917142),
}
REQUESTS = "203.0.113.12 172.31.16.139 0 0 1 4 336 1432917027 1432917142"
REPLIES = "172.31.16.139 203.0.113.12 0 0 1 4 336 1432917094 1432917142"


@pytest.mark.semantics("replay-25")
@pytest.mark.parametrize(
    ("group", "acl", "answered", "actions"),
    [
        (
            ["in icmp 0.0.0.0/0"],
            ["in 100 allow icmp 0.0.0.0/0", "out 100 deny icmp 0.0.0.0/0"],
            True,
            ("ACCEPT", "REJECT"),
        ),
        (
            ["in icmp 0.0.0.0/0"],
            ["in 100 allow icmp 0.0.0.0/0", "out 100 allow icmp 0.0.0.0/0"],
            True,
            ("ACCEPT", "ACCEPT"),
        ),
        (
            ["out icmp 0.0.0.0/0"],
            ["in 100 allow icmp 0.0.0.0/0", "out 100 allow icmp 0.0.0.0/0"],
            False,
            ("REJECT",),
        ),
    ],
)
def test_the_published_ping_a_capture_in_its_records_out(
    bench: Bench, group: list[str], acl: list[str], answered: bool, actions: tuple[str, ...]
) -> None:
    """VPC User Guide, Flow log record examples, security group and network ACL rules."""
    eni = "eni-1235b8ca123456789"
    bench.network(
        {"sg-a": group},
        {eni: "172.31.16.139 sg-a"},
        blocks={"vpc-1": "172.31.0.0/16"},
        acls={"subnet-1-172.31.16": acl},
    )
    ping = Talk(client="203.0.113.12", server="172.31.16.139")
    times = [(at, ping.ping()) for at in PING_AT["request"]]
    if answered:
        times += [(at, ping.ping(back=True)) for at in PING_AT["reply"]]
    start_s = START_NS // SECOND_NS
    seen = [
        Seen(s=at - start_s, packet=packet)
        for at, packet in sorted(times, key=lambda item: item[0])
    ]
    log = bench.path("log.txt")
    code, _, _ = bench.replay(bench.capture(pcap(seen), "x.pcap"), "--flow-log", log)
    assert code == 0
    _, *records = Path(log).read_text().splitlines()
    ends = (REQUESTS, REPLIES)
    assert records == [
        f"2 123456789010 {eni} {end} {action} OK"
        for end, action in zip(ends, actions, strict=False)
    ]


def test_the_flow_log_has_the_fields_windows_and_start_that_were_asked_for(bench: Bench) -> None:
    capture = bench.capture(pcapng([*apart(*SSH.handshake()), Seen(s=61, packet=SSH.data())]))
    bench.replay(
        capture,
        "--flow-log",
        bench.path("log.txt"),
        "--format",
        "${interface-id} ${dstport} ${packets} ${tcp-flags} "
        "${secgroup-reason} ${secgroup-rule-ids}",
        "--interval",
        "60",
        "--window-start",
        "2026-03-01T12:00:00Z",
    )
    assert (bench.folder / "log.txt").read_text().splitlines() == [
        "interface-id dstport packets tcp-flags secgroup-reason secgroup-rule-ids",
        "eni-web 22 1 2 NEW sgr-web-in-0",
        "eni-web 40000 1 18 ESTABLISHED -",
        "eni-web 22 1 0 ESTABLISHED -",
        "eni-web 22 1 0 ESTABLISHED -",
    ]


def test_flow_logs_are_packed_by_their_suffix(bench: Bench) -> None:
    import gzip

    import pyarrow.parquet

    capture = bench.packets(*SSH.handshake())
    for name in ("log.txt", "log.txt.gz", "log.parquet"):
        assert bench.replay(capture, "--flow-log", bench.path(name))[0] == 0
    plain = (bench.folder / "log.txt").read_bytes()
    assert gzip.decompress((bench.folder / "log.txt.gz").read_bytes()) == plain
    table = pyarrow.parquet.read_table(bench.path("log.parquet"))
    assert (table.num_rows, table.column("dstport").to_pylist()) == (2, [22, 40000])


# ------------------------------------------------------------------------------- the captures


@pytest.mark.parametrize("name", ["x.pcap", "x.pcapng", "x.pcap.gz", "x.pcapng.gz"])
def test_every_kind_of_capture_is_decided_alike(bench: Bench, name: str) -> None:
    seen = apart(*SSH.handshake())
    content = pcap(seen) if ".pcap." in f"{name}." else pcapng(seen)
    found = bench.summary(bench.capture(content, name))
    assert (found["decisions"], found["connection_counts"]["allowed"]) == (3, 1)


class _Stdin:
    def __init__(self, content: bytes) -> None:
        self.buffer = BytesIO(content)


@pytest.mark.parametrize("options", [(), ("--annotate",)])
def test_a_capture_may_come_from_standard_input(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    content = pcapng(apart(*SSH.handshake()))
    monkeypatch.setattr(sys, "stdin", _Stdin(content))
    annotate = (*options, bench.path("a.pcapng")) if options else ()
    found = bench.summary("-", *annotate)
    assert (found["capture"], found["decisions"]) == ("standard input", 3)
    assert (bench.folder / "a.pcapng").exists() == bool(options)


def test_a_named_pipe_is_read_once_and_annotated(bench: Bench) -> None:
    content = pcapng(apart(*SSH.handshake()))
    os.mkfifo(bench.path("fifo"))
    writing = Thread(target=lambda: Path(bench.path("fifo")).write_bytes(content), daemon=True)
    writing.start()
    found = bench.summary(bench.path("fifo"), "--annotate", bench.path("a.pcapng"))
    assert found["decisions"] == 3
    assert (bench.folder / "a.pcapng").read_bytes().count(b"secgroup: ") == 3


@pytest.mark.semantics("replay-26")
@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_cut_capture_is_decided_and_reported_up_to_the_damage(bench: Bench, cut: int) -> None:
    content = pcap(apart(*SSH.handshake()))
    capture = bench.capture(content[:-cut], "x.pcap")
    outputs = {name: bench.path(name) for name in ("d.jsonl", "c.jsonl", "a.pcapng", "log.txt")}
    code, out, err = bench.replay(
        capture,
        "--decisions",
        outputs["d.jsonl"],
        "--connections",
        outputs["c.jsonl"],
        "--annotate",
        outputs["a.pcapng"],
        "--flow-log",
        outputs["log.txt"],
    )
    decided = 2 if cut < 56 else 1
    offset = 24 + decided * (16 + 40)
    assert code == 2
    assert err.startswith(f"secgroup: {capture}: byte {offset}: ")
    assert err.count("\n") == 1
    assert f"{decided} frame" in out
    assert "cut short" in out
    assert len(bench.lines("d.jsonl")) == decided
    assert len(bench.lines("c.jsonl")) == 1
    assert (bench.folder / "a.pcapng").read_bytes().count(b"secgroup: ") == decided
    assert len((bench.folder / "log.txt").read_text().splitlines()) == 1 + decided


def test_a_cut_gzip_is_decided_up_to_the_damage(bench: Bench) -> None:
    import gzip

    packed = gzip.compress(pcap(apart(*[SSH.data(at) for at in range(5000)])))
    (bench.folder / "x.pcap.gz").write_bytes(packed[: len(packed) // 2])
    code, out, err = bench.replay(bench.path("x.pcap.gz"))
    assert code == 2
    assert "the gzip stream is cut" in err
    assert re.search(r"[1-9][0-9,]* frames", out)


@pytest.mark.semantics("replay-7")
def test_packets_that_cannot_be_parsed_are_counted(bench: Bench) -> None:
    whole = build(SSH.syn())
    capture = bench.capture(pcapng([Seen(s=0, packet=whole[:30]), Seen(s=1, packet=b"\x45")]))
    found = bench.summary(capture)
    assert found["reasons"] == [{"verdict": "REJECT", "reason": "MALFORMED", "decisions": 2}]
    assert found["connection_counts"]["total"] == 0


def test_a_snap_length_that_cuts_payload_changes_nothing(bench: Bench) -> None:
    whole = bench.summary(bench.capture(pcapng(apart(*SSH.handshake(), SSH.data(size=400)))))
    cut = bench.summary(bench.capture(pcapng(apart(*SSH.handshake(), SSH.data(size=400)), snap=60)))
    assert cut == whole


def test_mirrored_traffic_is_decided_inside_its_vxlan(bench: Bench) -> None:
    inner = bytes(12) + b"\x08\x00" + build(SSH.syn())
    vxlan = b"\x08\0\0\0\0\0\x07\0" + inner
    mirror = Talk(client="10.0.9.1", server="10.0.9.2", c=50000, s=4789)
    outer = build(mirror.udp(size=len(vxlan)))[: 20 + 8] + vxlan
    capture = bench.capture(pcapng([Seen(s=0, packet=outer)]))
    assert bench.replay(capture)[0] == 2
    found = bench.summary(capture, "--decapsulate", "vxlan")
    assert found["connections"][0]["dstport"] == 22


# ---------------------------------------------------------------------- who, which network, when


def test_at_and_vpc_reach_the_firewall(bench: Bench) -> None:
    capture = bench.packets(QUERY.syn())
    assert bench.summary(capture, "--at", "eni-db")["decisions"] == 1
    assert bench.summary(capture, "--at", "eth0=eni-web", "--vpc", "vpc-1")["decisions"] == 1


@pytest.mark.parametrize("at", ["nobody", "eth0=", "=eni-web"])
def test_an_at_that_fits_nothing_is_refused(bench: Bench, at: str) -> None:
    code, out, err = bench.replay(bench.packets(SSH.syn()), "--at", at)
    assert (code, out, err.count("\n")) == (2, "", 1)


AMBIGUOUS = {"eni-a": "10.0.1.5 sg-a", "eni-b": "vpc-2 10.0.1.5 sg-b"}
BLOCKS = {"vpc-1": "10.0.0.0/16", "vpc-2": "10.0.0.0/16"}


@pytest.mark.semantics("replay-6")
def test_an_ambiguous_address_is_exit_2_and_nothing_is_written(bench: Bench) -> None:
    rules = ["in tcp/22 0.0.0.0/0"]
    bench.network({"sg-a": rules, "sg-b": rules}, AMBIGUOUS, blocks=BLOCKS)
    capture = bench.packets(SSH.syn())
    (bench.folder / "d.jsonl").write_text("before\n")
    code, out, err = bench.replay(
        capture, "--decisions", bench.path("d.jsonl"), "--flow-log", bench.path("log.txt")
    )
    assert (code, out) == (2, "")
    assert "10.0.1.5 is the address of eni-a in vpc-1, eni-b in vpc-2 (--vpc says which)" in err
    assert bench.files() == {"d.jsonl"}
    assert (bench.folder / "d.jsonl").read_text() == "before\n"
    assert bench.summary(capture, "--vpc", "vpc-2")["interfaces"][0]["interface_id"] == "eni-b"


@pytest.mark.semantics("replay-27")
def test_not_one_packet_decided_is_exit_2_with_both_sides_addresses(bench: Bench) -> None:
    strangers = Talk(client="203.0.113.9", server="10.0.7.7")
    code, out, err = bench.replay(
        bench.packets(strangers.syn()), "--decisions", bench.path("d.jsonl")
    )
    assert (code, out) == (2, "")
    assert "not one of 1 frame could be decided" in err
    assert "10.0.7.7" in err
    assert "10.0.1.5, 10.0.2.5" in err
    assert bench.files() == set()


TEMPLATE = """
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Net: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Admins: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: a, VpcId: !Ref Vpc}}
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: web
      VpcId: !Ref Vpc
      SecurityGroupIngress:
        - {IpProtocol: tcp, FromPort: 22, ToPort: 22, SourcePrefixListId: pl-0a1b2c3d}
        - {IpProtocol: tcp, FromPort: 22, ToPort: 22, SourceSecurityGroupId: !Ref Admins}
  Web:
    Type: AWS::EC2::Instance
    Properties: {SubnetId: !Ref Net, SecurityGroupIds: [!Ref Group]}
"""


def test_a_template_is_told_its_addresses_hosts_and_what_it_only_mentions(bench: Bench) -> None:
    Path(bench.path("t.yaml")).write_text(TEMPLATE)
    Path(bench.path("addresses")).write_text("Web = 10.0.1.5\n")
    entries = {"PrefixListId": "pl-0a1b2c3d", "Entries": [{"Cidr": "203.0.113.0/24"}]}
    Path(bench.path("list.json")).write_text(json.dumps({"ManagedPrefixLists": [entries]}))
    admin = Talk(client="10.0.1.9", server="10.0.1.5")
    capture = bench.packets(SSH.syn(), admin.syn())

    code, _, err = bench.replay(capture, network="t.yaml")
    assert code == 2, "the derived address of Web is not the deployed one"
    assert "10.0.1.5" in err

    told = ("--decisions", bench.path("d.jsonl"), "--with", bench.path("list.json"))
    guest = ("--host", "guest=10.0.1.9,Admins")
    for deployed in (("--address", "Web=10.0.1.5"), ("--addresses", bench.path("addresses"))):
        code, _, err = bench.replay(capture, *told, *deployed, *guest, network="t.yaml")
        assert (code, err) == (0, "")
        found = bench.lines("d.jsonl")
        assert [(each["interface_id"], each["direction"], each["rule_ids"]) for each in found] == [
            ("Web", "ingress", ["Group/ingress/0"]),
            ("guest", "egress", ["Admins/egress/0"]),
            ("Web", "ingress", ["Group/ingress/1"]),
        ]
        assert {each["vpc_id"] for each in found} == {"Vpc"}

    code, _, err = bench.replay(capture, *told[:2], *deployed, network="t.yaml")
    assert code == 0
    assert "prefix list pl-0a1b2c3d" in err
    assert [each["verdict"] for each in bench.lines("d.jsonl")] == ["REJECT", "REJECT"]


def test_a_capture_without_packets_is_exit_2(bench: Bench) -> None:
    code, out, err = bench.replay(bench.capture(pcapng([])))
    assert (code, out) == (2, "")
    assert "the capture has no packets" in err


def after_rules(bench: Bench) -> str:
    """The network without its ssh rule."""
    without = {**GROUPS, "sg-web": GROUPS["sg-web"][1:]}
    return bench.network(without, INTERFACES, name="after.json")


@pytest.mark.semantics("replay-20", "replay-23")
def test_an_ssh_session_survives_the_removal_of_its_tracked_rule(bench: Bench) -> None:
    after = after_rules(bench)
    again = Talk(client="203.0.113.9", server="10.0.1.5", c=40001)
    capture = bench.capture(
        pcapng([*apart(*SSH.handshake()), *apart(SSH.data(), SSH.answer(), again.syn(), start=2)])
    )
    found = bench.summary(capture, "--change", f"1={after}")
    assert [(each["srcport"], each["outcome"]) for each in found["connections"]] == [
        (40000, "allowed"),
        (40001, "refused"),
    ]
    assert found["changes"] == [{"network": after, "time": "1", "frame": 4}]


@pytest.mark.semantics("replay-20", "replay-23")
def test_an_ssh_session_dies_with_its_untracked_rule(bench: Bench) -> None:
    everything = ["in tcp/22 0.0.0.0/0", "out all 0.0.0.0/0"]
    bench.network({"sg-a": everything}, {"eni-a": "10.0.1.5 sg-a"})
    after = bench.network({"sg-a": everything[1:]}, {"eni-a": "10.0.1.5 sg-a"}, name="after.json")
    capture = bench.capture(pcapng([*apart(*SSH.handshake()), Seen(s=2, packet=SSH.data())]))
    (only,) = bench.summary(capture, "--change", f"1={after}")["connections"]
    assert (only["outcome"], only["refusal"]["frame"]) == ("cut", 4)
    _, out, _ = bench.replay(capture, "--change", f"1={after}")
    assert "Cut (accepted, and rejected later)" in out
    assert "after 3 packets and 2.000 s" in out


@pytest.mark.semantics("replay-23")
@pytest.mark.parametrize(("s", "rejected"), [(0.999, 0), (0.999999999, 0), (1.0, 1), (1.001, 1)])
@pytest.mark.parametrize("when", ["1", "1.000", "2026-03-01T12:00:01Z"])
def test_a_change_is_in_force_from_the_first_packet_at_or_after_it(
    bench: Bench, s: float, rejected: int, when: str
) -> None:
    first = Talk(client="203.0.113.9", server="10.0.1.5", s=80)
    last = Seen(s=2, packet=first.syn())
    capture = bench.capture(
        pcapng([Seen(s=0, packet=first.syn()), Seen(s=s, packet=SSH.syn()), last])
    )
    found = bench.summary(capture, "--change", f"{when}={after_rules(bench)}")
    assert found["rejected"] == rejected


def test_a_change_that_never_comes_is_a_warning_and_strict_makes_it_count(bench: Bench) -> None:
    change = f"9={after_rules(bench)}"
    capture = bench.packets(SSH.syn())
    code, out, err = bench.replay(capture, "--change", change)
    assert code == 0
    assert err == f"secgroup: warning: --change {change}: the capture ends before it\n"
    assert "1 allowed" in out
    assert bench.replay(capture, "--change", change, "--strict")[0] == 2


@pytest.mark.parametrize("change", ["x", "1=nowhere.json", "soon=network.json"])
def test_a_change_that_cannot_be_read_is_exit_2(bench: Bench, change: str) -> None:
    code, out, err = bench.replay(bench.packets(SSH.syn()), "--change", change)
    assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.semantics("replay-16")
def test_steps_of_the_clock_are_warnings(bench: Bench) -> None:
    capture = bench.capture(pcapng([Seen(s=5, packet=SSH.syn()), Seen(s=0, packet=SSH.syn_ack())]))
    code, _, err = bench.replay(capture)
    assert code == 0
    assert "frame 2: the clock steps back by 5.000 s; judged at the latest time" in err


def test_against_lists_the_connections_that_another_network_judges_differently(
    bench: Bench,
) -> None:
    other = after_rules(bench)
    capture = bench.packets(*SSH.handshake(), QUERY.syn(), TELNET.syn())
    found = bench.summary(capture, "--against", other)
    (difference,) = found["differences"]
    assert difference["here"]["outcome"] == "allowed"
    assert difference["there"]["outcome"] == "refused"
    assert difference["there"]["dstport"] == 22
    _, out, _ = bench.replay(capture, "--against", other)
    assert re.search(r"203.0.113.9:40000 → 10.0.1.5  tcp/22 +allowed +refused at eni-web", out)
    _, out, _ = bench.replay(capture, "--against", bench.path("network.json"))
    assert "every connection is judged alike" in out


# -------------------------------------------------------------------------------- the switches


def reasons(bench: Bench, capture: str, *options: str) -> list[str]:
    bench.replay(capture, "--decisions", bench.path("d.jsonl"), *options)
    return [each["reason"] for each in bench.lines("d.jsonl")]


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (("--no-adopt",), ["MIDSTREAM", "NO_MATCHING_RULE"]),
        (("--no-adopt", "--loose-tcp"), ["NEW", "ESTABLISHED"]),
        (("--no-adopt", "--strict-tcp"), ["INVALID", "NO_MATCHING_RULE"]),
    ],
)
def test_tcp_in_mid_stream_has_switches(
    bench: Bench, option: tuple[str, ...], expected: list[str]
) -> None:
    assert reasons(bench, bench.packets(SSH.data(), SSH.answer()), *option) == expected


def test_related_icmp_can_be_switched_off(bench: Bench) -> None:
    from ipaddress import ip_address

    from secgroup.net.packet import Icmp, Packet

    error = Packet(
        source=ip_address("10.0.3.1"),
        destination=ip_address("10.0.1.5"),
        protocol=1,
        length=28 + 40,
        icmp=Icmp(type=11, code=0, quote=QUERY.syn()),
    )
    capture = bench.packets(QUERY.syn(), error)
    assert reasons(bench, capture)[2] == "RELATED"
    assert reasons(bench, capture, "--no-related-icmp")[2] == "NO_MATCHING_RULE"


@pytest.mark.parametrize(
    ("option", "last"),
    [
        ("1", "ALLOWANCE_EXCEEDED"),
        ("2", "NEW"),
        ("eni-web=1", "ALLOWANCE_EXCEEDED"),
        ("eni-db=1", "NEW"),
    ],
)
def test_an_allowance_is_for_everyone_or_for_one_owner(
    bench: Bench, option: str, last: str
) -> None:
    other = Talk(client="203.0.113.9", server="10.0.1.5", c=40001)
    capture = bench.packets(SSH.syn(), other.syn())
    assert reasons(bench, capture, "--allowance", option) == ["NEW", last]


@pytest.mark.parametrize("option", ["x", "-1", "=1", "eni-web=", "nobody=1"])
def test_an_allowance_that_is_none_is_refused(bench: Bench, option: str) -> None:
    code, out, err = bench.replay(bench.packets(SSH.syn()), "--allowance", option)
    assert (code, out, err.count("\n")) == (2, "", 1)


# -------------------------------------------------------------------------- what bad input gets


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "${srcaddr}"), "--format needs --flow-log"),
        (("--interval", "60"), "--interval needs --flow-log"),
        (("--window-start", "2026-03-01T12:00:00Z"), "--window-start needs --flow-log"),
        (("--flow-log", "log", "--format", "${nonsense}"), "nonsense"),
        (("--flow-log", "log", "--window-start", "noon"), "expected a time as RFC 3339"),
        (("--decisions", "one", "--connections", "one"), "are the same file"),
        (("--flow-log", "-"), "/dev/stdout is standard output"),
        (("--loose-tcp", "--strict-tcp"), "exclude each other"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, options: Sequence[str], message: str
) -> None:
    monkeypatch.chdir(bench.folder)
    code, out, err = bench.replay(bench.packets(SSH.syn()), *options)
    assert (code, out) == (2, "")
    assert message in err
    assert bench.files() == set()


def test_the_capture_is_never_overwritten(bench: Bench) -> None:
    capture = bench.packets(SSH.syn())
    before = Path(capture).read_bytes()
    code, _, err = bench.replay(capture, "--annotate", capture)
    assert code == 2
    assert "same file" in err
    assert Path(capture).read_bytes() == before


@pytest.mark.parametrize(
    "options",
    [(), ("--with", "other"), ("--change", "1=other"), ("--against", "other")],
    ids=lambda options: " ".join(options) or "NETWORK",
)
def test_what_is_read_is_never_overwritten(bench: Bench, options: Sequence[str]) -> None:
    other = bench.network(GROUPS, {"eni-web": "10.0.1.5 sg-web"}, name="other.json")
    written = other if options else bench.path("network.json")
    before = Path(written).read_bytes()
    given = [option.replace("other", other) for option in options]
    code, out, err = bench.replay(bench.packets(SSH.syn()), *given, "--decisions", written)
    name = options[0] if options else "NETWORK"
    assert (code, out) == (2, "")
    assert f"--decisions and {name} are the same file" in err
    assert Path(written).read_bytes() == before


def test_an_interface_that_only_the_other_network_lacks_is_said_to_be_missing_there(
    bench: Bench,
) -> None:
    other = bench.network(GROUPS, {"eni-db": "10.0.2.5 sg-db"}, name="other.json")
    code, out, err = bench.replay(bench.packets(SSH.syn()), "--at", "eni-web", "--against", other)
    assert (code, out) == (2, "")
    assert err.startswith(f"secgroup: --against {other}: no network interface is called 'eni-web'")


@pytest.mark.parametrize("options", [(), ("--annotate", "annotated")])
def test_damage_of_standard_input_is_called_by_its_name(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, options: Sequence[str]
) -> None:
    monkeypatch.chdir(bench.folder)
    content = pcapng(apart(*SSH.handshake()))[:-7]
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(content)))
    code, _, err = bench.replay("-", *options)
    assert code == 2
    assert err.startswith("secgroup: standard input: byte ")


def test_a_closed_standard_input_is_exit_2(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    code, out, err = bench.replay("-")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "standard input is closed" in err


@pytest.mark.semantics("replay-28")
@pytest.mark.parametrize("option", ["--decisions", "--connections", "--annotate", "--flow-log"])
def test_an_output_that_cannot_be_written_leaves_nothing(bench: Bench, option: str) -> None:
    code, out, err = bench.replay(
        bench.packets(SSH.syn()), "--decisions", bench.path("first"), option, bench.path("no/where")
    )
    assert (code, out) == (2, "")
    assert "cannot be written" in err
    assert bench.files() - {"first"} == set()


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\xff" * 100])
def test_a_capture_that_is_none_is_exit_2(bench: Bench, content: bytes) -> None:
    code, out, err = bench.replay(bench.capture(content))
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_a_capture_that_is_not_there_is_exit_2(bench: Bench) -> None:
    code, out, err = bench.replay(bench.path("nowhere.pcap"))
    assert (code, out) == (2, "")
    assert "nowhere.pcap: cannot be opened: No such file or directory" in err


# ------------------------------------------------------------------------------ as a program


def program(*arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "secgroup", "replay", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def test_two_runs_write_the_same_bytes(bench: Bench) -> None:
    """Whatever the hash seed."""
    capture = bench.packets(
        SSH.data(),
        *QUERY.handshake(),
        TELNET.syn(),
        Talk(client="192.0.2.1", server="192.0.2.2").syn(),
    )
    names = ("d.jsonl", "c.jsonl", "a.pcapng", "log.txt.gz", "log.parquet")
    found = []
    for seed in ("1", "2"):
        outputs = {name: bench.path(f"{seed}-{name}") for name in names}
        running = program(
            *(bench.path("network.json"), capture, "--json"),
            *("--decisions", outputs["d.jsonl"], "--connections", outputs["c.jsonl"]),
            *("--annotate", outputs["a.pcapng"], "--flow-log", outputs["log.txt.gz"]),
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        out, err = running.communicate(timeout=60)
        assert (running.returncode, err) == (0, b"")
        found.append((out, *(Path(outputs[name]).read_bytes() for name in names[:4])))
    assert found[0] == found[1]


@pytest.fixture(scope="module")
def _compiled(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Programs find the kernels compiled, and need not say that they compile."""
    folder = tmp_path_factory.mktemp("compiled")
    network = write(folder / "network.json", described(GROUPS, INTERFACES))
    capture = captured.write(folder / "x.pcapng", pcapng(apart(*SSH.handshake())))
    outputs = ("--decisions", str(folder / "d"), "--flow-log", str(folder / "f"))
    assert run(["replay", str(network), str(capture), "--engine", "compiled", *outputs]) == 0


@pytest.mark.usefixtures("_compiled")
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_an_interrupt_is_silent_and_leaves_no_outputs(bench: Bench, engine: str) -> None:
    options = ("--engine", engine, "--decisions", bench.path("d.jsonl"))
    running = program(bench.path("network.json"), "-", *options, stdin=subprocess.PIPE)
    assert running.stdin is not None
    running.stdin.write(pcapng(apart(*SSH.handshake())))
    running.stdin.flush()
    deadline = time.monotonic() + 30
    while not bench.files() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert bench.files(), "the output beside has not appeared"
    running.send_signal(signal.SIGINT)
    # The first one is for the program that captures; this one still reads what it has to say.
    time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=30) == 130
    out, err = running.communicate()
    assert (out, err) == (b"", b"")
    assert bench.files() == set()


@pytest.mark.usefixtures("_compiled")
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_live_capture_that_ends_by_an_interrupt_is_summed_up(bench: Bench, engine: str) -> None:
    options = ("--engine", engine, "--decisions", "/dev/stderr")
    running = program(bench.path("network.json"), "-", *options, stdin=subprocess.PIPE)
    assert running.stdin is not None
    assert running.stderr is not None
    running.stdin.write(pcapng(apart(*SSH.handshake())))
    running.stdin.flush()
    # Answers come before the capture ends.
    told = [json.loads(running.stderr.readline()) for _ in range(3)]
    assert [each["reason"] for each in told] == ["NEW", "ESTABLISHED", "ESTABLISHED"]
    running.send_signal(signal.SIGINT)
    time.sleep(0.1)
    out, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (0, b"")
    assert b"3 decisions" in out


def test_a_closed_pipe_is_silent(bench: Bench) -> None:
    capture = bench.packets(
        *[Talk(client="203.0.113.9", server="10.0.1.5", c=port).syn() for port in range(1, 900)]
    )
    running = program(bench.path("network.json"), capture, "--json")
    assert running.stdout is not None
    running.stdout.read(10)
    running.stdout.close()
    assert running.wait(timeout=60) == 0
    assert running.stderr is not None
    assert running.stderr.read() == b""
    running.stderr.close()


def test_a_bar_shows_only_where_a_person_watches_and_it_takes_long(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from secgroup.cli import progress

    class Watched(TextIOWrapper):
        def isatty(self) -> bool:
            return True

    capture = bench.packets(*[SSH.data(at) for at in range(600)])
    shown = []
    for patience_s in (3600.0, 0.0):
        screen = BytesIO()
        terminal = Watched(screen, encoding="utf-8", write_through=True)
        with monkeypatch.context() as patch:
            patch.setenv("TERM", "xterm")
            patch.setattr(progress, "_PATIENCE_S", patience_s)
            patch.setattr(sys, "stderr", terminal)
            assert run(["replay", bench.path("network.json"), capture]) == 0
        shown.append(screen.getvalue().decode())
    assert shown[0] == ""
    assert "packets" in shown[1]


def test_a_full_device_is_exit_2_and_one_line(bench: Bench) -> None:
    capture = bench.packets(SSH.syn())
    with open("/dev/full", "wb") as full:
        running = subprocess.run(
            [sys.executable, "-m", "secgroup", "replay", bench.path("network.json"), capture],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert running.returncode == 2
    assert (
        running.stderr == b"secgroup: standard output: cannot be written: No space left on device\n"
    )
    code, out, err = bench.replay(capture, "--decisions", "/dev/full")
    assert (code, out) == (2, "")
    assert err == "secgroup: /dev/full: cannot be written: No space left on device\n"


def test_decisions_into_a_closed_pipe_are_silent(bench: Bench) -> None:
    capture = bench.packets(*[SSH.data(at) for at in range(2000)])
    running = program(bench.path("network.json"), capture, "--decisions", "/dev/stdout")
    assert running.stdout is not None
    assert running.stdout.readline().startswith(b'{"frame": 1,')
    running.stdout.close()
    assert running.wait(timeout=60) == 0
    assert running.stderr is not None
    assert running.stderr.read() == b""
    running.stderr.close()


def test_direction_flags_place_what_addresses_do_not(bench: Bench) -> None:
    strangers = Talk(client="203.0.113.9", server="203.0.113.10")
    capture = bench.capture(
        pcapng([Seen(s=0, packet=strangers.syn(), direction=Direction.INGRESS)])
    )
    found = bench.summary(capture, "--at", "eni-web")
    assert found["reasons"] == [
        {"verdict": "REJECT", "reason": "SOURCE_DEST_CHECK", "decisions": 1}
    ]


def test_frames_that_are_not_ip_are_listed(bench: Bench) -> None:
    arp = Seen(s=0, packet=bytes(28), link=bytes(12) + b"\x08\x06")
    ssh = Seen(s=1, packet=SSH.syn(), link=bytes(12) + b"\x08\x00")
    capture = bench.capture(pcapng([arp, ssh], link_type=ETHERNET))
    _, out, _ = bench.replay(capture)
    assert "1 not IP" in out


def test_a_terminal_gets_tables_and_a_pipe_gets_text(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(TextIOWrapper):
        def isatty(self) -> bool:
            return True

    screen = BytesIO()
    capture = bench.packets(*SSH.handshake())
    with monkeypatch.context() as patch:
        patch.setenv("COLUMNS", "120")
        patch.setattr(sys, "stdout", Terminal(screen, encoding="utf-8", write_through=True))
        assert run(["replay", bench.path("network.json"), capture]) == 0
    shown = screen.getvalue().decode()
    assert "Allowed, by rule" in shown
    assert "sgr-web-in-0" in shown


DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "replay.md"


def documented(header: str) -> list[str]:
    """Return the names in the first column of the document's table with this header."""
    lines = iter(DOCUMENT.read_text().splitlines())
    for line in lines:
        if line.startswith(f"| {header} |"):
            break
    next(lines)
    return [line.split("|")[1].strip().strip("`") for line in iter(lambda: next(lines), "")]


def test_the_outputs_have_the_fields_that_the_document_says(bench: Bench) -> None:
    capture = bench.packets(SSH.syn())
    found = bench.summary(capture, "--connections", bench.path("c.jsonl"))
    assert list(found) == documented("summary field")
    assert list(found["connections"][0]) == documented("connection field")
    assert list(bench.lines("c.jsonl")[0]) == documented("flow field")


def test_every_option_is_in_the_document() -> None:
    from secgroup.cli.replay import command

    text = DOCUMENT.read_text()
    shared = {"--with", "--parameter", "--import", "--strict"}
    options = {name for each in command.params for name in each.opts if name.startswith("--")}
    assert {name for name in options - shared if name not in text} == set()
