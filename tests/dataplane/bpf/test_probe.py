"""What a machine has of what the plane needs: told as it is, and never an error."""

import os
import subprocess
import sys

import pytest

from secgroup.dataplane.bpf import libbpf, probe
from secgroup.dataplane.bpf.probe import Finding, is_ready


@pytest.mark.needs("bpf")
def test_a_machine_that_runs_these_tests_is_ready():
    findings = probe.probe()
    assert [each for each in findings if each.is_needed and not each.is_here] == []
    assert is_ready(findings)
    assert {"root", "libbpf", "tcx", "clsact", "timers", "the program"} <= {
        each.name for each in findings
    }


@pytest.mark.needs("root")
def test_a_root_without_capabilities_is_told_so_and_nothing_is_tried():
    done = subprocess.run(
        [
            *("setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable),
            *("-c", "from secgroup.dataplane.bpf import probe; print(probe.probe())"),
        ],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert "Finding(name='root', is_here=False" in done.stdout
    assert "run as root: CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF" in done.stdout
    assert "the program" not in done.stdout


def test_missing_library_is_a_line(monkeypatch):
    monkeypatch.setattr(libbpf, "LIBRARY", "libnothing.so.1")
    libbpf._library.cache_clear()
    try:
        (found,) = [each for each in probe.probe() if each.name == "libbpf"]
    finally:
        libbpf._library.cache_clear()
    assert not found.is_here
    assert "install libbpf1" in found.note


@pytest.mark.needs("bpf")
def test_without_tcx_clsact_is_needed(monkeypatch):
    def refuse(*_):
        raise libbpf.CallError(22, "Invalid argument")

    monkeypatch.setattr(libbpf, "attach_link", refuse)
    found = {each.name: each for each in probe.probe()}
    assert not found["tcx"].is_here
    assert not found["tcx"].is_needed
    assert found["clsact"].is_needed
    assert is_ready(found.values())


def test_what_is_needed_and_missing_makes_it_not_ready():
    missing = Finding(name="x", is_here=False, is_needed=True, note="")
    spare = Finding(name="y", is_here=False, is_needed=False, note="")
    assert not is_ready([missing, spare])
    assert is_ready([spare])
