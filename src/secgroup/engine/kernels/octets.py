"""Numbers in captured bytes, in network byte order.

Places are never negative. As unsigned numbers they need no test for that, and the compiler sees
that bytes stand side by side and reads them at once.
"""

import numpy as np

from secgroup.engine.kernels import inlined
from secgroup.engine.layout import U1


@inlined
def u8(octets: U1, at: int) -> int:
    """Return a byte."""
    return int(np.int64(octets[np.uint64(at)]))


@inlined
def u16(octets: U1, at: int) -> int:
    """Return the number in two bytes."""
    place = np.uint64(at)
    return int(np.int64(octets[place]) << 8 | np.int64(octets[place + np.uint64(1)]))


@inlined
def u32(octets: U1, at: int) -> int:
    """Return the number in four bytes."""
    return u16(octets, at) << 16 | u16(octets, at + 2)


@inlined
def u48(octets: U1, at: int) -> np.uint64:
    """Return the number in six bytes, which is a MAC address."""
    return np.uint64(u16(octets, at) << 32 | u32(octets, at + 2))


@inlined
def u64(octets: U1, at: int) -> np.uint64:
    """Return the number in eight bytes."""
    return np.uint64(u32(octets, at)) << np.uint64(32) | np.uint64(u32(octets, at + 4))
