"""`secgroup serve --plane bpf` before a real device, with rules that change while packets flow."""

import gzip
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import pytest
from botocore.exceptions import ClientError

from secgroup.dataplane.bpf import libbpf
from secgroup.dataplane.bpf.libbpf import pinned as pinned_descriptor
from secgroup.dataplane.bpf.pinned import opened, pinned
from tests.support.filtered import DEVICE, GUEST, Machine, machine, until

pytestmark = pytest.mark.needs("root", "netns", "bpf")

SSH, WEB, IPERF = 22, 80, 5201


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Machine]:
    with machine(tmp_path) as made:
        yield made


@pytest.fixture
def filtered(here: Machine) -> tuple[Machine, str, str]:
    """A machine that serves, with an interface before the guest's device, which is up."""
    here.serve()
    interface, group = here.interface()
    here.attach(interface)
    here.up()
    here.listen(SSH, WEB)
    return here, interface, group


def test_rules_are_in_force_when_they_are_acknowledged(
    filtered: tuple[Machine, str, str],
) -> None:
    here, interface, group = filtered
    assert not here.reaches(SSH)
    here.allow(group, SSH)
    client = here.connect(SSH)
    assert client.echo("one") == "one"
    here.revoke(group, SSH)
    # What is tracked lives; what is new is refused.
    assert not here.reaches(SSH)
    assert client.echo("two") == "two"
    (found,) = here.connections(
        "--interface", interface, "--group", group, "--state", "established"
    )
    assert (found["inside_address"], found["inside_port"]) == (GUEST, SSH)
    assert found["rule_id"].startswith("sgr-")
    assert found["egress_packets"] > 0
    assert here.connections("--protocol", "udp") == []
    said = here.secgroup(
        "connections", "--kill", "--peer", "172.31.0.0/20", "--pins", str(here.pins)
    )
    assert said == "1 of 1 connections ended\n"
    assert client.echo("three") == "TimeoutError"
    assert here.connections() == []


def test_agent_that_is_killed_is_not_missed_and_the_next_one_changes_nothing(
    filtered: tuple[Machine, str, str],
) -> None:
    here, interface, group = filtered
    here.allow(group, SSH)
    client = here.connect(SSH)
    here.stop(kill=True)
    assert client.echo("nobody is there") == "nobody is there"
    assert here.reaches(SSH)
    assert not here.reaches(WEB)
    with opened(here.pins) as descriptors:
        before = pinned(here.pins, descriptors).maps.words.copy()
    here.serve()
    with opened(here.pins) as descriptors:
        assert pinned(here.pins, descriptors).maps.words.tolist() == before.tolist()
    assert client.echo("somebody is there") == "somebody is there"
    assert here.states() == {interface: "attached"}
    here.revoke(group, SSH)
    assert not here.reaches(SSH)
    assert client.echo("still there") == "still there"
    assert here.warnings() == ""


@pytest.mark.needs("iperf3")
def test_bulk_traffic_goes_on_while_agents_come_and_go(filtered: tuple[Machine, str, str]) -> None:
    here, _, group = filtered
    here.allow(group, IPERF)
    server = ["iperf3", "--server", "--one-off", "--port", str(IPERF)]
    here.start(here.guest.command(server))
    until(lambda: f":{IPERF}" in here.guest.run(["ss", "-Hlnt"]))
    client = ["iperf3", "--client", GUEST, "--port", str(IPERF), "--time", "60", "--json"]
    sending = here.start(here.peer.command(client))
    until(lambda: len(here.connections("--state", "established")) == 2)
    before = {each["outside_port"] for each in here.connections()}
    here.stop(kill=True)
    here.serve()
    assert {each["outside_port"] for each in here.connections("--state", "established")} == before
    sending.send_signal(signal.SIGINT)
    assert sending.stdout is not None
    report = json.loads(sending.stdout.read())
    assert report["error"].startswith("interrupt")
    # In every second something came through.
    assert all(each["sum"]["bytes"] > 0 for each in report["intervals"])


def test_ended_server_leaves_its_filters(filtered: tuple[Machine, str, str]) -> None:
    here, _, group = filtered
    here.allow(group, SSH)
    here.stop()
    assert here.reaches(SSH)
    assert not here.reaches(WEB)


def test_machine_that_started_again_is_filtered_by_the_next_server(
    filtered: tuple[Machine, str, str],
) -> None:
    here, _, group = filtered
    here.allow(group, SSH)
    here.stop()
    rmtree(here.pins)
    assert here.reaches(WEB)
    here.serve()
    assert not here.reaches(WEB)
    assert here.reaches(SSH)


def test_device_that_comes_back_is_filtered_again(filtered: tuple[Machine, str, str]) -> None:
    here, interface, group = filtered
    here.allow(group, SSH)
    (found,) = here.ec2.describe_network_interfaces()["NetworkInterfaces"]
    here.host.ip(f"link del {DEVICE}")
    until(lambda: here.states() == {interface: "waiting for its device"})
    here.plug()
    here.guest.ip(f"link set eth0 address {found['MacAddress']}")
    until(lambda: here.states() == {interface: "attached"})
    here.up()
    assert until(lambda: here.reaches(SSH))
    assert not here.reaches(WEB)
    assert f"gone: {DEVICE} in" in here.warnings()
    assert f"is filtered as {interface} again" in here.warnings()
    assert "secgroup_losses_total 1" in here.metrics()


@pytest.mark.parametrize("what", ["link", "pin"])
def test_filter_that_somebody_took_away_comes_back(
    filtered: tuple[Machine, str, str], what: str
) -> None:
    here, _, group = filtered
    here.allow(group, SSH)
    for path in sorted((here.pins / "links").iterdir()):
        if what == "pin":
            path.unlink()
            continue
        link = pinned_descriptor(path)
        assert link is not None
        with link:
            libbpf.detach_link(link.fileno())
    until(lambda: "gone:" in here.warnings())
    assert until(lambda: not here.reaches(WEB))
    assert here.reaches(SSH)
    assert len(list((here.pins / "links").iterdir())) == 2


def test_commands_attach_list_and_detach_or_say_why_not_in_one_line(here: Machine) -> None:
    here.serve()
    interface, group = here.interface()
    attach = ("attach", interface, "--netns", here.netns, "--device")
    said = here.secgroup(*attach, "nowhere", code=2)
    assert "device nowhere: is not in this network namespace" in said
    here.up()
    said = here.secgroup(*attach, DEVICE, code=2)
    assert f"device {DEVICE}: is up" in said
    assert "--live" in said
    assert said.count("\n") == 1
    assert "no interface has a device" in here.secgroup("attach", "--list")
    here.listen(WEB)
    assert until(lambda: here.reaches(WEB))
    here.secgroup(*attach, DEVICE, "--live")
    assert not here.reaches(WEB)
    listed = here.secgroup("attach", "--list")
    assert [each in listed for each in (interface, DEVICE, group, "attached")] == [True] * 4
    here.secgroup("detach", interface)
    assert here.reaches(WEB)
    assert "has no device" in here.secgroup("detach", interface, code=2)


def test_interface_that_is_deleted_lets_nothing_through(
    filtered: tuple[Machine, str, str],
) -> None:
    here, interface, group = filtered
    here.allow(group, SSH)
    assert here.reaches(SSH)
    here.ec2.delete_network_interface(NetworkInterfaceId=interface)
    assert not here.reaches(SSH)
    here.secgroup("detach", interface)
    assert here.reaches(SSH)


def test_rules_that_do_not_fit_are_refused_and_change_nothing(here: Machine) -> None:
    quotas = here.folder / "quotas"
    quotas.write_text("rules-per-security-group: 2000\n")
    here.serve("--quotas", str(quotas))
    interface, group = here.interface()
    here.attach(interface)
    here.up()
    here.listen(SSH, WEB)
    here.allow(group, SSH)
    blocks = [{"CidrIp": f"10.{at // 256}.{at % 256}.0/24"} for at in range(1000)]
    blocks[0] = {"CidrIp": "172.31.0.0/16"}
    with pytest.raises(ClientError, match=f"{interface}: 1001 ingress rules over IPv4"):
        here.ec2.authorize_security_group_ingress(
            GroupId=group,
            IpPermissions=[
                {"IpProtocol": "tcp", "FromPort": WEB, "ToPort": WEB, "IpRanges": blocks}
            ],
        )
    assert here.reaches(SSH)
    assert not here.reaches(WEB)
    here.revoke(group, SSH)
    assert not here.reaches(SSH)


def test_another_agent_is_refused_in_one_line(here: Machine) -> None:
    here.serve()
    said = here.secgroup(
        *(
            "serve",
            "--plane",
            "bpf",
            "--pins",
            str(here.pins),
            "--store",
            ":memory:",
            "--port",
            "0",
        ),
        code=2,
    )
    assert said == f"secgroup: bpf: {here.pins}: another process has it\n"


def test_another_store_leaves_what_it_does_not_know_closed(
    filtered: tuple[Machine, str, str],
) -> None:
    here, interface, group = filtered
    here.allow(group, SSH)
    assert here.reaches(SSH)
    here.stop()
    here.serve("--store", ":memory:")
    assert f"{interface} at {DEVICE} is not in the store" in here.warnings()
    assert not here.reaches(SSH)
    here.secgroup("detach", interface)
    assert here.reaches(SSH)


def test_plane_that_is_removed_leaves_nothing(filtered: tuple[Machine, str, str]) -> None:
    here, _, _ = filtered
    said = here.secgroup("detach", "--all", "--pins", str(here.pins), code=2)
    assert "another process has it" in said
    here.stop()
    here.secgroup("detach", "--all", "--pins", str(here.pins))
    assert here.reaches(WEB)
    assert not here.pins.exists()


def test_verdicts_are_heard_by_one_who_follows(filtered: tuple[Machine, str, str]) -> None:
    here, interface, group = filtered
    here.allow(group, SSH)
    follower = here.follow("--json", "--interface", interface)
    assert follower.stdout is not None
    until(lambda: _followed_until(here) > 0)
    said = here.secgroup("logs", "--follow", "--pins", str(here.pins), code=2)
    assert "somebody else follows" in said
    assert here.reaches(SSH, source_port=4001)
    assert not here.reaches(WEB, source_port=4002)
    found = []
    while not any(each["dstport"] == WEB for each in found):
        found.append(json.loads(follower.stdout.readline()))
    (new,) = [each for each in found if each["reason"] == "NEW"]
    (rule_id,) = new["rule_ids"]
    assert rule_id.startswith("sgr-")
    assert (new["srcport"], new["dstport"], new["state_after"]) == (4001, SSH, "SYN_SENT")
    assert found[-1]["verdict"] == "REJECT"
    assert found[-1]["reason"] == "NO_MATCHING_RULE"
    # A follower that is killed is not told of anything a few seconds later, nor is it in the way.
    follower.kill()
    follower.wait()
    until(lambda: _followed_until(here) < _now_ms())
    again = here.follow("--rejected")
    assert again.stdout is not None
    until(lambda: _followed_until(here) > _now_ms())
    assert here.reaches(SSH)
    assert not here.reaches(WEB)
    assert "REJECT NO_MATCHING_RULE tcp" in again.stdout.readline()
    again.send_signal(signal.SIGINT)
    assert again.wait(20) == 130
    assert _followed_until(here) == 0


def _followed_until(here: Machine) -> int:
    with opened(here.pins) as descriptors:
        return int(pinned(here.pins, descriptors).maps.control["followed_until_ms"][0])


def _now_ms() -> int:
    from secgroup.dataplane.bpf.clock import kernel_ms

    return kernel_ms()


def test_flow_logs_have_what_passed_and_what_did_not(here: Machine) -> None:
    here.serve("--flow-logs", str(here.folder / "logs"))
    interface, group = here.interface()
    here.attach(interface)
    here.up()
    here.listen(SSH, WEB)
    here.allow(group, SSH)
    before = here.connect(SSH)
    before.echo("not logged")
    here.ec2.create_flow_logs(
        ResourceType="NetworkInterface",
        ResourceIds=[interface],
        TrafficType="ALL",
        LogDestinationType="s3",
        LogDestination="arn:aws:s3:::bucket",
        LogFormat="${srcport} ${dstport} ${protocol} ${packets} ${flow-direction} ${action} "
        "${secgroup-reason} ${secgroup-rule-ids} ${log-status}",
    )
    # Once what the kernel has counted is taken out, what comes after it is recorded.
    until(lambda: _logs(here))
    assert not here.reaches(WEB, source_port=4002)
    until(lambda: _drained(here))
    assert not here.reaches(WEB, source_port=4003)
    client = here.connect(SSH)
    for word in ("one", "two", "three"):
        client.echo(word)
    (found,) = [
        each for each in here.connections("--state", "established") if each["egress_packets"] > 3
    ]
    port = found["outside_port"]
    here.stop()
    (file,) = (here.folder / "logs").rglob("*.log.gz")
    records = [
        line.split() for line in gzip.decompress(file.read_bytes()).decode().splitlines()[1:]
    ]
    inward = [each for each in records if each[:2] == [str(port), str(SSH)]]
    outward = [each for each in records if each[:2] == [str(SSH), str(port)]]
    assert sum(int(each[3]) for each in inward) == found["ingress_packets"]
    assert sum(int(each[3]) for each in outward) == found["egress_packets"]
    assert [each[7] for each in inward if each[6] == "NEW"] == [found["rule_id"]]
    assert {tuple(each[4:7]) for each in outward} == {("egress", "ACCEPT", "ESTABLISHED")}
    refused = [each for each in records if each[:2] == ["4003", str(WEB)]]
    assert {tuple(each[4:7]) for each in refused} == {("ingress", "REJECT", "NO_MATCHING_RULE")}


def _logs(here: Machine) -> bool:
    with opened(here.pins) as descriptors:
        maps = pinned(here.pins, descriptors).maps
        return any(maps.policies[int(word) & 0xFFFFFFFF]["logs"] for word in maps.words if word)


def _drained(here: Machine) -> bool:
    with opened(here.pins) as descriptors:
        return len(pinned(here.pins, descriptors).maps.untallied.items()[0]) == 0


def test_owner_has_no_more_connections_than_its_allowance(here: Machine) -> None:
    here.serve("--allowance", "2")
    interface, group = here.interface()
    here.attach(interface)
    here.up()
    here.listen(SSH)
    here.allow(group, SSH)
    clients = [here.connect(SSH) for _ in range(2)]
    assert not here.reaches(SSH, seconds=0.3)
    page = here.metrics()
    assert f'conntrack_allowance_available{{owner="{interface}"}} 0' in page
    exceeded = next(
        line for line in page.splitlines() if line.startswith("conntrack_allowance_exceeded{")
    )
    assert int(exceeded.split()[1]) > 0
    assert [each.echo("live") for each in clients] == ["live", "live"]
    said = here.secgroup("connections", "--summary", "--json", "--pins", str(here.pins))
    (owner,) = json.loads(said)["owners"]
    assert owner["conntrack_allowance_available"] == 0
    assert owner["conntrack_allowance_exceeded"] > 0
