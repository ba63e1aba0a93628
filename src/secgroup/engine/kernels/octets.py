"""Numbers in captured bytes, in network byte order."""

import numpy as np

from secgroup.engine.kernels import kernel
from secgroup.engine.layout import U1


@kernel
def u8(octets: U1, at: int) -> int:
    """Return a byte."""
    return int(np.int64(octets[at]))


@kernel
def u16(octets: U1, at: int) -> int:
    """Return the number in two bytes."""
    return int(np.int64(octets[at]) << 8 | np.int64(octets[at + 1]))


@kernel
def u32(octets: U1, at: int) -> int:
    """Return the number in four bytes."""
    return u16(octets, at) << 16 | u16(octets, at + 2)


@kernel
def u48(octets: U1, at: int) -> np.uint64:
    """Return the number in six bytes, which is a MAC address."""
    return np.uint64(u16(octets, at) << 32 | u32(octets, at + 2))


@kernel
def u64(octets: U1, at: int) -> np.uint64:
    """Return the number in eight bytes."""
    return np.uint64(u32(octets, at)) << np.uint64(32) | np.uint64(u32(octets, at + 4))
