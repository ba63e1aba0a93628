"""`secgroup replay` says the same by the engine and by the definition, byte for byte."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from random import Random

import pytest

from secgroup.cli import run
from secgroup.net.packet import Icmp, Packet
from secgroup.net.wire import build
from tests.engine.replayed import _packet
from tests.support.captured import (
    COOKED,
    ETHERNET,
    RAW,
    Seen,
    Talk,
    fragments,
    pcap,
    pcapng,
)
from tests.support.described import described, write
from tests.support.tiers import ACLS, GROUPS, INTERFACES

EXAMPLE = Path(__file__).parents[2] / "examples" / "three-tier"

#: What a change or a comparison puts in its place: without a rule, an interface and an ACL.
LATER_GROUPS = GROUPS | {"sg-web": GROUPS["sg-web"][1:], "sg-db": ["in all 10.0.1.0/24"]}
LATER_INTERFACES = {
    "eni-web": "10.0.1.5 2001:db8:1::5 sg-web sg-all",
    "eni-db": "10.0.2.5 2001:db8:2::5 sg-db",
}
HOSTS = [
    "10.0.1.5", "10.0.2.5", "10.0.3.5", "10.0.2.6", "10.0.2.77", "203.0.113.9", "198.51.100.53",
    "169.254.169.254", "10.0.1.2", "192.0.2.200", "224.0.0.1",
    "2001:db8:1::5", "2001:db8:2::5", "2001:db8:9::9",
]  # fmt: skip


def some_packets(random: Random, count: int) -> list[Seen]:
    """Packets of a few connections in any order, with copies, damage and clocks that step."""
    v4 = [each for each in HOSTS if ":" not in each]
    v6 = [each for each in HOSTS if ":" in each]
    talks = []
    for _ in range(16):
        client, server = random.choices(v6 if random.random() < 0.25 else v4, k=2)
        ports = random.choice([22, 80, 53, 5432]), random.choice([40000, 22, 50000])
        talks.append(Talk(client=client, server=server, s=ports[0], c=ports[1]))
    found: list[Seen] = []
    now = 10.0
    for _ in range(count):
        if random.random() < 0.3:
            now += random.choice([-0.0004, -2, 0, 0.001, 0.02, 0.9999, 1, 31, 61])
        now = max(0.0, now + 0.0007)
        if random.random() < 0.002:
            now += 90_000
        packet = _packet(random, random.choice(talks))
        pieces: list[Packet | bytes] = [packet]
        if random.random() < 0.08:
            longer = replace(packet, length=packet.length + 40)
            pieces = list(fragments(longer, 24, random.randrange(3)))
            if random.random() < 0.3:
                random.shuffle(pieces)
            if random.random() < 0.3:
                pieces = pieces[random.randrange(2) :]
        if random.random() < 0.04:
            asked = random.choice(talks).tcp(2, 1000)
            kind = 3 if asked.family == 4 else 1
            error = replace(
                random.choice(talks).ping(),
                icmp=Icmp(type=kind, code=4, quote=None),
            )
            pieces.append(error)
        if random.random() < 0.03:
            pieces.append(b"\x45\x00\x00\x14" + bytes(random.randrange(4, 18)))
        if random.random() < 0.02:
            pieces.append(random.choice([b"", b"\x60", b"\x45\x00", b"\x99" * 40]))
        for each in pieces:
            seen = Seen(s=now, packet=each, interface=random.randrange(2))
            found.append(seen)
            if random.random() < 0.15:
                later = random.choice([0, 0.0001, 0.5, 1.0, 1.5])
                other = random.choice([seen.interface, 1 - seen.interface])
                found.append(replace(seen, s=now + later, interface=other))
    return found


def framed(random: Random, seen: Sequence[Seen]) -> list[Seen]:
    """The same in Ethernet frames, some of them not IP."""
    macs = [bytes([2, 0, 0, 0, 0, number]) for number in range(3)] + [b"\xff" * 6]
    found = []
    for each in seen:
        is_six = isinstance(each.packet, Packet) and each.packet.family == 6
        kind = 0x0806 if random.random() < 0.02 else 0x86DD if is_six else 0x0800
        link = random.choice(macs) + random.choice(macs) + kind.to_bytes(2)
        found.append(replace(each, link=link if random.random() > 0.01 else link[:9]))
    return found


class Both:
    """Runs a replay twice, and compares everything that comes out."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def _run(self, engine: str, arguments: Sequence[str], outputs: Sequence[str]) -> object:
        folder = self.folder / engine
        folder.mkdir(exist_ok=True)
        suffix = ".gz" if "--gz" in arguments else ""
        files = [each + suffix if each == "--flow-log" else each for each in outputs]
        files = [
            text
            for name, file in zip(outputs, files, strict=True)
            for text in (name, str(folder / file.lstrip("-")))
        ]
        kept = [each for each in arguments if each != "--gz"]
        code = run(["replay", *kept, "--engine", engine, *files])
        out, err = self._capsys.readouterr()
        written = {each.name: each.read_bytes() for each in sorted(folder.iterdir())}
        for each in folder.iterdir():
            each.unlink()
        return code, out, err, written

    def agree(self, *arguments: str, outputs: Sequence[str] = ("--decisions", "--flow-log")) -> int:
        for form in ([], ["--json"]):
            ours = self._run("compiled", [*arguments, *form], outputs)
            expected = self._run("reference", [*arguments, *form], outputs)
            for part, other in zip(ours, expected, strict=True):  # type: ignore[call-overload]
                assert part == other
        return expected[0]  # type: ignore[index]


@pytest.fixture
def both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Both:
    write(tmp_path / "network.json", described(GROUPS, INTERFACES, acls=ACLS))
    write(tmp_path / "later.json", described(LATER_GROUPS, LATER_INTERFACES))
    return Both(tmp_path, capsys)


ALL = ("--decisions", "--flow-log", "--annotate", "--connections")
#: What a capture is copied for takes twice as long, and has tests of its own.
MOST = ("--decisions", "--flow-log", "--connections")
OPTIONS = (
    [],
    ["--no-adopt"],
    ["--loose-tcp"],
    ["--strict-tcp", "--no-related-icmp"],
    ["--allowance", "3"],
    ["--at", "eni-web"],
    ["--at", "0=eni-web", "--at", "1=eni-db"],
    ["--at", "one=eni-all"],
    ["--against", "{later}"],
    ["--against", "{later}", "--at", "eni-db", "--no-adopt"],
    ["--change", "15={later}"],
    ["--change", "15={later}", "--change", "200={network}", "--change", "99999999={later}"],
    ["--change", "30={later}", "--against", "{later}", "--allowance", "eni-web=2"],
    ["--interval", "60", "--format", "${interface-id} ${srcaddr} ${secgroup-reason} ${start}"],
    ["--format", "${srcaddr} ${pkt-srcaddr} ${secgroup-rule-ids} ${bytes} ${flow-direction}"],
    ["--window-start", "2026-03-01T12:00:07Z", "--gz"],
)


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
@pytest.mark.parametrize("link_type", [RAW, ETHERNET])
def test_any_capture_gives_the_same_outputs(
    both: Both, options: Sequence[str], link_type: int
) -> None:
    random = Random(" ".join(options) + str(link_type))
    seen = some_packets(random, 500)
    if link_type == ETHERNET:
        seen = framed(random, seen)
    capture = both.folder / "x.pcapng"
    capture.write_bytes(pcapng(seen, names=("zero", "one"), link_type=link_type))
    names = {each: str(both.folder / f"{each}.json") for each in ("network", "later")}
    filled = [each.format(**names) if "{later}" in each or "{network}" in each else each
              for each in options]  # fmt: skip
    assert both.agree(names["network"], str(capture), *filled, outputs=MOST) == 0


@pytest.mark.parametrize("outputs", [ALL, ALL[2:3], ALL[3:], ()])
def test_any_outputs_are_the_same(both: Both, outputs: Sequence[str]) -> None:
    capture = both.folder / "x.pcap"
    capture.write_bytes(pcap(some_packets(Random(str(outputs)), 400)))
    both.agree(str(both.folder / "network.json"), str(capture), outputs=outputs)


def test_the_example_gives_the_same_outputs(both: Both) -> None:
    network, capture = EXAMPLE / "network.yaml", EXAMPLE / "traffic.pcapng.gz"
    assert both.agree(str(network), str(capture), outputs=ALL) == 0


@pytest.mark.parametrize("kept", [{}, {"subnet-1-10.0.2": ["in 7 allow all 0.0.0.0/0"]}])
def test_a_later_fragment_names_the_acl_and_the_rules_of_its_first_one(
    both: Both, kept: dict[str, list[str]]
) -> None:
    other = described(LATER_GROUPS, INTERFACES, acls=kept)
    for acl in other["NetworkAcls"]:
        acl["NetworkAclId"] += "-later"
    for each in other["NetworkAcls"]:
        for association in each.get("Associations", ()):
            association["NetworkAclId"] = each["NetworkAclId"]
    names = [str(both.folder / "network.json"), str(write(both.folder / "other.json", other))]
    talks = [
        Talk(client="203.0.113.9", server="10.0.2.5", s=port, c=port + number)
        for number, port in enumerate((22, 80, 5432, 80))
    ] + [Talk(client="2001:db8:9::9", server="2001:db8:2::5", s=80)]
    firsts, later = [], []
    for number, talk in enumerate(talks):
        first, rest = fragments(talk.udp(size=60), 24, number)
        firsts.append(Seen(s=10 + number / 10, packet=first))
        later += [Seen(s=s + number / 10, packet=rest) for s in (12, 20, 27, 36)]
    seen = sorted([*firsts, *later], key=lambda each: each.s)
    capture = both.folder / "x.pcapng"
    capture.write_bytes(pcapng(seen, names=("zero", "one")))
    changes = [
        "--change",
        f"5={names[1]}",
        "--change",
        f"14={names[0]}",
        "--change",
        f"15={names[1]}",
    ]
    assert both.agree(names[0], str(capture), *changes, outputs=ALL) == 0


@pytest.mark.parametrize("ends", [("10.0.1.5", "10.0.2.5"), ("2001:db8:1::5", "2001:db8:2::5")])
def test_what_the_second_interface_captured_refuses_has_the_same_outcome(
    both: Both, ends: tuple[str, str]
) -> None:
    found: list[Seen] = []
    random = Random(ends[0])
    for number in range(60):
        talk = Talk(client=ends[0], server=ends[1], c=1000 + number, s=random.choice([80, 5432]))
        way = random.choice([talk.syn(), talk.udp(), talk.data(), talk.ping(identifier=number)])
        back = random.choice([talk.syn_ack(), talk.udp(back=True), talk.answer()])
        packets = [way] * random.randrange(1, 3) + [back] * random.randrange(2) + [way]
        for each in packets:
            found += [
                Seen(s=number + len(found) / 1000, packet=each, interface=interface)
                for interface in random.choice([(0, 1), (0, 1), (1, 0), (0,), (1,)])
            ]
    capture = both.folder / "x.pcapng"
    capture.write_bytes(pcapng(found, names=("zero", "one")))
    network = str(both.folder / "network.json")
    at = ["--at", "0=eni-web", "--at", "1=eni-db"]
    for options in ([], ["--no-adopt"], ["--against", str(both.folder / "later.json")]):
        assert both.agree(network, str(capture), *at, *options, outputs=MOST) == 0


def error_about(packet: Packet, sender: str, code: int) -> bytes:
    """An ICMP error of another host, to the sender of the packet that it quotes."""
    is_six = packet.family == 6
    quoted, header = build(packet)[: 68 if is_six else 48], 40 if is_six else 20
    back = Packet(
        source=ip_address(sender),
        destination=packet.source,
        protocol=58 if is_six else 1,
        length=header + 8 + len(quoted),
        icmp=Icmp(type=1 if is_six else 3, code=code),
    )
    return build(back)[: header + 8] + quoted


def with_errors(random: Random, seen: Sequence[Seen]) -> list[Seen]:
    """The same, with errors about some packets a little later."""
    found = [*seen]
    for each in seen:
        if isinstance(each.packet, Packet) and random.random() < 0.1:
            hosts = [host for host in HOSTS if (":" in host) == (each.packet.family == 6)]
            error = error_about(each.packet, random.choice(hosts), random.choice([1, 3, 4]))
            later = each.s + random.choice([0, 0.01, 2, 35])
            found.append(replace(each, s=later, packet=error))
    return sorted(found, key=lambda each: each.s)


@pytest.mark.parametrize("seed", range(4))
def test_threads_changes_captured_interfaces_fragments_and_errors_meet(
    both: Both, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables are laid down in mid-run, policies change in mid-batch, and outputs are beside."""
    from secgroup.engine import capture as captures

    # Where frames are decided is asked again for every batch.
    monkeypatch.setattr("secgroup.replay.placement._REMEMBERED", 3)
    random = Random(f"meet {seed}")
    read, size = captures.read_batches, random.choice([7, 40, 1000])
    monkeypatch.setattr(
        captures, "read_batches", lambda *args, **named: read(*args, **(named | {"size": size}))
    )
    seen = with_errors(random, some_packets(random, 500))
    first, last = seen[0].s, seen[-1].s
    capture = both.folder / "x.pcapng"
    capture.write_bytes(pcapng(framed(random, seen), names=("zero", "one"), link_type=ETHERNET))
    write(both.folder / "acls.json", described(LATER_GROUPS, INTERFACES, acls=ACLS))
    names = [str(both.folder / f"{each}.json") for each in ("network", "later", "acls")]
    options = ["--cores", "2", "--against", names[1]]
    for share in sorted(random.random() for _ in range(6)):
        options += ["--change", f"{first + (last - first) * share**6:.3f}={random.choice(names)}"]
    if seed % 2:
        options += ["--at", "0=eni-web", "--at", "one=eni-all"]
    if seed > 1:
        options += ["--no-related-icmp", "--allowance", "9"]
    both.agree(names[0], str(capture), *options, outputs=ALL)


@pytest.mark.parametrize("cores", ["1", "2"])
@pytest.mark.parametrize("size", [1, 3, 50])
def test_the_size_of_batches_and_threads_do_not_count(
    both: Both, size: int, cores: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from secgroup.engine import capture as captures

    read = captures.read_batches
    monkeypatch.setattr(
        captures, "read_batches", lambda *args, **named: read(*args, **(named | {"size": size}))
    )
    capture = both.folder / "x.pcapng"
    capture.write_bytes(pcapng(some_packets(Random(size), 150), names=("zero", "one")))
    names = [str(both.folder / f"{each}.json") for each in ("network", "later")]
    both.agree(names[0], str(capture), "--change", f"14={names[1]}", "--cores", cores, outputs=MOST)
    both.agree(names[0], str(capture), "--against", names[1], "--cores", cores, outputs=ALL)


def test_a_cut_capture_is_the_same_up_to_the_damage(both: Both) -> None:
    capture = both.folder / "x.pcap"
    capture.write_bytes(pcap(some_packets(Random(5), 100), link_type=RAW)[:-7])
    assert both.agree(str(both.folder / "network.json"), str(capture)) == 2


def test_an_ambiguous_address_ends_both_alike(both: Both) -> None:
    twice = {"eni-web": "10.0.1.5 sg-web", "eni-two": "vpc-2 10.0.1.5 sg-two"}
    groups = {"sg-web": ["in all 0.0.0.0/0"], "sg-two": ["in tcp/22 0.0.0.0/0"]}
    blocks = {"vpc-1": "10.0.0.0/16", "vpc-2": "10.0.0.0/16"}
    network = write(both.folder / "twice.json", described(groups, twice, blocks=blocks))
    capture = both.folder / "x.pcap"
    opener = Talk(client="203.0.113.9", server="10.0.1.5").syn()
    capture.write_bytes(pcap([*some_packets(Random(6), 100), Seen(s=9000, packet=opener)]))
    assert both.agree(str(network), str(capture)) == 2
    both.agree(str(network), str(capture), "--vpc", "vpc-2")
    both.agree(str(network), str(capture), "--at", "eni-two")
    once = str(both.folder / "network.json")
    assert both.agree(once, str(capture), "--against", str(network)) == 2


def test_mirror_sessions_are_told_apart(both: Both) -> None:
    random = Random(9)
    inner = framed(random, some_packets(random, 120))
    found = []
    for number, each in enumerate(inner):
        vxlan = b"\x08\0\0\0" + bytes([0, 0, number % 3, 0])
        payload = vxlan + each.octets
        udp = (50000).to_bytes(2) + (4789).to_bytes(2) + (8 + len(payload)).to_bytes(2) + b"\0\0"
        header = b"\x45\0" + (28 + len(payload)).to_bytes(2) + bytes(4) + b"\x40\x11\0\0"
        ends = bytes([10, 0, 9, 9]) + bytes([10, 0, 9, 10])
        found.append(replace(each, packet=header + ends + udp + payload, link=b""))
    capture = both.folder / "x.pcapng"
    capture.write_bytes(pcapng(found, names=("zero", "one")))
    network = str(both.folder / "network.json")
    assert both.agree(network, str(capture), "--decapsulate", "vxlan") == 0


@pytest.mark.parametrize("link_type", [COOKED, 276])
def test_cooked_captures_are_the_same(both: Both, link_type: int) -> None:
    random = Random(link_type)
    found = []
    for each in some_packets(random, 150):
        is_six = isinstance(each.packet, Packet) and each.packet.family == 6
        kind = (0x86DD if is_six else 0x0800).to_bytes(2)
        way, mac = random.randrange(5), bytes([0, 6, 2, 0, 0, 0, 0, 1, 0, 0])
        cooked = way.to_bytes(2) + b"\0\x01" + mac + kind
        if link_type == 276:
            index = random.randrange(1, 3).to_bytes(4)
            cooked = kind + b"\0\0" + index + b"\0\x01" + bytes([way, 6]) + mac[2:]
        found.append(replace(each, link=cooked))
    capture = both.folder / "x.pcap"
    capture.write_bytes(pcap(found, link_type=link_type))
    network = str(both.folder / "network.json")
    assert both.agree(network, str(capture)) == 0
    several = ["--at", "2=eni-web", "--at", "eni-all"]
    assert both.agree(network, str(capture), *several, outputs=MOST) == 0


def test_delegated_prefixes_and_public_addresses_place_alike(both: Both) -> None:
    document = described(GROUPS, INTERFACES, acls=ACLS)
    for each in document["NetworkInterfaces"]:
        if each["NetworkInterfaceId"] == "eni-db":
            each["Ipv4Prefixes"] = [{"Ipv4Prefix": "10.0.2.64/28"}]
        if each["NetworkInterfaceId"] == "eni-web":
            each["PrivateIpAddresses"][0]["Association"] = {"PublicIp": "198.51.100.53"}
    capture = both.folder / "x.pcap"
    capture.write_bytes(pcap(some_packets(Random(11), 300)))
    network = write(both.folder / "some.json", document)
    assert both.agree(str(network), str(capture)) == 0
