"""ssh through a security group whose rule goes away: what is tracked stays, what is not does not.

EC2 User Guide, Security group connection tracking: a tracked connection is not interrupted by a
change of rules until it ends; an untracked one is interrupted at once.
"""

from pathlib import Path

import pytest

from secgroup.conntrack.state import State
from tests.support.labs import SHORT_S, lab_of
from tests.support.vpcs import Plan
from tests.system.kernel.programs import Ssh
from tests.system.kernel.seen import seen_by

pytestmark = pytest.mark.needs("root", "netns", "nft", "bpf", "ssh")

CLIENT, SERVER = "eni-client", "eni-server"
ADDRESS = "10.0.2.5"
TRACKED = ("in tcp/22 sg-client",)
#: Every address both ways: such a flow is not tracked.
UNTRACKED = ("in tcp/22 0.0.0.0/0", "out all 0.0.0.0/0")
NOTHING = ("in tcp/9 sg-client", "out all 0.0.0.0/0")


def office(*rules: str) -> Plan:
    return (
        Plan()
        .vpc("vpc-1", "10.0.0.0/16")
        .subnet("sub-a", "vpc-1", "10.0.1.0/24")
        .subnet("sub-b", "vpc-1", "10.0.2.0/24")
        .group("sg-client", "out tcp/22 10.0.0.0/16")
        .group("sg-server", *rules)
        .interface(CLIENT, "sub-a", "10.0.1.5", "sg-client")
        .interface(SERVER, "sub-b", ADDRESS, "sg-server")
    )


def test_a_tracked_session_survives_its_rule(tmp_path: Path) -> None:
    ssh = Ssh(tmp_path)
    with (
        lab_of(office(*TRACKED).network()) as lab,
        seen_by(lab) as seen,
        ssh.server(lab, SERVER),
        ssh.session(lab, CLIENT, ADDRESS) as shell,
    ):
        lab.follow(office(*NOTHING).network())
        assert shell.repeats("still here")
        (tracked,) = seen.connections(SERVER)
        assert (tracked.state, tracked.inside_port) == (State.ESTABLISHED, 22)
        assert ssh.is_refused(lab, CLIENT, ADDRESS)
        assert shell.repeats("and still")


def test_an_untracked_session_dies_with_its_rule(tmp_path: Path) -> None:
    ssh = Ssh(tmp_path)
    alive = ("ServerAliveInterval=1", "ServerAliveCountMax=1")
    with (
        lab_of(office(*UNTRACKED).network()) as lab,
        seen_by(lab) as seen,
        ssh.server(lab, SERVER),
        ssh.session(lab, CLIENT, ADDRESS, *alive) as shell,
    ):
        assert seen.connections(SERVER) == []
        lab.follow(office(*NOTHING).network())
        assert not shell.repeats("anybody?", SHORT_S)
        assert shell.program.wait(10) == 255


def test_nobody_logs_in_without_a_rule(tmp_path: Path) -> None:
    ssh = Ssh(tmp_path)
    with lab_of(office(*NOTHING).network()) as lab, ssh.server(lab, SERVER):
        assert ssh.is_refused(lab, CLIENT, ADDRESS)
