"""What wakes whoever waits for devices."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from secgroup.dataplane.bpf.watch import Watch
from tests.support.netns import Namespace, Namespaces

pytestmark = pytest.mark.needs("root", "netns")

LONG_S = 30.0


@pytest.fixture
def watch() -> Iterator[Watch]:
    made = Watch()
    yield made
    made.close()


@pytest.fixture
def namespaces() -> Iterator[Namespaces]:
    with Namespaces() as made:
        yield made


def file_of(namespace: Namespace) -> Path:
    return Path(f"/proc/{namespace.pid}/ns/net")


def is_woken(watch: Watch) -> bool:
    return watch.wait(LONG_S)


def is_quiet(watch: Watch) -> bool:
    return not watch.wait(0.2)


def test_device_that_comes_or_goes_in_a_watched_namespace_wakes(
    watch: Watch, namespaces: Namespaces
) -> None:
    here, elsewhere = namespaces.add("here"), namespaces.add("elsewhere")
    watch.follow({file_of(here)})
    elsewhere.ip("link add one type veth peer name other")
    assert is_quiet(watch)
    here.ip("link add one type veth peer name other")
    assert is_woken(watch)
    watch.wait(0.1)
    here.ip("link del one")
    assert is_woken(watch)
    watch.follow(set())
    here.ip("link add one type veth peer name other")
    assert is_quiet(watch)


def test_file_that_stands_for_another_namespace_is_watched_anew(
    watch: Watch, namespaces: Namespaces, tmp_path: Path
) -> None:
    name = tmp_path / "named"
    first, second = namespaces.add("first"), namespaces.add("second")
    watch.follow({name})
    assert is_quiet(watch)
    for namespace in (first, second):
        name.unlink(missing_ok=True)
        name.symlink_to(file_of(namespace))
        watch.follow({name})
        namespace.ip("link add one type veth peer name other")
        assert is_woken(watch)
        watch.wait(0.1)
    first.ip("link del one")
    assert is_quiet(watch)


def test_storm_of_messages_is_one_reason_to_look(watch: Watch, namespaces: Namespaces) -> None:
    here = namespaces.add("here")
    watch.follow({file_of(here)})
    commands = "".join(f"link add a{at} type veth peer name b{at}\n" for at in range(60))
    here.run(["ip", "-batch", "-"], text=commands)
    assert is_woken(watch)
    assert is_quiet(watch)


def test_bell_wakes(watch: Watch) -> None:
    for _ in range(100_000):
        watch.ring()
    assert is_woken(watch)
    watch.wait(0)
    assert is_quiet(watch)


def test_other_descriptor_wakes_and_says_nothing_of_devices(watch: Watch) -> None:
    bell, rope = os.pipe()
    watch.also(bell)
    os.write(rope, b"!")
    began = time.monotonic()
    assert not watch.wait(LONG_S)
    assert time.monotonic() - began < LONG_S
    os.close(rope)
    os.close(bell)
