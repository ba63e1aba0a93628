"""Maps as rows of NumPy: hashes, tries, per-CPU maps, arrays in memory, ring buffers.

Owns how entries of any map are read and written, one or many a call. What is in a map, its dtype
says (`layout`); it knows no map by name.
"""

import errno
import mmap
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from secgroup.dataplane.bpf import libbpf
from secgroup.dataplane.bpf.libbpf import CallError, Rows
from secgroup.errors import DataPlaneError

Dtype = np.dtype[Any]

#: Entries read or written in one call.
CHUNK: Final = 16384


def array(fd: int, dtype: Dtype) -> Rows:
    """Return the elements of an array map where they are: shape (entries,), writable.

    A write to one element of 8 bytes is whole to programs; one to a longer element is not.
    """
    entries = libbpf.map_info(fd).entries
    stride = _whole(dtype.itemsize)
    memory = libbpf.mapped(fd, _pages(entries * stride))
    shape = (entries, *dtype.shape)
    inner = dtype.base if dtype.subdtype is not None else dtype
    strides = (stride, *(np.ndarray(dtype.shape, inner).strides if dtype.shape else ()))
    return np.ndarray(shape, inner, buffer=memory, strides=strides)


class Hash:
    """A hash or a trie of prefixes: keys of one dtype, values of another.

    Parameters
    ----------
    fd : int
        The map; its owner closes it.
    key, value : dtype
        What an entry is.

    """

    def __init__(self, fd: int, key: Dtype, value: Dtype) -> None:
        info = libbpf.map_info(fd)
        self.fd: Final = fd
        self.name: Final = info.name
        self.entries: Final = info.entries
        self.key: Final = key
        self.value: Final = value
        #: Rows of values have this shape: one for each possible CPU, where the map is per CPU.
        self._each: tuple[int, ...] = ()
        self._token_bytes = max(info.key_bytes, 8)

    def get(self, key: Any) -> Any | None:
        """Return the value of a key (per CPU: the values), or None."""
        value = np.zeros((1, *self._each), self.value)
        return value[0] if libbpf.lookup(self.fd, _row(key, self.key), value) else None

    def put(self, key: Any, value: Any, flags: int = libbpf.ANY) -> bool:
        """Write one value; False where `flags` (NOEXIST, EXIST) do not let it be.

        Raises
        ------
        DataPlaneError
            The map is full.

        """
        try:
            libbpf.update(self.fd, _row(key, self.key), _row(value, self.value), flags)
        except CallError as error:
            if error.errno in (errno.EEXIST, errno.ENOENT):
                return False
            raise self._failed(error) from None
        return True

    def remove(self, key: Any) -> bool:
        """Delete one key; False where it was not there."""
        return libbpf.delete(self.fd, _row(key, self.key))

    def chunks(self, *, delete: bool = False) -> Iterator[tuple[Rows, Rows]]:
        """Yield keys and values of all entries, many at a time; with `delete` they go.

        Entries that come or go meanwhile may or may not be among them; the others are, once.
        """
        size = min(CHUNK, self.entries)
        last: Rows | None = None
        done = False
        while not done:
            following = np.zeros(self._token_bytes, "u1")
            keys = np.zeros(size, self.key)
            values = np.zeros((size, *self._each), self.value)
            try:
                count, done = libbpf.lookup_batch(
                    self.fd, last, following, keys, values, delete=delete
                )
            except CallError as error:
                # A bucket of the hash has more entries than there was room for.
                if error.errno != errno.ENOSPC:
                    raise self._failed(error) from None
                size *= 2
                continue
            last = following
            if count > 0:
                yield keys[:count], values[:count]

    def items(self, *, delete: bool = False) -> tuple[Rows, Rows]:
        """Return keys and values of all entries; with `delete` they go."""
        chunks = list(self.chunks(delete=delete))
        if not chunks:
            return np.zeros(0, self.key), np.zeros((0, *self._each), self.value)
        return (
            np.concatenate([keys for keys, _ in chunks]),
            np.concatenate([values for _, values in chunks]),
        )

    def update(self, keys: Rows, values: Rows) -> None:
        """Write many values, in order.

        Raises
        ------
        DataPlaneError
            One could not be written, for want of room; those before are.

        """
        keys = np.ascontiguousarray(keys, self.key)
        values = np.ascontiguousarray(values, self.value)
        assert len(keys) == len(values)
        for at in range(0, len(keys), CHUNK):
            try:
                libbpf.update_batch(self.fd, keys[at : at + CHUNK], values[at : at + CHUNK])
            except CallError as error:
                raise self._failed(error) from None

    def delete(self, keys: Rows) -> int:
        """Delete many keys, present or not; return how many were present."""
        keys = np.ascontiguousarray(keys, self.key)
        at = gone = 0
        while at < len(keys):
            chunk = keys[at : at + CHUNK]
            count = libbpf.delete_batch(self.fd, chunk)
            gone += count
            # It stops at the first that is absent.
            at += min(count + 1, len(chunk))
        return gone

    def _failed(self, error: CallError) -> DataPlaneError:
        full = error.errno in (errno.E2BIG, errno.ENOSPC)
        why = f"full, it has room for {self.entries} entries" if full else str(error.strerror)
        return DataPlaneError(libbpf.PLANE, f"map {self.name}", why)


class PerCpu(Hash):
    """A per-CPU hash or array: values of shape (possible CPUs,) for each key."""

    def __init__(self, fd: int, key: Dtype, value: Dtype) -> None:
        super().__init__(fd, key, value)
        assert value.itemsize % 8 == 0
        self._each = (libbpf.possible_cpus(),)


class Programs:
    """A map of programs that stubs jump to; who takes a number that is not set goes on."""

    def __init__(self, fd: int) -> None:
        self.fd: Final = fd

    def put(self, number: int, program_fd: int) -> None:
        """Set the program of a number: packets go to it from now on."""
        libbpf.update(self.fd, _row(number, _U4), _row(program_fd, _U4))

    def get(self, number: int) -> int | None:
        """Return the id of the program of a number, or None."""
        value = np.zeros(1, _U4)
        return int(value[0]) if libbpf.lookup(self.fd, _row(number, _U4), value) else None

    def remove(self, number: int) -> bool:
        """Take the program of a number away."""
        return libbpf.delete(self.fd, _row(number, _U4))


class Ring:
    """A ring buffer whose records are all of one dtype; one reader at a time.

    Parameters
    ----------
    fd : int
        The map; its owner closes it. It can be polled for input.
    record : dtype
        What every record is.

    Source
    ------
    Linux Documentation/bpf/ringbuf.rst; kernel/bpf/ringbuf.c.

    """

    _BUSY: Final = 1 << 31
    _DISCARDED: Final = 1 << 30

    def __init__(self, fd: int, record: Dtype) -> None:
        info = libbpf.map_info(fd)
        self.fd: Final = fd
        self.name: Final = info.name
        self.bytes: Final = info.entries
        self._stride = _whole(record.itemsize + 8)
        self._row = np.dtype(
            {
                "names": ["length", "record"],
                "formats": ["<u4", record],
                "offsets": [0, 8],
                "itemsize": self._stride,
            }
        )
        self._consumer = np.ndarray(1, "<u8", buffer=libbpf.mapped(fd, mmap.PAGESIZE))
        # Its memory comes twice in a row, so that no record is cut.
        self._memory = libbpf.mapped(
            fd, mmap.PAGESIZE + 2 * self.bytes, offset=mmap.PAGESIZE, writable=False
        )
        self._producer = np.ndarray(1, "<u8", buffer=self._memory)

    def fileno(self) -> int:
        """Return the descriptor, for `select` and its like."""
        return self.fd

    def read(self, most: int | None = None) -> Rows:
        """Return records in their order and free their room; none where there are none.

        Parameters
        ----------
        most : int, optional
            At most so many.

        Raises
        ------
        DataPlaneError
            The ring holds records of another size.

        """
        consumed = int(self._consumer[0])
        count = (int(self._producer[0]) - consumed) // self._stride
        count = count if most is None else min(count, most)
        at = mmap.PAGESIZE + consumed % self.bytes
        rows = np.ndarray(count, self._row, buffer=self._memory, offset=at)
        lengths = rows["length"].copy()
        busy = np.flatnonzero(lengths & self._BUSY)
        if len(busy) > 0:
            # Whoever reserved it has not finished; what comes after it waits.
            lengths = lengths[: busy[0]]
        if np.any((lengths & ~np.uint32(self._DISCARDED)) != self._row["record"].itemsize):
            expected = self._row["record"].itemsize
            raise DataPlaneError(
                libbpf.PLANE, f"ring {self.name}", f"has records that are not {expected} bytes"
            )
        kept: Rows = rows["record"][: len(lengths)][(lengths & self._DISCARDED) == 0]
        self._consumer[0] = consumed + len(lengths) * self._stride
        return kept


_U4: Final[Dtype] = np.dtype("<u4")


def _whole(size: int) -> int:
    """Return a size rounded up to 8 bytes, as the kernel lays out what it stores."""
    return (size + 7) // 8 * 8


def _pages(size: int) -> int:
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE


def _row(value: Any, dtype: Dtype) -> Rows:
    return np.ascontiguousarray(value, dtype)
