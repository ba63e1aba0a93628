"""The maps of a policy as arrays and dictionaries of this process: no kernel, no root."""

from typing import Any

import numpy as np

from secgroup.dataplane.bpf.loaded import ARRAYS, HASHES
from secgroup.errors import DataPlaneError

_ENTRIES = {
    "words": 256,
    "policies": 512,
    "subnets": 64,
    "exempts": 1024,
    "sections": 1024,
    "boundaries": 1 << 15,
    "bitmaps": 1 << 16,
    "numbers": 1 << 14,
    "timeouts": 64,
    "owners": 256,
    "control": 1,
}


class PlainHash:
    """A hash or trie; whoever looks up in it does that for himself."""

    def __init__(self, name: str, entries: int) -> None:
        self.entries = entries
        self.name = name
        self.key, self.value = HASHES[name]
        self.elements: dict[bytes, Any] = {}

    def update(self, keys: Any, values: Any) -> None:
        for key, value in zip(keys, values, strict=True):
            if key.tobytes() not in self.elements and len(self.elements) == self.entries:
                raise DataPlaneError("bpf", f"map {self.name}", "full")
            self.elements[key.tobytes()] = value

    def delete(self, keys: Any) -> int:
        before = len(self.elements)
        for key in keys:
            self.elements.pop(key.tobytes(), None)
        return before - len(self.elements)

    def items(self) -> tuple[Any, Any]:
        keys = np.frombuffer(b"".join(self.elements), self.key)
        return keys, np.array(list(self.elements.values()), self.value)


class PlainMaps:
    def __init__(self, **entries: int) -> None:
        sizes = {**_ENTRIES, **entries}
        for name, dtype in ARRAYS.items():
            setattr(self, name, np.zeros(sizes[name], dtype))
        for name in ("hosts", "prefixes4", "prefixes6", "names"):
            setattr(self, name, PlainHash(name, sizes.get(name, 1 << 14)))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)
