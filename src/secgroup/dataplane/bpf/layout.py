"""Every layout that the kernel program and Python share: rows of maps, keys, events.

Owns names, dtypes, bits and sizes; the record of a connection is `engine.layout`'s. The C header
is generated from here (`header`), and what clang made of it is compared on load (`btf`). Little
endian, host order, but for what is compared as bytes. 128-bit addresses are two halves of a
number; IPv4 as ::ffff:a.b.c.d.
"""

from typing import Any, Final

import numpy as np

from secgroup.engine.layout import RECORD, STATES

#: Grows with every change of what a pinned map holds; pins stand in a folder of this name.
LAYOUT_VERSION: Final = 1

#: One interface as a packet meets it. A row never changes while a word names it.
POLICY: Final = np.dtype(
    [
        ("interface", "<u4"),  # its number, also in `words` and `counters`
        ("owner", "<u4"),  # row of `owners`
        ("rules", "<u4", (4,)),  # sections, by 2 * direction + (family is 6)
        ("acl", "<u4", (4,)),  # likewise
        ("acl_always", "<i4", (4,)),  # number of a first entry that matches everything, or 0
        ("own4", "<u4"),  # its primary private IPv4 address, or 0
        ("own", "<u4"),  # the table of all its addresses among `hosts` and `prefixes*`
        ("own6_hi", "<u8"),  # its first IPv6 address, or 0
        ("own6_lo", "<u8"),
        ("subnet", "<u4"),  # row of `subnets`
        ("timeouts", "<u2"),  # row of `timeouts`
        ("carries_groups", "u1"),
        ("source_dest_check", "u1"),
        ("mac", "u1", (6,)),
        ("related_icmp", "u1"),  # the switches of the definition
        ("loose_tcp", "u1"),
        ("strict_tcp", "u1"),
        ("logs", "u1"),  # flow logs are kept of this interface
        ("padding", "u1", (6,)),
    ]
)

#: A word of `words`: how often it has changed, then the row of `policies` that it names.
ROW_BITS: Final = 32


def row_of(word: int) -> int:
    """Return the row of `policies` that a word names; 0 is no policy."""
    return word & ((1 << ROW_BITS) - 1)


#: IPv6 blocks that a subnet may have.
BLOCKS6: Final = 4

#: What surrounds the interfaces of a subnet; rows are never changed either.
SUBNET: Final = np.dtype(
    [
        ("filter4", "<u8"),  # a bit for each exempt address, `engine.tables.exempt_bit`
        ("filter6", "<u8"),
        ("blocks6", "<u8", (BLOCKS6, 4)),  # high and low half of the address, of the mask
        ("block4", "<u4"),
        ("mask4", "<u4"),
        ("has_block4", "<u4"),
        ("blocks6_count", "<u4"),
        ("broadcast", "<u4"),  # 0 is none
        ("exempt4", "<u4"),  # first row among `exempt`; IPv6 follows, then the end
        ("exempt6", "<u4"),
        ("exempt_end", "<u4"),
    ]
)

#: One address that is exempt; -1 is every protocol, every port, and so the VPC router.
EXEMPT: Final = np.dtype(
    [
        ("hi", "<u8"),
        ("lo", "<u8"),
        ("protocol", "<i4"),
        ("port", "<i4"),
        ("answer", "<u4"),  # 1 not logged, 2 logged
        ("padding", "<u4"),
    ]
)

#: One direction and family of a set of rules, or of a network ACL; never changed while a policy
#: names it, but for its classes: new ones are added behind the others.
SECTION: Final = np.dtype(
    [
        ("addresses", "<u4"),  # its table among `hosts` and `prefixes*`
        ("elsewhere", "<u4"),  # the class, as an ADDRESS_VALUE, of addresses not in the table
        ("kinds", "<u4"),  # HAS_HOSTS, HAS_PREFIXES: what the table has
        ("words", "<u4"),  # of the bitmap of one class, 1 to 16
        ("address_bits", "<u4"),  # first word of class 0, among `bitmaps`
        ("port_bits", "<u4"),
        ("ports", "<u4"),  # first of its intervals among `boundaries`; it starts at place 0
        ("ports_count", "<u4"),
        ("numbers", "<u4"),  # first of its rules among `numbers`
        ("rules", "<u4"),  # how many; the number behind them is an ACL's implicit deny
        ("all_open", "<u4"),  # 1 TCP, 2 UDP: one rule opens every port to everyone
        ("is_acl", "<u4"),
    ]
)
HAS_HOSTS: Final = 1
HAS_PREFIXES: Final = 2
MOST_WORDS: Final = 16
MOST_BOUNDARIES: Final = 2047

#: An ADDRESS_VALUE, as `hosts` and `prefixes*` hold it: the class, and above it the entries that
#: a flow takes which AWS always tracks, else 0.
CLASS_BITS: Final = 24
WEIGHT_SHIFT: Final = 30
#: A boundary: where the interval starts << 32 | OPENED where a rule opens it to everyone | class.
OPENED: Final = 1 << 31

HOST: Final = np.dtype([("hi", "<u8"), ("lo", "<u8"), ("table", "<u4"), ("padding", "<u4")])
#: Keys of tries: the table is part of the prefix, so that 32 is added to its length.
PREFIX4: Final = np.dtype([("length", "<u4"), ("table", ">u4"), ("address", "u1", (4,))])
PREFIX6: Final = np.dtype([("length", "<u4"), ("table", ">u4"), ("address", "u1", (16,))])

#: Whose connections are counted.
OWNER: Final = np.dtype(
    [
        ("weight", "<i8"),  # what its entries take
        ("allowance", "<i8"),  # -1 is any number
        ("exceeded", "<u8"),  # openers refused for it (conntrack_allowance_exceeded)
        ("padding", "<u8"),
    ]
)

#: What is remembered of a connection: the record's memory, then its tally.
_MEMORY: Final = ("last_ms", "created_s", "next", "admission", "timeouts", "state", "flags")
KEY_BYTES: Final = 40
ENTRY: Final = np.dtype(
    [
        ("last_ms", "<u4"),
        ("created_s", "<u4"),
        ("next", "<u4", (2,)),
        ("admission", "<u4"),  # the first rule that admitted the opener: its number
        ("timeouts", "<u2"),
        ("state", "u1"),
        ("flags", "u1"),
        ("octets", "<u8", (2,)),  # by Side; IP lengths of finally accepted packets
        ("packets", "<u4", (2,)),
        ("tcp_flags", "u1", (2,)),
        ("padding", "<u2"),
        ("interface", "<u4"),  # the one that made it
    ]
)
#: A further bit of a record's flags: the sweeper has seen it expired.
MARKED: Final = 0x80
#: A state of no grid: the sweeper has taken the entry and is deleting it.
TAKEN: Final = STATES - 1

#: The fragments of one packet at one interface.
FRAGMENT_KEY: Final = np.dtype(
    [
        ("source_hi", "<u8"),
        ("source_lo", "<u8"),
        ("destination_hi", "<u8"),
        ("destination_lo", "<u8"),
        ("interface", "<u4"),
        ("identification", "<u4"),
        ("protocol", "u1"),
        ("family", "u1"),
        ("direction", "u1"),
        ("padding", "u1", (5,)),
    ]
)

#: What was decided of one packet; of a first fragment it is kept for the later ones.
ANSWER: Final = np.dtype(
    [
        ("section", "<u4"),  # 0 where no rule was asked
        ("address_class", "<u4"),
        ("port_class", "<u4"),
        ("acl_rule_number", "<i4"),  # -1 where no ACL was asked
        ("acl_section", "<u4"),
        ("source_port", "<u2"),  # of a later fragment: its first one's
        ("destination_port", "<u2"),
        ("protocol", "u1"),
        ("icmp_type", "u1"),
        ("icmp_code", "u1"),
        ("accepted", "u1"),
        ("reason", "u1"),
        ("state_before", "u1"),  # 0 is none
        ("state_after", "u1"),
        ("logged", "u1"),
    ]
)
FIRST: Final = np.dtype([("time_ms", "<u8"), ("answer", ANSWER)])

#: A verdict as it happens.
EVENT: Final = np.dtype(
    [
        ("time_ms", "<u8"),
        ("word", "<u8"),  # of the policy that decided
        ("source_hi", "<u8"),
        ("source_lo", "<u8"),
        ("destination_hi", "<u8"),
        ("destination_lo", "<u8"),
        ("interface", "<u4"),
        ("length", "<u4"),  # octets, IP lengths of all segments
        ("answer", ANSWER),
        ("segments", "<u2"),
        ("family", "u1"),
        ("direction", "u1"),
        ("tcp_flags", "u1"),
        ("frame", "u1"),  # FRAMES: what was dropped that is not IP; else 0
        ("padding", "u1", (2,)),
    ]
)

#: Flow logs of packets that have no entry.
LOG_KEY: Final = np.dtype(
    [
        ("source_hi", "<u8"),
        ("source_lo", "<u8"),
        ("destination_hi", "<u8"),
        ("destination_lo", "<u8"),
        ("interface", "<u4"),
        ("source_port", "<u2"),
        ("destination_port", "<u2"),
        ("protocol", "u1"),
        ("family", "u1"),
        ("direction", "u1"),
        ("accepted", "u1"),
        ("reason", "u1"),
        ("padding", "u1", (3,)),
    ]
)
LOG: Final = np.dtype(
    [
        ("packets", "<u8"),
        ("octets", "<u8"),
        ("first_ms", "<u8"),
        ("last_ms", "<u8"),
        ("section", "<u4"),
        ("address_class", "<u4"),
        ("port_class", "<u4"),
        ("tcp_flags", "<u4"),
    ]
)

#: An entry that is gone, with what it had counted.
ENDED: Final = np.dtype([("key", "u1", (KEY_BYTES,)), ("entry", ENTRY), ("time_ms", "<u8")])

#: Frames that are not IP packets, by what became of them; numbers are never reused.
FRAMES: Final = {
    "ARP": 1,  # passed
    "ARP_SPOOFED": 2,
    "ETHERTYPE": 3,  # dropped, as all below
    "TAGS": 4,  # more than two VLAN tags
    "SHORT": 5,  # no whole Ethernet header
    "SPOOFED": 6,  # the source MAC is not the interface's
}
REASONS: Final = 32
COUNTERS: Final = np.dtype(
    [
        ("packets", "<u8", (2, 2)),  # by direction, accepted
        ("octets", "<u8", (2, 2)),
        ("reasons", "<u8", (2, REASONS)),  # by direction, Reason
        ("frames", "<u8", (2, 8)),  # by direction, FRAMES
        ("unlogged", "<u8", (2,)),  # packets that flow logs had no room for, by direction
        ("unheard", "<u8", (2,)),  # events that nobody read in time, by direction
        ("full", "<u8", (2,)),  # openers that found the table of connections full
        ("raced", "<u8", (2,)),  # state steps that were given up after three tries
    ]
)

#: One row that Python writes and programs read.
CONTROL: Final = np.dtype(
    [
        ("test_now_ms", "<u8"),  # the clock, where the object was loaded with `test_clock`
        ("latest_ms", "<u8"),  # the latest that it has shown; an earlier one counts as this
        ("followed_until_ms", "<u8"),  # events are told before this
        ("rejected_only", "<u8"),
        ("sweeps", "<u8"),  # how often the sweeper went through the table
        ("ended_lost", "<u8"),  # of `ended`, what nobody read in time
    ]
)

#: What the program `sweep` is given, and gives back.
SWEEP: Final = np.dtype(
    [
        ("now_ms", "<u8"),  # 0 is the clock's
        ("passes", "<u4"),  # 2 marks and removes at once: only where no packet is on its way
        ("marked", "<u4"),  # given back, as what follows
        ("removed", "<u4"),
        ("left", "<u4"),  # entries that live
    ]
)
#: What the program `end` is given, and gives back: 1 where the connection lived.
END: Final = np.dtype([("key", "u1", (KEY_BYTES,)), ("ended", "<u4"), ("padding", "<u4")])

#: What a number means: rows of `names`, so that a restart knows what the kernel remembers.
NAME: Final = np.dtype([("kind", "<u4"), ("number", "<u4")])
NAME_BYTES: Final = 120
NAMES: Final = {"RULE": 1, "INTERFACE": 2, "OWNER": 3, "ACL": 4}

#: C name -> dtype, in the order of the header.
STRUCTS: Final[dict[str, "np.dtype[Any]"]] = {
    "key": np.dtype([(name, RECORD[name]) for name in (RECORD.names or ())[:7]]),
    "entry": ENTRY,
    "policy": POLICY,
    "subnet": SUBNET,
    "exempt": EXEMPT,
    "section": SECTION,
    "host": HOST,
    "prefix4": PREFIX4,
    "prefix6": PREFIX6,
    "owner": OWNER,
    "fragment_key": FRAGMENT_KEY,
    "answer": ANSWER,
    "first": FIRST,
    "event": EVENT,
    "log_key": LOG_KEY,
    "log": LOG,
    "ended": ENDED,
    "counters": COUNTERS,
    "control": CONTROL,
    "sweep": SWEEP,
    "end": END,
    "name": NAME,
}

assert STRUCTS["key"].itemsize == KEY_BYTES
assert all(dtype.itemsize % 4 == 0 for dtype in STRUCTS.values())
assert ENTRY.names is not None
assert ENTRY.names[: len(_MEMORY)] == _MEMORY
assert all(
    RECORD.fields is not None
    and ENTRY.fields is not None
    and RECORD.fields[name][1] == KEY_BYTES + ENTRY.fields[name][1]
    for name in _MEMORY
)
