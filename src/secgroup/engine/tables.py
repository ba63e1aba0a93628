"""`Tables`: what a policy means, as read-only arrays that kernels search.

Owns their layouts. A *section* is one direction and family of a rule table or of a network ACL:
classes of addresses, classes of ports, and bitmaps of rules for both. Knows neither networks nor
how the arrays are filled.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from secgroup.net.address import Address

#: IPv4 addresses are ::ffff:a.b.c.d in every 128-bit place.
MAPPED: Final = 0xFFFF << 32
_HALF: Final = (1 << 64) - 1

#: One interface. `own4`, `own6`, `own_end` bound its addresses among `ranges`: IPv4 from the
#: first to the second, IPv6 from there to the third.
INTERFACE: Final = np.dtype(
    [
        ("table", "<i4"),  # row of Tables.tables; -1 when the interface is gone
        ("subnet", "<i4"),
        ("acl", "<i4"),
        ("owner", "<i4"),
        ("timeouts", "<i4"),
        ("own4", "<i4"),
        ("own6", "<i4"),
        ("own_end", "<i4"),
        ("carries_groups", "<u1"),
        ("source_dest_check", "<u1"),
    ],
    align=True,
)

#: One subnet. `filter4` and `filter6` have a bit set for each exempt address (`exempt_bit`).
SUBNET: Final = np.dtype(
    [
        ("filter4", "<u8"),
        ("filter6", "<u8"),
        ("broadcast", "<u8"),  # low half of the address; 0 is none
        ("block4", "<i4"),  # among `ranges`, as an interface's own addresses
        ("block6", "<i4"),
        ("block_end", "<i4"),
        ("router4", "<i4"),
        ("router6", "<i4"),
        ("router_end", "<i4"),
        ("exempt4", "<i4"),  # among `exempt`
        ("exempt6", "<i4"),
        ("exempt_end", "<i4"),
    ],
    align=True,
)

#: One address that is exempt; -1 is every protocol, every port.
EXEMPT: Final = np.dtype(
    [
        ("hi", "<u8"),
        ("lo", "<u8"),
        ("protocol", "<i4"),
        ("port", "<i4"),
        ("answer", "<i4"),  # 1 not logged, 2 logged
    ],
    align=True,
)

#: One section: where its parts begin in the arrays of `Tables`, and how many there are. To find
#: an interval: bucket = (key - low) >> shift, at most `last`; root[bucket] and root[bucket + 1]
#: bound it. Keys are IPv4 addresses, high halves of IPv6 ones, places of ports.
SECTION: Final = np.dtype(
    [
        ("low", "<u8"),
        ("last", "<u8"),
        ("shift", "<u8"),
        ("port_low", "<u8"),
        ("port_last", "<u8"),
        ("port_shift", "<u8"),
        ("root", "<i4"),
        ("entries", "<i4"),  # among `narrow` or, in IPv6, `wide`
        ("address_class", "<i4"),
        ("address_bits", "<i4"),
        ("port_root", "<i4"),
        ("port_entries", "<i4"),  # among `narrow`
        ("port_class", "<i4"),
        ("port_bits", "<i4"),
        ("words", "<i4"),
        ("rules", "<i4"),
        ("numbers", "<i4"),  # ACLs only: of as many entries, and the implicit deny's
        ("all_open", "<i4"),  # 1 TCP, 2 UDP: every port is open to everyone
        ("always", "<i4"),  # ACLs only: the number of a first entry that matches everything, or 0
    ],
    align=True,
)


class Tables(NamedTuple):
    """Everything that kernels ask about a policy; read-only, in C order.

    Attributes
    ----------
    interfaces, subnets, exempt, sections : record arrays
        Of INTERFACE, SUBNET, EXEMPT, SECTION.
    tables, acls : int32, shape (n, 4)
        The sections of each rule table and network ACL, by direction * 2 + (family is 6); -1
        where nobody has asked for them yet, and no packet may.
    ranges : uint64, shape (n, 4)
        High and low half of the first, of the last address.
    narrow : uint64, shape (n,)
        Intervals of IPv4 addresses or of ports: start << 32 | class. Each section has three more
        at its end, from the end of the space on and of its last class; so in `wide`.
    wide : uint64, shape (n, 3)
        Intervals of IPv6 addresses: high half, low half of the start, class.
    roots : int32
        For each bucket of equal width an interval at or before its first one; one more behind.
    bitmaps : uint64
        The words of every class.
    weights : uint8
        Of every address class.
    opened : uint8
        Of every port class: a rule opens it to everyone.
    numbers : int32
        Of the entries of ACLs, negative where they deny; the implicit deny ends each section.
    timeouts : int64, shape (n, 3)
        Seconds: established TCP, UDP, UDP streams.

    """

    interfaces: np.recarray[Any, Any]
    subnets: np.recarray[Any, Any]
    exempt: np.recarray[Any, Any]
    sections: np.recarray[Any, Any]
    tables: NDArray[np.int32]
    acls: NDArray[np.int32]
    ranges: NDArray[np.uint64]
    narrow: NDArray[np.uint64]
    wide: NDArray[np.uint64]
    roots: NDArray[np.int32]
    bitmaps: NDArray[np.uint64]
    weights: NDArray[np.uint8]
    opened: NDArray[np.uint8]
    numbers: NDArray[np.int32]
    timeouts: NDArray[np.int64]

    @property
    def size_bytes(self) -> int:
        """What the arrays take together."""
        return sum(array.nbytes for array in self)


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view of an array that is not to be written."""
    view = array.view()
    view.flags.writeable = False
    return view


def records(array: NDArray[Any]) -> "np.recarray[Any, Any]":
    """Return an array of records as one whose fields are attributes, not to be written."""
    view = array.view(np.recarray)
    view.flags.writeable = False
    return view


def halves(address: Address) -> tuple[int, int]:
    """Return the high and the low half of an address; IPv4 as ::ffff:a.b.c.d."""
    number = int(address) | (MAPPED if address.version == 4 else 0)
    return number >> 64, number & _HALF


def exempt_bit(lo: int) -> int:
    """Return the bit of a subnet's filter that stands for an address by its low half."""
    return (lo ^ lo >> 6 ^ lo >> 16) & 63
