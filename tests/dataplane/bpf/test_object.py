"""The committed object: of these sources, made anew byte for byte, and loaded by the kernel."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from tools import bpf_record

from secgroup.dataplane.bpf import header, layout, libbpf, loaded
from secgroup.dataplane.bpf.btf import Btf
from secgroup.errors import DataPlaneError
from tests.support.bpf import SMALL

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / bpf_record.FOLDER


def test_record_is_of_the_sources_and_of_the_object():
    record = json.loads((FOLDER / "secgroup.bpf.json").read_text())
    assert record["sources"] == bpf_record.sources_digest(FOLDER)
    assert record["object"] == hashlib.sha256((FOLDER / "secgroup.bpf.o").read_bytes()).hexdigest()


def test_header_is_what_layout_says():
    assert (FOLDER / "src" / "layout.h").read_text() == header.text()


def test_every_source_says_its_licences():
    licences = "// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause\n"
    paths = sorted((FOLDER / "src").iterdir())
    assert paths
    assert [path.name for path in paths if not path.read_text().startswith(licences)] == []


@pytest.mark.needs("clang")
def test_clang_makes_the_same_bytes_in_another_place(tmp_path):
    record = json.loads((FOLDER / "secgroup.bpf.json").read_text())
    here = bpf_record.clang_version()
    if here.split(".")[0] != record["clang"].split(".")[0]:
        pytest.skip(f"the object was made by clang {record['clang']}, this is {here}")
    copy = tmp_path / bpf_record.FOLDER
    shutil.copytree(FOLDER / "src", copy / "src")
    made = subprocess.run(
        ["make", "-C", tmp_path, "-f", ROOT / "Makefile", "object"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    assert (copy / "secgroup.bpf.o").read_bytes() == (FOLDER / "secgroup.bpf.o").read_bytes()


@pytest.mark.needs("bpf")
def test_every_layout_is_in_the_object():
    # Records of rings are in no map's type: clang alone compares those, by the header.
    rings = {"event", "ended"}
    with libbpf.Object(loaded.committed().content, "secgroup") as opened:
        assert layout.STRUCTS.keys() - rings <= Btf(opened.btf()).structs().keys()


@pytest.mark.needs("bpf")
@pytest.mark.parametrize("test_clock", [0, 1])
def test_verifier_takes_every_variant(test_clock):
    variables = {"test_clock": test_clock}
    with loaded.Loaded(sizes=SMALL, variables=variables) as here:
        for name in here.object.programs:
            if name == "start_sweeper" and not here.sweeps_itself:
                continue
            info = libbpf.program_info(here.object.program_fd(name))
            assert info.verified_instructions > 0, name


def test_object_that_its_record_does_not_know_is_refused(tmp_path):
    for name in ("secgroup.bpf.o", "secgroup.bpf.json"):
        shutil.copy(FOLDER / name, tmp_path / name)
    with (tmp_path / "secgroup.bpf.o").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(DataPlaneError, match=r"is not the one of secgroup\.bpf\.json"):
        loaded.committed(tmp_path)
