"""Live connections when rules, members and ACLs change, and when they rest too long."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from secgroup.conntrack.state import State
from secgroup.model.interface import ConnectionTracking
from tests.support.labs import LONG_S, SHORT_S, Lab, is_cut, lab_of, talk, wait_until
from tests.support.vpcs import OPEN, Plan
from tests.system.site import ADDRESSES, CLIENT, FAR, NEAR, OUT, site

pytestmark = pytest.mark.needs("root", "netns", "nft", "bpf")

PORT = 5000
RULE = f"in tcp/{PORT} sg-client"
OTHER_RULE = "in tcp/9 sg-client"


# ------------------------------------------------------------------------------------- ssh


class Ssh:
    """A server of ssh at a host, and sessions to it that echo."""

    def __init__(self, lab: Lab, folder: Path, server: str) -> None:
        self.lab, self.folder, self.server = lab, folder, server
        for key in ("host", "user"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
            subprocess.run(command, check=True)
        (folder / "config").write_text(
            f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\nStrictModes no\n"
            "UsePAM no\nUseDNS no\nPidFile none\nPermitRootLogin prohibit-password\n"
        )

    @contextmanager
    def serving(self) -> Iterator[None]:
        # sshd wants a folder below /run: this one's is its own.
        start = (
            "mount -t tmpfs tmpfs /run && mkdir /run/sshd && "
            f"exec /usr/sbin/sshd -D -q -f {self.folder}/config"
        )
        with self.lab.running(self.server, "unshare", "--mount", "sh", "-c", start):
            listening = ("ss", "-Hltn", "sport = :22")
            wait_until(lambda: self.lab.run(self.server, *listening).stdout != "")
            yield

    @contextmanager
    def session(self) -> Iterator["subprocess.Popen[str]"]:
        options = {
            "IdentityFile": f"{self.folder}/user",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "BatchMode": "yes",
            "ConnectTimeout": "1",
        }
        command = [
            "ssh",
            "-F",
            "/dev/null",
            *(f"-o{key}={value}" for key, value in options.items()),
        ]
        with self.lab.running(
            CLIENT,
            *command,
            f"root@{ADDRESSES[self.server][0]}",
            "cat",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as running:
            yield running


def echoes(session: "subprocess.Popen[str]", text: str, timeout_s: float) -> bool:
    """Tell whether a session echoes a line in time."""
    assert session.stdin is not None
    assert session.stdout is not None
    session.stdin.write(f"{text}\n")
    session.stdin.flush()
    return comes(session, timeout_s)


def comes(session: "subprocess.Popen[str]", timeout_s: float) -> bool:
    """Tell whether a line comes in time; one that does not is still to come."""
    import select

    assert session.stdout is not None
    if select.select([session.stdout], [], [], timeout_s)[0]:
        return session.stdout.readline() != ""
    return False


@pytest.mark.needs("ssh")
def test_ssh_outlives_the_tracked_rule_that_let_it_in(tmp_path: Path) -> None:
    with lab_of(site("in tcp/22 sg-client").network()) as lab:
        ssh = Ssh(lab, tmp_path, FAR)
        with ssh.serving(), ssh.session() as session:
            assert echoes(session, "one", LONG_S)
            lab.follow(site(OTHER_RULE).network())
            assert echoes(session, "two", LONG_S)
            with ssh.session() as another:
                assert another.wait(LONG_S) == 255
            assert echoes(session, "three", LONG_S)


@pytest.mark.needs("ssh")
def test_ssh_dies_with_the_untracked_rule_that_let_it_in(tmp_path: Path) -> None:
    open_to_all = ("in tcp/22 0.0.0.0/0", "out all 0.0.0.0/0")
    with lab_of(site(*open_to_all).network()) as lab:
        ssh = Ssh(lab, tmp_path, FAR)
        with ssh.serving(), ssh.session() as session:
            assert echoes(session, "one", LONG_S)
            assert lab.made_by(FAR) == []
            lab.follow(site(OTHER_RULE, "out all 0.0.0.0/0").network())
            assert not echoes(session, "two", 3 * SHORT_S)
            # TCP tries again: with the rule, the line arrives after all.
            lab.follow(site(*open_to_all).network())
            assert comes(session, LONG_S)


# ------------------------------------------------------------------------------ membership


def test_members_come_and_go_under_traffic() -> None:
    """One's group is given and taken; the connections of another go on without a stutter."""
    outsider = site(RULE, groups=("sg-other",)).group("sg-client", *OUT)
    plan = with_steady(outsider)
    with lab_of(plan.network()) as lab, lab.serve(FAR, PORT) as server:
        steady = lab.connect("eni-steady", ADDRESSES[FAR][0], PORT)
        assert steady is not None
        steadily, _ = server.accept()
        failures: list[BaseException] = []
        ends = threading.Event()

        def go_on() -> None:
            try:
                while not ends.is_set():
                    assert talk(steady, steadily) == (b"hello", b"HELLO")
            except BaseException as error:
                failures.append(error)

        talker = threading.Thread(target=go_on)
        talker.start()
        try:
            assert lab.connect(CLIENT, ADDRESSES[FAR][0], PORT, reaches=False) is None
            lab.follow(with_steady(site(RULE)).network())
            client = lab.connect(CLIENT, ADDRESSES[FAR][0], PORT)
            assert client is not None
            served, _ = server.accept()
            lab.follow(plan.network())
            assert lab.connect(CLIENT, ADDRESSES[FAR][0], PORT, reaches=False) is None
            assert talk(client, served) == (b"hello", b"HELLO")
        finally:
            ends.set()
            talker.join()
        assert failures == []
        for each in (client, served, steady, steadily):
            each.close()


def with_steady(plan: Plan) -> Plan:
    """Add a member of the client's group that stays."""
    return plan.interface("eni-steady", "sub-b", "10.0.2.9", "sg-client")


# ------------------------------------------------------------------------------------ ACLs


def test_an_acl_cuts_a_tracked_flow_and_lets_it_go_on() -> None:
    allow = ("in 100 allow all 0.0.0.0/0", "out 100 allow all 0.0.0.0/0")
    with lab_of(site(RULE).network()) as lab:
        for name in (FAR, NEAR):
            with lab.serve(name, PORT) as server:
                client = lab.connect(CLIENT, ADDRESSES[name][0], PORT)
                assert client is not None
                served, _ = server.accept()
                assert talk(client, served) == (b"hello", b"HELLO")
                denying = site(RULE).acl("sub-b", f"in 50 deny tcp/{PORT} 10.0.1.0/24", *allow)
                denying.acl("sub-a", f"out 50 deny tcp/{PORT} 10.0.0.0/16", *allow)
                lab.follow(denying.network())
                if name == NEAR:
                    # Inside of a subnet no ACL is asked.
                    assert talk(client, served) == (b"hello", b"HELLO")
                else:
                    assert is_cut(client, served)
                    assert any(each.state is State.ESTABLISHED for each in lab.made_by(FAR))
                lab.follow(site(RULE).network())
                if name == FAR:
                    assert served.recv(5) == b"lost?"
                assert talk(client, served) == (b"hello", b"HELLO")
                client.close()
                served.close()


# -------------------------------------------------------------------------------- timeouts


def forgetful(*rules: str, seconds: int) -> Plan:
    """Servers that forget what rests, sooner than AWS lets anyone choose."""
    plan = site(*rules)
    for name in (NEAR, FAR):
        tracking = ConnectionTracking(tcp_established_timeout=seconds)
        plan.nouns["interfaces"][name] = replace(plan.nouns["interfaces"][name], tracking=tracking)
    return plan


def test_a_connection_that_rests_too_long_is_a_stranger() -> None:
    with (
        lab_of(forgetful(RULE, seconds=1).network()) as lab,
        lab.serve(FAR, PORT) as server,
        lab.serve(NEAR, PORT) as other,
    ):
        resting = lab.connect(CLIENT, ADDRESSES[FAR][0], PORT)
        active = lab.connect(CLIENT, ADDRESSES[NEAR][0], PORT)
        assert resting is not None
        assert active is not None
        served, _ = server.accept()
        kept, _ = other.accept()
        assert talk(resting, served) == (b"hello", b"HELLO")

        def is_over() -> bool:
            assert talk(active, kept) == (b"hello", b"HELLO")
            return lab.made_by(FAR) == []

        wait_until(is_over)
        # The question is admitted by the rule; the answer has no entry and no rule to leave by.
        assert is_cut(resting, served)
        assert talk(active, kept) == (b"hello", b"HELLO")
        for each in (resting, served, active, kept):
            each.close()


def test_what_is_over_is_swept_by_the_kernel_alone() -> None:
    with lab_of(forgetful(RULE, seconds=1).network()) as lab, lab.serve(FAR, PORT) as server:
        clients = [lab.connect(CLIENT, ADDRESSES[FAR][0], PORT) for _ in range(20)]
        served = [server.accept()[0] for _ in clients]
        assert lab.remembered(FAR) == 20
        wait_until(lambda: lab.remembered(FAR) == 0, deadline_s=15)
        for each in (*clients, *served):
            assert each is not None
            each.close()


def test_groups_open_to_all_remember_nothing() -> None:
    with lab_of(site(*OPEN).network()) as lab, lab.serve(FAR, PORT) as server:
        client = lab.connect(CLIENT, ADDRESSES[FAR][0], PORT)
        assert client is not None
        served, _ = server.accept()
        assert talk(client, served) == (b"hello", b"HELLO")
        assert lab.made_by(FAR) == []
        assert [each.outside_port for each in lab.made_by(CLIENT)] == [PORT]
        client.close()
        served.close()
