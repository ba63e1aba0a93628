"""libbpf by descriptors: what the kernel answers, and the one line of what it refuses."""

import ctypes
import os
import re

import numpy as np
import pytest

from secgroup.dataplane.bpf import libbpf, loaded
from secgroup.errors import DataPlaneError
from tests.support.bpf import answering, instructions, pin_root

pytestmark = pytest.mark.needs("bpf")


def test_missing_library_says_what_to_install(monkeypatch):
    monkeypatch.setattr(libbpf, "LIBRARY", "libnothing.so.1")
    libbpf._library.cache_clear()
    try:
        with pytest.raises(DataPlaneError, match="install libbpf1") as caught:
            libbpf.version()
        assert "\n" not in str(caught.value)
    finally:
        libbpf._library.cache_clear()


def test_refused_program_is_one_line_and_nothing_is_printed(capfd):
    with pytest.raises(DataPlaneError, match="program wild: cannot be loaded") as caught:
        # It reads through a register that was never written.
        libbpf.load_program("wild", instructions((0x61, 0x20, 0, 0), (0x95, 0, 0, 0)))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_verifiers_last_words_are_the_cause_and_the_log_is_kept(capfd):
    with (
        libbpf.create_map("policies", libbpf.ARRAY, 4, 8, 16, libbpf.MMAPABLE) as narrow,
        libbpf.Object(loaded.committed().content, "secgroup") as opened,
    ):
        # Rows too short for what the program reads of them.
        libbpf._call("bpf_map__reuse_fd", opened._maps["policies"], narrow.fileno())
        with pytest.raises(libbpf.VerifierError, match="outside of the allowed memory") as caught:
            opened.load()
    assert "\n" not in str(caught.value)
    assert re.fullmatch(
        r"bpf: secgroup: the kernel refuses it: R\d .* \(prog '\w+': .*\)", str(caught.value)
    )
    assert "invalid access to map value, value_size=8" in caught.value.log
    assert capfd.readouterr() == ("", "")


def test_what_is_no_object_is_one_line_and_nothing_is_printed(capfd):
    with pytest.raises(DataPlaneError, match="rubbish: cannot be opened") as caught:
        libbpf.Object(b"rubbish" * 100, "rubbish")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_test_run_sees_the_context_and_answers_signed():
    # return skb->cb[1] + skb->mark
    program = instructions(
        (0x61, 0x10, 52, 0), (0x61, 0x12, 8, 0), (0x0F, 0x20, 0, 0), (0x95, 0, 0, 0)
    )
    with libbpf.load_program("adds", program) as adds:
        run = libbpf.TestRun(adds.fileno())
        run.context["cb"][0, 1] = 40
        run.context["mark"] = 2
        assert run.run(bytes(60)) == 42
        run.context["cb"][0, 1] = 0xFFFFFFFD
        assert run.run(bytes(60), repeat=3) == -1
        assert run.duration_ns > 0


def test_test_run_gives_back_the_frame():
    frame = bytes(range(100))
    with answering(-1) as program:
        run = libbpf.TestRun(program.fileno(), frame_bytes=200)
        assert run.run(frame) == -1
        assert run.frame == frame


def test_test_run_of_a_frame_without_a_header_is_refused():
    with (
        answering(0) as program,
        pytest.raises(DataPlaneError, match="test run of 13 bytes: Invalid argument"),
    ):
        libbpf.TestRun(program.fileno()).run(bytes(13))


def test_syscall_program_reads_and_writes_what_it_is_given():
    # *(u32 *)(ctx + 4) = *(u32 *)ctx; return -7
    program = instructions(
        (0x61, 0x12, 0, 0), (0x63, 0x21, 4, 0), (0xB7, 0, 0, -7), (0x95, 0, 0, 0)
    )
    given = np.array([[5, 0]], "<u4")
    with libbpf.load_program("copies", program, libbpf.SYSCALL) as copies:
        assert libbpf.run_syscall(copies.fileno(), given) == -7
    assert given.tolist() == [[5, 5]]


def test_what_is_pinned_is_found_by_its_name_and_only_there():
    with pin_root() as root, answering(0, "found_again") as program:
        root.mkdir()
        libbpf.pin(program.fileno(), root / "program")
        again = libbpf.pinned(root / "program")
        assert again is not None
        info = libbpf.program_info(again.fileno())
        assert info.name == "found_again"
        assert info == libbpf.program_info(program.fileno())
        assert libbpf.pinned(root / "nothing") is None
        with pytest.raises(DataPlaneError, match="cannot be pinned: File exists"):
            libbpf.pin(program.fileno(), root / "program")


def test_program_is_found_by_its_number_while_somebody_has_it():
    program = answering(0)
    number = libbpf.program_info(program.fileno()).id
    with libbpf.program_by_id(number) as again:
        assert libbpf.program_info(again.fileno()).id == number
    program.close()
    assert libbpf.program_by_id(1 << 31) is None


def test_descriptor_closes_once():
    with answering(0) as program:
        fd = program.fileno()
        os.fstat(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    program.close()


def test_reused_map_must_be_of_the_same_shape():
    committed = loaded.committed()
    with (
        libbpf.create_map("narrow", libbpf.HASH, 40, 8, 16) as narrow,
        libbpf.Object(committed.content, "secgroup") as opened,
        pytest.raises(DataPlaneError, match="map connections: value_bytes of the one that exists"),
    ):
        opened.reuse("connections", narrow)


def test_structures_are_as_long_as_libbpf_1_0_knows_them():
    # Options that are longer than what a library knows, it refuses unless the rest is 0.
    sizes = {"_TestRun": 80, "_Batch": 24, "_ProgramQuery": 40, "_TcHook": 24, "_Tc": 32}
    assert {name: ctypes.sizeof(getattr(libbpf, name)) for name in sizes} == sizes
    assert libbpf.CONTEXT.itemsize == 192
    assert np.dtype(libbpf.INSTRUCTION).itemsize == 8
