"""What clang made of a struct, against what `layout` says of it."""

import re

import numpy as np
import pytest

from secgroup.dataplane.bpf import btf, layout, libbpf, loaded
from secgroup.errors import DataPlaneError


@pytest.fixture(scope="module")
def types():
    with libbpf.Object(loaded.committed().content, "secgroup") as opened:
        return btf.Btf(opened.btf())


def fields_of(dtype):
    return [(name, dtype.fields[name][0]) for name in dtype.names]


pytestmark = pytest.mark.needs("bpf")


def test_layouts_are_as_clang_has_them(types):
    btf.check(types)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda fields: [*fields, ("more", "<u8")], "struct section: the object has 48 bytes"),
        (
            lambda fields: [fields[1], fields[0], *fields[2:]],
            "struct section, field (addresses|elsewhere)",
        ),
        (
            lambda fields: [("renamed", "<u4"), *fields[1:]],
            "struct section, field (addresses|renamed)",
        ),
        (
            lambda fields: [(fields[0][0], "<u2"), ("gap", "<u2"), *fields[1:]],
            "struct section, field (addresses|gap)",
        ),
    ],
)
def test_a_field_elsewhere_is_named(types, change, problem):
    dtype = np.dtype(change(fields_of(layout.SECTION)))
    with pytest.raises(DataPlaneError, match=problem):
        btf.check(types, {"section": dtype})


def test_arrays_and_structs_inside_structs_have_their_sizes(types):
    size, fields = types.structs()["first"]
    assert size == layout.FIRST.itemsize
    assert fields["answer"] == btf.Extent(8, layout.ANSWER.itemsize)
    assert types.structs()["policy"][1]["rules"] == btf.Extent(8, 16)


def test_variables_are_found_by_name(types):
    assert types.variables(".rodata")["test_clock"].bytes == 4
    assert types.variables(".nothing") == {}


@pytest.mark.parametrize("raw", [b"", b"\x9f\xeb", b"ELF" * 20, bytes(24)])
def test_what_is_no_btf_is_one_line(raw):
    with pytest.raises(DataPlaneError, match=re.escape("BTF of the object: cannot be read")):
        btf.Btf(raw)
