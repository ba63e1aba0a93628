"""Stubs before devices, by tcx and by clsact: what passes, what is refused, what is left alone."""

import errno
import json
import os
import subprocess
from pathlib import Path

import pytest

from secgroup.dataplane.bpf import hooks, libbpf, maps
from secgroup.dataplane.bpf.hooks import Hooks, Method, hook_of
from secgroup.dataplane.bpf.libc import in_namespace
from secgroup.errors import DataPlaneError
from secgroup.net.direction import Direction
from tests.support.bpf import answering, instructions, pin_root
from tests.support.netns import Namespaces

pytestmark = pytest.mark.needs("bpf", "netns")
PASS, DROP = -1, 2
NAMED = Path("/run/netns")


class Bench:
    """A host and a guest, joined by a veth pair; the host's end is `guest`, and down."""

    def __init__(self, namespaces, folder):
        self.namespaces = namespaces
        self.host = namespaces.add("host")
        self.guest = namespaces.add("guest")
        namespaces.link(self.host, "10.0.0.1/24", self.guest, "10.0.0.2/24")
        self.host.ip("link set guest down")
        self.netns = Path(f"/proc/{self.host.pid}/ns/net")
        self.folder = folder
        self.programs_map = libbpf.create_map("programs", libbpf.PROG_ARRAY, 4, 4, 2)
        self.programs = maps.Programs(self.programs_map.fileno())
        self.hooks = Hooks(folder, self.programs_map.fileno())

    def restart(self):
        self.hooks.close()
        self.hooks = Hooks(self.folder, self.programs_map.fileno())

    def up(self):
        """Set the device up; neighbours are known, so that no refused ARP delays a later ping."""
        self.host.ip("link set guest up")
        for here, device, there, address in (
            (self.host, "guest", self.guest, "10.0.0.2"),
            (self.guest, "host", self.host, "10.0.0.1"),
        ):
            (link,) = json.loads(there.ip(f"-j link show {here.name}"))
            here.ip(f"neigh replace {address} lladdr {link['address']} dev {device}")

    def answers(self, within_s=5):
        """Tell whether a ping of the guest is answered: it needs both directions."""
        ping = self.guest.command(["ping", "-c1", f"-W{within_s}", "10.0.0.1"])
        return subprocess.run(ping, check=False, capture_output=True).returncode == 0

    def decide(self, *, ingress, egress):
        for direction, answer in ((Direction.INGRESS, ingress), (Direction.EGRESS, egress)):
            with answering(answer) as program:
                self.programs.put(direction, program.fileno())


@pytest.fixture
def bench():
    with pin_root() as folder, Namespaces() as namespaces:
        folder.mkdir()
        bench = Bench(namespaces, folder)
        yield bench
        bench.hooks.close()
        bench.programs_map.close()


methods = pytest.mark.parametrize("method", [None, Method.CLSACT])


def test_what_the_host_receives_the_interface_sends():
    assert hook_of(Direction.EGRESS).tcx == libbpf.TCX_INGRESS
    assert hook_of(Direction.EGRESS).clsact == libbpf.CLSACT_INGRESS
    assert hook_of(Direction.INGRESS).tcx == libbpf.TCX_EGRESS
    assert hook_of(Direction.INGRESS).clsact == libbpf.CLSACT_EGRESS


@methods
def test_packets_pass_only_where_both_programs_let_them(bench, method):
    found = bench.hooks.attach(7, "guest", bench.netns, method=method)
    assert set(found.methods.values()) == {method or Method.TCX}
    bench.up()
    assert not bench.answers(0.3)  # no program: the stubs drop
    bench.decide(ingress=PASS, egress=DROP)
    assert not bench.answers(0.3)
    bench.decide(ingress=DROP, egress=PASS)
    assert not bench.answers(0.3)
    bench.decide(ingress=PASS, egress=PASS)
    assert bench.answers()


def test_stub_tells_its_program_the_interface_and_the_direction(bench):
    found = {}
    for direction in Direction:
        with (
            libbpf.load_program("stub", hooks.stub(9, direction, bench.programs.fd)) as stub,
            # return skb->cb[0] + 100 * direction
            libbpf.load_program("tells", _tells(100 * direction)) as tells,
        ):
            assert libbpf.TestRun(stub.fileno()).run(bytes(60)) == DROP
            bench.programs.put(direction, tells.fileno())
            found[direction] = libbpf.TestRun(stub.fileno()).run(bytes(60))
    assert found == {Direction.INGRESS: 9, Direction.EGRESS: 109}


def _tells(more):
    return instructions((0x61, 0x10, 48, 0), (0x07, 0, 0, more), (0x95, 0, 0, 0))


@methods
def test_a_restart_with_no_memory_knows_its_own(bench, method):
    attached = bench.hooks.attach(7, "guest", bench.netns, method=method)
    bench.restart()
    (found,) = bench.hooks.attached()
    assert (found.interface, found.device, found.ifindex) == (7, "guest", attached.ifindex)
    assert found.methods == attached.methods
    assert found.netns.stat().st_ino == bench.netns.stat().st_ino
    assert bench.hooks.attach(7, "guest", bench.netns).methods == attached.methods
    bench.hooks.detach(7)
    assert bench.hooks.attached() == ()
    bench.up()
    assert bench.answers()


@methods
def test_what_others_attached_stays(bench, method):
    hook = hook_of(Direction.EGRESS)
    with answering(PASS, "another") as other:
        number = libbpf.program_info(other.fileno()).id

        def attach_another():
            ifindex = bench.hooks.attach(7, "guest", method=method).ifindex
            libbpf.attach_filter(other.fileno(), ifindex, hook.clsact, handle=1, priority=9)
            return ifindex, libbpf.attach_link(other.fileno(), ifindex, hook.tcx)

        ifindex, link = in_namespace(bench.netns, attach_another)
        bench.hooks.detach(7)
        left = in_namespace(
            bench.netns,
            lambda: (
                libbpf.attached_programs(ifindex, hook.tcx),
                libbpf.filter_program(ifindex, hook.clsact, handle=1, priority=9),
            ),
        )
        link.close()
    assert left == ((number,), number)


def test_a_kernel_without_tcx_gets_filters(bench, monkeypatch):
    def refuse(*_):
        raise libbpf.CallError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(libbpf, "attach_link", refuse)
    monkeypatch.setattr(libbpf, "attached_programs", refuse)
    found = bench.hooks.attach(7, "guest", bench.netns)
    assert set(found.methods.values()) == {Method.CLSACT}
    assert [each.interface for each in bench.hooks.attached()] == [7]
    assert list(bench.hooks.lost([7, 8])) == [(8, "link")]
    bench.hooks.detach(7)
    with pytest.raises(DataPlaneError, match="device guest: cannot be attached: Invalid argument"):
        bench.hooks.attach(7, "guest", bench.netns, method=Method.TCX)


def test_a_filter_of_others_in_our_place_is_not_ours(bench):
    def attach_another():
        with answering(PASS, "another") as other:
            ifindex = 2
            point = hook_of(Direction.EGRESS).clsact
            libbpf.attach_filter(
                other.fileno(), ifindex, point, handle=hooks.HANDLE, priority=hooks.PRIORITY
            )

    in_namespace(bench.netns, attach_another)
    assert bench.hooks.attached() == ()
    with pytest.raises(DataPlaneError, match="device guest: cannot be attached: File exists"):
        bench.hooks.attach(7, "guest", bench.netns, method=Method.CLSACT)
    assert bench.hooks.attached() == ()


def test_all_of_ours_go_at_once_however_they_are_attached(bench):
    bench.host.ip("link add other type veth peer name rehto")
    bench.hooks.attach(7, "guest", bench.netns)
    bench.hooks.attach(8, "other", bench.netns, method=Method.CLSACT)
    assert [each.interface for each in bench.hooks.attached()] == [7, 8]
    bench.hooks.detach_all()
    assert bench.hooks.attached() == ()
    assert list(bench.folder.iterdir()) == []


def test_device_that_is_up_needs_to_be_called_live(bench):
    bench.up()
    with pytest.raises(DataPlaneError, match="device guest: is up"):
        bench.hooks.attach(7, "guest", bench.netns)
    assert bench.hooks.attached() == ()
    bench.hooks.attach(7, "guest", bench.netns, live=True)
    # It is filtered now: what is up already may be told again.
    bench.hooks.attach(7, "guest", bench.netns)


@pytest.mark.parametrize(
    ("device", "problem"),
    [("lo", "device lo: is not Ethernet but of type 772"), ("nothing", "is not in this network")],
)
def test_device_that_cannot_be_filtered_is_named(bench, device, problem):
    with pytest.raises(DataPlaneError, match=problem):
        bench.hooks.attach(7, device, bench.netns)


def test_namespace_that_is_not_there_is_named(bench):
    with pytest.raises(DataPlaneError, match="network namespace /run/netns/nobody: No such file"):
        bench.hooks.attach(7, "guest", NAMED / "nobody")


def test_pipe_is_no_namespace_and_holds_nobody(bench, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataPlaneError, match="Invalid argument"):
        bench.hooks.attach(7, "guest", tmp_path / "pipe")


def test_one_device_is_one_interface_and_one_interface_one_device(bench):
    bench.host.ip("link add other type veth peer name rehto")
    bench.hooks.attach(7, "guest", bench.netns)
    with pytest.raises(DataPlaneError, match="device guest: is in front of interface 7 already"):
        bench.hooks.attach(8, "guest", bench.netns)
    with pytest.raises(DataPlaneError, match="interface 7: is in front of another device"):
        bench.hooks.attach(7, "other", bench.netns)
    assert [each.device for each in bench.hooks.attached()] == ["guest"]
    with pytest.raises(DataPlaneError, match="interface number 0: must be from 1 to 9999"):
        bench.hooks.attach(0, "other", bench.netns)


def test_named_namespaces_are_found_by_their_names(bench):
    name = f"secgroup-test-{bench.host.pid}"
    subprocess.run(["ip", "netns", "attach", name, str(bench.host.pid)], check=True)
    try:
        bench.hooks.attach(7, "guest", NAMED / name)
        (found,) = bench.hooks.attached()
        assert found.netns == NAMED / name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def test_device_that_is_gone_is_noticed_and_one_of_its_name_attached_anew(bench):
    bench.hooks.attach(7, "guest", bench.netns)
    assert list(bench.hooks.lost([7])) == []
    bench.host.ip("link delete guest")
    assert list(bench.hooks.lost([7])) == [(7, "device")]
    bench.namespaces.link(bench.host, "10.0.0.1/24", bench.guest, "10.0.0.2/24")
    bench.hooks.attach(7, "guest", bench.netns, live=True)
    bench.up()
    assert list(bench.hooks.lost([7])) == []
    assert not bench.answers(0.3)
    bench.decide(ingress=PASS, egress=PASS)
    assert bench.answers()


def test_tcx_follows_a_device_into_another_namespace(bench):
    bench.hooks.attach(7, "guest", bench.netns)
    other = bench.namespaces.add("other")
    bench.host.ip(f"link set guest netns {other.pid}")
    (found,) = bench.hooks.attached()
    assert found.netns.stat().st_ino == Path(f"/proc/{other.pid}/ns/net").stat().st_ino
    assert list(bench.hooks.lost([7])) == []


def test_clsact_does_not_follow_and_is_missed(bench):
    bench.hooks.attach(7, "guest", bench.netns, method=Method.CLSACT)
    other = bench.namespaces.add("other")
    bench.host.ip(f"link set guest netns {other.pid}")
    assert list(bench.hooks.lost([7])) == [(7, "link")]


def test_pin_that_is_gone_is_noticed_while_we_hold_the_link_and_made_again(bench):
    bench.hooks.attach(7, "guest", bench.netns)
    for path in bench.folder.iterdir():
        path.unlink()
    assert list(bench.hooks.lost([7])) == [(7, "pin")]
    assert len(bench.hooks.attached()) == 1
    bench.hooks.restore()
    assert list(bench.hooks.lost([7])) == []
    bench.restart()
    assert len(bench.hooks.attached()) == 1


def test_link_that_somebody_detached_is_noticed(bench):
    bench.hooks.attach(7, "guest", bench.netns)
    path = next(bench.folder.iterdir())
    with libbpf.pinned(path) as link:
        libbpf.detach_link(link.fileno())
    assert list(bench.hooks.lost([7, 8])) == [(7, "device"), (8, "link")]


def test_stubs_that_jump_through_a_lost_map_are_replaced_in_their_links(bench):
    bench.hooks.attach(7, "guest", bench.netns)
    bench.hooks.close()
    bench.programs_map.close()
    bench.programs_map = libbpf.create_map("programs", libbpf.PROG_ARRAY, 4, 4, 2)
    bench.programs = maps.Programs(bench.programs_map.fileno())
    bench.restart()
    bench.decide(ingress=PASS, egress=PASS)
    bench.up()
    assert bench.answers()
    assert [each.interface for each in bench.hooks.attached()] == [7]


def test_the_process_stays_in_its_own_namespace(bench):
    before = Path("/proc/thread-self/ns/net").stat().st_ino
    bench.hooks.attach(7, "guest", bench.netns)
    bench.hooks.attached()
    bench.hooks.detach(7)
    assert Path("/proc/thread-self/ns/net").stat().st_ino == before


@pytest.mark.parametrize("direction", Direction)
def test_what_others_let_pass_is_still_decided(bench, direction):
    """A tcx program that says TCX_PASS ends the row: ours stands before those that are there."""
    bench.decide(ingress=PASS, egress=PASS)
    tcx = hook_of(direction).tcx
    with answering(0, "another") as other:

        def attach_both():
            ifindex = json.loads(bench.host.ip("-j link show guest"))[0]["ifindex"]
            link = libbpf.attach_link(other.fileno(), ifindex, tcx)
            bench.hooks.attach(7, "guest")
            return link

        with in_namespace(bench.netns, attach_both):
            bench.up()
            assert bench.answers()
            bench.decide(**{"ingress": PASS, "egress": PASS, str(direction): DROP})
            assert not bench.answers(1)
