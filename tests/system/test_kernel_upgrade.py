"""Programs and layouts that change under a connection that goes on."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from secgroup.conntrack.state import State
from secgroup.dataplane.base import converge
from secgroup.dataplane.bpf.layout import ENTRY, LAYOUT_VERSION, STRUCTS
from secgroup.dataplane.bpf.pins import Pins
from secgroup.dataplane.bpf.plane import BpfPlane
from secgroup.dataplane.bpf.upgrade import Earlier
from secgroup.lessons.scene import scene
from tests.support.bpf import SMALL, pin_root
from tests.support.filtered import machine
from tests.support.netns import Namespaces

pytestmark = pytest.mark.needs("bpf", "netns", "iperf3")
SSH, WEB, PORT = 22, 80, 5201
GUEST, HOST = "10.0.1.10", "10.0.1.20"
#: What lets the connection be made, and the same without it: an entry is all that lets it go on.
OPEN = scene(groups={"web": [f"out tcp/{PORT} {HOST}/32"]}, interfaces={"web": f"{GUEST} web"})
SHUT = scene(groups={"web": ["out udp/53 192.0.2.1/32"]}, interfaces={"web": f"{GUEST} web"})


class Stream:
    """A guest that sends to its host through its interface, as long as it is let."""

    def __init__(self, namespaces: Namespaces, seconds: int) -> None:
        self.host, self.guest = namespaces.add("host"), namespaces.add("guest")
        namespaces.link(self.host, f"{HOST}/24", self.guest, f"{GUEST}/24")
        self.host.ip("link set guest down")
        self.netns = Path(f"/proc/{self.host.pid}/ns/net")
        self.namespaces = namespaces
        self.seconds = seconds

    @property
    def mac(self) -> bytes:
        (link,) = json.loads(self.guest.ip("-j link show host"))
        return bytes.fromhex(link["address"].replace(":", ""))

    @contextmanager
    def flowing(self) -> Iterator[subprocess.Popen[str]]:
        """Yield the sender, once it sends."""
        self.host.ip("link set guest up")
        self.namespaces.start(self.host, ["iperf3", "--server", "--one-off"])
        listening = f"sport = :{PORT}"
        until = time.monotonic() + 10
        while not self.host.run(["ss", "-Hltn", listening]).strip():
            assert time.monotonic() < until, "iperf3 does not listen"
            time.sleep(0.01)
        options = ["--time", str(self.seconds), "--bitrate", "200M", "--json"]
        sender = subprocess.Popen(
            self.guest.command(["iperf3", "--client", HOST, *options]),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield sender
        finally:
            sender.kill()
            sender.wait()


def opened(root: Path, stream: Stream, network: object, **options: object) -> Pins:
    """Open a plane and let it enforce a network in front of the guest."""
    pins = Pins(root, sizes=SMALL, **options)
    plane = BpfPlane(pins.loaded.maps)
    number = plane.attach("web", stream.mac)
    converge(plane, {"here": network})
    pins.hooks.attach(number, "guest", stream.netns)
    return pins


def packets(pins: Pins) -> int:
    """Return how many packets of established connections the kernel has counted."""
    _, entries = pins.loaded.maps.connections.items()
    established = entries["state"] == State.ESTABLISHED
    return int(entries["packets"][established].sum())


def wait_for_more(pins: Pins, than: int, sender: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 10
    while packets(pins) <= than:
        assert sender.poll() is None, sender.communicate()[0]
        assert time.monotonic() < until, f"no more than {than} packets pass"
        time.sleep(0.01)


def assert_went_through(sender: subprocess.Popen[str]) -> None:
    """Every interval has bytes, and the connection ended well."""
    told, _ = sender.communicate(timeout=30)
    report = json.loads(told)
    assert sender.returncode == 0, report.get("error")
    assert all(each["sum"]["bytes"] > 0 for each in report["intervals"])


def test_connection_lives_through_restarts_that_change_the_program_and_the_rules():
    with pin_root() as root, Namespaces() as namespaces:
        stream = Stream(namespaces, seconds=3)
        pins = opened(root, stream, OPEN)
        pins.take_over()
        with stream.flowing() as sender:
            wait_for_more(pins, 100, sender)
            for network in (OPEN, SHUT):
                pins.close()
                pins = opened(root, stream, network)
                before = packets(pins)
                pins.take_over()
                wait_for_more(pins, before + 100, sender)
            assert_went_through(sender)
        pins.remove()


def test_connection_lives_through_an_upgrade_of_the_layout():
    with pin_root() as root, Namespaces() as namespaces:
        stream = Stream(namespaces, seconds=3)
        pins = opened(root, stream, OPEN)
        pins.take_over()
        with stream.flowing() as sender:
            wait_for_more(pins, 100, sender)
            pins.close()
            # From now on it is of an earlier layout, whose program goes on.
            (root / f"layout-{LAYOUT_VERSION}").rename(root / "layout-0")
            earlier = {0: Earlier(key=STRUCTS["key"], entry=ENTRY, convert=lambda *both: both)}
            pins = opened(root, stream, SHUT, earlier=earlier)
            copied = packets(pins)
            assert copied >= 100
            assert (root / "layout-0").exists()
            pins.take_over()
            assert not (root / "layout-0").exists()
            wait_for_more(pins, copied + 100, sender)
            assert_went_through(sender)
        assert pins.lost([each.interface for each in pins.hooks.attached()]) == ()
        pins.remove()


def test_server_that_does_not_know_the_layout_is_refused_and_filters_stay(tmp_path: Path) -> None:
    with machine(tmp_path) as here:
        here.serve()
        interface, group = here.interface()
        here.attach(interface)
        here.up()
        here.listen(SSH, WEB)
        here.allow(group, SSH)
        client = here.connect(SSH)
        assert client.echo("one") == "one"
        here.stop()

        present, unknown = (here.pins / f"layout-{each}" for each in (LAYOUT_VERSION, 99))
        present.rename(unknown)
        asked = ("serve", "--plane", "bpf", "--pins", str(here.pins), "--port", "0")
        said = here.secgroup(*asked, "--store", ":memory:", code=2)
        assert said.startswith(f"secgroup: bpf: {unknown}: is of layout 99, which this version")
        assert said.count("\n") == 1
        assert not present.exists()
        assert client.echo("two") == "two"
        assert here.reaches(SSH)
        assert not here.reaches(WEB)

        unknown.rename(present)
        here.serve()
        assert client.echo("three") == "three"
        assert here.warnings() == ""
        here.allow(group, WEB)
        assert here.reaches(WEB)
