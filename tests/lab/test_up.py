"""`up` again and again, `down`, and what a crash leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from secgroup.errors import DataPlaneError, InputError
from secgroup.lab import lab as labs
from secgroup.lab.kept import alone, read
from secgroup.lab.kernel import make_namespace, namespaces
from secgroup.lab.names import NAMESPACES, folder_of, host_namespace
from secgroup.lab.plan import Mtus
from tests.support.labs import LONG_S, Lab, ignore, lab_of, new_name, talk
from tests.support.vpcs import two_subnets

pytestmark = pytest.mark.needs("root", "netns", "nft", "bpf")

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "three-tier" / "network.yaml"


def observed(lab: Lab) -> dict[str, list[object]]:
    """Return all that the kernel says of a lab; device numbers included, so that new ones show."""
    found: dict[str, list[object]] = {}
    for namespace in namespaces(lab.name):
        for command in (
            "link",
            "address",
            "route show table all",
            "-6 route show table all",
            "rule",
        ):
            shown = subprocess.run(
                ["ip", "-n", namespace, "-j", *command.split()],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            found[f"{namespace} {command}"] = [
                # What the kernel finds out about a link's carrier it tells a little later.
                {key: value for key, value in each.items() if key not in ("flags", "operstate")}
                for each in json.loads(shown or "[]")
            ]
    return found


def test_a_second_up_changes_nothing() -> None:
    network = two_subnets().network()
    with lab_of(network) as lab:
        before = observed(lab)
        lab.follow(network)
        assert observed(lab) == before


def test_interfaces_come_and_go_beside_a_connection_that_stays() -> None:
    network = two_subnets().network()
    with lab_of(network) as lab, lab.serve("eni-b", 80) as server:
        client = lab.connect("eni-a", "10.0.2.5", 80)
        assert client is not None
        served, _ = server.accept()
        more = two_subnets().interface("eni-c", "sub-a", "10.0.1.6", "sg-a").network()
        lab.follow(more)
        assert lab.ping("eni-c", "10.0.2.5")
        assert talk(client, served) == (b"hello", b"HELLO")
        lab.follow(network)
        assert host_namespace(lab.name, "eni-c") not in namespaces(lab.name)
        assert talk(client, served) == (b"hello", b"HELLO")
        client.close()
        served.close()


def test_what_changed_of_an_interface_is_changed() -> None:
    plan = two_subnets()
    with lab_of(plan.network()) as lab:
        moved = replace(plan.nouns["interfaces"]["eni-a"], mac=bytes.fromhex("02aabbccddee"))
        plan.nouns["interfaces"]["eni-a"] = moved
        plan.interface("eni-b", "sub-b", "10.0.2.77", "sg-b")
        lab.follow(plan.network(), Mtus(every=9001))
        assert lab.ping("eni-a", "10.0.2.77", "-s8000", "-Mdo")
        assert "02:aa:bb:cc:dd:ee" in lab.run("eni-a", "ip", "link").stdout
        assert "10.0.2.5" not in lab.run("eni-b", "ip", "address").stdout


def test_down_ends_what_runs_there_and_leaves_nothing() -> None:
    with lab_of(two_subnets().network()) as lab:
        namespace = lab.namespace("eni-a")
        sleeper = subprocess.Popen(["nsenter", f"--net=/run/netns/{namespace}", "sleep", "600"])
        until = time.monotonic() + LONG_S
        ours = Path("/proc/self/ns/net").readlink()
        while Path(f"/proc/{sleeper.pid}/ns/net").readlink() == ours:
            assert time.monotonic() < until
            time.sleep(0.005)
        labs.down(lab.name)
        assert sleeper.wait(LONG_S) == -signal.SIGTERM
        assert namespaces(lab.name) == []
        assert not folder_of(lab.name).exists()
        assert labs.down(lab.name) == 0


@pytest.mark.parametrize("after", [1, 2, 4, 8])
def test_what_a_killed_up_leaves_is_found_by_its_name(after: int) -> None:
    name = new_name()
    kill = (
        "import os, sys, signal\n"
        "from secgroup.lab import lab\n"
        "from secgroup.lab.plan import Mtus\n"
        "from secgroup.sources.load import load\n"
        f"tell = lambda done, total: done == {after} and os.kill(os.getpid(), signal.SIGKILL)\n"
        "lab.up(load(sys.argv[1]), sys.argv[2], mtus=Mtus(), warn=print, tell=tell)\n"
    )
    try:
        done = subprocess.run([sys.executable, "-c", kill, str(EXAMPLE), name], check=False)
        assert done.returncode == -signal.SIGKILL
        assert namespaces(name)
        # Killed between making a name and making it a namespace.
        (NAMESPACES / host_namespace(name, "half")).touch()
        if after != 4:
            network = two_subnets().network()
            lab = Lab(name, labs.up(network, name, mtus=Mtus(), warn=ignore, tell=ignore))
            assert lab.ping("eni-a", "10.0.2.5")
            assert len(namespaces(name)) == len(lab.topology.namespaces)
    finally:
        labs.down(name)
    assert namespaces(name) == []


def test_nothing_of_another_lab_is_touched() -> None:
    with lab_of(two_subnets().network()) as lab:
        other = f"secgroup-{lab.name}x-eni-a"
        make_namespace(other, {})
        try:
            before = sorted(each.name for each in NAMESPACES.iterdir())
            labs.down(lab.name)
            after = sorted(each.name for each in NAMESPACES.iterdir())
            assert [each for each in before if each not in after] == [
                namespace.name
                for namespace in sorted(lab.topology.namespaces, key=lambda n: n.name)
            ]
            assert other in after
        finally:
            subprocess.run(["ip", "netns", "delete", other], check=True)


def test_a_lab_that_is_not_there() -> None:
    with pytest.raises(InputError, match="no lab"):
        read(new_name())


def secgroup(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "secgroup", "lab", *arguments],
        check=False,
        capture_output=True,
        text=True,
    )


def test_the_command_from_up_to_down() -> None:
    name = new_name()
    try:
        done = secgroup("up", str(EXAMPLE), "--name", name)
        assert (done.returncode, done.stderr) == (0, "")
        shown = secgroup("exec", "--name", name, "web-1", "--", "sh", "-c", "exit 7")
        assert (shown.returncode, shown.stderr) == (7, "")
        shown = secgroup("exec", "--name", name, "web-1", "--", "no-such-program")
        assert (shown.returncode, shown.stderr.count("\n")) == (127, 1)
        shown = secgroup("exec", "--name", name, "web-1", "--", "/etc")
        assert shown.returncode == 126
        shown = secgroup("exec", "--name", name, "nobody", "--", "true")
        assert (shown.returncode, shown.stderr.count("\n")) == (2, 1)
        assert "web-1" in shown.stderr
        host = (Path("/etc/hosts").read_text(), Path("/etc/resolv.conf").read_text())
        shown = secgroup(
            "exec",
            "--name",
            name,
            "Web1",
            "--",
            "sh",
            "-c",
            "getent hosts lb; cat /etc/resolv.conf; ls /sys/class/net",
        )
        assert "2001:db8:20::10" in shown.stdout
        assert "nameserver 10.20.0.2" in shown.stdout
        assert shown.stdout.split()[-2:] == ["eth0", "lo"]
        assert host == (Path("/etc/hosts").read_text(), Path("/etc/resolv.conf").read_text())
        told = json.loads(secgroup("status", "--name", name, "--json").stdout)
        assert {each["interface_id"] for each in told["interfaces"]} >= {"Web1", "NatGateway"}
        assert secgroup("status", "--name", name, "db").stdout.count("DatabaseInterface") == 1
    finally:
        done = secgroup("down", "--name", name)
    assert done.returncode == 0
    assert secgroup("status", "--name", name).returncode == 2


def test_without_root_it_is_one_line() -> None:
    done = subprocess.run(
        [
            "setpriv",
            "--reuid",
            "65534",
            "--clear-groups",
            sys.executable,
            "-m",
            "secgroup",
            "lab",
            "down",
        ],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": "/nonexistent"},
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "root" in done.stderr


def test_two_at_once_are_one_too_many() -> None:
    refused = pytest.raises(DataPlaneError, match="somebody else")
    with lab_of(two_subnets().network()) as lab, alone(lab.name), refused:
        labs.down(lab.name)
