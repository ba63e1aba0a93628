"""What clang made of the layouts: sizes and offsets in an object's BTF, compared with `layout`.

Owns how BTF is read. It knows no map and no program.

Source: Linux Documentation/bpf/btf.rst.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import numpy as np

from secgroup.dataplane.bpf.layout import STRUCTS
from secgroup.errors import DataPlaneError

_MAGIC: Final = 0xEB9F
_INT, _POINTER, _ARRAY, _STRUCT, _UNION, _ENUM = range(1, 7)
_PROTOTYPE, _VARIABLE, _SECTION = 13, 14, 15
_DECLARATION_TAG, _ENUM64 = 17, 19
#: Kinds that are another type by another name: typedef, volatile, const, restrict, type tag.
_ALIASES: Final = (8, 9, 10, 11, 18)
#: Bytes behind a type: a fixed number, and one for each of its members.
_BEHIND: Final = {
    _INT: (4, 0),
    _ARRAY: (12, 0),
    _STRUCT: (0, 12),
    _UNION: (0, 12),
    _ENUM: (0, 8),
    _PROTOTYPE: (0, 8),
    _VARIABLE: (4, 0),
    _SECTION: (0, 12),
    _DECLARATION_TAG: (4, 0),
    _ENUM64: (0, 12),
}


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a field or a variable stands in what holds it."""

    offset: int
    bytes: int


@dataclass(frozen=True, slots=True)
class _Type:
    name: str
    kind: int
    value: int  # a size, or the number of another type, by its kind
    behind: bytes


class Btf:
    """The types of an object, as libbpf has them once it has opened it.

    Raises
    ------
    DataPlaneError
        It is no BTF.

    """

    def __init__(self, raw: bytes) -> None:
        try:
            magic, _, _, header, types_at, types, strings_at, strings = struct.unpack_from(
                "<HBBIIIII", raw
            )
            if magic != _MAGIC:
                raise ValueError(f"it begins with {magic:#x} and not with {_MAGIC:#x}")
            self._strings = raw[header + strings_at :][:strings]
            self._types = [_Type("void", 0, 0, b""), *self._read(raw[header + types_at :][:types])]
        except (struct.error, ValueError) as error:
            raise DataPlaneError("bpf", "BTF of the object", f"cannot be read: {error}") from None

    def structs(self) -> Mapping[str, tuple[int, Mapping[str, Extent]]]:
        """Return the size of each struct that has a name, and where its fields stand."""
        return {
            each.name: (
                each.value,
                {
                    self._string(name): Extent((bits & 0xFFFFFF) // 8, self._size(number))
                    for name, number, bits in struct.iter_unpack("<III", each.behind)
                },
            )
            for each in self._types
            if each.kind == _STRUCT and each.name
        }

    def variables(self, section: str) -> Mapping[str, Extent]:
        """Return where the variables of a section stand."""
        return {
            self._types[number].name: Extent(offset, size)
            for each in self._types
            if each.kind == _SECTION and each.name == section
            for number, offset, size in struct.iter_unpack("<III", each.behind)
        }

    def _read(self, raw: bytes) -> list[_Type]:
        found = []
        at = 0
        while at < len(raw):
            name, info, value = struct.unpack_from("<III", raw, at)
            kind, members = info >> 24 & 0x1F, info & 0xFFFF
            fixed, each = _BEHIND.get(kind, (0, 0))
            end = at + 12 + fixed + each * members
            found.append(_Type(self._string(name), kind, value, raw[at + 12 : end]))
            at = end
        return found

    def _string(self, at: int) -> str:
        return self._strings[at : self._strings.index(b"\0", at)].decode()

    def _size(self, number: int) -> int:
        """Return the size of a type; aliases and arrays lead to another, at most 32 times."""
        times = 1
        for _ in range(32):
            each = self._types[number]
            if each.kind in _ALIASES:
                number = each.value
            elif each.kind == _ARRAY:
                number, _, count = struct.unpack("<III", each.behind)
                times *= count
            else:
                return times * (8 if each.kind == _POINTER else each.value)
        raise DataPlaneError("bpf", "BTF of the object", "a type leads to itself")


def check(found: Btf, expected: "Mapping[str, np.dtype[Any]]" = STRUCTS) -> None:
    """Compare what clang made of every struct with its dtype.

    A struct that no map and no program of the object has is not in its BTF and cannot disagree.

    Raises
    ------
    DataPlaneError
        One has another size, another field, or a field elsewhere.

    """
    structs = found.structs()
    for name, dtype in expected.items():
        if name not in structs:
            continue
        size, fields = structs[name]
        if size != dtype.itemsize:
            raise _mismatch(f"struct {name}", f"{size} bytes", f"{dtype.itemsize}")
        wanted = {
            field: Extent(offset, kind.base.itemsize * prod(kind.shape))
            for field, (kind, offset, *_) in (dtype.fields or {}).items()
        }
        for field in wanted.keys() | fields.keys():
            if wanted.get(field) != fields.get(field):
                has, wants = str(fields.get(field)), str(wanted.get(field))
                raise _mismatch(f"struct {name}, field {field}", has, wants)


def _mismatch(subject: str, found: str, expected: str) -> DataPlaneError:
    return DataPlaneError(
        "bpf",
        subject,
        f"the object has {found}, layout.py {expected}: make bpf brings them together",
    )
